//! Creating namespaces and preparing what the program sees in them.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use nix::errno::Errno;
use nix::mount::{MsFlags, mount};

use crate::error::{Error, Result};
use crate::kind::KindSet;
use crate::ns::diagnose;
use crate::proc::Proc;
use crate::sys;

/// How mounts and unmounts travel between a new mount namespace and the one it was copied from.
/// Source: mount_namespaces(7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Propagation {
    /// Neither way.
    Private,
    /// Both ways.
    Shared,
    /// Only into the new one.
    Slave,
    /// As it is set now.
    Unchanged,
}

/// Every propagation by its name, with what it means.
#[rustfmt::skip]
pub const PROPAGATIONS: &[(&str, Propagation, &str)] = &[
    ("private", Propagation::Private, "mounts and unmounts travel neither way"),
    ("shared", Propagation::Shared, "they travel both ways"),
    ("slave", Propagation::Slave, "they travel only into the new namespace"),
    ("unchanged", Propagation::Unchanged, "leave it as it is"),
];

/// Moves us into new namespaces of these kinds, all or none; says why where the kernel refuses. Source: unshare(2).
pub fn unshare(kinds: KindSet) -> Result<()> {
    if kinds.is_empty() {
        return Ok(());
    }
    sys::unshare(kinds.flags()).map_err(|e| {
        diagnose::unshare(Error::sys("unshare", kinds.to_string(), e), Proc::system().ok().as_ref(), kinds)
    })
}

/// Sets the propagation of all mounts.
pub fn propagate(propagation: Propagation) -> Result<()> {
    let flag = match propagation {
        Propagation::Private => MsFlags::MS_PRIVATE,
        Propagation::Shared => MsFlags::MS_SHARED,
        Propagation::Slave => MsFlags::MS_SLAVE,
        Propagation::Unchanged => return Ok(()),
    };
    set_propagation(Path::new("/"), flag).map_err(|e| Error::sys("mount", "the propagation of /", e))
}

fn set_propagation(path: &Path, flag: MsFlags) -> std::result::Result<(), Errno> {
    let none: Option<&Path> = None;
    mount(none, path, none, MsFlags::MS_REC | flag, none)
}

/// Mounts a new proc. Where mounts are not private to us and something is mounted there already, that is made
/// so first, or others would see the new one too. Elsewhere it travels, as was asked.
pub fn mount_proc(at: &Path, around: Propagation) -> Result<()> {
    let fail = |e| Error::sys("mount", [b"proc on ", at.as_os_str().as_bytes()].concat(), e);
    if around != Propagation::Private {
        match set_propagation(at, MsFlags::MS_PRIVATE) {
            // It is no mount point yet.
            Ok(()) | Err(Errno::EINVAL) => {}
            Err(e) => return Err(fail(e)),
        }
    }
    let none: Option<&Path> = None;
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC | MsFlags::MS_NODEV;
    mount(Some("proc"), at, Some("proc"), flags, none).map_err(fail)
}
