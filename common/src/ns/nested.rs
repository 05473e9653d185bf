//! Maps of ids of user namespaces that nobody is in.
//!
//! /proc tells only those of processes. A helper inside reads the map as it was written, to the user namespace above; joined
//! with those of all that stand above it, it leads to ours.

use super::fd::NsFd;
use super::visit;
use crate::error::{Error, Result};
use crate::proc::Proc;
use crate::proc::idmap::IdMap;

/// User namespaces nest so deep, and no deeper. Source: user_namespaces(7).
const DEPTH: usize = 33;

/// What a user namespace does with ids.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nested {
    /// The map of user ids, from inside to the user namespace in which it is read.
    pub users: IdMap,
    /// That of group ids.
    pub groups: IdMap,
    /// `allow` or `deny`.
    pub setgroups: Vec<u8>,
}

/// The user namespaces between this one and `view`, its parent first. None where it is not below that.
pub fn between(ns: &NsFd, view: u64) -> Result<Option<Vec<NsFd>>> {
    let mut between: Vec<NsFd> = Vec::new();
    while let Some(parent) = between.last().unwrap_or(ns).parent()? {
        if parent.id()?.ino == view {
            return Ok(Some(between));
        }
        if between.len() > DEPTH {
            break;
        }
        between.push(parent);
    }
    Ok(None)
}

impl Nested {
    /// Reads the maps of a user namespace by those of all that stand between it and ours. For whom and with what rights:
    /// see [`visit::inside`].
    pub fn of(proc: &Proc, ns: &NsFd, between: &[NsFd]) -> Result<Nested> {
        let mut nested = Nested::written(proc, ns)?;
        for above in between {
            let above = Nested::written(proc, above)?;
            nested.users = nested.users.through(&above.users);
            nested.groups = nested.groups.through(&above.groups);
        }
        Ok(nested)
    }

    /// The maps to its parent, as they were written.
    fn written(proc: &Proc, ns: &NsFd) -> Result<Nested> {
        // Opened inside: that is how the kernel knows for whom it numbers. No text of these holds a zero byte.
        let look = || {
            let this = proc.this()?;
            Ok([this.read(c"uid_map")?, this.read(c"gid_map")?, this.read(c"setgroups")?].join(&0))
        };
        let text = visit::inside(ns, "maps of ids", look)?;
        Nested::parse(&text).ok_or_else(|| Error::refused("its maps of ids make no sense"))
    }

    fn parse(text: &[u8]) -> Option<Nested> {
        match text.split(|&b| b == 0).collect::<Vec<_>>()[..] {
            [users, groups, setgroups] => Some(Nested {
                users: IdMap::parse(users)?,
                groups: IdMap::parse(groups)?,
                setgroups: setgroups.trim_ascii_end().to_vec(),
            }),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_texts_are_two_maps_and_a_word() {
        let found = Nested::parse(b" 0 5 1\n\x00\x00deny\n").expect("maps");
        assert_eq!(
            (found.users.outside(0), found.groups, &found.setgroups[..]),
            (Some(5), IdMap::default(), &b"deny"[..])
        );
        for text in [&b""[..], b"\x00deny", b"x\x00\x00deny", b"\x00\x00\x00"] {
            assert_eq!(Nested::parse(text), None);
        }
    }
}
