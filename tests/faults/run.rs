//! Tries every fault of every case, by several workers at once, and counts what came of it.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

use nix::poll::{PollFd, PollFlags, PollTimeout};
use nix::sys::signal::{SigSet, Signal};

use crate::cases::{CASES, Case};
use crate::judge::{Outcome, faults, judge, never_fails, words};
use crate::trace::{self, Call, Fault, Ran, With};
use crate::world::World;

/// How many share the work.
const WORKERS: usize = 2;

/// What is asked on the command line.
#[derive(Clone, Default)]
struct Asked {
    /// `--every K`: only every K-th fault.
    every: usize,
    /// `--worker I`: we are one of those who take part.
    worker: Option<usize>,
    /// Words that must be in the name of a case.
    name: String,
    /// A single fault, `PROCESS:CALL:ERROR`: run it alone and show everything.
    point: Option<String>,
}

fn asked() -> Asked {
    let mut asked = Asked { every: 1, ..Asked::default() };
    let mut args = std::env::args().skip(1);
    let number = |text: Option<String>| {
        text.and_then(|text| text.parse().ok()).filter(|number| *number > 0).expect("a number from 1")
    };
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--every" => asked.every = number(args.next()),
            "--worker" => asked.worker = Some(number(args.next()) - 1),
            _ if arg.split(':').count() == 3 => asked.point = Some(arg),
            _ => asked.name = arg,
        }
    }
    asked
}

/// How a case is called: by its row, and by who runs it.
fn name(case: &Case) -> String {
    format!("{}{}", case.name, if case.user { " (user)" } else { "" })
}

pub(crate) fn main() -> ExitCode {
    let asked = asked();
    if !nix::unistd::geteuid().is_root() {
        println!("skipped: needs root");
        return ExitCode::SUCCESS;
    }
    match asked.worker {
        Some(worker) => work(&asked, worker),
        None => lead(&asked),
    }
}

/// What the runs of a case came to.
#[derive(Clone, Copy, Default)]
struct Tally {
    calls: usize,
    tried: usize,
    right: usize,
    told: usize,
    killed: usize,
    out_of_memory: usize,
    missed: usize,
    findings: usize,
}

impl Tally {
    fn fields(&mut self) -> [&mut usize; 8] {
        [
            &mut self.calls,
            &mut self.tried,
            &mut self.right,
            &mut self.told,
            &mut self.killed,
            &mut self.out_of_memory,
            &mut self.missed,
            &mut self.findings,
        ]
    }
}

/// Starts those who do the work, each in a pid and a mount namespace of its own, and prints what they found.
fn lead(asked: &Asked) -> ExitCode {
    let begin = Instant::now();
    let workers = if asked.point.is_some() { 1 } else { WORKERS };
    let running: Vec<_> = (1..=workers)
        .map(|worker| {
            let mut child = Command::new(env!("CARGO_BIN_EXE_runshare"))
                .args(["-mpf", "--mount-proc", "--kill-child"])
                .arg(std::env::current_exe().unwrap())
                .args(["--worker", &worker.to_string()])
                .args(std::env::args().skip(1))
                .stdout(Stdio::piped())
                .spawn()
                .unwrap();
            let lines = BufReader::new(child.stdout.take().unwrap()).lines();
            std::thread::spawn(move || {
                let mut tallies = vec![Tally::default(); CASES.len()];
                for line in lines.map_while(Result::ok) {
                    match line.strip_prefix("tally ") {
                        Some(numbers) => {
                            let mut numbers =
                                numbers.split(' ').map(|number| number.parse::<usize>().unwrap());
                            let case = numbers.next().unwrap();
                            tallies[case]
                                .fields()
                                .into_iter()
                                .zip(numbers)
                                .for_each(|(field, number)| *field = number);
                        }
                        None => println!("{line}"),
                    }
                }
                (tallies, child.wait().unwrap().success())
            })
        })
        .collect();
    let mut tallies = vec![Tally::default(); CASES.len()];
    let mut well = true;
    for worker in running {
        let (part, success) = worker.join().unwrap();
        well &= success;
        for (sum, mut part) in tallies.iter_mut().zip(part) {
            let calls = part.calls;
            sum.fields().into_iter().zip(part.fields()).for_each(|(sum, part)| *sum += *part);
            // All of them have seen the same calls.
            sum.calls = calls;
        }
    }
    if asked.point.is_some() {
        return if well { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    }
    print_table(&mut tallies, asked.every, begin);
    let clean =
        tallies.iter().all(|tally| tally.findings == 0) && tallies.iter().any(|tally| tally.tried > 0);
    if well && clean { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn print_table(tallies: &mut [Tally], every: usize, begin: Instant) {
    const HEADINGS: [&str; 8] =
        ["calls", "faults", "right", "told", "killed", "memory", "missed", "findings"];
    let line = |name: &str, cells: [String; 8]| {
        let cells: String = cells.iter().map(|cell| format!(" {cell:>8}")).collect();
        println!("{name:<24}{cells}");
    };
    println!();
    line("run", HEADINGS.map(str::to_string));
    let mut sum = Tally::default();
    for (case, tally) in CASES.iter().zip(tallies).filter(|(_, tally)| tally.calls > 0) {
        sum.fields().into_iter().zip(tally.fields()).for_each(|(sum, part)| *sum += *part);
        line(&name(case), tally.fields().map(|number| number.to_string()));
    }
    line("all", sum.fields().map(|number| number.to_string()));
    println!("every {every}. fault tried, in {} s", begin.elapsed().as_secs());
}

/// Does this worker's part of all runs.
fn work(asked: &Asked, worker: usize) -> ExitCode {
    SigSet::from(Signal::SIGCHLD).thread_block().unwrap();
    let world = World::make();
    let exact = CASES.iter().any(|case| name(case) == asked.name);
    let is_asked =
        |case: &Case| if exact { name(case) == asked.name } else { name(case).contains(&asked.name) };
    for (number, case) in CASES.iter().enumerate().filter(|(_, case)| is_asked(case)) {
        let run = || {
            let ran = trace::run(&world.start(case), None);
            assert_eq!(world.unpin(), case.pins(), "{}", name(case));
            ran
        };
        let (good, again) = (run(), run());
        if words(case, &good.stdout) != words(case, &again.stdout)
            || !good.stdout.contains(case.prints)
            || !good.stderr.is_empty()
        {
            panic!(
                "{}: not even a run without a fault is good:\n{}{}",
                name(case),
                good.stdout,
                again.stdout + &good.stderr
            );
        }
        let main = begin_of_main(&good.calls[0]);
        if let Some(point) = &asked.point {
            return show(&world, case, &good, main, point);
        }
        // What is before main is the same in all runs of a tool.
        let first = CASES.iter().position(|other| other.tool == case.tool) == Some(number);
        let mut tally = Tally::default();
        for (process, calls) in good.calls.iter().enumerate() {
            for (at, call) in calls.iter().enumerate() {
                let early = process == 0 && at < main;
                if early && !first {
                    continue;
                }
                tally.calls += 1;
                for (which, with) in faults(call).into_iter().enumerate() {
                    // By the place alone: a worker can see a call more than another, where processes take turns.
                    let place = number + process + 9 * at + which;
                    if place % asked.every == 0 && place / asked.every % WORKERS == worker {
                        if reader_left() {
                            return ExitCode::FAILURE;
                        }
                        let fault = Fault { process, call: at, with };
                        try_it(&world, case, &good, fault, early, &mut tally);
                    }
                }
            }
        }
        let numbers: String = tally.fields().map(|number| format!(" {number}")).concat();
        println!("tally {number}{numbers}");
    }
    ExitCode::SUCCESS
}

/// The first that a tool does is to look whether its standard descriptors are open.
fn begin_of_main(calls: &[Call]) -> usize {
    calls.iter().position(|call| call.name == "poll").expect("a tool polls its standard descriptors")
}

/// Nobody reads what we write: the one who leads us was ended.
fn reader_left() -> bool {
    let stdout = std::io::stdout();
    let mut fds = [PollFd::new(std::os::fd::AsFd::as_fd(&stdout), PollFlags::empty())];
    nix::poll::poll(&mut fds, PollTimeout::ZERO).is_ok_and(|ready| ready > 0)
}

/// Runs with a fault and looks at the end and at what is left.
fn examine(
    world: &World,
    case: &Case,
    good: &Ran,
    fault: Fault,
    early: bool,
) -> (Ran, Result<Outcome, String>) {
    let ran = trace::run(&world.start(case), Some(fault));
    let mut judged = judge(case, good, &ran, fault, early);
    // What is bound shall be so where all went well; who was killed could not take it away, nor could anybody where the
    // helper was, and for who waits for the program it is too late to.
    let waits = |call: &Call| ["wait4", "waitid", "rt_sigtimedwait"].contains(&call.name.as_str());
    match judged {
        Ok(Outcome::Right) if case.pins() && !world.unpin() => judged = Err("nothing is bound".into()),
        Ok(_) if matches!(fault.with, With::Kill) => drop(world.unpin()),
        Ok(Outcome::Told) if ran.hit.as_ref().is_some_and(waits) => drop(world.unpin()),
        _ => {}
    }
    let mut left = world.left();
    // A group may be left for the next run by who was killed, or says so, or was told that it is not there.
    let misled =
        ran.hit.iter().filter_map(|call| call.path.as_ref()).any(|path| path.starts_with("rcgexec-"));
    let excused = misled || matches!(judged, Ok(Outcome::Killed)) || ran.stderr.contains("was left behind");
    if excused && !left.is_empty() && left.iter().all(|thing| thing.starts_with("group ")) {
        trace::run(&world.start(case), None);
        left = world.left();
        left.iter_mut().for_each(|thing| thing.push_str(" also after the next run"));
    }
    if !left.is_empty() && judged.is_ok() {
        judged = Err(format!("left {}", left.join(", ")));
    }
    world.tidy();
    (ran, judged)
}

fn try_it(world: &World, case: &Case, good: &Ran, fault: Fault, early: bool, tally: &mut Tally) {
    tally.tried += 1;
    let (ran, judged) = examine(world, case, good, fault, early);
    let Some(hit) = ran.hit.as_ref().filter(|hit| !never_fails(hit)) else {
        // Two processes do not always take turns alike.
        tally.missed += 1;
        return;
    };
    match judged {
        Ok(Outcome::Right) => tally.right += 1,
        Ok(Outcome::Told) => tally.told += 1,
        Ok(Outcome::Killed) => tally.killed += 1,
        Ok(Outcome::OutOfMemory) => tally.out_of_memory += 1,
        Err(why) => {
            tally.findings += 1;
            let stderr = ran.stderr.lines().next().unwrap_or_default();
            let text = format!("finding: '{}' {fault} {hit}: {why} [{stderr}]\n", name(case));
            std::io::stdout().write_all(text.as_bytes()).unwrap();
        }
    }
}

/// Runs one fault and shows everything about it.
fn show(world: &World, case: &Case, good: &Ran, main: usize, point: &str) -> ExitCode {
    let fields: Vec<&str> = point.split(':').collect();
    let number = |at: usize| fields[at].parse::<usize>().expect("PROCESS:CALL:ERROR");
    let (process, call) = (number(0), number(1));
    let calls = good.calls.get(process).and_then(|calls| calls.get(call)).expect("no such call");
    let with =
        faults(calls).into_iter().find(|with| with.to_string() == fields[2]).expect("an error of that call");
    let fault = Fault { process, call, with };
    let (ran, judged) = examine(world, case, good, fault, process == 0 && call < main);
    for (process, calls) in ran.calls.iter().enumerate() {
        for (at, call) in calls.iter().enumerate() {
            println!("{process}:{at} {call}");
        }
    }
    println!("{}\n{:?}\n{}{}{judged:?}", name(case), ran.status, ran.stdout, ran.stderr);
    if judged.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
