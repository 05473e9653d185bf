//! All unsafe code: the system calls that nix lacks or has only as unsafe functions, each wrapped once.
//! What they open is closed on exec.

#![allow(unsafe_code)]

mod clock;
pub mod mount;
mod namespaces;
mod probes;
mod processes;
mod start;
pub mod terminal;

use std::ffi::{CStr, OsStr};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;

use nix::errno::Errno;

pub use clock::local_time;
pub use mount::{LSMT_ROOT, list_mounts, mount_id, mount_id_of, stat_mount};
pub use namespaces::*;
pub use probes::*;
pub use processes::*;
pub use start::*;

type Result<T> = std::result::Result<T, Errno>;

fn owned(fd: libc::c_long) -> Result<OwnedFd> {
    let fd = Errno::result(fd)?;
    // SAFETY: the kernel has just made this descriptor for us and nothing else knows its number.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as RawFd) })
}

/// Locks an open file for as long as it is open, or fails with EWOULDBLOCK where another has it locked.
/// Source: flock(2).
pub fn lock(fd: impl AsFd) -> Result<()> {
    // SAFETY: takes two integers.
    Errno::result(unsafe { libc::flock(fd.as_fd().as_raw_fd(), libc::LOCK_EX | libc::LOCK_NB) }).map(drop)
}

/// The same with a lock that others can have too.
pub fn lock_shared(fd: impl AsFd) -> Result<()> {
    // SAFETY: takes two integers.
    Errno::result(unsafe { libc::flock(fd.as_fd().as_raw_fd(), libc::LOCK_SH | libc::LOCK_NB) }).map(drop)
}

/// The value of an extended attribute of an open file; none where it has no such one. Source: fgetxattr(2).
pub fn attribute(fd: impl AsFd, name: &CStr) -> Result<Option<Vec<u8>>> {
    // The most that the kernel keeps: XATTR_SIZE_MAX of linux/limits.h.
    let mut buffer = vec![0u8; 1 << 16];
    let fd = fd.as_fd().as_raw_fd();
    // SAFETY: the name ends with a NUL and the kernel writes at most `len` bytes into the buffer.
    let length = unsafe { libc::fgetxattr(fd, name.as_ptr(), buffer.as_mut_ptr().cast(), buffer.len()) };
    match Errno::result(length) {
        Err(Errno::ENODATA | Errno::EOPNOTSUPP) => Ok(None),
        length => {
            buffer.truncate(length? as usize);
            Ok(Some(buffer))
        }
    }
}

/// Sets an extended attribute of an open file. Source: fsetxattr(2); on groups since Linux 5.7.
pub fn set_attribute(fd: impl AsFd, name: &CStr, value: &[u8]) -> Result<()> {
    let fd = fd.as_fd().as_raw_fd();
    // SAFETY: the name ends with a NUL and the kernel only reads `len` bytes of the value.
    let answer = unsafe { libc::fsetxattr(fd, name.as_ptr(), value.as_ptr().cast(), value.len(), 0) };
    Errno::result(answer).map(drop)
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

/// Device and inode number of what a descriptor leads to, by what is known without asking another machine.
/// Source: statx(2), AT_STATX_DONT_SYNC, Linux 4.11.
pub fn stat_quietly(fd: impl AsFd) -> Result<(u64, u64)> {
    let stat = statx(fd, libc::AT_STATX_DONT_SYNC, libc::STATX_INO)?;
    Ok((libc::makedev(stat.stx_dev_major, stat.stx_dev_minor), stat.stx_ino))
}

/// Of what a descriptor leads to. By the system call: musl has no function for it before 1.2.5. Source: statx(2).
fn statx(fd: impl AsFd, flags: libc::c_int, mask: libc::c_uint) -> Result<libc::statx> {
    let (fd, flags) = (fd.as_fd().as_raw_fd(), flags | libc::AT_EMPTY_PATH);
    // SAFETY: the structure is plain data, the path is empty and ends with a NUL, and the kernel writes one statx
    // through the pointer, which outlives the call.
    let (answer, stat) = unsafe {
        let mut stat = std::mem::zeroed::<libc::statx>();
        let answer = libc::syscall(libc::SYS_statx, fd, c"".as_ptr(), flags, mask, &raw mut stat);
        (answer, stat)
    };
    Errno::result(answer).map(|_| stat)
}

/// Is our working directory below our root, and still there? By the system call: the C library would look for a path by
/// itself. Source: getcwd(2).
pub fn is_below_root() -> Result<bool> {
    let mut buffer = [0u8; libc::PATH_MAX as usize];
    // SAFETY: the kernel writes at most `len` bytes into the buffer, which outlives the call.
    let answer = unsafe { libc::syscall(libc::SYS_getcwd, buffer.as_mut_ptr(), buffer.len()) };
    // What is not below begins with "(unreachable)".
    Errno::result(answer).map(|_| buffer[0] == b'/')
}

/// Marks every descriptor from this number on to be closed on exec. Source: close_range(2), Linux 5.9;
/// the flag since 5.11, so on 5.10 they are closed at once: for callers only that are about to exec and use
/// none of them any more.
pub fn close_from(first: u32) -> crate::Result<()> {
    close_from_but(first, None)
}

/// The same, but for one that is closed on exec by itself and is needed where that fails.
pub fn close_from_but(first: u32, kept: Option<RawFd>) -> crate::Result<()> {
    let range = |first: u32, last: u32, flags: u32| {
        // SAFETY: with the flag nothing is closed now. Without it the caller is about to exec and uses no
        // descriptor of that range any more.
        Errno::result(unsafe { libc::syscall(libc::SYS_close_range, first, last, flags) }).map(drop)
    };
    match (range(first, u32::MAX, libc::CLOSE_RANGE_CLOEXEC), kept.map(|fd| fd as u32)) {
        (Err(Errno::EINVAL), Some(kept)) if kept >= first => {
            let below = if kept > first { range(first, kept - 1, 0) } else { Ok(()) };
            below.and_then(|()| range(kept + 1, u32::MAX, 0))
        }
        (Err(Errno::EINVAL), _) => range(first, u32::MAX, 0),
        (answer, _) => answer,
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

/// How many columns the terminal behind this descriptor has, if it is one and knows.
/// Source: TIOCGWINSZ(2const).
pub fn terminal_columns(fd: impl AsFd) -> Option<usize> {
    let mut size = libc::winsize { ws_row: 0, ws_col: 0, ws_xpixel: 0, ws_ypixel: 0 };
    // SAFETY: the request writes one winsize through the pointer, which outlives the call.
    let answer = unsafe { libc::ioctl(fd.as_fd().as_raw_fd(), libc::TIOCGWINSZ, &raw mut size) };
    (answer == 0 && size.ws_col > 0).then_some(size.ws_col.into())
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
    netlink(libc::NETLINK_ROUTE)
}

/// The same about sockets. Source: sock_diag(7).
pub fn netlink_sock_diag() -> Result<OwnedFd> {
    netlink(libc::NETLINK_SOCK_DIAG)
}

fn netlink(protocol: libc::c_int) -> Result<OwnedFd> {
    let kind = libc::SOCK_RAW | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
    // SAFETY: takes three integers and makes a descriptor.
    owned(unsafe { libc::socket(libc::AF_NETLINK, kind, protocol) }.into())
}
