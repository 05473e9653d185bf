//! Namespaces that are named themselves: by inode number, by id, by a file, by the name that ip-netns(8) gave.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::Ref;
use super::group::Hidden;
use crate::error::{Error, Result};
use crate::kind::{Kind, KindSet};
use crate::ns::fd::NsFd;
use crate::ns::scan;
use crate::proc::Proc;

/// Where net namespaces have names. Source: ip-netns(8).
pub const NETNS: &str = "/run/netns";

/// The name that this path is, if it is one.
pub fn netns_name(path: &[u8]) -> Option<&[u8]> {
    let name = path.strip_prefix(NETNS.as_bytes())?.strip_prefix(b"/")?;
    (!name.is_empty() && !name.contains(&b'/')).then_some(name)
}

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

/// The namespace with this inode number: that of a process, which is found at once, or one that is kept otherwise.
fn by_inode(proc: &Proc, kind: Option<Kind>, ino: u64) -> Result<NsFd> {
    let mut hidden = Hidden::default();
    let of_kind = kind.map_or_else(KindSet::all, |kind| [kind].into_iter().collect());
    let found = search(proc, of_kind, &mut hidden, &|found| found == ino, &|ns| Ok(ns.id()?.ino == ino))?;
    if let Some(found) = found {
        return Ok(found);
    }
    // Also of other kinds, to say so.
    let named = match kind {
        Some(kind) => format!("{kind}:[{ino}]"),
        None => ino.to_string(),
    };
    match scan::find(proc, KindSet::all(), |ns| ns.id.ino == ino)? {
        Some(found) if of_kind.contains(found.kind) => Ok(found),
        Some(other) => {
            Err(Error::refused(format!("{named}: this number is that of a {} namespace", other.kind))
                .with_hint(format!("{}:[{ino}]", other.kind)))
        }
        None => Err(missing(&named, &hidden)),
    }
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
    let kinds = [kind].into_iter().collect();
    if let Some(found) = search(proc, kinds, &mut hidden, &|_| true, &|ns| Ok(ns.number() == Some(id)))? {
        return Ok(found);
    }
    let found = scan::find(proc, kinds, |ns| ns.number == Some(id))?.filter(|ns| ns.number() == Some(id));
    found.ok_or_else(|| missing(&format!("{kind}:#{id}"), &hidden))
}

fn missing(named: &str, hidden: &Hidden) -> Error {
    let what = format!("nothing that we see keeps a namespace {named}");
    hidden.with(what.as_bytes()).with_hint("it may have ended; `rlsns` lists those that there are")
}

/// The first namespace of a process that fits. `worth` says by the inode number whether one is to be opened; `fits` is asked of
/// the open one.
fn search(
    proc: &Proc,
    kinds: KindSet,
    hidden: &mut Hidden,
    worth: &dyn Fn(u64) -> bool,
    fits: &dyn Fn(&NsFd) -> Result<bool>,
) -> Result<Option<NsFd>> {
    let mut seen = BTreeSet::new();
    for pid in proc.pids()? {
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
    Ok(None)
}
