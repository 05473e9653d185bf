//! The same question to nsenter and rnsenter, to unshare and runshare: what a program sees that they started.

use std::collections::BTreeMap;
use std::path::Path;

use super::{BOTH, MACHINE, NEWEST, Peer};
use crate::harness::{Held, Ring, Test, has_kind, inode, tool_path};
use common::kind::KINDS;

/// The program: it prints all that a launcher can change.
const LOOK: &str = r#"
readlink /proc/self/ns/* | sed 's/^/ns /'
echo "ids $(id -u) $(id -g) $(id -G)"
grep -E '^(Uid|Gid|Groups|Cap...|NoNewPrivs|Sig(Blk|Ign)):' /proc/self/status
echo uid_map $(cat /proc/self/uid_map) gid_map $(cat /proc/self/gid_map) setgroups $(cat /proc/self/setgroups)
echo "in $(pwd) umask $(umask) first $([ $$ = 1 ] && echo yes) forked $([ "$PPID" = "$HARNESS" ] || echo yes)"
# Of the mounts place and propagation, without the numbers of peer groups.
awk '{ sub(/:.*/, "", $7); print "mount", $5, $7 }' /proc/self/mountinfo | sort
sed 's/^/cgroup /' /proc/self/cgroup
env | grep -vE '^(_|PWD|OLDPWD|SHLVL)=' | sort
cat; exit 7
"#;

/// Options of nsenter and rnsenter. `%` is the PID of a process in seven new namespaces, `#` the inode number of its
/// pidfd.
#[rustfmt::skip]
const ENTER: &[&str] = &[
    "-t % -U", "-t % -U -n", "-t % -U -u -i -n", "-t % -U -m", "-t % -U -p", "-t % -U -C", "-t % -U -m -p", "-t % -a", "--target=% --all",
    "-a -t % -r -w", "-a -t % -w/", "-t % -U -m --wd", "-t % -U -r", "-t % -U -r=/", "-t % -U -w=/usr", "-t % -U --root=/ --wd=/usr",
    "-t % -U --preserve-credentials", "-t % -a --preserve-credentials", "-t % -U -S 0", "-t % -U -S 0 -G 0", "-t % -U --setuid=0 --setg 0",
    "-t % -U -p -F", "-t % -U -m -p -F", "-U=/proc/%/ns/user -n=/proc/%/ns/net", "-U/proc/%/ns/user", "--user=/proc/%/ns/user --uts=/proc/%/ns/uts",
    "-Un -t %", "-t % --us", "-t % --user --ne", "-t % -U -T", "-w/usr", "-r/", "-S 0", "-t %", "-t %:# -U -n",
    // Refused.
    "-n", "-t 4194304 -n", "-t % -U -n/nonexistent", "-t % -U -n/proc/%/ns/uts", "-t % -U -w/nonexistent", "-t % -U -r/nonexistent", "-t nope -n",
    "-t % -U -S nope", "-t %:5 -U -n", "-t %: -U -n", "--nope", "-t", "-t % --u", "-t % -U -S 5",
];

/// The same on a process without a user namespace of its own.
#[rustfmt::skip]
const ENTER_WITHOUT_USER: &[&str] = &[
    "-t % -n", "-t % -m", "-t % -p", "-t % -u -i", "-t % -C", "-t % -T", "-t % -a", "-t % -m -r -w", "-t % -n -S 5", "-t % -n -G 5", "-t % -n -S 5 -G 5",
    "-t % -m -S 5 -G 5 -w/usr", "-n=/proc/%/ns/net -u=/proc/%/ns/uts", "-t % -p -F", "-t % -U", "-t % -U -n",
];

/// The same of what the installed nsenter lacks.
#[rustfmt::skip]
const ENTER_NEWER: &[&str] = &[
    "-t % -U", "-t % -U -e", "-t % -U -m -e", "-t % -U -m --env -S 0", "-t % -a -e", "-t % -U -m -W/", "-t % -U -m -W/usr", "-t % -U -m -W=/usr", "-t % -U -m --wdns=/usr", "-t % -U -m -w/usr",
    "-t % -U -m -W /usr", "-t % -U -m --wdns /usr", "-t % -U -S follow", "-t % -U -G follow", "-t % -U -S follow -G follow",
    "-t % -U -Sfollow -Gfollow", "-t % -U --setuid=follow --setgid=follow", "-t % -U --keep-caps", "-t % -U --keep-caps -S 0",
    "-t % -U --keep-caps --preserve-credentials", "-t % -U -n -N 99", "-t % -U -N 0", "-N 3", "-t % -U -N nope", "-t % --user-parent",
    "-t % -U --user-parent", "-t % -U --user-parent -n", "-n=/proc/%/ns/net --user-parent", "--user-parent", "-e", "-c", "-Z", "-t % -U -Z",
    "-t % -U --root=/usr", "-t % -U -r=/usr", "-t % -U -r/usr", "-t % -U -m -r=/usr",
    "-t % -U -m -W/nonexistent", "-t % -U -S Follow", "-t % -U -e -S follow -m -p",
];

/// The same on a process without a user namespace of its own.
#[rustfmt::skip]
const ENTER_NEWER_WITHOUT_USER: &[&str] = &[
    "-t % -n -e", "-t % -m -e", "-t % -n -S follow -G follow", "-t % -m -S follow", "-t % -n --keep-caps", "-t % -m -W/usr",
    "-t % --user-parent -n", "-t % -n -N 99", "-t % -m -w/usr", "-t % -m -r=/usr", "-t % -r/usr",
    "-t % -n --keep-caps -S 5 -G 5",
];

/// Both join what they are in already. Where there are hierarchies of version 1: else they do the same.
#[rustfmt::skip]
const ENTER_JOIN: &[&str] = &["-t % -c", "-t % -n -c", "-t % -p --join-cgroup", "-t % -a -c -e"];

/// Options of unshare and runshare.
#[rustfmt::skip]
const MAKE: &[&str] = &[
    "", "-U", "-r", "-c", "-Ur", "-Uc", "-rm", "-ru", "-ri", "-rn", "-rC", "-rT", "-rfp", "-rfpmuinC", "-rf", "-rfT", "-rfp --mount-proc",
    "-rfp --mount-proc=/proc", "-rm --propagation private", "-rm --propagation shared", "-rm --propagation slave", "-rm --propagation=unchanged",
    "-r -w/usr", "-r -R /", "-r -R/ -w usr", "-r -R / -w /usr", "-r --root=/ --wd=/usr", "-r --kill-child", "-r --kill-child=TERM", "-rfp --kill-child",
    "--map-root-user --net", "--map-current", "--user --fo", "--map-root",
    "--map-user 5", "--map-user=7 --map-group=8 -n", "--map-user nobody", "--map-group 5", "-r --map-user 7", "--map-user 7 -r", "-c --map-group 9",
    "-U --setgroups deny", "-U --setgroups allow", "-r --setgroups deny", "-c --keep-caps", "-r --keep-caps -n", "-U --keep-caps", "-r -S 0",
    "-r -G 0", "-r -S 0 -G 0", "-rT --monotonic 5", "-rfT --monotonic -5 --boottime 86400", "-rfp --forward-signals", "-r --forward-signals",
    // Refused.
    "-r --setgroups allow", "-r --setgroups nope", "--monotonic 5", "-rT --monotonic soon", "-r -S nope", "-S", "--map-user nosuch", "--map-users 5",
    "-rT --monotonic -99999999999", "-r -S 5", "-r --uts=/nonexistent", "-r --uts=/", "--owner 5", "-r -l nonsense", "-r -S 4294967296",
    "-r --propagation nope", "-rm --propagation nope", "-r -w/nonexistent", "-r -R /nonexistent", "--kill-child=NOPE", "--nope", "-r --mount-proc", "-w",
    "-rm -R /usr", "-rfp --mount-proc=/nonexistent", "-rc",
];

/// The same for who is root here.
#[rustfmt::skip]
const MAKE_AS_ROOT: &[&str] =
    &[
        "-m", "-u", "-i", "-n", "-C", "-T", "-fp --mount-proc", "-fpmuinCT", "-m --propagation slave", "-S 5", "-G 5", "-S 5 -G 7", "-f -S 5 -G 7 -n",
        "-S 4294967296", "-S nobody", "--keep-caps", "-r --map-groups all", "-r --map-users 0:0:10 -f", "--map-users all --map-groups all -S 5 -G 7",
        "--map-users all --map-groups all -S 5 --keep-caps", "--map-users 0,5,10", "--map-users 0:0:10 --map-users 5:100:10", "--map-users 0:0:0",
        "--map-users 0:4294967296:10", "--map-user 10 --map-users 0:100:10", "--owner 1000:1001", "--owner 1000:1001 -r",
        "--owner 1000:1001 --map-users all --map-groups all", "--map-groups 0:0:5 --setgroups deny", "--map-auto", "-T --boottime 5 -f",
        "--map-users all", "--map-users 0:0:1",
    ];

/// Where they differ on purpose, from whose, and why.
#[rustfmt::skip]
const DIFFERENCES: &[(&str, &[Peer], &str)] = &[
    ("-t % -U -r", BOTH, "nsenter stays in a directory outside of the new root"),
    ("-r/", BOTH, "the same, and the newest wants a namespace to be named"),
    ("-w/usr", NEWEST, "the newest wants a namespace to be named; ours runs the program, as it did before"),
    ("-S 0", NEWEST, "the same"),
    ("-t %", NEWEST, "the same"),
    ("-t % -U -r=/", BOTH, "ours takes an = after every short option"),
    ("-t % -U -w=/usr", MACHINE, "the newest takes it here"),
    ("-t %:# -U -n", MACHINE, "and here"),
    ("-U=/proc/%/ns/user -n=/proc/%/ns/net", MACHINE, "and here"),
    ("-n=/proc/%/ns/net -u=/proc/%/ns/uts", MACHINE, "and here"),
    ("-t % --us", NEWEST, "--user-parent came later, and --us goes on to mean --user"),
    ("-t % --user --ne", NEWEST, "the same of --net-socket"),
    ("-t % -U -e", NEWEST, "a program of the outside keeps our PATH, SHELL and HOME, and gets no LD_* and the like of the target"),
    ("-t % -n -e", NEWEST, "the same"),
    ("-t % -U -m -W /usr", NEWEST, "the newest takes the directory for the program, unless it is attached"),
    ("-t % -U -m --wdns /usr", NEWEST, "the same"),
    ("-t % -U --keep-caps", NEWEST, "ours makes them ambient ones, so that they are kept beyond other programs"),
    ("-t % -U --keep-caps -S 0", NEWEST, "the same"),
    ("-t % -U --keep-caps --preserve-credentials", NEWEST, "the same"),
    ("-t % -n --keep-caps", NEWEST, "the same"),
    ("-t % -n --keep-caps -S 5 -G 5", NEWEST, "nsenter loses them with the user id"),
    ("-n=/proc/%/ns/net --user-parent", NEWEST, "nsenter wants a target; ours enters the owner of the file"),
    ("-t % -U -Z", NEWEST, "nsenter does without where there is no SELinux; ours does not run a program in another context"),
    ("-t % -U --root=/usr", NEWEST, "nsenter stays in a directory outside of the new root"),
    ("-t % -U -r/usr", NEWEST, "the same"),
    ("-t % -r/usr", NEWEST, "the newest wants a namespace to be named"),
    ("-t % -U -r=/usr", NEWEST, "ours takes an = after every short option"),
    ("-t % -U -m -r=/usr", NEWEST, "the same"),
    ("-t % -m -r=/usr", NEWEST, "the same"),
    ("-t % -c", NEWEST, "nsenter joins groups only where all are of version 2"),
    ("-t % -n -c", NEWEST, "the same"),
    ("-t % -p --join-cgroup", NEWEST, "the same"),
    ("-t % -a -c -e", NEWEST, "the same"),
    ("-r -R/ -w usr", BOTH, "a relative --wd is looked for below the new root"),
    ("--user --fo", MACHINE, "--forward-signals came later"),
    ("-rfp --forward-signals", MACHINE, "the same"),
    ("-r --forward-signals", MACHINE, "the same"),
    ("-r --setgroups deny", BOTH, "unshare denies it twice, which is refused the second time"),
    ("--map-groups 0:0:5 --setgroups deny", BOTH, "the same, after the map; and ranges came later"),
    ("-r -G 0", BOTH, "unshare fails where groups cannot be dropped any more; ours, like nsenter, leaves them"),
    ("-r -S 0 -G 0", BOTH, "the same"),
    ("-r -S 4294967296", BOTH, "unshare takes it for 0, which is root"),
    ("-S 4294967296", BOTH, "the same"),
    ("-S nobody", BOTH, "unshare takes numbers only"),
    ("--keep-caps", BOTH, "unshare ignores it without a user namespace"),
    ("--map-users 0:0:0", NEWEST, "unshare takes a range without an id, and leaves it out"),
    ("--map-users 0:4294967296:10", NEWEST, "unshare takes it for 0:0:10, which maps root"),
    ("--map-user 10 --map-users 0:100:10", BOTH, "unshare drops an id that is in nobody's way; and such ranges came later"),
    ("--map-users 0,5,10", MACHINE, "it calls newuidmap for root too, which has no subordinate ids"),
    ("--map-users all", MACHINE, "all, and ranges with colons, came later"),
    ("--map-users 0:0:1", MACHINE, "the same"),
    ("-r --map-groups all", MACHINE, "the same"),
    ("-r --map-users 0:0:10 -f", MACHINE, "the same"),
    ("--map-users all --map-groups all -S 5 -G 7", MACHINE, "the same"),
    ("--map-users all --map-groups all -S 5 --keep-caps", BOTH, "unshare loses capabilities with the user id; and all came later"),
    ("--owner 1000:1001", MACHINE, "--owner came later"),
    ("--owner 1000:1001 -r", MACHINE, "the same"),
    ("--owner 1000:1001 --map-users all --map-groups all", MACHINE, "the same"),
];

/// Namespaces by whose they are: the numbers of new ones differ from run to run.
fn known(target: Option<&Held>) -> BTreeMap<String, &'static str> {
    let mut known = BTreeMap::new();
    for kind in KINDS.iter().map(|row| row.name).filter(|kind| has_kind(kind)) {
        target
            .map(|target| known.insert(format!("{kind}:[{}]", inode(target.inner(), kind)), "the target's"));
        known.insert(format!("{kind}:[{}]", inode("self", kind)), "ours");
    }
    known
}

/// What is not as expected, of all these options.
fn differences(t: &Test, peer: Peer, names: [&str; 2], rows: &[&str], target: Option<&Held>) -> Vec<String> {
    let original = peer.program(t, names[1]).unwrap();
    let (known, pid) = (known(target), target.map(|target| target.inner().to_string()).unwrap_or_default());
    let pidfd = target.and_then(|target| common::sys::pidfd_open(target.inner()).ok());
    let inode =
        pidfd.map(|pidfd| nix::sys::stat::fstat(pidfd).unwrap().st_ino.to_string()).unwrap_or_default();
    let line = |line: &str| match line.strip_prefix("ns ") {
        Some(link) => {
            format!("ns {} {}\n", link.split(':').next().unwrap(), known.get(link).unwrap_or(&"new"))
        }
        None => format!("{line}\n"),
    };
    let ask = |program: &Path, row: &str| {
        let run = t
            .path(program)
            .args(row.replace('%', &pid).replace('#', &inode).split_whitespace())
            .args(["sh", "-c", LOOK]);
        let known = [("PATH", "/usr/bin:/bin"), ("HOME", "/"), ("SHELL", "/bin/sh"), ("LC_ALL", "C.UTF-8")];
        let run = run.stdin("stdin").with(|command| {
            command.env_clear().envs(known).env("HARNESS", std::process::id().to_string());
        });
        let done = run.run();
        // Failures of their own are 1, and of ours 125.
        let code = done.code.map(|code| if code == 125 { 1 } else { code });
        let saw: String = done.text().lines().map(line).collect();
        (format!("{code:?} {:?}\n{saw}", done.signal), done.errors())
    };
    let judge = |row: &&str| {
        let (theirs, mine) = (ask(&original, row), ask(tool_path(names[0]), row));
        let listed = |(args, peers, _): &(&str, &[Peer], &str)| args == row && peers.contains(&peer);
        // Where only one of them started the program, its whole page would say no more.
        let only = |of: &str, other: &str| -> String {
            let lines = of.lines().filter(|line| !other.lines().any(|has| has == *line));
            lines.take(5).map(|line| format!("{line}\n")).collect()
        };
        let (by_them, by_us) = (only(&theirs.0, &mine.0), only(&mine.0, &theirs.0));
        ((theirs.0 == mine.0) == DIFFERENCES.iter().any(listed))
            .then(|| format!("{} {row}\ntheirs: {by_them}{}ours: {by_us}{}", names[0], theirs.1, mine.1))
    };
    rows.iter().filter_map(judge).collect()
}

fn enters_alike(t: &Test, peer: Peer) {
    let names = ["rnsenter", "nsenter"];
    if peer.program(t, names[1]).is_none() {
        return;
    }
    let target = t.hold("unshare", &["-Urmuinpf", "--mount-proc", "--kill-child"]);
    let mut wrong = differences(t, peer, names, ENTER, Some(&target));
    if peer == Peer::Newest {
        wrong.extend(differences(t, peer, names, ENTER_NEWER, Some(&target)));
    }
    let target = t.hold("unshare", &["-muinpfCT", "--mount-proc", "--kill-child"]);
    wrong.extend(differences(t, peer, names, ENTER_WITHOUT_USER, Some(&target)));
    if peer == Peer::Newest {
        wrong.extend(differences(t, peer, names, ENTER_NEWER_WITHOUT_USER, Some(&target)));
        if Path::new("/sys/fs/cgroup/cpu").exists() {
            wrong.extend(differences(t, peer, names, ENTER_JOIN, Some(&target)));
        }
    }
    peer.judge(t, names[1], &wrong);
}

fn makes_alike(t: &Test, peer: Peer) {
    let names = ["runshare", "unshare"];
    if peer.program(t, names[1]).is_none() {
        return;
    }
    let mut wrong = differences(t, peer, names, MAKE, None);
    if Ring::here().is_root() {
        wrong.extend(differences(t, peer, names, MAKE_AS_ROOT, None));
    }
    peer.judge(t, names[1], &wrong);
}

#[test]
fn rnsenter_starts_a_program_as_nsenter_does() {
    let t = rings!(Host); // Ordinary users get no further than setgroups(2) with nsenter.
    enters_alike(&t, Peer::Machine);
}

#[test]
fn rnsenter_starts_a_program_as_the_newest_nsenter_does() {
    let t = rings!(Host);
    enters_alike(&t, Peer::Newest);
}

#[test]
fn runshare_starts_a_program_as_unshare_does() {
    let t = rings!(Host, User);
    makes_alike(&t, Peer::Machine);
}

#[test]
fn runshare_starts_a_program_as_the_newest_unshare_does() {
    let t = rings!(Host);
    makes_alike(&t, Peer::Newest);
}
