//! What rlsns may be asked: its options and columns, and the request that they make.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use clap::builder::OsStringValueParser;
use clap::{Arg, ArgMatches, Command};
use common::error::{Error, Result};
use common::kind::{KINDS, Kind, KindSet};
use common::ns::refer::Ref;
use common::ns::scan::{Namespace, Process, Snapshot};
use common::proc::container::{Belongs, Named};
use common::tool::args::{self, Dialect, optional, repeated, switch, valued};
use common::tool::table::{Cell, Column, Form, Shape, choose};
use common::tool::{LISTER, Tool};

/// The tool.
pub(crate) const TOOL: Tool = Tool {
    name: "rlsns",
    command,
    dialect: Dialect { ours: &["proc", "list-columns"], attached: true, program: false },
    failure: LISTER,
    columns: || COLUMNS.iter().map(|column| (column.name, column.help)).collect(),
};

/// One line of the output: a namespace, or in the listing of one namespace a process of it.
pub(crate) struct Row {
    /// The namespace, by its place in the snapshot.
    pub(crate) ns: usize,
    /// The process that the line is about; of a namespace its first.
    pub(crate) pid: Option<i32>,
    /// The user it belongs to.
    pub(crate) uid: Option<u32>,
    /// The name of that user.
    pub(crate) user: Option<Vec<u8>>,
    /// The container, pod and unit that the process belongs to.
    pub(crate) belongs: Belongs,
}

impl Row {
    /// The namespace.
    pub(crate) fn ns<'a>(&self, snapshot: &'a Snapshot) -> &'a Namespace {
        &snapshot.namespaces[self.ns]
    }

    /// The process, where there is one.
    pub(crate) fn process<'a>(&self, snapshot: &'a Snapshot) -> Option<&'a Process> {
        snapshot.processes.get(&self.pid?)
    }
}

/// Every column: a row here is all that it takes to have one more.
#[rustfmt::skip]
pub(crate) const COLUMNS: &[Column<Snapshot, Row>] = &[
    Column { name: "NS", help: "inode number of the namespace", shape: Shape::Number, cell: |s, row| Cell::Number(row.ns(s).id.ino) },
    Column { name: "TYPE", help: "kind of the namespace", shape: Shape::Text, cell: |s, row| Cell::text(Some(row.ns(s).kind.name())) },
    Column { name: "PATH", help: "path to the namespace", shape: Shape::Text, cell: |s, row| Cell::text(row.process(s).map(|p| format!("/proc/{}/ns/{}", p.pid, row.ns(s).kind))) },
    Column { name: "NPROCS", help: "number of processes in the namespace", shape: Shape::Number, cell: |s, row| Cell::Number(row.ns(s).processes as u64) },
    Column { name: "PID", help: "lowest PID in the namespace", shape: Shape::Number, cell: |s, row| Cell::number(row.process(s).map(|p| p.pid.unsigned_abs())) },
    Column { name: "PPID", help: "PID of that process's parent", shape: Shape::Number, cell: |s, row| Cell::number(row.process(s).map(|p| p.ppid.unsigned_abs())) },
    Column { name: "COMMAND", help: "command line of that process", shape: Shape::LongText, cell: |s, row| Cell::text(row.process(s).map(|p| p.command.clone())) },
    Column { name: "UID", help: "user id of that process, or else of the namespace's owner", shape: Shape::Number, cell: |_, row| Cell::number(row.uid) },
    Column { name: "USER", help: "name of that user", shape: Shape::Text, cell: |_, row| Cell::text(row.user.clone()) },
    Column { name: "PNS", help: "inode number of the parent namespace; 0 for none that can be seen", shape: Shape::Number, cell: |s, row| Cell::Number(row.ns(s).parent.unwrap_or(0)) },
    Column { name: "ONS", help: "inode number of the owning user namespace; 0 for none that can be seen", shape: Shape::Number, cell: |s, row| Cell::Number(row.ns(s).owner.unwrap_or(0)) },
    Column { name: "CONTAINER", help: "container or machine that process is in, or else its id", shape: Shape::Text, cell: |_, row| named(row.belongs.container.as_ref()) },
    Column { name: "POD", help: "pod that process is in, or else its id", shape: Shape::Text, cell: |_, row| named(row.belongs.pod.as_ref()) },
    Column { name: "UNIT", help: "unit of systemd that process is in", shape: Shape::Text, cell: |_, row| named(row.belongs.unit.as_ref()) },
    Column { name: "SOURCE", help: "what says so: the path of a file, or the word cgroup", shape: Shape::Text, cell: |_, row| Cell::text(row.belongs.source()) },
];

fn named(named: Option<&Named>) -> Cell {
    Cell::text(named.map(|named| named.name.clone()))
}

/// The columns that need the groups of processes and the files of container engines.
const OF_GROUPS: &[&str] = &["CONTAINER", "POD", "UNIT", "SOURCE"];

/// The columns that show how namespaces are related, which costs more to find out.
const OF_RELATIONS: &[&str] = &["PNS", "ONS"];

/// The columns shown if none are asked for.
const USUAL: &[&str] = &["NS", "TYPE", "NPROCS", "PID", "USER", "COMMAND"];

/// The same for the processes of one namespace.
const USUAL_OF_ONE: &[&str] = &["PID", "PPID", "USER", "COMMAND"];

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

/// What was asked, checked against itself.
pub(crate) struct Request {
    pub(crate) kinds: KindSet,
    /// Only the namespaces of this process.
    pub(crate) process: Option<Ref>,
    /// Only the processes of this namespace.
    pub(crate) ns: Option<Ref>,
    pub(crate) columns: Vec<&'static Column<Snapshot, Row>>,
    pub(crate) form: Form,
    pub(crate) headings: bool,
    pub(crate) truncate: bool,
    pub(crate) tree: Option<Relation>,
    /// List the columns, not the namespaces.
    pub(crate) explain: bool,
    /// Where to read.
    pub(crate) proc: PathBuf,
}

impl Request {
    /// The kinds that have to be looked at.
    pub(crate) fn scanned(&self) -> KindSet {
        let owners = (self.tree == Some(Relation::Owner)).then_some(Kind::User);
        self.kinds.iter().chain(owners).collect()
    }

    /// Does a column or the tree need owners or parents?
    pub(crate) fn relations(&self) -> bool {
        matches!(self.tree, Some(Relation::Owner | Relation::Parent))
            || self.columns.iter().any(|column| OF_RELATIONS.contains(&column.name))
    }

    /// Does a column need the groups of processes?
    pub(crate) fn groups(&self) -> bool {
        self.columns.iter().any(|column| OF_GROUPS.contains(&column.name))
    }
}

/// The options.
pub(crate) fn command() -> Command {
    let names = |names: Vec<&str>| names.join(", ");
    let kinds = names(KINDS.iter().map(|row| row.name).collect());
    let relations = names(RELATIONS.iter().map(|(name, _)| *name).collect());
    let columns: Vec<_> =
        COLUMNS.iter().map(|column| format!("{:>9}  {}", column.name, column.help)).collect();
    Command::new(TOOL.name)
        .version(env!("CARGO_PKG_VERSION"))
        .about("Lists the namespaces of this machine and the processes in them.")
        .override_usage("rlsns [OPTIONS] [NAMESPACE]")
        .after_help(format!("Columns:\n{}", columns.join("\n")))
        .args([
            switch(Some('J'), "json", "Print JSON").conflicts_with("raw"),
            switch(Some('l'), "list", "Print a list, not a tree").conflicts_with("tree"),
            switch(Some('n'), "noheadings", "Print no headings"),
            valued(
                Some('o'),
                "output",
                "LIST",
                "Columns to print, with commas between; +LIST adds to the usual ones",
            ),
            valued(
                Some('p'),
                "task",
                "REF",
                "Only the namespaces of this process: PID, ctr:NAME or another form of nskit(7)",
            )
            .conflicts_with("namespace"),
            switch(Some('r'), "raw", "Print fields with one space between them, for scripts"),
            switch(Some('u'), "notruncate", "Do not cut the command to the width of the terminal"),
            repeated(Some('t'), "type", "TYPE", "")
                .help(format!("Only namespaces of this type; repeatable, or with commas between: {kinds}")),
            optional(Some('T'), "tree", "RELATION", "").help(format!(
                "Print a tree of this relation, attached by '=': {relations} [default: owner]"
            )),
            switch(Some('H'), "list-columns", "List the columns that can be printed"),
            valued(None, "proc", "DIR", "Read this directory instead of /proc"),
            Arg::new("namespace").value_name("NAMESPACE").value_parser(OsStringValueParser::new()).help(
                "Only the processes of this namespace: INO, TYPE:[INO], netns:NAME or another form of nskit(7)",
            ),
        ])
}

/// Reads the options into a request.
pub(crate) fn request(matches: &ArgMatches) -> Result<Request> {
    let ns = args::value(matches, "namespace").map(operand).transpose()?;
    let list = args::value(matches, "output").map(|list| list.as_bytes());
    let usual = if ns.is_some() { USUAL_OF_ONE } else { USUAL };
    let columns = choose(COLUMNS, usual, list)?;
    let tree = match args::maybe(matches, "tree") {
        Some(name) => Some(relation(name)?),
        None if matches.get_flag("list") => None,
        None => Some(Relation::Process),
    };
    // Without the column in which it is drawn there is no tree.
    let tree = tree.filter(|tree| columns.iter().any(|column| column.name == tree.column()));
    let form = match (matches.get_flag("json"), matches.get_flag("raw")) {
        (true, _) => Form::Json,
        (_, true) => Form::Raw,
        _ => Form::Human,
    };
    Ok(Request {
        kinds: kinds(matches)?,
        process: args::value(matches, "task")
            .map(|word| Ref::process(word, "without -p its processes are listed"))
            .transpose()?,
        ns,
        columns,
        form,
        headings: !matches.get_flag("noheadings"),
        truncate: !matches.get_flag("notruncate"),
        tree,
        explain: matches.get_flag("list-columns"),
        proc: args::value(matches, "proc").map_or("/proc".into(), PathBuf::from),
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

fn relation(name: Option<&OsString>) -> Result<Relation> {
    let Some(name) = name else { return Ok(RELATIONS[0].1) };
    RELATIONS.iter().find(|(known, _)| name == known).map(|(_, relation)| *relation).ok_or_else(|| {
        let names: Vec<_> = RELATIONS.iter().map(|(name, _)| *name).collect();
        Error::refused([b"unknown relation: ", name.as_bytes()].concat())
            .with_hint(format!("one of: {}", names.join(" ")))
    })
}

fn kinds(matches: &ArgMatches) -> Result<KindSet> {
    match matches.get_many::<OsString>("type") {
        Some(lists) => {
            lists.flat_map(|list| list.as_bytes().split(|&b| b == b',')).map(args::parse_kind).collect()
        }
        None => Ok(KindSet::all()),
    }
}
