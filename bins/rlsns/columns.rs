//! The columns, and what each of them needs to be known.

use common::ns::scan::{Depth, Want};
use common::proc::container::Named;
use common::tool::table::{Cell, Column, Shape};

use super::picture::{Picture, Row};

/// Every column: a row here is all that it takes to have one more.
#[rustfmt::skip]
pub(crate) const COLUMNS: &[Column<Picture, Row>] = &[
    Column { name: "NS", help: "inode number of the namespace", shape: Shape::Number, cell: |p, row| Cell::Number(row.ns(p).id.ino) },
    Column { name: "TYPE", help: "kind of the namespace", shape: Shape::Text, cell: |p, row| Cell::text(Some(row.ns(p).kind.name())) },
    Column { name: "PATH", help: "path to the namespace", shape: Shape::Text, cell: |p, row| Cell::text(row.pid.map(|pid| format!("/proc/{pid}/ns/{}", row.ns(p).kind))) },
    Column { name: "NPROCS", help: "number of processes in the namespace", shape: Shape::Number, cell: |p, row| Cell::Number(row.ns(p).processes as u64) },
    Column { name: "PID", help: "lowest PID in the namespace", shape: Shape::Number, cell: |_, row| Cell::number(row.pid.map(i32::unsigned_abs)) },
    Column { name: "PPID", help: "PID of that process's parent", shape: Shape::Number, cell: |p, row| Cell::number(row.process(p).map(|process| process.ppid.unsigned_abs())) },
    Column { name: "COMMAND", help: "command line of that process", shape: Shape::LongText, cell: |p, row| Cell::text(row.process(p).map(|process| process.command.clone())) },
    Column { name: "UID", help: "user id of that process, or else of the namespace's owner", shape: Shape::Number, cell: |p, row| Cell::number(p.uid(row)) },
    Column { name: "USER", help: "name of that user", shape: Shape::Text, cell: |p, row| p.user(p.uid(row)) },
    Column { name: "NETNSID", help: "number by which our net namespace knows a net namespace, or unassigned", shape: Shape::Right, cell: |p, row| Cell::text(row.ns(p).netnsid.map(|id| if id < 0 { "unassigned".into() } else { id.to_string() })) },
    Column { name: "NSFS", help: "where it is mounted in our mount namespace, a line for each path", shape: Shape::Text, cell: |p, row| Cell::lines(p.mounted(row.ns(p))) },
    Column { name: "PNS", help: "inode number of the parent namespace; 0 for none that can be seen", shape: Shape::Number, cell: |p, row| Cell::Number(row.ns(p).parent.unwrap_or(0)) },
    Column { name: "ONS", help: "inode number of the owning user namespace; 0 for none that can be seen", shape: Shape::Number, cell: |p, row| Cell::Number(row.ns(p).owner.unwrap_or(0)) },
    Column { name: "NSID", help: "number that it alone has until the next boot (Linux 6.18; mnt 6.11)", shape: Shape::Number, cell: |p, row| Cell::number(row.ns(p).number) },
    Column { name: "NAME", help: "name that ip-netns(8) gave it, or else a path where it is mounted", shape: Shape::Text, cell: |p, row| Cell::text(p.name(row.ns(p))) },
    Column { name: "REF", help: "path or other form of nskit(7) by which it can be opened", shape: Shape::Text, cell: |p, row| Cell::text(p.reference(row.ns(p))) },
    Column { name: "VIA", help: "what showed it, in one word: process, fd, mount and so on", shape: Shape::Text, cell: |p, row| Cell::text(Some(p.via(row.ns(p)).source().name)) },
    Column { name: "HOLDERS", help: "how many of each sort keep it, as in 3p 1f 1b", shape: Shape::Text, cell: |p, row| Cell::text(p.held(row.ns(p))) },
    Column { name: "NTHREADS", help: "number of threads in the namespace", shape: Shape::Number, cell: |p, row| Cell::Number(row.ns(p).threads as u64) },
    Column { name: "MOUNTS", help: "number of mounts in a mount namespace (Linux 6.12)", shape: Shape::Number, cell: |p, row| Cell::number(row.ns(p).mounts) },
    Column { name: "LEVEL", help: "how many namespaces that can be seen stand above a user or pid namespace", shape: Shape::Number, cell: |p, row| Cell::number(p.level(row.ns(p))) },
    Column { name: "OUID", help: "user id of who made the user namespace that owns it, or it itself", shape: Shape::Number, cell: |p, row| Cell::number(p.owner_uid(row.ns(p))) },
    Column { name: "OUSER", help: "name of that user", shape: Shape::Text, cell: |p, row| p.user(p.owner_uid(row.ns(p))) },
    Column { name: "HOST", help: "is it one of those that the machine started with: yes or no", shape: Shape::Text, cell: |p, row| Cell::text(p.is_initial(row.ns(p)).map(|yes| if yes { "yes" } else { "no" })) },
    Column { name: "START", help: "when that process started, UTC", shape: Shape::Text, cell: |p, row| Cell::text(row.process(p).and_then(|process| p.started(process))) },
    Column { name: "CGROUP", help: "cgroup of that process", shape: Shape::Text, cell: |p, row| Cell::text(row.process(p).and_then(|process| p.cgroup(process))) },
    Column { name: "CONTAINER", help: "container or machine that process is in, or else its id", shape: Shape::Text, cell: |p, row| named(p.belongs(row).container.as_ref()) },
    Column { name: "POD", help: "pod that process is in, or else its id", shape: Shape::Text, cell: |p, row| named(p.belongs(row).pod.as_ref()) },
    Column { name: "UNIT", help: "unit of systemd that process is in", shape: Shape::Text, cell: |p, row| named(p.belongs(row).unit.as_ref()) },
    Column { name: "SOURCE", help: "what says so: the path of a file, or the word cgroup", shape: Shape::Text, cell: |p, row| Cell::text(p.belongs(row).source()) },
];

fn named(named: Option<&Named>) -> Cell {
    Cell::text(named.map(|named| named.name.clone()))
}

/// What has to be asked of a scan for some of the columns.
type Need = (fn(&mut Want), &'static [&'static str]);

/// What columns need beside the links of processes. What no column needs is not read.
#[rustfmt::skip]
const NEEDS: &[Need] = &[
    (|want| want.relations = true, &["PNS", "ONS", "LEVEL", "OUID", "OUSER"]),
    (|want| want.ids = true, &["NSID"]),
    (|want| want.mounts = true, &["MOUNTS"]),
    (|want| want.netnsids = true, &["NETNSID"]),
    (|want| want.depth = want.depth.max(Depth::Deep), &["NSFS", "NAME", "REF", "VIA", "HOLDERS", "NTHREADS"]),
    (|want| want.facts.uid = true, &["UID", "USER"]),
    (|want| want.facts.stat = true, &["PPID", "START"]),
    (|want| want.facts.command = true, &["COMMAND"]),
    (|want| want.facts.groups = true, &["CGROUP", "CONTAINER", "POD", "UNIT", "SOURCE"]),
];

/// Adds what a column needs.
pub(crate) fn need(column: &str, want: &mut Want) {
    NEEDS.iter().filter(|(_, columns)| columns.contains(&column)).for_each(|(add, _)| add(want));
}
