//! A helper that stays outside of the new namespaces, with the rights that we have there: it writes maps of ids, and binds
//! namespaces to files.
//!
//! It is no child of ours: the program that we become must not find one that it did not make. It ends when the program
//! is executed, and takes back what it bound where that does not come to pass, however we end.

use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;
use std::process::Command;

use nix::errno::Errno;
use nix::sys::signal::{SigSet, SigmaskHow, sigprocmask};
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockType, recv, send, socketpair};
use nix::unistd::{ForkResult, geteuid};

use super::diagnose::{self, Helper, IdTable};
use super::pins::{Bound, Pin};
use crate::error::{Error, Result};
use crate::proc::credentials::{self, Caller};
use crate::proc::mapping::{self, Mapping, Setgroups};
use crate::proc::subids::{Of, Subids};
use crate::proc::{Proc, Task, users};
use crate::sys;

/// What is to be done outside.
#[derive(Debug, Default)]
pub struct Work {
    /// The map of user ids.
    pub users: Option<Mapping>,
    /// The map of group ids.
    pub groups: Option<Mapping>,
    /// Whether setgroups(2) will be allowed: written before the map of groups.
    pub setgroups: Option<Setgroups>,
    /// Who we are, to say why ids could not be mapped.
    pub caller: Option<Caller>,
    /// Files to which namespaces are bound, in this order.
    pub pins: Vec<Pin>,
}

impl Work {
    /// Are there ids to be mapped?
    pub fn maps(&self) -> bool {
        self.users.is_some() || self.groups.is_some() || self.setgroups.is_some()
    }

    /// Is there nothing to do?
    pub fn is_empty(&self) -> bool {
        !self.maps() && self.pins.is_empty()
    }
}

/// How we speak to the helper. Whoever holds this, or executes the program, is who it waits for.
#[derive(Debug)]
pub struct Outside {
    socket: OwnedFd,
    /// Is there something that stays only if the program is executed?
    pins: bool,
}

const MAP: u8 = b'M';
const PIN: u8 = b'P';
const SURE: u8 = b'E';
const FAILED: u8 = b'F';

impl Outside {
    /// Starts the helper, before anything changes. `task` is our own entry in the /proc outside.
    pub fn start(task: &Task, work: &Work) -> Result<Outside> {
        let (ours, theirs) =
            socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC)
                .map_err(|e| Error::sys("socketpair", "", e))?;
        let fork = || sys::fork().map_err(|e| Error::sys("fork", "", e));
        match fork()? {
            ForkResult::Child => {
                drop(ours);
                match fork() {
                    Ok(ForkResult::Child) => serve(&theirs, task, work),
                    Ok(ForkResult::Parent { .. }) => {}
                    // It will be read as the answer to whatever is asked first.
                    Err(e) => drop(answer(&theirs, &Err(e))),
                }
                std::process::exit(0)
            }
            ForkResult::Parent { child } => {
                // With SIGCHLD ignored it is collected without us.
                while nix::sys::wait::waitpid(child, None) == Err(Errno::EINTR) {}
                Ok(Outside { socket: ours, pins: !work.pins.is_empty() })
            }
        }
    }

    /// Has it write the maps of the user namespace that we have entered.
    pub fn map(&self) -> Result<()> {
        self.ask(MAP)
    }

    /// Has it bind our namespaces to the files. On an error none stays bound.
    pub fn pin(&self) -> Result<()> {
        self.ask(PIN)
    }

    /// The program is about to be executed: what is bound stays. The helper has heard it when this has come back.
    pub fn sure(&self) -> Result<()> {
        if !self.pins {
            return Ok(());
        }
        self.ask(SURE).inspect_err(|_| self.failed())
    }

    /// It could not be executed.
    pub fn failed(&self) {
        let _ = self.ask(FAILED);
    }

    fn ask(&self, what: u8) -> Result<()> {
        // Nobody there is what the answer will tell.
        match tell(&self.socket, &[what]) {
            Err(Errno::EPIPE) | Ok(()) => {}
            Err(e) => return Err(Error::sys("send", "the helper's socket", e)),
        }
        let mut text = [0; 4096];
        let length = loop {
            match recv(self.socket.as_raw_fd(), &mut text, MsgFlags::empty()) {
                // Told once where the helper ended and had not read all: what it said before comes next.
                Err(Errno::EINTR | Errno::ECONNRESET) => {}
                length => break length.map_err(|e| Error::sys("recv", "the helper's socket", e))?,
            }
        };
        match &text[..length] {
            [b'+', ..] => Ok(()),
            [b'-', told @ ..] => {
                let (what, hint) = match told.iter().position(|&b| b == 0) {
                    Some(at) => (&told[..at], Some(&told[at + 1..])),
                    None => (told, None),
                };
                let error = Error::refused(what);
                Err(hint.map_or(error.clone(), |hint| error.with_hint(String::from_utf8_lossy(hint))))
            }
            _ => Err(Error::refused("the helper process that stays outside of the new namespaces was ended")),
        }
    }
}

/// Sends a message.
fn tell(socket: &OwnedFd, text: &[u8]) -> nix::Result<()> {
    loop {
        match send(socket.as_raw_fd(), text, MsgFlags::MSG_NOSIGNAL) {
            Err(Errno::EINTR) => {}
            sent => return sent.map(drop),
        }
    }
}

/// The answer in one message: a sign, and of an error what failed and the hint, with a zero byte between. False where
/// it could not be told: then that is told, or else our end is the answer.
fn answer(socket: &OwnedFd, done: &Result<()>) -> bool {
    let text = |done: &Result<()>| {
        let mut text = match done {
            Ok(()) => b"+".to_vec(),
            Err(e) => [b"-", e.to_string().as_bytes()].concat(),
        };
        if let Some(hint) = done.as_ref().err().and_then(Error::hint) {
            text.push(0);
            text.extend(hint.as_bytes());
        }
        text.truncate(4096);
        text
    };
    let sent = tell(socket, &text(done));
    if let Err(e) = sent {
        let _ = tell(socket, &text(&Err(Error::sys("send", "the answer of the helper", e))));
    }
    sent.is_ok()
}

/// The life of the helper.
fn serve(socket: &OwnedFd, task: &Task, work: &Work) {
    // What the terminal sends is for the program; it ends us by ending that.
    let _ = sigprocmask(SigmaskHow::SIG_BLOCK, Some(&SigSet::all()), None);
    let (mut bound, mut sure) = (Vec::new(), false);
    loop {
        let mut order = [0];
        let done = match recv(socket.as_raw_fd(), &mut order, MsgFlags::empty()) {
            Err(Errno::EINTR) => continue,
            Err(e) => {
                answer(socket, &Err(Error::sys("recv", "the socket of the helper", e)));
                break;
            }
            Ok(1) => match order[0] {
                MAP => map(task, work),
                PIN => pin(task, work, &mut bound),
                // From then on it is for who asked to say otherwise.
                what => {
                    sure = what == SURE;
                    bound.iter_mut().filter(|_| sure).for_each(Bound::let_go);
                    Ok(())
                }
            },
            // Nobody holds the other end any more: the program was executed, or nobody is left who could.
            Ok(_) => break,
        };
        if !answer(socket, &done) {
            sure = false;
            break;
        }
    }
    if !sure {
        bound.into_iter().rev().for_each(|mount| drop(mount.undo()));
    }
}

fn pin(task: &Task, work: &Work, bound: &mut Vec<Bound>) -> Result<()> {
    for pin in &work.pins {
        match pin.bind(task) {
            Ok(mount) => bound.push(mount),
            Err(e) => {
                bound.drain(..).rev().for_each(|mount| drop(mount.undo()));
                return Err(e);
            }
        }
    }
    Ok(())
}

/// Who is root here writes the maps; others have them written by programs that may.
fn map(task: &Task, work: &Work) -> Result<()> {
    let root = geteuid().is_root();
    if let Some(users) = &work.users {
        match root {
            true => work.write_users(Some(task))?,
            false => run(IdTable::Users, task, users)?,
        }
    }
    work.write_setgroups(Some(task))?;
    match &work.groups {
        Some(groups) if !root => run(IdTable::Groups, task, groups),
        _ => work.write_groups(Some(task)),
    }
}

impl Work {
    /// Maps the ids of our own user namespace, which we have just made.
    pub fn map_ourselves(&self) -> Result<()> {
        self.write_users(None)?;
        self.write_setgroups(None)?;
        self.write_groups(None)
    }

    fn write_users(&self, task: Option<&Task>) -> Result<()> {
        let users = self.users.as_ref().map_or(Ok(()), |users| mapping::write_users(task, users));
        users.map_err(|e| self.explain(e, task))
    }

    fn write_setgroups(&self, task: Option<&Task>) -> Result<()> {
        let word = self.setgroups.map_or(Ok(()), |word| mapping::write_setgroups(task, word));
        word.map_err(|e| self.explain(e, task))
    }

    fn write_groups(&self, task: Option<&Task>) -> Result<()> {
        let groups = self.groups.as_ref().map_or(Ok(()), |groups| mapping::write_groups(task, groups));
        groups.map_err(|e| self.explain(e, task))
    }

    fn explain(&self, error: Error, task: Option<&Task>) -> Error {
        let Some(caller) = self.caller else { return error };
        let text = |file| match file {
            IdTable::Users => self.users.as_ref().map(Mapping::text).unwrap_or_default(),
            IdTable::Groups => self.groups.as_ref().map(Mapping::text).unwrap_or_default(),
            IdTable::Setgroups => self.setgroups.map(|word| word.word().to_string()).unwrap_or_default(),
        };
        diagnose::maps(error, Proc::system().ok().as_ref(), task, caller, text)
    }
}

/// Runs a program that is set-user-ID or has capabilities for this: newuidmap(1), newgidmap(1).
fn run(file: IdTable, task: &Task, mapping: &Mapping) -> Result<()> {
    let (program, of) = match file {
        IdTable::Users => ("newuidmap", Of::Users),
        _ => ("newgidmap", Of::Groups),
    };
    let arguments = mapping::arguments(task.pid, mapping);
    let error = match Command::new(program).args(&arguments).status() {
        Ok(status) if status.success() => return Ok(()),
        Ok(status) => Error::refused(format!("{program} {}: {status}", arguments.join(" "))),
        Err(e) => Error::io("exec", program, &e),
    };
    let (uid, gid) = credentials::effective();
    let name = users::login(uid).ok().flatten();
    let granted: Vec<_> = Subids::all(Path::new("/"), of, name.as_deref(), uid)
        .iter()
        .map(|ids| (ids.start, ids.count))
        .collect();
    let own = if of == Of::Users { uid } else { gid };
    let asked = mapping.lines.iter().map(|line| (line.outside, line.count)).filter(|ids| *ids != (own, 1));
    let helper = Helper {
        file,
        found: !error.is_gone(),
        user: &name.unwrap_or_else(|| uid.to_string().into_bytes()),
        granted: &granted,
        asked: &asked.collect::<Vec<_>>(),
    };
    Err(diagnose::helper(error, Proc::system().ok().as_ref(), &helper))
}
