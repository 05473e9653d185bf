//! `--tree`: user namespaces below each other, in each the pid namespaces that it owns, and in those the processes.

mod drawn;
mod json;
mod page;

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use common::error::{Error, Result, or_none};
use common::kind::{Kind, KindMap, KindSet};
use common::ns::initial::initial;
use common::ns::refer::Sight;
use common::ns::scan::{self, Depth, Resident, Snapshot, Want};
use common::proc::Proc;
use common::proc::idmap::IdMap;
use common::proc::status::Status;

/// What only one of these is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    Process(i32),
    Namespace(Kind, u64),
}

/// All that is known: plain data.
pub(crate) struct Tree {
    pub(crate) processes: Vec<Resident>,
    pub(crate) snapshot: Snapshot,
    /// The maps of user ids, where a process shows them.
    pub(crate) maps: BTreeMap<u64, IdMap>,
    pub(crate) initial: Result<KindMap<u64>>,
    pub(crate) ours: Result<KindMap<u64>>,
    /// How many processes do not show their namespaces.
    pub(crate) hidden: usize,
    pub(crate) wanted: Vec<Wanted>,
}

impl Tree {
    pub(crate) fn take(proc: &Proc, sights: &[Sight]) -> Result<Tree> {
        let wanted = sights.iter().map(wanted).collect::<Result<Vec<_>>>()?;
        let kinds = [Kind::User, Kind::Pid].into_iter().collect();
        let want = Want { depth: Depth::Deep, relations: true, residents: true, ..Want::least(kinds) };
        let mut snapshot = scan::take(proc, &want)?;
        snapshot.namespaces.retain(|ns| matches!(ns.kind, Kind::User | Kind::Pid));
        let (mut processes, hidden) = (std::mem::take(&mut snapshot.residents), snapshot.unreadable);
        // Others have ended meanwhile.
        let is_there = |ino| ino != 0 && snapshot.namespace(ino).is_some();
        processes.retain(|process| is_there(process.user) && is_there(process.within));
        let mut maps = BTreeMap::new();
        for process in &processes {
            if let Entry::Vacant(place) = maps.entry(process.user) {
                let map = proc.task(process.pid).and_then(|task| IdMap::of_users(&task));
                or_none(map.map(Some))?.map(|map| place.insert(map));
            }
        }
        let ours = proc.this().and_then(|us| us.namespaces(KindSet::all()));
        let initial = initial(proc);
        for found in [&ours, &initial] {
            or_none(found.as_ref().map(Some).map_err(Error::clone))?;
        }
        let tree = Tree { processes, snapshot, maps, initial, ours, hidden, wanted };
        if let Some(missing) = tree.wanted.iter().find(|wanted| !tree.knows(**wanted)) {
            return Err(Error::refused(match missing {
                Wanted::Process(pid) => format!("process {pid} does not show in which namespaces it is"),
                Wanted::Namespace(kind, ino) => format!("nothing shows where {kind}:[{ino}] is"),
            }));
        }
        Ok(tree)
    }

    fn knows(&self, wanted: Wanted) -> bool {
        match wanted {
            Wanted::Process(pid) => self.processes.iter().any(|process| process.pid == pid),
            Wanted::Namespace(_, ino) => self.snapshot.namespace(ino).is_some(),
        }
    }
}

/// What a reference names here. Of a namespace of another kind it is the user namespace that owns it.
fn wanted(sight: &Sight) -> Result<Wanted> {
    match sight {
        Sight::Task(task) => {
            let status = Status::of(task).map_err(|e| task.or_gone(e))?;
            Ok(Wanted::Process(status.process))
        }
        Sight::Namespace(ns) if matches!(ns.kind, Kind::User | Kind::Pid) => {
            Ok(Wanted::Namespace(ns.kind, ns.id()?.ino))
        }
        Sight::Namespace(ns) => match ns.owner()? {
            Some(owner) => Ok(Wanted::Namespace(owner.kind, owner.id()?.ino)),
            None => Err(Error::refused([b"the owner is out of our sight: ", &ns.name[..]].concat())),
        },
    }
}
