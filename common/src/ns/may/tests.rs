//! Rules of user_namespaces(7), setns(2) and ptrace(2) on facts that are made by hand.

use super::*;
use crate::kind::KindMap;
use crate::proc::status::Ids;

const ALL: u64 = (1 << 41) - 1;
const ADMIN: u64 = 1 << Capability::SysAdmin as u32;
const CHROOT: u64 = 1 << Capability::SysChroot as u32;
const PTRACE: u64 = 1 << Capability::SysPtrace as u32;

/// User namespaces: 1 is ours, 10 made in it by user 1000, 20 in that by 1000, 30 beside it by 7, and what is 40 we do not see.
const ONE: User = User { ino: 1, maker: Some(0) };
const TEN: User = User { ino: 10, maker: Some(1000) };
const TWENTY: User = User { ino: 20, maker: Some(1000) };
const THIRTY: User = User { ino: 30, maker: Some(7) };

fn four(id: u32) -> Option<Ids> {
    Some(Ids { real: id, effective: id, saved: id, fs: id })
}

/// Who is in this user namespace as this user, with these capabilities; in pid:[5] and net:[6].
fn who(user: u64, uid: u32, effective: u64) -> Who {
    let mut namespaces = KindMap::default();
    (namespaces[Kind::User], namespaces[Kind::Pid], namespaces[Kind::Net]) = (user, 5, 6);
    Who {
        pid: 77,
        uids: four(uid),
        gids: four(uid),
        effective,
        bounding: ALL,
        threads: 1,
        seccomp: Some(0),
        namespaces,
        sees_user: true,
        sees_pid: true,
    }
}

fn wanted(kind: Kind, ino: u64, chain: &[User]) -> Wanted {
    Wanted { kind, ino, chain: chain.to_vec(), above: Vec::new() }
}

fn facts(who: Who, wanted: Vec<Wanted>) -> Facts {
    Facts { who, process: None, wanted, view: 1, no_id: None }
}

/// The answer about one namespace.
fn one(who: Who, wanted: Wanted) -> Answer {
    judge(&facts(who, vec![wanted])).rows[0].answer
}

#[test]
fn capabilities_count_by_three_rules() {
    let net = |chain: &[User]| wanted(Kind::Net, 9, chain);
    let user = |chain: &[User]| wanted(Kind::User, chain[0].ino, chain);
    let none = who(1, 1000, 0);
    #[rustfmt::skip]
    let cases = [
        (who(1, 0, ALL), net(&[ONE]), Answer::Yes),
        (who(1, 0, ALL), net(&[TWENTY, TEN, ONE]), Answer::Yes),
        (who(1, 0, ALL & !ADMIN), net(&[ONE]), Answer::No),
        (who(1, 0, ALL & !ADMIN), net(&[TEN, ONE]), Answer::No),
        (who(10, 1000, ALL), net(&[TEN, ONE]), Answer::Yes),
        (who(10, 1000, ALL), net(&[ONE]), Answer::No),
        (who(10, 1000, ALL), net(&[THIRTY, ONE]), Answer::No),
        (who(10, 1000, ALL), net(&[]), Answer::No),
        (who(20, 1000, ALL), net(&[TEN, ONE]), Answer::No),
        // Who made it has all rights in it, and not in the one above.
        (none.clone(), net(&[TEN, ONE]), Answer::After(10)),
        (none.clone(), net(&[TWENTY, TEN, ONE]), Answer::After(20)),
        (none.clone(), net(&[THIRTY, ONE]), Answer::No),
        (none.clone(), user(&[TEN, ONE]), Answer::Yes),
        (none.clone(), user(&[TWENTY, TEN, ONE]), Answer::Yes),
        (none.clone(), user(&[ONE]), Answer::Same),
        // Made by the same user, but above the one that it is in is another: it is in neither.
        (who(30, 1000, 0), net(&[TWENTY, TEN, ONE]), Answer::No),
        (who(10, 1000, 0), user(&[TWENTY, TEN, ONE]), Answer::Yes),
        (who(10, 1000, ALL), user(&[ONE]), Answer::No),
    ];
    for (who, wanted, expected) in cases {
        let shown = format!("{who:?} {wanted:?}");
        assert_eq!(one(who, wanted), expected, "{shown}");
    }
    // Where it is not seen whose it is nothing is said.
    let far = Who { sees_user: false, ..who(40, 1000, ALL) };
    assert_eq!(one(far, net(&[ONE])), Answer::Unknown);
    let nameless = |maker, uid| Facts {
        no_id: Some(65534),
        ..facts(who(1, uid, 0), vec![net(&[User { ino: 10, maker }, ONE])])
    };
    for (maker, uid, expected) in [
        (None, 65534, Answer::Unknown),
        (None, 5, Answer::No),
        (Some(5), 65534, Answer::No),
        (Some(5), 5, Answer::After(10)),
    ] {
        assert_eq!(judge(&nameless(maker, uid)).rows[0].answer, expected);
    }
}

#[test]
fn kinds_have_conditions_of_their_own() {
    let pid = |above: &[u64]| Wanted { above: above.to_vec(), ..wanted(Kind::Pid, 8, &[ONE]) };
    let of = |kind| wanted(kind, 9, &[ONE]);
    let below = |kind| wanted(kind, 9, &[TEN, ONE]);
    let root = || who(1, 0, ALL);
    let many = || Who { threads: 3, ..root() };
    #[rustfmt::skip]
    let cases = [
        (root(), pid(&[8, 5, 2]), Answer::Yes),
        (root(), pid(&[8, 2]), Answer::No),
        (root(), pid(&[]), Answer::No),
        (Who { sees_pid: false, ..root() }, pid(&[8]), Answer::Unknown),
        (who(1, 0, ALL & !CHROOT), of(Kind::Mnt), Answer::No),
        (who(1, 0, ALL & !CHROOT), of(Kind::Net), Answer::Yes),
        (who(1, 0, ALL & !CHROOT), below(Kind::Mnt), Answer::After(10)),
        (many(), of(Kind::Net), Answer::Yes),
        (many(), of(Kind::Mnt), Answer::No),
        (many(), of(Kind::Time), Answer::No),
        (many(), wanted(Kind::User, 10, &[TEN, ONE]), Answer::No),
        (Who { threads: 3, ..who(1, 1000, 0) }, below(Kind::Net), Answer::No),
        (Who { seccomp: Some(STRICT), ..root() }, of(Kind::Net), Answer::No),
        (Who { seccomp: Some(FILTER), ..root() }, of(Kind::Net), Answer::Yes),
    ];
    for (who, wanted, expected) in cases {
        let shown = format!("{who:?} {wanted:?}");
        assert_eq!(one(who, wanted), expected, "{shown}");
    }
    let filtered = judge(&facts(Who { seccomp: Some(FILTER), ..root() }, vec![of(Kind::Net)]));
    assert!(filtered.beside.is_some_and(|text| text.contains("seccomp")));
}

/// A process of this user in this user namespace that may have these capabilities.
fn seen(uid: u32, permitted: u64, chain: &[User]) -> Seen {
    let ids = Ids { real: uid, effective: uid, saved: uid, fs: uid };
    let root = if chain.len() > 1 { Some(1000) } else { Some(0) };
    Seen { pid: 99, uids: ids, gids: ids, permitted, owner: Some(uid), root, chain: chain.to_vec() }
}

#[test]
fn files_of_a_process_are_open_by_the_rules_of_ptrace() {
    let hidden = |seen: Seen| Seen { owner: Some(0), ..seen };
    #[rustfmt::skip]
    let cases = [
        (who(1, 0, ALL), seen(5, ALL, &[ONE]), Reach::Yes),
        (who(1, 5, 0), seen(5, 0, &[ONE]), Reach::Yes),
        (who(1, 5, 0), seen(6, 0, &[ONE]), Reach::No),
        (who(1, 5, 0), seen(5, ADMIN, &[ONE]), Reach::No),
        (who(1, 5, ADMIN), seen(5, ADMIN, &[ONE]), Reach::Yes),
        (who(1, 5, 0), hidden(seen(5, 0, &[ONE])), Reach::No),
        (who(1, 0, ALL), hidden(seen(5, 0, &[ONE])), Reach::Yes),
        (who(1, 0, ALL & !PTRACE), seen(5, 0, &[ONE]), Reach::No),
        // Of root's it cannot be told whether they are dumpable.
        (who(1, 0, ADMIN), seen(0, ADMIN, &[ONE]), Reach::Unknown),
        (who(1, 1000, 0), seen(1000, ALL, &[TEN, ONE]), Reach::Yes),
        (who(1, 1000, 0), seen(5, ALL, &[TEN, ONE]), Reach::Yes),
        (who(1, 1000, 0), seen(1000, ALL, &[THIRTY, ONE]), Reach::No),
        (who(10, 1000, ALL), seen(1000, 0, &[ONE]), Reach::No),
        (who(10, 1000, ALL), seen(1000, 0, &[TWENTY, TEN, ONE]), Reach::Yes),
        // Started by a program that is above.
        (who(10, 1000, ALL), hidden(seen(1000, ALL, &[TEN, ONE])), Reach::No),
        (who(10, 1000, ALL), hidden(seen(1000, ALL, &[TWENTY, TEN, ONE])), Reach::Unknown),
        (Who { sees_user: false, ..who(40, 1000, ALL) }, seen(5, 0, &[ONE]), Reach::Unknown),
        (Who { pid: 99, ..who(1, 5, 0) }, hidden(seen(5, 0, &[ONE])), Reach::Yes),
    ];
    for (who, seen, expected) in cases {
        let facts = Facts { process: Some(seen), ..facts(who, vec![wanted(Kind::Net, 9, &[TEN, ONE])]) };
        let verdict = judge(&facts);
        assert_eq!(verdict.reach.map(|(reach, _)| reach), Some(expected), "{facts:?}");
        assert_eq!(verdict.may == Some(false), verdict.obstacle.is_some());
        if expected == Reach::No {
            assert!(verdict.obstacle.is_some_and(|text| text.starts_with("its files in /proc: ")));
            assert!(verdict.help.is_some());
        }
    }
    let nameless = Facts {
        no_id: Some(65534),
        process: Some(seen(65534, 0, &[ONE])),
        ..facts(who(1, 65534, 0), Vec::new())
    };
    assert_eq!(judge(&nameless).reach.map(|(reach, _)| reach), Some(Reach::Unknown));
}

#[test]
fn all_of_them_are_more_than_each() {
    let process = |chain: &[User]| Some(seen(1000, 0, chain));
    let with = |user: Wanted, other: Wanted| {
        let process = process(&user.chain);
        judge(&Facts { process, ..facts(who(1, 1000, 0), vec![user, other]) })
    };
    let user = |chain: &[User]| wanted(Kind::User, chain[0].ino, chain);
    let other = User { ino: 50, maker: Some(1000) };
    #[rustfmt::skip]
    let cases = [
        // One after the other, down or up.
        (user(&[TEN, ONE]), wanted(Kind::Net, 9, &[TEN, ONE]), true),
        (user(&[TWENTY, TEN, ONE]), wanted(Kind::Net, 9, &[TEN, ONE]), true),
        (user(&[TEN, ONE]), wanted(Kind::Net, 9, &[TWENTY, TEN, ONE]), true),
        // Beside each other.
        (user(&[TEN, ONE]), wanted(Kind::Net, 9, &[other, ONE]), false),
        (user(&[ONE]), wanted(Kind::Net, 9, &[TEN, ONE]), false),
    ];
    for (user, net, expected) in cases {
        let shown = format!("{user:?} {net:?}");
        let verdict = with(user, net);
        assert_eq!(verdict.may, Some(expected), "{shown}");
        assert_eq!(
            verdict.obstacle.is_some_and(|text| text.starts_with("each may be entered, but not all")),
            !expected
        );
    }
}

#[test]
fn the_first_obstacle_has_its_help() {
    let net = |chain: &[User]| wanted(Kind::Net, 9, chain);
    let bounded = Who { bounding: 0, ..who(1, 0, 0) };
    #[rustfmt::skip]
    let cases = [
        (who(1, 5, 0), net(&[TEN, ONE]), "net:[9]: lacks CAP_SYS_ADMIN in user:[10]", "user:[1], its own, or as user 1000, who made user:[10]"),
        (bounded, net(&[ONE]), "net:[9]: lacks CAP_SYS_ADMIN in user:[1]", "; its bounding set leaves that out"),
        (who(10, 1000, ALL), net(&[ONE]), "net:[9]: user:[1] is not below its own", "in user:[1] or one above, in which it is not"),
        (who(10, 1000, ALL), net(&[]), "net:[9]: its owner is not below its own", "the user namespace that owns it"),
        (who(1, 0, ALL & !CHROOT), wanted(Kind::Mnt, 9, &[ONE]), "mnt:[9]: lacks CAP_SYS_CHROOT in user:[1]", "run it with CAP_SYS_CHROOT in user:[1], its own"),
        (Who { threads: 2, ..who(1, 0, ALL) }, wanted(Kind::Mnt, 9, &[ONE]), "mnt:[9]: only for one thread: it has 2", "have it fork"),
        (who(1, 0, ALL), Wanted { above: vec![9, 3], ..wanted(Kind::Pid, 9, &[ONE]) }, "pid:[9]: not below its own pid:[5]", "run it in pid:[9], or in one above it"),
    ];
    for (who, wanted, obstacle, help) in cases {
        let verdict = judge(&facts(who, vec![wanted]));
        assert_eq!(verdict.obstacle.as_deref(), Some(obstacle));
        assert!(verdict.help.as_ref().is_some_and(|text| text.contains(help)), "{:?}", verdict.help);
    }
}
