//! Finding namespaces: one pass over the sources makes a [`Snapshot`], which is plain data.

mod processes;

use std::hash::{BuildHasherDefault, DefaultHasher};

use crate::error::Result;
use crate::kind::{Kind, KindMap, KindSet, NsId};
use crate::ns::fd::NsFd;
use crate::proc::Proc;
use crate::proc::groups::Line;

/// The standard tables, but without a random seed: the kernel chooses the numbers that are keys here, and the
/// standard library panics where it cannot have random bytes.
type HashMap<K, V> = std::collections::HashMap<K, V, BuildHasherDefault<DefaultHasher>>;
type HashSet<K> = std::collections::HashSet<K, BuildHasherDefault<DefaultHasher>>;

/// A source of namespaces: it adds what it finds.
type Source = fn(&Proc, &Want, &mut Found) -> Result<()>;

/// Where namespaces are looked for, in this order.
const SOURCES: &[Source] = &[processes::scan];

/// What is asked of a scan. What is not asked for is not read.
#[derive(Clone, Debug)]
pub struct Want {
    /// The kinds.
    pub kinds: KindSet,
    /// Owners and parents as well, upward to the ones that no process is in.
    pub relations: bool,
    /// The namespace, by inode number, whose processes are all to be described, not only the first.
    pub members_of: Option<u64>,
    /// The groups of the processes that are described.
    pub groups: bool,
}

/// All that a scan found: plain data.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// The namespaces, ascending by inode number.
    pub namespaces: Vec<Namespace>,
    /// The processes that are described: the first of each namespace, and those of [`Want::members_of`].
    pub processes: HashMap<i32, Process>,
    /// Which namespaces each process is in, by ascending PID: 0 where that is not known or was not asked.
    pub members: Vec<(i32, KindMap<u64>)>,
    /// How many processes did not show their namespaces to us.
    pub unreadable: usize,
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
    /// The lowest PID in it.
    pub first: Option<i32>,
    /// Inode number of its parent, where it has one that we may see.
    pub parent: Option<u64>,
    /// Inode number of the user namespace that owns it, where we may see it.
    pub owner: Option<u64>,
    /// Who made it, for user namespaces; known if relations were asked for.
    pub owner_uid: Option<u32>,
}

/// One process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    /// Its PID, as the /proc that was read numbers it.
    pub pid: i32,
    /// That of its parent.
    pub ppid: i32,
    /// Effective user id.
    pub uid: u32,
    /// The command line, or the name where that is empty. Any bytes.
    pub command: Vec<u8>,
    /// Its groups, if they were asked for and could be read.
    pub groups: Vec<Line>,
}

/// Takes the snapshot. One process or namespace that vanishes or may not be read is left out; an error is
/// only what stops the whole scan.
pub fn take(proc: &Proc, want: &Want) -> Result<Snapshot> {
    let mut found = Found::default();
    for source in SOURCES {
        source(proc, want, &mut found)?;
    }
    let mut snapshot = found.snapshot;
    snapshot.namespaces.sort_by_key(|ns| ns.id.ino);
    Ok(snapshot)
}

impl Snapshot {
    /// The namespace with this inode number.
    pub fn namespace(&self, ino: u64) -> Option<&Namespace> {
        let at = self.namespaces.binary_search_by_key(&ino, |ns| ns.id.ino).ok()?;
        Some(&self.namespaces[at])
    }
}

/// A snapshot in the making: namespaces stand in the order in which they were met.
#[derive(Default)]
struct Found {
    snapshot: Snapshot,
    places: HashMap<u64, usize>,
    /// Which have been asked for their owner and parent.
    related: HashSet<u64>,
}

impl Found {
    /// Is a process of this namespace known?
    fn has_process(&self, ino: u64) -> bool {
        self.places.get(&ino).is_some_and(|&at| self.snapshot.namespaces[at].first.is_some())
    }

    /// The namespace; it is added if it was unknown.
    fn namespace(&mut self, id: NsId, kind: Kind) -> &mut Namespace {
        let namespaces = &mut self.snapshot.namespaces;
        let next = namespaces.len();
        let at = *self.places.entry(id.ino).or_insert(next);
        if at == next {
            namespaces.push(Namespace {
                id,
                kind,
                processes: 0,
                first: None,
                parent: None,
                owner: None,
                owner_uid: None,
            });
        }
        &mut namespaces[at]
    }

    /// Asks an open namespace for its owner and parent, and those for theirs, upward. What lies outside of our
    /// view is no error.
    fn relate(&mut self, ns: NsFd) -> Result<()> {
        let mut open = vec![ns];
        while let Some(ns) = open.pop() {
            let id = ns.id()?;
            if !self.related.insert(id.ino) {
                continue;
            }
            // Of a user namespace the parent is the owner: the kernel answers both with one.
            let (owner, parent) = (ns.owner()?, ns.parent()?);
            let number = |ns: &Option<NsFd>| ns.as_ref().map(|ns| ns.id().map(|id| id.ino)).transpose();
            let (owner_ino, parent_ino) = (number(&owner)?, number(&parent)?);
            let known = self.namespace(id, ns.kind);
            known.owner = owner_ino;
            known.parent = parent_ino;
            known.owner_uid = if ns.kind == Kind::User { ns.owner_uid().ok() } else { None };
            open.extend(owner.into_iter().chain(parent));
        }
        Ok(())
    }
}
