//! What is sent to runshare, what its program does about it, and who outlives whom.

use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use nix::sys::signal::Signal;
use nix::sys::termios;

use super::{rights, runs, runshare, signal, soon, state};
use crate::harness::{Held, Output, Run, Test, children, inode, within};
use crate::kernel::LISTEN;

/// The ways in which a program is a child of ours.
const WAYS: [&[&str]; 3] = [&["-f"], &["-fp"], &["--init"]];

fn launch<'a>(t: &'a Test, options: &[&str]) -> Run<'a> {
    // A shell cannot trap what was ignored when it began.
    t.program("env").arg("--default-signal").arg(runshare()).args(rights()).args(options)
}

fn send(held: &Held, signal: i32) {
    common::sys::send_signal(nix::unistd::Pid::from_raw(held.pid()), signal).unwrap();
}

#[test]
fn a_program_that_stops_stops_us_and_goes_on_with_us() {
    let t = rings!(Host, User);
    let script = format!("trap 'echo went on' CONT; trap 'exit 7' USR1; {LISTEN}");
    // In a process group of its own: in one that nobody could wake the kernel drops SIGTSTP.
    let run = t.tool("runshare").with(|command| {
        command.process_group(0);
    });
    let mut held = run.args(["-f", "sh", "-c", &script]).hold();
    let (launcher, program) = (held.pid(), children(held.pid())[0]);
    for _ in 0..3 {
        signal(program, Signal::SIGTSTP);
        soon(|| state(program) == Some('T') && state(launcher) == Some('T'));
        signal(launcher, Signal::SIGCONT);
        assert_eq!(held.next_line().as_deref(), Some("went on"));
        soon(|| state(program) == Some('S') && state(launcher) == Some('S'));
    }
    signal(launcher, Signal::SIGCONT);
    assert_eq!(held.next_line().as_deref(), Some("went on"));
    signal(launcher, Signal::SIGUSR1);
    assert_eq!(held.next_line(), None, "told to go on once for each time");
    assert_eq!(held.wait().code(), Some(7));
}

#[test]
fn a_stop_signal_for_us_reaches_the_program() {
    let t = rings!(Host, User);
    let script = format!("trap 'echo asked to stop' TSTP; trap 'exit 7' USR1; {LISTEN}");
    let mut held = t.tool("runshare").args(["-f", "sh", "-c", &script]).hold();
    signal(held.pid(), Signal::SIGTSTP);
    assert_eq!(held.next_line().as_deref(), Some("asked to stop"));
    signal(held.pid(), Signal::SIGUSR1);
    assert_eq!(held.next_line(), None);
    assert_eq!(held.wait().code(), Some(7));
}

/// A terminal of the test's own: what was typed, and what has been seen on it.
pub struct Terminal {
    keys: std::fs::File,
    seen: Arc<Mutex<String>>,
}

impl Terminal {
    /// Runs a command in a new session on a new terminal while `user` sits at it.
    pub fn with(t: &Test, words: &[&str], user: impl FnOnce(&mut Terminal)) -> Output {
        let (master, slave) = crate::harness::terminal();
        // Else a key that sends a signal throws away what was printed and not yet seen.
        let mut settings = termios::tcgetattr(&slave).unwrap();
        settings.local_flags |= termios::LocalFlags::NOFLSH;
        termios::tcsetattr(&slave, termios::SetArg::TCSANOW, &settings).unwrap();
        let mut screen = std::fs::File::from(master.try_clone().unwrap());
        let seen = Arc::new(Mutex::new(String::new()));
        let mut terminal = Terminal { keys: master.into(), seen: seen.clone() };
        let run = t.program("setsid").arg("--ctty").args(words).with(|command| {
            let end = || slave.as_fd().try_clone_to_owned().unwrap();
            command.stdin(end()).stdout(end()).stderr(end());
        });
        drop(slave);
        std::thread::scope(|scope| {
            let run = scope.spawn(move || run.run());
            scope.spawn(move || {
                let mut bytes = [0; 1024];
                // EIO when the last one has gone.
                while let Ok(count @ 1..) = screen.read(&mut bytes) {
                    seen.lock().unwrap().push_str(&String::from_utf8_lossy(&bytes[..count]));
                }
            });
            user(&mut terminal);
            run.join().unwrap()
        })
    }

    pub fn count(&self, text: &str) -> usize {
        self.seen.lock().unwrap().matches(text).count()
    }

    #[track_caller]
    pub fn wait_for(&self, text: &str, count: usize) {
        let seen = || self.count(text) >= count;
        assert!(within(Duration::from_secs(20), seen), "no {text:?}: {}", self.seen.lock().unwrap());
    }

    /// All that has been seen.
    pub fn text(&self) -> String {
        self.seen.lock().unwrap().clone()
    }

    pub fn press(&mut self, key: u8) {
        self.keys.write_all(&[key]).unwrap();
    }

    /// How it treats what is typed and printed.
    pub fn settings(&self) -> String {
        let settings: libc::termios = nix::sys::termios::tcgetattr(&self.keys).unwrap().into();
        format!("{settings:?}")
    }

    /// Makes it so large, as a window that is drawn.
    pub fn resize(&self, rows: u16, columns: u16) {
        let size = common::sys::terminal::Size { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        common::sys::terminal::set_terminal_size(&self.keys, &size).unwrap();
    }
}

pub const CTRL_C: u8 = 3;
pub const CTRL_Z: u8 = 26;
pub const CTRL_BACKSLASH: u8 = 28;

#[test]
fn a_key_that_interrupts_reaches_the_program_once() {
    let t = rings!(Host, User);
    let script = format!("trap 'echo got INT' INT; trap 'echo got QUIT; exit 7' QUIT; {LISTEN}");
    for options in [&["-f"][..], &[], &["--kill-child", "-r"]] {
        let words = [&[runshare()][..], options, &["sh", "-c", &script]].concat();
        let mut got = (0, 0);
        let output = Terminal::with(&t, &words, |terminal| {
            terminal.wait_for("ready", 1);
            for presses in 1..=10 {
                terminal.press(CTRL_C);
                terminal.wait_for("got INT", presses);
                std::thread::sleep(Duration::from_millis(20));
            }
            terminal.press(CTRL_BACKSLASH);
            terminal.wait_for("got QUIT", 1);
            got = (terminal.count("got INT"), terminal.count("got QUIT"));
        });
        assert_eq!((output.code, got), (Some(7), (10, 1)), "{options:?}");
    }
}

/// A shell that waits for its arguments until they stop, and then until they end. What is typed before it has
/// given them the terminal again is sent to the shell itself.
const STOPPED_AND_QUIT: &str = "set -m; ulimit -c 0; trap : QUIT; \"$@\" sh -c 'echo ready; exec sleep 1000'; \
    echo status $?; fg; echo status $?";

fn stop_and_quit(terminal: &mut Terminal) {
    terminal.wait_for("ready", 1);
    std::thread::sleep(Duration::from_millis(50));
    terminal.press(CTRL_Z);
    // By SIGSTOP, since what we were sent ourselves is the program's affair.
    terminal.wait_for("status 147", 1);
    let ended = within(Duration::from_secs(20), || {
        terminal.press(CTRL_BACKSLASH);
        terminal.count("status 131") == 1
    });
    assert!(ended, "{}", terminal.seen.lock().unwrap());
}

#[test]
fn a_shell_sees_us_stopped_by_a_key_and_takes_us_up_again() {
    let t = rings!(Host, User);
    let words = [&["sh", "-c", STOPPED_AND_QUIT, "-", runshare()][..], &["-f"]].concat();
    let output = Terminal::with(&t, &words, stop_and_quit);
    assert_eq!(output.code, Some(0));
}

#[test]
fn when_we_are_killed_the_program_ends_if_that_was_asked() {
    let t = rings!(Host, User, Uml, Qemu);
    for options in [
        &["--kill-child"][..],
        &["-f", "--kill-child=KILL"],
        &["-r", "--kill-child"],
        &["-rfp", "--kill-child"],
    ] {
        let mut held = t.hold("runshare", options);
        let program = held.inner();
        signal(held.pid(), Signal::SIGKILL);
        held.wait();
        soon(|| !runs(program));
    }
    let mut held = t.hold("runshare", &["-f"]);
    let program = held.inner();
    signal(held.pid(), Signal::SIGKILL);
    held.wait();
    std::thread::sleep(Duration::from_millis(50));
    assert!(runs(program), "it was not asked");
    signal(program, Signal::SIGKILL);
}

#[test]
fn the_program_gets_the_signal_that_was_asked_for_when_we_end() {
    let t = rings!(Host, User);
    // By name and by number; 34 is the lowest real-time signal of the C library here, 64 the highest.
    #[rustfmt::skip]
    let cases = [
        ("TERM", 15), ("sigterm", 15), ("SigTerm", 15), ("15", 15), ("hup", 1), ("2", 2), ("SIGUSR1", 10), ("12", 12),
        ("RTMIN", 34), ("rtmin+3", 37), ("SIGRTMIN+3", 37), ("rt5", 39), ("SIGRTMAX-2", 62), ("RTMAX", 64), ("37", 37),
    ];
    let signals = "1 2 10 12 15 34 37 39 62 64";
    let script = format!("for n in {signals}; do trap \"echo got $n; exit\" $n; done; {LISTEN}");
    for (name, number) in cases {
        let run = t.tool("runshare").arg(format!("--kill-child={name}"));
        let mut held = run.args(["bash", "-c", &script]).hold();
        signal(held.pid(), Signal::SIGKILL);
        assert_eq!(held.next_line(), Some(format!("got {number}")), "{name}");
        held.wait();
    }
}

#[test]
fn every_signal_that_can_be_caught_reaches_the_program_once() {
    let t = rings!(Host, User);
    // 17 is about our children, 9 and 19 cannot be caught, 32 and 33 are the C library's own.
    let signals = || (1..=64).filter(|n| ![9, 17, 19, 32, 33].contains(n));
    let traps = signals().map(|n| format!("trap 'echo got {n}' {n};")).collect::<String>();
    let script = format!("{traps} trap 'exit 7' 12; {LISTEN}");
    if !t.has("bash") {
        return;
    }
    for options in [&["-f"][..], &["-fp"], &["--init"], &["--forward-signals"]] {
        let mut held = launch(&t, options).args(["bash", "-c", &script]).hold();
        for n in signals().filter(|n| *n != 12) {
            send(&held, n);
            assert_eq!(held.next_line(), Some(format!("got {n}")), "{options:?}");
        }
        send(&held, 12);
        assert_eq!(held.next_line(), None, "{options:?}: twice");
        assert_eq!(held.wait().code(), Some(7), "{options:?}");
    }
}

#[test]
fn of_200_early_signals_none_is_lost() {
    let t = rings!(Host, User);
    for options in WAYS {
        for pause in 0..200 {
            let mut held = launch(&t, options).args(["sleep", "1000"]).start();
            std::thread::sleep(Duration::from_micros(pause * 40));
            send(&held, 15);
            assert_eq!(held.wait().signal(), Some(15), "{options:?} after {pause}");
        }
    }
}

#[test]
fn the_first_process_of_a_pid_namespace_can_be_ended_from_outside() {
    let t = rings!(Host, User, Uml, Qemu);
    for options in WAYS {
        for number in [15, 2, 1, 3] {
            let words = [
                &["-c", "ulimit -c 0; exec \"$@\"", "-", "env", "--default-signal", runshare()],
                rights(),
                options,
            ]
            .concat();
            let mut held =
                t.program("sh").args(words).args(["sh", "-c", "echo ready; exec sleep 1000"]).hold();
            soon(|| crate::harness::sleeps(held.inner()));
            send(&held, number);
            assert_eq!(held.wait().signal(), Some(number), "{options:?}");
        }
    }
    // What the original makes of it.
    let words = [&["-k", "1", "0.5", "unshare"], rights(), &["-fp", "sleep", "1000"]].concat();
    assert_eq!(t.program("timeout").args(words).run().signal, Some(9));
    let words = [&["-k", "20", "0.5", runshare()], rights(), &["-fp", "sleep", "1000"]].concat();
    assert_eq!(t.program("timeout").args(words).run().code, Some(124));
}

#[test]
fn a_first_process_that_handles_ignores_or_blocks_a_signal_decides_itself() {
    let t = rings!(Host, User);
    let caught = format!("trap 'echo got TERM; exit 7' TERM; {LISTEN}");
    let ignored = format!("trap '' TERM HUP INT; trap 'echo got USR1; exit 7' USR1; {LISTEN}");
    fn nested(outer: &[&'static str], inner: &[&'static str]) -> Vec<&'static str> {
        [outer, &[runshare()], inner].concat()
    }
    for options in [
        &["-fp"][..],
        &["--init"],
        &nested(&["-fp"], &["-f"]),
        &nested(&["-p"], &["-f"]),
        &nested(&["-f"], &["--init"]),
    ] {
        let mut held = launch(&t, options).args(["sh", "-c", &caught]).hold();
        send(&held, 15);
        assert_eq!(held.next_line().as_deref(), Some("got TERM"), "{options:?}");
        assert_eq!(held.wait().code(), Some(7), "{options:?}");

        let mut held = launch(&t, options).args(["sh", "-c", &ignored]).hold();
        [15, 1, 2, 10].into_iter().for_each(|number| send(&held, number));
        assert_eq!(held.next_line().as_deref(), Some("got USR1"), "{options:?}");
        assert_eq!(held.wait().code(), Some(7), "{options:?}");
    }
    if t.has("perl") {
        let waits = "use POSIX; my $s = POSIX::SigSet->new(SIGTERM); sigprocmask(SIG_BLOCK, $s); $| = 1; print qq(ready\n);\
            my $p = POSIX::SigSet->new; do { select undef, undef, undef, 0.01; sigpending($p) } until $p->ismember(SIGTERM); exit 7";
        let mut held = launch(&t, &["-fp"]).args(["perl", "-e", waits]).hold();
        send(&held, 15);
        assert_eq!(held.wait().code(), Some(7));
    }
    // What was blocked when we began is so from the beginning.
    let blocked = t.program("env").args(["--block-signal=TERM", runshare()]).args(rights());
    let mut held = blocked.args(["-fp", "sh", "-c", "echo ready; sleep 0.3; exit 7"]).start();
    std::thread::sleep(Duration::from_millis(2));
    send(&held, 15);
    assert!(held.wait().signal() == Some(15) || held.wait().code() == Some(7));
}

#[test]
fn a_key_reaches_the_program_once_in_every_way_and_in_every_process_group() {
    let t = rings!(Host, User);
    let script = format!("trap 'echo got INT' INT; trap 'exit 7' QUIT; {LISTEN}");
    for options in WAYS {
        for apart in [&[][..], &["perl", "-e", "setpgrp; exec @ARGV", "--"]] {
            let words = [&[runshare()][..], rights(), options, apart, &["sh", "-c", &script]].concat();
            let mut got = 0;
            let output = Terminal::with(&t, &words, |terminal| {
                terminal.wait_for("ready", 1);
                for presses in 1..=5 {
                    terminal.press(CTRL_C);
                    terminal.wait_for("got INT", presses);
                    std::thread::sleep(Duration::from_millis(20));
                }
                got = terminal.count("got INT");
                terminal.press(CTRL_BACKSLASH);
            });
            assert_eq!((output.code, got), (Some(7), 5), "{options:?} {apart:?}");
        }
    }
}

#[test]
fn a_shell_stops_us_by_a_key_and_takes_us_up_again_in_every_way() {
    let t = rings!(Host, User);
    for options in WAYS {
        let words = [&["sh", "-c", STOPPED_AND_QUIT, "-", runshare()][..], rights(), options].concat();
        let output = Terminal::with(&t, &words, stop_and_quit);
        assert_eq!(output.code, Some(0), "{options:?}");
    }
}

#[test]
fn a_program_that_reads_the_terminal_from_the_background_stops_and_does_not_spin() {
    let t = rings!(Host, User);
    let script = "set -m; \"$@\" sh -c 'read -r line; echo got $line' & p=$!; \
        until grep -q 'State:.T' /proc/$p/status; do sleep 0.05; done; echo stopped; fg; echo status $?";
    for options in WAYS {
        let words = [&["bash", "-c", script, "-", runshare()][..], rights(), options].concat();
        let output = Terminal::with(&t, &words, |terminal| {
            terminal.wait_for("stopped", 1);
            std::thread::sleep(Duration::from_millis(100));
            for key in *b"word\n" {
                terminal.press(key);
            }
            terminal.wait_for("got word", 1);
            terminal.wait_for("status 0", 1);
        });
        assert_eq!(output.code, Some(0), "{options:?}");
    }
}

#[test]
fn a_signal_while_the_program_is_stopped_waits_or_ends_it() {
    let t = rings!(Host, User);
    for options in WAYS {
        let mut held = t.hold("runshare", &[rights(), options].concat());
        let program = held.inner();
        signal(program, Signal::SIGSTOP);
        soon(|| state(program) == Some('T'));
        send(&held, 15);
        send(&held, 18);
        assert_eq!(held.wait().signal(), Some(15), "{options:?}");
    }
}

#[test]
fn a_program_that_ends_in_a_storm_of_signals_ends_us_by_its_status() {
    let t = rings!(Host, User);
    for options in WAYS {
        for _ in 0..10 {
            let mut held = launch(&t, options)
                .args(["sh", "-c", "trap '' USR1 USR2; echo ready; sleep 0.1; exit 7"])
                .hold();
            while held.child.try_wait().unwrap().is_none() {
                send(&held, 10);
                send(&held, 12);
            }
            assert_eq!(held.wait().code(), Some(7), "{options:?}");
        }
    }
}

#[test]
fn with_other_ids_and_below_an_init_the_program_does_not_outlive_us() {
    let t = rings!(Host);
    for options in [
        &["--kill-child", "-S", "65534", "-G", "65534"][..],
        &["--kill-child=TERM", "-S", "65534", "-G", "65534"],
        &["-fp", "--kill-child", "-S", "65534", "-G", "65534"],
        &["--init", "--kill-child"],
        &["--init", "--kill-child=TERM"],
        &["--init", "--kill-child", "-S", "65534"],
    ] {
        let mut held = t.hold("runshare", options);
        let program = held.inner();
        send(&held, 9);
        held.wait();
        soon(|| !runs(program));
    }
    // The original's does.
    let mut held = t.hold("unshare", &["-f", "--kill-child", "-S", "65534", "-G", "65534"]);
    let program = held.inner();
    send(&held, 9);
    held.wait();
    std::thread::sleep(Duration::from_millis(50));
    assert!(runs(program), "the original has been mended");
    signal(program, Signal::SIGKILL);
}

#[test]
fn who_is_killed_before_the_program_runs_leaves_nothing() {
    let t = rings!(Host, User);
    for options in [
        &["-f", "--kill-child"][..],
        &["-fp", "--kill-child"],
        &["--init", "--kill-child"],
        &["--init", "--kill-child=TERM"],
    ] {
        for pause in 0..100 {
            let mut held = t
                .tool("runshare")
                .args(rights())
                .args(options)
                .args(["sleep", "1000"])
                .with(|command| _ = command.stderr(std::process::Stdio::null()))
                .start();
            std::thread::sleep(Duration::from_micros(pause * 60));
            send(&held, 9);
            held.wait();
        }
        t.assert_nothing_left();
    }
}

#[test]
fn below_an_init_the_program_gets_the_signal_that_was_asked_for() {
    let t = rings!(Host, User);
    let script = format!("trap 'echo got TERM; exit' TERM; {LISTEN}");
    for options in [&["--init", "--kill-child=TERM"][..], &["-fp", "--kill-child=TERM"]] {
        let mut held = launch(&t, options).args(["sh", "-c", &script]).hold();
        send(&held, 9);
        assert_eq!(held.next_line().as_deref(), Some("got TERM"), "{options:?}");
        held.wait();
    }
}

#[test]
fn an_init_ends_as_the_program_and_ends_all_others() {
    let t = rings!(Host, User, Uml, Qemu);
    let run = |script: &str| t.tool("runshare").args(rights()).args(["--init", "sh", "-c", script]).run();
    for status in [0, 1, 2, 125, 126, 127, 128, 137, 255] {
        assert_eq!(run(&format!("exit {status}")).code, Some(status));
    }
    for number in [1, 2, 3, 6, 9, 11, 15, 34, 64] {
        let output = run(&format!("ulimit -c 0; kill -{number} $$"));
        assert_eq!((output.signal, output.errors().as_str()), (Some(number), ""));
    }
    for (program, status, why) in
        [("/nonexistent", 127, "No such file or directory"), ("/etc/passwd", 126, "Permission denied")]
    {
        let output = t.tool("runshare").args(rights()).args(["--init", program]).run();
        output.fails(status, &format!("runshare: exec {program}: {why}"));
    }
    // A daemon that was left: what it would print at its end is not printed.
    assert_eq!(run("setsid sleep 1000 & echo $$").ok(), "2\n");
    t.assert_nothing_left();
}

#[test]
fn an_init_collects_orphans() {
    let t = rings!(Host, User);
    // Counted by the shell itself, since of a pipe some are not there yet; who is not collected stays among them.
    let script = "for n in 1 2 3 4 5; do (sh -c 'sleep 0.05' & ) ; done; n=0
        until set -- /proc/[0-9]*; [ $# = 2 ] || [ $((n += 1)) = 200 ]; do sleep 0.05; done
        grep -hc 'State:.Z' /proc/[0-9]*/status | sort -u; echo $#";
    let text =
        t.tool("runshare").args(rights()).args(["--init", "--mount-proc", "sh", "-c", script]).run().ok();
    // The init and the shell.
    assert_eq!(text, "0\n2\n");
}

#[test]
fn an_init_holds_no_descriptor_but_its_own_and_cannot_be_looked_into() {
    let t = rings!(Host, User);
    let fds = |pid: i32| {
        let names = std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap().flatten();
        let links = names.filter_map(|name| {
            Some((name.file_name().to_str()?.parse::<i32>().ok()?, std::fs::read_link(name.path()).ok()?))
        });
        links
            .filter(|(fd, _)| *fd > 2)
            .map(|(_, to)| to.to_string_lossy().chars().take_while(|c| *c != ':').collect::<String>())
            .collect::<Vec<_>>()
    };
    let script = "exec 7>/dev/null 8</dev/null; exec \"$@\"";
    let run = |options: &[&str]| {
        t.program("sh")
            .args(["-c", script, "-", runshare()])
            .args(rights())
            .args(options)
            .args(super::STAY)
            .hold()
    };
    let held = run(&["--init", "--mount-proc", "--info-fd", "7"]);
    let init = children(held.pid())[0];
    if crate::harness::Ring::here().is_root() {
        soon(|| fds(init) == ["socket"]);
        // Its parent keeps the proc by which it looks as well.
        soon(|| !fds(held.pid()).iter().any(|to| to == "/dev/null"));
        assert!(!fds(held.inner()).contains(&"socket".to_string()));
    }
    let look = "readlink /proc/1/fd/0 && echo seen; cat /proc/1/environ 2>/dev/null | tr -d '\\0'; :";
    let text = t.tool("runshare").args(["-r", "--init", "--mount-proc", "sh", "-c", look]).run().ok();
    assert_eq!(text, "");
}

#[test]
fn a_pipe_ends_when_the_program_below_an_init_closes_it() {
    let t = rings!(Host, User);
    let dir = tempfile::tempdir().unwrap();
    let fifo = dir.path().join("fifo");
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let script = "fifo=$1; shift; exec 7>\"$fifo\"; exec \"$@\"";
    let mut held = t.program("sh").args(["-c", script, "-"]).arg(&fifo).arg(runshare()).args(rights());
    held = held.args(["--init", "sh", "-c", "echo word >&7; exec 7>&-; exec sleep 1000"]);
    let held = held.start();
    assert_eq!(std::fs::read_to_string(&fifo).unwrap(), "word\n");
    assert!(runs(held.pid()));
}

#[test]
fn what_is_told_of_a_program_is_what_proc_says() {
    let t = rings!(Host, User);
    for options in [&["-f"][..], &["-fp"], &["--init"], &["-r"], &["-T"], &["-fpn", "--mount-proc"]] {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("info");
        nix::unistd::mkfifo(&file, nix::sys::stat::Mode::S_IRWXU).unwrap();
        let script = "file=$1; shift; exec 3>\"$file\"; exec \"$@\"";
        let run = t.program("sh").args(["-c", script, "-"]).arg(&file).arg(runshare()).args(rights());
        let run = run.args(options).args([
            "--info-fd",
            "3",
            "sh",
            "-c",
            "( true >&3 ) 2>/dev/null && echo held; echo ready; exec sleep 1000",
        ]);
        let reader = std::thread::spawn(move || std::fs::read_to_string(file).unwrap());
        let held = run.hold();
        // The program runs, so nobody holds it any more.
        let told: serde_json::Value = serde_json::from_str(&reader.join().unwrap()).unwrap();
        assert_eq!(held.line, "ready", "it reached the program");
        let pid = told["pid"].as_i64().unwrap();
        assert_eq!(pid, held.inner() as i64, "{options:?}");
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let inside = status
            .lines()
            .find_map(|line| line.strip_prefix("NSpid:"))
            .unwrap()
            .split_whitespace()
            .next_back()
            .unwrap()
            .to_string();
        assert_eq!(told["pid_inside"].to_string(), inside, "{options:?}");
        for (kind, number) in told["namespaces"].as_object().unwrap() {
            assert_eq!(number.as_u64(), Some(inode(pid, kind)), "{options:?} {kind}");
        }
        assert!(told["namespaces"].as_object().unwrap().len() >= 7);
    }
}

#[test]
fn a_descriptor_that_cannot_be_told_to_is_refused_before_the_program_runs() {
    let t = rings!(Host, User);
    let run = |fds: &str, options: &[&str]| {
        let script = format!("exec {fds} \"$@\"");
        t.program("bash")
            .args(["-c", &script, "-", runshare()])
            .args(rights())
            .args(["-u", "--info-fd"])
            .args(options)
            .args(["echo", "ran"])
            .run()
    };
    for (fds, fd) in [("3>&-", "3"), ("3</dev/null", "3"), ("", "-1"), ("", "x"), ("", "")] {
        let output = run(fds, &[fd]);
        assert_eq!((output.code, output.text().as_str()), (Some(125), ""), "{fds} {fd}");
        assert!(output.errors().starts_with("runshare: "), "{}", output.errors());
    }
    for options in [&["-u"][..], &["-f"], &["--init"]] {
        let gone = "exec 3> >(:); wait $!; exec \"$@\"";
        let output = t
            .program("bash")
            .args(["-c", gone, "-", runshare()])
            .args(rights())
            .args(options)
            .args(["--info-fd", "3", "echo", "ran"])
            .run();
        output.fails(125, "runshare: write the descriptor of --info-fd: Broken pipe");
    }
    let text = run("", &["1"]).ok();
    assert!(text.starts_with('{') && text.ends_with("ran\n"), "{text}");
}

#[test]
fn what_is_explained_is_not_done() {
    let t = rings!(Host, User);
    if !t.has("strace") {
        return;
    }
    let changes = "trace=unshare,setns,mount,umount2,pivot_root,chroot,fork,vfork,clone,clone3,sethostname,setdomainname,setuid,setgid,setgroups,prctl,write,execve,chdir";
    #[rustfmt::skip]
    let lines = [
        "-u --hostname x", "-r", "-fp --mount-proc", "--init --kill-child", "-m --propagation slave", "-n --loopback", "-T --monotonic 5",
        "--domainname y -w /", "-r -S 0 -G 0", "-mf --tmpfs /tmp",
    ];
    for line in lines {
        let calls = |explain: bool| {
            let log = tempfile::NamedTempFile::new().unwrap();
            let run = t
                .program("strace")
                .args(["-f", "-e", changes, "-o"])
                .arg(log.path())
                .arg(runshare())
                .args(rights());
            let run = run.args(line.split(' ')).args(explain.then_some("--explain")).arg("/bin/true").run();
            (run.ok(), std::fs::read_to_string(log.path()).unwrap())
        };
        let (told, calls_then) = calls(true);
        for call in
            calls_then.lines().skip(1).filter(|call| !call.contains("+++") && !call.contains("prctl(PR_GET"))
        {
            assert!(call.contains(" write(1, "), "{line}: {call}");
        }
        // Each step has a call, and they come in this order.
        let (_, done) = calls(false);
        let mut rest = &done[done.find('\n').unwrap()..];
        for step in told.lines() {
            let call = match step.split(' ').collect::<Vec<_>>()[..] {
                ["unshare", ..] => "unshare(CLONE_",
                ["fork", ..] => "clone",
                ["mount", "proc", ..] => "mount(\"proc\"",
                ["make", "all", "mounts", ..] => "mount(",
                ["sethostname", ..] => "sethostname(",
                ["setdomainname", ..] => "setdomainname(",
                ["setgid", ..] => "setgid(",
                ["setuid", ..] => "setuid(",
                ["chdir", ..] => "chdir(",
                ["write", ..] => "write(",
                ["ask", ..] => "prctl(PR_SET_PDEATHSIG",
                // Below an init an ordinary user's strace cannot read the words.
                ["exec", ..] => "execve(",
                _ => continue,
            };
            let at = rest.find(call).unwrap_or_else(|| panic!("{line}: {step}: no {call} in\n{done}"));
            rest = &rest[at + call.len()..];
        }
    }
}
