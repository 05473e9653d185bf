//! What time namespaces change: how far two of the clocks are off. Source: time_namespaces(7), Linux 5.6.

use super::{Proc, Task};
use crate::error::{Error, Result};
use crate::text::digits;

use nix::errno::Errno;

/// A time that can be less than nothing: seconds, and nanoseconds that are added to them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Offset {
    /// Whole seconds, rounded down.
    pub seconds: i64,
    /// 0 to 999999999.
    pub nanoseconds: u32,
}

/// How far the clocks of a time namespace are ahead of those of the initial one. CLOCK_REALTIME is the same everywhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Offsets {
    /// CLOCK_MONOTONIC.
    pub monotonic: Offset,
    /// CLOCK_BOOTTIME, by which uptime counts.
    pub boottime: Offset,
}

impl Offset {
    /// In nanoseconds.
    pub fn nanos(self) -> i128 {
        i128::from(self.seconds) * 1_000_000_000 + i128::from(self.nanoseconds)
    }
}

impl Offsets {
    /// Those of the time namespace that the children of a process get; none where this kernel has no time namespaces.
    /// It needs no right, except where /proc hides processes (hidepid).
    pub fn of_children(task: &Task) -> Result<Option<Offsets>> {
        match task.read(c"timens_offsets") {
            Err(e) if e.is_gone() && task.is_there() => Ok(None),
            text => Offsets::told(&text?, task.pid).map(Some),
        }
    }

    /// Those that the file says which was read in this time namespace.
    pub fn told(text: &[u8], pid: i32) -> Result<Offsets> {
        Offsets::parse(text)
            .ok_or_else(|| Error::sys("parse", format!("timens_offsets of {pid}"), Errno::EINVAL))
    }

    /// Reads the file: `monotonic  86400  0`. Linux 5.6 had numbers for the names.
    fn parse(text: &[u8]) -> Option<Offsets> {
        let of = |names: [&[u8]; 2]| {
            let mut lines = text.split(|&b| b == b'\n').map(|line| {
                line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()).collect::<Vec<_>>()
            });
            match lines.find(|words| words.first().is_some_and(|name| names.contains(name)))?[..] {
                [_, seconds, nanoseconds] => Some(Offset {
                    seconds: signed(seconds)?,
                    nanoseconds: digits(nanoseconds).filter(|number| *number < 1_000_000_000)?,
                }),
                _ => None,
            }
        };
        Some(Offsets { monotonic: of([b"monotonic", b"1"])?, boottime: of([b"boottime", b"7"])? })
    }
}

fn signed(text: &[u8]) -> Option<i64> {
    match text.strip_prefix(b"-") {
        Some(rest) => digits::<u64>(rest).and_then(|number| 0i64.checked_sub_unsigned(number)),
        None => digits::<u64>(text).and_then(|number| number.try_into().ok()),
    }
}

impl Proc {
    /// For how long the machine has been up, in nanoseconds, as who reads it counts: by CLOCK_BOOTTIME of its own time
    /// namespace. Source: proc_uptime(5).
    pub fn uptime(&self) -> Result<i128> {
        let text = self.read(c"uptime")?;
        hundredths(&text)
            .map(|number| i128::from(number) * 10_000_000)
            .ok_or_else(|| Error::sys("parse", "uptime", Errno::EINVAL))
    }
}

/// The first number of `12345.67 23456.78`, in hundredths.
fn hundredths(text: &[u8]) -> Option<u64> {
    let word = text.split(u8::is_ascii_whitespace).next()?;
    let dot = word.iter().position(|&b| b == b'.')?;
    let fraction = word[dot + 1..].get(..2)?;
    digits::<u64>(&word[..dot])?.checked_mul(100)?.checked_add(digits(fraction)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_have_names_and_may_be_negative() {
        let text = b"monotonic       86400         5\nboottime          -10 999999999\n";
        let offsets = Offsets {
            monotonic: Offset { seconds: 86_400, nanoseconds: 5 },
            boottime: Offset { seconds: -10, nanoseconds: 999_999_999 },
        };
        assert_eq!(Offsets::parse(text), Some(offsets));
        assert_eq!(offsets.boottime.nanos(), -9_000_000_001);
        assert_eq!(Offsets::parse(b"1 86400 5\n7 -10 999999999"), Some(offsets));
        for none in [
            &b""[..],
            b"monotonic 0 0\n",
            b"monotonic 0\nboottime 0 0\n",
            b"monotonic 0 1000000000\nboottime 0 0\n",
            b"monotonic --1 0\nboottime 0 0\n",
            b"monotonic 9223372036854775808 0\nboottime 0 0\n",
        ] {
            assert_eq!(Offsets::parse(none), None, "{}", String::from_utf8_lossy(none));
        }
        assert_eq!(signed(b"-9223372036854775808"), Some(i64::MIN));
    }

    #[test]
    fn uptime_is_the_first_of_two_numbers() {
        for (text, expected) in [
            (&b"12345.67 23456.78\n"[..], Some(1_234_567)),
            (b"0.00 0.00", Some(0)),
            (b"5 6", None),
            (b"5.1 6.1", None),
            (b"", None),
        ] {
            assert_eq!(hundredths(text), expected, "{}", String::from_utf8_lossy(text));
        }
    }
}
