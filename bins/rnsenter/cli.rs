//! What rnsenter may be asked: its options and the request that they make.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use clap::Command;
use common::error::{Error, Result};
use common::kind::{Kind, KindSet};
use common::ns::refer::Ref;
use common::text::digits;
use common::tool::args::{self, Dialect, Matches, Opt, number, optional, repeated, switch, valued};
use common::tool::{LAUNCHER, Tool};

/// The tool.
pub(crate) const TOOL: Tool = Tool {
    name: "rnsenter",
    options,
    command,
    dialect: Dialect { ours: &["preserve-fds"], attached: true, program: true },
    failure: LAUNCHER,
    columns: Vec::new,
};

/// A directory: the target's own, or one by its path.
pub(crate) enum Dir {
    OfTarget,
    Path(PathBuf),
}

/// A namespace that is given for one kind.
#[derive(Debug)]
pub(crate) enum Given {
    /// A file, wherever it is.
    File(PathBuf),
    /// What all our commands understand.
    Named(Ref),
}

/// Which of the descriptors above 2 that we inherited go on to the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PassFds {
    /// All, unless a mnt, user or pid namespace is entered, in which they could be a way out.
    Usual,
    /// This many, from 3 on.
    First(u32),
    /// All.
    All,
}

/// What was asked, checked against itself.
pub(crate) struct Request {
    pub(crate) target: Option<Ref>,
    /// The kinds to be entered from the target.
    pub(crate) kinds: KindSet,
    /// Every kind in which the target differs from us, as well.
    pub(crate) all: bool,
    /// The namespaces to be entered of these kinds, and not from the target.
    pub(crate) given: Vec<(Kind, Given)>,
    pub(crate) root: Option<Dir>,
    pub(crate) wd: Option<Dir>,
    pub(crate) uid: Option<u32>,
    pub(crate) gid: Option<u32>,
    pub(crate) preserve_credentials: bool,
    pub(crate) env: bool,
    pub(crate) follow_context: bool,
    pub(crate) no_fork: bool,
    pub(crate) fds: PassFds,
    pub(crate) words: Vec<OsString>,
}

/// Reads the value of an option for a kind: a file, unless it has one of the prefixes, or is `:NSID` as the original
/// writes it.
fn given(kind: Kind, value: &OsString) -> Result<Given> {
    let id = value.as_bytes().strip_prefix(b":").and_then(digits).map(|id| Ref::Id(kind, id));
    Ok(match id.map_or_else(|| Ref::prefixed(value), |id| Ok(Some(id)))? {
        Some(reference) => Given::Named(reference),
        None => Given::File(value.into()),
    })
}

/// What help says of references.
const OF_REFERENCES: &str = "REF is PID, PID/TID, ctr:NAME, unit:NAME, cg:PATH, netns:NAME, TYPE:[INO] or another form of nskit(7). \
     With a prefix it can stand for FILE too, as in --net=netns:blue.";

/// The options.
fn options() -> Vec<Opt> {
    let mut options = vec![
        switch(Some('a'), "all", "Enter all namespaces in which the target differs from us"),
        repeated(Some('t'), "target", "REF", "The process whose namespaces are entered, or one namespace"),
    ];
    options
        .extend(args::kinds("FILE", |what| format!("Enter the namespace of {what}: the target's, or FILE")));
    options.extend([
        optional(Some('r'), "root", "DIR", "Set the root directory to the target's, or to DIR"),
        optional(Some('w'), "wd", "DIR", "Set the working directory to the target's, or to DIR"),
        valued(Some('S'), "setuid", "UID", "Set the user id in the entered namespaces"),
        valued(Some('G'), "setgid", "GID", "Set the group id there, and drop supplementary groups"),
        switch(None, "preserve-credentials", "Keep user and group ids when a user namespace is entered"),
        switch(Some('e'), "env", "Give the program the environment of the target"),
        switch(Some('Z'), "follow-context", "Run the program in the SELinux context of the target"),
        switch(Some('F'), "no-fork", "Do not fork, although a pid namespace is entered"),
        valued(
            None,
            "preserve-fds",
            "N|all",
            "Pass on descriptors 3 to 2+N, or all, into mnt, user and pid namespaces too",
        ),
    ]);
    options
}

/// The same for clap.
fn command() -> Command {
    Command::new(TOOL.name)
        .version(env!("CARGO_PKG_VERSION"))
        .about("Runs a program in namespaces of other processes.")
        .override_usage("rnsenter [OPTIONS] [PROGRAM [ARG]...]")
        .after_help(format!("{OF_REFERENCES}\n{}", args::OF_PROGRAM))
        .args(options().iter().map(Opt::arg))
        .arg(args::program())
}

/// Reads the options into a request.
pub(crate) fn request(matches: &Matches) -> Result<Request> {
    let mut targets = matches.all("target");
    let target = targets.next().map(|(_, word)| Ref::parse(word)).transpose()?;
    if targets.next().is_some() {
        return Err(Error::refused("option --target may be given only once"));
    }
    let mut kinds = KindSet::EMPTY;
    let mut given = Vec::new();
    for kind in Kind::all() {
        match matches.maybe(kind.row().long) {
            None => {}
            Some(None) => kinds.insert(kind),
            Some(Some(value)) => given.push((kind, self::given(kind, value)?)),
        }
    }
    let dir = |name| matches.maybe(name).map(|dir| dir.map_or(Dir::OfTarget, |dir| Dir::Path(dir.into())));
    let request = Request {
        target,
        kinds,
        all: matches.has("all"),
        given,
        root: dir("root"),
        wd: dir("wd"),
        uid: matches.value("setuid").map(|text| args::id("user id", text)).transpose()?,
        gid: matches.value("setgid").map(|text| args::id("group id", text)).transpose()?,
        preserve_credentials: matches.has("preserve-credentials"),
        env: matches.has("env"),
        follow_context: matches.has("follow-context"),
        no_fork: matches.has("no-fork"),
        fds: match matches.value("preserve-fds") {
            None => PassFds::Usual,
            Some(all) if all == "all" => PassFds::All,
            Some(text) => PassFds::First(number("number of descriptors", text)?),
        },
        words: matches.words(),
    };
    let needs = [
        (request.all, "--all"),
        (!request.kinds.is_empty(), "a namespace option without a file"),
        (request.env, "--env"),
        (request.follow_context, "--follow-context"),
        (matches!(request.root, Some(Dir::OfTarget)), "--root without a directory"),
        (matches!(request.wd, Some(Dir::OfTarget)), "--wd without a directory"),
    ];
    match needs.into_iter().find(|(asked, _)| *asked && request.target.is_none()) {
        Some((_, what)) => {
            Err(Error::refused(format!("{what} needs a target process")).with_hint("name it with -t PID"))
        }
        None => Ok(request),
    }
}
