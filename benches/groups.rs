//! A program with three limits in groups of its own: by hand with the tools of libcgroup, and by rcgexec.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::measure::Contender;

const CONTROLLERS: [&str; 3] = ["cpu", "memory", "pids"];

/// What rcgexec is asked for.
pub(crate) const LIMITS: &str = "--cpu-quota 50000 --memory 256M --pids-limit 100";

/// A group for the bench in every hierarchy, below which both make theirs.
pub(crate) struct Parent(String);

impl Parent {
    pub(crate) fn make() -> Parent {
        let parent = Parent(format!("nskit-bench-limits-{}", std::process::id()));
        let mut make = Command::new("cgcreate");
        assert!(make.args(["-g", &format!("cpu,memory,pids:{}", parent.0)]).status().unwrap().success());
        parent
    }

    /// The original and ours. cgdelete removes only the first of several controllers, so it is called for each.
    pub(crate) fn contenders(&self, rcgexec: &str, program: &[&str]) -> [Contender; 2] {
        let version_2 = Path::new("/sys/fs/cgroup/cgroup.controllers").exists();
        let (quota, memory) = match version_2 {
            true => ("cpu.max=50000 100000", "memory.max=256M"),
            false => ("cpu.cfs_quota_us=50000", "memory.limit_in_bytes=256M"),
        };
        let group = format!("{}/x", self.0);
        let all = format!("cpu,memory,pids:{group}");
        let theirs = Contender::new("cgcreate", &format!("-g {all}"))
            .then("cgset", &["-r", quota, "-r", memory, "-r", "pids.max=100", &group])
            .then("cgexec", &[&["-g", &all], program].concat());
        let removals = if version_2 { &CONTROLLERS[..1] } else { &CONTROLLERS[..] };
        let theirs = removals
            .iter()
            .fold(theirs, |theirs, name| theirs.then("cgdelete", &["-g", &format!("{name}:{group}")]));
        let options: Vec<&str> = LIMITS.split(' ').collect();
        let ours = [&["--parent", &self.0], &options[..], program].concat();
        [theirs, Contender::new(rcgexec, "").with(&ours)]
    }
}

impl Parent {
    /// How much memory rcgexec has while it waits for a program, in KiB: VmRSS of proc_pid_status(5).
    pub(crate) fn memory(&self, rcgexec: &str) -> u64 {
        let options = ["--parent", &self.0].into_iter().chain(LIMITS.split(' '));
        let mut waits = Command::new(rcgexec).args(options).args(["sleep", "1"]).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(500));
        let status = std::fs::read_to_string(format!("/proc/{}/status", waits.id())).unwrap();
        assert!(waits.wait().unwrap().success());
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }
}

impl Drop for Parent {
    fn drop(&mut self) {
        for name in CONTROLLERS {
            let mut remove = Command::new("cgdelete");
            let _ = remove.args(["-g", &format!("{name}:{}", self.0)]).stderr(Stdio::null()).status();
        }
    }
}
