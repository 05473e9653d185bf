//! Our own user and group ids.

use nix::unistd::{Gid, Uid, geteuid, setgid, setgroups, setuid};

use super::Proc;
use super::idmap::IdMap;
use crate::error::{Error, Result};
use crate::sys;

/// Effective user and group id, as we were started.
pub fn effective() -> (u32, u32) {
    sys::started_as()
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

/// Whether we may look at the processes of others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tracing {
    /// We may.
    Allowed,
    /// We lack the capability, and could have it.
    Lacking,
    /// We lack it, and so does every program that we could start: the bounding set leaves it out.
    Bounded,
}

/// Have we CAP_SYS_PTRACE? Source: capabilities(7), proc_pid_status(5).
pub fn tracing() -> Tracing {
    let status = Proc::system().and_then(|proc| proc.this()?.read(c"status")).unwrap_or_default();
    tracing_by(&status)
}

fn tracing_by(status: &[u8]) -> Tracing {
    const SYS_PTRACE: u32 = 19;
    let has = |key: &[u8]| {
        let mask = status.split(|&b| b == b'\n').find_map(|line| line.strip_prefix(key));
        let mask = mask.and_then(|mask| std::str::from_utf8(mask).ok());
        mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
            .map(|mask| mask >> SYS_PTRACE & 1 == 1)
    };
    match (has(b"CapEff:"), has(b"CapBnd:")) {
        (Some(true), _) => Tracing::Allowed,
        (_, Some(false)) => Tracing::Bounded,
        _ => Tracing::Lacking,
    }
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

/// Have the capabilities that we may have outlive the change of user ids. Source: PR_SET_KEEPCAPS(2const).
pub fn keep_caps() -> Result<()> {
    sys::keep_capabilities().map_err(|e| Error::sys("prctl", "PR_SET_KEEPCAPS", e))
}

/// Hands all capabilities that we may have on to the program, whatever user it runs as. Source: capabilities(7), ambient
/// capabilities, Linux 4.3.
pub fn hand_on_caps() -> Result<()> {
    sys::raise_capabilities().map_err(|e| Error::sys("capset", "all permitted capabilities", e))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_right_to_trace_is_one_bit_of_two_sets() {
        let cases: [(&[u8], _); 5] = [
            (b"CapEff:\t000001ffffffffff\nCapBnd:\t000001ffffffffff\n", Tracing::Allowed),
            (b"CapEff:\t0000000000000000\nCapBnd:\t000001ffffffffff\n", Tracing::Lacking),
            (b"CapEff:\t00000000a80425fb\nCapBnd:\t00000000a80425fb\n", Tracing::Bounded),
            (b"CapEff:\t0000000000080000\nCapBnd:\t0000000000000000\n", Tracing::Allowed),
            (b"", Tracing::Lacking),
        ];
        for (status, expected) in cases {
            assert_eq!(tracing_by(status), expected, "{}", String::from_utf8_lossy(status));
        }
    }
}
