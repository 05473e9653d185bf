//! Rules for what statmount(2) answers, and for every view of mounts.

use std::collections::BTreeMap;

use common::error::Error;
use common::proc::idmap::IdMap;
use common::proc::mounts::behind::Ours;
use common::proc::mounts::listed::{Answer, Maps};
use common::proc::mounts::peers::{Groups, Member, Seer};
use common::proc::mounts::tree::Tree;
use common::proc::mounts::{Mount, Table, layers};
use common::text::{Charset, width};

use super::output::{is_line, uncoloured};
use super::{number, pieces};
use crate::tools::nsinfo::page::Page;
use crate::tools::nsinfo::sections::Part;
use crate::tools::nsinfo::sections::mounts::{Mounts, Seen};
use crate::tools::nsinfo::view::{VIEWS, View};

/// The words of which bytes are the beginning.
fn words(bytes: &[u8]) -> Vec<u64> {
    bytes
        .chunks(8)
        .map(|word| u64::from_ne_bytes(std::array::from_fn(|at| *word.get(at).unwrap_or(&0))))
        .collect()
}

/// An answer of any bytes: all that it tells ends before a zero byte, and is less than there was.
pub(super) fn answer(bytes: &[u8]) {
    let answer = Answer::from(words(bytes));
    let mount = answer.mount();
    for text in [&mount.root, &mount.point, &mount.fs_type, &mount.source, &mount.super_options] {
        assert!(!text.contains(&0) && text.len() < bytes.len() + 64);
    }
    assert!(!mount.options.is_empty());
    if let Some(Maps { users, groups }) = answer.maps() {
        assert!(users.ranges.len() + groups.ranges.len() <= 2 * (bytes.len() + 512));
    }
}

/// A mount of any names and numbers, laid out as in linux/mount.h, is read as it is, and so are its maps.
pub(super) fn answer_made(bytes: &[u8]) {
    let (numbers, bytes) = number(bytes);
    let names: Vec<&[u8]> = pieces(bytes).collect();
    let name = |at: usize| names.get(at).copied().unwrap_or_default();
    let group = |bit: u32| (numbers >> bit & 1 == 1).then_some(numbers | 1);
    let read_only = numbers >> 2 & 1;
    let mut made = vec![0u8; 512];
    let mut texts = Vec::new();
    let mut tell = |at: usize, text: &[u8]| {
        made[at..at + 4].copy_from_slice(&(texts.len() as u32).to_ne_bytes());
        texts.extend([text, b"\0"].concat());
    };
    for (at, text) in [(104, name(0)), (108, name(1)), (36, name(2)), (124, name(3)), (4, name(4))] {
        tell(at, text);
    }
    tell(156, b"1 20 3\0" as &[u8]);
    tell(164, b"4 50 6");
    let mut put = |at: usize, bytes: &[u8]| made[at..at + bytes.len()].copy_from_slice(bytes);
    // Root, point, kind, source, options, both maps.
    put(8, &(0x2u64 | 0x8 | 0x10 | 0x20 | 0x80 | 0x200 | 0x2000 | 0x4000).to_ne_bytes());
    let (major, minor) = (numbers as u32, (numbers >> 32) as u32);
    for (at, short) in
        [(16, major), (20, minor), (32, read_only as u32), (56, minor), (60, major), (152, 1), (160, 1)]
    {
        put(at, &short.to_ne_bytes());
    }
    let unbindable = numbers >> 3 & 1 == 1;
    for (at, long) in [
        (64, read_only | 0x10_0000),
        (72, if unbindable { 1 << 17 } else { 0 }),
        (80, group(0).unwrap_or(0)),
        (88, group(1).unwrap_or(0)),
    ] {
        put(at, &u64::to_ne_bytes(long));
    }
    made.extend(texts);
    let access = if read_only == 1 { "ro" } else { "rw" };
    // What is its own parent has a place; of another it is not told where it cannot be reached.
    let point = match (name(1).is_empty(), major == minor) {
        (true, true) => &b"/"[..],
        (true, false) => b"(unreachable)",
        (false, _) => name(1),
    };
    let comma: &[u8] = if name(4).is_empty() { b"" } else { b"," };
    let expected = Mount {
        id: minor.into(),
        parent: major.into(),
        dev: (major, minor),
        root: name(0).to_vec(),
        point: point.to_vec(),
        options: format!("{access},relatime,idmapped").into_bytes(),
        peer_group: group(0),
        master: group(1),
        unbindable,
        fs_type: name(2).to_vec(),
        source: name(3).to_vec(),
        super_options: [access.as_bytes(), comma, name(4)].concat(),
    };
    let answer = Answer::from(words(&made));
    assert_eq!(answer.mount(), expected);
    let maps = Maps { users: map(b"1 20 3\n"), groups: map(b"4 50 6\n") };
    assert_eq!(answer.maps(), Some(maps));
}

fn map(text: &[u8]) -> IdMap {
    IdMap::parse(text).expect("a map")
}

/// Who is in the groups of two tables.
fn groups(tables: [&Table; 2]) -> Groups {
    let mut groups = Groups { unreadable: tables[1].skipped, cut: tables[1].cut, ..Groups::default() };
    for (seer, table) in tables.into_iter().enumerate() {
        groups.seers.push(Seer { pid: 7 * seer as i32, ns: Some(seer as u64), is_it: seer == 0 });
        for mount in table.iter() {
            let member = || Member { id: mount.id, point: mount.point.to_vec(), seer };
            mount.peer_group.iter().for_each(|group| groups.peers.entry(*group).or_default().push(member()));
            mount.master.iter().for_each(|group| groups.slaves.entry(*group).or_default().push(member()));
        }
    }
    groups
}

/// Any mounts, with others of any kind elsewhere: every view has a line for each that it is for, none of them unsafe or, where
/// it can be cut, wider than the terminal; JSON has them all.
pub(super) fn views(bytes: &[u8]) {
    let (how, bytes) = number(bytes);
    let bit = |at: u32| how >> at & 1 == 1;
    let mut parts = pieces(bytes);
    let [mine, others] = [(); 2].map(|()| Table::parse(parts.next().unwrap_or_default().to_vec()));
    let tree = Tree::of(&mine, bit(0));
    // What an error says is as the environment's character set has it, whatever the page is for.
    let why: Vec<u8> = parts.next().unwrap_or_default().iter().copied().filter(u8::is_ascii).collect();
    let refused = || Error::refused(&why);
    let ours = Ours::of(&others);
    let behind = mine.iter().map(|mount| ours.behind(&mount)).collect();
    let maps: BTreeMap<u64, Maps> = mine
        .iter()
        .filter(|mount| mount.id % 2 == 0)
        .map(|mount| (mount.id, Maps { users: map(b"1 20 3\n5 4294967295 1\n"), groups: IdMap::default() }))
        .collect();
    let groups = groups([&mine, &others]);
    let hidden = tree.covers.iter().flatten().count();
    let of_layers: usize = mine.iter().map(|mount| layers::of(&mount).len()).sum();
    let count = mine.len();
    let mut mounts = Mounts {
        view: None,
        seen: Ok(Seen {
            table: mine,
            tree,
            groups: Some(if bit(1) { Err(refused()) } else { Ok(groups) }),
            behind: Some(if bit(2) { Err(refused()) } else { Ok(behind) }),
            maps: Some(if bit(3) { Err(refused()) } else { Ok(maps) }),
        }),
    };
    let terminal = bit(4).then_some(80);
    for (_, view) in VIEWS {
        mounts.view = Some(*view);
        let lines = match view {
            View::Tree | View::Flat => Some(count + 1),
            View::Hidden => Some(if hidden == 0 { 1 } else { hidden + 1 }),
            View::Host if bit(2) => Some(1),
            View::Host => Some(count + of_layers + 1),
            View::Binds => None,
        };
        for charset in [Charset::Utf8, Charset::Ascii] {
            let page = |colour: bool| {
                let mut page = Page::new(charset, terminal, colour);
                mounts.page(&mut page);
                page.out
            };
            let text = page(false);
            assert!(text.lines().all(is_line) && (charset == Charset::Utf8 || text.is_ascii()), "{text:?}");
            assert_eq!(uncoloured(&page(true)), text);
            let rows = text.lines().take(lines.unwrap_or(0));
            assert!(lines.is_none_or(|lines| rows.clone().count() == lines), "{lines:?} {text}");
            let is_cut = terminal.is_some() && *view != View::Flat && !(*view == View::Host && bit(2));
            assert!(!is_cut || rows.clone().all(|line| width(line) <= 80), "{text}");
        }
    }
    let json = mounts.json().document();
    assert!(json.lines().all(is_line));
    let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    let list = json["list"].as_array().expect("a list");
    assert_eq!(list.len(), count);
    assert_eq!(list.iter().filter(|mount| mount["hidden"] == true).count(), hidden);
    assert!(list.iter().all(|mount| mount["peers"].is_null() == bit(1) && mount["host"].is_null() == bit(2)));
}
