//! Was it right what a tool did when a call failed?

use nix::errno::Errno;
use nix::sys::signal::Signal;
use nix::sys::wait::WaitStatus;

use crate::cases::Case;
use crate::trace::{Call, Fault, Ran, With};

/// The calls that signal(7) says a signal can interrupt.
const INTERRUPTED: &[&str] = &[
    "read",
    "pread64",
    "write",
    "openat",
    "openat2",
    "close",
    "wait4",
    "waitid",
    "poll",
    "connect",
    "flock",
    "clock_nanosleep",
    "getrandom",
    "ioctl",
    "fstatfs",
    "statfs",
    "getdents64",
    "sendto",
    "recvfrom",
    "rt_sigtimedwait",
];

/// The calls of the allocator and of the runtime when a process ends: they can only run out of memory.
const MEMORY: &[&str] = &["mmap", "mremap", "brk", "mprotect"];

/// The calls that cannot fail in a way that anybody could be told of.
const NEVER: &[&str] = &["exit_group", "exit", "munmap", "madvise", "getpid", "gettid", "geteuid", "getegid"];

/// The operations that are done to nothing that has a name.
const WITHOUT_OBJECT: &[&str] = &[
    "fork",
    "pipe",
    "socketpair",
    "signalfd",
    "sigtimedwait",
    "uname",
    "sigprocmask",
    "setgroups",
    "getgroups",
    "waitpid",
    "close_range",
];

/// Another call than was meant can be hit, where processes take turns in another way: does this one never fail?
pub(crate) fn never_fails(call: &Call) -> bool {
    NEVER.contains(&call.name.as_str())
}

/// What is to be tried at a call.
pub(crate) fn faults(call: &Call) -> Vec<With> {
    let name = call.name.as_str();
    let mut faults = match name {
        _ if NEVER.contains(&name) => vec![],
        _ if MEMORY.contains(&name) => vec![Errno::ENOMEM],
        _ => vec![Errno::EPERM, Errno::ENOENT, Errno::EINVAL, Errno::ENOMEM, Errno::EMFILE],
    };
    if INTERRUPTED.contains(&name) {
        faults.push(Errno::EINTR);
    }
    match name {
        "write" => faults.push(Errno::ENOSPC),
        "flock" => faults.push(Errno::EWOULDBLOCK),
        _ => {}
    }
    faults.into_iter().map(With::Error).chain([With::Kill]).collect()
}

/// What came of a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// As if nothing had been.
    Right,
    /// A failure that was told.
    Told,
    /// The tool was killed, as was asked, or said that its child was.
    Killed,
    /// The allocator of Rust's library ended us: it has its own message.
    OutOfMemory,
}

/// Judges a run by the run without a fault. `early`: the fault was before main.
pub(crate) fn judge(
    case: &Case,
    good: &Ran,
    ran: &Ran,
    fault: Fault,
    early: bool,
) -> Result<Outcome, String> {
    let Some(status) = ran.status else { return Err("did not end".into()) };
    let same = ran.status.map(end) == good.status.map(end);
    // Before main it is Rust's runtime that gives up.
    if ran.stderr.contains("panicked at") && !early {
        return Err("panicked".into());
    }
    let (printed, usual) = (words(case, &ran.stdout), words(case, &good.stdout));
    if same && printed == usual {
        return Ok(Outcome::Right);
    }
    let odd = printed.iter().zip(&usual).find(|(printed, usual)| printed != usual);
    let odd = || Err(format!("status 0, and another output: {odd:?}"));
    match fault.with {
        With::Kill => match end(status) {
            (None, Some(Signal::SIGKILL)) | (Some(137), None) => return Ok(Outcome::Killed),
            // Its helper brought nothing, and that is what it says.
            (Some(0), None) if case.tool == "nsinfo" && tells(ran) > tells(good) => return Ok(Outcome::Told),
            _ => {}
        },
        With::Error(errno) => {
            if early {
                return if same { odd() } else { Ok(Outcome::Told) };
            }
            let of_allocator = ran.hit.as_ref().is_some_and(|call| MEMORY.contains(&call.name.as_str()));
            if of_allocator && ran.stderr.contains("memory allocation of") {
                return Ok(Outcome::OutOfMemory);
            }
            // A lister leaves out what is gone and counts what it cannot see, or tells of it where it stands.
            // What it lacks itself, as descriptors, is no reason to leave anything out.
            let of_others = match case.tool {
                "rlsns" => matches!(errno, Errno::ENOENT | Errno::EPERM | Errno::EINVAL),
                // What is asked are the calls, and by which error they fail.
                "nsinfo" if case.args.contains("--system") => {
                    matches!(errno, Errno::ENOENT | Errno::EPERM | Errno::EINVAL)
                        || ran.stdout.contains(&format!("({errno:?})"))
                        || ran.stdout.contains(&reason(errno))
                        || tells(ran) > tells(good)
                }
                "nsinfo" if case.args.contains("--tree") => {
                    matches!(errno, Errno::ENOENT | Errno::EPERM | Errno::EINVAL)
                }
                "nsinfo" => {
                    // A namespace that has no owner in our sight, or no number on this kernel.
                    let of_namespace = ran.hit.as_ref().is_some_and(|call| call.name == "ioctl")
                        && matches!(errno, Errno::EPERM | Errno::EINVAL);
                    matches!(errno, Errno::ENOENT)
                        || of_namespace
                        || ran.stdout.contains(&reason(errno))
                        || tells(ran) > tells(good)
                }
                // A hierarchy that cannot be looked into is none.
                "rcgexec" if case.args.contains("--dry-run") => {
                    matches!(errno, Errno::ENOENT | Errno::EPERM | Errno::EINVAL)
                }
                // A kind that has no entry is one that the kernel lacks.
                _ => case.args.contains("--info-fd") && errno == Errno::ENOENT,
            };
            // A shell that waits is offered what there is, and told nothing.
            if is_silent(case) && ran.stderr.is_empty() && !early {
                match end(status) {
                    (Some(0), None) => return Ok(Outcome::Right),
                    (Some(1), None) => return Ok(Outcome::Told),
                    _ => {}
                }
            }
            // What stands beside a namespace that would be entered, its number and who owns it, is told where it can be had;
            // and where we cannot see that our root is the target's, going there is a step more.
            let of_rehearsal = is_rehearsal(case) && lines(&ran.stdout) >= lines(&good.stdout);
            if same && (of_others || of_rehearsal) && ran.stdout.contains(case.prints) {
                return Ok(Outcome::Right);
            }
            if same {
                return odd();
            }
        }
    }
    let failure: &[i32] = if ["rlsns", "nsinfo"].contains(&case.tool) { &[1] } else { &[125, 126, 127] };
    match end(status) {
        (Some(code), _) if failure.contains(&code) => {}
        other => return Err(format!("ended with {other:?}")),
    }
    if let With::Error(errno) = fault.with {
        // A row of it says why.
        let refused = ran.stderr.contains("this may not be entered");
        if is_rehearsal(case) && (refused || ran.stdout.contains(&reason(errno))) {
            return Ok(Outcome::Told);
        }
        // The one that is asked about, in a listing of all, whose others are counted.
        if ran.stderr.contains("does not show in which namespaces it is") {
            return Ok(Outcome::Told);
        }
        // That of a helper: nobody is left to say why.
        if ran.stderr.contains("the helper process: ") {
            return Ok(Outcome::Told);
        }
        // So the kernel says that it is outside of our view. Source: ioctl_nsfs(2).
        let is_out_of_view = errno == Errno::EPERM && ran.stderr.contains("there is no user namespace above");
        if is_out_of_view && case.args.contains("--user-parent") {
            return Ok(Outcome::Told);
        }
    }
    let told = ran.stderr.lines().filter_map(|line| line.strip_prefix(case.tool)?.strip_prefix(": "));
    for line in told {
        let With::Error(errno) = fault.with else { return Ok(Outcome::Told) };
        let Some((what, _)) = line.split_once(&format!(": {}", reason(errno))) else {
            // What is not there has words of its own: no such process, no mount, the file that is missing.
            if errno == Errno::ENOENT {
                return Ok(Outcome::Told);
            }
            continue;
        };
        let (call, object) = what.split_once(' ').unwrap_or((what, ""));
        if object.is_empty() && !WITHOUT_OBJECT.contains(&call) {
            return Err("the message names no object".into());
        }
        return Ok(Outcome::Told);
    }
    Err("no message with the reason".into())
}

/// Is it one that complains of nothing?
fn is_silent(case: &Case) -> bool {
    case.args.starts_with("--complete")
}

/// Does it only say what would be done?
fn is_rehearsal(case: &Case) -> bool {
    case.tool == "rnsenter" && case.args.contains("--dry-run")
}

fn lines(text: &str) -> usize {
    text.lines().count()
}

/// In how many places nsinfo says that it could not look; a right that it lacks says more than that.
fn tells(ran: &Ran) -> usize {
    [("not readable: ", 1), ("not permitted", 2), ("unknown", 1), ("\"reason\": ", 1), ("unreadable\n", 1)]
        .map(|(words, weight)| ran.stdout.matches(words).count() * weight)
        .iter()
        .sum()
}

fn reason(errno: Errno) -> String {
    let text = std::io::Error::from_raw_os_error(errno as i32).to_string();
    text.split(" (os error").next().unwrap().to_string()
}

/// Where the name of a user cannot be had the number stands for it, and columns are wider or not.
/// What nsinfo counts changes all the time, and so do PIDs.
pub(crate) fn words(case: &Case, text: &str) -> Vec<String> {
    let mut text = text.replace("root", "0").replace("nobody", "65534");
    if case.tool == "nsinfo" || case.args.contains("--info-fd") {
        text.retain(|c| !c.is_ascii_digit() && c != '.');
    }
    // Nor is a name in brackets there; in a JSON document it is null or, by what was replaced above, empty.
    let is_name =
        |line: &str| matches!(line.trim().trim_end_matches(','), "\"name\": null" | "\"name\": \"\"");
    let is_name = |line: &str| is_name(line) || case.args.contains("--vs") && line.contains(" name  ");
    let lines = text.lines().filter(|line| !is_name(line));
    let words = lines.flat_map(str::split_whitespace).filter(|word| !matches!(*word, "()" | "(),"));
    words.map(str::to_string).collect()
}

fn end(status: WaitStatus) -> (Option<i32>, Option<Signal>) {
    match status {
        WaitStatus::Exited(_, code) => (Some(code), None),
        WaitStatus::Signaled(_, signal, _) => (None, Some(signal)),
        _ => (None, None),
    }
}
