//! By which numbers our net namespace knows others.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use nix::errno::Errno;
use nix::unistd::write;

use crate::error::{Error, Result, or_none};
use crate::ns::fd::NsFd;
use crate::ns::network::receive;
use crate::sys;

/// Asks the kernel, through one socket that is made when it is first needed.
#[derive(Debug, Default)]
pub(super) struct Netnsids {
    socket: Option<OwnedFd>,
    asked: u32,
}

// linux/netlink.h, linux/rtnetlink.h, linux/net_namespace.h
const NLM_F_REQUEST: u16 = 1;
const RTM_NEWNSID: u16 = 88;
const RTM_GETNSID: u16 = 90;
const NETNSA_NSID: u16 = 1;
const NETNSA_FD: u16 = 3;
/// Of a message: its length, type, flags, number, and whom it is from.
const HEADER: usize = 16;
/// Of what is asked about: an address family, padded.
const FAMILY: usize = 4;

impl Netnsids {
    /// The number of a net namespace, -1 if it has none; nothing where that cannot be told. An error only of our own:
    /// [`Error::is_our_own`]. Source: RTM_GETNSID, Linux 4.0; NETNSA_FD (rtnetlink(7), ip-netns(8)).
    pub(super) fn of(&mut self, ns: &NsFd) -> Result<Option<i32>> {
        or_none(self.ask(ns).map_err(|(call, e)| Error::sys(call, "the netlink socket", e)))
    }

    fn ask(&mut self, ns: &NsFd) -> std::result::Result<Option<i32>, (&'static str, Errno)> {
        let socket = match &self.socket {
            Some(socket) => socket,
            None => self.socket.insert(sys::netlink_route().map_err(|e| ("socket", e))?),
        };
        self.asked += 1;
        write(socket, &question(self.asked, ns.as_fd().as_raw_fd())).map_err(|e| ("write", e))?;
        // The kernel has answered when it has taken the question. What is left of an earlier one is passed over.
        let mut buffer = [0; 512];
        loop {
            let length = receive(socket, &mut buffer).map_err(|e| ("read", e))?;
            let answer = &buffer[..length];
            match number(answer, 8) {
                Some(asked) if asked == self.asked => return Ok(told(answer)),
                Some(_) => {}
                None => return Ok(None),
            }
        }
    }
}

fn question(number: u32, fd: i32) -> Vec<u8> {
    let attribute = [&8u16.to_ne_bytes()[..], &NETNSA_FD.to_ne_bytes(), &fd.to_ne_bytes()].concat();
    let length = (HEADER + FAMILY + attribute.len()) as u32;
    let mut out = length.to_ne_bytes().to_vec();
    out.extend(RTM_GETNSID.to_ne_bytes());
    out.extend(NLM_F_REQUEST.to_ne_bytes());
    out.extend(number.to_ne_bytes());
    out.extend([0; 4 + FAMILY]);
    out.extend(attribute);
    out
}

/// The number in an answer; none in a refusal.
fn told(answer: &[u8]) -> Option<i32> {
    if half(answer, 4)? != RTM_NEWNSID {
        return None;
    }
    let mut rest = answer.get(HEADER + FAMILY..number(answer, 0)? as usize)?;
    while let (Some(length), Some(kind)) = (half(rest, 0), half(rest, 2)) {
        if kind == NETNSA_NSID {
            return number(rest, 4).map(|bits| bits as i32);
        }
        rest = rest.get(usize::from(length.max(4)).next_multiple_of(4)..)?;
    }
    None
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn half(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: u16, attributes: &[(u16, i32)]) -> Vec<u8> {
        let mut body = vec![0; FAMILY];
        for (kind, value) in attributes {
            body.extend([&8u16.to_ne_bytes()[..], &kind.to_ne_bytes(), &value.to_ne_bytes()].concat());
        }
        let length = (HEADER + body.len()) as u32;
        [&length.to_ne_bytes()[..], &kind.to_ne_bytes(), &[0; 10], &body].concat()
    }

    #[test]
    fn the_number_is_found_among_the_attributes_of_an_answer() {
        assert_eq!(told(&message(RTM_NEWNSID, &[(NETNSA_NSID, 7)])), Some(7));
        assert_eq!(told(&message(RTM_NEWNSID, &[(9, 3), (NETNSA_NSID, -1)])), Some(-1));
        assert_eq!(told(&message(RTM_NEWNSID, &[(9, 3)])), None);
        assert_eq!(told(&message(2, &[(NETNSA_NSID, 7)])), None, "a refusal");
        let whole = message(RTM_NEWNSID, &[(9, 3), (NETNSA_NSID, 1)]);
        (0..whole.len()).for_each(|length| assert_eq!(told(&whole[..length]), None));
        assert_eq!(question(5, 3).len(), 28);
    }
}
