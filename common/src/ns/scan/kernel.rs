//! The namespaces that the kernel lists by itself: of all kinds by listns, since Linux 6.19; before, mount namespaces
//! by NS_MNT_GET_NEXT, since Linux 6.12.

use super::{Depth, Found, HashSet, Machine, Want};
use crate::error::{Error, Result};
use crate::kind::{Kind, KindSet};
use crate::ns::fd::NsFd;
use crate::sys;

/// What helps where the kernel does not list them.
const WITHOUT: &str = "Linux lists namespaces by itself since 6.19, and since 6.12, to root of the initial namespaces, \
                       those of one kind: `-t mnt`; `--depth procs` looks at the processes";

pub(super) fn scan(machine: &Machine<'_>, want: &Want, found: &mut Found) -> Result<()> {
    // Where nothing else is asked, what the kernel does not tell is a failure, not a short list.
    let alone = want.depth == Depth::Kernel;
    if !machine.proc.is_system() {
        return match alone {
            true => Err(Error::refused(
                "the kernel lists the namespaces of this machine, not those of a directory",
            )
            .with_hint("`--depth procs` reads the directory")),
            false => Ok(()),
        };
    }
    let kinds = want.sought();
    let mounts = [Kind::Mnt].into_iter().collect();
    let asked = match list(kinds) {
        Ok(numbers) => open(numbers, kinds, alone, want, found),
        Err(e) if e.is_our_own() => Err(e),
        Err(_) if kinds.contains(Kind::Mnt) && (!alone || kinds == mounts) => walk(machine, want, found),
        Err(e) => Err(e),
    };
    match asked {
        Err(e) if e.is_our_own() => Err(e),
        Err(e) if alone => Err(e.with_hint(WITHOUT)),
        // It is not for us, or this kernel has none.
        Ok(()) | Err(_) => Ok(()),
    }
}

/// The numbers of all namespaces of these kinds.
fn list(kinds: KindSet) -> Result<Vec<u64>> {
    let mut numbers = Vec::new();
    let mut some = [0; 512];
    loop {
        let last = numbers.last().copied().unwrap_or(0);
        let count = sys::listns(kinds.flags(), last, &mut some)
            .map_err(|e| Error::sys("listns", format!("{kinds}"), e))?;
        numbers.extend(&some[..count]);
        if count < some.len() {
            return Ok(numbers);
        }
    }
}

/// Adds those that are not known yet.
fn open(numbers: Vec<u64>, kinds: KindSet, alone: bool, want: &Want, found: &mut Found) -> Result<()> {
    let known: HashSet<u64> = found.namespaces().iter().filter_map(|ns| ns.number).collect();
    let mut refused = Vec::new();
    for number in numbers.into_iter().filter(|number| !known.contains(number)) {
        match NsFd::numbered(number) {
            Ok(ns) => add(ns, Some(number), want, found)?,
            Err(e) if e.is_our_own() => return Err(e),
            Err(e) => refused.push((number, e)),
        }
    }
    if alone && !refused.is_empty() {
        // Those that have ended meanwhile are listed no more.
        let still = list(kinds)?;
        if let Some((_, e)) = refused.into_iter().find(|(number, _)| still.binary_search(number).is_ok()) {
            return Err(e);
        }
    }
    Ok(())
}

/// Adds all mount namespaces.
fn walk(machine: &Machine<'_>, want: &Want, found: &mut Found) -> Result<()> {
    NsFd::of(&machine.proc.this()?, Kind::Mnt)?.walk(|ns| add(ns, None, want, found).map(|()| false))
}

fn add(ns: NsFd, number: Option<u64>, want: &Want, found: &mut Found) -> Result<()> {
    let id = ns.id()?;
    let known = found.namespace(id, ns.kind);
    known.number = known.number.or(number);
    // Asked, it tells its number too.
    found.ask(want, id.ino, || Ok(ns))
}
