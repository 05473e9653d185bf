//! Network devices.

use super::{Rows, Text, number, whole, words};
use crate::error::Result;
use crate::proc::Task;

/// A network device of a namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Link {
    /// Its name: any bytes but white space, `/` and `:`.
    pub name: Vec<u8>,
    /// Its number in its namespace; /proc does not tell it of all.
    pub index: Option<u32>,
    /// What went through it.
    pub traffic: Option<Traffic>,
    /// What /proc does not tell.
    pub device: Option<Device>,
}

/// What went through a device. Source: proc_pid_net(5), struct rtnl_link_stats64 of linux/if_link.h.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Bytes received.
    pub rx_bytes: u64,
    /// Packets received.
    pub rx_packets: u64,
    /// Packets with errors received.
    pub rx_errors: u64,
    /// Packets received and dropped.
    pub rx_dropped: u64,
    /// Bytes sent.
    pub tx_bytes: u64,
    /// Packets sent.
    pub tx_packets: u64,
    /// Packets that could not be sent.
    pub tx_errors: u64,
    /// Packets dropped instead of sent.
    pub tx_dropped: u64,
}

impl Traffic {
    /// Bytes, packets, errors and drops, received and sent.
    fn of([rx_bytes, rx_packets, rx_errors, rx_dropped]: [u64; 4], sent: [u64; 4]) -> Traffic {
        let [tx_bytes, tx_packets, tx_errors, tx_dropped] = sent;
        Traffic { rx_bytes, rx_packets, rx_errors, rx_dropped, tx_bytes, tx_packets, tx_errors, tx_dropped }
    }
}

/// What only netlink tells of a device. Source: rtnetlink(7), linux/if_link.h.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Device {
    /// Its driver's name for its kind: veth, bridge, vlan; none of real ones and the loopback device.
    pub kind: Option<Vec<u8>>,
    /// Was it brought up?
    pub up: bool,
    /// Whether it works, in the words of RFC 2863.
    pub state: &'static str,
    /// The largest packet, in bytes.
    pub mtu: Option<u32>,
    /// Its address on the wire, of as many bytes as its medium has.
    pub mac: Option<Vec<u8>>,
    /// The number of the device that it is a port of.
    pub master: Option<u32>,
    /// The number of the device at its other end, or below it.
    pub peer: Option<u32>,
    /// Where that is, if elsewhere.
    pub peer_at: Option<Netnsid>,
    /// What people call it; any bytes.
    pub alias: Option<Vec<u8>>,
}

/// The number by which a net namespace knows another. Source: ip-netns(8).
pub type Netnsid = i32;

/// The devices of its net namespace, with names and traffic only.
pub fn of(task: &Task) -> Result<Rows<Link>> {
    Ok(parse(&whole(task, c"net/dev")?))
}

/// Reads `net/dev`. Source: proc_pid_net(5).
pub fn parse(text: &Text) -> Rows<Link> {
    Rows::of_lines(text, 2, |line| {
        let (name, counts) = line.split_at(line.iter().position(|&b| b == b':')?);
        let counts: Vec<u64> = words(&counts[1..]).map(number).collect::<Option<_>>()?;
        let (&[received, _, sent, ..], _) = counts.as_chunks::<4>() else { return None };
        let name = Some(name.trim_ascii().to_vec()).filter(|name| !name.is_empty())?;
        Some(Link { name, traffic: Some(Traffic::of(received, sent)), ..Link::default() })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_read_whatever_their_names_are() {
        let head = "Inter-|   Receive | Transmit\n face |bytes    packets\n";
        let traffic = Some(Traffic {
            rx_bytes: 1,
            rx_packets: 2,
            rx_errors: 3,
            rx_dropped: 4,
            tx_bytes: 9,
            tx_packets: 10,
            tx_errors: 11,
            tx_dropped: 12,
        });
        let cases: [(&[u8], Option<&[u8]>); 6] = [
            (b"    lo: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16", Some(b"lo")),
            (b"\x1b[31m\xff: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16", Some(b"\x1b[31m\xff")),
            (b"lo:1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16", Some(b"lo")),
            (b"lo: 1 2 3 4 5 6 7 8 9 10 11", None),
            (b"lo: 1 2 3 4 5 6 7 8 9 10 -11 12 13 14 15 16", None),
            (b"lo 1 2 3", None),
        ];
        for (line, name) in cases {
            let text = Text { bytes: [head.as_bytes(), line, b"\n"].concat(), cut: false };
            let link = name.map(|name| Link { name: name.to_vec(), traffic, ..Link::default() });
            let odd = usize::from(link.is_none());
            let expected = Rows { rows: link.into_iter().collect(), odd, cut: false };
            assert_eq!(parse(&text), expected, "{}", String::from_utf8_lossy(line));
        }
    }
}
