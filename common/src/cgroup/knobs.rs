//! The limits that can be set: one row each, with its spelling in both versions.

mod again;
mod device;
mod limits;
mod values;
mod weight;

use super::group::Version;
use crate::error::Result;
pub use again::options;
pub use limits::{Limits, Setting, Shape};
pub use values::Value;
use values::{list, of_device, percent, range, signed, size, unlimited};
use weight::{SHARES, WEIGHTS};

/// A limit: everything that is known of it. A row of [`KNOBS`].
pub struct Knob {
    /// The option of rcgexec.
    pub option: &'static str,
    /// Its letter.
    pub short: Option<char>,
    /// What help calls its value; nothing where it is a switch, which has none.
    pub value: &'static str,
    /// What it limits.
    pub help: &'static str,
    /// The controller that does it, as version 2 calls it; none where it is of the process and not of a group.
    pub controller: &'static str,
    /// Can it be given several times, each for another thing?
    pub repeated: bool,
    /// Reads the option's value.
    pub parse: fn(&[u8]) -> Option<Value>,
    /// What `parse` takes, for the error.
    pub takes: &'static str,
    /// How version 1 is told.
    pub v1: Spelling,
    /// How version 2 is told.
    pub v2: Spelling,
}

impl Knob {
    /// Is it an option without a value?
    pub fn is_switch(&self) -> bool {
        self.value.is_empty()
    }

    /// Its spelling in this version.
    pub fn spelling(&self, version: Version) -> &Spelling {
        match version {
            Version::V1 => &self.v1,
            Version::V2 => &self.v2,
        }
    }

    /// What this version calls its controller.
    pub fn controller_of(&self, version: Version) -> &'static str {
        match (self.controller, version) {
            ("io", Version::V1) => "blkio",
            (controller, _) => controller,
        }
    }
}

/// How a version is told of a limit.
#[derive(Clone, Copy)]
pub struct Spelling {
    /// The file in the group's directory; none where this version does not have the limit.
    file: Option<&'static str>,
    /// Other files, to which some values or some machines make it go.
    others: &'static [&'static str],
    /// What the files say where nothing is limited, beside what is none everywhere, as `max`.
    none: &'static [&'static str],
    /// It says nothing where this file of the same group sets no limit.
    beside: Option<&'static str>,
    /// How what is read again compares with what was written.
    shape: Shape,
    told: Told,
}

/// What is written, given all limits that are set; several limits can share a file.
#[derive(Clone, Copy)]
enum Told {
    /// This, to the file.
    Text(fn(&Limits) -> String),
    /// This, each to its own file.
    Each(fn(&Limits) -> Result<Vec<Setting>>),
    /// This version cannot be told, which is why.
    Not(&'static str),
}

impl Spelling {
    /// One file, and what is written to it.
    pub const fn file(file: &'static str, text: fn(&Limits) -> String) -> Spelling {
        let (others, none): (&[&str], &[&str]) = (&[], &[]);
        Spelling { file: Some(file), others, none, beside: None, shape: Shape::Same, told: Told::Text(text) }
    }

    /// Several files, or several values for one.
    const fn files(
        file: &'static str,
        others: &'static [&'static str],
        each: fn(&Limits) -> Result<Vec<Setting>>,
    ) -> Spelling {
        Spelling { others, told: Told::Each(each), ..Spelling::file(file, |_| String::new()) }
    }

    /// None: this version does not have it, which is why.
    const fn lacking(why: &'static str) -> Spelling {
        Spelling { file: None, told: Told::Not(why), ..Spelling::file("", |_| String::new()) }
    }

    /// A number of bytes, which the kernel rounds down to whole pages.
    const fn in_pages(self) -> Spelling {
        Spelling { shape: Shape::Pages, ..self }
    }

    /// With what the files say where nothing is limited.
    const fn none(self, none: &'static [&'static str]) -> Spelling {
        Spelling { none, ..self }
    }

    const fn beside(self, file: &'static str) -> Spelling {
        Spelling { beside: Some(file), ..self }
    }

    /// Every file that it can go to, the usual one first.
    pub fn all(&self) -> impl Iterator<Item = &'static str> {
        self.file.into_iter().chain(self.others.iter().copied())
    }

    /// The file that has to set a limit so that this one says anything.
    pub fn needs(&self) -> Option<&'static str> {
        self.beside
    }

    /// Does this text of one of its files limit nothing?
    pub fn is_none(&self, text: &[u8]) -> bool {
        self.none.iter().any(|none| none.as_bytes() == text)
    }
}

/// The usual period in microseconds, in both versions.
pub(super) const PERIOD: u64 = 100_000;
/// The periods and the least quota that the kernel takes.
const PERIODS: (u64, u64) = (1000, 1_000_000);
const LEAST_QUOTA: u64 = 1000;
/// The highest quota that it takes.
const MOST_QUOTA: u64 = 17_592_186_044_415;
/// Version 1 keeps 32 bits of a number of operations, and the highest is "max" in version 2.
const MOST_OPERATIONS: u64 = u32::MAX as u64 - 1;

/// Every limit, in the order in which they are written: a row here is all that it takes to have one more.
/// Sources: sched-bwc.rst, memory.rst, cpusets.rst, blkio-controller.rst and pids.rst in Documentation/admin-guide/cgroup-v1
/// (and Documentation/scheduler), cgroup-v2.rst; the ranges as the kernel enforces them.
#[rustfmt::skip]
pub const KNOBS: &[Knob] = &[
    Knob { option: "cpuset-cpus", short: None, value: "CPUS", help: "CPUs that may be used, whatever the caller was bound to", controller: "cpuset", repeated: false,
        parse: list, takes: "CPUs such as 0-3,7",
        v1: Spelling::files("cpuset.cpus", &["cpus"], |limits| limits.list("cpuset-cpus", "cpuset.cpus")),
        v2: Spelling::files("cpuset.cpus", &[], |limits| limits.list("cpuset-cpus", "cpuset.cpus")) },
    Knob { option: "cpuset-mems", short: None, value: "NODES", help: "Memory nodes that may be used", controller: "cpuset", repeated: false,
        parse: list, takes: "memory nodes such as 0-1",
        v1: Spelling::files("cpuset.mems", &["mems"], |limits| limits.list("cpuset-mems", "cpuset.mems")),
        v2: Spelling::files("cpuset.mems", &[], |limits| limits.list("cpuset-mems", "cpuset.mems")) },
    Knob { option: "cpu-period", short: None, value: "US", help: "Period for which --cpu-quota counts", controller: "cpu", repeated: false,
        parse: |text| range(text, PERIODS.0, PERIODS.1), takes: "1000 to 1000000 microseconds [default: 100000]",
        v1: Spelling::file("cpu.cfs_period_us", |limits| limits.cpu_time().1.to_string()).beside("cpu.cfs_quota_us"),
        v2: Spelling::files("cpu.max", &[], |limits| Ok(vec![limits.cpu_max()])) },
    Knob { option: "cpu-quota", short: None, value: "US|P%", help: "CPU time in each period; 20000 and 20% are a fifth of one CPU", controller: "cpu", repeated: false,
        parse: |text| unlimited(text).or_else(|| percent(text)).or_else(|| range(text, LEAST_QUOTA, MOST_QUOTA)),
        takes: "microseconds from 1000, the least that the kernel takes, percent of one CPU from 0.1%, or max",
        v1: Spelling::files("cpu.cfs_quota_us", &[], |limits| Ok(limits.cfs())),
        v2: Spelling::files("cpu.max", &[], |limits| Ok(vec![limits.cpu_max()])) },
    Knob { option: "cpu-burst", short: None, value: "US", help: "Unused CPU time of --cpu-quota that may be kept for later", controller: "cpu", repeated: false,
        parse: |text| range(text, 0, MOST_QUOTA), takes: "0 microseconds to as many as the quota",
        v1: Spelling::file("cpu.cfs_burst_us", |limits| limits.number_of("cpu-burst")).none(&["0"]),
        v2: Spelling::file("cpu.max.burst", |limits| limits.number_of("cpu-burst")).none(&["0"]) },
    Knob { option: "cpu-weight", short: None, value: "N|idle", help: "Share of the CPU time when several want it", controller: "cpu", repeated: false,
        parse: |text| (text == b"idle").then_some(Value::Idle).or_else(|| range(text, WEIGHTS.0, WEIGHTS.1)),
        takes: "1 to 10000 [default: 100], or idle for what nobody else wants",
        v1: Spelling::files("cpu.shares", &["cpu.idle"], |limits| Ok(limits.cpu_share("cpu.shares", weight::shares))).none(&["1024", "0"]),
        v2: Spelling::files("cpu.weight", &["cpu.idle"], |limits| Ok(limits.cpu_share("cpu.weight", |weight| weight))).none(&["100", "0"]) },
    Knob { option: "cpu-shares", short: None, value: "N", help: "The same, in the numbers of version 1", controller: "cpu", repeated: false,
        parse: |text| range(text, SHARES.0, SHARES.1), takes: "2 to 262144 [default: 1024]",
        v1: Spelling::file("cpu.shares", |limits| limits.number_of("cpu-shares")).none(&["1024"]),
        v2: Spelling::file("cpu.weight", |limits| weight::weight(limits.number("cpu-shares").unwrap_or_default()).to_string()).none(&["100", "0"]) },
    Knob { option: "memory", short: Some('m'), value: "SIZE", help: "Memory; swap is left as it is", controller: "memory", repeated: false,
        parse: |text| unlimited(text).or_else(|| size(text, 4096)), takes: "bytes from 4096, such as 64M or 1.5G (K, M, G and T are powers of 1024), or max",
        v1: Spelling::file("memory.limit_in_bytes", |limits| minus_or_number(limits, "memory")).in_pages(),
        v2: Spelling::file("memory.max", |limits| max_or_number(limits, "memory")).in_pages() },
    Knob { option: "memory-swap", short: None, value: "SIZE", help: "Memory and swap together, as docker counts: the same as --memory is no swap", controller: "memory", repeated: false,
        parse: |text| unlimited(text).or_else(|| size(text, 4096)), takes: "bytes, no less than --memory, or max",
        v1: Spelling::file("memory.memsw.limit_in_bytes", |limits| minus_or_number(limits, "memory-swap")).in_pages(),
        v2: Spelling::file("memory.swap.max", Limits::swap_alone).in_pages() },
    Knob { option: "swap", short: None, value: "SIZE", help: "Swap alone; version 1 counts it with memory, so there it needs --memory", controller: "memory", repeated: false,
        parse: |text| unlimited(text).or_else(|| size(text, 0)), takes: "bytes, 0 for no swap, or max",
        v1: Spelling::files("memory.memsw.limit_in_bytes", &[], Limits::memory_and_swap),
        v2: Spelling::file("memory.swap.max", |limits| max_or_number(limits, "swap")).in_pages() },
    Knob { option: "memory-high", short: None, value: "SIZE", help: "Memory beyond which the program is slowed down, but not killed", controller: "memory", repeated: false,
        parse: |text| unlimited(text).or_else(|| size(text, 4096)), takes: "bytes from 4096, or max",
        v1: Spelling::lacking("it has only --memory, which kills, and --memory-reservation, which is a hint"),
        v2: Spelling::file("memory.high", |limits| max_or_number(limits, "memory-high")).in_pages() },
    Knob { option: "memory-low", short: None, value: "SIZE", help: "Memory that is not taken away while others have some to take", controller: "memory", repeated: false,
        parse: |text| unlimited(text).or_else(|| size(text, 0)), takes: "bytes from 0, or max",
        v1: Spelling::lacking("it protects no memory; the nearest is --memory-reservation"),
        v2: Spelling::file("memory.low", |limits| max_or_number(limits, "memory-low")).in_pages().none(&["0"]) },
    Knob { option: "memory-reservation", short: None, value: "SIZE", help: "The same on version 2; on version 1 the memory to which it is cut when there is little", controller: "memory", repeated: false,
        parse: |text| size(text, 4096), takes: "bytes from 4096",
        v1: Spelling::file("memory.soft_limit_in_bytes", |limits| limits.number_of("memory-reservation")).in_pages(),
        v2: Spelling::file("memory.low", |limits| limits.number_of("memory-reservation")).in_pages().none(&["0"]) },
    Knob { option: "oom-group", short: None, value: "", help: "When memory runs out, kill the whole group and not one process", controller: "memory", repeated: false,
        parse: |text| text.is_empty().then_some(Value::On), takes: "no value",
        v1: Spelling::lacking("it kills one process at a time"),
        v2: Spelling::file("memory.oom.group", |_| "1".into()).none(&["0"]) },
    Knob { option: OOM_SCORE, short: None, value: "N", help: "How readily the program is killed when memory runs out, anywhere", controller: "", repeated: false,
        parse: |text| signed(text, -1000, 1000), takes: "-1000, never, to 1000, first",
        v1: Spelling::lacking("it is of the process"),
        v2: Spelling::lacking("it is of the process") },
    Knob { option: "pids-limit", short: None, value: "N", help: "Number of processes and threads", controller: "pids", repeated: false,
        parse: |text| unlimited(text).or_else(|| range(text, 1, 4_194_304)), takes: "1 to 4194304, or max",
        v1: Spelling::file("pids.max", |limits| max_or_number(limits, "pids-limit")),
        v2: Spelling::file("pids.max", |limits| max_or_number(limits, "pids-limit")) },
    Knob { option: "io-weight", short: None, value: "N", help: "Share of block io when several want it, if the scheduler of the disk heeds it", controller: "io", repeated: false,
        parse: |text| range(text, 10, 1000), takes: "10 to 1000, as docker counts",
        v1: Spelling::file("blkio.bfq.weight", |limits| limits.number_of("io-weight")).none(&["100"]),
        v2: Spelling::files("io.weight", &["io.bfq.weight"], |limits| Ok(limits.io_weight())).none(&["default 100", "100"]) },
    Knob { option: "device-read-bps", short: None, value: "PATH:RATE", help: "Bytes read in a second from the disk PATH, or from the disk that PATH is on", controller: "io", repeated: true,
        parse: rate, takes: RATE,
        v1: Spelling::files("blkio.throttle.read_bps_device", &[], |limits| limits.throttle("device-read-bps", "blkio.throttle.read_bps_device")),
        v2: Spelling::files("io.max", &[], Limits::io_max) },
    Knob { option: "device-write-bps", short: None, value: "PATH:RATE", help: "The same for bytes that are written", controller: "io", repeated: true,
        parse: rate, takes: RATE,
        v1: Spelling::files("blkio.throttle.write_bps_device", &[], |limits| limits.throttle("device-write-bps", "blkio.throttle.write_bps_device")),
        v2: Spelling::files("io.max", &[], Limits::io_max) },
    Knob { option: "device-read-iops", short: None, value: "PATH:N", help: "The same for reads", controller: "io", repeated: true,
        parse: operations, takes: OPERATIONS,
        v1: Spelling::files("blkio.throttle.read_iops_device", &[], |limits| limits.throttle("device-read-iops", "blkio.throttle.read_iops_device")),
        v2: Spelling::files("io.max", &[], Limits::io_max) },
    Knob { option: "device-write-iops", short: None, value: "PATH:N", help: "The same for writes", controller: "io", repeated: true,
        parse: operations, takes: OPERATIONS,
        v1: Spelling::files("blkio.throttle.write_iops_device", &[], |limits| limits.throttle("device-write-iops", "blkio.throttle.write_iops_device")),
        v2: Spelling::files("io.max", &[], Limits::io_max) },
];

const CPU_PERIOD: &str = "cpu-period";
const CPU_QUOTA: &str = "cpu-quota";
const OOM_SCORE: &str = "oom-score-adj";

const RATE: &str = "a device, file or directory, and bytes in a second, such as /dev/sda:4M, or max";
const OPERATIONS: &str =
    "a device, file or directory, and a number to 4294967294, such as /dev/sda:100, or max";

fn rate(text: &[u8]) -> Option<Value> {
    of_device(text, |number| size(number, 1))
}

fn operations(text: &[u8]) -> Option<Value> {
    of_device(text, |number| range(number, 1, MOST_OPERATIONS))
}

fn max_or_number(limits: &Limits, option: &str) -> String {
    limits.number(option).map_or("max".into(), |number| number.to_string())
}

/// The same for the files of version 1, which have -1 for it.
fn minus_or_number(limits: &Limits, option: &str) -> String {
    limits.number(option).map_or("-1".into(), |number| number.to_string())
}

#[cfg(test)]
mod tests;
