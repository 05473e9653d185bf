//! The articles' story, played from end to end with our tools only; README tells it to people.

use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use crate::harness::{Held, Ring, Test, inode};
use crate::rcgexec::assert_has_a_fifth_of_one_cpu;

/// What nsinfo says of a process.
fn world(t: &Test, pid: i32) -> Value {
    crate::harness::world(&t.tool("nsinfo").arg("-J").arg(pid.to_string()).run().ok())
}

/// The options by which whoever runs this may make the namespaces: an ordinary user is root in a user
/// namespace first.
fn making(options: &[&'static str]) -> Vec<&'static str> {
    let user: &[&str] = if Ring::here() == Ring::User { &["-Ur"] } else { &[] };
    [user, options].concat()
}

/// The same for entering those of such a process.
fn entering(held: &Held, options: &[&'static str]) -> Vec<String> {
    let own = inode(held.inner(), "user") != inode("self", "user");
    let user: &[&str] = if own { &["-U"] } else { &[] };
    let target = ["-t".to_string(), held.inner().to_string()];
    target.into_iter().chain([user, options].concat().into_iter().map(String::from)).collect()
}

#[test]
fn equal_numbers_in_the_ns_links_mean_the_same_namespace() {
    let t = rings!(Host, User);
    // A shell and its neighbour share all; one in a new network only that is its own.
    let one = t.program("sh").args(["-c", "echo ready; exec sleep 1000"]).hold();
    let two = t.program("sh").args(["-c", "echo ready; exec sleep 1000"]).hold();
    let other = t.hold("runshare", &making(&["-n", "-f", "--kill-child"]));
    let own = |pid: i32| {
        let world = world(&t, pid);
        let namespaces = world["namespaces"].as_object().unwrap().clone();
        let own = namespaces
            .iter()
            .filter(|(_, namespace)| namespace["ours"] == false)
            .map(|(kind, _)| kind.clone());
        (own.collect::<Vec<_>>(), world)
    };
    let (differing, first) = own(one.pid());
    assert!(differing.is_empty(), "{differing:?}");
    assert_eq!(first["namespaces"], own(two.pid()).1["namespaces"]);
    let (differing, third) = own(other.inner());
    assert!(
        differing.contains(&"net".to_string()) && !differing.contains(&"uts".to_string()),
        "{differing:?}"
    );
    assert_eq!(third["namespaces"]["net"]["ns"], inode(other.inner(), "net"));
}

#[test]
fn the_first_process_inside_has_another_number_outside() {
    let t = rings!(Host, User);
    let held = t.hold("runshare", &making(&["-fp", "--mount-proc", "--kill-child"]));
    let all = t
        .tool("rnsenter")
        .args(entering(&held, &["-p", "-m"]))
        .args(["ps", "ax", "-o", "pid=,comm="])
        .run()
        .ok();
    assert!(all.lines().next().unwrap().trim() == "1 sleep", "{all}");
    let pids = world(&t, held.inner())["identity"]["pids"].clone();
    assert_eq!(pids, serde_json::json!([held.inner(), 1]));
}

#[test]
fn root_inside_is_an_ordinary_user_outside() {
    let t = rings!(Host, User);
    let program = ["sh", "-c", "echo ready; exec sleep 1000"];
    let held = t.tool("runshare").as_user().args(["-Ur"]).args(program).hold();
    let world = world(&t, held.pid());
    let outside =
        if Ring::here() == Ring::Host { crate::harness::NOBODY } else { nix::unistd::geteuid().as_raw() };
    let uid = &world["identity"]["uid"]["effective"];
    assert_eq!([&uid["outside"], &uid["inside"]], [outside, 0]);
    assert_eq!(
        world["user"]["uid_map"],
        serde_json::json!([{ "outside": outside, "inside": 0, "count": 1 }])
    );
}

#[test]
fn a_new_network_is_listed_entered_and_has_only_a_loopback_that_is_down() {
    let t = rings!(Host, User);
    let held = t.hold("runshare", &making(&["-fn", "--kill-child"]));
    let ino = inode(held.inner(), "net");
    let list = t.tool("rlsns").args(["-t", "net", "-r", "-n", "-l", "-o", "NS,TYPE,COMMAND"]).run().text();
    let line =
        list.lines().find(|line| line.starts_with(&ino.to_string())).unwrap_or_else(|| panic!("{list}"));
    assert!(line.contains(" net "), "{line}");
    let links = t.tool("rnsenter").args(entering(&held, &["-n"])).args(["ip", "-o", "link"]).run().ok();
    assert_eq!(links.lines().count(), 1, "{links}");
    assert!(links.contains("lo: <LOOPBACK>") && links.contains("state DOWN"), "{links}");
    let ours = t.program("ip").args(["-o", "link"]).run().ok();
    assert!(ours.contains("LOOPBACK,UP"), "{ours}");
}

#[test]
fn ps_in_another_pid_namespace_shows_all_processes_until_its_mounts_are_entered_too() {
    let t = rings!(Host, User);
    let held = t.hold("runshare", &making(&["-fp", "--mount-proc", "--kill-child"]));
    let count = |options: &[&'static str]| {
        let run = t.tool("rnsenter").args(entering(&held, options)).args(["ps", "ax", "-o", "pid="]);
        run.run().ok().lines().count()
    };
    // /proc belongs to the mount namespace.
    assert!(count(&["-p"]) > 5);
    assert_eq!(count(&["-p", "-m"]), 2, "the first process and ps");
}

#[test]
fn a_host_name_stays_inside() {
    let t = rings!(Host, User);
    let before = t.program("hostname").run().ok();
    let script = "hostname inside; echo ready; exec sleep 1000";
    let held = t.tool("runshare").args(making(&["-u"])).args(["sh", "-c", script]).hold();
    assert_eq!(t.tool("rnsenter").args(entering(&held, &["-u"])).arg("hostname").run().ok(), "inside\n");
    assert_eq!(t.program("hostname").run().ok(), before);
    let told = world(&t, held.pid())["uts"]["host_name"].clone();
    let hidden = Ring::here() == Ring::User && told.is_null();
    assert!(told == "inside" || hidden, "{told}");
}

#[test]
fn mounts_travel_in_the_four_ways_that_propagation_has() {
    let t = rings!(Host);
    // A world of its own, whose mounts are shared; in it a namespace of each kind is made, and both sides mount.
    let runshare = crate::harness::tool_path("runshare").to_str().unwrap();
    let nsinfo = crate::harness::tool_path("nsinfo").to_str().unwrap();
    let script = format!(
        r#"
        mount -t tmpfs none /mnt && mount --make-shared /mnt && mkdir /mnt/out /mnt/in
        for mode in private slave shared; do
            mkfifo /mnt/go /mnt/done
            {runshare} -m --propagation "$mode" sh -c 'mount -t tmpfs none /mnt/in; echo > /mnt/done; read x < /mnt/go
                o=no; grep -q " /mnt/out " /proc/self/mounts && o=yes
                p=$({nsinfo} --mounts=flat | awk "\$4 == \"/mnt\" {{ print \$8; exit }}")
                echo "$o $p" > /mnt/done' &
            read x < /mnt/done
            i=no; grep -q " /mnt/in " /proc/self/mounts && i=yes
            mount -t tmpfs none /mnt/out; echo > /mnt/go; read o p < /mnt/done; wait
            echo "$mode: from inside $i, from outside $o, $p"
            umount /mnt/out; umount /mnt/in 2>/dev/null; rm /mnt/go /mnt/done
        done
        mount --make-unbindable /mnt && mount --bind /mnt /mnt/in 2>/dev/null || echo "unbindable: no bind mount"
        {nsinfo} --mounts=flat | awk "\$4 == \"/mnt\" && \$8 == \"unbindable\"" | grep -c tmpfs
        "#
    );
    let world = t.program("unshare").args(["-m", "--propagation", "private", "sh", "-c", &script]).run().ok();
    let lines: Vec<&str> = world.lines().collect();
    assert!(lines[0].starts_with("private: from inside no, from outside no, private"), "{world}");
    assert!(lines[1].starts_with("slave: from inside no, from outside yes, slave"), "{world}");
    assert!(lines[2].starts_with("shared: from inside yes, from outside yes, shared"), "{world}");
    assert_eq!(lines[3..], ["unbindable: no bind mount", "1"], "{world}");
}

#[test]
fn the_mounts_of_a_container_are_told_from_outside() {
    let t = rings!(Host, User);
    let script =
        "mount -t tmpfs -o size=64k shm /dev/shm && mount -t tmpfs -o ro firmware /sys/firmware 2>/dev/null
        echo ready; exec sleep 1000";
    let held = t.tool("runshare").args(making(&["-m"])).args(["sh", "-c", script]).hold();
    let mounts = world(&t, held.pid())["mounts"]["list"].clone();
    let shm = mounts.as_array().unwrap().iter().rfind(|mount| mount["point"] == "/dev/shm").unwrap().clone();
    assert_eq!(
        (&shm["type"], &shm["source"], &shm["propagation"]),
        (&"tmpfs".into(), &"shm".into(), &"private".into())
    );
    assert!(shm["super_options"].as_str().unwrap().contains("size=64k"), "{shm}");
    let ours = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    assert!(!ours.lines().any(|line| line.contains(" - tmpfs shm ") && line.contains("size=64k")));
}

#[test]
fn a_loop_is_held_to_a_fifth_of_one_cpu_and_its_group_says_so() {
    let t = rings!(Host, Uml, Qemu);
    // Where systemd manages the groups of version 2, it says so instead.
    if !t.belongs(!Path::new("/run/systemd/system").exists(), "a machine without systemd") {
        return;
    }
    let possible =
        t.tool("rcgexec").args(["--cpu-quota", "20000", "--dry-run", "true"]).run().code == Some(0);
    if !t.needs(possible, "a group in which root may make groups, and controller cpu") {
        return;
    }
    let program = ["sh", "-c", "echo ready; while :; do :; done"];
    let held = t.tool("rcgexec").args(["--cpu-quota", "20000", "--"]).args(program).hold();
    // It begins somewhere in a period.
    std::thread::sleep(Duration::from_millis(300));
    assert_has_a_fifth_of_one_cpu(held.inner());

    let world = world(&t, held.inner());
    let groups = world["cgroup"]["groups"].as_array().unwrap();
    let limits: Vec<&Value> = groups.iter().flat_map(|group| group["limits"].as_array().unwrap()).collect();
    let quota = limits
        .iter()
        .find(|limit| limit["file"] == "cpu.cfs_quota_us" || limit["file"] == "cpu.max")
        .unwrap();
    assert!(quota["value"] == "20000" || quota["value"] == "20000 100000", "{quota}");
    let file = format!("{}/{}", quota["set_by"].as_str().unwrap(), quota["file"].as_str().unwrap());
    assert_eq!(std::fs::read_to_string(file).unwrap().trim(), quota["value"].as_str().unwrap());
    // The page says what that means, and how often it was held back.
    let cpus = &world["cgroup"]["may_use"]["cpus"];
    assert_eq!((&cpus["quota_usec"], &cpus["period_usec"]), (&20000.into(), &100_000.into()), "{cpus}");
    assert_eq!(cpus["set_by"], quota["set_by"], "{cpus}");
    let throttling = cpus["throttling"].as_array().unwrap();
    let throttled = throttling.iter().filter_map(|quota| quota["throttled_periods"].as_u64()).max();
    assert!(throttled.is_some_and(|periods| periods > 30), "{cpus}");
    let group = quota["set_by"].as_str().unwrap().to_string();
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(held.pid()), nix::sys::signal::Signal::SIGTERM)
        .unwrap();
    let mut held = held;
    assert_eq!(held.wait().code(), Some(143));
    assert!(!Path::new(&group).exists(), "{group}");
}
