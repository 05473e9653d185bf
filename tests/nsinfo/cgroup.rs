//! The section about control groups, beside groups that the test made.

use std::fs::{create_dir, read_to_string, write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{Held, Run, Test, signal, sleeps, soon, within};
use crate::rcgexec::{Hierarchy, Parent, find, hierarchies};

/// What nsinfo says of one process in this section, and why not all of it.
fn asked(run: Run<'_>) -> (Value, Vec<(String, String)>) {
    let text = run.args(["--section", "cgroup", "-J"]).run().ok();
    let said: Value = serde_json::from_str(&text).unwrap();
    let world = &said["worlds"][0];
    let word = |value: &Value| value.as_str().unwrap().to_string();
    let entries = world["unreadable"].as_array().unwrap().iter();
    let unreadable = entries.map(|entry| (word(&entry["key"]), word(&entry["reason"]))).collect();
    (world["cgroup"].clone(), unreadable)
}

fn said(t: &Test, pid: i32) -> Value {
    asked(t.tool("nsinfo").arg(pid.to_string())).0
}

/// The same for people, where it is one line: without the spaces at which it is broken.
fn page(t: &Test, pid: i32) -> String {
    let text = t.tool("nsinfo").args(["--section", "cgroup", &pid.to_string()]).run().ok();
    // A path of a group is as long as it is.
    assert!(text.lines().all(|line| line.len() <= 80 || line.contains(" /")), "{text}");
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A shell in these groups that does this, says that it is ready, and sleeps.
fn inside(t: &Test, dirs: &[PathBuf], script: &str) -> Held {
    let script = format!("for g; do echo 0 >\"$g/cgroup.procs\" || exit; done; {script}");
    t.program("sh").args(["-c", &script, "sh"]).args(dirs).hold()
}

fn sleeper(t: &Test, dirs: &[PathBuf]) -> Held {
    let held = inside(t, dirs, "echo ready; exec sleep 1000");
    soon(|| sleeps(held.pid()));
    held
}

/// Makes groups below those of a parent, to which controllers are handed on.
fn below(dirs: &[PathBuf], controllers: &[&str], name: &str) -> Vec<PathBuf> {
    for dir in dirs {
        for controller in controllers {
            let of_v2 = find(controller).is_some_and(|found| found.v2 && dir.starts_with(&found.point));
            if of_v2 {
                write(dir.join("cgroup.subtree_control"), format!("+{controller}")).unwrap();
            }
        }
        create_dir(dir.join(name)).unwrap();
    }
    dirs.iter().map(|dir| dir.join(name)).collect()
}

/// Removes groups when the test ends, those below first.
struct Groups(Vec<Vec<PathBuf>>);

impl Drop for Groups {
    fn drop(&mut self) {
        self.0.iter().rev().flatten().for_each(|dir| crate::rcgexec::remove(dir));
    }
}

fn is_v2(controller: &str) -> bool {
    find(controller).is_some_and(|hierarchy| hierarchy.v2)
}

/// The directory among these that is in the hierarchy of a controller.
fn dir<'d>(dirs: &'d [PathBuf], controller: &str) -> &'d Path {
    let point = find(controller).unwrap().point;
    dirs.iter().find(|dir| dir.starts_with(&point)).unwrap()
}

fn set(dirs: &[PathBuf], controller: &str, v1: &str, v2: &str, value: &str) {
    let file = if is_v2(controller) { v2 } else { v1 };
    write(dir(dirs, controller).join(file), value).unwrap();
}

fn quota(dirs: &[PathBuf], quota: u32, period: u32) {
    if is_v2("cpu") {
        return set(dirs, "cpu", "", "cpu.max", &format!("{quota} {period}"));
    }
    set(dirs, "cpu", "cpu.cfs_period_us", "", &period.to_string());
    set(dirs, "cpu", "cpu.cfs_quota_us", "", &quota.to_string());
}

fn memory(dirs: &[PathBuf], bytes: u64) {
    set(dirs, "memory", "memory.limit_in_bytes", "memory.max", &bytes.to_string());
}

fn pids(dirs: &[PathBuf], most: u32) {
    set(dirs, "pids", "pids.max", "pids.max", &most.to_string());
}

const ALL: &[&str] = &["cpu", "memory", "pids"];

#[test]
fn what_may_be_used_is_the_least_of_all_groups_above_with_the_one_that_sets_it() {
    let t = rings!(Host, Uml, Qemu);
    let Some(parent) = Parent::only(&t, ALL) else { return };
    let outer = parent.dirs.clone();
    let middle = below(&outer, ALL, "middle");
    let inner = below(&middle, ALL, "inner");
    let _groups = Groups(vec![middle.clone(), inner.clone()]);
    // Version 1 takes no larger share below than above.
    quota(&outer, 20_000, 100_000);
    quota(&inner, if is_v2("cpu") { 50_000 } else { 10_000 }, if is_v2("cpu") { 100_000 } else { 50_000 });
    memory(&outer, 256 << 20);
    memory(&middle, 64 << 20);
    memory(&inner, 128 << 20);
    pids(&outer, 100);
    pids(&inner, 10);
    let held = sleeper(&t, &inner);
    let may = said(&t, held.pid())["may_use"].clone();
    let set_by = |dirs: &[PathBuf], controller| json!(dir(dirs, controller).to_str().unwrap());
    let cpus = &may["cpus"];
    assert_eq!(cpus["count"], 0.2, "{cpus}");
    assert_eq!([&cpus["quota_usec"], &cpus["period_usec"]], [&json!(20_000), &json!(100_000)]);
    assert_eq!(cpus["set_by"], set_by(&outer, "cpu"));
    assert_eq!(may["memory"]["limit_bytes"], 64 << 20, "{may}");
    assert_eq!(may["memory"]["set_by"], set_by(&middle, "memory"));
    let used = may["memory"]["used_bytes"].as_u64().unwrap();
    assert!((1..32 << 20).contains(&used), "{used}");
    assert_eq!([&may["pids"]["limit"], &may["pids"]["used"]], [&json!(10), &json!(1)]);
    assert_eq!(may["pids"]["set_by"], set_by(&inner, "pids"));
    for key in ["cpus", "memory", "pids"] {
        assert_eq!(may[key]["hidden_above"], false, "{key}");
    }
    let meminfo = read_to_string("/proc/meminfo").unwrap();
    let total = meminfo.lines().next().unwrap().split_whitespace().nth(1).unwrap();
    assert_eq!(may["machine"]["memory_bytes"], total.parse::<u64>().unwrap() * 1024);
    let online = nix::unistd::sysconf(nix::unistd::SysconfVar::_NPROCESSORS_ONLN).unwrap().unwrap();
    assert_eq!(may["machine"]["cpus"], online);
    let page = page(&t, held.pid());
    let above = |dirs: &[PathBuf], controller| format!("set by {}", dir(dirs, controller).display());
    for words in [
        format!("CPUs 0.2 of {online}, 20 ms in each 100 ms, {}", above(&outer, "cpu")),
        "memory 64 MiB of ".to_string(),
        format!("in use, {}", above(&middle, "memory")),
        "processes 10 and threads, 1 in use, set by its own group".to_string(),
        format!("nproc tells {online}: not what it may use"),
        "inside /proc/meminfo tells ".to_string(),
    ] {
        assert!(page.contains(&words), "{words}: {page}");
    }

    // Groups of others may be looked at by everybody, of a process that is closed.
    let (user, unreadable) = asked(t.tool("nsinfo").as_user().arg(held.pid().to_string()));
    assert_eq!(user["may_use"]["memory"]["limit_bytes"], 64 << 20);
    assert_eq!(user["groups"][0]["namespace_root"], Value::Null);
    assert_eq!(user["namespace"], json!({"ours": null, "initial": null}));
    assert!(unreadable.iter().any(|(key, _)| key == "cgroup.groups.namespace_root"), "{unreadable:?}");

    // Nothing is limited any more, but by the machine.
    pids(&inner, 50);
    let may = said(&t, held.pid())["may_use"].clone();
    assert_eq!(may["pids"]["limit"], 50);
}

#[test]
fn a_group_above_that_others_have_filled_leaves_less_than_the_smallest_limit() {
    let t = rings!(Host, Uml, Qemu);
    let Some(parent) = Parent::only(&t, &["pids"]) else { return };
    let outer = parent.dirs.clone();
    let (ours, others) = (below(&outer, &["pids"], "ours"), below(&outer, &[], "others"));
    let _groups = Groups(vec![ours.clone(), others.clone()]);
    pids(&outer, 20);
    pids(&ours, 10);
    let held = sleeper(&t, &ours);
    assert_eq!(said(&t, held.pid())["may_use"]["pids"]["tightest"], Value::Null);
    let script = "for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15; do sleep 1000 & done; echo ready; wait";
    let _busy = inside(&t, &others, script);
    let said = said(&t, held.pid())["may_use"]["pids"].clone();
    assert_eq!(said["limit"], 10);
    let above = outer[0].to_str().unwrap();
    assert_eq!(said["tightest"], json!({"limit": 20, "used": 17, "set_by": above}));
    let page = page(&t, held.pid());
    assert!(page.contains(&format!("only 3 more, 17 of 20 are in use in {above}")), "{page}");
}

#[test]
fn cpus_are_those_of_the_cpuset_or_fewer_to_which_it_was_bound() {
    let t = rings!(Host, Qemu);
    let Some(parent) = Parent::only(&t, &["cpuset"]) else { return };
    let online = std::thread::available_parallelism().unwrap().get();
    if !t.belongs(online > 1, "machines with several CPUs") || !t.has("taskset") {
        return;
    }
    let dirs = &parent.dirs;
    if !is_v2("cpuset") {
        std::fs::copy(dirs[0].join("../cpuset.mems"), dirs[0].join("cpuset.mems")).unwrap();
    }
    write(dirs[0].join("cpuset.cpus"), "1").unwrap();
    let held = sleeper(&t, dirs);
    let cpus = said(&t, held.pid())["may_use"]["cpus"].clone();
    let told = ["count", "allowed", "cpuset", "quota_usec"].map(|key| cpus[key].clone());
    assert_eq!(told, [json!(1), json!("1"), json!("1"), Value::Null]);
    let text = page(&t, held.pid());
    assert!(
        text.contains("CPUs 1 of ") && text.contains("only on CPU 1 (the cpuset of its group)"),
        "{text}"
    );
    drop(held);

    write(dirs[0].join("cpuset.cpus"), "0-1").unwrap();
    let held = inside(&t, dirs, "taskset -pc 0 $$ >/dev/null; echo ready; exec sleep 1000");
    let cpus = said(&t, held.pid())["may_use"]["cpus"].clone();
    let told = ["count", "allowed", "cpuset"].map(|key| cpus[key].clone());
    assert_eq!(told, [json!(1), json!("0"), json!("0-1")]);
    let text = page(&t, held.pid());
    assert!(text.contains("only on CPU 0 (it was bound to them: sched_setaffinity(2))"), "{text}");
}

/// Thaws a group in any case: of version 1 nobody in it could be ended.
struct Ice(PathBuf, &'static str);

impl Ice {
    fn freeze(group: &Path, file: &str, words: [&'static str; 2]) -> Ice {
        let ice = Ice(group.join(file), words[1]);
        write(&ice.0, words[0]).unwrap();
        ice
    }
}

impl Drop for Ice {
    fn drop(&mut self) {
        let _ = write(&self.0, self.1);
    }
}

#[test]
fn a_frozen_process_is_told_with_the_group_that_is_to_be_thawed() {
    let t = rings!(Host, Uml, Qemu);
    let v1 = find("freezer").filter(|freezer| !freezer.v2);
    let v2 = hierarchies().into_iter().find(|hierarchy| hierarchy.v2);
    let freezers: Vec<(Hierarchy, &str, [&str; 2])> = [
        v1.map(|found| (found, "freezer.state", ["FROZEN", "THAWED"])),
        v2.map(|found| (found, "cgroup.freeze", ["1", "0"])),
    ]
    .into_iter()
    .flatten()
    .collect();
    if !t.belongs(!freezers.is_empty(), "machines with control groups") {
        return;
    }
    for (hierarchy, file, words) in freezers {
        let parent = Parent::below(vec![hierarchy.point]);
        let inner = below(&parent.dirs, &[], "inner");
        let _groups = Groups(vec![inner.clone()]);
        let held = sleeper(&t, &inner);
        let state = || said(&t, held.pid())["frozen"].clone();
        assert_eq!(state(), json!({"state": "thawed", "by": null}));
        assert!(page(&t, held.pid()).contains("frozen no"), "{file}");
        for group in [&parent.dirs[0], &inner[0]] {
            let _ice = Ice::freeze(group, file, words);
            let expected = json!({"state": "frozen", "by": group.to_str().unwrap()});
            assert!(within(Duration::from_secs(5), || state() == expected), "{file}: {}", state());
            let page = page(&t, held.pid());
            let whose = match group == &inner[0] {
                true => "its own group".to_string(),
                false => group.display().to_string(),
            };
            assert!(page.contains(&format!("frozen yes: it does not run, set by {whose}")), "{page}");
        }
        soon(|| state()["state"] == "thawed");
    }
}

#[test]
fn time_lost_to_a_quota_is_told_where_it_is_counted_and_cpu_time_where_it_was_used() {
    let t = rings!(Host, Uml, Qemu);
    let Some(parent) = Parent::new(&t, &["cpu"]) else { return };
    let outer = parent.dirs.clone();
    let inner = below(&outer, &["cpu"], "inner");
    let _groups = Groups(vec![inner.clone()]);
    quota(&outer, 5000, 50_000);
    let held = inside(&t, &inner, "echo ready; while :; do :; done");
    let stat = || {
        let text = read_to_string(dir(&outer, "cpu").join("cpu.stat")).unwrap();
        ["nr_periods", "nr_throttled"].map(|key| {
            let line = text.lines().find_map(|line| line.strip_prefix(key)).unwrap();
            line.trim().parse::<u64>().unwrap()
        })
    };
    soon(|| stat()[1] >= 2);
    let before = stat();
    let said = said(&t, held.pid());
    let page = page(&t, held.pid());
    signal(held.pid(), nix::sys::signal::Signal::SIGSTOP);
    let after = stat();
    let throttling = said["may_use"]["cpus"]["throttling"].as_array().unwrap();
    assert_eq!(throttling.len(), 1, "{throttling:?}");
    assert_eq!(throttling[0]["group"], dir(&outer, "cpu").to_str().unwrap());
    for (at, key) in ["periods", "throttled_periods"].iter().enumerate() {
        let number = throttling[0][key].as_u64().unwrap();
        assert!((before[at]..=after[at]).contains(&number), "{key} {number}: {before:?} {after:?}");
    }
    assert!(throttling[0]["throttled_usec"].as_u64().unwrap() > 0);
    assert!(page.contains("throttled ") && page.contains(" s, by that set by /"), "{page}");
    // The group of version 2 counts it, whatever controls the CPU.
    let used = said["usage"]["cpu_usec"].as_u64().unwrap();
    assert!((5000..20_000_000).contains(&used), "{used}");
    let parts = ["cpu_user_usec", "cpu_system_usec"].map(|key| said["usage"][key].as_u64().unwrap());
    assert!(parts.iter().sum::<u64>().abs_diff(used) <= 2, "{used} {parts:?}");
    assert!(page.contains("CPU time ") && page.contains(" s in programs, "), "{page}");
}

#[test]
fn pressure_is_that_of_its_group() {
    let t = rings!(Host, Qemu);
    let v2 = hierarchies().into_iter().find(|hierarchy| hierarchy.v2);
    if !t.belongs(v2.is_some(), "machines with version 2") {
        return;
    }
    let parent = Parent::below(vec![v2.unwrap().point]);
    let file = parent.dirs[0].join("cpu.pressure");
    if !t.belongs(read_to_string(&file).is_ok(), "kernels that count pressure") {
        return;
    }
    let held = sleeper(&t, &parent.dirs);
    let total = |kind: &str| {
        let text = read_to_string(&file).unwrap();
        let line = text.lines().find(|line| line.starts_with(kind))?.to_string();
        Some(line.split("total=").nth(1).unwrap().parse::<u64>().unwrap())
    };
    let before = total("some").unwrap();
    let said = said(&t, held.pid())["pressure"].clone();
    let number = said["cpu"]["some"]["total_usec"].as_u64().unwrap();
    assert!((before..=total("some").unwrap()).contains(&number), "{said}");
    assert_eq!(said["cpu"]["full"].is_object(), total("full").is_some());
    for key in ["avg10", "avg60", "avg300"] {
        assert!((0.0..=100.0).contains(&said["cpu"]["some"][key].as_f64().unwrap()), "{said}");
    }
    for of in ["memory", "io"] {
        assert!(said[of]["some"]["total_usec"].is_u64(), "{said}");
    }
    assert!(page(&t, held.pid()).contains("FOR WHO 10 S 60 S 300 S IN ALL cpu some "), "{said}");
}

#[test]
fn what_was_used_and_killed_is_counted() {
    let t = rings!(Host, Uml, Qemu);
    let Some(parent) = Parent::only(&t, &["memory", "pids"]) else { return };
    memory(&parent.dirs, 16 << 20);
    // Where there is swap it shall not help.
    let swap = if is_v2("memory") { "memory.swap.max" } else { "memory.memsw.limit_in_bytes" };
    let value = if is_v2("memory") { "0" } else { "16777216" };
    let _ = write(dir(&parent.dirs, "memory").join(swap), value);
    let script =
        "dd if=/dev/zero of=/dev/null bs=200M count=1 status=none 2>/dev/null; echo ready; exec sleep 1000";
    let held = inside(&t, &parent.dirs, script);
    let said = said(&t, held.pid());
    let usage = &said["usage"];
    assert_eq!([&usage["oom_kills"], &usage["pids"]], [&json!(1), &json!(1)], "{usage}");
    let memory = usage["memory_bytes"].as_u64().unwrap();
    assert!((1..=16 << 20).contains(&memory), "{usage}");
    let page = page(&t, held.pid());
    assert!(page.contains("oom kills 1"), "{page}");
    let value = format!(" 16 MiB {}", dir(&parent.dirs, "memory").display());
    assert!(page.contains(&value), "as set: {page}");
}

/// A process in a cgroup namespace whose root is the first of these groups, in the second.
fn rooted(t: &Test, root: &[PathBuf], inner: &[PathBuf]) -> Held {
    let script = r#"n=$1; shift; i=0
        while [ $i -lt $n ]; do echo 0 >"$1/cgroup.procs" || exit; shift; i=$((i + 1)); done
        exec unshare -C sh -c 'for g; do echo 0 >"$g/cgroup.procs" || exit; done; echo ready; exec sleep 1000' sh "$@""#;
    let run = t.program("sh").args(["-c", script, "sh", &root.len().to_string()]);
    let held = run.args(root).args(inner).hold();
    soon(|| sleeps(held.pid()));
    held
}

#[test]
fn the_root_of_its_cgroup_namespace_is_where_it_was_made() {
    let t = rings!(Host, Uml, Qemu);
    let Some(parent) = Parent::new(&t, &["pids"]) else { return };
    // No controller is handed on: it has to be in the upper one at first.
    let inner = below(&parent.dirs, &[], "in:ner");
    let _groups = Groups(vec![inner.clone()]);
    let held = rooted(&t, &parent.dirs, &inner);
    let (told, unreadable) = asked(t.tool("nsinfo").arg(held.pid().to_string()));
    assert_eq!(unreadable, []);
    assert_eq!(told["namespace"], json!({"ours": false, "initial": false}));
    let ours: Vec<String> = parent.dirs.iter().map(|dir| dir.display().to_string()).collect();
    for group in told["groups"].as_array().unwrap() {
        let is_ours = ours.iter().any(|dir| group["dir"].as_str().unwrap().starts_with(dir));
        if is_ours {
            assert_eq!(group["namespace_root"], format!("/{}", parent.name), "{group}");
            assert_eq!(group["path"], format!("/{}/in:ner", parent.name), "{group}");
        } else {
            assert_eq!(group["namespace_root"], group["path"], "{group}");
        }
    }
    let text = page(&t, held.pid());
    assert!(text.contains("namespace not ours: what it takes for / is told as its root"), "{text}");
    assert!(text.contains(&format!("/{0} /{0}/in:ner", parent.name)), "{text}");
    // It is moved out, and nobody says from where.
    for dir in &inner {
        let out = dir.parent().unwrap().parent().unwrap().join("cgroup.procs");
        write(out, held.pid().to_string()).unwrap();
    }
    let (told, unreadable) = asked(t.tool("nsinfo").arg(held.pid().to_string()));
    let null = told["groups"].as_array().unwrap().iter().filter(|group| group["namespace_root"].is_null());
    assert_eq!(null.count(), inner.len(), "{told}");
    let why = "its group lies outside of its cgroup namespace".to_string();
    assert_eq!(unreadable, [("cgroup.groups.namespace_root".to_string(), why)]);
}

#[test]
fn limits_above_what_is_mounted_are_hidden_and_that_is_said() {
    let t = rings!(Host, Uml, Qemu);
    let Some(parent) = Parent::only(&t, &["pids"]) else { return };
    let inner = below(&parent.dirs, &["pids"], "inner");
    let _groups = Groups(vec![inner.clone()]);
    pids(&parent.dirs, 30);
    pids(&inner, 40);
    let point = find("pids").unwrap().point;
    let kind = if is_v2("pids") { "-t cgroup2" } else { "-t cgroup -o pids" };
    let script = format!(
        "echo 0 >\"$1/cgroup.procs\" && exec unshare -m -C --propagation private sh -c 'umount -l {0} && mount {kind} none {0} && exec \"$@\"' sh {1} --section cgroup -J",
        point.display(),
        crate::harness::tool_path("nsinfo").display()
    );
    let text = t.program("sh").args(["-c", &script, "sh"]).args(&inner).run().ok();
    let said: Value = serde_json::from_str(&text).unwrap();
    let said = &said["worlds"][0]["cgroup"];
    let pids = &said["may_use"]["pids"];
    assert_eq!([&pids["limit"], &pids["hidden_above"]], [&json!(40), &json!(true)], "{said}");
    let text = t.program("sh").args(["-c", &script.replace(" -J", ""), "sh"]).args(&inner).run().ok();
    let page = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let words = "hidden limits of groups above those that are mounted here hold too, and cannot be seen";
    assert!(page.contains(words), "{page}");
}

#[test]
fn a_path_that_is_the_same_in_all_hierarchies_is_said_once() {
    let t = rings!(Host);
    let Some(parent) = Parent::everywhere(&t) else { return };
    if !t.belongs(parent.dirs.len() > 1, "several hierarchies") {
        return;
    }
    let held = sleeper(&t, &parent.dirs);
    let text = page(&t, held.pid());
    let groups = read_to_string(format!("/proc/{}/cgroup", held.pid())).unwrap();
    let spelled = |line: &str| {
        let words: Vec<&str> = line.splitn(3, ':').collect();
        format!("{}:{}", words[0], if words[1].is_empty() { "(v2)" } else { words[1] })
    };
    let all: Vec<String> = groups.lines().map(spelled).collect();
    let once = format!("path /{} the same in {}", parent.name, all.join(", "));
    assert!(text.contains(&once) && !text.contains("HIERARCHY"), "{text}");
    // With the root of a namespace of its own.
    let held = rooted(&t, &parent.dirs, &[]);
    let text = page(&t, held.pid());
    let once = format!("its root /{} {once}", parent.name);
    assert!(text.contains(&once) && !text.contains("HIERARCHY"), "{text}");
}
