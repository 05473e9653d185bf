//! A namespace that is held open: it exists as long as this does, whoever leaves it.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::stat::{Mode, fstat};
use nix::sys::statfs::{FsType, fstatfs};

use crate::error::{Error, Result};
use crate::kind::{Kind, NsId};
use crate::proc::{Target, Task, descriptors};
use crate::sys;

/// The file system of namespaces. Source: NSFS_MAGIC of linux/magic.h.
const NSFS: FsType = FsType(0x6e73_6673);

/// An open namespace and its kind.
#[derive(Debug)]
pub struct NsFd {
    pub(super) fd: OwnedFd,
    /// Its kind, as the kernel says.
    pub kind: Kind,
    /// What an error calls it; any bytes.
    pub name: Vec<u8>,
}

impl AsFd for NsFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl NsFd {
    /// Opens a file that must be a namespace: one of `/proc/PID/ns`, or a bind mount of one.
    pub fn open(path: &Path) -> Result<NsFd> {
        let shown = path.as_os_str().as_bytes();
        let on = [b"namespace ", shown].concat();
        // A FIFO must not hang us and a terminal must not become ours.
        let flags = OFlag::O_RDONLY | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
        let fd = nix::fcntl::open(path, flags, Mode::empty()).map_err(|e| Error::sys("open", &on, e))?;
        let refuse = |why: &str| Error::refused([shown, why.as_bytes()].concat());
        match sys::ns_get_nstype(&fd).map(Kind::from_flag) {
            Ok(Some(kind)) => Ok(NsFd { fd, kind, name: [kind.name().as_bytes(), b" ", &on].concat() }),
            Ok(None) => Err(refuse(" is a namespace of an unknown kind")),
            Err(e) if fstatfs(&fd).is_ok_and(|on| on.filesystem_type() == NSFS) => {
                Err(Error::sys("NS_GET_NSTYPE", &on, e))
            }
            // Each file system has its own word for "no such request".
            Err(_) => Err(refuse(" is no namespace").with_hint(
                "a namespace file is one of /proc/PID/ns, or a bind mount of one, as in /run/netns",
            )),
        }
    }

    /// The same, of a file that must be a namespace of this kind.
    pub fn open_as(path: &Path, kind: Kind) -> Result<NsFd> {
        let shown = path.as_os_str().as_bytes();
        let ns = NsFd::open(path).map_err(|e| match e {
            Error::Sys { call, errno, hint, .. } => {
                let on = [kind.name().as_bytes(), b" namespace ", shown].concat();
                Error::Sys { call, on, errno, hint }
            }
            refused => refused,
        })?;
        match ns.kind {
            found if found == kind => Ok(ns),
            found => {
                let what = format!(" is a {found} namespace, not a {kind} namespace");
                Err(Error::refused([shown, what.as_bytes()].concat())
                    .with_hint(format!("give it to --{}", found.row().long)))
            }
        }
    }

    /// Opens the namespace with this number, which it keeps until the machine boots again. None where there is
    /// none of this kind, where it may not be had so, or on kernels that cannot do this, before Linux 6.19.
    pub fn by_id(id: u64, kind: Kind) -> Option<NsFd> {
        NsFd::numbered(id).ok().filter(|ns| ns.kind == kind)
    }

    /// The same of any kind, and why it cannot be had.
    pub(super) fn numbered(id: u64) -> Result<NsFd> {
        let name = || format!("namespace #{id}");
        let fd = sys::ns_by_id(id).map_err(|e| Error::sys("open_by_handle_at", name(), e))?;
        let ns = NsFd::from_fd(fd, name())?;
        Ok(NsFd { name: format!("{} {}", ns.kind, name()).into(), ..ns })
    }

    /// The mount namespace after this one in the kernel's list of all, or the one before it; none at the end.
    fn beside(&self, after: bool) -> Result<Option<NsFd>> {
        match sys::ns_beside(&self.fd, after) {
            Ok(fd) => Ok(Some(NsFd { fd, kind: self.kind, name: format!("{} namespace", self.kind).into() })),
            Err(Errno::ENOENT) => Ok(None),
            Err(e) => {
                let call = if after { "NS_MNT_GET_NEXT" } else { "NS_MNT_GET_PREV" };
                Err(Error::sys(call, &self.name, e))
            }
        }
    }

    /// Shows each mount namespace of the machine, from this one on and then those before it, until one is enough. Needs
    /// what NS_MNT_GET_NEXT needs, Linux 6.12.
    pub(super) fn walk(self, mut enough: impl FnMut(NsFd) -> Result<bool>) -> Result<()> {
        let mut before = self.beside(false)?;
        let mut at = Some(self);
        while let Some(ns) = at.take() {
            at = ns.beside(true)?;
            if enough(ns)? {
                return Ok(());
            }
        }
        while let Some(ns) = before.take() {
            before = ns.beside(false)?;
            if enough(ns)? {
                return Ok(());
            }
        }
        Ok(())
    }

    /// How many mounts there are in this mount namespace. None of other kinds, and before Linux 6.12.
    pub fn count_mounts(&self) -> Option<u64> {
        if self.kind == Kind::Mnt { sys::ns_count_mounts(&self.fd).ok() } else { None }
    }

    /// The number that it keeps until the machine boots again. None on kernels that give none: before Linux 6.18,
    /// or 6.11 for mount namespaces.
    pub fn number(&self) -> Option<u64> {
        sys::ns_get_id(&self.fd).ok()
    }

    /// The same, and an error where the kernel has such numbers and did not tell it.
    pub fn asked_number(&self) -> Result<Option<u64>> {
        match sys::ns_get_id(&self.fd) {
            Ok(number) => Ok(Some(number)),
            Err(Errno::ENOTTY) => Ok(None),
            Err(e) => Err(Error::sys("NS_GET_ID", &self.name, e)),
        }
    }

    /// Opens the namespace of this kind that a process is in.
    pub fn of(task: &Task, kind: Kind) -> Result<NsFd> {
        let fd = task.open(kind.row().path, OFlag::O_RDONLY, &format!("{kind} namespace"))?;
        Ok(NsFd { fd, kind, name: format!("{kind} namespace of {}", task.pid).into() })
    }

    /// Opens the namespace of this kind that children of a process or thread get.
    pub fn for_children_of(task: &Task, kind: Kind) -> Result<NsFd> {
        let path = kind.row().for_children.unwrap_or(kind.row().path);
        let fd = task.open(path, OFlag::O_RDONLY, &format!("{kind} namespace for children"))?;
        Ok(NsFd { fd, kind, name: format!("{kind} namespace for children of {}", task.pid).into() })
    }

    /// Opens a descriptor of a process or thread that must be a namespace. `dev` is the device of namespaces.
    pub fn open_by(task: &Task, fd: i32, dev: u64) -> Result<NsFd> {
        NsFd::from_fd(descriptors::open(task, fd, dev)?, format!("descriptor {fd} of {}", task.pid))
    }

    /// The net namespace of a socket that a process has by this number. Needs PTRACE_MODE_ATTACH of the process and
    /// CAP_NET_ADMIN in the namespace. Source: pidfd_getfd(2), Linux 5.6; SIOCGSKNS, Linux 4.10.
    pub fn of_socket(target: &Target, fd: i32) -> Result<NsFd> {
        let on = format!("descriptor {fd} of {}", target.pid);
        let socket = sys::pidfd_getfd(&target.pidfd, fd).map_err(|e| {
            let error = Error::sys("pidfd_getfd", &on, e);
            match e {
                Errno::EBADF => error.with_hint(format!("ls -l /proc/{}/fd shows which there are", target.pid)),
                Errno::EPERM => error.with_hint(
                    "this needs the right to trace the process (its own user, or CAP_SYS_PTRACE), which security modules \
                     such as Yama narrow down",
                ),
                _ => error,
            }
        })?;
        let fd = sys::socket_netns(&socket).map_err(|e| {
            let error = Error::sys("SIOCGSKNS", &on, e);
            match e {
                Errno::EPERM => error.with_hint("this needs CAP_NET_ADMIN in the network namespace"),
                // Each file system has its own word for "no such request".
                _ => error.with_hint("it is no socket"),
            }
        })?;
        NsFd::from_fd(fd, format!("net namespace of {on}"))
    }

    /// What is open already and must be a namespace.
    pub(super) fn from_fd(fd: OwnedFd, name: String) -> Result<NsFd> {
        let kind = sys::ns_get_nstype(&fd).map_err(|e| Error::sys("NS_GET_NSTYPE", &name, e))?;
        match Kind::from_flag(kind) {
            Some(kind) => Ok(NsFd { fd, kind, name: name.into() }),
            None => Err(Error::refused([name.as_bytes(), b" is a namespace of an unknown kind"].concat())),
        }
    }

    /// Device and inode number.
    pub fn id(&self) -> Result<NsId> {
        let stat = fstat(&self.fd).map_err(|e| Error::sys("stat", &self.name, e))?;
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
            Ok(fd) => Ok(Some(NsFd { fd, kind, name: format!("{kind} namespace").into() })),
            Err(Errno::EPERM) => Ok(None),
            Err(e) => Err(Error::sys(call, &self.name, e)),
        }
    }

    /// The user id, as our user namespace numbers it, of who made this user namespace.
    pub fn owner_uid(&self) -> Result<u32> {
        sys::ns_get_owner_uid(&self.fd).map_err(|e| Error::sys("NS_GET_OWNER_UID", &self.name, e))
    }
}
