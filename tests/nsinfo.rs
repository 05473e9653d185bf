//! nsinfo: from a directory that looks like /proc, and on the live kernel.

mod can;
mod cgroup;
mod files;
mod identity;
mod last;
mod mounts;
mod namespace;
mod namespaces;
mod net;
mod security;
mod strange;
mod system;
mod time;
mod tree;
mod user;
mod versus;

use std::fs::{read, read_to_string};
use std::path::Path;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

use crate::harness::{
    Held, NOBODY, Ring, Run, Test, bytes, copy_program, has_kind, inode, tool_path, within, world,
};
use crate::rcgexec::Parent;
use common::kind::KINDS;

/// What an ordinary user needs to make namespaces.
fn rights() -> &'static [&'static str] {
    if Ring::here() == Ring::Host { &[] } else { &["-r"] }
}

/// Text that would do harm on a terminal, and is not UTF-8; and what is shown of it.
const HOSTILE: &[u8] = b"a\x1b]0;x\x07\n\xc2\x9b\xff";
const HARMLESS: &str = "a\\x1b]0;x\\x07\\x0a\\u{9b}\\xff";
const HOSTILE_IN_JSON: &str = "a\x1b]0;x\x07\n\u{9b}\u{fffd}";
const HOSTILE_B64: &str = "YRtdMDt4BwrCm/8=";

/// What nsinfo says of a process, as JSON.
fn asked(run: Run<'_>) -> Value {
    let text = run.arg("-J").run().ok();
    assert!(!text.contains(|c: char| c.is_control() && c != '\n'), "{text}");
    world(&text)
}

fn said(t: &Test, pid: i32) -> Value {
    asked(t.tool("nsinfo").arg(pid.to_string()))
}

/// The keys that could not be read.
fn unreadable(said: &Value) -> Vec<&str> {
    said["unreadable"].as_array().unwrap().iter().map(|entry| entry["key"].as_str().unwrap()).collect()
}

#[test]
fn a_thread_is_shown_and_its_process_named() {
    let t = rings!(Host, User);
    let (tell, told) = std::sync::mpsc::channel();
    let (end, ended) = std::sync::mpsc::channel::<()>();
    let thread = std::thread::spawn(move || {
        tell.send(nix::unistd::gettid().as_raw()).unwrap();
        ended.recv().unwrap_err();
    });
    let tid = told.recv().unwrap();
    let said = said(&t, tid);
    assert_eq!(
        (&said["identity"]["process"], &said["identity"]["thread"]),
        (&json!(std::process::id()), &json!(tid))
    );
    let page = t.tool("nsinfo").arg(tid.to_string()).run().ok();
    assert!(page.contains(&format!("\n  thread      of process {}\n", std::process::id())), "{page}");
    drop(end);
    thread.join().unwrap();
}

#[test]
fn who_ignores_the_end_of_children_gets_the_same_answer() {
    let t = rings!(Host, User);
    let held = t.hold("runshare", &["-ru"]);
    let script = format!("trap '' CHLD; exec {} -J {}", tool_path("nsinfo").display(), held.inner());
    let said = world(&t.program("sh").args(["-c", &script]).run().ok());
    assert!(said["uts"]["host_name"].is_string());
}

// The live kernel.

/// Numbers in the lines of a file.
fn numbers(path: String) -> Vec<Vec<u64>> {
    let text = read_to_string(path).unwrap();
    text.lines().map(|line| line.split_whitespace().map(|word| word.parse().unwrap()).collect()).collect()
}

fn status(pid: i32, key: &str) -> Vec<u64> {
    let text = read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(key)).unwrap();
    line.split_whitespace().map(|word| word.parse().unwrap()).collect()
}

#[test]
fn a_file_of_an_engine_names_its_own_group_and_only_if_nobody_else_could_write_it() {
    let t = rings!(Host, Uml, Qemu);
    let Some(parent) = Parent::new(&t, &["pids"]) else { return };
    let run = t.tool("rcgexec").args(["--pids-limit", "50", "--parent", &parent.name, "--"]);
    let mut held = run.args(["sh", "-c", "echo ready; exec sleep 1000"]).hold();
    let pid = held.inner();
    let groups = read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
    let group = groups.lines().find(|line| line.contains(&parent.name)).unwrap();
    let group = group.splitn(3, ':').nth(2).unwrap();
    // With a /run of its own, in which crun seems to run something.
    let script = r#"
        mount -t tmpfs -o mode=755 run /run && mkdir -p /run/crun/web && printf %s "$1" >/run/crun/web/status || exit
        chmod "$2" /run/crun/web/status; chmod "$3" /run/crun; shift 3; exec "$@"
    "#;
    let said = |group: &str, file: &str, dir: &str| {
        let state = json!({"pid": pid, "process-start-time": 1, "cgroup-path": group}).to_string();
        let alone = ["-m", "--propagation", "private", "sh", "-c", script, "sh", &state, file, dir];
        let run = t.program("unshare").args(alone).arg(tool_path("nsinfo")).arg(pid.to_string());
        asked(run)["identity"]["container"].clone()
    };
    let web = json!({"name": "web", "id": null, "engine": "crun", "source": "/run/crun/web/status"});
    assert_eq!(said(group, "600", "755"), web);
    assert_eq!(said(&format!("/{}", parent.name), "644", "700"), web, "below its group");
    for (group, file, dir) in [
        (format!("{group}/below"), "600", "755"),
        (format!("{group}0"), "600", "755"),
        ("/".into(), "600", "755"),
        (group.into(), "620", "755"),
        (group.into(), "602", "755"),
        (group.into(), "600", "1777"),
    ] {
        assert_eq!(said(&group, file, dir), Value::Null, "{group} {file} {dir}");
    }
    // It removes its group.
    kill(Pid::from_raw(held.pid()), Signal::SIGTERM).unwrap();
    held.child.wait().unwrap();
}

/// Undoes the kernel's escapes.
fn plain(field: &[u8]) -> String {
    let mut out = Vec::new();
    let mut parts = field.split(|&b| b == b'\\');
    out.extend(parts.next().unwrap());
    for part in parts {
        let (digits, rest) = part.split_at(3);
        out.push(u8::from_str_radix(std::str::from_utf8(digits).unwrap(), 8).unwrap());
        out.extend(rest);
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// The two numbers of an id, without its name, which each machine has its own of.
fn ids(said: &Value) -> Value {
    json!({"outside": said["outside"], "inside": said["inside"]})
}

/// Compares what nsinfo says of a process with what /proc says of it.
fn agrees(t: &Test, pid: i32) -> Value {
    let said = said(t, pid);
    for row in KINDS {
        let ns = &said["namespaces"][row.name];
        let ino = inode(pid, row.name);
        assert_eq!(ns["ns"], ino, "{}", row.name);
        assert_eq!(ns["ours"], ino == inode("self", row.name), "{}", row.name);
        let initial = match Ring::here().is_root() {
            true => json!(ino == inode(2, row.name)),
            false => Value::Null,
        };
        assert_eq!(ns["initial"], initial, "{}", row.name);
    }
    assert_eq!(said["identity"]["pids"], json!(status(pid, "NSpid:")));
    assert_eq!(said["identity"]["process"], pid);
    for (key, file) in [("uid_map", "uid_map"), ("gid_map", "gid_map")] {
        let ranges = numbers(format!("/proc/{pid}/{file}"));
        let expected: Vec<_> =
            ranges.iter().map(|r| json!({"inside": r[0], "outside": r[1], "count": r[2]})).collect();
        assert_eq!(said["user"][key], json!(expected), "{key}");
    }
    assert_eq!(
        said["user"]["setgroups"],
        read_to_string(format!("/proc/{pid}/setgroups")).unwrap().trim_end()
    );
    for (key, line) in [("uid", "Uid:"), ("gid", "Gid:")] {
        let numbers = status(pid, line);
        for (name, number) in ["real", "effective", "saved", "fs"].iter().zip(numbers) {
            // The test is in a user namespace that knows them all.
            assert_eq!(said["identity"][key][name]["outside"], number, "{key} {name}");
        }
    }
    let text = read(format!("/proc/{pid}/mountinfo")).unwrap();
    let lines: Vec<_> = text.strip_suffix(b"\n").unwrap().split(|&b| b == b'\n').collect();
    let mounts = said["mounts"]["list"].as_array().unwrap();
    assert_eq!(mounts.len(), lines.len());
    for (mount, line) in mounts.iter().zip(lines) {
        let fields: Vec<_> = line.split(|&b| b == b' ').collect();
        let hyphen = 6 + fields[6..].iter().position(|field| field == b"-").unwrap();
        let [fs_type, source, super_options] = fields[hyphen + 1..] else { panic!("{fields:?}") };
        for (key, field) in [("root", fields[3]), ("point", fields[4]), ("type", fs_type), ("source", source)]
        {
            assert_eq!(mount[key], plain(field), "{key} of {mount}");
        }
        for (key, field) in [("dev", fields[2]), ("options", fields[5]), ("super_options", super_options)] {
            assert_eq!(mount[key], String::from_utf8_lossy(field).as_ref(), "{key} of {mount}");
        }
        let number = |name: &str| {
            let words = fields[6..hyphen].iter().map(|field| String::from_utf8_lossy(field));
            words.filter_map(|word| word.strip_prefix(name)?.parse::<u64>().ok()).next()
        };
        assert_eq!(mount["shared"], json!(number("shared:")), "{mount}");
        assert_eq!(mount["slave_of"], json!(number("master:")), "{mount}");
        assert_eq!(mount["unbindable"], json!(fields[6..hyphen].contains(&&b"unbindable"[..])), "{mount}");
    }
    let text = read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
    let expected: Vec<_> = text
        .lines()
        .map(|line| line.splitn(3, ':').collect::<Vec<_>>())
        .map(|f| {
            let controllers: Vec<_> = f[1].split(',').filter(|name| !name.is_empty()).collect();
            json!([f[0].parse::<u64>().unwrap(), controllers, f[2]])
        })
        .collect();
    let groups = said["cgroup"]["groups"].as_array().unwrap().iter();
    let said_of_groups: Vec<_> =
        groups.map(|g| json!([g["hierarchy"], g["controllers"], g["path"]])).collect();
    assert_eq!(said_of_groups, expected);
    said
}

#[test]
fn it_agrees_with_the_links_the_status_the_maps_and_mountinfo() {
    let t = rings!(Host, User);
    agrees(&t, std::process::id() as i32);
    for kinds in ["-m", "-n", "-i", "-C", "-u", "-fT"] {
        let held = t.hold("runshare", &[rights(), &[kinds]].concat());
        agrees(&t, held.inner());
    }
    let held = t.hold("runshare", &["-Urmuinpf", "--mount-proc", "--kill-child"]);
    let sleeps = || read(format!("/proc/{}/cmdline", held.inner())).unwrap().starts_with(b"sleep");
    assert!(within(Duration::from_secs(5), sleeps));
    let said = agrees(&t, held.inner());
    assert_eq!(said["identity"]["pids"], json!([held.inner(), 1]));
    assert_eq!(
        ids(&said["identity"]["uid"]["real"]),
        json!({"outside": nix::unistd::getuid().as_raw(), "inside": 0})
    );
    assert_eq!(
        ids(&said["identity"]["gid"]["real"]),
        json!({"outside": nix::unistd::getgid().as_raw(), "inside": 0})
    );
    assert_eq!(said["user"]["setgroups"], "deny");
    assert_eq!(said["identity"]["command"], "sleep 1000");
}

#[test]
fn pids_are_shown_at_every_level() {
    let t = rings!(Host, User);
    let inner = tool_path("runshare").to_str().unwrap();
    let script = "echo ready; exec sleep 1000";
    let held = t
        .tool("runshare")
        .args(["-rpf", "--kill-child", inner, "-pf", "--kill-child", "sh", "-c", script])
        .hold();
    let sleep = held.inner();
    let said = agrees(&t, sleep);
    let pids = said["identity"]["pids"].as_array().unwrap().clone();
    assert_eq!((pids.len(), &pids[0], &pids[2]), (3, &json!(sleep), &json!(1)));
    let page = t.tool("nsinfo").arg(sleep.to_string()).run().ok();
    assert!(page.contains(&format!("\n  PIDs        {sleep} outside, {}, 1 inside\n", pids[1])), "{page}");
    // Itself is at one level only as long as the test is.
    if status(std::process::id() as i32, "NSpid:").len() == 1 {
        let page = t.tool("nsinfo").run().ok();
        assert!(page.contains("\n  PID         "), "{page}");
    }
}

#[test]
fn ids_are_told_as_the_one_who_asks_numbers_them() {
    let t = rings!(Host, User);
    let we = nix::unistd::getuid().as_raw();
    let id = |outside: Option<u32>, inside: Option<u32>| json!({"outside": outside, "inside": inside});
    let outer = t.hold("runshare", &["-r"]);
    let in_outer =
        |words: &[&str]| t.tool("rnsenter").args(["-U", "-t", &outer.pid().to_string()]).args(words);
    let stay = "echo ready; exec sleep 1000";
    let nested = in_outer(&["unshare", "--map-user=5", "--map-group=6", "sh", "-c", stay]).hold();
    let nsinfo = tool_path("nsinfo").to_str().unwrap();
    let nested_pid = nested.inner().to_string();

    // From outside: the whole way at once.
    let said = agrees(&t, nested.inner());
    assert_eq!(ids(&said["identity"]["uid"]["effective"]), id(Some(we), Some(5)));
    assert_eq!(ids(&said["identity"]["gid"]["effective"]), id(Some(nix::unistd::getgid().as_raw()), Some(6)));
    // From between.
    let said = asked(in_outer(&[nsinfo, &nested_pid]));
    assert_eq!(ids(&said["identity"]["uid"]["effective"]), id(Some(0), Some(5)));
    assert_eq!(said["user"]["uid_map"], json!([{"outside": 0, "inside": 5, "count": 1}]));
    // From inside, of itself: outside is the user namespace above.
    let in_nested =
        || t.tool("rnsenter").args(["-U", "--preserve-credentials", "-t", &nested_pid]).arg(nsinfo);
    let said = asked(in_nested());
    assert_eq!(ids(&said["identity"]["uid"]["effective"]), id(Some(0), Some(5)));
    // From inside, of the one above: what that is inside may not be seen.
    let said = asked(in_nested().arg(outer.pid().to_string()));
    assert_eq!(ids(&said["identity"]["uid"]["effective"]), id(Some(5), None));
    assert_eq!(said["namespaces"], Value::Null);
    assert_eq!(unreadable(&said)[0], "namespaces");
    // And of one that has no number there.
    if Ring::here() == Ring::User {
        let said = asked(in_nested().arg("2"));
        assert_eq!(ids(&said["identity"]["uid"]["effective"]), id(None, None));
        assert_eq!(said["user"]["uid_map"][0]["outside"], Value::Null);
        let page = in_nested().arg("2").run().ok();
        assert!(page.contains("\n  uid         none outside, unknown inside\n"), "{page}");
        assert!(page.contains("\n  uid map     none outside = 0-4294967294 inside\n"), "{page}");
    }
}

/// A process in a mount namespace of its own, in which this was done in the directory `$1`.
fn mounting(t: &Test, dir: &Path, script: &str, more: &[&[u8]]) -> Held {
    let script =
        format!("set -e; mount -t tmpfs none \"$1\"; cd \"$1\"; {script}; echo ready; sleep 1000; true");
    let run = t.tool("runshare").args(rights()).args(["-m", "sh", "-c", &script, "-"]).arg(dir);
    run.args(more.iter().map(|word| bytes(word))).hold()
}

#[test]
fn the_propagation_of_each_mount_is_told_in_words() {
    let t = rings!(Host, User);
    let dir = tempfile::tempdir().unwrap();
    let script = "mkdir private shared slave both unbindable
        mount -t tmpfs none private; mount --make-private private
        mount -t tmpfs none shared; mount --make-shared shared
        mount --bind shared slave; mount --make-slave slave
        mount --bind shared both; mount --make-slave both; mount --make-shared both
        mount -t tmpfs none unbindable; mount --make-unbindable unbindable";
    let held = mounting(&t, dir.path(), script, &[]);
    let said = agrees(&t, held.pid());
    let mount = |name: &str| {
        let point = dir.path().join(name);
        let mounts = said["mounts"]["list"].as_array().unwrap();
        mounts.iter().find(|mount| mount["point"] == point.to_str().unwrap()).unwrap().clone()
    };
    let group = mount("shared")["shared"].as_u64().unwrap();
    let own = mount("both")["shared"].as_u64().unwrap();
    assert_ne!(group, own);
    let page = t.tool("nsinfo").arg(held.pid().to_string()).run().ok();
    for (name, words, mark) in [
        ("private", "private".to_string(), "rw".to_string()),
        ("shared", format!("shared (peer group {group})"), format!("rw shared:{group}")),
        ("slave", format!("slave (of {group})"), format!("rw slave:{group}")),
        (
            "both",
            format!("shared (peer group {own}), slave (of {group})"),
            format!("rw shared:{own} slave:{group}"),
        ),
        ("unbindable", "unbindable".to_string(), "rw unbindable".to_string()),
    ] {
        assert_eq!(mount(name)["propagation"], words, "{name}");
        let point = dir.path().join(name);
        let line = page.lines().find(|line| line.contains(point.to_str().unwrap())).unwrap();
        assert!(line.ends_with(&format!(" {mark}")), "{line}");
    }
}

#[test]
fn a_process_in_a_chroot_has_the_mounts_below_its_root() {
    let t = rings!(Host, User);
    let dir = tempfile::tempdir().unwrap();
    let script = "mkdir r r/usr r/m; for dir in bin lib lib64; do ln -s usr/$dir r/$dir; done
        mount --rbind /usr r/usr; mount -t tmpfs none r/m
        exec chroot r sh -c 'echo ready; exec sleep 1000'";
    let held = mounting(&t, dir.path(), script, &[]);
    let said = agrees(&t, held.pid());
    let points: Vec<_> =
        said["mounts"]["list"].as_array().unwrap().iter().map(|mount| &mount["point"]).collect();
    assert!(points.contains(&&json!("/m")) && !points.contains(&&json!("/")), "{points:?}");
    assert!(t.tool("nsinfo").arg(held.pid().to_string()).run().ok().contains("\n  /m "));
}

#[test]
fn hostile_names_reach_no_terminal() {
    let t = rings!(Host, User);
    let dir = tempfile::tempdir().unwrap();
    let script = "mkdir \"$2\"; mount -t tmpfs -o size=4k \"$2\" \"$2\"";
    let held = mounting(&t, dir.path(), script, &[HOSTILE]);
    let pid = held.pid();
    let page = t.tool("nsinfo").arg(pid.to_string()).run();
    let text = page.ok();
    assert!(std::str::from_utf8(&page.stdout).is_ok());
    assert!(!text.contains(|c: char| c.is_control() && c != '\n'), "{text}");
    assert!(text.contains(&format!("{}/{HARMLESS} ", dir.path().display())), "{text}");
    assert!(text.lines().nth(1).unwrap().ends_with(HARMLESS), "{text}");
    let said = agrees(&t, pid);
    let mount = said["mounts"]["list"].as_array().unwrap().last().unwrap();
    assert_eq!(mount["point"], format!("{}/{HOSTILE_IN_JSON}", dir.path().display()));
    assert_eq!(mount["source_b64"], HOSTILE_B64);
    assert!(mount["point_b64"].is_string() && said["identity"]["command_b64"].is_string());
}

#[test]
fn the_host_name_is_read_from_inside_where_that_is_allowed() {
    let t = rings!(Host, User);
    let ours = said(&t, std::process::id() as i32);
    assert_eq!(ours["uts"]["host_name"], nix::sys::utsname::uname().unwrap().nodename().to_str().unwrap());
    let held =
        t.tool("runshare").args(["-ru", "sh", "-c", "hostname inside; echo ready; exec sleep 1000"]).hold();
    assert_eq!(said(&t, held.inner())["uts"]["host_name"], "inside");
    // Where the user namespace is not another one, ours gives the right or it is missing.
    let script = "hostname deep; echo ready; exec sleep 1000";
    let outer = held.inner().to_string();
    let runshare = tool_path("runshare").to_str().unwrap();
    let deep = t.tool("rnsenter").args(["-U", "-t", &outer, runshare, "-u", "sh", "-c", script]).hold();
    assert_eq!(said(&t, deep.inner())["uts"]["host_name"], "deep");
    let nsinfo = tool_path("nsinfo").to_str().unwrap();
    let within = t.tool("rnsenter").args(["-U", "-t", &outer, nsinfo, &deep.inner().to_string()]);
    assert_eq!(asked(within)["uts"]["host_name"], "deep");
    if Ring::here() == Ring::Host {
        let script = "printf 'a\\033b\\377' >/proc/sys/kernel/hostname; echo ready; exec sleep 1000";
        let held = t.tool("runshare").args(["-u", "sh", "-c", script]).hold();
        assert_eq!(said(&t, held.pid())["uts"]["host_name_b64"], "YRti/w==");
        // Without the right to enter; that one may be seen is not enough.
        let run = t.program("setpriv").args(["--bounding-set", "-sys_admin", nsinfo]);
        let said = asked(run.arg(held.pid().to_string()));
        assert_eq!(unreadable(&said)[..2], ["uts.host_name", "uts.domain_name"]);
        let reason = format!("setns uts of {}: Operation not permitted", held.pid());
        assert_eq!(said["unreadable"][0]["reason"], reason);
    }
}

#[test]
fn of_a_process_of_root_an_ordinary_user_sees_what_is_open_to_all() {
    let t = rings!(Host, User);
    let said = asked(t.tool("nsinfo").as_user().arg("2"));
    let missing = unreadable(&said);
    for key in ["namespaces", "namespaces.initial", "uts.host_name", "uts.domain_name", "time.offsets"] {
        assert!(missing.contains(&key), "{key}: {missing:?}");
    }
    assert_eq!(said["unreadable"][0]["reason"], "open namespaces of 2: Permission denied");
    assert_eq!(said["namespaces"], Value::Null);
    assert_eq!(said["identity"]["command"], "kthreadd");
    assert_eq!(ids(&said["identity"]["uid"]["effective"]), json!({"outside": 0, "inside": 0}));
    assert!(said["mounts"]["list"].as_array().is_some_and(|mounts| !mounts.is_empty()));
    let page = t.tool("nsinfo").as_user().arg("2").run().ok();
    assert!(page.contains("namespaces\n  not permitted (needs CAP_SYS_PTRACE)\n"), "{page}");
    assert!(page.contains("uts\n  host name   not permitted (needs CAP_SYS_PTRACE)\n"), "{page}");
    // Its children may be born where it is: nothing tells.
    if t.belongs(has_kind("time"), "kernels with time namespaces") {
        let words = "\n  clocks      not permitted (needs CAP_SYS_PTRACE)\n  children    are born with:\n";
        assert!(page.contains(words), "{page}");
    }
    // Of itself it sees all, but not which namespaces are the initial ones.
    let page = t.tool("nsinfo").as_user().run().ok();
    assert!(page.contains("which are initial is unknown: not permitted (needs CAP_SYS_PTRACE)\n"), "{page}");
    assert!(page.contains(" ours\n"), "{page}");
}

#[test]
fn a_hidden_process_is_an_error_that_says_so() {
    let t = rings!(Host);
    let dir = tempfile::tempdir().unwrap();
    std::fs::set_permissions(dir.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let [copy, proc] = ["nsinfo", "proc"].map(|name| dir.path().join(name));
    copy_program(tool_path("nsinfo"), &copy);
    std::fs::create_dir(&proc).unwrap();
    let script = "mount -t proc -o hidepid=$1 proc \"$2\" && exec setpriv --reuid \"$3\" --regid \"$3\" --clear-groups \"$4\" --proc \"$2\" 2";
    let look = |mode: &str| {
        let run = t.program("unshare").args(["-m", "sh", "-c", script, "-", mode]).arg(&proc);
        run.arg(NOBODY.to_string()).arg(&copy).run()
    };
    let hint = look("1").fails(1, "nsinfo: open status of 2: Operation not permitted");
    assert!(hint.contains("hidepid"), "{hint}");
    look("2").fails(1, "nsinfo: open process 2: No such process");
}

#[test]
fn a_zombie_has_what_is_left_of_its_world() {
    let t = rings!(Host, User);
    let held = t.program("sh").args(["-c", "sleep 0.3 & echo $!; exec sleep 1000"]).hold();
    let pid: i32 = held.line.parse().unwrap();
    let state = || read_to_string(format!("/proc/{pid}/stat")).unwrap().contains(") Z ");
    assert!(within(Duration::from_secs(5), state));
    let said = said(&t, pid);
    assert!(said["namespaces"]["user"]["ns"].is_u64());
    assert_eq!(said["namespaces"]["mnt"]["ns"], Value::Null);
    assert_eq!(said["mounts"]["list"], Value::Null);
    assert_eq!(said["identity"]["command"], "sleep");
}

#[test]
fn a_process_that_ends_meanwhile_is_an_error_and_never_half_a_page() {
    let t = rings!(Host, User);
    for _ in 0..40 {
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let pid = child.id();
        let waiting = std::thread::spawn(move || child.wait().unwrap());
        let output = t.tool("nsinfo").arg("-J").arg(pid.to_string()).run();
        waiting.join().unwrap();
        match output.code {
            Some(0) => drop(serde_json::from_str::<Value>(&output.ok()).unwrap()),
            _ => {
                let errors = output.errors();
                assert!(errors.lines().next().unwrap().ends_with(": No such process"), "{errors}");
                assert_eq!((output.code, output.text()), (Some(1), String::new()));
            }
        }
    }
}

#[test]
fn bad_input_gets_one_line_and_a_hint() {
    let t = rings!(Host, User);
    for (args, line) in [
        (&["4194304"][..], "nsinfo: open process 4194304: No such process"),
        (&["4194305"], "nsinfo: 4194305 is neither a PID nor the inode number of a namespace"),
        (&["0"], "nsinfo: 0 is neither a PID nor the inode number of a namespace"),
        (&["\x1bx"], "nsinfo: no container that we see is called \\x1bx"),
        (&[""], "nsinfo: a process or namespace was named by an empty word"),
        (&["self/1"], "nsinfo: open namespace self/1: No such file or directory"),
        (&["--section", "identity,nope"], "nsinfo: unknown section: nope"),
        (&["--section", ""], "nsinfo: invalid value '' for '--section <SECTIONS>': the value is empty"),
        (&["--proc=/nowhere"], "nsinfo: open /nowhere: No such file or directory"),
        (&["--nope"], "nsinfo: unexpected argument '--nope' found"),
    ] {
        let hint = t.tool("nsinfo").args(args).run().fails(1, line);
        assert!(!hint.is_empty() || line.contains("nowhere") || line.contains("self/1"), "{line}");
    }
    let none = t.tool("nsinfo").arg("net:[12]").run();
    assert!(
        none.code == Some(1)
            && none.errors().starts_with("nsinfo: nothing that we see keeps a namespace net:[12]")
    );
}

#[test]
fn readers_that_go_away_are_no_failure_and_full_disks_are() {
    let t = rings!(Host, User);
    let tool = tool_path("nsinfo").to_str().unwrap();
    let script = format!("exec 3>&1; {{ sleep 0.1; {tool}; echo $? >&3; }} | true");
    assert_eq!(t.program("bash").args(["-c", &script]).run().ok(), "0\n");
    let full = t.tool("nsinfo").with(|command| {
        command.stdout(std::fs::File::options().write(true).open("/dev/full").unwrap());
    });
    full.run().fails(1, "nsinfo: write standard output: No space left on device");
}

#[test]
fn limits_above_a_cgroup_namespace_are_said_to_be_hidden() {
    let t = rings!(Host);
    let nsinfo = tool_path("nsinfo").to_str().unwrap();
    let inside = t.tool("runshare").args(["-C", nsinfo, "--section=cgroup"]).run().ok();
    let line = "\n  hidden      limits of groups above those that are mounted here hold too, and\n              cannot be seen\n";
    assert!(inside.contains(line), "{inside}");
    assert!(!t.tool("nsinfo").run().ok().contains("cannot be seen"));
}
