//! Processes by their groups.

use std::collections::BTreeMap;

use nix::unistd::getpid;

use crate::cgroup::layout::{Hierarchy, Layout};
use crate::error::{Error, Result};
use crate::proc::groups::Line;
use crate::proc::{Proc, Target, Task};

/// A process that was found, with what tells it from another that has its PID later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Member {
    pub(super) pid: i32,
    pub(super) start: u64,
    pub(super) uid: u32,
    pub(super) lines: Vec<Line>,
}

impl Member {
    /// An error of a process that has ended, even if nobody has waited for it yet: there is nothing to be entered.
    pub(super) fn of(task: &Task) -> Result<Member> {
        let stat = task.stat()?;
        match stat.has_ended {
            true => Err(super::gone(task.pid)),
            false => {
                Ok(Member { pid: task.pid, start: stat.start, uid: task.uid()?, lines: Line::of(task)? })
            }
        }
    }

    /// Is it older than another one? Of those that started within one clock tick the lower PID is.
    fn is_older(&self, other: &Member) -> bool {
        (self.start, self.pid) < (other.start, other.pid)
    }

    /// Takes hold of its directory.
    pub(super) fn see(&self, proc: &Proc) -> Result<Task> {
        let task = proc.task(self.pid)?;
        self.check(&task)?;
        Ok(task)
    }

    /// Takes hold of it by a pidfd, to be entered.
    pub(super) fn hold(&self, proc: &Proc) -> Result<Target> {
        if proc.this()?.pid != getpid().as_raw() {
            let what = "/proc is that of another pid namespace, in which processes have other numbers";
            return Err(
                Error::refused(what).with_hint("mount one of this namespace: mount -t proc proc /proc")
            );
        }
        let target = Target::open(proc, self.pid)?;
        self.check(&target.task)?;
        match target.is_alive()? {
            true => Ok(target),
            false => Err(self.ended()),
        }
    }

    /// What was opened by its PID must still be it.
    fn check(&self, task: &Task) -> Result<()> {
        let now = Member::of(task)?;
        match (now.start, &now.lines) == (self.start, &self.lines) {
            true => Ok(()),
            false => Err(self.ended()),
        }
    }

    fn ended(&self) -> Error {
        Error::refused(format!(
            "process {} ended, or went to another group, while it was looked up",
            self.pid
        ))
        .with_hint("try again")
    }
}

/// The processes that could not be looked at.
#[derive(Default)]
pub(super) struct Hidden {
    count: usize,
    first: Option<Error>,
}

impl Hidden {
    pub(super) fn add(&mut self, why: Error) {
        self.count += 1;
        self.first.get_or_insert(why);
    }

    /// What is said to who found nothing: it may be among these.
    pub(super) fn with(&self, what: &[u8]) -> Error {
        let first = match (&self.first, self.count) {
            (None, _) => String::new(),
            (Some(only), 1) => format!(" (1 process could not be looked at: {only})"),
            (Some(first), count) => {
                format!(" ({count} processes could not be looked at, the first: {first})")
            }
        };
        Error::refused([what, first.as_bytes()].concat())
    }
}

/// Every process, one after another. Those that end meanwhile are left out; those that we may not look at are
/// answered.
pub(super) fn members(proc: &Proc, mut each: impl FnMut(Member)) -> Result<Hidden> {
    let mut hidden = Hidden::default();
    for pid in proc.pids()? {
        match proc.task(pid).and_then(|task| Member::of(&task)) {
            Ok(member) => each(member),
            Err(e) if e.is_our_own() => return Err(e),
            Err(e) if e.is_gone() => {}
            Err(e) => hidden.add(e),
        }
    }
    Ok(hidden)
}

/// The older of two.
pub(super) fn keep_oldest(place: &mut Option<Member>, member: &Member) {
    if place.as_ref().is_none_or(|oldest| member.is_older(oldest)) {
        *place = Some(member.clone());
    }
}

/// The oldest process of the group with this path and of those below it. Hierarchies can have groups of one path with
/// different processes: then one must be said.
pub(super) fn oldest(proc: &Proc, hierarchy: Option<&[u8]>, path: &[u8]) -> Result<Member> {
    let layout = Layout::take(proc);
    let mounted = layout.as_ref().ok().and_then(|layout| below_mount(layout, path));
    let (of_mount, path) = match &mounted {
        Some((hierarchy, path)) => (Some(&hierarchy.controllers), &path[..]),
        None => (None, path),
    };
    let path = match path {
        b"/" => &b""[..],
        path => path.strip_suffix(b"/").unwrap_or(path),
    };
    let asked = |line: &Line| {
        let is_named = |name: &[u8]| match name {
            // Version 2 has no controllers in /proc/PID/cgroup.
            b"" => line.controllers.is_empty(),
            name => line.controllers.iter().any(|controller| controller == name),
        };
        let named = hierarchy.is_none_or(is_named);
        named && of_mount.is_none_or(|controllers| *controllers == line.controllers)
    };
    let inside = |line: &Line| {
        line.path.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
    };
    // By the controllers, the oldest.
    let mut found: BTreeMap<Vec<Vec<u8>>, Option<Member>> = BTreeMap::new();
    let hidden = members(proc, |member| {
        for line in member.lines.iter().filter(|line| asked(line) && inside(line)) {
            keep_oldest(found.entry(line.controllers.clone()).or_default(), &member);
        }
    })?;
    let oldest: Vec<&Member> = found.values().flatten().collect();
    let named = || [&b"group "[..], if path.is_empty() { &b"/"[..] } else { path }].concat();
    match &oldest[..] {
        [first, others @ ..] if others.iter().all(|other| other == first) => Ok((*first).clone()),
        [] => Err(hidden
            .with(&[&b"no process that we see is in "[..], &named()].concat())
            .with_hint("/proc/PID/cgroup shows the groups of a process")),
        _ => {
            let each = found.iter().filter_map(|(controllers, member)| {
                let name = controllers.first().map(|name| String::from_utf8_lossy(name)).unwrap_or_default();
                Some(format!("cg:{name}:... is process {}", member.as_ref()?.pid))
            });
            Err(Error::refused([&named()[..], b" is not the same in every hierarchy"].concat())
                .with_hint(format!("say which: {}", each.collect::<Vec<_>>().join(", "))))
        }
    }
}

/// The hierarchy whose mount point this path begins with, and the path in it.
fn below_mount<'a>(layout: &'a Layout, path: &[u8]) -> Option<(&'a Hierarchy, Vec<u8>)> {
    let below = |hierarchy: &'a Hierarchy| {
        let rest = path.strip_prefix(&hierarchy.top.path[..])?;
        (rest.is_empty() || rest.starts_with(b"/")).then(|| (hierarchy, hierarchy.path_of(rest)))
    };
    layout.hierarchies().filter_map(below).max_by_key(|(hierarchy, _)| hierarchy.top.path.len())
}
