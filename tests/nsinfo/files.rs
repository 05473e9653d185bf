//! nsinfo of a directory that looks like /proc: what each file says, and what is said where it is missing or odd.

use std::fs::{create_dir_all, remove_file, write};
use std::os::unix::fs::symlink;
use std::path::Path;

use serde_json::{Value, json};

use super::{HARMLESS, HOSTILE, HOSTILE_B64, HOSTILE_IN_JSON, asked, unreadable};
use crate::harness::{Run, Test};

pub(super) fn process(root: &Path, pid: i32, flags: u64, namespaces: &str) {
    let dir = root.join(pid.to_string());
    create_dir_all(dir.join("ns")).unwrap();
    for namespace in namespaces.split(' ') {
        let (kind, ino) = namespace.split_once(':').unwrap();
        symlink(format!("{kind}:[{ino}]"), dir.join("ns").join(kind)).unwrap();
    }
    let file = |name: &str, text: &[u8]| write(dir.join(name), text).unwrap();
    file("stat", format!("{pid} (name) S 0 0 0 0 -1 {flags} 0").as_bytes());
    file(
        "status",
        format!(
            "Name:\tname\nTgid:\t{pid}\nUid:\t345678\t345678\t345678\t0\nGid:\t345679\t345679\t345679\t345679\nNSpid:\t{pid}\t3\t1\n"
        )
        .as_bytes(),
    );
    file("cmdline", &[b"run\0", HOSTILE, b"\0"].concat());
    file("uid_map", b"         0     345678          1\n         1     100000      65536\n");
    file("gid_map", b"         0          0 4294967295\n");
    file("setgroups", b"deny\n");
    file(
        "mountinfo",
        &[
            b"30 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 ro,discard\n",
            b"odd\n".as_slice(),
            b"31 30 0:5 /a\\040b /m\\012\x1b rw,nosuid shared:3 master:2 - fuse.x s\xff rw,k=a\\054b\n",
            b"32 30 0:6 / /u rw unbindable - tmpfs none rw\n",
        ]
        .concat(),
    );
    file("cgroup", b"4:memory,name=x:/a:b\x1b\n0::/\n");
}

/// What no such directory tells.
const START: &str = "identity.started_unix_seconds";

const INITIAL: &str = "user:1 cgroup:2 ipc:3 uts:4 net:5 pid:6 mnt:7 time:8";

/// PID 2 is a kernel thread, PID 7 stands for us, PID 8 has namespaces of its own, PID 9 few.
fn machine() -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    process(root.path(), 2, 0x0020_8040, INITIAL);
    process(root.path(), 7, 0x0040_0000, "user:11 cgroup:2 ipc:3 uts:14 net:5 pid:6 mnt:17 time:8");
    process(root.path(), 8, 0x0040_0000, "user:21 cgroup:2 ipc:23 uts:24 net:5 pid:26 mnt:17");
    process(root.path(), 9, 0x0040_0000, "user:11 uts:14");
    symlink("7", root.path().join("self")).unwrap();
    create_dir_all(root.path().join("sys/kernel")).unwrap();
    write(root.path().join("sys/kernel/hostname"), [HOSTILE, b"\n"].concat()).unwrap();
    root
}

fn of<'a>(t: &'a Test, root: &Path) -> Run<'a> {
    t.tool("nsinfo").arg("--proc").arg(root)
}

#[test]
fn the_page_says_all_that_the_files_say() {
    let t = rings!(Host, User);
    let root = machine();
    // Our own user namespace does not know the id 0: what is shown is the number for ids without one.
    write(root.path().join("7/uid_map"), "345678 5 1").unwrap();
    let expected = format!(
        "\
identity
  command     run {HARMLESS}
  PIDs        8 outside, 3, 1 inside
  started     not readable: this /proc does not tell since when the machine is up
  uid         345678 outside, 0 (root) inside
              fs: none outside, none inside
  gid         345679 outside, 345679 inside

namespaces
  TYPE   NS WHOSE
  user   21 own
  cgroup  2 initial, ours
  ipc    23 own
  uts    24 own
  net     5 initial, ours
  pid    26 own
  mnt    17 ours
  time      none

user
  uid map     345678 outside = 0 inside
              100000-165535 outside = 1-65536 inside
  gid map     every id is the same outside and inside
  setgroups   deny
  root inside is 345678 outside
  rights      not readable: Invalid argument

mounts
  MOUNT POINT  TYPE   SOURCE      OPTIONS
  /            ext4   /dev/sda1   ro shared:1
  ├─/m\\x0a\\x1b fuse.x s\\xff[/a b] rw,nosuid shared:3 slave:2
  └─/u         tmpfs  none        rw unbindable
  lines of mountinfo that make no sense and are left out: 1

uts
  host name   not readable: No such file or directory
  domain name not readable: No such file or directory

cgroup
  CPUs        not readable: its hierarchy is mounted nowhere that we can reach
  memory      not readable: its hierarchy is mounted nowhere that we can reach
  swap        not readable: its hierarchy is mounted nowhere that we can reach
  processes   not readable: its hierarchy is mounted nowhere that we can reach
  frozen      not readable: its hierarchy is mounted nowhere that we can reach

  groups
  namespace   ours, the initial one
  HIERARCHY CONTROLLERS   PATH
          4 memory,name=x /a:b\\x1b
          0 (v2)          /

  limits in force
  unknown of memory,name=x: its hierarchy is mounted nowhere that we can reach
  unknown of (v2): its hierarchy is mounted nowhere that we can reach

  used by its groups
  not readable: its hierarchy is mounted nowhere that we can reach
"
    );
    let page = || {
        let sections = "--section=identity,namespaces,user,mounts,uts,cgroup";
        of(&t, root.path()).args(["8", sections]).run().ok()
    };
    assert_eq!(page(), expected);
    // Here it does.
    write(root.path().join("7/uid_map"), "0 0 4294967295").unwrap();
    let known = expected.replace("fs: none outside, none inside", "fs: 0 (root) outside, none inside");
    assert_eq!(page(), known);
}

#[test]
fn without_a_pid_it_shows_itself_and_the_host_name_is_the_one_it_has() {
    let t = rings!(Host, User);
    let root = machine();
    // In our own user namespace the number is the one inside.
    write(root.path().join("7/uid_map"), "345678 5 1").unwrap();
    let ours = asked(of(&t, root.path()));
    assert_eq!(ours["identity"]["process"], 7);
    assert_eq!(ours["uts"]["host_name"], HOSTILE_IN_JSON);
    assert_eq!(ours["uts"]["host_name_b64"], HOSTILE_B64);
    assert_eq!(ours["identity"]["command_b64"], "cnVuIGEbXTA7eAcKwpv/");
    assert_eq!(ours["identity"]["uid"]["effective"], json!({"outside": 5, "inside": 345678, "name": null}));
    assert_eq!(ours["identity"]["uid"]["fs"], json!({"outside": null, "inside": null, "name": null}));
    let mnt = json!({"ns": 17, "id": null, "owner": null, "parent": null, "initial": false, "ours": true});
    assert_eq!(ours["namespaces"]["mnt"], mnt);
    assert_eq!(ours["mounts"]["list"][1]["source_b64"], "c/8=");
    assert_eq!(ours["mounts"]["list"][1]["point"], "/m\n\x1b");
    assert_eq!(ours["mounts"]["list"][1]["super_options"], "rw,k=a\\054b");
    assert_eq!(ours["mounts"]["skipped"], 1);
    assert_eq!(
        ours["cgroup"]["groups"][0],
        json!({"hierarchy": 4, "controllers": ["memory", "name=x"], "path": "/a:b\x1b", "namespace_root": "/", "dir": null, "limits": null, "hidden_above": false})
    );
    assert!(unreadable(&ours).contains(&"cgroup.groups.limits"));
    // A label as long as the column is wide.
    let page = of(&t, root.path()).arg("--section=security").run().ok();
    assert!(page.contains("\n  capabilities not readable: "), "{page}");
    let page = of(&t, root.path()).run().ok();
    assert!(page.contains(&format!("uts\n  host name   {HARMLESS}\n")), "{page}");
    let ascii = of(&t, root.path()).env("LC_ALL", "C").run().ok();
    assert!(ascii.is_ascii());
}

#[test]
fn the_container_pod_and_unit_are_named_with_what_told_them() {
    let t = rings!(Host, User);
    let root = machine();
    let id = "0123456789abcdef".repeat(4);
    let pod = "0f1e2d3c-1234-5678-9abc-0123456789ab";
    let slice = format!("kubepods-burstable-pod{}.slice", pod.replace('-', "_"));
    let group = format!("0::/kubepods.slice/kubepods-burstable.slice/{slice}/cri-containerd-{id}.scope\n");
    write(root.path().join("8/cgroup"), group).unwrap();
    let expected = format!(
        "  gid         345679 outside, 345679 inside
  container   0123456789ab, containerd (cgroup)
  pod         {pod}, kubernetes (cgroup)
  unit        cri-containerd-{id}.scope, systemd (cgroup)

"
    );
    let page = of(&t, root.path()).arg("8").run().ok();
    assert!(page.contains(&expected), "{page}");
    let said = asked(of(&t, root.path()).arg("8"));
    let container = json!({"name": "0123456789ab", "id": id, "engine": "containerd", "source": "cgroup"});
    assert_eq!(said["identity"]["container"], container);
    assert_eq!(
        said["identity"]["pod"],
        json!({"name": pod, "id": null, "engine": "kubernetes", "source": "cgroup"})
    );
    assert_eq!(said["identity"]["unit"]["engine"], "systemd");

    // Any bytes; and nothing.
    let hostile: Vec<u8> = HOSTILE.iter().copied().filter(|b| *b != b'\n').collect();
    let name = [b"0::/lxc.payload.", &hostile[..], b"\n"].concat();
    write(root.path().join("8/cgroup"), name).unwrap();
    let page = of(&t, root.path()).arg("8").run().ok();
    let shown = HARMLESS.replace("\\x0a", "");
    assert!(page.contains(&format!("  container   {shown}, lxc (cgroup)\n")), "{page}");
    let said = asked(of(&t, root.path()).arg("9"));
    assert_eq!(
        [&said["identity"]["container"], &said["identity"]["pod"], &said["identity"]["unit"]],
        [&Value::Null; 3]
    );
}

#[test]
fn a_map_that_is_none_is_said_and_a_self_that_is_no_process_is_an_error() {
    let t = rings!(Host, User);
    let root = machine();
    write(root.path().join("8/uid_map"), "odd\n").unwrap();
    let run = of(&t, root.path()).arg("8").run();
    assert!(run.ok().contains("uid map     not readable: Invalid argument\n"));
    let sections = "--section=identity,user,uts";
    let said = asked(of(&t, root.path()).args(["8", sections]));
    assert_eq!(unreadable(&said), [START, "user.uid_map", "uts.host_name", "uts.domain_name"]);
    remove_file(root.path().join("self")).unwrap();
    symlink("mounts", root.path().join("self")).unwrap();
    of(&t, root.path())
        .run()
        .fails(1, "nsinfo: /proc/self is no process: is another file system mounted there?");
}

#[test]
fn what_is_missing_is_said_in_its_place_and_the_rest_is_shown() {
    let t = rings!(Host, User);
    let root = machine();
    for (file, words) in [
        ("uid_map", "\n  uid map     not readable: No such file or directory\n"),
        ("gid_map", "\n  gid map     not readable: No such file or directory\n"),
        ("setgroups", "\n  setgroups   not readable: No such file or directory\n"),
        ("mountinfo", "\nmounts\n  not readable: No such file or directory\n"),
        ("cgroup", "\ncgroup\n  not readable: No such file or directory\n"),
    ] {
        remove_file(root.path().join("8").join(file)).unwrap();
        let page = of(&t, root.path()).arg("8").run().ok();
        assert!(page.contains(words), "{file}: {page}");
    }
    let sections = "--section=identity,user,mounts,uts,cgroup";
    let said = asked(of(&t, root.path()).args(["8", sections]));
    let missing = [
        START,
        "identity.container",
        "user.uid_map",
        "user.gid_map",
        "user.setgroups",
        "mounts.list",
        "uts.host_name",
        "uts.domain_name",
        "cgroup",
    ];
    assert_eq!(unreadable(&said), missing);
    assert_eq!(said["unreadable"][5]["reason"], "open mountinfo of 8: No such file or directory");
    for key in missing {
        let pointer = format!("/{}", key.replace('.', "/"));
        assert_eq!(said.pointer(&pointer), Some(&Value::Null), "{key}");
    }

    // Nobody says who we are, nor which namespaces are the initial ones.
    remove_file(root.path().join("self")).unwrap();
    write(root.path().join("2/stat"), "2 (kthreadd) S 0 0 0 0 -1 0 0").unwrap();
    let page = of(&t, root.path()).arg("9").run().ok();
    assert!(page.contains("\n  user   11 unknown\n"), "{page}");
    assert!(page.contains("which are initial is unknown: not readable: No such process\n"), "{page}");
    assert!(
        page.contains("which are our own is unknown: not readable: No such file or directory\n"),
        "{page}"
    );
    assert!(page.contains("\n  uid         345678 outside, unknown inside\n"), "{page}");
    let said = asked(of(&t, root.path()).args(["9", "--section=namespaces"]));
    assert_eq!(unreadable(&said), ["namespaces.initial", "namespaces.ours"]);
    for (kind, ns) in [("user", json!(11)), ("net", Value::Null)] {
        let told = &said["namespaces"][kind];
        assert_eq!([&told["ns"], &told["initial"], &told["ours"]], [&ns, &Value::Null, &Value::Null]);
    }
    let line = format!("nsinfo: read {}/self: No such file or directory", root.path().display());
    of(&t, root.path()).run().fails(1, &line);
}

#[test]
fn the_initial_namespaces_are_those_of_a_kernel_thread_or_of_the_first_process_there() {
    let t = rings!(Host, User);
    let root = machine();
    let whose = || {
        let page = of(&t, root.path()).arg("8").run().ok();
        page.lines().find_map(|line| line.strip_prefix("  net     5 ")).unwrap().to_string()
    };
    assert_eq!(whose(), "initial, ours");
    // A program that took the PID, in a container.
    write(root.path().join("2/stat"), "2 (kthreadd) S 0 0 0 0 -1 4194304 0").unwrap();
    assert_eq!(whose(), "ours");
    process(root.path(), 1, 0x0040_0000, "net:5 pid:6");
    assert_eq!(whose(), "ours", "the first process of a container");
    remove_file(root.path().join("1/ns/pid")).unwrap();
    symlink("pid:[4026531836]", root.path().join("1/ns/pid")).unwrap();
    assert_eq!(whose(), "initial, ours");
}

#[test]
fn a_status_that_makes_no_sense_is_an_error() {
    let t = rings!(Host, User);
    let root = tempfile::tempdir().unwrap();
    create_dir_all(root.path().join("5")).unwrap();
    write(root.path().join("5/status"), "odd").unwrap();
    of(&t, root.path()).arg("5").run().fails(1, "nsinfo: parse status of 5: Invalid argument");
}
