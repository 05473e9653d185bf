//! What the tools answer to shells: `TOOL --complete KIND PREFIX`.

use std::collections::BTreeSet;
use std::io::Write;
use std::process::Stdio;
use std::time::Duration;

use common::kind::KINDS;

use crate::harness::{Test, inode, pids, within};
use crate::tools::nsinfo::sections::SECTIONS;
use crate::tools::rlsns::columns::COLUMNS;
use crate::tools::rnsenter::cli::TAKEN;

/// The tools, and the status with which they fail.
const TOOLS: &[(&str, i32)] =
    &[("rlsns", 1), ("nsinfo", 1), ("rnsenter", 125), ("runshare", 125), ("rcgexec", 125)];

/// Every kind that can be asked for.
const ASKED: &[&str] =
    &["process", "namespace", "container", "unit", "netns", "reference", "kind", "column", "part"];

/// Words and what they are.
fn ask(t: &Test, tool: &str, kind: &str, typed: &str) -> Vec<(String, String)> {
    let text = t.tool(tool).args(["--complete", kind, typed]).run().ok();
    let pair = |line: &str| line.split_once('\t').map(|(word, what)| (word.to_string(), what.to_string()));
    text.lines().map(|line| pair(line).unwrap_or_else(|| panic!("{kind} {typed}: {line:?}"))).collect()
}

fn words(answer: &[(String, String)]) -> Vec<&str> {
    answer.iter().map(|(word, _)| word.as_str()).collect()
}

#[test]
fn every_tool_answers_every_kind_with_words_that_begin_as_typed_and_are_safe() {
    let t = rings!(Host, User);
    for (tool, _) in TOOLS {
        for kind in ASKED {
            for typed in ["", "1", "4026", "n", "net:[4", "ctr:", "unit:s", "netns:", "cg:", "P", "\x1b"] {
                for (word, what) in ask(&t, tool, kind, typed) {
                    assert!(word.starts_with(typed), "{tool} {kind} {typed:?}: {word}");
                    let safe = |c: char| c.is_ascii_alphanumeric() || "-_./:@+,%[]".contains(c);
                    assert!(word.chars().all(safe), "{word}");
                    assert!(!what.contains(char::is_control) && what.chars().count() <= 72, "{what:?}");
                }
            }
        }
    }
}

#[test]
fn kinds_columns_and_parts_are_those_of_the_tables() {
    let t = rings!(Host, User);
    for (tool, _) in TOOLS {
        let expected: Vec<_> = KINDS.iter().map(|row| (row.name.to_string(), row.what.to_string())).collect();
        assert_eq!(ask(&t, tool, "kind", ""), expected);
        let names = COLUMNS.iter().filter(|_| *tool == "rlsns");
        let expected: Vec<_> =
            names.map(|column| (column.name.to_string(), column.help.to_string())).collect();
        assert_eq!(ask(&t, tool, "column", ""), expected);
        let parts = TAKEN.iter().map(|(name, _, what)| (*name, *what));
        let parts = parts.chain(KINDS.iter().map(|row| (row.name, row.what))).filter(|_| *tool == "rnsenter");
        let sections = SECTIONS.iter().map(|row| (row.name, row.help)).filter(|_| *tool == "nsinfo");
        let parts = parts.chain(sections);
        let expected: Vec<_> = parts.map(|(name, what)| (name.to_string(), what.to_string())).collect();
        assert_eq!(ask(&t, tool, "part", ""), expected);
    }
    assert_eq!(words(&ask(&t, "rlsns", "column", "PP")), ["PPID"]);
    assert_eq!(ask(&t, "rlsns", "column", "pp"), []);
}

#[test]
fn processes_come_with_their_commands_on_one_line_whatever_those_hold() {
    let t = rings!(Host, User, Uml);
    let name = "a\x1b]0;x\x07\nb\tc\u{202e} \\ d: 100% $(false) `e` \"f\" 'g'";
    let script = "echo ready; exec -a \"$0\" sleep 1000";
    let hostile = t.program("bash").args(["-c", script, name]).hold();
    let long = t.program("bash").args(["-c", script, &"容".repeat(500)]).hold();
    let ready = |pid: i32| crate::harness::sleeps(pid);
    assert!(within(Duration::from_secs(10), || [&hostile, &long].iter().all(|held| ready(held.pid()))));
    let what = |kind: &str, pid: i32| {
        let answer = ask(&t, "rlsns", kind, &pid.to_string());
        answer.into_iter().find(|(word, _)| *word == pid.to_string()).expect("the process").1
    };
    for kind in ["process", "reference"] {
        let shown = "a\\x1b]0;x\\x07\\x0ab\\x09c\\u{202e} \\ d: 100% $(false) `e` \"f\" 'g' 1000";
        assert_eq!(what(kind, hostile.pid()), shown);
        assert_eq!(what(kind, long.pid()), "容".repeat(36));
    }
    // Its own PID is gone before anybody could use it.
    let before: BTreeSet<String> = pids().iter().map(ToString::to_string).collect();
    let answer = ask(&t, "rlsns", "process", "");
    let found: BTreeSet<String> = answer.iter().map(|(word, _)| word.clone()).collect();
    assert!(found.contains(&std::process::id().to_string()) && found.len() == answer.len());
    assert!(before.intersection(&found).count() > before.len() / 2);
}

#[test]
fn namespaces_are_found_by_number_and_by_kind_and_number() {
    let t = rings!(Host, User, Uml);
    let held = t.hold("runshare", &["-Ur", "-n"]);
    let net = inode(held.inner(), "net");
    let expected = (format!("net:[{net}]"), "net, sleep 1000".to_string());
    let bare = (net.to_string(), "net, sleep 1000".to_string());
    for (kind, typed) in [("namespace", ""), ("namespace", "net:"), ("reference", "net:[")] {
        assert!(ask(&t, "rlsns", kind, typed).contains(&expected), "{kind} {typed}");
    }
    for (kind, typed) in [("namespace", ""), ("namespace", "4"), ("reference", "4026")] {
        assert!(ask(&t, "rlsns", kind, typed).contains(&bare), "{kind} {typed}");
    }
    assert!(words(&ask(&t, "rlsns", "namespace", "net:")).iter().all(|word| word.starts_with("net:[")));
}

#[test]
fn references_begin_with_words_and_prefixes_and_names_come_when_their_prefix_is_typed() {
    let t = rings!(Host, User);
    let answer = ask(&t, "rnsenter", "reference", "");
    for word in ["self", "parent", "init", "ctr:", "unit:", "netns:", "cg:", "net:", "1"] {
        assert!(words(&answer).contains(&word), "{word}");
    }
    assert!(answer.iter().all(|(word, what)| !word.contains('[') && !what.is_empty()));
    assert_eq!(words(&ask(&t, "rnsenter", "reference", "ne")), ["netns:", "net:"]);
    assert_eq!(words(&ask(&t, "rnsenter", "reference", "s")), ["self"]);
    assert_eq!(ask(&t, "rnsenter", "reference", "cg:"), []);
    assert_eq!(ask(&t, "rnsenter", "reference", "nothing:"), []);
}

#[test]
fn net_namespaces_are_found_by_their_names() {
    let t = rings!(Host, Uml);
    let script = "mount -t tmpfs nskit /run && mkdir /run/netns && cd /run/netns && : >blue && : >black && \
                  : >'a b' && : >'r$(x)' && : >\"$(printf 'e\\033[m')\" && exec \"$@\"";
    let ask = |kind: &str, typed: &str| {
        let tool = crate::harness::tool_path("rnsenter");
        let run = t.program("unshare").args(["-m", "sh", "-c", script, "sh"]).arg(tool);
        run.args(["--complete", kind, typed]).run().ok()
    };
    assert_eq!(ask("netns", ""), "black\tin /run/netns\nblue\tin /run/netns\n");
    assert_eq!(ask("netns", "blu"), "blue\tin /run/netns\n");
    assert_eq!(ask("reference", "netns:bla"), "netns:black\tin /run/netns\n");
}

#[test]
fn what_cannot_be_answered_ends_with_the_tools_failure_and_without_a_word() {
    let t = rings!(Host, User);
    for (tool, status) in TOOLS {
        for kind in ["", "nothing", "processes", "PROCESS", "\x1b[m"] {
            let run = t.tool(tool).args(["--complete", kind, ""]).run();
            assert_eq!((run.code, run.text(), run.errors()), (Some(*status), "".into(), "".into()), "{kind}");
        }
    }
}

#[test]
fn it_is_the_first_word_of_three_or_no_option_at_all() {
    let t = rings!(Host, User);
    for (tool, status) in TOOLS {
        assert!(!t.tool(tool).arg("--help").run().ok().contains("--complete"));
        for words in [
            &["--complete"][..],
            &["--complete", "process"],
            &["--complete", "process", "", ""],
            &["--complete=process", "", ""],
            &["--comp", "process", ""],
            &["-V", "--complete", "process", ""],
        ] {
            let run = t.tool(tool).args(words).run();
            assert!(!run.text().contains('\t'), "{words:?}");
            let name = words[0].split('=').next().unwrap();
            // The version is told before the rest is read.
            if name != "-V" {
                run.fails(*status, &format!("{tool}: unexpected argument '{name}' found"));
            }
        }
    }
    for launcher in ["runshare", "rnsenter"] {
        let run = t.tool(launcher).args(["echo", "--complete", "process", ""]).run();
        assert_eq!(run.ok(), "--complete process \n");
        let run = t.tool(launcher).args(["--", "echo", "--complete", "kind"]).run();
        assert_eq!(run.ok(), "--complete kind\n");
    }
}

#[test]
fn a_shell_that_waits_no_more_is_no_failure() {
    let t = rings!(Host, User);
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let run = t.tool("rlsns").args(["--complete", "reference", ""]);
    let run = run.with(|command| {
        command.stdout(Stdio::from(writer));
    });
    assert_eq!(run.run().ok(), "");
}

#[test]
fn it_ends_by_itself_where_nobody_reads() {
    let t = rings!(Host, User);
    let (reader, mut writer) = std::io::pipe().unwrap();
    // A pipe is full after 64 KiB, pipe(7).
    writer.write_all(&[0; 1 << 16]).unwrap();
    let run = t.tool("rlsns").args(["--complete", "reference", ""]);
    let run = run.with(|command| {
        command.stdout(Stdio::from(writer));
    });
    let run = run.run();
    assert_eq!((run.signal, run.errors()), (Some(nix::libc::SIGALRM), String::new()));
    drop(reader);
}

#[test]
fn processes_of_others_are_offered_where_their_namespaces_are_hidden() {
    let t = rings!(Host);
    let text = t.tool("rlsns").as_user().args(["--complete", "reference", ""]).run().ok();
    assert!(text.lines().any(|line| line.starts_with(&format!("{}\t", std::process::id()))), "{text}");
}
