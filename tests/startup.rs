//! What starting costs, in system calls: no launcher of ours makes more than its original before the program runs.

use std::ffi::OsStr;
use std::path::Path;

use crate::harness::{Test, find, tool_path};

/// What the program is: by its full path, since looking it up in PATH costs both the same and each machine another sum.
const PROGRAM: &str = "/bin/true";

/// How many system calls a launcher makes, and its children, until one executes the program.
fn calls(t: &Test, launcher: &Path, options: &[&str]) -> usize {
    let log = tempfile::NamedTempFile::new().unwrap();
    let strace = t.program("strace").args(["-f", "-o"]).arg(log.path()).arg(launcher);
    // In the C locale the original reads no files for its messages.
    strace.args(options).arg(PROGRAM).env("LC_ALL", "C").run().ok();
    let log = std::fs::read_to_string(log.path()).unwrap();
    let is_call = |line: &&str| {
        let call = line.split_once(' ').unwrap().1.trim_start();
        // In a debug build the standard library asks something of each descriptor before it closes it.
        let of_debug = call.starts_with("fcntl(") && call.contains("F_GETFD");
        // A parent has nothing else to do, and it is chance whether it begins to wait before its child executes the program.
        let waits = call.starts_with("wait4(") || call.starts_with("rt_sigtimedwait(");
        // A call that goes on, a signal, an end.
        !(of_debug || waits || call.starts_with(['<', '-', '+']))
    };
    // The first is the one that executes the launcher.
    let begun = log.lines().skip(1).filter(is_call);
    let count = begun.take_while(|line| !line.contains(&format!("execve(\"{PROGRAM}\""))).count();
    assert!(count > 10 && log.contains(&format!("execve(\"{PROGRAM}\"")), "{log}");
    count
}

#[test]
fn a_launcher_makes_no_more_system_calls_than_its_original() {
    let t = rings!(Host, User);
    if !t.has("strace") {
        return;
    }
    // Where ours may make more, how many, and why.
    let jobs: &[(&[&str], usize)] = &[
        (&["-u"], 0),
        (&["-Ur"], 0),
        (&["-f"], 0),
        (&["-fp", "--mount-proc"], 0),
        // Ours makes sure that the parent still lives, as newer originals do.
        (&["-fp", "--kill-child"], 2),
    ];
    for (options, more) in jobs {
        let options: Vec<&str> = match crate::harness::Ring::here().is_root() {
            true => options.to_vec(),
            false => [&["-Ur"], *options].concat(),
        };
        let theirs = calls(&t, &find("unshare").unwrap(), &options);
        let ours = calls(&t, tool_path("runshare"), &options);
        assert!(ours <= theirs + more, "{options:?}: {ours} calls, of unshare {theirs}");
    }
}

#[test]
fn entering_takes_no_more_system_calls_than_the_original_makes() {
    let t = rings!(Host);
    // Of another user's launcher strace may not read the words, once it has shut itself off from those inside.
    if !t.has("strace") {
        return;
    }
    let held = t.hold("runshare", &["-n", "-u", "-i", "-p", "-f"]);
    let pid = held.inner().to_string();
    for kinds in ["-n", "-a", "-p"] {
        let options = ["-t", pid.as_str(), kinds];
        let theirs = calls(&t, &find("nsenter").unwrap(), &options);
        let ours = calls(&t, tool_path("rnsenter"), &options);
        println!("{kinds}: {ours} calls, of nsenter {theirs}");
        assert!(ours <= theirs, "{kinds}: {ours} calls, of nsenter {theirs}");
    }
}

#[test]
fn a_launcher_loads_the_c_library_and_no_other() {
    let t = rings!(Host, User);
    if !t.has("strace") {
        return;
    }
    for tool in ["runshare", "rnsenter", "rcgexec", "rlsns", "nsinfo"] {
        let log = tempfile::NamedTempFile::new().unwrap();
        let strace = t.program("strace").args(["-e", "trace=open,openat", "-o"]).arg(log.path());
        strace.arg(tool_path(tool)).arg("--version").run().ok();
        let log = std::fs::read_to_string(log.path()).unwrap();
        let libraries = log.lines().filter(|line| {
            line.contains(".so.") && !line.contains("ld.so.cache") && !line.contains("ENOENT")
        });
        assert_eq!(
            libraries.filter(|line| !line.contains("/libc.so.6")).collect::<Vec<_>>(),
            [""; 0],
            "{tool}"
        );
    }
}

#[test]
fn the_program_has_the_signal_of_a_closed_pipe_as_we_were_given_it() {
    let t = rings!(Host, User);
    // Killed by the signal, the status is 141; where it is ignored seq tells of the error.
    let given = [("trap '' PIPE; \"$@\"; echo $? >&3", "1\n"), ("\"$@\"; echo $? >&3", "141\n")];
    for (script, expected) in given {
        for options in [&["-Ur"][..], &["-Ur", "-f"]] {
            let line = format!("exec 3>&1; {{ {script}; }} | true");
            let run = t.program("env").args(["--default-signal=PIPE", "bash", "-c", &line, "-"]);
            let run = run.arg(tool_path("runshare")).args(options).args(["seq", "100000"]);
            assert_eq!(run.run().text(), expected, "{options:?}");
        }
    }
}

#[test]
fn a_closed_pipe_ends_no_tool_before_its_own_status() {
    let t = rings!(Host, User);
    let cases: &[(&str, &[&str], &str)] = &[
        ("rlsns", &["--help"], "0\n"),
        ("rlsns", &["-n"], "0\n"),
        ("nsinfo", &[], "0\n"),
        ("runshare", &["--help"], "0\n"),
        ("rnsenter", &["--version"], "0\n"),
        ("rcgexec", &["--help"], "0\n"),
        // What went wrong cannot be told, and is so nevertheless.
        ("rlsns", &["--no-such-option"], "1\n"),
        ("nsinfo", &["--no-such-option"], "1\n"),
        ("runshare", &["--no-such-option"], "125\n"),
        ("rnsenter", &["-t", "4194304", "-n"], "125\n"),
        ("rcgexec", &["--no-such-option"], "125\n"),
        ("runshare", &["/nonexistent"], "127\n"),
        ("runshare", &["-f", "/nonexistent"], "127\n"),
    ];
    for (tool, args, status) in cases {
        // Until the reader is gone nothing may be written.
        let script = "exec 3>&1; { read -r _ <\"$1\"; shift; \"$@\" 2>&1; echo $? >&3; } | { exec <&-; echo >\"$1\"; }";
        let dir = tempfile::tempdir().unwrap();
        let fifo = dir.path().join("gone");
        nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
        let run = t.program("env").args(["--default-signal=PIPE", "bash", "-c", script, "-"]);
        let words = args.iter().map(OsStr::new);
        let run = run.arg(&fifo).arg(tool_path(tool)).args(words).run();
        assert_eq!(run.text(), *status, "{tool} {args:?}: {}", run.errors());
    }
}

#[test]
fn what_is_closed_is_written_into_no_file_that_we_open() {
    let t = rings!(Host, User);
    if !t.has("strace") {
        return;
    }
    // Nothing that is opened by name but /dev/null, nor a pipe, gets one of the numbers that were closed.
    let log = tempfile::NamedTempFile::new().unwrap();
    let script = "exec \"$@\" <&- >&- 2>&-";
    let run = t.program("sh").args(["-c", script, "-"]).arg(find("strace").unwrap()).args(["-f", "-o"]);
    let run = run.arg(log.path()).arg(tool_path("runshare")).args(["-Ur", "-f", "/nonexistent"]).run();
    assert_eq!(run.code, Some(127));
    let log = std::fs::read_to_string(log.path()).unwrap();
    let main = log.lines().skip_while(|line| !line.contains("poll(")).collect::<Vec<_>>();
    for number in 0..3 {
        let holds =
            main.iter().filter(|line| line.ends_with(&format!(" = {number}")) && line.contains("openat("));
        assert!(holds.clone().all(|line| line.contains("\"/dev/null\"")), "{log}");
        assert_eq!(holds.count(), 1, "{log}");
    }
    // The message went there, and nowhere else.
    assert!(log.contains("write(2, \"runshare: exec /nonexistent"), "{log}");
}
