//! A namespace that is held open: it exists as long as this does, whoever leaves it.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::stat::{Mode, fstat};

use crate::error::{Error, Result};
use crate::kind::{Kind, NsId};
use crate::proc::Task;
use crate::sys;

/// An open namespace and its kind.
#[derive(Debug)]
pub struct NsFd {
    fd: OwnedFd,
    /// Its kind, as the kernel says.
    pub kind: Kind,
}

impl AsFd for NsFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl NsFd {
    /// Opens a file that must be a namespace of this kind: one of `/proc/PID/ns`, or a bind mount of one.
    pub fn open(path: &Path, kind: Kind) -> Result<NsFd> {
        let on = [kind.name().as_bytes(), b" namespace ", path.as_os_str().as_bytes()].concat();
        // A FIFO must not hang us and a terminal must not become ours.
        let flags = OFlag::O_RDONLY | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
        let fd = nix::fcntl::open(path, flags, Mode::empty()).map_err(|e| Error::sys("open", &on, e))?;
        let shown = path.as_os_str().as_bytes();
        let refuse = |why: String| Error::refused([shown, why.as_bytes()].concat());
        match sys::ns_get_nstype(&fd).map(Kind::from_flag) {
            Ok(Some(found)) if found == kind => Ok(NsFd { fd, kind }),
            Ok(Some(found)) => Err(refuse(format!(" is a {found} namespace, not a {kind} namespace"))
                .with_hint(format!("give it to --{}", found.row().long))),
            Ok(None) => Err(refuse(" is a namespace of an unknown kind".into())),
            // Each file system has its own word for "no such request".
            Err(_) => Err(refuse(" is no namespace".into()).with_hint(
                "a namespace file is one of /proc/PID/ns, or a bind mount of one, as in /run/netns",
            )),
        }
    }

    /// Opens the namespace of this kind that a process is in.
    pub fn of(task: &Task, kind: Kind) -> Result<NsFd> {
        let fd = task.open(kind.row().path, OFlag::O_RDONLY, &format!("{kind} namespace"))?;
        Ok(NsFd { fd, kind })
    }

    /// Device and inode number.
    pub fn id(&self) -> Result<NsId> {
        let stat = fstat(&self.fd).map_err(|e| Error::sys("stat", format!("{} namespace", self.kind), e))?;
        Ok(NsId { dev: stat.st_dev, ino: stat.st_ino })
    }

    /// The user namespace that owns it. `None` where that lies outside what we may see.
    pub fn owner(&self) -> Result<Option<NsFd>> {
        self.relative(sys::ns_get_userns(&self.fd), Kind::User, "NS_GET_USERNS")
    }

    /// Its parent. `None` for kinds that have none, for the initial one, and where it lies outside what we may
    /// see; the kernel does not tell the last two apart.
    pub fn parent(&self) -> Result<Option<NsFd>> {
        match self.kind.row().nests {
            true => self.relative(sys::ns_get_parent(&self.fd), self.kind, "NS_GET_PARENT"),
            false => Ok(None),
        }
    }

    fn relative(
        &self,
        fd: std::result::Result<OwnedFd, Errno>,
        kind: Kind,
        call: &'static str,
    ) -> Result<Option<NsFd>> {
        match fd {
            Ok(fd) => Ok(Some(NsFd { fd, kind })),
            Err(Errno::EPERM) => Ok(None),
            Err(e) => Err(Error::sys(call, format!("{} namespace", self.kind), e)),
        }
    }

    /// The user id, as our user namespace numbers it, of who made this user namespace.
    pub fn owner_uid(&self) -> Result<u32> {
        sys::ns_get_owner_uid(&self.fd)
            .map_err(|e| Error::sys("NS_GET_OWNER_UID", format!("{} namespace", self.kind), e))
    }
}
