//! The same as JSON: times in microseconds, sizes in bytes, as the keys say.

use std::time::Duration;

use common::cgroup::effective::{Bound, Bounds, Quota, Quotas};
use common::cgroup::usage::{InForce, Stall, Stalls, Usage};
use common::error::{Error, Result};
use common::tool::json::Value;

use super::super::{list, or_null, text, yes};
use super::{Cgroup, Facts, Namespace};

pub(super) fn facts(facts: &Facts) -> Value {
    Value::Object(vec![
        ("namespace", namespace(facts)),
        ("may_use", may_use(facts)),
        ("groups", list(&facts.groups, cgroup)),
        ("usage", or_null(&facts.usage, |used| used.as_ref().map_or(Value::Null, usage))),
        ("pressure", {
            let of = |stalls: &Option<Stalls>| stalls.as_ref().map_or(Value::Null, self::stalls);
            let pressure = &facts.pressure;
            Value::Object(vec![
                ("cpu", of(&pressure.cpu)),
                ("memory", of(&pressure.memory)),
                ("io", of(&pressure.io)),
            ])
        }),
        (
            "frozen",
            or_null(&facts.frozen, |frozen| {
                Value::Object(vec![
                    ("state", text(frozen.state.name())),
                    ("by", frozen.by.as_deref().map_or(Value::Null, text)),
                ])
            }),
        ),
    ])
}

pub(super) fn missing(facts: &Facts) -> Vec<(&'static str, &Error)> {
    let effective = &facts.effective;
    let parts = [
        ("groups.namespace_root", facts.groups.iter().find_map(|cgroup| cgroup.root.as_ref().err())),
        ("may_use.machine", facts.machine.as_ref().err()),
        ("may_use.cpus", effective.cpu.as_ref().err()),
        ("may_use.cpus.allowed", facts.allowed.as_ref().err()),
        ("may_use.cpus.cpuset", effective.cpuset.as_ref().err()),
        ("may_use.memory", effective.memory.as_ref().err()),
        ("may_use.memory_high", effective.high.as_ref().err()),
        ("may_use.swap", effective.swap.as_ref().err()),
        ("may_use.memory_and_swap", effective.memory_and_swap.as_ref().err()),
        ("may_use.pids", effective.pids.as_ref().err()),
        ("usage", facts.usage.as_ref().err()),
        ("pressure", facts.pressure.failed.as_ref()),
        ("frozen", facts.frozen.as_ref().err()),
    ];
    let limits =
        facts.groups.iter().filter_map(|cgroup| Some(("groups.limits", cgroup.limits.as_ref().err()?)));
    super::super::missing(parts).into_iter().chain(limits).collect()
}

fn namespace(facts: &Facts) -> Value {
    let (ours, initial) = match &facts.namespace {
        Namespace::Ours(initial) => (Some(true), *initial),
        Namespace::Other(initial, _) => (Some(false), *initial),
        Namespace::Unknown(_) => (None, None),
    };
    Value::Object(vec![("ours", yes(ours)), ("initial", yes(initial))])
}

fn may_use(facts: &Facts) -> Value {
    let effective = &facts.effective;
    let machine = facts.machine.as_ref().ok();
    Value::Object(vec![
        ("cpus", or_null(&effective.cpu, |quotas| cpus(facts, quotas))),
        ("memory", or_null(&effective.memory, |of| bounds(of, "limit_bytes", "used_bytes"))),
        ("memory_high", or_null(&effective.high, |of| bounds(of, "limit_bytes", "used_bytes"))),
        ("swap", or_null(&effective.swap, |of| bounds(of, "limit_bytes", "used_bytes"))),
        (
            "memory_and_swap",
            or_null(&effective.memory_and_swap, |of| bounds(of, "limit_bytes", "used_bytes")),
        ),
        ("pids", or_null(&effective.pids, |of| bounds(of, "limit", "used"))),
        (
            "machine",
            or_null(&facts.machine, |_| {
                let number = |of: fn(&common::proc::machine::Machine) -> u64| Value::number(machine.map(of));
                Value::Object(vec![
                    ("cpus", number(|machine| machine.cpus.count())),
                    ("memory_bytes", number(|machine| machine.memory)),
                    ("swap_bytes", number(|machine| machine.swap)),
                ])
            }),
        ),
    ])
}

fn cpus(facts: &Facts, quotas: &Quotas) -> Value {
    let least = quotas.least();
    let of = |number: fn(&Quota) -> u64| Value::number(least.map(number));
    Value::Object(vec![
        ("count", facts.cpus().map_or(Value::Null, Value::Millionths)),
        ("quota_usec", of(|quota| quota.quota)),
        ("period_usec", of(|quota| quota.period)),
        ("set_by", least.map_or(Value::Null, |quota| text(quota.group.as_slice()))),
        ("allowed", or_null(&facts.allowed, |cpus| text(cpus.list()))),
        ("cpuset", or_null(&facts.effective.cpuset, |set| set.as_deref().map_or(Value::Null, text))),
        ("hidden_above", Value::Bool(quotas.hidden_above)),
        ("throttling", list(&quotas.all, throttling)),
    ])
}

fn throttling(quota: &Quota) -> Value {
    let throttling = &quota.throttling;
    Value::Object(vec![
        ("group", text(quota.group.as_slice())),
        ("quota_usec", Value::Number(quota.quota)),
        ("period_usec", Value::Number(quota.period)),
        ("periods", Value::number(throttling.periods)),
        ("throttled_periods", Value::number(throttling.throttled)),
        ("throttled_usec", micros(throttling.time)),
    ])
}

/// The keys name the unit.
fn bounds(bounds: &Bounds, limit: &'static str, used: &'static str) -> Value {
    let one = |bound: &Bound| {
        vec![
            (limit, Value::Number(bound.most)),
            (used, Value::number(bound.used)),
            ("set_by", text(bound.group.as_slice())),
        ]
    };
    let nothing = || vec![(limit, Value::Null), (used, Value::Null), ("set_by", Value::Null)];
    let mut members = bounds.least.as_ref().map_or_else(nothing, one);
    members
        .push(("tightest", bounds.tightest.as_ref().map_or(Value::Null, |bound| Value::Object(one(bound)))));
    members.push(("hidden_above", Value::Bool(bounds.hidden_above)));
    Value::Object(members)
}

fn cgroup(cgroup: &Cgroup) -> Value {
    let limit = |limit: &InForce| {
        Value::Object(vec![
            ("file", text(limit.file)),
            ("value", text(limit.value.as_slice())),
            ("set_by", text(limit.group.as_slice())),
        ])
    };
    Value::Object(vec![
        ("hierarchy", Value::Number(cgroup.line.hierarchy)),
        ("controllers", list(&cgroup.line.controllers, |name| text(name.as_slice()))),
        ("path", text(cgroup.line.path.as_slice())),
        ("namespace_root", or_null(&cgroup.root, |root| text(root.as_slice()))),
        ("dir", cgroup.dir.as_deref().map_or(Value::Null, text)),
        ("limits", or_null(&cgroup.limits, |limits| list(limits, limit))),
        ("hidden_above", Value::Bool(cgroup.hidden_above)),
    ])
}

fn usage(usage: &Usage) -> Value {
    let number = |number: Option<u64>| Value::number(number);
    Value::Object(vec![
        ("cpu_usec", micros(usage.cpu)),
        ("cpu_user_usec", micros(usage.user)),
        ("cpu_system_usec", micros(usage.system)),
        ("memory_bytes", number(usage.memory)),
        ("memory_peak_bytes", number(usage.memory_peak)),
        ("memory_limit_hits", number(usage.limit_hits)),
        ("memory_high_hits", number(usage.high_hits)),
        ("swap_bytes", number(usage.swap)),
        ("oom_kills", number(usage.oom_kills)),
        ("pids", number(usage.pids)),
        ("pids_peak", number(usage.pids_peak)),
        ("failed_forks", number(usage.failed_forks)),
        ("read_bytes", number(usage.read_bytes)),
        ("read_operations", number(usage.read_operations)),
        ("written_bytes", number(usage.written_bytes)),
        ("write_operations", number(usage.write_operations)),
    ])
}

fn stalls(stalls: &Stalls) -> Value {
    let one = |stall: &Stall| {
        // Percent.
        let share = |hundredths: u64| Value::Millionths(hundredths.saturating_mul(10_000));
        Value::Object(vec![
            ("avg10", share(stall.avg10)),
            ("avg60", share(stall.avg60)),
            ("avg300", share(stall.avg300)),
            ("total_usec", micros(Some(stall.total))),
        ])
    };
    Value::Object(vec![("some", one(&stalls.some)), ("full", stalls.full.as_ref().map_or(Value::Null, one))])
}

fn micros(time: Option<Duration>) -> Value {
    time.map_or(Value::Null, |time| Value::Number(time.as_micros().try_into().unwrap_or(u64::MAX)))
}

impl Facts {
    /// So many CPUs it may use at one time, in millionths: those that it may run on and that are online, or the quota
    /// where that is less. None where one of these is not known.
    pub(super) fn cpus(&self) -> Option<u64> {
        let on = self.on().ok()?.count().saturating_mul(1_000_000);
        let quotas = self.effective.cpu.as_ref().ok()?;
        Some(quotas.least().map_or(on, |quota| quota.millionths().min(on)))
    }

    /// Those that it may run on and that are online.
    pub(super) fn on(&self) -> Result<common::proc::cpus::Cpus> {
        let machine = self.machine.as_ref().map_err(Error::clone)?;
        Ok(self.allowed.as_ref().map_err(Error::clone)?.and(&machine.cpus))
    }
}
