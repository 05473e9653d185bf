//! Why a new proc could not be mounted.

use nix::errno::Errno;

use super::{FILTER, at_hand};
use crate::error::Error;
use crate::kind::{Kind, KindSet};
use crate::ns::initial;
use crate::proc::credentials::{Capability, Rights};
use crate::proc::mounts::{self, Mount, words};
use crate::proc::{Proc, Task};
use crate::text::{Charset, show};

/// So many mount points are named.
const SHOWN: usize = 3;

/// Directories of proc that exist to be mounted on; what is mounted there hides nothing.
/// Source: proc_create_mount_point of Linux.
const EMPTY: &[&[u8]] = &[b"/sys/fs/binfmt_misc", b"/fs/nfsd", b"/openprom"];

/// Why a new proc could not be mounted after namespaces of these kinds were made; `forked` where we are a child that was
/// made since. Source: mount(2), user_namespaces(7), `mount_too_revealing` of Linux.
pub fn new_proc(error: Error, proc: Option<&Proc>, kinds: KindSet, forked: bool) -> Error {
    let advice = match error.errno() {
        Some(Errno::ENOENT) => {
            "there is no such directory to mount it on: make it (mkdir); below a new root (-R) it is looked for in that"
                .into()
        }
        Some(Errno::ENOTDIR) => "proc is mounted on a directory: give another to --mount-proc=DIR".into(),
        Some(Errno::ENODEV) => "this kernel has no proc file system".into(),
        Some(Errno::ENOSPC) => {
            let max = proc.and_then(|proc| proc.sysctl("fs/mount-max"));
            let max = max.map_or(String::new(), |max| format!(" ({max})"));
            format!("the mount namespace has as many mounts as fs.mount-max allows{max}: raise that, or unmount some")
        }
        Some(Errno::EPERM | Errno::EACCES) => {
            let looked = at_hand(proc);
            let facts = looked.as_ref().map(|(proc, this)| Facts::take(proc, this, forked));
            refused(kinds, forked, facts.as_ref())
        }
        _ => return error,
    };
    error.with_hint(advice)
}

/// What was found.
struct Facts {
    rights: Rights,
    /// Are we in the user namespace that the machine started with?
    first: bool,
    /// The mounts of our mount namespace, of which a changed root hides some.
    mounts: Vec<Mount>,
}

impl Facts {
    fn take(proc: &Proc, this: &Task, forked: bool) -> Facts {
        let user = this.namespaces([Kind::User].into_iter().collect());
        // The parent has the same mount namespace, and the root from before.
        let above = || proc.task(this.stat().ok()?.ppid).ok();
        let seen = |task: &Task| mounts::of(task).ok();
        let mounts = forked.then(above).flatten().and_then(|above| seen(&above)).or_else(|| seen(this));
        Facts {
            rights: Rights::of(this).unwrap_or_default(),
            first: user.is_ok_and(|inodes| initial::is_fixed(inodes[Kind::User])),
            mounts: mounts.unwrap_or_default(),
        }
    }
}

fn refused(kinds: KindSet, forked: bool, facts: Option<&Facts>) -> String {
    let first = facts.is_some_and(|facts| facts.first);
    if let Some(Facts { rights, .. }) = facts
        && rights.has(Capability::SysAdmin) == Some(false)
    {
        return "this needs CAP_SYS_ADMIN, which we have not: add -r -p -f".into();
    }
    if !(first || kinds.contains(Kind::Pid) && forked) {
        return format!(
            "in a user namespace only the proc of a pid namespace that it owns can be mounted, and ours is not such a \
                one: {}",
            if kinds.contains(Kind::Pid) { "add -f" } else { "add -p -f" }
        );
    }
    let Some(facts) = facts else {
        return "no proc that has us is mounted on /proc, and in a user namespace a new one can be mounted only beside one \
            that can be seen whole: mount one before it is made (mount -t proc proc /proc)"
            .into();
    };
    let hidden = if first { None } else { hidden(&facts.mounts) };
    hidden.unwrap_or_else(|| match facts.rights.filtered {
        Some(true) => FILTER.into(),
        _ => "nothing was found that forbids it (a right that is missing, a seccomp filter, an old proc that is not \
            whole), so it is a security module: its log can tell (dmesg, journalctl -k)"
            .into(),
    })
}

/// What stands in the way of a new proc in a user namespace: it must not show what the old ones do not.
fn hidden(mounts: &[Mount]) -> Option<String> {
    let procs = || mounts.iter().filter(|mount| mount.fs_type == b"proc" && mount.root == b"/");
    if procs().next().is_none() {
        return Some(
            "no whole proc is mounted in this mount namespace, and in a user namespace a new one can be mounted only \
                beside such a one: mount one on /proc before it is made, or bind the machine's there"
                .into(),
        );
    }
    let mut why = Vec::new();
    for proc in procs() {
        let point = show(&proc.point, Charset::from_env());
        let covers: Vec<_> = mounts
            .iter()
            .filter(|mount| mount.parent == proc.id && mount.id != proc.id)
            .filter(|mount| !EMPTY.iter().any(|empty| mount.point == [&proc.point[..], empty].concat()))
            .map(|mount| show(&mount.point, Charset::from_env()))
            .collect();
        let has = |option: &[u8]| words(&proc.options).any(|word| word == option);
        if !covers.is_empty() {
            let more = covers.len().saturating_sub(SHOWN);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            let covers = covers[..covers.len().min(SHOWN)].join(", ");
            why.push(format!("parts of {point} are mounted over ({covers}{more})"));
        } else if has(b"ro") {
            why.push(format!("{point} is mounted read-only"));
        } else if !has(b"relatime") {
            why.push(format!("{point} is mounted with other options for access times"));
        } else {
            // Whole, so it is not for that.
            return None;
        }
    }
    Some(format!(
        "{}, as in containers, and in a user namespace a new proc must not show more: leave out --mount-proc, bind the \
            old one (mount --rbind), or have it whole outside (podman --security-opt unmask=ALL, docker --privileged)",
        why.join(", ")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(kinds: &[Kind]) -> KindSet {
        kinds.iter().copied().collect()
    }

    fn facts(text: &str) -> Facts {
        Facts {
            rights: Rights::parse(b"CapEff:\tffffffffff\n"),
            first: false,
            mounts: mounts::parse(text.as_bytes()).0,
        }
    }

    #[test]
    fn a_proc_that_is_not_whole_is_named_with_what_is_over_it() {
        const WHOLE: &str =
            "10 1 0:5 / / rw,relatime - ext4 none rw\n20 10 0:6 / /proc rw,nosuid,relatime - proc proc rw\n";
        #[rustfmt::skip]
        let cases: &[(&str, &[&str])] = &[
            (WHOLE, &[]),
            ("10 1 0:5 / / rw - ext4 none rw\n", &["no whole proc is mounted in this mount namespace"]),
            ("10 1 0:5 / / rw - ext4 none rw\n20 10 0:6 /sys /proc/sys rw,relatime - proc proc rw\n", &["no whole proc"]),
            ("20 10 0:6 / /proc ro,relatime - proc proc rw\n", &["/proc is mounted read-only"]),
            ("20 10 0:6 / /proc rw,noatime - proc proc rw\n", &["access times"]),
            ("20 10 0:6 / /proc rw,relatime - proc proc rw\n21 20 0:7 / /proc/sys/fs/binfmt_misc rw - autofs x rw\n", &[]),
            ("20 10 0:6 / /proc rw,relatime - proc proc rw\n21 20 0:7 / /proc/kcore rw - tmpfs x rw\n22 20 0:7 / /proc/\\033 rw - tmpfs x rw\n",
                &["parts of /proc are mounted over (/proc/kcore, /proc/\\x1b)", "--rbind"]),
            ("20 10 0:6 / /proc rw,relatime - proc proc rw\n21 20 0:7 / /proc/a rw - tmpfs x rw\n22 20 0:7 / /proc/b rw - tmpfs x rw\n\
              23 20 0:7 / /proc/c rw - tmpfs x rw\n24 20 0:7 / /proc/d rw - tmpfs x rw\n", &["(/proc/a, /proc/b, /proc/c and 1 more)"]),
            ("20 10 0:6 / /proc ro,relatime - proc proc rw\n21 10 0:7 / /x/proc rw,relatime - proc proc rw\n", &[]),
        ];
        for (text, has) in cases {
            let hint = hidden(&facts(text).mounts);
            assert_eq!(hint.is_some(), !has.is_empty(), "{text}{hint:?}");
            assert!(has.iter().all(|part| hint.as_ref().is_some_and(|hint| hint.contains(part))), "{hint:?}");
        }
    }

    #[test]
    fn a_new_pid_namespace_and_a_fork_are_asked_for_as_they_are_missing() {
        let with = |of: &[Kind], forked, facts: Option<&Facts>| refused(kinds(of), forked, facts);
        let whole = facts("20 10 0:6 / /proc rw,relatime - proc proc rw\n");
        assert!(with(&[Kind::User, Kind::Mnt], true, Some(&whole)).ends_with(": add -p -f"));
        assert!(with(&[Kind::User, Kind::Pid], false, Some(&whole)).ends_with(": add -f"));
        assert!(with(&[Kind::User, Kind::Pid], true, Some(&whole)).contains("security module"));
        let filtered = Facts { rights: Rights::parse(b"Seccomp:\t2\n"), ..facts("") };
        assert!(with(&[Kind::User, Kind::Pid], true, Some(&filtered)).contains("no whole proc"));
        assert!(with(&[Kind::User, Kind::Pid], true, None).contains("no proc that has us"));
        let first = Facts { first: true, ..facts("") };
        assert!(with(&[Kind::Mnt], false, Some(&first)).contains("security module"));
        let filtered = Facts { first: true, ..filtered };
        assert!(with(&[Kind::Mnt], false, Some(&filtered)).contains("seccomp filter is active"));
        let poor = Facts { rights: Rights::parse(b"CapEff:\t0\n"), ..facts("") };
        assert!(with(&[Kind::Mnt], false, Some(&poor)).contains("CAP_SYS_ADMIN"));
    }

    #[test]
    fn a_place_that_will_not_do_is_told_so() {
        let told = |errno, of: &[Kind], forked| {
            let error = Error::sys("mount", "proc on /x", errno);
            new_proc(error, None, kinds(of), forked).hint().unwrap_or_default().to_string()
        };
        assert!(told(Errno::ENOENT, &[], false).contains("mkdir"));
        assert!(told(Errno::ENOTDIR, &[], false).contains("directory"));
        assert!(told(Errno::ENOSPC, &[], false).contains("fs.mount-max"));
        assert_eq!(told(Errno::EIO, &[], false), "");
    }
}
