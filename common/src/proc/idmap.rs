//! Maps of user and group ids of a user namespace, as they are read of a process.

use nix::errno::Errno;

use super::Task;
use crate::error::{Error, Result};
use crate::text::digits;

/// Which ids of a user namespace stand for which outside it. Source: user_namespaces(7).
///
/// "Outside" is what the kernel makes it for the one who reads: our own user namespace, or, where the process
/// is in ours, the parent of that.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IdMap {
    /// Its lines, in the kernel's order.
    pub ranges: Vec<Range>,
}

/// A line of a map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// The first id inside.
    pub inside: u32,
    /// The first id outside; none where the user namespace we read it in does not know it.
    pub outside: Option<u32>,
    /// How many ids.
    pub count: u32,
}

/// What the kernel writes for an id that has no number; no valid id (setresuid(2)).
pub(super) const NO_ID: u32 = u32::MAX;

impl IdMap {
    /// The map of user ids of a process's user namespace.
    pub fn of_users(task: &Task) -> Result<IdMap> {
        IdMap::read(task, c"uid_map")
    }

    /// The map of group ids.
    pub fn of_groups(task: &Task) -> Result<IdMap> {
        IdMap::read(task, c"gid_map")
    }

    fn read(task: &Task, name: &std::ffi::CStr) -> Result<IdMap> {
        IdMap::parse(&task.read(name)?).ok_or_else(|| {
            Error::sys("parse", format!("{} of {}", name.to_string_lossy(), task.pid), Errno::EINVAL)
        })
    }

    /// Reads a map file. An empty one is a map that was not written yet.
    pub fn parse(text: &[u8]) -> Option<IdMap> {
        let lines = text.split(|&b| b == b'\n').filter(|line| !line.is_empty());
        let range = |line: &[u8]| {
            let mut numbers = line.split(|&b| b == b' ').filter(|word| !word.is_empty()).map(digits);
            let mut next = || numbers.next()?;
            let (inside, outside, count) = (next()?, next()?, next()?);
            Some(Range { inside, outside: (outside != NO_ID).then_some(outside), count })
        };
        Some(IdMap { ranges: lines.map(range).collect::<Option<_>>()? })
    }

    /// The id inside that stands for this one outside.
    pub fn inside(&self, outside: u32) -> Option<u32> {
        self.ranges.iter().find_map(|range| shift(outside, range.outside?, range.inside, range.count))
    }

    /// The id outside that this one inside stands for.
    pub fn outside(&self, inside: u32) -> Option<u32> {
        self.ranges.iter().find_map(|range| shift(inside, range.inside, range.outside?, range.count))
    }

    /// Is this an id inside, whether or not we can tell what it is outside?
    pub fn knows(&self, inside: u32) -> bool {
        self.ranges.iter().any(|range| shift(inside, range.inside, 0, range.count).is_some())
    }

    /// This map of a user namespace to its parent, and that of the parent to where it leads, in one: each range is cut
    /// where those of the parent end.
    pub fn through(&self, parent: &IdMap) -> IdMap {
        let mut ranges = Vec::new();
        for range in &self.ranges {
            let mut done = 0;
            while done < range.count {
                let (inside, left) = (range.inside.saturating_add(done), range.count - done);
                let at = range.outside.and_then(|first| first.checked_add(done));
                let (outside, count) = at.map_or((None, left), |at| parent.step(at, left));
                ranges.push(Range { inside, outside, count });
                done += count;
            }
        }
        IdMap { ranges }
    }

    /// Where this id inside leads, and for how many from it on that is told by the same range; at least one.
    fn step(&self, id: u32, most: u32) -> (Option<u32>, u32) {
        let holds = |range: &&Range| id.checked_sub(range.inside).is_some_and(|at| at < range.count);
        match self.ranges.iter().find(holds) {
            Some(range) => {
                let at = id - range.inside;
                (range.outside.and_then(|first| first.checked_add(at)), most.min(range.count - at))
            }
            None => {
                let next = self.ranges.iter().map(|range| range.inside).filter(|first| *first > id).min();
                (None, next.map_or(most, |next| most.min(next - id)))
            }
        }
    }

    /// Is every id the same inside and outside, as in the initial user namespace?
    pub fn is_identity(&self) -> bool {
        self.ranges == [Range { inside: 0, outside: Some(0), count: NO_ID }]
    }
}

/// The id that stands as far from `to` as this one from `from`.
fn shift(id: u32, from: u32, to: u32, count: u32) -> Option<u32> {
    let at = id.checked_sub(from).filter(|at| *at < count && id != NO_ID)?;
    to.checked_add(at).filter(|id| *id != NO_ID)
}

/// May groups be given up in this process's user namespace: `allow` or `deny`. Source: user_namespaces(7),
/// Linux 3.19.
pub fn setgroups(task: &Task) -> Result<Vec<u8>> {
    Ok(task.read(c"setgroups")?.trim_ascii_end().to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maps_translate_both_ways() {
        let text = b"         0       1000          1\n         1     100000      65536\n     70000 4294967295          2\n";
        let map = IdMap::parse(text).expect("a map");
        let cases = [
            (Some(0), Some(1000)),
            (Some(1), Some(100000)),
            (Some(65536), Some(165535)),
            (Some(65537), None),
            (Some(70001), None),
            (None, Some(0)),
            (None, Some(1001)),
            (None, Some(165536)),
            (None, Some(u32::MAX)),
        ];
        for (inside, outside) in cases {
            if let Some(id) = inside {
                assert_eq!(map.outside(id), outside, "{id} inside");
            }
            if let Some(id) = outside {
                assert_eq!(map.inside(id), inside, "{id} outside");
            }
        }
        assert!(map.knows(70001) && !map.knows(70002) && !map.is_identity());
    }

    #[test]
    fn a_map_through_another_is_cut_where_the_ranges_of_that_end() {
        let map = |text: &[u8]| IdMap::parse(text).expect("a map");
        let parent = map(b"0 1000 1\n1 100000 10\n20 500 5\n30 4294967295 2");
        let cases: [(&[u8], &[u8]); 8] = [
            (b"0 0 1", b"0 1000 1"),
            (b"5 0 3", b"5 1000 1\n6 100000 2"),
            (b"0 1 10", b"0 100000 10"),
            (b"0 9 13", b"0 100008 2\n2 4294967295 9\n11 500 2"),
            (b"7 30 2", b"7 4294967295 2"),
            (b"7 40 2", b"7 4294967295 2"),
            (b"7 4294967295 2", b"7 4294967295 2"),
            (b"", b""),
        ];
        for (inner, whole) in cases {
            assert_eq!(map(inner).through(&parent), map(whole), "{}", String::from_utf8_lossy(inner));
        }
        let all = map(b"0 0 4294967295");
        assert_eq!((all.through(&all), parent.through(&all)), (all.clone(), parent.clone()));
    }

    #[test]
    fn a_map_is_read_as_a_whole_or_not_at_all() {
        let identity = IdMap::parse(b"         0          0 4294967295\n").expect("a map");
        assert!(identity.is_identity());
        assert_eq!(identity.inside(u32::MAX - 1), Some(u32::MAX - 1));
        assert_eq!(identity.inside(u32::MAX), None);
        assert_eq!(IdMap::parse(b""), Some(IdMap::default()));
        for text in [&b"0 0"[..], b"0 0 x", b"0 -1 1", b"0 4294967296 1", b"0 0 1\nodd"] {
            assert_eq!(IdMap::parse(text), None, "{}", String::from_utf8_lossy(text));
        }
        // No kernel writes it, but nothing may overflow.
        let past = IdMap::parse(b"4294967290 0 100").expect("a map");
        assert_eq!((past.inside(3), past.inside(50)), (Some(4294967293), None));
        assert_eq!((past.outside(4294967294), past.outside(u32::MAX)), (Some(4), None));
        assert!(!past.knows(u32::MAX));
    }
}
