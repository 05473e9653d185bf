//! Measuring: contenders in turn, in one run, and what came out as medians and ratios of each round.

use std::ffi::CString;
use std::io::{Read, Seek};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use common::sys;
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, dup2_stderr, dup2_stdout, execv};

use crate::{floor, load};

/// Between the commands of one contender.
const THEN: &str = ";;";

/// Someone who does a job: commands, one after the other.
pub(crate) struct Contender(pub(crate) Vec<String>);

impl Contender {
    /// A program, by its name or path, with arguments, which blanks separate.
    pub(crate) fn new(program: &str, args: &str) -> Contender {
        Contender(Vec::new()).then(program, &args.split_whitespace().collect::<Vec<_>>())
    }

    /// What a shell is told.
    pub(crate) fn script(script: &str) -> Contender {
        Contender(Vec::new()).then("sh", &["-c", script])
    }

    /// And then this.
    pub(crate) fn then(mut self, program: &str, args: &[&str]) -> Contender {
        if !self.0.is_empty() {
            self.0.push(THEN.to_string());
        }
        let path = find(program).unwrap_or_else(|| panic!("{program} is not installed"));
        self.0.push(path.to_str().unwrap().to_string());
        self.0.extend(args.iter().map(|arg| arg.to_string()));
        self
    }

    /// With more arguments for its last command.
    pub(crate) fn with(mut self, args: &[&str]) -> Contender {
        self.0.extend(args.iter().map(|arg| arg.to_string()));
        self
    }

    /// Does the job once.
    fn once(&self) -> Option<Sample> {
        let mut meter = Command::new(std::env::current_exe().unwrap());
        // As most have it; the originals read a locale of UTF-8 at their start, and ours need none.
        meter.env("LC_ALL", "C.UTF-8");
        let output =
            meter.arg("meter").args(&self.0).stdin(Stdio::null()).stderr(Stdio::inherit()).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let numbers: Vec<f64> = text.split_whitespace().map(|number| number.parse().unwrap()).collect();
        match numbers[..] {
            [wall, cpu, memory, before, after] => Some(Sample { wall, cpu, memory, before, after }),
            _ => None,
        }
    }
}

/// The bench starts itself as the load, the floor and the meter. Was this such a part, which has now ended?
pub(crate) fn is_a_part(args: &[String]) -> bool {
    let number = |place: usize| args[place].parse().unwrap();
    match args.first().map(String::as_str) {
        Some("load") => load::keep(number(1), number(2)),
        Some("floor") => floor::read_links(&args[1..]),
        Some("meter") => meter(&args[1..]),
        _ => return false,
    }
    true
}

/// Where a program is: ours in BINARIES, or where `cargo build --release` puts it. What cargo builds for a bench is not
/// what is shipped: a panic unwinds in that.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    if ["nsinfo", "rcgexec", "rlsns", "rnsenter", "runshare"].contains(&program) {
        let this = std::env::current_exe().unwrap();
        let built = || this.ancestors().nth(3).unwrap().join("release");
        let binaries = std::env::var_os("BINARIES").map_or_else(built, PathBuf::from);
        let tool = binaries.join(program);
        assert!(tool.is_file(), "{} is not built: cargo build --release", tool.display());
        return Some(tool);
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let usual = ["/usr/sbin", "/sbin", "/"].map(PathBuf::from);
    std::env::split_paths(&path).chain(usual).map(|dir| dir.join(program)).find(|file| file.is_file())
}

/// What doing a job once took: seconds, and the most memory that one of its commands had, in MiB. Where the job
/// printed the time, [`STAMP`], also the seconds before and after that.
#[derive(Clone)]
pub(crate) struct Sample {
    wall: f64,
    cpu: f64,
    memory: f64,
    before: f64,
    after: f64,
}

/// A program that only says when it ran, in nanoseconds.
pub(crate) const STAMP: [&str; 2] = ["/bin/date", "+%s%N"];

impl Sample {
    pub(crate) fn wall(&self) -> f64 {
        self.wall
    }

    pub(crate) fn cpu(&self) -> f64 {
        self.cpu
    }

    pub(crate) fn memory(&self) -> f64 {
        self.memory
    }

    pub(crate) fn before(&self) -> f64 {
        self.before
    }

    pub(crate) fn after(&self) -> f64 {
        self.after
    }
}

/// The process that does a job once and prints what it took, or nothing if a command failed or, as lsns does
/// when a process ends at the wrong moment, a lister printed nothing. Being a process of its own, it has no
/// other children; and it forks, since a child that shares its parent's memory until exec is charged for that.
pub(crate) fn meter(words: &[String]) {
    // An lsns among many processes would go on for minutes if somebody ended the bench.
    let end_with_parent = || sys::set_pdeathsig(Signal::SIGKILL as i32).unwrap();
    end_with_parent();
    let mut output = tempfile::tempfile().unwrap();
    let null = std::fs::OpenOptions::new().write(true).open("/dev/null").unwrap();
    let jobs: Vec<Vec<CString>> = words
        .split(|word| word == THEN)
        .map(|words| words.iter().map(|word| CString::new(word.as_str()).unwrap()).collect())
        .collect();
    let now = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64();
    let (start, begin) = (Instant::now(), now());
    for job in &jobs {
        match sys::fork().unwrap() {
            ForkResult::Parent { child } => {
                if !matches!(waitpid(child, None), Ok(WaitStatus::Exited(_, 0))) {
                    return;
                }
            }
            ForkResult::Child => {
                end_with_parent();
                dup2_stdout(&output).unwrap();
                dup2_stderr(&null).unwrap();
                let _ = execv(&job[0], job);
                std::process::exit(127);
            }
        }
    }
    let (wall, end) = (start.elapsed(), now());
    let used = getrusage(UsageWho::RUSAGE_CHILDREN).unwrap();
    let is_lister = words[0].ends_with("lsns");
    if is_lister && output.stream_position().unwrap() == 0 {
        return;
    }
    let seconds = |time: nix::sys::time::TimeVal| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6;
    let cpu = seconds(used.user_time()) + seconds(used.system_time());
    let mut printed = String::new();
    output.rewind().unwrap();
    // What is no text is no time either.
    let _ = output.take(64).read_to_string(&mut printed);
    let stamp = printed.trim().parse::<u64>().map_or(f64::NAN, |nanoseconds| nanoseconds as f64 / 1e9);
    let memory = used.max_rss() as f64 / 1024.0;
    println!("{} {cpu} {memory} {} {}", wall.as_secs_f64(), stamp - begin, end - stamp);
}

/// The samples of contenders who did the same job, the original first: a list for each, all of one length.
pub(crate) struct Rounds(Vec<Vec<Sample>>);

impl Rounds {
    /// Lets them do it in turn, each second round in reverse order: so often, or as often as fits into the
    /// time, but three times.
    pub(crate) fn run(contenders: &[Contender], rounds: usize, limit: Duration) -> Rounds {
        let mut samples = vec![Vec::new(); contenders.len()];
        let start = Instant::now();
        for round in 0..rounds {
            if round >= 3 && start.elapsed() > limit {
                break;
            }
            let mut order: Vec<usize> = (0..contenders.len()).collect();
            if round % 2 == 1 {
                order.reverse();
            }
            for who in order {
                // The original may fail when a process ends meanwhile, and nobody else.
                let mut tries = (0..if who == 0 { 10 } else { 1 }).filter_map(|_| contenders[who].once());
                samples[who].push(tries.next().unwrap_or_else(|| panic!("{:?} fails", contenders[who].0)));
            }
        }
        Rounds(samples)
    }

    /// How many there were.
    pub(crate) fn count(&self) -> usize {
        self.0[0].len()
    }

    /// Of one contender: first quartile, median and third quartile.
    pub(crate) fn of(&self, who: usize, what: fn(&Sample) -> f64) -> [f64; 3] {
        quartiles(self.0[who].iter().map(what))
    }

    /// Of one contender over another, round by round, the same.
    pub(crate) fn ratio(&self, who: usize, over: usize, what: fn(&Sample) -> f64) -> [f64; 3] {
        quartiles(self.0[who].iter().zip(&self.0[over]).map(|(who, over)| what(who) / what(over)))
    }
}

fn quartiles(values: impl Iterator<Item = f64>) -> [f64; 3] {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    [1, 2, 3].map(|quarter| values[(values.len() - 1) * quarter / 4])
}
