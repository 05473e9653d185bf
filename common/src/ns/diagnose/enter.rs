//! Why namespaces could not be entered, or what belongs to a process not opened; and what would be entered, and whether it
//! may. What helps is tried by helper processes before it is advised.

use std::fmt;

use nix::errno::Errno;

use super::{FILTER, at_hand, blind};
use crate::error::{Error, Result};
use crate::kind::{Kind, KindMap, KindSet};
use crate::ns::fd::NsFd;
use crate::ns::join::{Join, Way};
use crate::ns::visit::{Try, try_ids, try_out};
use crate::proc::credentials::{self, Capability, Rights};
use crate::proc::idmap::{self, IdMap};
use crate::proc::mounts::{self, words};
use crate::proc::status::{Status, mask};
use crate::proc::{Proc, Target, Task};
use crate::text::{Charset, show};

/// So many processes above the target are asked whether they are in the user namespace that matters.
const ANCESTORS: usize = 64;

/// So many lines of a map of ids are named.
const SHOWN: usize = 4;

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

/// What was found.
#[derive(Clone, Debug, Default)]
struct Facts {
    rights: Rights,
    /// Our effective user id.
    us: u32,
    /// The namespaces we are in.
    ours: KindMap<u64>,
    /// Was the user namespace that was asked for entered, and the rest refused?
    moved: bool,
    target: Option<Of>,
    asked: Vec<Asked>,
    /// What was tried in the place of what was asked, and works.
    remedy: Option<Remedy>,
    release: Option<(u8, u8)>,
}

/// The process from which namespaces are entered.
#[derive(Clone, Debug, Default)]
struct Of {
    pid: i32,
    ended: Option<String>,
    /// Why its namespaces cannot be seen.
    closed: Option<String>,
}

/// A namespace that was to be entered.
#[derive(Clone, Debug)]
struct Asked {
    kind: Kind,
    of_target: bool,
    /// Its inode number; 0 where that cannot be seen.
    ino: u64,
    /// The user namespace that owns it, or its parent where it is one; 0 where that cannot be seen.
    owner: u64,
    /// The user namespace in which the right to enter it is needed: the owner, or itself where it is one.
    gate: Gate,
    /// Why the kernel refuses it, alone, in the best of the ways that were asked.
    refused: Option<Errno>,
}

/// A user namespace in which CAP_SYS_ADMIN is needed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Gate {
    /// 0 where it is neither ours nor below it.
    ino: u64,
    /// Who made it, as our user namespace numbers it.
    maker: Option<u32>,
    /// A process in it.
    process: Option<i32>,
    /// Have we the capability there?
    admin: bool,
}

/// What works in the place of what was asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Remedy {
    /// The kinds to leave out.
    without: KindSet,
    add: Add,
    /// Do the ids have to be kept, as the user namespace has no root?
    keep_ids: bool,
    /// The user namespace that one is in then; 0 where that is none other than asked.
    into: u64,
    /// By that and then by what was asked, one after the other, the user namespace that was asked for can be entered.
    two_steps: bool,
}

/// What to add to what was asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Add {
    #[default]
    Nothing,
    /// The target's user namespace.
    User,
    /// The one above it, or the owner of the file.
    Parent,
}

impl Facts {
    /// Looks and tries. `failed` is what could not be entered, where that was tried in earnest.
    fn take(proc: &Proc, this: &Task, way: &Way<'_>, failed: Option<&[u8]>) -> Result<Facts> {
        let ours = this.namespaces(KindSet::all())?;
        let rights = Rights::of(this).unwrap_or_default();
        let target = way.target.map(|target| Of::look(this, target));
        let user_of = |ns: &NsFd| ns.id().map_or(0, |id| id.ino);
        // It was entered, and this failed behind it.
        let entered = |ns: &NsFd| {
            let behind = failed.is_some_and(|on| on != ns.name);
            behind && ns.kind == Kind::User && user_of(ns) == ours[Kind::User]
        };
        let moved = way.files.iter().any(|ns| entered(ns));
        let here = try_out(|told| way.enter_each(told))?;
        // With the user namespace, which is entered at once with it or before it.
        let with_user = |kind: Kind| {
            let others = Kind::all().filter(|other| ![Kind::User, kind].contains(other)).collect();
            let tries = try_out(|told| drop(way.clone().without(others).enter(told)));
            tries.map_or(Some(Errno::EPERM), |tries| refusal(&tries, kind))
        };
        let asks_user = way.kinds().contains(Kind::User) && refusal(&here, Kind::User).is_none();
        let mut gates = Vec::new();
        let mut asked = Vec::new();
        for kind in way.kinds().iter() {
            let of_target = way.target.filter(|_| way.of_target.contains(kind));
            let opened = of_target.and_then(|target| NsFd::of(&target.task, kind).ok());
            let ns = opened.as_ref().or_else(|| way.files.iter().copied().find(|ns| ns.kind == kind));
            let owner = ns.and_then(|ns| ns.owner().ok().flatten());
            let gate = if kind == Kind::User { ns } else { owner.as_ref() };
            asked.push(Asked {
                kind,
                of_target: of_target.is_some(),
                ino: ns.map_or(0, user_of),
                owner: owner.as_ref().map_or(0, user_of),
                gate: match gate {
                    Some(gate) => Gate::look(proc, gate, way.target, &rights, &ours, &mut gates),
                    None => Gate::default(),
                },
                refused: refusal(&here, kind).and_then(|here| match asks_user && kind != Kind::User {
                    true => with_user(kind),
                    false => Some(here),
                }),
            });
        }
        if moved {
            asked.iter_mut().filter(|asked| asked.kind == Kind::User).for_each(|user| user.refused = None);
        }
        let mut facts = Facts {
            rights,
            us: credentials::effective().0,
            ours,
            moved,
            target,
            asked,
            remedy: None,
            release: procfs::sys::kernel::Version::current().ok().map(|v| (v.major, v.minor)),
        };
        facts.remedy = facts.find_remedy(way);
        Ok(facts)
    }

    /// Tries what could be done in the place of what was refused.
    fn find_remedy(&self, way: &Way<'_>) -> Option<Remedy> {
        if self.moved || self.asked.iter().all(|asked| asked.refused.is_none()) {
            return None;
        }
        let own = |asked: &&Asked| self.is_own(asked);
        let without: KindSet = self.asked.iter().filter(own).map(|asked| asked.kind).collect();
        let base = way.clone().without(without);
        // Whether it could be entered, and whether its root's ids are there to be taken.
        let works = |way: &Way<'_>| {
            let tries = try_out(|told| {
                if way.enter(told).is_ok() {
                    try_ids(Some(0), Some(0), told);
                }
            });
            let last = tries.ok().and_then(|tries| tries.last().copied());
            last.filter(|last| last.kinds.is_empty()).map(|last| last.refused.is_none())
        };
        let remedy = Remedy { without, ..Remedy::default() };
        if !without.is_empty() && (base.kinds().is_empty() || works(&base).is_some()) {
            return Some(remedy);
        }
        let asks_user = base.kinds().contains(Kind::User);
        let of_target = way.target.and_then(|target| NsFd::of(&target.task, Kind::User).ok());
        let ino = |ns: &NsFd| ns.id().map_or(0, |id| id.ino);
        if let (false, Some(user)) = (asks_user, &of_target) {
            let mut with = base.clone();
            with.of_target.insert(Kind::User);
            if let Some(root) = works(&with) {
                return Some(Remedy { add: Add::User, keep_ids: !root, into: ino(user), ..remedy });
            }
        }
        // As `--user-parent` finds it.
        let files =
            |kind: Option<Kind>| way.files.iter().copied().find(|ns| kind.is_none_or(|k| ns.kind == k));
        let child = files(Some(Kind::User)).or(of_target.as_ref()).or_else(|| files(None));
        let parent = child.and_then(|ns| ns.owner().ok().flatten())?;
        let mut with = base.clone().without([Kind::User].into_iter().collect());
        with.files.push(&parent);
        let root = works(&with)?;
        let two_steps = try_out(|told| {
            let first = Way { target: None, of_target: KindSet::EMPTY, files: vec![&parent] };
            let mut taken = false;
            if first.enter(&mut |_, _| ()).is_ok() {
                try_ids(Some(0), Some(0), &mut |_, refused| taken = refused.is_none());
            }
            if taken && base.enter(&mut |_, _| ()).is_ok() {
                told(KindSet::EMPTY, None);
            }
        });
        Some(Remedy {
            add: Add::Parent,
            keep_ids: !root,
            into: ino(&parent),
            two_steps: asks_user && two_steps.is_ok_and(|tries| !tries.is_empty()),
            ..remedy
        })
    }

    /// Is it refused, and the one that we are in anyway?
    fn is_own(&self, asked: &Asked) -> bool {
        asked.refused.is_some() && asked.ino != 0 && asked.ino == self.ours[asked.kind]
    }

    fn asked(&self, kind: Kind) -> Option<&Asked> {
        self.asked.iter().find(|asked| asked.kind == kind)
    }
}

impl Asked {
    fn name(&self) -> String {
        match self.ino {
            0 => format!("the {} namespace", self.kind),
            ino => name(self.kind, ino),
        }
    }
}

/// What the kernel answered about this kind alone.
fn refusal(tries: &[Try], kind: Kind) -> Option<Errno> {
    tries.iter().rev().find(|tried| tried.kinds.contains(kind)).and_then(|tried| tried.refused)
}

impl Of {
    fn look(this: &Task, target: &Target) -> Of {
        let namespaces = target.task.namespaces(KindSet::all());
        Of {
            pid: target.pid,
            ended: ended(target),
            closed: match namespaces {
                Err(e) if e.is_denied() => Some(why_closed(&Closed::look(this, &target.task))),
                // With hidepid=invisible there seems to be nothing.
                _ => Some(Closed::look(this, &target.task)).filter(Closed::is_hidden).map(|c| why_closed(&c)),
            },
        }
    }
}

/// What of a process has ended, where something has.
fn ended(target: &Target) -> Option<String> {
    if target.is_alive().is_ok_and(|alive| !alive) {
        return Some(format!("process {} has ended", target.pid));
    }
    first_thread_ended(&target.task)
}

/// A process whose first thread has ended has no namespaces by its own number. Source: setns(2), pthread_exit(3).
fn first_thread_ended(task: &Task) -> Option<String> {
    let stat = task.stat().ok()?;
    let runs =
        |tid: &i32| task.thread(*tid).and_then(|thread| thread.stat()).is_ok_and(|stat| !stat.has_ended);
    match (stat.has_ended, task.threads().unwrap_or_default().into_iter().find(runs)) {
        (true, Some(tid)) => Some(format!(
            "the first thread of process {0} has ended, and its number stands for that one, but others run on: name one \
                of them, -t {0}/{tid}",
            task.pid
        )),
        (true, None) => Some(format!("process {} has ended, and its parent has not asked how", task.pid)),
        (false, _) => None,
    }
}

impl Gate {
    fn look(
        proc: &Proc,
        user: &NsFd,
        target: Option<&Target>,
        rights: &Rights,
        ours: &KindMap<u64>,
        known: &mut Vec<Gate>,
    ) -> Gate {
        let ino = user.id().map_or(0, |id| id.ino);
        if let Some(gate) = known.iter().find(|gate| gate.ino == ino) {
            return *gate;
        }
        let alone = Way { target: None, of_target: KindSet::EMPTY, files: vec![user] };
        let gate = Gate {
            ino,
            maker: user.owner_uid().ok(),
            process: target.and_then(|target| someone_in(proc, target, ino)),
            admin: match ino == ours[Kind::User] {
                true => rights.has(Capability::SysAdmin) == Some(true),
                // Entering it needs the same.
                false => try_out(|told| alone.enter_each(told))
                    .is_ok_and(|tries| refusal(&tries, Kind::User).is_none()),
            },
        };
        known.push(gate);
        gate
    }
}

/// The target, or the next of those above it, that is in this user namespace.
fn someone_in(proc: &Proc, target: &Target, ino: u64) -> Option<i32> {
    let user: KindSet = [Kind::User].into_iter().collect();
    let is_in = |task: &Task| task.namespaces(user).is_ok_and(|namespaces| namespaces[Kind::User] == ino);
    if is_in(&target.task) {
        return Some(target.pid);
    }
    let mut pid = target.task.stat().ok()?.ppid;
    for _ in 0..ANCESTORS {
        let above = proc.task(pid).ok()?;
        if is_in(&above) {
            return Some(pid);
        }
        pid = above.stat().ok()?.ppid;
    }
    None
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
fn name(kind: Kind, ino: u64) -> String {
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

/// Why something of a process could not be opened or seen: its namespaces, root, environment. `task` is its directory in
/// `proc`, where that could be had. Source: ptrace(2), PTRACE_MODE_READ; proc(5), hidepid.
pub fn closed(error: Error, proc: Option<&Proc>, task: Option<&Task>) -> Error {
    let Some((_, this)) = at_hand(proc) else { return error };
    let gone = error.is_gone();
    if !gone && !error.is_denied() {
        return error;
    }
    let closed = task.map(|task| Closed::look(&this, task));
    let hidden = || {
        hidepid(&this).filter(|_| Rights::of(&this).is_ok_and(|r| r.has(Capability::SysPtrace) != Some(true)))
    };
    let advice = match (closed, gone) {
        (Some(closed), false) => Some(why_closed(&closed)),
        (Some(closed), true) if closed.is_hidden() => Some(why_closed(&closed)),
        (Some(_), true) => task.and_then(first_thread_ended),
        (None, _) => hidden().map(|option| format!("{}; or it has ended", why_hidden(&option))),
    };
    match advice {
        Some(advice) => error.with_hint(advice),
        None => error,
    }
}

/// What is known of a process that we may not look into.
#[derive(Clone, Debug, Default)]
struct Closed {
    pid: i32,
    us: Option<Status>,
    them: Option<Status>,
    rights: Rights,
    /// Its files are not its user's.
    undumpable: bool,
    /// Its user namespace has other ids than ours.
    elsewhere: bool,
    /// That is not below ours: ids outside of it have no number here, or it is the first one and ours is not.
    above: bool,
    /// It may have capabilities that we have not.
    stronger: bool,
    /// The option by which /proc hides processes.
    hidepid: Option<Vec<u8>>,
}

impl Closed {
    fn look(this: &Task, task: &Task) -> Closed {
        let text = task.read(c"status").unwrap_or_default();
        let them = Status::parse(&text);
        let rights = Rights::of(this).unwrap_or_default();
        let owner = task.owner_of_files().ok();
        let maps = [IdMap::of_users(this), IdMap::of_users(task)].map(Result::ok);
        Closed {
            pid: task.pid,
            us: Status::of(this).ok(),
            undumpable: them.as_ref().zip(owner).is_some_and(|(them, owner)| them.uids.effective != owner),
            elsewhere: matches!(&maps, [Some(ours), Some(theirs)] if ours != theirs),
            above: matches!(&maps, [Some(ours), Some(theirs)] if is_above(ours, theirs)),
            stronger: mask(&text, b"CapPrm:").zip(rights.effective).is_some_and(|(them, us)| them & !us != 0),
            hidepid: hidepid(this),
            them,
            rights,
        }
    }

    /// Does /proc not even show who it is?
    fn is_hidden(&self) -> bool {
        self.them.is_none() && self.hidepid.is_some() && self.rights.has(Capability::SysPtrace) != Some(true)
    }
}

/// Can a user namespace with this map, as we read it, not be below ours? All ids of those have one here.
fn is_above(ours: &IdMap, theirs: &IdMap) -> bool {
    theirs.is_identity() && !ours.is_identity() || theirs.ranges.iter().any(|range| range.outside.is_none())
}

/// The option by which the proc on /proc hides processes of others. Source: proc(5).
fn hidepid(this: &Task) -> Option<Vec<u8>> {
    let mounts = mounts::of(this).ok()?;
    let proc = mounts.iter().rev().find(|mount| mount.point == b"/proc" && mount.fs_type == b"proc")?;
    words(&proc.super_options).find(|word| word.starts_with(b"hidepid="))
}

fn why_hidden(option: &[u8]) -> String {
    format!(
        "this /proc shows processes only to their own users, and to CAP_SYS_PTRACE ({}), which we have not: run it as that \
            user or as root, or have it mounted otherwise (mount -o remount,hidepid=0 /proc)",
        show(option, Charset::from_env())
    )
}

fn why_closed(closed: &Closed) -> String {
    let pid = closed.pid;
    let may = closed.rights.has(Capability::SysPtrace) == Some(true);
    let bounded = match closed.rights.could_have(Capability::SysPtrace) {
        Some(false) => ", as our bounding set leaves it out",
        _ => "",
    };
    if let (true, Some(option)) = (closed.is_hidden(), &closed.hidepid) {
        return why_hidden(option);
    }
    let Some((us, them)) = closed.us.as_ref().zip(closed.them.as_ref()) else {
        return format!(
            "what process {pid} has is shown to its own user, and to CAP_SYS_PTRACE in its user namespace: run it as that \
                user, or as root"
        );
    };
    if closed.above {
        return format!(
            "process {pid} is in a user namespace that is not below ours, so that no right of ours counts there: run it from \
                outside of ours"
        );
    }
    if may {
        return format!(
            "we have CAP_SYS_PTRACE, and process {pid} is closed to root as well, so it is a security module: its log can tell \
                (dmesg, journalctl -k)"
        );
    }
    let same = |theirs: &crate::proc::status::Ids, ours: u32| {
        [theirs.real, theirs.effective, theirs.saved] == [ours; 3]
    };
    if !same(&them.uids, us.uids.fs) {
        return format!(
            "process {pid} is user {}'s, and we are user {}; what it has is shown to its own user, and to CAP_SYS_PTRACE in \
                its user namespace, which we have not{bounded}: run it as that user, or as root",
            them.uids.effective, us.uids.fs
        );
    }
    if !same(&them.gids, us.gids.fs) {
        return format!(
            "process {pid} is ours, but has other group ids (real {}, effective {}, saved {}) than we, {}, and is closed \
                without CAP_SYS_PTRACE, which we have not{bounded}: run it with that group (sg, newgrp), or as root",
            them.gids.real, them.gids.effective, them.gids.saved, us.gids.fs
        );
    }
    if closed.undumpable {
        return format!(
            "process {pid} is ours, but not dumpable (its files in /proc are root's): its program was set-user-ID, may not be \
                read, or has asked for that (PR_SET_DUMPABLE); it is open only to CAP_SYS_PTRACE, which we have \
                not{bounded}: run it as root"
        );
    }
    if closed.elsewhere {
        return format!(
            "process {pid} is ours, but in a user namespace that another user made (its uid_map is not ours), and is open only \
                to CAP_SYS_PTRACE there, which we have not{bounded}: run it as root"
        );
    }
    if closed.stronger {
        return format!(
            "process {pid} is ours, but may have capabilities that we have not (`CapPrm` in /proc/{pid}/status), and is open \
                only to who has them too, or CAP_SYS_PTRACE, which we have not{bounded}: run it as root"
        );
    }
    format!(
        "process {pid} is ours and may be looked at as far as could be seen (its ids, its user namespace, its capabilities), so \
            it is a security module: its log can tell (dmesg, journalctl -k)"
    )
}

/// Why the ids could not be taken, or the groups not given up, after namespaces were entered; what else fails stays as it
/// is. Source: setuid(2), setgroups(2), user_namespaces(7).
pub fn ids(error: Error, proc: Option<&Proc>) -> Error {
    match at_hand(proc) {
        Some((_, this)) => ids_of(error, &this),
        None => error,
    }
}

/// The same, of the user namespace that this process is in, with what we may do.
fn ids_of(error: Error, this: &Task) -> Error {
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
struct Ids {
    user: u64,
    map: Option<IdMap>,
    /// Was the right to give up groups given up?
    denied: bool,
    /// Lack we the capability to set them?
    lacks: bool,
}

fn no_ids(call: &str, errno: Errno, facts: &Ids) -> Option<String> {
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
    let span = |range: &idmap::Range| match range.count {
        0 | 1 => range.inside.to_string(),
        count => format!("{}-{}", range.inside, u64::from(range.inside) + u64::from(count) - 1),
    };
    let spans: Vec<_> = map.ranges.iter().take(SHOWN).map(span).collect();
    match map.ranges.len().saturating_sub(SHOWN) {
        0 => spans.join(", "),
        more => format!("{} and {more} ranges more", spans.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proc::status::Ids as Four;

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
        let status =
            |uid, gid| Some(Status { process: 1, uids: four(uid), gids: four(gid), pids: Vec::new() });
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
