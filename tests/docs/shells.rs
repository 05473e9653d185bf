//! The completions, in the shells themselves.

use common::kind::KINDS;
use common::ns::create::PROPAGATIONS;

use super::rlsns::{COLUMNS, RELATIONS};
use super::{TOOLS, drifted, generators};
use crate::harness::{Test, project};

/// What is typed, and what its last word, or the value in that, is completed to.
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
    ("nsinfo --js", &["--json"]),
    ("nsinfo --proc /pro", &["/proc/"]),
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

/// The same that zsh is asked too.
#[rustfmt::skip]
const ZSH_CASES: &[(&str, &[&str])] = &[
    ("rlsns -o +PN", &["+PNS"]),
    ("rlsns -To", &["-Towner"]),
    ("rnsenter -n/proc/self/ns/ne", &["-n/proc/self/ns/net"]),
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

/// A namespace is offered by its number: ours is one that we are shown.
fn own_namespace() -> (String, String) {
    let number = crate::harness::inode("self", "net").to_string();
    (format!("rlsns {}", &number[..number.len() - 1]), number)
}

/// Where nothing is typed of a value, all that it can be is offered.
fn whole_tables() -> Vec<(&'static str, Vec<&'static str>)> {
    let mut tables = vec![
        ("rlsns --type ", KINDS.iter().map(|row| row.name).collect::<Vec<_>>()),
        ("rlsns --output ", COLUMNS.iter().map(|column| column.name).collect()),
        ("rlsns --tree=", RELATIONS.iter().map(|(name, _)| *name).collect()),
        ("runshare --propagation ", PROPAGATIONS.iter().map(|(name, ..)| *name).collect()),
    ];
    tables.iter_mut().for_each(|(_, names)| names.sort());
    tables
}

/// A completed word without what shells differ in: whether it repeats what stands before a value, and by what
/// they say that it can go on.
fn value(word: &str) -> String {
    let word = word.trim_end_matches(['/', ',', ' ']);
    word.strip_suffix('=').unwrap_or(word).rsplit('=').next().unwrap_or_default().to_string()
}

#[track_caller]
fn compare(line: &str, expected: &[&str], answered: &str) {
    let mut words: Vec<_> = answered.lines().map(|line| value(line.split('\t').next().unwrap())).collect();
    words.sort();
    words.dedup();
    let expected: Vec<_> = expected.iter().map(|word| value(word)).collect();
    assert_eq!(words, expected, "{line}");
}

/// The files of one shell, as arguments: by their place among a tool's generators.
fn files(shell: usize) -> Vec<String> {
    let _ = drifted();
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
        # It works only while bash completes.
        compopt() { :; }
        for file; do source "$file" || exit 1; done
        # As bash does it: "=" is a word of its own.
        read -ra COMP_WORDS <<< "${LINE//=/ = }"
        [[ $LINE != *= ]] || COMP_WORDS[${#COMP_WORDS[@]}-1]="="
        [[ $LINE != *" " ]] || COMP_WORDS+=("")
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
    for (line, names) in whole_tables() {
        compare(line, &names, &bash(&t, line, ""));
    }
    let (line, number) = own_namespace();
    assert!(bash(&t, &line, "").lines().any(|word| word == number), "{line}");
}

#[test]
fn bash_completes_the_arguments_of_a_launched_program_as_its_own() {
    let t = rings!(Host, User);
    let frame = "/usr/share/bash-completion/bash_completion";
    if std::path::Path::new(frame).exists() || t.has("bash-completion") {
        for (line, expected) in CASES.iter().chain(BASH_CASES) {
            compare(line, expected, &bash(&t, line, frame));
        }
    }
}

#[test]
fn zsh_completes_options_values_and_programs() {
    let t = rings!(Host, User);
    if !t.has("zsh") {
        return;
    }
    let files = files(1);
    for file in &files {
        t.program("zsh").args(["-f", "-n", file]).run().ok();
    }
    let folder = files[0].rsplit_once('/').unwrap().0;
    // One answer only: what zsh makes of the line is asked, not what it shows to choose from.
    let cases: Vec<_> = CASES.iter().chain(ZSH_CASES).filter(|(_, expected)| expected.len() == 1).collect();
    let lines = cases.iter().map(|(line, _)| line);
    let run = t.program("zsh").args(["-f", "-c", ZSH, "zsh", folder]).args(lines);
    let home = tempfile::tempdir().unwrap();
    let answer = run.env("PATH", &path()).env("HOME", home.path().to_str().unwrap()).dir("/").run().ok();
    assert_eq!(answer.lines().count(), cases.len(), "{answer}");
    for ((line, expected), answer) in cases.into_iter().zip(answer.lines()) {
        compare(line, expected, answer.trim_end().rsplit(' ').next().unwrap());
    }
}

/// Types lines into a zsh of its own, each with a TAB after it, and prints what became of them.
const ZSH: &str = r#"
    zmodload zsh/zpty && zpty z zsh -f -i || exit 1
    zpty -w -n z $'stty -echo; PROMPT= RPROMPT=; fpath=('$1$' $fpath); autoload -Uz compinit; compinit -u -D\n'
    zpty -w -n z $'bindkey -e; report() { print -r -- "@@$BUFFER@@"; zle kill-buffer }; zle -N report\n'
    zpty -w -n z $'bindkey "^X" report; unsetopt zle_bracketed_paste beep; print ready"@"ready\n'
    zpty -r z out '*ready@ready*'
    shift
    for line; do
        zpty -w -n z "$line"$'\t\x18'
        zpty -r z out '*@@*@@*'
        print -r -- "${${out#*@@}%%@@*}"
    done
    zpty -d z
"#;

#[test]
fn fish_completes_options_values_and_programs() {
    let t = rings!(Host, User);
    if t.has("fish") {
        for file in files(2) {
            t.program("fish").args(["--no-execute", &file]).run().ok();
        }
        for (line, expected) in CASES {
            compare(line, expected, &fish(&t, line));
        }
        for (line, names) in whole_tables() {
            compare(line, &names, &fish(&t, line));
        }
    }
}

fn fish(t: &Test, line: &str) -> String {
    let script = "for file in $argv[2..]; source $file; or exit 1; end; complete -C $argv[1]";
    let run = t.program("fish").args(["--no-config", "-c", script, line]).args(files(2));
    let home = tempfile::tempdir().unwrap();
    run.env("PATH", &path()).env("HOME", home.path().to_str().unwrap()).dir("/").run().ok()
}
