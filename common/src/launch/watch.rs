//! A parent that waits for the program: it passes signals on, stops with it, and learns how it ended.

use std::fmt;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout};
use nix::sys::signal::{SigSet, SigmaskHow, Signal, sigprocmask};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockType, recv, send, socketpair};
use nix::unistd::{ForkResult, Pid, getpgid};

use super::pty::{self, Pty, Pump};
use super::{Ended, Program};
use crate::error::{Error, Result};
use crate::proc::Proc;
use crate::proc::status::Signals;
use crate::sys::{self, Change};

/// Those that the terminal sends to a whole process group.
const OF_THE_TERMINAL: &[Signal] =
    &[Signal::SIGINT, Signal::SIGQUIT, Signal::SIGTSTP, Signal::SIGTTIN, Signal::SIGTTOU, Signal::SIGWINCH];

/// Those by which a program is stopped; it can catch them.
const STOPS: &[Signal] = &[Signal::SIGTSTP, Signal::SIGTTIN, Signal::SIGTTOU];

/// Those by which people end a program. These and [`STOPS`] the kernel drops for the first process of a pid namespace
/// that does not catch them, so we do to that one what they would have done. Source: pid_namespaces(7).
const ENDS: &[Signal] = &[Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP, Signal::SIGQUIT];

fn among(signals: &[Signal], number: i32) -> bool {
    signals.iter().any(|signal| *signal as i32 == number)
}

/// The child's end of what is between us. The program does not get it.
#[derive(Debug, Default)]
pub struct Gate {
    /// The parent: whether it still lives.
    parent: Option<OwnedFd>,
    /// By which it says when to start, and hears of what an exit status cannot say.
    socket: Option<OwnedFd>,
    /// Was the child born in the group of [`Watch::into_group`]?
    pub in_group: bool,
    /// The terminal that the program gets.
    terminal: Option<OwnedFd>,
    /// Closed when the program runs: so the parent knows.
    begins: Option<OwnedFd>,
}

/// What an init tells the parent that waits, each with a number: a signal or a status.
const LISTENS: u8 = b'L';
const STOPPED: u8 = b'S';
const EXITED: u8 = b'E';
const KILLED: u8 = b'K';

impl Gate {
    /// Becomes the program, on the terminal that it is to have: [`Watch::with_pty`]. Descriptors from `closed` on are not passed on
    /// ([`sys::close_from`]). Answers only by what went wrong, when standard error is what it was before.
    pub fn exec(&self, program: &Program, closed: Option<u32>) -> Error {
        let close = |kept| closed.map_or(Ok(()), |first| sys::close_from_but(first, kept));
        let Some(terminal) = &self.terminal else {
            return close(None).map_or_else(|e| e, |()| program.exec());
        };
        let told = match pty::take(terminal) {
            Ok(told) => told,
            Err(e) => return e,
        };
        let error = close(Some(told.as_raw_fd())).map_or_else(|e| e, |()| program.exec());
        // Where this is refused the message goes to the terminal, from which the parent copies it.
        let _ = nix::unistd::dup2_stderr(&told);
        error
    }

    /// Waits until the parent stands ready. False if the parent gave up or ended.
    fn wait(&self) -> Result<bool> {
        let Some(socket) = &self.socket else { return Ok(true) };
        let mut byte = [0];
        loop {
            match recv(socket.as_raw_fd(), &mut byte, MsgFlags::empty()) {
                Ok(length) => return Ok(length == 1),
                Err(Errno::EINTR) => {}
                Err(e) => return Err(Error::sys("recv", "the parent's socket", e)),
            }
        }
    }

    /// From now on we get this signal when the parent ends, however it ends. Has to come after the last
    /// change of credentials, which makes the kernel forget it. An error if the parent has ended already.
    /// Needs [`Watch::until_death`]. Source: PR_SET_PDEATHSIG(2const).
    pub fn die_with_parent(&self, signal: i32) -> Result<()> {
        sys::set_pdeathsig(signal).map_err(|e| Error::sys("prctl", "PR_SET_PDEATHSIG", e))?;
        self.parent_lives()
    }

    fn parent_lives(&self) -> Result<()> {
        let Some(parent) = &self.parent else { return Ok(()) };
        let mut fds = [PollFd::new(parent.as_fd(), PollFlags::POLLIN)];
        match nix::poll::poll(&mut fds, PollTimeout::ZERO) {
            Ok(0) => Ok(()),
            Ok(_) => Err(Error::refused("the waiting parent process ended")),
            Err(e) => Err(Error::sys("poll", "the parent's pidfd", e)),
        }
    }

    /// Becomes the init of the pid namespace that we are the first process of: forks once more for the program,
    /// passes on to it what signals come, collects every process that ends, and answers the status to exit with when
    /// the program has ended, by which the kernel ends all others. The parent is told what a status cannot say.
    /// Of descriptors we keep the standard ones. Needs [`Watch::with_init`]. Source: pid_namespaces(7).
    pub fn be_init(&self, program: impl FnOnce(Result<&Gate>) -> u8) -> Result<u8> {
        // What is inside shall not look into us, who have it from outside.
        sys::set_undumpable()?;
        let watch = Watch { init_of: Some(self), ..Watch::begin()? };
        // Until now the kernel dropped the signal that tells of the parent's end.
        self.parent_lives()?;
        self.tell(LISTENS, 0);
        let let_go = || sys::close_but(self.socket.as_ref().map(AsRawFd::as_raw_fd).as_slice());
        Ok(match watch.fork_when(let_go, program)? {
            Ended::Exited(status) => {
                self.tell(EXITED, status);
                status
            }
            Ended::Killed(signal) => {
                self.tell(KILLED, signal as u8);
                128 + signal as u8
            }
        })
    }

    /// A parent that has ended needs no news.
    fn tell(&self, what: u8, number: u8) {
        if let Some(socket) = &self.socket {
            // A parent that is stopped for long does not read, and need not be stopped.
            let wait = if what == STOPPED { MsgFlags::MSG_DONTWAIT } else { MsgFlags::empty() };
            let _ = send(socket.as_raw_fd(), &[what, number], MsgFlags::MSG_NOSIGNAL | wait);
        }
    }
}

/// The state of a parent that waits: signals are blocked and collected, not handled. From its
/// beginning on no signal that can be caught ends us, so what is to be cleaned up can be made then.
#[derive(Debug)]
pub struct Watch<'a> {
    mask: SigSet,
    old_mask: SigSet,
    chld_ignored: bool,
    /// By which the child can be looked at, where the usual one may be covered.
    proc: Option<&'a Proc>,
    /// The child will want to know whether we live.
    until_death: bool,
    /// The child is to wait for us.
    gated: bool,
    /// The child will be an init, and may tell us more than its status.
    init: bool,
    /// We are an init, and this leads to the parent.
    init_of: Option<&'a Gate>,
    /// The group of version 2 that the child is to be born in.
    group: Option<BorrowedFd<'a>>,
    /// The program gets this terminal.
    pty: Option<Pty>,
    /// Something is to be done while it runs.
    alarm: Option<Alarm<'a>>,
}

/// Something that is done when it is time, and says after how long again.
struct Alarm<'a> {
    /// The first time is so long after the start.
    after: Duration,
    act: &'a mut dyn FnMut(Pid) -> Option<Duration>,
}

impl fmt::Debug for Alarm<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Alarm({:?})", self.after)
    }
}

impl<'a> Watch<'a> {
    /// Begins to collect signals.
    pub fn begin() -> Result<Watch<'a>> {
        let mask = SigSet::all();
        // Were it ignored, the kernel would reap the child for us and its status would be lost.
        let chld_ignored =
            sys::ignore(Signal::SIGCHLD, false).map_err(|e| Error::sys("sigaction", "SIGCHLD", e))?;
        // Not nix's `thread_swap_mask`, which takes each answer of the C library for a success: unblocked, the
        // end of the child would never be told.
        let mut old_mask = SigSet::empty();
        sigprocmask(SigmaskHow::SIG_BLOCK, Some(&mask), Some(&mut old_mask))
            .map_err(|e| Error::sys("sigprocmask", "", e))?;
        let (until_death, gated, init) = (false, false, false);
        let (proc, init_of, group, pty, alarm) = (None, None, None, None, None);
        Ok(Watch { mask, old_mask, chld_ignored, proc, until_death, gated, init, init_of, group, pty, alarm })
    }

    /// By this /proc it will be seen whether the child hears what it is sent; without, by what is mounted on `/proc` then.
    pub fn looking_at(self, proc: Option<&'a Proc>) -> Watch<'a> {
        Watch { proc, ..self }
    }

    /// The child may ask for [`Gate::die_with_parent`].
    pub fn until_death(self, asked: bool) -> Watch<'a> {
        Watch { until_death: asked, ..self }
    }

    /// The child has to wait until we are ready, [`Watch::fork_when`].
    pub fn gated(self, asked: bool) -> Watch<'a> {
        Watch { gated: asked, ..self }
    }

    /// The child will be an init, [`Gate::be_init`]. It lets go of the descriptors that we inherited, and so do we: a pipe
    /// ends when the program closes it.
    pub fn with_init(self, asked: bool) -> Watch<'a> {
        Watch { init: asked, ..self }
    }

    /// The child is to be born in this group of version 2, if the kernel does that: [`Gate::in_group`].
    pub fn into_group(self, group: Option<BorrowedFd<'a>>) -> Watch<'a> {
        Watch { group, ..self }
    }

    /// The program will lead a session on this terminal, for which the child starts it by [`Gate::exec`], and we copy to and from
    /// ours. Not for an init.
    pub fn with_pty(self, pty: Option<Pty>) -> Watch<'a> {
        Watch { pty, ..self }
    }

    /// So long after the program's start this is done, by us who wait for this child; it answers after how long once more.
    pub fn alarmed(
        self,
        after: Option<Duration>,
        act: &'a mut dyn FnMut(Pid) -> Option<Duration>,
    ) -> Watch<'a> {
        Watch { alarm: after.map(|after| Alarm { after, act }), ..self }
    }

    /// Forks; the child runs `child`, which answers only with an exit status where the program could not be
    /// started: it is given the gate, or why the child could not get ready. Waits for the child, passes signals
    /// on to it, stops when it stops, and answers how it ended. On an error no child is left.
    pub fn fork(self, child: impl FnOnce(Result<&Gate>) -> u8) -> Result<Ended> {
        self.fork_when(|| Ok(()), child)
    }

    /// The same; `ready` is what the parent does while the child waits, if it is [`Watch::gated`]. If that fails
    /// the child ends before it has done anything.
    pub fn fork_when(
        mut self,
        ready: impl FnOnce() -> Result<()>,
        program: impl FnOnce(Result<&Gate>) -> u8,
    ) -> Result<Ended> {
        let mut gate = Gate::default();
        if self.until_death {
            let parent = sys::pidfd_open(Pid::this().as_raw());
            gate.parent = Some(parent.map_err(|e| Error::sys("pidfd_open", "ourselves", e))?);
        }
        let mut ours = None;
        if self.gated || self.init {
            let pair = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC)
                .map_err(|e| Error::sys("socketpair", "", e))?;
            sys::signal_on_input(&pair.0).map_err(|e| Error::sys("fcntl", "a socket: O_ASYNC", e))?;
            (ours, gate.socket) = (Some(pair.0), Some(pair.1));
        }
        let mut pump = None;
        if let Some(pty) = self.pty.take() {
            let (copies, begins) = pty.pump(&self.mask)?;
            (pump, gate.begins) = (Some(copies), Some(begins));
        }
        let (forked, in_group) = sys::fork_into(self.group).map_err(|e| Error::sys("fork", "", e))?;
        gate.in_group = in_group;
        match forked {
            ForkResult::Child => {
                drop(ours);
                gate.terminal = pump.and_then(Pump::into_terminal);
                let status = match self.undo().and_then(|()| gate.wait()) {
                    Ok(true) => program(Ok(&gate)),
                    // It has said why, or nobody is left who would read a message.
                    Ok(false) => 125,
                    Err(e) => program(Err(e)),
                };
                if let Some(begins) = &gate.begins {
                    // Nobody has begun.
                    let _ = nix::unistd::write(begins, &[0]);
                }
                std::process::exit(status.into())
            }
            ForkResult::Parent { child } => {
                drop((gate.socket.take(), gate.begins.take()));
                // It may hold what `ready` closes.
                drop(program);
                let mut child = Child {
                    pid: child,
                    early: SigSet::empty(),
                    listens: false,
                    killed_for: None,
                    told: None,
                    pump,
                };
                if self.init_of.is_some() {
                    child.early = sys::pending();
                }
                let let_go = || match self.init {
                    true => sys::close_but(&self.held(&gate, ours.as_ref())),
                    false => Ok(()),
                };
                let released = ready().and_then(|()| let_go()).and_then(|()| {
                    let Some(socket) = &ours else { return Ok(()) };
                    match send(socket.as_raw_fd(), &[1], MsgFlags::MSG_NOSIGNAL) {
                        // The child was killed before it began: waiting tells how.
                        Ok(_) | Err(Errno::EPIPE | Errno::ECONNRESET) => Ok(()),
                        Err(e) => Err(Error::sys("send", "the child's socket", e)),
                    }
                });
                let ended =
                    released.and_then(|()| self.until_end(&mut child, ours.as_ref())).inspect_err(|_| {
                        child.send(libc::SIGKILL);
                        let _ = nix::sys::wait::waitpid(child.pid, None);
                    });
                let Some(mut pump) = child.pump else { return ended };
                let copied = pump.finish(|pump| self.is_asked_to_end(pump));
                pump.rest();
                ended.and_then(|ended| copied.map(|()| ended))
            }
        }
    }

    /// The descriptors that we still need when the child has its own.
    fn held(&self, gate: &Gate, socket: Option<&OwnedFd>) -> Vec<RawFd> {
        let proc = self.proc.map(|proc| proc.as_fd().as_raw_fd());
        [proc, gate.parent.as_ref().map(AsRawFd::as_raw_fd), socket.map(AsRawFd::as_raw_fd)]
            .into_iter()
            .flatten()
            .collect()
    }

    /// In the child: gives the program the signals as we got them.
    fn undo(&self) -> Result<()> {
        if self.chld_ignored {
            sys::ignore(Signal::SIGCHLD, true).map_err(|e| Error::sys("sigaction", "SIGCHLD", e))?;
        }
        sigprocmask(SigmaskHow::SIG_SETMASK, Some(&self.old_mask), None)
            .map_err(|e| Error::sys("sigprocmask", "", e))
    }

    fn until_end(&mut self, child: &mut Child, socket: Option<&OwnedFd>) -> Result<Ended> {
        let mut ended = None;
        let mut due = self.alarm.as_ref().map(|alarm| Instant::now() + alarm.after);
        while ended.is_none() {
            if let Some(pump) = &mut child.pump {
                pump.until_signal()?;
            }
            let left = due.map(|due| due.saturating_duration_since(Instant::now()));
            let (signal, code) = match sys::wait_signal(&self.mask, left) {
                Err(Errno::EINTR) => continue,
                Err(Errno::EAGAIN) => {
                    let again = self.alarm.as_mut().and_then(|alarm| (alarm.act)(child.pid));
                    due = again.map(|after| Instant::now() + after);
                    continue;
                }
                answer => answer.map_err(|e| Error::sys("sigtimedwait", "", e))?,
            };
            // Whatever came before this signal may have been told, and decides what is done about it.
            let stopped = socket.is_some_and(|socket| child.hear(socket));
            match signal {
                libc::SIGCHLD => ended = self.collect(child)?,
                // Its terminal tells the program itself, if it is of another size then.
                libc::SIGWINCH if child.pump.is_some() => child.pump.iter().for_each(Pump::resize),
                // The kernel's, not one that somebody sent.
                _ if socket.is_some() && code > 0 && sys::tells_of_input(signal) => {}
                _ => self.pass_on(child, signal, code),
            }
            if stopped && ended.is_none() {
                self.follow_stop(child, libc::SIGTSTP);
            }
        }
        // An init that has ended may have told more than its own status does.
        socket.map(|socket| child.hear(socket));
        let ended = ended.ok_or_else(|| Error::sys("waitpid", "", Errno::ECHILD))?;
        Ok(match (child.told, child.killed_for) {
            (Some(told), _) => told,
            (None, Some(signal)) if ended == Ended::Killed(libc::SIGKILL) => Ended::Killed(signal),
            _ => ended,
        })
    }

    /// Looks at the child by what was opened for it, or by what is there now.
    fn sight(&self, child: &Child) -> Option<Sight> {
        match self.proc {
            Some(proc) => child.sight(proc),
            None => child.sight(&Proc::system().ok()?),
        }
    }

    /// Is this so of the child whenever it is met, and not only where it is about to run?
    fn keeps(&self, child: &Child, is_so: impl Fn(Sight) -> bool) -> bool {
        let (mut met, mut looks) = (0, 0);
        while met < 10 && looks < 200 {
            match self.sight(child) {
                Some(sight) if is_so(sight) => met += u32::from(!sight.runs),
                _ => return false,
            }
            looks += 1;
            if met == 0 {
                std::thread::sleep(std::time::Duration::from_millis(1));
            }
        }
        true
    }

    /// Passes a signal on, or does what it would have done.
    fn pass_on(&self, child: &mut Child, signal: i32, code: i32) {
        let (ends, stops) = (among(ENDS, signal), among(STOPS, signal));
        let sight = (!self.init && (ends || stops)).then(|| self.sight(child)).flatten();
        let started = child.listens || sight.is_none_or(|sight| sight.started);
        // Who leads a session has nobody who would wake it, so the kernel drops what would stop it.
        let alone = child.pump.is_some() && stops;
        // The kernel would drop it. What the first process blocks it may still ask for, but before it is the program
        // only what the program will be given blocked.
        let drops = |Sight { before, after, waits, .. }: Sight| {
            [before, after].into_iter().all(|signals| {
                let blocks =
                    (signals.blocks(signal) || waits) && (started || sys::has(&self.old_mask, signal));
                (signals.is_first || alone) && !signals.ignores(signal) && !signals.catches(signal) && !blocks
            })
        };
        let dropped = match sight {
            _ if self.init => (ends || stops) && !child.listens && !sys::ignores(signal),
            // Looked at more than once: one that waits again and again may have been met between, and one that was woken
            // and has no processor yet looks as if it did not wait.
            Some(sight) => drops(sight) && self.keeps(child, drops),
            None => false,
        };
        // What the terminal sent, the kernel has sent to the child as well, if that is in our group and was there.
        let met = if self.init_of.is_some() { !sys::has(&child.early, signal) } else { started };
        child.early = SigSet::from_iter(child.early.iter().filter(|early| *early as i32 != signal));
        match &mut child.pump {
            Some(pump) if signal == libc::SIGCONT => pump.resume(),
            Some(pump) if ends => pump.hurry(),
            _ => {}
        }
        match dropped {
            true if stops => {
                child.send(libc::SIGSTOP);
                self.follow_stop(child, signal);
            }
            true => {
                child.killed_for.get_or_insert(signal);
                child.send(libc::SIGKILL);
            }
            false
                if met
                    && code == libc::SI_KERNEL
                    && among(OF_THE_TERMINAL, signal)
                    && getpgid(Some(child.pid)) == getpgid(None) => {}
            false => child.send(signal),
        }
    }

    /// Collects all children that have changed: one signal can stand for several, orphans that were adopted among
    /// them. Answers how ours ended, if it has.
    fn collect(&self, child: &Child) -> Result<Option<Ended>> {
        loop {
            match sys::wait_any().map_err(|e| Error::sys("waitpid", "", e))? {
                Some((pid, Change::Exited(status))) if pid == child.pid => {
                    return Ok(Some(Ended::Exited(status)));
                }
                Some((pid, Change::Killed(signal))) if pid == child.pid => {
                    return Ok(Some(Ended::Killed(signal)));
                }
                Some((pid, Change::Stopped(signal))) if pid == child.pid => {
                    self.follow_stop(child, signal);
                }
                Some(_) => {}
                None => return Ok(None),
            }
        }
    }

    /// The child was stopped: from its terminal, so whoever watches us sees us stopped too; the SIGCONT that wakes
    /// us is passed on. Who stops it by SIGSTOP will wake it alone as well, and of that nobody would tell us.
    /// An init cannot be stopped by itself, and lets its parent do it.
    fn follow_stop(&self, child: &Child, signal: i32) {
        // Who has woken us since would not do so again.
        let woken = || sys::has(&sys::pending(), libc::SIGCONT);
        match self.init_of {
            _ if !among(STOPS, signal) || woken() => {}
            Some(parent) => parent.tell(STOPPED, signal as u8),
            None => stop(child.pump.as_ref()),
        }
    }

    /// A signal has come after the program's end: does it want us to end as well?
    fn is_asked_to_end(&self, pump: &Pump) -> Result<bool> {
        let signal = match sys::wait_signal(&self.mask, None) {
            Err(Errno::EINTR) => return Ok(false),
            answer => answer.map_err(|e| Error::sys("sigtimedwait", "", e))?.0,
        };
        match signal {
            libc::SIGCONT => pump.resume(),
            _ if among(STOPS, signal) => stop(Some(pump)),
            _ => {}
        }
        Ok(among(ENDS, signal))
    }
}

/// Waits on, when the program has ended, where [`Watch`] did: until something happens behind this descriptor that POLLPRI
/// tells of, a child ends, or so long. Answers the signal by which we are asked to end, if one is.
pub fn pause(change: Option<BorrowedFd<'_>>, limit: Option<Duration>) -> Result<Option<i32>> {
    let signals = SignalFd::with_flags(&SigSet::all(), SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)
        .map_err(|e| Error::sys("signalfd", "", e))?;
    let mut fds = vec![PollFd::new(signals.as_fd(), PollFlags::POLLIN)];
    fds.extend(change.map(|change| PollFd::new(change, PollFlags::POLLPRI)));
    // One too long to be told is none, and one that is cut short is asked for again.
    let limit = limit.and_then(|limit| PollTimeout::try_from(limit).ok()).unwrap_or(PollTimeout::NONE);
    match nix::poll::poll(&mut fds, limit) {
        Ok(_) | Err(Errno::EINTR) => {}
        Err(e) => return Err(Error::sys("poll", "signals", e)),
    }
    let mut asked = None;
    while let Ok(Some(signal)) = signals.read_signal() {
        match signal.ssi_signo as i32 {
            libc::SIGCHLD => super::bury_children(),
            signal if among(ENDS, signal) => asked = Some(signal),
            signal if among(STOPS, signal) => stop(None),
            _ => {}
        }
    }
    Ok(asked)
}

/// Stops us, with our terminal as it was before.
fn stop(pump: Option<&Pump>) {
    pump.into_iter().for_each(Pump::rest);
    let _ = nix::sys::signal::raise(Signal::SIGSTOP);
}

/// The child that is waited for. It is our own and not yet collected, so its PID is no other's.
struct Child {
    pid: Pid,
    /// What the terminal had sent before it was there.
    early: SigSet,
    /// Is it an init that has begun to listen?
    listens: bool,
    /// The signal for which it was ended by SIGKILL.
    killed_for: Option<i32>,
    /// What an init told of the program's end.
    told: Option<Ended>,
    /// Copies to and from its terminal, if that is its own.
    pump: Option<Pump>,
}

/// What is seen of the child in /proc.
#[derive(Clone, Copy)]
struct Sight {
    before: Signals,
    /// The same a moment later.
    after: Signals,
    /// Does it wait for signals meanwhile?
    waits: bool,
    /// Has it a processor, or is next to get one? Then nobody can tell whether it waits.
    runs: bool,
    /// Has it executed a program? Before that it is a copy of us.
    started: bool,
}

impl Child {
    /// A child that has just ended needs no signal.
    fn send(&self, signal: i32) {
        let _ = sys::send_signal(self.pid, signal);
    }

    /// Looks at it, where this /proc numbers processes as we do.
    fn sight(&self, proc: &Proc) -> Option<Sight> {
        proc.numbers_as_we_do(proc.this().ok()?.pid).then_some(())?;
        let task = proc.task(self.pid.as_raw()).ok()?;
        let started = !task.stat().ok()?.is_copy;
        let signals = || Some(Signals::parse(&task.read(c"status").ok()?));
        // Who waits by sigtimedwait(2) blocks nothing that it waits for as long as it does so.
        let (before, call, after) = (signals()?, task.read(c"syscall"), signals()?);
        let call = call.unwrap_or_default();
        let waits = call.starts_with(format!("{} ", libc::SYS_rt_sigtimedwait).as_bytes());
        let runs = call.starts_with(b"running");
        Some(Sight { before, after, waits, runs, started })
    }

    /// Hears all that an init has to say. Was the program stopped?
    fn hear(&mut self, socket: &OwnedFd) -> bool {
        let mut news = [0; 2];
        let mut stopped = false;
        loop {
            match recv(socket.as_raw_fd(), &mut news, MsgFlags::MSG_DONTWAIT) {
                Err(Errno::EINTR) => {}
                Ok(2) => match news {
                    [LISTENS, _] => self.listens = true,
                    [STOPPED, _] => stopped = true,
                    [EXITED, status] => self.told = Some(Ended::Exited(status)),
                    [KILLED, signal] => self.told = Some(Ended::Killed(signal.into())),
                    _ => {}
                },
                _ => return stopped,
            }
        }
    }
}
