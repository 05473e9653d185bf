//! What runshare may be asked: its options and the request that they make.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use clap::Command;
use common::error::{Error, Result};
use common::kind::{Kind, KindSet};
use common::launch::Environment;
use common::ns::create::{PROPAGATIONS, Propagation};
use common::ns::root::{Enter, Extra};
use common::proc::binfmt;
use common::proc::mapping::{Asked, SETGROUPS, Setgroups};
use common::tool::args::{self, Dialect, Matches, Opt, optional, repeated, switch, valued};
use common::tool::{LAUNCHER, Tool};

/// The tool.
pub(crate) const TOOL: Tool = Tool {
    name: "runshare",
    options,
    command,
    dialect: Dialect { ours: OURS, attached: false, program: true },
    failure: LAUNCHER,
    columns: Vec::new,
    parts: Vec::new,
};

/// The options that unshare lacks.
#[rustfmt::skip]
const OURS: &[&str] = &[
    "init", "loopback", "hostname", "domainname", "pivot-root", "bind", "tmpfs", "overlay", "info-fd", "explain",
];

/// As what our user or group is known inside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum As {
    /// Root.
    Root,
    /// With the number it has.
    Itself,
    /// This number or name.
    Id(OsString),
}

/// Which ids a new user namespace knows, of a sort.
#[derive(Debug, Default)]
pub(crate) struct Ids {
    /// Our own.
    pub(crate) single: Option<As>,
    /// Others.
    pub(crate) ranges: Vec<Asked>,
}

impl Ids {
    /// Is any id to be known inside?
    pub(crate) fn is_asked(&self) -> bool {
        self.single.is_some() || !self.ranges.is_empty()
    }
}

/// Where clocks are to stand, in seconds from those outside.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Offsets {
    pub(crate) monotonic: Option<i64>,
    pub(crate) boottime: Option<i64>,
}

/// What was asked, checked against itself, with all that one option implies of others.
pub(crate) struct Request {
    pub(crate) kinds: KindSet,
    /// The files that keep namespaces.
    pub(crate) pins: Vec<(Kind, PathBuf)>,
    pub(crate) users: Ids,
    pub(crate) groups: Ids,
    pub(crate) setgroups: Option<Setgroups>,
    /// Whose the new user namespace is: user and group id.
    pub(crate) owner: Option<(u32, u32)>,
    pub(crate) fork: bool,
    pub(crate) init: bool,
    /// The signal that the program gets when we end.
    pub(crate) kill_child: Option<i32>,
    pub(crate) propagation: Propagation,
    pub(crate) enter: Enter,
    pub(crate) overlay: Option<Option<PathBuf>>,
    pub(crate) extras: Vec<Extra>,
    /// Where to mount a new proc.
    pub(crate) mount_proc: Option<PathBuf>,
    /// Where to mount a new binfmt_misc.
    pub(crate) mount_binfmt: Option<PathBuf>,
    pub(crate) interpreter: Option<Vec<u8>>,
    pub(crate) wd: Option<PathBuf>,
    pub(crate) host_name: Option<OsString>,
    pub(crate) domain_name: Option<OsString>,
    pub(crate) loopback: bool,
    pub(crate) offsets: Offsets,
    pub(crate) uid: Option<OsString>,
    pub(crate) gid: Option<OsString>,
    pub(crate) keep_caps: bool,
    pub(crate) environment: Environment,
    pub(crate) info_fd: Option<i32>,
    /// Only say what would be done.
    pub(crate) explain: bool,
    pub(crate) words: Vec<OsString>,
}

/// The options.
fn options() -> Vec<Opt> {
    let kinds = args::kinds("FILE", |what| format!("New namespace of {what}; FILE keeps it"));
    let mut options: Vec<Opt> = kinds.collect();
    options.extend([
        switch(Some('f'), "fork", "Run the program as a child process"),
        switch(None, "forward-signals", "The same: signals are always passed on"),
        optional(
            None,
            "kill-child",
            "SIGNAL",
            "Signal for the program when we end, however we end; implies --fork [default: KILL]",
        ),
        switch(None, "init", "Run the program below an init, which collects orphans; implies --fork --pid"),
        valued(None, "map-user", "UID|NAME", "Map our user to this one; implies --user"),
        valued(None, "map-group", "GID|NAME", "Map our group to this one; implies --user"),
        switch(Some('r'), "map-root-user", "Map our user and group to root; implies --user"),
        switch(Some('c'), "map-current-user", "Map our user and group to themselves; implies --user"),
        repeated(
            None,
            "map-users",
            "RANGE",
            "Map users: INNER:OUTER:COUNT, auto, subids or all; implies --user, can be repeated",
        ),
        repeated(None, "map-groups", "RANGE", "Map groups likewise"),
        switch(None, "map-auto", "Map our subordinate ids, from 0 on: --map-users=auto --map-groups=auto"),
        switch(
            None,
            "map-subids",
            "Map our subordinate ids to themselves: --map-users=subids --map-groups=subids",
        ),
        valued(None, "owner", "UID:GID", "Who owns the new user namespace; implies --user"),
        valued(None, "setgroups", "allow|deny", "Whether setgroups(2) can be called inside"),
        valued(None, "propagation", "MODE", "").help_of("private", |usual| {
            let modes = names(PROPAGATIONS.iter().map(|(name, ..)| *name));
            format!("Propagation of mounts in a new mount namespace: {modes} [default: {usual}]")
        }),
        valued(Some('R'), "root", "DIR", "Set the root directory by chroot(2)"),
        valued(
            None,
            "pivot-root",
            "DIR",
            "Set it by pivot_root(2), and unmount the old one; implies --mount",
        ),
        optional(None, "overlay", "DIR", "Write into DIR, or memory, instead of the root; implies --mount"),
        repeated(
            None,
            "bind",
            "SRC:DST[:ro]",
            "Bind SRC to DST in the root; implies --mount, can be repeated",
        ),
        repeated(None, "tmpfs", "DIR", "Mount a tmpfs on DIR in the root; implies --mount, can be repeated"),
        optional(None, "mount-proc", "DIR", "Mount a new proc; implies --mount [default: /proc]"),
        optional(
            None,
            "mount-binfmt",
            "DIR",
            "Mount a new binfmt_misc; implies --mount --user [default: /proc/sys/fs/binfmt_misc]",
        ),
        valued(
            Some('l'),
            "load-interp",
            "STRING",
            "Register an interpreter in a new binfmt_misc; implies --mount-binfmt",
        ),
        valued(Some('w'), "wd", "DIR", "Set the working directory, in the root"),
        valued(None, "hostname", "NAME", "Set the host name; implies --uts"),
        valued(None, "domainname", "NAME", "Set the NIS domain name; implies --uts"),
        switch(None, "loopback", "Bring the device lo up; implies --net"),
        valued(None, "monotonic", "OFFSET", "Move the monotonic clock by so many seconds"),
        valued(None, "boottime", "OFFSET", "Move the boot-time clock by so many seconds"),
        valued(Some('S'), "setuid", "UID|NAME", "Set the user id of the program"),
        valued(Some('G'), "setgid", "GID|NAME", "Set its group id, and drop supplementary groups"),
        switch(None, "keep-caps", "Let it keep all capabilities in the new user namespace"),
        switch(None, "clear-env", "Give it no environment"),
        repeated(None, "whitelist-env", "NAMES", "Give it only variables with these names (commas)"),
        valued(None, "info-fd", "FD", "Write PIDs and namespaces as JSON to this descriptor"),
        switch(None, "explain", "Print each step that would be taken, and do nothing"),
    ]);
    options
}

/// The same for clap.
fn command() -> Command {
    Command::new(TOOL.name)
        .version(env!("CARGO_PKG_VERSION"))
        .about("Runs a program in new namespaces.")
        .override_usage("runshare [OPTIONS] [PROGRAM [ARG]...]")
        .after_help(args::OF_PROGRAM)
        .args(options().iter().map(Opt::arg))
        .arg(args::program())
}

fn names<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names.collect::<Vec<_>>().join(", ")
}

/// Reads the options into a request.
pub(crate) fn request(matches: &Matches) -> Result<Request> {
    let path = |name: &str| matches.value(name).map(PathBuf::from);
    let number = |name: &str| matches.value(name).map(|text| offset(name, text)).transpose();
    let enter = match (path("root"), path("pivot-root")) {
        (None, None) => Enter::Stay,
        (Some(dir), None) => Enter::Chroot(dir),
        (None, Some(dir)) => Enter::Pivot(dir),
        (Some(_), Some(_)) => {
            return Err(Error::refused("--root and --pivot-root cannot both be the new root")
                .with_hint("--pivot-root alone lets go of the old root; --root is chroot(2)"));
        }
    };
    let mut kinds = KindSet::EMPTY;
    let mut pins = Vec::new();
    for kind in Kind::all() {
        match matches.maybe(kind.row().long) {
            None => {}
            Some(file) => {
                kinds.insert(kind);
                pins.extend(file.map(|file| (kind, PathBuf::from(file))));
            }
        }
    }
    let interpreter = matches.value("load-interp").map(interpreter).transpose()?;
    let mount_binfmt = matches.maybe("mount-binfmt");
    let init = matches.has("init");
    let mut request = Request {
        users: ids(matches, "map-user", "map-users")?,
        groups: ids(matches, "map-group", "map-groups")?,
        setgroups: matches.value("setgroups").map(setgroups).transpose()?,
        owner: matches.value("owner").map(owner).transpose()?,
        fork: init || ["fork", "forward-signals"].into_iter().any(|name| matches.has(name)),
        init,
        kill_child: matches.maybe("kill-child").map(args::signal).transpose()?,
        propagation: matches.value("propagation").map_or(Ok(Propagation::Private), propagation)?,
        enter,
        overlay: matches.maybe("overlay").map(|dir| dir.map(PathBuf::from)),
        extras: extras(matches)?,
        mount_proc: matches.maybe("mount-proc").map(|dir| dir.map_or("/proc".into(), PathBuf::from)),
        mount_binfmt: (mount_binfmt.is_some() || interpreter.is_some())
            .then(|| mount_binfmt.flatten().map_or(binfmt::USUAL.into(), PathBuf::from)),
        interpreter,
        wd: path("wd"),
        host_name: host_name(matches, "hostname")?,
        domain_name: host_name(matches, "domainname")?,
        loopback: matches.has("loopback"),
        offsets: Offsets { monotonic: number("monotonic")?, boottime: number("boottime")? },
        uid: matches.value("setuid").cloned(),
        gid: matches.value("setgid").cloned(),
        keep_caps: matches.has("keep-caps"),
        environment: environment(matches)?,
        info_fd: matches.value("info-fd").map(|text| args::number("descriptor", text)).transpose()?,
        explain: matches.has("explain"),
        words: matches.words(),
        kinds,
        pins,
    };
    request.imply(matches);
    request.check()?;
    Ok(request)
}

impl Request {
    /// Adds what options imply of others.
    fn imply(&mut self, matches: &Matches) {
        self.fork |= self.kill_child.is_some();
        let binfmt = self.mount_binfmt.is_some();
        let root = matches!(self.enter, Enter::Pivot(_)) || self.overlay.is_some() || !self.extras.is_empty();
        let implied = [
            (Kind::User, self.users.is_asked() || self.groups.is_asked() || self.owner.is_some() || binfmt),
            (Kind::Mnt, self.mount_proc.is_some() || binfmt || root),
            (Kind::Uts, self.host_name.is_some() || self.domain_name.is_some()),
            (Kind::Net, self.loopback),
            (Kind::Pid, self.init),
        ];
        implied.into_iter().filter(|(_, asked)| *asked).for_each(|(kind, _)| self.kinds.insert(kind));
        // A new proc would be refused without processes of its own, and then the one that is there will do.
        let usual = matches.maybe("mount-binfmt").flatten().is_none();
        if binfmt && usual && self.mount_proc.is_none() && self.fork && self.kinds.contains(Kind::Pid) {
            self.mount_proc = Some("/proc".into());
        }
    }

    /// What cannot be is refused before anything is changed.
    fn check(&self) -> Result<()> {
        let new_user = self.kinds.contains(Kind::User);
        let single_group =
            self.groups.single.is_some() && self.groups.ranges.is_empty() && self.owner.is_none();
        let pinned = |kind| self.pins.iter().any(|(pinned, _)| *pinned == kind);
        let offsets = self.offsets != Offsets::default();
        #[rustfmt::skip]
        let refused = [
            (offsets && !self.kinds.contains(Kind::Time), "--monotonic and --boottime need a new time namespace", "add --time"),
            (self.setgroups.is_some() && !new_user, "--setgroups needs a new user namespace", "add --user"),
            (self.keep_caps && !new_user, "--keep-caps needs a new user namespace", "add --user; without one root keeps what it has"),
            (self.setgroups == Some(Setgroups::Allow) && single_group, "--setgroups=allow and a map of our group alone exclude each other",
                "the kernel lets a group be mapped so only where setgroups(2) is denied; map a range, by --map-groups or --map-auto"),
            (pinned(Kind::Pid) && !self.fork, "--pid=FILE needs --fork", "a pid namespace is there only with its first process: add --fork"),
        ];
        match refused.into_iter().find(|(wrong, ..)| *wrong) {
            Some((_, what, hint)) => Err(Error::refused(what).with_hint(hint)),
            None => Ok(()),
        }
    }
}

/// What is asked of users, or of groups. Of options for a single one the last counts.
fn ids(matches: &Matches, single: &str, ranges: &str) -> Result<Ids> {
    let given = [
        (matches.place("map-root-user"), As::Root),
        (matches.place("map-current-user"), As::Itself),
        (matches.place(single), As::Id(matches.value(single).cloned().unwrap_or_default())),
    ];
    let last = given.into_iter().filter(|(at, _)| at.is_some()).max_by_key(|(at, _)| *at);
    let asked = matches.all(ranges);
    let mut asked = asked.map(|(_, text)| Asked::parse(text.as_bytes())).collect::<Result<Vec<_>>>()?;
    asked.extend(matches.has("map-auto").then_some(Asked::Auto));
    asked.extend(matches.has("map-subids").then_some(Asked::Subids));
    Ok(Ids { single: last.map(|(_, single)| single), ranges: asked })
}

fn owner(text: &OsString) -> Result<(u32, u32)> {
    let wrong =
        || Error::refused([b"an owner is a user and a group, UID:GID, not ", text.as_bytes()].concat());
    let (uid, gid) = text.to_str().and_then(|text| text.split_once(':')).ok_or_else(wrong)?;
    Ok((args::id("user id", &uid.into())?, args::id("group id", &gid.into())?))
}

fn setgroups(name: &OsString) -> Result<Setgroups> {
    SETGROUPS.iter().find(|(known, _)| name == known).map(|(_, setgroups)| *setgroups).ok_or_else(|| {
        Error::refused([b"unknown value for --setgroups: ", name.as_bytes()].concat())
            .with_hint(format!("one of: {}", names(SETGROUPS.iter().map(|(name, _)| *name))))
    })
}

fn propagation(name: &OsString) -> Result<Propagation> {
    PROPAGATIONS.iter().find(|(known, ..)| name == known).map(|(_, propagation, _)| *propagation).ok_or_else(
        || {
            Error::refused([b"unknown propagation: ", name.as_bytes()].concat())
                .with_hint(format!("one of: {}", names(PROPAGATIONS.iter().map(|(name, ..)| *name))))
        },
    )
}

/// Binds and empty file systems, in the order in which they were given.
fn extras(matches: &Matches) -> Result<Vec<Extra>> {
    let parse = |name, parse: fn(&[u8]) -> Result<Extra>| {
        matches.all(name).map(move |(at, text)| Ok((at, parse(text.as_bytes())?)))
    };
    let both = parse("bind", Extra::bind).chain(parse("tmpfs", Extra::tmpfs));
    let mut extras = both.collect::<Result<Vec<_>>>()?;
    extras.sort_by_key(|(at, _)| *at);
    Ok(extras.into_iter().map(|(_, extra)| extra).collect())
}

/// `:name:type:offset:magic:mask:interpreter:flags`, with any byte for the colon. Source: the kernel's
/// Documentation/admin-guide/binfmt-misc.rst.
fn interpreter(text: &OsString) -> Result<Vec<u8>> {
    let bytes = text.as_bytes();
    let fields = bytes.split_first().map_or(0, |(between, rest)| rest.split(|b| b == between).count());
    match fields {
        7 => Ok(bytes.to_vec()),
        _ => Err(Error::refused([b"this registers no interpreter: ", bytes].concat())
            .with_hint("it is :NAME:TYPE:OFFSET:MAGIC:MASK:INTERPRETER:FLAGS; parts can be empty")),
    }
}

/// A name that the kernel has room for. Source: sethostname(2), `__NEW_UTS_LEN`.
fn host_name(matches: &Matches, option: &str) -> Result<Option<OsString>> {
    match matches.value(option) {
        Some(name) if name.len() > 64 => {
            Err(Error::refused(format!("the value of --{option} is longer than 64 bytes")))
        }
        name => Ok(name.cloned()),
    }
}

/// Seconds, with a sign or without.
fn offset(option: &str, text: &OsString) -> Result<i64> {
    let digits = |text: &str| -> Option<i64> {
        let sign = text.strip_prefix(['-', '+']).unwrap_or(text);
        sign.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok()).flatten()
    };
    text.to_str().and_then(digits).ok_or_else(|| {
        Error::refused(
            [b"the value of --", option.as_bytes(), b" is no number of seconds: ", text.as_bytes()].concat(),
        )
        .with_hint("a whole number, such as 86400 or -60")
    })
}

fn environment(matches: &Matches) -> Result<Environment> {
    if !matches.has("whitelist-env") && !matches.has("clear-env") {
        return Ok(Environment::ours());
    }
    let names = matches.all("whitelist-env").map(|(_, list)| Environment::parse_names(list));
    Ok(Environment::only(names.collect::<Result<Vec<_>>>()?.concat()))
}
