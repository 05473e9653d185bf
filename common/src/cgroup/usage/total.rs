//! All that the processes of a set of groups have used, also those that have ended.

use std::time::Duration;

use nix::errno::Errno;

use super::{is_limit, read, value};
use crate::cgroup::group::{Group, Version};
use crate::error::Result;
use crate::text::digits;

/// What was used. Of all that is none the kernel says nothing: it does not count it, or not in these groups.
/// Sources: cpuacct.rst, memory.rst, pids.rst and blkio-controller.rst in Documentation/admin-guide/cgroup-v1,
/// cgroup-v2.rst, Documentation/accounting/psi.rst.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// CPU time.
    pub cpu: Option<Duration>,
    /// That of it in programs.
    pub user: Option<Duration>,
    /// That of it in the kernel.
    pub system: Option<Duration>,
    /// So many periods of the quota have begun while something ran. With no quota they are not counted.
    pub periods: Option<u64>,
    /// In so many of them it had to wait for the next.
    pub throttled_periods: Option<u64>,
    /// So long, summed over CPUs.
    pub throttled: Option<Duration>,
    /// In so many periods more than the quota was used, of what earlier ones had left. Linux 5.14.
    pub bursts: Option<u64>,
    /// Bytes of memory that are in use now.
    pub memory: Option<u64>,
    /// The most that were at any time. On version 2 Linux 5.19.
    pub memory_peak: Option<u64>,
    /// So many may be: the limit of the group itself.
    pub memory_limit: Option<u64>,
    /// So often the limit was reached; memory could be had all the same where there was something to give back.
    pub limit_hits: Option<u64>,
    /// So often `memory.high` was passed, which slows down. Version 2.
    pub high_hits: Option<u64>,
    /// Was the group's own limit reached for want of which something was killed? Else it was that of a group
    /// below or above, or the machine has no more.
    pub own_limit_killed: bool,
    /// Processes that the kernel killed for want of memory.
    pub oom_kills: Option<u64>,
    /// Groups that were killed whole for that. Version 2.
    pub oom_group_kills: Option<u64>,
    /// Bytes of swap that are in use now. Version 2.
    pub swap: Option<u64>,
    /// The most that were at any time. Version 2, Linux 6.5.
    pub swap_peak: Option<u64>,
    /// Processes and threads that there are now.
    pub pids: Option<u64>,
    /// The most that there were at any time. Linux 6.1.
    pub pids_peak: Option<u64>,
    /// So many there may be: the limit of the group itself.
    pub pids_limit: Option<u64>,
    /// Calls of fork and clone that a limit on processes made fail.
    pub failed_forks: Option<u64>,
    /// Bytes read from block devices.
    pub read_bytes: Option<u64>,
    /// By so many requests.
    pub read_operations: Option<u64>,
    /// Bytes written to block devices.
    pub written_bytes: Option<u64>,
    /// By so many requests.
    pub write_operations: Option<u64>,
    /// Time lost by waiting for a CPU.
    pub cpu_pressure: Option<Pressure>,
    /// By waiting for memory.
    pub memory_pressure: Option<Pressure>,
    /// By waiting for block devices.
    pub io_pressure: Option<Pressure>,
}

/// Time that was lost by waiting for something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pressure {
    /// While at least one process waited.
    pub some: Duration,
    /// While all did. Of the CPU since Linux 5.13.
    pub full: Option<Duration>,
}

impl Usage {
    /// Reads what was used in groups of one program, one in each hierarchy; which controllers each is for is told by
    /// its files. To be asked when the last process has ended, and before they are removed.
    pub fn take(groups: &[&Group]) -> Result<Usage> {
        let mut usage = Usage::default();
        for version in [Version::V2, Version::V1] {
            for group in groups.iter().filter(|group| group.version == version) {
                match version {
                    Version::V2 => usage.add_v2(group)?,
                    Version::V1 => usage.add_v1(group)?,
                }
                usage.add_pids(group)?;
            }
        }
        Ok(usage)
    }

    /// Only what is known of the number of processes. On version 1 they are killed under a limit of none, which changes
    /// that: so it is asked before.
    pub fn take_pids(groups: &[&Group]) -> Result<Usage> {
        let mut usage = Usage::default();
        groups.iter().try_for_each(|group| usage.add_pids(group))?;
        Ok(usage)
    }

    /// The same with the limit on processes, and what it refused, as they were before.
    pub fn with_pids_of(mut self, before: &Usage) -> Usage {
        self.pids_limit = before.pids_limit;
        self.failed_forks = before.failed_forks;
        self
    }

    fn add_v2(&mut self, group: &Group) -> Result<()> {
        let stat = read(group, "cpu.stat")?.unwrap_or_default();
        let micros = |key| value(&stat, Some(key)).map(Duration::from_micros);
        // These are there without the controller too.
        self.cpu = micros("usage_usec");
        self.user = micros("user_usec");
        self.system = micros("system_usec");
        self.add_quota(&stat, micros("throttled_usec"));
        let number = |file, key| Ok(read(group, file)?.and_then(|text| value(&text, key)));
        let of_events = |text: &Option<Vec<u8>>, key| value(text.as_deref()?, Some(key));
        if let Some(memory) = number("memory.current", None)? {
            self.memory = Some(memory);
            self.memory_peak = number("memory.peak", None)?;
            self.memory_limit = limit(group, "memory.max")?;
            self.swap = number("memory.swap.current", None)?;
            self.swap_peak = number("memory.swap.peak", None)?;
            let events = read(group, "memory.events")?;
            self.limit_hits = of_events(&events, "max");
            self.high_hits = of_events(&events, "high");
            self.oom_group_kills = of_events(&events, "oom_group_kill");
            let local = read(group, "memory.events.local")?;
            self.own_limit_killed = of_events(&local, "oom").is_some_and(|number| number > 0);
            // Those of groups below are in it, unless the mount option memory_localevents says otherwise. In what the
            // groups below say themselves those that were removed are missing.
            let below = sum(group, &|group| {
                Ok(read(group, "memory.events.local")?.and_then(|text| value(&text, Some("oom_kill"))))
            })?;
            self.oom_kills = of_events(&events, "oom_kill").max(below);
        }
        if let Some(stat) = read(group, "io.stat")? {
            self.read_bytes = Some(of_devices(&stat, "rbytes"));
            self.read_operations = Some(of_devices(&stat, "rios"));
            self.written_bytes = Some(of_devices(&stat, "wbytes"));
            self.write_operations = Some(of_devices(&stat, "wios"));
        }
        let pressure = |file| Ok(read(group, file)?.and_then(|text| Pressure::parse(&text)));
        self.cpu_pressure = pressure("cpu.pressure")?;
        self.memory_pressure = pressure("memory.pressure")?;
        self.io_pressure = pressure("io.pressure")?;
        Ok(())
    }

    fn add_v1(&mut self, group: &Group) -> Result<()> {
        let number = |file, key| Ok(read(group, file)?.and_then(|text| value(&text, key)));
        if let Some(stat) = read(group, "cpu.stat")? {
            let throttled = value(&stat, Some("throttled_time")).map(Duration::from_nanos);
            self.add_quota(&stat, throttled);
        }
        // That of version 2 is as exact and has user and system time that add up to it.
        if self.cpu.is_none()
            && let Some(cpu) = number("cpuacct.usage", None)?.map(Duration::from_nanos)
        {
            self.cpu = Some(cpu);
            let nanos = |file| Ok(number(file, None)?.map(Duration::from_nanos));
            let parts = nanos("cpuacct.usage_user")?.zip(nanos("cpuacct.usage_sys")?);
            let parts = parts.map(|(user, system)| divide(cpu, user, system));
            self.user = parts.map(|(user, _)| user);
            self.system = parts.map(|(_, system)| system);
        }
        if let Some(memory) = number("memory.usage_in_bytes", None)? {
            self.memory = Some(memory);
            self.memory_peak = number("memory.max_usage_in_bytes", None)?;
            self.memory_limit = limit(group, "memory.limit_in_bytes")?;
            // Where memory and swap together have the same limit, that one is reached first.
            let both = number("memory.memsw.failcnt", None)?.unwrap_or(0);
            self.limit_hits = number("memory.failcnt", None)?.map(|hits| hits.saturating_add(both));
            // Each group counts its own only, and one that was removed has taken its count along.
            self.oom_kills = sum(group, &|group| {
                Ok(read(group, "memory.oom_control")?.and_then(|text| value(&text, Some("oom_kill"))))
            })?;
            let killed = self.oom_kills.is_some_and(|kills| kills > 0);
            self.own_limit_killed = killed && self.limit_hits.is_some_and(|hits| hits > 0);
        }
        const BYTES: &str = "blkio.throttle.io_service_bytes_recursive";
        if let Some(bytes) = read(group, BYTES)? {
            let requests = read(group, "blkio.throttle.io_serviced_recursive")?.unwrap_or_default();
            self.read_bytes = of_lines(&bytes, "Read");
            self.read_operations = of_lines(&requests, "Read");
            self.written_bytes = of_lines(&bytes, "Write");
            self.write_operations = of_lines(&requests, "Write");
        }
        Ok(())
    }

    fn add_quota(&mut self, stat: &[u8], throttled: Option<Duration>) {
        if let Some(periods) = value(stat, Some("nr_periods")) {
            self.periods = Some(periods);
            self.throttled_periods = value(stat, Some("nr_throttled"));
            self.throttled = throttled;
            self.bursts = value(stat, Some("nr_bursts"));
        }
    }

    /// The files are the same in both versions.
    fn add_pids(&mut self, group: &Group) -> Result<()> {
        let number = |file, key| Ok(read(group, file)?.and_then(|text| value(&text, key)));
        if let Some(pids) = number("pids.current", None)? {
            self.pids = Some(pids);
            self.pids_peak = number("pids.peak", None)?;
            self.pids_limit = limit(group, "pids.max")?;
            // Version 1, and version 2 before Linux 6.11, count where the fork failed. Since then version 2 counts where
            // the limit is and above, and has another file for what each group counts by itself; the mount option
            // pids_localevents makes it count as before.
            let below = sum(group, &|group| {
                let local = read(group, "pids.events.local")?;
                let events = local.map_or_else(|| read(group, "pids.events"), |local| Ok(Some(local)))?;
                Ok(events.and_then(|text| value(&text, Some("max"))))
            })?;
            self.failed_forks = number("pids.events", Some("max"))?.max(below);
        }
        Ok(())
    }
}

/// The sum of what this group and those below it count, each for itself; none where this one does not count.
fn sum(group: &Group, of: &dyn Fn(&Group) -> Result<Option<u64>>) -> Result<Option<u64>> {
    let Some(mut total) = of(group)? else { return Ok(None) };
    let gone = |e: &crate::error::Error| e.is_gone() || e.errno() == Some(Errno::ENODEV);
    let children = match group.children() {
        Err(e) if gone(&e) => return Ok(Some(total)),
        children => children?,
    };
    for child in children {
        match child.and_then(|child| sum(&child, of)) {
            Err(e) if gone(&e) => {}
            found => total = total.saturating_add(found?.unwrap_or(0)),
        }
    }
    Ok(Some(total))
}

/// The number in a limit's file; none where it sets no limit.
fn limit(group: &Group, file: &str) -> Result<Option<u64>> {
    Ok(read(group, file)?.filter(|text| is_limit(text)).and_then(|text| value(&text, None)))
}

/// Divides time as these two stand to each other: they are counted by ticks, and the whole exactly. The kernel does
/// so for version 2. Source: cputime_adjust of its kernel/sched/cputime.c.
pub fn divide(whole: Duration, user: Duration, system: Duration) -> (Duration, Duration) {
    let ticks = user.as_nanos().saturating_add(system.as_nanos());
    let of_system = whole.as_nanos().saturating_mul(system.as_nanos()).checked_div(ticks).unwrap_or(0);
    let system = Duration::from_nanos(of_system.try_into().unwrap_or(u64::MAX)).min(whole);
    (whole - system, system)
}

/// The sum over devices of what has this key in `io.stat`: `254:0 rbytes=4096 wbytes=0`. A device that nothing was
/// done to has no line.
pub fn of_devices(text: &[u8], key: &str) -> u64 {
    let words = text.split(|b| b.is_ascii_whitespace());
    let number = |word: &[u8]| digits::<u64>(word.strip_prefix(key.as_bytes())?.strip_prefix(b"=")?);
    words.filter_map(number).fold(0, u64::saturating_add)
}

/// The sum over devices of the lines of this kind: `254:0 Read 4096`. The kinds are two partitions of the same: reads
/// and writes, and synchronous ones and others. None where there is no device: since Linux 6.10 those are counted only
/// that somebody has limited since the machine was started.
pub fn of_lines(text: &[u8], kind: &str) -> Option<u64> {
    let number = |line: &[u8]| {
        let mut words = line.split(|&b| b == b' ');
        let device = words.next()?.contains(&b':');
        let number = (device && words.next()? == kind.as_bytes()).then(|| words.next())??;
        digits::<u64>(number).filter(|_| words.next().is_none())
    };
    text.split(|&b| b == b'\n').filter_map(number).reduce(u64::saturating_add)
}

impl Pressure {
    /// Reads a file such as `memory.pressure`, of whose lines the totals are in microseconds:
    /// `some avg10=0.00 avg60=0.00 avg300=0.00 total=0`. None where there is no line for some.
    pub fn parse(text: &[u8]) -> Option<Pressure> {
        let total = |kind: &str| {
            let line = |line: &'_ [u8]| {
                let mut words = line.split(|&b| b == b' ');
                (words.next()? == kind.as_bytes()).then_some(())?;
                words.find_map(|word| digits(word.strip_prefix(b"total=")?))
            };
            text.split(|&b| b == b'\n').find_map(line).map(Duration::from_micros)
        };
        Some(Pressure { some: total("some")?, full: total("full") })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_of_all_devices_are_added() {
        let stat = b"254:0 rbytes=4096 wbytes=1 rios=2 wios=3 dbytes=0 dios=0\n8:16 \n8:0 rbytes=10 rios=1";
        let cases = [
            (&stat[..], "rbytes", 4106),
            (stat, "wbytes", 1),
            (stat, "rios", 3),
            (stat, "wios", 3),
            (stat, "ios", 0),
            (b"", "rbytes", 0),
            (b"8:0 rbytes=18446744073709551615\n8:1 rbytes=2", "rbytes", u64::MAX),
            (b"8:0 rbytes=-1 rbytes=+2 rbytes= rbytes", "rbytes", 0),
            (b"\xff rbytes=7\0", "rbytes", 0),
        ];
        for (text, key, expected) in cases {
            assert_eq!(of_devices(text, key), expected, "{key} in {}", String::from_utf8_lossy(text));
        }
    }

    #[test]
    fn pitfall_23_of_the_two_partitions_of_blkio_one_is_added() {
        let text =
            b"254:0 Read 1048576\n254:0 Write 4096\n254:0 Sync 1052672\n254:0 Async 0\n254:0 Discard 1\n\
            254:0 Total 1052672\n8:0 Read 4\n8:0 Write 0\nTotal 1052676";
        assert_eq!((of_lines(text, "Read"), of_lines(text, "Write")), (Some(1048580), Some(4096)));
        for nothing in
            [&b"Total 0"[..], b"", b"Read 5", b"8:0 Read", b"8:0 Read -5", b"8:0 Read 5 6", b"8:0 Reads 5"]
        {
            assert_eq!(of_lines(nothing, "Read"), None, "{}", String::from_utf8_lossy(nothing));
        }
    }

    #[test]
    fn pressure_is_what_some_and_all_have_lost() {
        let some = b"some avg10=0.00 avg60=0.00 avg300=0.00 total=1500";
        let both = [&some[..], b"\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=7"].concat();
        let expected = |full| Some(Pressure { some: Duration::from_micros(1500), full });
        assert_eq!(Pressure::parse(some), expected(None));
        assert_eq!(Pressure::parse(&both), expected(Some(Duration::from_micros(7))));
        for none in [&b""[..], b"full total=1", b"some avg10=0.00", b"some total=-1", b"something total=1"] {
            assert_eq!(Pressure::parse(none), None, "{}", String::from_utf8_lossy(none));
        }
    }

    #[test]
    fn time_is_divided_as_ticks_were_counted() {
        let cases = [
            (1000, (0, 0), (1000, 0)),
            (1000, (900, 90), (910, 90)),
            (1000, (0, 5), (0, 1000)),
            (0, (5, 5), (0, 0)),
            (990, (100, 200), (330, 660)),
        ];
        let time = Duration::from_millis;
        for (whole, (user, system), expected) in cases {
            let (user, system) = divide(time(whole), time(user), time(system));
            assert_eq!(((user + system).as_millis() as u64, user + system), (whole, time(whole)));
            let (user, system) = (user.as_millis() as u64, system.as_millis() as u64);
            assert!(user.abs_diff(expected.0) <= 1 && system.abs_diff(expected.1) <= 1, "{user} {system}");
        }
    }
}
