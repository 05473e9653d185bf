//! nsinfo: shows the world of one process.

#![no_main]

mod cli;
mod report;
mod world;

use cli::{Request, TOOL};
use common::ns::refer::{self, Ref};
use common::proc::Proc;
use common::text::Charset;
use common::tool::{self, print};
use world::World;

common::entry!(|argv| tool::main(&TOOL, argv, cli::request, run));

fn run(request: Request) -> anyhow::Result<u8> {
    let proc = Proc::open(&request.proc)?;
    let task = refer::task(&proc, request.process.as_ref().unwrap_or(&Ref::This))?;
    let world = World::take(&proc, &task)?;
    print(&match request.json {
        true => report::json(&world).document(),
        false => report::page(&world, Charset::from_env()),
    })?;
    Ok(0)
}
