//! What another process is to the kernel that judges what it may do, taken on by us: a program that we then become has the
//! rights that it would have if that process had executed it.

use nix::errno::Errno;
use nix::unistd::{Gid, Uid, getgroups, setgroups, setresgid, setresuid};

use super::credentials::{Capability, Sets, capability_names, drop_groups_if_allowed, keep_caps};
use super::idmap::IdMap;
use super::status::{Ids, Status, mask, numbers};
use super::{Proc, Task};
use crate::error::{Error, Result};
use crate::kind::{Kind, KindSet};
use crate::sys;

/// What can be taken on, or left out, by its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Users, groups, supplementary groups.
    Ids,
    /// All sets of capabilities.
    Caps,
    /// Whether a program can give more rights than there are.
    NoNewPrivs,
    /// How readily the process is ended when memory is short: [`super::oom`].
    Oom,
}

impl Part {
    /// All of them.
    pub const ALL: [Part; 4] = [Part::Ids, Part::Caps, Part::NoNewPrivs, Part::Oom];

    /// By what word it is chosen.
    pub fn name(self) -> &'static str {
        match self {
            Part::Ids => "ids",
            Part::Caps => "caps",
            Part::NoNewPrivs => "no-new-privs",
            Part::Oom => "oom",
        }
    }

    /// How to do without it.
    pub fn left_out(self) -> String {
        format!("--except {} does without", self.name())
    }
}

/// How the user namespace in which the program will be stands to that of the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Users {
    /// It is the same, and ours: nothing is entered.
    Ours,
    /// It is the same, and will be entered: ids have other numbers there.
    Entered,
    /// It is another than that of the process, which has ids there but no rights: capabilities count only where they are
    /// held, and a set-user-ID program gives none by a user that is not mapped there. So the program gets no capability, and
    /// no_new_privs. The ids are those that can be read now.
    Apart,
}

impl Users {
    /// Looks whether the process is in our user namespace, unless its own will be entered.
    pub fn of(proc: &Proc, task: &Task, entered: bool) -> Result<Users> {
        let user = |task: &Task| Ok(task.namespaces(KindSet::from_iter([Kind::User]))?[Kind::User]);
        Ok(match entered {
            true => Users::Entered,
            false => match (user(task)?, user(&proc.this()?)?) {
                // Not a kernel that lacks the kind.
                (theirs, ours) if (theirs == 0) != (ours == 0) => {
                    return Err(Error::sys("read", format!("ns/user of {}", task.pid), Errno::ENOENT));
                }
                (theirs, ours) if theirs == ours => Users::Ours,
                _ => Users::Apart,
            },
        })
    }
}

/// The two ids of a sort that outlive an exec; the saved one, and that for files, become the effective one by it.
/// Source: execve(2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pair {
    /// Who it is.
    pub real: u32,
    /// By which it is judged.
    pub effective: u32,
}

impl Pair {
    /// The same for both.
    pub fn both(id: u32) -> Pair {
        Pair { real: id, effective: id }
    }
}

/// Supplementary groups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Groups {
    /// None; those that we have where they cannot be given up, as in a user namespace that has forgone it for all.
    None,
    /// Those of the process.
    Like {
        /// By their numbers before anything is entered; none where one has no number.
        outside: Option<Vec<u32>>,
        /// By their numbers where the program will be.
        inside: Vec<u32>,
        /// How many have no number there.
        without: usize,
        /// Do we have them already? Then nothing need be done, and nobody needs the right to.
        held: bool,
    },
}

/// Who the program will be. What is none is left as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// Its user.
    pub user: Option<Pair>,
    /// Its group.
    pub group: Option<Pair>,
    /// Its supplementary groups.
    pub groups: Option<Groups>,
}

/// What a process is, read in one piece. What is none is left as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Likeness {
    /// Whose it is, by its PID.
    pub pid: i32,
    /// Who it is. Another can be put here.
    pub identity: Identity,
    /// Its capabilities.
    pub capabilities: Option<Sets>,
    /// Does no program give it more rights? None leaves it as it is, and so does false: it cannot be unset.
    pub no_new_privs: Option<bool>,
}

impl Likeness {
    /// Reads these parts of a process, or of a thread, before anything is entered. It needs no right, except where /proc hides
    /// processes (hidepid). An id that has no number where the program will be is an error: it must not become that of
    /// another. Source: proc_pid_status(5), user_namespaces(7).
    pub fn of(proc: &Proc, task: &Task, users: Users, parts: &[Part]) -> Result<Likeness> {
        let status = task.read(c"status")?;
        let broken = || Error::sys("parse", format!("status of {}", task.pid), Errno::EINVAL);
        let identity = || Identity::read(proc, task, users, &status);
        let capabilities = || match users {
            Users::Apart => Ok(Sets::default()),
            Users::Ours | Users::Entered => Sets::parse(&status).ok_or_else(broken),
        };
        let no_new_privs = || match users {
            Users::Apart => Ok(true),
            Users::Ours | Users::Entered => {
                mask(&status, b"NoNewPrivs:").map(|set| set == 1).ok_or_else(broken)
            }
        };
        Ok(Likeness {
            pid: task.pid,
            identity: if parts.contains(&Part::Ids) { identity()? } else { Identity::default() },
            capabilities: parts.contains(&Part::Caps).then(capabilities).transpose()?,
            no_new_privs: parts.contains(&Part::NoNewPrivs).then(no_new_privs).transpose()?,
        })
    }

    /// Takes the supplementary groups on, before anything is entered, where we may: so those that have no number inside come
    /// along, and so do all into a user namespace in which none may be set. Where we may not it is left to
    /// [`Likeness::take_on`]. Source: setgroups(2), user_namespaces(7).
    pub fn bring_groups(&mut self) -> Result<()> {
        let Some(Groups::Like { outside: Some(outside), held: held @ false, .. }) = &mut self.identity.groups
        else {
            return Ok(());
        };
        match set_groups(outside, self.pid) {
            Err(e) if e.is_denied() => {}
            answer => {
                answer?;
                *held = true;
            }
        }
        Ok(())
    }

    /// Takes it on: the last but for what a change of credentials would undo (PR_SET_PDEATHSIG(2const)), and for exec. To be
    /// called where the program will be. `tell` hears of what the process has and we cannot give.
    pub fn take_on(&self, tell: &mut dyn FnMut(&str)) -> Result<()> {
        let pid = self.pid;
        let mut lacking = 0;
        if let Some(sets) = &self.capabilities {
            // As long as there is the right to do it.
            lacking |= bound(sets, pid)?;
        }
        self.identity.take_on(pid, self.capabilities.is_some(), tell)?;
        if let Some(sets) = &self.capabilities {
            lacking |= permit(sets, pid)?;
        }
        sys::set_undumpable()?;
        if lacking != 0 {
            tell(&format!("capabilities of {pid} that we cannot give: {}", capability_names(lacking)));
        }
        match self.no_new_privs {
            Some(true) => nix::sys::prctl::set_no_new_privs()
                .map_err(|e| advise(Error::sys("prctl", "PR_SET_NO_NEW_PRIVS", e), Part::NoNewPrivs)),
            Some(false) if nix::sys::prctl::get_no_new_privs().unwrap_or(false) => {
                tell(&format!("no_new_privs is set of us, not of {pid}, and cannot be unset"));
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

impl Identity {
    /// Who a process is; as for [`Likeness::of`].
    pub fn of(proc: &Proc, task: &Task, users: Users) -> Result<Identity> {
        Identity::read(proc, task, users, &task.read(c"status")?)
    }

    fn read(proc: &Proc, task: &Task, users: Users, status: &[u8]) -> Result<Identity> {
        let broken = || Error::sys("parse", format!("status of {}", task.pid), Errno::EINVAL);
        let Status { uids, gids, .. } = Status::parse(status).ok_or_else(broken)?;
        let theirs = numbers(status, b"Groups:").ok_or_else(broken)?;
        let pair = |there: &There, ids: Ids| {
            let number = |which, id| there.need(which, id).map_err(|e| advise(e, Part::Ids));
            Ok(Pair { real: number("real", ids.real)?, effective: number("effective", ids.effective)? })
        };
        let user = pair(&There::of(proc, task, users, &USERS)?, uids)?;
        let there = There::of(proc, task, users, &GROUPS)?;
        let group = pair(&there, gids)?;
        let mapped = theirs.iter().map(|id| there.number(*id)).collect::<Result<Vec<_>>>()?;
        let known = theirs.iter().map(|id| there.is_known(*id)).collect::<Result<Vec<_>>>()?;
        // Those that are unknown here look alike and need not be the same.
        let outside = known.into_iter().all(|known| known).then_some(theirs);
        let ours = getgroups().map_err(|e| Error::sys("getgroups", "", e))?;
        let ours: Vec<u32> = ours.into_iter().map(Gid::as_raw).collect();
        let groups = Groups::Like {
            held: outside.as_ref().is_some_and(|theirs| same(theirs, &ours)),
            outside,
            without: mapped.iter().filter(|id| id.is_none()).count(),
            inside: mapped.into_iter().flatten().collect(),
        };
        Ok(Identity { user: Some(user), group: Some(group), groups: Some(groups) })
    }

    /// Becomes that. Source: setresuid(2), setgroups(2), PR_SET_KEEPCAPS(2const).
    fn take_on(&self, pid: i32, keeps: bool, tell: &mut dyn FnMut(&str)) -> Result<()> {
        let fail = |call, on: String| move |e| advise(Error::sys(call, on, e), Part::Ids);
        match &self.groups {
            None | Some(Groups::Like { held: true, .. }) => {}
            Some(Groups::None) => drop_groups_if_allowed()?,
            Some(Groups::Like { inside, without, .. }) => {
                set_groups(inside, pid)?;
                if *without > 0 {
                    let plural = if *without == 1 { "" } else { "s" };
                    tell(&format!(
                        "left out {without} supplementary group{plural} of {pid} without a number in the entered user namespace"
                    ));
                }
            }
        }
        if let Some(Pair { real, effective }) = self.group {
            let ids = [real, effective, effective].map(Gid::from_raw);
            setresgid(ids[0], ids[1], ids[2])
                .map_err(fail("setresgid", format!("{real} {effective} {effective}")))?;
        }
        if let Some(Pair { real, effective }) = self.user {
            if keeps {
                keep_caps().map_err(|e| advise(e, Part::Caps))?;
            }
            let ids = [real, effective, effective].map(Uid::from_raw);
            setresuid(ids[0], ids[1], ids[2])
                .map_err(fail("setresuid", format!("{real} {effective} {effective}")))?;
        }
        Ok(())
    }
}

fn set_groups(groups: &[u32], pid: i32) -> Result<()> {
    let groups: Vec<Gid> = groups.iter().copied().map(Gid::from_raw).collect();
    setgroups(&groups).map_err(|e| advise(Error::sys("setgroups", format!("those of {pid}"), e), Part::Ids))
}

/// Are these the same groups, in whatever order?
fn same(one: &[u32], other: &[u32]) -> bool {
    let sorted = |groups: &[u32]| {
        let mut groups = groups.to_vec();
        groups.sort_unstable();
        groups
    };
    sorted(one) == sorted(other)
}

/// The effective user id of a process, by its number where the program will be. Where no user namespace is entered, or was
/// entered already and is not that of the process, [`Users::Apart`] answers the number in ours. It needs no right.
/// Source: proc_pid_status(5).
pub fn follow_user(proc: &Proc, task: &Task, users: Users) -> Result<u32> {
    follow(There::of(proc, task, users, &USERS)?, Status::of(task)?.uids)
}

/// Likewise its effective group id.
pub fn follow_group(proc: &Proc, task: &Task, users: Users) -> Result<u32> {
    follow(There::of(proc, task, users, &GROUPS)?, Status::of(task)?.gids)
}

fn follow(there: There<'_>, ids: Ids) -> Result<u32> {
    there.need("effective", ids.effective).map_err(|error| match (&error, error.hint()) {
        (Error::Refused { .. }, None) => error.with_hint("it cannot be followed: name another by its number"),
        _ => error,
    })
}

/// Users or groups.
struct Sort {
    name: &'static str,
    /// The sysctl with the number of those who have none.
    overflow: &'static str,
    map: fn(&Task) -> Result<IdMap>,
}

const USERS: Sort = Sort { name: "user id", overflow: "kernel/overflowuid", map: IdMap::of_users };
const GROUPS: Sort = Sort { name: "group id", overflow: "kernel/overflowgid", map: IdMap::of_groups };

/// By which numbers a process's ids are called where the program will be.
struct There<'a> {
    proc: &'a Proc,
    pid: i32,
    sort: &'static Sort,
    /// None where it is as we read it.
    map: Option<IdMap>,
    overflow: u32,
}

impl There<'_> {
    fn of<'a>(proc: &'a Proc, task: &Task, users: Users, sort: &'static Sort) -> Result<There<'a>> {
        let map = (users == Users::Entered).then(|| (sort.map)(task)).transpose()?;
        let overflow = proc.sysctl(sort.overflow).and_then(|id| id.try_into().ok()).unwrap_or(65534);
        Ok(There { proc, pid: task.pid, sort, map, overflow })
    }

    /// Is this id, which was read here, that of one and not of all who have no number here?
    fn is_known(&self, id: u32) -> Result<bool> {
        Ok(id != self.overflow || (self.sort.map)(&self.proc.this()?)?.knows(id))
    }

    /// The number of an id that was read; none where it has none.
    fn number(&self, id: u32) -> Result<Option<u32>> {
        Ok(self.is_known(id)?.then_some(id).and_then(|id| match &self.map {
            Some(map) => map.inside(id),
            None => Some(id),
        }))
    }

    /// The same of one that has to have a number.
    fn need(&self, which: &str, id: u32) -> Result<u32> {
        let what = || {
            let (sort, pid) = (self.sort.name, self.pid);
            format!(
                "{which} {sort} {id} of {pid} has no number in the user namespace where the program will be"
            )
        };
        self.number(id)?.ok_or_else(|| Error::refused(what()))
    }
}

fn our_capabilities() -> Result<sys::Capabilities> {
    sys::Capabilities::ours().map_err(|e| advise(Error::sys("capget", "ours", e), Part::Caps))
}

/// Limits what the program can have, as long as there is the right to do that. Answers what is not had of it.
fn bound(sets: &Sets, pid: i32) -> Result<u64> {
    let ours = our_capabilities()?;
    let bounding = sys::bounding();
    // With the right to change all of them, that of what can be had; else of what may be had. Before the bounding set is made
    // smaller: what is inheritable stays so beyond it, but does not become so. Source: capset(2).
    let can = if Capability::SetPcap.is_in(ours.permitted) { bounding } else { bounding & ours.permitted };
    let inheritable = sets.inheritable & (ours.inheritable | can);
    let (effective, permitted) = (ours.permitted, ours.permitted);
    set(sys::Capabilities { effective, permitted, inheritable }, pid)?;
    let surplus = bounding & !sets.bounding;
    sys::drop_bounding(surplus).map_err(|e| {
        let on = format!("PR_CAPBSET_DROP {}", capability_names(surplus));
        Error::sys("prctl", on, e).with_hint(format!(
            "the program could have more than {pid}, and to limit it needs CAP_SETPCAP; {}",
            Part::Caps.left_out()
        ))
    })?;
    Ok(sets.bounding & !bounding | sets.inheritable & !inheritable)
}

/// Has these capabilities from now on, as far as they may be had. Answers what is not.
fn permit(sets: &Sets, pid: i32) -> Result<u64> {
    let ours = our_capabilities()?;
    let permitted = sets.permitted & ours.permitted;
    let inheritable = sets.inheritable & ours.inheritable;
    set(sys::Capabilities { effective: sets.effective & permitted, permitted, inheritable }, pid)?;
    let ambient = sets.ambient & permitted & inheritable;
    sys::clear_ambient()
        .and_then(|()| sys::raise_ambient(ambient))
        .map_err(|e| advise(Error::sys("prctl", "PR_CAP_AMBIENT", e), Part::Caps))?;
    Ok(sets.permitted & !permitted | sets.ambient & !ambient)
}

fn set(sets: sys::Capabilities, pid: i32) -> Result<()> {
    sets.take_on().map_err(|e| advise(Error::sys("capset", format!("those of {pid}"), e), Part::Caps))
}

/// Says how to do without a part that was refused.
fn advise(error: Error, part: Part) -> Error {
    if let (Some(hint), Some(Errno::EPERM)) = (needs(&error), error.errno()) {
        return error.with_hint(format!("{hint}; {}", part.left_out()));
    }
    match error.is_our_own() || error.hint().is_some() {
        true => error,
        false => error.with_hint(part.left_out()),
    }
}

/// What a call needs that was refused.
fn needs(error: &Error) -> Option<&'static str> {
    let Error::Sys { call, .. } = error else { return None };
    match *call {
        "setgroups" => Some(
            "this needs CAP_SETGID where the program will be, and a user namespace that has not given setgroups up \
             (/proc/PID/setgroups)",
        ),
        "setresgid" => Some("this needs CAP_SETGID where the program will be"),
        "setresuid" => Some("this needs CAP_SETUID where the program will be"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_numbered_as_they_are_inside_or_have_no_number() {
        // A /proc of files: we know 0 to 9 and the number of those who have none only as that.
        let dir = std::env::temp_dir().join(format!("nskit-likeness-{}", std::process::id()));
        let file = |name: &str, text: &str| {
            let path = dir.join(name);
            std::fs::create_dir_all(path.parent().expect("a fixture")).expect("a fixture");
            std::fs::write(path, text).expect("a fixture");
        };
        file("sys/kernel/overflowuid", "65534\n");
        file("7/uid_map", "0 0 10\n");
        file("8/uid_map", "100 3 5\n65534 2 1\n");
        std::os::unix::fs::symlink("7", dir.join("self")).expect("a fixture");
        let proc = Proc::open(&dir).expect("a fixture");
        let task = proc.task(8).expect("a fixture");
        let number = |users, id| {
            There::of(&proc, &task, users, &USERS).and_then(|there| there.number(id)).expect("a fixture")
        };
        for (users, id, expected) in [
            (Users::Entered, 3, Some(100)),
            (Users::Entered, 7, Some(104)),
            (Users::Entered, 8, None),
            (Users::Entered, 2, Some(65534)),
            (Users::Entered, 65534, None),
            (Users::Apart, 8, Some(8)),
            (Users::Ours, 65534, None),
        ] {
            assert_eq!(number(users, id), expected, "{users:?} {id}");
        }
        file("7/uid_map", "0 0 4294967295\n");
        assert_eq!(number(Users::Ours, 65534), Some(65534));
        std::fs::remove_dir_all(&dir).expect("a fixture");
        assert!(same(&[3, 1, 2], &[1, 2, 3]) && !same(&[1, 1], &[1]) && same(&[], &[]));
    }
}
