//! What is mounted where it is: as a tree, as the kernel lists it, what is hidden, what is shown twice, what lies behind.

mod binds;
mod branches;
mod flat;
mod groups;
mod hidden;
mod host;
mod json;
mod lines;
mod maps;
mod propagation;
mod views;

use std::collections::BTreeMap;

use common::error::{Error, Result};
use common::kind::Kind;
use common::ns::fd::NsFd;
use common::proc::mounts::behind::{Behind, Ours};
use common::proc::mounts::listed::{self, Maps};
use common::proc::mounts::peers::{self, Groups};
use common::proc::mounts::tree::Tree;
use common::proc::mounts::{Mount, Table};
use common::tool::json::Value;

use super::super::page::{Page, not_readable};
use super::super::subject::{By, Subject};
use super::super::view::View;
use super::{Part, missing, or_null};

/// The facts.
pub(crate) struct Mounts {
    /// How they are shown; none where nothing was said of it.
    pub(crate) view: Option<View>,
    pub(crate) seen: Result<Seen>,
}

/// What is mounted.
pub(crate) struct Seen {
    pub(crate) table: Table,
    pub(crate) tree: Tree,
    /// Who else has these mounts; none where that was not asked.
    pub(crate) groups: Option<Result<Groups>>,
    /// What lies behind each, for us; none where that was not asked.
    pub(crate) behind: Option<Result<Vec<Behind>>>,
    /// How ids are changed in those where they are; none where there is no such mount or that was not asked.
    pub(crate) maps: Option<Result<BTreeMap<u64, Maps>>>,
}

impl Mounts {
    pub(crate) fn take(subject: &Subject<'_>) -> Mounts {
        let how = subject.how;
        let seen = table(subject).map(|table| {
            let tree = Tree::of(&table, matches!(subject.seen(), By::Namespace(_)));
            let asked = |views: &[View]| how.mounts.is_some_and(|view| how.json || views.contains(&view));
            let task = subject.process().map(|process| &process.task);
            let groups = asked(&[View::Tree, View::Flat]).then(|| peers::of(subject.proc, &table, task));
            let behind = asked(&[View::Host]).then(|| behind(subject, &table));
            let changes_ids = how.mounts.is_some() && table.iter().any(|mount| is_idmapped(&mount));
            let maps = changes_ids.then(|| maps(subject));
            Seen { table, tree, groups, behind, maps }
        });
        Mounts { view: how.mounts, seen }
    }
}

fn table(subject: &Subject<'_>) -> Result<Table> {
    match subject.seen() {
        By::Process(process) => Table::of(&process.task),
        By::Namespace(ns) => listed::within(number(ns)?),
    }
}

fn number(ns: &NsFd) -> Result<u64> {
    ns.number().ok_or_else(|| {
        Error::refused("the kernel does not tell the mounts of a namespace by itself (Linux 6.11)")
            .with_hint("name a process that is in it")
    })
}

fn behind(subject: &Subject<'_>, table: &Table) -> Result<Vec<Behind>> {
    let ours = Table::of(subject.us.as_ref().map_err(Error::clone)?)?;
    let ours = Ours::of(&ours);
    Ok(table.iter().map(|mount| ours.behind(&mount)).collect())
}

fn maps(subject: &Subject<'_>) -> Result<BTreeMap<u64, Maps>> {
    let number = match subject.seen() {
        By::Process(process) => number(&NsFd::of(&process.task, Kind::Mnt)?)?,
        By::Namespace(ns) => number(ns)?,
    };
    // In our own namespace no right is needed to ask for what is below our root.
    let ours = subject.shares(Kind::Mnt, &subject.ours) == Some(true);
    listed::maps(number, false).or_else(|e| if ours { listed::maps(number, true) } else { Err(e) })
}

/// Does it change ids? Source: mount_setattr(2), Linux 5.12.
fn is_idmapped(mount: &Mount<&[u8]>) -> bool {
    // Few have it, and it is the last.
    mount.options.ends_with(b"idmapped") || mount.options.windows(10).any(|words| words == b",idmapped,")
}

impl Part for Mounts {
    fn page(&self, page: &mut Page) {
        match &self.seen {
            Ok(seen) => seen.page(page, self.view),
            Err(e) => page.remark(&not_readable(e)),
        }
    }

    fn json(&self) -> Value {
        Value::Object(vec![
            ("list", or_null(&self.seen, Seen::list)),
            ("skipped", or_null(&self.seen, |seen| Value::Number(seen.table.skipped as u64))),
            ("cut", or_null(&self.seen, |seen| Value::Bool(seen.table.cut))),
            ("changing", or_null(&self.seen, |seen| Value::Bool(seen.table.torn))),
        ])
    }

    fn missing(&self) -> Vec<(&'static str, &Error)> {
        let Ok(seen) = &self.seen else { return missing([("list", self.seen.as_ref().err())]) };
        missing([
            ("list.peers", seen.groups.as_ref().and_then(|groups| groups.as_ref().err())),
            ("list.host", seen.behind.as_ref().and_then(|behind| behind.as_ref().err())),
            ("list.uid_map", seen.maps.as_ref().and_then(|maps| maps.as_ref().err())),
        ])
    }
}
