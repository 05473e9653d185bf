//! What the newest originals have and ours have not yet, as lists that shrink: what ours get must leave them.

use std::collections::BTreeSet;

use super::Peer;
use crate::harness::Test;

/// Long options that are planned.
#[rustfmt::skip]
const OPTIONS: &[(&str, &str, &[&str])] = &[
    ("rlsns", "lsns", &[]),
    ("rnsenter", "nsenter", &[]),
    ("runshare", "unshare", &[]),
];

/// Columns that are planned: none are left.
const COLUMNS: &[&str] = &[];

/// The long options that a help lists, each at the beginning of a line or after its short one.
fn options(help: &str) -> BTreeSet<&str> {
    let lines = help.lines().map(str::trim_start).filter(|line| line.starts_with('-'));
    let names = lines.filter_map(|line| line.split("--").nth(1).filter(|_| line.find("--") <= Some(4)));
    names.map(|name| name.split(|c: char| !c.is_ascii_alphanumeric() && c != '-').next().unwrap()).collect()
}

#[track_caller]
fn judge(t: &Test, name: &str, theirs: BTreeSet<&str>, ours: BTreeSet<&str>, listed: &[&str]) {
    assert!(theirs.len() > 10 && ours.len() > 10, "{theirs:?} {ours:?}");
    let missing: BTreeSet<&str> = theirs.difference(&ours).copied().collect();
    let listed: BTreeSet<&str> = listed.iter().copied().collect();
    let there =
        listed.intersection(&ours).map(|what| format!("{what} is there now: remove it from the list"));
    let there: Vec<String> = there.collect();
    assert!(there.is_empty(), "{there:?}");
    let differ = listed.symmetric_difference(&missing);
    let differ: Vec<String> =
        differ.map(|what| format!("{what}: missing and not listed, or the reverse")).collect();
    Peer::Newest.judge(t, name, &differ);
}

#[test]
fn options_of_the_newest_originals_that_ours_lack_are_listed() {
    let t = rings!(Host);
    for (ours, original, listed) in OPTIONS {
        let Some(program) = t.newest(original) else { return };
        let theirs = t.path(&program).arg("--help").run().ok();
        let ours = t.tool(ours).arg("--help").run().ok();
        judge(&t, original, options(&theirs), options(&ours), listed);
    }
}

#[test]
fn columns_of_the_newest_lsns_that_rlsns_lacks_are_listed() {
    let t = rings!(Host);
    let Some(program) = t.newest("lsns") else { return };
    let theirs = t.path(&program).arg("-H").run().ok();
    let ours = t.tool("rlsns").args(["-H", "-n"]).run().ok();
    let names = |text: &str| -> BTreeSet<String> {
        text.lines().filter_map(|line| line.split_whitespace().next()).map(str::to_string).collect()
    };
    let [theirs, ours] = [names(&theirs), names(&ours)];
    let [theirs, ours] = [&theirs, &ours].map(|names| names.iter().map(String::as_str).collect());
    judge(&t, "lsns", theirs, ours, COLUMNS);
}
