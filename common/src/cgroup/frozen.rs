//! Is a process frozen by its groups, and by which?

use super::group::{Group, Version};
use super::layout::{Hierarchy, Layout};
use super::usage::{read, value};
use crate::error::Result;
use crate::proc::groups::Line;

/// How far freezing has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// It is not wanted.
    Thawed,
    /// Not every process stands still yet.
    Freezing,
    /// All do, until somebody thaws the group.
    Frozen,
}

impl State {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            State::Thawed => "thawed",
            State::Freezing => "freezing",
            State::Frozen => "frozen",
        }
    }
}

/// The state of the processes of a group, and the outermost group for which it is wanted: their own, or one above that
/// can be seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frozen {
    /// The state.
    pub state: State,
    /// The group.
    pub by: Option<Vec<u8>>,
}

impl Frozen {
    /// That of a process in these groups, by either version. Sources: freezer-subsystem.rst in
    /// Documentation/admin-guide/cgroup-v1, cgroup-v2.rst (cgroup.freeze, Linux 5.2).
    pub fn take(layout: &Layout, lines: &[Line]) -> Result<Frozen> {
        let freezes = |line: &&Line| {
            line.controllers.is_empty() || line.controllers.iter().any(|name| name == b"freezer")
        };
        let mut found = Frozen { state: State::Thawed, by: None };
        let mut unknown = None;
        for line in lines.iter().filter(freezes) {
            match layout.locate(line).and_then(|(hierarchy, group)| of(hierarchy, &group)) {
                Ok(here) if here.state > found.state => found = here,
                Ok(_) => {}
                Err(e) => unknown = Some(e),
            }
        }
        match unknown {
            Some(e) if found.state == State::Thawed => Err(e),
            _ => Ok(found),
        }
    }
}

fn of(hierarchy: &Hierarchy, group: &Group) -> Result<Frozen> {
    let mut by = None;
    for group in hierarchy.chain(group) {
        let group = group?;
        let file = match group.version {
            Version::V1 => "freezer.self_freezing",
            Version::V2 => "cgroup.freeze",
        };
        let is_wanted = read(&group, file)?.is_some_and(|text| text == b"1");
        if is_wanted && by.is_none() {
            by = Some(group.path);
        }
    }
    let state = match group.version {
        Version::V1 => state_of(&read(group, "freezer.state")?.unwrap_or_default()),
        Version::V2 => {
            let events = read(group, "cgroup.events")?.unwrap_or_default();
            match (value(&events, Some("frozen")), &by) {
                (Some(1), _) => State::Frozen,
                (_, Some(_)) => State::Freezing,
                _ => State::Thawed,
            }
        }
    };
    Ok(Frozen { state, by })
}

/// The word of version 1.
fn state_of(word: &[u8]) -> State {
    match word {
        b"FROZEN" => State::Frozen,
        b"FREEZING" => State::Freezing,
        _ => State::Thawed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_version_1_are_states() {
        let cases: [(&[u8], _); 4] = [
            (b"FROZEN", State::Frozen),
            (b"FREEZING", State::Freezing),
            (b"THAWED", State::Thawed),
            (b"", State::Thawed),
        ];
        for (word, state) in cases {
            assert_eq!(state_of(word), state);
        }
        assert!(State::Thawed < State::Freezing && State::Freezing < State::Frozen);
    }
}
