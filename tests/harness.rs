//! What every test uses: rings, running the tools and the originals, processes to look at, and the proof
//! that none is left behind.
//!
//! A ring is a way to run the tests: as root (`Host`), as an ordinary user (`User`), as root of a virtual machine
//! (`Uml`, `Qemu`), beside real containers (`Containers`). A test begins with `let t = rings!(Host, User);`. In a ring that it does not name it ends at once,
//! which is said on stderr.
//! With `NSKIT_TESTS=all`, a test that misses something in a ring of its own fails instead of skipping.
//! `NSKIT_RING_LOG=FILE` gathers lines for each test: ring, name, what happened, how long it took.

use std::ffi::{OsStr, OsString};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Condvar, Mutex};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

#[path = "built.rs"]
mod built;
pub(crate) use built::tool_path;

/// A way to run the tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ring {
    /// As root on this machine.
    Host,
    /// As an ordinary user on this machine.
    User,
    /// As root of a virtual machine whose Linux is a program: with all capabilities and cgroup v2 alone.
    Uml,
    /// As root of a virtual machine with a Linux as it is packaged, the same rights and groups.
    Qemu,
    /// As root beside the container engines that are installed, on this machine or in a virtual one.
    Containers,
}

impl Ring {
    pub fn here() -> Ring {
        // `tests/vm/run` sets it.
        match std::env::var("NSKIT_RING") {
            Ok(ring) if ring == "uml" => Ring::Uml,
            Ok(ring) if ring == "qemu" => Ring::Qemu,
            Ok(ring) if ring == "containers" => Ring::Containers,
            Ok(ring) if !ring.is_empty() => panic!("NSKIT_RING={ring}: there is no such ring to choose"),
            _ if nix::unistd::geteuid().is_root() => Ring::Host,
            _ => Ring::User,
        }
    }

    /// Are we root in this ring?
    pub fn is_root(self) -> bool {
        self != Ring::User
    }

    /// Is it a virtual machine? They are slow: what no kernel decides is done there less often.
    pub fn is_virtual(self) -> bool {
        matches!(self, Ring::Uml | Ring::Qemu)
    }
}

macro_rules! rings {
    ($($ring:ident),+) => {
        match $crate::harness::Test::begin(&[$($crate::harness::Ring::$ring),+]) {
            Some(test) => test,
            None => return,
        }
    };
}

/// The user that root becomes where a test is about an ordinary user: "nobody", who owns nothing.
pub const NOBODY: u32 = 65534;

/// How long anything may take. Generous: it ends what hangs, it measures nothing.
const LIMIT: Duration = Duration::from_secs(60);

/// Which tests run at once: how many do, and whether one waits to be alone or is.
static RUNNING: Mutex<(usize, bool)> = Mutex::new((0, false));
static CHANGED: Condvar = Condvar::new();

/// A test's place among those that run.
struct Turn {
    alone: bool,
    begun: Instant,
}

impl Turn {
    /// Waits until no test is alone, or until this one is.
    fn take(alone: bool) -> Turn {
        let mut running = CHANGED.wait_while(RUNNING.lock().unwrap(), |(_, alone)| *alone).unwrap();
        running.1 = alone;
        if alone {
            running = CHANGED.wait_while(running, |(count, _)| *count > 0).unwrap();
        }
        running.0 += 1;
        Turn { alone, begun: Instant::now() }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut running = RUNNING.lock().unwrap();
        running.0 -= 1;
        running.1 &= !self.alone;
        CHANGED.notify_all();
    }
}

/// A running test. When it ends, no process that it started may be left.
pub struct Test {
    name: String,
    marker: String,
    turn: Option<Turn>,
}

impl Test {
    pub fn begin(rings: &[Ring]) -> Option<Test> {
        let name = std::thread::current().name().unwrap_or("main").to_string();
        let marker = format!("NSKIT_TEST_MARK={name}.{}", std::process::id());
        let mut test = Test { name, marker, turn: None };
        if rings.contains(&Ring::here()) {
            test.turn = Some(Turn::take(false));
            // Whoever runs the tests in the background may have these ignored, and so would all that we start.
            for signal in [Signal::SIGHUP, Signal::SIGINT, Signal::SIGQUIT] {
                common::sys::ignore(signal, false).unwrap();
            }
            test.log("ran");
            return Some(test);
        }
        // Straight to the descriptor: the test runner keeps what a passing test prints.
        let names = rings.iter().map(|ring| format!("{ring:?}")).collect::<Vec<_>>().join(", ");
        let why = if Ring::here() == Ring::User && rings.contains(&Ring::Host) {
            "needs root".to_string()
        } else {
            format!("is for the ring{} {names}", if rings.len() > 1 { "s" } else { "" })
        };
        let _ = std::io::stderr().write_all(format!("skipped: {}: {why}\n", test.name).as_bytes());
        test.log(&format!("other ring: {names}"));
        None
    }

    fn log(&self, what: &str) {
        if let Some(path) = std::env::var_os("NSKIT_RING_LOG") {
            let mut file = std::fs::OpenOptions::new().create(true).append(true).open(path).unwrap();
            let line = format!("{:?}\t{}\t{what}\n", Ring::here(), self.name);
            file.write_all(line.as_bytes()).unwrap();
        }
    }

    /// Is this program installed? Where it is not the test is skipped, or fails with `NSKIT_TESTS=all`.
    pub fn has(&self, program: &str) -> bool {
        self.needs(find(program).is_some(), &format!("{program} to be installed"))
    }

    /// Does this machine have what the test needs? Skips and fails like [`Test::has`].
    pub fn needs(&self, there: bool, what: &str) -> bool {
        if there {
            return true;
        }
        assert!(std::env::var_os("NSKIT_TESTS").is_none_or(|all| all != "all"), "this test needs {what}");
        let line = format!("skipped: {}: needs {what}\n", self.name);
        let _ = std::io::stderr().write_all(line.as_bytes());
        self.log(&format!("skipped: needs {what}"));
        false
    }

    /// Is this the kind of machine that the test is about? Where it is not the test is skipped aloud, also with
    /// `NSKIT_TESTS=all`: it runs in the same ring elsewhere.
    pub fn belongs(&self, here: bool, to: &str) -> bool {
        if !here {
            let _ = std::io::stderr().write_all(format!("skipped: {}: is for {to}\n", self.name).as_bytes());
            self.log(&format!("skipped: is for {to}"));
        }
        here
    }

    /// Waits until no other test runs; none begins before this one ends. For what changes the whole machine.
    pub fn be_alone(&mut self) {
        self.turn = None;
        self.turn = Some(Turn::take(true));
    }

    /// One of our tools.
    pub fn tool(&self, name: &str) -> Run<'_> {
        Run::new(self, tool_path(name).into())
    }

    /// An original from the newest util-linux that Debian has, where `tests/newest` has fetched it. Skips and fails
    /// like [`Test::has`].
    pub fn newest(&self, name: &str) -> Option<PathBuf> {
        let set = |name| std::env::var_os(name).map(PathBuf::from);
        let caches = || Some(set("XDG_CACHE_HOME").unwrap_or(set("HOME")?.join(".cache")).join("nskit-vm"));
        let file = set("NSKIT_VM_CACHE").or_else(caches).map(|cache| cache.join("newest/bin").join(name));
        let file = file.filter(|file| file.is_file());
        self.needs(file.is_some(), "the newest util-linux: run tests/newest").then_some(())?;
        file
    }

    /// A program of the machine, such as the original of a tool.
    pub fn program(&self, name: &str) -> Run<'_> {
        self.path(&find(name).unwrap_or_else(|| panic!("{name} is not installed")))
    }

    /// A program by its path.
    pub fn path(&self, program: &Path) -> Run<'_> {
        Run::new(self, program.to_path_buf())
    }

    /// Starts a launcher (ours by name, or the original) with these options; the program in it sleeps. It
    /// is gone when the value is dropped.
    pub fn hold(&self, launcher: &str, options: &[&str]) -> Held {
        let run = match launcher {
            "runshare" | "rnsenter" => self.tool(launcher),
            _ => self.program(launcher),
        };
        run.args(options).args(["sh", "-c", "echo ready; exec sleep 1000"]).hold()
    }

    /// The processes that this test started and that still run.
    pub fn left(&self) -> Vec<String> {
        let mut left = Vec::new();
        for pid in pids() {
            let environ = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            if environ.split(|&b| b == 0).any(|entry| entry == self.marker.as_bytes()) {
                let command = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
                left.push(format!("{pid}: {}", String::from_utf8_lossy(&command).replace('\0', " ")));
            }
        }
        left
    }

    /// Ends what a test that fails would leave behind.
    fn end_what_is_left(&self) {
        for line in self.left() {
            let pid = line.split(':').next().and_then(|pid| pid.parse().ok());
            pid.map(|pid| kill(Pid::from_raw(pid), Signal::SIGKILL));
        }
    }

    /// Waits until no process of this test is left.
    pub fn assert_nothing_left(&self) {
        let left = || self.left();
        assert!(within(Duration::from_secs(5), || left().is_empty()), "left behind: {:?}", left());
    }
}

impl Drop for Test {
    fn drop(&mut self) {
        match std::thread::panicking() {
            false => self.assert_nothing_left(),
            true => self.end_what_is_left(),
        }
        if let Some(turn) = &self.turn {
            self.log(&format!("took {} ms", turn.begun.elapsed().as_millis()));
        }
    }
}

/// Is this true within the time? Asked again and again.
pub fn within(limit: Duration, mut asked: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + limit;
    loop {
        if asked() {
            return true;
        }
        if Instant::now() > end {
            return false;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A terminal: what is read and written by who sits at it, and what programs get. What other tests start meanwhile does
/// not inherit it, as it would from openpty(3).
pub fn terminal() -> (OwnedFd, OwnedFd) {
    let (master, slave) = common::sys::terminal::open_pty().unwrap();
    nix::fcntl::fcntl(&master, nix::fcntl::FcntlArg::F_SETFL(nix::fcntl::OFlag::O_RDWR)).unwrap();
    (master, slave)
}

/// All PIDs of the machine.
pub fn pids() -> Vec<i32> {
    let names = std::fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.file_name());
    names.filter_map(|name| name.to_str()?.parse().ok()).collect()
}

/// The state of a process: `S`, `T`, `Z` and so on of proc_pid_stat(5). None where there is no such process.
pub fn state(pid: i32) -> Option<char> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.chars().next()
}

/// Has a process not ended yet?
pub fn runs(pid: i32) -> bool {
    state(pid).is_some_and(|state| state != 'Z')
}

pub fn signal(pid: i32, signal: Signal) {
    kill(Pid::from_raw(pid), signal).unwrap();
}

/// This becomes true.
#[track_caller]
pub fn soon(what: impl FnMut() -> bool) {
    assert!(within(Duration::from_secs(20), what));
}

/// Is this process the program sleep, and waiting? While a program is executed it bears its name already, and has no
/// environment yet.
pub fn sleeps(pid: i32) -> bool {
    let read = |name: &str| std::fs::read_to_string(format!("/proc/{pid}/{name}"));
    // Some kernels do not tell, and not everybody.
    let asleep = || match read("syscall").as_deref().map(|call| call.split(' ').next().unwrap_or_default()) {
        Ok(call) => [libc::SYS_nanosleep, libc::SYS_clock_nanosleep].iter().any(|n| call == n.to_string()),
        Err(_) => state(pid) == Some('S'),
    };
    read("comm").is_ok_and(|name| name == "sleep\n") && asleep()
}

/// The inode number of a process's namespace.
pub fn inode(pid: impl std::fmt::Display, kind: &str) -> u64 {
    let link = std::fs::read_link(format!("/proc/{pid}/ns/{kind}")).unwrap();
    link.to_str().unwrap().split(['[', ']']).nth(1).unwrap().parse().unwrap()
}

/// Is this kernel of this release or a later one?
pub fn kernel_since(release: (u32, u32)) -> bool {
    let text = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    let mut words = text.split(['.', '-']).map_while(|word| word.trim().parse::<u32>().ok());
    (words.next().unwrap(), words.next().unwrap()) >= release
}

/// Has this kernel this kind of namespace?
pub fn has_kind(kind: &str) -> bool {
    Path::new("/proc/self/ns").join(kind).exists()
}

/// Where a program of the machine is.
pub fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let usual = ["/usr/local/sbin", "/usr/sbin", "/sbin"].map(PathBuf::from);
    std::env::split_paths(&path).chain(usual).map(|dir| dir.join(program)).find(|file| file.is_file())
}

/// Copies a program with its mode. By another process: a file that we have open for writing is so for an
/// instant in every process that another test starts, and cannot be executed meanwhile.
pub fn copy_program(from: &Path, to: &Path) {
    assert!(Command::new("cp").arg("-pL").args([from, to]).status().unwrap().success());
}

/// The folder of the project.
pub fn project() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A command to be run.
pub struct Run<'a> {
    test: &'a Test,
    program: PathBuf,
    command: Command,
    input: Vec<u8>,
    limit: Duration,
    _copy: Option<tempfile::TempDir>,
}

impl<'a> Run<'a> {
    fn new(test: &'a Test, program: PathBuf) -> Run<'a> {
        let mut run = Run {
            test,
            command: Command::new(&program),
            program,
            input: Vec::new(),
            limit: LIMIT,
            _copy: None,
        };
        run.prepare();
        run
    }

    fn prepare(&mut self) {
        let (key, value) = self.test.marker.split_once('=').unwrap();
        self.command
            .env_remove("NSKIT_RING_LOG")
            .env(key, value)
            .env("LC_ALL", "C.UTF-8")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
    }

    /// As an ordinary user, if we are root. To be called before arguments are added. The tool is copied to
    /// where that user may execute it.
    pub fn as_user(mut self) -> Self {
        if Ring::here().is_root() {
            let dir = tempfile::Builder::new().prefix("nskit-test").tempdir().unwrap();
            let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
            std::fs::set_permissions(dir.path(), open).unwrap();
            let copy = dir.path().join(self.program.file_name().unwrap());
            copy_program(&self.program, &copy);
            self.command = Command::new(copy);
            self.prepare();
            self.command.uid(NOBODY).gid(NOBODY).current_dir("/").env("HOME", "/");
            self._copy = Some(dir);
        }
        self
    }

    pub fn args<S: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.command.args(args);
        self
    }

    pub fn arg(self, arg: impl AsRef<OsStr>) -> Self {
        self.args([arg])
    }

    pub fn env(mut self, key: &str, value: &str) -> Self {
        self.command.env(key, value);
        self
    }

    pub fn dir(mut self, dir: impl AsRef<Path>) -> Self {
        self.command.current_dir(dir);
        self
    }

    pub fn stdin(mut self, input: impl Into<Vec<u8>>) -> Self {
        self.input = input.into();
        self
    }

    /// The command itself, for what only one test needs.
    pub fn with(mut self, change: impl FnOnce(&mut Command)) -> Self {
        change(&mut self.command);
        self
    }

    /// It may take long: a compilation.
    pub fn patiently(mut self) -> Self {
        self.limit = 10 * LIMIT;
        self
    }

    /// Runs it to its end.
    pub fn run(self) -> Output {
        let shown = format!("{:?}", self.command);
        let Run { test, mut command, input, limit, _copy, .. } = self;
        let mut child = command.spawn().unwrap_or_else(|e| panic!("{shown}: {e}"));
        let mut stdin = child.stdin.take();
        let writer = std::thread::spawn(move || {
            // A program that does not read it all is no fault.
            let _ = stdin.as_mut().map(|stdin| stdin.write_all(&input));
        });
        let stdout = reader(child.stdout.take());
        let stderr = reader(child.stderr.take());
        let mut status = None;
        within(limit, || {
            status = child.try_wait().unwrap();
            status.is_some()
        });
        let Some(status) = status else {
            let _ = child.kill();
            test.end_what_is_left();
            panic!("{shown}: did not end");
        };
        writer.join().unwrap();
        let [stdout, stderr] = [stdout, stderr].map(|text| text.join().unwrap());
        let output = Output { shown, code: status.code(), signal: status.signal(), stdout, stderr };
        // In a terminal with --nocapture one can watch.
        println!("{}\n{}{}", output.shown, output.text(), output.errors());
        output
    }

    /// Runs it with a terminal of so many columns as its standard output and error; answers what that showed,
    /// lines ended by newlines only.
    pub fn run_in_terminal(mut self, columns: u16) -> String {
        let size = common::sys::terminal::Size { ws_row: 24, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        let (master, slave) = terminal();
        common::sys::terminal::set_terminal_size(&master, &size).unwrap();
        self.command.stdin(Stdio::null()).stdout(slave.try_clone().unwrap()).stderr(slave);
        let mut child = self.command.spawn().unwrap();
        // Our copies of the terminal are closed, so the reader ends when the program's are.
        drop(self.command);
        let mut bytes = Vec::new();
        // The end of a terminal is an error, EIO, to the one who reads.
        let _ = std::fs::File::from(master).read_to_end(&mut bytes);
        child.wait().unwrap();
        String::from_utf8_lossy(&bytes).replace("\r\n", "\n")
    }

    /// Starts it; its program has to print a line when it is ready, and then to stay.
    pub fn hold(self) -> Held {
        let shown = format!("{:?}", self.command);
        let last = self.command.get_args().last().map(|word| word.as_encoded_bytes());
        let becomes_sleep = last.is_some_and(|word| word.ends_with(b"exec sleep 1000"));
        let mut held = self.start();
        held.line = held.next_line().unwrap_or_else(|| panic!("{shown}: ended early"));
        // Who is ready is not yet what it goes on as.
        if becomes_sleep {
            let pid = held.pid();
            assert!(
                within(LIMIT, || descendants(pid).into_iter().chain([pid]).any(sleeps)),
                "{shown}: no sleep"
            );
        }
        held
    }

    /// Starts it and waits for nothing.
    pub fn start(self) -> Held {
        let shown = format!("{:?}", self.command);
        let Run { mut command, _copy, .. } = self;
        let mut child = command.stderr(Stdio::inherit()).spawn().unwrap_or_else(|e| panic!("{shown}: {e}"));
        let (to, lines) = std::sync::mpsc::channel();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || stdout.lines().map_while(Result::ok).try_for_each(|line| to.send(line)));
        Held { child, line: String::new(), lines, _copy }
    }
}

fn reader(from: Option<impl Read + Send + 'static>) -> std::thread::JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        from.map(|mut from| from.read_to_end(&mut bytes));
        bytes
    })
}

/// What a command did.
#[derive(Debug)]
pub struct Output {
    pub shown: String,
    pub code: Option<i32>,
    pub signal: Option<i32>,
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
}

impl Output {
    /// What it printed.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// What it printed on stderr.
    pub fn errors(&self) -> String {
        String::from_utf8_lossy(&self.stderr).into_owned()
    }

    /// It must have succeeded and complained of nothing; answers what it printed.
    #[track_caller]
    pub fn ok(&self) -> String {
        assert_eq!((self.code, self.errors().as_str()), (Some(0), ""), "{}\n{}", self.shown, self.text());
        self.text()
    }

    /// It must have failed with this status and this first line on stderr, and printed nothing; answers the
    /// hint, or nothing.
    #[track_caller]
    pub fn fails(&self, status: i32, line: &str) -> String {
        let errors = self.errors();
        let mut lines = errors.lines();
        assert_eq!((self.code, lines.next().unwrap_or_default()), (Some(status), line), "{}", self.shown);
        assert_eq!(self.text(), "", "{}", self.shown);
        let hint = lines.next().unwrap_or_default();
        assert_eq!(lines.next(), None, "one line and a hint: {}", self.shown);
        hint.strip_prefix("hint: ").unwrap_or(hint).to_string()
    }
}

/// A process that was started and stays until this is dropped.
pub struct Held {
    pub child: Child,
    /// The line that it printed when it was ready.
    pub line: String,
    pub lines: std::sync::mpsc::Receiver<String>,
    _copy: Option<tempfile::TempDir>,
}

impl Held {
    /// The PID of what was started: the launcher, or the program where the launcher became it.
    pub fn pid(&self) -> i32 {
        self.child.id() as i32
    }

    /// The PID of the program: the launcher's only child, or that of what it became.
    pub fn inner(&self) -> i32 {
        let mut pid = self.pid();
        while let Some(child) = children(pid).first() {
            pid = *child;
        }
        pid
    }

    /// The next line that it prints; nothing where it prints no more.
    #[track_caller]
    pub fn next_line(&mut self) -> Option<String> {
        match self.lines.recv_timeout(LIMIT) {
            Ok(line) => Some(line),
            Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => None,
            Err(e) => panic!("process {} prints nothing: {e}", self.pid()),
        }
    }

    /// How it ended: by itself, within the time.
    #[track_caller]
    pub fn wait(&mut self) -> std::process::ExitStatus {
        let mut status = None;
        let ended = within(LIMIT, || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        assert!(ended, "process {} did not end", self.pid());
        status.unwrap()
    }
}

/// The children of a process.
pub fn children(pid: i32) -> Vec<i32> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    text.split_whitespace().map(|pid| pid.parse().unwrap()).collect()
}

/// The children of a process and theirs.
fn descendants(pid: i32) -> Vec<i32> {
    children(pid).into_iter().flat_map(|child| [vec![child], descendants(child)].concat()).collect()
}

impl Drop for Held {
    fn drop(&mut self) {
        if self.child.try_wait().is_ok_and(|ended| ended.is_some()) {
            return;
        }
        // What it started first: afterwards nothing leads there.
        for pid in descendants(self.pid()).into_iter().chain([self.pid()]) {
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
        let _ = self.child.wait();
    }
}

/// Words as arguments that need not be text.
pub fn bytes(text: &[u8]) -> OsString {
    std::os::unix::ffi::OsStringExt::from_vec(text.to_vec())
}

#[test]
fn the_virtual_machine_gives_root_all_rights_and_the_groups_that_were_asked_for() {
    let t = rings!(Uml, Qemu);
    let read = |file: &str| std::fs::read_to_string(file).unwrap();
    let mounts = read("/proc/self/mountinfo");
    let count = |kind: &str| mounts.lines().filter(|line| line.contains(&format!(" - {kind} "))).count();
    let layout = std::env::var("NSKIT_VM_LAYOUT").unwrap();
    let (v1, v2) = match layout.as_str() {
        "hybrid" => (true, 1),
        "v1" => (true, 0),
        "none" => (false, 0),
        _ => (false, 1),
    };
    assert_eq!((count("cgroup") > 0, count("cgroup2")), (v1, v2), "{mounts}");
    if layout == "v2" {
        let controllers = read("/sys/fs/cgroup/cgroup.controllers");
        assert!(["cpu", "memory", "pids"].iter().all(|name| controllers.contains(name)), "{controllers}");
        assert_eq!(read("/sys/fs/cgroup/cgroup.subtree_control"), controllers);
    }
    let systemd = ["systemd", "delegated"].contains(&layout.as_str());
    assert_eq!(read("/proc/1/comm") == "systemd\n", systemd);
    if systemd {
        let told = t.program("systemctl").args(["show", "-p", "Delegate", "nskit.service"]).run().ok();
        assert_eq!(told == "Delegate=yes\n", layout == "delegated", "{told}");
    }
    let last: u32 = read("/proc/sys/kernel/cap_last_cap").trim().parse().unwrap();
    let all = format!("CapEff:\t{:016x}\n", (1u64 << (last + 1)) - 1);
    assert!(read("/proc/self/status").contains(&all), "{all}");
    // Its root is no chroot: a user namespace can be made.
    t.program("unshare").args(["-U", "true"]).run().ok();
}

/// What nsinfo says of one thing, of its JSON.
#[track_caller]
pub(crate) fn world(text: &str) -> serde_json::Value {
    let mut document: serde_json::Value =
        serde_json::from_str(text).unwrap_or_else(|e| panic!("{e}: {text}"));
    let worlds = document["worlds"].as_array_mut().unwrap();
    assert_eq!(worlds.len(), 1, "{text}");
    worlds.remove(0)
}
