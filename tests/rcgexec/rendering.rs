//! The report of rcgexec, of facts that are made up.

use std::time::Duration;

use common::cgroup::usage::{Pressure, Usage};
use common::launch::Ended;

use crate::tools::rcgexec::report::{Facts, human, json, members, oom_line, stat};

fn milli(number: u64) -> Option<Duration> {
    Some(Duration::from_millis(number))
}

fn full() -> Facts {
    let pressure = |some, full| Some(Pressure { some: Duration::from_millis(some), full: milli(full) });
    Facts {
        words: vec![b"./loop.sh".to_vec(), b"a b".to_vec()],
        ended: Some(Ended::Exited(0)),
        wall: Duration::from_millis(5020),
        usage: Usage {
            cpu: milli(1004),
            user: milli(900),
            system: milli(104),
            periods: Some(50),
            throttled_periods: Some(49),
            throttled: milli(4010),
            bursts: Some(0),
            memory: Some(4096),
            memory_peak: Some(12_900_000),
            memory_limit: Some(64 << 20),
            limit_hits: Some(0),
            oom_kills: Some(0),
            pids: Some(0),
            pids_peak: Some(4),
            pids_limit: Some(16),
            failed_forks: Some(3),
            read_bytes: Some(1 << 20),
            read_operations: Some(12),
            written_bytes: Some(0),
            write_operations: Some(1),
            cpu_pressure: pressure(4000, 3900),
            memory_pressure: pressure(0, 0),
            io_pressure: pressure(10, 0),
            ..Usage::default()
        },
        swap_is_as_it_was: true,
        ..Facts::default()
    }
}

/// What is said of one thing.
fn line(facts: &Facts, of: &str) -> String {
    let text = human(facts, 1000);
    let mut lines = text.lines().filter_map(|line| line.strip_prefix(of)?.strip_prefix(' '));
    lines.next().unwrap_or_default().trim_start().to_string()
}

#[test]
fn the_report_is_a_short_block_of_ascii() {
    let _t = rings!(Host, User);
    let expected = "\
rcgexec: ./loop.sh ended with status 0 after 5.02 s
cpu        20 % of one CPU: 1.00 s (user 0.900 s, system 0.104 s)
throttled  in 49 of 50 periods (98 %), for 4.01 s (80 % of 5.02 s)
memory     peak 12.3 MiB of 64 MiB; swap was left as it is
oom        none
pids       peak 4 of 16; 3 forks failed
io         read 1 MiB in 12 requests, wrote 0 B in 1 request
pressure   waited for cpu 4.00 s (all of it 3.90 s), memory 0 s, io 0.010 s
";
    assert_eq!(human(&full(), 80), expected);
    let narrow = "\
rcgexec: ./loop.sh ended with status 0
   after 5.02 s
cpu        20 % of one CPU: 1.00 s (user
           0.900 s, system 0.104 s)
throttled  in 49 of 50 periods (98 %),
           for 4.01 s (80 % of 5.02 s)
memory     peak 12.3 MiB of 64 MiB; swap
           was left as it is
oom        none
pids       peak 4 of 16; 3 forks failed
io         read 1 MiB in 12 requests,
           wrote 0 B in 1 request
pressure   waited for cpu 4.00 s (all of
           it 3.90 s), memory 0 s, io
           0.010 s
";
    assert_eq!(human(&full(), 40), narrow);
    // Where not even words have room each has a line of its own.
    assert!(human(&full(), 1).lines().count() > 50);
}

#[test]
fn pitfall_21_what_the_kernel_does_not_say_is_not_available() {
    let _t = rings!(Host, User);
    let facts = Facts { usage: Usage::default(), swap_is_as_it_was: false, ..full() };
    let expected = "\
rcgexec: ./loop.sh ended with status 0 after 5.02 s
cpu        n/a
throttled  n/a
memory     n/a
oom        n/a
pids       n/a
io         n/a
pressure   n/a
";
    assert_eq!(human(&facts, 80), expected);
    let mut part = full();
    part.usage.memory_peak = None;
    part.usage.pids_peak = None;
    part.usage.user = None;
    part.usage.read_operations = None;
    part.usage.io_pressure = None;
    assert_eq!(line(&part, "cpu"), "20 % of one CPU: 1.00 s (user and system n/a)");
    assert_eq!(line(&part, "memory"), "peak n/a of 64 MiB; swap was left as it is");
    assert_eq!(line(&part, "pids"), "peak n/a of 16; 3 forks failed");
    assert_eq!(line(&part, "io"), "read 1 MiB in n/a, wrote 0 B in 1 request");
    assert!(line(&part, "pressure").ends_with("memory 0 s, io n/a"));
    let read: serde_json::Value = serde_json::from_str(&json(&facts)).unwrap();
    let null = read.as_object().unwrap().iter().filter(|(_, value)| value.is_null());
    // Those of use, the share of CPU, the signal and its name, and the time limit.
    assert_eq!(null.count(), members(&facts.usage).len() + 4);
}

#[test]
fn ends_are_told_apart() {
    let _t = rings!(Host, User);
    let cases = [
        (Some(Ended::Exited(3)), None, "ended with status 3 after 5.02 s"),
        (Some(Ended::Killed(9)), None, "was killed by signal 9 (KILL) after 5.02 s"),
        (Some(Ended::Killed(33)), None, "was killed by signal 33 after 5.02 s"),
        (Some(Ended::Killed(15)), milli(500), "was ended after its time limit of 0.500 s"),
        (None, milli(5000), "was ended after its time limit of 5.00 s"),
        (None, None, "ended after 5.02 s"),
    ];
    for (ended, timed_out, expected) in cases {
        let text = human(&Facts { ended, timed_out, ..full() }, 80);
        assert_eq!(text.lines().next(), Some(&format!("rcgexec: ./loop.sh {expected}")[..]));
    }
}

#[test]
fn pitfall_11_killed_for_want_of_memory_and_killed_are_two_things() {
    let _t = rings!(Host, User);
    const BY_LIMIT: &str = "the kernel killed 1 process because the memory limit of 64 MiB was reached";
    const ELSEWHERE: &str = "the kernel killed 2 processes for want of memory, but not by this memory limit";
    // Kills, by our limit, ended by, time limit; what is said, and JSON's oom_killed.
    let kill = Some(Ended::Killed(9));
    let shell = Some(Ended::Exited(137));
    #[rustfmt::skip]
    let cases = [
        (Some(1), true, kill, None, BY_LIMIT, Some(true)),
        (Some(2), false, kill, None, ELSEWHERE, Some(true)),
        (Some(1), true, shell, None, BY_LIMIT, Some(false)),
        (Some(0), false, kill, None, "none: it was killed by SIGKILL, but not for want of memory", Some(false)),
        (Some(0), false, shell, None, "none", Some(false)),
        (Some(0), false, kill, milli(1), "none", Some(false)),
        (None, false, kill, None, "n/a: whether SIGKILL came for want of memory is not known", None),
        (None, false, shell, None, "n/a", Some(false)),
    ];
    for (oom_kills, own_limit_killed, ended, timed_out, expected, oom_killed) in cases {
        let mut facts = Facts { ended, timed_out, ..full() };
        facts.usage.oom_kills = oom_kills;
        facts.usage.own_limit_killed = own_limit_killed;
        assert_eq!(line(&facts, "oom"), expected);
        let told = oom_kills.is_some_and(|kills| kills > 0);
        assert_eq!(oom_line(&facts.usage), told.then(|| expected.to_string()));
        let read: serde_json::Value = serde_json::from_str(&json(&facts)).unwrap();
        assert_eq!(read["oom_killed"].as_bool(), oom_killed, "{expected}");
    }
    let whole = Usage { oom_kills: Some(3), oom_group_kills: Some(1), ..Usage::default() };
    assert!(oom_line(&whole).unwrap().ends_with(", and with it all others of its group"));
}

#[test]
fn json_has_every_number_with_its_unit() {
    let _t = rings!(Host, User);
    let mut facts = full();
    facts.notes.push("a \"note\"".into());
    let read: serde_json::Value = serde_json::from_str(&json(&facts)).unwrap();
    let expected = r#"{
        "program": "./loop.sh", "command": "./loop.sh a b", "command_b64": "Li9sb29wLnNoAGEgYg==",
        "status": 0, "signal": null, "signal_name": null, "timed_out": false, "time_limit_seconds": null,
        "oom_killed": false, "left_killed": false, "wall_seconds": 5.02, "cpu_percent": 20,
        "cpu_seconds": 1.004, "cpu_user_seconds": 0.9, "cpu_system_seconds": 0.104, "cpu_periods": 50,
        "cpu_throttled_periods": 49, "cpu_throttled_percent": 98, "cpu_throttled_seconds": 4.01,
        "cpu_bursts": 0, "memory_bytes": 4096, "memory_peak_bytes": 12900000,
        "memory_limit_bytes": 67108864, "memory_limit_hits": 0, "memory_high_hits": null,
        "swap_bytes": null, "swap_peak_bytes": null, "oom_kills": 0, "oom_group_kills": null,
        "oom_by_own_limit": null, "pids": 0, "pids_peak": 4, "pids_limit": 16, "failed_forks": 3,
        "io_read_bytes": 1048576, "io_read_operations": 12, "io_written_bytes": 0,
        "io_write_operations": 1, "pressure_cpu_some_seconds": 4, "pressure_cpu_full_seconds": 3.9,
        "pressure_memory_some_seconds": 0, "pressure_memory_full_seconds": 0,
        "pressure_io_some_seconds": 0.01, "pressure_io_full_seconds": 0, "swap_left_as_it_is": true,
        "notes": [{"text": "a \"note\""}]
    }"#;
    let expected: serde_json::Value = serde_json::from_str(expected).unwrap();
    assert_eq!(read, expected);
    let killed = Facts { ended: Some(Ended::Killed(9)), status: 137, ..full() };
    let read: serde_json::Value = serde_json::from_str(&json(&killed)).unwrap();
    assert_eq!(
        (&read["signal"], &read["signal_name"], &read["status"]),
        (&9.into(), &"KILL".into(), &137.into())
    );
}

#[test]
fn names_of_programs_are_any_bytes() {
    let _t = rings!(Host, User);
    let name = b"\x1b]0;x\x07\xff\n\xc3\xa9".to_vec();
    let facts = Facts { words: vec![name, vec![b'x'; 100]], ..full() };
    let text = human(&facts, 80);
    let first = text.lines().next().unwrap();
    assert_eq!(first, "rcgexec: \\x1b]0;x\\x07\\xff\\x0a\\xc3\\xa9 ended with status 0 after 5.02 s");
    let read: serde_json::Value = serde_json::from_str(&json(&facts)).unwrap();
    assert_eq!(read["program_b64"], "G10wO3gH/wrDqQ==");
    let long = Facts { words: vec![vec![b'\n'; 5000]], ..full() };
    let text = human(&long, 80);
    assert!(text.is_ascii() && text.lines().all(|line| line.len() <= 80), "{text}");
}

#[test]
fn a_group_that_goes_on_has_what_is_used_now() {
    let _t = rings!(Host, User);
    let text = stat(&full().usage, None);
    assert!(text.starts_with("cpu        1.00 s (user 0.900 s, system 0.104 s)\n"), "{text}");
    assert!(text.contains("\nmemory     now 4 KiB, peak 12.3 MiB of 64 MiB\n"), "{text}");
    assert!(text.contains("\npids       now 0, peak 4 of 16; 3 forks failed\n"), "{text}");
    assert!(text.contains("\nthrottled  in 49 of 50 periods (98 %), for 4.01 s\n"), "{text}");
}
