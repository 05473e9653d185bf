//! The namespaces that are bind mounted, in every mount namespace.
//!
//! The kernel tells the mounts of a mount namespace by its number, also where no process is in it; older kernels, and
//! those who may not ask that, by the mountinfo of a process in it. Mount namespaces that only a mount shows are looked
//! into as well. No mount point is touched but where it is certain that a namespace is found there at once.

use super::{Found, HashMap, HashSet, Holder, Machine, Namespace, Want};
use crate::error::{Error, Result, or_none};
use crate::kind::{Kind, KindSet, NsId};
use crate::ns::fd::NsFd;
use crate::proc::binds::{self, Bind, Root};
use crate::proc::{Proc, Task};

/// So many processes of one mount namespace are asked before it is given up.
const TRIES: usize = 64;

pub(super) fn scan(machine: &Machine<'_>, want: &Want, found: &mut Found) -> Result<()> {
    let mut search = Search { machine, want, crowd: None, places: HashMap::default() };
    let mut seen = HashSet::default();
    if let Some(own) = machine.mnt {
        seen.insert(own);
        let number = found.namespaces().iter().find(|ns| ns.id.ino == own).and_then(|ns| ns.number);
        search.ours(own, number, found)?;
    }
    let mut next = 0;
    // The list grows by the mount namespaces that mounts show.
    while let Some(ns) = found.namespaces().get(next).cloned() {
        next += 1;
        if ns.kind == Kind::Mnt && seen.insert(ns.id.ino) {
            search.theirs(&ns, found)?;
        }
    }
    search.files(found)
}

struct Search<'a> {
    machine: &'a Machine<'a>,
    want: &'a Want,
    /// The processes in each mount namespace; read when the first of one will not do.
    crowd: Option<HashMap<u64, Vec<i32>>>,
    /// The namespaces by the mounts that they are mounted by.
    places: HashMap<u64, (Kind, u64)>,
}

/// A process through whose root mount points are reached.
struct Seer {
    task: Task,
    /// What it sees.
    seen: Vec<Bind>,
}

impl Search<'_> {
    fn ours(&mut self, own: u64, number: Option<u64>, found: &mut Found) -> Result<()> {
        let listed = or_none(number.map(|number| binds::within(number, true)).transpose())?;
        let binds = match listed {
            Some(none) if none.is_empty() => none,
            listed => {
                let seen = or_none(self.machine.proc.this().and_then(|this| binds::seen_by(&this)))?;
                match listed {
                    Some(mut listed) => {
                        let covered: HashSet<u64> =
                            seen.iter().filter(|bind| bind.covered).map(|bind| bind.mount).collect();
                        listed.iter_mut().for_each(|bind| bind.covered = covered.contains(&bind.mount));
                        listed
                    }
                    None => seen,
                }
            }
        };
        let mut root = None;
        for bind in binds {
            let holder = Holder::Mount {
                within: own,
                ours: true,
                pid: None,
                covered: bind.covered,
                point: bind.point.clone(),
            };
            self.add(&bind, holder, found, |bind, id| {
                let root = match &root {
                    Some(root) => root,
                    None => root.insert(Root::ours()?),
                };
                open(root, bind, id)
            })?;
        }
        Ok(())
    }

    fn theirs(&mut self, ns: &Namespace, found: &mut Found) -> Result<()> {
        let number = ns.number.filter(|_| self.machine.proc.is_system());
        let listed = or_none(number.map(|number| binds::within(number, false)).transpose())?;
        // Nobody has to be looked for.
        if listed.as_ref().is_some_and(Vec::is_empty) {
            return Ok(());
        }
        let seer = self.seer(ns, found)?;
        let pid = seer.as_ref().map(|seer| seer.task.pid);
        let binds: Vec<_> = match (listed, &seer) {
            (Some(listed), Some(Seer { seen, .. })) => {
                let seen: HashMap<u64, &Bind> = seen.iter().map(|bind| (bind.mount, bind)).collect();
                let place = |bind: Bind| match seen.get(&bind.mount) {
                    Some(&seen) => (pid, seen.clone()),
                    None => (None, bind),
                };
                listed.into_iter().map(place).collect()
            }
            (Some(listed), None) => listed.into_iter().map(|bind| (None, bind)).collect(),
            (None, Some(Seer { seen, .. })) => seen.iter().map(|bind| (pid, bind.clone())).collect(),
            (None, None) => Vec::new(),
        };
        let mut root = None;
        for (pid, bind) in binds {
            let holder = Holder::Mount {
                within: ns.id.ino,
                ours: false,
                pid,
                covered: bind.covered,
                point: bind.point.clone(),
            };
            let proc = self.machine.proc;
            self.add(&bind, holder, found, |bind, id| {
                let refused = || Error::refused("no root to open it below");
                let seer = seer.as_ref().filter(|_| pid.is_some()).ok_or_else(refused)?;
                let root = match &root {
                    Some(root) => root,
                    None => root.insert(Root::of(&seer.task, &proc.this()?)?),
                };
                open(root.as_ref().ok_or_else(refused)?, bind, id)
            })?;
        }
        Ok(())
    }

    fn add(
        &mut self,
        bind: &Bind,
        holder: Holder,
        found: &mut Found,
        open: impl FnOnce(&Bind, NsId) -> Result<NsFd>,
    ) -> Result<()> {
        self.places.insert(bind.mount, (bind.kind, bind.ino));
        let wanted = self.want.kinds.contains(bind.kind);
        let id = self.machine.id(bind.ino);
        if wanted {
            found.hold(id, bind.kind, holder);
        }
        // Others can be mounted in a mount namespace, whatever is wanted.
        match self.machine.proc.is_system() && (wanted || bind.kind == Kind::Mnt) {
            true => found.ask(self.want, bind.ino, || open(bind, id)),
            false => Ok(()),
        }
    }

    /// A process in this mount namespace: rather one that has the root of the namespace as its own.
    fn seer(&mut self, ns: &Namespace, found: &Found) -> Result<Option<Seer>> {
        let mut confined = None;
        let mut look = |pid: i32| -> Result<Option<Seer>> {
            let task = self.machine.proc.task(pid)?;
            let whole = or_none(task.root())? == b"/";
            let seer = Some(Seer { seen: binds::seen_by(&task)?, task });
            if whole {
                return Ok(seer);
            }
            confined = confined.take().or(seer);
            Ok(None)
        };
        // /proc has a directory of each thread too, which it does not list.
        let first = ns.first.or_else(|| found.thread_in(ns.id.ino));
        if let Some(seer) = or_none(first.map_or(Ok(None), &mut look))? {
            return Ok(Some(seer));
        }
        if ns.first.is_some() {
            let crowd = match &self.crowd {
                Some(crowd) => crowd,
                None => self.crowd.insert(crowd(self.machine)?),
            };
            let others = crowd.get(&ns.id.ino).map_or(&[][..], Vec::as_slice).iter();
            for &pid in others.filter(|pid| Some(**pid) != ns.first).take(TRIES) {
                if let Some(seer) = or_none(look(pid))? {
                    return Ok(Some(seer));
                }
            }
        }
        Ok(confined)
    }

    /// The open files that were opened through a mount of a namespace.
    fn files(&self, found: &mut Found) -> Result<()> {
        for file in std::mem::take(&mut found.files) {
            let Some(&(kind, ino)) = self.places.get(&file.mount) else { continue };
            if !self.want.sought().contains(kind) {
                continue;
            }
            let id = self.machine.id(ino);
            found.hold(id, kind, Holder::Descriptor { pid: file.pid, tid: file.tid, fd: file.fd });
            if self.machine.proc.is_system() {
                found.ask(self.want, ino, || {
                    let task = self.machine.proc.task_or_thread(file.pid, file.tid)?;
                    NsFd::open_by(&task, file.fd, id.dev)
                })?;
            }
        }
        Ok(())
    }
}

fn open(root: &Root, bind: &Bind, id: NsId) -> Result<NsFd> {
    NsFd::from_fd(root.open(&bind.point, id)?, format!("{} namespace {}", bind.kind, bind.ino))
}

/// Opens what is mounted there: below our root, or below that of a process.
pub(super) fn open_at(proc: &Proc, pid: Option<i32>, kind: Kind, point: &[u8], id: NsId) -> Result<NsFd> {
    let root = match pid {
        None => Some(Root::ours()?),
        Some(pid) => Root::of(&proc.task(pid)?, &proc.this()?)?,
    };
    let root = root.ok_or_else(|| Error::refused("no root to open it below"))?;
    open(&root, &Bind { kind, ino: id.ino, mount: 0, point: point.to_vec(), covered: false }, id)
}

/// The processes in each mount namespace.
fn crowd(machine: &Machine<'_>) -> Result<HashMap<u64, Vec<i32>>> {
    let kinds: KindSet = [Kind::Mnt].into_iter().collect();
    let mut crowd: HashMap<u64, Vec<i32>> = HashMap::default();
    for pid in machine.proc.pids()? {
        let inodes = or_none(machine.proc.task(pid).and_then(|task| task.namespaces(kinds)))?;
        crowd.entry(inodes[Kind::Mnt]).or_default().push(pid);
    }
    Ok(crowd)
}
