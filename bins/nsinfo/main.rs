//! nsinfo: shows the world of a process, or of a namespace.

#![no_main]

mod can;
mod cli;
mod last;
mod page;
mod sections;
mod subject;
mod versus;
mod world;

use std::io::IsTerminal;

use cli::{Other, Request, TOOL};
use common::error::Error;
use common::ns::initial::inhabitant;
use common::ns::refer::{self, Sight};
use common::proc::{Proc, Task};
use can::Can;
use common::sys::terminal_columns;
use common::text::Charset;
use common::tool::json::Value;
use common::tool::{self, print};
use page::Page;
use subject::Subject;
use world::World;

/// The version of the JSON: one more when a key changes its meaning or goes away.
const SCHEMA: u64 = 1;

common::entry!(|argv| tool::main(&TOOL, argv, cli::request, run));

fn run(request: Request) -> anyhow::Result<u8> {
    let proc = Proc::open(&request.proc)?;
    if let Some(other) = &request.versus {
        return compare(&proc, &request, other);
    }
    if let ([who, whom], true) = (&request.references[..], request.can) {
        let can = Can::take(&proc, who, whom)?;
        print(&match request.json {
            true => with_schema("can", can.json()).document(),
            false => {
                let mut page = blank(&request);
                can.page(&mut page);
                page.out
            }
        })?;
        return Ok(0);
    }
    let mut worlds = Vec::new();
    for reference in &request.references {
        let subject = Subject::new(&proc, refer::look(&proc, reference)?, request.how)?;
        worlds.push(World::take(&subject, &request.sections)?);
    }
    print(&match request.json {
        true => document(&worlds),
        false => pages(&worlds, &request),
    })?;
    Ok(0)
}

/// The thing and the other one, side by side.
fn compare(proc: &Proc, request: &Request, other: &Other) -> anyhow::Result<u8> {
    let subject = Subject::new(proc, refer::look(proc, &request.references[0])?, request.how)?;
    let (sight, name): (_, &[u8]) = match other {
        Other::Host => (Sight::Task(inhabitant(proc)?.0), b"host"),
        Other::Parent => (Sight::Task(parent(proc, &subject)?), b"parent"),
        Other::Named(reference, word) => (refer::look(proc, reference)?, word),
    };
    let other = Subject::new(proc, sight, request.how)?;
    let worlds = [subject, other].map(|subject| World::take(&subject, &request.sections));
    let [left, right] = worlds.map(|world| world.map(|world| world.json()));
    let found = versus::differences(&left?, &right?);
    let names = [&request.words[0][..], name];
    if request.json {
        let schema = ("schema", Value::Number(SCHEMA));
        print(&Value::Object(vec![schema, ("versus", versus::json(names, &found))]).document())?;
    } else {
        let mut page = blank(request);
        versus::page(&mut page, names, &found);
        print(&page.out)?;
    }
    Ok(0)
}

/// Who started the process, or who adopted it.
fn parent(proc: &Proc, subject: &Subject<'_>) -> common::Result<Task> {
    let task = subject.task()?;
    match task.stat().map_err(|e| task.or_gone(e))?.ppid {
        0 => Err(Error::refused(format!("process {} has no parent in this pid namespace", task.pid))),
        ppid => proc.task(ppid),
    }
}

/// A page with nothing on it.
fn blank(request: &Request) -> Page {
    let stdout = std::io::stdout();
    let colour = request.color.is_wanted(stdout.is_terminal());
    Page::new(Charset::from_env(), terminal_columns(&stdout), colour)
}

fn document(worlds: &[World]) -> String {
    let worlds = worlds.iter().map(World::json).collect();
    with_schema("worlds", Value::List(worlds)).document()
}

fn with_schema(key: &'static str, value: Value) -> Value {
    Value::Object(vec![("schema", Value::Number(SCHEMA)), (key, value)])
}

fn pages(worlds: &[World], request: &Request) -> String {
    let mut page = blank(request);
    for (world, reference) in worlds.iter().zip(&request.words) {
        if worlds.len() > 1 {
            page.title(reference);
        }
        world.page(&mut page);
    }
    page.out
}
