//! Groups that exist are joined, beside cgexec where that is installed.

use std::os::unix::net::UnixListener;

use super::*;

/// Is it one of version 1 with more than a name?
fn has_controllers(hierarchy: &Hierarchy) -> bool {
    !hierarchy.v2 && !hierarchy.key.starts_with("name=")
}

/// The processes of a group.
fn procs(dir: &Path) -> String {
    std::fs::read_to_string(dir.join("cgroup.procs")).unwrap()
}

/// The group of a process for a controller.
fn group_of(pid: i32, controller: &str) -> String {
    group_in(&std::fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap(), controller)
}

#[test]
fn a_group_is_joined_for_the_controllers_that_are_named() {
    let t = rings!(Host, Uml, Qemu);
    let Some(parent) = Parent::new(&t, &["cpu", "pids"]) else { return };
    parent.hand_on(&["cpu", "pids"]);
    let [a, b] = ["a", "b"].map(|name| parent.sub(name));
    // Options, and the groups for cpu and pids.
    let own = std::fs::read_to_string("/proc/self/cgroup").unwrap();
    let path = |group: &str| format!("/{group}");
    let v2 = hierarchy("cpu").v2;
    let kept = |joined: &str| if v2 { path(joined) } else { group_in(&own, "pids") };
    #[rustfmt::skip]
    let cases: Vec<(Vec<String>, String, String)> = vec![
        (vec![format!("-gcpu:{a}")], path(&a), kept(&a)),
        (vec![format!("-gcpu:/{a}/")], path(&a), kept(&a)),
        (vec![format!("-gcpu://{}//a", parent.name)], path(&a), kept(&a)),
        (vec![format!("-gcpu,pids:{a}")], path(&a), path(&a)),
        (vec![format!("--group=,cpu,,pids,:{a}")], path(&a), path(&a)),
        (vec![format!("-gcpu:{a}"), format!("-gcpu:{b}")], path(&b), kept(&b)),
        (vec![format!("-gcpu,pids:{a}"), format!("-gpids:{b}")], path(if v2 { &b } else { &a }), path(&b)),
        (vec![format!("-gcpu,pids:{a}"), "-gcpu,pids:/".into()], "/".into(), "/".into()),
    ];
    let before = parent.tree();
    for (options, cpu, pids) in cases {
        let text = t.tool("rcgexec").args(&options).args(["cat", "/proc/self/cgroup"]).run().ok();
        assert_eq!((group_in(&text, "cpu"), group_in(&text, "pids")), (cpu, pids), "{options:?}");
        // Nothing is made, and nothing removed.
        assert_eq!(parent.tree(), before);
    }
    ["a", "b"].iter().for_each(|name| parent.remove_sub(name));
}

#[test]
fn joining_makes_no_process_and_gives_the_group_no_limit() {
    let t = rings!(Host, Uml, Qemu);
    let Some(parent) = Parent::new(&t, &["pids"]) else { return };
    let run = t.tool("rcgexec").args(["-g", &format!("pids:{}", parent.name)]);
    let held = run.args(["sh", "-c", "echo $$; exec sleep 1000"]).hold();
    assert_eq!(held.line, held.pid().to_string());
    let procs = || std::fs::read_to_string(parent.dir("pids").join("cgroup.procs")).unwrap();
    assert_eq!(procs(), format!("{}\n", held.pid()));
    if !hierarchy("pids").v2 {
        assert_eq!(std::fs::read_to_string(parent.dir("pids").join("pids.max")).unwrap(), "max\n");
    }
    drop(held);
    assert!(within(Duration::from_secs(5), || procs().is_empty()));
}

#[test]
fn a_star_joins_in_every_hierarchy_with_controllers_and_no_name_in_that_of_version_2() {
    let t = rings!(Host, Uml, Qemu);
    let Some(parent) = Parent::everywhere(&t) else { return };
    let all = hierarchies();
    let v1 = all.iter().any(|hierarchy| has_controllers(hierarchy) && !hierarchy.v2);
    let run =
        |options: &str| t.tool("rcgexec").args(["-g", options]).args(["cat", "/proc/self/cgroup"]).run();
    let star = format!("*:{}", parent.name);
    let joined =
        |text: &str, key: &str| text.lines().any(|line| line.ends_with(&format!(":{key}:/{}", parent.name)));
    let text = run(&star).ok();
    for hierarchy in &all {
        assert_eq!(joined(&text, &hierarchy.key), has_controllers(hierarchy) || hierarchy.v2, "{text}");
    }
    if all.iter().any(|hierarchy| hierarchy.v2) {
        let text = run(&format!(":{}", parent.name)).ok();
        assert_eq!(text.lines().filter(|line| line.ends_with(&parent.name)).count(), 1, "{text}");
        assert!(text.lines().any(|line| line == format!("0::/{}", parent.name)), "{text}");
    }
    // Beside version 1, nobody means that of version 2, nor those that have only a name.
    for hierarchy in all.iter().filter(|hierarchy| hierarchy.v2 || !has_controllers(hierarchy)) {
        let dir = hierarchy.point.join(&parent.name);
        std::fs::remove_dir(&dir).unwrap();
        let output = run(&star);
        std::fs::create_dir(&dir).unwrap();
        match v1 {
            true => assert!(!joined(&output.ok(), &hierarchy.key)),
            false => assert!(refused(&output).0.ends_with("No such file or directory")),
        }
    }
    // One of version 1 that lacks it is enough to fail, and then none is joined.
    let Some(part) = Parent::new(&t, &["cpu"]) else { return };
    if all.len() > 1 {
        let (line, hint) = refused(&t.tool("rcgexec").args([&format!("-g*:{}", part.name), "true"]).run());
        assert!(line.ends_with("No such file or directory"), "{line}");
        assert!(hint.contains("--create"), "{hint}");
    }
}

#[test]
fn groups_are_joined_as_by_cgexec() {
    let t = rings!(Host);
    if !t.has("cgexec") {
        return;
    }
    let Some(parent) = Parent::new(&t, &["cpu", "pids"]) else { return };
    parent.hand_on(&["cpu", "pids"]);
    let [a, b] = ["a", "b"].map(|name| parent.sub(name));
    let [cpu_a, cpu_b, both, slash] =
        [format!("cpu:{a}"), format!("cpu:{b}"), format!("cpu,pids:{a}"), format!("cpu:/{a}")];
    let empty_pieces = format!(",cpu,,pids,:{a}");
    let cases: [&[&str]; 10] = [
        &["-g", &cpu_a],
        &["-g", &slash],
        &["-g", &both],
        &["-g", &cpu_a, "-g", &cpu_b],
        &["-g", &both, "-g", &cpu_b, "--"],
        &["-g", &cpu_a, "-g", "cpu:/"],
        &["--sticky", "-g", &cpu_a],
        &["--st", "-g", &both],
        &["-s", "-g", &both],
        &["-g", &empty_pieces],
    ];
    for options in cases {
        let ask = |run: Run<'_>| run.args(options).args(["cat", "/proc/self/cgroup"]).run();
        let [ours, theirs] = [ask(t.tool("rcgexec")), ask(t.program("cgexec"))];
        assert_eq!(ours.ok(), theirs.ok(), "{options:?}");
        for (script, status) in [
            ("exit 7", (Some(7), None)),
            ("kill -KILL $$", (None, Some(9))),
            ("cat; exit 0", (Some(0), None)),
        ] {
            for run in [t.tool("rcgexec"), t.program("cgexec")] {
                let output = run.args(options).args(["sh", "-c", script]).stdin("in").run();
                assert_eq!((output.code, output.signal), status, "{script}");
                assert_eq!(output.text(), if script.starts_with("cat") { "in" } else { "" });
            }
        }
    }
    ["a", "b"].iter().for_each(|name| parent.remove_sub(name));
}

#[test]
fn a_dry_run_of_joining_says_what_would_be_written() {
    let t = rings!(Host, Uml, Qemu);
    let Some(parent) = Parent::new(&t, &["cpu", "pids"]) else { return };
    let run = |options: &[&str]| {
        t.tool("rcgexec").args(options).args(["--dry-run", "cat", "/proc/self/cgroup"]).run()
    };
    let mut dirs = ["cpu", "pids"].map(|name| parent.dir(name)).to_vec();
    dirs.dedup();
    let write = |dir: &PathBuf| format!("write 0 to {}/cgroup.procs\n", dir.display());
    let asked = format!("-gcpu,pids:{}", parent.name);
    assert_eq!(run(&[&asked]).ok(), dirs.iter().map(write).collect::<String>());
    // With what would be made, and of a hierarchy that is named twice the last group.
    let text =
        run(&["--create", &format!("-gcpu,pids:{}/a/b", parent.name), &format!("-gpids:{}/c", parent.name)])
            .ok();
    assert_eq!(
        text.lines().filter(|line| line.starts_with("mkdir ")).count(),
        3 * dirs.len() - usize::from(dirs.len() > 1),
        "{text}"
    );
    for controller in ["cpu", "pids"] {
        let dir = parent.dir(controller);
        assert!(text.contains(&format!("mkdir {0}/a\n", dir.display())), "{text}");
        if hierarchy(controller).v2 {
            assert!(
                text.contains(&format!(
                    "write +cpu +pids to {}/cgroup.subtree_control\nmkdir",
                    dir.display()
                )),
                "{text}"
            );
        }
    }
    assert!(text.ends_with(&write(&parent.dir("pids").join("c"))), "{text}");
    assert_eq!(text.matches("write 0 to").count(), dirs.len(), "{text}");
    let pid = std::process::id().to_string();
    let text = t.tool("rcgexec").args([&asked, "--dry-run", "--force", "--pid", &pid]).run().ok();
    assert_eq!(text, dirs.iter().map(write).collect::<String>().replace("write 0", &format!("write {pid}")));
    parent.assert_bare();
}

// What cgexec gets wrong.

/// Pitfall 6: the path is not trusted.
#[test]
fn no_path_leads_out_of_the_hierarchy() {
    let t = rings!(Host, Uml, Qemu);
    let Some(parent) = Parent::new(&t, &["cpu"]) else { return };
    let dir = tempfile::tempdir().unwrap();
    let outside = format!("cpu:../../../..{}", dir.path().display());
    for options in
        [&["-g", &outside][..], &["--create", "-g", &outside], &["--create", "-g", &format!("{outside}/new")]]
    {
        let (line, _) = refused(&t.tool("rcgexec").args(options).arg("true").run());
        assert!(line.starts_with("a group's path may not hold ..: "), "{line}");
    }
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    // Bytes after a second colon belong to the path; cgexec drops them.
    parent.hand_on(&["cpu"]);
    let group = parent.sub("a:b");
    let text = t.tool("rcgexec").args(["-g", &format!("cpu:{group}"), "cat", "/proc/self/cgroup"]).run().ok();
    assert_eq!(group_in(&text, "cpu"), format!("/{group}"));
    parent.remove_sub("a:b");
}

/// Pitfall 14: a status of ours is none of the program's, and each failure says its reason.
#[test]
fn failures_have_statuses_of_their_own() {
    let t = rings!(Host, Uml, Qemu);
    let Some(parent) = Parent::new(&t, &["cpu"]) else { return };
    let group = format!("-gcpu:{}", parent.name);
    for (program, status) in [("/nonexistent/program", 127), ("/", 126)] {
        assert_eq!(t.tool("rcgexec").args([&group, program]).run().code, Some(status));
    }
    for options in [&["-gcpu:nskit-nosuch"][..], &["-gnosuch:/"], &["-g", "bad"], &["--nosuch"], &[]] {
        refused(&t.tool("rcgexec").args(options).arg("true").run());
    }
    for status in [0, 1, 81, 82, 125, 129, 255] {
        let run = t.tool("rcgexec").args([&group, "sh", "-c", &format!("exit {status}")]).run();
        assert_eq!(run.code, Some(status));
    }
    let (line, hint) = refused(&t.tool("rcgexec").arg("true").run());
    assert!(
        line.contains("neither a group nor a limit")
            && hint.contains("-g CONTROLLERS:PATH")
            && hint.contains("cgrules.conf"),
        "{hint}"
    );
}

/// Pitfall 15: controllers of one hierarchy are one group.
#[test]
fn a_hierarchy_that_is_named_twice_is_joined_once() {
    let t = rings!(Host, Uml, Qemu);
    let other = if find("cpuacct").is_some() { "cpuacct" } else { "pids" };
    let Some(parent) = Parent::new(&t, &["cpu", other]) else { return };
    parent.hand_on(&["cpu", other]);
    let [a, b] = ["a", "b"].map(|name| parent.sub(name));
    let run =
        t.tool("rcgexec").args(["--dry-run", &format!("-gcpu,{other},cpu:{a}"), &format!("-g{other}:{b}")]);
    let text = run.arg("true").run().ok();
    let joined: std::collections::BTreeSet<_> = ["cpu", other].map(|name| parent.dir(name)).into();
    assert_eq!(text.lines().count(), joined.len(), "{text}");
    assert!(
        text.ends_with(&format!("write 0 to {}/cgroup.procs\n", parent.dir(other).join("b").display())),
        "{text}"
    );
    ["a", "b"].iter().for_each(|name| parent.remove_sub(name));
}

/// Pitfall 18: nothing is made by a write, and of several groups all are joined or none.
#[test]
fn several_groups_are_joined_all_or_none() {
    let t = rings!(Host, Uml, Qemu);
    let Some(parent) = Parent::new(&t, &["cpu", "pids"]) else { return };
    let mut target = t.hold("env", &[]);
    let pid = target.pid();
    let before = [group_of(pid, "cpu"), group_of(pid, "pids")];
    let run = |more: &str| {
        let options = [&format!("-gcpu:{}", parent.name), more, "--force", "--pid", &pid.to_string()];
        t.tool("rcgexec").args(options).run()
    };
    // Not there; and on version 1 one that takes nobody, which is seen only by the write.
    let (line, _) = refused(&run("-gpids:nskit-nosuch"));
    assert!(line.ends_with("No such file or directory"), "{line}");
    assert_eq!([group_of(pid, "cpu"), group_of(pid, "pids")], before);
    if let Some(empty) =
        find("cpuset").filter(|hierarchy| !hierarchy.v2).and_then(|_| Parent::new(&t, &["cpuset"]))
    {
        let (line, hint) = refused(&run(&format!("-gcpuset:{}", empty.name)));
        assert!(line.ends_with("No space left on device"), "{line}");
        assert!(hint.contains("cpuset.cpus"), "{hint}");
        let output = t
            .tool("rcgexec")
            .args([
                &format!("-gcpu:{}", parent.name),
                &format!("-gcpuset:{}", empty.name),
                "touch",
                "/proc/nothing",
            ])
            .run();
        refused(&output);
    }
    assert_eq!([group_of(pid, "cpu"), group_of(pid, "pids")], before);
    parent.assert_bare();
    target.child.kill().unwrap();
    target.wait();
}

/// Pitfalls 13, 18 and 19: the program is where it belongs before its first instruction, no file is made by opening it,
/// and none of ours reaches the program.
#[test]
fn files_of_groups_are_opened_closed_on_exec_and_never_made() {
    let t = rings!(Host, Uml, Qemu);
    let Some(parent) = Parent::new(&t, &["cpu", "pids"]) else { return };
    let group = format!("-gcpu,pids:{}", parent.name);
    let script = "cat /proc/self/cgroup; for fd in /proc/self/fd/*; do readlink $fd || :; done";
    let text = t.tool("rcgexec").args([&group, "sh", "-c", script]).run().ok();
    assert_eq!(group_in(&text, "cpu"), format!("/{}", parent.name));
    assert!(!text.lines().any(|line| line.starts_with("/sys/")), "{text}");
    if crate::harness::find("strace").is_none() {
        return;
    }
    let run =
        t.program("strace").args(["-e", "trace=open,openat,openat2,execve", rcgexec(), &group, "true"]).run();
    let errors = run.errors();
    let opened: Vec<&str> = errors.lines().skip(1).take_while(|line| !line.contains("execve")).collect();
    assert!(
        opened.iter().filter(|line| line.contains("cgroup.procs")).count() >= parent.dirs.len(),
        "{errors}"
    );
    assert!(opened.iter().all(|line| !line.starts_with("open") || line.contains("O_CLOEXEC")), "{errors}");
    assert!(!opened.iter().any(|line| line.contains("O_CREAT")), "{errors}");
}

// Version 2: groups that hand controllers on.

#[test]
fn an_inner_group_of_version_2_is_not_joined() {
    let t = rings!(Uml, Qemu);
    let Some(parent) = Parent::new(&t, &["cpu", "memory", "pids"]) else { return };
    if !t.belongs(hierarchy("cpu").v2 && hierarchy("memory").v2, "version 2") {
        return;
    }
    let dir = parent.dir("cpu");
    // Threaded controllers would let it.
    for controller in ["cpu", "memory"] {
        std::fs::write(dir.join("cgroup.subtree_control"), format!("+{controller}")).unwrap();
        for spec in
            [format!("-gcpu:{}", parent.name), format!("-g:{}", parent.name), format!("-g*:{}", parent.name)]
        {
            let (line, hint) = refused(&t.tool("rcgexec").args([&spec, "true"]).run());
            assert_eq!(line, format!("{} hands on {controller} to groups below it", dir.display()));
            assert!(hint.contains("join one below it"), "{hint}");
        }
        assert_eq!(std::fs::read_to_string(dir.join("cgroup.type")).unwrap(), "domain\n");
        std::fs::write(dir.join("cgroup.subtree_control"), format!("-{controller}")).unwrap();
    }
    // A controller that the group does not have.
    let a = parent.sub("a");
    let (line, hint) = refused(&t.tool("rcgexec").args([&format!("-gmemory:{a}"), "true"]).run());
    let control = dir.join("cgroup.subtree_control");
    assert_eq!(
        line,
        format!(
            "group {}/a is without controller memory: it is missing in {}",
            dir.display(),
            control.display()
        )
    );
    assert!(hint.contains("--create"), "{hint}");
    t.tool("rcgexec").args(["--create", &format!("-gmemory:{a}"), "true"]).run().ok();
    assert_eq!(std::fs::read_to_string(control).unwrap(), "memory\n");
    parent.remove_sub("a");
}

#[test]
fn a_group_with_processes_is_not_made_to_hand_controllers_on() {
    let t = rings!(Uml, Qemu);
    let Some(parent) = Parent::new(&t, &["cpu", "pids"]) else { return };
    if !t.belongs(hierarchy("cpu").v2, "version 2") {
        return;
    }
    let held = t
        .tool("rcgexec")
        .args([&format!("-g:{}", parent.name), "sh", "-c", "echo ready; exec sleep 1000"])
        .hold();
    let (line, _) =
        refused(&t.tool("rcgexec").args(["--create", &format!("-gcpu:{}/a/b", parent.name), "true"]).run());
    assert!(line.contains("cannot be handed on by") && line.ends_with("it has processes"), "{line}");
    assert_eq!(std::fs::read_to_string(parent.dir("cpu").join("cgroup.subtree_control")).unwrap(), "");
    assert_eq!(std::fs::read_to_string(parent.dir("cpu").join("cgroup.type")).unwrap(), "domain\n");
    assert_eq!(parent.tree(), [""; 0].map(PathBuf::from));
    // Without a controller there is nothing to hand on.
    t.tool("rcgexec").args(["--create", &format!("-g:{}/a", parent.name), "true"]).run().ok();
    drop(held);
    parent.remove_sub("a");
}

// Making groups.

#[test]
fn groups_that_are_made_stay_and_have_what_they_need() {
    let t = rings!(Host, Uml, Qemu);
    let Some(parent) = Parent::new(&t, &["cpu", "pids"]) else { return };
    let path = format!("{}/a/b", parent.name);
    let run = || {
        t.tool("rcgexec")
            .args(["--create", &format!("-gcpu,pids:/{path}/"), "cat", "/proc/self/cgroup"])
            .run()
            .ok()
    };
    // As by mkdir -p: the second time all is there.
    for _ in 0..2 {
        let text = run();
        assert_eq!(
            [group_in(&text, "cpu"), group_in(&text, "pids")],
            [format!("/{path}"), format!("/{path}")]
        );
    }
    for controller in ["cpu", "pids"] {
        let dir = parent.dir(controller).join("a/b");
        let mode = std::os::unix::fs::MetadataExt::mode(&std::fs::metadata(&dir).unwrap());
        // Without the mark of those that are collected.
        assert_eq!(mode & 0o7777, 0o755);
        let file = if controller == "pids" {
            "pids.max"
        } else if hierarchy("cpu").v2 {
            "cpu.max"
        } else {
            "cpu.shares"
        };
        assert!(dir.join(file).exists());
    }
    // A run with limits leaves them alone.
    limited(&t, &parent).args(["--pids-limit", "9", "true"]).run().ok();
    assert!(parent.dir("pids").join("a/b").exists());
    ["a/b", "a"].iter().for_each(|name| parent.remove_sub(name));
}

/// Pitfall 8: an empty cpuset of version 1 takes nobody.
#[test]
fn a_cpuset_that_is_made_has_the_cpus_of_the_one_above() {
    let t = rings!(Host, Qemu);
    let Some(parent) = Parent::new(&t, &["cpuset"]) else { return };
    let dir = parent.dir("cpuset");
    let read = |name: &str| std::fs::read_to_string(dir.join(name)).unwrap();
    let spec = format!("-gcpuset:{}/a/b", parent.name);
    if hierarchy("cpuset").v2 {
        t.tool("rcgexec").args(["--create", &spec, "true"]).run().ok();
        assert_eq!(read("a/b/cpuset.cpus"), "\n");
    } else {
        // It fails after they were made.
        assert_eq!(t.tool("rcgexec").args(["--create", &spec, "/nonexistent"]).run().code, Some(127));
        assert_eq!((read("cpuset.cpus"), read("cpuset.mems")), ("\n".into(), "\n".into()));
        parent.assert_bare();
        t.tool("rcgexec").args(["--create", &spec, "true"]).run().ok();
        for file in ["cpuset.cpus", "cpuset.mems"] {
            let above = std::fs::read_to_string(dir.join("..").join(file)).unwrap();
            assert_eq!(
                [read(file), read(&format!("a/{file}")), read(&format!("a/b/{file}"))],
                [above.clone(), above.clone(), above]
            );
        }
        // One that was given fewer is followed.
        ["a/b", "a"].iter().for_each(|name| parent.remove_sub(name));
        std::fs::write(dir.join("cpuset.cpus"), "0").unwrap();
        t.tool("rcgexec").args(["--create", &spec, "true"]).run().ok();
        assert_eq!(read("a/b/cpuset.cpus"), "0\n");
    }
    ["a/b", "a"].iter().for_each(|name| parent.remove_sub(name));
}

#[test]
fn what_was_made_for_a_run_that_fails_is_removed_again() {
    let t = rings!(Host, Uml, Qemu);
    let Some(parent) = Parent::new(&t, &["cpu", "pids"]) else { return };
    let spec = format!("-gcpu,pids:{}/a/b", parent.name);
    let control =
        || std::fs::read_to_string(parent.dir("cpu").join("cgroup.subtree_control")).unwrap_or_default();
    let run = |options: &[&str]| {
        let output = t.tool("rcgexec").args(["--create", &spec]).args(options).run();
        parent.assert_bare();
        assert!(control().trim().is_empty());
        output
    };
    assert_eq!(run(&["/nonexistent"]).code, Some(127));
    assert_eq!(run(&["/"]).code, Some(126));
    assert_eq!(run(&["-gnosuch:x", "true"]).code, Some(125));
    // Names of files: one is found out when the group above it is there.
    let mut name = if hierarchy("pids").v2 { "x/cpu.stat" } else { "x/notify_on_release" };
    assert!(
        refused(&run(&[&format!("-gpids:{}/{name}", parent.name), "true"])).0.ends_with("Not a directory")
    );
    name = "cgroup.x";
    assert!(
        refused(&run(&[&format!("-gpids:{}/{name}", parent.name), "true"]))
            .0
            .contains("no group can be called")
    );
    // The parent of all kernel threads stays in the root. Source: cgroup_init_kthreadd, Linux 4.11.
    if std::fs::read_to_string("/proc/2/comm").is_ok_and(|name| name == "kthreadd\n") {
        let (line, hint) = refused(&run(&["--pid", "2"]));
        assert!(line.ends_with("Invalid argument"), "{line}");
        assert!(hint.contains("kernel threads"), "{hint}");
    }
}

// Moving what runs.

#[test]
fn running_processes_are_moved_with_all_their_threads() {
    let t = rings!(Host, Uml, Qemu);
    // Who runs the tests is in a unit there.
    if !t.belongs(!Path::new("/run/systemd/system").exists(), "a machine without systemd") {
        return;
    }
    let Some(parent) = Parent::new(&t, &["cpu", "pids"]) else { return };
    let mut targets = [t.hold("env", &[]), t.hold("env", &[])];
    let pids = targets.each_ref().map(|held| held.pid());
    let spec = format!("-gcpu,pids:{}", parent.name);
    let output =
        t.tool("rcgexec").args([&spec, "--pid", &pids[0].to_string(), "--pid", &pids[1].to_string()]).run();
    assert_eq!(output.ok(), "");
    for pid in pids {
        assert_eq!(
            [group_of(pid, "cpu"), group_of(pid, "pids")],
            [format!("/{0}", parent.name), format!("/{0}", parent.name)]
        );
    }
    // One that is not there, and none is moved.
    let home = ["-gcpu,pids:/", "--pid", &pids[0].to_string(), "--pid", "4194304"].map(str::to_string);
    refused(&t.tool("rcgexec").args(home).run());
    assert_eq!(group_of(pids[0], "cpu"), format!("/{0}", parent.name));
    for wrong in [["--pid", &format!("{0}/{0}", pids[0])], ["--pid", "net:[4026531840]"]] {
        refused(&t.tool("rcgexec").arg("-gcpu:/").args(wrong).run());
    }
    for target in &mut targets {
        target.child.kill().unwrap();
        target.wait();
    }
    assert!(within(Duration::from_secs(5), || parent.dirs.iter().all(|dir| procs(dir).is_empty())));
}

#[test]
fn a_process_that_systemd_manages_is_moved_by_force_only() {
    let t = rings!(Uml);
    if !t.belongs(Path::new("/run/systemd/system").exists(), "a machine with systemd") {
        return;
    }
    let Some(parent) = Parent::new(&t, &["pids"]) else { return };
    // We ourselves are in a unit.
    let mut target = t.hold("env", &[]);
    let pid = target.pid().to_string();
    let before = group_of(target.pid(), "pids");
    let spec = format!("-g:{}", parent.name);
    let (line, hint) = refused(&t.tool("rcgexec").args([&spec, "--pid", &pid]).run());
    assert!(line.starts_with(&format!("process {pid} is managed by systemd, in /")), "{line}");
    assert!(hint.contains("`systemctl set-property --runtime nskit.service CPUQuota=...`"), "{hint}");
    assert_eq!(group_of(target.pid(), "pids"), before);
    t.tool("rcgexec").args([&spec, "--force", "--pid", &pid]).run().ok();
    assert_ne!(group_of(target.pid(), "pids"), before);
    target.child.kill().unwrap();
    target.wait();
    assert!(within(Duration::from_secs(5), || parent.dirs.iter().all(|dir| procs(dir).is_empty())));
}

// The daemon of libcgroup.

/// What the daemon was told and what came of it, where it gives this answer.
fn told(t: &Test, answer: &'static [u8], launcher: &str, options: &[&str]) -> (Vec<u8>, Output) {
    let run = tempfile::tempdir().unwrap();
    let listener = UnixListener::bind(run.path().join("cgred.socket")).unwrap();
    let daemon = std::thread::spawn(move || {
        let (mut client, _) = listener.accept().unwrap();
        let mut asked = [0; 8];
        std::io::Read::read_exact(&mut client, &mut asked).unwrap();
        std::io::Write::write_all(&mut client, answer).unwrap();
        asked.to_vec()
    });
    let script = format!("mount --bind {} /run && echo $$ && exec \"$@\"", run.path().display());
    let output = t.program("unshare").args(["-m", "sh", "-c", &script, "-", launcher]).args(options).run();
    (daemon.join().unwrap(), output)
}

#[test]
fn the_daemon_of_libcgroup_is_told_as_by_cgexec() {
    let t = rings!(Host);
    let Some(parent) = Parent::new(&t, &["cpu"]) else { return };
    let group = format!("cpu:{}", parent.name);
    let mut launchers = vec![rcgexec().to_string()];
    launchers.extend(crate::harness::find("cgexec").map(|path| path.to_str().unwrap().to_string()));
    for launcher in &launchers {
        for (options, children) in
            [(&["-g", &group][..], 0), (&["--sticky", "-g", &group], 1), (&["-s", "-g", &group], 1)]
        {
            let (asked, output) = told(&t, b"SUCCESS_STORE_PID", launcher, &[options, &["true"]].concat());
            let pid: i32 = output.ok().trim().parse().unwrap();
            assert_eq!(asked, [pid.to_ne_bytes(), i32::to_ne_bytes(children)].concat(), "{launcher}");
        }
    }
    let (_, output) = told(&t, b"NO\x1b", rcgexec(), &["-g", &group, "true"]);
    assert_eq!(output.code, Some(125));
    assert!(output.errors().contains("it says NO\\x1b"), "{output:?}");
    // Without a daemon all is well, as in every other test.
    t.tool("rcgexec").args(["--sticky", "-g", &group, "true"]).run().ok();
}

// Other users.

#[test]
fn an_ordinary_user_joins_what_was_delegated() {
    let t = rings!(User);
    let Some(cpu) = find("cpu") else { return };
    let (line, hint) = refused(&t.tool("rcgexec").args(["-gcpu:/", "true"]).run());
    let file = cpu.point.join("cgroup.procs");
    assert_eq!(line, format!("open {} (controller cpu): Permission denied", file.display()));
    assert!(hint.contains("write access to cgroup.procs"), "{hint}");
    let (line, _) = refused(&t.tool("rcgexec").args(["--create", "-gcpu:nskit-user", "true"]).run());
    assert!(line.ends_with("Permission denied"), "{line}");
}
