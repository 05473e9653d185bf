//! What starting costs beside the job: instructions in the tool's own process, counted by callgrind.

use std::process::Command;

use crate::measure::find;

/// Not to be found, so that a launcher comes to the point where it would become its program.
const NO_PROGRAM: &str = "/nonexistent";

/// The original, ours, and the least that they can be asked for.
#[rustfmt::skip]
const JOBS: &[(&str, &str, &[&str])] = &[
    ("lsns", "rlsns", &["--version"]), ("lsns", "rlsns", &["-p", "self"]),
    ("nsenter", "rnsenter", &["--version"]), ("nsenter", "rnsenter", &["-n/proc/self/ns/net", NO_PROGRAM]),
    ("unshare", "runshare", &["--version"]), ("unshare", "runshare", &["-u", NO_PROGRAM]),
    ("cgexec", "rcgexec", &["--help"]), ("cgexec", "rcgexec", &["-g", "cpu:/", NO_PROGRAM]),
];

/// Prints a table of them, where callgrind is installed.
pub(crate) fn print() {
    if find("valgrind").is_none() {
        println!("Instructions at start were not counted: valgrind is not installed.");
        return;
    }
    println!("| start | original, instructions | ours | ours / original |\n|---|--:|--:|--:|");
    let own = std::process::id().to_string();
    for (original, ours, args) in JOBS {
        let args: Vec<&str> =
            args.iter().map(|&arg| if arg == "self" { own.as_str() } else { arg }).collect();
        let [theirs, mine] = [original, ours].map(|tool| instructions(tool, &args));
        let shown = args.join(" ").replace(&own, "PID").replace(NO_PROGRAM, "PROGRAM");
        println!("| `{original} {shown}` | {theirs} | {mine} | {:.2} |", mine as f64 / theirs as f64);
    }
}

fn instructions(tool: &str, args: &[&str]) -> u64 {
    let path = find(tool).unwrap_or_else(|| panic!("{tool} is not installed"));
    let mut valgrind = Command::new("valgrind");
    valgrind.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]).arg(path).args(args);
    let output = valgrind.output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    let count = text.lines().find_map(|line| line.split("Collected : ").nth(1));
    count.unwrap_or_else(|| panic!("no count: {text}")).trim().parse().unwrap()
}
