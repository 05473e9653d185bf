//! nsinfo: shows the world of a process, or of a namespace.

#![no_main]

mod cli;
mod page;
mod sections;
mod subject;
mod system;
mod tree;
mod world;

use std::io::IsTerminal;

use cli::{Mode, Request, TOOL};
use common::ns::refer::{self, Ref};
use common::proc::Proc;
use common::sys::terminal_columns;
use common::text::Charset;
use common::tool::json::Value;
use common::tool::{self, print};
use page::Page;
use subject::Subject;
use system::System;
use tree::Tree;
use world::World;

/// The version of the JSON: one more when a key changes its meaning or goes away.
const SCHEMA: u64 = 1;

common::entry!(|argv| tool::main(&TOOL, argv, cli::request, run));

fn run(request: Request) -> anyhow::Result<u8> {
    let proc = Proc::open(&request.proc)?;
    print(&match request.mode {
        Mode::Worlds => of_worlds(&proc, &request)?,
        Mode::System => of_system(&System::take(&proc), &request),
        Mode::Tree => of_tree(&proc, &request)?,
    })?;
    Ok(0)
}

fn of_worlds(proc: &Proc, request: &Request) -> anyhow::Result<String> {
    let mut worlds = Vec::new();
    for reference in &request.references {
        worlds.push(world(proc, reference, request)?);
    }
    Ok(match request.json {
        true => document(&worlds),
        false => pages(&worlds, request),
    })
}

fn of_system(system: &System, request: &Request) -> String {
    if request.json {
        return versioned(vec![("system", system.json())]);
    }
    let mut page = page(request);
    system.page(&mut page);
    page.out
}

fn of_tree(proc: &Proc, request: &Request) -> anyhow::Result<String> {
    // Held open, so that their numbers cannot become others'.
    let sights: common::Result<Vec<_>> =
        request.references.iter().map(|reference| refer::look(proc, reference)).collect();
    let sights = sights?;
    let tree = Tree::take(proc, &sights)?;
    if request.json {
        return Ok(versioned(tree.json()));
    }
    let mut page = page(request);
    tree.page(&mut page);
    Ok(page.out)
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
    versioned(vec![("worlds", Value::List(worlds))])
}

fn versioned(members: Vec<(&'static str, Value)>) -> String {
    let schema = ("schema", Value::Number(SCHEMA));
    Value::Object([schema].into_iter().chain(members).collect()).document()
}

fn page(request: &Request) -> Page {
    let stdout = std::io::stdout();
    let colour = request.color.is_wanted(stdout.is_terminal());
    Page::new(Charset::from_env(), terminal_columns(&stdout), colour)
}

fn pages(worlds: &[World], request: &Request) -> String {
    let mut page = page(request);
    for (world, reference) in worlds.iter().zip(&request.words) {
        if worlds.len() > 1 {
            page.title(reference);
        }
        world.page(&mut page);
    }
    page.out
}
