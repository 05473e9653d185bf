//! The one error of the library: which operation failed, on what, why, and what to do.

use std::fmt;

use nix::errno::Errno;

use crate::text::{Charset, show};

/// What a function of this library answers.
pub type Result<T> = std::result::Result<T, Error>;

/// A failure. It prints as one line, like strace(1): `setns net of 4242: Operation not permitted`.
#[derive(Clone, Debug)]
pub enum Error {
    /// A system call failed.
    Sys {
        /// The call, or the operation in one word.
        call: &'static str,
        /// What it was done to; may hold any byte.
        on: Vec<u8>,
        /// The kernel's answer.
        errno: Errno,
        /// Advice that knows more than [`HINTS`].
        hint: Option<String>,
    },
    /// Something was asked that makes no sense, found before the kernel was asked.
    Refused {
        /// What is wrong; may hold any byte.
        what: Vec<u8>,
        /// What to do instead.
        hint: Option<String>,
    },
}

/// Advice for an error of the kernel.
#[derive(Debug)]
pub struct Hint {
    /// The call that failed.
    pub call: &'static str,
    /// A word that must stand in what it was done to; empty for any.
    pub on: &'static str,
    /// The kernel's answer.
    pub errno: Errno,
    /// What to do.
    pub text: &'static str,
}

/// The advice that is known, most special first. Sources: clone(2), setns(2), unshare(2),
/// user_namespaces(7), pid_namespaces(7), mount(2).
#[rustfmt::skip]
pub const HINTS: &[Hint] = &[
    Hint { call: "unshare", on: "user", errno: Errno::EPERM, text: "a new user namespace is refused in a chroot, by a seccomp filter (Docker's default), or by the sysctls kernel.unprivileged_userns_clone=0 and kernel.apparmor_restrict_unprivileged_userns=1" },
    Hint { call: "unshare", on: "", errno: Errno::EPERM, text: "this needs CAP_SYS_ADMIN, which root of a container lacks: run it as root of the machine, or add -r to be root of a new user namespace" },
    Hint { call: "setns", on: "user", errno: Errno::EINVAL, text: "a process cannot enter the user namespace it is already in" },
    Hint { call: "setns", on: "", errno: Errno::EPERM, text: "this needs the right to trace the process (its own user, or CAP_SYS_PTRACE) and CAP_SYS_ADMIN in the user namespace that owns the namespace (entering that one too, by -U, can give it); some processes are closed to root as well" },
    Hint { call: "setns", on: "", errno: Errno::EUSERS, text: "a time namespace can be entered only by a process of one thread" },
    Hint { call: "setns", on: "", errno: Errno::ESRCH, text: "the process, or its first thread, has ended" },
    Hint { call: "setns", on: "", errno: Errno::EINVAL, text: "a pid namespace can be entered only from itself or one of its ancestors" },
    Hint { call: "pidfd_open", on: "", errno: Errno::ESRCH, text: "no process has this PID here; it may have ended, or count in another pid namespace" },
    Hint { call: "pidfd_open", on: "", errno: Errno::EINVAL, text: "this is a thread: name it with its process, as PID/TID, or that alone; /proc/TID/status has it, `Tgid:`" },
    Hint { call: "pidfd_open", on: "", errno: Errno::ENOENT, text: "this is a thread: name it with its process, as PID/TID, or that alone; /proc/TID/status has it, `Tgid:`" },
    Hint { call: "open", on: "process", errno: Errno::ESRCH, text: "no process has this PID in /proc; it may have ended, or be hidden" },
    Hint { call: "open", on: "namespace", errno: Errno::EACCES, text: "namespaces are shown to those who may trace the process: its own user, or CAP_SYS_PTRACE; a container or security module can refuse root too" },
    Hint { call: "open", on: "namespace", errno: Errno::EPERM, text: "this /proc hides the processes of others (hidepid, proc(5))" },
    Hint { call: "open", on: "status", errno: Errno::EPERM, text: "this /proc hides the processes of others (hidepid, proc(5))" },
    Hint { call: "mount", on: "proc", errno: Errno::EPERM, text: "in a user namespace a new proc needs a new pid namespace (add -p -f) and a /proc without masked files (containers mask some)" },
    Hint { call: "mount", on: "proc", errno: Errno::EBUSY, text: "something is mounted there already: give another directory to --mount-proc=DIR" },
    Hint { call: "chroot", on: "", errno: Errno::EPERM, text: "this needs CAP_SYS_CHROOT: run it as root, or enter or create a user namespace as well" },
    Hint { call: "setgid", on: "", errno: Errno::EINVAL, text: "this group is not mapped in the user namespace (see /proc/PID/gid_map): choose one that is; rnsenter keeps yours with --preserve-credentials, runshare maps others with --map-groups" },
    Hint { call: "setuid", on: "", errno: Errno::EINVAL, text: "this user is not mapped in the user namespace (see /proc/PID/uid_map): choose one that is; rnsenter keeps yours with --preserve-credentials, runshare maps others with --map-users" },
    Hint { call: "write", on: "uid_map", errno: Errno::EPERM, text: "a security module may confine new user namespaces: see the sysctl kernel.apparmor_restrict_unprivileged_userns" },
    Hint { call: "write", on: "cpu.cfs_", errno: Errno::EINVAL, text: "a group cannot have a larger share of CPU time than the one above it, nor less than 1000 microseconds" },
    Hint { call: "write", on: "/cpuset.", errno: Errno::EACCES, text: "a group can have only CPUs and memory nodes of the group above it, unless this is about rights: only its owner may change a group" },
    Hint { call: "write", on: "/cpuset.", errno: Errno::EINVAL, text: "a group beside it may have them for itself alone: see cpuset.cpu_exclusive and cpuset.mem_exclusive there" },
    Hint { call: "write", on: "/cpuset.", errno: Errno::ERANGE, text: "this machine does not have them all: see /sys/devices/system/cpu/online and /sys/devices/system/node/online" },
    Hint { call: "write", on: "/cpuset.", errno: Errno::EBUSY, text: "a group below has others of them, or they are in use for itself alone" },
    Hint { call: "write", on: "throttle.", errno: Errno::ENODEV, text: "only whole disks have such limits: lsblk lists them" },
    Hint { call: "write", on: "/io.max", errno: Errno::ENODEV, text: "only whole disks have such limits: lsblk lists them" },
    Hint { call: "write", on: "oom_score_adj", errno: Errno::EACCES, text: "a lower score than the caller's needs CAP_SYS_RESOURCE, which root of a container or service can lack" },
    Hint { call: "write", on: "cgroup.subtree_control", errno: Errno::EBUSY, text: "the group has processes, and only the root may have those and hand on controllers: name another with --parent" },
    Hint { call: "write", on: "cgroup.subtree_control", errno: Errno::ENOENT, text: "the controller is not handed on to this group by the one above, or is on a hierarchy of version 1" },
    Hint { call: "write", on: "cgroup.subtree_control", errno: Errno::EOPNOTSUPP, text: "it is in a threaded subtree, which takes no such controller: name another with --parent" },
    Hint { call: "write", on: "cgroup", errno: Errno::EACCES, text: "only who owns a group may change it: root, or the user it was delegated to" },
    Hint { call: "write", on: "cgroup", errno: Errno::EROFS, text: "this cgroup mount is read-only, as in most containers" },
    Hint { call: "fork", on: "", errno: Errno::ENOMEM, text: "the first process of the pid namespace has ended, and no other can be made in it" },
    Hint { call: "fork", on: "", errno: Errno::EAGAIN, text: "a limit on processes is reached: see `ulimit -u`, the cgroup's pids.max and /proc/sys/kernel/pid_max" },
];

impl Error {
    /// A call that failed with this errno on this thing.
    pub fn sys(call: &'static str, on: impl AsRef<[u8]>, errno: Errno) -> Error {
        Error::Sys { call, on: on.as_ref().to_vec(), errno, hint: None }
    }

    /// Like [`Error::sys`], from an error of the standard library.
    pub fn io(call: &'static str, on: impl AsRef<[u8]>, error: &std::io::Error) -> Error {
        Error::sys(call, on, Errno::from_raw(error.raw_os_error().unwrap_or(libc::EIO)))
    }

    /// A request that makes no sense.
    pub fn refused(what: impl AsRef<[u8]>) -> Error {
        Error::Refused { what: what.as_ref().to_vec(), hint: None }
    }

    /// The same error with this advice.
    pub fn with_hint(mut self, advice: impl Into<String>) -> Error {
        match &mut self {
            Error::Sys { hint, .. } | Error::Refused { hint, .. } => *hint = Some(advice.into()),
        }
        self
    }

    /// The same error with the controllers that it is about, behind what it was done to.
    pub fn of_controllers<N: AsRef<[u8]>>(mut self, names: &[N]) -> Error {
        if let Error::Sys { on, .. } = &mut self {
            *on = with_controllers(on, names);
        }
        self
    }

    /// The kernel's answer, where it was asked.
    pub fn errno(&self) -> Option<Errno> {
        match self {
            Error::Sys { errno, .. } => Some(*errno),
            Error::Refused { .. } => None,
        }
    }

    /// Did the process or file end or vanish while it was looked at?
    pub fn is_gone(&self) -> bool {
        matches!(self.errno(), Some(Errno::ENOENT | Errno::ESRCH))
    }

    /// Is it our own trouble, and says nothing of what was looked at: no descriptor, memory or space is left, or
    /// a signal came?
    pub fn is_our_own(&self) -> bool {
        self.errno().is_some_and(is_our_own)
    }

    /// Was the look at it refused?
    pub fn is_denied(&self) -> bool {
        matches!(self.errno(), Some(Errno::EACCES | Errno::EPERM))
    }

    /// The exit status of a launcher: 127 where the program was not found, 126 where it cannot be executed,
    /// else 125 for our own failure.
    pub fn status(&self) -> u8 {
        match self {
            Error::Sys { call: "exec", errno: Errno::ENOENT, .. } => 127,
            Error::Sys { call: "exec", .. } => 126,
            _ => 125,
        }
    }

    /// Why it failed, without what was tried: for a place that says that itself.
    pub fn reason(&self) -> String {
        match self {
            Error::Sys { errno, .. } => reason(*errno),
            Error::Refused { .. } => self.to_string(),
        }
    }

    /// What to do about it, where that is known.
    pub fn hint(&self) -> Option<&str> {
        match self {
            Error::Sys { hint: Some(hint), .. } | Error::Refused { hint: Some(hint), .. } => Some(hint),
            Error::Refused { .. } => None,
            Error::Sys { call, on, errno, .. } => HINTS
                .iter()
                .find(|h| h.call == *call && h.errno == *errno && contains(on, h.on.as_bytes()))
                .map(|h| h.text),
        }
    }
}

/// A thing with the controllers that it is about behind it, as messages have them.
pub fn with_controllers<N: AsRef<[u8]>>(what: &[u8], names: &[N]) -> Vec<u8> {
    let names: Vec<&[u8]> = names.iter().map(AsRef::as_ref).collect();
    match &names[..] {
        [] => what.to_vec(),
        names => [what, b" (controller ", &names.join(&b',')[..], b")"].concat(),
    }
}

/// The same of what a system call answered: see [`Error::is_our_own`].
pub fn is_our_own(errno: Errno) -> bool {
    matches!(errno, Errno::EMFILE | Errno::ENFILE | Errno::ENOMEM | Errno::ENOSPC | Errno::EINTR)
}

/// What could be had; nothing of what is gone, closed to us or unknown to this kernel. Still an error where the trouble
/// is our own: [`Error::is_our_own`].
pub fn or_none<T: Default>(had: Result<T>) -> Result<T> {
    match had {
        Err(e) if e.is_our_own() => Err(e),
        had => Ok(had.unwrap_or_default()),
    }
}

fn contains(hay: &[u8], needle: &[u8]) -> bool {
    needle.is_empty() || hay.windows(needle.len()).any(|window| window == needle)
}

/// The C library's words for an errno, which users know; nix has others.
fn reason(errno: Errno) -> String {
    let text = std::io::Error::from_raw_os_error(errno as i32).to_string();
    text.rsplit_once(" (os error").map_or(text.clone(), |(words, _)| words.to_string())
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Sys { call, on, errno, .. } if on.is_empty() => write!(f, "{call}: {}", reason(*errno)),
            Error::Sys { call, on, errno, .. } => {
                write!(f, "{call} {}: {}", show(on, Charset::from_env()), reason(*errno))
            }
            Error::Refused { what, .. } => f.write_str(&show(what, Charset::from_env())),
        }
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_reads_like_a_line_of_strace() {
        let error = Error::sys("setns", "net of 4242", Errno::EPERM);
        assert_eq!(error.to_string(), "setns net of 4242: Operation not permitted");
        assert_eq!(error.reason(), "Operation not permitted");
        assert!(error.hint().is_some_and(|hint| hint.contains("CAP_SYS_ADMIN")));
        assert_eq!(
            Error::sys("fork", "", Errno::EAGAIN).to_string(),
            "fork: Resource temporarily unavailable"
        );
        assert_eq!(Error::refused("no \x1b[1mbold").to_string(), "no \\x1b[1mbold");
    }

    #[test]
    fn the_first_hint_that_fits_is_given_and_an_explicit_one_wins() {
        let with_user = Error::sys("unshare", "user net", Errno::EPERM);
        let without = Error::sys("unshare", "net", Errno::EPERM);
        assert_ne!(with_user.hint(), without.hint());
        assert_eq!(without.with_hint("do this").hint(), Some("do this"));
        assert_eq!(Error::sys("close", "", Errno::EIO).hint(), None);
    }

    #[test]
    fn statuses_are_those_of_a_launcher() {
        assert_eq!(Error::sys("exec", "x", Errno::ENOENT).status(), 127);
        assert_eq!(Error::sys("exec", "x", Errno::EACCES).status(), 126);
        assert_eq!(Error::sys("setns", "x", Errno::ENOENT).status(), 125);
    }

    #[test]
    fn every_hint_can_be_reached() {
        for (i, hint) in HINTS.iter().enumerate() {
            let found = Error::sys(hint.call, hint.on, hint.errno);
            assert_eq!(found.hint(), Some(hint.text), "row {i} is hidden by one above it");
        }
    }
}
