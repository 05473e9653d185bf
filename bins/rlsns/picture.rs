//! What the columns are told from: the snapshot, and what stands beside it.

use std::cell::RefCell;
use std::collections::BTreeMap;

use common::error::or_none;
use common::kind::{Kind, KindMap};
use common::ns::initial::initial;
use common::ns::refer::netns_name;
use common::ns::scan::{Holder, Inferred, Namespace, Process, SOURCES, Snapshot, Via};
use common::proc::container::Belongs;
use common::proc::container::state::States;
use common::proc::groups::Line;
use common::proc::users::Names;
use common::proc::{Clock, Proc};
use common::text::utc;
use common::tool::json::Value;
use common::tool::table::Cell;

/// One line of the output: a namespace, or in the listing of one namespace a process of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row {
    /// The namespace, by its place in the snapshot.
    pub(crate) ns: usize,
    /// The process that the line is about; of a namespace its first.
    pub(crate) pid: Option<i32>,
}

impl Row {
    /// The namespace.
    pub(crate) fn ns<'a>(&self, picture: &'a Picture) -> &'a Namespace {
        &picture.snapshot.namespaces[self.ns]
    }

    /// The process, where there is one.
    pub(crate) fn process<'a>(&self, picture: &'a Picture) -> Option<&'a Process> {
        picture.snapshot.processes.get(&self.pid?)
    }
}

/// The whole picture.
#[derive(Default)]
pub(crate) struct Picture {
    pub(crate) snapshot: Snapshot,
    /// The initial namespaces, where they can be told.
    initial: Option<KindMap<u64>>,
    /// When processes started.
    clock: Option<Clock>,
    /// How many namespaces each one owns, or is the parent of.
    below: BTreeMap<u64, usize>,
    /// What container engines tell.
    states: States,
    /// Many processes have the same groups, and the same user.
    belongs: RefCell<BTreeMap<Vec<Line>, Belongs>>,
    users: RefCell<Names>,
}

impl From<Snapshot> for Picture {
    /// One that knows only the snapshot.
    fn from(snapshot: Snapshot) -> Picture {
        let mut below = BTreeMap::new();
        for ns in &snapshot.namespaces {
            // Of a user namespace the parent is the owner.
            let above = [ns.owner, ns.parent.filter(|_| ns.kind != Kind::User)];
            above.into_iter().flatten().for_each(|ino| *below.entry(ino).or_default() += 1);
        }
        Picture { snapshot, below, ..Picture::default() }
    }
}

/// What is to be known beside a snapshot. What is not asked for is not read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Beside {
    /// What the files of container engines say.
    pub(crate) states: bool,
    /// The initial namespaces.
    pub(crate) initial: bool,
    /// When processes started.
    pub(crate) clock: bool,
}

impl Picture {
    /// Takes what stands beside a snapshot.
    pub(crate) fn new(proc: &Proc, snapshot: Snapshot, beside: Beside) -> common::Result<Picture> {
        let states = if beside.states { States::of(proc)? } else { States::default() };
        let initial = or_none(beside.initial.then(|| initial(proc)).transpose())?;
        let clock = if beside.clock { proc.clock()? } else { None };
        Ok(Picture { initial, clock, states, ..Picture::from(snapshot) })
    }

    /// The user of a process, or of a namespace without one who owns it.
    pub(crate) fn uid(&self, row: &Row) -> Option<u32> {
        match row.process(self) {
            Some(process) => Some(process.uid),
            None => self.owner_uid(row.ns(self)),
        }
    }

    /// Who made a user namespace, or that which owns a namespace of another kind.
    pub(crate) fn owner_uid(&self, ns: &Namespace) -> Option<u32> {
        ns.owner_uid.or_else(|| self.snapshot.namespace(ns.owner?)?.owner_uid)
    }

    /// The name of a user.
    pub(crate) fn user(&self, uid: Option<u32>) -> Cell {
        Cell::text(uid.map(|uid| {
            let mut names = self.users.borrow_mut();
            // Who has no name is told by the number.
            names.name(uid).map_or_else(|| uid.to_string().into_bytes(), <[u8]>::to_vec)
        }))
    }

    /// What a process belongs to.
    pub(crate) fn belongs(&self, row: &Row) -> Belongs {
        let Some(process) = row.process(self) else { return Belongs::default() };
        let mut known = self.belongs.borrow_mut();
        let groups = process.groups.clone();
        known.entry(groups).or_insert_with_key(|groups| Belongs::of(groups, &self.states)).clone()
    }

    /// The group of a process: of version 2 where it has controllers or is all there is, else that which most tools
    /// make.
    pub(crate) fn cgroup(&self, process: &Process) -> Option<Vec<u8>> {
        let version_2 = process.groups.iter().find(|line| line.hierarchy == 0 && line.path != b"/");
        let pids = process.groups.iter().find(|line| line.controllers.iter().any(|name| name == b"pids"));
        version_2.or(pids).or(process.groups.first()).map(|line| line.path.clone())
    }

    /// What showed a namespace.
    pub(crate) fn via(&self, ns: &Namespace) -> Via {
        let holders = self.snapshot.holders(ns.id.ino);
        match (ns.processes, holders.iter().map(|(_, holder)| holder.via()).min()) {
            (1.., _) => Via::Process,
            (0, Some(via)) => via,
            (0, None) if self.below.contains_key(&ns.id.ino) => Via::Namespace,
            (0, None) => Via::Kernel,
        }
    }

    /// How many of each sort keep a namespace, as in `3p 1t`.
    pub(crate) fn held(&self, ns: &Namespace) -> Option<String> {
        let holders = self.snapshot.holders(ns.id.ino);
        let count = |via: Via| match via {
            Via::Process => ns.processes,
            Via::Namespace => self.below.get(&ns.id.ino).copied().unwrap_or(0),
            via => holders.iter().filter(|(_, holder)| holder.via() == via).count(),
        };
        let sorts = SOURCES.iter().filter_map(|source| Some((count(source.via), source.letter?)));
        let text: Vec<_> =
            sorts.filter(|(count, _)| *count > 0).map(|(count, letter)| format!("{count}{letter}")).collect();
        (!text.is_empty()).then(|| text.join(" "))
    }

    /// The name that a net namespace has, or else where it is mounted: rather where we see it.
    pub(crate) fn name(&self, ns: &Namespace) -> Option<Vec<u8>> {
        let points = self.points(ns);
        let name = points.iter().find_map(|point| netns_name(point)).filter(|_| ns.kind == Kind::Net);
        name.or(points.first().copied()).map(<[u8]>::to_vec)
    }

    /// Where it is mounted.
    fn points(&self, ns: &Namespace) -> Vec<&[u8]> {
        let holders = self.snapshot.holders(ns.id.ino).iter();
        let points = holders.filter_map(|(_, holder)| match holder {
            Holder::Mount { point, .. } => Some(&point[..]).filter(|point| !point.is_empty()),
            _ => None,
        });
        points.collect()
    }

    /// Where it is mounted in our own mount namespace, each path once, in the order of the mounts.
    pub(crate) fn mounted(&self, ns: &Namespace) -> Vec<Vec<u8>> {
        let mut points: Vec<Vec<u8>> = Vec::new();
        for (_, holder) in self.snapshot.holders(ns.id.ino) {
            match holder {
                Holder::Mount { ours: true, point, .. } if !points.contains(point) => {
                    points.push(point.clone());
                }
                _ => {}
            }
        }
        points
    }

    /// By what it can be opened, best first: a process in it, a mount, what else holds it, its number.
    pub(crate) fn reference(&self, ns: &Namespace) -> Option<Vec<u8>> {
        if let Some(pid) = ns.first {
            return Some(format!("/proc/{pid}/ns/{}", ns.kind).into());
        }
        let holders = self.snapshot.holders(ns.id.ino).iter();
        let ways = holders.filter_map(|(_, holder)| {
            Some(match holder {
                Holder::Mount { covered: true, .. } => return None,
                Holder::Mount { ours: true, point, .. } => (0, point.clone()),
                Holder::Thread { pid, tid } => (1, format!("/proc/{pid}/task/{tid}/ns/{}", ns.kind).into()),
                Holder::Descriptor { pid, tid, fd } if pid == tid => {
                    (2, format!("/proc/{pid}/fd/{fd}").into())
                }
                Holder::Descriptor { pid, tid, fd } => (2, format!("/proc/{pid}/task/{tid}/fd/{fd}").into()),
                Holder::Children { pid, tid } if pid == tid => {
                    (3, format!("/proc/{pid}/ns/{}_for_children", ns.kind).into())
                }
                Holder::Children { pid, tid } => {
                    (3, format!("/proc/{pid}/task/{tid}/ns/{}_for_children", ns.kind).into())
                }
                Holder::Mount { pid: Some(pid), point, .. } => {
                    (4, [format!("/proc/{pid}/root").as_bytes(), point].concat())
                }
                Holder::Mount { .. } | Holder::Socket { .. } => return None,
            })
        });
        let best = ways.min_by(|(one, _), (other, _)| one.cmp(other)).map(|(_, way)| way);
        best.or_else(|| Some(format!("{}:#{}", ns.kind, ns.number?).into()))
    }

    /// A cell of the line of a namespace that processes only seem to be in.
    pub(crate) fn guessed(&self, group: &Inferred, column: &str) -> Cell {
        let process = self.snapshot.processes.get(&group.first);
        match column {
            "NS" => Cell::number(group.known),
            "TYPE" => Cell::text(Some(format!("~{}", group.kind))),
            "NPROCS" => Cell::Number(group.processes as u64),
            "PID" => Cell::Number(group.first.unsigned_abs().into()),
            "PPID" => Cell::number(process.map(|process| process.ppid.unsigned_abs())),
            "UID" => Cell::number(process.map(|process| process.uid)),
            "USER" => self.user(process.map(|process| process.uid)),
            "COMMAND" => Cell::text(process.map(|process| process.command.clone())),
            _ => Cell::Empty,
        }
    }

    /// The same for JSON.
    pub(crate) fn guess(&self, group: &Inferred) -> Value {
        let cells =
            [("ns", "NS"), ("nprocs", "NPROCS"), ("pid", "PID"), ("user", "USER"), ("command", "COMMAND")];
        let cells = cells.map(|(key, column)| (key, Value::from(self.guessed(group, column))));
        let kind = ("type", Value::Text(group.kind.name().into()));
        Value::Object([kind].into_iter().chain(cells).collect())
    }

    /// How many namespaces stand above one of a kind that has parents.
    pub(crate) fn level(&self, ns: &Namespace) -> Option<u64> {
        let kin = ns.kind.row().nests;
        let above = |ns: &&Namespace| self.snapshot.namespace(ns.parent?);
        // A circle, which only a wrong picture has, ends.
        let chain = std::iter::successors(Some(ns), above).take(self.snapshot.namespaces.len() + 1);
        kin.then(|| chain.count() as u64 - 1)
    }

    /// Is it one of those that the machine started with?
    pub(crate) fn is_initial(&self, ns: &Namespace) -> Option<bool> {
        let initial = self.initial.as_ref()?[ns.kind];
        (initial != 0).then_some(initial == ns.id.ino)
    }

    /// When a process started.
    pub(crate) fn started(&self, process: &Process) -> Option<String> {
        Some(utc(self.clock.as_ref()?.seconds(process.start)?))
    }
}
