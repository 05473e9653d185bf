//! What of newer kernels is there: asked of the kernel itself, not told by its release, since vendors add features to old
//! ones and filters of system calls take them away.

use nix::errno::Errno;
use nix::sys::statfs::{FsType, fstatfs};
use nix::unistd::gettid;

use super::fd::NsFd;
use super::visit;
use crate::error::{Error, Result, is_our_own};
use crate::kind::{Kind, KindMap, KindSet};
use crate::proc::{Proc, Task};
use crate::sys;

/// The file system of pidfds. Source: PID_FS_MAGIC of linux/magic.h.
const PIDFS: FsType = FsType(0x5049_4446);

/// A feature.
#[derive(Debug)]
pub struct Feature {
    /// What the kernel calls it.
    pub name: &'static str,
    /// The first release of Linux that had it.
    pub since: &'static str,
    /// What the tools do with it.
    pub what: &'static str,
    probe: fn(&Us) -> std::result::Result<(), Errno>,
}

/// What the kernel says of a feature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It is there.
    Yes,
    /// It is not.
    No(Errno),
    /// It is not for us: by our rights, or a filter of system calls.
    Refused(Errno),
    /// It could not be asked: we lacked a descriptor or memory.
    Unknown(Errno),
}

/// Ourselves, of whom the kernel is asked.
struct Us {
    task: Task,
    pidfd: std::os::fd::OwnedFd,
}

impl Us {
    fn ns(&self, kind: Kind) -> std::result::Result<NsFd, Errno> {
        NsFd::of(&self.task, kind).map_err(errno)
    }

    fn number(&self, kind: Kind) -> std::result::Result<u64, Errno> {
        sys::ns_get_id(self.ns(kind)?)
    }
}

fn errno(error: Error) -> Errno {
    error.errno().unwrap_or(Errno::EIO)
}

/// All that the tools make use of, by release.
#[rustfmt::skip]
pub const FEATURES: &[Feature] = &[
    Feature { name: "pidfd_getfd",            since: "5.6",  what: "the network of another's socket",            probe: |us| sys::pidfd_getfd(&us.pidfd, std::os::fd::AsRawFd::as_raw_fd(&us.pidfd)).map(drop) },
    Feature { name: "CLONE_INTO_CGROUP",      since: "5.7",  what: "programs begin in their cgroup",             probe: |us| sys::has_clone_into_group(&us.pidfd) },
    Feature { name: "setns(pidfd)",           since: "5.8",  what: "all namespaces entered at once",             probe: setns_by_pidfd },
    Feature { name: "CLOSE_RANGE_CLOEXEC",    since: "5.11", what: "no descriptor reaches a program",            probe: |_| sys::has_close_range_flag() },
    Feature { name: "idmapped mounts",        since: "5.12", what: "mounts with mapped owners",                  probe: |_| sys::has_idmapped_mounts() },
    Feature { name: "SO_NETNS_COOKIE",        since: "5.14", what: "net namespaces have a number",               probe: |_| sys::own_netns_cookie().map(drop) },
    Feature { name: "listmount, statmount",   since: "6.8",  what: "mounts are listed without /proc",            probe: |_| sys::list_mounts(0, sys::LSMT_ROOT, 0, &mut [0; 1]).map(drop) },
    Feature { name: "pidfd inode",            since: "6.9",  what: "PID:INODE names a process for good",         probe: pidfd_inode },
    Feature { name: "PIDFD_THREAD",           since: "6.9",  what: "threads are held too",                       probe: |_| sys::pidfd_of_thread(gettid().as_raw()).map(drop) },
    Feature { name: "NS_GET_MNTNS_ID",        since: "6.11", what: "mnt namespaces have a number",               probe: |us| us.number(Kind::Mnt).map(drop) },
    Feature { name: "listmount of others",    since: "6.11", what: "mounts of other mnt namespaces",             probe: |us| sys::list_mounts(us.number(Kind::Mnt)?, sys::LSMT_ROOT, 0, &mut [0; 1]).map(drop) },
    Feature { name: "NS_MNT_GET_INFO",        since: "6.12", what: "mounts are counted",                         probe: |us| sys::ns_count_mounts(us.ns(Kind::Mnt)?).map(drop) },
    Feature { name: "NS_MNT_GET_NEXT",        since: "6.12", what: "mnt namespaces without processes are found", probe: next_mount_namespace },
    Feature { name: "PIDFD_GET_INFO",         since: "6.13", what: "a pidfd tells of its process",               probe: |us| sys::has_pidfd_info(&us.pidfd) },
    Feature { name: "NS_GET_ID",              since: "6.18", what: "TYPE:#NSID names a namespace for good",      probe: |us| us.number(Kind::Uts).map(drop) },
    Feature { name: "listns",                 since: "6.19", what: "the kernel lists namespaces",                probe: |_| sys::listns(0, 0, &mut [0; 1]).map(drop) },
    Feature { name: "namespace by id alone",  since: "6.19", what: "TYPE:#NSID is opened at once",               probe: |us| us.number(Kind::Uts).and_then(sys::ns_by_id).map(drop) },
];

/// Into our own uts namespace, which we do not leave by that.
fn setns_by_pidfd(us: &Us) -> std::result::Result<(), Errno> {
    sys::setns(&us.pidfd, Kind::Uts.row().flag)
}

fn pidfd_inode(us: &Us) -> std::result::Result<(), Errno> {
    match fstatfs(&us.pidfd)?.filesystem_type() == PIDFS {
        true => Ok(()),
        false => Err(Errno::ENOTSUP),
    }
}

fn next_mount_namespace(us: &Us) -> std::result::Result<(), Errno> {
    match sys::ns_beside(&us.ns(Kind::Mnt)?, true) {
        // We are in the last one.
        Err(Errno::ENOENT) => Ok(()),
        answer => answer.map(drop),
    }
}

/// Asks for each feature. Nothing is changed.
pub fn ask(proc: &Proc) -> Result<Vec<(&'static Feature, Answer)>> {
    let pid = std::process::id() as i32;
    let pidfd = sys::pidfd_open(pid).map_err(|e| Error::sys("pidfd_open", pid.to_string(), e))?;
    let us = Us { task: proc.this()?, pidfd };
    let answer = |feature: &Feature| match (feature.probe)(&us) {
        Ok(()) => Answer::Yes,
        Err(errno @ (Errno::EPERM | Errno::EACCES)) => Answer::Refused(errno),
        Err(errno) if is_our_own(errno) => Answer::Unknown(errno),
        Err(errno) => Answer::No(errno),
    };
    Ok(FEATURES.iter().map(|feature| (feature, answer(feature))).collect())
}

/// Whether a namespace of a kind can be made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Making {
    /// As we are: none if it was made, or why not.
    pub alone: Option<Errno>,
    /// In a user namespace that was made first; none too where no such one could be made.
    pub in_user: Option<Option<Errno>>,
}

/// Tries to make a namespace of each kind, as we are, and in a new user namespace. By helpers that end at once, and the
/// namespaces with them. For callers with one thread, which from then on do not ignore SIGCHLD.
pub fn try_making() -> Result<KindMap<Making>> {
    let others = || Kind::all().filter(|kind| *kind != Kind::User);
    let make = |kind: Kind| (kind, sys::unshare(kind.row().flag).err());
    let mut making: KindMap<Making> = KindMap::default();
    let tell = |told: &mut dyn FnMut(KindSet, Option<Errno>), (kind, refused)| {
        told([kind].into_iter().collect(), refused);
    };
    let alone = visit::try_out(|told| others().for_each(|kind| tell(told, make(kind))))?;
    // Apart: who has made a pid namespace for children makes no second.
    let in_user = visit::try_out(|told| {
        let user = make(Kind::User);
        let is_made = user.1.is_none();
        tell(told, user);
        if is_made {
            others().for_each(|kind| tell(told, make(kind)));
        }
    })?;
    for one in alone {
        one.kinds.iter().for_each(|kind| making[kind].alone = one.refused);
    }
    for one in in_user {
        one.kinds.iter().for_each(|kind| match kind {
            Kind::User => making[kind].alone = one.refused,
            _ => making[kind].in_user = Some(one.refused),
        });
    }
    Ok(making)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn features_stand_in_the_order_of_their_releases_and_are_named_once() {
        let release = |feature: &Feature| {
            let numbers = feature.since.split('.').map(str::parse::<u32>);
            numbers.collect::<std::result::Result<Vec<_>, _>>().expect("numbers with dots")
        };
        assert!(FEATURES.is_sorted_by_key(release));
        for (at, feature) in FEATURES.iter().enumerate() {
            assert!(FEATURES[..at].iter().all(|other| other.name != feature.name), "{}", feature.name);
        }
    }

    #[test]
    fn each_gets_an_answer_and_what_every_kernel_has_is_there() {
        let proc = Proc::system().expect("/proc");
        let answers = ask(&proc).expect("answers");
        assert_eq!(answers.len(), FEATURES.len());
        let of = |name: &str| answers.iter().find(|(feature, _)| feature.name == name).expect("known").1;
        assert_eq!(of("pidfd_getfd"), Answer::Yes);
        assert_eq!(of("CLONE_INTO_CGROUP"), Answer::Yes);
        assert_ne!(of("setns(pidfd)"), Answer::No(Errno::EINVAL));
    }
}
