//! What is looked at: a process or thread, or a namespace, with what several sections ask of it.

use std::cell::OnceCell;

use common::error::{Error, Result};
use common::kind::{Kind, KindMap, KindSet};
use common::ns::fd::NsFd;
use common::ns::initial::initial;
use common::ns::refer::Sight;
use common::ns::visit;
use common::proc::idmap::IdMap;
use common::proc::status::Status;
use common::proc::{HostName, Proc, Task};

use super::sections::mounts::View;

/// How it is to be looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct How {
    /// Not from inside: no helper process enters a namespace.
    pub(crate) no_enter: bool,
    /// Mounts in this way; none where nothing was said of it.
    pub(crate) mounts: Option<View>,
    /// As JSON, which tells all that there is.
    pub(crate) json: bool,
}

/// The thing itself, held open.
pub(crate) enum Thing {
    Process(Box<Process>),
    /// A namespace that no process we see is in, or whose processes do not matter.
    Namespace(NsFd),
}

/// A process or thread.
pub(crate) struct Process {
    pub(crate) task: Task,
    pub(crate) status: Status,
}

/// What is looked at, and from where.
pub(crate) struct Subject<'a> {
    pub(crate) proc: &'a Proc,
    pub(crate) thing: Thing,
    pub(crate) how: How,
    /// Ourselves.
    pub(crate) us: Result<Task>,
    /// Inode numbers of its namespaces; 0 for a kind that it is in no namespace of.
    pub(crate) namespaces: Result<KindMap<u64>>,
    /// Those of the initial namespaces.
    pub(crate) initial: Result<KindMap<u64>>,
    /// Those of our own.
    pub(crate) ours: Result<KindMap<u64>>,
    /// The maps of its user namespace.
    pub(crate) users: Result<IdMap>,
    pub(crate) groups: Result<IdMap>,
    /// The maps of our own user namespace.
    pub(crate) our_users: Result<IdMap>,
    pub(crate) our_groups: Result<IdMap>,
    /// See [`Subject::names`].
    names: OnceCell<Result<Names>>,
}

/// Of the host and of the domain.
type Names = [Result<Vec<u8>>; 2];

/// An id of the process in two user namespaces; none where it has no number there, or that is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Id {
    pub(crate) outside: Option<u32>,
    pub(crate) inside: Option<u32>,
}

/// The maps by which an id is told, of a user namespace and of ours.
pub(crate) struct Maps<'m> {
    /// Are the two the same namespace? None where that is not known.
    pub(crate) same: Option<bool>,
    pub(crate) theirs: &'m Result<IdMap>,
    pub(crate) ours: &'m Result<IdMap>,
}

impl<'a> Subject<'a> {
    /// Takes hold of a process. An error if there is none, or it is hidden from us.
    pub(crate) fn new(proc: &'a Proc, sight: Sight, how: How) -> Result<Subject<'a>> {
        let us = proc.this();
        let ours = us.as_ref().map_err(Error::clone).and_then(|us| us.namespaces(KindSet::all()));
        let our_map = |of: fn(&Task) -> Result<IdMap>| us.as_ref().map_err(Error::clone).and_then(of);
        let (our_users, our_groups) = (our_map(IdMap::of_users), our_map(IdMap::of_groups));
        let initial = initial(proc);
        let (thing, namespaces, users, groups) = match sight {
            Sight::Task(task) => {
                let status = Status::of(&task).map_err(|e| task.or_gone(e))?;
                let namespaces = task.namespaces(KindSet::all());
                let (users, groups) = (IdMap::of_users(&task), IdMap::of_groups(&task));
                (Thing::Process(Box::new(Process { task, status })), namespaces, users, groups)
            }
            Sight::Namespace(ns) => {
                let mut inodes = KindMap::default();
                inodes[ns.kind] = ns.id()?.ino;
                let none = || Err(Error::refused("no process is looked at"));
                (Thing::Namespace(ns), Ok(inodes), none(), none())
            }
        };
        Ok(Subject {
            proc,
            thing,
            how,
            us,
            namespaces,
            initial,
            ours,
            users,
            groups,
            our_users,
            our_groups,
            names: OnceCell::new(),
        })
    }

    /// The process, where it is one.
    pub(crate) fn process(&self) -> Option<&Process> {
        match &self.thing {
            Thing::Process(process) => Some(process),
            Thing::Namespace(_) => None,
        }
    }

    /// The same, for what only processes have.
    pub(crate) fn task(&self) -> Result<&Task> {
        match &self.thing {
            Thing::Process(process) => Ok(&process.task),
            Thing::Namespace(ns) => Err(Error::refused([&ns.name[..], b" is no process"].concat())),
        }
    }

    /// The inode number of its namespace of this kind.
    pub(crate) fn namespace(&self, kind: Kind) -> Option<u64> {
        of(&self.namespaces, kind)
    }

    /// Is its namespace of this kind the same as in `others`? None where one of them is not known.
    pub(crate) fn shares(&self, kind: Kind, others: &Result<KindMap<u64>>) -> Option<bool> {
        same(of(&self.namespaces, kind), of(others, kind))
    }

    /// Our own names of the host and the domain if it has them too, else those inside its uts namespace; asked once.
    pub(crate) fn names(&self) -> Result<Names> {
        self.names.get_or_init(|| self.ask_names()).clone()
    }

    fn ask_names(&self) -> Result<Names> {
        self.namespaces.as_ref().map_err(Error::clone)?;
        let files = || [self.proc.host_name(), self.proc.domain_name()];
        if self.shares(Kind::Uts, &self.ours) == Some(true) {
            return Ok(files().map(|file| file.and_then(HostName::read)));
        }
        if self.how.no_enter {
            return Err(Error::refused("not entered, as --no-enter says"));
        }
        let [host, domain] = files();
        let (host, domain) = (host?, domain?);
        // No name holds a zero byte.
        let look = || Ok([host.read()?, domain.read()?].join(&0));
        let seen = match &self.thing {
            Thing::Process(process) => visit::inside_of(&process.task, Kind::Uts, "host name", look),
            Thing::Namespace(ns) => visit::inside(ns, "host name", look),
        }?;
        let mut names = seen.split(|&b| b == 0).map(<[u8]>::to_vec);
        let mut next = || Ok(names.next().unwrap_or_default());
        Ok([next(), next()])
    }

    /// By which its user ids are told.
    pub(crate) fn of_users(&self) -> Maps<'_> {
        Maps { same: self.shares(Kind::User, &self.ours), theirs: &self.users, ours: &self.our_users }
    }

    /// The same of its group ids.
    pub(crate) fn of_groups(&self) -> Maps<'_> {
        Maps { theirs: &self.groups, ours: &self.our_groups, ..self.of_users() }
    }

    /// It is still the one that was looked at, so what was read is of one process. [`Error::is_gone`] if it ended.
    pub(crate) fn is_there(&self) -> Result<()> {
        match &self.thing {
            Thing::Process(process) => process.task.stat().map(drop).map_err(|e| process.task.or_gone(e)),
            Thing::Namespace(_) => Ok(()),
        }
    }
}

/// The number of a kind, where it is known and there is one.
pub(crate) fn of(inodes: &Result<KindMap<u64>>, kind: Kind) -> Option<u64> {
    inodes.as_ref().ok().map(|inodes| inodes[kind]).filter(|ino| *ino != 0)
}

/// Are both known, and the same?
pub(crate) fn same(one: Option<u64>, other: Option<u64>) -> Option<bool> {
    Some(one? == other?)
}

impl Maps<'_> {
    /// The kernel tells ids as our user namespace numbers them. If the process is in it, that is inside, and
    /// the map leads outward; else it is outside, and the map leads inward. Where we are in a user namespace
    /// that does not know the id, the number stands for none. Source: user_namespaces(7).
    pub(crate) fn id(&self, seen: u32) -> Id {
        let known = self.ours.as_ref().map_or(true, |ours| ours.knows(seen)).then_some(seen);
        let map = self.theirs.as_ref().ok();
        match self.same {
            _ if self.are_identities() => Id { outside: known, inside: known },
            Some(true) => Id { inside: known, outside: known.and_then(|id| map?.outside(id)) },
            Some(false) => Id { outside: known, inside: known.and_then(|id| map?.inside(id)) },
            None => Id { outside: known, inside: None },
        }
    }

    fn are_identities(&self) -> bool {
        let identity = |map: &Result<IdMap>| map.as_ref().is_ok_and(IdMap::is_identity);
        identity(self.theirs) && identity(self.ours)
    }

    /// Can it not be told what ids are inside?
    pub(crate) fn inside_unknown(&self) -> bool {
        self.same.is_none() && !self.theirs.as_ref().is_ok_and(IdMap::is_identity)
    }
}
