//! nsinfo: shows the world of a process, or of a namespace.

#![no_main]

mod can;
mod cli;
mod last;
mod page;
mod sections;
mod subject;
mod system;
mod tree;
mod versus;
mod view;
mod world;

use std::io::IsTerminal;

use can::Can;
use cli::{Mode, Other, Request, TOOL};
use common::error::Error;
use common::ns::initial::inhabitant;
use common::ns::refer::{self, Ref, Sight};
use common::proc::{Proc, Task};
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
    print(&match &request.mode {
        Mode::Worlds => return of_worlds(&proc, &request),
        Mode::Versus(other) => compared(&proc, &request, other)?,
        Mode::Can => {
            let can = Can::take(&proc, &request.references[0], &request.references[1])?;
            told(&request, || vec![("can", can.json())], |page| can.page(page))
        }
        Mode::System => {
            let system = System::take(&proc);
            told(&request, || vec![("system", system.json())], |page| system.page(page))
        }
        Mode::Tree => {
            // Held open, so that their numbers cannot become others'.
            let sights: common::Result<Vec<_>> =
                request.references.iter().map(|reference| refer::look(&proc, reference)).collect();
            let sights = sights?;
            let tree = Tree::take(&proc, &sights)?;
            told(&request, || tree.json(), |page| tree.page(page))
        }
    })?;
    Ok(0)
}

/// One of two: members of a JSON object, or a page.
fn told(
    request: &Request,
    json: impl FnOnce() -> Vec<(&'static str, Value)>,
    page: impl FnOnce(&mut Page),
) -> String {
    if request.json {
        let schema = ("schema", Value::Number(SCHEMA));
        return Value::Object([schema].into_iter().chain(json()).collect()).document();
    }
    let stdout = std::io::stdout();
    let colour = request.color.is_wanted(stdout.is_terminal());
    let mut blank = Page::new(Charset::from_env(), terminal_columns(&stdout), colour);
    page(&mut blank);
    blank.out
}

/// The worlds of all that were named; those that are not there are told on stderr, and do not keep the others from being shown.
fn of_worlds(proc: &Proc, request: &Request) -> anyhow::Result<u8> {
    let (mut worlds, mut status) = (Vec::new(), 0);
    for (reference, word) in request.references.iter().zip(&request.words) {
        match world(proc, reference, request) {
            Ok(world) => worlds.push((world, word)),
            Err(e) if request.references.len() == 1 => return Err(e),
            Err(e) => {
                tool::report(&TOOL, &e);
                status = TOOL.failure;
            }
        }
    }
    let pages = |page: &mut Page| {
        for (world, word) in &worlds {
            if request.references.len() > 1 {
                page.title(word);
            }
            world.page(page);
        }
    };
    let list = || Value::List(worlds.iter().map(|(world, _)| world.json()).collect());
    print(&told(request, || vec![("worlds", list())], pages))?;
    Ok(status)
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

/// The thing and the other one, side by side.
fn compared(proc: &Proc, request: &Request, other: &Other) -> anyhow::Result<String> {
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
    let json = || vec![("versus", versus::json(names, &found))];
    Ok(told(request, json, |page| versus::page(page, names, &found)))
}

/// Who started the process, or who adopted it.
fn parent(proc: &Proc, subject: &Subject<'_>) -> common::Result<Task> {
    let task = subject.task()?;
    match task.stat().map_err(|e| task.or_gone(e))?.ppid {
        0 => Err(Error::refused(format!("process {} has no parent in this pid namespace", task.pid))),
        ppid => proc.task(ppid),
    }
}
