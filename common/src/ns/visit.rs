//! Looking at something from inside a namespace, by a helper process: we ourselves stay where we are.

use std::os::fd::AsFd;
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout};
use nix::sys::signal::{Signal, kill};
use nix::unistd::ForkResult;

use crate::error::{Error, Result};
use crate::kind::{Kind, KindSet};
use crate::ns::fd::NsFd;
use crate::ns::join::{Join, Told};
use crate::proc::place::Place;
use crate::proc::{Proc, Task, credentials};
use crate::sys;

/// How long a helper may take, in milliseconds. It has next to nothing to do.
const LIMIT: u16 = 2000;

/// The host name in the uts namespace of a process. Its user namespace is entered as well where only that
/// gives the right. For callers with one thread, which from then on do not ignore SIGCHLD.
pub fn host_name(proc: &Proc, task: &Task) -> Result<Vec<u8>> {
    let name = proc.host_name()?;
    let user = NsFd::of(task, Kind::User)?;
    let mut join = Join { files: vec![NsFd::of(task, Kind::Uts)?], ..Join::default() };
    let enter = move || {
        join.enter().or_else(|refused| {
            join.files.push(user);
            join.enter().map_err(|_| refused)
        })
    };
    from_inside(enter, || name.read()).map_err(|e| match e {
        Stop::Enter(errno) => Error::sys("setns", format!("{} of {}", Kind::Uts, task.pid), errno),
        Stop::Look(errno) => Error::sys("read", format!("host name of {}", task.pid), errno),
        Stop::Helper(call, errno) => Error::sys(call, "the helper process", errno),
    })
}

/// Is our root another than that of our mount namespace, to which those are brought who enter it? None where we have
/// not the right to enter it, CAP_SYS_ADMIN and CAP_SYS_CHROOT. For callers with one thread, which from then on do not
/// ignore SIGCHLD. Source: setns(2).
pub fn is_root_changed(task: &Task) -> Option<bool> {
    let join = Join { files: vec![NsFd::of(task, Kind::Mnt).ok()?], ..Join::default() };
    let root = || Place::open(Path::new("/")).ok()?.identity();
    let look = || {
        let root = root().ok_or_else(|| Error::sys("statx", "/", Errno::ENOSYS))?;
        Ok(root.iter().flat_map(|number| number.to_ne_bytes()).collect())
    };
    let theirs = from_inside(|| join.enter(), look).ok()?;
    let ours: Vec<u8> = root()?.iter().flat_map(|number| number.to_ne_bytes()).collect();
    Some(ours != theirs)
}

/// A try to enter namespaces, or to do more after that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Try {
    /// The kinds that were to be entered at once; none where it was about ids.
    pub(super) kinds: KindSet,
    /// Why the kernel refused; none where it did not.
    pub(super) refused: Option<Errno>,
}

/// What the kernel answers to a helper that enters namespaces, each try in its order. It does nothing else there, and ends.
/// For callers with one thread, which from then on do not ignore SIGCHLD.
pub(super) fn try_out(work: impl FnOnce(Told<'_>)) -> Result<Vec<Try>> {
    let look = || {
        let mut bytes = Vec::new();
        work(&mut |kinds, refused| {
            let errno = refused.map_or(0, |errno| errno as i32);
            [kinds.flags(), errno].iter().for_each(|number| bytes.extend(number.to_ne_bytes()));
        });
        Ok(bytes)
    };
    let bytes = from_inside(|| Ok(()), look).map_err(|stop| match stop {
        Stop::Helper(call, errno) => Error::sys(call, "the helper process", errno),
        Stop::Enter(errno) | Stop::Look(errno) => Error::sys("prctl", "the helper process", errno),
    })?;
    let number = |bytes: &[u8]| bytes.try_into().map_or(0, i32::from_ne_bytes);
    let tries = bytes.chunks_exact(8).map(|pair| (number(&pair[..4]), number(&pair[4..])));
    Ok(tries
        .map(|(flags, errno)| Try {
            kinds: Kind::all().filter(|kind| flags & kind.row().flag != 0).collect(),
            refused: (errno != 0).then(|| Errno::from_raw(errno)),
        })
        .collect())
}

/// Tries to take these ids, as is done after namespaces are entered: for [`try_out`]. Tells one try for the group id, and one
/// for the user id if that was not refused. Groups stay where they may not be given up.
pub(super) fn try_ids(group: Option<u32>, user: Option<u32>, told: Told<'_>) {
    let take_group = |gid| credentials::drop_groups_if_allowed().and_then(|()| credentials::set_group(gid));
    let refused = |taken: Result<()>| taken.err().map(|e| e.errno().unwrap_or(Errno::EIO));
    let group = refused(group.map_or(Ok(()), take_group));
    told(KindSet::EMPTY, group);
    if group.is_none() {
        told(KindSet::EMPTY, refused(user.map_or(Ok(()), credentials::set_user)));
    }
}

/// Why the helper brought nothing.
#[derive(Debug, PartialEq, Eq)]
enum Stop {
    /// It could not enter.
    Enter(Errno),
    /// It could not look.
    Look(Errno),
    /// It could not be made, or ended without an answer.
    Helper(&'static str, Errno),
}

/// What the first byte of an answer says of the rest: here it is, or only an error's number.
const FOUND: u8 = 0;
const NOT_ENTERED: u8 = 1;
const NOT_SEEN: u8 = 2;

/// The longest answer: one write of it to a pipe is never torn (PIPE_BUF, pipe(7)).
const LONGEST: usize = 4096;

fn from_inside(
    enter: impl FnOnce() -> Result<()>,
    look: impl FnOnce() -> Result<Vec<u8>>,
) -> std::result::Result<Vec<u8>, Stop> {
    let (from, to) = nix::unistd::pipe2(OFlag::O_CLOEXEC).map_err(|e| Stop::Helper("pipe", e))?;
    // Were it ignored, the helper's PID could be another's by the time we end it.
    sys::ignore(Signal::SIGCHLD, false).map_err(|e| Stop::Helper("sigaction", e))?;
    match sys::fork().map_err(|e| Stop::Helper("fork", e))? {
        ForkResult::Child => {
            drop(from);
            let _ = nix::unistd::write(&to, &answer(enter, look));
            std::process::exit(0)
        }
        ForkResult::Parent { child } => {
            drop(to);
            let brought = collect(&from);
            // It has answered, or it never will.
            let _ = kill(child, Signal::SIGKILL);
            while nix::sys::wait::waitpid(child, None) == Err(Errno::EINTR) {}
            brought
        }
    }
}

/// The helper's life. Those who are inside must not look into it, and it is not to outlive us.
fn answer(enter: impl FnOnce() -> Result<()>, look: impl FnOnce() -> Result<Vec<u8>>) -> Vec<u8> {
    let safe = sys::set_undumpable().and_then(|()| {
        sys::set_pdeathsig(libc::SIGKILL).map_err(|e| Error::sys("prctl", "PR_SET_PDEATHSIG", e))
    });
    let (what, failed) = match safe.and_then(|()| enter()) {
        Err(e) => (NOT_ENTERED, e),
        Ok(()) => match look() {
            Ok(seen) => return [&[FOUND], &seen[..seen.len().min(LONGEST - 1)]].concat(),
            Err(e) => (NOT_SEEN, e),
        },
    };
    let errno = failed.errno().unwrap_or(Errno::EIO) as i32;
    [&[what][..], &errno.to_ne_bytes()].concat()
}

fn collect(from: impl AsFd) -> std::result::Result<Vec<u8>, Stop> {
    let mut fds = [PollFd::new(from.as_fd(), PollFlags::POLLIN)];
    loop {
        match nix::poll::poll(&mut fds, PollTimeout::from(LIMIT)) {
            Ok(0) => return Err(Stop::Helper("wait for", Errno::ETIMEDOUT)),
            Ok(_) => break,
            // We were stopped and go on.
            Err(Errno::EINTR) => {}
            Err(e) => return Err(Stop::Helper("wait for", e)),
        }
    }
    let mut bytes = [0; LONGEST];
    let length = nix::unistd::read(&from, &mut bytes).map_err(|e| Stop::Helper("read", e))?;
    let errno =
        |number: &[u8]| number.try_into().map_or(Errno::EIO, |n| Errno::from_raw(i32::from_ne_bytes(n)));
    match &bytes[..length] {
        [FOUND, seen @ ..] => Ok(seen.to_vec()),
        [NOT_ENTERED, number @ ..] => Err(Stop::Enter(errno(number))),
        [NOT_SEEN, number @ ..] => Err(Stop::Look(errno(number))),
        _ => Err(Stop::Helper("wait for", Errno::ECHILD)),
    }
}
