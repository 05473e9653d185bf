//! Time limits, and waiting for what the program leaves running.

use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::refuse::changed;
use super::*;

fn timed<'a>(t: &'a Test, parent: &Parent, limit: &str) -> Run<'a> {
    limited(t, parent).args(["--timeout", limit])
}

#[test]
fn a_program_is_ended_when_its_time_is_over_and_the_status_says_so() {
    let t = rings!(Host, Uml, Qemu);
    let Some(parent) = Parent::new(&t, &["pids"]) else { return };
    let begin = Instant::now();
    assert_eq!(timed(&t, &parent, "0.3").args(["sleep", "1000"]).run().code, Some(124));
    assert!((300..20_000).contains(&begin.elapsed().as_millis()), "{:?}", begin.elapsed());
    // Whatever it says of it itself, and by whatever signal.
    let script = "trap 'echo heard; exit 7' INT; echo ready; while :; do sleep .05; done";
    let run = timed(&t, &parent, "2000ms").args(["--signal", "INT", "sh", "-c", script]).run();
    assert_eq!((run.code, &*run.text()), (Some(124), "ready\nheard\n"));
    // One that is ready in time has its own status.
    assert_eq!(timed(&t, &parent, "1m").args(["sh", "-c", "exit 7"]).run().code, Some(7));
    parent.assert_bare();
}

#[test]
fn everything_in_the_groups_is_told_that_the_time_is_over() {
    let t = rings!(Host, Uml, Qemu);
    let Some(parent) = Parent::new(&t, &["pids"]) else { return };
    let daemon = "trap 'echo daemon; exit' TERM; echo ready; while :; do sleep .05; done";
    let script = format!("setsid sh -c '{}' & wait; wait", daemon.replace('\'', "'\\''"));
    let run = timed(&t, &parent, "2").args(["sh", "-c", &format!("trap 'wait' TERM; {script}")]).run();
    assert_eq!((run.code, &*run.text()), (Some(124), "ready\ndaemon\n"), "{}", run.errors());
    parent.assert_bare();
}

#[test]
fn what_does_not_heed_the_signal_is_killed_after_more_time() {
    let t = rings!(Host, Uml, Qemu);
    let Some(parent) = Parent::new(&t, &["pids"]) else { return };
    let deaf = "trap '' TERM; setsid sleep 1000 & sleep 1; sleep 1000; exit 7";
    let run = timed(&t, &parent, "0.2").args(["-k", "0.3", "sh", "-c", deaf]).run();
    assert_eq!(run.code, Some(124));
    // Without, it has the time that it wants.
    let run = timed(&t, &parent, "1").args(["sh", "-c", "trap '' TERM; sleep 3; echo done"]).run();
    assert_eq!((run.code, &*run.text()), (Some(124), "done\n"));
    parent.assert_bare();
}

#[test]
fn what_is_stopped_heeds_it_too() {
    let t = rings!(Host, Uml, Qemu);
    let Some(parent) = Parent::new(&t, &["pids"]) else { return };
    assert_eq!(
        timed(&t, &parent, "0.3").args(["sh", "-c", "kill -STOP $$; exec sleep 1000"]).run().code,
        Some(124)
    );
    parent.assert_bare();
}

#[test]
fn what_is_left_running_is_waited_for_if_asked() {
    let t = rings!(Host, Uml, Qemu);
    let Some(parent) = Parent::new(&t, &["pids"]) else { return };
    let script = "(setsid sh -c 'sleep .6; echo late') & exit 3";
    let run = || limited(&t, &parent).args(["--pids-limit", "20"]);
    let waited = run().args(["--no-kill", "sh", "-c", script]).run();
    assert_eq!((waited.code, &*waited.text()), (Some(3), "late\n"));
    let killed = run().args(["sh", "-c", script]).run();
    assert_eq!((killed.code, &*killed.text()), (Some(3), ""));
    parent.assert_bare();
    // Its time is limited as well, and it can be asked to end.
    let left = "(trap '' TERM; setsid sleep 1000) & exit 3";
    let timed = run().args(["--no-kill", "--timeout", ".5", "-k", ".2", "sh", "-c", left]).run();
    assert_eq!(timed.code, Some(124));
    let left = "setsid sleep 1000 & echo ready; exit 3";
    let mut held = run().args(["--no-kill", "sh", "-c", left]).hold();
    // The program itself has ended.
    assert!(within(Duration::from_secs(20), || crate::harness::children(held.pid()).len() == 1));
    std::thread::sleep(Duration::from_millis(300));
    let used = cpu_time(held.pid());
    std::thread::sleep(Duration::from_millis(1000));
    assert!(cpu_time(held.pid()) - used < Duration::from_millis(100));
    assert_eq!(held.child.try_wait().unwrap(), None);
    kill(Pid::from_raw(held.pid()), Signal::SIGTERM).unwrap();
    assert_eq!(code(held.wait()), Some(3));
    parent.assert_bare();
}

#[test]
fn without_any_group_a_program_runs_only_where_that_was_asked_and_its_time_is_limited_still() {
    let t = rings!(Host);
    let change = "mount -t tmpfs none /sys/fs/cgroup";
    let (line, _) = refused(&changed(&t, change, &["--timeout", "1"]));
    assert!(
        line.contains("no cgroup file system is mounted") || line.contains("no group can be made"),
        "{line}"
    );
    let script = format!("{change} && exec \"$@\"");
    let run = t.program("unshare").args(["-m", "sh", "-c", &script, "-", rcgexec()]);
    let run = run.args(["--best-effort", "--pids-limit", "5", "--timeout", ".3", "sleep", "1000"]).run();
    assert_eq!(run.code, Some(124), "{}", run.errors());
    assert_eq!(run.errors().matches("going on without").count(), 2, "{}", run.errors());
}

#[test]
fn times_that_make_no_sense_are_refused() {
    let t = rings!(Host, User, Uml, Qemu);
    let cases = [
        ("--timeout 1w true", "--timeout takes no such time: 1w"),
        ("--timeout -1 true", "--timeout takes no such time: -1"),
        ("--timeout 1 --kill-after x true", "--kill-after takes no such time: x"),
        ("--kill-after 1 true", "--kill-after and --signal are for --timeout"),
        ("--signal INT true", "--kill-after and --signal are for --timeout"),
        ("--timeout 1 --signal NOPE true", "unknown signal: NOPE"),
    ];
    for (line, told) in cases {
        assert_eq!(refused(&t.tool("rcgexec").args(line.split(' ')).run()).0, told, "{line}");
    }
}
