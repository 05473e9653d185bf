//! `--tree`: the user and pid namespaces beside what /proc says of the processes that the test put there.

use std::collections::BTreeSet;
use std::fs::{read_to_string, write};
use std::os::unix::fs::symlink;
use std::os::unix::process::CommandExt;
use std::path::Path;

use serde_json::{Value, json};

use super::{HARMLESS, HOSTILE, HOSTILE_IN_JSON, rights, status};
use crate::harness::{Held, Ring, Run, Test, bytes, inode, sleeps, soon, state, tool_path};

/// Each of these levels is a user namespace and a pid namespace that it owns.
fn nested(t: &Test, levels: usize) -> Held {
    const LEVEL: &[&str] = &["-Urfp", "--kill-child"];
    let runshare = tool_path("runshare");
    let mut options = LEVEL.to_vec();
    for _ in 1..levels {
        options.push(runshare.to_str().unwrap());
        options.extend(LEVEL);
    }
    t.hold("runshare", &options)
}

fn asked(run: Run<'_>) -> Value {
    let text = run.args(["--tree", "-J"]).run().ok();
    assert!(!text.contains(|c: char| c.is_control() && c != '\n'), "{text}");
    let said: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(said["schema"], 1);
    said["tree"].clone()
}

fn said(t: &Test, words: &[&str]) -> Value {
    asked(t.tool("nsinfo").args(words))
}

fn page(t: &Test, words: &[&str]) -> String {
    t.tool("nsinfo").arg("--tree").args(words).run().ok()
}

/// What leads to each process: its PIDs, and from the top the namespaces that it stands below.
type Way = (Vec<u64>, Vec<(String, u64)>);

fn ways(tree: &Value) -> Vec<Way> {
    fn walk(node: &Value, above: &[(String, u64)], ways: &mut Vec<Way>) {
        let kind = node["type"].as_str().unwrap_or("above").to_string();
        let here = [above, &[(kind, node["ns"].as_u64().unwrap_or(0))]].concat();
        for process in node["processes"].as_array().into_iter().flatten() {
            let pids = process["pids"].as_array().unwrap().iter().map(|pid| pid.as_u64().unwrap());
            ways.push((pids.collect(), here.clone()));
        }
        for key in ["pid_namespaces", "user_namespaces"] {
            node[key].as_array().into_iter().flatten().for_each(|below| walk(below, &here, ways));
        }
    }
    let mut found = Vec::new();
    tree.as_array().unwrap().iter().for_each(|root| walk(root, &[], &mut found));
    found
}

/// The object of a namespace that this one owns or is the parent of.
fn find<'v>(tree: &'v Value, kind: &str, ino: u64, owned: bool) -> Option<&'v Value> {
    let nodes: Vec<&Value> = match tree {
        Value::Array(all) => all.iter().collect(),
        node => ["pid_namespaces", "user_namespaces"]
            .iter()
            .flat_map(|key| node[key].as_array().into_iter().flatten())
            .collect(),
    };
    nodes.into_iter().find_map(|node| {
        let is = node["type"] == kind && node["ns"] == ino && (kind == "user" || node["owned_here"] == owned);
        if is { Some(node) } else { find(node, kind, ino, owned) }
    })
}

/// The namespaces above a process: those of the processes above it, the nearest last.
fn chain(held: &Held, kind: &str) -> Vec<u64> {
    let mut chain = vec![inode("self", kind)];
    let mut pid = held.pid();
    loop {
        let ino = inode(pid, kind);
        if !chain.contains(&ino) {
            chain.push(ino);
        }
        match crate::harness::children(pid).first() {
            Some(child) => pid = *child,
            None => return chain,
        }
    }
}

/// What stands above all that an ordinary user may see.
fn from_the_top(users: &[u64]) -> Vec<(String, u64)> {
    users.iter().map(|ino| ("user".to_string(), *ino)).collect()
}

#[test]
fn namespaces_stand_below_those_that_own_them_with_the_pids_at_every_level() {
    let t = rings!(Host, User, Uml, Qemu);
    let held = nested(&t, 3);
    let (users, pids) = (chain(&held, "user"), chain(&held, "pid"));
    assert_eq!((users.len(), pids.len()), (4, 4), "{users:?} {pids:?}");
    let tree = said(&t, &[]);
    let all = ways(&tree);
    let way = |pid: i32| all.iter().find(|(pids, _)| pids[0] == pid as u64).unwrap().clone();
    // The program: PIDs as the kernel has them, and below its pid namespace, which its user namespace owns.
    let inner = held.inner();
    let (numbers, above) = way(inner);
    assert_eq!(json!(numbers), json!(status(inner, "NSpid:")));
    assert_eq!(numbers.len(), 4);
    let mut expected = from_the_top(&users);
    // The last but one is in no pid namespace that its user namespace owns: its children are.
    expected.extend([("pid".to_string(), pids[2]), ("pid".to_string(), pids[3])]);
    assert_eq!(above, expected);
    // The launcher: in the first user namespace, and in the pid namespace that it was born in.
    let (numbers, above) = way(held.pid());
    assert_eq!(numbers, [held.pid() as u64]);
    let mut expected = from_the_top(&users[..2]);
    expected.push(("pid".to_string(), pids[0]));
    assert_eq!(above, expected);
    for (at, (user, pid)) in users.iter().zip(&pids).enumerate().skip(1) {
        let of_user = find(&tree, "user", *user, true).unwrap();
        assert_eq!(of_user["creator"], nix::unistd::getuid().as_raw(), "{at}");
        assert_eq!(of_user["ours"], false, "{at}");
        // Maps are told as our user namespace numbers users.
        let outside = nix::unistd::getuid().as_raw();
        assert_eq!(of_user["uid_map"], json!([{"outside": outside, "inside": 0, "count": 1}]), "{at}");
        let of_pid = find(&tree, "pid", *pid, true).unwrap();
        assert_eq!(of_pid["owner"], *user, "{at}");
        assert_eq!(of_pid["parent"], pids[at - 1], "{at}");
        // Who may not look at those of the kernel does not know the initial ones.
        let initial = if Ring::here().is_root() { json!(false) } else { Value::Null };
        assert_eq!(of_pid["initial"], initial, "{at}");
    }
    // In the branch of the user namespace that does not own it, it is said whose it is.
    let foreign = find(&tree, "pid", pids[2], false).unwrap();
    assert_eq!(foreign["owner"], users[2]);
    let page = page(&t, &[]);
    let line =
        |has: &str| page.lines().find(|line| line.contains(has)).unwrap_or_else(|| panic!("{has}\n{page}"));
    let whole = status(inner, "NSpid:").iter().map(u64::to_string).collect::<Vec<_>>().join("/");
    assert!(line(&format!("─{whole} ")).ends_with("sleep 1000"));
    let uid = nix::unistd::getuid();
    assert!(line(&format!("user:[{}]", users[3])).contains(&format!("made by uid {uid}, uid 0 = {uid}")));
    line(&format!("pid:[{}] of user:[{}]", pids[2], users[2]));
    assert!(page.contains(&format!("pid:[{}] below pid:[{}]\n", pids[3], pids[2])), "{page}");
}

#[test]
fn what_is_named_is_shown_with_what_leads_to_it_and_what_is_below() {
    let t = rings!(Host, User);
    let held = nested(&t, 3);
    let (users, pids) = (chain(&held, "user"), chain(&held, "pid"));
    let inner = held.inner();
    let pids_of = |words: &[&str]| -> BTreeSet<u64> {
        ways(&said(&t, words)).iter().map(|(pids, _)| pids[0]).collect()
    };
    let launchers: Vec<u64> = {
        let mut all = vec![held.pid()];
        while let Some(child) = crate::harness::children(*all.last().unwrap()).first() {
            all.push(*child);
        }
        all.iter().map(|pid| *pid as u64).collect()
    };
    assert_eq!(launchers.len(), 4, "{launchers:?}");
    let of = |from: usize| launchers[from..].iter().copied().collect::<BTreeSet<_>>();
    assert_eq!(pids_of(&[&inner.to_string()]), of(3));
    assert_eq!(pids_of(&[&format!("{inner}/{inner}")]), of(3));
    let named = |kind: &str, ino: u64| format!("{kind}:[{ino}]");
    assert_eq!(pids_of(&[&named("user", users[1])]), of(0));
    assert_eq!(pids_of(&[&named("user", users[2])]), of(1));
    assert_eq!(pids_of(&[&named("pid", pids[3])]), of(3));
    // Of a pid namespace those in it too that another user namespace holds.
    assert_eq!(pids_of(&[&named("pid", pids[2])]), of(2));
    // The launcher of the program is in the last one too.
    assert_eq!(pids_of(&[&format!("/proc/{inner}/ns/user")]), of(2));
    // Several: all of them.
    let second = t.hold("runshare", &[rights(), &["-u"]].concat());
    let both = [inner as u64, second.inner() as u64].into();
    assert_eq!(pids_of(&[&inner.to_string(), &second.inner().to_string()]), both);
    // Of another kind it is the user namespace that owns it.
    let uts = t.hold("runshare", &["-Uru"]);
    assert_eq!(pids_of(&[&format!("/proc/{}/ns/uts", uts.inner())]), [uts.inner() as u64].into());
    // What leads there is shown without what else is in it.
    let page = page(&t, &[&inner.to_string()]);
    let lines: Vec<_> = page.lines().filter(|line| !line.starts_with("not shown")).collect();
    let top = usize::from(Ring::here() == Ring::User && !page.starts_with("user:["));
    assert_eq!(lines.len(), 4 + 2 + 1 + top, "{page}");
    assert!(lines.last().unwrap().ends_with("/1 sleep 1000"), "{page}");
}

#[test]
fn namespaces_without_processes_stand_in_the_tree() {
    let t = rings!(Host, User);
    // The middle one is only the parent of the one that the program is in.
    let runshare = tool_path("runshare");
    let held = t.hold("runshare", &["-Ur", runshare.to_str().unwrap(), "-Ur"]);
    let inner = held.inner();
    let tree = said(&t, &[&inner.to_string()]);
    let all = ways(&tree);
    let [(numbers, above)] = all.as_slice() else { panic!("{all:?}") };
    assert_eq!(*numbers, [inner as u64]);
    let users: Vec<_> = above.iter().filter(|(kind, _)| kind == "user").map(|(_, ino)| *ino).collect();
    assert_eq!([users[0], users[2]], [inode("self", "user"), inode(inner, "user")]);
    let middle = find(&tree, "user", users[1], true).unwrap();
    assert_eq!(middle["creator"], nix::unistd::getuid().as_raw());
    // Nobody in it shows its map.
    assert_eq!(middle["uid_map"], Value::Null);
    assert_eq!(middle["pid_namespaces"], json!([]));
    // One whose processes have all ended, and that is only open.
    let keeper =
        t.tool("runshare").args(["-Urfp", "--kill-child", "sh", "-c", "echo ready; exec sleep 1000"]).hold();
    soon(|| sleeps(keeper.inner()));
    let (user, pid) = (inode(keeper.inner(), "user"), inode(keeper.inner(), "pid"));
    let file = std::fs::File::open(format!("/proc/{}/ns/pid", keeper.inner())).unwrap();
    let init = keeper.inner();
    drop(keeper);
    soon(|| state(init).is_none());
    let tree = said(&t, &[&format!("pid:[{pid}]")]);
    assert_eq!(ways(&tree), []);
    let node = find(&tree, "pid", pid, true).unwrap();
    assert_eq!([&node["owner"], &node["parent"]], [&json!(user), &json!(inode("self", "pid"))]);
    assert_eq!(node["processes"], json!([]));
    drop(file);
}

#[test]
fn hostile_names_zombies_and_threads_of_the_kernel_are_lines_like_others() {
    let t = rings!(Host, User);
    let name = bytes(HOSTILE);
    let held = t
        .program("sleep")
        .with(|command| {
            command.arg0(&name);
        })
        .arg("1000")
        .start();
    soon(|| sleeps(held.pid()));
    let tree = said(&t, &[&held.pid().to_string()]);
    let text = tree.to_string();
    let command: Value = json!(format!("{HOSTILE_IN_JSON} 1000"));
    assert!(text.contains(&format!("\"command\":{command}")), "{text}");
    assert!(text.contains("\"command_b64\":"), "{text}");
    assert!(page(&t, &[&held.pid().to_string()]).contains(&format!("─{} {HARMLESS} 1000\n", held.pid())));
    // One that nobody waits for.
    let parent = t.program("sh").args(["-c", "(exec sleep 0.2) & echo $!; exec sleep 1000"]).hold();
    let zombie: i32 = parent.line.parse().unwrap();
    soon(|| state(zombie) == Some('Z') && sleeps(parent.pid()));
    let seen = page(&t, &[&parent.pid().to_string()]);
    assert!(seen.contains(&format!("─{} sleep 1000\n", parent.pid())), "{seen}");
    let out = t.tool("nsinfo").args(["--tree", &zombie.to_string()]).run();
    match out.code {
        Some(0) => assert!(out.text().contains(&format!("─{zombie} sleep (has ended)\n")), "{}", out.text()),
        _ => assert_ne!(out.errors(), ""),
    }
    if t.belongs(
        Ring::here().is_root() && read_to_string("/proc/2/comm").is_ok_and(|name| name == "kthreadd\n"),
        "a host",
    ) {
        let page = page(&t, &[]);
        let threads = page.lines().find(|line| line.ends_with(" threads of the kernel")).unwrap();
        assert!(
            threads
                .trim_start_matches(['├', '─', '└', '│', ' '])
                .split(' ')
                .next()
                .unwrap()
                .parse::<u32>()
                .unwrap()
                > 5
        );
        assert!(self::page(&t, &["2"]).contains("─2 kthreadd\n"));
    }
}

#[test]
fn from_inside_what_is_above_is_said_to_be_out_of_sight() {
    let t = rings!(Host, User);
    let inside = |words: &[&str]| {
        let run = t.tool("runshare").args(["-Urfp", "--mount-proc"]).arg(tool_path("nsinfo")).arg("--tree");
        run.args(words).run().ok()
    };
    let page = inside(&[]);
    let mut lines = page.lines();
    assert_eq!(lines.next(), Some("namespaces above: not visible to us"), "{page}");
    let user = lines.next().unwrap();
    let map = format!(" ours made by uid 0, uid 0 = {}", nix::unistd::getuid());
    assert!(user.starts_with("└─user:[") && user.contains(&map), "{page}");
    assert!(lines.next().unwrap().starts_with("  └─pid:["), "{page}");
    assert!(lines.next().unwrap().starts_with("    └─1 "), "{page}");
    assert_eq!(lines.next(), None, "{page}");
    let said: Value = serde_json::from_str(&inside(&["-J"])).unwrap();
    let above = &said["tree"][0];
    assert_eq!([&above["type"], &above["ns"]], [&Value::Null, &Value::Null]);
    let user = &above["user_namespaces"][0];
    assert_eq!([&user["ours"], &user["initial"]], [&json!(true), &Value::Null]);
    assert_eq!(user["pid_namespaces"][0]["processes"][0]["pids"], json!([1]));
    assert_eq!([&said["hidden"], &user["creator"]], [&json!(0), &json!(0)]);
    // One that sees the processes of the host, but may not look at them.
    let run = t.tool("runshare").arg("-Ur").arg(tool_path("nsinfo")).arg("--tree").run().ok();
    let last = run.lines().last().unwrap();
    assert!(last.starts_with("not shown: ") && last.contains("not show "), "{run}");
}

#[test]
fn an_ordinary_user_sees_its_own_and_how_many_are_hidden() {
    let t = rings!(Host, User);
    let held = t
        .tool("runshare")
        .as_user()
        .args(["-Urfp", "--kill-child", "sh", "-c", "echo ready; exec sleep 1000"])
        .hold();
    soon(|| sleeps(held.inner()));
    let tree = asked(t.tool("nsinfo").as_user());
    let all = ways(&tree);
    let (_, above) = all.iter().find(|(pids, _)| pids[0] == held.inner() as u64).unwrap();
    let (user, pid) = (inode(held.inner(), "user"), inode(held.inner(), "pid"));
    assert!(above.contains(&("user".to_string(), user)), "{above:?}");
    assert_eq!(above.last(), Some(&("pid".to_string(), pid)));
    let text = t.tool("nsinfo").as_user().args(["--tree", "-J"]).run().ok();
    let hidden = serde_json::from_str::<Value>(&text).unwrap()["hidden"].as_u64().unwrap();
    assert!(hidden > 0 || Ring::here() == Ring::User, "{text}");
}

#[test]
fn a_tree_of_32_levels_is_drawn_in_time_and_in_the_width_of_the_terminal() {
    let t = rings!(Host, User);
    const LEVELS: usize = 32;
    // The kernel allows as many below the first, and we can be deeper.
    let depth = ways(&said(&t, &["self"]))[0].1.iter().filter(|(kind, _)| kind == "user").count();
    let depth = if depth == 1 { LEVELS } else { LEVELS - 4 };
    let held = nested(&t, depth);
    let inner = held.inner();
    let tree = said(&t, &[&inner.to_string()]);
    let all = ways(&tree);
    let [(numbers, above)] = all.as_slice() else { panic!("{all:?}") };
    assert_eq!(json!(numbers), json!(status(inner, "NSpid:")));
    assert_eq!(numbers.len(), depth + 1);
    assert_eq!(above.iter().filter(|(kind, _)| kind == "user").count(), depth + 1);
    let run = t.tool("nsinfo").args(["--tree", "--color=never", &inner.to_string()]);
    let page = run.run_in_terminal(80);
    assert!(page.lines().count() > depth, "{page}");
    assert!(page.lines().all(|line| line.chars().count() <= 80), "{page}");
}

#[test]
fn what_cannot_be_placed_is_an_error() {
    let t = rings!(Host, User);
    for (words, line) in [
        (&["4194305"][..], "nsinfo: 4194305 is neither a PID nor the inode number of a namespace"),
        (&["/etc/passwd"], "nsinfo: /etc/passwd is no namespace"),
    ] {
        let out = t.tool("nsinfo").arg("--tree").args(words).run();
        assert_eq!((out.code, out.text().as_str()), (Some(1), ""), "{words:?}");
        assert_eq!(out.errors().lines().next(), Some(line));
    }
    let mut held = t.program("sleep").arg("1000").start();
    let pid = held.pid();
    held.child.kill().unwrap();
    held.child.wait().unwrap();
    let out = t.tool("nsinfo").args(["--tree", &pid.to_string()]).run();
    assert_eq!((out.code, out.text().as_str()), (Some(1), ""), "{}", out.errors());
    for other in ["--section=uts", "--count", "--vs=host", "--mounts", "--system"] {
        let out = t.tool("nsinfo").args(["--tree", other]).run();
        assert_eq!((out.code, out.text().as_str()), (Some(1), ""), "{other}");
        assert!(out.errors().contains("--tree"), "{}", out.errors());
    }
}

/// With two PIDs, and a map of more ranges than are shown.
fn process(root: &Path, pid: i32, namespaces: &str) {
    super::files::process(root, pid, 0x0040_0000, namespaces);
    let file = |name: &str, text: &[u8]| write(root.join(pid.to_string()).join(name), text).unwrap();
    let status = format!("Name:\tname\nTgid:\t{pid}\nUid:\t0\t0\t0\t0\nGid:\t0\t0\t0\t0\nNSpid:\t{pid}\t3\n");
    file("status", status.as_bytes());
    file("uid_map", b"0 1000 1\n1 100000 65536\n70000 5 1\n");
}

/// Nothing in such a directory says which namespace owns which: so it is said.
#[test]
fn of_a_directory_that_looks_like_proc_no_owners_are_known() {
    let t = rings!(Host, User);
    let root = tempfile::tempdir().unwrap();
    process(root.path(), 7, "user:11 pid:6");
    process(root.path(), 8, "user:21 pid:26");
    symlink("7", root.path().join("self")).unwrap();
    let of = |words: &[&str]| t.tool("nsinfo").arg("--tree").arg("--proc").arg(root.path()).args(words).run();
    let expected = format!(
        "\
namespaces above: not visible to us
├─pid:[6] ours
├─pid:[26]
├─user:[11] ours, uid 0 = 1000, 1-65536 = 100000-165535, 1 more
│ └─pid:[6] ours of a user namespace out of our sight
│   └─7/3 run {HARMLESS}
└─user:[21], uid 0 = 1000, 1-65536 = 100000-165535, 1 more
  └─pid:[26] of a user namespace out of our sight
    └─8/3 run {HARMLESS}
"
    );
    assert_eq!(of(&[]).ok(), expected);
    let branch = of(&["8"]).ok();
    assert!(
        branch.lines().count() == 4 && branch.ends_with(&format!("    └─8/3 run {HARMLESS}\n")),
        "{branch}"
    );
    let said: Value = serde_json::from_str(&of(&["-J", "8"]).ok()).unwrap();
    let user = &said["tree"][0]["user_namespaces"][0];
    assert_eq!([&user["ns"], &user["creator"], &user["initial"]], [&json!(21), &Value::Null, &Value::Null]);
    let pid = &user["pid_namespaces"][0];
    assert_eq!(
        [&pid["owner"], &pid["parent"], &pid["owned_here"]],
        [&Value::Null, &Value::Null, &json!(false)]
    );
    assert_eq!(pid["processes"][0]["pids"], json!([8, 3]));
    assert_ne!(of(&["9"]).code, Some(0));
}
