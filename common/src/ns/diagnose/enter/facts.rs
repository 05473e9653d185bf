//! What is seen and tried of namespaces that may not be entered.

use nix::errno::Errno;

use super::closed::{Closed, why_closed};
use super::name;
use crate::error::Result;
use crate::kind::{Kind, KindMap, KindSet};
use crate::ns::fd::NsFd;
use crate::ns::join::Way;
use crate::ns::visit::{Try, try_ids, try_out};
use crate::proc::credentials::{self, Capability, Rights};
use crate::proc::{Proc, Target, Task};

/// So many processes above the target are asked whether they are in the user namespace that matters.
const ANCESTORS: usize = 64;

/// What was found.
#[derive(Clone, Debug, Default)]
pub(super) struct Facts {
    pub(super) rights: Rights,
    /// Our effective user id.
    pub(super) us: u32,
    /// The namespaces we are in.
    pub(super) ours: KindMap<u64>,
    /// Was the user namespace that was asked for entered, and the rest refused?
    pub(super) moved: bool,
    pub(super) target: Option<Of>,
    pub(super) asked: Vec<Asked>,
    /// What was tried in the place of what was asked, and works.
    pub(super) remedy: Option<Remedy>,
    pub(super) release: Option<(u8, u8)>,
}

/// The process from which namespaces are entered.
#[derive(Clone, Debug, Default)]
pub(super) struct Of {
    pub(super) pid: i32,
    pub(super) ended: Option<String>,
    /// Why its namespaces cannot be seen.
    pub(super) closed: Option<String>,
}

/// A namespace that was to be entered.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) kind: Kind,
    pub(super) of_target: bool,
    /// Its inode number; 0 where that cannot be seen.
    pub(super) ino: u64,
    /// The user namespace that owns it, or its parent where it is one; 0 where that cannot be seen.
    pub(super) owner: u64,
    /// The user namespace in which the right to enter it is needed: the owner, or itself where it is one.
    pub(super) gate: Gate,
    /// Why the kernel refuses it, alone, in the best of the ways that were asked.
    pub(super) refused: Option<Errno>,
}

/// A user namespace in which CAP_SYS_ADMIN is needed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Gate {
    /// 0 where it is neither ours nor below it.
    pub(super) ino: u64,
    /// Who made it, as our user namespace numbers it.
    pub(super) maker: Option<u32>,
    /// A process in it.
    pub(super) process: Option<i32>,
    /// Have we the capability there?
    pub(super) admin: bool,
}

/// What works in the place of what was asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Remedy {
    /// The kinds to leave out.
    pub(super) without: KindSet,
    pub(super) add: Add,
    /// Do the ids have to be kept, as the user namespace has no root?
    pub(super) keep_ids: bool,
    /// The user namespace that one is in then; 0 where that is none other than asked.
    pub(super) into: u64,
    /// By that and then by what was asked, one after the other, the user namespace that was asked for can be entered.
    pub(super) two_steps: bool,
}

/// What to add to what was asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Add {
    #[default]
    Nothing,
    /// The target's user namespace.
    User,
    /// The one above it, or the owner of the file.
    Parent,
}

impl Facts {
    /// Looks and tries. `failed` is what could not be entered, where that was tried in earnest.
    pub(super) fn take(proc: &Proc, this: &Task, way: &Way<'_>, failed: Option<&[u8]>) -> Result<Facts> {
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
    pub(super) fn is_own(&self, asked: &Asked) -> bool {
        asked.refused.is_some() && asked.ino != 0 && asked.ino == self.ours[asked.kind]
    }

    pub(super) fn asked(&self, kind: Kind) -> Option<&Asked> {
        self.asked.iter().find(|asked| asked.kind == kind)
    }
}

impl Asked {
    pub(super) fn name(&self) -> String {
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
pub(in crate::ns) fn first_thread_ended(task: &Task) -> Option<String> {
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
