//! nsinfo: shows the world of a process, or of a namespace.

#![no_main]

mod can;
mod cli;
mod last;
mod page;
mod sections;
mod subject;
mod world;

use std::io::IsTerminal;

use can::Can;
use cli::{Request, TOOL};
use common::ns::refer;
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
    if let ([who, whom], true) = (&request.references[..], request.can) {
        let can = Can::take(&proc, who, whom)?;
        print(&match request.json {
            true => with_schema("can", can.json()).document(),
            false => {
                let mut page = new_page(&request);
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

fn document(worlds: &[World]) -> String {
    let worlds = worlds.iter().map(World::json).collect();
    with_schema("worlds", Value::List(worlds)).document()
}

fn with_schema(key: &'static str, value: Value) -> Value {
    Value::Object(vec![("schema", Value::Number(SCHEMA)), (key, value)])
}

fn new_page(request: &Request) -> Page {
    let stdout = std::io::stdout();
    let colour = request.color.is_wanted(stdout.is_terminal());
    Page::new(Charset::from_env(), terminal_columns(&stdout), colour)
}

fn pages(worlds: &[World], request: &Request) -> String {
    let mut page = new_page(request);
    for (world, reference) in worlds.iter().zip(&request.words) {
        if worlds.len() > 1 {
            page.title(reference);
        }
        world.page(&mut page);
    }
    page.out
}
