//! The section about mounts, of mount namespaces that the test made.

use std::fs::{File, create_dir, metadata, read, read_to_string, remove_dir};
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use nix::sys::signal::Signal;
use serde_json::{Value, json};
use tempfile::tempdir;

use super::{HARMLESS, HOSTILE, HOSTILE_B64, asked, mounting, plain, rights, unreadable};
use crate::harness::{Held, Test, children, inode, kernel_since, signal, soon, tool_path};

/// What nsinfo says of all mounts of a process.
fn said(t: &Test, pid: i32) -> Value {
    asked(t.tool("nsinfo").args(["--mounts", &pid.to_string()]))
}

/// The same in one view for people.
fn page(t: &Test, view: &str, pid: i32) -> String {
    t.tool("nsinfo").args([&format!("--mounts={view}"), &pid.to_string()]).run().ok()
}

/// The mounts below a directory, by the rest of their mount points, in the order of the kernel.
fn below<'s>(said: &'s Value, dir: &Path) -> Vec<(String, &'s Value)> {
    let above = format!("{}/", dir.display());
    let mounts = said["mounts"]["list"].as_array().unwrap().iter();
    let name = |mount: &Value| mount["point"].as_str().unwrap().strip_prefix(&above).map(String::from);
    mounts.filter_map(|mount| Some((name(mount)?, mount))).collect()
}

/// The only one, or the first, at such a place.
fn at<'s>(said: &'s Value, dir: &Path, name: &str) -> &'s Value {
    below(said, dir)
        .into_iter()
        .find(|(other, _)| other == name)
        .unwrap_or_else(|| panic!("{name}: {said}"))
        .1
}

/// The lines of a page that are about mounts below a directory, with single spaces, and without it.
fn lines(page: &str, dir: &Path) -> Vec<String> {
    let above = format!("{}/", dir.display());
    let lines = page.lines().filter(|line| line.contains(&above));
    let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ").replace(&above, "");
    lines.map(words).collect()
}

/// How far in a mount point is drawn.
fn column(page: &str, point: &Path) -> usize {
    let point = format!("{} ", point.display());
    let line = page.lines().find(|line| line.contains(&point)).unwrap_or_else(|| panic!("{page}"));
    line[..line.find(&point).unwrap()].chars().count()
}

#[test]
fn what_is_mounted_on_a_mount_stands_below_it() {
    let t = rings!(Host, User);
    let dir = tempdir().unwrap();
    let script = "mkdir a b; mount -t tmpfs one a; mkdir a/c; mount -t tmpfs two a/c; mkdir a/c/d
        mount -t tmpfs three a/c/d; mount -t tmpfs four b; mkdir a/e; mount -t tmpfs five a/e";
    let held = mounting(&t, dir.path(), script, &[]);
    let said = said(&t, held.pid());
    let id = |name: &str| at(&said, dir.path(), name)["id"].as_u64().unwrap();
    let page = page(&t, "tree", held.pid());
    for (name, parent) in [("a/c", "a"), ("a/c/d", "a/c"), ("a/e", "a")] {
        assert_eq!(at(&said, dir.path(), name)["parent"], id(parent), "{name}");
        let [child, parent] = [name, parent].map(|name| column(&page, &dir.path().join(name)));
        assert_eq!(child, parent + 2, "{name}: {page}");
    }
    // The kernel lists b before a/e, the tree does not.
    let names: Vec<_> = below(&said, dir.path()).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["a", "a/c", "a/c/d", "b", "a/e"]);
    let words = |line: String| line.trim_start_matches(|c: char| !c.is_ascii_alphanumeric()).to_string();
    let drawn: Vec<_> = lines(&page, dir.path()).into_iter().map(words).collect();
    let names = |all: &[String]| {
        all.iter().map(|line| line.split(' ').next().unwrap().into()).collect::<Vec<String>>()
    };
    assert_eq!(names(&drawn), ["a", "a/c", "a/c/d", "a/e", "b"], "{page}");
    for (line, source) in drawn.iter().zip(["one", "two", "three", "five", "four"]) {
        assert!(line.contains(&format!(" tmpfs {source} rw")), "{line}");
    }
}

#[test]
fn what_no_path_leads_to_is_hidden_and_by_whom_is_told() {
    let t = rings!(Host, User);
    let dir = tempdir().unwrap();
    let script = "mkdir x y; mount -t tmpfs first x; mkdir x/in; mount -t tmpfs inner x/in
        mount -t tmpfs second x; mount -t tmpfs open y; ls -A x";
    let held = mounting(&t, dir.path(), &format!("{script} >&2"), &[]);
    let said = said(&t, held.pid());
    let told: Vec<_> = below(&said, dir.path())
        .into_iter()
        .map(|(name, mount)| (name, mount["source"].as_str().unwrap(), mount["hidden"].as_bool().unwrap()))
        .collect();
    let expected =
        [("x", "first", true), ("x/in", "inner", true), ("x", "second", false), ("y", "open", false)];
    assert_eq!(told, expected.map(|(name, source, hidden)| (name.to_string(), source, hidden)));
    let mounts = below(&said, dir.path());
    let second = &mounts[2].1["id"];
    assert!(mounts[0].1["hidden_by"] == *second && mounts[1].1["hidden_by"] == *second, "{said}");
    assert!(mounts[3].1["hidden_by"].is_null());
    let by = "x (tmpfs second)";
    assert_eq!(
        lines(&page(&t, "hidden", held.pid()), dir.path()),
        [format!("x tmpfs first {by}"), format!("x/in tmpfs inner {by}")]
    );
    let marked = lines(&page(&t, "tree", held.pid()), dir.path());
    let marked: Vec<_> = marked.iter().map(|line| line.contains(" hidden rw")).collect();
    assert_eq!(marked, [true, true, false, false]);
}

#[test]
fn options_of_the_mount_are_told_from_those_of_the_file_system() {
    let t = rings!(Host, User);
    let dir = tempdir().unwrap();
    let script = "mkdir s v q; mount -t tmpfs -o size=64k,nodev s s; mount --bind s v
        mount -o remount,bind,ro,nosuid,nodev v
        mount -t tmpfs -o ro,size=64k q q; mount -o remount,bind,rw q";
    let held = mounting(&t, dir.path(), script, &[]);
    let said = said(&t, held.pid());
    let options = |name: &str| {
        let mount = at(&said, dir.path(), name);
        let words = |key: &str| mount[key].as_str().unwrap().split(',').map(String::from).collect::<Vec<_>>();
        (words("options"), words("super_options"))
    };
    for (name, own, of_all) in [
        ("s", &["rw", "nodev", "relatime"][..], "rw"),
        ("v", &["ro", "nosuid", "nodev", "relatime"], "rw"),
        ("q", &["rw", "relatime"], "ro"),
    ] {
        let (options, super_options) = options(name);
        assert_eq!(options, own, "{name}");
        assert_eq!(super_options[0], of_all, "{name}");
        assert!(super_options.contains(&"size=64k".into()), "{super_options:?}");
    }
    // Nothing can be written where one of them says so; the rest is not said twice.
    let lines = |view: &str| lines(&page(&t, view, held.pid()), dir.path());
    let ends = |line: &str, end: &str| assert!(line.contains(end), "{line}: {end}");
    let tree = lines("tree");
    let [s, v, q] = &tree[..] else { panic!("{tree:?}") };
    ends(s, " rw,nodev,relatime,size=64k");
    ends(v, " ro,nosuid,nodev,relatime,size=64k");
    ends(q, " ro,relatime,size=64k");
    let flat = lines("flat");
    ends(&flat[1], " ro,nosuid,nodev,relatime rw,size=64k");
    ends(&flat[2], " rw,relatime ro,size=64k");
}

/// A second mount namespace, copied from that of another process without a change of propagation, in which this was done.
fn copied(t: &Test, held: &Held, dir: &Path, script: &str) -> Held {
    let user: &[&str] = if rights().is_empty() { &[] } else { &["-U"] };
    let script = format!("set -e; cd \"$1\"; {script}; echo ready; sleep 1000; true");
    let run = t.tool("rnsenter").args(["-m", "-t", &held.pid().to_string()]).args(user);
    let runshare = tool_path("runshare");
    let run = run.arg(runshare).args(["-m", "--propagation", "unchanged", "sh", "-c", &script, "-"]);
    run.arg(dir).hold()
}

#[test]
fn peers_are_named_across_mount_namespaces() {
    let t = rings!(Host, User);
    let dir = tempdir().unwrap();
    let script = "mkdir peer slave alone private; for name in *; do mount -t tmpfs $name $name; done
        mount --make-shared peer; mount --make-shared slave; mount --make-shared alone; mount --make-private private";
    let one = mounting(&t, dir.path(), script, &[]);
    let other = copied(&t, &one, dir.path(), "mount --make-slave slave; mount --make-private alone");
    let [said_of_one, said_of_other] = [&one, &other].map(|held| said(&t, held.pid()));
    let [here, there] = [&one, &other].map(|held| inode(held.pid(), "mnt"));
    assert_ne!(here, there);
    // Where a mount of the other namespace is told of: its point, its id there, its namespace.
    let member = |said: &Value, name: &str, ns: u64| {
        let mount = at(said, dir.path(), name);
        json!([mount["id"], mount["point"], ns])
    };
    let told = |said: &Value, name: &str, key: &str| {
        let members = at(said, dir.path(), name)[key].as_array().unwrap();
        Value::Array(members.iter().map(|one| json!([one["id"], one["point"], one["ns"]])).collect())
    };
    let nobody = json!([]);
    for (said, name, peers, masters, slaves) in [
        (&said_of_one, "peer", json!([member(&said_of_other, "peer", there)]), &nobody, &nobody),
        (&said_of_other, "peer", json!([member(&said_of_one, "peer", here)]), &nobody, &nobody),
        (&said_of_one, "slave", nobody.clone(), &nobody, &json!([member(&said_of_other, "slave", there)])),
        (&said_of_other, "slave", nobody.clone(), &json!([member(&said_of_one, "slave", here)]), &nobody),
        (&said_of_one, "alone", nobody.clone(), &nobody, &nobody),
        (&said_of_one, "private", nobody.clone(), &nobody, &nobody),
    ] {
        assert_eq!(told(said, name, "peers"), peers, "{name}");
        assert_eq!(told(said, name, "masters"), *masters, "{name}");
        assert_eq!(told(said, name, "slaves"), *slaves, "{name}");
    }
    // A process that is in there.
    let pid = at(&said_of_one, dir.path(), "peer")["peers"][0]["pid"].as_i64().unwrap();
    assert_eq!(inode(pid, "mnt"), there);

    let group = |name: &str| at(&said_of_one, dir.path(), name)["shared"].as_u64().unwrap();
    let text = page(&t, "tree", one.pid()).split_whitespace().collect::<Vec<_>>().join(" ");
    let point = |name: &str| dir.path().join(name).display().to_string();
    let peer = point("peer");
    for words in [
        format!("group {} shared by {peer}, {peer} of {pid}", group("peer")),
        format!("group {} shared by {} alone, as far as is seen", group("slave"), point("slave")),
        format!("group {} shared by {} alone, as far as is seen", group("alone"), point("alone")),
        format!("received by {} of {pid}", point("slave")),
    ] {
        assert!(text.contains(&words), "{words}: {text}");
    }
}

#[test]
fn each_view_shows_what_it_is_for_and_nothing_else() {
    let t = rings!(Host, User);
    let dir = tempdir().unwrap();
    let script = "mkdir s part again over; mount -t tmpfs some s; mkdir s/sub; mount --bind s/sub part
        mount --bind s again; mount -t tmpfs under over; mount -t tmpfs upon over; mount --make-shared s";
    let held = mounting(&t, dir.path(), script, &[]);
    let heading = |view: &str| {
        let page = page(&t, view, held.pid());
        let mut all = page.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
        assert_eq!(all.next().as_deref(), Some("mounts"));
        all.next().unwrap()
    };
    for (view, words) in [
        ("tree", "MOUNT POINT TYPE SOURCE OPTIONS"),
        ("flat", "ID PARENT DEVICE MOUNT POINT TYPE SOURCE ROOT PROPAGATION OPTIONS OF THE FILE SYSTEM"),
        ("hidden", "MOUNT POINT TYPE SOURCE HIDDEN BY"),
        ("binds", "MOUNT POINT TYPE SHOWS ALSO AT"),
        ("host", "MOUNT POINT TYPE HERE"),
    ] {
        assert_eq!(heading(view), words);
    }
    let shown = |view: &str| lines(&page(&t, view, held.pid()), dir.path());
    assert_eq!(shown("binds"), ["part tmpfs some[/sub] s", "again tmpfs some s"]);
    assert_eq!(shown("hidden"), ["over tmpfs under over (tmpfs upon)"]);
    let nowhere = |name: &str, what: &str| format!("{name} tmpfs no path seen here: {what}");
    assert_eq!(
        shown("host"),
        [
            nowhere("s", "some"),
            nowhere("part", "some[/sub]"),
            nowhere("again", "some"),
            nowhere("over", "under"),
            nowhere("over", "upon")
        ]
    );
    // Every word of mountinfo, for all mounts of the namespace.
    let flat = page(&t, "flat", held.pid());
    let text = read(format!("/proc/{}/mountinfo", held.pid())).unwrap();
    let infos: Vec<_> = text.strip_suffix(b"\n").unwrap().split(|&b| b == b'\n').collect();
    for (line, info) in flat.lines().skip(2).zip(&infos) {
        let line = format!("{line} ");
        for word in
            info.split(|&b| b == b' ').map(|word| String::from_utf8_lossy(word).replace("master:", "slave:"))
        {
            // Where it is text of others they are escaped in another way.
            assert!(
                word == "-" || word.contains('\\') || line.contains(&format!("{word} ")),
                "{word}: {line}"
            );
        }
    }
    assert!(flat.lines().count() >= infos.len() + 2);
    // Nothing was said of a view: the tree, with fewer options, and nobody else is asked for.
    let whole = t.tool("nsinfo").args(["--section=mounts", &held.pid().to_string()]).run().ok();
    assert_eq!(lines(&whole, dir.path()).len(), 5);
    assert!(!whole.contains("shared by") && !whole.contains("relatime"), "{whole}");
    t.tool("nsinfo").arg("--mounts=nope").run().fails(1, "nsinfo: unknown view of mounts: nope");
}

#[test]
fn the_path_of_ours_behind_a_bind_is_told() {
    let t = rings!(Host, User);
    let (dir, ours) = (tempdir().unwrap(), tempdir().unwrap());
    for name in ["kept", "kept/sub", "gone"] {
        create_dir(ours.path().join(name)).unwrap();
    }
    // What others mount over the directory does not hide ours.
    let script = "mkdir whole sub gone own; mount --bind \"$2\"/kept whole; mount --bind \"$2\"/kept/sub sub
        mount --bind \"$2\"/gone gone; mount -t tmpfs own own";
    let more = std::os::unix::ffi::OsStrExt::as_bytes(ours.path().as_os_str());
    let held = mounting(&t, dir.path(), script, &[more]);
    remove_dir(ours.path().join("gone")).unwrap();
    let said = said(&t, held.pid());
    let host = page(&t, "host", held.pid());
    for (name, path) in [("whole", "kept"), ("sub", "kept/sub")] {
        let mount = at(&said, dir.path(), name);
        assert_eq!(mount["host"], "visible", "{name}");
        let there = mount["host_path"].as_str().unwrap();
        let [one, other] = [Path::new(there), &ours.path().join(path)].map(|path| metadata(path).unwrap());
        assert_eq!((one.dev(), one.ino()), (other.dev(), other.ino()), "{there}");
        let point = format!("{}/{name} ", dir.path().display());
        let line = host.lines().find(|line| line.contains(&point)).unwrap();
        assert!(line.ends_with(&format!(" {there}")), "{line}");
    }
    for (name, why, words) in
        [("gone", "deleted", " removed: "), ("own", "not_visible", " no path seen here: own")]
    {
        let mount = at(&said, dir.path(), name);
        assert_eq!((&mount["host"], &mount["host_path"]), (&json!(why), &Value::Null), "{name}");
        let point = format!("{}/{name} ", dir.path().display());
        let line = host.lines().find(|line| line.contains(&point)).unwrap();
        assert!(line.contains(words), "{line}");
    }
}

#[test]
fn the_layers_of_an_overlay_are_told_one_by_one() {
    let t = rings!(Host, Uml, Qemu);
    let here = read_to_string("/proc/filesystems").unwrap().contains("\toverlay\n");
    // Root of a user namespace may since 5.11.
    let may = super::rights().is_empty() || kernel_since((5, 11));
    if !t.belongs(here && may, "a kernel on which it may mount an overlay") {
        return;
    }
    let dir = tempdir().unwrap();
    let script = r#"mkdir u w l1 l:2 "l 3" o
        mount -t overlay -o 'lowerdir=l1:l\:2:l 3,upperdir=u,workdir=w' over o"#;
    let held = mounting(&t, dir.path(), script, &[]);
    let said = said(&t, held.pid());
    let expected = [("upper", "u"), ("work", "w"), ("lower", "l1"), ("lower", "l:2"), ("lower", "l 3")];
    let layers = expected.map(|(layer, path)| json!({"layer": layer, "path": path}));
    assert_eq!(at(&said, dir.path(), "o")["layers"], json!(layers));
    let host = page(&t, "host", held.pid());
    let mut after = host.lines().skip_while(|line| !line.contains("/o ")).skip(1);
    for (layer, path) in expected {
        let line = after.next().unwrap();
        assert_eq!(
            line.trim_start().split_once(' ').map(|(name, rest)| (name, rest.trim())),
            Some((layer, path))
        );
    }
}

/// Makes a clone of the mount at its first argument that changes ids as the user namespace of the file at its third does, and
/// mounts it at the second.
const IDMAPPED: &str = r#"
import ctypes, os, struct, sys
libc = ctypes.CDLL(None, use_errno=True)
def call(*args):
    answer = libc.syscall(*[ctypes.c_long(arg) if isinstance(arg, int) else arg for arg in args])
    if answer < 0:
        sys.exit("%s: %s" % (args[0], os.strerror(ctypes.get_errno())))
    return answer
tree = call(428, -100, sys.argv[1].encode(), 1 | os.O_CLOEXEC)  # open_tree, OPEN_TREE_CLONE
users = os.open(sys.argv[3], os.O_RDONLY)
call(442, tree, b"", 0x1000, struct.pack("QQQQ", 0x100000, 0, 0, users), 32)  # mount_setattr, MOUNT_ATTR_IDMAP
call(429, tree, b"", -100, sys.argv[2].encode(), 4)  # move_mount, MOVE_MOUNT_F_EMPTY_PATH
"#;

#[test]
fn how_an_idmapped_mount_changes_ids_is_told_in_the_right_direction() {
    let t = rings!(Host);
    if !t.has("python3") {
        return;
    }
    let dir = tempdir().unwrap();
    let users = t.hold("unshare", &["-U"]);
    let map = format!("/proc/{}", users.inner());
    std::fs::write(format!("{map}/uid_map"), "1000 20000 10\n5000 30000 1\n").unwrap();
    std::fs::write(format!("{map}/gid_map"), "7 70007 3\n").unwrap();
    let script = r#"mkdir s m; mount -t tmpfs some s; touch s/file; chown 1003:8 s/file
        python3 -c "$2" s m "$3"; stat -c '%u %g' m/file"#;
    let more = [IDMAPPED.as_bytes(), &format!("{map}/ns/user").into_bytes()];
    let mut held = mounting(&t, dir.path(), script, &more);
    // The truth: what is stored as 1003:8 is seen there as this.
    assert_eq!(held.line, "20003 70008");
    assert_eq!(held.next_line().as_deref(), Some("ready"));
    let said = said(&t, held.pid());
    let [some, mapped] = ["s", "m"].map(|name| at(&said, dir.path(), name));
    assert_eq!((&some["idmapped"], &mapped["idmapped"]), (&json!(false), &json!(true)));
    assert!(some.get("uid_map").is_none());
    let text = page(&t, "tree", held.pid());
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if mapped["uid_map"].is_null() {
        // Before Linux 6.15.
        assert!(unreadable(&said).contains(&"mounts.list.uid_map"), "{said}");
        assert!(text.contains("idmapped not readable: "), "{text}");
        return;
    }
    let range =
        |stored: u32, shown: u32, count: u32| json!({"stored": stored, "shown": shown, "count": count});
    assert_eq!(mapped["uid_map"], json!([range(1000, 20000, 10), range(5000, 30000, 1)]));
    assert_eq!(mapped["gid_map"], json!([range(7, 70007, 3)]));
    let words = format!(
        "idmapped {}/m uids 1000-1009 stored = 20000-20009 there uids 5000 stored = 30000 there \
         gids 7-9 stored = 70007-70009 there",
        dir.path().display()
    );
    assert!(text.contains(&words), "{text}");
}

#[test]
fn hostile_mount_points_and_sources_are_harmless_in_every_view() {
    let t = rings!(Host, User);
    let dir = tempdir().unwrap();
    let script =
        "mkdir \"$2\" again; mount -t tmpfs \"$2\" \"$2\"; mkdir \"$2/$2\"; mount --bind \"$2/$2\" again
        mount -t tmpfs \"$2\" \"$2\"; mount --make-shared \"$2\"";
    let held = mounting(&t, dir.path(), script, &[HOSTILE]);
    for view in ["tree", "flat", "hidden", "binds", "host"] {
        for columns in [None, Some(80)] {
            let run = t.tool("nsinfo").args([
                "--color=never",
                &format!("--mounts={view}"),
                &held.pid().to_string(),
            ]);
            let text = match columns {
                None => run.run().ok(),
                Some(columns) => run.run_in_terminal(columns),
            };
            assert!(
                !text.contains(|c: char| c.is_control() && c != '\n' || c == '\u{fffd}'),
                "{view}: {text}"
            );
            let whole = columns.is_none() || view == "flat";
            assert!(!whole || text.contains(HARMLESS), "{view}: {text}");
        }
    }
    let said = said(&t, held.pid());
    let mount = at(&said, dir.path(), "again");
    assert_eq!(mount["source_b64"], HOSTILE_B64);
    assert!(mount["root_b64"].is_string());
}

#[test]
fn no_view_but_the_flat_one_is_wider_than_the_terminal() {
    let t = rings!(Host, User);
    let dir = tempdir().unwrap();
    let long = "l".repeat(200);
    let script = "mkdir \"$2\"; mount -t tmpfs \"$2\" \"$2\"; mkdir again; mount --bind \"$2\" again
        mount -t tmpfs \"$2\" \"$2\"; mount --make-shared again";
    let held = mounting(&t, dir.path(), script, &[long.as_bytes()]);
    let pid = held.pid().to_string();
    for view in ["tree", "hidden", "binds", "host"] {
        let text =
            t.tool("nsinfo").args([&format!("--mounts={view}"), "--color=never", &pid]).run_in_terminal(80);
        let table = text.lines().take_while(|line| !line.starts_with("  group"));
        let wide: Vec<_> = table.filter(|line| line.chars().count() > 80).collect();
        assert!(wide.is_empty() && text.contains('…'), "{view}: {text}");
    }
    // What was cut there is whole here.
    let text = t.tool("nsinfo").args(["--mounts=flat", "--color=never", &pid]).run_in_terminal(80);
    assert!(text.contains(&long), "{text}");
}

#[test]
fn of_a_mount_namespace_without_processes_the_kernel_tells_the_mounts() {
    let t = rings!(Host, Qemu);
    let dir = tempdir().unwrap();
    let script = "mkdir a b shared slave; mount -t tmpfs -o nosuid,size=16k one a; mount --bind a b
        mount -t tmpfs none shared; mount --make-shared shared; mount --bind shared slave; mount --make-slave slave
        mount -t tmpfs -o ro over a; mount --make-unbindable b; mkdir s; mount --bind shared s";
    let mut held = mounting(&t, dir.path(), script, &[]);
    let infos = read(format!("/proc/{}/mountinfo", held.pid())).unwrap();
    let kept = File::open(format!("/proc/{}/ns/mnt", held.pid())).unwrap();
    // The shell says that it is ready before it has a child.
    soon(|| !children(held.pid()).is_empty());
    children(held.pid()).into_iter().for_each(|pid| signal(pid, Signal::SIGKILL));
    held.wait();
    let path = format!("/proc/{}/fd/{}", std::process::id(), kept.as_raw_fd());
    let said = asked(t.tool("nsinfo").args(["--mounts", &path]));
    if !kernel_since((6, 11)) {
        let entry = &said["unreadable"][0];
        assert_eq!((&entry["key"], &said["mounts"]["list"]), (&json!("mounts.list"), &Value::Null));
        assert!(entry["reason"].as_str().unwrap().contains("Linux 6.11"), "{said}");
        return;
    }
    let told = said["mounts"]["list"].as_array().unwrap();
    let mut there = 0;
    for info in infos.strip_suffix(b"\n").unwrap().split(|&b| b == b'\n') {
        let fields: Vec<_> = info.split(|&b| b == b' ').collect();
        let words: Vec<_> = fields.iter().map(|field| plain(field)).collect();
        let id: u64 = words[0].parse().unwrap();
        let Some(mount) = told.iter().find(|mount| mount["id"] == id) else {
            panic!("{words:?} in {told:?}");
        };
        there += 1;
        let hyphen = 6 + words[6..].iter().position(|word| word == "-").unwrap();
        assert_eq!(mount["parent"].to_string(), words[1]);
        for (key, word) in [("dev", 2), ("root", 3), ("point", 4), ("options", 5), ("type", hyphen + 1)] {
            // What is not below what this kernel takes for the root, of several where the first one was left.
            if key == "point" && mount[key].is_null() && !kernel_since((6, 18)) {
                continue;
            }
            assert_eq!(mount[key], words[word], "{key} of {words:?}");
        }
        let options = |text: &str| {
            let mut all: Vec<_> = text.split(',').map(String::from).collect();
            all.sort();
            all
        };
        assert_eq!(
            options(mount["super_options"].as_str().unwrap()),
            options(&words[hyphen + 3]),
            "{words:?}"
        );
        for (key, name) in [("shared", "shared:"), ("slave_of", "master:")] {
            let number =
                words[6..hyphen].iter().find_map(|word| word.strip_prefix(name)?.parse::<u64>().ok());
            assert_eq!(mount[key], json!(number), "{words:?}");
        }
        assert_eq!(mount["unbindable"], words[6..hyphen].contains(&"unbindable".into()), "{words:?}");
        assert!(mount["source"].is_null() || mount["source"] == words[hyphen + 2], "{mount}");
    }
    if !kernel_since((6, 18)) && told.iter().any(|mount| mount["point"].is_null()) {
        let page = t.tool("nsinfo").args(["--mounts=flat", &path]).run().ok();
        assert!(page.contains("(unreachable)"), "{page}");
        return;
    }
    // Who is in it does not see what its root directory stands on.
    for mount in told.iter().filter(|mount| mount["id"] == mount["parent"]) {
        let is_over = |other: &&Value| other["parent"] == mount["id"] && other["point"] == "/";
        let over = told.iter().filter(|other| other["id"] != mount["id"]).find(is_over).unwrap();
        assert_eq!((&mount["point"], &mount["hidden_by"]), (&json!("/"), &over["id"]));
    }
    // Nor what else is hidden below that.
    let ids: Vec<u64> = infos
        .split(|&b| b == b'\n')
        .filter_map(|line| {
            let word = line.split(|&b| b == b' ').next()?;
            std::str::from_utf8(word).unwrap().parse().ok()
        })
        .collect();
    let beneath = told.iter().filter(|mount| !ids.contains(&mount["id"].as_u64().unwrap()));
    let beneath: Vec<_> = beneath.map(|mount| &mount["hidden"]).collect();
    assert!(!beneath.is_empty() && beneath.iter().all(|hidden| **hidden == json!(true)), "{told:?}");
    assert_eq!(told.len(), there + beneath.len(), "{told:?}");
    assert!(at(&said, dir.path(), "a")["hidden"] == true && at(&said, dir.path(), "b")["hidden"] == false);
    let shared = at(&said, dir.path(), "slave");
    assert_eq!(shared["masters"].as_array().map(Vec::len), Some(2), "{shared}");
    let page = t.tool("nsinfo").args(["--mounts=flat", &path]).run().ok();
    let rows = page.lines().skip(2).take_while(|line| !line.starts_with("  group "));
    assert_eq!(rows.count(), told.len(), "{page}");
    // Where it is owned by a user namespace that we have made, we have the right whatever we lack outside.
    if !super::rights().is_empty() {
        return;
    }
    // Who may not ask is told so: to them the kernel says that there is no such namespace.
    let run = || {
        let run = t.program("setpriv").args(["--bounding-set", "-sys_admin"]);
        run.arg(tool_path("nsinfo")).args(["--mounts", &path])
    };
    let said = asked(run());
    assert_eq!((&said["mounts"]["list"], unreadable(&said)), (&Value::Null, vec!["mounts.list"]));
    let reason = said["unreadable"][0]["reason"].as_str().unwrap();
    assert!(
        reason.starts_with("listmount mnt namespace #") && reason.ends_with(": Operation not permitted"),
        "{reason}"
    );
    let page = run().run().ok();
    assert!(
        page.contains("\n  not permitted (needs CAP_SYS_ADMIN in the user namespace that owns it)\n"),
        "{page}"
    );
}

#[test]
fn an_ordinary_user_is_shown_the_mounts_of_root_and_what_stays_unknown() {
    let t = rings!(Host);
    let dir = tempdir().unwrap();
    let one = mounting(&t, dir.path(), "mkdir s; mount -t tmpfs some s; mount --make-shared s", &[]);
    let other = copied(&t, &one, dir.path(), "true");
    let run = t.tool("nsinfo").as_user().args(["--mounts", &one.pid().to_string()]);
    let said = asked(run);
    let mount = at(&said, dir.path(), "s");
    assert_eq!(mount["source"], "some");
    // In which namespace a process is may not be seen, what is mounted there may.
    let peers: Vec<_> =
        mount["peers"].as_array().unwrap().iter().map(|peer| (&peer["ns"], &peer["pid"])).collect();
    assert_eq!(peers.len(), 1, "{mount}");
    let pid = peers[0].1.as_i64().unwrap();
    assert_eq!((peers[0].0, inode(pid, "mnt")), (&Value::Null, inode(other.pid(), "mnt")));
    assert_eq!(mount["host"], "not_visible");
}
