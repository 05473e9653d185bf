//! The completions, in the shells themselves.

use std::time::Duration;

use common::kind::KINDS;
use common::ns::create::PROPAGATIONS;
use common::proc::mapping::SETGROUPS;

use super::rlsns::RELATIONS;
use super::{TOOLS, drifted, generators};
use crate::harness::{Held, Ring, Run, Test, project, within};
use crate::tools::rlsns::columns::COLUMNS;
use crate::tools::rnsenter::cli::TAKEN;

/// What is typed, and what its last word, or the value in that, is completed to.
#[rustfmt::skip]
const CASES: &[(&str, &[&str])] = &[
    ("rlsns --ty", &["--type"]),
    ("rlsns --no", &["--noheadings", "--notruncate", "--nowrap"]),
    ("rlsns --type p", &["pid"]),
    ("rlsns -t u", &["user", "uts"]),
    ("rlsns -t net,p", &["net,pid"]),
    ("rlsns --type=m", &["mnt"]),
    ("rlsns -o NS,PP", &["NS,PPID"]),
    ("rlsns --output=PN", &["PNS"]),
    ("rlsns --tree=o", &["owner"]),
    ("rlsns --proc /pro", &["/proc/"]),
    ("rlsns --task=sel", &["self"]),
    ("nsinfo ini", &["init"]),
    ("rnsenter -t uni", &["unit:"]),
    ("rnsenter -t ctr:web -n mkfif", &["mkfifo"]),
    ("rnsenter --target=ctr:web mkfif", &["mkfifo"]),
    ("nsinfo --js", &["--json"]),
    ("nsinfo --proc /pro", &["/proc/"]),
    ("rnsenter --us", &["--user", "--user-parent"]),
    ("rnsenter --net=/proc/self/ns/ne", &["/proc/self/ns/net"]),
    ("rnsenter --preserve-fds a", &["all"]),
    ("rnsenter --except no", &["no-new-privs"]),
    ("rnsenter --as-target --except=env,wd,m", &["env,wd,mnt"]),
    ("rnsenter --except net,ids mkfif", &["mkfifo"]),
    ("rnsenter --kill-child=KI", &["KILL"]),
    ("rnsenter --wdns /pro", &["/proc/"]),
    ("rnsenter -W /pro", &["/proc/"]),
    ("rnsenter --mount-proc=/pro", &["/proc/"]),
    ("rnsenter --setuid f", &["follow"]),
    ("rnsenter -G fol", &["follow"]),
    ("rnsenter -N 3 -t 5 -W / mkfif", &["mkfifo"]),
    ("rnsenter -t 5 -n mkfif", &["mkfifo"]),
    ("rnsenter -n -- mkfif", &["mkfifo"]),
    ("rnsenter -n rlsns --ty", &["--type"]),
    ("runshare --map-g", &["--map-group", "--map-groups"]),
    ("runshare --map-users=su", &["subids"]),
    ("runshare --map-groups a", &["all", "auto"]),
    ("runshare --setgroups d", &["deny"]),
    ("runshare --setgroups=a", &["allow"]),
    ("runshare --net=/proc/self/ns/ne", &["/proc/self/ns/net"]),
    ("runshare --overlay=/pro", &["/proc/"]),
    ("runshare --pivot-root /pro", &["/proc/"]),
    ("runshare --bind /proc/self/ns/ne", &["/proc/self/ns/net"]),
    ("runshare --bind=/proc/self/ns/ne", &["/proc/self/ns/net"]),
    ("runshare --init --hostname box mkfif", &["mkfifo"]),
    ("runshare --propagation s", &["shared", "slave"]),
    ("runshare --kill-child=KI", &["KILL"]),
    ("runshare -R /pro", &["/proc/"]),
    ("runshare -fn mkfif", &["mkfifo"]),
    ("runshare --propagation slave mkfif", &["mkfifo"]),
];

/// The same that zsh is asked too.
#[rustfmt::skip]
const ZSH_CASES: &[(&str, &[&str])] = &[
    ("rnsenter -tsel", &["-tself"]),
    ("rlsns -o +PN", &["+PNS"]),
    ("rlsns -o ns,pp", &["ns,PPID"]),
    ("rlsns -To", &["-Towner"]),
    ("rnsenter -n/proc/self/ns/ne", &["-n/proc/self/ns/net"]),
];

/// The same that only bash is asked.
#[rustfmt::skip]
const BASH_CASES: &[(&str, &[&str])] = &[
    ("rnsenter -tsel", &["-tself"]),
    ("rlsns -nlo NS,pp", &["NS,PPID"]),
    ("rlsns -o +pn", &["+PNS"]),
    ("rlsns -To", &["-Towner"]),
    ("rnsenter -n/proc/self/ns/ne", &["-n/proc/self/ns/net"]),
    ("rnsenter -n=/proc/self/ns/ne", &["/proc/self/ns/net"]),
    ("rnsenter -n rlsns --no", &["--noheadings", "--notruncate", "--nowrap"]),
    ("rnsenter -n rlsns -p uni", &["unit:"]),
    ("rnsenter -t ctr:web -n nsinfo ini", &["init"]),
];

/// What a tool knows of this machine: what is typed, what its last word is completed to, and what that is said to
/// be.
fn machine(sleeper: &Held) -> Vec<(String, String, String)> {
    let pid = sleeper.pid();
    let net = crate::harness::inode("self", "net");
    let case = |line: String, word: String, what: &str| (line, word, what.to_string());
    let mut cases = vec![
        case(format!("rlsns -p {pid}"), format!("{pid}"), SLEEPER),
        case(format!("nsinfo {pid}"), format!("{pid}"), SLEEPER),
        case(format!("rlsns {}", net / 10), format!("{net}"), "net, "),
        case(format!("rlsns net:[{net}"), format!("net:[{net}]"), "net, "),
        case(format!("rnsenter --target=net:[{net}"), format!("net:[{net}]"), "net, "),
        case("rnsenter -t sel".into(), "self".into(), "the command itself"),
    ];
    if Ring::here().is_root() {
        cases.push(case("rnsenter -t netns:nskit-b".into(), "netns:nskit-blue".into(), "in /run/netns"));
    }
    cases
}

/// The command of a process that is there to be found.
const SLEEPER: &str = "nskit-sleeper 1000";

fn sleeper(t: &Test) -> Held {
    let script = format!("echo ready; exec -a {SLEEPER}", SLEEPER = SLEEPER.replace(' ', " sleep "));
    let held = t.program("bash").args(["-c", &script]).hold();
    let command = || std::fs::read(format!("/proc/{}/cmdline", held.pid())).unwrap_or_default();
    assert!(within(Duration::from_secs(10), || command().starts_with(b"nskit-sleeper")));
    held
}

/// A shell; root's sees a net namespace with a name, nskit-blue, which is only a name.
fn shell<'a>(t: &'a Test, name: &str) -> Run<'a> {
    if !Ring::here().is_root() {
        return t.program(name);
    }
    let script = "mount -t tmpfs nskit /run && mkdir /run/netns && : >/run/netns/nskit-blue && exec \"$@\"";
    t.program("unshare").args(["-m", "sh", "-c", script, "sh", name])
}

/// Where nothing is typed of a value, all that it can be is offered.
fn whole_tables() -> Vec<(&'static str, Vec<&'static str>)> {
    let parts = TAKEN.iter().map(|(name, ..)| *name).chain(KINDS.iter().map(|row| row.name)).collect();
    let mut tables = vec![
        ("rlsns --type ", KINDS.iter().map(|row| row.name).collect::<Vec<_>>()),
        ("rlsns --output ", COLUMNS.iter().map(|column| column.name).collect()),
        ("rlsns --tree=", RELATIONS.iter().map(|(name, _)| *name).collect()),
        ("rnsenter --except ", parts),
        ("runshare --propagation ", PROPAGATIONS.iter().map(|(name, ..)| *name).collect()),
        ("runshare --map-users ", vec!["auto", "subids", "all"]),
        ("runshare --setgroups ", SETGROUPS.iter().map(|(name, _)| *name).collect()),
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
        # As bash does it: "=" and ":" are words of their own.
        read -ra COMP_WORDS <<< "$(sed 's/[=:]/ & /g' <<< "$LINE")"
        [[ $LINE != *[=:] ]] || COMP_WORDS[${#COMP_WORDS[@]}-1]=${LINE: -1}
        [[ $LINE != *" " ]] || COMP_WORDS+=("")
        COMP_CWORD=$((${#COMP_WORDS[@]} - 1)) COMP_LINE=$LINE COMP_POINT=${#LINE} COMP_TYPE=9 COMP_KEY=9
        _${COMP_WORDS[0]} "${COMP_WORDS[0]}" "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
        printf '%s\n' "${COMPREPLY[@]}"
    "#;
    let run = shell(t, "bash").args(["--norc", "--noprofile", "-c", script, "bash"]).args(files(0));
    run.env("LINE", line).env("FRAME", frame).env("PATH", &path()).dir("/").run().ok()
}

#[test]
fn bash_completes_options_values_and_programs() {
    let t = rings!(Host, User);
    for (line, expected) in CASES.iter().chain(BASH_CASES) {
        if !line.contains("-n rlsns") && !line.contains("-n nsinfo") {
            compare(line, expected, &bash(&t, line, ""));
        }
    }
    for (line, names) in whole_tables() {
        compare(line, &names, &bash(&t, line, ""));
    }
    for (line, word, _) in machine(&sleeper(&t)) {
        let answer = bash(&t, &line, "").replace('\\', "");
        // What stands before the last colon is there already.
        let rest = word.rsplit(':').next().unwrap();
        assert!(answer.lines().any(|answer| answer == rest), "{line}: {answer}");
    }
}

#[test]
fn bash_completes_the_arguments_of_a_launched_program_as_its_own() {
    let t = rings!(Host, User);
    let frame = "/usr/share/bash-completion/bash_completion";
    if std::path::Path::new(frame).exists() || t.has("bash-completion") {
        for (line, expected) in CASES.iter().chain(BASH_CASES) {
            compare(line, expected, &bash(&t, line, frame));
        }
        let (line, word, _) = machine(&sleeper(&t)).pop().unwrap();
        let name = word.rsplit(':').next().unwrap();
        compare(&line, &[name], &bash(&t, &format!("rnsenter -t netns:no -n {line}"), frame));
    }
}

/// What is typed into a bash that has a terminal, and what it makes of that.
fn typed_into_bash() -> Vec<(String, String)> {
    let net = crate::harness::inode("self", "net");
    let mut cases = vec![
        ("rnsenter -t sel".into(), "rnsenter -t self ".into()),
        ("rnsenter -t uni".into(), "rnsenter -t unit:".into()),
        ("rlsns -o NS,pp".into(), "rlsns -o NS,PPID".into()),
        ("rnsenter -t ctr:web -n mkfif".into(), "rnsenter -t ctr:web -n mkfifo ".into()),
        ("rnsenter -t ctr: mkfif".into(), "rnsenter -t ctr: mkfifo ".into()),
        (format!("nsinfo net:[{net}"), format!("nsinfo net:\\[{net}\\] ")),
        (format!("nsinfo net:\\[{net}"), format!("nsinfo net:\\[{net}\\] ")),
        (format!("nsinfo 'net:[{net}"), format!("nsinfo 'net:[{net}]' ")),
        (format!("rnsenter --target=net:[{net}"), format!("rnsenter --target=net:\\[{net}\\] ")),
    ];
    if Ring::here().is_root() {
        for before in ["rnsenter -t ", "rnsenter -t", "rnsenter --target=", "nsinfo "] {
            cases.push((format!("{before}netns:nskit-b"), format!("{before}netns:nskit-blue ")));
            cases.push((format!("{before}netns:"), format!("{before}netns:nskit-blue ")));
        }
    }
    cases
}

#[test]
fn bash_completes_names_with_colons_and_brackets_as_they_are_typed() {
    let t = rings!(Host, User);
    if t.has("zsh") {
        let cases = typed_into_bash();
        let lines = cases.iter().map(|(line, _)| line);
        let run = shell(&t, "zsh").args(["-f", "-c", BASH_TYPED, "zsh", &files(0).join(" ")]).args(lines);
        let answer = run.env("PATH", &path()).env("HOME", "/").dir("/").run().ok();
        let answers: Vec<_> = answer.lines().collect();
        let expected: Vec<_> = cases.iter().map(|(_, expected)| expected).collect();
        assert_eq!(answers, expected);
    }
}

/// Types lines into a bash with a terminal of its own, by zsh, each with a TAB after it, and prints what became of
/// them.
const BASH_TYPED: &str = r#"
    zmodload zsh/zpty && zpty b bash --norc --noprofile -i || exit 1
    zpty -w -n b $'stty -echo; PS1=; for file in '$1$'; do source $file; done\n'
    zpty -w -n b $'bind "set enable-bracketed-paste off" "set bell-style none"\n'
    zpty -w -n b $'bind -x \'"\\C-t": printf "@@%s@@\\n" "$READLINE_LINE"; READLINE_LINE=\'\n'
    zpty -w -n b $'echo ready"@"ready\n'
    zpty -r b out '*ready@ready*'
    shift
    for line; do
        zpty -w -n b "$line"$'\t\x14'
        zpty -r b out '*@@*@@*'
        print -r -- "${${out#*@@}%%@@*}"
    done
    zpty -d b
"#;

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
    let lines: Vec<_> = cases.iter().map(|(line, _)| line.to_string()).collect();
    for ((line, expected), answer) in cases.into_iter().zip(zsh(&t, folder, &lines)) {
        compare(line, expected, answer.trim_end().rsplit(' ').next().unwrap());
    }
    let sleeper = sleeper(&t);
    let machine = machine(&sleeper);
    // A bracket without a backslash begins a subscript for zsh, and that it completes by itself.
    let lines: Vec<_> = machine.iter().map(|(line, ..)| line.replace('[', "\\[")).collect();
    for ((line, word, _), answer) in machine.iter().zip(zsh(&t, folder, &lines)) {
        // Where other numbers begin so as well it cannot be more than what was typed.
        let whole = value(answer.trim_end().rsplit(' ').next().unwrap()).replace('\\', "");
        assert!(whole == *word || answer == *line && word.ends_with(char::is_numeric), "{line}: {answer}");
    }
}

#[test]
fn zsh_shows_what_the_words_are() {
    let t = rings!(Host, User);
    if t.has("zsh") {
        let sleeper = sleeper(&t);
        let folder = files(1)[0].rsplit_once('/').unwrap().0.to_string();
        let home = tempfile::tempdir().unwrap();
        let cases = machine(&sleeper);
        let lines = cases.iter().map(|(line, ..)| line.replace('[', "\\["));
        let run = shell(&t, "zsh").args(["-f", "-c", ZSH_LISTS, "zsh", &folder]).args(lines);
        let run = run.env("PATH", &path()).env("HOME", home.path().to_str().unwrap()).dir("/");
        let answer = run.run().ok();
        assert_eq!(answer.matches("@@").count(), cases.len(), "{answer}");
        for ((line, word, what), answer) in cases.iter().zip(answer.split("@@")) {
            assert!(answer.contains(word) && answer.contains(what), "{line}: {answer}");
        }
    }
}

/// What zsh makes of these lines after a TAB each.
fn zsh(t: &Test, folder: &str, lines: &[String]) -> Vec<String> {
    let run = shell(t, "zsh").args(["-f", "-c", ZSH, "zsh", folder]).args(lines);
    let home = tempfile::tempdir().unwrap();
    let answer = run.env("PATH", &path()).env("HOME", home.path().to_str().unwrap()).dir("/").run().ok();
    assert_eq!(answer.lines().count(), lines.len(), "{answer}");
    answer.lines().map(str::to_string).collect()
}

/// Types lines into a zsh of its own and prints what it shows to choose from, and `@@` after each.
const ZSH_LISTS: &str = r#"
    zmodload zsh/zpty && zpty z zsh -f -i || exit 1
    zpty -w -n z $'stty -echo cols 200 rows 500; PROMPT= RPROMPT= KEYTIMEOUT=1; fpath=('$1$' $fpath); autoload -Uz compinit; compinit -u -D\n'
    zpty -w -n z $'bindkey -e; report() { print "@@"; zle kill-buffer }; zle -N report; bindkey "^X" report\n'
    zpty -w -n z $'bindkey "^F" list-choices; unsetopt zle_bracketed_paste beep; print ready"@"ready\n'
    zpty -r z out '*ready@ready*'
    shift
    for line; do
        zpty -w -n z "$line"$'\x06\x18'
        zpty -r z out '*@@*'
        print -r -- "$out"
    done
    zpty -d z
"#;

/// Types lines into a zsh of its own, each with a TAB after it, and prints what became of them.
const ZSH: &str = r#"
    zmodload zsh/zpty && zpty z zsh -f -i || exit 1
    zpty -w -n z $'stty -echo; PROMPT= RPROMPT= KEYTIMEOUT=1; fpath=('$1$' $fpath); autoload -Uz compinit; compinit -u -D\n'
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
        for (line, word, what) in machine(&sleeper(&t)) {
            let answer = fish(&t, &line);
            let found = answer.lines().filter_map(|line| line.split_once('\t'));
            let mut found = found.map(|(word, told)| (value(word).replace('\\', ""), told));
            assert!(found.any(|(found, told)| found == word && told.starts_with(&what)), "{line}: {answer}");
        }
    }
}

fn fish(t: &Test, line: &str) -> String {
    let script = "for file in $argv[2..]; source $file; or exit 1; end; complete -C $argv[1]";
    let run = shell(t, "fish").args(["--no-config", "-c", script, line]).args(files(2));
    let home = tempfile::tempdir().unwrap();
    run.env("PATH", &path()).env("HOME", home.path().to_str().unwrap()).dir("/").run().ok()
}
