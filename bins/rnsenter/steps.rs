//! All that rnsenter does, as a list in the order in which it is done: what --dry-run prints is what is carried out.

use std::io::IsTerminal;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use common::error::{Error, Result};
use common::kind::{Kind, KindSet};
use common::launch::{Gate, Program, Watch};
use common::ns::create::{self, Propagation};
use common::ns::diagnose;
use common::ns::fd::NsFd;
use common::ns::join::{self, Join};
use common::ns::refer::{self, Ref};
use common::proc::place::{Place, change_directory};
use common::proc::{Proc, Task, credentials};
use common::sys;
use common::text::{Charset, shell_word, show};
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
    ChangeDirectory(PathBuf),
    MountProc(PathBuf),
    SetGroup(u32),
    KeepCapsOverUser,
    SetUser(u32),
    KeepCaps,
    DieWithParent(i32),
    /// Close descriptors from this number on when the program is executed.
    CloseFrom(u32),
}

/// All of it, with what it needs held open: after the first namespace paths may mean something else.
pub(crate) struct Plan {
    kinds: KindSet,
    /// Does the program come from inside?
    inside: bool,
    before: Vec<Step>,
    /// Is the rest done by a child?
    forks: bool,
    last: Vec<Step>,
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

impl Plan {
    /// Opens all that has to be there, and puts what is to be done in order. Nothing is changed.
    pub(crate) fn open(mut request: Request) -> Result<Plan> {
        let program = Program::new(std::mem::take(&mut request.words))?;
        // Without one, namespaces can still be entered by files.
        let proc = Proc::system();
        let target = request.target.as_ref().map(|reference| open(&proc, reference)).transpose()?;
        let task = match &target {
            Some(refer::Entry::Process(target)) => Some(&target.task),
            Some(refer::Entry::Thread(_, thread)) => Some(thread),
            Some(refer::Entry::Namespace(_)) | None => None,
        };
        let place = |dir: &Option<Dir>, of: fn(&Task) -> Result<Place>| match (dir, task) {
            (Some(Dir::Path(path)), _) => Place::open(path).map(Some),
            (Some(Dir::OfTarget), Some(task)) => of(task).map(Some),
            _ => Ok(None),
        };
        let root = place(&request.root, Place::root_of)?;
        let wd = place(&request.wd, Place::cwd_of)?;
        let follow = |who: Option<Who>| match who {
            Some(Who::Id(id)) => Some(id),
            _ => None,
        };
        let (uid, gid) = (follow(request.uid), follow(request.gid));
        let join = join(&proc, &request, target)?;

        let kinds = join.kinds();
        let enters = |kind| kinds.contains(kind);
        let takes_ids = enters(Kind::User) && !request.preserve_credentials;
        let forks = !request.no_fork && kinds.iter().any(|kind| kind.row().needs_fork);
        let inside = enters(Kind::Mnt) || root.is_some();
        if request.mount_proc.is_some() && !request.all && !(forks && enters(Kind::Pid)) {
            return Err(Error::refused(
                "--mount-proc needs the program to be in a pid namespace that is entered",
            )
            .with_hint("add -p, and leave out --no-fork"));
        }
        let mut notes = Vec::new();
        if enters(Kind::Pid) && forks && !inside && request.mount_proc.is_none() {
            notes.push(PS_SHOWS_OUTSIDE);
        }

        let mut before = vec![Step::BeUndumpable];
        before.extend(takes_ids.then_some(Step::TryDropGroups));
        before.push(Step::Enter(join));
        before.extend(root.map(Step::ChangeRoot));
        before.extend(wd.map(Step::Go));
        if let Some(Dir::Inside(path)) = request.wd {
            before.push(Step::ChangeDirectory(path));
        }

        let mut last: Vec<Step> = Vec::new();
        last.extend(request.mount_proc.take().map(Step::MountProc));
        let default = takes_ids.then_some(0);
        last.extend(gid.or(default).map(Step::SetGroup));
        if let Some(uid) = uid.or(default) {
            last.extend(request.keep_caps.then_some(Step::KeepCapsOverUser));
            last.push(Step::SetUser(uid));
        }
        last.extend(request.keep_caps.then_some(Step::KeepCaps));
        last.extend(request.kill_child.filter(|_| forks).map(Step::DieWithParent));
        // A descriptor from outside could be a way out.
        let confined = [Kind::Mnt, Kind::User, Kind::Pid].into_iter().any(enters);
        last.extend(match request.fds {
            PassFds::Usual if confined => Some(Step::CloseFrom(3)),
            PassFds::First(count) => Some(Step::CloseFrom(count.saturating_add(3))),
            PassFds::Usual | PassFds::All => None,
        });
        Ok(Plan { kinds, inside, before, forks, last, proc: proc.ok(), program, notes })
    }

    /// What would be done, a line for each step.
    pub(crate) fn describe(&self) -> Vec<Vec<u8>> {
        let mut lines: Vec<Vec<u8>> = Vec::new();
        self.before.iter().for_each(|step| step.describe(&mut lines));
        if self.forks {
            lines.push(b"fork, and wait for the child, which does the rest".to_vec());
        }
        self.last.iter().for_each(|step| step.describe(&mut lines));
        let quoted = self.program.words().into_iter().map(|word| {
            shell_word(word, Charset::from_env()).unwrap_or_else(|| show(word, Charset::from_env()))
        });
        lines.push(format!("exec {}", quoted.collect::<Vec<_>>().join(" ")).into_bytes());
        lines
    }

    /// Does it. Answers the status to exit with.
    pub(crate) fn carry_out(self) -> anyhow::Result<u8> {
        let Plan { kinds, inside, before, forks, last, proc, program, notes } = self;
        if !notes.is_empty() && std::io::stderr().is_terminal() {
            notes.into_iter().for_each(|(line, hint)| tool::complain(TOOL.name, line, Some(hint)));
        }
        let scene = Scene { kinds, proc: proc.as_ref(), gate: None };
        before.into_iter().try_for_each(|step| step.run(&scene))?;
        if !forks {
            return Err(finish(last, &scene, &program, inside).into());
        }
        let kills = last.iter().any(|step| matches!(step, Step::DieWithParent(_)));
        let watch = Watch::begin()?.looking_at(proc.as_ref()).until_death(kills);
        let child = |gate: Result<&Gate>| {
            let failed = match gate {
                Ok(gate) => finish(last, &Scene { gate: Some(gate), ..scene }, &program, inside),
                Err(e) => e,
            };
            tool::report(&TOOL, &failed.into())
        };
        let ended = watch.fork(child).map_err(|e| diagnose::fork(e, proc.as_ref()))?;
        Ok(ended.follow())
    }
}

/// Takes the last steps and becomes the program; answers why not.
fn finish(last: Vec<Step>, scene: &Scene, program: &Program, inside: bool) -> Error {
    match last.into_iter().try_for_each(|step| step.run(scene)) {
        Ok(()) => explain(program.exec(), inside),
        Err(e) => e,
    }
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
}

impl Step {
    fn run(self, scene: &Scene) -> Result<()> {
        match self {
            // Executing the program sets it back. Source: PR_SET_DUMPABLE(2const).
            Step::BeUndumpable => sys::set_undumpable(),
            Step::TryDropGroups => {
                let _ = credentials::drop_groups();
                Ok(())
            }
            Step::Enter(join) => join.enter(),
            Step::ChangeRoot(root) => root.become_root(),
            Step::Go(wd) => wd.go(),
            Step::ChangeDirectory(path) => change_directory(&path),
            Step::MountProc(dir) => {
                create::unshare([Kind::Mnt].into_iter().collect())?;
                create::propagate(Propagation::Private)?;
                create::mount_proc(&dir, Propagation::Private)
                    .map_err(|e| diagnose::new_proc(e, scene.proc, scene.kinds, true))
            }
            Step::SetGroup(gid) => {
                match credentials::drop_groups() {
                    // Who may not do this keeps the groups that they had all along: in a user namespace that has given
                    // setgroups up for good, that is everybody.
                    Err(e) if e.is_denied() => {}
                    answer => answer?,
                }
                credentials::set_group(gid)
            }
            Step::KeepCapsOverUser => credentials::keep_caps(),
            Step::SetUser(uid) => credentials::set_user(uid),
            Step::KeepCaps => credentials::hand_on_caps(),
            Step::DieWithParent(signal) => scene.gate.map_or(Ok(()), |gate| gate.die_with_parent(signal)),
            Step::CloseFrom(first) => sys::close_from(first),
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
            Step::ChangeDirectory(dir) => say(&[b"chdir ", path(dir), b", as it is called then"]),
            Step::MountProc(dir) => {
                say(&[b"unshare mnt"]);
                say(&[b"mount proc on ", path(dir)]);
            }
            Step::SetGroup(gid) => {
                say(&[b"setgroups to none, where that is allowed"]);
                say(&[&text(format!("setgid {gid}"))]);
            }
            Step::KeepCapsOverUser => say(&[b"keep capabilities when the user id changes"]),
            Step::SetUser(uid) => say(&[&text(format!("setuid {uid}"))]),
            Step::KeepCaps => say(&[b"raise all permitted capabilities to ambient ones"]),
            Step::DieWithParent(signal) => {
                say(&[&text(format!("ask for signal {signal} when the parent ends"))]);
            }
            Step::CloseFrom(first) => say(&[&text(format!("close descriptors from {first} on"))]),
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
        join::differing(proc, task)?.iter().for_each(|kind| of_target.insert(kind));
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
