//! Looking at something from inside a namespace, by a helper process: we ourselves stay where we are.

use std::os::fd::AsFd;
use std::path::Path;
use std::time::{Duration, Instant};

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

/// How long a helper may take. It has little to do.
const LIMIT: Duration = Duration::from_secs(2);

/// The longest answer of a helper, in bytes: 4 MiB. Who may have more to tell cuts it, and says so in it.
pub const LONGEST: usize = 4 << 20;

/// Looks from inside a namespace and brings what was seen, at most [`LONGEST`] bytes. `what` is looked at, for errors.
///
/// A helper process of ours enters the namespace, and first the user namespace that owns it where only that gives the
/// right; of a pid namespace only children would be inside. It has all that we have open, so what is needed from
/// outside is opened before; it can be seen by nobody inside, and is ended after two seconds, and in any case before
/// this returns. An error by [`Error::is_denied`] where we may not enter. For callers with one thread, which from then on
/// do not ignore SIGCHLD. Source: setns(2), user_namespaces(7).
pub fn inside(ns: &NsFd, what: &str, look: impl FnOnce() -> Result<Vec<u8>>) -> Result<Vec<u8>> {
    let enter = || {
        enter(ns).or_else(|refused| {
            // None where it is no child of ours: then it cannot be entered either.
            let owner = ns.owner().ok().flatten().ok_or_else(|| refused.clone())?;
            enter(&owner).and_then(|()| enter(ns)).map_err(|_| refused)
        })
    };
    from_inside(enter, look).map_err(|stop| match stop {
        Stop::Enter(errno) => Error::sys("setns", &ns.name, errno),
        Stop::Look(errno) => Error::sys("read", [what.as_bytes(), b" in ", &ns.name].concat(), errno),
        Stop::Helper(call, errno) => Error::sys(call, "the helper process", errno),
    })
}

/// The same in the namespace of this kind that a process or thread is in.
pub fn inside_of(
    task: &Task,
    kind: Kind,
    what: &str,
    look: impl FnOnce() -> Result<Vec<u8>>,
) -> Result<Vec<u8>> {
    let name = format!("{kind} of {}", task.pid).into();
    inside(&NsFd { name, ..NsFd::of(task, kind)? }, what, look)
}

fn enter(ns: &NsFd) -> Result<()> {
    sys::setns(ns, ns.kind.row().flag).map_err(|e| Error::sys("setns", &ns.name, e))
}

/// The host name in the uts namespace of a process. For whom and with what rights: see [`inside`].
pub fn host_name(proc: &Proc, task: &Task) -> Result<Vec<u8>> {
    let name = proc.host_name()?;
    inside_of(task, Kind::Uts, "host name", || name.read())
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

/// How an answer begins: with what comes, and how many bytes of it; of an error its number.
const FOUND: u8 = 0;
const NOT_ENTERED: u8 = 1;
const NOT_SEEN: u8 = 2;
const HEAD: usize = 5;

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
            let (what, number, seen) = answer(enter, look);
            let head = [&[what][..], &number.to_ne_bytes()].concat();
            // Nobody listens any more where this fails.
            let _ = tell(&to, &head).and_then(|()| tell(&to, &seen));
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

fn tell(to: impl AsFd, mut bytes: &[u8]) -> nix::Result<()> {
    while !bytes.is_empty() {
        match nix::unistd::write(&to, bytes) {
            Ok(length) => bytes = &bytes[length..],
            Err(Errno::EINTR) => {}
            Err(e) => return Err(e),
        }
    }
    Ok(())
}

/// The helper's life. Those who are inside must not look into it, and it is not to outlive us.
fn answer(enter: impl FnOnce() -> Result<()>, look: impl FnOnce() -> Result<Vec<u8>>) -> (u8, u32, Vec<u8>) {
    let apart = || {
        sys::set_undumpable()?;
        sys::set_pdeathsig(libc::SIGKILL).map_err(|e| Error::sys("prctl", "PR_SET_PDEATHSIG", e))
    };
    // The kernel forgets both where a user namespace gives other rights.
    let entered = apart().and_then(|()| enter()).and_then(|()| apart());
    let (what, failed) = match entered.map(|()| look()) {
        Ok(Ok(seen)) if seen.len() <= LONGEST => return (FOUND, seen.len() as u32, seen),
        Ok(Ok(_)) => (NOT_SEEN, Errno::EMSGSIZE),
        Ok(Err(e)) => (NOT_SEEN, e.errno().unwrap_or(Errno::EIO)),
        Err(e) => (NOT_ENTERED, e.errno().unwrap_or(Errno::EIO)),
    };
    (what, failed as i32 as u32, Vec::new())
}

fn collect(from: impl AsFd) -> std::result::Result<Vec<u8>, Stop> {
    let end = Instant::now() + LIMIT;
    let head = take(&from, HEAD, end)?;
    let number = head[1..].try_into().map_or(0, u32::from_ne_bytes);
    let errno = Errno::from_raw(number as i32);
    match head[0] {
        FOUND if number as usize <= LONGEST => take(&from, number as usize, end),
        NOT_ENTERED => Err(Stop::Enter(errno)),
        NOT_SEEN => Err(Stop::Look(errno)),
        _ => Err(Stop::Helper("read", Errno::EBADMSG)),
    }
}

/// So many bytes, or why they do not come.
fn take(from: impl AsFd, length: usize, end: Instant) -> std::result::Result<Vec<u8>, Stop> {
    let mut bytes = vec![0; length];
    let mut had = 0;
    while had < length {
        let left = end.saturating_duration_since(Instant::now()).as_millis() as u16;
        let mut fds = [PollFd::new(from.as_fd(), PollFlags::POLLIN)];
        match nix::poll::poll(&mut fds, PollTimeout::from(left)) {
            Ok(0) => return Err(Stop::Helper("wait for", Errno::ETIMEDOUT)),
            // We were stopped and go on.
            Err(Errno::EINTR) => continue,
            Err(e) => return Err(Stop::Helper("wait for", e)),
            Ok(_) => {}
        }
        match nix::unistd::read(&from, &mut bytes[had..]).map_err(|e| Stop::Helper("read", e))? {
            0 => return Err(Stop::Helper("wait for", Errno::ECHILD)),
            more => had += more,
        }
    }
    Ok(bytes)
}
