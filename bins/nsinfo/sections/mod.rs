//! The sections of the page: one row each, and each a file of its own, which reads its facts once and tells them
//! to people and as JSON.

pub(crate) mod cgroup;
pub(crate) mod identity;
pub(crate) mod mounts;
pub(crate) mod namespace;
pub(crate) mod namespaces;
pub(crate) mod net;
pub(crate) mod security;
pub(crate) mod time;
pub(crate) mod user;
pub(crate) mod uts;

use common::error::{Error, Result};
use common::kind::Kind;
use common::tool::json::Value;

use super::page::Page;
use super::subject::Subject;

/// One section.
pub(crate) struct Section {
    pub(crate) name: &'static str,
    /// What it tells.
    pub(crate) help: &'static str,
    /// The kind of namespace that it is about: it tells of such a one without a process too.
    pub(crate) kind: Option<Kind>,
    /// Reads the facts.
    pub(crate) take: fn(&Subject<'_>) -> Box<dyn Part>,
}

/// The facts of a section: plain data. A thing that could not be read is the error that says why.
pub(crate) trait Part {
    /// For people, below the heading.
    fn page(&self, page: &mut Page);

    /// As JSON: what is not known is null.
    fn json(&self) -> Value;

    /// What could not be read, by its key in the JSON of this section, and why.
    fn missing(&self) -> Vec<(&'static str, &Error)>;
}

#[rustfmt::skip]
pub(crate) const SECTIONS: &[Section] = &[
    Section { name: namespace::NAME, help: "of a namespace: ids, owner, processes, what keeps it", kind: None, take: |subject| Box::new(namespace::Told::take(subject)) },
    Section { name: "identity", help: "command, PIDs, ids, container, pod and unit", kind: None, take: |subject| Box::new(identity::Identity::take(subject)) },
    Section { name: "namespaces", help: "which namespaces it is in, and whose they are", kind: None, take: |subject| Box::new(namespaces::Namespaces::take(subject)) },
    Section { name: Kind::User.name(), help: "maps of ids, setgroups", kind: Some(Kind::User), take: |subject| Box::new(user::User::take(subject)) },
    Section { name: "mounts", help: "what is mounted", kind: Some(Kind::Mnt), take: |subject| Box::new(mounts::Mounts::take(subject)) },
    Section { name: Kind::Net.name(), help: "devices, addresses, routes, listeners", kind: Some(Kind::Net), take: |subject| Box::new(net::Net::take(subject)) },
    Section { name: Kind::Uts.name(), help: "names of the host", kind: Some(Kind::Uts), take: |subject| Box::new(uts::Uts::take(subject)) },
    Section { name: Kind::Time.name(), help: "offsets of clocks, uptime", kind: Some(Kind::Time), take: |subject| Box::new(time::Time::take(subject)) },
    Section { name: Kind::Cgroup.name(), help: "control groups: what it may use, limits, usage", kind: None, take: |subject| Box::new(cgroup::Cgroups::take(subject)) },
    Section { name: "security", help: "capabilities, seccomp, security modules", kind: None, take: |subject| Box::new(security::Security::take(subject)) },
];

// What the sections say in JSON, and how.

pub(crate) fn text(bytes: impl Into<Vec<u8>>) -> Value {
    Value::Text(bytes.into())
}

pub(crate) fn list<T>(things: &[T], one: impl Fn(&T) -> Value) -> Value {
    Value::List(things.iter().map(one).collect())
}

pub(crate) fn or_null<T>(part: &Result<T>, show: impl FnOnce(&T) -> Value) -> Value {
    part.as_ref().map_or(Value::Null, show)
}

pub(crate) fn yes(answer: Option<bool>) -> Value {
    answer.map_or(Value::Null, Value::Bool)
}

/// Those of some parts that could not be read.
pub(crate) fn missing<'e, const N: usize>(
    parts: [(&'static str, Option<&'e Error>); N],
) -> Vec<(&'static str, &'e Error)> {
    parts.into_iter().filter_map(|(key, error)| Some((key, error?))).collect()
}
