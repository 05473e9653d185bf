//! The environment of the target, and what a hostile one can do by it.

use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;

use crate::harness::*;

/// Waits until the process sleeps: before, it has its name and not yet its environment.
fn slept(held: &Held) {
    assert!(within(std::time::Duration::from_secs(20), || sleeps(held.pid())));
}

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
    slept(&held);
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
    slept(&held);
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

/// Compiles a program or library in C.
fn compile(t: &Test, dir: &std::path::Path, name: &str, options: &[&str], text: &str) -> std::path::PathBuf {
    let (source, made) = (dir.join("source.c"), dir.join(name));
    std::fs::write(&source, text).unwrap();
    t.program("cc").args(options).arg("-o").arg(&made).arg(source).patiently().run().ok();
    std::fs::set_permissions(&made, PermissionsExt::from_mode(0o755)).unwrap();
    made
}

#[test]
fn a_library_of_the_target_is_not_loaded_into_a_program_of_ours() {
    let t = rings!(Host);
    if !t.has("cc") {
        return;
    }
    let dir = super::open_directory();
    let text = "#include <unistd.h>\n__attribute__((constructor)) static void f(void) { write(1, \"evil\\n\", 5); }\n";
    let library = compile(&t, dir.path(), "evil.so", &["-shared", "-fPIC"], text);
    let variable = format!("LD_PRELOAD={}", library.display());
    let script = "echo ready; exec env \"$0\" FINE=yes sleep 1000";
    let held = t.program("sh").as_user().args(["-c", script, &variable]).hold();
    slept(&held);
    let run = |options: &[&str]| {
        t.tool("rnsenter").arg(format!("-t{}", held.pid())).args(options).args(["printenv", "FINE"]).run()
    };
    // Inside it is what the target would have: the library does what it is for.
    assert_eq!(run(&["-r", "-e"]).ok(), "evil\nyes\n");
    assert_eq!(run(&["-n", "-e"]).ok(), "yes\n");
    assert_eq!(run(&["-n", "-e", "--pty"]).text().replace('\r', ""), "yes\n");
}

#[test]
fn odd_blocks_are_taken_as_far_as_they_are_variables() {
    let t = rings!(Host);
    if !t.has("cc") || !t.has("perl") {
        return;
    }
    let dir = super::open_directory();
    let text = r#"
        #include <unistd.h>
        int main(void) {
            char *args[] = {"sleep", "1000", 0};
            char *odd[] = {"A=1", "", "nothing", "=x", "B=a\nb\xff", "A=2", "C=", "A=", "A=3", "D==", 0};
            write(1, "ready\n", 6);
            return execve("/bin/sleep", args, odd);
        }"#;
    let env = find("env").unwrap();
    let run = |held: &Held, words: &[&str]| {
        t.tool("rnsenter").args([&format!("-t{}", held.pid()), "-r", "-e"]).args(words).run()
    };
    let held = t.path(&compile(&t, dir.path(), "odd", &[], text)).hold();
    slept(&held);
    let mut lines: Vec<Vec<u8>> =
        run(&held, &["env", "-0"]).stdout.split(|&b| b == 0).map(<[u8]>::to_vec).collect();
    lines.sort();
    let expected: [&[u8]; 5] = [b"", b"A=3", b"B=a\nb\xff", b"C=", b"D=="];
    assert_eq!(lines, expected);
    // None, and without PATH a program is found where it usually is.
    let script = "echo ready; exec env -i /bin/sleep 1000";
    let held = t.program("sh").args(["-c", script]).hold();
    slept(&held);
    assert_eq!(run(&held, &["env"]).ok(), "");
    assert_eq!(run(&held, &[]).code, Some(0), "the shell of the user, or sh");
    // Whoever shows a title writes over it.
    let script = "$0 = 'title ' x 500; $| = 1; print qq(ready\\n); sleep 1000";
    let held = t.program("env").args(["-i", "A=1", "/usr/bin/perl", "-e", script]).hold();
    let run = run(&held, &[env.to_str().unwrap()]);
    assert!(run.ok().lines().all(|line| line.contains('=')), "{run:?}");
}

#[test]
fn the_default_shell_is_that_of_the_environment_that_is_taken() {
    let t = rings!(Host);
    let dir = super::open_directory();
    let shell = dir.path().join("shell");
    std::fs::write(&shell, "#!/bin/sh\necho \"theirs: $0 $#\"\n").unwrap();
    std::fs::set_permissions(&shell, PermissionsExt::from_mode(0o755)).unwrap();
    let shell = shell.to_str().unwrap();
    let hold = |shell: &str| {
        let held = t.program("env").args([&format!("SHELL={shell}")]).args(super::SLEEP).hold();
        slept(&held);
        held
    };
    let run = |held: &Held, options: &[&str]| {
        let run = t.tool("rnsenter").env("SHELL", "/bin/sh").arg(format!("-t{}", held.pid()));
        run.args(options).stdin("echo \"ours: $0\"\n").run()
    };
    let held = hold(shell);
    assert_eq!(run(&held, &["-r", "-e"]).ok(), format!("theirs: {shell} 0\n"));
    // A program of ours is one of ours.
    assert!(run(&held, &["-n", "-e"]).text().contains("ours: -sh\n"));
    let held = hold("/nskit/none");
    assert!(run(&held, &["-r", "-e"]).text().contains("ours: -sh\n"));
    // What is there and cannot be executed is no reason for another.
    let held = hold("/etc/passwd");
    assert_eq!(run(&held, &["-r", "-e"]).code, Some(126));
}

#[test]
fn what_is_hidden_from_us_is_read_when_we_are_inside() {
    let t = rings!(Host);
    if !t.has("setpriv") {
        return;
    }
    // A process of an ordinary user who has other users below him.
    let script = "echo ready; read go; exec env HIDDEN=yes setpriv --reuid 0 --regid 0 --clear-groups \
                  sh -c 'echo gone; exec sleep 1000'";
    let options = ["-U", "--keep-caps", "sh", "-c", script];
    let mut held = t.program("unshare").as_user().args(options).hold();
    for map in ["uid_map", "gid_map"] {
        std::fs::write(format!("/proc/{}/{map}", held.pid()), "0 100000 1000\n").unwrap();
    }
    std::io::Write::write_all(held.child.stdin.as_mut().unwrap(), b"go\n").unwrap();
    assert_eq!(held.next_line().as_deref(), Some("gone"));
    slept(&held);
    let environ = format!("/proc/{}/environ", held.pid());
    assert!(t.program("cat").as_user().arg(&environ).run().errors().contains("Permission denied"));
    let target = format!("-t{}", held.pid());
    let run = |options: &[&str]| {
        t.tool("rnsenter").as_user().arg(&target).args(options).args(["-e", "printenv", "HIDDEN"]).run()
    };
    assert_eq!(run(&["-U"]).ok(), "yes\n");
    assert_eq!(run(&["-U", "--pty"]).text().replace('\r', ""), "yes\n");
    // By the capabilities alone.
    assert_eq!(run(&["-U", "--preserve-credentials"]).ok(), "yes\n");
    assert_eq!(run(&["-U", "-S5", "-G5"]).ok(), "yes\n");
    // Outside it stays hidden.
    let run = run(&[]);
    assert_eq!((run.code, run.text().as_str()), (Some(125), ""), "{run:?}");
    assert!(run.errors().contains("environ") && run.errors().contains("which -U enters"), "{run:?}");
}

#[test]
fn the_environment_is_the_one_that_the_original_takes() {
    let t = rings!(Host);
    let run = t.program("env").args(["ODD=a b\nc", "EMPTY=", "LONG=x=y", "unshare", "-m"]);
    let held = run.args(super::SLEEP).hold();
    slept(&held);
    let args = [&format!("-t{}", held.pid()), "-m", "-e", "env", "-0"];
    let sorted = |run: Run| {
        let text = run.env("NOT", "handed on").args(args).run().ok();
        let mut lines: Vec<String> = text.split('\0').map(String::from).collect();
        lines.sort();
        lines
    };
    let ours = sorted(t.tool("rnsenter"));
    assert!(
        ours.iter().any(|line| line == "ODD=a b\nc") && !ours.iter().any(|line| line.starts_with("NOT="))
    );
    if let Some(original) = t.newest("nsenter") {
        assert_eq!(ours, sorted(t.path(&original)));
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
    let dir = super::open_directory();
    let made = dir.path().join("made");
    for options in [&["-Z", "-n"][..], &["-Z", "-a", "--pty"], &["--follow-context", "--as-target"]] {
        let run = t.tool("rnsenter").arg(&target).args(options).arg("touch").arg(&made).run();
        let hint = run.fails(125, "rnsenter: SELinux is not active on this machine");
        assert!(hint.contains("leave out --follow-context"), "{hint}");
    }
    // Nothing is run, and nothing was entered before.
    assert!(!made.exists());
    if t.has("strace") {
        let held = t.hold("unshare", &["-n"]);
        let run = t.program("strace").args(["-f", "-e", "trace=setns,chroot,clone,fork,execve"]);
        let run = run.arg(tool_path("rnsenter")).args([&format!("-t{}", held.pid()), "-Z", "-n", "true"]);
        let log = run.run().errors();
        assert!(log.contains("execve(") && !log.contains("setns(") && !log.contains("clone("), "{log}");
    }
}
