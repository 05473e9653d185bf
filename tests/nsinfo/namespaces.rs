//! The section about the namespaces of a process: those to come, whose they are, how many share them.

use serde_json::{Value, json};

use super::{asked, rights};
use crate::harness::{Run, children, inode, tool_path};

const SECTION: &str = "--section=namespaces";

fn namespaces(run: Run<'_>) -> Value {
    asked(run.arg(SECTION))["namespaces"].clone()
}

#[test]
fn what_children_to_come_will_be_in_is_told_where_it_is_another() {
    let t = rings!(Host, User);
    // unshare(1) makes a pid namespace and forks; itself it stays in the old one.
    let held =
        t.tool("runshare").args(rights()).args(["-pf", "sh", "-c", "echo ready; exec sleep 1000"]).hold();
    let said = namespaces(t.tool("nsinfo").arg(held.pid().to_string()));
    let child = held.inner();
    assert_eq!(said["pid"]["ns"], inode("self", "pid"));
    assert_eq!(said["pid"]["for_children"], inode(child, "pid"));
    assert_eq!(said["pid"]["for_children_made"], true);
    let page = t.tool("nsinfo").args([&held.pid().to_string(), SECTION]).run().ok();
    let line = format!("\n  children to come will be in pid:[{}]\n", inode(child, "pid"));
    assert!(page.contains(&line), "{page}");
    // Without a child yet it is still to be made.
    let stay = "echo ready; exec sleep 1000";
    let held = t.tool("runshare").args(rights()).args(["-p", "sh", "-c", stay]).hold();
    if children(held.pid()).is_empty() {
        let said = namespaces(t.tool("nsinfo").arg(held.pid().to_string()));
        assert_eq!(
            (&said["pid"]["for_children"], &said["pid"]["for_children_made"]),
            (&Value::Null, &json!(false))
        );
        let page = t.tool("nsinfo").args([&held.pid().to_string(), SECTION]).run().ok();
        assert!(page.contains("\n  the first child to come makes another pid namespace\n"), "{page}");
    }
}

#[test]
fn owner_parent_process_and_id_of_each_are_told() {
    let t = rings!(Host, User);
    let held = t.hold("runshare", &["-run"]);
    let pid = held.inner();
    let said = namespaces(t.tool("nsinfo").arg(pid.to_string()));
    for kind in ["uts", "net"] {
        assert_eq!(said[kind]["owner"], inode(pid, "user"), "{kind}");
    }
    // Of a user namespace it is the one above.
    assert_eq!(said["user"]["owner"], inode("self", "user"));
    // With one that it shares with its parent process, and one of its own below that.
    let runshare = tool_path("runshare").to_str().unwrap();
    let script = format!("{runshare} -i sh -c 'echo $$; exec sleep 1000' & wait");
    let held = t.tool("runshare").args(["-ru", "sh", "-c", &script]).hold();
    let child: i32 = held.line.parse().unwrap();
    let said = namespaces(t.tool("nsinfo").arg(child.to_string()));
    assert_eq!([&said["uts"]["parent"], &said["ipc"]["parent"]], [true, false]);
}

#[test]
fn processes_that_share_are_counted_only_if_that_is_asked_for() {
    let t = rings!(Host, User);
    let script = "sleep 1000 & sleep 1000 & echo ready; exec sleep 1000";
    let held = t.tool("runshare").args(rights()).args(["-u", "sh", "-c", script]).hold();
    let pid = held.inner().to_string();
    let said = namespaces(t.tool("nsinfo").args(["--count", &pid]));
    assert_eq!(said["uts"]["processes"], 3);
    assert!(said["mnt"]["processes"].as_u64().unwrap() > 3);
    let page = t.tool("nsinfo").args(["--count", &pid, SECTION]).run().ok();
    assert!(page.lines().nth(1).unwrap().contains(" PROCS "), "{page}");
    let plain = namespaces(t.tool("nsinfo").arg(&pid));
    assert!(plain["uts"].get("processes").is_none());
}
