//! The promise about listings: beside lsns, in turn and in one run, rlsns takes less than a third of its time
//! among 2,000 sleeping processes. `make bench` measures the rest.

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
const PROMISED: f64 = 1.0 / 3.0;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if measure::is_a_part(&args) {
        return;
    }
    // Namespaces of every kind are for root.
    let _load = load::Load::start(PROCESSES, if nix::unistd::geteuid().is_root() { 50 } else { 0 });
    let mut kept = true;
    println!("{:10} {:>9} {:>9} {:>6}  among {PROCESSES} processes", "options", "lsns", "rlsns", "ratio");
    for options in ["", "-t net", "-J -l"] {
        let contenders = ["lsns", env!("CARGO_BIN_EXE_rlsns")].map(|lister| Contender::new(lister, options));
        let rounds = Rounds::run(&contenders, 11, Duration::from_secs(10));
        let [theirs, ours] = [0, 1].map(|who| rounds.of(who, measure::Sample::wall)[1] * 1000.0);
        let ratio = rounds.ratio(1, 0, measure::Sample::wall)[1];
        println!("{options:10} {theirs:>6.1} ms {ours:>6.1} ms {ratio:>6.2}");
        kept &= ratio < PROMISED;
    }
    if !kept {
        eprintln!("rlsns is slower than promised: less than {PROMISED:.2} of lsns's time");
        std::process::exit(1);
    }
}
