//! What confines a process beside its ids: seccomp, security modules, and whether others may look into it.

use std::ffi::CStr;

use nix::errno::Errno;

use super::status::{mask, value};
use super::{Proc, Task, settings};
use crate::error::{Error, Result};
use crate::text::digits;

/// What looks at the system calls of a process. Source: seccomp(2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seccomp {
    /// Nothing.
    Disabled,
    /// Only read, write, _exit and sigreturn are let through.
    Strict,
    /// Filters decide.
    Filter {
        /// So many. Linux 5.9.
        filters: Option<u64>,
    },
}

impl Seccomp {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Seccomp::Disabled => "disabled",
            Seccomp::Strict => "strict",
            Seccomp::Filter { .. } => "filter",
        }
    }
}

/// What the status of a process says; none of what the kernel was built without. Source: proc_pid_status(5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Confinement {
    /// Does a program give it no more rights, though it is set-user-ID? Source: PR_SET_NO_NEW_PRIVS(2const).
    pub no_new_privs: Option<bool>,
    /// The mode of seccomp.
    pub seccomp: Option<Seccomp>,
}

impl Confinement {
    /// Reads a status file.
    pub fn parse(status: &[u8]) -> Confinement {
        let seccomp = match mask(status, b"Seccomp:") {
            Some(0) => Some(Seccomp::Disabled),
            Some(1) => Some(Seccomp::Strict),
            Some(2) => Some(Seccomp::Filter { filters: value(status, b"Seccomp_filters:").and_then(digits) }),
            _ => None,
        };
        Confinement { no_new_privs: mask(status, b"NoNewPrivs:").map(|set| set == 1), seccomp }
    }
}

/// What a security module calls a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// The module; none where it cannot be told which.
    pub module: Option<&'static str>,
    /// The label, any bytes.
    pub label: Vec<u8>,
}

/// Modules that have files of their own, beside the one for that which came first. Source: proc_pid_attr(5), Linux 5.1.
const OWN_FILES: &[(&str, &CStr)] =
    &[("apparmor", c"attr/apparmor/current"), ("smack", c"attr/smack/current")];

/// The labels of a process, none where no module has labels. They may be refused by a module.
pub fn labels(proc: &Proc, task: &Task) -> Result<Vec<Label>> {
    let mut found = Vec::new();
    for (module, file) in OWN_FILES {
        found.extend(label(task, file)?.map(|label| Label { module: Some(module), label }));
    }
    if let Some(label) = label(task, c"attr/current")?
        && found.iter().all(|known| known.label != label)
    {
        let module = super::label::is_active(proc).unwrap_or(false).then_some("selinux");
        found.push(Label { module, label });
    }
    Ok(found)
}

/// What a file says. EINVAL says that no module answers there.
fn label(task: &Task, file: &CStr) -> Result<Option<Vec<u8>>> {
    match task.read(file) {
        Err(e) if e.errno() == Some(Errno::EINVAL) || e.is_gone() && task.is_there() => Ok(None),
        text => {
            let mut text = text?;
            let end = text.iter().position(|b| b"\0\n".contains(b)).unwrap_or(text.len());
            text.truncate(end);
            Ok(Some(text).filter(|text| !text.is_empty()))
        }
    }
}

/// The security modules of this machine in their order, as `capability,landlock,yama,apparmor`. An error where securityfs
/// is not mounted, as in most containers. Source: Documentation/admin-guide/LSM/index.rst, Linux 4.11.
pub fn modules() -> Result<Vec<u8>> {
    settings::of_sys("kernel/security/lsm")?.ok_or_else(|| Error::refused("securityfs is not mounted here"))
}

/// By whose ids it can be told whether a process is dumpable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owners {
    /// Its effective user id.
    pub effective: u32,
    /// The owner of its files.
    pub of_files: u32,
    /// Can the effective one be that of root, of the machine or of its user namespace, or have no number here? Then the
    /// two are the same either way.
    pub alike: bool,
}

impl Owners {
    /// Is it dumpable, so that its own user may trace it and read all of /proc/PID? The files of one that is not belong to
    /// root. None where that cannot be told. Sources: PR_SET_DUMPABLE(2const), proc(5).
    pub fn is_dumpable(self) -> Option<bool> {
        match self.effective == self.of_files {
            false => Some(false),
            true => (!self.alike).then_some(true),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_tells_the_mode_and_how_many_filters() {
        let of = |text: &str| Confinement::parse(text.as_bytes());
        let filter = |filters| Some(Seccomp::Filter { filters });
        for (text, no_new_privs, seccomp) in [
            ("NoNewPrivs:\t0\nSeccomp:\t0\nSeccomp_filters:\t0\n", Some(false), Some(Seccomp::Disabled)),
            ("NoNewPrivs:\t1\nSeccomp:\t2\nSeccomp_filters:\t12\n", Some(true), filter(Some(12))),
            ("NoNewPrivs:\t1\nSeccomp:\t2\n", Some(true), filter(None)),
            ("Seccomp:\t1\n", None, Some(Seccomp::Strict)),
            ("Seccomp:\t7\n", None, None),
            ("", None, None),
        ] {
            assert_eq!(of(text), Confinement { no_new_privs, seccomp }, "{text}");
        }
    }

    #[test]
    fn files_of_others_than_root_tell_whether_it_is_dumpable() {
        for (effective, of_files, alike, expected) in [
            (1000, 1000, false, Some(true)),
            (1000, 0, false, Some(false)),
            (1000, 100_000, true, Some(false)),
            (0, 0, true, None),
            (65534, 65534, true, None),
        ] {
            assert_eq!(
                Owners { effective, of_files, alike }.is_dumpable(),
                expected,
                "{effective} {of_files}"
            );
        }
    }
}
