//! Its control groups: where it is in every hierarchy, which limits hold, what was used.

use common::cgroup::group::Group;
use common::cgroup::layout::Layout;
use common::cgroup::usage::{self, COUNTERS, Counter, InForce};
use common::error::{Error, Result};
use common::proc::Proc;
use common::proc::Task;
use common::proc::groups::Line;
use common::tool::json::Value;
use common::tool::table::{Cell, Column, Shape};

use super::super::page::Page;
use super::super::subject::Subject;
use super::{Part, list, or_null, text};

/// The facts.
pub(crate) struct Cgroups {
    pub(crate) groups: Result<Vec<Cgroup>>,
}

/// A group that the process is in.
pub(crate) struct Cgroup {
    pub(crate) line: Line,
    /// What limits it, or why that is not known.
    pub(crate) limits: Result<Vec<InForce>>,
    /// Are there groups above, whose limits hold too, that cannot be seen from here?
    pub(crate) hidden_above: bool,
    /// What its group has used; not that of the root, which is the whole machine.
    pub(crate) used: Vec<(&'static Counter, u64)>,
}

impl Cgroups {
    pub(crate) fn take(subject: &Subject<'_>) -> Cgroups {
        Cgroups { groups: subject.task().and_then(|task| groups(subject.proc, task)) }
    }
}

/// The groups of a process. Where the hierarchies cannot be found, their paths are told all the same.
fn groups(proc: &Proc, task: &Task) -> Result<Vec<Cgroup>> {
    let layout = Layout::take(proc);
    let one = |line: Line| {
        let found = layout.as_ref().map_err(Error::clone).and_then(|layout| layout.locate(&line));
        let hidden_above = found.as_ref().is_ok_and(|(hierarchy, _)| !hierarchy.sees_all);
        let both = found.and_then(|(hierarchy, group)| {
            let is_root = line.path == b"/" && hierarchy.sees_all;
            let used = if is_root { Vec::new() } else { counters(&group)? };
            Ok((usage::in_force(hierarchy, &group)?, used))
        });
        let (limits, used) = both.map_or_else(|e| (Err(e), Vec::new()), |(limits, used)| (Ok(limits), used));
        Cgroup { hidden_above, limits, used, line }
    };
    Ok(Line::of(task)?.into_iter().map(one).collect())
}

fn counters(group: &Group) -> Result<Vec<(&'static Counter, u64)>> {
    let mut found = Vec::new();
    for counter in COUNTERS {
        found.extend(counter.read(group)?.map(|number| (counter, number)));
    }
    Ok(found)
}

#[rustfmt::skip]
const CGROUPS: &[Column<(), Cgroup>] = &[
    Column { name: "HIERARCHY", help: "", shape: Shape::Number, cell: |_, cgroup| Cell::Number(cgroup.line.hierarchy) },
    Column { name: "CONTROLLERS", help: "", shape: Shape::Text, cell: |_, cgroup| Cell::text(Some(controllers(cgroup))) },
    Column { name: "PATH", help: "", shape: Shape::Text, cell: |_, cgroup| Cell::text(Some(cgroup.line.path.clone())) },
];

#[rustfmt::skip]
const LIMITS: &[Column<(), InForce>] = &[
    Column { name: "LIMIT", help: "", shape: Shape::Text, cell: |_, limit| Cell::text(Some(limit.file)) },
    Column { name: "VALUE", help: "", shape: Shape::Text, cell: |_, limit| Cell::text(Some(limit.value.clone())) },
    Column { name: "SET BY", help: "", shape: Shape::Text, cell: |_, limit| Cell::text(Some(limit.group.clone())) },
];

#[rustfmt::skip]
const USED: &[Column<(), (&'static Counter, u64)>] = &[
    Column { name: "USED", help: "", shape: Shape::Text, cell: |_, (counter, _)| Cell::text(Some(counter.name)) },
    Column { name: "VALUE", help: "", shape: Shape::Number, cell: |_, (_, value)| Cell::Number(*value) },
    Column { name: "UNIT", help: "", shape: Shape::Text, cell: |_, (counter, _)| Cell::text(Some(counter.unit)) },
];

impl Part for Cgroups {
    fn page(&self, page: &mut Page) {
        page.table_or_why(CGROUPS, &(), self.groups.as_ref().map(|groups| &groups[..]));
        let groups: Vec<&Cgroup> = self.groups.iter().flatten().collect();
        let limits: Vec<InForce> =
            groups.iter().flat_map(|cgroup| cgroup.limits.iter().flatten().cloned()).collect();
        let unknown: Vec<_> =
            groups.iter().filter_map(|cgroup| Some((cgroup, cgroup.limits.as_ref().err()?))).collect();
        let hidden = groups.iter().any(|cgroup| cgroup.hidden_above);
        page.heading("limits in force");
        match limits.is_empty() {
            true if unknown.is_empty() && !hidden => page.remark("none"),
            true => {}
            false => page.table_or_why(LIMITS, &(), Ok(&limits)),
        }
        if hidden {
            page.remark("those of groups above the ones that are mounted here hold too, and cannot be seen");
        }
        for (cgroup, error) in unknown {
            let name = page.show(controllers(cgroup));
            page.remark(&format!("unknown of {name}: {}", error.reason()));
        }
        let used: Vec<_> = groups.iter().flat_map(|cgroup| cgroup.used.iter().copied()).collect();
        if !used.is_empty() {
            page.heading("used by its groups");
            page.table_or_why(USED, &(), Ok(&used));
        }
    }

    fn json(&self) -> Value {
        Value::Object(vec![("groups", or_null(&self.groups, |groups| list(groups, cgroup_json)))])
    }

    fn missing(&self) -> Vec<(&'static str, &Error)> {
        // That a hierarchy is mounted nowhere is no failure.
        let limits = self.groups.iter().flatten().filter_map(|cgroup| cgroup.limits.as_ref().err());
        let limits = limits.filter(|e| e.errno().is_some()).map(|e| ("limits", e));
        self.groups.as_ref().err().map(|e| ("groups", e)).into_iter().chain(limits).collect()
    }
}

/// The controllers of a hierarchy; that of cgroup v2 names none.
fn controllers(cgroup: &Cgroup) -> Vec<u8> {
    match cgroup.line.controllers.is_empty() {
        true => b"(v2)".to_vec(),
        false => cgroup.line.controllers.join(&b','),
    }
}

fn cgroup_json(cgroup: &Cgroup) -> Value {
    let limit = |limit: &InForce| {
        Value::Object(vec![
            ("file", text(limit.file)),
            ("value", text(limit.value.as_slice())),
            ("set_by", text(limit.group.as_slice())),
        ])
    };
    let used = cgroup.used.iter().map(|(counter, value)| (counter.name, Value::Number(*value))).collect();
    Value::Object(vec![
        ("hierarchy", Value::Number(cgroup.line.hierarchy)),
        ("controllers", list(&cgroup.line.controllers, |name| text(name.as_slice()))),
        ("path", text(cgroup.line.path.as_slice())),
        ("limits", or_null(&cgroup.limits, |limits| list(limits, limit))),
        ("hidden_above", Value::Bool(cgroup.hidden_above)),
        ("used", Value::Object(used)),
    ])
}
