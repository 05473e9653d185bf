//! The network of a process as `/proc/PID/net` shows it to everybody: nothing is entered, and no right is needed.

pub mod addresses;
pub mod devices;
pub mod holders;
pub mod routes;
pub mod sockets;

use std::ffi::CStr;
use std::io::Read;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use nix::fcntl::OFlag;

use super::Task;
use crate::error::{Error, Result};
use crate::text::digits;

pub use addresses::Address;
pub use devices::{Device, Link, Netnsid, Traffic};
pub use routes::Route;
pub use sockets::{Listener, Sockets, UnixListener, Usage};

/// What a table told, row by row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rows<T> {
    /// What made sense.
    pub rows: Vec<T>,
    /// How many lines or messages made none.
    pub odd: usize,
    /// Was there more than is read of it?
    pub cut: bool,
}

impl<T> Rows<T> {
    /// None at all.
    pub const NONE: Rows<T> = Rows { rows: Vec::new(), odd: 0, cut: false };

    /// Reads lines; the one that was cut off is left out.
    fn of_lines(text: &Text, skip: usize, one: impl Fn(&[u8]) -> Option<T>) -> Rows<T> {
        let mut found = Rows { rows: Vec::new(), odd: 0, cut: text.cut };
        for line in text.lines().skip(skip) {
            match one(line) {
                Some(row) => found.rows.push(row),
                None => found.odd += 1,
            }
        }
        found
    }

    /// Adds those of another table.
    pub fn extend(&mut self, other: Rows<T>) {
        self.rows.extend(other.rows);
        self.odd += other.odd;
        self.cut |= other.cut;
    }
}

impl<T> Default for Rows<T> {
    fn default() -> Rows<T> {
        Rows::NONE
    }
}

/// The beginning of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Text {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Was there more?
    pub cut: bool,
}

impl Text {
    /// Its whole lines.
    fn lines(&self) -> impl Iterator<Item = &[u8]> {
        let end = match self.cut {
            true => self.bytes.iter().rposition(|&b| b == b'\n').unwrap_or(0),
            false => self.bytes.len(),
        };
        self.bytes[..end].split(|&b| b == b'\n').filter(|line| !line.is_empty())
    }
}

/// The most that is read of a file, in bytes: 2 MiB.
pub const LIMIT: usize = 2 << 20;

/// Reads a file to its end, or until that is enough: asked after each piece. None where there is no such file: this
/// kernel lacks what it is about.
pub fn read(task: &Task, name: &CStr, limit: usize, enough: impl Fn(&[u8]) -> bool) -> Result<Option<Text>> {
    let on = name.to_string_lossy();
    let file = match task.open(name, OFlag::O_RDONLY, &on) {
        Err(e) if e.errno() == Some(nix::errno::Errno::ENOENT) => return Ok(None),
        file => file?,
    };
    let mut file = std::fs::File::from(file);
    let mut bytes = Vec::new();
    let mut piece = vec![0; 1 << 16];
    while bytes.len() < limit && !enough(&bytes) {
        match file.read(&mut piece) {
            Ok(0) => return Ok(Some(Text { bytes, cut: false })),
            Ok(length) => bytes.extend_from_slice(&piece[..length]),
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
            Err(e) => return Err(Error::io("read", format!("{on} of {}", task.pid), &e)),
        }
    }
    bytes.truncate(limit);
    Ok(Some(Text { bytes, cut: true }))
}

/// All of a file that every kernel with a network has, or what of it is not too much. An error where it is not there:
/// it is the process that has no network any more, or a directory that is no /proc.
pub fn whole(task: &Task, name: &CStr) -> Result<Text> {
    read(task, name, LIMIT, |_| false)?.ok_or_else(|| absent(task, name))
}

/// The same of a file that kernels without IPv6 lack; nothing there.
pub fn whole_if_any(task: &Task, name: &CStr) -> Result<Text> {
    Ok(read(task, name, LIMIT, |_| false)?.unwrap_or_default())
}

fn absent(task: &Task, name: &CStr) -> Error {
    Error::sys("open", format!("{} of {}", name.to_string_lossy(), task.pid), nix::errno::Errno::ENOENT)
}

/// The words of a line.
fn words(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty())
}

fn hex(text: &[u8]) -> Option<u64> {
    // The kernel writes no sign.
    let text = std::str::from_utf8(text).ok().filter(|text| text.bytes().all(|b| b.is_ascii_hexdigit()))?;
    u64::from_str_radix(text, 16).ok()
}

/// A number in hexadecimal that must fit.
fn small_hex<T: TryFrom<u64>>(text: &[u8]) -> Option<T> {
    T::try_from(hex(text)?).ok()
}

/// An address as tables of sockets and IPv4 routes have it: numbers of 32 bits as this machine reads what goes over the
/// wire.
fn wire(text: &[u8]) -> Option<IpAddr> {
    let part = |at: usize| Some(small_hex::<u32>(text.get(at..at + 8)?)?.to_ne_bytes());
    match text.len() {
        8 => Some(Ipv4Addr::from(part(0)?).into()),
        32 => {
            let mut bytes = [0; 16];
            for at in 0..4 {
                bytes[4 * at..4 * at + 4].copy_from_slice(&part(8 * at)?);
            }
            Some(Ipv6Addr::from(bytes).into())
        }
        _ => None,
    }
}

/// An IPv6 address as its other tables have it: its digits without colons.
fn plain(text: &[u8]) -> Option<Ipv6Addr> {
    let text = std::str::from_utf8(text).ok().filter(|text| text.len() == 32)?;
    text.bytes().all(|b| b.is_ascii_hexdigit()).then_some(())?;
    u128::from_str_radix(text, 16).ok().map(Ipv6Addr::from)
}

/// A dotted IPv4 address.
fn dotted(text: &[u8]) -> Option<Ipv4Addr> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

fn number<T: TryFrom<u64>>(text: &[u8]) -> Option<T> {
    digits(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_each_table_writes_them() {
        let address = |text: &str| text.parse::<IpAddr>().ok();
        // As a machine with the low byte first writes it.
        if cfg!(target_endian = "little") {
            let cases: [(&[u8], _); 6] = [
                (b"0100007F", address("127.0.0.1")),
                (b"B80D0120000000000000000001000000", address("2001:db8::1")),
                (b"00000000000000000000000000000000", address("::")),
                (b"0100007", None),
                (b"+100007F", None),
                (b"", None),
            ];
            for (text, expected) in cases {
                assert_eq!(wire(text), expected, "{}", String::from_utf8_lossy(text));
            }
        }
        assert_eq!(plain(b"20010db8000000000000000000000001").map(IpAddr::from), address("2001:db8::1"));
        assert_eq!(plain(b"+0010db8000000000000000000000001"), None);
        assert_eq!(dotted(b"10.0.0.1").map(IpAddr::from), address("10.0.0.1"));
        assert_eq!(dotted(b"10.0.0.256"), None);
    }

    #[test]
    fn a_line_that_was_cut_off_is_none() {
        let text = |bytes: &[u8], cut| Text { bytes: bytes.to_vec(), cut };
        let lines = |text: &Text| text.lines().map(<[u8]>::to_vec).collect::<Vec<_>>();
        assert_eq!(lines(&text(b"a\nb\nc", false)), [b"a", b"b", b"c"]);
        assert_eq!(lines(&text(b"a\nb\nc", true)), [b"a", b"b"]);
        assert!(lines(&text(b"a", true)).is_empty());
    }
}
