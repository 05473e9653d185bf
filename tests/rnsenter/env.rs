//! The environment of the target, and what a hostile one can do by it.

use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;

use crate::harness::*;

#[test]
fn a_target_cannot_have_a_program_of_ours_run_its_code() {
    let t = rings!(Host);
    let dir = super::open_directory();
    let evil = dir.path().join("env");
    std::fs::write(&evil, "#!/bin/sh\necho evil\n").unwrap();
    std::fs::set_permissions(&evil, PermissionsExt::from_mode(0o755)).unwrap();
    let path = dir.path().to_str().unwrap();
    let variables = [
        ("LD_PRELOAD", "/evil.so"),
        ("GLIBC_TUNABLES", "x"),
        ("BASH_ENV", path),
        ("HOME", path),
        ("FINE", "yes"),
    ];
    let sleep = |path: &str| {
        let run = t.program("env").as_user().args(variables.map(|(name, value)| format!("{name}={value}")));
        run.args([&format!("PATH={path}:/usr/bin:/bin"), "sh", "-c", "echo ready; exec sleep 1000"]).hold()
    };
    let held = sleep(path);
    let target = format!("-t{}", held.pid());
    let outside = t.tool("rnsenter").args([&*target, "-n", "-e", "env"]).run().ok();
    assert!(outside.contains("FINE=yes\n") && !outside.contains("evil"), "{outside}");
    for bad in ["LD_PRELOAD", "GLIBC_TUNABLES", "BASH_ENV", path] {
        assert!(!outside.contains(bad), "{bad}: {outside}");
    }
    // Inside it is the target's. The original that is installed has no -e.
    assert_eq!(t.tool("rnsenter").args([&*target, "-r", "-e", "env"]).run().text(), "evil\n");
}

#[test]
fn variables_are_bytes_and_of_each_name_there_is_one() {
    let t = rings!(Host, User);
    let many = (0..10_000).map(|i| format!("V{i}=x"));
    let run = t.program("env").args(["-i"]).with(|command| {
        command.args(many).arg(std::ffi::OsStr::from_bytes(b"ODD=a\nb\xff")).args(["PATH=/usr/bin:/bin"]);
    });
    let held = run.args(["NSKIT_TEST_MARK=none", "sh", "-c", "echo ready; exec sleep 1000"]).hold();
    let slept = || std::fs::read(format!("/proc/{}/comm", held.pid())).is_ok_and(|name| name == b"sleep\n");
    assert!(within(std::time::Duration::from_secs(20), slept));
    let theirs = std::fs::read(format!("/proc/{}/environ", held.pid())).unwrap();
    let target = format!("-t{}", held.pid());
    let options: &[&str] = if Ring::here().is_root() { &["-r"] } else { &[] };
    let ours =
        t.tool("rnsenter").args([&*target, "-e"]).args(options).args(["cat", "/proc/self/environ"]).run();
    let sorted = |block: &[u8]| {
        let mut all: Vec<Vec<u8>> = block.split(|&b| b == 0).map(<[u8]>::to_vec).collect();
        all.sort();
        all
    };
    if Ring::here().is_root() {
        assert!(ours.stdout == theirs);
    } else {
        assert!(sorted(&ours.stdout).len() > 10_000);
    }
}

#[test]
fn a_context_is_followed_only_where_there_is_selinux() {
    let t = rings!(Host);
    let filesystems = std::fs::read_to_string("/proc/filesystems").unwrap();
    if !t.belongs(!filesystems.contains("selinuxfs"), "machines without SELinux") {
        return;
    }
    let target = format!("-t{}", std::process::id());
    let run = t.tool("rnsenter").args([&*target, "-Z", "-n", "true"]).run();
    run.fails(125, "rnsenter: SELinux is not active on this machine");
}
