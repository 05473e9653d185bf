//! The calls about terminals, each wrapped once. What they open is closed on exec.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, OFlag, OpenHow, ResolveFlag, open, openat2};
use nix::sys::signal::{SigSet, SigmaskHow, Signal, sigprocmask};
use nix::sys::stat::Mode;
use nix::sys::statfs::fstatfs;
use nix::unistd::getpgrp;

use super::{Result, owned};

/// How a terminal treats what is typed and printed. Source: termios(3).
#[derive(Clone, Copy, Debug)]
pub struct Settings(libc::termios);

impl Settings {
    /// Those of the terminal behind this descriptor; of a pty's master, those of its slave. ENOTTY if it is none.
    pub fn of(fd: impl AsFd) -> Result<Settings> {
        // SAFETY: the structure is plain data and outlives the call, which fills it.
        unsafe {
            let mut settings = std::mem::zeroed();
            Errno::result(libc::tcgetattr(fd.as_fd().as_raw_fd(), &raw mut settings))?;
            Ok(Settings(settings))
        }
    }

    /// Gives them to a terminal at once, without waiting for what it still has to print.
    pub fn set(&self, fd: impl AsFd) -> Result<()> {
        // SAFETY: the structure is only read.
        Errno::result(unsafe { libc::tcsetattr(fd.as_fd().as_raw_fd(), libc::TCSANOW, &raw const self.0) })
            .map(drop)
    }

    /// The same without any treatment: every byte goes through as it is.
    pub fn raw(mut self) -> Settings {
        // SAFETY: changes the structure alone.
        unsafe { libc::cfmakeraw(&raw mut self.0) };
        self
    }

    /// The same without what is typed being printed.
    pub fn without_echo(mut self) -> Settings {
        self.0.c_lflag &= !libc::ECHO;
        self
    }

    /// Are lines gathered before they are read?
    pub fn gathers_lines(&self) -> bool {
        self.0.c_lflag & libc::ICANON != 0
    }

    /// The character that stands for the end of input; none if there is no such.
    pub fn end_of_input(&self) -> Option<u8> {
        Some(self.0.c_cc[libc::VEOF]).filter(|byte| *byte != libc::_POSIX_VDISABLE)
    }
}

/// How large a terminal is. Source: TIOCGWINSZ(2const).
pub type Size = libc::winsize;

/// The size of the terminal behind this descriptor. Source: TIOCGWINSZ(2const).
pub fn terminal_size(fd: impl AsFd) -> Result<Size> {
    let mut size = Size { ws_row: 0, ws_col: 0, ws_xpixel: 0, ws_ypixel: 0 };
    // SAFETY: the request writes one winsize through the pointer, which outlives the call.
    Errno::result(unsafe { libc::ioctl(fd.as_fd().as_raw_fd(), libc::TIOCGWINSZ, &raw mut size) })?;
    Ok(size)
}

/// Sets it; those in the foreground get SIGWINCH if it is another. Source: TIOCSWINSZ(2const).
pub fn set_terminal_size(fd: impl AsFd, size: &Size) -> Result<()> {
    // SAFETY: the request reads one winsize through the pointer, which outlives the call.
    Errno::result(unsafe { libc::ioctl(fd.as_fd().as_raw_fd(), libc::TIOCSWINSZ, std::ptr::from_ref(size)) })
        .map(drop)
}

/// Our controlling terminal, as an open file that nobody else has: it can be told never to wait. Source: tty(4).
pub fn open_terminal() -> Result<OwnedFd> {
    open(c"/dev/tty", OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC, Mode::empty())
}

const MASTER: OFlag = OFlag::O_RDWR.union(OFlag::O_NOCTTY).union(OFlag::O_NONBLOCK).union(OFlag::O_CLOEXEC);

/// A new pseudo-terminal: its master, which never waits, and its slave. Source: pts(4), posix_openpt(3).
pub fn open_pty() -> Result<(OwnedFd, OwnedFd)> {
    with_slave(open(c"/dev/ptmx", MASTER, Mode::empty())?)
}

/// The same, of the devpts that is mounted here on `/dev/pts`, whoever has made this tree. No link is followed, and nothing is
/// opened that could be something else: in the root of a devpts, and on no other mount, `ptmx` can only be what makes
/// pseudo-terminals. No file system is asked that could let us wait, as far as the kernel can tell (RESOLVE_CACHED, Linux 5.12).
/// Source: openat2(2), the kernel's filesystems/devpts.rst.
pub fn open_pty_here() -> Result<(OwnedFd, OwnedFd)> {
    // linux/openat2.h
    const RESOLVE_CACHED: u64 = 0x20;
    const DEVPTS_SUPER_MAGIC: i64 = 0x1cd1;
    let links = ResolveFlag::RESOLVE_NO_SYMLINKS | ResolveFlag::RESOLVE_NO_MAGICLINKS;
    let cached = links | ResolveFlag::from_bits_retain(RESOLVE_CACHED);
    let dir = |resolve| {
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        openat2(AT_FDCWD, c"/dev/pts", OpenHow::new().flags(flags).resolve(resolve))
    };
    let dir = match dir(cached) {
        Err(Errno::EINVAL) => dir(links),
        answer => answer,
    }?;
    if fstatfs(&dir)?.filesystem_type().0 as i64 != DEVPTS_SUPER_MAGIC {
        return Err(Errno::ENOTTY);
    }
    let stay = links | ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_XDEV;
    with_slave(openat2(&dir, c"ptmx", OpenHow::new().flags(MASTER).resolve(stay))?)
}

/// Unlocks the slave of a master and opens it without a path. Source: TIOCSPTLCK(2const), TIOCGPTPEER(2const), Linux 4.13.
fn with_slave(master: OwnedFd) -> Result<(OwnedFd, OwnedFd)> {
    let (fd, unlocked): (_, libc::c_int) = (master.as_raw_fd(), 0);
    // SAFETY: the request reads one int through the pointer, which outlives the call.
    Errno::result(unsafe { libc::ioctl(fd, libc::TIOCSPTLCK, &raw const unlocked) })?;
    let flags = libc::O_RDWR | libc::O_NOCTTY | libc::O_CLOEXEC;
    // SAFETY: takes integers and makes a descriptor.
    let slave = owned(unsafe { libc::ioctl(fd, libc::TIOCGPTPEER, flags) }.into())?;
    Ok((master, slave))
}

/// Makes a terminal that is no session's our own: we lead a new session then. Source: setsid(2), TIOCSCTTY(2const).
pub fn lead_session_on(terminal: impl AsFd) -> crate::Result<()> {
    nix::unistd::setsid().map_err(|e| crate::Error::sys("setsid", "of the program", e))?;
    // SAFETY: takes integers.
    Errno::result(unsafe { libc::ioctl(terminal.as_fd().as_raw_fd(), libc::TIOCSCTTY, 0) })
        .map_err(|e| crate::Error::sys("ioctl", "the pseudo-terminal: TIOCSCTTY", e))
        .map(drop)
}

/// The process group in the foreground of our controlling terminal; ENOTTY where it is no such. Source: tcgetpgrp(3).
fn foreground(terminal: impl AsFd) -> Result<i32> {
    // SAFETY: takes an integer.
    Errno::result(unsafe { libc::tcgetpgrp(terminal.as_fd().as_raw_fd()) })
}

/// Is it our controlling terminal?
pub fn controls_us(terminal: impl AsFd) -> bool {
    foreground(terminal).is_ok()
}

/// Has another process group than ours this controlling terminal of ours at present?
pub fn in_background(terminal: impl AsFd) -> bool {
    foreground(terminal).is_ok_and(|group| group != getpgrp().as_raw())
}

/// Stops us, and whoever is in our process group, as long as we are in the background of this terminal, as the kernel does
/// it with who changes one. EIO where nobody could wake us. Source: the kernel's tty_check_change(), termios(3), SIGTTOU.
pub fn wait_for_foreground(terminal: impl AsFd) -> Result<()> {
    // The kernel looks at the process group before it finds that there is no such queue to be flushed.
    const NO_QUEUE: libc::c_int = 3;
    let fd = terminal.as_fd().as_raw_fd();
    // SAFETY: takes integers.
    let ask = || Errno::result(unsafe { libc::ioctl(fd, libc::TCFLSH, NO_QUEUE) }).map(drop);
    match with_unblocked(Signal::SIGTTOU, ask)? {
        Err(Errno::EINVAL) => Ok(()),
        answer => answer,
    }
}

/// Does something while this signal is not blocked, so that the kernel may stop us by it.
pub fn with_unblocked<T>(signal: Signal, action: impl FnOnce() -> T) -> Result<T> {
    let mut old = SigSet::empty();
    sigprocmask(SigmaskHow::SIG_UNBLOCK, Some(&SigSet::from(signal)), Some(&mut old))?;
    let answer = action();
    sigprocmask(SigmaskHow::SIG_SETMASK, Some(&old), None)?;
    Ok(answer)
}

/// Standard input, output and error as descriptors, without what the library keeps in front of them. That they are open
/// [`super::hold_standard_descriptors`] has seen to, and nothing closes them.
pub fn standard() -> [BorrowedFd<'static>; 3] {
    // SAFETY: as said above.
    unsafe { [0, 1, 2].map(|fd| BorrowedFd::borrow_raw(fd)) }
}
