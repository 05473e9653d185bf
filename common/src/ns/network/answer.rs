//! What the kernel answers of devices, addresses, routes and unix sockets.
//! Source: rtnetlink(7), sock_diag(7), linux/rtnetlink.h, linux/if_link.h, linux/if_addr.h.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::message::{attributes, half, number, read, text};
use crate::proc::net::{Address, Device, Link, Route, Rows, Traffic, UnixListener, routes, sockets};

const NEWLINK: u16 = 16;
pub(super) const GETLINK: u16 = 18;
const NEWADDR: u16 = 20;
pub(super) const GETADDR: u16 = 22;
const NEWROUTE: u16 = 24;
pub(super) const GETROUTE: u16 = 26;
/// Of questions and answers about sockets.
pub(super) const SOCK_DIAG: u16 = 20;

/// A question for unix sockets that listen, and their names: struct unix_diag_req. Source: linux/unix_diag.h, Linux 3.3.
pub(super) fn about_listeners() -> Vec<u8> {
    // TCP_LISTEN, UDIAG_SHOW_NAME.
    const STATES: u32 = 1 << 10;
    const SHOW: u32 = 1;
    let family = [libc::AF_UNIX as u8, 0, 0, 0];
    [family, STATES.to_ne_bytes(), [0; 4], SHOW.to_ne_bytes(), [0; 4], [0; 4]].concat()
}

/// The devices in an answer.
pub fn links(bytes: &[u8]) -> Rows<Link> {
    read(bytes, NEWLINK, |body, links| {
        links.push(link(body)?);
        Some(())
    })
}

fn link(body: &[u8]) -> Option<Link> {
    const IFF_UP: u32 = 1;
    const INFO: usize = 16;
    let index = number(body, 4)?;
    let mut link = Link { index: Some(index), ..Link::default() };
    let mut device = Device { up: number(body, 8)? & IFF_UP != 0, state: "unknown", ..Device::default() };
    for (kind, value) in attributes(body.get(INFO..)?) {
        let is_there = |index: &u32| *index != 0;
        match kind {
            1 => device.mac = Some(value.to_vec()).filter(|mac| mac.iter().any(|&b| b != 0)),
            3 => link.name = text(value),
            4 => device.mtu = number(value, 0),
            5 => device.peer = number(value, 0).filter(is_there).filter(|peer| *peer != index),
            10 => device.master = number(value, 0).filter(is_there),
            16 => device.state = state(value.first().copied().unwrap_or_default()),
            18 => device.kind = attributes(value).find(|(kind, _)| *kind == 1).map(|(_, kind)| text(kind)),
            20 => device.alias = Some(text(value)),
            23 => link.traffic = traffic(value),
            37 => device.peer_at = number(value, 0).map(|id| id as i32),
            _ => {}
        }
    }
    // Elsewhere it can have the same number.
    if device.peer_at.is_some() && device.peer.is_none() {
        let linked = attributes(body.get(INFO..)?).find(|(kind, _)| *kind == 5);
        device.peer = linked.and_then(|(_, value)| number(value, 0)).filter(|peer| *peer != 0);
    }
    link.device = Some(device);
    Some(link).filter(|link| !link.name.is_empty())
}

/// Source: RFC 2863, IF_OPER_* of linux/if.h.
fn state(number: u8) -> &'static str {
    const STATES: &[&str] =
        &["unknown", "not present", "down", "lower layer down", "testing", "dormant", "up"];
    STATES.get(usize::from(number)).unwrap_or(&"unknown")
}

/// Source: struct rtnl_link_stats64 of linux/if_link.h.
fn traffic(value: &[u8]) -> Option<Traffic> {
    let long = |at: usize| Some(u64::from_ne_bytes(value.get(8 * at..8 * at + 8)?.try_into().ok()?));
    Some(Traffic {
        rx_packets: long(0)?,
        tx_packets: long(1)?,
        rx_bytes: long(2)?,
        tx_bytes: long(3)?,
        rx_errors: long(4)?,
        tx_errors: long(5)?,
        rx_dropped: long(6)?,
        tx_dropped: long(7)?,
    })
}

/// The addresses in an answer, on the devices with these names.
pub fn addresses(bytes: &[u8], names: &BTreeMap<u32, Vec<u8>>) -> Rows<Address> {
    read(bytes, NEWADDR, |body, addresses| {
        let index = number(body, 4)?;
        let (mut address, mut local) = (None, None);
        for (kind, value) in attributes(body.get(8..)?) {
            match kind {
                1 => address = ip(value),
                2 => local = ip(value),
                _ => {}
            }
        }
        let scope = match body[3] {
            0 => "global",
            200 => "site",
            253 => "link",
            254 => "host",
            _ => "unknown",
        };
        addresses.push(Address {
            // With both, the other is that of the peer.
            address: local.or(address)?,
            prefix: Some(body[1]),
            scope,
            device: names.get(&index).cloned(),
            index: Some(index),
            by_route: false,
        });
        Some(())
    })
}

/// The routes in an answer that lead to others, the default ones first.
pub fn routes(bytes: &[u8], names: &BTreeMap<u32, Vec<u8>>) -> Rows<Route> {
    let mut found = read(bytes, NEWROUTE, |body, routes| route(body, names, routes));
    routes::sort(&mut found.rows);
    found
}

fn route(body: &[u8], names: &BTreeMap<u32, Vec<u8>>, routes: &mut Vec<Route>) -> Option<()> {
    const LOCAL: u32 = 255;
    const RTM_F_CLONED: u32 = 0x200;
    let &[family, prefix, _, _, table, _, _, kind] = body.get(..8)? else { return None };
    let cloned = number(body, 8)? & RTM_F_CLONED != 0;
    let unspecified = match i32::from(family) {
        libc::AF_INET => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        libc::AF_INET6 => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        // Other protocols have tables of their own.
        _ => return Some(()),
    };
    let kind = match kind {
        1 => "unicast",
        6 => "blackhole",
        7 => "unreachable",
        8 => "prohibit",
        9 => "throw",
        // To the machine itself, or to many.
        _ => return Some(()),
    };
    let mut route = Route {
        destination: unspecified,
        prefix,
        gateway: None,
        device: None,
        metric: 0,
        kind,
        table: Some(table.into()),
        source: None,
    };
    let mut hops: &[u8] = &[];
    for (kind, value) in attributes(body.get(12..)?) {
        match kind {
            1 => route.destination = ip(value)?,
            4 => route.device = device(number(value, 0)?, names),
            5 => route.gateway = ip(value),
            6 => route.metric = number(value, 0)?,
            7 => route.source = ip(value),
            9 => hops = value,
            15 => route.table = number(value, 0),
            18 => route.gateway = via(value),
            _ => {}
        }
    }
    if cloned || route.table == Some(LOCAL) || !routes::is_to_one(route.destination) {
        return Some(());
    }
    if hops.is_empty() {
        routes.push(route);
        return Some(());
    }
    // struct rtnexthop: length, flags, hops, the device's number, and attributes.
    while let (Some(length), Some(index)) = (half(hops, 0), number(hops, 4)) {
        let hop = hops.get(8..usize::from(length))?;
        let gateway = attributes(hop).find_map(|(kind, value)| match kind {
            5 => ip(value),
            18 => via(value),
            _ => None,
        });
        routes.push(Route { gateway, device: device(index, names), ..route.clone() });
        hops = hops.get(usize::from(length).next_multiple_of(4)..).unwrap_or_default();
    }
    Some(())
}

/// The name of a device; its number where that is not known.
fn device(index: u32, names: &BTreeMap<u32, Vec<u8>>) -> Option<Vec<u8>> {
    Some(names.get(&index).cloned().unwrap_or_else(|| format!("#{index}").into()))
}

/// A gateway of another family than the route. Source: struct rtvia of linux/rtnetlink.h.
fn via(value: &[u8]) -> Option<IpAddr> {
    ip(value.get(2..)?)
}

fn ip(value: &[u8]) -> Option<IpAddr> {
    let v4 = || <[u8; 4]>::try_from(value).map(|bytes| Ipv4Addr::from(bytes).into()).ok();
    v4().or_else(|| <[u8; 16]>::try_from(value).map(|bytes| Ipv6Addr::from(bytes).into()).ok())
}

/// The unix sockets in an answer.
pub fn unix(bytes: &[u8]) -> Rows<UnixListener> {
    read(bytes, SOCK_DIAG, |body, listeners| {
        listeners.push(listener(body)?);
        Some(())
    })
}

/// Source: struct unix_diag_msg of linux/unix_diag.h.
fn listener(body: &[u8]) -> Option<UnixListener> {
    const INFO: usize = 16;
    const UNIX_DIAG_NAME: u16 = 0;
    let name = attributes(body.get(INFO..)?).find(|(kind, _)| *kind == UNIX_DIAG_NAME);
    Some(UnixListener {
        kind: sockets::unix_kind((*body.get(1)?).into()),
        name: match name.map_or(&[][..], |(_, name)| name) {
            // An abstract name, as /proc writes it.
            [0, name @ ..] => {
                std::iter::once(b'@').chain(name.iter().map(|&b| if b == 0 { b'@' } else { b })).collect()
            }
            path => text(path),
        },
        inode: number(body, 4)?.into(),
    })
}

#[cfg(test)]
mod tests {
    use super::super::message::end;
    use super::super::message::tests::{attribute, message};
    use super::*;

    fn of_link(index: u32, flags: u32, attributes: &[(u16, &[u8])]) -> Vec<u8> {
        let body = [[0u32, index, flags, 0].map(u32::to_ne_bytes).concat()].concat();
        message(NEWLINK, 2, &body, attributes)
    }

    fn names() -> BTreeMap<u32, Vec<u8>> {
        BTreeMap::from([(1, b"lo".to_vec()), (2, b"e\xff".to_vec())])
    }

    #[test]
    fn devices_are_read_with_what_is_known_and_the_rest_is_passed_over() {
        let stats: Vec<u8> = (0..24u64).flat_map(u64::to_ne_bytes).collect();
        let info = [attribute(1, b"veth\0"), attribute(9, b"?")].concat();
        let bytes = [
            of_link(1, 0, &[(3, b"lo\0"), (1, &[0; 6]), (16, &[0])]),
            of_link(
                2,
                1,
                &[
                    (3, b"e\xff\0"),
                    (1, &[2, 0, 0, 0, 0, 9]),
                    (4, &1400u32.to_ne_bytes()),
                    (5, &2u32.to_ne_bytes()),
                    (10, &7u32.to_ne_bytes()),
                    (16, &[3]),
                    (0x8000 | 18, &info),
                    (23, &stats),
                    (37, &3u32.to_ne_bytes()),
                    (999, b"unknown"),
                ],
            ),
            of_link(3, 1, &[(3, b"same\0"), (5, &3u32.to_ne_bytes())]),
            of_link(4, 1, &[]),
            message(NEWADDR, 2, &[0; 8], &[]),
        ]
        .concat();
        let found = links(&bytes);
        assert_eq!(found.odd, 1, "one without a name");
        let [lo, veth, same] = &found.rows[..] else { panic!("{found:?}") };
        let device = |link: &Link| link.device.clone().expect("a device");
        assert_eq!((&lo.name[..], lo.index, lo.traffic), (&b"lo"[..], Some(1), None));
        assert_eq!(device(lo), Device { state: "unknown", ..Device::default() });
        assert_eq!(
            device(veth),
            Device {
                kind: Some(b"veth".to_vec()),
                up: true,
                state: "lower layer down",
                mtu: Some(1400),
                mac: Some(vec![2, 0, 0, 0, 0, 9]),
                master: Some(7),
                peer: Some(2),
                peer_at: Some(3),
                alias: None,
            }
        );
        let traffic = veth.traffic.expect("counters");
        assert_eq!((traffic.rx_bytes, traffic.tx_bytes, traffic.tx_dropped), (2, 3, 7));
        assert_eq!(device(same).peer, None, "its own number in its own namespace");
    }

    #[test]
    fn addresses_are_those_of_this_end() {
        let body = |prefix, scope, index: u32| [&[2, prefix, 0, scope][..], &index.to_ne_bytes()].concat();
        let bytes = [
            message(NEWADDR, 2, &body(24, 0, 2), &[(1, &[10, 0, 0, 2]), (2, &[10, 0, 0, 1]), (3, b"e\0")]),
            message(NEWADDR, 2, &body(128, 254, 9), &[(1, &Ipv6Addr::LOCALHOST.octets())]),
            message(NEWADDR, 2, &body(128, 254, 9), &[(1, b"odd")]),
        ]
        .concat();
        let found = addresses(&bytes, &names());
        let shown = |row: &Address| (row.address.to_string(), row.prefix, row.scope, row.device.clone());
        let rows: Vec<_> = found.rows.iter().map(shown).collect();
        assert_eq!(
            rows,
            [
                ("10.0.0.1".into(), Some(24), "global", Some(b"e\xff".to_vec())),
                ("::1".into(), Some(128), "host", None)
            ]
        );
        assert_eq!(found.odd, 1);
    }

    #[test]
    fn routes_are_those_to_others_the_default_one_first() {
        let body =
            |family: i32, prefix, table, kind| [family as u8, prefix, 0, 0, table, 0, 0, kind, 0, 0, 0, 0];
        let two = 2u32.to_ne_bytes();
        let hop = |gateway: &[u8]| {
            let attribute = attribute(5, gateway);
            [&((8 + attribute.len()) as u16).to_ne_bytes()[..], &[0, 0], &two, &attribute].concat()
        };
        let hops = [hop(&[10, 0, 0, 3]), hop(&[10, 0, 0, 4])].concat();
        let via = [&(libc::AF_INET6 as u16).to_ne_bytes()[..], &Ipv6Addr::LOCALHOST.octets()].concat();
        let (v4, v6) = (libc::AF_INET, libc::AF_INET6);
        let bytes = [
            message(
                NEWROUTE,
                2,
                &body(v4, 24, 254, 1),
                &[(1, &[10, 0, 0, 0]), (4, &two), (7, &[10, 0, 0, 1])],
            ),
            message(NEWROUTE, 2, &body(v4, 32, 255, 2), &[(1, &[10, 0, 0, 1]), (4, &two)]),
            message(
                NEWROUTE,
                2,
                &body(v4, 8, 0, 1),
                &[(1, &[9, 0, 0, 0]), (9, &hops), (15, &300u32.to_ne_bytes())],
            ),
            message(NEWROUTE, 2, &body(v4, 16, 254, 6), &[(1, &[9, 1, 0, 0])]),
            message(
                NEWROUTE,
                2,
                &body(v6, 0, 254, 1),
                &[(5, &Ipv6Addr::LOCALHOST.octets()), (4, &9u32.to_ne_bytes()), (6, &two)],
            ),
            message(NEWROUTE, 2, &body(v4, 0, 254, 1), &[(18, &via), (4, &two)]),
            message(NEWROUTE, 2, &body(v6, 8, 255, 1), &[(1, &[255; 16]), (4, &two)]),
            message(NEWROUTE, 2, &body(128, 0, 254, 1), &[]),
            message(NEWROUTE, 2, &body(v4, 8, 254, 1), &[(1, b"odd")]),
        ]
        .concat();
        let found = routes(&bytes, &names());
        let shown = |row: &Route| {
            let gateway = row.gateway.map_or("-".into(), |gateway| gateway.to_string());
            let device = String::from_utf8_lossy(row.device.as_deref().unwrap_or(b"-")).into_owned();
            format!(
                "{}/{} {gateway} {device} {} {} {:?}",
                row.destination, row.prefix, row.metric, row.kind, row.table
            )
        };
        let rows: Vec<String> = found.rows.iter().map(shown).collect();
        assert_eq!(
            rows,
            [
                "0.0.0.0/0 ::1 e\u{fffd} 0 unicast Some(254)",
                "::/0 ::1 #9 2 unicast Some(254)",
                "10.0.0.0/24 - e\u{fffd} 0 unicast Some(254)",
                "9.0.0.0/8 10.0.0.3 e\u{fffd} 0 unicast Some(300)",
                "9.0.0.0/8 10.0.0.4 e\u{fffd} 0 unicast Some(300)",
                "9.1.0.0/16 - - 0 blackhole Some(254)",
            ]
        );
        assert_eq!((found.odd, found.rows[2].source), (1, ip(&[10, 0, 0, 1])));
    }

    #[test]
    fn bytes_that_are_cut_anywhere_are_read_as_far_as_they_go() {
        let info = attribute(1, b"veth\0");
        let bytes = of_link(2, 1, &[(3, b"e\0"), (18, &info), (37, &[1, 0, 0, 0])]);
        let bytes = [bytes.clone(), bytes].concat();
        for length in 0..bytes.len() {
            assert!(links(&bytes[..length]).rows.len() < 2);
            // Lengths that lie lead nowhere either.
            let mut lying = bytes.clone();
            lying[length] = 0xff;
            let _ = (links(&lying), addresses(&lying, &names()), routes(&lying, &names()), end(&lying));
        }
    }

    #[test]
    fn unix_sockets_have_paths_or_names_of_any_bytes() {
        let body = |kind: u8, inode: u32| [&[1, kind, 10, 0][..], &inode.to_ne_bytes(), &[0; 8]].concat();
        let bytes = [
            message(SOCK_DIAG, 2, &body(1, 1605), &[(0, b"/run/a\n0: b\xff\0")]),
            message(SOCK_DIAG, 2, &body(5, 7), &[(3, b"?"), (0, b"\0x\0\n")]),
            message(SOCK_DIAG, 2, &body(9, 8), &[]),
            message(SOCK_DIAG, 2, &[1, 1, 10, 0, 7], &[]),
            message(3, 2, &[0; 4], &[]),
        ]
        .concat();
        let found = unix(&bytes);
        let rows: Vec<_> = found.rows.iter().map(|row| (row.kind, &row.name[..], row.inode)).collect();
        let expected =
            [("stream", &b"/run/a\n0: b\xff"[..], 1605), ("seqpacket", b"@x@\n", 7), ("unknown", b"", 8)];
        assert_eq!((&rows[..], found.odd), (&expected[..], 1));
        assert_eq!(about_listeners().len(), 24);
    }
}
