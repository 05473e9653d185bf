//! rcgexec on the live kernel, beside cgexec where that is installed.
//!
//! Where a controller is, and what its files are called, is asked of the machine: the tests that say so run on
//! version 2 as well. Every group that is made is below one that the test made and removes, but for the one
//! test about the usual place.
//!
//! Tests name the pitfalls that they are about, most dangerous first:
//!
//!  1. A populated group of version 2 that hands on controllers breaks all that is in it.
//!  2. Units behind numbers of block io are taken for bytes, or are dropped.
//!  3. Swap is counted with memory or alone; none at all has to be written.
//!  4. A group outside of the caller's escapes his limits.
//!  5. What is left by a run that was killed, and daemons.
//!  6. Paths that lead elsewhere: `..`, symbolic links, covered mounts, parts of a hierarchy.
//!  7. A directory is busy for a while after its last process has ended.
//!  8. An empty cpuset takes nobody; what a process was bound to is kept.
//!  9. Quota and period of version 1 are bound by the group above, also between two writes.
//! 10. Memory and swap of version 1 are bound by one another and by what is in use.
//! 11. Killed is not killed for want of memory; version 1 counts that in the victim's own group.
//! 12. A freezer of version 1 swallows SIGKILL.
//! 13. A program that runs before its limits are set.
//! 14. Statuses that are cut to eight bits, or mean two things.
//! 15. Controllers that share a hierarchy are handled twice, or only the first of several is.
//! 16. New groups of version 1 have no time for real-time priorities.
//! 17. One number in cpu.max keeps the old period; shares and weights are on other scales.
//! 18. A file that is made where none is; several lines in one write; half of several writes.
//! 19. Descriptors of groups that reach the program.
//! 20. A soft limit by memory.high stalls for ever.
//! 21. Files that older kernels lack.
//! 22. What was asked for and is left out in silence.
//! 23. Counters that are read too late, or added up twice.

mod knobs;
mod named;
mod rendering;

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::harness::{NOBODY, Output, Ring, Run, Test, copy_program, tool_path, within};
use crate::rnsenter::open_directory;
use crate::runshare::{CTRL_C, Terminal};

mod clean;
mod join;
mod place;
mod refuse;
mod report;
mod run;
mod time;

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

/// A copy of the tool that any user can run, in a directory that is gone when this is dropped.
pub fn copy_for_all() -> (tempfile::TempDir, PathBuf) {
    let dir = open_directory();
    let copy = dir.path().join("rcgexec");
    copy_program(tool_path("rcgexec"), &copy);
    (dir, copy)
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
    pub fn only(t: &Test, controllers: &[&str]) -> Option<Parent> {
        Parent::in_these(t, controllers, &[])
    }

    /// The same, and one in the hierarchy of version 2, by which a program's processes are found.
    pub fn new(t: &Test, controllers: &[&str]) -> Option<Parent> {
        let v2: Vec<_> = hierarchies().into_iter().filter(|hierarchy| hierarchy.v2).collect();
        Parent::in_these(t, controllers, &v2)
    }

    fn in_these(t: &Test, controllers: &[&str], more: &[Hierarchy]) -> Option<Parent> {
        for name in controllers {
            if !t.needs(find(name).is_some(), &format!("controller {name}")) {
                return None;
            }
        }
        let points = controllers.iter().map(|controller| hierarchy(controller)).chain(more.iter().cloned());
        Some(Parent::below(points.map(|hierarchy| hierarchy.point).collect()))
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

    /// On version 2 the groups below it get these controllers.
    pub fn hand_on(&self, controllers: &[&str]) {
        for controller in controllers.iter().filter(|name| hierarchy(name).v2) {
            let file = self.dir(controller).join("cgroup.subtree_control");
            std::fs::write(file, format!("+{controller}")).unwrap();
        }
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
