//! Joining the control groups of the target, beside the original where that has it: on version 2 alone.

use std::collections::BTreeSet;
use std::fs::File;
use std::os::fd::AsFd;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use common::cgroup::join::Membership;
use common::proc::Proc;
use nix::sys::signal::{Signal, raise};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::ForkResult;

use super::{descriptors, open_directory, signal};
use crate::harness::*;
use crate::rcgexec::{Hierarchy, Parent, find, hierarchies, remove};

/// How long a state may take to come about.
const SOON: Duration = Duration::from_secs(20);

const GROUPS: [&str; 3] = ["--", "cat", "/proc/self/cgroup"];

/// The lines of `/proc/PID/cgroup` that are of controllers: those of names are left out.
fn lines(text: &[u8]) -> BTreeSet<Vec<u8>> {
    let named = |line: &[u8]| line.splitn(3, |&b| b == b':').nth(1).unwrap().starts_with(b"name=");
    let lines = text.split(|&b| b == b'\n').filter(|line| !line.is_empty() && !named(line));
    lines.map(<[u8]>::to_vec).collect()
}

fn groups_of(pid: impl std::fmt::Display) -> BTreeSet<Vec<u8>> {
    lines(&std::fs::read(format!("/proc/{pid}/cgroup")).unwrap())
}

/// Moves a process into these groups.
fn place<P: AsRef<Path>>(pid: i32, dirs: &[P]) {
    for dir in dirs.iter().map(AsRef::as_ref) {
        let write = std::fs::write(dir.join("cgroup.procs"), pid.to_string());
        write.unwrap_or_else(|e| panic!("{pid} to {dir:?}: {e}"));
    }
}

/// A process with these namespaces of its own, in a group of its own in every hierarchy. It is dropped first.
fn container(t: &Test, options: &[&str]) -> Option<(Held, Parent)> {
    let parent = Parent::everywhere(t)?;
    let held = t.hold("unshare", options);
    place(held.inner(), &parent.dirs);
    Some((held, parent))
}

/// Options that enter nothing, that enter without a child, and with one.
fn ways(target: i32) -> [Vec<String>; 3] {
    [&["-c"][..], &["-c", "-n"], &["-c", "-n", "-p"]].map(|options| {
        let options = options.iter().map(|option| option.to_string());
        [format!("-t{target}")].into_iter().chain(options).collect()
    })
}

fn v2() -> Option<Hierarchy> {
    hierarchies().into_iter().find(|hierarchy| hierarchy.v2)
}

/// The newest original, where it joins groups: with version 2 in its usual place.
fn original(t: &Test) -> Option<PathBuf> {
    let all = hierarchies();
    let usual = all.len() == 1 && all[0].v2 && all[0].point == Path::new("/sys/fs/cgroup");
    usual.then(|| t.newest("nsenter")).flatten()
}

/// How a message names the group with this directory.
fn named(dir: &Path, hierarchy: &Hierarchy) -> String {
    match hierarchy.v2 {
        true => dir.display().to_string(),
        false => format!("{} (controller {})", dir.display(), hierarchy.key),
    }
}

#[test]
fn the_groups_of_the_target_are_joined_in_every_hierarchy_but_those_with_only_a_name() {
    let t = rings!(Host, Uml, Qemu);
    let Some((held, parent)) = container(&t, &["-f", "-p", "-n"]) else { return };
    let theirs = groups_of(held.inner());
    let end = format!("/{}", parent.name);
    assert!(theirs.iter().all(|line| line.ends_with(end.as_bytes())), "{theirs:?}");
    let own = std::fs::read_to_string("/proc/self/cgroup").unwrap();
    for way in ways(held.inner()) {
        let text = t.tool("rnsenter").args(&way).args(GROUPS).run().ok();
        assert_eq!(lines(text.as_bytes()), theirs, "{way:?}");
        for line in own.lines().filter(|line| line.contains(":name=")) {
            assert!(text.lines().any(|kept| kept == line), "{line} in {text}");
        }
        // It does so only where it enters a namespace.
        if let (Some(original), true) = (original(&t), way.len() > 2) {
            assert_eq!(t.path(&original).args(&way).args(GROUPS).run().ok(), text, "{way:?}");
        }
    }
    let text = t.tool("rnsenter").args([&format!("-t{}", held.inner()), "-n"]).args(GROUPS).run().ok();
    assert_eq!(text, own, "only who asks for it");
}

#[test]
fn a_group_is_joined_whatever_bytes_are_in_its_name() {
    let t = rings!(Host, Uml, Qemu);
    // An empty cpuset takes nobody.
    let points = hierarchies().into_iter().filter(|hierarchy| !hierarchy.key.contains("cpuset"));
    let points: Vec<PathBuf> = points.map(|hierarchy| hierarchy.point).collect();
    if !t.needs(!points.is_empty(), "cgroups") {
        return;
    }
    let parent = Parent::below(points);
    let held = t.hold("unshare", &["-n"]);
    let names: [&[u8]; 7] =
        [b"a:b", b"0::", b" a  b ", b"\xff\x1b[1m\x01", b"\ttab\\040", b"x (deleted)", b"..."];
    for name in names {
        let dirs: Vec<PathBuf> = parent.dirs.iter().map(|dir| dir.join(bytes(name))).collect();
        dirs.iter().for_each(|dir| std::fs::create_dir(dir).unwrap());
        place(held.pid(), &dirs);
        let run = t.tool("rnsenter").args([&format!("-t{}", held.pid()), "-c"]).args(GROUPS).run();
        run.ok();
        assert_eq!(lines(&run.stdout), groups_of(held.pid()), "{}", String::from_utf8_lossy(name));
        place(held.pid(), &parent.dirs);
        dirs.iter().for_each(|dir| remove(dir));
    }
}

#[test]
fn no_descriptor_of_a_group_reaches_the_program() {
    let t = rings!(Host, Uml, Qemu);
    let Some((held, _parent)) = container(&t, &["-f", "-p", "-n"]) else { return };
    for way in ways(held.inner()) {
        let list = |options: Vec<&String>| {
            descriptors(&t.tool("rnsenter").args(options).args(super::LIST_DESCRIPTORS).run().ok())
        };
        let without = list(way.iter().filter(|option| *option != "-c").collect());
        assert_eq!(list(way.iter().collect()), without, "{way:?}");
    }
}

#[test]
fn the_program_is_in_the_groups_and_who_waits_for_it_is_not() {
    let t = rings!(Host, Uml, Qemu);
    let Some((held, _parent)) = container(&t, &["-f", "-p", "-n"]) else { return };
    let target = format!("-t{}", held.inner());
    let entered = t.hold("rnsenter", &[&target, "-c", "-p"]);
    assert_ne!(entered.pid(), entered.inner());
    assert_eq!(groups_of(entered.inner()), groups_of(held.inner()));
    assert_eq!(groups_of(entered.pid()), groups_of("self"));
    // Without a child it is we who are in them.
    let entered = t.hold("rnsenter", &[&target, "-c", "-n"]);
    assert_eq!(entered.pid(), entered.inner());
    assert_eq!(groups_of(entered.pid()), groups_of(held.inner()));
}

#[test]
fn on_version_2_the_program_was_never_in_our_own_group() {
    let t = rings!(Uml, Qemu);
    let pids = find("pids").filter(|hierarchy| hierarchy.v2);
    if !t.belongs(pids.is_some(), "version 2 with the controller pids") {
        return;
    }
    let Some(parent) = Parent::only(&t, &["pids"]) else { return };
    let dir = parent.dir("pids");
    std::fs::write(dir.join("cgroup.subtree_control"), "+pids").unwrap();
    let [ours, theirs] = ["ours", "theirs"].map(|name| parent.sub(name));
    let peak = dir.join("ours/pids.peak");
    if t.belongs(peak.exists(), "Linux 6.1 and later, which have pids.peak") {
        let held = t.hold("unshare", &["-f", "-p"]);
        place(held.inner(), &[dir.join("theirs")]);
        let run = |options: &[&str]| {
            let run = t.tool("rcgexec").args(["-g", &format!("pids:{ours}")]).arg(tool_path("rnsenter"));
            let run = run.args([&format!("-t{}", held.inner()), "-p"]).args(options).args(GROUPS).run();
            (run.ok(), std::fs::read_to_string(&peak).unwrap())
        };
        assert_eq!(run(&["-c"]), (format!("0::/{theirs}\n"), "1\n".into()));
        // Another child is seen.
        assert_eq!(run(&[]), (format!("0::/{ours}\n"), "2\n".into()));
    }
    ["ours", "theirs"].iter().for_each(|name| parent.remove_sub(name));
}

/// rnsenter with these options under strace with those: what it did, and what was traced.
fn traced(t: &Test, strace: &[&str], options: &[String], program: &[&str]) -> (Output, String) {
    let log = tempfile::NamedTempFile::new().unwrap();
    let run = t.program("strace").args(["-f", "-qq", "-o"]).arg(log.path()).args(strace);
    let run = run.arg(tool_path("rnsenter")).args(options).args(program).run();
    (run, std::fs::read_to_string(log.path()).unwrap())
}

#[test]
fn a_child_is_born_in_the_group_or_goes_there_itself_where_that_is_refused() {
    let t = rings!(Host);
    if !t.has("strace") || !t.needs(v2().is_some(), "cgroups of version 2") {
        return;
    }
    let Some((held, _parent)) = container(&t, &["-f", "-p", "-n"]) else { return };
    let theirs = groups_of(held.inner());
    let [_, _, way] = ways(held.inner());
    let trace = ["-e", "trace=clone,clone3,write,execve"];
    let of_v1 = theirs.len() - 1;
    let joins = |log: &str| log.lines().filter(|line| line.contains("\"0\", 1")).count();

    let (run, log) = traced(&t, &trace, &way, &GROUPS);
    assert_eq!(lines(run.ok().as_bytes()), theirs);
    assert_eq!((log.matches("CLONE_INTO_CGROUP").count(), joins(&log)), (1, of_v1), "{log}");
    // Old kernels, filters of system calls, what is not permitted inside, a full group.
    for error in ["ENOSYS", "EPERM", "E2BIG", "EINVAL", "EACCES", "ENOENT", "EAGAIN"] {
        let inject = format!("inject=clone3:error={error}");
        let (run, log) = traced(&t, &[&trace[..], &["-e", &inject]].concat(), &way, &GROUPS);
        assert_eq!(lines(run.ok().as_bytes()), theirs, "{error}");
        assert_eq!(joins(&log), of_v1 + 1, "{error}: {log}");
    }
    let (run, log) = traced(&t, &trace, &[way[0].clone(), "-p".into()], &["true"]);
    run.ok();
    assert!(!log.contains("clone3("), "only who asks for it: {log}");
}

#[test]
fn a_hierarchy_that_does_not_take_us_is_named_and_no_program_is_run() {
    let t = rings!(Host);
    if !t.has("strace") {
        return;
    }
    let Some((held, parent)) = container(&t, &["-f", "-p", "-n"]) else { return };
    let text = std::fs::read_to_string(format!("/proc/{}/cgroup", held.inner())).unwrap();
    let keys = text.lines().map(|line| line.split(':').nth(1).unwrap());
    let second = keys.filter(|key| !key.starts_with("name=")).nth(1).unwrap();
    let hierarchy = hierarchies().into_iter().find(|hierarchy| hierarchy.key == second).unwrap();
    let file = named(&hierarchy.point.join(&parent.name).join("cgroup.procs"), &hierarchy);
    let [alone, _, child] = ways(held.inner());
    for way in [alone, child] {
        let inject = ["-e", "trace=write", "-e", "inject=write:error=ENOSPC:when=2"];
        let (run, _) = traced(&t, &inject, &way, &["echo", "ran"]);
        let hint = run.fails(125, &format!("rnsenter: write 0 to {file}: No space left on device"));
        assert!(hint.contains("cpuset"), "{hint}");
    }
}

#[test]
fn a_child_that_is_born_in_a_group_can_signal_itself() {
    let t = rings!(Host, Uml, Qemu);
    let v2 = v2();
    if !t.belongs(v2.is_some(), "version 2") {
        return;
    }
    let parent = Parent::below(vec![v2.unwrap().point]);
    let dir = File::open(&parent.dirs[0]).unwrap();
    let ends: [(Signal, fn()); 2] = [
        (Signal::SIGTERM, || {
            let _ = raise(Signal::SIGTERM);
        }),
        (Signal::SIGABRT, || std::process::abort()),
    ];
    for (signal, end) in ends {
        match common::sys::fork_into(Some(dir.as_fd())).unwrap() {
            (ForkResult::Child, _) => {
                end();
                common::sys::die_by(libc::SIGKILL);
            }
            (ForkResult::Parent { child }, born) => {
                assert_eq!(born, cfg!(target_env = "gnu"));
                let ended = waitpid(child, None).unwrap();
                assert!(matches!(ended, WaitStatus::Signaled(_, by, _) if by == signal), "{ended:?}");
            }
        }
    }
    // What is no group has ordinary children.
    let other = File::open("/").unwrap();
    match common::sys::fork_into(Some(other.as_fd())).unwrap() {
        (ForkResult::Child, _) => common::sys::die_by(libc::SIGKILL),
        (ForkResult::Parent { child }, born) => {
            assert!(!born);
            waitpid(child, None).unwrap();
        }
    }
}

/// A group that stands still, until this is dropped: what version 1 has frozen cannot be ended.
struct Frozen(PathBuf, &'static str);

impl Frozen {
    fn new(dir: &Path, v2: bool) -> Frozen {
        let (file, on, off) = match v2 {
            true => ("cgroup.freeze", "1", "0"),
            false => ("freezer.state", "FROZEN", "THAWED"),
        };
        let frozen = Frozen(dir.join(file), off);
        std::fs::write(&frozen.0, on).unwrap();
        let told = if v2 { dir.join("cgroup.events") } else { frozen.0.clone() };
        let is_told = |line: &str| line == "frozen 1" || line == "FROZEN";
        assert!(within(SOON, || std::fs::read_to_string(&told).unwrap().lines().any(is_told)), "{told:?}");
        frozen
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        std::fs::write(&self.0, self.1).unwrap();
    }
}

#[test]
fn a_frozen_group_is_refused_and_nothing_stands_still() {
    let t = rings!(Host, Uml, Qemu);
    let both: Vec<Hierarchy> = find("freezer").into_iter().chain(v2()).collect();
    if !t.needs(!both.is_empty(), "a freezer") {
        return;
    }
    for hierarchy in both {
        let parent = Parent::below(vec![hierarchy.point.clone()]);
        let dir = &parent.dirs[0];
        let group = dir.join("a/b");
        std::fs::create_dir_all(&group).unwrap();
        let held = t.hold("unshare", &["-f", "-p", "-n"]);
        place(held.inner(), &[&group]);
        let line = format!("rnsenter: {} is frozen", named(&group, &hierarchy));
        for way in ways(held.inner()) {
            let run = || t.tool("rnsenter").args(&way).args(GROUPS).run();
            let frozen = Frozen::new(&group, hierarchy.v2);
            let hint = run().fails(125, &line);
            assert!(hint.contains(if hierarchy.v2 { "0 to its cgroup.freeze" } else { "THAWED" }), "{hint}");
            drop(frozen);
            let frozen = Frozen::new(dir, hierarchy.v2);
            run().fails(125, &format!("{line} by {}", dir.display()));
            t.tool("rnsenter").args([&way[0], "-n", "true"]).run().ok();
            drop(frozen);
            assert_eq!(lines(run().ok().as_bytes()), groups_of(held.inner()), "thawed again");
        }
        drop(held);
        [&group, &dir.join("a")].into_iter().for_each(|dir| remove(dir));
    }
}

#[test]
fn of_a_process_that_has_ended_no_group_is_joined() {
    let t = rings!(Host, Uml, Qemu);
    let Some(parent) = Parent::everywhere(&t) else { return };
    let mut child = Command::new("sleep").arg("1000").stdin(Stdio::null()).spawn().unwrap();
    let pid = child.id() as i32;
    place(pid, &parent.dirs);
    signal(pid, Signal::SIGKILL);
    // Nobody has waited for it: it is still there, and version 1 has it in its roots, version 2 where it was.
    let stat = || std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    assert!(within(SOON, || stat().contains(") Z ")));
    let proc = Proc::system().unwrap();
    let refused = Membership::of(&proc, &proc.task(pid).unwrap()).unwrap_err();
    assert_eq!(refused.to_string(), format!("open groups of {pid}: No such process"));
    assert!(refused.hint().unwrap().contains("PID/TID"));
    child.wait().unwrap();

    // A first thread that has ended before others.
    if !t.needs(Path::new("/usr/bin/python3").exists(), "/usr/bin/python3") {
        return;
    }
    let script = "import ctypes, threading, time\n\
        def stay():\n while b') Z ' not in open('/proc/self/stat', 'rb').read(): time.sleep(.01)\n \
         print(threading.get_native_id(), flush=True)\n time.sleep(1000)\n\
        threading.Thread(target=stay).start()\n\
        ctypes.CDLL(None).pthread_exit(None)";
    let mut held = t.path("/usr/bin/python3".as_ref()).args(["-I", "-S", "-c", script]).start();
    place(held.pid(), &parent.dirs);
    let thread = held.next_line().unwrap();
    let run = |target: String| t.tool("rnsenter").args([&target, "-c"]).args(GROUPS).run();
    let hint = run(format!("-t{}", held.pid()))
        .fails(125, &format!("rnsenter: open groups of {}: No such process", held.pid()));
    assert!(hint.contains("PID/TID"), "{hint}");
    let joined = run(format!("-t{}/{thread}", held.pid())).ok();
    let end = format!("/{}", parent.name);
    assert!(lines(joined.as_bytes()).iter().all(|line| line.ends_with(end.as_bytes())), "{joined}");
}

#[test]
fn groups_that_we_are_in_are_not_touched() {
    let t = rings!(Host, User, Uml, Qemu);
    let held = t.program("sleep").arg("1000").start();
    let options = [format!("-t{}", held.pid()), "-c".into()];
    let own = std::fs::read_to_string("/proc/self/cgroup").unwrap();
    assert_eq!(t.tool("rnsenter").args(&options).args(GROUPS).run().ok(), own);
    let proc = Proc::system().unwrap();
    let groups = Membership::of(&proc, &proc.task(held.pid()).unwrap()).unwrap();
    assert!(groups.is_empty() && groups.birthplace().is_none() && groups.describe().is_empty());
    if t.has("strace") {
        let (run, log) = traced(&t, &["-e", "trace=openat,write,clone,clone3"], &options, &["true"]);
        run.ok();
        assert!(!log.contains("cgroup.procs") && !log.contains("clone"), "{log}");
    }
}

#[test]
fn what_would_be_joined_is_told_without_joining() {
    let t = rings!(Host, Uml, Qemu);
    let Some((held, parent)) = container(&t, &["-f", "-p", "-n"]) else { return };
    let proc = Proc::system().unwrap();
    let task = proc.task(held.inner()).unwrap();
    let groups = Membership::of(&proc, &task).unwrap();
    let told: BTreeSet<Vec<u8>> = groups.describe().into_iter().collect();
    let of_controllers = hierarchies().into_iter().filter(|hierarchy| !hierarchy.key.starts_with("name="));
    let expected = of_controllers.map(|one| named(&one.point.join(&parent.name), &one).into_bytes());
    assert_eq!(told, expected.collect());
    let prospects = Membership::prospects(&proc, &task).unwrap();
    assert!(prospects.iter().all(|(name, may)| told.contains(name) && may.is_ok()));
    assert_eq!(prospects.len(), told.len());
    assert_ne!(groups_of("self"), groups_of(held.inner()));
    // Each for itself, where some cannot be joined.
    if let Some(v2) = v2() {
        let _frozen = Frozen::new(&v2.point.join(&parent.name), true);
        let prospects = Membership::prospects(&proc, &task).unwrap();
        let refused: Vec<_> = prospects.into_iter().filter(|(_, may)| may.is_err()).collect();
        assert_eq!((refused.len(), &refused[0].0), (1, &format!("/{}", parent.name).into_bytes()));
    }
}

#[test]
fn an_ordinary_user_is_told_what_is_missing_and_joins_what_was_delegated() {
    let t = rings!(Host, Uml, Qemu);
    let Some(parent) = Parent::only(&t, &["pids"]) else { return };
    let pids = find("pids").unwrap();
    let dir = parent.dir("pids");
    let [a, b] = ["a", "b"].map(|name| {
        parent.sub(name);
        dir.join(name)
    });
    let held = t.program("sleep").as_user().arg("1000").start();
    place(held.pid(), &[&b]);
    let target = format!("-t{}", held.pid());
    let run = || t.tool("rnsenter").as_user().args([&target, "-c"]).args(GROUPS).run();
    let file = named(&b.join("cgroup.procs"), &pids);
    let hint = run().fails(125, &format!("rnsenter: open {file}: Permission denied"));
    assert!(hint.contains("user id 0") && hint.contains("delegated"), "{hint}");
    let delegate = |dir: &Path| {
        let files = ["", "cgroup.procs", "tasks", "cgroup.threads"].map(|file| dir.join(file));
        files.iter().filter(|file| file.exists()).for_each(|file| {
            chown(file, Some(NOBODY), Some(NOBODY)).unwrap();
        });
    };
    delegate(&b);
    if pids.v2 {
        let hint = run().fails(125, &format!("rnsenter: write 0 to {file}: Permission denied"));
        assert!(hint.contains("the group above it and ours too, /"), "{hint}");
    } else {
        assert_eq!(lines(run().ok().as_bytes()), groups_of(held.pid()));
    }
    // Who is below what was delegated goes from one group there to another.
    [&dir, &a].into_iter().for_each(|dir| delegate(dir));
    let copy = open_directory();
    copy_program(Path::new(tool_path("rnsenter")), &copy.path().join("rnsenter"));
    let script = format!(
        "echo $$ >{}/cgroup.procs && exec setpriv --reuid {NOBODY} --regid {NOBODY} --clear-groups \"$@\"",
        a.display()
    );
    let run = t.program("sh").args(["-c", &script, "sh"]).arg(copy.path().join("rnsenter"));
    let text = run.args([&target, "-c"]).args(GROUPS).run().ok();
    assert_eq!(lines(text.as_bytes()), groups_of(held.pid()));
    drop(held);
    [a, b].iter().for_each(|dir| remove(dir));
}

#[test]
fn a_container_in_its_own_groups_is_entered_as_a_whole() {
    let t = rings!(Host, Uml, Qemu);
    let Some(parent) = Parent::everywhere(&t) else { return };
    let run = t.tool("rcgexec").args(["-g", &format!("*:{}", parent.name)]).arg(tool_path("runshare"));
    let options = ["-r", "-p", "-f", "-C", "-m", "-n", "-u", "-i", "--mount-proc"];
    let held = run.args(options).args(super::SLEEP).hold();
    let target = format!("-t{}", held.inner());
    // They are inside of its cgroup namespace, of which its groups are the roots.
    for options in
        [&["-a", "-c"][..], &["-U", "-C", "-c"], &["-U", "-C", "-p", "-c", "--preserve-credentials"]]
    {
        let text = t.tool("rnsenter").arg(&target).args(options).args(GROUPS).run().ok();
        assert!(lines(text.as_bytes()).iter().all(|line| line.ends_with(b":/")), "{options:?}: {text}");
    }
    let entered = t.hold("rnsenter", &[&target, "-a", "-c"]);
    assert_eq!(groups_of(entered.inner()), groups_of(held.inner()));
    if let Some(original) = original(&t) {
        assert_eq!(t.path(&original).args([&target, "-a", "-c"]).args(GROUPS).run().ok(), "0::/\n");
    }
    drop((entered, held));
}

#[test]
fn a_threaded_group_is_joined() {
    let t = rings!(Host, Uml, Qemu);
    let v2 = v2();
    if !t.belongs(v2.is_some(), "version 2") {
        return;
    }
    let parent = Parent::below(vec![v2.unwrap().point]);
    let group = parent.dirs[0].join("threads");
    std::fs::create_dir(&group).unwrap();
    std::fs::write(group.join("cgroup.type"), "threaded").unwrap();
    let held = t.hold("unshare", &["-f", "-p", "-n"]);
    place(held.inner(), &[&group]);
    for way in ways(held.inner()) {
        let text = t.tool("rnsenter").args(&way).args(GROUPS).run().ok();
        assert!(text.ends_with(&format!("0::/{}/threads\n", parent.name)), "{way:?}: {text}");
    }
    drop(held);
    remove(&group);
}

#[test]
fn what_cannot_be_reached_is_named() {
    let t = rings!(Host, Uml, Qemu);
    let Some(parent) = Parent::only(&t, &["pids"]) else { return };
    let pids = find("pids").unwrap();
    let dir = parent.dir("pids");
    let held = t.program("sleep").arg("1000").start();
    place(held.pid(), &[&dir]);
    let group = |path: &str| format!("rnsenter: group {} of {}", named(path.as_ref(), &pids), held.pid());
    let run = |script: &str| {
        let run = t.program("sh").args(["-c", script, "sh"]).arg(tool_path("rnsenter"));
        run.args([&format!("-t{}", held.pid()), "-c", "true"]).run()
    };
    let mounted = |change: &str| run(&format!("exec unshare -m sh -c '{change} && exec \"$@\"' sh \"$@\""));
    let point = pids.point.display();
    let hint = mounted(&format!("mount -o remount,bind,ro {point} {point}")).fails(
        125,
        &format!("rnsenter: open {}: Read-only file system", named(&dir.join("cgroup.procs"), &pids)),
    );
    assert_eq!(hint, "this cgroup mount is read-only, as in most containers");
    let line = group(&format!("/{}", parent.name))
        + " cannot be reached: its hierarchy is mounted nowhere that we can reach";
    assert_ne!(mounted(&format!("mount -t tmpfs none {point}")).fails(125, &line), "");
    // From a cgroup namespace whose root is below it.
    std::fs::create_dir(dir.join("inside")).unwrap();
    let script = format!("echo $$ >{}/inside/cgroup.procs && exec unshare -C \"$@\"", dir.display());
    assert_ne!(run(&script).fails(125, &(group("/..") + " lies outside of our cgroup namespace")), "");
    drop(held);
    remove(&dir.join("inside"));
}

#[test]
fn groups_are_those_of_a_process() {
    let t = rings!(Host, User);
    let run = |options: &[&str]| t.tool("rnsenter").args(options).args(["-c", "true"]).run();
    assert_eq!(run(&[]).fails(125, "rnsenter: --join-cgroup needs a target process"), "name it with -t PID");
    let own = inode("self", "net");
    let line = format!("rnsenter: net namespace net:[{own}] is one namespace: it has no control groups");
    assert_ne!(run(&["-t", &format!("net:[{own}]")]).fails(125, &line), "");
}

#[test]
fn a_group_that_is_removed_meanwhile_is_named() {
    let t = rings!(Host, Uml, Qemu);
    let Some(parent) = Parent::only(&t, &["pids"]) else { return };
    let pids = find("pids").unwrap();
    parent.sub("x");
    let dir = parent.dir("pids").join("x");
    let held = t.program("sleep").arg("1000").start();
    place(held.pid(), &[&dir]);
    let proc = Proc::system().unwrap();
    let groups = Membership::of(&proc, &proc.task(held.pid()).unwrap()).unwrap();
    drop(held);
    remove(&dir);
    let refused = groups.join().unwrap_err();
    let file = named(&dir.join("cgroup.procs"), &pids);
    assert_eq!(refused.to_string(), format!("write 0 to {file}: No such device"));
    assert_eq!(refused.hint(), Some("the group was removed"));
    // Nor is a child born there.
    if let Some(group) = groups.birthplace() {
        match common::sys::fork_into(Some(group)).unwrap() {
            (ForkResult::Child, _) => common::sys::die_by(libc::SIGKILL),
            (ForkResult::Parent { child }, born) => {
                assert!(!born);
                waitpid(child, None).unwrap();
            }
        }
    }
}

#[test]
fn of_a_target_that_is_moved_meanwhile_the_group_is_one_of_its_own() {
    let t = rings!(Host);
    let Some(parent) = Parent::only(&t, &["pids"]) else { return };
    let dirs = ["a", "b"].map(|name| {
        parent.sub(name);
        parent.dir("pids").join(name)
    });
    let held = t.program("sleep").arg("1000").start();
    place(held.pid(), &dirs[..1]);
    let (pid, moved, stop) = (held.pid(), dirs.clone(), std::sync::Arc::new(AtomicBool::new(false)));
    let stopped = stop.clone();
    let mover = std::thread::spawn(move || {
        while !stopped.load(Relaxed) {
            moved.iter().rev().for_each(|dir| place(pid, &[dir]));
        }
    });
    for _ in 0..100 {
        let run = t.tool("rnsenter").args([&format!("-t{pid}"), "-c"]).args(GROUPS).run();
        if run.code == Some(0) {
            let of = |name: &str| run.text().contains(&format!("/{}/{name}\n", parent.name));
            assert!(of("a") || of("b"), "{}", run.text());
        } else {
            run.fails(125, &format!("rnsenter: process {pid} moves from group to group"));
        }
    }
    stop.store(true, Relaxed);
    mover.join().unwrap();
    drop(held);
    dirs.iter().for_each(|dir| remove(dir));
}
