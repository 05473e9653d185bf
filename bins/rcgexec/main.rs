//! rcgexec: runs a program in control groups.

#![no_main]

mod cli;

use cli::{Controllers, Request, Spec, TOOL, What};
use common::cgroup::group::Group;
use common::cgroup::layout::{Hierarchy, Layout};
use common::cgroup::plan::Plan;
use common::error::{Error, Result};
use common::launch::{self, Ended, Program, Watch};
use common::proc::Proc;
use common::tool::{self, complain, print_lines};

common::entry!(|argv| tool::main(&TOOL, argv, cli::request, run));

fn run(request: Request) -> anyhow::Result<u8> {
    let layout = Layout::take(&Proc::system()?)?;
    let program = Program::new(request.words)?;
    match request.what {
        What::Join(specs) => {
            let groups = groups(&layout, &specs)?;
            if request.dry_run {
                let line =
                    |joined: &Joined| [b"write 0 to ", &joined.group.file("cgroup.procs")[..]].concat();
                return say(groups.iter().map(line).collect());
            }
            groups.iter().try_for_each(Joined::join)?;
            Err(program.exec().into())
        }
        What::Limit(wanted) => {
            let plan = Plan::new(&layout, &wanted, TOOL.name)?;
            match request.dry_run {
                true => say(plan.describe()),
                false => limit(plan, &program),
            }
        }
    }
}

/// A group that is to be joined, open, and the controllers it is joined for.
struct Joined {
    group: Group,
    controllers: Vec<Vec<u8>>,
}

impl Joined {
    fn open(hierarchy: &Hierarchy, path: &[u8], controllers: Vec<Vec<u8>>) -> Result<Joined> {
        match hierarchy.top.descend(path) {
            Ok(group) => Ok(Joined { group, controllers }),
            Err(e) => Err(e.of_controllers(&controllers)),
        }
    }

    fn join(&self) -> Result<()> {
        self.group.join().map_err(|e| e.of_controllers(&self.controllers))
    }
}

fn groups(layout: &Layout, specs: &[Spec]) -> Result<Vec<Joined>> {
    let mut groups = Vec::new();
    for Spec { controllers, path } in specs {
        match controllers {
            Controllers::All => {
                for hierarchy in layout.hierarchies() {
                    groups.push(Joined::open(hierarchy, path, hierarchy.controllers.clone())?);
                }
            }
            Controllers::V2 => {
                let v2 = layout.v2().ok_or_else(|| Error::refused("no hierarchy of version 2 is mounted"))?;
                groups.push(Joined::open(v2, path, Vec::new())?);
            }
            Controllers::Named(names) => {
                for name in names {
                    groups.push(Joined::open(layout.of(name)?, path, vec![name.clone()])?);
                }
            }
        }
    }
    Ok(groups)
}

/// Runs the program in transient groups. What is left in them when it has ended is ended too, and they are
/// removed.
fn limit(plan: Plan, program: &Program) -> anyhow::Result<u8> {
    // From here on no signal ends us, so the groups are removed whatever comes.
    let watch = Watch::begin()?;
    launch::adopt_orphans()?;
    let groups = plan.make()?;
    let ended = watch.fork(|ready| {
        let error = ready.and_then(|_| groups.join()).err().unwrap_or_else(|| program.exec());
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

fn say(lines: Vec<Vec<u8>>) -> anyhow::Result<u8> {
    print_lines(&lines)?;
    Ok(0)
}
