//! What every launcher promises of the program that it runs, asked of each of them in one table: what the
//! program inherits is what the launcher got, and how the program ends is how the launcher ends.

use std::os::unix::ffi::OsStrExt;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::harness::{Held, Ring, Run, Test, bytes, copy_program, inode, tool_path};
use crate::rcgexec::Parent;

/// Shell code that says it is ready and then waits for signals, not for ever. What it waits for is short:
/// a signal that comes just before a shell begins to wait does not wake it.
pub const LISTEN: &str = "echo ready; n=0; while [ $((n += 1)) -lt 2000 ]; do sleep 0.05 & wait; done";

/// One way to start a program.
struct Way {
    tool: &'static str,
    options: Vec<String>,
    /// Does the program run as a child, with the launcher waiting for it?
    forks: bool,
    /// Do inherited descriptors above 2 reach the program?
    passes_fds: bool,
}

/// What the ways need as long as they are walked.
struct Targets {
    _process: Held,
    _group: Option<Parent>,
}

/// The ways, and what they lead to as long as the second value lives.
fn ways(t: &Test) -> (Vec<Way>, Targets) {
    let as_root = Ring::here().is_root();
    let target = t.hold("unshare", if as_root { &["-n", "-fp"] } else { &["-Ur", "-n", "-fp"] });
    let pid = target.inner();
    let enter = |kind: &str| if as_root { format!("-t{pid} {kind}") } else { format!("-t{pid} -U {kind}") };
    let way = |tool, options: &str, forks, passes_fds| Way {
        tool,
        options: options.split_whitespace().map(String::from).collect(),
        forks,
        passes_fds,
    };
    let mut ways = vec![
        way("runshare", "", false, true),
        way("runshare", "-f", true, true),
        way("runshare", "-Ur", false, true),
        way("runshare", "-Urmf --kill-child", true, true),
        way("rnsenter", &enter("-n"), false, as_root),
        way("rnsenter", &enter("-p"), true, false),
    ];
    // An ordinary user has no group.
    let group = as_root.then(|| Parent::new(t, &["cpu", "pids"])).flatten();
    if let Some(Parent { name, .. }) = &group {
        ways.push(way("rcgexec", &format!("-g cpu:{name}"), false, true));
        ways.push(way("rcgexec", &format!("--parent {name} --cpus 1 --pids-limit 1000"), true, true));
    }
    (ways, Targets { _process: target, _group: group })
}

impl Way {
    fn run<'a>(&self, t: &'a Test) -> Run<'a> {
        t.tool(self.tool).args(&self.options)
    }

    /// The same as words of a command line, for a program that starts the launcher.
    fn words(&self) -> Vec<String> {
        let tool = tool_path(self.tool).to_str().unwrap().to_string();
        [tool].into_iter().chain(self.options.iter().cloned()).collect()
    }

    /// Does it tell of a signal that killed the program by a status, 128 and the signal's number?
    fn tells_by_status(&self) -> bool {
        self.tool == "rcgexec" && self.forks
    }

    fn name(&self) -> String {
        format!("{} {}", self.tool, self.options.join(" "))
    }
}

#[test]
fn a_program_is_the_launcher_itself_or_its_only_child() {
    let t = rings!(Host, User, Uml, Qemu);
    let (ways, _target) = ways(&t);
    for way in ways {
        let mut held = way.run(&t).args(["sh", "-c", "echo ready; exec sleep 1000"]).hold();
        assert_eq!(held.inner() != held.pid(), way.forks, "{}", way.name());
        if !way.options.is_empty() && way.options != ["-f"] && way.tool != "rcgexec" {
            let kinds = ["user", "net", "pid"];
            assert!(
                kinds.iter().any(|kind| inode(held.inner(), kind) != inode("self", kind)),
                "{}",
                way.name()
            );
        }
        // The program first: a launcher that is killed cannot remove what it made.
        kill(Pid::from_raw(held.inner()), Signal::SIGKILL).unwrap();
        held.wait();
    }
}

#[test]
fn the_exit_status_of_the_program_is_that_of_the_launcher() {
    let t = rings!(Host, User, Uml, Qemu);
    let (ways, _target) = ways(&t);
    for way in ways {
        for status in [0, 1, 2, 124, 125, 126, 127, 128, 143, 255] {
            let output = way.run(&t).args(["sh", "-c", &format!("exit {status}")]).run();
            assert_eq!((output.code, output.errors().as_str()), (Some(status), ""), "{}", way.name());
        }
    }
}

#[test]
fn a_program_that_cannot_be_started_is_told_by_126_and_127() {
    let t = rings!(Host, User);
    let (ways, _target) = ways(&t);
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str, mode| {
        let path = dir.path().join(name);
        let draft = path.with_extension("draft");
        std::fs::write(&draft, text).unwrap();
        std::fs::set_permissions(&draft, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
        copy_program(&draft, &path);
        path.to_str().unwrap().to_string()
    };
    let plain = file("plain", "exit 3\n", 0o644);
    let script = file("script", "exit 3\n", 0o755);
    let broken = file("broken", "#!/nonexistent/interpreter\n", 0o755);
    let directory = dir.path().to_str().unwrap();
    let interpreter = "the file is there, but the interpreter or loader that it names is not";
    for way in ways {
        // A folder that we may not search would make it "denied".
        let run = |program: &str| way.run(&t).env("PATH", "/usr/bin:/bin").arg(program).run();
        let fails = |program: &str, status, reason: &str| {
            run(program).fails(status, &format!("{}: exec {program}: {reason}", way.tool))
        };
        assert_eq!(fails("nonexistent-program", 127, "No such file or directory"), "");
        assert_eq!(fails("/nonexistent/program", 127, "No such file or directory"), "");
        assert_eq!(fails(&plain, 126, "Permission denied"), "");
        assert_eq!(fails(directory, 126, "Permission denied"), "");
        assert_eq!(fails(&broken, 127, "No such file or directory"), interpreter);
        let hint = run("").fails(127, &format!("{}: exec: No such file or directory", way.tool));
        assert_eq!(hint, "the program's name is empty");
        // A script that names no interpreter is one for sh, as execvp(3) has it.
        assert_eq!(run(&script).code, Some(3), "{}", way.name());
    }
}

#[test]
fn a_program_that_dies_by_a_signal_takes_the_launcher_along_by_the_same_or_by_its_status() {
    let t = rings!(Host, User);
    let (ways, _target) = ways(&t);
    for way in ways {
        // 37 is a real-time signal. 20 would stop, and 17 does nothing.
        for signal in [1, 2, 3, 6, 9, 11, 13, 14, 15, 37] {
            let script = format!("ulimit -c 0; kill -{signal} $$");
            let output = way.run(&t).args(["sh", "-c", &script]).run();
            let expected =
                if way.tells_by_status() { (Some(128 + signal), None) } else { (None, Some(signal)) };
            assert_eq!((output.code, output.signal), expected, "{}", way.name());
            assert_eq!(output.errors(), "", "{}", way.name());
        }
    }
}

#[test]
fn signals_for_the_launcher_reach_the_program_exactly_once() {
    let t = rings!(Host, User, Uml, Qemu);
    let (ways, _target) = ways(&t);
    let signals = [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP, Signal::SIGQUIT, Signal::SIGUSR1];
    let traps = "for s in TERM INT HUP QUIT USR1; do trap \"echo SIG$s\" $s; done; trap 'exit 7' USR2";
    let script = format!("{traps}; {LISTEN}");
    for way in ways {
        // A shell cannot trap what was ignored when it began.
        let env = t.program("env").arg("--default-signal").args(way.words());
        let mut held = env.args(["sh", "-c", &script]).hold();
        let launcher = Pid::from_raw(held.pid());
        for signal in signals.iter().cycle().take(15) {
            kill(launcher, *signal).unwrap();
            assert_eq!(held.next_line().as_deref(), Some(signal.as_str()), "{}", way.name());
        }
        kill(launcher, Signal::SIGUSR2).unwrap();
        assert_eq!(held.next_line(), None, "{}", way.name());
        assert_eq!(held.wait().code(), Some(7), "{}", way.name());
    }
}

#[test]
fn signals_that_are_ignored_or_blocked_are_so_for_the_program() {
    let t = rings!(Host, User);
    let (ways, _target) = ways(&t);
    let env = [
        &["--default-signal"][..],
        &["--ignore-signal=HUP"],
        &["--ignore-signal=PIPE"],
        &["--ignore-signal=CHLD"],
        &["--ignore-signal=INT,TERM,USR1", "--block-signal=HUP,USR2,CHLD,CONT"],
        &["--default-signal=PIPE", "--block-signal"],
    ];
    let look = ["grep", "^Sig\\(Blk\\|Ign\\)", "/proc/self/status"];
    // /proc shows nothing of a process in a pid namespace that it does not belong to.
    for way in ways.iter().filter(|way| !way.options.contains(&"-p".into())) {
        for options in env {
            let without = t.program("env").args(options).args(look).run().ok();
            let with = t.program("env").args(options).args(way.words()).args(look).run().ok();
            assert_eq!(with, without, "{} {options:?}", way.name());
        }
    }
}

#[test]
fn standard_input_reaches_the_program_unread() {
    let t = rings!(Host, User);
    let (ways, _target) = ways(&t);
    let input: Vec<u8> = (0..300_000u32).flat_map(u32::to_ne_bytes).collect();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "first\nsecond\nthird\n").unwrap();
    for way in ways {
        assert!(way.run(&t).arg("cat").stdin(input.clone()).run().stdout == input, "{}", way.name());
        let script = "file=$1; shift; { read -r line; \"$@\" cat; } <\"$file\"";
        let run = t.program("sh").args(["-c", script, "-"]).arg(file.path()).args(way.words());
        assert_eq!(run.run().ok(), "second\nthird\n", "{}", way.name());
    }
}

#[test]
fn no_descriptor_of_ours_reaches_the_program_and_inherited_ones_do_where_that_is_safe() {
    let t = rings!(Host, User);
    let (ways, _target) = ways(&t);
    let look = "for n in 3 4 5 6 7 8 9 10 11 12 13 14 15 16; do { : <&$n; } 2>/dev/null && echo $n; done; :";
    let close = "for ((n = 3; n < 256; n++)); do eval \"exec $n<&-\"; done;";
    if !t.has("bash") {
        return;
    }
    let open = |fd: &str, words: &[String]| {
        let script = format!("{close} {fd} exec \"$@\"");
        t.program("bash").args(["-c", &script, "-"]).args(words).args(["bash", "-c", look]).run().ok()
    };
    let (none, seven) = (open("", &[]), open("exec 7</dev/null;", &[]));
    assert_ne!(none, seven);
    for way in ways {
        let expected = if way.passes_fds { [&none, &seven] } else { [&none, &none] };
        assert_eq!(
            [&open("", &way.words()), &open("exec 7</dev/null;", &way.words())],
            expected,
            "{}",
            way.name()
        );
    }
}

#[test]
fn the_environment_and_the_arguments_reach_the_program_byte_for_byte() {
    let t = rings!(Host, User);
    let (ways, _target) = ways(&t);
    let value = bytes(b"\xff\n\x1b[1m =");
    let set = |run: Run<'_>| run.with(|command| _ = command.env("NSKIT_ODD", &value).env("EMPTY", "")).run();
    let words = [
        bytes(b"sh"),
        bytes(b"-c"),
        bytes(b"printf '%s.' \"$@\"; env -0"),
        bytes(b"-"),
        bytes(b"\xfe"),
        bytes(b""),
        bytes(b"-n"),
        bytes(b"--"),
    ];
    let without = set(t.program("sh").args(&words[1..]));
    assert!(without.stdout.windows(value.len()).any(|part| part == value.as_bytes()));
    for way in ways {
        assert_eq!(set(way.run(&t).args(&words)).stdout, without.stdout, "{}", way.name());
    }
}

#[test]
fn a_signal_at_any_moment_ends_launcher_and_program() {
    let t = rings!(Host, User);
    let (ways, _target) = ways(&t);
    for way in ways {
        for pause in 0..20 {
            let mut held = way.run(&t).args(["sleep", "1000"]).start();
            std::thread::sleep(std::time::Duration::from_micros(pause * 150));
            kill(Pid::from_raw(held.pid()), Signal::SIGTERM).unwrap();
            let ended = held.wait();
            let by_signal = std::os::unix::process::ExitStatusExt::signal(&ended) == Some(15);
            assert!(
                by_signal || way.tells_by_status() && ended.code() == Some(143),
                "{}: {ended}",
                way.name()
            );
        }
    }
}

#[test]
fn a_standard_descriptor_that_is_closed_stays_closed() {
    let t = rings!(Host, User);
    let (ways, _target) = ways(&t);
    // A bit for each that is open. The program of a pid namespace cannot see itself in this /proc, so it
    // tries them out.
    let script = "n=0; for fd in 0 1 2; do ( true 9<&$fd ) && n=$((n + (1 << fd))); done; exit $n";
    for way in ways {
        for (closed, left) in [("<&-", 6), (">&-", 5), ("2>&-", 3), ("<&- >&- 2>&-", 0), ("", 7)] {
            let line = format!("exec \"$@\" {closed}");
            let run = t.program("sh").args(["-c", &line, "sh"]).args(way.words());
            assert_eq!(run.args(["sh", "-c", script]).run().code, Some(left), "{} {closed}", way.name());
        }
    }
}
