//! `--can A B`: what is said is what setns(2) then does.

use std::collections::BTreeMap;
use std::fs::read_to_string;

use serde_json::Value;

use crate::harness::{Held, NOBODY, Ring, Run, Test, inode};

const SCRIPT: &str = include_str!("can.py");

/// Who tries to enter whom: places that the script knows. Those above the empty line are for whoever runs the tests, those below
/// it take root.
const PAIRS: &str = "
plain>user plain>world plain>only_net plain>second plain>third plain>time
user>plain world>plain world>user user>world second>user user>second second>third third>second third>only_net
weak>plain weak>world world>weak no_chroot>world no_chroot>second threads>world threads>time threads>user threads>second
plain>undumpable user>undumpable time>world

plain>root_net plain>root_world plain>deep_pid plain>mapped plain>mapped_child plain>u1000 plain>u1000_hidden plain>u1000_user
plain>u1000_second plain>u1000_mixed deep_pid>plain deep_pid>root_world root_world>deep_pid root_world>plain
no_admin>root_net no_admin>user no_admin>u1000_user no_admin>mapped no_admin>plain no_chroot_root>root_world
no_chroot_root>user no_chroot_root>u1000_user no_ptrace>plain no_ptrace>user no_ptrace>u1000 no_ptrace>u1000_user
no_ptrace>no_admin root_threads>root_world root_threads>world root_threads>time root_threads>root_net
mapped>plain mapped>mapped_host_net mapped_host_net>mapped mapped>mapped_child mapped_child>mapped mapped>mapped_other
mapped_other>mapped mapped_other>mapped_child u1000>root_net u1000>u1000_user u1000>u1000_second u1000>u1000_mixed
u1000>u1001 u1000>u1001_user u1000>mapped u1000>u1000_hidden u1000>plain u1000_hidden>u1000_user u1000_user>u1000
u1000_user>u1000_sibling u1000_user>u1001_user u1000_user>u1000_second u1000_second>u1000_user u1000_user>u1000_hidden
u1000_mixed>u1000 u1001>u1000_user u1001>u1001_user caps>u1000_user caps>u1000 u1000>caps
";

fn can<'a>(t: &'a Test, who: &str, whom: &str) -> Run<'a> {
    t.tool("nsinfo").args(["--can", who, whom])
}

/// The answer, as JSON.
fn answer(run: Run<'_>) -> Value {
    let said: Value = serde_json::from_str(&run.arg("-J").run().ok()).unwrap();
    assert_eq!(said["schema"], 1);
    said["can"].clone()
}

fn said(t: &Test, who: &str, whom: &str) -> Value {
    answer(can(t, who, whom))
}

/// What the kernel answered: alone, and after the owner was entered.
fn tries(words: &str) -> BTreeMap<&str, (i32, Option<i32>)> {
    let number = |text: &str| text.parse().unwrap();
    let one = |word| -> Option<(&str, (i32, Option<i32>))> {
        let (kind, answers): (&str, &str) = str::split_once(word, '=')?;
        let (alone, after) = answers.split_once('/').map_or((answers, None), |(a, b)| (a, Some(b)));
        Some((kind, (number(alone), after.map(number))))
    };
    words.split(' ').filter_map(one).collect()
}

/// The answers of one pair are what the kernel did; answers how many of them were "unknown".
fn agree(t: &Test, line: &str) -> usize {
    let mut words = line.splitn(6, ' ');
    let mut next = || words.next().unwrap_or_default();
    let (a, b, who, whom, reach, rest) = (next(), next(), next(), next(), next(), next());
    let run = can(t, who, whom).arg("-J").run();
    if run.code != Some(0) {
        // An ordinary user may not look into what is not dumpable, and says so.
        assert!(
            Ring::here() == Ring::User && (a == "undumpable" || b == "undumpable"),
            "{line}\n{}",
            run.errors()
        );
        assert!(run.errors().contains("not dumpable"), "{}", run.errors());
        return 1;
    }
    let said = &serde_json::from_str::<Value>(&run.ok()).unwrap()["can"];
    let mut unknown = 0;
    match said["reach"]["answer"].as_str().unwrap() {
        "yes" => assert_eq!(reach, "0", "{line}\n{said:#}"),
        "no" => assert_ne!(reach, "0", "{line}\n{said:#}"),
        _ => unknown += 1,
    }
    let tries = tries(rest);
    let mut all = reach == "0";
    for row in said["namespaces"].as_array().unwrap() {
        let kind = row["type"].as_str().unwrap();
        let Some((alone, after)) = tries.get(kind) else {
            assert_eq!(row["answer"], "same", "{kind}: {line}\n{said:#}");
            continue;
        };
        let why = row["why"].as_str().unwrap();
        match row["answer"].as_str().unwrap() {
            "yes" => assert_eq!(*alone, 0, "{kind}: {line}\n{said:#}"),
            "after" => {
                assert!(*alone != 0 && *after == Some(0), "{kind}: {line}\n{said:#}");
                assert_eq!(row["after"], row["owner"], "{kind}: {line}\n{said:#}");
            }
            "no" => {
                all = false;
                assert!(*alone != 0 && *after != Some(0), "{kind}: {line}\n{said:#}");
                // And it is for this reason.
                let errnos: &[i32] = match (why, said["who"]["threads"] == 1, kind) {
                    (_, false, "time") => &[libc::EUSERS],
                    (_, false, "user") => &[libc::EINVAL],
                    // What is lacking as well the kernel says first.
                    (_, false, _) if why.contains("one thread") => &[libc::EINVAL, libc::EPERM],
                    _ if why.starts_with("not below") => &[libc::EINVAL],
                    _ => &[libc::EPERM],
                };
                assert!(errnos.contains(alone), "{alone}: {kind}: {line}\n{said:#}");
            }
            other => {
                assert_eq!(other, "unknown");
                unknown += 1;
            }
        }
    }
    match said["may"].as_bool() {
        Some(true) => assert!(all || tries.is_empty(), "{line}\n{said:#}"),
        Some(false) => {
            let apart = said["obstacle"].as_str().unwrap().starts_with("each may");
            assert!(!all || apart, "{line}\n{said:#}");
            assert!(said["help"].is_string(), "{line}\n{said:#}");
        }
        None => assert!(unknown > 0, "{line}\n{said:#}"),
    }
    unknown
}

/// All that is in the places.
fn places(t: &Test, pairs: &[&str]) -> Held {
    t.program("python3").args(["-c", SCRIPT]).args(pairs).start()
}

#[test]
fn what_is_said_is_what_setns_then_does() {
    let t = rings!(Host, User, Uml, Qemu);
    if !t.has("python3") {
        return;
    }
    let (all, root) = PAIRS.split_once("\n\n").unwrap();
    let root = if Ring::here().is_root() { root } else { "" };
    // On a slow machine some of them.
    let step = if Ring::here().is_virtual() { 6 } else { 1 };
    let pairs = all.split_whitespace().chain(root.split_whitespace()).step_by(step);
    let pairs: Vec<&str> = pairs.collect();
    let mut held = places(&t, if std::env::var_os("NSKIT_ALL_PAIRS").is_some() { &[] } else { &pairs });
    let (mut count, mut unknown) = (0, 0);
    while let Some(line) = held.next_line().filter(|line| line != "done") {
        if let Some(missing) = line.strip_prefix("missing - ") {
            // Before Linux 5.6 there is none, and it can be left out.
            assert!(missing.starts_with("time:"), "{missing}");
            continue;
        }
        let more = agree(&t, &line);
        println!("{}{line}", if more > 0 { "unknown: " } else { "" });
        (count, unknown) = (count + 1, unknown + more);
    }
    assert!(count >= 15 && count + 8 >= pairs.len(), "{count} of {}", pairs.len());
    assert!(
        unknown <= if Ring::here().is_root() { 6 } else { 2 } * count / pairs.len(),
        "{unknown} of {count}"
    );
}

#[test]
fn one_namespace_is_asked_about_as_well() {
    let t = rings!(Host, User);
    let rights = super::rights();
    let net = t.hold("runshare", &[rights, &["-n"]].concat());
    let name = format!("net:[{}]", inode(net.inner(), "net"));
    let answer = said(&t, "self", &name);
    assert_eq!(answer["reach"], Value::Null);
    assert_eq!(answer["namespaces"].as_array().unwrap().len(), 1);
    assert_eq!(answer["namespaces"][0]["type"], "net");
    // An ordinary user enters the user namespace first.
    let word = if Ring::here().is_root() { "yes" } else { "after" };
    assert_eq!((&answer["namespaces"][0]["answer"], &answer["may"]), (&word.into(), &true.into()));
    let back = said(&t, &net.inner().to_string(), &format!("net:[{}]", inode("self", "net")));
    assert_eq!(back["may"], Ring::here().is_root());
    let page = can(&t, "self", "self").run().ok();
    assert!(page.contains("\n  answer      it is in all of them\n"), "{page}");
}

#[test]
fn the_first_obstacle_is_told_with_what_would_help() {
    let t = rings!(Host);
    if !t.has("setpriv") {
        return;
    }
    let ids = ["--reuid=1000", "--regid=1000", "--clear-groups"];
    let user = t.hold("setpriv", &ids);
    let other = t.hold("setpriv", &["--reuid=1001", "--regid=1001", "--clear-groups"]);
    let net = t.hold("runshare", &["-n"]);
    let capless = t.hold("setpriv", &["--bounding-set=-sys_admin", "--no-new-privs"]);
    let [user, other, net, capless] = [&user, &other, &net, &capless].map(|held| held.inner().to_string());
    let answer = said(&t, &user, &net);
    let has = |answer: &Value, key: &str, part: &str| {
        assert!(answer[key].as_str().is_some_and(|text| text.contains(part)), "{key}: {part}\n{answer:#}");
    };
    has(&answer, "obstacle", "has the user ids 0, 0, 0 (real, effective, saved), it has 1000");
    has(&answer, "help", "run it as user 0; or run it with CAP_SYS_PTRACE");
    // Where there is nothing to enter, nothing stands in the way.
    assert_eq!(said(&t, &user, &other)["may"], true);
    let answer = said(&t, &capless, &net);
    assert_eq!(answer["reach"]["answer"], "yes");
    let named =
        format!("net:[{}]: lacks CAP_SYS_ADMIN in user:[{}]", inode(&net, "net"), inode("self", "user"));
    assert_eq!(answer["obstacle"], named);
    has(&answer, "help", "its own; its bounding set leaves that out");
    // A page of 80 columns holds all of it.
    for pair in [[&user, &net], [&capless, &net], [&net, &capless]] {
        let page = t.tool("nsinfo").arg("--can").args(pair).run_in_terminal(80);
        assert!(page.lines().all(|line| line.chars().count() <= 80), "{page}");
    }
}

#[test]
fn a_filter_of_system_calls_and_the_dead_are_told() {
    let t = rings!(Host, User);
    if !t.has("python3") {
        return;
    }
    // A filter that allows everything.
    let script = "
import ctypes, struct, time
libc = ctypes.CDLL(None)
code = ctypes.create_string_buffer(struct.pack('HBBI', 6, 0, 0, 0x7fff0000))
class Program(ctypes.Structure): _fields_ = [('len', ctypes.c_ushort), ('filter', ctypes.c_void_p)]
libc.prctl(38, 1, 0, 0, 0)
assert libc.prctl(22, 2, ctypes.byref(Program(1, ctypes.addressof(code)))) == 0
print('ready', flush=True)
time.sleep(1000)";
    let filtered = t.program("python3").args(["-c", script]).hold();
    let answer = said(&t, &filtered.pid().to_string(), "self");
    assert_eq!(answer["who"]["seccomp"], 2);
    assert!(answer["beside"].as_str().unwrap().contains("seccomp filter"), "{answer:#}");
    assert_eq!(said(&t, "self", &filtered.pid().to_string())["beside"], Value::Null);

    let held = t.program("sh").args(["-c", "sleep 0.2 & echo $!; exec sleep 1000"]).hold();
    let dead = held.line.clone();
    crate::harness::soon(|| {
        read_to_string(format!("/proc/{dead}/status")).is_ok_and(|text| text.contains("Z (zombie)"))
    });
    for pair in [[&*dead, "self"], ["self", &dead]] {
        let hint = can(&t, pair[0], pair[1])
            .run()
            .fails(1, &format!("nsinfo: process {dead} has ended, or its first thread has"));
        assert!(hint.contains("PID/TID"), "{hint}");
    }
}

#[test]
fn two_things_are_asked_about_and_the_first_is_a_process() {
    let t = rings!(Host, User);
    let line = "nsinfo: --can asks about two things: who would enter, and what";
    for args in [&["--can"][..], &["--can", "self"], &["--can", "self", "self", "self"]] {
        assert!(t.tool("nsinfo").args(args).run().fails(1, line).contains("nsinfo --can PID REF"));
    }
    let own = format!("net:[{}]", inode("self", "net"));
    can(&t, &own, "self").run().fails(1, &format!("nsinfo: net namespace {own} is no process"));
    assert_eq!(can(&t, "self", "4194304").run().code, Some(1));
    assert_eq!(t.tool("nsinfo").args(["--section=net", "--can", "self", "self"]).run().code, Some(1));
}

#[test]
fn who_is_closed_to_us_is_said() {
    let t = rings!(Host);
    let held = t.hold("runshare", &["-n"]);
    let run = t.tool("nsinfo").as_user().args(["--can", "self", &held.inner().to_string()]).run();
    assert_eq!(run.code, Some(1));
    assert!(
        run.errors().contains(&format!("process {} is user 0's, and we are user {NOBODY}", held.inner())),
        "{}",
        run.errors()
    );
}
