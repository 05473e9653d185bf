//! What rlsns may be asked: its options and columns, and the request that they make.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use clap::Command;
use common::error::{Error, Result};
use common::kind::{KINDS, Kind, KindSet};
use common::ns::refer::Ref;
use common::ns::scan::{Depth, Namespace};
use common::tool::args::{self, Dialect, Matches, Opt, optional, repeated, switch, valued};
use common::tool::paint::{COLORS, Color};
use common::tool::table::{Column, Form, choose};
use common::tool::{LISTER, Tool};

use super::columns::COLUMNS;
use super::filter::Filter;
use super::picture::{Picture, Row};

/// The tool.
pub(crate) const TOOL: Tool = Tool {
    name: "rlsns",
    options,
    command,
    dialect: Dialect {
        ours: &["proc", "list-columns", "depth", "why", "leaks", "color"],
        attached: true,
        program: false,
    },
    failure: LISTER,
    columns: || COLUMNS.iter().map(|column| (column.name, column.help)).collect(),
    parts: Vec::new,
};

/// The columns shown if none are asked for.
const USUAL: &[&str] = &["NS", "TYPE", "NPROCS", "PID", "USER", "COMMAND"];

/// The same where net namespaces were asked for.
const USUAL_OF_NET: &[&str] = &["NS", "TYPE", "NPROCS", "PID", "USER", "NETNSID", "NSFS", "COMMAND"];

/// The same for the processes of one namespace.
const USUAL_OF_ONE: &[&str] = &["PID", "PPID", "USER", "COMMAND"];

/// What has no meaning where holders are printed: they have columns of their own, and are looked for everywhere.
#[rustfmt::skip]
const NOT_OF_HOLDERS: &[&str] = &[
    "namespace", "task", "output", "output-all", "tree", "list", "depth", "list-columns", "persistent", "filter", "nowrap",
];

/// The same where those of one are: the list of all that is there, and kinds, have none there either.
#[rustfmt::skip]
const NOT_OF_WHY: &[&str] = &[
    "type", "leaks",
    "namespace", "task", "output", "output-all", "tree", "list", "depth", "list-columns", "persistent", "filter", "nowrap",
];

/// What a tree shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Relation {
    /// Each namespace below the user namespace that owns it.
    Owner,
    /// User and pid namespaces below their parents.
    Parent,
    /// A namespace below the one whose first process is the parent of its own first process.
    Process,
}

impl Relation {
    /// The namespace under which this one stands.
    pub(crate) fn above(self, ns: &Namespace) -> Option<u64> {
        match self {
            Relation::Owner => ns.owner,
            Relation::Parent => ns.parent,
            Relation::Process => None,
        }
    }

    /// The column in which it is drawn.
    pub(crate) fn column(self) -> &'static str {
        match self {
            Relation::Owner | Relation::Parent => "NS",
            Relation::Process => "COMMAND",
        }
    }
}

/// Every relation by its name; the first is meant where none is named.
pub(crate) const RELATIONS: &[(&str, Relation)] =
    &[("owner", Relation::Owner), ("parent", Relation::Parent), ("process", Relation::Process)];

/// Every depth by its name.
pub(crate) const DEPTHS: &[(&str, Depth)] =
    &[("kernel", Depth::Kernel), ("procs", Depth::Procs), ("deep", Depth::Deep)];

/// What was asked, checked against itself.
pub(crate) struct Request {
    pub(crate) kinds: KindSet,
    /// Where to look; none where that was not said.
    pub(crate) depth: Option<Depth>,
    /// Only the namespaces of this process.
    pub(crate) process: Option<Ref>,
    /// Only the processes of this namespace.
    pub(crate) ns: Option<Ref>,
    /// Only namespaces that no process is in.
    pub(crate) persistent: bool,
    /// Only lines that this is true of.
    pub(crate) filter: Option<Filter>,
    pub(crate) columns: Vec<&'static Column<Picture, Row>>,
    pub(crate) form: Form,
    pub(crate) headings: bool,
    pub(crate) truncate: bool,
    /// Lines of a cell stand below each other.
    pub(crate) wrap: bool,
    pub(crate) tree: Option<Relation>,
    /// List the columns, not the namespaces.
    pub(crate) explain: bool,
    /// Only what keeps this namespace.
    pub(crate) why: Option<Ref>,
    /// Only the namespaces that nobody is in, and what keeps them.
    pub(crate) leaks: bool,
    pub(crate) color: Color,
    /// Where to read.
    pub(crate) proc: PathBuf,
}

/// The options.
fn options() -> Vec<Opt> {
    vec![
        switch(Some('J'), "json", "Print JSON").conflicts(&["raw"]),
        switch(Some('l'), "list", "Print a list, not a tree").conflicts(&["tree"]),
        switch(Some('n'), "noheadings", "Print no headings"),
        valued(
            Some('o'),
            "output",
            "LIST",
            "Columns to print, with commas between; +LIST adds to the usual ones",
        ),
        switch(None, "output-all", "Print all columns; a list unless --tree is given"),
        switch(Some('P'), "persistent", "Only namespaces that no process is in")
            .conflicts(&["task", "namespace"]),
        valued(
            Some('p'),
            "task",
            "REF",
            "Only the namespaces of this process: PID, ctr:NAME or another form of nskit(7)",
        )
        .conflicts(&["namespace"]),
        valued(
            Some('Q'),
            "filter",
            "EXPR",
            "Only lines that this expression is true of, as in 'NPROCS > 1 && COMMAND =~ \"ssh\"'",
        )
        .can_be_empty(),
        switch(Some('r'), "raw", "Print fields with one space between them, for scripts"),
        switch(Some('u'), "notruncate", "Do not cut the command to the width of the terminal"),
        switch(Some('W'), "nowrap", "Print commas between the lines of a cell, not each on its own"),
        repeated(Some('t'), "type", "TYPE", "").help_of("", |_| {
            format!(
                "Only namespaces of this type; repeatable, or with commas between: {}",
                names(KINDS.iter().map(|row| row.name))
            )
        }),
        optional(Some('T'), "tree", "RELATION", "").help_of("owner", |usual| {
            let relations = names(RELATIONS.iter().map(|(name, _)| *name));
            format!("Print a tree of this relation, attached by '=': {relations} [default: {usual}]")
        }),
        switch(Some('H'), "list-columns", "List the columns that can be printed"),
        valued(None, "depth", "DEPTH", "").help_of("deep", |usual| {
            let depths = names(DEPTHS.iter().map(|(name, _)| *name));
            format!("Where to look: {depths} [default: {usual}, or less where that shows the same]")
        }),
        valued(
            None,
            "why",
            "NAMESPACE",
            "Print what keeps this namespace, and the commands that would end that",
        )
        .conflicts(NOT_OF_WHY),
        switch(
            None,
            "leaks",
            "Print the namespaces that no process is in, and the commands that would free them",
        )
        .conflicts(NOT_OF_HOLDERS),
        optional(None, "color", "WHEN", "").help_of("auto", |usual| {
            let colors = names(COLORS.iter().map(|(name, _)| *name));
            format!("Use colours, attached by '=': {colors} [default: {usual}; always without WHEN]")
        }),
        valued(None, "proc", "DIR", "Read this directory instead of /proc"),
        args::operand(
            "namespace",
            "NAMESPACE",
            "Only the processes of this namespace: INO, TYPE:[INO], netns:NAME or another form of nskit(7)",
        ),
    ]
}

fn names<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names.collect::<Vec<_>>().join(", ")
}

/// The same for clap.
fn command() -> Command {
    let columns: Vec<_> =
        COLUMNS.iter().map(|column| format!("{:>9}  {}", column.name, column.help)).collect();
    Command::new(TOOL.name)
        .version(env!("CARGO_PKG_VERSION"))
        .about("Lists the namespaces of this machine and the processes in them.")
        .override_usage("rlsns [OPTIONS] [NAMESPACE]")
        .after_help(format!("Columns:\n{}", columns.join("\n")))
        .args(options().iter().map(Opt::arg))
}

/// Reads the options into a request.
pub(crate) fn request(matches: &Matches) -> Result<Request> {
    let ns = matches.value("namespace").map(operand).transpose()?;
    let list = matches.value("output").map(|list| list.as_bytes());
    let all: Vec<&str> = COLUMNS.iter().map(|column| column.name).collect();
    let nets = matches.has("type") && kinds(matches)?.contains(Kind::Net);
    let usual = match (matches.has("output-all"), ns.is_some()) {
        (true, _) => &all[..],
        (false, true) => USUAL_OF_ONE,
        (false, false) if nets => USUAL_OF_NET,
        (false, false) => USUAL,
    };
    let columns = choose(COLUMNS, usual, list)?;
    let tree = match matches.maybe("tree") {
        Some(name) => Some(match name {
            Some(name) => args::named(RELATIONS, "relation", name)?,
            None => RELATIONS[0].1,
        }),
        None if matches.has("list") || matches.has("output-all") => None,
        None => Some(Relation::Process),
    };
    // Without the column in which it is drawn there is no tree.
    let tree = tree.filter(|tree| columns.iter().any(|column| column.name == tree.column()));
    let form = match (matches.has("json"), matches.has("raw")) {
        (true, _) => Form::Json,
        (_, true) => Form::Raw,
        _ => Form::Human,
    };
    Ok(Request {
        kinds: kinds(matches)?,
        depth: matches.value("depth").map(|name| args::named(DEPTHS, "depth", name)).transpose()?,
        process: matches
            .value("task")
            .map(|word| Ref::process(word, "without -p its processes are listed"))
            .transpose()?,
        ns,
        persistent: matches.has("persistent"),
        filter: match matches.value("filter") {
            Some(text) => Filter::parse(text.as_bytes())?,
            None => None,
        },
        columns,
        form,
        headings: !matches.has("noheadings"),
        truncate: !matches.has("notruncate"),
        wrap: !matches.has("nowrap"),
        tree,
        explain: matches.has("list-columns"),
        why: matches.value("why").map(operand).transpose()?,
        leaks: matches.has("leaks"),
        color: match matches.maybe("color") {
            Some(Some(name)) => args::named(COLORS, "choice of colours", name)?,
            Some(None) => Color::Always,
            None => Color::Auto,
        },
        proc: matches.value("proc").map_or("/proc".into(), PathBuf::from),
    })
}

/// What names a namespace.
fn operand(word: &OsString) -> Result<Ref> {
    let no_namespace = || Error::refused([b"no namespace: ", word.as_bytes()].concat());
    if let Some((name, _)) = RELATIONS.iter().find(|(known, _)| word == known) {
        return Err(no_namespace().with_hint(format!("attach it: --tree={name}")));
    }
    match Ref::parse(word)? {
        reference if reference.is_namespace() => Ok(reference),
        Ref::Process(pid) => {
            Err(Error::refused(format!("{pid} is a process, which is in several namespaces"))
                .with_hint(format!("-p {pid} lists those")))
        }
        _ => Err(no_namespace().with_hint(
            "it is INO, TYPE:[INO], netns:NAME or a path; -p takes processes and containers, -t types",
        )),
    }
}

fn kinds(matches: &Matches) -> Result<KindSet> {
    match matches.has("type") {
        true => {
            let lists = matches.all("type");
            lists.flat_map(|(_, list)| list.as_bytes().split(|&b| b == b',')).map(args::parse_kind).collect()
        }
        false => Ok(KindSet::all()),
    }
}
