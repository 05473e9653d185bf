//! Processes are moved into groups, all of them into all or none into any: everything is opened before the first write,
//! the ways back too.

use std::os::fd::OwnedFd;

use nix::errno::Errno;

use super::group::{Group, Version};
use super::layout::{Hierarchy, Layout};
use super::unit;
use crate::error::{Error, Result};
use crate::proc::groups::Line;
use crate::proc::{Proc, Target};

/// A group that was named, in its hierarchy; it need not be there yet.
#[derive(Debug)]
pub struct Spot<'a> {
    /// Where it is.
    pub hierarchy: &'a Hierarchy,
    /// Its path below the mount point, without `/` in front, behind or doubled.
    pub path: Vec<u8>,
    /// The controllers for which it was named; empty for the hierarchy as a whole.
    pub controllers: Vec<Vec<u8>>,
}

impl Spot<'_> {
    /// The group, if processes may come in. One that hands controllers on to groups below it may not have any: some
    /// controllers would let it, and turn it into a threaded one. Source: cgroup-v2.rst, "No Internal Process Constraint".
    pub fn open(&self) -> Result<Group> {
        let name = |e: Error| e.of_controllers(&self.controllers);
        let group = self.hierarchy.top.descend(&self.path).map_err(name)?;
        if group.version == Version::V1 || group.is_real_root().map_err(name)? {
            return Ok(group);
        }
        let known = group.controllers().map_err(name)?;
        if let Some(missing) = self.controllers.iter().find(|name| !known.contains(name)) {
            return Err(self.why_missing(&group, missing));
        }
        let handed_on = group.handed_on().map_err(name)?.join(&b' ');
        if !handed_on.is_empty() && group.read("cgroup.type").map_err(name)? == b"domain" {
            let what = [&group.path[..], b" hands on ", &handed_on, b" to groups below it"].concat();
            return Err(Error::refused(what)
                .with_hint("such a group cannot have processes of its own: join one below it"));
        }
        Ok(group)
    }

    /// Where it is, for people.
    pub fn shown(&self) -> Vec<u8> {
        let point = &self.hierarchy.top.path;
        let point = point.strip_suffix(b"/").unwrap_or(point);
        match self.path.is_empty() {
            true => point.to_vec(),
            false => [point, b"/", &self.path].concat(),
        }
    }

    /// Which group above does not hand the controller on.
    fn why_missing(&self, group: &Group, controller: &[u8]) -> Error {
        let mut found = group.file("cgroup.controllers");
        for above in self.hierarchy.chain(group).map_while(Result::ok) {
            if !above.handed_on().unwrap_or_default().iter().any(|name| name == controller) {
                found = above.file("cgroup.subtree_control");
                break;
            }
        }
        let what = [b"group ", &group.path[..], b" is without controller ", controller];
        Error::refused([&what.concat()[..], b": it is missing in ", &found].concat())
            .with_hint("--create hands it on, where no group on the way has processes")
    }
}

/// The file by which processes come into a group, open.
#[derive(Debug)]
struct Door {
    group: Group,
    controllers: Vec<Vec<u8>>,
    procs: OwnedFd,
}

impl Door {
    fn open(group: Group, controllers: &[Vec<u8>]) -> Result<Door> {
        let procs = group.open_procs().map_err(|e| {
            let e = group.why_not_joined(e).of_controllers(controllers);
            match e.errno() {
                Some(Errno::EROFS) => e.with_hint("this cgroup mount is read-only, as in most containers"),
                _ => e,
            }
        })?;
        Ok(Door { group, controllers: controllers.to_vec(), procs })
    }

    fn admit(&self, who: &str) -> Result<()> {
        let written = nix::unistd::write(&self.procs, who.as_bytes()).map(drop);
        written.map_err(|e| {
            let to = [who.as_bytes(), b" to ", &self.group.file("cgroup.procs")].concat();
            let error = self.group.why_not_joined(Error::sys("write", to, e)).of_controllers(&self.controllers);
            match e {
                Errno::EINVAL => error.with_hint(
                    "kernel threads cannot be moved, nor real-time ones to where there is no cpu.rt_runtime_us",
                ),
                _ => error,
            }
        })
    }
}

/// Who is moved.
#[derive(Debug)]
pub struct Mover {
    /// What is written for it.
    number: String,
    lines: Vec<Line>,
    held: Option<Target>,
}

impl Mover {
    /// We ourselves, with all threads.
    pub fn us(proc: &Proc) -> Result<Mover> {
        Ok(Mover { number: "0".to_string(), lines: Line::of(&proc.this()?)?, held: None })
    }

    /// Another process, with all threads. Refused is one that systemd manages, which would count and limit it where it
    /// is not any more, unless it is to be moved by force.
    pub fn process(target: Target, to: &[Spot<'_>], force: bool) -> Result<Mover> {
        if !force {
            let paths: Vec<_> = to.iter().map(|spot| (spot.hierarchy, spot.shown())).collect();
            let paths: Vec<_> = paths.iter().map(|(hierarchy, path)| (*hierarchy, &path[..])).collect();
            unit::leaves(&target, &paths)?;
        }
        let lines = Line::of(&target.task)?;
        Ok(Mover { number: target.pid.to_string(), lines, held: Some(target) })
    }

    /// What is written to move it: its PID, or 0 for us.
    pub fn number(&self) -> &str {
        &self.number
    }

    /// Its PID.
    pub fn pid(&self) -> i32 {
        self.held.as_ref().map_or_else(|| std::process::id() as i32, |target| target.pid)
    }

    /// The group that it is in now, in the hierarchy of this one.
    fn way_back(&self, layout: &Layout, spot: &Spot<'_>) -> Result<Door> {
        let controllers = &spot.hierarchy.controllers;
        let line = self.lines.iter().find(|line| line.controllers == *controllers);
        let line = line.ok_or_else(|| Error::refused("the group of the process is not known"))?;
        Door::open(layout.locate(line)?.1, controllers)
    }

    /// Fails if the process has ended, so that its number may be another's.
    fn lives(&self) -> Result<()> {
        match &self.held {
            Some(target) if !target.is_alive()? => {
                Err(Error::sys("move", format!("process {}", target.pid), Errno::ESRCH))
            }
            _ => Ok(()),
        }
    }
}

/// Processes and the groups into which they are moved, all open, and nothing done yet.
#[derive(Debug)]
pub struct Moves<'a> {
    movers: &'a [Mover],
    doors: Vec<Door>,
    steps: Vec<Step>,
}

/// One of the movers through one of the doors.
#[derive(Debug)]
struct Step {
    mover: usize,
    door: usize,
    /// The way back, where there is one.
    back: Option<Door>,
}

impl<'a> Moves<'a> {
    /// Opens the groups, and those in which the processes are now. Of us it does not matter whether there is a way
    /// back: we end if we cannot go on.
    pub fn open(layout: &Layout, spots: &[&Spot<'_>], movers: &'a [Mover]) -> Result<Moves<'a>> {
        let open = |spot: &&Spot<'_>| Door::open(spot.open()?, &spot.controllers);
        let doors = spots.iter().map(open).collect::<Result<Vec<_>>>()?;
        let mut steps = Vec::new();
        for (mover, who) in movers.iter().enumerate() {
            for (door, spot) in spots.iter().enumerate() {
                let last = steps.len() + 1 == movers.len() * doors.len();
                let back = match who.way_back(layout, spot) {
                    Err(e) if who.held.is_some() && !last => return Err(e),
                    back => back.ok(),
                };
                steps.push(Step { mover, door, back });
            }
        }
        Ok(Moves { movers, doors, steps })
    }

    /// Moves all. After an error nobody was moved; who could not be moved back is told in its advice.
    pub fn go(&self) -> Result<()> {
        for (done, step) in self.steps.iter().enumerate() {
            let mover = &self.movers[step.mover];
            // Before, that the number is nobody else's; and after, that it was not.
            let moved = mover.lives().and_then(|()| self.doors[step.door].admit(&mover.number));
            if let Err(e) = moved.and_then(|()| mover.lives()) {
                let stay = self.undo(done);
                return Err(match &stay[..] {
                    [] => e,
                    stay => {
                        let stay: Vec<String> = stay.iter().map(Error::to_string).collect();
                        e.with_hint(format!("not all could be moved back: {}", stay.join("; ")))
                    }
                });
            }
        }
        Ok(())
    }

    /// Moves all back; answers what could not be done.
    pub fn back(&self) -> Vec<Error> {
        self.undo(self.steps.len())
    }

    fn undo(&self, done: usize) -> Vec<Error> {
        let undo = |step: &Step| {
            let mover = &self.movers[step.mover];
            match &step.back {
                // Who has ended needs no way back.
                _ if mover.lives().is_err() => Ok(()),
                Some(back) => back.admit(&mover.number),
                None => Err(Error::refused("our own group before cannot be reached")),
            }
        };
        self.steps[..done].iter().rev().filter_map(|step| undo(step).err()).collect()
    }
}
