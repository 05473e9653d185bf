//! Where rlsns finds mounts of namespaces and what it says of them, and what the kernel's own lists are good for.

use std::fs::{create_dir_all, write};
use std::os::unix::fs::symlink;

use serde_json::Value;

use super::hiding::{find, hide, is_found, lists_all, lists_since};
use super::{listed, machine};
use crate::harness::inode;

#[test]
fn mounts_and_what_was_opened_through_them_are_told_by_mountinfo() {
    let t = rings!(Host, User);
    let root = machine(&[
        (1, 0, b"init", b"init\0", "mnt:1 net:2"),
        (5, 1, b"a", b"a\0", "mnt:7 net:2"),
        (6, 1, b"b", b"b\0", "mnt:7 net:2"),
        (8, 1, b"c", b"c\0", "mnt:9 net:2"),
    ]);
    let file = |name: &str, text: &[u8]| {
        let path = root.path().join(name);
        create_dir_all(path.parent().unwrap()).unwrap();
        write(path, text).unwrap();
    };
    let nsfs =
        |id: u32, ns: &str, point: &str| format!("{id} 1 0:4 {ns} {point} rw shared:7 - nsfs nsfs rw\n");
    let other = "30 1 0:5 net:[98] /x rw - tmpfs none rw\n31 1 0:5 / /\x1b\\040y rw - fuse.nsfs - nsfs rw\n";
    file(
        "1/mountinfo",
        [nsfs(24, "net:[20]", "/run/netns/z"), nsfs(25, "net:[20]", "/a")].concat().as_bytes(),
    );
    // The mount table of the first process cannot be read.
    create_dir_all(root.path().join("5/mountinfo")).unwrap();
    let table = [
        other,
        &nsfs(40, "uts:[21]", "/u\\040\\134"),
        &nsfs(41, "odd:[22]", "/o"),
        &nsfs(42, "net:[x]", "/n"),
    ];
    file("6/mountinfo", table.concat().as_bytes());
    file("8/mountinfo", b"broken - nsfs nsfs\n");
    // One descriptor that was opened through a mount of a namespace, and one through another.
    for (fd, mount) in [(3, 40), (4, 30)] {
        create_dir_all(root.path().join("8/fd")).unwrap();
        symlink("/some/path", root.path().join(format!("8/fd/{fd}"))).unwrap();
        file(&format!("8/fdinfo/{fd}"), format!("pos:\t0\nflags:\t0\nmnt_id:\t{mount}\n").as_bytes());
    }
    let text = listed(&t, root.path(), &["-l", "-t", "net,uts", "-o", "NS,TYPE,VIA,HOLDERS,REF,NAME"]);
    let expected = "\
NS TYPE VIA     HOLDERS REF                      NAME
 2 net  process 4p      /proc/1/ns/net
20 net  mount   2b      /proc/1/root/run/netns/z z
21 uts  fd      1f 1b   /proc/8/fd/3             /u \\
";
    assert_eq!(text, expected);
    // What is not asked for is not listed.
    assert_eq!(listed(&t, root.path(), &["-ln", "-t", "uts", "-o", "NS,HOLDERS"]), "21 1f 1b\n");
    let refused = t.tool("rlsns").arg("--proc").arg(root.path()).args(["--depth", "kernel"]).run();
    let line = "rlsns: the kernel lists the namespaces of this machine, not those of a directory";
    assert_eq!(refused.fails(1, line), "`--depth procs` reads the directory");
}

#[test]
fn mounts_of_our_own_mount_namespace_stand_in_its_order() {
    let t = rings!(Host, Uml, Qemu);
    let script = "
apart()
fd = make('net', NEWNET)
number = ino(fd)
for name in 'z', 'a', 'm':
    open(dir + '/' + name, 'w').close()
    bind(fd, dir + '/' + name)
# A second time in the same place.
bind(fd, dir + '/z')
os.close(fd)
say(number)
stay()";
    let Some(hider) = hide(&t, script) else { return };
    let [ino] = hider.numbers();
    let dir = hider.dir.path().display();
    let pid = hider.pid().to_string();
    let tool = crate::harness::tool_path("rlsns");
    let run = t.program("nsenter").args(["-m", "-t", &pid]).arg(tool);
    let text = run.args(["-l", "-n", "-r", "-t", "net", "-o", "NS,VIA,HOLDERS,REF,NAME,ONS"]).run().ok();
    let line = format!("{ino} mount 4b {dir}/z {dir}/z {}", inode("self", "user"));
    assert!(text.lines().any(|found| found == line), "{line}\n{text}");
}

#[test]
fn a_process_in_a_chroot_shows_the_mounts_below_its_root() {
    let t = rings!(Host, Uml, Qemu);
    let script = "
apart()
first, second = make('net', NEWNET), make('net', NEWNET)
os.mkdir(dir + '/jail')
open(dir + '/jail/x', 'w').close()
open(dir + '/y', 'w').close()
bind(first, dir + '/jail/x')
bind(second, dir + '/y')
numbers = ino(first), ino(second)
os.close(first)
os.close(second)
os.chroot(dir + '/jail')
say(*numbers)
stay()";
    let Some(hider) = hide(&t, script) else { return };
    let [inside, outside] = hider.numbers();
    let path = format!("/proc/{}/root/x", hider.pid());
    is_found(&t, inside, "net", "mount", Some("1b"), Some(path));
    // What is outside of it only the kernel can tell, since Linux 6.11; where it is nobody sees.
    match lists_since((6, 11)) {
        true => is_found(&t, outside, "net", "mount", Some("1b"), None),
        false => assert_eq!(find(&t, outside), None),
    }
}

#[test]
fn an_ordinary_user_finds_what_is_mounted_in_a_mount_namespace_of_theirs() {
    let t = rings!(Host, User, Uml, Qemu);
    let script = "
user, group = os.getuid(), os.getgid()
unshare(NEWUSER)
for file, text in ('setgroups', 'deny'), ('uid_map', '0 %d 1' % user), ('gid_map', '0 %d 1' % group):
    with open('/proc/self/' + file, 'w') as open_file:
        open_file.write(text)
apart()
# Only such a one can be entered again.
unshare(NEWNET)
fd = make('net', NEWNET)
number = ino(fd)
bind(fd, dir + '/x')
os.close(fd)
say(number, os.stat('/proc/self/ns/user').st_ino)
stay()";
    let Some(hider) = hide(&t, script) else { return };
    let [ino, user] = hider.numbers();
    let path = format!("/proc/{}/root{}/x", hider.pid(), hider.dir.path().display());
    is_found(&t, ino, "net", "mount", Some("1b"), Some(path));
    let owner = find(&t, ino).unwrap()["ons"].clone();
    // It is asked only where the root of that process is on a file system of this machine.
    assert!(owner == user || owner == 0, "{owner}");
}

#[test]
fn the_kernels_own_list_is_whole_or_a_failure() {
    let t = rings!(Host, User, Uml, Qemu);
    let held = t.hold("unshare", &["-Ur", "-m"]);
    let kernel = |args: &[&str]| t.tool("rlsns").args(["-J", "-l", "--depth", "kernel"]).args(args).run();
    let holds = |output: crate::harness::Output, ino: u64| {
        let json: Value = serde_json::from_str(&output.ok()).unwrap();
        let all = json["namespaces"].as_array().unwrap().clone();
        let found = all.iter().find(|ns| ns["ns"] == ino).unwrap_or_else(|| panic!("{ino} in {all:?}"));
        assert_eq!((&found["via"], found["nsid"].is_u64()), (&Value::from("kernel"), true), "{found}");
    };
    let columns = ["-o", "NS,VIA,NSID"];
    let root = crate::harness::Ring::here().is_root();
    if lists_all() && root {
        holds(kernel(&columns), inode(held.pid(), "mnt"));
    }
    if lists_since((6, 12)) && root {
        holds(kernel(&[&columns[..], &["-t", "mnt"]].concat()), inode(held.pid(), "mnt"));
    }
    if !lists_since((6, 19)) && inode("self", "pid") == 0xEFFF_FFFC {
        let line = "rlsns: listns net: Function not implemented";
        assert!(kernel(&["-t", "net"]).fails(1, line).contains("`--depth procs`"));
        let line = "rlsns: listns net mnt: Function not implemented";
        assert!(kernel(&["-t", "net,mnt"]).fails(1, line).contains("`-t mnt`"));
    }
}
