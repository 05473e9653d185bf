//! Which namespaces it is in, and whose they are.

use common::error::{Error, Result};
use common::kind::{Kind, KindMap};
use common::tool::json::Value;
use common::tool::paint::Paint;
use common::tool::table::{Cell, Column, Shape};

use super::super::page::{Page, not_readable};
use super::super::subject::{Subject, of, same};
use super::{Part, missing, yes};

/// The facts.
pub(crate) struct Namespaces {
    /// Inode numbers; 0 for a kind that it is in no namespace of.
    pub(crate) theirs: Result<KindMap<u64>>,
    /// Those of the initial namespaces.
    pub(crate) initial: Result<KindMap<u64>>,
    /// Those of our own.
    pub(crate) ours: Result<KindMap<u64>>,
}

impl Namespaces {
    pub(crate) fn take(subject: &Subject<'_>) -> Namespaces {
        Namespaces {
            theirs: subject.namespaces.clone(),
            initial: subject.initial.clone(),
            ours: subject.ours.clone(),
        }
    }

    fn is(&self, kind: Kind, others: &Result<KindMap<u64>>) -> Option<bool> {
        same(of(&self.theirs, kind), of(others, kind))
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
}

#[rustfmt::skip]
const COLUMNS: &[Column<Namespaces, Kind>] = &[
    Column { name: "TYPE", help: "", shape: Shape::Text, cell: |_, kind| Cell::text(Some(kind.name())) },
    Column { name: "NS", help: "", shape: Shape::Number, cell: |facts, kind| Cell::number(of(&facts.theirs, *kind)) },
    Column { name: "WHOSE", help: "", shape: Shape::Text, cell: |facts, kind| Cell::text(Some(facts.whose(*kind))) },
];

impl Part for Namespaces {
    fn page(&self, page: &mut Page) {
        if let Err(e) = &self.theirs {
            return page.remark(&not_readable(e));
        }
        let kinds: Vec<_> = Kind::all().collect();
        page.table(COLUMNS, self, &kinds, |kind| self.look(*kind));
        for (whose, inodes) in [("initial", &self.initial), ("our own", &self.ours)] {
            if let Err(e) = inodes {
                page.remark(&format!("which are {whose} is unknown: {}", not_readable(e)));
            }
        }
    }

    fn json(&self) -> Value {
        if self.theirs.is_err() {
            return Value::Null;
        }
        let one = |kind: Kind| {
            let members = vec![
                ("ns", Value::number(of(&self.theirs, kind))),
                ("initial", yes(self.is(kind, &self.initial))),
                ("ours", yes(self.is(kind, &self.ours))),
            ];
            (kind.name(), Value::Object(members))
        };
        Value::Object(Kind::all().map(one).collect())
    }

    fn missing(&self) -> Vec<(&'static str, &Error)> {
        missing([
            ("", self.theirs.as_ref().err()),
            ("initial", self.initial.as_ref().err()),
            ("ours", self.ours.as_ref().err()),
        ])
    }
}
