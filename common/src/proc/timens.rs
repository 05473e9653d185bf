//! How far the clocks of a process are from those of the machine. Source: time_namespaces(7), Linux 5.6.

use super::Task;
use crate::error::Result;

/// Seconds and nanoseconds by which two clocks are ahead.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Offsets {
    /// CLOCK_MONOTONIC.
    pub monotonic: (i64, u32),
    /// CLOCK_BOOTTIME.
    pub boottime: (i64, u32),
}

impl Offsets {
    /// Those of the time namespace that children of a process get. None where the file makes no sense.
    pub fn of(task: &Task) -> Result<Option<Offsets>> {
        Ok(Offsets::parse(&task.read(c"timens_offsets")?))
    }

    /// Reads the file; clocks have names there, or numbers.
    pub fn parse(text: &[u8]) -> Option<Offsets> {
        let text = std::str::from_utf8(text).ok()?;
        let of = |names: [&str; 2]| {
            let mut lines = text.lines().map(|line| line.split_ascii_whitespace().collect::<Vec<_>>());
            match lines.find(|words| words.first().is_some_and(|word| names.contains(word)))?[..] {
                [_, seconds, nanos] => Some((seconds.parse().ok()?, nanos.parse().ok()?)),
                _ => None,
            }
        };
        Some(Offsets { monotonic: of(["monotonic", "1"])?, boottime: of(["boottime", "7"])? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_have_signs_and_names() {
        let some = |monotonic, boottime| Some(Offsets { monotonic, boottime });
        let cases: [(&[u8], _); 4] = [
            (b"monotonic      86400         0\nboottime          -7         5\n", some((86400, 0), (-7, 5))),
            (b"1 2 3\n7 4 5\n", some((2, 3), (4, 5))),
            (b"monotonic 1 0\n", None),
            (b"monotonic x 0\nboottime 0 0\n", None),
        ];
        for (text, expected) in cases {
            assert_eq!(Offsets::parse(text), expected, "{}", String::from_utf8_lossy(text));
        }
    }
}
