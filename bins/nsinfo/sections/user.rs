//! Its user namespace: maps of ids, setgroups, who made it, what it is root of.

use common::error::{Error, Result};
use common::kind::Kind;
use common::ns::fd::NsFd;
use common::proc::credentials::Sets;
use common::proc::idmap::{IdMap, Range};
use common::tool::json::Value;
use common::tool::paint::Paint;

use super::super::page::{Page, not_readable};
use super::super::subject::Subject;
use super::{Part, list, missing, or_null, text};

/// The facts.
pub(crate) struct User {
    pub(crate) users: Result<IdMap>,
    pub(crate) groups: Result<IdMap>,
    /// The maps of our own user namespace.
    pub(crate) our_users: Result<IdMap>,
    pub(crate) our_groups: Result<IdMap>,
    pub(crate) setgroups: Result<Vec<u8>>,
    /// Why the maps can be wrong but for the first id of each range; none where they are right.
    pub(crate) unsure: Option<Error>,
    /// Is it the initial user namespace? None where that is not known.
    pub(crate) initial: Option<bool>,
    /// Whose it is: the user who made it, or who the machine's root is here. None in a directory of files.
    pub(crate) creator: Option<Result<Holder>>,
    /// Who root inside is outside; none where the map has no root, or is not known.
    pub(crate) root: Option<Holder>,
    /// Its effective capabilities; none where no process is looked at.
    pub(crate) effective: Option<Result<u64>>,
}

/// A user by number and name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Holder {
    pub(crate) uid: u32,
    /// As this machine has it; any bytes.
    pub(crate) name: Option<Vec<u8>>,
}

impl Holder {
    fn of(subject: &Subject<'_>, uid: u32) -> Holder {
        Holder { uid, name: subject.user_name(uid) }
    }

    fn spelled(&self, page: &Page) -> String {
        match &self.name {
            Some(name) => format!("{} ({})", self.uid, page.show(name)),
            None => self.uid.to_string(),
        }
    }

    fn json(&self) -> Value {
        Value::Object(vec![
            ("uid", Value::Number(self.uid.into())),
            ("name", self.name.as_deref().map_or(Value::Null, text)),
        ])
    }
}

impl User {
    pub(crate) fn take(subject: &Subject<'_>) -> User {
        let outside = subject.users.as_ref().ok().and_then(|map| map.outside(0));
        User {
            unsure: subject.unsure.clone(),
            initial: subject.shares(Kind::User, &subject.initial),
            creator: creator(subject),
            root: outside.map(|uid| Holder::of(subject, uid)),
            effective: subject.task().ok().map(|task| Ok(Sets::of(task)?.effective)),
            users: subject.users.clone(),
            groups: subject.groups.clone(),
            our_users: subject.our_users.clone(),
            our_groups: subject.our_groups.clone(),
            setgroups: subject.setgroups.clone(),
        }
    }
}

/// Who made the user namespace.
fn creator(subject: &Subject<'_>) -> Option<Result<Holder>> {
    match subject.proc.is_the_kernels() {
        Ok(true) => {}
        Ok(false) => return None,
        Err(e) => return Some(Err(e)),
    }
    let ask = |ns: &NsFd| ns.owner_uid().map(|uid| Holder::of(subject, uid));
    match (subject.process(), subject.ns()) {
        (Some(process), _) if subject.namespace(Kind::User).is_some() => {
            Some(NsFd::of(&process.task, Kind::User).and_then(|ns| ask(&ns)))
        }
        (None, Some(ns)) if ns.kind == Kind::User => Some(ask(ns)),
        // That it cannot be opened is told by the namespaces.
        _ => None,
    }
}

impl User {
    /// What its capabilities are good for, in a line.
    fn rights(&self) -> Option<&'static str> {
        Some(match (*self.effective.as_ref()?.as_ref().ok()?, self.initial) {
            (0, _) => "no capabilities",
            (_, Some(true)) => "its capabilities are over the whole machine",
            (_, Some(false)) => {
                "its capabilities are over what its user namespace owns, and not over the machine"
            }
            (_, None) => "its capabilities are over what its user namespace owns",
        })
    }
}

impl Part for User {
    fn page(&self, page: &mut Page) {
        map(page, "uid map", &self.users, &self.our_users);
        map(page, "gid map", &self.groups, &self.our_groups);
        if let Some(e) = &self.unsure {
            page.line(
                "",
                &format!("only the first id of each range is sure to be right: {}", not_readable(e)),
            );
        }
        match &self.setgroups {
            Ok(word) => page.line("setgroups", &page.show(word)),
            Err(e) => page.missing("setgroups", e),
        }
        if let (Some(root), Some(false)) = (&self.root, self.initial) {
            let (words, paint) = match root.uid {
                0 => ("outside: files of the machine's root are its own", Paint::Alarm),
                _ => ("outside", Paint::Plain),
            };
            page.painted("root inside", &format!("is {} {words}", root.spelled(page)), paint);
        }
        match &self.creator {
            Some(Ok(creator)) if self.initial != Some(true) => page.line("made by", &creator.spelled(page)),
            Some(Err(e)) => page.missing("made by", e),
            _ => {}
        }
        if let Some(words) = self.rights() {
            page.flow("rights", &[words.to_string()], Paint::Plain);
        }
        if let Some(Err(e)) = self.effective.as_ref().filter(|_| self.users.is_ok()) {
            page.missing("rights", e);
        }
    }

    fn json(&self) -> Value {
        Value::Object(vec![
            ("uid_map", or_null(&self.users, |map| list(&map.ranges, range_json))),
            ("gid_map", or_null(&self.groups, |map| list(&map.ranges, range_json))),
            ("maps_unsure", Value::Bool(self.unsure.is_some())),
            ("setgroups", or_null(&self.setgroups, |word| text(word.as_slice()))),
            ("root_outside", self.root.as_ref().map_or(Value::Null, Holder::json)),
            ("creator", self.creator.as_ref().map_or(Value::Null, |creator| or_null(creator, Holder::json))),
        ])
    }

    fn missing(&self) -> Vec<(&'static str, &Error)> {
        // Another /proc need not show us at all, which is told by the namespaces.
        let there = |e: &&Error| !e.is_gone();
        missing([
            ("uid_map", self.users.as_ref().err()),
            ("gid_map", self.groups.as_ref().err()),
            ("our_uid_map", self.our_users.as_ref().err().filter(there)),
            ("our_gid_map", self.our_groups.as_ref().err().filter(there)),
            ("setgroups", self.setgroups.as_ref().err()),
            ("maps_unsure", self.unsure.as_ref()),
            ("creator", self.creator.as_ref().and_then(|creator| creator.as_ref().err())),
        ])
    }
}

fn map(page: &mut Page, label: &str, map: &Result<IdMap>, ours: &Result<IdMap>) {
    // The kernel numbers only the first id of a range as our user namespace does.
    let plain = ours.as_ref().is_ok_and(IdMap::is_identity);
    match map {
        Err(e) => page.missing(label, e),
        Ok(map) if map.ranges.is_empty() => page.line(label, "empty: not written yet"),
        Ok(map) if map.is_identity() && plain => page.line(label, "every id is the same outside and inside"),
        Ok(map) => {
            for (at, range) in map.ranges.iter().enumerate() {
                page.line(if at == 0 { label } else { "" }, &spelled(range));
            }
        }
    }
    // Another /proc need not show us at all, which is told where it matters.
    if let Some(e) = ours.as_ref().err().filter(|e| !e.is_gone()) {
        page.line("", &format!("that of our own user namespace is {}", not_readable(e)));
    }
}

fn spelled(range: &Range) -> String {
    let span = |first: u32| match range.count {
        1 => first.to_string(),
        count => format!("{first}-{}", u64::from(first) + u64::from(count).saturating_sub(1)),
    };
    format!("{} outside = {} inside", range.outside.map_or("none".into(), span), span(range.inside))
}

pub(crate) fn range_json(range: &Range) -> Value {
    Value::Object(vec![
        ("outside", Value::number(range.outside)),
        ("inside", Value::Number(range.inside.into())),
        ("count", Value::Number(range.count.into())),
    ])
}
