//! What rcgexec may be asked: its options and the request that they make.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;

use clap::Command;
use common::cgroup::knobs::{KNOBS, Knob, Limits};
use common::cgroup::plan::Wanted;
use common::error::{Error, Result};
use common::tool::args::{self, Dialect, Matches, Opt, repeated, switch, valued};
use common::tool::{LAUNCHER, Tool};

/// The tool.
pub(crate) const TOOL: Tool = Tool {
    name: "rcgexec",
    options,
    command,
    // cgexec's own long options are --help and --sticky, and none of ours begins like them.
    dialect: Dialect { ours: &[], attached: false, program: true },
    failure: LAUNCHER,
    columns: Vec::new,
    parts: Vec::new,
};

/// Groups to join: `CONTROLLERS:PATH`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Spec {
    pub(crate) controllers: Controllers,
    pub(crate) path: Vec<u8>,
}

/// For which controllers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Controllers {
    /// `*`: every hierarchy.
    All,
    /// Nothing before the colon: the hierarchy of version 2.
    V2,
    Named(Vec<Vec<u8>>),
}

/// What was asked, checked against itself.
pub(crate) struct Request {
    pub(crate) what: What,
    /// Only say what would be done.
    pub(crate) dry_run: bool,
    pub(crate) words: Vec<OsString>,
}

/// What is to be done before the program runs.
pub(crate) enum What {
    /// Join groups that exist.
    Join(Vec<Spec>),
    /// Make transient groups with limits.
    Limit(Wanted),
}

/// The options.
fn options() -> Vec<Opt> {
    let help = |option| {
        let knob = KNOBS.iter().find(|knob| knob.option == option);
        knob.map(|knob| format!("{} ({})", knob.help, knob.takes)).unwrap_or_default()
    };
    let knob = |knob: &Knob| valued(knob.short, knob.option, knob.value, "").help_of(knob.option, help);
    let mut options = vec![repeated(
        Some('g'),
        "group",
        "CONTROLLERS:PATH",
        "Join the group PATH of these controllers, with commas between, or * for all; with a limit: a new group below it",
    )];
    options.extend(KNOBS.iter().map(knob));
    options.extend([
        valued(None, "cpus", "N", "CPU time as a number of CPUs, such as 0.2 or 1.5: sets quota and period")
            .conflicts(&["cpu-quota", "cpu-period"]),
        valued(
            None,
            "parent",
            "GROUP",
            "Make new groups below this one, a path from the root of each hierarchy",
        ),
        switch(None, "dry-run", "Print every directory and write, and do nothing"),
    ]);
    options
}

/// The same for clap.
fn command() -> Command {
    Command::new(TOOL.name)
        .version(env!("CARGO_PKG_VERSION"))
        .about("Runs a program in control groups, with limits if asked.")
        .override_usage("rcgexec [OPTIONS] [PROGRAM [ARG]...]")
        .after_help(args::OF_PROGRAM)
        .args(options().iter().map(Opt::arg))
        .arg(args::program())
}

/// Reads the options into a request.
pub(crate) fn request(matches: &Matches) -> Result<Request> {
    let given = matches.all("group");
    let specs = given.map(|(_, text)| spec(text.as_bytes())).collect::<Result<Vec<_>>>()?;
    let mut limits = Limits::default();
    for knob in KNOBS {
        if let Some(text) = matches.value(knob.option) {
            limits.set(knob, text.as_bytes())?;
        }
    }
    if let Some(text) = matches.value("cpus") {
        limits.set_cpus(text.as_bytes())?;
    }
    let parent = matches.value("parent").map(|path| path.as_bytes().to_vec());
    let what = if !limits.is_empty() {
        let below = specs.into_iter().map(below).collect::<Result<Vec<_>>>()?.concat();
        What::Limit(Wanted { limits, below, parent })
    } else if parent.is_some() {
        return Err(Error::refused("--parent is for groups that are made, and without a limit none is"));
    } else if specs.is_empty() {
        return Err(Error::refused("neither a group nor a limit was given")
            .with_hint("join one with -g CONTROLLERS:PATH, or set a limit such as --cpu-quota 20000"));
    } else {
        What::Join(specs)
    };
    Ok(Request { what, dry_run: matches.has("dry-run"), words: matches.words() })
}

fn spec(text: &[u8]) -> Result<Spec> {
    let refuse =
        |what: &[u8]| Error::refused([what, text].concat()).with_hint("for example: -g cpu,memory:jobs");
    let colon = text.iter().position(|&b| b == b':');
    let colon = colon.ok_or_else(|| refuse(b"a group is given as CONTROLLERS:PATH, not "))?;
    let (names, path) = (&text[..colon], &text[colon + 1..]);
    if path.is_empty() {
        return Err(refuse(b"the path of a group is missing in "));
    }
    let named: Vec<Vec<u8>> =
        names.split(|&b| b == b',').filter(|name| !name.is_empty()).map(<[u8]>::to_vec).collect();
    let controllers = match names {
        b"*" => Controllers::All,
        _ if named.is_empty() => Controllers::V2,
        _ => Controllers::Named(named),
    };
    Ok(Spec { controllers, path: path.to_vec() })
}

/// The groups below which new ones are to be made.
fn below(spec: Spec) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
    match spec.controllers {
        Controllers::Named(names) => Ok(names.into_iter().map(|name| (name, spec.path.clone())).collect()),
        _ => Err(Error::refused("with a limit, -g has to name its controllers")),
    }
}
