//! Why ids could not be mapped, by us or by newuidmap and newgidmap, and why groups could not be given up.

use nix::errno::Errno;

use super::{at_hand, blind, confined};
use crate::error::Error;
use crate::kind::{Kind, KindSet};
use crate::proc::credentials::{Caller, Capability, Rights};
use crate::proc::idmap::{self, IdMap, Range};
use crate::proc::mapping::{BYTES, LINES};
use crate::proc::{Proc, Task};
use crate::text::{Charset, show};

/// A file of /proc by which a user namespace gets its ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdTable {
    /// `uid_map`
    Users,
    /// `gid_map`
    Groups,
    /// `setgroups`
    Setgroups,
}

impl IdTable {
    /// The one that an error is about, by its name in what was tried.
    pub fn of(error: &Error) -> Option<IdTable> {
        let Error::Sys { on, .. } = error else { return None };
        let named = |file: &IdTable| on.windows(file.name().len()).any(|part| part == file.name().as_bytes());
        [IdTable::Users, IdTable::Groups, IdTable::Setgroups].into_iter().find(named)
    }

    fn name(self) -> &'static str {
        match self {
            IdTable::Users => "uid_map",
            IdTable::Groups => "gid_map",
            IdTable::Setgroups => "setgroups",
        }
    }
}

/// Why one of these, a map or the word for `setgroups`, could not be written for a process's user namespace, or for our
/// own where it is none's.
pub fn maps(
    error: Error,
    proc: Option<&Proc>,
    of: Option<&Task>,
    caller: Caller,
    text: impl Fn(IdTable) -> String,
) -> Error {
    let Some(file) = IdTable::of(&error) else { return error };
    let text = text(file);
    map(error, proc, &Write { file, text: text.as_bytes(), of, caller })
}

/// What was tried.
#[derive(Clone, Copy, Debug)]
struct Write<'a> {
    /// The file.
    pub file: IdTable,
    /// What should have been written.
    pub text: &'a [u8],
    /// The process whose user namespace it is about; none where that is our own, which we have just made.
    pub of: Option<&'a Task>,
    /// What we were in the user namespace above: before we made the new one, or now where it is another's.
    pub caller: Caller,
}

/// Why a map, or `setgroups`, could not be opened or written. Source: user_namespaces(7).
fn map(error: Error, proc: Option<&Proc>, write: &Write<'_>) -> Error {
    let Some(errno) = error.errno() else { return error };
    let Some((proc, this)) = at_hand(proc) else { return blind(error) };
    let of = write.of.unwrap_or(&this);
    let facts = Facts {
        users: IdMap::of_users(of).unwrap_or_default().ranges,
        groups: IdMap::of_groups(of).unwrap_or_default().ranges,
        denied: idmap::setgroups(of).is_ok_and(|word| word == b"deny"),
        above: match (write.of, write.file) {
            (Some(_), IdTable::Users) => IdMap::of_users(&this).ok(),
            (Some(_), IdTable::Groups) => IdMap::of_groups(&this).ok(),
            _ => None,
        },
        closed: write.of.is_none() && nix::sys::prctl::get_dumpable() == Ok(false),
        confined: proc.sysctl("kernel/apparmor_restrict_unprivileged_userns") == Some(1),
    };
    match advice(errno, write, &facts) {
        Some(advice) => error.with_hint(advice),
        None => error,
    }
}

/// What was found.
#[derive(Clone, Debug, Default)]
struct Facts {
    /// The maps that are written already.
    users: Vec<Range>,
    groups: Vec<Range>,
    /// Was the right to give up groups given up?
    denied: bool,
    /// The ids of the user namespace above, which is ours; none where we have left it.
    above: Option<IdMap>,
    /// Are our files in /proc root's, since our program may not be read?
    closed: bool,
    /// Does AppArmor confine new user namespaces?
    confined: bool,
}

fn advice(errno: Errno, write: &Write<'_>, facts: &Facts) -> Option<String> {
    let name = write.file.name();
    match errno {
        Errno::EACCES if facts.closed => Some(format!(
            "our files in /proc are root's, as we may not read the program that we run: make the file of the command \
                readable (chmod +r), or nobody may write its {name}"
        )),
        Errno::EPERM | Errno::EACCES if write.file == IdTable::Setgroups => refused_setgroups(write, facts),
        Errno::EPERM | Errno::EACCES => refused(write, facts),
        Errno::EINVAL if write.file != IdTable::Setgroups => invalid(write.text),
        Errno::EROFS => Some("proc is mounted read-only here: mount -o remount,rw /proc".into()),
        Errno::ENOENT => Some(format!(
            "the process has ended, or what is mounted on /proc is no proc, that of another pid namespace, or of a \
                kernel without user namespaces: ls -l /proc/self/{name}"
        )),
        _ => None,
    }
}

fn refused_setgroups(write: &Write<'_>, facts: &Facts) -> Option<String> {
    match (write.text.trim_ascii(), facts) {
        (b"allow", Facts { denied: true, .. }) => Some(
            "this user namespace, or one above it, has given that up for good: leave out --setgroups=allow"
                .into(),
        ),
        (b"deny", Facts { groups, denied: true, .. }) if !groups.is_empty() => {
            Some("it is denied already: leave out --setgroups=deny".into())
        }
        (b"deny", Facts { groups, .. }) if !groups.is_empty() => {
            Some("that can be denied only before the gid_map is written, and that is written already".into())
        }
        (_, Facts { confined: true, .. }) => Some(confined().into()),
        _ => None,
    }
}

fn refused(write: &Write<'_>, facts: &Facts) -> Option<String> {
    let Write { file, caller, .. } = write;
    let name = file.name();
    let (written, own, capability, right, what) = match file {
        IdTable::Users => (&facts.users, caller.user, Capability::SetUid, "CAP_SETUID", "user id"),
        _ => (&facts.groups, caller.group, Capability::SetGid, "CAP_SETGID", "group id"),
    };
    if !written.is_empty() {
        return Some(format!("this {name} is written already, and that can be done only once"));
    }
    let ranges = IdMap::parse(write.text)?.ranges;
    let outside = |range: &Range| range.outside.unwrap_or(u32::MAX);
    if let Some(above) = &facts.above
        && let Some(range) = ranges.iter().find(|range| !lies_in(above, outside(range), range.count))
    {
        let ids: Vec<_> = above.ranges.iter().map(|range| span(range.inside, range.count)).collect();
        return Some(format!(
            "not every one of the {what}s {} is one of our own user namespace, in one line of its {name}, which has \
                {}: choose among those",
            span(outside(range), range.count),
            if ids.is_empty() { "none".into() } else { ids.join(", ") }
        ));
    }
    if *file == IdTable::Users
        && ranges.iter().any(|range| outside(range) == 0)
        && !Capability::SetFcap.is_in(caller.capabilities)
        && caller.user == 0
    {
        return Some(
            "who maps root, user 0 outside, needs CAP_SETFCAP there, which we had not, as in some containers: give it \
                to them (--cap-add SETFCAP), map other users, or run it as another user"
                .into(),
        );
    }
    let single = matches!(&ranges[..], [range] if range.count == 1 && outside(range) == own);
    let capable = write.of.is_some() && capability.is_in(caller.capabilities);
    if !single && !capable {
        let option = if *file == IdTable::Users { "--map-users" } else { "--map-groups" };
        return Some(format!(
            "of ids outside we may map by ourselves only our own {what}, {own}; more needs {right} there, or a range in \
                /etc/sub{}, and newuidmap: {option}=auto",
            if *file == IdTable::Users { "uid" } else { "gid" }
        ));
    }
    if *file == IdTable::Groups && !capable && !facts.denied {
        return Some(
            "without CAP_SETGID outside, setgroups has to be denied before the gid_map is written: add --setgroups=deny"
                .into(),
        );
    }
    facts.confined.then(|| confined().into())
}

/// Are all these ids in one line of the map? The kernel looks no further.
fn lies_in(map: &IdMap, first: u32, count: u32) -> bool {
    let ends = |first: u32, count: u32| u64::from(first) + u64::from(count);
    map.ranges
        .iter()
        .any(|range| range.inside <= first && ends(first, count) <= ends(range.inside, range.count))
}

/// `100000-165535`
pub(super) fn span(first: u32, count: u32) -> String {
    match count {
        0 | 1 => first.to_string(),
        _ => format!("{first}-{}", u64::from(first) + u64::from(count) - 1),
    }
}

/// What the kernel finds wrong in a map.
fn invalid(text: &[u8]) -> Option<String> {
    let lines = text.split(|&b| b == b'\n').filter(|line| !line.is_empty()).count();
    if lines > LINES {
        return Some(format!("a map may have {LINES} lines, and this has {lines}: name fewer ranges"));
    }
    if text.len() > BYTES {
        return Some(format!(
            "a map may have {} bytes, and this has {}: name fewer ranges",
            BYTES,
            text.len()
        ));
    }
    let Some(map) = IdMap::parse(text) else {
        return Some("a line of a map is three numbers below 4294967295: inside, outside, how many".into());
    };
    let ranges = map.ranges;
    if ranges.is_empty() {
        return Some("a map needs a line".into());
    }
    for (i, range) in ranges.iter().enumerate() {
        let outside = range.outside.unwrap_or(u32::MAX);
        let ends = [range.inside, outside].map(|first| u64::from(first) + u64::from(range.count));
        if range.count == 0 || ends.iter().any(|end| *end > u64::from(u32::MAX)) {
            return Some(format!(
                "{} {outside} {}: a range has one id at least, and none above 4294967294",
                range.inside, range.count
            ));
        }
        let meets = |a: u32, b: u32, count: u32| {
            u64::from(a) < u64::from(b) + u64::from(count)
                && u64::from(b) < u64::from(a) + u64::from(range.count)
        };
        for other in &ranges[..i] {
            let inside = meets(range.inside, other.inside, other.count);
            if inside || meets(outside, other.outside.unwrap_or(u32::MAX), other.count) {
                let (a, b, where_) = match inside {
                    true => (other.inside, range.inside, "inside"),
                    false => (other.outside.unwrap_or(u32::MAX), outside, "outside"),
                };
                return Some(format!(
                    "two ranges have the same ids {where_}, {} and {}: each may stand in one only",
                    span(a, other.count),
                    span(b, range.count)
                ));
            }
        }
    }
    None
}

/// Why groups could not be given up or set. Source: setgroups(2), user_namespaces(7).
pub fn setgroups(error: Error, proc: Option<&Proc>) -> Error {
    let (Some(Errno::EPERM), Some((_, this))) = (error.errno(), at_hand(proc)) else { return error };
    let denied = idmap::setgroups(&this).is_ok_and(|word| word == b"deny");
    let unwritten = IdMap::of_groups(&this).is_ok_and(|map| map.ranges.is_empty());
    let lacks = Rights::of(&this).is_ok_and(|rights| rights.has(Capability::SetGid) == Some(false));
    match no_groups(denied, unwritten, lacks) {
        Some(advice) => error.with_hint(advice),
        None => error,
    }
}

fn no_groups(denied: bool, unwritten: bool, lacks: bool) -> Option<String> {
    match (denied, unwritten, lacks) {
        (true, ..) => Some(
            "in this user namespace groups cannot be given up (/proc/self/setgroups is `deny`, which mapping one's own \
                group needs): map groups by --map-groups=auto, which leaves it, or leave the groups as they are",
        ),
        (_, true, _) => Some("this user namespace has no groups, as its gid_map is not written: add --map-groups or -r"),
        (.., true) => Some("this needs CAP_SETGID, which we have not: run it as a user who has it, or add -r"),
        _ => None,
    }
    .map(Into::into)
}

/// Why we could not become who a new user namespace shall belong to.
pub fn owner(error: Error, proc: Option<&Proc>) -> Error {
    match error.errno() {
        Some(Errno::EPERM) => {
            let caller = Caller::now();
            let lacks = |capability: Capability| !capability.is_in(caller.capabilities);
            match lacks(Capability::SetGid) || lacks(Capability::SetUid) {
                true => error.with_hint(
                    "a new user namespace belongs to who makes it, and to become another needs CAP_SETUID and \
                        CAP_SETGID, which we have not: run it as root, or leave out --owner",
                ),
                false => setgroups(error, proc),
            }
        }
        Some(Errno::EINVAL) => error.with_hint(
            "the user namespace we are in has no such id (see /proc/self/uid_map and gid_map): choose one that it has",
        ),
        _ => error,
    }
}

/// Why we could not take a user or group id in namespaces of which these are new. Source: setuid(2).
pub fn set_id(error: Error, new: KindSet) -> Error {
    match error.errno() {
        Some(Errno::EINVAL) if new.contains(Kind::User) => error.with_hint(
            "the new user namespace has no such id: map it, by --map-users, --map-groups or --map-auto, or choose one it has",
        ),
        Some(Errno::EINVAL) => error.with_hint(
            "the user namespace we are in has no such id (see /proc/self/uid_map and gid_map): choose one that it has",
        ),
        _ => error,
    }
}

/// What is known when newuidmap or newgidmap cannot be run, or has failed.
#[derive(Clone, Copy, Debug)]
pub struct Helper<'a> {
    /// The map that it was to write.
    pub file: IdTable,
    /// Is the program installed?
    pub found: bool,
    /// The user's name, or number where there is no name; any bytes.
    pub user: &'a [u8],
    /// What /etc/subuid or /etc/subgid grants the user: the first id, and how many.
    pub granted: &'a [(u32, u32)],
    /// The ids outside that were to be mapped, beside the user's own.
    pub asked: &'a [(u32, u32)],
}

/// Why newuidmap or newgidmap did not do it. Source: newuidmap(1), subuid(5).
pub fn helper(error: Error, proc: Option<&Proc>, helper: &Helper<'_>) -> Error {
    let rights = at_hand(proc).and_then(|(_, this)| Rights::of(&this).ok()).unwrap_or_default();
    match unhelped(helper, &rights) {
        Some(advice) => error.with_hint(advice),
        None => error,
    }
}

fn unhelped(helper: &Helper<'_>, rights: &Rights) -> Option<String> {
    let (program, file, option, what) = match helper.file {
        IdTable::Users => ("newuidmap", "/etc/subuid", "--add-subuids", "user id"),
        _ => ("newgidmap", "/etc/subgid", "--add-subgids", "group id"),
    };
    let user = show(helper.user, Charset::from_env());
    let spans = |ranges: &[(u32, u32)]| {
        ranges.iter().map(|(first, count)| span(*first, *count)).collect::<Vec<_>>().join(", ")
    };
    if !helper.found {
        return Some(format!(
            "{program} is not in PATH: install the package that has it (uidmap of Debian and Ubuntu, shadow-utils of \
                Fedora, shadow of others)"
        ));
    }
    if rights.no_new_privs == Some(true) {
        return Some(format!(
            "no_new_privs is set (`NoNewPrivs: 1` in /proc/self/status), so that {program} gets no rights by being \
                set-user-ID: run it where that is not set"
        ));
    }
    if helper.granted.is_empty() {
        return Some(format!(
            "{file} grants {user} no {what}s: as root, usermod {option} 100000-165535 {user}, with ids that no other \
                user has there"
        ));
    }
    let granted = |(first, count): &(u32, u32)| {
        let end = u64::from(*first) + u64::from(*count);
        helper.granted.iter().any(|(from, many)| from <= first && end <= u64::from(*from) + u64::from(*many))
    };
    let out: Vec<_> = helper.asked.iter().filter(|range| !granted(range)).copied().collect();
    if !out.is_empty() {
        return Some(format!(
            "{file} grants {user} the {what}s {}, and {} are not all among them: ask for those, or have more granted \
                (usermod {option})",
            spans(helper.granted),
            spans(&out)
        ));
    }
    if rights.filtered == Some(true) {
        return Some(super::FILTER.into());
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: u64 = 0x1ff_ffff_ffff;

    fn caller(user: u32, capabilities: u64) -> Caller {
        Caller { user, group: user, capabilities }
    }

    fn told(errno: Errno, file: IdTable, text: &str, caller: Caller, facts: &Facts) -> String {
        let write = Write { file, text: text.as_bytes(), of: None, caller };
        advice(errno, &write, facts).unwrap_or_default()
    }

    fn one() -> Vec<Range> {
        vec![Range { inside: 0, outside: Some(5), count: 1 }]
    }

    #[test]
    fn a_map_is_refused_for_what_was_found() {
        let none = Facts::default();
        let denied = Facts { denied: true, ..Facts::default() };
        let confined = Facts { denied: true, confined: true, ..Facts::default() };
        let written = Facts { users: one(), ..Facts::default() };
        let closed = Facts { closed: true, ..Facts::default() };
        #[rustfmt::skip]
        let cases: &[(Errno, IdTable, &str, Caller, &Facts, &str)] = &[
            (Errno::EPERM, IdTable::Users, "0 5 1", caller(5, 0), &none, ""),
            (Errno::EPERM, IdTable::Users, "0 5 1", caller(5, 0), &written, "is written already"),
            (Errno::EPERM, IdTable::Users, "0 6 1", caller(5, 0), &none, "only our own user id, 5; more needs CAP_SETUID"),
            (Errno::EPERM, IdTable::Users, "0 5 2", caller(5, ALL), &none, "only our own user id, 5"),
            (Errno::EPERM, IdTable::Groups, "0 5 2", caller(5, 0), &denied, "/etc/subgid"),
            (Errno::EPERM, IdTable::Groups, "0 5 1", caller(5, 0), &none, "--setgroups=deny"),
            (Errno::EPERM, IdTable::Groups, "0 5 1", caller(5, 0), &denied, ""),
            (Errno::EPERM, IdTable::Groups, "0 5 1", caller(5, 0), &confined, "AppArmor"),
            (Errno::EPERM, IdTable::Users, "0 0 1", caller(0, ALL & !(1 << 31)), &none, "CAP_SETFCAP"),
            (Errno::EPERM, IdTable::Users, "0 0 1", caller(0, ALL), &none, ""),
            (Errno::EPERM, IdTable::Users, "0 0 1", caller(5, 0), &none, "only our own user id, 5"),
            (Errno::EACCES, IdTable::Users, "0 5 1", caller(5, 0), &closed, "readable (chmod +r)"),
            (Errno::EROFS, IdTable::Users, "0 5 1", caller(5, 0), &none, "remount,rw"),
            (Errno::ENOENT, IdTable::Users, "0 5 1", caller(5, 0), &none, "another pid namespace"),
            (Errno::EIO, IdTable::Users, "0 5 1", caller(5, 0), &none, ""),
            (Errno::EPERM, IdTable::Setgroups, "allow", caller(5, 0), &denied, "given that up for good"),
            (Errno::EPERM, IdTable::Setgroups, "deny", caller(5, 0), &Facts { groups: one(), ..none.clone() }, "only before the gid_map"),
            (Errno::EPERM, IdTable::Setgroups, "deny", caller(5, 0), &Facts { groups: one(), ..denied.clone() }, "denied already"),
            (Errno::EPERM, IdTable::Setgroups, "deny", caller(5, 0), &none, ""),
            (Errno::EPERM, IdTable::Setgroups, "deny", caller(5, 0), &confined, "AppArmor"),
            (Errno::EINVAL, IdTable::Setgroups, "what", caller(5, 0), &none, ""),
        ];
        for (errno, file, text, caller, facts, has) in cases {
            let hint = told(*errno, *file, text, *caller, facts);
            assert!(
                hint.contains(has) && hint.is_empty() == has.is_empty(),
                "{errno} {file:?} {text}: {hint}"
            );
        }
    }

    #[test]
    fn ids_that_the_user_namespace_above_lacks_are_named_with_those_it_has() {
        let above = IdMap::parse(b"0 1000 1\n1 100000 65536\n").expect("a map");
        let facts = Facts { above: Some(above), ..Facts::default() };
        let hint = |text| told(Errno::EPERM, IdTable::Users, text, caller(0, ALL), &facts);
        assert!(
            hint("0 1 1\n1 65537 2").contains("user ids 65537-65538")
                && hint("0 65537 1").contains("0, 1-65536")
        );
        // Not in one line.
        assert!(hint("0 0 2").contains("ids 0-1 is one of our own"));
    }

    #[test]
    fn what_is_wrong_in_a_map_is_found() {
        let many: String = (0..341).map(|i| format!("{i} {i} 1\n")).collect();
        let long: String =
            (0..200).map(|i| format!("{} {} 1\n", 2_000_000_000 + i, 3_000_000_000u32 + i)).collect();
        let cases = [
            (many.as_str(), "340 lines, and this has 341"),
            (long.as_str(), "4095 bytes"),
            ("0 0", "three numbers"),
            ("", "needs a line"),
            ("0 0 0", "one id at least"),
            ("4294967290 0 6", "none above 4294967294"),
            ("0 4294967295 1", "none above 4294967294"),
            ("0 0 10\n10 5 10", "same ids outside, 0-9 and 5-14"),
            ("0 0 10\n9 20 1", "same ids inside, 0-9 and 9"),
            ("0 0 10\n10 10 10", ""),
            ("4294967290 0 5", ""),
        ];
        for (text, has) in cases {
            let hint = invalid(text.as_bytes()).unwrap_or_default();
            assert!(hint.contains(has) && hint.is_empty() == has.is_empty(), "{text}: {hint}");
        }
    }

    #[test]
    fn groups_stay_for_a_reason() {
        assert!(no_groups(true, true, true).is_some_and(|hint| hint.contains("deny")));
        assert!(no_groups(false, true, true).is_some_and(|hint| hint.contains("gid_map")));
        assert!(no_groups(false, false, true).is_some_and(|hint| hint.contains("CAP_SETGID")));
        assert_eq!(no_groups(false, false, false), None);
    }

    #[test]
    fn a_helper_that_did_not_help_is_explained() {
        let base = Helper {
            file: IdTable::Users,
            found: true,
            user: b"joe\x1b",
            granted: &[(100_000, 65536)],
            asked: &[(100_000, 65536)],
        };
        let rights = Rights::default();
        let bound = Rights { no_new_privs: Some(true), ..rights };
        let filtered = Rights { filtered: Some(true), ..rights };
        #[rustfmt::skip]
        let cases: &[(Helper<'_>, Rights, &str)] = &[
            (base, rights, ""),
            (base, filtered, "seccomp"),
            (base, bound, "no_new_privs"),
            (Helper { found: false, ..base }, bound, "newuidmap is not in PATH"),
            (Helper { granted: &[], ..base }, rights, "/etc/subuid grants joe\\x1b no user ids: as root, usermod --add-subuids 100000-165535 joe"),
            (Helper { granted: &[], file: IdTable::Groups, ..base }, rights, "--add-subgids"),
            (Helper { asked: &[(5, 1), (100_000, 65537)], ..base }, rights, "100000-165535, and 5, 100000-165536 are not all"),
        ];
        for (helper, rights, has) in cases {
            let hint = unhelped(helper, rights).unwrap_or_default();
            assert!(hint.contains(has) && hint.is_empty() == has.is_empty(), "{hint}");
        }
    }
}
