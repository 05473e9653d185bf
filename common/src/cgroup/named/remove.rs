//! A named group is removed: nobody is killed, all go back to where they came from.

use std::rc::Rc;
use std::time::{Duration, Instant};

use nix::errno::Errno;

use super::super::callers::Callers;
use super::super::group::{Group, PATIENCE, is_removed};
use super::super::layout::Hierarchy;
use super::origin::{Born, Origins};
use super::work::{Work, is_within, path_of};
use super::{NamedGroup, Part, Place, USUAL, is_begun, listed, visit};
use crate::error::{Error, Result};
use crate::proc::credentials;
use crate::proc::groups::Line;
use crate::proc::target::Target;

/// A process of the group, and where it is to go.
struct Move {
    target: Target,
    born: Born,
    inside: Rc<Group>,
    to: Rc<Group>,
}

impl Place<'_> {
    /// Removes the group of this name. Its live processes are moved to where each came from; one that was born inside goes
    /// where the nearest above it came from. If that cannot be done for all, nothing is changed, and the error has their
    /// PIDs.
    pub fn remove(&self, name: &str, work: &mut Work) -> Result<()> {
        let mut group = if work.dry { self.found(name, false)? } else { self.seize(name)? };
        group.trusted()?;
        // Version 1 lets go of the home last, as long as which we have the group.
        work.all(|work| group.empty_and_remove(work))?;
        work.done();
        if self.parent.is_none() {
            self.remove_usual(work)?;
        }
        Ok(())
    }

    /// Removes the usual place too, if we made it and it is empty now.
    fn remove_usual(&self, work: &mut Work) -> Result<()> {
        for hierarchy in self.hierarchies() {
            let Ok((base, true)) = self.base(hierarchy) else { continue };
            let Ok(usual) = base.descend(USUAL.as_bytes()) else { continue };
            let ours = is_begun(&usual).unwrap_or(false);
            if work.dry {
                if ours {
                    work.say([b"rmdir ", &usual.path[..], b" if it is empty"].concat());
                }
                continue;
            }
            if ours && usual.processes().is_ok_and(|pids| pids.is_empty()) {
                // The kernel refuses if there is another named group.
                let _ = base.remove_empty(USUAL.as_bytes());
                // Who made room for it comes back, if nobody else needs that.
                if let Some(callers) = Callers::of(&base)? {
                    callers.move_up()?;
                }
            }
        }
        Ok(())
    }
}

impl NamedGroup<'_> {
    /// What it remembers of its processes can be written by who owns it: it must not lead us to move them where he could not.
    fn trusted(&self) -> Result<()> {
        for part in &self.parts {
            if !part.group.is_ours(credentials::owner(), false)? {
                let owner = part.group.owner_of(".")?;
                return Err(Error::refused(
                    [b"the group ", &part.group.path[..], b" can be changed by others"].concat(),
                )
                .with_hint(format!("it belongs to user id {owner}, who can remove it")));
            }
        }
        Ok(())
    }

    fn empty_and_remove(&mut self, work: &mut Work) -> Result<()> {
        let end = Instant::now() + PATIENCE;
        let mut pause = Duration::from_millis(1);
        if work.dry {
            for part in &self.parts {
                for Move { target, born, inside, to } in self.moves(part, work)? {
                    work.carry_out(&target, born, &inside, &to)?;
                }
            }
            for part in self.parts.iter().rev() {
                visit(&part.group, &mut |group| {
                    work.say([b"rmdir ", &group.path[..]].concat());
                    Ok(())
                })?;
            }
            return Ok(());
        }
        // The home last: by that the others know the group, and that we have it.
        while let Some(part) = self.parts.last() {
            let mut moves = Vec::new();
            for part in &self.parts {
                moves.extend(self.moves(part, work)?);
            }
            for Move { target, born, inside, to } in &moves {
                work.carry_out(target, *born, inside, to).map_err(|e| {
                    let why =
                        format!("group {} stays, process {} cannot go back: {e}", self.name, target.pid);
                    let hint = e.hint().unwrap_or("--kill ends its processes").to_string();
                    Error::refused(why).with_hint(hint)
                })?;
            }
            match clear(&part.group, &part.parent) {
                Ok(()) => {
                    self.parts.pop();
                    continue;
                }
                Err(e) if e.errno() == Some(Errno::EBUSY) && Instant::now() < end => {}
                Err(e) if e.errno() == Some(Errno::EBUSY) => {
                    return Err(e.with_hint(
                        "something in it is not seen from here, such as a process of another pid namespace, or is born faster than it can be moved",
                    ));
                }
                Err(e) => return Err(e),
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(50));
        }
        Ok(())
    }

    /// Where those who are in a directory now are to go. An error with the PIDs of those for whom that is not known, or who
    /// cannot go there.
    fn moves(&self, part: &Part, work: &Work) -> Result<Vec<Move>> {
        let origins = Origins::of(&part.group)?;
        let mut groups: Vec<(Vec<u8>, Rc<Group>)> = Vec::new();
        let mut moves = Vec::new();
        let mut stuck: Vec<(String, String)> = Vec::new();
        visit(&part.group, &mut |group| {
            let pids = listed(group)?;
            if pids.is_empty() {
                return Ok(());
            }
            let inside = Rc::new(group.descend(b"")?);
            let mut held = Vec::new();
            for pid in pids {
                match Target::open(work.proc, pid) {
                    _ if pid == 0 => stuck.push(("0".into(), "it is outside of our pid namespace".into())),
                    Err(e) if e.is_gone() => {}
                    target => held.push(target?),
                }
            }
            // A PID can be somebody else's by now; who is still listed is held.
            let still = listed(group)?;
            for target in held.into_iter().filter(|target| still.contains(&target.pid)) {
                let Ok(stat) = target.task.stat() else { continue };
                let born = (target.pid, stat.start);
                let Some(path) = origins.way_back(work.proc, born) else {
                    stuck.push((target.pid.to_string(), "it is not known where it came from".into()));
                    continue;
                };
                let to = match groups.iter().find(|(known, _)| known == path) {
                    Some((_, to)) => to.clone(),
                    None => match destination(part.hierarchy, path, &part.group) {
                        Ok(to) => {
                            groups.push((path.to_vec(), Rc::new(to)));
                            groups[groups.len() - 1].1.clone()
                        }
                        Err(e) => {
                            stuck.push((target.pid.to_string(), e.to_string()));
                            continue;
                        }
                    },
                };
                moves.push(Move { target, born, inside: inside.clone(), to });
            }
            Ok(())
        })?;
        let Some((_, why)) = stuck.first() else { return Ok(moves) };
        let pids: Vec<&str> = stuck.iter().map(|(pid, _)| &pid[..]).collect();
        Err(Error::refused(format!(
            "group {} stays, these processes cannot go back: {} ({why})",
            self.name,
            pids.join(" ")
        ))
        .with_hint("move them with -g CONTROLLERS:PATH --pid PID, or end them with --kill"))
    }
}

/// The group that a process is to go back to.
fn destination(hierarchy: &Hierarchy, path: &[u8], group: &Group) -> Result<Group> {
    if is_within(path, &path_of(hierarchy, &group.path)) {
        return Err(Error::refused("it came from this group itself"));
    }
    let controllers = hierarchy.controllers.clone();
    let to = hierarchy.group_of(&Line { hierarchy: 0, controllers, path: path.to_vec() })?;
    // Asked before anything is moved: the kernel looks at our right when it is opened.
    to.open_procs()?;
    Ok(to)
}

/// Removes a group and those below it.
fn clear(group: &Group, parent: &Group) -> Result<()> {
    for child in group.children()? {
        match child.and_then(|child| clear(&child, group)) {
            Err(e) if is_removed(&e) => {}
            answer => answer?,
        }
    }
    parent.remove_empty(group.name())
}
