//! What the processes of a group may really use: the limits of all groups from the top down to theirs, together.

use std::cmp::Ordering;
use std::time::Duration;

use super::group::Group;
use super::layout::Layout;
use super::usage::{is_limit, read, value};
use crate::error::{Error, Result};
use crate::proc::groups::Line;
use crate::text::digits;

/// A limit on something that is counted, and the group that sets it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bound {
    /// So much there may be.
    pub most: u64,
    /// So much there is, in that group and below it.
    pub used: Option<u64>,
    /// The group: its own, or one above.
    pub group: Vec<u8>,
}

/// The limits on one thing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bounds {
    /// The smallest, of several the outermost; none where nothing is limited.
    pub least: Option<Bound>,
    /// That of which least is left, where it is another: others have used what is above.
    pub tightest: Option<Bound>,
    /// Are there groups above, whose limits hold too, that cannot be seen from here?
    pub hidden_above: bool,
}

/// A share of CPU time, and the group that sets it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quota {
    /// Microseconds of CPU time in each period.
    pub quota: u64,
    /// The period, microseconds.
    pub period: u64,
    /// The group: its own, or one above.
    pub group: Vec<u8>,
    /// What the quota did: it is counted where it is set.
    pub throttling: Throttling,
}

/// How often and how long the processes of a group had to wait for the next period.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Throttling {
    /// Periods in which something ran.
    pub periods: Option<u64>,
    /// Those of them in which the quota was used up.
    pub throttled: Option<u64>,
    /// The time that was lost, summed over CPUs.
    pub time: Option<Duration>,
}

/// All quotas that hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Quotas {
    /// The outermost first.
    pub all: Vec<Quota>,
    /// As in [`Bounds`].
    pub hidden_above: bool,
}

/// What may be used, each with why it is not known. Sources: cgroup-v2.rst; memory.rst, pids.rst and cpusets.rst in
/// Documentation/admin-guide/cgroup-v1, and sched-bwc.rst.
#[derive(Clone, Debug)]
pub struct Effective {
    /// CPU time.
    pub cpu: Result<Quotas>,
    /// The CPUs of the group, as the kernel lists them; none where no cpuset says so.
    pub cpuset: Result<Option<Vec<u8>>>,
    /// Memory in bytes.
    pub memory: Result<Bounds>,
    /// Memory beyond which a group is slowed down. Version 2.
    pub high: Result<Bounds>,
    /// Swap in bytes. Version 2.
    pub swap: Result<Bounds>,
    /// Memory and swap together. Version 1.
    pub memory_and_swap: Result<Bounds>,
    /// Processes and threads.
    pub pids: Result<Bounds>,
}

impl Effective {
    /// Reads what holds for a process in these groups.
    pub fn take(layout: &Layout, lines: &[Line]) -> Effective {
        let bounds = |controller, most: &[&str], used: &[&str]| bounds(layout, lines, controller, most, used);
        Effective {
            cpu: quotas(layout, lines),
            cpuset: cpuset(layout, lines),
            memory: bounds(
                "memory",
                &["memory.max", "memory.limit_in_bytes"],
                &["memory.current", "memory.usage_in_bytes"],
            ),
            high: bounds("memory", &["memory.high"], &["memory.current"]),
            swap: bounds("memory", &["memory.swap.max"], &["memory.swap.current"]),
            memory_and_swap: bounds(
                "memory",
                &["memory.memsw.limit_in_bytes"],
                &["memory.memsw.usage_in_bytes"],
            ),
            pids: bounds("pids", &["pids.max"], &["pids.current"]),
        }
    }

    /// Where the hierarchies could not be found.
    pub fn unknown(why: &Error) -> Effective {
        let bounds = || Err(why.clone());
        Effective {
            cpu: Err(why.clone()),
            cpuset: Err(why.clone()),
            memory: bounds(),
            high: bounds(),
            swap: bounds(),
            memory_and_swap: bounds(),
            pids: bounds(),
        }
    }
}

impl Quota {
    /// So many CPUs at most, in millionths.
    pub fn millionths(&self) -> u64 {
        let share = u128::from(self.quota) * 1_000_000 / u128::from(self.period.max(1));
        share.try_into().unwrap_or(u64::MAX)
    }

    fn compare(&self, other: &Quota) -> Ordering {
        let product = |one: &Quota, other: &Quota| u128::from(one.quota) * u128::from(other.period);
        product(self, other).cmp(&product(other, self))
    }
}

impl Quotas {
    /// The smallest, of several the outermost.
    pub fn least(&self) -> Option<&Quota> {
        self.all.iter().min_by(|one, other| one.compare(other))
    }
}

impl Bounds {
    /// Of the limits of groups, the outermost first.
    fn of(all: Vec<Bound>, hidden_above: bool) -> Bounds {
        let left = |bound: &Bound| Some(bound.most.saturating_sub(bound.used?));
        let least = all.iter().min_by_key(|bound| bound.most).cloned();
        let tightest = all.iter().filter(|bound| bound.used.is_some()).min_by_key(|bound| left(bound));
        let tightest = tightest.filter(|tightest| {
            least.as_ref().is_some_and(|least| least.group != tightest.group && left(tightest) < left(least))
        });
        Bounds { tightest: tightest.cloned(), least, hidden_above }
    }
}

/// Shows `look` the groups from the mount point down, of the hierarchy that has this controller. Answers whether there
/// are others above. Where no hierarchy has it, it limits nobody.
fn each(
    layout: &Layout,
    lines: &[Line],
    controller: &str,
    mut look: impl FnMut(&Group) -> Result<()>,
) -> Result<bool> {
    let has = |line: &&Line| line.controllers.iter().any(|name| name == controller.as_bytes());
    let of_v2 = || lines.iter().find(|line| line.controllers.is_empty());
    let Some(line) = lines.iter().find(has).or_else(of_v2) else { return Ok(false) };
    let (hierarchy, group) = layout.locate(line)?;
    hierarchy.chain(&group).try_for_each(|group| look(&group?))?;
    Ok(!hierarchy.sees_all)
}

/// What the first of these files says that the group has.
fn first(group: &Group, files: &[&str]) -> Result<Option<Vec<u8>>> {
    for file in files {
        if let Some(text) = read(group, file)? {
            return Ok(Some(text));
        }
    }
    Ok(None)
}

fn bounds(layout: &Layout, lines: &[Line], controller: &str, most: &[&str], used: &[&str]) -> Result<Bounds> {
    let mut all = Vec::new();
    let hidden_above = each(layout, lines, controller, |group| {
        let text = first(group, most)?.filter(|text| is_limit(text));
        if let Some(most) = text.and_then(|text| digits(&text)) {
            let used = first(group, used)?.and_then(|text| digits(&text));
            all.push(Bound { most, used, group: group.path.clone() });
        }
        Ok(())
    })?;
    Ok(Bounds::of(all, hidden_above))
}

fn quotas(layout: &Layout, lines: &[Line]) -> Result<Quotas> {
    let mut all = Vec::new();
    let hidden_above = each(layout, lines, "cpu", |group| {
        let pair = match read(group, "cpu.max")? {
            Some(text) => quota_of(&text),
            None => {
                let number =
                    |file| Ok(read(group, file)?.filter(|text| is_limit(text)).and_then(|n| digits(&n)));
                number("cpu.cfs_quota_us")?.zip(number("cpu.cfs_period_us")?)
            }
        };
        if let Some((quota, period)) = pair {
            let stat = read(group, "cpu.stat")?.unwrap_or_default();
            let throttling = Throttling::parse(&stat);
            all.push(Quota { quota, period, group: group.path.clone(), throttling });
        }
        Ok(())
    })?;
    Ok(Quotas { all, hidden_above })
}

/// Quota and period of `cpu.max`; none where it sets no limit.
fn quota_of(text: &[u8]) -> Option<(u64, u64)> {
    let mut words = text.split(|&b| b == b' ').map(digits);
    words.next()?.zip(words.next()?)
}

impl Throttling {
    /// Reads `cpu.stat` of either version: one counts nanoseconds, the other microseconds.
    fn parse(stat: &[u8]) -> Throttling {
        let of = |key| value(stat, Some(key));
        Throttling {
            periods: of("nr_periods"),
            throttled: of("nr_throttled"),
            time: of("throttled_usec")
                .map(Duration::from_micros)
                .or_else(|| of("throttled_time").map(Duration::from_nanos)),
        }
    }
}

/// That of the group itself, or of the nearest above that has the file: on version 2 the CPUs are handed down so.
fn cpuset(layout: &Layout, lines: &[Line]) -> Result<Option<Vec<u8>>> {
    const FILES: &[&str] = &[
        "cpuset.cpus.effective",
        "cpuset.effective_cpus",
        // Where version 1 is mounted without its prefix.
        "effective_cpus",
    ];
    let mut last = None;
    each(layout, lines, "cpuset", |group| {
        if let Some(text) = first(group, FILES)? {
            last = Some(text);
        }
        Ok(())
    })?;
    Ok(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bound(most: u64, used: Option<u64>, group: &str) -> Bound {
        Bound { most, used, group: group.into() }
    }

    #[test]
    fn the_smallest_limit_holds_and_others_may_have_used_one_above() {
        let of = |all: &[Bound]| {
            let bounds = Bounds::of(all.to_vec(), false);
            let name =
                |bound: Option<Bound>| bound.map(|bound| String::from_utf8(bound.group).unwrap_or_default());
            (name(bounds.least), name(bounds.tightest))
        };
        let (a, b) = (Some("a".to_string()), Some("b".to_string()));
        let cases = [
            (vec![], (None, None)),
            (vec![bound(5, None, "a"), bound(5, None, "b")], (a.clone(), None)),
            (vec![bound(100, Some(20), "a"), bound(50, Some(10), "b")], (b.clone(), None)),
            (vec![bound(100, Some(95), "a"), bound(50, Some(10), "b")], (b.clone(), a.clone())),
            (vec![bound(10, Some(95), "a"), bound(50, Some(10), "b")], (a.clone(), None)),
            (vec![bound(10, Some(1), "a"), bound(50, Some(50), "b")], (a, b)),
        ];
        for (all, expected) in cases {
            assert_eq!(of(&all), expected, "{all:?}");
        }
    }

    #[test]
    fn quotas_are_compared_by_their_share() {
        let quota = |quota, period, group: &str| Quota {
            quota,
            period,
            group: group.into(),
            throttling: Throttling::default(),
        };
        let all =
            vec![quota(50_000, 100_000, "a"), quota(100_000, 1_000_000, "b"), quota(20_000, 100_000, "c")];
        let quotas = Quotas { all, hidden_above: false };
        let least = quotas.least().map(|least| (&least.group[..], least.millionths()));
        assert_eq!(least, Some((&b"b"[..], 100_000)));
        assert_eq!(quota(17_592_186_044_415, 1000, "").millionths(), 17_592_186_044_415_000);
        assert_eq!(quota(u64::MAX, 0, "").millionths(), u64::MAX);
        assert_eq!(Quotas::default().least(), None);
    }

    #[test]
    fn a_quota_is_two_numbers_and_its_time_has_two_units() {
        let cases = [
            (&b"20000 100000"[..], Some((20_000, 100_000))),
            (b"max 100000", None),
            (b"20000", None),
            (b"", None),
            (b"-1 5", None),
        ];
        for (text, expected) in cases {
            assert_eq!(quota_of(text), expected, "{}", String::from_utf8_lossy(text));
        }
        let v2 = Throttling::parse(b"usage_usec 1\nnr_periods 3\nnr_throttled 2\nthrottled_usec 1500");
        let v1 = Throttling::parse(b"nr_periods 3\nnr_throttled 2\nthrottled_time 1500000");
        let both = (Some(3), Some(2), Some(Duration::from_micros(1500)));
        assert_eq!((v1.periods, v1.throttled, v1.time), both);
        assert_eq!(v1, v2);
        assert_eq!(Throttling::parse(b""), Throttling::default());
    }
}
