//! A program with limits: where its groups are, what stands in them, and what it feels of that.

use super::*;

#[test]
fn limits_stand_in_the_files_of_the_programs_own_group() {
    let t = rings!(Host, Uml, Qemu);
    let Some(parent) = Parent::new(&t, &["cpu", "memory", "pids"]) else { return };
    let all = [cpu("20000", "100000"), memory("33554432"), pids("9")].concat();
    #[rustfmt::skip]
    let cases: Vec<(&str, Vec<Fact>)> = vec![
        ("--cpu-quota 20000", cpu("20000", "100000")),
        ("--cpu-quota 1000 --cpu-period 1000", cpu("1000", "1000")),
        ("--cpu-period 1000000", cpu("max", "1000000")),
        ("--cpu-quota 400000 --cpu-period 50000", cpu("400000", "50000")),
        ("--cpu-quota max", cpu("max", "100000")),
        ("--cpu-quota=-1 --cpu-period 20000", cpu("max", "20000")),
        ("--cpus 0.5", cpu("50000", "100000")),
        ("--cpus 3", cpu("300000", "100000")),
        ("-m 64M", memory("67108864")),
        // Whole pages are kept.
        ("--memory 5000000", memory("4997120")),
        ("-m1g", memory("1073741824")),
        ("--memory=512kiB", memory("524288")),
        ("-m max", memory("max")),
        ("-m -1", memory("max")),
        ("--pids-limit 7", pids("7")),
        ("--pids-limit 4194304", pids("4194304")),
        ("--pids-limit max", pids("max")),
        ("--pids-limit 9 --memory 32M --cpu-quota 20000", all.clone()),
        ("--cpus .2 -m32M --pids-limit=9", all),
    ];
    for (options, facts) in cases {
        let run = limited(&t, &parent).args(options.split(' ')).args(["sh", "-c", &look(&facts)]).run();
        assert_held(&run.ok(), &facts, &parent);
        parent.assert_bare();
    }
    // A program with so little would take its time.
    let text = limited(&t, &parent).args(["--cpus", "0.001", "--dry-run", "true"]).run().ok();
    for (_, file, value) in cpu("1000", "1000000") {
        let (told, place) = (format!("write {value} to "), format!("/{file}"));
        assert!(text.lines().any(|line| line.starts_with(&told) && line.ends_with(&place)), "{text}");
    }
}

#[test]
fn only_the_hierarchies_of_the_limits_are_touched() {
    let t = rings!(Host, Uml, Qemu);
    let Some(parent) = Parent::new(&t, &["pids"]) else { return };
    let without = std::fs::read_to_string("/proc/self/cgroup").unwrap();
    let with = limited(&t, &parent).args(["--pids-limit", "5", "cat", "/proc/self/cgroup"]).run().ok();
    let changed = without.lines().zip(with.lines()).filter(|(without, with)| without != with);
    assert_eq!(changed.count(), parent.dirs.len(), "{with}");
    assert!(group_in(&with, "pids").starts_with(&format!("/{}/rcgexec-", parent.name)), "{with}");
}

#[test]
fn with_a_limit_a_group_that_is_named_is_the_parent_for_its_controllers() {
    let t = rings!(Host, Uml, Qemu);
    let Some(parent) = Parent::new(&t, &["cpu", "pids"]) else { return };
    let a = parent.sub("a");
    let tools = |groups: &str, limits: &str| {
        let run = t.tool("rcgexec").args(["--parent", &parent.name, "-g", groups]);
        run.args(limits.split(' ')).args(["cat", "/proc/self/cgroup"]).run()
    };
    let below = |text: &str, controller: &str| {
        let group = group_in(text, controller);
        Path::new(&group).parent().unwrap().to_str().unwrap().trim_start_matches('/').to_string()
    };
    // Both, one of them with no limit of its own.
    let text = tools(&format!("cpu,pids:{a}"), "--cpu-quota 20000").ok();
    assert_eq!((below(&text, "cpu"), below(&text, "pids")), (a.clone(), a.clone()));
    let both = tools(&format!("cpu:{a}"), "--cpu-quota 20000 --pids-limit 9");
    if hierarchy("cpu").v2 {
        let (line, hint) = refused(&both);
        let dir = parent.dir("cpu").join("a");
        let what = "controller pids is in one hierarchy with another that is to be below";
        assert_eq!((line, hint), (format!("{what} {}", dir.display()), "name one group for both".into()));
    } else {
        let text = both.ok();
        assert_eq!((below(&text, "cpu"), below(&text, "pids")), (a, parent.name.clone()));
    }
    parent.remove_sub("a");
}

#[test]
fn co_mounted_controllers_and_all_of_version_2_get_one_group() {
    let t = rings!(Host, Uml, Qemu);
    let Some(parent) = Parent::new(&t, &["cpu", "memory", "pids"]) else { return };
    let run = limited(&t, &parent).args(["--cpus", "1", "-m", "64M", "--pids-limit", "9", "--dry-run"]);
    let text = run.args(["true"]).run().ok();
    assert_eq!(text.lines().filter(|line| line.starts_with("mkdir ")).count(), parent.dirs.len(), "{text}");
}

#[test]
fn without_a_parent_the_group_is_below_our_own_one() {
    let t = rings!(Host, Uml, Qemu);
    let Some(parent) = Parent::new(&t, &["cpu", "pids"]) else { return };
    let own = std::fs::read_to_string("/proc/self/cgroup").unwrap();
    let all = [cpu("20000", "100000"), pids("9")].concat();
    let options = ["--cpu-quota", "20000", "--pids-limit", "9"];
    // Where it is a root, and never in one that others made.
    if ["cpu", "pids"].iter().all(|controller| group_in(&own, controller) == "/") {
        let mut held =
            t.tool("rcgexec").args(options).args(["sh", "-c", "cat /proc/self/cgroup; read -r line"]).start();
        let name = format!("rcgexec-{}", held.pid());
        let dirs = ["cpu", "pids"].map(|controller| hierarchy(controller).point.join(&name));
        for _ in own.lines() {
            let line = held.next_line().unwrap();
            let mut fields = line.splitn(3, ':').skip(1);
            let (key, path) = (fields.next().unwrap(), fields.next().unwrap());
            let ours =
                key.is_empty() || ["cpu", "pids"].iter().any(|controller| hierarchy(controller).key == key);
            assert_eq!(path == format!("/{name}"), ours, "{line}");
        }
        assert!(dirs.iter().all(|dir| dir.is_dir()));
        drop(held.child.stdin.take());
        // Its own status: there was no line to read.
        assert_eq!(code(held.wait()), Some(1));
        assert!(!dirs.iter().any(|dir| dir.exists()));
    }
    // In a group that is none: the limits of that one hold for the program as well.
    let outer = t.tool("rcgexec").args([format!("-gcpu,pids:{}", parent.name), rcgexec().to_string()]);
    let run = outer.args(options).args(["sh", "-c", &look(&all)]).run();
    // On version 2 what is in it is moved out of the way meanwhile, unless systemd is asked.
    if Path::new("/run/systemd/system").exists() {
        return;
    }
    assert_held(&run.ok(), &all, &parent);
    parent.assert_bare();
}

#[test]
fn a_busy_loop_is_held_at_a_fifth_of_one_cpu() {
    let t = rings!(Host, Uml, Qemu);
    let Some(parent) = Parent::new(&t, &["cpu"]) else { return };
    let run = limited(&t, &parent).args(["--cpu-quota", "20000"]);
    let held = run.args(["sh", "-c", "echo ready; while :; do :; done"]).hold();
    // A busy machine shall not give less than the quota: this is about the limit, not about a fair share.
    let (file, most) = if hierarchy("cpu").v2 { ("cpu.weight", "10000") } else { ("cpu.shares", "262144") };
    std::fs::write(parent.dir("cpu").join(file), most).unwrap();
    assert_has_a_fifth_of_one_cpu(held.inner());
    kill(Pid::from_raw(held.pid()), Signal::SIGTERM).unwrap();
    let mut held = held;
    assert_eq!(code(held.wait()), Some(143));
}

#[test]
fn a_program_that_takes_more_memory_is_killed() {
    let t = rings!(Host, Uml, Qemu);
    let Some(parent) = Parent::new(&t, &["memory"]) else { return };
    let take = |size: &str| {
        let run = limited(&t, &parent).args(["-m", "16M", "dd", "if=/dev/zero", "of=/dev/null", "count=1"]);
        run.args([&format!("bs={size}"), "status=none"]).run()
    };
    let output = take("64M");
    let why = "rcgexec: the kernel killed 1 process because the memory limit of 16 MiB was reached\n";
    assert_eq!((output.code, output.errors().as_str()), (Some(137), why));
    take("1M").ok();
}

#[test]
fn processes_are_limited_in_number_and_threads_with_them() {
    let t = rings!(Host, Uml, Qemu);
    let Some(parent) = Parent::new(&t, &["pids"]) else { return };
    let fork = |limit: &str| {
        let run = limited(&t, &parent).args(["--pids-limit", limit, "sh", "-c", "(exit 0); echo forked"]);
        run.run()
    };
    let one = fork("1");
    assert_eq!((one.code == Some(0), one.text().as_str()), (false, ""), "{one:?}");
    assert!(one.errors().contains("fork"), "{one:?}");
    assert_eq!(fork("2").ok(), "forked\n");
}

#[test]
fn the_supervisor_takes_no_time_and_little_memory_while_it_waits() {
    let t = rings!(Host, Uml, Qemu);
    let Some(parent) = Parent::new(&t, &["cpu", "memory", "pids"]) else { return };
    let options =
        ["--cpus", "1", "-m", "64M", "--pids-limit", "9", "sh", "-c", "echo ready; exec sleep 1000"];
    let mut held = limited(&t, &parent).args(options).hold();
    let pid = held.pid();
    crate::harness::soon(|| crate::harness::sleeps(held.inner()));
    // In nanoseconds, where times of whole ticks would not tell.
    let spent = || {
        let text = std::fs::read_to_string(format!("/proc/{pid}/schedstat")).unwrap_or_default();
        let run = text.split(' ').next().and_then(|run| run.parse::<u64>().ok()).unwrap_or_default();
        (run, cpu_time(pid))
    };
    // It has to come to rest first.
    crate::harness::soon(|| crate::harness::state(pid) == Some('S'));
    let before = spent();
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!(spent(), before);
    let file = |name: &str| std::fs::read_to_string(format!("/proc/{pid}/{name}")).unwrap_or_default();
    let kib = |text: String, field: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(field).map(str::to_string));
        line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok())
    };
    let resident = kib(file("status"), "VmRSS:").unwrap();
    println!("resident: {resident} KiB, its own share: {:?} KiB", kib(file("smaps_rollup"), "Pss:"));
    // All that is resident, what it shares with others included. Without optimisation the program is larger.
    assert!(resident < if cfg!(debug_assertions) { 8192 } else { 4096 }, "{resident} KiB");
    kill(Pid::from_raw(pid), Signal::SIGTERM).unwrap();
    assert_eq!(code(held.wait()), Some(143));
}

// Saying what would be done.

#[test]
fn a_dry_run_says_every_step_and_takes_none() {
    let t = rings!(Host, Uml, Qemu);
    let Some(parent) = Parent::new(&t, &["cpu", "memory", "pids"]) else { return };
    let facts = [cpu("20000", "50000"), memory("33554432"), pids("9")].concat();
    let options = "--cpu-quota 20000 --cpu-period 50000 -m 32M --pids-limit 9";
    let handed_on = || {
        let files = parent
            .dirs
            .iter()
            .flat_map(|dir| [dir.join("cgroup.subtree_control"), dir.join("../cgroup.subtree_control")]);
        files.filter_map(|file| std::fs::read_to_string(file).ok()).collect::<Vec<_>>()
    };
    let before = handed_on();
    let run = limited(&t, &parent).args(options.split(' ')).args(["--dry-run", "/nonexistent/program"]);
    let text = run.run().ok();
    parent.assert_bare();
    assert!(
        handed_on()
            .iter()
            .zip(&before)
            .all(|(now, before)| now.split_whitespace().count() >= before.split_whitespace().count())
    );
    // The groups, and what is written into each, in the order of the limits.
    let (enable, steps): (Vec<&str>, Vec<&str>) =
        text.lines().partition(|line| line.contains("subtree_control"));
    assert!(enable.is_empty() || facts.iter().any(|fact| hierarchy(fact.0).v2), "{text}");
    let name = steps[0].rsplit_once('/').unwrap().1;
    let mut expected: Vec<String> = Vec::new();
    let mut dirs: Vec<PathBuf> = Vec::new();
    for (controller, ..) in &facts {
        let dir = parent.dir(controller).join(name);
        if dirs.contains(&dir) {
            continue;
        }
        expected.push(format!("mkdir {}", dir.display()));
        for (_, file, value) in facts.iter().filter(|fact| parent.dir(fact.0).join(name) == dir) {
            expected.push(format!("write {value} to {}/{file}", dir.display()));
        }
        expected.push(format!("write 0 to {}/cgroup.procs", dir.display()));
        dirs.push(dir);
    }
    // That of version 2 is there in any case.
    for dir in parent.dirs.iter().map(|dir| dir.join(name)) {
        if !dirs.contains(&dir) {
            expected.push(format!("mkdir {}", dir.display()));
            expected.push(format!("write 0 to {}/cgroup.procs", dir.display()));
            dirs.push(dir);
        }
    }
    expected.extend(dirs.iter().map(|dir| format!("rmdir {}", dir.display())));
    let sorted = |mut lines: Vec<String>| {
        lines.sort();
        lines
    };
    // Which of the files of one limit comes first is the kernel's affair.
    assert_eq!(sorted(steps.iter().map(|step| step.to_string()).collect()), sorted(expected));
    // And so it is done.
    let run = limited(&t, &parent).args(options.split(' ')).args(["sh", "-c", &look(&facts)]).run();
    assert_held(&run.ok(), &facts, &parent);
}

#[test]
fn orphans_that_ended_take_no_place_in_the_limit() {
    let t = rings!(Host, Uml, Qemu);
    let Some(parent) = Parent::new(&t, &["pids"]) else { return };
    // Each leaves one behind; as zombies they would soon fill the limit.
    let script = "i=0; while [ $((i += 1)) -le 40 ]; do (true &); sleep 0.01; done; echo $i";
    let run = limited(&t, &parent).args(["--pids-limit", "10", "sh", "-c", script]).run();
    assert_eq!(run.ok(), "41\n");
}

#[test]
fn four_loops_share_one_cap_and_what_was_held_back_is_counted() {
    let t = rings!(Host, Uml, Qemu);
    let Some(parent) = Parent::new(&t, &["cpu"]) else { return };
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("report");
    // By what the group itself counted: an emulated clock is not that of the machine around it.
    let loops = "for i in 1 2 3 4; do (while :; do :; done) & done; sleep 4";
    let run = limited(&t, &parent).args(["--cpu-quota", "20000", "--json"]);
    let run = run.arg(format!("--summary={}", file.display())).args(["sh", "-c", loops]).patiently().run();
    assert_eq!(run.code, Some(0), "{}", run.errors());
    let report: serde_json::Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    let number = |key: &str| report[key].as_f64().unwrap_or_else(|| panic!("{key}: {report}"));
    let (used, periods, wall) = (number("cpu_seconds"), number("cpu_periods"), number("wall_seconds"));
    assert!(number("cpu_throttled_periods") > 0.5 * periods && periods > 10.0, "{report}");
    // What begins in one period can end in the next.
    assert!(used <= 0.02 * (periods + 2.0), "{report}");
    assert!(used <= 0.22 * wall, "{report}");
    // A machine with other work gives less.
    assert!(used >= 0.1 * wall || Ring::here() == Ring::Qemu, "{report}");
    assert_eq!(report["left_killed"], true);
}

/// Pitfall 16: on version 1 nobody in a new group may have a real-time priority until it gets time for that.
#[test]
fn real_time_is_given_by_a_file_that_is_set_before_the_program_joins() {
    let t = rings!(Host);
    let file = Path::new("/sys/fs/cgroup/cpu/cpu.rt_runtime_us");
    if !t.belongs(file.exists(), "a kernel that shares real time among groups of version 1") || !t.has("chrt")
    {
        return;
    }
    let Some(parent) = Parent::new(&t, &["cpu"]) else { return };
    std::fs::write(parent.dir("cpu").join("cpu.rt_runtime_us"), "20000").unwrap();
    let run = |more: &[&str]| {
        limited(&t, &parent).args(["--cpus", "1"]).args(more).args(["chrt", "-f", "1", "echo", "ran"]).run()
    };
    assert_ne!(run(&[]).code, Some(0));
    assert_eq!(run(&["--set", "cpu.rt_runtime_us=10000"]).ok(), "ran\n");
}

/// Pitfall 22: nothing that was asked for is left out in silence.
#[test]
fn a_limit_that_cannot_be_had_is_an_error_or_is_said() {
    let t = rings!(Host, Uml, Qemu);
    let Some(parent) = Parent::new(&t, &["pids"]) else { return };
    let lacking = ["--pids-limit", "20", "--set", "pids.nothing=1"];
    let (line, _) = refused(&limited(&t, &parent).args(lacking).args(["echo", "ran"]).run());
    assert!(line.contains("pids.nothing"), "{line}");
    parent.assert_bare();
    let run =
        limited(&t, &parent).args(lacking).args(["--best-effort", "sh", "-c", &look(&pids("20"))]).run();
    assert!(
        run.errors().contains("pids.nothing") && run.errors().contains("going on without"),
        "{}",
        run.errors()
    );
    assert_held(&run.text(), &pids("20"), &parent);
    parent.assert_bare();
}

#[test]
fn a_parent_that_is_nowhere_is_an_error_without_limits_too() {
    let t = rings!(Host, Uml, Qemu);
    if !t.needs(find("pids").is_some(), "controller pids") {
        return;
    }
    let (line, _) =
        refused(&t.tool("rcgexec").args(["--parent", "nskit-none", "--timeout", "9", "true"]).run());
    assert!(
        line.starts_with("open group ") && line.ends_with("/nskit-none: No such file or directory"),
        "{line}"
    );
}

#[test]
fn where_a_parent_was_named_nothing_is_made_elsewhere() {
    let t = rings!(Host, Uml, Qemu);
    let Some(parent) = Parent::new(&t, &["pids"]) else { return };
    let run = limited(&t, &parent).args(["--summary", "--dry-run", "true"]).run().ok();
    let made: Vec<&str> = run.lines().filter_map(|line| line.strip_prefix("mkdir ")).collect();
    let is_below = |path: &&str| parent.dirs.iter().any(|dir| path.starts_with(dir.to_str().unwrap()));
    assert!(made.len() == parent.dirs.len() && made.iter().all(is_below), "{run}");
}
