//! A program in transient groups: they are made with their limits, the program runs in them, and they are removed.

use std::ffi::OsString;

use common::cgroup::layout::Layout;
use common::cgroup::plan::Plan;
use common::error::Error;
use common::launch::{self, Ended, Program, Watch};
use common::proc::{Proc, oom};
use common::sys;
use common::tool::{self, complain, print_lines};

use crate::cli::{Run, TOOL};

/// Runs the program in transient groups. What is left in them when it has ended is ended too, and they are
/// removed.
pub(crate) fn run(layout: &Layout, asked: Run, words: Vec<OsString>, dry_run: bool) -> anyhow::Result<u8> {
    let program = Program::new(words)?;
    let plan = Plan::new(layout, &asked.wanted, TOOL.name)?;
    if dry_run {
        print_lines(&plan.describe())?;
        return Ok(0);
    }
    // From here on no signal ends us, so the groups are removed whatever comes.
    let watch = Watch::begin()?;
    launch::adopt_orphans()?;
    let (limits, proc) = (&asked.wanted.limits, Proc::system()?);
    let groups = plan.make()?;
    // What limits the program itself, once it is in its groups.
    let own = || {
        limits.oom_score_adj().map_or(Ok(()), |score| oom::adjust(&proc, score))?;
        if limits.sets_cpus() { sys::use_all_cpus() } else { Ok(()) }
    };
    let ended = watch.fork(|ready| {
        let error =
            ready.and_then(|_| groups.join()).and_then(|()| own()).err().unwrap_or_else(|| program.exec());
        tool::report(&TOOL, &error.into())
    });
    for failure in groups.end() {
        let why = failure.hint().map_or(String::new(), |hint| format!("; {hint}"));
        complain(
            TOOL.name,
            &failure.to_string(),
            Some(&format!("the group was left behind: remove it with rmdir{why}")),
        );
    }
    launch::bury_children();
    Ok(match ended? {
        Ended::Exited(status) => status,
        Ended::Killed(signal) => 128 + signal as u8,
    })
}

/// Removes what runs that were killed have left.
pub(crate) fn collect(_layout: &Layout, _parent: Option<&[u8]>, _dry_run: bool) -> anyhow::Result<u8> {
    Err(Error::refused("not yet").into())
}
