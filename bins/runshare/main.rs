//! runshare: runs a program in new namespaces.

#![no_main]

mod cli;
mod steps;

use cli::{Request, TOOL};
use common::text::{Charset, show};
use common::tool::{self, print};
use steps::Plan;

common::entry!(|argv| tool::main(&TOOL, argv, cli::request, run));

fn run(request: Request) -> anyhow::Result<u8> {
    let explain = request.explain;
    let plan = Plan::open(request)?;
    if explain {
        let lines = plan.describe();
        print(&lines.iter().map(|line| show(line, Charset::from_env()) + "\n").collect::<String>())?;
        return Ok(0);
    }
    plan.carry_out()
}
