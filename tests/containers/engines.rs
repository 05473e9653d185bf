//! Container engines: each starts a container, and all that was made for it is taken down when its place is
//! dropped.

use std::cell::RefCell;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::harness::{Held, Run, Test, children, copy_program, find, pids, tool_path, within};

/// A container engine. Every container is called "inside", sleeps, and has the same limits.
pub struct Engine {
    pub name: &'static str,
    /// What must be installed.
    programs: &'static [&'static str],
    /// The kinds of namespaces that are the container's own.
    pub own: &'static str,
    /// The user that is root inside, and how many ids there are.
    pub ids: (u32, u32),
    /// Does it refuse to work beside groups of version 1?
    v2: bool,
    /// Starts a container.
    pub start: fn(&Place<'_>) -> Container,
}

/// A container that runs.
pub struct Container {
    /// Its first process, as the engine itself tells.
    pub pid: i32,
    /// What it is called, if it is called anything.
    pub name: Option<String>,
    /// Its id, if it has one besides.
    pub id: Option<String>,
    /// What says how it is called: the word cgroup, or the path of a file.
    pub source: String,
    /// The command by which the engine runs another program in it, but for that program; none where it has no such.
    pub exec: Vec<String>,
    /// The command that removes it.
    pub remove: Vec<String>,
}

impl Container {
    /// One that is called nothing, and ends with its engine.
    fn nameless(pid: i32) -> Container {
        Container { pid, name: None, id: None, source: String::new(), exec: Vec::new(), remove: Vec::new() }
    }
}

/// The limits: half a CPU, so much memory, so many processes.
pub const MEMORY: &str = "67108864";
pub const PIDS: &str = "50";
pub const QUOTA: &str = "50000";

pub const SEVEN: &str = "user cgroup ipc uts net pid mnt";
const ALL_IDS: (u32, u32) = (0, u32::MAX);
const SOME_IDS: (u32, u32) = (100_000, 65536);

#[rustfmt::skip]
pub const ENGINES: &[Engine] = &[
    Engine { name: "docker", programs: &["dockerd", "docker"], own: "ipc uts net pid mnt", ids: ALL_IDS, v2: false, start: docker },
    Engine { name: "docker with its own ids", programs: &["dockerd", "docker"], own: SEVEN, ids: SOME_IDS, v2: false, start: docker_with_ids },
    Engine { name: "runc", programs: &["runc"], own: SEVEN, ids: SOME_IDS, v2: false, start: |place| oci(place, "runc") },
    Engine { name: "crun", programs: &["crun"], own: SEVEN, ids: SOME_IDS, v2: true, start: |place| oci(place, "crun") },
    Engine { name: "podman", programs: &["podman", "crun"], own: "cgroup ipc uts net pid mnt", ids: ALL_IDS, v2: true, start: podman },
    Engine { name: "bubblewrap", programs: &["bwrap"], own: SEVEN, ids: (0, 1), v2: false, start: bubblewrap },
    Engine { name: "systemd-nspawn", programs: &["systemd-nspawn"], own: SEVEN, ids: SOME_IDS, v2: false, start: nspawn },
];

impl Engine {
    pub fn named(name: &str) -> &'static Engine {
        ENGINES.iter().find(|engine| engine.name == name).unwrap()
    }

    /// Can it be tried here? Says so where it cannot.
    pub fn is_here(&self, t: &Test) -> bool {
        t.belongs(!self.v2 || is_pure_v2(), "cgroup v2 alone")
            && t.needs(nix::unistd::geteuid().is_root(), "root")
            && [self.programs, &["busybox"]].concat().into_iter().all(|program| t.has(program))
    }
}

pub fn is_pure_v2() -> bool {
    Path::new("/sys/fs/cgroup/cgroup.controllers").exists()
}

/// Where one test has its containers: a directory and a group in each hierarchy, of one name that nothing
/// else has, and what has to be taken down.
pub struct Place<'t> {
    pub t: &'t Test,
    pub name: String,
    dir: Option<tempfile::TempDir>,
    up: RefCell<Vec<Up>>,
    /// The process that holds the mount namespace of [`WORLD`].
    world: i32,
}

enum Up {
    /// Something that this command takes down.
    Until(Vec<String>),
    /// A process that does not outlive us.
    Process(Held),
}

/// What the containers have in /bin.
const APPLETS: &[&str] =
    &["cat", "echo", "false", "grep", "hostname", "id", "ps", "readlink", "sh", "sleep", "stat", "true"];

/// Makes what is a container's root.
pub fn image(at: &Path) {
    for dir in ["bin", "dev", "etc", "nskit", "proc", "sys", "tmp", "usr"] {
        std::fs::create_dir_all(at.join(dir)).unwrap();
    }
    std::fs::write(at.join("etc/os-release"), "ID=nskit\n").unwrap();
    copy_program(&find("busybox").unwrap(), &at.join("bin/busybox"));
    APPLETS.iter().for_each(|applet| symlink("busybox", at.join("bin").join(applet)).unwrap());
}

impl<'t> Place<'t> {
    pub fn new(t: &'t Test) -> Place<'t> {
        // In the virtual machine /tmp is an overlay, on which Docker can put none of its own.
        let dir = tempfile::Builder::new().prefix("nskit-containers-").tempdir_in("/run").unwrap();
        std::fs::set_permissions(dir.path(), PermissionsExt::from_mode(0o755)).unwrap();
        let name = dir.path().file_name().unwrap().to_str().unwrap().to_string();
        let mut place = Place { t, name, dir: Some(dir), up: RefCell::default(), world: 0 };
        for point in hierarchies() {
            std::fs::create_dir(point.join(&place.name)).unwrap();
        }
        image(Path::new(&place.path("image")));
        let alone = ["-m", "--propagation", "private", "sh", "-c", WORLD, "sh", &place.path("")];
        let world = t.program("unshare").args(alone).hold();
        place.world = world.pid();
        place.keep(world);
        place
    }

    /// The process whose mounts those of the engines are.
    pub fn world(&self) -> i32 {
        self.world
    }

    /// A command line that has the same files in the usual places as the engines.
    fn there(&self, words: &[&str]) -> Vec<String> {
        let world = self.world.to_string();
        let there = ["nsenter", "-t", &world, "-m", "--"];
        there.iter().chain(words).map(|word| word.to_string()).collect()
    }

    /// A program that finds the files of the engines in the usual places.
    pub fn program(&self, program: &str) -> Run<'t> {
        let words = self.there(&[program]);
        self.t.program(&words[0]).args(&words[1..])
    }

    /// One of our tools, likewise.
    pub fn tool(&self, name: &str) -> Run<'t> {
        self.program(tool_path(name).to_str().unwrap())
    }

    /// Runs a command there, which has to succeed; answers what it printed.
    pub fn run_there(&self, words: &[&str]) -> String {
        let words = self.there(words);
        self.run(&words.iter().map(String::as_str).collect::<Vec<_>>())
    }

    /// A file of this place.
    pub fn path(&self, file: &str) -> String {
        self.dir.as_ref().unwrap().path().join(file).to_str().unwrap().to_string()
    }

    /// Runs a command, which has to succeed; answers what it printed.
    pub fn run(&self, words: &[&str]) -> String {
        let output = self.t.program(words[0]).args(&words[1..]).patiently().run();
        assert_eq!(output.code, Some(0), "{}\n{}", output.shown, output.errors());
        output.text().trim_end().to_string()
    }

    /// Runs a command whose container keeps its standard input and output.
    fn run_detached(&self, words: &[&str]) {
        let script = "log=$1; shift; \"$@\" </dev/null >\"$log\" 2>&1 || { cat \"$log\" >&2; exit 1; }";
        self.run_there(&[&["sh", "-c", script, "sh", &self.path("log")], words].concat());
    }

    fn until(&self, words: &[String]) {
        self.up.borrow_mut().push(Up::Until(words.to_vec()));
    }

    fn keep(&self, held: Held) {
        self.up.borrow_mut().push(Up::Process(held));
    }

    fn take_down(&self) {
        while let Some(up) = self.up.borrow_mut().pop() {
            match up {
                Up::Until(words) => _ = Command::new(&words[0]).args(&words[1..]).output(),
                Up::Process(mut held) => {
                    // A container's first process ends by no other signal, and its engine with it.
                    if let Some(first) = first_below(held.pid()) {
                        let _ = kill(Pid::from_raw(first), Signal::SIGKILL);
                    }
                    let _ = kill(Pid::from_raw(held.pid()), Signal::SIGTERM);
                    within(Duration::from_secs(20), || held.child.try_wait().is_ok_and(|end| end.is_some()));
                }
            }
        }
        // What is left of them, and what had no time to do it.
        within(Duration::from_secs(60), || {
            for pid in processes(&self.name) {
                let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
            }
            for line in mounts(&self.name).iter().rev() {
                let _ = Command::new("umount").args(line.split(' ').nth(4)).status();
            }
            groups(&self.name).iter().rev().for_each(|group| _ = std::fs::remove_dir(group));
            left(&self.name).iter().all(|path| *path == self.path(""))
        });
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.take_down();
        let dir = self.dir.take().unwrap().close();
        if !std::thread::panicking() {
            dir.unwrap();
            assert_eq!(left(&self.name), [""; 0]);
        }
    }
}

/// Where the hierarchies of groups are mounted.
pub fn hierarchies() -> Vec<PathBuf> {
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    let points = mounts.lines().filter(|line| line.contains(" - cgroup"));
    points.map(|line| PathBuf::from(line.split(' ').nth(4).unwrap())).collect()
}

/// The groups of a place, each before those below it.
fn groups(name: &str) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = hierarchies().iter().map(|point| point.join(name)).collect();
    found.retain(|dir| dir.exists());
    let mut seen = 0;
    while let Some(dir) = found.get(seen) {
        let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
        let below: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(|path| path.is_dir()).collect();
        found.extend(below);
        seen += 1;
    }
    found
}

/// The lines of its mounts.
fn mounts(name: &str) -> Vec<String> {
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    mounts.lines().filter(|line| line.contains(name)).map(String::from).collect()
}

/// The processes that are in its groups or have its name in their command line.
fn processes(name: &str) -> Vec<i32> {
    let has_name = |pid: &i32| {
        let read = |file: &str| std::fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
        String::from_utf8_lossy(&[read("cmdline"), read("cgroup")].concat()).contains(name)
    };
    pids().into_iter().filter(has_name).collect()
}

/// Whatever has the name of a place: groups, mounts, processes, its directory.
pub fn left(name: &str) -> Vec<String> {
    let groups = groups(name).into_iter().map(|group| group.display().to_string());
    let processes = processes(name).into_iter().map(|pid| format!("process {pid}"));
    let dir = Path::new("/run").join(name);
    let dir = dir.exists().then(|| format!("{}/", dir.display()));
    groups.chain(mounts(name)).chain(processes).chain(dir).collect()
}

/// The first process of a container whose engine this process is.
fn first_below(pid: i32) -> Option<i32> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let pids = status.lines().find_map(|line| line.strip_prefix("NSpid:"))?;
    if pids.split_whitespace().next_back() == Some("1") {
        return Some(pid);
    }
    children(pid).into_iter().find_map(first_below)
}

/// Starts an engine that stays, by rcgexec, which gives it the limits that it has none of.
fn limited(place: &Place<'_>, words: &[&str]) -> i32 {
    let run = place.t.tool("rcgexec").args(["-m", MEMORY, "--pids-limit", PIDS, "--cpu-quota", QUOTA]);
    let held = run.args(["--parent", &place.name, "--"]).args(words).hold();
    let asleep = || crate::harness::sleeps(held.inner());
    let up = within(Duration::from_secs(20), asleep);
    let pid = first_below(held.pid());
    place.keep(held);
    pid.filter(|_| up).unwrap()
}

/// What these engines run.
pub const SLEEP: &[&str] = &["/bin/sh", "-c", "echo ready; exec sleep 1000"];

fn bubblewrap(place: &Place<'_>) -> Container {
    let image = place.path("image");
    let options =
        ["bwrap", "--unshare-all", "--die-with-parent", "--uid", "0", "--gid", "0", "--hostname", "inside"];
    let mounts = ["--bind", &image, "/", "--proc", "/proc", "--dev", "/dev"];
    Container::nameless(limited(place, &[&options[..], &mounts, SLEEP].concat()))
}

/// In a group as that of its own unit, which tells its name: nobody is asked to register it.
fn nspawn(place: &Place<'_>) -> Container {
    let name = "nskit-inside";
    let unit = format!("systemd-nspawn@{name}.service");
    // It makes groups below its own: on version 2 that has the limits, else those that have none.
    let in_v2 = "unit=/sys/fs/cgroup$(cut -d: -f3 /proc/self/cgroup)/$1; shift
        mkdir \"$unit\" && echo $$ >\"$unit/cgroup.procs\" && exec env UNIFIED_CGROUP_HIERARCHY=1 \"$@\"";
    let groups = ["name=systemd", ""].map(|name| format!("-g{name}:{}/{unit}", place.name));
    let enter = match is_pure_v2() {
        true => ["sh", "-c", in_v2, "sh", &unit],
        false => [tool_path("rcgexec").to_str().unwrap(), &groups[0], &groups[1], "--", "env"],
    };
    if !is_pure_v2() {
        let with_groups = hierarchies()
            .into_iter()
            .filter(|point| ["systemd", "unified"].iter().any(|name| point.ends_with(name)));
        with_groups.for_each(|point| std::fs::create_dir(point.join(&place.name).join(&unit)).unwrap());
    }
    let image = place.path("image");
    let options = ["systemd-nspawn", "-q", "--register=no", "--keep-unit", "--kill-signal=SIGKILL"];
    let world = ["-M", name, "--hostname=inside", "-D", &image, "--private-network"];
    let words = [&enter[..], &options, &world, &["--private-users=100000:65536"], SLEEP].concat();
    let words = place.there(&words);
    let pid = limited(place, &words.iter().map(String::as_str).collect::<Vec<_>>());
    Container {
        name: Some(name.into()),
        source: "cgroup".into(),
        remove: ["kill", "-9", &pid.to_string()].map(String::from).to_vec(),
        ..Container::nameless(pid)
    }
}

/// Starts a container by a runtime of the Open Container Initiative, without an engine above it.
fn oci(place: &Place<'_>, runtime: &str) -> Container {
    let ids = serde_json::json!([{ "containerID": 0, "hostID": SOME_IDS.0, "size": SOME_IDS.1 }]);
    let namespaces = ["pid", "network", "ipc", "uts", "mount", "user", "cgroup"];
    let number = |text: &str| text.parse::<u64>().unwrap();
    let config = serde_json::json!({
        "ociVersion": "1.0.2",
        "process": { "user": { "uid": 0, "gid": 0 }, "args": ["sleep", "1000"], "env": ["PATH=/bin"], "cwd": "/" },
        "root": { "path": place.path("image") },
        "hostname": "inside",
        "mounts": [
            { "destination": "/proc", "type": "proc", "source": "proc" },
            { "destination": "/dev", "type": "tmpfs", "source": "tmpfs" },
        ],
        "linux": {
            "cgroupsPath": format!("/{}/container", place.name),
            "uidMappings": ids,
            "gidMappings": ids,
            "resources": {
                "memory": { "limit": number(MEMORY) },
                "pids": { "limit": number(PIDS) },
                "cpu": { "quota": number(QUOTA), "period": 100_000 },
            },
            "namespaces": namespaces.map(|kind| serde_json::json!({ "type": kind })),
        },
    });
    std::fs::write(place.path("config.json"), config.to_string()).unwrap();
    let (dir, pid) = (place.path(""), place.path("pid"));
    let remove = place.there(&[runtime, "delete", "-f", &place.name]);
    place.until(&remove);
    place.run_detached(&[runtime, "run", "-d", "-b", &dir, "--pid-file", &pid, &place.name]);
    let pid = std::fs::read_to_string(pid).unwrap().trim().parse().unwrap();
    let file = if runtime == "runc" { "state.json" } else { "status" };
    Container {
        name: Some(place.name.clone()),
        source: format!("/run/{runtime}/{}/{file}", place.name),
        exec: place.there(&[runtime, "exec", &place.name]),
        remove,
        ..Container::nameless(pid)
    }
}

fn podman(place: &Place<'_>) -> Container {
    let podman = ["podman", "--runtime", "crun", "--cgroup-manager=cgroupfs", "--events-backend=file"];
    let container = ["run", "-d", "--name", &place.name, "--hostname", "inside", "--network=none"];
    let groups = ["--cgroupns=private", "--cgroup-parent", &format!("/{}", place.name)];
    let limits = ["--memory", MEMORY, "--pids-limit", PIDS, "--cpu-quota", QUOTA];
    let program = ["--rootfs", &place.path("image"), "sleep", "1000"];
    let remove = place.there(&[&podman[..], &["rm", "-f", "-t", "0", &place.name]].concat());
    place.until(&remove);
    place.run_detached(&[&podman[..], &container, &groups, &limits, &program].concat());
    let told = |what: &str| place.run_there(&[&podman[..], &["inspect", "-f", what, &place.name]].concat());
    Container {
        pid: told("{{.State.Pid}}").parse().unwrap(),
        name: Some(place.name.clone()),
        id: Some(told("{{.Id}}")),
        source: "/var/lib/containers/storage/overlay-containers/containers.json".into(),
        exec: place.there(&[&podman[..], &["exec", &place.name]].concat()),
        remove,
    }
}

fn docker(place: &Place<'_>) -> Container {
    dockerd(place, &[]);
    docker_run(place, &["--name=nskit-web", "--hostname=inside", "--cgroupns=host"])
}

/// Its directories are those that its configuration names.
fn docker_with_ids(place: &Place<'_>) -> Container {
    let config =
        serde_json::json!({ "data-root": place.path("data/other"), "exec-root": place.path("exec") });
    let script = "mkdir -p /etc/docker && printf %s \"$1\" >/etc/docker/daemon.json";
    place.run_there(&["sh", "-c", script, "sh", &config.to_string()]);
    dockerd(place, &["--userns-remap", "nobody:nogroup"]);
    docker_run(place, &["--name=nskit-web", "--hostname=inside", "--cgroupns=private"])
}

/// Gives a mount namespace of its own what engines leave things in: a /run with nothing but the place, and /etc and
/// /var/lib in which nothing that is written reaches the machine's.
const WORLD: &str = r#"
    dir=${1%/}
    mkdir "$dir/run" && mount -t tmpfs -o mode=755 run "$dir/run" && mkdir "$dir/run/${dir##*/}" &&
        mount --bind "$dir" "$dir/run/${dir##*/}" && mount --rbind "$dir/run" /run || exit
    for own in etc lib; do
        mkdir "$dir/$own" "$dir/$own.work" || exit
    done
    mount -t overlay -o "lowerdir=/etc,upperdir=$dir/etc,workdir=$dir/etc.work" etc /etc &&
        mount -t overlay -o "lowerdir=/var/lib,upperdir=$dir/lib,workdir=$dir/lib.work" lib /var/lib || exit
    # No engine can put an overlay of its own on one.
    for engine in docker containers; do
        mkdir -p "$dir/data/$engine" "/var/lib/$engine" && mount --bind "$dir/data/$engine" "/var/lib/$engine" || exit
    done
    echo ready
    exec sleep 1000
"#;

/// Starts a Docker of the test's own, in the place's own world and with a network of its own.
pub fn dockerd(place: &Place<'_>, options: &[&str]) {
    let script = r#"
        dir=${1%/}; shift
        exec >"$dir/dockerd.log" 2>&1
        for file in subuid subgid; do echo nobody:100000:65536 >"/etc/$file"; done
        exec setpriv --pdeathsig TERM dockerd -H "unix://$dir/docker.sock" --storage-driver overlay2 \
            --exec-opt native.cgroupdriver=cgroupfs --iptables=false --ip6tables=false --ip-masq=false "$@"
    "#;
    let words = place.there(&["unshare", "-n", "sh", "-c", script, "sh", &place.path("")]);
    let bridge: &[&str] = if has_bridges() { &[] } else { &["--bridge=none"] };
    let groups = ["--cgroup-parent", &format!("/{}", place.name)];
    let mut daemon =
        place.t.program(&words[0]).args(&words[1..]).args(groups).args(bridge).args(options).start();
    let socket = place.path("docker.sock");
    let ended = within(Duration::from_secs(60), || {
        daemon.child.try_wait().unwrap().is_some() || std::os::unix::net::UnixStream::connect(&socket).is_ok()
    });
    let up = ended && daemon.child.try_wait().unwrap().is_none();
    place.keep(daemon);
    assert!(up, "no dockerd: {}", std::fs::read_to_string(place.path("dockerd.log")).unwrap());
    let import = "tar -C \"$1\" -c . | docker -H \"unix://$2\" import - image";
    place.run(&["sh", "-c", import, "sh", &place.path("image"), &socket]);
}

/// Can this Linux give containers a network?
pub fn has_bridges() -> bool {
    Path::new("/sys/module/bridge").exists()
}

/// The words of a Docker command.
pub fn docker_words(place: &Place<'_>, words: &[&str]) -> Vec<String> {
    let host = format!("unix://{}", place.path("docker.sock"));
    let config = place.path("client");
    ["docker", "--config", &config, "-H", &host].iter().chain(words).map(|word| word.to_string()).collect()
}

/// Starts a container of that Docker.
pub fn docker_run(place: &Place<'_>, options: &[&str]) -> Container {
    let run = |words: &[&str]| {
        let words = docker_words(place, words);
        place.run(&words.iter().map(String::as_str).collect::<Vec<_>>())
    };
    let limits = ["--memory", MEMORY, "--pids-limit", PIDS, "--cpu-quota", QUOTA];
    let words = [&["run", "-d"], &limits[..], options, &["image", "sleep", "1000"]].concat();
    let id = run(&words);
    // The client may warn of what the kernel lacks.
    let id = id.lines().last().unwrap();
    let remove = docker_words(place, &["rm", "-f", id]);
    place.until(&remove);
    let told = |what: &str| run(&["inspect", "-f", what, id]);
    let root = run(&["info", "-f", "{{.DockerRootDir}}"]);
    Container {
        pid: told("{{.State.Pid}}").parse().unwrap(),
        name: Some(told("{{.Name}}").trim_start_matches('/').into()),
        id: Some(id.into()),
        source: format!("{root}/containers/{id}/config.v2.json"),
        exec: docker_words(place, &["exec", id]),
        remove,
    }
}
