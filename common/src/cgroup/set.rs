//! Limits are written to a group, and it is looked whether the kernel has them so.

use std::os::fd::AsFd;
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat2};

use super::group::{Group, Version};
use super::knobs::{PERIOD, Setting, Shape};
use crate::error::{Error, Result};
use crate::text::digits;

/// Version 1 counts a child's share of CPU time for some milliseconds after the child was removed, and refuses what does
/// not fit beside it: so often, and so long apart, it is tried again.
const GHOST: (u32, Duration) = (10, Duration::from_millis(10));

/// The files of version 1 that nobody can join a group without, with and without the prefix that a mount can lack.
const CPUSET: [&str; 4] = ["cpuset.cpus", "cpuset.mems", "cpus", "mems"];

/// Sets limits of a group that was just made, in this order. A cpuset of version 1 that has nothing then gets what the
/// group above has: else nobody could join it.
pub fn set(group: &Group, settings: &[Setting]) -> Result<()> {
    fill_above(group)?;
    settings.iter().try_for_each(|setting| patiently(|| write(group, setting)))?;
    fill(group)
}

/// The same as far as it goes; answers what could not be set.
pub fn set_as_far(group: &Group, settings: &[Setting]) -> Vec<Error> {
    let mut failures: Vec<Error> = fill_above(group).err().into_iter().collect();
    failures.extend(settings.iter().filter_map(|setting| patiently(|| write(group, setting)).err()));
    failures.extend(fill(group).err());
    failures
}

/// Sets limits of a group that has some already, in the order in which the kernel takes them. On an error all is as it was.
pub fn update(group: &Group, settings: &[Setting]) -> Result<()> {
    let mut change = Change { group, done: Vec::new() };
    match change.all(settings) {
        Ok(()) => Ok(()),
        Err(e) => Err(change.undo_to(0).into_iter().fold(e, |e, stays| {
            let hint = e.hint().map_or(String::new(), |hint| format!("{hint}; "));
            e.with_hint(format!("{hint}and this could not be put back: {stays}"))
        })),
    }
}

/// The same as far as it goes; answers what could not be set.
pub fn update_as_far(group: &Group, settings: &[Setting]) -> Vec<Error> {
    // Those of one controller belong together.
    let mut controllers: Vec<&str> = settings.iter().map(|setting| &setting.controller[..]).collect();
    controllers.dedup();
    let of = |name: &str| -> Vec<Setting> {
        settings.iter().filter(|setting| setting.controller == name).cloned().collect()
    };
    controllers.into_iter().filter_map(|name| update(group, &of(name)).err()).collect()
}

/// What is changed in a group, so that it can be undone.
struct Change<'a> {
    group: &'a Group,
    /// Files with what they said before, in the order of the writes.
    done: Vec<(String, String)>,
}

impl Change<'_> {
    fn all(&mut self, settings: &[Setting]) -> Result<()> {
        let (period, quota) = (find(settings, "cpu.cfs_period_us"), find(settings, "cpu.cfs_quota_us"));
        let burst = find(settings, "cpu.cfs_burst_us").or(find(settings, "cpu.max.burst"));
        let limit = find(settings, "memory.limit_in_bytes").or(find(settings, "memory.max"));
        let total = find(settings, "memory.memsw.limit_in_bytes").or(find(settings, "memory.swap.max"));
        // A lower quota is refused while more is kept of a higher one.
        if let Some(burst) = burst.filter(|_| quota.is_some() || find(settings, "cpu.max").is_some()) {
            self.write(&Setting { value: "0".into(), ..burst.clone() })?;
        }
        for setting in settings {
            match &setting.file[..] {
                // A number of microseconds counts for the usual period.
                "cpu.cfs_quota_us" => self.quota(period, setting)?,
                "cpu.cfs_period_us" if quota.is_some() => {}
                // Both together are never less than the memory; and nobody shall be killed for want of swap to come.
                "memory.limit_in_bytes" | "memory.max" => match total.filter(|total| self.is_raised(total)) {
                    Some(total) => self.write(total).and_then(|()| self.write(setting))?,
                    None => self.write(setting)?,
                },
                "memory.memsw.limit_in_bytes" | "memory.swap.max" if limit.is_some() && self.has(setting) => {
                }
                "cpu.shares" | "cpu.weight" => {
                    self.wake(setting)?;
                    self.write(setting)?;
                }
                "cpu.max" if setting.period_only => {
                    let old = self.old("cpu.max")?;
                    let quota = old.split(' ').next().unwrap_or("max");
                    let period = setting.value.rsplit(' ').next().unwrap_or_default();
                    self.write(&Setting { value: format!("{quota} {period}"), ..setting.clone() })?;
                }
                _ => self.write(setting)?,
            }
        }
        fill(self.group)
    }

    /// Quota and period of version 1, each a write: the group above allows no larger share in between, and those below no
    /// smaller one.
    fn quota(&mut self, period: Option<&Setting>, quota: &Setting) -> Result<()> {
        let usual = Setting {
            controller: quota.controller.clone(),
            file: "cpu.cfs_period_us".into(),
            value: PERIOD.to_string(),
            ..Setting::default()
        };
        let period = match period {
            // As it was given, and nothing beside it.
            None if quota.shape == Shape::Any => return self.write(quota),
            period => period.unwrap_or(&usual),
        };
        let none = Setting { value: "-1".into(), ..quota.clone() };
        let longer =
            digits::<u64>(period.value.as_bytes()) > digits::<u64>(self.old("cpu.cfs_period_us")?.as_bytes());
        let orders = match longer {
            true => [vec![period, quota], vec![quota, period], vec![&none, period, quota]],
            false => [vec![quota, period], vec![period, quota], vec![&none, period, quota]],
        };
        let begun = self.done.len();
        patiently(|| {
            let mut answer = Ok(());
            for order in &orders {
                answer = order.iter().try_for_each(|setting| self.write(setting));
                match &answer {
                    Err(e) if e.errno() == Some(Errno::EINVAL) => drop(self.undo_to(begun)),
                    _ => break,
                }
            }
            answer
        })
    }

    /// A group that gets only what nobody else wants has no weight, and takes none.
    fn wake(&mut self, setting: &Setting) -> Result<()> {
        let idle = Setting {
            controller: setting.controller.clone(),
            file: "cpu.idle".into(),
            value: "0".into(),
            ..Setting::default()
        };
        match self.group.has("cpu.idle")? && self.old("cpu.idle")? == "1" {
            true => self.write(&idle),
            false => Ok(()),
        }
    }

    fn has(&self, setting: &Setting) -> bool {
        self.done.iter().any(|(file, _)| *file == setting.file)
    }

    fn is_raised(&self, setting: &Setting) -> bool {
        let number = |text: &str| digits(text.as_bytes()).unwrap_or(u64::MAX);
        self.old(&setting.file).is_ok_and(|old| number(&setting.value) > number(&old))
    }

    fn old(&self, file: &str) -> Result<String> {
        Ok(String::from_utf8_lossy(&self.group.read(file)?).into_owned())
    }

    fn write(&mut self, setting: &Setting) -> Result<()> {
        let (file, value) = place(self.group, setting)?;
        // What can only be written has nothing to go back to.
        let old = self.old(file).ok().map(|old| before(setting.shape, value, old));
        let answer = write(self.group, setting);
        // What was written and is not kept as it was is undone too.
        if answer.as_ref().map_or_else(|e| e.errno().is_none(), |()| true) {
            self.done.extend(old.map(|old| (file.to_string(), old)));
        }
        answer
    }

    /// Puts back what was changed since; answers what could not be.
    fn undo_to(&mut self, begun: usize) -> Vec<Error> {
        let undo = |(file, old): (String, String)| self.group.write(&file, &old).err();
        self.done.split_off(begun).into_iter().rev().filter_map(undo).collect()
    }
}

/// What is to be written so that a file says again what it said.
fn before(shape: Shape, value: &str, old: String) -> String {
    let of_device = value.split(' ').next().is_some_and(|first| first.contains(':'));
    if !(shape == Shape::Line || shape == Shape::Any && of_device) {
        // Nothing at all would be no write.
        let first = old.lines().next().unwrap_or_default();
        return if first.is_empty() { "\n".into() } else { first.into() };
    }
    let mut words = value.split(' ');
    let key = words.next().unwrap_or_default();
    let line = old.lines().find(|line| line.split(' ').next() == Some(key));
    line.map_or_else(
        || {
            let none = |word: &str| match word.split_once('=') {
                Some((name, _)) => format!("{name}=max"),
                None => "0".into(),
            };
            words.fold(key.to_string(), |line, word| line + " " + &none(word))
        },
        String::from,
    )
}

fn find<'a>(settings: &'a [Setting], file: &str) -> Option<&'a Setting> {
    settings.iter().find(|setting| setting.file == file)
}

/// Again for a moment where what was removed is still counted.
fn patiently(mut action: impl FnMut() -> Result<()>) -> Result<()> {
    for _ in 0..GHOST.0 {
        match action() {
            Err(Error::Sys { on, errno: Errno::EINVAL, .. }) if contains(&on, b"/cpu.cfs_") => {
                std::thread::sleep(GHOST.1);
            }
            answer => return answer,
        }
    }
    action()
}

fn contains(hay: &[u8], needle: &[u8]) -> bool {
    hay.windows(needle.len()).any(|window| window == needle)
}

/// The file of a group that a setting goes to, and what is written.
fn place<'a>(group: &Group, setting: &'a Setting) -> Result<(&'a str, &'a str)> {
    let name = |e: Error| e.of_controllers(&[&setting.controller]);
    if group.has(&setting.file).map_err(name)? {
        return Ok((&setting.file, &setting.value));
    }
    for (file, value) in &setting.instead {
        if group.has(file).map_err(name)? {
            return Ok((file, value));
        }
    }
    let there = group.version == Version::V1
        || group.controllers().map_err(name)?.iter().any(|name| name == setting.controller.as_bytes());
    let hint = match (&setting.file[..], there) {
        (_, false) => {
            let above = group.path.iter().rposition(|&b| b == b'/').map_or(&b""[..], |at| &group.path[..at]);
            let above = String::from_utf8_lossy(above);
            format!("controller {} is not enabled in {above}/cgroup.subtree_control", setting.controller)
        }
        (file, _) if file.contains("swap") || file.contains("memsw") => {
            "this kernel counts no swap: it was built or started without".into()
        }
        (_, true) => "this kernel does not have this limit, or has it in the other version only".into(),
    };
    Err(name(Error::sys("open", group.file(&setting.file), Errno::ENOENT)).with_hint(hint))
}

/// Writes one, and looks whether it is kept.
fn write(group: &Group, setting: &Setting) -> Result<()> {
    let name = |e: Error| e.of_controllers(&[&setting.controller]);
    let (file, value) = place(group, setting)?;
    group.write(file, value).map_err(|e| explain(group, file, e)).map_err(name)?;
    if setting.shape == Shape::Any {
        return Ok(());
    }
    let stored = group.read(file).map_err(name)?;
    if is_kept(setting.shape, value, &String::from_utf8_lossy(&stored)) {
        return Ok(());
    }
    let what = [&group.file(file)[..], b" holds ", &stored, b" after ", value.as_bytes(), b" was written"];
    Err(name(Error::refused(what.concat())))
}

/// Does a file that holds this say what was written?
fn is_kept(shape: Shape, value: &str, stored: &str) -> bool {
    let number = |text: &str| digits::<u64>(text.as_bytes());
    match shape {
        Shape::Any => true,
        Shape::Same => stored == value,
        Shape::Word => {
            let last = |text: &str| {
                text.lines().next().and_then(|line| line.split(' ').next_back().map(String::from))
            };
            last(stored) == last(value)
        }
        Shape::Pages => match (number(stored), number(value)) {
            (Some(stored), Some(asked)) => stored <= asked && asked - stored < 1 << 16,
            // The highest number of whole pages is none in version 1.
            (Some(stored), None) => value == "-1" && stored > i64::MAX as u64 - (1 << 16),
            _ => stored == value,
        },
        Shape::Line => {
            let mut words = value.split(' ');
            let key = words.next();
            let line = stored.lines().find(|line| line.split(' ').next() == key);
            let none = |word: &str| word == "0" || word.ends_with("=max");
            match line {
                Some(line) => words.all(|word| line.split(' ').any(|held| held == word)),
                // A device without limits has no line.
                None => words.all(none),
            }
        }
    }
}

/// The same error with what only this group can tell about it.
fn explain(group: &Group, file: &str, e: Error) -> Error {
    let says =
        |file: &str| group.read(file).map_or("?".into(), |text| String::from_utf8_lossy(&text).into_owned());
    let hint = match (file, e.errno()) {
        ("memory.limit_in_bytes" | "memory.memsw.limit_in_bytes", Some(Errno::EBUSY)) => {
            let of = file.trim_end_matches("limit_in_bytes");
            let [usage, peak] =
                ["usage_in_bytes", "max_usage_in_bytes"].map(|name| says(&format!("{of}{name}")));
            format!("{usage} bytes are in use and cannot be taken away, and {peak} were at most")
        }
        ("memory.limit_in_bytes", Some(Errno::EINVAL)) => format!(
            "it is more than {}, the limit of memory and swap together: give --memory-swap as well",
            says("memory.memsw.limit_in_bytes")
        ),
        ("memory.memsw.limit_in_bytes", Some(Errno::EINVAL)) => {
            format!("it is less than {}, the limit of memory alone", says("memory.limit_in_bytes"))
        }
        ("cpu.max", Some(Errno::EINVAL)) if !matches!(&says("cpu.max.burst")[..], "?" | "0") => format!(
            "{} microseconds of a quota are kept by --cpu-burst, and no more than the quota can be",
            says("cpu.max.burst")
        ),
        ("cpu.max.burst" | "cpu.cfs_burst_us", Some(Errno::EINVAL)) => {
            let quota = if file == "cpu.max.burst" { "cpu.max" } else { "cpu.cfs_quota_us" };
            format!("no more can be kept than the quota: {quota} is {}", says(quota))
        }
        _ => return e,
    };
    e.with_hint(hint)
}

/// Gives a cpuset of version 1 that has no CPUs or no memory nodes those of the nearest group above that has some, and
/// all between too: below an empty one nothing can be set.
fn fill(group: &Group) -> Result<()> {
    if group.version == Version::V2 {
        return Ok(());
    }
    for file in CPUSET {
        if group.has(file)? {
            filled(group, file).map_err(|e| e.of_controllers(&["cpuset"]))?;
        }
    }
    Ok(())
}

fn fill_above(group: &Group) -> Result<()> {
    match group.version == Version::V1 && (group.has(CPUSET[0])? || group.has(CPUSET[2])?) {
        true => above(group)?.map_or(Ok(()), |above| fill(&above)),
        false => Ok(()),
    }
}

/// What [`set`] would write besides, for a group below this one with these settings: files and values. A file of the new
/// group itself begins with `/`, without the group's path.
pub fn filling(parent: &Group, settings: &[Setting]) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
    let mut writes = Vec::new();
    if parent.version == Version::V2 {
        return Ok(writes);
    }
    for file in CPUSET {
        if !parent.has(file)? {
            continue;
        }
        // From the nearest one that has some, down.
        let mut empty: Vec<Vec<u8>> = Vec::new();
        let mut held = parent.read(file)?;
        let mut next = Some(parent.file(file)).zip(above(parent)?);
        while let (true, Some((path, group))) = (held.is_empty(), next) {
            empty.push(path);
            held = group.read(file)?;
            next = Some(group.file(file)).zip(above(&group)?);
        }
        let given = |setting: &Setting| {
            setting.file == file || setting.instead.iter().any(|(other, _)| other == file)
        };
        if !settings.iter().any(given) {
            empty.insert(0, [b"/", file.as_bytes()].concat());
        }
        let filled = empty.into_iter().rev().filter(|_| !held.is_empty());
        writes.extend(filled.map(|path| (path, held.clone())));
    }
    Ok(writes)
}

/// What a group's file holds, from above where it is empty; nothing where those above cannot be reached.
fn filled(group: &Group, file: &str) -> Result<Vec<u8>> {
    let held = group.read(file)?;
    if !held.is_empty() {
        return Ok(held);
    }
    let Some(above) = above(group)? else { return Ok(held) };
    let held = filled(&above, file)?;
    if !held.is_empty() {
        group.write(file, &String::from_utf8_lossy(&held))?;
    }
    Ok(held)
}

/// The group above, if it is below the same mount point.
fn above(group: &Group) -> Result<Option<Group>> {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    // Source: openat2(2): `..` out of the mount is a crossing too.
    let how = OpenHow::new().flags(flags).resolve(ResolveFlag::RESOLVE_NO_XDEV);
    let path = group.path.iter().rposition(|&b| b == b'/').map_or(Vec::new(), |at| group.path[..at].to_vec());
    match openat2(group.as_fd(), "..", how) {
        Ok(dir) => Ok(Some(Group::at_mount(dir, path, group.version))),
        Err(Errno::EXDEV) => Ok(None),
        Err(e) => Err(Error::sys("open", [b"group ", &path[..]].concat(), e)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_holds_is_compared_as_it_tells_it() {
        let cases = [
            (Shape::Same, "20000 100000", "20000 100000", true),
            (Shape::Same, "20000 100000", "20000 50000", false),
            (Shape::Same, "262145", "262144", false),
            (Shape::Pages, "5000000", "4997120", true),
            (Shape::Pages, "5000000", "5000000", true),
            (Shape::Pages, "5000000", "4096", false),
            (Shape::Pages, "4096", "8192", false),
            (Shape::Pages, "-1", "9223372036854771712", true),
            (Shape::Pages, "-1", "4096", false),
            (Shape::Pages, "max", "max", true),
            (Shape::Pages, "0", "0", true),
            (Shape::Word, "default 100", "default 100\n8:0 50", true),
            (Shape::Word, "default 100", "100", true),
            (Shape::Word, "default 100", "default 500", false),
            (Shape::Line, "8:0 4", "8:0 4\n8:16 5", true),
            (Shape::Line, "8:1 4", "8:0 4\n8:16 5", false),
            (Shape::Line, "8:0 0", "8:16 5", true),
            // Pitfall 2: the kernel drops suffixes.
            (Shape::Line, "8:0 4M", "8:0 4", false),
            (Shape::Line, "8:0 rbps=5", "8:0 rbps=5 wbps=max riops=max wiops=7", true),
            (Shape::Line, "8:0 rbps=5 wiops=7", "8:0 rbps=5 wbps=max riops=max wiops=7", true),
            (Shape::Line, "8:0 rbps=5 wiops=8", "8:0 rbps=5 wbps=max riops=max wiops=7", false),
            (Shape::Line, "8:0 rbps=max", "", true),
            (Shape::Line, "8:0 rbps=5", "", false),
            (Shape::Any, "5", "6", true),
        ];
        for (shape, value, stored, kept) in cases {
            assert_eq!(is_kept(shape, value, stored), kept, "{shape:?} {value} {stored}");
        }
    }

    #[test]
    fn what_was_before_can_be_written_again() {
        let cases = [
            (Shape::Same, "20000 100000", "max 100000", "max 100000"),
            (Shape::Same, "0", "", "\n"),
            (Shape::Pages, "5", "9223372036854771712", "9223372036854771712"),
            (Shape::Word, "default 5", "default 100\n8:0 50", "default 100"),
            (Shape::Line, "8:0 4", "8:16 5", "8:0 0"),
            (Shape::Line, "8:0 4", "8:0 3\n8:16 5", "8:0 3"),
            (Shape::Line, "8:0 rbps=5 wiops=7", "", "8:0 rbps=max wiops=max"),
            (Shape::Any, "8:0 rbps=5", "8:16 rbps=1", "8:0 rbps=max"),
            (Shape::Any, "5", "7", "7"),
            (Shape::Line, "8:0 rbps=5", "8:0 rbps=1 wbps=2", "8:0 rbps=1 wbps=2"),
        ];
        for (shape, value, old, written) in cases {
            assert_eq!(before(shape, value, old.into()), written, "{value}");
        }
    }
}
