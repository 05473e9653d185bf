//! The promises. About starting: beside unshare and nsenter, in turn and in one run, runshare and rnsenter take no more
//! time. About limits: rcgexec makes groups, limits them, and removes them in at most half of the time of cgcreate,
//! cgset, cgexec and cgdelete, until the program starts and from its end on, and waits with less than 4 MiB. About listings:
//! rlsns takes less than a third of the time of lsns among 2,000 sleeping processes, and where it looks for all that can
//! keep a namespace, less than half. About worlds: nsinfo lists very many mounts in less than twice the time of reading them,
//! and shows a process in no more than that of findmnt and lsns together. `make bench` measures the rest;
//! `cargo bench --bench listing -- world` only looks at worlds.

#![allow(clippy::unwrap_used, missing_docs)]

#[allow(dead_code)]
mod floor;
mod groups;
#[allow(dead_code)]
mod load;
#[allow(dead_code)]
mod measure;
mod world;

use std::io::Read;
use std::process::{Command, Stdio};
use std::time::Duration;

use measure::{Contender, Rounds};

const PROCESSES: usize = 2000;

/// What lsns is asked, what rlsns is asked beyond that, and how much of the time of lsns it may take.
const PROMISED: &[(&str, &str, f64)] = &[
    ("", "", 1.0 / 2.0),
    ("-J -l", "", 1.0 / 2.0),
    ("", "--depth procs", 1.0 / 3.0),
    ("-t net", "--depth procs", 1.0 / 3.0),
];

/// How much of the time of their originals runshare and rnsenter may take where next to all of it is starting.
const START: f64 = 1.0;

/// How much of the time of the tools of libcgroup rcgexec may take.
const LIMITS: f64 = 1.0 / 2.0;

/// How much memory rcgexec may have while it waits, in KiB.
const MEMORY: u64 = 4096;

/// How often that is looked at: what else the machine does is more than the difference, but not always.
const LOOKS: usize = 3;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if measure::is_a_part(&args) {
        return;
    }
    let starts = nix::unistd::geteuid().is_root();
    if args.iter().any(|arg| arg == "world") {
        let kept = world::many_mounts_are_cheap() & world::a_page_is_cheap();
        std::process::exit(i32::from(!kept));
    }
    let mut kept = !starts || start_is_cheap() & entering_is_cheap() & limits_are_cheap();
    kept &= !starts || world::many_mounts_are_cheap() & world::a_page_is_cheap();
    // Namespaces of every kind are for root.
    let _load = load::Load::start(PROCESSES, if starts { 50 } else { 0 });
    println!("{:20} {:>9} {:>9} {:>6}  among {PROCESSES} processes", "options", "lsns", "rlsns", "ratio");
    for (options, more, promised) in PROMISED {
        let asked = format!("{options} {more}");
        let contenders = [Contender::new("lsns", options), Contender::new("rlsns", &asked)];
        // With other work on the machine, what is looked at by all its processors takes longer than it would.
        kept &= (0..LOOKS).any(|_| {
            let rounds = Rounds::run(&contenders, 11, Duration::from_secs(10));
            let [theirs, ours] = [0, 1].map(|who| rounds.of(who, measure::Sample::wall)[1] * 1000.0);
            let ratio = rounds.ratio(1, 0, measure::Sample::wall)[1];
            println!("{:20} {theirs:>6.1} ms {ours:>6.1} ms {ratio:>6.2}", asked.trim());
            if ratio >= *promised {
                eprintln!("`rlsns {}` takes {promised:.2} of the time of lsns or more", asked.trim());
            }
            ratio < *promised
        });
    }
    if !kept {
        std::process::exit(1);
    }
}

/// Does runshare start a program in no more time than unshare? By the median of the ratios of rounds.
fn start_is_cheap() -> bool {
    is_cheap("unshare", "runshare", "-u /bin/true")
}

/// Does rnsenter, into one namespace and into all?
fn entering_is_cheap() -> bool {
    let mut target = Command::new("unshare");
    target.args(["-m", "-u", "-i", "-n", "-C", "sh", "-c", "echo; exec cat"]);
    // It ends with us.
    let mut target = target.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    target.stdout.take().unwrap().read_exact(&mut [0]).unwrap();
    let all_are = ["-n", "-a"].into_iter().fold(true, |kept, kinds| {
        let args = format!("-t {} {kinds} /bin/true", target.id());
        kept & is_cheap("nsenter", "rnsenter", &args)
    });
    drop(target.stdin.take());
    target.wait().unwrap();
    all_are
}

/// What is looked at, and how it is found in a sample.
type Part = (&'static str, fn(&measure::Sample) -> f64);

/// Does rcgexec, with three limits: until the program runs, from its end on, and in all?
fn limits_are_cheap() -> bool {
    let parent = groups::Parent::make();
    let dir = tempfile::tempdir().unwrap();
    let copy = dir.path().join("tool");
    std::fs::copy(measure::find("rcgexec").unwrap(), &copy).unwrap();
    let contenders = parent.contenders(copy.to_str().unwrap(), &measure::STAMP);
    let parts: [Part; 3] = [
        ("from start to exec", measure::Sample::before),
        ("from end to end", measure::Sample::after),
        ("in all", measure::Sample::wall),
    ];
    let memory = parent.memory(copy.to_str().unwrap());
    println!("rcgexec waits with {memory} KiB of memory");
    let small = memory < MEMORY;
    if !small {
        eprintln!("`rcgexec` takes {memory} KiB of memory while it waits, more than {MEMORY}");
    }
    small & (0..LOOKS).any(|_| {
        let rounds = Rounds::run(&contenders, 301, Duration::from_secs(20));
        parts.into_iter().fold(true, |kept, (what, part)| {
            let [theirs, ours] = [0, 1].map(|who| rounds.of(who, part)[1] * 1e6);
            let ratio = rounds.ratio(1, 0, part)[1];
            println!(
                "cgcreate, cgset, cgexec, cgdelete {what} {theirs:.0} us, rcgexec {} {ours:.0} us, ratio {ratio:.2}, {} rounds",
                groups::LIMITS,
                rounds.count()
            );
            if ratio > LIMITS {
                eprintln!("`rcgexec` takes more than {LIMITS:.2} of their time {what}");
            }
            kept & (ratio <= LIMITS)
        })
    })
}

/// Does our tool take no more than this of the time of its original?
fn is_cheap(original: &str, name: &str, args: &str) -> bool {
    // A copy, as an installed one is: what a linker has just written lies in memory in smaller pieces.
    let dir = tempfile::tempdir().unwrap();
    let copy = dir.path().join("tool");
    std::fs::copy(measure::find(name).unwrap(), &copy).unwrap();
    let contenders = [Contender::new(original, args), Contender::new(copy.to_str().unwrap(), args)];
    (0..LOOKS).any(|_| {
        let rounds = Rounds::run(&contenders, 301, Duration::from_secs(20));
        let [theirs, ours] = [0, 1].map(|who| rounds.of(who, measure::Sample::wall)[1] * 1e6);
        let ratio = rounds.ratio(1, 0, measure::Sample::wall)[1];
        println!(
            "{original} {args} {theirs:.0} us, {name} {ours:.0} us, ratio {ratio:.2}, {} rounds",
            rounds.count()
        );
        if ratio > START {
            eprintln!("`{name} {args}` takes more than {START:.2} of the time of {original}");
        }
        ratio <= START
    })
}
