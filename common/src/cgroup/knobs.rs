//! The limits that can be set: one row each, with its spelling in both versions.

use super::group::Version;
use crate::error::{Error, Result};
use crate::text::digits;

/// A limit: everything that is known of it. A row of [`KNOBS`].
pub struct Knob {
    /// The option of rcgexec.
    pub option: &'static str,
    /// Its letter.
    pub short: Option<char>,
    /// What help calls its value.
    pub value: &'static str,
    /// What it limits.
    pub help: &'static str,
    /// The controller that does it.
    pub controller: &'static str,
    /// Can it be given several times, each for another thing?
    pub repeated: bool,
    /// Reads the option's value.
    pub parse: fn(&str) -> Option<Value>,
    /// What `parse` takes, for the error.
    pub takes: &'static str,
    /// How version 1 is told.
    pub v1: Spelling,
    /// How version 2 is told.
    pub v2: Spelling,
}

/// A file and what is written to it.
#[derive(Clone, Copy)]
pub struct Spelling {
    /// The file in the group's directory.
    pub file: &'static str,
    /// What is written, given all limits that are set; several limits can share a file.
    pub text: fn(&Limits) -> String,
}

/// A limit's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value {
    /// So much, in the unit of the limit.
    Number(u64),
    /// No limit.
    Max,
}

/// The usual period in microseconds, in both versions.
const PERIOD: u64 = 100_000;

/// Every limit, in the order in which they are written: a row here is all that it takes to have one more.
/// Sources: sched-bwc.rst, memory.rst and pids.rst in Documentation/admin-guide/cgroup-v1 (and
/// Documentation/scheduler), cgroup-v2.rst; the ranges as the kernel enforces them.
#[rustfmt::skip]
pub const KNOBS: &[Knob] = &[
    Knob { option: "cpu-period", short: None, value: "US", help: "Period for which --cpu-quota counts", controller: "cpu", repeated: false,
        parse: |text| range(text, 1000, 1_000_000), takes: "1000 to 1000000 microseconds [default: 100000]",
        v1: Spelling { file: "cpu.cfs_period_us", text: |limits| limits.number(CPU_PERIOD).unwrap_or(PERIOD).to_string() },
        v2: Spelling { file: "cpu.max", text: cpu_max } },
    Knob { option: "cpu-quota", short: None, value: "US", help: "CPU time in each period; 20000 is a fifth of one CPU", controller: "cpu", repeated: false,
        parse: |text| unlimited(text).or_else(|| range(text, 1000, 17_592_186_044_415)), takes: "microseconds from 1000, or max",
        v1: Spelling { file: "cpu.cfs_quota_us", text: |limits| limits.number(CPU_QUOTA).map_or("-1".into(), |quota| quota.to_string()) },
        v2: Spelling { file: "cpu.max", text: cpu_max } },
    Knob { option: "memory", short: Some('m'), value: "SIZE", help: "Memory", controller: "memory", repeated: false,
        parse: |text| unlimited(text).or_else(|| size(text)), takes: "bytes from 4096, or with K, M, G or T, or max",
        v1: Spelling { file: "memory.limit_in_bytes", text: |limits| limits.number("memory").map_or("-1".into(), |bytes| bytes.to_string()) },
        v2: Spelling { file: "memory.max", text: |limits| max_or_number(limits, "memory") } },
    Knob { option: "pids-limit", short: None, value: "N", help: "Number of processes and threads", controller: "pids", repeated: false,
        parse: |text| unlimited(text).or_else(|| range(text, 1, 4_194_304)), takes: "1 to 4194304, or max",
        v1: Spelling { file: "pids.max", text: |limits| max_or_number(limits, "pids-limit") },
        v2: Spelling { file: "pids.max", text: |limits| max_or_number(limits, "pids-limit") } },
];

const CPU_PERIOD: &str = "cpu-period";
const CPU_QUOTA: &str = "cpu-quota";

/// `cpu.max` is quota and period in one, and one alone would keep an older period.
fn cpu_max(limits: &Limits) -> String {
    let quota = limits.number(CPU_QUOTA).map_or("max".into(), |quota| quota.to_string());
    format!("{quota} {}", limits.number(CPU_PERIOD).unwrap_or(PERIOD))
}

fn max_or_number(limits: &Limits, option: &str) -> String {
    limits.number(option).map_or("max".into(), |number| number.to_string())
}

/// A file of a group, and what is to be written to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// The controller whose file it is.
    pub controller: String,
    /// The file in the group's directory.
    pub file: String,
    /// What is written.
    pub value: String,
}

/// The limits that are to be set.
#[derive(Clone, Debug, Default)]
pub struct Limits(Vec<(&'static str, Value)>);

impl Limits {
    /// Sets the limit of this row from the text of its option.
    pub fn set(&mut self, knob: &'static Knob, text: &[u8]) -> Result<()> {
        let value = std::str::from_utf8(text).ok().and_then(knob.parse);
        let value = value.ok_or_else(|| refuse(knob.option, text, knob.controller, knob.takes))?;
        self.0.push((knob.option, value));
        Ok(())
    }

    /// Sets quota and period from a number of CPUs, such as 0.2. A quota below what the kernel takes is had
    /// by a longer period, so 0.001 is the least.
    pub fn set_cpus(&mut self, text: &[u8]) -> Result<()> {
        let takes = "a number of CPUs from 0.001, such as 0.2 or 1.5";
        let decimal = text.iter().all(|b| b.is_ascii_digit() || *b == b'.');
        let cpus =
            std::str::from_utf8(text).ok().filter(|_| decimal).and_then(|text| text.parse::<f64>().ok());
        let cpus = cpus
            .filter(|cpus| (0.001..=1e6).contains(cpus))
            .ok_or_else(|| refuse("cpus", text, "cpu", takes))?;
        let period = if cpus * PERIOD as f64 >= 1000.0 { PERIOD } else { 1_000_000 };
        self.0.push((CPU_PERIOD, Value::Number(period)));
        self.0.push((CPU_QUOTA, Value::Number((cpus * period as f64).round() as u64)));
        Ok(())
    }

    /// Adds a value for a file that has no option: `FILE=VALUE`.
    pub fn set_raw(&mut self, text: &[u8]) -> Result<()> {
        Err(Error::refused([b"not yet: --set ", text].concat()))
    }

    /// Is none set?
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The controllers that it takes to set them, each once.
    pub fn controllers(&self) -> Vec<String> {
        let mut names: Vec<String> = self.knobs().map(|knob| knob.controller.to_string()).collect();
        names.dedup();
        names
    }

    /// What is set for this controller in a group of this version, in this order.
    pub fn settings(&self, controller: &str, version: Version) -> Result<Vec<Setting>> {
        let mut settings: Vec<Setting> = Vec::new();
        for knob in self.knobs().filter(|knob| knob.controller == controller) {
            let Spelling { file, text } = match version {
                Version::V1 => knob.v1,
                Version::V2 => knob.v2,
            };
            // Some limits share a file, which is written once.
            if !settings.iter().any(|known| known.file == file) {
                settings.push(Setting {
                    controller: controller.into(),
                    file: file.into(),
                    value: text(self),
                });
            }
        }
        Ok(settings)
    }

    /// The rows of those that are set, in the order of the table.
    fn knobs(&self) -> impl Iterator<Item = &'static Knob> {
        KNOBS.iter().filter(|knob| self.0.iter().any(|(option, _)| *option == knob.option))
    }

    fn number(&self, option: &str) -> Option<u64> {
        match self.0.iter().rev().find(|(set, _)| *set == option)?.1 {
            Value::Number(number) => Some(number),
            Value::Max => None,
        }
    }
}

fn refuse(option: &str, text: &[u8], controller: &str, takes: &str) -> Error {
    let end = format!(" is out of range (controller {controller})");
    Error::refused([b"--", option.as_bytes(), b" ", text, end.as_bytes()].concat())
        .with_hint(format!("it takes {takes}"))
}

fn unlimited(text: &str) -> Option<Value> {
    matches!(text, "max" | "-1").then_some(Value::Max)
}

fn range(text: &str, least: u64, most: u64) -> Option<Value> {
    digits(text.as_bytes()).filter(|number| (least..=most).contains(number)).map(Value::Number)
}

/// A size in bytes, with K, M, G or T for powers of 1024, in any case, and `B` or `iB` after them. Parsed here
/// because the kernel takes some suffixes in some files, and drops them in others.
fn size(text: &str) -> Option<Value> {
    let lower = text.to_ascii_lowercase();
    let end = lower.find(|c: char| !c.is_ascii_digit()).unwrap_or(lower.len());
    let (number, unit) = lower.split_at(end);
    let shift = match unit {
        "" | "b" => 0,
        "k" | "kb" | "kib" => 10,
        "m" | "mb" | "mib" => 20,
        "g" | "gb" | "gib" => 30,
        "t" | "tb" | "tib" => 40,
        _ => return None,
    };
    let bytes = digits::<u64>(number.as_bytes())?.checked_mul(1 << shift)?;
    // Below a page the kernel rounds to nothing, and close to the highest number to no limit at all.
    (4096..i64::MAX as u64 - (1 << 16)).contains(&bytes).then_some(Value::Number(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn knob(option: &str) -> &'static Knob {
        KNOBS.iter().find(|knob| knob.option == option).expect("a row")
    }

    #[test]
    fn values_are_read_in_their_range_and_nothing_else_is() {
        let number = |number| Some(Value::Number(number));
        let cases = [
            ("cpu-quota", "20000", number(20000)),
            ("cpu-quota", "999", None),
            ("cpu-quota", "-1", Some(Value::Max)),
            ("cpu-quota", "17592186044416", None),
            ("cpu-quota", "0x10", None),
            ("cpu-period", "1000001", None),
            ("cpu-period", "max", None),
            ("memory", "64M", number(64 << 20)),
            ("memory", "64mib", number(64 << 20)),
            ("memory", "1.5G", None),
            ("memory", "0", None),
            ("memory", "4095", None),
            ("memory", "9223372036854775807", None),
            ("memory", "16777216T", None),
            ("memory", "99999999999999999999", None),
            ("pids-limit", "max", Some(Value::Max)),
            ("pids-limit", "0", None),
            ("pids-limit", "4194305", None),
            ("pids-limit", " 5", None),
        ];
        for (option, text, expected) in cases {
            assert_eq!((knob(option).parse)(text), expected, "--{option} {text}");
        }
    }

    #[test]
    fn both_versions_are_told_the_same() {
        let mut limits = Limits::default();
        limits.set(knob("cpu-quota"), b"20000").expect("in range");
        assert_eq!((knob("cpu-quota").v1.text)(&limits), "20000");
        assert_eq!((knob("cpu-quota").v2.text)(&limits), "20000 100000");
        limits.set(knob("memory"), b"max").expect("in range");
        assert_eq!((knob("memory").v1.text)(&limits), "-1");
        assert_eq!((knob("memory").v2.text)(&limits), "max");
    }

    #[test]
    fn cpus_become_quota_and_period() {
        let told = |text: &str| {
            let mut limits = Limits::default();
            limits.set_cpus(text.as_bytes()).map(|()| cpu_max(&limits)).ok()
        };
        let cases = [
            ("0.2", Some("20000 100000")),
            ("1.5", Some("150000 100000")),
            ("0.001", Some("1000 1000000")),
            ("0.0001", None),
            ("-1", None),
            ("1e3", None),
            ("nan", None),
            ("", None),
        ];
        for (text, expected) in cases {
            assert_eq!(told(text).as_deref(), expected, "{text}");
        }
    }
}
