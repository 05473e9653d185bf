//! Where the runs take place: a directory, groups and processes of our own, and the look at what a run left there.

use std::collections::BTreeSet;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use common::cgroup::layout::Layout;
use common::proc::Proc;
use nix::mount::{MntFlags, umount2};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::Pid;

use crate::built::tool_path;
use crate::cases::Case;
use crate::trace::Start;

/// The ordinary user: "nobody", who owns nothing.
const NOBODY: u32 = 65534;

/// How long the program of a tool that was killed may take to end by itself.
const PATIENCE: Duration = Duration::from_secs(2);

pub(crate) struct World {
    dir: tempfile::TempDir,
    /// A group in each hierarchy that is used, with the same name everywhere.
    parents: Vec<PathBuf>,
    target: Pid,
    users: Pid,
    nested: Pid,
    known: State,
}

/// What a run may not change.
#[derive(PartialEq, Eq, Default)]
struct State {
    processes: BTreeSet<i32>,
    groups: BTreeSet<PathBuf>,
    files: BTreeSet<PathBuf>,
    mounts: BTreeSet<String>,
}

impl World {
    /// Makes it. We are the first process of a pid namespace with its own /proc, so that all processes there
    /// are of the runs, and orphans are ours to bury.
    pub(crate) fn make() -> World {
        let dir = tempfile::Builder::new().prefix("nskit-faults").tempdir().unwrap();
        open_to_all(dir.path());
        // A place that the ordinary user can go to.
        for tool in ["rlsns", "rnsenter", "runshare", "rcgexec", "nsinfo"] {
            std::fs::copy(tool_path(tool), dir.path().join(tool)).unwrap();
        }
        std::fs::write(dir.path().join("pin"), "").unwrap();
        let here = dir.path().join("here");
        std::fs::create_dir(&here).unwrap();
        open_to_all(&here);

        let layout = Layout::take(&Proc::system().unwrap()).unwrap();
        let name = dir.path().file_name().unwrap();
        let tops = [b"cpu", &b"pids"[..]].map(|controller| layout.of(controller).unwrap());
        let tops = tops.into_iter().chain(layout.v2()).map(|hierarchy| hierarchy.top.path.clone());
        let parents = tops.collect::<BTreeSet<_>>().into_iter().map(|top| Path::new(bytes(&top)).join(name));
        let parents: Vec<PathBuf> = parents.collect();
        for parent in &parents {
            for group in ["", "group", "user"] {
                std::fs::create_dir(parent.join(group)).unwrap();
            }
            for of_user in ["user", "user/cgroup.procs"] {
                std::os::unix::fs::chown(parent.join(of_user), Some(NOBODY), Some(NOBODY)).unwrap();
            }
        }

        let sleep = |options: &[&str], user| {
            let mut runshare = Command::new(dir.path().join("runshare"));
            runshare.args(options).args(["sleep", "10000"]).current_dir("/").stdout(Stdio::null());
            // A socket, for what is asked of those of a process.
            runshare.stdin(OwnedFd::from(UnixDatagram::unbound().unwrap()));
            if user {
                std::os::unix::process::CommandExt::uid(&mut runshare, NOBODY);
                std::os::unix::process::CommandExt::gid(&mut runshare, NOBODY);
            }
            asleep(&runshare.spawn().unwrap())
        };
        let target = sleep(&["-uinp", "--mount-proc", "--kill-child"], false);
        let users = sleep(&["-Urn"], true);
        let nested = sleep(&["-Ur", dir.path().join("runshare").to_str().unwrap(), "-Ur"], true);
        // A container, as far as groups tell.
        for parent in &parents {
            let group = parent.join(format!("docker-{}.scope", container(name.to_str().unwrap())));
            std::fs::create_dir(&group).unwrap();
            std::fs::write(group.join("cgroup.procs"), target.to_string()).unwrap();
        }
        let mut world = World { dir, parents, target, users, nested, known: State::default() };
        world.known = world.state();
        world
    }

    /// A case as it is run here.
    pub(crate) fn start(&self, case: &Case) -> Start {
        let name = self.dir.path().file_name().unwrap().to_str().unwrap();
        let parent = if case.user { format!("{name}/user") } else { name.to_string() };
        let net = std::fs::read_link(format!("/proc/{}/ns/net", self.target)).unwrap();
        let word = |word: &str| {
            word.replace("TARGET", &self.target.to_string())
                .replace("NET", net.to_str().unwrap())
                .replace("CONTAINER", &container(name))
                .replace("NESTED", &self.nested.to_string())
                .replace("USERS", &self.users.to_string())
                .replace("PARENT", &parent)
                .replace("GROUP", &format!("{name}/group"))
                .replace("PIN", self.pin().to_str().unwrap())
                .replace("EMPTY", "")
        };
        Start {
            program: self.dir.path().join(case.tool),
            args: case.args.split_whitespace().map(word).collect(),
            dir: self.dir.path().join("here"),
            user: case.user.then_some(NOBODY),
        }
    }

    fn pin(&self) -> PathBuf {
        self.dir.path().join("pin")
    }

    /// Takes away what is bound to the file, if something is.
    pub(crate) fn unpin(&self) -> bool {
        umount2(&self.pin(), MntFlags::MNT_DETACH).is_ok()
    }

    fn state(&self) -> State {
        let pids = std::fs::read_dir("/proc").unwrap().flatten();
        let pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        let groups = self.parents.iter().flat_map(|parent| tree(parent)).filter(|path| path.is_dir());
        State {
            processes: pids.collect(),
            groups: groups.collect(),
            files: tree(&self.dir.path().join("here")).into_iter().collect(),
            mounts: std::fs::read_to_string("/proc/self/mountinfo")
                .unwrap()
                .lines()
                .map(str::to_string)
                .collect(),
        }
    }

    /// What was left by a run that has ended. Processes are given some time to end, and then are ended.
    pub(crate) fn left(&self) -> Vec<String> {
        let mut now = self.state();
        wait_until(|| {
            now = self.state();
            now.processes == self.known.processes
        });
        let mut left = Vec::new();
        for pid in now.processes.difference(&self.known.processes) {
            let command = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            left.push(format!("process {pid} {}", command.replace('\0', " ")));
            let _ = kill(Pid::from_raw(*pid), Signal::SIGKILL);
        }
        left.extend(
            now.groups.difference(&self.known.groups).map(|path| format!("group {}", path.display())),
        );
        left.extend(now.files.difference(&self.known.files).map(|path| format!("file {}", path.display())));
        left.extend(now.mounts.symmetric_difference(&self.known.mounts).map(|line| format!("mount {line}")));
        left
    }

    /// Removes the groups and files that were left, so that the next run begins as the first.
    pub(crate) fn tidy(&self) {
        let now = self.state();
        for group in now.groups.difference(&self.known.groups).collect::<Vec<_>>().into_iter().rev() {
            let _ = std::fs::remove_dir(group);
        }
        now.files.difference(&self.known.files).for_each(|file| drop(std::fs::remove_file(file)));
        self.unpin();
    }
}

impl Drop for World {
    fn drop(&mut self) {
        // Our processes end with us, but the groups of this one are to be removed now.
        let _ = kill(self.target, Signal::SIGKILL);
        wait_until(|| !Path::new(&format!("/proc/{}/ns/net", self.target)).exists());
        // Whoever is still on the way out keeps its group a moment longer.
        for parent in &self.parents {
            wait_until(|| {
                let groups = tree(parent).into_iter().filter(|path| path.is_dir()).rev();
                groups.chain([parent.clone()]).for_each(|group| drop(std::fs::remove_dir(group)));
                !parent.exists()
            });
        }
    }
}

/// The id of the container that the target is in: one that nothing else has, drawn from the name of our directory.
fn container(name: &str) -> String {
    let digits: String = name.bytes().rev().map(|b| format!("{b:02x}")).collect();
    format!("{digits:0<64}")[..64].to_string()
}

/// Waits until this is so, or it takes too long, and buries meanwhile.
fn wait_until(mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !is_so() && Instant::now() < end {
        bury();
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Collects those of our children that have ended.
fn bury() {
    while waitpid(None, Some(WaitPidFlag::WNOHANG | WaitPidFlag::__WALL))
        .is_ok_and(|status| status.pid().is_some())
    {}
}

/// The process that sleeps in namespaces of its own: the launcher itself or its child.
fn asleep(launcher: &Child) -> Pid {
    let end = Instant::now() + 5 * PATIENCE;
    loop {
        let launcher = launcher.id();
        let children = std::fs::read_to_string(format!("/proc/{launcher}/task/{launcher}/children"));
        let children = children.unwrap_or_default();
        let asleep = |pid: &&str| {
            std::fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name == "sleep\n")
        };
        let own = launcher.to_string();
        if let Some(pid) = children.split_whitespace().chain([own.as_str()]).find(asleep) {
            return Pid::from_raw(pid.parse().unwrap());
        }
        assert!(Instant::now() < end, "there is no process to be looked at");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Everything below a directory, those above first.
fn tree(dir: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    entries
        .flat_map(|entry| {
            let below =
                if entry.file_type().is_ok_and(|kind| kind.is_dir()) { tree(&entry.path()) } else { vec![] };
            [vec![entry.path()], below].concat()
        })
        .collect()
}

fn open_to_all(dir: &Path) {
    std::fs::set_permissions(dir, std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
}

fn bytes(path: &[u8]) -> &std::ffi::OsStr {
    std::os::unix::ffi::OsStrExt::from_bytes(path)
}
