//! What is read of each option, and what both versions are told.

use super::*;

fn knob(option: &str) -> &'static Knob {
    KNOBS.iter().find(|knob| knob.option == option).expect("a row")
}

/// Limits from a command line such as `--memory 64M --oom-group`.
fn limits(line: &str) -> Result<Limits> {
    let mut limits = Limits::default();
    let mut words = line.split_whitespace();
    while let Some(word) = words.next() {
        let option = word.trim_start_matches("--");
        match option {
            "cpus" => limits.set_cpus(words.next().expect("a value").as_bytes())?,
            "set" => limits.set_raw(words.next().expect("a value").as_bytes())?,
            _ if knob(option).is_switch() => limits.set(knob(option), b"")?,
            _ => limits.set(knob(option), words.next().expect("a value").as_bytes())?,
        }
    }
    limits.check(false)?;
    Ok(limits)
}

/// What is written: `FILE VALUE`, with `|` between.
fn told(line: &str, version: Version) -> std::result::Result<String, String> {
    let limits = limits(line).map_err(|e| e.to_string())?;
    let mut lines = Vec::new();
    for controller in limits.controllers() {
        for Setting { file, value, .. } in limits.settings(&controller, version).map_err(|e| e.to_string())? {
            lines.push(format!("{file} {value}"));
        }
    }
    Ok(lines.join("|"))
}

#[test]
fn values_are_read_in_their_range_and_nothing_else_is() {
    let number = |number| Some(Value::Number(number));
    let cases = [
        ("cpu-quota", "20000", number(20000)),
        ("cpu-quota", "20%", Some(Value::Cpus(0.2))),
        ("cpu-quota", "0.1%", Some(Value::Cpus(0.001))),
        ("cpu-quota", "0", None),
        ("cpu-quota", "999", None),
        ("cpu-quota", "0.05%", None),
        ("cpu-quota", "-1", Some(Value::Max)),
        ("cpu-quota", "17592186044415", number(17_592_186_044_415)),
        ("cpu-quota", "17592186044416", None),
        ("cpu-quota", "0x10", None),
        ("cpu-period", "1000", number(1000)),
        ("cpu-period", "999", None),
        ("cpu-period", "1000001", None),
        ("cpu-period", "max", None),
        ("cpu-burst", "0", number(0)),
        ("cpu-burst", "max", None),
        ("cpu-weight", "1", number(1)),
        ("cpu-weight", "10000", number(10000)),
        ("cpu-weight", "idle", Some(Value::Idle)),
        ("cpu-weight", "0", None),
        ("cpu-weight", "10001", None),
        ("cpu-shares", "2", number(2)),
        ("cpu-shares", "262144", number(262_144)),
        // The kernel would silently take another.
        ("cpu-shares", "1", None),
        ("cpu-shares", "262145", None),
        ("cpuset-cpus", "1,0", Some(Value::List("0-1".into()))),
        ("cpuset-cpus", "", None),
        ("cpuset-mems", "0", Some(Value::List("0".into()))),
        ("memory", "64M", number(64 << 20)),
        ("memory", "1.5G", number(3 << 29)),
        ("memory", "0", None),
        ("memory", "4095", None),
        ("memory", "9223372036854775807", None),
        ("memory", "16777216T", None),
        ("memory-swap", "-1", Some(Value::Max)),
        ("memory-swap", "0", None),
        ("swap", "0", number(0)),
        ("swap", "max", Some(Value::Max)),
        ("swap", "-2", None),
        ("memory-high", "4096", number(4096)),
        ("memory-high", "0", None),
        ("memory-low", "0", number(0)),
        ("memory-reservation", "max", None),
        ("oom-group", "", Some(Value::On)),
        ("oom-group", "1", None),
        ("oom-score-adj", "-1000", Some(Value::Signed(-1000))),
        ("oom-score-adj", "1000", Some(Value::Signed(1000))),
        ("oom-score-adj", "1001", None),
        ("oom-score-adj", "-1001", None),
        ("oom-score-adj", "--5", None),
        ("pids-limit", "max", Some(Value::Max)),
        ("pids-limit", "0", None),
        ("pids-limit", "4194305", None),
        ("pids-limit", " 5", None),
        ("io-weight", "10", number(10)),
        ("io-weight", "1000", number(1000)),
        ("io-weight", "9", None),
        ("io-weight", "1001", None),
        ("device-read-bps", "/dev/vda:1.5M", Some(Value::Device(b"/dev/vda".to_vec(), Some(3 << 19)))),
        ("device-read-bps", "/dev/vda:0", None),
        ("device-write-bps", "8:0:max", Some(Value::Device(b"8:0".to_vec(), None))),
        ("device-read-iops", "8:0:4294967294", Some(Value::Device(b"8:0".to_vec(), Some(4_294_967_294)))),
        // Pitfall 2: what does not fit into 32 bits would silently be another number.
        ("device-read-iops", "8:0:4294967295", None),
        ("device-read-iops", "8:0:4294967296", None),
        ("device-write-iops", "8:0:4M", None),
        ("device-write-iops", "8:0", None),
    ];
    for (option, text, expected) in cases {
        assert_eq!((knob(option).parse)(text.as_bytes()), expected, "--{option} {text}");
    }
}

/// Pitfalls 3 and 17 among them: swap that must be written as 0, and both numbers of `cpu.max`.
#[test]
fn both_versions_are_told_the_same() {
    let cases = [
        ("--cpu-quota 20000", "cpu.cfs_quota_us 20000", "cpu.max 20000 100000"),
        ("--cpu-quota 20%", "cpu.cfs_quota_us 20000", "cpu.max 20000 100000"),
        ("--cpu-quota 250%", "cpu.cfs_quota_us 250000", "cpu.max 250000 100000"),
        (
            "--cpu-quota 20% --cpu-period 50000",
            "cpu.cfs_period_us 50000|cpu.cfs_quota_us 10000",
            "cpu.max 10000 50000",
        ),
        ("--cpu-quota 0.5%", "cpu.cfs_period_us 1000000|cpu.cfs_quota_us 5000", "cpu.max 5000 1000000"),
        ("--cpu-quota max", "cpu.cfs_quota_us -1", "cpu.max max 100000"),
        ("--cpu-period 50000", "cpu.cfs_period_us 50000", "cpu.max max 50000"),
        ("--cpus 0.5", "cpu.cfs_quota_us 50000", "cpu.max 50000 100000"),
        ("--cpus 0.01", "cpu.cfs_quota_us 1000", "cpu.max 1000 100000"),
        ("--cpus 0.001", "cpu.cfs_period_us 1000000|cpu.cfs_quota_us 1000", "cpu.max 1000 1000000"),
        (
            "--cpu-burst 5000 --cpu-quota 20000",
            "cpu.cfs_quota_us 20000|cpu.cfs_burst_us 5000",
            "cpu.max 20000 100000|cpu.max.burst 5000",
        ),
        ("--cpu-shares 1024", "cpu.shares 1024", "cpu.weight 100"),
        ("--cpu-shares 512", "cpu.shares 512", "cpu.weight 59"),
        ("--cpu-weight 100", "cpu.shares 1024", "cpu.weight 100"),
        ("--cpu-weight 39", "cpu.shares 305", "cpu.weight 39"),
        ("--cpu-weight idle", "cpu.idle 1", "cpu.idle 1"),
        (
            "--cpuset-mems 0 --cpuset-cpus 1,0",
            "cpuset.cpus 0-1|cpuset.mems 0",
            "cpuset.cpus 0-1|cpuset.mems 0",
        ),
        ("--memory 64M", "memory.limit_in_bytes 67108864", "memory.max 67108864"),
        ("--memory max", "memory.limit_in_bytes -1", "memory.max max"),
        (
            "--memory 1M --memory-swap 3M",
            "memory.limit_in_bytes 1048576|memory.memsw.limit_in_bytes 3145728",
            "memory.max 1048576|memory.swap.max 2097152",
        ),
        (
            "--memory 1M --memory-swap 1M",
            "memory.limit_in_bytes 1048576|memory.memsw.limit_in_bytes 1048576",
            "memory.max 1048576|memory.swap.max 0",
        ),
        (
            "--memory 1M --memory-swap -1",
            "memory.limit_in_bytes 1048576|memory.memsw.limit_in_bytes -1",
            "memory.max 1048576|memory.swap.max max",
        ),
        (
            "--memory 1M --swap 0",
            "memory.limit_in_bytes 1048576|memory.memsw.limit_in_bytes 1048576",
            "memory.max 1048576|memory.swap.max 0",
        ),
        (
            "--memory 1M --swap 2M",
            "memory.limit_in_bytes 1048576|memory.memsw.limit_in_bytes 3145728",
            "memory.max 1048576|memory.swap.max 2097152",
        ),
        ("--swap max", "memory.memsw.limit_in_bytes -1", "memory.swap.max max"),
        ("--memory-reservation 1M", "memory.soft_limit_in_bytes 1048576", "memory.low 1048576"),
        ("--oom-score-adj -5", "", ""),
        ("--pids-limit 7", "pids.max 7", "pids.max 7"),
        ("--io-weight 100", "blkio.bfq.weight 100", "io.bfq.weight default 100"),
        (
            "--set cpu.x=1 --pids-limit max --set pids.y=a=b --set cpu.z=2",
            "pids.max max|pids.y a=b|cpu.x 1|cpu.z 2",
            "pids.max max|pids.y a=b|cpu.x 1|cpu.z 2",
        ),
    ];
    for (line, v1, v2) in cases {
        assert_eq!(told(line, Version::V1).as_deref(), Ok(v1), "{line}");
        assert_eq!(told(line, Version::V2).as_deref(), Ok(v2), "{line}");
    }
    let other = limits("--io-weight 100").and_then(|limits| limits.settings("io", Version::V2));
    assert_eq!(other.expect("in range")[0].instead, [("io.weight".into(), "default 910".into())]);
}

#[test]
fn what_a_version_does_not_have_is_an_error_that_says_so() {
    let cases = [
        ("--memory-high 1M", Version::V1, "version 1 of controller memory has no --memory-high"),
        ("--memory-low 1M", Version::V1, "version 1 of controller memory has no --memory-low"),
        ("--oom-group", Version::V1, "version 1 of controller memory has no --oom-group"),
        ("--swap 0", Version::V1, "version 1 of controller memory has no --swap without --memory"),
        (
            "--swap 1M --memory max",
            Version::V1,
            "version 1 of controller memory has no --swap without --memory",
        ),
        (
            "--device-read-bps /dev/null:1",
            Version::V2,
            "stat device /dev/null (controller io): Block device required",
        ),
    ];
    for (line, version, expected) in cases {
        assert_eq!(told(line, version), Err(expected.into()), "{line}");
    }
    for (line, file) in [
        ("--memory-high 1M", "memory.high 1048576"),
        ("--memory-low 1M", "memory.low 1048576"),
        ("--oom-group", "memory.oom.group 1"),
        ("--swap 0", "memory.swap.max 0"),
    ] {
        assert_eq!(told(line, Version::V2).as_deref(), Ok(file));
    }
    // As far as it goes, the others are set.
    let limits = limits("--memory 1M --oom-group --memory-high 1M").expect("in range");
    let (settings, lacking) = limits.settings_as_far("memory", Version::V1);
    assert_eq!((settings.len(), lacking.len()), (1, 2));
}

#[test]
fn limits_that_do_not_fit_together_are_refused() {
    let cases = [
        ("--cpu-weight 5 --cpu-shares 5", "--cpu-weight and --cpu-shares do not go together"),
        ("--memory 1M --swap 0 --memory-swap 2M", "--memory-swap and --swap do not go together"),
        (
            "--memory-low 1M --memory-reservation 1M",
            "--memory-low and --memory-reservation do not go together",
        ),
        ("--memory-swap 1M", "--memory-swap was given without --memory"),
        ("--memory-swap 1M --memory 2M", "--memory-swap is less than --memory"),
        ("--memory-swap 1M --memory max", "--memory-swap is less than --memory"),
        (
            "--cpu-quota 5% --cpu-period 1000",
            "--cpu-quota is less than 1000 microseconds in a period of 1000",
        ),
        ("--cpu-quota 5000 --cpu-burst 5001", "--cpu-burst 5001 is more than the quota, 5000 microseconds"),
        ("--cpu-burst 5", "--cpu-burst was given, and no --cpu-quota of which to keep something"),
        (
            "--cpu-burst 5 --cpu-quota max",
            "--cpu-burst was given, and no --cpu-quota of which to keep something",
        ),
    ];
    for (line, expected) in cases {
        assert_eq!(limits(line).map(drop).map_err(|e| e.to_string()), Err(expected.into()), "{line}");
    }
    let mut burst = Limits::default();
    burst.set(knob("cpu-burst"), b"5").expect("in range");
    assert!(burst.check(true).is_ok(), "there can be a quota already");
}

#[test]
fn only_files_of_controllers_are_set_as_they_are() {
    let said = |text: &str| {
        let refused = Limits::default().set_raw(text.as_bytes()).map_err(|e| e.to_string());
        refused.map_err(|said| said.strip_prefix(&format!("--set {text}: ")).unwrap_or(&said).to_string())
    };
    let cases = [
        ("hugetlb.2MB.max=8M", Ok(())),
        ("memory.swappiness=0", Ok(())),
        ("io.latency=8:0 target=5", Ok(())),
        ("pids.max", Err("there is no = in it")),
        ("=5", Err("no file of a controller is called so")),
        ("tasks=5", Err("no file of a controller is called so")),
        (".=5", Err("no file of a controller is called so")),
        ("pids.=5", Err("no file of a controller is called so")),
        ("../pids.max=5", Err("no file of a controller is called so")),
        ("a/pids.max=5", Err("no file of a controller is called so")),
        ("cgroup.procs=1", Err("files of the group itself are not limits")),
        ("cgroup.freeze=1", Err("files of the group itself are not limits")),
        ("freezer.state=FROZEN", Err("a program that is born frozen never begins")),
        ("pids.max=", Err("the value is empty")),
    ];
    for (text, expected) in cases {
        assert_eq!(said(text), expected.map_err(String::from), "{text}");
    }
    // Pitfall 18: several lines in one write.
    for text in ["io.max=8:0 rbps=1\n8:1 rbps=1", "pids.max=5\n", "pids.max=5\0"] {
        assert!(Limits::default().set_raw(text.as_bytes()).is_err(), "{text:?}");
    }
    assert!(Limits::default().set_raw(b"pids.max=\xff").is_err());
}

#[test]
fn cpus_become_quota_and_period() {
    let told = |text: &str| {
        let mut limits = Limits::default();
        limits.set_cpus(text.as_bytes()).map(|()| limits.cpu_max().value).ok()
    };
    let cases = [
        ("0.2", Some("20000 100000")),
        ("1.5", Some("150000 100000")),
        ("0.001", Some("1000 1000000")),
        ("0.0001", None),
        ("-1", None),
        ("1e3", None),
        ("nan", None),
        ("", None),
    ];
    for (text, expected) in cases {
        assert_eq!(told(text).as_deref(), expected, "{text}");
    }
}

#[test]
fn what_concerns_the_program_itself_is_told_apart() {
    let limits = |line| limits(line).expect("in range");
    assert_eq!(limits("--oom-score-adj -5").oom_score_adj(), Some(-5));
    assert!(limits("--oom-score-adj 5").controllers().is_empty() && !limits("--oom-score-adj 5").is_empty());
    assert!(limits("--cpuset-cpus 0").sets_cpus() && limits("--set cpuset.cpus=0").sets_cpus());
    assert!(!limits("--cpuset-mems 0").sets_cpus());
    assert_eq!(limits("--io-weight 10 --cpus 1 --cpuset-mems 0").controllers(), ["cpuset", "cpu", "io"]);
}
