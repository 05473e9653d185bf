//! Hostile targets: each test plays an attacker whose way is known by a number.

use std::os::unix::fs::{PermissionsExt, symlink};

/// A file that can be executed.
fn script(path: &std::path::Path, text: &str) {
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, PermissionsExt::from_mode(0o755)).unwrap();
}

#[test]
fn our_own_executable_is_not_run_inside_whatever_leads_to_it() {
    let t = rings!(Host);
    let held = t.hold("unshare", &["-m"]);
    let target = format!("-t{}", held.pid());
    let dir = super::open_directory();
    let at = |name: &str| dir.path().join(name);
    // CVE-2019-5736.
    symlink("/proc/self/exe", at("link")).unwrap();
    script(&at("script"), "#!/proc/self/exe\n");
    script(&at("nested"), &format!("#! {} x\n", at("script").display()));
    for name in ["link", "script", "nested"] {
        let path = at(name).display().to_string();
        let in_path = t.tool("rnsenter").env("PATH", dir.path().to_str().unwrap());
        let ways = [t.tool("rnsenter").args([&*target, "-m", &path]), in_path.args([&*target, "-m", name])];
        for run in ways {
            let line =
                format!("rnsenter: exec {path}, which leads to our own executable: Operation not permitted");
            run.args(["--version"]).run().fails(126, &line);
        }
    }
    // Nothing foreign is entered.
    let link = at("link").display().to_string();
    t.tool("rnsenter").args([&*target, "-n", &link, "--version"]).run().ok();
    script(&at("fine"), "#!/bin/sh\necho \"$@\"\n");
    let fine = at("fine").display().to_string();
    assert_eq!(t.tool("rnsenter").args([&*target, "-m", &fine, "a b"]).run().ok(), "a b\n");
}

#[test]
fn the_working_directory_is_never_outside_of_the_new_root() {
    let t = rings!(Host);
    // CVE-2024-21626: `..` of such a directory is outside.
    let held = t.hold("unshare", &["-m"]);
    let target = format!("-t{}", held.pid());
    let dir = super::open_directory();
    let path = dir.path().display().to_string();
    let line = format!("rnsenter: directory is outside of the new root: {path}");
    let run = t.tool("rnsenter").args([&*target, "-m", &format!("-w{path}"), "true"]).run();
    assert!(run.fails(125, &line).contains("--wdns=DIR"));
    t.tool("rnsenter").args([&*target, "-m", "-r", "-w", "true"]).run().ok();
}
