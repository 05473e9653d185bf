//! runshare: runs a program in new namespaces.

#![no_main]

mod cli;
mod steps;

use cli::{Request, TOOL};
use common::tool::{self, print_lines};
use steps::Plan;

common::entry!(|argv| tool::main(&TOOL, argv, cli::request, run));

fn run(request: Request) -> anyhow::Result<u8> {
    let explain = request.explain;
    let plan = Plan::open(request)?;
    if explain {
        print_lines(&plan.describe())?;
        return Ok(0);
    }
    plan.carry_out()
}
