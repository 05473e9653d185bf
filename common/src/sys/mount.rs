//! The mount calls by descriptor, each wrapped once. What they open is closed on exec.

use std::ffi::CStr;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use nix::errno::Errno;

use super::{Result, owned};

// linux/mount.h
const OPEN_TREE_CLONE: libc::c_int = 1;
const MOVE_MOUNT_F_EMPTY_PATH: libc::c_uint = 0x4;
const MOVE_MOUNT_T_EMPTY_PATH: libc::c_uint = 0x40;
const FSOPEN_CLOEXEC: libc::c_uint = 1;
const FSCONFIG_SET_FLAG: libc::c_uint = 0;
const FSCONFIG_SET_STRING: libc::c_uint = 1;
const FSCONFIG_CMD_CREATE: libc::c_uint = 6;
const FSMOUNT_CLOEXEC: libc::c_uint = 1;

/// Nothing in it can be written. Source: mount_setattr(2).
pub const RDONLY: u64 = 0x1;
/// Its programs give no rights. Source: mount_setattr(2).
pub const NOSUID: u64 = 0x2;
/// Its device files lead nowhere. Source: mount_setattr(2).
pub const NODEV: u64 = 0x4;
/// Its programs cannot be executed. Source: mount_setattr(2).
pub const NOEXEC: u64 = 0x8;

/// A copy of the mount that a descriptor leads through, with this file or directory as its root, mounted nowhere yet; with
/// all that is mounted below if `recursive`. It is gone when the descriptor is closed before it is mounted.
/// Source: open_tree(2), Linux 5.2.
pub fn open_tree(from: impl AsFd, recursive: bool) -> Result<OwnedFd> {
    let below = if recursive { libc::AT_RECURSIVE } else { 0 };
    let flags = OPEN_TREE_CLONE | libc::O_CLOEXEC | libc::AT_EMPTY_PATH | below;
    let from = from.as_fd().as_raw_fd();
    // SAFETY: the path is empty and ends with a NUL; a descriptor is made.
    owned(unsafe { libc::syscall(libc::SYS_open_tree, from, c"".as_ptr(), flags as libc::c_uint) })
}

/// Mounts what is mounted nowhere yet, or elsewhere, on what a descriptor leads to. Source: move_mount(2), Linux 5.2.
pub fn move_mount(tree: impl AsFd, onto: impl AsFd) -> Result<()> {
    let (tree, onto) = (tree.as_fd().as_raw_fd(), onto.as_fd().as_raw_fd());
    let (empty, flags) = (c"".as_ptr(), MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH);
    // SAFETY: the paths are empty and end with a NUL.
    Errno::result(unsafe { libc::syscall(libc::SYS_move_mount, tree, empty, onto, empty, flags) }).map(drop)
}

/// Begins to make a file system of this type. Source: fsopen(2), Linux 5.2.
pub fn fsopen(fs_type: &CStr) -> Result<OwnedFd> {
    // SAFETY: the name ends with a NUL; a descriptor is made.
    owned(unsafe { libc::syscall(libc::SYS_fsopen, fs_type.as_ptr(), FSOPEN_CLOEXEC) })
}

fn fsconfig(fs: impl AsFd, command: libc::c_uint, key: Option<&CStr>, value: Option<&CStr>) -> Result<()> {
    let pointer = |text: Option<&CStr>| text.map_or(std::ptr::null(), CStr::as_ptr);
    let (fs, key, value) = (fs.as_fd().as_raw_fd(), pointer(key), pointer(value));
    // SAFETY: both texts end with a NUL and outlive the call, or are null where the command takes none.
    Errno::result(unsafe { libc::syscall(libc::SYS_fsconfig, fs, command, key, value, 0) }).map(drop)
}

/// Gives it an option without a value. Source: fsconfig(2), Linux 5.2.
pub fn fs_flag(fs: impl AsFd, key: &CStr) -> Result<()> {
    fsconfig(fs, FSCONFIG_SET_FLAG, Some(key), None)
}

/// Gives it an option with a value. Source: fsconfig(2), Linux 5.2.
pub fn fs_string(fs: impl AsFd, key: &CStr, value: &CStr) -> Result<()> {
    fsconfig(fs, FSCONFIG_SET_STRING, Some(key), Some(value))
}

/// Makes the file system, or takes one that is there already. Source: fsconfig(2), Linux 5.2.
pub fn fs_create(fs: impl AsFd) -> Result<()> {
    fsconfig(fs, FSCONFIG_CMD_CREATE, None, None)
}

/// A mount of the file system with these attributes ([`RDONLY`] and so on, or-ed), mounted nowhere yet. It is gone when the
/// descriptor is closed before it is mounted. Source: fsmount(2), Linux 5.2.
pub fn fsmount(fs: impl AsFd, attributes: u64) -> Result<OwnedFd> {
    let fs = fs.as_fd().as_raw_fd();
    // SAFETY: takes integers and makes a descriptor.
    owned(unsafe { libc::syscall(libc::SYS_fsmount, fs, FSMOUNT_CLOEXEC, attributes as libc::c_uint) })
}

/// Gives a mount and all below it these attributes. ENOSYS before Linux 5.12. Source: mount_setattr(2).
pub fn set_attributes(tree: impl AsFd, attributes: u64) -> Result<()> {
    #[repr(C)]
    struct Attributes {
        set: u64,
        clear: u64,
        propagation: u64,
        user_ns: u64,
    }
    let attributes = Attributes { set: attributes, clear: 0, propagation: 0, user_ns: 0 };
    let flags = libc::AT_EMPTY_PATH | libc::AT_RECURSIVE;
    // SAFETY: the path is empty and ends with a NUL; the structure is only read and outlives the call.
    let answer = unsafe {
        let (tree, size) = (tree.as_fd().as_raw_fd(), std::mem::size_of::<Attributes>());
        libc::syscall(libc::SYS_mount_setattr, tree, c"".as_ptr(), flags, &raw const attributes, size)
    };
    Errno::result(answer).map(drop)
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

/// The mounts below a mount in the mount namespace with this number, as [`super::ns_get_id`] answers it, that come after
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

/// The id of the mount that a descriptor was opened through, as the first field of mountinfo has it. Not
/// known before Linux 5.8. Source: statx(2).
pub fn mount_id(fd: impl AsFd) -> Option<u64> {
    mount_id_of(fd).ok()
}

/// The same, and why it is not known; ENOSYS before Linux 5.8.
pub fn mount_id_of(fd: impl AsFd) -> Result<u64> {
    let stat = super::statx(fd, 0, libc::STATX_MNT_ID)?;
    if stat.stx_mask & libc::STATX_MNT_ID != 0 { Ok(stat.stx_mnt_id) } else { Err(Errno::ENOSYS) }
}
