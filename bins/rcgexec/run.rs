//! A program in transient groups: they are made with their limits, the program runs in them, and they are removed.

use std::cell::Cell;
use std::ffi::OsString;
use std::io::{Read, Write};
use std::time::{Duration, Instant};

use common::cgroup::collect::{self, Maker};
use common::cgroup::knobs::Limits;
use common::cgroup::layout::Layout;
use common::cgroup::plan::Plan;
use common::cgroup::scope;
use common::cgroup::transient::Transient;
use common::cgroup::usage::Usage;
use common::error::{Error, Result};
use common::launch::{self, Ended, Program, Watch};
use common::proc::{Proc, oom};
use common::sys;
use common::tool::{self, complain, print_lines};

use crate::cli::{Run, TOOL, Timeout};
use crate::report::{self, Facts};

/// The status of a program that was ended for its time, as of timeout(1).
const TIMED_OUT: u8 = 124;

/// The signal that cannot be caught.
const KILL: i32 = 9;

/// How often version 1, which does not tell, is asked whether the groups are empty.
const LOOK: Duration = Duration::from_millis(200);

/// Runs the program in transient groups. What is left in them when it has ended is ended too, and they are
/// removed.
pub(crate) fn run(
    proc: &Proc,
    layout: &Layout,
    asked: Run,
    words: Vec<OsString>,
    dry_run: bool,
) -> anyhow::Result<u8> {
    let program = Program::new(words)?;
    let Some(plan) = Plan::new(proc, layout, &asked.wanted, TOOL.name)? else {
        let scope = scope::Command::new(proc)?;
        if dry_run {
            print_lines(&[scope.describe()])?;
            return Ok(0);
        }
        return Err(scope.exec().into());
    };
    if dry_run {
        tell_lost(plan.lost());
        print_lines(&plan.describe())?;
        return Ok(0);
    }
    let sink = asked.report.as_ref().map(report::open).transpose()?;
    // By which we know that there was nothing to report of: closed by exec.
    let (mut unstarted, failed) = std::io::pipe().map_err(|e| Error::io("pipe", "", &e))?;
    // From here on no signal ends us, so the groups are removed whatever comes.
    let watch = Watch::begin()?;
    launch::adopt_orphans()?;
    let groups = plan.make(proc)?;
    tell_lost(groups.lost());
    let clock = Clock { timeout: asked.timeout, groups: &groups, stage: Cell::new(Stage::Before) };
    let after = clock.timeout.map(|timeout| timeout.after);
    let limits = &asked.wanted.limits;
    let begin = Instant::now();
    let mut ring = |child| {
        // Where no group could be had, and was not insisted on.
        if groups.is_empty() { clock.of_child(child) } else { clock.ring() }
    };
    let ended =
        watch.until_death(true).into_group(groups.birthplace()).alarmed(after, &mut ring).fork(|ready| {
            let ready = ready.and_then(|gate| {
                groups.join(gate)?;
                limit_ourselves(proc, limits)?;
                gate.die_with_parent(KILL)
            });
            let error = ready.err().unwrap_or_else(|| program.exec());
            let _ = (&failed).write_all(&[1]);
            tool::report(&TOOL, &error.into())
        });
    drop(failed);
    let ended = match (ended, asked.no_kill) {
        (Ok(ended), true) => clock.until_vacant(begin).map(|()| ended),
        (ended, _) => ended,
    };
    let wall = begin.elapsed();
    let timed_out = (clock.stage.get() != Stage::Before).then_some(after).flatten();
    let started = !unstarted.read(&mut [0]).is_ok_and(|length| length > 0);
    let facts = ended.as_ref().ok().filter(|_| started).map(|&ended| {
        groups.go_deep();
        // What is counted is complete when nobody is left.
        let left_killed = groups.life().and_then(|life| life.is_over()).is_ok_and(|over| !over);
        let all = groups.groups();
        let asked = sink.is_some() || ended != Ended::Exited(0);
        // To kill on version 1 means to let nobody fork, which is counted as well.
        let before = if asked { Usage::take_pids(&all) } else { Ok(Usage::default()) };
        clock.tell(groups.kill());
        let usage = match asked {
            true => before.and_then(|before| Ok(Usage::take(&all)?.with_pids_of(&before))),
            false => before,
        };
        let facts = |usage: Usage| Facts {
            words: program.words(),
            ended: Some(ended),
            status: status(ended, timed_out),
            timed_out,
            wall,
            // Where the limit could not be had there is nothing to say of swap.
            swap_is_as_it_was: limits.leaves_swap() && usage.memory_limit.is_some(),
            usage,
            left_killed,
            notes: Vec::new(),
        };
        usage.map(facts)
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
    if let Some(facts) = facts {
        let told = facts.and_then(|facts| {
            if facts.ended == Some(Ended::Killed(KILL))
                && let Some(line) = report::oom_line(&facts.usage)
            {
                complain(TOOL.name, &line, None);
            }
            sink.map_or(Ok(()), |sink| sink.write(&facts))
        });
        if let Err(e) = told {
            complain(TOOL.name, &format!("no report: {e}"), e.hint());
        }
    }
    Ok(status(ended?, timed_out))
}

/// What limits the program itself, which we become, once it is in its groups.
pub(crate) fn limit_ourselves(proc: &Proc, limits: &Limits) -> Result<()> {
    limits.oom_score_adj().map_or(Ok(()), |score| oom::adjust(proc, score))?;
    if limits.sets_cpus() { sys::use_all_cpus() } else { Ok(()) }
}

/// What we end with.
fn status(ended: Ended, timed_out: Option<Duration>) -> u8 {
    match (ended, timed_out) {
        (_, Some(_)) => TIMED_OUT,
        (Ended::Exited(status), None) => status,
        (Ended::Killed(signal), None) => 128 + signal as u8,
    }
}

fn tell_lost(lost: &[Error]) {
    for error in lost {
        complain(TOOL.name, &format!("{error}; going on without"), error.hint());
    }
}

/// How far the time has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Before,
    /// The signal was sent.
    Asked,
    /// What did not heed it was killed.
    Killed,
}

/// Ends the program when its time is over.
struct Clock<'a> {
    timeout: Option<Timeout>,
    groups: &'a Transient,
    stage: Cell<Stage>,
}

impl Clock<'_> {
    /// Does what is due, and answers after how long there is more.
    fn ring(&self) -> Option<Duration> {
        let timeout = self.timeout?;
        match self.stage.get() {
            Stage::Before => {
                self.stage.set(Stage::Asked);
                self.tell(self.groups.signal(timeout.signal));
                // What is stopped heeds it when it goes on.
                self.tell(self.groups.signal(launch::CONTINUE));
                timeout.kill_after
            }
            Stage::Asked => {
                self.stage.set(Stage::Killed);
                self.tell(self.groups.kill());
                None
            }
            Stage::Killed => None,
        }
    }

    /// The same to the program alone.
    fn of_child(&self, child: launch::Pid) -> Option<Duration> {
        let timeout = self.timeout?;
        let (next, signal, more) = match self.stage.get() {
            Stage::Before => (Stage::Asked, timeout.signal, timeout.kill_after),
            _ => (Stage::Killed, KILL, None),
        };
        self.stage.set(next);
        launch::send(child, signal);
        launch::send(child, launch::CONTINUE);
        more
    }

    fn tell(&self, done: Result<()>) {
        if let Err(e) = done {
            complain(TOOL.name, &e.to_string(), e.hint());
        }
    }

    /// Waits until what the program left behind has ended as well, its time is over, or a signal asks us to end.
    fn until_vacant(&self, begin: Instant) -> Result<()> {
        let life = self.groups.life()?;
        let due = |after: Duration| begin + after;
        let mut due = self.timeout.and_then(|timeout| match self.stage.get() {
            Stage::Before => Some(due(timeout.after)),
            Stage::Asked => timeout.kill_after.map(|more| due(timeout.after + more)),
            Stage::Killed => None,
        });
        while !life.is_over()? {
            let left = due.map(|due| due.saturating_duration_since(Instant::now()));
            if left == Some(Duration::ZERO) {
                due = self.ring().map(|after| Instant::now() + after);
                continue;
            }
            let look = life.change().is_none().then_some(LOOK);
            let limit = left.into_iter().chain(look).min();
            if launch::pause(life.change(), limit)?.is_some() {
                return Ok(());
            }
        }
        Ok(())
    }
}

/// Removes what runs that were killed have left.
pub(crate) fn collect(
    proc: &Proc,
    layout: &Layout,
    parent: Option<&[u8]>,
    dry_run: bool,
) -> anyhow::Result<u8> {
    let ours = Maker::ours(proc)?;
    let mut lines = Vec::new();
    let mut status = 0;
    for hierarchy in layout.hierarchies() {
        let places = match parent {
            Some(path) => hierarchy.top.descend(path).map(|group| vec![group]),
            None => scope::places(layout, hierarchy),
        };
        for place in places.unwrap_or_default() {
            let collected = collect::collect(&place, TOOL.name, proc, &ours, dry_run);
            lines.extend(collected.removed.iter().map(|path| [b"rmdir ", &path[..]].concat()));
            for failure in collected.failures {
                complain(TOOL.name, &failure.to_string(), failure.hint());
                status = tool::LAUNCHER;
            }
        }
    }
    print_lines(&lines)?;
    Ok(status)
}
