//! rlsns: lists namespaces.

mod cli;
mod tree;

use std::collections::{BTreeMap, BTreeSet};
use std::io::IsTerminal;
use std::process::ExitCode;

use cli::{COLUMNS, Relation, Request, Row, TOOL};
use common::error::Error;
use common::kind::{Kind, KindMap};
use common::ns::fd::NsFd;
use common::ns::refer::{self, Ref, Sight};
use common::ns::scan::{self, Namespace, Snapshot, Want};
use common::proc::container::Belongs;
use common::proc::container::state::States;
use common::proc::groups::Line;
use common::proc::users::Users;
use common::proc::{Proc, credentials};
use common::sys::terminal_columns;
use common::text::Charset;
use common::tool::table::{Cell, Column, Shape, Style, render};
use common::tool::{self, complain, print};

fn main() -> ExitCode {
    tool::main(&TOOL, cli::request, run)
}

fn run(request: Request) -> anyhow::Result<u8> {
    if request.explain {
        print(&explain(&request))?;
        return Ok(0);
    }
    let proc = Proc::open(&request.proc)?;
    let of_task = match &request.process {
        Some(process) => Some(refer::task(&proc, process)?.namespaces(request.kinds)?),
        None => None,
    };
    // Held open, so that its number cannot become another's.
    let (held, ns) = match &request.ns {
        Some(reference) => namespace(&proc, reference)?,
        None => (None, None),
    };
    let want = Want {
        kinds: request.scanned(),
        relations: request.relations(),
        members_of: ns.map(|(_, ino)| ino),
        groups: request.groups(),
    };
    let snapshot = scan::take(&proc, &want)?;
    drop(held);
    let mut rows = match ns {
        Some((kind, ino)) => members(&snapshot, kind, ino)?,
        None => namespaces(&snapshot, &request, of_task),
    };
    let mut users = Users::default();
    let states = if want.groups { States::of(&proc)? } else { States::default() };
    // Many processes have the same groups.
    let mut known: BTreeMap<Vec<Line>, Belongs> = BTreeMap::new();
    for row in &mut rows {
        row.user = row.uid.map(|uid| users.name(uid).to_vec());
        if let Some(process) = row.process(&snapshot).filter(|_| want.groups) {
            let groups = process.groups.clone();
            row.belongs =
                known.entry(groups).or_insert_with_key(|groups| Belongs::of(groups, &states)).clone();
        }
    }
    let rows = tree::grow(&snapshot, &rows, request.tree);
    print(&render(&snapshot, &request.columns, &rows, &style(&request, snapshot.unreadable)))?;
    if std::io::stdout().is_terminal() {
        confess(snapshot.unreadable);
    }
    Ok(0)
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

/// Says how many processes are missing from the listing.
fn confess(unreadable: usize) {
    let processes = match unreadable {
        0 => return,
        1 => "1 process is".to_string(),
        _ => format!("{unreadable} processes are"),
    };
    let hint = match credentials::effective() {
        (0, _) => "what bounds this container, or a security module, keeps them from root too",
        _ => "CAP_SYS_PTRACE can show more",
    };
    complain(TOOL.name, &format!("{processes} missing: their namespaces are hidden from us"), Some(hint));
}

/// A row for each namespace that was asked for, and in a tree of owners or parents for those above it. Other
/// namespaces without a process are not shown.
fn namespaces(snapshot: &Snapshot, request: &Request, of_task: Option<KindMap<u64>>) -> Vec<Row> {
    let asked = |ns: &&Namespace| {
        let of_task = of_task.is_none_or(|inodes| inodes[ns.kind] == ns.id.ino);
        of_task && ns.processes > 0 && request.kinds.contains(ns.kind)
    };
    let mut shown = BTreeSet::new();
    for ns in snapshot.namespaces.iter().filter(asked) {
        let mut next = Some(ns);
        while let Some(ns) = next.filter(|ns| shown.insert(ns.id.ino)) {
            let above = request.tree.and_then(|tree| tree.above(ns));
            next = above.and_then(|ino| snapshot.namespace(ino));
        }
    }
    let uid = |ns: &Namespace| match ns.first {
        Some(pid) => snapshot.processes.get(&pid).map(|process| process.uid),
        None => ns.owner_uid.or_else(|| snapshot.namespace(ns.owner?)?.owner_uid),
    };
    let numbered = snapshot.namespaces.iter().enumerate().filter(|(_, ns)| shown.contains(&ns.id.ino));
    numbered
        .map(|(at, ns)| Row { ns: at, pid: ns.first, uid: uid(ns), user: None, belongs: Belongs::default() })
        .collect()
}

/// A row for each process of one namespace.
fn members(snapshot: &Snapshot, kind: Option<Kind>, ino: u64) -> common::Result<Vec<Row>> {
    let fits =
        |ns: &Namespace| ns.id.ino == ino && ns.processes > 0 && kind.is_none_or(|kind| ns.kind == kind);
    let found = snapshot.namespaces.iter().position(fits);
    let named = || kind.map_or(ino.to_string(), |kind| format!("{kind}:[{ino}]"));
    let ns = found.ok_or_else(|| Error::refused(format!("no process is seen in a namespace {}", named())))?;
    let kind = snapshot.namespaces[ns].kind;
    let inside = snapshot.members.iter().filter(|(_, inodes)| inodes[kind] == ino);
    Ok(inside
        .filter_map(|(pid, _)| snapshot.processes.get(pid))
        .map(|process| Row {
            ns,
            pid: Some(process.pid),
            uid: Some(process.uid),
            user: None,
            belongs: Belongs::default(),
        })
        .collect())
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
        key: "namespaces",
        facts: vec![("unreadable", unreadable as u64)],
    }
}

/// The list of columns, as a table of its own.
fn explain(request: &Request) -> String {
    type Line = Column<Snapshot, Row>;
    #[rustfmt::skip]
    const OF_COLUMNS: &[Column<(), Line>] = &[
        Column { name: "HOLDER", help: "", shape: Shape::Text, cell: |_, column| Cell::text(Some(column.name)) },
        Column { name: "TYPE", help: "", shape: Shape::Text, cell: |_, column| Cell::text(Some(if column.shape == Shape::Number { "number" } else { "string" })) },
        Column { name: "DESCRIPTION", help: "", shape: Shape::Text, cell: |_, column| Cell::text(Some(column.help)) },
    ];
    let rows: Vec<(usize, &Line)> = COLUMNS.iter().map(|column| (0, column)).collect();
    let columns: Vec<_> = OF_COLUMNS.iter().collect();
    let style = Style { key: "lsns-columns", facts: vec![], tree: None, width: None, ..style(request, 0) };
    render(&(), &columns, &rows, &style)
}
