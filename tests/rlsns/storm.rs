//! rlsns among many processes, and among those that end while it looks.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::Value;

use crate::harness::{Held, Ring, Test, inode, pids, within};

/// How many listings there are in a storm: `make storm` asks for thousands. An ordinary user sees less of it.
fn rounds() -> usize {
    let usual = if Ring::here().is_root() { 300 } else { 60 };
    std::env::var("NSKIT_ROUNDS").map_or(usual, |rounds| rounds.parse().unwrap())
}

fn namespaces(json: &[u8]) -> Vec<Value> {
    serde_json::from_slice::<Value>(json).unwrap()["namespaces"].as_array().unwrap().clone()
}

#[test]
fn listings_in_a_storm_never_fail_and_have_every_namespace_that_stays() {
    let t = rings!(Host, User);
    let kinds = ["mnt", "uts", "ipc", "net", "cgroup", "user"];
    let held = t.hold("unshare", &["-Ur", "-muinC"]);
    let inodes = kinds.map(|kind| inode(held.pid(), kind));
    // One that only a descriptor keeps.
    let script = "unshare -Urn sleep 1000 & until [ \"$(cat /proc/$!/comm)\" = sleep ]; do sleep 0.05; done
                  exec 6</proc/$!/ns/net; stat -Lc %i /proc/$!/ns/net; kill $!; wait; exec sleep 1000";
    let keeper = t.program("sh").args(["-c", script]).hold();
    let kept: u64 = keeper.line.parse().unwrap();
    let alone = || crate::harness::sleeps(keeper.pid());
    assert!(within(Duration::from_secs(20), alone));

    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let script = "for i in 1 2 3 4 5 6 7 8; do true & done; wait";
                    t.program("sh").args(["-c", script]).run().ok();
                }
            });
        }
        let check = |round: usize| {
            let deep = round % 4 != 3;
            let depth = if deep { "deep" } else { "procs" };
            let output = t.tool("rlsns").args(["-J", "-l", "-o", "+VIA", "--depth", depth]).run();
            assert_eq!((output.code, output.errors().as_str()), (Some(0), ""), "round {round}");
            let found = namespaces(&output.stdout);
            let via = |ino: u64| found.iter().find(|ns| ns["ns"] == ino).map(|ns| ns["via"].clone());
            for ino in inodes {
                assert_eq!(via(ino), Some("process".into()), "round {round}: {ino}");
            }
            assert_eq!(via(kept), deep.then(|| "fd".into()), "round {round}");
        };
        let all = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| (0..rounds()).for_each(check)));
        stop.store(true, Ordering::Relaxed);
        all.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    });
}

/// So many sleepers in a net namespace of their own.
fn crowd(t: &Test, size: usize) -> Held {
    let script = format!("i=0; while [ $i -lt {size} ]; do sleep 1000 & i=$((i+1)); done; echo $i; wait");
    t.program("unshare").args(["-Urn", "--kill-child", "-fp", "sh", "-c", &script]).hold()
}

#[test]
fn many_processes_are_looked_at_by_several_threads_and_counted_once() {
    let t = rings!(Host, User);
    let size = 1500;
    let held = crowd(&t, size);
    let net = inode(held.inner(), "net");
    let find = |args: &[&str]| {
        let output = t.tool("rlsns").args(["-J", "-l", "-o", "NS,TYPE,NPROCS,PID,COMMAND"]).args(args).run();
        let found = namespaces(output.ok().as_bytes());
        found.into_iter().map(|ns| (ns["ns"].as_u64().unwrap(), ns)).collect::<BTreeMap<_, _>>()
    };
    // The shell among them, and unshare outside of their pid namespace. Numbers begin anew at some time, so the first
    // process need not have the lowest.
    let link = std::path::PathBuf::from(format!("net:[{net}]"));
    let inside = |pid: &i32| std::fs::read_link(format!("/proc/{pid}/ns/net")).is_ok_and(|net| net == link);
    let first = pids().into_iter().filter(inside).min().unwrap();
    let command = std::fs::read_to_string(format!("/proc/{first}/cmdline")).unwrap();
    let command = command.trim_end_matches('\0').replace('\0', " ");
    let expected = serde_json::json!({
        "ns": net, "type": "net", "nprocs": size + 2, "pid": first, "command": command,
    });
    for args in [&[][..], &["--depth", "procs"], &["-t", "net"], &["-t", "net", "--depth", "procs"]] {
        assert_eq!(find(args)[&net], expected, "{args:?}");
    }
    let members = t.tool("rlsns").args(["-n", "-l", "-o", "PID", &net.to_string()]).run().ok();
    let members: Vec<i32> = members.lines().map(|line| line.trim().parse().unwrap()).collect();
    assert!(members.len() == size + 2 && members.is_sorted());

    if std::thread::available_parallelism().unwrap().get() > 1 && t.has("strace") {
        let tool = crate::harness::tool_path("rlsns").to_str().unwrap();
        let threads = |args: &[&str]| {
            let run = t.program("strace").args(["-f", "-e", "trace=clone3,clone", tool]).args(args).run();
            run.errors().lines().filter(|line| line.contains("CLONE_THREAD")).count()
        };
        assert!(threads(&["-t", "net"]) > 0);
        // Who goes on to enter what it found must have no other thread.
        let number = format!("user:[{}]", 4_294_967_295u32);
        let run = t.program("strace").args(["-f", "-e", "trace=clone3,clone"]);
        let rnsenter = crate::harness::tool_path("rnsenter").to_str().unwrap();
        let run = run.args([rnsenter, "-t", &number, "true"]).run();
        assert!(run.errors().contains("nothing that we see keeps") && !run.errors().contains("CLONE_THREAD"));
    }
}
