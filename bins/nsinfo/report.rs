//! The report: a page for people, and the same as JSON. Both ask the picture, never the kernel.

use common::cgroup::usage::{Counter, InForce};
use common::error::{Error, Result};
use common::kind::Kind;
use common::proc::container::{Belongs, Named};
use common::proc::idmap::{IdMap, Range};
use common::proc::mounts::Mount;
use common::proc::status::Ids;
use common::text::{Charset, show};
use common::tool::json::Value;
use common::tool::table::{Cell, Column, Form, Shape, Style, render};

use super::world::{Cgroup, Id, World};

/// A page in the making: sections with lines under them.
struct Page {
    out: String,
    charset: Charset,
}

impl Page {
    fn heading(&mut self, text: &str) {
        let gap = if self.out.is_empty() { "" } else { "\n" };
        self.out.push_str(&format!("{gap}{text}\n"));
    }

    fn line(&mut self, label: &str, text: &str) {
        self.out.push_str(format!("  {label:<10} {text}").trim_end());
        self.out.push('\n');
    }

    fn remark(&mut self, text: &str) {
        self.out.push_str(&format!("  {text}\n"));
    }

    /// A table, or why there is none.
    fn table<R>(
        &mut self,
        columns: &[Column<World, R>],
        world: &World,
        rows: std::result::Result<&[R], &Error>,
    ) {
        let rows: Vec<_> = match rows {
            Ok(rows) => rows.iter().map(|row| (0, row)).collect(),
            Err(e) => return self.remark(&not_readable(e)),
        };
        let style = Style {
            form: Form::Human,
            headings: true,
            charset: self.charset,
            width: None,
            tree: None,
            wrap: false,
            key: "",
            facts: Vec::new(),
            below: Vec::new(),
            paint: None,
        };
        let columns: Vec<_> = columns.iter().collect();
        render(world, &columns, &rows, &style).lines().for_each(|line| self.remark(line));
    }
}

fn not_readable(error: &Error) -> String {
    format!("not readable: {}", error.reason())
}

/// The page for people.
pub(crate) fn page(world: &World, charset: Charset) -> String {
    let mut page = Page { out: String::new(), charset };
    identity(&mut page, world);
    namespaces(&mut page, world);
    users_and_groups(&mut page, world);
    host_name(&mut page, world);
    mounts(&mut page, world);
    cgroups(&mut page, world);
    page.out
}

fn identity(page: &mut Page, world: &World) {
    page.heading("process");
    page.line("command", &show(&world.command, page.charset));
    if let Some(e) = &world.unnamed {
        page.line("", &format!("its arguments are {}", not_readable(e)));
    }
    let pids: Vec<_> = world.pids().iter().map(i32::to_string).collect();
    match &pids[..] {
        [outside, between @ .., inside] => {
            let between: String = between.iter().map(|pid| format!("{pid}, ")).collect();
            page.line("PIDs", &format!("{outside} outside, {between}{inside} inside"));
        }
        pids => page.line("PID", &pids.join("")),
    }
    match &world.pidfd {
        Ok(Some(inode)) => {
            page.line("pidfd", &format!("{}:{inode} names this process until the next boot", world.pid));
        }
        Ok(None) => {}
        Err(e) => page.line("pidfd", &not_readable(e)),
    }
    if world.status.process != world.pid {
        page.line("thread", &format!("of process {}", world.status.process));
    }
    if let Err(e) = &world.belongs {
        page.line("container", &not_readable(e));
    }
    for (label, named) in belongs(world) {
        if let Some(Named { name, engine, source, .. }) = named {
            let [name, source] = [name, source].map(|bytes| show(bytes, page.charset));
            page.line(label, &format!("{name}, {engine} ({source})"));
        }
    }
}

/// What the process belongs to, by the words for it.
fn belongs(world: &World) -> [(&'static str, Option<&Named>); 3] {
    let of = |one: fn(&Belongs) -> Option<&Named>| world.belongs.as_ref().ok().and_then(one);
    [
        ("container", of(|belongs| belongs.container.as_ref())),
        ("pod", of(|belongs| belongs.pod.as_ref())),
        ("unit", of(|belongs| belongs.unit.as_ref())),
    ]
}

#[rustfmt::skip]
const NAMESPACES: &[Column<World, Kind>] = &[
    Column { name: "TYPE", help: "", shape: Shape::Text, cell: |_, kind| Cell::text(Some(kind.name())) },
    Column { name: "NS", help: "", shape: Shape::Number, cell: |world, kind| Cell::number(world.namespace(*kind)) },
    Column { name: "WHOSE", help: "", shape: Shape::Text, cell: |world, kind| Cell::text(Some(whose(world, *kind))) },
];

fn namespaces(page: &mut Page, world: &World) {
    page.heading("namespaces");
    let kinds: Vec<_> = Kind::all().collect();
    page.table(NAMESPACES, world, world.namespaces.as_ref().map(|_| &kinds[..]));
    for (whose, inodes) in [("initial", &world.initial), ("our own", &world.ours)] {
        if let (Err(e), Ok(_)) = (inodes, &world.namespaces) {
            page.remark(&format!("which are {whose} is unknown: {}", not_readable(e)));
        }
    }
}

/// Whether a namespace is an initial one, ours, or neither: its own.
fn whose(world: &World, kind: Kind) -> &'static str {
    if world.namespace(kind).is_none() {
        return "none";
    }
    match (world.shares(kind, &world.initial), world.shares(kind, &world.ours)) {
        (Some(true), Some(true)) => "initial, ours",
        (Some(true), _) => "initial",
        (_, Some(true)) => "ours",
        (Some(false), Some(false)) => "own",
        (None, Some(false)) => "not ours",
        (Some(false), None) => "not initial",
        (None, None) => "unknown",
    }
}

fn users_and_groups(page: &mut Page, world: &World) {
    page.heading("users and groups");
    let spelled = |id: Id| {
        let number = |id: Option<u32>| id.map_or("none".to_string(), |id| id.to_string());
        let inside = if world.inside_unknown() { "unknown".into() } else { number(id.inside) };
        format!("{} outside, {inside} inside", number(id.outside))
    };
    ids(page, "uid", &world.status.uids, |id| spelled(world.user(id)));
    ids(page, "gid", &world.status.gids, |id| spelled(world.group(id)));
    map(page, "uid map", &world.users, &world.our_users);
    map(page, "gid map", &world.groups, &world.our_groups);
    match &world.setgroups {
        Ok(word) => page.line("setgroups", &show(word, page.charset)),
        Err(e) => page.line("setgroups", &not_readable(e)),
    }
}

/// The effective id, and others only where they differ from it.
fn ids(page: &mut Page, label: &str, ids: &Ids, spelled: impl Fn(u32) -> String) {
    page.line(label, &spelled(ids.effective));
    for (name, other) in ids.named().into_iter().filter(|(_, other)| *other != ids.effective) {
        page.line("", &format!("{name}: {}", spelled(other)));
    }
}

fn map(page: &mut Page, label: &str, map: &Result<IdMap>, ours: &Result<IdMap>) {
    // The kernel numbers only the first id of a range as our user namespace does.
    let plain = ours.as_ref().is_ok_and(IdMap::is_identity);
    match map {
        Err(e) => page.line(label, &not_readable(e)),
        Ok(map) if map.ranges.is_empty() => page.line(label, "empty: not written yet"),
        Ok(map) if map.is_identity() && plain => page.line(label, "every id is the same outside and inside"),
        Ok(map) => {
            for (at, range) in map.ranges.iter().enumerate() {
                page.line(if at == 0 { label } else { "" }, &spelled(range));
            }
        }
    }
    // Another /proc need not show us at all, which is told where it matters.
    if let Some(e) = ours.as_ref().err().filter(|e| !e.is_gone()) {
        page.line("", &format!("that of our own user namespace is {}", not_readable(e)));
    }
}

fn spelled(range: &Range) -> String {
    let span = |first: u32| match range.count {
        1 => first.to_string(),
        count => format!("{first}-{}", u64::from(first) + u64::from(count).saturating_sub(1)),
    };
    format!("{} outside = {} inside", range.outside.map_or("none".into(), span), span(range.inside))
}

fn host_name(page: &mut Page, world: &World) {
    page.heading("host name");
    match &world.host_name {
        Ok(name) => page.remark(&show(name, page.charset)),
        Err(e) => page.remark(&not_readable(e)),
    }
}

#[rustfmt::skip]
const MOUNTS: &[Column<World, Mount>] = &[
    Column { name: "MOUNT POINT", help: "", shape: Shape::Text, cell: |_, mount| Cell::text(Some(mount.point.clone())) },
    Column { name: "TYPE", help: "", shape: Shape::Text, cell: |_, mount| Cell::text(Some(mount.fs_type.clone())) },
    Column { name: "SOURCE", help: "", shape: Shape::Text, cell: |_, mount| Cell::text(Some(source(mount))) },
    Column { name: "PROPAGATION", help: "", shape: Shape::Text, cell: |_, mount| Cell::text(Some(mount.propagation())) },
    Column { name: "OPTIONS", help: "", shape: Shape::LongText, cell: |_, mount| Cell::text(Some(options(mount))) },
];

fn mounts(page: &mut Page, world: &World) {
    page.heading("mounts");
    page.table(MOUNTS, world, world.mounts.as_ref().map(|(mounts, _)| &mounts[..]));
    if let Ok((_, skipped @ 1..)) = &world.mounts {
        page.remark(&format!("lines of mountinfo that make no sense and are left out: {}", skipped));
    }
}

/// What is mounted, and in brackets which part of it, where that is not all.
fn source(mount: &Mount) -> Vec<u8> {
    match &mount.root[..] {
        b"/" => mount.source.clone(),
        root => [&mount.source, &b"["[..], root, b"]"].concat(),
    }
}

/// The options of the mount, and those of the file system that are not among them. It cannot be written if
/// either is read-only.
fn options(mount: &Mount) -> Vec<u8> {
    let split = |options: &'_ [u8]| options.split(|&b| b == b',').map(<[u8]>::to_vec).collect::<Vec<_>>();
    let (mut all, of_file_system) = (split(&mount.options), split(&mount.super_options));
    let is_access = |option: &[u8]| option == b"rw" || option == b"ro";
    if of_file_system.iter().any(|option| option == b"ro") {
        all.iter_mut().filter(|option| is_access(option)).for_each(|option| *option = b"ro".to_vec());
    }
    for option in of_file_system {
        if !is_access(&option) && !all.contains(&option) {
            all.push(option);
        }
    }
    all.join(&b',')
}

#[rustfmt::skip]
const CGROUPS: &[Column<World, Cgroup>] = &[
    Column { name: "HIERARCHY", help: "", shape: Shape::Number, cell: |_, cgroup| Cell::Number(cgroup.line.hierarchy) },
    Column { name: "CONTROLLERS", help: "", shape: Shape::Text, cell: |_, cgroup| Cell::text(Some(controllers(cgroup))) },
    Column { name: "PATH", help: "", shape: Shape::Text, cell: |_, cgroup| Cell::text(Some(cgroup.line.path.clone())) },
];

#[rustfmt::skip]
const LIMITS: &[Column<World, InForce>] = &[
    Column { name: "LIMIT", help: "", shape: Shape::Text, cell: |_, limit| Cell::text(Some(limit.file)) },
    Column { name: "VALUE", help: "", shape: Shape::Text, cell: |_, limit| Cell::text(Some(limit.value.clone())) },
    Column { name: "SET BY", help: "", shape: Shape::Text, cell: |_, limit| Cell::text(Some(limit.group.clone())) },
];

#[rustfmt::skip]
const USED: &[Column<World, (&'static Counter, u64)>] = &[
    Column { name: "USED", help: "", shape: Shape::Text, cell: |_, (counter, _)| Cell::text(Some(counter.name)) },
    Column { name: "VALUE", help: "", shape: Shape::Number, cell: |_, (_, value)| Cell::Number(*value) },
    Column { name: "UNIT", help: "", shape: Shape::Text, cell: |_, (counter, _)| Cell::text(Some(counter.unit)) },
];

fn cgroups(page: &mut Page, world: &World) {
    page.heading("cgroups");
    page.table(CGROUPS, world, world.cgroups.as_ref().map(|cgroups| &cgroups[..]));
    let groups: Vec<&Cgroup> = world.cgroups.iter().flatten().collect();
    let limits: Vec<InForce> =
        groups.iter().flat_map(|cgroup| cgroup.limits.iter().flatten().cloned()).collect();
    let unknown: Vec<_> =
        groups.iter().filter_map(|cgroup| Some((cgroup, cgroup.limits.as_ref().err()?))).collect();
    let hidden = groups.iter().any(|cgroup| cgroup.hidden_above);
    page.heading("limits in force");
    match limits.is_empty() {
        true if unknown.is_empty() && !hidden => page.remark("none"),
        true => {}
        false => page.table(LIMITS, world, Ok(&limits)),
    }
    if hidden {
        page.remark("those of groups above the ones that are mounted here hold too, and cannot be seen");
    }
    for (cgroup, error) in unknown {
        let name = show(&controllers(cgroup), page.charset);
        page.remark(&format!("unknown of {name}: {}", error.reason()));
    }
    let used: Vec<_> = groups.iter().flat_map(|cgroup| cgroup.used.iter().copied()).collect();
    if !used.is_empty() {
        page.heading("used by its groups");
        page.table(USED, world, Ok(&used));
    }
}

/// The controllers of a hierarchy; that of cgroup v2 names none.
fn controllers(cgroup: &Cgroup) -> Vec<u8> {
    match cgroup.line.controllers.is_empty() {
        true => b"(v2)".to_vec(),
        false => cgroup.line.controllers.join(&b','),
    }
}

/// The same as JSON. What could not be read is null, and `unreadable` says why.
pub(crate) fn json(world: &World) -> Value {
    let missing = world
        .missing()
        .into_iter()
        .map(|(key, error)| Value::Object(vec![("key", text(key)), ("reason", text(error.to_string()))]));
    let thread = world.status.process != world.pid;
    let mut members = vec![
        ("process", Value::Number(world.status.process.unsigned_abs().into())),
        ("thread", Value::number(thread.then(|| world.pid.unsigned_abs()))),
        ("command", text(world.command.as_slice())),
        ("pids", list(&world.pids(), |pid| Value::Number(pid.unsigned_abs().into()))),
        ("pidfd_inode", or_null(&world.pidfd, |inode| inode.map_or(Value::Null, Value::Number))),
    ];
    members.extend(belongs(world).map(|(key, named)| (key, named.map_or(Value::Null, named_json))));
    members.extend([
        ("namespaces", or_null(&world.namespaces, |_| namespaces_json(world))),
        ("uid", ids_json(&world.status.uids, |id| world.user(id))),
        ("gid", ids_json(&world.status.gids, |id| world.group(id))),
        ("uid_map", or_null(&world.users, |map| list(&map.ranges, range_json))),
        ("gid_map", or_null(&world.groups, |map| list(&map.ranges, range_json))),
        ("setgroups", or_null(&world.setgroups, |word| text(word.as_slice()))),
        ("host_name", or_null(&world.host_name, |name| text(name.as_slice()))),
        ("mounts", or_null(&world.mounts, |(mounts, _)| list(mounts, mount_json))),
        ("mounts_skipped", or_null(&world.mounts, |(_, skipped)| Value::Number(*skipped as u64))),
        ("cgroups", or_null(&world.cgroups, |cgroups| list(cgroups, cgroup_json))),
        ("unreadable", Value::List(missing.collect())),
    ]);
    Value::Object(members)
}

fn named_json(named: &Named) -> Value {
    Value::Object(vec![
        ("name", text(named.name.as_slice())),
        ("id", named.id.as_deref().map_or(Value::Null, text)),
        ("engine", text(named.engine)),
        ("source", text(named.source.as_slice())),
    ])
}

fn text(bytes: impl Into<Vec<u8>>) -> Value {
    Value::Text(bytes.into())
}

fn list<T>(things: &[T], one: impl Fn(&T) -> Value) -> Value {
    Value::List(things.iter().map(one).collect())
}

fn or_null<T>(part: &Result<T>, show: impl FnOnce(&T) -> Value) -> Value {
    part.as_ref().map_or(Value::Null, show)
}

fn namespaces_json(world: &World) -> Value {
    let yes = |answer: Option<bool>| answer.map_or(Value::Null, Value::Bool);
    let one = |kind: Kind| {
        let members = vec![
            ("ns", Value::number(world.namespace(kind))),
            ("initial", yes(world.shares(kind, &world.initial))),
            ("ours", yes(world.shares(kind, &world.ours))),
        ];
        (kind.name(), Value::Object(members))
    };
    Value::Object(Kind::all().map(one).collect())
}

fn ids_json(ids: &Ids, of: impl Fn(u32) -> Id) -> Value {
    let one = |(name, number)| {
        let Id { outside, inside } = of(number);
        let members = vec![("outside", Value::number(outside)), ("inside", Value::number(inside))];
        (name, Value::Object(members))
    };
    Value::Object(ids.named().into_iter().map(one).collect())
}

fn range_json(range: &Range) -> Value {
    Value::Object(vec![
        ("outside", Value::number(range.outside)),
        ("inside", Value::Number(range.inside.into())),
        ("count", Value::Number(range.count.into())),
    ])
}

fn mount_json(mount: &Mount) -> Value {
    let (major, minor) = mount.dev;
    Value::Object(vec![
        ("id", Value::Number(mount.id)),
        ("parent", Value::Number(mount.parent)),
        ("dev", text(format!("{major}:{minor}"))),
        ("root", text(mount.root.as_slice())),
        ("point", text(mount.point.as_slice())),
        ("options", text(mount.options.as_slice())),
        ("propagation", text(mount.propagation())),
        ("shared", Value::number(mount.peer_group)),
        ("slave_of", Value::number(mount.master)),
        ("unbindable", Value::Bool(mount.unbindable)),
        ("type", text(mount.fs_type.as_slice())),
        ("source", text(mount.source.as_slice())),
        ("super_options", text(mount.super_options.as_slice())),
    ])
}

fn cgroup_json(cgroup: &Cgroup) -> Value {
    let limit = |limit: &InForce| {
        Value::Object(vec![
            ("file", text(limit.file)),
            ("value", text(limit.value.as_slice())),
            ("set_by", text(limit.group.as_slice())),
        ])
    };
    let used = cgroup.used.iter().map(|(counter, value)| (counter.name, Value::Number(*value))).collect();
    Value::Object(vec![
        ("hierarchy", Value::Number(cgroup.line.hierarchy)),
        ("controllers", list(&cgroup.line.controllers, |name| text(name.as_slice()))),
        ("path", text(cgroup.line.path.as_slice())),
        ("limits", or_null(&cgroup.limits, |limits| list(limits, limit))),
        ("hidden_above", Value::Bool(cgroup.hidden_above)),
        ("used", Value::Object(used)),
    ])
}
