//! The section about who a process is: when it started, its users and groups with their names.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use super::{asked, rights};
use crate::harness::{Ring, Run, Test, within};

const SECTION: &str = "--section=identity";

fn identity(run: Run<'_>) -> Value {
    asked(run.arg(SECTION))["identity"].clone()
}

fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() as i64
}

#[test]
fn its_start_is_told_whatever_the_offset_of_our_clock() {
    let t = rings!(Host, User);
    let before = now();
    let held = t.program("sleep").arg("1000").start();
    let pid = held.pid().to_string();
    // Starts are counted in hundredths of a second, ages in whole ones.
    let is_right = |said: &Value| {
        let (at, age) =
            (said["started_unix_seconds"].as_i64().unwrap(), said["age_seconds"].as_i64().unwrap());
        assert!((before - 2..=now() + 1).contains(&at), "{before} {said}");
        assert!((at + age - now()).abs() <= 2, "{said}");
    };
    is_right(&identity(t.tool("nsinfo").arg(&pid)));
    // The page says it in our time zone.
    let page = t.tool("nsinfo").env("TZ", "UTC-3").args([&pid, SECTION]).run().ok();
    let line = page.lines().find(|line| line.starts_with("  started     ")).unwrap();
    assert!(line.contains(" +0300, 00:00:0") && line.ends_with(" ago"), "{line}");
    // A namespace of time whose uptime is another: each start is later there by the same.
    if t.belongs(crate::harness::has_kind("time"), "kernels with time namespaces (5.6)") {
        let words = [rights(), &["-fT", "--boottime", "1000000"]].concat();
        let nsinfo = crate::harness::tool_path("nsinfo").to_str().unwrap();
        is_right(&identity(t.tool("runshare").args(words).arg(nsinfo).arg(&pid)));
    }
}

/// The name of an id, as the C library's own tool tells it.
fn name(t: &Test, database: &str, id: u32) -> Value {
    let line = t.program("getent").args([database, &id.to_string()]).run().text();
    line.split(':').next().filter(|name| !name.is_empty()).map_or(Value::Null, |name| json!(name))
}

#[test]
fn ids_have_the_names_that_this_machine_knows() {
    let t = rings!(Host, User);
    if !t.has("getent") {
        return;
    }
    let (uid, gid) = (nix::unistd::getuid().as_raw(), nix::unistd::getgid().as_raw());
    let held = t.program("sleep").arg("1000").start();
    let said = identity(t.tool("nsinfo").arg(held.pid().to_string()));
    assert_eq!(said["uid"]["real"]["name"], name(&t, "passwd", uid));
    assert_eq!(said["gid"]["real"]["name"], name(&t, "group", gid));
    // In a user namespace the name goes with the number outside; inside, root is root.
    let held = t.hold("runshare", &["-r"]);
    let pid = held.inner().to_string();
    let said = identity(t.tool("nsinfo").arg(&pid));
    assert_eq!(
        said["uid"]["effective"],
        json!({"outside": uid, "inside": 0, "name": name(&t, "passwd", uid)})
    );
    let page = t.tool("nsinfo").args([&pid, SECTION]).run().ok();
    let outside = match name(&t, "passwd", uid).as_str() {
        Some(name) => format!("{uid} ({name})"),
        None => uid.to_string(),
    };
    assert!(page.contains(&format!("\n  uid         {outside} outside, 0 (root) inside\n")), "{page}");
    // From inside, the number that we see is the one inside, and the name is of that.
    let nsinfo = crate::harness::tool_path("nsinfo").to_str().unwrap();
    let said = identity(t.tool("rnsenter").args(["-U", "--preserve-credentials", "-t", &pid, nsinfo, &pid]));
    assert_eq!(said["uid"]["effective"]["name"], "root");
}

#[test]
fn all_that_differ_of_four_ids_and_the_groups_beside_them_are_told() {
    let t = rings!(Host, Uml, Qemu);
    if !t.has("setpriv") {
        return;
    }
    let ids =
        ["--ruid", "345670", "--euid", "0", "--rgid", "345671", "--egid", "0", "--groups", "0,345672,345673"];
    let held = t.program("setpriv").args(ids).args(["sleep", "1000"]).start();
    let pid = held.pid().to_string();
    let runs = || std::fs::read(format!("/proc/{pid}/comm")).is_ok_and(|name| name == b"sleep\n");
    assert!(within(Duration::from_secs(5), runs));
    let said = identity(t.tool("nsinfo").arg(&pid));
    assert_eq!(said["uid"]["real"], json!({"outside": 345670, "inside": 345670, "name": null}));
    assert_eq!(said["uid"]["effective"], json!({"outside": 0, "inside": 0, "name": "root"}));
    let groups: Vec<_> = said["groups"].as_array().unwrap().iter().map(|group| &group["outside"]).collect();
    assert_eq!(groups, [0, 345672, 345673]);
    let page = t.tool("nsinfo").args([&pid, SECTION]).run().ok();
    for line in [
        "  uid         0 (root) outside, 0 (root) inside\n              real: 345670 outside, 345670 inside\n",
        "              real: 345671 outside, 345671 inside\n",
        "  groups      0 (root), 345672, 345673\n",
    ] {
        assert!(page.contains(line), "{page}");
    }
}

#[test]
fn a_name_that_would_do_harm_is_shown_as_what_it_is() {
    let t = rings!(Host, Uml, Qemu);
    if !t.has("setpriv") {
        return;
    }
    // In a mount namespace with another list of users.
    let script = r#"printf 'a\033[1mb:x:345678:0::/:/bin/sh\n' >"$1"; mount --bind "$1" /etc/passwd; shift; exec "$@""#;
    let dir = tempfile::tempdir().unwrap();
    let held = t.program("setpriv").args(["--reuid", "345678", "sleep", "1000"]).start();
    let pid = held.pid().to_string();
    let is_other = || {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        status.contains("Uid:\t345678\t")
    };
    assert!(within(Duration::from_secs(5), is_other));
    let run = |json: bool| {
        let run = t.program("unshare").args(["-m", "sh", "-c", script, "sh"]).arg(dir.path().join("passwd"));
        let run = run.arg(crate::harness::tool_path("nsinfo")).args([&pid, SECTION]);
        if json { run.arg("-J") } else { run }.run().ok()
    };
    let page = run(false);
    assert!(
        page.contains("\n  uid         345678 (a\\x1b[1mb) outside, 345678 (a\\x1b[1mb) inside\n"),
        "{page}"
    );
    assert_eq!(crate::harness::world(&run(true))["identity"]["uid"]["effective"]["name"], "a\u{1b}[1mb");
}

#[test]
fn of_a_thread_of_the_kernel_there_is_a_name_and_a_start() {
    let t = rings!(Host, User);
    let said = identity(t.tool("nsinfo").arg("2"));
    assert_eq!(said["command"], "kthreadd");
    let up: f64 =
        std::fs::read_to_string("/proc/uptime").unwrap().split(' ').next().unwrap().parse().unwrap();
    let age = said["age_seconds"].as_f64().unwrap();
    assert!((up - age).abs() < 60.0 || Ring::here() == Ring::User, "{up} {age}");
}
