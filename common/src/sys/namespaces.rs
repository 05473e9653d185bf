//! The calls about namespaces, each wrapped once. What they open is closed on exec.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use nix::errno::Errno;

use super::{Result, owned};

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
    let unknown = |errno| matches!(errno, Errno::ENOTTY | Errno::EINVAL | Errno::ENOSYS);
    ask(NS_GET_ID).or_else(|first| {
        let but = |errno| if unknown(first) { errno } else { first };
        ask(NS_GET_MNTNS_ID).map_err(|second| if unknown(second) { but(Errno::ENOTTY) } else { second })
    })
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
    // What it tells of the other one is not of interest, but Linux 7.2 takes no null for it.
    let mut info = [16u32, 0, 0, 0];
    // SAFETY: these requests make a descriptor, closed on exec by the kernel's own rule, and write one structure of 16 bytes
    // through the pointer, which outlives the call.
    owned(unsafe { libc::ioctl(fd.as_fd().as_raw_fd(), request as _, info.as_mut_ptr()) }.into())
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

/// The net namespace of a socket, or of a tun or tap device's descriptor. Needs CAP_NET_ADMIN in it.
/// Source: SIOCGSKNS of linux/sockios.h, Linux 4.10.
pub fn socket_netns(fd: impl AsFd) -> Result<OwnedFd> {
    const SIOCGSKNS: libc::c_ulong = 0x894c;
    // SAFETY: takes no argument and makes a descriptor, which is closed on exec by the kernel's own rule.
    owned(unsafe { libc::ioctl(fd.as_fd().as_raw_fd(), SIOCGSKNS as _) }.into())
}
