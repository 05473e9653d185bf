//! Scopes: groups that systemd makes for processes that run already, and leaves to them.

use std::ffi::OsString;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

use nix::unistd::Uid;

use super::callers;
use super::group::{Group, Version};
use super::layout::{Hierarchy, Layout};
use super::place;
use crate::error::{Error, Result};
use crate::launch::Program;
use crate::proc::Proc;

/// How the scopes that we ask for begin.
const PREFIX: &str = "rcgexec-";

/// The command by which we run once more, in a scope.
#[derive(Debug)]
pub struct Command(Vec<OsString>);

impl Command {
    /// For our own command line, with `--no-systemd` as its first option. Source: systemd-run(1).
    pub fn new(proc: &Proc) -> Result<Command> {
        let own = std::env::current_exe().map_err(|e| Error::io("readlink", "/proc/self/exe", &e))?;
        let user = !Uid::effective().is_root();
        answers(user)?;
        let this = proc.this()?;
        let unit = format!("--unit={PREFIX}{}-{}.scope", this.pid, this.stat()?.start);
        let mut words: Vec<OsString> = ["systemd-run", "--scope"].map(OsString::from).into();
        words.extend(user.then(|| "--user".into()));
        // In the slice that we are in, so that its limits hold, and forgotten when it has ended, whatever its status.
        words.extend(
            ["--quiet", "--collect", "--slice-inherit", "--property=Delegate=yes"].map(OsString::from),
        );
        words.extend([unit.into(), "--".into(), own.into(), "--no-systemd".into()]);
        words.extend(std::env::args_os().skip(1));
        Ok(Command(words))
    }

    /// As a person would type it.
    pub fn describe(&self) -> Vec<u8> {
        match Program::new(self.0.clone()) {
            Ok(program) => program.command_line().into_bytes(),
            Err(e) => e.to_string().into_bytes(),
        }
    }

    /// Becomes it. Answers only by what went wrong.
    pub fn exec(&self) -> Error {
        match Program::new(self.0.clone()) {
            Err(e) => e,
            Ok(program) => {
                let error = program.exec();
                // Not the program that was asked for.
                let what = [b"systemd-run cannot be executed: ", error.reason().as_bytes()].concat();
                Error::refused(what).with_hint(
                    "install it (package systemd), or name a delegated group with --parent and add --no-systemd",
                )
            }
        }
    }
}

/// Is there a manager that would answer? Without one systemd-run would fail with a status that could be the program's.
fn answers(user: bool) -> Result<()> {
    let sockets: Vec<PathBuf> = match user {
        false => vec!["/run/systemd/private".into(), "/run/dbus/system_bus_socket".into()],
        true => {
            let dir = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).unwrap_or_default();
            vec![dir.join("systemd/private"), dir.join("bus")]
        }
    };
    if sockets.iter().any(|path| path.is_absolute() && UnixStream::connect(path).is_ok()) {
        return Ok(());
    }
    Err(match user {
        false => Error::refused("systemd does not answer, so there can be no scope to make groups in")
            .with_hint("name a delegated group with --parent and add --no-systemd"),
        true => Error::refused("no systemd of this user answers, so there can be no scope to make groups in").with_hint(
            "log in by a session of its own (XDG_RUNTIME_DIR), or have one started by `loginctl enable-linger USER`; or name a group that was delegated to this user with --parent",
        ),
    })
}

/// Where transient groups may have been left: below our own group, the one above it where the callers were moved, and in the
/// scopes beside ours.
pub fn places(layout: &Layout, hierarchy: &Hierarchy) -> Result<Vec<Group>> {
    let group = callers::own_group(layout, hierarchy)?;
    let mut places = beside(hierarchy, &group)?;
    places.push(group);
    Ok(places)
}

/// The scopes of runs beside this group of version 2, and it itself if it is one: scopes are in the slice that who asked for
/// them is in.
pub(super) fn beside(hierarchy: &Hierarchy, group: &Group) -> Result<Vec<Group>> {
    match group.version == Version::V2 && place::is_systemd() {
        true => scopes(&hierarchy.above(group)?),
        false => Ok(Vec::new()),
    }
}

/// Is this the name of a scope that we ask for?
pub(super) fn is_ours(name: &[u8]) -> bool {
    name.starts_with(PREFIX.as_bytes()) && name.ends_with(b".scope")
}

/// The scopes of runs directly below a group.
fn scopes(group: &Group) -> Result<Vec<Group>> {
    let names = group.names()?.into_iter().filter(|name| is_ours(name));
    Ok(names.filter_map(|name| group.descend(&name).ok()).collect())
}
