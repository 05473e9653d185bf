//! Which ids a new user namespace has, whose it is, and whether its processes may set groups.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::runshare;
use crate::harness::{NOBODY, Output, Ring, Run, Test, copy_program, inode, tool_path};

/// A program that shows the maps.
const SHOW: [&str; 3] =
    ["sh", "-c", "cat /proc/self/uid_map; echo +; cat /proc/self/gid_map; echo +; cat /proc/self/setgroups"];

/// What it shows in a line: lines of users, of groups, and the word, as in `0 0 1/1 1 9 + - + deny`.
fn squeezed(text: &str) -> String {
    let line = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    let part = |part: &str| match part.trim() {
        "" => "-".to_string(),
        part => part.lines().map(line).collect::<Vec<_>>().join("/"),
    };
    text.split('+').map(part).collect::<Vec<_>>().join(" + ")
}

/// The maps that these options make.
#[track_caller]
fn maps(run: Run<'_>, options: &str) -> String {
    squeezed(&run.args(options.split(' ')).args(SHOW).run().ok())
}

/// What they are beside other options where this has failed: the last line on stderr but for the hint.
#[track_caller]
fn failed(output: &Output, line: &str, parts: &[&str]) {
    let errors = output.errors();
    let line = format!("runshare: {line}");
    assert!(
        output.code == Some(125) && errors.lines().any(|has| has == line),
        "{}: {:?}\n{errors}",
        output.shown,
        output.code
    );
    assert_eq!(output.text(), "", "{}: the program ran", output.shown);
    parts.iter().for_each(|part| assert!(errors.contains(part), "{part}: {errors}"));
}

#[test]
fn our_user_and_group_become_those_that_were_named_and_the_last_option_counts() {
    let t = rings!(Host, User);
    // U and G are ours.
    #[rustfmt::skip]
    let cases = [
        ("--map-user 5", "5 U 1 + - + allow"),
        ("--map-user=0", "0 U 1 + - + allow"),
        ("--map-user root", "0 U 1 + - + allow"),
        ("--map-user 4294967294", "4294967294 U 1 + - + allow"),
        ("--map-group 5", "- + 5 G 1 + deny"),
        ("--map-user nobody --map-group nogroup", "65534 U 1 + 65534 G 1 + deny"),
        ("-r --map-user 7", "7 U 1 + 0 G 1 + deny"),
        ("--map-user 7 -r", "0 U 1 + 0 G 1 + deny"),
        ("-r --map-group 7", "0 U 1 + 7 G 1 + deny"),
        ("--map-group 7 -r", "0 U 1 + 0 G 1 + deny"),
        ("-c --map-group 9", "U U 1 + 9 G 1 + deny"),
        ("--map-group 9 --map-user 9 -c", "U U 1 + G G 1 + deny"),
        ("--map-user 9 -c -r --map-group 3", "0 U 1 + 3 G 1 + deny"),
        ("--map-user 1 --map-user 2", "2 U 1 + - + allow"),
    ];
    let ours = |option: &str| t.program("id").as_user().arg(option).run().ok().trim().to_string();
    let [uid, gid] = ["-u", "-g"].map(ours);
    let newest = (Ring::here() == Ring::Host).then(|| t.newest("unshare")).flatten();
    for (options, expected) in cases {
        let mine = expected.replace('U', &uid).replace('G', &gid);
        assert_eq!(maps(t.tool("runshare").as_user(), options), mine, "{options}");
        if ["--map-user 1 --map-user 2", "--map-user 5"].contains(&options) || Ring::here() == Ring::Host {
            assert_eq!(maps(t.program("unshare").as_user(), options), mine, "{options}");
        }
        if let Some(newest) = &newest {
            let root = expected.replace(['U', 'G'], "0");
            assert_eq!(maps(t.path(newest), options), root, "{options}");
            assert_eq!(maps(t.tool("runshare"), options), root, "{options}");
        }
    }
}

#[test]
fn root_maps_ranges_and_one_id_makes_room_for_itself_among_them() {
    let t = rings!(Host);
    // What the newest original does otherwise is beside it.
    #[rustfmt::skip]
    let cases = [
        ("--map-users 0:0:10", "0 0 10 + - + allow", ""),
        ("--map-users 5,0,10", "0 5 10 + - + allow", ""),
        ("--map-users 0:5:10", "0 5 10 + - + allow", ""),
        ("--map-groups 0:5:10", "- + 0 5 10 + allow", ""),
        ("-r --map-users 0:0:10", "0 0 1/1 1 9 + 0 0 1 + deny", ""),
        ("--map-user 5 --map-users 0:0:10", "5 0 1/0 1 5/6 6 4 + - + allow", ""),
        ("-r --map-users 1:100000:10", "0 0 1/1 100000 10 + 0 0 1 + deny", ""),
        // The kernel sorts nothing: ours are in the order in which they were given.
        ("--map-users 0:0:5 --map-users 5:100:5", "0 0 5/5 100 5 + - + allow", "5 100 5/0 0 5 + - + allow"),
        ("--map-user 10 --map-users 0:100:10", "10 0 1/0 100 10 + - + allow", "10 0 1/0 100 9 + - + allow"),
        ("-r --map-groups 0:0:10", "0 0 1 + 0 0 1/1 1 9 + allow", ""),
        ("-r --map-users 1:1:9 --map-groups 1:1:9", "0 0 1/1 1 9 + 0 0 1/1 1 9 + allow", ""),
        ("--map-users all --map-groups all", "0 0 4294967295 + 0 0 4294967295 + allow", ""),
        ("-r --map-users all --map-groups all", "0 0 1/1 1 4294967294 + 0 0 1/1 1 4294967294 + allow", ""),
    ];
    let newest = (Ring::here() == Ring::Host).then(|| t.newest("unshare")).flatten();
    let shared = |options: &str| options.matches("--map-users").count() > 1;
    for (options, expected, theirs) in cases {
        for fork in ["", " -f"] {
            assert_eq!(maps(t.tool("runshare"), &format!("{options}{fork}")), expected, "{options}");
        }
        if let Some(newest) = &newest {
            let saw = maps(t.path(newest), options);
            // In which order they come differs between their releases.
            assert!(saw == expected || saw == theirs || shared(options), "{options}: {saw}");
        }
    }
    // In a user namespace `all` are those that it has.
    let nested = t.tool("runshare").args(["--map-users", "0:0:9", "--map-groups", "0:0:8", runshare()]);
    assert_eq!(maps(nested, "--map-users all --map-groups all"), "0 0 9 + 0 0 8 + allow");
}

#[test]
fn maps_that_cannot_be_are_refused_before_a_namespace_is_made() {
    let t = rings!(Host, User);
    #[rustfmt::skip]
    let cases = [
        ("--map-users 0:0:5 --map-users 4:100:5", "the ranges 0:0:5 and 4:100:5 overlap inside"),
        ("--map-groups 0:0:5 --map-groups 100:4:5", "the ranges 0:0:5 and 100:4:5 overlap outside"),
        ("--map-users 0:0:0", "no id is in the range 0:0:0"),
        ("--map-users 0:4294967296:10", "no valid number in the range 0:4294967296:10: 4294967296"),
        ("--map-users 0:-1:1", "no valid number in the range 0:-1:1: -1"),
        ("--map-groups 4294967295:0:1", "the range 4294967295:0:1 goes past the last id"),
        ("--map-users 1000", "not a range of ids: 1000"),
        ("--map-user 4294967296", "no user has this number: 4294967296"),
        ("--map-user 4294967295", "no user has this number: 4294967295"),
        ("--map-group -1", "no group has this name: -1"),
        ("--map-user nosuch", "no user has this name: nosuch"),
        ("--owner 0", "an owner is a user and a group, UID:GID, not 0"),
        ("--owner 0:4294967296", "group id is no valid number: 4294967296"),
    ];
    for (options, line) in cases {
        let output = t.tool("runshare").args(options.split(' ')).arg("true").run();
        let hint = output.fails(125, &format!("runshare: {line}"));
        assert!(!hint.is_empty(), "{options}");
    }
}

#[test]
fn setgroups_is_allowed_or_denied_as_asked() {
    let t = rings!(Host, User, Uml, Qemu);
    let mine = |options: &str| maps(t.tool("runshare").as_user(), options);
    let own = mine("-r").split(" + deny").next().unwrap().to_string();
    assert_eq!(mine("-U --setgroups deny"), "- + - + deny");
    assert_eq!(mine("-U --setgroups=allow"), "- + - + allow");
    // The original denies it a second time, which is refused.
    for options in ["-r --setgroups deny", "--setgroups=deny -rf", "-r --setgroups allow --setgroups deny"] {
        assert_eq!(mine(options), format!("{own} + deny"), "{options}");
    }
    assert_eq!(
        t.program("unshare").as_user().args(["-r", "--setgroups", "deny", "true"]).run().code,
        Some(1)
    );
    if Ring::here().is_root() {
        let maps = |options: &str| maps(t.tool("runshare"), options);
        assert_eq!(maps("--map-groups 0:0:5 --setgroups deny"), "- + 0 0 5 + deny");
        assert_eq!(maps("--map-groups 0:0:5 --setgroups allow"), "- + 0 0 5 + allow");
    }
    // For good: who is below one that has denied it cannot allow it.
    let words = ["-r", runshare(), "-U", "--setgroups", "allow", "true"];
    let output = t.tool("runshare").args(words).run();
    let hint = output.fails(125, "runshare: write \"allow\" to setgroups: Operation not permitted");
    assert!(hint.contains("given that up for good: leave out --setgroups=allow"), "{hint}");
}

#[test]
fn a_user_namespace_belongs_to_whom_it_shall() {
    let t = rings!(Host);
    let owner = |ino: u64| {
        let rows = t.tool("rlsns").args(["-t", "user", "-n", "-r", "-o", "NS,UID"]).run().ok();
        rows.lines().find_map(|row| row.strip_prefix(&format!("{ino} ")).map(String::from))
    };
    for options in [
        &["--owner", "1000:1001"][..],
        &["--owner=1000:1001", "-r"],
        &["--owner", "1000:1001", "-f", "-n", "--map-users", "all"],
    ] {
        let held = t.hold("runshare", options);
        assert_eq!(owner(inode(held.inner(), "user")).as_deref(), Some("1000"), "{options:?}");
    }
    // Who we are: the owner, without groups; and our own ids are those that are mapped.
    let look = ["sh", "-c", "id -u; id -g; id -G"];
    let run = |options: &[&str]| {
        let with_groups = t.program("setpriv").args(["--groups", "5,6", runshare()]);
        with_groups.args(options).args(look).run().ok().replace('\n', " ")
    };
    let all = ["--map-users=all", "--map-groups=all", "--owner", "1000:1001"];
    assert_eq!(run(&all), "1000 1001 1001 ");
    assert_eq!(maps(t.tool("runshare"), "--owner 1000:1001 -r"), "0 0 1 + 0 0 1 + allow");
    assert_eq!(maps(t.tool("runshare"), "--owner 1000:1001"), "- + - + allow");
    assert_eq!(maps(t.tool("runshare"), "--owner 5:5 -r --setgroups deny"), "0 0 1 + 0 0 1 + deny");
    if let Some(newest) = (Ring::here() == Ring::Host).then(|| t.newest("unshare")).flatten() {
        for options in ["--owner 1000:1001", "--owner 1000:1001 -r", "--owner 1000:1001 -c --map-users all"] {
            assert_eq!(maps(t.tool("runshare"), options), maps(t.path(&newest), options), "{options}");
        }
    }
}

#[test]
fn who_may_not_become_another_user_is_told_that_an_owner_needs_that() {
    let t = rings!(Host, User);
    let output = t.tool("runshare").as_user().args(["--owner", "1000:1001", "true"]).run();
    let hint = output.fails(125, "runshare: setgroups: Operation not permitted");
    assert!(
        hint.contains("CAP_SETUID") && hint.contains("leave out --owner") && !hint.contains("-r"),
        "{hint}"
    );
}

/// A machine on which the user ann, 4321, has subordinate ids: files that a mount namespace has over those in /etc.
struct Ann {
    dir: tempfile::TempDir,
}

impl Ann {
    fn new(users: &str, groups: &str) -> Ann {
        let dir = tempfile::tempdir().unwrap();
        let open = || PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(dir.path(), open()).unwrap();
        let passwd = "root:x:0:0::/root:/bin/sh\nann:x:4321:4321::/:/bin/sh\n";
        for (name, text) in [("passwd", passwd), ("subuid", users), ("subgid", groups)] {
            std::fs::write(dir.path().join(name), text).unwrap();
        }
        std::fs::create_dir(dir.path().join("newest")).unwrap();
        std::fs::create_dir(dir.path().join("bin")).unwrap();
        copy_program(tool_path("runshare"), &dir.path().join("runshare"));
        Ann { dir }
    }

    fn path(&self) -> &str {
        self.dir.path().to_str().unwrap()
    }

    /// A program that all may run, in the directory before all others.
    fn script(&self, name: &str, text: &str) {
        let file = self.dir.path().join("bin").join(name);
        // By a process of its own: what is open for writing cannot be executed.
        let done = std::process::Command::new("sh")
            .args(["-c", "printf '%s' \"$1\" >\"$2\"; chmod 755 \"$2\"", "-", text])
            .arg(&file)
            .status();
        assert!(done.unwrap().success());
    }

    /// As her, with her own programs before the machine's. A name without a slash is looked for there.
    fn run<'a>(&self, t: &'a Test, newest: Option<&Path>, words: &[&str]) -> Run<'a> {
        let script = "cd /; dir=$1; newest=$2; shift 2; \
            for file in passwd subuid subgid; do touch /etc/$file; mount --bind \"$dir/$file\" /etc/$file; done; \
            [ -z \"$newest\" ] || mount --bind \"$newest\" \"$dir/newest\"; \
            exec setpriv --reuid 4321 --regid 4321 --clear-groups env \"PATH=$dir/bin:$PATH\" \"$@\"";
        let newest = newest.and_then(|file| file.parent()?.parent()).unwrap_or(Path::new(""));
        t.program("unshare").args(["-m", "sh", "-ec", script, "-", self.path()]).arg(newest).args(words)
    }

    fn runshare<'a>(&self, t: &'a Test) -> Run<'a> {
        self.run(t, None, &[&format!("{}/runshare", self.path())])
    }
}

/// Can a file of /etc be covered, and is there what maps ids for users?
fn helpers(t: &Test) -> bool {
    t.has("newuidmap") && t.needs(Path::new("/etc/subuid").exists(), "a file /etc/subuid")
}

#[test]
fn a_user_maps_the_subordinate_ids_that_were_granted() {
    let t = rings!(Host, Uml, Qemu);
    if !helpers(&t) {
        return;
    }
    let ann = Ann::new("ann:200000:65536\n", "bob:1:1\n4321:300000:65536\n");
    #[rustfmt::skip]
    let cases = [
        ("--map-auto", "0 200000 65536 + 0 300000 65536 + allow"),
        ("-r --map-auto", "0 4321 1/1 200000 65536 + 0 4321 1/1 300000 65536 + allow"),
        ("-c --map-auto", "4321 4321 1/0 200000 4321/4322 204321 61215 + 4321 4321 1/0 300000 4321/4322 304321 61215 + allow"),
        ("--map-subids", "200000 200000 65536 + 300000 300000 65536 + allow"),
        ("-r --map-subids", "0 4321 1/200000 200000 65536 + 0 4321 1/300000 300000 65536 + allow"),
        ("--map-users auto", "0 200000 65536 + - + allow"),
        ("--map-groups=subids", "- + 300000 300000 65536 + allow"),
        ("-r --map-users auto", "0 4321 1/1 200000 65536 + 0 4321 1 + deny"),
        ("-r --map-groups auto", "0 4321 1 + 0 4321 1/1 300000 65536 + allow"),
        ("--map-users 0:200000:10 --map-groups 5:300001:10", "0 200000 10 + 5 300001 10 + allow"),
        ("--map-users 200005,1,10 -r", "0 4321 1/1 200005 10 + 0 4321 1 + deny"),
        ("-r --map-auto --setgroups allow", "0 4321 1/1 200000 65536 + 0 4321 1/1 300000 65536 + allow"),
        ("-r --map-auto --setgroups deny", "0 4321 1/1 200000 65536 + 0 4321 1/1 300000 65536 + deny"),
    ];
    let newest = (Ring::here() == Ring::Host).then(|| t.newest("unshare")).flatten();
    for (options, expected) in cases {
        assert_eq!(maps(ann.runshare(&t), options), expected, "{options}");
        if let Some(newest) = newest.as_deref().filter(|_| !options.ends_with("deny")) {
            let theirs = ann.run(&t, Some(newest), &[&format!("{}/newest/bin/unshare", ann.path())]);
            assert_eq!(maps(theirs, options), expected, "{options}");
        }
    }
    // One can be each of them.
    let look = ["-r", "--map-auto", "-f", "-S", "5", "-G", "7", "sh", "-c", "id -u; id -g; id -G"];
    assert_eq!(ann.runshare(&t).args(look).run().ok(), "5\n7\n7\n");
}

#[test]
fn why_subordinate_ids_could_not_be_mapped_is_found_out() {
    let t = rings!(Host);
    if !helpers(&t) {
        return;
    }
    let ann = Ann::new("ann:200000:10\n", "ann:300000:10\n");
    let runshare = format!("{}/runshare", ann.path());
    let run = |before: &[&str], options: &str| {
        let words = [before, &[&runshare]].concat();
        ann.run(&t, None, &words).args(options.split(' ')).args(["echo", "ran"]).run()
    };
    // The PID that they are told differs.
    let told = |output: Output, line: &str, parts: &[&str]| {
        let stderr = output.errors();
        let ours = stderr.lines().find(|line| line.starts_with("runshare: ")).unwrap_or_default();
        let pid = ours.split("map ").nth(1).and_then(|rest| rest.split(' ').next()).unwrap_or_default();
        failed(&output, &line.replace("PID", pid), parts);
    };
    let line = "newuidmap PID 0 100000 5: exit status: 1";
    told(
        run(&[], "--map-users 0:100000:5"),
        line,
        &["/etc/subuid grants ann the user ids 200000-200009", "100000-100004"],
    );
    told(
        run(&[], "--map-users 0:200008:5"),
        "newuidmap PID 0 200008 5: exit status: 1",
        &["ids 200000-200009"],
    );
    let line = "newgidmap PID 0 5 1: exit status: 1";
    told(run(&[], "-f --map-groups 0:5:1"), line, &["/etc/subgid grants ann the group ids 300000-300009"]);
    let unprivileged = ["setpriv", "--no-new-privs"];
    told(
        run(&unprivileged, "--map-auto"),
        "newuidmap PID 0 200000 10: exit status: 1",
        &["no_new_privs is set"],
    );
    let bare = format!("PATH={}/bin", ann.path());
    failed(
        &run(&["env", &bare], "--map-auto"),
        "exec newuidmap: No such file or directory",
        &["newuidmap is not in PATH", "uidmap of Debian"],
    );
    // Without any.
    let none = Ann::new("bob:200000:10\n", "");
    let run = |options: &str| none.runshare(&t).args(options.split(' ')).args(["echo", "ran"]).run();
    for (options, of) in [("--map-auto", "uid"), ("--map-users subids", "uid"), ("--map-groups auto", "gid")]
    {
        let line = format!("no subordinate ids of user ann in /etc/sub{of}");
        failed(&run(options), &line, &[&format!("usermod --add-sub{of}s 100000-165535 ann")]);
    }
    let pid_line = run("-r --map-users 1:100:5");
    told(pid_line, "newuidmap PID 0 4321 1 1 100 5: exit status: 1", &["/etc/subuid grants ann no user ids"]);
    // What is mapped by ourselves needs none of that.
    assert_eq!(run("-r").text(), "ran\n");
}

#[test]
fn a_helper_that_is_killed_is_an_error_and_the_program_does_not_run() {
    let t = rings!(Host);
    if !helpers(&t) {
        return;
    }
    let ann = Ann::new("ann:200000:10\n", "ann:300000:10\n");
    ann.script("newuidmap", "#!/bin/sh\nkill -KILL $$\n");
    for options in [&["--map-auto"][..], &["--map-auto", "-f"], &["-r", "--map-auto", "-fp", "--kill-child"]]
    {
        let output = ann.runshare(&t).args(options).args(["echo", "ran"]).run();
        assert!(output.errors().contains(": signal: 9 (SIGKILL)"), "{}", output.errors());
        assert_eq!((output.code, output.text().as_str()), (Some(125), ""));
        t.assert_nothing_left();
    }
    // The original goes on without ids.
    let theirs = ann.run(&t, None, &["unshare", "--map-auto", "echo", "ran"]).run();
    assert_eq!((theirs.code, theirs.text().as_str()), (Some(0), "ran\n"));
    // The same of groups, after users were mapped.
    ann.script("newuidmap", "#!/bin/sh\nexec /usr/bin/newuidmap \"$@\"\n");
    ann.script("newgidmap", "#!/bin/sh\nexit 3\n");
    let output = ann.runshare(&t).args(["--map-auto", "echo", "ran"]).run();
    assert!(output.errors().contains(": exit status: 3"), "{}", output.errors());
    assert_eq!((output.code, output.text().as_str()), (Some(125), ""));
}

#[test]
fn an_ordinary_user_without_subordinate_ids_may_map_nobody_else() {
    let t = rings!(Host, User);
    let run = |options: &str| t.tool("runshare").as_user().args(options.split(' ')).arg("true").run();
    if Ring::here() == Ring::Host || nix::unistd::geteuid().as_raw() == NOBODY {
        let who = t.program("id").as_user().arg("-un").run().text().trim().to_string();
        let line = format!("no subordinate ids of user {who} in /etc/subuid");
        failed(&run("--map-auto"), &line, &["usermod --add-subuids"]);
    }
    assert_ne!(run("--map-users 0:0:1").code, Some(0));
}
