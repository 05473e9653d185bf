//! Groups that are made to stay, with those above them, as by `mkdir -p`: planned whole, then made. What was made is
//! taken back if something fails later.

use std::time::{Duration, Instant};

use nix::errno::Errno;

use super::group::{Group, Version, while_busy};
use super::layout::Hierarchy;
use super::moves::Spot;
use crate::error::{Error, Result};

/// How long a group that was just left may stay busy.
const PATIENCE: Duration = Duration::from_secs(1);

/// All that has to be done, and nothing of it done yet.
#[derive(Debug, Default)]
pub struct Growth<'a> {
    steps: Vec<Step<'a>>,
}

#[derive(Debug)]
struct Step<'a> {
    hierarchy: &'a Hierarchy,
    /// Below the mount point, the group that is changed or below which one is made.
    path: Vec<u8>,
    controllers: Vec<Vec<u8>>,
    act: Act,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Act {
    Mkdir(Vec<u8>),
    /// `undo` is written to take it back, in a group that was there before.
    Write {
        file: String,
        value: String,
        undo: Option<String>,
    },
}

impl<'a> Growth<'a> {
    /// What is missing of these groups. On version 2 their controllers are handed on from the top down, never by a group
    /// with processes, but for the root; on version 1 a cpuset gets the CPUs and memory nodes of the one above.
    pub fn plan(spots: &[Spot<'a>]) -> Result<Growth<'a>> {
        let mut growth = Growth::default();
        for spot in spots {
            growth.add(spot).map_err(|e| e.of_controllers(&spot.controllers))?;
        }
        Ok(growth)
    }

    fn add(&mut self, spot: &Spot<'a>) -> Result<()> {
        let pieces: Vec<&[u8]> = spot.path.split(|&b| b == b'/').filter(|piece| !piece.is_empty()).collect();
        let mut there = Vec::new();
        for depth in 0..=pieces.len() {
            match spot.hierarchy.top.descend(&pieces[..depth].join(&b'/')) {
                Ok(group) => there.push(group),
                // The mount itself is there.
                Err(e) if e.errno() == Some(Errno::ENOENT) && depth > 0 => break,
                Err(e) => return Err(e),
            }
        }
        pieces[there.len() - 1..].iter().try_for_each(|piece| check(piece))?;
        let cpuset = spot.hierarchy.controllers.iter().any(|name| name == b"cpuset");
        for depth in 0..=pieces.len() {
            let path = pieces[..depth].join(&b'/');
            if depth >= there.len() {
                let (last, above) = (pieces[depth - 1], pieces[..depth - 1].join(&b'/'));
                self.step(spot, above, Act::Mkdir(last.to_vec()));
            }
            if spot.hierarchy.top.version == Version::V2 && depth < pieces.len() {
                self.hand_on(spot, path, there.get(depth))?;
            } else if cpuset && there.len() <= pieces.len() {
                self.fill(spot, path, &there, depth)?;
            }
        }
        Ok(())
    }

    fn step(&mut self, spot: &Spot<'a>, path: Vec<u8>, act: Act) {
        let hierarchy = spot.hierarchy;
        let known =
            |step: &Step<'_>| std::ptr::eq(step.hierarchy, hierarchy) && step.path == path && step.act == act;
        if !self.steps.iter().any(known) {
            self.steps.push(Step { hierarchy, path, controllers: spot.controllers.clone(), act });
        }
    }

    /// The group with this path is to have groups below it with these controllers.
    fn hand_on(&mut self, spot: &Spot<'a>, path: Vec<u8>, group: Option<&Group>) -> Result<()> {
        let handed_on = group.map(Group::handed_on).transpose()?.unwrap_or_default();
        let has = |controller: &Vec<u8>| handed_on.contains(controller);
        // By what is done before.
        let will_have = |controller: &Vec<u8>| {
            self.steps.iter().any(|step| {
                std::ptr::eq(step.hierarchy, spot.hierarchy)
                    && step.path == path
                    && matches!(&step.act, Act::Write { value, .. }
                        if value.split(' ').any(|word| word.as_bytes().strip_prefix(b"+") == Some(controller)))
            })
        };
        let missing: Vec<&Vec<u8>> =
            spot.controllers.iter().filter(|name| !has(name) && !will_have(name)).collect();
        if missing.is_empty() {
            return Ok(());
        }
        if let Some(group) = group
            && group.is_inhabited()?
        {
            let names = missing.iter().map(|name| &name[..]).collect::<Vec<_>>().join(&b' ');
            let what = [b"controller ", &names[..], b" cannot be handed on by ", &group.path].concat();
            return Err(Error::refused([what, b": it has processes".to_vec()].concat())
                .with_hint("name a group that is not below one with processes"));
        }
        let signed = |sign: u8| {
            let names = missing.iter().map(|name| [&[sign], &name[..]].concat());
            String::from_utf8_lossy(&names.collect::<Vec<_>>().join(&b' ')).into_owned()
        };
        let file = "cgroup.subtree_control".to_string();
        let undo = group.map(|_| signed(b'-'));
        self.step(spot, path, Act::Write { file, value: signed(b'+'), undo });
        Ok(())
    }

    /// The cpuset with this path is to have what the nearest one above has that has any.
    fn fill(&mut self, spot: &Spot<'a>, path: Vec<u8>, there: &[Group], depth: usize) -> Result<()> {
        for what in ["cpus", "mems"] {
            // A mount with the option noprefix.
            let file = match there[0].has(&format!("cpuset.{what}"))? {
                true => format!("cpuset.{what}"),
                false => what.to_string(),
            };
            let group = there.get(depth);
            if group.map(|group| group.read(&file)).transpose()?.is_some_and(|value| !value.is_empty()) {
                continue;
            }
            let mut value = Vec::new();
            for above in there.iter().take(depth).rev() {
                value = above.read(&file)?;
                if !value.is_empty() {
                    break;
                }
            }
            let value = String::from_utf8_lossy(&value).into_owned();
            self.step(spot, path.clone(), Act::Write { file, value, undo: group.map(|_| "\n".to_string()) });
        }
        Ok(())
    }

    /// Every directory and write, as a person would type them.
    pub fn describe(&self) -> Vec<Vec<u8>> {
        let line = |step: &Step<'_>| {
            let pieces = step.path.split(|&b| b == b'/').filter(|piece| !piece.is_empty());
            let group = pieces.fold(step.hierarchy.top.path.clone(), |path, piece| {
                [path.strip_suffix(b"/").unwrap_or(&path), b"/", piece].concat()
            });
            match &step.act {
                Act::Mkdir(name) => [b"mkdir ", &group[..], b"/", name].concat(),
                Act::Write { file, value, .. } => {
                    [b"write ", value.as_bytes(), b" to ", &group, b"/", file.as_bytes()].concat()
                }
            }
        };
        self.steps.iter().map(line).collect()
    }

    /// Does it. On an error nothing of it is left.
    pub fn make(self) -> Result<Grown> {
        let mut grown = Grown { done: Vec::new() };
        for step in &self.steps {
            if let Err(e) = grown.take(step) {
                grown.undo();
                return Err(e.of_controllers(&step.controllers));
            }
        }
        Ok(grown)
    }
}

/// What was made.
#[derive(Debug)]
pub struct Grown {
    done: Vec<Done>,
}

#[derive(Debug)]
enum Done {
    /// A group with this name below this one.
    Made(Group, Vec<u8>),
    /// The file of a group, and what is written to it to take that back.
    Wrote(Group, String, String),
}

impl Grown {
    fn take(&mut self, step: &Step<'_>) -> Result<()> {
        let group = step.hierarchy.top.descend(&step.path)?;
        match &step.act {
            Act::Mkdir(name) => match group.make_kept(name) {
                Ok(_) => self.done.push(Done::Made(group, name.clone())),
                // Somebody else was faster.
                Err(e) if e.errno() == Some(Errno::EEXIST) => {}
                Err(e) => return Err(e),
            },
            Act::Write { file, value, undo } => {
                group.write(file, value)?;
                if let Some(undo) = undo {
                    self.done.push(Done::Wrote(group, file.clone(), undo.clone()));
                }
            }
        }
        Ok(())
    }

    /// Takes all back; answers what could not be done.
    pub fn undo(self) -> Vec<Error> {
        // Who has just left can be there for a moment.
        let undo = |done: Done| {
            let undone = while_busy(Instant::now() + PATIENCE, || match &done {
                Done::Wrote(group, file, value) => group.write(file, value),
                Done::Made(group, name) => group.remove_empty(name),
            });
            undone.err()
        };
        self.done.into_iter().rev().filter_map(undo).collect()
    }
}

/// A name that a file of the kernel may have, now or in a later version, is none for a group.
fn check(name: &[u8]) -> Result<()> {
    let reserved = name.starts_with(b"cgroup.") || name == b"tasks" || name == b"release_agent";
    match reserved || name.contains(&b'\n') {
        true => Err(Error::refused([b"no group can be called ", name].concat())
            .with_hint("files of the kernel are called so, and a name is one line")),
        false => Ok(()),
    }
}
