//! nsinfo: shows the world of a process, or of a namespace.

#![no_main]

mod cli;
mod page;
mod sections;
mod subject;
mod world;

use std::io::IsTerminal;

use cli::{Request, TOOL};
use common::ns::refer::{self, Ref};
use common::proc::Proc;
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
    let mut worlds = Vec::new();
    for reference in &request.references {
        worlds.push(world(&proc, reference, &request)?);
    }
    print(&match request.json {
        true => document(&worlds),
        false => pages(&worlds, &request),
    })?;
    Ok(0)
}

/// The world of one thing. Who stands for others can end under our eyes, and the next one is asked: a process in a
/// namespace, the thread of a process whose leader has ended.
fn world(proc: &Proc, reference: &Ref, request: &Request) -> anyhow::Result<World> {
    let mut tries = 5;
    loop {
        let subject = Subject::new(proc, refer::look(proc, reference)?, request.how)?;
        tries -= 1;
        match World::take(&subject, &request.sections) {
            Err(e) if e.is_gone() && tries > 0 && subject.has_a_stand_in() => {}
            world => return Ok(world?),
        }
    }
}

fn document(worlds: &[World]) -> String {
    let worlds = worlds.iter().map(World::json).collect();
    Value::Object(vec![("schema", Value::Number(SCHEMA)), ("worlds", Value::List(worlds))]).document()
}

fn pages(worlds: &[World], request: &Request) -> String {
    let stdout = std::io::stdout();
    let colour = request.color.is_wanted(stdout.is_terminal());
    let mut page = Page::new(Charset::from_env(), terminal_columns(&stdout), colour);
    for (world, reference) in worlds.iter().zip(&request.words) {
        if worlds.len() > 1 {
            page.title(reference);
        }
        world.page(&mut page);
    }
    page.out
}
