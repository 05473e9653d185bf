//! What nsinfo tells of a container, beside what its engine, programs inside and the files of /proc say.

use std::os::fd::AsRawFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};

use serde_json::{Value, json};

use super::engines::{
    self, Container, Engine, MEMORY, PIDS, Place, docker_run, docker_words, dockerd, has_bridges, is_pure_v2,
};
use super::{kinds, links, told};
use crate::harness::{NOBODY, Ring, Run, Test, copy_program, inode, tool_path};

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

/// Who asks, and what they ask about.
struct Asked<'t> {
    pid: i32,
    /// The kinds of namespaces that are its own.
    own: &'static str,
    /// The user that is root inside, or who they are themselves, and how many ids there are.
    ids: (u32, u32, u32),
    /// One of our tools as they run it, or a shell.
    run: &'t dyn Fn(&str) -> Run<'t>,
    /// Where our tools are found by whoever pastes a line.
    tools: String,
    /// The group below which new ones are made.
    parent: Option<&'t str>,
}

pub(super) fn its_world_is_told(place: &Place<'_>, engine: &Engine, container: &Container) {
    let pid = container.pid;
    let world = told(place, "nsinfo", &["-J", &pid.to_string()]);
    assert_eq!(unreadable(&world), [&Value::Null; 0]);
    assert_eq!(world["identity"]["container"]["name"], json!(container.name));
    for kind in kinds() {
        let own = engine.own.split(' ').any(|own| own == kind);
        assert_eq!(world["namespaces"][kind]["initial"], !own, "{kind}");
        // Each was made by who had made the user namespace, and was in it.
        let owner = if own && kind != "user" { inode(pid, "user") } else { inode(2, "user") };
        let known = kind != "user" || own;
        assert_eq!(
            world["namespaces"][kind]["owner"],
            if known { json!(owner) } else { Value::Null },
            "{kind}"
        );
    }
    let [maker, root] = ["creator", "root_outside"].map(|key| &world["user"][key]["uid"]);
    assert_eq!((maker, root), (&json!(0), &json!(engine.ids.0)));
    let run = |name: &str| match name {
        "sh" => place.program("sh"),
        tool => place.tool(tool),
    };
    let tools = tool_path("rnsenter").parent().unwrap().to_str().unwrap().to_string();
    let (first, count) = engine.ids;
    let (own, ids, parent) = (engine.own, (0, first, count), Some(place.name.as_str()));
    let asked = Asked { pid, own, ids, run: &run, tools, parent };
    let another = asked.is_told(&world);
    its_limits_are_what_it_may_use(&world);
    its_limits_are_what_it_may_use(&another);
    what_differs_from_the_host_is_its_own(place, engine, pid);
    an_ordinary_user_is_told_what_is_open_to_all(place, pid);
}

/// The first line of a file of /proc/PID that begins so, but for that.
fn line(pid: impl std::fmt::Display, file: &str, start: &str) -> String {
    let text = std::fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(start));
    line.unwrap_or_else(|| panic!("{file} {start}")).trim().to_string()
}

/// The line of /proc/PID/status with this key.
fn line_of(pid: impl std::fmt::Display, key: &str) -> String {
    line(pid, "status", key)
}

/// The mount that is seen at the end of a path, by its number.
fn mount_at(path: &str) -> Option<u64> {
    let mut options = std::fs::OpenOptions::new();
    let file = options.read(true).custom_flags(nix::fcntl::OFlag::O_PATH.bits()).open(path).ok()?;
    line("self", &format!("fdinfo/{}", file.as_raw_fd()), "mnt_id:").parse().ok()
}

impl Asked<'_> {
    fn world(&self, options: &[&str], pid: i32) -> Value {
        let run = (self.run)("nsinfo").arg("-J").args(options).arg(pid.to_string());
        crate::harness::world(&run.patiently().run().ok())
    }

    /// What a shell is given that finds our tools.
    fn shell(&self, words: &str) -> Run<'_> {
        let path = format!("{}:{}", self.tools, std::env::var("PATH").unwrap());
        (self.run)("sh").env("PATH", &path).args(["-c", words])
    }

    /// What the last two lines say, on the page: to enter it, and to make another.
    fn last_lines(&self) -> [String; 2] {
        let page = (self.run)("nsinfo").arg(self.pid.to_string()).run().ok();
        ["enter: ", "recreate: "].map(|label| {
            let line = page.lines().find_map(|line| line.strip_prefix(label));
            line.unwrap_or_else(|| panic!("{page}")).to_string()
        })
    }

    /// Answers what is told of another that is made like it.
    fn is_told(&self, world: &Value) -> Value {
        self.is_who_it_is(world);
        security_is_that_of_the_kernel(world, self.pid);
        self.has_its_mounts(world);
        let [enter, recreate] = self.last_lines();
        assert_eq!(world["enter"], json!({"command": enter, "may": true, "note": null}));
        let kinds: Vec<&str> = kinds().collect();
        let inside = |script: &str| {
            let words = format!("{enter} sh -c '{script}' sh {}", kinds.join(" "));
            self.shell(&words).run().ok()
        };
        let links = links(self.pid, &kinds);
        let entered = inside("for kind; do readlink /proc/self/ns/$kind; done");
        assert_eq!(entered.lines().collect::<Vec<_>>(), links, "{enter}");
        assert_eq!(inside("hostname; cat /etc/os-release"), "inside\nID=nskit\n", "{enter}");
        assert_eq!(self.shell(&format!("{enter} sh -c 'exit 7'")).run().code, Some(7));
        self.has_its_network(world, &inside("busybox ip -o link; busybox ip -o addr"));
        self.has_its_groups(world, &inside("cat /proc/1/cgroup"));
        self.makes_another(world, &recreate)
    }

    fn is_who_it_is(&self, world: &Value) {
        let pid = self.pid;
        let identity = &world["identity"];
        let words = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap();
        assert_eq!(identity["command"], words.trim_end_matches('\0').replace('\0', " "));
        let pids: Vec<i32> =
            line(pid, "status", "NSpid:").split_whitespace().map(|pid| pid.parse().unwrap()).collect();
        assert_eq!((&identity["pids"], pids[0]), (&json!(pids), pid));
        assert_eq!(world["uts"]["host_name"], "inside");
        for kind in kinds() {
            let own = self.own.split(' ').any(|own| own == kind);
            let its = &world["namespaces"][kind];
            // Those who ask may have mounts of their own.
            let ours = inode(pid, kind) == inode("self", kind);
            assert_eq!((&its["ns"], &its["ours"]), (&json!(inode(pid, kind)), &json!(!own)), "{kind}");
            assert_eq!(ours, !own, "{kind}");
        }
        let (inside, outside, count) = self.ids;
        for (number, ids) in [("uid", "uid_map"), ("gid", "gid_map")] {
            let its = &identity[number]["effective"];
            assert_eq!((&its["outside"], &its["inside"]), (&json!(outside), &json!(inside)), "{number}");
            let range = json!({"outside": outside, "inside": inside, "count": count});
            assert_eq!(world["user"][ids], json!([range]), "{ids}");
        }
        assert_eq!(world["user"]["setgroups"], line(pid, "setgroups", ""));
    }

    /// In every view, beside what the kernel shows at their points.
    fn has_its_mounts(&self, world: &Value) {
        let pid = self.pid;
        let text = std::fs::read_to_string(format!("/proc/{pid}/mountinfo")).unwrap();
        let mounts = world["mounts"]["list"].as_array().unwrap();
        assert_eq!(mounts.len(), text.lines().count(), "{text}");
        let mut hidden = Vec::new();
        for (mount, line) in mounts.iter().zip(text.lines()) {
            let (of_mount, of_files) = line.split_once(" - ").unwrap();
            let fields: Vec<&str> = of_mount.split(' ').chain(of_files.split(' ')).collect();
            let [id, parent, dev, root, point, options, .., kind, source, _] = fields[..] else {
                panic!("{line}")
            };
            let number = |text: &str| json!(text.parse::<u64>().unwrap());
            assert_eq!((&mount["id"], &mount["parent"]), (&number(id), &number(parent)), "{line}");
            for (key, field) in [
                ("dev", dev),
                ("root", root),
                ("point", point),
                ("options", options),
                ("type", kind),
                ("source", source),
            ] {
                assert_eq!(mount[key], field, "{key}: {line}");
            }
            let shared = fields[6..].iter().any(|field| field.starts_with("shared:"));
            assert_eq!(mount["shared"].is_u64(), shared, "{line}");
            let at = mount_at(&format!("/proc/{pid}/root{point}"));
            let is_hidden = at != Some(id.parse().unwrap());
            assert_eq!(mount["hidden"], is_hidden, "{line}: {at:?} is there");
            hidden.extend(is_hidden.then_some(mount["id"].clone()));
        }
        let page = |view: &str| {
            let run = (self.run)("nsinfo").args(["--section=mounts", view, &pid.to_string()]).run().ok();
            run.lines().map(|line| line.split_whitespace().map(String::from).collect()).collect()
        };
        let rows: Vec<Vec<String>> = page("--mounts=flat");
        let ids = rows.iter().skip(2).take(mounts.len()).map(|row| row[0].as_str());
        assert!(ids.eq(text.lines().map(|line| line.split(' ').next().unwrap())), "{rows:?}");
        let rows: Vec<Vec<String>> = page("--mounts=hidden");
        let points = |of: &dyn Fn(&Value) -> bool| -> Vec<&str> {
            let of = mounts.iter().filter(|mount| of(mount));
            of.map(|mount| mount["point"].as_str().unwrap()).collect()
        };
        let shown: Vec<&str> = rows.iter().skip(2).map(|row| row[0].as_str()).collect();
        let expected = points(&|mount| mount["hidden"] == true);
        match hidden.is_empty() {
            true => assert_eq!(rows[1].join(" "), "none is hidden by another"),
            false => assert_eq!(sorted(shown), sorted(expected)),
        }
        // What is shown here is the same file.
        let there = self.world(&["--section=mounts", "--mounts=host"], pid);
        let list = there["mounts"]["list"].as_array().unwrap();
        let visible = list.iter().filter(|mount| mount["hidden"] == false && mount["host_path"].is_string());
        let (points, paths): (Vec<&str>, Vec<&str>) = visible
            .map(|mount| (mount["point"].as_str().unwrap(), mount["host_path"].as_str().unwrap()))
            .unzip();
        assert!(points.contains(&"/") && paths[0].starts_with('/'), "{there}");
        let here = self.shell("exec stat -L -c %d:%i \"$@\"").arg("sh").args(&paths).run().ok();
        for ((point, path), here) in points.iter().zip(&paths).zip(here.lines()) {
            let its = std::fs::metadata(format!("/proc/{pid}/root{point}")).unwrap();
            assert_eq!(here, format!("{}:{}", its.dev(), its.ino()), "{point} {path}");
        }
        assert_eq!(here.lines().count(), paths.len());
    }

    /// As ip prints it inside.
    fn has_its_network(&self, world: &Value, ip: &str) {
        let mut of_ip = Vec::new();
        for line in ip.lines() {
            let words: Vec<&str> = line.split_whitespace().collect();
            let name = words[1].trim_end_matches(':').split('@').next().unwrap();
            if let Some(at) = words.iter().position(|word| *word == "mtu") {
                of_ip.push(format!("{name} mtu {}", words[at + 1]));
            } else if words[2].starts_with("inet") {
                of_ip.push(format!("{name} {}", words[3]));
            }
        }
        let mut told = Vec::new();
        for link in world["net"]["links"].as_array().unwrap() {
            let name = link["name"].as_str().unwrap();
            told.push(format!("{name} mtu {}", link["device"]["mtu"]));
            for address in link["addresses"].as_array().unwrap() {
                told.push(format!("{name} {}/{}", address["address"].as_str().unwrap(), address["prefix"]));
            }
        }
        assert!(told.iter().any(|line| line == "lo 127.0.0.1/8"), "{told:?}");
        assert_eq!(sorted(told), sorted(of_ip), "{ip}");
    }

    /// As they are outside, and as the namespace shows those of the first process.
    fn has_its_groups(&self, world: &Value, first: &str) {
        let text = std::fs::read_to_string(format!("/proc/{}/cgroup", self.pid)).unwrap();
        let groups = world["cgroup"]["groups"].as_array().unwrap();
        assert_eq!((groups.len(), text.lines().count()), (text.lines().count(), first.lines().count()));
        for ((group, line), inside) in groups.iter().zip(text.lines()).zip(first.lines()) {
            let path = line.splitn(3, ':').nth(2).unwrap();
            assert_eq!(
                (&group["hierarchy"].to_string()[..], &group["path"]),
                (line.split(':').next().unwrap(), &json!(path))
            );
            // What it takes for the way from its root leads on from there.
            let root = group["namespace_root"].as_str().unwrap_or_else(|| panic!("{group}"));
            let inside = inside.splitn(3, ':').nth(2).unwrap();
            let joined = format!("{}/{}", root.trim_end_matches('/'), inside.trim_start_matches('/'));
            let joined = if joined.len() > 1 { joined.trim_end_matches('/') } else { &joined };
            assert_eq!(joined, path, "{group} {inside}");
        }
        assert_eq!(world["cgroup"]["frozen"]["state"], "thawed");
    }

    /// The last line, pasted: answers what is told of what runs there.
    fn makes_another(&self, first: &Value, line: &str) -> Value {
        assert_eq!(first["recreate"]["command"], line);
        let below = |parent: &str| line.replacen("rcgexec ", &format!("rcgexec --parent={parent} "), 1);
        let words = self.parent.map_or(line.to_string(), below);
        let mut held = self.shell(&format!("exec {words} sh -c 'echo ready; exec sleep 1000'")).hold();
        let pid = held.inner();
        let second = self.world(&[], pid);
        for kind in kinds() {
            let own = self.own.split(' ').any(|own| own == kind);
            let [ours, its, another] = [inode("self", kind), inode(self.pid, kind), inode(pid, kind)];
            assert_eq!((another != ours, another != its), (own, own), "{kind}: {line}");
        }
        for file in ["uid_map", "gid_map", "setgroups"] {
            let of = |pid: i32| std::fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap();
            assert_eq!(of(self.pid), of(pid), "{file}: {line}");
        }
        for ids in ["Uid:", "Gid:"] {
            let of = |pid: i32| line_of(pid, ids);
            assert_eq!(of(self.pid), of(pid), "{ids} {line}");
        }
        assert_eq!(second["uts"], first["uts"], "{line}");
        assert_eq!(second["recreate"]["command"], line);
        // What is lost is told, and no more.
        let lacks = first["recreate"]["lacks"].as_array().unwrap();
        let lacks = |start: &str| lacks.iter().any(|one| one["what"].as_str().unwrap().starts_with(start));
        let of = |key: &str| [line_of(self.pid, key), line_of("self", key)];
        let differ = |key: &str| of(key)[0] != of(key)[1];
        let mounts = std::fs::read_to_string(format!("/proc/{}/mountinfo", self.pid)).unwrap();
        assert!(lacks(&format!("its {} mounts, ", mounts.lines().count())), "{first}");
        assert!(lacks("its network devices") && lacks("its ipc objects"), "{first}");
        assert_eq!(lacks("its seccomp filters"), differ("Seccomp:"), "{first}");
        assert_eq!(lacks("its no_new_privs"), differ("NoNewPrivs:"), "{first}");
        assert_eq!(lacks("its bounding set"), differ("CapBnd:"), "{first}");
        let none = of("CapBnd:")[0].trim_matches('0').is_empty();
        assert_eq!(lacks("its bounding set, which is empty"), none, "{first}");
        // Then its group is taken away. A first process ends by no other signal.
        crate::harness::signal(pid, nix::sys::signal::Signal::SIGKILL);
        held.wait();
        second
    }
}

fn sorted<T: Ord>(mut list: Vec<T>) -> Vec<T> {
    list.sort();
    list
}

/// The part that nsinfo has in what is told of every engine, where only two can be.
fn tell_its_world(t: &Test, engine: &str) {
    let engine = Engine::named(engine);
    if engine.is_here(t) {
        let place = Place::new(t);
        its_world_is_told(&place, engine, &(engine.start)(&place));
    }
}

#[test]
fn a_box_of_bubblewrap_is_told_entered_and_made_again_by_nsinfo() {
    let t = rings!(Host);
    tell_its_world(&t, "bubblewrap");
}

#[test]
fn a_machine_of_systemd_nspawn_is_told_entered_and_made_again_by_nsinfo() {
    let t = rings!(Host);
    tell_its_world(&t, "systemd-nspawn");
}

#[test]
fn a_box_of_bubblewrap_that_an_ordinary_user_made_is_told_entered_and_made_again_by_them() {
    let t = rings!(Host, User);
    if !t.has("bwrap") || !t.has("busybox") {
        return;
    }
    let dir = tempfile::Builder::new().prefix("nskit-box").tempdir().unwrap();
    std::fs::set_permissions(dir.path(), PermissionsExt::from_mode(0o755)).unwrap();
    let of = |name: &str| dir.path().join(name).to_str().unwrap().to_string();
    engines::image(dir.path().join("image").as_path());
    std::fs::create_dir(of("tools")).unwrap();
    for tool in ["nsinfo", "rnsenter", "runshare"] {
        copy_program(tool_path(tool), &dir.path().join("tools").join(tool));
    }
    let run = |name: &str| {
        let run =
            t.program("sh").as_user().env("PATH", &format!("{}:/usr/bin:/bin:/usr/sbin:/sbin", of("tools")));
        run.args(["-c", "exec \"$0\" \"$@\"", name])
    };
    let user = if Ring::here().is_root() { NOBODY } else { nix::unistd::geteuid().as_raw() };
    // Without an id of its own it is in a user namespace below the one to which the others belong.
    for (ids, inside) in [(&["--uid", "0", "--gid", "0"][..], 0), (&[], user)] {
        let box_of =
            t.program("bwrap").as_user().args(["--unshare-all", "--die-with-parent", "--hostname", "inside"]);
        let mounts = ["--bind", &of("image"), "/", "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp"];
        let over = ["--ro-bind", "/usr/share", "/usr", "--ro-bind", &of("tools"), "/usr"];
        let held = box_of.args(mounts).args(over).args(ids).args(engines::SLEEP).hold();
        let pid = held.inner();
        let asked = Asked {
            pid,
            own: engines::SEVEN,
            ids: (inside, user, 1),
            run: &run,
            tools: of("tools"),
            parent: None,
        };
        let world = asked.world(&[], pid);
        // Which are initial, and so who owns the first, is not open to them.
        let owners: Vec<&Value> =
            engines::SEVEN.split(' ').map(|kind| &world["namespaces"][kind]["owner"]).collect();
        let above = inode(pid, "user");
        assert!(owners[1..].iter().all(|owner| *owner == owners[1]), "{owners:?}");
        match inside {
            0 => assert_eq!(owners[1], &json!(above)),
            _ => assert_eq!((owners[1], owners[1] != &json!(above)), (owners[0], true)),
        }
        assert_eq!(world["user"]["creator"]["uid"], user);
        assert_eq!(world["user"]["root_outside"]["uid"], if inside == 0 { json!(user) } else { Value::Null });
        // The one is over the other.
        assert!(world["mounts"]["list"].as_array().unwrap().iter().any(|mount| mount["hidden"] == true));
        assert_eq!(mount(&world, "/usr")["options"].as_str().unwrap().split(',').next(), Some("ro"));
        asked.is_told(&world);
    }
}

fn its_limits_are_what_it_may_use(world: &Value) {
    let number = |text: &str| text.parse::<u64>().unwrap();
    let may_use = &world["cgroup"]["may_use"];
    assert_eq!(may_use["memory"]["limit_bytes"], number(MEMORY), "{may_use}");
    assert_eq!(may_use["pids"]["limit"], number(PIDS), "{may_use}");
    assert_eq!(may_use["cpus"]["count"], 0.5, "{may_use}");
}

fn security_is_that_of_the_kernel(world: &Value, pid: i32) {
    let line = |key: &str| line_of(pid, &format!("{key}:"));
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
