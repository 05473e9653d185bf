//! Who it is: command, PIDs at every level, ids inside and outside, container, pod and unit.

use common::error::{Error, Result};
use common::proc::container::state::States;
use common::proc::container::{Belongs, Named};
use common::proc::groups::Line;
use common::proc::status::{Ids, Status};
use common::proc::{Proc, Target, Task};
use common::tool::json::Value;

use super::super::page::Page;
use super::super::subject::{Id, Life, Subject};
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
    /// The four user ids, and the four group ids.
    pub(crate) uids: [(&'static str, Id); 4],
    pub(crate) gids: [(&'static str, Id); 4],
    /// Can it not be told what its ids are inside?
    pub(crate) inside_unknown: bool,
    /// As its groups say, where those could be read.
    pub(crate) belongs: Result<Belongs>,
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
        let four = |ids: &Ids, told: &dyn Fn(u32) -> Id| ids.named().map(|(name, id)| (name, told(id)));
        // Read through a thread, it has no pidfd that lasts.
        let is_whole = status.process == task.pid;
        Identity {
            pid: process.pid,
            process: status.process,
            life: process.life,
            pidfd: if is_whole { pidfd(subject.proc, task) } else { Ok(None) },
            command: if command.is_empty() { name(task) } else { command },
            unnamed,
            pids: pids(process.pid, status),
            uids: four(&status.uids, &|id| users.id(id)),
            gids: four(&status.gids, &|id| groups.id(id)),
            inside_unknown: users.inside_unknown() || groups.inside_unknown(),
            belongs: Line::of(task).and_then(|lines| Ok(Belongs::of(&lines, &States::of(subject.proc)?))),
        }
    }

    /// What it belongs to, by the words for it.
    fn belongs(&self) -> [(&'static str, Option<&Named>); 3] {
        let of = |one: fn(&Belongs) -> Option<&Named>| self.belongs.as_ref().ok().and_then(one);
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

fn pids(pid: i32, status: &Status) -> Vec<i32> {
    match &status.pids[..] {
        // An old kernel tells only one.
        [] => vec![pid],
        pids => pids.to_vec(),
    }
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
        self.ids(page, "uid", &self.uids);
        self.ids(page, "gid", &self.gids);
        if let Err(e) = &self.belongs {
            page.missing("container", e);
        }
        for (label, named) in self.belongs() {
            if let Some(Named { name, engine, source, .. }) = named {
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
            ("uid", ids_json(&self.uids)),
            ("gid", ids_json(&self.gids)),
        ];
        members.extend(self.belongs().map(|(key, named)| (key, named.map_or(Value::Null, named_json))));
        Value::Object(members)
    }

    fn missing(&self) -> Vec<(&'static str, &Error)> {
        missing([
            ("command", self.unnamed.as_ref()),
            ("pidfd_inode", self.pidfd.as_ref().err()),
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
    fn ids(&self, page: &mut Page, label: &str, ids: &[(&'static str, Id); 4]) {
        let number = |id: Option<u32>| id.map_or("none".to_string(), |id| id.to_string());
        let spelled = |id: Id| {
            let inside = if self.inside_unknown { "unknown".into() } else { number(id.inside) };
            format!("{} outside, {inside} inside", number(id.outside))
        };
        let (_, effective) = ids[EFFECTIVE];
        page.line(label, &spelled(effective));
        for (name, other) in ids.iter().filter(|(_, other)| *other != effective) {
            page.line("", &format!("{name}: {}", spelled(*other)));
        }
    }
}

fn ids_json(ids: &[(&'static str, Id); 4]) -> Value {
    let one = |(name, Id { outside, inside }): &(&'static str, Id)| {
        let members = vec![("outside", Value::number(*outside)), ("inside", Value::number(*inside))];
        (*name, Value::Object(members))
    };
    Value::Object(ids.iter().map(one).collect())
}

fn named_json(named: &Named) -> Value {
    Value::Object(vec![
        ("name", text(named.name.as_slice())),
        ("id", named.id.as_deref().map_or(Value::Null, text)),
        ("engine", text(named.engine)),
        ("source", text(named.source.as_slice())),
    ])
}
