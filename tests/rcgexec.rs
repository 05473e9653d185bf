//! rcgexec on the live kernel, beside cgexec where that is installed.
//!
//! Where a controller is, and what its files are called, is asked of the machine: the tests that say so run on
//! version 2 as well. Every group that is made is below one that the test made and removes, but for the one
//! test about the usual place.

mod rendering;
mod report;

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::harness::{NOBODY, Output, Ring, Run, Test, tool_path, within};
use crate::runshare::{CTRL_C, Terminal};

/// The hierarchy that has a controller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hierarchy {
    /// Where it is mounted.
    pub point: PathBuf,
    pub v2: bool,
    /// What stands for it in /proc/PID/cgroup.
    pub key: String,
}

/// Every hierarchy that is mounted.
pub fn hierarchies() -> Vec<Hierarchy> {
    let keys = std::fs::read_to_string("/proc/self/cgroup").unwrap();
    let keys: Vec<&str> = keys.lines().map(|line| line.split(':').nth(1).unwrap()).collect();
    let mut found: Vec<Hierarchy> = Vec::new();
    for line in std::fs::read_to_string("/proc/self/mountinfo").unwrap().lines() {
        let (mount, file_system) = line.split_once(" - ").unwrap();
        let mut file_system = file_system.split(' ');
        let v2 = match file_system.next().unwrap() {
            "cgroup" => false,
            "cgroup2" => true,
            _ => continue,
        };
        let options: Vec<&str> = file_system.nth(1).unwrap().split(',').collect();
        let belongs = |key: &&&str| key.split(',').all(|name| !name.is_empty() && options.contains(&name));
        let key = if v2 { "" } else { keys.iter().find(belongs).unwrap() };
        if found.iter().all(|known| known.key != key) {
            found.push(Hierarchy { point: mount.split(' ').nth(4).unwrap().into(), v2, key: key.into() });
        }
    }
    found
}

pub fn find(controller: &str) -> Option<Hierarchy> {
    let has = |hierarchy: &Hierarchy| {
        let file = hierarchy.point.join("cgroup.controllers");
        let names = if hierarchy.v2 {
            std::fs::read_to_string(file).unwrap().replace(' ', ",")
        } else {
            hierarchy.key.clone()
        };
        names.trim_end().split(',').any(|name| name == controller)
    };
    // One that version 1 has is not listed by version 2.
    hierarchies().into_iter().find(has)
}

fn hierarchy(controller: &str) -> Hierarchy {
    find(controller).unwrap_or_else(|| panic!("no controller {controller}"))
}

/// The group of a process, from what /proc/PID/cgroup says.
fn group_in(text: &str, controller: &str) -> String {
    let key = hierarchy(controller).key;
    let line = text.lines().map(|line| line.splitn(3, ':').collect::<Vec<_>>()).find(|line| line[1] == key);
    line.unwrap()[2].to_string()
}

/// A group of the test's own in the hierarchy of each of these controllers. When it is dropped, nothing may be
/// left below it.
pub struct Parent {
    /// Its path, the same in each hierarchy.
    pub name: String,
    /// Its directories.
    pub dirs: Vec<PathBuf>,
}

impl Parent {
    /// Skips the test, or fails it, where this kernel or layout lacks a controller.
    pub fn new(t: &Test, controllers: &[&str]) -> Option<Parent> {
        for name in controllers {
            if !t.needs(find(name).is_some(), &format!("controller {name}")) {
                return None;
            }
        }
        Some(Parent::below(controllers.iter().map(|controller| hierarchy(controller).point).collect()))
    }

    /// One in every hierarchy, those with only a name too. None where there is none.
    pub fn everywhere(t: &Test) -> Option<Parent> {
        let all = hierarchies();
        if !t.needs(!all.is_empty(), "cgroups") {
            return None;
        }
        let parent = Parent::below(all.iter().map(|hierarchy| hierarchy.point.clone()).collect());
        // An empty cpuset of version 1 takes nobody.
        for dir in &parent.dirs {
            for file in ["cpuset.cpus", "cpuset.mems"].map(|file| (dir.join(file), dir.join("..").join(file)))
            {
                if file.1.exists() {
                    std::fs::copy(file.1, file.0).unwrap();
                }
            }
        }
        Some(parent)
    }

    pub fn below(mut points: Vec<PathBuf>) -> Parent {
        use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("nskit-test-{}-{}", std::process::id(), COUNT.fetch_add(1, Relaxed));
        points.sort();
        points.dedup();
        let mut parent = Parent { name, dirs: Vec::new() };
        for point in points {
            let dir = point.join(&parent.name);
            std::fs::create_dir(&dir).unwrap();
            parent.dirs.push(dir);
        }
        parent
    }

    /// Its directory in the hierarchy of a controller.
    pub fn dir(&self, controller: &str) -> PathBuf {
        hierarchy(controller).point.join(&self.name)
    }

    /// A group below it, in each hierarchy.
    pub fn sub(&self, name: &str) -> String {
        self.dirs.iter().for_each(|dir| std::fs::create_dir(dir.join(name)).unwrap());
        format!("{}/{name}", self.name)
    }

    /// Removes a group that `sub` made.
    pub fn remove_sub(&self, name: &str) {
        self.dirs.iter().for_each(|dir| remove(&dir.join(name)));
    }

    /// The groups below it.
    fn tree(&self) -> Vec<PathBuf> {
        self.dirs.iter().flat_map(|dir| below(dir)).collect()
    }

    #[track_caller]
    fn assert_bare(&self) {
        assert_eq!(self.tree(), [""; 0].map(PathBuf::from));
        for dir in &self.dirs {
            assert_eq!(std::fs::read_to_string(dir.join("cgroup.procs")).unwrap(), "", "{dir:?}");
        }
    }
}

impl Drop for Parent {
    fn drop(&mut self) {
        let left = self.tree();
        for dir in &self.dirs {
            for group in below(dir).iter().rev().chain([dir]) {
                remove(group);
            }
        }
        if !std::thread::panicking() {
            assert_eq!(left, [""; 0].map(PathBuf::from));
        }
    }
}

/// Ends what is in a group of the test, and removes it.
pub fn remove(group: &Path) {
    let removed = within(Duration::from_secs(5), || {
        let pids = std::fs::read_to_string(group.join("cgroup.procs")).unwrap_or_default();
        for pid in pids.lines() {
            let _ = kill(Pid::from_raw(pid.parse().unwrap()), Signal::SIGKILL);
        }
        std::fs::remove_dir(group).is_ok() || !group.exists()
    });
    if !std::thread::panicking() {
        assert!(removed, "{group:?}");
    }
}

/// The directories below, those above first.
fn below(dir: &Path) -> Vec<PathBuf> {
    let entries: Vec<_> =
        std::fs::read_dir(dir).map(|entries| entries.flatten().collect()).unwrap_or_default();
    let dirs = entries.into_iter().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    dirs.flat_map(|entry| [vec![entry.path()], below(&entry.path())].concat()).collect()
}

/// rcgexec with groups below this one.
fn limited<'a>(t: &'a Test, parent: &Parent) -> Run<'a> {
    t.tool("rcgexec").args(["--parent", &parent.name])
}

fn rcgexec() -> &'static str {
    tool_path("rcgexec").to_str().unwrap()
}

/// A file of a group, and what it must hold.
type Fact = (&'static str, &'static str, String);

fn cpu(quota: &str, period: &str) -> Vec<Fact> {
    if hierarchy("cpu").v2 {
        return vec![("cpu", "cpu.max", format!("{quota} {period}"))];
    }
    let quota = if quota == "max" { "-1" } else { quota };
    vec![("cpu", "cpu.cfs_quota_us", quota.into()), ("cpu", "cpu.cfs_period_us", period.into())]
}

fn memory(bytes: &str) -> Vec<Fact> {
    if hierarchy("memory").v2 {
        return vec![("memory", "memory.max", bytes.into())];
    }
    // Nothing above it can be written: the last whole page.
    let bytes = if bytes == "max" { "9223372036854771712" } else { bytes };
    vec![("memory", "memory.limit_in_bytes", bytes.into())]
}

fn pids(number: &str) -> Vec<Fact> {
    vec![("pids", "pids.max", number.into())]
}

/// Shell code by which `group CONTROLLER` puts the directory of the shell's own group into `g`.
fn group_code() -> String {
    let mut code = "group() { case $1 in".to_string();
    for controller in ["cpu", "memory", "pids"] {
        let Some(Hierarchy { point, key, .. }) = find(controller) else { continue };
        code += &format!(" {controller}) key='{key}' point='{}' ;;", point.display());
    }
    code + " esac; while IFS=: read -r _ k p; do [ \"$k\" = \"$key\" ] && g=$point$p; done </proc/self/cgroup; }; "
}

/// Shell code that prints the shell's own group and what its files hold.
fn look(facts: &[Fact]) -> String {
    let line = |(controller, file, _): &Fact| {
        format!("group {controller}; read -r v <$g/{file}; echo $g {file} $v; ")
    };
    facts.iter().map(line).fold(group_code(), |code, line| code + &line)
}

/// That each file held what it must, in a transient group directly below this one.
#[track_caller]
fn assert_held(text: &str, facts: &[Fact], parent: &Parent) {
    let mut lines = text.lines();
    for (controller, file, value) in facts {
        let line = lines.next().unwrap_or_else(|| panic!("no line for {file}: {text}"));
        let (group, held) = line.split_once(' ').unwrap();
        assert_eq!(held, format!("{file} {value}"));
        assert_eq!(Path::new(group).parent().unwrap(), parent.dir(controller));
    }
    assert_eq!(lines.next(), None);
}

/// What it said when it refused: one line, and a hint or nothing. It said it with status 125.
#[track_caller]
fn refused(output: &Output) -> (String, String) {
    let errors = output.errors();
    let mut lines = errors.lines();
    assert_eq!((output.code, output.text().as_str()), (Some(125), ""), "{}\n{errors}", output.shown);
    let line = lines.next().unwrap_or_default().strip_prefix("rcgexec: ").unwrap_or_default().to_string();
    assert_ne!(line, "", "{}\n{errors}", output.shown);
    let hint = lines.next().map_or("", |hint| hint.strip_prefix("hint: ").unwrap()).to_string();
    assert_eq!(lines.next(), None, "one line and a hint: {}", output.shown);
    (line, hint)
}

fn code(status: ExitStatus) -> Option<i32> {
    status.code()
}

// Joining.

#[test]
fn a_group_is_joined_for_the_controllers_that_are_named() {
    let t = rings!(Host, Uml, Qemu);
    let Some(parent) = Parent::new(&t, &["cpu", "pids"]) else { return };
    let [a, b] = ["a", "b"].map(|name| parent.sub(name));
    // Options, and the groups for cpu and pids.
    let own = std::fs::read_to_string("/proc/self/cgroup").unwrap();
    let path = |group: &str| format!("/{group}");
    let v2 = hierarchy("cpu").v2;
    let kept = |joined: &str| if v2 { path(joined) } else { group_in(&own, "pids") };
    #[rustfmt::skip]
    let cases: Vec<(Vec<String>, String, String)> = vec![
        (vec![format!("-gcpu:{a}")], path(&a), kept(&a)),
        (vec![format!("-gcpu:/{a}/")], path(&a), kept(&a)),
        (vec![format!("-gcpu://{}//a", parent.name)], path(&a), kept(&a)),
        (vec![format!("-gcpu,pids:{a}")], path(&a), path(&a)),
        (vec![format!("--group=,cpu,,pids,:{a}")], path(&a), path(&a)),
        (vec![format!("-gcpu:{a}"), format!("-gcpu:{b}")], path(&b), kept(&b)),
        (vec![format!("-gcpu,pids:{a}"), format!("-gpids:{b}")], path(if v2 { &b } else { &a }), path(&b)),
        (vec![format!("-gcpu,pids:{a}"), "-gcpu,pids:/".into()], "/".into(), "/".into()),
    ];
    let before = parent.tree();
    for (options, cpu, pids) in cases {
        let text = t.tool("rcgexec").args(&options).args(["cat", "/proc/self/cgroup"]).run().ok();
        assert_eq!((group_in(&text, "cpu"), group_in(&text, "pids")), (cpu, pids), "{options:?}");
        // Nothing is made, and nothing removed.
        assert_eq!(parent.tree(), before);
    }
    ["a", "b"].iter().for_each(|name| parent.remove_sub(name));
}

#[test]
fn joining_makes_no_process_and_gives_the_group_no_limit() {
    let t = rings!(Host, Uml, Qemu);
    let Some(parent) = Parent::new(&t, &["pids"]) else { return };
    let run = t.tool("rcgexec").args(["-g", &format!("pids:{}", parent.name)]);
    let held = run.args(["sh", "-c", "echo $$; exec sleep 1000"]).hold();
    assert_eq!(held.line, held.pid().to_string());
    let procs = || std::fs::read_to_string(parent.dir("pids").join("cgroup.procs")).unwrap();
    assert_eq!(procs(), format!("{}\n", held.pid()));
    if !hierarchy("pids").v2 {
        assert_eq!(std::fs::read_to_string(parent.dir("pids").join("pids.max")).unwrap(), "max\n");
    }
    drop(held);
    assert!(within(Duration::from_secs(5), || procs().is_empty()));
}

#[test]
fn a_star_joins_in_every_hierarchy_and_no_name_in_that_of_version_2() {
    let t = rings!(Host, Uml, Qemu);
    let Some(parent) = Parent::everywhere(&t) else { return };
    let all = hierarchies();
    let groups =
        |options: &str| t.tool("rcgexec").args(["-g", options]).args(["cat", "/proc/self/cgroup"]).run().ok();
    let text = groups(&format!("*:{}", parent.name));
    for Hierarchy { key, .. } in &all {
        assert!(
            text.lines().any(|line| line.ends_with(&format!(":{key}:/{}", parent.name))),
            "{key}: {text}"
        );
    }
    if all.iter().any(|hierarchy| hierarchy.v2) {
        let text = groups(&format!(":{}", parent.name));
        assert_eq!(text.lines().filter(|line| line.ends_with(&parent.name)).count(), 1, "{text}");
        assert!(text.lines().any(|line| line == format!("0::/{}", parent.name)), "{text}");
    }
    // One hierarchy that lacks it is enough to fail, and then nothing was joined.
    let Some(part) = Parent::new(&t, &["cpu"]) else { return };
    if all.len() > 1 {
        let run = t.tool("rcgexec").args([&format!("-g*:{}", part.name), "true"]).run();
        assert!(refused(&run).0.ends_with("No such file or directory"));
    }
}

#[test]
fn groups_are_joined_as_by_cgexec() {
    let t = rings!(Host);
    if !t.has("cgexec") {
        return;
    }
    let Some(parent) = Parent::new(&t, &["cpu", "pids"]) else { return };
    let [a, b] = ["a", "b"].map(|name| parent.sub(name));
    let [cpu_a, cpu_b, both, slash] =
        [format!("cpu:{a}"), format!("cpu:{b}"), format!("cpu,pids:{a}"), format!("cpu:/{a}")];
    let cases: [&[&str]; 6] = [
        &["-g", &cpu_a],
        &["-g", &slash],
        &["-g", &both],
        &["-g", &cpu_a, "-g", &cpu_b],
        &["-g", &both, "-g", &cpu_b, "--"],
        &["-g", &cpu_a, "-g", "cpu:/"],
    ];
    for options in cases {
        let ask = |run: Run<'_>| run.args(options).args(["cat", "/proc/self/cgroup"]).run();
        let [ours, theirs] = [ask(t.tool("rcgexec")), ask(t.program("cgexec"))];
        assert_eq!(ours.ok(), theirs.ok(), "{options:?}");
        let ask = |run: Run<'_>| run.args(options).args(["sh", "-c", "exit 7"]).run().code;
        assert_eq!((ask(t.tool("rcgexec")), ask(t.program("cgexec"))), (Some(7), Some(7)));
    }
    ["a", "b"].iter().for_each(|name| parent.remove_sub(name));
}

// Limits.

#[test]
fn limits_stand_in_the_files_of_the_programs_own_group() {
    let t = rings!(Host, Uml, Qemu);
    let Some(parent) = Parent::new(&t, &["cpu", "memory", "pids"]) else { return };
    let all = [cpu("20000", "100000"), memory("33554432"), pids("9")].concat();
    #[rustfmt::skip]
    let cases: Vec<(&str, Vec<Fact>)> = vec![
        ("--cpu-quota 20000", cpu("20000", "100000")),
        ("--cpu-quota 1000 --cpu-period 1000", cpu("1000", "1000")),
        ("--cpu-period 1000000", cpu("max", "1000000")),
        ("--cpu-quota 400000 --cpu-period 50000", cpu("400000", "50000")),
        ("--cpu-quota max", cpu("max", "100000")),
        ("--cpu-quota=-1 --cpu-period 20000", cpu("max", "20000")),
        ("--cpus 0.5", cpu("50000", "100000")),
        ("--cpus 3", cpu("300000", "100000")),
        ("-m 64M", memory("67108864")),
        // Whole pages are kept.
        ("--memory 5000000", memory("4997120")),
        ("-m1g", memory("1073741824")),
        ("--memory=512kiB", memory("524288")),
        ("-m max", memory("max")),
        ("-m -1", memory("max")),
        ("--pids-limit 7", pids("7")),
        ("--pids-limit 4194304", pids("4194304")),
        ("--pids-limit max", pids("max")),
        ("--pids-limit 9 --memory 32M --cpu-quota 20000", all.clone()),
        ("--cpus .2 -m32M --pids-limit=9", all),
    ];
    for (options, facts) in cases {
        let run = limited(&t, &parent).args(options.split(' ')).args(["sh", "-c", &look(&facts)]).run();
        assert_held(&run.ok(), &facts, &parent);
        parent.assert_bare();
    }
    // A program with so little would take its time.
    let text = limited(&t, &parent).args(["--cpus", "0.001", "--dry-run", "true"]).run().ok();
    for (_, file, value) in cpu("1000", "1000000") {
        let (told, place) = (format!("write {value} to "), format!("/{file}"));
        assert!(text.lines().any(|line| line.starts_with(&told) && line.ends_with(&place)), "{text}");
    }
}

#[test]
fn only_the_hierarchies_of_the_limits_are_touched() {
    let t = rings!(Host, Uml, Qemu);
    let Some(parent) = Parent::new(&t, &["pids"]) else { return };
    let without = std::fs::read_to_string("/proc/self/cgroup").unwrap();
    let with = limited(&t, &parent).args(["--pids-limit", "5", "cat", "/proc/self/cgroup"]).run().ok();
    let changed = without.lines().zip(with.lines()).filter(|(without, with)| without != with);
    assert_eq!(changed.count(), 1, "{with}");
    assert!(group_in(&with, "pids").starts_with(&format!("/{}/rcgexec-", parent.name)), "{with}");
}

#[test]
fn with_a_limit_a_group_that_is_named_is_the_parent_for_its_controllers() {
    let t = rings!(Host, Uml, Qemu);
    let Some(parent) = Parent::new(&t, &["cpu", "pids"]) else { return };
    let a = parent.sub("a");
    let tools = |groups: &str, limits: &str| {
        let run = t.tool("rcgexec").args(["--parent", &parent.name, "-g", groups]);
        run.args(limits.split(' ')).args(["cat", "/proc/self/cgroup"]).run()
    };
    let below = |text: &str, controller: &str| {
        let group = group_in(text, controller);
        Path::new(&group).parent().unwrap().to_str().unwrap().trim_start_matches('/').to_string()
    };
    // Both, one of them with no limit of its own.
    let text = tools(&format!("cpu,pids:{a}"), "--cpu-quota 20000").ok();
    assert_eq!((below(&text, "cpu"), below(&text, "pids")), (a.clone(), a.clone()));
    let both = tools(&format!("cpu:{a}"), "--cpu-quota 20000 --pids-limit 9");
    if hierarchy("cpu").v2 {
        let (line, hint) = refused(&both);
        let dir = parent.dir("cpu").join("a");
        let what = "controller pids is in one hierarchy with another that is to be below";
        assert_eq!((line, hint), (format!("{what} {}", dir.display()), "name one group for both".into()));
    } else {
        let text = both.ok();
        assert_eq!((below(&text, "cpu"), below(&text, "pids")), (a, parent.name.clone()));
    }
    parent.remove_sub("a");
}

#[test]
fn co_mounted_controllers_and_all_of_version_2_get_one_group() {
    let t = rings!(Host, Uml, Qemu);
    let Some(parent) = Parent::new(&t, &["cpu", "memory", "pids"]) else { return };
    let run = limited(&t, &parent).args(["--cpus", "1", "-m", "64M", "--pids-limit", "9", "--dry-run"]);
    let text = run.args(["true"]).run().ok();
    assert_eq!(text.lines().filter(|line| line.starts_with("mkdir ")).count(), parent.dirs.len(), "{text}");
}

#[test]
fn without_a_parent_the_group_is_below_our_own_one() {
    let t = rings!(Host, Uml, Qemu);
    let Some(parent) = Parent::new(&t, &["cpu", "pids"]) else { return };
    let own = std::fs::read_to_string("/proc/self/cgroup").unwrap();
    let all = [cpu("20000", "100000"), pids("9")].concat();
    let options = ["--cpu-quota", "20000", "--pids-limit", "9"];
    // Where it is a root, and never in one that others made.
    if ["cpu", "pids"].iter().all(|controller| group_in(&own, controller) == "/") {
        let mut held =
            t.tool("rcgexec").args(options).args(["sh", "-c", "cat /proc/self/cgroup; read -r line"]).start();
        let name = format!("rcgexec-{}", held.pid());
        let dirs = ["cpu", "pids"].map(|controller| hierarchy(controller).point.join(&name));
        for _ in own.lines() {
            let line = held.next_line().unwrap();
            let mut fields = line.splitn(3, ':').skip(1);
            let (key, path) = (fields.next().unwrap(), fields.next().unwrap());
            let ours = ["cpu", "pids"].iter().any(|controller| hierarchy(controller).key == key);
            assert_eq!(path == format!("/{name}"), ours, "{line}");
        }
        assert!(dirs.iter().all(|dir| dir.is_dir()));
        drop(held.child.stdin.take());
        // Its own status: there was no line to read.
        assert_eq!(code(held.wait()), Some(1));
        assert!(!dirs.iter().any(|dir| dir.exists()));
    }
    // In a group that is none: the limits of that one hold for the program as well.
    let outer = t.tool("rcgexec").args([format!("-gcpu,pids:{}", parent.name), rcgexec().to_string()]);
    let run = outer.args(options).args(["sh", "-c", &look(&all)]).run();
    if hierarchy("cpu").v2 {
        let (line, hint) = refused(&run);
        let what = "no group can be made below our own one,";
        assert_eq!(line, format!("{what} {}", parent.dir("cpu").display()));
        assert!(hint.contains("--parent"), "{hint}");
    } else {
        assert_held(&run.ok(), &all, &parent);
    }
}

/// The CPU time that a process has used.
fn cpu_time(pid: i32) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
    let ticks: u64 = [11, 12].iter().map(|&field| fields[field].parse::<u64>().unwrap()).sum();
    Duration::from_millis(ticks * 10)
}

/// A busy loop uses a fifth of one CPU: measured for five seconds, and again where it was less, which on a busy
/// machine it can be for a while. More it may never be; but in a virtual machine the times when it stood still
/// because its host was busy count as its own.
pub fn assert_has_a_fifth_of_one_cpu(pid: i32) {
    let measure = || {
        let (begin, before) = (Instant::now(), cpu_time(pid));
        std::thread::sleep(Duration::from_secs(5));
        let share = (cpu_time(pid) - before).as_secs_f64() / begin.elapsed().as_secs_f64();
        println!("share: {share:.4}");
        assert!(share < 0.22 || Ring::here() != Ring::Host, "{share}");
        (0.18..0.22).contains(&share)
    };
    assert!(within(Duration::from_secs(24), measure));
}

#[test]
fn a_busy_loop_is_held_at_a_fifth_of_one_cpu() {
    let t = rings!(Host, Uml, Qemu);
    let Some(parent) = Parent::new(&t, &["cpu"]) else { return };
    let run = limited(&t, &parent).args(["--cpu-quota", "20000"]);
    let held = run.args(["sh", "-c", "echo ready; while :; do :; done"]).hold();
    // A busy machine shall not give less than the quota: this is about the limit, not about a fair share.
    let (file, most) = if hierarchy("cpu").v2 { ("cpu.weight", "10000") } else { ("cpu.shares", "262144") };
    std::fs::write(parent.dir("cpu").join(file), most).unwrap();
    assert_has_a_fifth_of_one_cpu(held.inner());
    kill(Pid::from_raw(held.pid()), Signal::SIGTERM).unwrap();
    let mut held = held;
    assert_eq!(code(held.wait()), Some(143));
}

#[test]
fn a_program_that_takes_more_memory_is_killed() {
    let t = rings!(Host, Uml, Qemu);
    let Some(parent) = Parent::new(&t, &["memory"]) else { return };
    let take = |size: &str| {
        let run = limited(&t, &parent).args(["-m", "16M", "dd", "if=/dev/zero", "of=/dev/null", "count=1"]);
        run.args([&format!("bs={size}"), "status=none"]).run()
    };
    let output = take("64M");
    assert_eq!((output.code, output.errors().as_str()), (Some(137), ""));
    take("1M").ok();
}

#[test]
fn processes_are_limited_in_number_and_threads_with_them() {
    let t = rings!(Host, Uml, Qemu);
    let Some(parent) = Parent::new(&t, &["pids"]) else { return };
    let fork = |limit: &str| {
        let run = limited(&t, &parent).args(["--pids-limit", limit, "sh", "-c", "(exit 0); echo forked"]);
        run.run()
    };
    let one = fork("1");
    assert_eq!((one.code == Some(0), one.text().as_str()), (false, ""), "{one:?}");
    assert!(one.errors().contains("fork"), "{one:?}");
    assert_eq!(fork("2").ok(), "forked\n");
}

// What is left.

#[test]
fn nothing_is_left_however_the_program_ends() {
    let t = rings!(Host, Uml, Qemu);
    let Some(parent) = Parent::new(&t, &["cpu", "pids"]) else { return };
    let code = group_code();
    let away = "</dev/null >/dev/null 2>&1";
    let groups = format!(
        "{code} group pids; mkdir $g/a $g/a/b $g/c; sleep 1000 {away} & echo $! >$g/a/b/cgroup.procs"
    );
    #[rustfmt::skip]
    let cases = [
        ("exit 3".to_string(), 3),
        ("kill -KILL $$".into(), 137),
        ("kill -TERM $$".into(), 143),
        ("exec /".into(), 126),
        (format!("sleep 1000 {away} & exit 4"), 4),
        // It holds our output open.
        ("sleep 1000 & exit 4".into(), 4),
        (format!("setsid sleep 1000 {away} & exit 5"), 5),
        (format!("(setsid sh -c 'sleep 1000 & exit' {away} &); exit 6"), 6),
        (format!("sh -c 'trap \"\" TERM HUP INT; while :; do sleep 1; done' {away} & exit 7"), 7),
        ("sleep 1000 & kill -STOP $!; exit 8".into(), 8),
        (format!("{groups}; exit 9"), 9),
        (format!("{groups}; kill -KILL $$"), 137),
    ];
    for (script, status) in cases {
        let run =
            limited(&t, &parent).args(["--cpu-quota", "50000", "--pids-limit", "20", "sh", "-c", &script]);
        let output = run.run();
        assert_eq!((output.code, output.signal), (Some(status), None), "{script}: {output:?}");
        parent.assert_bare();
        t.assert_nothing_left();
    }
}

#[test]
fn nothing_is_left_where_the_program_cannot_be_started() {
    let t = rings!(Host, Uml, Qemu);
    let Some(parent) = Parent::new(&t, &["cpu", "pids"]) else { return };
    let cases = [
        ("nonexistent-program", 127, "No such file or directory"),
        ("/nonexistent/program", 127, "No such file or directory"),
        ("/", 126, "Permission denied"),
        ("/etc/passwd", 126, "Permission denied"),
    ];
    for (program, status, reason) in cases {
        let run = limited(&t, &parent).args(["--cpu-quota", "50000", "--pids-limit", "20", program]);
        run.run().fails(status, &format!("rcgexec: exec {program}: {reason}"));
        parent.assert_bare();
        let run = t.tool("rcgexec").args([&format!("-gcpu:{}", parent.name), program]);
        run.run().fails(status, &format!("rcgexec: exec {program}: {reason}"));
    }
}

#[test]
fn nothing_is_left_of_a_fork_bomb() {
    let t = rings!(Host, Uml, Qemu);
    let Some(parent) = Parent::new(&t, &["pids"]) else { return };
    // All but the first fork for ever; a fork that is refused is tried again.
    let bomb = "if (fork) { select undef, undef, undef, 0.3; exit 4 } while (1) { fork }";
    let output = limited(&t, &parent).args(["--pids-limit", "20", "perl", "-e", bomb]).run();
    assert_eq!((output.code, output.errors().as_str()), (Some(4), ""));
    parent.assert_bare();
    t.assert_nothing_left();
}

#[test]
fn nothing_is_left_when_a_signal_ends_us_and_the_program() {
    let t = rings!(Host, Uml, Qemu);
    let Some(parent) = Parent::new(&t, &["cpu", "pids"]) else { return };
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP, Signal::SIGQUIT, Signal::SIGUSR1] {
        let script = "setsid sleep 1000 & ulimit -c 0; echo ready; exec sleep 1000";
        let env = t.program("env").arg("--default-signal").arg(rcgexec()).args(["--parent", &parent.name]);
        let mut held = env.args(["--pids-limit", "20", "--cpus", "1", "sh", "-c", script]).hold();
        assert_ne!(parent.tree(), [""; 0].map(PathBuf::from));
        kill(Pid::from_raw(held.pid()), signal).unwrap();
        assert_eq!(code(held.wait()), Some(128 + signal as i32), "{signal}");
        parent.assert_bare();
        t.assert_nothing_left();
    }
}

#[test]
fn nothing_is_left_whatever_signal_we_get_but_kill() {
    let t = rings!(Host, Uml, Qemu);
    let Some(parent) = Parent::new(&t, &["pids"]) else { return };
    #[rustfmt::skip]
    let signals = [
        Signal::SIGABRT, Signal::SIGALRM, Signal::SIGXCPU, Signal::SIGUSR2, Signal::SIGSYS, Signal::SIGTRAP, Signal::SIGSEGV,
        Signal::SIGBUS, Signal::SIGFPE, Signal::SIGILL, Signal::SIGPIPE,
    ];
    let hold = || {
        let script = "ulimit -c 0; echo ready; exec sleep 1000";
        limited(&t, &parent).args(["--pids-limit", "20", "sh", "-c", script]).hold()
    };
    for signal in signals {
        let mut held = hold();
        kill(Pid::from_raw(held.pid()), signal).unwrap();
        assert_eq!(code(held.wait()), Some(128 + signal as i32), "{signal}");
        parent.assert_bare();
    }
    // Those that a program ignores unless it asks for them do nothing.
    let mut held = hold();
    for signal in [Signal::SIGWINCH, Signal::SIGCHLD, Signal::SIGTERM] {
        kill(Pid::from_raw(held.pid()), signal).unwrap();
    }
    assert_eq!(code(held.wait()), Some(143));
}

#[test]
fn nothing_is_left_when_a_signal_comes_at_any_moment() {
    let t = rings!(Host);
    let Some(parent) = Parent::new(&t, &["cpu", "pids"]) else { return };
    for pause in 0..40 {
        let run = limited(&t, &parent).args(["--cpus", "1", "--pids-limit", "20", "sleep", "1000"]);
        let mut held = run.start();
        std::thread::sleep(Duration::from_micros(pause * 150));
        kill(Pid::from_raw(held.pid()), Signal::SIGTERM).unwrap();
        let ended = held.wait();
        let signal = std::os::unix::process::ExitStatusExt::signal(&ended);
        assert!(signal == Some(15) || ended.code() == Some(143), "{ended:?}");
        parent.assert_bare();
    }
}

#[test]
fn nothing_is_left_when_a_terminal_interrupts() {
    let t = rings!(Host, Uml, Qemu);
    let Some(parent) = Parent::new(&t, &["cpu", "pids"]) else { return };
    let script =
        "trap 'echo got INT; exit 7' INT; setsid sleep 1000 & echo ready; while :; do sleep 0.05; done";
    let options = ["--parent", &parent.name, "--cpus", "1", "--pids-limit", "20"];
    let plain = [&[rcgexec()], &options[..], &["sh", "-c", "echo ready; exec sleep 1000"]].concat();
    let traps = [&[rcgexec()], &options[..], &["sh", "-c", script]].concat();
    for (words, status) in [(plain, 130), (traps, 7)] {
        let output = Terminal::with(&t, &words, |terminal| {
            terminal.wait_for("ready", 1);
            terminal.press(CTRL_C);
            if status == 7 {
                terminal.wait_for("got INT", 1);
            }
        });
        assert_eq!(output.code, Some(status), "{output:?}");
        parent.assert_bare();
        t.assert_nothing_left();
    }
}

#[test]
fn nothing_is_left_where_a_later_group_fails() {
    let t = rings!(Host, Uml, Qemu);
    let Some(parent) = Parent::new(&t, &["cpu", "pids"]) else { return };
    let options =
        [&format!("-gpids:{}", parent.name), &format!("-gcpu:{}", parent.name), "--cpu-quota=20000"];
    let fails = || refused(&t.tool("rcgexec").args(options).arg("true").run());
    if hierarchy("cpu").v2 {
        let file = parent.dir("cpu").join("cgroup.max.descendants");
        std::fs::write(&file, "0").unwrap();
        let (line, hint) = fails();
        let told = format!("mkdir {}/rcgexec-", parent.dir("cpu").display());
        assert!(line.starts_with(&told) && line.ends_with("Resource temporarily unavailable"), "{line}");
        assert!(hint.contains("cgroup.max.descendants"), "{hint}");
    } else {
        // That of the group above is less.
        std::fs::write(parent.dir("cpu").join("cpu.cfs_quota_us"), "10000").unwrap();
        let (line, hint) = fails();
        let told = format!("write 20000 to {}/rcgexec-", parent.dir("cpu").display());
        let reason = "/cpu.cfs_quota_us (controller cpu): Invalid argument";
        assert!(line.starts_with(&told) && line.ends_with(reason), "{line}");
        assert!(hint.contains("the one above"), "{hint}");
    }
    parent.assert_bare();
}

#[test]
fn a_group_with_our_name_is_left_alone() {
    let t = rings!(Host, Uml, Qemu);
    let Some(parent) = Parent::new(&t, &["pids"]) else { return };
    // In a new PID namespace the name is known before.
    let ours = parent.sub("rcgexec-1");
    let options = ["-pf", "--mount-proc", rcgexec(), "--parent", &parent.name, "--pids-limit", "20"];
    let text = t.program("unshare").args(options).args(["cat", "/proc/self/cgroup"]).run().ok();
    assert_eq!(group_in(&text, "pids"), format!("/{ours}-2"));
    assert_eq!(parent.tree(), [parent.dir("pids").join("rcgexec-1")]);
    parent.remove_sub("rcgexec-1");
}

// What those leave who are killed, and the next ones collect.

#[test]
fn what_a_killed_run_left_is_collected_by_the_next() {
    let t = rings!(Host, Uml, Qemu);
    let Some(parent) = Parent::new(&t, &["cpu", "pids"]) else { return };
    let options = ["--cpus", "1", "--pids-limit", "20"];
    let script = "setsid sleep 1000 & echo ready; wait";
    let mut held = limited(&t, &parent).args(options).args(["sh", "-c", script]).hold();
    kill(Pid::from_raw(held.pid()), Signal::SIGKILL).unwrap();
    held.wait();
    assert!(!parent.tree().is_empty() && !t.left().is_empty());
    // A dry run touches nothing.
    limited(&t, &parent).args(options).args(["--dry-run", "true"]).run().ok();
    assert!(!parent.tree().is_empty() && !t.left().is_empty());
    limited(&t, &parent).args(options).arg("true").run().ok();
    parent.assert_bare();
    t.assert_nothing_left();
}

#[test]
fn what_a_killed_run_left_can_run_us_again_and_goes_on() {
    let t = rings!(Host, Uml, Qemu);
    let Some(parent) = Parent::new(&t, &["pids"]) else { return };
    let options = format!("{} --parent {} --pids-limit 20", rcgexec(), parent.name);
    let script = format!("echo ready; read -r line; {options} echo again; echo on");
    let mut held = limited(&t, &parent).args(["--pids-limit", "20", "sh", "-c", &script]).hold();
    kill(Pid::from_raw(held.pid()), Signal::SIGKILL).unwrap();
    held.wait();
    drop(held.child.stdin.take());
    assert_eq!([held.next_line(), held.next_line()], [Some("again".into()), Some("on".into())]);
    limited(&t, &parent).args(["--pids-limit", "20", "true"]).run().ok();
    parent.assert_bare();
}

#[test]
fn a_leftover_that_cannot_end_does_not_hold_up_the_next_run_for_long() {
    let t = rings!(Host);
    // Version 2 ends frozen processes as well.
    let Some(frozen) = Parent::new(&t, &["freezer"]) else { return };
    let Some(parent) = Parent::new(&t, &["pids"]) else { return };
    let options = ["--pids-limit", "20"];
    let mut held =
        limited(&t, &parent).args(options).args(["sh", "-c", "echo ready; exec sleep 1000"]).hold();
    let freezer = frozen.dir("freezer");
    std::fs::write(freezer.join("cgroup.procs"), held.inner().to_string()).unwrap();
    std::fs::write(freezer.join("freezer.state"), "FROZEN").unwrap();
    kill(Pid::from_raw(held.pid()), Signal::SIGKILL).unwrap();
    held.wait();
    let begin = std::time::Instant::now();
    let ran = limited(&t, &parent).args(options).arg("true").run();
    let took = begin.elapsed();
    std::fs::write(freezer.join("freezer.state"), "THAWED").unwrap();
    ran.ok();
    limited(&t, &parent).args(options).arg("true").run().ok();
    parent.assert_bare();
    // It waits for a second, where the end of its own groups may take ten.
    assert!(took < Duration::from_secs(4), "{took:?}");
}

#[test]
fn a_leftover_with_processes_that_are_not_seen_is_waited_for_asleep() {
    let t = rings!(Host, Uml, Qemu);
    let Some(parent) = Parent::new(&t, &["pids"]) else { return };
    let options = ["--pids-limit", "20"];
    let mut held =
        limited(&t, &parent).args(options).args(["sh", "-c", "echo ready; exec sleep 1000"]).hold();
    kill(Pid::from_raw(held.pid()), Signal::SIGKILL).unwrap();
    held.wait();
    let script = format!("{} --parent {} --pids-limit 20 true; times", rcgexec(), parent.name);
    let cpu_time = || {
        let text = t.program("unshare").args(["-pf", "--mount-proc", "sh", "-c", &script]).run().ok();
        // The shell's own, and that of its children.
        let of_children = text.lines().last().unwrap().split(' ');
        let seconds = |time: &str| time.strip_prefix("0m")?.strip_suffix('s')?.parse::<f64>().ok();
        of_children.map(|time| seconds(time).unwrap()).sum::<f64>()
    };
    let waiting = cpu_time();
    limited(&t, &parent).args(options).arg("true").run().ok();
    parent.assert_bare();
    // It waits for a second. An emulated machine needs tenths of one to start it at all.
    let at_once = cpu_time();
    assert!(waiting - at_once < 0.5, "{waiting} {at_once}");
}

#[test]
fn what_is_no_leftover_of_ours_is_not_collected() {
    let t = rings!(Host, Uml, Qemu);
    let Some(parent) = Parent::new(&t, &["pids"]) else { return };
    let dir = parent.dir("pids");
    let sticky = |name: &str| {
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o1755);
        std::fs::set_permissions(dir.join(name), mode).unwrap();
    };
    // Without our mark, of another user, and called otherwise.
    let names = ["rcgexec-1", "rcgexec-2", "rcgexec-3x", "other-4"];
    names.iter().for_each(|name| drop(parent.sub(name)));
    names[1..].iter().for_each(|name| sticky(name));
    std::os::unix::fs::chown(dir.join("rcgexec-2"), Some(NOBODY), None).unwrap();
    let waits = ["-g", &format!("pids:{}/rcgexec-1", parent.name), "sh", "-c", "echo ready; exec sleep 1000"];
    let mut inside = t.tool("rcgexec").args(waits).hold();
    // One that runs.
    let runs = ["--pids-limit", "20", "sh", "-c", "echo ready; read -r line; exit 7"];
    let mut held = limited(&t, &parent).args(runs).hold();
    let before = parent.tree();
    limited(&t, &parent).args(["--pids-limit", "20", "true"]).run().ok();
    assert_eq!((parent.tree().len(), before.len()), (5, 5));
    assert_eq!((inside.child.try_wait().unwrap(), held.child.try_wait().unwrap()), (None, None));
    drop(held.child.stdin.take());
    assert_eq!(code(held.wait()), Some(7));
    inside.child.kill().unwrap();
    inside.wait();
    names.iter().for_each(|name| parent.remove_sub(name));
}

#[test]
fn of_many_runs_at_once_the_killed_ones_leave_nothing_and_take_nobody_with_them() {
    let t = rings!(Host, Uml, Qemu);
    let Some(parent) = Parent::new(&t, &["cpu", "pids"]) else { return };
    let run = |seconds: &str| {
        let script = format!("sleep {seconds}; exit 7");
        limited(&t, &parent).args(["--cpus", "1", "--pids-limit", "20", "sh", "-c", &script])
    };
    let mut runs = Vec::new();
    for pause in 0..50 {
        let mut held = run(if pause % 2 == 0 { "0.2" } else { "1000" }).start();
        std::thread::sleep(Duration::from_micros(pause * 150));
        if pause % 2 == 1 {
            held.child.kill().unwrap();
            held.wait();
        }
        runs.push(held);
    }
    let ended: Vec<_> = runs.iter_mut().step_by(2).map(|held| code(held.wait())).collect();
    assert_eq!(ended, [Some(7); 25]);
    assert_eq!(run("0").run().code, Some(7));
    parent.assert_bare();
    t.assert_nothing_left();
}

// Saying what would be done.

#[test]
fn a_dry_run_says_every_step_and_takes_none() {
    let t = rings!(Host, Uml, Qemu);
    let Some(parent) = Parent::new(&t, &["cpu", "memory", "pids"]) else { return };
    let facts = [cpu("20000", "50000"), memory("33554432"), pids("9")].concat();
    let options = "--cpu-quota 20000 --cpu-period 50000 -m 32M --pids-limit 9";
    let handed_on = || {
        let files = parent
            .dirs
            .iter()
            .flat_map(|dir| [dir.join("cgroup.subtree_control"), dir.join("../cgroup.subtree_control")]);
        files.filter_map(|file| std::fs::read_to_string(file).ok()).collect::<Vec<_>>()
    };
    let before = handed_on();
    let run = limited(&t, &parent).args(options.split(' ')).args(["--dry-run", "/nonexistent/program"]);
    let text = run.run().ok();
    parent.assert_bare();
    assert!(
        handed_on()
            .iter()
            .zip(&before)
            .all(|(now, before)| now.split_whitespace().count() >= before.split_whitespace().count())
    );
    // The groups, and what is written into each, in the order of the limits.
    let (enable, steps): (Vec<&str>, Vec<&str>) =
        text.lines().partition(|line| line.contains("subtree_control"));
    assert!(enable.is_empty() || facts.iter().any(|fact| hierarchy(fact.0).v2), "{text}");
    let name = steps[0].rsplit_once('/').unwrap().1;
    let mut expected: Vec<String> = Vec::new();
    let mut dirs: Vec<PathBuf> = Vec::new();
    for (controller, ..) in &facts {
        let dir = parent.dir(controller).join(name);
        if dirs.contains(&dir) {
            continue;
        }
        expected.push(format!("mkdir {}", dir.display()));
        for (_, file, value) in facts.iter().filter(|fact| parent.dir(fact.0).join(name) == dir) {
            expected.push(format!("write {value} to {}/{file}", dir.display()));
        }
        expected.push(format!("write 0 to {}/cgroup.procs", dir.display()));
        dirs.push(dir);
    }
    expected.extend(dirs.iter().map(|dir| format!("rmdir {}", dir.display())));
    let sorted = |mut lines: Vec<String>| {
        lines.sort();
        lines
    };
    // Which of the files of one limit comes first is the kernel's affair.
    assert_eq!(sorted(steps.iter().map(|step| step.to_string()).collect()), sorted(expected));
    // And so it is done.
    let run = limited(&t, &parent).args(options.split(' ')).args(["sh", "-c", &look(&facts)]).run();
    assert_held(&run.ok(), &facts, &parent);
}

#[test]
fn a_dry_run_of_joining_says_what_would_be_written() {
    let t = rings!(Host, Uml, Qemu);
    let Some(parent) = Parent::new(&t, &["cpu", "pids"]) else { return };
    let run = t.tool("rcgexec").args([&format!("-gcpu,pids:{}", parent.name), "--dry-run"]);
    let [cpu, pids] =
        ["cpu", "pids"].map(|name| format!("write 0 to {}/cgroup.procs\n", parent.dir(name).display()));
    assert_eq!(run.args(["cat", "/proc/self/cgroup"]).run().ok(), cpu + &pids);
}

// Bad input.

#[test]
fn a_limit_out_of_range_is_refused() {
    let t = rings!(Host, Uml, Qemu);
    let Some(parent) = Parent::new(&t, &["cpu", "memory", "pids"]) else { return };
    let never = ["-5", "1e3", "0x10", "64Q", "99999999999999999999", "+2000", " 2000", "2000 ", "20%", "MAX"];
    let cases: [(&str, &[&str], &str); 5] = [
        ("cpu-quota", &["0", "999", "17592186044416"], "microseconds from 1000, or max"),
        ("cpu-period", &["0", "999", "1000001", "max"], "1000 to 1000000 microseconds [default: 100000]"),
        ("memory", &["0", "4095", "16777216T", "1.5G"], "bytes from 4096, or with K, M, G or T, or max"),
        ("pids-limit", &["0", "4194305", "5k"], "1 to 4194304, or max"),
        (
            "cpus",
            &["0", "0.0009", "1000001", "nan", "inf", "1/2", "."],
            "a number of CPUs from 0.001, such as 0.2 or 1.5",
        ),
    ];
    for (option, values, takes) in cases {
        for value in values.iter().chain(&never) {
            let run = limited(&t, &parent).args([&format!("--{option}={value}"), "true"]).run();
            let controller = match option {
                "memory" => "memory",
                "pids-limit" => "pids",
                _ => "cpu",
            };
            let line = format!("--{option} {value} is out of range (controller {controller})");
            assert_eq!(refused(&run), (line, format!("it takes {takes}")));
        }
    }
}

#[test]
fn a_request_that_makes_no_sense_is_refused() {
    let t = rings!(Host, Uml, Qemu);
    let Some(parent) = Parent::new(&t, &["cpu", "pids"]) else { return };
    let name = &parent.name;
    let example = "for example: -g cpu,memory:jobs";
    let usage = "`rcgexec --help` shows what can be asked";
    let whole = "name the group by its path from the root of the hierarchy";
    let named = "with a limit, -g has to name its controllers";
    #[rustfmt::skip]
    let cases: Vec<(Vec<String>, String, &str)> = vec![
        (vec![], "neither a group nor a limit was given".into(), "join one with -g CONTROLLERS:PATH, or set a limit such as --cpu-quota 20000"),
        (vec![format!("--parent={name}")], "--parent is for groups that are made, and without a limit none is".into(), usage),
        (vec![format!("--parent={name}"), format!("-gcpu:{name}")], "--parent is for groups that are made, and without a limit none is".into(), usage),
        (vec!["-gcpu".into()], "a group is given as CONTROLLERS:PATH, not cpu".into(), example),
        (vec!["-gcpu:".into()], "the path of a group is missing in cpu:".into(), example),
        (vec!["-g:".into()], "the path of a group is missing in :".into(), example),
        (vec![format!("-g:{name}"), "--pids-limit=9".into()], named.into(), usage),
        (vec![format!("-g*:{name}"), "--pids-limit=9".into()], named.into(), usage),
        (vec![format!("-gcpu:{name}/../{name}")], format!("a group's path may not hold ..: {name}/../{name}"), whole),
        (vec!["-gcpu:..".into()], "a group's path may not hold ..: ..".into(), whole),
        (vec![format!("--parent=/{name}/.."), "--pids-limit=9".into()], format!("a group's path may not hold ..: /{name}/.."), whole),
        (vec![format!("-gpids:../{name}"), "--pids-limit=9".into()], format!("a group's path may not hold ..: ../{name}"), whole),
    ];
    for (options, line, hint) in cases {
        let run = t.tool("rcgexec").args(&options).arg("true").run();
        assert_eq!(refused(&run), (line, hint.to_string()), "{options:?}");
    }
    for options in [["--cpus=1", "--cpu-quota=20000"], ["--cpus=1", "--cpu-period=20000"]] {
        let (line, _) = refused(&limited(&t, &parent).args(options).arg("true").run());
        assert!(options.iter().all(|option| line.contains(option.split_once('=').unwrap().0)), "{line}");
    }
    let run = t.tool("rcgexec").args(["--parent=", "--pids-limit=9", "true"]).run();
    assert!(refused(&run).0.contains("--parent"), "an empty path is not the root");
}

#[test]
fn what_the_machine_does_not_have_is_named() {
    let t = rings!(Host, Uml, Qemu);
    let Some(parent) = Parent::new(&t, &["cpu", "pids"]) else { return };
    let (line, hint) = refused(&t.tool("rcgexec").args(["-gnosuch:x", "true"]).run());
    assert_eq!(line, "this machine has no controller nosuch");
    assert!(hint.starts_with("it has: ") && hint.contains("cpu") && hint.contains("pids"), "{hint}");
    let run = t.tool("rcgexec").args([&format!("-gnosuch:{}", parent.name), "--pids-limit=9", "true"]);
    assert_eq!(refused(&run.run()).0, "this machine has no controller nosuch");
    // A group that was removed, alone, behind one that is there, and as a parent.
    let gone = parent.sub("gone");
    parent.remove_sub("gone");
    let line = |controller| {
        format!(
            "open group {}/gone (controller {controller}): No such file or directory",
            parent.dir(controller).display()
        )
    };
    let hint = "there is no such group; one that is joined must have been made before";
    let cases = [
        vec![format!("-gcpu:{gone}")],
        vec![format!("-gpids:{}", parent.name), format!("-gcpu:{gone}")],
        vec![format!("--parent={gone}"), "--cpus=1".into()],
        vec![format!("-gcpu:{gone}"), "--cpus=1".into()],
        vec![format!("-gcpu:{gone}"), format!("--parent={}", parent.name), "--pids-limit=9".into()],
    ];
    for options in cases {
        let (said, advice) = refused(&t.tool("rcgexec").args(&options).arg("true").run());
        assert_eq!((said, advice.as_str()), (line("cpu"), hint), "{options:?}");
    }
}

#[test]
fn an_ordinary_user_is_told_what_is_missing() {
    let t = rings!(Host, Uml, Qemu);
    let Some(parent) = Parent::new(&t, &["pids"]) else { return };
    let dir = parent.dir("pids");
    let join = || t.tool("rcgexec").as_user().args([&format!("-gpids:{}", parent.name), "true"]).run();
    let limit = || {
        let run = t.tool("rcgexec").as_user().args(["--parent", &parent.name, "--pids-limit", "9", "cat"]);
        run.arg("/proc/self/cgroup").run()
    };
    let (line, hint) = refused(&join());
    assert_eq!(
        line,
        format!("write 0 to {}/cgroup.procs (controller pids): Permission denied", dir.display())
    );
    assert!(hint.contains("write access to cgroup.procs"), "{hint}");
    let (line, hint) = refused(&limit());
    assert!(line.ends_with(": Permission denied") && line.contains("/sys/fs/cgroup"), "{line}");
    assert_ne!(hint, "");
    parent.assert_bare();
    // A group that is the user's.
    for file in ["", "cgroup.procs", "tasks", "cgroup.subtree_control"] {
        let path = dir.join(file);
        if path.exists() {
            std::os::unix::fs::chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
        }
    }
    if hierarchy("pids").v2 {
        // Whom root's group has, it alone may move.
        refused(&limit());
    } else {
        join().ok();
        let text = limit().ok();
        assert!(group_in(&text, "pids").starts_with(&format!("/{}/rcgexec-", parent.name)), "{text}");
    }
}

/// Runs rcgexec with these options in a mount namespace in which this was done before.
fn changed(t: &Test, change: &str, options: &[&str]) -> Output {
    let script = format!("{change} && exec \"$@\"");
    t.program("unshare").args(["-m", "sh", "-c", &script, "-", rcgexec()]).args(options).arg("true").run()
}

#[test]
fn a_read_only_mount_is_named() {
    let t = rings!(Host, Uml, Qemu);
    let Some(parent) = Parent::new(&t, &["cpu"]) else { return };
    let Hierarchy { point, .. } = hierarchy("cpu");
    // What is to be handed on in version 2 was so before, or it is that which fails.
    limited(&t, &parent).args(["--cpus=1", "true"]).run().ok();
    let change = format!("mount -o remount,bind,ro {0} {0}", point.display());
    let (line, hint) = refused(&changed(&t, &change, &["--parent", &parent.name, "--cpus=1"]));
    let told = format!("mkdir {}/rcgexec-", parent.dir("cpu").display());
    assert!(line.starts_with(&told) && line.ends_with(": Read-only file system"), "{line}");
    assert_eq!(hint, "this cgroup mount is read-only, as in most containers");
    let (line, hint) = refused(&changed(&t, &change, &["-g", &format!("cpu:{}", parent.name)]));
    let told = format!(
        "write 0 to {}/cgroup.procs (controller cpu): Read-only file system",
        parent.dir("cpu").display()
    );
    assert_eq!(line, told);
    assert_eq!(hint, "this cgroup mount is read-only, as in most containers");
}

#[test]
fn a_mount_that_is_hidden_is_none() {
    let t = rings!(Host, Uml, Qemu);
    let Some(parent) = Parent::new(&t, &["cpu"]) else { return };
    let Hierarchy { point, v2, .. } = hierarchy("cpu");
    let over = |dir: &Path| format!("mount -t tmpfs none {}", dir.display());
    let group = format!("cpu:{}", parent.name);
    // Over that of the controller, and over all.
    for dir in [&point, Path::new("/sys/fs/cgroup")] {
        for options in [&["--parent", &parent.name, "--cpus=1"][..], &["-g", &group]] {
            let (line, hint) = refused(&changed(&t, &over(dir), options));
            if v2 {
                assert_eq!(line, "no cgroup file system is mounted: there is no controller cpu");
            } else {
                assert_eq!(line, "no mount of version 1 can be reached for controller cpu");
            }
            assert_ne!(hint, "");
        }
    }
}

#[test]
fn what_is_mounted_below_a_hierarchy_is_not_followed() {
    let t = rings!(Host, Uml, Qemu);
    let Some(parent) = Parent::new(&t, &["cpu"]) else { return };
    let dir = parent.dir("cpu");
    let change = format!("mount -t tmpfs none {}", dir.display());
    for options in [&["--parent", &parent.name, "--cpus=1"][..], &["-g", &format!("cpu:{}", parent.name)]] {
        let (line, hint) = refused(&changed(&t, &change, options));
        assert_eq!(line, format!("open group {} (controller cpu): Invalid cross-device link", dir.display()));
        assert!(hint.contains("not followed"), "{hint}");
    }
}

#[test]
fn a_part_of_a_hierarchy_is_used_as_far_as_it_goes() {
    let t = rings!(Host, Uml, Qemu);
    let Some(parent) = Parent::new(&t, &["cpu"]) else { return };
    let Hierarchy { point, v2, .. } = hierarchy("cpu");
    let (point, group) = (point.to_str().unwrap(), format!("cpu:{}", parent.name));
    let look = ["cat", "/proc/self/cgroup"];
    let inside = |text: &str| group_in(text, "cpu").starts_with(&format!("/{}/rcgexec-", parent.name));
    // As in a container with a bind mount of its group: the whole is mounted under it, and hidden.
    let script = format!("mount --bind {point}/{} {point} && exec \"$@\"", parent.name);
    let bound = |words: &[&str]| {
        let run = t.program("unshare").args(["-m", "sh", "-c", &script, "-", rcgexec()]);
        run.args(words).args(look).run()
    };
    assert_eq!(group_in(&bound(&["-gcpu:/"]).ok(), "cpu"), format!("/{}", parent.name));
    let text = bound(&["--parent=/", "--cpus=1"]).ok();
    assert!(inside(&text), "{text}");
    let (line, hint) = refused(&bound(&["--cpus=1"]));
    let own = group_in(&std::fs::read_to_string("/proc/self/cgroup").unwrap(), "cpu");
    assert_eq!(line, format!("the group {own} cannot be reached by the mount at {point}"));
    assert!(hint.contains("--parent"), "{hint}");
    let nested = bound(&["-gcpu:/", rcgexec(), "--cpus=1"]);
    if v2 {
        assert!(refused(&nested).0.starts_with("no group can be made below our own one"));
    } else {
        assert!(inside(&nested.ok()));
    }
    // As in a container with a cgroup namespace, before and after its own mount.
    let spaced = |mount: &str| {
        let script = format!("{mount}exec \"$@\"");
        let run = t.tool("rcgexec").args(["-g", &group, "unshare", "-Cm", "sh", "-c", &script, "-"]);
        run.args([rcgexec(), "--cpus=1"]).args(look).run()
    };
    let (line, _) = refused(&spaced(""));
    assert_eq!(line, format!("the group / cannot be reached by the mount at {point}"));
    // Co-mounted controllers are mounted together or not at all.
    let kind = if v2 { "-t cgroup2".into() } else { format!("-t cgroup -o {}", hierarchy("cpu").key) };
    let mounted = spaced(&format!(
        "mount -t tmpfs none {point} && mkdir {point}/own && mount {kind} none {point}/own && "
    ));
    if v2 {
        assert!(refused(&mounted).0.starts_with("no group can be made below our own one"));
    } else {
        let text = mounted.ok();
        assert!(group_in(&text, "cpu").starts_with("/rcgexec-"), "{text}");
    }
}

#[test]
fn hostile_bytes_in_a_path_are_shown_harmlessly() {
    let t = rings!(Host, Uml, Qemu);
    if !t.needs(find("cpu").is_some(), "controller cpu") {
        return;
    }
    let path = std::ffi::OsStr::from_bytes(b"-gcpu:nskit-\x1b[2J\n\xff");
    let output = t.tool("rcgexec").arg(path).arg("true").run();
    let (line, _) = refused(&output);
    let dir = hierarchy("cpu").point;
    let told = format!(
        "open group {}/nskit-\\x1b[2J\\x0a\\xff (controller cpu): No such file or directory",
        dir.display()
    );
    assert_eq!(line, told);
}

#[test]
fn orphans_that_ended_take_no_place_in_the_limit() {
    let t = rings!(Host, Uml, Qemu);
    let Some(parent) = Parent::new(&t, &["pids"]) else { return };
    // Each leaves one behind; as zombies they would soon fill the limit.
    let script = "i=0; while [ $((i += 1)) -le 40 ]; do (true &); sleep 0.01; done; echo $i";
    let run = limited(&t, &parent).args(["--pids-limit", "10", "sh", "-c", script]).run();
    assert_eq!(run.ok(), "41\n");
}

#[test]
fn many_groups_of_the_program_are_removed_with_few_descriptors() {
    let t = rings!(Host, Uml, Qemu);
    let Some(parent) = Parent::new(&t, &["pids"]) else { return };
    let point = hierarchy("pids").point;
    let script = format!(
        "g={}$(grep -E ':pids:|^0::' /proc/self/cgroup | head -n 1 | cut -d: -f3); cd $g && seq 1 200 | sed s/^/s/ | xargs mkdir
         mkdir -p d/d/d/d/d/d/d/d/d/d/d/d; sleep 1000 & echo $! > d/d/d/d/d/d/d/d/d/d/d/d/cgroup.procs",
        point.display()
    );
    let few =
        format!("ulimit -Sn 40; exec {} --parent {} --pids-limit 50 sh -c \"$0\"", rcgexec(), parent.name);
    t.program("sh").args(["-c", &few, &script]).run().ok();
}
