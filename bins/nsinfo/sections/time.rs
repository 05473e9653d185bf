//! Its time namespace: how far its clocks are off.

use common::error::{Error, Result};
use common::kind::{Kind, KindMap};
use common::ns::visit;
use common::proc::clocks::{Offset, Offsets};
use common::proc::{Proc, Task};
use common::tool::json::Value;
use common::tool::paint::Paint;

use super::super::page::{Page, not_readable, span};
use super::super::subject::{By, Subject, of, same};
use super::{Part, missing, or_null, yes};

/// The facts.
pub(crate) struct Time {
    /// Against the initial time namespace; none where this kernel has no time namespaces.
    pub(crate) offsets: Result<Option<Offsets>>,
    /// Those that its children get, where they are born in another time namespace than its own, or may be.
    pub(crate) for_children: Option<Offsets>,
    /// Is it the initial one?
    pub(crate) initial: Option<bool>,
    /// For how long the machine seems to be up inside, in nanoseconds.
    pub(crate) uptime: Result<i128>,
}

impl Time {
    pub(crate) fn take(subject: &Subject<'_>) -> Time {
        let (offsets, for_children) = match subject.seen() {
            By::Process(process) => of_process(subject, &process.task, &subject.namespaces),
            By::Namespace(ns) if subject.how.no_enter => {
                (Err(Error::refused([&ns.name[..], b" is not entered, as --no-enter says"].concat())), None)
            }
            By::Namespace(ns) => (inside(subject.proc, |look| visit::inside(ns, "clocks", look)), None),
        };
        let uptime = offsets.clone().and_then(|offsets| uptime(subject, offsets));
        Time { offsets, for_children, initial: subject.shares(Kind::Time, &subject.initial), uptime }
    }
}

/// Those of a process, and those of its children where they have others. The file tells those of its children.
fn of_process(
    subject: &Subject<'_>,
    task: &Task,
    namespaces: &Result<KindMap<u64>>,
) -> (Result<Option<Offsets>>, Option<Offsets>) {
    let told = Offsets::of_children(task);
    let Ok(Some(of_children)) = told else { return (told, None) };
    let own = of(namespaces, Kind::Time);
    let children = task.for_children([Kind::Time].into_iter().collect())[Kind::Time];
    match same(own, Some(children).filter(|ino| *ino != 0)) {
        Some(true) => (Ok(Some(of_children)), None),
        Some(false) if same(own, of(&subject.initial, Kind::Time)) == Some(true) => {
            (Ok(Some(Offsets::default())), Some(of_children))
        }
        Some(false) => {
            let enter = || inside(subject.proc, |look| visit::inside_of(task, Kind::Time, "clocks", look));
            (subject.how.enters().and_then(|()| enter()), Some(of_children))
        }
        None => {
            let nowhere = || Error::refused("it is in no time namespace");
            let why = namespaces.as_ref().err().cloned().unwrap_or_else(nowhere);
            (Err(why), Some(of_children))
        }
    }
}

/// Those that a helper reads of itself, which `enter` has brought inside.
fn inside(
    proc: &Proc,
    enter: impl FnOnce(&mut dyn FnMut() -> Result<Vec<u8>>) -> Result<Vec<u8>>,
) -> Result<Option<Offsets>> {
    let mut look = || proc.this()?.read(c"timens_offsets");
    Offsets::told(&enter(&mut look)?, 0).map(Some)
}

/// By our own clock, which may be off as well.
fn uptime(subject: &Subject<'_>, offsets: Option<Offsets>) -> Result<i128> {
    let ours = subject.proc.uptime()?;
    let Some(offsets) = offsets else { return Ok(ours) };
    let us = subject.us.as_ref().map_err(Error::clone)?;
    Ok(ours + offsets.boottime.nanos() - our_offsets(subject, us)?.boottime.nanos())
}

/// We have executed a program, and since then are where our children are; on an old kernel, as Linux 5.10, only they are there.
fn our_offsets(subject: &Subject<'_>, us: &Task) -> Result<Offsets> {
    of_process(subject, us, &subject.ours).0.map(Option::unwrap_or_default)
}

impl Part for Time {
    fn page(&self, page: &mut Page) {
        let whose = if self.initial == Some(true) { Paint::Dim } else { Paint::Bright };
        match &self.offsets {
            Ok(None) => page.line("clocks", "this kernel has no time namespaces"),
            Ok(Some(offsets)) => clocks(page, "", offsets, whose),
            Err(e) => page.missing("clocks", e),
        }
        if let Some(offsets) = &self.for_children {
            // Where its own is not known, those of its children may be the same.
            let another =
                if self.offsets.is_ok() { "are born in another time namespace:" } else { "are born with:" };
            page.line("children", another);
            clocks(page, "of children", offsets, Paint::Bright);
        }
        match &self.uptime {
            Ok(nanos) => page.line("uptime", &span(*nanos / 1_000_000_000)),
            Err(e) if self.offsets.is_ok() => page.line("uptime", &not_readable(e)),
            Err(_) => {}
        }
        page.painted("wall clock", "that of the machine: no namespace isolates CLOCK_REALTIME", Paint::Dim);
    }

    fn json(&self) -> Value {
        let offsets = |offsets: &Option<Offsets>| offsets.as_ref().map_or(Value::Null, json);
        Value::Object(vec![
            ("offsets", or_null(&self.offsets, offsets)),
            ("offsets_for_children", offsets(&self.for_children)),
            ("initial", yes(self.initial)),
            (
                "uptime_seconds",
                or_null(&self.uptime, |nanos| {
                    let micros = u64::try_from(*nanos / 1000);
                    micros.map_or(Value::Signed((*nanos / 1_000_000_000) as i64), Value::Millionths)
                }),
            ),
        ])
    }

    fn missing(&self) -> Vec<(&'static str, &Error)> {
        missing([("offsets", self.offsets.as_ref().err()), ("uptime_seconds", self.uptime.as_ref().err())])
    }
}

fn clocks(page: &mut Page, label: &str, offsets: &Offsets, paint: Paint) {
    for (name, offset) in [("monotonic", offsets.monotonic), ("boottime", offsets.boottime)] {
        let label = if label.is_empty() { name.to_string() } else { String::new() };
        let name = if label.is_empty() { format!("{name}: ") } else { String::new() };
        match offset.nanos() {
            0 => page.painted(&label, &format!("{name}as in the initial time namespace"), paint),
            nanos => page.painted(&label, &format!("{name}{} {}", amount(nanos), direction(nanos)), paint),
        }
    }
}

fn direction(nanos: i128) -> &'static str {
    if nanos < 0 { "behind" } else { "ahead" }
}

/// How much it is, whatever the direction: `2 d 03:00:00`, and less than a second by its nanoseconds.
fn amount(nanos: i128) -> String {
    let nanos = nanos.abs();
    let (seconds, rest) = (nanos / 1_000_000_000, nanos % 1_000_000_000);
    match rest {
        0 => span(seconds),
        rest => format!("{}.{rest:09}", span(seconds)),
    }
}

fn json(offsets: &Offsets) -> Value {
    let one = |offset: Offset| {
        Value::Object(vec![
            ("seconds", Value::Signed(offset.seconds)),
            ("nanoseconds", Value::Number(offset.nanoseconds.into())),
        ])
    };
    Value::Object(vec![("monotonic", one(offsets.monotonic)), ("boottime", one(offsets.boottime))])
}
