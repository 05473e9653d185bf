//! Named groups: that they stay, are found again, and let go of nobody.

use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use super::{Hierarchy, Parent, copy_for_all, find, group_in, hierarchies, hierarchy, refused};
use crate::harness::{
    Held, NOBODY, Output, Ring, Run, Test, children, runs, signal, soon, state, tool_path, within,
};

/// rcgexec about the groups below this one.
fn named<'a>(t: &'a Test, parent: &Parent) -> Run<'a> {
    t.tool("rcgexec").args(["--parent", &parent.name])
}

/// The same, to move processes: in some machines those of the tests are systemd's.
fn moving<'a>(t: &'a Test, parent: &Parent) -> Run<'a> {
    named(t, parent).arg("--force")
}

/// Where it is known who is in a group.
fn home() -> Hierarchy {
    let v2 = hierarchies().into_iter().find(|hierarchy| hierarchy.v2);
    v2.unwrap_or_else(|| find("freezer").unwrap())
}

/// Skips the test where there is no place for a home.
fn everywhere(t: &Test) -> Option<Parent> {
    let there = hierarchies().iter().any(|hierarchy| hierarchy.v2) || find("freezer").is_some();
    let limits = ["cpu", "memory", "pids"].iter().all(|name| find(name).is_some());
    if !t.needs(there && limits, "cgroups with cpu, memory and pids") {
        return None;
    }
    Parent::everywhere(t)
}

/// The directory of a named group, in the hierarchy of its home.
fn dir(parent: &Parent, name: &str) -> PathBuf {
    home().point.join(&parent.name).join(name)
}

fn procs(dir: &Path) -> Vec<i32> {
    let text = std::fs::read_to_string(dir.join("cgroup.procs")).unwrap();
    text.lines().map(|pid| pid.parse().unwrap()).collect()
}

fn sleeper(t: &Test) -> Held {
    t.program("sh").args(["-c", "echo ready; exec sleep 1000"]).hold()
}

fn groups_of(pid: i32) -> String {
    std::fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap()
}

/// A group below the test's own that takes processes.
fn sub(parent: &Parent, name: &str) {
    parent.sub(name);
    for dir in &parent.dirs {
        for file in ["cpuset.cpus", "cpuset.mems"].iter().filter(|file| dir.join(name).join(file).exists()) {
            std::fs::copy(dir.join(file), dir.join(name).join(file)).unwrap();
        }
    }
}

fn move_by_hand(pid: i32, dir: &Path) {
    std::fs::write(dir.join("cgroup.procs"), pid.to_string()).unwrap();
}

fn remove(t: &Test, parent: &Parent, name: &str) {
    named(t, parent).args(["--remove", name]).run().ok();
    assert_eq!(parent.tree(), [""; 0].map(PathBuf::from));
}

fn json(output: &Output) -> serde_json::Value {
    serde_json::from_str(&output.ok()).unwrap()
}

fn most_pids(parent: &Parent, name: &str) -> String {
    std::fs::read_to_string(parent.dir("pids").join(name).join("pids.max")).unwrap().trim().into()
}

#[test]
fn a_program_takes_our_place_in_a_named_group_which_stays() {
    let t = rings!(Host, Uml, Qemu);
    let Some(parent) = everywhere(&t) else { return };
    let words = ["--name", "web", "--pids-limit", "9", "--", "sh", "-c", "echo $$; exec sleep 1000"];
    let held = named(&t, &parent).args(words).hold();
    assert_eq!(held.line, held.pid().to_string());
    assert_eq!(procs(&dir(&parent, "web")), [held.pid()]);
    assert_eq!(group_in(&groups_of(held.pid()), "pids"), format!("/{}/web", parent.name));
    // Where it has no limit, and nothing tells of it, the program stays where it was.
    if !hierarchy("cpu").v2 {
        assert_ne!(group_in(&groups_of(held.pid()), "cpu"), format!("/{}/web", parent.name));
    }
    assert_eq!(most_pids(&parent, "web"), "9");
    drop(held);
    // Another one comes to the same group, and sets what it says.
    let words = ["--name", "web", "--pids-limit", "11", "cat", "/proc/self/cgroup"];
    let text = named(&t, &parent).args(words).run().ok();
    assert_eq!(group_in(&text, "pids"), format!("/{}/web", parent.name));
    assert_eq!(most_pids(&parent, "web"), "11");
    let text = named(&t, &parent).args(["--name", "web", "cat", "/proc/self/cgroup"]).run().ok();
    assert_eq!(group_in(&text, "pids"), format!("/{}/web", parent.name));
    assert_eq!(most_pids(&parent, "web"), "11");
    assert_eq!(named(&t, &parent).args(["--name", "web", "sh", "-c", "exit 7"]).run().code, Some(7));
    // No descriptor of ours reaches it.
    let fds = |run: Run| run.args(["ls", "/proc/self/fd"]).run().ok();
    assert_eq!(fds(named(&t, &parent).args(["--name", "web"])), fds(t.program("env")));
    remove(&t, &parent, "web");
}

#[test]
fn a_dry_run_says_every_step_and_takes_none() {
    let t = rings!(Host, Uml);
    let Some(parent) = everywhere(&t) else { return };
    let point = |controller: &str| parent.dir(controller).display().to_string();
    let at = home().point.join(&parent.name).display().to_string();
    let said = |words: &[&str]| named(&t, &parent).args(words).arg("--dry-run").run().ok();
    let text = said(&["--name", "web", "--pids-limit", "9"]);
    for line in [format!("mkdir {at}/web"), format!("write 9 to {}/web/pids.max", point("pids"))] {
        assert!(text.lines().any(|said| said == line), "{line}: {text}");
    }
    parent.assert_bare();
    let sleep = sleeper(&t);
    let before = groups_of(sleep.pid());
    let text = said(&["--name", "web", "--force", "--pid", &sleep.pid().to_string()]);
    assert!(text.contains(&format!("write {} to {at}/web/cgroup.procs\n", sleep.pid())), "{text}");
    parent.assert_bare();
    // Of one that is there.
    moving(&t, &parent)
        .args(["--name", "web", "--pids-limit", "9", "--pid"])
        .arg(sleep.pid().to_string())
        .run()
        .ok();
    let after = groups_of(sleep.pid());
    assert_ne!(before, after);
    let text = said(&["--update", "web", "--pids-limit", "7"]);
    assert_eq!(text, format!("write 7 to {}/web/pids.max\n", point("pids")));
    let v2 = home().v2;
    let freezer = if v2 { "cgroup.freeze" } else { "freezer.state" };
    for (option, value) in
        [("--freeze", if v2 { "1" } else { "FROZEN" }), ("--thaw", if v2 { "0" } else { "THAWED" })]
    {
        assert_eq!(said(&[option, "web"]), format!("write {value} to {at}/web/{freezer}\n"));
    }
    assert!(said(&["--kill", "web"]).contains(&format!("{at}/web/cgroup.")));
    let text = said(&["--remove", "web"]);
    assert!(
        text.contains(&format!("write {} to ", sleep.pid())) && text.contains(&format!("rmdir {at}/web\n")),
        "{text}"
    );
    assert_eq!(groups_of(sleep.pid()), after);
    assert_eq!(most_pids(&parent, "web"), "9");
    assert!(runs(sleep.pid()) && state(sleep.pid()) == Some('S'));
    remove(&t, &parent, "web");
    assert_eq!(groups_of(sleep.pid()), before);
}

#[test]
fn named_groups_are_listed_and_those_made_by_hand_are_let_alone() {
    let t = rings!(Host, Uml);
    let Some(parent) = everywhere(&t) else { return };
    let list = || named(&t, &parent).arg("--list").run().ok();
    assert_eq!(list().lines().count(), 1, "only headings");
    assert!(list().starts_with("NAME"));
    named(&t, &parent).args(["--name", "b", "--pids-limit", "9"]).run().ok();
    named(&t, &parent).args(["--name", "a"]).run().ok();
    parent.sub("hand");
    let sleep = sleeper(&t);
    moving(&t, &parent).args(["--name", "b", "--pid", &sleep.pid().to_string()]).run().ok();
    let text = list();
    let lines: Vec<Vec<&str>> = text.lines().skip(1).map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines.len(), 2, "{text}");
    assert_eq!(lines[0][..3], ["a", "0", if home().v2 { lines[0][2] } else { "running" }]);
    assert_eq!(lines[1][..3], ["b", "1", "running"]);
    assert!(lines[1].contains(&"pids.max=9"), "{text}");
    let all = json(&named(&t, &parent).args(["--list", "--json"]).run());
    let names: Vec<_> = all["groups"].as_array().unwrap().iter().map(|group| &group["name"]).collect();
    assert_eq!(names, ["a", "b"]);
    let stat = json(&named(&t, &parent).args(["--stat", "b", "--json"]).run());
    assert_eq!(stat, all["groups"][1]);
    assert_eq!((stat["processes"].as_u64(), stat["pids"][0].as_i64()), (Some(1), Some(sleep.pid().into())));
    assert_eq!(stat["directories"][0]["path"], dir(&parent, "b").to_str().unwrap());
    let limit = stat["limits"].as_array().unwrap().iter().find(|limit| limit["file"] == "pids.max").unwrap();
    assert_eq!(
        (&limit["value"], &limit["group"]),
        (&"9".into(), &parent.dir("pids").join("b").to_str().unwrap().into())
    );
    assert_eq!(stat["use"]["pids"], 1);
    let text = named(&t, &parent).args(["--stat", "b"]).run().ok();
    assert!(
        text.contains(&format!("\npids              {}\n", sleep.pid()))
            || text.contains(&sleep.pid().to_string()),
        "{text}"
    );
    // What another made is not ours, whatever is asked.
    let cases: [&[&str]; 6] = [
        &["--stat", "hand"],
        &["--remove", "hand"],
        &["--kill", "hand"],
        &["--freeze", "hand"],
        &["--update", "hand", "--pids-limit", "3"],
        &["--name", "hand", "true"],
    ];
    for words in cases {
        let (line, hint) = refused(&named(&t, &parent).args(words).run());
        assert!(line.ends_with("/hand was not made by rcgexec"), "{words:?}: {line}");
        assert!(hint.contains("another name"), "{hint}");
    }
    // And what is not there is not found.
    for option in ["--stat", "--remove", "--kill", "--freeze", "--thaw"] {
        let (line, hint) = refused(&named(&t, &parent).args([option, "c"]).run());
        assert_eq!((line.as_str(), hint.as_str()), ("there is no group c", "there are: a b"), "{option}");
    }
    refused(&named(&t, &parent).args(["--update", "c", "--pids-limit", "3"]).run());
    named(&t, &parent).args(["--remove", "b"]).run().ok();
    named(&t, &parent).args(["--remove", "a"]).run().ok();
    let (_, hint) = refused(&named(&t, &parent).args(["--stat", "a"]).run());
    assert_eq!(hint, "there is none here; --name NAME makes one");
    parent.remove_sub("hand");
}

#[test]
fn running_processes_are_moved_and_each_goes_back_to_where_it_came_from() {
    let t = rings!(Host, Uml, Qemu);
    let Some(parent) = everywhere(&t) else { return };
    sub(&parent, "x");
    let shell = "sleep 1000 & echo ready; read l; (sleep 1000 & ); echo born; wait";
    let mut family = t.program("sh").args(["-c", shell]).hold();
    let other = sleeper(&t);
    parent.dirs.iter().for_each(|dir| move_by_hand(other.pid(), &dir.join("x")));
    let child = children(family.pid())[0];
    let before: Vec<String> = [family.pid(), child, other.pid()].map(groups_of).into();
    let take = |pids: &[i32]| {
        let words = pids.iter().flat_map(|pid| ["--pid".to_string(), pid.to_string()]);
        moving(&t, &parent).args(["--name", "web", "--pids-limit", "99"]).args(words).run().ok()
    };
    // One that is given twice is moved once; what is moved again remembers where it came from first.
    take(&[family.pid(), other.pid(), family.pid()]);
    take(&[other.pid()]);
    for pid in [family.pid(), other.pid()] {
        assert_eq!(group_in(&groups_of(pid), "pids"), format!("/{}/web", parent.name));
        assert!(procs(&dir(&parent, "web")).contains(&pid));
    }
    assert_eq!(groups_of(child), before[1], "only who was named is moved");
    // Born inside, and its parent is gone: unknown as long as there are two places to go to.
    let pid = family.pid();
    use std::io::Write;
    family.child.stdin.as_mut().unwrap().write_all(b"\n").unwrap();
    assert_eq!(family.next_line().as_deref(), Some("born"));
    let born = *procs(&dir(&parent, "web")).iter().find(|at| ![pid, other.pid()].contains(at)).unwrap();
    let inside = groups_of(born);
    let (line, hint) = refused(&named(&t, &parent).args(["--remove", "web"]).run());
    assert_eq!(
        line,
        format!(
            "group web stays, these processes cannot go back: {born} (it is not known where it came from)"
        )
    );
    assert!(hint.contains("--kill"), "{hint}");
    assert_eq!(groups_of(born), inside);
    assert_eq!(group_in(&groups_of(pid), "pids"), format!("/{}/web", parent.name));
    signal(born, Signal::SIGKILL);
    soon(|| !runs(born));
    named(&t, &parent).args(["--remove", "web"]).run().ok();
    assert_eq!([pid, child, other.pid()].map(groups_of).to_vec(), before);
    drop((family, other));
    parent.remove_sub("x");
}

#[test]
fn who_was_born_inside_goes_where_its_parent_came_from_and_groups_below_go_too() {
    let t = rings!(Host, Uml);
    let Some(parent) = everywhere(&t) else { return };
    sub(&parent, "x");
    // From two groups, so that all depends on the parents.
    let point = home().point;
    let own = |name: &str| {
        let code = format!("echo $$ >{}/x/cgroup.procs; exec \"$@\"", point.join(&parent.name).display());
        let code = if name == "x" { code } else { "exec \"$@\"".into() };
        let run = t.program("sh").args(["-c", &code, "-"]).arg(tool_path("rcgexec"));
        let shell = "mkdir $1/sub-$2 && (echo $$ >$1/sub-$2/cgroup.procs); sleep 1000 & echo ready; wait";
        let web = dir(&parent, "web").display().to_string();
        run.args(["--parent", &parent.name, "--name", "web", "sh", "-c", shell, "-", &web, name]).hold()
    };
    let held = [own("x"), own("y")];
    let children: Vec<i32> = held.iter().flat_map(|held| children(held.pid())).collect();
    assert_eq!(children.len(), 2);
    let line = |pid: i32| {
        let text = groups_of(pid);
        text.lines().find(|line| line.split(':').nth(1) == Some(&home().key)).unwrap().to_string()
    };
    assert!(line(children[0]).ends_with("/web/sub-x"), "{}", line(children[0]));
    let list = named(&t, &parent).arg("--list").run().ok();
    assert!(list.contains("\nweb      4"), "those below count: {list}");
    named(&t, &parent).args(["--remove", "web"]).run().ok();
    let ends = [held[0].pid(), children[0]].map(line);
    assert!(ends.iter().all(|line| line.ends_with(&format!("/{}/x", parent.name))), "{ends:?}");
    let own = line(std::process::id() as i32);
    assert_eq!([held[1].pid(), children[1]].map(line), [own.clone(), own]);
    drop(held);
    parent.remove_sub("x");
}

#[test]
fn a_group_that_nobody_can_leave_stays_as_it_is() {
    let t = rings!(Host, Uml);
    let Some(parent) = everywhere(&t) else { return };
    sub(&parent, "x");
    let [gone, fine, strange] = [(); 3].map(|()| sleeper(&t));
    parent.dirs.iter().for_each(|dir| move_by_hand(gone.pid(), &dir.join("x")));
    for held in [&fine, &gone] {
        moving(&t, &parent).args(["--name", "web", "--pid", &held.pid().to_string()]).run().ok();
    }
    move_by_hand(strange.pid(), &dir(&parent, "web"));
    // On version 1 other groups of its than that of the home are still there.
    for dir in &parent.dirs {
        for pid in procs(&dir.join("x")) {
            move_by_hand(pid, dir);
        }
        assert!(within(Duration::from_secs(5), || std::fs::remove_dir(dir.join("x")).is_ok()));
    }
    let before = [gone.pid(), fine.pid(), strange.pid()].map(groups_of);
    for dry in [&["--dry-run"][..], &[]] {
        let (line, _) = refused(&named(&t, &parent).args(["--remove", "web"]).args(dry).run());
        let start = "group web stays, these processes cannot go back: ";
        let pids: Vec<&str> =
            line.strip_prefix(start).unwrap().split(" (").next().unwrap().split(' ').collect();
        let mut expected = vec![gone.pid().to_string(), strange.pid().to_string()];
        expected.sort_by_key(|pid| procs(&dir(&parent, "web")).iter().position(|at| at.to_string() == *pid));
        assert_eq!(pids, expected, "{line}");
        assert_eq!([gone.pid(), fine.pid(), strange.pid()].map(groups_of), before);
    }
    let pids = [gone.pid(), strange.pid()];
    drop((gone, strange));
    soon(|| pids.iter().all(|pid| !runs(*pid)));
    remove(&t, &parent, "web");
    assert!(runs(fine.pid()));
}

#[test]
fn a_running_loop_is_limited_as_the_articles_do_it() {
    let t = rings!(Host, Uml);
    let Some(parent) = everywhere(&t) else { return };
    let held = t.program("sh").args(["-c", "echo ready; while :; do :; done"]).hold();
    let words = ["--name", "container", "--cpu-quota", "20000", "--pid", &held.pid().to_string()];
    moving(&t, &parent).args(words).run().ok();
    let used = || {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", held.pid())).unwrap();
        let fields: Vec<u64> = stat
            .rsplit_once(") ")
            .unwrap()
            .1
            .split(' ')
            .skip(11)
            .take(2)
            .map(|n| n.parse().unwrap())
            .collect();
        Duration::from_millis(fields.iter().sum::<u64>() * 10)
    };
    // The first period can have been another's.
    std::thread::sleep(Duration::from_millis(300));
    let share = || {
        let (begun, before) = (Instant::now(), used());
        std::thread::sleep(Duration::from_secs(4));
        (used() - before).as_secs_f64() / begun.elapsed().as_secs_f64()
    };
    // It never gets more; on a machine that others use it can get less for a while.
    let enough = |_: &u32| {
        let share = share();
        assert!(share <= 0.23, "{share}");
        share >= 0.17
    };
    assert!((0..5).any(|n| enough(&n)));
    let stat = json(&named(&t, &parent).args(["--stat", "container", "--json"]).run());
    assert!(stat["use"]["cpu_throttled_periods"].as_u64().unwrap() > 10, "{stat}");
    drop(held);
    remove(&t, &parent, "container");
}

#[test]
fn an_update_makes_what_is_missing_and_moves_the_members_there() {
    let t = rings!(Host, Uml);
    let Some(parent) = everywhere(&t) else { return };
    let shell = ["sh", "-c", "sleep 1000 & echo ready; wait"];
    let held = named(&t, &parent).args(["--name", "web"]).args(shell).hold();
    let pids = [held.pid(), children(held.pid())[0]];
    let before = groups_of(pids[0]);
    named(&t, &parent).args(["--update", "web", "--memory", "1G", "--pids-limit", "9"]).run().ok();
    for pid in pids {
        for controller in ["memory", "pids"] {
            assert_eq!(group_in(&groups_of(pid), controller), format!("/{}/web", parent.name));
        }
    }
    let file = if hierarchy("memory").v2 { "memory.max" } else { "memory.limit_in_bytes" };
    let bytes = std::fs::read_to_string(parent.dir("memory").join("web").join(file)).unwrap();
    assert_eq!(bytes, format!("{}\n", 1 << 30));
    // The others stay as they are.
    named(&t, &parent).args(["--update", "web", "--pids-limit", "8"]).run().ok();
    assert_eq!(std::fs::read_to_string(parent.dir("memory").join("web").join(file)).unwrap(), bytes);
    assert_eq!(most_pids(&parent, "web"), "8");
    named(&t, &parent).args(["--remove", "web"]).run().ok();
    // Home again where it was before it came to the group at all.
    let own = std::fs::read_to_string("/proc/self/cgroup").unwrap();
    for pid in pids {
        assert_eq!(groups_of(pid), own);
    }
    assert_ne!(before, own);
}

#[test]
fn what_fails_leaves_nothing_half_made() {
    let t = rings!(Host, Uml);
    let Some(parent) = everywhere(&t) else { return };
    // The program.
    assert_eq!(
        named(&t, &parent).args(["--name", "web", "--pids-limit", "9", "/no/such"]).run().code,
        Some(127)
    );
    parent.assert_bare();
    // In a group that is there it is only the group that stays.
    named(&t, &parent).args(["--name", "web", "--pids-limit", "9"]).run().ok();
    assert_eq!(named(&t, &parent).args(["--name", "web", "/etc/passwd"]).run().code, Some(126));
    assert_eq!(most_pids(&parent, "web"), "9");
    remove(&t, &parent, "web");
    // A process.
    let sleep = sleeper(&t);
    let code = "$| = 1; $pid = fork; exit unless $pid; print qq($pid\\n); sleep 1000";
    let zombie = t.program("perl").args(["-e", code]).hold();
    let dead: i32 = zombie.line.parse().unwrap();
    soon(|| state(dead) == Some('Z'));
    let before = groups_of(sleep.pid());
    for bad in [dead.to_string(), "4194304".into(), "self/x".into()] {
        let words = ["--name", "web", "--pids-limit", "9", "--pid", &sleep.pid().to_string(), "--pid", &bad];
        let (line, hint) = refused(&moving(&t, &parent).args(words).run());
        assert!(
            bad.contains('x') || line.contains("No such process") && hint.contains("ended"),
            "{line}: {hint}"
        );
        assert_eq!(groups_of(sleep.pid()), before);
        parent.assert_bare();
    }
    if std::fs::read_to_string("/proc/2/comm").is_ok_and(|name| name == "kthreadd\n") {
        let words = ["--name", "web", "--pid", &sleep.pid().to_string(), "--pid", "2"];
        let (line, _) = refused(&moving(&t, &parent).args(words).run());
        assert_eq!(line, "process 2 is a thread of the kernel");
        assert_eq!(groups_of(sleep.pid()), before);
        parent.assert_bare();
    }
}

#[test]
fn without_a_place_in_a_hierarchy_it_is_all_or_nothing_or_best_effort() {
    let t = rings!(Host, Uml);
    let Some(parent) = everywhere(&t) else { return };
    if !t.belongs(!hierarchy("memory").v2, "version 1") {
        return;
    }
    std::fs::remove_dir(parent.dir("memory")).unwrap();
    let words = ["--name", "web", "--pids-limit", "9", "--memory", "1G"];
    let (line, _) = refused(&named(&t, &parent).args(words).arg("true").run());
    assert!(line.starts_with("open group ") && line.contains("/memory/"), "{line}");
    assert_eq!(parent.tree(), [""; 0].map(PathBuf::from));
    let output = named(&t, &parent).args(words).args(["--best-effort", "cat", "/proc/self/cgroup"]).run();
    assert_eq!(output.code, Some(0), "{}", output.errors());
    assert!(output.errors().starts_with("rcgexec: going on without: open group "), "{}", output.errors());
    assert_eq!(group_in(&output.text(), "pids"), format!("/{}/web", parent.name));
    std::fs::create_dir(parent.dir("memory")).unwrap();
    // A limit that the kernel refuses: less than is in use, on version 1. The other one is as before.
    let held = named(&t, &parent).args(["--name", "web", "--memory", "1G"]);
    let held =
        held.args(["perl", "-e", "$| = 1; $x = 'x' x 50_000_000; print \"ready\\n\"; sleep 1000"]).hold();
    let quota = || std::fs::read_to_string(parent.dir("cpu").join("web/cpu.cfs_quota_us")).unwrap();
    named(&t, &parent).args(["--update", "web", "--cpu-quota", "50000"]).run().ok();
    refused(&named(&t, &parent).args(["--update", "web", "--cpu-quota", "30000", "--memory", "1M"]).run());
    assert_eq!(quota(), "50000\n");
    drop(held);
    soon(|| procs(&dir(&parent, "web")).is_empty());
    remove(&t, &parent, "web");
}

#[test]
fn a_populated_parent_of_version_2_hands_nothing_on() {
    let t = rings!(Uml);
    let Some(parent) = everywhere(&t) else { return };
    if !t.belongs(hierarchy("pids").v2, "version 2") {
        return;
    }
    let sleep = sleeper(&t);
    let at = parent.dir("pids");
    move_by_hand(sleep.pid(), &at);
    let (line, hint) =
        refused(&named(&t, &parent).args(["--name", "web", "--pids-limit", "9", "true"]).run());
    assert!(line.contains("cannot be handed on") && line.ends_with("it has processes"), "{line}");
    assert!(hint.contains("--parent"), "{hint}");
    assert_eq!(std::fs::read_to_string(at.join("cgroup.type")).unwrap(), "domain\n");
    assert_eq!(parent.tree(), [""; 0].map(PathBuf::from));
    // Best effort is the group without the limit.
    let run = named(&t, &parent).args(["--name", "web", "--pids-limit", "9", "--best-effort", "true"]).run();
    assert_eq!(run.code, Some(0));
    assert!(
        run.errors().contains("going on without: controller pids cannot be handed on"),
        "{}",
        run.errors()
    );
    assert_eq!(std::fs::read_to_string(at.join("cgroup.type")).unwrap(), "domain\n");
    named(&t, &parent).args(["--remove", "web"]).run().ok();
    drop(sleep);
}

/// Pitfall 12.
#[test]
fn a_frozen_group_stands_still_until_it_is_thawed() {
    let t = rings!(Host, Uml, Qemu);
    let Some(parent) = everywhere(&t) else { return };
    let mut held =
        named(&t, &parent).args(["--name", "web", "sh", "-c", "while echo x; do sleep 0.01; done"]).hold();
    named(&t, &parent).args(["--freeze", "web"]).run().ok();
    named(&t, &parent).args(["--freeze", "web"]).run().ok();
    let shown = json(&named(&t, &parent).args(["--stat", "web", "--json"]).run());
    assert_eq!(shown["state"], "frozen");
    assert!(named(&t, &parent).arg("--list").run().ok().contains(" frozen "));
    // All that it wrote before is read, and then nothing comes.
    std::thread::sleep(Duration::from_millis(100));
    while held.lines.try_recv().is_ok() {}
    std::thread::sleep(Duration::from_millis(300));
    assert!(held.lines.try_recv().is_err());
    let (line, hint) = refused(&named(&t, &parent).args(["--name", "web", "true"]).run());
    assert_eq!(line, "the group web is frozen");
    assert!(hint.contains("--thaw web"), "{hint}");
    named(&t, &parent).args(["--thaw", "web"]).run().ok();
    assert_eq!(held.next_line().as_deref(), Some("x"));
    let shown = json(&named(&t, &parent).args(["--stat", "web", "--json"]).run());
    assert_eq!(shown["state"], "running");
    // Who leaves a frozen group goes on.
    named(&t, &parent).args(["--freeze", "web"]).run().ok();
    remove(&t, &parent, "web");
    std::thread::sleep(Duration::from_millis(100));
    while held.lines.try_recv().is_ok() {}
    assert_eq!(held.next_line().as_deref(), Some("x"));
}

#[test]
fn nobody_freezes_or_kills_the_group_that_he_is_in() {
    let t = rings!(Host, Uml);
    let Some(parent) = everywhere(&t) else { return };
    for option in ["--freeze", "--kill"] {
        let inner = [tool_path("rcgexec").to_str().unwrap(), "--parent", &parent.name, option, "web"]
            .map(String::from);
        let (line, _) = refused(&named(&t, &parent).args(["--name", "web"]).args(inner).run());
        assert!(line.starts_with("we are in the group web ourselves"), "{line}");
    }
    // But he may leave it, and take all along.
    let script = format!(
        "{} --parent {} --remove web && cat /proc/self/cgroup",
        tool_path("rcgexec").display(),
        parent.name
    );
    let text = named(&t, &parent).args(["--name", "web", "sh", "-c", &script]).run().ok();
    assert_eq!(text, std::fs::read_to_string("/proc/self/cgroup").unwrap());
    assert_eq!(parent.tree(), [""; 0].map(PathBuf::from));
}

#[test]
fn killing_ends_a_fork_bomb_and_leaves_the_group_and_its_limits() {
    let t = rings!(Host, Uml, Qemu);
    let Some(parent) = everywhere(&t) else { return };
    let bomb = "$| = 1; print qq(ready\\n); while (1) { fork; select(undef, undef, undef, 0.01) }";
    let held = named(&t, &parent).args(["--name", "web", "--pids-limit", "60", "perl", "-e", bomb]).hold();
    let count = || procs(&dir(&parent, "web")).len();
    soon(|| count() > 40);
    named(&t, &parent).args(["--kill", "web"]).run().ok();
    assert_eq!(count(), 0);
    assert_eq!(most_pids(&parent, "web"), "60");
    drop(held);
    // Zombies that init has not buried yet are counted.
    let current = || std::fs::read_to_string(parent.dir("pids").join("web/pids.current")).unwrap();
    soon(|| current() == "0\n");
    // The frozen, too, and those in groups below. And it can be used again.
    let shell = "mkdir $1/sub && echo $$ >$1/sub/cgroup.procs; echo ready; exec sleep 1000";
    let web = dir(&parent, "web").display().to_string();
    let mut held = named(&t, &parent).args(["--name", "web", "sh", "-c", shell, "-", &web]).hold();
    named(&t, &parent).args(["--freeze", "web"]).run().ok();
    named(&t, &parent).args(["--kill", "web"]).run().ok();
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&held.wait()), Some(9));
    named(&t, &parent).args(["--thaw", "web"]).run().ok();
    named(&t, &parent).args(["--name", "web", "true"]).run().ok();
    remove(&t, &parent, "web");
}

#[test]
fn twenty_at_once_come_to_one_group() {
    let t = rings!(Host, Uml);
    let Some(parent) = everywhere(&t) else { return };
    for round in 0..if Ring::here().is_virtual() { 1 } else { 3 } {
        let start = |_| {
            let words = ["--name", "web", "--pids-limit", "99", "sh", "-c", "echo ready; exec sleep 1000"];
            named(&t, &parent).args(words).start()
        };
        let mut held: Vec<Held> = (0..20).map(start).collect();
        for one in &mut held {
            assert_eq!(one.next_line().as_deref(), Some("ready"), "round {round}");
        }
        let mut pids: Vec<i32> = held.iter().map(Held::pid).collect();
        pids.sort_unstable();
        let mut inside = procs(&dir(&parent, "web"));
        inside.sort_unstable();
        let groups = || pids.iter().map(|pid| groups_of(*pid)).collect::<Vec<_>>();
        assert_eq!(inside, pids, "{:#?}", groups());
        assert_eq!(most_pids(&parent, "web"), "99");
        assert!(pids.iter().all(|pid| group_in(&groups_of(*pid), "pids") == format!("/{}/web", parent.name)));
        // And all go back.
        remove(&t, &parent, "web");
        let own = std::fs::read_to_string("/proc/self/cgroup").unwrap();
        assert!(pids.iter().all(|pid| groups_of(*pid) == own));
    }
    // Made, and removed, by many: each finds all or nothing, and nothing stays.
    let words: Vec<Vec<&str>> = (0..40)
        .map(|n| {
            if n % 2 == 0 {
                vec!["--name", "web", "--pids-limit", "9", "true"]
            } else {
                vec!["--remove", "web"]
            }
        })
        .collect();
    let mut all: Vec<Held> = words.iter().map(|words| named(&t, &parent).args(words).start()).collect();
    for (one, words) in all.iter_mut().zip(&words) {
        let code = one.wait().code();
        assert!(code == Some(0) || words[0] == "--remove" && code == Some(125), "{words:?}: {code:?}");
    }
    let left = named(&t, &parent).args(["--remove", "web"]).run();
    assert!([Some(0), Some(125)].contains(&left.code));
    assert_eq!(parent.tree(), [""; 0].map(PathBuf::from));
}

#[test]
fn what_one_that_was_killed_left_half_made_is_completed_or_removed() {
    let t = rings!(Host, Uml);
    let Some(parent) = everywhere(&t) else { return };
    // As it is between two steps of its maker.
    let half = dir(&parent, "web");
    let leave = || {
        std::fs::create_dir(&half).unwrap();
        std::fs::set_permissions(&half, PermissionsExt::from_mode(0o1755)).unwrap();
    };
    leave();
    assert_eq!(named(&t, &parent).arg("--list").run().ok().lines().count(), 1);
    refused(&named(&t, &parent).args(["--stat", "web"]).run());
    named(&t, &parent).args(["--name", "web", "--pids-limit", "9", "true"]).run().ok();
    assert_eq!(most_pids(&parent, "web"), "9");
    remove(&t, &parent, "web");
    leave();
    remove(&t, &parent, "web");
    // And at any moment.
    for n in 0..40u64 {
        let words = ["--name", "web", "--pids-limit", "9", "sh", "-c", "exec sleep 1000"];
        let mut held = named(&t, &parent).args(words).start();
        std::thread::sleep(Duration::from_micros(n * n * 8));
        signal(held.pid(), Signal::SIGKILL);
        held.wait();
    }
    named(&t, &parent).args(["--name", "web", "--pids-limit", "7", "true"]).run().ok();
    assert_eq!(most_pids(&parent, "web"), "7");
    remove(&t, &parent, "web");
}

#[test]
fn names_are_checked_before_anything_is_done() {
    let t = rings!(Host, User);
    let long = "x".repeat(201);
    for name in [".", "..", "../x", "a/b", "cgroup.procs", "cpu.x", "tasks", "rcgexec-1", "a b", &long] {
        for option in ["--name", "--update", "--freeze", "--remove", "--stat"] {
            let (line, hint) = refused(&t.tool("rcgexec").args([option, name, "--pids-limit", "3"]).run());
            // Some are not asked so far, where a limit goes with nothing else.
            assert!(line.starts_with("no name for a group: ") || line.contains("sets no limits"), "{line}");
            assert_ne!(hint, "");
        }
        let (line, _) = refused(&t.tool("rcgexec").args(["--stat", name]).run());
        assert!(line.starts_with("no name for a group: "), "{line}");
    }
}

#[test]
fn roots_named_groups_are_in_one_that_comes_and_goes_with_them() {
    let mut t = rings!(Host, Uml);
    if !t.needs(find("pids").is_some(), "cgroups with pids") {
        return;
    }
    t.be_alone();
    let [home, pids] = [home(), hierarchy("pids")].map(|hierarchy| hierarchy.point.join("nskit"));
    if !t.needs(!home.exists() && !pids.exists(), "no named groups of others") {
        return;
    }
    let rcgexec = |words: &[&str]| t.tool("rcgexec").args(words).run();
    assert_eq!(rcgexec(&["--list"]).ok().lines().count(), 1);
    assert!(!home.exists());
    assert!(rcgexec(&["--name", "nskit-test-a", "--pids-limit", "9", "--dry-run"]).ok().contains("/nskit\n"));
    assert!(!home.exists());
    let held = t
        .tool("rcgexec")
        .args(["--name", "nskit-test-a", "--pids-limit", "9", "sh", "-c", "echo ready; exec sleep 1000"])
        .hold();
    rcgexec(&["--name", "nskit-test-b"]).ok();
    assert_eq!(group_in(&groups_of(held.pid()), "pids"), "/nskit/nskit-test-a");
    assert_eq!(std::fs::read_to_string(pids.join("nskit-test-a/pids.max")).unwrap(), "9\n");
    // systemd reads its units anew, and what it has not made itself keeps its limits all the same.
    if std::fs::read("/proc/1/comm").is_ok_and(|name| name == b"systemd\n") {
        t.program("systemctl").args(["daemon-reload"]).run().ok();
        assert_eq!(std::fs::read_to_string(pids.join("nskit-test-a/pids.max")).unwrap(), "9\n");
    }
    rcgexec(&["--remove", "nskit-test-a"]).ok();
    assert_eq!(groups_of(held.pid()), std::fs::read_to_string("/proc/self/cgroup").unwrap());
    assert!(home.join("nskit-test-b").exists());
    rcgexec(&["--remove", "nskit-test-b"]).ok();
    for hierarchy in hierarchies() {
        assert!(!hierarchy.point.join("nskit").exists(), "{hierarchy:?}");
    }
}

/// rcgexec as an ordinary user in this group of each hierarchy.
fn in_group(t: &Test, parent: &Parent, sub: &str, words: &[&str]) -> (Output, tempfile::TempDir) {
    let (dir, copy) = copy_for_all();
    let come: String = parent
        .dirs
        .iter()
        .map(|dir| format!("echo $$ >{}/cgroup.procs; ", dir.join(sub).display()))
        .collect();
    let code = format!("{come} cd /; exec setpriv --reuid={NOBODY} --regid={NOBODY} --clear-groups \"$@\"");
    let output = t.program("sh").args(["-c", &code, "-"]).args(words).env("R", copy.to_str().unwrap()).run();
    (output, dir)
}

#[test]
fn a_user_has_named_groups_below_what_belongs_to_him() {
    let t = rings!(Host, Uml);
    let Some(parent) = everywhere(&t) else { return };
    sub(&parent, "session");
    for dir in &parent.dirs {
        for group in [dir.clone(), dir.join("session")] {
            for file in ["", "cgroup.procs", "cgroup.threads", "tasks", "cgroup.subtree_control"] {
                let path = group.join(file);
                if path.exists() {
                    chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
                }
            }
        }
    }
    let user = |words: &[&str]| in_group(&t, &parent, "session", words).0;
    let script = |code: &str| user(&["sh", "-ec", code]);
    let text = script("$R --name web --pids-limit 30 cat /proc/self/cgroup").ok();
    assert_eq!(group_in(&text, "pids"), format!("/{}/nskit/web", parent.name));
    assert_eq!(most_pids(&parent, "nskit/web"), "30");
    // Another session finds it; a running process is moved, frozen, thawed, goes back; and all is gone.
    let code = "sleep 1000 & $R --name web --pid $!; $R --freeze web; $R --thaw web; $R --stat web; \
                cat /proc/$!/cgroup; $R --remove web; cat /proc/$!/cgroup; kill $!";
    let text = script(code).ok();
    assert!(text.contains("processes         1\n") || text.contains("processes "), "{text}");
    assert!(text.contains(&format!("/{}/nskit/web\n", parent.name)), "{text}");
    let end = text.rsplit_once("/nskit/web\n").unwrap().1;
    assert!(end.contains(&format!("/{}/session\n", parent.name)), "{text}");
    for dir in &parent.dirs {
        assert!(!dir.join("nskit").exists(), "{dir:?}");
    }
    // Of two processes, one of which is root's, none is moved.
    let sleep = sleeper(&t);
    let before = groups_of(sleep.pid());
    let code = format!(
        "sleep 1000 & trap 'kill $!' EXIT; $R --name web --pid $! --pid {} || {{ echo $?; cat /proc/$!/cgroup; }}",
        sleep.pid()
    );
    let output = script(&code);
    assert!(output.text().starts_with("125\n"), "{}\n{}", output.text(), output.errors());
    assert!(
        output.text().contains(&format!("/{}/session\n", parent.name))
            && !output.text().contains("nskit/web")
    );
    assert!(
        output.errors().starts_with("rcgexec: ") && output.errors().contains("hint: "),
        "{}",
        output.errors()
    );
    assert_eq!(groups_of(sleep.pid()), before);
    for dir in &parent.dirs {
        assert!(!dir.join("nskit").exists(), "{dir:?}");
    }
    // Root does not move anybody by what another wrote.
    script("$R --name web").ok();
    let nskit = format!("{}/nskit", parent.name);
    let (line, hint) = refused(&t.tool("rcgexec").args(["--parent", &nskit, "--remove", "web"]).run());
    assert!(line.ends_with("can be changed by others"), "{line}");
    assert!(hint.contains(&NOBODY.to_string()), "{hint}");
    script("$R --remove web").ok();
    drop(sleep);
    parent.remove_sub("session");
}

#[test]
fn a_user_to_whom_nothing_belongs_is_told_how_to_get_it() {
    let t = rings!(Host, Uml);
    if !t.needs(!hierarchies().is_empty(), "cgroups") {
        return;
    }
    let cases: [&[&str]; 4] =
        [&["--name", "web", "true"], &["--list"], &["--stat", "web"], &["--name", "web"]];
    for words in cases {
        let (line, hint) = refused(&t.tool("rcgexec").as_user().args(words).run());
        assert!(line.starts_with("no group above ours") && line.ends_with("belongs to this user"), "{line}");
        for way in ["systemd-run --user --scope -p Delegate=yes", "loginctl enable-linger", "--parent"] {
            assert!(hint.contains(way), "{hint}");
        }
    }
}

#[test]
fn what_systemd_manages_is_left_to_it() {
    let t = rings!(Uml);
    if !t.belongs(
        std::fs::read("/proc/1/comm").is_ok_and(|name| name == b"systemd\n"),
        "a machine with systemd",
    ) {
        return;
    }
    let Some(parent) = everywhere(&t) else { return };
    let run = ["-q", "-p", "DefaultDependencies=no", "--unit=nskit-named", "sleep", "1000"];
    t.program("systemd-run").args(run).run().ok();
    let show = ["show", "--value", "-p", "MainPID", "nskit-named.service"];
    let pid: i32 = t.program("systemctl").args(show).run().ok().trim().parse().unwrap();
    let before = groups_of(pid);
    for reference in [pid.to_string(), "unit:nskit-named".into()] {
        let (line, hint) = refused(&named(&t, &parent).args(["--name", "web", "--pid", &reference]).run());
        assert_eq!(
            line,
            format!("process {pid} is managed by systemd, in /system.slice/nskit-named.service")
        );
        assert!(
            hint.contains("`systemctl set-property --runtime nskit-named.service CPUQuota=...`"),
            "{hint}"
        );
        assert!(hint.contains("--force"), "{hint}");
    }
    assert_eq!(groups_of(pid), before);
    parent.assert_bare();
    named(&t, &parent).args(["--name", "web", "--force", "--pid", &pid.to_string()]).run().ok();
    assert_ne!(groups_of(pid), before);
    remove(&t, &parent, "web");
    assert_eq!(groups_of(pid), before);
    t.program("systemctl").args(["stop", "nskit-named.service"]).run().ok();
}
