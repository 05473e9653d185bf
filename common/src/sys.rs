//! All unsafe code: the system calls that nix lacks or has only as unsafe functions, each wrapped once.
//! What they open is closed on exec.

#![allow(unsafe_code)]

pub mod mount;

use std::ffi::{CStr, CString, OsStr, OsString};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal};
use nix::sys::stat::Mode;
use nix::unistd::{ForkResult, Pid};

type Result<T> = std::result::Result<T, Errno>;

fn owned(fd: libc::c_long) -> Result<OwnedFd> {
    let fd = Errno::result(fd)?;
    // SAFETY: the kernel has just made this descriptor for us and nothing else knows its number.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as RawFd) })
}

/// A descriptor that stays with one process even if its PID is used again. Source: pidfd_open(2), Linux 5.3.
pub fn pidfd_open(pid: i32) -> Result<OwnedFd> {
    // SAFETY: takes two integers and makes a descriptor, which is closed on exec by the kernel's own rule.
    owned(unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) })
}

/// The same of a thread. Source: PIDFD_THREAD, Linux 6.9 (pidfd_open(2)).
pub fn pidfd_of_thread(tid: i32) -> Result<OwnedFd> {
    // SAFETY: as above.
    owned(unsafe { libc::syscall(libc::SYS_pidfd_open, tid, libc::O_EXCL) })
}

/// Sends a signal to the process behind a pidfd. Source: pidfd_send_signal(2), Linux 5.1.
pub fn pidfd_send_signal(pidfd: impl AsFd, signal: i32) -> Result<()> {
    let fd = pidfd.as_fd().as_raw_fd();
    // SAFETY: a null siginfo is allowed: the kernel fills it in as for kill(2).
    let answer = unsafe {
        libc::syscall(libc::SYS_pidfd_send_signal, fd, signal, std::ptr::null::<libc::siginfo_t>(), 0)
    };
    Errno::result(answer).map(drop)
}

/// Enters the namespace behind a descriptor of a `/proc/PID/ns` file, or with a pidfd those of a process that
/// `flags` names, all or none. Source: setns(2); pidfds since Linux 5.8.
pub fn setns(fd: impl AsFd, flags: i32) -> Result<()> {
    // SAFETY: takes two integers.
    Errno::result(unsafe { libc::setns(fd.as_fd().as_raw_fd(), flags) }).map(drop)
}

/// Moves the caller into new namespaces of these kinds. Source: unshare(2).
pub fn unshare(flags: i32) -> Result<()> {
    // SAFETY: takes an integer; the flags in use do not touch memory or descriptors that are shared.
    Errno::result(unsafe { libc::unshare(flags) }).map(drop)
}

/// Locks an open file for as long as it is open, or fails with EWOULDBLOCK where another has it locked.
/// Source: flock(2).
pub fn lock(fd: impl AsFd) -> Result<()> {
    // SAFETY: takes two integers.
    Errno::result(unsafe { libc::flock(fd.as_fd().as_raw_fd(), libc::LOCK_EX | libc::LOCK_NB) }).map(drop)
}

// ioctl_ns(2). _IO(0xb7, n).
const NS_GET_USERNS: libc::c_ulong = 0xb701;
const NS_GET_PARENT: libc::c_ulong = 0xb702;
const NS_GET_NSTYPE: libc::c_ulong = 0xb703;
const NS_GET_OWNER_UID: libc::c_ulong = 0xb704;

fn ns_ioctl(fd: impl AsFd, request: libc::c_ulong) -> Result<libc::c_int> {
    // SAFETY: these requests take no argument and answer with an integer.
    Errno::result(unsafe { libc::ioctl(fd.as_fd().as_raw_fd(), request as _) })
}

/// The user namespace that owns a namespace; of a user namespace its parent. EPERM where it is outside our
/// view. Source: ioctl_ns(2), Linux 4.9.
pub fn ns_get_userns(fd: impl AsFd) -> Result<OwnedFd> {
    owned(ns_ioctl(fd, NS_GET_USERNS)?.into())
}

/// The parent of a user or pid namespace. EPERM both for "outside our view" and for "is the initial one".
/// Source: ioctl_ns(2), Linux 4.9.
pub fn ns_get_parent(fd: impl AsFd) -> Result<OwnedFd> {
    owned(ns_ioctl(fd, NS_GET_PARENT)?.into())
}

/// The `CLONE_NEW*` flag of a namespace's kind. ENOTTY where the file is no namespace.
/// Source: ioctl_ns(2), Linux 4.11.
pub fn ns_get_nstype(fd: impl AsFd) -> Result<i32> {
    ns_ioctl(fd, NS_GET_NSTYPE)
}

/// The user id, as our user namespace numbers it, of who made a user namespace.
/// Source: ioctl_ns(2), Linux 4.11.
pub fn ns_get_owner_uid(fd: impl AsFd) -> Result<u32> {
    let mut uid: libc::uid_t = 0;
    // SAFETY: this request writes one uid_t through the pointer, which outlives the call.
    let answer = unsafe { libc::ioctl(fd.as_fd().as_raw_fd(), NS_GET_OWNER_UID as _, &raw mut uid) };
    Errno::result(answer).map(|_| uid)
}

/// A number that a namespace keeps until the machine boots again, and that no other gets. ENOTTY where the kernel
/// has none. Source: NS_GET_ID, Linux 6.18; of mount namespaces NS_GET_MNTNS_ID, Linux 6.11 (linux/nsfs.h).
pub fn ns_get_id(fd: impl AsFd) -> Result<u64> {
    // _IOR(0xb7, n, __u64)
    const NS_GET_MNTNS_ID: libc::c_ulong = 0x8008_b705;
    const NS_GET_ID: libc::c_ulong = 0x8008_b70d;
    let ask = |request: libc::c_ulong| {
        let mut id = 0u64;
        // SAFETY: both requests write one u64 through the pointer, which outlives the call.
        let answer = unsafe { libc::ioctl(fd.as_fd().as_raw_fd(), request as _, &raw mut id) };
        Errno::result(answer).map(|_| id)
    };
    // Kernels have several words for a request that they do not know.
    ask(NS_GET_ID).or_else(|_| ask(NS_GET_MNTNS_ID)).map_err(|_| Errno::ENOTTY)
}

/// Opens a namespace by the number that [`ns_get_id`] answers. ESTALE where there is none, or where we may not
/// have it so. Source: open_by_handle_at(2) with FD_NSFS_ROOT, Linux 6.19 (linux/nsfs.h).
pub fn ns_by_id(id: u64) -> Result<OwnedFd> {
    const FD_NSFS_ROOT: libc::c_int = -10003;
    const FILEID_NSFS: libc::c_int = 0xf1;
    #[repr(C)]
    struct Handle {
        bytes: libc::c_uint,
        kind: libc::c_int,
        id: u64,
        ns_type: u32,
        ino: u32,
    }
    let handle = Handle { bytes: 16, kind: FILEID_NSFS, id, ns_type: 0, ino: 0 };
    let flags = libc::O_RDONLY | libc::O_CLOEXEC;
    // SAFETY: the structure is a file handle with its 16 bytes behind it, is only read, and outlives the call.
    owned(unsafe { libc::syscall(libc::SYS_open_by_handle_at, FD_NSFS_ROOT, &raw const handle, flags) })
}

/// The number of mounts in a mount namespace. ENOTTY and other words where the kernel cannot tell.
/// Source: NS_MNT_GET_INFO of linux/nsfs.h, Linux 6.12.
pub fn ns_count_mounts(fd: impl AsFd) -> Result<u64> {
    // _IOR(0xb7, 10, struct mnt_ns_info)
    const NS_MNT_GET_INFO: libc::c_ulong = 0x8010_b70a;
    #[repr(C)]
    struct Info {
        size: u32,
        mounts: u32,
        id: u64,
    }
    let mut info = Info { size: 16, mounts: 0, id: 0 };
    // SAFETY: this request writes one such structure of 16 bytes through the pointer, which outlives the call.
    let answer = unsafe { libc::ioctl(fd.as_fd().as_raw_fd(), NS_MNT_GET_INFO as _, &raw mut info) };
    Errno::result(answer).map(|_| info.mounts.into())
}

/// The mount namespace after this one in the kernel's list of all, or the one before it. ENOENT at the end. Needs
/// CAP_SYS_ADMIN in the initial user namespace, and to be in the initial pid namespace.
/// Source: NS_MNT_GET_NEXT and NS_MNT_GET_PREV of linux/nsfs.h, Linux 6.12.
pub fn ns_beside(fd: impl AsFd, after: bool) -> Result<OwnedFd> {
    // _IOR(0xb7, n, struct mnt_ns_info)
    const NS_MNT_GET_NEXT: libc::c_ulong = 0x8010_b70b;
    const NS_MNT_GET_PREV: libc::c_ulong = 0x8010_b70c;
    let request = if after { NS_MNT_GET_NEXT } else { NS_MNT_GET_PREV };
    let nothing = std::ptr::null_mut::<u8>();
    // SAFETY: these requests make a descriptor, closed on exec by the kernel's own rule; they write to the pointer
    // only if it is not null.
    owned(unsafe { libc::ioctl(fd.as_fd().as_raw_fd(), request as _, nothing) }.into())
}

/// The numbers, as [`ns_get_id`] answers them, of the namespaces of these kinds (`CLONE_NEW*` flags, or-ed) that come
/// after `last`, ascending: as many as fit; answers how many. Only those that the caller may see.
/// Source: listns of linux/nsfs.h, Linux 6.19.
pub fn listns(kinds: i32, last: u64, numbers: &mut [u64]) -> Result<usize> {
    // Newer than libc; the same number on every architecture but alpha.
    const SYS_LISTNS: libc::c_long = 470;
    #[repr(C)]
    struct Request {
        size: u32,
        spare: u32,
        last: u64,
        kinds: u32,
        spare2: u32,
        owner: u64,
    }
    let request = Request { size: 32, spare: 0, last, kinds: kinds as u32, spare2: 0, owner: 0 };
    // SAFETY: the request is only read, the kernel writes at most as many numbers as there is room for, and both
    // outlive the call.
    let count =
        unsafe { libc::syscall(SYS_LISTNS, &raw const request, numbers.as_mut_ptr(), numbers.len(), 0u32) };
    Errno::result(count).map(|count| count as usize)
}

/// What listmount(2) and statmount(2) are asked about.
#[repr(C)]
struct MountRequest {
    size: u32,
    spare: u32,
    mount: u64,
    param: u64,
    within: u64,
}

/// Stands for the root of a mount namespace, and for our own root in our own namespace. Source: linux/mount.h.
pub const LSMT_ROOT: u64 = u64::MAX;

/// The mounts below a mount in the mount namespace with this number, as [`ns_get_id`] answers it, that come after
/// `last`: as many as fit; answers how many. Needs CAP_SYS_ADMIN in the user namespace that
/// owns another one. Source: listmount(2), Linux 6.8; of other namespaces 6.11.
pub fn list_mounts(within: u64, below: u64, last: u64, mounts: &mut [u64]) -> Result<usize> {
    // Newer than libc; the same number on every architecture but alpha.
    const SYS_LISTMOUNT: libc::c_long = 458;
    let request = MountRequest { size: 32, spare: 0, mount: below, param: last, within };
    // SAFETY: the request is only read, the kernel writes at most as many numbers as there is room for, and both
    // outlive the call.
    let count =
        unsafe { libc::syscall(SYS_LISTMOUNT, &raw const request, mounts.as_mut_ptr(), mounts.len(), 0u32) };
    Errno::result(count).map(|count| count as usize)
}

/// Writes what `mask` (`STATMOUNT_*` of linux/mount.h) asks of a mount into `answer`: struct statmount, 512 bytes, and
/// texts behind it. EOVERFLOW where those do not fit. Source: statmount(2), Linux 6.8; of other namespaces 6.11.
pub fn stat_mount(within: u64, mount: u64, mask: u64, answer: &mut [u64]) -> Result<()> {
    // Newer than libc; the same number on every architecture but alpha.
    const SYS_STATMOUNT: libc::c_long = 457;
    let request = MountRequest { size: 32, spare: 0, mount, param: mask, within };
    // SAFETY: the request is only read, the kernel writes at most the bytes that there is room for, and both outlive
    // the call.
    let done = unsafe {
        let room = std::mem::size_of_val(answer);
        libc::syscall(SYS_STATMOUNT, &raw const request, answer.as_mut_ptr(), room, 0u32)
    };
    Errno::result(done).map(drop)
}

/// Reads a symbolic link below a directory into `buffer`; answers what was written. One system call and no
/// allocation: a listing does this eight times for each process. Source: readlinkat(2).
pub fn readlinkat<'a>(dir: impl AsFd, path: &CStr, buffer: &'a mut [u8]) -> Result<&'a [u8]> {
    // SAFETY: the path ends with a NUL and the kernel writes at most `len` bytes into the buffer.
    let length = Errno::result(unsafe {
        libc::readlinkat(dir.as_fd().as_raw_fd(), path.as_ptr(), buffer.as_mut_ptr().cast(), buffer.len())
    })?;
    Ok(&buffer[..length as usize])
}

/// Reads entries of an open directory into `buffer`, as many as fit; answers the bytes that were written, none at
/// the end. Neither allocates nor asks anything else, as the C library would. Source: getdents64(2).
pub fn getdents(dir: impl AsFd, buffer: &mut [u8]) -> Result<&[u8]> {
    // SAFETY: the kernel writes at most `len` bytes into the buffer, which outlives the call.
    let length = Errno::result(unsafe {
        libc::syscall(libc::SYS_getdents64, dir.as_fd().as_raw_fd(), buffer.as_mut_ptr(), buffer.len())
    })?;
    Ok(&buffer[..length as usize])
}

/// The same open file in our own table, by the number it has in that of a process. It can be asked, and closed, of
/// sockets without being disturbed; closing a file flushes it, so of others it is not to be had. Needs
/// PTRACE_MODE_ATTACH (ptrace(2)). Source: pidfd_getfd(2), Linux 5.6.
pub fn pidfd_getfd(pidfd: impl AsFd, fd: i32) -> Result<OwnedFd> {
    // SAFETY: takes three integers and makes a descriptor, which is closed on exec by the kernel's own rule.
    owned(unsafe { libc::syscall(libc::SYS_pidfd_getfd, pidfd.as_fd().as_raw_fd(), fd, 0) })
}

/// The net namespace of a socket, or of a tun or tap device's descriptor. Needs CAP_NET_ADMIN in it.
/// Source: SIOCGSKNS of linux/sockios.h, Linux 4.10.
pub fn socket_netns(fd: impl AsFd) -> Result<OwnedFd> {
    const SIOCGSKNS: libc::c_ulong = 0x894c;
    // SAFETY: takes no argument and makes a descriptor, which is closed on exec by the kernel's own rule.
    owned(unsafe { libc::ioctl(fd.as_fd().as_raw_fd(), SIOCGSKNS as _) }.into())
}

/// The order of the tables of descriptors of two tasks, by their numbers in our pid namespace: equal if they share one,
/// else any, but the same until they end. Source: kcmp(2).
pub fn compare_descriptors(one: i32, other: i32) -> Result<std::cmp::Ordering> {
    use std::cmp::Ordering;
    const KCMP_FILES: libc::c_int = 2;
    // SAFETY: takes integers.
    let order = unsafe { libc::syscall(libc::SYS_kcmp, one, other, KCMP_FILES, 0, 0) };
    match Errno::result(order)? {
        0 => Ok(Ordering::Equal),
        1 => Ok(Ordering::Less),
        2 => Ok(Ordering::Greater),
        _ => Err(Errno::EINVAL),
    }
}

/// Device and inode number of what a descriptor leads to, by what is known without asking another machine.
/// Source: statx(2), AT_STATX_DONT_SYNC, Linux 4.11.
pub fn stat_quietly(fd: impl AsFd) -> Result<(u64, u64)> {
    let flags = libc::AT_EMPTY_PATH | libc::AT_STATX_DONT_SYNC;
    // SAFETY: the structure is plain data, the path is empty and ends with a NUL, and the kernel writes one statx
    // through the pointer, which outlives the call.
    let (answer, stat) = unsafe {
        let mut stat = std::mem::zeroed::<libc::statx>();
        let fd = fd.as_fd().as_raw_fd();
        let answer = libc::statx(fd, c"".as_ptr(), flags, libc::STATX_INO, &raw mut stat);
        (answer, stat)
    };
    Errno::result(answer)?;
    Ok((libc::makedev(stat.stx_dev_major, stat.stx_dev_minor), stat.stx_ino))
}

/// Makes us untraceable for those who are not privileged: they cannot look at our descriptors and memory.
/// Source: PR_SET_DUMPABLE(2const).
pub fn set_undumpable() -> crate::Result<()> {
    nix::sys::prctl::set_dumpable(false).map_err(|e| crate::Error::sys("prctl", "PR_SET_DUMPABLE", e))
}

/// The id of the mount that a descriptor was opened through, as the first field of mountinfo has it. Not
/// known before Linux 5.8. Source: statx(2).
pub fn mount_id(fd: impl AsFd) -> Option<u64> {
    mount_id_of(fd).ok()
}

/// The same, and why it is not known; ENOSYS before Linux 5.8.
pub fn mount_id_of(fd: impl AsFd) -> Result<u64> {
    // SAFETY: the structure is plain data, the path is empty and ends with a NUL, and the kernel writes one
    // statx through the pointer, which outlives the call.
    let (answer, stat) = unsafe {
        let mut stat = std::mem::zeroed::<libc::statx>();
        let fd = fd.as_fd().as_raw_fd();
        let answer = libc::statx(fd, c"".as_ptr(), libc::AT_EMPTY_PATH, libc::STATX_MNT_ID, &raw mut stat);
        (answer, stat)
    };
    Errno::result(answer)?;
    if stat.stx_mask & libc::STATX_MNT_ID != 0 { Ok(stat.stx_mnt_id) } else { Err(Errno::ENOSYS) }
}

/// Marks every descriptor from this number on to be closed on exec. Source: close_range(2), Linux 5.9;
/// the flag since 5.11, so on 5.10 they are closed at once: for callers only that are about to exec and use
/// none of them any more.
pub fn close_from(first: u32) -> crate::Result<()> {
    let range = |flags: u32| {
        // SAFETY: with the flag nothing is closed now. Without it the caller is about to exec and uses no
        // descriptor of that range any more.
        Errno::result(unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, flags) }).map(drop)
    };
    match range(libc::CLOSE_RANGE_CLOEXEC) {
        Err(Errno::EINVAL) => range(0),
        answer => answer,
    }
    .map_err(|e| crate::Error::sys("close_range", "", e))
}

/// Closes every descriptor but the standard ones and these. For callers only that use none of the others any more.
/// Source: close_range(2), Linux 5.9.
pub fn close_but(kept: &[RawFd]) -> crate::Result<()> {
    let mut kept: Vec<u32> = kept.iter().filter(|fd| **fd > 2).map(|fd| *fd as u32).collect();
    kept.sort_unstable();
    let mut first = 3;
    for end in kept.into_iter().chain([u32::MAX]) {
        if first < end {
            // The largest number belongs to no descriptor.
            // SAFETY: the caller uses no descriptor of that range any more.
            Errno::result(unsafe { libc::syscall(libc::SYS_close_range, first, end - 1, 0u32) })
                .map_err(|e| crate::Error::sys("close_range", "", e))?;
        }
        first = end.saturating_add(1);
    }
    Ok(())
}

/// Makes a child process. For callers with one thread only, as the tools are: then the child may do what the
/// parent may. Source: fork(2).
pub fn fork() -> Result<ForkResult> {
    // SAFETY: the tools have one thread, so no lock can be held by a thread that the child lacks.
    unsafe { nix::unistd::fork() }
}

/// How a child changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It ended with this status.
    Exited(u8),
    /// A signal ended it.
    Killed(i32),
    /// This signal stopped it.
    Stopped(i32),
}

/// Collects a change of any child, without waiting for one. nix's waitpid cannot tell of real-time signals.
/// Source: waitpid(2).
pub fn wait_any() -> Result<Option<(Pid, Change)>> {
    let mut status = 0;
    // SAFETY: writes one int through the pointer, which outlives the call.
    let pid = unsafe { libc::waitpid(-1, &raw mut status, libc::WNOHANG | libc::WUNTRACED) };
    Ok(match Errno::result(pid)? {
        0 => None,
        pid if libc::WIFEXITED(status) => {
            Some((Pid::from_raw(pid), Change::Exited(libc::WEXITSTATUS(status) as u8)))
        }
        pid if libc::WIFSIGNALED(status) => {
            Some((Pid::from_raw(pid), Change::Killed(libc::WTERMSIG(status))))
        }
        pid => Some((Pid::from_raw(pid), Change::Stopped(libc::WSTOPSIG(status)))),
    })
}

/// Waits for one of these signals, which are blocked: its number, and how it came (`SI_USER`, `SI_KERNEL` and so on of
/// sigaction(2)). nix tells only the number, and not of real-time signals. Source: sigwaitinfo(2).
pub fn wait_signal(mask: &SigSet) -> Result<(i32, i32)> {
    // SAFETY: the set is initialised; the kernel writes one siginfo through the pointer, plain data that outlives the call.
    let (answer, info) = unsafe {
        let mut info = std::mem::zeroed::<libc::siginfo_t>();
        (libc::sigwaitinfo(mask.as_ref(), &raw mut info), info)
    };
    Errno::result(answer).map(|signal| (signal, info.si_code))
}

/// Sends a signal by its number, real-time ones too, to a process that cannot have gone. Source: kill(2).
pub fn send_signal(pid: Pid, signal: i32) -> Result<()> {
    // SAFETY: takes integers.
    Errno::result(unsafe { libc::kill(pid.as_raw(), signal) }).map(drop)
}

/// From now on we get a signal when there is something to be read: a real-time one, which no other takes the place of.
/// Source: fcntl(2), F_SETOWN, F_SETSIG and O_ASYNC.
pub fn signal_on_input(fd: impl AsFd) -> Result<()> {
    // Of fcntl.h; the same on every machine.
    const F_SETSIG: i32 = 10;
    let fd = fd.as_fd().as_raw_fd();
    // SAFETY: takes integers.
    unsafe {
        Errno::result(libc::fcntl(fd, libc::F_SETOWN, libc::getpid()))?;
        Errno::result(libc::fcntl(fd, F_SETSIG, libc::SIGRTMAX()))?;
        Errno::result(libc::fcntl(fd, libc::F_SETFL, libc::O_RDWR | libc::O_ASYNC)).map(drop)
    }
}

/// Is this the signal of [`signal_on_input`], or the one that comes where too many wait?
pub fn tells_of_input(signal: i32) -> bool {
    [libc::SIGRTMAX(), libc::SIGIO].contains(&signal)
}

/// The signals that are blocked and wait for us. Source: sigpending(2).
pub fn pending() -> SigSet {
    // SAFETY: the kernel writes a set through the pointer, which outlives the call and is initialised before.
    unsafe {
        let mut set = std::mem::zeroed::<libc::sigset_t>();
        libc::sigpending(&raw mut set);
        SigSet::from_sigset_t_unchecked(set)
    }
}

/// Is this signal in the set? nix asks only of the classic ones.
pub fn has(set: &SigSet, signal: i32) -> bool {
    // SAFETY: only reads the set, which is initialised.
    unsafe { libc::sigismember(set.as_ref(), signal) == 1 }
}

/// Is this signal ignored by us? Source: sigaction(2).
pub fn ignores(signal: i32) -> bool {
    // SAFETY: changes nothing; the kernel writes through the pointer, to what outlives the call.
    unsafe {
        let mut action = std::mem::zeroed::<libc::sigaction>();
        libc::sigaction(signal, std::ptr::null(), &raw mut action) == 0
            && action.sa_sigaction == libc::SIG_IGN
    }
}

/// Takes a descriptor over that was given to us by its number and can be written to: ours is closed on exec, and that one
/// is too unless it is one of the standard ones. EBADF where it is none. Source: fcntl(2).
pub fn take_given(fd: RawFd) -> Result<OwnedFd> {
    // SAFETY: only asks, of any number.
    let flags = Errno::result(unsafe { libc::fcntl(fd, libc::F_GETFL) })?;
    if flags & libc::O_ACCMODE == libc::O_RDONLY || flags & libc::O_PATH != 0 {
        return Err(Errno::EBADF);
    }
    // SAFETY: makes a descriptor that nothing else knows.
    let taken = owned(unsafe { libc::fcntl(fd, libc::F_DUPFD_CLOEXEC, 3) }.into())?;
    if fd > 2 {
        // SAFETY: it was given to us to be written to and is used by nothing of ours.
        Errno::result(unsafe { libc::close(fd) })?;
    }
    Ok(taken)
}

/// Writes all of it to what [`take_given`] took. Nobody is left who would be killed by SIGPIPE: that is EPIPE.
pub fn tell_given(fd: impl AsFd, mut bytes: &[u8]) -> Result<()> {
    while !bytes.is_empty() {
        match without_sigpipe(|| nix::unistd::write(&fd, bytes)) {
            Ok(length) => bytes = &bytes[length..],
            Err(Errno::EINTR) => {}
            Err(e) => return Err(e),
        }
    }
    Ok(())
}

/// Sets what a signal does, to its default or to nothing; answers whether it was ignored before.
/// Source: sigaction(2).
pub fn ignore(signal: Signal, ignored: bool) -> Result<bool> {
    let handler = if ignored { SigHandler::SigIgn } else { SigHandler::SigDfl };
    let action = SigAction::new(handler, SaFlags::empty(), SigSet::empty());
    // SAFETY: no handler function is installed.
    let old = unsafe { nix::sys::signal::sigaction(signal, &action) }?;
    Ok(matches!(old.handler(), SigHandler::SigIgn))
}

/// Sends a signal to ourselves that ends us as it would have ended the program. Real-time signals are beyond
/// nix's `Signal`, so this takes the number. Returns where the signal has no effect (the first process of a
/// pid namespace). Source: signal(7).
pub fn die_by(signal: i32) {
    // SAFETY: no handler function is installed, the set is initialised by sigemptyset, and the rest takes
    // integers.
    unsafe {
        libc::signal(signal, libc::SIG_DFL);
        let mut set = std::mem::zeroed::<libc::sigset_t>();
        libc::sigemptyset(&raw mut set);
        libc::sigaddset(&raw mut set, signal);
        libc::sigprocmask(libc::SIG_UNBLOCK, &raw const set, std::ptr::null_mut());
        libc::kill(Pid::this().as_raw(), signal);
    }
}

/// The signal we get when our parent ends; 0 for none. Forgotten by the kernel when our credentials change.
/// nix takes only the classic signals. Source: PR_SET_PDEATHSIG(2const).
pub fn set_pdeathsig(signal: i32) -> Result<()> {
    // SAFETY: takes integers.
    Errno::result(unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, signal) }).map(drop)
}

/// Our effective capabilities, a bit each. Source: capget(2).
pub fn capabilities() -> u64 {
    const VERSION_3: u32 = 0x2008_0522;
    let header = [VERSION_3, 0];
    // Effective, permitted and inheritable: the lower 32 bits of each, then the higher.
    let mut data = [[0u32; 3]; 2];
    // SAFETY: the header is a version and the number of no process, ours; of this version the kernel writes two
    // structures of three numbers, and both outlive the call, which cannot fail for them.
    unsafe { libc::syscall(libc::SYS_capget, header.as_ptr(), data.as_mut_ptr()) };
    u64::from(data[1][0]) << 32 | u64::from(data[0][0])
}

/// The lowest and highest real-time signal that programs may use. Source: signal(7).
pub fn realtime_signals() -> (i32, i32) {
    (libc::SIGRTMIN(), libc::SIGRTMAX())
}

/// The effective user and group id that we were started with. The kernel has left them in our memory, so nothing is asked.
/// Source: AT_EUID and AT_EGID, getauxval(3).
pub fn started_as() -> (u32, u32) {
    // SAFETY: takes an integer and reads what never changes.
    let id = |which| unsafe { libc::getauxval(which) } as u32;
    (id(libc::AT_EUID), id(libc::AT_EGID))
}

/// How many columns the terminal behind this descriptor has, if it is one and knows.
/// Source: TIOCGWINSZ(2const).
pub fn terminal_columns(fd: impl AsFd) -> Option<usize> {
    let mut size = libc::winsize { ws_row: 0, ws_col: 0, ws_xpixel: 0, ws_ypixel: 0 };
    // SAFETY: the request writes one winsize through the pointer, which outlives the call.
    let answer = unsafe { libc::ioctl(fd.as_fd().as_raw_fd(), libc::TIOCGWINSZ, &raw mut size) };
    (answer == 0 && size.ws_col > 0).then_some(size.ws_col.into())
}

/// Defines the function that the C library calls as `main`: it hands the command line to the given function, and ends
/// us with the status that this answers. For a binary with `#![no_main]`.
///
/// So Rust's runtime does not begin, whose thirty system calls are more than the rest of a start: it ignores SIGPIPE,
/// which the program that we start would have to be given back, and reads `/proc/self/maps` to know our stack.
#[macro_export]
macro_rules! entry {
    ($main:expr) => {
        // SAFETY: nothing else in the binary bears this name, and the C library calls it with the words that exec was
        // given.
        #[allow(unsafe_code)]
        #[unsafe(export_name = "main")]
        extern "C" fn entry(
            count: std::ffi::c_int,
            words: *const *const std::ffi::c_char,
        ) -> std::ffi::c_int {
            let main: fn(Vec<std::ffi::OsString>) -> u8 = $main;
            // SAFETY: as above.
            main(unsafe { $crate::sys::words(count, words) }).into()
        }
    };
}

/// The words of a command line.
///
/// # Safety
///
/// There are so many, each of them ends with a NUL, and they stay as they are.
pub unsafe fn words(count: libc::c_int, words: *const *const libc::c_char) -> Vec<OsString> {
    let count = usize::try_from(count).unwrap_or(0);
    // SAFETY: the caller says so.
    let word = |at| unsafe { CStr::from_ptr(*words.add(at)) };
    (0..count).map(|at| OsString::from_vec(word(at).to_bytes().to_vec())).collect()
}

/// Takes hold of the numbers of standard input, output and error where they are closed, so that nothing that we open
/// gets one of them: a message would be written into it. In the program that we start they are closed again.
pub fn hold_standard_descriptors() -> crate::Result<()> {
    let mut fds = [0, 1, 2].map(|fd| libc::pollfd { fd, events: 0, revents: 0 });
    // SAFETY: the kernel writes only into the three structures, which outlive the call.
    let polled = unsafe { libc::poll(fds.as_mut_ptr(), 3, 0) } != -1;
    for libc::pollfd { fd, revents, .. } in fds {
        // Who may have no three descriptors may not poll them either.
        // SAFETY: only asks.
        let closed = || unsafe { libc::fcntl(fd, libc::F_GETFD) } == -1;
        if if polled { revents & libc::POLLNVAL != 0 } else { closed() } {
            // The lowest number that is free is this one. Where there are no devices the root directory serves as well: it
            // can be neither read nor written.
            let open = |path: &CStr, flags| nix::fcntl::open(path, flags | OFlag::O_CLOEXEC, Mode::empty());
            let held = open(c"/dev/null", OFlag::O_RDWR).or_else(|_| open(c"/", OFlag::O_PATH));
            let _ = held.map_err(|e| crate::Error::sys("open", "/dev/null", e))?.into_raw_fd();
        }
    }
    Ok(())
}

/// Writes where nobody may be left to read: that is an error then, EPIPE, and no signal that ends us.
pub fn without_sigpipe<T>(write: impl FnOnce() -> T) -> T {
    let ignored = ignore(Signal::SIGPIPE, true);
    let answer = write();
    if let Ok(false) = ignored {
        let _ = ignore(Signal::SIGPIPE, false);
    }
    answer
}

/// Takes every variable out of the environment. For callers with one thread only, as the tools are.
/// Source: clearenv(3).
pub fn clear_environment() -> Result<()> {
    // SAFETY: the tools have one thread, so nobody reads the environment meanwhile.
    match unsafe { libc::clearenv() } {
        0 => Ok(()),
        _ => Err(Errno::ENOMEM),
    }
}

/// Puts a variable into the environment. For callers with one thread only. Source: setenv(3).
pub fn set_variable(name: &OsStr, value: &OsStr) -> Result<()> {
    let text = |text: &OsStr| CString::new(text.as_bytes()).map_err(|_| Errno::EINVAL);
    let (name, value) = (text(name)?, text(value)?);
    // SAFETY: both end with a NUL and are copied; the tools have one thread, so nobody reads the environment meanwhile.
    Errno::result(unsafe { libc::setenv(name.as_ptr(), value.as_ptr(), 1) }).map(drop)
}

/// Sets the NIS domain name of our uts namespace. Source: setdomainname(2).
pub fn set_domain_name(name: &OsStr) -> Result<()> {
    let name = name.as_bytes();
    // SAFETY: the kernel reads `len` bytes of the name, which outlives the call.
    Errno::result(unsafe { libc::setdomainname(name.as_ptr().cast(), name.len()) }).map(drop)
}

/// Brings a network device of our net namespace up. Source: netdevice(7).
pub fn bring_up(device: &CStr) -> Result<()> {
    let kind = libc::SOCK_DGRAM | libc::SOCK_CLOEXEC;
    // SAFETY: takes three integers and makes a descriptor.
    let socket = owned(unsafe { libc::socket(libc::AF_INET, kind, 0) }.into())?;
    // SAFETY: the structure is plain data. The name fits with the NUL that is there already; both requests take a pointer
    // to such a structure, which outlives the calls, and the member that the first one writes is read after it.
    unsafe {
        let mut request = std::mem::zeroed::<libc::ifreq>();
        let room = request.ifr_name.len() - 1;
        let name = device.to_bytes().iter().take(room);
        request.ifr_name.iter_mut().zip(name).for_each(|(to, from)| *to = *from as libc::c_char);
        Errno::result(libc::ioctl(socket.as_raw_fd(), libc::SIOCGIFFLAGS as _, &raw mut request))?;
        request.ifr_ifru.ifru_flags |= libc::IFF_UP as libc::c_short;
        Errno::result(libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS as _, &raw mut request)).map(drop)
    }
}

/// Have permitted capabilities outlive the change from user id 0 to another. Source: PR_SET_KEEPCAPS(2const).
pub fn keep_capabilities() -> Result<()> {
    nix::sys::prctl::set_keepcaps(true)
}

/// Makes all capabilities that we may have effective, inheritable and ambient, so that a program without privileges of
/// its own gets them. Source: capset(2), PR_CAP_AMBIENT(2const).
pub fn raise_capabilities() -> Result<()> {
    #[repr(C)]
    struct Header {
        version: u32,
        pid: i32,
    }
    // _LINUX_CAPABILITY_VERSION_3: two structures of 32 bits each.
    let mut header = Header { version: 0x2008_0522, pid: 0 };
    let mut sets = [[0u32; 3]; 2];
    // SAFETY: the kernel writes both structures (effective, permitted, inheritable), which outlive the call.
    let answer = unsafe { libc::syscall(libc::SYS_capget, &raw mut header, &raw mut sets) };
    Errno::result(answer)?;
    sets.iter_mut().for_each(|[effective, permitted, inheritable]| {
        *effective = *permitted;
        *inheritable = *permitted;
    });
    // SAFETY: the kernel only reads both structures, which outlive the call.
    Errno::result(unsafe { libc::syscall(libc::SYS_capset, &raw mut header, &raw const sets) })?;
    let permitted = |capability: u32| sets[capability as usize / 32][1] >> (capability % 32) & 1 == 1;
    for capability in (0..64).filter(|capability| permitted(*capability)) {
        // SAFETY: takes integers.
        Errno::result(unsafe {
            libc::prctl(libc::PR_CAP_AMBIENT, libc::PR_CAP_AMBIENT_RAISE, capability, 0, 0)
        })?;
    }
    Ok(())
}
// The unwinder of the library itself, as for a static binary: to look for and load the shared one takes the C library
// ten system calls. Whoever links for the GNU C library by gcc or clang has both.
#[cfg(all(target_env = "gnu", not(target_feature = "crt-static")))]
#[link(name = "gcc_eh", kind = "static", modifiers = "-bundle")]
unsafe extern "C" {}

/// An extended regular expression of POSIX, in the C locale: a character is a byte. Source: regcomp(3), regex(7).
pub struct Regex(Box<libc::regex_t>);

impl Regex {
    /// Reads one. The C library's words say what is wrong with it.
    pub fn new(pattern: &CStr) -> std::result::Result<Regex, Vec<u8>> {
        let mut message = [0u8; 128];
        // SAFETY: the structure is plain data until regcomp fills it, lies where it will stay, and is freed only
        // if that succeeded; the pattern ends with a NUL; regerror writes at most `len` bytes into the buffer.
        let (code, length, regex) = unsafe {
            let mut regex = Box::new(std::mem::zeroed::<libc::regex_t>());
            let code = libc::regcomp(&raw mut *regex, pattern.as_ptr(), libc::REG_EXTENDED | libc::REG_NOSUB);
            let length = match code {
                0 => 0,
                _ => libc::regerror(code, &raw const *regex, message.as_mut_ptr().cast(), message.len()),
            };
            (code, length, regex)
        };
        match code {
            0 => Ok(Regex(regex)),
            _ => Err(message[..length.clamp(1, message.len()) - 1].to_vec()),
        }
    }

    /// Does it match somewhere in this text?
    pub fn is_match(&self, text: &CStr) -> bool {
        // SAFETY: the expression was compiled, the text ends with a NUL, and no place for matches is given.
        unsafe { libc::regexec(&raw const *self.0, text.as_ptr(), 0, std::ptr::null_mut(), 0) == 0 }
    }
}

impl Drop for Regex {
    fn drop(&mut self) {
        // SAFETY: the expression was compiled, and nobody uses it any more.
        unsafe { libc::regfree(&raw mut *self.0) }
    }
}

/// A socket that asks the kernel about network things, and never waits. Source: netlink(7), rtnetlink(7).
pub fn netlink_route() -> Result<OwnedFd> {
    let kind = libc::SOCK_RAW | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
    // SAFETY: takes three integers and makes a descriptor.
    owned(unsafe { libc::socket(libc::AF_NETLINK, kind, libc::NETLINK_ROUTE) }.into())
}
