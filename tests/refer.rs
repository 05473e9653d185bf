//! The ways to name a process or a namespace, on the live kernel.

mod names;
pub(crate) mod systemd;

use std::path::{Path, PathBuf};
use std::sync::mpsc::channel;

use common::kind::Kind;
use common::ns::fd::NsFd;
use common::proc::{Proc, Target};

use crate::harness::{Held, Ring, Test, inode, tool_path};

/// A link as /proc/PID/ns has it.
fn link(pid: impl std::fmt::Display, kind: &str) -> String {
    format!("{kind}:[{}]", inode(pid, kind))
}

/// What rnsenter prints that enters what is named: the namespace of this kind.
fn entered(t: &Test, options: &[&str], kind: &str) -> String {
    t.tool("rnsenter")
        .args(options)
        .args(["readlink", &format!("/proc/self/ns/{kind}")])
        .run()
        .ok()
        .trim()
        .into()
}

/// A process with a network of its own; in the ring of users, with all that it needs for that.
fn networked(t: &Test) -> Held {
    t.hold("runshare", if Ring::here().is_root() { &["-n"] } else { &["-Urn"] })
}

/// The options with which such a network is entered.
fn enter(reference: &str) -> Vec<&str> {
    if Ring::here().is_root() { vec!["-t", reference, "-n"] } else { vec!["-t", reference, "-U", "-n"] }
}

#[test]
fn a_process_is_named_by_its_pid_its_pidfd_or_as_a_thread() {
    let t = rings!(Host, User, Uml, Qemu);
    let held = networked(&t);
    let (pid, net) = (held.pid(), link(held.pid(), "net"));
    assert_ne!(net, link("self", "net"));
    for reference in [format!("{pid}"), format!("{pid}/{pid}")] {
        assert_eq!(entered(&t, &enter(&reference), "net"), net, "{reference}");
    }
    let target = Target::open(&Proc::system().unwrap(), pid).unwrap();
    match target.inode().unwrap() {
        Some(number) => {
            assert_eq!(entered(&t, &enter(&format!("{pid}:{number}")), "net"), net);
            let other = format!("{pid}:{}", number + 1);
            let hint = t.tool("rnsenter").args(enter(&other)).arg("true").run();
            let hint = hint.fails(125, &format!("rnsenter: process {pid} is another one than {other}"));
            assert_eq!(hint, format!("that one has ended; this one is {pid}:{number}"));
            let world = t.tool("nsinfo").args(["-J", &other]).run();
            world.fails(1, &format!("nsinfo: process {pid} is another one than {other}"));
        }
        None => {
            let refused = t.tool("rnsenter").args(enter(&format!("{pid}:5"))).arg("true").run();
            let line = format!("{pid}:5 cannot be told from others: this kernel does not number pidfds");
            assert!(refused.fails(125, &format!("rnsenter: {line}")).contains("Linux 6.9"));
        }
    }
}

#[test]
fn a_thread_with_a_namespace_of_its_own_is_named_by_its_number() {
    let t = rings!(Host, Uml, Qemu);
    let (tell, told) = channel();
    let (stay, end) = channel::<()>();
    let thread = std::thread::spawn(move || {
        common::sys::unshare(Kind::Net.row().flag).unwrap();
        tell.send(nix::unistd::gettid().as_raw()).unwrap();
        let _ = end.recv();
    });
    let (pid, tid) = (std::process::id(), told.recv().unwrap());
    let reference = format!("{pid}/{tid}");
    let its = std::fs::read_link(format!("/proc/{pid}/task/{tid}/ns/net")).unwrap().display().to_string();
    assert_ne!(its, link("self", "net"));
    assert_eq!(entered(&t, &["-t", &reference, "-n"], "net"), its);
    assert_eq!(entered(&t, &["-t", &reference, "-a"], "net"), its);
    assert_eq!(entered(&t, &[&format!("--net=/proc/{pid}/task/{tid}/ns/net")], "net"), its);
    assert_eq!(entered(&t, &["-t", &pid.to_string(), "-n"], "net"), link("self", "net"));
    let listed = t.tool("rlsns").args(["-rnl", "-o", "NS", "-t", "uts", "-p", &reference]).run().ok();
    assert_eq!(listed, format!("{}\n", inode("self", "uts")));
    let world = t.tool("nsinfo").args(["-J", &reference]).run().ok();
    let world = crate::harness::world(&world);
    assert_eq!(format!("net:[{}]", world["namespaces"]["net"]["ns"]), its);

    let alone = t.tool("rnsenter").args(["-t", &tid.to_string(), "-n", "true"]).run();
    assert!(
        alone.code == Some(125) && alone.errors().contains("name it with its process, as PID/TID"),
        "{alone:?}"
    );
    let strange = format!("2/{tid}");
    let hint = t.tool("rnsenter").args(["-t", &strange, "-n", "true"]).run();
    let hint = hint.fails(125, &format!("rnsenter: open thread {tid} of 2: No such process"));
    assert_eq!(hint, "the threads of a process are listed in /proc/2/task");
    drop(stay);
    thread.join().unwrap();
}

#[test]
fn we_ourselves_who_started_us_and_the_first_process_have_words() {
    let t = rings!(Host, Uml, Qemu);
    assert_eq!(entered(&t, &["-t", "self", "-n"], "net"), link("self", "net"));
    // The parent is in a network of its own, and its child has left it.
    let words =
        [tool_path("rnsenter").to_str().unwrap(), "-t", "parent", "-n", "readlink", "/proc/self/ns/net"];
    let out = format!("--net=/proc/{}/ns/net", std::process::id());
    let script = "readlink /proc/self/ns/net; \"$@\"; true";
    let run =
        t.tool("runshare").args(["-n", "sh", "-c", script, "sh", "nsenter", &out]).args(words).run().ok();
    let lines: Vec<&str> = run.lines().collect();
    assert_eq!(lines[0], lines[1]);
    assert_ne!(lines[0], link("self", "net"));

    let of_init = t.tool("nsinfo").args(["-J", "init"]).run().ok();
    let of_init = crate::harness::world(&of_init);
    assert_eq!(of_init["identity"]["pids"][0], 1);
    let me = t.tool("nsinfo").args(["-J", "parent"]).run().ok();
    let me = crate::harness::world(&me);
    assert_eq!(me["identity"]["pids"][0], std::process::id());
    // In a pid namespace of its own the first process is another, and its child has left its host name.
    let script = "hostname first; \"$0\" -J init; unshare -u sh -c 'hostname other; \"$0\" -t init -u hostname' \"$1\"";
    let tools = ["nsinfo", "rnsenter"].map(|tool| tool_path(tool).to_str().unwrap().to_string());
    let run = t.tool("runshare").args(["-fpu", "--mount-proc", "sh", "-c", script]).args(tools).run().ok();
    let (first, name) = run.trim_end().rsplit_once('\n').unwrap();
    assert_eq!(name, "first");
    let first = crate::harness::world(first);
    assert!(first["identity"]["command"].as_str().unwrap().starts_with("sh -c"), "{first}");
}

/// The number that a process's namespace keeps until the machine boots again.
fn number(pid: i32, kind: Kind) -> Option<u64> {
    NsFd::of(&Proc::system().unwrap().task(pid).unwrap(), kind).unwrap().number()
}

#[test]
fn a_namespace_is_named_itself_and_is_entered_without_a_further_option() {
    let t = rings!(Host, Uml, Qemu);
    let held = t.hold("runshare", &["-n", "-m"]);
    let pid = held.pid();
    let (net, ino) = (link(pid, "net"), inode(pid, "net").to_string());
    let file = format!("/proc/{pid}/ns/net");
    let mut references = vec![net.clone(), ino.clone(), file.clone()];
    references.extend(number(pid, Kind::Net).map(|number| format!("net:#{number}")));
    for reference in &references {
        for options in [&["-t", reference][..], &["-t", reference, "-n"], &["-t", reference, "-a"]] {
            assert_eq!(entered(&t, options, "net"), net, "{options:?}");
            assert_eq!(entered(&t, options, "mnt"), link("self", "mnt"), "{options:?}");
        }
        let processes = t.tool("rlsns").args(["-rnl", "-o", "PID", reference]).run().ok();
        assert_eq!(processes, format!("{pid}\n"), "{reference}");
        let what = if reference == &file { format!("net namespace {file}") } else { String::new() };
        for (option, other) in
            [("-u", "uts namespace"), ("-r", "root directory"), ("-w", "working directory")]
        {
            let run = t.tool("rnsenter").args(["-t", reference, option, "true"]).run();
            let line = run.errors().lines().next().unwrap_or_default().to_string();
            assert!(line.starts_with("rnsenter: net namespace "), "{line}");
            assert!(
                line.contains(&what) && line.ends_with(&format!(" is one namespace: it has no {other}")),
                "{line}"
            );
            assert_eq!(run.code, Some(125));
        }
    }
    // One of two cannot be left out unsaid.
    let two = t.tool("rnsenter").args(["-t", &net, "--net=/proc/self/ns/net", "true"]).run();
    let line = format!("rnsenter: net namespace {net} is not the only net namespace to be entered");
    assert_eq!(two.fails(125, &line), "name one, by --target or by --net");
    // As the value of an option only what has a prefix is no file.
    assert_eq!(entered(&t, &[&format!("--net={net}")], "net"), net);
    let dir = tempfile::tempdir().unwrap();
    let no_file = t.tool("rnsenter").args([&format!("--net={ino}"), "true"]).dir(dir.path()).run();
    no_file.fails(125, &format!("rnsenter: open net namespace {ino}: No such file or directory"));
    std::fs::write(dir.path().join(&net), "a file of that name").unwrap();
    let run =
        t.tool("rnsenter").args([&format!("-n={net}"), "readlink", "/proc/self/ns/net"]).dir(dir.path());
    assert_eq!(run.run().ok().trim(), net);
    let wrong = t.tool("rnsenter").args([&format!("--uts={net}"), "true"]).run();
    let line = format!("rnsenter: net namespace {net} is a net namespace, not a uts namespace");
    assert_eq!(wrong.fails(125, &line), "give it to --net");
    // A process has one of each kind.
    let nowhere = t.tool("rnsenter").args(["--net=ctr:no such", "true"]).run();
    nowhere.fails(125, "rnsenter: no container that we see is called no such");
}

#[test]
fn a_number_of_another_kind_or_of_nothing_is_refused() {
    let t = rings!(Host, Uml, Qemu);
    let held = t.hold("runshare", &["-n"]);
    let ino = inode(held.pid(), "net");
    let run = t.tool("rnsenter").args(["-t", &format!("uts:[{ino}]"), "true"]).run();
    let hint = run.fails(125, &format!("rnsenter: uts:[{ino}]: this number is that of a net namespace"));
    assert_eq!(hint, format!("net:[{ino}]"));
    for reference in ["net:[4294967295]", "net:#18446744073709551615"] {
        let run = t.tool("rnsenter").args(["-t", reference, "true"]).run();
        // Where some processes are closed to us, as is the first in places, the line says that too.
        let errors = run.errors();
        let line = match (reference.contains('#'), number(held.pid(), Kind::Net)) {
            (true, None) => format!("{reference}: this kernel does not number net namespaces"),
            _ => format!("nothing that we see keeps a namespace {reference}"),
        };
        assert!(errors.starts_with(&format!("rnsenter: {line}")) && run.code == Some(125), "{errors}");
        assert!(errors.contains("\nhint: "), "{errors}");
    }
}

#[test]
fn namespaces_without_a_process_are_found_where_they_are_mounted_and_above_others() {
    let t = rings!(Host, Uml, Qemu);
    // The process goes on into a user namespace below the first, in which nobody is left.
    let held = t.hold("runshare", &["-Ur", tool_path("runshare").to_str().unwrap(), "-U"]);
    let of = NsFd::of(&Proc::system().unwrap().task(held.inner()).unwrap(), Kind::User).unwrap();
    let above = of.parent().unwrap().unwrap().id().unwrap().ino;
    let options = ["-t", &format!("user:[{above}]"), "--preserve-credentials"];
    assert_eq!(entered(&t, &options, "user"), format!("user:[{above}]"));

    // What ip-netns(8) does, in a file system of our own.
    let script = r#"
        mount -t tmpfs none /run && mkdir /run/netns && ip netns add blue && : >/run/netns/stale || exit 1
        net=$(ip netns exec blue readlink /proc/self/ns/net)
        for options in "-t netns:blue" "-t netns:blue -n" "--net=netns:blue" "-t $net" "-t /run/netns/blue"; do
            [ "$($1 $options readlink /proc/self/ns/net)" = "$net" ] || echo "$options: $($1 $options true 2>&1)"
        done
        $1 -t netns:red true; $1 -t netns:stale true; $1 -t netns:../netns/blue true; $1 -t netns:blue -m true
        $2 netns:blue
        ip netns exec blue $2 -n -o TYPE,NPROCS,COMMAND netns:blue
    "#;
    let tools = ["rnsenter", "rlsns"].map(|tool| tool_path(tool).to_str().unwrap().to_string());
    let run = t
        .program("unshare")
        .args(["-m", "--propagation", "private", "sh", "-c", script, "sh"])
        .args(tools)
        .run();
    let errors: Vec<String> = run.errors().lines().map(String::from).collect();
    let expected = [
        "rnsenter: open net namespace /run/netns/red: No such file or directory",
        "hint: `ip netns list` shows the names; a process's network namespace need not have one",
        "rnsenter: /run/netns/stale is no namespace",
        "hint: a namespace file is one of /proc/PID/ns, or a bind mount of one, as in /run/netns",
        "rnsenter: the name of a network namespace has no slash: ../netns/blue",
        "hint: it is a file in /run/netns",
        "rnsenter: net namespace /run/netns/blue is one namespace: it has no mnt namespace",
        "hint: name a process to enter what it has: -t PID, -t ctr:NAME",
    ];
    assert_eq!(errors[..8], expected, "{}", run.text());
    assert!(errors[8].starts_with("rlsns: no process is seen in a namespace net:["), "{errors:?}");
    assert!(run.text().starts_with("net       1 "), "{}", run.text());
}

/// Nothing of a namespace holds it any more. The kernel takes its time to end it, and may give its number to one of
/// another test, which ends too.
fn assert_ends(t: &Test, reference: &str) {
    let gone = || t.tool("rnsenter").args(["-t", reference, "true"]).run().code == Some(125);
    assert!(crate::harness::within(std::time::Duration::from_secs(120), gone), "{reference}");
}

#[test]
fn a_namespace_that_only_a_mount_elsewhere_holds_is_entered_by_its_numbers() {
    let t = rings!(Host, Uml, Qemu);
    // No process is in it, and we do not see the mount.
    let script = "mount -t tmpfs none /mnt && : >/mnt/net && unshare --net=/mnt/net readlink /proc/self/ns/net \
                  && exec sleep 1000";
    let held = t.program("unshare").args(["-m", "--propagation", "private", "sh", "-c", script]).hold();
    // Who printed the link was in it, and has to end first.
    let alone = || crate::harness::sleeps(held.pid());
    assert!(crate::harness::within(std::time::Duration::from_secs(20), alone));
    let file = format!("/proc/{}/root/mnt/net", held.pid());
    let net = held.line.clone();
    assert!(net.starts_with("net:["), "{net}");
    let mut names = vec![net.clone(), file.clone()];
    let number = NsFd::open_as(Path::new(&file), Kind::Net).unwrap().number();
    names.extend(number.map(|number| format!("net:#{number}")));
    for name in &names {
        assert_eq!(entered(&t, &["-t", name], "net"), net);
        assert_eq!(entered(&t, &[&format!("--net={name}")], "net"), net);
    }
    drop(held);
    names.iter().for_each(|name| assert_ends(&t, name));
}

#[test]
fn a_namespace_that_only_a_descriptor_holds_is_entered_by_its_number() {
    let t = rings!(Host, User, Uml, Qemu);
    let script = "unshare -Urn sleep 1000 & until [ \"$(cat /proc/$!/comm)\" = sleep ]; do sleep 0.05; done
                  readlink /proc/$!/ns/net; exec 6</proc/$!/ns/net; kill $!; wait; exec sleep 1000";
    let held = t.program("sh").args(["-c", script]).hold();
    let net = held.line.clone();
    assert!(net.starts_with("net:["), "{net}");
    let alone = || crate::harness::sleeps(held.pid());
    assert!(crate::harness::within(std::time::Duration::from_secs(20), alone));
    // An ordinary user may not enter it without its user namespace, but finds it.
    let run = t.tool("rnsenter").args(["-t", &net, "readlink", "/proc/self/ns/net"]).run();
    match crate::harness::Ring::here().is_root() {
        true => assert_eq!(run.ok().trim(), net),
        false => assert!(run.errors().starts_with("rnsenter: setns net namespace net:["), "{}", run.errors()),
    }
    drop(held);
    assert_ends(&t, &net);
}

/// A group of the test's own: of version 2, or of systemd's own hierarchy where there is no version 2.
pub struct Groups {
    dir: PathBuf,
    /// What its hierarchy is called in `cg:CONTROLLER:PATH`.
    pub hierarchy: &'static str,
    /// Its path in /proc/PID/cgroup.
    pub path: String,
}

impl Groups {
    /// Its name ends so. None where nothing is mounted.
    pub fn new(t: &Test, suffix: &str) -> Option<Groups> {
        use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
        let of = |what: &str| mounts.lines().find(|line| line.contains(what));
        let v2 = of(" - cgroup2 ").map(|line| ("", line));
        let hierarchy = v2.or_else(|| Some(("name=systemd", of(",name=systemd")?)));
        t.belongs(hierarchy.is_some(), "a machine with groups").then_some(())?;
        let (hierarchy, mount) = hierarchy?;
        let name = format!("nskit-refer-{}-{}{suffix}", std::process::id(), COUNT.fetch_add(1, Relaxed));
        let dir = Path::new(mount.split(' ').nth(4).unwrap()).join(&name);
        std::fs::create_dir(&dir).unwrap();
        Some(Groups { dir, hierarchy, path: format!("/{name}") })
    }

    /// The directory of one below it.
    pub fn dir(&self, below: &str) -> PathBuf {
        self.dir.join(below)
    }

    /// Makes one below it.
    pub fn make(&self, below: &str) {
        std::fs::create_dir_all(self.dir(below)).unwrap();
    }

    /// Moves a process there.
    pub fn take(&self, below: &str, pid: i32) {
        std::fs::write(self.dir(below).join("cgroup.procs"), pid.to_string()).unwrap();
    }

    fn all(dir: &Path, found: &mut Vec<PathBuf>) {
        found.push(dir.into());
        for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
            if entry.path().is_dir() {
                Groups::all(&entry.path(), found);
            }
        }
    }
}

impl Drop for Groups {
    fn drop(&mut self) {
        let mut all = Vec::new();
        Groups::all(&self.dir, &mut all);
        let gone = crate::harness::within(std::time::Duration::from_secs(20), || {
            all.iter().rev().for_each(|dir| _ = std::fs::remove_dir(dir));
            !self.dir.exists()
        });
        assert!(gone || std::thread::panicking(), "{}", self.dir.display());
    }
}

/// A process that sleeps.
pub fn asleep(t: &Test) -> Held {
    t.program("sh").args(["-c", "echo ready; exec sleep 1000"]).hold()
}

/// The process that a reference is seen as.
pub fn seen(t: &Test, reference: &str) -> i32 {
    let world = t.tool("nsinfo").args(["-J", reference]).run().ok();
    crate::harness::world(&world)["identity"]["pids"][0].as_i64().unwrap() as i32
}

#[test]
fn a_group_names_its_oldest_process() {
    let t = rings!(Host, Uml, Qemu);
    let Some(groups) = Groups::new(&t, "") else { return };
    ["a", "a/b", "empty"].iter().for_each(|below| groups.make(below));
    // Clock ticks are coarse.
    let pause = || std::thread::sleep(std::time::Duration::from_millis(30));
    let first = t.hold("runshare", &["-n"]);
    pause();
    let second = t.hold("runshare", &["-n"]);
    pause();
    let third = t.hold("runshare", &["-n"]);
    groups.take("a/b", second.pid());
    groups.take("a", third.pid());
    let path = groups.path.clone();
    let mount = groups.dir("a").display().to_string();
    for reference in [
        format!("cg:{path}/a"),
        format!("cg:{path}/a/"),
        format!("cg:{}:{path}", groups.hierarchy),
        format!("cg:{mount}"),
    ] {
        assert_eq!(entered(&t, &["-t", &reference, "-n"], "net"), link(second.pid(), "net"), "{reference}");
        assert_eq!(seen(&t, &reference), second.pid(), "{reference}");
        assert_eq!(entered(&t, &[&format!("--net={reference}")], "net"), link(second.pid(), "net"));
    }
    groups.take("a", first.pid());
    assert_eq!(entered(&t, &["-t", &format!("cg:{path}"), "-n"], "net"), link(first.pid(), "net"));
    for (reference, group) in [
        (format!("cg:{path}/empty"), format!("{path}/empty")),
        (format!("cg:{path}/gone"), format!("{path}/gone")),
        (format!("cg:{path}/a/b/c"), format!("{path}/a/b/c")),
        (format!("cg:nothing:{path}"), path.clone()),
    ] {
        let run = t.tool("rnsenter").args(["-t", &reference, "true"]).run();
        let hint = run.fails(125, &format!("rnsenter: no process that we see is in group {group}"));
        assert_eq!(hint, "/proc/PID/cgroup shows the groups of a process");
    }
}

#[test]
fn a_path_that_hierarchies_share_must_be_told_apart() {
    let t = rings!(Host);
    let Some(groups) = Groups::new(&t, "") else { return };
    let pids = Path::new("/sys/fs/cgroup/pids").join(&groups.path[1..]);
    std::fs::create_dir(&pids).unwrap();
    let [one, other] = [asleep(&t), asleep(&t)];
    groups.take("", one.pid());
    std::fs::write(pids.join("cgroup.procs"), other.pid().to_string()).unwrap();
    let path = groups.path.clone();
    let run = t.tool("rnsenter").args(["-t", &format!("cg:{path}"), "true"]).run();
    let hint = run.fails(125, &format!("rnsenter: group {path} is not the same in every hierarchy"));
    let expected =
        format!("say which: cg::... is process {}, cg:pids:... is process {}", one.pid(), other.pid());
    assert_eq!(hint, expected);
    assert_eq!(seen(&t, &format!("cg::{path}")), one.pid());
    assert_eq!(seen(&t, &format!("cg:pids:{path}")), other.pid());
    assert_eq!(seen(&t, &format!("cg:{}", pids.display())), other.pid());
    drop(other);
    let gone =
        crate::harness::within(std::time::Duration::from_secs(20), || std::fs::remove_dir(&pids).is_ok());
    assert!(gone);
}
