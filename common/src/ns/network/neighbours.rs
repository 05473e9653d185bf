//! Which net namespaces those are that another knows by numbers: where the other ends of its devices are.

use std::collections::{BTreeMap, BTreeSet};

use super::Where;
use crate::error::{Result, or_none};
use crate::kind::Kind;
use crate::ns::fd::NsFd;
use crate::ns::netnsid::Netnsids;
use crate::ns::refer::NETNS;
use crate::proc::Proc;
use crate::proc::net::Netnsid;

/// The most namespaces that are tried: each is held open.
const MOST: usize = 512;

/// A net namespace, and how people may know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Neighbour {
    /// Its inode number.
    pub ino: u64,
    /// The lowest PID of a process in it, as this /proc numbers it.
    pub pid: Option<i32>,
    /// The name of that process, or the path of the namespace where none is seen in it; any bytes.
    pub name: Vec<u8>,
    /// Is it the one that we are in?
    pub is_ours: bool,
}

/// Which namespaces are known by these numbers in the one that is asked about, as far as they can be had: those
/// of processes that we may trace, and those that `ip netns` keeps.
pub fn neighbours(
    proc: &Proc,
    at: Where<'_>,
    wanted: &BTreeSet<Netnsid>,
) -> Result<BTreeMap<Netnsid, Neighbour>> {
    if wanted.is_empty() {
        return Ok(BTreeMap::new());
    }
    let known = candidates(proc)?;
    let bytes = at.look("numbers of net namespaces", || {
        let mut numbers = Netnsids::default();
        let mut out = Vec::new();
        for (ns, _) in &known {
            out.extend(numbers.of(ns)?.unwrap_or(-1).to_ne_bytes());
        }
        Ok(out)
    })?;
    let numbers = bytes.chunks_exact(4).map(|bytes| bytes.try_into().map_or(-1, Netnsid::from_ne_bytes));
    Ok(numbers.zip(known).filter(|(id, _)| wanted.contains(id)).map(|(id, (_, ns))| (id, ns)).collect())
}

/// Those that can be had, each open.
fn candidates(proc: &Proc) -> Result<Vec<(NsFd, Neighbour)>> {
    let net = [Kind::Net].into_iter().collect();
    let ours = or_none(proc.this().and_then(|us| us.namespaces(net)))?[Kind::Net];
    let (mut known, mut seen) = (Vec::new(), BTreeSet::new());
    let mut add = |ns: NsFd, pid, name: Vec<u8>| -> Result<bool> {
        let ino = ns.id()?.ino;
        if seen.insert(ino) {
            known.push((ns, Neighbour { ino, pid, name, is_ours: ino == ours }));
        }
        Ok(known.len() < MOST)
    };
    let mut numbers = BTreeSet::new();
    for pid in proc.pids()? {
        // Most are in one that is known.
        let Ok(inodes) = proc.namespaces(pid, net) else { continue };
        if !numbers.insert(inodes[Kind::Net]) {
            continue;
        }
        let open = proc.task(pid).and_then(|task| {
            let ns = NsFd::of(&task, Kind::Net)?;
            Ok((ns, task.stat()?.comm))
        });
        let more = match open {
            Ok((ns, comm)) => add(ns, Some(pid), comm)?,
            // The next one in it may be open to us. No more than we can can be held open.
            Err(e) => {
                numbers.remove(&inodes[Kind::Net]);
                !e.is_our_own()
            }
        };
        if !more {
            break;
        }
    }
    for entry in std::fs::read_dir(NETNS).into_iter().flatten().flatten().take(MOST) {
        let path = entry.path();
        let name = std::os::unix::ffi::OsStrExt::as_bytes(path.as_os_str()).to_vec();
        let more = match NsFd::open_as(&path, Kind::Net) {
            Ok(ns) => add(ns, None, name)?,
            Err(e) => !e.is_our_own(),
        };
        if !more {
            break;
        }
    }
    Ok(known)
}
