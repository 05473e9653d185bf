//! Rules for what tells of the network: files in which users choose names, answers of netlink, and their page.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use common::error::Error;
use common::ns::network::{Neighbour, answer};
use common::proc::net::holders::{Holder, Holders};
use common::proc::net::{Device, Link, Listener, Route, Rows, Text, addresses, devices, routes, sockets};
use common::text::Charset;

use super::output::{is_line, member};
use super::{number, pieces};
use crate::tools::nsinfo::page::Page;
use crate::tools::nsinfo::sections::SECTIONS;
use crate::tools::nsinfo::sections::net::Net;
use crate::tools::nsinfo::world::World;

fn whole(bytes: impl Into<Vec<u8>>) -> Text {
    Text { bytes: bytes.into(), cut: false }
}

fn lines(text: &[u8]) -> Vec<&[u8]> {
    text.split(|&b| b == b'\n').filter(|line| !line.is_empty()).collect()
}

/// Each line is read by itself, below so many of a heading; a file that was cut off tells the beginning of the same.
fn by_lines<T: PartialEq + Debug>(text: &[u8], heading: usize, parse: impl Fn(&Text) -> Rows<T>) -> Rows<T> {
    let found = parse(&whole(text));
    let mut alone = Rows::NONE;
    for line in lines(text).iter().skip(heading) {
        let one = parse(&whole([&b"h\n".repeat(heading), *line].concat()));
        assert!(one.rows.len() + one.odd <= 1);
        alone.extend(one);
    }
    assert_eq!(found, alone);
    let cut = parse(&Text { bytes: text.to_vec(), cut: true });
    assert!(cut.cut && cut.odd <= found.odd && found.rows.starts_with(&cut.rows));
    found
}

/// Is this a word of a line?
fn is_word(word: &[u8]) -> bool {
    !word.is_empty() && !word.iter().any(u8::is_ascii_whitespace)
}

/// Files of any bytes.
pub(super) fn files(text: &[u8]) {
    let found = by_lines(text, 2, devices::parse);
    assert_eq!(found.rows.len() + found.odd, lines(text).len().saturating_sub(2));
    assert!(found.rows.iter().all(|link| !link.name.is_empty() && !link.name.contains(&b':')));
    let found = by_lines(text, 0, addresses::parse_if_inet6);
    assert_eq!(found.rows.len() + found.odd, lines(text).len());
    assert!(found.rows.iter().all(|row| row.device.as_ref().is_some_and(|device| is_word(device))));
    for found in [by_lines(text, 1, routes::parse_v4), by_lines(text, 0, routes::parse_v6)] {
        assert!(found.rows.iter().all(|row| row.device.as_ref().is_none_or(|device| is_word(device))));
    }
    by_lines(text, 1, |text| sockets::parse(text, "tcp", b"0A"));
    let found = by_lines(text, 1, sockets::parse_unix);
    for row in &found.rows {
        assert!(lines(text).iter().any(|line| line.ends_with(&row.name)));
    }
    trie(text);
    // No number but one that stands there.
    let usage = sockets::parse_usage(text);
    for count in [usage.all, usage.tcp, usage.tcp_time_wait, usage.udp, usage.tcp6, usage.udp6] {
        let is = |word: &[u8]| std::str::from_utf8(word).ok().and_then(|word| word.parse().ok()) == count;
        assert!(count.is_none() || text.split(u8::is_ascii_whitespace).any(is));
    }
}

/// Local addresses, each once, and on a device only where the slow way finds one.
fn trie(text: &[u8]) {
    let routes = routes::parse_v4(&whole(text)).rows;
    let found = addresses::parse_fib_trie(&whole(text), &routes);
    let mut seen = BTreeSet::new();
    for row in &found.rows {
        let IpAddr::V4(address) = row.address else { panic!("{row:?}") };
        assert!(seen.insert(address));
        if address == Ipv4Addr::LOCALHOST {
            continue;
        }
        let lies = |route: &&Route| {
            let IpAddr::V4(to) = route.destination else { return false };
            let same =
                (0..route.prefix.min(32)).all(|at| (address.to_bits() ^ to.to_bits()) << at >> 31 == 0);
            route.gateway.is_none() && route.prefix > 0 && same
        };
        let around: Vec<_> = routes.iter().filter(lies).collect();
        let longest = around.iter().map(|route| route.prefix).max();
        let nearest = around.iter().filter(|route| Some(route.prefix) == longest);
        let devices: BTreeSet<_> = nearest.map(|route| &route.device).collect();
        let only = devices.first().filter(|_| devices.len() == 1).and_then(|device| device.as_ref());
        assert_eq!((row.device.as_ref(), row.by_route), (only, only.is_some()), "{row:?}");
        assert_eq!(row.prefix, longest.filter(|_| only.is_some()));
    }
}

/// What the kernel writes of a device, an address, a socket of any name and numbers is read as it is.
pub(super) fn made(bytes: &[u8]) {
    let (id, bytes) = number(bytes);
    let mut pieces = pieces(bytes);
    let mut name = || pieces.next().unwrap_or_default();
    let device: Vec<u8> =
        name().iter().copied().filter(|b| !b.is_ascii_whitespace() && *b != b':' && *b != 0x0b).collect();
    if !device.is_empty() {
        let counts: Vec<u64> = (0..16).map(|at| id.rotate_left(at * 4)).collect();
        let shown = counts.iter().map(|count| format!(" {count}")).collect::<String>();
        let line = [b"Inter-|\n face |\n    ", &device[..], b":", shown.as_bytes(), b"\n"].concat();
        let found = devices::parse(&whole(line));
        let [Link { name, traffic: Some(traffic), .. }] = &found.rows[..] else { panic!("{found:?}") };
        assert_eq!((name, traffic.rx_bytes, traffic.tx_dropped), (&device, counts[0], counts[11]));
        let address = Ipv6Addr::from(u128::from(id) << 64 | u128::from(!id));
        let digits = address.octets().iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let (index, prefix) = (id as u32 & 0x7fff_ffff, id as u8);
        let head = format!("{digits} {index:02x} {prefix:02x} 20 80 ");
        let found = addresses::parse_if_inet6(&whole([head.as_bytes(), &device, b"\n"].concat()));
        let [row] = &found.rows[..] else { panic!("{found:?}") };
        assert_eq!((row.address, row.index, row.prefix), (address.into(), Some(index), Some(prefix)));
        assert_eq!(row.device.as_ref(), Some(&device));
    }
    // The kernel does not hide a newline.
    let name: Vec<u8> = name().iter().copied().filter(|b| *b != b'\n').collect();
    let line = format!("0000000000000000: 00000002 00000000 00010000 0005 01 {id:5} ");
    let line = [b"Num\n", line.as_bytes(), &name].concat();
    let found = sockets::parse_unix(&whole(line));
    let [row] = &found.rows[..] else { panic!("{found:?}") };
    assert_eq!((row.kind, &row.name, row.inode), ("seqpacket", &name, id));
    let (address, port, uid) = ((id >> 32) as u32, id as u16, id as u32);
    let line = format!("sl\n0: {address:08X}:{port:04X} 00000000:0000 0A 0:0 00:0 0 {uid} 0 {id} 1 0\n");
    let listener = Listener {
        protocol: "tcp",
        address: Ipv4Addr::from(address.to_ne_bytes()).into(),
        port,
        uid,
        inode: id,
    };
    assert_eq!(sockets::parse(&whole(line), "tcp", b"0A").rows, [listener]);
}

fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let mut out = ((4 + value.len()) as u16).to_ne_bytes().to_vec();
    out.extend(kind.to_ne_bytes());
    out.extend(value);
    out.resize(out.len().next_multiple_of(4), 0);
    out
}

fn message(kind: u16, body: &[u8], attributes: &[(u16, &[u8])]) -> Vec<u8> {
    let attributes = attributes.iter().flat_map(|(kind, value)| attribute(*kind, value));
    let rest: Vec<u8> = body.iter().copied().chain(attributes).collect();
    let mut out = ((16 + rest.len()) as u32).to_ne_bytes().to_vec();
    out.extend(kind.to_ne_bytes());
    out.extend([0; 10]);
    out.extend(rest);
    out
}

/// An answer of any bytes; and each message that is in it alone, with what follows left out.
pub(super) fn netlink(bytes: &[u8]) {
    let names = BTreeMap::from([(1, b"lo".to_vec())]);
    let all = |bytes: &[u8]| {
        (answer::links(bytes), answer::addresses(bytes, &names), answer::routes(bytes, &names))
    };
    let (links, addresses, routes) = all(bytes);
    let most = bytes.len() / 16;
    assert!(links.rows.len() + links.odd + addresses.rows.len() + addresses.odd <= most);
    assert!(links.rows.iter().all(|link| !link.name.is_empty() && !link.name.contains(&0)));
    let unix = answer::unix(bytes);
    assert!(unix.rows.len() + unix.odd <= most && unix.rows.iter().all(|one| !one.name.contains(&0)));
    // A hop takes eight bytes at least.
    assert!(routes.rows.len() <= bytes.len() / 8);
    let mut rest = bytes;
    let mut alone = (Rows::NONE, Rows::NONE, Rows::NONE);
    while let Some(length) = rest.first_chunk::<4>().map(|length| u32::from_ne_bytes(*length) as usize) {
        let Some(message) = rest.get(..length).filter(|message| message.len() >= 16) else { break };
        let (links, addresses, routes) = all(message);
        alone.0.extend(links);
        alone.1.extend(addresses);
        alone.2.extend(routes);
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    routes::sort(&mut alone.2.rows);
    assert_eq!((links, addresses, routes), alone);
}

/// A device of any names and numbers.
fn device<'a>(id: u64, mut name: impl FnMut() -> &'a [u8]) -> (Vec<u8>, Link) {
    let bit = |at: u32| id >> at & 1 == 1;
    let part = |at: u32| (id >> at) as u32 & 0xff;
    let index = part(0);
    let (device, alias, kind, mac) = (name(), name(), name(), name());
    let info = attribute(1, kind);
    let [peer, master, peer_at] = [8, 16, 24].map(|at| part(at).to_ne_bytes());
    let mut attributes: Vec<(u16, &[u8])> =
        vec![(3, device), (20, alias), (18, &info), (1, mac), (5, &peer), (10, &master)];
    if bit(32) {
        attributes.push((37, &peer_at));
    }
    let body = [0, index, bit(33).into(), 0].map(u32::to_ne_bytes).concat();
    let some = |number: u32| Some(number).filter(|number| *number != 0);
    let made = Device {
        kind: Some(kind.to_vec()),
        up: bit(33),
        state: "unknown",
        mac: Some(mac.to_vec()).filter(|mac| mac.iter().any(|&b| b != 0)),
        master: some(part(16)),
        peer: some(part(8)).filter(|peer| *peer != index || bit(32)),
        peer_at: bit(32).then_some(part(24) as i32),
        alias: Some(alias.to_vec()),
        ..Device::default()
    };
    let link = Link { name: device.to_vec(), index: Some(index), device: Some(made), traffic: None };
    (message(16, &body, &attributes), link)
}

/// A device of any names and numbers is read as it is, between others.
pub(super) fn netlink_made(bytes: &[u8]) {
    let (id, bytes) = number(bytes);
    let mut names = pieces(bytes);
    let (message, link) = device(id, || names.next().unwrap_or_default());
    let (other, known) = device(1, || b"lo");
    let found = answer::links(&[&other[..], &message, &other].concat());
    let odd = usize::from(link.name.is_empty());
    let mut expected = vec![known.clone(), link, known];
    expected.retain(|link| !link.name.is_empty());
    assert_eq!(found, Rows { rows: expected, odd, cut: false });
}

/// A page of any names shows no unsafe character, and its JSON holds them.
pub(super) fn page(bytes: &[u8]) {
    let mut parts = pieces(bytes);
    let mut part = || parts.next().unwrap_or_default();
    let (how, name) = number(part());
    let bit = |at: u32| how >> at & 1 == 1;
    let mut links: Vec<Link> =
        (0..how % 4).map(|at| device(how.rotate_left(at as u32 * 9), &mut part).1).collect();
    links.iter_mut().filter(|_| bit(40)).for_each(|link| link.device = None);
    let refused = Error::refused(name);
    let or = |at: u32| if bit(at) { Err(refused.clone()) } else { Ok(()) };
    let address = |index: u32, device: &[u8]| addresses::Address {
        address: Ipv6Addr::from(u128::from(how)).into(),
        prefix: bit(41).then_some(index as u8),
        scope: "global",
        device: bit(42).then(|| device.to_vec()),
        index: Some(index),
        by_route: bit(43),
    };
    let route = |device: &[u8]| Route {
        destination: Ipv4Addr::from(how as u32).into(),
        prefix: how as u8 % 33,
        gateway: bit(44).then_some(Ipv4Addr::LOCALHOST.into()),
        device: Some(device.to_vec()),
        metric: how as u32,
        kind: "unicast",
        table: bit(45).then_some(how as u32),
        source: None,
    };
    let listener = |inode| Listener {
        protocol: "tcp",
        address: Ipv4Addr::from(how as u32).into(),
        port: how as u16,
        uid: how as u32,
        inode,
    };
    let unix = |name: &[u8]| sockets::UnixListener { kind: "stream", name: name.to_vec(), inode: 8 };
    let holder = Holder { pid: 9, comm: name.to_vec(), others: how as usize % 3 };
    let neighbour =
        |id: i32| Neighbour { ino: how, pid: bit(46).then_some(id), name: name.to_vec(), is_ours: bit(47) };
    let all = links.iter().map(|link| address(link.index.unwrap_or_default(), &link.name)).collect();
    let rows = |cut| Rows { rows: vec![route(name)], odd: how as usize % 2, cut };
    let listeners = Rows { rows: vec![listener(7), listener(8)], ..Rows::NONE };
    let names = Rows { rows: (0..how % 12).map(|_| unix(name)).collect(), ..Rows::NONE };
    let net = Net {
        only_proc: bit(40).then(|| refused.clone()),
        addresses: or(48).map(|()| Rows { rows: all, ..Rows::NONE }),
        routes: or(49).map(|()| rows(bit(54))),
        sockets: or(50).map(|()| sockets::Sockets {
            listeners,
            unix: names,
            usage: sockets::Usage::default(),
        }),
        holders: or(51).map(|()| Holders {
            found: [(8, holder)].into(),
            closed: how as usize % 2,
            cut: bit(55),
        }),
        neighbours: or(52).map(|()| (0..4).map(|id| (id, neighbour(id))).collect()),
        host: bit(56).then_some(how),
        ours: [(1, name.to_vec())].into(),
        links: or(53).map(|()| Rows { rows: links.clone(), ..Rows::NONE }),
    };
    let is_unplaced = !bit(48) && bit(53);
    let (has_links, has_sockets) = (net.links.is_ok(), net.sockets.is_ok());
    let section = SECTIONS.iter().find(|section| section.name == "net").expect("a section");
    let world = World { parts: vec![(section, Box::new(net))], last: None };
    for charset in [Charset::Utf8, Charset::Ascii] {
        let mut page = Page::new(charset, bit(57).then_some(80), false);
        world.page(&mut page);
        assert!(page.out.lines().all(is_line));
    }
    let json = world.json().document();
    assert!(json.lines().all(is_line));
    let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    let its = &json["net"];
    let missed = |key: &str| {
        let entries = json["unreadable"].as_array().into_iter().flatten();
        entries.filter(|entry| entry["key"] == format!("net.{key}")).count() == 1
    };
    // What is null says why.
    for key in ["links", "unplaced_addresses", "routes", "listeners", "unix_listeners", "sockets"] {
        assert_eq!(its[key].is_null(), missed(key), "{key}");
    }
    if has_links {
        let objects = its["links"].as_array().expect("a list");
        assert_eq!(objects.len(), links.len());
        for (link, object) in links.iter().zip(objects) {
            assert_eq!(member(object, "name").as_ref(), Some(&link.name));
            let alias = link.device.as_ref().and_then(|device| device.alias.as_ref());
            assert_eq!(member(&object["device"], "alias").as_ref(), alias);
        }
    }
    if is_unplaced {
        assert_eq!(its["unplaced_addresses"].as_array().map(Vec::len), Some(links.len()));
    }
    if has_sockets {
        for object in its["unix_listeners"].as_array().into_iter().flatten() {
            assert_eq!(member(object, "name").as_deref(), Some(name));
        }
    }
}
