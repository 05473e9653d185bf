//! A process that is held by a pidfd.

use std::ffi::CString;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout};
use nix::sys::stat::fstat;
use nix::sys::statfs::{FsType, fstatfs};

use super::{Proc, Task};
use crate::error::{Error, Result};
use crate::sys;

/// The file system of pidfds. Source: PID_FS_MAGIC of linux/magic.h.
const PIDFS: FsType = FsType(0x5049_4446);

/// A process that is held: the PID cannot become somebody else's under our hands.
#[derive(Debug)]
pub struct Target {
    /// The PID as it was given, in our pid namespace.
    pub pid: i32,
    /// The process.
    pub pidfd: OwnedFd,
    /// Its directory in /proc.
    pub task: Task,
}

impl Target {
    /// Takes hold of a process. The pidfd comes first. The number by which /proc knows the process is asked
    /// of the pidfd, since /proc may count in another pid namespace than we do; and that the directory is
    /// that process's is proved by the process still being alive after it was opened.
    pub fn open(proc: &Proc, pid: i32) -> Result<Target> {
        let pidfd = sys::pidfd_open(pid).map_err(|e| Error::sys("pidfd_open", pid.to_string(), e))?;
        let seen_as = proc_number(proc, &pidfd)?;
        let task = proc.task(seen_as)?;
        let target = Target { pid, pidfd, task };
        match target.is_alive()? {
            true => Ok(target),
            false => Err(Error::sys("open", format!("process {pid}"), Errno::ESRCH)),
        }
    }

    /// Takes hold of the process whose directory this is, and not a thread's. None where this /proc counts in another
    /// pid namespace than we do.
    pub fn of(proc: &Proc, task: &Task) -> Result<Option<Target>> {
        if !proc.numbers_as_we_do(proc.this()?.pid) {
            return Ok(None);
        }
        let target = Target::open(proc, task.pid)?;
        // A directory that is held open keeps its number, so another process's has another.
        let number = |dir: &OwnedFd| {
            fstat(dir)
                .map(|stat| stat.st_ino)
                .map_err(|e| Error::sys("stat", format!("process {}", task.pid), e))
        };
        match number(&target.task.dir)? == number(&task.dir)? {
            true => Ok(Some(target)),
            false => Err(Error::sys("open", format!("process {}", task.pid), Errno::ESRCH)),
        }
    }

    /// The inode number of its pidfd, which no other process gets before the next boot. None on kernels where all
    /// pidfds are one file, before Linux 6.9. Source: pidfd_open(2), linux/pidfd.h.
    pub fn inode(&self) -> Result<Option<u64>> {
        let fail = |e| Error::sys("stat", format!("pidfd of {}", self.pid), e);
        let numbers = fstatfs(&self.pidfd).map_err(fail)?.filesystem_type() == PIDFS;
        let stat = fstat(&self.pidfd).map_err(fail)?;
        Ok(numbers.then_some(stat.st_ino))
    }

    /// Has the process not ended yet?
    pub fn is_alive(&self) -> Result<bool> {
        let mut fds = [PollFd::new(self.pidfd.as_fd(), PollFlags::POLLIN)];
        let ended = nix::poll::poll(&mut fds, PollTimeout::ZERO)
            .map_err(|e| Error::sys("poll", format!("pidfd of {}", self.pid), e))?;
        Ok(ended == 0)
    }
}

/// The number of a process in this /proc: the `Pid:` line of the pidfd's fdinfo. Source: proc(5), pidfd_open(2).
fn proc_number(proc: &Proc, pidfd: &OwnedFd) -> Result<i32> {
    let path = format!("fdinfo/{}", pidfd.as_raw_fd());
    let path = CString::new(path).unwrap_or_default();
    let info = proc.this()?.read(&path)?;
    let line = info.split(|&b| b == b'\n').find_map(|line| line.strip_prefix(b"Pid:"));
    let number = line.and_then(|text| std::str::from_utf8(text).ok()?.trim().parse().ok()).unwrap_or(0);
    match number {
        1.. => Ok(number),
        0 => Err(Error::refused("the process is not visible in /proc")
            .with_hint("/proc counts in another pid namespace: mount one of this namespace")),
        _ => Err(Error::sys("open", "process", Errno::ESRCH)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_held_and_known_to_be_alive() {
        let proc = Proc::system().expect("/proc");
        let target = Target::open(&proc, std::process::id() as i32).expect("ourselves");
        assert!(target.is_alive().expect("poll"));
        let gone = Target::open(&proc, i32::MAX).expect_err("no such process");
        assert_eq!(gone.to_string(), "pidfd_open 2147483647: No such process");
    }
}
