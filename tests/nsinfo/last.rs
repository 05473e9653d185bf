//! The last lines: what they say is pasted, and must do what it says.

use std::fs::read_to_string;

use nix::sys::signal::Signal;
use serde_json::Value;

use super::{rights, said};
use crate::harness::{Held, Ring, Run, Test, inode, signal, soon, tool_path};
use crate::rcgexec::Parent;
use common::kind::KINDS;

/// A shell that finds our tools by their names, as whoever pastes a line does.
fn shell<'a>(t: &'a Test, line: &str) -> Run<'a> {
    let tools = tool_path("nsinfo").parent().unwrap().to_str().unwrap();
    for tool in ["rnsenter", "runshare", "rcgexec"] {
        assert!(tool_path(tool).starts_with(tools));
    }
    let path = format!("{tools}:{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap());
    t.program("sh").args(["-c", line]).env("PATH", &path).env("SHELL", "/bin/sh")
}

fn command<'a>(said: &'a Value, key: &str) -> &'a str {
    said[key]["command"].as_str().unwrap_or_else(|| panic!("{key}: {said:#}"))
}

/// What is left out, in words.
fn lacks(said: &Value) -> Vec<&str> {
    said["recreate"]["lacks"].as_array().unwrap().iter().map(|it| it["what"].as_str().unwrap()).collect()
}

/// The last lines of the page.
fn lines(t: &Test, what: &str) -> String {
    let page = t.tool("nsinfo").arg(what).run().ok();
    let at = page.find("\nenter: ").unwrap_or_else(|| panic!("{page}"));
    page[at + 1..].to_string()
}

/// The namespaces that a process is in.
fn namespaces(of: impl std::fmt::Display) -> Vec<(&'static str, u64)> {
    let there = |name: &str| std::path::Path::new("/proc/self/ns").join(name).exists();
    KINDS.iter().filter(|row| there(row.name)).map(|row| (row.name, inode(&of, row.name))).collect()
}

/// Pastes the line with this behind it; the program in it stays.
fn pasted(t: &Test, line: &str) -> Held {
    let held = shell(t, &format!("exec {line} sh -c 'echo ready; exec sleep 1000'")).hold();
    soon(|| crate::harness::sleeps(held.inner()));
    held
}

/// Ends what takes its groups away when it is told to end.
fn ended(mut held: Held) {
    signal(held.pid(), Signal::SIGTERM);
    held.wait();
}

#[test]
fn the_line_that_enters_leads_to_all_of_its_namespaces() {
    let t = rings!(Host, User, Uml, Qemu);
    let own = ["-m", "-u", "-i", "-n"];
    let mut cases = vec![
        [rights(), &own].concat(),
        [rights(), &["-n"]].concat(),
        vec!["-r", "-p", "-f", "--mount-proc", "-u"],
        vec!["-c", "-n"],
        vec!["-U"],
        // The others belong to the user namespace above its own.
        vec!["-r", "-n", "-u", tool_path("runshare").to_str().unwrap(), "-c"],
    ];
    if Ring::here().is_root() {
        cases.push(vec!["-U", "--map-users=0:100000:100", "--map-groups=0:100000:100", "-n"]);
        cases.push(vec!["-U", "--map-users=5:100000:100", "--map-groups=5:100000:100", "-n"]);
        cases.push([&own[..], &["-p", "-f", "--mount-proc", "-C"]].concat());
    }
    if crate::harness::has_kind("time") {
        cases.push([rights(), &["-T", "--boottime=1000"]].concat());
    }
    for options in cases {
        let held = t.hold("runshare", &options);
        let pid = held.inner();
        let said = said(&t, pid);
        let line = command(&said, "enter");
        assert_eq!(
            (&said["enter"]["may"], &said["enter"]["note"]),
            (&Value::Bool(true), &Value::Null),
            "{line}"
        );
        let inside = pasted(&t, line);
        assert_eq!(namespaces(inside.inner()), namespaces(pid), "{options:?}: {line}");
        // The shell is that of who pastes it, and reads what they type.
        let typed = shell(&t, line).stdin("readlink /proc/self/ns/net\n").run();
        assert_eq!(typed.text(), format!("net:[{}]\n", inode(pid, "net")), "{line}: {}", typed.errors());
        assert!(lines(&t, &pid.to_string()).starts_with(&format!("enter: {line}\n")), "{line}");
    }
}

#[test]
fn a_process_is_named_so_that_it_can_be_no_other() {
    let t = rings!(Host, User);
    let held = t.hold("runshare", &[rights(), &["-n"]].concat());
    let pid = held.inner();
    let said = said(&t, pid);
    let target = command(&said, "enter").split(' ').nth(2).unwrap();
    let (number, inode) = target.split_once(':').unwrap();
    assert_eq!(number, pid.to_string());
    let other = command(&said, "enter").replace(target, &format!("{number}:{}1", inode));
    let refused = shell(&t, &format!("{other} true")).run();
    assert_eq!(refused.code, Some(125), "{}", refused.errors());
    assert!(refused.errors().contains("is another one than"), "{}", refused.errors());
}

#[test]
fn a_changed_root_is_entered_and_made_again() {
    let t = rings!(Host);
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("a b");
    std::fs::create_dir(&dir).unwrap();
    // What runs in there needs what runs here.
    let path = dir.to_str().unwrap();
    let held = t
        .tool("runshare")
        .args(["-m", "sh", "-c"])
        .arg(format!("mount --rbind / '{path}' && exec chroot '{path}' sh -c 'echo ready; exec sleep 1000'"))
        .hold();
    soon(|| crate::harness::sleeps(held.inner()));
    let said = said(&t, held.inner());
    assert!(command(&said, "enter").ends_with(" -m -r"), "{said:#}");
    let inside = pasted(&t, command(&said, "enter"));
    assert_eq!(std::fs::read_link(format!("/proc/{}/root", inside.inner())).unwrap(), dir);
    assert!(lacks(&said).contains(&&*format!("its root directory, {path}")), "{said:#}");
}

#[test]
fn no_line_is_given_where_there_is_nothing_to_enter() {
    let t = rings!(Host, User);
    let ours = "enter: # nothing: it is in the namespaces that we are in\n";
    assert!(lines(&t, "self").starts_with(ours));
    let child = t.program("sh").args(["-c", "echo ready; exec sleep 1000"]).hold();
    assert!(lines(&t, &child.pid().to_string()).starts_with(ours));
    assert_eq!(said(&t, child.pid())["enter"]["command"], Value::Null);
    let dead = t.program("sh").args(["-c", "sleep 0.2 & echo $!; exec sleep 1000"]).hold();
    soon(|| {
        read_to_string(format!("/proc/{}/status", dead.line)).is_ok_and(|text| text.contains("Z (zombie)"))
    });
    assert_eq!(lines(&t, &dead.line), "enter: # nothing: it has ended\n");
    let own = format!("net:[{}]", inode("self", "net"));
    assert_eq!(lines(&t, &own), "enter: # nothing: it is the one that we are in\n");
    // Not where only some sections are asked for, nor of another machine's /proc.
    let section = t.tool("nsinfo").args(["--section=uts", "self"]).run().ok();
    assert!(!section.contains("enter:"), "{section}");
}

#[test]
fn one_namespace_is_entered_by_a_number_that_no_other_gets() {
    let t = rings!(Host, User);
    for kind in ["net", "uts", "user", "ipc"] {
        let long = format!("--{kind}");
        let held = t.hold("runshare", &[rights(), &[&*long]].concat());
        let ino = inode(held.inner(), kind);
        let page = lines(&t, &format!("{kind}:[{ino}]"));
        let line = page.lines().next().unwrap().strip_prefix("enter: ").unwrap();
        assert_eq!(page.lines().count(), 1, "{page}");
        let entered = shell(&t, &format!("{line} readlink /proc/self/ns/{kind}")).run().ok();
        assert_eq!(entered, format!("{kind}:[{ino}]\n"), "{line}");
    }
}

#[test]
fn what_we_may_not_enter_is_said_with_the_reason() {
    let t = rings!(Host);
    let held = t.hold("runshare", &["-n"]);
    // Its namespaces are closed to others.
    let page = t.tool("nsinfo").as_user().arg(held.inner().to_string()).run().text();
    assert!(page.contains("\nenter: # its namespaces: not permitted (needs CAP_SYS_PTRACE)\n"), "{page}");
    assert!(page.contains("\nrecreate: # its namespaces: not permitted (needs CAP_SYS_PTRACE)\n"), "{page}");
    // A descriptor leads there, and no right does.
    if !t.has("setpriv") {
        return;
    }
    let nsinfo = tool_path("nsinfo").to_str().unwrap();
    let weak = ["--bounding-set=-sys_admin", "--inh-caps=-sys_admin", nsinfo, &held.inner().to_string()];
    let page = t.program("setpriv").args(weak).run().ok();
    let note = format!(
        "# not by us: net:[{}]: lacks CAP_SYS_ADMIN in user:[{}]; run it with",
        inode(held.inner(), "net"),
        inode("self", "user")
    );
    assert!(page.contains(&format!("-n\n{note}")), "{page}");
}

#[test]
fn the_line_that_recreates_makes_the_same_world() {
    let t = rings!(Host, User, Uml, Qemu);
    let mut cases = vec![
        vec!["-r"],
        vec!["-c", "-u", "-i"],
        vec!["-U"],
        vec!["-r", "-m", "-p", "-f", "-u", "--hostname=it's a \\ name\x1b%"],
        vec!["--map-user=7", "--map-group=9", "-n"],
    ];
    if Ring::here().is_root() {
        cases.push(vec![
            "--map-users=0:100000:100",
            "--map-groups=0:100000:50",
            "--map-users=200:5:1",
            "-S0",
            "-G0",
            "-n",
        ]);
        cases.push(vec![
            "--map-users=0:100000:100",
            "--map-groups=0:100000:50",
            "--setgroups=deny",
            "-S3",
            "-G3",
        ]);
        cases.push(vec!["-u", "-n", "-m", "-C", "-i", "-S", "1000", "-G", "1001"]);
    }
    if crate::harness::has_kind("time") {
        cases.push(vec!["-r", "-T", "-f", "--monotonic=5000", "--boottime=-1"]);
    }
    for options in cases {
        let first = t.hold("runshare", &options);
        let said_first = said(&t, first.inner());
        let line = command(&said_first, "recreate");
        let second = pasted(&t, line);
        let said_second = said(&t, second.inner());
        let ours = namespaces("self");
        let own = |pid: i32| -> Vec<&str> {
            namespaces(pid).iter().zip(&ours).filter(|(a, b)| a != b).map(|((kind, _), _)| *kind).collect()
        };
        assert_eq!(own(first.inner()), own(second.inner()), "{line}");
        for file in ["uid_map", "gid_map", "setgroups", "timens_offsets"] {
            let read = |pid: i32| {
                let text = read_to_string(format!("/proc/{pid}/{file}")).unwrap_or_default();
                let mut lines: Vec<_> = text.lines().map(str::to_string).collect();
                lines.sort();
                lines
            };
            assert_eq!(read(first.inner()), read(second.inner()), "{file}: {line}");
        }
        let ids = |pid: i32| {
            let status = read_to_string(format!("/proc/{pid}/status")).unwrap();
            status
                .lines()
                .filter(|line| line.starts_with("Uid:") || line.starts_with("Gid:"))
                .collect::<String>()
        };
        assert_eq!(ids(first.inner()), ids(second.inner()), "{line}");
        assert_eq!(said_first["uts"], said_second["uts"], "{line}");
        // And it says so itself.
        assert_eq!(command(&said_second, "recreate"), line);
    }
}

#[test]
fn limits_of_its_own_groups_are_made_again() {
    let t = rings!(Host, Uml, Qemu);
    let Some(parent) = Parent::new(&t, &["cpu", "memory", "pids"]) else { return };
    // What limits are set by is not told where it is: it is below the group of who pastes the line, and here in ours.
    let below = format!("--parent={}", parent.name);
    let pasted = |line: &str| pasted(&t, &line.replacen("rcgexec ", &format!("rcgexec {below} "), 1));
    let limits =
        ["--pids-limit=50", "--memory=64M", "--cpu-quota=20000", "--cpu-period=50000", "--oom-score-adj=500"];
    let held =
        t.tool("rcgexec").arg(&below).args(limits).args(["sh", "-c", "echo ready; exec sleep 1000"]).hold();
    soon(|| crate::harness::sleeps(held.inner()));
    let first = said(&t, held.inner());
    let line = command(&first, "recreate");
    for words in [
        "--pids-limit 50",
        "--memory 67108864",
        "--cpu-quota 20000",
        "--cpu-period 50000",
        "--oom-score-adj 500",
    ] {
        assert!(line.contains(words), "{words}: {line}");
    }
    assert!(line.starts_with("rcgexec ") && !line.contains("runshare"), "{line}");
    let again = pasted(line);
    let second = said(&t, again.inner());
    assert_eq!(command(&second, "recreate"), line);
    [held, again].into_iter().for_each(ended);
    // Namespaces as well.
    let runshare = tool_path("runshare").to_str().unwrap();
    let both = t.tool("rcgexec").arg(&below).args(["--pids-limit=51", runshare, "-n", "-u"]);
    let both = both.args(["sh", "-c", "echo ready; exec sleep 1000"]).hold();
    soon(|| crate::harness::sleeps(both.inner()));
    let said = said(&t, both.inner());
    let line = command(&said, "recreate");
    assert!(line.starts_with("rcgexec --pids-limit 51 runshare -u -n --hostname "), "{line}");
    [both, pasted(line)].into_iter().for_each(ended);
}

#[test]
fn what_cannot_be_made_again_is_listed() {
    let t = rings!(Host);
    if !t.has("setpriv") {
        return;
    }
    let runshare = tool_path("runshare").to_str().unwrap();
    let run = t.program("setpriv").args([
        "--no-new-privs",
        "--bounding-set=-net_raw,-mknod",
        runshare,
        "-n",
        "-m",
        "-i",
    ]);
    let held = run.args(["sh", "-c", "echo ready; exec sleep 1000"]).hold();
    soon(|| crate::harness::sleeps(held.inner()));
    let said = said(&t, held.inner());
    let lacks = lacks(&said);
    let has = |part: &str| assert!(lacks.iter().any(|what| what.starts_with(part)), "{part}: {lacks:#?}");
    let mounts = read_to_string(format!("/proc/{}/mountinfo", held.inner())).unwrap().lines().count();
    has(&format!("its {mounts} mounts, "));
    has("its network devices");
    has("its ipc objects");
    has("its bounding set, which leaves out cap_net_raw,cap_mknod");
    has("its no_new_privs");
    has("its environment");
    let page = lines(&t, &held.inner().to_string());
    assert!(page.lines().skip(2).all(|line| line.starts_with("# without ")), "{page}");
    assert_eq!(page.lines().count(), 2 + lacks.len(), "{page}");
}

#[test]
fn a_terminal_cuts_no_line_that_is_to_be_pasted() {
    let t = rings!(Host, User);
    let name = "long".repeat(16);
    let held = t.hold("runshare", &["-r", "-n", "-m", &format!("--hostname={name}")]);
    let page = t.tool("nsinfo").arg(held.inner().to_string()).run_in_terminal(80);
    let line = command(&said(&t, held.inner()), "recreate").to_string();
    assert!(line.len() > 80 && page.contains(&format!("\nrecreate: {line}\n")), "{page}");
}
