//! The groups of another process, to be joined: found and opened before any namespace is entered, since afterwards the
//! mounts by which they are reached may be others, and the right to write to them gone.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;

use super::group::{Group, Version};
use super::layout::{Hierarchy, Layout};
use crate::error::{Error, Result, with_controllers};
use crate::launch::Gate;
use crate::proc::groups::Line;
use crate::proc::{Proc, Task};

/// How often a process may change its groups while we look for them.
const TRIES: usize = 20;

/// The groups of a process in every hierarchy that has controllers, and in version 2, without those that we are in
/// already. Hierarchies of version 1 that have only a name are those of whoever gave it, such as systemd.
#[derive(Debug)]
pub struct Membership {
    joined: Vec<Joined>,
}

/// One of them, open.
#[derive(Debug)]
struct Joined {
    group: Group,
    /// The controllers of version 1.
    controllers: Vec<Vec<u8>>,
    /// The file by which we come in.
    procs: OwnedFd,
    /// Version 2: the group above it and ours.
    above_both: Option<Vec<u8>>,
}

impl Membership {
    /// Finds and opens the groups of a process or thread. Refused is what is frozen, since whoever joins it stands
    /// still; and what lies outside of what is mounted here. Nothing is changed yet.
    pub fn of(proc: &Proc, task: &Task) -> Result<Membership> {
        let found = Membership::look(proc, task)?;
        let joined = found.into_iter().map(|(_, joined)| joined).collect::<Result<_>>()?;
        Ok(Membership { joined })
    }

    /// The groups that would be joined, as [`Membership::describe`] has them, and for each why it cannot be, if so: then it
    /// may be named by its path in the hierarchy.
    pub fn prospects(proc: &Proc, task: &Task) -> Result<Vec<(Vec<u8>, Result<()>)>> {
        let found = Membership::look(proc, task)?;
        Ok(found.into_iter().map(|(name, joined)| (name, joined.map(drop))).collect())
    }

    /// What was opened, or why not, is of groups that the process was in at one moment, whoever moves it meanwhile.
    fn look(proc: &Proc, task: &Task) -> Result<Vec<(Vec<u8>, Result<Joined>)>> {
        let layout = Layout::take(proc)?;
        let mut lines = Line::of(task)?;
        for _ in 0..TRIES {
            let theirs = lines.iter().filter(|line| !has_only_a_name(line) && !is_ours(&layout, line));
            let found: Vec<_> = theirs
                .map(|line| {
                    let joined = Joined::open(&layout, line, task);
                    let path = joined.as_ref().map_or(&line.path, |joined| &joined.group.path);
                    (with_controllers(path, &line.controllers), joined)
                })
                .collect();
            let now = Line::of(task)?;
            // Of who ends, version 1 says that it is in the root, and version 2 names a group that may be no more.
            if task.stat()?.is_ending {
                return Err(Error::sys("open", format!("groups of {}", task.pid), Errno::ESRCH).with_hint(
                    "the process, or its first thread, has ended: name a thread of it that lives, as PID/TID",
                ));
            }
            if now == lines {
                return Ok(found);
            }
            lines = now;
        }
        Err(Error::refused(format!("process {} moves from group to group", task.pid))
            .with_hint("whoever manages it is busy with it: try again"))
    }

    /// Are we in all of them already?
    pub fn is_empty(&self) -> bool {
        self.joined.is_empty()
    }

    /// The groups that will be joined, as people write them: where they are, and the controllers of version 1.
    pub fn describe(&self) -> Vec<Vec<u8>> {
        self.joined.iter().map(|joined| with_controllers(&joined.group.path, &joined.controllers)).collect()
    }

    /// Moves us into all of them, with the rights that we had when they were opened. After an error we may be in some: it
    /// is for those who then end. One that was frozen meanwhile has us stand still in it.
    pub fn join(&self) -> Result<()> {
        self.joined.iter().try_for_each(Joined::join)
    }

    /// For [`Watch::into_group`](crate::launch::Watch::into_group): the group of version 2, in which a child can be born.
    pub fn birthplace(&self) -> Option<BorrowedFd<'_>> {
        self.joined.iter().find(|joined| joined.is_v2()).map(|joined| joined.group.as_fd())
    }

    /// The same in a child that was made so: moves it into those in which it is not yet. The parent stays where it was.
    pub fn join_rest(&self, gate: &Gate) -> Result<()> {
        let rest = self.joined.iter().filter(|joined| !(gate.in_group && joined.is_v2()));
        rest.into_iter().try_for_each(Joined::join)
    }
}

impl Joined {
    fn open(layout: &Layout, line: &Line, task: &Task) -> Result<Joined> {
        let (hierarchy, group) = locate(layout, line, task)?;
        let name = |e: Error| e.of_controllers(&line.controllers);
        // Bytes of others, so not a hint.
        if let Some(by) = frozen_by(hierarchy, &group).map_err(name)? {
            let what = match by == group.path {
                true => [&with_controllers(&group.path, &line.controllers)[..], b" is frozen"].concat(),
                false => {
                    [&with_controllers(&group.path, &line.controllers)[..], b" is frozen by ", &by].concat()
                }
            };
            let how = match group.version {
                Version::V1 => "thaw it first: write THAWED to its freezer.state",
                Version::V2 => "thaw it first: write 0 to its cgroup.freeze",
            };
            return Err(Error::refused(what)
                .with_hint(format!("what joins it would stand still until it is thawed; {how}")));
        }
        let procs = group.open_procs().map_err(|e| {
            let e = name(e);
            match (e.errno(), group.owner_of("cgroup.procs")) {
                (Some(Errno::EACCES | Errno::EPERM), Ok(owner)) => e.with_hint(format!(
                    "it belongs to user id {owner}: this needs root, or that the group is delegated to you"
                )),
                (Some(Errno::EROFS), _) => {
                    e.with_hint("this cgroup mount is read-only, as in most containers")
                }
                _ => e,
            }
        })?;
        let own = layout.own(line).filter(|_| group.version == Version::V2);
        let above_both = own.map(|own| above_both(&own.path, &line.path));
        Ok(Joined { group, controllers: line.controllers.clone(), procs, above_both })
    }

    fn join(&self) -> Result<()> {
        self.group.join_by(&self.procs).map_err(|e| {
            let e = e.of_controllers(&self.controllers);
            match (&self.above_both, e.is_denied()) {
                (Some(above), true) => {
                    let above = String::from_utf8_lossy(above);
                    e.with_hint(format!(
                        "this needs write access to cgroup.procs of the group above it and ours too, {above}"
                    ))
                }
                _ => e,
            }
        })
    }

    fn is_v2(&self) -> bool {
        self.group.version == Version::V2
    }
}

fn has_only_a_name(line: &Line) -> bool {
    !line.controllers.is_empty() && line.controllers.iter().all(|name| name.starts_with(b"name="))
}

/// Are we in this group of a process? One reader reads the same path of one group only.
fn is_ours(layout: &Layout, line: &Line) -> bool {
    layout.own(line).is_some_and(|own| own.path == line.path)
}

/// The group of a line, and its hierarchy.
fn locate<'a>(layout: &'a Layout, line: &Line, task: &Task) -> Result<(&'a Hierarchy, Group)> {
    let refused = |why: &[u8]| {
        let name = with_controllers(&line.path, &line.controllers);
        Error::refused([b"group ", &name[..], b" of ", task.pid.to_string().as_bytes(), b" ", why].concat())
    };
    if line.path == b"/.." || line.path.starts_with(b"/../") {
        return Err(refused(b"lies outside of our cgroup namespace")
            .with_hint("nobody can join it from here: run this outside of that namespace"));
    }
    layout.locate(line).map_err(|e| match e.errno() {
        Some(_) => e.of_controllers(&line.controllers),
        None => refused(&[b"cannot be reached: ", e.to_string().as_bytes()].concat())
            .with_hint("run this where the hierarchy is mounted, and with that group in it"),
    })
}

/// The group that has this one frozen, or is about to: itself, or one above.
/// Source: cgroup-v1/freezer-subsystem.rst; cgroup-v2.rst, cgroup.freeze, Linux 5.2.
fn frozen_by(hierarchy: &Hierarchy, group: &Group) -> Result<Option<Vec<u8>>> {
    // What a group does not have, as the root, does not freeze it.
    let read = |group: &Group, name: &str| match group.read(name) {
        Err(e) if e.errno() == Some(Errno::ENOENT) => Ok(Vec::new()),
        text => text,
    };
    let (own, by) = match group.version {
        Version::V1 if hierarchy.controllers.iter().all(|name| name != b"freezer") => return Ok(None),
        Version::V1 => {
            let state = read(group, "freezer.state")?;
            (!state.is_empty() && state != b"THAWED", "freezer.self_freezing")
        }
        Version::V2 => {
            let events = read(group, "cgroup.events")?;
            (events.split(|&b| b == b'\n').any(|line| line == b"frozen 1"), "cgroup.freeze")
        }
    };
    // Version 1 tells it of those above at once, version 2 when all have come to a halt.
    if own || group.version == Version::V2 {
        for above in hierarchy.chain(group) {
            let above = above?;
            if read(&above, by)? == b"1" {
                return Ok(Some(above.path));
            }
        }
    }
    Ok(own.then(|| group.path.clone()))
}

/// The lowest group that is above both, or is one of them.
pub(super) fn above_both(one: &[u8], other: &[u8]) -> Vec<u8> {
    let pieces = |path: &[u8]| -> Vec<Vec<u8>> {
        path.split(|&b| b == b'/').filter(|piece| !piece.is_empty()).map(<[u8]>::to_vec).collect()
    };
    let both = pieces(one).into_iter().zip(pieces(other)).take_while(|(one, other)| one == other);
    let path: Vec<u8> = both.flat_map(|(piece, _)| [b"/", &piece[..]].concat()).collect();
    if path.is_empty() { b"/".to_vec() } else { path }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_group_above_both_is_found() {
        for (one, other, above) in [
            ("/", "/a", "/"),
            ("/a", "/b", "/"),
            ("/a/b", "/a/c", "/a"),
            ("/a/b", "/a/b/c", "/a/b"),
            ("/a/b", "/a/bc", "/a"),
        ] {
            assert_eq!(above_both(one.as_bytes(), other.as_bytes()), above.as_bytes(), "{one} {other}");
        }
    }
}
