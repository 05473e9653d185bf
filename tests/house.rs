//! The rules of the house that a test can hold: see CONTRIBUTING.md.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::harness::{project, within};
use common::kind::KINDS;

/// Every Rust file below a folder of the project, with its text.
fn sources(folder: &str) -> Vec<(String, String)> {
    let mut open = vec![project().join(folder)];
    let mut found = Vec::new();
    while let Some(dir) = open.pop() {
        for entry in std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()) {
            if entry.is_dir() {
                open.push(entry);
            } else if entry.extension().is_some_and(|extension| extension == "rs") {
                let name = entry.strip_prefix(project()).unwrap().to_str().unwrap().to_string();
                found.push((name, std::fs::read_to_string(entry).unwrap()));
            }
        }
    }
    assert!(!found.is_empty(), "{folder}");
    found
}

/// The product's own lines: without unit tests and comments.
fn code(text: &str) -> impl Iterator<Item = &str> {
    let end = text.find("\n#[cfg(test)]").unwrap_or(text.len());
    text[..end].lines().filter(|line| !line.trim_start().starts_with("//"))
}

#[test]
fn modules_use_only_their_own_floor_and_those_below() {
    let _t = rings!(Host, User);
    let map = std::fs::read_to_string(project().join("common/src/lib.rs")).unwrap();
    let mut floors = BTreeMap::new();
    let mut floor = 0;
    for line in map.lines() {
        floor += usize::from(line.starts_with("// floor:"));
        if let Some(module) = line.strip_prefix("pub mod ").and_then(|rest| rest.strip_suffix(';')) {
            floors.insert(module.to_string(), floor);
        }
    }
    assert!(floors.len() > 5 && floor > 3, "{floors:?}");
    let mut uses = Vec::new();
    for (file, text) in sources("common/src") {
        let module = file.strip_prefix("common/src/").unwrap().split(['/', '.']).next().unwrap().to_string();
        for part in code(&text).flat_map(|line| line.split("crate::").skip(1)) {
            let used = part.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap().to_string();
            if floors.contains_key(&used) && used != module {
                let (own, other) = (floors.get(&module), floors.get(&used));
                assert!(own <= other, "{file}: {module} uses {used}, which stands above it");
                uses.push((module.clone(), used));
            }
        }
    }
    for (module, used) in &uses {
        assert!(!uses.contains(&(used.clone(), module.clone())), "{module} and {used} use each other");
    }
}

#[test]
fn unsafe_code_stands_where_system_calls_are_wrapped() {
    let _t = rings!(Host, User);
    for (file, text) in [sources("common/src"), sources("bins")].concat() {
        let count =
            code(&text).filter(|line| line.contains("unsafe {") || line.contains("unsafe fn")).count();
        let wraps = file == "common/src/sys.rs" || file.starts_with("common/src/sys/");
        assert_eq!(count > 0, wraps, "{file}");
    }
}

#[test]
fn kinds_are_named_in_one_table() {
    let _t = rings!(Host, User);
    for (file, text) in [sources("common/src"), sources("bins")].concat() {
        // The hints say of which kinds they speak.
        if file.ends_with("/kind.rs") || file.ends_with("/error.rs") {
            continue;
        }
        for line in code(&text) {
            // A file of /proc/PID bears the name of a kind.
            let line = line.replace("read(c\"cgroup\")", "");
            assert!(!line.contains("CLONE_NEW"), "{file}: {line}");
            for row in KINDS {
                // A name of a file or a file system is no name of a kind.
                let line = line.replace("c\"cgroup\"", "").replace("b\"cgroup\"", "");
                // Nor is the beginning of one.
                let line = if line.trim() == "\"cgroup\"," { String::new() } else { line };
                // Nor is a key in a file of a container engine.
                let line = line.replace("state[\"pid\"]", "");
                // Or in JSON of ours, an option of rcgexec, and time of the CPU.
                let line = line.replace("(\"pid\", ", "").replace("(\"user\", ", "");
                let line = line.replace("all(\"pid\")", "").replace("\"pid\", \"REF\"", "");
                let line = line.replace("\"pid\", \"force\"", "").replace("time(\"user\")", "");
                assert!(!line.contains(&format!("\"{}\"", row.name)), "{file}: {line}");
            }
        }
    }
}

#[test]
fn no_table_needs_random_bytes() {
    let _t = rings!(Host, User);
    for (file, text) in [sources("common/src"), sources("bins")].concat() {
        // The one place that gives them another hasher.
        let imports = |line: &str| line.contains("std::collections") && line.contains("Hash");
        let is_chosen = |line: &str| line.contains("BuildHasherDefault<DefaultHasher>");
        let line = code(&text).find(|line| imports(line) && !is_chosen(line));
        assert_eq!(line, None, "{file}: the standard library panics where it cannot have random bytes");
    }
}

#[test]
fn tools_leave_the_kernel_to_the_library() {
    let _t = rings!(Host, User);
    for (file, text) in sources("bins") {
        for line in code(&text) {
            for word in ["nix::", "libc::", "std::fs", "File::", "procfs", "comfy_table"] {
                assert!(!line.replace("unix::", "").contains(word), "{file}: {line}");
            }
        }
    }
    for (file, text) in sources("common/src") {
        let may_open = ["proc/", "cgroup/", "sys", "ns/fd.rs", "ns/pins.rs", "ns/root/"];
        let may_open = may_open.map(|it| format!("common/src/{it}"));
        if !may_open.iter().any(|place| file.starts_with(place)) {
            let opens = code(&text).find(|line| line.contains("File::") || line.contains("fcntl::open"));
            assert_eq!(opens, None, "{file}");
        }
        // Other people's bytes need not be text: only what the kernel alone writes is read as such.
        let as_text = code(&text).filter(|line| line.contains("read_to_string")).count();
        assert!(as_text <= usize::from(file == "common/src/proc/mod.rs"), "{file}");
    }
}

#[test]
fn every_test_says_in_which_rings_it_runs() {
    let _t = rings!(Host, User);
    let mut count = 0;
    for (file, text) in sources("tests") {
        let lines: Vec<&str> = text.lines().collect();
        for (at, _) in lines.iter().enumerate().filter(|(_, line)| **line == "#[test]") {
            count += 1;
            let body = lines[at + 1..].iter().position(|line| line.ends_with('{')).unwrap() + at + 2;
            assert!(lines[body].contains("rings!("), "{file}: {}", lines[body - 1]);
        }
    }
    assert!(count > 20);
    // Cargo.toml says that the tools have none: without Rust's runtime they could not be run.
    for (file, text) in sources("bins") {
        assert!(!text.contains("#[test]"), "{file}: tests stand in tests/");
    }
}

#[test]
fn files_begin_with_what_they_are() {
    let _t = rings!(Host, User);
    for folder in ["common/src", "bins", "tests", "benches"] {
        for (file, text) in sources(folder) {
            assert!(text.starts_with("//! ") && text.lines().next().unwrap().len() > 8, "{file}");
        }
    }
}

/// Adds a row to each table in a copy of the project, builds it, lets it write its documents, and looks
/// whether options, help, man pages and completions have followed. As root alone: whoever builds it, it is the same.
#[test]
fn a_kind_a_column_and_a_limit_are_one_row_each() {
    let t = rings!(Host);
    let copy = tempfile::tempdir().unwrap();
    for part in ["Cargo.toml", "Cargo.lock", "bins", "common", "man", "completions", "tests", "benches"] {
        copy_tree(&project().join(part), &copy.path().join(part));
    }
    insert_row(
        &copy.path().join("common/src/kind.rs"),
        "    Time   \"time\"",
        "    Odd \"odd\" \"oddity\" 'O' CLONE_NEWUTS, fork=false, nests=false, \"odd things\", \"99\";",
    );
    insert_row(
        &copy.path().join("bins/rlsns/columns.rs"),
        "    Column { name: \"NS\"",
        "    Column { name: \"ODDNESS\", help: \"how odd it is\", shape: Shape::Number, cell: |_, _| Cell::Number(7) },",
    );
    insert_row(
        &copy.path().join("common/src/cgroup/knobs.rs"),
        "pub const KNOBS",
        "    Knob { option: \"odd-limit\", short: None, value: \"N\", help: \"Oddness\", controller: \"pids\", \
         repeated: false, parse: |text| range(text, 1, 9), takes: \"1 to 9\", \
         v1: Spelling::file(\"pids.odd\", |limits| max_or_number(limits, \"odd-limit\")), \
         v2: Spelling::file(\"pids.odd\", |limits| max_or_number(limits, \"odd-limit\")) },",
    );

    // Of the tests, only those of documents are compiled.
    let main = copy.path().join("tests/main.rs");
    let text = std::fs::read_to_string(&main).unwrap();
    let needed = ["mod harness;", "mod docs;", "mod tools;"];
    let is_kept = |line: &&str| !line.starts_with("mod ") || needed.contains(line);
    let kept: Vec<&str> = text.lines().filter(is_kept).collect();
    std::fs::write(&main, kept.join("\n") + "\n").unwrap();

    // Kept from run to run, and begun with what cargo has compiled of others: only what is ours is compiled.
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("one-row");
    let this = std::env::current_exe().unwrap();
    let built = this.ancestors().nth(2).unwrap();
    for part in [".fingerprint", "build", "deps"].iter().filter(|_| !target.exists()).collect::<Vec<_>>() {
        std::fs::create_dir_all(target.join("debug")).unwrap();
        t.program("cp").arg("-a").arg(built.join(part)).arg(target.join("debug")).run().ok();
    }
    let cargo = |args: &[&str]| {
        let cargo = std::env::var("CARGO").unwrap_or("cargo".into());
        let run = t.program("env").arg(cargo).args(args).dir(copy.path()).env("BLESS", "1");
        let run = run.env("CARGO_TARGET_DIR", target.to_str().unwrap());
        let run = run.with(|command| {
            command.env_remove("NSKIT_TESTS");
        });
        run.patiently().run()
    };
    let docs = cargo(&["test", "--offline", "--test", "main", "docs::checked_in_documents"]);
    assert!(docs.code == Some(0) && docs.text().contains("1 passed"), "{}{}", docs.text(), docs.errors());

    let tool = |name: &str| target.join("debug").join(name);
    let help = |name: &str| t.program("env").arg(tool(name)).arg("--help").run().ok();
    for launcher in ["rnsenter", "runshare"] {
        assert!(help(launcher).contains("--oddity") && help(launcher).contains("odd things"));
    }
    assert!(help("rlsns").contains("odd") && help("rlsns").contains("how odd it is"));
    let json = t.program("env").arg(tool("rlsns")).args(["-Jlo", "oddness", "-t", "net,odd"]).run().text();
    assert!(json.contains("\"oddness\": 7"), "{json}");
    for (kind, line) in [("column", "ODDNESS\thow odd it is\n"), ("kind", "odd\todd things\n")] {
        let words = t.program("env").arg(tool("rlsns")).args(["--complete", kind, &line[..3]]).run().ok();
        assert_eq!(words, line);
    }
    let limit = |value: &str| {
        t.program("env")
            .arg(tool("rcgexec"))
            .args(["--odd-limit", value, "--dry-run", "--parent=/", "true"])
            .run()
    };
    if limit("7").code == Some(0) {
        assert!(limit("7").text().contains("write 7 to ") && limit("7").text().contains("/pids.odd\n"));
    }
    assert!(limit("10").errors().contains("it takes 1 to 9"));
    let holds = |file: PathBuf, word: &str| {
        let text = std::fs::read_to_string(&file).unwrap().replace("\\-", "-");
        assert!(text.contains(word), "{} lacks {word}", file.display());
    };
    for (tool, section, words) in [
        ("rnsenter", 1, &["oddity", "odd things"][..]),
        ("runshare", 1, &["oddity", "odd things"]),
        ("rlsns", 8, &["ODDNESS", "odd"]),
        ("rcgexec", 1, &["odd-limit", "Oddness", "pids.odd"]),
    ] {
        for word in words {
            holds(copy.path().join(format!("man/{tool}.{section}")), word);
        }
        // Columns are not in the scripts: those ask the tool.
        let scripts = [format!("bash/{tool}"), format!("zsh/_{tool}"), format!("fish/{tool}.fish")];
        for file in scripts.into_iter().filter(|_| tool != "rlsns") {
            holds(copy.path().join("completions").join(file), words[0]);
        }
    }
    assert!(within(std::time::Duration::ZERO, || t.left().is_empty()));
}

fn copy_tree(from: &Path, to: &Path) {
    if from.is_dir() {
        std::fs::create_dir_all(to).unwrap();
        for entry in std::fs::read_dir(from).unwrap().map(|entry| entry.unwrap()) {
            copy_tree(&entry.path(), &to.join(entry.file_name()));
        }
    } else {
        std::fs::copy(from, to).unwrap();
    }
}

/// Puts a line after the one that begins so.
fn insert_row(file: &Path, after: &str, row: &str) {
    let text = std::fs::read_to_string(file).unwrap();
    let at = text.lines().position(|line| line.starts_with(after)).unwrap_or_else(|| panic!("{after}"));
    let mut lines: Vec<&str> = text.lines().collect();
    lines.insert(at + 1, row);
    std::fs::write(file, lines.join("\n") + "\n").unwrap();
}
