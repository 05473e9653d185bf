//! What keeps a namespace, one by one, and the command that would make it let go.

use std::collections::BTreeSet;

use common::kind::Kind;
use common::ns::refer::netns_name;
use common::ns::scan::{Holder, Namespace, Via};
use common::proc::status::End;
use common::text::{Charset, shell_word};
use common::tool::json::Value;
use common::tool::table::{Cell, Column, Shape};

use super::picture::{Beside, Picture};

/// So many of one sort are shown to people, unless they ask for all.
const SHOWN: usize = 10;

/// Why no command would do what it says.
const ELSEWHERE: &str = "the numbers in this directory are not those of our own pid namespace";

/// The same where a path leads to what is mounted over it.
const COVERED: &str = "something else is mounted over it, which has to be unmounted first";

/// From where we look.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Us {
    /// Our own number: we are in namespaces only since we look.
    pub(crate) pid: Option<i32>,
    /// Are the processes of this /proc those of our own machine, by the numbers that we use?
    pub(crate) same_numbers: bool,
    /// What can be shown.
    pub(crate) charset: Option<Charset>,
}

/// One thing that keeps a namespace.
#[derive(Clone, Debug)]
pub(crate) struct Kept {
    /// The sort.
    pub(crate) via: Via,
    /// The process, or one that sees the mount.
    pub(crate) pid: Option<i32>,
    tid: Option<i32>,
    fd: Option<i32>,
    /// Where it is mounted, and in which mount namespace if that is not ours.
    point: Option<(Vec<u8>, u64, bool)>,
    /// The namespace that it owns, or is the parent of.
    below: Option<(Kind, u64, bool)>,
    /// The command, or why there is none.
    pub(crate) release: Result<String, &'static str>,
}

/// Everything that keeps a namespace, in the order of the sources. Of its processes only those that the snapshot
/// has as members.
pub(crate) fn of(picture: &Picture, ns: &Namespace, us: &Us) -> Vec<Kept> {
    let snapshot = &picture.snapshot;
    let bare = |via| Kept { via, pid: None, tid: None, fd: None, point: None, below: None, release: Err("") };
    let of_process = |via, pid| Kept { pid: Some(pid), release: end(picture, pid), ..bare(via) };
    let members = snapshot.members.iter().filter(|pid| Some(**pid) != us.pid);
    let mut found: Vec<Kept> = members.map(|&pid| of_process(Via::Process, pid)).collect();
    found.extend(snapshot.holders(ns.id.ino).iter().map(|(_, holder)| {
        let via = holder.via();
        match holder {
            Holder::Thread { pid, tid } | Holder::Children { pid, tid } => {
                Kept { tid: Some(*tid), ..of_process(via, *pid) }
            }
            Holder::Descriptor { pid, tid, fd } | Holder::Socket { pid, tid, fd } => {
                Kept { tid: Some(*tid), fd: Some(*fd), ..of_process(via, *pid) }
            }
            Holder::Mount { within, ours, pid, covered, point } => {
                let release = match covered {
                    true => Err(COVERED),
                    false => unmount(ns, (*within, *ours, *pid), point, us, &|| is_alone(picture, point)),
                };
                Kept { pid: *pid, point: Some((point.clone(), *within, *ours)), release, ..bare(via) }
            }
        }
    }));
    for below in &snapshot.namespaces {
        let owns = below.owner == Some(ns.id.ino);
        // Of a user namespace the parent is the owner.
        if owns || below.parent == Some(ns.id.ino) {
            let release = Ok(ask(below.kind, below.id.ino));
            let is_parent = !owns || below.kind == Kind::User;
            found.push(Kept {
                below: Some((below.kind, below.id.ino, is_parent)),
                release,
                ..bare(Via::Namespace)
            });
        }
    }
    let refusal = match (is_initial(picture, ns), us.same_numbers) {
        (true, _) => Some("it stays as long as the machine runs"),
        (_, false) => Some(ELSEWHERE),
        _ => None,
    };
    if let Some(refusal) = refusal {
        found.iter_mut().for_each(|kept| kept.release = Err(refusal));
    }
    found
}

/// Where nothing that we can see keeps a namespace that is there.
pub(crate) fn unseen(ns: &Namespace, us: &Us) -> Kept {
    let release = if us.same_numbers { Ok(ask(ns.kind, ns.id.ino)) } else { Err(ELSEWHERE) };
    Kept { via: Via::Kernel, pid: None, tid: None, fd: None, point: None, below: None, release }
}

/// What is to be known beside a snapshot, to tell of holders.
pub(crate) const OF_HOLDERS: Beside = Beside { states: false, initial: true, clock: true };

/// Is it one of those that the machine started with, also where nobody shows us which those are?
pub(crate) fn is_initial(picture: &Picture, ns: &Namespace) -> bool {
    picture.is_initial(ns).unwrap_or(false) || common::ns::initial::is_fixed(ns.id.ino)
}

/// The question what keeps another namespace.
pub(crate) fn ask(kind: Kind, ino: u64) -> String {
    format!("rlsns --why '{kind}:[{ino}]'")
}

fn end(picture: &Picture, pid: i32) -> Result<String, &'static str> {
    match picture.snapshot.processes.get(&pid).map(|process| process.end).unwrap_or_default() {
        End::Term => Ok(format!("kill {pid}")),
        End::Kill => Ok(format!("kill -KILL {pid}")),
        End::Parent(parent) if parent > 1 => Ok(format!("kill {parent}")),
        End::Parent(_) => Err("a process that has ended is there until its parent has waited for it"),
        End::Nothing => {
            Err("no signal ends a thread of the kernel, nor the first process of our pid namespace")
        }
    }
}

/// Is nothing else mounted there? ip-netns(8) removes the file, and with it all that are.
fn is_alone(picture: &Picture, point: &[u8]) -> bool {
    let there =
        |holder: &Holder| matches!(holder, Holder::Mount { ours: true, point: other, .. } if other == point);
    picture.snapshot.holders.iter().filter(|(_, holder)| there(holder)).nth(1).is_none()
}

fn unmount(
    ns: &Namespace,
    (within, ours, pid): (u64, bool, Option<i32>),
    point: &[u8],
    us: &Us,
    is_alone: &dyn Fn() -> bool,
) -> Result<String, &'static str> {
    let charset = us.charset.unwrap_or(Charset::Ascii);
    let word = shell_word(point, charset).ok_or("no command can name a path that ends with a newline")?;
    let name = netns_name(point);
    let name = name.filter(|name| ns.kind == Kind::Net && !name.starts_with(b"-"));
    match (ours, pid, name.and_then(|name| shell_word(name, charset))) {
        (true, _, Some(name)) if is_alone() => Ok(format!("ip netns del {name}")),
        (true, ..) => Ok(format!("umount {word}")),
        // The path is below the root of that process, which need not be that of its mount namespace.
        (false, Some(pid), _) => Ok(format!("rnsenter -t {pid} -m -r umount {word}")),
        (false, None, _) => Ok(ask(Kind::Mnt, within)),
    }
}

impl Kept {
    /// What it is, beside its process.
    fn what(&self) -> Vec<u8> {
        let thread = self.tid.filter(|tid| Some(*tid) != self.pid).map(|tid| format!("thread {tid}"));
        match (&self.point, &self.below, self.fd, thread) {
            (Some((point, _, true)), ..) => point.clone(),
            (Some((point, within, false)), ..) => {
                [&point[..], format!(" in {}:[{within}]", Kind::Mnt).as_bytes()].concat()
            }
            (_, Some((kind, ino, is_parent)), ..) => {
                format!("{} {kind}:[{ino}]", if *is_parent { "parent of" } else { "owner of" }).into()
            }
            (.., Some(fd), None) => format!("fd {fd}").into(),
            (.., Some(fd), Some(thread)) => format!("fd {fd} of {thread}").into(),
            (.., None, thread) => thread.unwrap_or_default().into(),
        }
    }

    /// The process that keeps it: who sees a mount does not.
    pub(crate) fn process(&self) -> Option<i32> {
        self.pid.filter(|_| self.point.is_none())
    }

    /// All of it, with the same keys for every sort.
    pub(crate) fn value(&self, picture: &Picture) -> Value {
        let number = |number: Option<i32>| Value::number(number.map(i32::unsigned_abs));
        let text = |text: Option<&[u8]>| text.map_or(Value::Null, |text| Value::Text(text.to_vec()));
        let name = |kind: Kind| kind.name().as_bytes();
        let process = self.process().and_then(|pid| picture.snapshot.processes.get(&pid));
        Value::Object(vec![
            ("holder", text(Some(self.via.source().name.as_bytes()))),
            ("pid", number(self.pid)),
            ("tid", number(self.tid)),
            ("fd", number(self.fd)),
            ("user", picture.user(process.map(|process| process.uid)).into()),
            (
                "start",
                text(process.and_then(|process| picture.started(process)).as_ref().map(String::as_bytes)),
            ),
            ("command", text(process.map(|process| &process.command[..]))),
            ("point", text(self.point.as_ref().map(|(point, ..)| &point[..]))),
            ("within", Value::number(self.point.as_ref().map(|(_, within, _)| *within))),
            ("type", text(self.below.map(|(kind, ..)| name(kind)))),
            ("ns", Value::number(self.below.map(|(_, ino, _)| ino))),
            ("release", text(self.release.as_ref().ok().map(|command| command.as_bytes()))),
            ("reason", text(self.release.as_ref().err().map(|reason| reason.as_bytes()))),
        ])
    }
}

/// One line about what keeps a namespace.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    pub(crate) ns: u64,
    pub(crate) kind: Kind,
    via: Via,
    pid: Option<i32>,
    what: Vec<u8>,
    release: Option<String>,
}

/// The columns. The first two say which namespace it is about.
#[rustfmt::skip]
pub(crate) const COLUMNS: &[Column<Picture, Line>] = &[
    Column { name: "NS", help: "", shape: Shape::Number, cell: |_, line| Cell::Number(line.ns) },
    Column { name: "TYPE", help: "", shape: Shape::Text, cell: |_, line| Cell::text(Some(line.kind.name())) },
    Column { name: "HOLDER", help: "", shape: Shape::Text, cell: |_, line| Cell::text(Some(line.via.source().name)) },
    Column { name: "PID", help: "", shape: Shape::Number, cell: |_, line| Cell::number(line.pid.map(i32::unsigned_abs)) },
    Column { name: "USER", help: "", shape: Shape::Text, cell: |p, line| p.user(line.pid.and_then(|pid| Some(p.snapshot.processes.get(&pid)?.uid))) },
    Column { name: "WHAT", help: "", shape: Shape::Text, cell: |_, line| Cell::Text(line.what.clone()) },
    Column { name: "SINCE", help: "", shape: Shape::Text, cell: |p, line| Cell::text(line.pid.and_then(|pid| p.started(p.snapshot.processes.get(&pid)?))) },
    Column { name: "RELEASE", help: "", shape: Shape::Text, cell: |_, line| Cell::text(line.release.clone()) },
    Column { name: "COMMAND", help: "", shape: Shape::LongText, cell: |p, line| Cell::text(line.pid.and_then(|pid| Some(p.snapshot.processes.get(&pid)?.command.clone()))) },
];

/// Lines for what keeps one namespace: in short those of one process and sort are one, and of many in one sort only the
/// first are shown.
pub(crate) fn lines(ns: &Namespace, kept: &[Kept], short: bool) -> Vec<Line> {
    let line = |kept: &Kept, what| Line {
        ns: ns.id.ino,
        kind: ns.kind,
        via: kept.via,
        pid: kept.process(),
        what,
        release: kept.release.clone().ok(),
    };
    if !short {
        return kept.iter().map(|kept| line(kept, kept.what())).collect();
    }
    let mut lines = Vec::new();
    for sort in kept.chunk_by(|one, other| one.via == other.via) {
        let of_one = |one: &Kept, other: &Kept| one.process().is_some() && one.process() == other.process();
        let things: Vec<&[Kept]> = sort.chunk_by(of_one).collect();
        for thing in things.iter().take(SHOWN) {
            let mut whats: Vec<_> = thing.iter().take(SHOWN).map(Kept::what).collect();
            if thing.len() > SHOWN {
                whats.push(format!("{} more", thing.len() - SHOWN).into());
            }
            lines.push(line(&thing[0], whats.join(&b", "[..])));
        }
        if things.len() > SHOWN {
            let what = format!("and {} more", things.len() - SHOWN).into();
            lines.push(Line { pid: None, release: None, ..line(&sort[0], what) });
        }
    }
    lines
}

/// What is to be said below them.
pub(crate) fn remarks(kept: &[Kept]) -> String {
    let mut remarks = BTreeSet::new();
    for kept in kept {
        if let (Some(_), Ok(_)) = (kept.fd, &kept.release) {
            remarks.insert("A process can also close a descriptor or socket by itself; nobody else can.");
        }
    }
    let reasons: BTreeSet<_> = kept.iter().filter_map(|kept| kept.release.as_ref().err()).collect();
    let mut text: String = remarks.iter().map(|remark| format!("{remark}\n")).collect();
    reasons.iter().for_each(|reason| text.push_str(&format!("Where no command stands: {reason}.\n")));
    text
}
