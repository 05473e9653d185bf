//! How to enter it.

use common::error::{Error, Result};
use common::kind::{Kind, KindSet};
use common::ns::fd::NsFd;
use common::ns::may::{self, Answer, Facts, Verdict, Whom};
use common::proc::idmap::IdMap;
use common::proc::{Target, Task};

use super::super::page::not_readable;
use super::super::subject::{Subject, Thing};
use super::Command;

/// The command, or why there is none.
pub(crate) struct Enter {
    pub(crate) command: Command,
    /// May we? None where that is not known, or there is nothing to enter.
    pub(crate) may: Option<bool>,
    /// What is to be known of it; may be shown as it is.
    pub(crate) note: Option<String>,
}

impl Enter {
    pub(super) fn take(subject: &Subject<'_>, this: &Task) -> Enter {
        match &subject.thing {
            Thing::Process(process) => of_process(subject, this, &process.task),
            Thing::Namespace(place) => of_namespace(subject, this, &place.ns),
        }
    }

    fn nothing(why: &str) -> Enter {
        Enter { command: None, may: None, note: Some(format!("nothing: {why}")) }
    }
}

fn of_process(subject: &Subject<'_>, this: &Task, task: &Task) -> Enter {
    if task.stat().is_ok_and(|stat| stat.has_ended) {
        return Enter::nothing("it has ended");
    }
    let (theirs, ours) = match (&subject.namespaces, &subject.ours) {
        (Ok(theirs), Ok(ours)) => (theirs, ours),
        (Err(e), _) | (_, Err(e)) => {
            return Enter {
                note: Some(format!("its namespaces: {}", not_readable(e))),
                ..Enter::nothing("")
            };
        }
    };
    let kinds: KindSet = Kind::all().filter(|kind| theirs[*kind] != ours[*kind]).collect();
    // What was a process's own root is none in another mount namespace; there it is where the namespace puts it.
    let home = if kinds.contains(Kind::Mnt) { Ok(b"/".to_vec()) } else { this.root() };
    let root = home.and_then(|home| Ok(task.root()? != home));
    let mut notes = Vec::new();
    let root = root.unwrap_or_else(|e| {
        notes.push(format!("whether its root directory is another is {}", not_readable(&e)));
        false
    });
    if kinds.is_empty() && !root {
        let known = notes.pop().map_or(String::new(), |note| format!("; {note}"));
        return Enter::nothing(&format!("it is in the namespaces that we are in{known}"));
    }
    // By the pidfd's number it can be no other process; a thread has none of its own.
    let target = match Target::of(subject.proc, task) {
        Ok(Some(target)) => match target.inode() {
            Ok(Some(inode)) => format!("{}:{inode}", task.pid),
            Ok(None) => task.pid.to_string(),
            Err(e) => {
                notes.push(format!("by its PID alone: the number of its pidfd is {}", not_readable(&e)));
                task.pid.to_string()
            }
        },
        Err(e) if !e.is_gone() => {
            notes.push(format!("by its PID alone: the number of its pidfd is {}", not_readable(&e)));
            task.pid.to_string()
        }
        _ => match subject.process().map(|process| process.status.process) {
            Some(process) if process != task.pid => format!("{process}/{}", task.pid),
            _ => task.pid.to_string(),
        },
    };
    let mut words = vec![b"rnsenter".to_vec(), b"-t".to_vec(), target.into_bytes()];
    words.extend(kinds.iter().map(|kind| format!("-{}", kind.row().short).into_bytes()));
    words.extend(root.then(|| b"-r".to_vec()));
    let has_root = |map: &Result<IdMap>| map.as_ref().is_ok_and(|map| map.knows(0));
    if kinds.contains(Kind::User) && !(has_root(&subject.users) && has_root(&subject.groups)) {
        words.push(b"--preserve-credentials".to_vec());
    }
    let verdict = Facts::take(subject.proc, this, Whom::Task(task)).map(|facts| may::judge(&facts));
    let (may, note) = told(verdict.as_ref());
    notes.extend(note);
    Enter { command: Some(words), may, note: (!notes.is_empty()).then(|| notes.join("; ")) }
}

fn of_namespace(subject: &Subject<'_>, this: &Task, ns: &NsFd) -> Enter {
    let kind = ns.kind;
    let id = match ns.id() {
        Ok(id) => id,
        Err(e) => return Enter::nothing(&format!("what it is is {}", not_readable(&e))),
    };
    if subject.ours.as_ref().is_ok_and(|ours| ours[kind] == id.ino) {
        return Enter::nothing("it is the one that we are in");
    }
    let verdict = Facts::take(subject.proc, this, Whom::Namespace(ns)).map(|facts| may::judge(&facts));
    // The number that no other gets, where there is one.
    let name = match ns.number() {
        Some(number) => format!("{kind}:#{number}"),
        None => format!("{kind}:[{}]", id.ino),
    };
    let mut words = vec![b"rnsenter".to_vec(), format!("--{}={name}", kind.row().long).into_bytes()];
    let after =
        verdict.iter().flat_map(|verdict| &verdict.rows).any(|row| matches!(row.answer, Answer::After(_)));
    words.extend(after.then(|| b"--user-parent".to_vec()));
    // Whether it has a root is not known without a process.
    words.extend((after || kind == Kind::User).then(|| b"--preserve-credentials".to_vec()));
    let (may, note) = told(verdict.as_ref());
    Enter { command: Some(words), may, note: note.filter(|_| may != Some(true)) }
}

/// Whether we may, and what is in the way.
fn told(verdict: std::result::Result<&Verdict, &Error>) -> (Option<bool>, Option<String>) {
    let verdict = match verdict {
        Ok(verdict) => verdict,
        Err(e) => return (None, Some(format!("whether we may enter it is {}", not_readable(e)))),
    };
    let also = |help: &Option<String>| help.as_ref().map_or(String::new(), |help| format!("; {help}"));
    let note = match (&verdict.obstacle, verdict.may) {
        (Some(why), _) => Some(format!("not by us: {why}{}", also(&verdict.help))),
        (None, None) => Some("whether we may enter it is not seen".into()),
        // Also where a kind takes a right that only the user namespace gives: one call enters all, and counts that.
        (None, Some(_)) => None,
    };
    (verdict.may, note)
}
