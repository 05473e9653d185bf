//! Whose a socket is: the processes of a net namespace that have it open.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::CStr;
use std::io::Write;

use nix::errno::Errno;
use nix::fcntl::OFlag;

use crate::error::{Error, Result, or_none};
use crate::kind::{Kind, parse_link};
use crate::proc::{Proc, Task, list};
use crate::sys;

/// The most descriptors that are looked at.
const MOST: usize = 1 << 18;

/// A process that has a socket open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// Its PID as this /proc numbers it: of several processes the lowest.
    pub pid: i32,
    /// Its name; any bytes.
    pub comm: Vec<u8>,
    /// How many other processes have it open.
    pub others: usize,
}

/// Who has which sockets open.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Holders {
    /// By the inode number of the socket.
    pub found: BTreeMap<u64, Holder>,
    /// How many processes of the namespace, or that may be of it, keep their descriptors from us.
    pub closed: usize,
    /// Were there more descriptors than are looked at?
    pub cut: bool,
}

/// Which net namespace, by its inode number and the mark that everybody may see; either can be unknown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Netns {
    /// Its inode number.
    pub ino: Option<u64>,
    /// See [`Task::mark`].
    pub mark: Option<u64>,
}

impl Netns {
    /// That of a process.
    pub fn of(task: &Task) -> Netns {
        Netns { ino: inode(task), mark: task.mark(Kind::Net).ok().flatten() }
    }

    /// Is this process in it? None where that cannot be told.
    pub fn has(&self, task: &Task) -> Option<bool> {
        let same = |one: Option<u64>, other: Option<u64>| Some(one? == other?);
        let by_mark = || same(self.mark, task.mark(Kind::Net).ok().flatten());
        same(self.ino, self.ino.and_then(|_| inode(task))).or_else(by_mark)
    }
}

fn inode(task: &Task) -> Option<u64> {
    let inodes = task.namespaces([Kind::Net].into_iter().collect()).ok()?;
    Some(inodes[Kind::Net]).filter(|ino| *ino != 0)
}

/// Looks for these sockets among the processes of a net namespace. What their other descriptors lead to is not touched.
/// A process elsewhere that was given such a socket is not found.
pub fn of(proc: &Proc, netns: Netns, sockets: &BTreeSet<u64>) -> Result<Holders> {
    let mut holders = Holders::default();
    let mut left = MOST;
    if sockets.is_empty() {
        return Ok(holders);
    }
    for pid in proc.pids()? {
        // Where it ended there is nothing to be found.
        let Some(task) = or_none(proc.task(pid).map(Some))? else { continue };
        if netns.has(&task) == Some(false) {
            continue;
        }
        match open(&task, sockets, &mut left) {
            Ok(found) => {
                for inode in found {
                    let comm = || task.stat().map(|stat| stat.comm).unwrap_or_default();
                    let seen = holders.found.entry(inode);
                    seen.and_modify(|holder| holder.others += 1).or_insert_with(|| Holder {
                        pid,
                        comm: comm(),
                        others: 0,
                    });
                }
            }
            Err(e) if e.is_denied() => holders.closed += 1,
            Err(e) if e.is_our_own() => return Err(e),
            Err(_) => {}
        }
        if left == 0 {
            holders.cut = true;
            break;
        }
    }
    Ok(holders)
}

/// Those of the sockets that a process has open.
fn open(task: &Task, sockets: &BTreeSet<u64>, left: &mut usize) -> Result<BTreeSet<u64>> {
    let mut found = BTreeSet::new();
    let dir = task.open(c"fd", OFlag::O_RDONLY | OFlag::O_DIRECTORY, "descriptors")?;
    let mut path = [0; 16];
    let enough = |e: &Error| e.errno() == Some(Errno::E2BIG);
    let listed = list::numbers(&dir, |number| {
        let more = left.checked_sub(1);
        *left = more.ok_or_else(|| Error::sys("list", "descriptors", Errno::E2BIG))?;
        let _ = write!(&mut path[..], "fd/{number}\0");
        let mut link = [0; 64];
        match sys::readlinkat(task, CStr::from_bytes_until_nul(&path).unwrap_or(c""), &mut link) {
            Ok(text) => {
                let socket = parse_link(text).filter(|(what, _)| *what == b"socket");
                found.extend(socket.map(|(_, inode)| inode).filter(|inode| sockets.contains(inode)));
                Ok(())
            }
            // A list of them is no right to them.
            Err(e @ (Errno::EACCES | Errno::EPERM)) => Err(Error::sys("read", "a descriptor", e)),
            Err(_) => Ok(()),
        }
    });
    match listed {
        Err(e) if !enough(&e) => Err(e),
        _ => Ok(found),
    }
}
