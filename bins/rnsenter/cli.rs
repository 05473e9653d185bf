//! What rnsenter may be asked: its options and the request that they make.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use clap::Command;
use common::error::{Error, Result};
use common::kind::{KINDS, Kind, KindSet};
use common::ns::fd::NsFd;
use common::ns::refer::Ref;
use common::proc::likeness::Part;
use common::text::digits;
use common::tool::args::{self, Dialect, Matches, Opt, number, optional, repeated, switch, valued};
use common::tool::{LAUNCHER, Tool};

/// The tool.
pub(crate) const TOOL: Tool = Tool {
    name: "rnsenter",
    options,
    command,
    dialect: Dialect { ours: OURS, attached: true, program: true },
    failure: LAUNCHER,
    columns: Vec::new,
    parts: || {
        let kinds = KINDS.iter().map(|row| (row.name, row.what));
        TAKEN.iter().map(|(name, _, what)| (*name, *what)).chain(kinds).collect()
    },
};

/// The options that nsenter lacks, or did when scripts were written for it: the abbreviations of then go on to mean
/// what they meant.
#[rustfmt::skip]
const OURS: &[&str] = &[
    "as-target", "dry-run", "except", "kill-child", "mount-proc", "preserve-fds", "pty",
    // Newer than those scripts.
    "env", "join-cgroup", "keep-caps", "net-socket", "user-parent",
];

/// What --as-target takes of the target beside its namespaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    Root,
    Wd,
    Env,
    Cgroup,
    Like(Part),
}

/// All of it, by the names that --except knows.
#[rustfmt::skip]
pub(crate) const TAKEN: &[(&str, Taken, &str)] = &[
    ("root",         Taken::Root,                   "its root directory"),
    ("wd",           Taken::Wd,                     "its working directory"),
    ("env",          Taken::Env,                    "its environment"),
    ("join-cgroup",  Taken::Cgroup,                 "its control groups"),
    ("ids",          Taken::Like(Part::Ids),        "its user, group and supplementary groups"),
    ("caps",         Taken::Like(Part::Caps),       "its capabilities, the bounding set among them"),
    ("no-new-privs", Taken::Like(Part::NoNewPrivs), "whether programs may give it more rights"),
    ("oom",          Taken::Like(Part::Oom),        "how readily it is ended when memory is short"),
];

/// A directory: the target's own, or one by its path.
pub(crate) enum Dir {
    OfTarget,
    Path(PathBuf),
    /// By its path inside, when all is entered.
    Inside(PathBuf),
}

/// A user or group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    Id(u32),
    /// That of the target.
    OfTarget,
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
    /// But for these.
    pub(crate) except: KindSet,
    /// The namespaces to be entered of these kinds, and not from the target.
    pub(crate) given: Vec<(Kind, Given)>,
    /// The net namespace of this descriptor of the target's, which is a socket.
    pub(crate) net_socket: Option<i32>,
    /// The user namespace above that which would be entered.
    pub(crate) user_parent: bool,
    pub(crate) root: Option<Dir>,
    pub(crate) wd: Option<Dir>,
    /// The environment of the target.
    pub(crate) env: bool,
    /// Its SELinux context.
    pub(crate) context: bool,
    /// The control groups of the target.
    pub(crate) cgroup: bool,
    /// What else the program shall have of the target, if it shall be as if that had executed it.
    pub(crate) like: Option<Vec<Part>>,
    /// Where to mount a proc that nobody else sees.
    pub(crate) mount_proc: Option<PathBuf>,
    pub(crate) uid: Option<Who>,
    pub(crate) gid: Option<Who>,
    pub(crate) preserve_credentials: bool,
    pub(crate) keep_caps: bool,
    pub(crate) no_fork: bool,
    /// Give the program a terminal of its own.
    pub(crate) pty: bool,
    /// The signal that the program gets when we end.
    pub(crate) kill_child: Option<i32>,
    /// Only say what would be done.
    pub(crate) dry_run: bool,
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
        switch(None, "as-target", "The same, and run the program as if the target had executed it"),
        repeated(
            None,
            "except",
            "PARTS",
            "Leave these out of --as-target, or types out of --all too (commas)",
        ),
        repeated(Some('t'), "target", "REF", "The process whose namespaces are entered, or one namespace"),
    ];
    options
        .extend(args::kinds("FILE", |what| format!("Enter the namespace of {what}: the target's, or FILE")));
    options.extend([
        valued(Some('N'), "net-socket", "FD", "Enter the network namespace of this socket of the target"),
        switch(Some('c'), "join-cgroup", "Join the control groups of the target"),
        switch(None, "user-parent", "Enter the user namespace above that of the target, or of --user=FILE"),
        optional(Some('r'), "root", "DIR", "Set the root directory to the target's, or to DIR"),
        optional(Some('w'), "wd", "DIR", "Set the working directory to the target's, or to DIR")
            .conflicts(&["wdns"]),
        valued(Some('W'), "wdns", "DIR", "Set it to DIR as it is called inside").conflicts(&["wd"]),
        optional(None, "mount-proc", "DIR", "Mount a proc that only the program sees [default: /proc]"),
        switch(Some('e'), "env", "Give the program the environment of the target"),
        valued(
            Some('S'),
            "setuid",
            "UID|follow",
            "Set the user id in the entered namespaces, or the target's",
        ),
        valued(Some('G'), "setgid", "GID|follow", "Set the group id, and drop supplementary groups"),
        switch(None, "preserve-credentials", "Keep user and group ids when a user namespace is entered"),
        switch(None, "keep-caps", "Keep all capabilities in the user namespace, whatever the user id"),
        switch(Some('Z'), "follow-context", "Run the program in the SELinux context of the target"),
        switch(None, "pty", "Give the program a terminal of its own, so that it cannot type into ours")
            .conflicts(&["no-fork"]),
        switch(Some('F'), "no-fork", "Do not fork, although a pid namespace is entered").conflicts(&["pty"]),
        optional(None, "kill-child", "SIGNAL", "Signal for a forked program when we end [default: KILL]"),
        valued(
            None,
            "preserve-fds",
            "N|all",
            "Pass on descriptors 3 to 2+N, or all, into mnt, user and pid namespaces too",
        ),
        switch(None, "dry-run", "Print what would be done and whether it may be, and do nothing"),
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
    let inside = matches.value("wdns").map(|dir| Dir::Inside(dir.into()));
    let as_target = matches.has("as-target");
    let mut taken: Vec<Taken> = TAKEN.iter().filter(|_| as_target).map(|(_, taken, _)| *taken).collect();
    let mut except = KindSet::EMPTY;
    let names = matches.all("except").flat_map(|(_, list)| list.as_bytes().split(|&b| b == b','));
    for name in names {
        let part = TAKEN.iter().find(|(known, ..)| known.as_bytes() == name).map(|(_, part, _)| *part);
        match (Kind::from_name(name), part) {
            (Some(kind), _) if as_target || matches.has("all") => except.insert(kind),
            (None, Some(part)) if as_target => taken.retain(|taken| *taken != part),
            (None, None) => return Err(unknown_part(name)),
            _ => {
                let what = [b"--except ", name, b" takes nothing away: it is not asked for"].concat();
                return Err(
                    Error::refused(what).with_hint("it goes with --as-target; types go with --all too")
                );
            }
        }
    }
    let takes = |part| taken.contains(&part).then_some(Dir::OfTarget);
    let request = Request {
        target,
        kinds,
        all: as_target || matches.has("all"),
        except,
        given,
        net_socket: matches.value("net-socket").map(|text| number("descriptor", text)).transpose()?,
        user_parent: matches.has("user-parent"),
        root: dir("root").or_else(|| takes(Taken::Root)),
        wd: dir("wd").or(inside).or_else(|| takes(Taken::Wd)),
        env: matches.has("env") || taken.contains(&Taken::Env),
        context: matches.has("follow-context"),
        cgroup: matches.has("join-cgroup") || taken.contains(&Taken::Cgroup),
        like: as_target
            .then(|| Part::ALL.into_iter().filter(|part| taken.contains(&Taken::Like(*part))).collect()),
        mount_proc: matches.maybe("mount-proc").map(|dir| dir.map_or("/proc".into(), PathBuf::from)),
        uid: matches.value("setuid").map(|text| who("user id", text)).transpose()?,
        gid: matches.value("setgid").map(|text| who("group id", text)).transpose()?,
        preserve_credentials: matches.has("preserve-credentials"),
        keep_caps: matches.has("keep-caps"),
        no_fork: matches.has("no-fork"),
        pty: matches.has("pty"),
        kill_child: matches.maybe("kill-child").map(args::signal).transpose()?,
        dry_run: matches.has("dry-run"),
        fds: match matches.value("preserve-fds") {
            None => PassFds::Usual,
            Some(all) if all == "all" => PassFds::All,
            Some(text) => PassFds::First(number("number of descriptors", text)?),
        },
        words: matches.words(),
    };
    request.check()?;
    Ok(request)
}

fn unknown_part(name: &[u8]) -> Error {
    let parts: Vec<_> = (TOOL.parts)().into_iter().map(|(name, _)| name).collect();
    Error::refused([b"unknown part: ", name].concat()).with_hint(format!("one of: {}", parts.join(" ")))
}

/// A user or group by its number, or that of the target.
fn who(what: &str, text: &OsString) -> Result<Who> {
    if text == "follow" { Ok(Who::OfTarget) } else { args::id(what, text).map(Who::Id) }
}

impl Request {
    /// What is asked of the target that only a process has, beside namespaces, by the option and the thing.
    fn of_process(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        let of_target = |dir: &Option<Dir>| matches!(dir, Some(Dir::OfTarget));
        let asked = [
            (self.like.is_some(), "--as-target", "rights"),
            (of_target(&self.root), "--root without a directory", "root directory"),
            (of_target(&self.wd), "--wd without a directory", "working directory"),
            (self.net_socket.is_some(), "--net-socket", "sockets"),
            (self.cgroup, "--join-cgroup", "control groups"),
            (self.env, "--env", "environment"),
            (self.context, "--follow-context", "SELinux context"),
            (self.uid == Some(Who::OfTarget), "--setuid=follow", "user id"),
            (self.gid == Some(Who::OfTarget), "--setgid=follow", "group id"),
        ];
        asked.into_iter().filter(|(asked, ..)| *asked).map(|(_, option, thing)| (option, thing))
    }

    /// Is more asked of the process than its namespaces and directories, so that it is needed later?
    pub(crate) fn needs_process(&self) -> bool {
        let follows = [self.uid, self.gid].contains(&Some(Who::OfTarget));
        self.like.is_some() || self.env || self.context || follows
    }

    /// A namespace is the target: it has none of another kind, and nothing that a process has.
    pub(crate) fn wants_only(&self, ns: &NsFd) -> Result<()> {
        let refuse = |what: String| {
            let named = [&ns.name[..], b" is one namespace: it has no ", what.as_bytes()].concat();
            Err(Error::refused(named).with_hint("name a process to enter what it has: -t PID, -t ctr:NAME"))
        };
        if let Some(other) = self.kinds.iter().find(|kind| *kind != ns.kind) {
            return refuse(format!("{other} namespace"));
        }
        if self.given.iter().any(|(kind, _)| *kind == ns.kind) {
            let what = format!(" is not the only {} namespace to be entered", ns.kind);
            return Err(Error::refused([&ns.name[..], what.as_bytes()].concat())
                .with_hint(format!("name one, by --target or by --{}", ns.kind.row().long)));
        }
        self.of_process().next().map_or(Ok(()), |(_, thing)| refuse(thing.into()))
    }

    /// What cannot be is refused before anything is looked at.
    fn check(&self) -> Result<()> {
        let of_namespaces = [
            (self.all && self.like.is_none(), "--all"),
            (!self.kinds.is_empty(), "a namespace option without a file"),
            (self.user_parent && self.given.is_empty(), "--user-parent without a file"),
        ];
        let of_namespaces = of_namespaces.into_iter().filter(|(asked, _)| *asked).map(|(_, option)| option);
        let needs = of_namespaces.chain(self.of_process().map(|(option, _)| option)).next();
        match needs.filter(|_| self.target.is_none()) {
            Some(option) => {
                Err(Error::refused(format!("{option} needs a target process"))
                    .with_hint("name it with -t PID"))
            }
            None => Ok(()),
        }
    }
}
