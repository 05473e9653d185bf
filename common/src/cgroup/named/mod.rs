//! Named groups: they stay until they are removed, and every session finds them.
//!
//! A named group is one directory in each of some hierarchies: in those of the controllers whose limits it has, and in one
//! that tells who is in it and by which they are frozen, its home. A group that was made by hand is never taken for one.

mod halt;
mod make;
mod origin;
mod remove;
pub(super) mod work;

use std::ffi::CStr;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::unistd::geteuid;

use super::group::{Group, Version, is_removed};
use super::layout::{Hierarchy, Layout};
use super::usage::{InForce, in_force};
use crate::error::{Error, Result};
use crate::sys;

pub use halt::State;
pub use make::{Asked, Settled, ourselves};
pub use work::Work;

/// The group in which named ones are if nobody says where.
pub const USUAL: &str = "nskit";

/// The attribute of a named group that is complete. Before it has that, it is known as ours by its sticky bit, and belongs to
/// who makes it.
const SEAL: &CStr = c"user.nskit";

/// How long we wait for others who change the same group: dozens can come at once.
const FOR_OTHERS: Duration = Duration::from_secs(30);

/// The longest name.
const LONGEST: usize = 200;

/// Controllers, whose names with a dot behind begin the names of files.
const CONTROLLERS: &[&[u8]] = &[
    b"cgroup",
    b"blkio",
    b"cpu",
    b"cpuacct",
    b"cpuset",
    b"devices",
    b"dmem",
    b"freezer",
    b"hugetlb",
    b"io",
    b"irq",
    b"memory",
    b"misc",
    b"net_cls",
    b"net_prio",
    b"perf_event",
    b"pids",
    b"rdma",
];

/// A name that a group can have: one that is no file of a group, now or later, nor looks like a transient group.
pub fn check_name(name: &[u8]) -> Result<String> {
    let hint = "1 to 200 letters, digits and _.:@-, no dot first, and not as files of groups and transient groups are called (cpu.*, cgroup.*, rcgexec-*)";
    let refused = || Error::refused([b"no name for a group: ", name].concat()).with_hint(hint);
    let text = std::str::from_utf8(name).map_err(|_| refused())?;
    let usual = text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.:@-".contains(&b));
    let of_file = text.split_once('.').is_some_and(|(first, _)| CONTROLLERS.contains(&first.as_bytes()));
    let reserved = ["tasks", "notify_on_release", "release_agent"].contains(&text);
    let transient = text.starts_with("rcgexec-");
    match usual && !text.is_empty() && text.len() <= LONGEST && !text.starts_with('.') {
        true if !of_file && !reserved && !transient => Ok(text.into()),
        _ => Err(refused()),
    }
}

/// Where named groups are.
pub struct Place<'a> {
    layout: &'a Layout,
    /// The group that was named, from the root of each hierarchy; none for the usual place.
    parent: Option<&'a [u8]>,
}

/// A named group's directory in a hierarchy.
pub struct Part<'a> {
    /// Its hierarchy.
    pub hierarchy: &'a Hierarchy,
    /// The group in which it is.
    parent: Group,
    /// Its directory.
    pub group: Group,
}

/// A named group.
pub struct NamedGroup<'a> {
    /// Its name.
    pub name: String,
    /// Its directories, its home first.
    pub parts: Vec<Part<'a>>,
}

impl<'a> Place<'a> {
    /// Nothing is looked for yet.
    pub fn new(layout: &'a Layout, parent: Option<&'a [u8]>) -> Place<'a> {
        Place { layout, parent }
    }

    /// The hierarchies in which a named group can be, those first that can be its home: version 2 tells all of who is in it,
    /// then that of the freezer. Those with only a name are of whoever gave it.
    fn hierarchies(&self) -> Vec<&'a Hierarchy> {
        let of_somebody =
            |hierarchy: &&Hierarchy| hierarchy.controllers.iter().any(|name| name.starts_with(b"name="));
        let mut all: Vec<_> = self.layout.hierarchies().filter(|hierarchy| !of_somebody(hierarchy)).collect();
        all.sort_by_key(|hierarchy| match can_freeze(hierarchy) {
            _ if hierarchy.top.version == Version::V2 => 0,
            true => 1,
            false => 2,
        });
        all
    }

    /// The group below which they are in a hierarchy; they are in one more, [`USUAL`], if that says so.
    fn base(&self, hierarchy: &Hierarchy) -> Result<(Group, bool)> {
        if let Some(path) = self.parent {
            return Ok((hierarchy.top.descend(path)?, false));
        }
        let us = geteuid().as_raw();
        // In a container our own group can be out of reach.
        let own = self.layout.own_group(hierarchy).or_else(|_| hierarchy.top.descend(b""))?;
        let files: &[&str] = match own.version {
            Version::V1 => &[".", "cgroup.procs"],
            Version::V2 => &[".", "cgroup.procs", "cgroup.subtree_control"],
        };
        for group in hierarchy.chain(&own) {
            let group = group?;
            let mut owned = true;
            for file in files {
                owned &= group.owner_of(file)? == us;
            }
            if owned {
                return Ok((group, true));
            }
        }
        let what = [b"no group above ours, ", &own.path[..], b", belongs to this user"].concat();
        Err(Error::refused(what).with_hint(
            "run it by `systemd-run --user --scope -p Delegate=yes` (with `loginctl enable-linger` where there is no session), or name a group that was delegated to this user with --parent",
        ))
    }

    /// The group in which they are in a hierarchy, if it is there.
    fn above(&self, hierarchy: &Hierarchy) -> Result<Option<Group>> {
        let (base, usual) = self.base(hierarchy)?;
        match if usual { base.descend(USUAL.as_bytes()) } else { Ok(base) } {
            Err(e) if e.errno() == Some(Errno::ENOENT) => Ok(None),
            above => above.map(Some),
        }
    }

    /// The same in each hierarchy. An error if there is a place in none.
    fn all_above(&self) -> Result<Vec<(&'a Hierarchy, Group)>> {
        self.layout.check_v2()?;
        let mut found = Vec::new();
        let mut refusal = None;
        let mut some = false;
        for hierarchy in self.hierarchies() {
            match self.above(hierarchy) {
                Ok(above) => {
                    some = true;
                    found.extend(above.map(|above| (hierarchy, above)));
                }
                Err(e) if e.is_our_own() => return Err(e),
                Err(e) => refusal = refusal.or(Some(e)),
            }
        }
        match (some, refusal) {
            (false, Some(e)) => Err(e),
            (false, None) => Err(Error::refused("no cgroup file system is mounted")
                .with_hint("mount -t cgroup2 none /sys/fs/cgroup")),
            _ => Ok(found),
        }
    }

    /// The directories of a name; none if there is no such group. Those that are not complete belong to who makes them, or
    /// were left by one that was killed.
    fn parts(&self, name: &str, complete: bool) -> Result<Vec<Part<'a>>> {
        let mut parts = Vec::new();
        for (hierarchy, parent) in self.all_above()? {
            match parent.descend(name.as_bytes()) {
                Ok(group) if !is_begun(&group)? => return Err(foreign(&group)),
                Ok(group) if complete && !is_sealed(&group)? => {}
                Ok(group) => parts.push(Part { hierarchy, parent, group }),
                Err(e) if e.errno() == Some(Errno::ENOENT) => {}
                Err(e) => return Err(e),
            }
        }
        Ok(parts)
    }

    /// The group of this name.
    pub fn find(&self, name: &str) -> Result<NamedGroup<'a>> {
        self.found(name, true)
    }

    fn found(&self, name: &str, complete: bool) -> Result<NamedGroup<'a>> {
        let parts = self.parts(name, complete)?;
        match parts.is_empty() {
            false => Ok(NamedGroup { name: name.into(), parts }),
            true => Err(self.unknown(name)),
        }
    }

    fn unknown(&self, name: &str) -> Error {
        let error = Error::refused(format!("there is no group {name}"));
        let names: Vec<String> = self.all().unwrap_or_default().into_iter().map(|group| group.name).collect();
        match names.is_empty() {
            true => error.with_hint("there is none here; --name NAME makes one"),
            false => error.with_hint(format!("there are: {}", names.join(" "))),
        }
    }

    /// The same, be it complete or not, and nobody else changes it as long as we have it.
    fn seize(&self, name: &str) -> Result<NamedGroup<'a>> {
        let begun = Instant::now();
        loop {
            let mut group = self.found(name, false)?;
            let home = group.home();
            if home.group.hold(&home.parent)? {
                // What was found before can have changed until we had it.
                let now = self.found(name, false)?.parts;
                if now[0].group.id()? == home.group.id()? {
                    group.parts.truncate(1);
                    group.parts.extend(now.into_iter().skip(1));
                    return Ok(group);
                }
            }
            wait_for_others(name, begun)?;
        }
    }

    /// Every named group that is here, by their names.
    pub fn all(&self) -> Result<Vec<NamedGroup<'a>>> {
        let mut found: Vec<NamedGroup<'a>> = Vec::new();
        for (hierarchy, above) in self.all_above()? {
            for child in above.children()? {
                let group = child?;
                let name = check_name(group.name()).ok();
                let Some(name) = name.filter(|_| is_sealed(&group).unwrap_or(false)) else { continue };
                let part = Part { hierarchy, parent: above.descend(b"")?, group };
                match found.iter_mut().find(|known| known.name == name) {
                    Some(known) => known.parts.push(part),
                    None => found.push(NamedGroup { name, parts: vec![part] }),
                }
            }
        }
        found.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(found)
    }
}

/// Others have it since then: a moment later, or an error if it takes too long.
fn wait_for_others(name: &str, begun: Instant) -> Result<()> {
    let waited = begun.elapsed();
    if waited > FOR_OTHERS {
        return Err(Error::sys("flock", format!("group {name}"), Errno::EWOULDBLOCK)
            .with_hint("another rcgexec is changing it: try again"));
    }
    // Many who ask all the time would hold up the one who has it.
    std::thread::sleep((waited / 8).clamp(Duration::from_millis(1), Duration::from_millis(50)));
    Ok(())
}

/// Has it our mark?
fn is_sealed(group: &Group) -> Result<bool> {
    let mark = sys::attribute(group, SEAL).map_err(|e| Error::sys("fgetxattr", &group.path, e))?;
    Ok(mark.is_some() && is_begun(group)?)
}

/// Was it made by us, be it complete or not?
fn is_begun(group: &Group) -> Result<bool> {
    group.has_mark()
}

fn foreign(group: &Group) -> Error {
    Error::refused([b"the group ", &group.path[..], b" was not made by rcgexec"].concat())
        .with_hint("choose another name, or remove it by hand")
}

fn can_freeze(hierarchy: &Hierarchy) -> bool {
    hierarchy.top.version == Version::V2 || hierarchy.controllers.iter().any(|name| name == b"freezer")
}

impl<'a> NamedGroup<'a> {
    /// Where it is known who is in it.
    fn home(&self) -> &Part<'a> {
        // There is always one.
        &self.parts[0]
    }

    /// The PIDs in it and below, each once; 0 for processes outside of our pid namespace.
    pub fn processes(&self) -> Result<Vec<i32>> {
        let mut pids = Vec::new();
        for part in &self.parts {
            visit(&part.group, &mut |group| {
                pids.extend(listed(group)?);
                Ok(())
            })?;
        }
        pids.sort_unstable();
        pids.dedup();
        Ok(pids)
    }

    /// The limits that hold for it, those of groups above as well.
    pub fn limits(&self) -> Result<Vec<InForce>> {
        let mut limits = Vec::new();
        for part in &self.parts {
            limits.extend(in_force(part.hierarchy, &part.group)?);
        }
        Ok(limits)
    }
}

/// Does this for a group and all below it, those below first. Who vanishes meanwhile is left out.
fn visit(group: &Group, look: &mut impl FnMut(&Group) -> Result<()>) -> Result<()> {
    for child in group.children()? {
        match child.and_then(|child| visit(&child, look)) {
            Err(e) if is_removed(&e) => {}
            answer => answer?,
        }
    }
    look(group)
}

/// Who is in it, without those below. Of a threaded group the one above that is the root of its subtree tells.
fn listed(group: &Group) -> Result<Vec<i32>> {
    match group.processes() {
        Err(e) if is_removed(&e) || e.errno() == Some(Errno::EOPNOTSUPP) => Ok(Vec::new()),
        pids => pids,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_safe_as_directories_and_never_those_of_files() {
        let long = "x".repeat(200);
        for name in ["a", "web-1", "A_b.c:d@e", "cpux.y", "nskit", "rcgexec", "-", &long] {
            assert_eq!(check_name(name.as_bytes()).ok().as_deref(), Some(name));
        }
        let longer = "x".repeat(201);
        let bad =
            ["", ".", "..", ".x", "a/b", "a b", "a\n", "é", "cgroup.procs", "cpu.x", "memory.", "tasks"];
        for name in bad.into_iter().chain(["rcgexec-1", "rcgexec-x", &longer]) {
            let e = check_name(name.as_bytes()).expect_err(name);
            assert!(e.hint().is_some());
        }
        assert!(check_name(b"\xff").is_err());
    }
}
