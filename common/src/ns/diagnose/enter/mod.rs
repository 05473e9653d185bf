//! Why namespaces could not be entered, or what belongs to a process not opened; and what would be entered, and whether it
//! may. What helps is tried by helper processes before it is advised.

mod closed;
mod facts;
mod ids;

use std::fmt;

use nix::errno::Errno;

use super::{FILTER, at_hand, blind};
use crate::error::{Error, Result};
use crate::kind::{Kind, KindSet};
use crate::ns::join::Join;
use crate::ns::visit::{Try, try_ids, try_out};
use crate::proc::Proc;
use crate::proc::credentials::Capability;

use facts::{Add, Asked, Facts, Gate, Remedy};
use ids::ids_of;

pub use closed::closed;
pub(in crate::ns) use facts::first_thread_ended;
pub use ids::ids;

/// Why [`Join::enter`] was refused, and what would work: each kind is tried by a helper, and each advice was carried out by
/// one. For callers with one thread, which from then on do not ignore SIGCHLD. Source: setns(2), user_namespaces(7).
pub fn enter(error: Error, proc: Option<&Proc>, join: &Join) -> Error {
    let Some(errno) = error.errno() else { return error };
    let Some((proc, this)) = at_hand(proc) else { return blind(error) };
    let failed = match &error {
        Error::Sys { on, .. } => Some(&on[..]),
        Error::Refused { .. } => None,
    };
    let Ok(facts) = Facts::take(proc, &this, &join.way(), failed) else { return error };
    match judge(errno, &facts).hint() {
        Some(hint) => error.with_hint(hint),
        None => error,
    }
}

/// What [`Join::enter`] would enter, in its order, and whether it may, and whether these ids can be taken after that: what
/// the kernel answered to a helper that did it. For callers with one thread, which from then on do not ignore SIGCHLD. An
/// error where no helper could be made.
pub fn rehearse(proc: &Proc, join: &Join, group: Option<u32>, user: Option<u32>) -> Result<Rehearsal> {
    let way = join.way();
    let tries = try_out(|told| {
        if way.enter(told).is_ok() {
            try_ids(group, user, told);
        }
    })?;
    let this = proc.this()?;
    let facts = Facts::take(proc, &this, &way, None)?;
    let errno = tries.iter().rev().find_map(|tried| tried.refused).unwrap_or(Errno::EPERM);
    let mut rehearsal = in_order(&tries, errno, &facts);
    let taken: Vec<_> = tries.iter().filter(|tried| tried.kinds.is_empty()).collect();
    if let Some(Try { refused: Some(errno), .. }) = taken.last() {
        let (call, id) = if taken.len() == 1 { ("setgid", group) } else { ("setuid", user) };
        let error = Error::sys(call, id.unwrap_or(0).to_string(), *errno);
        // The ids inside are the same, from wherever they are read.
        let in_it = match facts.asked(Kind::User) {
            None => Some(&this),
            Some(user) => way.target.filter(|_| user.of_target).map(|target| &target.task),
        };
        rehearsal.ids = Some(in_it.map_or(error.clone(), |task| ids_of(error, task)));
    }
    Ok(rehearsal)
}

/// Namespaces that would be entered, in order, and what to do where one is refused.
#[derive(Clone, Debug)]
pub struct Rehearsal {
    /// A row for each kind: first those that are entered, in the order in which they are.
    pub rows: Vec<Row>,
    /// What would work, where something is refused and something was found.
    pub advice: Option<String>,
    /// Why the ids cannot be taken, where all can be entered and they not.
    pub ids: Option<Error>,
}

impl Rehearsal {
    /// May all be entered, and the ids be taken?
    pub fn may(&self) -> bool {
        self.rows.iter().all(|row| row.refused.is_none()) && self.ids.is_none()
    }
}

/// One namespace that would be entered. It prints as `1 net:[4026532213], of user:[4026532212]: may be entered`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// With which call, counted from 1: those with the same number are entered at once. None where it is refused.
    pub step: Option<usize>,
    /// The kind.
    pub kind: Kind,
    /// Its inode number; 0 where that cannot be seen.
    pub ino: u64,
    /// That of the user namespace that owns it, or of a user namespace's parent; 0 where that is outside our view.
    pub owner: u64,
    /// Why it may not be entered; may be shown as it is.
    pub refused: Option<String>,
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.step {
            Some(step) => write!(f, "{step} ")?,
            None => f.write_str("- ")?,
        }
        match self.ino {
            0 => write!(f, "{} namespace", self.kind)?,
            ino => f.write_str(&name(self.kind, ino))?,
        }
        match self.owner {
            0 => {}
            owner => write!(f, ", of {}", name(Kind::User, owner))?,
        }
        match &self.refused {
            None => f.write_str(": may be entered"),
            Some(why) => write!(f, ": refused: {why}"),
        }
    }
}

/// Why which kinds are refused, and what to do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Verdict {
    whys: Vec<(KindSet, String)>,
    advice: Option<String>,
}

impl Verdict {
    fn hint(&self) -> Option<String> {
        let mut whys: Vec<&str> = Vec::new();
        for (_, why) in &self.whys {
            if !whys.contains(&&**why) {
                whys.push(why);
            }
        }
        let whys = whys.join("; also, ");
        match (&self.advice, whys.is_empty()) {
            (_, true) => None,
            (None, false) => Some(whys),
            (Some(advice), false) => Some(format!("{whys}: {advice}")),
        }
    }
}

fn judge(errno: Errno, facts: &Facts) -> Verdict {
    let mut verdict = Verdict::default();
    let of_target: KindSet =
        facts.asked.iter().filter(|asked| asked.of_target).map(|asked| asked.kind).collect();
    let lost = facts.target.as_ref().filter(|_| !of_target.is_empty());
    if let Some(why) = lost.and_then(|of| of.ended.as_ref().or(of.closed.as_ref())) {
        return Verdict { whys: vec![(of_target, why.clone())], advice: None };
    }
    let lacking: KindSet = of_target.iter().filter(|kind| facts.ours[*kind] == 0).collect();
    if !lacking.is_empty() {
        let release = facts.release.map_or(String::new(), |(major, minor)| format!(" {major}.{minor}"));
        let since: Vec<_> =
            lacking.iter().map(|kind| format!("{kind} (Linux {})", kind.row().since)).collect();
        let why = format!("this kernel{release} lacks the kind {}", since.join(", "));
        verdict.advice = Some(format!("leave out {}", options(lacking)));
        verdict.whys.push((lacking, why));
        return verdict;
    }
    let refused: Vec<&Asked> = facts.asked.iter().filter(|asked| asked.refused.is_some()).collect();
    if refused.is_empty() {
        let takes_files = [Kind::User, Kind::Mnt].iter().any(|kind| facts.asked(*kind).is_some());
        if errno == Errno::EINVAL && takes_files {
            let kinds = facts.asked.iter().map(|asked| asked.kind).collect();
            let why = "a helper of ours may enter them, and we may not, so we share root and working directory with \
                another process (CLONE_FS), and who does can enter no user and no mnt namespace"
                .into();
            verdict.whys.push((kinds, why));
            verdict.advice =
                Some("have a shell start it, with another command behind: sh -c 'rnsenter ...; exit'".into());
        }
        return verdict;
    }
    // What one user namespace stands in the way of is told together.
    let (mut own, mut gates): (Vec<&Asked>, Vec<(Gate, Vec<&Asked>)>) = Default::default();
    for asked in refused {
        match asked.refused {
            _ if facts.is_own(asked) => own.push(asked),
            Some(Errno::EPERM) => match gates.iter_mut().find(|(gate, _)| *gate == asked.gate) {
                Some((_, kinds)) => kinds.push(asked),
                None => gates.push((asked.gate, vec![asked])),
            },
            Some(other) => {
                let (why, advice) = otherwise(asked, other, facts);
                verdict.whys.push((set(&[asked]), why));
                verdict.advice = verdict.advice.or(advice);
            }
            None => {}
        }
    }
    if !own.is_empty() {
        let one = own.len() == 1;
        let (is, what) = if one { ("is", "the one") } else { ("are", "those") };
        verdict.whys.push((set(&own), format!("{} {is} {what} that we are in already", names(&own))));
    }
    for (gate, kinds) in &gates {
        verdict.whys.push((set(kinds), without_right(kinds, gate, facts)));
    }
    let remedy = facts.remedy.map(|remedy| advise(&remedy, facts));
    let last = gates.first().and_then(|(gate, kinds)| resort(gate, kinds, facts));
    verdict.advice = remedy.or(verdict.advice).or(last);
    verdict
}

/// Why another answer than EPERM was given for a namespace.
fn otherwise(asked: &Asked, errno: Errno, facts: &Facts) -> (String, Option<String>) {
    let name = asked.name();
    match (errno, asked.kind) {
        (Errno::EINVAL, Kind::Pid) => (
            format!(
                "{name} is neither the pid namespace that we are in, {}, nor below it, and from a pid namespace only \
                    those can be entered",
                self::name(Kind::Pid, facts.ours[Kind::Pid])
            ),
            Some(format!("run it in {name}, or in one above it")),
        ),
        (Errno::EUSERS, _) => (
            format!("{name} can be entered only by a process of one thread, and we have several"),
            Some(format!("enter without {}", options(set(&[asked])))),
        ),
        (Errno::ENOSYS, _) => {
            (format!("setns for {name}: {}", Error::sys("", "", errno).reason()), Some(FILTER.into()))
        }
        _ => (format!("the kernel refuses {name}: {}", Error::sys("", "", errno).reason()), None),
    }
}

/// Which capability is missing, and where.
fn without_right(kinds: &[&Asked], gate: &Gate, facts: &Facts) -> String {
    let ours = name(Kind::User, facts.ours[Kind::User]);
    let names = names(kinds);
    let has = |capability| facts.rights.has(capability) == Some(true);
    let bounded = |capability| match facts.rights.could_have(capability) {
        Some(false) => ", as our bounding set leaves it out (`CapBnd` in /proc/self/status)",
        _ => "",
    };
    let entered =
        facts.asked(Kind::User).filter(|user| user.refused.is_none()).map(|user| name(Kind::User, user.ino));
    let outside = entered.map_or(String::new(), |user| {
        format!("; {user}, which is entered as well, gives rights only in itself and below")
    });
    let takes = format!("to enter {names} takes CAP_SYS_ADMIN");
    if gate.ino == 0 {
        let (belongs, one) = if kinds.len() == 1 { ("belongs", "it") } else { ("belong", "them") };
        if facts.moved {
            return format!(
                "{names} {belongs} to a user namespace above {ours} or beside it, which had to be entered first and gives \
                    rights only in itself and below"
            );
        }
        return format!(
            "{names} {belongs} to a user namespace that is neither ours, {ours}, nor below it, and to enter {one} takes \
                CAP_SYS_ADMIN there{outside}"
        );
    }
    if gate.ino == facts.ours[Kind::User] && !gate.admin {
        return format!(
            "{takes} in the user namespace that we are in, {ours}, which we have not{}{outside}",
            bounded(Capability::SysAdmin)
        );
    }
    match (gate.admin, has(Capability::SysAdmin)) {
        (false, false) => {
            format!("{takes} in {}, which we have neither there nor above{outside}", gate.shown())
        }
        (true, false) => format!(
            "{takes} in {}, which we have, and in our own user namespace, {ours}, too, which we have not{}{outside}",
            gate.shown(),
            bounded(Capability::SysAdmin)
        ),
        (_, true) if kinds.iter().any(|asked| asked.kind == Kind::Mnt) && !has(Capability::SysChroot) => {
            format!(
                "{takes}, which we have, and for mnt also CAP_SYS_CHROOT in our own user namespace, {ours}, which we have \
                not{}",
                bounded(Capability::SysChroot)
            )
        }
        _ if facts.rights.filtered == Some(true) => FILTER.into(),
        _ => format!(
            "{takes}, which we have, and no seccomp filter is active, so it is a security module that refuses: its log \
                can tell (dmesg, journalctl -k)"
        ),
    }
}

/// What was tried and works.
fn advise(remedy: &Remedy, facts: &Facts) -> String {
    let mut advice = Vec::new();
    if !remedy.without.is_empty() {
        advice.push(format!("leave out {}", options(remedy.without)));
    }
    let option = match remedy.add {
        Add::Nothing => return advice.concat(),
        Add::User => "-U",
        Add::Parent => "--user-parent",
    };
    let keep = if remedy.keep_ids { " --preserve-credentials" } else { "" };
    advice.push(format!("add {option}{keep}, by which it may be entered (that was tried)"));
    if let (Add::Parent, Some(user)) = (remedy.add, facts.asked(Kind::User)) {
        advice.push(format!(
            "the program is then in {}, and not in {}",
            name(Kind::User, remedy.into),
            user.name()
        ));
    }
    let pid = facts.target.as_ref().map(|of| of.pid);
    if let (true, Some(pid)) = (remedy.two_steps, pid) {
        advice.push(format!(
            "to have all that was asked, take two steps: rnsenter -t {pid} --user-parent rnsenter ... with these options"
        ));
    }
    advice.join("; ")
}

/// Who may, where we may in no way.
fn resort(gate: &Gate, kinds: &[&Asked], facts: &Facts) -> Option<String> {
    if facts.moved {
        return Some("--dry-run, which stays where it is, tries what works".into());
    }
    if gate.ino == 0 {
        return Some(format!(
            "run it from outside of {}, by who has CAP_SYS_ADMIN there",
            name(Kind::User, facts.ours[Kind::User])
        ));
    }
    let mnt = kinds.iter().any(|asked| asked.kind == Kind::Mnt);
    let needed = [(Capability::SysAdmin, "SYS_ADMIN", true), (Capability::SysChroot, "SYS_CHROOT", mnt)];
    let lacks = |capability| facts.rights.has(capability) == Some(false);
    let (capability, word, _) = needed.into_iter().find(|(it, _, needed)| *needed && lacks(*it))?;
    let other =
        gate.maker.filter(|maker| *maker != facts.us && gate.ino != facts.ours[Kind::User] && *maker != 0);
    let as_other = other.map_or(String::new(), |maker| format!("as user {maker}, or "));
    Some(match facts.rights.could_have(capability) {
        Some(false) => format!(
            "run it {as_other}as root outside of the container that took it away, or let that have it (--cap-add {word} of \
                Docker and Podman)"
        ),
        _ => format!("run it {as_other}as root"),
    })
}

impl Gate {
    /// `user:[4026532212] (made by user 1000; process 77 is in it)`
    fn shown(&self) -> String {
        let facts = [
            self.maker.map(|maker| format!("made by user {maker}")),
            self.process.map(|pid| format!("process {pid} is in it")),
        ];
        let facts: Vec<_> = facts.into_iter().flatten().collect();
        let name = name(Kind::User, self.ino);
        if facts.is_empty() { name } else { format!("{name} ({})", facts.join("; ")) }
    }
}

/// `net:[4026532213]`
pub(in crate::ns) fn name(kind: Kind, ino: u64) -> String {
    format!("{kind}:[{ino}]")
}

fn set(asked: &[&Asked]) -> KindSet {
    asked.iter().map(|asked| asked.kind).collect()
}

/// `uts:[1], net:[2] and pid:[3]`
fn names(asked: &[&Asked]) -> String {
    let names: Vec<_> = asked.iter().map(|asked| asked.name()).collect();
    match &names[..] {
        [] => String::new(),
        [one] => one.clone(),
        [before @ .., last] => format!("{} and {last}", before.join(", ")),
    }
}

/// `-u -n`
fn options(kinds: KindSet) -> String {
    kinds.iter().map(|kind| format!("-{}", kind.row().short)).collect::<Vec<_>>().join(" ")
}

/// Those that are entered, as they are, and then those that are not.
fn in_order(tries: &[Try], errno: Errno, facts: &Facts) -> Rehearsal {
    let mut rows = Vec::new();
    let row = |kind: Kind| {
        let asked = facts.asked(kind);
        let (ino, owner) = asked.map_or((0, 0), |asked| (asked.ino, asked.owner));
        Row { step: None, kind, ino, owner, refused: None }
    };
    for (step, tried) in (1..).zip(tries.iter().filter(|tried| tried.refused.is_none())) {
        rows.extend(tried.kinds.iter().map(|kind| Row { step: Some(step), ..row(kind) }));
    }
    let verdict = judge(errno, facts);
    let mut refused = false;
    for asked in &facts.asked {
        if rows.iter().any(|row: &Row| row.kind == asked.kind) {
            continue;
        }
        let why = verdict.whys.iter().find(|(kinds, _)| kinds.contains(asked.kind));
        let why = match (why, asked.refused) {
            (Some((_, why)), _) => why.clone(),
            (None, None) => "it may be entered by itself, but not at once with what is refused".into(),
            (None, Some(errno)) => Error::sys("", "", errno).reason(),
        };
        refused = true;
        rows.push(Row { refused: Some(why), ..row(asked.kind) });
    }
    Rehearsal { rows, advice: verdict.advice.filter(|_| refused), ids: None }
}

#[cfg(test)]
mod tests {
    use super::closed::{Closed, is_above, why_closed};
    use super::facts::Of;
    use super::ids::{Ids, no_ids};
    use super::*;
    use crate::kind::KindMap;
    use crate::proc::credentials::Rights;
    use crate::proc::idmap::IdMap;
    use crate::proc::status::{Ids as Four, Status};

    const ALL: u64 = 0x1ff_ffff_ffff;
    const ADMIN: u64 = 1 << 21;

    fn rights(effective: u64, bounding: u64) -> Rights {
        Rights {
            effective: Some(effective),
            bounding: Some(bounding),
            filtered: Some(false),
            no_new_privs: None,
        }
    }

    /// We are user 1000 in user:[1], pid:[2], net:[3].
    fn facts(asked: Vec<Asked>) -> Facts {
        let mut ours = KindMap::default();
        Kind::all().zip(100..).for_each(|(kind, ino)| ours[kind] = ino);
        (ours[Kind::User], ours[Kind::Pid], ours[Kind::Net]) = (1, 2, 3);
        Facts { rights: rights(0, ALL), us: 1000, ours, asked, release: Some((6, 1)), ..Facts::default() }
    }

    fn gate(ino: u64, maker: u32, admin: bool) -> Gate {
        Gate { ino, maker: Some(maker), process: None, admin }
    }

    fn asked(kind: Kind, ino: u64, gate: Gate, refused: Option<Errno>) -> Asked {
        Asked { kind, of_target: true, ino, owner: gate.ino, gate, refused }
    }

    fn hint(errno: Errno, facts: &Facts) -> String {
        judge(errno, facts).hint().unwrap_or_default()
    }

    type Parts<'a> = &'a [&'a str];

    #[track_caller]
    fn has(hint: &str, parts: Parts<'_>, not: Parts<'_>) {
        assert!(parts.iter().all(|part| hint.contains(part)), "{hint}\n{parts:?}");
        assert!(!not.iter().any(|part| hint.contains(part)), "{hint}");
        assert_eq!(hint.is_empty(), parts.is_empty(), "{hint}");
    }

    #[test]
    fn a_right_is_missing_in_one_user_namespace_or_in_two() {
        let no = Some(Errno::EPERM);
        let net = |gate, rights| {
            let base = facts(vec![asked(Kind::Net, 7, gate, no), asked(Kind::Uts, 8, gate, no)]);
            Facts { rights, ..base }
        };
        let both = "to enter net:[7] and uts:[8] takes CAP_SYS_ADMIN";
        let filtered = Rights { filtered: Some(true), ..rights(ADMIN, ALL) };
        #[rustfmt::skip]
        let cases: &[(Facts, Parts<'_>, Parts<'_>)] = &[
            (net(gate(5, 1000, true), rights(0, ALL)), &[both, "user:[5] (made by user 1000), which we have, and in our own user namespace, user:[1], too, which we have not: run it as root"], &["bounding"]),
            (net(gate(5, 7, false), rights(0, ALL)), &["neither there nor above: run it as user 7, or as root"], &[]),
            (net(gate(5, 0, false), rights(0, 0)), &["run it as root outside of the container", "--cap-add SYS_ADMIN"], &["as user"]),
            (net(gate(1, 0, false), rights(0, ALL)), &["in the user namespace that we are in, user:[1], which we have not: run it as root"], &["made by"]),
            (net(gate(1, 0, false), rights(0, 0)), &["as our bounding set leaves it out"], &[]),
            (net(gate(0, 0, false), rights(ADMIN, ALL)), &["net:[7] and uts:[8] belong to a user namespace that is neither ours, user:[1], nor below it", "run it from outside of user:[1]"], &[]),
            (net(gate(1, 0, true), rights(ADMIN, ALL)), &["security module"], &["seccomp filter is active (", "run it"]),
            (net(gate(1, 0, true), filtered), &["a seccomp filter is active"], &["security module"]),
        ];
        for (facts, parts, not) in cases {
            has(&hint(Errno::EPERM, facts), parts, not);
        }
        // Two that stand in the way are told one after the other.
        let two = facts(vec![
            asked(Kind::Net, 7, gate(5, 7, false), no),
            asked(Kind::Uts, 8, gate(1, 0, false), no),
        ]);
        has(&hint(Errno::EPERM, &two), &["enter net:[7] takes", "; also, to enter uts:[8] takes"], &[]);
        // What may be entered is not named.
        let one = facts(vec![
            asked(Kind::Net, 7, gate(5, 7, false), no),
            asked(Kind::Uts, 8, gate(5, 7, false), None),
        ]);
        has(&hint(Errno::EPERM, &one), &["net:[7]"], &["uts"]);
    }

    #[test]
    fn what_was_tried_and_works_is_advised() {
        let no = Some(Errno::EPERM);
        let with = |asked: Vec<Asked>, remedy: Remedy| Facts {
            remedy: Some(remedy),
            target: Some(Of { pid: 77, ..Of::default() }),
            ..facts(asked)
        };
        let net = || asked(Kind::Net, 7, gate(5, 1000, true), no);
        let user = || asked(Kind::User, 6, gate(6, 1000, true), None);
        let ours = || asked(Kind::Net, 3, gate(1, 0, false), no);
        let net_out: KindSet = [Kind::Net].into_iter().collect();
        let remedy = Remedy::default();
        #[rustfmt::skip]
        let cases: &[(Facts, Parts<'_>, Parts<'_>)] = &[
            (with(vec![net()], Remedy { add: Add::User, into: 6, ..remedy }), &[": add -U, by which"], &["is then in", "--pres"]),
            (with(vec![net()], Remedy { add: Add::User, keep_ids: true, ..remedy }), &[": add -U --preserve-credentials, by"], &[]),
            (with(vec![net()], Remedy { add: Add::Parent, into: 5, ..remedy }), &[": add --user-parent, by"], &["is then in", "steps"]),
            (with(vec![user(), net()], Remedy { add: Add::Parent, into: 5, two_steps: true, ..remedy }),
                &["; the program is then in user:[5], and not in user:[6]; to have all", "rnsenter -t 77 --user-parent rnsenter ..."], &[]),
            (with(vec![ours()], Remedy { without: net_out, ..remedy }), &["net:[3] is the one that we are in already: leave out -n"], &["add"]),
            (with(vec![ours()], Remedy { without: net_out, add: Add::User, ..remedy }), &["leave out -n; add -U, by which"], &[]),
        ];
        for (facts, parts, not) in cases {
            has(&hint(Errno::EPERM, facts), parts, not);
        }
        // From where we were brought nothing can be tried.
        let mut moved = facts(vec![user(), asked(Kind::Net, 7, Gate::default(), no)]);
        moved.moved = true;
        has(
            &hint(Errno::EPERM, &moved),
            &["net:[7] belongs to a user namespace above", "entered first", "--dry-run"],
            &["takes"],
        );
    }

    #[test]
    fn other_answers_of_the_kernel_have_their_causes() {
        let of = |kind, errno| facts(vec![asked(kind, 9, gate(1, 0, true), Some(errno))]);
        let pid = "pid:[9] is neither the pid namespace that we are in, pid:[2], nor below it";
        has(
            &hint(Errno::EINVAL, &of(Kind::Pid, Errno::EINVAL)),
            &[pid, ": run it in pid:[9], or in one above it"],
            &[],
        );
        let threads = "can be entered only by a process of one thread, and we have several: enter without -T";
        has(&hint(Errno::EUSERS, &of(Kind::Time, Errno::EUSERS)), &["time:[9] ", threads], &[]);
        has(&hint(Errno::ENOSYS, &of(Kind::Net, Errno::ENOSYS)), &["seccomp filter"], &[]);
        has(
            &hint(Errno::EIO, &of(Kind::Net, Errno::EIO)),
            &["refuses net:[9]: Input/output error"],
            &[": run"],
        );
        let own = facts(vec![asked(Kind::User, 1, gate(1, 0, false), Some(Errno::EINVAL))]);
        has(&hint(Errno::EINVAL, &own), &["user:[1] is the one that we are in already"], &[]);
        // A helper could, which shares nothing.
        let none = |kind| facts(vec![asked(kind, 9, gate(1, 0, true), None)]);
        has(&hint(Errno::EINVAL, &none(Kind::Mnt)), &["CLONE_FS"], &[]);
        has(&hint(Errno::EINVAL, &none(Kind::Net)), &[], &[]);
        has(&hint(Errno::EPERM, &none(Kind::Mnt)), &[], &[]);
        // A kind that is missing.
        let mut old = of(Kind::Time, Errno::EINVAL);
        old.ours[Kind::Time] = 0;
        has(
            &hint(Errno::EINVAL, &old),
            &["this kernel 6.1 lacks the kind time (Linux 5.6): leave out -T"],
            &[],
        );
    }

    #[test]
    fn a_target_that_ended_or_is_closed_is_the_cause_of_all() {
        let base = || facts(vec![asked(Kind::Net, 7, gate(1, 0, false), Some(Errno::EPERM))]);
        let of = |ended: Option<&str>, closed: Option<&str>| {
            Some(Of { pid: 77, ended: ended.map(Into::into), closed: closed.map(Into::into) })
        };
        assert_eq!(hint(Errno::ESRCH, &Facts { target: of(Some("gone"), Some("closed")), ..base() }), "gone");
        assert_eq!(hint(Errno::EPERM, &Facts { target: of(None, Some("closed")), ..base() }), "closed");
        // But not of what is entered by a file.
        let mut file = Facts { target: of(Some("gone"), None), ..base() };
        file.asked[0].of_target = false;
        has(&hint(Errno::EPERM, &file), &["net:[7]"], &["gone"]);
    }

    #[test]
    fn a_rehearsal_has_a_row_for_each_kind() {
        let no = Some(Errno::EPERM);
        let one = |kind: Kind| -> KindSet { [kind].into_iter().collect() };
        let facts = facts(vec![
            asked(Kind::User, 6, gate(1, 0, false), None),
            asked(Kind::Net, 7, gate(5, 7, false), no),
            asked(Kind::Pid, 8, gate(6, 7, false), None),
        ]);
        let tries = [
            Try { kinds: [Kind::Net, Kind::Pid].into_iter().collect(), refused: no },
            Try { kinds: one(Kind::User), refused: None },
            Try { kinds: one(Kind::Net), refused: no },
        ];
        let rehearsal = in_order(&tries, Errno::EPERM, &facts);
        assert!(!rehearsal.may() && rehearsal.advice.is_some());
        let rows: Vec<_> = rehearsal.rows.iter().map(Row::to_string).collect();
        assert_eq!(rows[0], "1 user:[6], of user:[1]: may be entered");
        assert!(rows[1].starts_with("- net:[7], of user:[5]: refused: to enter net:[7] takes"), "{rows:?}");
        assert!(
            rows[2].ends_with("refused: it may be entered by itself, but not at once with what is refused"),
            "{rows:?}"
        );
        let all = in_order(
            &[Try { kinds: one(Kind::User), refused: None }],
            Errno::EPERM,
            &Facts { asked: vec![facts.asked[0].clone()], ..facts },
        );
        assert!(all.may() && all.advice.is_none());
    }

    #[test]
    fn who_is_closed_to_us_is_told_by_what_differs() {
        let four = |id| Four { real: id, effective: id, saved: id, fs: id };
        let status = |uid, gid| {
            Some(Status {
                process: 1,
                uids: four(uid),
                gids: four(gid),
                groups: Vec::new(),
                pids: Vec::new(),
            })
        };
        let base = || Closed {
            pid: 77,
            us: status(1000, 100),
            them: status(1000, 100),
            rights: rights(0, ALL),
            ..Closed::default()
        };
        let hidden = || Closed { them: None, hidepid: Some(b"hidepid=invisible\x1b".to_vec()), ..base() };
        #[rustfmt::skip]
        let cases: &[(Closed, Parts<'_>, Parts<'_>)] = &[
            (base(), &["as far as could be seen", "security module"], &["CAP_SYS_PTRACE"]),
            (Closed { them: status(5, 100), ..base() }, &["process 77 is user 5's, and we are user 1000", "as that user, or as root"], &["bounding"]),
            (Closed { them: status(5, 100), rights: rights(0, 0), ..base() }, &["as our bounding set leaves it out"], &[]),
            (Closed { them: status(1000, 5), undumpable: true, ..base() }, &["other group ids (real 5, effective 5, saved 5) than we, 100"], &["dumpable"]),
            (Closed { undumpable: true, stronger: true, ..base() }, &["not dumpable"], &["CapPrm"]),
            (Closed { elsewhere: true, stronger: true, ..base() }, &["another user made"], &["CapPrm"]),
            (Closed { stronger: true, ..base() }, &["`CapPrm` in /proc/77/status"], &[]),
            (Closed { above: true, elsewhere: true, rights: rights(ALL, ALL), ..base() }, &["not below ours", "outside of ours"], &["module"]),
            (Closed { rights: rights(ALL, ALL), ..base() }, &["closed to root as well", "security module"], &[]),
            (Closed { them: None, ..base() }, &["to its own user, and to CAP_SYS_PTRACE"], &["hidepid"]),
            (hidden(), &["(hidepid=invisible\\x1b)", "remount,hidepid=0"], &[]),
            (Closed { rights: rights(ALL, ALL), ..hidden() }, &["to its own user, and to CAP_SYS_PTRACE"], &["hidepid"]),
        ];
        for (closed, parts, not) in cases {
            has(&why_closed(closed), parts, not);
        }
        let map = |text: &[u8]| IdMap::parse(text).expect("a map");
        let ours = map(b"0 1000 1");
        assert!(is_above(&ours, &map(b"0 0 4294967295")) && is_above(&ours, &map(b"0 4294967295 5")));
        assert!(
            !is_above(&ours, &map(b"7 0 1")) && !is_above(&map(b"0 0 4294967295"), &map(b"0 0 4294967295"))
        );
    }

    #[test]
    fn ids_that_cannot_be_taken_are_told_with_those_that_can() {
        let map = |text: &[u8]| IdMap::parse(text);
        let some = || Ids { user: 5, map: map(b"0 1000 1\n10 100 6\n20 9 1"), ..Ids::default() };
        let many = || Ids { map: map(b"0 0 1\n2 2 1\n4 4 1\n6 6 1\n8 8 1\n9 19 1"), ..some() };
        #[rustfmt::skip]
        let cases: &[(&str, Errno, Ids, Parts<'_>)] = &[
            ("setuid", Errno::EINVAL, some(), &["user:[5] has the user ids 0, 10-15, 20: choose one of them, by -S, or keep", "--preserve-credentials"]),
            ("setgid", Errno::EINVAL, many(), &["the group ids 0, 2, 4, 6 and 2 ranges more", "by -G"]),
            ("setuid", Errno::EINVAL, Ids { map: map(b""), ..some() }, &["user:[5] has no user ids, as its uid_map is not written"]),
            ("setgroups", Errno::EPERM, Ids { map: map(b""), ..some() }, &["no group ids, as its gid_map"]),
            ("setgroups", Errno::EPERM, Ids { denied: true, ..some() }, &["its setgroups is `deny`", "--preserve-credentials"]),
            ("setgroups", Errno::EPERM, Ids { lacks: true, ..some() }, &["CAP_SETGID in user:[5], which we have not"]),
            ("setuid", Errno::EPERM, Ids { lacks: true, ..some() }, &["CAP_SETUID in user:[5]"]),
            ("setuid", Errno::EPERM, some(), &[]),
            ("setuid", Errno::EAGAIN, some(), &[]),
            ("fork", Errno::EPERM, Ids { lacks: true, ..some() }, &[]),
        ];
        for (call, errno, ids, parts) in cases {
            has(&no_ids(call, *errno, ids).unwrap_or_default(), parts, &[]);
        }
    }
}
