//! Namespaces that are kept by files: bind mounts of their entries in /proc, by which they outlive their processes.

use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::mount::{MntFlags, umount2};
use nix::sys::stat::Mode;

use crate::error::{Error, Result};
use crate::kind::Kind;
use crate::proc::Task;
use crate::sys::mount;

/// A file, held open before the world changes, to which a namespace of this kind will be bound.
#[derive(Debug)]
pub struct Pin {
    /// The kind of namespace.
    pub kind: Kind,
    /// The file as it was named.
    pub path: PathBuf,
    file: OwnedFd,
}

impl Pin {
    /// Takes hold of the file. It has to exist.
    pub fn open(kind: Kind, path: &Path) -> Result<Pin> {
        let shown = path.as_os_str().as_bytes();
        let file = nix::fcntl::open(path, OFlag::O_PATH | OFlag::O_CLOEXEC, Mode::empty()).map_err(|e| {
            let error = Error::sys("open", shown, e);
            match e {
                Errno::ENOENT => {
                    error.with_hint("a namespace is bound to a file that exists: make one with touch")
                }
                _ => error,
            }
        })?;
        let stat = nix::sys::stat::fstat(&file).map_err(|e| Error::sys("stat", shown, e))?;
        if stat.st_mode & libc::S_IFMT == libc::S_IFDIR {
            return Err(Error::sys("open", shown, Errno::EISDIR)
                .with_hint("a namespace is bound to a file, not to a directory: make one with touch"));
        }
        Ok(Pin { kind, path: path.to_path_buf(), file })
    }

    /// Binds the namespace of this kind that the process has, or will give its children where those get another.
    /// Answers by what it can be undone. Needs CAP_SYS_ADMIN where the file is. Source: namespaces(7).
    pub fn bind(&self, task: &Task) -> Result<Bound> {
        let row = self.kind.row();
        let on_text = format!("{} namespace", self.kind);
        let on =
            || [self.kind.name().as_bytes(), b" namespace on ", self.path.as_os_str().as_bytes()].concat();
        let fail = |e: Errno| {
            let error = Error::sys("mount", on(), e);
            match e {
                Errno::EINVAL if self.kind == Kind::Mnt => error.with_hint(
                    "a mount namespace cannot be bound where mounts are shared with it: \
                     make the place private first, mount --bind DIR DIR && mount --make-private DIR",
                ),
                Errno::EINVAL => error.with_hint(
                    "the file lies in a mount namespace that we are not in, to which the working directory still leads: \
                     give its whole path",
                ),
                // The kernel lets a mount namespace be held by older ones only, which it tells by their numbers.
                Errno::ELOOP => error.with_hint(
                    "the kernel takes this mount namespace for older than that in which the file is: Linux 6.18 hands out \
                     numbers to each CPU in advance; try again, on the CPU on which that one was made (taskset)",
                ),
                Errno::EPERM => error.with_hint(
                    "binding a namespace to a file needs CAP_SYS_ADMIN outside of the new namespaces, where the file is",
                ),
                _ => error,
            }
        };
        let namespace = task.open(row.for_children.unwrap_or(row.path), OFlag::O_PATH, &on_text)?;
        let tree = mount::open_tree(&namespace, false).map_err(fail)?;
        let id = identity(&tree).map_err(|e| Error::sys("stat", on(), e))?;
        mount::move_mount(&tree, &self.file).map_err(fail)?;
        Ok(Bound { path: self.path.clone(), id, mount: Some(tree) })
    }
}

/// A namespace that is bound to a file.
#[derive(Debug)]
pub struct Bound {
    path: PathBuf,
    id: (u64, u64),
    mount: Option<OwnedFd>,
}

impl Bound {
    /// Holds the mount no longer, so that it is not busy for who unmounts it.
    pub fn let_go(&mut self) {
        self.mount = None;
    }

    /// Takes the mount away again.
    pub fn undo(self) -> Result<()> {
        let fail = |call: &'static str| {
            let path = self.path.as_os_str().as_bytes().to_vec();
            move |e| Error::sys(call, path, e)
        };
        let mount = match self.mount {
            Some(mount) => mount,
            None => nix::fcntl::open(&self.path, OFlag::O_PATH | OFlag::O_CLOEXEC, Mode::empty())
                .map_err(fail("open"))?,
        };
        // Somebody else may have unmounted it meanwhile.
        if identity(&mount).map_err(fail("stat"))? != self.id {
            return Ok(());
        }
        let path = format!("/proc/self/fd/{}", mount.as_raw_fd());
        umount2(path.as_str(), MntFlags::MNT_DETACH).map_err(fail("umount"))
    }
}

fn identity(file: &OwnedFd) -> nix::Result<(u64, u64)> {
    nix::sys::stat::fstat(file).map(|stat| (stat.st_dev, stat.st_ino))
}
