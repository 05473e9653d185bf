//! How to make another world like it: new namespaces, maps and limits as it has them, and what cannot be made so.

use common::cgroup::knobs;
use common::cgroup::layout::Layout;
use common::cgroup::usage::{self, InForce};
use common::error::Result;
use common::kind::{Kind, KindSet};
use common::proc::clocks::{Offset, Offsets};
use common::proc::credentials::{self, CAPABILITIES, Sets, capability_names};
use common::proc::groups::Line;
use common::proc::idmap::IdMap;
use common::proc::mounts::Table;
use common::proc::{Proc, Task, label, oom};

use super::super::page::not_readable;
use super::super::subject::Subject;
use super::Command;

/// The option of rcgexec.
const OOM_SCORE: &str = "oom-score-adj";

/// The command, and what it leaves out.
pub(crate) struct Recreate {
    pub(crate) command: Command,
    /// Why there is none.
    pub(crate) none: Option<String>,
    /// What is like it in nothing of this, in words, with bytes of others in them.
    pub(crate) lacks: Vec<Vec<u8>>,
}

impl Recreate {
    /// None of what has ended.
    pub(super) fn take(subject: &Subject<'_>, this: &Task, task: &Task) -> Option<Recreate> {
        if task.stat().is_ok_and(|stat| stat.has_ended) {
            return None;
        }
        let mut lacks: Vec<Vec<u8>> = Vec::new();
        let limits = limits(subject.proc, this, task, &mut lacks);
        let mut none = "nothing: it has no namespaces or limits of its own".to_string();
        let options = match (&subject.namespaces, &subject.ours) {
            (Ok(theirs), Ok(ours)) => {
                let kinds = Kind::all().filter(|kind| theirs[*kind] != ours[*kind]).collect();
                options(subject, this, task, kinds, &mut lacks)
            }
            (Err(e), _) | (_, Err(e)) => {
                none = format!("its namespaces: {}", not_readable(e));
                lacks.push(format!("its namespaces, which are {}", not_readable(e)).into());
                Vec::new()
            }
        };
        rights(this, task, &mut lacks);
        let part = |tool: &str, options: Vec<Vec<u8>>| match options.is_empty() {
            true => Vec::new(),
            false => [vec![tool.as_bytes().to_vec()], options].concat(),
        };
        let words = [part("rcgexec", limits), part("runshare", options)].concat();
        if words.is_empty() {
            return Some(Recreate { command: None, none: Some(none), lacks });
        }
        lacks.push(b"its environment, descriptors and working directory".to_vec());
        Some(Recreate { command: Some(words), none: None, lacks })
    }
}

/// The options of runshare.
fn options(
    subject: &Subject<'_>,
    this: &Task,
    task: &Task,
    kinds: KindSet,
    lacks: &mut Vec<Vec<u8>>,
) -> Vec<Vec<u8>> {
    let has = |kind| kinds.contains(kind);
    let mut words: Vec<Vec<u8>> = Vec::new();
    words.extend(kinds.iter().map(|kind| format!("-{}", kind.row().short).into_bytes()));
    // A program that is executed is in a new time namespace as well, but not on Linux 5.10.
    words.extend((has(Kind::Pid) || has(Kind::Time)).then(|| b"-f".to_vec()));
    if has(Kind::Pid) {
        words.extend(has(Kind::Mnt).then(|| b"--mount-proc".to_vec()));
    }
    if has(Kind::User) {
        maps(subject, &mut words, lacks);
    }
    ids(subject, task, has(Kind::User), &mut words);
    if has(Kind::Uts) {
        match subject.names().and_then(|[host, _]| host) {
            Ok(name) => words.extend([b"--hostname".to_vec(), name]),
            Err(e) => lacks.push(format!("its host name, which is {}", not_readable(&e)).into()),
        }
    }
    if has(Kind::Time) {
        clocks(task, &mut words, lacks);
    }
    match (task.root(), this.root()) {
        (Ok(root), Ok(ours)) if !has(Kind::Mnt) && root != ours => words.extend([b"--root".to_vec(), root]),
        (Ok(root), _) if has(Kind::Mnt) => {
            let count = match Table::of(task) {
                Ok(all) => format!("{} mounts", all.len()),
                Err(e) => format!("mounts (how many is {})", not_readable(&e)),
            };
            lacks.push(
                format!(
                    "its {count}, but with those that are seen here: nsinfo --section=mounts {}",
                    task.pid
                )
                .into(),
            );
            if root != b"/" {
                lacks.push([b"its root directory, ", &root[..]].concat());
            }
        }
        (Err(e), _) | (_, Err(e)) => {
            lacks.push(format!("its root directory, which is {}", not_readable(&e)).into());
        }
        _ => {}
    }
    if has(Kind::Net) {
        lacks.push(b"its network devices, addresses and rules".to_vec());
    }
    if has(Kind::Ipc) {
        lacks.push(b"its ipc objects".to_vec());
    }
    words
}

/// An option with its value, which is a word of its own: no shell has to be kept from it.
fn valued(option: &str, value: impl ToString) -> [Vec<u8>; 2] {
    [format!("--{option}").into_bytes(), value.to_string().into_bytes()]
}

/// The options for its maps of ids.
fn maps(subject: &Subject<'_>, words: &mut Vec<Vec<u8>>, lacks: &mut Vec<Vec<u8>>) {
    let own = credentials::effective();
    // Who maps no more than their own id needs no right for it.
    let single = |map: &IdMap, own: u32| match map.ranges[..] {
        [only] if only.count == 1 && only.outside == Some(own) => Some(only.inside),
        _ => None,
    };
    let mut alone = false;
    let from = words.len();
    for (what, long, map, own) in
        [("user", "map-user", &subject.users, own.0), ("group", "map-group", &subject.groups, own.1)]
    {
        let map = match map {
            Ok(map) => map,
            Err(e) => {
                lacks.push(format!("its map of {what} ids, which is {}", not_readable(e)).into());
                continue;
            }
        };
        if let Some(inside) = single(map, own) {
            alone |= what == "group";
            words.extend(valued(long, inside));
            continue;
        }
        for range in &map.ranges {
            match range.outside {
                Some(outside) => {
                    words.extend(valued(
                        &format!("{long}s"),
                        format!("{}:{outside}:{}", range.inside, range.count),
                    ));
                }
                None => lacks.push(
                    format!(
                        "its {} {what} ids from {} on, which have no number here",
                        range.count, range.inside
                    )
                    .into(),
                ),
            }
        }
    }
    if words[from..] == [valued("map-user", 0), valued("map-group", 0)].concat() {
        words.splice(from.., [b"-r".to_vec()]);
    }
    match &subject.setgroups {
        Ok(word) if word == b"deny" && !alone => words.extend(valued("setgroups", "deny")),
        Ok(_) => {}
        Err(e) => lacks.push(format!("its setgroups, which is {}", not_readable(e)).into()),
    }
}

/// Who the program is to be, where it would be somebody else.
fn ids(subject: &Subject<'_>, task: &Task, new_user: bool, words: &mut Vec<Vec<u8>>) {
    let Some(status) =
        subject.process().filter(|process| process.task.pid == task.pid).map(|process| &process.status)
    else {
        return;
    };
    let own = credentials::effective();
    let id = |outside: u32, own: u32, map: &Result<IdMap>| match (outside == own, new_user) {
        (true, _) => None,
        (false, false) => Some(outside),
        (false, true) => map.as_ref().ok()?.inside(outside),
    };
    let group = id(status.gids.effective, own.1, &subject.groups);
    let user = id(status.uids.effective, own.0, &subject.users);
    words.extend(group.into_iter().flat_map(|id| valued("setgid", id)));
    words.extend(user.into_iter().flat_map(|id| valued("setuid", id)));
}

fn clocks(task: &Task, words: &mut Vec<Vec<u8>>, lacks: &mut Vec<Vec<u8>>) {
    match Offsets::of_children(task) {
        Ok(Some(offsets)) => {
            for (clock, Offset { seconds, nanoseconds: nanos }) in
                [("monotonic", offsets.monotonic), ("boottime", offsets.boottime)]
            {
                if seconds != 0 {
                    words.extend(valued(clock, seconds));
                }
                if nanos != 0 {
                    lacks.push(format!("{nanos} nanoseconds of its {clock} clock").into());
                }
            }
        }
        Ok(None) => lacks.push(b"its clocks, of which nothing is said that makes sense".to_vec()),
        Err(e) => lacks.push(format!("its clocks, which are {}", not_readable(&e)).into()),
    }
}

/// The options of rcgexec: limits that its own groups have, in every hierarchy.
fn limits(proc: &Proc, this: &Task, task: &Task, lacks: &mut Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    let mut words: Vec<Vec<u8>> = Vec::new();
    let found = Layout::take(proc).and_then(|layout| own_limits(&layout, task));
    match found {
        Ok((own, above)) => {
            for limit in own {
                match knobs::options(limit.file, &limit.value) {
                    Some(options) => words.extend(options.into_iter().map(String::into_bytes)),
                    None => {
                        lacks.push([b"the limit ", limit.file.as_bytes(), b", ", &limit.value[..]].concat())
                    }
                }
            }
            for limit in above {
                let what =
                    [b"the limit ", limit.file.as_bytes(), b" of the group above it, ", &limit.group[..]];
                lacks.push(what.concat());
            }
        }
        Err(e) => lacks.push(format!("its limits, which are {}", not_readable(&e)).into()),
    }
    match oom::score(task).and_then(|theirs| Ok((theirs, oom::score(this)?))) {
        Err(e) => lacks.push(format!("its score when memory runs out, which is {}", not_readable(&e)).into()),
        Ok((theirs, ours)) => match theirs.cmp(&ours) {
            std::cmp::Ordering::Equal => {}
            std::cmp::Ordering::Greater => words.extend(valued(OOM_SCORE, theirs)),
            std::cmp::Ordering::Less => lacks.push(
                format!("its score when memory runs out, {theirs}: --{OOM_SCORE} of rcgexec sets it, by CAP_SYS_RESOURCE").into(),
            ),
        },
    }
    words
}

/// Those that its groups have, and those that hold because of groups above. What is mounted nowhere is left out.
fn own_limits(layout: &Layout, task: &Task) -> Result<(Vec<InForce>, Vec<InForce>)> {
    let mut all = (Vec::new(), Vec::new());
    for line in Line::of(task)? {
        let (hierarchy, group) = match layout.locate(&line) {
            Ok(found) => found,
            // The kernel refused to look, which is not nowhere.
            Err(e) if e.errno().is_some() && !e.is_gone() => return Err(e),
            Err(_) => continue,
        };
        let found = match usage::in_force(hierarchy, &group) {
            Err(e) if e.is_gone() => continue,
            found => found?,
        };
        let (own, above): (Vec<_>, Vec<_>) = found.into_iter().partition(|limit| limit.group == group.path);
        all.0.extend(own);
        all.1.extend(above);
    }
    Ok(all)
}

/// What it may not do, and we do not take away.
fn rights(this: &Task, task: &Task, lacks: &mut Vec<Vec<u8>>) {
    let read = |task: &Task| credentials::Rights::of(task).and_then(|rights| Ok((rights, Sets::of(task)?)));
    let (theirs, ours) = match (read(task), read(this)) {
        (Ok(theirs), Ok(ours)) => (theirs, ours),
        (Err(e), _) | (_, Err(e)) => {
            return lacks.push(format!("what it may not do, which is {}", not_readable(&e)).into());
        }
    };
    let without = ours.1.bounding & !theirs.1.bounding;
    if without != 0 {
        let kept = theirs.1.bounding;
        let text = match (kept, (without.count_ones() as usize) < CAPABILITIES.len() / 2) {
            (0, _) => "its bounding set, which is empty".into(),
            (_, true) => format!("its bounding set, which leaves out {}", capability_names(without)),
            (_, false) => format!("its bounding set, which has only {}", capability_names(kept)),
        };
        lacks.push(text.into());
    }
    if (theirs.0.no_new_privs, ours.0.no_new_privs) == (Some(true), Some(false)) {
        lacks.push(b"its no_new_privs".to_vec());
    }
    if (theirs.0.filtered, ours.0.filtered) == (Some(true), Some(false)) {
        lacks.push(b"its seccomp filters".to_vec());
    }
    // Where none labels it, asking is an error; what failed else, the section about that tells.
    if let (Ok(theirs), Ok(ours)) = (label::current(task), label::current(this))
        && theirs != ours
    {
        lacks.push([b"its security label, ", &theirs[..]].concat());
    }
}
