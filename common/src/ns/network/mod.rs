//! The network of a namespace as the kernel tells it over netlink: to who is in it, ourselves or a helper process.

pub mod answer;
mod message;
mod neighbours;

use std::collections::BTreeMap;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::{NetlinkAddr, recvfrom};

use crate::error::{Error, Result};
use crate::kind::Kind;
use crate::ns::fd::NsFd;
use crate::ns::visit;
use crate::proc::net::{Address, Link, Route, Rows, Sockets, Text, UnixListener, sockets};
use crate::proc::{Proc, Task};
use crate::sys;

pub use neighbours::{Neighbour, neighbours};

/// The namespace that is asked about.
#[derive(Clone, Copy, Debug)]
pub enum Where<'a> {
    /// The one that we are in.
    Here,
    /// Another, which is entered by a helper process: see [`visit::inside`].
    Inside(&'a NsFd),
}

impl Where<'_> {
    /// What is seen there.
    fn look(self, what: &str, look: impl FnOnce() -> Result<Vec<u8>>) -> Result<Vec<u8>> {
        match self {
            Where::Here => look(),
            Where::Inside(ns) => visit::inside(ns, what, look),
        }
    }
}

/// What the kernel tells.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Network {
    /// The devices.
    pub links: Rows<Link>,
    /// Their addresses.
    pub addresses: Rows<Address>,
    /// The routes to others, the default ones first.
    pub routes: Rows<Route>,
    /// The unix sockets that listen; none where this kernel tells them by /proc alone.
    pub unix: Option<Rows<UnixListener>>,
}

/// The sockets of a namespace, and the mark of it ([`Task::mark`]) where there is one.
pub type SocketsAndMark = (Sockets, Option<u64>);

/// The most that is taken of one answer, in bytes.
const LIMIT: usize = 512 << 10;

/// The same of a file. All of them, and all answers, are no more than a helper may bring.
const FILE_LIMIT: usize = 256 << 10;
const _: () = assert!(4 * LIMIT + sockets::FILES * FILE_LIMIT + 1024 < visit::LONGEST);

/// Asks for devices, addresses, routes and unix sockets.
pub fn ask(at: Where<'_>) -> Result<Network> {
    Ok(network(&unpack(&at.look("network", || Ok(pack(&answers()?)))?)))
}

/// The same, and for the sockets, which this /proc tells who is there: for a namespace that no process is in of which
/// /proc would tell that. The sockets can be kept from us alone.
pub fn ask_with_sockets(at: Where<'_>, proc: &Proc) -> Result<(Network, Result<SocketsAndMark>)> {
    let bytes = at.look("network", || {
        // First, or the sockets by which we ask would count.
        let errno = |e: Error| e.errno().unwrap_or(Errno::EIO) as i32;
        let files = proc.this().and_then(|us| {
            let mark = us.mark(Kind::Net)?.unwrap_or_default();
            Ok((sockets::texts(&us, FILE_LIMIT)?, mark))
        });
        let mut texts = answers()?;
        let (refused, mark) = match &files {
            Ok((_, mark)) => (0, *mark),
            Err(e) => (errno(e.clone()), 0),
        };
        let head = [&refused.to_ne_bytes()[..], &mark.to_ne_bytes()].concat();
        texts.push(Text { bytes: head, cut: false });
        texts.extend(files.map(|(files, _)| files).unwrap_or_default());
        Ok(pack(&texts))
    })?;
    let texts = unpack(&bytes);
    let head = texts.get(4).map_or(&[][..], |text| &text.bytes);
    let refused =
        head.get(..4).and_then(|number| number.try_into().ok()).map_or(libc::EIO, i32::from_ne_bytes);
    let mark = head.get(4..).and_then(|number| number.try_into().ok()).map_or(0, u64::from_ne_bytes);
    let sockets = match refused {
        0 => Ok((sockets::parse_all(&texts[5..]), Some(mark).filter(|mark| *mark != 0))),
        errno => Err(Error::sys("read", "the helper process's net", Errno::from_raw(errno))),
    };
    Ok((network(&texts), sockets))
}

/// The namespace of a process or thread, to be asked about.
pub fn of(task: &Task) -> Result<NsFd> {
    let name = format!("{} of {}", Kind::Net, task.pid).into();
    Ok(NsFd { name, ..NsFd::of(task, Kind::Net)? })
}

fn network(texts: &[Text]) -> Network {
    let [links, addresses, routes, unix, ..] = texts else { return Network::default() };
    let cut = |text: &Text| text.cut;
    let (mut found, links_cut) = (answer::links(&links.bytes), cut(links));
    found.cut = links_cut;
    let names: BTreeMap<u32, Vec<u8>> =
        found.rows.iter().filter_map(|link| Some((link.index?, link.name.clone()))).collect();
    Network {
        addresses: Rows { cut: cut(addresses), ..answer::addresses(&addresses.bytes, &names) },
        routes: Rows { cut: cut(routes), ..answer::routes(&routes.bytes, &names) },
        // An answer has an end at least.
        unix: Some(unix)
            .filter(|unix| !unix.bytes.is_empty())
            .map(|unix| Rows { cut: cut(unix), ..answer::unix(&unix.bytes) }),
        links: found,
    }
}

fn answers() -> Result<Vec<Text>> {
    // An address family, which is any, padded as struct ifinfomsg, the longest of the three.
    const ANY: [u8; 16] = [0; 16];
    let route = |kind| dump(sys::netlink_route, kind, &ANY);
    let unix = match dump(sys::netlink_sock_diag, answer::SOCK_DIAG, &answer::about_listeners()) {
        // A kernel can be without it.
        Err(e) if !e.is_our_own() => Text::default(),
        told => told?,
    };
    Ok(vec![route(answer::GETLINK)?, route(answer::GETADDR)?, route(answer::GETROUTE)?, unix])
}

/// Asks the namespace that we are in for all of a sort, by a new socket.
fn dump(socket: fn() -> nix::Result<OwnedFd>, kind: u16, body: &[u8]) -> Result<Text> {
    // What changes all the time is told as it was found.
    const TRIES: u32 = 4;
    let fail = |call| move |e| Error::sys(call, "the netlink socket", e);
    let mut text = Text::default();
    for number in 1..=TRIES {
        // What is left of an earlier answer goes with its socket.
        let socket = socket().map_err(fail("socket"))?;
        nix::unistd::write(&socket, &message::question(kind, number, body)).map_err(fail("write"))?;
        text = Text::default();
        // The kernel never writes more at once.
        let mut piece = vec![0; 1 << 16];
        let mut torn = false;
        loop {
            let length = receive(&socket, &mut piece).map_err(fail("read"))?;
            let (end, is_torn) = message::end(&piece[..length]);
            torn |= is_torn;
            text.bytes.extend_from_slice(&piece[..length]);
            match end {
                message::End::Refused(errno) => return Err(fail("read")(Errno::from_raw(errno))),
                message::End::Whole => break,
                message::End::More => {}
            }
            if text.bytes.len() > LIMIT {
                text.bytes.truncate(LIMIT);
                text.cut = true;
                return Ok(text);
            }
        }
        if !torn {
            break;
        }
    }
    Ok(text)
}

/// Reads what the kernel says on a netlink socket. Others in the namespace may send to it as well: that is passed over.
/// Source: netlink(7).
pub(super) fn receive(socket: impl AsFd, buffer: &mut [u8]) -> nix::Result<usize> {
    loop {
        match recvfrom::<NetlinkAddr>(socket.as_fd().as_raw_fd(), buffer) {
            Ok((length, Some(from))) if from.pid() == 0 => return Ok(length),
            Ok(_) | Err(Errno::EINTR) => {}
            Err(e) => return Err(e),
        }
    }
}

/// Texts one behind the other: of each its length, whether it was cut, and its bytes.
fn pack(texts: &[Text]) -> Vec<u8> {
    let mut out = Vec::new();
    for text in texts {
        out.extend((text.bytes.len() as u32).to_ne_bytes());
        out.push(text.cut.into());
        out.extend_from_slice(&text.bytes);
    }
    out
}

fn unpack(mut bytes: &[u8]) -> Vec<Text> {
    let mut texts = Vec::new();
    while let Some((&[a, b, c, d, cut], rest)) = bytes.split_first_chunk::<5>() {
        let length = (u32::from_ne_bytes([a, b, c, d]) as usize).min(rest.len());
        let (text, rest) = rest.split_at(length);
        texts.push(Text { bytes: text.to_vec(), cut: cut != 0 });
        bytes = rest;
    }
    texts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_that_are_packed_are_unpacked() {
        let text = |bytes: &[u8], cut| Text { bytes: bytes.to_vec(), cut };
        let texts = [text(b"", false), text(b"abc", true), text(b"\0\xff", false)];
        assert_eq!(unpack(&pack(&texts)), texts);
        let whole = pack(&texts);
        (0..whole.len()).for_each(|length| assert!(unpack(&whole[..length]).len() <= 3));
    }

    #[test]
    fn the_kernel_tells_of_the_namespace_we_are_in() {
        let found = ask(Where::Here).expect("our own namespace");
        assert!(found.links.rows.iter().any(|link| link.name == b"lo"), "{found:?}");
        assert_eq!((found.links.odd, found.addresses.odd, found.routes.odd), (0, 0, 0));
    }
}
