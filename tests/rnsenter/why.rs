//! What rnsenter says where the kernel refuses: each cause is made for real, the hint names it, and what the hint advises
//! is carried out and works.

use std::fs::{Permissions, set_permissions};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::time::Duration;

use super::{hold_as_user, link, open_directory};
use crate::harness::*;
use crate::runshare::why::refusing;

/// That a run failed with this line, and that the hint has these parts.
#[track_caller]
fn told(output: &Output, line: &str, parts: &[&str]) -> String {
    let hint = output.fails(125, &format!("rnsenter: {line}"));
    for part in parts {
        assert!(hint.contains(part), "{}\n{part:?} is not in: {hint}", output.shown);
    }
    hint
}

/// The ordinary user of these tests.
fn me() -> u32 {
    if Ring::here().is_root() { NOBODY } else { nix::unistd::geteuid().as_raw() }
}

/// rnsenter as that user, with these options and a program that does nothing.
fn as_user(t: &Test, options: &[&str]) -> Output {
    t.tool("rnsenter").as_user().args(options).arg("true").run()
}

/// rnsenter as root without these capabilities.
fn without(t: &Test, capabilities: &str, options: &[&str]) -> Output {
    let set = format!("--bounding-set={capabilities}");
    t.program("setpriv").arg(set).arg(tool_path("rnsenter")).args(options).arg("true").run()
}

/// A copy of rnsenter that everybody may execute.
fn open_copy() -> (tempfile::TempDir, String) {
    let dir = open_directory();
    let copy = dir.path().join("rnsenter");
    copy_program(tool_path("rnsenter"), &copy);
    let path = copy.to_str().unwrap().to_string();
    (dir, path)
}

#[test]
fn whoever_made_the_user_namespace_is_told_to_enter_it_as_well() {
    let t = rings!(Host, User, Uml, Qemu);
    let held = hold_as_user(&t, &["-Ur", "-nu"]);
    let target = held.pid();
    let [net, uts, user] = ["net", "uts", "user"].map(|kind| link(target, kind));
    let at = format!("-t{target}");
    let line = format!("setns uts net of {target}: Operation not permitted");
    let parts = [
        &*format!("to enter {uts} and {net} takes CAP_SYS_ADMIN in {user}"),
        &format!("(made by user {}; process {target} is in it)", me()),
        &format!("in our own user namespace, {}, too, which we have not", link("self", "user")),
        ": add -U, by which it may be entered (that was tried)",
    ];
    told(&as_user(&t, &[&at, "-n", "-u"]), &line, &parts);
    as_user(&t, &[&at, "-n", "-u", "-U"]).ok();
    // Of a file only the owner is known.
    let file = format!("--net=/proc/{target}/ns/net");
    let line = format!("setns net namespace /proc/{target}/ns/net: Operation not permitted");
    told(&as_user(&t, &[&file]), &line, &[&user, ": add --user-parent, by which it may be entered"]);
    as_user(&t, &[&file, "--user-parent"]).ok();
    // The original says nothing of it.
    let original = t.program("nsenter").as_user().args([&at, "-n", "true"]).run();
    assert!(original.code == Some(1) && !original.errors().contains(&user), "{}", original.errors());
}

#[test]
fn a_user_namespace_without_a_root_is_entered_with_the_ids_that_one_has() {
    let t = rings!(Host, User);
    let held = hold_as_user(&t, &["-U", "-n", "--map-user=1000", "--map-group=1000"]);
    let target = held.pid();
    let at = format!("-t{target}");
    let line = format!("setns net of {target}: Operation not permitted");
    told(&as_user(&t, &[&at, "-n"]), &line, &[": add -U --preserve-credentials, by which it may be entered"]);
    as_user(&t, &[&at, "-n", "-U", "--preserve-credentials"]).ok();
    // Without that the ids are refused, and those that are there are named.
    let user = link(target, "user");
    let parts =
        [&*format!("{user} has the group ids 1000: choose"), "by -G, or keep", "--preserve-credentials"];
    told(&as_user(&t, &[&at, "-n", "-U"]), "setgid 0: Invalid argument", &parts);
    let hint =
        told(&as_user(&t, &[&at, "-U", "-G1000"]), "setuid 0: Invalid argument", &["user ids 1000: choose"]);
    assert!(hint.contains("by -S"), "{hint}");
    as_user(&t, &[&at, "-U", "-G1000", "-S1000"]).ok();
    // As --dry-run knows before.
    let dry = t.tool("rnsenter").as_user().args([&at, "-n", "-U", "--dry-run"]).run();
    assert_eq!(dry.code, Some(125));
    assert!(dry.errors().contains("setgid 0: Invalid argument\nhint: ") && dry.errors().contains("ids 1000"));
    assert_eq!(dry.text().matches("may be entered").count(), 2, "{}", dry.text());
}

#[test]
fn what_we_are_in_already_is_to_be_left_out() {
    let t = rings!(Host, User);
    let held = hold_as_user(&t, &["-Ur", "-n"]);
    let target = held.pid();
    let at = format!("-t{target}");
    // Where the kernel refuses it, since who is in the user namespace has no right over it.
    let line = format!("setns user ipc uts net of {target}: Operation not permitted");
    let [ipc, uts] = ["ipc", "uts"].map(|kind| link("self", kind));
    let what = format!("{ipc} and {uts} are those that we are in already: leave out -i -u");
    assert_eq!(told(&as_user(&t, &[&at, "-U", "-n", "-u", "-i"]), &line, &[]), what);
    as_user(&t, &[&at, "-U", "-n"]).ok();
    let user = link("self", "user");
    let own = format!("-t{}", std::process::id());
    let line = format!("setns user of {}: Invalid argument", std::process::id());
    let output = t.tool("rnsenter").args([&own, "-U", "true"]).run();
    assert_eq!(told(&output, &line, &[]), format!("{user} is the one that we are in already: leave out -U"));
    t.tool("rnsenter").args([&own, "true"]).run().ok();
    // With the rest of what has to be done.
    let line = format!("setns ipc net of {target}: Operation not permitted");
    told(&as_user(&t, &[&at, "-i", "-n"]), &line, &["leave out -i; add -U, by which it may be entered"]);
}

#[test]
fn a_pid_namespace_that_is_not_below_ours_is_named_with_ours() {
    let t = rings!(Host, Uml, Qemu);
    let outer = link("self", "pid");
    let file = format!("--pid=/proc/{}/ns/pid", std::process::id());
    let script = "readlink /proc/self/ns/pid; exec \"$1\" \"$2\" true";
    let output = t
        .program("unshare")
        .args(["-fp", "sh", "-c", script, "-"])
        .arg(tool_path("rnsenter"))
        .arg(&file)
        .run();
    let inner = output.text().trim_end().to_string();
    let hint = output.errors();
    let line =
        format!("rnsenter: setns pid namespace /proc/{}/ns/pid: Invalid argument\n", std::process::id());
    assert!(output.code == Some(125) && hint.starts_with(&line), "{hint}");
    let parts = [
        &*format!("{outer} is neither the pid namespace that we are in, {inner}, nor below it"),
        &format!(": run it in {outer}, or in one above it"),
    ];
    assert!(parts.iter().all(|part| hint.contains(part)), "{hint}");
    t.tool("rnsenter").args([&file, "true"]).run().ok();
}

#[test]
fn root_without_a_capability_is_told_which_and_where() {
    let t = rings!(Host);
    let held = t.hold("unshare", &["-fnm"]);
    let target = held.inner();
    let at = format!("-t{target}");
    let [net, mnt, user] = ["net", "mnt", "user"].map(|kind| link(target, kind));
    let line = format!("setns net of {target}: Operation not permitted");
    let parts = [
        &*format!(
            "to enter {net} takes CAP_SYS_ADMIN in the user namespace that we are in, {user}, which we have not"
        ),
        "our bounding set leaves it out",
        "--cap-add SYS_ADMIN",
    ];
    told(&without(&t, "-sys_admin", &[&at, "-n"]), &line, &parts);
    // Only what lacks the right is named.
    let line = format!("setns net mnt of {target}: Operation not permitted");
    let parts = [
        &*format!("to enter {mnt} takes CAP_SYS_ADMIN, which we have, and for mnt also CAP_SYS_CHROOT"),
        "--cap-add SYS_CHROOT",
    ];
    let hint = told(&without(&t, "-sys_chroot", &[&at, "-n", "-m"]), &line, &parts);
    assert!(!hint.contains(&net), "{hint}");
    without(&t, "-net_raw", &[&at, "-n", "-m"]).ok();
    // In another's user namespace.
    let held = hold_as_user(&t, &["-Ur", "-n"]);
    let (target, user) = (held.pid(), link(held.pid(), "user"));
    let line = format!("setns net of {target}: Operation not permitted");
    let parts = [
        &*format!("{user} (made by user {NOBODY}"),
        "neither there nor above",
        &format!("run it as user {NOBODY}, or as root"),
    ];
    told(&without(&t, "-sys_admin", &[&format!("-t{target}"), "-n"]), &line, &parts);
    t.tool("rnsenter").args([&format!("-t{target}"), "-n", "true"]).run().ok();
    // And in one's own, which needs no capability.
    let held = t.hold("unshare", &["-Ur", "-n"]);
    let (target, user) = (held.pid(), link(held.pid(), "user"));
    let line = format!("setns net of {target}: Operation not permitted");
    told(&without(&t, "-sys_admin", &[&format!("-t{target}"), "-n"]), &line, &[&user, ": add -U, by which"]);
    without(&t, "-sys_admin", &[&format!("-t{target}"), "-n", "-U"]).ok();
}

#[test]
fn a_user_namespace_of_another_user_is_named_with_who_made_it() {
    let t = rings!(Host);
    let held = t.hold("unshare", &["-U"]);
    let (_dir, copy) = open_copy();
    // Its file is for everybody.
    let script = format!(
        "touch \"$1.ns\"; mount --bind /proc/{}/ns/user \"$1.ns\"; \
         exec setpriv --reuid {NOBODY} --regid {NOBODY} --clear-groups \"$1\" --user=\"$1.ns\" --preserve-credentials true",
        held.pid()
    );
    let output = t.program("unshare").args(["-m", "sh", "-ec", &script, "-", &copy]).run();
    let user = link(held.pid(), "user");
    let line = format!("setns user namespace {copy}.ns: Operation not permitted");
    let parts = [
        &*format!("to enter {user} takes CAP_SYS_ADMIN in {user} (made by user 0), which we have neither"),
        ": run it as root",
    ];
    told(&output, &line, &parts);
    t.tool("rnsenter")
        .args([&format!("-t{}", held.pid()), "-U", "--preserve-credentials", "true"])
        .run()
        .ok();
}

#[test]
fn a_process_of_another_user_is_told_with_both_users() {
    let t = rings!(Host, Uml, Qemu);
    let held = t.hold("unshare", &["-fn"]);
    let target = held.inner();
    let at = format!("-t{target}");
    let parts = [
        &*format!("process {target} is user 0's, and we are user {NOBODY}"),
        "CAP_SYS_PTRACE in its user namespace, which we have not",
        "as root",
    ];
    let denied = [
        ("-n", format!("setns net of {target}: Operation not permitted")),
        ("-a", format!("open namespaces of {target}: Permission denied")),
        ("-r", format!("open root directory of {target}: Permission denied")),
        ("-w", format!("open working directory of {target}: Permission denied")),
    ];
    for (option, line) in denied {
        told(&as_user(&t, &[&at, option]), &line, &parts);
        t.tool("rnsenter").args([&at, option, "true"]).run().ok();
    }
    // Root as well, where a container took the right away; and a group.
    let mut apart =
        t.program("setpriv").args(["--reuid=65534", "--regid=7", "--clear-groups"]).args(super::SLEEP).hold();
    let at = format!("-t{}", apart.pid());
    told(
        &without(&t, "-sys_ptrace", &[&at, "-n"]),
        &format!("setns net of {}: Operation not permitted", apart.pid()),
        &["is user 65534's, and we are user 0", "as our bounding set leaves it out"],
    );
    let line = format!("open root directory of {}: Permission denied", apart.pid());
    let parts =
        ["is ours, but has other group ids (real 7, effective 7, saved 7) than we, 65534", "with that group"];
    told(&as_user(&t, &[&at, "-r"]), &line, &parts);
    let (_dir, copy) = open_copy();
    let ids = ["--reuid=65534", "--regid=7", "--clear-groups"];
    // It may be opened then; the root is not ours to change, which is another reason.
    let output = t.program("setpriv").args(ids).args([&copy, &at, "-w", "true"]).run();
    output.ok();
    let _ = apart.child.kill();
}

#[test]
fn a_process_that_is_not_dumpable_is_told_so() {
    let t = rings!(Host, User);
    let script = format!("$| = 1; syscall({}, 4, 0); print \"ready\\n\"; sleep 1000", libc::SYS_prctl);
    let held = t.program("perl").as_user().args(["-e", &script]).hold();
    let at = format!("-t{}", held.pid());
    let parts = [
        &*format!("process {} is ours, but not dumpable", held.pid()),
        "files in /proc are root's",
        "CAP_SYS_PTRACE",
    ];
    told(
        &as_user(&t, &[&at, "-n"]),
        &format!("setns net of {}: Operation not permitted", held.pid()),
        &parts,
    );
    told(
        &as_user(&t, &[&at, "-a"]),
        &format!("open namespaces of {}: Permission denied", held.pid()),
        &parts,
    );
    if Ring::here().is_root() {
        t.tool("rnsenter").args([&at, "-n", "true"]).run().ok();
    }
}

#[test]
fn a_process_with_more_rights_than_ours_is_told_so() {
    let t = rings!(Host);
    let ids = [format!("--reuid={NOBODY}"), format!("--regid={NOBODY}"), "--clear-groups".into()];
    let rights = ["--inh-caps=+net_raw", "--ambient-caps=+net_raw"];
    let held = t.program("setpriv").args(ids).args(rights).args(super::SLEEP).hold();
    let at = format!("-t{}", held.pid());
    let parts = ["is ours, but may have capabilities that we have not (`CapPrm`", "as root"];
    told(
        &as_user(&t, &[&at, "-w"]),
        &format!("open working directory of {}: Permission denied", held.pid()),
        &parts,
    );
    t.tool("rnsenter").args([&at, "-w", "true"]).run().ok();
}

#[test]
fn a_process_in_a_user_namespace_that_another_made_is_told_so() {
    let t = rings!(Host);
    let outer = t.hold("unshare", &["-U"]);
    for map in ["uid_map", "gid_map"] {
        std::fs::write(format!("/proc/{}/{map}", outer.pid()), format!("0 {NOBODY} 1\n")).unwrap();
    }
    // A process of ours in it, with no rights.
    let user = format!("--user=/proc/{}/ns/user", outer.pid());
    let words = ["--preserve-credentials", "-S0", "-G0", "setpriv", "--bounding-set=-all", "--no-new-privs"];
    let held = t.tool("rnsenter").arg(&user).args(words).args(super::SLEEP).hold();
    assert_eq!(link(held.pid(), "user"), link(outer.pid(), "user"));
    let at = format!("-t{}", held.pid());
    let line = format!("open working directory of {}: Permission denied", held.pid());
    let parts =
        ["is ours, but in a user namespace that another user made", "CAP_SYS_PTRACE there", "as root"];
    told(&as_user(&t, &[&at, "-w"]), &line, &parts);
    t.tool("rnsenter").args([&at, "-w", "true"]).run().ok();
}

#[test]
fn from_below_nothing_above_is_entered() {
    let t = rings!(Host, User);
    let own = hold_as_user(&t, &[]);
    let (_dir, copy) = open_copy();
    let at = format!("-t{}", own.pid());
    let enter = |options: &[&str]| {
        t.program("unshare").as_user().args(["-Ur", &copy, &at]).args(options).arg("true").run()
    };
    let parts = ["is in a user namespace that is not below ours", "run it from outside"];
    told(&enter(&["-n"]), &format!("setns net of {}: Operation not permitted", own.pid()), &parts);
    told(&enter(&["-w"]), &format!("open working directory of {}: Permission denied", own.pid()), &parts);
    as_user(&t, &[&at, "-w"]).ok();
}

#[test]
fn a_proc_that_hides_processes_is_named_with_its_option() {
    let t = rings!(Host);
    let held = t.hold("unshare", &["-n"]);
    let target = held.pid();
    let (_dir, copy) = open_copy();
    let run = |hidepid: &str, options: &str| {
        let script = format!(
            "mount -t proc -o {hidepid} proc /proc; \
             exec setpriv --reuid {NOBODY} --regid {NOBODY} --clear-groups \"$1\" -t{target} {options} true"
        );
        t.program("unshare").args(["-m", "sh", "-ec", &script, "-", &copy]).run()
    };
    for (option, shown) in [("hidepid=2", "(hidepid=invisible)"), ("hidepid=1", "(hidepid=noaccess)")] {
        for kind in ["-n", "-a", "-w"] {
            let output = run(option, kind);
            let errors = output.errors();
            let parts = [
                "this /proc shows processes only to their own users",
                shown,
                "mount -o remount,hidepid=0 /proc",
            ];
            assert!(
                output.code == Some(125) && parts.iter().all(|part| errors.contains(part)),
                "{option} {kind}: {errors}"
            );
        }
    }
    // Then it is the user.
    assert!(run("hidepid=0", "-n").errors().contains("is user 0's"));
}

#[test]
fn a_first_thread_that_has_ended_is_told_with_one_that_runs() {
    let t = rings!(Host);
    if !t.has("python3") {
        return;
    }
    // Its first thread ends by itself, without the process.
    let script = "import ctypes, threading, time\n\
        def run():\n    print('ready', flush=True)\n    time.sleep(1000)\n\
        threading.Thread(target=run).start()\n\
        ctypes.CDLL(None).syscall(60, 0)";
    let held = t.program("unshare").args(["-n", "python3", "-c", script]).hold();
    let pid = held.inner();
    let status = || std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    assert!(within(Duration::from_secs(20), || status().contains("State:\tZ")));
    let at = format!("-t{pid}");
    let output = t.tool("rnsenter").args([&at, "-n", "true"]).run();
    let line = format!("setns net of {pid}: No such process");
    let hint =
        told(&output, &line, &[&format!("the first thread of process {pid} has ended"), "others run on"]);
    let thread = hint.rsplit(' ').next().unwrap();
    assert!(thread.starts_with(&format!("-t{pid}/")) || thread.starts_with(&format!("{pid}/")), "{hint}");
    let (at, thread) = ("-t", thread.trim_start_matches("-t"));
    let seen = t.tool("rnsenter").args([at, thread, "-n", "readlink", "/proc/self/ns/net"]).run().ok();
    assert_ne!(seen.trim_end(), link("self", "net"));
    let output = t.tool("rnsenter").args([&format!("-t{pid}"), "-a", "true"]).run();
    assert!(output.errors().contains("others run on: name one of them, -t "), "{}", output.errors());
}

#[test]
fn who_shares_its_root_with_another_process_is_told_so() {
    let t = rings!(Host);
    if !t.belongs(cfg!(target_arch = "x86_64"), "x86-64, whose clone takes flags first") {
        return;
    }
    let held = t.hold("unshare", &["-m"]);
    let at = format!("-t{}", held.pid());
    // A child that has the directories of its parent, CLONE_FS, and executes us.
    let script = format!(
        "my $pid = syscall({}, 0x200 | 17, 0, 0, 0, 0); if ($pid == 0) {{ exec @ARGV }} waitpid $pid, 0; exit($? >> 8)",
        libc::SYS_clone
    );
    let run = |words: &[&str]| t.program("perl").args(["-e", &script]).args(words).run();
    let rnsenter = tool_path("rnsenter").to_str().unwrap();
    let line = format!("setns mnt of {}: Invalid argument", held.pid());
    told(
        &run(&[rnsenter, &at, "-m", "true"]),
        &line,
        &["a helper of ours may enter", "CLONE_FS", "have a shell start it"],
    );
    run(&["sh", "-c", "\"$@\"; exit", "-", rnsenter, &at, "-m", "true"]).ok();
}

#[test]
fn a_filter_that_refuses_to_enter_is_named() {
    let t = rings!(Host, Uml, Qemu);
    let held = t.hold("unshare", &["-n"]);
    let run = t.tool("rnsenter").args([&format!("-t{}", held.pid()), "-n", "true"]);
    let output = run.with(|command| refusing(command, libc::SYS_setns)).run();
    let line = format!("setns net of {}: Operation not permitted", held.pid());
    told(&output, &line, &["a seccomp filter is active (`Seccomp: 2`", "seccomp=unconfined"]);
}

#[test]
fn a_process_that_is_closed_to_root_is_told_so() {
    let t = rings!(Host);
    let output = t.tool("rnsenter").args(["-t1", "-n", "true"]).run();
    if t.belongs(output.code != Some(0), "machines whose first process is closed to root") {
        let parts =
            ["we have CAP_SYS_PTRACE", "process 1 is closed to root as well", "security module", "its log"];
        told(&output, "setns net of 1: Operation not permitted", &parts);
    }
}

/// A process of the ordinary user in two user namespaces, one in the other, of which the outer one owns its net namespace.
/// So does bubblewrap make them.
fn in_two(t: &Test) -> Held {
    hold_as_user(t, &["-Ur", "-n", "unshare", "-U", "--map-user=1000", "--map-group=1000"])
}

#[test]
fn namespaces_of_the_outer_of_two_user_namespaces_are_entered_with_that() {
    let t = rings!(Host, User);
    let held = in_two(&t);
    let target = held.pid();
    let [net, user] = ["net", "user"].map(|kind| link(target, kind));
    let at = format!("-t{target}");
    // By the process both are entered at once, with the rights that we have outside.
    as_user(&t, &[&at, "-U", "-n", "--preserve-credentials"]).ok();
    let line = format!("setns net of {target}: Operation not permitted");
    told(&as_user(&t, &[&at, "-n"]), &line, &[": add -U --preserve-credentials, by which it may be entered"]);
    // Nor is it blamed for what is refused beside it.
    let ipc = link("self", "ipc");
    let output = as_user(&t, &[&at, "-U", "-n", "-i", "--preserve-credentials"]);
    let line = format!("setns user ipc net of {target}: Operation not permitted");
    assert_eq!(told(&output, &line, &[]), format!("{ipc} is the one that we are in already: leave out -i"));
    // One by one, who is in the inner one has no right over what the outer one owns.
    let files = ["user", "net"].map(|kind| format!("--{kind}=/proc/{target}/ns/{kind}"));
    let files = [&files[0], &files[1], "--preserve-credentials"];
    let line = format!("setns net namespace /proc/{target}/ns/net: Operation not permitted");
    let parts = [
        &*format!(
            "{net} belongs to a user namespace above {user} or beside it, which had to be entered first"
        ),
        "--dry-run, which stays where it is, tries what works",
    ];
    let hint = told(&as_user(&t, &files), &line, &parts);
    assert!(!hint.contains("already"), "{hint}");
    let dry = t.tool("rnsenter").as_user().args(files).arg("--dry-run").run();
    assert_eq!(dry.code, Some(125));
    let text = rows(&dry);
    let rows: Vec<_> = text.lines().collect();
    assert!(
        rows[0].starts_with(&format!("1 {user}, of user:[")) && rows[0].ends_with(": may be entered"),
        "{rows:?}"
    );
    assert!(
        rows[1].starts_with(&format!("- {net}, of user:[")) && rows[1].contains(": refused: "),
        "{rows:?}"
    );
    let hint = dry.errors();
    let parts =
        ["add --user-parent, by which it may be entered (that was tried)", "the program is then in user:["];
    assert!(
        parts.iter().all(|part| hint.contains(part)) && hint.contains(&format!("not in {user}")),
        "{hint}"
    );
    let seen = t.tool("rnsenter").as_user().args(files).arg("--user-parent").args([
        "sh",
        "-c",
        "readlink /proc/self/ns/user /proc/self/ns/net",
    ]);
    let seen = seen.run().ok();
    let (into, inside) = seen.trim_end().split_once('\n').unwrap();
    assert!(hint.contains(&format!("is then in {into}")) && inside == net, "{hint}{seen}");
}

#[test]
fn all_that_was_asked_of_a_thread_in_two_user_namespaces_takes_two_steps() {
    let t = rings!(Host, User);
    let held = in_two(&t);
    let target = held.pid();
    let (_dir, copy) = open_copy();
    // A thread's namespaces are entered one by one.
    let at = ["-t".into(), format!("{target}/{target}")];
    let options = ["-U", "-n", "--preserve-credentials"];
    let thread = [&*at[0], &at[1]];
    let dry = t.tool("rnsenter").as_user().args(thread).args(options).arg("--dry-run").run();
    let hint = dry.errors();
    if dry.code == Some(0) {
        // Linux 6.9 has pidfds of threads, by which all may be entered at once.
        as_user(&t, &[&thread[..], &options].concat()).ok();
        return;
    }
    let advice =
        format!("take two steps: rnsenter -t {target} --user-parent rnsenter ... with these options");
    assert!(hint.contains(&advice), "{hint}");
    let first = ["-t", &target.to_string(), "--user-parent", &copy].map(String::from);
    let seen = t.tool("rnsenter").as_user().args(first).args(thread).args(options);
    let seen = seen.args(["sh", "-c", "readlink /proc/self/ns/user /proc/self/ns/net"]).run().ok();
    assert_eq!(seen, format!("{}\n{}\n", link(target, "user"), link(target, "net")));
}

#[test]
fn bubblewrap_is_entered_as_the_hint_says() {
    let t = rings!(Host, User);
    if !t.has("bwrap") {
        return;
    }
    let words = ["--bind", "/", "/", "--dev", "/dev", "--unshare-user", "--unshare-net", "--unshare-uts"];
    let held = t.program("bwrap").as_user().args(words).args(super::SLEEP).hold();
    let target = held.inner();
    let at = format!("-t{target}");
    let line = format!("setns uts net of {target}: Operation not permitted");
    told(
        &as_user(&t, &[&at, "-n", "-u"]),
        &line,
        &[": add -U --preserve-credentials, by which it may be entered"],
    );
    as_user(&t, &[&at, "-n", "-u", "-U", "--preserve-credentials"]).ok();
    as_user(&t, &[&at, "-a", "--preserve-credentials"]).ok();
    // As its root, which only the outer user namespace has.
    as_user(&t, &[&at, "-n", "-u", "--user-parent"]).ok();
}

/// The lines of a dry run that are about namespaces.
fn rows(output: &Output) -> String {
    output.text().lines().filter_map(|line| Some(format!("{}\n", line.strip_prefix("enter ")?))).collect()
}

#[test]
fn a_dry_run_prints_what_would_be_entered_in_order_and_enters_nothing() {
    let t = rings!(Host);
    let held = t.hold("unshare", &["-fpmun"]);
    let target = held.inner();
    let at = format!("-t{target}");
    let own = link("self", "user");
    let row = |step: usize, kind: &str| format!("{step} {}, of {own}: may be entered\n", link(target, kind));
    let seen = rows(&t.tool("rnsenter").args([&at, "-a", "--dry-run", "sh", "-c", "echo entered"]).run());
    assert_eq!(seen, ["uts", "net", "pid", "mnt"].map(|kind| row(1, kind)).concat());
    // What comes by files is entered after it, in the order of the kinds.
    let other = t.hold("unshare", &["-ni"]);
    let files = ["ipc", "net"].map(|kind| format!("--{kind}=/proc/{}/ns/{kind}", other.pid()));
    let seen = rows(&t.tool("rnsenter").args([&at, "-m", "-u", &files[1], &files[0], "--dry-run"]).run());
    let file =
        |step: usize, kind: &str| format!("{step} {}, of {own}: may be entered\n", link(other.pid(), kind));
    assert_eq!(seen, [row(1, "uts"), row(1, "mnt"), file(2, "ipc"), file(3, "net")].concat());
    // The user namespace comes last where the rights outside are those that count.
    let held = t.hold("unshare", &["-Urn"]);
    let (target, user) = (held.pid(), link(held.pid(), "user"));
    let at = format!("-t{target}");
    let seen = rows(&t.tool("rnsenter").args([&at, "-a", "--dry-run"]).run());
    let [net, of] = [link(target, "net"), own.clone()];
    assert_eq!(seen, format!("1 {net}, of {user}: may be entered\n2 {user}, of {of}: may be entered\n"));
}

#[test]
fn a_dry_run_tells_what_is_refused_and_what_is_not() {
    let t = rings!(Host);
    let held = t.hold("unshare", &["-fnm"]);
    let target = held.inner();
    let at = format!("-t{target}");
    let output = without(&t, "-sys_chroot", &[&at, "-n", "-m", "--dry-run"]);
    assert_eq!(output.code, Some(125));
    let text = rows(&output);
    let own = link("self", "user");
    let rows: Vec<_> = text.lines().collect();
    let net =
        format!("- {}, of {own}: refused: it may be entered by itself, but not at once", link(target, "net"));
    let mnt = format!("- {}, of {own}: refused: to enter {} takes", link(target, "mnt"), link(target, "mnt"));
    assert!(rows.len() == 2 && rows[0].starts_with(&net) && rows[1].starts_with(&mnt), "{text}");
    assert!(rows[1].contains("CAP_SYS_CHROOT"), "{text}");
    // What another user's process has cannot be seen, and so not be entered.
    let output = as_user(&t, &[&at, "-n", "--dry-run"]);
    assert_eq!(output.code, Some(125));
    let why = format!("- net namespace: refused: process {target} is user 0's, and we are user {NOBODY}");
    assert!(super::why::rows(&output).starts_with(&why), "{}", output.text());
    // A pid namespace that is not below ours.
    let file = format!("--pid=/proc/{}/ns/pid", std::process::id());
    let output =
        t.program("unshare").args(["-fp"]).arg(tool_path("rnsenter")).args([&file, "--dry-run"]).run();
    assert!(output.code == Some(125) && output.text().contains("refused: pid:["), "{}", output.text());
}

#[test]
fn a_kind_that_the_kernel_lacks_is_not_entered() {
    let t = rings!(Uml);
    if t.belongs(!has_kind("time"), "kernels without time namespaces") {
        let held = t.hold("unshare", &["-n"]);
        let at = format!("-t{}", held.pid());
        let output = t.tool("rnsenter").args([&at, "-n", "-T", "true"]).run();
        let parts = ["this kernel 6.", "lacks the kind time (Linux 5.6): leave out -T"];
        told(&output, &format!("setns net time of {}: Invalid argument", held.pid()), &parts);
        t.tool("rnsenter").args([&at, "-n", "true"]).run().ok();
    }
}

#[test]
fn what_may_not_be_read_is_not_dumpable_and_told_so() {
    let t = rings!(Host);
    let dir = open_directory();
    let copy = dir.path().join("sleep");
    copy_program(&find("sleep").unwrap(), &copy);
    set_permissions(&copy, Permissions::from_mode(0o711)).unwrap();
    let held = t
        .path(&copy)
        .arg("1000")
        .with(|command| {
            command.uid(NOBODY).gid(NOBODY);
        })
        .start();
    let owner = || {
        std::fs::metadata(format!("/proc/{}/ns", held.pid()))
            .map(|of| std::os::unix::fs::MetadataExt::uid(&of))
    };
    assert!(within(Duration::from_secs(20), || owner().is_ok_and(|uid| uid == 0)));
    let at = format!("-t{}", held.pid());
    let parts = ["is ours, but not dumpable", "may not be read"];
    told(
        &as_user(&t, &[&at, "-w"]),
        &format!("open working directory of {}: Permission denied", held.pid()),
        &parts,
    );
    t.tool("rnsenter").args([&at, "-w", "true"]).run().ok();
}
