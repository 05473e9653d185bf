//! `--system`: what is said of the machine is what its files say, and what the system calls do when another program makes
//! them.

use std::fs::{read_to_string, write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::{Map, Value, json};

use super::{HARMLESS, HOSTILE_B64, HOSTILE_IN_JSON};
use crate::harness::{NOBODY, Ring, Run, Test, has_kind, inode, tool_path};
use common::kind::KINDS;

/// Makes the system calls itself, and prints what they answer as JSON.
const TRUTH: &str = include_str!("system.py");

fn system(text: &str) -> Value {
    assert!(!text.contains(|c: char| c.is_control() && c != '\n'), "{text}");
    let said: Value = serde_json::from_str(text).unwrap_or_else(|e| panic!("{e}: {text}"));
    assert_eq!(said["schema"], 1);
    said["system"].clone()
}

fn asked(run: Run<'_>) -> Value {
    system(&run.args(["--system", "-J"]).run().ok())
}

fn said(t: &Test) -> Value {
    asked(t.tool("nsinfo"))
}

/// The tool and the truth, both started in this way by a script: `$1` is the tool, `$2` the other, "$@" after a shift by one.
fn beside(run: Run<'_>, script: &str) -> (Value, Value) {
    let script = format!("{script}\n\"$1\" --system -J && echo --- && exec python3 -c \"$2\"");
    let text = run.args(["sh", "-c", &script, "sh"]).arg(tool_path("nsinfo")).arg(TRUTH).run().ok();
    let (said, truth) = text.split_once("---\n").unwrap();
    (system(said), serde_json::from_str(truth).unwrap())
}

/// What is said of making namespaces is what happened to the other program.
fn agree(said: &Value, truth: &Value) {
    for row in KINDS {
        let kind = &said["types"][row.name];
        assert_eq!(kind["here"], has_kind(row.name), "{}", row.name);
        assert_eq!(kind["since"], row.since);
        let of = |key: &str| truth[key].get(row.name).cloned().unwrap_or(Value::Null);
        assert_eq!(kind["made_error"], of("alone"), "{}\n{said:#}", row.name);
        assert_eq!(kind["made"], of("alone").is_null(), "{}", row.name);
        if truth["alone"]["user"].is_null() && row.name != "user" {
            assert_eq!(kind["made_in_user_error"], of("in_user"), "{}\n{said:#}", row.name);
            assert_eq!(kind["made_in_user"], of("in_user").is_null(), "{}", row.name);
        } else {
            assert_eq!(
                [&kind["made_in_user"], &kind["made_in_user_error"]],
                [&Value::Null; 2],
                "{}",
                row.name
            );
        }
    }
    for (name, answer) in truth["features"].as_object().unwrap() {
        let features = said["features"].as_array().unwrap();
        let feature = features.iter().find(|feature| feature["name"] == *name).unwrap();
        assert_eq!(feature["error"], *answer, "{name}");
        let here = match answer.as_str() {
            None => "yes",
            Some("EPERM" | "EACCES") => "refused",
            Some(_) => "no",
        };
        assert_eq!(feature["here"], here, "{name}");
    }
}

#[test]
fn what_can_be_made_and_what_the_kernel_has_is_what_the_system_calls_say() {
    let t = rings!(Host, User, Uml, Qemu);
    let (said, truth) = beside(t.program("env"), "");
    agree(&said, &truth);
    if Ring::here().is_root() {
        // No time namespace, no net namespace in the user namespace, and none of a kind that has none left.
        let script =
            "echo 0 >/proc/sys/user/max_net_namespaces && echo 0 >/proc/sys/user/max_uts_namespaces || exit";
        let (said, truth) = beside(t.tool("runshare").arg("-Ur"), script);
        agree(&said, &truth);
        assert_eq!(said["types"]["uts"]["made_error"], "ENOSPC");
        assert_eq!(said["types"]["net"]["limit"], 0);
        let script = "echo 0 >/proc/sys/user/max_user_namespaces || exit";
        let (said, truth) = beside(t.tool("runshare").arg("-Ur"), script);
        agree(&said, &truth);
        assert_eq!(said["types"]["user"]["made_error"], "ENOSPC");
    }
}

/// A filter of system calls stands before them: what it refuses is refused, what it denies is not there.
#[test]
fn a_filter_of_system_calls_and_lost_rights_are_seen() {
    let t = rings!(Host, User);
    let run = t
        .program("python3")
        .args(["-c", TRUTH, "filtered"])
        .arg(tool_path("nsinfo"))
        .args(["--system", "-J"]);
    let said = system(&run.run().ok());
    let rights = &said["rights"];
    assert_eq!([&rights["seccomp_filter"], &rights["no_new_privs"]], [&json!(true), &json!(true)]);
    for row in KINDS {
        let kind = &said["types"][row.name];
        assert_eq!([&kind["made"], &kind["made_error"]], [&json!(false), &json!("EPERM")], "{}", row.name);
    }
    let features = said["features"].as_array().unwrap();
    let of = |name: &str| features.iter().find(|feature| feature["name"] == name).unwrap();
    assert_eq!([&of("listmount, statmount")["here"], &of("listmount, statmount")["error"]], ["no", "ENOSYS"]);
    assert_eq!([&of("pidfd_getfd")["here"], &of("pidfd_getfd")["error"]], ["refused", "EACCES"]);
    let run = t.program("python3").args(["-c", TRUTH, "filtered"]).arg(tool_path("nsinfo")).arg("--system");
    let page = run.run().ok();
    for line in [
        "\n  new rights  never, by no program (no_new_privs)\n",
        "\n  seccomp     a filter looks at our system calls\n",
        "no (EPERM)",
        "refused (EACCES)",
        "no (ENOSYS)",
    ] {
        assert!(page.contains(line), "{line}\n{page}");
    }
}

#[test]
fn every_feature_is_there_from_its_release_on() {
    let t = rings!(Host, User, Uml, Qemu);
    let said = said(&t);
    let release = read_to_string("/proc/sys/kernel/osrelease").unwrap();
    let numbers = |text: &str| -> Vec<u32> {
        text.split(['.', '-', '\n']).map_while(|word| word.parse().ok()).take(2).collect()
    };
    let features = said["features"].as_array().unwrap();
    assert!(features.len() > 10);
    for feature in features {
        let since = numbers(feature["since"].as_str().unwrap());
        if feature["here"] != "refused" {
            assert_eq!(feature["here"] == "yes", numbers(&release) >= since, "{feature} on {release}");
        }
        assert_eq!(feature["error"].is_null(), feature["here"] == "yes");
        // Root may all.
        assert!(Ring::here() == Ring::User || feature["here"] != "refused", "{feature}");
    }
    let kernel = &said["kernel"];
    assert_eq!(kernel["release"], release.trim_end());
    let file = |path: &str| read_to_string(path).unwrap().trim_end().to_string();
    assert_eq!(kernel["version"], file("/proc/sys/kernel/version"));
    assert_eq!(kernel["boot_id"], file("/proc/sys/kernel/random/boot_id"));
    assert_eq!(kernel["machine"], std::env::consts::ARCH);
    assert_eq!(said["nskit"], env!("CARGO_PKG_VERSION"));
}

#[test]
fn limits_and_settings_are_what_their_files_say() {
    let t = rings!(Host, User, Uml, Qemu);
    let said = said(&t);
    let file = |path: &str| read_to_string(format!("/proc/sys/{path}")).ok();
    let number = |text: String| json!(text.trim().parse::<u64>().unwrap());
    for row in KINDS {
        let limit = file(&format!("user/max_{}_namespaces", row.name)).map_or(Value::Null, number);
        assert_eq!(said["types"][row.name]["limit"], limit, "{}", row.name);
    }
    let settings = said["settings"].as_array().unwrap();
    for name in ["kernel.pid_max", "kernel.cap_last_cap", "fs.mount-max", "kernel.overflowuid"] {
        assert!(settings.iter().any(|setting| setting["name"] == name), "{name}");
    }
    for setting in settings {
        let value = file(&setting["name"].as_str().unwrap().replace('.', "/")).map_or(Value::Null, number);
        assert_eq!(setting["value"], value, "{setting}");
        assert_eq!(setting["restricts"].is_null(), value.is_null(), "{setting}");
    }
    // A limit is that of our user namespace.
    let script = "echo 5 >/proc/sys/user/max_net_namespaces && exec \"$0\" --system -J";
    let run = t.tool("runshare").args(["-Ur", "sh", "-c", script]).arg(tool_path("nsinfo")).run().ok();
    assert_eq!(system(&run)["types"]["net"]["limit"], 5);
    let run = t
        .tool("runshare")
        .args(["-Ur", "sh", "-c", &script.replace("-J", "")])
        .arg(tool_path("nsinfo"))
        .run()
        .ok();
    let line = run.lines().find(|line| line.starts_with("  net ")).unwrap();
    let words: Vec<_> = line.split_whitespace().collect();
    assert_eq!(words[..5], ["net", "2.6.24", "yes", "5", "yes"], "{run}");
}

/// With files of the kernel that the test wrote, in a mount namespace of its own.
#[test]
fn what_restricts_is_said_and_no_byte_of_it_harms() {
    let t = rings!(Host);
    let script = r#"
        mount -t tmpfs sys /sys && mount -t tmpfs sysctl /proc/sys/kernel && mkdir -p /sys/kernel/security \
            /sys/fs/selinux /sys/module/apparmor/parameters /proc/sys/kernel/yama || exit
        printf "$2" >/sys/kernel/security/lsm && echo 1 >/sys/fs/selinux/enforce || exit
        echo Y >/sys/module/apparmor/parameters/enabled && echo 0 >/proc/sys/kernel/unprivileged_userns_clone || exit
        echo 1 >/proc/sys/kernel/apparmor_restrict_unprivileged_userns && echo 2 >/proc/sys/kernel/yama/ptrace_scope
        printf "$2" >/proc/sys/kernel/pid_max
        exec "$1" --system $3
    "#;
    let modules = r"a\033]0;x\007\n\302\233\377";
    let run = |how: &str| {
        let run = t.tool("runshare").args(["-m", "sh", "-c", script, "sh"]).arg(tool_path("nsinfo"));
        run.args([modules, how]).run().ok()
    };
    let said = system(&run("-J"));
    let security = &said["security"];
    assert_eq!([&security["modules"], &security["modules_b64"]], [HOSTILE_IN_JSON, HOSTILE_B64]);
    assert_eq!([&security["selinux"], &security["apparmor"]], [&json!(1), &json!("Y")]);
    let settings = said["settings"].as_array().unwrap();
    let of = |name: &str| settings.iter().find(|setting| setting["name"] == name).unwrap();
    for (name, value) in [
        ("kernel.unprivileged_userns_clone", 0),
        ("kernel.apparmor_restrict_unprivileged_userns", 1),
        ("kernel.yama.ptrace_scope", 2),
    ] {
        assert_eq!([&of(name)["value"], &of(name)["restricts"]], [&json!(value), &json!(true)], "{name}");
    }
    assert_eq!(of("kernel.pid_max")["value_b64"], HOSTILE_B64);
    // What is not there is a normal answer.
    assert_eq!(of("kernel.cap_last_cap")["value"], Value::Null);
    assert_eq!(said["unreadable"], json!([]), "{said:#}");
    let page = run("--color=always");
    for line in [
        &format!("\n  modules     {HARMLESS}\n")[..],
        "\n  SELinux     enforcing\n",
        "\n  AppArmor    active\n",
        "not there   kernel.apparmor_restrict_unprivileged_unconfined\n              kernel.threads-max",
    ] {
        assert!(page.contains(line), "{line}\n{page}");
    }
    // Alarm is one colour, and that of the others is none.
    let line = |has: &str| page.lines().find(|line| line.contains(has)).unwrap().contains('\x1b');
    assert!(line("kernel.yama.ptrace_scope") && line("kernel.unprivileged_userns_clone"), "{page}");
    assert!(!line("fs.mount-max"), "{page}");
    assert!(page.contains(HARMLESS) && !page.contains('\x07'), "{page}");
}

#[test]
fn what_proc_hides_is_said() {
    let t = rings!(Host, Uml, Qemu);
    let script = "mount -o remount,hidepid=2 /proc && exec \"$1\" --system $2";
    let run = |how: &str| {
        let run = t.tool("runshare").args(["-fpm", "--mount-proc", "sh", "-c", script, "sh"]);
        run.arg(tool_path("nsinfo")).arg(how).run().ok()
    };
    let said = system(&run("-J"));
    // Its numbers have names since Linux 5.8.
    assert_eq!(said["security"]["proc_options"], "hidepid=invisible");
    assert!(run("--color=never").contains("\n  /proc       mounted with hidepid=invisible\n"));
    assert!(!self::said(&t)["security"]["proc_options"].as_str().unwrap().contains("invisible"));
}

#[test]
fn hierarchies_that_we_may_not_open_are_told_and_count_for_the_layout() {
    let t = rings!(Host);
    let v1 = said(&t)["cgroups"]["layout"] == "hybrid";
    if !t.belongs(v1, "a hybrid machine")
        || !t.needs(Path::new("/sys/fs/cgroup/pids").exists(), "controller pids")
    {
        return;
    }
    let dir = crate::rnsenter::open_directory();
    // The others are not there at all.
    let script = "grep ' - cgroup' /proc/self/mountinfo | cut -d' ' -f5 | xargs umount -l || exit
        (umask 77; mkdir -p $1/closed/pids) && mount -t cgroup -o pids none $1/closed/pids || exit
        exec setpriv --reuid 65534 --regid 65534 --clear-groups \"$0\" --system $2";
    let run = |how: &str| {
        let run = t.tool("runshare").args(["-m", "sh", "-c", script]).arg(tool_path("nsinfo"));
        run.arg(dir.path()).arg(how).run().ok()
    };
    let why = format!("open {}/closed/pids: Permission denied", dir.path().display());
    let all = system(&run("-J"));
    assert_eq!([&all["cgroups"]["layout"], &all["cgroups"]["hierarchies"]], [&json!("v1"), &json!([])]);
    let told = json!({"key": "cgroups.hierarchies", "reason": why});
    assert!(all["unreadable"].as_array().unwrap().contains(&told), "{all:#}");
    let page = run("--color=never");
    assert!(page.contains(&format!("\n  one more    {why}\n")), "{page}");
}

fn layout_of(run: Run<'_>, unmounted: &str) -> Value {
    let script = format!("{unmounted} exec \"$0\" --system -J");
    system(&run.args(["-m", "sh", "-c", &script]).arg(tool_path("nsinfo")).run().ok())["cgroups"].clone()
}

#[test]
fn the_layout_of_the_groups_and_every_hierarchy_is_that_of_the_mounts() {
    let t = rings!(Host, User, Uml, Qemu);
    let cgroups = said(&t)["cgroups"].clone();
    let mounts = read_to_string("/proc/self/mountinfo").unwrap();
    let of = |fs: &str| mounts.lines().filter(|line| line.contains(&format!(" - {fs} "))).collect::<Vec<_>>();
    let points = |lines: &[&str]| -> std::collections::BTreeSet<String> {
        lines.iter().map(|line| line.split(' ').nth(4).unwrap().to_string()).collect()
    };
    let (v1, v2) = (of("cgroup"), of("cgroup2"));
    let named = |line: &&&str| !line.rsplit(' ').next().unwrap().contains("name=");
    let expected = match (v1.iter().any(|line| named(&line)), v2.is_empty()) {
        (true, false) => "hybrid",
        (true, true) => "v1",
        (false, false) => "v2",
        (false, true) => "none",
    };
    assert_eq!(cgroups["layout"], expected, "{mounts}");
    let said_of = |version: u64| -> std::collections::BTreeSet<String> {
        let all = cgroups["hierarchies"].as_array().unwrap().iter();
        all.filter(|one| one["version"] == version).map(|one| one["point"].as_str().unwrap().into()).collect()
    };
    assert_eq!(said_of(1), points(&v1));
    assert!(said_of(2).is_subset(&points(&v2)) && said_of(2).is_empty() == v2.is_empty());
    for hierarchy in cgroups["hierarchies"].as_array().unwrap() {
        let point = hierarchy["point"].as_str().unwrap();
        if hierarchy["version"] == 2 {
            let file = read_to_string(format!("{point}/cgroup.controllers")).unwrap();
            assert_eq!(hierarchy["controllers"], file.trim_end().replace(' ', ","));
        } else {
            let line = v1.iter().find(|line| line.split(' ').nth(4) == Some(point)).unwrap();
            let options = line.rsplit(' ').next().unwrap();
            for name in hierarchy["controllers"].as_str().unwrap().split(',') {
                assert!(options.split(',').any(|word| word == name), "{name} {line}");
            }
        }
        let own = hierarchy["own"].as_str().unwrap();
        assert!(own.starts_with(point) && std::fs::metadata(own).unwrap().is_dir(), "{hierarchy}");
        if Ring::here().is_root() {
            assert_eq!(hierarchy["delegated"], true, "{hierarchy}");
        }
    }
}

#[test]
fn without_hierarchies_of_a_sort_the_layout_is_another() {
    let t = rings!(Host);
    let hybrid = said(&t)["cgroups"]["layout"] == "hybrid";
    if !t.belongs(hybrid, "a hybrid machine") {
        return;
    }
    let off = |which: &str| {
        format!("grep ' - {which} ' /proc/self/mountinfo | cut -d' ' -f5 | xargs umount -l || exit;")
    };
    let run = || t.tool("runshare");
    let v1 = layout_of(run(), &off("cgroup2"));
    assert_eq!([&v1["layout"], &v1["kill"]], [&json!("v1"), &Value::Null]);
    let v2 = layout_of(run(), &off("cgroup"));
    assert_eq!(v2["layout"], "v2");
    assert_eq!(v2["kill"], said(&t)["cgroups"]["kill"]);
    let none = layout_of(run(), &(off("cgroup") + &off("cgroup2")));
    assert_eq!(
        [&none["layout"], &none["hierarchies"], &none["kill"]],
        [&json!("none"), &json!([]), &Value::Null]
    );
    // An ordinary user may make no groups.
    let said = asked(t.tool("nsinfo").as_user());
    let all = said["cgroups"]["hierarchies"].as_array().unwrap();
    assert!(!all.is_empty() && all.iter().all(|one| one["delegated"] == false), "{said:#}");
}

#[test]
fn our_rights_are_those_of_the_status_also_inside_a_user_namespace() {
    let t = rings!(Host, User);
    let words = |rights: &Value, key: &str| rights[key].as_array().unwrap().len() as u32;
    let ours = said(&t)["rights"].clone();
    let status = read_to_string("/proc/self/status").unwrap();
    let line = |key: &str| status.lines().find_map(|line| line.strip_prefix(key)).unwrap().trim().to_string();
    let bits = |key: &str| u64::from_str_radix(&line(key), 16).unwrap().count_ones();
    assert_eq!(words(&ours, "effective"), bits("CapEff:"));
    assert_eq!(words(&ours, "bounding"), bits("CapBnd:"));
    assert_eq!(ours["uid"], nix::unistd::geteuid().as_raw());
    assert_eq!(ours["gid"], nix::unistd::getegid().as_raw());
    assert_eq!(ours["user_ns"], inode("self", "user"));
    if t.belongs(Ring::here() == Ring::Host, "root") {
        assert_eq!(ours["initial"], inode("self", "user") == inode(2, "user"));
        let said = asked(t.tool("nsinfo").as_user());
        let theirs = &said["rights"];
        assert_eq!([&theirs["uid"], &theirs["gid"]], [NOBODY, NOBODY]);
        assert_eq!(theirs["effective"], json!([]));
        assert_eq!(said["types"]["uts"]["made_error"], "EPERM");
    }
    let run = t.tool("runshare").args(["-U", "--map-user=5", "--map-group=7"]).arg(tool_path("nsinfo"));
    let inside = asked(run)["rights"].clone();
    assert_eq!([&inside["uid"], &inside["gid"]], [5, 7]);
    let (uid, gid) = (nix::unistd::geteuid().as_raw(), nix::unistd::getegid().as_raw());
    assert_eq!(inside["uid_map"], json!([{"outside": uid, "inside": 5, "count": 1}]));
    assert_eq!(inside["gid_map"], json!([{"outside": gid, "inside": 7, "count": 1}]));
    assert_ne!(inside["user_ns"], ours["user_ns"]);
    assert_ne!(inside["initial"], true);
    // Executed by a user that is not root there, and so without rights.
    assert_eq!(inside["effective"], json!([]));
}

#[test]
fn what_maps_ids_is_told_with_its_marks_and_the_ids_of_the_user() {
    let t = rings!(Host);
    let dir = tempfile::Builder::new().prefix("nskit-test").tempdir().unwrap();
    std::fs::set_permissions(dir.path(), PermissionsExt::from_mode(0o755)).unwrap();
    let file = |name: &str, mode: u32| {
        let path = dir.path().join(name);
        write(&path, "").unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
        path
    };
    file("newuidmap", 0o4755);
    file("newgidmap", 0o755);
    write(dir.path().join("subids"), "root:100000:65536\n0:300000:5\nother:1:1\n").unwrap();
    let script = "mount --bind \"$2/subids\" /etc/subuid || exit; PATH=$2; exec \"$1\" --system $3";
    let run = |how: &str| {
        let run = t.tool("runshare").args(["-m", "sh", "-c", script, "sh"]).arg(tool_path("nsinfo"));
        run.arg(dir.path()).arg(how).run().ok()
    };
    if !t.needs(std::path::Path::new("/etc/subuid").exists(), "/etc/subuid") {
        return;
    }
    let helpers = system(&run("-J"))["helpers"].clone();
    let path = |name: &str| json!(dir.path().join(name).to_str().unwrap());
    let [users, groups] = [&helpers[0], &helpers[1]];
    assert_eq!([&users["name"], &users["path"]], [&json!("newuidmap"), &path("newuidmap")]);
    assert_eq!([&users["setuid_root"], &users["file_capabilities"]], [true, false]);
    assert_eq!(users["subids"], json!([{"start": 100_000, "count": 65536}, {"start": 300_000, "count": 5}]));
    assert_eq!([&groups["name"], &groups["path"]], [&json!("newgidmap"), &path("newgidmap")]);
    assert_eq!([&groups["setuid_root"], &groups["file_capabilities"]], [false, false]);
    let page = run("--color=never");
    let shown = dir.path().display();
    assert!(page.contains(&format!("newuidmap   {shown}/newuidmap, set-user-ID root\n")), "{page}");
    assert!(page.contains("\n              may map 100000-165535, 300000-300004\n"), "{page}");
    assert!(page.contains(&format!("newgidmap   {shown}/newgidmap, without rights\n")), "{page}");
    if t.has("setcap") {
        t.program("setcap").arg("cap_setgid+ep").arg(dir.path().join("newgidmap")).run().ok();
        assert_eq!(system(&run("-J"))["helpers"][1]["file_capabilities"], true);
        assert!(run("--color=never").contains("/newgidmap, with capabilities\n"));
    }
    // Who cannot be executed is not found.
    std::fs::set_permissions(dir.path().join("newuidmap"), PermissionsExt::from_mode(0o644)).unwrap();
    assert_eq!(system(&run("-J"))["helpers"][0]["path"], Value::Null);
    assert!(run("--color=never").contains("\n  newuidmap   not in PATH\n"));
}

#[test]
fn the_page_fits_80_columns_and_says_what_the_json_says() {
    let t = rings!(Host, User);
    let page = t.tool("nsinfo").args(["--system", "--color=never"]).run_in_terminal(80);
    assert!(page.lines().all(|line| line.chars().count() <= 80), "{page}");
    let said = said(&t);
    let page = t.tool("nsinfo").arg("--system").run().ok();
    for heading in [
        "kernel",
        "types of namespaces",
        "settings",
        "security modules",
        "control groups",
        "features",
        "our rights",
    ] {
        assert!(page.lines().any(|line| line == heading), "{heading}\n{page}");
    }
    let words = |first: &str| -> Vec<String> {
        let line = page.lines().find(|line| line.starts_with(&format!("  {first} "))).unwrap();
        line.split_whitespace().map(str::to_string).collect()
    };
    assert_eq!(words("release")[1..], [said["kernel"]["release"].as_str().unwrap()]);
    assert_eq!(words("layout")[1..], [said["cgroups"]["layout"].as_str().unwrap()]);
    for feature in said["features"].as_array().unwrap() {
        let answer = match (feature["here"].as_str().unwrap(), feature["error"].as_str()) {
            (word, Some(errno)) => format!("{word} ({errno})"),
            (word, None) => word.to_string(),
        };
        let name = feature["name"].as_str().unwrap();
        let line = page.lines().find(|line| line.starts_with(&format!("  {name} "))).unwrap();
        let told = line[name.len() + 2..].trim_start();
        let since = feature["since"].as_str().unwrap();
        assert!(told.strip_prefix(since).unwrap().trim_start().starts_with(&answer), "{line}");
    }
    for setting in said["settings"].as_array().unwrap() {
        let name = setting["name"].as_str().unwrap();
        match &setting["value"] {
            Value::Null => assert!(page.contains(&format!(" {name}")), "{name}"),
            value => assert_eq!(words(name)[1], value.to_string().trim_matches('"'), "{name}"),
        }
    }
}

#[test]
fn nothing_is_changed_by_asking() {
    let t = rings!(Host, User);
    let counts = || -> Map<String, Value> {
        ["mnt", "uts", "net", "ipc", "pid", "user"]
            .iter()
            .map(|kind| (kind.to_string(), json!(inode("self", kind))))
            .collect()
    };
    let (before, groups) = (counts(), read_to_string("/proc/self/cgroup").unwrap());
    // Under a program that would see what it leaves: a shell with its own namespaces before and after.
    let script = "readlink /proc/$$/ns/*; \"$0\" --system >/dev/null || exit; readlink /proc/$$/ns/*; jobs";
    let text = t.program("sh").args(["-c", script]).arg(tool_path("nsinfo")).run().ok();
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines.len() % 2, 0, "{text}");
    let known = |line: &&&str| !line.is_empty();
    let (first, second) = lines.split_at(lines.len() / 2);
    let gather = |lines: &[&str]| lines.iter().filter(known).map(|line| line.to_string()).collect::<Vec<_>>();
    assert_eq!(gather(first), gather(second));
    assert_eq!((counts(), read_to_string("/proc/self/cgroup").unwrap()), (before, groups));
    // Not with a directory, of which nothing of this is true.
    let out = t.tool("nsinfo").args(["--system", "--proc", "/proc"]).run();
    assert_eq!((out.code, out.text().as_str()), (Some(1), ""), "{}", out.errors());
    let out = t.tool("nsinfo").args(["--system", "1"]).run();
    assert_eq!((out.code, out.text().as_str()), (Some(1), ""), "{}", out.errors());
}
