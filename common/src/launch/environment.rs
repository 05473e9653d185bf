//! The environment that the program gets.

use std::cell::OnceCell;
// A hashing one would ask the kernel for random numbers, and panic where that is refused.
use std::collections::BTreeSet;
use std::ffi::{CString, OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::rc::Rc;

use crate::error::{Error, Result};
use crate::proc::Task;

/// Variables by which a program can be led to run the code, or read the files, of whoever set them; those that end with a
/// star begin like this. Sources: ld.so(8), secure-execution mode, of the GNU C library and of musl; bash(1), ENVIRONMENT;
/// those that sudo(8) takes away.
const LEADING: &[&str] = &[
    "LD_*",
    "MALLOC_*",
    "MUSL_LOCPATH",
    "GLIBC_TUNABLES",
    "GCONV_PATH",
    "GETCONF_DIR",
    "HOSTALIASES",
    "LOCALDOMAIN",
    "LOCPATH",
    "NIS_PATH",
    "NLSPATH",
    "RESOLV_HOST_CONF",
    "RES_OPTIONS",
    "TMPDIR",
    "TZDIR",
    "BASH_*",
    "BASHOPTS",
    "ENV",
    "SHELLOPTS",
    "PS4",
    "PROMPT_COMMAND",
    "IFS",
    "CDPATH",
    "FPATH",
    "ZDOTDIR",
    "TERMINFO",
    "TERMINFO_DIRS",
    "TERMCAP",
    "PERL5LIB",
    "PERL5OPT",
    "PERL5DB",
    "PERLLIB",
    "PERLIO_DEBUG",
    "PYTHON*",
    "RUBYLIB",
    "RUBYOPT",
    "NODE_OPTIONS",
    "JAVA_TOOL_OPTIONS",
];

/// Those that lead to programs and to what they read when they begin: ours stand in their place.
const WHERE_FROM: &[&str] = &["PATH", "SHELL", "HOME"];

/// Ours, of ours only what is named, or that of another process.
#[derive(Clone, Debug, Default)]
pub struct Environment(Source);

#[derive(Clone, Debug, Default)]
enum Source {
    /// Ours as it is.
    #[default]
    Ours,
    /// The variables with these names.
    Only(Vec<OsString>),
    Theirs(Rc<Theirs>),
}

/// The environment of another process.
#[derive(Debug)]
struct Theirs {
    task: Task,
    /// Filled when it could be read.
    read: OnceCell<Vec<u8>>,
    /// Is the program one of ours?
    outside: bool,
}

impl Environment {
    /// Our own.
    pub fn ours() -> Environment {
        Environment::default()
    }

    /// Only variables with these names, as far as there are any.
    pub fn only(names: Vec<OsString>) -> Environment {
        Environment(Source::Only(names))
    }

    /// That of a process, for a program that is found inside. Read now; where that is denied it is tried again when the
    /// program is executed, or by [`Environment::settle`]: in the user namespace of the process, as its user, it may be
    /// allowed. Source: proc_pid_environ(5).
    pub fn of(task: &Task) -> Result<Environment> {
        Environment::theirs(task, false)
    }

    /// The same, for a program of our own: without the variables by which whoever set them could have it run code of
    /// theirs, and with our PATH, SHELL and HOME. What a program does by other variables is between it and them.
    pub fn of_for_ours(task: &Task) -> Result<Environment> {
        Environment::theirs(task, true)
    }

    fn theirs(task: &Task, outside: bool) -> Result<Environment> {
        let theirs = Theirs { task: task.again()?, read: OnceCell::new(), outside };
        match theirs.bytes() {
            Err(e) if !e.is_denied() => Err(e),
            _ => Ok(Environment(Source::Theirs(Rc::new(theirs)))),
        }
    }

    /// Names with commas between them, for [`Environment::only`].
    pub fn parse_names(list: &OsStr) -> Result<Vec<OsString>> {
        let name = |name: &[u8]| match name {
            [] => Err(Error::refused([b"a name is missing among variables: ", list.as_bytes()].concat())),
            _ if name.iter().any(|b| b"=\0".contains(b)) => {
                Err(Error::refused([b"this is no name of a variable: ", name].concat()))
            }
            _ => Ok(OsStr::from_bytes(name).to_os_string()),
        };
        list.as_bytes().split(|&b| b == b',').map(name).collect()
    }

    /// The variables of a block as the kernel shows it, in its order, each with its name: of those with the same name the
    /// last. What has no name is no variable; whoever wrote over their block has few. With `outside`, only those that a
    /// program of our own may be given. Source: proc_pid_environ(5).
    pub fn parse_block(block: &[u8], outside: bool) -> Vec<&[u8]> {
        let variables = parse(block).into_iter();
        variables.filter(|variable| !outside || !leads(variable)).collect()
    }

    /// The names that are kept of ours; none where all are, or none is.
    pub fn names(&self) -> Option<&[OsString]> {
        match &self.0 {
            Source::Only(names) => Some(names),
            _ => None,
        }
    }

    /// Reads what could not be read before. To be called when namespaces are entered and ids are set, and before the
    /// descriptors are closed: the last chance.
    pub fn settle(&self) -> Result<()> {
        match &self.0 {
            Source::Theirs(theirs) => theirs.bytes().map(drop),
            _ => Ok(()),
        }
    }

    /// A variable that the program will have, as far as that is known.
    pub(super) fn get(&self, name: &str) -> Option<OsString> {
        match &self.0 {
            Source::Ours => std::env::var_os(name),
            Source::Only(kept) => std::env::var_os(name).filter(|_| kept.iter().any(|kept| kept == name)),
            Source::Theirs(theirs) => {
                let entry = [name.as_bytes(), b"="].concat();
                let found = theirs.variables().into_iter().find(|variable| variable.starts_with(&entry))?;
                Some(OsString::from_vec(found[entry.len()..].to_vec()))
            }
        }
    }

    /// What to execute the program with; none where it is ours as it is.
    pub(super) fn entries(&self) -> Result<Option<Vec<CString>>> {
        let variables = match &self.0 {
            Source::Ours => return Ok(None),
            Source::Only(kept) => {
                let mut seen = BTreeSet::new();
                let kept = kept.iter().filter(|name| seen.insert(*name));
                kept.filter_map(|name| ours(name)).collect()
            }
            Source::Theirs(theirs) => {
                theirs.bytes()?;
                theirs.variables()
            }
        };
        // None holds a NUL byte: they were read to the next.
        Ok(Some(variables.into_iter().filter_map(|variable| CString::new(variable).ok()).collect()))
    }
}

/// A variable of ours, with its name.
fn ours(name: &OsStr) -> Option<Vec<u8>> {
    Some([name.as_bytes(), b"=", std::env::var_os(name)?.as_bytes()].concat())
}

impl Theirs {
    fn bytes(&self) -> Result<&[u8]> {
        if let Some(read) = self.read.get() {
            return Ok(read);
        }
        let bytes = self.task.read(c"environ").map_err(|e| match e.is_denied() {
            true => e.with_hint(
                "it is shown to those who may trace the process: its own user, or CAP_SYS_PTRACE in its user namespace, \
                 which -U enters; or leave out --env",
            ),
            false => e,
        })?;
        // The kernel hands on 6 MiB at most, arguments included; a process can say that more is its environment.
        if bytes.len() > LARGEST {
            let what =
                format!("the environment of {} is larger than any program can be given", self.task.pid);
            return Err(Error::refused(what).with_hint("the process changed it: leave out --env"));
        }
        Ok(self.read.get_or_init(|| bytes))
    }

    /// None where it was not read.
    fn variables(&self) -> Vec<Vec<u8>> {
        let read = self.read.get().map(Vec::as_slice).unwrap_or_default();
        let variables = Environment::parse_block(read, self.outside).into_iter().map(<[u8]>::to_vec);
        let own = WHERE_FROM.iter().filter(|_| self.outside).filter_map(|name| ours(OsStr::new(name)));
        variables.chain(own).collect()
    }
}

/// The most that can be handed on. Source: execve(2), limits on size.
const LARGEST: usize = 6 << 20;

fn parse(block: &[u8]) -> Vec<&[u8]> {
    let mut seen = BTreeSet::new();
    let named = |entry: &&[u8]| entry.iter().position(|&b| b == b'=').is_some_and(|end| end > 0);
    let mut variables: Vec<&[u8]> = block
        .split(|&b| b == 0)
        .rev()
        .filter(named)
        .filter(|entry| seen.insert(entry.split(|&b| b == b'=').next().unwrap_or_default()))
        .collect();
    variables.reverse();
    variables
}

/// Can this variable have a program of ours run the code of another?
fn leads(variable: &[u8]) -> bool {
    let end = variable.iter().position(|&b| b == b'=').unwrap_or(variable.len());
    let (name, value) = variable.split_at(end);
    let is = |row: &&str| match row.strip_suffix('*') {
        Some(beginning) => name.starts_with(beginning.as_bytes()),
        None => name == row.as_bytes(),
    };
    // A function of an old bash.
    LEADING.iter().chain(WHERE_FROM).any(is) || value.starts_with(b"=()")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stand_between_commas() {
        let names = |list: &str| Environment::parse_names(OsStr::new(list)).map_err(|e| e.to_string());
        assert_eq!(names("A,B_C"), Ok(vec!["A".into(), "B_C".into()]));
        assert_eq!(names("A,,B"), Err("a name is missing among variables: A,,B".into()));
        assert_eq!(names("A=1"), Err("this is no name of a variable: A=1".into()));
    }

    #[test]
    fn a_block_has_what_has_a_name_and_of_each_name_the_last() {
        let shown =
            |block: &[u8]| parse(block).iter().map(|v| v.escape_ascii().to_string()).collect::<Vec<_>>();
        assert_eq!(shown(b"A=1\0B\0=x\0C=\n=\xff\0A=2\0"), ["C=\\n=\\xff", "A=2"]);
        assert_eq!(shown(b"A=1\0B=cut"), ["A=1", "B=cut"]);
        assert!(shown(b"").is_empty() && shown(b"\0\0\0").is_empty() && shown(b"a title").is_empty());
    }

    #[test]
    fn what_leads_programs_is_known_by_its_name() {
        for variable in
            ["LD_PRELOAD=x", "LD_=", "GLIBC_TUNABLES=x", "PATH=x", "BASH_FUNC_a%%=() {", "F=() { x"]
        {
            assert!(leads(variable.as_bytes()), "{variable}");
        }
        for variable in ["OLD_PATH=x", "PATHS=x", "LANG=C", "A=LD_PRELOAD=x", "LD=ld"] {
            assert!(!leads(variable.as_bytes()), "{variable}");
        }
    }
}
