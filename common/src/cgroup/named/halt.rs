//! The processes of a named group are stopped, let go on, or killed.

use std::time::{Duration, Instant};

use nix::errno::Errno;

use super::super::group::{Group, PATIENCE, Version, is_removed};
use super::super::layout::Hierarchy;
use super::work::{Spot, Work};
use super::{NamedGroup, can_freeze};
use crate::error::{Error, Result};

/// Do the processes of a group run?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// They do.
    Running,
    /// They are about to stand still, or some do.
    Freezing,
    /// They stand still.
    Frozen,
}

impl State {
    /// In one word.
    pub fn name(self) -> &'static str {
        match self {
            State::Running => "running",
            State::Freezing => "freezing",
            State::Frozen => "frozen",
        }
    }

    /// That of a group, as it or one above is frozen; none where its hierarchy freezes nobody.
    /// Source: cgroup-v1/freezer-subsystem.rst; cgroup-v2.rst, cgroup.freeze, Linux 5.2.
    pub(super) fn of(hierarchy: &Hierarchy, group: &Group) -> Result<Option<State>> {
        if !can_freeze(hierarchy) {
            return Ok(None);
        }
        let state = match group.version {
            Version::V1 => match &group.read("freezer.state")?[..] {
                b"FROZEN" => State::Frozen,
                b"FREEZING" => State::Freezing,
                _ => State::Running,
            },
            Version::V2 => {
                let events = group.read("cgroup.events")?;
                let frozen = events.split(|&b| b == b'\n').any(|line| line == b"frozen 1");
                match frozen {
                    true => State::Frozen,
                    false if group.read("cgroup.freeze")? == b"1" => State::Freezing,
                    false => State::Running,
                }
            }
        };
        Ok(Some(state))
    }
}

/// The file that freezes, and what is written to it to freeze and to thaw.
fn freezer(version: Version) -> (&'static str, &'static str, &'static str) {
    match version {
        Version::V1 => ("freezer.state", "FROZEN", "THAWED"),
        Version::V2 => ("cgroup.freeze", "1", "0"),
    }
}

impl NamedGroup<'_> {
    /// Do its processes run? None where it has no directory by which they could be frozen.
    pub fn state(&self) -> Result<Option<State>> {
        let home = self.home();
        State::of(home.hierarchy, &home.group)
    }

    /// Stops all in it, and waits until all stand still. If that does not come about, they go on.
    pub fn freeze(&self, work: &mut Work) -> Result<()> {
        self.not_ours("frozen")?;
        let (hierarchy, group) = self.freezable()?;
        let (file, freeze, thaw) = freezer(group.version);
        if work.dry {
            return work.write(&Spot::there(group.descend(b"")?), file, freeze);
        }
        let frozen = self.wait_for(hierarchy, group, State::Frozen, |group| group.write(file, freeze));
        frozen.inspect_err(|_| {
            let _ = group.write(file, thaw);
        })
    }

    /// Lets all in it go on.
    pub fn thaw(&self, work: &mut Work) -> Result<()> {
        let (hierarchy, group) = self.freezable()?;
        let (file, _, thaw) = freezer(group.version);
        if work.dry {
            return work.write(&Spot::there(group.descend(b"")?), file, thaw);
        }
        self.wait_for(hierarchy, group, State::Running, |group| group.write(file, thaw))
    }

    fn freezable(&self) -> Result<(&Hierarchy, &Group)> {
        let home = self.home();
        match can_freeze(home.hierarchy) {
            true => Ok((home.hierarchy, &home.group)),
            false => Err(Error::refused(format!(
                "the group {} has no directory by which it could be frozen",
                self.name
            ))
            .with_hint(
                "that takes version 2, or the freezer of version 1, with a place for it when it is made",
            )),
        }
    }

    /// Version 1 can miss who is born just then, so it is told again and again.
    fn wait_for(
        &self,
        hierarchy: &Hierarchy,
        group: &Group,
        wanted: State,
        tell: impl Fn(&Group) -> Result<()>,
    ) -> Result<()> {
        let end = Instant::now() + PATIENCE;
        let mut pause = Duration::from_millis(1);
        tell(group)?;
        while State::of(hierarchy, group)? != Some(wanted) {
            if Instant::now() > end {
                let call = if wanted == State::Frozen { "freeze" } else { "thaw" };
                return Err(Error::sys(call, [b"group ", &group.path[..]].concat(), Errno::ETIMEDOUT)
                    .with_hint(match wanted {
                        State::Frozen => {
                            "a process waits for a device or another machine and cannot be stopped"
                        }
                        _ => "a group above it is frozen, and has to be thawed first",
                    }));
            }
            group.wait_for_change(pause);
            pause = (pause * 2).min(Duration::from_millis(50));
            if group.version == Version::V1 {
                tell(group)?;
            }
        }
        Ok(())
    }

    /// Kills all in it and below; the group stays.
    pub fn kill(&self, work: &mut Work) -> Result<()> {
        self.not_ours("killed")?;
        if work.dry {
            for part in &self.parts {
                let spot = Spot::there(part.group.descend(b"")?);
                match part.group.version {
                    Version::V2 => work.write(&spot, "cgroup.kill", "1")?,
                    Version::V1 => work.say(
                        [b"kill every process of ", &spot.file("cgroup.procs")[..], b" and below"].concat(),
                    ),
                }
            }
            return Ok(());
        }
        let end = Instant::now() + PATIENCE;
        // A frozen process of version 1 does not die.
        let home = self.home();
        if home.group.version == Version::V1 && can_freeze(home.hierarchy) {
            let (file, _, thaw) = freezer(Version::V1);
            home.group.write(file, thaw)?;
        }
        // Where there can be a limit on processes, it is set to none meanwhile, so nothing can be born.
        let mut parts: Vec<_> = self.parts.iter().map(|part| &part.group).collect();
        parts.sort_by_key(|group| !group.has("pids.max").unwrap_or(false));
        for group in parts {
            let most = group.read("pids.max").ok();
            let killed = group.kill(end);
            if let Some(most) = most.and_then(|most| String::from_utf8(most).ok())
                && group.read("pids.max").is_ok_and(|now| now != most.as_bytes())
            {
                group.write("pids.max", &most)?;
            }
            killed?;
        }
        Ok(())
    }

    /// Are we in it ourselves? Then we could not tell how it went.
    fn not_ours(&self, what: &str) -> Result<()> {
        let us = std::process::id() as i32;
        for part in &self.parts {
            match part.group.holds(us) {
                Ok(true) => {
                    return Err(Error::refused(format!(
                        "we are in the group {} ourselves, so it cannot be {what} from here",
                        self.name
                    ))
                    .with_hint("run this from a shell outside of it"));
                }
                Err(e) if !is_removed(&e) => return Err(e),
                _ => {}
            }
        }
        Ok(())
    }
}
