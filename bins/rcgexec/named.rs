//! Named groups: made, used, changed and removed.

use std::ffi::OsString;

use common::cgroup::knobs::Limits;
use common::cgroup::layout::Layout;
use common::cgroup::named::{Asked, NamedGroup, Place, State, Work, ourselves};
use common::cgroup::usage::Usage;
use common::error::{Error, Result};
use common::launch::Program;
use common::ns::refer::{self, Entry, Ref};
use common::proc::Proc;
use common::proc::target::Target;
use common::sys::terminal_columns;
use common::text::Charset;
use common::tool::json::Value;
use common::tool::table::{Cell, Column, Form, Shape, Style, render};
use common::tool::{complain, print, print_lines};

use crate::cli::{Action, Named, TOOL};
use crate::report;
use crate::run::limit_ourselves;

/// Does what was asked about named groups.
pub(crate) fn act(
    proc: &Proc,
    layout: &Layout,
    asked: Named,
    words: Vec<OsString>,
    dry_run: bool,
) -> anyhow::Result<u8> {
    let Named { action, parent, json } = asked;
    let place = Place::new(layout, parent.as_deref());
    let mut work = Work::new(proc, dry_run);
    let form = if json { Form::Json } else { Form::Human };
    match action {
        Action::Run { name, limits, best_effort } => {
            let program = Program::new(words)?;
            let asked = Asked { force: true, ..new(&name, &limits, best_effort) };
            let settled = place.settle(&asked, &[ourselves(&work)?], &mut work)?;
            warn(&work);
            if !dry_run {
                let error = limit_ourselves(proc, &limits).err().unwrap_or_else(|| program.exec());
                // What was made for a program that is none goes again.
                work.take_back();
                drop(settled);
                return Err(error.into());
            }
        }
        Action::Take { name, limits, best_effort, processes, force } => {
            let targets = targets(proc, &processes)?;
            let asked = Asked { force, ..new(&name, &limits, best_effort) };
            place.settle(&asked, &targets, &mut work)?;
        }
        Action::Make { name, limits, best_effort } => {
            place.settle(&new(&name, &limits, best_effort), &[], &mut work)?;
        }
        Action::Update { name, limits, best_effort } => {
            let asked = Asked { must_exist: true, ..new(&name, &limits, best_effort) };
            place.settle(&asked, &[], &mut work)?;
        }
        Action::Freeze(name) => place.find(&name)?.freeze(&mut work)?,
        Action::Thaw(name) => place.find(&name)?.thaw(&mut work)?,
        Action::Kill(name) => place.find(&name)?.kill(&mut work)?,
        Action::Remove(name) => place.remove(&name, &mut work)?,
        Action::Stat(name) => {
            let facts = Facts::of(&place.find(&name)?)?;
            print(&if json { facts.value().document() } else { facts.text() })?;
        }
        Action::List => {
            let groups = place.all()?;
            // One that is removed while it is looked at is none.
            let facts: Vec<Facts> = groups.iter().filter_map(|group| Facts::of(group).ok()).collect();
            print(&list(&facts, form))?;
        }
    }
    print_lines(work.lines())?;
    warn(&work);
    Ok(0)
}

fn new<'a>(name: &'a str, limits: &'a Limits, best_effort: bool) -> Asked<'a> {
    Asked { name, limits, best_effort, must_exist: false, force: false }
}

/// Says what is gone on without.
fn warn(work: &Work) {
    for error in work.complaints() {
        complain(TOOL.name, &format!("going on without: {error}"), error.hint());
    }
}

/// Takes hold of the processes, each once.
fn targets(proc: &Proc, references: &[Ref]) -> Result<Vec<Target>> {
    let mut targets: Vec<Target> = Vec::new();
    for reference in references {
        let target = match refer::open(proc, reference)? {
            Entry::Process(target) => target,
            Entry::Thread(target, thread) => {
                return Err(Error::refused(format!(
                    "{} is a thread, and only whole processes are moved",
                    thread.pid
                ))
                .with_hint(format!("move its process: --pid {}", target.pid)));
            }
            Entry::Namespace(ns) => {
                return Err(Error::refused([&ns.name[..], b" is no process"].concat()));
            }
        };
        if targets.iter().all(|known| known.pid != target.pid) {
            targets.push(target);
        }
    }
    Ok(targets)
}

/// What is known of a named group.
struct Facts {
    name: String,
    pids: Vec<i32>,
    state: Option<State>,
    usage: Usage,
    /// File, value, and the group that has it; is it the named one itself?
    limits: Vec<(&'static str, Vec<u8>, Vec<u8>, bool)>,
    dirs: Vec<Vec<u8>>,
}

impl Facts {
    fn of(group: &NamedGroup) -> Result<Facts> {
        let dirs: Vec<Vec<u8>> = group.parts.iter().map(|part| part.group.path.clone()).collect();
        let limits = group.limits()?.into_iter();
        let limits =
            limits.map(|limit| (limit.file, limit.value, limit.group.clone(), dirs.contains(&limit.group)));
        Ok(Facts {
            name: group.name.clone(),
            pids: group.processes()?,
            state: group.state()?,
            usage: Usage::take(&group.parts.iter().map(|part| &part.group).collect::<Vec<_>>())?,
            limits: limits.collect(),
            dirs,
        })
    }

    fn state(&self) -> Option<&'static str> {
        self.state.map(State::name)
    }

    /// Its own limits, a word each.
    fn own_limits(&self) -> Vec<Vec<u8>> {
        let word = |(file, value, _, _): &(&str, Vec<u8>, Vec<u8>, bool)| {
            let value: Vec<u8> = value.iter().map(|&b| if b == b' ' { b'/' } else { b }).collect();
            [file.as_bytes(), b"=", &value].concat()
        };
        self.limits.iter().filter(|limit| limit.3).map(word).collect()
    }

    fn value(&self) -> Value {
        let text = |text: &str| Value::Text(text.into());
        let limit = |(file, value, group, _): &(&'static str, Vec<u8>, Vec<u8>, bool)| {
            Value::Object(vec![
                ("file", text(file)),
                ("value", Value::Text(value.clone())),
                ("group", Value::Text(group.clone())),
            ])
        };
        let dirs = self.dirs.iter().map(|dir| Value::Object(vec![("path", Value::Text(dir.clone()))]));
        Value::Object(vec![
            ("name", text(&self.name)),
            ("state", self.state().map_or(Value::Null, text)),
            ("processes", Value::Number(self.pids.len() as u64)),
            ("pids", Value::List(self.pids.iter().map(|pid| Value::Number(*pid as u64)).collect())),
            ("use", Value::Object(report::members(&self.usage))),
            ("limits", Value::List(self.limits.iter().map(limit).collect())),
            ("directories", Value::List(dirs.collect())),
        ])
    }

    fn text(&self) -> String {
        let mut rows: Vec<(Vec<u8>, Vec<u8>)> = vec![
            (b"name".to_vec(), self.name.clone().into()),
            (b"state".to_vec(), self.state().unwrap_or("n/a").into()),
            (b"processes".to_vec(), self.pids.len().to_string().into()),
        ];
        if !self.pids.is_empty() {
            let pids: Vec<String> = self.pids.iter().map(i32::to_string).collect();
            rows.push((b"pids".to_vec(), pids.join(" ").into()));
        }
        for (file, value, group, own) in &self.limits {
            let from = if *own { Vec::new() } else { [b" (of ", &group[..], b")"].concat() };
            rows.push((file.as_bytes().to_vec(), [&value[..], &from].concat()));
        }
        rows.extend(self.dirs.iter().map(|dir| (b"directory".to_vec(), dir.clone())));
        type Row = (Vec<u8>, Vec<u8>);
        #[rustfmt::skip]
        const COLUMNS: &[Column<(), Row>] = &[
            Column { name: "WHAT", help: "", shape: Shape::Text, cell: |_, row| Cell::Text(row.0.clone()) },
            Column { name: "VALUE", help: "", shape: Shape::Text, cell: |_, row| Cell::Text(row.1.clone()) },
        ];
        let columns: Vec<_> = COLUMNS.iter().collect();
        let rows: Vec<(usize, &Row)> = rows.iter().map(|row| (0, row)).collect();
        let known =
            render(&(), &columns, &rows, &Style { headings: false, width: None, ..style(Form::Human) });
        known + "\n" + &report::stat(&self.usage, terminal_columns(std::io::stdout()))
    }
}

/// Every column of the list. CPU time is in milliseconds, memory in bytes.
#[rustfmt::skip]
const COLUMNS: &[Column<(), Facts>] = &[
    Column { name: "NAME", help: "", shape: Shape::Text, cell: |_, facts| Cell::Text(facts.name.clone().into()) },
    Column { name: "PROCS", help: "", shape: Shape::Number, cell: |_, facts| Cell::Number(facts.pids.len() as u64) },
    Column { name: "STATE", help: "", shape: Shape::Text, cell: |_, facts| Cell::text(facts.state()) },
    Column { name: "CPU-MS", help: "", shape: Shape::Number, cell: |_, facts| Cell::number(facts.usage.cpu.map(|time| time.as_millis() as u64)) },
    Column { name: "MEMORY", help: "", shape: Shape::Number, cell: |_, facts| Cell::number(facts.usage.memory) },
    Column { name: "LIMITS", help: "", shape: Shape::LongText, cell: |_, facts| Cell::text(Some(facts.own_limits().join(&b' ')).filter(|text| !text.is_empty())) },
    Column { name: "WHERE", help: "", shape: Shape::Text, cell: |_, facts| Cell::text(facts.dirs.first().cloned()) },
];

fn list(facts: &[Facts], form: Form) -> String {
    if form == Form::Json {
        let groups = Value::List(facts.iter().map(Facts::value).collect());
        return Value::Object(vec![("schema", Value::Number(1)), ("groups", groups)]).document();
    }
    let columns: Vec<_> = COLUMNS.iter().collect();
    let rows: Vec<(usize, &Facts)> = facts.iter().map(|facts| (0, facts)).collect();
    render(&(), &columns, &rows, &style(form))
}

fn style(form: Form) -> Style {
    Style {
        form,
        headings: true,
        charset: Charset::from_env(),
        width: terminal_columns(std::io::stdout()),
        tree: None,
        wrap: false,
        key: "groups",
        facts: vec![],
        below: vec![],
        paint: None,
    }
}
