//! Why ids could not be taken inside.

use nix::errno::Errno;

use super::name;
use crate::error::Error;
use crate::kind::Kind;
use crate::ns::diagnose::at_hand;
use crate::ns::diagnose::maps::span;
use crate::proc::credentials::{Capability, Rights};
use crate::proc::idmap::{self, IdMap};
use crate::proc::{Proc, Task};

/// So many lines of a map of ids are named.
const SHOWN: usize = 4;

/// Why the ids could not be taken, or the groups not given up, after namespaces were entered; what else fails stays as it
/// is. Source: setuid(2), setgroups(2), user_namespaces(7).
pub fn ids(error: Error, proc: Option<&Proc>) -> Error {
    match at_hand(proc) {
        Some((_, this)) => ids_of(error, &this),
        None => error,
    }
}

/// The same, of the user namespace that this process is in, with what we may do.
pub(super) fn ids_of(error: Error, this: &Task) -> Error {
    let Error::Sys { call, errno, .. } = error else { return error };
    let user = this.namespaces([Kind::User].into_iter().collect()).map_or(0, |found| found[Kind::User]);
    let (map, capability) = match call {
        "setuid" => (IdMap::of_users(this), Capability::SetUid),
        _ => (IdMap::of_groups(this), Capability::SetGid),
    };
    let facts = Ids {
        user,
        map: map.ok(),
        denied: idmap::setgroups(this).is_ok_and(|word| word == b"deny"),
        lacks: Rights::of(this).is_ok_and(|rights| rights.has(capability) == Some(false)),
    };
    match no_ids(call, errno, &facts) {
        Some(advice) => error.with_hint(advice),
        None => error,
    }
}

/// What our user namespace has of ids.
#[derive(Clone, Debug, Default)]
pub(super) struct Ids {
    pub(super) user: u64,
    pub(super) map: Option<IdMap>,
    /// Was the right to give up groups given up?
    pub(super) denied: bool,
    /// Lack we the capability to set them?
    pub(super) lacks: bool,
}

pub(super) fn no_ids(call: &str, errno: Errno, facts: &Ids) -> Option<String> {
    let (what, option, right) = match call {
        "setuid" => ("user", "-S", "CAP_SETUID"),
        "setgid" => ("group", "-G", "CAP_SETGID"),
        "setgroups" => ("group", "", "CAP_SETGID"),
        _ => return None,
    };
    let user = name(Kind::User, facts.user);
    let keep = "keep the ids that we have: --preserve-credentials";
    match (errno, call, &facts.map) {
        (Errno::EPERM, "setgroups", _) if facts.denied => {
            Some(format!("in {user} groups cannot be given up for good (its setgroups is `deny`): {keep}"))
        }
        (Errno::EINVAL, _, Some(map)) | (Errno::EPERM, "setgroups", Some(map)) if map.ranges.is_empty() => {
            Some(format!(
                "{user} has no {what} ids, as its {}_map is not written: {keep}",
                if call == "setuid" { "uid" } else { "gid" }
            ))
        }
        (Errno::EINVAL, "setuid" | "setgid", Some(map)) => Some(format!(
            "{user} has the {what} ids {}: choose one of them, by {option}, or {keep}",
            spans(map)
        )),
        (Errno::EPERM, ..) if facts.lacks => {
            Some(format!("this needs {right} in {user}, which we have not: run it as root"))
        }
        _ => None,
    }
}

/// `0-999, 100000 and 3 ranges more`
fn spans(map: &IdMap) -> String {
    let shown = map.ranges.iter().take(SHOWN);
    let spans: Vec<_> = shown.map(|range| span(range.inside, range.count)).collect();
    match map.ranges.len().saturating_sub(SHOWN) {
        0 => spans.join(", "),
        more => format!("{} and {more} ranges more", spans.join(", ")),
    }
}
