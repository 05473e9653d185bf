//! runshare on the live kernel, beside the installed unshare where both have an option.
//!
//! What could harm the machine if runshare failed to make a namespace (mounts, the host name, limits) is done
//! with `-r`, in whose user namespace the kernel refuses it, or inside namespaces that the original made.

mod ids;
mod keep;
mod program;
mod refused;
mod root;
pub(crate) mod signals;
pub(crate) mod why;

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use nix::unistd::{Uid, User};

use crate::harness::{
    Held, Output, Ring, Run, Test, children, copy_program, has_kind, inode, runs, signal, soon, state,
    tool_path,
};

pub use signals::{CTRL_BACKSLASH, CTRL_C, CTRL_Z, Terminal};

/// Short option, long option, name in /proc/PID/ns.
#[rustfmt::skip]
const KINDS: [(&str, &str, &str); 8] = [
    ("-m", "--mount", "mnt"), ("-u", "--uts", "uts"), ("-i", "--ipc", "ipc"), ("-n", "--net", "net"),
    ("-p", "--pid", "pid"), ("-U", "--user", "user"), ("-C", "--cgroup", "cgroup"), ("-T", "--time", "time"),
];

/// A program that says so when it runs, and stays.
const STAY: [&str; 3] = ["sh", "-c", "echo ready; exec sleep 1000"];

fn runshare() -> &'static str {
    tool_path("runshare").to_str().unwrap()
}

/// What an ordinary user needs to make namespaces.
fn rights() -> &'static [&'static str] {
    if Ring::here().is_root() { &[] } else { &["-r"] }
}

/// The kinds in which a process is in another namespace than we are.
fn new_kinds(pid: i32) -> Vec<&'static str> {
    let kinds = KINDS.iter().map(|(.., kind)| *kind).filter(|kind| has_kind(kind));
    kinds.filter(|kind| inode(pid, kind) != inode("self", kind)).collect()
}

/// Both tools, the original last.
fn both(t: &Test, ask: impl Fn(Run<'_>) -> Output) -> [Output; 2] {
    [ask(t.tool("runshare")), ask(t.program("unshare"))]
}

/// What both print, which must be the same.
#[track_caller]
fn same(t: &Test, ask: impl Fn(Run<'_>) -> Output) -> String {
    let [ours, theirs] = both(t, ask);
    let text = ours.ok();
    assert_eq!(text, theirs.ok());
    text
}

// Kinds.

#[test]
fn each_kind_gives_a_new_namespace_of_that_kind_and_no_other() {
    let t = rings!(Host, User, Uml, Qemu);
    for (short, long, kind) in KINDS.into_iter().filter(|row| has_kind(row.2)) {
        for option in [short, long] {
            // A pid namespace is for children only, and before Linux 5.17 or so a time namespace too.
            let held = t.hold("runshare", &[rights(), &["-f", option]].concat());
            let mut expected = vec![kind];
            if !rights().is_empty() && kind != "user" {
                expected.push("user");
            }
            expected.sort_by_key(|kind| KINDS.iter().position(|row| row.2 == *kind));
            assert_eq!(new_kinds(held.inner()), expected, "{option}");
            // The waiting parent is in the new ones too, but for those that are for children only.
            expected.retain(|kind| !["pid", "time"].contains(kind));
            assert_eq!(new_kinds(held.pid()), expected, "{option}");
        }
    }
}

#[test]
fn without_a_fork_the_namespaces_are_those_of_the_original() {
    let t = rings!(Host, User);
    for (short, ..) in KINDS.iter().filter(|row| row.0 != "-p") {
        let options = [rights(), &[short]].concat();
        let [ours, theirs] = ["runshare", "unshare"].map(|tool| t.hold(tool, &options));
        assert_eq!(new_kinds(ours.pid()), new_kinds(theirs.pid()), "{short}");
        assert_eq!(ours.pid(), ours.inner(), "{short}");
    }
    let held = t.hold("runshare", &[]);
    assert_eq!(new_kinds(held.pid()), [""; 0]);
}

#[test]
fn all_kinds_can_be_made_together() {
    let t = rings!(Host, User);
    let held = t.hold("runshare", &["-fmuinpUCT"]);
    assert_eq!(new_kinds(held.inner()), KINDS.map(|row| row.2));
}

#[test]
fn without_a_fork_the_first_child_of_the_program_is_process_1() {
    let t = rings!(Host, User);
    let script = "sh -c 'echo $$'; :";
    let text = same(&t, |run| run.args(rights()).args(["-p", "sh", "-c", script]).run());
    assert_eq!(text, "1\n");
}

#[test]
fn the_host_name_is_that_of_the_new_namespace_alone() {
    let t = rings!(Host, User);
    let script = "hostname outer; \"$1\" -u sh -c 'hostname x; hostname'; hostname";
    let run = t.program("unshare").args(["-ru", "sh", "-c", script, "-", runshare()]);
    assert_eq!(run.run().ok(), "x\nouter\n");
}

#[test]
fn a_net_namespace_is_seen_by_rlsns_and_lsns() {
    let t = rings!(Host, User, Uml, Qemu);
    let held = t.hold("runshare", &[rights(), &["-fn"]].concat());
    let ino = inode(held.inner(), "net").to_string();
    let options = ["-t", "net", "-n", "-r", "-o", "NS,NPROCS,PID"];
    let row = format!("{ino} 2 {}", held.pid());
    assert!(t.tool("rlsns").args(options).run().ok().lines().any(|line| line == row), "{row}");
    // The original fails where a process ends while it looks.
    soon(|| t.program("lsns").args(options).run().text().lines().any(|line| line == row));
}

// Users.

#[test]
fn an_ordinary_user_becomes_root_of_a_new_user_namespace() {
    let t = rings!(Host, User, Uml, Qemu);
    assert_eq!(t.tool("runshare").as_user().args(["-Ur", "id", "-u"]).run().ok(), "0\n");
    assert_eq!(t.tool("runshare").as_user().args(["-r", "id", "-g"]).run().ok(), "0\n");
    assert_eq!(
        t.tool("runshare").as_user().args(["-c", "id", "-u"]).run().ok(),
        t.program("id").as_user().arg("-u").run().ok()
    );
}

#[test]
fn the_maps_are_those_of_the_original() {
    let t = rings!(Host, User);
    let cases = [
        "-U",
        "-r",
        "-c",
        "-rc",
        "-cr",
        "-r -c -r",
        "-c -r -c",
        "-Urf",
        "-fc",
        "--map-root-user",
        "--map-current-user",
    ];
    let look = ["/proc/self/uid_map", "/proc/self/gid_map", "/proc/self/setgroups", "/proc/self/ns/user"];
    for options in cases {
        let ask = |run: Run<'_>| {
            let script = "for file in \"$@\"; do echo $file; [ -f $file ] && cat $file; done; id -u; id -g; [ -w /etc ]; echo $?";
            run.as_user().args(options.split(' ')).args(["sh", "-c", script, "-"]).args(&look[..3]).run()
        };
        same(&t, ask);
    }
    let map = |options: &str| {
        let run = t.tool("runshare").as_user().args(options.split(' ')).args(["cat"]).args(&look[..3]);
        run.run().ok().split_whitespace().collect::<Vec<_>>().join(" ")
    };
    let id = t.program("id").as_user().arg("-u").run().ok().trim().to_string();
    let gid = t.program("id").as_user().arg("-g").run().ok().trim().to_string();
    assert_eq!(map("-r"), format!("0 {id} 1 0 {gid} 1 deny"));
    assert_eq!(map("-c"), format!("{id} {id} 1 {gid} {gid} 1 deny"));
    assert_eq!(map("-rc"), map("-c"), "the last one counts");
    assert_eq!(map("-cr"), map("-r"), "the last one counts");
    assert_eq!(map("-U"), "allow", "nothing is mapped");
    let unmapped = t.tool("runshare").as_user().args(["-U", "sh", "-c", "id -u; id -g"]).run().ok();
    assert_eq!(unmapped, "65534\n65534\n");
}

#[test]
fn options_imply_others() {
    let t = rings!(Host, User);
    for option in ["-r", "-c"] {
        assert_eq!(new_kinds(t.hold("runshare", &[option]).pid()), ["user"], "{option}");
    }
    let held = t.hold("runshare", &["-rfp", "--mount-proc"]);
    assert_eq!(new_kinds(held.inner()), ["mnt", "pid", "user"]);
    let held = t.hold("runshare", &["--kill-child"]);
    assert_eq!(children(held.pid()), [held.inner()]);
}

// Mounts.

/// The mounts that a process has: for each mount point, from below, its file system, options and the
/// propagation as mountinfo tells it.
#[derive(Debug, PartialEq)]
struct Mount {
    at: String,
    options: Vec<String>,
    propagation: Vec<String>,
    fstype: String,
}

fn mounts(pid: impl std::fmt::Display) -> Vec<Mount> {
    parse_mounts(&std::fs::read_to_string(format!("/proc/{pid}/mountinfo")).unwrap())
}

fn parse_mounts(text: &str) -> Vec<Mount> {
    let words = |text: &str, by: char| text.split(by).map(String::from).collect::<Vec<_>>();
    let parse = |line: &str| {
        let (ours, theirs) = line.split_once(" - ").unwrap();
        let fields = words(ours, ' ');
        let propagation = fields[6..].iter().map(|field| words(field, ':').swap_remove(0)).collect();
        Mount {
            at: fields[4].clone(),
            options: words(&fields[5], ','),
            propagation,
            fstype: words(theirs, ' ').swap_remove(0),
        }
    };
    text.lines().map(parse).collect()
}

fn mounted(pid: i32, at: &Path) -> bool {
    mounts(pid).iter().any(|mount| Path::new(&mount.at) == at)
}

/// A mount namespace that stands for a machine on which mounts have this propagation.
fn machine(t: &Test, propagation: &str) -> Held {
    let script = format!("mount --make-rprivate / && mount --make-r{propagation} / && exec \"$@\"");
    t.hold("unshare", &["-m", "--propagation", "private", "sh", "-c", &script, "-"])
}

/// A command on that machine.
fn on<'a>(t: &'a Test, machine: &Held) -> Run<'a> {
    t.program("nsenter").arg(format!("--mount=/proc/{}/ns/mnt", machine.inner()))
}

#[test]
fn ps_with_a_new_proc_sees_only_itself() {
    let t = rings!(Host, User, Uml, Qemu);
    let ask =
        |run: Run<'_>| run.arg("-r").args(["-fp", "--mount-proc", "ps", "ax", "-o", "pid=,args="]).run();
    // The column is as wide as the machine's largest PID.
    assert_eq!(same(&t, ask).trim_start(), "1 ps ax -o pid=,args=\n");
}

#[test]
fn a_new_proc_lets_nothing_be_executed() {
    let t = rings!(Host, User);
    let ask = |run: Run<'_>| run.arg("-r").args(["-fp", "--mount-proc", "cat", "/proc/self/mountinfo"]).run();
    for output in both(&t, ask) {
        let mounts = parse_mounts(&output.ok());
        let proc = mounts.iter().rfind(|mount| mount.at == "/proc").unwrap();
        for option in ["nosuid", "nodev", "noexec"] {
            assert!(proc.options.contains(&option.to_string()), "{option}: {proc:?}");
        }
    }
}

#[test]
fn a_new_proc_can_be_mounted_elsewhere() {
    let t = rings!(Host, User);
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path().to_str().unwrap();
    let script = "cat \"$1\"/1/comm; test -e /proc/$$/ns || echo old";
    let ask = |run: Run<'_>| {
        let option = format!("--mount-proc={at}");
        run.arg("-r").args(["-fp", &option, "sh", "-c", script, "-", at]).run()
    };
    let text = same(&t, ask);
    assert_eq!(text.lines().next(), Some("sh"));
    assert_eq!(std::fs::read_dir(at).unwrap().count(), 0, "it is not seen outside");
}

#[test]
fn propagation_is_set_on_all_mounts_as_asked() {
    let t = rings!(Host, Uml, Qemu);
    for around in ["private", "shared", "slave"] {
        for mode in ["", "private", "shared", "slave", "unchanged"] {
            let expected: &[&str] = match (around, mode) {
                (_, "" | "private") | ("private", "slave" | "unchanged") => &[],
                ("slave", _) => continue,
                (_, "shared") => &["shared"],
                (_, "slave") => &["master"],
                _ => &["shared"],
            };
            let machine = machine(&t, around);
            let options = if mode.is_empty() { vec![] } else { vec!["--propagation", mode] };
            let hold = |tool: &str| on(&t, &machine).args([tool, "-m"]).args(&options).args(STAY).hold();
            let [ours, theirs] = [runshare(), "unshare"].map(hold);
            assert_eq!(mounts(ours.pid()), mounts(theirs.pid()), "{mode:?}, {around} around");
            for mount in mounts(ours.pid()) {
                assert_eq!(mount.propagation, expected, "{mode:?}, {around} around: {mount:?}");
            }
        }
    }
}

#[test]
fn mounts_travel_as_the_propagation_says() {
    let t = rings!(Host);
    // Mode, what is around, does a mount made inside show outside, and one made outside inside?
    let cases = [
        ("private", "private", false, false),
        ("private", "shared", false, false),
        ("shared", "private", false, false),
        ("shared", "shared", true, true),
        ("slave", "private", false, false),
        ("slave", "shared", false, true),
        ("unchanged", "private", false, false),
        ("unchanged", "shared", true, true),
    ];
    let dir = tempfile::tempdir().unwrap();
    let [inside, outside] = ["inside", "outside"].map(|name| dir.path().join(name));
    for dir in [&inside, &outside] {
        std::fs::create_dir(dir).unwrap();
    }
    for (mode, around, out, into) in cases {
        let machine = machine(&t, around);
        let held = on(&t, &machine).args([runshare(), "-m", "--propagation", mode]).args(STAY).hold();
        let mount =
            |who: &Held, at: &Path| on(&t, who).args(["mount", "-t", "tmpfs", "none"]).arg(at).run().ok();
        mount(&held, &inside);
        mount(&machine, &outside);
        assert!(mounted(held.pid(), &inside) && mounted(machine.pid(), &outside));
        assert_eq!(mounted(machine.pid(), &inside), out, "{mode}, {around} around, made inside");
        assert_eq!(mounted(held.pid(), &outside), into, "{mode}, {around} around, made outside");
    }
}

#[test]
fn without_a_new_mount_namespace_propagation_has_no_effect() {
    let t = rings!(Host);
    for mode in ["private", "shared", "slave", "unchanged"] {
        let machine = machine(&t, "shared");
        let before = mounts(machine.pid());
        for tool in [runshare(), "unshare"] {
            let run =
                on(&t, &machine).args([tool, "-u", "--propagation", mode, "cat", "/proc/self/mountinfo"]);
            assert_eq!(parse_mounts(&run.run().ok()), before, "{tool} {mode}");
        }
        assert_eq!(mounts(machine.pid()), before);
    }
}

#[test]
fn nothing_changes_in_the_mounts_of_the_machine() {
    let t = rings!(Host);
    let dir = tempfile::tempdir().unwrap();
    let option = format!("--mount-proc={}", dir.path().display());
    let root = small_root();
    let modes = ["private", "shared", "slave", "unchanged"];
    for around in ["private", "shared"] {
        let machine = machine(&t, around);
        let before = mounts(machine.pid());
        for mode in modes {
            let propagation = ["--propagation", mode];
            let run = |options: &[&str]| {
                on(&t, &machine)
                    .arg(runshare())
                    .args(options)
                    .args(propagation)
                    .args(["sh", "-c", ":"])
                    .run()
                    .ok()
            };
            run(&["-m"]);
            run(&["-mr"]);
            run(&["-fp", "--mount-proc"]);
            run(&["-rfp", "--mount-proc"]);
            run(&["-m", "-R", root.path().to_str().unwrap()]);
            // On a directory that is no mount point a new mount travels, if that was asked for.
            if mode == "private" {
                run(&["-fp", &option]);
                run(&["-fp", "--mount-proc", "-R", root.path().to_str().unwrap()]);
            }
        }
        assert_eq!(mounts(machine.pid()), before);
    }
}

// Directories.

/// A directory with no more than a shell in it.
fn small_root() -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    std::fs::set_permissions(root.path(), PermissionsExt::from_mode(0o755)).unwrap();
    for dir in ["bin", "proc", "sub/below"] {
        std::fs::create_dir_all(root.path().join(dir)).unwrap();
    }
    put(root.path(), Path::new("/bin/sh"), "bin/sh");
    root
}

/// Copies a program into a root, with the libraries that it needs.
fn put(root: &Path, program: &Path, name: &str) {
    copy_program(program, &root.join(name));
    let output = std::process::Command::new("ldd").arg(program).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    for library in text.split_whitespace().filter(|word| word.starts_with('/')) {
        let copy = root.join(library.trim_start_matches('/'));
        std::fs::create_dir_all(copy.parent().unwrap()).unwrap();
        copy_program(Path::new(library), &copy);
    }
}

#[test]
fn a_new_root_is_all_that_the_program_sees() {
    let t = rings!(Host, User);
    let root = small_root();
    for option in ["-R", "--root"] {
        let ask = |run: Run<'_>| {
            run.args(rights())
                .arg(option)
                .arg(root.path())
                .args(["/bin/sh", "-c", "pwd -P; echo /b* /s* /etc*"])
                .run()
        };
        assert_eq!(same(&t, ask), "/\n/bin /sub /etc*\n");
    }
}

#[test]
fn the_working_directory_is_set_below_the_new_root() {
    let t = rings!(Host, User);
    let root = small_root();
    let path = root.path().to_str().unwrap();
    let real = root.path().canonicalize().unwrap();
    let pwd = ["/bin/sh", "-c", "pwd -P"];
    for (options, expected) in [
        (["-w", "/proc"], "/proc".to_string()),
        (["--wd", "/proc"], "/proc".into()),
        (["-w", "sub"], format!("{}/sub", real.display())),
        (["-w", "sub/../sub/below"], format!("{}/sub/below", real.display())),
    ] {
        let ask = |run: Run<'_>| run.dir(path).args(rights()).args(options).args(pwd).run();
        assert_eq!(same(&t, ask), format!("{expected}\n"), "{options:?}");
    }
    let ask =
        |run: Run<'_>, wd: &str| run.dir("/").args(rights()).args(["-R", path, "-w", wd]).args(pwd).run();
    assert_eq!(same(&t, |run| ask(run, "/sub/below")), "/sub/below\n");
    // The original looks in the old working directory, which the new root does not hold.
    let [ours, theirs] = both(&t, |run| ask(run, "sub/below"));
    assert_eq!(ours.ok(), "/sub/below\n");
    assert_eq!(theirs.code, Some(1));
    // And where it finds one there, the program runs outside its root: ours never does.
    let [ours, _] =
        both(&t, |run| run.dir(path).args(rights()).args(["-R", path, "-w", "sub"]).args(pwd).run());
    assert_eq!(ours.ok(), "/sub\n");
}

#[test]
fn a_new_proc_is_mounted_in_the_new_root() {
    let t = rings!(Host, User);
    let root = small_root();
    let script = "read -r pid rest </proc/self/stat; echo $pid";
    let ask = |run: Run<'_>| {
        let run = run.arg("-r").args(["-fp", "--mount-proc", "-R"]).arg(root.path());
        run.args(["/bin/sh", "-c", script]).run()
    };
    assert_eq!(same(&t, ask), "1\n");
    assert_eq!(std::fs::read_dir(root.path().join("proc")).unwrap().count(), 0);
}

#[test]
fn where_there_is_no_proc_what_needs_none_works() {
    let t = rings!(Host, User);
    let root = small_root();
    put(root.path(), tool_path("runshare"), "bin/runshare");
    std::fs::remove_dir(root.path().join("proc")).unwrap();
    let inside = |words: &[&str]| {
        let run = t.tool("runshare").args(["-r", "-R"]).arg(root.path());
        run.args(["/bin/runshare"]).args(words).args(["/bin/sh", "-c", "echo here"]).run()
    };
    assert_eq!(inside(&["-u"]).ok(), "here\n");
    assert_eq!(inside(&["-fp"]).ok(), "here\n");
}

// The program.

#[test]
fn without_a_program_the_shell_is_a_login_shell() {
    let t = rings!(Host, User);
    let dir = tempfile::tempdir().unwrap();
    let ask = |run: Run<'_>, shell: Option<&str>| {
        let run = run.env("HOME", dir.path().to_str().unwrap()).stdin("echo $0 $#; exit 3\n");
        run.with(|command| {
            match shell {
                Some(shell) => command.env("SHELL", shell),
                None => command.env_remove("SHELL"),
            };
        })
        .run()
    };
    for options in [&[][..], &["-f"], &["-Ur"]] {
        let [ours, theirs] = both(&t, |run| ask(run.args(options), Some("/bin/sh")));
        assert_eq!((ours.code, ours.text().as_str()), (Some(3), "-sh 0\n"));
        assert_eq!((theirs.code, theirs.text()), (ours.code, ours.text()));
    }
    // Else that of the password database; unshare 2.38 takes /bin/sh, and tries to execute an empty name.
    let shell = User::from_uid(Uid::current()).unwrap().unwrap().shell;
    let expected = format!("-{} 0\n", shell.file_name().unwrap().display());
    if expected.contains("sh ") {
        assert_eq!(ask(t.tool("runshare"), None).text(), expected);
        assert_eq!(ask(t.tool("runshare"), Some("")).text(), expected);
    }
    let line = "runshare: exec /nonexistent/shell: No such file or directory";
    ask(t.tool("runshare"), Some("/nonexistent/shell")).fails(127, line);
}

#[test]
fn with_a_fork_the_program_is_a_child() {
    let t = rings!(Host, User);
    for option in ["-f", "--fork"] {
        let held = t.hold("runshare", &[option]);
        assert_eq!(children(held.pid()), [held.inner()]);
        let comm = |pid| std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap();
        soon(|| (comm(held.pid()), comm(held.inner())) == ("runshare\n".into(), "sleep\n".into()));
    }
}

#[test]
fn the_first_process_of_a_pid_namespace_answers_for_a_signal_by_a_status() {
    let t = rings!(Host, User);
    // It cannot kill itself: the kernel protects it.
    let inner = [runshare(), "-f", "sh", "-c", "kill -TERM $$"];
    let output = t.tool("runshare").args(rights()).args(["-fp"]).args(inner).run();
    assert_eq!((output.code, output.signal), (Some(143), None));
}

#[test]
fn a_program_that_crashes_leaves_no_core_file_of_ours() {
    let t = rings!(Host, User);
    let dir = tempfile::tempdir().unwrap();
    let dumped = |words: &[&str]| {
        let script = "ulimit -c unlimited && exec \"$@\"";
        let output = t.program("sh").dir(dir.path()).args(["-c", script, "-"]).args(words).run();
        let files = std::fs::read_dir(dir.path()).unwrap().flatten();
        (output.signal, files.map(|file| std::fs::remove_file(file.path()).unwrap()).count())
    };
    // Without a core of its own, so what is found is ours.
    let crash = ["sh", "-c", "ulimit -c 0; kill -SEGV $$"];
    assert_eq!(dumped(&[&[runshare(), "-f"][..], &crash].concat()), (Some(11), 0));
    let (signal, files) = dumped(&["sh", "-c", "kill -SEGV $$"]);
    assert_eq!(signal, Some(11));
    if files == 0 {
        println!("this machine writes core files elsewhere: only the signal was tested");
    }
}

// The command line.

#[test]
fn options_end_at_the_program() {
    let t = rings!(Host, User);
    let script = "readlink /proc/self/ns/uts; echo \"$@\"";
    let host = std::fs::read_link("/proc/self/ns/uts").unwrap();
    let print = ["sh", "-c", script, "-", "-u", "--uts", "--", "-f"];
    for before in [&["-i"][..], &["-i", "--"], &["--"], &[]] {
        let rights = if before.contains(&"-i") { rights() } else { &[] };
        let text = same(&t, |run| run.args(rights).args(before).args(print).run());
        assert_eq!(text, format!("{}\n-u --uts -- -f\n", host.display()));
    }
}

#[test]
fn clusters_and_abbreviations_are_read_as_by_the_original() {
    let t = rings!(Host, User);
    let cases = [
        "-fn",
        "-nf",
        "-fniu",
        "--fork --ne",
        "-Cf --ti",
        "--mount-p -rfp",
        "--map-r",
        "--map-c",
        "--prop=slave -m",
        "--prop slave -m",
        "-mf --ki",
    ];
    for line in cases {
        let options: Vec<_> = rights().iter().copied().chain(line.split(' ')).collect();
        let [ours, theirs] = ["runshare", "unshare"].map(|tool| t.hold(tool, &options));
        assert_eq!(new_kinds(ours.inner()), new_kinds(theirs.inner()), "{line}");
        assert_eq!(ours.pid() == ours.inner(), theirs.pid() == theirs.inner(), "{line}");
        assert!(!new_kinds(ours.inner()).is_empty(), "{line}");
    }
    for line in ["--m true", "--ma true", "-m=f true", "-u/dir true", "--nope true", "--fork=1 true"] {
        let [ours, theirs] = both(&t, |run| run.args(line.split(' ')).run());
        assert_eq!((ours.code, theirs.code), (Some(125), Some(1)), "{line}");
    }
}

/// That it fails with this status and line, and the hint.
#[track_caller]
fn refused(t: &Test, options: &[&str], line: &str) -> String {
    t.tool("runshare").args(options).run().fails(125, &format!("runshare: {line}"))
}

#[test]
fn a_command_line_that_makes_no_sense_is_refused_in_one_line() {
    let t = rings!(Host, User);
    let help = "`runshare --help` shows what can be asked";
    let signals = "a number, or a name as `kill -l` prints it";
    let modes = "one of: private, shared, slave, unchanged";
    #[rustfmt::skip]
    let cases: &[(&[&str], &str, &str)] = &[
        (&["-m=f", "true"], "option -m takes no value", "give it to the long option: --mount=VALUE"),
        (&["-u/dir", "true"], "option -u takes no value", "give it to the long option: --uts=VALUE"),
        (&["--net=", "true"], "invalid value '' for '--net[=<FILE>]': the value is empty", help),
        (&["-Z", "true"], "unexpected argument '-Z' found", help),
        (&["-fZ", "true"], "unexpected argument '-Z' found", help),
        (&["--nope", "true"], "unexpected argument '--nope' found", help),
        (&["--m", "true"], "option --m is ambiguous", "one of: --mount --map-user --map-group --map-root-user --map-current-user --map-users --map-groups --map-auto --map-subids --mount-proc --mount-binfmt --monotonic"),
        (&["--kill-child=NOPE", "true"], "unknown signal: NOPE", signals),
        (&["--kill-child=0", "true"], "unknown signal: 0", signals),
        (&["--kill-child=65", "true"], "unknown signal: 65", signals),
        (&["--kill-child=-9", "true"], "unknown signal: -9", signals),
        (&["--propagation", "nope", "true"], "unknown propagation: nope", modes),
        (&["--propagation=", "true"], "invalid value '' for '--propagation <MODE>': the value is empty", help),
        (&["--mount-proc=", "true"], "invalid value '' for '--mount-proc[=<DIR>]': the value is empty", help),
        (&["--kill-child=", "true"], "invalid value '' for '--kill-child[=<SIGNAL>]': the value is empty", help),
        (&["--propagation"], "a value is required for '--propagation <MODE>' but none was supplied", help),
        (&["-R"], "a value is required for '--root <DIR>' but none was supplied", help),
    ];
    for (options, line, hint) in cases {
        assert_eq!(refused(&t, options, line), *hint, "{options:?}");
    }
}

#[test]
fn a_directory_that_is_missing_or_none_is_named() {
    let t = rings!(Host, User);
    let with = |options: &[&str], line: &str| {
        for fork in [&[][..], &["-f"]] {
            assert_eq!(refused(&t, &[&["-r"], fork, options, &["true"]].concat(), line), "", "{options:?}");
        }
    };
    with(&["-R", "/nonexistent"], "open /nonexistent: No such file or directory");
    with(&["-R", "/etc/passwd"], "open /etc/passwd: Not a directory");
    with(&["-w", "/nonexistent"], "chdir /nonexistent: No such file or directory");
    with(&["-w", "/etc/passwd"], "chdir /etc/passwd: Not a directory");
}

#[test]
fn who_lacks_the_right_is_told_how_to_get_it() {
    let t = rings!(Host, User);
    for (short, _, kind) in KINDS.iter().filter(|row| row.0 != "-U") {
        for fork in ["", "-f"] {
            let options: Vec<_> = [*short, fork].into_iter().filter(|option| !option.is_empty()).collect();
            let line = format!("runshare: unshare {kind}: Operation not permitted");
            let hint = t.tool("runshare").as_user().args(options).arg("true").run().fails(125, &line);
            assert!(hint.contains("CAP_SYS_ADMIN") && hint.contains("add -r to be root of a new"), "{hint}");
        }
    }
    let line = "runshare: chroot /: Operation not permitted";
    let hint = t.tool("runshare").as_user().args(["-R", "/", "true"]).run().fails(125, line);
    assert!(hint.contains("CAP_SYS_CHROOT"), "{hint}");
}

#[test]
fn help_and_version_go_to_stdout() {
    let t = rings!(Host, User);
    for option in ["--help", "-h"] {
        assert!(t.tool("runshare").args([option]).run().ok().contains("--propagation <MODE>"));
    }
    for option in ["--version", "-V"] {
        assert_eq!(
            t.tool("runshare").args([option]).run().ok(),
            format!("runshare {}\n", env!("CARGO_PKG_VERSION"))
        );
    }
}
