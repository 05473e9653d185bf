//! What the articles about containers build by hand, as one line: a program with limits, in namespaces and a root of its
//! own, with an init, a name and a network; and that nothing of it is left, however it ends.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::json;

use crate::harness::{
    Held, Ring, Run, Test, children, copy_program, find, has_kind, inode, signal, sleeps, tool_path, within,
};

/// The options that make a box.
const BOX: [&str; 7] =
    ["-fpmuinC", "--mount-proc", "--hostname", "box", "--loopback", "--init", "--pivot-root"];

/// What is asked of rcgexec.
const LIMITS: [&str; 5] = ["--cpus", ".5", "-m", "256m", "--"];

/// What the program finds, a line for each thing.
const LOOK: &str = r#"
    echo "name $(hostname)"
    echo "uid $(id -u)"
    echo "first $(cat /proc/1/comm)"
    ps -o pid,comm | while read -r pid name; do echo "process $pid $name"; done
    while read -r line; do set -- $line; echo "mount $5"; done </proc/self/mountinfo
    echo "root" /*
    ip addr | while read -r word rest; do case $word in inet|*:) echo "net $word $rest";; esac; done
    mkdir /made && rmdir /made && echo "written"
"#;

/// A directory with busybox in it, and nothing else.
fn root() -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    std::fs::set_permissions(root.path(), PermissionsExt::from_mode(0o777)).unwrap();
    for dir in ["bin", "proc"] {
        std::fs::create_dir(root.path().join(dir)).unwrap();
    }
    copy_program(&find("busybox").unwrap(), &root.path().join("bin/busybox"));
    for name in ["sh", "hostname", "id", "cat", "ps", "ip", "mkdir", "rmdir", "sleep", "kill"] {
        symlink("busybox", root.path().join("bin").join(name)).unwrap();
    }
    root
}

/// What was found has to be a box, and nothing of the machine that it is on.
#[track_caller]
fn assert_is_a_box(found: &str) {
    let of = |what: &str| -> Vec<&str> {
        found.lines().filter_map(|line| line.strip_prefix(what)?.strip_prefix(' ')).collect()
    };
    assert_eq!((of("name"), of("uid"), of("first")), (vec!["box"], vec!["0"], vec!["runshare"]), "{found}");
    let processes = of("process");
    assert_eq!(processes[..3], ["PID COMMAND", "1 runshare", "2 sh"], "{found}");
    assert!(
        processes[3..].iter().all(|process| process.ends_with(" sh") || process.ends_with(" ps")),
        "{found}"
    );
    let mut mounts = of("mount");
    mounts.sort_unstable();
    assert_eq!(mounts, ["/", "/proc"], "{found}");
    assert_eq!(of("root"), ["/bin /proc"], "{found}");
    let net = of("net");
    assert!(net[0].starts_with("1: lo: <LOOPBACK,UP,LOWER_UP>"), "{found}");
    assert!(net[1].starts_with("inet 127.0.0.1/8 "), "{found}");
    assert_eq!(found.lines().filter(|line| *line == "written").count(), 1, "{found}");
}

/// May limits be set here? Where systemd manages the groups of version 2, it says so instead.
fn limits(t: &Test) -> bool {
    t.belongs(!Path::new("/run/systemd/system").exists(), "a machine without systemd") && {
        let possible = t.tool("rcgexec").args(["--dry-run"]).args(LIMITS).arg("true").run().code == Some(0);
        t.needs(possible, "a group in which root may make groups, and controllers cpu and memory")
    }
}

/// A box that stays, with its launchers from the outermost on, its init and its program.
struct Made {
    held: Held,
    /// PIDs outside.
    chain: Vec<i32>,
    /// The groups that limit it.
    groups: Vec<String>,
}

/// Starts one, and looks at it from outside.
fn made(t: &Test, root: &Path, more: &[&str]) -> Made {
    let run = t.tool("rcgexec").args(LIMITS).arg(tool_path("runshare")).args(more).args(BOX).arg(root);
    let held = run.args(["/bin/sh", "-c", "echo ready; exec sleep 1000"]).hold();
    let mut chain = vec![held.pid()];
    while let [child] = children(chain[chain.len() - 1])[..] {
        chain.push(child);
    }
    assert_eq!(chain.len(), 4, "rcgexec, runshare, its init and the program: {chain:?}");
    let program = chain[3];
    let page = t.tool("nsinfo").arg("-J").arg(program.to_string()).run().ok();
    let world = crate::harness::world(&page);
    for kind in ["user", "cgroup", "ipc", "uts", "net", "pid", "mnt", "time"] {
        let own = !["user", "time"].contains(&kind);
        assert!(!has_kind(kind) || (inode(program, kind) != inode("self", kind)) == own, "{kind}: {page}");
        assert!(!has_kind(kind) || world["namespaces"][kind]["ours"] == !own, "{kind}: {page}");
    }
    assert_eq!(
        (&world["identity"]["pids"], &world["uts"]["host_name"]),
        (&json!([program, 2]), &json!("box")),
        "{page}"
    );
    let (mut set, mut groups) = (Vec::new(), Vec::new());
    for limit in world["cgroup"]["groups"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|group| group["limits"].as_array().unwrap())
    {
        let (file, value) = (limit["file"].as_str().unwrap(), limit["value"].as_str().unwrap());
        if let Some(group) = limit["set_by"].as_str().filter(|group| group.contains("/rcgexec-")) {
            set.push(format!("{file}={value}"));
            groups.push(group.to_string());
        }
    }
    let has = |one: &str, other: &str| set.iter().any(|limit| limit == one || limit == other);
    assert!(has("memory.max=268435456", "memory.limit_in_bytes=268435456"), "{set:?}");
    assert!(has("cpu.max=50000 100000", "cpu.cfs_quota_us=50000"), "{set:?}");
    Made { held, chain, groups }
}

/// Nothing of it is left: no process, group, mount or file.
#[track_caller]
fn assert_gone(made: &Made, root: &Path) {
    let alive = |pid: &i32| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
    };
    assert!(within(Duration::from_secs(20), || !made.chain[1..].iter().any(alive)), "{:?}", made.chain);
    let left = || made.groups.iter().find(|group| Path::new(group).exists());
    assert!(within(Duration::from_secs(20), || left().is_none()), "{:?}", left());
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    assert!(!mounts.contains(root.to_str().unwrap()), "{mounts}");
    let mut names: Vec<_> =
        std::fs::read_dir(root).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["bin", "proc"]);
    assert_eq!(std::fs::read_dir(root.join("proc")).unwrap().count(), 0);
}

#[test]
fn one_line_makes_a_box_as_root() {
    let t = rings!(Host, Uml, Qemu);
    if !t.has("busybox") || !limits(&t) {
        return;
    }
    let root = root();
    let run = t.tool("rcgexec").args(LIMITS).arg(tool_path("runshare")).args(BOX).arg(root.path());
    assert_is_a_box(&run.args(["/bin/sh", "-c", LOOK]).run().ok());
    let status = t.tool("rcgexec").args(LIMITS).arg(tool_path("runshare")).args(BOX).arg(root.path());
    assert_eq!(status.args(["/bin/sh", "-c", "exit 7"]).run().code, Some(7));
}

#[test]
fn a_box_has_its_limits_and_namespaces_and_leaves_nothing_when_it_is_told_to_end() {
    let t = rings!(Host, Uml, Qemu);
    if !t.has("busybox") || !limits(&t) {
        return;
    }
    let root = root();
    // The signal goes down to the program, and how that ended comes up again.
    let mut ended = made(&t, root.path(), &[]);
    signal(ended.held.pid(), Signal::SIGTERM);
    assert_eq!(ended.held.wait().code(), Some(143));
    assert_gone(&ended, root.path());
    // Ended from the middle: what is left in the groups ends too.
    let mut ended = made(&t, root.path(), &[]);
    signal(ended.chain[1], Signal::SIGKILL);
    assert_eq!(ended.held.wait().code(), Some(137));
    assert_gone(&ended, root.path());
    // Without its init a pid namespace is gone.
    let mut ended = made(&t, root.path(), &[]);
    signal(ended.chain[2], Signal::SIGKILL);
    assert_eq!(ended.held.wait().code(), Some(137));
    assert_gone(&ended, root.path());
}

#[test]
fn what_a_box_leaves_whose_launcher_was_killed_the_next_one_takes_away() {
    let t = rings!(Host, Uml, Qemu);
    if !t.has("busybox") || !limits(&t) {
        return;
    }
    let root = root();
    let mut ended = made(&t, root.path(), &["--kill-child"]);
    signal(ended.held.pid(), Signal::SIGKILL);
    ended.held.wait();
    t.tool("rcgexec").args(LIMITS).arg("true").run().ok();
    assert_gone(&ended, root.path());
}

#[test]
fn an_ordinary_user_makes_a_box_without_limits() {
    let t = rings!(Host, User);
    if !t.has("busybox") {
        return;
    }
    let root = root();
    let run = || t.tool("runshare").as_user().arg("-r").args(BOX).arg(root.path());
    assert_is_a_box(&run().args(["/bin/sh", "-c", LOOK]).run().ok());
    // From inside, a signal to its first process reaches the program, as from outside.
    assert_eq!(run().args(["/bin/sh", "-c", "kill -TERM 1; exec sleep 1000"]).run().signal, Some(15));
    let mut held = run().args(["/bin/sh", "-c", "echo ready; exec sleep 1000"]).hold();
    for kind in ["user", "cgroup", "ipc", "uts", "net", "pid", "mnt"] {
        assert!(!has_kind(kind) || inode(held.inner(), kind) != inode("self", kind), "{kind}");
    }
    let chain = [held.pid(), children(held.pid())[0], held.inner()];
    signal(held.pid(), Signal::SIGTERM);
    assert_eq!(held.wait().signal(), Some(15));
    assert_gone(&Made { held, chain: chain.to_vec(), groups: Vec::new() }, root.path());
}

#[test]
fn with_an_overlay_the_root_of_a_box_stays_as_it_is() {
    let t = rings!(Host, User);
    if !t.has("busybox") {
        return;
    }
    let root = root();
    let run = |more: &[&str], script: &str| {
        let user = if Ring::here().is_root() { &[][..] } else { &["-r"] };
        let run = t.tool("runshare").args(user).args(more).args(BOX).arg(root.path());
        run.args(["/bin/sh", "-c", script]).run().ok()
    };
    let script = "echo new >/new; mkdir /etc; echo /*";
    assert_eq!(run(&["--overlay", "--tmpfs", "/tmp"], script), "/bin /etc /new /proc /tmp\n");
    let mut names: Vec<_> =
        std::fs::read_dir(root.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["bin", "proc"]);
}

#[test]
fn an_init_that_held_descriptors_ends_as_its_program_does() {
    let t = rings!(Host, User);
    let user: &[&str] = if Ring::here() == Ring::User { &["-r"] } else { &[] };
    let run = |options: &[&str], end: &str| {
        let run = t.tool("runshare").args(user).args(options).args(["--init", "sh", "-c", end]).run();
        assert_eq!(run.errors(), "");
        (run.code, run.signal)
    };
    assert_eq!(run(&["--info-fd", "1"], "exit 7"), (Some(7), None));
    assert_eq!(run(&["--info-fd", "1"], "kill -TERM $$"), (None, Some(15)));
    if Ring::here().is_root() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("uts");
        std::fs::write(&file, "").unwrap();
        let option = format!("--uts={}", file.display());
        assert_eq!(run(&[&option], "exit 7"), (Some(7), None));
        t.program("umount").arg(&file).run().ok();
    }
}

/// What the articles type, with our names: options of `unshare` are those of `runshare`.
fn typed<'a>(t: &'a Test, words: &str) -> Run<'a> {
    let mut words = words.split(' ');
    let run = t.tool(words.next().unwrap());
    if Ring::here() == Ring::User { run.arg("-r").args(words) } else { run.args(words) }
}

#[test]
fn the_exercise_of_the_articles_with_a_new_network_goes_as_they_tell_it() {
    let t = rings!(Host, User);
    // unshare -fn sleep 60; ps -ef | grep sleep; lsns -t net; nsenter -t PID -n ip a
    let held = typed(&t, "runshare -fn sleep 60").start();
    assert!(within(Duration::from_secs(20), || { sleeps(held.inner()) }));
    let list = t.program("ps").args(["-ef"]).run().ok();
    let shown = |pid: i32, end: &str| {
        let mut lines = list.lines().map(|line| (line, line.split_whitespace().nth(1)));
        lines.any(|(line, word)| word == Some(&pid.to_string()) && line.ends_with(end))
    };
    assert!(shown(held.pid(), " -fn sleep 60") || shown(held.pid(), " -r -fn sleep 60"), "{list}");
    assert!(shown(held.inner(), " sleep 60"), "{list}");
    let ino = inode(held.pid(), "net");
    let list = t.tool("rlsns").args(["-t", "net", "-n", "-r", "-o", "NS,TYPE,NPROCS,PID"]).run().ok();
    assert!(list.lines().any(|line| line == format!("{ino} net 2 {}", held.pid())), "{list}");
    let user = if Ring::here() == Ring::User { &["-U", "--preserve-credentials"][..] } else { &[] };
    let enter = t.tool("rnsenter").arg("-t").arg(held.pid().to_string()).args(user);
    let net = enter.args(["-n", "ip", "a"]).run().ok();
    assert!(net.starts_with("1: lo: <LOOPBACK> mtu 65536 qdisc noop state DOWN"), "{net}");
    assert_eq!(net.lines().filter(|line| !line.starts_with(' ')).count(), 1, "{net}");
}

#[test]
fn a_mount_made_inside_is_seen_only_there_as_the_articles_tell_it() {
    let t = rings!(Host, User);
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path().to_str().unwrap();
    let script = "mount -t tmpfs none \"$1\" && : >\"$1/file\" && grep -c \" $1 \" /proc/self/mounts";
    assert_eq!(typed(&t, "runshare -m").args(["sh", "-c", script, "-", at]).run().ok(), "1\n");
    assert_eq!(std::fs::read_dir(at).unwrap().count(), 0);
}
