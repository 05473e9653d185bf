//! Our own user and group ids.

use nix::errno::Errno;
use nix::unistd::{Gid, Uid, geteuid, setgid, setgroups, setuid};

use super::idmap::IdMap;
use super::status::mask;
use super::{Proc, Task};
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
    tracing_by(&Rights::parse(&status))
}

fn tracing_by(rights: &Rights) -> Tracing {
    match (rights.has(Capability::SysPtrace), rights.could_have(Capability::SysPtrace)) {
        (Some(true), _) => Tracing::Allowed,
        (_, Some(false)) => Tracing::Bounded,
        _ => Tracing::Lacking,
    }
}

/// Rights that namespaces need, by their numbers. Source: linux/capability.h.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Capability {
    SetGid = 6,
    SetUid = 7,
    SetPcap = 8,
    SysChroot = 18,
    SysPtrace = 19,
    SysAdmin = 21,
    SysResource = 24,
    SetFcap = 31,
}

impl Capability {
    /// Is it in this set?
    pub fn is_in(self, set: u64) -> bool {
        set >> self as u32 & 1 == 1
    }
}

/// Their names, by their numbers. Source: linux/capability.h of Linux 5.9; there was no other since.
#[rustfmt::skip]
pub const CAPABILITIES: [&str; 41] = [
    "cap_chown", "cap_dac_override", "cap_dac_read_search", "cap_fowner", "cap_fsetid", "cap_kill", "cap_setgid",
    "cap_setuid", "cap_setpcap", "cap_linux_immutable", "cap_net_bind_service", "cap_net_broadcast", "cap_net_admin",
    "cap_net_raw", "cap_ipc_lock", "cap_ipc_owner", "cap_sys_module", "cap_sys_rawio", "cap_sys_chroot",
    "cap_sys_ptrace", "cap_sys_pacct", "cap_sys_admin", "cap_sys_boot", "cap_sys_nice", "cap_sys_resource",
    "cap_sys_time", "cap_sys_tty_config", "cap_mknod", "cap_lease", "cap_audit_write", "cap_audit_control",
    "cap_setfcap", "cap_mac_override", "cap_mac_admin", "cap_syslog", "cap_wake_alarm", "cap_block_suspend",
    "cap_audit_read", "cap_perfmon", "cap_bpf", "cap_checkpoint_restore",
];

/// The names of those in a set, with commas: `cap_kill,cap_setgid`; a number for one that has none.
pub fn capability_names(set: u64) -> String {
    let held = (0..u64::BITS).filter(|number| set >> number & 1 == 1);
    let name =
        |number: u32| CAPABILITIES.get(number as usize).map_or(number.to_string(), |name| name.to_string());
    held.map(name).collect::<Vec<_>>().join(",")
}

/// The five sets of capabilities that a process has in its user namespace, a bit each. Source: capabilities(7).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sets {
    /// What a program that is marked for it would get as well.
    pub inheritable: u64,
    /// What it may have.
    pub permitted: u64,
    /// What it has.
    pub effective: u64,
    /// What it and the programs it starts can have at most.
    pub bounding: u64,
    /// What every program that it starts gets. Linux 4.3.
    pub ambient: u64,
}

impl Sets {
    /// Those of a process.
    pub fn of(task: &Task) -> Result<Sets> {
        Sets::parse(&task.read(c"status")?)
            .ok_or_else(|| Error::sys("parse", format!("status of {}", task.pid), Errno::EINVAL))
    }

    /// Reads a status file.
    pub fn parse(status: &[u8]) -> Option<Sets> {
        Some(Sets {
            inheritable: mask(status, b"CapInh:")?,
            permitted: mask(status, b"CapPrm:")?,
            effective: mask(status, b"CapEff:")?,
            bounding: mask(status, b"CapBnd:")?,
            ambient: mask(status, b"CapAmb:")?,
        })
    }
}

/// What a process may do, and what is refused to it whatever it may: lines of its status. None where that does not
/// tell. Source: capabilities(7), proc_pid_status(5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rights {
    /// The capabilities that it has in its user namespace.
    pub effective: Option<u64>,
    /// Those that it and the programs it starts can have.
    pub bounding: Option<u64>,
    /// Does a filter look at each of its system calls? Source: seccomp(2).
    pub filtered: Option<bool>,
    /// Does a program give it no more rights, though it is set-user-ID? Source: PR_SET_NO_NEW_PRIVS(2const).
    pub no_new_privs: Option<bool>,
}

impl Rights {
    /// Those of a process.
    pub fn of(task: &Task) -> Result<Rights> {
        Ok(Rights::parse(&task.read(c"status")?))
    }

    /// Reads a status file.
    pub fn parse(status: &[u8]) -> Rights {
        Rights {
            effective: mask(status, b"CapEff:"),
            bounding: mask(status, b"CapBnd:"),
            filtered: mask(status, b"Seccomp:").map(|mode| mode == 2),
            no_new_privs: mask(status, b"NoNewPrivs:").map(|set| set == 1),
        }
    }

    /// Has it this capability?
    pub fn has(&self, capability: Capability) -> Option<bool> {
        self.effective.map(|set| capability.is_in(set))
    }

    /// Can it have this capability?
    pub fn could_have(&self, capability: Capability) -> Option<bool> {
        self.bounding.map(|set| capability.is_in(set))
    }
}

/// Who we are and what we may do, for those who will be in another user namespace when they want to know what they
/// were. It cannot fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Our effective user id.
    pub user: u32,
    /// Our effective group id.
    pub group: u32,
    /// Our effective capabilities; as if there were none where we are not root.
    pub capabilities: u64,
}

impl Caller {
    /// Asks the kernel.
    pub fn now() -> Caller {
        let (user, group) = effective();
        // Others than root map their own ids alone, or have a program do it that has the rights: not worth a system call.
        Caller { user, group, capabilities: if user == 0 { sys::capabilities() } else { 0 } }
    }
}

/// Gives up all supplementary groups. Source: setgroups(2).
pub fn drop_groups() -> Result<()> {
    setgroups(&[]).map_err(|e| Error::sys("setgroups", "", e))
}

/// The same where that is allowed. Who may not do it keeps the groups that they had all along: in a user namespace that has
/// given setgroups up for good, that is everybody. Source: user_namespaces(7).
pub fn drop_groups_if_allowed() -> Result<()> {
    match drop_groups() {
        Err(e) if e.is_denied() => Ok(()),
        answer => answer,
    }
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
            assert_eq!(tracing_by(&Rights::parse(status)), expected, "{}", String::from_utf8_lossy(status));
        }
    }

    #[test]
    fn capabilities_have_names() {
        assert_eq!(capability_names(0), "");
        assert_eq!(
            capability_names(1 | 1 << 21 | 1 << 40 | 1 << 63),
            "cap_chown,cap_sys_admin,cap_checkpoint_restore,63"
        );
        for (capability, name) in
            [(Capability::SetPcap, "cap_setpcap"), (Capability::SysResource, "cap_sys_resource")]
        {
            assert_eq!(capability_names(1 << capability as u32), name);
        }
    }

    #[test]
    fn sets_are_read_as_a_whole_or_not_at_all() {
        let status = b"CapInh:\t1\nCapPrm:\t2\nCapEff:\t3\nCapBnd:\t000001ffffffffff\nCapAmb:\t0\n";
        let sets = Sets { inheritable: 1, permitted: 2, effective: 3, bounding: (1 << 41) - 1, ambient: 0 };
        assert_eq!(Sets::parse(status), Some(sets));
        assert_eq!(Sets::parse(&status[..40]), None);
    }

    #[test]
    fn rights_are_lines_of_a_status_file() {
        let rights = Rights::parse(b"CapEff:\t0000000000200000\nCapBnd:\t0\nNoNewPrivs:\t1\nSeccomp:\t2\n");
        assert_eq!((rights.filtered, rights.no_new_privs), (Some(true), Some(true)));
        assert_eq!(rights.has(Capability::SysAdmin), Some(true));
        assert_eq!(rights.could_have(Capability::SysAdmin), Some(false));
        let rights = Rights::parse(b"NoNewPrivs:\t0\nSeccomp:\t1\n");
        assert_eq!((rights.filtered, rights.no_new_privs), (Some(false), Some(false)));
        assert_eq!(Rights::parse(b""), Rights::default());
        let status = std::fs::read("/proc/thread-self/status").unwrap_or_default();
        assert_eq!(Rights::parse(&status).effective, Some(Caller::now().capabilities));
    }
}
