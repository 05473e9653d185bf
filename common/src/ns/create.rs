//! Creating namespaces and preparing what the program sees in them.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;

use crate::error::{Error, Result};
use crate::kind::{Kind, KindSet};
use crate::ns::diagnose;
use crate::ns::fd::NsFd;
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

/// The same, with a new mount namespace that the one we leave can hold. The kernel lets only an older one do that, which
/// it tells by numbers, and Linux 6.18 hands those out to each CPU in advance: so where ours has the lower one we make
/// another, on one CPU after the other, until it has not.
pub fn unshare_to_be_kept(proc: &Proc, kinds: KindSet) -> Result<()> {
    let number = || NsFd::of(&proc.this().ok()?, Kind::Mnt).ok()?.number();
    let outside = number();
    unshare(kinds)?;
    let is_younger = || number().zip(outside).is_none_or(|(inside, outside)| inside > outside);
    if is_younger() {
        return Ok(());
    }
    let us = Pid::from_raw(0);
    let Ok(usual) = sched_getaffinity(us) else { return Ok(()) };
    for cpu in 0..CpuSet::count() {
        let mut alone = CpuSet::new();
        let moved = alone.set(cpu).and_then(|()| sched_setaffinity(us, &alone));
        if moved.is_ok() && sys::unshare(Kind::Mnt.row().flag).is_ok() && is_younger() {
            break;
        }
    }
    sched_setaffinity(us, &usual).map_err(|e| Error::sys("sched_setaffinity", "ourselves", e))
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
