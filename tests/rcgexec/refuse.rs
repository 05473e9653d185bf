//! What is refused: bad input, and what the machine does not have or does not allow.

use super::*;

#[test]
fn a_limit_out_of_range_is_refused() {
    let t = rings!(Host, Uml, Qemu);
    let Some(parent) = Parent::new(&t, &["cpu", "memory", "pids"]) else { return };
    let never = ["-5", "1e3", "0x10", "64Q", "99999999999999999999", "+2000", " 2000", "2000 ", "MAX"];
    let quota =
        "microseconds from 1000, the least that the kernel takes, percent of one CPU from 0.1%, or max";
    let memory = "bytes from 4096, such as 64M or 1.5G (K, M, G and T are powers of 1024), or max";
    let cases: [(&str, &[&str], &str); 5] = [
        ("cpu-quota", &["0", "999", "17592186044416", "0.09%", "-5%"], quota),
        (
            "cpu-period",
            &["0", "999", "1000001", "max", "20%"],
            "1000 to 1000000 microseconds [default: 100000]",
        ),
        ("memory", &["0", "4095", "16777216T", "1.5", "20%"], memory),
        ("pids-limit", &["0", "4194305", "5k"], "1 to 4194304, or max"),
        (
            "cpus",
            &["0", "0.0009", "1000001", "nan", "inf", "1/2", ".", "20%"],
            "a number of CPUs from 0.001, such as 0.2 or 1.5",
        ),
    ];
    for (option, values, takes) in cases {
        for value in values.iter().chain(&never) {
            let run = limited(&t, &parent).args([&format!("--{option}={value}"), "true"]).run();
            let controller = match option {
                "memory" => "memory",
                "pids-limit" => "pids",
                _ => "cpu",
            };
            let line = format!("--{option} {value} is out of range (controller {controller})");
            assert_eq!(refused(&run), (line, format!("it takes {takes}")));
        }
    }
}

#[test]
fn a_request_that_makes_no_sense_is_refused() {
    let t = rings!(Host, Uml, Qemu);
    let Some(parent) = Parent::new(&t, &["cpu", "pids"]) else { return };
    let name = &parent.name;
    let example = "for example: -g cpu,memory:jobs";
    let usage = "`rcgexec --help` shows what can be asked";
    let whole = "name the group by its path from the root of the hierarchy";
    let named = "with a limit, -g has to name its controllers";
    #[rustfmt::skip]
    let cases: Vec<(Vec<String>, String, &str)> = vec![
        (vec![], "neither a group nor a limit was given".into(), "join one with -g CONTROLLERS:PATH, or set a limit such as --cpu-quota 20000; rules (cgrules.conf) are not read"),
        (vec![format!("--parent={name}")], "--parent is for groups that are made, and without a limit none is".into(), usage),
        (vec![format!("--parent={name}"), format!("-gcpu:{name}")], "--parent is for groups that are made, and without a limit none is".into(), usage),
        (vec!["-gcpu".into()], "a group is given as CONTROLLERS:PATH, not cpu".into(), example),
        (vec!["-gcpu:".into()], "the path of a group is missing in cpu:".into(), example),
        (vec!["-g:".into()], "the path of a group is missing in :".into(), example),
        (vec![format!("-g:{name}"), "--pids-limit=9".into()], named.into(), usage),
        (vec![format!("-g*:{name}"), "--pids-limit=9".into()], named.into(), usage),
        (vec![format!("-gcpu:{name}/../{name}")], format!("a group's path may not hold ..: {name}/../{name}"), whole),
        (vec!["-gcpu:..".into()], "a group's path may not hold ..: ..".into(), whole),
        (vec![format!("--parent=/{name}/.."), "--pids-limit=9".into()], format!("a group's path may not hold ..: /{name}/.."), whole),
        (vec![format!("-gpids:../{name}"), "--pids-limit=9".into()], format!("a group's path may not hold ..: ../{name}"), whole),
    ];
    for (options, line, hint) in cases {
        let run = t.tool("rcgexec").args(&options).arg("true").run();
        assert_eq!(refused(&run), (line, hint.to_string()), "{options:?}");
    }
    for options in [["--cpus=1", "--cpu-quota=20000"], ["--cpus=1", "--cpu-period=20000"]] {
        let (line, _) = refused(&limited(&t, &parent).args(options).arg("true").run());
        assert!(options.iter().all(|option| line.contains(option.split_once('=').unwrap().0)), "{line}");
    }
    let run = t.tool("rcgexec").args(["--parent=", "--pids-limit=9", "true"]).run();
    assert!(refused(&run).0.contains("--parent"), "an empty path is not the root");
}

#[test]
fn what_the_machine_does_not_have_is_named() {
    let t = rings!(Host, Uml, Qemu);
    let Some(parent) = Parent::new(&t, &["cpu", "pids"]) else { return };
    let (line, hint) = refused(&t.tool("rcgexec").args(["-gnosuch:x", "true"]).run());
    assert_eq!(line, "this machine has no controller nosuch");
    assert!(hint.starts_with("it has: ") && hint.contains("cpu") && hint.contains("pids"), "{hint}");
    let run = t.tool("rcgexec").args([&format!("-gnosuch:{}", parent.name), "--pids-limit=9", "true"]);
    assert_eq!(refused(&run.run()).0, "this machine has no controller nosuch");
    // A group that was removed, alone, behind one that is there, and as a parent.
    let gone = parent.sub("gone");
    parent.remove_sub("gone");
    let line = |controller| {
        format!(
            "open group {}/gone (controller {controller}): No such file or directory",
            parent.dir(controller).display()
        )
    };
    let hint = "there is no such group; one that is joined must have been made before";
    let cases = [
        vec![format!("-gcpu:{gone}")],
        vec![format!("-gpids:{}", parent.name), format!("-gcpu:{gone}")],
        vec![format!("--parent={gone}"), "--cpus=1".into()],
        vec![format!("-gcpu:{gone}"), "--cpus=1".into()],
        vec![format!("-gcpu:{gone}"), format!("--parent={}", parent.name), "--pids-limit=9".into()],
    ];
    for options in cases {
        let (said, advice) = refused(&t.tool("rcgexec").args(&options).arg("true").run());
        let joins = options.iter().all(|option| option.starts_with("-g"));
        let hint = if joins { "there is no such group; with --create it is made, and stays" } else { hint };
        assert_eq!((said, advice.as_str()), (line("cpu"), hint), "{options:?}");
    }
}

#[test]
fn an_ordinary_user_is_told_what_is_missing() {
    let t = rings!(Host, Uml, Qemu);
    let Some(parent) = Parent::new(&t, &["pids"]) else { return };
    let dir = parent.dir("pids");
    let join = || t.tool("rcgexec").as_user().args([&format!("-gpids:{}", parent.name), "true"]).run();
    let limit = || {
        let run = t.tool("rcgexec").as_user().args(["--parent", &parent.name, "--pids-limit", "9", "cat"]);
        run.arg("/proc/self/cgroup").run()
    };
    let (line, hint) = refused(&join());
    assert_eq!(line, format!("open {}/cgroup.procs (controller pids): Permission denied", dir.display()));
    assert!(hint.contains("write access to cgroup.procs"), "{hint}");
    let (line, hint) = refused(&limit());
    assert!(line.ends_with(": Permission denied") && line.contains("/sys/fs/cgroup"), "{line}");
    assert_ne!(hint, "");
    parent.assert_bare();
    // A group that is the user's.
    for file in ["", "cgroup.procs", "tasks", "cgroup.subtree_control"] {
        let path = dir.join(file);
        if path.exists() {
            std::os::unix::fs::chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
        }
    }
    if hierarchy("pids").v2 {
        // Whom root's group has, it alone may move.
        refused(&limit());
    } else {
        join().ok();
        let text = limit().ok();
        assert!(group_in(&text, "pids").starts_with(&format!("/{}/rcgexec-", parent.name)), "{text}");
    }
}

/// Runs rcgexec with these options in a mount namespace in which this was done before.
pub(super) fn changed(t: &Test, change: &str, options: &[&str]) -> Output {
    let script = format!("{change} && exec \"$@\"");
    t.program("unshare").args(["-m", "sh", "-c", &script, "-", rcgexec()]).args(options).arg("true").run()
}

#[test]
fn a_read_only_mount_is_named() {
    let t = rings!(Host, Uml, Qemu);
    let Some(parent) = Parent::new(&t, &["cpu"]) else { return };
    let Hierarchy { point, .. } = hierarchy("cpu");
    // What is to be handed on in version 2 was so before, or it is that which fails.
    limited(&t, &parent).args(["--cpus=1", "true"]).run().ok();
    let change = format!("mount -o remount,bind,ro {0} {0}", point.display());
    let (line, hint) = refused(&changed(&t, &change, &["--parent", &parent.name, "--cpus=1"]));
    let told = format!("mkdir {}/rcgexec-", parent.dir("cpu").display());
    assert!(line.starts_with(&told) && line.ends_with(": Read-only file system"), "{line}");
    assert_eq!(hint, "this cgroup mount is read-only, as in most containers");
    // This one hands nothing on.
    let Some(parent) = Parent::new(&t, &["cpu"]) else { return };
    let (line, hint) = refused(&changed(&t, &change, &["-g", &format!("cpu:{}", parent.name)]));
    let told =
        format!("open {}/cgroup.procs (controller cpu): Read-only file system", parent.dir("cpu").display());
    assert_eq!(line, told);
    assert_eq!(hint, "this cgroup mount is read-only, as in most containers");
}

#[test]
fn a_mount_that_is_hidden_is_none() {
    let t = rings!(Host, Uml, Qemu);
    let Some(parent) = Parent::new(&t, &["cpu"]) else { return };
    let Hierarchy { point, v2, .. } = hierarchy("cpu");
    let over = |dir: &Path| format!("mount -t tmpfs none {}", dir.display());
    let group = format!("cpu:{}", parent.name);
    // Over that of the controller, and over all.
    for dir in [&point, Path::new("/sys/fs/cgroup")] {
        for options in [&["--parent", &parent.name, "--cpus=1"][..], &["-g", &group]] {
            let (line, hint) = refused(&changed(&t, &over(dir), options));
            if v2 {
                assert_eq!(line, "no cgroup file system is mounted: there is no controller cpu");
            } else {
                assert_eq!(line, "no mount of version 1 can be reached for controller cpu");
            }
            assert_ne!(hint, "");
        }
    }
}

#[test]
fn what_is_mounted_below_a_hierarchy_is_not_followed() {
    let t = rings!(Host, Uml, Qemu);
    let Some(parent) = Parent::new(&t, &["cpu"]) else { return };
    let dir = parent.dir("cpu");
    let change = format!("mount -t tmpfs none {}", dir.display());
    for options in [&["--parent", &parent.name, "--cpus=1"][..], &["-g", &format!("cpu:{}", parent.name)]] {
        let (line, hint) = refused(&changed(&t, &change, options));
        assert_eq!(line, format!("open group {} (controller cpu): Invalid cross-device link", dir.display()));
        assert!(hint.contains("not followed"), "{hint}");
    }
}

#[test]
fn a_part_of_a_hierarchy_is_used_as_far_as_it_goes() {
    let t = rings!(Host, Uml, Qemu);
    let Some(parent) = Parent::new(&t, &["cpu"]) else { return };
    let Hierarchy { point, v2, .. } = hierarchy("cpu");
    let (point, group) = (point.to_str().unwrap(), format!("cpu:{}", parent.name));
    let look = ["cat", "/proc/self/cgroup"];
    let systemd = Path::new("/run/systemd/system").exists();
    let inside = |text: &str| group_in(text, "cpu").starts_with(&format!("/{}/rcgexec-", parent.name));
    // As in a container with a bind mount of its group: the whole is mounted under it, and hidden.
    let script = format!("mount --bind {point}/{} {point} && exec \"$@\"", parent.name);
    let bound = |words: &[&str]| {
        let run = t.program("unshare").args(["-m", "sh", "-c", &script, "-", rcgexec()]);
        run.args(words).args(look).run()
    };
    assert_eq!(group_in(&bound(&["-gcpu:/"]).ok(), "cpu"), format!("/{}", parent.name));
    let text = bound(&["--parent=/", "--cpus=1"]).ok();
    assert!(inside(&text), "{text}");
    let (line, hint) = refused(&bound(&["--cpus=1"]));
    let own = group_in(&std::fs::read_to_string("/proc/self/cgroup").unwrap(), "cpu");
    assert_eq!(line, format!("the group {own} cannot be reached by the mount at {point}"));
    assert!(hint.contains("--parent"), "{hint}");
    if v2 {
        // No group that hands controllers on is joined.
        std::fs::write(parent.dir("cpu").join("cgroup.subtree_control"), "-cpu").unwrap();
    }
    let nested = bound(&["-gcpu:/", rcgexec(), "--cpus=1"]);
    // On version 2 it is moved out of the way, or systemd is asked, whose groups are not in it.
    if systemd {
        assert!(refused(&nested).0.ends_with(&format!(" cannot be reached by the mount at {point}")));
    } else {
        let text = nested.ok();
        assert!(inside(&text), "{text}");
    }
    // As in a container with a cgroup namespace, before and after its own mount.
    let spaced = |mount: &str| {
        let script = format!("{mount}exec \"$@\"");
        let run = t.tool("rcgexec").args(["-g", &group, "unshare", "-Cm", "sh", "-c", &script, "-"]);
        run.args([rcgexec(), "--cpus=1"]).args(look).run()
    };
    let (line, _) = refused(&spaced(""));
    assert_eq!(line, format!("the group / cannot be reached by the mount at {point}"));
    // Co-mounted controllers are mounted together or not at all.
    let kind = if v2 { "-t cgroup2".into() } else { format!("-t cgroup -o {}", hierarchy("cpu").key) };
    let mounted = spaced(&format!(
        "mount -t tmpfs none {point} && mkdir {point}/own && mount {kind} none {point}/own && "
    ));
    if !systemd {
        let text = mounted.ok();
        assert!(group_in(&text, "cpu").starts_with("/rcgexec-"), "{text}");
    }
}

#[test]
fn hostile_bytes_in_a_path_are_shown_harmlessly() {
    let t = rings!(Host, Uml, Qemu);
    if !t.needs(find("cpu").is_some(), "controller cpu") {
        return;
    }
    let path = std::ffi::OsStr::from_bytes(b"-gcpu:nskit-\x1b[2J\n\xff");
    let output = t.tool("rcgexec").arg(path).arg("true").run();
    let (line, _) = refused(&output);
    let dir = hierarchy("cpu").point;
    let told = format!(
        "open group {}/nskit-\\x1b[2J\\x0a\\xff (controller cpu): No such file or directory",
        dir.display()
    );
    assert_eq!(line, told);
}
