//! All that rnsenter does, as a list in the order in which it is done: what --dry-run prints is what is carried out.

use std::io::IsTerminal;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use common::cgroup::join::Membership;
use common::error::{Error, Result};
use common::kind::{Kind, KindSet};
use common::launch::{Environment, Gate, Program, Pty, Watch};
use common::ns::create::{self, Propagation};
use common::ns::diagnose;
use common::ns::fd::NsFd;
use common::ns::join::{self, Join};
use common::ns::refer::{self, Ref};
use common::proc::label::{self, Label};
use common::proc::likeness::{self, Groups, Identity, Likeness, Pair, Part, Users};
use common::proc::oom::Oom;
use common::proc::place::{self, Place, change_directory};
use common::proc::{Proc, Task, credentials};
use common::sys;
use common::tool;

use crate::cli::{Dir, Given, PassFds, Request, TOOL, Who};

/// One thing that is done.
enum Step {
    /// Shut ourselves off from those inside.
    BeUndumpable,
    /// Give up groups where that may still be allowed.
    TryDropGroups,
    Enter(Join),
    ChangeRoot(Place),
    Go(Place),
    /// To one that must not be outside of the root; by its path where it was named by one.
    GoInside(Place, Option<PathBuf>),
    ChangeDirectory(PathBuf),
    /// Not run where it could look out: the working directory must not be outside of the root.
    StayInside,
    MountProc(PathBuf),
    SetGroup(Id),
    KeepCapsOverUser,
    SetUser(Id),
    KeepCaps,
    /// Read the environment that could not be read before.
    Settle,
    FollowContext(Label),
    /// Take on what the target is. Its ids, as they are called inside, where they are asked then.
    TakeOn(Likeness, Option<Follow>),
    DieWithParent(i32),
}

/// A user or group.
enum Id {
    Known(u32),
    /// That of the target, asked when all is entered.
    OfTarget(Follow),
}

/// What leads to a process from wherever we are.
struct Follow {
    proc: Proc,
    task: Task,
    /// What stands before the ids of the target.
    user: Option<u32>,
    group: Option<u32>,
}

/// All of it, with what it needs held open: after the first namespace paths may mean something else.
pub(crate) struct Plan {
    kinds: KindSet,
    /// Does the program come from inside?
    inside: bool,
    /// Those that are joined first, or by the child where there is one.
    groups: Option<Membership>,
    oom: Option<Oom>,
    before: Vec<Step>,
    /// Is the rest done by a child?
    forks: bool,
    /// Does the program get a terminal of its own?
    pty: bool,
    last: Vec<Step>,
    /// Descriptors from this number on are closed when the program is executed.
    closed: Option<u32>,
    proc: Option<Proc>,
    program: Program,
    notes: Vec<Note>,
}

/// What whoever sits at a terminal is told beforehand.
type Note = (&'static str, &'static str);

const PS_SHOWS_OUTSIDE: Note = (
    "/proc goes on to show the processes outside, and with it ps and top",
    "add -m to see the target's mounts too, or --mount-proc",
);

const CAN_TYPE: Note = (
    "the program can type commands into this terminal (dev.tty.legacy_tiocsti is 1)",
    "--pty gives it one of its own, as is due to what is not trusted",
);

impl Plan {
    /// Opens all that has to be there, and puts what is to be done in order. Nothing is changed.
    pub(crate) fn open(mut request: Request) -> Result<Plan> {
        // Without one, namespaces can still be entered by files.
        let proc = Proc::system();
        let seen = proc.as_ref().ok();
        let target = request.target.as_ref().map(|reference| open(&proc, reference)).transpose();
        let target = target.map_err(|e| diagnose::closed(e, seen, None))?;
        let task = match &target {
            Some(refer::Entry::Process(target)) => Some(&target.task),
            Some(refer::Entry::Thread(_, thread)) => Some(thread),
            Some(refer::Entry::Namespace(_)) | None => None,
        };
        let told = |e| diagnose::closed(e, seen, task);
        let place = |dir: &Option<Dir>, of: fn(&Task) -> Result<Place>| match (dir, task) {
            (Some(Dir::Path(path)), _) => Place::open(path).map(Some),
            (Some(Dir::OfTarget), Some(task)) => of(task).map(Some).map_err(told),
            _ => Ok(None),
        };
        let mut root = place(&request.root, Place::root_of)?;
        if request.like.is_some() && is_ours(root.as_ref()) {
            // Who has no right to change it need not.
            root = None;
        }
        let wd = place(&request.wd, Place::cwd_of)?;
        let held = seen.zip(task);
        let groups =
            held.filter(|_| request.cgroup).map(|(proc, task)| Membership::of(proc, task)).transpose()?;
        let asks_rights = |part| request.like.as_ref().is_some_and(|parts| parts.contains(&part));
        let oom =
            held.filter(|_| asks_rights(Part::Oom)).map(|(proc, task)| Oom::open(proc, task)).transpose()?;
        // Another hold of it: the first goes with the namespaces.
        let again = |(proc, task): (_, &Task)| Ok((proc, task.again()?));
        let held = held.filter(|_| request.needs_process()).map(again).transpose()?;
        let held = held.as_ref();

        let join = join(&proc, &request, target)?;
        let kinds = join.kinds();
        let enters = |kind| kinds.contains(kind);
        let takes_ids = enters(Kind::User) && !request.preserve_credentials;
        let forks = request.pty || !request.no_fork && kinds.iter().any(|kind| kind.row().needs_fork);
        let inside = enters(Kind::Mnt) || root.is_some();
        let program = find(&mut request, inside, held)?;
        let context = held.filter(|_| request.context);
        let context = context.map(|(_, task)| label::of(Proc::system()?, task)).transpose()?;
        let in_pid = forks && !request.no_fork && (enters(Kind::Pid) || request.all);
        if request.mount_proc.is_some() && !in_pid {
            let what = "--mount-proc needs the program to be in a pid namespace that is entered";
            return Err(Error::refused(what).with_hint("add -p, and leave out --no-fork"));
        }
        let confined = [Kind::Mnt, Kind::User, Kind::Pid].into_iter().any(enters);
        let mut notes = Vec::new();
        if enters(Kind::Pid) && forks && !inside && request.mount_proc.is_none() {
            notes.push(PS_SHOWS_OUTSIDE);
        }
        if confined
            && !request.pty
            && std::io::stdin().is_terminal()
            && seen.is_some_and(Proc::lets_input_be_injected)
        {
            notes.push(CAN_TYPE);
        }

        let mut last: Vec<Step> = Vec::new();
        last.extend(request.mount_proc.take().map(Step::MountProc));
        last.extend(rights(&request, &join, held, takes_ids)?);
        last.extend(request.env.then_some(Step::Settle));
        last.extend(context.map(Step::FollowContext));
        last.extend(request.kill_child.filter(|_| forks).map(Step::DieWithParent));

        let mut before = vec![Step::BeUndumpable];
        // A likeness brings groups along, and does not give up those that we have.
        before.extend((takes_ids && request.like.is_none()).then_some(Step::TryDropGroups));
        before.push(Step::Enter(join));
        before.extend(root.map(Step::ChangeRoot));
        let (named, called_inside) = match request.wd {
            Some(Dir::Path(path)) => (Some(path), None),
            Some(Dir::Inside(path)) => (None, Some(path)),
            _ => (None, None),
        };
        match wd {
            Some(wd) if inside => before.push(Step::GoInside(wd, named)),
            Some(wd) => before.push(Step::Go(wd)),
            None => {
                before.extend(called_inside.map(Step::ChangeDirectory));
                before.extend(inside.then_some(Step::StayInside));
            }
        }
        // A descriptor from outside could be a way out.
        let closed = match request.fds {
            PassFds::Usual if confined => Some(3),
            PassFds::First(count) => Some(count.saturating_add(3)),
            PassFds::Usual | PassFds::All => None,
        };
        let (proc, pty) = (proc.ok(), request.pty);
        Ok(Plan { kinds, inside, groups, oom, before, forks, pty, last, closed, proc, program, notes })
    }

    /// What would be done, a line for each step, and why it may not be, if so: namespaces are tried by a helper.
    pub(crate) fn rehearse(&self) -> (Vec<Vec<u8>>, Option<Error>) {
        let mut lines: Vec<Vec<u8>> = Vec::new();
        let groups = self.groups.iter().flat_map(Membership::describe);
        let groups: Vec<_> = groups.map(|group| [b"join ", &group[..]].concat()).collect();
        let (first, in_child) = if self.forks { (Vec::new(), groups) } else { (groups, Vec::new()) };
        lines.extend(first);
        if let Some(oom) = self.oom.as_ref().filter(|oom| oom.differs()) {
            lines.push(format!("write {} to oom_score_adj", oom.score()).into_bytes());
        }
        let mut refused = None;
        for step in &self.before {
            if let (Step::Enter(join), Some(proc)) = (step, &self.proc) {
                refused = refused.or(self.rehearse_join(proc, join, &mut lines).err());
            } else {
                step.describe(&mut lines);
            }
        }
        if self.forks {
            lines.push(b"fork, and wait for the child, which does the rest".to_vec());
        }
        lines.extend(in_child);
        self.last.iter().for_each(|step| step.describe(&mut lines));
        if self.pty {
            lines.push(b"lead a session on a terminal of its own".to_vec());
        }
        lines.extend(self.closed.map(|first| format!("close descriptors from {first} on").into_bytes()));
        lines.push(format!("exec {}", self.program.command_line()).into_bytes());
        (lines, refused)
    }

    fn rehearse_join(&self, proc: &Proc, join: &Join, lines: &mut Vec<Vec<u8>>) -> Result<()> {
        let number = |id: &Id| if let Id::Known(id) = id { Some(*id) } else { None };
        let ids = self.last.iter().fold((None, None), |(group, user), step| match step {
            Step::SetGroup(id) => (number(id), user),
            Step::SetUser(id) => (group, number(id)),
            _ => (group, user),
        });
        let rehearsal = diagnose::rehearse(proc, join, ids.0, ids.1)?;
        lines.extend(rehearsal.rows.iter().map(|row| format!("enter {row}").into_bytes()));
        match (rehearsal.may(), rehearsal.ids) {
            (_, Some(error)) => Err(error),
            (true, None) => Ok(()),
            (false, None) => {
                let error = Error::refused("this may not be entered");
                Err(match rehearsal.advice {
                    Some(advice) => error.with_hint(advice),
                    None => error,
                })
            }
        }
    }

    /// Does it. Answers the status to exit with.
    pub(crate) fn carry_out(self) -> anyhow::Result<u8> {
        let Plan { kinds, inside, groups, oom, before, forks, pty, mut last, closed, proc, program, notes } =
            self;
        let mut pty = pty.then(Pty::open).transpose()?;
        if !notes.is_empty() && std::io::stderr().is_terminal() {
            notes.into_iter().for_each(|(line, hint)| tool::complain(TOOL.name, line, Some(hint)));
        }
        last.iter_mut().try_for_each(Step::prepare)?;
        oom.iter().try_for_each(|oom| oom.take_on(forks))?;
        if !forks {
            groups.iter().try_for_each(Membership::join)?;
        }
        let scene = Scene { kinds, proc: proc.as_ref(), gate: None, program: &program };
        before.into_iter().try_for_each(|step| step.run(&scene))?;
        if !forks {
            last.into_iter().try_for_each(|step| step.run(&scene))?;
            closed.map_or(Ok(()), sys::close_from)?;
            return Err(explain(program.exec(), inside).into());
        }
        if let Some(pty) = &mut pty {
            if inside {
                pty.move_inside();
            }
            last.iter().find_map(Step::user).into_iter().for_each(|user| pty.give_to(user));
        }
        let kills = last.iter().any(|step| matches!(step, Step::DieWithParent(_)));
        let watch = Watch::begin()?.looking_at(proc.as_ref()).until_death(kills).with_pty(pty);
        let watch = watch.into_group(groups.as_ref().and_then(Membership::birthplace));
        let child = |gate: Result<&Gate>| {
            let become_program = |gate: &Gate| {
                groups.iter().try_for_each(|groups| groups.join_rest(gate))?;
                let scene = Scene { gate: Some(gate), ..scene };
                last.into_iter().try_for_each(|step| step.run(&scene))?;
                Err(explain(gate.exec(&program, closed), inside))
            };
            let failed: Result<u8> = gate.and_then(become_program);
            failed.unwrap_or_else(|e| tool::report(&TOOL, &e.into()))
        };
        let ready = || {
            oom.iter().for_each(Oom::go_back);
            Ok(())
        };
        let ended = watch.fork_when(ready, child).map_err(|e| diagnose::fork(e, proc.as_ref()))?;
        Ok(ended.follow())
    }
}

/// The program, with the environment that it gets, and where it is looked for.
fn find(request: &mut Request, inside: bool, held: Option<&(&Proc, Task)>) -> Result<Program> {
    let environment = match held.filter(|_| request.env) {
        None => Environment::ours(),
        Some((proc, task)) => {
            let read = if inside { Environment::of(task) } else { Environment::of_for_ours(task) };
            read.map_err(|e| diagnose::closed(e, Some(proc), Some(task)))?
        }
    };
    let words = std::mem::take(&mut request.words);
    if inside { Program::inside(words, environment) } else { Program::within(words, environment) }
}

/// The steps by which the program gets its ids and capabilities.
fn rights(
    request: &Request,
    join: &Join,
    held: Option<&(&Proc, Task)>,
    takes_ids: bool,
) -> Result<Vec<Step>> {
    let ours = join.files.iter().find(|ns| ns.kind == Kind::User);
    let users = match (ours, held) {
        (Some(ns), Some((_, task))) if ns.id()? == NsFd::of(task, Kind::User)?.id()? => Users::Entered,
        (Some(_), _) | (None, None) => Users::Apart,
        // What is not ours and not entered is asked when it matters.
        (None, Some(_)) if join.of_target.contains(Kind::User) => Users::Entered,
        (None, Some(_)) => Users::Apart,
    };
    // In a user namespace that is not the target's its ids have numbers that are known only there.
    let asked_inside = ours.is_some() && users == Users::Apart;
    let follow = |user, group| -> Result<Option<Follow>> {
        let Some((_, task)) = held.filter(|_| asked_inside) else { return Ok(None) };
        Ok(Some(Follow { proc: Proc::system()?, task: task.again()?, user, group }))
    };
    let id = |who: Option<Who>, how: fn(&Proc, &Task, Users) -> Result<u32>| match (who, held) {
        (Some(Who::Id(id)), _) => Ok(Some(Id::Known(id))),
        (Some(Who::OfTarget), Some((proc, task))) => match follow(None, None)? {
            Some(follow) => Ok(Some(Id::OfTarget(follow))),
            None => how(proc, task, users).map(|id| Some(Id::Known(id))),
        },
        _ => Ok(None),
    };
    let (uid, gid) = (id(request.uid, likeness::follow_user)?, id(request.gid, likeness::follow_group)?);
    let mut steps = Vec::new();
    if let (Some(parts), Some((proc, task))) = (&request.like, held) {
        let mut parts = parts.clone();
        parts.retain(|part| *part != Part::Ids || !request.preserve_credentials);
        let asks_ids = parts.contains(&Part::Ids);
        let numbers = [&uid, &gid].map(|id| if let Some(Id::Known(id)) = id { Some(*id) } else { None });
        let [user, group] = numbers;
        let users =
            if users == Users::Apart && !asked_inside { Users::of(proc, task, false)? } else { users };
        let inside = follow(user, group)?.filter(|_| asks_ids);
        parts.retain(|part| *part != Part::Ids || inside.is_none());
        let mut likeness = Likeness::of(proc, task, users, &parts)?;
        if !asks_ids && takes_ids {
            let root = Some(Pair::both(0));
            likeness.identity = Identity { user: root, group: root, groups: Some(Groups::None) };
        }
        choose(&mut likeness.identity, user, group);
        steps.push(Step::TakeOn(likeness, inside));
        steps.extend(request.keep_caps.then_some(Step::KeepCaps));
        return Ok(steps);
    }
    let root = || takes_ids.then_some(Id::Known(0));
    steps.extend(gid.or_else(root).map(Step::SetGroup));
    if let Some(uid) = uid.or_else(root) {
        steps.extend(request.keep_caps.then_some(Step::KeepCapsOverUser));
        steps.push(Step::SetUser(uid));
    }
    steps.extend(request.keep_caps.then_some(Step::KeepCaps));
    Ok(steps)
}

/// What was named stands before what the target is.
fn choose(identity: &mut Identity, user: Option<u32>, group: Option<u32>) {
    identity.user = user.map(Pair::both).or(identity.user);
    if let Some(group) = group {
        (identity.group, identity.groups) = (Some(Pair::both(group)), Some(Groups::None));
    }
}

/// Is it our own root directory?
fn is_ours(root: Option<&Place>) -> bool {
    let ours = || Place::open(Path::new("/")).ok()?.identity();
    root.and_then(Place::identity).is_some_and(|root| ours() == Some(root))
}

/// A program that is not there may well be outside.
fn explain(error: Error, inside: bool) -> Error {
    match inside && error.is_gone() && error.hint().is_none() {
        true => error.with_hint(
            "it is looked for inside: name a program that is there, such as sh, or enter without -m (-a has it) \
             and -r to run one from outside",
        ),
        false => error,
    }
}

/// Where steps are taken.
#[derive(Clone, Copy)]
struct Scene<'a> {
    kinds: KindSet,
    proc: Option<&'a Proc>,
    gate: Option<&'a Gate>,
    program: &'a Program,
}

impl Step {
    /// What of it has to be done before anything is entered.
    fn prepare(&mut self) -> Result<()> {
        match self {
            Step::TakeOn(likeness, _) => likeness.bring_groups(),
            _ => Ok(()),
        }
    }

    /// The user that the program will be by it, where that is known.
    fn user(&self) -> Option<u32> {
        match self {
            Step::SetUser(Id::Known(user)) => Some(*user),
            Step::TakeOn(likeness, _) => Some(likeness.identity.user?.effective),
            _ => None,
        }
    }

    fn run(self, scene: &Scene) -> Result<()> {
        match self {
            // Executing the program sets it back. Source: PR_SET_DUMPABLE(2const).
            Step::BeUndumpable => sys::set_undumpable(),
            Step::TryDropGroups => {
                let _ = credentials::drop_groups();
                Ok(())
            }
            Step::Enter(join) => {
                join.enter().map_err(|e| diagnose::enter(e, scene.proc, &join))?;
                if scene.kinds.contains(Kind::User) { sys::set_undumpable() } else { Ok(()) }
            }
            Step::ChangeRoot(root) => root.become_root(),
            Step::Go(wd) => wd.go(),
            Step::GoInside(wd, path) => wd.go_inside(path.as_deref()),
            Step::ChangeDirectory(path) => change_directory(&path),
            Step::StayInside => place::stay_inside(None),
            Step::MountProc(dir) => {
                create::unshare([Kind::Mnt].into_iter().collect())?;
                create::propagate(Propagation::Private)?;
                create::mount_proc(&dir, Propagation::Private)
                    .map_err(|e| diagnose::new_proc(e, scene.proc, scene.kinds, true))
            }
            Step::SetGroup(gid) => {
                let gid = gid.of(likeness::follow_group)?;
                credentials::drop_groups_if_allowed()?;
                credentials::set_group(gid).map_err(|e| diagnose::ids(e, scene.proc))?;
                sys::set_undumpable()
            }
            Step::KeepCapsOverUser => credentials::keep_caps(),
            Step::SetUser(uid) => {
                let uid = uid.of(likeness::follow_user)?;
                credentials::set_user(uid).map_err(|e| diagnose::ids(e, scene.proc))?;
                sys::set_undumpable()
            }
            Step::KeepCaps => credentials::hand_on_caps(),
            Step::Settle => scene.program.environment().settle(),
            Step::FollowContext(context) => context.exec_as(),
            Step::TakeOn(mut likeness, follow) => {
                if let Some(Follow { proc, task, user, group }) = follow {
                    likeness.identity = Identity::of(&proc, &task, Users::Apart)?;
                    choose(&mut likeness.identity, user, group);
                }
                likeness.take_on(&mut |text| tool::complain(TOOL.name, text, None))
            }
            Step::DieWithParent(signal) => scene.gate.map_or(Ok(()), |gate| gate.die_with_parent(signal)),
        }
    }

    /// Says what it does, in lines.
    fn describe(&self, lines: &mut Vec<Vec<u8>>) {
        let mut say = |words: &[&[u8]]| lines.push(words.concat());
        let text = |text: String| text.into_bytes();
        match self {
            Step::BeUndumpable => say(&[b"shut ourselves off from tracers"]),
            // It is said where it must succeed.
            Step::TryDropGroups => {}
            Step::Enter(join) => say(&[b"enter ", &text(join.kinds().to_string())]),
            Step::ChangeRoot(root) => say(&[b"chroot ", root.name()]),
            Step::Go(wd) => say(&[b"chdir ", wd.name()]),
            Step::GoInside(wd, _) => {
                say(&[b"chdir ", wd.name()]);
                Step::StayInside.describe(lines);
            }
            Step::StayInside => say(&[b"make sure that the working directory is below the root"]),
            Step::Settle => {}
            Step::FollowContext(context) => say(&[b"take the SELinux context ", context.name()]),
            Step::ChangeDirectory(dir) => say(&[b"chdir ", path(dir), b", as it is called then"]),
            Step::MountProc(dir) => {
                say(&[b"unshare mnt"]);
                say(&[b"mount proc on ", path(dir)]);
            }
            Step::SetGroup(gid) => {
                say(&[b"setgroups to none, where that is allowed"]);
                say(&[&text(format!("setgid {}", gid.name()))]);
            }
            Step::KeepCapsOverUser => say(&[b"keep capabilities when the user id changes"]),
            Step::SetUser(uid) => say(&[&text(format!("setuid {}", uid.name()))]),
            Step::KeepCaps => say(&[b"raise all permitted capabilities to ambient ones"]),
            Step::TakeOn(likeness, follow) => describe_likeness(likeness, follow.is_some(), lines),
            Step::DieWithParent(signal) => {
                say(&[&text(format!("ask for signal {signal} when the parent ends"))]);
            }
        }
    }
}

fn describe_likeness(likeness: &Likeness, follows: bool, lines: &mut Vec<Vec<u8>>) {
    let mut say = |text: String| lines.push(text.into_bytes());
    if follows {
        say(format!("take the ids of {}, as they are numbered then", likeness.pid));
    }
    match &likeness.identity.groups {
        None => {}
        Some(Groups::None) => say("setgroups to none, where that is allowed".into()),
        Some(Groups::Like { inside, .. }) if inside.is_empty() => say("setgroups to none".into()),
        Some(Groups::Like { inside, .. }) => {
            let numbers: Vec<_> = inside.iter().map(u32::to_string).collect();
            say(format!("setgroups to {}", numbers.join(" ")));
        }
    }
    if let Some(Pair { real, effective }) = likeness.identity.group {
        say(format!("setresgid to real {real}, effective {effective}"));
    }
    if let Some(Pair { real, effective }) = likeness.identity.user {
        say(format!("setresuid to real {real}, effective {effective}"));
    }
    if likeness.capabilities.is_some() {
        say(format!("take the capabilities of {}, the bounding set among them", likeness.pid));
    }
    if likeness.no_new_privs == Some(true) {
        say("set no_new_privs".into());
    }
}

impl Id {
    fn of(self, how: fn(&Proc, &Task, Users) -> Result<u32>) -> Result<u32> {
        match self {
            Id::Known(id) => Ok(id),
            Id::OfTarget(Follow { proc, task, .. }) => how(&proc, &task, Users::Apart),
        }
    }

    fn name(&self) -> String {
        match self {
            Id::Known(id) => id.to_string(),
            Id::OfTarget(follow) => format!("of {}", follow.task.pid),
        }
    }
}

fn path(path: &Path) -> &[u8] {
    path.as_os_str().as_bytes()
}

fn open(proc: &Result<Proc>, reference: &Ref) -> Result<refer::Entry> {
    refer::open(proc.as_ref().map_err(Error::clone)?, reference)
}

/// The namespaces to be entered, open.
fn join(proc: &Result<Proc>, request: &Request, target: Option<refer::Entry>) -> Result<Join> {
    let given = request.given.iter().map(|(kind, given)| match given {
        Given::File(path) => open_file(path, *kind),
        Given::Named(reference) => open(proc, reference)?.namespace(*kind),
    });
    let mut files = given.collect::<Result<Vec<_>>>()?;
    let mut of_target = request.kinds;
    // The pidfd of a process stands for its first thread.
    let (target, thread) = match target {
        None => (None, None),
        Some(refer::Entry::Process(target)) => (Some(target), None),
        Some(refer::Entry::Thread(target, thread)) => (Some(target), Some(thread)),
        Some(refer::Entry::Namespace(ns)) => {
            request.wants_only(&ns)?;
            of_target = KindSet::EMPTY;
            files.push(ns);
            (None, None)
        }
    };
    let task = thread.as_ref().or(target.as_ref().map(|target| &target.task));
    if let (true, Some(task), Ok(proc)) = (request.all, task, proc) {
        let told = |e| diagnose::closed(e, Some(proc), Some(task));
        let differing = join::differing(proc, task).map_err(told)?;
        differing
            .iter()
            .filter(|kind| !request.except.contains(*kind))
            .for_each(|kind| of_target.insert(kind));
    }
    files.iter().for_each(|ns| of_target.remove(ns.kind));
    if let (Some(fd), Some(target)) = (request.net_socket, &target) {
        files.retain(|ns| ns.kind != Kind::Net);
        of_target.remove(Kind::Net);
        files.push(NsFd::of_socket(target, fd)?);
    }
    if request.user_parent {
        let user = files.iter().position(|ns| ns.kind == Kind::User).map(|at| files.remove(at));
        let of_task = || task.map(|task| NsFd::of(task, Kind::User)).transpose();
        let below = user.map_or_else(of_task, |user| Ok(Some(user)))?;
        of_target.remove(Kind::User);
        let above = below.as_ref().or(files.first()).map(user_above).transpose()?;
        files.extend(above);
    }
    if let Some(thread) = &thread {
        for kind in std::mem::take(&mut of_target).iter() {
            files.push(NsFd::of(thread, kind)?);
        }
    }
    Ok(Join { target, of_target, files })
}

/// The user namespace that owns this one; of a user namespace its parent.
fn user_above(ns: &NsFd) -> Result<NsFd> {
    let mut above = ns.owner()?.ok_or_else(|| {
        Error::refused(
            [b"there is no user namespace above the ", &ns.name[..], b" that we may enter"].concat(),
        )
        .with_hint("it is the first one, or ours is below it: leave out --user-parent")
    })?;
    above.name = [b"user namespace above the ", &ns.name[..]].concat();
    Ok(above)
}

fn open_file(path: &Path, kind: Kind) -> Result<NsFd> {
    NsFd::open_as(path, kind).map_err(|e| match path.to_str() {
        // `-nt 5` for `-n -t 5`: the original reads it so, and so do we.
        Some(name) if e.is_gone() && !name.contains('/') => e.with_hint(format!(
            "-{0}{name} means --{1}={name}; if {name} was to be options, write them before -{0} or apart from it",
            kind.row().short,
            kind.row().long
        )),
        _ => e,
    })
}
