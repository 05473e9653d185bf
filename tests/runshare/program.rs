//! Who the program is, what it is told, and what it finds in its new namespaces.

use std::os::unix::fs::PermissionsExt;

use super::{machine, on, put, rights, runshare, small_root};
use crate::harness::{Output, Ring, Run, Test, copy_program, kernel_since, tool_path};

/// As whom a program runs: user, group, all groups.
const WHO: [&str; 3] = ["sh", "-c", "echo $(id -u) $(id -g) $(id -G)"];

fn who(run: Run<'_>, options: &str) -> String {
    run.args(options.split_whitespace()).args(WHO).run().ok().trim().to_string()
}

#[track_caller]
fn refused(output: &Output, line: &str, parts: &[&str]) {
    let hint = output.fails(125, &format!("runshare: {line}"));
    parts.iter().for_each(|part| assert!(hint.contains(part), "{part}: {hint}"));
}

// Users and groups.

#[test]
fn the_program_runs_as_the_user_and_group_that_were_asked_for() {
    let t = rings!(Host);
    let with_groups = |program: &str| t.program("setpriv").args(["--groups", "5,6", "--regid", "9", program]);
    // Names only by ours.
    #[rustfmt::skip]
    let cases = [
        ("-S 7", "7 9 9 5 6", true),
        ("-G 7", "0 7 7", true),
        ("-S 5 -G 7", "5 7 7", true),
        ("-f -S 5 -G 7", "5 7 7", true),
        ("--setuid=5 --setgid=7 -u", "5 7 7", true),
        ("-S 5 -S 6", "6 9 9 5 6", true),
        ("-S 4294967294", "4294967294 9 9 5 6", true),
        ("-S nobody -G nogroup", "65534 65534 65534", false),
        ("-S root -G root", "0 0 0", false),
        ("-S 5 -G nogroup", "5 65534 65534", false),
    ];
    for (options, expected, both) in cases {
        assert_eq!(who(with_groups(runshare()), options), expected, "{options}");
        if both {
            assert_eq!(who(with_groups("unshare"), options), expected, "{options}");
        } else {
            let words = options.split(' ').chain(["true"]);
            assert_eq!(t.program("unshare").args(words).run().code, Some(1), "{options}");
        }
    }
    assert_eq!(who(t.tool("runshare"), "--map-users all --map-groups all -S 5 -G 7"), "5 7 7");
}

#[test]
fn ids_that_are_none_are_refused_before_anything_is_done() {
    let t = rings!(Host, User);
    // The original takes the first for 0, which is root.
    #[rustfmt::skip]
    let cases = [
        ("-S", "4294967296", "no user has this number: 4294967296"),
        ("-S", "4294967295", "no user has this number: 4294967295"),
        ("-G", "4294967296", "no group has this number: 4294967296"),
        ("-S", "-1", "no user has this name: -1"),
        ("-S", "0x5", "no user has this name: 0x5"),
        ("-S", "nosuch", "no user has this name: nosuch"),
        ("-G", "nosuch", "no group has this name: nosuch"),
    ];
    for (option, value, line) in cases {
        refused(&t.tool("runshare").args(["-r", option, value, "true"]).run(), line, &["number"]);
    }
}

#[test]
fn an_ordinary_user_can_be_only_who_is_mapped() {
    let t = rings!(Host, User);
    let user = || t.tool("runshare").as_user();
    // The original fails at the groups, which the new user namespace has given up.
    assert!(who(user(), "-r -G 0").starts_with("0 0 0"));
    assert!(who(user(), "-r -S 0 -G 0").starts_with("0 0 0"));
    assert!(who(user(), "--map-user 5 --map-group 6 -S 5 -G 6 -f").starts_with("5 6 6"));
    assert_eq!(t.program("unshare").as_user().args(["-r", "-G", "0", "true"]).run().code, Some(1));
    let hint = ["the new user namespace has no such id: map it", "--map-auto"];
    refused(&user().args(["-r", "-S", "5", "true"]).run(), "setuid 5: Invalid argument", &hint);
    refused(&user().args(["-r", "-G", "5", "true"]).run(), "setgid 5: Invalid argument", &hint);
    let nested = t.tool("runshare").args(["-r", runshare(), "-S", "5", "true"]).run();
    refused(&nested, "setuid 5: Invalid argument", &["the user namespace we are in has no such id"]);
    let output = user().args(["-G", "0", "true"]).run();
    refused(&output, "setgroups: Operation not permitted", &["CAP_SETGID"]);
    let output = user().args(["-S", "0", "true"]).run();
    refused(&output, "setuid 0: Operation not permitted", &[]);
}

// Capabilities.

/// Which of the sets of capabilities are those of the bounding set: permitted, effective, ambient.
fn capabilities(run: Run<'_>, options: &str) -> [bool; 3] {
    let text = run.args(options.split(' ')).args(["cat", "/proc/self/status"]).run().ok();
    let set = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)).unwrap().trim().to_string();
    ["CapPrm:", "CapEff:", "CapAmb:"].map(|name| set(name) == set("CapBnd:"))
}

#[test]
fn capabilities_of_the_new_user_namespace_are_kept_when_asked() {
    let t = rings!(Host, User, Uml, Qemu);
    let user = || t.tool("runshare").as_user();
    assert_eq!(capabilities(user(), "-c"), [false; 3]);
    assert_eq!(capabilities(user(), "-c --keep-caps"), [true; 3]);
    assert_eq!(capabilities(user(), "-U --keep-caps"), [true; 3]);
    assert_eq!(capabilities(user(), "-c --keep-caps -f -n"), [true; 3]);
    assert_eq!(capabilities(user(), "-r"), [true, true, false]);
    assert_eq!(capabilities(user(), "--map-user 5 -S 5 --keep-caps"), [true; 3]);
    assert_eq!(capabilities(t.program("unshare").as_user(), "-c --keep-caps"), [true; 3]);
    if Ring::here().is_root() {
        for options in [
            "--map-users all --map-groups all -S 5 -G 7 --keep-caps",
            "--map-users all -f -S 5 --keep-caps --kill-child",
            "--owner 1000:1000 -U --keep-caps",
        ] {
            assert_eq!(capabilities(t.tool("runshare"), options), [true; 3], "{options}");
        }
        assert_eq!(capabilities(t.tool("runshare"), "--map-users all -S 5"), [false; 3]);
        // The original loses them with the user id.
        if let Some(newest) = (Ring::here() == Ring::Host).then(|| t.newest("unshare")).flatten() {
            assert_eq!(capabilities(t.path(&newest), "--map-users all -S 5 --keep-caps"), [false; 3]);
        }
    }
}

// Environment.

#[test]
fn the_program_gets_only_the_variables_that_were_named() {
    let t = rings!(Host, User);
    let ask = |program: &std::path::Path, options: &str| {
        let run = t.path(program).with(|command| {
            command.env_clear().envs([("SECRET", "x"), ("A", "1"), ("EMPTY", ""), ("C", "a=b c")]);
        });
        let text = run.args(options.split(' ')).arg("/usr/bin/env").run().ok();
        let mut lines: Vec<_> = text.lines().map(String::from).collect();
        lines.sort();
        lines.join(";")
    };
    // The first two leak all with the original that has them, 2.43.
    #[rustfmt::skip]
    let cases = [
        ("--whitelist-env NOPE", ""), ("--whitelist-env NOPE,NEITHER -f", ""), ("--clear-env", ""),
        ("--whitelist-env A", "A=1"), ("--whitelist-env A,EMPTY", "A=1;EMPTY="),
        ("--whitelist-env A,NOPE --whitelist-env C", "A=1;C=a=b c"), ("--whitelist-env A --clear-env", "A=1"),
        ("--clear-env --whitelist-env A,A -f", "A=1"), ("-f", "A=1;C=a=b c;EMPTY=;SECRET=x"),
    ];
    for (options, expected) in cases {
        let options = [&[options][..], rights()].concat().join(" ");
        assert_eq!(ask(tool_path("runshare"), &options), expected, "{options}");
    }
    for (list, line) in
        [("A,,B", "a name is missing among variables: A,,B"), ("A=1", "this is no name of a variable: A=1")]
    {
        refused(&t.tool("runshare").args(["--whitelist-env", list, "true"]).run(), line, &[]);
    }
}

#[test]
fn the_program_is_looked_for_in_the_path_that_it_gets() {
    let t = rings!(Host, User);
    let dir = tempfile::tempdir().unwrap();
    copy_program(&crate::harness::find("true").unwrap(), &dir.path().join("nskit-only-here"));
    let path = format!("{}:/usr/bin:/bin", dir.path().display());
    let run =
        |options: &[&str]| t.tool("runshare").env("PATH", &path).args(options).arg("nskit-only-here").run();
    run(&["--whitelist-env", "PATH"]).ok();
    run(&[]).ok();
    let line = "runshare: exec nskit-only-here: No such file or directory";
    run(&["--clear-env"]).fails(127, line);
    run(&["--whitelist-env", "HOME", "-f"]).fails(127, line);
    // What the C library takes where there is none.
    t.tool("runshare").env("PATH", "/nonexistent").args(["--clear-env", "true"]).run().ok();
}

#[test]
fn the_shell_is_that_of_the_environment_that_it_gets() {
    let t = rings!(Host, User);
    let shell = |options: &[&str]| {
        let run = t.tool("runshare").env("SHELL", "/nonexistent/shell").args(options);
        run.stdin("echo from $0; exit 7\n").run()
    };
    shell(&["--whitelist-env", "SHELL"])
        .fails(127, "runshare: exec /nonexistent/shell: No such file or directory");
    // Without: that of the user.
    let output = shell(&["--clear-env"]);
    if output.code == Some(7) {
        assert!(output.text().starts_with("from -"), "{}", output.text());
    } else {
        assert!(!output.errors().contains("/nonexistent/shell"), "{}", output.errors());
    }
}

// Clocks.

fn offsets(run: Run<'_>, options: &str) -> String {
    let text = run.args(options.split(' ')).args(["cat", "/proc/self/timens_offsets"]).run().ok();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn clocks_differ_by_the_seconds_that_were_asked_for() {
    let t = rings!(Host, User, Qemu);
    let user = || t.tool("runshare").as_user().arg("-r");
    let rows = [
        ("-T --monotonic 86400 --boottime 100000", "monotonic 86400 0 boottime 100000 0"),
        ("-T --boottime=+5", "monotonic 0 0 boottime 5 0"),
        ("-T --monotonic -1 --boottime -2", "monotonic -1 0 boottime -2 0"),
        ("-T --monotonic 1 --monotonic 2", "monotonic 2 0 boottime 0 0"),
        ("-T", "monotonic 0 0 boottime 0 0"),
    ];
    let newest = (Ring::here() == Ring::Host).then(|| t.newest("unshare")).flatten();
    for (options, expected) in rows {
        for fork in ["-f ", ""] {
            let options = format!("{fork}{options}");
            assert_eq!(offsets(user(), &options), expected, "{options}");
            if Ring::here().is_root() {
                assert_eq!(offsets(t.tool("runshare"), &options), expected, "{options}");
            }
            if let Some(newest) = newest.as_ref().filter(|_| !options.contains('+')) {
                assert_eq!(offsets(t.path(newest), &options), expected, "{options}");
            }
        }
    }
    let uptime = |words: &[&str]| {
        let text = user().args(words).args(["cat", "/proc/uptime"]).run().ok();
        text.split('.').next().unwrap().parse::<i64>().unwrap()
    };
    let far = uptime(&["-fT", "--boottime", "1000000"]) - uptime(&[]);
    assert!((999_940..=1_000_000).contains(&far), "{far}");
}

#[test]
fn clocks_that_cannot_be_are_refused() {
    let t = rings!(Host, User, Qemu);
    let run =
        |options: &str| t.tool("runshare").as_user().arg("-r").args(options.split(' ')).arg("true").run();
    for (options, value) in [
        ("-T --monotonic -99999999999", "1 -99999999999 0"),
        ("-fT --monotonic 9223372036854775807", "1 9223372036854775807 0"),
        ("-T --boottime -99999999999", "7 -99999999999 0"),
    ] {
        let line = format!("write \"{value}\" to timens_offsets: Numerical result out of range");
        refused(&run(options), &line, &["negative", "146 years", "/proc/uptime"]);
    }
    for value in ["1e5", "9223372036854775808", "0x5", "5s", "--", "+-5", "1.5"] {
        let line = format!("the value of --monotonic is no number of seconds: {value}");
        refused(&run(&format!("-T --monotonic={value}")), &line, &["a whole number, such as 86400 or -60"]);
    }
}

// Names of the host, and the loopback device.

#[test]
fn names_and_the_loopback_device_are_set_in_namespaces_of_their_own() {
    let t = rings!(Host, User);
    let look = [
        "sh",
        "-c",
        "cat /proc/sys/kernel/hostname /proc/sys/kernel/domainname; grep -c . /proc/net/fib_trie",
    ];
    let outside = || std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    let before = outside();
    let long = "x".repeat(64);
    for fork in [&["-f"][..], &[]] {
        let run = |options: &[&str]| {
            let text =
                t.tool("runshare").as_user().arg("-r").args(fork).args(options).args(look).run().text();
            text.lines().map(String::from).collect::<Vec<_>>()
        };
        let lines = run(&["--hostname", "inner", "--domainname=example.org", "--loopback"]);
        assert_eq!(lines[..2], ["inner", "example.org"]);
        assert!(lines[2].parse::<u32>().unwrap() > 5, "127.0.0.1 is routed");
        assert_eq!(run(&["--hostname", &long])[0], long);
        assert_eq!(run(&["--hostname", "twice", "--hostname", "again"])[0], "again");
    }
    assert_eq!(outside(), before);
    // No other kinds than those that are needed.
    let kinds = |option: &[&str]| super::new_kinds(t.hold("runshare", &[rights(), option].concat()).pid());
    let with = |kind: &'static str| match Ring::here().is_root() {
        true => vec![kind],
        false => vec![kind, "user"],
    };
    assert_eq!(kinds(&["--hostname", "x"]), with("uts"));
    assert_eq!(kinds(&["--domainname", "x"]), with("uts"));
    assert_eq!(kinds(&["--loopback"]), with("net"));
    let run = |options: &[&str]| t.tool("runshare").as_user().args(options).arg("true").run();
    let too_long = format!("{long}x");
    refused(&run(&["-r", "--hostname", &too_long]), "the value of --hostname is longer than 64 bytes", &[]);
    refused(
        &run(&["-r", "--domainname", &too_long]),
        "the value of --domainname is longer than 64 bytes",
        &[],
    );
    refused(&run(&["--hostname", "x"]), "unshare uts: Operation not permitted", &["add -r"]);
    refused(&run(&["--loopback"]), "unshare net: Operation not permitted", &["add -r"]);
}

// Interpreters.

/// A file that no kernel executes by itself, and an interpreter for it, in a directory that all may read.
fn odd_program() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let open = || PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(dir.path(), open()).unwrap();
    let write = "printf 'NSKIT\\1\\n' >odd && printf '#!/bin/sh\\necho read \"$@\"\\n' >interp && chmod 755 odd interp";
    let done = std::process::Command::new("sh").args(["-c", write]).current_dir(dir.path()).status();
    assert!(done.unwrap().success());
    dir
}

/// Has this kernel an own binfmt_misc for each user namespace? Since Linux 6.7.
fn registers(t: &Test) -> bool {
    let there =
        || std::fs::read_to_string("/proc/filesystems").is_ok_and(|text| text.contains("binfmt_misc"));
    t.belongs(kernel_since((6, 7)) && there(), "Linux 6.7 with binfmt_misc")
}

#[test]
fn an_interpreter_is_registered_for_the_program_alone() {
    let t = rings!(Host, User, Qemu);
    if !registers(&t) {
        return;
    }
    let dir = odd_program();
    let own = tempfile::tempdir().unwrap();
    std::fs::set_permissions(own.path(), PermissionsExt::from_mode(0o755)).unwrap();
    let [odd, interp] = ["odd", "interp"].map(|name| dir.path().join(name).to_str().unwrap().to_string());
    let rule = format!(":nskit:M::NSKIT\\x01::{interp}:");
    let elsewhere = format!("--mount-binfmt={}", own.path().display());
    let expected = format!("read {odd} 1 2\n");
    for options in [
        &["-r"][..],
        &["-f", "-r"],
        &["-rfp"],
        &["-rfp", "--mount-proc"],
        &["-r", &elsewhere],
        &["-r", "--mount-binfmt"],
    ] {
        for run in [t.tool("runshare"), t.tool("runshare").as_user()] {
            let run = run.args(options).args(["-l", &rule, &odd, "1", "2"]);
            assert_eq!(run.run().ok(), expected, "{options:?}");
        }
        assert_ne!(t.program("sh").args(["-c", "\"$1\"", "-", &odd]).run().text(), expected);
    }
    // Without a pid namespace the original cannot mount the proc that it wants.
    if let Some(newest) = (Ring::here() == Ring::Host).then(|| t.newest("unshare")).flatten() {
        let run = |options: &[&str]| t.path(&newest).args(options).args(["-l", &rule, &odd, "1", "2"]).run();
        assert_eq!(run(&["-rfp"]).ok(), expected);
        let _known_to_fail_in_user_namespaces = run(&["-r"]);
    }
    // What is mounted is one of our own.
    let list = t.tool("runshare").args(["-r", &elsewhere, "ls"]).arg(own.path()).run().ok();
    assert_eq!(list, "register\nstatus\n");
    assert_eq!(std::fs::read_dir(own.path()).unwrap().count(), 0);
    // Who is not root there may not write to it.
    let output = t.tool("runshare").as_user().args(["-c", "-l", &rule, "true"]).run();
    let line = "open /proc/sys/fs/binfmt_misc/register: Permission denied";
    refused(&output, line, &["add -r"]);
}

#[test]
fn a_fixed_interpreter_is_that_outside_of_a_new_root() {
    let t = rings!(Host, User, Qemu);
    if !registers(&t) {
        return;
    }
    let root = small_root();
    put(root.path(), std::path::Path::new("/bin/cat"), "bin/cat");
    let dir = odd_program();
    let outside = dir.path().join("cat");
    copy_program(&crate::harness::find("cat").unwrap(), &outside);
    copy_program(&dir.path().join("odd"), &root.path().join("odd"));
    let root = root.path().to_str().unwrap();
    let run = |how: &str, rule: &str| {
        t.tool("runshare").args(["-rfp", "--mount-proc", how, root, "-l", rule, "/odd"]).run()
    };
    let rule = |interpreter: &str, flags: &str| format!(":nskit:M::NSKIT\\x01::{interpreter}:{flags}");
    let outside = outside.to_str().unwrap();
    for how in ["-R", "--pivot-root"] {
        assert_eq!(run(how, &rule(outside, "F")).ok(), "NSKIT\u{1}\n", "{how}");
        assert_eq!(run(how, &rule("/bin/cat", "")).ok(), "NSKIT\u{1}\n", "{how}");
        assert_eq!(run(how, &rule(outside, "")).code, Some(127), "{how}");
    }
}

#[test]
fn a_rule_for_an_interpreter_that_is_none_is_refused() {
    let t = rings!(Host, User, Qemu);
    let run = |rule: &str| t.tool("runshare").as_user().args(["-r", "-l", rule, "echo", "ran"]).run();
    for rule in ["nonsense", ":a:M::b::/bin/cat", ":a:M::b::/bin/cat:F:more", ":"] {
        refused(&run(rule), &format!("this registers no interpreter: {rule}"), &[":NAME:TYPE:OFFSET"]);
    }
    if !registers(&t) {
        let output = run(":a:M::b::/bin/cat:");
        assert_eq!((output.code, output.text().as_str()), (Some(125), ""), "{}", output.errors());
        return;
    }
    let at = "/proc/sys/fs/binfmt_misc/register";
    refused(
        &run(":a:Q::b::/bin/cat:"),
        &format!("write :a:Q::b::/bin/cat: to {at}: Invalid argument"),
        &["does not take"],
    );
    let rule = ",a,M,,b,,/nonexistent,F";
    refused(&run(rule), &format!("write {rule} to {at}: No such file or directory"), &["with the flag F"]);
}

#[test]
fn mounts_stay_ours_where_those_around_are_shared() {
    let t = rings!(Host);
    if !registers(&t) {
        return;
    }
    let shared = machine(&t, "shared");
    let before = super::mounts(shared.inner());
    on(&t, &shared).args([runshare(), "-r", "--mount-binfmt", "true"]).run().ok();
    assert_eq!(super::mounts(shared.inner()), before);
}
