//! rcgexec: runs a program in control groups.

#![no_main]

mod cli;
mod join;
mod named;
mod report;
mod run;

use cli::{Request, TOOL, What};
use common::cgroup::layout::Layout;
use common::proc::Proc;
use common::tool;

common::entry!(|argv| tool::main(&TOOL, argv, cli::request, answer));

fn answer(request: Request) -> anyhow::Result<u8> {
    let proc = Proc::system()?;
    let layout = Layout::take(&proc)?;
    let Request { what, dry_run, words } = request;
    match what {
        What::Join(asked) => join::join(&proc, &layout, &asked, words, dry_run),
        What::Run(asked) => run::run(&proc, &layout, asked, words, dry_run),
        What::Named(asked) => named::act(&proc, &layout, asked, words, dry_run),
        What::Collect { parent } => run::collect(&proc, &layout, parent.as_deref(), dry_run),
    }
}
