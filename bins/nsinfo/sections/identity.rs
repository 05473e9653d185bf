//! Who it is: command, PIDs at every level, ids inside and outside, container, pod and unit.

use common::error::{Error, Result};
use common::proc::container::state::States;
use common::proc::container::{self, Belongs};
use common::proc::groups::Line;
use common::proc::status::Ids;
use common::proc::{Proc, Start, Target, Task};
use common::sys::local_time;
use common::tool::json::Value;
use common::tool::paint::Paint;

use super::super::page::{Page, span};
use super::super::subject::{Id, Life, Maps, Subject};
use super::{Part, list, missing, or_null, text};

/// The facts.
pub(crate) struct Identity {
    pub(crate) pid: i32,
    pub(crate) process: i32,
    pub(crate) life: Life,
    /// The inode number of its pidfd; none where the kernel has none, and of threads.
    pub(crate) pidfd: Result<Option<u64>>,
    /// The command line, or the name where that is empty.
    pub(crate) command: Vec<u8>,
    /// Why the command line could not be read, and the name stands for it.
    pub(crate) unnamed: Option<Error>,
    /// Its PIDs, from the pid namespace of the /proc that was read down to its own.
    pub(crate) pids: Vec<i32>,
    /// When it started.
    pub(crate) start: Result<Start>,
    /// The four user ids, the four group ids, and the groups beside them.
    pub(crate) uids: [(&'static str, Named); 4],
    pub(crate) gids: [(&'static str, Named); 4],
    pub(crate) groups: Vec<Named>,
    /// Can it not be told what its ids are inside, or outside?
    pub(crate) inside_unknown: bool,
    pub(crate) outside_unknown: bool,
    /// As its groups say, where those could be read.
    pub(crate) belongs: Result<Belongs>,
}

/// An id, and the name that this machine has for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Named {
    pub(crate) id: Id,
    /// Any bytes; none where it has no name, or no number that we see.
    pub(crate) name: Option<Vec<u8>>,
    /// Does the name go with the number inside? Else with that outside.
    pub(crate) of_inside: bool,
}

/// The place of the effective id among the four.
const EFFECTIVE: usize = 1;

impl Identity {
    pub(crate) fn take(subject: &Subject<'_>) -> Identity {
        let Some(process) = subject.process() else { unreachable!("only processes have it") };
        let (task, status) = (&process.task, &process.status);
        let command = task.command_line();
        let unnamed = command.as_ref().err().filter(|e| !e.is_gone()).cloned();
        let command = command.unwrap_or_default();
        let (users, groups) = (subject.of_users(), subject.of_groups());
        let user = |id: u32| Named::of(&users, id, || subject.user_name(id));
        let group = |id: u32| Named::of(&groups, id, || subject.group_name(id));
        let four = |ids: &Ids, told: &dyn Fn(u32) -> Named| ids.named().map(|(name, id)| (name, told(id)));
        // Read through a thread, it has no pidfd that lasts.
        let is_whole = status.process == task.pid;
        Identity {
            pid: process.pid,
            process: status.process,
            life: process.life,
            pidfd: if is_whole { pidfd(subject.proc, task) } else { Ok(None) },
            command: if command.is_empty() { name(task) } else { command },
            unnamed,
            pids: status.levels(process.pid),
            start: task.stat().and_then(|stat| subject.proc.start(stat.start)),
            uids: four(&status.uids, &user),
            gids: four(&status.gids, &group),
            groups: status.groups.iter().map(|id| group(*id)).collect(),
            inside_unknown: users.inside_unknown() || groups.inside_unknown(),
            outside_unknown: users.outside_unknown() || groups.outside_unknown(),
            belongs: Line::of(task).and_then(|lines| Ok(Belongs::of(&lines, &States::of(subject.proc)?))),
        }
    }

    /// What it belongs to, by the words for it.
    fn belongs(&self) -> [(&'static str, Option<&container::Named>); 3] {
        let of = |one: fn(&Belongs) -> Option<&container::Named>| self.belongs.as_ref().ok().and_then(one);
        [
            ("container", of(|belongs| belongs.container.as_ref())),
            ("pod", of(|belongs| belongs.pod.as_ref())),
            ("unit", of(|belongs| belongs.unit.as_ref())),
        ]
    }
}

/// What the kernel calls it. That this cannot be read says that it has ended, which is asked at the end.
fn name(task: &Task) -> Vec<u8> {
    task.stat().map(|stat| stat.comm).unwrap_or_default()
}

/// The inode number of its pidfd. None too where it has ended and waits to be collected.
fn pidfd(proc: &Proc, task: &Task) -> Result<Option<u64>> {
    match Target::of(proc, task) {
        Ok(Some(target)) => target.inode(),
        Ok(None) => Ok(None),
        Err(e) if e.is_gone() => Ok(None),
        Err(e) => Err(e),
    }
}

impl Part for Identity {
    fn page(&self, page: &mut Page) {
        page.line("command", &page.show(&self.command));
        if let Some(e) = &self.unnamed {
            page.line("", &format!("its arguments are {}", super::super::page::not_readable(e)));
        }
        let pids: Vec<_> = self.pids.iter().map(i32::to_string).collect();
        match &pids[..] {
            [outside, between @ .., inside] => {
                let between: String = between.iter().map(|pid| format!("{pid}, ")).collect();
                page.line("PIDs", &format!("{outside} outside, {between}{inside} inside"));
            }
            pids => page.line("PID", &pids.join("")),
        }
        match &self.pidfd {
            Ok(Some(inode)) => {
                page.line("pidfd", &format!("{}:{inode} names this process until the next boot", self.pid));
            }
            Ok(None) => {}
            Err(e) => page.missing("pidfd", e),
        }
        if self.process != self.pid {
            page.line("thread", &format!("of process {}", self.process));
        }
        match self.life {
            Life::Lives => {}
            Life::ByThread(tid) => page.line("state", &format!("leader has ended; thread {tid} is shown")),
            Life::Ended(parent) => {
                let who = if parent == 0 { "its parent".into() } else { format!("its parent, {parent},") };
                page.line("state", &format!("has ended, and is there until {who} has waited for it"));
            }
        }
        match &self.start {
            Ok(start) => {
                let at = local_time(start.at).unwrap_or_else(|| format!("{} s after 1970", start.at));
                page.line("started", &format!("{at}, {} ago", span(start.ago.into())));
            }
            Err(e) => page.missing("started", e),
        }
        self.ids(page, "uid", &self.uids);
        self.ids(page, "gid", &self.gids);
        if !self.groups.is_empty() {
            let spelled: Vec<_> = self.groups.iter().map(|group| self.seen(page, group)).collect();
            page.flow("groups", &spelled, Paint::Plain);
        }
        if let Err(e) = &self.belongs {
            page.missing("container", e);
        }
        for (label, named) in self.belongs() {
            if let Some(container::Named { name, engine, source, .. }) = named {
                let [name, source] = [name, source].map(|bytes| page.show(bytes));
                page.line(label, &format!("{name}, {engine} ({source})"));
            }
        }
    }

    fn json(&self) -> Value {
        let thread = self.process != self.pid;
        let mut members = vec![
            ("process", Value::Number(self.process.unsigned_abs().into())),
            ("thread", Value::number(thread.then(|| self.pid.unsigned_abs()))),
            ("state", text(self.state())),
            ("shown_by_thread", Value::number(self.shown_by().map(i32::unsigned_abs))),
            ("command", text(self.command.as_slice())),
            ("pids", list(&self.pids, |pid| Value::Number(pid.unsigned_abs().into()))),
            ("pidfd_inode", or_null(&self.pidfd, |inode| inode.map_or(Value::Null, Value::Number))),
            ("started_unix_seconds", or_null(&self.start, |start| Value::Signed(start.at))),
            ("age_seconds", or_null(&self.start, |start| Value::Number(start.ago))),
            ("uid", ids_json(&self.uids)),
            ("gid", ids_json(&self.gids)),
            ("groups", list(&self.groups, id_json)),
        ];
        members.extend(self.belongs().map(|(key, named)| (key, named.map_or(Value::Null, named_json))));
        Value::Object(members)
    }

    fn missing(&self) -> Vec<(&'static str, &Error)> {
        missing([
            ("command", self.unnamed.as_ref()),
            ("pidfd_inode", self.pidfd.as_ref().err()),
            ("started_unix_seconds", self.start.as_ref().err()),
            ("container", self.belongs.as_ref().err()),
        ])
    }
}

impl Identity {
    /// How far it has ended, in a word.
    fn state(&self) -> &'static str {
        match self.life {
            Life::Lives => "alive",
            Life::ByThread(_) => "leader ended",
            Life::Ended(_) => "ended",
        }
    }

    /// The thread that is shown for a leader that has ended.
    fn shown_by(&self) -> Option<i32> {
        match self.life {
            Life::ByThread(tid) => Some(tid),
            _ => None,
        }
    }

    /// The effective id, and others only where they differ from it.
    fn ids(&self, page: &mut Page, label: &str, ids: &[(&'static str, Named); 4]) {
        let (_, effective) = &ids[EFFECTIVE];
        page.line(label, &self.spelled(page, effective));
        for (name, other) in ids.iter().filter(|(_, other)| other != effective) {
            page.line("", &format!("{name}: {}", self.spelled(page, other)));
        }
    }

    /// Both numbers, each with its name.
    fn spelled(&self, page: &Page, named: &Named) -> String {
        let [outside, inside] = [(false, self.outside_unknown), (true, self.inside_unknown)]
            .map(|(inside, unknown)| if unknown { "unknown".into() } else { named.spelled(page, inside) });
        format!("{outside} outside, {inside} inside")
    }

    /// The number that has the name.
    fn seen(&self, page: &Page, named: &Named) -> String {
        named.spelled(page, named.of_inside)
    }
}

impl Named {
    /// What is told of an id as our user namespace numbers it; its name is asked for only where it has a number.
    fn of(maps: &Maps<'_>, seen: u32, name: impl FnOnce() -> Option<Vec<u8>>) -> Named {
        let (id, of_inside) = (maps.id(seen), maps.seen_inside());
        let has_number = if of_inside { id.inside } else { id.outside };
        Named { id, name: has_number.and_then(|_| name()), of_inside }
    }

    /// One of the two numbers and its name. Inside, where the names are not ours to know, 0 is root.
    fn spelled(&self, page: &Page, inside: bool) -> String {
        let id = if inside { self.id.inside } else { self.id.outside };
        let is_ours = inside == self.of_inside || self.id.inside == self.id.outside;
        let name = match &self.name {
            Some(name) if is_ours => Some(page.show(name)),
            _ => (id == Some(0) && inside).then(|| "root".into()),
        };
        match (id, name) {
            (None, _) => "none".into(),
            (Some(id), None) => id.to_string(),
            (Some(id), Some(name)) => format!("{id} ({name})"),
        }
    }
}

fn ids_json(ids: &[(&'static str, Named); 4]) -> Value {
    Value::Object(ids.iter().map(|(name, named)| (*name, id_json(named))).collect())
}

fn id_json(named: &Named) -> Value {
    Value::Object(vec![
        ("outside", Value::number(named.id.outside)),
        ("inside", Value::number(named.id.inside)),
        ("name", named.name.as_deref().map_or(Value::Null, text)),
    ])
}

fn named_json(named: &container::Named) -> Value {
    Value::Object(vec![
        ("name", text(named.name.as_slice())),
        ("id", named.id.as_deref().map_or(Value::Null, text)),
        ("engine", text(named.engine)),
        ("source", text(named.source.as_slice())),
    ])
}
