//! The sections about clocks and names of the host.

use std::os::unix::ffi::OsStrExt;

use serde_json::{Value, json};

use crate::harness::{Run, Test, bytes, has_kind};

/// A section of one thing as JSON, and the keys that could not be read.
fn asked(run: Run<'_>, section: &str) -> (Value, Vec<String>) {
    let text = run.args(["--section", section, "-J"]).run().ok();
    let said: Value = serde_json::from_str(&text).unwrap();
    let world = &said["worlds"][0];
    let entries = world["unreadable"].as_array().unwrap().iter();
    let unreadable = entries.map(|entry| entry["key"].as_str().unwrap().to_string()).collect();
    (world[section].clone(), unreadable)
}

fn of(t: &Test, what: impl ToString) -> Run<'_> {
    t.tool("nsinfo").arg(what.to_string())
}

fn offsets(monotonic: i64, boottime: i64) -> Value {
    let one = |seconds: i64| json!({"seconds": seconds, "nanoseconds": 0});
    json!({"monotonic": one(monotonic), "boottime": one(boottime)})
}

#[test]
fn clocks_of_a_time_namespace_are_off_and_uptime_with_them() {
    let t = rings!(Host, Uml, Qemu);
    if !t.belongs(has_kind("time"), "kernels with time namespaces") {
        return;
    }
    let held = t.hold("unshare", &["-T", "-f", "--monotonic", "-5", "--boottime", "180061"]);
    let pid = held.inner();
    let uptime = || {
        let text = std::fs::read_to_string("/proc/uptime").unwrap();
        text.split(' ').next().unwrap().parse::<f64>().unwrap()
    };
    let before = uptime();
    let (said, unreadable) = asked(of(&t, pid), "time");
    assert_eq!((&said["offsets"], &unreadable[..]), (&offsets(-5, 180_061), &[][..]));
    assert_eq!((&said["offsets_for_children"], &said["initial"]), (&Value::Null, &json!(false)));
    let inside = said["uptime_seconds"].as_f64().unwrap() - 180_061.0;
    assert!(before - 0.1 <= inside && inside <= uptime() + 0.1, "{inside} {before}");
    let page = of(&t, pid).args(["--section", "time"]).run().ok();
    for words in [
        "  monotonic   00:00:05 behind\n",
        "  boottime    2 d 02:01:01 ahead\n",
        "  wall clock  that of the machine: no namespace isolates CLOCK_REALTIME\n",
    ] {
        assert!(page.contains(words), "{page}");
    }
    // A namespace is looked at from inside.
    let (said, unreadable) = asked(of(&t, format!("/proc/{pid}/ns/time")), "time");
    assert_eq!((&said["offsets"], &unreadable[..]), (&offsets(-5, 180_061), &[][..]));
    // And from inside ours are others.
    let inside =
        t.program("nsenter").args(["-T", "-t", &pid.to_string()]).arg(crate::harness::tool_path("nsinfo"));
    let (said, _) = asked(inside.arg(std::process::id().to_string()), "time");
    assert_eq!((&said["offsets"], &said["initial"]), (&offsets(0, 0), &json!(true)));
    let outside = said["uptime_seconds"].as_f64().unwrap();
    assert!(before - 0.1 <= outside && outside <= uptime() + 0.1, "{outside} {before}");
    // Of a process that is closed to us only the file of its children speaks.
    let (said, unreadable) = asked(t.tool("nsinfo").as_user().arg(pid.to_string()), "time");
    assert_eq!((&said["offsets"], &said["offsets_for_children"]), (&Value::Null, &offsets(-5, 180_061)));
    assert_eq!(unreadable, ["time.offsets", "time.uptime_seconds"]);
}

#[test]
fn who_has_made_a_time_namespace_is_in_the_old_one_and_its_children_are_not() {
    let t = rings!(Host, Uml, Qemu);
    if !t.has("python3") || !t.belongs(has_kind("time"), "kernels with time namespaces") {
        return;
    }
    let script = "import ctypes, time
libc = ctypes.CDLL(None)
assert libc.unshare(0x80) == 0
open('/proc/self/timens_offsets', 'w').write('boottime 100 0')
print('ready', flush=True)
time.sleep(1000)";
    let held = t.program("python3").args(["-c", script]).hold();
    let (said, unreadable) = asked(of(&t, held.pid()), "time");
    assert_eq!((&said["offsets"], &said["offsets_for_children"]), (&offsets(0, 0), &offsets(0, 100)));
    assert_eq!((&said["initial"], &unreadable[..]), (&json!(true), &[][..]));
    let page = of(&t, held.pid()).args(["--section", "time"]).run().ok();
    assert!(page.contains("boottime: 00:01:40 ahead\n"), "{page}");
    drop(held);
    // The old one is another than ours: it is entered.
    let script = format!("import os\n{script}");
    let held = t.program("unshare").args(["-T", "-f", "--boottime", "7", "python3", "-c", &script]).hold();
    let (said, unreadable) = asked(of(&t, held.inner()), "time");
    assert_eq!((&said["offsets"], &said["offsets_for_children"]), (&offsets(0, 7), &offsets(0, 100)));
    assert_eq!(unreadable, [""; 0]);
}

#[test]
fn uptime_is_right_for_who_has_made_a_time_namespace_and_then_executes_nsinfo() {
    let t = rings!(Host, Qemu);
    if !t.has("python3") || !t.belongs(has_kind("time"), "kernels with time namespaces") {
        return;
    }
    // Linux 5.10 leaves such a program where it was, newer ones do not.
    let script = "import ctypes, os, sys
assert ctypes.CDLL(None).unshare(0x80) == 0
open('/proc/self/timens_offsets', 'w').write('boottime 180061 0')
os.execv(sys.argv[1], sys.argv[1:])";
    let run = t.program("python3").args(["-c", script]).arg(crate::harness::tool_path("nsinfo"));
    let (said, _) = asked(run.arg(std::process::id().to_string()), "time");
    let uptime = std::fs::read_to_string("/proc/uptime").unwrap();
    let uptime: f64 = uptime.split(' ').next().unwrap().parse().unwrap();
    let told = said["uptime_seconds"].as_f64().unwrap();
    assert!((told - uptime).abs() < 60.0, "{told} {uptime}");
}

#[test]
fn both_names_of_a_host_are_those_inside() {
    let t = rings!(Host, Uml, Qemu);
    // The files belong to the machine's root.
    const HOST: &[u8] = b"a\x1b[1m\xffb";
    const DOMAIN: &[u8] = b"dom\x07ain";
    let script = r#"printf %s "$1" >/proc/sys/kernel/hostname && printf %s "$2" >/proc/sys/kernel/domainname || exit
        echo ready; exec sleep 1000"#;
    let run = t.tool("runshare").args(["-u", "sh", "-c", script, "sh"]);
    let held = run.args([bytes(HOST), bytes(DOMAIN)]).hold();
    let expected = |said: &Value| {
        assert_eq!(said["host_name"], String::from_utf8_lossy(HOST).as_ref());
        assert_eq!(said["host_name_b64"], "YRtbMW3/Yg==");
        assert_eq!(said["domain_name"], String::from_utf8_lossy(DOMAIN).as_ref());
    };
    let pid = held.inner();
    let (said, unreadable) = asked(of(&t, pid), "uts");
    expected(&said);
    assert_eq!(unreadable, [""; 0]);
    let (said, _) = asked(of(&t, format!("/proc/{pid}/ns/uts")), "uts");
    expected(&said);
    let page = of(&t, pid).args(["--section", "uts"]).run().ok();
    assert_eq!(page, "uts\n  host name   a\\x1b[1m\\xffb\n  domain name dom\\x07ain\n");
    // Our own.
    let (said, _) = asked(t.tool("nsinfo"), "uts");
    let own = nix::sys::utsname::uname().unwrap();
    assert_eq!(said["host_name"].as_str().unwrap().as_bytes(), own.nodename().as_bytes());
    assert_eq!(said["domain_name"].as_str().unwrap().as_bytes(), own.domainname().as_bytes());
}
