//! Every limit on the live kernel: what it does where that can be seen, else what its files hold.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use common::cgroup::group::{Group, Version};
use common::cgroup::knobs::{KNOBS, Limits};
use common::cgroup::layout::Layout;
use common::cgroup::set;
use common::proc::Proc;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::{Parent, find, hierarchy, limited, refused};
use crate::harness::{Held, Ring, Test, state, within};

/// What the controller of block io is called here.
fn io() -> &'static str {
    if find("io").is_some() { "io" } else { "blkio" }
}

fn read(file: PathBuf) -> String {
    std::fs::read_to_string(&file).unwrap_or_else(|e| panic!("{file:?}: {e}")).trim_end().to_string()
}

/// The only group below that of the test.
#[track_caller]
fn only_group(parent: &Parent, controller: &str) -> PathBuf {
    let entries = std::fs::read_dir(parent.dir(controller)).unwrap().map(Result::unwrap);
    let mut dirs = entries.filter(|entry| entry.file_type().unwrap().is_dir()).map(|entry| entry.path());
    let dir = dirs.next().expect("a group");
    assert_eq!(dirs.next(), None);
    dir
}

fn end(mut held: Held) {
    kill(Pid::from_raw(held.pid()), Signal::SIGTERM).unwrap();
    held.wait();
}

/// Does a group have this file here?
fn has(parent: &Parent, controller: &str, file: &str) -> bool {
    let enable = parent.dir(controller).join("cgroup.subtree_control");
    if hierarchy(controller).v2 {
        std::fs::write(enable, format!("+{controller}")).unwrap();
    }
    parent.sub("probe");
    let there = parent.dir(controller).join("probe").join(file).exists();
    parent.remove_sub("probe");
    there
}

/// A group of the test, as the library has it.
fn group(controller: &str, path: &str) -> Group {
    let layout = Layout::take(&Proc::system().unwrap()).unwrap();
    layout.of(controller.as_bytes()).unwrap().top.descend(path.as_bytes()).unwrap()
}

/// Limits from words such as `--memory 64M`.
fn limits(line: &str) -> Limits {
    let mut limits = Limits::default();
    let words: Vec<&str> = line.split(' ').collect();
    for pair in words.chunks(2) {
        let option = pair[0].trim_start_matches("--");
        match KNOBS.iter().find(|knob| knob.option == option) {
            Some(knob) => limits.set(knob, pair.get(1).unwrap_or(&"").as_bytes()).unwrap(),
            None => limits.set_raw(pair[1].as_bytes()).unwrap(),
        }
    }
    limits
}

/// Changes limits of a group that is there.
fn update(group: &Group, controller: &str, line: &str) -> common::Result<()> {
    set::update(group, &limits(line).settings(controller, group.version)?)
}

/// In a group with these limits, what these files hold.
#[track_caller]
fn assert_files(t: &Test, parent: &Parent, options: &str, facts: &[(&str, &str, &str)]) {
    let run = limited(t, parent).args(options.split(' '));
    let held = run.args(["sh", "-c", "echo ready; exec sleep 1000"]).hold();
    for (controller, file, value) in facts {
        assert_eq!(read(only_group(parent, controller).join(file)), *value, "{options}: {file}");
    }
    end(held);
}

// CPU time.

#[test]
fn every_spelling_of_a_quota_throttles() {
    let t = rings!(Host, Uml);
    let Some(parent) = Parent::new(&t, &["cpu"]) else { return };
    for options in [
        "--cpu-quota 20000",
        "--cpu-quota 20%",
        "--cpus 0.2",
        "--cpu-quota 20% --cpu-period 50000",
        "--cpu-quota 0.5%",
    ] {
        let run = limited(&t, &parent).args(options.split(' '));
        let held = run.args(["sh", "-c", "echo ready; while :; do :; done"]).hold();
        let stat = only_group(&parent, "cpu").join("cpu.stat");
        let throttled = || {
            let text = read(stat.clone());
            let line = text.lines().find_map(|line| line.strip_prefix("nr_throttled "));
            line.unwrap().parse::<u64>().unwrap()
        };
        assert!(within(Duration::from_secs(20), || throttled() > 1), "{options}");
        end(held);
    }
}

#[test]
fn shares_of_cpu_time_are_told_in_the_words_of_the_version() {
    let t = rings!(Host, Uml);
    let Some(parent) = Parent::new(&t, &["cpu"]) else { return };
    let cases: &[(&str, &str, &str)] = if hierarchy("cpu").v2 {
        &[
            ("--cpu-weight 39", "cpu.weight", "39"),
            ("--cpu-weight 10000", "cpu.weight", "10000"),
            // Pitfall 17: the usual shares are exactly the usual weight.
            ("--cpu-shares 1024", "cpu.weight", "100"),
            ("--cpu-shares 2", "cpu.weight", "1"),
            ("--cpu-shares 262144", "cpu.weight", "10000"),
            ("--cpu-weight idle", "cpu.idle", "1"),
        ]
    } else {
        &[
            ("--cpu-weight 39", "cpu.shares", "305"),
            ("--cpu-weight 100", "cpu.shares", "1024"),
            ("--cpu-weight 1", "cpu.shares", "2"),
            ("--cpu-shares 1024", "cpu.shares", "1024"),
            ("--cpu-shares 262144", "cpu.shares", "262144"),
            ("--cpu-weight idle", "cpu.idle", "1"),
        ]
    };
    for &(options, file, value) in cases {
        assert_files(&t, &parent, options, &[("cpu", file, value)]);
    }
}

#[test]
fn a_burst_is_kept_of_a_quota() {
    let t = rings!(Host, Uml);
    let Some(parent) = Parent::new(&t, &["cpu"]) else { return };
    let file = if hierarchy("cpu").v2 { "cpu.max.burst" } else { "cpu.cfs_burst_us" };
    if !t.belongs(has(&parent, "cpu", file), "a kernel with bursts of CPU time") {
        return;
    }
    // As much as the quota, and in whatever order it is said.
    assert_files(&t, &parent, "--cpu-burst 30000 --cpu-quota 30000", &[("cpu", file, "30000")]);
    let run = limited(&t, &parent).args(["--cpu-burst", "30001", "--cpu-quota", "30000", "true"]).run();
    assert_eq!(refused(&run).0, "--cpu-burst 30001 is more than the quota, 30000 microseconds");
    // Of one that is there already, the kernel says it.
    let dir = parent.sub("used");
    let used = group("cpu", &dir);
    update(&used, "cpu", "--cpu-quota 20000 --cpu-burst 20000").unwrap();
    // Both become smaller, and larger again.
    update(&used, "cpu", "--cpu-quota 10000 --cpu-burst 5000").unwrap();
    update(&used, "cpu", "--cpu-quota 50000 --cpu-burst 50000").unwrap();
    let error = update(&used, "cpu", "--cpu-burst 60000").unwrap_err();
    assert!(error.hint().unwrap().starts_with("no more can be kept than the quota"), "{error}");
    assert_eq!(read(parent.dir("cpu").join("used").join(file)), "50000");
    // Less than what is kept: nothing is changed.
    update(&used, "cpu", "--cpu-quota 20000").unwrap_err();
    assert_eq!(read(parent.dir("cpu").join("used").join(file)), "50000");
    parent.remove_sub("used");
}

/// What a group says of quota and period.
fn quota(parent: &Parent, name: &str) -> String {
    let dir = parent.dir("cpu").join(name);
    match hierarchy("cpu").v2 {
        true => read(dir.join("cpu.max")),
        false => {
            let quota = read(dir.join("cpu.cfs_quota_us")).replace("-1", "max");
            format!("{quota} {}", read(dir.join("cpu.cfs_period_us")))
        }
    }
}

/// Makes it possible that groups below this one have limits.
fn enable(parent: &Parent, controller: &str) {
    if hierarchy(controller).v2 {
        let file = parent.dir(controller).join("cgroup.subtree_control");
        std::fs::write(file, format!("+{controller}")).unwrap();
    }
}

/// Pitfall 17: an older period is not kept behind the back of who gives a quota, nor a quota lost with a new period.
#[test]
fn a_quota_counts_for_the_period_that_was_said_or_the_usual_one() {
    let t = rings!(Host, Uml);
    let Some(parent) = Parent::new(&t, &["cpu"]) else { return };
    enable(&parent, "cpu");
    let used = group("cpu", &parent.sub("used"));
    for (line, held) in [
        ("--cpu-period 50000", "max 50000"),
        ("--cpu-quota 20000", "20000 100000"),
        ("--cpu-period 50000", "20000 50000"),
        ("--cpu-quota 20%", "20000 100000"),
        ("--cpu-quota 0.5%", "5000 1000000"),
        ("--cpu-quota max", "max 100000"),
        ("--cpu-quota 10000 --cpu-period 20000", "10000 20000"),
    ] {
        update(&used, "cpu", line).unwrap();
        assert_eq!(quota(&parent, "used"), held, "{line}");
    }
    parent.remove_sub("used");
}

/// Pitfall 9: version 1 lets no group have a larger share than the one above, not even between two writes.
#[test]
fn quota_and_period_are_changed_in_the_order_that_the_kernel_takes() {
    let t = rings!(Host, Uml);
    let Some(parent) = Parent::new(&t, &["cpu"]) else { return };
    enable(&parent, "cpu");
    let (above, below) = (group("cpu", &parent.name), group("cpu", &parent.sub("below")));
    update(&above, "cpu", "--cpu-quota 50000").unwrap();
    for (line, held) in [
        ("--cpu-quota 20000", "20000 100000"),
        // The old quota in the new period would be all of a CPU, and the new one in the old period four fifths.
        ("--cpu-quota 10000 --cpu-period 20000", "10000 20000"),
        ("--cpu-quota 400000 --cpu-period 1000000", "400000 1000000"),
        ("--cpu-quota 1000 --cpu-period 2000", "1000 2000"),
        ("--cpu-quota 50000 --cpu-period 100000", "50000 100000"),
    ] {
        update(&below, "cpu", line).unwrap();
        assert_eq!(quota(&parent, "below"), held, "{line}");
    }
    let too_much = update(&below, "cpu", "--cpu-quota 60000 --cpu-period 50000");
    if hierarchy("cpu").v2 {
        too_much.unwrap();
    } else {
        let error = too_much.unwrap_err();
        assert!(error.to_string().ends_with("(controller cpu): Invalid argument"), "{error}");
        assert!(error.hint().unwrap().contains("a larger share"), "{error}");
        assert_eq!(quota(&parent, "below"), "50000 100000");
        // The same for one that is made.
        let run = limited(&t, &parent).args(["--cpu-quota", "60%", "true"]).run();
        assert!(refused(&run).1.contains("a larger share"));
    }
    parent.remove_sub("below");
    // Pitfall 9: what was just removed counts for a moment.
    for percent in ["40%", "30%", "20%", "10%"] {
        parent.sub("ghost");
        let ghost = group("cpu", &format!("{}/ghost", parent.name));
        update(&ghost, "cpu", &format!("--cpu-quota {percent}")).unwrap();
        parent.remove_sub("ghost");
        update(&above, "cpu", "--cpu-quota 5%").unwrap();
        update(&above, "cpu", "--cpu-quota 50%").unwrap();
    }
}

#[test]
fn an_idle_group_gets_a_weight_again() {
    let t = rings!(Host, Uml);
    let Some(parent) = Parent::new(&t, &["cpu"]) else { return };
    enable(&parent, "cpu");
    let used = group("cpu", &parent.sub("used"));
    let dir = parent.dir("cpu").join("used");
    update(&used, "cpu", "--cpu-weight idle").unwrap();
    update(&used, "cpu", "--cpu-weight 100").unwrap();
    assert_eq!(read(dir.join("cpu.idle")), "0");
    let (file, usual) = if hierarchy("cpu").v2 { ("cpu.weight", "100") } else { ("cpu.shares", "1024") };
    assert_eq!(read(dir.join(file)), usual);
    // What fails leaves it idle.
    update(&used, "cpu", "--cpu-weight idle").unwrap();
    update(&used, "cpu", "--cpu-weight 200 --set cpu.nosuch=1").unwrap_err();
    assert_eq!(read(dir.join("cpu.idle")), "1");
    parent.remove_sub("used");
}

// CPUs.

const AFFINITY: [&str; 3] = ["grep", "Cpus_allowed_list", "/proc/self/status"];

/// Pitfall 8: nobody can join a cpuset of version 1 that has no CPUs or no memory nodes.
#[test]
fn a_program_runs_on_the_cpus_that_were_said() {
    let t = rings!(Host, Qemu);
    let Some(parent) = Parent::new(&t, &["cpuset"]) else { return };
    let cpus = |options: &str| {
        let output = limited(&t, &parent).args(options.split(' ')).args(AFFINITY).run();
        output.ok().split_whitespace().nth(1).unwrap().to_string()
    };
    if !t.needs(read("/sys/devices/system/cpu/online".into()) != "0", "two CPUs") {
        return;
    }
    assert_eq!(cpus("--cpuset-cpus 1"), "1");
    assert_eq!(cpus("--cpuset-cpus 1,0"), "0-1");
    assert_eq!(cpus("--cpuset-cpus 0 --cpuset-mems 0"), "0");
    // Only the other one was given: the CPUs are those of the group above, and so they are if it is --set.
    let all = cpus("--cpuset-mems 0");
    assert_eq!(cpus("--set cpuset.mems=0"), all);
    // Pitfall 8: a subset is not made of the full set, so it is what it says at any time.
    if !hierarchy("cpuset").v2 {
        for file in ["cpuset.cpus", "cpuset.mems"] {
            assert_ne!(read(parent.dir("cpuset").join(file)), "", "the group above is filled as well");
        }
        let fresh = group("cpuset", &parent.sub("fresh"));
        let planned = set::filling(&group("cpuset", &parent.name), &[]).unwrap();
        set::set(&fresh, &[]).unwrap();
        let file = |name: &str| read(parent.dir("cpuset").join("fresh").join(name));
        let told = planned.iter().map(|(place, value)| {
            let name = place.strip_prefix(b"/").expect("of the group itself: those above are filled");
            (String::from_utf8_lossy(name).into_owned(), String::from_utf8_lossy(value).into_owned())
        });
        let held = ["cpuset.cpus", "cpuset.mems"].map(|name| (name.to_string(), file(name)));
        assert_eq!(told.collect::<Vec<_>>(), held);
        assert_eq!(read(parent.dir("cpuset").join("fresh/cpuset.cpus")), all);
        parent.remove_sub("fresh");
    }
    let (line, hint) = refused(&limited(&t, &parent).args(["--cpuset-cpus", "5000", "true"]).run());
    assert!(
        line.starts_with("write 5000 to ") && hint.starts_with("this machine does not have"),
        "{line}: {hint}"
    );
    for wrong in ["1-0", "a", "0,,1"] {
        let (line, _) = refused(&limited(&t, &parent).args(["--cpuset-cpus", wrong, "true"]).run());
        assert_eq!(line, format!("--cpuset-cpus {wrong} is out of range (controller cpuset)"));
    }
    // More than the group above has.
    std::fs::write(parent.dir("cpuset").join("cpuset.cpus"), "0").unwrap();
    let more = limited(&t, &parent).args(["--cpuset-cpus", "1", "true"]).run();
    if !hierarchy("cpuset").v2 {
        let (line, hint) = refused(&more);
        assert!(line.ends_with("Permission denied") && hint.contains("of the group above"), "{line}: {hint}");
    }
}

/// Pitfall 8: since Linux 6.2 the kernel keeps what a process was bound to.
#[test]
fn what_the_caller_was_bound_to_is_forgotten_where_cpus_are_said() {
    let t = rings!(Host, Qemu);
    let Some(parent) = Parent::new(&t, &["cpuset"]) else { return };
    if !t.has("taskset") || !t.needs(read("/sys/devices/system/cpu/online".into()) != "0", "two CPUs") {
        return;
    }
    let bound = |options: &[&str]| {
        let run = t.program("taskset").args(["-c", "0", super::rcgexec(), "--parent", &parent.name]);
        let output = run.args(options).args(AFFINITY).run();
        output.ok().split_whitespace().nth(1).unwrap().to_string()
    };
    assert_eq!(bound(&["--cpuset-cpus", "1"]), "1");
    assert_eq!(bound(&["--cpuset-cpus", "0-1"]), "0-1");
    assert_eq!(bound(&["--set", "cpuset.cpus=0-1"]), "0-1");
    // Where nothing is said of CPUs, it stays bound, if the kernel keeps that.
    let stays = crate::harness::kernel_since((6, 2));
    assert_eq!(bound(&["--cpuset-mems", "0"]), if stays { "0" } else { "0-1" });
}

// Memory.

/// Pitfall 3: what is given is memory and swap together or swap alone, and no swap is a limit that has to be written.
#[test]
fn swap_is_counted_as_the_version_counts_it() {
    let t = rings!(Host, Uml);
    let Some(parent) = Parent::new(&t, &["memory"]) else { return };
    let v2 = hierarchy("memory").v2;
    let file = if v2 { "memory.swap.max" } else { "memory.memsw.limit_in_bytes" };
    if !t.belongs(has(&parent, "memory", file), "a kernel that counts swap") {
        return;
    }
    let unlimited = if v2 { "max" } else { "9223372036854771712" };
    for (options, v1_says, v2_says) in [
        ("-m 32M", unlimited, unlimited),
        ("-m 32M --memory-swap 48M", "50331648", "16777216"),
        ("-m 32M --memory-swap 32M", "33554432", "0"),
        ("-m 32M --memory-swap -1", unlimited, unlimited),
        ("-m 32M --swap 0", "33554432", "0"),
        ("-m 32M --swap 16M", "50331648", "16777216"),
        ("-m 32M --swap max", unlimited, unlimited),
        ("--swap max", unlimited, unlimited),
    ] {
        assert_files(&t, &parent, options, &[("memory", file, if v2 { v2_says } else { v1_says })]);
    }
    match v2 {
        true => assert_files(&t, &parent, "--swap 0", &[("memory", file, "0")]),
        false => {
            let (line, hint) = refused(&limited(&t, &parent).args(["--swap", "0", "true"]).run());
            assert_eq!(line, "version 1 of controller memory has no --swap without --memory");
            assert!(hint.contains("memory and swap together"), "{hint}");
        }
    }
    for (options, expected) in [
        ("--memory-swap 64M", "--memory-swap was given without --memory"),
        ("-m 64M --memory-swap 32M", "--memory-swap is less than --memory"),
        ("-m 64M --memory-swap 64M --swap 0", "--memory-swap and --swap do not go together"),
    ] {
        assert_eq!(refused(&limited(&t, &parent).args(options.split(' ')).arg("true").run()).0, expected);
    }
}

/// Pitfall 10: both limits of version 1 are changed in the order that keeps memory below the two together.
#[test]
fn memory_and_swap_are_raised_and_lowered_together() {
    let t = rings!(Host, Uml);
    let Some(parent) = Parent::new(&t, &["memory"]) else { return };
    let v2 = hierarchy("memory").v2;
    let files = match v2 {
        true => ["memory.max", "memory.swap.max"],
        false => ["memory.limit_in_bytes", "memory.memsw.limit_in_bytes"],
    };
    if !t.belongs(has(&parent, "memory", files[1]), "a kernel that counts swap") {
        return;
    }
    let used = group("memory", &parent.sub("used"));
    let held = || files.map(|file| read(parent.dir("memory").join("used").join(file)));
    let sizes = |memory: u64, total: u64| {
        [memory << 20, if v2 { total - memory } else { total } << 20].map(|size| size.to_string())
    };
    for (memory, total) in [(32, 64), (128, 256), (16, 16), (512, 512), (8, 16)] {
        update(&used, "memory", &format!("--memory {memory}M --memory-swap {total}M")).unwrap();
        assert_eq!(held(), sizes(memory, total));
    }
    // Something fails behind them: both are as they were.
    let line = "--memory 64M --memory-swap 128M --set memory.nosuch=1";
    update(&used, "memory", line).unwrap_err();
    assert_eq!(held(), sizes(8, 16));
    // Memory alone leaves swap as it is, if that can be.
    let alone = update(&used, "memory", "--memory 64M");
    if v2 {
        alone.unwrap();
    } else {
        let error = alone.unwrap_err();
        assert!(error.hint().unwrap().contains("give --memory-swap as well"), "{error}");
        assert_eq!(held(), sizes(8, 16));
    }
    parent.remove_sub("used");
}

/// Pitfall 10: what is in use stays on version 1, and on version 2 somebody has to die.
#[test]
fn memory_below_what_is_in_use_is_refused_or_kills() {
    let t = rings!(Host, Uml);
    let Some(parent) = Parent::new(&t, &["memory"]) else { return };
    let swaps = read("/proc/swaps".into()).lines().count() > 1;
    if !t.belongs(!swaps, "a machine without swap") {
        return;
    }
    let script = "$x = 'a' x (32 << 20); $| = 1; print \"ready\\n\"; sleep 1000";
    // The group stays when the program ends.
    enable(&parent, "memory");
    let path = parent.sub("used");
    let used = group("memory", &path);
    update(&used, "memory", "--memory 96M").unwrap();
    let join = format!("-gmemory:{path}");
    let mut held = t.tool("rcgexec").args([&join, "perl", "-e", script]).hold();
    let answer = update(&used, "memory", "--memory 4M");
    if used.version == Version::V2 {
        use std::os::unix::process::ExitStatusExt;
        answer.unwrap();
        assert_eq!(held.wait().signal(), Some(9));
        parent.remove_sub("used");
        return;
    }
    let error = answer.unwrap_err();
    let hint = error.hint().unwrap();
    assert!(error.to_string().ends_with("Device or resource busy"), "{error}");
    let numbers: Vec<u64> = hint.split(' ').filter_map(|word| word.parse().ok()).collect();
    assert!(numbers.len() == 2 && numbers.iter().all(|bytes| *bytes > 32 << 20), "{hint}");
    let file = parent.dir("memory").join("used/memory.limit_in_bytes");
    assert_eq!(read(file), (96 << 20).to_string());
    end(held);
    parent.remove_sub("used");
}

/// Pitfall 20: beyond --memory-high a program is slowed down without end, so no other option is told to the kernel so.
#[test]
fn beyond_high_memory_a_program_is_slowed_down_and_not_killed() {
    let t = rings!(Host, Uml);
    let Some(parent) = Parent::new(&t, &["memory"]) else { return };
    if !hierarchy("memory").v2 {
        for option in ["--memory-high", "--memory-low"] {
            let (line, hint) = refused(&limited(&t, &parent).args([option, "16M", "true"]).run());
            assert_eq!(line, format!("version 1 of controller memory has no {option}"));
            assert!(hint.contains("--memory-reservation"), "{hint}");
        }
        let soft = ("memory", "memory.soft_limit_in_bytes", "16777216");
        assert_files(&t, &parent, "--memory-reservation 16M", &[soft]);
        return;
    }
    for option in ["--memory-low", "--memory-reservation"] {
        let facts = [("memory", "memory.low", "16777216"), ("memory", "memory.high", "max")];
        assert_files(&t, &parent, &format!("{option} 16M"), &facts);
    }
    assert_files(&t, &parent, "--memory-low max", &[("memory", "memory.low", "max")]);
    let script = "$| = 1; print \"ready\\n\"; $n = 64 << 20; $x = 'a' x $n; print \"done\\n\"; sleep 1000";
    let held = limited(&t, &parent).args(["--memory-high", "16M", "perl", "-e", script]).hold();
    let dir = only_group(&parent, "memory");
    assert_eq!(read(dir.join("memory.high")), "16777216");
    let events = |key: &str| {
        let text = read(dir.join("memory.events"));
        let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' '));
        line.unwrap().parse::<u64>().unwrap()
    };
    assert!(within(Duration::from_secs(20), || events("high") > 0));
    std::thread::sleep(Duration::from_secs(1));
    assert!(state(held.inner()).is_some() && events("oom_kill") == 0);
    end(held);
}

#[test]
fn the_whole_group_is_killed_when_memory_runs_out_if_that_was_said() {
    let t = rings!(Host, Uml);
    let Some(parent) = Parent::new(&t, &["memory"]) else { return };
    let script = "dd if=/dev/zero of=/dev/null count=1 bs=64M status=none; echo survived";
    let run = |options: &[&str]| {
        let run = limited(&t, &parent).args(["-m", "16M"]).args(options);
        run.args(["sh", "-c", script]).run()
    };
    let alone = run(&[]);
    assert_eq!((alone.code, alone.text().as_str()), (Some(0), "survived\n"), "{alone:?}");
    let group = run(&["--oom-group"]);
    if hierarchy("memory").v2 {
        assert_eq!((group.code, group.text().as_str()), (Some(137), ""));
    } else {
        let (line, hint) = refused(&group);
        assert_eq!(line, "version 1 of controller memory has no --oom-group");
        assert_eq!(hint, "it kills one process at a time");
    }
}

#[test]
fn the_program_is_killed_sooner_or_later_than_others() {
    let t = rings!(Host, User, Uml);
    let score = |number: &str| {
        let run = t.tool("rcgexec").args(["--oom-score-adj", number, "cat", "/proc/self/oom_score_adj"]);
        run.run()
    };
    assert_eq!(score("500").ok(), "500\n");
    assert_eq!(score("1000").ok(), "1000\n");
    let status = read("/proc/self/status".into());
    let rights = status.lines().find_map(|line| line.strip_prefix("CapEff:\t")).unwrap();
    let may = u64::from_str_radix(rights, 16).unwrap() >> 24 & 1 == 1;
    if may {
        assert_eq!(score("-1000").ok(), "-1000\n");
    } else {
        let (line, hint) = refused(&score("-1000"));
        assert_eq!(line, "write -1000 to oom_score_adj: Permission denied");
        assert!(hint.contains("CAP_SYS_RESOURCE"), "{hint}");
    }
    for wrong in ["1001", "-1001", "5k"] {
        assert_eq!(refused(&score(wrong)).0, format!("--oom-score-adj {wrong} is out of range"));
    }
}

// Block io.

/// A disk that can be read past all caches: the file or device to read, its numbers.
struct Disk {
    file: PathBuf,
    numbers: String,
    device: Option<String>,
    _dir: tempfile::TempDir,
}

impl Disk {
    /// A file on a disk here, a loop device in a virtual machine.
    fn new(t: &Test) -> Option<Disk> {
        let place = if Ring::here() == Ring::Host { env!("CARGO_TARGET_TMPDIR") } else { "/dev/shm" };
        let dir = tempfile::tempdir_in(place).unwrap();
        let file = dir.path().join("disk");
        std::fs::write(&file, vec![b'x'; 8 << 20]).unwrap();
        std::fs::File::open(&file).unwrap().sync_all().unwrap();
        if Ring::here() == Ring::Host {
            use std::os::unix::fs::MetadataExt;
            let id = std::fs::metadata(&file).unwrap().dev();
            let (major, minor) = (nix::sys::stat::major(id), nix::sys::stat::minor(id));
            let whole = PathBuf::from(format!("/sys/dev/block/{major}:{minor}"));
            let plain = whole.exists() && !whole.join("partition").exists();
            t.belongs(plain, "files that are on a whole disk").then_some(())?;
            return Some(Disk { file, numbers: format!("{major}:{minor}"), device: None, _dir: dir });
        }
        let _ = t.program("busybox").args(["modprobe", "loop"]).run();
        let made = t.program("losetup").args(["-f", "--show"]).arg(&file).run();
        t.needs(made.code == Some(0), "loop devices").then_some(())?;
        let device = made.text().trim().to_string();
        let name = device.rsplit('/').next().unwrap();
        let numbers = read(format!("/sys/block/{name}/dev").into());
        Some(Disk { file: device.clone().into(), numbers, device: Some(device), _dir: dir })
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        if let Some(device) = &self.device {
            std::process::Command::new("losetup").args(["-d", device]).status().unwrap();
        }
    }
}

#[test]
fn a_disk_gives_no_more_than_was_said() {
    let t = rings!(Host, Uml);
    let Some(parent) = Parent::new(&t, &[io()]) else { return };
    let Some(disk) = Disk::new(&t) else { return };
    let name = disk.file.to_str().unwrap();
    let took = |option: &str, rate: &str, words: &[&str]| {
        let run = limited(&t, &parent).arg(format!("--device-{option}={name}:{rate}"));
        let begin = Instant::now();
        run.arg("dd").args(words).arg("status=none").run().ok();
        begin.elapsed().as_secs_f64()
    };
    let (from, to) = (format!("if={name}"), format!("of={name}"));
    let bytes: &[&str] = &[&from, "of=/dev/null", "bs=256k", "count=16", "iflag=direct"];
    let reads: &[&str] = &[&from, "of=/dev/null", "bs=4k", "count=20", "iflag=direct"];
    let writes: &[&str] = &["if=/dev/zero", &to, "bs=256k", "count=16", "oflag=direct", "conv=notrunc"];
    let few: &[&str] = &["if=/dev/zero", &to, "bs=4k", "count=20", "oflag=direct", "conv=notrunc"];
    // Four mebibytes at two in a second, and twenty operations at ten: pitfall 2 is that "2M" were two bytes.
    for (option, rate, words) in [
        ("read-bps", "2M", bytes),
        ("write-bps", "2M", writes),
        ("read-iops", "10", reads),
        ("write-iops", "10", few),
    ] {
        let seconds = took(option, rate, words);
        assert!((1.5..20.0).contains(&seconds), "{option}: {seconds}");
        let seconds = took(option, "max", words);
        assert!(seconds < 1.5 || Ring::here() != Ring::Host, "{option} without: {seconds}");
    }
}

/// Pitfalls 2 and 18: numbers are written without units, and each device in a write of its own.
#[test]
fn limits_of_a_device_are_numbers_behind_its_numbers() {
    let t = rings!(Host, Uml);
    let Some(parent) = Parent::new(&t, &[io()]) else { return };
    let Some(disk) = Disk::new(&t) else { return };
    let Disk { file, numbers, .. } = &disk;
    let name = file.to_str().unwrap();
    let options = format!(
        "--device-read-bps {name}:1M --device-write-bps {numbers}:1.5M --device-read-iops {name}:100 \
         --device-write-iops {name}:4294967294 --device-read-bps {numbers}:4M"
    );
    let v2 = hierarchy(io()).v2;
    let line = |what: &str| format!("{numbers} {what}");
    let all = match v2 {
        true => vec![("io.max", line("rbps=4194304 wbps=1572864 riops=100 wiops=4294967294"))],
        false => vec![
            ("blkio.throttle.read_bps_device", line("4194304")),
            ("blkio.throttle.write_bps_device", line("1572864")),
            ("blkio.throttle.read_iops_device", line("100")),
            ("blkio.throttle.write_iops_device", line("4294967294")),
        ],
    };
    let facts: Vec<(&str, &str, &str)> = all.iter().map(|(file, line)| (io(), *file, &line[..])).collect();
    assert_files(&t, &parent, &options, &facts);
    // One of them is changed and the others stay; one that cannot be leaves all as they were.
    enable(&parent, io());
    let used = group(io(), &parent.sub("used"));
    let held = || {
        let files: Vec<&str> = all.iter().map(|(file, _)| *file).collect();
        files.iter().map(|file| read(parent.dir(io()).join("used").join(file))).collect::<Vec<_>>()
    };
    update(&used, "io", &options).unwrap();
    update(&used, "io", &format!("--device-read-iops {name}:200")).unwrap();
    let changed: Vec<String> = all.iter().map(|(_, line)| line.replace("100", "200")).collect();
    assert_eq!(held(), changed);
    let line = format!("--device-read-iops {name}:300 --set {}.nosuch=1", io());
    let mut settings = limits(&line).settings("io", used.version).unwrap();
    settings.extend(limits(&line).settings("blkio", used.version).unwrap());
    set::update(&used, &settings).unwrap_err();
    assert_eq!(held(), changed);
    update(&used, "io", &format!("--device-read-iops {name}:max")).unwrap();
    assert!(!held().join(" ").contains("iops=200") && !held().contains(&format!("{numbers} 200")));
    parent.remove_sub("used");
}

#[test]
fn what_is_no_disk_is_named() {
    let t = rings!(Host, Uml);
    let Some(parent) = Parent::new(&t, &[io()]) else { return };
    for (device, expected) in [
        ("/dev/null", "stat device /dev/null (controller io): Block device required"),
        ("/nonexistent", "stat device /nonexistent (controller io): No such file or directory"),
        ("/proc/self/stat", "/proc/self/stat is on no block device of its own"),
        ("4095:5", "there is no block device 4095:5"),
    ] {
        let run = limited(&t, &parent).args(["--device-read-bps", &format!("{device}:1M"), "true"]).run();
        assert_eq!(refused(&run).0, expected);
    }
    // Pitfall 2: what the kernel would take for another number.
    for (option, value) in [
        ("device-read-iops", "8:0:4294967296"),
        ("device-write-iops", "8:0:4M"),
        ("device-read-bps", "8:0:1.5"),
        ("device-write-bps", "8:0"),
    ] {
        let run = limited(&t, &parent).args([&format!("--{option}={value}"), "true"]).run();
        assert_eq!(refused(&run).0, format!("--{option} {value} is out of range (controller io)"));
    }
}

#[test]
fn a_weight_of_block_io_is_told_to_who_goes_by_it() {
    let t = rings!(Host, Uml, Qemu);
    let Some(parent) = Parent::new(&t, &[io()]) else { return };
    let there: Vec<&str> = match hierarchy(io()).v2 {
        true => vec!["io.bfq.weight", "io.weight"],
        false => vec!["blkio.bfq.weight"],
    };
    let file = there.into_iter().find(|file| has(&parent, io(), file));
    if !t.belongs(file.is_some(), "a kernel with weights of block io") {
        return;
    }
    let file = file.unwrap();
    for (weight, value) in [("10", "default 1"), ("100", "default 910"), ("1000", "default 10000")] {
        let run = limited(&t, &parent).args(["--io-weight", weight]);
        let held = run.args(["sh", "-c", "echo ready; exec sleep 1000"]).hold();
        let said = read(only_group(&parent, io()).join(file));
        match file {
            "io.weight" => assert_eq!(said, value),
            _ => assert_eq!(said.trim_start_matches("default "), weight),
        }
        end(held);
    }
}

// Files that have no option.

/// Pitfall 18: a file that is not there is said to be not there, and why.
#[test]
fn files_are_set_as_they_are_after_all_else() {
    let t = rings!(Host, Uml);
    let Some(parent) = Parent::new(&t, &["pids", "cpu"]) else { return };
    assert_files(&t, &parent, "--set pids.max=7 --pids-limit 5", &[("pids", "pids.max", "7")]);
    let (line, hint) = refused(&limited(&t, &parent).args(["--set", "pids.nosuch=7", "true"]).run());
    assert!(line.starts_with("open ") && line.ends_with("No such file or directory"), "{line}");
    assert!(hint.starts_with("this kernel does not have this limit"), "{hint}");
    for (text, why) in [
        ("cgroup.procs=1", "files of the group itself are not limits"),
        ("../pids.max=5", "no file of a controller is called so"),
        ("pids.max", "there is no = in it"),
        ("pids.max=", "the value is empty"),
        ("freezer.state=FROZEN", "a program that is born frozen never begins"),
    ] {
        let run = limited(&t, &parent).args(["--set", text, "true"]).run();
        assert_eq!(refused(&run).0, format!("--set {text}: {why}"));
    }
    let (line, _) = refused(&limited(&t, &parent).args(["--set", "nosuch.max=7", "true"]).run());
    assert_eq!(line, "this machine has no controller nosuch");
    // Where the group above does not hand the controller on.
    if hierarchy("cpu").v2 {
        std::fs::write(parent.dir("cpu").join("cgroup.subtree_control"), "-pids -cpu").unwrap();
        let used = group("cpu", &parent.sub("used"));
        let error = update(&used, "cpu", "--cpu-quota 20%").unwrap_err();
        let file = format!("{}/cgroup.subtree_control", parent.dir("cpu").display());
        assert_eq!(error.hint().unwrap(), format!("controller cpu is not enabled in {file}"));
        parent.remove_sub("used");
    }
}

#[test]
fn as_far_as_it_goes_the_rest_is_set() {
    let t = rings!(Host, Uml);
    let Some(parent) = Parent::new(&t, &["pids"]) else { return };
    enable(&parent, "pids");
    let used = group("pids", &parent.sub("used"));
    let wanted = limits("--set pids.nosuch=1 --pids-limit 5").settings("pids", used.version).unwrap();
    let failures = set::set_as_far(&used, &wanted);
    assert_eq!(failures.len(), 1);
    assert!(failures[0].to_string().contains("pids.nosuch (controller pids)"), "{}", failures[0]);
    assert_eq!(read(parent.dir("pids").join("used/pids.max")), "5");
    // And in one that is in use; there all or nothing is the rule.
    set::update(&used, &limits("--pids-limit 6 --set pids.nosuch=1").settings("pids", used.version).unwrap())
        .unwrap_err();
    assert_eq!(read(parent.dir("pids").join("used/pids.max")), "5");
    parent.remove_sub("used");
}

// What nsinfo says of them.

/// The limits that a group below this one has by itself: files and values.
fn listed(t: &Test, parent: &Parent, options: &str) -> Vec<String> {
    let run = limited(t, parent).args(options.split(' ')).arg(crate::harness::tool_path("nsinfo"));
    let said = crate::harness::world(&run.arg("--json").run().ok());
    let groups = said["cgroup"]["groups"].as_array().unwrap();
    let limits = groups.iter().flat_map(|group| group["limits"].as_array().cloned().unwrap_or_default());
    let own =
        limits.filter(|limit| limit["set_by"].as_str().unwrap().contains(&format!("/{}/", parent.name)));
    let mut lines: Vec<String> = own
        .map(|own| format!("{} {}", own["file"].as_str().unwrap(), own["value"].as_str().unwrap()))
        .collect();
    lines.sort();
    lines
}

#[test]
fn limits_are_listed_and_what_limits_nothing_is_not() {
    let t = rings!(Host, Uml);
    let Some(parent) = Parent::new(&t, &["cpu", "memory", "pids", io()]) else { return };
    let v2 = hierarchy("cpu").v2;
    // What every group has anyway.
    let none = "--cpu-quota max --cpu-period 50000 --cpu-weight 100 -m max --pids-limit max";
    assert_eq!(listed(&t, &parent, none), [""; 0]);
    if v2 {
        assert_eq!(listed(&t, &parent, "--memory-low 0 --memory-high max"), [""; 0]);
    }
    let some = "--cpu-quota 90% --cpu-weight 39 -m 512M --memory-reservation 256M --pids-limit 50";
    let expected = match v2 {
        true => vec![
            "cpu.max 90000 100000",
            "cpu.weight 39",
            "memory.low 268435456",
            "memory.max 536870912",
            "pids.max 50",
        ],
        false => vec![
            "cpu.cfs_period_us 100000",
            "cpu.cfs_quota_us 90000",
            "cpu.shares 305",
            "memory.limit_in_bytes 536870912",
            "memory.soft_limit_in_bytes 268435456",
            "pids.max 50",
        ],
    };
    assert_eq!(listed(&t, &parent, some), expected);
    let Some(disk) = Disk::new(&t) else { return };
    let Disk { file, numbers, .. } = &disk;
    let rates = format!("--device-read-bps {}:64M --device-write-bps {numbers}:32M", file.display());
    let expected = match v2 {
        true => vec![format!("io.max {numbers} rbps=67108864 wbps=33554432 riops=max wiops=max")],
        false => vec![
            format!("blkio.throttle.read_bps_device {numbers} 67108864"),
            format!("blkio.throttle.write_bps_device {numbers} 33554432"),
        ],
    };
    assert_eq!(listed(&t, &parent, &rates), expected);
}

#[test]
fn cpus_are_listed_where_they_are_fewer_than_those_of_the_group_above() {
    let t = rings!(Host, Qemu);
    let Some(parent) = Parent::new(&t, &["cpuset"]) else { return };
    if !t.needs(read("/sys/devices/system/cpu/online".into()) != "0", "two CPUs") {
        return;
    }
    assert_eq!(listed(&t, &parent, "--cpuset-cpus 1"), ["cpuset.cpus 1"]);
    let nodes = listed(&t, &parent, "--cpuset-mems 0");
    match hierarchy("cpuset").v2 {
        // Given is given there; without it the file is empty.
        true => assert_eq!(nodes, ["cpuset.mems 0"]),
        false => assert_eq!(nodes, [""; 0]),
    }
}
