//! How long a listing takes beside lsns: both in turn, in one run, among so many sleeping processes.
//!
//! `cargo bench --bench listing [-- COUNT...]` prints medians and their ratio, and fails if at 2,000 processes
//! rlsns takes a third of lsns's time or more.

#![allow(clippy::unwrap_used, missing_docs)]

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const ROUNDS: usize = 11;

/// At this many processes the ratio is a promise.
const PROMISED_AT: usize = 2000;
const PROMISED: f64 = 1.0 / 3.0;

/// Processes that sleep until this is dropped.
struct Swarm(Vec<Child>);

impl Swarm {
    fn grow(&mut self, count: usize) {
        while self.0.len() < count {
            self.0.push(Command::new("sleep").arg("1000").stdin(Stdio::null()).spawn().unwrap());
        }
    }
}

impl Drop for Swarm {
    fn drop(&mut self) {
        for child in &mut self.0 {
            let _ = child.kill();
        }
        for child in &mut self.0 {
            let _ = child.wait();
        }
    }
}

fn time(program: &str, args: &[&str]) -> Duration {
    let start = Instant::now();
    let output = Command::new(program).args(args).stderr(Stdio::null()).output().unwrap();
    let took = start.elapsed();
    assert!(!output.stdout.is_empty() || program == "lsns", "{program} printed nothing");
    took
}

fn median(mut times: Vec<Duration>) -> f64 {
    times.sort();
    times[times.len() / 2].as_secs_f64() * 1000.0
}

fn main() {
    let counts: Vec<usize> = std::env::args().skip(1).filter_map(|arg| arg.parse().ok()).collect();
    let counts = if counts.is_empty() { vec![500, PROMISED_AT] } else { counts };
    let mut swarm = Swarm(Vec::new());
    let mut kept = true;
    println!("{:>9}  {:10} {:>9} {:>9} {:>6}", "processes", "options", "lsns", "rlsns", "ratio");
    for count in counts {
        swarm.grow(count);
        for args in [&[][..], &["-t", "net"], &["-J", "-l"]] {
            let (mut theirs, mut ours) = (Vec::new(), Vec::new());
            for _ in 0..ROUNDS {
                theirs.push(time("lsns", args));
                ours.push(time(env!("CARGO_BIN_EXE_rlsns"), args));
            }
            let (theirs, ours) = (median(theirs), median(ours));
            let (ratio, options) = (ours / theirs, args.join(" "));
            println!("{count:>9}  {options:10} {theirs:>6.1} ms {ours:>6.1} ms {ratio:>6.2}");
            kept &= count != PROMISED_AT || ratio < PROMISED;
        }
    }
    drop(swarm);
    if !kept {
        eprintln!("rlsns is slower than promised: {PROMISED:.2} of lsns's time at {PROMISED_AT} processes");
        std::process::exit(1);
    }
}
