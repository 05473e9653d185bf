//! Why something of a process may not be looked at.

use super::facts::first_thread_ended;
use crate::error::Error;
use crate::ns::diagnose::at_hand;
use crate::proc::credentials::{Capability, Rights};
use crate::proc::idmap::IdMap;
use crate::proc::mounts::{self, words};
use crate::proc::status::{Status, mask};
use crate::proc::{Proc, Task};
use crate::text::{Charset, show};

/// Why something of a process could not be opened or seen: its namespaces, root, environment. `task` is its directory in
/// `proc`, where that could be had. Source: ptrace(2), PTRACE_MODE_READ; proc(5), hidepid.
pub fn closed(error: Error, proc: Option<&Proc>, task: Option<&Task>) -> Error {
    let Some((_, this)) = at_hand(proc) else { return error };
    let gone = error.is_gone();
    if !gone && !error.is_denied() {
        return error;
    }
    let closed = task.map(|task| Closed::look(&this, task));
    let hidden = || {
        hidepid(&this).filter(|_| Rights::of(&this).is_ok_and(|r| r.has(Capability::SysPtrace) != Some(true)))
    };
    let advice = match (closed, gone) {
        (Some(closed), false) => Some(why_closed(&closed)),
        (Some(closed), true) if closed.is_hidden() => Some(why_closed(&closed)),
        (Some(_), true) => task.and_then(first_thread_ended),
        (None, _) => hidden().map(|option| format!("{}; or it has ended", why_hidden(&option))),
    };
    match advice {
        Some(advice) => error.with_hint(advice),
        None => error,
    }
}

/// What is known of a process that we may not look into.
#[derive(Clone, Debug, Default)]
pub(super) struct Closed {
    pub(super) pid: i32,
    pub(super) us: Option<Status>,
    pub(super) them: Option<Status>,
    pub(super) rights: Rights,
    /// Its files are not its user's.
    pub(super) undumpable: bool,
    /// Its user namespace has other ids than ours.
    pub(super) elsewhere: bool,
    /// That is not below ours: ids outside of it have no number here, or it is the first one and ours is not.
    pub(super) above: bool,
    /// It may have capabilities that we have not.
    pub(super) stronger: bool,
    /// The option by which /proc hides processes.
    pub(super) hidepid: Option<Vec<u8>>,
}

impl Closed {
    pub(super) fn look(this: &Task, task: &Task) -> Closed {
        let text = task.read(c"status").unwrap_or_default();
        let them = Status::parse(&text);
        let rights = Rights::of(this).unwrap_or_default();
        let owner = task.owner_of_files().ok();
        let maps = [IdMap::of_users(this), IdMap::of_users(task)].map(Result::ok);
        Closed {
            pid: task.pid,
            us: Status::of(this).ok(),
            undumpable: them.as_ref().zip(owner).is_some_and(|(them, owner)| them.uids.effective != owner),
            elsewhere: matches!(&maps, [Some(ours), Some(theirs)] if ours != theirs),
            above: matches!(&maps, [Some(ours), Some(theirs)] if is_above(ours, theirs)),
            stronger: mask(&text, b"CapPrm:").zip(rights.effective).is_some_and(|(them, us)| them & !us != 0),
            hidepid: hidepid(this),
            them,
            rights,
        }
    }

    /// Does /proc not even show who it is?
    pub(super) fn is_hidden(&self) -> bool {
        self.them.is_none() && self.hidepid.is_some() && self.rights.has(Capability::SysPtrace) != Some(true)
    }
}

/// Can a user namespace with this map, as we read it, not be below ours? All ids of those have one here.
pub(super) fn is_above(ours: &IdMap, theirs: &IdMap) -> bool {
    theirs.is_identity() && !ours.is_identity() || theirs.ranges.iter().any(|range| range.outside.is_none())
}

/// The option by which the proc on /proc hides processes of others. Source: proc(5).
fn hidepid(this: &Task) -> Option<Vec<u8>> {
    let mounts = mounts::of(this).ok()?;
    let proc = mounts.iter().rev().find(|mount| mount.point == b"/proc" && mount.fs_type == b"proc")?;
    words(&proc.super_options).find(|word| word.starts_with(b"hidepid="))
}

fn why_hidden(option: &[u8]) -> String {
    format!(
        "this /proc shows processes only to their own users, and to CAP_SYS_PTRACE ({}), which we have not: run it as that \
            user or as root, or have it mounted otherwise (mount -o remount,hidepid=0 /proc)",
        show(option, Charset::from_env())
    )
}

pub(super) fn why_closed(closed: &Closed) -> String {
    let pid = closed.pid;
    let may = closed.rights.has(Capability::SysPtrace) == Some(true);
    let bounded = match closed.rights.could_have(Capability::SysPtrace) {
        Some(false) => ", as our bounding set leaves it out",
        _ => "",
    };
    if let (true, Some(option)) = (closed.is_hidden(), &closed.hidepid) {
        return why_hidden(option);
    }
    let Some((us, them)) = closed.us.as_ref().zip(closed.them.as_ref()) else {
        return format!(
            "what process {pid} has is shown to its own user, and to CAP_SYS_PTRACE in its user namespace: run it as that \
                user, or as root"
        );
    };
    if closed.above {
        return format!(
            "process {pid} is in a user namespace that is not below ours, so that no right of ours counts there: run it from \
                outside of ours"
        );
    }
    if may {
        return format!(
            "we have CAP_SYS_PTRACE, and process {pid} is closed to root as well, so it is a security module: its log can tell \
                (dmesg, journalctl -k)"
        );
    }
    let same = |theirs: &crate::proc::status::Ids, ours: u32| {
        [theirs.real, theirs.effective, theirs.saved] == [ours; 3]
    };
    if !same(&them.uids, us.uids.fs) {
        return format!(
            "process {pid} is user {}'s, and we are user {}; what it has is shown to its own user, and to CAP_SYS_PTRACE in \
                its user namespace, which we have not{bounded}: run it as that user, or as root",
            them.uids.effective, us.uids.fs
        );
    }
    if !same(&them.gids, us.gids.fs) {
        return format!(
            "process {pid} is ours, but has other group ids (real {}, effective {}, saved {}) than we, {}, and is closed \
                without CAP_SYS_PTRACE, which we have not{bounded}: run it with that group (sg, newgrp), or as root",
            them.gids.real, them.gids.effective, them.gids.saved, us.gids.fs
        );
    }
    if closed.undumpable {
        return format!(
            "process {pid} is ours, but not dumpable (its files in /proc are root's): its program was set-user-ID, may not be \
                read, or has asked for that (PR_SET_DUMPABLE); it is open only to CAP_SYS_PTRACE, which we have \
                not{bounded}: run it as root"
        );
    }
    if closed.elsewhere {
        return format!(
            "process {pid} is ours, but in a user namespace that another user made (its uid_map is not ours), and is open only \
                to CAP_SYS_PTRACE there, which we have not{bounded}: run it as root"
        );
    }
    if closed.stronger {
        return format!(
            "process {pid} is ours, but may have capabilities that we have not (`CapPrm` in /proc/{pid}/status), and is open \
                only to who has them too, or CAP_SYS_PTRACE, which we have not{bounded}: run it as root"
        );
    }
    format!(
        "process {pid} is ours and may be looked at as far as could be seen (its ids, its user namespace, its capabilities), so \
            it is a security module: its log can tell (dmesg, journalctl -k)"
    )
}
