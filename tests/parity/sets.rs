//! All columns of the newest lsns beside ours, as sets of lines, from several places to look from.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;

use serde_json::Value;

use super::Peer;
use crate::harness::{Test, tool_path};

/// The columns of lsns.
const COLUMNS: &str = "NS,TYPE,PATH,NPROCS,PID,PPID,COMMAND,UID,USER,NETNSID,NSFS,PNS,ONS";

/// A place to look from.
struct View {
    /// What goes there, with a script behind it.
    enter: &'static [&'static str],
    /// What is done there first.
    first: &'static str,
    /// As whom the tools are run.
    r#as: &'static str,
}

/// Gives the world something mounted, and the tools to whom may not go where they are. Only in a mount namespace of
/// its own.
const MOUNTS: &str = r#"
mkdir "$OUT/m" "$OUT/newest"; touch "$OUT/rlsns"
mount --bind "${LSNS%/bin/lsns}" "$OUT/newest"; LSNS=$OUT/newest/bin/lsns
mount --bind "$RLSNS" "$OUT/rlsns"; RLSNS=$OUT/rlsns
mount -t tmpfs none "$OUT/m"
(cd "$OUT/m"; touch one two uts; unshare --net=one true; mount --bind one two; unshare --uts=uts true)
unshare -m sh -c 'mount -t tmpfs none "$OUT/m"; touch "$OUT/m/x"; unshare --ipc="$OUT/m/x" sleep 0; exec sleep 1000' &
"#;

const NOBODY: &str = "setpriv --reuid 65534 --regid 65534 --clear-groups";

/// `$OUT/lsns` and `$OUT/rlsns` get the listings.
const WORLD: &str = r#"
# Before the tools, which have another PID each.
$AS sleep 1002 &
unshare -U -r -n sleep 1000 &
net=$!
unshare -U -r -u -i -m sleep 1000 &
unshare -U -r unshare -U -r -n sleep 1000 &
unshare -U -r -f -p --kill-child sleep 1000 &
$AS unshare -U -r -n -u sleep 1000 &
while [ "$(pgrep -fc '^sleep 100[02]')" -lt "$COUNT" ]; do sleep 0.05; done
unshare -U -r -u sh -c 'exec sleep 1001 3</proc/self/ns/uts 4</proc/self/ns/user' &
while ! pgrep -f '^sleep 1001' >/dev/null; do sleep 0.05; done
for try in 1 2 3; do
    # D14 of lsns: it can print nothing when a process ends meanwhile; here none does but our own.
    $AS "$LSNS" -J -l -W -o "$COLUMNS" > "$OUT/lsns.json" && break
done
$AS "$RLSNS" -J -l -W -o "$COLUMNS,VIA" > "$OUT/rlsns.json"
"#;

/// What lsns does not look at, by what showed it to us, and why it does not.
const ONLY_OURS: &[(&str, &str)] = &[
    ("thread", "lsns asks the first thread of a process only"),
    ("children", "lsns does not ask for the namespaces of children"),
    ("mount", "lsns knows the mounts of its own mount namespace only"),
    ("namespace", "lsns shows owners and parents in their trees only"),
    ("kernel", "lsns does not ask the kernel"),
];

fn rows(json: &str) -> BTreeMap<u64, Value> {
    let json: Value = serde_json::from_str(json).unwrap_or_else(|e| panic!("{e}: {json}"));
    let rows = json["namespaces"].as_array().unwrap();
    rows.iter().map(|row| (row["ns"].as_u64().unwrap(), row.clone())).collect()
}

/// Looks from there with both, and answers by what those were found that only ours shows.
fn compare(t: &Test, view: &View) -> Vec<String> {
    let Some(lsns) = Peer::Newest.program(t, "lsns") else { return Vec::new() };
    let out = tempfile::Builder::new().prefix("nskit-test").tempdir().unwrap();
    std::fs::set_permissions(out.path(), PermissionsExt::from_mode(0o755)).unwrap();
    let script = out.path().join("world");
    std::fs::write(&script, format!("set -e\n{}\n{WORLD}", view.first)).unwrap();
    let run = t.program(view.enter[0]).args(&view.enter[1..]).arg("sh").arg(&script);
    let count = if view.first.contains("sleep 1000") { "7" } else { "6" };
    let run = run
        .env("OUT", out.path().to_str().unwrap())
        .env("LSNS", lsns.to_str().unwrap())
        .env("RLSNS", tool_path("rlsns").to_str().unwrap())
        .env("COLUMNS", COLUMNS)
        .env("COUNT", count)
        .env("AS", view.r#as);
    run.run().ok();
    let [theirs, ours] = ["lsns.json", "rlsns.json"]
        .map(|name| rows(&std::fs::read_to_string(out.path().join(name)).unwrap()));
    let mut wrong = Vec::new();
    for (ns, row) in &theirs {
        let Some(other) = ours.get(ns) else {
            wrong.push(format!("only lsns shows {row}"));
            continue;
        };
        for (key, value) in row.as_object().unwrap() {
            // D5: lsns shows root as the user of what no process is in.
            let user = row["pid"].is_null() && (key == "uid" || key == "user");
            if value != &other[key] && !user {
                wrong.push(format!("{key} of {ns}: {value}, and {} of ours", other[key]));
            }
        }
    }
    let more: Vec<&Value> =
        ours.iter().filter(|(ns, _)| !theirs.contains_key(ns)).map(|(_, row)| row).collect();
    for row in &more {
        if !ONLY_OURS.iter().any(|(via, _)| row["via"] == *via) {
            wrong.push(format!("only rlsns shows {row}"));
        }
    }
    assert!(theirs.len() > 10, "{theirs:?}");
    Peer::Newest.judge(t, "lsns", &wrong);
    more.iter().map(|row| row["via"].as_str().unwrap().to_string()).collect()
}

#[test]
fn root_sees_what_lsns_sees() {
    let t = rings!(Host);
    let enter = &["unshare", "-fpm", "--mount-proc", "--kill-child"];
    let only_ours = compare(&t, &View { enter, first: MOUNTS, r#as: "" });
    // Both are there: the world has one that is mounted elsewhere, and one that only owns another.
    assert!(
        only_ours.is_empty() || ["mount", "namespace"].iter().all(|via| only_ours.contains(&via.to_string())),
        "{only_ours:?}"
    );
}

#[test]
fn root_of_a_user_namespace_sees_in_a_pid_namespace_what_lsns_sees() {
    let t = rings!(Host);
    compare(
        &t,
        &View { enter: &["unshare", "-Urfpm", "--mount-proc", "--kill-child"], first: MOUNTS, r#as: "" },
    );
}

#[test]
fn an_ordinary_user_sees_what_lsns_sees() {
    let t = rings!(Host);
    let enter = &["unshare", "-fpm", "--mount-proc", "--kill-child"];
    compare(&t, &View { enter, first: MOUNTS, r#as: NOBODY });
}

#[test]
fn an_ordinary_user_sees_what_lsns_sees_where_processes_are_hidden() {
    let t = rings!(Host);
    let first = &format!("mount -t proc -o hidepid=2 none /proc\n{MOUNTS}");
    let first: &'static str = Box::leak(first.clone().into_boxed_str());
    compare(&t, &View { enter: &["unshare", "-fpm", "--kill-child"], first, r#as: NOBODY });
}

#[test]
fn in_a_container_is_seen_what_lsns_sees() {
    let t = rings!(Host);
    if !t.has("bwrap") {
        return;
    }
    #[rustfmt::skip]
    let enter = &["bwrap", "--unshare-all", "--die-with-parent", "--uid", "0", "--gid", "0", "--bind", "/", "/", "--dev", "/dev", "--proc", "/proc"];
    compare(&t, &View { enter, first: "", r#as: "" });
}
