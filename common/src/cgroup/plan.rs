//! Transient groups: planned whole, before any of them is made.

use nix::errno::Errno;

use super::callers;
use super::collect::Maker;
use super::group::{Group, Version};
use super::knobs::{Limits, Setting};
use super::layout::{Hierarchy, Layout};
use super::place::{self, Place};
use super::{scope, set};
use crate::error::{Error, Result};
use crate::proc::Proc;

/// What is wanted of the groups.
#[derive(Debug, Default)]
pub struct Wanted {
    /// The limits.
    pub limits: Limits,
    /// Controllers, each with the group below which its transient one is to be.
    pub below: Vec<(Vec<u8>, Vec<u8>)>,
    /// Where the others are to be, from the root of each hierarchy.
    pub parent: Option<Vec<u8>>,
    /// Also have groups by which it is known what was used.
    pub measure: bool,
    /// Its processes have to be found, to be told something or waited for.
    pub track: bool,
    /// Go on without what cannot be had.
    pub best_effort: bool,
    /// May systemd be asked for a scope?
    pub systemd: bool,
}

/// The controllers that keep count of what is used, in both versions. Those of version 2 count the CPU's time in any group.
const METERS: [(Version, &[u8]); 7] = [
    (Version::V1, b"cpuacct"),
    (Version::V1, b"memory"),
    (Version::V1, b"pids"),
    (Version::V1, b"blkio"),
    (Version::V2, b"memory"),
    (Version::V2, b"pids"),
    (Version::V2, b"io"),
];

/// Where there is no version 2, what is in a group is known by one of these, the best first.
const TRACKERS: [&[u8]; 5] = [b"pids", b"freezer", b"memory", b"cpuacct", b"cpu"];

/// A transient group in one hierarchy, before it is made.
pub(super) struct Branch {
    pub(super) parent: Group,
    /// What it is for.
    pub(super) controllers: Vec<Vec<u8>>,
    /// Version 2: the groups from the top down that do not yet hand on these controllers.
    pub(super) enable: Vec<(Group, Vec<Vec<u8>>)>,
    /// The same, of controllers that only count, and are done without where that fails.
    pub(super) meters: Vec<(Group, Vec<Vec<u8>>)>,
    /// What is set, in order.
    pub(super) settings: Vec<Setting>,
    /// Version 2: the parent's processes have to be moved first.
    pub(super) evacuate: bool,
    /// Nothing is limited by it, so it is done without where it cannot be made.
    pub(super) optional: bool,
}

/// All that will be done, and nothing of it done yet.
pub struct Plan {
    pub(super) prefix: &'static str,
    pub(super) maker: Maker,
    pub(super) branches: Vec<Branch>,
    pub(super) best_effort: bool,
    /// What cannot be had, where that is allowed.
    pub(super) lost: Vec<Error>,
    /// Scopes that other runs were in, and may have left something in.
    pub(super) scopes: Vec<Group>,
}

impl Plan {
    /// Decides where the groups go and what is written to them, one group for each hierarchy. They will be
    /// called `prefix` and our PID, with a number behind it where that exists. None where they can only be in a scope that
    /// systemd makes.
    pub fn new(proc: &Proc, layout: &Layout, wanted: &Wanted, prefix: &'static str) -> Result<Option<Plan>> {
        let (best_effort, maker) = (wanted.best_effort, Maker::ours(proc)?);
        let (branches, lost, scopes) = (Vec::new(), Vec::new(), Vec::new());
        let mut plan = Plan { prefix, maker, branches, best_effort, lost, scopes };
        for (controller, path) in &wanted.below {
            let hierarchy = layout.of(controller)?;
            let parent = hierarchy.top.descend(path).map_err(|e| e.of_controllers(&[controller]))?;
            plan.branch(hierarchy, Place::Below(parent), controller)?;
        }
        for controller in wanted.limits.controllers() {
            match plan.limit(proc, layout, wanted, &controller) {
                Ok(true) => {}
                Ok(false) => return Ok(None),
                Err(e) if best_effort => plan.lost.push(e),
                Err(e) => return Err(e),
            }
        }
        match plan.find(proc, layout, wanted) {
            Ok(true) => {}
            Ok(false) => return Ok(None),
            // Nothing is limited, so nothing can be said to be.
            Err(e) if best_effort => plan.lost.push(e),
            Err(e) => return Err(e),
        }
        if let (Some(v2), Some(moved)) = (layout.v2(), plan.branches.iter().find(|branch| branch.evacuate)) {
            // What cannot be looked into is nothing that could be removed.
            plan.scopes = scope::beside(v2, &moved.parent).unwrap_or_default();
        }
        Ok(Some(plan))
    }

    /// Plans the limits of a controller. False if they can only be had in a scope.
    fn limit(&mut self, proc: &Proc, layout: &Layout, wanted: &Wanted, controller: &str) -> Result<bool> {
        let name = controller.as_bytes();
        let hierarchy = layout.of(name)?;
        let settings = match self.best_effort {
            false => wanted.limits.settings(controller, hierarchy.top.version)?,
            true => {
                let (settings, lacking) = wanted.limits.settings_as_far(controller, hierarchy.top.version);
                self.lost.extend(lacking);
                settings
            }
        };
        let named = wanted.below.iter().find(|(named, _)| named == name).map(|(_, path)| path);
        let place = match named.or(wanted.parent.as_ref()) {
            Some(path) => Place::Below(hierarchy.top.descend(path).map_err(|e| e.of_controllers(&[name]))?),
            None => place::usual(layout, hierarchy, proc, wanted.systemd)?,
        };
        if let Place::Scope = place {
            return Ok(false);
        }
        let branch = self.branch(hierarchy, place, name)?;
        branch.settings.extend(settings);
        branch.optional = false;
        Ok(true)
    }

    /// Plans the groups by which the processes are found, and known what they use. False if there can be none but in a
    /// scope.
    fn find(&mut self, proc: &Proc, layout: &Layout, wanted: &Wanted) -> Result<bool> {
        let named = |hierarchy: &Hierarchy| match &wanted.parent {
            None => Ok(None),
            // One that is named need not be in hierarchies that are not limited.
            Some(path) => match hierarchy.top.descend(path) {
                Err(e) if e.is_gone() => Ok(None),
                found => found.map(Some),
            },
        };
        layout.check_v2()?;
        if let Some(path) = &wanted.parent {
            // It has to be somewhere.
            let found = layout.hierarchies().map(|hierarchy| hierarchy.top.descend(path));
            found.reduce(Result::or).transpose()?;
        }
        let meters: &[(Version, &[u8])] = if wanted.measure { &METERS } else { &[] };
        if let Some(v2) = layout.v2() {
            let device = v2.top.id()?.0;
            if !self.has(device)? {
                let counted = v2.top.controllers()?;
                let counts = meters.iter().any(|(version, name)| {
                    *version == Version::V2 && counted.iter().any(|known| known == name)
                });
                let place = match named(v2)? {
                    Some(parent) if !layout.is_hybrid() || place::is_reachable(layout, v2, &parent)? => {
                        Some(Place::Below(parent))
                    }
                    Some(_) => None,
                    None if counts => place::usual(layout, v2, proc, wanted.systemd).ok(),
                    None => None,
                };
                let place = match place {
                    None => place::without_limits(layout, v2)?.map(Place::Below),
                    // Where there are limits already it is not worth a scope.
                    Some(Place::Scope) if !self.branches.is_empty() => None,
                    Some(Place::Scope) => return Ok(false),
                    place => place,
                };
                if let Some(place) = place {
                    self.put(place, true)?;
                }
            }
            for (_, name) in meters.iter().filter(|(version, _)| *version == Version::V2) {
                for branch in &mut self.branches {
                    if branch.parent.id()?.0 == device {
                        // What it does not have it does not count.
                        let _ = branch.enable(v2, name, true);
                    }
                }
            }
        }
        let has_v2 = layout.v2().is_some() && !self.branches.is_empty();
        for (_, name) in meters.iter().filter(|(version, _)| *version == Version::V1) {
            // Version 2 tells the time of the CPU better.
            if *name == b"cpuacct" && has_v2 {
                continue;
            }
            self.count(layout, named, wanted.parent.is_none(), name)?;
        }
        for name in TRACKERS {
            if self.branches.is_empty() {
                self.count(layout, named, wanted.parent.is_none(), name)?;
            }
        }
        if !self.branches.is_empty() {
            return Ok(true);
        }
        if !wanted.track && wanted.limits.controllers().is_empty() {
            // What is left can be ended in a group, but that is not worth to ask for one.
            return Ok(true);
        }
        if let Some(v2) = layout.v2() {
            return match place::usual(layout, v2, proc, wanted.systemd)? {
                Place::Scope => Ok(false),
                // Where it cannot be made it is said why.
                place => self.put(place, false).map(|_| true),
            };
        }
        Err(match layout.hierarchies().next() {
            None => Error::refused("no group can be made: no cgroup file system is mounted")
                .with_hint("mount -t cgroup2 none /sys/fs/cgroup"),
            Some(_) => {
                Error::refused("no group can be made below our own ones: we may write to none of them")
                    .with_hint("run it as root, or name a group that belongs to this user with --parent")
            }
        })
    }

    /// Plans a group of version 1 that only counts, where it can be.
    fn count(
        &mut self,
        layout: &Layout,
        named: impl Fn(&Hierarchy) -> Result<Option<Group>>,
        anywhere: bool,
        name: &[u8],
    ) -> Result<()> {
        let Ok(hierarchy) = layout.of(name) else { return Ok(()) };
        if hierarchy.top.version != Version::V1 || self.has(hierarchy.top.id()?.0)? {
            return Ok(());
        }
        // Where it was said where groups are to be made, none is made elsewhere.
        let parent = match anywhere {
            true => layout.own_group(hierarchy).ok(),
            false => named(hierarchy)?,
        };
        if let Some(parent) = parent.filter(|parent| parent.is_writable(".")) {
            self.put(Place::Below(parent), true)?.controllers.push(name.to_vec());
        }
        Ok(())
    }

    /// Is there a group in the hierarchy of this device?
    fn has(&self, device: u64) -> Result<bool> {
        self.branches.iter().try_fold(false, |has, branch| Ok(has || branch.parent.id()?.0 == device))
    }

    fn put(&mut self, place: Place, optional: bool) -> Result<&mut Branch> {
        let (parent, evacuate) = match place {
            Place::Below(parent) => (parent, false),
            Place::Beside(parent) => (parent, true),
            Place::Scope => return Err(Error::refused("a scope is not below a group")),
        };
        self.branches.push(Branch {
            parent,
            controllers: Vec::new(),
            enable: Vec::new(),
            meters: Vec::new(),
            settings: Vec::new(),
            evacuate,
            optional,
        });
        let last = self.branches.len() - 1;
        Ok(&mut self.branches[last])
    }

    /// The group at this place for this controller: a new one, or that of a controller in the same hierarchy.
    fn branch(&mut self, hierarchy: &Hierarchy, place: Place, controller: &[u8]) -> Result<&mut Branch> {
        let id = match &place {
            Place::Below(parent) | Place::Beside(parent) => parent.id()?,
            Place::Scope => (0, 0),
        };
        let mut at = None;
        for (known, branch) in self.branches.iter().enumerate() {
            match branch.parent.id()? {
                other if other == id => at = Some(known),
                other if other.0 == id.0 => {
                    let what = [
                        b"controller ",
                        controller,
                        b" is in one hierarchy with another that is to be below ",
                    ]
                    .concat();
                    return Err(Error::refused([what, branch.parent.path.clone()].concat())
                        .with_hint("name one group for both"));
                }
                _ => {}
            }
        }
        let branch = match at {
            Some(at) => &mut self.branches[at],
            None => self.put(place, false)?,
        };
        if hierarchy.top.version == Version::V2 {
            branch.enable(hierarchy, controller, false)?;
        }
        if !branch.controllers.iter().any(|known| known == controller) {
            branch.controllers.push(controller.to_vec());
        }
        Ok(branch)
    }

    /// What will not be had, where that is allowed.
    pub fn lost(&self) -> &[Error] {
        &self.lost
    }

    /// Every directory and write, as a person would type them.
    pub fn describe(&self) -> Vec<Vec<u8>> {
        let mut lines = Vec::new();
        let name = format!("{}-{}", self.prefix, std::process::id());
        for branch in self.branches.iter().filter(|branch| branch.evacuate) {
            let leaf = branch.parent.file(callers::NAME);
            lines.push([b"mkdir ", &leaf[..]].concat());
            for pid in branch.parent.processes().unwrap_or_default() {
                lines.push([format!("write {pid} to ").as_bytes(), &leaf, b"/cgroup.procs"].concat());
            }
        }
        for branch in &self.branches {
            for (group, controllers) in branch.enable.iter().chain(&branch.meters) {
                lines.push(
                    [b"write ", &enabling(controllers)[..], b" to ", &group.file("cgroup.subtree_control")]
                        .concat(),
                );
            }
            let path = branch.parent.file(&name);
            lines.push([b"mkdir ", &path[..]].concat());
            // An empty cpuset takes nobody.
            for (file, value) in set::filling(&branch.parent, &branch.settings).unwrap_or_default() {
                let ours = file.iter().filter(|&&b| b == b'/').count() == 1;
                let group = if ours { &path[..] } else { b"" };
                lines.push([b"write ", &value[..], b" to ", group, &file].concat());
            }
            for Setting { file, value, .. } in &branch.settings {
                lines.push([b"write ", value.as_bytes(), b" to ", &path, b"/", file.as_bytes()].concat());
            }
            lines.push([b"write 0 to ", &path[..], b"/cgroup.procs"].concat());
        }
        for branch in &self.branches {
            lines.push([b"rmdir ", &branch.parent.file(&name)[..]].concat());
        }
        for branch in self.branches.iter().filter(|branch| branch.evacuate) {
            let (leaf, group) = (branch.parent.file(callers::NAME), branch.parent.file("cgroup.procs"));
            lines.push([b"move what is in ", &leaf[..], b" back to ", &group[..]].concat());
            lines.push([b"rmdir ", &leaf[..]].concat());
        }
        lines
    }
}

impl Branch {
    /// Plans to hand a controller on from the top down to the parent, by no group that is [`Group::is_inhabited`].
    fn enable(&mut self, hierarchy: &Hierarchy, controller: &[u8], meter: bool) -> Result<()> {
        let name = |e: Error| {
            let e = e.of_controllers(&[controller]);
            match e.errno() {
                Some(Errno::EOPNOTSUPP) => {
                    e.with_hint("it is in a threaded subtree: name another with --parent")
                }
                _ => e,
            }
        };
        let mut found = Vec::new();
        for group in hierarchy.chain(&self.parent) {
            let group = group.map_err(name)?;
            if group.handed_on().map_err(name)?.iter().any(|name| name == controller) {
                continue;
            }
            let cannot = |why: &[u8]| {
                let what =
                    [b"controller ", controller, b" cannot be handed on by ", &group.path[..]].concat();
                Error::refused([&what[..], b": ", why].concat())
            };
            if self.evacuate && group.path != self.parent.path {
                return Err(cannot(b"it is above what was delegated to us").with_hint(
                    "whoever delegated the group has to hand it on: a unit of systemd by Delegate=yes, user@.service by `Delegate=cpu cpuset io memory pids`",
                ));
            }
            if !self.evacuate && group.is_inhabited().map_err(name)? {
                return Err(
                    cannot(b"it has processes").with_hint("name a group without processes with --parent")
                );
            }
            if meter && !group.is_writable("cgroup.subtree_control") {
                return Err(cannot(b"it may not be written to"));
            }
            found.push(group);
        }
        let list = if meter { &mut self.meters } else { &mut self.enable };
        for group in found {
            match list.iter_mut().find(|(known, _)| known.path == group.path) {
                Some((_, controllers)) if controllers.iter().any(|known| known == controller) => {}
                Some((_, controllers)) => controllers.push(controller.to_vec()),
                None => list.push((group, vec![controller.to_vec()])),
            }
        }
        Ok(())
    }
}

pub(super) fn enabling(controllers: &[Vec<u8>]) -> Vec<u8> {
    let signed: Vec<Vec<u8>> = controllers.iter().map(|name| [b"+", &name[..]].concat()).collect();
    signed.join(&b' ')
}
