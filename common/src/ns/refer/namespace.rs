//! Namespaces that are named themselves: by inode number, by id, by a file, by the name that ip-netns(8) gave.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::Ref;
use super::group::Hidden;
use crate::error::{Error, Result};
use crate::kind::{Kind, KindSet, parse_link};
use crate::ns::fd::NsFd;
use crate::proc::{Proc, mounts};

/// Where net namespaces have names. Source: ip-netns(8).
pub const NETNS: &str = "/run/netns";

pub(super) fn open(proc: &Proc, reference: &Ref) -> Result<NsFd> {
    match reference {
        Ref::File(path) => NsFd::open(path),
        Ref::Netns(name) => netns(name),
        Ref::Inode(kind, ino) => {
            let ns = by_inode(proc, *kind, *ino)?;
            Ok(NsFd { name: format!("{0} namespace {0}:[{ino}]", ns.kind).into(), ..ns })
        }
        Ref::Id(kind, id) => {
            Ok(NsFd { name: format!("{kind} namespace {kind}:#{id}").into(), ..by_id(proc, *kind, *id)? })
        }
        _ => Err(Error::refused("this names a process, not a namespace")),
    }
}

fn netns(name: &[u8]) -> Result<NsFd> {
    if name.contains(&b'/') || matches!(name, b"." | b"..") {
        return Err(Error::refused([b"the name of a network namespace has no slash: ", name].concat())
            .with_hint(format!("it is a file in {NETNS}")));
    }
    NsFd::open_as(&Path::new(NETNS).join(OsStr::from_bytes(name)), Kind::Net).map_err(|e| match e.is_gone() {
        true => {
            e.with_hint("`ip netns list` shows the names; a process's network namespace need not have one")
        }
        false => e,
    })
}

/// The namespace with this inode number: that of a process, or one that is mounted where we see it, or one that
/// owns or is above another. What is found is held and asked for its number, since the number can be another's the
/// moment after the last one has left it.
fn by_inode(proc: &Proc, kind: Option<Kind>, ino: u64) -> Result<NsFd> {
    let mut hidden = Hidden::default();
    let found = search(proc, kind, &mut hidden, &|found| found == ino, &|ns| is(ns, ino))?;
    let named = match kind {
        Some(kind) => format!("{kind}:[{ino}]"),
        None => ino.to_string(),
    };
    found.ok_or_else(|| {
        // It may be there and be of another kind.
        let other = kind.and_then(|_| {
            search(proc, None, &mut Hidden::default(), &|found| found == ino, &|ns| is(ns, ino)).ok()?
        });
        match other {
            Some(other) => {
                Error::refused(format!("{named}: this number is that of a {} namespace", other.kind))
                    .with_hint(format!("{}:[{ino}]", other.kind))
            }
            None => missing(&named, &hidden),
        }
    })
}

fn by_id(proc: &Proc, kind: Kind, id: u64) -> Result<NsFd> {
    if let Some(ns) = NsFd::by_id(id, kind) {
        return Ok(ns);
    }
    let numbered = NsFd::of(&proc.this()?, kind)?.number().is_some();
    if !numbered {
        return Err(Error::refused(format!("{kind}:#{id}: this kernel does not number {kind} namespaces"))
            .with_hint("Linux 6.18 and later do, mount namespaces since 6.11; name it by its inode number, TYPE:[INO]"));
    }
    let mut hidden = Hidden::default();
    let found = search(proc, Some(kind), &mut hidden, &|_| true, &|ns| Ok(ns.number() == Some(id)))?;
    found.ok_or_else(|| missing(&format!("{kind}:#{id}"), &hidden))
}

fn missing(named: &str, hidden: &Hidden) -> Error {
    let what = format!("no process that we see is in a namespace {named}, nor is it mounted here");
    hidden.with(what.as_bytes()).with_hint("it may have ended; `rlsns` lists those that there are")
}

fn is(ns: &NsFd, ino: u64) -> Result<bool> {
    Ok(ns.id()?.ino == ino)
}

/// The first namespace that fits. `worth` says by the inode number whether one is to be opened; `fits` is asked of
/// the open one.
fn search(
    proc: &Proc,
    kind: Option<Kind>,
    hidden: &mut Hidden,
    worth: &dyn Fn(u64) -> bool,
    fits: &dyn Fn(&NsFd) -> Result<bool>,
) -> Result<Option<NsFd>> {
    let kinds = kind.map_or_else(KindSet::all, |kind| [kind].into_iter().collect());
    let mut seen = BTreeSet::new();
    let pids = proc.pids()?;
    for &pid in &pids {
        let looked = proc.task(pid).and_then(|task| {
            for (kind, &ino) in task.namespaces(kinds)?.iter().filter(|(_, ino)| **ino != 0) {
                if worth(ino) && !seen.contains(&ino) {
                    let ns = NsFd::of(&task, kind)?;
                    if fits(&ns)? {
                        return Ok(Some(ns));
                    }
                    seen.insert(ino);
                }
            }
            Ok(None)
        });
        match looked {
            Ok(None) => {}
            Ok(found) => return Ok(found),
            Err(e) if e.is_our_own() => return Err(e),
            Err(e) if e.is_gone() => {}
            Err(e) => hidden.add(e),
        }
    }
    Ok(mounted(proc, kinds, worth, fits).or_else(|| above(proc, &pids, kinds, fits)))
}

/// One that is mounted where we see it.
fn mounted(
    proc: &Proc,
    kinds: KindSet,
    worth: &dyn Fn(u64) -> bool,
    fits: &dyn Fn(&NsFd) -> Result<bool>,
) -> Option<NsFd> {
    let mounts = proc.this().and_then(|this| mounts::of(&this)).unwrap_or_default();
    mounts.iter().filter(|mount| mount.fs_type == b"nsfs").find_map(|mount| {
        let (name, ino) = parse_link(&mount.root)?;
        let kind = Kind::from_name(name).filter(|kind| kinds.contains(*kind) && worth(ino))?;
        let ns = NsFd::open_as(Path::new(OsStr::from_bytes(&mount.point)), kind).ok()?;
        fits(&ns).ok()?.then_some(ns)
    })
}

/// One that no process is in, and that owns or is the parent of another.
fn above(proc: &Proc, pids: &[i32], kinds: KindSet, fits: &dyn Fn(&NsFd) -> Result<bool>) -> Option<NsFd> {
    let mut seen = BTreeSet::new();
    for &pid in pids {
        let Ok(task) = proc.task(pid) else { continue };
        let Ok(inodes) = task.namespaces(KindSet::all()) else { continue };
        for (kind, &ino) in inodes.iter().filter(|(_, ino)| **ino != 0) {
            let mut open: Vec<NsFd> = match seen.insert(ino) {
                true => NsFd::of(&task, kind).into_iter().collect(),
                false => Vec::new(),
            };
            while let Some(ns) = open.pop() {
                for next in [ns.owner(), ns.parent()].into_iter().filter_map(Result::ok).flatten() {
                    let Ok(id) = next.id() else { continue };
                    if kinds.contains(next.kind) && fits(&next).unwrap_or(false) {
                        return Some(next);
                    }
                    if seen.insert(id.ino) {
                        open.push(next);
                    }
                }
            }
        }
    }
    None
}
