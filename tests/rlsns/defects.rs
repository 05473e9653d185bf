//! What is wrong in lsns of util-linux (2.38 to 2.43), and right here. One that is a matter of many runs is tested
//! beside the rest: no listing is empty while processes are born and die.

use common::kind::{Kind, NsId};
use common::ns::scan::{Namespace, Process, Snapshot};
use serde_json::Value;

use crate::harness::{Test, inode, tool_path};
use crate::tools::rlsns::cli::Relation;
use crate::tools::rlsns::picture::{Picture, Row};
use crate::tools::rlsns::tree::grow;

/// Runs rlsns in a mount namespace of its own, after lines of shell that make the world. `$1` is a directory.
fn in_world(t: &Test, script: &str, args: &str) -> String {
    let dir = tempfile::tempdir().unwrap();
    let tool = tool_path("rlsns").to_str().unwrap();
    let script = format!("set -e; mount -t tmpfs none \"$1\"; cd \"$1\"; {script}; exec {tool} {args}");
    let args = ["-Urm", "sh", "-c", &script, "sh"];
    t.program("unshare").args(args).arg(dir.path()).run().ok()
}

fn namespaces(json: &str) -> Vec<Value> {
    let mut json: Value = serde_json::from_str(json).unwrap_or_else(|e| panic!("{e}: {json}"));
    json["namespaces"].take().as_array().unwrap().clone()
}

/// D5: lsns shows root as the user of whatever no process is in, unless it is a user namespace.
#[test]
fn the_user_of_a_namespace_without_processes_is_who_owns_it() {
    let t = rings!(Host, User);
    let script = "touch net uts; unshare --net=net --uts=uts true";
    let args = "-J -l -P -t net,uts -o NS,TYPE,UID,USER,ONS,OUID,NSFS";
    let found = namespaces(&in_world(&t, script, args));
    // Only ours are mounted: root of the world is we.
    let ours: Vec<_> = found.iter().filter(|ns| ns["nsfs"].is_string()).collect();
    assert_eq!(ours.len(), 2, "{found:?}");
    assert!(
        ours.iter().all(|ns| ns["uid"] == ns["ouid"] && ns["uid"] == 0 && ns["user"] == "root"),
        "{ours:?}"
    );
    // From outside it is who made the user namespace.
    let held = t.hold("unshare", &["-Ur", "unshare", "-U", "--map-root-user", "-n"]);
    let user = inode(held.pid(), "user");
    let args = ["-J", "-Towner", "-t", "user", "-o", "NS,NPROCS,UID,PID"];
    let found = namespaces(&t.tool("rlsns").args(args).run().ok());
    let me = nix::unistd::geteuid().as_raw();
    fn walk<'a>(list: &'a [Value], out: &mut Vec<(&'a Value, Option<&'a Value>)>, above: Option<&'a Value>) {
        for ns in list {
            out.push((ns, above));
            walk(ns["children"].as_array().map_or(&[], Vec::as_slice), out, Some(ns));
        }
    }
    let mut all = Vec::new();
    walk(&found, &mut all, None);
    let (_, above) = all.iter().find(|(ns, _)| ns["ns"] == user).unwrap();
    let above = above.unwrap();
    assert_eq!((&above["nprocs"], &above["pid"], &above["uid"]), (&0.into(), &Value::Null, &me.into()));
}

/// D6: of several mounts lsns prints only the first, a stray line behind it, and bytes that are no text as they are.
#[test]
fn json_has_every_mount_and_is_valid_for_any_bytes() {
    let t = rings!(Host, User);
    let script = "touch a 'b c' one; odd=$(printf 'z\\377\\ny,'); touch \"$odd\"; \
        unshare --net=a true; mount --bind a 'b c'; \
        unshare --uts=\"$odd\" true; unshare --ipc=one true";
    let args = |more: &str| format!("-J -l -P -o NS,TYPE,NSFS {more}");
    let text = in_world(&t, script, &args(""));
    assert!(text.lines().all(|line| !line.trim().is_empty()), "{text}");
    let nsfs = |text: &str, kind: &str| -> (Vec<String>, bool) {
        let found = namespaces(text);
        let ns = found.iter().find(|ns| ns["type"] == kind && ns["nsfs"].is_string()).unwrap();
        let paths = ns["nsfs"].as_str().unwrap();
        let names = paths.split(['\n', ',']).map(|path| path.rsplit('/').next().unwrap().to_string());
        (names.collect(), ns["nsfs_b64"].is_string())
    };
    assert_eq!(nsfs(&text, "net"), (vec!["a".into(), "b c".into()], false));
    assert_eq!(nsfs(&text, "ipc"), (vec!["one".into()], false));
    assert_eq!(nsfs(&text, "uts"), (vec!["z\u{fffd}".into(), "y".into(), String::new()], true));
    let flat = in_world(&t, script, &args("-W"));
    assert_eq!(nsfs(&flat, "net").0.len(), 2);
    assert!(flat.contains("/a,/"), "{flat}");
    // The same mounts on lines of their own, and between commas.
    let human = in_world(&t, script, "-P -t net -o NS,NSFS,TYPE");
    let lines: Vec<&str> =
        human.lines().filter(|line| line.contains("/a ") || line.ends_with("/b c")).collect();
    assert!(
        lines.len() == 2 && lines[0].ends_with(" net") && lines[1].trim_start().starts_with('/'),
        "{human}"
    );
    for flat in ["-W -l", "-r -l"] {
        let text = in_world(&t, script, &format!("{flat} -P -t net,uts -o NSFS"));
        assert!(
            text.lines().any(|line| line.contains("/a,/") && line.replace("\\x20", " ").ends_with("/b c")),
            "{text}"
        );
        assert!(text.lines().any(|line| line.ends_with("/z\\xff\\x0ay\\x2c")), "{text}");
    }
}

/// D22: with a filter and a namespace lsns always fails.
#[test]
fn the_processes_of_one_namespace_can_be_filtered() {
    let t = rings!(Host, User);
    let held = t.hold("unshare", &["-Ur", "-n", "--fork", "--kill-child"]);
    let ino = inode(held.pid(), "net").to_string();
    let filter = format!("PPID == {}", held.pid());
    let text = t.tool("rlsns").args([&ino, "-rn", "-o", "PID", "-Q", &filter]).run().ok();
    assert_eq!(text, format!("{}\n", held.inner()));
}

/// D23: lsns takes both, and forgets one.
#[test]
fn a_list_and_a_tree_exclude_each_other() {
    let t = rings!(Host, User);
    #[rustfmt::skip]
    let cases: &[(&[&str], &str)] = &[
        (&["-l", "-T"], "'--list' cannot be used with '--tree[=<RELATION>]'"),
        (&["-l", "--tree=owner"], "'--list' cannot be used with '--tree[=<RELATION>]'"),
        (&["-Tparent", "--list"], "'--tree[=<RELATION>]' cannot be used with '--list'"),
        (&["-P", "-p", "1"], "'--persistent' cannot be used with '--task <REF>'"),
        (&["-P", "4026531840"], "'--persistent' cannot be used with '[NAMESPACE]'"),
    ];
    for (args, line) in cases {
        t.tool("rlsns").args(*args).run().fails(1, &format!("rlsns: the argument {line}"));
    }
}

/// lsns prints nothing, and is content.
#[test]
fn a_process_that_is_gone_has_no_empty_list() {
    let t = rings!(Host, User);
    let gone = t.program("sh").args(["-c", "echo $$"]).run().ok();
    let pid = gone.trim_end();
    t.tool("rlsns").args(["-p", pid]).run().fails(1, &format!("rlsns: open process {pid}: No such process"));
}

/// D28: lsns looks at every pair of processes. How long the look at them takes, the benches tell.
#[test]
fn the_time_for_a_tree_grows_no_faster_than_the_machine() {
    let _t = rings!(Host, User);
    const COUNT: i32 = 64_000;
    let mut snapshot = Snapshot::default();
    for pid in 1..=COUNT {
        let id = NsId { dev: 0, ino: pid as u64 };
        let ns = Namespace { processes: 1, first: Some(pid), ..Namespace::new(id, Kind::Net) };
        snapshot.namespaces.push(ns);
        let process = Process {
            pid,
            ppid: pid / 3,
            uid: 0,
            start: 0,
            command: Vec::new(),
            groups: Vec::new(),
            end: Default::default(),
        };
        snapshot.processes.insert(pid, process);
    }
    let picture = Picture::from(snapshot);
    let rows: Vec<_> = (0..COUNT).map(|at| Row { ns: at as usize, pid: Some(at + 1) }).collect();
    let start = std::time::Instant::now();
    let grown = grow(&picture, &rows, Some(Relation::Process));
    let seconds = start.elapsed().as_secs_f64();
    let deepest = grown.iter().map(|(depth, _)| *depth).max();
    assert_eq!((grown.len(), deepest), (COUNT as usize, Some(10)));
    // It takes half a second here; a look at each pair, of which there are 4 thousand million, a minute.
    assert!(seconds < 15.0, "{seconds}");
}
