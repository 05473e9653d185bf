//! What a group has used: one row a counter, with its place in both versions.

use super::group::{Group, Version};

/// A counter. A row of [`COUNTERS`].
pub struct Counter {
    /// Its name, in JSON as well.
    pub name: &'static str,
    /// The controller that keeps it.
    pub controller: &'static str,
    /// What it is counted in.
    pub unit: &'static str,
    /// Where version 1 has it: file, and the key of the line where the file has several.
    pub v1: (&'static str, Option<&'static str>),
    /// Where version 2 has it.
    pub v2: (&'static str, Option<&'static str>),
}

/// Every counter. Sources: cpuacct.rst, memory.rst and pids.rst in Documentation/admin-guide/cgroup-v1,
/// cgroup-v2.rst.
#[rustfmt::skip]
pub const COUNTERS: &[Counter] = &[
    Counter { name: "cpu-time", controller: "cpuacct", unit: "ns", v1: ("cpuacct.usage", None), v2: ("cpu.stat", Some("usage_usec")) },
    Counter { name: "throttled", controller: "cpu", unit: "periods", v1: ("cpu.stat", Some("nr_throttled")), v2: ("cpu.stat", Some("nr_throttled")) },
    Counter { name: "memory", controller: "memory", unit: "bytes", v1: ("memory.usage_in_bytes", None), v2: ("memory.current", None) },
    Counter { name: "oom-kills", controller: "memory", unit: "", v1: ("memory.oom_control", Some("oom_kill")), v2: ("memory.events", Some("oom_kill")) },
    Counter { name: "pids", controller: "pids", unit: "", v1: ("pids.current", None), v2: ("pids.current", None) },
];

impl Counter {
    /// Its value in a group; none where the group or this kernel does not keep it.
    pub fn read(&self, group: &Group) -> Option<u64> {
        let (file, key) = match group.version {
            Version::V1 => self.v1,
            Version::V2 => self.v2,
        };
        let text = group.read(file).ok()?;
        let number = value(&text, key)?;
        // Version 2 counts microseconds where version 1 counts nanoseconds.
        Some(if key == Some("usage_usec") { number.saturating_mul(1000) } else { number })
    }
}

/// The number of a file with one, or in the line with this key.
fn value(text: &[u8], key: Option<&str>) -> Option<u64> {
    let text = std::str::from_utf8(text).ok()?;
    match key {
        None => text.trim().parse().ok(),
        Some(key) => {
            text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' ')?.trim().parse().ok())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_stand_alone_or_behind_their_key() {
        let stat = b"usage_usec 1500\nuser_usec 7\nnr_throttled 3";
        let cases = [
            (&b"42"[..], None, Some(42)),
            (stat, Some("usage_usec"), Some(1500)),
            (stat, Some("nr_throttled"), Some(3)),
            (stat, Some("usage"), None),
            (b"max", None, None),
            (b"\xff", None, None),
        ];
        for (text, key, expected) in cases {
            assert_eq!(value(text, key), expected);
        }
    }
}
