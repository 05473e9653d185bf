//! The examples of README and the man pages are run, as root, and must show what is printed there.
//!
//! What is run: in README the blocks marked `console` whose first line begins with `# `, in man pages all that stands
//! between `.EX` and `.EE`. A line that begins so is a command, which goes on in the next line if it ends with a backslash;
//! those under it are its output. Commands
//! of one block run in one shell, in a directory that is theirs and is removed after them. Numbers and widths may differ; so may the line of an initial namespace,
//! whose first process each machine has its own of; and more lines may be printed than are shown.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::{man, man_pages, read};
use crate::harness::{Test, project, tool_path, within};

/// A command and the lines that it prints.
type Step = (String, Vec<String>);

/// The sessions of a text: blocks between lines that begin with these, that begin with a command.
fn sessions(text: &str, open: &str, close: &str) -> Vec<Vec<Step>> {
    let mut sessions = Vec::new();
    let mut lines = text.lines();
    while lines.by_ref().any(|line| line == open) {
        let mut steps: Vec<Step> = Vec::new();
        for line in lines.by_ref().take_while(|line| *line != close) {
            match (line.strip_prefix("# "), steps.last_mut()) {
                (Some(command), _) => steps.push((command.into(), Vec::new())),
                // It goes on behind a backslash.
                (None, Some((command, output))) if output.is_empty() && command.ends_with('\\') => {
                    command.push('\n');
                    command.push_str(line);
                }
                (None, Some((_, output))) => output.push(line.into()),
                (None, None) => break,
            }
        }
        sessions.push(steps);
    }
    sessions.retain(|steps| !steps.is_empty());
    sessions
}

/// Waits until what was started last, or a process below it, sleeps.
const UNTIL_IT_SLEEPS: &str =
    "until below $! | grep -qx sleep || [ $((tries += 1)) -gt 200 ]; do sleep 0.05; done";

/// The commands of a process and of all below it.
const BELOW: &str = "below() { cat /proc/$1/comm 2>/dev/null; for i in $(pgrep -P $1); do below $i; done; }";

/// Runs the commands in one shell; answers what each printed, on stdout and stderr together.
fn run(t: &Test, steps: &[Step]) -> Vec<Vec<String>> {
    let mut script = format!("exec 2>&1\n{BELOW}\n");
    let dir = tempfile::tempdir().unwrap();
    std::fs::set_permissions(dir.path(), PermissionsExt::from_mode(0o755)).unwrap();
    for (command, _) in steps {
        match command.strip_suffix(" &") {
            // What stays in the background must not hold our pipe, and is waited for: all of it ends in sleep.
            Some(command) => script.push_str(&format!("{command} >/dev/null 2>&1 &\n{UNTIL_IT_SLEEPS}\n")),
            None => script.push_str(&format!("{command}\n")),
        }
        script.push_str("echo @@end@@\n");
    }
    let path = std::env::var("PATH").unwrap_or_default();
    let ours = tool_path("rlsns").parent().unwrap().display().to_string();
    let output =
        t.program("sh").args(["-c", &script]).env("PATH", &format!("{ours}:{path}")).dir(dir.path()).run();
    // Who takes away what it made does so when it is told to end.
    for signal in [Signal::SIGTERM, Signal::SIGKILL] {
        for process in t.left() {
            let pid: i32 = process.split(':').next().unwrap().parse().unwrap();
            let _ = kill(Pid::from_raw(pid), signal);
        }
        within(Duration::from_secs(2), || t.left().is_empty());
    }
    let text = output.text();
    text.split("@@end@@\n").map(|part| part.lines().map(str::to_string).collect()).collect()
}

const BRANCHES: [char; 4] = ['├', '└', '│', '─'];

/// A line without what may differ: numbers, widths, and what else is in the tree.
fn shape(line: &str) -> String {
    let mut out = String::new();
    // On a terminal, ps names it and marks what is in its foreground; it marks what is nice, too.
    for word in line.replace(BRANCHES, " ").split_whitespace() {
        let word = match word {
            "R+" | "S+" | "RN" | "SN" => &word[..1],
            word if word.starts_with("pts/") || word.starts_with("tty") => "?",
            word => word,
        };
        let mut digits = false;
        for c in word.chars() {
            if !(digits && c.is_ascii_digit()) {
                out.push(if c.is_ascii_digit() { '0' } else { c });
            }
            digits = c.is_ascii_digit();
        }
        out.push(' ');
    }
    out
}

/// Is this the line of a namespace that the kernel made when it started? Those have fixed numbers.
fn initial(line: &str) -> bool {
    line.trim_start_matches(BRANCHES).trim_start().starts_with("40265318")
}

fn prove(t: &Test, path: &str, sessions: &[Vec<Step>]) {
    for steps in sessions {
        let limits = steps.iter().any(|(command, _)| command.contains("rcgexec"));
        let shown = Path::new("/sys/fs/cgroup/cpu/cgroup.procs").exists() || !limits;
        if !t.needs(shown, "a hierarchy of version 1 at /sys/fs/cgroup/cpu, as the examples show it") {
            continue;
        }
        for ((command, shown), printed) in steps.iter().zip(run(t, steps)) {
            let said = || {
                format!("{path}: # {command}\nshown:\n{}\nprinted:\n{}", shown.join("\n"), printed.join("\n"))
            };
            assert!(shown.is_empty() == printed.is_empty(), "{}", said());
            for line in shown {
                let found = match initial(line) {
                    true => printed.iter().any(|printed| initial(printed)),
                    false => printed.iter().any(|printed| shape(printed) == shape(line)),
                };
                assert!(found, "{}\nmissing: {line}", said());
            }
        }
    }
}

/// The programs that examples use beside ours.
fn ready(t: &Test) -> bool {
    ["ip", "ps", "pgrep", "hostname", "busybox"].iter().all(|program| t.has(program))
}

#[test]
fn the_uses_in_the_readme_print_what_it_shows() {
    let mut t = rings!(Host);
    // What is mounted must be free when it is unmounted, and listings of other tests open it.
    t.be_alone();
    let sessions = sessions(&read("README.md"), "```console", "```");
    assert!(sessions.len() >= 3, "README has lost its examples");
    if ready(&t) {
        prove(&t, "README.md", &sessions);
    }
}

#[test]
fn the_examples_in_the_man_pages_print_what_they_show() {
    let mut t = rings!(Host);
    // What is mounted must be free when it is unmounted, and listings of other tests open it.
    t.be_alone();
    for path in man_pages() {
        let page = man::plain(&read(&path));
        let sessions = sessions(&page, ".EX", ".EE");
        assert!(!sessions.is_empty(), "{path} has no examples");
        // What cannot be run stands between .nf and .fi, and the page says so.
        let blocks = page.lines().filter(|line| *line == ".EX").count();
        assert_eq!(sessions.len(), blocks, "{path}: an example that is not run");
        // 80 columns, less the indentation and the prompt.
        for line in sessions.iter().flatten().flat_map(|(command, _)| command.lines()) {
            assert!(line.chars().count() <= 71, "{path}: a command wider than a screen: {line}");
        }
        if ready(&t) {
            prove(&t, &path, &sessions);
        }
    }
}

#[test]
fn the_readme_names_only_files_and_options_that_exist() {
    let _t = rings!(Host, User);
    let readme = read("README.md");
    let targets = readme.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    for target in targets.filter(|target| !target.contains("://") && !target.starts_with('#')) {
        assert!(project().join(target).exists(), "README links to {target}, which is not there");
    }
}
