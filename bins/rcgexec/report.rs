//! What a program used, for people and as JSON.

use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::time::Duration;

use common::cgroup::usage::{Pressure, Usage};
use common::error::{Error, Result};
use common::launch::{Ended, signal_name};
use common::sys;
use common::text::{Charset, cut, show, size, width};
use common::tool::json::Value;

use super::cli::{Report, To};

/// Where no terminal says how wide it is.
const COLUMNS: usize = 80;

/// The column at which begins what is said of each thing.
const INDENT: usize = 11;

/// What is not known.
const UNKNOWN: &str = "n/a";

/// How a program ended, and what it used until then.
#[derive(Clone, Debug, Default)]
pub(crate) struct Facts {
    /// The program and its arguments.
    pub(crate) words: Vec<Vec<u8>>,
    /// How it ended; none where that is not known.
    pub(crate) ended: Option<Ended>,
    /// The status that we end with for it.
    pub(crate) status: u8,
    /// Its time limit, where we ended it for that.
    pub(crate) timed_out: Option<Duration>,
    /// From its start to its end.
    pub(crate) wall: Duration,
    pub(crate) usage: Usage,
    /// Was memory limited and swap not?
    pub(crate) swap_is_as_it_was: bool,
    /// Did it leave something running that we killed?
    pub(crate) left_killed: bool,
    /// What else is to be said of limits, each in a sentence.
    pub(crate) notes: Vec<String>,
}

/// Where the report goes, open before anything is made.
#[derive(Debug)]
pub(crate) struct Sink {
    /// None for standard error.
    to: Option<OwnedFd>,
    /// What it is, for people.
    name: Vec<u8>,
    json: bool,
}

/// Opens that where the report is to go.
pub(crate) fn open(report: &Report) -> Result<Sink> {
    let (to, name) = match &report.to {
        To::Stderr => (None, b"standard error".to_vec()),
        To::File(path) => {
            let opened = sys::create_file(path).map_err(|e| Error::sys("open", path.as_bytes(), e))?;
            (Some(opened), path.as_bytes().to_vec())
        }
        To::Fd(fd) => {
            let shared = sys::share_given(*fd).map_err(|_| {
                Error::refused(format!("descriptor {fd} was not given to us to be written to"))
                    .with_hint(format!("give one as a shell does by {fd}>FILE at the end of the command"))
            })?;
            (Some(shared), format!("descriptor {fd}").into_bytes())
        }
    };
    Ok(Sink { to, name, json: report.json })
}

impl Sink {
    /// Writes the report.
    pub(crate) fn write(&self, facts: &Facts) -> Result<()> {
        match &self.to {
            None => self.tell(std::io::stderr(), facts),
            Some(to) => self.tell(to, facts),
        }
    }

    fn tell(&self, to: impl AsFd, facts: &Facts) -> Result<()> {
        let text = match self.json {
            true => json(facts),
            false => human(facts, sys::terminal_columns(&to).unwrap_or(COLUMNS)),
        };
        sys::tell_given(to, text.as_bytes()).map_err(|e| Error::sys("write", &self.name, e))
    }
}

/// A line about processes that were killed for want of memory; none where no such is known of.
pub(crate) fn oom_line(usage: &Usage) -> Option<String> {
    let kills = usage.oom_kills.filter(|&kills| kills > 0)?;
    let killed = format!("the kernel killed {}", count(kills, "process", "processes"));
    let whole = usage.oom_group_kills.is_some_and(|groups| groups > 0);
    let whole = if whole { ", and with it all others of its group" } else { "" };
    Some(match usage.memory_limit.filter(|_| usage.own_limit_killed) {
        Some(limit) => format!("{killed} because the memory limit of {} was reached{whole}", size(limit)),
        None => format!("{killed} for want of memory, but not by this memory limit{whole}"),
    })
}

/// The report for people, in lines of so many columns where words allow.
pub(crate) fn human(facts: &Facts, columns: usize) -> String {
    let mut out = String::new();
    fill(&mut out, "rcgexec:", 3, &format!("{} {}", program(&facts.words), end(facts)), columns);
    let mut lines = used(&facts.usage, Some(facts.wall), facts.swap_is_as_it_was);
    if let Some((_, oom)) = lines.iter_mut().find(|(of, _)| *of == "oom")
        && facts.ended == Some(Ended::Killed(SIGKILL))
        && facts.timed_out.is_none()
    {
        match facts.usage.oom_kills {
            None => *oom += ": whether SIGKILL came for want of memory is not known",
            Some(0) => *oom += ": it was killed by SIGKILL, but not for want of memory",
            Some(_) => {}
        }
    }
    if facts.left_killed {
        lines.push(("left", "what it left running was killed".into()));
    }
    lines.extend(facts.notes.iter().map(|note| ("note", note.clone())));
    out + &block(&lines, columns)
}

/// The number of the signal, the same on every machine.
const SIGKILL: i32 = 9;

/// What is said of use alone, for a group that goes on: a line for each thing.
pub(crate) fn stat(usage: &Usage, columns: Option<usize>) -> String {
    block(&used(usage, None, false), columns.unwrap_or(COLUMNS))
}

fn block(lines: &[(&str, String)], columns: usize) -> String {
    let mut out = String::new();
    lines.iter().for_each(|(of, text)| fill(&mut out, of, INDENT, text, columns));
    out
}

/// Stands for a blank at which no line is broken: between a number and its unit.
const JOINED: char = '\u{a0}';

fn joined(text: String) -> String {
    text.replace(' ', "\u{a0}")
}

/// A name and words behind it. Lines go on where the first words begin.
fn fill(out: &mut String, name: &str, indent: usize, text: &str, columns: usize) {
    let mut line = if indent == INDENT { format!("{name:0$}", INDENT - 1) } else { name.into() };
    let mut fresh = false;
    for word in text.split(' ') {
        if !fresh && width(&line) + 1 + width(word) > columns && line.trim() != name {
            out.push_str(line.trim_end());
            out.push('\n');
            line = " ".repeat(indent);
            fresh = true;
        }
        if !fresh {
            line.push(' ');
        }
        line.push_str(&word.replace(JOINED, " "));
        fresh = false;
    }
    out.push_str(&line);
    out.push('\n');
}

/// The name of the program: any bytes, and as many of them.
fn program(words: &[Vec<u8>]) -> String {
    const MOST: usize = 48;
    let shown = show(words.first().map_or(b"", |word| &word[..]), Charset::Ascii);
    match cut(&shown, MOST) {
        part if part.len() < shown.len() => format!("{part}..."),
        _ => shown,
    }
}

fn end(facts: &Facts) -> String {
    let after = seconds(facts.wall);
    match (facts.timed_out, facts.ended) {
        (Some(limit), _) => format!("was ended after its time limit of {}", seconds(limit)),
        (None, Some(Ended::Exited(status))) => format!("ended with status {status} after {after}"),
        (None, Some(Ended::Killed(signal))) => {
            let name = signal_name(signal).map_or(String::new(), |name| format!(" ({name})"));
            format!("was killed by signal {signal}{name} after {after}")
        }
        (None, None) => format!("ended after {after}"),
    }
}

/// What was used, each thing with what is to be said of it.
fn used(usage: &Usage, wall: Option<Duration>, swap_is_as_it_was: bool) -> Vec<(&'static str, String)> {
    vec![
        ("cpu", cpu(usage, wall)),
        ("throttled", throttled(usage, wall)),
        ("memory", memory(usage, wall.is_none(), swap_is_as_it_was)),
        ("oom", oom(usage)),
        ("pids", pids(usage, wall.is_none())),
        ("io", io(usage)),
        ("pressure", pressure(usage)),
    ]
}

fn cpu(usage: &Usage, wall: Option<Duration>) -> String {
    let Some(cpu) = usage.cpu else { return UNKNOWN.into() };
    let share = wall
        .and_then(|wall| percent(cpu, wall))
        .map_or(String::new(), |share| format!("{} of one CPU: ", percentage(share)));
    let parts = match (usage.user, usage.system) {
        (Some(user), Some(system)) => format!("user {}, system {}", seconds(user), seconds(system)),
        _ => format!("user and system {UNKNOWN}"),
    };
    format!("{share}{} ({parts})", seconds(cpu))
}

fn throttled(usage: &Usage, wall: Option<Duration>) -> String {
    let (Some(periods), Some(times)) = (usage.periods, usage.throttled_periods) else {
        return UNKNOWN.into();
    };
    if times == 0 {
        return match periods {
            0 => "never".into(),
            _ => format!("in none of {}", count(periods, "period", "periods")),
        };
    }
    let share = percentage(times as f64 * 100.0 / periods.max(1) as f64);
    let time = usage.throttled.map_or(UNKNOWN.into(), seconds);
    let of_wall = usage.throttled.zip(wall).and_then(|(time, wall)| Some((percent(time, wall)?, wall)));
    let of_wall = of_wall
        .map_or(String::new(), |(share, wall)| format!(" ({} of {})", percentage(share), seconds(wall)));
    let bursts = usage.bursts.filter(|&bursts| bursts > 0);
    let bursts = bursts.map_or(String::new(), |bursts| format!("; bursts in {bursts}"));
    format!("in {times} of {} ({share}), for {time}{of_wall}{bursts}", count(periods, "period", "periods"))
}

fn memory(usage: &Usage, goes_on: bool, swap_is_as_it_was: bool) -> String {
    let mut parts = Vec::new();
    if usage.memory.is_none() {
        parts.push(UNKNOWN.into());
    } else {
        let now =
            usage.memory.filter(|_| goes_on).map_or(String::new(), |now| format!("now {}, ", amount(now)));
        let limit = usage.memory_limit.map_or(String::new(), |limit| format!(" of {}", amount(limit)));
        parts.push(format!("{now}peak {}{limit}", usage.memory_peak.map_or(UNKNOWN.into(), amount)));
    }
    let times = |number: Option<u64>| match number? {
        0 => None,
        1 => Some("once".to_string()),
        number => Some(format!("{number} times")),
    };
    parts.extend(times(usage.limit_hits).map(|times| format!("limit reached {times}")));
    parts.extend(times(usage.high_hits).map(|times| format!("slowed down {times} (memory.high)")));
    parts.extend(usage.swap.filter(|&swap| goes_on && swap > 0).map(|swap| format!("swap {}", amount(swap))));
    let peak = usage.swap_peak.filter(|&peak| peak > 0);
    parts.extend(peak.map(|peak| format!("swap peak {}", amount(peak))));
    parts.extend(swap_is_as_it_was.then(|| "swap was left as it is".into()));
    parts.join("; ")
}

fn oom(usage: &Usage) -> String {
    match usage.oom_kills {
        None => UNKNOWN.into(),
        Some(_) => oom_line(usage).unwrap_or_else(|| "none".into()),
    }
}

fn pids(usage: &Usage, goes_on: bool) -> String {
    let Some(pids) = usage.pids else { return UNKNOWN.into() };
    let now = if goes_on { format!("now {pids}, ") } else { String::new() };
    let peak = usage.pids_peak.map_or(UNKNOWN.into(), |peak| peak.to_string());
    let limit = usage.pids_limit.map_or(String::new(), |limit| format!(" of {limit}"));
    let failed = match usage.failed_forks {
        None => format!("failed forks {UNKNOWN}"),
        Some(0) => "no fork failed".into(),
        Some(failed) => format!("{} failed", count(failed, "fork", "forks")),
    };
    format!("{now}peak {peak}{limit}; {failed}")
}

fn io(usage: &Usage) -> String {
    let numbers = [usage.read_bytes, usage.read_operations, usage.written_bytes, usage.write_operations];
    if numbers.iter().all(Option::is_none) {
        return UNKNOWN.into();
    }
    let one = |verb: &str, bytes: Option<u64>, operations: Option<u64>| {
        let bytes = bytes.map_or(UNKNOWN.into(), amount);
        let operations = operations.map_or(UNKNOWN.into(), |number| count(number, "request", "requests"));
        format!("{verb} {bytes} in {operations}")
    };
    let read = one("read", usage.read_bytes, usage.read_operations);
    format!("{read}, {}", one("wrote", usage.written_bytes, usage.write_operations))
}

fn pressure(usage: &Usage) -> String {
    let all = [("cpu", usage.cpu_pressure), ("memory", usage.memory_pressure), ("io", usage.io_pressure)];
    if all.iter().all(|(_, pressure)| pressure.is_none()) {
        return UNKNOWN.into();
    }
    let one = |(of, pressure): &(&str, Option<Pressure>)| match pressure {
        None => format!("{of} {UNKNOWN}"),
        Some(Pressure { some, full }) => {
            let full = full.filter(|full| !full.is_zero());
            let full = full.map_or(String::new(), |full| format!(" (all of it {})", seconds(full)));
            format!("{of} {}{full}", seconds(*some))
        }
    };
    format!("waited for {}", all.iter().map(one).collect::<Vec<_>>().join(", "))
}

/// The report as JSON.
pub(crate) fn json(facts: &Facts) -> String {
    let Facts { words, ended, status, timed_out, wall, usage, .. } = facts;
    let signal = match ended {
        Some(Ended::Killed(signal)) => Some(*signal),
        _ => None,
    };
    let killed = signal == Some(SIGKILL) && timed_out.is_none();
    let text = |text: &str| Value::Text(text.as_bytes().to_vec());
    let mut members = vec![
        ("program", words.first().map_or(Value::Null, |word| Value::Text(word.clone()))),
        ("command", Value::Lines { lines: words.clone(), between: b' ' }),
        ("status", Value::Number((*status).into())),
        ("signal", Value::number(signal.and_then(|signal| u64::try_from(signal).ok()))),
        ("signal_name", signal.and_then(signal_name).map_or(Value::Null, |name| text(&name))),
        ("timed_out", Value::Bool(timed_out.is_some())),
        ("time_limit_seconds", Value::seconds(*timed_out)),
        // By SIGKILL, and something was killed for want of memory.
        (
            "oom_killed",
            match usage.oom_kills {
                None if killed => Value::Null,
                kills => Value::Bool(killed && kills.is_some_and(|kills| kills > 0)),
            },
        ),
        ("left_killed", Value::Bool(facts.left_killed)),
        ("wall_seconds", Value::seconds(Some(*wall))),
        ("cpu_percent", fraction(usage.cpu.and_then(|cpu| percent(cpu, *wall)))),
    ];
    members.extend(self::members(usage));
    members.push(("swap_left_as_it_is", Value::Bool(facts.swap_is_as_it_was)));
    let note = |note: &String| Value::Object(vec![("text", text(note))]);
    members.push(("notes", Value::List(facts.notes.iter().map(note).collect())));
    Value::Object(members).document()
}

/// What was used, each number with its unit in its name; null is what the kernel does not say.
pub(crate) fn members(usage: &Usage) -> Vec<(&'static str, Value)> {
    let share = usage.throttled_periods.zip(usage.periods).filter(|(_, periods)| *periods > 0);
    let share = share.map(|(times, periods)| times as f64 * 100.0 / periods as f64);
    let some = |pressure: Option<Pressure>| Value::seconds(pressure.map(|pressure| pressure.some));
    let full = |pressure: Option<Pressure>| Value::seconds(pressure.and_then(|pressure| pressure.full));
    vec![
        ("cpu_seconds", Value::seconds(usage.cpu)),
        ("cpu_user_seconds", Value::seconds(usage.user)),
        ("cpu_system_seconds", Value::seconds(usage.system)),
        ("cpu_periods", Value::number(usage.periods)),
        ("cpu_throttled_periods", Value::number(usage.throttled_periods)),
        ("cpu_throttled_percent", fraction(share)),
        ("cpu_throttled_seconds", Value::seconds(usage.throttled)),
        ("cpu_bursts", Value::number(usage.bursts)),
        ("memory_bytes", Value::number(usage.memory)),
        ("memory_peak_bytes", Value::number(usage.memory_peak)),
        ("memory_limit_bytes", Value::number(usage.memory_limit)),
        ("memory_limit_hits", Value::number(usage.limit_hits)),
        ("memory_high_hits", Value::number(usage.high_hits)),
        ("swap_bytes", Value::number(usage.swap)),
        ("swap_peak_bytes", Value::number(usage.swap_peak)),
        ("oom_kills", Value::number(usage.oom_kills)),
        ("oom_group_kills", Value::number(usage.oom_group_kills)),
        (
            "oom_by_own_limit",
            match usage.oom_kills {
                None | Some(0) => Value::Null,
                Some(_) => Value::Bool(usage.own_limit_killed),
            },
        ),
        ("pids", Value::number(usage.pids)),
        ("pids_peak", Value::number(usage.pids_peak)),
        ("pids_limit", Value::number(usage.pids_limit)),
        ("failed_forks", Value::number(usage.failed_forks)),
        ("io_read_bytes", Value::number(usage.read_bytes)),
        ("io_read_operations", Value::number(usage.read_operations)),
        ("io_written_bytes", Value::number(usage.written_bytes)),
        ("io_write_operations", Value::number(usage.write_operations)),
        ("pressure_cpu_some_seconds", some(usage.cpu_pressure)),
        ("pressure_cpu_full_seconds", full(usage.cpu_pressure)),
        ("pressure_memory_some_seconds", some(usage.memory_pressure)),
        ("pressure_memory_full_seconds", full(usage.memory_pressure)),
        ("pressure_io_some_seconds", some(usage.io_pressure)),
        ("pressure_io_full_seconds", full(usage.io_pressure)),
    ]
}

fn fraction(number: Option<f64>) -> Value {
    // To two digits: what is measured is no more exact.
    number.map_or(Value::Null, |number| Value::Millionths((number * 100.0).round() as u64 * 10_000))
}

/// Nothing can be said of a moment that took no time.
fn percent(part: Duration, whole: Duration) -> Option<f64> {
    (!whole.is_zero()).then(|| part.as_secs_f64() * 100.0 / whole.as_secs_f64())
}

fn percentage(number: f64) -> String {
    joined(if number < 9.95 { format!("{number:.1} %") } else { format!("{number:.0} %") })
}

fn seconds(time: Duration) -> String {
    let time = time.as_secs_f64();
    joined(match time {
        time if time < 0.0005 => "0 s".into(),
        time if time < 0.9995 => format!("{time:.3} s"),
        time => format!("{time:.2} s"),
    })
}

fn amount(number: u64) -> String {
    joined(size(number))
}

fn count(number: u64, one: &str, several: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { several })
}
