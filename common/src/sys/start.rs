//! How we begin, without Rust's runtime, and what we were given: command line, environment, descriptors.

use std::ffi::{CStr, CString, OsStr, OsString};
use std::os::fd::{AsFd, IntoRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStringExt;

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::signal::Signal;
use nix::sys::stat::Mode;

use super::{Result, ignore, owned};

/// Takes a descriptor over that was given to us by its number and can be written to: ours is closed on exec, and that one
/// is too unless it is one of the standard ones. EBADF where it is none. Source: fcntl(2).
pub fn take_given(fd: RawFd) -> Result<OwnedFd> {
    let taken = copy(fd)?;
    if fd > 2 {
        // SAFETY: it was given to us to be written to and is used by nothing of ours.
        Errno::result(unsafe { libc::close(fd) })?;
    }
    Ok(taken)
}

/// The same, but the one that was given stays as it is, for the program that we start. One that is closed on exec is our
/// own and was given by nobody: EBADF as well.
pub fn share_given(fd: RawFd) -> Result<OwnedFd> {
    // SAFETY: only asks, of any number.
    let flags = Errno::result(unsafe { libc::fcntl(fd, libc::F_GETFD) })?;
    if flags & libc::FD_CLOEXEC != 0 {
        return Err(Errno::EBADF);
    }
    copy(fd)
}

/// Another descriptor above the standard ones for what can be written to.
fn copy(fd: RawFd) -> Result<OwnedFd> {
    // SAFETY: only asks, of any number.
    let flags = Errno::result(unsafe { libc::fcntl(fd, libc::F_GETFL) })?;
    if flags & libc::O_ACCMODE == libc::O_RDONLY || flags & libc::O_PATH != 0 {
        return Err(Errno::EBADF);
    }
    // SAFETY: makes a descriptor that nothing else knows.
    owned(unsafe { libc::fcntl(fd, libc::F_DUPFD_CLOEXEC, 3) }.into())
}

/// Opens a file for what is to be told in it: it is made, or emptied. Source: open(2).
pub fn create_file(path: &OsStr) -> Result<OwnedFd> {
    let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_TRUNC | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
    nix::fcntl::open(path, flags, Mode::from_bits_truncate(0o666))
}

/// Writes all of it to what [`take_given`] and the like took. Nobody is left who would be killed by SIGPIPE: that is EPIPE.
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

/// The effective user and group id that we were started with. The kernel has left them in our memory, so nothing is asked.
/// Source: AT_EUID and AT_EGID, getauxval(3).
pub fn started_as() -> (u32, u32) {
    // SAFETY: takes an integer and reads what never changes.
    let id = |which| unsafe { libc::getauxval(which) } as u32;
    (id(libc::AT_EUID), id(libc::AT_EGID))
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

/// The path by which we were executed. Source: getauxval(3).
pub fn executed_as() -> Option<CString> {
    // SAFETY: takes an integer; the kernel put a string that ends with a NUL on our stack, where it stays.
    unsafe {
        let path = libc::getauxval(libc::AT_EXECFN) as *const libc::c_char;
        (!path.is_null()).then(|| CStr::from_ptr(path).to_owned())
    }
}

// The unwinder of the library itself, as for a static binary: to look for and load the shared one takes the C library
// ten system calls. Whoever links for the GNU C library by gcc or clang has both.
#[cfg(all(target_env = "gnu", not(target_feature = "crt-static")))]
#[link(name = "gcc_eh", kind = "static", modifiers = "-bundle")]
unsafe extern "C" {}
