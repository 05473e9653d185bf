//! What rcgexec says that a program used, beside what is measured otherwise.

use std::path::PathBuf;

use serde_json::Value;

use super::{Parent, find, group_code, hierarchies, hierarchy, limited, rcgexec};
use crate::harness::{Output, Ring, Test, bytes};

/// All that is counted by a controller.
const COUNTING: &[&str] = &["cpu", "cpuacct", "memory", "pids", "blkio", "io"];

/// A parent in every hierarchy that a report is made of; skips the test where there is none of one.
fn counting(t: &Test, needed: &[&str]) -> Option<Parent> {
    for name in needed {
        if !t.needs(find(name).is_some(), &format!("controller {name}")) {
            return None;
        }
    }
    let of_v2 = hierarchies().into_iter().find(|hierarchy| hierarchy.v2);
    let all = COUNTING.iter().filter_map(|name| find(name)).chain(of_v2);
    Some(Parent::below(all.map(|hierarchy| hierarchy.point).collect()))
}

/// A folder for what a test writes.
fn folder() -> tempfile::TempDir {
    tempfile::Builder::new().prefix("nskit-test").tempdir().unwrap()
}

/// Runs a program and answers what it printed, its status, and the report as JSON, which went to a file.
#[track_caller]
fn reported(t: &Test, parent: &Parent, options: &[&str], program: &[&str]) -> (Output, Value) {
    let dir = folder();
    let file = dir.path().join("report");
    let to = format!("--summary={}", file.display());
    let output = limited(t, parent).args([&to[..], "--json"]).args(options).args(program).run();
    let text = std::fs::read_to_string(&file).unwrap();
    let report = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {text}\n{output:?}"));
    (output, report)
}

/// The same for people, on standard error.
fn said(t: &Test, parent: &Parent, options: &[&str], program: &[&str]) -> Output {
    limited(t, parent).arg("--summary").args(options).args(program).run()
}

/// What a report for people says of a thing, in one line.
fn line(text: &str, of: &str) -> String {
    let mut lines = text.lines().skip_while(|line| !line.starts_with(&format!("{of} ")));
    let first = lines.next().unwrap_or_else(|| panic!("no line for {of}: {text}"))[of.len()..].trim();
    let more = lines.take_while(|line| line.starts_with("           ")).map(str::trim);
    std::iter::once(first).chain(more).collect::<Vec<_>>().join(" ")
}

fn number(report: &Value, key: &str) -> f64 {
    report[key].as_f64().unwrap_or_else(|| panic!("{key}: {report}"))
}

/// Shell code that keeps a CPU busy until the shell itself has used so many hundredths of a second.
fn busy(hundredths: u32) -> String {
    let used = "read -r stat </proc/self/stat; set -- $stat; [ $((${14} + ${15}))";
    format!("while {used} -lt {hundredths} ]; do i=0; while [ $i -lt 500 ]; do i=$((i + 1)); done; done")
}

/// So many seconds more it may take to start programs where each instruction is emulated.
fn emulated() -> f64 {
    if Ring::here() == Ring::Host { 0.0 } else { 1.0 }
}

#[test]
fn cpu_time_is_what_the_program_measures_itself() {
    let t = rings!(Host, Uml, Qemu);
    let Some(parent) = counting(&t, &["cpu"]) else { return };
    let (output, report) = reported(&t, &parent, &["--cpus", "2"], &["sh", "-c", &busy(100)]);
    output.ok();
    let [cpu, user, system, wall] = ["cpu_seconds", "cpu_user_seconds", "cpu_system_seconds", "wall_seconds"]
        .map(|key| number(&report, key));
    assert!((0.9..1.1 + emulated()).contains(&(user + system)), "{report}");
    assert!((user + system - cpu).abs() < 0.02, "{report}");
    assert!(
        wall >= cpu * 0.95 && (number(&report, "cpu_percent") - cpu * 100.0 / wall).abs() < 1.0,
        "{report}"
    );
    assert_eq!(
        (&report["program"], &report["status"], &report["signal"]),
        (&"sh".into(), &0.into(), &Value::Null)
    );
}

#[test]
fn children_that_became_daemons_are_counted() {
    let t = rings!(Host, Uml, Qemu);
    let Some(parent) = counting(&t, &["cpu"]) else { return };
    let dir = folder();
    let done = dir.path().join("done");
    nix::unistd::mkfifo(&done, nix::sys::stat::Mode::S_IRWXU).unwrap();
    // It has another session and another parent, and outlives the program, which uses next to nothing.
    let daemon = format!("{}; echo >{}; exec sleep 1000", busy(50), done.display());
    let script = "(setsid sh -c \"$1\" </dev/null >/dev/null 2>&1 &); read -r line <\"$2\"";
    let program = ["sh", "-c", script, "sh", &daemon, done.to_str().unwrap()];
    let (output, report) = reported(&t, &parent, &["--cpus", "2"], &program);
    output.ok();
    let cpu = number(&report, "cpu_user_seconds") + number(&report, "cpu_system_seconds");
    assert!((0.45..0.75 + emulated()).contains(&cpu), "{report}");
    t.assert_nothing_left();
}

#[test]
fn throttled_periods_and_time_are_told() {
    let t = rings!(Host, Uml, Qemu);
    let Some(parent) = counting(&t, &["cpu"]) else { return };
    let script = format!("{} group cpu; {}; cat $g/cpu.stat", group_code(), busy(20));
    let (output, report) = reported(&t, &parent, &["--cpu-quota", "20000"], &["sh", "-c", &script]);
    let stat = output.ok();
    let own = |key: &str| {
        let value = stat.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' '));
        value.map(|number| number.parse::<f64>().unwrap())
    };
    let [periods, times, time, share] =
        ["cpu_periods", "cpu_throttled_periods", "cpu_throttled_seconds", "cpu_throttled_percent"]
            .map(|key| number(&report, key));
    let [cpu, wall] = ["cpu_seconds", "wall_seconds"].map(|key| number(&report, key));
    // A fifth of each period for two tenths of a second: it runs in ten or so.
    assert!(periods >= 7.0 && (periods * 0.5..=periods).contains(&times), "{report}");
    assert!((share - times * 100.0 / periods).abs() < 0.1, "{report}");
    // What the program saw at its end, and the little that came after; less than all that it did not run.
    for (number, key) in [(periods, "nr_periods"), (times, "nr_throttled")] {
        assert!((0.0..=3.0).contains(&(number - own(key).unwrap())), "{key}: {stat}{report}");
    }
    let seen = own("throttled_usec").map_or_else(|| own("throttled_time").unwrap() / 1e9, |time| time / 1e6);
    assert!(time > 0.0 && (-1e-5..0.3).contains(&(time - seen)), "{stat}{report}");
    assert!(time <= wall - cpu + 0.1, "{report}");
    let text = said(&t, &parent, &["--cpu-quota", "20000"], &["sh", "-c", &busy(10)]).errors();
    assert!(line(&text, "throttled").contains(" periods ("), "{text}");
    let text = said(&t, &parent, &["--cpu-quota", "max"], &["true"]).errors();
    assert_eq!(line(&text, "throttled"), "never");
}

#[test]
fn the_peak_of_memory_is_what_a_program_has_touched() {
    let t = rings!(Host, Uml, Qemu);
    let Some(parent) = counting(&t, &["memory"]) else { return };
    let touch = ["dd", "if=/dev/zero", "of=/dev/null", "bs=50M", "count=1", "status=none"];
    let (output, report) = reported(&t, &parent, &["-m", "200M"], &touch);
    output.ok();
    assert_eq!(report["memory_limit_bytes"], 200 << 20);
    let text = said(&t, &parent, &["-m", "200M"], &touch).errors();
    if !hierarchy("memory").v2 || parent.dir("memory").join("memory.peak").exists() {
        let peak = number(&report, "memory_peak_bytes") / f64::from(1 << 20);
        assert!((50.0..60.0).contains(&peak), "{report}");
        assert!(line(&text, "memory").starts_with("peak 5"), "{text}");
        assert!(line(&text, "memory").contains(" MiB of 200 MiB"), "{text}");
    } else {
        assert_eq!(report["memory_peak_bytes"], Value::Null);
        assert!(line(&text, "memory").starts_with("peak n/a of 200 MiB"), "{text}");
    }
    assert_eq!((&report["oom_kills"], &report["oom_killed"]), (&0.into(), &false.into()));
}

/// A program that takes more memory than it is given.
const GREEDY: [&str; 6] = ["dd", "if=/dev/zero", "of=/dev/null", "bs=200M", "count=1", "status=none"];

#[test]
fn a_program_that_was_killed_for_want_of_memory_is_told_in_so_many_words() {
    let t = rings!(Host, Uml, Qemu);
    let Some(parent) = counting(&t, &["memory"]) else { return };
    const WORDS: &str = "the kernel killed 1 process because the memory limit of 16 MiB was reached";
    let (output, report) = reported(&t, &parent, &["-m", "16M"], &GREEDY);
    assert_eq!((output.code, output.errors()), (Some(137), format!("rcgexec: {WORDS}\n")));
    let told = ["oom_killed", "oom_kills", "oom_by_own_limit", "signal", "signal_name", "status"];
    let expected: [Value; 6] = [true.into(), 1.into(), true.into(), 9.into(), "KILL".into(), 137.into()];
    assert_eq!(told.map(|key| report[key].clone()), expected);
    assert!(number(&report, "memory_limit_hits") > 0.0, "{report}");
    let text = said(&t, &parent, &["-m", "16M"], &GREEDY).errors();
    assert_eq!(line(&text, "oom"), WORDS);
    assert!(text.contains("rcgexec: dd was killed by signal 9 (KILL) after "), "{text}");
    // Where a shell lives on, the report tells it all the same.
    let script = format!("{}; exit 3", GREEDY.join(" "));
    let (output, report) = reported(&t, &parent, &["-m", "16M"], &["sh", "-c", &script]);
    assert_eq!(output.code, Some(3));
    assert_eq!((&report["oom_kills"], &report["oom_killed"]), (&1.into(), &false.into()));
}

#[test]
fn pitfall_11_a_program_that_somebody_killed_did_not_want_for_memory() {
    let t = rings!(Host, Uml, Qemu);
    let Some(parent) = counting(&t, &["memory"]) else { return };
    let program = ["sh", "-c", "kill -KILL $$"];
    let (output, report) = reported(&t, &parent, &["-m", "64M"], &program);
    assert_eq!((output.code, output.errors().as_str()), (Some(137), ""));
    assert_eq!((&report["oom_kills"], &report["oom_killed"]), (&0.into(), &false.into()));
    let text = said(&t, &parent, &["-m", "64M"], &program).errors();
    assert_eq!(line(&text, "oom"), "none: it was killed by SIGKILL, but not for want of memory");
}

#[test]
fn pitfalls_11_and_23_what_groups_below_count_for_themselves_is_added() {
    let t = rings!(Host, Uml, Qemu);
    let Some(parent) = counting(&t, &["memory", "pids"]) else { return };
    // On version 1 the one who is killed, and the fork that fails, are counted where they are.
    let greedy = GREEDY.join(" ");
    let inside = |dir: &str, what: &str| {
        format!("mkdir $g/{dir}; (sh -c 'echo $PPID' >$g/{dir}/cgroup.procs; {what})")
    };
    let script = format!("{} group memory; {}; exit 3", group_code(), inside("a", &format!("{greedy}; :")));
    let (output, report) = reported(&t, &parent, &["-m", "16M"], &["sh", "-c", &script]);
    assert_eq!(output.code, Some(3), "{output:?}");
    assert_eq!((&report["oom_kills"], &report["oom_by_own_limit"]), (&1.into(), &true.into()), "{report}");

    let script = format!("{} group pids; {}; exit 4", group_code(), inside("b", "perl -e \"$0\"; :"));
    let (output, report) = reported(&t, &parent, &["--pids-limit", "6"], &["sh", "-c", &script, FORKS]);
    assert_eq!(output.code, Some(4), "{output:?}");
    // Two shells, perl and three of its children are six.
    assert_eq!(output.text(), "6");
    assert_eq!((&report["failed_forks"], &report["pids_limit"]), (&6.into(), &6.into()), "{report}");
    parent.assert_bare();
    t.assert_nothing_left();
}

/// Forks nine times and says how many of these failed.
const FORKS: &str = "my $n = 0; \
    for (1..9) { my $p = fork; if (!defined $p) { $n++ } elsif (!$p) { sleep 60; exit } } \
    print $n";

#[test]
fn forks_that_fail_are_counted_until_the_program_ends() {
    let t = rings!(Host, Uml, Qemu);
    let Some(parent) = counting(&t, &["pids"]) else { return };
    let (output, report) = reported(&t, &parent, &["--pids-limit", "4"], &["perl", "-e", FORKS]);
    assert_eq!(output.ok(), "6");
    assert_eq!((&report["failed_forks"], &report["pids_limit"]), (&6.into(), &4.into()));
    let peak = parent.dir("pids").join("pids.peak").exists().then_some(4);
    assert_eq!(report["pids_peak"].as_u64(), peak);
    let text = said(&t, &parent, &["--pids-limit", "4"], &["perl", "-e", FORKS]).errors();
    let peak = peak.map_or("n/a".into(), |peak| peak.to_string());
    assert_eq!(line(&text, "pids"), format!("peak {peak} of 4; 6 forks failed"));
}

#[test]
fn bytes_and_requests_of_io_are_those_that_were_made() {
    let t = rings!(Host);
    let Some(parent) = counting(&t, &["blkio"]) else { return };
    // A device is counted on version 1 once somebody has limited it, by recent kernels.
    let dir = tempfile::Builder::new().prefix("nskit-test").tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let device = std::os::unix::fs::MetadataExt::dev(&std::fs::metadata(dir.path()).unwrap());
    let device = format!("{}:{}", nix::sys::stat::major(device), nix::sys::stat::minor(device));
    let file = parent.dir("blkio").join("blkio.throttle.read_bps_device");
    if std::fs::write(&file, format!("{device} 1000000000")).is_err() {
        // The project is not on a whole disk, and of another it is not known what it does.
        let (_, report) = reported(&t, &parent, &["--pids-limit", "9"], &["true"]);
        assert!(report["io_read_bytes"].is_null() || report["io_read_bytes"].is_u64(), "{report}");
        return;
    }
    let dd = "dd if=/dev/zero of=$0/x bs=64k count=32 oflag=direct conv=notrunc status=none; \
        dd if=$0/x of=/dev/null bs=64k count=16 iflag=direct status=none";
    let program = ["sh", "-c", dd, dir.path().to_str().unwrap()];
    let (output, report) = reported(&t, &parent, &["--pids-limit", "9"], &program);
    output.ok();
    let numbers = ["io_read_bytes", "io_read_operations", "io_written_bytes", "io_write_operations"]
        .map(|key| number(&report, key));
    // What the file system reads and writes for itself comes on top.
    let expected = [f64::from(1 << 20), 16.0, f64::from(2 << 20), 32.0];
    for (number, expected) in numbers.into_iter().zip(expected) {
        assert!((expected..expected * 1.5).contains(&number), "{expected}: {report}");
    }
    let text = said(&t, &parent, &["--pids-limit", "9"], &program).errors();
    let said = line(&text, "io");
    assert!(
        said.starts_with("read 1") && said.contains(" MiB in ") && said.contains(" requests, wrote 2"),
        "{text}"
    );
}

#[test]
fn pitfall_21_what_this_kernel_does_not_count_is_null_and_the_rest_is_not() {
    let t = rings!(Host, Uml, Qemu);
    let Some(parent) = counting(&t, &["cpu", "memory", "pids"]) else { return };
    let v2 = hierarchies().into_iter().find(|hierarchy| hierarchy.v2).map(|v2| v2.point.join(&parent.name));
    let of = |controller: &str| parent.dir(controller);
    let v1 = |controller: &str| !hierarchy(controller).v2;
    // Where the number is: the file, and a word that must stand in it.
    let file = |dir: PathBuf, one: &str, two: &str, controller: &str, word: &'static str| {
        Some((dir.join(if v1(controller) { one } else { two }), word))
    };
    let pressure = |name: &str, word| v2.as_ref().map(|dir| (dir.join(name), word));
    #[rustfmt::skip]
    let cases = [
        ("cpu_periods", file(of("cpu"), "cpu.stat", "cpu.stat", "cpu", "nr_periods")),
        ("cpu_bursts", file(of("cpu"), "cpu.stat", "cpu.stat", "cpu", "nr_bursts")),
        ("memory_bytes", file(of("memory"), "memory.usage_in_bytes", "memory.current", "memory", "")),
        ("memory_peak_bytes", file(of("memory"), "memory.max_usage_in_bytes", "memory.peak", "memory", "")),
        ("swap_peak_bytes", file(of("memory"), "-", "memory.swap.peak", "memory", "")),
        ("memory_high_hits", file(of("memory"), "-", "memory.events", "memory", "high")),
        ("oom_kills", file(of("memory"), "memory.oom_control", "memory.events", "memory", "oom_kill ")),
        ("oom_group_kills", file(of("memory"), "-", "memory.events", "memory", "oom_group_kill")),
        ("pids_peak", file(of("pids"), "pids.peak", "pids.peak", "pids", "")),
        ("failed_forks", file(of("pids"), "pids.events", "pids.events", "pids", "max")),
        ("pressure_cpu_some_seconds", pressure("cpu.pressure", "some")),
        ("pressure_cpu_full_seconds", pressure("cpu.pressure", "full")),
        ("pressure_memory_some_seconds", pressure("memory.pressure", "some")),
        ("pressure_memory_full_seconds", pressure("memory.pressure", "full")),
        ("pressure_io_full_seconds", pressure("io.pressure", "full")),
    ];
    // The files of the parent are those of a group below it, and on version 2 it hands them on.
    let (output, report) =
        reported(&t, &parent, &["--cpus", "1", "-m", "64M", "--pids-limit", "9"], &["true"]);
    output.ok();
    for (key, place) in cases {
        let says = |(file, word): (PathBuf, &str)| {
            std::fs::read_to_string(file).is_ok_and(|text| text.contains(word))
        };
        assert_eq!(report[key].is_number(), place.is_some_and(says), "{key}: {report}");
    }
    for key in ["cpu_seconds", "cpu_user_seconds", "cpu_system_seconds", "wall_seconds", "cpu_percent"] {
        assert!(report[key].is_number(), "{key}: {report}");
    }
}

#[test]
fn pressure_is_told_where_the_kernel_measures_it() {
    let t = rings!(Host, Qemu);
    let Some(parent) = counting(&t, &["cpu"]) else { return };
    let v2 = hierarchies().into_iter().find(|hierarchy| hierarchy.v2).map(|v2| v2.point.join(&parent.name));
    if !t.needs(v2.is_some_and(|dir| std::fs::read(dir.join("cpu.pressure")).is_ok()), "PSI of groups") {
        return;
    }
    // Two that want one CPU at once: one of them waits while the other runs.
    let both = format!("sh -c '{}' & {}; wait", busy(30), busy(30));
    let (output, report) = reported(&t, &parent, &["--cpu-quota", "50000"], &["sh", "-c", &both]);
    output.ok();
    let [some, wall] = ["pressure_cpu_some_seconds", "wall_seconds"].map(|key| number(&report, key));
    assert!(some > 0.1 && some <= wall + 0.1, "{report}");
}

// Where it goes.

#[test]
fn a_report_goes_to_standard_error_unless_it_is_told_otherwise() {
    let t = rings!(Host, Uml, Qemu);
    let Some(parent) = counting(&t, &["pids"]) else { return };
    let script = "echo out; echo err >&2; exit 7";
    let output = said(&t, &parent, &["--pids-limit", "9"], &["sh", "-c", script]);
    assert_eq!((output.code, output.text().as_str()), (Some(7), "out\n"));
    let errors = output.errors();
    assert!(errors.starts_with("err\nrcgexec: sh ended with status 7 after "), "{errors}");
    assert!(errors.is_ascii() && errors.lines().all(|line| line.len() <= 80), "{errors}");
    // JSON alone goes there too.
    let output = limited(&t, &parent).args(["--json", "--pids-limit", "9", "true"]).run();
    let report: Value = serde_json::from_str(&output.errors()).unwrap();
    assert_eq!((output.code, &report["status"]), (Some(0), &0.into()));
    // A terminal is as wide as it says.
    let text = limited(&t, &parent).args(["--summary", "--pids-limit", "9", "true"]).run_in_terminal(40);
    assert!(text.lines().count() > 8 && text.lines().all(|line| line.len() <= 40), "{text}");
}

#[test]
fn a_file_gets_the_report_and_the_program_does_not_get_the_file() {
    let t = rings!(Host, Uml, Qemu);
    let Some(parent) = counting(&t, &["pids"]) else { return };
    let dir = folder();
    let file = dir.path().join("a report\n");
    std::fs::write(&file, "x".repeat(10_000)).unwrap();
    let to = [b"--summary=", std::os::unix::ffi::OsStrExt::as_bytes(file.as_os_str())].concat();
    // When the program runs the file is there already, and empty.
    let script = "[ -s \"$0\" ] || echo empty; ls -l /proc/self/fd";
    let run = limited(&t, &parent).arg(bytes(&to)).args(["--pids-limit", "9", "sh", "-c", script]);
    let listed = run.arg(&file).run().ok();
    assert!(listed.starts_with("empty\n") && !listed.contains(dir.path().to_str().unwrap()), "{listed}");
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(text.starts_with("rcgexec: sh ended with status 0 after "), "{text}");
    assert!(text.lines().count() < 20, "{text}");
}

/// A line of a shell that gives us descriptors, run in place of a program.
fn by_shell(t: &Test, parent: &Parent, options: &str, rest: &str) -> Output {
    let line = format!("exec {} --parent {} --pids-limit 9 {options} {rest}", rcgexec(), parent.name);
    t.program("sh").args(["-c", &line]).run()
}

#[test]
fn a_descriptor_gets_the_report_and_the_program_keeps_its_own() {
    let t = rings!(Host, Uml, Qemu);
    let Some(parent) = counting(&t, &["pids"]) else { return };
    let dir = folder();
    let file = dir.path().join("report");
    let rest = format!("sh -c 'echo before >&7; ls -l /proc/self/fd' 7>{}", file.display());
    let listed = by_shell(&t, &parent, "--summary=fd:7", &rest).ok();
    let kept: Vec<&str> = listed.lines().filter(|line| line.ends_with(file.to_str().unwrap())).collect();
    assert!(kept.len() == 1 && kept[0].contains(" 7 -> "), "{listed}");
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(text.starts_with("before\nrcgexec: sh ended with status 0 after "), "{text}");
    let output = by_shell(&t, &parent, "--json --summary=fd:1", "echo it");
    let (first, json) = output.text().split_once('\n').map(|(a, b)| (a.to_string(), b.to_string())).unwrap();
    assert_eq!((output.code, &first[..], output.errors().as_str()), (Some(0), "it", ""));
    assert_eq!(serde_json::from_str::<Value>(&json).unwrap()["program"], "echo");
}

#[test]
fn where_no_report_can_be_written_nothing_is_run() {
    let t = rings!(Host, Uml, Qemu);
    let Some(parent) = counting(&t, &["pids"]) else { return };
    let dir = folder();
    let ran = dir.path().join("ran");
    let place = dir.path().display();
    let rest = |redirected: &str| format!("touch {} {redirected}", ran.display());
    std::fs::write(dir.path().join("file"), "").unwrap();
    // Those that we have open for ourselves, as descriptors of groups, are none that were given.
    let own = (3..12).map(|fd| (format!("fd:{fd}"), String::new()));
    let given = [(format!("fd:{}", i32::MAX), String::new()), ("fd:9".into(), format!("9<{place}/file"))];
    for (to, redirected) in own.chain(given) {
        let number = to.strip_prefix("fd:").unwrap();
        let output = by_shell(&t, &parent, &format!("--summary={to}"), &rest(&redirected));
        let what = format!("rcgexec: descriptor {number} was not given to us to be written to");
        let hint = output.fails(125, &what);
        assert_eq!(hint, format!("give one as a shell does by {number}>FILE at the end of the command"));
    }
    let files = [
        ("none/report", "No such file or directory"),
        ("file/report", "Not a directory"),
        ("", "Is a directory"),
    ];
    for (name, reason) in files {
        let output = by_shell(&t, &parent, &format!("--summary={place}/{name}"), &rest(""));
        output.fails(125, &format!("rcgexec: open {place}/{name}: {reason}"));
    }
    assert!(!ran.exists());
    parent.assert_bare();
}

#[test]
fn a_report_that_cannot_be_written_at_the_end_is_complained_of_and_the_status_stays() {
    let t = rings!(Host, Uml, Qemu);
    let Some(parent) = counting(&t, &["pids"]) else { return };
    let output = by_shell(&t, &parent, "--summary=/dev/full", "sh -c 'exit 7'");
    let complaint = "rcgexec: no report: write /dev/full: No space left on device\n";
    assert_eq!((output.code, output.errors().as_str()), (Some(7), complaint));
    // A pipe that nobody reads.
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let run = limited(&t, &parent).args(["--pids-limit", "9", "--summary=fd:1", "sh", "-c", "exit 7"]);
    let output = run.with(|command| _ = command.stdout(writer)).run();
    let complaint = "rcgexec: no report: write descriptor 1: Broken pipe\n";
    assert_eq!((output.code, output.signal, output.errors().as_str()), (Some(7), None, complaint));
    parent.assert_bare();
}
