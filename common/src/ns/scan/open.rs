//! Opening a namespace that a scan found, by whatever showed it.

use super::{Depth, HashSet, Holder, Machine, Namespace, Snapshot, Want, look, mounts, sockets};
use crate::error::{Error, Result, or_none};
use crate::kind::{Kind, KindSet};
use crate::ns::fd::NsFd;
use crate::proc::Proc;

/// The first namespace of these kinds that fits, wherever a deep scan finds it. By one thread, since who has several
/// cannot enter all kinds. What is found is held and asked for its number: that can be another's the moment after the
/// last one has left it.
pub fn find(proc: &Proc, kinds: KindSet, fits: impl Fn(&Namespace) -> bool) -> Result<Option<NsFd>> {
    let want = Want { depth: Depth::Deep, ids: true, alone: true, ..Want::least(kinds) };
    let machine = Machine::of(proc)?;
    let snapshot = look(&machine, &want)?;
    let fitting = snapshot.namespaces.iter().filter(|ns| kinds.contains(ns.kind) && fits(ns));
    for ns in fitting {
        if let Some(ns) = open(&machine, &snapshot, ns, &mut HashSet::default())? {
            return Ok(Some(ns));
        }
    }
    Ok(None)
}

/// Opens it by the first way that works. `tried` are those on the way to it, of which none leads there.
fn open(
    machine: &Machine<'_>,
    snapshot: &Snapshot,
    ns: &Namespace,
    tried: &mut HashSet<u64>,
) -> Result<Option<NsFd>> {
    if !tried.insert(ns.id.ino) {
        return Ok(None);
    }
    let by_process = ns.first.map(|pid| NsFd::of(&machine.proc.task(pid)?, ns.kind));
    let holders = snapshot.holders(ns.id.ino).iter();
    let by_holders = holders.map(|(_, holder)| by_holder(machine, ns, holder));
    let by_number = ns.number.map(NsFd::numbered);
    for way in by_process.into_iter().chain(by_holders).chain(by_number) {
        match way.and_then(|found| Ok((found.id()?.ino, found))) {
            Ok((ino, found)) if ino == ns.id.ino => return Ok(Some(found)),
            Err(e) if e.is_our_own() => return Err(e),
            // It is not so any more.
            Ok(_) | Err(_) => {}
        }
    }
    if ns.kind == Kind::Mnt
        && machine.proc.is_system()
        && let Some(found) = by_list(machine, ns)?
    {
        return Ok(Some(found));
    }
    let ino = Some(ns.id.ino);
    for below in snapshot.namespaces.iter().filter(|below| below.owner == ino || below.parent == ino) {
        let Some(open) = open(machine, snapshot, below, tried)? else { continue };
        for above in [open.owner()?, open.parent()?].into_iter().flatten() {
            if above.id()?.ino == ns.id.ino {
                return Ok(Some(above));
            }
        }
    }
    Ok(None)
}

/// A mount namespace, by the kernel's list of those.
fn by_list(machine: &Machine<'_>, ns: &Namespace) -> Result<Option<NsFd>> {
    let mut found = None;
    let walked = machine.proc.this().and_then(|this| NsFd::of(&this, Kind::Mnt)).and_then(|own| {
        own.walk(|other| {
            let fits = other.id()?.ino == ns.id.ino;
            found = Some(other).filter(|_| fits);
            Ok(fits)
        })
    });
    // The list is not for all of us, and older kernels have none.
    or_none(walked).map(|()| found)
}

fn by_holder(machine: &Machine<'_>, ns: &Namespace, holder: &Holder) -> Result<NsFd> {
    let proc = machine.proc;
    let id = machine.id(ns.id.ino);
    match holder {
        Holder::Thread { pid, tid } => NsFd::of(&proc.task_or_thread(*pid, *tid)?, ns.kind),
        Holder::Children { pid, tid } => NsFd::for_children_of(&proc.task_or_thread(*pid, *tid)?, ns.kind),
        Holder::Descriptor { pid, tid, fd } => {
            NsFd::open_by(&proc.task_or_thread(*pid, *tid)?, *fd, machine.dev)
        }
        Holder::Socket { pid, tid, fd } => sockets::ask(&proc.task(*pid)?, *tid, *fd),
        Holder::Mount { ours: true, point, .. } => mounts::open_at(proc, None, ns.kind, point, id),
        Holder::Mount { pid: Some(pid), point, .. } => mounts::open_at(proc, Some(*pid), ns.kind, point, id),
        Holder::Mount { .. } => Err(Error::refused("it is mounted where nobody is")),
    }
}
