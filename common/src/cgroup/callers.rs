//! Version 2: a group with processes cannot hand on controllers, so those that are in it, the callers, are moved to a
//! group of their own below it for as long as somebody runs a program beside them.

use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::unistd::Uid;

use super::group::{Group, PATIENCE, while_busy};
use super::layout::{Hierarchy, Layout};
use crate::error::{Error, Result};
use crate::proc::Proc;
use crate::sys;

/// The callers' group. Several runs share it, each with a lock.
pub(super) const NAME: &str = "rcgexec-callers";

/// Callers that were moved.
#[derive(Debug)]
pub(super) struct Callers {
    /// The group that they were in.
    group: Group,
    /// The one where they are now.
    leaf: Group,
}

/// Is this a callers' group, made by our user?
pub(super) fn is_callers(group: &Group) -> bool {
    group.name() == NAME.as_bytes() && group.is_made_by_us()
}

/// Our own group of a hierarchy; where the callers were moved out of it, the one in which they were.
pub(super) fn own_group(layout: &Layout, hierarchy: &Hierarchy) -> Result<Group> {
    let own = layout.own_group(hierarchy)?;
    if is_callers(&own) { hierarchy.above(&own) } else { Ok(own) }
}

/// The processes of a group that are not our user's: only who owns all of them may move them. 0 stands for those of another pid
/// namespace.
pub(super) fn strangers(group: &Group, proc: &Proc) -> Result<Vec<i32>> {
    let us = Uid::effective().as_raw();
    let ours = |pid: i32| match proc.task(pid).and_then(|task| task.uid()) {
        Ok(uid) => uid == us,
        Err(e) => e.is_gone() && pid != 0,
    };
    Ok(group.processes()?.into_iter().filter(|pid| !ours(*pid)).collect())
}

impl Callers {
    /// Moves every process of a group to the callers' group below it. On an error they are where they were.
    pub(super) fn move_down(group: Group, proc: &Proc) -> Result<Callers> {
        let leaf = join_leaf(&group)?;
        let callers = Callers { group, leaf };
        match callers.empty(proc) {
            Ok(()) => Ok(callers),
            Err(e) => {
                let _ = callers.move_up();
                Err(e)
            }
        }
    }

    /// Those that were moved out of this group and are below it; none if nobody was.
    pub(super) fn of(group: &Group) -> Result<Option<Callers>> {
        let leaf = match group.descend(NAME.as_bytes()) {
            Err(e) if e.is_gone() => return Ok(None),
            leaf => leaf?,
        };
        if !is_callers(&leaf) || sys::lock_shared(&leaf).is_err() {
            return Ok(None);
        }
        Ok(Some(Callers { group: group.descend(b"")?, leaf }))
    }

    fn empty(&self, proc: &Proc) -> Result<()> {
        let end = Instant::now() + PATIENCE;
        let mut pause = Duration::from_millis(1);
        loop {
            let pids = self.group.processes()?;
            if pids.is_empty() {
                return Ok(());
            }
            if let Some(pid) = strangers(&self.group, proc)?.first() {
                let what = format!(" has process {pid} of another user");
                return Err(Error::refused([&self.group.path[..], what.as_bytes()].concat())
                    .with_hint("name a group without processes with --parent"));
            }
            pids.iter().try_for_each(|pid| give(&self.leaf, *pid))?;
            if Instant::now() > end {
                let what = [b"processes out of ", &self.group.path[..]].concat();
                return Err(Error::sys("move", what, Errno::ETIMEDOUT));
            }
            // Who is being born while we look is met at the next look.
            std::thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(50));
        }
    }

    /// Moves us, whom the program has moved, to where the others are.
    pub(super) fn take_us_back(&self) -> Result<()> {
        self.leaf.join()
    }

    /// If nobody else needs it so, moves the callers back, and removes their group.
    pub(super) fn move_up(self) -> Result<()> {
        let Callers { group, leaf } = self;
        // Who hands them on as well needs them: a named group, say.
        let needed = || -> Result<bool> {
            let mut children = group.children()?;
            children.try_fold(false, |some, child| Ok(some || !child?.handed_on()?.is_empty()))
        };
        // Who waits for our lock sees that the group is gone.
        if sys::lock(&leaf).is_err() || needed()? {
            return Ok(());
        }
        let end = Instant::now() + PATIENCE;
        let names = group.handed_on()?.into_iter();
        let signed: Vec<Vec<u8>> = names.map(|name| [b"-", &name[..]].concat()).collect();
        if !signed.is_empty() {
            let text = String::from_utf8_lossy(&signed.join(&b' ')).into_owned();
            // A group that was just removed can still seem to use them.
            while_busy(end, || group.write("cgroup.subtree_control", &text))?;
        }
        loop {
            let pids = leaf.processes()?;
            if pids.is_empty() {
                break;
            }
            pids.iter().try_for_each(|pid| give(&group, *pid))?;
            if Instant::now() > end {
                return Err(Error::sys(
                    "move",
                    [b"processes out of ", &leaf.path[..]].concat(),
                    Errno::ETIMEDOUT,
                ));
            }
        }
        while_busy(end, || group.remove_empty(NAME.as_bytes()))
    }
}

/// Moves a process. One that has ended, or that is just being born, is met no more, or again.
fn give(group: &Group, pid: i32) -> Result<()> {
    match group.write("cgroup.procs", &pid.to_string()) {
        Err(e) if matches!(e.errno(), Some(Errno::ESRCH | Errno::EINVAL)) => Ok(()),
        answer => answer,
    }
}

/// Makes or opens the callers' group, with a lock that others share.
fn join_leaf(group: &Group) -> Result<Group> {
    let end = Instant::now() + PATIENCE;
    loop {
        let leaf = match group.make(NAME) {
            Err(e) if e.errno() == Some(Errno::EEXIST) => group.descend(NAME.as_bytes()),
            made => made,
        };
        let leaf = match leaf {
            // Somebody has just removed it.
            Err(e) if e.is_gone() && Instant::now() < end => continue,
            leaf => leaf?,
        };
        if !is_callers(&leaf) {
            return Err(Error::refused([&leaf.path[..], b" is not a group of ours"].concat())
                .with_hint("remove or rename it, or name another group with --parent"));
        }
        match sys::lock_shared(&leaf) {
            Ok(()) if leaf.is_in(group)? => return Ok(leaf),
            Ok(()) => {}
            Err(Errno::EWOULDBLOCK) if Instant::now() < end => std::thread::sleep(Duration::from_millis(1)),
            Err(e) => return Err(Error::sys("flock", &leaf.path, e)),
        }
    }
}
