//! Which namespaces it is in, which its children will be in, and whose they are.

use common::error::{Error, Result};
use common::kind::{Kind, KindMap, KindSet};
use common::ns::fd::NsFd;
use common::ns::scan::{self, Want};
use common::proc::Task;
use common::tool::json::Value;
use common::tool::paint::Paint;
use common::tool::table::{Cell, Column, Shape};

use super::super::page::{Page, not_readable};
use super::super::subject::{Life, Subject, of, same};
use super::{Part, missing, yes};

/// The facts.
pub(crate) struct Namespaces {
    /// Inode numbers; 0 for a kind that it is in no namespace of.
    pub(crate) theirs: Result<KindMap<u64>>,
    /// Those of the initial namespaces.
    pub(crate) initial: Result<KindMap<u64>>,
    /// Those of our own.
    pub(crate) ours: Result<KindMap<u64>>,
    /// Those of its parent process; none where it has no parent that we see.
    pub(crate) parent: Option<Result<KindMap<u64>>>,
    /// What each namespace tells when it is opened; none for those that it is not in, and of a directory of files.
    pub(crate) opened: KindMap<Option<Result<Opened>>>,
    /// The namespaces that its children will be in, where those are others than its own.
    pub(crate) for_children: Vec<(Kind, Coming)>,
    /// How many processes are in each, and how many do not show theirs; none if that was not asked for.
    pub(crate) counts: Option<Result<(KindMap<usize>, usize)>>,
    /// Has it ended? Then most of its namespaces have been left.
    pub(crate) has_ended: bool,
}

/// What a namespace tells.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Opened {
    /// The number that it keeps until the next boot, where the kernel gives one.
    pub(crate) id: Option<u64>,
    /// The inode number of the user namespace that owns it; none where that is out of our sight.
    pub(crate) owner: Option<u64>,
}

/// A namespace that children to come will be in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Coming {
    /// This one.
    Made(u64),
    /// The first child makes it.
    ToBeMade,
}

impl Namespaces {
    pub(crate) fn take(subject: &Subject<'_>) -> Namespaces {
        let theirs = subject.namespaces.clone();
        let task = subject.task();
        let inodes = theirs.as_ref().ok().copied().unwrap_or_default();
        let mut opened: KindMap<Option<Result<Opened>>> = KindMap::default();
        // What stands for a namespace in a directory of files leads nowhere.
        let is_the_kernels = subject.proc.is_the_kernels();
        if let (Ok(task), Ok(true) | Err(_)) = (&task, &is_the_kernels) {
            for kind in Kind::all().filter(|kind| inodes[*kind] != 0) {
                opened[kind] = Some(is_the_kernels.clone().and_then(|_| open(task, kind)));
            }
        }
        let has_ended = subject.process().is_some_and(|process| matches!(process.life, Life::Ended(_)));
        Namespaces {
            parent: task.as_ref().ok().and_then(|task| of_parent(subject, task)),
            for_children: task.map(|task| coming(subject, task, &inodes, has_ended)).unwrap_or_default(),
            counts: subject.how.count.then(|| count(subject, &inodes)),
            theirs,
            initial: subject.initial.clone(),
            ours: subject.ours.clone(),
            opened,
            has_ended,
        }
    }

    fn is(&self, kind: Kind, others: &Result<KindMap<u64>>) -> Option<bool> {
        same(of(&self.theirs, kind), of(others, kind))
    }

    /// Is it that of the parent process?
    fn is_parents(&self, kind: Kind) -> Option<bool> {
        self.is(kind, self.parent.as_ref()?)
    }

    fn opened(&self, kind: Kind) -> Option<Opened> {
        self.opened[kind].as_ref()?.as_ref().ok().copied()
    }

    /// How many processes are in it, where that was asked for.
    fn processes(&self, kind: Kind) -> Option<u64> {
        let (counts, _) = self.counts.as_ref()?.as_ref().ok()?;
        of(&self.theirs, kind).map(|_| counts[kind] as u64)
    }

    /// Whether it is an initial one, ours, or neither: its own.
    fn whose(&self, kind: Kind) -> &'static str {
        if of(&self.theirs, kind).is_none() {
            return "none";
        }
        match (self.is(kind, &self.initial), self.is(kind, &self.ours)) {
            (Some(true), Some(true)) => "initial, ours",
            (Some(true), _) => "initial",
            (_, Some(true)) => "ours",
            (Some(false), Some(false)) => "own",
            (None, Some(false)) => "not ours",
            (Some(false), None) => "not initial",
            (None, None) => "unknown",
        }
    }

    /// Shared with the host is of little interest, its own is to be noticed.
    fn look(&self, kind: Kind) -> Paint {
        match self.whose(kind) {
            "initial" | "initial, ours" => Paint::Dim,
            "own" => Paint::Bright,
            _ => Paint::Plain,
        }
    }

    /// The columns that have something to say.
    fn columns(&self) -> Vec<Column<Namespaces, Kind>> {
        let has_parent = self.parent.as_ref().is_some_and(Result::is_ok);
        let any = |tells: fn(Opened) -> bool| Kind::all().filter_map(|kind| self.opened(kind)).any(tells);
        let shown = |name: &str| match name {
            "ID" => any(|opened| opened.id.is_some()),
            "PARENT" => has_parent,
            "OWNER" => any(|opened| opened.owner.is_some()),
            "PROCS" => matches!(self.counts, Some(Ok(_))),
            _ => true,
        };
        COLUMNS.iter().filter(|column| shown(column.name)).map(|column| Column { ..*column }).collect()
    }
}

/// Asks a namespace of a process.
fn open(task: &Task, kind: Kind) -> Result<Opened> {
    let ns = NsFd::of(task, kind)?;
    let owner = ns.owner()?.map(|owner| owner.id()).transpose()?;
    Ok(Opened { id: ns.asked_number()?, owner: owner.map(|id| id.ino) })
}

/// The namespaces of the process that started it, or adopted it.
fn of_parent(subject: &Subject<'_>, task: &Task) -> Option<Result<KindMap<u64>>> {
    let parent = match task.stat() {
        Ok(stat) => stat.ppid,
        // That it has ended is asked at the end.
        Err(e) if e.is_gone() => return None,
        Err(e) => return Some(Err(e)),
    };
    let look = || subject.proc.task(parent)?.namespaces(KindSet::all());
    (parent > 0).then(look)
}

/// Those of its children to come that are others than its own.
fn coming(subject: &Subject<'_>, task: &Task, inodes: &KindMap<u64>, has_ended: bool) -> Vec<(Kind, Coming)> {
    let kinds = Kind::all().filter(|kind| kind.row().for_children.is_some() && inodes[*kind] != 0);
    let kinds: KindSet = kinds.collect();
    let links = task.for_children(kinds);
    let coming = |kind: Kind| match links[kind] {
        // A directory of files need not have them, and who has ended gets no more children.
        0 if has_ended || !subject.proc.is_the_kernels().unwrap_or(false) => None,
        // The link is not there from unshare(2) until the first child.
        0 => Some((kind, Coming::ToBeMade)),
        ino if ino == inodes[kind] => None,
        ino => Some((kind, Coming::Made(ino))),
    };
    kinds.iter().filter_map(coming).collect()
}

/// Counts the processes in each of these, and those that do not show theirs.
fn count(subject: &Subject<'_>, inodes: &KindMap<u64>) -> Result<(KindMap<usize>, usize)> {
    let kinds = Kind::all().filter(|kind| inodes[*kind] != 0).collect();
    // By one thread: other sections look into namespaces by helpers.
    let snapshot = scan::take(subject.proc, &Want { alone: true, ..Want::least(kinds) })?;
    let mut counts = KindMap::default();
    for (kind, ino) in inodes.iter() {
        counts[kind] = snapshot.namespace(*ino).map_or(0, |ns| ns.processes);
    }
    Ok((counts, snapshot.unreadable))
}

#[rustfmt::skip]
const COLUMNS: &[Column<Namespaces, Kind>] = &[
    Column { name: "TYPE", help: "", shape: Shape::Text, cell: |_, kind| Cell::text(Some(kind.name())) },
    Column { name: "NS", help: "", shape: Shape::Number, cell: |facts, kind| Cell::number(of(&facts.theirs, *kind)) },
    Column { name: "ID", help: "", shape: Shape::Number, cell: |facts, kind| Cell::number(facts.opened(*kind).and_then(|opened| opened.id)) },
    Column { name: "OWNER", help: "", shape: Shape::Number, cell: |facts, kind| Cell::number(facts.opened(*kind).and_then(|opened| opened.owner)) },
    Column { name: "PROCS", help: "", shape: Shape::Number, cell: |facts, kind| Cell::number(facts.processes(*kind)) },
    Column { name: "PARENT", help: "", shape: Shape::Text, cell: |facts, kind| Cell::text(facts.is_parents(*kind).map(|is| if is { "same" } else { "other" })) },
    Column { name: "WHOSE", help: "", shape: Shape::Text, cell: |facts, kind| Cell::text(Some(facts.whose(*kind))) },
];

impl Part for Namespaces {
    fn page(&self, page: &mut Page) {
        if let Err(e) = &self.theirs {
            return page.remark(&not_readable(e));
        }
        let kinds: Vec<_> = Kind::all().collect();
        page.table(&self.columns(), self, &kinds, |kind| self.look(*kind));
        for (kind, coming) in &self.for_children {
            page.remark(&match coming {
                Coming::Made(ino) => format!("children to come will be in {kind}:[{ino}]"),
                Coming::ToBeMade => format!("the first child to come makes another {kind} namespace"),
            });
        }
        if self.has_ended {
            page.remark("it has ended: those that are not shown it has left");
        }
        if let Some(Ok((_, hidden @ 1..))) = &self.counts {
            page.remark(&format!("not counted: processes that do not show us where they are: {hidden}"));
        }
        let parent = self.parent.as_ref().and_then(|parent| parent.as_ref().err());
        for (whose, error) in [
            ("initial", self.initial.as_ref().err()),
            ("our own", self.ours.as_ref().err()),
            ("those of its parent process", parent),
        ] {
            if let Some(e) = error {
                page.remark(&format!("which are {whose} is unknown: {}", not_readable(e)));
            }
        }
        if let Some(Err(e)) = &self.counts {
            page.remark(&format!("how many processes share them is {}", not_readable(e)));
        }
        for (kind, opened) in self.opened.iter() {
            if let Some(Err(e)) = opened {
                page.remark(&format!("id and owner of {kind}: {}", not_readable(e)));
            }
        }
    }

    fn json(&self) -> Value {
        if self.theirs.is_err() {
            return Value::Null;
        }
        let one = |kind: Kind| {
            let opened = self.opened(kind);
            let coming = self.for_children.iter().find(|(of, _)| *of == kind).map(|(_, coming)| *coming);
            let ns = of(&self.theirs, kind);
            let mut members = vec![
                ("ns", Value::number(ns)),
                ("initial", yes(self.is(kind, &self.initial))),
                ("ours", yes(self.is(kind, &self.ours))),
                ("parent", yes(self.is_parents(kind))),
                ("id", Value::number(opened.and_then(|opened| opened.id))),
                ("owner", Value::number(opened.and_then(|opened| opened.owner))),
            ];
            if kind.row().for_children.is_some() {
                let for_children = match coming {
                    None => Value::number(ns.filter(|_| !self.has_ended)),
                    Some(Coming::Made(ino)) => Value::Number(ino),
                    Some(Coming::ToBeMade) => Value::Null,
                };
                let is_made = ns.filter(|_| !self.has_ended).map(|_| coming != Some(Coming::ToBeMade));
                members.extend([("for_children", for_children), ("for_children_made", yes(is_made))]);
            }
            if self.counts.is_some() {
                members.push(("processes", Value::number(self.processes(kind))));
            }
            (kind.name(), Value::Object(members))
        };
        let mut members: Vec<_> = Kind::all().map(one).collect();
        if let Some(Ok((_, hidden))) = &self.counts {
            members.push(("hidden", Value::Number(*hidden as u64)));
        }
        Value::Object(members)
    }

    fn missing(&self) -> Vec<(&'static str, &Error)> {
        let mut all = missing([
            ("", self.theirs.as_ref().err()),
            ("initial", self.initial.as_ref().err()),
            ("ours", self.ours.as_ref().err()),
            ("parent", self.parent.as_ref().and_then(|parent| parent.as_ref().err())),
            ("processes", self.counts.as_ref().and_then(|counts| counts.as_ref().err())),
        ]);
        let opened = self.opened.iter();
        all.extend(opened.filter_map(|(kind, opened)| Some((kind.name(), opened.as_ref()?.as_ref().err()?))));
        all
    }
}
