//! The section about a user namespace: maps as ranges, through several namespaces too, who made it, and what it is root of.

use serde_json::{Value, json};

use super::{asked, rights};
use crate::harness::{Held, Ring, Run, Test, tool_path};

const SECTION: &str = "--section=user";

fn user(run: Run<'_>) -> Value {
    asked(run.arg(SECTION))["user"].clone()
}

/// A process in a user namespace with these ranges of users, the same for groups.
fn mapped(t: &Test, ranges: &[&'static str]) -> Held {
    let both = |range: &&'static str| ["--map-users", range, "--map-groups", range];
    let options = ranges.iter().flat_map(both).chain(["--setgroups", "allow"]);
    let stay = "echo ready; exec sleep 1000";
    t.tool("runshare").args(["-U"]).args(options).args(["sh", "-c", stay]).hold()
}

fn ranges(said: &Value) -> Vec<(Option<u64>, u64, u64)> {
    let one = |range: &Value| {
        (range["outside"].as_u64(), range["inside"].as_u64().unwrap(), range["count"].as_u64().unwrap())
    };
    said.as_array().unwrap().iter().map(one).collect()
}

#[test]
fn maps_are_ranges_and_root_inside_and_who_made_it_are_named() {
    let t = rings!(Host, Uml, Qemu);
    let held = mapped(&t, &["0:345000:10"]);
    let pid = held.inner().to_string();
    let said = user(t.tool("nsinfo").arg(&pid));
    assert_eq!(ranges(&said["uid_map"]), [(Some(345000), 0, 10)]);
    assert_eq!(said["root_outside"], json!({"uid": 345000, "name": null}));
    assert_eq!(said["creator"], json!({"uid": 0, "name": "root"}));
    assert_eq!((&said["setgroups"], &said["maps_unsure"]), (&json!("allow"), &json!(false)));
    let expected = "\
user
  uid map     345000-345009 outside = 0-9 inside
  gid map     345000-345009 outside = 0-9 inside
  setgroups   allow
  root inside is 345000 outside
  made by     0 (root)
";
    let page = t.tool("nsinfo").args([&pid, SECTION]).run().ok();
    assert!(page.starts_with(expected), "{page}");
}

#[test]
fn maps_through_two_namespaces_lead_to_ours_also_where_nobody_is_in_it() {
    let t = rings!(Host, Uml, Qemu);
    let middle = mapped(&t, &["0:456000:1", "1:345000:9"]);
    let target = middle.inner().to_string();
    let inner = ["-U", "--map-users", "0:2:3", "--map-groups", "0:2:3", "--setgroups", "allow"];
    let runshare = tool_path("runshare").to_str().unwrap();
    let words = ["-U", "-t", &target, runshare];
    let stay = ["sh", "-c", "echo ready; exec sleep 1000"];
    let held = t.tool("rnsenter").args(words).args(inner).args(stay).hold();
    let pid = held.inner().to_string();
    let said = user(t.tool("nsinfo").arg(&pid));
    let expected = [(Some(345001), 0, 3)];
    assert_eq!([ranges(&said["uid_map"]), ranges(&said["gid_map"])], [expected.to_vec(), expected.to_vec()]);
    assert_eq!((&said["maps_unsure"], &said["creator"]["uid"]), (&json!(false), &json!(456000)));
    // From a user namespace that is not above it, the kernel numbers only the first id of a range.
    let other = mapped(&t, &["0:345000:2", "2:567000:8"]);
    let nsinfo = tool_path("nsinfo").to_str().unwrap();
    let beside = ["-U", "-t", &other.inner().to_string(), nsinfo].map(str::to_string);
    let page = t.tool("rnsenter").args(&beside).args([&target, SECTION]).run().ok();
    assert!(page.contains("only the first id of each range is sure to be right"), "{page}");
    assert_eq!(user(t.tool("rnsenter").args(&beside).arg(&target))["maps_unsure"], true);
    // When nobody is in it any more a file keeps it.
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("user");
    std::fs::write(&file, "").unwrap();
    let link = format!("/proc/{pid}/ns/user");
    let script = r#"mount --bind "$1" "$2" && kill -9 "$3" || exit
        while kill -0 "$3" 2>/dev/null; do sleep 0.01; done; shift 3; exec "$@""#;
    let pid = held.inner();
    let kept = || t.program("unshare").args(["-m", "sh", "-c", script, "sh", &link]).arg(&file);
    let reaped = std::thread::spawn(move || {
        let mut held = held;
        held.wait();
    });
    let said = user(kept().arg(pid.to_string()).arg(nsinfo).arg(&file));
    reaped.join().unwrap();
    assert_eq!([ranges(&said["uid_map"]), ranges(&said["gid_map"])], [expected.to_vec(), expected.to_vec()]);
    assert_eq!((&said["creator"]["uid"], &said["setgroups"]), (&json!(456000), &json!("allow")));
}

#[test]
fn what_capabilities_are_good_for_is_said() {
    let t = rings!(Host, User);
    let page = |pid: &str| t.tool("nsinfo").args([pid, SECTION]).run().ok().replace("\n              ", " ");
    let held = t.hold("runshare", &["-r"]);
    let inside = page(&held.inner().to_string());
    let ours = page("self");
    if Ring::here() == Ring::User {
        assert!(
            inside.contains("  rights      its capabilities are over what its user namespace owns\n"),
            "{inside}"
        );
        assert!(ours.contains("  rights      no capabilities\n"), "{ours}");
    } else {
        let words = "  rights      its capabilities are over what its user namespace owns, and not over the machine\n";
        assert!(inside.contains(words), "{inside}");
        assert!(ours.contains("  rights      its capabilities are over the whole machine\n"), "{ours}");
        // Root of the machine under another name.
        assert!(
            inside.contains("  root inside is 0 (root) outside: files of the machine's root are its own\n"),
            "{inside}"
        );
    }
    assert_eq!(rights().is_empty(), Ring::here() == Ring::Host);
}
