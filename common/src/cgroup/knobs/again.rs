//! Limits as they are read, as the options that set them again.

use super::KNOBS;
use crate::text::digits;

/// The words of options of rcgexec by which a group gets what this file of a group says. Empty where the file alone says nothing of
/// them, and none where there is no option for it: for disks, whose numbers need not have a name.
pub fn options(file: &str, value: &[u8]) -> Option<Vec<String>> {
    let text = std::str::from_utf8(value).ok()?;
    let option = |name: &str| Some(vec![format!("--{name}"), text.into()]);
    match file {
        "cpu.max" => {
            let (quota, period) = text.split_once(' ')?;
            Some([vec!["--cpu-quota".into(), quota.into()], of_period(period)].concat())
        }
        "cpu.cfs_period_us" => Some(of_period(text)),
        "cpu.shares" => option("cpu-shares"),
        "cpu.idle" => Some(if text == "1" { vec!["--cpu-weight".into(), "idle".into()] } else { Vec::new() }),
        "memory.memsw.limit_in_bytes" => option("memory-swap"),
        "memory.swap.max" => option("swap"),
        "memory.low" => option("memory-low"),
        "memory.oom.group" => Some(vec!["--oom-group".into()]),
        _ => {
            let knob =
                KNOBS.iter().find(|knob| knob.v1.all().chain(knob.v2.all()).any(|known| known == file))?;
            let is_plain = !knob.repeated && knob.controller != "io" && (knob.parse)(value).is_some();
            is_plain.then(|| vec![format!("--{}", knob.option), text.into()])
        }
    }
}

/// Nothing for the usual one.
fn of_period(text: &str) -> Vec<String> {
    match digits::<u64>(text.as_bytes()) {
        Some(super::PERIOD) | None => Vec::new(),
        Some(_) => vec!["--cpu-period".into(), text.into()],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_is_said_by_the_option_that_sets_it() {
        #[rustfmt::skip]
        let cases: &[(&str, &str, Option<&[&str]>)] = &[
            ("cpu.max", "20000 100000", Some(&["--cpu-quota", "20000"])),
            ("cpu.max", "20000 50000", Some(&["--cpu-quota", "20000", "--cpu-period", "50000"])),
            ("cpu.cfs_quota_us", "20000", Some(&["--cpu-quota", "20000"])),
            ("cpu.cfs_period_us", "100000", Some(&[])),
            ("cpu.max.burst", "1000", Some(&["--cpu-burst", "1000"])),
            ("cpu.weight", "50", Some(&["--cpu-weight", "50"])),
            ("cpu.idle", "1", Some(&["--cpu-weight", "idle"])),
            ("cpu.shares", "512", Some(&["--cpu-shares", "512"])),
            ("memory.max", "67108864", Some(&["--memory", "67108864"])),
            ("memory.limit_in_bytes", "67108864", Some(&["--memory", "67108864"])),
            ("memory.memsw.limit_in_bytes", "67108864", Some(&["--memory-swap", "67108864"])),
            ("memory.swap.max", "0", Some(&["--swap", "0"])),
            ("memory.high", "4096", Some(&["--memory-high", "4096"])),
            ("memory.low", "4096", Some(&["--memory-low", "4096"])),
            ("memory.soft_limit_in_bytes", "4096", Some(&["--memory-reservation", "4096"])),
            ("memory.oom.group", "1", Some(&["--oom-group"])),
            ("pids.max", "50", Some(&["--pids-limit", "50"])),
            ("cpuset.cpus", "0-1,3", Some(&["--cpuset-cpus", "0-1,3"])),
            ("cpuset.mems", "0", Some(&["--cpuset-mems", "0"])),
            ("io.max", "8:0 rbps=1 wbps=max riops=max wiops=max", None),
            ("io.weight", "default 50", None),
            ("blkio.bfq.weight", "50", None),
            ("nothing.known", "1", None),
            ("pids.max", "odd; rm", None),
        ];
        for (file, value, expected) in cases {
            let expected = expected.map(|words| words.iter().map(ToString::to_string).collect::<Vec<_>>());
            assert_eq!(options(file, value.as_bytes()), expected, "{file} {value}");
        }
    }
}
