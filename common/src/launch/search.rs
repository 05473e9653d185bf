//! Finding a program and executing it, also among files that others made.

use std::ffi::{CStr, CString, OsString};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, open};
use nix::sys::stat::{Mode, SFlag, fstat};

use crate::error::{Error, Result};
use crate::proc::place;

/// Where programs are without PATH. Source: execvp(3).
const USUAL: &[u8] = b"/bin:/usr/bin";

/// How much of a file says by which interpreter it is run, and how often one may name another.
/// Source: BINPRM_BUF_SIZE, the kernel's linux/binfmts.h, and its Documentation of execve(2).
const HEAD: usize = 256;
const LEVELS: usize = 5;

/// What is never to be run: our own executable. Its process would be open to those inside, and through its /proc/PID/exe
/// our file, which they could write to (CVE-2019-5736).
///
/// A file that is exchanged between the look at it and its execution is not noticed.
#[derive(Clone, Debug)]
pub(super) struct Guard {
    own: (u64, u64),
}

/// How a file that was looked at is to be executed.
enum Way {
    ByPath,
    /// We may not read it, so it is executed in a way in which the kernel takes no interpreter for it.
    ByDescriptor(OwnedFd),
}

impl Guard {
    /// To be made before anything is entered.
    pub(super) fn new() -> Result<Guard> {
        Ok(Guard { own: place::own_executable()? })
    }

    /// Looks at a file and at the interpreters that it leads to.
    fn look(&self, file: &CStr) -> std::result::Result<Way, Refusal> {
        let mut path = file.to_owned();
        for _ in 0..=LEVELS {
            // Nothing happens to what is opened so, be it a device or a pipe.
            let found = open(&*path, OFlag::O_PATH | OFlag::O_CLOEXEC, Mode::empty())?;
            if !self.is_another(&found)? {
                return Ok(Way::ByPath);
            }
            let flags = OFlag::O_RDONLY | OFlag::O_NONBLOCK | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
            let read = match open(&*path, flags, Mode::empty()) {
                Err(Errno::EACCES | Errno::EPERM) if path.as_c_str() == file => {
                    return Ok(Way::ByDescriptor(found));
                }
                // An interpreter: that it is itself a script would be seen by nobody.
                read => read?,
            };
            if !self.is_another(&read)? {
                return Ok(Way::ByPath);
            }
            let mut head = [0; HEAD];
            let length = nix::unistd::read(&read, &mut head)?;
            match interpreter(&head[..length]) {
                Some(next) => path = next,
                None => return Ok(Way::ByPath),
            }
        }
        // The kernel says so as well.
        Err(Refusal::Errno(Errno::ELOOP))
    }

    /// Is it a regular file, and not ours?
    fn is_another(&self, fd: impl AsFd) -> std::result::Result<bool, Refusal> {
        let stat = fstat(fd)?;
        if (stat.st_dev, stat.st_ino) == self.own {
            return Err(Refusal::Own);
        }
        Ok(SFlag::from_bits_truncate(stat.st_mode & SFlag::S_IFMT.bits()) == SFlag::S_IFREG)
    }
}

/// Why a file is not executed.
enum Refusal {
    Errno(Errno),
    Own,
}

impl From<Errno> for Refusal {
    fn from(errno: Errno) -> Refusal {
        Refusal::Errno(errno)
    }
}

/// The interpreter that a script names in its first line. Source: execve(2), interpreter scripts.
pub fn interpreter(head: &[u8]) -> Option<CString> {
    let line = head.strip_prefix(b"#!")?;
    let line = line.split(|&b| b == b'\n').next().unwrap_or_default();
    let is_space = |b: &u8| b" \t".contains(b);
    let begin = line.iter().position(|b| !is_space(b))?;
    let name = line[begin..].split(|b| is_space(b) || *b == 0).next().filter(|name| !name.is_empty())?;
    CString::new(name).ok()
}

/// Where and with what to execute.
pub(super) struct Search<'a> {
    pub(super) guard: Option<&'a Guard>,
    /// The environment, where it is not ours as it is.
    pub(super) entries: Option<&'a [CString]>,
    pub(super) path: Option<OsString>,
}

impl Search<'_> {
    /// Executes a file, as execvp(3) finds it. Answers only by what went wrong.
    pub(super) fn exec(&self, file: &CStr, args: &[CString]) -> Error {
        let name = file.to_bytes();
        let fail = |errno| Error::sys("exec", name, errno);
        if name.is_empty() {
            return fail(Errno::ENOENT).with_hint("the program's name is empty");
        }
        if name.contains(&b'/') {
            return match self.try_one(file, args) {
                Refusal::Errno(Errno::ENOENT) if nix::sys::stat::stat(file).is_ok() => fail(Errno::ENOENT)
                    .with_hint("the file is there, but the interpreter or loader that it names is not"),
                Refusal::Errno(errno) => fail(errno),
                Refusal::Own => own(name),
            };
        }
        let path = self.path.as_ref().map_or(USUAL, |path| path.as_bytes());
        let mut denied = false;
        for dir in path.split(|&b| b == b':') {
            let slash: &[u8] = if dir.is_empty() { b"" } else { b"/" };
            let Ok(candidate) = CString::new([dir, slash, name].concat()) else { continue };
            match self.try_one(&candidate, args) {
                Refusal::Own => return own(candidate.to_bytes()),
                Refusal::Errno(Errno::EACCES) => denied = true,
                Refusal::Errno(
                    Errno::ENOENT | Errno::ENOTDIR | Errno::ESTALE | Errno::ENODEV | Errno::ETIMEDOUT,
                ) => {}
                Refusal::Errno(errno) => return fail(errno),
            }
        }
        fail(if denied { Errno::EACCES } else { Errno::ENOENT })
    }

    /// Executes just this file; what the kernel does not know is a script of the shell.
    fn try_one(&self, file: &CStr, args: &[CString]) -> Refusal {
        match self.become_it(file, args) {
            Refusal::Errno(Errno::ENOEXEC) => {
                let rest = args.iter().skip(1).cloned();
                let args: Vec<CString> = [c"/bin/sh".into(), file.into()].into_iter().chain(rest).collect();
                self.become_it(c"/bin/sh", &args)
            }
            refusal => refusal,
        }
    }

    fn become_it(&self, file: &CStr, args: &[CString]) -> Refusal {
        let way = match self.guard.map_or(Ok(Way::ByPath), |guard| guard.look(file)) {
            Ok(way) => way,
            Err(refusal) => return refusal,
        };
        let Err(errno) = match (&way, self.entries) {
            (Way::ByPath, None) => nix::unistd::execv(file, args),
            (Way::ByPath, Some(entries)) => nix::unistd::execve(file, args, entries),
            (Way::ByDescriptor(fd), entries) => {
                let entries = entries.map_or_else(ours, <[CString]>::to_vec);
                nix::unistd::execveat(fd, c"", args, &entries, AtFlags::AT_EMPTY_PATH)
            }
        };
        Refusal::Errno(errno)
    }
}

fn ours() -> Vec<CString> {
    let entry = |(name, value): (OsString, OsString)| {
        CString::new([name.as_bytes(), b"=", &value.into_vec()].concat()).ok()
    };
    std::env::vars_os().filter_map(entry).collect()
}

fn own(name: &[u8]) -> Error {
    Error::sys("exec", [name, b", which leads to our own executable"].concat(), Errno::EPERM)
        .with_hint("those inside could write to it then (CVE-2019-5736): do not trust what is inside")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_names_its_interpreter() {
        let cases: [(&[u8], Option<&CStr>); 9] = [
            (b"#!/bin/sh\nx", Some(c"/bin/sh")),
            (b"#! \t/bin/sh -e x\n", Some(c"/bin/sh")),
            (b"#!/bin/sh\0/x\n", Some(c"/bin/sh")),
            (b"#!sh", Some(c"sh")),
            (b"#!/a\r\n", Some(c"/a\r")),
            (b"#! \n/bin/sh", None),
            (b"#!", None),
            (b"", None),
            (b"\x7fELF", None),
        ];
        for (head, expected) in cases {
            assert_eq!(interpreter(head).as_deref(), expected, "{}", head.escape_ascii());
        }
    }
}
