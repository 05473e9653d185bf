//! What rcgexec may be asked: its options and the request that they make.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::time::Duration;

use clap::Command;
use common::cgroup::knobs::{KNOBS, Knob, Limits};
use common::cgroup::named;
use common::cgroup::plan::Wanted;
use common::error::{Error, Result};
use common::ns::refer::Ref;
use common::text::{digits, parse_duration};
use common::tool::args::{self, Dialect, Matches, Opt, optional, repeated, switch, valued};
use common::tool::{LAUNCHER, Tool};

/// The tool.
pub(crate) const TOOL: Tool = Tool {
    name: "rcgexec",
    options,
    command,
    // Of cgexec's own long options, --help and --sticky, abbreviations keep meaning them.
    dialect: Dialect { ours: &["set", "signal", "stat", "summary", "swap"], attached: false, program: true },
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

/// What is to be done.
pub(crate) enum What {
    /// Join groups that exist, and become the program.
    Join(Join),
    /// Run the program in transient groups.
    Run(Run),
    /// Something about a named group.
    Named(Named),
    /// Remove what runs that were killed have left.
    Collect { parent: Option<Vec<u8>> },
}

/// Groups that exist, to be joined.
#[derive(Debug)]
pub(crate) struct Join {
    pub(crate) specs: Vec<Spec>,
    /// Make those that do not exist.
    pub(crate) create: bool,
    /// The daemon of libcgroup shall leave the program where it is.
    pub(crate) sticky: bool,
    /// Move these, in place of becoming a program.
    pub(crate) processes: Vec<Ref>,
    /// Also those that systemd manages.
    pub(crate) force: bool,
}

/// A program in transient groups.
pub(crate) struct Run {
    pub(crate) wanted: Wanted,
    pub(crate) timeout: Option<Timeout>,
    /// Wait for what the program leaves behind, in place of ending it.
    pub(crate) no_kill: bool,
    pub(crate) report: Option<Report>,
}

/// When the program is ended, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Timeout {
    pub(crate) after: Duration,
    /// The signal that everything in the groups gets then.
    pub(crate) signal: i32,
    /// So long after that, what is left is killed.
    pub(crate) kill_after: Option<Duration>,
}

/// A report of what was used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Report {
    pub(crate) to: To,
    pub(crate) json: bool,
}

/// Where a report goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum To {
    /// To standard error.
    Stderr,
    File(OsString),
    /// To a descriptor that we were given.
    Fd(i32),
}

/// Something about named groups.
pub(crate) struct Named {
    pub(crate) action: Action,
    /// Below this group; the usual place without.
    pub(crate) parent: Option<Vec<u8>>,
    pub(crate) json: bool,
}

/// What is done about them.
pub(crate) enum Action {
    /// Run the program in it; it is made if it is not there. The limits are set in any case.
    Run {
        name: String,
        limits: Limits,
        best_effort: bool,
    },
    /// Move these processes into it, likewise.
    Take {
        name: String,
        limits: Limits,
        best_effort: bool,
        processes: Vec<Ref>,
        force: bool,
    },
    /// Only make it, and set the limits.
    Make {
        name: String,
        limits: Limits,
        best_effort: bool,
    },
    /// Change limits of one that is there.
    Update {
        name: String,
        limits: Limits,
        best_effort: bool,
    },
    Freeze(String),
    Thaw(String),
    Kill(String),
    Remove(String),
    Stat(String),
    List,
}

/// What is done to a named group, each an option of its own; the last two have no name.
const ACTIONS: &[&str] = &["update", "freeze", "thaw", "kill", "remove", "stat", "list", "gc"];

/// The options.
fn options() -> Vec<Opt> {
    let help = |option| {
        let knob = KNOBS.iter().find(|knob| knob.option == option);
        let told = |knob: &Knob| match knob.is_switch() {
            true => knob.help.to_string(),
            false => format!("{} ({})", knob.help, knob.takes),
        };
        knob.map(told).unwrap_or_default()
    };
    let knob = |knob: &Knob| {
        let opt = match (knob.is_switch(), knob.repeated) {
            (true, _) => switch(knob.short, knob.option, ""),
            (false, true) => repeated(knob.short, knob.option, knob.value, ""),
            (false, false) => valued(knob.short, knob.option, knob.value, ""),
        };
        opt.help_of(knob.option, help)
    };
    let mut options = vec![
        repeated(
            Some('g'),
            "group",
            "CONTROLLERS:PATH",
            "Join the group PATH of these controllers, with commas between, or * for all; with a limit: a new group below it",
        ),
        switch(None, "create", "Make the groups of -g that do not exist, and keep them"),
        switch(
            Some('s'),
            "sticky",
            "Tell the daemon cgrulesengd, where it runs, to leave the program, and what it starts, in these groups",
        ),
        switch(
            Some('b'),
            "ignore-default",
            "Accepted as by cgexec: paths are always from the root of the hierarchy",
        ),
        switch(Some('r'), "replace-idle", "Refused: there are no idle threads of libcgroup here"),
    ];
    options.extend(KNOBS.iter().map(knob));
    options.extend([
        valued(None, "cpus", "N", "CPU time as a number of CPUs, such as 0.2 or 1.5: sets quota and period")
            .conflicts(&["cpu-quota", "cpu-period"]),
        repeated(
            None,
            "set",
            "FILE=VALUE",
            "Write VALUE to the file of a controller, such as hugetlb.2MB.max=8M",
        ),
        switch(None, "best-effort", "Go on without a limit that cannot be set, and say so"),
        valued(
            None,
            "parent",
            "GROUP",
            "Make new groups below this one, a path from the root of each hierarchy",
        ),
        switch(None, "no-systemd", "Never ask systemd for a scope to make groups in"),
        valued(
            None,
            "timeout",
            "TIME",
            "End the program after this time, in seconds or with ms, s, m, h or d, and return 124",
        ),
        valued(Some('k'), "kill-after", "TIME", "Kill what is left this long after --timeout"),
        valued(None, "signal", "SIGNAL", "The signal of --timeout [default: TERM]"),
        switch(None, "no-kill", "Wait for what the program leaves running instead of killing it"),
        optional(None, "summary", "FILE|fd:N", "Say at the end what was used, on standard error or there"),
        switch(None, "json", "The same, or what --stat and --list say, as JSON"),
        valued(
            None,
            "name",
            "NAME",
            "Run the program in the group NAME, which is made if it is not there, and stays",
        ),
        repeated(None, "pid", "REF", "Move this running process into the group of --name, or of -g"),
        switch(None, "force", "Move processes that systemd manages too"),
        valued(None, "update", "NAME", "Set limits of the named group"),
        valued(None, "freeze", "NAME", "Stop every process of the named group until it is thawed"),
        valued(None, "thaw", "NAME", "Let the processes of the named group continue"),
        valued(None, "kill", "NAME", "Kill every process of the named group"),
        valued(
            None,
            "remove",
            "NAME",
            "Move the processes of the named group back to where they came from, and remove it",
        ),
        valued(None, "stat", "NAME", "Show limits, processes and use of the named group"),
        switch(None, "list", "List the named groups"),
        switch(None, "gc", "Remove what runs that were killed have left behind"),
        switch(None, "dry-run", "Print what would be created and written, and do nothing"),
    ]);
    options
}

/// The same for clap.
fn command() -> Command {
    Command::new(TOOL.name)
        .version(env!("CARGO_PKG_VERSION"))
        .about("Runs a program in control groups, with limits if asked; says what it used, and leaves nothing behind.")
        .override_usage("rcgexec [OPTIONS] [PROGRAM [ARG]...]")
        .after_help(args::OF_PROGRAM)
        .args(options().iter().map(Opt::arg))
        .arg(args::program())
}

/// Reads the options into a request.
pub(crate) fn request(matches: &Matches) -> Result<Request> {
    if matches.has("replace-idle") {
        return Err(Error::refused(
            "-r replaces the idle thread of a systemd scope, which only cgcreate of libcgroup makes",
        )
        .with_hint("systemd-run --scope makes a scope with the program itself in it"));
    }
    let what = what(matches)?;
    let dry_run = matches.has("dry-run");
    Ok(Request { what, dry_run, words: matches.words() })
}

fn what(matches: &Matches) -> Result<What> {
    let words = !matches.words().is_empty();
    let limits = limits(matches)?;
    let best_effort = matches.has("best-effort");
    let parent = matches.value("parent").map(|path| path.as_bytes().to_vec());
    let specs = matches.all("group").map(|(_, text)| spec(text.as_bytes())).collect::<Result<Vec<_>>>()?;
    let processes = matches.all("pid").map(|(_, text)| Ref::process(text, "--pid takes a process"));
    let processes = processes.collect::<Result<Vec<_>>>()?;
    let named = |name: &str| matches.value(name).map(|text| name_of(text)).transpose();
    let actions: Vec<&str> = ACTIONS.iter().copied().filter(|action| matches.has(action)).collect();
    let of_run = ["timeout", "kill-after", "signal", "no-kill", "summary", "no-systemd"];
    let alone = |what: &str, others: &[&str]| match others.iter().find(|other| matches.has(other)) {
        Some(other) => Err(Error::refused(format!("--{other} does not go with --{what}"))),
        None => Ok(()),
    };
    let json = matches.has("json");
    if let [first, second, ..] = actions[..] {
        return Err(Error::refused(format!("--{first} and --{second} are two things"))
            .with_hint("ask for one of them"));
    }
    if let [action] = actions[..] {
        alone(action, &of_run)?;
        alone(action, &["group", "create", "sticky", "name", "pid", "force"])?;
        if words {
            return Err(Error::refused(format!("--{action} runs no program")));
        }
        if !["stat", "list"].contains(&action) {
            alone(action, &["json"])?;
        }
        if action != "update" && (!limits.is_empty() || best_effort) {
            return Err(Error::refused(format!("--{action} sets no limits")).with_hint("--update NAME does"));
        }
        if action == "gc" {
            return Ok(What::Collect { parent });
        }
        of_a_program(&limits)?;
        let name = named(action)?.unwrap_or_default();
        let action = match action {
            "update" if limits.is_empty() => {
                return Err(Error::refused("--update was given no limit")
                    .with_hint("for example: --update NAME --memory 1G"));
            }
            "update" => Action::Update { name, limits, best_effort },
            "freeze" => Action::Freeze(name),
            "thaw" => Action::Thaw(name),
            "kill" => Action::Kill(name),
            "remove" => Action::Remove(name),
            "stat" => Action::Stat(name),
            _ => Action::List,
        };
        return Ok(What::Named(Named { action, parent, json }));
    }
    if matches.has("force") && processes.is_empty() {
        return Err(Error::refused("--force is for --pid"));
    }
    if let Some(name) = named("name")? {
        // What is left in it when the program ends may be of other runs.
        alone("name", &of_run)?;
        alone("name", &["group", "create", "sticky", "json"])?;
        let force = matches.has("force");
        if !words {
            of_a_program(&limits)?;
        }
        let action = match (words, processes.is_empty()) {
            (true, false) => {
                return Err(Error::refused("--pid moves what runs already, so there is no program to run"));
            }
            (true, true) => Action::Run { name, limits, best_effort },
            (false, false) => Action::Take { name, limits, best_effort, processes, force },
            (false, true) => Action::Make { name, limits, best_effort },
        };
        return Ok(What::Named(Named { action, parent, json }));
    }
    if !processes.is_empty() && specs.is_empty() {
        return Err(Error::refused("--pid was given, and no group to move the process to")
            .with_hint("name one with --name NAME, or with -g CONTROLLERS:PATH"));
    }
    let report = report(matches)?;
    let timeout = timeout(matches)?;
    let no_kill = matches.has("no-kill");
    let runs = !limits.is_empty() || report.is_some() || timeout.is_some() || no_kill;
    if runs {
        if !processes.is_empty() {
            return Err(Error::refused(
                "--pid moves what runs already, and limits are for a program that is run",
            )
            .with_hint("--name NAME makes a group with limits for running processes"));
        }
        if matches.has("create") {
            return Err(Error::refused(
                "--create keeps the groups that it makes, and those with limits are removed",
            )
            .with_hint("--name NAME makes one with limits that stays"));
        }
        let below = specs.into_iter().map(below).collect::<Result<Vec<_>>>()?.concat();
        let wanted = Wanted {
            limits,
            below,
            parent,
            measure: report.is_some(),
            track: report.is_some() || timeout.is_some() || no_kill,
            best_effort,
            systemd: !matches.has("no-systemd"),
        };
        return Ok(What::Run(Run { wanted, timeout, no_kill, report }));
    }
    if parent.is_some() {
        return Err(Error::refused("--parent is for groups that are made, and without a limit none is"));
    }
    if specs.is_empty() {
        return Err(Error::refused("neither a group nor a limit was given").with_hint(
            "join one with -g CONTROLLERS:PATH, or set a limit such as --cpu-quota 20000; rules (cgrules.conf) are not read",
        ));
    }
    if !processes.is_empty() && words {
        return Err(Error::refused("--pid moves what runs already, so there is no program to run"));
    }
    let (create, sticky, force) = (matches.has("create"), matches.has("sticky"), matches.has("force"));
    Ok(What::Join(Join { specs, create, sticky, processes, force }))
}

/// What a program writes of itself before it begins cannot be had where none is run.
fn of_a_program(limits: &Limits) -> Result<()> {
    match limits.oom_score_adj() {
        Some(_) => Err(Error::refused("--oom-score-adj is for a program that is run")
            .with_hint("of a running process: write the score to /proc/PID/oom_score_adj")),
        None => Ok(()),
    }
}

fn limits(matches: &Matches) -> Result<Limits> {
    let mut limits = Limits::default();
    for knob in KNOBS {
        if knob.is_switch() && matches.has(knob.option) {
            limits.set(knob, b"")?;
        }
        for (_, text) in matches.all(knob.option) {
            limits.set(knob, text.as_bytes())?;
        }
    }
    if let Some(text) = matches.value("cpus") {
        limits.set_cpus(text.as_bytes())?;
    }
    for (_, text) in matches.all("set") {
        limits.set_raw(text.as_bytes())?;
    }
    limits.check(matches.has("update") || matches.has("name"))?;
    Ok(limits)
}

fn report(matches: &Matches) -> Result<Option<Report>> {
    let json = matches.has("json");
    let to = match matches.maybe("summary") {
        None if !json => return Ok(None),
        None | Some(None) => To::Stderr,
        Some(Some(text)) => match text.as_bytes().strip_prefix(b"fd:") {
            None => To::File(text.clone()),
            Some(number) => To::Fd(digits(number).filter(|fd: &i32| *fd >= 0).ok_or_else(|| {
                Error::refused([b"no descriptor: ", text.as_bytes()].concat())
                    .with_hint("for example: --summary=fd:3")
            })?),
        },
    };
    Ok(Some(Report { to, json }))
}

fn timeout(matches: &Matches) -> Result<Option<Timeout>> {
    let time = |option: &str| {
        let parse = |text: &OsString| {
            parse_duration(text.as_bytes()).ok_or_else(|| {
                Error::refused([b"--", option.as_bytes(), b" takes no such time: ", text.as_bytes()].concat())
                    .with_hint("seconds, such as 1.5, or with ms, s, m, h or d behind")
            })
        };
        matches.value(option).map(parse).transpose()
    };
    let kill_after = time("kill-after")?;
    let signal = matches.value("signal").map(|text| args::signal(Some(text))).transpose()?;
    let Some(after) = time("timeout")? else {
        return match (kill_after, signal) {
            (None, None) => Ok(None),
            _ => Err(Error::refused("--kill-after and --signal are for --timeout")),
        };
    };
    Ok(Some(Timeout { after, signal: signal.unwrap_or(15), kill_after }))
}

fn name_of(text: &OsStr) -> Result<String> {
    named::check_name(text.as_bytes())
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
        Controllers::Named(names) => {
            // Block io has one name among the limits, that of version 2.
            let name = |name| if name == b"blkio" { b"io".to_vec() } else { name };
            Ok(names.into_iter().map(|known| (name(known), spec.path.clone())).collect())
        }
        _ => Err(Error::refused("with a limit, -g has to name its controllers")),
    }
}
