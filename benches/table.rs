//! The table that README quotes: every tool beside its original and beside the least that the job can cost, in
//! one run. `make bench` prints it as Markdown; `cargo bench --bench table -- WORD...` only rows with a WORD.

#![allow(clippy::unwrap_used, missing_docs)]

mod floor;
#[path = "groups.rs"]
#[allow(dead_code)]
mod groups;
mod load;
#[allow(dead_code)]
mod measure;
mod startup;

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use load::Load;
use measure::{Contender, Rounds, Sample, find};

/// So many processes, and namespaces of each kind.
const LOADS: &[(usize, usize)] = &[(2000, 24), (4000, 300), (10_000, 300), (25_000, 300)];

/// Among more processes the newest lsns takes minutes.
const NEWEST_UP_TO: usize = 4000;

/// Options with which unshare and runshare start a program.
const MAKE: &[&str] = &["-u", "-n", "-Ur", "-fp --mount-proc", "-fpmuinC --mount-proc"];

/// What unshare can do, with more options: these, and ours where it is called otherwise.
#[rustfmt::skip]
const MAKE_MORE: &[(&str, &str)] = &[
    ("-fp --kill-child", "-fp --kill-child"),
    // The original has no init: the program is that, and nobody collects its orphans.
    ("-fp --mount-proc", "--init --mount-proc"),
];

/// What only a shell can do beside the original, by hand, and ours. `PIN` is a file, `DIR` an empty directory.
#[rustfmt::skip]
const BY_HAND: &[(&str, &str)] = &[
    ("unshare --uts=PIN true && umount PIN", "--uts=PIN true && umount PIN"),
    // Without subordinate ids of its own root's original is refused; a shell can write the map from outside.
    ("unshare -U sleep 1 & p=$!; until [ \"$(readlink /proc/$p/ns/user)\" != \"$(readlink /proc/self/ns/user)\" ]; do :; done; \
      echo 1 100000 10 >/proc/$p/uid_map; kill $p", "--map-users 1:100000:10 true"),
    ("unshare -m sh -c 'mount --rbind / DIR && cd DIR && pivot_root . mnt && umount -l /mnt && exec true'", "--pivot-root / true"),
    ("unshare -m sh -c 'mount -t tmpfs t DIR && mkdir DIR/u DIR/w && \
      mount -t overlay o -o lowerdir=/usr,upperdir=DIR/u,workdir=DIR/w DIR && exec chroot DIR bin/true'",
     "--pivot-root /usr --overlay /bin/true"),
];

/// Those of nsenter and rnsenter, before which stands the PID of a process.
const ENTER: &[&str] = &["-n", "-u -i -n", "-p", "-a"];

/// What every launcher starts; alone, it is their floor.
const PROGRAM: &str = "true";

/// How often a job is done that takes milliseconds.
const OFTEN: usize = 101;

const HEAD: &str = "\
| job | original | ours | time, ours / original | CPU time, ours / original | memory of both | time, ours / floor | CPU time, \
ours / floor | rounds |
|---|--:|--:|---|---|--:|--:|--:|--:|";

/// Which rows to measure: those that contain one of the words, or all.
struct Wanted(Vec<String>);

impl Wanted {
    fn has(&self, row: &str) -> bool {
        self.0.is_empty() || self.0.iter().any(|word| row.contains(word.as_str()))
    }

    /// Measures and prints a row: the original, ours, and the floor, each doing the same job.
    fn row(&self, job: &str, contenders: impl FnOnce() -> [Contender; 3], rounds: usize) {
        if self.has(job) {
            let [original, ours, floor] = contenders();
            self.rows(&[job.to_string()], &[original, floor, ours], rounds);
        }
    }

    /// The same for several ways in which ours does the job: a row each, of the same rounds. The original comes first,
    /// then the floor.
    /// Answers the median time of each way, in seconds.
    fn rows(&self, jobs: &[String], contenders: &[Contender], rounds: usize) -> Vec<f64> {
        let rounds = Rounds::run(contenders, rounds, Duration::from_secs(12));
        let ours = 2..contenders.len();
        jobs.iter().zip(ours.clone()).for_each(|(job, at)| Self::print(job, &rounds, at));
        ours.map(|at| rounds.of(at, Sample::wall)[1]).collect()
    }

    fn print(job: &str, rounds: &Rounds, ours: usize) {
        let median = |who: usize, what| rounds.of(who, what)[1];
        let short = |ratio: f64| if ratio < 0.1 { format!("{ratio:.4}") } else { format!("{ratio:.2}") };
        let spread = |all: [f64; 3]| {
            let [low, middle, high] = all.map(short);
            format!("{middle} ({low} to {high})")
        };
        let cells = [
            job.to_string(),
            format!("{:.1} ms", median(0, Sample::wall) * 1000.0),
            format!("{:.1} ms", median(ours, Sample::wall) * 1000.0),
            spread(rounds.ratio(ours, 0, Sample::wall)),
            spread(rounds.ratio(ours, 0, Sample::cpu)),
            format!("{:.1} and {:.1} MiB", median(0, Sample::memory), median(ours, Sample::memory)),
            format!("{:.2}", rounds.ratio(ours, 1, Sample::wall)[1]),
            format!("{:.2}", rounds.ratio(ours, 1, Sample::cpu)[1]),
            rounds.count().to_string(),
        ];
        println!("| {} |", cells.join(" | "));
    }
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    if measure::is_a_part(&args) {
        return;
    }
    let wanted = Wanted(args);
    if !nix::unistd::geteuid().is_root() {
        eprintln!("the table needs root: it makes namespaces of every kind, and groups");
        std::process::exit(1);
    }
    println!("{}\n\n{HEAD}", machine());
    let growth = listings(&wanted);
    launches(&wanted);
    groups(&wanted);
    println!();
    println!("{growth}\n");
    startup::print();
}

/// Where and when this was, and beside which versions.
fn machine() -> String {
    let says = |program: &str, args: &[&str]| {
        let output = find(program).and_then(|program| Command::new(program).args(args).output().ok());
        output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_string()).unwrap_or_default()
    };
    let version = |lsns: &str| says(lsns, &["--version"]).replace("lsns from ", "");
    let cpus = std::fs::read_to_string("/proc/cpuinfo").unwrap();
    let model =
        cpus.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or(": a CPU without a name");
    let newest =
        newest().map(|lsns| format!(", the newest {}", version(lsns.to_str().unwrap()))).unwrap_or_default();
    format!(
        "Measured {} on {}, {} CPUs, Linux {}, beside {}{newest}, cgroup-tools {}. Times and memory are medians, \
         and so are ratios, with their quartiles in brackets: those of rounds in which each did the job once. \
         The floor of a listing is a bare loop of getdents, openat and readlinkat over the same links; that of \
         a launcher is the program alone. The locale is C.UTF-8.",
        says("date", &["+%F"]),
        model.trim_start_matches([' ', '\t', ':']),
        std::thread::available_parallelism().unwrap(),
        says("uname", &["-r"]),
        version("lsns"),
        says("dpkg-query", &["-W", "-f", "${Version}", "cgroup-tools"]),
    )
}

/// The newest lsns, where `tests/newest` has fetched it.
fn newest() -> Option<PathBuf> {
    let set = |name| std::env::var_os(name).map(PathBuf::from);
    let caches = || Some(set("XDG_CACHE_HOME").unwrap_or(set("HOME")?.join(".cache")).join("nskit-vm"));
    Some(set("NSKIT_VM_CACHE").or_else(caches)?.join("newest/bin/lsns")).filter(|file| file.is_file())
}

fn listings(wanted: &Wanted) -> String {
    let this = std::env::current_exe().unwrap();
    let this = this.to_str().unwrap();
    let newest = newest();
    let originals = [("lsns", Some(Path::new("lsns"))), ("newest lsns", newest.as_deref())];
    let depths = ["", "--depth procs"];
    // How long ours takes for each process, where nobody else was at work between its rounds.
    let mut each = depths.map(|_| Vec::new());
    for &(processes, of_each) in LOADS {
        let mut rows = Vec::new();
        for (name, original) in originals {
            let original = original.filter(|_| name == "lsns" || processes <= NEWEST_UP_TO);
            for options in ["", "-t net"] {
                let job = format!("`{}`, {processes} processes", format!("{name} {options}").trim_end());
                rows.extend(original.filter(|_| wanted.has(&job)).map(|original| (job, original, options)));
            }
        }
        let grows = wanted.has("growth");
        let _load = (grows || !rows.is_empty()).then(|| Load::start(processes, of_each));
        for (job, original, options) in rows {
            let mut contenders = vec![
                Contender::new(original.to_str().unwrap(), options),
                Contender::new(this, &format!("floor {}", options.replace("-t ", ""))),
            ];
            contenders.extend(depths.map(|depth| Contender::new("rlsns", &format!("{depth} {options}"))));
            let jobs = [job.clone(), format!("{job}, ours with `--depth procs`")];
            wanted.rows(&jobs, &contenders, 11);
        }
        if grows {
            let ours = depths.map(|depth| Contender::new("rlsns", depth));
            let rounds = Rounds::run(&ours, 11, Duration::from_secs(30));
            for (times, who) in each.iter_mut().zip(0..) {
                times.push(rounds.of(who, Sample::wall)[1] / processes as f64);
            }
        }
    }
    by_number(wanted, LOADS[0]);
    growth(&depths, &each)
}

/// How time grows with the processes: 1.0 would be as they do.
fn growth(depths: &[&str], each: &[Vec<f64>]) -> String {
    let (least, most) = (LOADS[0].0, LOADS[LOADS.len() - 1].0);
    let grown = depths.iter().zip(each).filter(|(_, times)| times.len() == LOADS.len());
    let grown: Vec<_> = grown
        .map(|(depth, times)| {
            format!("`{}` {:.2}", format!("rlsns {depth}").trim_end(), times[LOADS.len() - 1] / times[0])
        })
        .collect();
    let line = format!("Time for each process among {most} over that among {least}: {}.", grown.join(", "));
    if grown.is_empty() { String::new() } else { line }
}

/// A namespace of which only the number is known is entered: the original needs a PID, which its lister can find.
fn by_number(wanted: &Wanted, (processes, of_each): (usize, usize)) {
    let job = format!("`lsns` for a PID and `nsenter` by a number, {processes} processes");
    let target = Target::start();
    let net = std::fs::read_link(format!("/proc/{}/ns/net", target.pid)).unwrap().display().to_string();
    let ino = net.trim_matches(|c: char| !c.is_ascii_digit()).to_string();
    let _load = wanted.has(&job).then(|| Load::start(processes, of_each));
    let script = format!("nsenter -n -t $(lsns -n -o PID {ino} | head -n 1) {PROGRAM}");
    let contenders = || {
        let ours = format!("-t {net} {PROGRAM}");
        [Contender::script(&script), Contender::new("rnsenter", &ours), Contender::new(PROGRAM, "")]
    };
    wanted.row(&job, contenders, 11);
}

fn launches(wanted: &Wanted) {
    let alone = || Contender::new(PROGRAM, "");
    for options in MAKE {
        let args = format!("{options} {PROGRAM}");
        let both = || [Contender::new("unshare", &args), Contender::new("runshare", &args), alone()];
        wanted.row(&format!("`unshare {args}`"), both, OFTEN);
    }
    for (theirs, ours) in MAKE_MORE {
        let [theirs, ours] = [theirs, ours].map(|options| format!("{options} {PROGRAM}"));
        let both = || [Contender::new("unshare", &theirs), Contender::new("runshare", &ours), alone()];
        wanted.row(&format!("`unshare {theirs}`, `runshare {ours}`"), both, OFTEN);
    }
    let dir = tempfile::tempdir().unwrap();
    let pin = tempfile::NamedTempFile::new().unwrap();
    let here = |text: &str| {
        let text = text.replace("PIN", pin.path().to_str().unwrap());
        text.replace("DIR", dir.path().to_str().unwrap())
    };
    for (theirs, ours) in BY_HAND {
        let both = || {
            let ours = here(&format!("{} {ours}", find("runshare").unwrap().display()));
            [Contender::script(&here(theirs)), Contender::script(&ours), alone()]
        };
        wanted.row(&format!("`{theirs}`, `runshare {ours}`"), both, OFTEN);
    }
    let args = format!("{} {PROGRAM}", MAKE[0]);
    let job = format!("`unshare {args}`, ours a static build");
    if let Some(tool) = wanted.has(&job).then(|| static_build("runshare")).flatten() {
        let ours = Contender::new(tool.to_str().unwrap(), &args);
        wanted.row(&job, || [Contender::new("unshare", &args), ours, alone()], OFTEN);
    }
    let target = Target::start();
    for options in ENTER {
        let args = format!("-t {} {options} {PROGRAM}", target.pid);
        let both = || [Contender::new("nsenter", &args), Contender::new("rnsenter", &args), alone()];
        wanted.row(&format!("`nsenter -t PID {options} {PROGRAM}`"), both, OFTEN);
    }
    for options in ["-n", "-a"] {
        let args = format!("-t {} {options} {PROGRAM}", target.pid);
        let job = format!("`nsenter -t PID {options} {PROGRAM}`, ours a static build");
        if let Some(tool) = wanted.has(&job).then(|| static_build("rnsenter")).flatten() {
            let ours = Contender::new(tool.to_str().unwrap(), &args);
            wanted.row(&job, || [Contender::new("nsenter", &args), ours, alone()], OFTEN);
        }
    }
}

/// A tool without a shared library, built where Rust has its library for musl.
fn static_build(tool: &str) -> Option<PathBuf> {
    let target = format!("{}-unknown-linux-musl", std::env::consts::ARCH);
    let rustc = |args: &[&str]| Command::new("rustc").args(args).output().ok();
    let there = rustc(&["--print", "target-libdir", "--target", &target])?;
    if !Path::new(String::from_utf8(there.stdout).unwrap().trim()).is_dir() {
        eprintln!("a static build is not measured: rustup target add {target}");
        return None;
    }
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("static");
    let mut cargo = Command::new(std::env::var("CARGO").unwrap_or("cargo".into()));
    cargo.args([
        "build",
        "--quiet",
        "--locked",
        "--release",
        "--bin",
        tool,
        "--target",
        &target,
        "--target-dir",
    ]);
    let built = cargo.arg(&folder).current_dir(env!("CARGO_MANIFEST_DIR")).status().unwrap();
    built.success().then(|| folder.join(&target).join("release").join(tool))
}

/// A process in new namespaces of most kinds, which ends with us.
struct Target {
    child: Child,
    pid: i32,
}

impl Target {
    fn start() -> Target {
        let mut command = Command::new(find("runshare").unwrap());
        command.args(["-fpmuinC", "--mount-proc", "sh", "-c", "echo ready; exec cat"]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let children = std::fs::read_to_string(format!("/proc/{0}/task/{0}/children", child.id())).unwrap();
        Target { child, pid: children.trim().parse().unwrap() }
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        self.child.wait().unwrap();
    }
}

/// Groups of the controller cpu, which every layout has.
fn groups(wanted: &Wanted) {
    let version_2 = Path::new("/sys/fs/cgroup/cgroup.controllers").exists();
    let quota = if version_2 { "cpu.max=20000 100000" } else { "cpu.cfs_quota_us=20000" };
    let group = Group(format!("nskit-bench-{}", std::process::id()));
    let at = format!("cpu:{}", group.0);
    let alone = || Contender::new(PROGRAM, "");
    let both = || {
        let theirs = Contender::new("cgcreate", &format!("-g {at}"))
            .then("cgset", &["-r", quota, &group.0])
            .then("cgexec", &["-g", &at, PROGRAM])
            .then("cgdelete", &["-g", &at]);
        [theirs, Contender::new("rcgexec", &format!("--cpu-quota 20000 {PROGRAM}")), alone()]
    };
    wanted.row(&format!("`cgcreate`, `cgset`, `cgexec {PROGRAM}`, `cgdelete`"), both, OFTEN);
    let job = format!("the same with `{}`", groups::LIMITS);
    if wanted.has(&job) {
        let parent = groups::Parent::make();
        let [theirs, ours] = parent.contenders("rcgexec", &[PROGRAM]);
        wanted.row(&job, || [theirs, ours, alone()], OFTEN);
    }
    let both = || {
        group.make();
        let args = format!("-g {at} {PROGRAM}");
        [Contender::new("cgexec", &args), Contender::new("rcgexec", &args), alone()]
    };
    wanted.row(&format!("`cgexec -g GROUP {PROGRAM}`"), both, OFTEN);
}

/// The name of a group that is removed in the end.
struct Group(String);

impl Group {
    fn make(&self) {
        assert!(
            Command::new("cgcreate").args(["-g", &format!("cpu:{}", self.0)]).status().unwrap().success()
        );
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let mut remove = Command::new("cgdelete");
        let _ = remove.args(["-g", &format!("cpu:{}", self.0)]).stderr(Stdio::null()).status();
    }
}
