//! Names that would disturb a terminal or a parser, in every place where somebody else can choose one.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;

use common::text::base64;
use serde_json::Value;

use crate::harness::{inode, tool_path};
use crate::refer::Groups;

/// An escape that names a window, a bell, a bracket as at the end of a name in stat, a mark that turns the direction,
/// a C1 control as UTF-8 and alone, what is no UTF-8, spaces, quotes and a backslash. For places that take a newline
/// one is added.
const NAME: &[u8] = b"\x1b]0;x\x07)\xe2\x80\xae\xc2\x9b\x9b\xff ' \"\\x1b";

/// The same of a group, which is no newline's place.
const GROUP: &str = "\u{1b}]0;x\u{7}:) \u{202e}\u{9b}";

/// Asks for everything that there is to be shown.
const QUESTIONS: &[&str] = &[
    "",
    "-l",
    "--output-all",
    "--output-all -W",
    "-r --output-all",
    "-T -o NS,NAME,COMMAND",
    "-J",
    "-J -l --output-all",
    "-J -W --output-all",
    "-t net",
    "-t mnt -o COMMAND,NAME,REF,CGROUP",
    "--leaks",
    "--leaks -J",
    "--why NET",
    "--why NET -u",
    "--why NET -J",
    "NET -o +CGROUP,CONTAINER,UNIT",
    "--depth procs -o +CGROUP",
    "-l -Q NAME=~'x' -o NAME",
];

#[test]
fn no_name_reaches_the_output_raw_and_json_has_every_byte() {
    let t = rings!(Host);
    let with_newline = [NAME, b"\n4026531840 net 1 1 root init"].concat();
    let Some(groups) = Groups::new(&t, GROUP) else { return };
    // A mount point, a command line, a name of a command and that of a group.
    let script = "mount -t tmpfs none /mnt && : >\"/mnt/$1\" && unshare --net=\"/mnt/$1\" true || exit 1
                  printf '%s' \"$1\" >/proc/$$/comm; echo ready; read x";
    let held = t
        .program("unshare")
        .args(["-m", "--propagation", "private", "sh", "-c", script, "sh"])
        .arg(OsStr::from_bytes(&with_newline))
        .hold();
    groups.take("", held.pid());
    let mount = format!("/proc/{}/root/mnt/", held.pid());
    let file = [mount.as_bytes(), &with_newline].concat();
    let net = std::fs::metadata(OsStr::from_bytes(&file)).unwrap().ino();
    let mnt = inode(held.pid(), "mnt");

    let outside = |args: &[&str]| t.tool("rlsns").args(args).run();
    let pid = held.pid().to_string();
    let inside = |args: &[&str]| {
        let rlsns = tool_path("rlsns").to_str().unwrap();
        t.program("nsenter").args(["-t", &pid, "-m", rlsns]).args(args).run()
    };
    for question in QUESTIONS {
        let question = question.replace("NET", &format!("net:[{net}]"));
        let args: Vec<&str> = question.split_whitespace().collect();
        for run in [outside(&args), inside(&args)] {
            // A namespace without a process has none to be listed.
            assert_eq!(
                run.code,
                Some(i32::from(question.starts_with("net:["))),
                "{question}: {}",
                run.errors()
            );
            for text in [run.text(), run.errors()] {
                let raw = text.chars().find(|c| c.is_control() && *c != '\n' || *c == '\u{202e}');
                assert_eq!(raw, None, "{question}: {text}");
                assert!(
                    !text.lines().any(|line| line.starts_with("4026531840 net 1 1 root")),
                    "{question}: {text}"
                );
            }
            if question.contains("-J") {
                serde_json::from_slice::<Value>(&run.stdout).unwrap_or_else(|e| panic!("{question}: {e}"));
            }
        }
    }

    // Nothing is lost.
    let row = |run: crate::harness::Output, ino: u64| {
        let json: Value = serde_json::from_str(&run.text()).unwrap();
        json["namespaces"].as_array().unwrap().iter().find(|ns| ns["ns"] == ino).unwrap().clone()
    };
    let args = ["-J", "-l", "--output-all"];
    let point = [&b"/mnt/"[..], &with_newline].concat();
    let found = row(outside(&args), net);
    assert_eq!(found["name_b64"], base64(&point), "{found}");
    assert_eq!(found["ref_b64"], base64(&file), "{found}");
    let found = row(inside(&args), net);
    assert_eq!(found["nsfs_b64"], base64(&point), "{found}");
    let found = row(outside(&args), mnt);
    let command = [b"sh -c ", script.as_bytes(), b" sh ", &with_newline].concat();
    assert_eq!(found["command_b64"], base64(&command), "{found}");
    assert!(found["cgroup"].as_str().unwrap().ends_with(GROUP), "{found}");
}
