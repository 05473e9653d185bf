//! Real containers: found, listed, entered and measured, engine by engine, beside lsns and nsenter.

mod engines;
mod world;

use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{NOBODY, Run, Test, has_kind, inode, pids, tool_path, within};
use common::kind::KINDS;
use engines::{
    Container, ENGINES, Engine, MEMORY, PIDS, Place, QUOTA, docker_run, docker_words, dockerd, has_bridges,
    hierarchies, is_pure_v2, left,
};

/// Tells the story of a container of this engine.
fn tell(t: &Test, engine: &str) {
    let engine = Engine::named(engine);
    if engine.is_here(t) {
        let place = Place::new(t);
        let container = (engine.start)(&place);
        let pid = container.pid;
        it_is_found_and_listed(t, engine, pid);
        it_is_entered_by_parts(t, pid);
        it_is_entered_as_a_whole(t, pid);
        it_is_entered_as_if_it_had_run_the_program(&place, &container);
        world::its_world_is_told(&place, engine, &container);
        its_limits_are_told_and_shared(t, &place, pid);
        it_is_named(&place, engine, &container);
        its_name_ends_with_it(&place, &container);
    }
}

#[test]
fn a_container_of_docker_is_found_listed_entered_and_measured() {
    let t = rings!(Containers);
    tell(&t, "docker");
}

#[test]
fn a_container_of_docker_with_ids_of_its_own_is_found_listed_entered_and_measured() {
    let t = rings!(Containers);
    tell(&t, "docker with its own ids");
}

#[test]
fn a_container_of_runc_is_found_listed_entered_and_measured() {
    let t = rings!(Containers);
    tell(&t, "runc");
}

#[test]
fn a_container_of_crun_is_found_listed_entered_and_measured() {
    let t = rings!(Containers);
    tell(&t, "crun");
}

#[test]
fn a_container_of_podman_is_found_listed_entered_and_measured() {
    let t = rings!(Containers);
    tell(&t, "podman");
}

#[test]
fn a_container_of_bubblewrap_is_found_listed_entered_and_measured() {
    let t = rings!(Containers);
    tell(&t, "bubblewrap");
}

#[test]
fn a_container_of_systemd_nspawn_is_found_listed_entered_and_measured() {
    let t = rings!(Containers);
    tell(&t, "systemd-nspawn");
}

/// The kinds that this kernel has.
fn kinds() -> impl Iterator<Item = &'static str> {
    KINDS.iter().map(|row| row.name).filter(|kind| has_kind(kind))
}

/// Runs a program in namespaces of a process.
fn entered<'a>(t: &'a Test, pid: i32, options: &[&str], program: &[&str]) -> Run<'a> {
    t.tool("rnsenter").args(["-t", &pid.to_string()]).args(options).args(program)
}

/// The same by nsenter; both must print the same, which is answered.
#[track_caller]
fn alike(t: &Test, pid: i32, options: &[&str], program: &[&str]) -> String {
    let ours = entered(t, pid, options, program).run().ok();
    let theirs = t.program("nsenter").args(["-t", &pid.to_string()]).args(options).args(program).run().ok();
    assert_eq!(ours, theirs, "{options:?} {program:?}");
    ours
}

/// Prints the numbers of the namespaces that it is in.
const OWN_LINKS: &[&str] = &["sh", "-c", "for kind; do readlink /proc/self/ns/$kind; done", "sh"];

/// Where a program that entered namespaces of a process is: for each kind the number.
fn numbers(t: &Test, pid: i32, options: &[&str]) -> Vec<String> {
    let words: Vec<&str> = OWN_LINKS.iter().copied().chain(kinds()).collect();
    entered(t, pid, options, &words).run().ok().lines().map(String::from).collect()
}

/// What the same would be for this process, or for us where the kind is not named.
fn links(pid: i32, entered: &[&str]) -> Vec<String> {
    let link = |kind: &str| match entered.contains(&kind) {
        true => format!("{kind}:[{}]", inode(pid, kind)),
        false => format!("{kind}:[{}]", inode("self", kind)),
    };
    kinds().map(link).collect()
}

fn it_is_found_and_listed(t: &Test, engine: &Engine, pid: i32) {
    let own: Vec<&str> = kinds().filter(|kind| inode(pid, kind) != inode(2, kind)).collect();
    assert_eq!(own.join(" "), engine.own);
    let numbers: Vec<String> = own.iter().map(|kind| inode(pid, kind).to_string()).collect();
    let first = pid.to_string();
    let its = |run: Run<'_>, options: &[&str]| {
        let columns = ["-l", "-r", "-n", "-o", "NS,TYPE,NPROCS,PID,USER,COMMAND"];
        let output = run.args(columns).args(options).patiently().run();
        let text = output.text();
        let its = |line: &&str| numbers.iter().any(|number| line.split(' ').next() == Some(number));
        let mut lines: Vec<String> = text.lines().filter(its).map(String::from).collect();
        lines.sort();
        (output.code == Some(0)).then_some(lines)
    };
    let ours = its(t.tool("rlsns"), &[]).unwrap();
    assert_eq!(ours.len(), own.len());
    assert!(ours.iter().all(|line| line.split(' ').nth(3) == Some(&first)), "{ours:?}");
    assert_eq!(its(t.tool("rlsns"), &["-p", &first]).as_ref(), Some(&ours));
    let of_net: Vec<String> = ours.iter().filter(|line| line.contains(" net ")).cloned().collect();
    assert_eq!(its(t.tool("rlsns"), &["-t", "net"]), Some(of_net));
    // lsns can print nothing when a process ends meanwhile, and takes minutes for tens of thousands.
    if t.belongs(pids().len() < 5000, "comparing with lsns where there are less than 5000 processes") {
        let theirs = (0..20).find_map(|_| its(t.program("lsns"), &[]));
        assert_eq!(theirs.as_ref(), Some(&ours));
    }
    let net = inode(pid, "net").to_string();
    let processes = t.tool("rlsns").args(["-r", "-n", "-o", "PID", &net]).run().ok();
    assert_eq!(processes.lines().next(), Some(first.as_str()), "{processes}");
}

fn it_is_entered_by_parts(t: &Test, pid: i32) {
    // Its network, with the machine's programs.
    assert_eq!(numbers(t, pid, &["-n"]), links(pid, &["net"]));
    let addresses = alike(t, pid, &["-n"], &["ip", "-o", "addr"]);
    assert!(addresses.starts_with("1: lo "), "{addresses}");
    // Its PIDs: as numbers at once; in /proc, which ps reads, only with its mounts.
    let number: i32 = entered(t, pid, &["-p"], &["sh", "-c", "echo $$"]).run().ok().trim().parse().unwrap();
    assert!((2..1000).contains(&number), "{number}");
    let seen = entered(t, pid, &["-p"], &["readlink", &format!("/proc/{pid}/ns/pid")]).run().ok();
    assert_eq!(seen.trim(), format!("pid:[{}]", inode(pid, "pid")));
    let processes = entered(t, pid, &["-p", "-m"], &["ps", "-o", "pid,args"]).run().ok();
    let command = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap();
    let first = format!("1 {}", command.trim_end_matches('\0').replace('\0', " "));
    assert_eq!(processes.lines().nth(1).map(str::trim), Some(first.as_str()), "{processes}");
}

fn it_is_entered_as_a_whole(t: &Test, pid: i32) {
    let all: Vec<&str> = kinds().collect();
    assert_eq!(numbers(t, pid, &["-a"]), links(pid, &all));
    assert_eq!(alike(t, pid, &["-a"], &["hostname"]), "inside\n");
    assert_eq!(alike(t, pid, &["-a"], &["cat", "/etc/os-release"]), "ID=nskit\n");
    let root = std::fs::metadata(format!("/proc/{pid}/root/")).unwrap();
    let root = format!("{}:{}\n", root.dev(), root.ino());
    assert_eq!(alike(t, pid, &["-a"], &["stat", "-c", "%d:%i", "/"]), root);
    assert_eq!(alike(t, pid, &["-a", "-r", "-w"], &["stat", "-c", "%d:%i", "/"]), root);
    assert!(alike(t, pid, &["-a"], &["id"]).starts_with("uid=0 gid=0"));
    alike(t, pid, &["-a"], &["grep", "^Cap", "/proc/self/status"]);
    alike(t, pid, &["-a"], &["cat", "/proc/self/cgroup"]);
    // PID 1 is the process that was found from outside.
    let program = ["readlink", "/proc/1/ns/pid"];
    assert_eq!(alike(t, pid, &["-a"], &program), format!("pid:[{}]\n", inode(pid, "pid")));

    let run = |program: &[&str]| entered(t, pid, &["-a"], program);
    assert_eq!(run(&["sh", "-c", "exit 7"]).run().code, Some(7));
    assert_eq!(run(&["sh", "-c", "kill -9 $$"]).run().signal, Some(9));
    // The usual shell is outside, and there is another.
    let shell = run(&[]).env("SHELL", "/bin/bash").stdin("echo $0 ran");
    assert_eq!(shell.run().ok(), "-sh ran\n");
    let hint = run(&["ip", "addr"]).run().fails(127, "rnsenter: exec ip: No such file or directory");
    assert!(hint.contains("such as sh"), "{hint}");
    run(&["/etc"]).run().fails(126, "rnsenter: exec /etc: Permission denied");
    let input: Vec<u8> = (0..50_000u32).flat_map(u32::to_ne_bytes).collect();
    assert!(run(&["cat"]).stdin(input.clone()).run().stdout == input);
    let script = "[ -t 1 ] && [ -t 2 ] && echo \"a terminal\"";
    assert_eq!(run(&["sh", "-c", script]).run_in_terminal(80), "a terminal\n");
    let on_its_own = entered(t, pid, &["-a", "--pty"], &["sh", "-c", script]).run_in_terminal(80);
    // Ours is handed through as it is.
    assert_eq!(on_its_own, "a terminal\r\n");
    // All that was run inside has ended, and was waited for.
    let processes = run(&["ps", "-o", "args"]).run().ok();
    assert!(!processes.lines().any(|line| line.contains("cat") || line.starts_with('[')), "{processes}");
}

/// What a process is, as programs inside print it of FILE, which is /proc/self or that of another.
const WHAT: &[&[&str]] = &[
    &["grep", "^Uid\\|^Gid\\|^Groups\\|^Cap\\|^NoNewPrivs", "FILE/status"],
    &["cat", "FILE/cgroup"],
    &["cat", "FILE/oom_score_adj"],
];

/// Without the group that only systemd has, into which nobody is brought.
fn without_systemd(text: &str) -> String {
    text.lines().filter(|line| !line.contains(":name=systemd:")).map(|line| format!("{line}\n")).collect()
}

/// The variables of a block, in order of their names.
fn variables(block: &[u8]) -> Vec<String> {
    let variables = block.split(|&b| b == 0).filter(|variable| !variable.is_empty());
    let mut variables: Vec<String> = variables.map(|v| String::from_utf8_lossy(v).into()).collect();
    variables.sort();
    variables
}

/// With --as-target a program is what the first process of the container is, and what one is that the engine runs there.
fn it_is_entered_as_if_it_had_run_the_program(place: &Place<'_>, container: &Container) {
    let pid = container.pid;
    let names = [Some(pid.to_string()), container.name.clone(), container.id.clone()];
    for name in names.into_iter().flatten() {
        let run = |words: &[&str]| {
            let run = place.tool("rnsenter").args(["-t", &name, "--as-target"]).args(words).run();
            assert_eq!(run.code, Some(0), "{words:?}: {}", run.errors());
            run
        };
        let by_engine = |words: &[&str]| {
            let exec = &container.exec;
            (!exec.is_empty()).then(|| {
                let run = place.t.program(&exec[0]).args(&exec[1..]).args(words).patiently().run();
                assert_eq!(run.code, Some(0), "{words:?}: {}", run.errors());
                run
            })
        };
        for words in WHAT {
            let of = |file: &str| words.iter().map(|word| word.replace("FILE", file)).collect::<Vec<_>>();
            let [own, first] = ["/proc/self", "/proc/1"].map(of);
            let own: Vec<&str> = own.iter().map(String::as_str).collect();
            let first: Vec<&str> = first.iter().map(String::as_str).collect();
            let ours = without_systemd(&run(&own).text());
            assert_eq!(ours, without_systemd(&run(&first).text()), "{words:?}");
            if let Some(theirs) = by_engine(&own) {
                assert_eq!(ours, without_systemd(&theirs.text()), "{words:?}");
            }
        }
        let at = |dir: &str| {
            let dir = std::fs::metadata(format!("/proc/{pid}/{dir}/")).unwrap();
            format!("{}:{}\n", dir.dev(), dir.ino())
        };
        for (dir, called) in [("root", "/"), ("cwd", ".")] {
            let words = ["stat", "-c", "%d:%i", called];
            assert_eq!(run(&words).text(), at(dir));
            by_engine(&words).into_iter().for_each(|theirs| assert_eq!(theirs.text(), at(dir)));
        }
        let words = ["cat", "/proc/self/environ"];
        let ours = variables(&run(&words).stdout);
        assert_eq!(ours, variables(&std::fs::read(format!("/proc/{pid}/environ")).unwrap()));
        by_engine(&words).into_iter().for_each(|theirs| {
            // What podman executes has no home where no /etc/passwd tells of one; its first process has.
            let (mut ours, mut theirs) = (ours.clone(), variables(&theirs.stdout));
            if theirs.iter().any(|variable| variable == "HOME=") {
                for all in [&mut ours, &mut theirs] {
                    all.retain(|variable| !variable.starts_with("HOME="));
                }
            }
            assert_eq!(ours, theirs);
        });
        // Its groups alone, from outside: as its own processes are.
        let joined = place.tool("rnsenter").args(["-t", &name, "-c", "cat", "/proc/self/cgroup"]).run().ok();
        let its = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
        assert_eq!(without_systemd(&joined), without_systemd(&its));
    }
}

#[test]
fn a_network_of_ip_netns_is_entered_by_its_name_and_by_a_process_in_it() {
    let t = rings!(Containers);
    if !t.has("ip") || !t.has("busybox") {
        return;
    }
    let place = Place::new(&t);
    place.run_there(&["ip", "netns", "add", "nskit-blue"]);
    let net = place.run_there(&["ip", "netns", "exec", "nskit-blue", "readlink", "/proc/self/ns/net"]);
    for options in
        [&["-t", "netns:nskit-blue"][..], &["--net=netns:nskit-blue"], &["-n/run/netns/nskit-blue"]]
    {
        let run = place.tool("rnsenter").args(options).args(["readlink", "/proc/self/ns/net"]);
        assert_eq!(run.run().ok().trim(), net, "{options:?}");
    }
    let words = ["netns", "exec", "nskit-blue", "sh", "-c", "cd /usr; echo ready; A=1 exec sleep 1000"];
    let inside =
        place.t.program("nsenter").args(["-t", &place.world().to_string(), "-m", "ip"]).args(words).hold();
    let pid = inside.pid().to_string();
    let run = |words: &[&str]| t.tool("rnsenter").args(["-t", &pid, "--as-target"]).args(words).run().ok();
    assert_eq!(run(&["readlink", "/proc/self/ns/net"]).trim(), net);
    assert_eq!(run(&["readlink", "/proc/self/cwd"]), "/usr\n");
    assert!(run(&["env"]).lines().any(|line| line == "A=1"));
    // ip has given it a /sys of its own.
    let devices = run(&["ls", "/sys/class/net"]);
    assert!(devices.lines().any(|name| name == "lo") && !devices.contains("eth0"), "{devices}");
    drop(inside);
    place.run_there(&["ip", "netns", "delete", "nskit-blue"]);
}

/// What nsinfo says of a process.
fn world(t: &Test, pid: i32) -> Value {
    crate::harness::world(&t.tool("nsinfo").args(["-J", &pid.to_string()]).run().ok())
}

/// The group of a process for a controller, by a line of /proc/PID/cgroup.
fn group<'a>(lines: &'a str, controller: &str) -> &'a str {
    let controller = if is_pure_v2() { "" } else { controller };
    let mut groups = lines.lines().map(|line| line.splitn(3, ':').skip(1).collect::<Vec<_>>());
    groups.find(|group| group[0].split(',').any(|name| name == controller)).unwrap()[1]
}

fn its_limits_are_told_and_shared(t: &Test, place: &Place<'_>, pid: i32) {
    let world = world(t, pid);
    let limits: Vec<&Value> = world["cgroup"]["groups"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|group| group["limits"].as_array().into_iter().flatten())
        .collect();
    let expected = match is_pure_v2() {
        true => [("memory.max", MEMORY), ("pids.max", PIDS), ("cpu.max", &format!("{QUOTA} 100000"))],
        false => [("memory.limit_in_bytes", MEMORY), ("pids.max", PIDS), ("cpu.cfs_quota_us", QUOTA)],
    };
    for (file, value) in expected {
        let its = |limit: &&&Value| limit["file"] == file && limit["value"] == value;
        let limit = limits.iter().find(its).unwrap_or_else(|| panic!("{file} {value}: {limits:?}"));
        let set_by = limit["set_by"].as_str().unwrap();
        assert!(set_by.contains(&format!("/{}/", place.name)), "{set_by}");
        assert_eq!(std::fs::read_to_string(format!("{set_by}/{file}")).unwrap().trim_end(), value);
    }

    // Who joins its groups and then enters it is where its own processes are.
    let groups = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
    let controllers = ["cpu", "memory", "pids"];
    let join = controllers.map(|controller| format!("-g{controller}:{}", group(&groups, controller)));
    let enter = [tool_path("rnsenter").to_str().unwrap(), "-a", "-t", &pid.to_string()].map(String::from);
    let look = |file: &str| t.tool("rcgexec").args(&join).args(&enter).args(["cat", file]).run().ok();
    let (ours, its) = (look("/proc/self/cgroup"), look("/proc/1/cgroup"));
    for controller in controllers {
        assert_eq!(group(&ours, controller), group(&its, controller), "{controller}");
    }
    let outside = t.tool("rcgexec").args(&join).args(["cat", "/proc/self/cgroup"]).run().ok();
    for controller in controllers {
        assert_eq!(group(&outside, controller), group(&groups, controller), "{controller}");
    }
}

/// What one of our tools answers in JSON that sees the files of the engines.
fn told(place: &Place<'_>, tool: &str, words: &[&str]) -> Value {
    let text = place.tool(tool).args(words).run().ok();
    if tool == "nsinfo" { crate::harness::world(&text) } else { serde_json::from_str(&text).unwrap() }
}

/// Every name leads to this process, by every tool.
#[track_caller]
fn leads_to(place: &Place<'_>, name: &str, pid: i32) {
    let reference = format!("ctr:{name}");
    let net = format!("net:[{}]\n", inode(pid, "net"));
    // The beginning of an id can be all digits, and so a PID.
    let bare = Some(name).filter(|name| !name.bytes().all(|b| b.is_ascii_digit()));
    for reference in bare.into_iter().chain([&reference[..]]) {
        let run = place.tool("rnsenter").args(["-t", reference, "-n", "readlink", "/proc/self/ns/net"]);
        assert_eq!(run.run().ok(), net, "{reference}");
        assert_eq!(told(place, "nsinfo", &["-J", reference])["identity"]["pids"][0], pid, "{reference}");
    }
    // What it has alone is listed with its first process.
    let words = ["-r", "-n", "-t", "mnt", "-o", "NS,PID", "-p", &reference];
    assert_eq!(place.tool("rlsns").args(words).run().ok(), format!("{} {pid}\n", inode(pid, "mnt")));
}

/// No tool finds anything of this name.
#[track_caller]
fn leads_nowhere(place: &Place<'_>, name: &str) {
    let none = format!("no container that we see is called {name}");
    for (tool, status, words) in [
        ("rnsenter", 125, &["-t", name, "true"][..]),
        ("rnsenter", 125, &["--net=ctr:NAME", "true"]),
        ("nsinfo", 1, &[name]),
        ("rlsns", 1, &["-p", name]),
    ] {
        let words = words.iter().map(|word| word.replace("NAME", name));
        let hint = place.tool(tool).args(words).run().fails(status, &format!("{tool}: {none}"));
        assert!(hint.starts_with("`rlsns -o +CONTAINER"), "{hint}");
    }
}

/// What a container is shown as: its name, and what said so.
fn shown(place: &Place<'_>, pid: i32) -> (Value, Value) {
    let pid = pid.to_string();
    let words = ["-J", "-o", "PID,CONTAINER,SOURCE", "-t", "mnt", "-p", &pid];
    let row = told(place, "rlsns", &words)["namespaces"][0].clone();
    let its = told(place, "nsinfo", &["-J", &pid])["identity"]["container"].clone();
    match its.is_null() {
        true => assert_eq!(row["container"], its),
        false => assert_eq!((&row["container"], &row["source"]), (&its["name"], &its["source"])),
    }
    (row["container"].clone(), row["source"].clone())
}

fn it_is_named(place: &Place<'_>, engine: &Engine, container: &Container) {
    let Some(name) = &container.name else {
        assert_eq!(shown(place, container.pid).0, Value::Null);
        return;
    };
    assert_eq!(shown(place, container.pid), (json!(name), json!(container.source)));
    leads_to(place, name, container.pid);
    let its = told(place, "nsinfo", &["-J", name])["identity"]["container"].clone();
    let word = engine.name.split(' ').next().unwrap();
    assert_eq!((&its["engine"], &its["id"]), (&json!(word), &json!(container.id)), "{its}");
    if let Some(id) = &container.id {
        [&id[..], &id[..12], &id[..5]].iter().for_each(|id| leads_to(place, id, container.pid));
    }
    for (kind, typed) in [("container", &name[..7]), ("reference", &format!("ctr:{}", &name[..7]))] {
        let offered = place.tool("rnsenter").args(["--complete", kind, typed]).run().ok();
        let prefix = if kind == "container" { "" } else { "ctr:" };
        let words: Vec<&str> = offered.lines().filter_map(|line| line.split('\t').next()).collect();
        assert_eq!(words, [format!("{prefix}{name}")], "{offered}");
        assert!(offered.contains(&format!("\t{word}, ")), "{offered}");
    }
}

fn its_name_ends_with_it(place: &Place<'_>, container: &Container) {
    let Some(name) = &container.name else { return };
    place.run(&container.remove.iter().map(String::as_str).collect::<Vec<_>>());
    let there = || std::path::Path::new(&format!("/proc/{}", container.pid)).exists();
    assert!(within(Duration::from_secs(20), || !there()));
    leads_nowhere(place, name);
    container.id.iter().for_each(|id| leads_nowhere(place, id));
    let offered = place.tool("rnsenter").args(["--complete", "container", name]).run().ok();
    assert_eq!(offered, "");
}

#[test]
fn a_container_of_docker_is_named_whatever_others_are_called() {
    let t = rings!(Containers);
    if !Engine::named("docker").is_here(&t) {
        return;
    }
    let place = Place::new(&t);
    dockerd(&place, &[]);
    let web = docker_run(&place, &["--name=nskit-web"]);
    let id = web.id.clone().unwrap();
    // Another one is called like the beginning of its id.
    let other = docker_run(&place, &[&format!("--name={}", &id[..8])]);
    leads_to(&place, &id[..8], other.pid);
    leads_to(&place, &id[..9], web.pid);
    // What both ids begin with names none.
    let ids = [&id, other.id.as_ref().unwrap()];
    let common = ids[0].bytes().zip(ids[1].bytes()).take_while(|(a, b)| a == b).count();
    if common > 0 {
        let run = place.tool("nsinfo").arg(format!("ctr:{}", &id[..common])).run();
        run.fails(1, &format!("nsinfo: several containers are called {}", &id[..common]));
    }

    // Somebody calls a group of his own like it.
    let mount = hierarchies().into_iter().rfind(|point| !point.ends_with("systemd")).unwrap();
    let mount = hierarchies().into_iter().find(|point| point.ends_with("unified")).unwrap_or(mount);
    let group = mount.join(&place.name).join("bob");
    std::fs::create_dir(&group).unwrap();
    for file in ["", "cgroup.procs", "cgroup.subtree_control", "cgroup.threads"] {
        std::os::unix::fs::chown(group.join(file), Some(NOBODY), Some(NOBODY)).unwrap();
    }
    let script = "mkdir \"$1\" && read -r _ && echo $$ >\"$1/cgroup.procs\" && echo ready && exec sleep 1000";
    let scope = group.join(format!("docker-{id}.scope"));
    let run = t.program("sh").as_user().args(["-c", script, "sh", scope.to_str().unwrap()]);
    let run = run.with(|command| _ = command.stdin(std::process::Stdio::piped()));
    let mut bob = run.start();
    std::fs::write(group.join("cgroup.procs"), bob.pid().to_string()).unwrap();
    bob.child.stdin.take().unwrap().write_all(b"\n").unwrap();
    assert_eq!(bob.next_line().as_deref(), Some("ready"));
    for name in ["nskit-web", &id, &id[..12]] {
        leads_to(&place, name, web.pid);
    }
    let bob_is_shown_by_his_group = || {
        let its = told(&place, "nsinfo", &["-J", &bob.pid().to_string()])["identity"]["container"].clone();
        assert_eq!((&its["name"], &its["source"]), (&json!(&id[..12]), &json!("cgroup")), "{its}");
    };
    bob_is_shown_by_his_group();
    assert_eq!(shown(&place, web.pid), (json!("nskit-web"), json!(web.source)));

    // A container that stopped has its file still, and nothing leads to it, nor to the impostor.
    let kill = docker_words(&place, &["kill", &id]);
    place.run(&kill.iter().map(String::as_str).collect::<Vec<_>>());
    let there = || std::path::Path::new(&format!("/proc/{}", web.pid)).exists();
    assert!(within(Duration::from_secs(20), || !there()));
    leads_nowhere(&place, "nskit-web");
    bob_is_shown_by_his_group();
    for (typed, expected) in
        [("nskit", String::new()), (&id[..12], format!("{}\tdocker, sleep 1000\n", &id[..12]))]
    {
        let offered = place.tool("rnsenter").args(["--complete", "container", typed]).run().ok();
        assert_eq!(offered, expected);
    }
    let enter = place.tool("rnsenter").args(["-t", &id, "true"]).run();
    let hint = enter.fails(125, &format!("rnsenter: no container is proved to be called {id}"));
    assert!(hint.contains(&format!("(process {} of user {NOBODY} in ", bob.pid())), "{hint}");
}

#[test]
fn containers_of_docker_that_share_namespaces_are_told_apart() {
    let t = rings!(Containers);
    let docker = Engine::named("docker");
    if !docker.is_here(&t) {
        return;
    }
    let place = Place::new(&t);
    dockerd(&place, &[]);
    let [net, pid] = ["net", "pid"].map(|kind| format!("--{kind}=container:first"));
    let first = docker_run(&place, &["--name=first", "--hostname=inside"]).pid;
    let same_net = docker_run(&place, &[&net]).pid;
    let same_pid = docker_run(
        &place,
        &[&pid, "--cgroupns=private", "--cap-drop=ALL", "--security-opt=no-new-privileges"],
    )
    .pid;

    assert_eq!(numbers(&t, same_net, &["-n"]), numbers(&t, first, &["-n"]));
    assert_ne!(numbers(&t, same_pid, &["-n"]), numbers(&t, first, &["-n"]));
    let shared = |kind: &str| {
        let columns = ["-t", kind, "-l", "-r", "-n", "-o", "NS,NPROCS,PID"];
        let list = t.tool("rlsns").args(columns).run().ok();
        list.lines().any(|line| line == format!("{} 2 {first}", inode(first, kind)))
    };
    assert!(shared("net") && shared("pid") && !shared("uts"));

    // Its processes see each other; the second has another number than 1.
    assert_eq!(world(&t, first)["identity"]["pids"], json!([first, 1]));
    let pids = world(&t, same_pid)["identity"]["pids"].clone();
    assert_eq!((&pids[0], pids[1].as_i64() > Some(1)), (&json!(same_pid), true), "{pids}");
    for pid in [first, same_pid] {
        let all = entered(&t, pid, &["-a"], &["ps", "-o", "args"]).run().ok();
        assert_eq!(all.matches("sleep 1000").count(), 2, "{all}");
    }
    // Who enters is not bound by what the container lost.
    let rights = alike(&t, same_pid, &["-a"], &["grep", "^Cap\\|^NoNew", "/proc/self/status"]);
    assert_ne!(rights, std::fs::read_to_string(format!("/proc/{same_pid}/status")).unwrap());
    assert!(rights.contains("NoNewPrivs:\t0"), "{rights}");
    // From its cgroup namespace our own group is above the root, unless we join its groups.
    let ours = entered(&t, same_pid, &["-C"], &["cat", "/proc/self/cgroup"]).run().ok();
    assert!(group(&ours, "pids").starts_with("/.."), "{ours}");

    if has_bridges() {
        let addresses = alike(&t, same_net, &["-n"], &["ip", "-o", "-4", "addr"]);
        assert!(addresses.lines().any(|line| line.contains(": eth0 ")), "{addresses}");
    }
}

#[test]
fn docker_lets_runshare_make_nothing_until_its_filter_is_lifted() {
    let t = rings!(Containers);
    if !Engine::named("docker").is_here(&t) {
        return;
    }
    let place = Place::new(&t);
    dockerd(&place, &[]);
    // The tools need the C library.
    let tools = tool_path("runshare").parent().unwrap().to_str().unwrap();
    let folders = ["/lib", "/lib64", "/usr"].map(|dir| format!("--volume={dir}:{dir}:ro"));
    let tools = format!("--volume={tools}:/nskit:ro");
    let run = |options: &[&str], program: &[&str]| {
        let words = docker_words(&place, &["run", "--rm", "--net=none"]);
        let run = t.program(&words[0]).args(&words[1..]).args(&folders).args([&tools]).args(options);
        run.arg("image").args(program).patiently().run()
    };
    for (options, what) in [("-n", "net"), ("-m", "mnt"), ("-Urn", "user net")] {
        let refused = run(&[], &["/nskit/runshare", options, "true"]);
        let hint = refused.fails(125, &format!("runshare: unshare {what}: Operation not permitted"));
        assert!(hint.contains(if options == "-Urn" { "Docker" } else { "container" }), "{hint}");
        let free = ["--security-opt=seccomp=unconfined", "--cap-add=SYS_ADMIN"];
        run(&free, &["/nskit/runshare", options, "true"]).ok();
    }
    // The others do what can be done there.
    let net = run(&[], &["/nskit/rlsns", "-r", "-n", "-t", "net", "-o", "NPROCS,PID,COMMAND"]).ok();
    assert_eq!(net, "1 1 /nskit/rlsns\\x20-r\\x20-n\\x20-t\\x20net\\x20-o\\x20NPROCS,PID,COMMAND\n");
    let world = crate::harness::world(&run(&[], &["/nskit/nsinfo", "-J"]).ok());
    assert_eq!(
        (&world["identity"]["process"], &world["namespaces"]["net"]["initial"]),
        (&json!(1), &Value::Null)
    );
    // On version 2 it has no group for that, on version 1 it may not write.
    let refused = run(&[], &["/nskit/rcgexec", "--pids-limit", "5", "true"]);
    assert!(refused.code == Some(125) && refused.errors().contains("\nhint: "), "{}", refused.errors());
}

#[test]
fn a_test_that_fails_leaves_nothing_of_its_container() {
    let t = rings!(Containers);
    for engine in ENGINES.iter().filter(|engine| engine.is_here(&t)) {
        let name = std::cell::OnceCell::new();
        let failing = std::panic::AssertUnwindSafe(|| {
            let place = Place::new(&t);
            name.set(place.name.clone()).unwrap();
            let pid = (engine.start)(&place).pid;
            assert!(left(&place.name).len() > 3, "there is nothing to take down");
            panic!("on purpose, with a container of {} at {pid}", engine.name);
        });
        let why = std::panic::catch_unwind(failing).unwrap_err();
        assert!(
            why.downcast_ref::<String>().is_some_and(|why| why.starts_with("on purpose")),
            "{}",
            engine.name
        );
        assert_eq!(left(name.get().unwrap()), [""; 0], "{}", engine.name);
    }
}
