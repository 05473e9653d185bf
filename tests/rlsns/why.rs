//! What keeps a namespace, and what would free it: --why, --leaks, what is guessed, and colours.

use std::collections::BTreeSet;
use std::fs::{create_dir_all, write};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use super::{MACHINE, listed, machine};
use crate::harness::{Held, Test, inode, within};

/// What keeps a namespace, as JSON; none if nothing shows it.
fn asked(t: &Test, name: &str) -> Option<Vec<Value>> {
    let run = t.tool("rlsns").args(["-J", "--why", name]).run();
    let json: Value = serde_json::from_str(&run.text()).ok().filter(|_| run.code == Some(0))?;
    // Another test's tool holds what it asks, for an instant.
    let by_tool = |holder: &&Value| {
        let command = holder["command"].as_str().unwrap_or_default();
        holder["holder"] != "process"
            && ["lsns", "rnsenter", "nsinfo"].iter().any(|tool| command.contains(tool))
    };
    Some(json["holders"].as_array().unwrap().iter().filter(|holder| !by_tool(holder)).cloned().collect())
}

#[track_caller]
fn holders(t: &Test, name: &str) -> Vec<Value> {
    asked(t, name).unwrap_or_else(|| panic!("{name} is not shown"))
}

/// Sorts and commands of what keeps it, each once.
fn commands(holders: &[Value]) -> BTreeSet<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_string();
    holders.iter().map(|holder| (text(&holder["holder"]), text(&holder["release"]))).collect()
}

/// The same of what keeps the namespace with this name.
#[track_caller]
fn told(t: &Test, name: &str) -> BTreeSet<(String, String)> {
    commands(&holders(t, name))
}

/// What is expected of [`told`].
fn expected(list: &[(&str, String)]) -> BTreeSet<(String, String)> {
    list.iter().map(|(holder, release)| (holder.to_string(), release.clone())).collect()
}

/// The commands of these, and of the namespaces that they lead to.
fn ways(t: &Test, told: &BTreeSet<(String, String)>, all: &mut Vec<String>) {
    for (_, command) in told {
        match command.strip_prefix("rlsns --why ") {
            Some(other) => {
                let holders = asked(t, other.trim_matches('\'')).unwrap_or_default();
                ways(t, &commands(&holders), all);
            }
            None => all.push(command.clone()),
        }
    }
}

/// Runs the commands that are told, and those for the namespaces that these lead to, until nothing shows it. What ends
/// by that is waited for.
fn free(t: &Test, name: &str, held: &mut Held) {
    let bin = crate::harness::tool_path("rlsns");
    let path = format!("{}:{}", bin.parent().unwrap().display(), std::env::var("PATH").unwrap());
    let run = |command: &str| t.program("sh").args(["-c", command]).env("PATH", &path).run();
    // It may be gone by what was done for another.
    let before = commands(&asked(t, name).unwrap_or_default());
    // All are asked for before the first is freed: the number of one that is gone can be that of another test's at once,
    // and its commands end what is not ours.
    let mut all = Vec::new();
    ways(t, &before, &mut all);
    for command in all {
        // What another one has ended already is gone. Another test's lister can hold a mount for an instant.
        within(Duration::from_secs(10), || !run(&command).errors().contains("target is busy"));
    }
    // By then its number can be another test's as well, which is kept by others.
    let gone = || {
        held.child.try_wait().unwrap();
        asked(t, name).is_none_or(|now| commands(&now).is_disjoint(&before))
    };
    assert!(within(Duration::from_secs(10), gone), "{name} is still there");
}

fn named(pid: i32, kind: &str) -> String {
    format!("{kind}:[{}]", inode(pid, kind))
}

#[test]
fn a_process_keeps_its_namespaces_and_the_first_of_a_pid_namespace_needs_a_kill() {
    let t = rings!(Host, User, Qemu);
    let mut held = t.hold("unshare", &["-Ur", "-n", "-pf", "--kill-child"]);
    let (outer, inner) = (held.pid(), held.inner());
    let net = named(inner, "net");
    // While it waits for its child, unshare(1) ignores SIGTERM.
    let kill = |pid| ("process", format!("kill -KILL {pid}"));
    let first = ("process", format!("kill -KILL {inner}"));
    assert_eq!(told(&t, &net), expected(&[kill(outer), first.clone()]));
    let pid = named(inner, "pid");
    assert_eq!(told(&t, &pid), expected(&[first, ("children", format!("kill -KILL {outer}"))]));
    let shown = t.tool("rlsns").args(["--why", &pid]).run().ok();
    let heading = format!("{pid} stays while one of these does:\nHOLDER ");
    assert!(shown.starts_with(&heading) && shown.contains(&format!(" kill -KILL {inner} ")), "{shown}");
    let user = named(inner, "user");
    let below = |kind| ("namespace", format!("rlsns --why '{}'", named(inner, kind)));
    assert!(told(&t, &user).is_superset(&expected(&[below("net"), below("pid"), kill(outer)])));
    free(&t, &pid, &mut held);
    // Nobody was elsewhere in that.
    free(&t, &user, &mut held);
}

#[test]
fn a_process_that_has_ended_is_let_go_by_its_parent() {
    let t = rings!(Host, User, Qemu);
    // `sleep` waits for no child.
    let script = "unshare -Ur readlink /proc/self/ns/user & exec sleep 1000";
    let mut held = t.program("sh").args(["-c", script]).hold();
    let name = held.line.clone();
    let has_ended = || {
        let pid = crate::harness::children(held.pid())[0];
        std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| stat.contains(") Z "))
    };
    assert!(within(Duration::from_secs(10), has_ended));
    let release = format!("kill {}", held.pid());
    assert_eq!(told(&t, &name), expected(&[("process", release)]));
    assert_eq!(holders(&t, &name)[0]["pid"], crate::harness::children(held.pid())[0]);
    free(&t, &name, &mut held);
}

/// A program that keeps the net namespace (mnt if on its way) it makes in the way that is named, and prints the numbers of that one.
const KEEPER: &str = r#"
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
static void tell(int ns) {
    struct stat st;
    unsigned long long id = 0;
    fstat(ns, &st);
    if (ioctl(ns, _IOR(0xb7, 13, unsigned long long), &id)) id = 0;
    printf("%llu %llu\n", (unsigned long long)st.st_ino, id);
    fflush(stdout);
}
static void *other(void *unused) {
    if (unshare(CLONE_NEWNET)) return 0;
    int ns = open("/proc/thread-self/ns/net", O_RDONLY);
    tell(ns);
    close(ns);
    pause();
    return unused;
}
int main(int argc, char **argv) {
    int flight = argc > 1 && !strcmp(argv[1], "flight"), pair[2];
    int kind = flight ? CLONE_NEWNS : CLONE_NEWNET;
    const char *link = flight ? "/proc/self/ns/mnt" : "/proc/self/ns/net";
    int own = open(link, O_RDONLY);
    if (argc < 2 || own < 0) return 1;
    if (!strcmp(argv[1], "thread")) {
        pthread_t thread;
        close(own);
        pthread_create(&thread, 0, other, 0);
        pthread_join(thread, 0);
        return 1;
    }
    if (unshare(kind)) return 1;
    int ns = open(link, O_RDONLY);
    if (!strcmp(argv[1], "socket")) socket(AF_INET, SOCK_DGRAM, 0);
    if (setns(own, kind)) return 1;
    close(own);
    if (flight) {
        socketpair(AF_UNIX, SOCK_DGRAM, 0, pair);
        char text[1] = "x", control[CMSG_SPACE(sizeof ns)] = {0};
        struct iovec part = {text, 1};
        struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
        struct cmsghdr *head = CMSG_FIRSTHDR(&message);
        head->cmsg_level = SOL_SOCKET, head->cmsg_type = SCM_RIGHTS, head->cmsg_len = CMSG_LEN(sizeof ns);
        memcpy(CMSG_DATA(head), &ns, sizeof ns);
        if (sendmsg(pair[0], &message, 0) != 1) return 1;
    }
    struct stat st;
    fstat(ns, &st);
    if (!strcmp(argv[1], "fd")) tell(ns);
    else { int again = dup(ns); close(ns); tell(again); close(again); puts("closed"); fflush(stdout); }
    pause();
    return 0;
}
"#;

/// Starts the keeper: it, the inode number and the id of its namespace, 0 where the kernel gives none.
fn keeper(t: &Test, how: &str) -> Option<(Held, String, u64)> {
    if !t.has("gcc") {
        return None;
    }
    let dir = tempfile::tempdir().unwrap();
    let program = dir.path().join("keeper");
    write(dir.path().join("keeper.c"), KEEPER).unwrap();
    let source = dir.path().join("keeper.c");
    t.program("gcc").args(["-pthread", "-o"]).args([&program, &source]).run().ok();
    // In a user namespace, so that an ordinary user can do it.
    let mut held = t.tool("runshare").args(["-Urnm"]).arg(&program).arg(how).hold();
    let (ino, id) = held.line.split_once(' ').unwrap();
    let kind = if how == "flight" { "mnt" } else { "net" };
    let found = (format!("{kind}:[{ino}]"), id.parse().unwrap());
    if ["socket", "flight"].contains(&how) {
        assert_eq!(held.next_line().as_deref(), Some("closed"));
    }
    Some((held, found.0, found.1))
}

#[test]
fn an_open_descriptor_keeps_one_until_its_process_ends() {
    let t = rings!(Host, User, Qemu);
    let Some((mut held, net, id)) = keeper(&t, "fd") else { return };
    let kill = format!("kill {}", held.pid());
    assert_eq!(told(&t, &net), expected(&[("fd", kill.clone())]));
    let found = &holders(&t, &net)[0];
    assert!(
        found["fd"].as_i64().is_some_and(|fd| fd > 2)
            && found["command"].as_str().unwrap().ends_with("keeper fd")
    );
    assert!(found["start"].as_str().unwrap().ends_with('Z') && found["reason"].is_null());
    let shown = t.tool("rlsns").args(["--why", &net]).run().ok();
    let fd = found["fd"].as_i64().unwrap();
    assert!(shown.contains(&format!(" fd {fd} ")) && shown.contains("close a descriptor"), "{shown}");
    let leaks = t.tool("rlsns").args(["--leaks", "-t", "net"]).run().ok();
    let ino = net.trim_matches(|c: char| !c.is_ascii_digit());
    let line = leaks.lines().find(|line| line.trim_start().starts_with(&format!("{ino} "))).unwrap();
    assert!(line.contains(" net  fd ") && line.contains(&format!(" {kill} ")), "{line}");
    let json: Value = serde_json::from_str(&t.tool("rlsns").args(["--leaks", "-J"]).run().ok()).unwrap();
    let leak = json["leaks"]
        .as_array()
        .unwrap()
        .iter()
        .find(|leak| leak["ns"] == ino.parse::<u64>().unwrap())
        .unwrap();
    assert_eq!((&leak["since"], &leak["type"]), (&found["start"], &"net".into()));
    assert_eq!(leak["holders"][0]["release"], kill);
    free(&t, &net, &mut held);
    let leaks = t.tool("rlsns").args(["--leaks", "-t", "net"]).run().ok();
    assert!(!leaks.lines().any(|line| line.contains(&format!(" {kill} "))), "{leaks}");
    // Its inode number can be another test's by now; the one that is given once is not, where the kernel has those.
    if id != 0 {
        let ids = t.tool("rlsns").args(["-r", "-n", "-o", "NSID", "-t", "net"]).run().ok();
        assert!(!ids.lines().any(|line| line == id.to_string()), "{id}: {ids}");
    }
}

#[test]
fn a_socket_keeps_one_until_its_process_ends() {
    let t = rings!(Host, User, Qemu);
    let Some((mut held, net, _)) = keeper(&t, "socket") else { return };
    assert_eq!(told(&t, &net), expected(&[("socket", format!("kill {}", held.pid()))]));
    free(&t, &net, &mut held);
}

#[test]
fn a_thread_keeps_one_until_its_process_ends_and_that_is_no_leak() {
    let t = rings!(Host, User, Qemu);
    let Some((mut held, net, _)) = keeper(&t, "thread") else { return };
    assert_eq!(told(&t, &net), expected(&[("thread", format!("kill {}", held.pid()))]));
    let found = &holders(&t, &net)[0];
    assert_ne!(found["tid"], found["pid"]);
    let shown = t.tool("rlsns").args(["--why", &net]).run().ok();
    assert!(shown.contains(&format!(" thread {} ", found["tid"])), "{shown}");
    let leaks = t.tool("rlsns").args(["--leaks", "-r"]).run().ok();
    assert!(!leaks.contains(net.trim_matches(|c: char| !c.is_ascii_digit())), "{leaks}");
    free(&t, &net, &mut held);
}

#[test]
fn what_nothing_shows_is_said_to_be_on_its_way_and_by_whom() {
    let t = rings!(Host, Qemu);
    let Some((mut held, name, id)) = keeper(&t, "flight") else { return };
    if !t.belongs(id != 0, "Linux 6.18, which lists all mount namespaces") {
        return;
    }
    let shown = t.tool("rlsns").args(["--why", &name]).run().ok();
    let first = format!("{name}: nothing that we can see holds it.\nIt is kept by descriptors in flight (");
    assert!(shown.starts_with(&first) && shown.contains(&format!(" {}", held.pid())), "{shown}");
    let json: Value = serde_json::from_str(&t.tool("rlsns").args(["-J", "--why", &name]).run().ok()).unwrap();
    assert_eq!(json["holders"], Value::Array(vec![]));
    assert!(json["in_flight"].as_array().unwrap().contains(&held.pid().into()), "{json}");
    let leaks = t.tool("rlsns").args(["--leaks", "-t", "mnt"]).run().ok();
    assert!(leaks.contains(&format!(" rlsns --why '{name}'")) && leaks.contains(" mnt  kernel "), "{leaks}");
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(held.pid()), nix::sys::signal::Signal::SIGKILL)
        .unwrap();
    free(&t, &name, &mut held);
}

#[test]
fn a_user_namespace_is_kept_by_those_below_it_and_that_is_a_leak_with_a_reason() {
    let t = rings!(Host, User, Qemu);
    // Nobody stays in the one in the middle.
    let mut held = t.hold("unshare", &["-Ur", "unshare", "-Ur", "-n"]);
    let inner = inode(held.inner(), "user");
    let tree: Value =
        serde_json::from_str(&t.tool("rlsns").args(["-Jl", "-Tparent", "-o", "ns,pns,nprocs"]).run().text())
            .unwrap_or_else(|_| {
                let text = t.tool("rlsns").args(["-J", "-l", "-t", "user", "-o", "ns,pns,nprocs"]).run().ok();
                serde_json::from_str(&text).unwrap()
            });
    let rows = tree["namespaces"].as_array().unwrap();
    let above = rows.iter().find(|row| row["ns"] == inner).unwrap()["pns"].as_u64().unwrap();
    let name = format!("user:[{above}]");
    assert_eq!(told(&t, &name), expected(&[("namespace", format!("rlsns --why 'user:[{inner}]'"))]));
    let leaks = t.tool("rlsns").args(["--leaks", "-t", "user"]).run().ok();
    let line = leaks.lines().find(|line| line.trim_start().starts_with(&format!("{above} "))).unwrap();
    assert!(line.contains(" namespace ") && line.contains(&format!(" parent of user:[{inner}] ")), "{line}");
    free(&t, &name, &mut held);
}

#[test]
fn a_name_of_ip_netns_is_a_leak_that_its_command_frees() {
    let t = rings!(Host, Qemu);
    if !t.has("ip") {
        return;
    }
    let rlsns = crate::harness::tool_path("rlsns");
    let script = format!(
        "mount -t tmpfs none /run && ip netns add 'a b' && rlsns={} && ino=$(stat -Lc %i '/run/netns/a b') &&
        echo $ino && $rlsns --leaks -t net -r -n && $rlsns --why \"netns:a b\" -u -n &&
        $rlsns -J --why \"net:[$ino]\" | sed -n 's/.*\"release\": \"\\(.*\\)\",/\\1/p' > /run/command && cat /run/command &&
        sh -e /run/command && ! $rlsns --why 'netns:a b' && $rlsns --leaks -t net",
        rlsns.display()
    );
    let run = t.program("unshare").args(["-m", "sh", "-ec", &script]).run();
    let text = run.text();
    let mut lines = text.lines();
    let ino = lines.next().unwrap();
    let escaped = "ip\\x20netns\\x20del\\x20'a\\x20b'";
    let line = format!("{ino} net mount   /run/netns/a\\x20b  {escaped} ");
    // Other tests leave some meanwhile.
    assert!(lines.any(|found| found == line), "{text}");
    let mut lines = lines.skip_while(|line| !line.starts_with("mount "));
    assert!(lines.next().unwrap().contains(" /run/netns/a b "), "{text}");
    assert_eq!(lines.next(), Some("ip netns del 'a b'"));
    // By its name: its number can be that of another test's by now.
    assert!(!lines.any(|line| line.contains("/run/netns/a")), "{text}");
    assert!(
        run.errors().starts_with("rlsns: open net namespace /run/netns/a b: No such file"),
        "{}",
        run.errors()
    );
}

#[test]
fn a_mount_in_another_mount_namespace_is_freed_through_a_process_there() {
    let t = rings!(Host);
    // Names that would do harm if they came out as they are.
    for point in
        ["plain", "a b", "it's", "x\x1b[31m\x07", "two\nlines", "$(reboot)`id`;", "\u{202e}gpj", "100%\\n"]
    {
        let dir = tempfile::tempdir().unwrap();
        let place = dir.path().join(point);
        write(&place, "").unwrap();
        let script = r#"mount --make-rprivate / && unshare -n mount --bind /proc/self/ns/net "$1" &&
            stat -Lc %i "$1" && exec sleep 1000"#;
        // `mount` itself is in the namespace when it looks at /proc/self.
        let mut held = t.program("unshare").args(["-m", "sh", "-ec", script, "sh"]).arg(&place).hold();
        let name = format!("net:[{}]", held.line);
        let found = holders(&t, &name);
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!((&found[0]["holder"], found[0]["point"].as_str()), (&"mount".into(), place.to_str()));
        assert_eq!(found[0]["within"], inode(held.pid(), "mnt"));
        let command = found[0]["release"].as_str().unwrap();
        assert!(command.starts_with(&format!("rnsenter -t {} -m -r umount ", held.pid())), "{command}");
        for args in [&["--why", &name][..], &["--why", &name, "-r"], &["--leaks"], &["--leaks", "-r"]] {
            for locale in ["C", "C.UTF-8"] {
                let shown = t.tool("rlsns").args(args).env("LC_ALL", locale).run().ok();
                let is_safe = |c: char| c == '\n' || !common::text::is_unsafe(c);
                assert!(shown.chars().all(is_safe) && shown.contains("mount "), "{shown:?}");
            }
        }
        free(&t, &name, &mut held);
    }
}

#[test]
fn a_path_that_no_command_can_name_is_said_to_be_one() {
    let t = rings!(Host, Qemu);
    let dir = tempfile::tempdir().unwrap();
    let place = dir.path().join("end\n");
    write(&place, "").unwrap();
    let script = r#"unshare -n mount --bind /proc/self/ns/net "$1" && stat -Lc %i "$1" && exec sleep 1000"#;
    let held = t.program("unshare").args(["-m", "sh", "-ec", script, "sh"]).arg(&place).hold();
    let name = format!("net:[{}]", held.line);
    let found = &holders(&t, &name)[0];
    assert!(found["release"].is_null() && found["reason"].as_str().unwrap().contains("newline"), "{found}");
    let shown = t.tool("rlsns").args(["--why", &name]).run().ok();
    assert!(
        shown.ends_with("Where no command stands: no command can name a path that ends with a newline.\n"),
        "{shown}"
    );
}

#[test]
fn an_initial_namespace_stays_as_long_as_the_machine() {
    let t = rings!(Host, User, Qemu);
    // This number is that of the initial one everywhere.
    let name = "user:[4026531837]";
    if !t.belongs(
        Path::new("/proc/self/ns/user").read_link().unwrap() == Path::new(name),
        "the machine itself",
    ) {
        return;
    }
    let shown = t.tool("rlsns").args(["--why", name]).run().ok();
    assert_eq!(
        shown,
        format!("{name} is one of those that the machine started with, and stays as long as it runs.\n")
    );
    let json: Value = serde_json::from_str(&t.tool("rlsns").args(["-J", "--why", name]).run().ok()).unwrap();
    assert_eq!(json["namespace"]["initial"], true);
    let holders = json["holders"].as_array().unwrap();
    assert!(!holders.is_empty() && holders.iter().all(|holder| holder["release"].is_null()));
    let leaks = t.tool("rlsns").args(["--leaks", "-J"]).run().ok();
    assert!(!leaks.contains("\"ns\": 4026531837,\n         \"type\""), "{leaks}");
}

#[test]
fn a_directory_that_is_not_proc_gets_no_commands() {
    let t = rings!(Host, User);
    let root = machine(MACHINE);
    let dir = |pid: &str| root.path().join(pid);
    create_dir_all(dir("9/fd")).unwrap();
    for fd in 3..20 {
        symlink("net:[99]", dir(&format!("9/fd/{fd}"))).unwrap();
    }
    for (tid, net) in [(8, 11), (20, 98), (21, 11)] {
        create_dir_all(dir(&format!("8/task/{tid}/ns"))).unwrap();
        symlink(format!("net:[{net}]"), dir(&format!("8/task/{tid}/ns/net"))).unwrap();
    }
    symlink("pid:[97]", dir("13/ns/pid_for_children")).unwrap();
    let why = |name: &str| -> Value {
        serde_json::from_str(&listed(&t, root.path(), &["-J", "--why", name])).unwrap()
    };
    let brief = |name: &str| {
        let json = why(name);
        assert!(json["holders"].as_array().unwrap().iter().all(|holder| holder["release"].is_null()
            && holder["reason"].as_str().unwrap().contains("not those of our own pid namespace")));
        let text = |holder: &Value| {
            ["holder", "pid", "tid", "fd", "command"]
                .map(|key| holder[key].to_string().replace('"', ""))
                .join(" ")
        };
        json["holders"].as_array().unwrap().iter().map(text).collect::<Vec<_>>()
    };
    assert_eq!(brief("net:[98]"), ["thread 8 20 null web --port"]);
    assert_eq!(brief("pid:[97]"), ["children 13 13 null b\u{fffd} \u{9b} e "]);
    assert_eq!(why("pid:[97]")["holders"][0]["command_b64"], "Yv8gwpsgZSA=");
    assert_eq!(brief("net:[99]").len(), 17);
    assert_eq!(brief("net:[11]"), ["process 8 null null web --port", "process 9 null null worker"]);
    let shown = listed(&t, root.path(), &["--why", "net:[99]"]);
    assert!(
        shown.contains(" fd 3, fd 4, fd 5, fd 6, fd 7, fd 8, fd 9, fd 10, fd 11, fd 12, 7 more "),
        "{shown}"
    );
    assert!(!shown.contains("kill"), "{shown}");
    // A namespace that a thread is in is none that nobody is in.
    let leaks: Value = serde_json::from_str(&listed(&t, root.path(), &["--leaks", "-J"])).unwrap();
    let found: Vec<_> =
        leaks["leaks"].as_array().unwrap().iter().map(|leak| leak["ns"].as_u64().unwrap()).collect();
    assert_eq!(found, [97, 99]);
    let one = listed(&t, root.path(), &["--leaks", "-t", "pid", "-r", "-n"]);
    assert!(
        one.starts_with("97 pid children 13 ") && one.ends_with(" b\\xff\\x20\\u{9b}\\x20e\\x20\n"),
        "{one}"
    );
    assert_eq!(listed(&t, root.path(), &["--leaks", "-t", "uts"]), "No namespace is without a process.\n");
    let none: Value =
        serde_json::from_str(&listed(&t, root.path(), &["--leaks", "-t", "uts", "-J"])).unwrap();
    assert_eq!(none, serde_json::json!({"leaks": [], "unreadable": 0}));
}

#[test]
fn of_many_holders_people_see_the_first_and_scripts_all() {
    let t = rings!(Host, User);
    let many: Vec<super::Fake<'_>> =
        (1..=1000).map(|pid| (pid, 1, &b"a"[..], &b"a\x1b\n"[..], "net:5")).collect();
    let root = machine(&many);
    let count =
        |args: &[&str]| listed(&t, root.path(), &[&["--why", "net:[5]"], args].concat()).lines().count();
    let shown = listed(&t, root.path(), &["--why", "net:[5]"]);
    assert!(shown.contains(" and 990 more") && !shown.contains('\x1b'), "{shown}");
    assert_eq!(count(&[]), 14, "{shown}");
    assert_eq!(count(&["-n"]), 11);
    assert_eq!((count(&["-nu"]), count(&["-r"]), count(&["-rn"])), (1000, 1001, 1000));
}

#[test]
fn what_is_not_there_or_makes_no_sense_is_refused() {
    let t = rings!(Host, User);
    let root = machine(MACHINE);
    let why = |name: &str| t.tool("rlsns").arg("--proc").arg(root.path()).args(["--why", name]).run();
    let hint = why("net:[77]").fails(1, "rlsns: nothing shows a namespace net:[77]");
    assert!(hint.starts_with("it may have ended"), "{hint}");
    let other = why("uts:[11]").fails(1, "rlsns: uts:[11]: this number is that of a net namespace");
    assert_eq!(other, "net:[11]");
    why("/nonexistent").fails(1, "rlsns: open namespace /nonexistent: No such file or directory");
    assert!(why("ctr:web").fails(1, "rlsns: no namespace: ctr:web").contains("INO"));
    for args in [
        &["--why", "net:[11]", "-t", "net"][..],
        &["--why", "1", "--leaks"],
        &["--leaks", "-o", "ns"],
        &["--leaks", "11"],
        &["--leaks", "-P"],
        &["--leaks", "-Q", "PID > 1"],
        &["--leaks", "-W"],
        &["--why", "net:[11]", "--output-all"],
    ] {
        let run = t.tool("rlsns").args(args).run();
        assert!(
            run.code == Some(1) && run.errors().contains("cannot be used with"),
            "{args:?} {}",
            run.errors()
        );
    }
    let color = t.tool("rlsns").arg("--color=some").run();
    assert_eq!(color.fails(1, "rlsns: unknown choice of colours: some"), "one of: auto always never");
}

/// A machine in which two processes hide their namespaces, one of them in the network that others show.
fn hiding() -> tempfile::TempDir {
    let root = machine(MACHINE);
    let dir = |pid: &str| root.path().join(pid);
    write(root.path().join("here"), "").unwrap();
    write(root.path().join("there"), "").unwrap();
    for (pid, net, mount) in [
        ("8", "here", "44 1 0:5 / / rw - tmpfs none rw\n"),
        ("30", "here", "45 1 "),
        ("31", "there", "45 1 "),
        ("32", "there", "46"),
    ] {
        create_dir_all(dir(pid).join("net")).unwrap();
        std::fs::hard_link(root.path().join(net), dir(pid).join("net/dev")).unwrap();
        write(dir(pid).join("mountinfo"), mount).unwrap();
        if pid != "8" {
            // No directory, so it cannot be looked at.
            write(dir(pid).join("ns"), "").unwrap();
            write(dir(pid).join("stat"), format!("{pid} (c) S 7 1 1 0")).unwrap();
            write(dir(pid).join("cmdline"), "hidden\0\x1b\0").unwrap();
        }
    }
    root
}

#[test]
fn namespaces_of_those_who_hide_them_are_guessed_and_marked_as_guesses() {
    let t = rings!(Host, User);
    let root = hiding();
    let args = ["-t", "net,mnt", "-o", "ns,type,nprocs,pid,ppid,command,onS", "-l"];
    let run = t.tool("rlsns").arg("--proc").arg(root.path()).args(args).run_in_terminal(80);
    let guessed: Vec<_> = run.lines().filter(|line| line.contains('~')).collect();
    // The mounts of the last cannot be told: the number may go on.
    assert_eq!(
        guessed,
        [
            "11 ~net      1  30    7 hidden \\x1b",
            "   ~net      2  31    7 hidden \\x1b",
            "   ~mnt      2  30    7 hidden \\x1b"
        ],
        "{run}"
    );
    assert!(run.contains("rlsns: 3 processes are missing"), "{run}");
    // Who asks for some namespaces gets no others.
    for args in [&["-P"][..], &["-Q", "TYPE == \"uts\""], &["net:[11]"], &["-p", "9"]] {
        let run = t.tool("rlsns").arg("--proc").arg(root.path()).args(args).run_in_terminal(80);
        assert!(run.contains("COMMAND") && !run.contains('~'), "{run}");
    }
    // Scripts get none of it but in JSON.
    for args in [&["-t", "net"][..], &["-t", "net", "-r"], &["-t", "net", "net:[11]"]] {
        assert!(!listed(&t, root.path(), args).contains('~'));
    }
    let json: Value =
        serde_json::from_str(&listed(&t, root.path(), &["-J", "-t", "net", "-o", "ns"])).unwrap();
    assert_eq!(json["unreadable"], 3);
    let groups = json["inferred"].as_array().unwrap();
    let brief: Vec<_> =
        groups.iter().map(|group| (group["ns"].as_u64(), group["nprocs"].as_u64().unwrap())).collect();
    assert_eq!(brief, [(Some(11), 1), (None, 2)]);
    assert_eq!(
        (&groups[0]["type"], &groups[0]["pid"], &groups[0]["command"]),
        (&"net".into(), &30.into(), &"hidden \x1b".into())
    );
    let without: Value = serde_json::from_str(&listed(&t, root.path(), &["-J", "-t", "uts"])).unwrap();
    assert_eq!(without["inferred"], Value::Array(vec![]));
}

#[test]
fn an_ordinary_user_is_shown_where_the_others_seem_to_be() {
    let t = rings!(Host, Qemu);
    let held = t.hold("unshare", &["-n", "-m"]);
    let json: Value =
        serde_json::from_str(&t.tool("rlsns").as_user().args(["-J", "-t", "net,mnt"]).run().ok()).unwrap();
    let groups = json["inferred"].as_array().unwrap();
    for kind in ["net", "mnt"] {
        let found = |group: &&Value| group["type"] == kind && group["pid"] == held.pid();
        let group = groups.iter().find(found).unwrap_or_else(|| panic!("{kind}: {groups:?}"));
        assert_eq!(
            (&group["ns"], &group["nprocs"], &group["user"]),
            (&Value::Null, &1.into(), &"root".into())
        );
        let own = inode("self", kind);
        assert!(groups.iter().any(|group| group["type"] == kind && group["ns"] == own), "{groups:?}");
    }
    let shown = t.tool("rlsns").as_user().args(["-t", "net"]).run_in_terminal(80);
    assert!(shown.contains(" ~net ") && shown.contains("hint: CAP_SYS_PTRACE can show more\n"), "{shown}");
}

#[test]
fn a_root_without_the_right_to_trace_is_told_what_bounds_it() {
    let t = rings!(Host, Qemu);
    if !t.has("setpriv") {
        return;
    }
    let rlsns = crate::harness::tool_path("rlsns");
    let shown = |bounds: &[&str]| {
        let run = t.program("setpriv").args(bounds).arg(rlsns.as_os_str()).args(["-t", "net", "-l"]);
        run.run_in_terminal(80)
    };
    let bounded = shown(&["--bounding-set=-sys_ptrace"]);
    assert!(bounded.contains("not in our capability bounding set"), "{bounded}");
}

#[test]
fn colours_are_for_terminals_that_want_them() {
    let t = rings!(Host, User);
    let root = machine(MACHINE);
    create_dir_all(root.path().join("9/fd")).unwrap();
    symlink("net:[99]", root.path().join("9/fd/3")).unwrap();
    let args = ["-t", "net", "-o", "ns,pid,command"];
    let run = || t.tool("rlsns").arg("--proc").arg(root.path()).args(args).env("TERM", "xterm");
    let painted = "\x1b[1mNS PID COMMAND\x1b[0m\n\
                   \x1b[2m 1   1 /sbin/init splash\x1b[0m\n\
                   \x1b[2m16  13 \x1b[0m\x1b[2m└─\x1b[0mb";
    let plain = "NS PID COMMAND\n 1   1 /sbin/init splash\n16  13 └─b\\xff \\u{9b} e\n11   8 web --port\n15  12 └─\\x1b]0;x\\x07\\x0a)\n99\n";
    // Nobody knows which are the initial ones in this directory but by kthreadd, whose stat does not say that it is.
    let expected = painted.replace("\x1b[2m 1   1 /sbin/init splash\x1b[0m", " 1   1 /sbin/init splash");
    let expected = expected.replace("\x1b[2m16  13 \x1b[0m", "16  13 ");
    let colourful = run().run_in_terminal(80);
    assert!(colourful.starts_with(&expected) && colourful.contains("\x1b[33m99\x1b[0m\n"), "{colourful:?}");
    assert_eq!(run().run().ok(), plain);
    assert_eq!(run().arg("--color=always").run().ok(), colourful);
    assert_eq!(run().arg("--color").run().ok(), colourful);
    assert_eq!(run().arg("--color=never").run_in_terminal(80), plain);
    assert_eq!(run().env("NO_COLOR", "1").run_in_terminal(80), plain);
    assert_eq!(run().env("NO_COLOR", "").run_in_terminal(80), colourful);
    assert_eq!(run().env("NO_COLOR", "1").arg("--color=always").run_in_terminal(80), colourful);
    assert_eq!(run().env("TERM", "dumb").run_in_terminal(80), plain);
    for form in ["-r", "-J"] {
        assert!(!run().args([form, "--color=always"]).run().ok().contains('\x1b'));
    }
    // Text is cut where it would be without colours.
    let cut = run().arg("--color=always").run_in_terminal(14);
    assert!(cut.contains("└─\x1b[0mb\\xff \n") || cut.contains("└─\x1b[0mb\\xff\n"), "{cut:?}");
}
