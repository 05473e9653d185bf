//! rnsenter on the real kernel, beside the original: what it enters, what reaches the program, how it ends,
//! and how it fails.

mod attack;
mod env;

use std::os::unix::fs::symlink;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::time::Duration;

use common::kind::KINDS;
use nix::sys::signal::Signal;

use crate::harness::*;

mod group;
mod later;
mod likeness;
mod pty;
mod why;

/// What a process that is held sleeps in.
const SLEEP: [&str; 3] = ["sh", "-c", "echo ready; exec sleep 1000"];

/// What `/proc/PID/ns/KIND` says.
fn link(pid: impl std::fmt::Display, kind: &str) -> String {
    format!("{kind}:[{}]", inode(pid, kind))
}

/// The program that prints in which namespace of this kind it is.
fn where_am_i(kind: &str) -> [String; 3] {
    ["--".into(), "readlink".into(), format!("/proc/self/ns/{kind}")]
}

/// Ours and the original must both succeed and print the same; answers it without the last newline.
#[track_caller]
fn both<S: AsRef<std::ffi::OsStr>>(t: &Test, args: impl IntoIterator<Item = S> + Clone) -> String {
    let ours = t.tool("rnsenter").args(args.clone()).run().ok();
    assert_eq!(ours, t.program("nsenter").args(args).run().ok(), "ours and the original");
    ours.trim_end().into()
}

/// A process of an ordinary user, made by unshare with these options.
fn hold_as_user(t: &Test, options: &[&str]) -> Held {
    t.program("unshare").as_user().args(options).args(SLEEP).hold()
}

/// A process whose user namespace has two users and two groups: 0 and 0, which are 1000 and 1000 outside,
/// and 5 and 7, which are root outside. Group 9 is the same on both sides.
fn hold_with_two_users(t: &Test) -> Held {
    let held = t.hold("unshare", &["-U"]);
    std::fs::write(format!("/proc/{}/uid_map", held.pid()), "0 1000 1\n5 0 1\n").unwrap();
    std::fs::write(format!("/proc/{}/gid_map", held.pid()), "0 1000 1\n7 0 1\n9 9 1\n").unwrap();
    held
}

/// Runs a command line of the shell, `"$@"` in which is rnsenter with the arguments that are added.
fn in_shell<'a>(t: &'a Test, line: &str) -> Run<'a> {
    t.program("sh").args(["-c", line, "sh"]).arg(tool_path("rnsenter"))
}

/// A process with a pid and a net namespace of its own, and the options with which whoever runs the test may
/// enter them, rnsenter and the original alike.
fn enterable(t: &Test) -> (Held, Vec<String>) {
    let (make, enter): (&[&str], &[&str]) = match Ring::here().is_root() {
        true => (&["-fpn"], &[]),
        false => (&["-Ur", "-fpn"], &["-U", "--preserve-credentials"]),
    };
    let held = t.hold("unshare", make);
    let target =
        [format!("-t{}", held.inner())].into_iter().chain(enter.iter().map(|o| o.to_string())).collect();
    (held, target)
}

/// The descriptors of the program that ran `ls -l /proc/self/fd`, without the one by which ls reads them.
fn descriptors(listing: &str) -> Vec<u32> {
    let rows = listing.lines().filter_map(|row| row.split_once(" -> "));
    let rows = rows.filter(|(_, to)| !(to.starts_with("/proc/") && to.ends_with("/fd")));
    let mut numbers: Vec<u32> =
        rows.map(|(row, _)| row.rsplit(' ').next().unwrap().parse().unwrap()).collect();
    numbers.sort_unstable();
    numbers
}

const LIST_DESCRIPTORS: [&str; 4] = ["--", "ls", "-l", "/proc/self/fd"];

/// A temporary directory for everybody.
pub(crate) fn open_directory() -> tempfile::TempDir {
    let dir = tempfile::Builder::new().prefix("nskit-test").tempdir().unwrap();
    std::fs::set_permissions(dir.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    dir
}

// What is entered.

#[test]
fn every_kind_is_entered_from_a_process_and_from_a_file() {
    let t = rings!(Host, Uml, Qemu);
    for row in KINDS.iter().filter(|row| has_kind(row.name)) {
        let (kind, short, long) = (row.name, row.short, row.long);
        // In a user namespace without a root nobody could become root.
        let map = if kind == "user" { "-r" } else { "-f" };
        let held = t.hold("unshare", &["-f", map, &format!("-{short}")]);
        let target = held.inner();
        let theirs = link(target, kind);
        assert_ne!(theirs, link("self", kind));
        let file = format!("/proc/{target}/ns/{kind}");
        let ways = [
            vec![format!("-t{target}"), format!("-{short}")],
            vec!["-t".into(), target.to_string(), format!("--{long}")],
            vec![format!("--{long}"), "--target".into(), target.to_string()],
            vec![format!("--target={target}"), format!("--{long}")],
            vec![format!("-{short}{file}")],
            vec![format!("--{long}={file}")],
        ];
        for way in ways {
            assert_eq!(both(&t, way.iter().cloned().chain(where_am_i(kind))), theirs, "{way:?}");
        }
        // The original 2.38 takes `=` for a part of the name here; later ones do as we do.
        let ours = t.tool("rnsenter").arg(format!("-{short}={file}")).args(where_am_i(kind)).run().ok();
        assert_eq!(ours.trim_end(), theirs);
    }
}

#[test]
fn only_what_was_asked_is_entered() {
    let t = rings!(Host, Uml, Qemu);
    let held = t.hold("unshare", &["-n", "-u", "-i", "-m", "-C"]);
    let target = held.pid().to_string();
    let show = ["--", "sh", "-c", "readlink /proc/self/ns/*"];
    let own = |kind: &str| link("self", kind);
    let seen = both(&t, ["-t", &target, "-n"].iter().chain(&show));
    for row in KINDS.iter().filter(|row| has_kind(row.name)) {
        let expected = if row.name == "net" { link(&target, "net") } else { own(row.name) };
        assert!(seen.lines().any(|line| line == expected), "{expected} in {seen}");
    }
    assert_eq!(
        both(&t, ["-t", &target].iter().chain(&show)),
        both(&t, &show),
        "a target alone enters nothing"
    );
}

#[test]
fn the_network_of_a_process_is_looked_at_with_ip() {
    let t = rings!(Host, Uml, Qemu);
    if !t.has("ip") {
        return;
    }
    let held = t.hold("unshare", &["-fn"]);
    // `ip` is the program: a file has to be attached.
    let seen = both(&t, ["-t", &held.inner().to_string(), "-n", "ip", "a"]);
    let devices: Vec<_> = seen.lines().filter(|line| !line.starts_with(' ')).collect();
    assert!(
        devices.len() == 1 && devices[0].starts_with("1: lo: ") && devices[0].contains("state DOWN"),
        "{seen}"
    );
}

#[test]
fn a_container_is_entered_and_shows_its_processes() {
    let t = rings!(Host, Uml, Qemu);
    let held = t.hold("unshare", &["-fpmuin", "--mount-proc"]);
    let target = held.inner().to_string();
    let seen = t
        .tool("rnsenter")
        .args(["--target", &target, "--mount", "--uts", "--ipc", "--net", "--pid", "--", "ps", "ax"])
        .run()
        .ok();
    let rows: Vec<_> = seen.lines().skip(1).collect();
    assert!(rows.len() == 2 && rows[0].ends_with("sleep 1000") && rows[1].ends_with("ps ax"), "{seen}");
}

#[test]
fn all_enters_every_kind_that_differs() {
    let t = rings!(Host);
    let held = t.hold("unshare", &["-fpmuinCT", "--mount-proc"]);
    let target = held.inner();
    let show = ["sh", "-c", "readlink /proc/self/ns/*"];
    let seen = both(&t, ["-a", "-t", &target.to_string()].iter().chain(&show));
    for row in KINDS {
        let theirs = link(target, row.name);
        assert_eq!(theirs == link("self", row.name), row.name == "user");
        assert!(seen.lines().any(|line| line == theirs), "{theirs} in {seen}");
    }
}

#[test]
fn all_leaves_out_what_is_the_same_so_an_ordinary_user_can_use_it() {
    let t = rings!(Host, User, Uml, Qemu);
    let held = hold_as_user(&t, &["-Urn"]);
    let target = held.inner();
    let seen = t
        .tool("rnsenter")
        .as_user()
        .args(["-a", "-t", &target.to_string(), "--"])
        .args(["sh", "-c", "readlink /proc/self/ns/user /proc/self/ns/net; id -u"])
        .run()
        .ok();
    assert_eq!(seen, format!("{}\n{}\n0\n", link(target, "user"), link(target, "net")));
}

#[test]
fn a_file_stands_before_the_targets_own_namespace() {
    let t = rings!(Host);
    let [target, other] = [t.hold("unshare", &["-n", "-u"]), t.hold("unshare", &["-n"])];
    let file = format!("--net=/proc/{}/ns/net", other.pid());
    for all in ["-a", "-u"] {
        let seen = both(
            &t,
            [
                "-t",
                &target.pid().to_string(),
                &file,
                all,
                "readlink",
                "/proc/self/ns/net",
                "/proc/self/ns/uts",
            ],
        );
        assert_eq!(seen, format!("{}\n{}", link(other.pid(), "net"), link(target.pid(), "uts")));
    }
    // One after the other, these could not be entered.
    let [target, other] = [t.hold("unshare", &["-Ur"]), t.hold("unshare", &["-Ur"])];
    let file = format!("--user=/proc/{}/ns/user", other.pid());
    let seen = both(&t, ["-t", &target.pid().to_string(), "-a", &file, "readlink", "/proc/self/ns/user"]);
    assert_eq!(seen, link(other.pid(), "user"));
}

#[test]
fn the_user_namespace_is_entered_before_or_after_the_others_as_the_rights_demand() {
    let t = rings!(Host);
    // In the first the net namespace belongs to the user namespace, in the second to the one outside, in which
    // nobody has rights who is in the inner one.
    let owned = t.hold("unshare", &["-Ur", "-n"]);
    let foreign = t.hold("unshare", &["-n", "unshare", "-Ur"]);
    for held in [owned, foreign] {
        let pid = held.pid();
        let theirs = format!("{}\n{}", link(pid, "user"), link(pid, "net"));
        let [user, net] = ["user", "net"].map(|kind| format!("--{kind}=/proc/{pid}/ns/{kind}"));
        let target = format!("-t{pid}");
        for way in [
            [&target, "-U", "-n"],
            [&target, "-n", "-U"],
            [&target, &user, "-n"],
            [&target, "-U", &net],
            ["-F", &net, &user],
        ] {
            let seen =
                both(&t, way.into_iter().chain(["readlink", "/proc/self/ns/user", "/proc/self/ns/net"]));
            assert_eq!(seen, theirs, "{way:?}");
        }
    }
}

#[test]
fn an_ordinary_user_enters_what_is_his_own() {
    let t = rings!(Host, User);
    for row in KINDS.iter().filter(|row| row.name != "user") {
        let held = hold_as_user(&t, &["-Ur", "-f", &format!("-{}", row.short)]);
        let target = held.inner();
        let [user, other] = [("user", "user"), (row.long, row.name)]
            .map(|(long, kind)| format!("--{long}=/proc/{target}/ns/{kind}"));
        let options = [format!("-t{target}"), "-U".into(), format!("-{}", row.short)];
        let ways = [
            &options[..],
            &[options[0].clone(), user.clone(), options[2].clone()],
            &[options[0].clone(), options[1].clone(), other.clone()],
            &[other, user],
        ];
        for way in ways {
            let seen = t.tool("rnsenter").as_user().args(way).args(where_am_i(row.name)).run().ok();
            assert_eq!(seen.trim_end(), link(target, row.name), "{way:?}");
        }
        // setgroups is denied there. The original takes that for a failure, even where no group is left to drop.
        let original = t.program("nsenter").as_user().args(&options).args(["true"]).run();
        assert_ne!(original.code, Some(0), "{}", original.errors());
    }
}

#[test]
fn a_net_namespace_without_its_user_namespace_is_refused_with_advice() {
    let t = rings!(Host, User);
    let held = hold_as_user(&t, &["-Ur", "-n"]);
    let target = held.pid();
    let enter = t.tool("rnsenter").as_user().args(["-t", &target.to_string(), "-n", "true"]).run();
    let hint = enter.fails(125, &format!("rnsenter: setns net of {target}: Operation not permitted"));
    assert!(hint.contains("-U"), "{hint}");
    let file = format!("--net=/proc/{target}/ns/net");
    let hint =
        t.tool("rnsenter").as_user().args([&file, "true"]).run().fails(
            125,
            &format!("rnsenter: setns net namespace /proc/{target}/ns/net: Operation not permitted"),
        );
    assert!(hint.contains("--user-parent"), "{hint}");
}

// Directories.

/// Runs in a new mount namespace in which `$D` has the whole file system again, with a file `inside` in `$D/mnt`.
const SECOND_ROOT: &str =
    "D=$1; shift; mount --rbind / $D; mount -t tmpfs none $D/mnt; touch $D/mnt/inside; ";

/// The program that prints its working directory and whether it is in that root.
const WHICH_ROOT: [&str; 4] = ["--", "sh", "-c", "echo $(/bin/pwd) $(test -e /mnt/inside && echo inside)"];

#[test]
fn root_and_working_directory_are_those_of_the_target() {
    let t = rings!(Host);
    let dir = open_directory();
    let line = format!("{SECOND_ROOT} exec chroot $D sh -c 'cd /mnt; echo ready; exec sleep 1000'");
    let held = t.program("unshare").args(["-m", "sh", "-c", &line, "sh"]).arg(dir.path()).hold();
    let target = held.pid().to_string();
    let outside = format!("{}/mnt", dir.path().display());
    let cases: [(&[&str], &str); 7] = [
        (&["-m", "-r", "-w"], "/mnt inside"),
        (&["-m", "--root", "--wd"], "/mnt inside"),
        (&["-r", "-w"], "/mnt inside"),
        (&["-m", "-w"], &outside),
        (&["-m"], "/"),
        // The original stays outside the new root here.
        (&["-m", "-r"], "/ inside"),
        (&["-r"], "/ inside"),
    ];
    for (options, expected) in cases {
        let seen = t.tool("rnsenter").args(["-t", &target]).args(options).args(WHICH_ROOT).run().ok();
        assert_eq!(seen.trim_end(), expected, "{options:?}");
    }
}

#[test]
fn root_and_working_directory_can_be_given_by_path() {
    let t = rings!(Host);
    let dir = open_directory();
    let root = dir.path().to_str().unwrap();
    let held = t.hold("unshare", &["-u"]);
    let target = held.pid().to_string();
    let in_second_root = |tool: &str, options: &[String]| {
        let line = format!("{SECOND_ROOT} cd /usr; exec \"$@\"");
        let run = t.program("unshare").args(["-m", "sh", "-c", &line, "sh", root, tool]).args(options);
        run.args(WHICH_ROOT).run().ok().trim().to_string()
    };
    let ours = tool_path("rnsenter").to_str().unwrap();
    let shown = [format!("-r{root}"), format!("-r={root}"), format!("--root={root}")];
    for with_target in [vec![], vec!["-t".to_string(), target.clone(), "-u".into()]] {
        for root in &shown {
            let options = |more: &[&str]| {
                let more = more.iter().map(|more| more.to_string());
                with_target.iter().cloned().chain([root.clone()]).chain(more).collect::<Vec<_>>()
            };
            assert_eq!(in_second_root(ours, &options(&[])), "/ inside");
            // Opened before the root changes, so it may lie outside of it; here it is outside by its path and
            // inside by what it is.
            let wd = format!("-w{}/mnt", dir.path().display());
            assert_eq!(in_second_root(ours, &options(&[&wd])), "/mnt inside");
            assert_eq!(in_second_root(ours, &options(&[&wd.replacen("-w", "-w=", 1)])), "/mnt inside");
        }
    }
    for wd in ["-w/usr/bin", "--wd=/usr/bin"] {
        assert_eq!(both(&t, [wd, "/bin/pwd"]), "/usr/bin");
        assert_eq!(both(&t, ["-t", &target, "-u", wd, "/bin/pwd"]), "/usr/bin");
    }
    assert_eq!(t.tool("rnsenter").args(["-w=/usr/bin", "/bin/pwd"]).run().ok(), "/usr/bin\n");
    // A directory that may be searched and not read is good enough.
    let closed = dir.path().join("closed");
    std::fs::create_dir(&closed).unwrap();
    std::fs::set_permissions(&closed, std::os::unix::fs::PermissionsExt::from_mode(0o711)).unwrap();
    let seen = t.tool("rnsenter").as_user().arg(format!("-w{}", closed.display())).arg("/bin/pwd").run().ok();
    assert_eq!(Path::new(seen.trim_end()), closed);
}

#[test]
fn a_directory_by_its_path_is_that_of_the_caller_not_of_the_entered_namespace() {
    let t = rings!(Host);
    let dir = open_directory();
    std::fs::write(dir.path().join("outside"), "").unwrap();
    let line = format!(
        "mount -t tmpfs none {0}; touch {0}/hidden; echo ready; exec sleep 1000",
        dir.path().display()
    );
    let held = t.program("unshare").args(["-m", "sh", "-c", &line]).hold();
    let (pid, wd) = (held.pid().to_string(), format!("-w{}", dir.path().display()));
    // The original lets the program look out.
    assert_eq!(t.program("nsenter").args(["-t", &pid, "-m", &wd, "ls"]).run().ok(), "outside\n");
    let hint = t
        .tool("rnsenter")
        .args(["-t", &pid, "-m", &wd, "ls"])
        .run()
        .fails(125, &format!("rnsenter: directory is outside of the new root: {}", dir.path().display()));
    assert!(hint.contains("--wdns=DIR"), "{hint}");
    // What is the same directory inside is gone to there.
    assert_eq!(
        t.tool("rnsenter").args(["-t", &pid, "-m", "-w/usr/bin", "/bin/pwd"]).run().ok(),
        "/usr/bin\n"
    );
}

// Ids.

#[test]
fn ids_are_set_as_asked_and_groups_dropped_with_the_group_only() {
    let t = rings!(Host);
    if !t.has("setpriv") {
        return;
    }
    let held = t.hold("unshare", &["-n"]);
    let target = held.pid().to_string();
    let cases: [(&[&str], _); 6] = [
        (&["-n"], "0 0 0 5 6"),
        (&["-n", "-S", "1234"], "1234 0 0 5 6"),
        (&["-n", "-G", "4321"], "0 4321 4321"),
        (&["-n", "--setuid=1234", "--setgid", "4321"], "1234 4321 4321"),
        (&["-n", "-S1234", "-G4321"], "1234 4321 4321"),
        (&["-S", "4294967294", "-G", "0"], "4294967294 0 0"),
    ];
    for (options, expected) in cases {
        for tool in [tool_path("rnsenter"), Path::new("nsenter")] {
            let run =
                t.program("setpriv").args(["--groups=5,6"]).arg(tool).args(["-t", &target]).args(options);
            assert_eq!(run.args(["sh", "-c", "echo $(id -u; id -g; id -G)"]).run().ok().trim_end(), expected);
        }
    }
}

#[test]
fn in_a_user_namespace_the_ids_are_those_of_its_root_unless_asked_otherwise() {
    let t = rings!(Host);
    if !t.has("setpriv") {
        return;
    }
    let held = hold_with_two_users(&t);
    let target = held.pid().to_string();
    let cases: [(&[&str], _); 7] = [
        (&["-U"], "0 0 0"),
        (&["-a"], "0 0 0"),
        (&["-U", "-S5"], "5 0 0"),
        (&["-U", "-G9"], "0 9 9"),
        (&["-U", "--preserve-credentials"], "5 7 7 9"),
        (&["-U", "--preserve-credentials", "-S0"], "0 7 7 9"),
        (&["-U", "--preserve-credentials", "-G9"], "5 9 9"),
    ];
    for (options, expected) in cases {
        for tool in [tool_path("rnsenter"), Path::new("nsenter")] {
            let run = t.program("setpriv").args(["--groups=9"]).arg(tool).args(["-t", &target]).args(options);
            assert_eq!(
                run.args(["sh", "-c", "echo $(id -u; id -g; id -G)"]).run().ok().trim_end(),
                expected,
                "{options:?}"
            );
        }
    }
    // Here groups cannot be dropped inside, so they are before.
    let held = t.hold("unshare", &["-Ur"]);
    for tool in [tool_path("rnsenter"), Path::new("nsenter")] {
        let run = t.program("setpriv").args(["--groups=5,6"]).arg(tool).arg(format!("-t{}", held.pid()));
        assert_eq!(run.args(["-U", "id", "-G"]).run().ok(), "0\n");
    }
}

#[test]
fn an_id_that_the_user_namespace_lacks_is_refused_with_advice() {
    let t = rings!(Host);
    let held = hold_with_two_users(&t);
    let run =
        |option: &str| t.tool("rnsenter").args(["-t", &held.pid().to_string(), "-U", option, "true"]).run();
    let hint = run("-S1").fails(125, "rnsenter: setuid 1: Invalid argument");
    assert!(hint.contains("--preserve-credentials"), "{hint}");
    let hint = run("-G1").fails(125, "rnsenter: setgid 1: Invalid argument");
    assert!(hint.contains("--preserve-credentials"), "{hint}");
}

// Forking, and how the program ends.

#[test]
fn a_pid_namespace_is_entered_by_a_child_unless_forking_is_forbidden() {
    let t = rings!(Host, Uml, Qemu);
    let held = t.hold("unshare", &["-fp"]);
    let target = held.inner();
    let pid = target.to_string();
    let show = ["readlink", "/proc/self/ns/pid", "/proc/self/ns/pid_for_children"];
    let [ours, theirs] = [link("self", "pid"), link(target, "pid")];
    assert_eq!(both(&t, ["-t", &pid, "-p"].iter().chain(&show)), format!("{theirs}\n{theirs}"));
    for no_fork in ["-F", "--no-fork"] {
        assert_eq!(both(&t, ["-t", &pid, "-p", no_fork].iter().chain(&show)), format!("{ours}\n{theirs}"));
    }
    // Without need there is no process between.
    let other = t.hold("rnsenter", &["-t", &pid, "-u", "-n", "-i"]);
    assert_eq!((other.pid(), children(other.pid())), (other.inner(), vec![]));
}

#[test]
fn the_status_is_the_programs() {
    let t = rings!(Host, User);
    let (_held, target) = enterable(&t);
    for kind in ["-n", "-p"] {
        for status in [0, 1, 42, 125, 126, 127, 128, 255] {
            let run = |run: Run| run.args(&target).args([kind, "sh", "-c", &format!("exit {status}")]).run();
            assert_eq!(run(t.tool("rnsenter")).code, Some(status));
            assert_eq!(run(t.program("nsenter")).code, Some(status));
        }
        // A caller who ignores SIGCHLD shall not make us lose it.
        let run = t.program("env").args(["--ignore-signal=CHLD"]).arg(tool_path("rnsenter"));
        assert_eq!(run.args(&target).args([kind, "sh", "-c", "exit 42"]).run().code, Some(42));
    }
}

#[test]
fn a_program_that_cannot_be_started_is_told_from_our_own_failure() {
    let t = rings!(Host, User);
    let (_held, target) = enterable(&t);
    let dir = open_directory();
    let script = dir.path().join("script");
    std::fs::write(&script, "#!/no/such/interpreter\n").unwrap();
    std::fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let script = script.to_str().unwrap();
    let cases = [
        ("/no/such/file", 127, "No such file or directory", ""),
        ("nskit-no-such-program", 127, "No such file or directory", ""),
        ("", 127, "No such file or directory", "empty"),
        (script, 127, "No such file or directory", "interpreter"),
        ("/etc/passwd", 126, "Permission denied", ""),
        ("/etc/passwd/x", 126, "Not a directory", ""),
        ("/etc", 126, "Permission denied", ""),
        ("-x", 127, "No such file or directory", ""),
    ];
    for kind in ["-n", "-p"] {
        for (program, status, why, hint) in cases {
            let args = [kind, "--", program];
            let line = format!("rnsenter: exec {program}: {why}").replace("exec : ", "exec: ");
            // A directory in PATH that may not be searched would make "denied" of "not found".
            let run = |run: Run| run.env("PATH", "/usr/bin:/bin").args(&target).args(args).run();
            let told = run(t.tool("rnsenter")).fails(status, &line);
            assert!(told.contains(hint) && told.is_empty() == hint.is_empty(), "{told}");
            assert_eq!(run(t.program("nsenter")).code, Some(status));
        }
    }
}

#[test]
fn a_signal_that_ends_the_program_ends_us() {
    let t = rings!(Host, User);
    let (_held, target) = enterable(&t);
    // For a core file, should the machine make one.
    let dir = open_directory();
    for kind in ["-n", "-p"] {
        for signal in
            [libc::SIGHUP, libc::SIGINT, libc::SIGKILL, libc::SIGSEGV, libc::SIGPIPE, libc::SIGTERM, 40]
        {
            let args = [kind, "sh", "-c", &format!("kill -{signal} $$")];
            for tool in [tool_path("rnsenter"), Path::new("nsenter")] {
                // Whoever runs the tests in the background has SIGINT ignored.
                let run = t.program("env").arg("--default-signal").arg(tool).args(&target).args(args);
                assert_eq!(run.dir(dir.path()).run().signal, Some(signal));
            }
        }
        let die = [kind, "sh", "-c", "kill -TERM $$"];
        let run = in_shell(&t, "\"$@\" 2>/dev/null; echo $?").args(&target).args(die).run();
        assert_eq!(run.ok(), "143\n");
        // The caller ignores it, the program does not.
        let run = t.program("env").arg("--ignore-signal=TERM").arg(tool_path("rnsenter"));
        let die = [kind, "env", "--default-signal=TERM", "sh", "-c", "kill -TERM $$"];
        assert_eq!(run.args(&target).args(die).run().signal, Some(libc::SIGTERM));
    }
    if t.has("perl") {
        let program =
            "use POSIX; sigprocmask(SIG_UNBLOCK, POSIX::SigSet->new(SIGTERM)); kill TERM => $$; sleep 9";
        let run = t.program("env").arg("--block-signal=TERM").arg(tool_path("rnsenter"));
        assert_eq!(run.args(&target).args(["-p", "perl", "-e", program]).run().signal, Some(libc::SIGTERM));
    }
    // The first process of a pid namespace cannot be ended by its own signal.
    let own = ["-p/proc/self/ns/pid", "sh", "-c", "kill -TERM $$"];
    assert_eq!(
        t.program("unshare")
            .args(["-Ur", "-fp", "--mount-proc"])
            .arg(tool_path("rnsenter"))
            .args(own)
            .run()
            .code,
        Some(143)
    );
}

/// Notes each signal of those it is given by name, in a file, and says when it is ready.
const COUNTER: &str = r#"open F, ">>", shift; for (@ARGV) { $SIG{$_} = sub { syswrite F, "$_[0]\n" } } $| = 1; print "ready\n"; sleep 1 while 1"#;

#[test]
fn a_signal_sent_to_us_reaches_the_program_once() {
    let t = rings!(Host, User, Uml, Qemu);
    if !t.has("perl") {
        return;
    }
    let (_held, target) = enterable(&t);
    let dir = open_directory();
    let log = dir.path().join("log");
    let names = ["TERM", "INT", "HUP", "QUIT", "USR1", "USR2", "CONT"];
    let mut run = t.tool("rnsenter").args(&target).args(["-p", "perl", "-e", COUNTER]);
    run = run.arg(&log).args(names);
    let held = run.hold();
    let seen = || std::fs::read_to_string(&log).unwrap_or_default();
    let mut expected = String::new();
    for name in names {
        signal(held.pid(), format!("SIG{name}").parse().unwrap());
        expected.push_str(&format!("{name}\n"));
        assert!(within(Duration::from_secs(10), || seen() == expected), "{name}: {}", seen());
    }
    std::thread::sleep(Duration::from_millis(200));
    assert_eq!(seen(), expected);
}

#[test]
fn a_key_of_the_terminal_reaches_the_program_once() {
    let t = rings!(Host, User);
    if !t.has("perl") || !t.has("script") {
        return;
    }
    let (_held, target) = enterable(&t);
    let dir = open_directory();
    let log = dir.path().join("log");
    std::fs::write(dir.path().join("counter"), COUNTER).unwrap();
    let line = format!(
        "exec {} {} -p perl {}/counter {} INT QUIT HUP",
        tool_path("rnsenter").display(),
        target.join(" "),
        dir.path().display(),
        log.display()
    );
    let mut held = t.program("script").args(["-qec", &line, "/dev/null"]).hold();
    // At a terminal it is said first that ps shows what is outside.
    while held.line.trim_end() != "ready" {
        held.line = held.next_line().unwrap();
    }
    let mut expected = String::new();
    for (key, name) in [(b"\x03", "INT"), (b"\x1c", "QUIT"), (b"\x03", "INT")] {
        std::io::Write::write_all(held.child.stdin.as_mut().unwrap(), key).unwrap();
        expected.push_str(&format!("{name}\n"));
        let seen = || std::fs::read_to_string(&log).unwrap_or_default();
        assert!(within(Duration::from_secs(10), || seen() == expected), "{}", seen());
        std::thread::sleep(Duration::from_millis(100));
        assert_eq!(seen(), expected);
    }
    // A terminal that goes away tells only the leader of its session, which we are here.
    let (we, program) = (children(held.pid())[0], held.inner());
    assert_ne!(we, program);
    signal(held.pid(), Signal::SIGKILL);
    expected.push_str("HUP\n");
    let seen = || std::fs::read_to_string(&log).unwrap_or_default();
    let once = within(Duration::from_secs(10), || seen() == expected);
    std::thread::sleep(Duration::from_millis(100));
    let seen = seen();
    signal(program, Signal::SIGKILL);
    assert!(once && seen == expected, "{seen}");
}

#[test]
fn we_stop_with_the_program_and_wake_it_once() {
    let t = rings!(Host, User);
    if !t.has("perl") {
        return;
    }
    let (_held, target) = enterable(&t);
    let dir = open_directory();
    let log = dir.path().join("log");
    let run = t.tool("rnsenter").args(&target).args(["-p", "perl", "-e", COUNTER]);
    // In a process group of its own, or SIGTSTP would stop nothing where nobody is there to wake the group of
    // whoever runs the tests.
    let run = run.with(|command| {
        command.process_group(0);
    });
    let held = run.arg(&log).arg("CONT").hold();
    let (we, program) = (held.pid(), held.inner());
    assert_ne!(we, program);
    let mut expected = String::new();
    // Stopped by SIGSTOP it may be woken alone, and nobody would wake us.
    signal(program, Signal::SIGSTOP);
    assert!(within(Duration::from_secs(10), || state(program) == Some('T')));
    std::thread::sleep(Duration::from_millis(100));
    assert_eq!(state(we), Some('S'));
    signal(program, Signal::SIGCONT);
    expected.push_str("CONT\n");
    assert!(within(Duration::from_secs(10), || std::fs::read_to_string(&log).unwrap_or_default() == expected));
    let ways = [(program, Signal::SIGTSTP), (program, Signal::SIGTTIN), (we, Signal::SIGTSTP)];
    for (to, stop) in ways.repeat(5) {
        signal(to, stop);
        assert!(
            within(Duration::from_secs(10), || state(we) == Some('T') && state(program) == Some('T')),
            "{stop} to {to}"
        );
        signal(we, Signal::SIGCONT);
        expected.push_str("CONT\n");
        assert!(
            within(Duration::from_secs(10), || state(we) == Some('S') && state(program) == Some('S')),
            "{stop} to {to}"
        );
        std::thread::sleep(Duration::from_millis(100));
        assert_eq!(std::fs::read_to_string(&log).unwrap_or_default(), expected, "{stop} to {to}");
    }
}

// What reaches the program.

#[test]
fn stdin_reaches_the_program_unchanged() {
    let t = rings!(Host, User);
    let (_held, target) = enterable(&t);
    let much: Vec<u8> = (0..=255).cycle().take(1 << 20).collect();
    let sum = t.program("cksum").stdin(much.clone()).run().ok();
    for kinds in [&["-n"][..], &["-p"], &["-n", "-p"], &["-p", "-F"]] {
        assert_eq!(
            t.tool("rnsenter").args(&target).args(kinds).arg("cksum").stdin(much.clone()).run().ok(),
            sum
        );
        assert_eq!(
            in_shell(&t, "echo hello | \"$@\"").args(&target).args(kinds).args(["cat"]).run().ok(),
            "hello\n"
        );
        // What the program leaves is left to the next.
        let next =
            in_shell(&t, "\"$@\"; cat").args(&target).args(kinds).args(["true"]).stdin("hello\n").run();
        assert_eq!(next.ok(), "hello\n");
    }
}

#[test]
fn signals_reach_the_program_as_we_got_them() {
    let t = rings!(Host, User);
    let (_held, target) = enterable(&t);
    let show = ["grep", "-E", "^Sig(Ign|Blk):", "/proc/self/status"];
    for change in [
        &[][..],
        &["--ignore-signal=PIPE"],
        &["--ignore-signal=HUP,CHLD,PIPE,USR2"],
        &["--block-signal=USR1,TERM,CHLD,CONT"],
        &["--ignore-signal=CHLD", "--block-signal=PIPE"],
    ] {
        let plain = t.program("env").args(change).args(show).run().ok();
        for options in [&["-n"][..], &["-p"], &["-F", "-p"]] {
            let run = t.program("env").args(change).arg(tool_path("rnsenter")).args(&target);
            assert_eq!(run.args(options).args(show).run().ok(), plain, "{change:?} {options:?}");
        }
    }
}

#[test]
fn no_descriptor_of_ours_reaches_the_program() {
    let t = rings!(Host);
    let inherited = descriptors(&t.program("ls").args(["-l", "/proc/self/fd"]).run().ok());
    for row in KINDS {
        let map = if row.name == "user" { "-r" } else { "-f" };
        let held = t.hold("unshare", &["-f", map, &format!("-{}", row.short)]);
        let target = format!("-t{}", held.inner());
        let option = format!("-{}", row.short);
        let file = format!("{option}/proc/{}/ns/{}", held.inner(), row.name);
        let ways = [
            &[target.as_str(), &option][..],
            &[&file],
            &[&target, "-r", "-w", &option],
            &["-r/", "-w/", &file],
            &[&target, &option, "-F"],
            &[&target, "-a"],
        ];
        for way in ways {
            // Nothing of ours is there that would have to be closed.
            let run = t.tool("rnsenter").arg("--preserve-fds=all").args(way).args(LIST_DESCRIPTORS).run();
            assert_eq!(descriptors(&run.ok()), inherited, "{way:?}");
        }
    }
}

#[test]
fn inherited_descriptors_are_closed_where_they_could_be_a_way_out() {
    let t = rings!(Host);
    let held = t.hold("unshare", &["-fpmuinC"]);
    let with_user = t.hold("unshare", &["-Ur"]);
    let [target, user] = [held.inner(), with_user.pid()].map(|pid| format!("-t{pid}"));
    let line = "exec 3</dev/null 7</dev/null; exec \"$@\"";
    let inherited = t.program("sh").args(["-c", line, "sh", "ls", "-l", "/proc/self/fd"]).run().ok();
    let inherited = descriptors(&inherited);
    // How many of those above 2 are passed on, from 3 on.
    let (all, none) = (u32::MAX - 3, 0);
    let cases: [(&[&str], u32); 16] = [
        (&[&target], all),
        (&[&target, "-n"], all),
        (&[&target, "-u", "-i", "-C"], all),
        (&[&target, "-m"], none),
        (&[&target, "-p"], none),
        (&[&target, "-p", "-F"], none),
        (&[&target, "-a"], none),
        (&[&user, "-U"], none),
        (&[&target, "-m", "--preserve-fds=all"], all),
        (&[&target, "-p", "--preserve-fds", "all"], all),
        (&[&user, "-U", "--preserve-fds=all"], all),
        (&[&target, "-m", "--preserve-fds=0"], none),
        (&[&target, "-m", "--preserve-fds=1"], 1),
        (&[&target, "-p", "--preserve-fds=5"], 5),
        (&[&target, "-m", "--preserve-fds=4294967295"], all),
        (&[&target, "-n", "--preserve-fds=4"], 4),
    ];
    for (options, passed) in cases {
        let run = in_shell(&t, line).args(options.iter()).args(LIST_DESCRIPTORS).run();
        let expected: Vec<u32> = inherited.iter().copied().filter(|fd| *fd < 3 + passed).collect();
        assert_eq!(descriptors(&run.ok()), expected, "{options:?}");
    }
}

#[test]
fn without_a_program_the_users_shell_is_run_as_a_login_shell() {
    let t = rings!(Host, User);
    let (_held, target) = enterable(&t);
    let dir = open_directory();
    let shell = dir.path().join("my shell");
    symlink("/bin/sh", &shell).unwrap();
    let shell = shell.to_str().unwrap();
    for kind in ["-n", "-p"] {
        let ask =
            |run: Run| run.args(&target).args([kind]).stdin("echo $0; readlink /proc/self/ns/net").run().ok();
        for (shell, name) in [("/bin/sh", "-sh"), (shell, "-my shell")] {
            let ours = ask(t.tool("rnsenter").env("SHELL", shell));
            assert_eq!(ours, ask(t.program("nsenter").env("SHELL", shell)));
            assert_eq!(ours.lines().next(), Some(name));
        }
        // Ordinary users need not have one that runs.
        if Ring::here().is_root() {
            let passwd = std::fs::read_to_string("/etc/passwd").unwrap();
            let of_root = passwd.lines().find(|line| line.split(':').nth(2) == Some("0")).unwrap();
            let name = format!("-{}", of_root.rsplit('/').next().unwrap());
            let without = t.tool("rnsenter").with(|command| {
                command.env_remove("SHELL");
            });
            assert_eq!(ask(without).lines().next(), Some(&*name));
            assert_eq!(ask(t.tool("rnsenter").env("SHELL", "")).lines().next(), Some(&*name));
        }
    }
    let gone = t.tool("rnsenter").env("SHELL", "/no/shell").args(&target).args(["-n"]).run();
    gone.fails(127, "rnsenter: exec /no/shell: No such file or directory");
}

#[test]
fn processes_inside_cannot_look_into_us() {
    let t = rings!(Host);
    if !t.has("setpriv") {
        return;
    }
    let target = t.hold("unshare", &["-fp"]);
    let dir = open_directory();
    t.program("cp").arg(tool_path("rnsenter")).arg(dir.path()).run().ok();
    // A user who may enter without being root.
    let id = NOBODY.to_string();
    let rights = "+sys_admin,+sys_ptrace";
    let become_user =
        ["--reuid", &id, "--regid", &id, "--clear-groups", "--inh-caps", rights, "--ambient-caps", rights];
    let run = t.program("setpriv").args(become_user).arg(dir.path().join("rnsenter"));
    let held = run.args(["-t", &target.inner().to_string(), "-p"]).args(SLEEP).hold();
    // The kernel gives the directory of a process that may not be looked into to root.
    let owner = |pid: i32| {
        std::os::unix::fs::MetadataExt::uid(&std::fs::metadata(format!("/proc/{pid}/fd")).unwrap())
    };
    assert_ne!(held.pid(), held.inner());
    assert_eq!((owner(held.pid()), owner(held.inner())), (0, NOBODY));
}

// How the command line is read.

#[test]
fn options_end_at_the_program_and_at_two_dashes() {
    let t = rings!(Host);
    let held = t.hold("unshare", &["-n"]);
    let target = held.pid().to_string();
    for ends in [&["-n"][..], &["-n", "--"], &["--net", "--"]] {
        let program = ["printf", "%s,", "-n", "-t", "5", "--", "--net=x", "--help", "-"];
        let seen = both(&t, ["-t", &target].iter().chain(ends).chain(&program));
        assert_eq!(seen, "-n,-t,5,--,--net=x,--help,-,");
    }
}

#[test]
fn a_cluster_ends_where_a_file_may_be_attached() {
    let t = rings!(Host);
    let held = t.hold("unshare", &["-n"]);
    let target = held.pid().to_string();
    for args in [["-nt", &target, "true"], ["-nu", "true", ""]] {
        let name = &args[0][2..];
        let hint = t
            .tool("rnsenter")
            .args(args)
            .run()
            .fails(125, &format!("rnsenter: open net namespace {name}: No such file or directory"));
        assert!(hint.contains(&format!("--net={name}")), "{hint}");
        let original = t.program("nsenter").args(args).run();
        assert!(original.code == Some(1) && original.errors().contains(name), "{original:?}");
    }
    // Options before it are read as such, and a value may be attached to the last.
    assert_eq!(
        both(&t, [&format!("-Ft{target}"), "-n", "readlink", "/proc/self/ns/net"]),
        link(&target, "net")
    );
    assert_eq!(both(&t, ["-at", &target, "readlink", "/proc/self/ns/net"]), link(&target, "net"));
}

#[test]
fn long_options_may_be_abbreviated_as_in_the_original() {
    let t = rings!(Host);
    let held = t.hold("unshare", &["-fpmuinC"]);
    let target = held.inner().to_string();
    for row in KINDS.iter().filter(|row| !matches!(row.name, "user" | "time")) {
        let theirs = link(&target, row.name);
        for length in 2..row.long.len() {
            let option = format!("--{}", &row.long[..length]);
            let args = ["--targ", &target, &option].map(String::from).into_iter().chain(where_am_i(row.name));
            assert_eq!(both(&t, args), theirs, "{option}");
        }
    }
    let pid = link(&target, "pid");
    assert_eq!(both(&t, ["--ta", &target, "--al", "readlink", "/proc/self/ns/net"]), link(&target, "net"));
    assert_eq!(
        both(&t, [&format!("--ta={target}"), "--pi", "--no", "readlink", "/proc/self/ns/pid_for_children"]),
        pid
    );
    assert_eq!(both(&t, ["--setu=12", "--setg=34", "--", "sh", "-c", "id -u; id -g"]), "12\n34");
    assert_eq!(both(&t, ["--roo=/", "--wd=/usr", "/bin/pwd"]), "/usr");
    // Ours are longer to spell: what the original understood means the same.
    let users = hold_with_two_users(&t);
    for option in ["--pre", "--pres", "--preserve", "--preserve-", "--preserve-c"] {
        assert_eq!(both(&t, [&format!("-t{}", users.pid()), "--use", option, "id", "-u"]), "5");
    }
    assert_eq!(
        in_shell(&t, "exec 7</dev/null; exec \"$@\"")
            .args(["--preserve-f=0", "ls", "/proc/self/fd/7"])
            .run()
            .code,
        Some(2)
    );

    for (option, ours) in
        [("--n", "--net --no-fork"), ("--set", "--setuid --setgid"), ("--u", "--user --uts")]
    {
        let hint = t
            .tool("rnsenter")
            .args([option, "true"])
            .run()
            .fails(125, &format!("rnsenter: option {option} is ambiguous"));
        assert_eq!(hint, format!("one of: {ours}"));
        let original = t.program("nsenter").args([option, "true"]).run();
        assert!(original.code == Some(1) && original.errors().contains("ambiguous"), "{original:?}");
    }
}

// Bad input.

#[test]
fn a_bad_command_line_is_one_clear_line() {
    let t = rings!(Host, User);
    let see_help = "`rnsenter --help` shows what can be asked";
    let name = "name it with -t PID";
    let numbers = "PIDs go from 1 to 4194304, inode numbers of namespaces from 4026531832 to 4294967295";
    let names =
        "`rlsns -o +CONTAINER,UNIT` shows names; a process is named by its PID, a file with a / in it";
    let gone = "no process has this PID here; it may have ended, or count in another pid namespace";
    // What is given, what we say, what we advise, and whether the original 2.38 fails too.
    #[rustfmt::skip]
    let cases: [(&[&str], &str, &str, bool); 30] = [
        (&["-t"], "a value is required for '--target <REF>' but none was supplied", see_help, true),
        (&["--target"], "a value is required for '--target <REF>' but none was supplied", see_help, true),
        (&["-t", "no such", "-n"], "no container that we see is called no such", names, true),
        (&["-t", "", "-n"], "invalid value '' for '--target <REF>': the value is empty", see_help, true),
        (&["--net=", "true"], "invalid value '' for '--net[=<FILE>]': the value is empty", see_help, true),
        (&["-n=", "true"], "invalid value '' for '--net[=<FILE>]': the value is empty", see_help, true),
        (&["--root=", "true"], "invalid value '' for '--root[=<DIR>]': the value is empty", see_help, true),
        (&["-S", "4294967295"], "user id is no valid number: 4294967295", see_help, false),
        (&["-t", "-1", "-n"], "PID is no valid number: -1", see_help, true),
        (&["-t", "+2", "-n"], "PID is no valid number: +2", see_help, false),
        (&["-t", "99999999999", "-n"], "99999999999 is neither a PID nor the inode number of a namespace", numbers, true),
        (&["-t", "4194305", "-n"], "4194305 is neither a PID nor the inode number of a namespace", numbers, true),
        (&["-t", "0", "-n"], "0 is neither a PID nor the inode number of a namespace", numbers, true),
        (&["-t", "4194304", "-n"], "pidfd_open 4194304: No such process", gone, true),
        (&["-t", "4194304"], "pidfd_open 4194304: No such process", gone, false),
        (&["-t", "2", "-t", "2"], "option --target may be given only once", see_help, false),
        (&["-t2", "--target=3"], "option --target may be given only once", see_help, false),
        (&["--nope"], "unexpected argument '--nope' found", see_help, true),
        (&["-Fx"], "unexpected argument '-x' found", see_help, true),
        (&["-n", "-xn"], "unexpected argument '-x' found", see_help, true),
        (&["-a"], "--all needs a target process", name, true),
        (&["-n"], "a namespace option without a file needs a target process", name, true),
        (&["-r"], "--root without a directory needs a target process", name, true),
        (&["-w"], "--wd without a directory needs a target process", name, true),
        (&["-S", "4294967296"], "user id is no valid number: 4294967296", see_help, false),
        (&["-S", "root"], "user id is no valid number: root", see_help, true),
        (&["-G", "4294967296"], "group id is no valid number: 4294967296", see_help, false),
        (&["-G", "root"], "group id is no valid number: root", see_help, true),
        (&["-G", "-1"], "group id is no valid number: -1", see_help, false),
        (&["--preserve-fds=some"], "number of descriptors is no valid number: some", see_help, true),
    ];
    for (args, line, hint, theirs) in cases {
        let told = t
            .tool("rnsenter")
            .args(args)
            .stdin("echo started")
            .run()
            .fails(125, &format!("rnsenter: {line}"));
        assert_eq!(told, hint, "{args:?}");
        if theirs {
            assert_eq!(t.program("nsenter").args(args).run().code, Some(1), "the original, with {args:?}");
        }
    }
}

#[test]
fn a_file_that_is_no_such_namespace_is_refused() {
    let t = rings!(Host, User);
    let dir = open_directory();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_string();
    let [regular, fifo, dangling, closed] = ["regular", "fifo", "dangling", "closed"].map(path);
    std::fs::write(&regular, "net:[1]").unwrap();
    nix::unistd::mkfifo(Path::new(&fifo), nix::sys::stat::Mode::S_IRWXU).unwrap();
    symlink("/nowhere", &dangling).unwrap();
    std::fs::write(&closed, "").unwrap();
    std::fs::set_permissions(&closed, std::os::unix::fs::PermissionsExt::from_mode(0o000)).unwrap();
    let no = "a namespace file is one of /proc/PID/ns, or a bind mount of one, as in /run/netns";
    let cases = [
        (&*regular, format!("{regular} is no namespace"), no),
        (&fifo, format!("{fifo} is no namespace"), no),
        (dir.path().to_str().unwrap(), format!("{} is no namespace", dir.path().display()), no),
        ("/dev/null", "/dev/null is no namespace".into(), no),
        ("/proc/self/stat", "/proc/self/stat is no namespace".into(), no),
        (
            "/proc/self/ns/uts",
            "/proc/self/ns/uts is a uts namespace, not a net namespace".into(),
            "give it to --uts",
        ),
        (
            "/proc/self/ns/mnt",
            "/proc/self/ns/mnt is a mnt namespace, not a net namespace".into(),
            "give it to --mount",
        ),
        (&dangling, format!("open net namespace {dangling}: No such file or directory"), ""),
        ("/etc/passwd/x", "open net namespace /etc/passwd/x: Not a directory".into(), ""),
        (
            "/proc/2147483647/ns/net",
            "open net namespace /proc/2147483647/ns/net: No such file or directory".into(),
            "",
        ),
    ];
    for (file, line, hint) in cases {
        let run = t.tool("rnsenter").args([&format!("-n{file}"), "echo", "started"]).run();
        assert_eq!(run.fails(125, &format!("rnsenter: {line}")), hint);
    }
    let denied = t.tool("rnsenter").as_user().args([&format!("-n{closed}"), "true"]).run();
    denied.fails(125, &format!("rnsenter: open net namespace {closed}: Permission denied"));
    for (option, line) in [("-w", "Not a directory"), ("-r", "Not a directory")] {
        t.tool("rnsenter")
            .args([&format!("{option}{regular}"), "true"])
            .run()
            .fails(125, &format!("rnsenter: open {regular}: {line}"));
        t.tool("rnsenter")
            .args([&format!("{option}{dangling}"), "true"])
            .run()
            .fails(125, &format!("rnsenter: open {dangling}: No such file or directory"));
    }
}

#[test]
fn a_kind_is_entered_only_from_a_file_of_its_own() {
    let t = rings!(Host);
    for row in KINDS {
        for other in KINDS.iter().filter(|other| other.name != row.name) {
            let option = format!("--{}=/proc/self/ns/{}", row.long, other.name);
            let line = format!(
                "rnsenter: /proc/self/ns/{0} is a {0} namespace, not a {1} namespace",
                other.name, row.name
            );
            assert_eq!(
                t.tool("rnsenter").args([&option, "true"]).run().fails(125, &line),
                format!("give it to --{}", other.long)
            );
        }
    }
}

#[test]
fn what_others_own_is_refused_with_advice() {
    let t = rings!(Host, Uml, Qemu);
    let held = t.hold("unshare", &["-fpn"]);
    let target = held.inner();
    let run = |options: &[&str]| {
        t.tool("rnsenter").as_user().args(["-t", &target.to_string()]).args(options).arg("true").run()
    };
    let hint = run(&["-n"]).fails(125, &format!("rnsenter: setns net of {target}: Operation not permitted"));
    assert!(hint.contains("CAP_SYS_PTRACE"), "{hint}");
    run(&["-p"]).fails(125, &format!("rnsenter: setns pid of {target}: Operation not permitted"));
    let hint = run(&["-a"]).fails(125, &format!("rnsenter: open namespaces of {target}: Permission denied"));
    assert!(hint.contains("CAP_SYS_PTRACE"), "{hint}");
    run(&["-r"]).fails(125, &format!("rnsenter: open root directory of {target}: Permission denied"));
    run(&["-w"]).fails(125, &format!("rnsenter: open working directory of {target}: Permission denied"));
    let file = format!("-n/proc/{target}/ns/net");
    let run = t.tool("rnsenter").as_user().args([&file, "true"]).run();
    run.fails(125, &format!("rnsenter: open net namespace /proc/{target}/ns/net: Permission denied"));
    let ids = t.tool("rnsenter").as_user().args(["-S", "0", "true"]).run();
    ids.fails(125, "rnsenter: setuid 0: Operation not permitted");
    t.tool("rnsenter")
        .as_user()
        .args(["-G", "0", "true"])
        .run()
        .fails(125, "rnsenter: setgid 0: Operation not permitted");
    t.tool("rnsenter")
        .as_user()
        .args(["-r/", "true"])
        .run()
        .fails(125, "rnsenter: chroot /: Operation not permitted");
    // The first process may be closed to root too.
    let first = t.tool("rnsenter").args(["-t", "1", "-n", "true"]).run();
    assert!(
        first.code == Some(0)
            || first
                .fails(125, "rnsenter: setns net of 1: Operation not permitted")
                .contains("closed to root")
    );
}

#[test]
fn a_process_that_ended_is_not_entered() {
    let t = rings!(Host);
    // It has ended, and its parent does not ask how: it has a PID, and no namespaces.
    let run = t.program("sh").args(["-c", "sh -c 'echo $$' & exec sleep 1000"]);
    let held = run.hold();
    let zombie: i32 = held.line.parse().unwrap();
    assert!(within(Duration::from_secs(10), || state(zombie) == Some('Z')));
    for option in ["-n", "-a", "-r", "-w", "-p", "-F"] {
        t.tool("rnsenter")
            .args(["-t", &zombie.to_string(), option, "true"])
            .run()
            .fails(125, &format!("rnsenter: open process {zombie}: No such process"));
    }
}

#[test]
fn a_pid_namespace_without_its_first_process_is_refused_with_advice() {
    let t = rings!(Host);
    let held = t.hold("unshare", &["-fp"]);
    let file = std::fs::File::open(format!("/proc/{}/ns/pid", held.inner())).unwrap();
    signal(held.inner(), Signal::SIGKILL);
    let mut held = held;
    held.wait();
    let path = format!("--pid=/proc/{}/fd/{}", std::process::id(), std::os::fd::AsRawFd::as_raw_fd(&file));
    let hint =
        t.tool("rnsenter").args([&path, "true"]).run().fails(125, "rnsenter: fork: Cannot allocate memory");
    assert!(hint.contains("first process"), "{hint}");
}

#[test]
fn what_others_wrote_is_shown_escaped() {
    let t = rings!(Host, User);
    let nasty: [(&[u8], &str); 3] = [
        (b"/no/\x1b[31mred", "/no/\\x1b[31mred"),
        (b"/no/two\nlines\r", "/no/two\\x0alines\\x0d"),
        (b"/no/\xff\xe2\x80\xae", "/no/\\xff\\u{202e}"),
    ];
    for (name, shown) in nasty {
        let with =
            |option: &str, name: &[u8]| t.tool("rnsenter").arg(bytes(&[option.as_bytes(), name].concat()));
        let gone = "No such file or directory";
        with("-n", name).run().fails(125, &format!("rnsenter: open net namespace {shown}: {gone}"));
        with("-r", name).run().fails(125, &format!("rnsenter: open {shown}: {gone}"));
        with("-t", name).run().fails(125, &format!("rnsenter: open namespace {shown}: {gone}"));
        with("", name).run().fails(127, &format!("rnsenter: exec {shown}: {gone}"));
        // In the advice too.
        let (name, shown) = (&name[4..], &shown[4..]);
        let run = with("-n", name).run();
        let hint = run.fails(125, &format!("rnsenter: open net namespace {shown}: {gone}"));
        assert!(hint.is_empty() || hint.contains(&format!("--net={shown}")), "{hint}");
        for option in ["--", "--net=\x1b", "-\x1b"] {
            let run = with(option, name).arg("true").run();
            let shown_raw = run.errors().chars().any(|c| c != '\n' && common::text::is_unsafe(c));
            assert!(!shown_raw && run.code == Some(125) && run.errors().lines().count() <= 2, "{run:?}");
        }
    }
}

// The process may end at any moment.

#[test]
fn a_target_that_is_killed_meanwhile_is_entered_or_refused() {
    let t = rings!(Host);
    let mut entered = 0;
    for round in 0..200 {
        let (options, kind) = [(&["-n"][..], "net"), (&["-fp"], "pid"), (&["-m"], "mnt")][round % 3];
        let held = t.hold("unshare", options);
        let target = held.inner();
        let theirs = link(target, kind);
        let killer = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_micros(round as u64 * 20));
            signal(target, Signal::SIGKILL);
        });
        let way = if round % 2 == 0 {
            "-a"
        } else {
            &format!("-{}", &KINDS.iter().find(|row| row.name == kind).unwrap().short)
        };
        let run = t.tool("rnsenter").args(["-t", &target.to_string(), way]).args(where_am_i(kind)).run();
        killer.join().unwrap();
        match (run.code, run.signal) {
            (Some(0), _) => {
                assert_eq!(run.ok().trim_end(), theirs);
                entered += 1;
            }
            // With the first process of a pid namespace the kernel ends all in it.
            (None, Some(libc::SIGKILL)) if kind == "pid" => {}
            _ => {
                let line = run.errors().lines().next().unwrap_or_default().to_string();
                assert!(line.starts_with("rnsenter: "), "{run:?}");
                run.fails(125, &line);
            }
        }
    }
    println!("entered {entered} times of 200");
}
