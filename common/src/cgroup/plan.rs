//! Transient groups: planned whole, then made, limited, joined, emptied and removed.

use std::path::Path;
use std::time::Instant;

use nix::errno::Errno;
use nix::sys::resource::{Resource, getrlimit, setrlimit};

use super::group::{Group, PATIENCE, Version};
use super::knobs::{Limits, Setting};
use super::layout::{Hierarchy, Layout};
use super::set;
use crate::error::{Error, Result};

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
    /// Go on without what cannot be had.
    pub best_effort: bool,
    /// May systemd be asked for a scope?
    pub systemd: bool,
}

/// A transient group in one hierarchy, before it is made.
struct Branch {
    parent: Group,
    /// What it is for.
    controllers: Vec<Vec<u8>>,
    /// Version 2: the groups from the top down that do not yet hand on these controllers.
    enable: Vec<(Group, Vec<Vec<u8>>)>,
    /// What is set, in order.
    settings: Vec<Setting>,
}

/// All that will be done, and nothing of it done yet.
pub struct Plan {
    prefix: &'static str,
    branches: Vec<Branch>,
}

impl Plan {
    /// Decides where the groups go and what is written to them, one group for each hierarchy. They will be
    /// called `prefix` and our PID, with a number behind it where that exists.
    pub fn new(layout: &Layout, wanted: &Wanted, prefix: &'static str) -> Result<Plan> {
        let mut plan = Plan { prefix, branches: Vec::new() };
        for (controller, path) in &wanted.below {
            let hierarchy = layout.of(controller)?;
            let parent = hierarchy.top.descend(path).map_err(|e| e.of_controllers(&[controller]))?;
            plan.branch(hierarchy, parent, controller)?;
        }
        for controller in wanted.limits.controllers() {
            let name = controller.as_bytes();
            let hierarchy = layout.of(name)?;
            let named = wanted.below.iter().find(|(named, _)| named == name).map(|(_, path)| path);
            let parent = match named.or(wanted.parent.as_ref()) {
                Some(path) => hierarchy.top.descend(path).map_err(|e| e.of_controllers(&[name]))?,
                None => usual_parent(layout, hierarchy)?,
            };
            let settings = wanted.limits.settings(&controller, hierarchy.top.version)?;
            plan.branch(hierarchy, parent, name)?.settings.extend(settings);
        }
        if wanted.measure {
            plan.measure(layout, wanted)?;
        }
        Ok(plan)
    }

    /// Adds groups for all that counts what is used, and one of version 2 for what that counts by itself.
    fn measure(&mut self, layout: &Layout, wanted: &Wanted) -> Result<()> {
        let mut counting: Vec<(&Hierarchy, &[u8])> = Vec::new();
        for name in [&b"cpu"[..], b"cpuacct", b"memory", b"pids", b"blkio", b"io"] {
            counting.extend(layout.of(name).ok().map(|hierarchy| (hierarchy, name)));
        }
        counting.extend(layout.v2().map(|v2| (v2, &b""[..])));
        for (hierarchy, name) in counting {
            let named = wanted.below.iter().find(|(named, _)| named == name).map(|(_, path)| path);
            let parent = match named.or(wanted.parent.as_ref()) {
                Some(path) => hierarchy.top.descend(path)?,
                None => usual_parent(layout, hierarchy)?,
            };
            self.branch(hierarchy, parent, name)?;
        }
        Ok(())
    }

    /// The group below this parent for this controller: a new one, or that of a controller in the same
    /// hierarchy.
    fn branch(&mut self, hierarchy: &Hierarchy, parent: Group, controller: &[u8]) -> Result<&mut Branch> {
        let id = parent.id()?;
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
        let at = at.unwrap_or_else(|| {
            self.branches.push(Branch {
                parent,
                controllers: Vec::new(),
                enable: Vec::new(),
                settings: Vec::new(),
            });
            self.branches.len() - 1
        });
        let branch = &mut self.branches[at];
        if controller.is_empty() {
            return Ok(branch);
        }
        if !branch.controllers.iter().any(|known| known == controller) {
            branch.controllers.push(controller.to_vec());
        }
        if hierarchy.top.version == Version::V2 {
            branch.enable(hierarchy, controller)?;
        }
        Ok(branch)
    }

    /// Every directory and write, as a person would type them.
    pub fn describe(&self) -> Vec<Vec<u8>> {
        let mut lines = Vec::new();
        let name = format!("{}-{}", self.prefix, std::process::id());
        for branch in &self.branches {
            for (group, controllers) in &branch.enable {
                lines.push(
                    [b"write ", &enabling(controllers)[..], b" to ", &group.file("cgroup.subtree_control")]
                        .concat(),
                );
            }
            let path = branch.parent.file(&name);
            lines.push([b"mkdir ", &path[..]].concat());
            for Setting { file, value, .. } in &branch.settings {
                lines.push([b"write ", value.as_bytes(), b" to ", &path, b"/", file.as_bytes()].concat());
            }
            lines.push([b"write 0 to ", &path[..], b"/cgroup.procs"].concat());
        }
        for branch in &self.branches {
            lines.push([b"rmdir ", &branch.parent.file(&name)[..]].concat());
        }
        lines
    }

    /// Makes the groups and sets their limits; first, what earlier runs that were killed have left beside them is
    /// removed. On an error none of them is left.
    pub fn make(self) -> Result<Transient> {
        let mut made = Transient { groups: Vec::new() };
        let prefix = self.prefix;
        match self.branches.into_iter().try_for_each(|branch| made.grow(branch, prefix)) {
            Ok(()) => Ok(made),
            Err(e) => {
                made.end();
                Err(e)
            }
        }
    }
}

/// Where a transient group goes if nobody says so: below our own, so that our limits hold for it too. On
/// version 2 our own group has processes, us, so below it nothing can be limited unless it is the root.
fn usual_parent(layout: &Layout, hierarchy: &Hierarchy) -> Result<Group> {
    let own = layout.own_group(hierarchy)?;
    // Source: sd_booted(3).
    let systemd = Path::new("/run/systemd/system").is_dir();
    if own.version == Version::V1 || (own.is_real_root()? && !systemd) {
        return Ok(own);
    }
    let refused = Error::refused([b"no group can be made below our own one, ", &own.path[..]].concat());
    Err(match systemd {
        true => refused.with_hint("systemd manages these groups: run this by `systemd-run --scope -p Delegate=yes`, or name a delegated group with --parent"),
        false => refused.with_hint("it has processes, so on version 2 it cannot hand on controllers: name another with --parent"),
    })
}

impl Branch {
    /// Plans to hand a controller on from the top down to the parent. A group with processes in it must not do
    /// that: some controllers would turn it, and all below, into threaded ones, in which nobody can do
    /// anything any more. Source: cgroup-v2.rst, "No Internal Process Constraint".
    fn enable(&mut self, hierarchy: &Hierarchy, controller: &[u8]) -> Result<()> {
        let name = |e: Error| {
            let e = e.of_controllers(&[controller]);
            match e.errno() {
                Some(Errno::EOPNOTSUPP) => {
                    e.with_hint("it is in a threaded subtree: name another with --parent")
                }
                _ => e,
            }
        };
        for group in hierarchy.chain(&self.parent) {
            let group = group.map_err(name)?;
            let handed_on = group.read("cgroup.subtree_control").map_err(name)?;
            if handed_on.split(|&b| b == b' ').any(|name| name == controller) {
                continue;
            }
            if !group.is_real_root().map_err(name)? && !group.processes().map_err(name)?.is_empty() {
                let what =
                    [b"controller ", controller, b" cannot be handed on by ", &group.path[..]].concat();
                return Err(Error::refused([what, b": it has processes".to_vec()].concat())
                    .with_hint("name a group without processes with --parent"));
            }
            match self.enable.iter_mut().find(|(known, _)| known.path == group.path) {
                Some((_, controllers)) if controllers.iter().any(|known| known == controller) => {}
                Some((_, controllers)) => controllers.push(controller.to_vec()),
                None => self.enable.push((group, vec![controller.to_vec()])),
            }
        }
        Ok(())
    }
}

fn enabling(controllers: &[Vec<u8>]) -> Vec<u8> {
    let signed: Vec<Vec<u8>> = controllers.iter().map(|name| [b"+", &name[..]].concat()).collect();
    signed.join(&b' ')
}

/// Groups that exist for one program.
pub struct Transient {
    groups: Vec<Made>,
}

/// A transient group, the one it was made below, and what it is for.
struct Made {
    parent: Group,
    group: Group,
    controllers: Vec<Vec<u8>>,
}

impl Transient {
    fn grow(&mut self, branch: Branch, prefix: &str) -> Result<()> {
        let Branch { parent, controllers, enable, settings } = branch;
        for (group, controllers) in &enable {
            let signed = enabling(controllers);
            let write = group.write("cgroup.subtree_control", &String::from_utf8_lossy(&signed));
            write.map_err(|e| e.of_controllers(controllers))?;
        }
        parent.collect(prefix);
        let group = make_free(&parent, &format!("{prefix}-{}", std::process::id()))
            .map_err(|e| e.of_controllers(&controllers))?;
        self.groups.push(Made { parent, group, controllers });
        let group = &self.groups[self.groups.len() - 1].group;
        set::set(group, &settings)
    }

    /// Moves our process into all of them.
    pub fn join(&self) -> Result<()> {
        let join = |made: &Made| made.group.join().map_err(|e| e.of_controllers(&made.controllers));
        self.groups.iter().try_for_each(join)
    }

    /// The groups, one for each hierarchy.
    pub fn groups(&self) -> impl Iterator<Item = &Group> {
        self.groups.iter().map(|made| &made.group)
    }

    /// Ends what is left in them and removes them; answers what could not be done: for each group that stays,
    /// why.
    pub fn end(self) -> Vec<Error> {
        // A descriptor for each level of groups that the program made; the program has ended.
        if let Ok((_, most)) = getrlimit(Resource::RLIMIT_NOFILE) {
            let _ = setrlimit(Resource::RLIMIT_NOFILE, most, most);
        }
        // Should the program have moved us in as well, we leave first.
        let us = std::process::id() as i32;
        for made in &self.groups {
            if made.group.processes().is_ok_and(|pids| pids.contains(&us)) {
                let _ = made.parent.join();
            }
        }
        // All are emptied first: a process is in one group of each hierarchy.
        let patience = || Instant::now() + PATIENCE;
        let emptied: Vec<Result<()>> = self.groups.iter().map(|made| made.group.kill(patience())).collect();
        let mut failures = Vec::new();
        for (made, emptied) in self.groups.into_iter().zip(emptied) {
            let Made { parent, group, controllers } = made;
            if let Err(e) = group.remove(&parent, patience()) {
                failures.push(emptied.err().unwrap_or(e).of_controllers(&controllers));
            }
        }
        failures
    }
}

/// Makes a group with this name, or with a number behind it if there is one, and holds it. Who collects what others
/// left can take it for that until it is held; then another is made.
fn make_free(parent: &Group, name: &str) -> Result<Group> {
    let mut refusal = None;
    for number in 1..100 {
        let name = if number == 1 { name.to_string() } else { format!("{name}-{number}") };
        match parent.make(&name) {
            Err(e) if e.errno() == Some(Errno::EEXIST) || e.is_gone() => refusal = Some(e),
            Err(e) => return Err(e),
            Ok(group) => match group.hold(parent) {
                Ok(true) => return Ok(group),
                // Anybody may lock it, but then nobody would remove it.
                Ok(false) => group.discard(parent),
                Err(e) => {
                    let _ = group.remove(parent, Instant::now());
                    return Err(e);
                }
            },
        }
    }
    Err(refusal.unwrap_or_else(|| Error::sys("flock", parent.file(name), Errno::EWOULDBLOCK)))
}
