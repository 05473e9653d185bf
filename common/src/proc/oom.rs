//! How readily the kernel ends a process when memory is short, taken on from another.

use std::os::fd::OwnedFd;

use nix::errno::Errno;
use nix::fcntl::OFlag;

use super::credentials::Capability;
use super::likeness::Part;
use super::{Proc, Task};
use crate::error::{Error, Result};
use crate::sys;
use crate::text::digits;

const FILE: &std::ffi::CStr = c"oom_score_adj";

/// The score of another process, and our own to take it on and to go back to. Source: proc_pid_oom_score_adj(5).
#[derive(Debug)]
pub struct Oom {
    theirs: i32,
    ours: i32,
    /// Our own file, where the two differ.
    file: Option<OwnedFd>,
}

impl Oom {
    /// Reads both. To be called before [`sys::set_undumpable`], which gives our files in /proc to root.
    pub fn open(proc: &Proc, task: &Task) -> Result<Oom> {
        let this = proc.this()?;
        let (theirs, ours) = (score(task)?, score(&this)?);
        let open = || this.open(FILE, OFlag::O_WRONLY, "oom_score_adj");
        let file = (theirs != ours).then(open).transpose().map_err(advise)?;
        Ok(Oom { theirs, ours, file })
    }

    /// What it will be.
    pub fn score(&self) -> i32 {
        self.theirs
    }

    /// Does anything change?
    pub fn differs(&self) -> bool {
        self.file.is_some()
    }

    /// Takes the other's score on, and so do children from now on. To be called before a user namespace is entered: below
    /// the lowest score that the kernel lets us choose one needs CAP_SYS_RESOURCE outside. With `and_back`,
    /// [`Oom::go_back`] will work then as well.
    pub fn take_on(&self, and_back: bool) -> Result<()> {
        let resource = 1 << Capability::SysResource as u32;
        let ours = sys::Capabilities::ours().map_err(|e| advise(Error::sys("capget", "ours", e)))?;
        // Whoever chooses a higher score with that right is not let below it again without.
        let hides = and_back && self.differs() && self.theirs > self.ours && ours.effective & resource != 0;
        if !hides {
            return self.write(self.theirs);
        }
        let set = |sets: sys::Capabilities| sets.take_on().map_err(|e| advise(Error::sys("capset", "", e)));
        set(sys::Capabilities { effective: ours.effective & !resource, ..ours })?;
        let written = self.write(self.theirs);
        set(ours).and(written)
    }

    /// Gives us our own score back, for a parent that only waits for its child. It may always do that; if it could not,
    /// it would be ended as readily as the child, and that is no reason to end both.
    pub fn go_back(&self) {
        let _ = self.write(self.ours);
    }

    fn write(&self, score: i32) -> Result<()> {
        let Some(file) = &self.file else { return Ok(()) };
        let written = nix::unistd::write(file, score.to_string().as_bytes());
        written.map(drop).map_err(|e| advise(Error::sys("write", format!("{score} to oom_score_adj"), e)))
    }
}

/// Gives us, and what we become, this score. Below the least that somebody without CAP_SYS_RESOURCE has chosen, it
/// takes that right.
pub fn adjust(proc: &Proc, score: i32) -> Result<()> {
    let file = proc.this()?.open(FILE, OFlag::O_WRONLY, "oom_score_adj")?;
    let written = nix::unistd::write(file, score.to_string().as_bytes());
    written.map(drop).map_err(|e| Error::sys("write", format!("{score} to oom_score_adj"), e))
}

/// The score of a process, from -1000, never, to 1000, first. Source: proc_pid_oom_score_adj(5).
pub fn score(task: &Task) -> Result<i32> {
    parse(&task.read(FILE)?)
        .ok_or_else(|| Error::sys("parse", format!("oom_score_adj of {}", task.pid), Errno::EINVAL))
}

/// Reads what the file says: digits alone, with a sign or without. Source: proc_pid_oom_score_adj(5).
pub fn parse(text: &[u8]) -> Option<i32> {
    let text = text.trim_ascii();
    match text.strip_prefix(b"-") {
        Some(number) => digits::<i32>(number).map(|number| -number),
        None => digits(text),
    }
}

fn advise(error: Error) -> Error {
    match &error {
        Error::Sys { call: "write", errno: Errno::EACCES, .. } => error.with_hint(format!(
            "a process may be made less likely to be ended for want of memory only with CAP_SYS_RESOURCE in the initial user \
             namespace; {}",
            Part::Oom.left_out()
        )),
        _ => error.with_hint(Part::Oom.left_out()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_have_a_sign() {
        for (text, score) in [(&b"0\n"[..], Some(0)), (b"-1000\n", Some(-1000)), (b"1000\n", Some(1000))] {
            assert_eq!(parse(text), score);
        }
        for text in [&b"\n"[..], b"-", b"--1", b"+1", b"1 2", b"-99999999999"] {
            assert_eq!(parse(text), None);
        }
    }
}
