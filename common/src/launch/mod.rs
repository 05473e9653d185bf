//! Starting a program: exec, or fork and watch over it, with its exit status and signals.

mod environment;
mod pty;
mod watch;

use std::ffi::{CString, OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use nix::errno::Errno;
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::Signal;
use nix::unistd::{Uid, User};

use crate::error::{Error, Result};
use crate::sys;
use crate::text::digits;

pub use environment::Environment;
pub use pty::Pty;
pub use watch::{Gate, Watch, fork};

/// What is to be run.
#[derive(Debug, PartialEq, Eq)]
pub struct Program {
    file: CString,
    args: Vec<CString>,
    environment: Environment,
}

impl Program {
    /// A program and its arguments; without any, the user's shell as a login shell: `$SHELL`, else that of
    /// the password database, else `/bin/sh`. Call it before any namespace is entered: the name service
    /// must be our own.
    pub fn new(words: Vec<OsString>) -> Result<Program> {
        Program::within(words, Environment::ours())
    }

    /// The same, with an environment of its own: where its shell and PATH are looked up.
    pub fn within(words: Vec<OsString>, environment: Environment) -> Result<Program> {
        let mut args = words.into_iter().map(c_string).collect::<Result<Vec<_>>>()?;
        match args.first() {
            Some(file) => Ok(Program { file: file.clone(), args, environment }),
            None => {
                let file = c_string(shell(&environment))?;
                args.push(c_string(login_name(OsStr::from_bytes(file.to_bytes())))?);
                Ok(Program { file, args, environment })
            }
        }
    }

    /// The environment that it gets.
    pub fn environment(&self) -> &Environment {
        &self.environment
    }

    /// Its words, the first of them what is looked for.
    pub fn words(&self) -> Vec<&[u8]> {
        let args = self.args.iter().skip(1).map(|arg| arg.to_bytes());
        [self.file.to_bytes()].into_iter().chain(args).collect()
    }

    /// Becomes the program, looked for in PATH. Answers only by what went wrong.
    pub fn exec(&self) -> Error {
        if let Err(e) = self.environment.enter() {
            return e;
        }
        let Err(errno) = nix::unistd::execvp(&self.file, &self.args);
        let error = Error::sys("exec", self.file.to_bytes(), errno);
        match errno {
            Errno::ENOENT if self.file.to_bytes().is_empty() => {
                error.with_hint("the program's name is empty")
            }
            Errno::ENOENT
                if self.file.to_bytes().contains(&b'/') && std::fs::metadata(self.path()).is_ok() =>
            {
                error.with_hint("the file is there, but the interpreter or loader that it names is not")
            }
            _ => error,
        }
    }

    fn path(&self) -> &OsStr {
        OsStr::from_bytes(self.file.to_bytes())
    }
}

fn c_string(word: OsString) -> Result<CString> {
    CString::new(word.into_vec()).map_err(|_| Error::refused("an argument holds a NUL byte"))
}

fn shell(environment: &Environment) -> OsString {
    let from_env = environment.get("SHELL").filter(|shell| !shell.is_empty());
    let from_user = || Some(User::from_uid(Uid::current()).ok()??.shell.into_os_string());
    from_env.or_else(|| from_user().filter(|shell| !shell.is_empty())).unwrap_or("/bin/sh".into())
}

/// `-sh` for `/bin/sh`: by this a shell knows that it is a login shell (sh(1)).
fn login_name(file: &OsStr) -> OsString {
    let base = file.as_bytes().rsplit(|&b| b == b'/').next().unwrap_or_default();
    OsString::from_vec([b"-", base].concat())
}

/// How a program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// With this status.
    Exited(u8),
    /// By this signal.
    Killed(i32),
}

impl Ended {
    /// Ends us as the program ended: by the same signal, without a core file of our own, or with its status.
    /// Answers the status to exit with: the program's, or 128+n where the signal has no effect on us.
    pub fn follow(self) -> u8 {
        match self {
            Ended::Exited(status) => status,
            Ended::Killed(signal) => {
                // The program has left its core; ours would be a second one. The limit does not stop a
                // program that gathers cores (core(5)). Without either only a core file is the worse for it.
                let _ = setrlimit(Resource::RLIMIT_CORE, 0, 0);
                let _ = sys::set_undumpable();
                sys::die_by(signal);
                128 + signal as u8
            }
        }
    }
}

/// From now on those whose parents have ended become our children, not those of the first process, so that
/// none of them stays behind as a zombie. Source: PR_SET_CHILD_SUBREAPER(2const).
pub fn adopt_orphans() -> Result<()> {
    nix::sys::prctl::set_child_subreaper(true).map_err(|e| Error::sys("prctl", "PR_SET_CHILD_SUBREAPER", e))
}

/// Collects every child that has ended.
pub fn bury_children() {
    while let Ok(Some(_)) = sys::wait_any() {}
}

/// The number of a signal given by number or name: `9`, `KILL`, `sigkill`, `RTMIN+3`, `SIGRTMAX-2`, `rt5`.
/// Source: signal(7).
pub fn parse_signal(text: &str) -> Option<i32> {
    let (lowest, highest) = sys::realtime_signals();
    let digits = |text: &str| digits::<i32>(text.as_bytes());
    if let Some(number) = digits(text) {
        return (1..=highest).contains(&number).then_some(number);
    }
    let upper = text.to_ascii_uppercase();
    let name = upper.strip_prefix("SIG").unwrap_or(&upper);
    if let Ok(signal) = format!("SIG{name}").parse::<Signal>() {
        return Some(signal as i32);
    }
    let number = match name {
        "RTMIN" => lowest,
        "RTMAX" => highest,
        _ => match (name.strip_prefix("RTMIN+"), name.strip_prefix("RTMAX-"), name.strip_prefix("RT")) {
            (Some(offset), ..) => lowest.checked_add(digits(offset)?)?,
            (_, Some(offset), _) => highest.checked_sub(digits(offset)?)?,
            (.., Some(offset)) => lowest.checked_add(digits(offset)?)?,
            _ => return None,
        },
    };
    (lowest..=highest).contains(&number).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_have_names_and_numbers() {
        let (lowest, highest) = sys::realtime_signals();
        let cases = [
            ("9", Some(9)),
            ("KILL", Some(9)),
            ("sigkill", Some(9)),
            ("Term", Some(15)),
            ("rtmin+3", Some(lowest + 3)),
            ("SIGRTMAX-2", Some(highest - 2)),
            ("rt5", Some(lowest + 5)),
            ("RTMIN", Some(lowest)),
            ("RTMAX+1", None),
            ("rt99", None),
            ("0", None),
            ("+9", None),
            ("RTMIN++1", None),
            ("65", None),
            ("-9", None),
            ("SIG", None),
            ("NOPE", None),
            ("", None),
        ];
        for (text, expected) in cases {
            assert_eq!(parse_signal(text), expected, "{text}");
        }
    }

    #[test]
    fn a_shell_is_named_as_a_login_shell() {
        assert_eq!(login_name(OsStr::new("/bin/sh")), "-sh");
        assert_eq!(login_name(OsStr::new("fish")), "-fish");
    }
}
