//! Its user namespace: maps of ids, setgroups.

use common::error::{Error, Result};
use common::proc::idmap::{self, IdMap, Range};
use common::tool::json::Value;

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
}

impl User {
    pub(crate) fn take(subject: &Subject<'_>) -> User {
        User {
            users: subject.users.clone(),
            groups: subject.groups.clone(),
            our_users: subject.our_users.clone(),
            our_groups: subject.our_groups.clone(),
            setgroups: subject.task().and_then(idmap::setgroups),
        }
    }
}

impl Part for User {
    fn page(&self, page: &mut Page) {
        map(page, "uid map", &self.users, &self.our_users);
        map(page, "gid map", &self.groups, &self.our_groups);
        match &self.setgroups {
            Ok(word) => page.line("setgroups", &page.show(word)),
            Err(e) => page.missing("setgroups", e),
        }
    }

    fn json(&self) -> Value {
        Value::Object(vec![
            ("uid_map", or_null(&self.users, |map| list(&map.ranges, range_json))),
            ("gid_map", or_null(&self.groups, |map| list(&map.ranges, range_json))),
            ("setgroups", or_null(&self.setgroups, |word| text(word.as_slice()))),
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
