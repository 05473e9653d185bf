//! What is known of a process: read once, each part by itself, so that one that may not be read takes no
//! other with it.

use common::cgroup::group::Group;
use common::cgroup::layout::Layout;
use common::cgroup::usage::{self, COUNTERS, Counter, InForce};
use common::error::{Error, Result};
use common::kind::{Kind, KindMap, KindSet};
use common::ns::initial::initial;
use common::ns::visit;
use common::proc::container::Belongs;
use common::proc::container::state::States;
use common::proc::groups::Line;
use common::proc::idmap::{self, IdMap};
use common::proc::mounts::{self, Mount};
use common::proc::status::Status;
use common::proc::{Proc, Target, Task};

/// The world of one process: plain data. A part that could not be read is the error that says why.
pub(crate) struct World {
    pub(crate) pid: i32,
    /// The inode number of its pidfd; none where the kernel has none, and of threads.
    pub(crate) pidfd: Result<Option<u64>>,
    /// The command line, or the name where that is empty.
    pub(crate) command: Vec<u8>,
    /// Why the command line could not be read, and the name stands for it.
    pub(crate) unnamed: Option<Error>,
    pub(crate) status: Status,
    /// Inode numbers; 0 for a kind that it is in no namespace of.
    pub(crate) namespaces: Result<KindMap<u64>>,
    /// Those of the initial namespaces.
    pub(crate) initial: Result<KindMap<u64>>,
    /// Those of our own.
    pub(crate) ours: Result<KindMap<u64>>,
    pub(crate) users: Result<IdMap>,
    pub(crate) groups: Result<IdMap>,
    /// The maps of our own user namespace.
    pub(crate) our_users: Result<IdMap>,
    pub(crate) our_groups: Result<IdMap>,
    pub(crate) setgroups: Result<Vec<u8>>,
    pub(crate) host_name: Result<Vec<u8>>,
    /// And how many lines of mountinfo made no sense.
    pub(crate) mounts: Result<(Vec<Mount>, usize)>,
    pub(crate) cgroups: Result<Vec<Cgroup>>,
    /// As its groups say, where those could be read.
    pub(crate) belongs: Result<Belongs>,
}

/// A group that the process is in.
pub(crate) struct Cgroup {
    pub(crate) line: Line,
    /// What limits it, or why that is not known.
    pub(crate) limits: Result<Vec<InForce>>,
    /// Are there groups above, whose limits hold too, that cannot be seen from here?
    pub(crate) hidden_above: bool,
    /// What its group has used; not that of the root, which is the whole machine.
    pub(crate) used: Vec<(&'static Counter, u64)>,
}

/// An id of the process in two user namespaces; none where it has no number there, or that is not known.
#[derive(Clone, Copy)]
pub(crate) struct Id {
    pub(crate) outside: Option<u32>,
    pub(crate) inside: Option<u32>,
}

impl World {
    /// Reads it all. An error if there is no such process, or it ends meanwhile, or is hidden from us.
    pub(crate) fn take(proc: &Proc, task: &Task) -> Result<World> {
        let status = Status::of(task).map_err(|e| task.or_gone(e))?;
        let namespaces = task.namespaces(KindSet::all());
        let us = proc.this();
        let ours = us.as_ref().map_err(Error::clone).and_then(|us| us.namespaces(KindSet::all()));
        let our_map = |of: fn(&Task) -> Result<IdMap>| us.as_ref().map_err(Error::clone).and_then(of);
        let command = task.command_line();
        let mut world = World {
            pid: task.pid,
            pidfd: if status.process == task.pid { pidfd(proc, task) } else { Ok(None) },
            command: command.as_ref().map_or_else(|_| Vec::new(), Vec::clone),
            unnamed: command.err().filter(|e| !e.is_gone()),
            status,
            host_name: host_name(proc, task, &namespaces, &ours),
            namespaces,
            initial: initial(proc),
            ours,
            users: IdMap::of_users(task),
            groups: IdMap::of_groups(task),
            our_users: our_map(IdMap::of_users),
            our_groups: our_map(IdMap::of_groups),
            setgroups: idmap::setgroups(task),
            mounts: mounts::counted(task),
            cgroups: cgroups(proc, task),
            belongs: Ok(Belongs::default()),
        };
        if let Ok(cgroups) = &world.cgroups {
            let lines: Vec<_> = cgroups.iter().map(|cgroup| cgroup.line.clone()).collect();
            world.belongs = States::of(proc).map(|states| Belongs::of(&lines, &states));
        }
        // Read last: that this can be read says that the process was there all the time.
        let stat = task.stat().map_err(|e| task.or_gone(e))?;
        if world.command.is_empty() {
            world.command = stat.comm;
        }
        Ok(world)
    }

    /// Its PIDs, from the pid namespace of the /proc that was read down to its own.
    pub(crate) fn pids(&self) -> Vec<i32> {
        match &self.status.pids[..] {
            // An old kernel tells only one.
            [] => vec![self.pid],
            pids => pids.to_vec(),
        }
    }

    /// The inode number of its namespace of this kind.
    pub(crate) fn namespace(&self, kind: Kind) -> Option<u64> {
        self.namespaces.as_ref().ok().map(|inodes| inodes[kind]).filter(|ino| *ino != 0)
    }

    /// Is its namespace of this kind the same as in `others`? None where one of them is not known.
    pub(crate) fn shares(&self, kind: Kind, others: &Result<KindMap<u64>>) -> Option<bool> {
        let other = others.as_ref().ok().map(|inodes| inodes[kind]).filter(|ino| *ino != 0)?;
        self.namespace(kind).map(|ino| ino == other)
    }

    /// A user id of it, outside and inside its user namespace.
    pub(crate) fn user(&self, id: u32) -> Id {
        self.id(id, &self.users, &self.our_users)
    }

    /// The same of a group id.
    pub(crate) fn group(&self, id: u32) -> Id {
        self.id(id, &self.groups, &self.our_groups)
    }

    /// The kernel tells ids as our user namespace numbers them. If the process is in it, that is inside, and
    /// the map leads outward; else it is outside, and the map leads inward. Where we are in a user namespace
    /// that does not know the id, the number stands for none. Source: user_namespaces(7).
    fn id(&self, seen: u32, map: &Result<IdMap>, ours: &Result<IdMap>) -> Id {
        let known = ours.as_ref().map_or(true, |ours| ours.knows(seen)).then_some(seen);
        let map = map.as_ref().ok();
        match self.shares(Kind::User, &self.ours) {
            _ if map.is_some_and(IdMap::is_identity) && ours.as_ref().is_ok_and(IdMap::is_identity) => {
                Id { outside: known, inside: known }
            }
            Some(true) => Id { inside: known, outside: known.and_then(|id| map?.outside(id)) },
            Some(false) => Id { outside: known, inside: known.and_then(|id| map?.inside(id)) },
            None => Id { outside: known, inside: None },
        }
    }

    /// Can it not be told what its ids are inside?
    pub(crate) fn inside_unknown(&self) -> bool {
        let identity = |map: &Result<IdMap>| map.as_ref().is_ok_and(IdMap::is_identity);
        self.shares(Kind::User, &self.ours).is_none() && !(identity(&self.users) && identity(&self.groups))
    }

    /// The parts that could not be read, by their keys in JSON, and why.
    pub(crate) fn missing(&self) -> Vec<(&'static str, &Error)> {
        // Another /proc need not show us at all, which is told by `ours`.
        let there = |e: &&Error| !e.is_gone();
        // That a hierarchy is mounted nowhere is no failure.
        let cgroups = self.cgroups.iter().flatten().filter_map(|cgroup| cgroup.limits.as_ref().err());
        let limits = cgroups.filter(|e| e.errno().is_some()).map(|e| ("limits", Some(e)));
        [
            ("pidfd_inode", self.pidfd.as_ref().err()),
            ("command", self.unnamed.as_ref()),
            ("namespaces", self.namespaces.as_ref().err()),
            ("initial", self.initial.as_ref().err()),
            ("ours", self.ours.as_ref().err()),
            ("uid_map", self.users.as_ref().err()),
            ("gid_map", self.groups.as_ref().err()),
            ("our_uid_map", self.our_users.as_ref().err().filter(there)),
            ("our_gid_map", self.our_groups.as_ref().err().filter(there)),
            ("setgroups", self.setgroups.as_ref().err()),
            ("host_name", self.host_name.as_ref().err()),
            ("mounts", self.mounts.as_ref().err()),
            ("cgroups", self.cgroups.as_ref().err()),
            ("container", self.belongs.as_ref().err()),
        ]
        .into_iter()
        .chain(limits)
        .filter_map(|(key, error)| Some((key, error?)))
        .collect()
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

/// Our own host name if the process has it too, else that inside its uts namespace.
fn host_name(
    proc: &Proc,
    task: &Task,
    theirs: &Result<KindMap<u64>>,
    ours: &Result<KindMap<u64>>,
) -> Result<Vec<u8>> {
    let theirs = theirs.as_ref().map_err(Error::clone)?;
    match ours {
        Ok(ours) if ours[Kind::Uts] == theirs[Kind::Uts] => proc.host_name()?.read(),
        _ => visit::host_name(proc, task),
    }
}

/// The groups of a process. Where the hierarchies cannot be found, their paths are told all the same.
fn cgroups(proc: &Proc, task: &Task) -> Result<Vec<Cgroup>> {
    let layout = Layout::take(proc);
    let one = |line: Line| {
        let found = layout.as_ref().map_err(Error::clone).and_then(|layout| layout.locate(&line));
        let hidden_above = found.as_ref().is_ok_and(|(hierarchy, _)| !hierarchy.sees_all);
        let both = found.and_then(|(hierarchy, group)| {
            let is_root = line.path == b"/" && hierarchy.sees_all;
            let used = if is_root { Vec::new() } else { counters(&group)? };
            Ok((usage::in_force(hierarchy, &group)?, used))
        });
        let (limits, used) = both.map_or_else(|e| (Err(e), Vec::new()), |(limits, used)| (Ok(limits), used));
        Cgroup { hidden_above, limits, used, line }
    };
    Ok(Line::of(task)?.into_iter().map(one).collect())
}

fn counters(group: &Group) -> Result<Vec<(&'static Counter, u64)>> {
    let mut found = Vec::new();
    for counter in COUNTERS {
        found.extend(counter.read(group)?.map(|number| (counter, number)));
    }
    Ok(found)
}
