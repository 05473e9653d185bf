//! The calls about processes, their signals and their rights, each wrapped once.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal};
use nix::unistd::{ForkResult, Pid};

use super::{Result, owned};

/// A descriptor that stays with one process even if its PID is used again. Source: pidfd_open(2), Linux 5.3.
pub fn pidfd_open(pid: i32) -> Result<OwnedFd> {
    // SAFETY: takes two integers and makes a descriptor, which is closed on exec by the kernel's own rule.
    owned(unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) })
}

/// The same of a thread. Source: PIDFD_THREAD, Linux 6.9 (pidfd_open(2)).
pub fn pidfd_of_thread(tid: i32) -> Result<OwnedFd> {
    // SAFETY: as above.
    owned(unsafe { libc::syscall(libc::SYS_pidfd_open, tid, libc::O_EXCL) })
}

/// Sends a signal to the process behind a pidfd. Source: pidfd_send_signal(2), Linux 5.1.
pub fn pidfd_send_signal(pidfd: impl AsFd, signal: i32) -> Result<()> {
    let fd = pidfd.as_fd().as_raw_fd();
    // SAFETY: a null siginfo is allowed: the kernel fills it in as for kill(2).
    let answer = unsafe {
        libc::syscall(libc::SYS_pidfd_send_signal, fd, signal, std::ptr::null::<libc::siginfo_t>(), 0)
    };
    Errno::result(answer).map(drop)
}

/// The same open file in our own table, by the number it has in that of a process. It can be asked, and closed, of
/// sockets without being disturbed; closing a file flushes it, so of others it is not to be had. Needs
/// PTRACE_MODE_ATTACH (ptrace(2)). Source: pidfd_getfd(2), Linux 5.6.
pub fn pidfd_getfd(pidfd: impl AsFd, fd: i32) -> Result<OwnedFd> {
    // SAFETY: takes three integers and makes a descriptor, which is closed on exec by the kernel's own rule.
    owned(unsafe { libc::syscall(libc::SYS_pidfd_getfd, pidfd.as_fd().as_raw_fd(), fd, 0) })
}

/// The order of the tables of descriptors of two tasks, by their numbers in our pid namespace: equal if they share one,
/// else any, but the same until they end. Source: kcmp(2).
pub fn compare_descriptors(one: i32, other: i32) -> Result<std::cmp::Ordering> {
    use std::cmp::Ordering;
    const KCMP_FILES: libc::c_int = 2;
    // SAFETY: takes integers.
    let order = unsafe { libc::syscall(libc::SYS_kcmp, one, other, KCMP_FILES, 0, 0) };
    match Errno::result(order)? {
        0 => Ok(Ordering::Equal),
        1 => Ok(Ordering::Less),
        2 => Ok(Ordering::Greater),
        _ => Err(Errno::EINVAL),
    }
}

/// Makes us untraceable for those who are not privileged: they cannot look at our descriptors and memory. To be called again
/// when our ids or rights have changed: then we are what the sysctl fs.suid_dumpable says, which can be open to those inside.
/// Source: PR_SET_DUMPABLE(2const), proc_sys_fs(5).
pub fn set_undumpable() -> crate::Result<()> {
    nix::sys::prctl::set_dumpable(false).map_err(|e| crate::Error::sys("prctl", "PR_SET_DUMPABLE", e))
}

/// Lets us run on every CPU that our group has: since Linux 6.2 the kernel keeps what a process was bound to before.
/// Source: sched_setaffinity(2).
pub fn use_all_cpus() -> crate::Result<()> {
    // More than any kernel can have; it takes as many as it knows.
    let all = [u64::MAX; 1024];
    // SAFETY: the kernel reads so many bytes, and the array has them.
    let answer = unsafe { libc::sched_setaffinity(0, size_of_val(&all), all.as_ptr().cast()) };
    Errno::result(answer).map(drop).map_err(|e| crate::Error::sys("sched_setaffinity", "all CPUs", e))
}

/// Makes a child process. For callers with one thread only, as the tools are: then the child may do what the
/// parent may. Source: fork(2).
pub fn fork() -> Result<ForkResult> {
    // SAFETY: the tools have one thread, so no lock can be held by a thread that the child lacks.
    unsafe { nix::unistd::fork() }
}

/// The same, and the child is born in the group of version 2 whose directory this is, so that it was never in ours. Where
/// the kernel does not do that, it is an ordinary child; the answer says whether it was born there. Not with musl: its
/// raise(3) and abort(3) signal the thread whose number they remember, and only its own fork renews that in a child, so
/// they would hit the parent, or whoever has its number inside. The GNU library asks the kernel (since 2.24).
/// Source: CLONE_INTO_CGROUP, clone3(2), Linux 5.7.
pub fn fork_into(group: Option<BorrowedFd<'_>>) -> Result<(ForkResult, bool)> {
    /// Of linux/sched.h. The C libraries have not all of it, and the crate libc cuts the flag to 32 bits, which are none.
    const CLONE_INTO_CGROUP: u64 = 1 << 33;
    #[repr(C)]
    #[derive(Default)]
    struct CloneArgs {
        flags: u64,
        pidfd: u64,
        child_tid: u64,
        parent_tid: u64,
        exit_signal: u64,
        stack: u64,
        stack_size: u64,
        tls: u64,
        set_tid: u64,
        set_tid_size: u64,
        cgroup: u64,
    }
    if let (Some(group), true) = (group, cfg!(target_env = "gnu")) {
        let asked = CloneArgs {
            flags: CLONE_INTO_CGROUP,
            exit_signal: libc::SIGCHLD as u64,
            cgroup: group.as_raw_fd() as u64,
            ..CloneArgs::default()
        };
        // SAFETY: the kernel reads the structure, which outlives the call. The child has a copy of all memory and goes on
        // here, on a copy of this stack. As in `fork` there is one thread, so no lock can be held by another; of what the C
        // library does about a child nothing is needed: we register no function for it, have no robust mutex, and the
        // number of the thread that it remembers is used by nothing that we call.
        let pid = unsafe { libc::syscall(libc::SYS_clone3, &raw const asked, size_of::<CloneArgs>()) };
        match pid {
            0 => return Ok((ForkResult::Child, true)),
            // Old kernels and filters of system calls do not know it, our rights inside may not suffice, or the group is
            // full. What an ordinary child can do about it, and why not, is seen when it joins the group.
            ..0 => {}
            pid => return Ok((ForkResult::Parent { child: Pid::from_raw(pid as i32) }, true)),
        }
    }
    Ok((fork()?, false))
}

/// How a child changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It ended with this status.
    Exited(u8),
    /// A signal ended it.
    Killed(i32),
    /// This signal stopped it.
    Stopped(i32),
}

/// Collects a change of any child, without waiting for one. nix's waitpid cannot tell of real-time signals.
/// Source: waitpid(2).
pub fn wait_any() -> Result<Option<(Pid, Change)>> {
    let mut status = 0;
    // SAFETY: writes one int through the pointer, which outlives the call.
    let pid = unsafe { libc::waitpid(-1, &raw mut status, libc::WNOHANG | libc::WUNTRACED) };
    Ok(match Errno::result(pid)? {
        0 => None,
        pid if libc::WIFEXITED(status) => {
            Some((Pid::from_raw(pid), Change::Exited(libc::WEXITSTATUS(status) as u8)))
        }
        pid if libc::WIFSIGNALED(status) => {
            Some((Pid::from_raw(pid), Change::Killed(libc::WTERMSIG(status))))
        }
        pid => Some((Pid::from_raw(pid), Change::Stopped(libc::WSTOPSIG(status)))),
    })
}

/// Waits for one of these signals, which are blocked: its number, and how it came (`SI_USER`, `SI_KERNEL` and so on of
/// sigaction(2)); EAGAIN where none comes for so long. nix tells only the number, and not of real-time signals.
/// Source: sigtimedwait(2).
pub fn wait_signal(mask: &SigSet, limit: Option<Duration>) -> Result<(i32, i32)> {
    let limit = limit.map(|limit| libc::timespec {
        // 68 years, which any time_t holds: libc's name for that type is deprecated for musl.
        tv_sec: limit.as_secs().try_into().unwrap_or(i32::MAX.into()),
        tv_nsec: limit.subsec_nanos().into(),
    });
    let limit = limit.as_ref().map_or(std::ptr::null(), |limit| limit as *const _);
    // SAFETY: the set is initialised; the limit is null or outlives the call; the kernel writes one siginfo through the
    // pointer, plain data that outlives the call.
    let (answer, info) = unsafe {
        let mut info = std::mem::zeroed::<libc::siginfo_t>();
        (libc::sigtimedwait(mask.as_ref(), &raw mut info, limit), info)
    };
    Errno::result(answer).map(|signal| (signal, info.si_code))
}

/// Sends a signal by its number, real-time ones too, to a process that cannot have gone. Source: kill(2).
pub fn send_signal(pid: Pid, signal: i32) -> Result<()> {
    // SAFETY: takes integers.
    Errno::result(unsafe { libc::kill(pid.as_raw(), signal) }).map(drop)
}

/// From now on we get a signal when there is something to be read: a real-time one, which no other takes the place of.
/// Source: fcntl(2), F_SETOWN, F_SETSIG and O_ASYNC.
pub fn signal_on_input(fd: impl AsFd) -> Result<()> {
    // Of fcntl.h; the same on every machine.
    const F_SETSIG: i32 = 10;
    let fd = fd.as_fd().as_raw_fd();
    // SAFETY: takes integers.
    unsafe {
        Errno::result(libc::fcntl(fd, libc::F_SETOWN, libc::getpid()))?;
        Errno::result(libc::fcntl(fd, F_SETSIG, libc::SIGRTMAX()))?;
        Errno::result(libc::fcntl(fd, libc::F_SETFL, libc::O_RDWR | libc::O_ASYNC)).map(drop)
    }
}

/// Is this the signal of [`signal_on_input`], or the one that comes where too many wait?
pub fn tells_of_input(signal: i32) -> bool {
    [libc::SIGRTMAX(), libc::SIGIO].contains(&signal)
}

/// The signals that are blocked and wait for us. Source: sigpending(2).
pub fn pending() -> SigSet {
    // SAFETY: the kernel writes a set through the pointer, which outlives the call and is initialised before.
    unsafe {
        let mut set = std::mem::zeroed::<libc::sigset_t>();
        libc::sigpending(&raw mut set);
        SigSet::from_sigset_t_unchecked(set)
    }
}

/// Is this signal in the set? nix asks only of the classic ones.
pub fn has(set: &SigSet, signal: i32) -> bool {
    // SAFETY: only reads the set, which is initialised.
    unsafe { libc::sigismember(set.as_ref(), signal) == 1 }
}

/// Is this signal ignored by us? Source: sigaction(2).
pub fn ignores(signal: i32) -> bool {
    // SAFETY: changes nothing; the kernel writes through the pointer, to what outlives the call.
    unsafe {
        let mut action = std::mem::zeroed::<libc::sigaction>();
        libc::sigaction(signal, std::ptr::null(), &raw mut action) == 0
            && action.sa_sigaction == libc::SIG_IGN
    }
}

/// Sets what a signal does, to its default or to nothing; answers whether it was ignored before.
/// Source: sigaction(2).
pub fn ignore(signal: Signal, ignored: bool) -> Result<bool> {
    let handler = if ignored { SigHandler::SigIgn } else { SigHandler::SigDfl };
    let action = SigAction::new(handler, SaFlags::empty(), SigSet::empty());
    // SAFETY: no handler function is installed.
    let old = unsafe { nix::sys::signal::sigaction(signal, &action) }?;
    Ok(matches!(old.handler(), SigHandler::SigIgn))
}

/// Sends a signal to ourselves that ends us as it would have ended the program. Real-time signals are beyond
/// nix's `Signal`, so this takes the number. Returns where the signal has no effect (the first process of a
/// pid namespace). Source: signal(7).
pub fn die_by(signal: i32) {
    // SAFETY: no handler function is installed, the set is initialised by sigemptyset, and the rest takes
    // integers.
    unsafe {
        libc::signal(signal, libc::SIG_DFL);
        let mut set = std::mem::zeroed::<libc::sigset_t>();
        libc::sigemptyset(&raw mut set);
        libc::sigaddset(&raw mut set, signal);
        libc::sigprocmask(libc::SIG_UNBLOCK, &raw const set, std::ptr::null_mut());
        libc::kill(Pid::this().as_raw(), signal);
    }
}

/// The signal we get when our parent ends; 0 for none. Forgotten by the kernel when our credentials change.
/// nix takes only the classic signals. Source: PR_SET_PDEATHSIG(2const).
pub fn set_pdeathsig(signal: i32) -> Result<()> {
    // SAFETY: takes integers.
    Errno::result(unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, signal) }).map(drop)
}

/// Sets of capabilities of ours, a bit each. Source: capabilities(7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// Those that count now.
    pub effective: u64,
    /// Those that can be made so.
    pub permitted: u64,
    /// Those that a program which is marked for it would get as well.
    pub inheritable: u64,
}

/// `_LINUX_CAPABILITY_VERSION_3`, and the number of no process: ours. Source: capget(2).
const CAPABILITIES_OF_OURS: [u32; 2] = [0x2008_0522, 0];

impl Capabilities {
    /// Asks the kernel. That it cannot tell is not to be taken for none. Source: capget(2).
    pub fn ours() -> Result<Capabilities> {
        let header = CAPABILITIES_OF_OURS;
        // Effective, permitted and inheritable: the lower 32 bits of each, then the higher.
        let mut data = [[0u32; 3]; 2];
        // SAFETY: of this version the kernel writes two structures of three numbers; header and structures outlive the
        // call.
        Errno::result(unsafe { libc::syscall(libc::SYS_capget, header.as_ptr(), data.as_mut_ptr()) })?;
        let set = |which: usize| u64::from(data[1][which]) << 32 | u64::from(data[0][which]);
        Ok(Capabilities { effective: set(0), permitted: set(1), inheritable: set(2) })
    }

    /// Has these from now on. Source: capset(2).
    pub fn take_on(self) -> Result<()> {
        let header = CAPABILITIES_OF_OURS;
        let sets = [self.effective, self.permitted, self.inheritable];
        let data = [sets.map(|set| set as u32), sets.map(|set| (set >> 32) as u32)];
        // SAFETY: the kernel only reads the header and, of this version, two structures of three numbers, which outlive the
        // call.
        Errno::result(unsafe { libc::syscall(libc::SYS_capset, header.as_ptr(), data.as_ptr()) }).map(drop)
    }
}

/// Our effective capabilities, a bit each. Source: capget(2).
pub fn capabilities() -> u64 {
    Capabilities::ours().map_or(0, |ours| ours.effective)
}

/// Makes these capabilities, which have to be permitted and inheritable, ambient ones too. Source: PR_CAP_AMBIENT(2const),
/// Linux 4.3.
pub fn raise_ambient(set: u64) -> Result<()> {
    capabilities_in(set).try_for_each(|capability| ambient(libc::PR_CAP_AMBIENT_RAISE, capability))
}

/// Has no ambient capabilities any more. Source: PR_CAP_AMBIENT(2const), Linux 4.3.
pub fn clear_ambient() -> Result<()> {
    ambient(libc::PR_CAP_AMBIENT_CLEAR_ALL, 0)
}

fn ambient(what: libc::c_int, capability: u32) -> Result<()> {
    // SAFETY: takes integers.
    Errno::result(unsafe { libc::prctl(libc::PR_CAP_AMBIENT, what, capability, 0, 0) }).map(drop)
}

fn capabilities_in(set: u64) -> impl Iterator<Item = u32> {
    (0..u64::BITS).filter(move |capability| set >> capability & 1 == 1)
}

/// The capabilities that we and the programs we start can have at most. Source: PR_CAPBSET_READ(2const).
pub fn bounding() -> u64 {
    // SAFETY: takes integers. The kernel answers 1, 0, or an error past the last capability that it knows.
    let has = |capability: &u32| unsafe { libc::prctl(libc::PR_CAPBSET_READ, *capability, 0, 0, 0) == 1 };
    (0..u64::BITS).filter(has).fold(0, |set, capability| set | 1 << capability)
}

/// Takes these out of that set, for good. Needs CAP_SETPCAP. Source: PR_CAPBSET_DROP(2const).
pub fn drop_bounding(set: u64) -> Result<()> {
    capabilities_in(set).try_for_each(|capability| {
        // SAFETY: takes integers.
        Errno::result(unsafe { libc::prctl(libc::PR_CAPBSET_DROP, capability, 0, 0, 0) }).map(drop)
    })
}

/// The lowest and highest real-time signal that programs may use. Source: signal(7).
pub fn realtime_signals() -> (i32, i32) {
    (libc::SIGRTMIN(), libc::SIGRTMAX())
}

/// Have permitted capabilities outlive the change from user id 0 to another. Source: PR_SET_KEEPCAPS(2const).
pub fn keep_capabilities() -> Result<()> {
    nix::sys::prctl::set_keepcaps(true)
}

/// Makes all capabilities that we may have effective, inheritable and ambient, so that a program without privileges of
/// its own gets them. Source: capset(2), PR_CAP_AMBIENT(2const).
pub fn raise_capabilities() -> Result<()> {
    let Capabilities { permitted, .. } = Capabilities::ours()?;
    Capabilities { effective: permitted, permitted, inheritable: permitted }.take_on()?;
    raise_ambient(permitted)
}
