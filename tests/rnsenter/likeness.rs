//! What rnsenter takes on of a target: the kernel's own lines of the program, beside those of the same program when the
//! target itself executes it.

use std::io::Write;

use super::hold_as_user;
use crate::harness::*;

/// Prints what the kernel judges a process by.
const SHOW: [&str; 3] = ["grep", "-E", "^(Uid|Gid|Groups|Cap...|NoNewPrivs):"];
const OF_ITSELF: &str = "/proc/self/status";

/// A capability set as Docker gives it.
const DOCKER: &str = "-all,+chown,+dac_override,+fowner,+fsetid,+kill,+setgid,+setuid,+setpcap,+net_bind_service,+net_raw,\
                      +sys_chroot,+mknod,+audit_write,+setfcap";

/// A user namespace whose ids 0 to 999 are 100000 and on outside.
const RANGES: [&str; 9] =
    ["-U", "--map-users", "0:100000:1000", "--map-groups", "0:100000:1000", "-S", "0", "-G", "0"];

/// A process that becomes the program when it is told to.
struct Target(Held);

impl Target {
    /// Begun by these words.
    fn new(t: &Test, words: &[&str]) -> Target {
        let run = match words[0] {
            "runshare" => t.tool("runshare"),
            program => t.program(program),
        };
        Target::by(run.args(&words[1..]))
    }

    fn by(run: Run) -> Target {
        let script = "echo ready; read go; exec \"$@\"";
        let held = run.args(["sh", "-p", "-c", script, "sh"]).args(SHOW).arg(OF_ITSELF).hold();
        Target(held)
    }

    fn option(&self) -> String {
        format!("-t{}", self.pid())
    }

    fn pid(&self) -> i32 {
        self.0.inner()
    }

    /// What the program prints when the target executes it.
    fn shows(mut self) -> String {
        self.0.child.stdin.take().unwrap().write_all(b"go\n").unwrap();
        let mut text = String::new();
        while let Some(line) = self.0.next_line() {
            text += &(line + "\n");
        }
        assert_eq!(text.lines().count(), 9, "{text}");
        text
    }
}

/// rnsenter, as root or under these words.
fn rnsenter<'a>(t: &'a Test, under: &[&str]) -> Run<'a> {
    match under {
        [] => t.tool("rnsenter"),
        [program, rest @ ..] => t.program(program).args(rest).arg(tool_path("rnsenter")),
    }
}

/// What the program has when rnsenter runs it like that.
fn ours(run: Run, target: &Target) -> Output {
    run.arg(target.option()).arg("--as-target").args(SHOW).arg(OF_ITSELF).run()
}

/// The value of a line.
fn value<'a>(text: &'a str, key: &str) -> &'a str {
    let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
    line.unwrap_or_else(|| panic!("{key} in {text}")).trim()
}

#[test]
fn the_program_has_the_rights_that_it_would_have_of_the_target() {
    let t = rings!(Host, Uml, Qemu);
    let in_ranges = |words: &[&str]| -> Vec<String> {
        ["runshare"].iter().chain(&RANGES).chain(words).map(|word| word.to_string()).collect()
    };
    #[rustfmt::skip]
    let targets: Vec<Vec<String>> = [
        "env",
        "setpriv --reuid 1000 --regid 1001 --clear-groups",
        "setpriv --reuid 1000 --regid 1001 --groups 5,6,1001",
        "setpriv --ruid 1000 --euid 1001 --rgid 7 --egid 8 --clear-groups",
        "setpriv --ruid 1000 --euid 0 --rgid 7 --egid 0 --clear-groups",
        "setpriv --ruid 0 --euid 1000 --clear-groups",
        "setpriv --no-new-privs",
        "setpriv --reuid 1000 --regid 1000 --clear-groups --no-new-privs --bounding-set -all --inh-caps -all",
        "setpriv --bounding-set -sys_admin,-net_raw",
        // Inheritable ones stay so beyond the bounding set.
        "setpriv --inh-caps +net_raw,+kill,+chown setpriv --bounding-set -net_raw,-kill",
        "setpriv --bounding-set -all --inh-caps -all",
        "setpriv --reuid 1000 --regid 1000 --clear-groups --inh-caps +net_raw,+kill --ambient-caps +kill",
        "setpriv --reuid 1000 --regid 1000 --clear-groups --inh-caps +setpcap,+kill --ambient-caps +kill,+setpcap setpriv --bounding-set -kill --no-new-privs",
        "unshare -r",
        "unshare -Urfp --mount-proc",
        "unshare -r setpriv --bounding-set -sys_admin --no-new-privs",
    ]
    .iter()
    .map(|words| words.split(' ').map(String::from).collect())
    .chain([
        vec!["setpriv".into(), "--bounding-set".into(), DOCKER.into(), "--inh-caps".into(), "-all".into()],
        in_ranges(&[]),
        in_ranges(&["-m", "-n", "-f", "-p", "setpriv", "--bounding-set", DOCKER]),
        in_ranges(&["setpriv", "--reuid", "33", "--regid", "34", "--groups", "5,35"]),
        in_ranges(&["setpriv", "--reuid", "33", "--regid", "34", "--groups", "5", "--inh-caps", "+kill", "--ambient-caps", "+kill"]),
    ])
    .collect();
    for words in targets {
        let target = Target::new(&t, &words.iter().map(String::as_str).collect::<Vec<_>>());
        let ours = ours(t.tool("rnsenter"), &target).ok();
        assert_eq!(ours, target.shows(), "{words:?}");
    }
    // One whose files in /proc are root's, because it is not dumpable.
    let words =
        ["setpriv", "--ruid", "1000", "--euid", "1001", "--rgid", "7", "--egid", "8", "--clear-groups"];
    let target = Target::new(&t, &words);
    let status = std::fs::metadata(format!("/proc/{}/status", target.pid())).unwrap();
    assert_eq!(std::os::unix::fs::MetadataExt::uid(&status), 0);
    let follow = ["-S", "follow", "-G", "follow", "sh", "-c", "echo $(id -u) $(id -g) $(id -G)"];
    assert_eq!(t.tool("rnsenter").arg(target.option()).args(follow).run().ok(), "1001 8 8\n");
}

#[test]
fn an_ordinary_user_takes_on_what_is_his_own() {
    let t = rings!(Host, User);
    for words in [
        "env",
        "setpriv --no-new-privs",
        "unshare -r",
        "unshare -Urfp --mount-proc",
        "unshare -r setpriv --no-new-privs --bounding-set -sys_admin --inh-caps +kill --ambient-caps +kill",
    ] {
        let words: Vec<_> = words.split(' ').collect();
        let target = Target::by(t.program(words[0]).as_user().args(&words[1..]));
        let follow = ["-S", "follow", "-G", "follow", "-a", "sh", "-c", "id -u; id -g"];
        let followed = t.tool("rnsenter").as_user().arg(target.option()).args(follow).run().ok();
        let ours = ours(t.tool("rnsenter").as_user(), &target).ok();
        let ids = ["Uid", "Gid"].map(|key| value(&ours, key).split('\t').nth(1).unwrap().to_string() + "\n");
        assert_eq!(followed, ids.concat(), "{words:?}");
        assert_eq!(ours, target.shows(), "{words:?}");
    }
}

#[test]
fn an_id_without_a_number_inside_is_refused_and_never_another() {
    let t = rings!(Host);
    let refused = |target: &Target, id: &str| {
        let pid = target.pid();
        let line =
            format!("rnsenter: {id} of {pid} has no number in the user namespace where the program will be");
        assert_eq!(ours(t.tool("rnsenter"), target).fails(125, &line), "--except ids does without");
        line
    };
    // Its ids were mapped for nobody.
    let bare = Target::new(&t, &["runshare", "-U"]);
    refused(&bare, "real user id 0");
    // Root outside, who has no number there; that of the overflow id is another's.
    let map = ["runshare", "-U", "--map-users", "0:65000:1000", "--map-groups", "0:65000:1000"];
    let foreign = Target::new(&t, &map);
    let line = refused(&foreign, "real user id 0");
    let run = t.tool("rnsenter").args([&foreign.option(), "-U", "-S", "follow", "true"]).run();
    let hint = run.fails(125, &line.replace("real", "effective"));
    assert_eq!(hint, "it cannot be followed: name another by its number");
    let run = t.tool("rnsenter").args([&foreign.option(), "-U", "-G", "follow", "true"]).run();
    run.fails(125, &line.replace("real user", "effective group"));
    // Another group than user: named as that.
    let map = ["runshare", "-U", "--map-users", "0:0:1", "--map-groups", "0:65000:1000", "-S", "0"];
    let group = Target::new(&t, &map);
    refused(&group, "real group id 0");
    let without = t.tool("rnsenter").args([&group.option(), "--as-target", "--except", "ids", "id", "-u"]);
    assert_eq!(without.run().ok(), "0\n");
    // Seen from a user namespace that does not know it, it looks like the overflow id; the number is not believed.
    let inside = t.tool("runshare").arg("-r").arg(tool_path("rnsenter"));
    let mine = Target::new(&t, &["setpriv", "--reuid", "1000", "--regid", "1000", "--clear-groups"]);
    let run = inside.args([&mine.option(), "-S", "follow", "true"]).run();
    let line = format!("rnsenter: effective user id 65534 of {}", mine.pid());
    assert!(run.code == Some(125) && run.errors().starts_with(&line), "{}", run.errors());
}

#[test]
fn supplementary_groups_come_along_or_are_told_where_they_have_no_number_inside() {
    let t = rings!(Host);
    let groups = ["--groups", "5,7,100003"];
    let user = ["-U", "--map-users", "0:100000:1000", "--map-groups", "0:100000:1000", "-S", "0"];
    let regid = ["setpriv", "--regid", "0", "--keep-groups"];
    let target =
        || Target::by(t.program("setpriv").args(groups).arg(tool_path("runshare")).args(user).args(regid));
    let bounded = ["setpriv", "--bounding-set", "-setgid", "--inh-caps", "-setgid"];
    // Who may set them outside, and who has them anyhow.
    for under in [vec![], [&bounded[..], &groups].concat()] {
        let target = target();
        let seen = ours(rnsenter(&t, &under), &target).ok();
        // The kernel lists them by what they are outside.
        assert_eq!(value(&seen, "Groups"), "65534 65534 3");
        assert_eq!(seen, target.shows());
    }
    // Who may do it only inside.
    let target = target();
    let seen = ours(rnsenter(&t, &bounded), &target);
    let told = format!(
        "rnsenter: left out 2 supplementary groups of {} without a number in the entered user namespace\n",
        target.pid()
    );
    assert_eq!((seen.code, seen.errors()), (Some(0), told));
    assert_eq!(value(&seen.text(), "Groups"), "3");
    assert_eq!(seen.text().replace("3 ", "65534 65534 3 "), target.shows());
}

#[test]
fn groups_that_may_not_be_set_are_refused_and_can_be_left_out() {
    let t = rings!(Host);
    // As an ordinary user sees it who has got another group meanwhile.
    let id = NOBODY.to_string();
    let words = ["setpriv", "--reuid", &id, "--regid", &id, "--groups", "100", "unshare", "-r"];
    let target = Target::new(&t, &words);
    let run = ours(t.tool("rnsenter").as_user(), &target);
    let line = format!("rnsenter: setgroups those of {}: Operation not permitted", target.pid());
    let hint = run.fails(125, &line);
    assert!(hint.contains("CAP_SETGID") && hint.ends_with("--except ids does without"), "{hint}");
    let run = t.tool("rnsenter").as_user().args([&target.option(), "--as-target", "--except", "ids"]);
    assert_eq!(run.args(["id", "-u"]).run().ok(), "0\n");
    // Root sets them before.
    let seen = ours(t.tool("rnsenter"), &target).ok();
    assert_eq!(value(&seen, "Groups"), "65534");
    assert_eq!(seen, target.shows());
    // Ids that an ordinary user may not take, where nothing is entered by which he could.
    let target =
        Target::new(&t, &["setpriv", "--ruid", &id, "--euid", &id, "--regid", "7", "--clear-groups"]);
    let run = t.tool("rnsenter").as_user().args([&target.option(), "-G", "follow", "true"]).run();
    let hint = run.fails(125, "rnsenter: setgid 7: Operation not permitted");
    assert!(hint.contains("CAP_SETGID"), "{hint}");
}

#[test]
fn a_capability_that_cannot_be_taken_away_is_an_error_and_one_that_cannot_be_given_is_told() {
    let t = rings!(Host);
    let target = Target::new(&t, &["setpriv", "--bounding-set", "-net_raw,-kill"]);
    let under = ["setpriv", "--bounding-set", "-setpcap", "--inh-caps", "-setpcap"];
    let hint = ours(rnsenter(&t, &under), &target)
        .fails(125, "rnsenter: prctl PR_CAPBSET_DROP cap_kill,cap_net_raw: Operation not permitted");
    assert!(hint.contains("CAP_SETPCAP") && hint.ends_with("--except caps does without"), "{hint}");
    let run = rnsenter(&t, &under).args([&target.option(), "--as-target", "--except", "caps"]);
    let seen = run.args(SHOW).arg(OF_ITSELF).run().ok();
    let own = t.program(under[0]).args(&under[1..]).args(SHOW).arg(OF_ITSELF).run().ok();
    assert_eq!(seen, own);
    let under = ["setpriv", "--bounding-set", "-chown,-bpf", "--no-new-privs"];
    let run = ours(rnsenter(&t, &under), &target);
    let pid = target.pid();
    let told = [
        format!("rnsenter: capabilities of {pid} that we cannot give: cap_chown,cap_bpf\n"),
        format!("rnsenter: no_new_privs is set of us, not of {pid}, and cannot be unset\n"),
    ];
    assert_eq!((run.code, run.errors()), (Some(0), told.concat()));
    let (seen, theirs) = (run.text(), target.shows());
    let set = |text: &str| u64::from_str_radix(value(text, "CapBnd"), 16).unwrap();
    assert_eq!(set(&theirs) & !set(&seen), 1 | 1 << 39);
    assert_eq!(set(&seen) & !set(&theirs), 0);
}

#[test]
fn what_is_excepted_is_left_and_what_is_named_stands_before_the_target() {
    let t = rings!(Host);
    let words = "setpriv --reuid 1000 --regid 1001 --groups 5 --bounding-set -net_raw --no-new-privs";
    let words: Vec<_> = words.split(' ').collect();
    let target = Target::new(&t, &words);
    let own = t.program("env").args(SHOW).arg(OF_ITSELF).run().ok();
    let seen = |options: &[&str]| {
        let run = t.tool("rnsenter").args([&target.option(), "--as-target"]).args(options);
        run.args(SHOW).arg(OF_ITSELF).run().ok()
    };
    let all = seen(&[]);
    for (part, keys) in
        [("ids", &["Uid", "Gid", "Groups"][..]), ("caps", &["CapBnd"]), ("no-new-privs", &["NoNewPrivs"])]
    {
        let seen = seen(&["--except", part]);
        for key in ["Uid", "Gid", "Groups", "CapBnd", "NoNewPrivs"] {
            let expected = if keys.contains(&key) { &own } else { &all };
            assert_eq!(value(&seen, key), value(expected, key), "--except {part}: {key}");
        }
    }
    assert_eq!(seen(&["--except", "ids,caps,no-new-privs,oom"]), own);
    let named = seen(&["-S", "7", "-G", "8"]);
    assert_eq!((value(&named, "Uid"), value(&named, "Gid")), ("7\t7\t7\t7", "8\t8\t8\t8"));
    assert_eq!((value(&named, "Groups"), value(&named, "CapBnd")), ("", value(&all, "CapBnd")));
}

#[test]
fn rights_in_a_user_namespace_that_is_not_entered_are_none_outside() {
    let t = rings!(Host, Uml);
    let target = Target::new(&t, &[&["runshare"][..], &RANGES].concat());
    let run = t.tool("rnsenter").args([&target.option(), "--as-target", "--except", "user"]);
    let seen = run.args(SHOW).arg(OF_ITSELF).run().ok();
    assert_eq!(value(&seen, "Uid"), "100000\t100000\t100000\t100000");
    for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        assert_eq!(value(&seen, set), "0000000000000000", "{set}");
    }
    assert_eq!(value(&seen, "NoNewPrivs"), "1");
    assert_ne!(value(&target.shows(), "CapEff"), "0000000000000000");
}

#[test]
fn ids_are_followed_into_the_user_namespace_that_is_entered() {
    let t = rings!(Host);
    let show = ["sh", "-c", "echo $(id -u) $(id -g) $(id -G)"];
    let follow = ["-S", "follow", "-G", "follow"];
    let run = |options: &[&str]| t.tool("rnsenter").args(options).args(follow).args(show).run();
    let words = ["setpriv", "--ruid", "33", "--euid", "34", "--rgid", "35", "--egid", "36", "--clear-groups"];
    let target = Target::new(&t, &[&["runshare"][..], &RANGES, &words].concat());
    let option = target.option();
    assert_eq!(run(&[&option, "-U"]).ok(), "34 36 36\n");
    assert_eq!(run(&[&option]).ok(), "100034 100036 100036\n");
    if let Some(newest) = t.newest("nsenter") {
        let theirs = t.path(&newest).args([&option, "-U"]).args(follow).args(show).run();
        assert_eq!(theirs.ok(), "34 36 36\n");
    }
    // Another user namespace than the target's, in which it has other numbers, or none.
    for (maps, expected) in [("7:100030:10", Some("11 13 13\n")), ("7:200000:10", None)] {
        let other = t.tool("runshare").args(["-U", "--map-users", maps, "--map-groups", maps]);
        let other = other.args(["sh", "-c", "echo ready; exec sleep 1000"]).hold();
        let run = run(&[&option, &format!("--user=/proc/{}/ns/user", other.inner())]);
        match expected {
            Some(expected) => assert_eq!(run.ok(), expected),
            None => {
                let pid = target.pid();
                run.fails(125, &format!("rnsenter: effective group id 65534 of {pid} has no number in the user namespace where the program will be"));
            }
        }
    }
}

#[test]
fn capabilities_are_kept_beyond_a_change_of_the_user() {
    let t = rings!(Host, User);
    let id = "0";
    let show = ["sh", "-c", "id -u; grep CapEff: /proc/self/status"];
    let held = hold_as_user(&t, &["-U", "-r"]);
    let target = format!("-t{}", held.inner());
    let seen =
        t.tool("rnsenter").as_user().args([&target, "-U", "-S", id, "--keep-caps"]).args(show).run().ok();
    let full = std::fs::read_to_string(format!("/proc/{}/status", held.inner())).unwrap();
    assert_eq!(seen, format!("0\nCapEff:\t{}\n", value(&full, "CapEff")));
    let keep = ["-U", "--preserve-credentials", "--keep-caps"];
    let seen = t.tool("rnsenter").as_user().arg(&target).args(keep).args(show).run().ok();
    assert_eq!(seen, format!("0\nCapEff:\t{}\n", value(&full, "CapEff")));
    if !Ring::here().is_root() {
        return;
    }
    let target = Target::new(&t, &[&["runshare"][..], &RANGES].concat());
    let words = ["-U", "-S", "33", "-G", "34", "--keep-caps"];
    let seen = t.tool("rnsenter").arg(target.option()).args(words).args(show).run().ok();
    assert_eq!(seen, format!("33\nCapEff:\t{}\n", value(&target.shows(), "CapEff")));
}

/// A process with this score of its own, and a pid namespace so that rnsenter has to fork.
fn scored(run: Run, score: &str) -> Held {
    let script = format!("echo {score} >/proc/self/oom_score_adj && exec \"$@\"");
    run.args(["sh", "-c", &script, "sh"])
        .args(["unshare", "-Urfp", "sh", "-c", "echo ready; exec sleep 1000"])
        .hold()
}

fn score(pid: i32) -> String {
    std::fs::read_to_string(format!("/proc/{pid}/oom_score_adj")).unwrap().trim().into()
}

#[test]
fn the_score_by_which_memory_is_freed_is_the_targets_of_the_program_alone() {
    let t = rings!(Host, User, Uml);
    let own = score(std::process::id() as i32);
    let higher = own.parse::<i32>().unwrap() + 100;
    let target = scored(t.program("env").as_user(), &higher.to_string());
    let target = format!("-t{}", target.inner()).into_boxed_str();
    let sleep = ["sh", "-c", "echo ready; exec sleep 1000"];
    for run in [t.tool("rnsenter").as_user(), t.tool("rnsenter")] {
        let held = run.args([&target, "--as-target"]).args(sleep).hold();
        assert_ne!(held.pid(), held.inner());
        assert_eq!(score(held.inner()), higher.to_string());
        soon(|| score(held.pid()) == own);
    }
    let held = t.tool("rnsenter").args([&target, "--as-target", "--except", "oom"]).args(sleep).hold();
    assert_eq!((score(held.inner()), score(held.pid())), (own.clone(), own.clone()));
    // It becomes the program.
    let held = t.tool("rnsenter").args([&target, "--as-target", "--except", "pid"]).args(sleep).hold();
    assert_eq!((score(held.pid()), held.inner()), (higher.to_string(), held.pid()));
}

#[test]
fn a_lower_score_needs_a_right_and_can_be_left_out() {
    let t = rings!(Uml);
    // Where root has CAP_SYS_RESOURCE.
    let target = scored(t.program("env"), "-100");
    let option = format!("-t{}", target.inner());
    let sleep = ["sh", "-c", "echo ready; exec sleep 1000"];
    let held = t.tool("rnsenter").args([&option, "--as-target"]).args(sleep).hold();
    assert_eq!(score(held.inner()), "-100");
    soon(|| score(held.pid()) == "0");
    let under = ["setpriv", "--bounding-set", "-sys_resource", "--inh-caps", "-sys_resource"];
    let hint = rnsenter(&t, &under)
        .args([&option, "--as-target", "true"])
        .run()
        .fails(125, "rnsenter: write -100 to oom_score_adj: Permission denied");
    assert!(hint.contains("CAP_SYS_RESOURCE") && hint.ends_with("--except oom does without"), "{hint}");
    rnsenter(&t, &under).args([&option, "--as-target", "--except", "oom", "true"]).run().ok();
}
