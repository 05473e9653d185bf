//! Starting a program: exec, or fork and watch over it, with its exit status and signals.

mod environment;
mod pty;
mod search;
mod watch;

use std::ffi::{CStr, CString, OsString};
use std::os::unix::ffi::OsStringExt;

use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::Signal;
use nix::unistd::{Uid, User};

use crate::error::{Error, Result};
use crate::sys;
use crate::text::{Charset, digits, shell_word, show};

use search::{Guard, Search};

pub use environment::Environment;
pub use nix::unistd::Pid;
pub use pty::Pty;
pub use search::interpreter;
pub use watch::{Gate, Watch, pause};

/// What is to be run.
#[derive(Clone, Debug)]
pub struct Program {
    /// None where it is the default shell.
    words: Vec<CString>,
    environment: Environment,
    /// The user's, where it may be needed.
    shell: Option<CString>,
    /// Where the program is found among files that others made.
    guard: Option<Guard>,
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
        let words = words.into_iter().map(c_string).collect::<Result<Vec<_>>>()?;
        // What is not known yet may turn out to be without one.
        let unknown = words.is_empty() && of_environment(&environment).is_none();
        let shell = if unknown { of_user().map(c_string).transpose()? } else { None };
        Ok(Program { words, environment, shell, guard: None })
    }

    /// The same, of a program that is looked for where another may have made the files: where the mount namespace is entered
    /// or the root changed. Our own executable is not run, since those inside could then write to it (CVE-2019-5736), and
    /// where the default shell is not there, `/bin/sh` is.
    pub fn inside(words: Vec<OsString>, environment: Environment) -> Result<Program> {
        Ok(Program { guard: Some(Guard::new()?), ..Program::within(words, environment)? })
    }

    /// The environment that it gets.
    pub fn environment(&self) -> &Environment {
        &self.environment
    }

    /// Its words, the first of them what is looked for.
    pub fn words(&self) -> Vec<Vec<u8>> {
        match self.words.is_empty() {
            true => vec![self.shell().into_bytes()],
            false => self.words.iter().map(|word| word.to_bytes().to_vec()).collect(),
        }
    }

    /// The same as a person would type them, as far as they can be shown.
    pub fn command_line(&self) -> String {
        let charset = Charset::from_env();
        let quoted = |word: &Vec<u8>| shell_word(word, charset).unwrap_or_else(|| show(word, charset));
        self.words().iter().map(quoted).collect::<Vec<_>>().join(" ")
    }

    fn shell(&self) -> CString {
        let of_environment = || CString::new(of_environment(&self.environment)?.into_vec()).ok();
        of_environment().or_else(|| self.shell.clone()).unwrap_or(c"/bin/sh".into())
    }

    /// Becomes the program, looked for in PATH. Answers only by what went wrong.
    pub fn exec(&self) -> Error {
        let entries = match self.environment.entries() {
            Ok(entries) => entries,
            Err(e) => return e,
        };
        let run = |file: &CStr, args: &[CString]| {
            Search {
                guard: self.guard.as_ref(),
                entries: entries.as_deref(),
                path: self.environment.get("PATH"),
            }
            .exec(file, args)
        };
        if let Some(file) = self.words.first() {
            return run(file, &self.words);
        }
        let login = |shell: &CStr| run(shell, &[login_name(shell)]);
        let shell = self.shell();
        let error = login(&shell);
        // Nobody named this one, and the container may well be without it.
        if self.guard.is_some() && error.is_gone() && &*shell != c"/bin/sh" {
            let other = login(c"/bin/sh");
            if !other.is_gone() {
                return other;
            }
        }
        error
    }
}

fn c_string(word: OsString) -> Result<CString> {
    CString::new(word.into_vec()).map_err(|_| Error::refused("an argument holds a NUL byte"))
}

fn of_environment(environment: &Environment) -> Option<OsString> {
    environment.get("SHELL").filter(|shell| !shell.is_empty())
}

fn of_user() -> Option<OsString> {
    Some(User::from_uid(Uid::current()).ok()??.shell.into_os_string()).filter(|shell| !shell.is_empty())
}

/// `-sh` for `/bin/sh`: by this a shell knows that it is a login shell (sh(1)).
fn login_name(file: &CStr) -> CString {
    let base = file.to_bytes().rsplit(|&b| b == b'/').next().unwrap_or_default();
    CString::new([b"-", base].concat()).unwrap_or_default()
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

/// The signal by which a stopped process goes on.
pub const CONTINUE: i32 = libc::SIGCONT;

/// Sends a signal to a child that was not collected yet; one that has ended needs none.
pub fn send(child: Pid, signal: i32) {
    let _ = sys::send_signal(child, signal);
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

/// The name of a signal: `KILL`, `RTMIN+3`. None where it has none. Source: signal(7).
pub fn signal_name(number: i32) -> Option<String> {
    if let Ok(signal) = Signal::try_from(number) {
        return Some(signal.as_str().trim_start_matches("SIG").into());
    }
    let (lowest, highest) = sys::realtime_signals();
    (lowest..=highest).contains(&number).then(|| match number - lowest {
        0 => "RTMIN".into(),
        offset => format!("RTMIN+{offset}"),
    })
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
    fn a_signal_is_found_again_by_its_name() {
        let (_, highest) = sys::realtime_signals();
        for number in 1..=highest {
            let name = signal_name(number);
            // Two are the C library's own.
            assert!(name.is_some() || [32, 33].contains(&number), "{number}");
            assert!(name.is_none_or(|name| parse_signal(&name) == Some(number)), "{number}");
        }
        assert_eq!((signal_name(9).as_deref(), signal_name(0), signal_name(99)), (Some("KILL"), None, None));
    }

    #[test]
    fn a_shell_is_named_as_a_login_shell() {
        assert_eq!(&*login_name(c"/bin/sh"), c"-sh");
        assert_eq!(&*login_name(c"fish"), c"-fish");
    }
}
