//! Processes that are not as others, and readers that are not.

use std::time::Duration;

use serde_json::Value;

use super::{asked, rights, unreadable};
use crate::harness::{tool_path, within, world};
#[test]
fn each_section_by_itself_is_what_the_whole_page_says_of_it() {
    let t = rings!(Host, User);
    // Mounts of its own as well: ours change while other tests run.
    let held =
        t.tool("runshare").args(rights()).args(["-mun", "sh", "-c", "echo ready; exec sleep 1000"]).hold();
    let pid = held.inner().to_string();
    let whole = asked(t.tool("nsinfo").arg(&pid));
    for section in ["identity", "namespaces", "user", "mounts", "uts", "security"] {
        let alone = asked(t.tool("nsinfo").args([&pid, "--section", section]));
        let (mut alone, mut whole) = (alone[section].clone(), whole[section].clone());
        // It gets older, and others come and go.
        for part in [&mut alone, &mut whole] {
            for key in ["age_seconds", "started_unix_seconds"] {
                part.as_object_mut().unwrap().remove(key);
            }
        }
        assert_eq!(alone, whole, "{section}");
    }
    let both = t.tool("nsinfo").args([&pid, "--section", "uts,user"]).run().ok();
    let titles: Vec<_> = both.lines().filter(|line| !line.starts_with(' ') && !line.is_empty()).collect();
    assert_eq!(titles, ["user", "uts"], "in the order of the page, without last lines");
}

#[test]
fn of_several_those_that_are_there_are_shown() {
    let t = rings!(Host, User);
    let own = std::process::id().to_string();
    let run = t.tool("nsinfo").args(["4194304", &own, "self", "--section=uts"]).run();
    let line = run.errors();
    assert!(line.starts_with("nsinfo: open process 4194304: No such process\n"), "{line}");
    assert_eq!(run.code, Some(1));
    let text = run.text();
    let titles: Vec<_> = text.lines().filter(|line| line.starts_with("== ")).collect();
    assert_eq!(titles, [format!("== {own}"), "== self".into()]);
    let run = t.tool("nsinfo").args(["4194304", &own, "--section=uts", "-J"]).run();
    let said: Value = serde_json::from_str(&run.text()).unwrap();
    assert_eq!((run.code, said["worlds"].as_array().unwrap().len()), (Some(1), 1));
}

#[test]
fn a_leader_that_has_ended_is_shown_by_a_thread_that_lives() {
    let t = rings!(Host, User);
    // The first thread ends, the other stays.
    let script = "import ctypes, os, threading, time
def stay():
    print('ready', flush=True)
    time.sleep(1000)
threading.Thread(target=stay).start()
time.sleep(0.2)
ctypes.CDLL(None).syscall(60, 0)";
    if !t
        .needs(crate::harness::find("python3").is_some() && cfg!(target_arch = "x86_64"), "python3 on x86_64")
    {
        return;
    }
    let held = t.program("python3").args(["-c", script]).hold();
    let pid = held.pid();
    let ended = || std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap().contains(") Z ");
    assert!(within(Duration::from_secs(10), ended));
    let said = asked(t.tool("nsinfo").arg(pid.to_string()));
    assert_eq!(said["identity"]["state"], "leader ended");
    let tid = said["identity"]["shown_by_thread"].as_i64().unwrap();
    assert!(tid != i64::from(pid) && said["namespaces"]["net"]["ns"].is_u64(), "{said}");
    assert!(said["mounts"]["list"].as_array().is_some_and(|list| !list.is_empty()));
    let page = t.tool("nsinfo").arg(pid.to_string()).run().ok();
    assert!(page.contains(&format!("\n  state       leader has ended; thread {tid} is shown\n")), "{page}");
}

#[test]
fn what_we_may_not_read_says_which_right_is_missing() {
    let t = rings!(Host, User);
    let held = t.program("sleep").arg("1000").start();
    let root = if crate::harness::Ring::here().is_root() { held.pid() } else { 2 };
    let page = t.tool("nsinfo").as_user().args([&root.to_string(), "--section=namespaces,uts"]).run().ok();
    assert!(page.contains("namespaces\n  not permitted (needs CAP_SYS_PTRACE)\n"), "{page}");
    let said = world(&t.tool("nsinfo").as_user().args([&root.to_string(), "-J"]).run().ok());
    assert!(unreadable(&said).contains(&"namespaces"), "{said}");
}

#[test]
fn the_page_fits_into_eighty_columns_of_a_terminal() {
    let t = rings!(Host, User);
    let words = [rights(), &["-mupf", "--kill-child", "sh", "-c", "echo ready; exec sleep 1000"]].concat();
    let held = t.tool("runshare").args(words).hold();
    let text = t.tool("nsinfo").arg(held.inner().to_string()).run_in_terminal(80);
    let shown = |line: &str| {
        common::text::width(
            &line.replace("\x1b[1m", "").replace("\x1b[2m", "").replace("\x1b[0m", "").replace("\x1b[m", ""),
        )
    };
    // Lines to be pasted are whole.
    let lines = text.lines().take_while(|line| !line.contains("enter:"));
    for line in lines.map(|line| line.trim_end_matches('\r')) {
        assert!(shown(line) <= 80 || line.contains("\x1b[3"), "{line:?}");
    }
}

#[test]
fn it_works_inside_of_a_world_of_its_own() {
    let t = rings!(Host, User);
    let nsinfo = tool_path("nsinfo").to_str().unwrap();
    let words = ["-Urpfmuin", "--mount-proc", "--kill-child", "sh", "-c"];
    let script = format!("hostname box; {nsinfo} -J 1");
    let said = world(&t.tool("runshare").args(words).arg(&script).run().ok());
    assert_eq!(said["identity"]["pids"], serde_json::json!([1]));
    assert_eq!(
        (&said["uts"]["host_name"], &said["namespaces"]["uts"]["ours"]),
        (&"box".into(), &true.into())
    );
    assert_eq!(said["user"]["uid_map"][0]["inside"], 0);
    assert!(said["net"].is_object() && said["security"].is_object() && said["cgroup"].is_object());
    // The machine's own processes are not there.
    let script = format!("{nsinfo} {}", std::process::id());
    t.tool("runshare")
        .args(words)
        .arg(&script)
        .run()
        .fails(1, &format!("nsinfo: open process {}: No such process", std::process::id()));
}
