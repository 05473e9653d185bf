//! Rules for what reads the text of the kernel, in which other users choose names and paths.

use common::cgroup::group::parse_procs;
use common::cgroup::usage;
use common::kind::parse_link;
use common::launch::{Environment, interpreter};
use common::proc::container::path::{What, levels};
use common::proc::container::sources::parsers;
use common::proc::container::state::States;
use common::proc::container::{Belongs, containers};
use common::proc::credentials::Sets;
use common::proc::groups::Line;
use common::proc::idmap::IdMap;
use common::proc::mounts::{self, Mount};
use common::proc::status::{self, Ids, Status};
use common::proc::{Stat, oom, parse_pid};

use super::{decimal, number, pieces};

const U64: u128 = u64::MAX as u128;
const U32: u128 = u32::MAX as u128;
const I32: u128 = i32::MAX as u128;

/// The lines of a text that are not empty.
fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|&b| b == b'\n').filter(|line| !line.is_empty())
}

/// A field of mountinfo as the kernel would write it, and more: every byte that is not a letter, a digit or
/// a slash is escaped.
fn escaped(field: &[u8]) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'/';
    field.iter().map(|&b| if plain(b) { char::from(b).into() } else { format!("\\{b:03o}") }).collect()
}

fn line_of(mount: &Mount) -> Vec<u8> {
    let Mount { id, parent, dev: (major, minor), .. } = mount;
    let mut line =
        format!("{id} {parent} {major}:{minor} {} {} ", escaped(&mount.root), escaped(&mount.point))
            .into_bytes();
    line.extend(&mount.options);
    for (group, name) in [(mount.peer_group, "shared"), (mount.master, "master")] {
        line.extend(group.map(|group| format!(" {name}:{group}")).unwrap_or_default().as_bytes());
    }
    line.extend(if mount.unbindable { &b" unbindable"[..] } else { b"" });
    line.extend(format!(" - {} {} ", escaped(&mount.fs_type), escaped(&mount.source)).as_bytes());
    line.extend(&mount.super_options);
    line
}

/// A file of any bytes: each line is a mount or is counted as left out, by itself; a mount that is written
/// again is the same.
pub(super) fn mountinfo(text: &[u8]) {
    let (found, skipped) = mounts::parse(text);
    assert_eq!(found.len() + skipped, lines(text).count());
    assert_eq!(found, lines(text).flat_map(|line| mounts::parse(line).0).collect::<Vec<_>>());
    for mount in &found {
        assert_eq!(mounts::parse(&line_of(mount)), (vec![mount.clone()], 0));
        assert!(!mount.propagation().is_empty());
        for options in [&mount.options, &mount.super_options] {
            // No escape in it: what is split and joined again is the same but for empty words.
            let joined = mounts::words(options).collect::<Vec<_>>().join(&b',');
            let given: Vec<_> = options.split(|&b| b == b',').filter(|word| !word.is_empty()).collect();
            assert!(options.contains(&b'\\') || joined == given.join(&b','));
        }
    }
}

/// A mount of any names and numbers is read as it is.
pub(super) fn mount_made(bytes: &[u8]) {
    let ((id, bytes), mut of_groups) = (number(bytes), [None, None]);
    let (more, bytes) = number(bytes);
    for (bit, group) in of_groups.iter_mut().enumerate() {
        *group = (id >> bit & 1 == 1).then_some(more ^ id);
    }
    let mut names = pieces(bytes).map(<[u8]>::to_vec);
    let mut name = || names.next().unwrap_or_default();
    let plain = |text: Vec<u8>| text.into_iter().filter(|b| !b" \n".contains(b)).collect();
    let mount = Mount {
        id,
        parent: more,
        dev: (id as u32, more as u32),
        root: name(),
        point: name(),
        fs_type: name(),
        source: name(),
        options: plain(name()),
        super_options: plain(name()),
        peer_group: of_groups[0],
        master: of_groups[1],
        unbindable: id >> 2 & 1 == 1,
    };
    assert_eq!(mounts::parse(&line_of(&mount)), (vec![mount], 0));
}

/// A line of any bytes: the name is what lies between the first and the last bracket.
pub(super) fn stat(line: &[u8]) {
    let Some(stat) = Stat::parse(line) else { return };
    let name = [b"(", &stat.comm[..], b")"].concat();
    assert!(line.windows(name.len()).any(|window| window == name));
    let (before, after) = (line.split(|&b| b == b'('), line.rsplit(|&b| b == b')'));
    let outside: usize =
        [before.map(<[u8]>::len).next(), after.map(<[u8]>::len).next()].iter().flatten().sum();
    assert_eq!(outside + name.len(), line.len());
}

/// A process with any name can say nothing else of itself by it.
pub(super) fn stat_made(bytes: &[u8]) {
    let (numbers, comm) = number(bytes);
    let (ppid, of_kernel) = ((numbers >> 33) as i32, numbers & 1 == 1);
    let flags = numbers as u32 & !0x20_0000 | u32::from(of_kernel) << 21;
    let start = numbers >> 7;
    let has_ended = numbers & 2 == 2;
    let state = if has_ended { 'Z' } else { 'S' };
    let fields = format!(") {state} {ppid} 7 7 0 -1 {flags} 0 1 2 3 4 5 6 7 20 0 1 0 {start} 8 9");
    let line = [b"7 (", comm, fields.as_bytes()].concat();
    let is_copy = flags & 0x40 != 0;
    let is_ending = has_ended || flags & 4 != 0;
    let stat = Stat { comm: comm.to_vec(), ppid, has_ended, is_ending, of_kernel, is_copy, start };
    assert_eq!(Stat::parse(&line), Some(stat));
}

/// A file of any bytes; and behind a name of any bytes, in which the kernel escapes newlines, the same is read.
pub(super) fn status(text: &[u8]) {
    let ids = |label: &str, Ids { real, effective, saved, fs }| {
        format!("{label}:\t{real}\t{effective}\t{saved}\t{fs}\n")
    };
    let written = |name: &[u8], status: &Status| {
        let name = name.iter().flat_map(|b| if *b == b'\n' { b"\\n".to_vec() } else { vec![*b] });
        let mut text: Vec<u8> = b"Name:\t".iter().copied().chain(name).collect();
        text.extend(format!("\nTgid:\t{}\n", status.process).as_bytes());
        text.extend([ids("Uid", status.uids), ids("Gid", status.gids)].concat().as_bytes());
        let pids: Vec<_> = status.pids.iter().map(|pid| format!("\t{pid}")).collect();
        let groups: Vec<_> = status.groups.iter().map(|id| format!("{id} ")).collect();
        text.extend(format!("Groups:\t{}\n", groups.concat()).as_bytes());
        text.extend(format!("NSpid:{}\n", pids.concat()).as_bytes());
        text
    };
    let one = Ids { real: 1, effective: 2, saved: 3, fs: u32::MAX };
    let known = Status { process: 9, uids: one, gids: one, groups: vec![4, u32::MAX], pids: vec![9, 1] };
    for status in [Some(known), Status::parse(text)].into_iter().flatten() {
        assert_eq!(Status::parse(&written(text, &status)), Some(status));
    }
}

/// What the first line of a status that begins like this says behind it, without the space around it.
fn said<'a>(text: &'a [u8], key: &[u8]) -> Option<&'a [u8]> {
    text.split(|&b| b == b'\n').find(|line| line.starts_with(key)).map(|line| line[key.len()..].trim_ascii())
}

/// Capabilities are the bits that the digits make, all five sets or none; behind a name of any bytes, in which the kernel
/// escapes newlines, the same is read.
pub(super) fn rights(text: &[u8]) {
    let hexadecimal = |key: &str| {
        let digits = said(text, format!("Cap{key}:").as_bytes()).filter(|digits| !digits.is_empty())?;
        let sum =
            |sum: u128, b: &u8| Some((sum << 4 | u128::from(char::from(*b).to_digit(16)?)).min(1 << 100));
        digits.iter().try_fold(0, sum).and_then(|number| u64::try_from(number).ok())
    };
    let written = |name: &[u8], sets: &Sets| {
        let Sets { inheritable, permitted, effective, bounding, ambient } = sets;
        let name = name.iter().flat_map(|b| if *b == b'\n' { b"\\n".to_vec() } else { vec![*b] });
        let mut text: Vec<u8> = b"Name:\t".iter().copied().chain(name).collect();
        text.extend(
            format!(
                "\nCapInh:\t{inheritable:016x}\nCapPrm:\t{permitted:016x}\nCapEff:\t{effective:016x}\n\
                 CapBnd:\t{bounding:016x}\nCapAmb:\t{ambient:016x}\n"
            )
            .into_bytes(),
        );
        text
    };
    let found = Sets::parse(text);
    let slow = || {
        let [inheritable, permitted, effective, bounding, ambient] =
            ["Inh", "Prm", "Eff", "Bnd", "Amb"].map(hexadecimal);
        Some(Sets {
            inheritable: inheritable?,
            permitted: permitted?,
            effective: effective?,
            bounding: bounding?,
            ambient: ambient?,
        })
    };
    assert_eq!(found, slow());
    let known = Sets { inheritable: 1, permitted: 2, effective: u64::MAX, bounding: 4, ambient: 0 };
    for sets in [Some(known), found].into_iter().flatten() {
        assert_eq!(Sets::parse(&written(text, &sets)), Some(sets));
    }
}

/// Supplementary groups are all of the line or none: one that cannot be read is not left out.
pub(super) fn numbers(text: &[u8]) {
    let found = status::numbers(text, b"Groups:");
    let slow = said(text, b"Groups:").and_then(|line| {
        let words = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
        words.map(|word| decimal(word, U32).map(|id| id as u32)).collect::<Option<Vec<u32>>>()
    });
    assert_eq!(found, slow);
    if let Some(ids) = found {
        let ids_written: String = ids.iter().map(|id| format!("{id} ")).collect();
        let line = format!("Name:\tx\nGroups:\t{ids_written}\n");
        assert_eq!(status::numbers(line.as_bytes(), b"Groups:"), Some(ids));
    }
}

/// A score is digits with at most one sign before them, and nothing that wraps.
pub(super) fn oom(text: &[u8]) {
    let trimmed = text.trim_ascii();
    let (negative, digits) = match trimmed.split_first() {
        Some((b'-', digits)) => (true, digits),
        _ => (false, trimmed),
    };
    let slow = decimal(digits, I32).map(|number| if negative { -(number as i32) } else { number as i32 });
    assert_eq!(oom::parse(text), slow);
    if let Some(score) = slow {
        assert_eq!(oom::parse(format!("{score}\n").as_bytes()), slow);
    }
}

/// Each variable stands in the block as it is and where it is, once for each name and as it was said last; none is lost
/// that has a name. Of what is kept from outside nothing leads a program of ours.
pub(super) fn environ(block: &[u8]) {
    let name = |variable: &[u8]| variable.splitn(2, |&b| b == b'=').next().expect("a piece").to_vec();
    let is_variable = |piece: &&[u8]| piece.contains(&b'=') && !piece.starts_with(b"=");
    let all: Vec<&[u8]> = pieces(block).filter(is_variable).collect();
    let is_last = |at: &usize| !all[at + 1..].iter().any(|later| name(later) == name(all[*at]));
    let slow: Vec<&[u8]> = (0..all.len()).filter(is_last).map(|at| all[at]).collect();
    let found = Environment::parse_block(block, false);
    assert_eq!(found, slow);
    assert_eq!(Environment::parse_block(&found.join(&0), false), found);
    let outside = Environment::parse_block(block, true);
    let mut rest = found.iter();
    assert!(outside.iter().all(|kept| rest.any(|variable| variable == kept)));
    for kept in outside {
        assert!(!["LD_", "PYTHON", "BASH_"].iter().any(|led| kept.starts_with(led.as_bytes())));
        assert!(!["PATH", "HOME", "SHELL", "IFS", "ENV"].iter().any(|led| name(kept) == led.as_bytes()));
        assert!(!kept[name(kept).len()..].starts_with(b"=()"));
    }
}

/// The interpreter is the first word of a first line that is marked, and what is written so again is the same.
pub(super) fn script(head: &[u8]) {
    let line = head.split(|&b| b == b'\n').next().unwrap_or_default();
    let first = line.strip_prefix(b"#!").and_then(|line| {
        let start = (0..line.len()).find(|at| !matches!(line[*at], b' ' | b'\t'))?;
        let end = (start..line.len()).find(|at| matches!(line[*at], b' ' | b'\t' | 0));
        Some(&line[start..end.unwrap_or(line.len())]).filter(|word| !word.is_empty())
    });
    let found = interpreter(head);
    assert_eq!(found.as_ref().map(|name| name.to_bytes()), first);
    if let Some(name) = found {
        for rest in [&b""[..], b"\n", b" -e\n", b"\0/x"] {
            assert_eq!(interpreter(&[b"#! \t", name.to_bytes(), rest].concat()), Some(name.clone()));
        }
    }
}

/// A line is read if it is a number, a colon, words, a colon and a path, and is read as that.
pub(super) fn cgroup(text: &[u8]) {
    let mut found = Line::parse(text).into_iter();
    for line in lines(text) {
        let mut parts = line.splitn(3, |&b| b == b':');
        let hierarchy = parts.next().and_then(|number| decimal(number, U64));
        let (Some(hierarchy), Some(words), Some(path)) = (hierarchy, parts.next(), parts.next()) else {
            continue;
        };
        let line = found.next().expect("a line");
        assert_eq!((u128::from(line.hierarchy), &line.path[..]), (hierarchy, path));
        assert!(line.controllers.iter().all(|name| !name.is_empty() && !name.contains(&b',')));
        let letters = |words: &[u8]| words.iter().copied().filter(|b| *b != b',').collect::<Vec<_>>();
        assert_eq!(line.controllers.concat(), letters(words));
    }
    assert_eq!(found.next(), None);
}

/// What a path stands for ends where pieces do, from the root on, and stays that whatever is below.
pub(super) fn cgroup_path(path: &[u8]) {
    let found = levels(path);
    assert!(found.is_sorted_by_key(|level| level.end));
    for level in &found {
        assert!(level.end > 0 && path.get(level.end).is_none_or(|b| *b == b'/'));
        let piece = path[..level.end].rsplit(|&b| b == b'/').next().expect("a piece");
        assert!(!level.id.is_empty() && level.id.len() <= piece.len());
        assert!(level.what != What::Unit || level.id == piece);
    }
    let same =
        |what| found.windows(2).any(|two| two[0].end == two[1].end && [two[0].what, two[1].what] == what);
    assert!(![What::Container, What::Pod, What::Unit].into_iter().any(|what| same([what, what])));
    assert!(levels(&[path, b"/x"].concat()).starts_with(&found));
    // Of containers nobody knows more than the path, and no file said so.
    let inside = containers(path, &States::default());
    let of_path = found.iter().filter(|level| level.what == What::Container);
    assert!(
        inside.iter().map(|inside| (inside.end, &inside.id)).eq(of_path.map(|level| (level.end, &level.id)))
    );
    let line = Line { hierarchy: 0, controllers: Vec::new(), path: path.to_vec() };
    let Belongs { container, pod, unit } = Belongs::of(&[line], &States::default());
    for named in [container, pod, unit].into_iter().flatten() {
        assert_eq!(named.source, b"cgroup");
    }
}

/// All strings of a document, with escapes undone, and all its numbers.
fn leaves(value: &serde_json::Value, strings: &mut Vec<Vec<u8>>, numbers: &mut Vec<u64>) {
    use serde_json::Value;
    match value {
        Value::String(text) => strings.push(text.clone().into_bytes()),
        Value::Number(number) => numbers.extend(number.as_u64()),
        Value::Array(values) => values.iter().for_each(|value| leaves(value, strings, numbers)),
        Value::Object(members) => members.values().for_each(|value| leaves(value, strings, numbers)),
        Value::Null | Value::Bool(_) => {}
    }
}

/// A file of a container engine with any bytes says nothing that does not stand in it, or in its path.
pub(super) fn state(bytes: &[u8]) {
    let mut parts = bytes.splitn(3, |&b| b == 0);
    let mut part = || parts.next().unwrap_or_default();
    let (stars, text) = ([part(), part()], part());
    let (mut strings, mut numbers) = (vec![text.to_vec(), stars[0].to_vec(), stars[1].to_vec()], Vec::new());
    let document = serde_json::from_slice(text).unwrap_or_default();
    leaves(&document, &mut strings, &mut numbers);
    numbers.extend(lines(text).filter_map(|line| {
        let number = line.split(|&b| b == b'=').nth(1).and_then(|number| decimal(number, U64));
        number.and_then(|number| u64::try_from(number).ok())
    }));
    let within = |part: &[u8]| {
        let holds = |whole: &Vec<u8>| whole.windows(part.len().max(1)).any(|window| window == part);
        part.is_empty() || strings.iter().any(holds)
    };
    for (path, parse) in parsers() {
        for known in parse("engine", &stars, text) {
            assert!(!known.engine.is_empty(), "{path}");
            assert!(
                known.names.iter().chain(&known.groups).chain([&known.id]).all(|part| within(part)),
                "{path}"
            );
            assert!(known.names.iter().all(|name| !name.is_empty()), "{path}");
            let slashes = |pod: &Vec<u8>| (0..pod.len()).filter(|at| pod[*at] == b'/').collect::<Vec<_>>();
            let stands =
                |pod: &Vec<u8>| slashes(pod).iter().any(|at| within(&pod[..*at]) && within(&pod[at + 1..]));
            assert!(known.pod.as_ref().is_none_or(stands), "{path}");
            let pid = |pid: i32| pid > 0 && numbers.contains(&u64::from(pid.unsigned_abs()));
            assert!(
                known.init.is_none_or(|(init, start, _)| pid(init) && numbers.contains(&start)),
                "{path}"
            );
            let inode = |inode: Option<u64>| inode.is_none_or(|inode| numbers.contains(&inode));
            assert!(known.leader.is_none_or(|(leader, of_pidfd)| pid(leader) && inode(of_pidfd)), "{path}");
        }
    }
}

/// Ids are translated as by counting, inward and outward, and what is written is read again.
pub(super) fn id_map(text: &[u8]) {
    let words = |line| -> Vec<u128> {
        let words = <[u8]>::split(line, |&b| b == b' ').filter(|word| !word.is_empty());
        words.take(3).map_while(|word| decimal(word, U32)).collect()
    };
    let ranges: Vec<_> = lines(text).map(words).collect();
    let valid = ranges.iter().all(|range| range.len() == 3);
    let map = IdMap::parse(text);
    assert_eq!(map.is_some(), valid);
    let Some(map) = map else { return };
    let find = |id: u32, from: usize, to: usize| {
        let known = ranges.iter().filter(|range| range[1] != U32);
        let mut at = known.filter_map(|range| {
            let at = u128::from(id).checked_sub(range[from]).filter(|at| *at < range[2] && id != u32::MAX)?;
            Some(range[to] + at).filter(|id| *id < U32)
        });
        at.next()
    };
    for range in &map.ranges {
        let edges = [0, 1, range.count / 2, range.count.wrapping_sub(1), range.count];
        for id in edges.iter().flat_map(|at| [range.inside.wrapping_add(*at), at.wrapping_add(7)]) {
            assert_eq!(map.outside(id).map(u128::from), find(id, 0, 1));
            assert!(map.outside(id).is_none() || map.knows(id));
            assert_eq!(map.inside(id).map(u128::from), find(id, 1, 0));
            if let ([_], Some(outside)) = (&map.ranges[..], map.outside(id)) {
                assert_eq!(map.inside(outside), Some(id));
            }
        }
    }
    let written: String = map
        .ranges
        .iter()
        .map(|range| {
            format!("{:>10} {:>10} {:>10}\n", range.inside, range.outside.unwrap_or(u32::MAX), range.count)
        })
        .collect();
    assert_eq!(IdMap::parse(written.as_bytes()), Some(map));
}

/// A link is a name, a colon and a number in brackets.
pub(super) fn link(text: &[u8]) {
    let at = text.iter().position(|&b| b == b':').unwrap_or(text.len());
    let number = text[at..].strip_prefix(b":[").and_then(|rest| rest.strip_suffix(b"]"));
    let expected = number.and_then(|number| decimal(number, U64)).map(|number| (&text[..at], number));
    assert_eq!(parse_link(text).map(|(name, ino)| (name, u128::from(ino))), expected);
}

/// PIDs in lists, and names of directories that are PIDs.
pub(super) fn pids(text: &[u8]) {
    let expected: Vec<_> = lines(text).filter_map(|line| decimal(line, I32)).collect();
    let as_found = |pid: i32| u128::try_from(pid).expect("no negative one");
    assert_eq!(parse_procs(text).into_iter().map(as_found).collect::<Vec<_>>(), expected);
    let expected = decimal(text, I32).filter(|_| text[0] != b'0');
    assert_eq!(parse_pid(text).map(as_found), expected);
}

/// The number of a file, or behind a key; and a limit is none if it is a number close to the highest.
pub(super) fn counter(text: &[u8]) {
    assert_eq!(usage::value(text, None).map(u128::from), decimal(text.trim_ascii(), U64));
    for key in ["usage_usec", "oom_kill"] {
        let of_key = |line| <[u8]>::strip_prefix(line, key.as_bytes())?.strip_prefix(b" ");
        let numbers = lines(text).filter_map(of_key).filter_map(|number| decimal(number.trim_ascii(), U64));
        assert_eq!(usage::value(text, Some(key)).map(u128::from), { numbers }.next());
    }
    if let Some(number) = decimal(text, U64) {
        assert_eq!(usage::is_limit(text), number < (1 << 63) - (1 << 16));
    }
}

/// What was read and written, by the files of both versions, and pressure: sums over lines and words, the slow way.
pub(super) fn used(text: &[u8]) {
    const MOST: u128 = U64;
    let words = |line: &[u8]| line.split(|&b| b == b' ').map(<[u8]>::to_vec).collect::<Vec<_>>();
    let blank = |b: &u8| b" \t\n\r\x0c".contains(b);
    for key in ["rbytes", "wios"] {
        let numbers = text.split(blank).filter_map(|word| {
            let at = word.iter().position(|&b| b == b'=')?;
            (word[..at] == *key.as_bytes()).then(|| decimal(&word[at + 1..], U64))?
        });
        assert_eq!(u128::from(usage::of_devices(text, key)), numbers.sum::<u128>().min(MOST));
    }
    for kind in ["Read", "Write"] {
        let numbers: Vec<u128> = lines(text)
            .filter_map(|line| match &words(line)[..] {
                [device, of, number] if device.contains(&b':') && of == kind.as_bytes() => {
                    decimal(number, U64)
                }
                _ => None,
            })
            .collect();
        let expected = (!numbers.is_empty()).then(|| numbers.iter().sum::<u128>().min(MOST));
        assert_eq!(usage::of_lines(text, kind).map(u128::from), expected);
    }
    let total = |kind: &str| {
        lines(text).filter(|line| words(line)[0] == kind.as_bytes()).find_map(|line| {
            let number = |word: &Vec<u8>| decimal(word.strip_prefix(b"total=")?, U64);
            words(line)[1..].iter().find_map(number)
        })
    };
    let read = usage::Pressure::parse(text);
    assert_eq!(read.map(|read| read.some.as_micros()), total("some"));
    assert_eq!(
        read.and_then(|read| read.full).map(|full| full.as_micros()),
        total("some").and(total("full"))
    );
    let number = text.iter().fold(0u64, |number, &b| number.rotate_left(5) ^ u64::from(b));
    let [whole, user, system] =
        [number, number.rotate_left(20), number >> 40].map(std::time::Duration::from_nanos);
    let (user, system) = usage::divide(whole, user, system);
    assert_eq!(user + system, whole);
}
