//! What nsinfo tells of a container, beside what its engine, programs inside and the files of /proc say.

use serde_json::{Value, json};

use super::engines::{
    Container, Engine, MEMORY, PIDS, Place, docker_run, docker_words, dockerd, has_bridges, is_pure_v2,
};
use super::{kinds, links, told};
use crate::harness::{inode, tool_path};

/// Root of Docker's containers has these, unless something else is asked for.
const CAPABILITIES: [&str; 14] = [
    "cap_chown",
    "cap_dac_override",
    "cap_fowner",
    "cap_fsetid",
    "cap_kill",
    "cap_setgid",
    "cap_setuid",
    "cap_setpcap",
    "cap_net_bind_service",
    "cap_net_raw",
    "cap_sys_chroot",
    "cap_mknod",
    "cap_audit_write",
    "cap_setfcap",
];

/// What could not be read, but for what this machine keeps from everybody.
fn unreadable(world: &Value) -> Vec<&Value> {
    let modules = std::path::Path::new("/sys/kernel/security/lsm").exists();
    let first = std::fs::read_link("/proc/1/ns/mnt").is_ok();
    let is_of_the_machine = |key: &Value| match key.as_str() {
        Some("security.modules") => !modules,
        // A container that stands on its own is a child of the first process.
        Some("namespaces.parent") => !first,
        _ => false,
    };
    let entries = world["unreadable"].as_array().unwrap().iter();
    entries.filter(|entry| !is_of_the_machine(&entry["key"])).collect()
}

/// A mount of a list of them.
#[track_caller]
fn mount<'m>(world: &'m Value, point: &str) -> &'m Value {
    let mut mounts = world["mounts"]["list"].as_array().unwrap().iter();
    mounts.rfind(|mount| mount["point"] == point).unwrap_or_else(|| panic!("no {point}: {world}"))
}

pub(super) fn its_world_is_told(place: &Place<'_>, engine: &Engine, container: &Container) {
    let pid = container.pid;
    let world = told(place, "nsinfo", &["-J", &pid.to_string()]);
    assert_eq!(unreadable(&world), [&Value::Null; 0]);
    assert_eq!(world["identity"]["pids"], json!([pid, 1]));
    assert_eq!(world["uts"]["host_name"], "inside");
    for kind in kinds() {
        let own = engine.own.split(' ').any(|own| own == kind);
        let its = &world["namespaces"][kind];
        assert_eq!((&its["ns"], &its["initial"]), (&json!(inode(pid, kind)), &json!(!own)), "{kind}");
    }
    let (first, count) = engine.ids;
    for (number, ids) in [("uid", "uid_map"), ("gid", "gid_map")] {
        let its = &world["identity"][number]["effective"];
        assert_eq!((&its["outside"], &its["inside"]), (&json!(first), &json!(0)), "{number}");
        let ranges = world["user"][ids].as_array().unwrap();
        let told: Vec<_> =
            ranges.iter().map(|range| [&range["outside"], &range["inside"], &range["count"]]).collect();
        assert_eq!(json!(told), json!([[first, 0, count]]), "{ids}");
    }
    let mounts = world["mounts"]["list"].as_array().unwrap();
    assert_eq!(mounts.iter().filter(|mount| mount["point"] == "/").count(), 1, "{mounts:?}");
    assert_eq!(mount(&world, "/proc")["type"], "proc");
    its_limits_are_what_it_may_use(&world);
    its_security_is_that_of_the_kernel(&world, pid);
    what_differs_from_the_host_is_its_own(place, engine, pid);
    its_line_enters_it(place, pid);
    an_ordinary_user_is_told_what_is_open_to_all(place, pid);
}

fn its_limits_are_what_it_may_use(world: &Value) {
    let number = |text: &str| text.parse::<u64>().unwrap();
    let may_use = &world["cgroup"]["may_use"];
    assert_eq!(may_use["memory"]["limit_bytes"], number(MEMORY), "{may_use}");
    assert_eq!(may_use["pids"]["limit"], number(PIDS), "{may_use}");
    assert_eq!(may_use["cpus"]["count"], 0.5, "{may_use}");
}

fn its_security_is_that_of_the_kernel(world: &Value, pid: i32) {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = |key: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(key)).unwrap();
        line.trim_start_matches(':').trim().to_string()
    };
    let security = &world["security"];
    let modes = ["disabled", "strict", "filter"];
    assert_eq!(security["seccomp"], modes[line("Seccomp").parse::<usize>().unwrap()]);
    assert_eq!(security["no_new_privs"], line("NoNewPrivs") == "1");
    for (set, key) in
        [("permitted", "CapPrm"), ("effective", "CapEff"), ("bounding", "CapBnd"), ("ambient", "CapAmb")]
    {
        let bits = u64::from_str_radix(&line(key), 16).unwrap();
        let names = security["capabilities"][set].as_array().unwrap().len();
        assert_eq!(names, bits.count_ones() as usize, "{set}: {security}");
    }
}

/// The names and numbers of this process and of the host side by side.
fn what_differs_from_the_host_is_its_own(place: &Place<'_>, engine: &Engine, pid: i32) {
    let text = place.tool("nsinfo").args(["-J", "--vs", "host", &pid.to_string()]).run().ok();
    let told: Value = serde_json::from_str(&text).unwrap();
    let differences = told["versus"]["differences"].as_array().unwrap();
    let of = |what: &str| {
        let one = differences.iter().find(|one| one["what"] == what);
        one.map(|one| (one["left"].clone(), one["right"].clone()))
    };
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    assert_eq!(of("uts.host_name"), Some((json!("inside"), json!(host.trim_end()))));
    for kind in kinds() {
        let own = engine.own.split(' ').any(|own| own == kind);
        let numbers = (json!(inode(pid, kind)), json!(inode(2, kind)));
        assert_eq!(of(&format!("namespaces.{kind}.ns")), own.then_some(numbers), "{kind}");
    }
    let page = place.tool("nsinfo").args(["--vs", "host", &pid.to_string()]).run().ok();
    let mut lines = page.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    assert!(lines.any(|words| words == ["host_name", "inside", host.trim_end()]), "{page}");
}

/// The last line but one, pasted into a shell.
fn its_line_enters_it(place: &Place<'_>, pid: i32) {
    let page = place.tool("nsinfo").arg(pid.to_string()).run().ok();
    let line = page.lines().find_map(|line| line.strip_prefix("enter: ")).unwrap_or_else(|| panic!("{page}"));
    let tools = tool_path("rnsenter").parent().unwrap().to_str().unwrap();
    let path = format!("{tools}:{}", std::env::var("PATH").unwrap());
    let kinds: Vec<&str> = kinds().collect();
    let program =
        format!("{line} sh -c 'for kind; do readlink /proc/self/ns/$kind; done' sh {}", kinds.join(" "));
    let entered = place.t.program("sh").env("PATH", &path).args(["-c", &program]).run().ok();
    assert_eq!(entered.lines().collect::<Vec<_>>(), links(pid, &kinds), "{line}");
}

fn an_ordinary_user_is_told_what_is_open_to_all(place: &Place<'_>, pid: i32) {
    let run = || place.t.tool("nsinfo").as_user().arg(pid.to_string());
    let world = crate::harness::world(&run().arg("-J").run().ok());
    assert_eq!((&world["namespaces"], &world["uts"]["host_name"]), (&Value::Null, &Value::Null));
    for key in ["namespaces", "uts.host_name"] {
        let mut entries = world["unreadable"].as_array().unwrap().iter();
        assert!(entries.any(|entry| entry["key"] == key), "{key}: {}", world["unreadable"]);
    }
    assert_eq!(world["identity"]["pids"], json!([pid, 1]));
    assert_eq!(mount(&world, "/proc")["type"], "proc");
    its_limits_are_what_it_may_use(&world);
    let page = run().run().ok();
    let right = "not permitted (needs CAP_SYS_PTRACE)";
    for line in [
        format!("namespaces\n  {right}\n"),
        format!("\n  host name   {right}\n"),
        format!("\nenter: # its namespaces: {right}\n"),
    ] {
        assert!(page.contains(&line), "{line}{page}");
    }
}

/// What is at a path, as Docker sees it: its device and inode.
fn file(place: &Place<'_>, path: &Value) -> String {
    place.run_there(&["stat", "-L", "-c", "%d:%i", path.as_str().unwrap_or_else(|| panic!("no path"))])
}

#[test]
fn what_docker_says_of_a_container_is_what_nsinfo_tells() {
    let t = rings!(Containers);
    if !Engine::named("docker").is_here(&t) {
        return;
    }
    let place = Place::new(&t);
    dockerd(&place, &[]);
    let share = place.path("share");
    std::fs::create_dir(&share).unwrap();
    let volumes = [format!("--volume={share}:/data:ro"), "--volume=nskit-volume:/tmp".to_string()];
    let given = ["--cap-drop=CHOWN", "--cap-add=NET_ADMIN", "--security-opt=no-new-privileges"];
    let options = [&["--name=nskit-web", "--hostname=inside", &volumes[0], &volumes[1]], &given[..]].concat();
    let container = docker_run(&place, &options);
    let words = docker_words(&place, &["inspect", "nskit-web"]);
    let said: Value =
        serde_json::from_str(&place.run(&words.iter().map(String::as_str).collect::<Vec<_>>())).unwrap();
    let said = &said[0];
    let world = told(&place, "nsinfo", &["-J", "ctr:nskit-web"]);

    let its = &world["identity"]["container"];
    assert_eq!((&its["id"], &its["engine"]), (&said["Id"], &json!("docker")));
    assert_eq!(world["identity"]["pids"], json!([said["State"]["Pid"], 1]));
    assert_eq!(world["uts"]["host_name"], said["Config"]["Hostname"]);
    let may_use = &world["cgroup"]["may_use"];
    let of_host = &said["HostConfig"];
    assert_eq!(may_use["memory"]["limit_bytes"], of_host["Memory"]);
    assert_eq!(may_use["pids"]["limit"], of_host["PidsLimit"]);
    assert_eq!(may_use["cpus"]["quota_usec"], of_host["CpuQuota"]);
    let mut capabilities = vec!["cap_dac_override", "cap_fowner"];
    capabilities.extend(CAPABILITIES.iter().skip(3));
    capabilities
        .insert(capabilities.iter().position(|name| *name == "cap_net_raw").unwrap(), "cap_net_admin");
    assert_eq!(world["security"]["capabilities"]["bounding"], json!(capabilities));
    assert_eq!(
        (&world["security"]["seccomp"], &world["security"]["no_new_privs"]),
        (&json!("filter"), &json!(true))
    );

    // Its mounts, and what they are here.
    let there = told(&place, "nsinfo", &["-J", "--mounts=host", "ctr:nskit-web"]);
    let mut sources: Vec<(&str, &Value)> = [
        ("/etc/hostname", "HostnamePath"),
        ("/etc/hosts", "HostsPath"),
        ("/etc/resolv.conf", "ResolvConfPath"),
    ]
    .map(|(point, key)| (point, &said[key]))
    .to_vec();
    let mounts = said["Mounts"].as_array().unwrap();
    assert_eq!(mounts.len(), 2, "{said}");
    for one in mounts {
        let point = one["Destination"].as_str().unwrap();
        sources.push((point, &one["Source"]));
        let writable =
            mount(&there, point)["options"].as_str().unwrap().split(',').any(|option| option == "rw");
        assert_eq!(writable, one["RW"], "{point}");
    }
    let layers = &said["GraphDriver"]["Data"];
    sources.push(("/", &layers["MergedDir"]));
    for (point, source) in &sources {
        assert_eq!(file(&place, &mount(&there, point)["host_path"]), file(&place, source), "{point}");
    }
    let page = place.tool("nsinfo").args(["--mounts=host", "ctr:nskit-web"]).run().ok();
    let row = |line: &str| line.split_whitespace().map(String::from).collect::<Vec<_>>();
    let data = page.lines().map(row).find(|words| words.first().is_some_and(|word| word == "/data")).unwrap();
    assert_eq!(data.last(), Some(&share), "{page}");
    let its_layers = mount(&there, "/")["layers"].as_array().unwrap();
    let of = |name: &str| -> Vec<String> {
        its_layers.iter().filter(|one| one["layer"] == name).map(|one| file(&place, &one["path"])).collect()
    };
    let lower: Vec<String> =
        layers["LowerDir"].as_str().unwrap().split(':').map(|path| file(&place, &json!(path))).collect();
    assert_eq!(of("lower"), lower);
    assert_eq!(of("upper"), [file(&place, &layers["UpperDir"])]);
    assert_eq!(of("work"), [file(&place, &layers["WorkDir"])]);
    // A bind mount is one, and shows nothing that another mount does not lead to.
    let page = place.tool("nsinfo").args(["--mounts=binds", "ctr:nskit-web"]).run().ok();
    for point in ["/data", "/tmp", "/etc/hosts"] {
        let row = page.lines().map(row).find(|words| words.first().is_some_and(|word| word == point));
        assert!(row.is_some_and(|words| words.len() == 3), "{point}: {page}");
    }
    assert!(
        page.lines().map(row).any(|words| words == ["/proc/bus", "proc", "proc[/bus]", "/proc"]),
        "{page}"
    );

    if has_bridges() {
        let links = world["net"]["links"].as_array().unwrap();
        let link = links.iter().find(|link| link["name"] == "eth0").unwrap();
        let net = &said["NetworkSettings"];
        assert_eq!(link["device"]["mac"], net["MacAddress"]);
        assert_eq!(link["addresses"][0]["address"], net["IPAddress"]);
        assert_eq!(link["addresses"][0]["prefix"], net["IPPrefixLen"]);
        let routes = world["net"]["routes"].as_array().unwrap();
        assert!(
            routes.iter().any(|route| route["prefix"] == 0 && route["gateway"] == net["Gateway"]),
            "{routes:?}"
        );
        assert_eq!(link["device"]["peer"]["here"], false, "{link}");
    }
    drop(container);
}

#[test]
fn inside_of_a_container_of_docker_nsinfo_tells_what_is_seen_from_there() {
    let t = rings!(Containers);
    if !Engine::named("docker").is_here(&t) {
        return;
    }
    let place = Place::new(&t);
    dockerd(&place, &[]);
    // The tools need the C library.
    let tools = tool_path("nsinfo").parent().unwrap().to_str().unwrap();
    let folders = ["/lib", "/lib64", "/usr"].map(|dir| format!("--volume={dir}:{dir}:ro"));
    let tools = format!("--volume={tools}:/nskit:ro");
    let words =
        docker_words(&place, &["run", "--rm", "--hostname=inside", "--memory", MEMORY, "--pids-limit", PIDS]);
    let run = t.program(&words[0]).args(&words[1..]).args(&folders).args([&tools]);
    let world = crate::harness::world(&run.args(["image", "/nskit/nsinfo", "-J"]).patiently().run().ok());
    assert_eq!(world["identity"]["pids"], json!([1]));
    assert_eq!(world["uts"]["host_name"], "inside");
    for kind in kinds() {
        let its = &world["namespaces"][kind];
        assert_eq!((&its["ours"], its["ns"].as_u64().is_some()), (&json!(true), true), "{kind}");
    }
    assert_eq!(mount(&world, "/")["type"], "overlay");
    assert_eq!(mount(&world, "/nskit")["options"].as_str().unwrap().split(',').next(), Some("ro"));
    assert_eq!(world["security"]["capabilities"]["bounding"], json!(CAPABILITIES));
    // What is set above its own groups holds too, and is not seen.
    let may_use = &world["cgroup"]["may_use"];
    let number = |text: &str| text.parse::<u64>().unwrap();
    assert_eq!(
        (&may_use["memory"]["limit_bytes"], &may_use["pids"]["limit"]),
        (&json!(number(MEMORY)), &json!(number(PIDS)))
    );
    assert_eq!(may_use["memory"]["hidden_above"], true, "{may_use} {}", is_pure_v2());
}
