//! Groups that exist are joined, beside cgexec where that is installed.

use super::*;

#[test]
fn a_group_is_joined_for_the_controllers_that_are_named() {
    let t = rings!(Host, Uml, Qemu);
    let Some(parent) = Parent::new(&t, &["cpu", "pids"]) else { return };
    let [a, b] = ["a", "b"].map(|name| parent.sub(name));
    // Options, and the groups for cpu and pids.
    let own = std::fs::read_to_string("/proc/self/cgroup").unwrap();
    let path = |group: &str| format!("/{group}");
    let v2 = hierarchy("cpu").v2;
    let kept = |joined: &str| if v2 { path(joined) } else { group_in(&own, "pids") };
    #[rustfmt::skip]
    let cases: Vec<(Vec<String>, String, String)> = vec![
        (vec![format!("-gcpu:{a}")], path(&a), kept(&a)),
        (vec![format!("-gcpu:/{a}/")], path(&a), kept(&a)),
        (vec![format!("-gcpu://{}//a", parent.name)], path(&a), kept(&a)),
        (vec![format!("-gcpu,pids:{a}")], path(&a), path(&a)),
        (vec![format!("--group=,cpu,,pids,:{a}")], path(&a), path(&a)),
        (vec![format!("-gcpu:{a}"), format!("-gcpu:{b}")], path(&b), kept(&b)),
        (vec![format!("-gcpu,pids:{a}"), format!("-gpids:{b}")], path(if v2 { &b } else { &a }), path(&b)),
        (vec![format!("-gcpu,pids:{a}"), "-gcpu,pids:/".into()], "/".into(), "/".into()),
    ];
    let before = parent.tree();
    for (options, cpu, pids) in cases {
        let text = t.tool("rcgexec").args(&options).args(["cat", "/proc/self/cgroup"]).run().ok();
        assert_eq!((group_in(&text, "cpu"), group_in(&text, "pids")), (cpu, pids), "{options:?}");
        // Nothing is made, and nothing removed.
        assert_eq!(parent.tree(), before);
    }
    ["a", "b"].iter().for_each(|name| parent.remove_sub(name));
}

#[test]
fn joining_makes_no_process_and_gives_the_group_no_limit() {
    let t = rings!(Host, Uml, Qemu);
    let Some(parent) = Parent::new(&t, &["pids"]) else { return };
    let run = t.tool("rcgexec").args(["-g", &format!("pids:{}", parent.name)]);
    let held = run.args(["sh", "-c", "echo $$; exec sleep 1000"]).hold();
    assert_eq!(held.line, held.pid().to_string());
    let procs = || std::fs::read_to_string(parent.dir("pids").join("cgroup.procs")).unwrap();
    assert_eq!(procs(), format!("{}\n", held.pid()));
    if !hierarchy("pids").v2 {
        assert_eq!(std::fs::read_to_string(parent.dir("pids").join("pids.max")).unwrap(), "max\n");
    }
    drop(held);
    assert!(within(Duration::from_secs(5), || procs().is_empty()));
}

#[test]
fn a_star_joins_in_every_hierarchy_and_no_name_in_that_of_version_2() {
    let t = rings!(Host, Uml, Qemu);
    let Some(parent) = Parent::everywhere(&t) else { return };
    let all = hierarchies();
    let groups =
        |options: &str| t.tool("rcgexec").args(["-g", options]).args(["cat", "/proc/self/cgroup"]).run().ok();
    let text = groups(&format!("*:{}", parent.name));
    for Hierarchy { key, .. } in &all {
        assert!(
            text.lines().any(|line| line.ends_with(&format!(":{key}:/{}", parent.name))),
            "{key}: {text}"
        );
    }
    if all.iter().any(|hierarchy| hierarchy.v2) {
        let text = groups(&format!(":{}", parent.name));
        assert_eq!(text.lines().filter(|line| line.ends_with(&parent.name)).count(), 1, "{text}");
        assert!(text.lines().any(|line| line == format!("0::/{}", parent.name)), "{text}");
    }
    // One hierarchy that lacks it is enough to fail, and then nothing was joined.
    let Some(part) = Parent::new(&t, &["cpu"]) else { return };
    if all.len() > 1 {
        let run = t.tool("rcgexec").args([&format!("-g*:{}", part.name), "true"]).run();
        assert!(refused(&run).0.ends_with("No such file or directory"));
    }
}

#[test]
fn groups_are_joined_as_by_cgexec() {
    let t = rings!(Host);
    if !t.has("cgexec") {
        return;
    }
    let Some(parent) = Parent::new(&t, &["cpu", "pids"]) else { return };
    let [a, b] = ["a", "b"].map(|name| parent.sub(name));
    let [cpu_a, cpu_b, both, slash] =
        [format!("cpu:{a}"), format!("cpu:{b}"), format!("cpu,pids:{a}"), format!("cpu:/{a}")];
    let cases: [&[&str]; 6] = [
        &["-g", &cpu_a],
        &["-g", &slash],
        &["-g", &both],
        &["-g", &cpu_a, "-g", &cpu_b],
        &["-g", &both, "-g", &cpu_b, "--"],
        &["-g", &cpu_a, "-g", "cpu:/"],
    ];
    for options in cases {
        let ask = |run: Run<'_>| run.args(options).args(["cat", "/proc/self/cgroup"]).run();
        let [ours, theirs] = [ask(t.tool("rcgexec")), ask(t.program("cgexec"))];
        assert_eq!(ours.ok(), theirs.ok(), "{options:?}");
        let ask = |run: Run<'_>| run.args(options).args(["sh", "-c", "exit 7"]).run().code;
        assert_eq!((ask(t.tool("rcgexec")), ask(t.program("cgexec"))), (Some(7), Some(7)));
    }
    ["a", "b"].iter().for_each(|name| parent.remove_sub(name));
}

#[test]
fn a_dry_run_of_joining_says_what_would_be_written() {
    let t = rings!(Host, Uml, Qemu);
    let Some(parent) = Parent::new(&t, &["cpu", "pids"]) else { return };
    let run = t.tool("rcgexec").args([&format!("-gcpu,pids:{}", parent.name), "--dry-run"]);
    let [cpu, pids] =
        ["cpu", "pids"].map(|name| format!("write 0 to {}/cgroup.procs\n", parent.dir(name).display()));
    assert_eq!(run.args(["cat", "/proc/self/cgroup"]).run().ok(), cpu + &pids);
}
