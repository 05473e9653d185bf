//! nsinfo: from a directory that looks like /proc, and on the live kernel.

mod can;
mod cgroup;
mod last;
mod security;
mod time;
mod versus;

use std::fs::{create_dir_all, read, read_to_string, remove_file, write};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

use crate::harness::{Held, NOBODY, Ring, Run, Test, bytes, copy_program, inode, tool_path, within, world};
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

// A directory that looks like /proc.

fn process(root: &Path, pid: i32, flags: u64, namespaces: &str) {
    let dir = root.join(pid.to_string());
    create_dir_all(dir.join("ns")).unwrap();
    for namespace in namespaces.split(' ') {
        let (kind, ino) = namespace.split_once(':').unwrap();
        symlink(format!("{kind}:[{ino}]"), dir.join("ns").join(kind)).unwrap();
    }
    let file = |name: &str, text: &[u8]| write(dir.join(name), text).unwrap();
    file("stat", format!("{pid} (name) S 0 0 0 0 -1 {flags} 0").as_bytes());
    file(
        "status",
        format!(
            "Name:\tname\nTgid:\t{pid}\nUid:\t1000\t1000\t1000\t0\nGid:\t7\t7\t7\t7\nNSpid:\t{pid}\t3\t1\n"
        )
        .as_bytes(),
    );
    file("cmdline", &[b"run\0", HOSTILE, b"\0"].concat());
    file("uid_map", b"         0       1000          1\n         1     100000      65536\n");
    file("gid_map", b"         0          0 4294967295\n");
    file("setgroups", b"deny\n");
    file(
        "mountinfo",
        &[
            b"30 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 ro,discard\n",
            b"odd\n".as_slice(),
            b"31 30 0:5 /a\\040b /m\\012\x1b rw,nosuid shared:3 master:2 - fuse.x s\xff rw,k=a\\054b\n",
            b"32 30 0:6 / /u rw unbindable - tmpfs none rw\n",
        ]
        .concat(),
    );
    file("cgroup", b"4:memory,name=x:/a:b\x1b\n0::/\n");
}

const INITIAL: &str = "user:1 cgroup:2 ipc:3 uts:4 net:5 pid:6 mnt:7 time:8";

/// PID 2 is a kernel thread, PID 7 stands for us, PID 8 has namespaces of its own, PID 9 few.
fn machine() -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    process(root.path(), 2, 0x0020_8040, INITIAL);
    process(root.path(), 7, 0x0040_0000, "user:11 cgroup:2 ipc:3 uts:14 net:5 pid:6 mnt:17 time:8");
    process(root.path(), 8, 0x0040_0000, "user:21 cgroup:2 ipc:23 uts:24 net:5 pid:26 mnt:17");
    process(root.path(), 9, 0x0040_0000, "user:11 uts:14");
    symlink("7", root.path().join("self")).unwrap();
    create_dir_all(root.path().join("sys/kernel")).unwrap();
    write(root.path().join("sys/kernel/hostname"), [HOSTILE, b"\n"].concat()).unwrap();
    root
}

fn of<'a>(t: &'a Test, root: &Path) -> Run<'a> {
    t.tool("nsinfo").arg("--proc").arg(root)
}

#[test]
fn the_page_says_all_that_the_files_say() {
    let t = rings!(Host, User);
    let root = machine();
    // Our own user namespace does not know the id 0: what is shown is the number for ids without one.
    write(root.path().join("7/uid_map"), "1000 5 1").unwrap();
    let expected = format!(
        "\
identity
  command     run {HARMLESS}
  PIDs        8 outside, 3, 1 inside
  uid         1000 outside, 0 inside
              fs: none outside, none inside
  gid         7 outside, 7 inside

namespaces
  TYPE   NS WHOSE
  user   21 own
  cgroup  2 initial, ours
  ipc    23 own
  uts    24 own
  net     5 initial, ours
  pid    26 own
  mnt    17 ours
  time      none

user
  uid map     1000 outside = 0 inside
              100000-165535 outside = 1-65536 inside
  gid map     every id is the same outside and inside
  setgroups   deny

mounts
  MOUNT POINT TYPE   SOURCE      PROPAGATION                         OPTIONS
  /           ext4   /dev/sda1   shared (peer group 1)               ro,relatime,discard
  /m\\x0a\\x1b  fuse.x s\\xff[/a b] shared (peer group 3), slave (of 2) rw,nosuid,k=a\\054b
  /u          tmpfs  none        unbindable                          rw
  lines of mountinfo that make no sense and are left out: 1

uts
  host name   not readable: No such file or directory

cgroup
  HIERARCHY CONTROLLERS   PATH
          4 memory,name=x /a:b\\x1b
          0 (v2)          /

limits in force
  unknown of memory,name=x: its hierarchy is mounted nowhere that we can reach
  unknown of (v2): its hierarchy is mounted nowhere that we can reach
"
    );
    assert_eq!(of(&t, root.path()).arg("8").run().ok(), expected);
    // Here it does.
    write(root.path().join("7/uid_map"), "0 0 4294967295").unwrap();
    let known = expected.replace("fs: none outside, none inside", "fs: 0 outside, none inside");
    assert_eq!(of(&t, root.path()).arg("8").run().ok(), known);
}

#[test]
fn without_a_pid_it_shows_itself_and_the_host_name_is_the_one_it_has() {
    let t = rings!(Host, User);
    let root = machine();
    // In our own user namespace the number is the one inside.
    write(root.path().join("7/uid_map"), "1000 5 1").unwrap();
    let ours = asked(of(&t, root.path()));
    assert_eq!(ours["identity"]["process"], 7);
    assert_eq!(ours["uts"]["host_name"], HOSTILE_IN_JSON);
    assert_eq!(ours["uts"]["host_name_b64"], HOSTILE_B64);
    assert_eq!(ours["identity"]["command_b64"], "cnVuIGEbXTA7eAcKwpv/");
    assert_eq!(ours["identity"]["uid"]["effective"], json!({"outside": 5, "inside": 1000}));
    assert_eq!(ours["identity"]["uid"]["fs"], json!({"outside": null, "inside": null}));
    assert_eq!(ours["namespaces"]["mnt"], json!({"ns": 17, "initial": false, "ours": true}));
    assert_eq!(ours["mounts"]["list"][1]["source_b64"], "c/8=");
    assert_eq!(ours["mounts"]["list"][1]["point"], "/m\n\x1b");
    assert_eq!(ours["mounts"]["list"][1]["super_options"], "rw,k=a\\054b");
    assert_eq!(ours["mounts"]["skipped"], 1);
    assert_eq!(
        ours["cgroup"]["groups"][0],
        json!({"hierarchy": 4, "controllers": ["memory", "name=x"], "path": "/a:b\x1b", "limits": null, "hidden_above": false, "used": {}})
    );
    assert_eq!(ours["unreadable"], json!([]));
    let page = of(&t, root.path()).run().ok();
    assert!(page.contains(&format!("uts\n  host name   {HARMLESS}\n")), "{page}");
    let ascii = of(&t, root.path()).env("LC_ALL", "C").run().ok();
    assert!(ascii.is_ascii());
}

#[test]
fn the_container_pod_and_unit_are_named_with_what_told_them() {
    let t = rings!(Host, User);
    let root = machine();
    let id = "0123456789abcdef".repeat(4);
    let pod = "0f1e2d3c-1234-5678-9abc-0123456789ab";
    let slice = format!("kubepods-burstable-pod{}.slice", pod.replace('-', "_"));
    let group = format!("0::/kubepods.slice/kubepods-burstable.slice/{slice}/cri-containerd-{id}.scope\n");
    write(root.path().join("8/cgroup"), group).unwrap();
    let expected = format!(
        "  gid         7 outside, 7 inside
  container   0123456789ab, containerd (cgroup)
  pod         {pod}, kubernetes (cgroup)
  unit        cri-containerd-{id}.scope, systemd (cgroup)

"
    );
    let page = of(&t, root.path()).arg("8").run().ok();
    assert!(page.contains(&expected), "{page}");
    let said = asked(of(&t, root.path()).arg("8"));
    let container = json!({"name": "0123456789ab", "id": id, "engine": "containerd", "source": "cgroup"});
    assert_eq!(said["identity"]["container"], container);
    assert_eq!(
        said["identity"]["pod"],
        json!({"name": pod, "id": null, "engine": "kubernetes", "source": "cgroup"})
    );
    assert_eq!(said["identity"]["unit"]["engine"], "systemd");

    // Any bytes; and nothing.
    let hostile: Vec<u8> = HOSTILE.iter().copied().filter(|b| *b != b'\n').collect();
    let name = [b"0::/lxc.payload.", &hostile[..], b"\n"].concat();
    write(root.path().join("8/cgroup"), name).unwrap();
    let page = of(&t, root.path()).arg("8").run().ok();
    let shown = HARMLESS.replace("\\x0a", "");
    assert!(page.contains(&format!("  container   {shown}, lxc (cgroup)\n")), "{page}");
    let said = asked(of(&t, root.path()).arg("9"));
    assert_eq!(
        [&said["identity"]["container"], &said["identity"]["pod"], &said["identity"]["unit"]],
        [&Value::Null; 3]
    );
}

#[test]
fn a_map_that_is_none_is_said_and_a_self_that_is_no_process_is_an_error() {
    let t = rings!(Host, User);
    let root = machine();
    write(root.path().join("8/uid_map"), "odd\n").unwrap();
    let run = of(&t, root.path()).arg("8").run();
    assert!(run.ok().contains("uid map     not readable: Invalid argument\n"));
    assert_eq!(unreadable(&asked(of(&t, root.path()).arg("8"))), ["user.uid_map", "uts.host_name"]);
    remove_file(root.path().join("self")).unwrap();
    symlink("mounts", root.path().join("self")).unwrap();
    of(&t, root.path())
        .run()
        .fails(1, "nsinfo: /proc/self is no process: is another file system mounted there?");
}

#[test]
fn what_is_missing_is_said_in_its_place_and_the_rest_is_shown() {
    let t = rings!(Host, User);
    let root = machine();
    for (file, words) in [
        ("uid_map", "\n  uid map     not readable: No such file or directory\n"),
        ("gid_map", "\n  gid map     not readable: No such file or directory\n"),
        ("setgroups", "\n  setgroups   not readable: No such file or directory\n"),
        ("mountinfo", "\nmounts\n  not readable: No such file or directory\n"),
        ("cgroup", "\ncgroup\n  not readable: No such file or directory\n"),
    ] {
        remove_file(root.path().join("8").join(file)).unwrap();
        let page = of(&t, root.path()).arg("8").run().ok();
        assert!(page.contains(words), "{file}: {page}");
    }
    let said = asked(of(&t, root.path()).arg("8"));
    let missing = [
        "identity.container",
        "user.uid_map",
        "user.gid_map",
        "user.setgroups",
        "mounts.list",
        "uts.host_name",
        "cgroup.groups",
    ];
    assert_eq!(unreadable(&said), missing);
    assert_eq!(said["unreadable"][4]["reason"], "open mountinfo of 8: No such file or directory");
    for key in missing {
        let (section, key) = key.split_once('.').unwrap();
        assert_eq!(said[section][key], Value::Null, "{key}");
    }

    // Nobody says who we are, nor which namespaces are the initial ones.
    remove_file(root.path().join("self")).unwrap();
    write(root.path().join("2/stat"), "2 (kthreadd) S 0 0 0 0 -1 0 0").unwrap();
    let page = of(&t, root.path()).arg("9").run().ok();
    assert!(page.contains("\n  user   11 unknown\n"), "{page}");
    assert!(page.contains("which are initial is unknown: not readable: No such process\n"), "{page}");
    assert!(
        page.contains("which are our own is unknown: not readable: No such file or directory\n"),
        "{page}"
    );
    assert!(page.contains("\n  uid         1000 outside, unknown inside\n"), "{page}");
    let said = asked(of(&t, root.path()).arg("9"));
    assert_eq!(
        unreadable(&said),
        ["namespaces.initial", "namespaces.ours", "uts.host_name", "cgroup.limits", "cgroup.limits"]
    );
    assert_eq!(said["namespaces"]["user"], json!({"ns": 11, "initial": null, "ours": null}));
    assert_eq!(said["namespaces"]["net"], json!({"ns": null, "initial": null, "ours": null}));
    let line = format!("nsinfo: read {}/self: No such file or directory", root.path().display());
    of(&t, root.path()).run().fails(1, &line);
}

#[test]
fn the_initial_namespaces_are_those_of_a_kernel_thread_or_of_the_first_process_there() {
    let t = rings!(Host, User);
    let root = machine();
    let whose = || {
        let page = of(&t, root.path()).arg("8").run().ok();
        page.lines().find_map(|line| line.strip_prefix("  net     5 ")).unwrap().to_string()
    };
    assert_eq!(whose(), "initial, ours");
    // A program that took the PID, in a container.
    write(root.path().join("2/stat"), "2 (kthreadd) S 0 0 0 0 -1 4194304 0").unwrap();
    assert_eq!(whose(), "ours");
    process(root.path(), 1, 0x0040_0000, "net:5 pid:6");
    assert_eq!(whose(), "ours", "the first process of a container");
    remove_file(root.path().join("1/ns/pid")).unwrap();
    symlink("pid:[4026531836]", root.path().join("1/ns/pid")).unwrap();
    assert_eq!(whose(), "initial, ours");
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
        said["identity"]["uid"]["real"],
        json!({"outside": nix::unistd::getuid().as_raw(), "inside": 0})
    );
    assert_eq!(
        said["identity"]["gid"]["real"],
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
    assert_eq!(said["identity"]["uid"]["effective"], id(Some(we), Some(5)));
    assert_eq!(said["identity"]["gid"]["effective"], id(Some(nix::unistd::getgid().as_raw()), Some(6)));
    // From between.
    let said = asked(in_outer(&[nsinfo, &nested_pid]));
    assert_eq!(said["identity"]["uid"]["effective"], id(Some(0), Some(5)));
    assert_eq!(said["user"]["uid_map"], json!([{"outside": 0, "inside": 5, "count": 1}]));
    // From inside, of itself: outside is the user namespace above.
    let in_nested =
        || t.tool("rnsenter").args(["-U", "--preserve-credentials", "-t", &nested_pid]).arg(nsinfo);
    let said = asked(in_nested());
    assert_eq!(said["identity"]["uid"]["effective"], id(Some(0), Some(5)));
    // From inside, of the one above: what that is inside may not be seen.
    let said = asked(in_nested().arg(outer.pid().to_string()));
    assert_eq!(said["identity"]["uid"]["effective"], id(Some(5), None));
    assert_eq!(said["namespaces"], Value::Null);
    assert_eq!(unreadable(&said)[0], "namespaces");
    // And of one that has no number there.
    if Ring::here() == Ring::User {
        let said = asked(in_nested().arg("2"));
        assert_eq!(said["identity"]["uid"]["effective"], id(None, None));
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
    for (name, words) in [
        ("private", "private".to_string()),
        ("shared", format!("shared (peer group {group})")),
        ("slave", format!("slave (of {group})")),
        ("both", format!("shared (peer group {own}), slave (of {group})")),
        ("unbindable", "unbindable".to_string()),
    ] {
        assert_eq!(mount(name)["propagation"], words, "{name}");
        let page = t.tool("nsinfo").arg(held.pid().to_string()).run().ok();
        let line = page.lines().find(|line| line.contains(dir.path().join(name).to_str().unwrap())).unwrap();
        assert!(line.contains(&format!(" {words} ")), "{line}");
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
        assert_eq!(unreadable(&said), ["uts.host_name"]);
        let reason = format!("setns uts of {}: Operation not permitted", held.pid());
        assert_eq!(said["unreadable"][0]["reason"], reason);
    }
}

#[test]
fn of_a_process_of_root_an_ordinary_user_sees_what_is_open_to_all() {
    let t = rings!(Host, User);
    let said = asked(t.tool("nsinfo").as_user().arg("2"));
    assert_eq!(unreadable(&said), ["namespaces", "namespaces.initial", "uts.host_name"]);
    assert_eq!(said["unreadable"][0]["reason"], "open namespaces of 2: Permission denied");
    assert_eq!(said["namespaces"], Value::Null);
    assert_eq!(said["identity"]["command"], "kthreadd");
    assert_eq!(said["identity"]["uid"]["effective"], json!({"outside": 0, "inside": 0}));
    assert!(said["mounts"]["list"].as_array().is_some_and(|mounts| !mounts.is_empty()));
    let page = t.tool("nsinfo").as_user().arg("2").run().ok();
    assert!(page.contains("namespaces\n  not readable: Permission denied\n"), "{page}");
    assert!(page.contains("uts\n  host name   not readable: Permission denied\n"), "{page}");
    // Of itself it sees all, but not which namespaces are the initial ones.
    let page = t.tool("nsinfo").as_user().run().ok();
    assert!(page.contains("which are initial is unknown: not readable: Permission denied\n"), "{page}");
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
        (&["--section", ""], "nsinfo: invalid value '' for '--section <LIST>': the value is empty"),
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
    let root = tempfile::tempdir().unwrap();
    create_dir_all(root.path().join("5")).unwrap();
    write(root.path().join("5/status"), "odd").unwrap();
    of(&t, root.path()).arg("5").run().fails(1, "nsinfo: parse status of 5: Invalid argument");
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
    let nsinfo = crate::harness::tool_path("nsinfo").to_str().unwrap();
    let inside = t.tool("runshare").args(["-C", nsinfo]).run().ok();
    let line = "\n  those of groups above the ones that are mounted here hold too, and cannot be seen\n";
    assert!(inside.contains(line), "{inside}");
    assert!(!t.tool("nsinfo").run().ok().contains("cannot be seen"));
}
