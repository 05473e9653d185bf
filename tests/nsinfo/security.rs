//! The section about what confines a process.

use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};

use crate::harness::{Run, Test, copy_program, find, sleeps, soon};
use crate::rnsenter::open_directory;
use common::proc::credentials::CAPABILITIES;

fn asked(run: Run<'_>) -> Value {
    let text = run.args(["--section", "security", "-J"]).run().ok();
    serde_json::from_str::<Value>(&text).unwrap()["worlds"][0]["security"].clone()
}

fn said(t: &Test, pid: i32) -> Value {
    asked(t.tool("nsinfo").arg(pid.to_string()))
}

/// The same for people, without the spaces at which lines are broken.
fn page(t: &Test, pid: i32) -> String {
    let text = t.tool("nsinfo").args(["--section", "security", &pid.to_string()]).run().ok();
    assert!(text.lines().all(|line| line.len() <= 80), "{text}");
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The names of all that this kernel knows.
fn all() -> Vec<&'static str> {
    let last: usize =
        std::fs::read_to_string("/proc/sys/kernel/cap_last_cap").unwrap().trim().parse().unwrap();
    CAPABILITIES[..=last].to_vec()
}

#[test]
fn sets_of_capabilities_are_named_and_few_words_say_it() {
    let t = rings!(Host, Uml, Qemu);
    if !t.has("setpriv") {
        return;
    }
    let options = [
        "--bounding-set",
        "-all,+kill,+chown,+net_raw",
        "--inh-caps",
        "-all,+kill,+chown",
        "--ambient-caps",
        "+kill",
        "--no-new-privs",
    ];
    let held = t.hold("setpriv", &options);
    let told = said(&t, held.pid());
    let sets = &told["capabilities"];
    assert_eq!(sets["bounding"], json!(["cap_chown", "cap_kill", "cap_net_raw"]));
    assert_eq!(sets["inheritable"], json!(["cap_chown", "cap_kill"]));
    assert_eq!(sets["ambient"], json!(["cap_kill"]));
    // Root's program has what the bounding set and the inheritable one leave.
    assert_eq!(sets["effective"], sets["bounding"]);
    assert_eq!(sets["permitted"], sets["bounding"]);
    assert_eq!(told["no_new_privs"], true);
    let text = page(&t, held.pid());
    for words in [
        "privileges no more by executing programs (no_new_privs)",
        "bounding cap_chown, cap_kill, cap_net_raw ambient cap_kill",
        "inheritable cap_chown, cap_kill bounding",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
    drop(held);
    // Everybody may read it.
    let held = t.hold("setpriv", &["--bounding-set", "-sys_boot,-mknod"]);
    let bounding =
        asked(t.tool("nsinfo").as_user().arg(held.pid().to_string()))["capabilities"]["bounding"].clone();
    let ours = said(&t, std::process::id() as i32)["capabilities"]["bounding"].clone();
    let left = ours.as_array().unwrap().iter().filter(|name| *name != "cap_sys_boot" && *name != "cap_mknod");
    assert_eq!(bounding, json!(left.collect::<Vec<_>>()));
    let text = page(&t, held.pid());
    assert!(text.contains("bounding all but cap_sys_boot, ") && text.contains("ambient none"), "{text}");
    assert!(text.contains("more by set-user-ID programs (no_new_privs is not set)"), "{text}");
}

#[test]
fn root_of_a_user_namespace_has_all_and_in_a_container_of_the_machine_that_is_a_risk() {
    let t = rings!(Host, User, Uml, Qemu);
    let held = t.hold("runshare", &["-rpf"]);
    let told = said(&t, held.inner());
    assert_eq!(told["capabilities"]["effective"], json!(all()));
    const RISK: &str = "in the initial user namespace: root of the machine";
    let text = page(&t, held.inner());
    assert!(text.contains("effective all inheritable none bounding all ambient none"), "{text}");
    assert!(!text.contains(RISK), "{text}");
    drop(held);
    if !crate::harness::Ring::here().is_root() {
        return;
    }
    let held = t.hold("runshare", &["-pf"]);
    assert!(page(&t, held.inner()).contains(RISK));
    let pid = held.inner().to_string();
    let coloured = t.tool("nsinfo").args(["--section", "security", "--color=always", &pid]).run().ok();
    for words in ["disabled: no system call is filtered, in a container", "root of the machine"] {
        let line = coloured.lines().find(|line| line.contains(words)).unwrap_or_else(|| panic!("{coloured}"));
        assert!(line.contains("\x1b[31m"), "{line}");
    }
    // Outside of any container it is what root is.
    assert!(!page(&t, std::process::id() as i32).contains(RISK));
}

#[test]
fn filters_of_system_calls_are_counted() {
    let t = rings!(Host, User, Uml, Qemu);
    if !t.has("python3") {
        return;
    }
    // A filter of one instruction, "allow", twice.
    let script = "import ctypes, struct, time
libc = ctypes.CDLL(None)
code = ctypes.create_string_buffer(struct.pack('HBBI', 6, 0, 0, 0x7fff0000))
program = ctypes.create_string_buffer(struct.pack('HxxxxxxP', 1, ctypes.addressof(code)))
assert libc.prctl(38, 1, 0, 0, 0) == 0
for i in range(2):
    assert libc.prctl(22, 2, program) == 0
print('ready', flush=True)
time.sleep(1000)";
    let held = t.program("python3").args(["-c", script]).hold();
    let told = said(&t, held.pid());
    assert_eq!(told["seccomp"], "filter");
    let status = std::fs::read_to_string(format!("/proc/{}/status", held.pid())).unwrap();
    let counted = status.contains("Seccomp_filters:\t2\n");
    assert!(counted || !status.contains("Seccomp_filters:"), "{status}");
    assert_eq!(told["seccomp_filters"], if counted { json!(2) } else { Value::Null });
    assert!(page(&t, held.pid()).contains(if counted { "seccomp 2 filters" } else { "seccomp filtered" }));
    drop(held);
    let told = said(&t, std::process::id() as i32);
    if told["seccomp"] == "disabled" {
        assert_eq!(told["seccomp_filters"], 0);
    }
}

#[test]
fn who_is_not_dumpable_has_files_that_belong_to_root() {
    let t = rings!(Host, User, Uml, Qemu);
    let sleep = find("sleep").unwrap();
    let held = t.path(&sleep).as_user().arg("1000").start();
    soon(|| sleeps(held.pid()));
    let told = said(&t, held.pid());
    let us = crate::harness::Ring::here().is_root();
    assert_eq!(told["dumpable"], true);
    assert!(page(&t, held.pid()).contains("dumpable yes: its own user may trace it"));
    drop(held);
    // A program that its user may execute and not read.
    let dir = open_directory();
    let copy = dir.path().join("sleep");
    copy_program(&sleep, &copy);
    std::fs::set_permissions(&copy, std::fs::Permissions::from_mode(0o111)).unwrap();
    let run = t.path(&copy).with(|command| {
        if us {
            std::os::unix::process::CommandExt::uid(command, crate::harness::NOBODY);
        }
    });
    let held = run.arg("1000").start();
    soon(|| std::fs::read(format!("/proc/{}/comm", held.pid())).is_ok_and(|name| name == b"sleep\n"));
    soon(|| said(&t, held.pid())["dumpable"] == false);
    assert!(page(&t, held.pid()).contains("dumpable no: only those with CAP_SYS_PTRACE may trace it"));
    drop(held);
    if us {
        assert_eq!(said(&t, std::process::id() as i32)["dumpable"], Value::Null);
        assert!(page(&t, std::process::id() as i32).contains("dumpable unknown: its files belong to root"));
    }
}

#[test]
fn labels_are_those_in_the_files_of_the_process() {
    let t = rings!(Host, User, Uml, Qemu);
    let told = said(&t, std::process::id() as i32);
    let labels = told["labels"].as_array().unwrap();
    match std::fs::read("/proc/self/attr/current") {
        Ok(label) => {
            let label = String::from_utf8_lossy(&label).trim_end_matches(['\0', '\n']).to_string();
            assert!(labels.iter().any(|known| known["label"] == label), "{labels:?} {label}");
        }
        Err(_) => {
            assert_eq!(labels.len(), 0);
            assert!(page(&t, std::process::id() as i32).contains("label none: no security module labels it"));
        }
    }
}
