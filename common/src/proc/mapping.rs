//! Maps of user and group ids that are to be written: what is asked for, the lines that come of it, and the files.

use std::ffi::CStr;
use std::fmt;

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::stat::Mode;

use super::Task;
use super::idmap::{IdMap, NO_ID};
use crate::error::{Error, Result};
use crate::text::digits;

/// One id inside a new user namespace that stands for one outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Single {
    /// The id inside.
    pub inside: u32,
    /// The id outside, in the parent user namespace.
    pub outside: u32,
}

/// Ids that follow each other inside and stand for as many that follow each other outside: a line of a map file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line {
    /// The first id inside.
    pub inside: u32,
    /// The first id outside, in the parent user namespace.
    pub outside: u32,
    /// How many ids.
    pub count: u32,
}

/// Ids outside that are asked for, before room is made among them for a [`Single`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// The first id inside, of as many; none where they begin at 0 and there are as many as are needed.
    pub inside: Option<u32>,
    /// The first id outside.
    pub outside: u32,
    /// How many ids outside.
    pub count: u32,
}

/// What one `--map-users` or `--map-groups` asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// `inner:outer:count`, or the older `outer,inner,count`: these.
    Range(Line),
    /// `auto`: the subordinate ids of the user, from 0 on inside.
    Auto,
    /// `subids`: the subordinate ids of the user, the same inside.
    Subids,
    /// `all`: every id that there is in our own user namespace, the same inside.
    All,
}

/// A whole map, as it can be written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mapping {
    /// Its lines, no two of which have an id in common, inside or outside.
    pub lines: Vec<Line>,
}

/// May the processes of a user namespace change their supplementary groups? Source: user_namespaces(7), Linux 3.19.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setgroups {
    /// They may, where the map of groups was written.
    Allow,
    /// They may not, and it cannot be allowed again.
    Deny,
}

/// Both by their words.
pub const SETGROUPS: &[(&str, Setgroups)] = &[("allow", Setgroups::Allow), ("deny", Setgroups::Deny)];

impl Setgroups {
    /// The word for it.
    pub fn word(self) -> &'static str {
        SETGROUPS.iter().find(|(_, known)| *known == self).map_or("", |(word, _)| word)
    }
}

/// How many lines the kernel takes, since Linux 4.15. Source: user_namespaces(7).
pub const LINES: usize = 340;

/// How many bytes it takes: less than a page. Source: user_namespaces(7).
pub const BYTES: usize = 4095;

impl Asked {
    /// Reads the value of an option. Numbers are digits alone, and no range goes past the last id.
    pub fn parse(text: &[u8]) -> Result<Asked> {
        match text {
            b"auto" => return Ok(Asked::Auto),
            b"subids" => return Ok(Asked::Subids),
            b"all" => return Ok(Asked::All),
            _ => {}
        }
        let three =
            |by: u8| -> Option<[&[u8]; 3]> { text.split(|&b| b == by).collect::<Vec<_>>().try_into().ok() };
        let older = |[outside, inside, count]: [_; 3]| [inside, outside, count];
        let words = three(b':').or_else(|| three(b',').map(older)).ok_or_else(|| {
            Error::refused([b"not a range of ids: ", text].concat())
                .with_hint("inner:outer:count, as in 0:100000:65536, or one of: auto subids all")
        })?;
        let number = |word: &[u8]| {
            digits(word).ok_or_else(|| {
                Error::refused([b"no valid number in the range ", text, b": ", word].concat())
                    .with_hint("ids are numbers from 0 to 4294967294")
            })
        };
        let [inside, outside, count] = words.map(number);
        let line = Line { inside: inside?, outside: outside?, count: count? };
        line.check()?;
        Ok(Asked::Range(line))
    }
}

impl Line {
    /// Are these ids, and is there one?
    fn check(&self) -> Result<()> {
        // The first number past the last id is that of no id.
        let ends = |first: u32| first.checked_add(self.count).is_some();
        match self.count {
            0 => Err(Error::refused(format!("no id is in the range {self}"))
                .with_hint("the last number is how many ids there are, 1 or more")),
            _ if ends(self.inside) && ends(self.outside) => Ok(()),
            _ => Err(Error::refused(format!("the range {self} goes past the last id"))
                .with_hint("the last id is 4294967294; the numbers are inner:outer:count")),
        }
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.inside, self.outside, self.count)
    }
}

impl From<Single> for Line {
    fn from(Single { inside, outside }: Single) -> Line {
        Line { inside, outside, count: 1 }
    }
}

impl From<Line> for Extent {
    fn from(Line { inside, outside, count }: Line) -> Extent {
        Extent { inside: Some(inside), outside, count }
    }
}

impl From<Single> for Mapping {
    fn from(single: Single) -> Mapping {
        Mapping { lines: vec![single.into()] }
    }
}

/// All ids of a user namespace that has this map, the same inside and outside.
pub fn all(map: &IdMap) -> Vec<Extent> {
    map.ranges
        .iter()
        .map(|range| Extent { inside: Some(range.inside), outside: range.inside, count: range.count })
        .collect()
}

/// The map that gives the single id what it asks for, and these extents, in the order in which they were given, the
/// rest of what they ask for.
///
/// The ids of an extent that the single one does not take stand for each other in their order, as far as there are some
/// on both sides. So an extent from which it takes an id on one side loses its last on the other, but none where there
/// is no end inside. The single id comes first, then the extents as they were given.
pub fn plan(single: Option<Single>, extents: &[Extent]) -> Result<Mapping> {
    let mut lines = Vec::new();
    if let Some(single) = single {
        let line = Line::from(single);
        line.check()?;
        lines.push(line);
    }
    for extent in extents {
        let whole = Line { inside: extent.inside.unwrap_or(0), outside: extent.outside, count: extent.count };
        whole.check()?;
        let end = extent.inside.map_or(NO_ID, |first| first + extent.count);
        let mut inside = without(whole.inside, end, single.map(|single| single.inside));
        let mut outside =
            without(whole.outside, whole.outside + whole.count, single.map(|single| single.outside));
        while let (Some(from), Some(to)) = (first(&mut inside), first(&mut outside)) {
            let count = from.len().min(to.len()) as u32;
            lines.push(Line { inside: from.start, outside: to.start, count });
            from.start += count;
            to.start += count;
        }
    }
    let mapping = Mapping { lines };
    mapping.check()?;
    Ok(mapping)
}

/// Ids from one to another that it does not hold any more.
type Ids = std::ops::Range<u32>;

/// Ids without one of them, in two pieces that may be empty.
fn without(start: u32, end: u32, hole: Option<u32>) -> [Ids; 2] {
    match hole {
        Some(hole) if (start..end).contains(&hole) => [start..hole, hole + 1..end],
        _ => [start..end, end..end],
    }
}

/// The first piece in which there is an id.
fn first(pieces: &mut [Ids; 2]) -> Option<&mut Ids> {
    pieces.iter_mut().find(|piece| piece.start < piece.end)
}

impl Mapping {
    /// Would the kernel take it?
    fn check(&self) -> Result<()> {
        for (side, first) in
            [("inside", (|line| line.inside) as fn(&Line) -> u32), ("outside", |line| line.outside)]
        {
            let mut sorted = self.lines.clone();
            sorted.sort_by_key(first);
            let overlap = |two: &&[Line]| first(&two[0]) + two[0].count > first(&two[1]);
            if let Some(two) = sorted.windows(2).find(overlap) {
                let what = format!("the ranges {} and {} overlap {side}", two[0], two[1]);
                return Err(Error::refused(what).with_hint(
                    "an id can be in one range only; shown are inner:outer:count, without what a single id takes",
                ));
            }
        }
        let (lines, bytes) = (self.lines.len(), self.text().len());
        if lines > LINES || bytes > BYTES {
            return Err(Error::refused(format!("a map of {lines} ranges ({bytes} bytes) is too large"))
                .with_hint(format!(
                    "the kernel takes {LINES} ranges and {BYTES} bytes (user_namespaces(7))"
                )));
        }
        Ok(())
    }

    /// The text of its file.
    pub fn text(&self) -> String {
        let line = |line: &Line| format!("{} {} {}", line.inside, line.outside, line.count);
        self.lines.iter().map(line).collect::<Vec<_>>().join("\n")
    }
}

/// What newuidmap(1) and newgidmap(1) are to be told of a map: the process whose user namespace it is for, and lines.
pub fn arguments(pid: i32, mapping: &Mapping) -> Vec<String> {
    let line = |line: &Line| [line.inside, line.outside, line.count].map(|number| number.to_string());
    std::iter::once(pid.to_string()).chain(mapping.lines.iter().flat_map(line)).collect()
}

/// Writes the map of user ids of the user namespace of this process, or of ourselves, once and for all. Without privilege
/// in the parent user namespace it can be a [`Single`] that stands for our own effective id.
/// Source: user_namespaces(7).
pub fn write_users(task: Option<&Task>, mapping: &Mapping) -> Result<()> {
    write(task, c"uid_map", &mapping.text())
}

/// The same of group ids. Without privilege, setgroups(2) has to be denied before.
pub fn write_groups(task: Option<&Task>, mapping: &Mapping) -> Result<()> {
    write(task, c"gid_map", &mapping.text())
}

/// Allows or denies setgroups(2) in the user namespace of this process, or in ours. It can be denied until the map of
/// groups is written, and not be allowed again. Source: user_namespaces(7), Linux 3.19.
pub fn write_setgroups(task: Option<&Task>, setgroups: Setgroups) -> Result<()> {
    write(task, c"setgroups", setgroups.word())
}

/// Writes in one piece: the kernel takes the first write alone.
fn write(task: Option<&Task>, name: &CStr, text: &str) -> Result<()> {
    let on = name.to_string_lossy();
    let file = match task {
        Some(task) => task.open(name, OFlag::O_WRONLY, &on)?,
        None => {
            let path = format!("/proc/self/{on}");
            let opened = nix::fcntl::open(path.as_str(), OFlag::O_WRONLY | OFlag::O_CLOEXEC, Mode::empty());
            opened.map_err(|e| Error::sys("open", &path, e))?
        }
    };
    let what = || match text.lines().count() {
        0 | 1 => format!("{text:?} to {on}"),
        lines => format!("{lines} lines to {on}"),
    };
    match nix::unistd::write(&file, text.as_bytes()) {
        Ok(length) if length == text.len() => Ok(()),
        Ok(_) => Err(Error::sys("write", what(), Errno::EIO)),
        Err(e) => Err(Error::sys("write", what(), e)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str) -> Line {
        let numbers: Vec<u32> = text.split(':').map(|word| word.parse().expect("a number")).collect();
        Line { inside: numbers[0], outside: numbers[1], count: numbers[2] }
    }

    #[test]
    fn what_is_asked_for_is_ids_or_a_word() {
        let range = |text| Ok(Asked::Range(line(text)));
        let cases = [
            ("auto", Ok(Asked::Auto)),
            ("subids", Ok(Asked::Subids)),
            ("all", Ok(Asked::All)),
            ("0:100000:65536", range("0:100000:65536")),
            ("100000,0,65536", range("0:100000:65536")),
            ("0:0:4294967295", range("0:0:4294967295")),
            ("4294967294:007:1", range("4294967294:7:1")),
            ("0:0:0", Err("no id is in the range 0:0:0")),
            ("5:4294967294:2", Err("the range 5:4294967294:2 goes past the last id")),
            ("4294967295:0:1", Err("the range 4294967295:0:1 goes past the last id")),
            ("1:0:4294967295", Err("the range 1:0:4294967295 goes past the last id")),
            ("0:4294967296:10", Err("no valid number in the range 0:4294967296:10: 4294967296")),
            ("0:-1:1", Err("no valid number in the range 0:-1:1: -1")),
            (" 0:0:1", Err("no valid number in the range  0:0:1:  0")),
            ("0:0:1 ", Err("no valid number in the range 0:0:1 : 1 ")),
            ("0:+1:1", Err("no valid number in the range 0:+1:1: +1")),
            ("0x1:0:1", Err("no valid number in the range 0x1:0:1: 0x1")),
            ("0::1", Err("no valid number in the range 0::1: ")),
            ("0:0:1,2,3", Err("no valid number in the range 0:0:1,2,3: 1,2,3")),
            ("0:0", Err("not a range of ids: 0:0")),
            ("0:0:1:1", Err("not a range of ids: 0:0:1:1")),
            ("0,0:1", Err("not a range of ids: 0,0:1")),
            ("AUTO", Err("not a range of ids: AUTO")),
            ("", Err("not a range of ids: ")),
        ];
        for (text, expected) in cases {
            let asked = Asked::parse(text.as_bytes());
            assert!(asked.as_ref().err().is_none_or(|e| e.hint().is_some()), "{text}");
            assert_eq!(asked.map_err(|e| e.to_string()), expected.map_err(String::from), "{text}");
        }
    }

    /// `SINGLE EXTENT...` as `inside:outside` or `-`, and `inside:outside:count` with `auto` for no first one inside.
    fn planned(asked: &str) -> std::result::Result<String, String> {
        let mut words = asked.split(' ');
        let single = words.next().and_then(|word| word.split_once(':')).map(|(inside, outside)| Single {
            inside: inside.parse().expect("a number"),
            outside: outside.parse().expect("a number"),
        });
        let extent = |word: &str| match word.strip_prefix("auto") {
            Some(rest) => Extent { inside: None, ..line(&format!("0{rest}")).into() },
            None => line(word).into(),
        };
        let extents: Vec<Extent> = words.map(extent).collect();
        plan(single, &extents).map(|mapping| mapping.text().replace('\n', "/")).map_err(|e| {
            assert!(e.hint().is_some(), "{asked}");
            e.to_string()
        })
    }

    #[test]
    fn a_single_id_makes_room_for_itself() {
        let cases = [
            // What unshare does.
            ("0:0 0:0:10", "0 0 1/1 1 9"),
            ("5:0 0:0:10", "5 0 1/0 1 5/6 6 4"),
            ("0:0 1:100000:10", "0 0 1/1 100000 10"),
            ("0:4321 auto:200000:65536", "0 4321 1/1 200000 65536"),
            ("4321:4321 auto:200000:65536", "4321 4321 1/0 200000 4321/4322 204321 61215"),
            ("- auto:200000:65536", "0 200000 65536"),
            ("- 200000:200000:65536", "200000 200000 65536"),
            ("0:0 0:100:10", "0 0 1/1 100 9"),
            ("- 9:9:1 0:0:1 5:5:1", "9 9 1/0 0 1/5 5 1"),
            ("3:7 0:0:10", "3 7 1/0 0 3/4 3 4/8 8 2"),
            ("7:3 0:0:10", "7 3 1/0 0 3/3 4 4/8 8 2"),
            ("5:5 0:0:10", "5 5 1/0 0 5/6 6 4"),
            ("5:5 5:5:1", "5 5 1"),
            ("5:5 5:100:1", "5 5 1"),
            ("5:5 5:100:1 8:5:1", "5 5 1"),
            ("7:0 2:2:7 1:1:1 9:9:2", "7 0 1/2 2 5/8 7 1/1 1 1/9 9 2"),
            // There unshare maps one more than the file gives: 200010.
            ("5:200005 auto:200000:10", "5 200005 1/0 200000 5/6 200006 4"),
            // Where unshare loses one more: a single id that is just past an end takes nothing from a range.
            ("10:0 0:100:10", "10 0 1/0 100 10"),
            ("0:110 1:100:10", "0 110 1/1 100 10"),
            ("10:0 auto:100:10", "10 0 1/0 100 10"),
            // All there is.
            ("0:0 0:0:4294967295", "0 0 1/1 1 4294967294"),
            ("4294967294:0 0:0:4294967295", "4294967294 0 1/0 1 4294967294"),
            ("7:4294967294 auto:0:4294967295", "7 4294967294 1/0 0 7/8 7 4294967287"),
            ("- auto:0:4294967295", "0 0 4294967295"),
            ("-", ""),
            ("1:2", "1 2 1"),
        ];
        for (asked, expected) in cases {
            assert_eq!(planned(asked).as_deref(), Ok(expected), "{asked}");
        }
    }

    #[test]
    fn what_the_kernel_would_refuse_is_refused_before() {
        let many = |lines: u32, far: u32| {
            let line = |at| format!("{}:{}:1", at * 2 + far, at * 2 + far);
            format!("- {}", (0..lines).map(line).collect::<Vec<_>>().join(" "))
        };
        let cases = [
            ("- 0:0:10 9:100:1".into(), "the ranges 0:0:10 and 9:100:1 overlap inside"),
            ("- 100:9:1 0:0:10".into(), "the ranges 0:0:10 and 100:9:1 overlap outside"),
            ("- 0:0:10 0:0:10".into(), "the ranges 0:0:10 and 0:0:10 overlap inside"),
            ("- auto:0:10 auto:100:10".into(), "the ranges 0:0:10 and 0:100:10 overlap inside"),
            ("0:50 auto:100:10 10:0:1".into(), "the ranges 1:100:10 and 10:0:1 overlap inside"),
            ("- 0:0:0".into(), "no id is in the range 0:0:0"),
            ("- auto:1:4294967295".into(), "the range 0:1:4294967295 goes past the last id"),
            ("4294967295:0".into(), "the range 4294967295:0:1 goes past the last id"),
            (many(341, 0), "a map of 341 ranges (3299 bytes) is too large"),
            (many(187, 100_000_000), "a map of 187 ranges (4113 bytes) is too large"),
        ];
        for (asked, expected) in cases {
            assert_eq!(planned(&asked), Err(expected.into()), "{asked}");
        }
        for fits in [many(340, 0), many(186, 100_000_000)] {
            assert!(planned(&fits).is_ok(), "{fits}");
        }
    }

    #[test]
    fn all_ids_of_a_user_namespace_are_the_same_inside() {
        let cases = [
            ("0 0 4294967295\n", "0 0 4294967295"),
            ("0 1000 1\n1 100000 65536\n", "0 0 1\n1 1 65536"),
            ("5 4294967295 2\n", "5 5 2"),
        ];
        for (map, expected) in cases {
            let map = IdMap::parse(map.as_bytes()).expect("a map");
            assert_eq!(plan(None, &all(&map)).expect("a map").text(), expected);
        }
    }

    #[test]
    fn helpers_are_told_the_same_lines() {
        let mapping = Mapping { lines: vec![line("0:1000:1"), line("1:100000:65536")] };
        assert_eq!(arguments(42, &mapping), ["42", "0", "1000", "1", "1", "100000", "65536"]);
        assert_eq!(mapping.text(), "0 1000 1\n1 100000 65536");
    }
}
