//! Calls that only ask whether the kernel has a feature: each is made so that it can do nothing.

use std::os::fd::{AsFd, AsRawFd};

use nix::errno::Errno;

use super::{Result, owned};

/// The number that a net namespace keeps until the next boot, by a socket that was made in it. ENOPROTOOPT where the kernel
/// tells none. Source: SO_NETNS_COOKIE of asm-generic/socket.h, Linux 5.14.
pub fn own_netns_cookie() -> Result<u64> {
    const SO_NETNS_COOKIE: libc::c_int = 71;
    let kind = libc::SOCK_DGRAM | libc::SOCK_CLOEXEC;
    // SAFETY: takes three integers and makes a descriptor.
    let socket = owned(unsafe { libc::socket(libc::AF_UNIX, kind, 0) }.into())?;
    let mut cookie = 0u64;
    let mut length = size_of::<u64>() as libc::socklen_t;
    // SAFETY: the kernel writes at most `length` bytes to the cookie; both outlive the call.
    let answer = unsafe {
        let cookie = (&raw mut cookie).cast();
        libc::getsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, SO_NETNS_COOKIE, cookie, &raw mut length)
    };
    Errno::result(answer).map(|_| cookie)
}

/// Can mounts be idmapped? Asked with a descriptor that is none, so that nothing is changed: EBADF is a yes.
/// Source: mount_setattr(2), MOUNT_ATTR_IDMAP, Linux 5.12.
pub fn has_idmapped_mounts() -> Result<()> {
    #[repr(C)]
    struct Attributes {
        set: u64,
        clear: u64,
        propagation: u64,
        userns: u64,
    }
    const MOUNT_ATTR_IDMAP: u64 = 0x0010_0000;
    // The highest number: no descriptor has it.
    let none = libc::c_int::MAX;
    let attributes = Attributes { set: MOUNT_ATTR_IDMAP, clear: 0, propagation: 0, userns: none as u64 };
    // SAFETY: the path is empty and ends with a NUL, the structure is only read and outlives the call.
    let answer = unsafe {
        let (flags, size) = (libc::AT_EMPTY_PATH as libc::c_uint, size_of::<Attributes>());
        libc::syscall(libc::SYS_mount_setattr, none, c"".as_ptr(), flags, &raw const attributes, size)
    };
    expect(answer, Errno::EBADF)
}

/// Can a process be born in a group? Asked with a file that is no group, so that none is born: EBADF is a yes.
/// Source: CLONE_INTO_CGROUP, clone3(2), Linux 5.7.
pub fn has_clone_into_group(no_group: impl AsFd) -> Result<()> {
    const CLONE_INTO_CGROUP: u64 = 1 << 33;
    // struct clone_args of linux/sched.h: flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, set_tid,
    // set_tid_size, cgroup.
    let mut arguments = [0u64; 11];
    arguments[0] = CLONE_INTO_CGROUP;
    arguments[10] = no_group.as_fd().as_raw_fd() as u64;
    // SAFETY: the structure is only read and outlives the call, which makes no process: the file is no group.
    let answer = unsafe { libc::syscall(libc::SYS_clone3, arguments.as_ptr(), size_of_val(&arguments)) };
    if answer == 0 {
        // The call lied, and we are a child that nobody wants.
        // SAFETY: ends this process at once.
        unsafe { libc::_exit(0) };
    }
    expect(answer, Errno::EBADF)
}

/// Can descriptors be marked in one call to be closed on exec? Asked of those that there never are.
/// Source: CLOSE_RANGE_CLOEXEC, close_range(2), Linux 5.11.
pub fn has_close_range_flag() -> Result<()> {
    // SAFETY: no descriptor has this number, and with the flag nothing would be closed.
    let answer = unsafe {
        libc::syscall(libc::SYS_close_range, u32::MAX, u32::MAX, libc::CLOSE_RANGE_CLOEXEC as libc::c_uint)
    };
    Errno::result(answer).map(drop)
}

/// Does a pidfd tell of its process: ids, group? Source: PIDFD_GET_INFO of linux/pidfd.h, Linux 6.13.
pub fn has_pidfd_info(pidfd: impl AsFd) -> Result<()> {
    // _IOWR(0xff, 11, struct pidfd_info): 64 bytes in its first version, in which the first 8 are the mask.
    const PIDFD_GET_INFO: libc::c_ulong = 0xc040_ff0b;
    let mut info = [0u64; 8];
    // SAFETY: the request reads the mask and writes at most 64 bytes through the pointer, which outlives the call.
    let answer = unsafe { libc::ioctl(pidfd.as_fd().as_raw_fd(), PIDFD_GET_INFO as _, info.as_mut_ptr()) };
    Errno::result(answer).map(drop)
}

/// The answer to a call that cannot succeed: this error says that the kernel has looked as far as that.
fn expect(answer: libc::c_long, yes: Errno) -> Result<()> {
    match Errno::result(answer) {
        Err(errno) if errno == yes => Ok(()),
        answer => answer.map(drop),
    }
}
