//! A program in transient groups: they are made with their limits, the program runs in them, and they are removed.

use std::ffi::OsString;
use std::time::{Duration, Instant};

use common::cgroup::group::Group;
use common::cgroup::layout::Layout;
use common::cgroup::plan::Plan;
use common::cgroup::usage::Usage;
use common::error::Error;
use common::launch::{self, Ended, Program, Watch};
use common::tool::{self, complain, print_lines};

use crate::cli::{Run, TOOL};
use crate::report::{self, Facts};

/// Runs the program in transient groups. What is left in them when it has ended is ended too, and they are
/// removed.
pub(crate) fn run(layout: &Layout, asked: Run, words: Vec<OsString>, dry_run: bool) -> anyhow::Result<u8> {
    let program = Program::new(words)?;
    let plan = Plan::new(layout, &asked.wanted, TOOL.name)?;
    if dry_run {
        print_lines(&plan.describe())?;
        return Ok(0);
    }
    let sink = asked.report.as_ref().map(report::open).transpose()?;
    // From here on no signal ends us, so the groups are removed whatever comes.
    let watch = Watch::begin()?;
    launch::adopt_orphans()?;
    let groups = plan.make()?;
    let start = Instant::now();
    let ended = watch.fork(|ready| {
        let error = ready.and_then(|_| groups.join()).err().unwrap_or_else(|| program.exec());
        tool::report(&TOOL, &error.into())
    });
    let wall = start.elapsed();
    let mut failed = None;
    if let (Some(sink), Ok(ended)) = (&sink, &ended) {
        let left: Vec<&Group> = groups.groups().collect();
        let before = Usage::take_pids(&left);
        left.iter().for_each(|group| drop(group.kill(Instant::now() + Duration::from_secs(5))));
        let status = match ended {
            Ended::Exited(status) => *status,
            Ended::Killed(signal) => 128 + *signal as u8,
        };
        let facts = |usage| Facts {
            words: program.words(),
            ended: Some(*ended),
            status,
            wall,
            usage,
            ..Facts::default()
        };
        let told = Usage::take(&left).and_then(|usage| {
            let usage = usage.with_pids_of(&before?);
            if *ended == Ended::Killed(9)
                && let Some(line) = report::oom_line(&usage)
            {
                complain(TOOL.name, &line, None);
            }
            sink.write(&facts(usage))
        });
        failed = told.err();
    }
    for failure in groups.end() {
        let why = failure.hint().map_or(String::new(), |hint| format!("; {hint}"));
        complain(
            TOOL.name,
            &failure.to_string(),
            Some(&format!("the group was left behind: remove it with rmdir{why}")),
        );
    }
    launch::bury_children();
    if let Some(e) = failed {
        complain(TOOL.name, &format!("no report: {e}"), e.hint());
    }
    Ok(match ended? {
        Ended::Exited(status) => status,
        Ended::Killed(signal) => 128 + signal as u8,
    })
}

/// Removes what runs that were killed have left.
pub(crate) fn collect(_layout: &Layout, _parent: Option<&[u8]>, _dry_run: bool) -> anyhow::Result<u8> {
    Err(Error::refused("not yet").into())
}
