//! What is known of who would enter, and of what would be entered.

use crate::error::{Error, Result};
use crate::kind::{Kind, KindMap, KindSet};
use crate::ns::diagnose::first_thread_ended;
use crate::ns::fd::NsFd;
use crate::proc::idmap::IdMap;
use crate::proc::status::{Ids, Status, mask, value};
use crate::proc::{Proc, Task};
use crate::text::digits;

/// User and pid namespaces nest so deep, and no deeper. Source: user_namespaces(7), pid_namespaces(7).
const DEPTH: usize = 33;

/// The id that stands for those which have none in a user namespace, where nobody has changed it. Source:
/// proc_sys_kernel(5), `overflowuid`.
const NO_ID_HERE: u32 = 65534;

/// All that the answer is made of. Ids are as our user namespace numbers them, namespaces are told by their inode numbers.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// Who would enter.
    pub who: Who,
    /// The process whose namespaces these are, where it is one.
    pub process: Option<Seen>,
    /// What would be entered.
    pub wanted: Vec<Wanted>,
    /// Our own user namespace: nothing above it or beside it is seen.
    pub view: u64,
    /// The id that is shown for those which have no number here: two that look so need not be the same. None where all have
    /// one.
    pub no_id: Option<u32>,
}

/// Who would enter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Who {
    /// Its PID.
    pub pid: i32,
    /// Its user and group ids; none where they were not asked.
    pub uids: Option<Ids>,
    /// Likewise.
    pub gids: Option<Ids>,
    /// The capabilities that it has in its user namespace.
    pub effective: u64,
    /// Those that it or a program it starts can have.
    pub bounding: u64,
    /// How many threads the process has.
    pub threads: u32,
    /// Its mode of seccomp(2): 0 none, 1 strict, 2 a filter. None where the kernel does not tell.
    pub seccomp: Option<u64>,
    /// The namespaces that it is in.
    pub namespaces: KindMap<u64>,
    /// Is its user namespace ours, or below it?
    pub sees_user: bool,
    /// The same of its pid namespace.
    pub sees_pid: bool,
}

/// The process whose namespaces would be entered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Its PID.
    pub pid: i32,
    /// Its user ids.
    pub uids: Ids,
    /// Its group ids.
    pub gids: Ids,
    /// The capabilities that it may have.
    pub permitted: u64,
    /// Whose its files in /proc are: another than it where it is not dumpable. None where that cannot be seen.
    pub owner: Option<u32>,
    /// Root of its user namespace.
    pub root: Option<u32>,
    /// Its user namespace, and those above.
    pub chain: Vec<User>,
}

/// What would be entered.
#[derive(Clone, Copy, Debug)]
pub enum Whom<'a> {
    /// All that this process is in.
    Task(&'a Task),
    /// One namespace.
    Namespace(&'a NsFd),
}

/// A user namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct User {
    /// Its number.
    pub ino: u64,
    /// Who made it: the owner of user_namespaces(7). None where that id has no number here.
    pub maker: Option<u32>,
}

/// A namespace that would be entered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Its kind.
    pub kind: Kind,
    /// Its number.
    pub ino: u64,
    /// The user namespace in which the right is needed, the owner, or itself where it is one; and those above, up to ours.
    /// Empty where it is neither ours nor below it.
    pub chain: Vec<User>,
    /// Of a pid namespace: itself, and those above, up to ours. Empty where it is not below ours.
    pub above: Vec<u64>,
}

impl Wanted {
    /// The user namespace that owns it, or its parent where it is one.
    pub fn owner(&self) -> Option<u64> {
        self.chain.get(usize::from(self.kind == Kind::User)).map(|user| user.ino)
    }
}

impl Facts {
    /// Looks at both. It needs the right to look into both, PTRACE_MODE_READ of ptrace(2).
    pub fn take(proc: &Proc, who: &Task, whom: Whom<'_>) -> Result<Facts> {
        let this = proc.this()?;
        let here = this.namespaces(KindSet::all())?;
        let all_seen = IdMap::of_users(&this)?.is_identity();
        let no_id = proc.sysctl("kernel/overflowuid").and_then(|id| id.try_into().ok()).unwrap_or(NO_ID_HERE);
        let no_id = (!all_seen).then_some(no_id);
        let look = Look { view: here[Kind::User], pids: here[Kind::Pid], no_id };
        let wanted = match whom {
            Whom::Namespace(ns) => vec![look.wanted(ns)?],
            Whom::Task(task) => {
                let has = alive(task)?;
                let kinds = Kind::all().filter(|kind| has[*kind] != 0 && here[*kind] != 0);
                kinds.map(|kind| look.wanted(&NsFd::of(task, kind)?)).collect::<Result<_>>()?
            }
        };
        let process = match whom {
            Whom::Namespace(_) => None,
            Whom::Task(task) => Some(look.seen(task)?),
        };
        Ok(Facts { who: look.who(who)?, process, wanted, view: look.view, no_id })
    }
}

/// The namespaces of a process that has not ended.
fn alive(task: &Task) -> Result<KindMap<u64>> {
    match first_thread_ended(task) {
        Some(_) => Err(Error::refused(format!("process {0} has ended, or its first thread has", task.pid))
            .with_hint("where others run on, name one of them, as PID/TID; /proc/PID/task lists them")),
        None => task.namespaces(KindSet::all()),
    }
}

/// From where it is looked.
struct Look {
    view: u64,
    pids: u64,
    /// The id that says nothing.
    no_id: Option<u32>,
}

impl Look {
    fn who(&self, task: &Task) -> Result<Who> {
        let namespaces = alive(task)?;
        let text = task.read(c"status")?;
        let status = Status::parse(&text);
        let users = self.users(Some(NsFd::of(task, Kind::User)?))?;
        let pids = above(NsFd::of(task, Kind::Pid)?)?;
        Ok(Who {
            pid: task.pid,
            uids: status.as_ref().map(|status| status.uids),
            gids: status.as_ref().map(|status| status.gids),
            effective: mask(&text, b"CapEff:").unwrap_or_default(),
            bounding: mask(&text, b"CapBnd:").unwrap_or_default(),
            threads: value(&text, b"Threads:").and_then(digits).unwrap_or(1),
            seccomp: mask(&text, b"Seccomp:"),
            namespaces,
            sees_user: users.iter().any(|user| user.ino == self.view),
            sees_pid: pids.contains(&self.pids),
        })
    }

    fn seen(&self, task: &Task) -> Result<Seen> {
        let text = task.read(c"status")?;
        let status = Status::of(task)?;
        let chain = self.users(Some(NsFd::of(task, Kind::User)?))?;
        // The kernel numbers the ids of our own namespace as that above does.
        let ours = chain.first().is_some_and(|user| user.ino == self.view);
        Ok(Seen {
            pid: task.pid,
            uids: status.uids,
            gids: status.gids,
            permitted: mask(&text, b"CapPrm:").unwrap_or_default(),
            owner: task.owner_of_files().ok(),
            root: if ours { Some(0) } else { IdMap::of_users(task).ok().and_then(|map| map.outside(0)) },
            chain,
        })
    }

    fn wanted(&self, ns: &NsFd) -> Result<Wanted> {
        let chain = match ns.kind {
            Kind::User => {
                let itself = User { ino: ns.id()?.ino, maker: self.maker(ns) };
                [itself].into_iter().chain(self.users(ns.parent()?)?).collect()
            }
            _ => self.users(ns.owner()?)?,
        };
        // A user namespace can be held by who does not see it, as one beside ours.
        let seen = chain.iter().any(|user| user.ino == self.view);
        let above = match ns.kind {
            Kind::Pid => {
                [ns.id()?.ino].into_iter().chain(ns.parent()?.map_or(Ok(Vec::new()), above)?).collect()
            }
            _ => Vec::new(),
        };
        let above = if above.contains(&self.pids) { above } else { Vec::new() };
        Ok(Wanted { kind: ns.kind, ino: ns.id()?.ino, chain: if seen { chain } else { Vec::new() }, above })
    }

    /// A user namespace, and those above as far as they are seen.
    fn users(&self, mut at: Option<NsFd>) -> Result<Vec<User>> {
        let mut users = Vec::new();
        while let Some(ns) = at.filter(|_| users.len() < DEPTH) {
            users.push(User { ino: ns.id()?.ino, maker: self.maker(&ns) });
            at = ns.parent()?;
        }
        Ok(users)
    }

    fn maker(&self, ns: &NsFd) -> Option<u32> {
        ns.owner_uid().ok().filter(|uid| self.no_id != Some(*uid))
    }
}

/// A pid namespace, and those above as far as they are seen.
fn above(ns: NsFd) -> Result<Vec<u64>> {
    let mut all = Vec::new();
    let mut at = Some(ns);
    while let Some(ns) = at.filter(|_| all.len() < DEPTH) {
        all.push(ns.id()?.ino);
        at = ns.parent()?;
    }
    Ok(all)
}
