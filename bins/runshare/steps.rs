//! All that runshare does, as a list in the order in which it is done: what is explained is what is carried out.

use std::cell::Cell;
use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use common::error::{Error, Result};
use common::kind::{Kind, KindSet};
use common::launch::{Gate, Program, Watch};
use common::ns::create::{self, PROPAGATIONS, Propagation};
use common::ns::diagnose;
use common::ns::inside::{self, Clocks};
use common::ns::outside::{Outside, Work};
use common::ns::pins::Pin;
use common::ns::root::{Enter, Root};
use common::proc::credentials::Caller;
use common::proc::idmap::IdMap;
use common::proc::mapping::{self, Asked, Mapping, Setgroups, Single};
use common::proc::place::{Place, change_directory};
use common::proc::subids::{Of, Subids};
use common::proc::{Proc, Task, Whereabouts, binfmt, credentials, users};
use common::sys;
use common::text::{Charset, show};
use common::tool::{self, json::Value};

use crate::cli::{As, Ids, Offsets, Request, TOOL};

/// One thing that is done.
enum Step {
    /// Become who the user namespace that will be made shall belong to.
    BecomeOwner(u32, u32),
    /// Will the mount namespace be kept by a file outside?
    Unshare(KindSet, bool),
    /// Ids that the helper outside maps.
    MapOutside,
    Clocks(Clocks),
    /// Ids that we map ourselves.
    Map(Work),
    Propagate(Propagation),
    Root(Root),
    ChangeRoot(PathBuf),
    ChangeDirectory(PathBuf),
    MountProc(PathBuf, Propagation),
    MountBinfmt(PathBuf),
    Register(PathBuf, Vec<u8>),
    HostName(OsString),
    DomainName(OsString),
    Loopback,
    DieWithParent(i32),
    SetGroup(u32),
    SetUser(u32),
    KeepCapsOverUser,
    KeepCaps,
    Tell(OwnedFd),
}

/// All of it, with what it needs held open, and nothing of it done yet.
pub(crate) struct Plan {
    kinds: KindSet,
    before: Vec<Step>,
    /// Is the rest done by a child?
    forks: bool,
    outside: Work,
    inside: Vec<Step>,
    /// Is the rest done by a child of that, which is the init?
    init: bool,
    last: Vec<Step>,
    proc: Option<Proc>,
    program: Program,
}

impl Plan {
    /// Opens all that has to be there, and puts what is to be done in order. Nothing is changed.
    pub(crate) fn open(request: Request) -> Result<Plan> {
        let new = |kind| request.kinds.contains(kind);
        let program = Program::within(request.words, request.environment)?;

        let (mut ours, mut outside) = (Work::default(), Work::default());
        let own = credentials::effective();
        let users = map(&request.users, own, own.0, (users::user, Of::Users, IdMap::of_users))?;
        let groups = map(&request.groups, own, own.1, (users::group, Of::Groups, IdMap::of_groups))?;
        // Who has become the owner may not write maps, and who maps others' ids needs rights outside.
        let outside_of_us = |ids: &Ids| request.owner.is_some() || !ids.ranges.is_empty();
        let denied = (groups.is_some() && !outside_of_us(&request.groups)).then_some(Setgroups::Deny);
        let writer = if outside_of_us(&request.users) { &mut outside } else { &mut ours };
        writer.users = users;
        let writer = if outside_of_us(&request.groups) { &mut outside } else { &mut ours };
        (writer.groups, writer.setgroups) = (groups, request.setgroups.or(denied));
        for work in [&mut ours, &mut outside] {
            work.caller = work.maps().then(Caller::now);
        }
        for (kind, path) in &request.pins {
            outside.pins.push(Pin::open(*kind, path)?);
        }

        let offsets = request.offsets != Offsets::default();
        let proc = match !outside.is_empty() || offsets || request.info_fd.is_some() {
            true => Some(Proc::system()?),
            // Before it can be covered: by it we see whether the program hears what it is sent.
            false if request.fork && new(Kind::Pid) && new(Kind::Mnt) => Proc::system().ok(),
            false => None,
        };

        let mut before: Vec<Step> = Vec::new();
        before.extend(request.owner.map(|(uid, gid)| Step::BecomeOwner(uid, gid)));
        let keeps = outside.pins.iter().any(|pin| pin.kind == Kind::Mnt);
        before.extend((!request.kinds.is_empty()).then_some(Step::Unshare(request.kinds, keeps)));
        before.extend(outside.maps().then_some(Step::MapOutside));
        if let (true, Some(proc)) = (offsets, &proc) {
            let Offsets { monotonic, boottime } = request.offsets;
            before.push(Step::Clocks(Clocks::open(proc, monotonic, boottime)?));
        }

        let mut steps: Vec<Step> = Vec::new();
        steps.extend(ours.maps().then_some(Step::Map(ours)));
        let propagates = new(Kind::Mnt) && request.propagation != Propagation::Unchanged;
        steps.extend(propagates.then_some(Step::Propagate(request.propagation)));
        let stays = matches!(request.enter, Enter::Stay) && request.overlay.is_none();
        let mut interpreter = request.interpreter;
        // The kernel opens it now, so it has to be found where it is outside.
        let fixed =
            |text: &Vec<u8>| text.rsplit(|b| *b == text[0]).next().is_some_and(|flags| flags.contains(&b'F'));
        if let Some(text) = interpreter.take_if(|text| fixed(text) && !stays) {
            steps.push(Step::MountBinfmt(binfmt::USUAL.into()));
            steps.push(Step::Register(binfmt::USUAL.into(), text));
        }
        // Below a new root it comes before what is mounted there, and while the old one is seen, without which a user namespace
        // gets no other.
        let makes = request.overlay.is_some() || !request.extras.is_empty();
        let with_root = makes || matches!(request.enter, Enter::Pivot(_));
        let (of_root, of_its_own) =
            if with_root { (request.mount_proc, None) } else { (None, request.mount_proc) };
        match request.enter {
            Enter::Chroot(dir) if !makes => {
                // To be opened again: what is open now stays in the mount namespace that we leave.
                Place::open(&dir)?;
                steps.push(Step::ChangeRoot(dir));
            }
            Enter::Stay if !makes => {}
            enter => {
                let root = Root {
                    enter,
                    overlay: request.overlay,
                    extras: request.extras,
                    proc: of_root,
                    user_ns: new(Kind::User),
                    propagation: request.propagation,
                };
                root.look()?;
                steps.push(Step::Root(root));
            }
        }
        steps.extend(request.wd.map(Step::ChangeDirectory));
        steps.extend(of_its_own.map(|dir| Step::MountProc(dir, request.propagation)));
        if let Some(dir) = request.mount_binfmt {
            steps.push(Step::MountBinfmt(dir.clone()));
            steps.extend(interpreter.map(|text| Step::Register(dir, text)));
        }
        steps.extend(request.host_name.map(Step::HostName));
        steps.extend(request.domain_name.map(Step::DomainName));
        steps.extend(request.loopback.then_some(Step::Loopback));

        let mut last: Vec<Step> = Vec::new();
        if let Some(gid) = &request.gid {
            last.push(Step::SetGroup(users::group(gid.as_bytes())?));
        }
        if let Some(uid) = &request.uid {
            last.extend(request.keep_caps.then_some(Step::KeepCapsOverUser));
            last.push(Step::SetUser(users::user(uid.as_bytes())?));
        }
        last.extend(request.keep_caps.then_some(Step::KeepCaps));
        // An init keeps the ids that it has, so it can ask for the signal; the program gets it after the last change
        // of them, which would make the kernel forget.
        let die = request.kill_child.map(Step::DieWithParent);
        if request.init {
            steps.extend(die)
        } else {
            last.extend(die)
        }
        if let Some(fd) = request.info_fd {
            let given = sys::take_given(fd).map_err(|e| {
                Error::sys("fcntl", format!("descriptor {fd}"), e)
                    .with_hint("--info-fd wants an open descriptor that can be written: 3>FILE")
            })?;
            last.push(Step::Tell(given));
        }
        let (kinds, forks, init) = (request.kinds, request.fork, request.init);
        Ok(Plan { kinds, before, forks, outside, inside: steps, init, last, proc, program })
    }

    /// What would be done, a line for each step.
    pub(crate) fn describe(&self) -> Vec<Vec<u8>> {
        let mut lines = Vec::new();
        if !self.outside.is_empty() {
            lines.push(
                b"fork a helper, which stays outside of the new namespaces until the program is executed"
                    .to_vec(),
            );
        }
        let tell = |lines: &mut Vec<Vec<u8>>, steps: &[Step]| {
            steps.iter().for_each(|step| step.describe(&self.outside, lines));
        };
        tell(&mut lines, &self.before);
        if self.forks {
            lines.push(b"fork, and wait for the child, which does the rest".to_vec());
        }
        for pin in &self.outside.pins {
            let words =
                [b"outside: bind the ", pin.kind.name().as_bytes(), b" namespace to ", path(&pin.path)];
            lines.push(words.concat());
        }
        tell(&mut lines, &self.inside);
        if self.init {
            lines.push(b"fork once more, and be the init of the child, which does the rest".to_vec());
        }
        tell(&mut lines, &self.last);
        if let Some(names) = self.program.environment().names() {
            let names: Vec<&[u8]> = names.iter().map(|name| name.as_bytes()).collect();
            lines.push(match &names[..] {
                [] => b"clear the environment".to_vec(),
                names => [b"clear the environment but for: ", &names.join(&b", "[..])[..]].concat(),
            });
        }
        lines.push(format!("exec {}", self.program.command_line()).into_bytes());
        lines
    }

    /// Does it. Answers the status to exit with.
    pub(crate) fn carry_out(self) -> anyhow::Result<u8> {
        let Plan { kinds, before, forks, outside: work, inside, init, last, proc, program } = self;
        let outside = match &proc {
            Some(proc) if !work.is_empty() => Some(Outside::start(&proc.this()?, &work)?),
            _ => None,
        };
        let pins = !work.pins.is_empty();
        drop(work);
        let registered = Cell::new(None);
        let scene = Scene { kinds, proc: proc.as_ref(), gate: None, registered: &registered };
        before.into_iter().try_for_each(|step| step.run(&scene, outside.as_ref()))?;
        if !forks {
            outside.iter().filter(|_| pins).try_for_each(Outside::pin)?;
            inside.into_iter().try_for_each(|step| step.run(&scene, None))?;
            return Err(finish(last, &scene, &program, outside).into());
        }
        let kills = |step: &Step| matches!(step, Step::DieWithParent(_));
        let kills = inside.iter().chain(&last).any(kills);
        let watch = Watch::begin()?.looking_at(proc.as_ref()).until_death(kills).gated(pins).with_init(init);
        // Parent and child each have their own: the parent lets go of what it would hold as long as it waits.
        let held = Cell::new(Some((outside, last)));
        let ready = || {
            let (outside, _) = held.take().unwrap_or_default();
            outside.iter().filter(|_| pins).try_for_each(Outside::pin)
        };
        let child = |gate: Result<&Gate>| {
            let gate = gate?;
            let scene = Scene { gate: Some(gate), ..scene };
            let (outside, last) = held.take().unwrap_or_default();
            inside.into_iter().try_for_each(|step| step.run(&scene, None))?;
            match init {
                true => gate.be_init(|ready| {
                    let done = ready.map(|_| finish(last, &scene, &program, outside));
                    report(done.unwrap_or_else(|e| e))
                }),
                false => Err(finish(last, &scene, &program, outside)),
            }
        };
        let ended = watch.fork_when(ready, |gate| child(gate).unwrap_or_else(report));
        let ended = ended.map_err(|e| diagnose::fork(e, Proc::system().ok().as_ref()))?;
        Ok(ended.follow())
    }
}

fn report(error: Error) -> u8 {
    tool::report(&TOOL, &error.into())
}

/// Takes the last steps and becomes the program; answers why not.
fn finish(last: Vec<Step>, scene: &Scene, program: &Program, outside: Option<Outside>) -> Error {
    if let Err(e) = last.into_iter().try_for_each(|step| step.run(scene, None)) {
        return e;
    }
    if let Err(e) = outside.iter().try_for_each(Outside::sure) {
        return e;
    }
    let error = program.exec();
    outside.iter().for_each(Outside::failed);
    error
}

/// Where steps are taken.
#[derive(Clone, Copy)]
struct Scene<'a> {
    kinds: KindSet,
    proc: Option<&'a Proc>,
    gate: Option<&'a Gate>,
    /// What keeps an interpreter registered until the program runs: with the old root the only mount of it could go.
    registered: &'a Cell<Option<OwnedFd>>,
}

impl Step {
    fn run(self, scene: &Scene, outside: Option<&Outside>) -> Result<()> {
        match self {
            Step::BecomeOwner(uid, gid) => {
                let told = |e| diagnose::owner(e, Proc::system().ok().as_ref());
                credentials::drop_groups().map_err(told)?;
                credentials::set_group(gid).map_err(told)?;
                credentials::set_user(uid).map_err(told)
            }
            Step::Unshare(kinds, keeps) => match scene.proc {
                Some(proc) if keeps => create::unshare_to_be_kept(proc, kinds),
                _ => create::unshare(kinds),
            },
            Step::MapOutside => outside.map_or(Ok(()), Outside::map),
            Step::Clocks(clocks) => clocks.set(),
            Step::Map(work) => work.map_ourselves(),
            Step::Propagate(propagation) => create::propagate(propagation),
            Step::Root(root) => root.make(&mut |text| {
                tool::complain(TOOL.name, &show(text, Charset::from_env()), None);
            }),
            Step::ChangeRoot(dir) => Place::open(&dir)?.become_root(),
            Step::ChangeDirectory(dir) => change_directory(&dir),
            Step::MountProc(dir, around) => create::mount_proc(&dir, around)
                .map_err(|e| diagnose::new_proc(e, scene.proc, scene.kinds, scene.gate.is_some())),
            Step::MountBinfmt(dir) => binfmt::mount_at(&dir),
            Step::Register(dir, text) => {
                scene.registered.set(Some(binfmt::register(&dir, &text)?));
                Ok(())
            }
            Step::HostName(name) => inside::set_host_name(&name),
            Step::DomainName(name) => inside::set_domain_name(&name),
            Step::Loopback => inside::bring_loopback_up(),
            Step::DieWithParent(signal) => scene.gate.map_or(Ok(()), |gate| gate.die_with_parent(signal)),
            Step::SetGroup(gid) => {
                match credentials::drop_groups() {
                    // In a user namespace that has given setgroups up for good everybody keeps the groups they had.
                    Err(e) if e.is_denied() && scene.kinds.contains(Kind::User) => {}
                    answer => answer.map_err(|e| diagnose::setgroups(e, Proc::system().ok().as_ref()))?,
                }
                credentials::set_group(gid).map_err(|e| diagnose::set_id(e, scene.kinds))
            }
            Step::KeepCapsOverUser => credentials::keep_caps(),
            Step::SetUser(uid) => credentials::set_user(uid).map_err(|e| diagnose::set_id(e, scene.kinds)),
            Step::KeepCaps => credentials::hand_on_caps(),
            Step::Tell(fd) => {
                let Some(proc) = scene.proc else { return Ok(()) };
                let Whereabouts { outside, inside, namespaces } = proc.whereabouts()?;
                let namespaces = namespaces.iter().filter(|(_, ino)| **ino != 0);
                let namespaces = namespaces.map(|(kind, ino)| (kind.name(), Value::Number(*ino)));
                let pids = [outside, inside].map(|pid| Value::Number(pid as u64));
                let [outside, inside] = pids;
                let told = Value::Object(vec![
                    ("pid", outside),
                    ("pid_inside", inside),
                    ("namespaces", Value::Object(namespaces.collect())),
                ]);
                sys::tell_given(&fd, told.document().as_bytes())
                    .map_err(|e| Error::sys("write", "the descriptor of --info-fd", e))
            }
        }
    }

    /// Says what it does, in lines.
    fn describe(&self, outside: &Work, lines: &mut Vec<Vec<u8>>) {
        let mut say = |words: &[&[u8]]| lines.push(words.concat());
        let text = |text: String| text.into_bytes();
        match self {
            Step::BecomeOwner(uid, gid) => {
                say(&[b"setgroups to none"]);
                say(&[&text(format!("setgid {gid}"))]);
                say(&[&text(format!("setuid {uid}"))]);
            }
            Step::Unshare(kinds, _) => say(&[&text(format!("unshare {kinds}"))]),
            Step::MapOutside => describe_maps(outside, "outside: ", lines),
            Step::Clocks(clocks) => {
                clocks.lines().for_each(|line| say(&[&text(format!("write {line:?} to timens_offsets"))]));
            }
            Step::Map(work) => describe_maps(work, "", lines),
            Step::Propagate(propagation) => {
                let name =
                    PROPAGATIONS.iter().find(|(_, known, _)| known == propagation).map(|(name, ..)| *name);
                say(&[&text(format!("make all mounts {}", name.unwrap_or_default()))]);
            }
            Step::Root(root) => lines.extend(root.describe()),
            Step::ChangeRoot(dir) => say(&[b"chroot ", path(dir)]),
            Step::ChangeDirectory(dir) => say(&[b"chdir ", path(dir)]),
            Step::MountProc(dir, _) => say(&[b"mount proc on ", path(dir)]),
            Step::MountBinfmt(dir) => say(&[b"mount binfmt_misc on ", path(dir)]),
            Step::Register(dir, text) => say(&[b"write ", text, b" to ", path(dir), b"/register"]),
            Step::HostName(name) => say(&[b"sethostname ", name.as_bytes()]),
            Step::DomainName(name) => say(&[b"setdomainname ", name.as_bytes()]),
            Step::Loopback => say(&[b"bring device lo up"]),
            Step::DieWithParent(signal) => {
                say(&[&text(format!("ask for signal {signal} when the parent ends"))]);
            }
            Step::SetGroup(gid) => {
                say(&[b"setgroups to none"]);
                say(&[&text(format!("setgid {gid}"))]);
            }
            Step::KeepCapsOverUser => say(&[b"keep capabilities when the user id changes"]),
            Step::SetUser(uid) => say(&[&text(format!("setuid {uid}"))]),
            Step::KeepCaps => say(&[b"raise all permitted capabilities to ambient ones"]),
            Step::Tell(_) => say(&[b"write PIDs and namespaces to the descriptor of --info-fd"]),
        }
    }
}

fn describe_maps(work: &Work, who: &str, lines: &mut Vec<Vec<u8>>) {
    let map = |file: &str, mapping: &Option<Mapping>| {
        let text = mapping.as_ref()?.text().replace('\n', ", ");
        Some(format!("{who}write {text} to {file}"))
    };
    let word = work.setgroups.map(|word| format!("{who}write {} to setgroups", word.word()));
    let told = [map("uid_map", &work.users), word, map("gid_map", &work.groups)];
    lines.extend(told.into_iter().flatten().map(String::into_bytes));
}

fn path(path: &Path) -> &[u8] {
    path.as_os_str().as_bytes()
}

/// How ids of a sort are looked up: by their names, among subordinate ones, and all that there are.
type Sort = (fn(&[u8]) -> Result<u32>, Of, fn(&Task) -> Result<IdMap>);

/// Makes a map of what was asked. `us` is the user we are, `own` the id of ours of that sort.
fn map(ids: &Ids, (us, _): (u32, u32), own: u32, (named, of, all): Sort) -> Result<Option<Mapping>> {
    if !ids.is_asked() {
        return Ok(None);
    }
    let inside = match &ids.single {
        None => None,
        Some(As::Root) => Some(0),
        Some(As::Itself) => Some(own),
        Some(As::Id(word)) => Some(named(word.as_bytes())?),
    };
    // Of groups too, they are the user's.
    let subordinate = || Subids::read(Path::new("/"), of, users::login(us)?.as_deref(), us);
    let mut extents = Vec::new();
    for asked in &ids.ranges {
        match asked {
            Asked::Range(line) => extents.push((*line).into()),
            Asked::Auto => extents.push(subordinate()?.auto()),
            Asked::Subids => extents.push(subordinate()?.same()),
            Asked::All => extents.extend(mapping::all(&all(&Proc::system()?.this()?)?)),
        }
    }
    mapping::plan(inside.map(|inside| Single { inside, outside: own }), &extents).map(Some)
}
