//! Namespaces that files keep: they outlive their processes, and nothing stays bound where the program did not run.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::sys::signal::Signal;
use nix::unistd::Pid;

use super::{KINDS, mounts, rights, runshare, signal, soon};
use crate::harness::{Held, NOBODY, Ring, Run, Test, copy_program, has_kind, tool_path};

/// A mount namespace for a test's mounts, whose directory of files has mounts of its own.
struct Place {
    held: Held,
    dir: tempfile::TempDir,
}

impl Place {
    /// With a file for each kind, named as it is in /proc.
    fn new(t: &Test) -> Place {
        Place::new_on(t, 0)
    }

    /// The same, its mount namespace being made on this CPU.
    fn new_on(t: &Test, cpu: usize) -> Place {
        let dir = tempfile::tempdir().unwrap();
        std::fs::set_permissions(dir.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        KINDS.iter().for_each(|(.., kind)| std::fs::write(dir.path().join(kind), "").unwrap());
        on_cpu(cpu);
        let held = t.hold("unshare", &[rights(), &["-m"]].concat());
        let place = Place { held, dir };
        let script = "mount --bind \"$1\" \"$1\" && mount --make-private \"$1\"";
        place.program(t, "sh").args(["-c", script, "-"]).arg(place.dir.path()).run().ok();
        place
    }

    /// A program of the machine there, in the directory.
    fn program<'a>(&self, t: &'a Test, program: &str) -> Run<'a> {
        let run = t.program("nsenter").args(["-t", &self.held.inner().to_string(), "-m"]);
        let run = if rights().is_empty() { run } else { run.args(["-U", "--preserve-credentials"]) };
        // What is done before the file is looked for: the original opens --wd outside.
        run.args(["sh", "-c", "cd \"$1\" && shift && exec \"$@\"", "-"]).arg(self.dir.path()).arg(program)
    }

    fn runshare<'a>(&self, t: &'a Test) -> Run<'a> {
        self.program(t, runshare())
    }

    /// The names of files in the directory to which something is bound.
    fn bound(&self) -> Vec<String> {
        let mut names: Vec<String> = mounts(self.held.inner())
            .iter()
            .filter(|mount| mount.fstype == "nsfs")
            .filter_map(|mount| {
                Some(Path::new(&mount.at).strip_prefix(self.dir.path()).ok()?.to_str()?.to_string())
            })
            .collect();
        names.sort();
        names
    }

    /// Which namespace of a kind a file keeps.
    fn inode(&self, t: &Test, file: &str) -> u64 {
        self.program(t, "stat").args(["-L", "-c", "%i", file]).run().ok().trim().parse().unwrap()
    }

    fn release(&self, t: &Test) {
        let script = "for file in *; do while umount \"$file\" 2>/dev/null; do :; done; done";
        self.program(t, "sh").args(["-c", script]).run().ok();
        assert_eq!(self.bound(), [""; 0]);
    }
}

/// Has what this thread starts run on one CPU: the first or the second that we may use, if there is one. Linux 6.18 hands
/// numbers of namespaces out to each in advance, and takes what has the lower one for older.
fn on_cpu(which: usize) {
    let ours = sched_getaffinity(Pid::from_raw(std::process::id() as i32)).unwrap();
    let there: Vec<usize> = (0..CpuSet::count()).filter(|cpu| ours.is_set(*cpu).unwrap()).collect();
    let mut set = CpuSet::new();
    set.set(there[which.min(there.len() - 1)]).unwrap();
    sched_setaffinity(Pid::from_raw(0), &set).unwrap();
}

/// `--KIND=FILE`
fn option(kind: &str) -> String {
    let (_, long, _) = KINDS.iter().find(|row| row.2 == kind).unwrap();
    format!("{long}={kind}")
}

#[test]
fn a_file_keeps_a_namespace_of_each_kind_when_the_program_has_ended() {
    let t = rings!(Host, User);
    let place = Place::new(&t);
    for (.., kind) in KINDS.into_iter().filter(|row| has_kind(row.2)) {
        for fork in [&["-f"][..], &[]] {
            if kind == "pid" && fork.is_empty() {
                let output = place.runshare(&t).args([&option(kind), "true"]).run();
                output.fails(125, "runshare: --pid=FILE needs --fork");
                continue;
            }
            let look = format!("readlink /proc/self/ns/{}", kind);
            // In the old proc the first process of a pid namespace is not `self`.
            let look = if kind == "pid" { ":" } else { &look };
            let keep = option(kind);
            let words = [&[&*keep], fork, &["sh", "-c", look]].concat();
            let saw = place.runshare(&t).args(&words).run().ok();
            let kept = place.inode(&t, kind);
            if kind != "pid" {
                assert_eq!(saw, format!("{kind}:[{kept}]\n"), "{words:?}");
            }
            assert_eq!(place.bound(), [kind], "{words:?}");
            // Nobody is in it, and one can go there: but into a pid namespace that has lost its first process.
            if kind != "pid" && (kind != "user" || Ring::here().is_root()) {
                let enter = [&*option(kind), "readlink", &format!("/proc/self/ns/{kind}")].map(String::from);
                for tool in [tool_path("rnsenter").to_str().unwrap(), "nsenter"] {
                    let own: &[&str] = if kind == "user" { &["--preserve-credentials"] } else { &[] };
                    assert_eq!(
                        place.program(&t, tool).args(own).args(&enter).run().ok(),
                        saw,
                        "{tool} {words:?}"
                    );
                }
            }
            place.release(&t);
        }
    }
}

#[test]
fn all_kinds_are_kept_together_and_so_are_those_below_a_new_user_namespace() {
    let t = rings!(Host, User, Uml, Qemu);
    let place = Place::new(&t);
    let kinds: Vec<&str> = KINDS.iter().map(|row| row.2).filter(|kind| has_kind(kind)).collect();
    let options: Vec<String> = kinds.iter().map(|kind| option(kind)).collect();
    // One that stays, so that the pid namespace is alive.
    let words = ["-r", "-f", "--hostname", "kept", "--kill-child", "sh", "-c", "echo ready; exec sleep 1000"];
    let held = place.runshare(&t).args(&options).args(words).hold();
    let mut sorted = kinds.clone();
    sorted.sort();
    assert_eq!(place.bound(), sorted);
    for kind in &kinds {
        assert_eq!(place.inode(&t, kind), crate::harness::inode(held.inner(), kind), "{kind}");
    }
    let rnsenter = tool_path("rnsenter").to_str().unwrap();
    let hostname = ["--user=user", "--uts=uts", "--pid=pid", "hostname"];
    assert_eq!(place.program(&t, rnsenter).args(hostname).run().ok(), "kept\n");
    drop(held);
    soon(|| t.left().len() <= 1);
    assert_eq!(place.bound(), sorted);
    assert_eq!(place.program(&t, rnsenter).args(&hostname[..2]).arg("hostname").run().ok(), "kept\n");
    place.release(&t);
    // Only that of another kind, by whose user namespace we are not.
    let words = ["-r", "--uts=uts", "--hostname", "x", "true"];
    place.runshare(&t).args(words).run().ok();
    assert_eq!(place.bound(), ["uts"]);
}

#[test]
fn a_mount_namespace_is_refused_where_mounts_are_shared() {
    let t = rings!(Host, User, Uml, Qemu);
    let place = Place::new(&t);
    place.program(&t, "mount").args(["--make-shared", "."]).run().ok();
    for options in [&["--mount=mnt"][..], &["-f", "--mount=mnt"], &["-f", "--uts=uts", "--mount=mnt"]] {
        let output = place.runshare(&t).args(options).args(["echo", "ran"]).run();
        let hint = output.fails(125, "runshare: mount mnt namespace on mnt: Invalid argument");
        assert!(hint.contains("mount --make-private"), "{hint}");
        soon(|| place.bound().is_empty());
    }
    place.runshare(&t).args(["--uts=uts", "true"]).run().ok();
    assert_eq!(place.bound(), ["uts"]);
}

#[test]
fn a_mount_namespace_is_kept_on_whichever_cpu_it_is_made() {
    let t = rings!(Host, Qemu);
    for (outside, inside) in [(0, 1), (1, 0)] {
        let place = Place::new_on(&t, outside);
        on_cpu(inside);
        place.runshare(&t).args(["--mount=mnt", "nproc"]).run().ok();
        assert_eq!(place.bound(), ["mnt"]);
        // It runs where it was to run.
        assert_eq!(place.runshare(&t).args(["--mount=mnt", "nproc"]).run().ok(), "1\n");
    }
}

#[test]
fn a_file_that_cannot_be_bound_to_is_named_and_the_program_does_not_run() {
    let t = rings!(Host, User);
    let place = Place::new(&t);
    std::fs::create_dir(place.dir.path().join("dir")).unwrap();
    let missing = "a namespace is bound to a file that exists: make one with touch";
    let directory = "a namespace is bound to a file, not to a directory: make one with touch";
    #[rustfmt::skip]
    let cases = [
        ("--uts=missing", "open missing: No such file or directory", missing),
        ("--uts=dir", "open dir: Is a directory", directory),
        ("--uts=uts/below", "open uts/below: Not a directory", ""),
        ("--ipc=ipc --uts=missing", "open missing: No such file or directory", missing),
        ("-r --uts=uts --user=missing", "open missing: No such file or directory", missing),
    ];
    for (options, line, expected) in cases {
        for fork in [&["-f"][..], &[]] {
            let output = place.runshare(&t).args(options.split(' ')).args(fork).args(["echo", "ran"]).run();
            assert_eq!(output.fails(125, &format!("runshare: {line}")), expected, "{options}");
            assert_eq!(place.bound(), [""; 0], "{options}");
            assert_eq!(t.left().len(), 1, "{:?}", t.left());
        }
    }
}

#[test]
fn a_file_in_another_mount_namespace_is_told_as_such() {
    let t = rings!(Host, User);
    let place = Place::new(&t);
    let ours = std::fs::canonicalize(place.dir.path()).unwrap();
    let user: &[&str] = if rights().is_empty() { &[] } else { &["-U", "--preserve-credentials"] };
    // The original opens the working directory before it enters, and so it is the one outside.
    let run = t.program("nsenter").args(["-t", &place.held.inner().to_string(), "-m"]).args(user);
    let run = run.arg(format!("--wd={}", ours.display())).args([runshare(), "--uts=uts", "echo", "ran"]);
    let hint = run.run().fails(125, "runshare: mount uts namespace on uts: Invalid argument");
    assert!(hint.contains("give its whole path"), "{hint}");
}

#[test]
fn nothing_stays_bound_where_the_program_did_not_run() {
    let t = rings!(Host, User);
    let place = Place::new(&t);
    std::fs::write(place.dir.path().join("text"), "no program").unwrap();
    #[rustfmt::skip]
    let cases: &[(&[&str], i32, &str)] = &[
        (&["/nonexistent"], 127, "exec /nonexistent: No such file or directory"),
        (&["nosuch-program"], 127, "exec nosuch-program: No such file or directory"),
        (&["./text"], 126, "exec ./text: Permission denied"),
        (&["--wd", "/nonexistent", "echo", "ran"], 125, "chdir /nonexistent: No such file or directory"),
        (&["-m", "--mount-proc=/nonexistent", "echo", "ran"], 125, "mount proc on /nonexistent: No such file or directory"),
        (&["-R", "/nonexistent", "echo", "ran"], 125, "open /nonexistent: No such file or directory"),
    ];
    for (words, status, line) in cases {
        for way in [&[][..], &["-f"], &["-rf"], &["-r"]] {
            let run = place.runshare(&t).args(["--uts=uts", "--ipc=ipc"]).args(way).args(*words).run();
            run.fails(*status, &format!("runshare: {line}"));
            soon(|| place.bound().is_empty());
        }
    }
    soon(|| t.left().len() == 1);
}

#[test]
fn nothing_stays_bound_where_we_are_killed_before_the_program_runs() {
    let t = rings!(Host, User);
    let place = Place::new(&t);
    // A pipe that is full: what is told before the program runs waits for room.
    let script = "mkfifo full && exec 3<>full && dd if=/dev/zero of=full bs=65536 count=1 status=none && \
        echo ready && exec \"$@\"";
    for way in [&["-r"][..], &["-rf"], &["-f"], &[]] {
        let words = ["sh", "-c", script, "-", runshare(), "--info-fd", "3", "--uts=uts", "--net=net"];
        let mut held = place.program(&t, words[0]).args(&words[1..]).args(way).args(["echo", "ran"]).hold();
        soon(|| place.bound() == ["net", "uts"]);
        // Whoever waits in the pipe is who would run the program: the one below, if there are two.
        let last = held.inner();
        signal(last, Signal::SIGKILL);
        held.wait();
        soon(|| place.bound().is_empty() && t.left().len() == 1);
        assert_eq!(held.next_line(), None);
        std::fs::remove_file(place.dir.path().join("full")).unwrap();
    }
}

#[test]
fn files_are_found_by_any_name() {
    let t = rings!(Host, User);
    let place = Place::new(&t);
    let names: [&[u8]; 5] = [b"a b", b"new\nline", b"\xff", b"-", b"=x"];
    for name in names {
        let name = std::ffi::OsStr::from_bytes(name);
        std::fs::write(place.dir.path().join(name), "").unwrap();
        let words = [b"--uts=", name.as_bytes()].concat();
        let run = place.runshare(&t).arg(crate::harness::bytes(&words)).args(["-f", "true"]);
        run.run().ok();
        let mounts = std::fs::read(format!("/proc/{}/mountinfo", place.held.inner())).unwrap();
        let (mounts, dir) = (String::from_utf8_lossy(&mounts), place.dir.path().to_str().unwrap());
        let bound = mounts.lines().filter(|line| line.contains(dir) && line.contains(" - nsfs "));
        assert_eq!(bound.count(), 1, "{name:?}");
        place.program(&t, "umount").arg("--").arg(place.dir.path().join(name)).run().ok();
    }
    // A link is followed, as it is where the file lies.
    std::os::unix::fs::symlink("uts", place.dir.path().join("link")).unwrap();
    place.runshare(&t).args(["--uts=./link", "-w", "/", "true"]).run().ok();
    assert_eq!(place.bound(), ["uts"]);
    place.release(&t);
    let whole = format!("--uts={}", place.dir.path().join("uts").display());
    place.runshare(&t).args([&whole, "true"]).run().ok();
    assert_eq!(place.bound(), ["uts"]);
}

#[test]
fn an_ordinary_user_is_told_that_binding_needs_rights_outside() {
    let t = rings!(Host, User);
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, "").unwrap();
    for (path, mode) in [(dir.path(), 0o755), (&file, 0o666)] {
        std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
    }
    let option = format!("--uts={}", file.display());
    for way in [&["-r"][..], &["-rf"]] {
        let output = t.tool("runshare").as_user().args(way).args([&option, "echo", "ran"]).run();
        let line = format!("runshare: mount uts namespace on {}: Operation not permitted", file.display());
        let hint = output.fails(125, &line);
        assert!(hint.contains("CAP_SYS_ADMIN outside"), "{hint}");
    }
    // A file that he may not reach.
    if Ring::here() == Ring::Host {
        std::fs::set_permissions(dir.path(), std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
        let output = t.tool("runshare").as_user().args(["-r", &option, "echo", "ran"]).run();
        output.fails(125, &format!("runshare: open {}: Permission denied", file.display()));
    }
}

#[test]
fn an_owner_has_the_namespaces_kept_by_root() {
    let t = rings!(Host, Uml, Qemu);
    let place = Place::new(&t);
    let owner = format!("{NOBODY}:{NOBODY}");
    let words = ["--owner", &owner, "--user=user", "--net=net", "true"];
    place.runshare(&t).args(words).run().ok();
    assert_eq!(place.bound(), ["net", "user"]);
    let rlsns = place.dir.path().join("rlsns");
    copy_program(tool_path("rlsns"), &rlsns);
    let rows = place.program(&t, "./rlsns").args(["-t", "user", "-n", "-r", "-o", "NS,UID"]).run().text();
    let row = format!("{} {NOBODY}", place.inode(&t, "user"));
    assert!(rows.lines().any(|has| has == row), "{row}: {rows}");
}
