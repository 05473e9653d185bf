//! Routes: where packets go.

use std::net::{IpAddr, Ipv6Addr};

use super::{Rows, Text, plain, small_hex, whole, whole_if_any, wire, words};
use crate::error::Result;
use crate::proc::Task;

/// A route. One to several next hops is several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// The network that it leads to.
    pub destination: IpAddr,
    /// How many bits of that count; 0 is the default route.
    pub prefix: u8,
    /// Who passes it on, none where it is the network itself.
    pub gateway: Option<IpAddr>,
    /// The name of the device that it leaves by.
    pub device: Option<Vec<u8>>,
    /// Of several, the lowest is taken.
    pub metric: u32,
    /// Unicast, or what refuses: blackhole, unreachable, prohibit, throw (rtnetlink(7)). /proc only tells that it is one
    /// that rejects, or nothing: unknown.
    pub kind: &'static str,
    /// The number of its table: 254 is the main one, which alone is in /proc of IPv4; none where that is not told.
    pub table: Option<u32>,
    /// The address that packets get from which they come.
    pub source: Option<IpAddr>,
}

/// The number of the main table. Source: RT_TABLE_MAIN of linux/rtnetlink.h.
pub const MAIN: u32 = 254;

/// What is refused, as /proc tells it.
const REJECTED: &str = "reject";

// linux/route.h, linux/ipv6_route.h
const RTF_GATEWAY: u32 = 2;
const RTF_REJECT: u32 = 0x200;
const RTF_ANYCAST: u32 = 0x10_0000;
const RTF_CACHE: u32 = 0x100_0000;
const RTF_LOCAL: u32 = 0x8000_0000;

/// The routes of its net namespace, the default ones first: those of packets to others, to one only.
pub fn of(task: &Task) -> Result<Rows<Route>> {
    let mut found = parse_v4(&whole(task, c"net/route")?);
    found.extend(parse_v6(&whole_if_any(task, c"net/ipv6_route")?));
    sort(&mut found.rows);
    Ok(found)
}

/// The default routes first, and of each family the IPv4 ones; else in the order in which they are.
pub fn sort(routes: &mut [Route]) {
    routes.sort_by_key(|route| (route.prefix > 0, route.destination.is_ipv6()));
}

/// Is this a network that packets to one address go to?
pub fn is_to_one(destination: IpAddr) -> bool {
    !destination.is_multicast()
}

/// Reads `net/route`. Source: proc_pid_net(5), struct rtentry of route(4).
pub fn parse_v4(text: &Text) -> Rows<Route> {
    let found = Rows::of_lines(text, 1, |line| {
        let mut words = words(line);
        let device = words.next()?;
        let destination = wire(words.next()?)?;
        let gateway = wire(words.next()?)?;
        let flags: u32 = small_hex(words.next()?)?;
        let metric = crate::text::digits(words.nth(2)?)?;
        let IpAddr::V4(mask) = wire(words.next()?)? else { return None };
        // None is written so.
        let device = (device != b"*").then(|| device.to_vec());
        Some(Route {
            destination,
            prefix: mask.to_bits().leading_ones() as u8,
            gateway: (flags & RTF_GATEWAY != 0).then_some(gateway),
            kind: match &device {
                _ if flags & RTF_REJECT != 0 => REJECTED,
                None => "unknown",
                Some(_) => "unicast",
            },
            device,
            metric,
            table: Some(MAIN),
            source: None,
        })
    });
    Rows { rows: found.rows.into_iter().filter(|route| is_to_one(route.destination)).collect(), ..found }
}

/// Reads `net/ipv6_route`. What leads to the machine itself, to many or to nobody is left out.
pub fn parse_v6(text: &Text) -> Rows<Route> {
    let found = Rows::of_lines(text, 0, |line| {
        let words: Vec<&[u8]> = words(line).collect();
        let &[destination, prefix, _, _, gateway, metric, _, _, flags, device] = &words[..] else {
            return None;
        };
        let (destination, gateway) = (plain(destination)?, plain(gateway)?);
        let (flags, metric): (u32, u32) = (small_hex(flags)?, small_hex(metric)?);
        let prefix = small_hex(prefix)?;
        // Each namespace has it, behind all others.
        let is_end = flags & RTF_REJECT != 0 && metric == u32::MAX;
        let skipped = flags & (RTF_LOCAL | RTF_ANYCAST | RTF_CACHE) != 0 || is_end;
        Some((!skipped && is_to_one(destination.into())).then(|| Route {
            destination: destination.into(),
            prefix,
            gateway: (flags & RTF_GATEWAY != 0 && gateway != Ipv6Addr::UNSPECIFIED).then_some(gateway.into()),
            device: Some(device.to_vec()),
            metric,
            kind: if flags & RTF_REJECT != 0 { REJECTED } else { "unicast" },
            table: None,
            source: None,
        }))
    });
    Rows { rows: found.rows.into_iter().flatten().collect(), odd: found.odd, cut: found.cut }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(lines: &[&[u8]]) -> Text {
        Text { bytes: lines.join(&b'\n'), cut: false }
    }

    fn shown(route: &Route) -> String {
        let device = route.device.as_deref().map_or("-".into(), String::from_utf8_lossy);
        let gateway = route.gateway.map_or("-".into(), |gateway| gateway.to_string());
        format!("{}/{} {gateway} {device} {} {}", route.destination, route.prefix, route.metric, route.kind)
    }

    #[test]
    fn routes_of_ipv4_are_read() {
        if !cfg!(target_endian = "little") {
            return;
        }
        let found = parse_v4(&text(&[
            b"Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT",
            b"e\xff\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0      ",
            b"eth0\t00000000\t010200C0\t0003\t0\t0\t100\t00000000\t0\t0\t0",
            b"*\t0000010A\t00000000\t0201\t0\t0\t0\t00FFFFFF\t0\t0\t0",
            b"*\t0000020A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0",
            b"eth0\t000000E0\t00000000\t0001\t0\t0\t0\t000000F0\t0\t0\t0",
            b"eth0\t00000000",
        ]));
        let rows: Vec<String> = found.rows.iter().map(shown).collect();
        assert_eq!(
            rows,
            [
                "192.0.2.0/24 - e\u{fffd} 0 unicast",
                "0.0.0.0/0 192.0.2.1 eth0 100 unicast",
                "10.1.0.0/24 - - 0 reject",
                "10.2.0.0/24 - - 0 unknown"
            ]
        );
        assert_eq!(found.odd, 1);
    }

    #[test]
    fn routes_of_ipv6_to_others_are_read() {
        let zero = "0".repeat(32);
        let line =
            |destination: &str, prefix: &str, gateway: &str, metric: &str, flags: &str, device: &str| {
                format!("{destination} {prefix} {zero} 00 {gateway} {metric} 1 0 {flags}     {device}")
                    .into_bytes()
            };
        let net = "fd000000000000000000000000000000";
        let gateway = "fd000000000000000000000000000001";
        let lines = [
            line(net, "40", &zero, "00000100", "00000001", "eth0"),
            line(&zero, "00", gateway, "00000400", "00000003", "eth0"),
            line(gateway, "80", &zero, "00000000", "80200001", "eth0"),
            line(net, "80", &zero, "00000000", "80100001", "eth0"),
            line("ff000000000000000000000000000000", "08", &zero, "00000100", "00000001", "eth0"),
            line(&zero, "00", &zero, "ffffffff", "00200200", "lo"),
            line(net, "30", &zero, "00000400", "00000201", "lo"),
            line(net, "30", &zero, "00000400", "x", "lo"),
        ];
        let mut found = parse_v6(&text(&lines.iter().map(Vec::as_slice).collect::<Vec<_>>()));
        sort(&mut found.rows);
        let rows: Vec<String> = found.rows.iter().map(shown).collect();
        assert_eq!(
            rows,
            ["::/0 fd00::1 eth0 1024 unicast", "fd00::/64 - eth0 256 unicast", "fd00::/48 - lo 1024 reject"]
        );
        assert_eq!(found.odd, 1);
    }
}
