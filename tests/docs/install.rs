//! `make install` and `make uninstall`.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::{PAGES, TOOLS, drifted};
use crate::harness::{Test, project, tool_path};

/// Links for those who want to try ours in the place of the originals: what the original and ours are called.
const DROPINS: &[(&str, &str)] =
    &[("cgexec", "rcgexec"), ("lsns", "rlsns"), ("nsenter", "rnsenter"), ("unshare", "runshare")];

/// The files below a directory, by their paths there, with their permissions.
fn files(root: &Path, below: &Path, found: &mut Vec<(String, u32)>) {
    for entry in std::fs::read_dir(below).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            files(root, &path, found);
        } else {
            let mode = entry.metadata().unwrap().permissions().mode() & 0o7777;
            found.push((path.strip_prefix(root).unwrap().display().to_string(), mode));
        }
    }
    found.sort();
}

fn make(t: &Test, target: &str, root: &Path) {
    // Built already, and not for release: that would take minutes.
    let built = tool_path("rlsns").parent().unwrap().display();
    let variables =
        [format!("DESTDIR={}", root.display()), "PREFIX=/opt/nskit".into(), format!("BINARIES={built}")];
    t.program("make").arg(target).args(variables).dir(project()).run().ok();
}

#[test]
fn make_installs_tools_man_pages_completions_and_links_where_they_are_looked_for_and_takes_them_away_again() {
    let t = rings!(Host, User);
    if !t.has("make") {
        return;
    }
    let _ = drifted();
    let root = tempfile::tempdir().unwrap();
    make(&t, "install", root.path());
    let mut expected = Vec::new();
    for (tool, section) in TOOLS {
        let name = tool.name;
        expected.push((format!("opt/nskit/bin/{name}"), 0o755));
        for path in [
            format!("man/man{section}/{name}.{section}"),
            format!("bash-completion/completions/{name}"),
            format!("zsh/site-functions/_{name}"),
            format!("fish/vendor_completions.d/{name}.fish"),
        ] {
            expected.push((format!("opt/nskit/share/{path}"), 0o644));
        }
    }
    expected.extend(
        PAGES
            .iter()
            .map(|(name, section)| (format!("opt/nskit/share/man/man{section}/{name}.{section}"), 0o644)),
    );
    expected.extend(DROPINS.iter().map(|(link, _)| (format!("opt/nskit/lib/nskit/drop-in/{link}"), 0o777)));
    expected.sort();
    let mut found = Vec::new();
    files(root.path(), root.path(), &mut found);
    assert_eq!(found, expected);
    for (tool, _) in TOOLS {
        let installed = root.path().join("opt/nskit/bin").join(tool.name);
        let answer = t.program(installed.to_str().unwrap()).arg("--version").run().ok();
        assert_eq!(answer, format!("{} {}\n", tool.name, env!("CARGO_PKG_VERSION")));
    }
    for (link, tool) in DROPINS {
        let link = root.path().join("opt/nskit/lib/nskit/drop-in").join(link);
        // The root may be moved: that is what packages do.
        assert_eq!(link.read_link().unwrap(), Path::new("../../../bin").join(tool));
        let answer = t.program(link.to_str().unwrap()).arg("--version").run().ok();
        assert_eq!(answer, format!("{tool} {}\n", env!("CARGO_PKG_VERSION")));
    }

    make(&t, "uninstall", root.path());
    found.clear();
    files(root.path(), root.path(), &mut found);
    assert_eq!(found, []);
    assert!(!root.path().join("opt/nskit/lib/nskit").exists());
}
