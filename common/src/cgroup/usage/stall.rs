//! Pressure: how much of the time was lost of late by waiting for something.

use std::time::Duration;

use super::read;
use crate::cgroup::group::Group;
use crate::error::Result;
use crate::text::digits;

/// A share of the time, in hundredths of a percent, over the last so many seconds; and all of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stall {
    /// Ten seconds.
    pub avg10: u64,
    /// A minute.
    pub avg60: u64,
    /// Five minutes.
    pub avg300: u64,
    /// Since the group was made.
    pub total: Duration,
}

/// The time in which processes of a group waited for one thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stalls {
    /// At least one did.
    pub some: Stall,
    /// All did. Of the CPU since Linux 5.13.
    pub full: Option<Stall>,
}

impl Stalls {
    /// What a group of version 2 says in a file such as `memory.pressure`; none where there is none, or the kernel was
    /// told not to count. Source: Documentation/accounting/psi.rst.
    pub fn of(group: &Group, file: &str) -> Result<Option<Stalls>> {
        Ok(read(group, file)?.and_then(|text| Stalls::parse(&text)))
    }

    /// Reads such a file: `some avg10=1.25 avg60=0.00 avg300=0.00 total=1500`, microseconds.
    pub fn parse(text: &[u8]) -> Option<Stalls> {
        Some(Stalls { some: line(text, b"some")?, full: line(text, b"full") })
    }
}

fn line(text: &[u8], kind: &[u8]) -> Option<Stall> {
    let mut lines = text.split(|&b| b == b'\n').map(|line| line.split(|&b| b == b' ').collect::<Vec<_>>());
    let words = lines.find(|words| words.first() == Some(&kind))?;
    let of = |key: &str| words.iter().find_map(|word| word.strip_prefix(key.as_bytes())?.strip_prefix(b"="));
    let average = |key| {
        let text = of(key)?;
        let dot = text.iter().position(|&b| b == b'.')?;
        let (whole, fraction) = (digits::<u64>(&text[..dot])?, &text[dot + 1..]);
        (fraction.len() == 2).then_some(())?;
        whole.checked_mul(100)?.checked_add(digits(fraction)?)
    };
    Some(Stall {
        avg10: average("avg10")?,
        avg60: average("avg60")?,
        avg300: average("avg300")?,
        total: Duration::from_micros(digits(of("total")?)?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn averages_are_hundredths_of_a_percent() {
        let some = b"some avg10=97.40 avg60=0.05 avg300=100.00 total=1500";
        let stall = Stall { avg10: 9740, avg60: 5, avg300: 10_000, total: Duration::from_micros(1500) };
        assert_eq!(Stalls::parse(some), Some(Stalls { some: stall, full: None }));
        let both = [&some[..], b"\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=7"].concat();
        let full = Stall { avg10: 0, avg60: 0, avg300: 0, total: Duration::from_micros(7) };
        assert_eq!(Stalls::parse(&both), Some(Stalls { some: stall, full: Some(full) }));
        for none in [
            &b""[..],
            b"full avg10=0.00 avg60=0.00 avg300=0.00 total=7",
            b"some avg10=0.0 avg60=0.00 avg300=0.00 total=7",
            b"some avg10=-1.00 avg60=0.00 avg300=0.00 total=7",
            b"some avg10=0.00 avg60=0.00 total=7",
            b"something avg10=0.00 avg60=0.00 avg300=0.00 total=7",
        ] {
            assert_eq!(Stalls::parse(none), None, "{}", String::from_utf8_lossy(none));
        }
    }
}
