//! Finding namespaces: one pass over the sources makes a [`Snapshot`], which is plain data.

mod children;
mod descriptors;
mod found;
mod inferred;
mod kernel;
mod mounts;
mod open;
mod processes;
mod residents;
mod sockets;
mod threads;

use std::hash::{BuildHasherDefault, DefaultHasher};

use crate::error::{Result, or_none};
use crate::kind::{Kind, KindSet, NsId};
use crate::ns::fd::NsFd;
use crate::proc::Proc;
use crate::proc::descriptors::DEVICES;
use crate::proc::groups::Line;
use crate::proc::status::End;
use found::Found;
use processes::Visit;

pub use open::find;
pub use residents::Resident;

/// The standard tables, but without a random seed: the kernel chooses the numbers that are keys here, and the
/// standard library panics where it cannot have random bytes.
type HashMap<K, V> = std::collections::HashMap<K, V, BuildHasherDefault<DefaultHasher>>;
type HashSet<K> = std::collections::HashSet<K, BuildHasherDefault<DefaultHasher>>;

/// A place where namespaces are found.
#[derive(Debug)]
pub struct Source {
    /// What it is in this table.
    pub via: Via,
    /// What finds a namespace there, in one word.
    pub name: &'static str,
    /// What stands behind the number of holders of this sort; none where it shows no holder.
    pub letter: Option<char>,
    /// From which depth on it is asked.
    pub depth: Depth,
    /// What is there.
    pub what: &'static str,
    pass: Pass,
}

/// How a source is asked.
#[derive(Debug)]
enum Pass {
    /// In the visit to each process.
    Each(fn(&Visit<'_>, &mut Found) -> Result<()>),
    /// Once, after all processes were visited.
    Once(fn(&Machine<'_>, &Want, &mut Found) -> Result<()>),
    /// Not by itself: what the others find tells it.
    Told,
}

/// What showed a namespace: the first of these that did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum Via {
    Process,
    Thread,
    Children,
    Descriptor,
    Socket,
    Mount,
    Namespace,
    Kernel,
}

/// How far a scan looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Depth {
    /// The kernel's own lists: no process is looked at.
    Kernel,
    /// The processes.
    Procs,
    /// All that can keep a namespace.
    Deep,
}

/// Where namespaces are looked for, in the order of [`Via`]; those with a pass of their own in this order too.
#[rustfmt::skip]
pub const SOURCES: &[Source] = &[
    Source { via: Via::Process,    name: "process",   letter: Some('p'), depth: Depth::Procs,  what: "a process is in it", pass: Pass::Each(processes::scan) },
    Source { via: Via::Thread,     name: "thread",    letter: Some('t'), depth: Depth::Deep,   what: "a thread of a process that is elsewhere is in it", pass: Pass::Each(threads::scan) },
    Source { via: Via::Children,   name: "children",  letter: Some('c'), depth: Depth::Deep,   what: "the next child of a process will be in it", pass: Pass::Each(children::scan) },
    Source { via: Via::Descriptor, name: "fd",        letter: Some('f'), depth: Depth::Deep,   what: "a process has it open", pass: Pass::Each(descriptors::scan) },
    Source { via: Via::Socket,     name: "socket",    letter: Some('s'), depth: Depth::Deep,   what: "a process has a socket, or a tun or tap device, that was made in it", pass: Pass::Each(sockets::scan) },
    Source { via: Via::Mount,      name: "mount",     letter: Some('b'), depth: Depth::Deep,   what: "it is bind mounted, in any mount namespace", pass: Pass::Once(mounts::scan) },
    Source { via: Via::Namespace,  name: "namespace", letter: Some('n'), depth: Depth::Deep,   what: "it owns another namespace, or is its parent", pass: Pass::Told },
    Source { via: Via::Kernel,     name: "kernel",    letter: None,      depth: Depth::Kernel, what: "the kernel lists it, and nothing else shows it", pass: Pass::Once(kernel::scan) },
];

impl Via {
    /// Its row in the table.
    pub fn source(self) -> &'static Source {
        &SOURCES[self as usize]
    }
}

/// What is asked of a scan. What is not asked for is not read.
#[derive(Clone, Debug)]
pub struct Want {
    /// The kinds.
    pub kinds: KindSet,
    /// Where they are looked for.
    pub depth: Depth,
    /// Owners and parents as well, upward to the ones that no process is in. A deep scan asks for them anyway.
    pub relations: bool,
    /// The numbers that namespaces keep.
    pub ids: bool,
    /// How many mounts there are in mount namespaces.
    pub mounts: bool,
    /// Open files as well that have the paths of devices: see [`crate::proc::descriptors::DEVICES`]. A scan that meets a
    /// namespace which is mounted in such a place does so by itself.
    pub all_devices: bool,
    /// By one thread alone, for who goes on to fork or to enter namespaces: a thread that has ended can be there for
    /// another instant.
    pub alone: bool,
    /// By which numbers our net namespace knows the others.
    pub netnsids: bool,
    /// The namespace, by inode number, whose processes are all to be described, not only the first.
    pub members_of: Option<u64>,
    /// All processes are to be told, with the user and pid namespaces they are in.
    pub residents: bool,
    /// The processes that keep namespaces from elsewhere are to be described too.
    pub keepers: bool,
    /// In which namespaces the processes seem to be that do not show theirs.
    pub inferred: bool,
    /// What is to be known of the processes that are described.
    pub facts: Facts,
}

impl Want {
    /// The least: which namespaces of these kinds processes are in.
    pub fn least(kinds: KindSet) -> Want {
        let facts = Facts::default();
        let depth = Depth::Procs;
        Want {
            kinds,
            depth,
            relations: false,
            ids: false,
            mounts: false,
            all_devices: false,
            alone: false,
            netnsids: false,
            members_of: None,
            residents: false,
            keepers: false,
            inferred: false,
            facts,
        }
    }

    /// The kinds that are looked for: in a deep scan mount namespaces as well, since what is mounted in them can be of
    /// any kind.
    fn sought(&self) -> KindSet {
        let mounts = Some(Kind::Mnt).filter(|_| self.is_deep());
        self.kinds.iter().chain(mounts).collect()
    }

    fn is_deep(&self) -> bool {
        self.depth == Depth::Deep
    }

    /// Are namespaces to be asked who stands above them?
    fn goes_upward(&self) -> bool {
        self.relations || self.is_deep()
    }

    /// Are namespaces to be opened and asked something?
    fn relates(&self) -> bool {
        self.goes_upward() || self.ids || self.mounts || self.netnsids
    }
}

/// What can be known of a process.
#[derive(Clone, Copy, Debug, Default)]
pub struct Facts {
    /// Its user.
    pub uid: bool,
    /// Its parent, and when it started.
    pub stat: bool,
    /// Its command.
    pub command: bool,
    /// Its groups.
    pub groups: bool,
    /// What would end it.
    pub end: bool,
}

impl Facts {
    fn any(self) -> bool {
        self.uid || self.stat || self.command || self.groups || self.end
    }
}

/// All that a scan found: plain data.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// The namespaces, ascending by inode number.
    pub namespaces: Vec<Namespace>,
    /// The processes that are described: the first of each namespace, and those that [`Want`] names.
    pub processes: HashMap<i32, Process>,
    /// The processes of [`Want::members_of`], ascending.
    pub members: Vec<i32>,
    /// All processes that show their namespaces, ascending, if they were asked for.
    pub residents: Vec<Resident>,
    /// What keeps namespaces beside the processes in them: inode number and holder, ascending.
    pub holders: Vec<(u64, Holder)>,
    /// How many processes did not show their namespaces to us.
    pub unreadable: usize,
    /// In which namespaces those seem to be, as far as that was asked for.
    pub inferred: Vec<Inferred>,
}

/// One namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Namespace {
    /// Device and inode number; the device is 0 where only the inode was seen.
    pub id: NsId,
    /// Its kind.
    pub kind: Kind,
    /// How many processes are in it.
    pub processes: usize,
    /// How many threads those have that are in it, and those of others. 0 where a scan was not deep.
    pub threads: usize,
    /// The lowest PID in it.
    pub first: Option<i32>,
    /// Inode number of its parent, where it has one that we may see.
    pub parent: Option<u64>,
    /// Inode number of the user namespace that owns it, where we may see it.
    pub owner: Option<u64>,
    /// Who made it, for user namespaces; known if relations were asked for.
    pub owner_uid: Option<u32>,
    /// The number that it keeps until the machine boots again, if it was asked for and the kernel gives one.
    pub number: Option<u64>,
    /// How many mounts there are in it, if that was asked for and the kernel tells (Linux 6.12).
    pub mounts: Option<u64>,
    /// Of a net namespace, if that was asked for and can be told: by which number ours knows it, or -1 if by none.
    pub netnsid: Option<i32>,
}

impl Namespace {
    /// One of which nothing else is known yet.
    pub fn new(id: NsId, kind: Kind) -> Namespace {
        Namespace {
            id,
            kind,
            processes: 0,
            threads: 0,
            first: None,
            parent: None,
            owner: None,
            owner_uid: None,
            number: None,
            mounts: None,
            netnsid: None,
        }
    }
}

/// What keeps a namespace, beside a process that is in it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Holder {
    /// A thread is in it, and its process is not.
    Thread {
        /// The process.
        pid: i32,
        /// The thread.
        tid: i32,
    },
    /// Children that a thread makes will be in it.
    Children {
        /// The process.
        pid: i32,
        /// The thread.
        tid: i32,
    },
    /// It is open.
    Descriptor {
        /// The process.
        pid: i32,
        /// Its thread with this table of descriptors.
        tid: i32,
        /// The number in that table.
        fd: i32,
    },
    /// A socket, or a tun or tap device, of it is open.
    Socket {
        /// The process.
        pid: i32,
        /// Its thread with this table of descriptors.
        tid: i32,
        /// The number in that table.
        fd: i32,
    },
    /// It is bind mounted.
    Mount {
        /// The mount namespace, by inode number.
        within: u64,
        /// Is that our own, and the mount point below our root?
        ours: bool,
        /// In others a process whose root the mount point is below; none where no process has such a root.
        pid: Option<i32>,
        /// Does its path lead elsewhere, as something else is mounted over it? Known where a process sees it.
        covered: bool,
        /// Where: below our root or that of the process, or else below that of the mount namespace. Any bytes; empty
        /// where the kernel does not tell it.
        point: Vec<u8>,
    },
}

impl Holder {
    /// Where it was found.
    pub fn via(&self) -> Via {
        match self {
            Holder::Thread { .. } => Via::Thread,
            Holder::Children { .. } => Via::Children,
            Holder::Descriptor { .. } => Via::Descriptor,
            Holder::Socket { .. } => Via::Socket,
            Holder::Mount { .. } => Via::Mount,
        }
    }

    /// Is it a mount where open files are not looked at?
    fn is_at_device(&self) -> bool {
        match self {
            Holder::Mount { point, .. } => DEVICES.iter().any(|device| point.starts_with(device)),
            _ => false,
        }
    }
}

/// One process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    /// Its PID, as the /proc that was read numbers it.
    pub pid: i32,
    /// That of its parent; 0 if that was not asked for.
    pub ppid: i32,
    /// Effective user id; that of root if it was not asked for.
    pub uid: u32,
    /// When it started: see [`crate::proc::Stat::start`].
    pub start: u64,
    /// The command line, or the name where that is empty. Any bytes; none if it was not asked for.
    pub command: Vec<u8>,
    /// Its groups, if they were asked for and could be read.
    pub groups: Vec<Line>,
    /// What would end it, if that was asked for.
    pub end: End,
}

/// Processes that do not show their namespaces, and seem to be in one together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Inferred {
    /// The kind of the namespace.
    pub kind: Kind,
    /// The lowest PID of them. The process is described.
    pub first: i32,
    /// How many they are.
    pub processes: usize,
    /// Inode number of the namespace, where a process that shows it seems to be in it too.
    pub known: Option<u64>,
}

/// What is known of the machine before anything is looked at.
struct Machine<'a> {
    proc: &'a Proc,
    /// The device of all namespaces; 0 where it is not known.
    dev: u64,
    /// What /proc calls us.
    this: Option<i32>,
    /// Does /proc number processes as system calls of ours do?
    same_numbers: bool,
    /// The mount namespace that we are in, if this /proc is the machine's own.
    mnt: Option<u64>,
    /// The pid namespace by which /proc numbers processes, if that is needed and known.
    level: Option<u64>,
}

impl Machine<'_> {
    /// The namespace with this number.
    fn id(&self, ino: u64) -> NsId {
        NsId { dev: self.dev, ino }
    }

    /// An error is only what is our own trouble: what cannot be known is left open.
    fn of(proc: &Proc) -> Result<Machine<'_>> {
        let Some(this) = or_none(proc.this().map(Some))? else {
            return Ok(Machine { proc, dev: 0, this: None, same_numbers: false, mnt: None, level: None });
        };
        // All namespaces of one machine are files of one file system; its number cannot be seen in a link.
        let own = or_none(NsFd::of(&this, Kind::User).and_then(|own| own.id()).map(Some))?;
        let mounts = or_none(this.namespaces([Kind::Mnt].into_iter().collect()))?[Kind::Mnt];
        Ok(Machine {
            proc,
            dev: own.map_or(0, |id| id.dev),
            this: Some(this.pid),
            same_numbers: proc.numbers_as_we_do(this.pid),
            mnt: Some(mounts).filter(|&ino| ino != 0 && proc.is_system()),
            level: None,
        })
    }
}

/// Takes the snapshot. One process or namespace that vanishes or may not be read is left out; an error is
/// only what stops the whole scan.
pub fn take(proc: &Proc, want: &Want) -> Result<Snapshot> {
    let mut machine = Machine::of(proc)?;
    if want.residents {
        machine.level = residents::level(&machine)?;
    }
    look(&machine, want)
}

fn look(machine: &Machine<'_>, want: &Want) -> Result<Snapshot> {
    if want.is_deep() && want.kinds.contains(Kind::User) && want.kinds != KindSet::all() {
        // Those own others of any kind, and some are kept, and seen, by that alone.
        let mut snapshot = look(machine, &Want { kinds: KindSet::all(), ..want.clone() })?;
        snapshot.inferred.retain(|group| want.kinds.contains(group.kind));
        return Ok(snapshot);
    }
    let mut found = match want.depth {
        Depth::Kernel => Found::default(),
        _ => processes::visit(machine, want)?,
    };
    inferred::scan(machine, &mut found)?;
    // What the kernel lists can have mounts in it, so it comes first.
    for source in SOURCES.iter().rev().filter(|source| source.is_asked(want.depth)) {
        if let Pass::Once(scan) = source.pass {
            scan(machine, want, &mut found)?;
        }
    }
    let snapshot = found.snapshot();
    match !want.all_devices && snapshot.holders.iter().any(|(_, holder)| holder.is_at_device()) {
        true => look(machine, &Want { all_devices: true, ..want.clone() }),
        false => Ok(snapshot),
    }
}

impl Source {
    fn is_asked(&self, depth: Depth) -> bool {
        match depth {
            Depth::Procs => self.depth == Depth::Procs,
            _ => self.depth <= depth,
        }
    }
}

impl Snapshot {
    /// The namespace with this inode number.
    pub fn namespace(&self, ino: u64) -> Option<&Namespace> {
        let at = self.namespaces.binary_search_by_key(&ino, |ns| ns.id.ino).ok()?;
        Some(&self.namespaces[at])
    }

    /// What keeps the namespace with this inode number, beside the processes in it.
    pub fn holders(&self, ino: u64) -> &[(u64, Holder)] {
        let from = self.holders.partition_point(|(held, _)| *held < ino);
        let rest = &self.holders[from..];
        &rest[..rest.partition_point(|(held, _)| *held == ino)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_source_stands_in_its_place_and_has_a_letter_of_its_own() {
        for (at, source) in SOURCES.iter().enumerate() {
            assert_eq!(source.via as usize, at);
            assert!(
                SOURCES[..at].iter().all(|other| other.letter != source.letter && other.name != source.name)
            );
        }
    }
}
