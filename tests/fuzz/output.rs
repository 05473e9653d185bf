//! Rules for what is shown: nothing unsafe, and all of it can be had back.

use common::cgroup::effective::Effective;
use common::error::{Error, Result};
use common::kind::{Kind, KindMap, NsId};
use common::ns::scan::{Holder, Namespace, Process, Snapshot};
use common::proc::Start;
use common::proc::container::{Belongs, Named};
use common::proc::groups::Line;
use common::proc::idmap::IdMap;
use common::proc::mounts::Table;
use common::proc::mounts::tree::Tree;
use common::text::{Charset, base64, cut, json_string, show, show_raw, width};
use common::tool::complete::{Offer, lines};
use common::tool::json::Value;
use common::tool::paint::Paint;
use common::tool::table::{Cell, Column, Form, Shape, Style, forest, render};

use super::{number, pieces};
use crate::tools::nsinfo::page::Page;
use crate::tools::nsinfo::sections::cgroup::{self, Cgroup, Cgroups, Facts};
use crate::tools::nsinfo::sections::identity::{self, Identity};
use crate::tools::nsinfo::sections::mounts::{Mounts, Seen};
use crate::tools::nsinfo::sections::namespaces::{Coming, Namespaces};
use crate::tools::nsinfo::sections::user::{Holder as Creator, User};
use crate::tools::nsinfo::sections::uts::Uts;
use crate::tools::nsinfo::sections::{Part, SECTIONS};
use crate::tools::nsinfo::subject::{Id, Life};
use crate::tools::nsinfo::view::VIEWS;
use crate::tools::nsinfo::world::World;
use crate::tools::rlsns::cli::RELATIONS;
use crate::tools::rlsns::holders::{self, Us};
use crate::tools::rlsns::picture::{Picture, Row};
use crate::tools::rlsns::tree::grow;

const CHARSETS: [Charset; 2] = [Charset::Utf8, Charset::Ascii];

/// Characters that a line may not hold: controls, the separators of lines and paragraphs, those that turn the
/// direction, those that may be shown as nothing. Source: Unicode's properties Default_Ignorable_Code_Point,
/// Bidi_Control, Zl and Zp, and the interlinear marks.
const UNSAFE: &[(u32, u32)] = &[
    (0, 0x1f),
    (0x7f, 0x9f),
    (0xad, 0xad),
    (0x34f, 0x34f),
    (0x61c, 0x61c),
    (0x115f, 0x1160),
    (0x17b4, 0x17b5),
    (0x180b, 0x180f),
    (0x200b, 0x200f),
    (0x2028, 0x202e),
    (0x2060, 0x206f),
    (0x3164, 0x3164),
    (0xfe00, 0xfe0f),
    (0xfeff, 0xfeff),
    (0xffa0, 0xffa0),
    (0xfff0, 0xfffb),
    (0x1bca0, 0x1bca3),
    (0x1d173, 0x1d17a),
    (0xe0000, 0xe0fff),
];

/// May this stand on one line of a terminal?
pub(super) fn is_line(text: &str) -> bool {
    let within = |c: char| UNSAFE.iter().any(|(first, last)| (*first..=*last).contains(&u32::from(c)));
    !text.contains(within)
}

/// Undoes the escapes of [`show`] and [`show_raw`].
fn bytes_of(shown: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = shown;
    while let Some(c) = rest.chars().next() {
        let hex = |text: &str| u32::from_str_radix(text, 16).ok();
        let byte = rest.strip_prefix("\\x").and_then(|rest| Some((hex(rest.get(..2)?)?, &rest[2..])));
        let char = rest.strip_prefix("\\u{").and_then(|rest| rest.split_once('}'));
        if let Some((byte, after)) = byte {
            out.push(byte as u8);
            rest = after;
        } else if let Some((code, after)) = char {
            let c = hex(code).and_then(char::from_u32).expect("a character");
            out.extend(c.encode_utf8(&mut [0; 4]).as_bytes());
            rest = after;
        } else {
            out.extend(&rest.as_bytes()[..c.len_utf8()]);
            rest = &rest[c.len_utf8()..];
        }
    }
    out
}

/// Any bytes are shown safely, in two charsets and two ways, can be had back, and can be cut.
pub(super) fn text(bytes: &[u8]) {
    for charset in CHARSETS {
        for shown in [show(bytes, charset), show_raw(bytes, charset)] {
            assert!(is_line(&shown) && (charset == Charset::Utf8 || shown.is_ascii()), "{shown:?}");
            assert_eq!(bytes_of(&shown), bytes);
        }
        assert!(!show_raw(bytes, charset).contains(char::is_whitespace));
        let shown = show(bytes, charset);
        for columns in [0, 1, 2, 5, 80] {
            let cut = cut(&shown, columns);
            assert!(shown.starts_with(cut) && width(cut) <= columns, "{cut:?} {columns}");
        }
        assert_eq!(cut(&shown, usize::MAX), shown);
    }
    assert!(is_line(&Error::refused(bytes).to_string()));
    assert!(is_line(&Error::sys("open", bytes, nix::errno::Errno::EIO).to_string()));
}

/// What base 64 stands for, bit by bit.
fn decoded(text: &str) -> Vec<u8> {
    assert!(text.len().is_multiple_of(4) && !text.trim_end_matches("==").contains("=="));
    let digits: Vec<char> = ('A'..='Z').chain('a'..='z').chain('0'..='9').chain(['+', '/']).collect();
    let value = |c| digits.iter().position(|digit| *digit == c).expect("a digit");
    let digit = |c| (0..6).rev().map(move |bit| value(c) >> bit & 1);
    let bits: Vec<usize> = text.trim_end_matches('=').chars().flat_map(digit).collect();
    bits.chunks_exact(8).map(|byte| byte.iter().fold(0, |sum, bit| sum << 1 | *bit as u8)).collect()
}

/// The bytes of a member of a JSON object: in base 64 where they are no text.
pub(super) fn member(object: &serde_json::Value, key: &str) -> Option<Vec<u8>> {
    match object[format!("{key}_b64")].as_str() {
        Some(text) => Some(decoded(text)),
        None => object[key].as_str().map(|text| text.as_bytes().to_vec()),
    }
}

/// Text in JSON is what it was, and so is a document.
pub(super) fn json(bytes: &[u8]) {
    let string = json_string(bytes);
    assert!(is_line(&string));
    let read: String = serde_json::from_str(&string).expect("JSON");
    assert_eq!(read, String::from_utf8_lossy(bytes));
    assert_eq!(decoded(&base64(bytes)), bytes);

    let texts: Vec<Vec<u8>> = pieces(bytes).map(<[u8]>::to_vec).collect();
    let object = |text: &Vec<u8>| {
        let number = u64::from_le_bytes([text.len() as u8; 8]);
        Value::Object(vec![
            ("n", Value::Number(number)),
            ("t", Value::Text(text.clone())),
            ("o", Value::Null),
        ])
    };
    let list = Value::List(texts.iter().map(object).collect());
    let nested = texts.iter().take(20).fold(list, |inner, text| match text.len() % 3 {
        0 => Value::List(vec![Value::Bool(true), inner]),
        1 => Value::List(vec![inner]),
        _ => Value::Object(vec![("in", inner)]),
    });
    let document = nested.document();
    assert!(document.lines().all(is_line));
    let mut read: &serde_json::Value = &serde_json::from_str(&document).expect("JSON");
    for text in texts.iter().take(20).collect::<Vec<_>>().into_iter().rev() {
        read = match text.len() % 3 {
            0 => &read[1],
            1 => &read[0],
            _ => &read["in"],
        };
    }
    assert_eq!(read.as_array().map(Vec::len), Some(texts.len()));
    for (text, object) in texts.iter().zip(read.as_array().into_iter().flatten()) {
        assert_eq!(member(object, "t").as_ref(), Some(text));
        assert_eq!(object["n"].as_u64(), Some(u64::from_le_bytes([text.len() as u8; 8])));
        assert!(object["o"].is_null());
    }
}

/// A row of a table: a number, a text, another.
type Three = (u64, Vec<u8>, Vec<u8>);

#[rustfmt::skip]
const COLUMNS: &[Column<(), Three>] = &[
    Column { name: "NUMBER", help: "", shape: Shape::Number, cell: |_, row| Cell::Number(row.0) },
    Column { name: "TEXT", help: "", shape: Shape::Text, cell: |_, row| Cell::Text(row.1.clone()) },
    Column { name: "LONG", help: "", shape: Shape::LongText, cell: |_, row| Cell::Text(row.2.clone()) },
    Column { name: "NONE", help: "", shape: Shape::Text, cell: |_, _| Cell::Empty },
    Column { name: "MANY", help: "", shape: Shape::Right, cell: |_, row| Cell::lines(many(row)) },
];

/// The lines of the cell that has several.
fn many(row: &Three) -> Vec<Vec<u8>> {
    row.2.split(|&b| b == b'/').skip(1).map(<[u8]>::to_vec).collect()
}

/// Tables of any cells, columns and trees, in every form: people's as by a slow way, the others as what was
/// put in.
pub(super) fn table(bytes: &[u8]) {
    let (how, bytes) = number(bytes);
    let bit = |at: u32| how >> at & 1 == 1;
    let columns: Vec<_> =
        (0..1 + how as usize % 4).map(|at| &COLUMNS[(how >> (8 + 3 * at)) as usize % 5]).collect();
    let texts: Vec<&[u8]> = pieces(bytes).take(100).collect();
    let things: Vec<Three> = texts
        .chunks(2)
        .map(|pair| (number(pair[0]).0, pair[0].to_vec(), pair.last().unwrap_or(&pair[0]).to_vec()))
        .collect();
    let above = |(at, thing): (usize, &Three)| match bit(2) {
        true => thing.1.first().map(|&b| usize::from(b) % (at + 2)),
        false => None,
    };
    let parents: Vec<_> = things.iter().enumerate().map(above).collect();
    let order = forest(&parents);
    stands(&parents, &order);
    let rows: Vec<(usize, &Three)> = order.iter().map(|(depth, at)| (*depth, &things[*at])).collect();
    let style = |form| Style {
        form,
        headings: bit(3),
        charset: CHARSETS[usize::from(bit(4))],
        width: bit(5).then_some((how >> 16) as usize % 200),
        tree: bit(2).then_some((how >> 24) as usize % columns.len()),
        wrap: bit(6),
        key: "things",
        facts: vec![("more", Value::Number(how))],
        below: vec![],
        paint: None,
    };
    let text = |form| render(&(), &columns, &rows, &style(form));
    assert_eq!(text(Form::Human), slow(&columns, &rows, &style(Form::Human)));

    // Colours change nothing but colours, and other forms have none.
    let looks =
        [Paint::Dim, Paint::Bright, Paint::Plain].into_iter().cycle().take(how as usize % 7).collect();
    let painted = Style { paint: Some(looks), ..style(Form::Human) };
    assert_eq!(uncoloured(&render(&(), &columns, &rows, &painted)), text(Form::Human));
    for form in [Form::Raw, Form::Json] {
        assert_eq!(render(&(), &columns, &rows, &Style { paint: Some(vec![]), ..style(form) }), text(form));
    }

    let raw = text(Form::Raw);
    assert_eq!(raw.lines().count(), rows.len() + usize::from(bit(3)));
    for (line, (_, row)) in raw.lines().skip(usize::from(bit(3))).zip(&rows) {
        assert!(is_line(line));
        for (field, column) in line.split(' ').zip(&columns) {
            let told = match (column.cell)(&(), row) {
                Cell::Number(number) => bytes_of(field) == number.to_string().into_bytes(),
                Cell::Text(text) => bytes_of(field) == text,
                Cell::Lines(lines) => field.split(',').map(bytes_of).eq(lines),
                Cell::Empty => field.is_empty(),
            };
            assert!(told, "{field} {}", column.name);
        }
        assert_eq!(line.split(' ').count(), columns.len());
    }

    let json = text(Form::Json);
    assert!(json.lines().all(is_line));
    let document: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(document["more"].as_u64(), Some(how));
    let mut open: Vec<_> =
        document["things"].as_array().into_iter().flatten().rev().map(|o| (0, o)).collect();
    for (depth, row) in &rows {
        let (found, object) = open.pop().expect("a row");
        assert_eq!(found, *depth);
        for column in &columns {
            let key = column.name.to_ascii_lowercase();
            match (column.cell)(&(), row) {
                Cell::Number(number) => assert_eq!(object[&key].as_u64(), Some(number)),
                Cell::Text(text) => assert_eq!(member(object, &key), Some(text)),
                Cell::Lines(lines) => {
                    let between = if bit(6) { b'\n' } else { b',' };
                    let told = match &object[format!("{key}_b64")] {
                        serde_json::Value::String(text) => {
                            decoded(text).split(|&b| b == 0).map(<[u8]>::to_vec).collect()
                        }
                        _ => member(object, &key).map_or(Vec::new(), |text| {
                            text.split(|&b| b == between).map(<[u8]>::to_vec).collect()
                        }),
                    };
                    assert_eq!(told, lines);
                }
                Cell::Empty => assert!(object[&key].is_null()),
            }
        }
        open.extend(
            object["children"].as_array().into_iter().flatten().rev().map(|child| (depth + 1, child)),
        );
    }
    assert!(open.is_empty());
}

/// Text without what turns colours on and off; there is nothing else that begins with ESC.
pub(super) fn uncoloured(text: &str) -> String {
    let mut parts = text.split('\x1b');
    let mut out = parts.next().unwrap_or_default().to_string();
    for part in parts {
        let (code, rest) = part.split_once('m').expect("an end");
        assert!(["[0", "[1", "[2", "[33"].contains(&code), "{part:?}");
        out += rest;
    }
    out
}

/// In a forest stands every row once, and below its parent unless it is a root or in a circle.
fn stands(parents: &[Option<usize>], order: &[(usize, usize)]) {
    let mut rows: Vec<_> = order.iter().map(|(_, row)| *row).collect();
    rows.sort_unstable();
    assert_eq!(rows, (0..parents.len()).collect::<Vec<_>>());
    for (at, (depth, row)) in order.iter().enumerate() {
        match order[..at].iter().rev().find(|(other, _)| other < depth) {
            Some((other, above)) => assert_eq!((other + 1, Some(*above)), (*depth, parents[*row])),
            None => assert_eq!(*depth, 0),
        }
    }
}

/// The table for people, worked out cell by cell.
fn slow(columns: &[&Column<(), Three>], rows: &[(usize, &Three)], style: &Style) -> String {
    let [middle, last, line] = match style.charset {
        Charset::Utf8 => ["├─", "└─", "│ "],
        Charset::Ascii => ["|-", "`-", "| "],
    };
    let branch = |at: usize| -> String {
        let follows = |level: usize| {
            rows[at + 1..].iter().take_while(|(depth, _)| *depth >= level).any(|(depth, _)| *depth == level)
        };
        let drawn = |level: usize| match (level == rows[at].0, follows(level)) {
            (true, true) => middle,
            (true, false) => last,
            (false, true) => line,
            (false, false) => "  ",
        };
        (1..=rows[at].0).map(drawn).collect()
    };
    let beside = |at: usize| branch(at).replace(middle, line).replace(last, "  ");
    let mut lines: Vec<Vec<String>> = vec![columns.iter().map(|column| column.name.to_string()).collect()];
    for (at, (_, row)) in rows.iter().enumerate() {
        let count = if style.wrap { many(row).len() } else { 1 };
        let most = if columns.iter().any(|column| column.name == "MANY") { count.max(1) } else { 1 };
        for part in 0..most {
            let cell = |(place, column): (usize, &&Column<(), Three>)| {
                let text = match (column.cell)(&(), row) {
                    Cell::Lines(lines) if style.wrap => {
                        lines.get(part).map_or(String::new(), |line| show(line, style.charset))
                    }
                    Cell::Lines(lines) => {
                        let shown = |line: &Vec<u8>| show(line, style.charset).replace(',', "\\x2c");
                        lines.iter().map(shown).collect::<Vec<_>>().join(",")
                    }
                    _ if part > 0 => String::new(),
                    Cell::Number(number) => number.to_string(),
                    Cell::Text(text) => show(&text, style.charset),
                    Cell::Empty => String::new(),
                };
                match (style.tree == Some(place), part) {
                    (true, 0) => branch(at) + &text,
                    (true, _) => beside(at) + &text,
                    (false, _) => text,
                }
            };
            lines.push(columns.iter().enumerate().map(cell).collect());
        }
    }
    let widest =
        |lines: &[Vec<String>], at: usize| lines.iter().map(|cells| width(&cells[at])).max().unwrap_or(0);
    let long = columns.iter().position(|column| column.shape == Shape::LongText);
    if let (Some(available), Some(long)) = (style.width, long) {
        let others: usize =
            (0..columns.len()).filter(|at| *at != long).map(|at| widest(&lines, at) + 1).sum();
        let room = available.saturating_sub(others).max("LONG".len());
        lines.iter_mut().for_each(|cells| cells[long] = cut(&cells[long], room).to_string());
        assert!(widest(&lines, long) <= room);
    }
    let mut out = String::new();
    for (at, cells) in lines.iter().enumerate().skip(usize::from(!style.headings)) {
        let mut text = String::new();
        for (place, cell) in cells.iter().enumerate() {
            let gap = " ".repeat(widest(&lines, place) - width(cell));
            let right =
                matches!(columns[place].shape, Shape::Number | Shape::Right) && style.tree != Some(place);
            text += &if right { format!("{gap}{cell} ") } else { format!("{cell}{gap} ") };
        }
        assert!(is_line(&text), "line {at}");
        out += text.trim_end();
        out += "\n";
    }
    out
}

/// Listings of any processes as each kind of tree: every row stands in it once.
pub(super) fn tree(bytes: &[u8]) {
    let mut snapshot = Snapshot::default();
    let mut rows = Vec::new();
    let of = |b: u8| Some(u64::from(b)).filter(|ino| *ino != 0);
    for (at, fact) in bytes.chunks_exact(4).take(200).enumerate() {
        let (pid, ino) = (i32::from(fact[0] as i8), at as u64 + 1);
        let id = NsId { dev: 0, ino };
        let kind = if fact[1] & 1 == 0 { Kind::User } else { Kind::Pid };
        let ns = Namespace {
            processes: 1,
            first: Some(pid),
            parent: of(fact[2]),
            owner: of(fact[3]),
            ..Namespace::new(id, kind)
        };
        snapshot.namespaces.push(ns);
        let process = Process {
            pid,
            ppid: i32::from(fact[1] as i8),
            uid: 0,
            start: 0,
            end: Default::default(),
            command: fact.to_vec(),
            groups: Vec::new(),
        };
        snapshot.processes.entry(pid).or_insert(process);
        rows.push(Row { ns: at, pid: (fact[0] % 7 != 0).then_some(pid) });
    }
    let picture = Picture::from(snapshot);
    for relation in RELATIONS.iter().map(|(_, relation)| Some(*relation)).chain([None]) {
        let grown = grow(&picture, &rows, relation);
        let mut seen: Vec<_> = grown.iter().map(|(_, row)| row.ns).collect();
        seen.sort_unstable();
        assert_eq!(seen, (0..rows.len()).collect::<Vec<_>>());
        let mut before = 0;
        for (depth, _) in grown {
            assert!(depth <= before && (relation.is_some() || depth == 0));
            before = depth + 1;
        }
    }
}

/// The page of a process of which every text is any bytes shows no unsafe character, and its JSON holds them.
pub(super) fn page(bytes: &[u8]) {
    let mut parts = pieces(bytes);
    let mut part = || parts.next().unwrap_or_default();
    let (how, command) = number(part());
    let bit = |at: u32| how >> at & 1 == 1;
    let refused = |what: &[u8]| Error::refused(what);
    let inodes = |at: u32| -> Result<KindMap<u64>> {
        let mut inodes = KindMap::default();
        Kind::all().for_each(|kind| inodes[kind] = how >> (at + kind as u32) & 1);
        if bit(at + 8) { Err(refused(command)) } else { Ok(inodes) }
    };
    let map = |text: &[u8]| IdMap::parse(text).ok_or_else(|| refused(text));
    let group = |line: Line| Cgroup {
        root: if bit(5) { Ok(line.path.clone()) } else { Err(refused(&line.path)) },
        limits: Err(refused(&line.path)),
        hidden_above: bit(30),
        dir: bit(6).then(|| line.path.clone()),
        line,
    };
    let named = |text: &[u8]| {
        let text = text.to_vec();
        Named { name: text.clone(), id: Some(text.clone()), engine: "docker", source: text }
    };
    let id = Id { outside: bit(0).then_some(how as u32), inside: bit(1).then_some(u32::MAX) };
    let known = |id: Id| identity::Named { id, name: bit(3).then(|| command.to_vec()), of_inside: bit(4) };
    let none = Id { outside: None, ..id };
    let ids = || [("real", known(id)), ("effective", known(id)), ("saved", known(none)), ("fs", known(id))];
    let identity = Identity {
        pid: how as i32 & i32::MAX,
        process: 7,
        life: [Life::Lives, Life::ByThread(9), Life::Ended(0)][how as usize % 3],
        pidfd: if bit(27) { Ok(Some(how)) } else { Ok(None) },
        command: command.to_vec(),
        unnamed: bit(28).then(|| refused(command)),
        pids: vec![7; how as usize % 4],
        start: if bit(2) { Ok(Start { at: how as i64, ago: how }) } else { Err(refused(command)) },
        uids: ids(),
        gids: ids(),
        groups: vec![known(id), known(none)],
        inside_unknown: bit(2),
        outside_unknown: bit(3),
        belongs: if bit(31) {
            Err(refused(part()))
        } else {
            Ok(Belongs { container: Some(named(part())), pod: None, unit: Some(named(part())) })
        },
    };
    let namespaces = Namespaces {
        theirs: inodes(32),
        initial: inodes(41),
        ours: inodes(50),
        parent: bit(7).then(|| inodes(33)),
        opened: KindMap::default(),
        for_children: vec![(Kind::Pid, Coming::ToBeMade), (Kind::Time, Coming::Made(how))],
        counts: bit(8).then(|| Err(refused(command))),
        has_ended: bit(9),
    };
    let holder = || Creator { uid: how as u32, name: bit(15).then(|| command.to_vec()) };
    let user = User {
        users: map(part()),
        groups: map(part()),
        our_users: map(part()),
        our_groups: map(part()),
        setgroups: Ok(part().to_vec()),
        unsure: bit(11).then(|| refused(command)),
        initial: [None, Some(true), Some(false)][how as usize % 3],
        creator: Some(if bit(12) { Err(refused(command)) } else { Ok(holder()) }),
        root: bit(13).then(holder),
        effective: bit(14).then_some(Ok(how)),
    };
    let uts = Uts {
        host_name: if bit(29) { Ok(part().to_vec()) } else { Err(refused(part())) },
        domain_name: Ok(part().to_vec()),
    };
    let table = Table::parse(part().to_vec());
    let found: Vec<_> = table.iter().map(|mount| mount.owned()).collect();
    let tree = Tree::of(&table, bit(10));
    let view = VIEWS.get(how as usize % 8).map(|(_, view)| *view);
    let mounts = Mounts { view, seen: Ok(Seen { table, tree, groups: None, behind: None, maps: None }) };
    let cgroups = Cgroups {
        facts: Ok(Facts {
            namespace: cgroup::Namespace::Unknown(refused(command)),
            groups: Line::parse(part()).into_iter().map(group).collect(),
            effective: Effective::unknown(&refused(command)),
            machine: Err(refused(command)),
            allowed: Err(refused(command)),
            usage: Ok(None),
            pressure: cgroup::Pressure::default(),
            frozen: Err(refused(command)),
        }),
    };
    let belongs = identity.belongs.clone().unwrap_or_default();
    let all: [(&str, Box<dyn Part>); 6] = [
        ("identity", Box::new(identity)),
        ("namespaces", Box::new(namespaces)),
        ("user", Box::new(user)),
        ("mounts", Box::new(mounts)),
        ("uts", Box::new(uts)),
        ("cgroup", Box::new(cgroups)),
    ];
    let parts = all
        .into_iter()
        .map(|(name, part)| (SECTIONS.iter().find(|section| section.name == name).expect("a section"), part));
    let world = World { parts: parts.collect(), last: None };
    for charset in CHARSETS {
        let mut page = Page::new(charset, bit(3).then_some(80), false);
        page.title(command);
        world.page(&mut page);
        assert!(page.out.lines().all(is_line));
    }
    let json = world.json().document();
    assert!(json.lines().all(is_line));
    let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    let its = &json["identity"];
    assert_eq!(member(its, "command").as_deref(), Some(command));
    let name = |named: Option<Named>| named.map(|named| named.name);
    assert_eq!(member(&its["container"], "name"), name(belongs.container));
    assert_eq!(member(&its["unit"], "source"), name(belongs.unit));
    let list = &json["mounts"]["list"];
    assert_eq!(list.as_array().map(Vec::len), Some(found.len()));
    for (mount, object) in found.iter().zip(list.as_array().into_iter().flatten()) {
        assert_eq!(member(object, "point").as_ref(), Some(&mount.point));
        assert_eq!(member(object, "source").as_ref(), Some(&mount.source));
    }
}

/// Of any words and what they are, a shell is told those that begin as typed and are only words, a line each.
pub(super) fn complete(bytes: &[u8]) {
    let mut texts = pieces(bytes);
    let typed = texts.next().unwrap_or_default();
    let texts: Vec<&[u8]> = texts.collect();
    let offers: Vec<Offer> =
        texts.chunks(2).map(|pair| (pair[0].to_vec(), pair.last().unwrap_or(&pair[0]).to_vec())).collect();
    for charset in CHARSETS {
        let text = lines(&offers, typed, charset);
        let told: Vec<_> = text.split_terminator('\n').collect();
        let may_stand = |word: &[u8]| {
            let quoted = |b: &u8| !b.is_ascii_alphanumeric() && !b"-_./:@+,%[]".contains(b);
            !word.is_empty() && word.starts_with(typed) && !word.iter().any(quoted)
        };
        let expected: Vec<_> = offers.iter().filter(|(word, _)| may_stand(word)).collect();
        assert_eq!(told.len(), expected.len());
        for (line, (word, what)) in told.iter().zip(expected) {
            let (first, rest) = line.split_once('\t').expect("a tab");
            assert_eq!(first.as_bytes(), word);
            assert!(is_line(rest) && width(rest) <= 72 && show(what, charset).starts_with(rest));
        }
    }
}

/// The words of a command, as a shell reads them.
fn words(commands: &[String]) -> Vec<Vec<Vec<u8>>> {
    let script = |command: &String| format!("set -- {command}; printf '%s\\0' \"$#\" \"$@\"; ");
    let script: String = commands.iter().map(script).collect();
    let told =
        std::process::Command::new("sh").args(["-c", &script]).env("LC_ALL", "C").output().expect("sh");
    assert!(told.status.success() && told.stderr.is_empty(), "{script}");
    let mut parts = pieces(&told.stdout);
    let mut next = || parts.next().expect("a word").to_vec();
    let list = commands.iter().map(|_| {
        let count = String::from_utf8(next()).expect("a number").parse().expect("a number");
        (0..count).map(|_| next()).collect()
    });
    list.collect()
}

/// What keeps a namespace that is mounted anywhere: the command that ends it is safe to show and to paste, and names
/// that mount and nothing else.
pub(super) fn why(bytes: &[u8]) {
    let mut parts = pieces(bytes);
    let (how, command) = number(parts.next().unwrap_or_default());
    let kind = if how & 1 == 0 { Kind::Net } else { Kind::Uts };
    let mut snapshot = Snapshot::default();
    snapshot.namespaces.push(Namespace::new(NsId { dev: 0, ino: 100 }, kind));
    for (at, part) in parts.take(40).enumerate() {
        let above: &[u8] = if how >> 2 & 1 == 0 { b"/run/netns/" } else { b"/" };
        let point = [above, part].concat();
        let pid = (how >> 8 >> (at % 40) & 1 == 1).then_some(7);
        snapshot.holders.push((
            100,
            Holder::Mount { within: at as u64 % 3, ours: at % 3 == 0, pid, covered: at % 4 == 1, point },
        ));
    }
    snapshot.holders.push((100, Holder::Descriptor { pid: 7, tid: 7, fd: 5 }));
    snapshot.holders.sort();
    let process = Process {
        pid: 7,
        ppid: 1,
        uid: 0,
        start: 0,
        command: command.to_vec(),
        groups: vec![],
        end: Default::default(),
    };
    snapshot.processes.insert(7, process);
    let picture = Picture::from(snapshot);
    let ns = &picture.snapshot.namespaces[0];
    for charset in CHARSETS {
        let us = Us { same_numbers: true, charset: Some(charset), ..Us::default() };
        let kept = holders::of(&picture, ns, &us);
        assert_eq!(kept.len(), picture.snapshot.holders.len());
        let told: Vec<_> = kept.iter().filter_map(|kept| kept.release.clone().ok()).collect();
        assert!(
            told.iter().all(|command| is_line(command) && (charset == Charset::Utf8 || command.is_ascii()))
        );
        let mut told = words(&told).into_iter();
        for (kept, (_, holder)) in kept.iter().zip(&picture.snapshot.holders) {
            let Holder::Mount { within, pid, covered, point, .. } = holder else {
                let kill: Vec<&[u8]> = vec![b"kill", b"7"];
                assert_eq!(told.next().expect("a command"), kill);
                continue;
            };
            if kept.release.is_err() {
                assert!(*covered || point.ends_with(b"\n"));
                continue;
            }
            assert!(!covered);
            let command = told.next().expect("a command");
            let (last, first) = command.split_last().expect("words");
            let first = first.join(&b' ');
            match (within, pid, &first[..]) {
                (0, _, b"umount") | (1.., Some(7), b"rnsenter -t 7 -m -r umount") => assert_eq!(last, point),
                (0, _, b"ip netns del") => {
                    assert_eq!([b"/run/netns/", &last[..]].concat(), *point);
                    assert!(kind == Kind::Net && !last.contains(&b'/') && !last.starts_with(b"-"));
                }
                (1.., None, b"rlsns --why") => {
                    assert_eq!(*last, format!("{}:[{within}]", Kind::Mnt).into_bytes())
                }
                other => panic!("{other:?}"),
            }
        }
        for short in [false, true] {
            let lines = holders::lines(ns, &kept, short);
            assert!(short || lines.len() == kept.len());
            let rows: Vec<_> = lines.iter().map(|line| (0, line)).collect();
            let columns: Vec<_> = holders::COLUMNS.iter().collect();
            for form in [Form::Human, Form::Raw] {
                let style = Style {
                    form,
                    headings: true,
                    charset,
                    width: Some(80),
                    tree: None,
                    wrap: true,
                    key: "",
                    facts: vec![],
                    below: vec![],
                    paint: None,
                };
                let text = render(&picture, &columns, &rows, &style);
                assert!(text.lines().all(is_line) && text.lines().count() == lines.len() + 1);
            }
        }
        let list = Value::List(kept.iter().map(|kept| kept.value(&picture)).collect()).document();
        assert!(list.lines().all(is_line));
        let list: serde_json::Value = serde_json::from_str(&list).expect("JSON");
        for (object, (_, holder)) in list.as_array().expect("a list").iter().zip(&picture.snapshot.holders) {
            match holder {
                Holder::Mount { point, .. } => assert_eq!(member(object, "point").as_ref(), Some(point)),
                _ => assert_eq!(member(object, "command").as_deref(), Some(command)),
            }
        }
    }
}
