//! What runshare may be asked: its options and the request that they make.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use clap::{ArgMatches, Command};
use common::error::{Error, Result};
use common::kind::{Kind, KindSet};
use common::launch::parse_signal;
use common::ns::create::{PROPAGATIONS, Propagation};
use common::tool::args::{self, Dialect, optional, switch, valued};
use common::tool::{LAUNCHER, Tool};

/// The tool.
pub(crate) const TOOL: Tool = Tool {
    name: "runshare",
    command,
    dialect: Dialect { ours: &[], attached: false, program: true },
    failure: LAUNCHER,
    columns: Vec::new,
};

/// Which ids of ours the new user namespace knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Map {
    /// Our user and group as root.
    Root,
    /// Our user and group as themselves.
    Current,
}

/// What was asked, checked against itself, with all that one option implies of others.
pub(crate) struct Request {
    pub(crate) kinds: KindSet,
    pub(crate) map: Option<Map>,
    pub(crate) fork: bool,
    /// The signal that the program gets when we end.
    pub(crate) kill_child: Option<i32>,
    /// Where to mount a new proc.
    pub(crate) mount_proc: Option<PathBuf>,
    pub(crate) propagation: Propagation,
    pub(crate) root: Option<PathBuf>,
    pub(crate) wd: Option<PathBuf>,
    pub(crate) words: Vec<OsString>,
}

/// The options.
pub(crate) fn command() -> Command {
    let modes = names(PROPAGATIONS.iter().map(|(name, ..)| *name));
    Command::new(TOOL.name)
        .version(env!("CARGO_PKG_VERSION"))
        .about("Runs a program in new namespaces.")
        .override_usage("runshare [OPTIONS] [PROGRAM [ARG]...]")
        .after_help(args::OF_PROGRAM)
        .args(args::kind_switches(|what| format!("Create a new namespace of {what}")))
        .args([
            switch(Some('f'), "fork", "Run the program as a child process, and wait for it"),
            switch(Some('r'), "map-root-user", "Map our user and group to root; implies --user"),
            switch(Some('c'), "map-current-user", "Map our user and group to themselves; implies --user")
                .overrides_with("map-root-user"),
            optional(
                None,
                "kill-child",
                "SIGNAL",
                "Send the program this signal when we end, however we end; implies --fork [default: KILL]",
            ),
            optional(
                None,
                "mount-proc",
                "DIR",
                "Mount a new proc before the program runs; implies --mount [default: /proc]",
            ),
            valued(None, "propagation", "MODE", "")
                .help(format!("Propagation of mounts in a new mount namespace: {modes} [default: private]")),
            valued(Some('R'), "root", "DIR", "Set the root directory"),
            valued(Some('w'), "wd", "DIR", "Set the working directory, below the new root if there is one"),
        ])
        .arg(args::program())
}

fn names<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names.collect::<Vec<_>>().join(", ")
}

/// Reads the options into a request.
pub(crate) fn request(matches: &ArgMatches) -> Result<Request> {
    let mut kinds: KindSet = Kind::all().filter(|kind| matches.get_flag(kind.row().long)).collect();
    let map = match (matches.get_flag("map-root-user"), matches.get_flag("map-current-user")) {
        (true, _) => Some(Map::Root),
        (_, true) => Some(Map::Current),
        _ => None,
    };
    if map.is_some() {
        kinds.insert(Kind::User);
    }
    let mount_proc = args::maybe(matches, "mount-proc").map(|dir| dir.map_or("/proc".into(), PathBuf::from));
    if mount_proc.is_some() {
        kinds.insert(Kind::Mnt);
    }
    let kill_child = args::maybe(matches, "kill-child").map(signal).transpose()?;
    let propagation = match args::value(matches, "propagation") {
        None => Propagation::Private,
        Some(name) => propagation(name)?,
    };
    Ok(Request {
        kinds,
        map,
        fork: matches.get_flag("fork") || kill_child.is_some(),
        kill_child,
        mount_proc,
        propagation,
        root: args::value(matches, "root").map(PathBuf::from),
        wd: args::value(matches, "wd").map(PathBuf::from),
        words: args::words(matches),
    })
}

fn signal(text: Option<&OsString>) -> Result<i32> {
    match text {
        None => Ok(9),
        Some(text) => text.to_str().and_then(parse_signal).ok_or_else(|| {
            Error::refused([b"unknown signal: ", text.as_bytes()].concat())
                .with_hint("a number, or a name as `kill -l` prints it")
        }),
    }
}

fn propagation(name: &OsString) -> Result<Propagation> {
    PROPAGATIONS.iter().find(|(known, ..)| name == known).map(|(_, propagation, _)| *propagation).ok_or_else(
        || {
            Error::refused([b"unknown propagation: ", name.as_bytes()].concat())
                .with_hint(format!("one of: {}", names(PROPAGATIONS.iter().map(|(name, ..)| *name))))
        },
    )
}
