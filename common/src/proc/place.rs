//! Our root and working directory.

use std::ffi::CStr;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use nix::fcntl::OFlag;
use nix::sys::stat::Mode;

use super::Task;
use crate::error::{Error, Result};
use crate::sys;

/// A directory that is held open, so that it can be gone to after its path means something else.
#[derive(Debug)]
pub struct Place {
    dir: OwnedFd,
    name: Vec<u8>,
}

const FLAGS: OFlag = OFlag::O_PATH.union(OFlag::O_DIRECTORY).union(OFlag::O_CLOEXEC);

impl Place {
    /// The directory with this path.
    pub fn open(path: &Path) -> Result<Place> {
        let name = path.as_os_str().as_bytes().to_vec();
        let dir = nix::fcntl::open(path, FLAGS, Mode::empty()).map_err(|e| Error::sys("open", &name, e))?;
        Ok(Place { dir, name })
    }

    /// The root directory of a process.
    pub fn root_of(task: &Task) -> Result<Place> {
        Place::of(task, c"root", "root directory")
    }

    /// The working directory of a process.
    pub fn cwd_of(task: &Task) -> Result<Place> {
        Place::of(task, c"cwd", "working directory")
    }

    fn of(task: &Task, link: &CStr, what: &str) -> Result<Place> {
        Ok(Place { dir: task.open(link, FLAGS, what)?, name: format!("{what} of {}", task.pid).into() })
    }

    /// How it was named.
    pub fn name(&self) -> &[u8] {
        &self.name
    }

    /// What makes it the same place in one mount namespace: mount, device and inode number. None before Linux 5.8.
    pub fn identity(&self) -> Option<[u64; 3]> {
        let stat = nix::sys::stat::fstat(&self.dir).ok()?;
        Some([sys::mount_id(&self.dir)?, stat.st_dev, stat.st_ino])
    }

    /// Makes it our working directory.
    pub fn go(&self) -> Result<()> {
        nix::unistd::fchdir(&self.dir).map_err(|e| Error::sys("fchdir", &self.name, e))
    }

    /// Makes it our root, and the working directory with it, so that none is left outside.
    /// Source: chroot(2).
    pub fn become_root(&self) -> Result<()> {
        self.go()?;
        nix::unistd::chroot(".").map_err(|e| Error::sys("chroot", &self.name, e))?;
        change_directory(Path::new("/"))
    }
}

/// Makes the directory with this path our working directory.
pub fn change_directory(path: &Path) -> Result<()> {
    nix::unistd::chdir(path).map_err(|e| Error::sys("chdir", path.as_os_str().as_bytes(), e))
}

/// A path that leads to just what a descriptor of ours leads to, for calls that take none. Source: proc_pid_fd(5).
pub fn of_descriptor(fd: impl AsFd) -> PathBuf {
    format!("/proc/self/fd/{}", fd.as_fd().as_raw_fd()).into()
}
