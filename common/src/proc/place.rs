//! Our root and working directory.

use std::ffi::CStr;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
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
    of_target: bool,
}

const FLAGS: OFlag = OFlag::O_PATH.union(OFlag::O_DIRECTORY).union(OFlag::O_CLOEXEC);

impl Place {
    /// The directory with this path.
    pub fn open(path: &Path) -> Result<Place> {
        let name = path.as_os_str().as_bytes().to_vec();
        let dir = nix::fcntl::open(path, FLAGS, Mode::empty()).map_err(|e| Error::sys("open", &name, e))?;
        Ok(Place { dir, name, of_target: false })
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
        let dir = task.open(link, FLAGS, what)?;
        Ok(Place { dir, name: format!("{what} of {}", task.pid).into(), of_target: true })
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

    /// The same where a mount namespace was entered or the root changed. From a directory outside `..` would lead to all
    /// that is there (see [`stay_inside`]). One that was opened by this path before is looked for inside then, and must be
    /// the same directory, seen through the new root.
    pub fn go_inside(&self, path: Option<&Path>) -> Result<()> {
        self.go()?;
        stay_inside(Some(self)).or_else(|outside| {
            let number =
                |dir: &OwnedFd| nix::sys::stat::fstat(dir).ok().map(|stat| (stat.st_dev, stat.st_ino));
            let inside = path.and_then(|path| Place::open(path).ok());
            let inside = inside.filter(|inside| number(&inside.dir) == number(&self.dir));
            inside.ok_or(outside)?.go()
        })
    }

    /// Makes it our root, and the working directory with it, so that none is left outside.
    /// Source: chroot(2).
    pub fn become_root(&self) -> Result<()> {
        self.go()?;
        nix::unistd::chroot(".").map_err(|e| Error::sys("chroot", &self.name, e))?;
        change_directory(Path::new("/"))
    }
}

/// Makes sure that our working directory is below our root: from one that is not, `..` leads to all that is outside
/// (CVE-2024-21626). For callers that entered a mount namespace or changed the root; `gone_to` is where they went last. Asks
/// the kernel itself: the C library's getcwd would walk up through directories of others. Source: getcwd(2).
pub fn stay_inside(gone_to: Option<&Place>) -> Result<()> {
    let name = gone_to.map_or(&b"working directory"[..], |place| &place.name);
    let hint = match gone_to {
        Some(Place { of_target: false, .. }) => {
            "a directory is opened outside by -w DIR: name one inside by --wdns=DIR"
        }
        _ => "that of the target lies outside of its root: choose one inside by --wdns=/",
    };
    match sys::is_below_root() {
        Ok(true) => Ok(()),
        Ok(false) => {
            Err(Error::refused([b"directory is outside of the new root: ", name].concat()).with_hint(hint))
        }
        // It is below no root any more.
        Err(Errno::ENOENT) if gone_to.is_some_and(|place| place.of_target) => {
            Err(Error::sys("getcwd", name, Errno::ENOENT)
                .with_hint("that of the target was removed: choose one inside by --wdns=/"))
        }
        Err(e) => Err(Error::sys("getcwd", name, e).with_hint(hint)),
    }
}

/// Device and inode number of what we run. Source: proc_pid_exe(5); where there is no proc, getauxval(3), AT_EXECFN.
pub fn own_executable() -> Result<(u64, u64)> {
    let stat = match nix::sys::stat::stat("/proc/self/exe") {
        Err(_) => nix::sys::stat::stat(sys::executed_as().as_deref().unwrap_or(c"")),
        stat => stat,
    };
    stat.map(|stat| (stat.st_dev, stat.st_ino)).map_err(|e| Error::sys("stat", "our own executable", e))
}

/// Makes the directory with this path our working directory.
pub fn change_directory(path: &Path) -> Result<()> {
    nix::unistd::chdir(path).map_err(|e| Error::sys("chdir", path.as_os_str().as_bytes(), e))
}

impl Task {
    /// A handle of its own to the same process.
    pub fn again(&self) -> Result<Task> {
        let dir = self.dir.try_clone().map_err(|e| Error::io("dup", format!("process {}", self.pid), &e))?;
        Ok(Task { pid: self.pid, dir })
    }
}

/// A path that leads to just what a descriptor of ours leads to, for calls that take none. Source: proc_pid_fd(5).
pub fn of_descriptor(fd: impl AsFd) -> PathBuf {
    format!("/proc/self/fd/{}", fd.as_fd().as_raw_fd()).into()
}
