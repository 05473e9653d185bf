//! Runs a program and follows the system calls that it makes, and its children until they execute another;
//! one of the calls can be made to fail, or be the last thing that its process does.
//!
//! This is a tracer of its own because strace(1) counts calls by name and process, and here each of them is a
//! point that has to be met again in the next run.

use std::collections::{HashMap, HashSet};
use std::ffi::CString;
use std::io::{Read, Seek};
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout};
use nix::sys::ptrace::{self, Event, Options};
use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{ForkResult, Gid, Pid, Uid};

/// Who hangs is ended after this time: twice what rcgexec gives a group to end.
const LIMIT: Duration = Duration::from_secs(12);

/// The calls that are shown by name, and which of their arguments is a path.
#[rustfmt::skip]
const CALLS: &[(libc::c_long, &str, Option<usize>)] = &[
    (libc::SYS_access, "access", Some(0)), (libc::SYS_arch_prctl, "arch_prctl", None), (libc::SYS_brk, "brk", None),
    (libc::SYS_capget, "capget", None), (libc::SYS_chdir, "chdir", Some(0)), (libc::SYS_chroot, "chroot", Some(0)),
    (libc::SYS_clone, "clone", None), (libc::SYS_clone3, "clone3", None), (libc::SYS_close, "close", None),
    (libc::SYS_clock_nanosleep, "clock_nanosleep", None), (libc::SYS_close_range, "close_range", None),
    (libc::SYS_connect, "connect", None), (libc::SYS_dup, "dup", None), (libc::SYS_dup3, "dup3", None),
    (libc::SYS_execve, "execve", Some(0)), (libc::SYS_exit, "exit", None), (libc::SYS_exit_group, "exit_group", None),
    (libc::SYS_faccessat2, "faccessat2", Some(1)), (libc::SYS_fchdir, "fchdir", None), (libc::SYS_fcntl, "fcntl", None),
    (libc::SYS_fgetxattr, "fgetxattr", Some(1)), (libc::SYS_flock, "flock", None), (libc::SYS_fsetxattr, "fsetxattr", Some(1)),
    (libc::SYS_fstat, "fstat", None), (libc::SYS_fstatfs, "fstatfs", None), (libc::SYS_futex, "futex", None),
    (libc::SYS_getcwd, "getcwd", None), (libc::SYS_getdents64, "getdents64", None), (libc::SYS_getegid, "getegid", None),
    (libc::SYS_geteuid, "geteuid", None), (libc::SYS_getgroups, "getgroups", None), (libc::SYS_getpgid, "getpgid", None),
    (libc::SYS_getpid, "getpid", None), (libc::SYS_getppid, "getppid", None), (libc::SYS_getrandom, "getrandom", None),
    (libc::SYS_gettid, "gettid", None), (libc::SYS_getuid, "getuid", None), (libc::SYS_ioctl, "ioctl", None),
    (libc::SYS_kill, "kill", None), (libc::SYS_lseek, "lseek", None), (libc::SYS_madvise, "madvise", None),
    (libc::SYS_mkdirat, "mkdirat", Some(1)), (libc::SYS_mmap, "mmap", None), (libc::SYS_mount, "mount", Some(1)),
    (libc::SYS_mprotect, "mprotect", None), (libc::SYS_mremap, "mremap", None), (libc::SYS_munmap, "munmap", None),
    (libc::SYS_newfstatat, "newfstatat", Some(1)), (libc::SYS_openat, "openat", Some(1)), (libc::SYS_openat2, "openat2", Some(1)),
    (libc::SYS_pidfd_open, "pidfd_open", None), (libc::SYS_pidfd_send_signal, "pidfd_send_signal", None),
    (libc::SYS_pipe2, "pipe2", None), (libc::SYS_poll, "poll", None), (libc::SYS_prctl, "prctl", None),
    (libc::SYS_pread64, "pread64", None), (libc::SYS_prlimit64, "prlimit64", None), (libc::SYS_read, "read", None),
    (libc::SYS_readlink, "readlink", Some(0)), (libc::SYS_readlinkat, "readlinkat", Some(1)), (libc::SYS_rseq, "rseq", None),
    (libc::SYS_recvfrom, "recvfrom", None), (libc::SYS_rt_sigtimedwait, "rt_sigtimedwait", None), (libc::SYS_sendto, "sendto", None),
    (libc::SYS_sethostname, "sethostname", None), (libc::SYS_setdomainname, "setdomainname", None),
    (libc::SYS_rt_sigaction, "rt_sigaction", None), (libc::SYS_rt_sigprocmask, "rt_sigprocmask", None),
    (libc::SYS_sched_getaffinity, "sched_getaffinity", None), (libc::SYS_set_robust_list, "set_robust_list", None),
    (libc::SYS_set_tid_address, "set_tid_address", None), (libc::SYS_setgid, "setgid", None), (libc::SYS_setgroups, "setgroups", None),
    (libc::SYS_setns, "setns", None), (libc::SYS_setresgid, "setresgid", None), (libc::SYS_setresuid, "setresuid", None),
    (libc::SYS_setuid, "setuid", None), (libc::SYS_sigaltstack, "sigaltstack", None), (libc::SYS_signalfd4, "signalfd4", None),
    (libc::SYS_socket, "socket", None), (libc::SYS_socketpair, "socketpair", None), (libc::SYS_statfs, "statfs", Some(0)),
    (libc::SYS_statx, "statx", Some(1)), (libc::SYS_unlinkat, "unlinkat", Some(1)), (libc::SYS_unshare, "unshare", None),
    (libc::SYS_wait4, "wait4", None), (libc::SYS_waitid, "waitid", None), (libc::SYS_write, "write", None),
];

const BIRTHS: [i32; 3] =
    [Event::PTRACE_EVENT_FORK as i32, Event::PTRACE_EVENT_VFORK as i32, Event::PTRACE_EVENT_CLONE as i32];

/// A system call as it was entered.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) name: String,
    pub(crate) args: [u64; 3],
    /// What its path argument names.
    pub(crate) path: Option<String>,
}

impl std::fmt::Display for Call {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [a, b, c] = self.args;
        match &self.path {
            Some(path) => write!(f, "{}({path:?})", self.name),
            None => write!(f, "{}({:#x}, {b:#x}, {c:#x})", self.name, a),
        }
    }
}

/// What happens at a point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum With {
    /// The call fails so, and nothing of it is done.
    Error(Errno),
    /// The process is ended by SIGKILL instead.
    Kill,
}

impl std::fmt::Display for With {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            With::Error(errno) => write!(f, "{errno:?}"),
            With::Kill => f.write_str("SIGKILL"),
        }
    }
}

/// A point of a run and what happens there: processes count in the order in which they came, the calls of each
/// from its beginning.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fault {
    pub(crate) process: usize,
    pub(crate) call: usize,
    pub(crate) with: With,
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}:{}", self.process, self.call, self.with)
    }
}

/// What is run.
pub(crate) struct Start {
    pub(crate) program: PathBuf,
    pub(crate) args: Vec<String>,
    pub(crate) dir: PathBuf,
    /// Become this user and group first.
    pub(crate) user: Option<u32>,
}

/// How it went.
pub(crate) struct Ran {
    /// How the first process ended; unknown if it had to be ended.
    pub(crate) status: Option<WaitStatus>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    /// The calls of each process, up to the fault.
    pub(crate) calls: Vec<Vec<Call>>,
    /// The call where the fault was.
    pub(crate) hit: Option<Call>,
}

/// A process that is followed.
struct Tracee {
    number: usize,
    /// The next stop at a system call is the end of one.
    inside: bool,
    /// What this call is to answer.
    answer: Option<Errno>,
    /// It was our own fork and has not executed the tool yet.
    starting: bool,
}

/// Runs it to its end. The caller has one thread, has SIGCHLD blocked, and no other children that end
/// meanwhile.
pub(crate) fn run(start: &Start, fault: Option<Fault>) -> Ran {
    let mut outputs = [tempfile::tempfile().unwrap(), tempfile::tempfile().unwrap()];
    let (gate, release) = nix::unistd::pipe2(OFlag::O_CLOEXEC).unwrap();
    let main = match common::sys::fork().unwrap() {
        ForkResult::Child => {
            drop(release);
            let error = become_program(start, &outputs, gate);
            eprintln!("cannot run {}: {error}", start.program.display());
            std::process::exit(99)
        }
        ForkResult::Parent { child } => child,
    };
    let all = Options::PTRACE_O_TRACESYSGOOD
        | Options::PTRACE_O_TRACEEXEC
        | Options::PTRACE_O_TRACEFORK
        | Options::PTRACE_O_TRACEVFORK
        | Options::PTRACE_O_TRACECLONE
        | Options::PTRACE_O_EXITKILL;
    ptrace::seize(main, all).unwrap();
    nix::unistd::write(&release, b"g").unwrap();

    let mut ran =
        Ran { status: None, stdout: String::new(), stderr: String::new(), calls: vec![vec![]], hit: None };
    let first = Tracee { number: 0, inside: false, answer: None, starting: true };
    let mut tracees = HashMap::from([(main, first)]);
    let mut left = HashSet::new();
    let signals =
        SignalFd::with_flags(&SigSet::from(Signal::SIGCHLD), SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)
            .unwrap();
    let end = Instant::now() + LIMIT;
    let mut main_ended = false;
    while !main_ended || !tracees.is_empty() {
        match waitpid(None, Some(WaitPidFlag::WNOHANG | WaitPidFlag::__WALL)) {
            Ok(WaitStatus::StillAlive) => {
                let mut fds = [PollFd::new(signals.as_fd(), PollFlags::POLLIN)];
                let _ = nix::poll::poll(&mut fds, PollTimeout::from(200u8));
                while let Ok(Some(_)) = signals.read_signal() {}
                if Instant::now() > end {
                    break;
                }
            }
            Ok(status @ (WaitStatus::Exited(pid, _) | WaitStatus::Signaled(pid, ..))) => {
                tracees.remove(&pid);
                if pid == main {
                    main_ended = true;
                    ran.status = Some(status);
                }
            }
            Ok(status) => stopped(status, &mut tracees, &mut left, &mut ran, fault),
            Err(e) => panic!("waitpid: {e}"),
        }
    }
    if ran.status.is_none() || !tracees.is_empty() {
        ran.status = None;
        let _ = kill(main, Signal::SIGKILL);
        for &pid in tracees.keys() {
            let _ = kill(pid, Signal::SIGKILL);
        }
    }
    let [stdout, stderr] = outputs.each_mut().map(|file| {
        let mut text = Vec::new();
        file.rewind().unwrap();
        file.read_to_end(&mut text).unwrap();
        // Groups are called after the PID of who made them.
        String::from_utf8_lossy(&text).replace(&format!("rcgexec-{main}"), "rcgexec-PID")
    });
    Ran { stdout, stderr, ..ran }
}

/// In the child: becomes the tool when the tracer is there. Answers why not.
fn become_program(start: &Start, outputs: &[std::fs::File; 2], gate: impl AsFd) -> Errno {
    let become_it = || {
        let null = std::fs::File::open("/dev/null").map_err(|_| Errno::ENOENT)?;
        nix::unistd::dup2_stdin(&null)?;
        nix::unistd::dup2_stdout(&outputs[0])?;
        nix::unistd::dup2_stderr(&outputs[1])?;
        nix::unistd::chdir(&start.dir)?;
        SigSet::empty().thread_set_mask()?;
        common::sys::ignore(Signal::SIGPIPE, false)?;
        if let Some(id) = start.user {
            nix::unistd::setgroups(&[])?;
            nix::unistd::setgid(Gid::from_raw(id))?;
            nix::unistd::setuid(Uid::from_raw(id))?;
        }
        nix::unistd::read(&gate, &mut [0])?;
        let text = |text: &str| CString::new(text).unwrap();
        let program = text(start.program.to_str().unwrap());
        let args: Vec<CString> =
            std::iter::once(program.clone()).chain(start.args.iter().map(|arg| text(arg))).collect();
        let here = format!("TMPDIR={}", start.dir.display());
        let environment = ["PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8", &here].map(text);
        nix::unistd::execve(&program, &args, &environment)
    };
    let Err(e) = become_it();
    e
}

/// A process stands still: takes note, does what is to be done there, and lets it go on.
fn stopped(
    status: WaitStatus,
    tracees: &mut HashMap<Pid, Tracee>,
    left: &mut HashSet<Pid>,
    ran: &mut Ran,
    fault: Option<Fault>,
) {
    let Some(pid) = status.pid() else { return };
    let mut meet = |pid| {
        tracees.entry(pid).or_insert_with(|| {
            ran.calls.push(Vec::new());
            Tracee { number: ran.calls.len() - 1, inside: false, answer: None, starting: false }
        });
    };
    // A child can stop before its parent tells of it, and its parent can be gone before the child stops.
    meet(pid);
    if let WaitStatus::PtraceEvent(_, _, event) = status
        && BIRTHS.contains(&event)
    {
        let child = ptrace::getevent(pid).map(|child| Pid::from_raw(child as i32));
        // One that had stopped before, and was left then, is not followed again.
        child.into_iter().filter(|child| !left.contains(child)).for_each(meet);
    }
    let Some(tracee) = tracees.get_mut(&pid) else { return };
    let mut signal = None;
    // After the fault nobody needs to be followed any more, but for the call that is to get its answer.
    let mut leave = ran.hit.is_some() && tracee.answer.is_none();
    match status {
        WaitStatus::PtraceEvent(_, _, event) if event == Event::PTRACE_EVENT_EXEC as i32 => {
            leave |= !tracee.starting;
            tracee.starting = false;
            tracee.inside = true;
        }
        WaitStatus::Stopped(_, sent) => signal = Some(sent),
        WaitStatus::PtraceSyscall(_) if !tracee.starting => {
            let Ok(mut regs) = ptrace::getregs(pid) else { return };
            // A new process begins with the end of the call that made it.
            let entered = !tracee.inside && regs.rax == -i64::from(libc::ENOSYS) as u64;
            tracee.inside = entered;
            if entered && !leave {
                let call = look_at(pid, &regs);
                let calls = &mut ran.calls[tracee.number];
                calls.push(call.clone());
                let here = |fault: &Fault| fault.process == tracee.number && fault.call == calls.len() - 1;
                if let Some(fault) = fault.filter(here) {
                    ran.hit = Some(call);
                    match fault.with {
                        With::Kill => {
                            let _ = kill(pid, Signal::SIGKILL);
                            return;
                        }
                        With::Error(errno) => {
                            tracee.answer = Some(errno);
                            // Whatever close(2) answers, the descriptor is closed.
                            if ran.hit.as_ref().is_some_and(|call| call.name != "close") {
                                regs.orig_rax = u64::MAX;
                                let _ = ptrace::setregs(pid, regs);
                            }
                        }
                    }
                }
            } else if let Some(errno) = tracee.answer.take() {
                regs.rax = -(errno as i64) as u64;
                let _ = ptrace::setregs(pid, regs);
                leave = true;
            }
        }
        _ => {}
    }
    // One that is gone by now tells so by waitpid.
    if leave {
        tracees.remove(&pid);
        left.insert(pid);
        let _ = ptrace::detach(pid, signal);
    } else {
        let _ = ptrace::syscall(pid, signal);
    }
}

fn look_at(pid: Pid, regs: &libc::user_regs_struct) -> Call {
    let number = regs.orig_rax as libc::c_long;
    let args = [regs.rdi, regs.rsi, regs.rdx];
    let row = CALLS.iter().find(|(known, ..)| *known == number);
    let path = row.and_then(|(.., path)| {
        let memory = std::fs::File::open(format!("/proc/{pid}/mem")).ok()?;
        let mut text = [0; 80];
        let length = memory.read_at(&mut text, args[(*path)?]).ok()?;
        let text = text[..length].split(|&b| b == 0).next()?;
        Some(String::from_utf8_lossy(text).into_owned())
    });
    Call { name: row.map_or_else(|| format!("call {number}"), |(_, name, _)| name.to_string()), args, path }
}
