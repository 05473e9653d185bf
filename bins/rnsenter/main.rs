//! rnsenter: runs a program in namespaces of other processes.

#![no_main]

mod cli;
mod steps;

use cli::{Request, TOOL};
use common::tool::{self, print_lines};
use steps::Plan;

common::entry!(|argv| tool::main(&TOOL, argv, cli::request, run));

fn run(request: Request) -> anyhow::Result<u8> {
    let dry_run = request.dry_run;
    let plan = Plan::open(request)?;
    if dry_run {
        let (lines, refused) = plan.rehearse();
        print_lines(&lines)?;
        return refused.map_or(Ok(0), |error| Err(error.into()));
    }
    plan.carry_out()
}
