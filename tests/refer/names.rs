//! Containers and units by their names: who is meant, and who only says so.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::{Groups, asleep, entered, link, seen};
use crate::harness::{Held, NOBODY, Output, Ring, Test, tool_path};

/// An id as engines draw it, which begins so.
fn id(beginning: &str) -> String {
    format!("{beginning}{}", &"0123456789abcdef".repeat(4)[beginning.len()..])
}

/// A process of the ordinary user, who may make groups in this one.
fn delegate(t: &Test, groups: &Groups, below: &str) -> Held {
    // Of these each version has some.
    for file in ["", "cgroup.procs", "cgroup.threads", "cgroup.subtree_control", "tasks"] {
        let file = groups.dir(below).join(file);
        if file.exists() {
            std::os::unix::fs::chown(file, Some(NOBODY), Some(NOBODY)).unwrap();
        }
    }
    let held = t
        .program("sh")
        .as_user()
        .args(["-c", "echo ready; while read -r line; do eval \"$line\"; echo done; done"]);
    let held = held.with(|command| _ = command.stdin(std::process::Stdio::piped())).hold();
    groups.take(below, held.pid());
    held
}

/// Lets that process do something.
fn say(held: &mut Held, line: &str) {
    use std::io::Write;
    writeln!(held.child.stdin.as_mut().unwrap(), "{line}").unwrap();
    assert_eq!(held.next_line().as_deref(), Some("done"));
}

fn enter(t: &Test, reference: &str) -> Output {
    t.tool("rnsenter").args(["-t", reference, "-n", "readlink", "/proc/self/ns/net"]).run()
}

#[test]
fn who_calls_his_group_like_a_container_is_not_entered() {
    let t = rings!(Host, Uml, Qemu);
    let Some(groups) = Groups::new(&t, ".slice") else { return };
    let id = id("5ca1ab1e");
    groups.make("bob");
    let mut bob = delegate(&t, &groups, "bob");
    let scope = format!("bob/docker-{id}.scope");
    say(&mut bob, &format!("mkdir {0} && echo $$ >{0}/cgroup.procs", groups.dir(&scope).display()));
    for name in [
        "ctr:5ca1ab1e".to_string(),
        format!("ctr:{id}"),
        "5ca1ab1e".into(),
        format!("unit:docker-{id}.scope"),
    ] {
        let bare = name.split(':').next_back().unwrap();
        // What stands below a group that is no slice is no unit of anybody.
        if name.starts_with("unit:") {
            enter(&t, &name).fails(125, &format!("rnsenter: no unit that we see is called {bare}"));
            continue;
        }
        let hint =
            enter(&t, &name).fails(125, &format!("rnsenter: no container is proved to be called {bare}"));
        let group = format!("(process {} of user {NOBODY} in {}/{scope})", bob.pid(), groups.path);
        let expected = format!(
            "anybody could have named these so; enter what you trust by its PID: docker {id} {group}"
        );
        assert_eq!(hint, expected, "{name}");
        // Looking at it does no harm, and by its PID it is entered.
        assert_eq!(seen(&t, &name), bob.pid());
    }
    assert_eq!(enter(&t, &bob.pid().to_string()).code, Some(0));

    // Root's own of the same name is the one that is meant.
    let root = format!("docker-{id}.scope");
    groups.make(&root);
    let held = t.hold("runshare", &["-n"]);
    groups.take(&root, held.pid());
    assert_eq!(entered(&t, &["-t", "ctr:5ca1ab1e", "-n"], "net"), link(held.pid(), "net"));
    assert_eq!(seen(&t, "ctr:5ca1ab1e"), held.pid());

    // But not while anybody may move processes into it, or one above it belongs to a user.
    let procs = groups.dir(&root).join("cgroup.procs");
    std::fs::set_permissions(&procs, PermissionsExt::from_mode(0o646)).unwrap();
    let hint = enter(&t, "ctr:5ca1ab1e").fails(125, "rnsenter: no container is proved to be called 5ca1ab1e");
    assert!(hint.contains(&format!("(process {} of user 0 in", held.pid())), "{hint}");
    std::fs::set_permissions(&procs, PermissionsExt::from_mode(0o644)).unwrap();
    assert_eq!(enter(&t, "ctr:5ca1ab1e").code, Some(0));
    std::os::unix::fs::chown(groups.dir(""), Some(NOBODY), None).unwrap();
    enter(&t, "ctr:5ca1ab1e").fails(125, "rnsenter: no container is proved to be called 5ca1ab1e");
    std::os::unix::fs::chown(groups.dir(""), Some(0), None).unwrap();
    drop(bob);
    drop(held);
}

#[test]
fn a_user_enters_by_name_what_is_his_own_and_nobody_elses() {
    let t = rings!(Host, Uml, Qemu);
    let Some(groups) = Groups::new(&t, ".slice") else { return };
    let [his, roots] = [id("b0b"), id("abba")];
    groups.make("bob");
    groups.make(&format!("docker-{roots}.scope"));
    let mut bob = delegate(&t, &groups, "bob");
    say(
        &mut bob,
        &format!(
            "mkdir {0} && echo $$ >{0}/cgroup.procs",
            groups.dir(&format!("bob/docker-{his}.scope")).display()
        ),
    );
    let held = asleep(&t);
    groups.take(&format!("docker-{roots}.scope"), held.pid());
    for reference in ["ctr:b0b", "ctr:abba"] {
        let run = t.tool("rnsenter").as_user().args(["-t", reference, "echo", "resolved"]).run();
        assert_eq!(run.ok(), "resolved\n", "{reference}");
    }
    // In a user namespace without a map all look like one user.
    let dir = tempfile::tempdir().unwrap();
    std::fs::set_permissions(dir.path(), PermissionsExt::from_mode(0o755)).unwrap();
    let copy = dir.path().join("rnsenter");
    crate::harness::copy_program(tool_path("rnsenter"), &copy);
    let script = "exec unshare -U \"$@\"";
    let words = ["-c", script, "sh", copy.to_str().unwrap(), "-t", "ctr:b0b", "true"];
    let run = t.program("sh").as_user().args(words).run();
    run.fails(125, "rnsenter: no container is proved to be called b0b");
    // Another user's is not his.
    std::os::unix::fs::chown(groups.dir("bob"), Some(NOBODY - 1), None).unwrap();
    let run = t.tool("rnsenter").as_user().args(["-t", "ctr:b0b", "true"]).run();
    run.fails(125, "rnsenter: no container is proved to be called b0b");
    drop(bob);
}

#[test]
fn a_container_inside_of_another_is_seen_but_not_entered_by_name() {
    let t = rings!(Host, Uml, Qemu);
    let Some(groups) = Groups::new(&t, ".slice") else { return };
    let [outer, inner] = [id("aaaa"), id("bbbb")];
    groups.make(&format!("docker-{outer}.scope/docker/{inner}"));
    let [first, second] = [asleep(&t), asleep(&t)];
    groups.take(&format!("docker-{outer}.scope"), first.pid());
    groups.take(&format!("docker-{outer}.scope/docker/{inner}"), second.pid());
    assert_eq!(seen(&t, "ctr:aaaa"), first.pid());
    assert_eq!(enter(&t, "ctr:aaaa").code, Some(0));
    assert_eq!(seen(&t, "ctr:bbbb"), second.pid());
    enter(&t, "ctr:bbbb").fails(125, "rnsenter: no container is proved to be called bbbb");
    // Both are offered to who types a name, with or without its prefix.
    for (typed, word) in [("aaaa", &outer[..12]), ("bbbb", &inner[..12])] {
        for prefix in ["", "ctr:"] {
            let offered =
                t.tool("rnsenter").args(["--complete", "reference", &format!("{prefix}{typed}")]).run().ok();
            assert_eq!(offered.split('\t').next(), Some(&*format!("{prefix}{word}")), "{offered}");
        }
    }
    // By its name it is entered where we are in the outer one ourselves.
    let join = format!(
        "echo $$ >{}/cgroup.procs; exec \"$@\"",
        groups.dir(&format!("docker-{outer}.scope")).display()
    );
    let words =
        ["-c", &join, "sh", tool_path("rnsenter").to_str().unwrap(), "-t", "ctr:bbbb", "echo", "entered"];
    assert_eq!(t.program("sh").args(words).run().ok(), "entered\n");
}

#[test]
fn several_of_one_name_are_listed_and_none_is_chosen() {
    let t = rings!(Host, Uml, Qemu);
    let Some(groups) = Groups::new(&t, ".slice") else { return };
    let ids = [id("c0ffee1"), id("c0ffee2")];
    let held = [asleep(&t), asleep(&t)];
    for (id, held) in ids.iter().zip(&held) {
        groups.make(&format!("docker-{id}.scope"));
        groups.take(&format!("docker-{id}.scope"), held.pid());
    }
    let hint = enter(&t, "ctr:c0ffee").fails(125, "rnsenter: several containers are called c0ffee");
    let one = |at: usize| format!("docker {} (process {})", ids[at], held[at].pid());
    assert!(hint.starts_with("name one by its id, or by the PID: ") && hint.contains(&one(0)), "{hint}");
    assert!(hint.contains(&one(1)), "{hint}");
    assert_eq!(t.tool("nsinfo").arg("c0ffee").run().code, Some(1));
    for (at, held) in held.iter().enumerate() {
        assert_eq!(seen(&t, &format!("c0ffee{}", at + 1)), held.pid());
    }
    // The whole id is meant before the beginning of another: one engine's can be called like that.
    groups.make("lxc.payload.c0ffee1");
    let payload = asleep(&t);
    groups.take("lxc.payload.c0ffee1", payload.pid());
    assert_eq!(seen(&t, "c0ffee1"), payload.pid());
}

#[test]
fn a_unit_is_named_with_or_without_its_suffix() {
    let t = rings!(Host, Uml, Qemu);
    let Some(groups) = Groups::new(&t, ".slice") else { return };
    let name = format!("nskit-{}", std::process::id());
    for below in [format!("{name}.service/worker"), format!("{name}.scope")] {
        groups.make(&below);
    }
    let held = [t.hold("runshare", &["-n"]), asleep(&t)];
    groups.take(&format!("{name}.service/worker"), held[0].pid());
    groups.take(&format!("{name}.scope"), held[1].pid());
    for reference in [format!("unit:{name}"), format!("unit:{name}.service")] {
        assert_eq!(entered(&t, &["-t", &reference, "-n"], "net"), link(held[0].pid(), "net"), "{reference}");
    }
    assert_eq!(seen(&t, &format!("unit:{name}.scope")), held[1].pid());
    let hint = enter(&t, "unit:nothing").fails(125, "rnsenter: no unit that we see is called nothing");
    assert_eq!(hint, "`rlsns -o +UNIT` shows the units that processes are in");
    // One of the same name below a user's own manager does not disturb.
    let below = format!("user@{NOBODY}.service");
    groups.make(&below);
    let mut bob = delegate(&t, &groups, &below);
    let own = groups.dir(&format!("{below}/{name}.service"));
    say(&mut bob, &format!("mkdir {0} && echo $$ >{0}/cgroup.procs", own.display()));
    assert_eq!(entered(&t, &["-t", &format!("unit:{name}"), "-n"], "net"), link(held[0].pid(), "net"));
    groups.take("", held[0].pid());
    let hint = enter(&t, &format!("unit:{name}"))
        .fails(125, &format!("rnsenter: no unit is proved to be called {name}"));
    assert!(
        hint.contains(&format!("(process {} of user {NOBODY} in {}/{below}", bob.pid(), groups.path)),
        "{hint}"
    );
    drop(bob);
}

/// Runs a script in a pid namespace with a small pid_max of its own, and with a /run of its own.
fn in_small_world(t: &Test, script: &str) -> String {
    // Since Linux 6.14 a pid namespace has its own.
    let own = "echo 310 >/proc/sys/kernel/pid_max && mount -t tmpfs none /run || exit 1\n";
    let before = std::fs::read_to_string("/proc/sys/kernel/pid_max").unwrap();
    let script = [own, script].concat();
    let tools = ["rnsenter", "nsinfo"].map(|tool| tool_path(tool).to_str().unwrap().to_string());
    let run = t.program("unshare").args([
        "-fpm",
        "--propagation",
        "private",
        "--mount-proc",
        "bash",
        "-c",
        &script,
        "bash",
    ]);
    let text = run.args(tools).run().ok();
    assert_eq!(std::fs::read_to_string("/proc/sys/kernel/pid_max").unwrap(), before);
    text
}

#[test]
fn a_pid_that_is_used_again_is_never_taken_for_who_had_it() {
    let t = rings!(Host);
    let script = r#"
        state() {
            mkdir -p /run/runc/web && printf '{"id": "web", "init_process_pid": %s, "init_process_start": %s}' \
                $1 $(cut -d' ' -f22 /proc/$1/stat) >/run/runc/web/state.json
        }
        # Those below 300 are given only once.
        while sleep 1000 & pid=$!; [ $pid -lt 300 ]; do kill -9 $pid; wait $pid 2>/dev/null; done
        state $pid
        reference=$pid:$($2 -J $pid | sed -n 's/.*"pidfd_inode": \([0-9]*\).*/\1/p')
        $1 -t $reference echo by pidfd; $1 -t web echo by file
        kill -9 $pid; wait $pid 2>/dev/null
        while sleep 1000 & other=$!; [ $other != $pid ]; do kill -9 $other; wait $other 2>/dev/null; done
        $1 -t $pid echo a stranger
        for name in $reference web; do $1 -t $name echo entered 2>&1 | sed "s/\b$pid:[0-9][0-9]*/PID:INODE/g; s/\b$pid\b/PID/g"; done
        kill -9 $other; wait $other 2>/dev/null
        $1 -t $pid true 2>&1 | sed "s/\b$pid\b/PID/g"
    "#;
    let expected = "\
by pidfd
by file
a stranger
rnsenter: process PID is another one than PID:INODE
hint: that one has ended; this one is PID:INODE
rnsenter: no container that we see is called web
hint: `rlsns -o +CONTAINER,UNIT` shows names; a process is named by its PID, a file with a / in it
rnsenter: pidfd_open PID: No such process
hint: no process has this PID here; it may have ended, or count in another pid namespace
";
    assert_eq!(in_small_world(&t, script), expected);
}

#[test]
fn names_lead_to_their_own_while_processes_come_and_go() {
    let t = rings!(Host);
    let Some(groups) = Groups::new(&t, ".slice") else { return };
    let id = id("f00d");
    groups.make(&format!("docker-{id}.scope"));
    // In the group processes with a network of their own come and go; outside strangers get their PIDs.
    let script = format!(
        r#"
        group={}
        churn() {{ while :; do "$@" & wait $!; done; }}
        ( echo $BASHPID >$group/cgroup.procs; exec unshare -n bash -c 'readlink /proc/self/ns/net >/run/net; while :; do sleep 0.01 & wait $!; done' ) &
        ( while :; do sleep 0.01 & wait $!; done ) & ( while :; do sleep 0.013 & wait $!; done ) &
        while [ ! -s /run/net ]; do sleep 0.01; done
        for i in {{1..100}}; do
            [ "$($1 -t ctr:f00d -n readlink /proc/self/ns/net 2>/run/error)" = "$(cat /run/net)" ] && echo own && continue
            grep -q "ended, or went\|No such process" /run/error && echo gone && continue
            cat /run/error; echo "a stranger's"
        done
    "#,
        groups.dir(&format!("docker-{id}.scope")).display()
    );
    let text = in_small_world(&t, &script);
    let count = |word: &str| text.lines().filter(|line| *line == word).count();
    assert_eq!(count("own") + count("gone"), 100, "{text}");
    assert!(count("own") > 50, "{text}");
}

/// A state file as runc writes it, below a directory that stands for the root.
fn state(root: &Path, name: &str, pid: i32) {
    let dir = root.join("run/runc").join(name);
    std::fs::create_dir_all(&dir).unwrap();
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let start = stat.rsplit(") ").next().unwrap().split(' ').nth(19).unwrap();
    let text =
        format!("{{\"id\": \"{name}\", \"init_process_pid\": {pid}, \"init_process_start\": {start}}}");
    std::fs::write(dir.join("state.json"), text).unwrap();
}

#[test]
fn a_state_file_is_believed_only_if_nobody_else_can_have_written_it() {
    let t = rings!(Host, Uml, Qemu);
    let held = t.hold("runshare", &["-n"]);
    let root = tempfile::tempdir().unwrap();
    state(root.path(), "web", held.pid());
    let its_run = root.path().join("run").display().to_string();
    // Its directories become those of /run, in a mount namespace of the tool's own.
    let run = |tool: &str, words: &[&str]| {
        let script = "mount --bind \"$1\" /run && shift && exec \"$@\"";
        let words = [
            &[
                "-m",
                "--propagation",
                "private",
                "sh",
                "-c",
                script,
                "sh",
                &its_run,
                tool_path(tool).to_str().unwrap(),
            ],
            words,
        ]
        .concat();
        t.program("unshare").args(words).run()
    };
    let by_name = || run("rnsenter", &["-t", "ctr:web", "-n", "readlink", "/proc/self/ns/net"]);
    assert_eq!(by_name().ok().trim(), link(held.pid(), "net"));
    assert_eq!(
        run("rnsenter", &["--net=ctr:web", "readlink", "/proc/self/ns/net"]).ok().trim(),
        link(held.pid(), "net")
    );
    let refused = || by_name().fails(125, "rnsenter: no container that we see is called web");
    let file = root.path().join("run/runc/web/state.json");
    for path in
        [file.clone(), file.parent().unwrap().into(), root.path().join("run/runc"), root.path().join("run")]
    {
        let mode = std::fs::metadata(&path).unwrap().permissions();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o777)).unwrap();
        refused();
        std::fs::set_permissions(&path, mode).unwrap();
        std::os::unix::fs::chown(&path, Some(NOBODY), None).unwrap();
        refused();
        std::os::unix::fs::chown(&path, Some(0), None).unwrap();
        assert_eq!(by_name().code, Some(0), "{}", path.display());
    }
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::remove_file(&file).unwrap();
    std::fs::write(root.path().join("elsewhere"), &text).unwrap();
    std::os::unix::fs::symlink(root.path().join("elsewhere"), &file).unwrap();
    refused();
    std::fs::remove_file(&file).unwrap();
    nix::unistd::mkfifo(&file, nix::sys::stat::Mode::S_IRWXU).unwrap();
    refused();
    std::fs::remove_file(&file).unwrap();
    // Two engines, two containers, one name.
    std::fs::write(&file, &text).unwrap();
    let other = asleep(&t);
    state(root.path(), "other", other.pid());
    let crun = root.path().join("run/crun/web");
    std::fs::create_dir_all(&crun).unwrap();
    let start = std::fs::read_to_string(format!("/proc/{}/stat", other.pid())).unwrap();
    let start = start.rsplit(") ").next().unwrap().split(' ').nth(19).unwrap().to_string();
    std::fs::write(
        crun.join("status"),
        format!("{{\"pid\": {}, \"process-start-time\": {start}}}", other.pid()),
    )
    .unwrap();
    let hint = by_name().fails(125, "rnsenter: several containers are called web");
    assert!(
        hint.contains(&format!("(process {})", held.pid()))
            && hint.contains(&format!("(process {})", other.pid())),
        "{hint}"
    );
    assert!(Ring::here().is_root());
}

#[test]
fn a_zombie_does_not_stand_for_its_group() {
    let t = rings!(Host, Uml, Qemu);
    let Some(groups) = Groups::new(&t, ".slice") else { return };
    let scope = format!("docker-{}.scope", id("20b1e"));
    groups.make(&scope);
    // It waits for nobody.
    let script = format!(
        "sh -c 'echo $$ >{}/cgroup.procs; exec sleep 0.1' & echo ready; exec sleep 1000",
        groups.dir(&scope).display()
    );
    let parent = t.program("sh").args(["-c", &script]).hold();
    std::thread::sleep(std::time::Duration::from_millis(300));
    let held = t.hold("runshare", &["-n"]);
    groups.take(&scope, held.pid());
    for reference in ["ctr:20b1e".into(), format!("cg:{}/{scope}", groups.path), format!("unit:{scope}")] {
        assert_eq!(entered(&t, &["-t", &reference, "-n"], "net"), link(held.pid(), "net"), "{reference}");
        assert_eq!(seen(&t, &reference), held.pid(), "{reference}");
    }
    drop(parent);
    drop(held);
}

#[test]
fn a_group_called_like_the_beginning_of_an_id_does_not_hide_who_has_that_id() {
    let t = rings!(Host, Uml, Qemu);
    let Some(groups) = Groups::new(&t, ".slice") else { return };
    let root = format!("docker-{}.scope", id("deadbea7"));
    groups.make(&root);
    let held = t.hold("runshare", &["-n"]);
    groups.take(&root, held.pid());
    groups.make("bob");
    let mut bob = delegate(&t, &groups, "bob");
    let own = groups.dir("bob/lxc.payload.deadbea7");
    say(&mut bob, &format!("mkdir {0} && echo $$ >{0}/cgroup.procs", own.display()));
    assert_eq!(entered(&t, &["-t", "ctr:deadbea7", "-n"], "net"), link(held.pid(), "net"));
    assert_eq!(seen(&t, "deadbea7"), held.pid());
    drop(bob);
}

#[test]
fn who_was_given_a_part_of_a_container_or_unit_does_not_stand_for_it() {
    let t = rings!(Host, Uml, Qemu);
    let Some(groups) = Groups::new(&t, ".slice") else { return };
    let scope = format!("docker-{}.scope", id("0de1e9"));
    groups.make(&format!("{scope}/part"));
    let bob = delegate(&t, &groups, &format!("{scope}/part"));
    std::thread::sleep(std::time::Duration::from_millis(30));
    let held = t.hold("runshare", &["-n"]);
    groups.take(&scope, held.pid());
    for reference in ["ctr:0de1e9".into(), format!("unit:{scope}")] {
        assert_eq!(entered(&t, &["-t", &reference, "-n"], "net"), link(held.pid(), "net"), "{reference}");
        assert_eq!(seen(&t, &reference), held.pid(), "{reference}");
    }
    // Where nobody else is left, he is meant on version 2: only root can have brought him there. So it is of machines whose
    // groups belong to who is root in them.
    groups.take("", held.pid());
    match groups.hierarchy {
        "" => assert_eq!(enter(&t, "ctr:0de1e9").code, Some(0)),
        _ => _ = enter(&t, "ctr:0de1e9").fails(125, "rnsenter: no container is proved to be called 0de1e9"),
    }
    assert_eq!(seen(&t, "ctr:0de1e9"), bob.pid());
    drop(bob);
    drop(held);
}

#[test]
fn on_version_1_a_part_that_was_given_away_proves_nothing() {
    let t = rings!(Host);
    let id = id("0de1e91");
    // There he brings any process of his into what is his.
    let top = Path::new("/sys/fs/cgroup/pids").join(format!("docker-{id}.scope"));
    let part = top.join("part");
    std::fs::create_dir_all(&part).unwrap();
    for file in ["", "cgroup.procs", "tasks"] {
        std::os::unix::fs::chown(part.join(file), Some(NOBODY), Some(NOBODY)).unwrap();
    }
    let script = format!("echo $$ >{}/cgroup.procs && echo ready; exec sleep 1000", part.display());
    let bob = t.program("sh").as_user().args(["-c", &script]).hold();
    enter(&t, "ctr:0de1e91").fails(125, "rnsenter: no container is proved to be called 0de1e91");
    assert_eq!(seen(&t, "ctr:0de1e91"), bob.pid());
    let held = t.hold("runshare", &["-n"]);
    std::fs::write(top.join("cgroup.procs"), held.pid().to_string()).unwrap();
    assert_eq!(entered(&t, &["-t", "ctr:0de1e91", "-n"], "net"), link(held.pid(), "net"));
    drop((bob, held));
    let gone = crate::harness::within(std::time::Duration::from_secs(20), || {
        let _ = std::fs::remove_dir(&part);
        std::fs::remove_dir(&top).is_ok()
    });
    assert!(gone);
}

#[test]
fn who_is_in_a_container_by_one_hierarchy_is_in_no_other_by_another() {
    let t = rings!(Host);
    let Some(groups) = Groups::new(&t, ".slice") else { return };
    let [outer, inner] = [id("0a7e4"), id("144e4")];
    // In the hierarchy of version 2 the container was given no group of its own, as by engines of version 1.
    groups.make(&format!("engine/docker-{inner}.scope"));
    let pids = Path::new("/sys/fs/cgroup/pids").join(&groups.path[1..]);
    let of_container = pids.join(format!("docker-{outer}.scope"));
    std::fs::create_dir_all(&of_container).unwrap();
    let held = asleep(&t);
    groups.take(&format!("engine/docker-{inner}.scope"), held.pid());
    std::fs::write(of_container.join("cgroup.procs"), held.pid().to_string()).unwrap();
    // Which of the two is inside of the other, this process alone does not tell.
    enter(&t, "ctr:0a7e4").fails(125, "rnsenter: no container is proved to be called 0a7e4");
    let first = asleep(&t);
    std::fs::write(of_container.join("cgroup.procs"), first.pid().to_string()).unwrap();
    assert_eq!(enter(&t, "ctr:0a7e4").code, Some(0));
    assert_eq!(seen(&t, "ctr:0a7e4"), first.pid());
    assert_eq!(seen(&t, "ctr:144e4"), held.pid());
    enter(&t, "ctr:144e4").fails(125, "rnsenter: no container is proved to be called 144e4");
    enter(&t, &format!("unit:docker-{inner}.scope"))
        .fails(125, &format!("rnsenter: no unit that we see is called docker-{inner}.scope"));
    drop((first, held));
    let gone = crate::harness::within(std::time::Duration::from_secs(20), || {
        std::fs::remove_dir(&of_container).is_ok()
    });
    assert!(gone && std::fs::remove_dir(&pids).is_ok());
}
