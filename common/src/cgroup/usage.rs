//! What holds for the processes of a group, and what they have used.

mod stall;
mod total;

use nix::errno::Errno;

use super::group::{Group, Version};
use super::knobs::{KNOBS, Spelling};
use super::layout::Hierarchy;
use crate::error::Result;
use crate::text::digits;

pub use stall::{Stall, Stalls};
pub use total::{Pressure, Usage, divide, of_devices, of_lines};

/// A limit that a group has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InForce {
    /// The file that says so.
    pub file: &'static str,
    /// What it says.
    pub value: Vec<u8>,
    /// The group that has it: the process's own, or one above, whose limits hold for all below.
    pub group: Vec<u8>,
}

/// The limits of [`KNOBS`] that hold for the processes of a group, its own last. Files that are not there, as of
/// controllers that are not handed on, set no limit.
pub fn in_force(hierarchy: &Hierarchy, group: &Group) -> Result<Vec<InForce>> {
    let mut found: Vec<InForce> = Vec::new();
    // What a cpuset of version 1 would have from above: it always says something.
    let mut above: Vec<(&str, Vec<u8>)> = Vec::new();
    for group in hierarchy.chain(group) {
        let group = group?;
        for knob in KNOBS {
            let here = knob.controller_of(group.version).as_bytes();
            if group.version == Version::V1 && !hierarchy.controllers.iter().any(|name| name == here) {
                continue;
            }
            let spelling = knob.spelling(group.version);
            for file in spelling.all() {
                let Some(value) = read(&group, file)? else { continue };
                let known = found.iter().any(|known| known.file == file && known.group == group.path);
                if known || !is_limit(&value) || spelling.is_none(&value) {
                    continue;
                }
                if here == b"cpuset" && group.version == Version::V1 {
                    let last = above.iter_mut().find(|(known, _)| *known == file);
                    let same = last.as_ref().is_some_and(|(_, last)| *last == value);
                    let is_first = last.is_none();
                    match last {
                        Some((_, last)) => last.clone_from(&value),
                        None => above.push((file, value.clone())),
                    }
                    if same || is_first && hierarchy.sees_all {
                        continue;
                    }
                }
                if !is_circumstance(spelling, &group)? {
                    // One for each device has a line for each.
                    let value = value.split(|&b| b == b'\n').collect::<Vec<_>>().join(&b", "[..]);
                    found.push(InForce { file, value, group: group.path.clone() });
                }
            }
        }
    }
    Ok(found)
}

/// What a file says; none if the group does not have it or is gone.
pub(super) fn read(group: &Group, file: &str) -> Result<Option<Vec<u8>>> {
    match group.read(file) {
        Err(e) if e.is_gone() || matches!(e.errno(), Some(Errno::ENODEV | Errno::EOPNOTSUPP)) => Ok(None),
        answer => answer.map(Some),
    }
}

/// Does this text of a limit's file set one? Version 1 says "none" of memory by the highest number of pages. What is
/// none only for some files their rows know.
pub fn is_limit(value: &[u8]) -> bool {
    let highest = digits(value).is_some_and(|number: u64| number > i64::MAX as u64 - (1 << 16));
    !(highest || value.is_empty() || value == b"-1" || value.starts_with(b"max"))
}

/// A value that is never "none", such as a period, limits nothing where that to which it belongs does not.
fn is_circumstance(spelling: &Spelling, group: &Group) -> Result<bool> {
    match spelling.needs() {
        Some(file) => Ok(!read(group, file)?.is_some_and(|value| is_limit(&value))),
        None => Ok(false),
    }
}

/// The number of a file with one, or in the line with this key.
pub fn value(text: &[u8], key: Option<&str>) -> Option<u64> {
    let number = |text: &[u8]| digits(text.trim_ascii());
    match key {
        None => number(text),
        Some(key) => {
            let of_key = |line: &[u8]| number(line.strip_prefix(key.as_bytes())?.strip_prefix(b" ")?);
            text.split(|&b| b == b'\n').find_map(of_key)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_limit_has_many_spellings() {
        for none in [&b"max"[..], b"max 100000", b"-1", b"9223372036854771712", b""] {
            assert!(!is_limit(none), "{}", String::from_utf8_lossy(none));
        }
        for some in [&b"20000 100000"[..], b"67108864", b"0", b"50"] {
            assert!(is_limit(some), "{}", String::from_utf8_lossy(some));
        }
    }

    #[test]
    fn values_stand_alone_or_behind_their_key() {
        let stat = b"usage_usec 1500\nuser_usec 7\nnr_throttled 3";
        let cases = [
            (&b"42"[..], None, Some(42)),
            (stat, Some("usage_usec"), Some(1500)),
            (stat, Some("nr_throttled"), Some(3)),
            (stat, Some("usage"), None),
            (b"max", None, None),
            (b"+42", None, None),
            (b"\xff", None, None),
        ];
        for (text, key, expected) in cases {
            assert_eq!(value(text, key), expected);
        }
    }
}
