//! Nothing is left of a run, however it ends, and what killed runs left the next ones collect.

use super::*;

#[test]
fn nothing_is_left_however_the_program_ends() {
    let t = rings!(Host, Uml, Qemu);
    let Some(parent) = Parent::new(&t, &["cpu", "pids"]) else { return };
    let code = group_code();
    let away = "</dev/null >/dev/null 2>&1";
    let groups = format!(
        "{code} group pids; mkdir $g/a $g/a/b $g/c; sleep 1000 {away} & echo $! >$g/a/b/cgroup.procs"
    );
    #[rustfmt::skip]
    let cases = [
        ("exit 3".to_string(), 3),
        ("kill -KILL $$".into(), 137),
        ("kill -TERM $$".into(), 143),
        ("exec /".into(), 126),
        (format!("sleep 1000 {away} & exit 4"), 4),
        // It holds our output open.
        ("sleep 1000 & exit 4".into(), 4),
        (format!("setsid sleep 1000 {away} & exit 5"), 5),
        (format!("(setsid sh -c 'sleep 1000 & exit' {away} &); exit 6"), 6),
        (format!("sh -c 'trap \"\" TERM HUP INT; while :; do sleep 1; done' {away} & exit 7"), 7),
        ("sleep 1000 & kill -STOP $!; exit 8".into(), 8),
        (format!("{groups}; exit 9"), 9),
        (format!("{groups}; kill -KILL $$"), 137),
    ];
    for (script, status) in cases {
        let run =
            limited(&t, &parent).args(["--cpu-quota", "50000", "--pids-limit", "20", "sh", "-c", &script]);
        let output = run.run();
        assert_eq!((output.code, output.signal), (Some(status), None), "{script}: {output:?}");
        parent.assert_bare();
        t.assert_nothing_left();
    }
}

#[test]
fn nothing_is_left_where_the_program_cannot_be_started() {
    let t = rings!(Host, Uml, Qemu);
    let Some(parent) = Parent::new(&t, &["cpu", "pids"]) else { return };
    let Some(joined) = Parent::new(&t, &["cpu"]) else { return };
    let cases = [
        ("nonexistent-program", 127, "No such file or directory"),
        ("/nonexistent/program", 127, "No such file or directory"),
        ("/", 126, "Permission denied"),
        ("/etc/passwd", 126, "Permission denied"),
    ];
    for (program, status, reason) in cases {
        let run = limited(&t, &parent).args(["--cpu-quota", "50000", "--pids-limit", "20", program]);
        run.run().fails(status, &format!("rcgexec: exec {program}: {reason}"));
        parent.assert_bare();
        let run = t.tool("rcgexec").args([&format!("-gcpu:{}", joined.name), program]);
        run.run().fails(status, &format!("rcgexec: exec {program}: {reason}"));
    }
}

#[test]
fn nothing_is_left_of_a_fork_bomb() {
    let t = rings!(Host, Uml, Qemu);
    let Some(parent) = Parent::new(&t, &["pids"]) else { return };
    // All but the first fork for ever; a fork that is refused is tried again.
    let bomb = "if (fork) { select undef, undef, undef, 0.3; exit 4 } while (1) { fork }";
    let output = limited(&t, &parent).args(["--pids-limit", "20", "perl", "-e", bomb]).run();
    assert_eq!((output.code, output.errors().as_str()), (Some(4), ""));
    parent.assert_bare();
    t.assert_nothing_left();
}

#[test]
fn nothing_is_left_when_a_signal_ends_us_and_the_program() {
    let t = rings!(Host, Uml, Qemu);
    let Some(parent) = Parent::new(&t, &["cpu", "pids"]) else { return };
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP, Signal::SIGQUIT, Signal::SIGUSR1] {
        let script = "setsid sleep 1000 & ulimit -c 0; echo ready; exec sleep 1000";
        let env = t.program("env").arg("--default-signal").arg(rcgexec()).args(["--parent", &parent.name]);
        let mut held = env.args(["--pids-limit", "20", "--cpus", "1", "sh", "-c", script]).hold();
        assert_ne!(parent.tree(), [""; 0].map(PathBuf::from));
        kill(Pid::from_raw(held.pid()), signal).unwrap();
        assert_eq!(code(held.wait()), Some(128 + signal as i32), "{signal}");
        parent.assert_bare();
        t.assert_nothing_left();
    }
}

#[test]
fn nothing_is_left_whatever_signal_we_get_but_kill() {
    let t = rings!(Host, Uml, Qemu);
    let Some(parent) = Parent::new(&t, &["pids"]) else { return };
    #[rustfmt::skip]
    let signals = [
        Signal::SIGABRT, Signal::SIGALRM, Signal::SIGXCPU, Signal::SIGUSR2, Signal::SIGSYS, Signal::SIGTRAP, Signal::SIGSEGV,
        Signal::SIGBUS, Signal::SIGFPE, Signal::SIGILL, Signal::SIGPIPE,
    ];
    let hold = || {
        let script = "ulimit -c 0; echo ready; exec sleep 1000";
        limited(&t, &parent).args(["--pids-limit", "20", "sh", "-c", script]).hold()
    };
    for signal in signals {
        let mut held = hold();
        kill(Pid::from_raw(held.pid()), signal).unwrap();
        assert_eq!(code(held.wait()), Some(128 + signal as i32), "{signal}");
        parent.assert_bare();
    }
    // Those that a program ignores unless it asks for them do nothing.
    let mut held = hold();
    for signal in [Signal::SIGWINCH, Signal::SIGCHLD, Signal::SIGTERM] {
        kill(Pid::from_raw(held.pid()), signal).unwrap();
    }
    assert_eq!(code(held.wait()), Some(143));
}

#[test]
fn nothing_is_left_when_a_signal_comes_at_any_moment() {
    let t = rings!(Host);
    let Some(parent) = Parent::new(&t, &["cpu", "pids"]) else { return };
    for pause in 0..40 {
        let run = limited(&t, &parent).args(["--cpus", "1", "--pids-limit", "20", "sleep", "1000"]);
        let mut held = run.start();
        std::thread::sleep(Duration::from_micros(pause * 150));
        kill(Pid::from_raw(held.pid()), Signal::SIGTERM).unwrap();
        let ended = held.wait();
        let signal = std::os::unix::process::ExitStatusExt::signal(&ended);
        assert!(signal == Some(15) || ended.code() == Some(143), "{ended:?}");
        parent.assert_bare();
    }
}

#[test]
fn nothing_is_left_when_a_terminal_interrupts() {
    let t = rings!(Host, Uml, Qemu);
    let Some(parent) = Parent::new(&t, &["cpu", "pids"]) else { return };
    let script =
        "trap 'echo got INT; exit 7' INT; setsid sleep 1000 & echo ready; while :; do sleep 0.05; done";
    let options = ["--parent", &parent.name, "--cpus", "1", "--pids-limit", "20"];
    let plain = [&[rcgexec()], &options[..], &["sh", "-c", "echo ready; exec sleep 1000"]].concat();
    let traps = [&[rcgexec()], &options[..], &["sh", "-c", script]].concat();
    for (words, status) in [(plain, 130), (traps, 7)] {
        let output = Terminal::with(&t, &words, |terminal| {
            terminal.wait_for("ready", 1);
            terminal.press(CTRL_C);
            if status == 7 {
                terminal.wait_for("got INT", 1);
            }
        });
        assert_eq!(output.code, Some(status), "{output:?}");
        parent.assert_bare();
        t.assert_nothing_left();
    }
}

#[test]
fn nothing_is_left_where_a_later_group_fails() {
    let t = rings!(Host, Uml, Qemu);
    let Some(parent) = Parent::new(&t, &["cpu", "pids"]) else { return };
    let options =
        [&format!("-gpids:{}", parent.name), &format!("-gcpu:{}", parent.name), "--cpu-quota=20000"];
    let fails = || refused(&t.tool("rcgexec").args(options).arg("true").run());
    if hierarchy("cpu").v2 {
        let file = parent.dir("cpu").join("cgroup.max.descendants");
        std::fs::write(&file, "0").unwrap();
        let (line, hint) = fails();
        let told = format!("mkdir {}/rcgexec-", parent.dir("cpu").display());
        assert!(line.starts_with(&told) && line.ends_with("Resource temporarily unavailable"), "{line}");
        assert!(hint.contains("cgroup.max.descendants"), "{hint}");
    } else {
        // That of the group above is less.
        std::fs::write(parent.dir("cpu").join("cpu.cfs_quota_us"), "10000").unwrap();
        let (line, hint) = fails();
        let told = format!("write 20000 to {}/rcgexec-", parent.dir("cpu").display());
        let reason = "/cpu.cfs_quota_us (controller cpu): Invalid argument";
        assert!(line.starts_with(&told) && line.ends_with(reason), "{line}");
        assert!(hint.contains("the one above"), "{hint}");
    }
    parent.assert_bare();
}

#[test]
fn a_group_with_our_name_is_left_alone() {
    let t = rings!(Host, Uml, Qemu);
    let Some(parent) = Parent::new(&t, &["pids"]) else { return };
    // In a new PID namespace the name is known before.
    let ours = parent.sub("rcgexec-1");
    let options = ["-pf", "--mount-proc", rcgexec(), "--parent", &parent.name, "--pids-limit", "20"];
    let text = t.program("unshare").args(options).args(["cat", "/proc/self/cgroup"]).run().ok();
    assert_eq!(group_in(&text, "pids"), format!("/{ours}-2"));
    assert_eq!(parent.tree().len(), parent.dirs.len());
    assert!(parent.dirs.iter().all(|dir| dir.join("rcgexec-1").is_dir()));
    parent.remove_sub("rcgexec-1");
}

// What those leave who are killed, and the next ones collect.

#[test]
fn what_a_killed_run_left_is_collected_by_the_next() {
    let t = rings!(Host, Uml, Qemu);
    let Some(parent) = Parent::new(&t, &["cpu", "pids"]) else { return };
    let options = ["--cpus", "1", "--pids-limit", "20"];
    let script = "setsid sleep 1000 & echo ready; wait";
    let mut held = limited(&t, &parent).args(options).args(["sh", "-c", script]).hold();
    kill(Pid::from_raw(held.pid()), Signal::SIGKILL).unwrap();
    held.wait();
    // The program ended with us. What it started is known by its environment, which it lacks for a moment while it is executed.
    let is_left = || !parent.tree().is_empty() && !t.left().is_empty();
    assert!(within(Duration::from_secs(5), is_left));
    // A dry run touches nothing.
    limited(&t, &parent).args(options).args(["--dry-run", "true"]).run().ok();
    assert!(is_left());
    limited(&t, &parent).args(options).arg("true").run().ok();
    parent.assert_bare();
    t.assert_nothing_left();
}

#[test]
fn what_a_killed_run_left_can_run_us_again_and_goes_on() {
    let t = rings!(Host, Uml, Qemu);
    let Some(parent) = Parent::new(&t, &["pids"]) else { return };
    let options = format!("{} --parent {} --pids-limit 20", rcgexec(), parent.name);
    // The program itself ends with us; who it has started does not.
    let script = format!("(echo ready; read -r line; {options} echo again; echo on) <&0 & wait");
    let mut held = limited(&t, &parent).args(["--pids-limit", "20", "sh", "-c", &script]).hold();
    kill(Pid::from_raw(held.pid()), Signal::SIGKILL).unwrap();
    held.wait();
    drop(held.child.stdin.take());
    assert_eq!([held.next_line(), held.next_line()], [Some("again".into()), Some("on".into())]);
    limited(&t, &parent).args(["--pids-limit", "20", "true"]).run().ok();
    parent.assert_bare();
}

#[test]
fn a_leftover_that_cannot_end_does_not_hold_up_the_next_run_for_long() {
    let t = rings!(Host);
    // Version 2 ends frozen processes as well.
    let Some(frozen) = Parent::new(&t, &["freezer"]) else { return };
    let Some(parent) = Parent::new(&t, &["pids"]) else { return };
    let options = ["--pids-limit", "20"];
    let mut held =
        limited(&t, &parent).args(options).args(["sh", "-c", "echo ready; exec sleep 1000"]).hold();
    let freezer = frozen.dir("freezer");
    std::fs::write(freezer.join("cgroup.procs"), held.inner().to_string()).unwrap();
    std::fs::write(freezer.join("freezer.state"), "FROZEN").unwrap();
    kill(Pid::from_raw(held.pid()), Signal::SIGKILL).unwrap();
    held.wait();
    let begin = std::time::Instant::now();
    let ran = limited(&t, &parent).args(options).arg("true").run();
    let took = begin.elapsed();
    std::fs::write(freezer.join("freezer.state"), "THAWED").unwrap();
    ran.ok();
    limited(&t, &parent).args(options).arg("true").run().ok();
    parent.assert_bare();
    // It waits for a second, where the end of its own groups may take ten.
    assert!(took < Duration::from_secs(4), "{took:?}");
}

#[test]
fn a_leftover_with_processes_that_are_not_seen_is_waited_for_asleep() {
    let t = rings!(Host, Uml, Qemu);
    let Some(parent) = Parent::new(&t, &["pids"]) else { return };
    let options = ["--pids-limit", "20"];
    let mut held =
        limited(&t, &parent).args(options).args(["sh", "-c", "echo ready; exec sleep 1000"]).hold();
    kill(Pid::from_raw(held.pid()), Signal::SIGKILL).unwrap();
    held.wait();
    let script = format!("{} --parent {} --pids-limit 20 true; times", rcgexec(), parent.name);
    let cpu_time = || {
        let text = t.program("unshare").args(["-pf", "--mount-proc", "sh", "-c", &script]).run().ok();
        // The shell's own, and that of its children.
        let of_children = text.lines().last().unwrap().split(' ');
        let seconds = |time: &str| time.strip_prefix("0m")?.strip_suffix('s')?.parse::<f64>().ok();
        of_children.map(|time| seconds(time).unwrap()).sum::<f64>()
    };
    let waiting = cpu_time();
    limited(&t, &parent).args(options).arg("true").run().ok();
    parent.assert_bare();
    // It waits for a second. An emulated machine needs tenths of one to start it at all.
    let at_once = cpu_time();
    assert!(waiting - at_once < 0.5, "{waiting} {at_once}");
}

#[test]
fn what_is_no_leftover_of_ours_is_not_collected() {
    let t = rings!(Host, Uml, Qemu);
    let Some(parent) = Parent::new(&t, &["pids"]) else { return };
    let dir = parent.dir("pids");
    let sticky = |name: &str| {
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o1755);
        std::fs::set_permissions(dir.join(name), mode).unwrap();
    };
    parent.hand_on(&["pids"]);
    // Without our mark, of another user, and called otherwise.
    let names = ["rcgexec-1", "rcgexec-2", "rcgexec-3x", "other-4"];
    names.iter().for_each(|name| drop(parent.sub(name)));
    names[1..].iter().for_each(|name| sticky(name));
    std::os::unix::fs::chown(dir.join("rcgexec-2"), Some(NOBODY), None).unwrap();
    let waits = ["-g", &format!("pids:{}/rcgexec-1", parent.name), "sh", "-c", "echo ready; exec sleep 1000"];
    let mut inside = t.tool("rcgexec").args(waits).hold();
    // One that runs.
    let runs = ["--pids-limit", "20", "sh", "-c", "echo ready; read -r line; exit 7"];
    let mut held = limited(&t, &parent).args(runs).hold();
    let before = parent.tree();
    limited(&t, &parent).args(["--pids-limit", "20", "true"]).run().ok();
    let all = 5 * parent.dirs.len();
    assert_eq!((parent.tree().len(), before.len()), (all, all));
    assert_eq!((inside.child.try_wait().unwrap(), held.child.try_wait().unwrap()), (None, None));
    drop(held.child.stdin.take());
    assert_eq!(code(held.wait()), Some(7));
    inside.child.kill().unwrap();
    inside.wait();
    names.iter().for_each(|name| parent.remove_sub(name));
}

#[test]
fn of_many_runs_at_once_the_killed_ones_leave_nothing_and_take_nobody_with_them() {
    let t = rings!(Host, Uml, Qemu);
    let Some(parent) = Parent::new(&t, &["cpu", "pids"]) else { return };
    let run = |seconds: &str| {
        let script = format!("sleep {seconds}; exit 7");
        limited(&t, &parent).args(["--cpus", "1", "--pids-limit", "20", "sh", "-c", &script])
    };
    let mut runs = Vec::new();
    for pause in 0..50 {
        let mut held = run(if pause % 2 == 0 { "0.2" } else { "1000" }).start();
        std::thread::sleep(Duration::from_micros(pause * 150));
        if pause % 2 == 1 {
            held.child.kill().unwrap();
            held.wait();
        }
        runs.push(held);
    }
    let ended: Vec<_> = runs.iter_mut().step_by(2).map(|held| code(held.wait())).collect();
    assert_eq!(ended, [Some(7); 25]);
    assert_eq!(run("0").run().code, Some(7));
    parent.assert_bare();
    t.assert_nothing_left();
}

/// How many runs are killed: `make kills` asks for a thousand.
fn kills() -> u32 {
    std::env::var("NSKIT_KILLS").map_or(50, |kills| kills.parse().unwrap())
}

/// Pitfall 5.
#[test]
fn of_runs_killed_at_random_moments_the_next_one_leaves_nothing() {
    let t = rings!(Host, Uml, Qemu);
    let Some(parent) = Parent::new(&t, &["cpu", "pids"]) else { return };
    let run = || limited(&t, &parent).args(["--cpus", "1", "--pids-limit", "20"]);
    // Makes groups of its own, daemons, and goes on.
    let script = "setsid sleep 1000 & sh -c 'setsid sleep 1000 & sleep 1000' & exec sleep 1000";
    let begin = Instant::now();
    run().arg("true").run().ok();
    let whole = begin.elapsed().as_micros() as u64 * 2;
    let mut seed = u64::from(std::process::id());
    for _ in 0..kills() {
        // Of a linear congruence the upper bits are random enough.
        seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        let mut held = run().args(["sh", "-c", script]).start();
        std::thread::sleep(Duration::from_micros((seed >> 33) % whole));
        held.child.kill().unwrap();
        held.wait();
    }
    run().arg("true").run().ok();
    parent.assert_bare();
    t.assert_nothing_left();
}

#[test]
fn a_group_whose_maker_runs_is_left_alone_even_if_nobody_holds_it() {
    let t = rings!(Host, Uml, Qemu);
    let Some(parent) = Parent::new(&t, &["pids"]) else { return };
    let run = || limited(&t, &parent).args(["--pids-limit", "20", "true"]).run().ok();
    let mut held =
        limited(&t, &parent).args(["--pids-limit", "20", "sh", "-c", "echo ready; read -r line"]).hold();
    let name = format!("rcgexec-{}", held.pid());
    // The mark of a run that lives, and of one that is of another time: the same number, another start.
    let dirs: Vec<PathBuf> = parent.dirs.iter().map(|dir| dir.join(&name)).collect();
    let maker = dirs.iter().map(|dir| attribute(dir)).next().unwrap();
    let mut fields: Vec<String> = maker.split(' ').map(str::to_string).collect();
    assert_eq!(fields[0], held.pid().to_string());
    let made = |name: &str, maker: &str| {
        parent.sub(name);
        for dir in &parent.dirs {
            let dir = dir.join(name);
            std::fs::set_permissions(&dir, std::os::unix::fs::PermissionsExt::from_mode(0o1755)).unwrap();
            let file = std::fs::File::open(dir).unwrap();
            common::sys::set_attribute(&file, c"user.nskit.maker", maker.as_bytes()).unwrap();
        }
    };
    made("rcgexec-1", &maker);
    run();
    assert!(parent.dirs.iter().all(|dir| dir.join("rcgexec-1").is_dir()));
    parent.remove_sub("rcgexec-1");
    fields[1] = "1".into();
    for other in [fields.join(" "), maker.replace('-', "+")] {
        made("rcgexec-1", &other);
        run();
        assert!(!parent.dirs.iter().any(|dir| dir.join("rcgexec-1").exists()), "{other}");
    }
    drop(held.child.stdin.take());
    held.wait();
    parent.assert_bare();
}

fn attribute(dir: &Path) -> String {
    let file = std::fs::File::open(dir).unwrap();
    String::from_utf8(common::sys::attribute(&file, c"user.nskit.maker").unwrap().unwrap()).unwrap()
}

#[test]
fn what_is_left_is_collected_without_a_run_and_said() {
    let t = rings!(Host, Uml, Qemu);
    let Some(parent) = Parent::new(&t, &["pids"]) else { return };
    let script = "setsid sleep 1000 & echo ready; wait";
    let mut held = limited(&t, &parent).args(["--pids-limit", "20", "sh", "-c", script]).hold();
    let name = format!("rcgexec-{}", held.pid());
    let collect =
        |more: &[&str]| t.tool("rcgexec").args(["--gc", "--parent", &parent.name]).args(more).run().ok();
    assert_eq!(collect(&[]), "");
    held.child.kill().unwrap();
    held.wait();
    let mut said: Vec<String> =
        parent.dirs.iter().map(|dir| format!("rmdir {}/{name}", dir.display())).collect();
    said.sort();
    let sorted = |text: String| {
        let mut lines: Vec<String> = text.lines().map(str::to_string).collect();
        lines.sort();
        lines
    };
    assert_eq!(sorted(collect(&["--dry-run"])), said);
    assert_eq!(parent.tree().len(), parent.dirs.len());
    assert_eq!(sorted(collect(&[])), said);
    parent.assert_bare();
    t.assert_nothing_left();
}

/// Pitfall 7.
#[test]
fn what_gives_back_much_memory_is_waited_for() {
    let t = rings!(Host, Uml, Qemu);
    let Some(parent) = Parent::new(&t, &["pids"]) else { return };
    for _ in 0..3 {
        let script = "for i in 1 2; do setsid dd if=/dev/zero of=/dev/null bs=100M & done; sleep .5; exit 3";
        let run = limited(&t, &parent).args(["--pids-limit", "20", "sh", "-c", script]).patiently().run();
        assert_eq!((run.code, &*run.errors()), (Some(3), ""));
        parent.assert_bare();
    }
}

#[test]
fn many_groups_of_the_program_are_removed_with_few_descriptors() {
    let t = rings!(Host, Uml, Qemu);
    let Some(parent) = Parent::new(&t, &["pids"]) else { return };
    let point = hierarchy("pids").point;
    let script = format!(
        "g={}$(grep -E ':pids:|^0::' /proc/self/cgroup | head -n 1 | cut -d: -f3); cd $g && seq 1 200 | sed s/^/s/ | xargs mkdir
         mkdir -p d/d/d/d/d/d/d/d/d/d/d/d; sleep 1000 & echo $! > d/d/d/d/d/d/d/d/d/d/d/d/cgroup.procs",
        point.display()
    );
    let few =
        format!("ulimit -Sn 40; exec {} --parent {} --pids-limit 50 sh -c \"$0\"", rcgexec(), parent.name);
    t.program("sh").args(["-c", &few, &script]).run().ok();
}
