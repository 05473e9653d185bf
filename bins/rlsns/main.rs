//! rlsns: lists namespaces.

#![no_main]

mod cli;
mod columns;
mod filter;
mod holders;
mod leaks;
mod picture;
mod tree;
mod why;

use std::collections::BTreeSet;
use std::io::IsTerminal;

use cli::{Relation, Request, TOOL};
use columns::COLUMNS;
use common::error::Error;
use common::kind::{Kind, KindMap};
use common::ns::fd::NsFd;
use common::ns::refer::{self, Ref, Sight};
use common::ns::scan::{self, Depth, Inferred, Namespace, Snapshot, Want};
use common::proc::Proc;
use common::proc::credentials::{self, Tracing};
use common::sys::terminal_columns;
use common::text::Charset;
use common::tool::json::Value;
use common::tool::paint::Paint;
use common::tool::table::{Cell, Column, Form, Shape, Style, render};
use common::tool::{self, complain, print};
use filter::Filter;
use picture::{Beside, Picture, Row};

/// The version of the JSON: one more when a key changes its meaning or goes away.
const SCHEMA: u64 = 1;

common::entry!(|argv| tool::main(&TOOL, argv, cli::request, run));

fn run(request: Request) -> anyhow::Result<u8> {
    if request.explain {
        print(&explain(&request))?;
        return Ok(0);
    }
    let proc = Proc::open(&request.proc)?;
    if let Some(reference) = &request.why {
        confess(why::run(&proc, reference, &request)?);
        return Ok(0);
    }
    if request.leaks {
        confess(leaks::run(&proc, &request)?);
        return Ok(0);
    }
    let of_task = match &request.process {
        Some(process) => Some(refer::task(&proc, process)?.namespaces(request.kinds)?),
        None => None,
    };
    // Held open, so that its number cannot become another's.
    let (held, ns) = match &request.ns {
        Some(reference) => namespace(&proc, reference)?,
        None => (None, None),
    };
    let want = want(&request, ns.map(|(_, ino)| ino));
    let snapshot = scan::take(&proc, &want)?;
    drop(held);
    let shows = |column: &str| asked(&request).any(|name| name == column);
    let beside = Beside {
        states: want.facts.groups,
        initial: shows("HOST") || is_coloured(&request),
        clock: shows("START"),
    };
    let picture = Picture::new(&proc, snapshot, beside)?;
    let mut rows = match ns {
        Some((kind, ino)) => members(&picture.snapshot, kind, ino)?,
        None => namespaces(&picture.snapshot, &request, of_task),
    };
    if let Some(filter) = &request.filter {
        rows.retain(|row| filter.holds(&|column| (column.cell)(&picture, row)));
    }
    let rows = tree::grow(&picture, &rows, request.tree);
    let unreadable = picture.snapshot.unreadable;
    let mut style = style(&request, unreadable);
    if style.paint.is_some() {
        style.paint = Some(rows.iter().map(|(_, row)| look(&picture, row)).collect());
    }
    let passes = |group: &&Inferred| {
        request
            .filter
            .as_ref()
            .is_none_or(|filter| filter.holds(&|column| picture.guessed(group, column.name)))
    };
    let inferred = picture.snapshot.inferred.iter().filter(passes);
    if request.form == Form::Json {
        style.facts.push(("inferred", Value::List(inferred.map(|group| picture.guess(group)).collect())));
    } else {
        let line = |group| request.columns.iter().map(|column| picture.guessed(group, column.name)).collect();
        style.below = inferred.map(line).collect();
    }
    print(&render(&picture, &request.columns, &rows, &style))?;
    confess(unreadable);
    Ok(0)
}

/// The columns that are shown or that the filter looks at.
fn asked(request: &Request) -> impl Iterator<Item = &'static str> {
    let of_filter = request.filter.iter().flat_map(Filter::columns);
    request.columns.iter().chain(of_filter).map(|column| column.name)
}

fn is_coloured(request: &Request) -> bool {
    request.color.is_wanted(std::io::stdout().is_terminal())
}

/// What a scan has to find out for this.
fn want(request: &Request, members_of: Option<u64>) -> Want {
    let mut want = Want { members_of, ..Want::least(request.kinds) };
    // What a process is in, and who is in a namespace, processes show.
    let all = request.process.is_none() && members_of.is_none();
    want.depth = request.depth.unwrap_or(if all { Depth::Deep } else { Depth::Procs });
    asked(request).for_each(|column| columns::need(column, &mut want));
    match request.tree {
        Some(Relation::Owner) => {
            want.relations = true;
            want.kinds.insert(Kind::User);
        }
        Some(Relation::Parent) => want.relations = true,
        Some(Relation::Process) => want.facts.stat = true,
        None => {}
    }
    // Scripts that read lines must not get odd ones.
    let shown = match request.form {
        Form::Human => std::io::stdout().is_terminal(),
        Form::Raw => false,
        Form::Json => true,
    };
    want.inferred = all && shown && !request.persistent;
    // What was said is meant, whatever columns need.
    want.depth = request.depth.unwrap_or(want.depth);
    want
}

/// Kind, where that is known, and inode number of the namespace that is named. One that is named by its number is
/// looked for in the listing itself.
type Wanted = (Option<NsFd>, Option<(Option<Kind>, u64)>);

fn namespace(proc: &Proc, reference: &Ref) -> common::Result<Wanted> {
    if let Ref::Inode(kind, ino) = reference {
        return Ok((None, Some((*kind, *ino))));
    }
    match refer::look(proc, reference)? {
        Sight::Namespace(ns) => {
            let wanted = (Some(ns.kind), ns.id()?.ino);
            Ok((Some(ns), Some(wanted)))
        }
        Sight::Task(task) => Err(Error::refused(format!("process {} is in several namespaces", task.pid))),
    }
}

/// How the line of a namespace looks.
fn look(picture: &Picture, row: &Row) -> Paint {
    let ns = row.ns(picture);
    match ns.processes {
        _ if picture.is_initial(ns) == Some(true) => Paint::Dim,
        0 => Paint::Bright,
        _ => Paint::Plain,
    }
}

/// Says to somebody at a terminal how many processes are missing from what was printed, and what would show them.
fn confess(unreadable: usize) {
    let processes = match unreadable {
        _ if !std::io::stdout().is_terminal() => return,
        0 => return,
        1 => "1 process is".to_string(),
        _ => format!("{unreadable} processes are"),
    };
    let is_root = credentials::effective().0 == 0;
    let hint = match (credentials::tracing(), is_root) {
        (Tracing::Lacking, false) => "CAP_SYS_PTRACE can show more",
        (Tracing::Lacking, true) => "CAP_SYS_PTRACE can show more: it was taken from us, though we are root",
        (Tracing::Bounded, _) => {
            "CAP_SYS_PTRACE can show more, but it is not in our capability bounding set (CapBnd in /proc/self/status), so not even root has it here"
        }
        (Tracing::Allowed, _) => {
            "we have CAP_SYS_PTRACE: what keeps them from us is a security module, or that they are in a user namespace above ours"
        }
    };
    complain(TOOL.name, &format!("{processes} missing: their namespaces are hidden from us"), Some(hint));
}

/// A row for each namespace that was asked for, and in a tree of owners or parents for those above it.
fn namespaces(snapshot: &Snapshot, request: &Request, of_task: Option<KindMap<u64>>) -> Vec<Row> {
    let asked = |ns: &&Namespace| {
        let of_task = of_task.is_none_or(|inodes| inodes[ns.kind] == ns.id.ino);
        of_task && request.kinds.contains(ns.kind) && !(request.persistent && ns.processes > 0)
    };
    let mut shown = BTreeSet::new();
    for ns in snapshot.namespaces.iter().filter(asked) {
        let mut next = Some(ns);
        while let Some(ns) = next.filter(|ns| shown.insert(ns.id.ino)) {
            let above = request.tree.and_then(|tree| tree.above(ns));
            next = above.and_then(|ino| snapshot.namespace(ino));
        }
    }
    let numbered = snapshot.namespaces.iter().enumerate().filter(|(_, ns)| shown.contains(&ns.id.ino));
    numbered.map(|(at, ns)| Row { ns: at, pid: ns.first }).collect()
}

/// A row for each process of one namespace.
fn members(snapshot: &Snapshot, kind: Option<Kind>, ino: u64) -> common::Result<Vec<Row>> {
    let fits =
        |ns: &Namespace| ns.id.ino == ino && ns.processes > 0 && kind.is_none_or(|kind| ns.kind == kind);
    let found = snapshot.namespaces.iter().position(fits);
    let named = || kind.map_or(ino.to_string(), |kind| format!("{kind}:[{ino}]"));
    let ns = found.ok_or_else(|| Error::refused(format!("no process is seen in a namespace {}", named())))?;
    Ok(snapshot.members.iter().map(|&pid| Row { ns, pid: Some(pid) }).collect())
}

fn style(request: &Request, unreadable: usize) -> Style {
    let stdout = std::io::stdout();
    let drawn_in = |tree: Relation| request.columns.iter().position(|column| column.name == tree.column());
    Style {
        form: request.form,
        headings: request.headings,
        charset: Charset::from_env(),
        width: if request.truncate { terminal_columns(&stdout) } else { None },
        tree: request.tree.and_then(drawn_in),
        wrap: request.wrap,
        key: "namespaces",
        facts: vec![("schema", Value::Number(SCHEMA)), ("unreadable", Value::Number(unreadable as u64))],
        below: vec![],
        paint: is_coloured(request).then(Vec::new),
    }
}

/// The list of columns, as a table of its own. As in lsns(8), it has no headings.
fn explain(request: &Request) -> String {
    type Line = Column<Picture, Row>;
    #[rustfmt::skip]
    const OF_COLUMNS: &[Column<(), Line>] = &[
        Column { name: "HOLDER", help: "", shape: Shape::Right, cell: |_, column| Cell::text(Some(column.name)) },
        Column { name: "TYPE", help: "", shape: Shape::Text, cell: |_, column| Cell::text(Some(if column.shape == Shape::Number { "<integer>" } else { "<string>" })) },
        Column { name: "DESCRIPTION", help: "", shape: Shape::Text, cell: |_, column| Cell::text(Some(column.help)) },
    ];
    let rows: Vec<(usize, &Line)> = COLUMNS.iter().map(|column| (0, column)).collect();
    let columns: Vec<_> = OF_COLUMNS.iter().collect();
    let style = Style { key: "lsns-columns", facts: vec![], tree: None, width: None, ..style(request, 0) };
    render(&(), &columns, &rows, &Style { headings: false, ..style })
}
