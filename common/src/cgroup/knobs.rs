//! The limits that can be set: one row each, with its spelling in both versions.

mod device;
mod values;
mod weight;

use super::group::Version;
use crate::error::{Error, Result};
pub use values::Value;
use values::{cpus, list, of_device, percent, range, signed, size, unlimited};
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
    Knob { option: "cpuset-cpus", short: None, value: "CPUS", help: "CPUs that are used, all of them whatever the caller was bound to", controller: "cpuset", repeated: false,
        parse: list, takes: "CPUs such as 0-3,7",
        v1: Spelling::files("cpuset.cpus", &["cpus"], |limits| limits.list("cpuset-cpus", "cpuset.cpus")),
        v2: Spelling::files("cpuset.cpus", &[], |limits| limits.list("cpuset-cpus", "cpuset.cpus")) },
    Knob { option: "cpuset-mems", short: None, value: "NODES", help: "Memory nodes that are used", controller: "cpuset", repeated: false,
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
    Knob { option: "cpu-burst", short: None, value: "US", help: "CPU time of --cpu-quota that is kept for later when it was not used", controller: "cpu", repeated: false,
        parse: |text| range(text, 0, MOST_QUOTA), takes: "0 microseconds to as many as the quota",
        v1: Spelling::file("cpu.cfs_burst_us", |limits| limits.number_of("cpu-burst")).none(&["0"]),
        v2: Spelling::file("cpu.max.burst", |limits| limits.number_of("cpu-burst")).none(&["0"]) },
    Knob { option: "cpu-weight", short: None, value: "N|idle", help: "Share of the CPU time that several want", controller: "cpu", repeated: false,
        parse: |text| (text == b"idle").then_some(Value::Idle).or_else(|| range(text, WEIGHTS.0, WEIGHTS.1)),
        takes: "1 to 10000 [default: 100], or idle for what nobody else wants",
        v1: Spelling::files("cpu.shares", &["cpu.idle"], |limits| Ok(limits.cpu_share("cpu.shares", weight::shares))).none(&["1024", "0"]),
        v2: Spelling::files("cpu.weight", &["cpu.idle"], |limits| Ok(limits.cpu_share("cpu.weight", |weight| weight))).none(&["100", "0"]) },
    Knob { option: "cpu-shares", short: None, value: "N", help: "The same as version 1 counts it", controller: "cpu", repeated: false,
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
    Knob { option: "memory-high", short: None, value: "SIZE", help: "Memory beyond which the program is slowed down, without end, and not killed", controller: "memory", repeated: false,
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
    Knob { option: "io-weight", short: None, value: "N", help: "Share of block io that several want, where the scheduler of the disk goes by it", controller: "io", repeated: false,
        parse: |text| range(text, 10, 1000), takes: "10 to 1000, as docker counts",
        v1: Spelling::file("blkio.bfq.weight", |limits| limits.number_of("io-weight")).none(&["100"]),
        v2: Spelling::files("io.weight", &["io.bfq.weight"], |limits| Ok(limits.io_weight())).none(&["default 100", "100"]) },
    Knob { option: "device-read-bps", short: None, value: "PATH:RATE", help: "Bytes that are read in a second from the disk PATH, or on which it lies", controller: "io", repeated: true,
        parse: rate, takes: RATE,
        v1: Spelling::files("blkio.throttle.read_bps_device", &[], |limits| limits.throttle("device-read-bps", "blkio.throttle.read_bps_device")),
        v2: Spelling::files("io.max", &[], Limits::io_max) },
    Knob { option: "device-write-bps", short: None, value: "PATH:RATE", help: "The same of bytes that are written", controller: "io", repeated: true,
        parse: rate, takes: RATE,
        v1: Spelling::files("blkio.throttle.write_bps_device", &[], |limits| limits.throttle("device-write-bps", "blkio.throttle.write_bps_device")),
        v2: Spelling::files("io.max", &[], Limits::io_max) },
    Knob { option: "device-read-iops", short: None, value: "PATH:N", help: "The same of reads", controller: "io", repeated: true,
        parse: operations, takes: OPERATIONS,
        v1: Spelling::files("blkio.throttle.read_iops_device", &[], |limits| limits.throttle("device-read-iops", "blkio.throttle.read_iops_device")),
        v2: Spelling::files("io.max", &[], Limits::io_max) },
    Knob { option: "device-write-iops", short: None, value: "PATH:N", help: "The same of writes", controller: "io", repeated: true,
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

/// The limits of a device, each with its key in version 2.
const DEVICES: [(&str, &str); 4] = [
    ("device-read-bps", "rbps"),
    ("device-write-bps", "wbps"),
    ("device-read-iops", "riops"),
    ("device-write-iops", "wiops"),
];

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

/// How a file says what was written to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Shape {
    /// As it was written.
    #[default]
    Same,
    /// A number of bytes, rounded down to whole pages; the highest for no limit.
    Pages,
    /// In a line of its own, behind the key that is the first word, maybe with others.
    Line,
    /// As the last word of its first line.
    Word,
    /// Nobody knows: it was given as it is.
    Any,
}

/// A file of a group, and what is to be written to it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Setting {
    /// The controller whose file it is.
    pub controller: String,
    /// The file in the group's directory.
    pub file: String,
    /// What is written.
    pub value: String,
    /// How it is told then.
    pub shape: Shape,
    /// Where there is no such file: others, each with what is written to it.
    pub instead: Vec<(String, String)>,
    /// Of `cpu.max`, only the period was given: a quota that the group has already is kept.
    pub period_only: bool,
}

impl Setting {
    fn new(file: impl Into<String>, value: impl Into<String>, shape: Shape) -> Setting {
        Setting { file: file.into(), value: value.into(), shape, ..Setting::default() }
    }
}

/// The limits that are to be set.
#[derive(Clone, Debug, Default)]
pub struct Limits {
    knobs: Vec<(&'static str, Value)>,
    /// Values for files that have no option, with the controller of each.
    raw: Vec<Setting>,
}

impl Limits {
    /// Sets the limit of this row from the text of its option.
    pub fn set(&mut self, knob: &'static Knob, text: &[u8]) -> Result<()> {
        let value =
            (knob.parse)(text).ok_or_else(|| refuse(knob.option, text, knob.controller, knob.takes))?;
        self.add(knob.option, value);
        Ok(())
    }

    fn add(&mut self, option: &'static str, value: Value) {
        // The last one counts, but for those that are for several devices.
        if !matches!(value, Value::Device(..)) {
            self.knobs.retain(|(known, _)| *known != option);
        }
        self.knobs.push((option, value));
    }

    /// Sets quota and period from a number of CPUs, such as 0.2. A quota below what the kernel takes is had
    /// by a longer period, so 0.001 is the least.
    pub fn set_cpus(&mut self, text: &[u8]) -> Result<()> {
        let takes = "a number of CPUs from 0.001, such as 0.2 or 1.5";
        let cpus = cpus(text).ok_or_else(|| refuse("cpus", text, "cpu", takes))?;
        self.add(CPU_QUOTA, Value::Cpus(cpus));
        Ok(())
    }

    /// Adds a value for a file that has no option: `FILE=VALUE`. It is written as it is.
    pub fn set_raw(&mut self, text: &[u8]) -> Result<()> {
        let refuse = |why: &str| {
            Error::refused([b"--set ", text, b": ", why.as_bytes()].concat())
                .with_hint("it takes FILE=VALUE, a file of a controller such as hugetlb.2MB.max=8M")
        };
        let equals = text.iter().position(|&b| b == b'=').ok_or_else(|| refuse("there is no = in it"))?;
        let (file, value) = (&text[..equals], &text[equals + 1..]);
        let plain = |b: &u8| b.is_ascii_alphanumeric() || b"._-".contains(b);
        let dot = file.iter().position(|&b| b == b'.').filter(|&dot| dot > 0 && dot + 1 < file.len());
        let dot = dot.filter(|_| file.iter().all(plain));
        let dot = dot.ok_or_else(|| refuse("no file of a controller is called so"))?;
        match &file[..dot] {
            b"cgroup" => return Err(refuse("files of the group itself are not limits")),
            b"freezer" => {
                return Err(refuse("a program that is born frozen never begins")
                    .with_hint("--freeze NAME stops a group that runs, and --thaw NAME lets it go on"));
            }
            _ => {}
        }
        if value.is_empty() {
            return Err(refuse("the value is empty"));
        }
        if value.iter().any(|b| matches!(b, 0 | b'\n')) {
            return Err(refuse("the kernel would take only what stands before the end of a line"));
        }
        let value = std::str::from_utf8(value).map_err(|_| refuse("the value is not text"))?;
        let file = String::from_utf8_lossy(file).into_owned();
        let controller = file[..dot].to_string();
        self.raw.push(Setting { controller, ..Setting::new(file, value, Shape::Any) });
        Ok(())
    }

    /// Do they fit together? In groups that are `in_use`, some are there already.
    pub fn check(&self, in_use: bool) -> Result<()> {
        let has = |option| self.value(option).is_some();
        let refuse = |what: String, hint: &str| Err(Error::refused(what).with_hint(hint));
        for (one, other, hint) in [
            ("cpu-weight", "cpu-shares", "both are the share of CPU time: give one of them"),
            (
                "memory-swap",
                "swap",
                "one is memory and swap together, the other swap alone: give one of them",
            ),
            ("memory-low", "memory-reservation", "on version 2 they are the same: give one of them"),
        ] {
            if has(one) && has(other) {
                return refuse(format!("--{one} and --{other} do not go together"), hint);
            }
        }
        let (quota, period) = self.cpu_time();
        if quota.is_some_and(|quota| quota < LEAST_QUOTA) {
            let what = format!("--cpu-quota is less than 1000 microseconds in a period of {period}");
            return refuse(what, "that is the least that the kernel takes: choose a longer --cpu-period");
        }
        match (self.number("cpu-burst"), quota) {
            (Some(burst), Some(quota)) if burst > quota => {
                let what = format!("--cpu-burst {burst} is more than the quota, {quota} microseconds");
                return refuse(what, "no more can be kept than there is in a period");
            }
            (Some(1..), None) if !in_use || has(CPU_QUOTA) => {
                let what = "--cpu-burst was given, and no --cpu-quota of which to keep something";
                return refuse(what.into(), "for example: --cpu-quota 20000 --cpu-burst 20000");
            }
            _ => {}
        }
        if has("memory-swap") {
            let hint = "it is memory and swap together: --memory 1G --memory-swap 1G is no swap, and 2G as much swap as memory";
            if !has("memory") {
                return refuse("--memory-swap was given without --memory".into(), hint);
            }
            let [memory, total] =
                ["memory", "memory-swap"].map(|option| self.number(option).unwrap_or(u64::MAX));
            if total < memory {
                return refuse("--memory-swap is less than --memory".into(), hint);
            }
        }
        Ok(())
    }

    /// Is none set?
    pub fn is_empty(&self) -> bool {
        self.knobs.is_empty() && self.raw.is_empty()
    }

    /// The controllers that it takes to set them, each once, in the order in which they are set.
    pub fn controllers(&self) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        let knobs = self.knobs().map(|knob| knob.controller);
        for name in knobs.chain(self.raw.iter().map(|raw| &raw.controller[..])) {
            if !name.is_empty() && !names.iter().any(|known| known == name) {
                names.push(name.into());
            }
        }
        names
    }

    /// What is set for this controller in a group of this version, in this order; an error where the version does not
    /// have it.
    pub fn settings(&self, controller: &str, version: Version) -> Result<Vec<Setting>> {
        let (settings, lacking) = self.settings_as_far(controller, version);
        lacking.into_iter().next().map_or(Ok(settings), Err)
    }

    /// The same as far as the version has it, and what it lacks.
    pub fn settings_as_far(&self, controller: &str, version: Version) -> (Vec<Setting>, Vec<Error>) {
        let (mut settings, mut lacking): (Vec<Setting>, Vec<Error>) = Default::default();
        for knob in self.knobs().filter(|knob| knob.controller == controller) {
            let Spelling { file, shape, told, .. } = *knob.spelling(version);
            let new = match told {
                Told::Text(text) => Ok(vec![Setting::new(file.unwrap_or_default(), text(self), shape)]),
                Told::Each(each) => each(self),
                Told::Not(why) => {
                    let number = if version == Version::V1 { 1 } else { 2 };
                    let what =
                        format!("version {number} of controller {controller} has no --{}", knob.option);
                    Err(Error::refused(what).with_hint(why))
                }
            };
            match new {
                Err(e) => lacking.push(e),
                // Some limits share a file, which is written once.
                Ok(new) => {
                    for setting in new {
                        let setting = Setting { controller: knob.controller_of(version).into(), ..setting };
                        if !settings.contains(&setting) {
                            settings.push(setting);
                        }
                    }
                }
            }
        }
        settings.extend(self.raw.iter().filter(|raw| raw.controller == controller).cloned());
        (settings, lacking)
    }

    /// Is it said on which CPUs the program runs? Then it shall run on all of them: the kernel keeps what it was bound to
    /// before, since Linux 6.2.
    pub fn sets_cpus(&self) -> bool {
        self.value("cpuset-cpus").is_some() || self.raw.iter().any(|raw| raw.file == "cpuset.cpus")
    }

    /// What the program is to write about itself before it begins: see [`crate::proc::oom::adjust`].
    pub fn oom_score_adj(&self) -> Option<i32> {
        match self.value(OOM_SCORE)? {
            Value::Signed(score) => Some(*score),
            _ => None,
        }
    }

    /// The rows of those that are set, in the order of the table.
    fn knobs(&self) -> impl Iterator<Item = &'static Knob> {
        KNOBS.iter().filter(|knob| self.value(knob.option).is_some())
    }

    fn value(&self, option: &str) -> Option<&Value> {
        self.knobs.iter().find(|(set, _)| *set == option).map(|(_, value)| value)
    }

    fn number(&self, option: &str) -> Option<u64> {
        match self.value(option)? {
            Value::Number(number) => Some(*number),
            _ => None,
        }
    }

    fn number_of(&self, option: &str) -> String {
        self.number(option).unwrap_or_default().to_string()
    }

    /// Quota, if there is one, and period.
    fn cpu_time(&self) -> (Option<u64>, u64) {
        let given = self.number(CPU_PERIOD);
        let period = given.unwrap_or(PERIOD);
        match self.value(CPU_QUOTA) {
            Some(Value::Number(quota)) => (Some(*quota), period),
            Some(Value::Cpus(cpus)) => {
                let too_little = cpus * PERIOD as f64 <= LEAST_QUOTA as f64 - 1e-6;
                let period = if given.is_none() && too_little { PERIODS.1 } else { period };
                (Some((cpus * period as f64).round() as u64), period)
            }
            _ => (None, period),
        }
    }

    /// Period, where it is not the usual one, and quota.
    fn cfs(&self) -> Vec<Setting> {
        let (quota, period) = self.cpu_time();
        let other = self.number(CPU_PERIOD).is_some() || period != PERIOD;
        let period = other.then(|| Setting::new("cpu.cfs_period_us", period.to_string(), Shape::Same));
        let quota = quota.map_or("-1".into(), |quota| quota.to_string());
        period.into_iter().chain([Setting::new("cpu.cfs_quota_us", quota, Shape::Same)]).collect()
    }

    /// `cpu.max` is quota and period in one, and one alone would keep an older period.
    fn cpu_max(&self) -> Setting {
        let (quota, period) = self.cpu_time();
        let value = format!("{} {period}", quota.map_or("max".into(), |quota| quota.to_string()));
        let period_only = self.value(CPU_QUOTA).is_none();
        Setting { period_only, ..Setting::new("cpu.max", value, Shape::Same) }
    }

    /// The share of CPU time, told to this file on its scale.
    fn cpu_share(&self, file: &str, scale: fn(u64) -> u64) -> Vec<Setting> {
        vec![match self.number("cpu-weight") {
            Some(weight) => Setting::new(file, scale(weight).to_string(), Shape::Same),
            None => Setting::new("cpu.idle", "1", Shape::Same),
        }]
    }

    /// Memory and swap together without the memory. Nothing left is a limit too, and must be written.
    fn swap_alone(&self) -> String {
        match (self.number("memory-swap"), self.number("memory")) {
            (Some(total), Some(memory)) => total.saturating_sub(memory).to_string(),
            _ => "max".into(),
        }
    }

    /// Swap alone with the memory.
    fn memory_and_swap(&self) -> Result<Vec<Setting>> {
        let total = match (self.number("swap"), self.number("memory")) {
            (None, _) => "-1".to_string(),
            (Some(swap), Some(memory)) => memory.saturating_add(swap).to_string(),
            (Some(_), None) => {
                return Err(Error::refused("version 1 of controller memory has no --swap without --memory")
                    .with_hint("it counts memory and swap together: give a size to both"));
            }
        };
        Ok(vec![Setting::new("memory.memsw.limit_in_bytes", total, Shape::Pages)])
    }

    /// BFQ, where the kernel has it, has a file and a scale of its own.
    fn io_weight(&self) -> Vec<Setting> {
        let weight = self.number("io-weight").unwrap_or_default();
        let other = ("io.weight".into(), format!("default {}", weight::io_weight(weight)));
        let bfq = Setting::new("io.bfq.weight", format!("default {weight}"), Shape::Word);
        vec![Setting { instead: vec![other], ..bfq }]
    }

    fn list(&self, option: &str, file: &str) -> Result<Vec<Setting>> {
        let Some(Value::List(list)) = self.value(option) else { return Ok(Vec::new()) };
        // Without its prefix where version 1 was mounted so.
        let bare = file.trim_start_matches("cpuset.").to_string();
        let instead = vec![(bare, list.clone())];
        Ok(vec![Setting { instead, ..Setting::new(file, list.as_str(), Shape::Same) }])
    }

    /// The devices of one of their limits, each with what holds for it; the last one counts.
    fn devices(&self, option: &str) -> Result<Vec<(String, Option<u64>)>> {
        let mut found: Vec<(String, Option<u64>)> = Vec::new();
        for (_, value) in self.knobs.iter().filter(|(set, _)| *set == option) {
            if let Value::Device(name, most) = value {
                let disk = device::of(name).map_err(|e| e.of_controllers(&["io"]))?;
                found.retain(|(known, _)| *known != disk);
                found.push((disk, *most));
            }
        }
        Ok(found)
    }

    /// A line for each device; 0 is no limit.
    fn throttle(&self, option: &str, file: &str) -> Result<Vec<Setting>> {
        let line = |(disk, most): (String, Option<u64>)| {
            Setting::new(file, format!("{disk} {}", most.unwrap_or(0)), Shape::Line)
        };
        Ok(self.devices(option)?.into_iter().map(line).collect())
    }

    /// A line for each device, with all that is known of it: the kernel takes one device in one write.
    fn io_max(&self) -> Result<Vec<Setting>> {
        let mut lines: Vec<(String, String)> = Vec::new();
        for (option, key) in DEVICES {
            for (disk, most) in self.devices(option)? {
                let most = most.map_or("max".into(), |most| most.to_string());
                let told = format!(" {key}={most}");
                match lines.iter_mut().find(|(known, _)| *known == disk) {
                    Some((_, line)) => *line += &told,
                    None => lines.push((disk.clone(), disk + &told)),
                }
            }
        }
        Ok(lines.into_iter().map(|(_, line)| Setting::new("io.max", line, Shape::Line)).collect())
    }
}

fn refuse(option: &str, text: &[u8], controller: &str, takes: &str) -> Error {
    let of = if controller.is_empty() { String::new() } else { format!(" (controller {controller})") };
    let end = format!(" is out of range{of}");
    Error::refused([b"--", option.as_bytes(), b" ", text, end.as_bytes()].concat())
        .with_hint(format!("it takes {takes}"))
}

#[cfg(test)]
mod tests;
