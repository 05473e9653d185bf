//! The same for people: what may be used comes first.

use std::time::Duration;

use common::cgroup::effective::{Bound, Bounds, Quota};
use common::cgroup::frozen::State;
use common::cgroup::usage::{InForce, Stall, Stalls, Usage};
use common::error::Error;
use common::proc::cpus::Cpus;
use common::proc::machine::Machine;
use common::text::{digits, size};
use common::tool::paint::Paint;
use common::tool::table::{Cell, Column, Shape};

use super::super::super::page::{Page, not_readable};
use super::{Cgroup, Facts, Namespace};

pub(super) fn page(facts: &Facts, page: &mut Page) {
    cpus(facts, page);
    memory(facts, page);
    swap(facts, page);
    pids(facts, page);
    seen_inside(facts, page);
    frozen(facts, page);
    groups(facts, page);
    limits(facts, page);
    used(facts, page);
}

/// Begins a part of the section.
fn part(page: &mut Page, title: &str) {
    page.out.push('\n');
    let title = page.paint(title, Paint::Bold);
    page.remark(&title);
}

/// By whom a limit is set.
fn set_by(facts: &Facts, page: &Page, group: &[u8]) -> String {
    match facts.groups.iter().any(|cgroup| cgroup.dir.as_deref() == Some(group)) {
        true => "set by its own group".into(),
        false => format!("set by {}", page.show(group)),
    }
}

fn cpus(facts: &Facts, page: &mut Page) {
    let quotas = match &facts.effective.cpu {
        Ok(quotas) => quotas,
        Err(e) => return page.missing("CPUs", e),
    };
    let least = quotas.least();
    let machine = facts.machine.as_ref().ok();
    let of = machine.map_or(String::new(), |machine| format!(" of {}", machine.cpus.count()));
    let mut pieces = Vec::new();
    pieces.push(match (facts.cpus(), least) {
        (Some(count), _) => format!("{}{of}", decimal(count)),
        (None, Some(quota)) => format!("{}{of}", decimal(quota.millionths())),
        (None, None) => format!("unknown{of}"),
    });
    match least {
        Some(quota) => {
            pieces.push(format!("{} in each {}", time(quota.quota), time(quota.period)));
            pieces.push(set_by(facts, page, &quota.group));
        }
        None => pieces.push("no quota".into()),
    }
    page.flow("CPUs", &pieces, Paint::Plain);
    match (&facts.allowed, machine) {
        (Ok(allowed), Some(machine)) => {
            let on = allowed.and(&machine.cpus);
            if on != machine.cpus {
                page.line("", &only_on(&on, facts.effective.cpuset.as_ref().ok(), machine));
            }
        }
        (Err(e), _) => page.line("", &format!("on which of them is {}", not_readable(e))),
        _ => {}
    }
    if let Err(e) = &facts.machine {
        page.missing("machine", e);
    }
    for quota in quotas.all.iter().filter(|quota| quota.throttling.periods.is_some_and(|n| n > 0)) {
        let throttling = &quota.throttling;
        let mut pieces = vec![format!(
            "{} of {} periods",
            throttling.throttled.unwrap_or(0),
            throttling.periods.unwrap_or(0)
        )];
        pieces.extend(throttling.time.map(seconds));
        pieces.push(of_quota(facts, page, quota));
        let paint = if throttling.throttled.is_some_and(|n| n > 0) { Paint::Bright } else { Paint::Plain };
        page.flow("throttled", &pieces, paint);
    }
}

/// Whose quota it was.
fn of_quota(facts: &Facts, page: &Page, quota: &Quota) -> String {
    format!("by that {}", set_by(facts, page, &quota.group))
}

/// The CPUs of its group, or fewer to which it was bound itself.
fn only_on(on: &Cpus, cpuset: Option<&Option<Vec<u8>>>, machine: &Machine) -> String {
    let set = cpuset.and_then(|set| Cpus::parse(set.as_deref()?)).map(|set| set.and(&machine.cpus));
    let why = match set {
        Some(set) if set == *on => "the cpuset of its group",
        Some(_) => "it was bound to them: sched_setaffinity(2)",
        None => "its cpuset, or it was bound to them",
    };
    let plural = if on.count() == 1 { "" } else { "s" };
    format!("only on CPU{plural} {} ({why})", on.list())
}

fn memory(facts: &Facts, page: &mut Page) {
    let machine = facts.machine.as_ref().ok().map(|machine| machine.memory);
    match &facts.effective.memory {
        Err(e) => page.missing("memory", e),
        Ok(bounds) => {
            let mut pieces = amount(bounds, machine);
            pieces.extend(bounds.least.iter().map(|bound| set_by(facts, page, &bound.group)));
            page.flow("memory", &pieces, Paint::Plain);
            tightest(bounds, page, size);
        }
    }
    if let Ok(Bounds { least: Some(high), .. }) = &facts.effective.high {
        let pieces = [format!("slowed down beyond {}", size(high.most)), set_by(facts, page, &high.group)];
        page.flow("", &pieces, Paint::Plain);
    }
}

/// So much of all that there is.
fn amount(bounds: &Bounds, machine: Option<u64>) -> Vec<String> {
    let all = |machine: Option<u64>| {
        machine.map_or("all of the machine".into(), |all| format!("{}, all of the machine", size(all)))
    };
    match &bounds.least {
        None => vec![all(machine), "no limit".into()],
        Some(bound) => {
            let mut pieces = match machine {
                Some(machine) if bound.most >= machine => {
                    vec![all(Some(machine)), format!("the limit is {}", size(bound.most))]
                }
                Some(machine) => vec![format!("{} of {}", size(bound.most), size(machine))],
                None => vec![size(bound.most)],
            };
            pieces.extend(bound.used.map(|used| format!("{} in use", size(used))));
            pieces
        }
    }
}

/// Where a group above has less left than the smallest limit lets one think.
fn tightest(bounds: &Bounds, page: &mut Page, show: fn(u64) -> String) {
    if let Some(Bound { most, used: Some(used), group }) = &bounds.tightest {
        let pieces = [
            format!("only {} more", show(most.saturating_sub(*used))),
            format!("{} of {} are in use in {}", show(*used), show(*most), page.show(group)),
        ];
        page.flow("", &pieces, Paint::Bright);
    }
}

fn swap(facts: &Facts, page: &mut Page) {
    let machine = facts.machine.as_ref().ok().map(|machine| machine.swap);
    let effective = &facts.effective;
    match (&effective.swap, &effective.memory_and_swap) {
        _ if machine == Some(0) => page.line("swap", "none: the machine has none"),
        (Err(e), _) | (_, Err(e)) => page.missing("swap", e),
        (Ok(Bounds { least: Some(bound), .. }), _) if bound.most == 0 => {
            page.flow("swap", &["none".into(), set_by(facts, page, &bound.group)], Paint::Plain);
        }
        (Ok(_), Ok(Bounds { least: Some(both), .. })) => {
            let mut pieces = vec![format!("{} together with memory", size(both.most))];
            pieces.extend(both.used.map(|used| format!("{} in use", size(used))));
            pieces.push(set_by(facts, page, &both.group));
            page.flow("swap", &pieces, Paint::Plain);
        }
        (Ok(bounds), _) => {
            let mut pieces = amount(bounds, machine);
            pieces.extend(bounds.least.iter().map(|bound| set_by(facts, page, &bound.group)));
            page.flow("swap", &pieces, Paint::Plain);
        }
    }
}

fn pids(facts: &Facts, page: &mut Page) {
    match &facts.effective.pids {
        Err(e) => page.missing("processes", e),
        Ok(Bounds { least: None, .. }) => page.line("processes", "no limit"),
        Ok(bounds) => {
            if let Some(bound) = &bounds.least {
                let mut pieces = vec![format!("{} and threads", bound.most)];
                pieces.extend(bound.used.map(|used| format!("{used} in use")));
                pieces.push(set_by(facts, page, &bound.group));
                let full = bound.used.is_some_and(|used| used >= bound.most);
                page.flow("processes", &pieces, if full { Paint::Alarm } else { Paint::Plain });
            }
            tightest(bounds, page, |number| number.to_string());
        }
    }
}

/// What a program inside is told, that knows nothing of groups.
fn seen_inside(facts: &Facts, page: &mut Page) {
    let Ok(machine) = &facts.machine else { return };
    let least = facts.effective.memory.as_ref().ok().and_then(|bounds| bounds.least.as_ref());
    let memory = least.is_some_and(|bound| bound.most < machine.memory);
    let on = facts.on().ok().map(|on| on.count());
    let cpus = on.zip(facts.cpus()).filter(|(on, cpus)| *cpus < on.saturating_mul(1_000_000));
    let mut told = Vec::new();
    told.extend(memory.then(|| format!("/proc/meminfo tells {}", size(machine.memory))));
    told.extend(cpus.map(|(on, _)| format!("nproc tells {on}")));
    if let Some(last) = told.last_mut() {
        last.push_str(": not what it may use");
        page.flow("inside", &told, Paint::Dim);
    }
    let hidden = facts.groups.iter().any(|cgroup| cgroup.hidden_above);
    if hidden {
        let text = "limits of groups above those that are mounted here hold too, and cannot be seen";
        page.flow("hidden", &words(text), Paint::Plain);
    }
}

/// A sentence, to be broken at any space.
fn words(text: &str) -> [String; 1] {
    [text.to_string()]
}

fn frozen(facts: &Facts, page: &mut Page) {
    match &facts.frozen {
        Err(e) => page.missing("frozen", e),
        Ok(frozen) => match (frozen.state, &frozen.by) {
            (State::Thawed, _) => page.line("frozen", "no"),
            (state, by) => {
                let mut pieces = vec![match state {
                    State::Frozen => "yes: it does not run".to_string(),
                    _ => "not yet, and is to be".to_string(),
                }];
                match by {
                    Some(group) => pieces.push(set_by(facts, page, group)),
                    None => pieces.push("by a group above that cannot be seen".into()),
                }
                page.flow("frozen", &pieces, Paint::Alarm);
            }
        },
    }
}

#[rustfmt::skip]
const GROUPS: &[Column<(), Cgroup>] = &[
    Column { name: "HIERARCHY", help: "", shape: Shape::Number, cell: |_, cgroup| Cell::Number(cgroup.line.hierarchy) },
    Column { name: "CONTROLLERS", help: "", shape: Shape::Text, cell: |_, cgroup| Cell::text(Some(controllers(cgroup))) },
    Column { name: "PATH", help: "", shape: Shape::Text, cell: |_, cgroup| Cell::text(Some(cgroup.line.path.clone())) },
];

/// The same where the roots of its namespace are elsewhere.
#[rustfmt::skip]
const ROOTED: &[Column<(), Cgroup>] = &[
    Column { name: "HIERARCHY", help: "", shape: Shape::Number, cell: |_, cgroup| Cell::Number(cgroup.line.hierarchy) },
    Column { name: "CONTROLLERS", help: "", shape: Shape::Text, cell: |_, cgroup| Cell::text(Some(controllers(cgroup))) },
    Column { name: "ITS ROOT", help: "", shape: Shape::Text, cell: |_, cgroup| Cell::text(Some(cgroup.root.clone().unwrap_or_else(|_| b"unknown".to_vec()))) },
    Column { name: "PATH", help: "", shape: Shape::Text, cell: |_, cgroup| Cell::text(Some(cgroup.line.path.clone())) },
];

fn groups(facts: &Facts, page: &mut Page) {
    part(page, "groups");
    let (columns, text) = match &facts.namespace {
        Namespace::Ours(Some(true)) => (GROUPS, "ours, the initial one".to_string()),
        Namespace::Ours(_) => (GROUPS, "ours".into()),
        Namespace::Other(_, Ok(_)) => (ROOTED, "not ours: what it takes for / is told as its root".into()),
        Namespace::Other(_, Err(e)) => {
            (GROUPS, format!("not ours, and where its root is is {}", not_readable(e)))
        }
        Namespace::Unknown(e) => (GROUPS, not_readable(e)),
    };
    page.flow("namespace", &words(&text), Paint::Plain);
    match &facts.groups[..] {
        // Below each other they would be one long path again and again.
        [first, rest @ ..] if !rest.is_empty() && rest.iter().all(|other| is_same(first, other)) => {
            if let (Namespace::Other(_, Ok(_)), Ok(root)) = (&facts.namespace, &first.root) {
                page.line("its root", &page.show(root));
            }
            page.line("path", &page.show(&first.line.path));
            let one =
                |cgroup: &Cgroup| format!("{}:{}", cgroup.line.hierarchy, page.show(controllers(cgroup)));
            page.flow("the same in", &facts.groups.iter().map(one).collect::<Vec<_>>(), Paint::Plain);
        }
        groups => page.table(columns, &(), groups, |_| Paint::Plain),
    }
}

/// Do they have the same path, and are the roots of the namespace at the same?
fn is_same(one: &Cgroup, other: &Cgroup) -> bool {
    let root = |cgroup: &Cgroup| cgroup.root.as_ref().ok().cloned();
    one.line.path == other.line.path && root(one) == root(other)
}

/// The controllers of a hierarchy; that of cgroup v2 names none.
pub(super) fn controllers(cgroup: &Cgroup) -> Vec<u8> {
    match cgroup.line.controllers.is_empty() {
        true => b"(v2)".to_vec(),
        false => cgroup.line.controllers.join(&b','),
    }
}

#[rustfmt::skip]
const LIMITS: &[Column<(), InForce>] = &[
    Column { name: "LIMIT", help: "", shape: Shape::Text, cell: |_, limit| Cell::text(Some(limit.file)) },
    Column { name: "VALUE", help: "", shape: Shape::Text, cell: |_, limit| Cell::text(Some(value(limit))) },
    Column { name: "SET BY", help: "", shape: Shape::Text, cell: |_, limit| Cell::text(Some(limit.group.clone())) },
];

/// Sizes as people read them, the rest as it is.
fn value(limit: &InForce) -> Vec<u8> {
    let is_size = limit.file.starts_with("memory.") && limit.file != "memory.oom.group";
    match digits(&limit.value).filter(|_| is_size) {
        Some(bytes) => size(bytes).into_bytes(),
        None => limit.value.clone(),
    }
}

fn limits(facts: &Facts, page: &mut Page) {
    part(page, "limits in force");
    let of = |cgroup: &Cgroup| cgroup.limits.iter().flatten().cloned().collect::<Vec<_>>();
    let limits: Vec<InForce> = facts.groups.iter().flat_map(of).collect();
    let unknown = facts.groups.iter().filter_map(|cgroup| Some((cgroup, cgroup.limits.as_ref().err()?)));
    let unknown: Vec<(&Cgroup, &Error)> = unknown.collect();
    match limits.is_empty() {
        true if unknown.is_empty() => page.remark("none"),
        true => {}
        false => page.table(LIMITS, &(), &limits, |_| Paint::Plain),
    }
    for (cgroup, error) in unknown {
        let name = page.show(controllers(cgroup));
        page.remark(&format!("unknown of {name}: {}", error.reason()));
    }
}

fn used(facts: &Facts, page: &mut Page) {
    part(page, "used by its groups");
    match &facts.usage {
        Err(e) => page.remark(&not_readable(e)),
        Ok(None) => page.remark("they are roots, which stand for the whole machine"),
        Ok(Some(usage)) => usage_lines(usage, page),
    }
    let pressure = &facts.pressure;
    let rows = [("cpu", &pressure.cpu), ("memory", &pressure.memory), ("io", &pressure.io)];
    let rows: Vec<Waited> = rows
        .into_iter()
        .filter_map(|(of, stalls)| Some((of, stalls.as_ref()?)))
        .flat_map(|(of, Stalls { some, full })| {
            [Some((of, "some", *some)), full.map(|full| (of, "all", full))].into_iter().flatten()
        })
        .collect();
    if !rows.is_empty() {
        part(page, "pressure: percent of the time in which some or all processes waited");
        page.table(PRESSURE, &(), &rows, |_| Paint::Plain);
    }
    if let Some(e) = &pressure.failed {
        page.remark(&format!("pressure that is missing is {}", not_readable(e)));
    }
}

/// For what, how many waited, and how long.
type Waited = (&'static str, &'static str, Stall);

#[rustfmt::skip]
const PRESSURE: &[Column<(), Waited>] = &[
    Column { name: "FOR", help: "", shape: Shape::Text, cell: |_, (of, ..)| Cell::text(Some(*of)) },
    Column { name: "WHO", help: "", shape: Shape::Text, cell: |_, (_, who, _)| Cell::text(Some(*who)) },
    Column { name: "10 S", help: "", shape: Shape::Right, cell: |_, (.., stall)| Cell::text(Some(percent(stall.avg10))) },
    Column { name: "60 S", help: "", shape: Shape::Right, cell: |_, (.., stall)| Cell::text(Some(percent(stall.avg60))) },
    Column { name: "300 S", help: "", shape: Shape::Right, cell: |_, (.., stall)| Cell::text(Some(percent(stall.avg300))) },
    Column { name: "IN ALL", help: "", shape: Shape::Right, cell: |_, (.., stall)| Cell::text(Some(seconds(stall.total))) },
];

fn usage_lines(usage: &Usage, page: &mut Page) {
    let mut line = |label: &str, pieces: Vec<Option<String>>, paint: Paint| {
        let pieces: Vec<String> = pieces.into_iter().flatten().collect();
        if !pieces.is_empty() {
            page.flow(label, &pieces, paint);
        }
    };
    let told = |number: Option<u64>, show: fn(u64) -> String, behind: &str| {
        number.map(|number| format!("{}{behind}", show(number)))
    };
    let plain = |number: u64| number.to_string();
    line(
        "CPU time",
        vec![
            usage.cpu.map(seconds),
            usage.user.map(|time| format!("{} in programs", seconds(time))),
            usage.system.map(|time| format!("{} in the kernel", seconds(time))),
        ],
        Paint::Plain,
    );
    line(
        "memory",
        vec![told(usage.memory, size, ""), told(usage.memory_peak, size, " at most until now")],
        Paint::Plain,
    );
    line(
        "swap",
        vec![told(usage.swap, size, ""), told(usage.swap_peak, size, " at most until now")],
        Paint::Plain,
    );
    line(
        "processes",
        vec![
            told(usage.pids, plain, ""),
            told(usage.pids_peak, plain, " at most until now"),
            told(usage.failed_forks.filter(|n| *n > 0), plain, " forks failed for want of more"),
        ],
        Paint::Plain,
    );
    line(
        "block io",
        vec![told(usage.read_bytes, size, " read"), told(usage.written_bytes, size, " written")],
        Paint::Plain,
    );
    let killed = usage.oom_kills.is_some_and(|kills| kills > 0);
    line(
        "oom kills",
        vec![told(usage.oom_kills, plain, "")],
        if killed { Paint::Alarm } else { Paint::Plain },
    );
}

/// Millionths, with no more digits than it takes, at most three.
fn decimal(millionths: u64) -> String {
    let text = format!("{:.3}", millionths as f64 / 1e6);
    text.trim_end_matches('0').trim_end_matches('.').to_string()
}

/// Microseconds.
fn time(micros: u64) -> String {
    format!("{} ms", decimal(micros.saturating_mul(1000)))
}

fn seconds(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    match seconds {
        ..0.0005 => "0 s".into(),
        ..0.9995 => format!("{seconds:.3} s"),
        _ => format!("{seconds:.2} s"),
    }
}

fn percent(hundredths: u64) -> String {
    format!("{}.{:02} %", hundredths / 100, hundredths % 100)
}
