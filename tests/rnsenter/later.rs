//! What nsenter got after the one that is installed here, and what only ours has.

use std::os::unix::process::ExitStatusExt;

use super::*;
use crate::runshare::signals::Terminal;

/// The newest original, which only root has.
fn newest(t: &Test) -> Option<std::path::PathBuf> {
    (Ring::here() == Ring::Host).then(|| t.newest("nsenter")).flatten()
}

/// Ours and the newest original must both succeed and print the same; answers it without the last newline.
#[track_caller]
fn both_newest(t: &Test, args: &[&str]) -> String {
    let ours = t.tool("rnsenter").args(args).run().ok();
    if let Some(newest) = newest(t) {
        assert_eq!(ours, t.path(&newest).args(args).run().ok(), "ours and the newest original");
    }
    ours.trim_end().into()
}

fn ready(pid: i32) -> String {
    pid.to_string()
}

/// A process that has a socket of another net namespace than its own, as descriptor 9.
fn hold_with_socket(t: &Test, other: i32) -> Held {
    let line = "use Socket; use POSIX; $| = 1; open my $home, '<', '/proc/self/ns/net' or die; \
        open my $other, '<', \"/proc/$ARGV[0]/ns/net\" or die; syscall(308, fileno $other, 0) == 0 or die; \
        socket my $socket, AF_INET, SOCK_DGRAM, 0 or die; dup2(fileno $socket, 9) or die; \
        syscall(308, fileno $home, 0) == 0 or die; print qq(ready\\n); sleep 1000";
    t.program("perl").args(["-e", line, &other.to_string()]).hold()
}

#[test]
fn the_network_of_a_socket_is_entered() {
    let t = rings!(Host);
    if !t.has("perl") {
        return;
    }
    let other = t.hold("unshare", &["-n"]);
    let held = hold_with_socket(&t, other.pid());
    let (pid, net) = (held.pid().to_string(), link(other.pid(), "net"));
    assert_ne!(link(held.pid(), "net"), net);
    let program = ["readlink", "/proc/self/ns/net"];
    for options in [&["-t", &pid, "-N", "9"][..], &["-t", &pid, "--net-socket=9"], &["-t", &pid, "-n", "-N9"]]
    {
        assert_eq!(both_newest(&t, &[options, &program].concat()), net, "{options:?}");
    }
    let run = |fd: &str| t.tool("rnsenter").args(["-t", &pid, "-N", fd, "true"]).run();
    assert_eq!(
        run("0").fails(
            125,
            &format!("rnsenter: SIOCGSKNS descriptor 0 of {pid}: Inappropriate ioctl for device")
        ),
        "it is no socket"
    );
    let hint =
        run("99").fails(125, &format!("rnsenter: pidfd_getfd descriptor 99 of {pid}: Bad file descriptor"));
    assert_eq!(hint, format!("ls -l /proc/{pid}/fd shows which there are"));
    assert_eq!(
        t.tool("rnsenter")
            .args(["-N", "3"])
            .run()
            .fails(125, "rnsenter: --net-socket needs a target process"),
        "name it with -t PID"
    );
    run("-1").fails(125, "rnsenter: descriptor is no valid number: -1");
}

#[test]
fn the_user_namespace_above_is_entered() {
    let t = rings!(Host, User);
    let held = t.hold("unshare", &["-Ur", "unshare", "-Ur", "-n"]);
    let inner = held.inner();
    let file = format!("--user=/proc/{inner}/ns/user");
    let net = format!("-n/proc/{inner}/ns/net");
    let pid = inner.to_string();
    let ns = common::ns::fd::NsFd::open(Path::new(&format!("/proc/{inner}/ns/user"))).unwrap();
    let above = format!("user:[{}]", ns.parent().unwrap().unwrap().id().unwrap().ino);
    assert!(above != link("self", "user") && above != link(inner, "user"), "{above}");
    let program = ["readlink", "/proc/self/ns/user"];
    for options in [&["-t", &pid, "--user-parent"][..], &["-t", &pid, "-U", "--user-parent"]] {
        assert_eq!(both_newest(&t, &[options, &program].concat()), above, "{options:?}");
    }
    // The original wants a target here.
    let ours = |option: &str| t.tool("rnsenter").args([option, "--user-parent"]).args(program).run().ok();
    assert_eq!(ours(&file).trim_end(), above);
    // Of another namespace, the one that owns it: here the innermost.
    assert_eq!(ours(&net).trim_end(), link(inner, "user"));
    let refused = t.tool("rnsenter").args(["--user-parent", "true"]).run();
    refused.fails(125, "rnsenter: --user-parent without a file needs a target process");
    let outermost =
        t.tool("rnsenter").args(["-t", &ready(std::process::id() as i32), "--user-parent", "true"]).run();
    let hint = outermost.fails(
        125,
        &format!(
            "rnsenter: there is no user namespace above the user namespace of {} that we may enter",
            std::process::id()
        ),
    );
    assert!(hint.contains("leave out --user-parent"), "{hint}");
}

#[test]
fn a_working_directory_can_be_named_as_it_is_inside() {
    let t = rings!(Host);
    let dir = open_directory();
    let line = format!(
        "mount -t tmpfs none {0}; mkdir {0}/inside; echo ready; exec sleep 1000",
        dir.path().display()
    );
    let held = t.program("unshare").args(["-m", "sh", "-c", &line]).hold();
    let (pid, inside) = (held.pid().to_string(), format!("{}/inside", dir.path().display()));
    let attached = format!("-W{inside}");
    for option in [&["-W", &inside][..], &["--wdns", &inside], &[&attached], &["--wdns", &inside]] {
        let seen = t.tool("rnsenter").args(["-t", &pid, "-m"]).args(option).arg("/bin/pwd").run().ok();
        assert_eq!(seen.trim_end(), inside, "{option:?}");
    }
    // The installed original takes it as we do; the newest takes the directory for the program, unless it is attached.
    assert_eq!(both(&t, ["-t", &pid, "-m", "-W", &inside, "/bin/pwd"]), inside);
    assert_eq!(both_newest(&t, &["-t", &pid, "-m", &format!("-W={inside}"), "/bin/pwd"]), inside);
    let outside = t.tool("rnsenter").args(["-t", &pid, "-W", &inside, "true"]).run();
    outside.fails(125, &format!("rnsenter: chdir {inside}: No such file or directory"));
    let both = t.tool("rnsenter").args(["-t", &pid, "-w", "-W/", "true"]).run();
    assert_eq!(both.code, Some(125));
    assert!(both.errors().contains("cannot be used with"), "{}", both.errors());
    // Relative to the root, also to a new one.
    let root = dir.path().to_str().unwrap();
    let usr = t.tool("rnsenter").args(["-t", &pid, "-m", "-W", "usr", "/bin/pwd"]).run().ok();
    assert_eq!(usr, "/usr\n");
    std::fs::create_dir(dir.path().join("sub")).unwrap();
    let line = format!("{SECOND_ROOT} exec \"$@\"");
    let run = t.program("unshare").args(["-m", "sh", "-c", &line, "sh", root]).arg(tool_path("rnsenter"));
    assert_eq!(
        run.arg(format!("-r{root}")).args(["-W", "mnt"]).args(WHICH_ROOT).run().ok().trim(),
        "/mnt inside"
    );
}

#[test]
fn capabilities_are_kept_whatever_the_user_is() {
    let t = rings!(Host);
    let held = hold_with_two_users(&t);
    let pid = held.pid().to_string();
    let program = ["grep", "-E", "^Cap(Eff|Amb)", "/proc/self/status"];
    let kept = |options: &[&str]| {
        let seen = t.tool("rnsenter").args(["-t", &pid, "-U"]).args(options).args(program).run().ok();
        seen.lines().map(|line| line.split_whitespace().last().unwrap().to_string()).collect::<Vec<_>>()
    };
    let none = "0000000000000000";
    let all = kept(&["--keep-caps"]);
    assert!(all[0] == all[1] && all[0] != none, "{all:?}");
    // The original loses them with the user id.
    assert_eq!(kept(&["--keep-caps", "-S5"]), all);
    assert_eq!(kept(&["-S5"]), [none, none]);
    let effective = ["grep", "^CapEff", "/proc/self/status"];
    both_newest(&t, &[&["-t", &pid, "-U", "--keep-caps"][..], &effective].concat());
}

#[test]
fn a_program_does_not_outlive_us_if_that_was_asked() {
    let t = rings!(Host, User);
    let (_held, target) = enterable(&t);
    let target: Vec<&str> = target.iter().map(String::as_str).collect();
    for option in ["--kill-child", "--kill-child=KILL", "--kill-child=term"] {
        let mut held = t.hold("rnsenter", &[&target[..], &["-p", option]].concat());
        let program = held.inner();
        signal(held.pid(), Signal::SIGKILL);
        held.wait();
        assert!(within(Duration::from_secs(20), || !runs(program)), "{option}");
    }
    if Ring::here().is_root() {
        // Other ids make the kernel forget it, if it comes before them.
        let mut held =
            t.hold("rnsenter", &[&target[..], &["-p", "-S65534", "-G65534", "--kill-child"]].concat());
        let program = held.inner();
        signal(held.pid(), Signal::SIGKILL);
        held.wait();
        assert!(within(Duration::from_secs(20), || !runs(program)));
    }
    // Without, and with the original always, it lives on.
    let mut held = t.hold("rnsenter", &[&target[..], &["-p"]].concat());
    let program = held.inner();
    signal(held.pid(), Signal::SIGKILL);
    assert_eq!(held.wait().signal(), Some(9));
    std::thread::sleep(Duration::from_millis(50));
    assert!(runs(program));
    signal(program, Signal::SIGKILL);
    let refused = t.tool("rnsenter").args(&target).args(["-p", "--kill-child=NOPE", "true"]).run();
    refused.fails(125, "rnsenter: unknown signal: NOPE");
}

#[test]
fn a_proc_of_its_own_shows_the_entered_processes_and_nobody_else_sees_it() {
    let t = rings!(Host);
    let held = t.hold("unshare", &["-fp"]);
    let pid = held.inner().to_string();
    let count = "ls /proc | grep -c '^[0-9]'; readlink /proc/self/ns/mnt";
    let run = |options: &[&str]| {
        let seen = t.tool("rnsenter").args(["-t", &pid]).args(options).args(["sh", "-c", count]).run().ok();
        let (processes, mnt) = seen.trim_end().split_once('\n').unwrap();
        (processes.parse::<usize>().unwrap(), mnt.to_string())
    };
    let outside = link("self", "mnt");
    // The first process there, the shell, ls and grep.
    let (processes, mnt) = run(&["-p", "--mount-proc"]);
    assert!((3..=4).contains(&processes) && mnt != outside, "{processes} {mnt}");
    let (processes, mnt) = run(&["-p"]);
    assert!(processes > 4 && mnt == outside, "{processes} {mnt}");
    let dir = open_directory();
    let elsewhere = format!("--mount-proc={}", dir.path().display());
    let list = ["ls", dir.path().to_str().unwrap()];
    let seen = t.tool("rnsenter").args(["-t", &pid, "-p", &elsewhere]).args(list).run().ok();
    assert!(seen.lines().any(|name| name == "1") && std::fs::read_dir(dir.path()).unwrap().next().is_none());
    // What the target shares with others stays theirs: the mount does not travel into its namespace.
    let shared = "mount --make-rshared /; echo ready; exec sleep 1000";
    let held = t.program("unshare").args(["-fpm", "sh", "-c", shared]).hold();
    let pid = held.inner().to_string();
    let before = std::fs::read(format!("/proc/{pid}/mountinfo")).unwrap();
    let line = format!("cmp /proc/{pid}/mountinfo - && ls /proc | grep -c '^[0-9]'");
    let run = t.tool("rnsenter").args(["-t", &pid, "-a", "--mount-proc", "sh", "-c", "ls /proc; sleep 0.1"]);
    assert!(!run.run().ok().lines().any(|name| name == pid), "{line}");
    assert_eq!(before, std::fs::read(format!("/proc/{pid}/mountinfo")).unwrap());
    for options in [&["--mount-proc"][..], &["-n", "--mount-proc"], &["-p", "-F", "--mount-proc"]] {
        let run = t.tool("rnsenter").args(["-t", &pid]).args(options).arg("true").run();
        let hint = run
            .fails(125, "rnsenter: --mount-proc needs the program to be in a pid namespace that is entered");
        assert!(hint.contains("-p"), "{hint}");
    }
}

#[test]
fn whoever_sits_at_a_terminal_is_told_that_ps_shows_what_is_outside() {
    let t = rings!(Host);
    let held = t.hold("unshare", &["-fp", "--mount-proc"]);
    let pid = held.inner().to_string();
    let told = "rnsenter: /proc goes on to show the processes outside, and with it ps and top";
    let run = |options: &[&str]| t.tool("rnsenter").args(["-t", &pid]).args(options).args(["echo", "ran"]);
    let shown = run(&["-p"]).run_in_terminal(80);
    assert!(shown.contains(told) && shown.contains("--mount-proc") && shown.ends_with("ran\n"), "{shown}");
    for options in
        [&["-p", "-m"][..], &["-p", "--mount-proc"], &["-p", "-F"], &["-p", "-r"], &["-a"], &["-u"]]
    {
        let shown = run(options).run_in_terminal(80);
        assert_eq!(shown, "ran\n", "{options:?}");
    }
    // In a script it would be noise.
    assert_eq!(run(&["-p"]).run().errors(), "");
}

#[test]
fn without_a_namespace_the_rest_is_done_all_the_same() {
    let t = rings!(Host, User);
    // The newest original says that no namespace was specified.
    let pid = std::process::id().to_string();
    for (options, program, expected) in [
        (&["-t", &pid, "-w/usr"][..], &["/bin/pwd"][..], "/usr\n"),
        (&["-t", &pid], &["echo", "ran"], "ran\n"),
        (&[], &["echo", "ran"], "ran\n"),
    ] {
        assert_eq!(t.tool("rnsenter").args(options).args(program).run().ok(), expected);
        assert_eq!(t.program("nsenter").args(options).args(program).run().ok(), expected);
        if let Some(newest) = newest(&t) {
            assert_eq!(t.path(&newest).args(options).args(program).run().code, Some(1), "it has been mended");
        }
    }
}

#[test]
fn a_job_is_entered_from_a_terminal_as_before() {
    let t = rings!(Host);
    let held = t.hold("unshare", &["-u"]);
    let words = [
        tool_path("rnsenter").to_str().unwrap(),
        "-t",
        &held.pid().to_string(),
        "-u",
        "sh",
        "-c",
        "echo ready; read x; echo $x",
    ];
    let output = Terminal::with(&t, &words, |terminal| {
        terminal.wait_for("ready", 1);
        terminal.press(b'5');
        terminal.press(b'\n');
        terminal.wait_for("5", 2);
    });
    assert_eq!(output.code, Some(0));
}
