//! The initial namespaces: those that the machine started with.

use nix::errno::Errno;

use crate::error::{Error, Result};
use crate::kind::{Kind, KindMap, KindSet};
use crate::proc::{Proc, Task};

/// Who is in the initial namespaces: kthreadd, which even root may look at where PID 1 is closed, and PID 1.
const FIRST: &[i32] = &[2, 1];

/// The inode number of the initial pid namespace. Source: PID_NS_INIT_INO of linux/nsfs.h; so since Linux 3.8.
const INITIAL_PID: u64 = 0xEFFF_FFFC;

/// The inode numbers that only initial namespaces have: those of all kinds since Linux 6.17, before not those of the
/// kinds for networks and mounts. Source: linux/nsfs.h.
const FIXED: std::ops::RangeInclusive<u64> = 0xEFFF_FFF8..=0xEFFF_FFFF;

/// Is this inode number kept for an initial namespace? Others can be initial as well: see [`initial`].
pub fn is_fixed(ino: u64) -> bool {
    FIXED.contains(&ino)
}

/// The inode numbers of the initial namespaces. An error where those who are in them cannot be seen: their
/// namespaces are closed to us, or this /proc is that of another pid namespace, in which other processes have
/// these PIDs.
pub fn initial(proc: &Proc) -> Result<KindMap<u64>> {
    inhabitant(proc).map(|(_, inodes)| inodes)
}

/// A process that is in all of them, and their inode numbers. Errors as of [`initial`].
pub fn inhabitant(proc: &Proc) -> Result<(Task, KindMap<u64>)> {
    let mut refusal = None;
    for &pid in FIRST {
        let found = proc.task(pid).and_then(|task| {
            let inodes = task.namespaces(KindSet::all())?;
            let is_initial = inodes[Kind::Pid] == INITIAL_PID || task.stat()?.of_kernel;
            Ok((task, inodes, is_initial))
        });
        match found {
            Ok((task, inodes, true)) => return Ok((task, inodes)),
            Ok((.., false)) => {}
            Err(e) if e.is_gone() => {}
            Err(e) => drop(refusal.get_or_insert(e)),
        }
    }
    Err(refusal.unwrap_or_else(|| Error::sys("open", "the initial namespaces", Errno::ESRCH)))
}
