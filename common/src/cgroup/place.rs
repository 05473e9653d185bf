//! Where a transient group goes if nobody says so.

use std::ffi::{CStr, OsStr};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::Stdio;

use nix::unistd::{AccessFlags, Uid};

use super::callers;
use super::group::{Group, Version};
use super::layout::{Hierarchy, Layout};
use super::{join, scope};
use crate::error::{Error, Result};
use crate::proc::Proc;
use crate::sys;

/// A place for a transient group.
#[derive(Debug)]
pub(super) enum Place {
    /// Below this group, as it is.
    Below(Group),
    /// Below this one of version 2, whose processes have to be moved to a group of their own before.
    Beside(Group),
    /// In a scope, which systemd makes.
    Scope,
}

/// Does systemd manage the groups of this machine? Source: sd_booted(3).
pub(super) fn is_systemd() -> bool {
    Path::new("/run/systemd/system").is_dir()
}

/// Finds one, for a group that is to have limits. Below our own group, so that our limits hold for it too. On version 2
/// our own group has processes, us, so below it nothing can be limited, unless it is the real root, or they can be moved.
pub(super) fn usual(layout: &Layout, hierarchy: &Hierarchy, proc: &Proc, ask: bool) -> Result<Place> {
    let group = callers::own_group(layout, hierarchy)?;
    let systemd = is_systemd();
    if group.version == Version::V1 || (group.is_real_root()? && !systemd) {
        return Ok(Place::Below(group));
    }
    match why_not(hierarchy, &group, proc, systemd)? {
        None => Ok(Place::Beside(group)),
        Some(_) if systemd && ask => Ok(Place::Scope),
        Some(why) => {
            let what =
                [b"no group can be made below our own one, ", &group.path[..], b": ", &why[..]].concat();
            Err(Error::refused(what).with_hint(match systemd {
                true => "without --no-systemd, systemd is asked for a scope to make it in; or name a delegated group with --parent",
                false => "it has processes, so on version 2 it cannot hand on controllers: name another with --parent",
            }))
        }
    }
}

/// Can a program of ours be moved to below this group of version 2? That takes the right to write to the group above both, the one
/// where it is and the one where it goes. Source: cgroup-v2.rst, "Delegation Containment".
pub(super) fn is_reachable(layout: &Layout, hierarchy: &Hierarchy, group: &Group) -> Result<bool> {
    let above = |own: Group| {
        let above = join::above_both(&own.path, &group.path);
        hierarchy.top.descend(above.strip_prefix(&hierarchy.top.path[..]).unwrap_or_default())
    };
    match layout.own_group(hierarchy).and_then(above) {
        Ok(above) => Ok(above.is_writable("cgroup.procs")),
        Err(e) if e.is_our_own() => Err(e),
        // What is not seen cannot be asked.
        Err(_) => Ok(false),
    }
}

/// The same for a group without limits, by which processes are only found. None where there can be none.
pub(super) fn without_limits(layout: &Layout, hierarchy: &Hierarchy) -> Result<Option<Group>> {
    let group = callers::own_group(layout, hierarchy)?;
    // Where version 1 has the controllers, systemd has nothing in version 2 that a group could disturb.
    let unmanaged = !is_systemd() || layout.is_hybrid() || is_delegated(hierarchy, &group)?;
    let ready = unmanaged && group.is_writable(".") && is_reachable(layout, hierarchy, &group)?;
    Ok(ready.then_some(group))
}

/// Why a group cannot have its processes moved to one below it; none if it can.
pub(super) fn why_not(
    hierarchy: &Hierarchy,
    group: &Group,
    proc: &Proc,
    systemd: bool,
) -> Result<Option<Vec<u8>>> {
    if systemd && !is_delegated(hierarchy, group)? {
        return Ok(Some(b"it is systemd's, and was not delegated".to_vec()));
    }
    for file in [".", "cgroup.procs", "cgroup.subtree_control"] {
        if !group.is_writable(file) {
            let user = Uid::effective().as_raw();
            return Ok(Some(format!("user id {user} may not write to it").into_bytes()));
        }
    }
    Ok(callers::strangers(group, proc)?.first().map(|pid| match pid {
        0 => b"it has processes of another pid namespace".to_vec(),
        pid => format!("it has process {pid} of another user").into_bytes(),
    }))
}

/// Was the unit of systemd that a group is of, or is below, delegated? It says so by an attribute of the directory.
/// Source: systemd's CGROUP_DELEGATION. Managers of users cannot set it before `user.delegate` of release 254: those we
/// ask, but for scopes that we have asked for ourselves.
fn is_delegated(hierarchy: &Hierarchy, group: &Group) -> Result<bool> {
    let chain = hierarchy.chain(group).collect::<Result<Vec<_>>>()?;
    let is_unit = |group: &&Group| {
        let kinds: [&[u8]; 6] = [b".service", b".scope", b".slice", b".socket", b".mount", b".swap"];
        kinds.iter().any(|kind| group.name().ends_with(kind))
    };
    let Some(unit) = chain.iter().rev().find(is_unit) else { return Ok(false) };
    let says = |name: &CStr| matches!(sys::attribute(unit, name), Ok(Some(value)) if value == b"1");
    if [c"user.delegate", c"trusted.delegate"].into_iter().any(says) || scope::is_ours(unit.name()) {
        return Ok(true);
    }
    Ok(!Uid::effective().is_root() && unit.is_writable(".") && says_manager(unit.name()))
}

/// Does the user's manager say of this unit that it was delegated? Source: systemctl(1), systemd.resource-control(5).
fn says_manager(unit: &[u8]) -> bool {
    let mut systemctl = std::process::Command::new("systemctl");
    systemctl.args(["--user", "show", "--value", "--property=Delegate", "--"]).arg(OsStr::from_bytes(unit));
    systemctl.stdin(Stdio::null()).output().is_ok_and(|output| output.stdout.trim_ascii() == b"yes")
}

impl Group {
    /// May we write to this file of it, or, as `.`, make groups in it?
    pub(super) fn is_writable(&self, file: &str) -> bool {
        nix::unistd::faccessat(self, file, AccessFlags::W_OK, nix::fcntl::AtFlags::AT_EACCESS).is_ok()
    }
}
