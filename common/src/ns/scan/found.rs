//! A snapshot in the making.

use std::cmp::Ordering;

use super::inferred::Marked;
use super::{HashMap, HashSet, Holder, Inferred, Namespace, Process, Resident, Snapshot, Via, Want};
use crate::error::{Result, or_none};
use crate::kind::{Kind, KindMap, NsId};
use crate::ns::fd::NsFd;
use crate::ns::netnsid::Netnsids;

/// What was found so far: namespaces stand in the order in which they were met.
#[derive(Debug, Default)]
pub(super) struct Found {
    snapshot: Snapshot,
    places: HashMap<u64, usize>,
    /// The one of each kind that was met last, and its place: most processes are where the one before is.
    last: KindMap<(u64, usize)>,
    /// Which have been opened and asked.
    asked: HashSet<u64>,
    /// Sockets that are known, and the net namespace of each; 0 where it was not told.
    pub(super) sockets: HashMap<u64, u64>,
    netnsids: Netnsids,
    /// Open files that are namespaces if they were opened through a mount of one.
    pub(super) files: Vec<File>,
    /// The processes that do not show their namespaces, by what tells those apart.
    pub(super) marked: Marked,
}

/// An open file that was opened by a path.
#[derive(Clone, Copy, Debug)]
pub(super) struct File {
    pub(super) pid: i32,
    pub(super) tid: i32,
    pub(super) fd: i32,
    /// See [`crate::proc::descriptors::What::File`].
    pub(super) mount: u64,
}

impl Found {
    /// The namespaces so far.
    pub(super) fn namespaces(&self) -> &[Namespace] {
        &self.snapshot.namespaces
    }

    /// How many holders, and open files that can be some, were met so far.
    pub(super) fn kept(&self) -> usize {
        self.snapshot.holders.len() + self.files.len()
    }

    pub(super) fn add_inferred(&mut self, group: Inferred) {
        self.snapshot.inferred.push(group);
    }

    /// Is a process of this namespace known?
    pub(super) fn has_process(&self, kind: Kind, ino: u64) -> bool {
        let at = match self.last[kind] {
            (last, at) if last == ino => Some(at),
            _ => self.places.get(&ino).copied(),
        };
        at.is_some_and(|at| self.snapshot.namespaces[at].first.is_some())
    }

    /// Has it been opened and asked?
    pub(super) fn was_asked(&self, ino: u64) -> bool {
        self.asked.contains(&ino)
    }

    /// The namespace; it is added if it was unknown.
    pub(super) fn namespace(&mut self, id: NsId, kind: Kind) -> &mut Namespace {
        let namespaces = &mut self.snapshot.namespaces;
        if self.last[kind].0 != id.ino {
            let next = namespaces.len();
            let at = *self.places.entry(id.ino).or_insert(next);
            if at == next {
                namespaces.push(Namespace::new(id, kind));
            }
            self.last[kind] = (id.ino, at);
        }
        &mut namespaces[self.last[kind].1]
    }

    /// What keeps a namespace; it is added if it was unknown.
    pub(super) fn hold(&mut self, id: NsId, kind: Kind, holder: Holder) -> &mut Namespace {
        self.snapshot.holders.push((id.ino, holder));
        self.namespace(id, kind)
    }

    pub(super) fn describe(&mut self, process: Process) {
        self.snapshot.processes.insert(process.pid, process);
    }

    pub(super) fn add_resident(&mut self, process: Resident) {
        self.snapshot.residents.push(process);
    }

    pub(super) fn add_member(&mut self, pid: i32) {
        self.snapshot.members.push(pid);
    }

    pub(super) fn add_unreadable(&mut self) {
        self.snapshot.unreadable += 1;
    }

    /// Opens a namespace that has not been asked yet, and asks it who stands above it, and those likewise, upward.
    /// One that cannot be opened is asked again where it is met again: the process may have ended under it.
    pub(super) fn ask(&mut self, want: &Want, ino: u64, open: impl FnOnce() -> Result<NsFd>) -> Result<()> {
        if !want.relates() || self.asked.contains(&ino) {
            return Ok(());
        }
        or_none(open().and_then(|ns| self.relate(want, ns)))
    }

    /// Asks an open namespace for its owner and parent, and those for theirs, upward. What lies outside of our
    /// view is no error.
    pub(super) fn relate(&mut self, want: &Want, ns: NsFd) -> Result<()> {
        let mut open = vec![ns];
        while let Some(ns) = open.pop() {
            let id = ns.id()?;
            if !self.asked.insert(id.ino) {
                continue;
            }
            // Of a user namespace the parent is the owner: the kernel answers both with one.
            let (owner, parent) = match want.goes_upward() {
                true => (ns.owner()?, ns.parent()?),
                false => (None, None),
            };
            let number = |ns: &Option<NsFd>| ns.as_ref().map(|ns| ns.id().map(|id| id.ino)).transpose();
            let (owner_ino, parent_ino) = (number(&owner)?, number(&parent)?);
            let known = self.namespace(id, ns.kind);
            known.owner = owner_ino;
            known.parent = parent_ino;
            known.owner_uid = if ns.kind == Kind::User { Some(ns.owner_uid()?) } else { None };
            if want.ids || want.is_deep() {
                known.number = ns.number();
            }
            if want.mounts {
                known.mounts = ns.count_mounts();
            }
            if want.netnsids && ns.kind == Kind::Net {
                let netnsid = self.netnsids.of(&ns)?;
                self.namespace(id, ns.kind).netnsid = netnsid;
            }
            open.extend(owner.into_iter().chain(parent));
        }
        Ok(())
    }

    /// Adds what another found in other places.
    pub(super) fn merge(&mut self, other: Found) {
        let Found { snapshot: theirs, asked, files, marked, .. } = other;
        for ns in theirs.namespaces {
            let known = self.namespace(ns.id, ns.kind);
            known.processes += ns.processes;
            known.threads += ns.threads;
            known.first = [known.first, ns.first].into_iter().flatten().min();
            known.parent = known.parent.or(ns.parent);
            known.owner = known.owner.or(ns.owner);
            known.owner_uid = known.owner_uid.or(ns.owner_uid);
            known.number = known.number.or(ns.number);
            known.mounts = known.mounts.or(ns.mounts);
            known.netnsid = known.netnsid.or(ns.netnsid);
        }
        self.asked.extend(asked);
        self.files.extend(files);
        self.marked.merge(marked);
        let ours = &mut self.snapshot;
        ours.processes.extend(theirs.processes);
        ours.members.extend(theirs.members);
        ours.residents.extend(theirs.residents);
        ours.holders.extend(theirs.holders);
        ours.unreadable += theirs.unreadable;
    }

    /// A thread in this namespace whose process is elsewhere.
    pub(super) fn thread_in(&self, ino: u64) -> Option<i32> {
        self.snapshot.holders.iter().find_map(|(held, holder)| match holder {
            Holder::Thread { tid, .. } if *held == ino => Some(*tid),
            _ => None,
        })
    }

    /// All of it, in order.
    pub(super) fn snapshot(self) -> Snapshot {
        let mut snapshot = self.snapshot;
        snapshot.namespaces.sort_unstable_by_key(|ns| ns.id.ino);
        snapshot.members.sort_unstable();
        snapshot.residents.sort_unstable_by_key(|process| process.pid);
        snapshot.holders.sort_by(by_place);
        snapshot.holders.dedup_by(|one, other| one == other && one.1.via() != Via::Mount);
        snapshot.inferred.sort_unstable();
        snapshot
    }
}

/// Ascending; mounts of one mount namespace stay in its own order, and those of ours stand before the others.
fn by_place((ino, one): &(u64, Holder), (other_ino, other): &(u64, Holder)) -> Ordering {
    ino.cmp(other_ino).then_with(|| match (one, other) {
        (Holder::Mount { within, ours, .. }, Holder::Mount { within: other, ours: theirs, .. }) => {
            theirs.cmp(ours).then(within.cmp(other))
        }
        _ => one.cmp(other),
    })
}
