//! Hostile targets: each test plays an attacker whose way is known by a number.

use std::os::unix::fs::{PermissionsExt, symlink};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::harness::*;

/// An attacker inside, who looks into every process whose command line has his mark, as long as it is rnsenter. He prints
/// all that he gets of it, and at last what he saw. That descriptors are counted is no secret from our own user.
const ATTACKER: &str = r#"
    $| = 1; $SIG{TERM} = sub { $end = 1 }; $mark = shift; print "ready\n";
    sub text { open my $file, "<", shift or return ""; local $/; <$file> // "" }
    until ($end) {
        opendir my $proc, "/proc" or die;
        for my $at (map "/proc/$_", grep /^\d+$/ && $_ != $$, readdir $proc) {
            next unless text("$at/comm") eq "rnsenter\n" and text("$at/cmdline") =~ /\Q$mark\E=([^\0]*)/;
            my ($way, @got) = $1;
            my @links = ("exe", "root", "cwd", "ns/mnt", map("fd/$_", 0..20), map("task/self/fd/$_", 3..9));
            for (@links) { my $to = readlink "$at/$_"; push @got, "$_ $to" if defined $to }
            for (qw(maps environ auxv mem)) { push @got, $_ if length text("$at/$_") }
            my $maps; opendir $maps, "$at/map_files" and grep(/-/, readdir $maps) and push @got, "map_files";
            next unless text("$at/comm") eq "rnsenter\n";
            $seen{$way}++; print "got $way: $_\n" for @got;
        }
    }
    print "saw $_\n" for sort keys %seen;
"#;

/// The capabilities that containers have: with host's CAP_SYS_ADMIN or CAP_PERFMON Linux 6.15 and on shows the memory of all.
const CONTAINED: &str = "-all,+chown,+dac_override,+fowner,+fsetid,+kill,+setgid,+setuid,+setpcap,+net_bind_service,\
                         +net_raw,+sys_chroot,+mknod,+audit_write,+setfcap";

/// With a PATH in which programs are found late, so that whoever looks for one is seen meanwhile.
const SLOWLY: &str = "export PATH=$(yes /x: | head -n 4000 | tr -d '\\n')/usr/bin:/bin; exec \"$@\"";

#[test]
fn processes_inside_get_nothing_of_ours_while_we_enter() {
    let t = rings!(Host);
    if !t.has("setpriv") || !t.has("perl") {
        return;
    }
    // CVE-2016-9962. The root of a user namespace who is our own user outside; a root without CAP_SYS_PTRACE; and one who
    // sees all processes, also before they are inside.
    let attackers: [(&[&str], bool); 3] = [
        (&["-Urfpm", "--mount-proc"], true),
        (&["-fpm", "--mount-proc", "setpriv", "--inh-caps", "-all", "--bounding-set", CONTAINED], true),
        (&["-Urm"], false),
    ];
    let ways =
        ["-a", "-a --pty", "-a --as-target", "-a -e", "-a -r", "-p -m", "-p --as-target --pty", "-a -F"];
    for (options, apart) in attackers {
        let mark = format!("nskit-mark-{}", options.len());
        let run = t.program("sh").args(["-c", SLOWLY, "sh"]).arg(find("unshare").unwrap()).args(options);
        let mut held = run.args(["perl", "-e", ATTACKER, &mark]).hold();
        let target = format!("-t{}", held.inner());
        for way in ways.iter().flat_map(|way| [way; 4]) {
            let run = super::in_shell(&t, SLOWLY).arg(&target).args(way.split(' '));
            run.args(["true", &format!("{mark}={way}")]).run().ok();
        }
        kill(Pid::from_raw(held.inner()), Signal::SIGTERM).unwrap();
        let lines: Vec<String> = std::iter::from_fn(|| held.next_line()).collect();
        let got: Vec<&String> = lines.iter().filter(|line| !line.starts_with("saw ")).collect();
        assert!(got.is_empty(), "{options:?}: {got:#?}");
        // Who does not fork is not in the pid namespace.
        let saw = ways.iter().filter(|way| !(apart && way.ends_with("-F"))).map(|way| format!("saw {way}"));
        let missed: Vec<String> = saw.filter(|line| !lines.contains(line)).collect();
        assert!(missed.is_empty(), "{options:?}: not seen: {missed:?}");
    }
}

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
    // An interpreter that is a link; one that is named from where we will be; a copy by another name of the same file.
    script(&at("by-link"), &format!("#!{}\n", at("link").display()));
    script(&at("relative"), "#!proc/self/exe\n");
    let beside = tempfile::tempdir_in(tool_path("rnsenter").parent().unwrap()).unwrap();
    std::fs::hard_link(tool_path("rnsenter"), beside.path().join("hard")).unwrap();
    symlink(beside.path().join("hard"), at("hard")).unwrap();
    for name in ["link", "script", "nested", "by-link", "relative", "hard"] {
        let path = at(name).display().to_string();
        let in_path = t.tool("rnsenter").env("PATH", dir.path().to_str().unwrap());
        let ways = [t.tool("rnsenter").args([&*target, "-m", &path]), in_path.args([&*target, "-m", name])];
        for run in ways {
            let line =
                format!("rnsenter: exec {path}, which leads to our own executable: Operation not permitted");
            run.args(["--version"]).run().fails(126, &line);
        }
    }
    // Where the root is changed, and by a child.
    for options in [&["-r"][..], &["--as-target"], &["-m", "--pty"]] {
        let run = t.tool("rnsenter").arg(&target).args(options).arg(at("script")).run();
        assert!(run.code == Some(126) && run.errors().contains("our own executable"), "{run:?}");
    }
    // What leads in a circle is refused by ourselves, as the kernel would.
    script(&at("circle"), &format!("#!{}\n", at("circle").display()));
    let circle = at("circle").display().to_string();
    let line = format!("rnsenter: exec {circle}: Too many levels of symbolic links");
    t.tool("rnsenter").args([&*target, "-m", &circle]).run().fails(126, &line);
    // Nothing foreign is entered.
    let link = at("link").display().to_string();
    t.tool("rnsenter").args([&*target, "-n", &link, "--version"]).run().ok();
    script(&at("fine"), "#!/bin/sh\necho \"$@\"\n");
    let fine = at("fine").display().to_string();
    assert_eq!(t.tool("rnsenter").args([&*target, "-m", &fine, "a b"]).run().ok(), "a b\n");
}

#[test]
fn no_file_of_the_target_is_read_but_the_program() {
    let t = rings!(Host);
    if !t.has("strace") {
        return;
    }
    // CVE-2019-14271: what is loaded when it is first needed would be the target's own.
    let path = "/nskit/none:/usr/bin:/bin";
    let hold =
        |options: &[&str]| t.program("unshare").env("PATH", path).args(options).args(super::SLEEP).hold();
    let (mounts, all) = (hold(&["-m"]), hold(&["-Urfpm", "--mount-proc"]));
    let (mounts, all) = (format!("-t{}", mounts.pid()), format!("-t{}", all.inner()));
    let log = tempfile::NamedTempFile::new().unwrap();
    let cases: [(&str, &[&str], &[&str], i32); 12] = [
        (&mounts, &["-m", "true"], &[], 0),
        (&mounts, &["-r", "true"], &["/"], 0),
        (&mounts, &["-m", "-w/usr", "true"], &["/usr"], 0),
        (&mounts, &["-m", "--wdns=/nskit", "true"], &["/nskit"], 125),
        (&all, &["-a", "true"], &[], 0),
        (&all, &["-a", "-e", "true"], &[], 0),
        (&all, &["-a", "--pty", "true"], &["/dev/pts"], 0),
        (&all, &["--as-target", "true"], &["/"], 0),
        (&all, &["-a", "-p", "--mount-proc", "true"], &["/", "/proc"], 0),
        (&all, &["-a", "nskit-none"], &[], 127),
        (&all, &["-a", "/nskit/none"], &["/nskit/none"], 127),
        (&all, &["-a", "-S777", "true"], &[], 125),
    ];
    for (target, options, named, status) in cases {
        let run = t.program("strace").args(["-f", "-s999", "-e", "trace=%file,setns", "-o"]).arg(log.path());
        let run = run.arg(tool_path("rnsenter")).arg(target).args(options).env("PATH", path);
        assert_eq!(run.env("LC_ALL", "de_DE.UTF-8").run().code, Some(status), "{options:?}");
        let log = std::fs::read_to_string(log.path()).unwrap();
        let enters = |line: &&str| line.contains(" setns(") || line.contains(" chroot(");
        let inside = log.lines().skip_while(|line| !enters(line)).filter(|line| !line.contains(" getcwd("));
        let runs = |line: &str| line.contains(" execve(") && line.ends_with(" = 0");
        let before: Vec<&str> = inside.clone().take_while(|line| !runs(line)).collect();
        assert!(!before.is_empty() && (status != 0 || inside.clone().any(runs)), "{log}");
        let program = options.last().unwrap();
        for line in before {
            // What is below a descriptor was opened before.
            let Some((_, call)) = line.split_once('(') else { continue };
            let below = call.starts_with(|c: char| c.is_ascii_digit()) || enters(&line);
            let mut words = call.split('"').skip(1).step_by(2);
            let is_named = |word: &str| {
                let is_candidate = path.split(':').any(|dir| format!("{dir}/{program}") == word);
                is_candidate || named.contains(&word) || word == "proc" && line.contains(" mount(")
            };
            let told = [" +++ ", " --- ", "resumed>"].iter().any(|told| line.contains(told));
            assert!(below || told || words.all(is_named), "{options:?}: {line}");
        }
    }
}

#[test]
fn the_working_directory_is_never_outside_of_the_new_root() {
    let t = rings!(Host);
    // CVE-2024-21626: `..` of such a directory is outside.
    let dir = super::open_directory();
    let path = dir.path().display().to_string();
    let wd = format!("-w{path}");
    let line = format!("rnsenter: directory is outside of the new root: {path}");
    // One that is given is taken where its path leads to the same one inside.
    let held = t.hold("unshare", &["-m"]);
    let target = format!("-t{}", held.pid());
    let enter = |target: &str, options: &[&str]| t.tool("rnsenter").arg(target).args(options).run();
    assert_eq!(enter(&target, &["-m", &wd, "/bin/pwd"]).ok(), path.clone() + "\n");
    assert_eq!(enter(&target, &["-m", &wd, "stat", "-c%n", ".."]).ok(), "..\n");
    assert_eq!(enter(&target, &["-r/usr", "-w/usr/bin", "pwd"]).ok(), "/bin\n");
    enter(&target, &["-m", "-r", "-w", "true"]).ok();
    // Not where that is another, or there is none.
    let script = "mount -t tmpfs nskit \"$0\" && echo ready && exec sleep 1000";
    let other = t.program("unshare").args(["-m", "sh", "-c", script, &path]).hold();
    let other = format!("-t{}", other.pid());
    assert!(enter(&other, &["-m", &wd, "true"]).fails(125, &line).contains("--wdns=DIR"));
    assert_eq!(enter(&other, &["-m", &format!("--wdns={path}"), "/bin/pwd"]).ok(), path.clone() + "\n");
    for wd in [&wd, "-w/"] {
        let line = format!("rnsenter: directory is outside of the new root: {}", &wd[2..]);
        assert!(enter(&target, &["-r/usr", wd, "true"]).fails(125, &line).contains("--wdns=DIR"));
    }
}

#[test]
fn the_working_directory_of_a_target_is_never_outside_of_its_root() {
    let t = rings!(Host);
    if !t.has("perl") {
        return;
    }
    let dir = super::open_directory();
    let script = "chroot $ARGV[0] or die; $| = 1; print qq(ready\\n); sleep 1000";
    let held = t.program("perl").args(["-e", script, "/usr"]).dir(dir.path()).hold();
    let target = format!("-t{}", held.pid());
    let enter = |options: &[&str]| t.tool("rnsenter").arg(&target).args(options).run();
    let name = format!("working directory of {}", held.pid());
    for options in [&["-r", "-w"][..], &["--as-target"], &["--as-target", "-w"]] {
        let run = enter(&[options, &["true"]].concat());
        let hint = run.fails(125, &format!("rnsenter: directory is outside of the new root: {name}"));
        assert!(hint.contains("--wdns=/"), "{hint}");
    }
    for options in [&["-r", "--wdns=/"][..], &["--as-target", "--wdns=/"], &["-r"]] {
        assert_eq!(enter(&[options, &["pwd"]].concat()).ok(), "/\n", "{options:?}");
    }
    // One that was removed is below no root.
    let gone = dir.path().join("gone");
    std::fs::create_dir(&gone).unwrap();
    let held = t.program("unshare").args(["-m"]).args(super::SLEEP).dir(&gone).hold();
    std::fs::remove_dir(&gone).unwrap();
    let enter = |options: &[&str]| t.tool("rnsenter").arg(format!("-t{}", held.pid())).args(options).run();
    let line = format!("rnsenter: getcwd working directory of {}: No such file or directory", held.pid());
    for options in [&["-m", "-w", "true"][..], &["-r", "-w", "true"], &["--as-target", "true"]] {
        let hint = enter(options).fails(125, &line);
        assert_eq!(hint, "that of the target was removed: choose one inside by --wdns=/");
    }
    assert_eq!(enter(&["-m", "--wdns=/", "/bin/pwd"]).ok(), "/\n");
    assert_eq!(enter(&["--as-target", "--wdns=/", "/bin/pwd"]).ok(), "/\n");
    // Nothing is entered by which it could lie outside.
    enter(&["-w", "-u", "true"]).ok();
}

#[test]
fn a_program_that_may_be_executed_and_not_read_is_executed() {
    let t = rings!(Host);
    let dir = super::open_directory();
    let at = |name: &str| dir.path().join(name);
    for name in ["env", "cat"] {
        copy_program(&find(name).unwrap(), &at(name));
        std::fs::set_permissions(at(name), PermissionsExt::from_mode(0o711)).unwrap();
    }
    script(&at("script"), "#!/proc/self/exe\n");
    std::fs::set_permissions(at("script"), PermissionsExt::from_mode(0o711)).unwrap();
    let held = super::hold_as_user(&t, &["-Urm"]);
    let target = format!("-t{}", held.pid());
    let enter = || t.tool("rnsenter").as_user().args([&*target, "-U", "-m"]);
    let run = enter().env("FINE", "yes").arg(at("env")).run();
    assert!(run.ok().lines().any(|variable| variable == "FINE=yes"));
    // By PATH.
    let run = enter().env("PATH", dir.path().to_str().unwrap()).args(["cat", "/proc/self/status"]).run();
    assert!(run.ok().contains("Uid:\t0\t"));
    // A script that nobody but root could read is not run by whom it names.
    let run = enter().arg(at("script")).arg("--version").run();
    assert!(run.code == Some(127) || run.code == Some(126), "{run:?}");
    assert_eq!(run.text(), "");
}
