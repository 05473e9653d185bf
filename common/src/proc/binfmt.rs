//! binfmt_misc: which interpreters the kernel runs for files of other formats.

use std::ffi::CString;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::mount::{MsFlags, mount};
use nix::sys::stat::Mode;

use crate::error::{Error, Result};

/// Where it is usually mounted.
pub const USUAL: &str = "/proc/sys/fs/binfmt_misc";

/// Mounts one of our own: in a user namespace since Linux 6.7. Source: the kernel's
/// Documentation/admin-guide/binfmt-misc.rst.
pub fn mount_at(at: &Path) -> Result<()> {
    let none: Option<&Path> = None;
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC | MsFlags::MS_NODEV;
    mount(Some("binfmt_misc"), at, Some("binfmt_misc"), flags, none).map_err(|e| {
        let error = Error::sys("mount", [b"binfmt_misc on ", at.as_os_str().as_bytes()].concat(), e);
        match e {
            Errno::EPERM => error.with_hint("in a user namespace this needs Linux 6.7, and a map of our user"),
            Errno::ENODEV => error.with_hint("this kernel has no binfmt_misc, or its module is not loaded"),
            Errno::ENOENT if at == Path::new(USUAL) => error.with_hint(
                "the directory is in proc where the kernel has binfmt_misc: is its module loaded, and proc mounted?",
            ),
            _ => error,
        }
    })
}

/// Registers an interpreter with the one mounted there. What is answered keeps it registered: it is forgotten with the last
/// mount of its user namespace's binfmt_misc.
pub fn register(at: &Path, interpreter: &[u8]) -> Result<OwnedFd> {
    let path = [at.as_os_str().as_bytes(), b"/register"].concat();
    let name = CString::new(path.clone()).map_err(|_| Error::refused("a path holds a NUL byte"))?;
    let flags = OFlag::O_WRONLY | OFlag::O_CLOEXEC;
    let file = nix::fcntl::open(name.as_c_str(), flags, Mode::empty()).map_err(|e| match e {
        Errno::EACCES => Error::sys("open", &path, e).with_hint(
            "it belongs to root of the user namespace: add -r to be that, or map your user to root",
        ),
        e => Error::sys("open", &path, e),
    })?;
    nix::unistd::write(&file, interpreter).map_err(|e| {
        let error = Error::sys("write", [interpreter, b" to ", &path[..]].concat(), e);
        match e {
            Errno::EINVAL => error.with_hint(
                "the kernel does not take this: it is :NAME:TYPE:OFFSET:MAGIC:MASK:INTERPRETER:FLAGS",
            ),
            Errno::ENOENT | Errno::EACCES => {
                error.with_hint("with the flag F the interpreter is opened now: it has to be there")
            }
            _ => error,
        }
    })?;
    Ok(file)
}
