//! The promises. About starting: beside unshare, in turn and in one run, runshare takes no more time. About listings:
//! rlsns takes less than a third of the time of lsns among 2,000 sleeping processes, and where it looks for all that can
//! keep a namespace, less than half. `make bench` measures the rest.

#![allow(clippy::unwrap_used, missing_docs)]

#[allow(dead_code)]
mod floor;
#[allow(dead_code)]
mod load;
#[allow(dead_code)]
mod measure;

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

/// How much of the time of unshare runshare may take where next to all of it is starting.
const START: f64 = 1.0;

/// How often that is looked at: what else the machine does is more than the difference, but not always.
const LOOKS: usize = 3;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if measure::is_a_part(&args) {
        return;
    }
    let starts = nix::unistd::geteuid().is_root();
    let mut kept = !starts || start_is_cheap();
    // Namespaces of every kind are for root.
    let _load = load::Load::start(PROCESSES, if starts { 50 } else { 0 });
    println!("{:20} {:>9} {:>9} {:>6}  among {PROCESSES} processes", "options", "lsns", "rlsns", "ratio");
    for (options, more, promised) in PROMISED {
        let asked = format!("{options} {more}");
        let contenders =
            [Contender::new("lsns", options), Contender::new(env!("CARGO_BIN_EXE_rlsns"), &asked)];
        let rounds = Rounds::run(&contenders, 11, Duration::from_secs(10));
        let [theirs, ours] = [0, 1].map(|who| rounds.of(who, measure::Sample::wall)[1] * 1000.0);
        let ratio = rounds.ratio(1, 0, measure::Sample::wall)[1];
        println!("{:20} {theirs:>6.1} ms {ours:>6.1} ms {ratio:>6.2}", asked.trim());
        if ratio >= *promised {
            eprintln!("`rlsns {}` takes {promised:.2} of the time of lsns or more", asked.trim());
            kept = false;
        }
    }
    if !kept {
        std::process::exit(1);
    }
}

/// Does runshare start a program in no more time than unshare? By the median of the ratios of rounds.
fn start_is_cheap() -> bool {
    let args = "-u /bin/true";
    // A copy, as an installed one is: what a linker has just written lies in memory in smaller pieces.
    let dir = tempfile::tempdir().unwrap();
    let copy = dir.path().join("runshare");
    std::fs::copy(env!("CARGO_BIN_EXE_runshare"), &copy).unwrap();
    let contenders = [Contender::new("unshare", args), Contender::new(copy.to_str().unwrap(), args)];
    (0..LOOKS).any(|_| {
        let rounds = Rounds::run(&contenders, 301, Duration::from_secs(20));
        let [theirs, ours] = [0, 1].map(|who| rounds.of(who, measure::Sample::wall)[1] * 1e6);
        let ratio = rounds.ratio(1, 0, measure::Sample::wall)[1];
        println!(
            "unshare {args} {theirs:.0} us, runshare {ours:.0} us, ratio {ratio:.2}, {} rounds",
            rounds.count()
        );
        if ratio > START {
            eprintln!("`runshare {args}` takes more than {START:.2} of the time of unshare");
        }
        ratio <= START
    })
}
