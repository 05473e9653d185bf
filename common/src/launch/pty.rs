//! A pseudo-terminal for the program: what it types goes to itself, and what goes to and fro we copy.

use std::cell::Cell;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::unistd::{Uid, dup2_stderr, dup2_stdin, dup2_stdout, fchown, pipe2, read, write};

use crate::error::{Error, Result};
use crate::sys;
use crate::sys::terminal::{self, Settings};

/// What is written at once. A pipe takes it without waiting, if poll(2) says that it takes anything. Source: PIPE_BUF, pipe(7).
const CHUNK: usize = 4096;

/// Of a longer line the kernel would drop the rest, where lines are gathered. Source: termios(3), canonical mode: 4095.
const LINE: usize = 4000;

/// What a program has printed and we have not read when it ends is less: 64 KiB are on the way, 4 KiB have come. More has
/// only who still prints. Source: the kernel's drivers/tty/tty_buffer.c, n_tty.c.
const LAST: usize = 128 << 10;

/// How soon the end of input is told again to a program that has read it, and how soon we look whether it has: at first, and
/// at last.
const AGAIN: [Duration; 2] = [Duration::from_millis(10), Duration::from_secs(1)];

/// A pseudo-terminal that is open for the program, and what we know of our own terminal. What the program prints on it goes
/// to our standard output, its errors among it, and our standard input is typed on it.
#[derive(Debug)]
pub struct Pty {
    pair: Pair,
    ours: Ours,
}

/// Its two ends.
#[derive(Debug)]
struct Pair {
    /// Never waits.
    master: OwnedFd,
    /// As long as we have it too, the terminal does not end with the last program that closes it: another may open it again.
    slave: OwnedFd,
}

impl From<(OwnedFd, OwnedFd)> for Pair {
    fn from((master, slave): (OwnedFd, OwnedFd)) -> Pair {
        Pair { master, slave }
    }
}

impl Pty {
    /// Opens one from the devpts that is mounted here, with the settings and the size of our terminal, if we have one. Stops us
    /// as long as that is another job's, as what it reads and changes would do. Nothing may have been entered yet, and signals
    /// not be blocked. Source: pts(4), termios(3), "Terminal access control" of credentials(7).
    pub fn open() -> Result<Pty> {
        let ours = Ours::look();
        let opened =
            terminal::open_pty().map_err(|e| Error::sys("open", "a pseudo-terminal (/dev/ptmx)", e))?;
        let pty = Pty { pair: opened.into(), ours };
        pty.prepare();
        Ok(pty)
    }

    /// Changes it for one from the devpts that is mounted on `/dev/pts` now, so that programs find its name there. Keeps what it
    /// was where that cannot be or is not beyond doubt. To be called when the mount namespace and the root directory are those of
    /// the program, and before signals are blocked.
    pub fn move_inside(&mut self) {
        if let Ok(opened) = terminal::open_pty_here() {
            self.pair = opened.into();
            self.prepare();
        }
    }

    /// Gives it to the user that the program will be, who can then open it by its name too. Where this is refused, it stays ours.
    /// Source: fchown(2).
    pub fn give_to(&self, user: u32) {
        let _ = fchown(&self.pair.slave, Some(Uid::from_raw(user)), None);
    }

    /// Without these a terminal is usable as well.
    fn prepare(&self) {
        let settings = self.ours.model.map_or_else(|| Settings::of(&self.pair.slave), Ok);
        // Nobody types what we copy from a file or a pipe, so nobody wants to see it.
        let _ = settings.and_then(|settings| match self.ours.typed {
            true => settings.set(&self.pair.slave),
            false => settings.without_echo().set(&self.pair.slave),
        });
        self.ours.copy_size(&self.pair.master);
    }

    /// What copies while the program runs, and what the child has to have until then.
    pub(super) fn pump(self, signals: &SigSet) -> Result<(Pump, OwnedFd)> {
        let (begun, begins) = pipe2(OFlag::O_CLOEXEC)
            .map_err(|e| Error::sys("pipe2", "by which the child tells that the program runs", e))?;
        let signals = SignalFd::with_flags(signals, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)
            .map_err(|e| Error::sys("signalfd", "of all signals", e))?;
        let pump = Pump {
            pair: Some(self.pair),
            ours: self.ours,
            signals,
            begun: Some(begun),
            runs: false,
            input: Flow::default(),
            output: Flow::default(),
            source: Source::Open,
            line: 0,
            hurried: false,
            end: None,
            failure: None,
        };
        Ok((pump, begins))
    }
}

/// In the child: makes the terminal its own, and its standard descriptors. Answers what standard error was.
pub(super) fn take(slave: &OwnedFd) -> Result<OwnedFd> {
    let [_, _, error] = terminal::standard();
    let error = error.try_clone_to_owned();
    let error = error.map_err(|e| Error::io("fcntl", "standard error: F_DUPFD_CLOEXEC", &e))?;
    terminal::lead_session_on(slave)?;
    // Standard error last: where one is refused, the message goes there.
    dup2_stdin(slave)
        .and_then(|()| dup2_stdout(slave))
        .and_then(|()| dup2_stderr(slave))
        .map_err(|e| Error::sys("dup2", "the pseudo-terminal", e))?;
    Ok(error)
}

/// Our own terminal, as far as we have one.
#[derive(Debug)]
struct Ours {
    /// Is standard input one?
    typed: bool,
    /// Our controlling terminal as an open file of our own, where standard input or output is that: those are shared with the
    /// shell, and must not be told that they are never to wait.
    private: Option<OwnedFd>,
    /// Whether it stands for standard input, and for standard output.
    stands_for: [bool; 2],
    /// The settings that the program's terminal begins with.
    model: Option<Settings>,
    /// What standard input has to be given back, once it is raw.
    before: Cell<Option<Settings>>,
}

impl Ours {
    fn look() -> Ours {
        let [input, output, error] = terminal::standard();
        let typed = Settings::of(input).is_ok();
        let stands_for = [input, output].map(terminal::controls_us);
        let private = stands_for.contains(&true).then(|| terminal::open_terminal().ok()).flatten();
        if typed && terminal::in_background(input) {
            // Where nobody could wake us we go on without.
            let _ = terminal::wait_for_foreground(input);
        }
        let model = [input, output, error].into_iter().find_map(|fd| Some((fd, Settings::of(fd).ok()?)));
        // In the background they are those of the shell's own prompt.
        let model = model.filter(|(fd, _)| !terminal::in_background(fd)).map(|(_, settings)| settings);
        Ours { typed, private, stands_for, model, before: Cell::new(None) }
    }

    fn input(&self) -> BorrowedFd<'_> {
        self.end(0)
    }

    fn output(&self) -> BorrowedFd<'_> {
        self.end(1)
    }

    fn end(&self, number: usize) -> BorrowedFd<'_> {
        match &self.private {
            Some(private) if self.stands_for[number] => private.as_fd(),
            _ => terminal::standard()[number],
        }
    }

    fn copy_size(&self, to: &OwnedFd) {
        let size = terminal::standard().into_iter().find_map(|fd| terminal::terminal_size(fd).ok());
        let _ = size.map(|size| terminal::set_terminal_size(to, &size));
    }

    /// Lets every key go to the program. In the background this stops us until we are not: what shell waits for us then knows.
    fn make_raw(&self) {
        let [input, ..] = terminal::standard();
        if !self.typed || terminal::in_background(input) && terminal::wait_for_foreground(input).is_err() {
            return;
        }
        if let Ok(now) = Settings::of(input) {
            let before = self.before.get().unwrap_or(now);
            self.before.set(Some(before));
            let _ = before.raw().set(input);
        }
    }

    /// Gives our terminal its settings back. In the background it is not ours: the shell has given it its own.
    fn give_back(&self) {
        let [input, ..] = terminal::standard();
        if let Some(before) = self.before.take().filter(|_| !terminal::in_background(input)) {
            let _ = before.set(input);
        }
    }
}

/// Bytes on their way.
#[derive(Debug, Default)]
struct Flow {
    bytes: Vec<u8>,
    gone: usize,
}

impl Flow {
    fn rest(&self) -> &[u8] {
        &self.bytes[self.gone..]
    }

    fn is_empty(&self) -> bool {
        self.rest().is_empty()
    }

    /// Reads, when nothing is left; answers how much.
    fn fill(&mut self, from: impl AsFd) -> nix::Result<usize> {
        self.gone = 0;
        self.bytes.resize(CHUNK, 0);
        let answer = read(from, &mut self.bytes);
        self.bytes.truncate(answer.unwrap_or(0));
        answer
    }

    /// Writes what it can.
    fn pour(&mut self, to: impl AsFd) -> nix::Result<()> {
        let end = self.bytes.len().min(self.gone + CHUNK);
        self.gone += write(to, &self.bytes[self.gone..end])?;
        Ok(())
    }

    fn clear(&mut self) {
        *self = Flow::default();
    }
}

/// Where input comes from.
#[derive(Debug)]
enum Source {
    Open,
    /// It has ended. When we look next whether the program has read that, and how long we wait after that one.
    Ended(Instant, Duration),
    /// Our terminal does not let us read.
    Closed,
}

/// Copies between our terminal and the program's while the program runs.
#[derive(Debug)]
pub(super) struct Pump {
    /// None when it has been hung up.
    pair: Option<Pair>,
    ours: Ours,
    signals: SignalFd,
    /// By which we learn that the program runs.
    begun: Option<OwnedFd>,
    runs: bool,
    input: Flow,
    output: Flow,
    source: Source,
    /// How long the line is that was read last from what is no terminal.
    line: usize,
    /// We were sent a signal that ends people's programs: they want an end.
    hurried: bool,
    /// When we wait no longer for those who read what was printed.
    end: Option<Instant>,
    /// What could not be copied, and why.
    failure: Option<Error>,
}

/// Not an answer, but a call to ask again.
fn is_later(errno: Errno) -> bool {
    matches!(errno, Errno::EAGAIN | Errno::EINTR)
}

impl Pump {
    /// In the child: lets go of all but the terminal that the program will have.
    pub(super) fn into_terminal(self) -> Option<OwnedFd> {
        self.pair.map(|pair| pair.slave)
    }

    /// Copies until there is a signal to be taken.
    pub(super) fn until_signal(&mut self) -> Result<()> {
        while !self.copy()? {}
        Ok(())
    }

    /// Waits once and copies what there is. Is there a signal to be taken?
    fn copy(&mut self) -> Result<bool> {
        let wants = |asked: bool, flags: PollFlags| if asked { flags } else { PollFlags::empty() };
        let reads = self.runs && matches!(self.source, Source::Open) && self.pair.is_some();
        let master = wants(self.output.is_empty(), PollFlags::POLLIN)
            | wants(!self.input.is_empty(), PollFlags::POLLOUT);
        let asked = [
            (Some(self.signals.as_fd()), PollFlags::POLLIN),
            (self.begun.as_ref().map(AsFd::as_fd), PollFlags::POLLIN),
            ((reads && self.input.is_empty()).then(|| self.ours.input()), PollFlags::POLLIN),
            (self.pair.as_ref().map(|pair| pair.master.as_fd()).filter(|_| !master.is_empty()), master),
            ((!self.output.is_empty()).then(|| self.ours.output()), PollFlags::POLLOUT),
        ];
        let mut fds: Vec<PollFd> =
            asked.iter().filter_map(|(fd, flags)| Some(PollFd::new((*fd)?, *flags))).collect();
        match poll(&mut fds, self.patience()) {
            Err(Errno::EINTR) => return Ok(false),
            answer => answer.map_err(|e| Error::sys("poll", "terminals", e))?,
        };
        let mut answers = fds.iter().map(|fd| fd.revents().unwrap_or(PollFlags::POLLERR));
        let [signal, begun, input, master, output] =
            asked.map(|(fd, _)| fd.and_then(|_| answers.next()).unwrap_or(PollFlags::empty()));
        if !begun.is_empty() {
            // It is closed when the program runs, or the child was killed. A child that failed says so before.
            let answer = self.begun.take().map(|begun| read(begun, &mut [0]));
            self.runs = answer == Some(Ok(0));
            self.resume();
        }
        if !output.is_empty() {
            self.print();
        }
        if !input.is_empty() {
            self.listen(input);
        }
        if master.intersects(PollFlags::POLLOUT) {
            self.type_in();
        }
        if master.intersects(PollFlags::POLLIN | PollFlags::POLLHUP | PollFlags::POLLERR) {
            self.look();
        }
        self.tell_end_again();
        Ok(!signal.is_empty())
    }

    /// How long nothing is to be done by itself.
    fn patience(&self) -> PollTimeout {
        let until = match self.source {
            Source::Ended(next, _) if self.pair.is_some() && self.input.is_empty() => Some(next),
            _ => self.end,
        };
        until.map_or(PollTimeout::NONE, |until| {
            let left = until.saturating_duration_since(Instant::now()) + Duration::from_millis(1);
            PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX)
        })
    }

    /// Reads what the program has printed. Answers how much.
    fn look(&mut self) -> usize {
        let Some(pair) = self.pair.as_ref().filter(|_| self.output.is_empty()) else { return 0 };
        match self.output.fill(&pair.master) {
            Ok(count @ 1..) => count,
            Err(e) if is_later(e) => 0,
            answer => {
                self.fail("read", "the pseudo-terminal", answer.err());
                // EIO is its end: nobody can open it again.
                self.hang_up();
                0
            }
        }
    }

    /// What was not copied is told, when the program has ended, unless only who would have read it has gone.
    fn fail(&mut self, call: &'static str, on: &str, errno: Option<Errno>) {
        let errno = errno.filter(|e| !matches!(e, Errno::EPIPE | Errno::EIO | Errno::ECONNRESET));
        if let (Some(errno), None) = (errno, &self.failure) {
            self.failure = Some(Error::sys(call, on, errno));
        }
    }

    /// Prints what was read.
    fn print(&mut self) {
        let answer = sys::without_sigpipe(|| self.output.pour(self.ours.output()));
        match answer {
            Ok(()) => {}
            Err(e) if is_later(e) => {}
            Err(e) => {
                // The signal was kept for us, since we have it blocked, and is none for the program. To ignore it for a moment
                // drops it. Source: sigaction(2).
                sys::without_sigpipe(|| ());
                self.output.clear();
                self.fail("write", "standard output", Some(e));
                self.hang_up();
            }
        }
    }

    /// What a closed window is to a program: it gets SIGHUP, and its terminal can neither be read nor written any more.
    fn hang_up(&mut self) {
        self.pair = None;
        self.input.clear();
    }

    /// Reads what is typed.
    fn listen(&mut self, ready: PollFlags) {
        let mut answer = self.input.fill(self.ours.input());
        if answer == Err(Errno::EIO) && self.ours.typed {
            // In the background, with the signal blocked that would stop us. Source: termios(3), SIGTTIN.
            let again = || self.input.fill(self.ours.input());
            answer = terminal::with_unblocked(Signal::SIGTTIN, again).and_then(|answer| answer);
        }
        match answer {
            Ok(0) if self.ours.typed && ready.contains(PollFlags::POLLHUP) => self.hang_up(),
            // Whoever has made ours gather lines has pressed the key.
            Ok(0) if self.ours.typed => self.end_input(1),
            Err(e) if is_later(e) => {}
            Err(Errno::EIO) if self.ours.typed => self.source = Source::Closed,
            Ok(0) | Err(_) => {
                self.fail("read", "standard input", answer.err());
                // After a line that is not complete the first one only ends that.
                self.end_input(if self.line > 0 { 2 } else { 1 });
                self.source = Source::Ended(Instant::now() + AGAIN[0], AGAIN[0]);
            }
            Ok(_) if !self.ours.typed => self.break_lines(),
            Ok(_) => {}
        }
    }

    /// Types what stands for the end of input.
    fn end_input(&mut self, times: usize) {
        let Some(pair) = &self.pair else { return };
        let key = Settings::of(&pair.master).ok().and_then(|settings| settings.end_of_input());
        self.input.bytes.extend(key.into_iter().flat_map(|key| std::iter::repeat_n(key, times)));
    }

    /// Where lines are gathered, has those that are too long read in parts: the end of input does that in the middle of a
    /// line, and is not read itself.
    fn break_lines(&mut self) {
        let mut broken = Vec::new();
        for byte in &self.input.bytes {
            self.line = if *byte == b'\n' { 0 } else { self.line + 1 };
            broken.push(*byte);
            if self.line == LINE {
                let settings = self.pair.as_ref().and_then(|pair| Settings::of(&pair.master).ok());
                broken.extend(settings.filter(Settings::gathers_lines).and_then(|it| it.end_of_input()));
                self.line = 0;
            }
        }
        self.input.bytes = broken;
    }

    /// Who reads again after the end of input finds it again, as in a file.
    fn tell_end_again(&mut self) {
        let Source::Ended(next, pause) = self.source else { return };
        let Some(pair) = self.pair.as_ref().filter(|_| self.input.is_empty() && Instant::now() >= next)
        else {
            return;
        };
        let mut unread = [PollFd::new(pair.slave.as_fd(), PollFlags::POLLIN)];
        let is_unread = poll(&mut unread, PollTimeout::ZERO) != Ok(0);
        let pause = if is_unread { (2 * pause).min(AGAIN[1]) } else { 5 * AGAIN[0] };
        self.source = Source::Ended(Instant::now() + pause, pause);
        if !is_unread {
            self.input.clear();
            self.end_input(1);
        }
    }

    /// Types what was read.
    fn type_in(&mut self) {
        let Some(pair) = &self.pair else { return };
        match self.input.pour(&pair.master) {
            Err(e) if !is_later(e) => {
                self.input.clear();
                self.fail("write", "the pseudo-terminal", Some(e));
            }
            _ => {}
        }
    }

    /// Our terminal may be as large as never before.
    pub(super) fn resize(&self) {
        let _ = self.pair.as_ref().map(|pair| self.ours.copy_size(&pair.master));
    }

    /// We run again, or the program has begun.
    pub(super) fn resume(&self) {
        if self.runs {
            self.ours.make_raw();
            self.resize();
        }
    }

    /// The program is sent what is to end it. We will not wait long for a terminal that shows nothing, then.
    pub(super) fn hurry(&mut self) {
        self.hurried = true;
    }

    /// We will stop or end.
    pub(super) fn rest(&self) {
        self.ours.give_back();
    }

    /// The program has ended: prints what it has left, unless it turns out, when there is a signal, that this is not to be waited
    /// for. Nor is what others will print who have the terminal too.
    pub(super) fn finish(&mut self, mut ends: impl FnMut(&Self) -> Result<bool>) -> Result<()> {
        (self.begun, self.runs, self.source) = (None, false, Source::Closed);
        self.input.clear();
        self.end = self.hurried.then(|| Instant::now() + AGAIN[1]);
        let mut left = LAST;
        while left > 0 && self.end.is_none_or(|end| Instant::now() < end) {
            if self.output.is_empty() {
                match self.look() {
                    0 => break,
                    count => left = left.saturating_sub(count),
                }
            } else if self.copy()? && ends(self)? {
                break;
            }
        }
        match self.failure.take() {
            Some(failure) => Err(failure),
            None => Ok(()),
        }
    }
}
