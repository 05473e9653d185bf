//! Sockets: who can be reached where.

use std::ffi::CStr;
use std::net::IpAddr;

use super::{LIMIT, Rows, Text, absent, number, read, small_hex, wire, words};
use crate::error::Result;
use crate::proc::Task;

/// A socket that anybody who reaches it can send to: a TCP one that listens, or a UDP one with no peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// tcp, tcp6, udp or udp6.
    pub protocol: &'static str,
    /// The address; unspecified where it is any.
    pub address: IpAddr,
    /// The port.
    pub port: u16,
    /// Whose it is, as our user namespace numbers users.
    pub uid: u32,
    /// Its inode number, by which descriptors are known that lead to it.
    pub inode: u64,
}

/// A unix socket that listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnixListener {
    /// Stream, datagram or seqpacket.
    pub kind: &'static str,
    /// Its path, or behind `@` a name that is none; any bytes. Where /proc told it, one with a newline can have made up
    /// a line of its own.
    pub name: Vec<u8>,
    /// Its inode number.
    pub inode: u64,
}

/// How many sockets a net namespace has in use. Source: proc_pid_net(5), `sockstat`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Of all sorts.
    pub all: Option<u64>,
    /// TCP over IPv4, those without a connection included.
    pub tcp: Option<u64>,
    /// TCP connections that wait for their last packets.
    pub tcp_time_wait: Option<u64>,
    /// UDP over IPv4.
    pub udp: Option<u64>,
    /// TCP over IPv6.
    pub tcp6: Option<u64>,
    /// UDP over IPv6.
    pub udp6: Option<u64>,
}

/// What /proc tells of sockets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sockets {
    /// Those that can be reached over a network.
    pub listeners: Rows<Listener>,
    /// Those that can be reached on this machine. An abstract name belongs to the namespace; a path can be reached from
    /// anywhere that shares its mounts.
    pub unix: Rows<UnixListener>,
    /// How many there are.
    pub usage: Usage,
}

/// The tables, and the state in which a socket of them is a listener: TCP_LISTEN, and of UDP TCP_CLOSE, which has no peer.
/// Source: net/tcp_states.h.
const TABLES: &[(&str, &CStr, &[u8])] = &[
    ("tcp", c"net/tcp", b"0A"),
    ("tcp6", c"net/tcp6", b"0A"),
    ("udp", c"net/udp", b"07"),
    ("udp6", c"net/udp6", b"07"),
];

/// The files beside those.
const OTHERS: &[&CStr] = &[c"net/unix", c"net/sockstat", c"net/sockstat6"];

/// How many files tell of sockets.
pub const FILES: usize = TABLES.len() + OTHERS.len();

/// May this file be absent? Kernels without IPv6 lack it.
fn is_of_ipv6(file: &CStr) -> bool {
    file.to_bytes().ends_with(b"6")
}

/// Reads the files that tell of sockets, so many bytes of each, for [`parse_all`]. Of TCP listeners come before all
/// connections, so however many there are, those are not read. Source: networking/proc_net_tcp of the kernel's
/// documentation.
pub fn texts(task: &Task, limit: usize) -> Result<Vec<Text>> {
    let mut texts = Vec::with_capacity(FILES);
    let there = |file: &CStr, text: Option<Text>| match text {
        None if !is_of_ipv6(file) => Err(absent(task, file)),
        text => Ok(text.unwrap_or_default()),
    };
    for (_, file, state) in TABLES {
        let of_tcp = *state == b"0A";
        let over = |bytes: &[u8]| of_tcp && last_state(bytes).is_some_and(|it| it != *state);
        let mut text = there(file, read(task, file, limit, over)?)?;
        text.cut &= !over(&text.bytes);
        texts.push(text);
    }
    for file in OTHERS {
        texts.push(there(file, read(task, file, limit, |_| false)?)?);
    }
    Ok(texts)
}

/// Reads what [`texts`] brought. What is not there tells nothing.
pub fn parse_all(texts: &[Text]) -> Sockets {
    let mut sockets = Sockets::default();
    for ((protocol, _, state), text) in TABLES.iter().zip(texts) {
        sockets.listeners.extend(parse(text, protocol, state));
    }
    sockets.listeners.rows.sort_by_key(|one| (one.protocol, one.port, one.address, one.inode));
    if let Some([unix, v4, v6]) = texts.get(TABLES.len()..) {
        sockets.unix = parse_unix(unix);
        sockets.usage = parse_usage(&[&v4.bytes[..], &v6.bytes].concat());
    }
    sockets
}

/// The sockets of its net namespace.
pub fn of(task: &Task) -> Result<Sockets> {
    texts(task, LIMIT).map(|texts| parse_all(&texts))
}

/// The state in the last whole line of a table.
fn last_state(bytes: &[u8]) -> Option<&[u8]> {
    let end = bytes.iter().rposition(|&b| b == b'\n')?;
    let line = bytes[..end].rsplit(|&b| b == b'\n').next()?;
    words(line).nth(3).filter(|state| state.len() == 2 && *state != b"st")
}

/// Reads a table of TCP or UDP sockets; what is in another state is left out.
pub fn parse(text: &Text, protocol: &'static str, state: &[u8]) -> Rows<Listener> {
    let found = Rows::of_lines(text, 1, |line| {
        let words: Vec<&[u8]> = words(line).take(10).collect();
        let &[_, local, _, found, _, _, _, uid, _, inode] = &words[..] else { return None };
        let colon = local.iter().position(|&b| b == b':')?;
        let (address, port) = (wire(&local[..colon])?, small_hex(&local[colon + 1..])?);
        let listener = Listener { protocol, address, port, uid: number(uid)?, inode: number(inode)? };
        Some((found == state).then_some(listener))
    });
    Rows { rows: found.rows.into_iter().flatten().collect(), odd: found.odd, cut: found.cut }
}

/// Reads `net/unix`. Source: proc_pid_net(5); the flag is __SO_ACCEPTCON of linux/net.h.
pub fn parse_unix(text: &Text) -> Rows<UnixListener> {
    let found = Rows::of_lines(text, 1, |line| {
        let mut rest = line;
        let mut word = || {
            let start = rest.iter().position(|&b| b != b' ')?;
            let end = rest[start..].iter().position(|&b| b == b' ').map_or(rest.len(), |end| start + end);
            let (word, after) = (&rest[start..end], &rest[end..]);
            rest = after;
            Some(word)
        };
        word()?;
        word()?;
        word()?;
        let flags: u32 = small_hex(word()?)?;
        let kind = unix_kind(small_hex(word()?)?);
        word()?;
        let inode = number(word()?)?;
        let name = rest.strip_prefix(b" ").unwrap_or_default().to_vec();
        Some((flags & 0x1_0000 != 0).then_some(UnixListener { kind, name, inode }))
    });
    Rows { rows: found.rows.into_iter().flatten().collect(), odd: found.odd, cut: found.cut }
}

/// What sort of a socket this is. Source: socket(2).
pub fn unix_kind(number: u32) -> &'static str {
    match number {
        1 => "stream",
        2 => "datagram",
        5 => "seqpacket",
        _ => "unknown",
    }
}

/// Reads `net/sockstat` and `net/sockstat6`.
pub fn parse_usage(text: &[u8]) -> Usage {
    let value = |line: &[u8], key: &[u8]| {
        let line = text.split(|&b| b == b'\n').find_map(|found| found.strip_prefix(line))?;
        number(words(line).skip_while(|word| *word != key).nth(1)?)
    };
    Usage {
        all: value(b"sockets:", b"used"),
        tcp: value(b"TCP:", b"inuse"),
        tcp_time_wait: value(b"TCP:", b"tw"),
        udp: value(b"UDP:", b"inuse"),
        tcp6: value(b"TCP6:", b"inuse"),
        udp6: value(b"UDP6:", b"inuse"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &[u8] =
        b"  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n";
    const LISTENS: &[u8] = b"   0: 0100007F:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 1605 1 0 100 0\n";
    const CONNECTED: &[u8] = b"   1: 0100007F:0016 0100007F:8000 01 00000000:00000000 00:00000000 00000000     0        0 7 1 0 100 0\n";

    fn text(parts: &[&[u8]], cut: bool) -> Text {
        Text { bytes: parts.concat(), cut }
    }

    #[test]
    fn listeners_are_read_and_connections_are_not() {
        let found = parse(&text(&[HEAD, LISTENS, CONNECTED, b"odd\n"], false), "tcp", b"0A");
        let rows: Vec<_> = found.rows.iter().map(|row| (row.port, row.uid, row.inode)).collect();
        assert_eq!((rows, found.odd), (vec![(22, 1000, 1605)], 1));
        if cfg!(target_endian = "little") {
            assert_eq!(found.rows[0].address.to_string(), "127.0.0.1");
        }
        let six = b"   0: 00000000000000000000000000000000:14E9 00000000000000000000000000000000:0000 07 00000000:00000000 00:00000000 00000000     5        0 9 2 0 0\n";
        let found = parse(&text(&[HEAD, six], false), "udp6", b"07");
        assert_eq!((found.rows[0].address.to_string(), found.rows[0].port), ("::".into(), 5353));
    }

    #[test]
    fn the_last_state_tells_whether_the_listeners_are_over() {
        type Case<'a> = (&'a [&'a [u8]], Option<&'a [u8]>);
        let cases: [Case<'_>; 6] = [
            (&[], None),
            (&[HEAD], None),
            (&[HEAD, LISTENS], Some(b"0A")),
            (&[HEAD, LISTENS, CONNECTED], Some(b"01")),
            (&[HEAD, LISTENS, b"  1: 0100"], Some(b"0A")),
            (&[HEAD, b"odd\n"], None),
        ];
        for (parts, expected) in cases {
            assert_eq!(last_state(&parts.concat()), expected);
        }
    }

    #[test]
    fn unix_listeners_have_names_of_any_bytes() {
        let head = b"Num       RefCount Protocol Flags    Type St Inode Path\n";
        type Case<'a> = (&'a [u8], Option<(&'a str, &'a [u8], u64)>);
        let cases: [Case<'_>; 6] = [
            (
                b"0000000000000000: 00000002 00000000 00010000 0001 01 1605 /run/a  b\x1b\xff ",
                Some(("stream", b"/run/a  b\x1b\xff ", 1605)),
            ),
            (b"0000000000000000: 00000002 00000000 00010000 0005 01  7 @x@", Some(("seqpacket", b"@x@", 7))),
            (b"0000000000000000: 00000002 00000000 00010000 0001 01 9", Some(("stream", b"", 9))),
            (b"0000000000000000: 00000003 00000000 00000000 0001 03 9 /run/x", None),
            (b"and more of a name", None),
            (b"0000000000000000: 00000003 00000000", None),
        ];
        for (line, expected) in cases {
            let found = parse_unix(&text(&[head, line, b"\n"], false));
            let row = found.rows.first().map(|row| (row.kind, &row.name[..], row.inode));
            assert_eq!(row, expected, "{}", String::from_utf8_lossy(line));
        }
    }

    #[test]
    fn the_usage_is_found_by_its_keys() {
        let text = b"sockets: used 35\nTCP: inuse 1 orphan 0 tw 4 alloc 1 mem 100\nUDP: inuse 2 mem 0\nUDPLITE: inuse 9\nTCP6: inuse 5\n";
        let usage = Usage {
            all: Some(35),
            tcp: Some(1),
            tcp_time_wait: Some(4),
            udp: Some(2),
            tcp6: Some(5),
            udp6: None,
        };
        assert_eq!(parse_usage(text), usage);
        assert_eq!(parse_usage(b"TCP: inuse\n"), Usage::default());
    }
}
