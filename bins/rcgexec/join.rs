//! Groups are joined, as by cgexec, and the program takes our place; or running processes are moved there.

use std::ffi::OsString;

use common::cgroup::daemon;
use common::cgroup::group::Version;
use common::cgroup::kept::{Grown, Growth};
use common::cgroup::layout::{Hierarchy, Layout};
use common::cgroup::moves::{Mover, Moves, Spot};
use common::error::{Error, Result};
use common::launch::Program;
use common::ns::refer::{self, Entry, Ref};
use common::proc::{Proc, Target};
use common::tool::{complain, print_lines};

use crate::cli::{Controllers, Join, Spec, TOOL};

/// Joins all groups that were asked for, and becomes the program; or moves the processes that were named. If that
/// fails, all is as it was.
pub(crate) fn join(
    proc: &Proc,
    layout: &Layout,
    asked: &Join,
    words: Vec<OsString>,
    dry_run: bool,
) -> anyhow::Result<u8> {
    let spots = spots(layout, &asked.specs)?;
    let growth = match asked.create {
        true => Growth::plan(&spots)?,
        false => Growth::default(),
    };
    let movers = match &asked.processes[..] {
        [] => vec![Mover::us(proc)?],
        processes => {
            let mover = |process: &Ref| Mover::process(target(proc, process)?, &spots, asked.force);
            processes.iter().map(mover).collect::<Result<_>>()?
        }
    };
    // Of a hierarchy that was named several times, the last.
    let last = |at: usize| !spots[at + 1..].iter().any(|later| is_same(later.hierarchy, spots[at].hierarchy));
    let joined: Vec<&Spot<'_>> = (0..spots.len()).filter(|&at| last(at)).map(|at| &spots[at]).collect();
    if !asked.create {
        // Also those that are not joined in the end.
        spots.iter().try_for_each(|spot| spot.open().map(drop).map_err(advise))?;
    }
    if dry_run {
        let mut lines = growth.describe();
        for mover in &movers {
            lines.extend(joined.iter().map(|spot| {
                let number = mover.number().as_bytes();
                [b"write ", number, b" to ", &spot.shown(), b"/cgroup.procs"].concat()
            }));
        }
        print_lines(&lines)?;
        return Ok(0);
    }
    let program = match asked.processes.is_empty() {
        true => Some(Program::new(words)?),
        false => None,
    };
    let grown = growth.make()?;
    match enter(layout, asked, &joined, &movers, program) {
        Ok(()) => Ok(0),
        Err(e) => {
            take_back(grown);
            Err(e.into())
        }
    }
}

/// Moves, and becomes the program if there is one.
fn enter(
    layout: &Layout,
    asked: &Join,
    spots: &[&Spot<'_>],
    movers: &[Mover],
    program: Option<Program>,
) -> Result<()> {
    let moves = Moves::open(layout, spots, movers)?;
    // As cgexec does without being asked: or the daemon would move the program away as soon as it is executed.
    for mover in movers.iter().filter(|_| asked.sticky || program.is_some()) {
        daemon::register(mover.pid(), asked.sticky)?;
    }
    moves.go()?;
    let Some(program) = program else { return Ok(()) };
    let error = program.exec();
    // Groups that were made can be removed only if nobody is in them.
    moves.back();
    Err(error)
}

/// Removes what was made for a run that failed.
fn take_back(grown: Grown) {
    for failure in grown.undo() {
        complain(TOOL.name, &failure.to_string(), Some("what --create made was not taken back"));
    }
}

/// The process that is named, held.
fn target(proc: &Proc, process: &Ref) -> Result<Target> {
    match refer::open(proc, process)? {
        Entry::Process(target) => Ok(target),
        Entry::Thread(..) | Entry::Namespace(_) => Err(Error::refused("--pid moves whole processes")
            .with_hint("name the process by its PID: all its threads are moved")),
    }
}

/// The groups that are named, one for each hierarchy and path, in the order of the request.
fn spots<'a>(layout: &'a Layout, specs: &[Spec]) -> Result<Vec<Spot<'a>>> {
    let mut spots: Vec<Spot<'a>> = Vec::new();
    for Spec { controllers, path } in specs {
        let pieces: Vec<&[u8]> =
            path.split(|&b| b == b'/').filter(|piece| !piece.is_empty() && *piece != b".").collect();
        let path = pieces.join(&b'/');
        let mut add = |hierarchy: &'a Hierarchy, controller: Option<&Vec<u8>>| {
            let known = spots
                .iter_mut()
                .rfind(|spot| is_same(spot.hierarchy, hierarchy))
                .filter(|spot| spot.path == path);
            match known {
                Some(spot) => spot
                    .controllers
                    .extend(controller.filter(|name| !spot.controllers.contains(name)).cloned()),
                None => spots.push(Spot {
                    hierarchy,
                    path: path.clone(),
                    controllers: controller.cloned().into_iter().collect(),
                }),
            }
        };
        match controllers {
            Controllers::All => {
                for hierarchy in all(layout, &path)? {
                    add(hierarchy, None);
                    hierarchy.controllers.iter().for_each(|name| add(hierarchy, Some(name)));
                }
            }
            Controllers::V2 => {
                let v2 = layout.v2().ok_or_else(|| Error::refused("no hierarchy of version 2 is mounted"))?;
                add(v2, None);
            }
            Controllers::Named(names) => {
                for name in names {
                    add(layout.of(name)?, Some(name));
                }
            }
        }
    }
    Ok(spots)
}

/// Every hierarchy that has controllers. Beside those of version 1, that of version 2 has few or none, and is meant only
/// if the group is there.
fn all<'a>(layout: &'a Layout, path: &[u8]) -> Result<Vec<&'a Hierarchy>> {
    let has_some = |hierarchy: &&Hierarchy| {
        hierarchy.top.version == Version::V1
            && hierarchy.controllers.iter().any(|name| !name.starts_with(b"name="))
    };
    let mut all: Vec<&Hierarchy> = layout.hierarchies().filter(has_some).collect();
    if let Some(v2) = layout.v2() {
        match v2.top.descend(path) {
            Err(e) if e.is_gone() && !all.is_empty() => {}
            // What else there is to say about it is said when it is joined.
            _ => all.push(v2),
        }
    }
    match all.is_empty() {
        true => Err(Error::refused("no cgroup file system is mounted: there are no controllers")
            .with_hint("mount -t cgroup2 none /sys/fs/cgroup")),
        false => Ok(all),
    }
}

fn is_same(one: &Hierarchy, other: &Hierarchy) -> bool {
    std::ptr::eq(one, other)
}

/// The same error with the advice for who joins.
fn advise(e: Error) -> Error {
    match e.is_gone() {
        true => e.with_hint("there is no such group; with --create it is made, and stays"),
        false => e,
    }
}
