//! Sets of CPUs, as the kernel lists them.

use std::collections::BTreeSet;

use crate::text::digits;

/// No kernel has one with a higher number. Source: CONFIG_NR_CPUS, at most 8192.
const HIGHEST: u32 = 65_535;

/// A set of CPUs by their numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cpus(BTreeSet<u32>);

impl Cpus {
    /// Reads a list such as `0-3,7`; an empty one is no CPU. Source: cpuset(7), "List format".
    pub fn parse(text: &[u8]) -> Option<Cpus> {
        let text = text.trim_ascii();
        let mut all = BTreeSet::new();
        for range in text.split(|&b| b == b',').filter(|_| !text.is_empty()) {
            let dash = range.iter().position(|&b| b == b'-');
            let (first, last): (u32, u32) = match dash {
                Some(dash) => (digits(&range[..dash])?, digits(&range[dash + 1..])?),
                None => (digits(range)?, digits(range)?),
            };
            if first > last || last > HIGHEST {
                return None;
            }
            all.extend(first..=last);
        }
        Some(Cpus(all))
    }

    /// Those of which `/proc/stat` has a line: they are online.
    pub(super) fn of_stat(text: &[u8]) -> Cpus {
        let number = |line: &[u8]| {
            let line = line.strip_prefix(b"cpu")?;
            digits(line.split(|&b| b == b' ').next()?)
        };
        Cpus(text.split(|&b| b == b'\n').filter_map(number).filter(|cpu| *cpu <= HIGHEST).collect())
    }

    /// How many.
    pub fn count(&self) -> u64 {
        self.0.len() as u64
    }

    /// Those that are in both.
    pub fn and(&self, other: &Cpus) -> Cpus {
        Cpus(self.0.intersection(&other.0).copied().collect())
    }

    /// The list, as the kernel writes it.
    pub fn list(&self) -> String {
        let mut ranges: Vec<(u32, u32)> = Vec::new();
        for &cpu in &self.0 {
            match ranges.last_mut() {
                Some((_, last)) if *last + 1 == cpu => *last = cpu,
                _ => ranges.push((cpu, cpu)),
            }
        }
        let one = |(first, last): (u32, u32)| match first == last {
            true => first.to_string(),
            false => format!("{first}-{last}"),
        };
        ranges.into_iter().map(one).collect::<Vec<_>>().join(",")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_read_and_written_as_the_kernel_does() {
        for (text, count, list) in
            [("0-3,7\n", 5, "0-3,7"), ("0", 1, "0"), ("", 0, ""), ("3,1,2", 3, "1-3"), ("0-1,1-2", 3, "0-2")]
        {
            let cpus = Cpus::parse(text.as_bytes()).unwrap_or_default();
            assert_eq!((cpus.count(), cpus.list().as_str()), (count, list), "{text}");
        }
        for none in ["x", "3-1", "-1", "1-", "0-99999999", "1,,2", "+1"] {
            assert_eq!(Cpus::parse(none.as_bytes()), None, "{none}");
        }
    }

    #[test]
    fn those_online_have_a_line_and_two_sets_have_some_in_common() {
        let online = Cpus::of_stat(b"cpu  1 2\ncpu0 1\ncpu2 1\ncpufreq 1\nintr 5 cpu7\nbtime 1\n");
        assert_eq!(online.list(), "0,2");
        assert_eq!(Cpus::parse(b"1-2").unwrap_or_default().and(&online).list(), "2");
    }
}
