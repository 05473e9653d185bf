//! A namespace that was named itself, beside what the test made: who is in it, what keeps it, what stands above it.

use std::fs::{File, create_dir, write};
use std::os::fd::AsRawFd;

use serde_json::{Value, json};

use super::{HARMLESS, HOSTILE, HOSTILE_IN_JSON, rights};
use crate::harness::{
    Held, NOBODY, Ring, Run, Test, bytes, has_kind, inode, sleeps, soon, state, tool_path, world,
};
use common::kind::KINDS;

fn asked(run: Run<'_>) -> Value {
    let text = run.args(["--section", "namespace", "-J"]).run().ok();
    assert!(!text.contains(|c: char| c.is_control() && c != '\n'), "{text}");
    let world = world(&text);
    assert_eq!(world["unreadable"], json!([]), "{text}");
    // Nothing else was asked for.
    assert_eq!(world.as_object().unwrap().len(), 2, "{text}");
    world["namespace"].clone()
}

fn said(t: &Test, word: &str) -> Value {
    asked(t.tool("nsinfo").arg(word))
}

fn page(t: &Test, word: &str) -> String {
    t.tool("nsinfo").args(["--section", "namespace", word]).run().ok()
}

fn name(kind: &str, pid: i32) -> String {
    format!("{kind}:[{}]", inode(pid, kind))
}

#[test]
fn every_way_to_name_it_names_the_same() {
    let t = rings!(Host, User, Uml, Qemu);
    let held = t.hold("runshare", &["-Urmuin"]);
    let pid = held.inner();
    for row in KINDS.iter().filter(|row| ["user", "mnt", "net"].contains(&row.name)) {
        let ino = inode(pid, row.name);
        let told = said(&t, &name(row.name, pid));
        assert_eq!([&told["type"], &told["ns"]], [&json!(row.name), &json!(ino)]);
        assert_eq!([&told["ours"], &told["processes"]], [&json!(false), &json!(1)], "{told:#}");
        assert_eq!(told["first"], json!([{"process": pid, "command": "sleep 1000"}]));
        let words = [format!("/proc/{pid}/ns/{}", row.name), ino.to_string(), format!("{}:{pid}", row.name)];
        for word in words {
            let out = t.tool("nsinfo").args(["--section", "namespace", "-J", &word]).run();
            // What the grammar does not have is refused, not taken for something else.
            if word.contains(':') && out.code != Some(0) {
                continue;
            }
            let other = world(&out.ok())["namespace"].clone();
            assert_eq!(
                [&other["type"], &other["ns"], &other["id"]],
                [&json!(row.name), &json!(ino), &told["id"]],
                "{word}"
            );
        }
        if let Some(id) = told["id"].as_u64().filter(|_| row.name != "user") {
            // By the number that it keeps, where the kernel has those.
            let out =
                t.tool("nsinfo").args(["--section", "namespace", "-J", &format!("{}:#{id}", row.name)]).run();
            assert!(out.code != Some(0) || world(&out.text())["namespace"]["ns"] == ino, "{}", out.text());
        }
        let page = page(&t, &name(row.name, pid));
        assert!(page.starts_with(&format!("namespace\n  namespace   {}\n", name(row.name, pid))), "{page}");
        assert!(page.contains(&format!("  processes   1\n              {pid} sleep 1000\n")), "{page}");
    }
}

#[test]
fn owners_and_parents_are_those_up_to_the_first_that_we_may_see() {
    let t = rings!(Host, User);
    let runshare = tool_path("runshare");
    let held = t.hold("runshare", &["-Ur", runshare.to_str().unwrap(), "-Urfpn", "--kill-child"]);
    let (outer, inner) = (held.pid(), held.inner());
    let uid = nix::unistd::getuid().as_raw();
    // The launcher is in the second user namespace; the first is only its parent.
    let second = inode(inner, "user");
    assert_eq!(inode(outer, "user"), second);
    let net = said(&t, &name("net", inner));
    let owners = net["owners"].as_array().unwrap();
    assert_eq!(owners.len(), 3, "{net:#}");
    assert_eq!([&owners[0]["ns"], &owners[2]["ns"]], [&json!(second), &json!(inode("self", "user"))]);
    assert_eq!([&owners[0]["creator"], &owners[1]["creator"]], [uid, uid]);
    assert_eq!([&owners[0]["ours"], &owners[1]["ours"], &owners[2]["ours"]], [false, false, true]);
    // A kind without parents has none to be told.
    assert_eq!([&net["parents"], &net["creator"]], [&Value::Null, &Value::Null]);
    let first = owners[1]["ns"].as_u64().unwrap();
    let pid = said(&t, &name("pid", inner));
    assert_eq!(pid["owners"], net["owners"]);
    let parents = pid["parents"].as_array().unwrap();
    assert_eq!([&parents[0]["ns"], &parents[0]["ours"]], [&json!(inode("self", "pid")), &json!(true)]);
    assert_eq!(parents.len(), 1, "{pid:#}");
    // Those above a user namespace are its owners as well; what it owns is below it.
    let user = said(&t, &format!("user:[{second}]"));
    assert_eq!([&user["creator"], &user["parents"]], [&json!(uid), &Value::Null]);
    assert_eq!(user["owners"], json!(owners[1..]));
    let below = user["below"].as_array().unwrap();
    for kind in ["net", "pid"] {
        assert!(below.contains(&json!({"type": kind, "ns": inode(inner, kind)})), "{kind}\n{user:#}");
    }
    // One without processes: kept by the one below it.
    let alone = said(&t, &format!("user:[{first}]"));
    assert_eq!([&alone["processes"], &alone["threads"], &alone["first"]], [&json!(0), &json!(0), &json!([])]);
    assert_eq!(alone["below"], json!([{"type": "user", "ns": second}]));
    let page = page(&t, &format!("user:[{first}]"));
    let ours = inode("self", "user");
    assert!(page.contains(&format!("\n  made by     uid {uid}\n  parent      user:[{ours}]")), "{page}");
    assert!(page.contains("\n  processes   none that we see\n"), "{page}");
    assert!(page.contains(&format!("\n  kept by     user:[{second}] below it\n")), "{page}");
    assert!(page.contains(&format!("rlsns --why 'user:[{first}]' tells how to free it\n")), "{page}");
    // From inside, the same ends where our sight does.
    let ask = |how: &str| {
        let run = t.tool("runshare").args(["-Uru"]).arg("sh");
        run.args(["-c", "exec \"$0\" --section namespace $1 /proc/self/ns/uts"])
            .arg(tool_path("nsinfo"))
            .arg(how)
            .run()
            .ok()
    };
    let inside = world(&ask("-J"))["namespace"].clone();
    let owners = inside["owners"].as_array().unwrap();
    assert_eq!((owners.len(), &owners[0]["ours"], &owners[0]["creator"]), (1, &json!(true), &json!(0)));
    assert!(
        ask("--color=never").contains("\n              above: none, or out of our sight\n"),
        "{}",
        ask("--color=never")
    );
}

#[test]
fn what_keeps_it_is_listed_each_sort_by_itself() {
    let t = rings!(Host, User);
    let held = t.hold("runshare", &[rights(), &["-u"]].concat());
    let word = name("uts", held.inner());
    let file = File::open(format!("/proc/{}/ns/uts", held.inner())).unwrap();
    let me = std::process::id();
    let told = said(&t, &word);
    let holders = told["holders"].as_array().unwrap();
    let [fd] = holders.iter().filter(|holder| holder["process"] == me).collect::<Vec<_>>()[..] else {
        panic!("{told:#}")
    };
    assert_eq!([&fd["holder"], &fd["fd"]], [&json!("fd"), &json!(file.as_raw_fd())]);
    // Without the process that is in it. What other tests list they hold for a moment.
    assert!(holders.iter().all(|holder| holder["holder"] == "fd"), "{told:#}");
    let shown = page(&t, &word);
    assert!(shown.contains(&format!("fd {} of {me}", file.as_raw_fd())), "{shown}");
    // And when nobody is in it any more it is still there, by this alone.
    let ino = inode(held.inner(), "uts");
    let pid = held.inner();
    drop(held);
    soon(|| state(pid).is_none_or(|state| state == 'Z'));
    let path = format!("/proc/{me}/fd/{}", file.as_raw_fd());
    for word in [&word[..], &path] {
        let told = said(&t, word);
        assert_eq!([&told["ns"], &told["processes"]], [&json!(ino), &json!(0)], "{word}");
        assert!(told["holders"].as_array().unwrap().iter().any(|holder| holder["process"] == me));
    }
    drop(file);
    let out = t.tool("nsinfo").args(["-J", &word]).run();
    if out.code == Some(0) {
        // Its number is another's already, or another test's listing holds it for a moment.
        assert_eq!(world(&out.text())["namespace"]["ns"], ino);
        return;
    }
    assert_eq!((out.code, out.text().as_str()), (Some(1), ""));
    let first = format!("nsinfo: nothing that we see keeps a namespace {word}");
    assert!(out.errors().starts_with(&first), "{}", out.errors());
}

/// Mounted in the mount namespace of the process that is answered.
fn pinned(t: &Test, dir: &std::path::Path) -> Held {
    let script = r#"
        mount -t tmpfs pins "$1/pins" && touch "$1/pins/$2" || exit
        "$3" --uts="$1/pins/$2" --hostname pinned true && echo ready && exec sleep 1000
    "#;
    let run = t.tool("runshare").args(["-m", "--propagation", "private", "sh", "-c", script, "sh"]).arg(dir);
    let held = run.arg(bytes(HOSTILE)).arg(tool_path("runshare")).hold();
    soon(|| sleeps(held.pid()));
    held
}

#[test]
fn one_without_processes_is_told_by_its_mount_and_looked_into_from_inside() {
    let t = rings!(Host, Uml, Qemu);
    let dir = tempfile::tempdir().unwrap();
    create_dir(dir.path().join("pins")).unwrap();
    let held = pinned(&t, dir.path());
    let shown = dir.path().display().to_string();
    let path = [format!("/proc/{}/root{shown}/pins/", held.pid()).as_bytes(), HOSTILE].concat();
    let told = asked(t.tool("nsinfo").arg(bytes(&path)));
    assert_eq!([&told["type"], &told["processes"], &told["first"]], [&json!("uts"), &json!(0), &json!([])]);
    let [mount] = &told["holders"].as_array().unwrap()[..] else { panic!("{told:#}") };
    assert_eq!(mount["holder"], "mount");
    assert_eq!(mount["within"], inode(held.pid(), "mnt"));
    assert_eq!(mount["point"], format!("{shown}/pins/{HOSTILE_IN_JSON}"));
    // By its number the same is found.
    let word = format!("uts:[{}]", told["ns"]);
    assert_eq!(said(&t, &word), told);
    let shown_page = page(&t, &word);
    let line = format!("  kept by     mount {shown}/pins/{HARMLESS} as {} sees it\n", held.pid());
    assert!(shown_page.contains(&line), "{shown_page}");
    // Only what it isolates is told beside, from inside.
    let whole = t.tool("nsinfo").args(["-J", &word]).run().ok();
    let whole = world(&whole);
    assert_eq!(whole["uts"]["host_name"], "pinned", "{whole:#}");
    let keys: Vec<_> = whole.as_object().unwrap().keys().cloned().collect();
    assert!(
        !keys.iter().any(|key| ["identity", "mounts", "cgroup", "security"].contains(&&key[..])),
        "{keys:?}"
    );
    // What is forbidden is not done.
    let out = t.tool("nsinfo").args(["-J", "--no-enter", &word]).run().ok();
    assert_eq!(world(&out)["uts"]["host_name"], Value::Null);
    assert_eq!(world(&out)["unreadable"][0]["reason"], "not entered, as --no-enter says");
    drop(held);
    soon(|| t.tool("nsinfo").arg(&word).run().code == Some(1));
}

#[test]
fn threads_that_are_elsewhere_and_children_to_come_keep_it() {
    let t = rings!(Host);
    let (tell, told) = std::sync::mpsc::channel();
    let (end, ended) = std::sync::mpsc::channel::<()>();
    let thread = std::thread::spawn(move || {
        common::sys::unshare(common::kind::Kind::Uts.row().flag).unwrap();
        tell.send(nix::unistd::gettid().as_raw()).unwrap();
        ended.recv().unwrap_err();
    });
    let tid = told.recv().unwrap();
    let me = std::process::id();
    let ino = inode(tid, "uts");
    let word = format!("uts:[{ino}]");
    let told = said(&t, &word);
    assert_eq!([&told["processes"], &told["threads"]], [0, 1], "{told:#}");
    assert_eq!(told["holders"], json!([{"holder": "thread", "process": me, "thread": tid}]));
    let shown = page(&t, &word);
    assert!(
        shown.contains("\n  processes   none that we see, with 1 threads\n")
            || shown.contains("\n  processes   none that we see, but 1 thread\n"),
        "{shown}"
    );
    assert!(shown.contains(&format!("\n  kept by     thread {me}/{tid}\n")), "{shown}");
    drop(end);
    thread.join().unwrap();
    if !t.belongs(has_kind("time"), "a kernel with time namespaces") {
        return;
    }
    // Its children are in the time namespace that it made, and so far there is none.
    let script = "import ctypes, os, time; assert ctypes.CDLL(None).unshare(0x80) == 0; print('ready', flush=True); time.sleep(1000)";
    let held = t.program("python3").args(["-c", script]).hold();
    let ino = inode(held.pid(), "time_for_children");
    let told = said(&t, &format!("time:[{ino}]"));
    assert_eq!(told["processes"], 0);
    assert_eq!(told["holders"], json!([{"holder": "children", "process": held.pid(), "thread": held.pid()}]));
    let shown = page(&t, &format!("time:[{ino}]"));
    assert!(shown.contains(&format!("\n  kept by     children to come of {}\n", held.pid())), "{shown}");
}

#[test]
fn the_hosts_and_ours_are_called_so() {
    let t = rings!(Host, User);
    for row in KINDS.iter().filter(|row| has_kind(row.name)) {
        let told = said(&t, &format!("/proc/self/ns/{}", row.name));
        assert_eq!(told["ours"], true, "{}", row.name);
        let initial = Ring::here().is_root() && inode("self", row.name) == inode(2, row.name);
        assert!(!Ring::here().is_root() || told["initial"] == initial, "{}", row.name);
        // One stands for all.
        if row.name != "uts" {
            continue;
        }
        let line = page(&t, &format!("/proc/self/ns/{}", row.name));
        assert!(line.contains(&format!("\n  isolates    {}\n", row.what)), "{line}");
        assert!(line.contains("\n  whose       the host's, and ours\n") || !initial, "{line}");
        assert!(line.contains("\n  kept        as long as the machine runs\n") || !initial, "{line}");
    }
    let held = t.hold("runshare", &[rights(), &["-u"]].concat());
    let told = page(&t, &name("uts", held.inner()));
    let whose = if Ring::here().is_root() { "neither the host's nor ours" } else { "not" };
    assert!(told.contains(&format!("\n  whose       {whose}")), "{told}");
}

#[test]
fn who_is_in_it_is_counted_and_the_first_named_with_any_bytes() {
    let t = rings!(Host, User);
    let script = "for i in 1 2 3 4 5 6 7; do sleep 1000 & done; echo ready; wait";
    let held = t.tool("runshare").args(rights()).args(["-u", "sh", "-c", script]).hold();
    let all = || crate::harness::children(held.pid());
    soon(|| all().len() == 7 && all().iter().all(|pid| sleeps(*pid)));
    let word = name("uts", held.pid());
    let told = said(&t, &word);
    assert_eq!([&told["processes"], &told["threads"]], [8, 8]);
    let mut pids = [all(), vec![held.pid()]].concat();
    pids.sort();
    let first: Vec<i64> =
        told["first"].as_array().unwrap().iter().map(|one| one["process"].as_i64().unwrap()).collect();
    assert_eq!(first, pids[..5].iter().map(|pid| i64::from(*pid)).collect::<Vec<_>>());
    let shown = page(&t, &word);
    assert!(
        shown.contains("\n  processes   8\n") && shown.contains("\n              and 3 more\n"),
        "{shown}"
    );
    assert!(shown.contains("\n  kept by     its processes; rlsns --why "), "{shown}");
    // Names of any bytes, in a terminal no longer than it.
    let long = [HOSTILE, &[b'x'; 200]].concat();
    let arg0 = "import os, sys; os.execv('/bin/sleep', [os.fsencode(sys.argv[1]), b'1000'])";
    let held =
        t.tool("runshare").args(rights()).args(["-u", "python3", "-c", arg0]).arg(bytes(&long)).start();
    soon(|| sleeps(held.inner()));
    let word = name("uts", held.inner());
    let told = said(&t, &word);
    assert_eq!(told["first"][0]["command"], format!("{HOSTILE_IN_JSON}{} 1000", "x".repeat(200)));
    let shown = page(&t, &word);
    assert!(shown.contains(&format!("              {} {HARMLESS}xxx", held.inner())), "{shown}");
    let run = t.tool("nsinfo").args(["--color=never", "--section=namespace", &word]).run_in_terminal(80);
    assert!(run.lines().all(|line| line.chars().count() <= 80) && run.contains(HARMLESS), "{run}");
}

#[test]
fn an_ordinary_user_is_told_what_it_may_not_see() {
    let t = rings!(Host, User);
    let held = t.tool("runshare").as_user().args(["-Uru", "sh", "-c", "echo ready; exec sleep 1000"]).hold();
    soon(|| sleeps(held.inner()));
    let uid = if Ring::here().is_root() { NOBODY } else { nix::unistd::getuid().as_raw() };
    let told = asked(t.tool("nsinfo").as_user().arg(name("user", held.inner())));
    assert_eq!([&told["creator"], &told["processes"]], [&json!(uid), &json!(1)]);
    if t.belongs(Ring::here().is_root(), "root, who has processes that others may not look at") {
        assert!(told["hidden"].as_u64().unwrap() > 0);
        let run = t.tool("nsinfo").as_user().args(["--section", "namespace", &name("user", held.inner())]);
        assert!(run.run().ok().contains(" processes do not show us where they are\n"));
        // And one that is not its own is out of sight.
        let ours = t.hold("runshare", &["-u"]);
        let out = t.tool("nsinfo").as_user().arg(name("uts", ours.inner())).run();
        assert_eq!((out.code, out.text().as_str()), (Some(1), ""), "{}", out.errors());
        assert!(out.errors().starts_with("nsinfo: "), "{}", out.errors());
    }
}

#[test]
fn what_is_no_namespace_or_has_ended_is_a_clear_error() {
    let t = rings!(Host, User);
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    write(&file, "").unwrap();
    let file = file.to_str().unwrap();
    for (word, said) in [
        ("uts:[17]", "nsinfo: nothing that we see keeps a namespace uts:[17]"),
        ("nope:[17]", "nope"),
        ("uts:[]", "uts:[]"),
        (file, "is no namespace"),
        ("/proc/self/ns/nope", "No such file or directory"),
        ("/proc/self", "no namespace"),
    ] {
        let out = t.tool("nsinfo").arg(word).run();
        assert_eq!((out.code, out.text().as_str()), (Some(1), ""), "{word}: {}", out.errors());
        assert!(
            out.errors().starts_with("nsinfo: ") && out.errors().contains(said),
            "{word}: {}",
            out.errors()
        );
    }
}

/// What keeps a namespace is looked for in the descriptors of all processes: only for the section that tells it.
#[test]
fn only_what_is_asked_for_is_looked_for() {
    let t = rings!(Host, User);
    if !t.has("strace") {
        return;
    }
    let held = t.hold("runshare", &["-Urm"]);
    let tables = |section: &str| {
        let log = tempfile::NamedTempFile::new().unwrap();
        let strace = t.program("strace").args(["-f", "-e", "trace=openat,openat2", "-o"]).arg(log.path());
        let asked = ["--section", section, &format!("/proc/{}/ns/mnt", held.inner())];
        strace.arg(tool_path("nsinfo")).args(asked).run().ok();
        let calls = std::fs::read_to_string(log.path()).unwrap();
        calls.lines().filter(|line| line.contains("\"fd\"") || line.contains("/fd\"")).count()
    };
    assert_eq!(tables("mounts"), 0);
    assert_ne!(tables("namespace"), 0);
    // One that only a thread is in is read by that.
    let (tell, told) = std::sync::mpsc::channel();
    let (end, ended) = std::sync::mpsc::channel::<()>();
    if !Ring::here().is_root() {
        return;
    }
    let thread = std::thread::spawn(move || {
        common::sys::unshare(common::kind::Kind::Mnt.row().flag).unwrap();
        tell.send(nix::unistd::gettid().as_raw()).unwrap();
        ended.recv().unwrap_err();
    });
    let tid = told.recv().unwrap();
    let mounts = std::fs::read_to_string(format!("/proc/{tid}/mountinfo")).unwrap().lines().count();
    let text = t.tool("nsinfo").args(["--section=mounts", "-J", &name("mnt", tid)]).run().ok();
    assert_eq!(world(&text)["mounts"]["list"].as_array().unwrap().len(), mounts, "{text}");
    drop(end);
    thread.join().unwrap();
}
