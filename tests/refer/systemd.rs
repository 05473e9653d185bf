//! Units and machines of a real systemd: a service, a scope, a template, a machine, those of a user's own manager.

use std::path::Path;

use super::seen;
use crate::harness::{NOBODY, Test, within};
use std::time::Duration;

/// Is systemd the first process? It is in two layouts of the virtual machine.
fn is_here(t: &Test) -> bool {
    t.belongs(std::fs::read("/proc/1/comm").is_ok_and(|name| name == b"systemd\n"), "a machine with systemd")
}

/// A unit that is stopped when this is dropped.
pub(crate) struct Unit(String);

impl Unit {
    fn of(name: &str) -> Unit {
        Unit(name.into())
    }

    /// Starts one that has a file.
    fn start(t: &Test, name: &str) -> Unit {
        let unit = Unit::of(name);
        t.program("systemctl").args(["daemon-reload"]).run().ok();
        t.program("systemctl").args(["start", name]).run().ok();
        unit
    }

    fn show(&self, t: &Test, what: &str) -> String {
        t.program("systemctl").args(["show", "--value", "-p", what, &self.0]).run().ok().trim().into()
    }

    /// Its first process, as systemd tells.
    fn pid(&self, t: &Test) -> i32 {
        self.show(t, "MainPID").parse().unwrap()
    }
}

impl Drop for Unit {
    fn drop(&mut self) {
        let _ = std::process::Command::new("systemctl").args(["stop", &self.0]).output();
    }
}

/// Writes the file of a unit. Whatever it would pull in by itself is left out: this systemd has nothing else.
fn write_unit(dir: &str, name: &str, text: &str) {
    let text = format!("[Unit]\nDefaultDependencies=no\n{text}");
    std::fs::write(Path::new(dir).join(name), text).unwrap();
}

const UNITS: &str = "/run/systemd/system";

/// Runs what makes a unit for a program that sleeps.
fn run_unit(t: &Test, options: &[&str]) {
    let alone = ["-q", "-p", "DefaultDependencies=no"];
    t.program("systemd-run").args(alone).args(options).args(["sleep", "1000"]).run().ok();
}

/// What is shown of a process: its container and its unit, with what said so.
fn shown(t: &Test, reference: &str) -> [String; 2] {
    let world = t.tool("nsinfo").args(["-J", reference]).run().ok();
    let world = crate::harness::world(&world);
    ["container", "unit"].map(|key| {
        let named = &world["identity"][key];
        let text = |key: &str| named[key].as_str().unwrap_or_default().to_string();
        format!("{} {} {}", text("name"), text("engine"), text("source")).trim().into()
    })
}

/// Every tool is led there.
#[track_caller]
fn leads_to(t: &Test, reference: &str, pid: i32) {
    let uts = std::fs::read_link(format!("/proc/{pid}/ns/uts")).unwrap();
    let run = t.tool("rnsenter").args(["-t", reference, "-u", "readlink", "/proc/self/ns/uts"]).run();
    assert_eq!(run.ok().trim(), uts.to_str().unwrap());
    assert_eq!(seen(t, reference), pid, "{reference}");
    let listed = t.tool("rlsns").args(["-rnl", "-o", "NS,TYPE", "-p", reference]).run().ok();
    assert_eq!(listed, t.tool("rlsns").args(["-rnl", "-o", "NS,TYPE", "-p", &pid.to_string()]).run().ok());
}

/// The words that are offered.
fn offered(t: &Test, kind: &str, typed: &str) -> Vec<String> {
    let text = t.tool("rlsns").args(["--complete", kind, typed]).run().ok();
    text.lines().map(|line| line.split('\t').next().unwrap().into()).collect()
}

#[test]
fn services_and_scopes_of_a_real_systemd_are_found_by_their_names() {
    let t = rings!(Uml, Qemu);
    if !is_here(&t) {
        return;
    }
    let service = Unit::of("nskit-a.service");
    run_unit(&t, &["--unit=nskit-a"]);
    let pid = service.pid(&t);
    assert!(pid > 1);
    for name in ["unit:nskit-a", "unit:nskit-a.service"] {
        leads_to(&t, name, pid);
    }
    assert_eq!(shown(&t, "unit:nskit-a"), ["", "nskit-a.service systemd cgroup"]);
    let group = service.show(&t, "ControlGroup");
    leads_to(&t, &format!("cg:{group}"), pid);

    // A scope has the process that asked for it; of one name with the service it is another unit.
    let scope = Unit::of("nskit-a.scope");
    let words = ["-q", "-p", "DefaultDependencies=no", "--scope", "--unit=nskit-a", "sh", "-c"];
    let held = t.program("systemd-run").args(words).arg("echo ready; exec sleep 1000").hold();
    leads_to(&t, "unit:nskit-a.scope", held.pid());
    assert_eq!(shown(&t, "unit:nskit-a.scope"), ["", "nskit-a.scope systemd cgroup"]);
    assert_eq!(offered(&t, "unit", "nskit-a"), ["nskit-a.scope", "nskit-a.service"]);
    drop(scope);
    drop(service);
    drop(held);
    for name in ["nskit-a.service", "nskit-a.scope"] {
        let hint = t.tool("rnsenter").args(["-t", &format!("unit:{name}"), "true"]).run();
        hint.fails(125, &format!("rnsenter: no unit that we see is called {name}"));
    }
    assert_eq!(offered(&t, "unit", "nskit-a"), [""; 0]);
}

/// A root directory for a machine, and the words that start one in it.
fn machine(name: &str) -> (tempfile::TempDir, String) {
    let dir = tempfile::Builder::new().prefix("nskit-machine").tempdir_in("/run").unwrap();
    for below in ["bin", "dev", "etc", "proc", "run", "sys", "tmp", "usr", "var"] {
        std::fs::create_dir(dir.path().join(below)).unwrap();
    }
    std::fs::write(dir.path().join("etc/os-release"), "ID=nskit\n").unwrap();
    let busybox = crate::harness::find("busybox").unwrap();
    crate::harness::copy_program(&busybox, &dir.path().join("bin/sleep"));
    let words = format!("systemd-nspawn -q -M {name} --kill-signal=SIGKILL -D {}", dir.path().display());
    (dir, words)
}

/// The process in it, as its parent tells.
fn first_of(supervisor: i32) -> i32 {
    let first = || crate::harness::children(supervisor).first().copied();
    let asleep = || first().is_some_and(crate::harness::sleeps);
    assert!(within(Duration::from_secs(30), asleep));
    first().unwrap()
}

#[test]
fn a_machine_that_is_a_service_is_found_and_its_own_first_process_is_meant() {
    let t = rings!(Uml, Qemu);
    if !is_here(&t) || !t.has("systemd-nspawn") {
        return;
    }
    let (_dir, words) = machine("%i");
    let unit = format!(
        "[Service]\nExecStart={words} --register=no --keep-unit --private-users=100000:65536 sleep 1000\nSlice=machine.slice\nDelegate=yes\n"
    );
    write_unit(UNITS, "systemd-nspawn@.service", &unit);
    let unit = Unit::start(&t, "systemd-nspawn@nskit-blue.service");
    let supervisor = unit.pid(&t);
    let first = first_of(supervisor);
    for name in ["ctr:nskit-blue", "nskit-blue"] {
        leads_to(&t, name, first);
    }
    let its = "systemd-nspawn@nskit-blue.service systemd cgroup";
    assert_eq!(shown(&t, "nskit-blue"), ["nskit-blue systemd-nspawn cgroup", its]);
    // The unit has that which started the machine, and this is outside.
    leads_to(&t, "unit:systemd-nspawn@nskit-blue.service", supervisor);
    assert_eq!(shown(&t, &supervisor.to_string()), ["", its]);
    assert_eq!(offered(&t, "container", "nskit-b"), ["nskit-blue"]);
    let whole = t.tool("rnsenter").args(["-t", "nskit-blue", "-a", "sleep", "0"]).run();
    whole.ok();
    drop(unit);
    let hint = t.tool("rnsenter").args(["-t", "nskit-blue", "true"]).run();
    hint.fails(125, "rnsenter: no container that we see is called nskit-blue");
}

/// Starts a bus, by which others ask systemd for units.
fn bus(t: &Test) -> Unit {
    let socket = "[Socket]\nListenStream=/run/dbus/system_bus_socket\n";
    let service = "Requires=dbus.socket\n[Service]\nType=notify\n\
                   ExecStart=dbus-daemon --system --address=systemd: --nofork --nopidfile --systemd-activation\n";
    write_unit(UNITS, "dbus.socket", socket);
    write_unit(UNITS, "dbus.service", service);
    Unit::start(t, "dbus.service")
}

#[test]
fn a_machine_that_is_registered_is_found_by_its_scope_and_shown_by_its_file() {
    let t = rings!(Uml, Qemu);
    let machined = "/lib/systemd/systemd-machined";
    if !is_here(&t) || !t.has("dbus-daemon") || !t.needs(Path::new(machined).exists(), machined) {
        return;
    }
    let _bus = bus(&t);
    let registrar = format!("[Service]\nType=dbus\nBusName=org.freedesktop.machine1\nExecStart={machined}\n");
    write_unit(UNITS, "systemd-machined.service", &registrar);
    let _machined = Unit::start(&t, "systemd-machined.service");
    let (_dir, words) = machine("nskit-green");
    let words: Vec<&str> = words.split(' ').collect();
    let held = t.program(words[0]).args(&words[1..]).args(["sleep", "1000"]).start();
    let first = first_of(held.pid());
    let file = "/run/systemd/machines/nskit-green";
    assert!(within(Duration::from_secs(30), || Path::new(file).exists()));
    for name in ["ctr:nskit-green", "nskit-green"] {
        leads_to(&t, name, first);
    }
    let scope = r"machine-nskit\x2dgreen.scope";
    leads_to(&t, &format!("unit:{scope}"), first);
    let container = format!("nskit-green systemd-nspawn {file}");
    assert_eq!(shown(&t, "nskit-green"), [container, format!("{scope} systemd cgroup")]);
    assert_eq!(offered(&t, "reference", "ctr:nskit-g"), ["ctr:nskit-green"]);
    let seen = t.program("machinectl").args(["show", "--value", "-p", "Leader", "nskit-green"]).run().ok();
    assert_eq!(seen.trim(), first.to_string());
    drop(held);
    assert!(within(Duration::from_secs(30), || !Path::new(file).exists()));
    let hint = t.tool("rnsenter").args(["-t", "nskit-green", "true"]).run();
    hint.fails(125, "rnsenter: no container that we see is called nskit-green");
}

/// A manager of the ordinary user's own: the directory where it listens, and its unit.
pub(crate) fn users_manager(t: &Test) -> (String, Unit) {
    let runtime = format!("/run/user/{NOBODY}");
    let units = format!("{runtime}/systemd/user");
    std::fs::create_dir_all(&units).unwrap();
    write_unit(&units, "nskit.target", "");
    for dir in [&runtime, &format!("{runtime}/systemd"), &units] {
        std::os::unix::fs::chown(dir, Some(NOBODY), Some(NOBODY)).unwrap();
    }
    let manager = format!(
        "[Service]\nUser=%i\nType=notify\nEnvironment=XDG_RUNTIME_DIR={runtime}\nSlice=user-%i.slice\nDelegate=yes\n\
         ExecStart=/lib/systemd/systemd --user --unit=nskit.target\n"
    );
    write_unit(UNITS, "user@.service", &manager);
    let unit = Unit::start(t, &format!("user@{NOBODY}.service"));
    (runtime, unit)
}

#[test]
fn units_of_a_users_own_manager_are_shown_and_entered_by_name_only_by_that_user() {
    let t = rings!(Uml, Qemu);
    if !is_here(&t) {
        return;
    }
    let (runtime, manager) = users_manager(&t);
    let run = t.program("setpriv").args([
        "--reuid",
        &NOBODY.to_string(),
        "--clear-groups",
        "systemd-run",
        "--user",
    ]);
    let words = ["-q", "-p", "DefaultDependencies=no", "--unit=nskit-mine", "sleep", "1000"];
    run.args(words).env("XDG_RUNTIME_DIR", &runtime).run().ok();
    let group = format!(
        "/sys/fs/cgroup{}/app.slice/nskit-mine.service/cgroup.procs",
        manager.show(&t, "ControlGroup")
    );
    let pid: i32 = std::fs::read_to_string(group).unwrap().trim().parse().unwrap();

    assert_eq!(seen(&t, "unit:nskit-mine"), pid);
    let its = format!("user@{NOBODY}.service/nskit-mine.service systemd cgroup");
    assert_eq!(shown(&t, "unit:nskit-mine"), [String::new(), its]);
    assert_eq!(offered(&t, "unit", "nskit-m"), ["nskit-mine.service"]);
    let enter = || ["-t", "unit:nskit-mine", "echo", "entered"];
    let hint = t.tool("rnsenter").args(enter()).run();
    let hint = hint.fails(125, "rnsenter: no unit is proved to be called nskit-mine");
    assert!(hint.contains(&format!("(process {pid} of user {NOBODY} in ")), "{hint}");
    assert_eq!(t.tool("rnsenter").as_user().args(enter()).run().ok(), "entered\n");
    // The manager's own is delegated to the user as a whole, who can put anything there.
    let unit = format!("unit:{}", manager.0);
    assert_eq!(seen(&t, &unit), manager.pid(&t));
    let hint = t.tool("rnsenter").args(["-t", &unit, "true"]).run();
    hint.fails(125, &format!("rnsenter: no unit is proved to be called {}", manager.0));
}

#[test]
fn a_container_of_docker_in_a_scope_of_systemd_is_found_by_name_id_and_unit() {
    let t = rings!(Containers);
    if !is_here(&t) || !["dockerd", "docker", "dbus-daemon"].iter().all(|program| t.has(program)) {
        return;
    }
    let _bus = bus(&t);
    // The machine is thrown away; an overlay on its overlay is not possible.
    let dir = tempfile::Builder::new().prefix("nskit-docker").tempdir_in("/run").unwrap();
    std::fs::create_dir_all("/etc/docker").unwrap();
    let config = format!("{{\"data-root\": \"{}\"}}", dir.path().display());
    std::fs::write("/etc/docker/daemon.json", config).unwrap();
    let options = "--storage-driver=overlay2 --exec-opt native.cgroupdriver=systemd --bridge=none --iptables=false \
                   --ip6tables=false --ip-masq=false";
    write_unit(
        UNITS,
        "docker.service",
        &format!("[Service]\nType=notify\nExecStart=dockerd {options}\nDelegate=yes\n"),
    );
    let _docker = Unit::start(&t, "docker.service");
    let (image, _) = machine("none");
    let docker = |words: &[&str]| {
        let output = t.program("docker").args(words).patiently().run();
        assert_eq!(output.code, Some(0), "{}", output.errors());
        output.text().trim().to_string()
    };
    let import = "tar -C \"$1\" -c . | docker import - image";
    t.program("sh").args(["-c", import, "sh", image.path().to_str().unwrap()]).patiently().run().ok();
    let id = docker(&["run", "-d", "--name=nskit-web", "--net=none", "image", "sleep", "1000"]);
    let pid: i32 = docker(&["inspect", "-f", "{{.State.Pid}}", "nskit-web"]).parse().unwrap();

    let unit = format!("docker-{id}.scope");
    for name in [
        "nskit-web",
        "ctr:nskit-web",
        &format!("ctr:{}", &id[..12]),
        &format!("ctr:{id}"),
        &format!("unit:{unit}"),
    ] {
        leads_to(&t, name, pid);
    }
    let file = dir.path().join("containers").join(&id).join("config.v2.json");
    let container = format!("nskit-web docker {}", file.display());
    assert_eq!(shown(&t, "nskit-web"), [container, format!("{unit} systemd cgroup")]);
    assert_eq!(offered(&t, "reference", "ctr:nskit"), ["ctr:nskit-web"]);
    docker(&["rm", "-f", "nskit-web"]);
    let hint = t.tool("rnsenter").args(["-t", "nskit-web", "true"]).run();
    hint.fails(125, "rnsenter: no container that we see is called nskit-web");
}
