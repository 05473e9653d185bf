//! Our own user and group ids.

use nix::unistd::{Gid, Uid, getegid, geteuid, setgid, setgroups, setuid};

use crate::error::{Error, Result};

/// Effective user and group id.
pub fn effective() -> (u32, u32) {
    (geteuid().as_raw(), getegid().as_raw())
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
