//! A named group is made, or gets other limits, and processes are moved into it, all or nothing.

use std::time::{Duration, Instant};

use nix::errno::Errno;

use super::super::group::{Version, is_removed};
use super::super::knobs::{Limits, Setting};
use super::super::layout::Hierarchy;
use super::super::unit;
use super::work::{Spot, Work};
use super::{Place, State, USUAL, foreign, is_begun, is_sealed, listed, visit, wait_for_others};
use crate::error::{Error, Result};
use crate::proc::Task;
use crate::proc::target::Target;

/// How often it is begun anew because others have removed what we wanted to make it in.
const TRIES: u32 = 50;

/// What is wanted of a named group.
pub struct Asked<'a> {
    /// Its name.
    pub name: &'a str,
    /// Limits that are set.
    pub limits: &'a Limits,
    /// Go on without what cannot be had.
    pub best_effort: bool,
    /// Must it be there already?
    pub must_exist: bool,
    /// Move processes that systemd manages too.
    pub force: bool,
}

/// A directory of the group in a hierarchy.
struct Branch<'a> {
    hierarchy: &'a Hierarchy,
    spot: Spot,
    /// Is it not complete yet?
    new: bool,
}

impl<'a> Place<'a> {
    /// Makes a group if it is not there, sets its limits, and moves these processes into it. Nobody else changes the group
    /// until what this answers is dropped, or we execute another program. On an error all is as it was before.
    pub fn settle(&self, asked: &Asked, members: &[Target], work: &mut Work) -> Result<Settled> {
        let mut tries = 0;
        loop {
            let done = work.all(|work| {
                let branches = self.branches(asked, work)?;
                self.move_in(asked, &branches, members, work)?;
                Ok(Settled { _locks: branches.into_iter().filter_map(|branch| branch.spot.group).collect() })
            });
            match done {
                Err(e) if is_removed(&e) && !work.dry && tries < TRIES => {
                    tries += 1;
                    std::thread::sleep(Duration::from_millis(2));
                }
                done => return done,
            }
        }
    }

    /// The directories of the group, with their limits, its home first.
    fn branches(&self, asked: &Asked, work: &mut Work) -> Result<Vec<Branch<'a>>> {
        let there = || -> Result<Vec<&'a Hierarchy>> {
            Ok(self.parts(asked.name, true)?.into_iter().map(|part| part.hierarchy).collect())
        };
        let mut known = there()?;
        if known.is_empty() && asked.must_exist {
            return Err(self.unknown(asked.name));
        }
        let mut wanted: Vec<(&'a Hierarchy, Vec<String>)> = Vec::new();
        for controller in asked.limits.controllers() {
            let Some(hierarchy) =
                work.or_complain(asked.best_effort, self.layout.of(controller.as_bytes()))?
            else {
                continue;
            };
            match wanted.iter_mut().find(|(known, _)| std::ptr::eq(*known, hierarchy)) {
                Some((_, controllers)) => controllers.push(controller),
                None => wanted.push((hierarchy, vec![controller])),
            }
        }
        let home = self.home_of(&known, &wanted)?;
        let of = |hierarchy: &Hierarchy| {
            let of = wanted.iter().find(|(known, _)| std::ptr::eq(*known, hierarchy));
            of.map_or(&[][..], |(_, controllers)| controllers)
        };
        let mut branches = vec![self.branch(asked, home, of(home), true, work)?];
        if !work.dry {
            // Others can have made or removed it until we had it.
            known = there()?;
            let same = std::ptr::eq(self.home_of(&known, &wanted)?, home);
            if !same || (known.is_empty() && asked.must_exist) {
                return Err(Error::sys("open", format!("group {}", asked.name), Errno::ENODEV));
            }
        }
        for hierarchy in known.into_iter().chain(wanted.iter().map(|(hierarchy, _)| *hierarchy)) {
            if branches.iter().any(|known| std::ptr::eq(known.hierarchy, hierarchy)) {
                continue;
            }
            let branch = self.branch(asked, hierarchy, of(hierarchy), false, work);
            branches.extend(work.or_complain(asked.best_effort, branch)?);
        }
        Ok(branches)
    }

    /// Where it will be known who is in the group: where it is so now, else in the first hierarchy that can do that and in
    /// which there is a place for it.
    fn home_of(
        &self,
        there: &[&'a Hierarchy],
        wanted: &[(&'a Hierarchy, Vec<String>)],
    ) -> Result<&'a Hierarchy> {
        if let Some(home) = there.first() {
            return Ok(home);
        }
        self.layout.check_v2()?;
        let mut refusal = None;
        let able = self.hierarchies().into_iter().filter(|hierarchy| super::can_freeze(hierarchy));
        for hierarchy in able.chain(wanted.iter().map(|(hierarchy, _)| *hierarchy)) {
            match self.base(hierarchy) {
                Ok(_) => return Ok(hierarchy),
                Err(e) if e.is_our_own() => return Err(e),
                Err(e) => refusal = refusal.or(Some(e)),
            }
        }
        Err(refusal.unwrap_or_else(|| {
            Error::refused("no cgroup file system is mounted")
                .with_hint("mount -t cgroup2 none /sys/fs/cgroup")
        }))
    }

    /// The directory in one hierarchy, made and limited. That of the home is locked first.
    fn branch(
        &self,
        asked: &Asked,
        hierarchy: &'a Hierarchy,
        controllers: &[String],
        is_home: bool,
        work: &mut Work,
    ) -> Result<Branch<'a>> {
        let (base, usual) = self.base(hierarchy)?;
        let mut above = Vec::new();
        if hierarchy.top.version == Version::V2 && !controllers.is_empty() {
            for group in hierarchy.chain(&base) {
                above.push(Spot::there(group?));
            }
        }
        let mut parent = Spot::there(base);
        if usual {
            let spot = work.make(&parent, USUAL)?;
            work.fill_cpuset(hierarchy, &parent, &spot)?;
            parent = spot;
        }
        let mut had = Vec::new();
        for controller in controllers {
            let handed_on = match hierarchy.top.version {
                Version::V1 => Ok(()),
                Version::V2 => {
                    let mut chain = above.iter().chain(usual.then_some(&parent));
                    chain.try_for_each(|spot| work.hand_on(hierarchy, spot, controller, usual))
                }
            };
            had.extend(work.or_complain(asked.best_effort, handed_on.map(|()| controller))?);
        }
        let name = |e: Error| e.of_controllers(controllers);
        let spot = self.open(asked.name, &parent, is_home, work).map_err(name)?;
        let new = spot.group.as_ref().map_or(Ok(true), |group| is_sealed(group).map(|sealed| !sealed))?;
        work.fill_cpuset(hierarchy, &parent, &spot)?;
        let mut settings: Vec<Setting> = Vec::new();
        for controller in had {
            let of = asked.limits.settings(controller, hierarchy.top.version);
            settings.extend(work.or_complain(asked.best_effort, of)?.unwrap_or_default());
        }
        work.limit(&spot, &settings, new, asked.best_effort)?;
        Ok(Branch { hierarchy, spot, new })
    }

    /// Opens or makes the group's directory. Who has the home's lock has the group.
    fn open(&self, name: &str, parent: &Spot, is_home: bool, work: &mut Work) -> Result<Spot> {
        let begun = Instant::now();
        loop {
            let spot = work.make(parent, name)?;
            let (Some(group), Some(above)) = (&spot.group, &parent.group) else { return Ok(spot) };
            if !is_begun(group)? {
                return Err(foreign(group));
            }
            if !is_home || work.dry || group.hold(above)? {
                return Ok(spot);
            }
            // Whoever has it finds that it is not complete, and completes or removes it.
            work.leave(group);
            wait_for_others(name, begun)?;
        }
    }

    /// Moves processes into all directories, and into those that are new also who was in the group before.
    fn move_in(
        &self,
        asked: &Asked,
        branches: &[Branch<'a>],
        members: &[Target],
        work: &mut Work,
    ) -> Result<()> {
        members.iter().try_for_each(movable)?;
        if !asked.force {
            let inside: Vec<_> =
                branches.iter().map(|branch| (branch.hierarchy, &branch.spot.path[..])).collect();
            members.iter().try_for_each(|target| unit::leaves(target, &inside))?;
        }
        if let Some(Branch { new: false, hierarchy, spot: Spot { group: Some(home), .. }, .. }) =
            branches.first()
        {
            let us = std::process::id() as i32;
            let state = State::of(hierarchy, home)?;
            if state != Some(State::Running)
                && state.is_some()
                && members.iter().any(|target| target.pid == us)
            {
                return Err(Error::refused(format!("the group {} is frozen", asked.name)).with_hint(
                    format!("the program would stand still before it began: --thaw {} first", asked.name),
                ));
            }
            self.move_members(home, branches, work)?;
        }
        for target in members {
            for branch in branches {
                work.carry(target, branch.hierarchy, &branch.spot)?;
            }
        }
        branches.iter().filter_map(|branch| branch.spot.group.as_ref()).try_for_each(|group| work.seal(group))
    }

    /// Moves who is in the home already into the directories that are new. Once more if some were born meanwhile.
    fn move_members(&self, home: &super::Group, branches: &[Branch<'a>], work: &mut Work) -> Result<()> {
        let new: Vec<_> = branches[1..].iter().filter(|branch| branch.new).collect();
        let mut moved: Vec<i32> = Vec::new();
        while !new.is_empty() {
            let mut pids = Vec::new();
            visit(home, &mut |group| {
                pids.extend(listed(group)?);
                Ok(())
            })?;
            pids.retain(|pid| !moved.contains(pid));
            if pids.is_empty() {
                break;
            }
            for pid in pids {
                moved.push(pid);
                if pid == 0 {
                    return Err(Error::refused("processes in it are outside of our pid namespace")
                        .with_hint("run this in the pid namespace of the machine"));
                }
                let target = match Target::open(work.proc, pid) {
                    Err(e) if e.is_gone() => continue,
                    target => target?,
                };
                for branch in &new {
                    match work.carry(&target, branch.hierarchy, &branch.spot) {
                        Err(e) if e.errno() == Some(Errno::ESRCH) => break,
                        answer => answer?,
                    }
                }
            }
        }
        Ok(())
    }
}

/// A named group that we have, so that nobody else changes it.
pub struct Settled {
    _locks: Vec<super::Group>,
}

/// Can the kernel move it at all?
fn movable(target: &Target) -> Result<()> {
    match target.task.stat()?.of_kernel {
        true => Err(Error::refused(format!("process {} is a thread of the kernel", target.pid))
            .with_hint("the kernel keeps its threads in the groups that it chose")),
        false => Ok(()),
    }
}

/// Takes hold of us, to be moved.
pub fn ourselves(work: &Work) -> Result<Target> {
    let this: Task = work.proc.this()?;
    Target::of(work.proc, &this)?.ok_or_else(|| {
        Error::refused("this /proc counts in another pid namespace").with_hint("mount one of this namespace")
    })
}
