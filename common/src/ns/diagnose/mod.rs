//! Why the kernel refused: its answer is one word for many causes, so they are looked for, and the hint names those that
//! were found and what to do next. Only a path that has failed comes here.
//!
//! What was not seen is not claimed; where nothing was found that is said. `proc` is one that was opened before the world
//! changed.

mod enter;
mod maps;
mod mount;

use nix::errno::Errno;
use nix::sys::resource::{Resource, getrlimit};

use crate::cgroup::layout::Layout;
use crate::cgroup::usage;
use crate::error::{Error, Result};
use crate::kind::{Kind, KindSet};
use crate::ns::{initial, visit};
use crate::proc::credentials::{self, Capability, Rights};
use crate::proc::idmap::IdMap;
use crate::proc::place::Place;
use crate::proc::status::Status;
use crate::proc::{Proc, Task, mounts};
use crate::text::{Charset, show};

pub use enter::{Rehearsal, Row, closed, enter, ids, rehearse};
pub(in crate::ns) use enter::{first_thread_ended, name};
pub use maps::{Helper, IdTable, helper, maps, owner, set_id, setgroups};
pub use mount::new_proc;

/// What a limit of a user namespace is where nobody has set one. Source: user_namespaces of Linux (INT_MAX).
const UNLIMITED: u64 = i32::MAX as u64;

/// So many pid namespaces can stand in each other, the first among them. Source: pid_namespaces(7).
const PID_LEVELS: usize = 33;

/// So many processes above ours are asked whether they see our root elsewhere.
const ANCESTORS: usize = 64;

/// Why [`crate::sys::unshare`] refused to make namespaces of these kinds. Source: unshare(2), namespaces(7),
/// user_namespaces(7), pid_namespaces(7).
pub fn unshare(error: Error, proc: Option<&Proc>, kinds: KindSet) -> Error {
    let Some(errno) = error.errno() else { return error };
    let Some((proc, this)) = at_hand(proc) else { return blind(error) };
    let facts = Facts::take(proc, &this, kinds, errno);
    match advice(errno, kinds, &facts) {
        Some(advice) => error.with_hint(advice),
        None => error,
    }
}

/// Why no child could be made; what else fails around a fork stays as it is. Source: fork(2), pid_namespaces(7).
pub fn fork(error: Error, proc: Option<&Proc>) -> Error {
    let Error::Sys { call: "fork", errno, .. } = error else { return error };
    let Some((proc, this)) = at_hand(proc) else { return error };
    let advice = match errno {
        Errno::ENOMEM => no_memory(children_elsewhere(&this)),
        Errno::EAGAIN => limits_on_processes(proc),
        _ => return error,
    };
    error.with_hint(advice)
}

/// Us, as this /proc has us. None where there is no /proc, or one that does not know us.
fn at_hand(proc: Option<&Proc>) -> Option<(&Proc, Task)> {
    let proc = proc.filter(|proc| proc.is_the_kernels().unwrap_or(false))?;
    Some((proc, proc.this().ok()?))
}

/// The error where there is nothing to look at.
fn blind(error: Error) -> Error {
    let known = error.hint().map_or(String::new(), |hint| format!("; {hint}"));
    error.with_hint(format!(
        "no proc that has us is mounted on /proc, so that the cause cannot be looked for: mount -t proc proc /proc{known}"
    ))
}

/// What was found.
#[derive(Clone, Debug, Default)]
struct Facts {
    rights: Rights,
    /// Are we in the user namespace that the machine started with?
    first: bool,
    /// Debian's switch forbids user namespaces to those without rights in the first one.
    forbidden: bool,
    /// Ubuntu's switch confines them to what AppArmor knows.
    confined: bool,
    /// What of us is not mapped in our user namespace: user id, group id.
    unmapped: Option<&'static str>,
    /// How we know that our root is not that of the mount namespace.
    chroot: Option<Chroot>,
    /// The kinds that this kernel lacks.
    lacking: KindSet,
    /// The limit on namespaces of each kind asked for, and of user namespaces.
    limits: Vec<(Kind, u64)>,
    /// How many pid namespaces we are in, from that of /proc down.
    levels: usize,
    /// Do our children go into another pid namespace than ours?
    elsewhere: bool,
    /// The release of the kernel, where it can be told.
    release: Option<(u8, u8)>,
}

/// How a changed root shows.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Chroot {
    /// It is no mount point, and the root of a mount namespace is one.
    NoMount,
    /// Who enters our mount namespace gets another.
    Other,
    /// This process sees it there.
    SeenAt(Vec<u8>, i32),
}

impl Facts {
    fn take(proc: &Proc, this: &Task, kinds: KindSet, errno: Errno) -> Facts {
        let namespaces = this.namespaces(KindSet::all()).unwrap_or_default();
        let status = Status::of(this);
        let limit = |kind: Kind| Some((kind, proc.sysctl(&format!("user/max_{kind}_namespaces"))?));
        let mut limited = kinds;
        limited.insert(Kind::User);
        let refused = matches!(errno, Errno::EPERM | Errno::EACCES);
        Facts {
            rights: Rights::of(this).unwrap_or_default(),
            first: initial::is_fixed(namespaces[Kind::User]),
            forbidden: proc.sysctl("kernel/unprivileged_userns_clone") == Some(0),
            confined: proc.sysctl("kernel/apparmor_restrict_unprivileged_userns") == Some(1),
            unmapped: unmapped(this),
            // It is dear, and forks.
            chroot: if refused { chroot(proc, this) } else { None },
            // One that we may not look into has none of them.
            lacking: match namespaces.iter().any(|(_, ino)| *ino != 0) {
                true => kinds.iter().filter(|kind| namespaces[*kind] == 0).collect(),
                false => KindSet::EMPTY,
            },
            limits: limited.iter().filter_map(limit).collect(),
            levels: status.map_or(0, |status| status.pids.len()),
            elsewhere: children_elsewhere(this),
            release: procfs::sys::kernel::Version::current().ok().map(|v| (v.major, v.minor)),
        }
    }

    fn limit(&self, kind: Kind) -> Option<u64> {
        self.limits.iter().find(|(of, _)| *of == kind).map(|(_, limit)| *limit)
    }
}

/// Our ids that the map of our user namespace does not have.
fn unmapped(this: &Task) -> Option<&'static str> {
    let (uid, gid) = credentials::effective();
    let lacks = |map: Result<IdMap>, id| map.is_ok_and(|map| !map.knows(id));
    match (lacks(IdMap::of_users(this), uid), lacks(IdMap::of_groups(this), gid)) {
        (true, _) => Some("user id"),
        (_, true) => Some("group id"),
        _ => None,
    }
}

/// Do our children go into another pid namespace than ours? Where the first of them has still to be made, kernels
/// before Linux 7 tell none at all.
fn children_elsewhere(this: &Task) -> bool {
    let pid: KindSet = [Kind::Pid].into_iter().collect();
    let ours = this.namespaces(pid).map_or(0, |namespaces| namespaces[Kind::Pid]);
    ours != 0 && ours != this.for_children(pid)[Kind::Pid]
}

fn chroot(proc: &Proc, this: &Task) -> Option<Chroot> {
    let seen = mounts::of(this).ok()?;
    // One that sees no mount at all sees no proc either: then it was not read whole.
    if !seen.is_empty() && !seen.iter().any(|mount| mount.point == b"/") {
        return Some(Chroot::NoMount);
    }
    match visit::is_root_changed(this) {
        Some(true) => Some(Chroot::Other),
        Some(false) => None,
        // A mount is in one mount namespace only: who sees ours below its own root sees more of that.
        None => {
            let [mount, ..] = Place::open(std::path::Path::new("/")).ok()?.identity()?;
            let mut pid = this.stat().ok()?.ppid;
            for _ in 0..ANCESTORS {
                let above = proc.task(pid).ok()?;
                let theirs = mounts::of(&above).unwrap_or_default();
                let elsewhere = theirs.into_iter().find(|seen| seen.id == mount && seen.point != b"/");
                if let Some(elsewhere) = elsewhere {
                    return Some(Chroot::SeenAt(elsewhere.point, pid));
                }
                pid = above.stat().ok()?.ppid;
            }
            None
        }
    }
}

fn advice(errno: Errno, kinds: KindSet, facts: &Facts) -> Option<String> {
    match errno {
        Errno::EPERM | Errno::EACCES if kinds.contains(Kind::User) => Some(match against_users(facts) {
            found if found.is_empty() => {
                "nothing was found that forbids a user namespace here (a chroot, a seccomp \
                filter, a sysctl), so it is a security module: its log can tell (dmesg, journalctl -k)"
                    .into()
            }
            found => found.join("; also, "),
        }),
        Errno::EPERM | Errno::EACCES => Some(without_right(facts)),
        Errno::ENOSPC | Errno::EUSERS => Some(no_room(kinds, facts)),
        Errno::EINVAL => invalid(kinds, facts),
        Errno::ENOSYS => facts.rights.filtered.filter(|on| *on).map(|_| FILTER.into()),
        _ => None,
    }
}

const FILTER: &str = "a seccomp filter is active (`Seccomp: 2` in /proc/self/status), and such a one can refuse it, as \
    Docker's default does: run it without, in Docker with --security-opt seccomp=unconfined";

/// All that was found to forbid a new user namespace, or to be able to: what is certain first.
fn against_users(facts: &Facts) -> Vec<String> {
    let mut found = Vec::new();
    let could = facts.first && facts.rights.has(Capability::SysAdmin) == Some(true);
    if facts.forbidden && !could {
        found.push(
            "kernel.unprivileged_userns_clone is 0, which leaves user namespaces to those with CAP_SYS_ADMIN in the \
                first one: set it to 1 (sysctl -w kernel.unprivileged_userns_clone=1)"
                .into(),
        );
    }
    if facts.limit(Kind::User) == Some(0) {
        found.push(at_zero(&[Kind::User]));
    }
    if let Some(what) = facts.unmapped {
        found.push(format!(
            "our {what} is not mapped in the user namespace we are in, and only whose ids are may make another: make \
                that one with a map (-r or -c of runshare)"
        ));
    }
    match &facts.chroot {
        Some(Chroot::NoMount) => {
            found.push(format!("we are in a chroot (our root directory is no mount point){IN_CHROOT}"));
        }
        Some(Chroot::Other) => {
            found
                .push(format!("we are in a chroot (our root is not that of our mount namespace){IN_CHROOT}"));
        }
        Some(Chroot::SeenAt(point, pid)) => {
            let point = show(point, Charset::from_env());
            found.push(format!("we are in a chroot (process {pid} sees our root at {point}){IN_CHROOT}"));
        }
        None => {}
    }
    if facts.rights.filtered == Some(true) {
        found.push(FILTER.into());
    }
    if facts.confined && !could {
        found.push(confined().into());
    }
    found
}

const IN_CHROOT: &str = ", where no user namespace can be made: make the root with --pivot-root instead of -R or \
    chroot, or run it outside";

fn confined() -> &'static str {
    "kernel.apparmor_restrict_unprivileged_userns is 1, by which AppArmor refuses user namespaces, or all rights in \
        them, to programs without a profile that allows `userns`: load one for this program (/etc/apparmor.d), or set \
        it to 0"
}

fn without_right(facts: &Facts) -> String {
    let lacks = match (facts.rights.has(Capability::SysAdmin), facts.rights.could_have(Capability::SysAdmin))
    {
        (Some(true), _) if facts.rights.filtered == Some(true) => return FILTER.into(),
        (Some(true), _) => {
            return "we have CAP_SYS_ADMIN, and no seccomp filter is active, so it is a security module: its log can \
                tell (dmesg, journalctl -k)"
                .into();
        }
        (_, Some(false)) => {
            "this needs CAP_SYS_ADMIN, which our bounding set leaves out (`CapBnd` in /proc/self/status), as in most \
                containers, so that root has it not either"
        }
        _ => "this needs CAP_SYS_ADMIN, which we have not",
    };
    let against = against_users(facts);
    match &against[..] {
        [] => format!("{lacks}: add -r to be root of a new user namespace"),
        found => format!(
            "{lacks}; if you add -r to be root of a new user namespace, this is in the way: {}",
            found.join("; also, ")
        ),
    }
}

/// Names of sysctls: `user.max_net_namespaces`.
fn sysctl(kind: Kind) -> String {
    format!("user.max_{kind}_namespaces")
}

fn at_zero(kinds: &[Kind]) -> String {
    let names: Vec<_> = kinds.iter().map(|kind| sysctl(*kind)).collect();
    let raise: Vec<_> = names.iter().map(|name| format!("{name}=1000")).collect();
    format!(
        "{} {} 0 in this user namespace, so that none can be made in it: raise it (sysctl -w {}, which needs \
            CAP_SYS_RESOURCE there)",
        names.join(" and "),
        if names.len() == 1 { "is" } else { "are" },
        raise.join(" ")
    )
}

fn no_room(kinds: KindSet, facts: &Facts) -> String {
    let zero: Vec<_> = kinds.iter().filter(|kind| facts.limit(*kind) == Some(0)).collect();
    if !zero.is_empty() {
        return at_zero(&zero);
    }
    if kinds.contains(Kind::Pid) && facts.levels >= PID_LEVELS {
        return format!(
            "pid namespaces are nested {} deep here, and the kernel allows no more: run it from one further up",
            facts.levels - 1
        );
    }
    let set: Vec<_> = kinds
        .iter()
        .filter_map(|kind| Some((kind, facts.limit(kind).filter(|limit| *limit < UNLIMITED)?)))
        .map(|(kind, limit)| format!("{} is {limit}", sysctl(kind)))
        .collect();
    let raise = "raise it there (sysctl -w, needs CAP_SYS_RESOURCE), or end some: rlsns lists them";
    match (set.is_empty(), facts.first) {
        (false, true) => {
            let one = if set.len() == 1 { "this user has made that many" } else { "one of these is reached" };
            format!("{}, and {one}: {raise}", set.join(", "))
        }
        (false, false) => format!(
            "{} in this user namespace, and that is reached, or a limit in a user namespace above: {raise}",
            set.join(", ")
        ),
        (true, _) => {
            let deep = match (kinds.contains(Kind::User), kinds.contains(Kind::Pid)) {
                (true, true) => ", or user namespaces are nested 33 deep or pid namespaces 32",
                (true, false) => ", or user namespaces are nested 33 deep",
                (false, true) => ", or pid namespaces are nested 32 deep",
                _ => "",
            };
            let names: Vec<_> = kinds.iter().map(sysctl).collect();
            format!(
                "no limit is set in this user namespace, so one is reached in a user namespace above{deep}: see {} there",
                names.join(", ")
            )
        }
    }
}

fn invalid(kinds: KindSet, facts: &Facts) -> Option<String> {
    if !facts.lacking.is_empty() {
        let since: Vec<_> =
            facts.lacking.iter().map(|kind| format!("{kind} with Linux {}", kind.row().since)).collect();
        let ours = facts.release.map_or(String::new(), |(major, minor)| format!(" {major}.{minor}"));
        return Some(format!(
            "this kernel{ours} lacks the kind {}, which /proc/self/ns would show: they came {}, and can be left out of \
                a kernel; leave out the option",
            facts.lacking.to_string().replace(' ', ", "),
            since.join(", ")
        ));
    }
    (kinds.contains(Kind::Pid) && facts.elsewhere).then(|| {
        "our children go into another pid namespace than ours already, so that we can make none: add --fork to the \
            command that made it"
            .into()
    })
}

fn no_memory(elsewhere: bool) -> String {
    match elsewhere {
        true => "our children go into another pid namespace than ours, whose first process has ended, and no other \
            can be made in it: add --fork to the command that made it, so that the program is that process",
        false => "no other pid namespace waits for our children, so memory is short, or the first process of our own \
            pid namespace is ending: see /proc/meminfo and dmesg",
    }
    .into()
}

/// The limits on processes, those first that are seen to be reached. Source: fork(2), cgroup-v2 of the kernel.
fn limits_on_processes(proc: &Proc) -> String {
    if let Ok(Some((group, max))) = full_group(proc) {
        let group = show(&group, Charset::from_env());
        return format!(
            "as many processes as pids.max allows are in the cgroup {group}: {max}; raise that, or end some"
        );
    }
    let ours = match getrlimit(Resource::RLIMIT_NPROC) {
        Ok((soft, _)) if soft != nix::libc::RLIM_INFINITY => {
            format!("our user's is {soft} (ulimit -u), ")
        }
        _ => String::new(),
    };
    let of = |name: &str| proc.sysctl(name).map_or("unknown".into(), |limit| limit.to_string());
    format!(
        "a limit on processes is reached, and it is that of no cgroup of ours that can be seen: {ours}the machine's \
            are kernel.pid_max {} and kernel.threads-max {}",
        of("kernel/pid_max"),
        of("kernel/threads-max")
    )
}

/// The file of the group, ours or one above, that is full, and how many it may have.
fn full_group(proc: &Proc) -> Result<Option<(Vec<u8>, u64)>> {
    let layout = Layout::take(proc)?;
    let hierarchy = layout.of(b"pids")?;
    for group in hierarchy.chain(&layout.own_group(hierarchy)?) {
        let group = group?;
        let number = |name| group.read(name).ok().and_then(|text| usage::value(&text, None));
        if let (Some(max), Some(current)) = (number("pids.max"), number("pids.current"))
            && current >= max
        {
            return Ok(Some((group.file(""), max)));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(kinds: &[Kind]) -> KindSet {
        kinds.iter().copied().collect()
    }

    fn rights(effective: u64, bounding: u64, filtered: bool) -> Rights {
        Rights {
            effective: Some(effective),
            bounding: Some(bounding),
            filtered: Some(filtered),
            no_new_privs: Some(false),
        }
    }

    const ALL: u64 = 0x1ff_ffff_ffff;

    /// What a hint has, or has not.
    type Parts<'a> = &'a [&'a str];

    fn told(errno: Errno, kinds: &[Kind], facts: &Facts) -> String {
        advice(errno, set(kinds), facts).unwrap_or_default()
    }

    #[test]
    fn a_user_namespace_is_refused_for_what_was_found() {
        let base = || Facts { rights: rights(0, ALL, false), first: true, ..Facts::default() };
        #[rustfmt::skip]
        let cases: &[(Facts, Parts<'_>, Parts<'_>)] = &[
            (base(), &["nothing was found", "security module"], &[]),
            (Facts { forbidden: true, ..base() }, &["kernel.unprivileged_userns_clone is 0", "sysctl -w"], &["chroot"]),
            (Facts { forbidden: true, rights: rights(ALL, ALL, false), ..base() }, &["nothing was found"], &["clone"]),
            (Facts { forbidden: true, first: false, rights: rights(ALL, ALL, false), ..base() }, &["userns_clone is 0"], &[]),
            (Facts { confined: true, ..base() }, &["apparmor_restrict_unprivileged_userns is 1", "profile"], &[]),
            (Facts { confined: true, rights: rights(ALL, ALL, false), ..base() }, &["nothing was found"], &[]),
            (Facts { unmapped: Some("group id"), ..base() }, &["our group id is not mapped", "-r or -c"], &[]),
            (Facts { chroot: Some(Chroot::NoMount), ..base() }, &["no mount point", "--pivot-root"], &["seccomp"]),
            (Facts { chroot: Some(Chroot::SeenAt(b"/srv/\x1b".to_vec(), 7)), ..base() }, &["process 7 sees our root at /srv/\\x1b)"], &[]),
            (Facts { chroot: Some(Chroot::Other), rights: rights(0, ALL, true), ..base() },
                &["not that of our mount namespace", "; also, a seccomp filter", "Docker"], &[]),
        ];
        for (facts, has, not) in cases {
            let hint = told(Errno::EPERM, &[Kind::User, Kind::Net], facts);
            assert!(has.iter().all(|part| hint.contains(part)), "{hint}");
            assert!(!not.iter().any(|part| hint.contains(part)), "{hint}");
            assert_eq!(hint, told(Errno::EACCES, &[Kind::User, Kind::Net], facts));
        }
    }

    #[test]
    fn who_lacks_a_right_is_told_which_and_whether_r_will_do() {
        let base = || Facts { rights: rights(0, ALL, false), first: true, ..Facts::default() };
        #[rustfmt::skip]
        let cases: &[(Facts, Parts<'_>, Parts<'_>)] = &[
            (base(), &["CAP_SYS_ADMIN, which we have not: add -r to be root of a new user namespace"], &["bounding"]),
            (Facts { rights: rights(0, 0, false), ..base() }, &["bounding set leaves out", "containers", ": add -r"], &[]),
            (Facts { rights: rights(0, 0, true), ..base() }, &["containers", "add -r", "in the way: a seccomp filter"], &[]),
            (Facts { limits: vec![(Kind::User, 0)], ..base() }, &["in the way: user.max_user_namespaces is 0"], &[]),
            (Facts { rights: rights(ALL, ALL, true), ..base() }, &["seccomp filter"], &["CAP_SYS_ADMIN"]),
            (Facts { rights: rights(ALL, ALL, false), ..base() }, &["security module"], &["-r"]),
            (Facts::default(), &["CAP_SYS_ADMIN, which we have not"], &[]),
        ];
        for (facts, has, not) in cases {
            let hint = told(Errno::EPERM, &[Kind::Net], facts);
            assert!(has.iter().all(|part| hint.contains(part)), "{hint}");
            assert!(!not.iter().any(|part| hint.contains(part)), "{hint}");
        }
    }

    #[test]
    fn a_limit_is_named_where_it_is_seen() {
        use Kind::{Net, Pid, User, Uts};
        let with = |first, limits: &[(Kind, u64)], levels| Facts {
            first,
            limits: limits.to_vec(),
            levels,
            ..Facts::default()
        };
        let none = UNLIMITED;
        #[rustfmt::skip]
        let cases: &[(&[Kind], Facts, Parts<'_>, Parts<'_>)] = &[
            (&[Net, Uts], with(false, &[(User, 0), (Net, 0), (Uts, 5)], 1), &["user.max_net_namespaces is 0"], &["uts", "user_"]),
            (&[Net, Uts], with(true, &[(Net, 0), (Uts, 0)], 1), &["user.max_uts_namespaces and user.max_net_namespaces are 0"], &[]),
            (&[Net], with(true, &[(Net, 7)], 1), &["user.max_net_namespaces is 7, and this user has made that many"], &["above"]),
            (&[Net], with(false, &[(Net, 7)], 1), &["user.max_net_namespaces is 7 in this", "above"], &[]),
            (&[Net], with(false, &[(Net, none)], 1), &["no limit is set in this", "see user.max_net_namespaces there"], &["deep"]),
            (&[Pid], with(false, &[(Pid, none)], 3), &["pid namespaces are nested 32 deep"], &["run it"]),
            (&[Pid], with(false, &[(Pid, none)], 33), &["nested 32 deep here", "further up"], &["above"]),
            (&[User], with(false, &[(User, none)], 33), &["or user namespaces are nested 33 deep"], &["pid"]),
        ];
        for (kinds, facts, has, not) in cases {
            let hint = told(Errno::ENOSPC, kinds, facts);
            assert!(has.iter().all(|part| hint.contains(part)), "{hint}");
            assert!(!not.iter().any(|part| hint.contains(part)), "{hint}");
            assert_eq!(hint, told(Errno::EUSERS, kinds, facts));
        }
    }

    #[test]
    fn what_makes_no_sense_is_a_kind_that_is_missing_or_a_fork() {
        let lacking = Facts { lacking: set(&[Kind::Time]), release: Some((5, 4)), ..Facts::default() };
        let hint = told(Errno::EINVAL, &[Kind::Time, Kind::Net], &lacking);
        assert!(
            hint.starts_with("this kernel 5.4 lacks the kind time,") && hint.contains("Linux 5.6"),
            "{hint}"
        );
        let elsewhere = Facts { elsewhere: true, ..Facts::default() };
        assert!(told(Errno::EINVAL, &[Kind::Pid], &elsewhere).contains("--fork"));
        assert_eq!(told(Errno::EINVAL, &[Kind::Net], &elsewhere), "");
        assert_eq!(told(Errno::EIO, &[Kind::Net], &elsewhere), "");
        let filtered = Facts { rights: rights(0, 0, true), ..Facts::default() };
        assert!(told(Errno::ENOSYS, &[Kind::Net], &filtered).contains("seccomp"));
        assert_eq!(told(Errno::ENOSYS, &[Kind::Net], &elsewhere), "");
        assert!(no_memory(true).contains("--fork") && !no_memory(false).contains("--fork"));
    }

    #[test]
    fn without_proc_that_is_said() {
        let error = Error::sys("unshare", "net", Errno::EPERM);
        let hint = unshare(error, None, set(&[Kind::Net])).hint().unwrap_or_default().to_string();
        assert!(hint.contains("mount -t proc proc /proc; this needs CAP_SYS_ADMIN"), "{hint}");
    }
}
