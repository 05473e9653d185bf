//! What cannot be is refused before anything is changed.

use crate::harness::Test;

use super::runshare;

/// System calls that change something, or start a process.
const CHANGES: &str = "unshare,clone,clone3,fork,vfork,setgroups,setgid,setuid,setresuid,setresgid,mount,move_mount,umount2,\
    fsopen,open_tree,chroot,pivot_root,chdir,fchdir,sethostname,setdomainname,execve";

/// Those that a run makes, but for that which starts it.
fn changes(t: &Test, options: &[&str]) -> Vec<String> {
    let file = tempfile::NamedTempFile::new().unwrap();
    let run =
        t.program("strace").args(["-f", "-qq", "-e", "signal=none", "-e", &format!("trace={CHANGES}"), "-o"]);
    let run = run.arg(file.path()).arg(runshare()).args(options).args(["echo", "ran"]).run();
    assert_eq!((run.code, run.text().as_str()), (Some(125), ""), "{options:?}: {}", run.errors());
    let text = std::fs::read_to_string(file.path()).unwrap();
    let calls = text.lines().filter(|line| !line.contains("+++")).skip(1);
    calls.map(String::from).collect()
}

#[test]
fn what_cannot_be_is_refused_before_anything_is_changed() {
    let t = rings!(Host, User);
    if !t.has("strace") {
        return;
    }
    #[rustfmt::skip]
    let cases: &[(&str, &str)] = &[
        ("-r --monotonic 5", "--monotonic and --boottime need a new time namespace"),
        ("-rm --boottime 5", "--monotonic and --boottime need a new time namespace"),
        ("--setgroups deny", "--setgroups needs a new user namespace"),
        ("-m --setgroups allow", "--setgroups needs a new user namespace"),
        ("--keep-caps", "--keep-caps needs a new user namespace"),
        ("-f --keep-caps -S 0", "--keep-caps needs a new user namespace"),
        ("-r --setgroups allow", "--setgroups=allow and a map of our group alone exclude each other"),
        ("-c --setgroups=allow", "--setgroups=allow and a map of our group alone exclude each other"),
        ("--map-group 5 --setgroups allow", "--setgroups=allow and a map of our group alone exclude each other"),
        ("-r --map-users all --setgroups allow", "--setgroups=allow and a map of our group alone exclude each other"),
        ("--pid=/etc/passwd", "--pid=FILE needs --fork"),
        ("-r --root / --pivot-root /", "--root and --pivot-root cannot both be the new root"),
        ("-r --setgroups maybe", "unknown value for --setgroups: maybe"),
        ("--map-users 0:0:1 --map-users 0:0:1", "the ranges 0:0:1 and 0:0:1 overlap inside"),
        ("-r -S 4294967296", "no user has this number: 4294967296"),
        ("-r -G nosuch", "no group has this name: nosuch"),
        ("--owner root:root", "user id is no valid number: root"),
        ("-rT --monotonic soon", "the value of --monotonic is no number of seconds: soon"),
        ("-rl :", "this registers no interpreter: :"),
        ("-rfp --kill-child=NOPE", "unknown signal: NOPE"),
        ("-r --whitelist-env A,,B", "a name is missing among variables: A,,B"),
        ("-r --uts=/nonexistent", "open /nonexistent: No such file or directory"),
        ("-r --uts=/", "open /: Is a directory"),
        ("-rR /nonexistent", "open /nonexistent: No such file or directory"),
        ("-r --pivot-root /nonexistent", "open /nonexistent: No such file or directory"),
        ("-r --info-fd 77", "fcntl descriptor 77: Bad file descriptor"),
    ];
    for (options, line) in cases {
        let options: Vec<&str> = options.split(' ').collect();
        let output = t.tool("runshare").args(&options).args(["echo", "ran"]).run();
        output.fails(125, &format!("runshare: {line}"));
        assert_eq!(changes(&t, &options), [""; 0], "{options:?}");
    }
    // That this shows what is changed.
    assert!(
        changes(&t, &["-r", "-w", "/nonexistent"]).iter().any(|call| call.contains("unshare(CLONE_NEWUSER)"))
    );
}

#[test]
fn what_looks_alike_is_not_refused() {
    let t = rings!(Host, User);
    for options in [
        "-T -r --monotonic 5",
        "-U --keep-caps",
        "-U --setgroups allow",
        "-rf --kill-child",
        "-r --setgroups=deny",
    ] {
        t.tool("runshare").args(options.split(' ')).arg("true").run().ok();
    }
}
