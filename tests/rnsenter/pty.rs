//! The terminal of its own that a program gets by --pty: what is typed and printed, and what is left of it.

use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::time::Duration;

use nix::sys::signal::Signal;
use nix::unistd::Pid;

use super::{LIST_DESCRIPTORS, descriptors, open_directory};
use crate::harness::{Held, Ring, Run, Test, children, signal, soon, state, tool_path};
use crate::kernel::LISTEN;
use crate::runshare::{CTRL_BACKSLASH, CTRL_C, CTRL_Z, Terminal};

const CTRL_D: u8 = 4;

fn rnsenter() -> &'static str {
    tool_path("rnsenter").to_str().unwrap()
}

/// rnsenter with a pty, its input an empty pipe.
fn pty(t: &Test) -> Run<'_> {
    // A shell cannot trap what was ignored when it began.
    t.program("env").arg("--default-signal").args([rnsenter(), "--pty"])
}

fn typed(terminal: &mut Terminal, text: &str) {
    text.bytes().for_each(|key| terminal.press(key));
}

/// A shell on a terminal, of which this is the script: rnsenter is `"$@"` in it.
fn shell<'a>(script: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&["bash", "-c", script, "-", rnsenter(), "--pty"][..], more].concat()
}

/// The value behind a name in what was seen: `name=value`.
#[track_caller]
fn value(terminal: &Terminal, name: &str) -> String {
    let key = format!("{name}=");
    terminal.wait_for(&key, 1);
    let told = || {
        let text = terminal.text();
        let rest = text.split(&key).nth(1)?.to_string();
        rest.split_once('\n').map(|(value, _)| value.trim_end().to_string())
    };
    soon(|| told().is_some());
    told().unwrap()
}

#[test]
fn the_program_has_a_terminal_of_its_own_as_large_as_ours_and_set_as_ours() {
    let t = rings!(Host, User, Uml, Qemu);
    let inside = "echo inner=$(tty); echo size=$(stty size); echo set=$(stty -g); test -t 0 && test -t 1 && test -t 2 && echo all";
    let script = "stty -ixon intr ^X; read -r go; echo outer=$(tty); echo old=$(stty -g); \"$@\"";
    let output = Terminal::with(&t, &shell(script, &["sh", "-c", inside]), |terminal| {
        terminal.resize(33, 101);
        typed(terminal, "\n");
        let (outer, inner) = (value(terminal, "outer"), value(terminal, "inner"));
        assert!(outer != inner && inner.starts_with("/dev/pts/"), "{outer} {inner}");
        assert_eq!(value(terminal, "size"), "33 101");
        assert_eq!(value(terminal, "set"), value(terminal, "old"));
        terminal.wait_for("all", 1);
    });
    assert_eq!(output.code, Some(0));
}

/// A process in a pid and a mount namespace of its own, in which this was done.
fn container(t: &Test, script: &str) -> Held {
    let script = format!("{script}; echo ready; exec sleep 1000");
    t.program("unshare").args(["-fpm", "--mount-proc", "sh", "-c", &script]).hold()
}

const DEVPTS: &str = "mount -t devpts -o newinstance,ptmxmode=666,mode=620 devpts /dev/pts";

#[test]
fn in_a_container_the_terminal_is_one_of_its_own() {
    let t = rings!(Host, Uml, Qemu);
    let held = container(&t, DEVPTS);
    let target = format!("-t{}", held.inner());
    let inside = "tty; echo $(ls /dev/pts); stat -c %u $(tty); echo $(ps -o tty= -p $$)";
    let run = |ids: &[&str]| {
        let run = pty(&t).args([&target, "-m", "-p"]).args(ids).args(["sh", "-c", inside]).run();
        run.ok().replace("\r\n", "\n")
    };
    assert_eq!(run(&[]), "/dev/pts/0\n0 ptmx\n0\npts/0\n");
    // Who the program is can open it by its name.
    assert_eq!(run(&["-S", "65534"]), "/dev/pts/0\n0 ptmx\n65534\npts/0\n");
    let by_name = "exec <$(tty) && test -t 0 && echo opened";
    let output = pty(&t).args([&target, "-m", "-p", "-S", "65534", "sh", "-c", by_name]).run();
    assert_eq!(output.ok(), "opened\r\n");
}

#[test]
fn what_only_looks_like_a_devpts_is_not_opened() {
    let t = rings!(Host, Uml, Qemu);
    let dir = open_directory();
    let file = dir.path().join("file");
    std::fs::write(&file, "").unwrap();
    let traps = [
        "mount -t tmpfs tmpfs /dev/pts; mkfifo /dev/pts/ptmx",
        "mount -t tmpfs tmpfs /dev/pts; mknod /dev/pts/ptmx c 5 2",
        "mount -t tmpfs tmpfs /dev/pts; ln -s /proc/1/fd/0 /dev/pts/ptmx",
        "mount -t tmpfs tmpfs /dev; mkdir /dev/other; mount -t devpts -o newinstance devpts /dev/other; ln -s other /dev/pts",
        "mount -t tmpfs tmpfs /dev",
        &format!("{DEVPTS}; mount --bind {} /dev/pts/ptmx", file.display()),
    ];
    for trap in traps {
        let held = container(&t, trap);
        let inside = "test -t 0 && test -t 1 && echo one; tty || :; echo $(ps -o tty= -p $$)";
        let target = format!("-t{}", held.inner());
        let text = pty(&t).args([&target, "-m", "-p", "sh", "-c", inside]).run().ok();
        let lines: Vec<&str> = text.lines().collect();
        // The machine's: it is a terminal, and has no name there.
        assert_eq!(lines[..2], ["one", "not a tty"], "{trap}: {text}");
    }
}

#[test]
fn keys_are_the_programs() {
    let t = rings!(Host, User, Uml, Qemu);
    let script = format!("trap 'echo got INT' INT; trap 'echo got QUIT; exit 7' QUIT; {LISTEN}");
    let mut got = 0;
    let words = ["sh", "-c", "read -r go; exec \"$@\"", "-", rnsenter(), "--pty", "sh", "-c", &script];
    let output = Terminal::with(&t, &words, |terminal| {
        let cooked = terminal.settings();
        typed(terminal, "\n");
        terminal.wait_for("ready", 1);
        // What is typed before all keys go to the program would end us both, if it is not yet there to be asked.
        soon(|| terminal.settings() != cooked);
        for presses in 1..=5 {
            terminal.press(CTRL_C);
            terminal.wait_for("got INT", presses);
        }
        got = terminal.count("got INT");
        terminal.press(CTRL_BACKSLASH);
        terminal.wait_for("got QUIT", 1);
    });
    assert_eq!((output.code, got), (Some(7), 5));

    // A shell inside has jobs, and is not stopped itself.
    let output =
        Terminal::with(&t, &["env", "PS1=$ ", rnsenter(), "--pty", "bash", "--norc", "-i"], |terminal| {
            terminal.wait_for("$ ", 1);
            typed(terminal, "PS1='% '; sh -c 'echo slee''ping; exec sleep 1000'; echo status $?\r");
            terminal.wait_for("sleeping", 1);
            terminal.press(CTRL_Z);
            terminal.wait_for("status 148", 1);
            typed(terminal, "kill %1; fg; exit 5\r");
        });
    assert_eq!(output.code, Some(5));

    let words = [rnsenter(), "--pty", "sh", "-c", "echo ready; cat; echo ended"];
    let output = Terminal::with(&t, &words, |terminal| {
        terminal.wait_for("ready", 1);
        typed(terminal, "word\n");
        // What was typed, and what cat has read.
        terminal.wait_for("word\r\n", 2);
        terminal.press(CTRL_D);
        terminal.wait_for("ended", 1);
    });
    assert_eq!(output.code, Some(0));
}

#[test]
fn a_new_size_of_our_terminal_is_that_of_the_programs() {
    let t = rings!(Host, User);
    let script = format!("trap 'echo size=$(stty size)' WINCH; trap 'exit 7' USR1; {LISTEN}");
    let output = Terminal::with(&t, &[rnsenter(), "--pty", "bash", "-c", &script], |terminal| {
        terminal.wait_for("ready", 1);
        for rows in [20, 40, 30] {
            terminal.resize(rows, 77);
            terminal.wait_for(&format!("size={rows} 77"), 1);
        }
        signal(launcher(&t), Signal::SIGUSR1);
    });
    assert_eq!(output.code, Some(7));
}

/// The rnsenter that this test has started, and that waits for a program. It cannot be looked into by others.
fn waiting(t: &Test) -> Option<i32> {
    let started = t.left().into_iter().filter_map(|line| line.split(':').next()?.parse::<i32>().ok());
    let parent = |pid: i32| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        stat.rsplit_once(") ")?.1.split(' ').nth(1)?.parse::<i32>().ok()
    };
    let is_ours = |pid: &i32| {
        let words = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        words.starts_with(rnsenter().as_bytes())
    };
    started.filter_map(parent).find(is_ours)
}

#[track_caller]
fn launcher(t: &Test) -> i32 {
    soon(|| waiting(t).is_some());
    waiting(t).unwrap()
}

#[test]
fn our_terminal_is_as_it_was_after_each_way_out() {
    let t = rings!(Host, User, Uml, Qemu);
    let ways: [(&[&str], Option<Signal>, &str); 8] = [
        (&["sh", "-c", "stty raw -echo; sleep 0.2; exit 3"], None, "3"),
        (&["sh", "-c", "ulimit -c 0; kill -SEGV $$"], None, "139"),
        (&["sh", "-c", "kill -KILL $$"], None, "137"),
        (&["/nonexistent"], None, "127"),
        (&["/etc/passwd"], None, "126"),
        (&["sleep", "1000"], Some(Signal::SIGTERM), "143"),
        (&["sleep", "1000"], Some(Signal::SIGHUP), "129"),
        // Of SIGINT a shell without a prompt would die as well.
        (&["sleep", "1000"], Some(Signal::SIGQUIT), "131"),
    ];
    // Each ends in a process group of its own, so that the shell does not take the signal for its own.
    let script = "set -m; ulimit -c 0; echo ready; read -r go; \"$@\"; s=$?; echo status=$s; read -r go";
    for (program, sent, status) in ways {
        let output = Terminal::with(&t, &shell(script, program), |terminal| {
            terminal.wait_for("ready", 1);
            let before = terminal.settings();
            typed(terminal, "\n");
            if let Some(sent) = sent {
                // All keys go to the program: it runs.
                soon(|| terminal.settings() != before);
                signal(launcher(&t), sent);
            }
            assert_eq!(value(terminal, "status"), status, "{program:?} {sent:?}");
            assert_eq!(terminal.settings(), before, "{program:?} {sent:?}");
            typed(terminal, "\n");
        });
        assert_eq!(output.code, Some(0), "{program:?}");
    }
}

fn injects() -> bool {
    common::proc::Proc::system().unwrap().lets_input_be_injected()
}

#[test]
fn a_program_cannot_type_into_our_terminal() {
    let t = rings!(Host);
    if !t.has("perl") || !t.needs(injects(), "a kernel that lets input be injected") {
        return;
    }
    // TIOCSTI, for each character.
    let attack = "open my $tty, '+<', '/dev/tty' or die; ioctl $tty, 0x5412, $_ for split //, qq(injected\\n); print qq(attacked\\n)";
    for (options, read) in [(&["--pty"][..], "mine"), (&[], "injected")] {
        let script = "\"$@\"; echo asks; read -r line; echo \"line=$line\"";
        let words = [&["bash", "-c", script, "-", rnsenter()], options, &["perl", "-e", attack]].concat();
        let output = Terminal::with(&t, &words, |terminal| {
            terminal.wait_for("asks", 1);
            typed(terminal, "mine\n");
            assert_eq!(value(terminal, "line"), read, "{options:?}");
            terminal.wait_for("attacked", 1);
        });
        assert_eq!(output.code, Some(0), "{options:?}");
    }
}

#[test]
fn whether_input_can_be_injected_is_what_the_kernel_says() {
    let _t = rings!(Host, User, Uml, Qemu);
    let told = std::fs::read("/proc/sys/dev/tty/legacy_tiocsti");
    assert_eq!(injects(), told.map_or(true, |text| text != b"0\n"));
    let dir = tempfile::tempdir().unwrap();
    let proc = || common::proc::Proc::open(dir.path()).unwrap();
    assert!(proc().lets_input_be_injected(), "before Linux 6.2");
    std::fs::create_dir_all(dir.path().join("sys/dev/tty")).unwrap();
    for (text, expected) in [("0\n", false), ("1\n", true)] {
        std::fs::write(dir.path().join("sys/dev/tty/legacy_tiocsti"), text).unwrap();
        assert_eq!(proc().lets_input_be_injected(), expected);
    }
}

/// Bytes of every value, in an order that repeats itself nowhere.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    };
    std::iter::repeat_with(next).take(length).collect()
}

/// Of so many: on a slow machine fewer, and still more than a terminal, a pipe or we take at once.
fn fewer(count: usize) -> usize {
    if Ring::here().is_virtual() { count / 10 } else { count }
}

#[test]
fn output_arrives_whole_and_unchanged() {
    let t = rings!(Host, User, Uml, Qemu);
    let dir = open_directory();
    let file = dir.path().join("noise");
    let bytes = noise(fewer(5 << 20));
    std::fs::write(&file, &bytes).unwrap();
    for line in ["stty -opost; exec cat \"$0\"", "stty raw; cat \"$0\""] {
        let output = pty(&t).args(["sh", "-c", line]).arg(&file).run();
        assert_eq!((output.code, output.stdout.len()), (Some(0), bytes.len()), "{line}");
        assert!(output.stdout == bytes, "{line}");
    }
    // What is printed last is not lost, however soon the end comes and however slow the reader is.
    for _ in 0..fewer(30) {
        let text = pty(&t).args(["sh", "-c", "stty -opost; exec seq 5000"]).run().ok();
        assert_eq!((text.len(), text.ends_with("\n5000\n")), (23893, true));
    }
    let line = "\"$@\" | { sleep 0.5; wc -c; }";
    let run = t.program("sh").args(["-c", line, "-", rnsenter(), "--pty", "sh", "-c"]);
    assert_eq!(run.arg("stty -opost; exec head -c 200000 /dev/zero").run().ok().trim_end(), "200000");
}

#[test]
fn input_that_is_no_terminal_arrives_whole_and_ends() {
    let t = rings!(Host, User, Uml, Qemu);
    let read = |input: &[u8], line: &str| {
        let output = pty(&t).args(["sh", "-c", line]).stdin(input).run();
        assert_eq!((output.code, output.errors().as_str()), (Some(0), ""), "{line}");
        output.stdout
    };
    let lines: Vec<u8> = (0..fewer(150_000)).flat_map(|n| format!("{n:06}\n").into_bytes()).collect();
    assert!(read(&lines, "stty -opost; exec cat") == lines);
    // Lines longer than a terminal gathers, and one without an end.
    let long = [vec![b'x'; 100_000], b"\n".to_vec(), vec![b'y'; 10_000]].concat();
    assert!(read(&long, "stty -opost; exec cat") == long);
    // Who waits before it reads.
    assert!(read(&lines, "stty -opost; sleep 0.3; exec cat") == lines);
    // Who reads a line at a time, and one that has no end.
    let each = "while read -r line; do echo \"<$line>\"; done; echo \"rest=$line\"";
    assert_eq!(read(b"one\ntwo\nthree", each), b"<one>\r\n<two>\r\nrest=three\r\n");
    for line in ["cat; cat; cat; echo ended", "sleep 0.2; cat; sleep 0.2; cat; echo ended"] {
        assert_eq!(read(b"", line), b"ended\r\n");
    }
    // For a shell that takes each key by itself it is the end as well.
    let text = pty(&t).args(["bash", "--norc", "-i"]).stdin("echo $((40 + 2))\n").run().text();
    assert!(text.contains("42\r\n"), "{text}");
    let scripts = [
        "exec \"$@\" </dev/null",
        "exec \"$@\" <&-",
        "exec \"$@\" </dev/null >/dev/null",
        "exec \"$@\" >&- 2>&-",
    ];
    for script in scripts {
        let program = ["sh", "-c", "cat; echo x; exit 9"];
        let run = t.program("sh").args(["-c", script, "-", rnsenter(), "--pty"]).args(program);
        assert_eq!(run.run().code, Some(9), "{script}");
    }
}

#[test]
fn a_reader_that_has_gone_is_a_terminal_that_was_closed() {
    let t = rings!(Host, User);
    let ended = |program: &str| {
        let line = format!("\"$@\" sh -c '{program}' </dev/null | head -n 1; echo ${{PIPESTATUS[0]}} >&2");
        let run = t.program("env").args(["--default-signal", "bash", "-c", &line, "-", rnsenter(), "--pty"]);
        let output = run.run();
        (output.text(), output.errors())
    };
    assert_eq!(ended("exec yes"), ("y\r\n".into(), "129\n".into()));
    // Who does not die of that is not held up, and cannot print any more.
    assert_eq!(ended("trap \"\" HUP; yes 2>/dev/null; exit 3"), ("y\r\n".into(), "3\n".into()));
    // What cannot be written for another reason is told.
    let program = ["sh", "-c", "trap '' HUP; echo x"];
    let run = t.program("sh").args(["-c", "\"$@\" >/dev/full", "-", rnsenter(), "--pty"]).args(program);
    run.run().fails(125, "rnsenter: write standard output: No space left on device");
    let run = t.program("sh").args(["-c", "\"$@\" </", "-", rnsenter(), "--pty", "cat"]);
    run.run().fails(125, "rnsenter: read standard input: Is a directory");
}

#[test]
fn in_the_background_we_wait_for_our_terminal() {
    let t = rings!(Host, User);
    // Another has it, so we stop before the program is started, and leave it as it is.
    let script = "set -m; echo old=$(stty -g); \"$@\" & p=$!; \
        until grep -q 'State:.T' /proc/$p/status; do sleep 0.05; done; echo new=$(stty -g); jobs; \
        echo stopped; read -r go; fg; echo status=$?; echo last=$(stty -g)";
    let words = shell(script, &["sh", "-c", "echo ran; exit 7"]);
    let output = Terminal::with(&t, &words, |terminal| {
        terminal.wait_for("stopped", 1);
        assert!(terminal.count("Stopped") >= 1 && terminal.count("ran\r\n") == 0, "{}", terminal.text());
        assert_eq!(value(terminal, "old"), value(terminal, "new"));
        typed(terminal, "\n");
        assert_eq!(value(terminal, "status"), "7");
        assert_eq!(value(terminal, "old"), value(terminal, "last"));
        terminal.wait_for("ran\r\n", 1);
    });
    assert_eq!(output.code, Some(0));
    // A shell without jobs has input that is none, and gives us no terminal to be changed: each line ends as such a one does.
    let script = "\"$@\" & wait $!";
    let output = Terminal::with(&t, &shell(script, &["sh", "-c", "echo ran; exit 7"]), |terminal| {
        terminal.wait_for("ran\r\r\n", 1);
    });
    assert_eq!(output.code, Some(7));
}

#[test]
fn we_stop_and_go_on_with_our_terminal_given_back_meanwhile() {
    let t = rings!(Host, User);
    let script = "set -m; ulimit -c 0; echo before=$(stty -g); \"$@\"; echo first=$?; echo after=$(stty -g); read -r go; fg; echo second=$?";
    let inside = "echo program=$PPID; exec sleep 1000";
    for sent in [Signal::SIGTSTP, Signal::SIGTTIN, Signal::SIGSTOP] {
        let output = Terminal::with(&t, &shell(script, &["sh", "-c", inside]), |terminal| {
            let launcher: i32 = value(terminal, "program").parse().unwrap();
            let program = children(launcher)[0];
            soon(|| crate::harness::sleeps(program));
            soon(|| state(program) == Some('S'));
            signal(launcher, sent);
            // A stop is seen as one by SIGSTOP, as without a terminal.
            assert_eq!(value(terminal, "first"), "147");
            assert_eq!(state(launcher), Some('T'));
            // Of SIGSTOP nobody tells us: what a shell at a prompt gives the terminal then, this one does not.
            let asked = sent != Signal::SIGSTOP;
            assert_eq!(value(terminal, "before") == value(terminal, "after"), asked);
            // It was sent the signal before we stopped, but may have had no processor since.
            soon(|| state(program) == Some(if asked { 'T' } else { 'S' }));
            let cooked = terminal.settings();
            typed(terminal, if asked { "\n" } else { "\r\n" });
            // Told to go on: the keys are the program's again.
            soon(|| !asked || terminal.settings() != cooked);
            soon(|| state(program) == Some('S') && state(launcher) == Some('S'));
            terminal.press(CTRL_BACKSLASH);
            assert_eq!(value(terminal, "second"), "131");
        });
        assert_eq!(output.code, Some(0), "{sent}");
    }
}

#[test]
fn signals_for_us_reach_the_program_once_and_its_end_is_ours() {
    let t = rings!(Host, User, Uml, Qemu);
    let signals = [(1, "HUP"), (2, "INT"), (3, "QUIT"), (10, "USR1"), (15, "TERM"), (18, "CONT")];
    let traps: String = signals.iter().map(|(n, name)| format!("trap 'echo got {name}' {n}; ")).collect();
    let script = format!("{traps} trap 'exit 7' 12; {LISTEN}");
    let mut held = pty(&t).args(["bash", "-c", &script]).hold();
    for (number, name) in signals {
        common::sys::send_signal(Pid::from_raw(held.pid()), number).unwrap();
        assert_eq!(held.next_line(), Some(format!("got {name}")));
    }
    common::sys::send_signal(Pid::from_raw(held.pid()), 12).unwrap();
    assert_eq!(held.next_line(), None, "twice");
    assert_eq!(held.wait().code(), Some(7));
    for status in [0, 1, 124, 125, 126, 127, 255] {
        assert_eq!(pty(&t).args(["sh", "-c", &format!("exit {status}")]).run().code, Some(status));
    }
    for number in [1, 2, 9, 15, 34] {
        let output = pty(&t).args(["bash", "-c", &format!("kill -{number} $$")]).run();
        assert_eq!((output.signal, output.errors().as_str()), (Some(number), ""));
    }
}

/// rnsenter with a pty, on this terminal, at which nobody sits.
fn at<'a>(t: &'a Test, pty: &(OwnedFd, OwnedFd)) -> Run<'a> {
    let slave = pty.1.try_clone().unwrap();
    let run = t.program("setsid").args(["--ctty", "sh", "-c", "exec \"$@\" >&0 2>&0", "-"]);
    run.args([rnsenter(), "--pty"]).with(|command| _ = command.stdin(slave))
}

#[test]
fn a_reader_that_is_asleep_does_not_keep_us_from_being_ended() {
    let t = rings!(Host, User);
    // A pipe that is full, and then a terminal that shows nothing.
    let line = "\"$@\" yes </dev/null | sleep 1000 & p=$!; echo ready; wait $p";
    let run = t.program("bash").args(["-c", line, "-", rnsenter(), "--pty"]);
    let mut held = run.hold();
    // It prints no more, and neither do we.
    let asleep = || {
        let yes = waiting(&t).and_then(|pid| children(pid).first().copied()).unwrap_or(0);
        let is_yes = std::fs::read(format!("/proc/{yes}/comm")).is_ok_and(|name| name == b"yes\n");
        is_yes
            && (0..5).all(|_| {
                std::thread::sleep(Duration::from_millis(20));
                state(yes) == Some('S')
            })
    };
    soon(asleep);
    signal(launcher(&t), Signal::SIGTERM);
    soon(|| waiting(&t).is_none());
    let sleeps = t.left().into_iter().find(|line| line.ends_with("sleep 1000 ")).unwrap();
    signal(sleeps.split(':').next().unwrap().parse().unwrap(), Signal::SIGKILL);
    held.wait();

    let pty = common::sys::terminal::open_pty().unwrap();
    let mut held = at(&t, &pty).arg("yes").start();
    soon(asleep);
    signal(launcher(&t), Signal::SIGTERM);
    assert_eq!(held.wait().signal(), Some(15));
}

#[test]
fn when_our_terminal_is_closed_so_is_the_programs() {
    let t = rings!(Host, User, Uml, Qemu);
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("told");
    let script = format!("trap 'echo got HUP >\"$0\"; exit 3' HUP; echo >\"$0\"; {LISTEN}");
    let pty = common::sys::terminal::open_pty().unwrap();
    let mut held = at(&t, &pty).args(["sh", "-c", &script]).arg(&file).start();
    soon(|| file.exists());
    drop(pty);
    assert_eq!(held.wait().code(), Some(3));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "got HUP\n");
}

#[test]
fn what_cannot_be_run_is_told_on_standard_error() {
    let t = rings!(Host, User);
    for (program, status, why) in
        [("/nonexistent", 127, "No such file or directory"), ("/etc/passwd", 126, "Permission denied")]
    {
        pty(&t).arg(program).run().fails(status, &format!("rnsenter: exec {program}: {why}"));
    }
    // Its input is left to whoever reads next.
    let line = "echo word | { \"$@\"; cat; }";
    let output = t.program("sh").args(["-c", line, "-", rnsenter(), "--pty", "/nonexistent"]).run();
    assert_eq!(output.text(), "word\n");
}

#[test]
fn when_we_are_killed_the_programs_terminal_is_closed() {
    let t = rings!(Host, User, Uml, Qemu);
    let script = format!("trap 'echo got HUP >\"$0\"; exit' HUP; {LISTEN}");
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("told");
    let mut held = pty(&t).args(["sh", "-c", &script]).arg(&file).hold();
    signal(held.pid(), Signal::SIGKILL);
    assert_eq!(held.wait().signal(), Some(9));
    soon(|| std::fs::read(&file).is_ok_and(|text| text == b"got HUP\n"));
    t.assert_nothing_left();
}

#[test]
fn who_keeps_the_terminal_open_does_not_keep_us() {
    let t = rings!(Host, User);
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("pid");
    // In a session of its own the end of the program's does not end it.
    let script = "setsid sh -c 'trap \"\" HUP; echo $$ >\"$0\"; exec sleep 1000' \"$0\" & \
        until [ -s \"$0\" ]; do sleep 0.05; done; echo x; exit 3";
    let output = pty(&t).args(["sh", "-c", script]).arg(&file).run();
    assert_eq!((output.code, output.text().as_str()), (Some(3), "x\r\n"));
    signal(std::fs::read_to_string(&file).unwrap().trim().parse().unwrap(), Signal::SIGKILL);
    // Nor who closes it all and lives on, and opens it again.
    let script = "tty=$(tty); exec <&- >&- 2>&-; sleep 0.3; echo back >$tty; exit 4";
    let output = pty(&t).args(["sh", "-c", script]).run();
    assert_eq!((output.code, output.text().as_str()), (Some(4), "back\r\n"));
}

#[test]
fn the_program_has_no_descriptor_of_the_terminal_but_three() {
    let t = rings!(Host, User);
    // Whoever runs the tests may have left some open.
    let inherited = descriptors(&t.program("ls").args(["-l", "/proc/self/fd"]).run().ok());
    let listing = pty(&t).args(LIST_DESCRIPTORS).run().ok().replace("\r\n", "\n");
    assert_eq!(descriptors(&listing), inherited, "{listing}");
    let words = [&[rnsenter(), "--pty"][..], &LIST_DESCRIPTORS].concat();
    let output = Terminal::with(&t, &words, |terminal| {
        soon(|| terminal.text().ends_with("/fd\r\n"));
        assert_eq!(descriptors(&terminal.text().replace("\r\n", "\n")), inherited);
    });
    assert_eq!(output.code, Some(0));
    // It leads a session on it.
    let text = pty(&t).args(["sh", "-c", "ps -o pid=,sid=,tty= -p $$; tty"]).run().ok();
    let words: Vec<&str> = text.split_whitespace().collect();
    assert_eq!(words[0], words[1]);
    assert_eq!(Path::new("/dev").join(words[2]), Path::new(words[3]));
}

#[test]
fn nobody_who_shares_our_terminal_finds_it_changed_to_one_that_never_waits() {
    let t = rings!(Host, User);
    if !t.has("perl") {
        return;
    }
    let look = "use Fcntl; sleep 1; printf qq(flags=%d%d%d\\n), map { fcntl($_, F_GETFL, 0) & O_NONBLOCK } *STDIN, *STDOUT, *STDERR";
    let script = format!("perl -e '{look}' & \"$@\"; wait");
    let output = Terminal::with(&t, &shell(&script, &["sleep", "2"]), |terminal| {
        assert_eq!(value(terminal, "flags"), "000");
    });
    assert_eq!(output.code, Some(0));
}
