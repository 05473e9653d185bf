//! Places below a new root, found so that nothing leads out of it.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat, openat2};
use nix::sys::stat::{Mode, SFlag, fstat, mkdirat};

use super::extra::bytes;
use crate::error::{Error, Result};
use crate::sys;

/// A directory that becomes a root, and the mounts below it in which places that are missing may be made.
pub(super) struct Inside<'a> {
    root: BorrowedFd<'a>,
    ours: Vec<u64>,
}

impl<'a> Inside<'a> {
    pub(super) fn at(root: &'a impl AsFd) -> Inside<'a> {
        Inside { root: root.as_fd(), ours: Vec::new() }
    }

    /// This mount has been made by us: what is missing in it may be made.
    pub(super) fn owns(&mut self, mount: impl AsFd) -> Result<()> {
        let id = sys::mount_id_of(mount).map_err(|e| Error::sys("statx", "a new mount", e))?;
        self.ours.push(id);
        Ok(())
    }

    /// The same of mounts with these numbers.
    pub(super) fn own_all(&mut self, mounts: &[u64]) {
        self.ours.extend(mounts);
    }

    /// Opens what has this path when this is the root, following symbolic links as if it were.
    /// Source: openat2(2), RESOLVE_IN_ROOT, Linux 5.6.
    pub(super) fn open(&self, path: impl AsRef<[u8]>) -> std::result::Result<OwnedFd, Errno> {
        let resolve = ResolveFlag::RESOLVE_IN_ROOT | ResolveFlag::RESOLVE_NO_MAGICLINKS;
        let how = OpenHow::new().flags(OFlag::O_PATH | OFlag::O_CLOEXEC).resolve(resolve);
        let mut tries = 0;
        loop {
            match openat2(self.root, path.as_ref(), how) {
                // Something was renamed meanwhile, and `..` could have led out.
                Err(Errno::EAGAIN) if tries < 64 => tries += 1,
                answer => return answer,
            }
        }
    }

    /// Opens the place for a mount, a directory or a file; makes it where it is missing and may be made.
    pub(super) fn place(&self, path: &Path, dir: bool) -> Result<OwnedFd> {
        let found = match self.open(bytes(path)) {
            Err(Errno::ENOENT) => self.make(path, dir)?,
            answer => answer,
        };
        let place = found.map_err(|e| missing(path, e))?;
        fits(&place, path, dir)?;
        Ok(place)
    }

    fn make(&self, path: &Path, dir: bool) -> Result<std::result::Result<OwnedFd, Errno>> {
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
            return Ok(Err(Errno::ENOENT));
        };
        let parent = if bytes(parent).is_empty() { Path::new("/") } else { parent };
        let parent = self.place(parent, true)?;
        let id = sys::mount_id_of(&parent).map_err(|e| Error::sys("statx", bytes(path), e))?;
        if !self.ours.contains(&id) {
            return Ok(Err(Errno::ENOENT));
        }
        let made = if dir {
            mkdirat(&parent, name, Mode::from_bits_truncate(0o755))
        } else {
            let flags =
                OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
            openat(&parent, name, flags, Mode::from_bits_truncate(0o644)).map(drop)
        };
        match made {
            // A link that leads nowhere; nothing is made at its end.
            Ok(()) | Err(Errno::EEXIST) => Ok(self.open(bytes(path))),
            Err(e) => Err(Error::sys(if dir { "mkdir" } else { "create" }, name.as_bytes(), e)),
        }
    }
}

/// The error where a place cannot be opened.
pub(super) fn missing(path: &Path, errno: Errno) -> Error {
    let error = Error::sys("open", [bytes(path), b" in the new root"].concat(), errno);
    match errno {
        Errno::ENOENT => error.with_hint("make it first, or put --overlay over the root: there it is made"),
        _ => error,
    }
}

/// A directory can be mounted on a directory only, and a file on a file.
pub(super) fn fits(place: &OwnedFd, path: &Path, dir: bool) -> Result<()> {
    if is_dir(place).map_err(|e| Error::sys("stat", bytes(path), e))? == dir {
        return Ok(());
    }
    let (is, comes) = if dir { ("no directory", "a directory") } else { ("a directory", "a file") };
    let what = format!(" in the new root is {is}, and {comes} would be mounted there");
    Err(Error::refused([bytes(path), what.as_bytes()].concat()))
}

pub(super) fn is_dir(fd: &OwnedFd) -> std::result::Result<bool, Errno> {
    fstat(fd).map(|stat| SFlag::from_bits_truncate(stat.st_mode & libc::S_IFMT) == SFlag::S_IFDIR)
}
