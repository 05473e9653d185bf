//! The namespaces that are bind mounted, in every mount namespace.
//!
//! The kernel tells the mounts of a mount namespace by its number, also where no process is in it; older kernels, and
//! those who may not ask that, by the mountinfo of a process in it. Mount namespaces that only a mount shows are looked
//! into as well. No mount point is touched but where it is certain that a namespace is found there at once.

use super::{Found, HashMap, HashSet, Holder, Machine, Namespace, Want};
use crate::error::{Error, Result};
use crate::kind::{Kind, KindSet, NsId};
use crate::ns::fd::NsFd;
use crate::proc::Task;
use crate::proc::binds::{self, Bind, Root};

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
    /// Where that root is in the mount namespace.
    root: Vec<u8>,
}

impl Search<'_> {
    fn ours(&mut self, own: u64, number: Option<u64>, found: &mut Found) -> Result<()> {
        let listed = or_none(number.map(binds::within).transpose())?;
        let binds = match listed {
            Some(binds) => binds,
            None => or_none(self.machine.proc.this().and_then(|this| binds::seen_by(&this)))?,
        };
        let mut root = None;
        for bind in binds {
            let holder = Holder::Mount { within: own, ours: true, pid: None, point: bind.point.clone() };
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
        let listed =
            or_none(ns.number.filter(|_| self.machine.proc.is_system()).map(binds::within).transpose())?;
        let mut seer = None;
        let binds = match listed {
            // Nobody has to be looked for.
            Some(binds) if binds.is_empty() => return Ok(()),
            Some(binds) => {
                seer = self.seer(ns, found, |_| Ok(()))?.map(|(seer, ())| seer);
                // What that one does not see, no other is asked for.
                let root = seer.as_ref().map_or(&b"/"[..], |seer| &seer.root[..]);
                binds.into_iter().map(|bind| (below(root, &bind.point), bind)).collect()
            }
            None => match self.seer(ns, found, binds::seen_by)? {
                Some((one, binds)) => {
                    seer = Some(one);
                    binds.into_iter().map(|bind| (Some(bind.point.clone()), bind)).collect::<Vec<_>>()
                }
                None => Vec::new(),
            },
        };
        let mut root = None;
        for (point, bind) in binds {
            let pid = seer.as_ref().filter(|_| point.is_some()).map(|seer| seer.task.pid);
            let bind = Bind { point: point.unwrap_or(bind.point), ..bind };
            let holder = Holder::Mount { within: ns.id.ino, ours: false, pid, point: bind.point.clone() };
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
        let id = NsId { dev: self.machine.dev, ino: bind.ino };
        if wanted {
            found.hold(id, bind.kind, holder);
        }
        // Others can be mounted in a mount namespace, whatever is wanted.
        match self.machine.proc.is_system() && (wanted || bind.kind == Kind::Mnt) {
            true => found.ask(self.want, bind.ino, || open(bind, id)),
            false => Ok(()),
        }
    }

    /// A process in this mount namespace, and what it answers: rather one that has the root of the namespace as its own.
    fn seer<T>(
        &mut self,
        ns: &Namespace,
        found: &Found,
        ask: impl Fn(&Task) -> Result<T>,
    ) -> Result<Option<(Seer, T)>> {
        let mut confined = None;
        let mut look = |pid: i32| -> Result<Option<(Seer, T)>> {
            let task = self.machine.proc.task(pid)?;
            let root = or_none(task.root())?;
            let answer = ask(&task)?;
            let whole = root == b"/";
            let seer = Some((Seer { task, root }, answer));
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
            if !self.want.kinds.contains(kind) {
                continue;
            }
            let id = NsId { dev: self.machine.dev, ino };
            found.hold(id, kind, Holder::Descriptor { pid: file.pid, tid: file.tid, fd: file.fd });
            if self.machine.proc.is_system() {
                found.ask(self.want, ino, || {
                    let task = self.machine.proc.task(file.pid)?;
                    let task = if file.tid == file.pid { task } else { task.thread(file.tid)? };
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

/// The path below a directory, as one who has that as root sees it.
fn below(root: &[u8], point: &[u8]) -> Option<Vec<u8>> {
    match root {
        b"/" => Some(point.to_vec()),
        b"" => None,
        root => point.strip_prefix(root).filter(|rest| rest.starts_with(b"/")).map(<[u8]>::to_vec),
    }
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

/// What was told; nothing of what is gone or closed to us.
fn or_none<T: Default>(told: Result<T>) -> Result<T> {
    match told {
        Err(e) if e.is_our_own() => Err(e),
        told => Ok(told.unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_seen_from_a_root() {
        let cases: [(&[u8], &[u8], Option<&[u8]>); 5] = [
            (b"/", b"/run/x", Some(b"/run/x")),
            (b"/jail", b"/jail/run/x", Some(b"/run/x")),
            (b"/jail", b"/jailed/x", None),
            (b"/jail", b"/x", None),
            (b"", b"/x", None),
        ];
        for (root, point, expected) in cases {
            assert_eq!(below(root, point).as_deref(), expected);
        }
    }
}
