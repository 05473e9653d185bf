//! Our own user and group ids.

use nix::unistd::{Gid, Uid, getegid, geteuid, setgid, setgroups, setuid};

use super::Proc;
use super::idmap::IdMap;
use crate::error::{Error, Result};

/// Effective user and group id.
pub fn effective() -> (u32, u32) {
    (geteuid().as_raw(), getegid().as_raw())
}

/// Our effective user id, where no other user can look like us: in a user namespace those who have no id there bear
/// the id 65534, which could be ours as well. Source: user_namespaces(7).
pub fn owner() -> Option<u32> {
    let us = geteuid().as_raw();
    let unmapped = |proc: &Proc| proc.sysctl("kernel/overflowuid").unwrap_or(65534);
    let alone = |proc: Proc| {
        u64::from(us) != unmapped(&proc)
            || proc.this().and_then(|this| IdMap::of_users(&this)).is_ok_and(|map| map.is_identity())
    };
    Proc::system().is_ok_and(alone).then_some(us)
}

/// Gives up all supplementary groups. Source: setgroups(2).
pub fn drop_groups() -> Result<()> {
    setgroups(&[]).map_err(|e| Error::sys("setgroups", "", e))
}

/// Sets all our group ids. Source: setgid(2).
pub fn set_group(gid: u32) -> Result<()> {
    setgid(Gid::from_raw(gid)).map_err(|e| Error::sys("setgid", gid.to_string(), e))
}

/// Sets all our user ids, and with them gives up what rights only the old ones had. Source: setuid(2).
pub fn set_user(uid: u32) -> Result<()> {
    setuid(Uid::from_raw(uid)).map_err(|e| Error::sys("setuid", uid.to_string(), e))
}
