//! rlsns: from a directory that looks like /proc, and on the live kernel.

mod defects;
mod filter;
mod hiding;
mod hostile;
mod mounted;
mod storm;
mod traps;
mod why;

use std::fs::{create_dir_all, write};
use std::os::unix::fs::symlink;
use std::path::Path;

use serde_json::Value;

use crate::harness::{Test, bytes, inode, pids};
use crate::tools::rlsns::columns::COLUMNS;
/// A process of the fixture: pid, ppid, name, command line, namespaces. Nobody else reads its stat.
type Fake<'a> = (i32, i32, &'a [u8], &'a [u8], &'a str);

#[rustfmt::skip]
const MACHINE: &[Fake<'_>] = &[
    (1,  0, b"init",        b"/sbin/init\0splash\0", "net:1 pid:2 user:3 uts:4"),
    (2,  0, b"kthreadd",    b"",                     "net:1 pid:2 user:3 uts:4"),
    (7,  1, b"shim",        b"shim\0",               "net:1 pid:2 user:3 uts:4"),
    (8,  7, b"web",         b"web\0--port\0" ,       "net:11 pid:12 user:3 uts:4"),
    (9,  8, b"worker",      b"worker\0",             "net:11 pid:12 user:3 uts:14"),
    (10, 1, b"zombie",      b"",                     "pid:2 user:3"),
    (12, 8, b"\x1b]0;x\x07\n)", b"",                 "net:15 pid:12 user:3 uts:4"),
    (13, 1, b"bytes",       b"b\xff\0\xc2\x9b\0e \0","net:16 pid:2 user:3 uts:4"),
];

/// Makes the fixture: dangling links are perfect namespace links.
fn machine(processes: &[Fake<'_>]) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    write(root.path().join("uptime"), "1").unwrap();
    for (pid, ppid, comm, cmdline, namespaces) in processes {
        let dir = root.path().join(pid.to_string());
        create_dir_all(dir.join("ns")).unwrap();
        let stat = [format!("{pid} (").as_bytes(), comm, format!(") S {ppid} 1 1 0").as_bytes()].concat();
        write(dir.join("stat"), stat).unwrap();
        write(dir.join("cmdline"), cmdline).unwrap();
        for namespace in namespaces.split(' ') {
            let (kind, ino) = namespace.split_once(':').unwrap();
            symlink(format!("{kind}:[{ino}]"), dir.join("ns").join(kind)).unwrap();
        }
    }
    root
}

/// What rlsns prints of the fixture.
fn listed(t: &Test, root: &Path, args: &[&str]) -> String {
    // The user is whoever runs the tests; the column is tested elsewhere.
    t.tool("rlsns").arg("--proc").arg(root).args(args).run().ok()
}

#[test]
fn the_usual_list_is_a_tree_of_first_processes() {
    let t = rings!(Host, User);
    let root = machine(MACHINE);
    let expected = "\
NS TYPE NPROCS PID COMMAND
 1 net       3   1 /sbin/init splash
 2 pid       5   1 /sbin/init splash
 3 user      8   1 /sbin/init splash
 4 uts       6   1 /sbin/init splash
16 net       1  13 └─b\\xff \\u{9b} e
11 net       2   8 web --port
12 pid       3   8 web --port
14 uts       1   9 ├─worker
15 net       1  12 └─\\x1b]0;x\\x07\\x0a)
";
    assert_eq!(listed(&t, root.path(), &["-o", "ns,type,nprocs,pid,command"]), expected);
}

#[test]
fn options_choose_what_is_listed_and_how() {
    let t = rings!(Host, User);
    let root = machine(MACHINE);
    #[rustfmt::skip]
    let cases: &[(&[&str], &str)] = &[
        (&["-t", "net", "-o", "ns,command", "-l"], "NS COMMAND\n 1 /sbin/init splash\n11 web --port\n15 \\x1b]0;x\\x07\\x0a)\n16 b\\xff \\u{9b} e\n"),
        (&["-lnt", "pid", "-t", "uts", "-o", "NS,TYPE"], " 2 pid\n 4 uts\n12 pid\n14 uts\n"),
        (&["-lnt", "pid,uts", "-o", "NS,TYPE"], " 2 pid\n 4 uts\n12 pid\n14 uts\n"),
        (&["-lnp", "9", "-o", "NS,TYPE"], " 3 user\n11 net\n12 pid\n14 uts\n"),
        (&["-ln", "-o", "nprocs,ppid,path", "-t", "uts"], "     6    0 /proc/1/ns/uts\n     1    8 /proc/9/ns/uts\n"),
        (&["-ln", "-o", "path", "-t", "uts"], "/proc/1/ns/uts\n/proc/9/ns/uts\n"),
        (&["-n", "pid:[12]", "-o", "pid,ppid,command"], "  8    7 web --port\n  9    8 ├─worker\n 12    8 └─\\x1b]0;x\\x07\\x0a)\n"),
        (&["pid:[12]", "-l", "-o", "pid,ppid,ns"], "PID PPID NS\n  8    7 12\n  9    8 12\n 12    8 12\n"),
        (&["-r", "-t", "net", "-o", "ns,command,pid"], "NS COMMAND PID\n1 /sbin/init\\x20splash 1\n16 b\\xff\\x20\\u{9b}\\x20e\\x20 13\n11 web\\x20--port 8\n15 \\x1b]0;x\\x07\\x0a) 12\n"),
        (&["-t", "uts", "-o", "pns,ons,ns,type", "-Towner"], "PNS ONS NS TYPE\n  0   0 4  uts\n  0   0 14 uts\n"),
    ];
    for (args, expected) in cases {
        assert_eq!(&listed(&t, root.path(), args), expected, "{args:?}");
    }
    let ascii = t.tool("rlsns").env("LC_ALL", "C").arg("--proc").arg(root.path());
    assert!(ascii.args(["-o", "command", "-n"]).run().ok().contains("\n|-worker\n`-\\x1b"));
}

#[test]
fn plus_adds_to_the_usual_columns() {
    let t = rings!(Host, User);
    let root = machine(MACHINE);
    let heading = |args: &[&str]| {
        let text = listed(&t, root.path(), args);
        text.lines().next().unwrap().split_whitespace().collect::<Vec<_>>().join(" ")
    };
    assert_eq!(heading(&[]), "NS TYPE NPROCS PID USER COMMAND");
    assert_eq!(heading(&["-o", "+ppid,Path"]), "NS TYPE NPROCS PID USER COMMAND PPID PATH");
    assert_eq!(heading(&["-o", "+ns", "pid:[12]"]), "PID PPID USER COMMAND NS");
    assert_eq!(heading(&["-o", "pid", "-o", "ns"]), "NS", "the last one counts");
}

#[test]
fn json_nests_by_the_tree_is_flat_as_a_list_and_keeps_every_byte() {
    let t = rings!(Host, User);
    let root = machine(MACHINE);
    let json = |args: &[&str]| -> Value {
        let text = listed(&t, root.path(), args);
        assert!(!text.contains(|c: char| c.is_control() && c != '\n'), "{text}");
        serde_json::from_str(&text).unwrap()
    };
    let tree = json(&["-J", "-t", "uts,net"]);
    let top = tree["namespaces"].as_array().unwrap();
    assert_eq!(top.len(), 3);
    assert_eq!(top[2]["children"][1]["command"], "\x1b]0;x\x07\n)");
    assert_eq!(tree["unreadable"], 0);
    let list = json(&["-J", "-l", "-o", "ns,command,ppid,user,uid,path,nprocs"]);
    let list = list["namespaces"].as_array().unwrap();
    assert_eq!(list.len(), 9);
    let odd = list.iter().find(|ns| ns["ns"] == 16).unwrap();
    assert_eq!(odd["command"], "b\u{fffd} \u{9b} e ");
    assert_eq!(odd["command_b64"], "Yv8gwpsgZSA=");
    assert_eq!(list[0]["ppid"], 0);
    assert!(list[0]["uid"].is_u64() && list[0]["path"] == "/proc/1/ns/net" && list[0]["nprocs"] == 3);
}

#[test]
fn the_container_pod_and_unit_are_told_by_the_groups() {
    let t = rings!(Host, User);
    let root = machine(MACHINE);
    let id = "0123456789abcdef".repeat(4);
    let pod = "0f1e2d3c-1234-5678-9abc-0123456789ab";
    for (pid, text) in [
        (1, "0::/init.scope\n".to_string()),
        (8, format!("3:cpu:/docker/{id}\n0::/system.slice/docker.service\n")),
        (9, format!("0::/kubepods/burstable/pod{pod}/crio-{id}\n")),
        (12, "0::/lxc.payload.a \x1b:b\n".into()),
        (13, "no group\n".into()),
    ] {
        write(root.path().join(pid.to_string()).join("cgroup"), text).unwrap();
    }
    let args = ["-l", "-t", "net,uts", "-o", "pid,container,pod,unit,source"];
    let expected = format!(
        "\
PID CONTAINER    POD                                  UNIT           SOURCE
  1                                                   init.scope     cgroup
  1                                                   init.scope     cgroup
  8 0123456789ab                                      docker.service cgroup
  9 0123456789ab {pod}                cgroup
 12 a \\x1b:b                                                         cgroup
 13
"
    );
    assert_eq!(listed(&t, root.path(), &args), expected);
    let json = listed(&t, root.path(), &["-J", "-l", "-n", "net:[11]", "-o", "pid,container,unit"]);
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["namespaces"][1]["pid"], 9);
    assert_eq!(json["namespaces"][1]["container"], "0123456789ab");
    assert!(json["namespaces"][1]["unit"].is_null());
    // Without these columns the groups are not read.
    let traced = |columns: &str| {
        let rlsns =
            ["-f", "-e", "trace=%file", crate::harness::tool_path("rlsns").to_str().unwrap(), "--proc"]
                .map(String::from);
        let run = t.program("strace").args(rlsns).arg(root.path()).args(["-o", columns]).run();
        run.errors().contains("\"cgroup\"")
    };
    if t.has("strace") {
        assert_eq!((traced("pid"), traced("pid,unit")), (false, true));
    }
}

#[test]
fn a_circle_of_parents_is_listed_and_an_empty_machine_is_refused() {
    let t = rings!(Host, User);
    let circle =
        machine(&[(5, 6, b"a", b"", "net:1"), (6, 5, b"b", b"", "net:2"), (7, 7, b"c", b"", "net:3")]);
    assert_eq!(listed(&t, circle.path(), &["-no", "pid,command"]), "  7 c\n  5 a\n  6 └─b\n");
    let empty = machine(&[]);
    let none = t.tool("rlsns").arg("--proc").arg(empty.path()).run();
    let line = format!("rlsns: no process is seen in {}", empty.path().display());
    assert!(none.fails(1, &line).contains("mount -t proc"));
    let deaf = machine(&[(5, 1, b"a", b"", "net:1")]);
    let args = ["-t", "uts"];
    assert_eq!(listed(&t, deaf.path(), &args), "NS TYPE NPROCS PID USER COMMAND\n");
    let json = listed(&t, deaf.path(), &[&args[..], &["-J"]].concat()).replace([' ', '\n'], "");
    assert_eq!(json, r#"{"namespaces":[],"schema":1,"unreadable":0,"inferred":[]}"#);
}

#[test]
fn damaged_processes_are_left_out_and_the_rest_is_listed() {
    let t = rings!(Host, User);
    let root = machine(MACHINE);
    let dir = |pid: &str| root.path().join(pid);
    // No stat, as of one that ended between the links and the rest; links that are none; a file.
    create_dir_all(dir("20/ns")).unwrap();
    symlink("net:[99]", dir("20/ns/net")).unwrap();
    create_dir_all(dir("21/ns")).unwrap();
    symlink("nonsense", dir("21/ns/net")).unwrap();
    write(dir("22"), "").unwrap();
    create_dir_all(dir("23")).unwrap();
    create_dir_all(dir("4194305x")).unwrap();
    assert_eq!(
        listed(&t, root.path(), &["-lnt", "net", "-o", "ns,ppid"]),
        " 1    0\n11    7\n15    8\n16    1\n"
    );
    // What nothing else is asked of counts by its links alone.
    assert_eq!(listed(&t, root.path(), &["-lnt", "net", "-o", "ns"]), " 1\n11\n15\n16\n99\n");
}

#[test]
fn every_kind_of_a_live_process_is_found() {
    let t = rings!(Host, User, Uml, Qemu);
    let held = t.hold("unshare", &["-Ur", "-muinC"]);
    for kind in ["mnt", "uts", "ipc", "net", "cgroup", "user"] {
        let ino = inode(held.pid(), kind).to_string();
        let text =
            t.tool("rlsns").args(["-r", "-n", "-l", "-t", kind, "-o", "ns,type,nprocs,pid,path,uid"]).run();
        let line = format!("{ino} {kind} 1 {0} /proc/{0}/ns/{kind} {1}", held.pid(), nix::unistd::geteuid());
        assert!(text.text().lines().any(|found| found == line), "{line}\n{}", text.text());
    }
    let pid = t.hold("unshare", &["-Ur", "-fp", "--kill-child"]);
    let text = t.tool("rlsns").args(["-r", "-n", "-t", "pid", "-o", "ns,pid,command"]).run().text();
    let line = format!("{} {} sleep\\x201000", inode(pid.inner(), "pid"), pid.inner());
    assert!(text.lines().any(|found| found == line), "{line}\n{text}");
}

#[test]
fn owners_and_parents_without_a_process_stand_in_their_tree() {
    let t = rings!(Host, User, Uml, Qemu);
    // The first user namespace is left by its only process, but lives on as the parent of the second.
    let held = t.hold("unshare", &["-Ur", "unshare", "-U", "--map-root-user", "-n"]);
    let (user, net) = (inode(held.pid(), "user"), inode(held.pid(), "net"));
    let json =
        |args: &[&str]| -> Value { serde_json::from_str(&t.tool("rlsns").args(args).run().text()).unwrap() };
    for relation in ["-Towner", "-Tparent", "-T", "--tree=owner", "-T=parent"] {
        let tree = json(&["-J", relation, "-o", "ns,type,nprocs,pid,uid,pns,ons,command"]);
        let top = tree["namespaces"].as_array().unwrap();
        let children = |ns: &Value| ns["children"].as_array().cloned().unwrap_or_default();
        let ours = inode("self", "user");
        let initial = top.iter().find(|ns| ns["ns"] == ours).unwrap_or_else(|| panic!("{relation}"));
        let empty = children(initial).into_iter().find(|ns| children(ns).iter().any(|ns| ns["ns"] == user));
        let empty = empty.unwrap_or_else(|| panic!("{relation}: {initial}"));
        assert_eq!(
            (&empty["type"], &empty["nprocs"], &empty["pid"]),
            (&"user".into(), &0.into(), &Value::Null)
        );
        assert_eq!(empty["uid"], nix::unistd::geteuid().as_raw());
        let inner = children(&empty).into_iter().find(|ns| ns["ns"] == user).unwrap();
        assert_eq!((&inner["pns"], &inner["ons"]), (&empty["ns"], &empty["ns"]));
        let net_is_inside = children(&inner).iter().any(|ns| ns["ns"] == net && ns["ons"] == user);
        assert_eq!(net_is_inside, !relation.contains("parent"), "{relation}");
    }
    // A scan of processes alone goes upward only for trees of relations.
    let empty = |args: &[&str]| {
        let list = json(&[&["-J", "-l", "-o", "ns,nprocs,via"], args].concat());
        let list = list["namespaces"].as_array().unwrap().clone();
        list.into_iter().filter(|ns| ns["nprocs"] == 0).map(|ns| ns["via"].clone()).collect::<Vec<_>>()
    };
    assert!(empty(&["-t", "user"]).contains(&"namespace".into()));
    assert!(empty(&["-t", "user", "--depth", "procs"]).is_empty());
}

#[test]
fn trees_keep_what_stands_above_the_chosen_ones() {
    let t = rings!(Host, User);
    let held = t.hold("unshare", &["-Ur", "unshare", "-U", "--map-root-user", "-n"]);
    let (user, net) = (inode(held.pid(), "user"), inode(held.pid(), "net"));
    let depths = |args: &[&str]| -> Vec<(usize, u64)> {
        let text = t.tool("rlsns").args(["-n", "-Towner", "-o", "ns"]).args(args).run().text();
        let place = |line: &str| {
            let digits = line.trim_start_matches(|c: char| !c.is_ascii_digit());
            ((line.chars().count() - digits.len()) / 2, digits.trim_end().parse().unwrap())
        };
        text.lines().map(place).collect()
    };
    let nets = depths(&["-t", "net"]);
    assert!(nets.contains(&(2, user)) && nets.contains(&(3, net)), "{nets:?}");
    let of_one = depths(&["-p", &held.pid().to_string(), "-t", "net"]);
    assert_eq!(of_one.len(), 4, "{of_one:?}");
    assert_eq!((of_one[0], of_one[2], of_one[3]), ((0, inode("self", "user")), (2, user), (3, net)));
}

#[test]
fn running_out_of_descriptors_is_said_and_no_short_list_is_printed() {
    let t = rings!(Host, User);
    let tool = crate::harness::tool_path("rlsns").to_str().unwrap();
    let held = t.hold("unshare", &["-Ur", "-n"]);
    let ask = |limit: &str| {
        let script = format!("ulimit -n {limit}; exec {tool} -Towner -p {} -o NS,PNS,ONS", held.pid());
        t.program("sh").args(["-c", &script]).run()
    };
    let whole = ask("100").ok();
    let mut failures = 0;
    for limit in 4..12 {
        let output = ask(&limit.to_string());
        let failed = output.code == Some(1) && output.errors().ends_with(": Too many open files\n");
        assert!(failed && output.text().is_empty() || output.text() == whole, "{limit}: {output:?}");
        failures += usize::from(failed);
    }
    assert!(failures > 1);
}

#[test]
fn one_namespace_lists_its_processes() {
    let t = rings!(Host, User, Uml, Qemu);
    let held = t.hold("unshare", &["-Ur", "-n", "--fork", "--kill-child"]);
    let ino = inode(held.pid(), "net").to_string();
    let text = t.tool("rlsns").args([&ino, "-o", "pid,ppid,uid,command"]).run().text();
    let words = |line: &str| line.split_whitespace().map(str::to_string).collect::<Vec<_>>();
    let lines: Vec<_> = text.lines().map(words).collect();
    assert_eq!(lines.len(), 3, "{text}");
    assert_eq!(lines[1][0], held.pid().to_string(), "{text}");
    let child = format!("{} {} {} └─sleep 1000", held.inner(), held.pid(), nix::unistd::geteuid());
    assert_eq!(lines[2].join(" "), child, "{text}");
    let by_name = t.tool("rlsns").args(["-rn", &ino, "-o", "user"]).run().text();
    let me = nix::unistd::User::from_uid(nix::unistd::geteuid()).unwrap();
    let me = me.map_or(nix::unistd::geteuid().to_string(), |user| user.name);
    assert_eq!(by_name, format!("{me}\n{me}\n"));
}

#[test]
fn a_process_can_be_asked_for_its_namespaces() {
    let t = rings!(Host, User);
    let held = t.hold("unshare", &["-Ur", "-n"]);
    let text = t.tool("rlsns").args(["-rnlp", &held.pid().to_string(), "-o", "type,ns"]).run().text();
    let mut found: Vec<&str> = text.lines().collect();
    found.sort_unstable();
    let kinds = ["cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts"];
    let expected: Vec<String> =
        kinds.iter().map(|kind| format!("{kind} {}", inode(held.pid(), kind))).collect();
    assert_eq!(found, expected);
}

#[test]
fn an_ordinary_user_sees_what_is_theirs_and_how_much_is_not() {
    let t = rings!(Host, User, Uml, Qemu);
    let own = t.tool("rlsns").as_user().args(["-J", "-l"]).run();
    let json: Value = serde_json::from_str(&own.ok()).unwrap();
    assert!(!json["namespaces"].as_array().unwrap().is_empty());
    // At least kthreadd belongs to root.
    let hidden = json["unreadable"].as_u64().unwrap();
    assert!(hidden > 0 && hidden <= pids().len() as u64 + 50, "{hidden}");
    // It is said to people only.
    let shown = t.tool("rlsns").as_user().args(["-t", "net"]).run_in_terminal(80);
    assert!(shown.contains(" processes are missing: their namespaces are hidden from us\nhint: "), "{shown}");
}

#[test]
fn the_command_is_cut_to_the_terminal_unless_asked_not_to() {
    let t = rings!(Host, User);
    let long = "y".repeat(300);
    let words = t.program("unshare").args(["-Ur", "-n", "sh", "-c", "echo ready; sleep 1000", &long]).hold();
    let ino = inode(words.pid(), "net").to_string();
    let lines = |args: &[&str], columns| {
        let shown = t.tool("rlsns").args([ino.as_str(), "-n", "-l"]).args(args).run_in_terminal(columns);
        // An ordinary user is also told what is hidden.
        let listed = |line: &&str| !line.starts_with("rlsns: ") && !line.starts_with("hint: ");
        shown.lines().filter(listed).map(str::to_string).collect::<Vec<_>>()
    };
    assert!(lines(&[], 60).iter().all(|line| line.chars().count() <= 60), "{:?}", lines(&[], 60));
    assert!(lines(&[], 60).iter().any(|line| line.chars().count() == 60));
    assert!(lines(&["-u"], 60)[0].ends_with(&long));
    assert!(lines(&["-u"], 60) == lines(&["--notruncate"], 20));
    assert!(lines(&["-o", "command,pid"], 40)[0].chars().count() <= 40);
    let piped = t.tool("rlsns").args([ino.as_str(), "-n"]).run();
    assert!(piped.text().lines().next().unwrap().ends_with(&long));
}

#[test]
fn columns_are_listed_with_what_they_mean() {
    let t = rings!(Host, User);
    let text = t.tool("rlsns").arg("-H").run().ok();
    assert!(
        text.starts_with("       NS <integer> inode number of the namespace\n     TYPE <string>  kind"),
        "{text}"
    );
    let json: Value = serde_json::from_str(&t.tool("rlsns").args(["-HJ"]).run().ok()).unwrap();
    let columns = json["lsns-columns"].as_array().unwrap();
    assert!(columns.iter().any(|c| c["holder"] == "COMMAND" && c["type"] == "<string>"));
    assert!(columns[0]["description"].is_string() && columns[0].as_object().unwrap().len() == 3);
    let raw = t.tool("rlsns").args(["--list-columns", "-r", "-n"]).run().ok();
    assert!(raw.lines().all(|line| line.split(' ').count() == 3), "{raw}");
}

#[test]
fn readers_that_go_away_are_no_failure_and_full_disks_are() {
    let t = rings!(Host, User);
    let tool = crate::harness::tool_path("rlsns").to_str().unwrap();
    let script = format!("{tool} -r | head -n 1; exec 3>&1; {{ {tool}; echo $? >&3; }} | true");
    assert!(t.program("bash").args(["-c", &script]).run().ok().ends_with("\n0\n"));
    let full = t.tool("rlsns").with(|command| {
        command.stdout(std::fs::File::options().write(true).open("/dev/full").unwrap());
    });
    assert_eq!(full.run().fails(1, "rlsns: write standard output: No space left on device"), "");
    let help = t.tool("rlsns").arg("--help").with(|command| {
        command.stdout(std::fs::File::options().write(true).open("/dev/full").unwrap());
    });
    help.run().fails(1, "rlsns: write standard output: No space left on device");
}

#[test]
fn bad_input_gets_one_line_and_a_hint() {
    let t = rings!(Host, User);
    let kinds = "one of: user cgroup ipc uts net pid mnt time";
    let columns: Vec<_> = COLUMNS.iter().map(|column| column.name).collect();
    let columns = format!("one of: {}", columns.join(" "));
    let columns = columns.as_str();
    let gone = "no process has this PID in /proc; it may have ended, or be hidden";
    let help = "`rlsns --help` shows what can be asked";
    let numbers = "PIDs go from 1 to 4194304, inode numbers of namespaces from 4026531832 to 4294967295";
    let names =
        "`rlsns -o +CONTAINER,UNIT` shows names; a process is named by its PID, a file with a / in it";
    let namespaces =
        "it is INO, TYPE:[INO], netns:NAME or a path; -p takes processes and containers, -t types";
    #[rustfmt::skip]
    let cases: &[(&[&str], &str, &str)] = &[
        (&["-t", "foo"], "rlsns: unknown kind of namespace: foo", kinds),
        (&["-t", "NET"], "rlsns: unknown kind of namespace: NET", kinds),
        (&["-t", "net,"], "rlsns: unknown kind of namespace: ", kinds),
        (&["-o", "pid,foo"], "rlsns: unknown column: foo", columns),
        (&["-o", ""], "rlsns: invalid value '' for '--output <LIST>': the value is empty", help),
        (&["-T="], "rlsns: invalid value '' for '--tree[=<RELATION>]': the value is empty", help),
        (&["-o", ","], "rlsns: unknown column: ", columns),
        (&["-Tnope"], "rlsns: unknown relation: nope", "one of: owner parent process"),
        (&["-p", "4194304"], "rlsns: open process 4194304: No such process", gone),
        (&["-p", "4194305"], "rlsns: 4194305 is neither a PID nor the inode number of a namespace", numbers),
        (&["-p", "\x1b]x"], "rlsns: no container that we see is called \\x1b]x", names),
        (&["-p", "net:[12]"], "rlsns: net:[12] is a namespace, not a process", "without -p its processes are listed"),
        (&["-p", "netns:x"], "rlsns: netns:x is a namespace, not a process", "without -p its processes are listed"),
        (&["-p", "-1"], "rlsns: PID is no valid number: -1", help),
        (&["-p", "99999999999"], "rlsns: 99999999999 is neither a PID nor the inode number of a namespace", numbers),
        (&["12"], "rlsns: 12 is a process, which is in several namespaces", "-p 12 lists those"),
        (&["ctr:x"], "rlsns: no namespace: ctr:x", namespaces),
        (&["net:[12]"], "rlsns: no process is seen in a namespace net:[12]", ""),
        (&["4294967295"], "rlsns: no process is seen in a namespace 4294967295", ""),
        (&["owner"], "rlsns: no namespace: owner", "attach it: --tree=owner"),
        (&["net"], "rlsns: no namespace: net", namespaces),
        (&["/proc/self/comm"], "rlsns: /proc/self/comm is no namespace", "a namespace file is one of /proc/PID/ns, or a bind mount of one, as in /run/netns"),
        (&["1", "2"], "rlsns: unexpected argument '2' found", help),
        (&["-J", "-r"], "rlsns: the argument '--json' cannot be used with '--raw'", help),
        (&["-l", "-T"], "rlsns: the argument '--list' cannot be used with '--tree[=<RELATION>]'", help),
        (&["-p", "1", "2"], "rlsns: the argument '--task <REF>' cannot be used with '[NAMESPACE]'", help),
        (&["--no"], "rlsns: option --no is ambiguous", "one of: --noheadings --notruncate --nowrap"),
        (&["-x"], "rlsns: unexpected argument '-x' found", help),
        (&["--jsn"], "rlsns: unexpected argument '--jsn' found", "a similar argument exists: '--json'"),
        (&["-t"], "rlsns: a value is required for '--type <TYPE>' but none was supplied", help),
        (&["--proc", "/nonexistent"], "rlsns: open /nonexistent: No such file or directory", ""),
        (&["\x1b[31m"], "rlsns: no namespace: \\x1b[31m", namespaces),
        (&["--\x1b[31m"], "rlsns: unexpected argument '--\\x1b[31m' found", help),
    ];
    for (args, line, hint) in cases {
        assert_eq!(&t.tool("rlsns").args(*args).run().fails(1, line), hint, "{args:?}");
    }
    let odd = t.tool("rlsns").arg(bytes(b"-t\xff\n")).run();
    odd.fails(1, "rlsns: unknown kind of namespace: \\xff\\x0a");
    let me = std::process::id().to_string();
    if crate::harness::Ring::here().is_root() {
        let hidden = t.tool("rlsns").as_user().args(["-p", &me]).run();
        let hint = hidden.fails(1, &format!("rlsns: open namespaces of {me}: Permission denied"));
        assert!(hint.contains("CAP_SYS_PTRACE"), "{hint}");
    }
}

#[test]
fn long_options_may_be_abbreviated() {
    let t = rings!(Host, User);
    let root = machine(MACHINE);
    let long = listed(&t, root.path(), &["--list", "--noheadings", "--type", "net", "--output", "ns"]);
    assert_eq!(listed(&t, root.path(), &["--list", "--noh", "--ty=net", "--output=ns"]), long);
    assert_eq!(
        listed(&t, root.path(), &["--list", "--noh", "--tas", "9", "--output", "ns", "--ty", "net"]),
        "11\n"
    );
}
