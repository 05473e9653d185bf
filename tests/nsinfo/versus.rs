//! nsinfo --vs: two worlds, and only what differs.

use serde_json::{Value, json};

use super::rights;
use crate::harness::{Test, inode, tool_path};
use crate::tools::nsinfo::page::Page;
use crate::tools::nsinfo::versus;
use common::text::Charset;
use common::tool::json::Value as Told;

fn compared(t: &Test, args: &[&str]) -> Value {
    serde_json::from_str(&t.tool("nsinfo").arg("-J").args(args).run().ok()).unwrap()
}

/// What differs, and the two values.
fn differences(said: &Value) -> Vec<(String, Value, Value)> {
    let one =
        |one: &Value| (one["what"].as_str().unwrap().to_string(), one["left"].clone(), one["right"].clone());
    said["versus"]["differences"].as_array().unwrap().iter().map(one).collect()
}

#[test]
fn only_what_is_its_own_differs_from_its_parent_and_from_us() {
    let t = rings!(Host, User);
    let script = "hostname other; mount -t tmpfs -o size=64k none /mnt; echo ready; exec sleep 1000";
    let held = t.tool("runshare").args(rights()).args(["-mu", "-f", "sh", "-c", script]).hold();
    let pid = held.inner().to_string();
    let own: Vec<_> = match rights() {
        [] => vec!["namespaces.uts.ns", "namespaces.mnt.ns"],
        _ => vec!["namespaces.user.ns", "namespaces.uts.ns", "namespaces.mnt.ns"],
    };
    for (other, from) in [(std::process::id().to_string(), true), ("parent".into(), false)] {
        let said = compared(&t, &["--vs", &other, &pid, "--section", "identity,namespaces,uts,mounts"]);
        assert_eq!((&said["versus"]["left"], &said["versus"]["right"]), (&json!(pid), &json!(other)));
        let told = differences(&said);
        let names: Vec<_> = told.iter().map(|(what, ..)| what.as_str()).collect();
        if from {
            assert!(own.iter().all(|name| names.contains(name)), "{names:?}");
            let (_, left, right) = told.iter().find(|(what, ..)| what == "uts.host_name").unwrap();
            assert_eq!(left, "other");
            assert_eq!(*right, nix::sys::utsname::uname().unwrap().nodename().to_str().unwrap());
            let (_, left, right) = told.iter().find(|(what, ..)| what == "mounts.list./mnt").unwrap();
            assert_eq!((&left["type"], right), (&json!("tmpfs"), &Value::Null));
            let (_, left, right) = told.iter().find(|(what, ..)| what == "namespaces.mnt.ns").unwrap();
            assert_eq!((left, right), (&json!(inode(held.inner(), "mnt")), &json!(inode("self", "mnt"))));
            assert!(!names.iter().any(|name| name.starts_with("namespaces.net")), "{names:?}");
        } else {
            // runshare itself is in the new namespaces too.
            assert_eq!(names, Vec::<&str>::new());
        }
    }
    let page = t.tool("nsinfo").args(["--vs", "parent", &pid, "--section", "uts"]).run().ok();
    assert_eq!(page, format!("  nothing differs between {pid} and parent\n"));
}

#[test]
fn from_the_host_differs_what_a_container_has_alone() {
    let t = rings!(Host);
    let held = t.hold("runshare", &["-n"]);
    let pid = held.pid().to_string();
    let told = differences(&compared(&t, &[&pid, "--vs", "host", "--section=namespaces"]));
    let ns = ("namespaces.net.ns".to_string(), json!(inode(held.pid(), "net")), json!(inode(2, "net")));
    assert_eq!(told[0], ns);
    // Its id, where the kernel has such (6.18), follows from that.
    assert_eq!(told.len(), 1, "{told:?}");
    // In two columns, with the words that were typed.
    let page = t.tool("nsinfo").args([&pid, "--vs=host", "--section=namespaces"]).run().ok();
    let mut lines = page.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    assert_eq!(lines.next().unwrap(), [&pid, "host"]);
    assert_eq!(lines.nth(1).unwrap(), ["namespaces"]);
    let [ours, theirs] = [inode(held.pid(), "net"), inode(2, "net")].map(|ino| ino.to_string());
    assert_eq!(lines.next().unwrap(), ["net", "ns", &ours, &theirs]);
}

#[test]
fn what_cannot_be_compared_is_refused() {
    let t = rings!(Host, User);
    t.tool("nsinfo")
        .args(["--vs", "self", "1", "2"])
        .run()
        .fails(1, "nsinfo: --vs compares one thing with another, and several were named");
    t.tool("nsinfo")
        .args(["--vs", "4194304"])
        .run()
        .fails(1, "nsinfo: open process 4194304: No such process");
    t.tool("nsinfo")
        .args(["--vs", "parent", "2"])
        .run()
        .fails(1, "nsinfo: process 2 has no parent in this pid namespace");
    let hint = t.program("unshare").args(["-Ur"]).arg(tool_path("nsinfo")).args(["--vs", "host"]).run();
    assert_eq!(hint.code, Some(1));
    assert!(hint.errors().starts_with("nsinfo: open namespaces of "), "{}", hint.errors());
}

// What is never printed, from values made here.

fn told(word: &str) -> Told {
    Told::Text(word.into())
}

fn mount(id: u64, point: &str, options: &str) -> Told {
    let members = vec![("id", Told::Number(id)), ("point", told(point)), ("options", told(options))];
    Told::Object(members)
}

fn world(host: &str, mounts: Vec<Told>, container: Told) -> Told {
    Told::Object(vec![
        (
            "identity",
            Told::Object(vec![("pids", Told::Number(mounts.len() as u64)), ("container", container)]),
        ),
        ("uts", Told::Object(vec![("host_name", told(host))])),
        ("mounts", Told::Object(vec![("list", Told::List(mounts))])),
    ])
}

#[test]
fn only_what_differs_is_told_by_the_name_that_it_has_in_both() {
    let _t = rings!(Host, User);
    let container = Told::Object(vec![("name", told("web")), ("id", Told::Null)]);
    let left = world(
        "a",
        vec![mount(1, "/", "rw"), mount(2, "/x", "rw"), mount(3, "/x", "ro"), mount(4, "/y", "rw")],
        container,
    );
    let right = world(
        "b",
        vec![mount(9, "/z", "rw"), mount(11, "/", "rw"), mount(12, "/x", "rw"), mount(13, "/x", "rw")],
        Told::Null,
    );
    let told: Vec<_> = versus::differences(&left, &right)
        .iter()
        .map(|one| {
            let sides = [&one.left, &one.right].map(|side| versus::flat(side.as_ref()));
            let all = [one.path.join(&b' '), sides[0].clone(), sides[1].clone()];
            all.map(|part| String::from_utf8(part).unwrap()).join("|")
        })
        .collect();
    let expected = [
        "identity container name|web|-",
        "uts host_name|a|b",
        "mounts list /x (2) options|ro|rw",
        "mounts list /y|point=/y options=rw|-",
        "mounts list /z|-|point=/z options=rw",
    ];
    assert_eq!(told, expected);
    assert_eq!(versus::differences(&left, &left), []);
}

#[test]
fn what_could_not_be_read_is_unknown_and_what_is_null_for_no_reason_is_not_there() {
    let _t = rings!(Host, User);
    let world = |name: Told, reasons: Vec<&str>| {
        let reason = |key| Told::Object(vec![("key", told(key)), ("reason", told("no right"))]);
        let reasons = reasons.into_iter().map(reason).collect();
        let group = Told::Object(vec![("controllers", Told::List(vec![])), ("root", name)]);
        let groups = Told::Object(vec![("groups", Told::List(vec![group]))]);
        Told::Object(vec![("cgroup", groups), ("unreadable", Told::List(reasons))])
    };
    let compared = |left: &Told, right: &Told| {
        let all = versus::differences(left, right);
        let one = |one: &versus::Difference| {
            let all =
                [one.path.join(&b' '), versus::flat(one.left.as_ref()), versus::flat(one.right.as_ref())];
            all.map(|part| String::from_utf8(part).unwrap()).join("|")
        };
        all.iter().map(one).collect::<Vec<_>>()
    };
    let some = world(told("/a"), vec![]);
    assert_eq!(compared(&some, &world(Told::Null, vec![])), ["cgroup groups v2 root|/a|-"]);
    let hidden = world(Told::Null, vec!["uts.root", "cgroup.groups.root"]);
    let expected = [
        "cgroup groups v2 root|/a|unknown",
        "unreadable uts.root|-|no right",
        "unreadable cgroup.groups.root|-|no right",
    ];
    assert_eq!(compared(&some, &hidden), expected);
    let other = world(Told::Null, vec!["uts.root"]);
    assert_eq!(compared(&some, &other), ["cgroup groups v2 root|/a|-", "unreadable uts.root|-|no right"]);
    // Of what is closed on both sides nothing is known that differs.
    let closed = world(told("/a"), vec!["uts.root"]);
    assert_eq!(compared(&other, &closed), ["cgroup groups v2 root|-|/a"]);
    assert_eq!(compared(&closed, &some), ["unreadable uts.root|no right|-"]);
}

#[test]
fn of_a_list_of_words_each_side_shows_what_the_other_lacks() {
    let _t = rings!(Host, User);
    let words = |words: &str| Some(Told::List(words.split(' ').map(told).collect()));
    let one = |left, right| {
        let one = versus::Difference { path: vec![b"security".to_vec(), b"bounding".to_vec()], left, right };
        let mut made = Page::new(Charset::Ascii, Some(80), false);
        versus::page(&mut made, [b"1", b"2"], &[one]);
        made.out.lines().next_back().unwrap().split_whitespace().collect::<Vec<_>>().join(" ")
    };
    assert_eq!(one(words("a b"), words("b c d")), "bounding a c, d");
    assert_eq!(one(words("b"), words("b c")), "bounding - c");
    assert_eq!(one(words("a b"), None), "bounding a, b -");
}

#[test]
fn long_values_go_on_below_each_other_in_their_columns() {
    let _t = rings!(Host, User);
    let value = |letter: &str| Some(told(&letter.repeat(30)));
    let one = versus::Difference {
        path: vec![b"uts".to_vec(), b"host_name".to_vec()],
        left: value("a"),
        right: value("b"),
    };
    let mut made = Page::new(Charset::Ascii, Some(50), false);
    versus::page(&mut made, [b"1", b"2"], &[one]);
    let expected = concat!(
        "             1                  2\n",
        "\n",
        "uts\n",
        "  host_name  aaaaaaaaaaaaaaaaa  bbbbbbbbbbbbbbbbbb\n",
        "             aaaaaaaaaaaaa      bbbbbbbbbbbb\n",
    );
    assert_eq!(made.out, expected);
}
