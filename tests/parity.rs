//! The same question to an original of util-linux and to ours: here to lsns and rlsns, in a world where
//! nothing else happens. The original is the machine's own, and the newest that Debian has (`tests/newest`).

mod launchers;
mod missing;
mod sets;

use std::io::Write;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::harness::{Test, find, tool_path};

/// Which original.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Peer {
    Machine,
    Newest,
}

const MACHINE: &[Peer] = &[Peer::Machine];
const NEWEST: &[Peer] = &[Peer::Newest];
const BOTH: &[Peer] = &[Peer::Machine, Peer::Newest];

/// The newest release whose differences the tables here list. What a later one does otherwise is printed, and
/// fails nothing: Debian's next upload must not break a project that did not change.
const LISTED: &str = " 2.42.";

impl Peer {
    /// Its program of this name, if this test can have it.
    fn program(self, t: &Test, name: &str) -> Option<PathBuf> {
        match self {
            Peer::Machine => t.has(name).then(|| find(name).unwrap()),
            Peer::Newest => t.newest(name),
        }
    }

    /// Fails if there is a line, each of which tells of something that is not as the tables say.
    #[track_caller]
    fn judge(self, t: &Test, name: &str, wrong: &[String]) {
        let text = format!("{} not as expected of {name}, {self:?}:\n{}", wrong.len(), wrong.join("\n\n"));
        let program = self.program(t, name).unwrap();
        let version = t.path(&program).arg("--version").run().ok();
        let listed = self == Peer::Machine || version.contains(LISTED);
        assert!(wrong.is_empty() || !listed, "{text}");
        if !wrong.is_empty() {
            let _ =
                std::io::stderr().write_all(format!("{version}is later than{LISTED}x: {text}\n").as_bytes());
        }
    }
}

/// Makes the world: a pid namespace with its own proc, and in it sleepers in namespaces of their own, some
/// nested. `$OUT` gets what each tool prints and its exit status, each question a line of `$1`.
const WORLD: &str = r#"
set -e
unshare -n sleep 1000 &
unshare -u -i sleep 1000 &
unshare -U -r -m -C sleep 1000 &
unshare -U -r sh -c 'unshare -U -r -n sleep 1000; true' &
unshare -f -p --kill-child sleep 1000 &
unshare -n sh -c 'sleep 1000; true' &
while [ "$(pgrep -x sleep | wc -l)" -lt 6 ]; do sleep 0.05; done
if [ "$MOUNTED" ]; then
    mkdir "$OUT/m"
    mount -t tmpfs none "$OUT/m"
    (cd "$OUT/m"; touch one two uts; unshare --net=one true; mount --bind one two; unshare --uts=uts true)
fi
while read -r args; do
    for tool in "$LSNS" "$RLSNS"; do
        # D14 of lsns: it can print nothing when a process ends meanwhile; here none does but our own.
        st=0; eval "$tool $args" > "$OUT/text" 2>/dev/null || st=$?
        printf '%s\0%s\0%s\0' "$args" "$st" "$(cat "$OUT/text")"
    done
done
"#;

/// The questions whose answers are compared as lines.
#[rustfmt::skip]
const TEXTS: &[&str] = &[
    "", "-l", "-n", "-r -l", "-r -n -l -o NS,TYPE,NPROCS,PID,PPID,UID,USER",
    "-t net -o NS,TYPE,NPROCS,PID,USER,COMMAND", "-t pid", "-t mnt", "-t user", "-t uts", "-t ipc", "-t cgroup", "-t time",
    "-t pid -t user", "-l -t uts -o +PATH", "-l -t uts -o +PPID,UID", "-l -t uts,ipc -o ns",
    "-o NS,PATH", "-o command,ns,type", "-o PID,NPROCS", "-l -o NS,TYPE,PNS,ONS",
    "-p 2", "-p 2 -l", "-p 2 -t net -o NS,NPROCS,COMMAND", "-Towner", "-Tparent", "-Tprocess", "-T=owner -t user", "--tree=parent -n",
    "--notr --list", "--li", "--l -n", "--output NS --noh", "--ty=uts", "-u", "-nlo PID,COMMAND",
    "$(readlink /proc/$(pgrep -ox sleep)/ns/net | tr -dc 0-9)",
    "$(readlink /proc/$(pgrep -of '^sh -c sleep')/ns/net | tr -dc 0-9) -o PID,PPID,COMMAND",
    "-l $(readlink /proc/$(pgrep -of '^sh -c sleep')/ns/net | tr -dc 0-9)",
    ORDER, "1", "-t nope", "-o nope", "-J -r", "-p 2 1",
    "-t net", "-t net -l -W", "-t net -r -l", "-t net -o NSFS,NS", "-l -t uts -t net -o +PATH", "-l -o NS,NETNSID,NSFS,UID -t net", "-W -nt net -Towner",
];

/// The same that only the newest knows.
#[rustfmt::skip]
const NEWER: &[&str] = &[
    "-P", "-P -l -o NS,TYPE,NPROCS,PID,NSFS", "-P -n -Towner", "-P -p 2", "--persi -t uts",
    "-H", "-H -n | sed 's/.*//'", "-Q \"TYPE == 'net'\" -t net", "-t net -Towner -Q \"COMMAND =~ 'sleep'\"", "-Tparent -Q \"TYPE == 'user' && PNS > 0\"",
    "-Q ''", "-Q \"(\"", "-Q \"FOO\"", "-Q \"COMMAND =~ '('\"", "-p 2 -Q \"TYPE =~ '^u'\" -o TYPE", "--fil=NPROCS==0 --nowr -t net",
    "-Q \"PPID == 1\" $(readlink /proc/$(pgrep -of '^sh -c sleep')/ns/net | tr -dc 0-9)",
];

/// The same of values.
#[rustfmt::skip]
const NEWER_JSONS: &[&str] = &[
    "-J -P", "-J -l -W -t net", "-J -l -W -t uts -t net -o NS,NETNSID,NSFS,PNS,ONS", "-J --output-all -W -o NS,NPROCS", "-J -Q \"TYPE == 'net'\" -t net -W",
];

/// Filters whose lines are compared.
#[rustfmt::skip]
const FILTERS: &[&str] = &[
    "PID", "!PID", "NPROCS", "NPROCS == 1", "nprocs eq 1", "NPROCS>1&&TYPE=='net'", "type =~ '^n'", "TYPE !~ '^n'", "'net' == TYPE", "NPROCS == '1'",
    "TYPE > 'net'", "TYPE <= 'net'", "NPROCS == 1.0", "NPROCS < 1.5", "NPROCS > 0.5", "NS > 3G", "NS > 3GiB", "NS > 4G", "true", "FALSE", "not PID", "0", "1.5", "''", "'a'",
    "NPROCS == true", "PID == false", "true == PID", "TYPE == true", "TYPE == false", "COMMAND == ''", "COMMAND != ''", "COMMAND < 'z'", "COMMAND <= ''",
    "NSFS", "!NSFS", "NSFS =~ 'one'", "NSFS =~ '^/'", "NSFS =~ ','", "NSFS == COMMAND", "NETNSID", "NETNSID == 'unassigned'", "NETNSID =~ 'un'", "PPID == 0", "USER == 'root'",
    "PNS == 0", "PNS", "ONS > 1", "PID == 1 == 1", "2 > 1 > 0", "1 == 2 > 1", "NOT NPROCS == 1", "!(NPROCS == 1)", "0 && 0 == 0", "1 OR 1 AND 0",
    "TYPE == 'net' OR TYPE == 'uts' AND NPROCS == 1", "TYPE == 'uts' AND NPROCS == 1 OR TYPE == 'net'", "PID > PPID", "PID == PPID", "PID != NPROCS", "TYPE == USER",
    "USER != TYPE", "COMMAND =~ 'sle+p'", "COMMAND =~ '[[:alpha:]]{5} 10*$'", "COMMAND !~ 'sleep|sh'", "NPROCS =~ '^1$'", "PID !~ '1'", "COMMAND == COMMAND",
    "PID > 0", "PID < 1", "PID != 1", "!PID == true", "NPROCS==1and TYPE=='net'", "NPROCS < 18446744073709551615", "NPROCS < 15E", "1 == '1'", "'1' == 1",
    "true == 2", "2 == true", "true == 'yes'", "PID == !0", "TYPE =~ '^t' == true", "TYPE != NPROCS", "NPROCS > '2'", "NPROCS < 'x'", "((NPROCS)) > 2",
    "TYPE = 'net'", "(PID", "PID)", "PID PID", "FOO == 1", "TYPE =~ TYPE", "!TYPE =~ 'net'", "5 =~ '5'", "NS > 3GB", "PID == 0x10", "NPROCS < 16E", "1 == 1 =~ '1'",
    "NETNSID == 0", "TYPE == 1", "5 != 'abc'", "1.", "nOt PID", "PID < 1.5", "COMMAND == false", "PID =~ '^$'", "TYPE == ' net'", "NPROCS < 18446744073709551616", "PID == 1;",
];

/// Those whose answers are compared as values.
const JSONS: &[&str] = &[
    "-J",
    "-J -l",
    "-J -l -o NS,TYPE,PATH,NPROCS,PID,PPID,COMMAND,UID,USER,PNS,ONS",
    "-J -Towner",
    "-J -Tparent -o NS,TYPE,PNS",
    "-J -t pid -t user",
    "-J $(readlink /proc/$(pgrep -of '^sh -c sleep')/ns/net | tr -dc 0-9)",
];

/// The question whose answer tells [`in_order`].
const ORDER: &str = "-Tparent -r -o NS,PID,PPID,PNS,ONS";

/// Where the answers differ on purpose, from whose, and why.
#[rustfmt::skip]
const DIFFERENCES: &[(&str, &[Peer], &str)] = &[
    ("-l -t uts,ipc -o ns", BOTH, "lsns takes no lists"),
    (ORDER, BOTH, "lsns draws the tree into its raw output"),
    ("--li", NEWEST, "--list-columns came later, and --li goes on to mean --list"),
    ("--l -n", NEWEST, "the same"),
    ("-W -nt net -Towner", BOTH, "lsns shows no owners here, or as if no process were in them"),
    ("-t net -Towner -Q \"COMMAND =~ 'sleep'\"", NEWEST, "lsns shows no owners here"),
    ("-H", NEWEST, "ours has more columns"),
    ("-Q \"PPID == 1\" $(readlink /proc/$(pgrep -of '^sh -c sleep')/ns/net | tr -dc 0-9)", NEWEST, "D22: lsns always fails"),
];

/// The same of filters.
#[rustfmt::skip]
const FILTERED: &[(&str, &str)] = &[
    ("NSFS =~ ','", "lsns has commas between paths only with -r and -W"),
    ("TYPE = 'net'", "lsns passes a character that it does not know on to standard output"),
    ("NETNSID == 0", "text that is no number ends lsns: `Invalid argument`"),
    ("TYPE == 1", "the same"),
    ("5 != 'abc'", "the same"),
    ("1.", "lsns passes the point on to standard output"),
    ("PID == 1;", "the same"),
    ("nOt PID", "lsns takes words of small letters or of large ones"),
    ("PID < 1.5", "lsns takes an empty cell for 0 here, and otherwise for no number"),
    ("COMMAND == false", "lsns takes an empty cell for false if it is a number, and otherwise for neither"),
    ("PID =~ '^$'", "lsns takes an empty cell for 0 here"),
    ("TYPE == ' net'", "lsns drops the spaces around a text"),
    ("NPROCS < 18446744073709551616", "lsns takes a number that is too large for the largest"),
];

#[test]
fn rlsns_answers_as_lsns_does() {
    let t = rings!(Host, User);
    answers_alike(&t, Peer::Machine);
}

#[test]
fn rlsns_answers_as_the_newest_lsns_does() {
    let t = rings!(Host);
    answers_alike(&t, Peer::Newest);
}

fn answers_alike(t: &Test, peer: Peer) {
    let Some(lsns) = peer.program(t, "lsns") else { return };
    // Trees of lsns depend on inode numbers, which the kernel uses again in any order: a namespace that got
    // a lower one than those of its parent is drawn elsewhere. Such worlds are made anew.
    let mut wrong = Vec::new();
    for _ in 0..if std::env::var_os("DBG").is_some() { 1 } else { 20 } {
        let filters = FILTERS.iter().map(|filter| question(filter));
        let mut questions: Vec<String> = [TEXTS, JSONS].concat().into_iter().map(str::to_string).collect();
        if peer == Peer::Newest {
            let newer = NEWER.iter().chain(NEWER_JSONS).map(|args| args.to_string());
            questions.extend(newer.chain(filters));
        }
        let text = answers(t, &lsns, peer, &questions);
        let fields: Vec<&str> = text.split_terminator('\0').collect();
        assert_eq!(fields.len(), 6 * questions.len(), "{text}");
        wrong = fields.chunks(6).filter_map(|answers| difference(answers, peer)).collect();
        let order = fields.chunks(6).find(|answers| answers[0] == ORDER).unwrap()[5];
        if wrong.is_empty() || in_order(order) {
            break;
        }
    }
    peer.judge(t, "lsns", &wrong);
}

/// What asks for the lines of a filter. With a status of its own: nothing must be told from an error.
fn question(filter: &str) -> String {
    format!("-l -n -o NS -Q \"{filter}\"")
}

/// Asks both tools all questions in a new world: the question, lsns's status and text, the question, rlsns's.
fn answers(t: &Test, lsns: &Path, peer: Peer, questions: &[String]) -> String {
    let out = tempfile::tempdir().unwrap();
    let script = out.path().join("world");
    std::fs::write(&script, WORLD).unwrap();
    let world = t
        .program("unshare")
        .args(["-Urfpm", "--mount-proc", "--kill-child", "sh"])
        .arg(&script)
        .env("OUT", out.path().to_str().unwrap())
        .env("LSNS", lsns.to_str().unwrap())
        .env("RLSNS", tool_path("rlsns").to_str().unwrap())
        // The older one does not show what is only mounted.
        .env("MOUNTED", if peer == Peer::Newest { "yes" } else { "" })
        .stdin(questions.join("\n") + "\n")
        .patiently()
        .run();
    assert_eq!(world.errors(), "", "{}", world.text());
    world.text()
}

/// What is not as expected of one question: a difference that is not known, or a known one that is gone.
fn difference(answers: &[&str], peer: Peer) -> Option<String> {
    let (args, theirs, ours) = (answers[0], (answers[1], answers[2]), (answers[4], answers[5]));
    let same = if JSONS.contains(&args) || NEWER_JSONS.contains(&args) {
        let list = |text: &str| serde_json::from_str::<Value>(text).unwrap()["namespaces"].take();
        (theirs.0, list(theirs.1)) == (ours.0, list(ours.1))
    } else {
        // lsns makes some columns wider than what stands in them.
        let line = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
        // The shell drops empty lines at the end, and lsns ends them with spaces.
        let lines = |text: &str| text.lines().map(line).filter(|line| !line.is_empty()).collect::<Vec<_>>();
        (theirs.0, lines(theirs.1)) == (ours.0, lines(ours.1))
    };
    let filtered = || FILTERED.iter().any(|(filter, _)| question(filter) == args);
    let known =
        DIFFERENCES.iter().any(|(known, peers, _)| *known == args && peers.contains(&peer)) || filtered();
    (same == known)
        .then(|| format!("{args}\nlsns: {}\n{}\nrlsns: {}\n{}", theirs.0, theirs.1, ours.0, ours.1))
}

/// Has every namespace a higher number than those of its parent and of its first process's parent?
fn in_order(text: &str) -> bool {
    let rows: Vec<Vec<u64>> = text
        .lines()
        .skip(1)
        .map(|line| line.split(' ').map(|number| number.parse().unwrap_or(0)).collect())
        .collect();
    let lowest_of =
        |pid: u64| rows.iter().filter(|row| row[1] == pid && pid != 0).map(|row| row[0]).min().unwrap_or(0);
    rows.iter().all(|row| row[0] > row[3] && row[0] > row[4] && row[0] > lowest_of(row[2]))
}
