//! Addresses of network devices.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};

use super::{Route, Rows, Text, dotted, plain, small_hex, whole, whole_if_any, words};
use crate::error::Result;
use crate::proc::Task;

/// An address of a net namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// The address.
    pub address: IpAddr,
    /// How many bits of it are those of its network; none where that is not told.
    pub prefix: Option<u8>,
    /// How far it can be reached: global, site, link or host.
    pub scope: &'static str,
    /// The name of the device that has it; none where that is not told.
    pub device: Option<Vec<u8>>,
    /// The number of that device, likewise.
    pub index: Option<u32>,
    /// Is the device only that to which the route to its network leads? Such a route can lead elsewhere.
    pub by_route: bool,
}

/// The IPv4 addresses of its net namespace. /proc does not say on which device one is: it is put where the routes
/// to networks without a gateway leave no doubt.
pub fn v4(task: &Task, routes: &[Route]) -> Result<Rows<Address>> {
    Ok(parse_fib_trie(&whole(task, c"net/fib_trie")?, routes))
}

/// The IPv6 addresses of its net namespace.
pub fn v6(task: &Task) -> Result<Rows<Address>> {
    Ok(parse_if_inet6(&whole_if_any(task, c"net/if_inet6")?))
}

/// Reads `net/fib_trie`, of which only what is local counts. The kernel shows the same twice where a namespace has no
/// rules of its own.
pub fn parse_fib_trie(text: &Text, routes: &[Route]) -> Rows<Address> {
    let mut found = Rows { cut: text.cut, ..Rows::NONE };
    let (networks, mut seen) = (networks(routes), BTreeSet::new());
    let mut leaf = None;
    for line in text.lines() {
        match line.trim_ascii() {
            [b'|', b'-', b'-', b' ', address @ ..] => {
                leaf = dotted(address);
                found.odd += usize::from(leaf.is_none());
            }
            b"/32 host LOCAL" => {
                if let Some(leaf) = leaf.filter(|leaf| seen.insert(*leaf)) {
                    found.rows.push(placed(leaf, &networks));
                }
            }
            _ => {}
        }
    }
    found
}

/// The networks that are reached without a gateway, by length and beginning, with the device by which: none where that is
/// not told, or is one of several.
type Networks<'r> = BTreeMap<(u8, u32), Option<&'r Vec<u8>>>;

fn networks(routes: &[Route]) -> Networks<'_> {
    let mut networks = Networks::new();
    for route in routes.iter().filter(|route| route.gateway.is_none()) {
        let IpAddr::V4(destination) = route.destination else { continue };
        let device = route.device.as_ref();
        let known = networks.entry((route.prefix, start(destination, route.prefix))).or_insert(device);
        *known = known.filter(|known| device == Some(known));
    }
    networks
}

/// The bits of an address that are those of its network.
fn start(address: Ipv4Addr, prefix: u8) -> u32 {
    address.to_bits() & u32::MAX.checked_shl(32 - u32::from(prefix.min(32))).unwrap_or(0)
}

/// An address on the device where the smallest network that it lies in is reached without a gateway. On none if there
/// is no such one, or one on each of several.
fn placed(address: Ipv4Addr, networks: &Networks<'_>) -> Address {
    let scope = if address.is_loopback() { "host" } else { "global" };
    let ip = IpAddr::V4(address);
    let nowhere = Address { address: ip, prefix: None, scope, device: None, index: None, by_route: false };
    // The kernel gives this one to the loopback device when that is brought up, and no route tells of it.
    if address == Ipv4Addr::LOCALHOST {
        return Address { prefix: Some(8), device: Some(b"lo".to_vec()), by_route: true, ..nowhere };
    }
    let around = |prefix: u8| Some((prefix, *networks.get(&(prefix, start(address, prefix)))?));
    match (1..=32).rev().find_map(around) {
        Some((prefix, Some(device))) => {
            Address { prefix: Some(prefix), device: Some(device.clone()), by_route: true, ..nowhere }
        }
        _ => nowhere,
    }
}

/// Reads `net/if_inet6`. Source: proc_pid_net(5).
pub fn parse_if_inet6(text: &Text) -> Rows<Address> {
    Rows::of_lines(text, 0, |line| {
        let mut words = words(line);
        let address = plain(words.next()?)?.into();
        let index = small_hex(words.next()?)?;
        let prefix = small_hex(words.next()?)?;
        let scope = match small_hex::<u32>(words.next()?)? & 0xf0 {
            0x10 => "host",
            0x20 => "link",
            0x40 => "site",
            _ => "global",
        };
        let device = Some(words.nth(1)?.to_vec());
        Some(Address { address, prefix: Some(prefix), scope, device, index: Some(index), by_route: false })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proc::net::routes::parse_v4;

    fn text(bytes: &[u8]) -> Text {
        Text { bytes: bytes.to_vec(), cut: false }
    }

    #[test]
    fn addresses_of_the_trie_are_put_on_a_device_where_there_is_no_doubt() {
        let routes = b"Iface\tDestination\tGateway\n\
            e\t00000000\t0100000A\t0003\t0\t0\t0\t00000000\t0\t0\t0\n\
            e\t0000000A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n\
            f\t0000000A\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n\
            g\t0000010A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n\
            h\t0000010A\t00000000\t0001\t0\t0\t5\t00FFFFFF\t0\t0\t0\n";
        if !cfg!(target_endian = "little") {
            return;
        }
        let routes = parse_v4(&text(routes));
        let trie = b"Main:\n  +-- 0.0.0.0/0 3 0 5\n     |-- 0.0.0.0\n        /0 universe UNICAST\n        |-- 127.0.0.0\n\
              /8 host LOCAL\n     |-- 127.0.0.1\n   /32 host LOCAL\n    |-- 10.0.0.2\n  /32 host LOCAL\n\
            |-- 10.0.0.255\n   /32 link BROADCAST\n  |-- 10.0.9.9\n /32 host LOCAL\n |-- 10.1.0.3\n /32 host LOCAL\n\
            |-- 10.9.9.9\n /32 host LOCAL\nLocal:\n|-- 10.0.0.2\n  /32 host LOCAL\n|-- odd\n  /32 host LOCAL\n";
        let found = parse_fib_trie(&text(trie), &routes.rows);
        let shown: Vec<String> = found
            .rows
            .iter()
            .map(|row| {
                let device = row.device.as_deref().map(String::from_utf8_lossy);
                format!("{} {:?} {:?} {}", row.address, row.prefix, device, row.scope)
            })
            .collect();
        assert_eq!(
            shown,
            [
                "127.0.0.1 Some(8) Some(\"lo\") host",
                "10.0.0.2 Some(24) Some(\"e\") global",
                "10.0.9.9 Some(16) Some(\"f\") global",
                "10.1.0.3 None None global",
                "10.9.9.9 None None global",
            ]
        );
        assert_eq!(found.odd, 1);
    }

    #[test]
    fn addresses_of_ipv6_have_their_devices() {
        let cases: [(&[u8], _); 5] = [
            (
                b"fe8000000000000000fc00fffe000001 0a 40 20 80     \x1b[1m\xff",
                Some(("fe80::fc:ff:fe00:1", 10, 64, "link")),
            ),
            (b"00000000000000000000000000000001 01 80 10 80       lo", Some(("::1", 1, 128, "host"))),
            (b"fd000000000000000000000000000002 04 40 00 82     eth0", Some(("fd00::2", 4, 64, "global"))),
            (b"fd000000000000000000000000000002 04 40 00 82", None),
            (b"fd00000000000000000000000000000 04 40 00 82 eth0", None),
        ];
        for (line, expected) in cases {
            let found = parse_if_inet6(&text(line));
            let row = found.rows.first().map(|row| {
                assert!(row.device.as_ref().is_some_and(|device| line.ends_with(device)));
                (row.address.to_string(), row.index, row.prefix, row.scope)
            });
            let expected = expected.map(|(address, index, prefix, scope): (&str, u32, u8, _)| {
                (address.to_string(), Some(index), Some(prefix), scope)
            });
            assert_eq!(row, expected, "{}", String::from_utf8_lossy(line));
            assert_eq!(found.odd, usize::from(expected.is_none()));
        }
    }
}
