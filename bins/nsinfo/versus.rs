//! Two worlds side by side: only what differs, as their JSON says it.

use common::text::{cut, width};
use common::tool::json::Value;
use common::tool::paint::Paint;

use super::page::Page;

/// What tells things of a list apart, the first that is there: else it is their place.
const NAMES: &[&str] = &["point", "name", "local", "destination", "file", "controllers", "path", "address"];

/// What identifies a process, follows from something else, or changes by itself: that it differs says nothing about its
/// world.
const PASSED_OVER: &[&str] = &[
    "process",
    "thread",
    "pids",
    "pidfd_inode",
    "command",
    "started_unix_seconds",
    "age_seconds",
    "initial",
    "ours",
    "parent",
    "used",
    "pressure",
    "throttling",
    "usage",
    "used_bytes",
    "rx_bytes",
    "rx_packets",
    "rx_errors",
    "rx_dropped",
    "tx_bytes",
    "tx_packets",
    "tx_errors",
    "tx_dropped",
    "sockets",
    "inode",
    "hidden_by",
    "closed_processes",
    "uptime_seconds",
    "dir",
    "statistics",
    "peers",
    "unreadable",
    "enter",
    "recreate",
];

/// How wide two columns may be where there is no terminal.
const UNBOUNDED: usize = 120;

/// The numbers of mounts, which others get after them.
const NUMBERS: &[&str] = &["id", "parent"];

/// One thing that differs: where it stands, and the two values; none where one side has no such thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Difference {
    /// The section first.
    pub(crate) path: Vec<Vec<u8>>,
    pub(crate) left: Option<Value>,
    pub(crate) right: Option<Value>,
}

/// What differs between two worlds, in the order of the left one, and then what only the right one has; at the end why
/// something could not be read of one of them.
pub(crate) fn differences(left: &Value, right: &Value) -> Vec<Difference> {
    let mut found = Vec::new();
    compare(&mut Vec::new(), Some(left), Some(right), &mut found);
    // What is null for no reason is not there.
    for one in &mut found {
        for (side, world) in [(&mut one.left, left), (&mut one.right, right)] {
            if *side == Some(Value::Null) && !is_unreadable(world, &one.path) {
                *side = None;
            }
        }
    }
    found.retain(|one| one.left != one.right);
    // What else it leaves out or shows in another way is not known, so the reason is told.
    let [lefts, rights] = [unreadable(left), unreadable(right)];
    let lacks = |side: &[(&[u8], &[u8])], key: &[u8]| side.iter().all(|(other, _)| *other != key);
    let path = |key: &[u8]| vec![b"unreadable".to_vec(), key.to_vec()];
    let text = |reason: &[u8]| Some(Value::Text(reason.to_vec()));
    let of_left = lefts.iter().filter(|(key, _)| lacks(&rights, key));
    let of_right = rights.iter().filter(|(key, _)| lacks(&lefts, key));
    found.extend(of_left.map(|(key, why)| Difference { path: path(key), left: text(why), right: None }));
    found.extend(of_right.map(|(key, why)| Difference { path: path(key), left: None, right: text(why) }));
    found
}

/// The keys of what could not be read of a world, and why.
fn unreadable(world: &Value) -> Vec<(&[u8], &[u8])> {
    let Some(Value::List(entries)) = member(world, "unreadable") else { return vec![] };
    let told = entries.iter().filter_map(|entry| match (member(entry, "key")?, member(entry, "reason")?) {
        (Value::Text(key), Value::Text(reason)) => Some((&key[..], &reason[..])),
        _ => None,
    });
    told.collect()
}

/// A member of an object.
fn member<'v>(value: &'v Value, key: &str) -> Option<&'v Value> {
    let Value::Object(members) = value else { return None };
    members.iter().find(|(name, _)| *name == key).map(|(_, value)| value)
}

/// Does a world tell why this could not be read? Its keys do not name the things of a list.
fn is_unreadable(world: &Value, path: &[Vec<u8>]) -> bool {
    unreadable(world).iter().any(|(key, _)| {
        let mut words = path.iter();
        key.split(|&b| b == b'.').all(|key| words.any(|word| word == key))
    })
}

fn compare(
    path: &mut Vec<Vec<u8>>,
    left: Option<&Value>,
    right: Option<&Value>,
    found: &mut Vec<Difference>,
) {
    if left == right {
        return;
    }
    match (members(path, left), members(path, right)) {
        (None, None) => {
            let (left, right) = (left.cloned(), right.cloned());
            found.push(Difference { path: path.clone(), left, right });
        }
        (lefts, rights) => {
            let (lefts, rights) = (lefts.unwrap_or_default(), rights.unwrap_or_default());
            let of = |all: &[(Vec<u8>, &'_ Value)], name: &[u8]| all.iter().position(|(one, _)| one == name);
            // Whole mounts, links and groups that only one has are one difference each.
            let only = |all: &[(Vec<u8>, &Value)], other: Option<&Value>| {
                path.len() > 1 && other.is_none() && !all.is_empty()
            };
            if only(&lefts, right) || only(&rights, left) {
                let (left, right) = (left.cloned(), right.cloned());
                found.push(Difference { path: path.clone(), left, right });
                return;
            }
            for (name, value) in &lefts {
                let other = of(&rights, name).map(|at| rights[at].1);
                path.push(name.clone());
                compare(path, Some(value), other, found);
                path.pop();
            }
            for (name, value) in rights.iter().filter(|(name, _)| of(&lefts, name).is_none()) {
                path.push(name.clone());
                compare(path, None, Some(value), found);
                path.pop();
            }
        }
    }
}

/// The things in an object or a list of objects, by their names; none of what is compared as a whole.
fn members<'v>(path: &[Vec<u8>], value: Option<&'v Value>) -> Option<Vec<(Vec<u8>, &'v Value)>> {
    match value? {
        Value::Object(members) => {
            let in_list = path.len() > 2;
            let tells = |key: &&'static str| {
                let number = in_list && NUMBERS.contains(key) && path[0] == b"mounts";
                // Each namespace has its own besides its number.
                let id = path.first().is_some_and(|section| section == b"namespaces") && *key == "id";
                !number && !id && !PASSED_OVER.contains(key)
            };
            let members = members.iter().filter(|(key, _)| tells(key));
            Some(members.map(|(key, value)| (key.as_bytes().to_vec(), value)).collect())
        }
        Value::List(values) if values.iter().any(|value| matches!(value, Value::Object(_))) => {
            let mut named: Vec<(Vec<u8>, &Value)> = Vec::new();
            let mut seen = std::collections::BTreeMap::new();
            for (at, value) in values.iter().enumerate() {
                let name = name(value).unwrap_or_else(|| format!("{}", at + 1).into());
                let times = seen.entry(name.clone()).or_insert(0u32);
                *times += 1;
                let again = if *times > 1 { format!(" ({times})") } else { String::new() };
                named.push(([&name[..], again.as_bytes()].concat(), value));
            }
            Some(named)
        }
        _ => None,
    }
}

fn name(value: &Value) -> Option<Vec<u8>> {
    let member = |key: &str| member(value, key);
    if let (Some(protocol), Some(address), Some(port)) =
        (member("protocol"), member("address"), member("port"))
    {
        return Some([protocol, address, port].map(|part| flat(Some(part))).join(&b' '));
    }
    NAMES.iter().find_map(|key| match member(key)? {
        Value::Text(text) => Some(text.clone()),
        // Of control groups the one hierarchy that can have none is that of version 2.
        Value::List(none) if none.is_empty() && *key == "controllers" => Some(b"v2".to_vec()),
        list @ Value::List(_) => Some(flat(Some(list))).filter(|text| !text.is_empty()),
        _ => None,
    })
}

/// A value in one line.
pub(crate) fn flat(value: Option<&Value>) -> Vec<u8> {
    match value {
        None => b"-".to_vec(),
        Some(Value::Null) => b"unknown".to_vec(),
        Some(Value::Bool(yes)) => if *yes { &b"yes"[..] } else { b"no" }.to_vec(),
        Some(Value::Text(text)) => text.clone(),
        Some(Value::Lines { lines, .. }) => lines.join(&b", "[..]),
        Some(Value::List(values)) => {
            values.iter().map(|value| flat(Some(value))).collect::<Vec<_>>().join(&b", "[..])
        }
        Some(Value::Object(members)) => {
            let told = members.iter().filter(|(key, value)| {
                let says_nothing = match value {
                    Value::Null | Value::Bool(false) => true,
                    Value::List(values) => values.is_empty(),
                    _ => false,
                };
                !NUMBERS.contains(key) && !PASSED_OVER.contains(key) && !says_nothing
            });
            let told = told.map(|(key, value)| [key.as_bytes(), b"=", &flat(Some(value))].concat());
            told.collect::<Vec<_>>().join(&b' ')
        }
        Some(number) => number.document().trim_end().into(),
    }
}

/// Of a list of words what the other has not; anything else as it is.
fn lacking(side: &Option<Value>, other: &Option<Value>) -> Option<Value> {
    let is_word = |value: &Value| !matches!(value, Value::Object(_));
    match (side, other) {
        (Some(Value::List(side)), Some(Value::List(other))) if side.iter().chain(other).all(is_word) => {
            let own: Vec<Value> = side.iter().filter(|word| !other.contains(word)).cloned().collect();
            (!own.is_empty()).then_some(Value::List(own))
        }
        _ => side.clone(),
    }
}

/// For people: a section each, with what differs in two columns.
pub(crate) fn page(page: &mut Page, names: [&[u8]; 2], differences: &[Difference]) {
    let label = |difference: &Difference| {
        let words: Vec<_> = difference.path.iter().skip(1).map(|word| page.show(word)).collect();
        // What a list of a section is called says nothing.
        let words = match &words[..] {
            [list, rest @ ..] if !rest.is_empty() && ["list", "groups"].contains(&&list[..]) => rest.to_vec(),
            words => words.to_vec(),
        };
        words.join(" ")
    };
    let told: Vec<[String; 3]> = differences
        .iter()
        .map(|one| {
            let sides = [(&one.left, &one.right), (&one.right, &one.left)];
            let [left, right] = sides.map(|(side, other)| page.show(flat(lacking(side, other).as_ref())));
            [label(one), left, right]
        })
        .collect();
    let names = names.map(|name| page.show(name));
    let widest = |column: usize| told.iter().map(|row| width(&row[column])).max().unwrap_or(0);
    let [mut first, mut second] = [widest(0), widest(1).max(width(&names[0]))];
    let mut third = widest(2).max(width(&names[1]));
    // The label, two values, a gap between each, and the indent.
    let room = page.width.unwrap_or(UNBOUNDED).saturating_sub(6).max(30);
    first = first.min(room * 2 / 5);
    let rest = room - first;
    if second + third > rest {
        second = second.min((rest / 2).max(rest.saturating_sub(third)));
        third = rest - second;
    }
    let widths = [first, second, third];
    let mut section: &[u8] = b"";
    if differences.is_empty() {
        page.remark(&format!("nothing differs between {} and {}", names[0], names[1]));
        return;
    }
    row(page, widths, &[String::new(), names[0].clone(), names[1].clone()], Paint::Bold);
    for (one, told) in differences.iter().zip(&told) {
        let its = one.path.first().map_or(&b""[..], |name| name);
        if section != its {
            section = its;
            let title = page.show(its);
            page.heading(&title);
        }
        row(page, widths, told, Paint::Plain);
    }
}

/// A row whose cells go on in further lines where they are too long.
fn row(page: &mut Page, widths: [usize; 3], cells: &[String; 3], paint: Paint) {
    let mut rest: [&str; 3] = [&cells[0], &cells[1], &cells[2]];
    loop {
        let mut line = String::new();
        for (column, text) in rest.iter_mut().enumerate() {
            let mut piece = cut(text, widths[column].max(1));
            // A character that is wider than the column would never come.
            if piece.is_empty() && !text.is_empty() {
                piece = &text[..text.chars().next().map_or(0, char::len_utf8)];
            }
            // Between words, where that leaves no large gap.
            let rest = &text[piece.len()..];
            let word = piece.rfind(' ').filter(|at| *at > piece.len() / 3);
            if let Some(at) = word.filter(|_| !rest.is_empty() && !rest.starts_with(' ')) {
                piece = &piece[..=at];
            }
            line.push_str(piece);
            line.push_str(&" ".repeat((widths[column] + 2).saturating_sub(width(piece))));
            *text = &text[piece.len()..];
            *text = text.strip_prefix(' ').unwrap_or(text);
        }
        let line = page.paint(line.trim_end(), paint);
        page.remark(&line);
        if rest.iter().all(|text| text.is_empty()) {
            return;
        }
    }
}

/// As JSON: the values as they are in the two worlds; null where one has no such thing.
pub(crate) fn json(names: [&[u8]; 2], differences: &[Difference]) -> Value {
    let text = |bytes: &[u8]| Value::Text(bytes.to_vec());
    let one = |one: &Difference| {
        Value::Object(vec![
            ("what", Value::Text(one.path.join(&b'.'))),
            ("left", one.left.clone().unwrap_or(Value::Null)),
            ("right", one.right.clone().unwrap_or(Value::Null)),
        ])
    };
    Value::Object(vec![
        ("left", text(names[0])),
        ("right", text(names[1])),
        ("differences", Value::List(differences.iter().map(one).collect())),
    ])
}
