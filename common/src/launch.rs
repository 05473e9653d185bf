//! Starting a program: exec, or fork and watch over it, with its exit status and signals.

use std::ffi::{CString, OsStr, OsString};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout};
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::{SigSet, SigmaskHow, Signal, sigprocmask};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::unistd::{ForkResult, Pid, Uid, User, getpgid};

use crate::error::{Error, Result};
use crate::sys::{self, Change};
use crate::text::digits;

/// The signals that we do not pass on while we wait for the program: those that cannot be caught, those about
/// our own terminal and pipes, and the one about our children. Those of faults are passed on where somebody
/// sent them; a fault of our own ends us though its signal is blocked.
#[rustfmt::skip]
const OUR_OWN: &[Signal] = &[
    Signal::SIGKILL, Signal::SIGSTOP, Signal::SIGTTIN, Signal::SIGTTOU, Signal::SIGWINCH, Signal::SIGPIPE, Signal::SIGCHLD,
];

/// Those that the terminal sends to its whole foreground process group.
const OF_THE_TERMINAL: &[Signal] = &[Signal::SIGINT, Signal::SIGQUIT, Signal::SIGTSTP];

/// What is to be run.
#[derive(Debug, PartialEq, Eq)]
pub struct Program {
    file: CString,
    args: Vec<CString>,
}

impl Program {
    /// A program and its arguments; without any, the user's shell as a login shell: `$SHELL`, else that of
    /// the password database, else `/bin/sh`. Call it before any namespace is entered: the name service
    /// must be our own.
    pub fn new(words: Vec<OsString>) -> Result<Program> {
        let mut args = words.into_iter().map(c_string).collect::<Result<Vec<_>>>()?;
        match args.first() {
            Some(file) => Ok(Program { file: file.clone(), args }),
            None => {
                let file = c_string(shell())?;
                args.push(c_string(login_name(OsStr::from_bytes(file.to_bytes())))?);
                Ok(Program { file, args })
            }
        }
    }

    /// Becomes the program, looked for in PATH. Answers only by what went wrong.
    pub fn exec(&self) -> Error {
        let Err(errno) = nix::unistd::execvp(&self.file, &self.args);
        let error = Error::sys("exec", self.file.to_bytes(), errno);
        match errno {
            Errno::ENOENT if self.file.to_bytes().is_empty() => {
                error.with_hint("the program's name is empty")
            }
            Errno::ENOENT
                if self.file.to_bytes().contains(&b'/') && std::fs::metadata(self.path()).is_ok() =>
            {
                error.with_hint("the file is there, but the interpreter or loader that it names is not")
            }
            _ => error,
        }
    }

    fn path(&self) -> &OsStr {
        OsStr::from_bytes(self.file.to_bytes())
    }
}

fn c_string(word: OsString) -> Result<CString> {
    CString::new(word.into_vec()).map_err(|_| Error::refused("an argument holds a NUL byte"))
}

fn shell() -> OsString {
    let from_env = std::env::var_os("SHELL").filter(|shell| !shell.is_empty());
    let from_user = || Some(User::from_uid(Uid::current()).ok()??.shell.into_os_string());
    from_env.or_else(|| from_user().filter(|shell| !shell.is_empty())).unwrap_or("/bin/sh".into())
}

/// `-sh` for `/bin/sh`: by this a shell knows that it is a login shell (sh(1)).
fn login_name(file: &OsStr) -> OsString {
    let base = file.as_bytes().rsplit(|&b| b == b'/').next().unwrap_or_default();
    OsString::from_vec([b"-", base].concat())
}

/// How a program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// With this status.
    Exited(u8),
    /// By this signal.
    Killed(i32),
}

impl Ended {
    /// Ends us as the program ended: by the same signal, without a core file of our own, or with its status.
    /// Answers the status to exit with: the program's, or 128+n where the signal has no effect on us.
    pub fn follow(self) -> u8 {
        match self {
            Ended::Exited(status) => status,
            Ended::Killed(signal) => {
                // The program has left its core; ours would be a second one. The limit does not stop a
                // program that gathers cores (core(5)). Without either only a core file is the worse for it.
                let _ = setrlimit(Resource::RLIMIT_CORE, 0, 0);
                let _ = sys::set_undumpable();
                sys::die_by(signal);
                128 + signal as u8
            }
        }
    }
}

/// The child's end of the pipe between us: it says when to start, and whether the parent still lives.
#[derive(Debug)]
pub struct Gate {
    pipe: OwnedFd,
}

impl Gate {
    /// Waits until the parent stands ready. False if the parent gave up or ended.
    fn wait(&self) -> Result<bool> {
        let mut byte = [0];
        loop {
            match nix::unistd::read(&self.pipe, &mut byte) {
                Ok(length) => return Ok(length == 1),
                Err(Errno::EINTR) => {}
                Err(e) => return Err(Error::sys("read", "the parent's pipe", e)),
            }
        }
    }

    /// From now on we get this signal when the parent ends, however it ends. Has to come after the last
    /// change of credentials, which makes the kernel forget it. An error if the parent has ended already.
    /// Source: PR_SET_PDEATHSIG(2const).
    pub fn die_with_parent(&self, signal: i32) -> Result<()> {
        sys::set_pdeathsig(signal).map_err(|e| Error::sys("prctl", "PR_SET_PDEATHSIG", e))?;
        let mut fds = [PollFd::new(self.pipe.as_fd(), PollFlags::POLLIN)];
        match nix::poll::poll(&mut fds, PollTimeout::ZERO) {
            Ok(0) => Ok(()),
            Ok(_) => Err(Error::refused("the waiting parent process ended")),
            Err(e) => Err(Error::sys("poll", "the parent's pipe", e)),
        }
    }
}

/// Forks; the child runs `child`, which answers only with an exit status where the program could not be
/// started: it is given the gate, or why the child could not get ready. Waits for the child, passes signals
/// on to it, stops when it stops, and answers how it ended. On an error no child is left.
pub fn fork(child: impl FnOnce(Result<&Gate>) -> u8) -> Result<Ended> {
    Watch::begin()?.fork(child)
}

/// The state of a parent that waits: signals are collected through a descriptor, not handled. From its
/// beginning on no signal that can be caught ends us, so what is to be cleaned up can be made then.
#[derive(Debug)]
pub struct Watch {
    signals: SignalFd,
    old_mask: SigSet,
    chld_ignored: bool,
}

impl Watch {
    /// Begins to collect signals.
    pub fn begin() -> Result<Watch> {
        let mut mask = SigSet::all();
        OUR_OWN.iter().for_each(|signal| mask.remove(*signal));
        mask.add(Signal::SIGCHLD);
        let flags = SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK;
        let signals = SignalFd::with_flags(&mask, flags).map_err(|e| Error::sys("signalfd", "", e))?;
        // Were it ignored, the kernel would reap the child for us and its status would be lost.
        let chld_ignored =
            sys::ignore(Signal::SIGCHLD, false).map_err(|e| Error::sys("sigaction", "SIGCHLD", e))?;
        // Not nix's `thread_swap_mask`, which takes each answer of the C library for a success: unblocked, the
        // end of the child would never be told.
        let mut old_mask = SigSet::empty();
        // That the child ended before it began is no end of ours; for the program SIGPIPE is as we were given it.
        mask.add(Signal::SIGPIPE);
        sigprocmask(SigmaskHow::SIG_BLOCK, Some(&mask), Some(&mut old_mask))
            .map_err(|e| Error::sys("sigprocmask", "", e))?;
        Ok(Watch { signals, old_mask, chld_ignored })
    }

    /// See [`fork`].
    pub fn fork(self, child: impl FnOnce(Result<&Gate>) -> u8) -> Result<Ended> {
        let (gate, release) = nix::unistd::pipe2(OFlag::O_CLOEXEC).map_err(|e| Error::sys("pipe", "", e))?;
        // What came before there was a child is for the child, from whomever it came.
        let mut early = Vec::new();
        while let Some(info) = self.next()? {
            early.push(info.ssi_signo as i32);
        }
        match sys::fork().map_err(|e| Error::sys("fork", "", e))? {
            ForkResult::Child => {
                drop(release);
                let gate = Gate { pipe: gate };
                let status = match self.undo().and_then(|()| gate.wait()) {
                    Ok(true) => child(Ok(&gate)),
                    // It has said why, or nobody is left who would read a message.
                    Ok(false) => 125,
                    Err(e) => child(Err(e)),
                };
                std::process::exit(status.into())
            }
            ForkResult::Parent { child } => {
                drop(gate);
                let pidfd = match sys::pidfd_open(child.as_raw()) {
                    Ok(pidfd) => pidfd,
                    Err(e) => {
                        // The gate falls shut: the child ends before it has done anything.
                        drop(release);
                        let _ = nix::sys::wait::waitpid(child, None);
                        return Err(Error::sys("pidfd_open", "our own child", e));
                    }
                };
                // What came while we forked did not reach the child, from the terminal neither.
                while let Ok(Some(info)) = self.next() {
                    early.push(info.ssi_signo as i32);
                }
                for signal in early.into_iter().filter(|signal| *signal != libc::SIGCHLD) {
                    // A child that has ended already needs none.
                    let _ = sys::pidfd_send_signal(&pidfd, signal);
                }
                match nix::unistd::write(&release, &[1]) {
                    // The child was killed before it began: waiting tells how.
                    Ok(_) | Err(Errno::EPIPE) => self.until_end(child, &pidfd),
                    Err(e) => Err(Error::sys("write", "the child's pipe", e)),
                }
                .inspect_err(|_| {
                    let _ = sys::pidfd_send_signal(&pidfd, libc::SIGKILL);
                    let _ = nix::sys::wait::waitpid(child, None);
                })
            }
        }
    }

    /// In the child: gives the program the signals as we got them.
    fn undo(self) -> Result<()> {
        sys::ignore(Signal::SIGCHLD, self.chld_ignored).map_err(|e| Error::sys("sigaction", "SIGCHLD", e))?;
        sigprocmask(SigmaskHow::SIG_SETMASK, Some(&self.old_mask), None)
            .map_err(|e| Error::sys("sigprocmask", "", e))
    }

    /// The next signal that has come, if one has.
    fn next(&self) -> Result<Option<libc::signalfd_siginfo>> {
        match self.signals.read_signal() {
            Err(Errno::EINTR) => Ok(None),
            answer => answer.map_err(|e| Error::sys("read", "signals", e)),
        }
    }

    fn until_end(self, child: Pid, pidfd: &OwnedFd) -> Result<Ended> {
        // Its end can have been told before we listened.
        let mut ended = collect(child)?;
        while ended.is_none() {
            let Some(info) = self.next()? else {
                let mut fds = [PollFd::new(self.signals.as_fd(), PollFlags::POLLIN)];
                match nix::poll::poll(&mut fds, PollTimeout::NONE) {
                    Ok(_) | Err(Errno::EINTR) => continue,
                    Err(e) => return Err(Error::sys("poll", "signals", e)),
                }
            };
            let signal = info.ssi_signo as i32;
            match Signal::try_from(signal) {
                Ok(Signal::SIGCHLD) => ended = collect(child)?,
                // What the terminal sent, the kernel has sent to the child as well, if that is in our group.
                Ok(of_terminal)
                    if OF_THE_TERMINAL.contains(&of_terminal)
                        && info.ssi_code == libc::SI_KERNEL
                        && getpgid(Some(child)) == getpgid(None) => {}
                // A child that has just ended needs no signal.
                _ => drop(sys::pidfd_send_signal(pidfd, signal)),
            }
        }
        ended.ok_or_else(|| Error::sys("waitpid", "", Errno::ECHILD))
    }
}

/// Collects all children that have changed: one signal can stand for several, orphans that were adopted among
/// them. Answers how ours ended, if it has.
fn collect(child: Pid) -> Result<Option<Ended>> {
    loop {
        match sys::wait_any().map_err(|e| Error::sys("waitpid", "", e))? {
            Some((pid, Change::Exited(status))) if pid == child => return Ok(Some(Ended::Exited(status))),
            Some((pid, Change::Killed(signal))) if pid == child => return Ok(Some(Ended::Killed(signal))),
            Some((pid, Change::Stopped(signal))) if pid == child => follow_stop(signal),
            Some(_) => {}
            None => return Ok(None),
        }
    }
}

/// From now on those whose parents have ended become our children, not those of the first process, so that
/// none of them stays behind as a zombie. Source: PR_SET_CHILD_SUBREAPER(2const).
pub fn adopt_orphans() -> Result<()> {
    nix::sys::prctl::set_child_subreaper(true).map_err(|e| Error::sys("prctl", "PR_SET_CHILD_SUBREAPER", e))
}

/// Collects every child that has ended.
pub fn bury_children() {
    while let Ok(Some(_)) = sys::wait_any() {}
}

/// The child was stopped: from its terminal, so whoever watches us sees us stopped too; the SIGCONT that wakes
/// us is passed on. Who stops it by SIGSTOP will wake it alone as well, and of that nobody would tell us.
fn follow_stop(signal: i32) {
    if [libc::SIGTSTP, libc::SIGTTIN, libc::SIGTTOU].contains(&signal) {
        let _ = nix::sys::signal::raise(Signal::SIGSTOP);
    }
}

/// The number of a signal given by number or name: `9`, `KILL`, `sigkill`, `RTMIN+3`, `SIGRTMAX-2`, `rt5`.
/// Source: signal(7).
pub fn parse_signal(text: &str) -> Option<i32> {
    let (lowest, highest) = sys::realtime_signals();
    let digits = |text: &str| digits::<i32>(text.as_bytes());
    if let Some(number) = digits(text) {
        return (1..=highest).contains(&number).then_some(number);
    }
    let upper = text.to_ascii_uppercase();
    let name = upper.strip_prefix("SIG").unwrap_or(&upper);
    if let Ok(signal) = format!("SIG{name}").parse::<Signal>() {
        return Some(signal as i32);
    }
    let number = match name {
        "RTMIN" => lowest,
        "RTMAX" => highest,
        _ => match (name.strip_prefix("RTMIN+"), name.strip_prefix("RTMAX-"), name.strip_prefix("RT")) {
            (Some(offset), ..) => lowest.checked_add(digits(offset)?)?,
            (_, Some(offset), _) => highest.checked_sub(digits(offset)?)?,
            (.., Some(offset)) => lowest.checked_add(digits(offset)?)?,
            _ => return None,
        },
    };
    (lowest..=highest).contains(&number).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_have_names_and_numbers() {
        let (lowest, highest) = sys::realtime_signals();
        let cases = [
            ("9", Some(9)),
            ("KILL", Some(9)),
            ("sigkill", Some(9)),
            ("Term", Some(15)),
            ("rtmin+3", Some(lowest + 3)),
            ("SIGRTMAX-2", Some(highest - 2)),
            ("rt5", Some(lowest + 5)),
            ("RTMIN", Some(lowest)),
            ("RTMAX+1", None),
            ("rt99", None),
            ("0", None),
            ("+9", None),
            ("RTMIN++1", None),
            ("65", None),
            ("-9", None),
            ("SIG", None),
            ("NOPE", None),
            ("", None),
        ];
        for (text, expected) in cases {
            assert_eq!(parse_signal(text), expected, "{text}");
        }
    }

    #[test]
    fn a_shell_is_named_as_a_login_shell() {
        assert_eq!(login_name(OsStr::new("/bin/sh")), "-sh");
        assert_eq!(login_name(OsStr::new("fish")), "-fish");
    }
}
