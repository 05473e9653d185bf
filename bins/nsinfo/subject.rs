//! What is looked at: a process or thread, or a namespace, with what several sections ask of it.

use std::cell::{OnceCell, RefCell};

use common::error::{Error, Result};
use common::kind::{Kind, KindMap, KindSet, NsId};
use common::ns::fd::NsFd;
use common::ns::initial::initial;
use common::ns::nested::{Nested, between};
use common::ns::refer::Sight;
use common::ns::scan::{self, Depth, Holder, Namespace, Snapshot, Want};
use common::ns::visit;
use common::proc::credentials::{Tracing, tracing};
use common::proc::idmap::{self, IdMap};
use common::proc::status::Status;
use common::proc::users;
use common::proc::{HostName, Proc, Task};

use super::view::View;

/// How it is to be looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct How {
    /// Not from inside: no helper process enters a namespace.
    pub(crate) no_enter: bool,
    /// Mounts in this way; none where nothing was said of it.
    pub(crate) mounts: Option<View>,
    /// As JSON, which tells all that there is.
    pub(crate) json: bool,
    /// Count the processes that share its namespaces.
    pub(crate) count: bool,
    /// Look for all that is in a namespace and that keeps it; else for one that is in it only.
    pub(crate) keepers: bool,
}

impl How {
    /// May a namespace be entered to look?
    pub(crate) fn enters(self) -> Result<()> {
        match self.no_enter {
            true => Err(Error::refused("not entered, as --no-enter says")),
            false => Ok(()),
        }
    }
}

/// The thing itself, held open.
pub(crate) enum Thing {
    Process(Box<Process>),
    Namespace(Box<Place>),
}

/// A process or thread.
pub(crate) struct Process {
    /// Its number: that of the process also where it is read through one of its threads.
    pub(crate) pid: i32,
    /// What is read: its own directory, or, where its leader has ended and others live, that of a thread that does.
    pub(crate) task: Task,
    pub(crate) status: Status,
    pub(crate) life: Life,
}

/// How far a process has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Life {
    Lives,
    /// Its first thread has ended, and this one, which lives, is shown.
    ByThread(i32),
    /// All of it has ended: only its entry is left, until this parent has waited for it (0 if that is out of sight).
    Ended(i32),
}

/// A namespace that was named itself.
pub(crate) struct Place {
    pub(crate) ns: NsFd,
    pub(crate) ino: u64,
    /// A process or thread in it, by which its files are read; none where nobody is seen there.
    pub(crate) member: Option<Process>,
    /// What was found of it: all that is in it and that keeps it, where that is asked for.
    pub(crate) snapshot: Snapshot,
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
    /// May groups be given up there: `allow` or `deny`.
    pub(crate) setgroups: Result<Vec<u8>>,
    /// Why the maps can be wrong but for the first id of each range; none where they are right.
    pub(crate) unsure: Option<Error>,
    /// The maps of our own user namespace.
    pub(crate) our_users: Result<IdMap>,
    pub(crate) our_groups: Result<IdMap>,
    /// See [`Subject::names`].
    names: OnceCell<Result<Names>>,
    /// The names that this machine has for users and for groups.
    user_names: RefCell<users::Names>,
    group_names: RefCell<users::Names>,
}

/// Of the host and of the domain.
type Names = [Result<Vec<u8>>; 2];

/// By what it is read: a process, of a namespace one that is in it, or a namespace without one.
pub(crate) enum By<'s> {
    Process(&'s Process),
    Namespace(&'s NsFd),
}

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
        let thing = match sight {
            Sight::Task(task) => Thing::Process(Box::new(Process::of(task)?)),
            Sight::Namespace(ns) => Thing::Namespace(Box::new(Place::of(proc, ns, how.keepers)?)),
        };
        let mut namespaces = match thing.process() {
            Some(Process { task, .. }) => task.namespaces(KindSet::all()).map_err(closed),
            None => Ok(KindMap::default()),
        };
        if let (Thing::Namespace(place), Ok(inodes)) = (&thing, &mut namespaces) {
            inodes[place.ns.kind] = place.ino;
        }
        let view = of(&ours, Kind::User).filter(|_| proc.is_the_kernels().unwrap_or(false));
        let Ids { users, groups, setgroups, unsure } = match thing.process() {
            Some(process) => {
                let knows_all =
                    [&our_users, &our_groups].iter().all(|map| map.as_ref().is_ok_and(IdMap::is_identity));
                Ids::of(&process.task, of(&namespaces, Kind::User), view, knows_all)
            }
            None => Ids::of_nobody(proc, &thing, view, how),
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
            setgroups,
            unsure,
            our_users,
            our_groups,
            names: OnceCell::new(),
            user_names: RefCell::new(users::Names::of_users()),
            group_names: RefCell::new(users::Names::of_groups()),
        })
    }

    /// By what a section reads it.
    pub(crate) fn seen(&self) -> By<'_> {
        match &self.thing {
            Thing::Process(process) => By::Process(process),
            Thing::Namespace(place) => match &place.member {
                Some(member) => By::Process(member),
                None => By::Namespace(&place.ns),
            },
        }
    }

    /// The process; of a namespace one that is in it, by which that is read.
    pub(crate) fn process(&self) -> Option<&Process> {
        self.thing.process()
    }

    /// The same, for what only processes have.
    pub(crate) fn task(&self) -> Result<&Task> {
        match self.seen() {
            By::Process(process) => Ok(&process.task),
            By::Namespace(ns) => {
                Err(Error::refused([b"no process that we see is in ", &ns.name[..]].concat()))
            }
        }
    }

    /// The namespace, where that was named itself.
    pub(crate) fn ns(&self) -> Option<&NsFd> {
        self.place().map(|place| &place.ns)
    }

    /// The same, with what was found of it.
    pub(crate) fn place(&self) -> Option<&Place> {
        match &self.thing {
            Thing::Namespace(place) => Some(place),
            Thing::Process(_) => None,
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
        self.how.enters()?;
        let [host, domain] = files();
        let (host, domain) = (host?, domain?);
        // No name holds a zero byte.
        let look = || Ok([host.read()?, domain.read()?].join(&0));
        let seen = match &self.thing {
            Thing::Process(process) => visit::inside_of(&process.task, Kind::Uts, "host name", look),
            Thing::Namespace(place) => visit::inside(&place.ns, "host name", look),
        }?;
        let mut names = seen.split(|&b| b == 0).map(<[u8]>::to_vec);
        let mut next = || Ok(names.next().unwrap_or_default());
        Ok([next(), next()])
    }

    /// The name of a user as we number users; none where it has none, or the name service fails.
    pub(crate) fn user_name(&self, uid: u32) -> Option<Vec<u8>> {
        self.user_names.borrow_mut().name(uid).map(<[u8]>::to_vec)
    }

    /// The same of a group.
    pub(crate) fn group_name(&self, gid: u32) -> Option<Vec<u8>> {
        self.group_names.borrow_mut().name(gid).map(<[u8]>::to_vec)
    }

    /// By which its user ids are told.
    pub(crate) fn of_users(&self) -> Maps<'_> {
        Maps { same: self.shares(Kind::User, &self.ours), theirs: &self.users, ours: &self.our_users }
    }

    /// The same of its group ids.
    pub(crate) fn of_groups(&self) -> Maps<'_> {
        Maps { theirs: &self.groups, ours: &self.our_groups, ..self.of_users() }
    }

    /// Is it read through another, one of several that could be?
    pub(crate) fn has_a_stand_in(&self) -> bool {
        self.ns().is_some() || self.process().is_some_and(|process| matches!(process.life, Life::ByThread(_)))
    }

    /// It is still the one that was looked at, so what was read is of one process. [`Error::is_gone`] if it ended.
    pub(crate) fn is_there(&self) -> Result<()> {
        match self.process() {
            Some(Process { task, .. }) => task.stat().map(drop).map_err(|e| task.or_gone(e)),
            None => Ok(()),
        }
    }
}

/// What is known of the ids of a user namespace: see [`Subject`].
struct Ids {
    users: Result<IdMap>,
    groups: Result<IdMap>,
    setgroups: Result<Vec<u8>>,
    unsure: Option<Error>,
}

impl Ids {
    /// Those of a process in this user namespace, seen from that one, which may know all ids there are.
    fn of(task: &Task, ns: Option<u64>, view: Option<u64>, knows_all: bool) -> Ids {
        let (users, groups) = (IdMap::of_users(task), IdMap::of_groups(task));
        let is_long =
            |map: &Result<IdMap>| map.as_ref().is_ok_and(|map| map.ranges.iter().any(|r| r.count > 1));
        let is_long = is_long(&users) || is_long(&groups);
        let mut ids = Ids { users, groups, setgroups: idmap::setgroups(task), unsure: None };
        // A range lies in one range of each namespace above, and the initial one knows all ids. Elsewhere the kernel numbers
        // only its first id for us.
        if let Some(view) = view.filter(|view| is_long && !knows_all && ns != Some(*view)) {
            ids.unsure = match NsFd::of(task, Kind::User).and_then(|ns| between(&ns, view)) {
                Ok(Some(_)) => None,
                Ok(None) => Some(Error::refused("it is not below our own user namespace")),
                Err(e) => Some(e),
            };
        }
        ids
    }

    /// Those of a user namespace that nobody is in.
    fn of_nobody(proc: &Proc, thing: &Thing, view: Option<u64>, how: How) -> Ids {
        let nobody = || Error::refused("no process that we see is in it");
        let whole = || match (thing, view) {
            (Thing::Namespace(place), Some(view)) if place.ns.kind == Kind::User => {
                how.enters()?;
                let between = between(&place.ns, view)?.ok_or_else(nobody)?;
                Nested::of(proc, &place.ns, &between)
            }
            _ => Err(nobody()),
        };
        let nested = whole();
        let part = |of: fn(&Nested) -> &IdMap| {
            nested.as_ref().map(|nested| of(nested).clone()).map_err(Error::clone)
        };
        Ids {
            users: part(|nested| &nested.users),
            groups: part(|nested| &nested.groups),
            setgroups: nested.as_ref().map(|nested| nested.setgroups.clone()).map_err(Error::clone),
            unsure: None,
        }
    }
}

impl Thing {
    fn process(&self) -> Option<&Process> {
        match self {
            Thing::Process(process) => Some(process),
            Thing::Namespace(place) => place.member.as_ref(),
        }
    }
}

impl Process {
    /// Reads it through its own directory, or through that of a thread: one whose leader has ended looks as if all of it
    /// had, and only what /proc says of the others tells what it is in. Source: proc_pid_task(5).
    fn of(task: Task) -> Result<Process> {
        let status = Status::of(&task).map_err(|e| task.or_gone(e))?;
        let stat = task.stat().map_err(|e| task.or_gone(e))?;
        let pid = task.pid;
        if !stat.has_ended {
            return Ok(Process { pid, task, status, life: Life::Lives });
        }
        // Its other threads: none, where it is a thread itself.
        let threads = task.threads().unwrap_or_default();
        for tid in threads {
            let lives = |thread: &Task| thread.stat().is_ok_and(|stat| !stat.has_ended);
            let Some(thread) = task.thread(tid).ok().filter(lives) else { continue };
            let Ok(of_thread) = Status::of(&thread) else { continue };
            // Its numbers are those of the process.
            let status = Status { pids: status.pids, ..of_thread };
            return Ok(Process { pid, task: thread, status, life: Life::ByThread(tid) });
        }
        Ok(Process { pid, task, status, life: Life::Ended(stat.ppid) })
    }
}

/// Why it is closed to us although we have the right that would open others.
fn closed(error: Error) -> Error {
    match error.is_denied() && tracing() == Tracing::Allowed {
        true => Error::refused("closed to us, though we have CAP_SYS_PTRACE (security module?)"),
        false => error,
    }
}

impl Place {
    /// Looks for who is in it, and where that is asked for for what keeps it, everywhere.
    fn of(proc: &Proc, ns: NsFd, keepers: bool) -> Result<Place> {
        let id = ns.id()?;
        let member = |snapshot: &Snapshot| member(proc, snapshot, ns.kind, id.ino);
        let mut snapshot = search(proc, &ns, id, if keepers { Depth::Deep } else { Depth::Procs })?;
        let mut found = member(&snapshot);
        if found.is_none() && !keepers {
            // A thread whose process is elsewhere can stand for it as well.
            snapshot = search(proc, &ns, id, Depth::Deep)?;
            found = member(&snapshot);
        }
        Ok(Place { ino: id.ino, member: found, snapshot, ns })
    }
}

/// By one thread: sections look into namespaces by helpers.
fn search(proc: &Proc, ns: &NsFd, id: NsId, depth: Depth) -> Result<Snapshot> {
    let kinds = [ns.kind].into_iter().collect();
    let want = Want { depth, alone: true, members_of: Some(id.ino), ..Want::least(kinds) };
    let mut snapshot = scan::take(proc, &want)?;
    if let Err(at) = snapshot.namespaces.binary_search_by_key(&id.ino, |ns| ns.id.ino) {
        // It is there, since we have it open.
        snapshot.namespaces.insert(at, Namespace::new(id, ns.kind));
    }
    Ok(snapshot)
}

/// The process by which a namespace is read: the first that lives, or a thread.
fn member(proc: &Proc, snapshot: &Snapshot, kind: Kind, ino: u64) -> Option<Process> {
    let is_in = |process: &Process| {
        let inodes = process.task.namespaces([kind].into_iter().collect());
        inodes.is_ok_and(|inodes| inodes[kind] == ino)
    };
    let open = |task: Result<Task>| Process::of(task.ok()?).ok().filter(is_in);
    let thread = |holder: &Holder| match holder {
        Holder::Thread { pid, tid } => Some(proc.task_or_thread(*pid, *tid)),
        _ => None,
    };
    let threads = snapshot.holders(ino).iter().filter_map(|(_, holder)| thread(holder));
    let all = snapshot.members.iter().map(|pid| proc.task(*pid)).chain(threads);
    // Who has ended shows next to nothing.
    let mut ended = None;
    for process in all.filter_map(open) {
        match process.life {
            Life::Ended(_) => drop(ended.get_or_insert(process)),
            _ => return Some(process),
        }
    }
    ended
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
        match self.same {
            Some(same) => !same && self.theirs.is_err(),
            None => !self.theirs.as_ref().is_ok_and(IdMap::is_identity),
        }
    }

    /// The same of outside, where that is the user namespace above our own.
    pub(crate) fn outside_unknown(&self) -> bool {
        self.same == Some(true) && self.theirs.is_err()
    }

    /// Is the number of an id that we see the one inside? Else it is that outside.
    pub(crate) fn seen_inside(&self) -> bool {
        self.same == Some(true) && !self.are_identities()
    }
}
