//! The completions, in the shells themselves.

use super::{TOOLS, generators};
use crate::harness::{Test, project};

/// What is typed, and what it is completed to: all of it, or with `..` at the end of the list at least that.
/// The last word is the one that is completed.
#[rustfmt::skip]
const CASES: &[(&str, &[&str])] = &[
    ("rlsns --ty", &["--type"]),
    ("rlsns --no", &["--noheadings", "--notruncate"]),
    ("rlsns --type p", &["pid"]),
    ("rlsns -t u", &["user", "uts"]),
    ("rlsns -t net,p", &["net,pid"]),
    ("rlsns --type=m", &["mnt"]),
    ("rlsns -o NS,PP", &["NS,PPID"]),
    ("rlsns --output=PN", &["PNS"]),
    ("rlsns --tree=o", &["owner"]),
    ("rlsns --proc /pro", &["/proc/"]),
    ("rlsns 402653183", &["4026531837", ".."]),
    ("rnsenter --us", &["--user"]),
    ("rnsenter --net=/proc/self/ns/ne", &["/proc/self/ns/net"]),
    ("rnsenter --preserve-fds a", &["all"]),
    ("rnsenter -t 5 -n mkfif", &["mkfifo"]),
    ("rnsenter -n -- mkfif", &["mkfifo"]),
    ("rnsenter -n rlsns --ty", &["--type"]),
    ("runshare --map-", &["--map-current-user", "--map-root-user"]),
    ("runshare --propagation s", &["shared", "slave"]),
    ("runshare --kill-child=KI", &["KILL"]),
    ("runshare -R /pro", &["/proc/"]),
    ("runshare -fn mkfif", &["mkfifo"]),
    ("runshare --propagation slave mkfif", &["mkfifo"]),
];

/// The same that only bash is asked.
#[rustfmt::skip]
const BASH_CASES: &[(&str, &[&str])] = &[
    ("rlsns -nlo NS,pp", &["NS,PPID"]),
    ("rlsns -o +pn", &["+PNS"]),
    ("rlsns -To", &["-Towner"]),
    ("rnsenter -n/proc/self/ns/ne", &["-n/proc/self/ns/net"]),
    ("rnsenter -n=/proc/self/ns/ne", &["/proc/self/ns/net"]),
    ("rnsenter -n rlsns --no", &["--noheadings", "--notruncate"]),
];

#[track_caller]
fn compare(line: &str, expected: &[&str], answered: &str) {
    let last = line.rsplit(' ').next().unwrap();
    // Shells differ in whether the answer repeats what stands before the value, and ends directories by a slash.
    let value = |word: &str| word.rsplit('=').next().unwrap().trim_end_matches('/').to_string();
    let mut words: Vec<_> = answered.lines().map(|line| value(line.split('\t').next().unwrap())).collect();
    words.sort();
    words.dedup();
    let (expected, more) = match expected {
        [expected @ .., ".."] => (expected, true),
        expected => (expected, false),
    };
    let expected: Vec<_> = expected.iter().map(|word| value(word)).collect();
    let as_expected = if more { expected.iter().all(|word| words.contains(word)) } else { words == expected };
    assert!(as_expected, "{line}|: expected {expected:?}, completed ({last}) to {words:?}");
}

/// The files of one shell, as arguments: by their place among a tool's generators.
fn files(shell: usize) -> Vec<String> {
    let paths = TOOLS.iter().map(|(tool, _)| generators(tool)[shell].file_name(tool.name));
    paths.map(|path| project().join(path).display().to_string()).collect()
}

/// The environment in which our tools are found: completions ask them.
fn path() -> String {
    let ours = crate::harness::tool_path("rlsns").parent().unwrap().display().to_string();
    format!("{ours}:{}", std::env::var("PATH").unwrap_or_default())
}

/// What bash puts into COMPREPLY; `frame` is sourced before the completions.
fn bash(t: &Test, line: &str, frame: &str) -> String {
    let script = r#"
        [[ -z $FRAME ]] || source "$FRAME"
        for file; do source "$file" || exit 1; done
        # As bash does it: "=" is a word of its own.
        read -ra COMP_WORDS <<< "${LINE//=/ = }"
        [[ $LINE != *= ]] || COMP_WORDS[${#COMP_WORDS[@]}-1]="="
        COMP_CWORD=$((${#COMP_WORDS[@]} - 1)) COMP_LINE=$LINE COMP_POINT=${#LINE} COMP_TYPE=9 COMP_KEY=9
        _${COMP_WORDS[0]} "${COMP_WORDS[0]}" "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
        printf '%s\n' "${COMPREPLY[@]}"
    "#;
    let run = t.program("bash").args(["--norc", "--noprofile", "-c", script, "bash"]).args(files(0));
    run.env("LINE", line).env("FRAME", frame).env("PATH", &path()).dir("/").run().ok()
}

#[test]
fn bash_completes_options_values_and_programs() {
    let t = rings!(Host, User);
    for (line, expected) in CASES.iter().chain(BASH_CASES) {
        if !line.starts_with("rnsenter -n rlsns") {
            compare(line, expected, &bash(&t, line, ""));
        }
    }
}

#[test]
fn bash_completes_the_arguments_of_a_launched_program_as_its_own() {
    let t = rings!(Host, User);
    let frame = "/usr/share/bash-completion/bash_completion";
    if std::path::Path::new(frame).exists() || t.has("bash-completion") {
        for (line, expected) in CASES.iter().chain(BASH_CASES).filter(|(line, _)| line.starts_with('r')) {
            compare(line, expected, &bash(&t, line, frame));
        }
    }
}

#[test]
fn zsh_reads_the_completions() {
    let t = rings!(Host, User);
    if t.has("zsh") {
        for file in files(1) {
            t.program("zsh").args(["-f", "-n", &file]).run().ok();
        }
    }
}

#[test]
fn fish_completes_options_values_and_programs() {
    let t = rings!(Host, User);
    if t.has("fish") {
        for file in files(2) {
            t.program("fish").args(["--no-execute", &file]).run().ok();
        }
        for (line, expected) in CASES {
            let script = "for file in $argv[2..]; source $file; or exit 1; end; complete -C $argv[1]";
            let run = t.program("fish").args(["--no-config", "-c", script, line]).args(files(2));
            let home = tempfile::tempdir().unwrap();
            let run = run.env("PATH", &path()).env("HOME", home.path().to_str().unwrap()).dir("/");
            compare(line, expected, &run.run().ok());
        }
    }
}
