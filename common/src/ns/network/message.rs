//! Messages over a netlink socket, byte by byte: questions, how answers end, and the attributes in them.
//! Source: netlink(7), rtnetlink(7).

use crate::proc::net::Rows;

/// How long the header of a message is: length, type, flags, number, whom it is from.
const HEADER: usize = 16;

const DONE: u16 = 3;

/// The question for all of a sort, in `number`.
pub(super) fn question(kind: u16, number: u32, body: &[u8]) -> Vec<u8> {
    // NLM_F_REQUEST and NLM_F_DUMP.
    const FLAGS: u16 = 0x301;
    let mut out = ((HEADER + body.len()) as u32).to_ne_bytes().to_vec();
    out.extend(kind.to_ne_bytes());
    out.extend(FLAGS.to_ne_bytes());
    out.extend(number.to_ne_bytes());
    out.extend([0; 4]);
    out.extend(body);
    out
}

/// How a piece of an answer ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// There is more to come.
    More,
    /// That is all.
    Whole,
    /// It is refused, by this errno.
    Refused(i32),
}

/// Looks how a piece of an answer ends, and whether what is told of changed meanwhile: then it may lack something.
pub(super) fn end(piece: &[u8]) -> (End, bool) {
    const ERROR: u16 = 2;
    const NLM_F_DUMP_INTR: u16 = 0x10;
    let mut torn = false;
    for message in messages(piece) {
        torn |= message.flags & NLM_F_DUMP_INTR != 0;
        let errno = number(message.body, 0).map_or(0, |number| (number as i32).wrapping_neg());
        match message.kind {
            ERROR => return (End::Refused(errno), torn),
            DONE if errno > 0 => return (End::Refused(errno), torn),
            DONE => return (End::Whole, torn),
            _ => {}
        }
    }
    (End::More, torn)
}

/// A message: its type, flags, and what is behind the header.
struct Message<'a> {
    kind: u16,
    flags: u16,
    body: &'a [u8],
}

/// The messages side by side in these bytes, to the first that is not whole.
fn messages(bytes: &[u8]) -> impl Iterator<Item = Message<'_>> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let length = number(rest, 0)? as usize;
        let (kind, flags) = (half(rest, 4)?, half(rest, 6)?);
        let body = rest.get(HEADER..length)?;
        rest = rest.get(length.checked_next_multiple_of(4)?..).unwrap_or_default();
        Some(Message { kind, flags, body })
    })
}

/// Attributes: each a number and a value.
pub(super) fn attributes(bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    // Two bits of the number say what the value is like.
    const TYPE: u16 = 0x3fff;
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let (length, kind) = (usize::from(half(rest, 0)?), half(rest, 2)?);
        let value = rest.get(4..length)?;
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((kind & TYPE, value))
    })
}

pub(super) fn number(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

pub(super) fn half(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

/// Text without the zero byte at its end.
pub(super) fn text(value: &[u8]) -> Vec<u8> {
    value.split(|&b| b == 0).next().unwrap_or_default().to_vec()
}

/// Reads all messages of one type; what makes no sense is counted.
pub(super) fn read<T>(bytes: &[u8], kind: u16, one: impl Fn(&[u8], &mut Vec<T>) -> Option<()>) -> Rows<T> {
    let mut found = Rows::NONE;
    for message in messages(bytes).filter(|message| message.kind == kind) {
        found.odd += usize::from(one(message.body, &mut found.rows).is_none());
    }
    found
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in super::super) fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
        let mut out = ((4 + value.len()) as u16).to_ne_bytes().to_vec();
        out.extend(kind.to_ne_bytes());
        out.extend(value);
        out.resize(out.len().next_multiple_of(4), 0);
        out
    }

    pub(in super::super) fn message(
        kind: u16,
        flags: u16,
        body: &[u8],
        attributes: &[(u16, &[u8])],
    ) -> Vec<u8> {
        let attributes: Vec<u8> =
            attributes.iter().flat_map(|(kind, value)| attribute(*kind, value)).collect();
        let length = (HEADER + body.len() + attributes.len()) as u32;
        let mut out = length.to_ne_bytes().to_vec();
        out.extend(kind.to_ne_bytes());
        out.extend(flags.to_ne_bytes());
        out.extend([0; 8]);
        out.extend(body);
        out.extend(attributes);
        out
    }

    #[test]
    fn an_answer_ends_or_goes_on_or_is_torn_or_refused() {
        let done = message(DONE, 2, &[0; 4], &[]);
        let link = |flags| message(16, flags, &[0; 16], &[]);
        let cases: [(&[Vec<u8>], End, bool); 8] = [
            (&[], End::More, false),
            (&[link(2)], End::More, false),
            (&[link(2), done.clone()], End::Whole, false),
            (&[link(0x12), link(2), done.clone()], End::Whole, true),
            (&[link(0x12)], End::More, true),
            (&[message(2, 0, &(-1i32).to_ne_bytes(), &[])], End::Refused(1), false),
            (&[message(2, 0, &i32::MIN.to_ne_bytes(), &[])], End::Refused(i32::MIN), false),
            (&[message(DONE, 2, &(-95i32).to_ne_bytes(), &[])], End::Refused(95), false),
        ];
        for (parts, expected, torn) in cases {
            assert_eq!(end(&parts.concat()), (expected, torn));
        }
        assert_eq!(question(18, 1, &[0; 16]).len(), 32);
    }
}
