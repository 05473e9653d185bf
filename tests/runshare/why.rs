//! What runshare says where the kernel refuses: each cause is made for real, and the hint names it and the next step.

use std::fs::{Permissions, set_permissions};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use super::{KINDS, put, runshare, small_root};
use crate::harness::{NOBODY, Output, Ring, Run, Test, copy_program, has_kind, tool_path};

/// That a run failed with this line, and that the hint has these parts.
#[track_caller]
fn told(output: &Output, line: &str, parts: &[&str]) {
    let hint = output.fails(125, &format!("runshare: {line}"));
    for part in parts {
        assert!(hint.contains(part), "{}\n{part:?} is not in: {hint}", output.shown);
    }
}

/// A script, with runshare as `$1`, as root of a new user and mount namespace.
fn as_small_root<'a>(t: &'a Test, script: &str) -> Run<'a> {
    t.program("unshare").args(["-rm", "sh", "-ec", script, "-", runshare()])
}

/// The same as root, in a mount namespace only.
fn as_root<'a>(t: &'a Test, script: &str) -> Run<'a> {
    t.program("unshare").args(["-m", "sh", "-ec", script, "-", runshare()])
}

#[test]
fn a_limit_that_is_reached_is_named_with_the_sysctl_to_raise() {
    let t = rings!(Host, User, Uml, Qemu);
    for (short, _, kind) in KINDS.iter().filter(|row| has_kind(row.2)) {
        let script = format!("echo 0 >/proc/sys/user/max_{kind}_namespaces; exec \"$1\" -f {short} true");
        let parts =
            [&*format!("user.max_{kind}_namespaces is 0"), &format!("sysctl -w user.max_{kind}_namespaces=")];
        told(&as_small_root(&t, &script).run(), &format!("unshare {kind}: No space left on device"), &parts);
    }
    // Only those that are at fault.
    let script = "echo 0 >/proc/sys/user/max_net_namespaces; exec \"$1\" -rinu true";
    let output = as_small_root(&t, script).run();
    told(&output, "unshare user ipc uts net: No space left on device", &["user.max_net_namespaces is 0"]);
    assert!(
        !output.errors().contains("max_uts") && !output.errors().contains("max_user"),
        "{}",
        output.errors()
    );
    // Reached, not 0. The mount namespace of the script is one of them.
    let script = "echo 1 >/proc/sys/user/max_mnt_namespaces; exec \"$1\" -m true";
    let parts = ["user.max_mnt_namespaces is 1 in this user namespace", "above", "rlsns"];
    told(&as_small_root(&t, script).run(), "unshare mnt: No space left on device", &parts);
    // Above: there is none here.
    let script = "echo 0 >/proc/sys/user/max_uts_namespaces; exec \"$1\" -r \"$1\" -u true";
    let parts = ["no limit is set in this user namespace", "above", "see user.max_uts_namespaces there"];
    told(&as_small_root(&t, script).run(), "unshare uts: No space left on device", &parts);
}

#[test]
fn pid_namespaces_that_are_nested_too_deep_are_counted() {
    let t = rings!(Host, User);
    let mut words = vec!["-r"];
    (0..32).for_each(|_| words.extend([runshare(), "-fp"]));
    let output = t.tool("runshare").args(&words).args([runshare(), "-p", "true"]).run();
    told(&output, "unshare pid: No space left on device", &["nested 32 deep here", "further up"]);
}

#[test]
fn in_a_chroot_a_new_user_namespace_is_refused_with_the_reason() {
    let t = rings!(Host, User, Uml, Qemu);
    let root = small_root();
    put(root.path(), tool_path("runshare"), "bin/runshare");
    let run = |script: &str| as_small_root(&t, script).arg(root.path()).run();
    let line = "unshare user: Operation not permitted";
    // In a directory that is no mount point.
    let output = run("mount --rbind /proc \"$2/proc\"; exec \"$1\" -R \"$2\" /bin/runshare -U /bin/sh -c :");
    told(&output, line, &["we are in a chroot (our root directory is no mount point)", "--pivot-root"]);
    // In one that is.
    let mounted = "mount --bind \"$2\" \"$2\"; mount --rbind /proc \"$2/proc\"";
    let output = run(&format!("{mounted}; exec \"$1\" -R \"$2\" /bin/runshare -U /bin/sh -c :"));
    told(
        &output,
        line,
        &["we are in a chroot (our root is not that of our mount namespace)", "--pivot-root"],
    );
    // And without the right to look, where one above is outside.
    let output = run(&format!(
        "{mounted}; setpriv --bounding-set=-sys_admin \"$1\" -R \"$2\" /bin/runshare -U /bin/sh -c : || exit"
    ));
    let path = root.path().to_str().unwrap();
    told(
        &output,
        line,
        &["we are in a chroot (process ", &format!("sees our root at {path})"), "--pivot-root"],
    );
    // Whose advice for another kind is not -r.
    let output = run(&format!(
        "{mounted}; setpriv --bounding-set=-sys_admin \"$1\" -R \"$2\" /bin/runshare -u /bin/sh -c : || exit"
    ));
    let parts = ["CAP_SYS_ADMIN", "bounding set", "if you add -r", "in the way: we are in a chroot"];
    told(&output, "unshare uts: Operation not permitted", &parts);
}

#[test]
fn who_has_no_id_is_told_to_map_one() {
    let t = rings!(Host, User);
    let run =
        |options: &[&str]| t.program("unshare").args(["-U", runshare()]).args(options).arg("true").run();
    let parts = ["our user id is not mapped in the user namespace we are in", "-r or -c"];
    told(&run(&["-U"]), "unshare user: Operation not permitted", &parts);
    let parts = ["CAP_SYS_ADMIN, which we have not", "in the way: our user id is not mapped"];
    told(&run(&["-n"]), "unshare net: Operation not permitted", &parts);
}

#[test]
fn a_bounding_set_is_told_from_a_right_that_is_missing() {
    let t = rings!(Host);
    let bound = |what: &str, options: &[&str]| {
        t.program("setpriv")
            .arg(format!("--bounding-set=-{what}"))
            .arg(runshare())
            .args(options)
            .arg("true")
            .run()
    };
    let parts = ["CAP_SYS_ADMIN, which our bounding set leaves out", "containers", ": add -r"];
    told(&bound("sys_admin", &["-n"]), "unshare net: Operation not permitted", &parts);
    // Which is true.
    bound("sys_admin", &["-rn"]).ok();
    let lacking = t.tool("runshare").as_user().args(["-n", "true"]).run();
    told(&lacking, "unshare net: Operation not permitted", &["CAP_SYS_ADMIN, which we have not: add -r"]);
    // Root without the right to map root: since Linux 5.12, and in Debian's 5.10.
    let line = "write \"0 0 1\" to uid_map: Operation not permitted";
    told(&bound("setfcap", &["-r"]), line, &["CAP_SETFCAP", "--cap-add SETFCAP"]);
}

/// A filter that refuses this system call. Source: seccomp(2).
#[allow(unsafe_code)]
pub(crate) fn refusing(command: &mut Command, call: libc::c_long) {
    let statement = |code: u32, k: u32, jt, jf| libc::sock_filter { code: code as u16, jt, jf, k };
    let filter = [
        // The number of the call.
        statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 0),
        statement(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, call as u32, 0, 1),
        statement(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_ERRNO | libc::EPERM as u32, 0, 0),
        statement(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_ALLOW, 0, 0),
    ];
    let install = move || {
        let mut filter = filter;
        let program = libc::sock_fprog { len: filter.len() as u16, filter: filter.as_mut_ptr() };
        // SAFETY: takes integers and a program that outlives the calls.
        let done = unsafe {
            libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
                && libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program) == 0
        };
        if done { Ok(()) } else { Err(std::io::Error::last_os_error()) }
    };
    // SAFETY: two system calls, and nothing that allocates.
    unsafe { command.pre_exec(install) };
}

#[test]
fn a_filter_of_system_calls_is_named() {
    let t = rings!(Host, User, Uml, Qemu);
    let run = |options: &[&str]| {
        t.tool("runshare")
            .args(options)
            .arg("true")
            .with(|command| refusing(command, libc::SYS_unshare))
            .run()
    };
    let filter = ["a seccomp filter is active (`Seccomp: 2` in /proc/self/status)", "seccomp=unconfined"];
    told(&run(&["-U"]), "unshare user: Operation not permitted", &filter);
    told(&run(&["-n"]), "unshare net: Operation not permitted", &filter);
    let root = Ring::here().is_root();
    assert_eq!(run(&["-n"]).errors().contains("CAP_SYS_ADMIN"), !root);
    // One that lets it pass is not blamed.
    let other = t.program("unshare").args(["-U", runshare(), "-U", "true"]);
    let other = other.with(|command| refusing(command, libc::SYS_personality)).run();
    assert!(other.errors().contains("our user id is not mapped"), "{}", other.errors());
}

#[test]
fn a_new_proc_that_would_show_too_much_is_refused_with_what_is_mounted_over_the_old() {
    let t = rings!(Host, User, Uml, Qemu);
    let line = "mount proc on /proc: Operation not permitted";
    let run = |how: &str| as_small_root(&t, &format!("{how}; exec \"$1\" -rpf --mount-proc true")).run();
    run(":").ok();
    let over = "mount -t tmpfs none /proc/sys/kernel; mount --bind /dev/null /proc/version";
    told(&run(over), line, &["/proc/sys/kernel", "/proc/version", "mounted over", "--rbind"]);
    // Also below a new root.
    let root = small_root();
    let script = format!(
        "{over}; mount --rbind /dev/null /proc/cmdline; exec \"$1\" -rpf -R \"$2\" --mount-proc /bin/sh -c :"
    );
    let output = as_small_root(&t, &script).arg(root.path()).run();
    told(&output, line, &["parts of /proc are mounted over (", "/proc/version"]);
}

#[test]
fn a_proc_whose_options_differ_is_named() {
    let t = rings!(Host);
    let run = |how: &str| as_root(&t, &format!("{how}; exec \"$1\" -rpf --mount-proc true")).run();
    run(":").ok();
    let line = "mount proc on /proc: Operation not permitted";
    told(
        &run("mount -o remount,bind,noatime /proc"),
        line,
        &["/proc is mounted with other options for access times"],
    );
    let line = "open /proc/self/uid_map";
    let output = run("mount -o remount,bind,ro /proc");
    assert!(
        output.errors().contains(line) && output.errors().contains("mount -o remount,rw /proc"),
        "{}",
        output.errors()
    );
}

#[test]
fn where_there_is_no_proc_that_is_said() {
    let t = rings!(Host);
    let run = |how: &str| as_root(&t, &format!("mount -t tmpfs none /proc; {how}")).run();
    let output = run("exec setpriv --bounding-set=-sys_admin \"$1\" -n true");
    let parts =
        ["no proc that has us is mounted on /proc", "mount -t proc proc /proc; this needs CAP_SYS_ADMIN"];
    told(&output, "unshare net: Operation not permitted", &parts);
    let output = run("exec \"$1\" -r true");
    told(
        &output,
        "open /proc/self/uid_map: No such file or directory",
        &["no proc that has us is mounted on /proc"],
    );
    // Where it is not needed nothing is said.
    run("exec \"$1\" -n true").ok();
}

#[test]
fn a_place_where_no_proc_can_be_mounted_is_told_so() {
    let t = rings!(Host, User);
    let told = |options: &[&str], line: &str, parts: &[&str]| {
        told(&t.tool("runshare").args(options).arg("true").run(), &format!("mount proc on {line}"), parts);
    };
    told(&["-rfp", "--mount-proc=/nonexistent"], "/nonexistent: No such file or directory", &["mkdir"]);
    told(&["-rfp", "--mount-proc=/etc/passwd"], "/etc/passwd: Not a directory", &["--mount-proc=DIR"]);
    told(
        &["-rm", "--mount-proc"],
        "/proc: Operation not permitted",
        &["only the proc of a pid namespace", "add -p -f"],
    );
    told(&["-rmp", "--mount-proc"], "/proc: Operation not permitted", &[": add -f"]);
}

#[test]
fn children_that_no_pid_namespace_takes_are_explained_by_a_fork_that_is_missing() {
    let t = rings!(Host, User);
    let script = "/bin/true; exec \"$0\" -f true";
    let output = t.tool("runshare").args(["-rp", "sh", "-c", script, runshare()]).run();
    let parts = ["our children go into another pid namespace", "first process has ended", "add --fork"];
    told(&output, "fork: Cannot allocate memory", &parts);
    let output = t.tool("runshare").args(["-rp", runshare(), "-p", "true"]).run();
    told(
        &output,
        "unshare pid: Invalid argument",
        &["another pid namespace than ours already", "add --fork"],
    );
}

#[test]
fn a_kind_that_the_kernel_lacks_is_named_with_the_release_that_brought_it() {
    let t = rings!(Uml);
    if t.belongs(!has_kind("time"), "kernels without time namespaces") {
        let output = t.tool("runshare").args(["-unT", "true"]).run();
        let parts = ["this kernel 6.", "lacks the kind time,", "time with Linux 5.6", "leave out the option"];
        told(&output, "unshare uts net time: Invalid argument", &parts);
    }
}

#[test]
fn a_limit_on_processes_is_named() {
    let t = rings!(Host, User);
    let run = t.tool("runshare").as_user().args(["-f", "true"]).with(|command| {
        let words: Vec<_> = command.get_args().map(Into::into).collect::<Vec<std::ffi::OsString>>();
        let program = command.get_program().to_owned();
        let mut limited = Command::new("prlimit");
        limited.arg("--nproc=1").arg(program).args(words);
        for (key, value) in command.get_envs() {
            value.map(|value| limited.env(key, value));
        }
        limited.stdin(std::process::Stdio::piped());
        limited.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
        if Ring::here().is_root() {
            limited.uid(NOBODY).gid(NOBODY);
        }
        *command = limited;
    });
    let parts = ["our user's is 1 (ulimit -u)", "kernel.pid_max", "kernel.threads-max"];
    told(&run.run(), "fork: Resource temporarily unavailable", &parts);
}

#[test]
fn a_group_that_is_full_is_named() {
    let t = rings!(Host, Uml, Qemu);
    let output = t.tool("rcgexec").args(["--pids-limit", "1", runshare(), "-f", "true"]).run();
    if t.belongs(!output.errors().starts_with("rcgexec: "), "machines whose groups limit processes") {
        let parts = ["as many processes as pids.max allows are in the cgroup /sys/fs/cgroup/", ": 1; raise"];
        told(&output, "fork: Resource temporarily unavailable", &parts);
    }
}

#[test]
fn a_program_that_may_not_be_read_cannot_write_its_maps_and_says_so() {
    let t = rings!(Host);
    let dir = tempfile::tempdir().unwrap();
    let copy = dir.path().join("runshare");
    copy_program(tool_path("runshare"), &copy);
    set_permissions(dir.path(), Permissions::from_mode(0o755)).unwrap();
    set_permissions(&copy, Permissions::from_mode(0o711)).unwrap();
    let run = t
        .path(&copy)
        .args(["-r", "true"])
        .with(|command| {
            command.uid(NOBODY).gid(NOBODY);
        })
        .run();
    let errors = run.errors();
    assert!(
        errors.starts_with("runshare: open /proc/self/uid_map") && errors.contains("chmod +r"),
        "{errors}"
    );
}

/// Writes a sysctl, and what it was when this is dropped.
struct Sysctl(&'static Path, String);

impl Sysctl {
    fn set(path: &'static str, value: &str) -> Sysctl {
        let old = std::fs::read_to_string(path).unwrap();
        std::fs::write(path, value).unwrap();
        Sysctl(Path::new(path), old)
    }
}

impl Drop for Sysctl {
    fn drop(&mut self) {
        let _ = std::fs::write(self.0, &self.1);
    }
}

#[test]
fn a_switch_that_forbids_user_namespaces_is_named() {
    let mut t = rings!(Uml, Qemu);
    const SWITCH: &str = "/proc/sys/kernel/unprivileged_userns_clone";
    if !t.belongs(Path::new(SWITCH).exists(), "kernels of Debian") {
        return;
    }
    t.be_alone();
    let run = |options: &[&str]| t.tool("runshare").as_user().args(options).arg("true").run();
    run(&["-U"]).ok();
    let [alone, with] = {
        let _off = Sysctl::set(SWITCH, "0");
        t.tool("runshare").args(["-U", "true"]).run().ok();
        [run(&["-U"]), run(&["-n"])]
    };
    let parts = ["kernel.unprivileged_userns_clone is 0", "sysctl -w kernel.unprivileged_userns_clone=1"];
    told(&alone, "unshare user: Operation not permitted", &parts);
    told(
        &with,
        "unshare net: Operation not permitted",
        &["CAP_SYS_ADMIN", "in the way: kernel.unprivileged_userns_clone"],
    );
    run(&["-U"]).ok();
}
