//! Transient groups: made, limited, joined, emptied and removed.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Instant;

use nix::errno::Errno;
use nix::sys::resource::{Resource, getrlimit, setrlimit};

use super::callers::Callers;
use super::collect::{Maker, collect};
use super::group::{Group, PATIENCE, Version};
use super::plan::{Branch, Plan, enabling};
use super::set;
use crate::error::{Error, Result};
use crate::launch::Gate;
use crate::proc::Proc;

/// Groups that exist for one program.
#[derive(Default)]
pub struct Transient {
    groups: Vec<Made>,
    /// Who was moved to make room for them.
    callers: Vec<Callers>,
    lost: Vec<Error>,
}

/// A transient group, the one it was made below, and what it is for.
struct Made {
    parent: Group,
    group: Group,
    controllers: Vec<Vec<u8>>,
}

/// Whether there is a process in groups.
pub struct Life<'a> {
    chief: Option<&'a Group>,
    events: Option<OwnedFd>,
}

impl Life<'_> {
    /// Has the last one ended?
    pub fn is_over(&self) -> Result<bool> {
        match (self.chief, &self.events) {
            (Some(group), Some(events)) => group.is_vacant(events),
            (Some(group), None) => Ok(!group.is_populated()?),
            (None, _) => Ok(true),
        }
    }

    /// What tells by POLLPRI that this may have changed since it was asked; version 1 does not tell.
    /// Source: cgroup-v2.rst, cgroup.events.
    pub fn change(&self) -> Option<BorrowedFd<'_>> {
        self.events.as_ref().map(AsFd::as_fd)
    }
}

impl Plan {
    /// Makes the groups and sets their limits; first, what earlier runs that were killed have left beside them is
    /// removed. On an error none of them is left.
    pub fn make(self, proc: &Proc) -> Result<Transient> {
        let Plan { prefix, maker, branches, best_effort, lost, scopes } = self;
        scopes.iter().for_each(|scope| drop(collect(scope, prefix, proc, &maker, false)));
        let mut made = Transient { lost, ..Transient::default() };
        for branch in branches {
            let optional = branch.optional;
            let answer = made.grow(branch, prefix, proc, &maker, best_effort);
            match answer {
                Err(_) if optional => {}
                Err(e) if best_effort => made.lost.push(e),
                Err(e) => {
                    made.end();
                    return Err(e);
                }
                Ok(()) => {}
            }
        }
        Ok(made)
    }
}

impl Transient {
    fn grow(
        &mut self,
        branch: Branch,
        prefix: &str,
        proc: &Proc,
        maker: &Maker,
        best_effort: bool,
    ) -> Result<()> {
        let Branch { parent, controllers, enable, meters, settings, evacuate, .. } = branch;
        if evacuate {
            self.callers.push(Callers::move_down(parent.descend(b"")?, proc)?);
        }
        let hand_on = |group: &Group, controllers: &[Vec<u8>]| {
            let write =
                group.write("cgroup.subtree_control", &String::from_utf8_lossy(&enabling(controllers)));
            write.map_err(|e| e.of_controllers(controllers))
        };
        enable.iter().try_for_each(|(group, controllers)| hand_on(group, controllers))?;
        // What is not handed on is not counted.
        meters.iter().for_each(|(group, controllers)| drop(hand_on(group, controllers)));
        collect(&parent, prefix, proc, maker, false);
        let group = make_free(&parent, &format!("{prefix}-{}", std::process::id()), maker)
            .map_err(|e| e.of_controllers(&controllers))?;
        self.groups.push(Made { parent, group, controllers });
        let group = &self.groups[self.groups.len() - 1].group;
        match best_effort {
            false => set::set(group, &settings),
            true => {
                self.lost.extend(set::set_as_far(group, &settings));
                Ok(())
            }
        }
    }

    /// What could not be had, where that is allowed.
    pub fn lost(&self) -> &[Error] {
        &self.lost
    }

    /// The groups, one of each hierarchy.
    pub fn groups(&self) -> Vec<&Group> {
        self.groups.iter().map(|made| &made.group).collect()
    }

    /// Is there any?
    pub fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    /// The group by which its processes are found best.
    fn chief(&self) -> Option<&Group> {
        let v2 = self.groups.iter().find(|made| made.group.version == Version::V2);
        v2.or(self.groups.first()).map(|made| &made.group)
    }

    /// For [`Watch::into_group`](crate::launch::Watch::into_group): the group of version 2, in which the program can be born.
    pub fn birthplace(&self) -> Option<BorrowedFd<'_>> {
        self.chief().filter(|group| group.version == Version::V2).map(Group::as_fd)
    }

    /// In the child: moves it into those in which it is not yet.
    pub fn join(&self, gate: &Gate) -> Result<()> {
        let rest = |made: &&Made| !(gate.in_group && made.group.version == Version::V2);
        let join = |made: &Made| made.group.join().map_err(|e| e.of_controllers(&made.controllers));
        self.groups.iter().filter(rest).try_for_each(join)
    }

    /// Sends a signal to every process in them.
    pub fn signal(&self, signal: i32) -> Result<()> {
        self.chief().map_or(Ok(()), |group| group.signal(signal))
    }

    /// Kills every process in them, and waits until they have ended.
    pub fn kill(&self) -> Result<()> {
        self.chief().map_or(Ok(()), |group| group.kill(Instant::now() + PATIENCE))
    }

    /// By which it is seen whether a process is left in them.
    pub fn life(&self) -> Result<Life<'_>> {
        let chief = self.chief();
        let events = chief.filter(|group| group.version == Version::V2).map(Group::events).transpose()?;
        Ok(Life { chief, events })
    }

    /// Lets us have as many open files as we can: it takes a descriptor for each level of groups that the program made. For when
    /// it has ended.
    pub fn go_deep(&self) {
        if let Ok((_, most)) = getrlimit(Resource::RLIMIT_NOFILE) {
            let _ = setrlimit(Resource::RLIMIT_NOFILE, most, most);
        }
    }

    /// Ends what is left in them and removes them; answers what could not be done: for each group that stays,
    /// why.
    pub fn end(self) -> Vec<Error> {
        self.go_deep();
        // Should the program have moved us in as well, we leave first.
        let us = std::process::id() as i32;
        for made in &self.groups {
            if made.group.processes().is_ok_and(|pids| pids.contains(&us)) {
                let _ = self.callers.iter().try_for_each(Callers::take_us_back);
                let _ = made.parent.join();
            }
        }
        // All are emptied first: a process is in one group of each hierarchy. The kernel does it best in version 2.
        let patience = || Instant::now() + PATIENCE;
        let mut groups = self.groups;
        groups.sort_by_key(|made| made.group.version == Version::V1);
        let emptied: Vec<Result<()>> = groups.iter().map(|made| made.group.kill(patience())).collect();
        let mut failures = Vec::new();
        for (made, emptied) in groups.into_iter().zip(emptied) {
            let Made { parent, group, controllers } = made;
            if let Err(e) = group.remove(&parent, patience()) {
                failures.push(emptied.err().unwrap_or(e).of_controllers(&controllers));
            }
        }
        failures.extend(self.callers.into_iter().filter_map(|callers| callers.move_up().err()));
        failures
    }
}

/// Makes a group with this name, or with a number behind it if there is one, and holds it. Who collects what others
/// left can take it for that until it is held; then another is made.
fn make_free(parent: &Group, name: &str, maker: &Maker) -> Result<Group> {
    let mut refusal = None;
    for number in 1..100 {
        let name = if number == 1 { name.to_string() } else { format!("{name}-{number}") };
        match parent.make(&name) {
            Err(e) if e.errno() == Some(Errno::EEXIST) || e.is_gone() => refusal = Some(e),
            Err(e) => return Err(e),
            Ok(group) => {
                maker.sign(&group);
                match group.hold(parent) {
                    Ok(true) => return Ok(group),
                    // Anybody may lock it, but then nobody would remove it.
                    Ok(false) => group.discard(parent),
                    Err(e) => {
                        let _ = group.remove(parent, Instant::now());
                        return Err(e);
                    }
                }
            }
        }
    }
    Err(refusal.unwrap_or_else(|| Error::sys("flock", parent.file(name), Errno::EWOULDBLOCK)))
}
