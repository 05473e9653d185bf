//! Where groups of version 2 go: those who are in ours make room for them, or systemd makes a scope.

use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::*;
use crate::harness::copy_program;

/// A group of version 2 with this controller to be had in it, that somebody is in who runs us.
fn inside<'a>(t: &'a Test, parent: &Parent) -> Run<'a> {
    inside_of(t, &parent.dir("pids"))
}

fn inside_of<'a>(t: &'a Test, group: &Path) -> Run<'a> {
    t.program("sh").args(["-c", "echo $$ > \"$0/cgroup.procs\"; exec \"$@\""]).arg(group)
}

fn members(group: &Path) -> Vec<i32> {
    let text = std::fs::read_to_string(group.join("cgroup.procs")).unwrap();
    text.lines().map(|line| line.parse().unwrap()).collect()
}

fn handed_on(group: &Path) -> String {
    std::fs::read_to_string(group.join("cgroup.subtree_control")).unwrap().trim().into()
}

fn is_domain(group: &Path) -> bool {
    std::fs::read_to_string(group.join("cgroup.type")).unwrap() == "domain\n"
}

/// A parent and its group of version 2, where that has controllers and nobody else manages it.
fn of_v2(t: &Test, controllers: &[&str]) -> Option<(Parent, PathBuf)> {
    let is_here = t.belongs(find("pids").is_some_and(|found| found.v2), "version 2 with controllers")
        && t.belongs(!Path::new("/run/systemd/system").exists(), "a machine without systemd");
    let parent = if is_here { Parent::new(t, controllers)? } else { return None };
    let group = parent.dir("pids");
    Some((parent, group))
}

/// Pitfall 1: a populated group never hands on controllers.
#[test]
fn those_in_our_group_make_room_and_come_back() {
    let t = rings!(Uml, Qemu);
    let Some((parent, group)) = of_v2(&t, &["pids"]) else { return };
    // The shell is in it as well, and one that sleeps.
    let script = "sleep 1000 & \"$@\"; s=$?; kill $!; cat /proc/self/cgroup; exit $s";
    let run =
        inside(&t, &parent).args(["sh", "-c", script, "-", rcgexec(), "--pids-limit", "20", "sh", "-c"]);
    let look =
        format!("cat /proc/self/cgroup; cat {0}/cgroup.type {0}/cgroup.procs; exit 3", group.display());
    let run = run.arg(look).run();
    assert_eq!(run.code, Some(3), "{}", run.errors());
    let text = run.text();
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[0].starts_with(&format!("0::/{}/rcgexec-", parent.name)), "{text}");
    // Nobody is in the group itself meanwhile, and all is as it was afterwards.
    assert_eq!(lines[1..], ["domain", &format!("0::/{}", parent.name)], "{text}");
    parent.assert_bare();
    assert_eq!((handed_on(&group), is_domain(&group)), (String::new(), true));
}

#[test]
fn several_runs_share_the_room_and_the_last_one_gives_it_back() {
    let t = rings!(Uml, Qemu);
    let Some((parent, group)) = of_v2(&t, &["pids"]) else { return };
    let script = "for i in $(seq 20); do \"$@\" & done; wait";
    let run = inside(&t, &parent).args(["sh", "-c", script, "-", rcgexec(), "--pids-limit", "20"]);
    let text = run.args(["sh", "-c", "cat /proc/self/cgroup; sleep .2"]).patiently().run().ok();
    assert_eq!(text.lines().count(), 20, "{text}");
    assert!(text.lines().all(|line| line.starts_with(&format!("0::/{}/rcgexec-", parent.name))), "{text}");
    parent.assert_bare();
    assert_eq!(handed_on(&group), "");
}

#[test]
fn a_killed_run_gives_the_room_back_by_the_next_one() {
    let t = rings!(Uml, Qemu);
    let Some((parent, group)) = of_v2(&t, &["pids"]) else { return };
    let limits = format!("{} --pids-limit 20", rcgexec());
    let script = format!("{limits} sleep 1000 & echo $!; read -r line; {limits} true; cat /proc/self/cgroup");
    let mut held = inside(&t, &parent).args(["sh", "-c", &script]).start();
    let killed = Pid::from_raw(held.next_line().unwrap().parse().unwrap());
    let job = group.join(format!("rcgexec-{killed}"));
    assert!(within(Duration::from_secs(20), || job.exists() && !members(&job).is_empty()));
    kill(killed, Signal::SIGKILL).unwrap();
    assert!(group.join("rcgexec-callers").is_dir());
    drop(held.child.stdin.take());
    assert_eq!(held.next_line().unwrap(), format!("0::/{}", parent.name));
    held.wait();
    parent.assert_bare();
    assert_eq!(handed_on(&group), "");
}

/// Pitfall 4: never a group outside of our own one, whose limits it would escape.
#[test]
fn others_in_our_group_are_left_where_they_are_and_it_is_said() {
    let t = rings!(Uml, Qemu);
    let Some((parent, group)) = of_v2(&t, &["pids"]) else { return };
    let held = t.program("sleep").arg("1000").with(|command| {
        std::os::unix::process::CommandExt::uid(command, NOBODY);
    });
    let mut held = held.start();
    std::fs::write(group.join("cgroup.procs"), held.pid().to_string()).unwrap();
    let run = inside(&t, &parent).args([rcgexec(), "--pids-limit", "20", "true"]).run();
    let (line, hint) = refused(&run);
    let why = format!("it has process {} of another user", held.pid());
    assert_eq!(line, format!("no group can be made below our own one, {}: {why}", group.display()));
    assert!(hint.contains("--parent"), "{hint}");
    assert_eq!((members(&group), handed_on(&group)), (vec![held.pid()], String::new()));
    assert!(parent.tree().is_empty());
    // Without limits nothing has to be handed on, and nobody to be moved.
    let run = inside(&t, &parent).args([rcgexec(), "--timeout", "100", "cat", "/proc/self/cgroup"]).run();
    assert!(run.ok().starts_with(&format!("0::/{}/rcgexec-", parent.name)));
    held.child.kill().unwrap();
    held.wait();
    parent.assert_bare();
}

/// Gives a group to the ordinary user, as who delegates it does.
fn delegate(group: &Path) {
    for file in ["", "cgroup.procs", "cgroup.subtree_control", "cgroup.threads"] {
        chown(group.join(file), Some(NOBODY), Some(NOBODY)).unwrap();
    }
}

#[test]
fn an_ordinary_user_has_all_that_the_kernel_allows_in_a_delegated_group() {
    let t = rings!(Uml, Qemu);
    let Some((parent, group)) = of_v2(&t, &["pids", "memory"]) else { return };
    // Not directly below the root, which other tests need as it is.
    parent.hand_on(&["pids", "memory"]);
    let (name, group) = (parent.sub("own"), group.join("own"));
    delegate(&group);
    let (_dir, copy) = copy_for_all();
    let user = NOBODY.to_string();
    let as_user = ["setpriv", "--reuid", &user, "--regid", &user, "--clear-groups"];
    let run = |words: &[&str]| inside_of(&t, &group).args(as_user).arg(&copy).args(words).run();
    let text = run(&["--pids-limit", "20", "-m", "64M", "cat", "/proc/self/cgroup"]).ok();
    assert!(text.starts_with(&format!("0::/{name}/rcgexec-")), "{text}");
    assert_eq!(parent.tree(), std::slice::from_ref(&group));
    assert_eq!(handed_on(&group), "");
    // What is not handed on to it nobody can have.
    std::fs::write(group.join("../cgroup.subtree_control"), "-memory").unwrap();
    let (line, hint) = refused(&run(&["-m", "64M", "true"]));
    assert!(line.starts_with("controller memory cannot be handed on by "), "{line}");
    assert!(hint.contains("Delegate="), "{hint}");
    assert_eq!(parent.tree(), std::slice::from_ref(&group));
    assert_eq!(handed_on(&group), "");
    // Outside of it there is nothing, and it says so.
    let run = t.program(copy.to_str().unwrap()).args(["--pids-limit", "20", "true"]).with(|command| {
        std::os::unix::process::CommandExt::uid(command, NOBODY);
    });
    let (line, hint) = refused(&run.run());
    assert!(!line.is_empty() && !hint.is_empty());
    parent.remove_sub("own");
}

#[test]
fn those_in_our_group_make_room_for_named_groups_until_the_last_is_removed() {
    let t = rings!(Uml, Qemu);
    let Some((parent, group)) = of_v2(&t, &["pids"]) else { return };
    std::fs::write(group.join("../cgroup.subtree_control"), "+pids").unwrap();
    delegate(&group);
    let (_dir, copy) = copy_for_all();
    let user = NOBODY.to_string();
    let as_user = ["setpriv", "--reuid", &user, "--regid", &user, "--clear-groups"];
    let script = "set -e
        $0 --name web --pids-limit 9 cat /proc/self/cgroup
        cat /proc/self/cgroup
        $0 --pids-limit 9 cat /proc/self/cgroup
        $0 --name other --pids-limit 9
        $0 --remove web
        cat /proc/self/cgroup
        $0 --remove other
        cat /proc/self/cgroup";
    let run = inside(&t, &parent).args(as_user).args(["sh", "-c", script]).arg(&copy).run();
    let text = run.ok();
    let lines: Vec<&str> =
        text.lines().map(|line| line.trim_start_matches(&format!("0::/{}", parent.name))).collect();
    let transient = lines[2];
    assert!(transient.starts_with("/rcgexec-"), "{text}");
    let callers = "/rcgexec-callers";
    assert_eq!(lines, ["/nskit/web", callers, transient, callers, ""], "{text}");
    parent.assert_bare();
    assert_eq!(handed_on(&group), "");
}

/// A machine that systemd manages, and a group of its own that it has not left to us.
fn systemd(t: &Test) -> bool {
    let comm = std::fs::read("/proc/1/comm").unwrap_or_default();
    let asked = std::env::var("NSKIT_VM_LAYOUT").is_ok_and(|layout| layout == "systemd");
    t.belongs(comm == b"systemd\n" && asked, "a session that systemd manages")
}

/// What there is of ours in all of version 2.
fn ours() -> Vec<PathBuf> {
    fn look(dir: &Path, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                if entry.file_name().to_str().is_some_and(|name| name.starts_with("rcgexec-")) {
                    found.push(entry.path());
                }
                look(&entry.path(), found);
            }
        }
    }
    let mut found = Vec::new();
    look(Path::new("/sys/fs/cgroup"), &mut found);
    found
}

#[test]
fn systemd_is_asked_for_a_scope_whose_limits_outlive_a_reload() {
    let t = rings!(Uml, Qemu);
    if !systemd(&t) {
        return;
    }
    let quota = ["--cpu-quota", "20000", "--pids-limit", "20"];
    let (line, hint) = refused(&t.tool("rcgexec").args(["--no-systemd"]).args(quota).arg("true").run());
    assert!(line.contains("it is systemd's, and was not delegated"), "{line}");
    assert!(hint.contains("--no-systemd"), "{hint}");
    let said = t.tool("rcgexec").args(["--dry-run"]).args(quota).arg("true").run().ok();
    assert!(said.starts_with("systemd-run --scope ") && said.contains("--property=Delegate=yes"), "{said}");
    // A program of ours, and before it and after it systemd reads all its files again.
    let script = "cat /proc/self/cgroup; read -r line; d=/sys/fs/cgroup$(cut -c4- /proc/self/cgroup); cat $d/cpu.max $d/pids.max; exit 7";
    let mut held = t.tool("rcgexec").args(quota).args(["sh", "-c", script]).start();
    let group = held.next_line().unwrap();
    assert!(
        group.contains(&format!("/rcgexec-{}-", held.pid())) && group.contains(".scope/rcgexec-"),
        "{group}"
    );
    for _ in 0..3 {
        t.program("systemctl").arg("daemon-reload").run().ok();
        std::thread::sleep(Duration::from_millis(300));
    }
    drop(held.child.stdin.take());
    assert_eq!([held.next_line(), held.next_line()], [Some("20000 100000".into()), Some("20".into())]);
    assert_eq!(code(held.wait()), Some(7));
    assert!(within(Duration::from_secs(10), || ours().is_empty()), "{:?}", ours());
}

#[test]
fn what_a_killed_run_left_in_a_scope_is_collected_by_the_next() {
    let t = rings!(Uml, Qemu);
    if !systemd(&t) {
        return;
    }
    let script = "setsid sleep 1000 & echo $!; read -r line";
    let mut held = t.tool("rcgexec").args(["--pids-limit", "20", "sh", "-c", script]).start();
    let left: i32 = held.next_line().unwrap().parse().unwrap();
    kill(Pid::from_raw(held.pid()), Signal::SIGKILL).unwrap();
    held.wait();
    assert!(Path::new(&format!("/proc/{left}")).exists());
    t.tool("rcgexec").args(["--pids-limit", "20", "true"]).run().ok();
    assert!(within(Duration::from_secs(10), || ours().is_empty()), "{:?}", ours());
    assert!(!Path::new(&format!("/proc/{left}")).exists());
}

#[test]
fn a_user_of_systemd_gets_a_scope_of_his_own_manager() {
    let t = rings!(Uml, Qemu);
    if !systemd(&t) {
        return;
    }
    let dir = tempfile::Builder::new().prefix("nskit-test").tempdir().unwrap();
    std::fs::set_permissions(dir.path(), std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
    let copy = dir.path().join("rcgexec");
    copy_program(tool_path("rcgexec"), &copy);
    let (runtime, _manager) = crate::refer::systemd::users_manager(&t);
    let user = NOBODY.to_string();
    let out = dir.path().join("out");
    // In a unit of that manager, as what a desktop starts is.
    let inside = |words: &str| {
        let script = format!(
            "{} {words} >{1}.new 2>&1; echo $? >>{1}.new; mv {1}.new {1}",
            copy.display(),
            out.display()
        );
        let run =
            t.program("setpriv").args(["--reuid", &user, "--clear-groups", "systemd-run", "--user", "-q"]);
        let run = run.args(["-p", "DefaultDependencies=no", "sh", "-c", &script]);
        run.env("XDG_RUNTIME_DIR", &runtime).run().ok();
        assert!(within(Duration::from_secs(30), || out.exists()), "{words}");
        let text = std::fs::read_to_string(&out).unwrap();
        std::fs::remove_file(&out).unwrap();
        text
    };
    let text = inside("--pids-limit 20 -m 64M cat /proc/self/cgroup");
    assert!(text.contains("/app.slice/rcgexec-") && text.contains(".scope/rcgexec-"), "{text}");
    assert!(text.ends_with("\n0\n"), "{text}");
    // In a scope that was delegated nothing more is asked for.
    let delegated = format!("systemd-run --user --scope -q -p Delegate=yes {} --no-systemd", copy.display());
    let text = inside(&format!("--version && {delegated} --pids-limit 20 cat /proc/self/cgroup"));
    assert!(text.contains("/app.slice/run-") && text.contains(".scope/rcgexec-"), "{text}");
    let text = inside("--no-systemd --pids-limit 20 true");
    assert!(text.contains("it is systemd's, and was not delegated") && text.ends_with("\n125\n"), "{text}");
    assert!(within(Duration::from_secs(10), || ours().is_empty()), "{:?}", ours());
    // Who has no manager is told how to get one.
    let run = t.program(copy.to_str().unwrap()).args(["--pids-limit", "20", "true"]).with(|command| {
        std::os::unix::process::CommandExt::uid(command, NOBODY);
    });
    let (line, hint) = refused(&run.run());
    assert_eq!(line, "no systemd of this user answers, so there can be no scope to make groups in");
    assert!(hint.contains("enable-linger"), "{hint}");
}
