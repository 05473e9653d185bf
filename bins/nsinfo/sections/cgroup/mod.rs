//! Its control groups: where it is in every hierarchy, what it may really use, which limits hold, what was used.

mod json;
mod show;

use common::cgroup::effective::Effective;
use common::cgroup::frozen::Frozen;
use common::cgroup::group::{Group, Version};
use common::cgroup::layout::{Hierarchy, Layout};
use common::cgroup::usage::{self, InForce, Stalls, Usage};
use common::error::{Error, Result};
use common::kind::Kind;
use common::ns::visit;
use common::proc::cpus::Cpus;
use common::proc::groups::Line;
use common::proc::machine::Machine;
use common::proc::{Task, status};
use common::tool::json::Value;

use super::super::page::Page;
use super::super::subject::Subject;
use super::Part;

/// The facts; an error where its groups cannot be told.
pub(crate) struct Cgroups {
    pub(crate) facts: Result<Facts>,
}

pub(crate) struct Facts {
    pub(crate) namespace: Namespace,
    pub(crate) groups: Vec<Cgroup>,
    /// What its groups allow it together.
    pub(crate) effective: Effective,
    /// What the machine has.
    pub(crate) machine: Result<Machine>,
    /// The CPUs that it may run on: those of its cpuset, or fewer that it was bound to.
    pub(crate) allowed: Result<Cpus>,
    /// What its groups have used; not roots, which stand for the whole machine. None where all are such.
    pub(crate) usage: Result<Option<Usage>>,
    /// What they have waited for.
    pub(crate) pressure: Pressure,
    pub(crate) frozen: Result<Frozen>,
}

/// Its cgroup namespace, and whether it is the initial one.
pub(crate) enum Namespace {
    /// Ours, and so its roots are those that we see.
    Ours(Option<bool>),
    /// Another: the paths of its groups as it sees them itself, or why they are not known.
    Other(Option<bool>, Result<Vec<Line>>),
    Unknown(Error),
}

/// A group that the process is in.
pub(crate) struct Cgroup {
    pub(crate) line: Line,
    /// Where the root of its cgroup namespace is in this hierarchy, as its own path is told; or why that is not known.
    pub(crate) root: Result<Vec<u8>>,
    /// The limits that it and those above it set, or why they are not known.
    pub(crate) limits: Result<Vec<InForce>>,
    /// Are there groups above, whose limits hold too, that cannot be seen from here?
    pub(crate) hidden_above: bool,
    /// Where its directory is.
    pub(crate) dir: Option<Vec<u8>>,
}

/// Of three things; none where the kernel or its group of version 2 does not count it.
#[derive(Default)]
pub(crate) struct Pressure {
    pub(crate) cpu: Option<Stalls>,
    pub(crate) memory: Option<Stalls>,
    pub(crate) io: Option<Stalls>,
    /// Why one of them is missing that may be there.
    pub(crate) failed: Option<Error>,
}

impl Pressure {
    fn of(group: &Group) -> Pressure {
        let mut failed = None;
        let mut of = |file| {
            Stalls::of(group, file).unwrap_or_else(|e| {
                failed.get_or_insert(e);
                None
            })
        };
        let (cpu, memory, io) = (of("cpu.pressure"), of("memory.pressure"), of("io.pressure"));
        Pressure { cpu, memory, io, failed }
    }
}

impl Cgroups {
    pub(crate) fn take(subject: &Subject<'_>) -> Cgroups {
        Cgroups { facts: subject.task().and_then(|task| Facts::take(subject, task)) }
    }
}

impl Facts {
    fn take(subject: &Subject<'_>, task: &Task) -> Result<Facts> {
        let lines = Line::of(task)?;
        let layout = Layout::take(subject.proc);
        let layout = layout.as_ref().map_err(Error::clone);
        let namespace = Namespace::of(subject, task);
        let found: Vec<_> =
            lines.iter().map(|line| layout.clone().and_then(|layout| layout.locate(line))).collect();
        let groups = lines.iter().zip(&found).map(|(line, found)| Cgroup::take(line, found, &namespace));
        let own = own(&lines, &found);
        Ok(Facts {
            groups: groups.collect(),
            effective: match &layout {
                Ok(layout) => Effective::take(layout, &lines),
                Err(e) => Effective::unknown(e),
            },
            machine: Machine::take(subject.proc),
            allowed: allowed(task),
            usage: match own.is_empty() {
                true => {
                    found.iter().find_map(|found| found.as_ref().err()).map_or(Ok(None), |e| Err(e.clone()))
                }
                false => Usage::take(&own).map(Some),
            },
            pressure: own
                .iter()
                .find(|group| group.version == Version::V2)
                .map_or_else(Default::default, |group| Pressure::of(group)),
            frozen: layout.and_then(|layout| Frozen::take(layout, &lines)),
            namespace,
        })
    }
}

type Found<'l> = Result<(&'l Hierarchy, Group)>;

/// Its groups that are not roots of the machine.
fn own<'f>(lines: &[Line], found: &'f [Found<'_>]) -> Vec<&'f Group> {
    let own = |(line, found): (&Line, &'f Found<'_>)| {
        let (hierarchy, group) = found.as_ref().ok()?;
        (line.path != b"/" || !hierarchy.sees_all).then_some(group)
    };
    lines.iter().zip(found).filter_map(own).collect()
}

/// The CPUs that a thread may be run on. Source: proc_pid_status(5), Cpus_allowed_list.
fn allowed(task: &Task) -> Result<Cpus> {
    let text = task.read(c"status")?;
    let list = status::value(&text, b"Cpus_allowed_list:").and_then(Cpus::parse);
    list.ok_or_else(|| Error::refused("its status does not tell its CPUs"))
}

impl Namespace {
    fn of(subject: &Subject<'_>, task: &Task) -> Namespace {
        let initial = subject.shares(Kind::Cgroup, &subject.initial);
        match subject.shares(Kind::Cgroup, &subject.ours) {
            Some(true) => Namespace::Ours(initial),
            Some(false) => {
                let look = || task.read(c"cgroup");
                let enter = || visit::inside_of(task, Kind::Cgroup, "groups", look);
                let seen = subject.how.enters().and_then(|()| enter());
                Namespace::Other(initial, seen.map(|text| Line::parse(&text)))
            }
            None => {
                let errors = [&subject.namespaces, &subject.ours].map(|inodes| inodes.as_ref().err());
                let nothing = || Error::refused("it is in no cgroup namespace");
                Namespace::Unknown(errors.into_iter().flatten().next().cloned().unwrap_or_else(nothing))
            }
        }
    }

    /// The root in the hierarchy of a line.
    fn root(&self, line: &Line) -> Result<Vec<u8>> {
        match self {
            Namespace::Ours(_) => Ok(b"/".to_vec()),
            Namespace::Other(_, lines) => {
                let lines = lines.as_ref().map_err(Error::clone)?;
                let inside = lines.iter().find(|inside| inside.controllers == line.controllers);
                let root = inside.and_then(|inside| line.root_by(inside));
                root.ok_or_else(|| Error::refused("its group lies outside of its cgroup namespace"))
            }
            Namespace::Unknown(e) => Err(e.clone()),
        }
    }
}

impl Cgroup {
    fn take(line: &Line, found: &Found<'_>, namespace: &Namespace) -> Cgroup {
        let found = found.as_ref().map_err(|e| (*e).clone());
        Cgroup {
            root: namespace.root(line),
            hidden_above: found.as_ref().is_ok_and(|(hierarchy, _)| !hierarchy.sees_all),
            dir: found.as_ref().ok().map(|(_, group)| group.path.clone()),
            limits: found.and_then(|(hierarchy, group)| usage::in_force(hierarchy, group)),
            line: line.clone(),
        }
    }
}

impl Part for Cgroups {
    fn page(&self, page: &mut Page) {
        match &self.facts {
            Ok(facts) => show::page(facts, page),
            Err(e) => page.remark(&super::super::page::not_readable(e)),
        }
    }

    fn json(&self) -> Value {
        super::or_null(&self.facts, json::facts)
    }

    fn missing(&self) -> Vec<(&'static str, &Error)> {
        match &self.facts {
            Ok(facts) => json::missing(facts),
            Err(e) => vec![("", e)],
        }
    }
}
