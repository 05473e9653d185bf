//! Rules for maps of ids: what is asked for, what is to be written, and the ids that a user may map.

use std::collections::BTreeSet;

use common::proc::mapping::{self, Asked, Extent, Line, Mapping, Single, arguments};
use common::proc::subids::{Found, Subids};

use super::output::is_line;
use super::{decimal, number};

const NO_ID: u128 = u32::MAX as u128;

/// A range is three numbers that stand for ids alone, in one of two orders; all else but three words is refused in one
/// line that says what to do.
pub(super) fn spec(bytes: &[u8]) {
    let numbers = |by: u8| -> Option<Vec<u128>> {
        bytes.split(|&b| b == by).map(|word| decimal(word, NO_ID)).collect()
    };
    let three = match (numbers(b':').as_deref(), numbers(b',').as_deref()) {
        (Some(&[inside, outside, count]), _) | (_, Some(&[outside, inside, count])) => {
            Some([inside, outside, count])
        }
        _ => None,
    };
    let valid = |[inside, outside, count]: &[u128; 3]| {
        *count > 0 && inside + count <= NO_ID && outside + count <= NO_ID
    };
    let expected = three.filter(valid);
    match Asked::parse(bytes) {
        Err(e) => {
            assert!(expected.is_none() && ![&b"auto"[..], b"subids", b"all"].contains(&bytes));
            assert!(is_line(&e.to_string()) && e.hint().is_some_and(is_line));
        }
        Ok(Asked::Auto) => assert_eq!(bytes, b"auto"),
        Ok(Asked::Subids) => assert_eq!(bytes, b"subids"),
        Ok(Asked::All) => assert_eq!(bytes, b"all"),
        Ok(Asked::Range(line)) => {
            assert_eq!(Some([line.inside, line.outside, line.count].map(u128::from)), expected);
            assert_eq!(Asked::parse(line.to_string().as_bytes()).ok(), Some(Asked::Range(line)));
            assert!(mapping::plan(None, &[line.into()]).is_ok_and(|map| map.lines == [line]));
        }
    }
}

/// Few ids, or the last there are: from each byte one number.
fn small(byte: u8, base: u32) -> u32 {
    base + u32::from(byte % 24)
}

/// Lines of pairs in their order.
fn joined(pairs: &[(u32, u32)]) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    for &(inside, outside) in pairs {
        match lines.last_mut() {
            Some(last) if (last.inside + last.count, last.outside + last.count) == (inside, outside) => {
                last.count += 1;
            }
            _ => lines.push(Line { inside, outside, count: 1 }),
        }
    }
    lines
}

/// Ids stand for each other as they do when each is written down and those that the single one takes are crossed out;
/// a map is refused if an id is twice on one side, or if it is too large.
pub(super) fn plan(bytes: &[u8]) {
    let (first, rest) = number(bytes);
    let [flags, inside, outside, ..] = first.to_be_bytes();
    let base = |bit: u8| if flags >> bit & 1 == 1 { u32::MAX - 40 } else { 0 };
    let single = (flags & 1 == 1)
        .then_some(Single { inside: small(inside, base(1)), outside: small(outside, base(2)) });
    let of = |bytes: &[u8]| Extent {
        inside: (bytes[0] < 192).then_some(small(bytes[0], base(1))),
        outside: small(bytes[1], base(2)),
        count: u32::from(bytes[2] % 16) + 1,
    };
    let extents: Vec<Extent> = rest.chunks_exact(3).map(of).collect();
    let mut lines: Vec<Line> = single.into_iter().map(Line::from).collect();
    let mut pairs: Vec<(u32, u32)> = single.iter().map(|single| (single.inside, single.outside)).collect();
    for extent in &extents {
        let begin = extent.inside.unwrap_or(0);
        let end = extent.inside.map_or(u32::MAX, |begin| begin + extent.count);
        let inside = (begin..end).filter(|id| single.is_none_or(|single| single.inside != *id));
        let outside = (extent.outside..extent.outside + extent.count)
            .filter(|id| single.is_none_or(|single| single.outside != *id));
        let of_extent: Vec<_> = inside.zip(outside).collect();
        lines.extend(joined(&of_extent));
        pairs.extend(of_extent);
    }
    let differ = |ids: Vec<u32>| ids.iter().collect::<BTreeSet<_>>().len() == ids.len();
    let apart = differ(pairs.iter().map(|pair| pair.0).collect())
        && differ(pairs.iter().map(|pair| pair.1).collect());
    let text: Vec<_> =
        lines.iter().map(|line| format!("{} {} {}", line.inside, line.outside, line.count)).collect();
    let text = text.join("\n");
    match mapping::plan(single, &extents) {
        Err(e) => {
            assert!(!apart || lines.len() > 340 || text.len() > 4095, "{e}");
            assert!(is_line(&e.to_string()) && e.hint().is_some_and(is_line));
        }
        Ok(map) => {
            assert!(apart);
            assert_eq!((map.text(), &map), (text, &Mapping { lines }));
            assert_eq!(arguments(7, &map).join(" "), format!("7 {}", map.text().replace('\n', " ")).trim());
        }
    }
}

/// A name, a number and a file of any bytes: the first line that is the user's tells, whatever the others are.
pub(super) fn subids(bytes: &[u8]) {
    let mut parts = bytes.splitn(3, |&b| b == 0);
    let mut part = || parts.next().unwrap_or_default();
    let (name, uid, text) = (part(), decimal(part(), NO_ID).unwrap_or(0), part());
    for name in [None, Some(name)] {
        let mut expected = Found::Nothing;
        for (at, line) in text.split(|&b| b == b'\n').enumerate() {
            let words: Vec<_> = line.split(|&b| b == b':').collect();
            let own = !words[0].is_empty() && Some(words[0]) == name || decimal(words[0], NO_ID) == Some(uid);
            if !own {
                continue;
            }
            let numbers: Vec<_> = words[1..].iter().map(|word| decimal(word, NO_ID)).collect();
            expected = match numbers[..] {
                [Some(start), Some(count)] if count > 0 && start + count <= NO_ID => {
                    Found::Ids(Subids { start: start as u32, count: count as u32 })
                }
                _ => Found::Odd(at + 1),
            };
            break;
        }
        let found = Subids::find(text, name, uid as u32);
        assert_eq!(found, expected);
        if let Found::Ids(ids) = found {
            // What it gives is a map by itself, both ways.
            for extent in [ids.auto(), ids.same()] {
                let map = mapping::plan(None, &[extent]).expect("a map");
                assert_eq!(
                    map.lines.iter().map(|line| (line.outside, line.count)).collect::<Vec<_>>(),
                    [(ids.start, ids.count)]
                );
            }
        }
    }
}
