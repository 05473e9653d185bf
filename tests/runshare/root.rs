//! A new root by pivot_root(2), overlays, and what is mounted in a new root, as root and as an ordinary user.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::{machine, mounts, on, put, rights, runshare, small_root};
use crate::harness::{Output, Ring, Test, bytes, kernel_since, tool_path};

/// What to ask for besides: nothing as root, and a user namespace.
fn ways() -> &'static [&'static [&'static str]] {
    if Ring::here().is_root() { &[&[], &["-r"]] } else { &[&["-r"]] }
}

/// Can an overlay be made so? In a user namespace since Linux 5.11.
fn overlays(way: &[&str]) -> bool {
    way.is_empty() || kernel_since((5, 11))
}

/// A directory that everybody may look into, on a file system on which an overlay can write: that of a virtual machine is
/// an overlay itself.
fn directory() -> tempfile::TempDir {
    let dir = if Ring::here().is_virtual() { tempfile::tempdir_in("/dev/shm") } else { tempfile::tempdir() }
        .unwrap();
    std::fs::set_permissions(dir.path(), PermissionsExt::from_mode(0o755)).unwrap();
    dir
}

/// Runs shell code in a root with these options.
fn run(t: &Test, way: &[&str], options: &[&dyn AsRef<OsStr>], script: &str) -> Output {
    let options = options.iter().map(|option| option.as_ref().to_os_string());
    t.tool("runshare").args(way).args(options).args(["/bin/sh", "-c", script]).run()
}

fn option(name: &str, path: &Path) -> OsString {
    bytes(&[name.as_bytes(), b"=", path.as_os_str().as_bytes()].concat())
}

fn binds(from: &Path, to: &str) -> OsString {
    bytes(&[from.as_os_str().as_bytes(), b":", to.as_bytes()].concat())
}

fn write(path: &Path, text: &str) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

/// All files below, with what is in them, but for the programs.
fn files(dir: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if entry.file_type().unwrap().is_dir() {
            found.push(format!("{}/", path.display()));
            found.extend(files(&path));
        } else {
            let text = if path.ends_with("bin/sh") {
                String::new()
            } else {
                std::fs::read_to_string(&path).unwrap_or_default()
            };
            found.push(format!("{}={text}", path.display()));
        }
    }
    found.sort();
    found
}

#[test]
fn after_a_pivot_the_old_root_is_gone() {
    let t = rings!(Host, User, Uml, Qemu);
    let root = small_root();
    put(root.path(), tool_path("runshare"), "bin/runshare");
    for way in ways() {
        let script = "pwd; cd ..; echo /*; \
            while read -r line; do set -- $line; echo \"$5\"; done </proc/self/mountinfo";
        let text = run(&t, way, &[&"-fp", &"--mount-proc", &"--pivot-root", &root.path()], script).ok();
        let (first, points) = text.split_once("\n/bin").unwrap();
        assert_eq!(first, "/");
        let mut points: Vec<_> = points.lines().skip(1).collect();
        points.sort();
        assert_eq!(points, ["/", "/proc"], "{text}");
        // In a chroot this is refused.
        let nested = "runshare -U /bin/sh -c 'echo made'";
        assert_eq!(run(&t, way, &[&"--pivot-root", &root.path()], nested).ok(), "made\n");
        assert_eq!(run(&t, way, &[&"-R", &root.path()], nested).code, Some(125));
        // A mount point will do, and so will the root.
        assert_eq!(
            run(&t, way, &[&"--pivot-root", &"/"], "pwd; test -e /proc/self && echo proc").ok(),
            "/\nproc\n"
        );
    }
}

#[test]
fn files_and_directories_are_bound_into_any_root() {
    let t = rings!(Host, User, Uml, Qemu);
    let (root, outside) = (small_root(), directory());
    write(&outside.path().join("dir/file"), "of a directory\n");
    write(&outside.path().join("file"), "a file\n");
    write(&root.path().join("file"), "");
    let [dir, file] = ["dir", "file"].map(|name| outside.path().join(name));
    let script = "read -r a </sub/file; read -r b </file; echo $a, $b; (: >>/file) && echo written; (: >/sub/new) && echo new";
    for way in ways() {
        for how in ["--pivot-root", "-R"] {
            let ask = |end: &str| {
                let [dir, file] = [binds(&dir, &format!("/sub{end}")), binds(&file, &format!("file{end}"))];
                run(&t, way, &[&how, &root.path(), &"--bind", &dir, &"--bind", &file], script)
            };
            assert_eq!(ask("").ok(), "of a directory, a file\nwritten\nnew\n");
            std::fs::remove_file(dir.join("new")).unwrap();
            let output = ask(":ro");
            assert_eq!(output.text(), "of a directory, a file\n");
            assert_eq!(output.errors().matches("Read-only file system").count(), 2, "{}", output.errors());
        }
        // Without another root it is ours in which they are.
        let here = binds(&dir, root.path().join("sub").to_str().unwrap());
        let script = format!("read -r a <{}/sub/file; echo $a", root.path().display());
        assert_eq!(run(&t, way, &[&"--bind", &here], &script).ok(), "of a directory\n");
    }
    assert_eq!(std::fs::read_dir(root.path().join("sub")).unwrap().count(), 1);
}

#[test]
fn read_only_is_also_what_is_mounted_below() {
    let t = rings!(Host, User, Uml, Qemu);
    let (root, outside) = (small_root(), directory());
    std::fs::create_dir_all(outside.path().join("deep/er")).unwrap();
    let script = "mount -t tmpfs -o nosuid,noatime a \"$1/deep\" && mkdir \"$1/deep/er\" && mount -t tmpfs b \"$1/deep/er\" && shift && exec \"$@\"";
    for way in ways() {
        let write = "for i in . deep deep/er; do (: >/sub/$i/new) && echo $i; done; \
            while read -r line; do case $line in */sub*) echo $line;; esac; done </proc/self/mountinfo";
        let run = t.program("unshare").args(if Ring::here().is_root() { ["-m"] } else { ["-rm"] });
        let run = run.args(["sh", "-c", script, "-"]).arg(outside.path()).arg(runshare()).args(*way);
        let run = run.args(["-fp", "--mount-proc", "--bind"]).arg(binds(outside.path(), "/sub:ro"));
        let output = run.arg("--pivot-root").arg(root.path()).args(["/bin/sh", "-c", write]).run();
        assert_eq!(output.errors().matches("Read-only file system").count(), 3, "{}", output.errors());
        let text = output.text();
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines.len(), 3, "{text}");
        assert!(lines.iter().all(|line| line.contains(" ro,")), "{text}");
        // What it was before it stays besides.
        assert!(lines.iter().any(|line| line.contains(" /sub/deep ro,nosuid,noatime ")), "{text}");
    }
}

#[test]
fn no_link_leads_out_of_the_new_root() {
    let t = rings!(Host, User);
    let (root, outside) = (small_root(), directory());
    write(&outside.path().join("hosts"), "bound\n");
    write(&root.path().join("etc/hosts"), "of the root\n");
    std::os::unix::fs::symlink("/etc", root.path().join("link")).unwrap();
    std::os::unix::fs::symlink("../../../../../etc", root.path().join("up")).unwrap();
    for way in ways() {
        for how in ["--pivot-root", "-R"] {
            for place in ["/link/hosts", "/up/hosts", "/../../etc/hosts", "link/../etc/hosts"] {
                let bind = binds(&outside.path().join("hosts"), place);
                let output =
                    run(&t, way, &[&how, &root.path(), &"--bind", &bind], "read -r a </etc/hosts; echo $a");
                assert_eq!(output.ok(), "bound\n", "{place}");
            }
        }
    }
    assert_eq!(std::fs::read_to_string(root.path().join("etc/hosts")).unwrap(), "of the root\n");
}

#[test]
fn names_may_hold_any_byte() {
    let t = rings!(Host, User);
    let dir = directory();
    for part in ["x/lower/bin", "x/upper", "x/source"] {
        std::fs::create_dir_all(dir.path().join(part)).unwrap();
    }
    put(&dir.path().join("x/lower"), Path::new("/bin/sh"), "bin/sh");
    write(&dir.path().join("x/source/file"), "read\n");
    let mut last = dir.path().join("x");
    for name in ["a:b,c\\d", "a b\nc", "\\,a:\\", "lowerdir=x,upperdir=y", "\u{202e}\x1b[1m"] {
        let path = dir.path().join(name);
        std::fs::rename(&last, &path).unwrap();
        last = path.clone();
        let (lower, upper) = (path.join("lower"), path.join("upper").join(name));
        let colons = |path: &Path| path.to_str().unwrap().replace('\\', "\\\\").replace(':', "\\:");
        let bind = format!("{}:/{}", colons(&path.join("source")), colons(Path::new(name)));
        let script = "for i in /*/file; do read -r a <\"$i\"; done; echo $a; (: >/new) && echo new";
        for way in ways() {
            let (overlay, made) = if overlays(way) {
                std::fs::create_dir_all(&upper).unwrap();
                (Some(option("--overlay", &upper)), &upper)
            } else {
                std::fs::create_dir_all(lower.join(name)).unwrap();
                (None, &lower)
            };
            let mut options: Vec<&dyn AsRef<OsStr>> = vec![&"--pivot-root", &lower, &"--bind", &bind];
            options.extend(overlay.iter().map(|overlay| overlay as &dyn AsRef<OsStr>));
            assert_eq!(run(&t, way, &options, script).ok(), "read\nnew\n", "{name:?}");
            std::fs::remove_file(made.join("new")).unwrap();
            std::fs::remove_dir(made.join(name)).unwrap();
            assert!(!lower.join("new").exists() && !lower.join(name).exists());
        }
    }
}

#[test]
fn mounts_are_made_in_the_order_that_was_given() {
    let t = rings!(Host, User);
    let (root, outside) = (small_root(), directory());
    write(&outside.path().join("one"), "1\n");
    write(&outside.path().join("two"), "2\n");
    write(&root.path().join("file"), "");
    let [one, two] = ["one", "two"].map(|name| outside.path().join(name));
    for way in ways() {
        let root: &dyn AsRef<OsStr> = &root.path();
        let ask = |options: &[&dyn AsRef<OsStr>], script: &str| {
            run(&t, way, &[&[&"--pivot-root", root], options].concat(), script).ok()
        };
        let [a, b] = [binds(&one, "/file"), binds(&two, "/file")];
        assert_eq!(ask(&[&"--bind", &a, &"--bind", &b], "read -r a </file; echo $a"), "2\n");
        assert_eq!(ask(&[&"--bind", &b, &"--bind", &a], "read -r a </file; echo $a"), "1\n");
        // In a tmpfs of ours a place is made.
        let a = binds(&one, "/sub/new/er/file");
        let script = "read -r a </sub/new/er/file; echo $a; echo /sub/*; (: >/sub/x) && echo written";
        assert_eq!(ask(&[&"--tmpfs", &"/sub", &"--bind", &a], script), "1\n/sub/new\nwritten\n");
        let a = binds(&one, "/sub/below/file");
        let script = "echo /sub/below/*";
        assert_eq!(
            ask(&[&"--tmpfs", &"/sub/below", &"--bind", &a, &"--tmpfs", &"sub/below/"], script),
            "/sub/below/*\n"
        );
        // What is bound has places too.
        let [a, b] = [binds(outside.path(), "/sub"), binds(&two, "/sub/one")];
        assert_eq!(ask(&[&"--bind", &a, &"--bind", &b], "read -r a </sub/one; echo $a"), "2\n");
        let output = run(&t, way, &[&"--pivot-root", root, &"--bind", &b, &"--tmpfs", &"/sub"], ":");
        output.fails(125, "runshare: open /sub/one in the new root: No such file or directory");
    }
}

#[test]
fn what_is_missing_is_told_before_anything_is_made() {
    let t = rings!(Host, User);
    let (root, outside) = (small_root(), directory());
    write(&outside.path().join("file"), "");
    let at = |name: &str| outside.path().join(name).display().to_string();
    let shown = outside.path().display();
    let before = files(outside.path());
    let (r, file) = (root.path().to_str().unwrap(), at("file"));
    let cases: &[(&[&str], String, &str)] = &[
        (&["--pivot-root", &at("none")], format!("open {shown}/none: No such file or directory"), ""),
        (&["--pivot-root", &file], format!("open {shown}/file: Not a directory"), ""),
        (
            &["--pivot-root", r, "--bind", &format!("{}:/sub", at("none"))],
            format!("open {shown}/none: No such file or directory"),
            "",
        ),
        (
            &["--pivot-root", r, "--bind", &format!("{file}:/none")],
            "open /none in the new root: No such file or directory".into(),
            "make it first",
        ),
        (
            &["-R", r, "--tmpfs", "/none/of/it"],
            "open /none/of/it in the new root: No such file or directory".into(),
            "make it first",
        ),
        (
            &["--pivot-root", r, "--bind", &format!("{file}:/sub")],
            "/sub in the new root is a directory, and a file would be mounted there".into(),
            "",
        ),
        (
            &["--pivot-root", r, "--bind", "/:/bin/sh"],
            "/bin/sh in the new root is no directory, and a directory would be mounted there".into(),
            "",
        ),
        (
            &["--pivot-root", r, "--mount-proc=/none"],
            "open /none in the new root: No such file or directory".into(),
            "make it first",
        ),
        (&["--pivot-root", r, "--bind", "/a"], "--bind /a: where to is not said".into(), "it is SRC:DST"),
    ];
    for (options, line, hint) in cases {
        let output =
            run(&t, rights(), &options.iter().map(|option| option as _).collect::<Vec<_>>(), "echo ran");
        let found = output.fails(125, &format!("runshare: {line}"));
        assert!(found.starts_with(hint) && hint.is_empty() == found.is_empty(), "{found}");
    }
    if overlays(rights()) {
        for (upper, line) in [
            (at("none"), format!("open {shown}/none: No such file or directory")),
            (file.clone(), format!("open {shown}/file: Not a directory")),
            ("/".into(), "--overlay=/: the root cannot be the directory to which is written".into()),
            ("/proc".into(), "--overlay=/proc: something is mounted on it".into()),
        ] {
            let overlay = format!("--overlay={upper}");
            run(&t, rights(), &[&"--pivot-root", &r, &overlay], "echo ran")
                .fails(125, &format!("runshare: {line}"));
        }
    }
    assert_eq!(files(outside.path()), before);
}

#[test]
fn what_is_written_over_a_throw_away_overlay_is_gone_after() {
    let t = rings!(Host, User, Uml, Qemu);
    let root = small_root();
    write(&root.path().join("sub/file"), "old\n");
    let before = files(root.path());
    for way in ways().iter().filter(|way| overlays(way)) {
        for how in ["--pivot-root", "-R"] {
            let script = "echo new >/sub/file; : >/made; read -r a </sub/file; echo $a /m* /b*";
            let output = run(&t, way, &[&how, &root.path(), &"--overlay"], script);
            assert_eq!(output.ok(), "new /made /bin\n");
            assert_eq!(files(root.path()), before);
            // A place that is missing is made in it.
            let bind = binds(&root.path().join("sub/file"), "/a/b/c");
            let script = "read -r a </a/b/c; echo $a; (: >/tmp/x/y) && echo tmp";
            let options: [&dyn AsRef<OsStr>; 7] =
                [&how, &root.path(), &"--overlay", &"--bind", &bind, &"--tmpfs", &"/tmp/x"];
            assert_eq!(run(&t, way, &options, script).ok(), "old\ntmp\n");
            assert_eq!(files(root.path()), before);
        }
    }
    assert!(
        !std::fs::read_to_string("/proc/self/mountinfo").unwrap().contains(root.path().to_str().unwrap())
    );
}

#[test]
fn what_is_written_over_an_overlay_can_be_kept() {
    let t = rings!(Host, User, Uml, Qemu);
    let root = small_root();
    write(&root.path().join("sub/file"), "old\n");
    let before = files(root.path());
    for way in ways().iter().filter(|way| overlays(way)) {
        for how in ["--pivot-root", "-R"] {
            let dir = directory();
            let upper = dir.path().join("up");
            std::fs::create_dir(&upper).unwrap();
            let overlay = option("--overlay", &upper);
            let script = "read -r a </sub/file; echo $a; echo new >/sub/file; : >/made";
            assert_eq!(run(&t, way, &[&how, &root.path(), &overlay], script).ok(), "old\n");
            assert_eq!(std::fs::read_to_string(upper.join("sub/file")).unwrap(), "new\n");
            let script = "read -r a </sub/file; echo $a /m*";
            assert_eq!(run(&t, way, &[&how, &root.path(), &overlay], script).ok(), "new /made\n");
            let work = dir.path().join(".up.work");
            assert_eq!(std::fs::metadata(&work).unwrap().permissions().mode() & 0o7777, 0o700);
            let names: Vec<_> =
                std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
            assert_eq!(names.len(), 2, "{names:?}");
            assert_eq!(files(root.path()), before);
        }
    }
}

#[test]
fn a_work_directory_that_came_to_no_use_is_removed() {
    let t = rings!(Host, User);
    for way in ways().iter().filter(|way| overlays(way)) {
        let (root, dir) = (small_root(), directory());
        let upper = dir.path().join("up");
        std::fs::create_dir(&upper).unwrap();
        // The lower layer lies in the upper one, which overlayfs refuses.
        let lower = upper.join("lower");
        std::fs::create_dir(&lower).unwrap();
        let output = run(&t, way, &[&"--pivot-root", &lower, &option("--overlay", &upper)], ":");
        let line =
            format!("runshare: mount overlay on {}: Too many levels of symbolic links", lower.display());
        output.fails(125, &line);
        assert!(!dir.path().join(".up.work").exists());
        // One that was there stays.
        std::fs::create_dir(dir.path().join(".up.work")).unwrap();
        run(&t, way, &[&"--pivot-root", &lower, &option("--overlay", &upper)], ":").fails(125, &line);
        assert!(dir.path().join(".up.work").exists());
        // Where no new proc may be had it fails later.
        let output = run(
            &t,
            &["-r"],
            &[&"--mount-proc", &"--pivot-root", &root.path(), &option("--overlay", &upper)],
            ":",
        );
        if overlays(&["-r"]) {
            assert_eq!(output.code, Some(125), "{}", output.errors());
        }
    }
}

#[test]
fn what_is_mounted_below_an_overlay_is_named_and_read_only() {
    let t = rings!(Host, User, Uml, Qemu);
    let root = small_root();
    std::fs::create_dir(root.path().join("odd\n\x1b")).unwrap();
    // Without a new user namespace in ours: what came with that may not be looked behind.
    let way = if Ring::here().is_root() { "-m" } else { "-rm" };
    if !overlays(rights()) {
        return;
    }
    let script = "cd \"$1\" && mount -t tmpfs a sub && mkdir sub/deep && mount -t tmpfs b sub/deep && : >sub/deep/file && \
        mount -t tmpfs c \"$(printf 'odd\\n\\033')\" && shift && exec \"$@\"";
    for how in ["--pivot-root", "-R"] {
        let within = |options: &[&str]| {
            let run =
                t.program("unshare").args([way, "sh", "-c", script, "-"]).arg(root.path()).arg(runshare());
            let ask = "echo /sub/* /sub/deep/*; (: >/sub/new) || (: >/sub/deep/new) || (: >/new) && echo new";
            run.arg(how).arg(root.path()).args(options).args(["/bin/sh", "-c", ask]).run()
        };
        let output = within(&["--overlay"]);
        assert_eq!(output.text(), "/sub/deep /sub/deep/file\nnew\n");
        let end = "is mounted below the overlay, which does not cover it: it is read-only";
        let told = format!("runshare: /sub {end}\nrunshare: /odd\\x0a\\x1b {end}\n");
        assert!(output.errors().starts_with(&told), "{}", output.errors());
        // What is mounted over it makes that needless.
        let output = within(&["--overlay", "--tmpfs", "/sub"]);
        assert_eq!(output.text(), "/sub/* /sub/deep/*\nnew\n");
        assert!(!output.errors().contains("/sub "), "{}", output.errors());
    }
}

#[test]
fn an_overlay_over_all_keeps_the_working_directory() {
    let t = rings!(Host);
    let script = "pwd; echo new >/root/nskit-overlay; echo /root/nskit-*";
    let output = t.tool("runshare").dir("/usr/bin").args(["--overlay", "sh", "-c", script]).run();
    assert_eq!(output.text(), "/usr/bin\n/root/nskit-overlay\n");
    assert!(output.errors().contains("/proc is mounted below the overlay"), "{}", output.errors());
    assert!(!Path::new("/root/nskit-overlay").exists());
}

#[test]
fn an_overlay_over_all_in_a_user_namespace_is_made_of_pieces() {
    let t = rings!(Host, User, Uml, Qemu);
    let script = "test -L /proc/self && readlink /bin; id -u; echo x >/etc/nskit-new; : >/nskit-new; cat /etc/nskit-new; \
        rm /etc/nskit-new; (: >/sys/nskit-new) 2>/dev/null || echo read-only; pwd";
    let bin = std::fs::read_link("/bin").map(|link| format!("{}\n", link.display())).unwrap_or_default();
    // Root and an ordinary user, with the old proc and a new one.
    for (user, options) in
        [(false, &[][..]), (true, &[]), (false, &["-fp", "--mount-proc"]), (true, &["-fp", "--mount-proc"])]
    {
        let run = if user { t.tool("runshare").as_user() } else { t.tool("runshare") };
        let run = run.dir("/usr").args(["-r", "--overlay"]).args(options);
        let output = run.args(["sh", "-c", script]).run();
        let errors = output.errors();
        if !overlays(&["-r"]) {
            assert!(
                errors.starts_with("runshare: overlayfs in a user namespace needs Linux 5.11; this is 5.10"),
                "{errors}"
            );
            assert_eq!((output.code, output.text().as_str()), (Some(125), ""));
            continue;
        }
        assert_eq!(
            (output.code, output.text()),
            (Some(0), format!("{bin}0\nx\nread-only\n/usr\n")),
            "{errors}"
        );
        let told = |place: &str| {
            errors.contains(&format!("runshare: {place} is mounted below the overlay, which does not"))
        };
        assert_eq!((told("/proc"), told("/sys")), (options.is_empty(), true), "{errors}");
        assert!(!errors.contains("can have no overlay"), "{errors}");
    }
    // An ordinary user can change what is their own, but for what lies in directories of owners who are not mapped.
    if Ring::here().is_root() && overlays(&["-r"]) {
        let dir = tempfile::tempdir_in("/var/tmp").unwrap();
        let path = dir.path().join("own\n");
        write(&path, "mine\n");
        let script = "cat \"$1\"; echo new >\"$1\"; cat \"$1\"; rm \"$1\"; test -e \"$1\" || echo gone";
        let run = t.tool("runshare").args(["-r", "--overlay", "sh", "-c", script, "-"]).arg(&path).run();
        assert_eq!(run.text(), "mine\nnew\ngone\n", "{}", run.errors());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "mine\n");
    }
    for place in ["/etc/nskit-new", "/nskit-new"] {
        assert!(!Path::new(place).exists());
    }
}

/// Runs runshare over a directory in which a user namespace finds mounts: `sub` is one, and `holds/one` in `holds`.
fn over_mounts(t: &Test, root: &Path, options: &[&dyn AsRef<OsStr>], script: &str) -> Output {
    let mount = "cd \"$1\" && mount -t tmpfs a sub && : >sub/file && mount -t tmpfs b holds/one && shift && exec \"$@\"";
    let way = if Ring::here().is_root() { "-m" } else { "-rm" };
    let run = t.program("unshare").args([way, "sh", "-c", mount, "-"]).arg(root).arg(runshare()).arg("-r");
    run.args(options.iter().map(|option| option.as_ref())).args(["/bin/sh", "-c", script]).run()
}

/// A root with a directory, a file, and a link, all with odd names.
fn odd_root() -> (tempfile::TempDir, std::path::PathBuf) {
    let dir = directory();
    let root = dir.path().join("a:b,c\\d\n");
    for part in ["sub", "holds/one", "odd\n\x1b:,\\", "bin", "proc"] {
        std::fs::create_dir_all(root.join(part)).unwrap();
    }
    put(&root, Path::new("/bin/sh"), "bin/sh");
    write(&root.join("odd\n\x1b:,\\/file"), "old\n");
    write(&root.join("holds/file"), "held\n");
    write(&root.join("top\n"), "top\n");
    std::os::unix::fs::symlink("odd\n\x1b:,\\/file", root.join("link\n")).unwrap();
    std::fs::set_permissions(root.join("odd\n\x1b:,\\"), PermissionsExt::from_mode(0o1750)).unwrap();
    (dir, root)
}

const PIECES: [&str; 3] = [
    "runshare: /sub is mounted below the overlay, which does not cover it: it is read-only\n",
    "runshare: /holds has mounts below it that a user namespace may not look behind, so the overlay does not cover it: all of it is read-only\n",
    "runshare: /top\\x0a is no directory, so the overlay does not cover it: it is read-only\n",
];

#[test]
fn each_directory_beside_a_locked_mount_has_an_overlay_of_its_own() {
    let t = rings!(Host, User, Uml, Qemu);
    if !overlays(&["-r"]) {
        return;
    }
    let (_dir, root) = odd_root();
    let before = files(&root);
    let source = root.join("odd\n\x1b:,\\");
    let bind = bytes(
        &[source.to_str().unwrap().replace('\\', "\\\\").replace(':', "\\:").as_bytes(), b":/new/er:ro"]
            .concat(),
    );
    let script = "cd /odd*; read -r a <file; read -r b <'/link\n'; read -r c <'/top\n'; read -r d </holds/file; echo $a $b $c $d /sub/*; \
        echo new >file; read -r a <'/link\n'; echo $a; : >made; : >/made; echo * /m* /new/*; \
        for i in '/top\n' /sub/x /holds/x /holds/one/x; do (: >\"$i\") || echo no; done";
    for how in ["--pivot-root", "-R"] {
        let output = over_mounts(
            &t,
            &root,
            &[&how, &root, &"--overlay", &"--bind", &bind, &"--tmpfs", &"/tmp/x"],
            script,
        );
        let expected = "old old top held /sub/file\nnew\nfile made /made /new/er\nno\nno\nno\nno\n";
        assert_eq!((output.code, output.text().as_str()), (Some(0), expected), "{}", output.errors());
        let errors = output.errors();
        let ours = errors.split_inclusive('\n').filter(|line| line.starts_with("runshare: "));
        let mut lines: Vec<_> = ours.collect();
        lines.sort();
        let mut told = PIECES;
        told.sort();
        assert_eq!(lines, told);
        assert_eq!(files(&root), before);
        // What is covered needs no word.
        let output = over_mounts(
            &t,
            &root,
            &[&how, &root, &"--overlay", &"--tmpfs", &"/sub"],
            "(: >/sub/x) && echo /sub/*",
        );
        assert_eq!(output.text(), "/sub/x\n");
        assert!(!output.errors().contains("/sub "), "{}", output.errors());
        // No descriptor is left open.
        let ask = |overlay: &[&dyn AsRef<OsStr>]| {
            let options = [&[&"-fp" as &dyn AsRef<OsStr>, &"--mount-proc", &how, &root], overlay].concat();
            over_mounts(&t, &root, &options, "echo /proc/self/fd/*").text()
        };
        assert_eq!(ask(&[&"--overlay"]), ask(&[]));
    }
    let output = over_mounts(&t, &root, &[&"--explain", &"-R", &root, &"--overlay"], ":");
    assert!(output.text().contains("do so for each directory in "), "{}", output.text());
    assert_eq!(files(&root), before);
}

#[test]
fn what_is_written_over_pieces_is_kept_in_the_layout_of_a_whole() {
    let t = rings!(Host, User);
    if !overlays(&["-r"]) {
        return;
    }
    for how in ["--pivot-root", "-R"] {
        let (dir, root) = odd_root();
        let before = files(&root);
        let (upper, work) = (dir.path().join("up"), dir.path().join(".up.work"));
        std::fs::create_dir(&upper).unwrap();
        let overlay = option("--overlay", &upper);
        // It comes to nothing, and nothing is left.
        let late = over_mounts(&t, &root, &[&how, &root, &overlay, &"--tmpfs", &"/sub/none"], "echo ran");
        assert_eq!((late.code, late.text().as_str()), (Some(125), ""));
        assert!(
            late.errors().contains("runshare: open /sub/none in the new root: No such file"),
            "{}",
            late.errors()
        );
        assert_eq!((files(&upper), work.exists()), (Vec::new(), false));

        let script = "cd /odd*; read -r a <file; echo $a; echo new >file; (: >/made) || echo /*; echo /new/*";
        let output = over_mounts(&t, &root, &[&how, &root, &overlay, &"--tmpfs", &"/new/x"], script);
        let all: String = output.text();
        assert!(all.starts_with("old\n/bin /holds /lib"), "{all}");
        assert!(all.ends_with("/new/x\n"), "{all}");
        assert!(output.errors().contains("runshare: / itself is read-only: what is written in its directories is kept, what would be new beside them could not\n"), "{}", output.errors());
        let odd = upper.join("odd\n\x1b:,\\");
        assert_eq!(std::fs::read_to_string(odd.join("file")).unwrap(), "new\n");
        assert_eq!(std::fs::metadata(&odd).unwrap().permissions().mode() & 0o7777, 0o1750);
        assert!(!upper.join("sub").exists() && !upper.join("holds").exists() && !upper.join("made").exists());
        assert_eq!(files(&root), before);

        // What cannot be shown is told, and where there is no upper layer there is no overlay.
        write(&upper.join("more\n"), "");
        std::fs::remove_dir(upper.join("bin")).unwrap();
        write(&upper.join("bin"), "");
        let output = over_mounts(
            &t,
            &root,
            &[&how, &root, &overlay],
            "cd /odd*; read -r a <file; echo $a; (: >/bin/x) || :",
        );
        assert_eq!(output.text(), "new\n", "{}", output.errors());
        for told in [
            "runshare: /bin can have no overlay, it is read-only: Not a directory\n".to_string(),
            format!(
                "runshare: {}/more\\x0a is not seen in the new root: no overlay covers its place\n",
                upper.display()
            ),
            format!(
                "runshare: {}/bin is not seen in the new root: no overlay covers its place\n",
                upper.display()
            ),
        ] {
            assert!(output.errors().contains(&told), "{}", output.errors());
        }
        assert!(!work.join("bin").exists() || std::fs::read_dir(work.join("bin")).is_ok());
    }
}

#[test]
fn mounts_that_are_shared_make_no_new_root() {
    let t = rings!(Host);
    let root = small_root();
    let machine = machine(&t, "shared");
    let before = mounts(machine.pid());
    let path = root.path().to_str().unwrap();
    let sub = format!("{path}:/sub");
    for options in [
        &["--pivot-root", path][..],
        &["-R", path, "--bind", &sub],
        &["-R", path, "--overlay"],
        &["--overlay"],
    ] {
        for (mode, ending) in [
            (
                "shared",
                "mounts that are shared with others cannot be made a new root, and all would see what is mounted",
            ),
            ("unchanged", "/ is shared with others, and all would see what is mounted"),
        ] {
            let run = on(&t, &machine).arg(runshare()).args(["--propagation", mode]).args(options);
            let hint = run.args(["/bin/sh", "-c", ":"]).run().fails(125, &format!("runshare: {ending}"));
            assert!(hint.starts_with("choose --propagation private"), "{hint}");
        }
        // A slave sends nothing back; in a user namespace all become slaves.
        let slave: &[&str] = &["--propagation", "slave"];
        let user: &[&str] =
            if options.contains(&"--overlay") { slave } else { &["-r", "--propagation", "unchanged"] };
        for way in [slave, user] {
            let run =
                on(&t, &machine).arg(runshare()).args(way).args(options).args(["/bin/sh", "-c", "echo ran"]);
            let output = run.run();
            assert_eq!((output.code, output.text().as_str()), (Some(0), "ran\n"), "{}", output.errors());
        }
    }
    assert_eq!(mounts(machine.pid()), before);
}

#[test]
fn nothing_of_a_new_root_stays_on_the_machine() {
    let t = rings!(Host);
    let (root, dir) = (small_root(), directory());
    let machine = machine(&t, "private");
    let before = mounts(machine.pid());
    std::fs::create_dir(dir.path().join("up")).unwrap();
    let path = root.path().to_str().unwrap();
    let kept = format!("--overlay={}", dir.path().join("up").display());
    let bind = format!("{path}:/sub:ro");
    let [wrong, late] = ["/etc/passwd:/proc/none", "/etc/passwd:/sub/none"].map(String::from);
    for options in [
        &["--pivot-root", path][..],
        &["--pivot-root", path, "--overlay", "--bind", &bind, "--tmpfs", "/x"],
        &["-R", path, &kept, "--bind", &bind],
        &["--pivot-root", path, "-fp", "--mount-proc", "--bind", &wrong],
        &["--pivot-root", path, &kept, "--bind", &bind, "--bind", &late],
        &["-r", "--overlay"],
        &["-r", "--overlay", "--bind", &wrong],
    ] {
        let run = on(&t, &machine).arg(runshare()).args(options).args(["/bin/sh", "-c", "echo ran"]).run();
        assert_eq!(run.code == Some(0), run.text() == "ran\n", "{}", run.errors());
        assert_eq!(mounts(machine.pid()), before, "{options:?}");
    }
}

#[test]
fn no_descriptor_of_the_new_root_reaches_the_program() {
    let t = rings!(Host, User);
    let root = small_root();
    let ask = |options: &[&dyn AsRef<OsStr>]| {
        let options = [&[&"-fp" as &dyn AsRef<OsStr>, &"--mount-proc"], options].concat();
        run(&t, rights(), &options, "echo /proc/self/fd/*").ok()
    };
    // Some may be inherited.
    let expected = ask(&[&"-R", &root.path()]);
    assert_eq!(
        ask(&[&"--pivot-root", &root.path(), &"--tmpfs", &"/sub", &"--bind", &"/:/sub/x:ro"]),
        expected
    );
    if overlays(rights()) {
        assert_eq!(ask(&[&"--pivot-root", &root.path(), &"--overlay"]), expected);
    }
}

#[test]
fn what_is_bound_into_a_new_proc_comes_after_it_however_the_root_is_entered() {
    let t = rings!(Host, User);
    let (root, outside) = (small_root(), directory());
    let file = outside.path().join("file");
    write(&file, "bound\n");
    for way in ways() {
        for enter in ["--root", "--pivot-root"] {
            let bind = binds(&file, "/proc/cpuinfo");
            let options: &[&dyn AsRef<OsStr>] =
                &[&"-fp", &"--mount-proc", &enter, &root.path(), &"--bind", &bind];
            let script = "read -r line </proc/cpuinfo; read -r pid rest </proc/self/stat; echo $line $pid";
            assert_eq!(run(&t, way, options, script).ok(), "bound 1\n", "{enter}");
        }
    }
}
