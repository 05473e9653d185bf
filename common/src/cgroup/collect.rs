//! What runs that were killed have left behind: it is known by its name, its mark, its maker and its lock, ended and
//! removed.

use std::ffi::CStr;
use std::time::{Duration, Instant};

use super::group::Group;
use crate::error::{Error, Result};
use crate::kind::Kind;
use crate::proc::Proc;
use crate::sys;
use crate::text::digits;

/// How long we wait for all that others have left: no run shall be held up by what cannot end, as a frozen
/// process of version 1 or one of another pid namespace.
const COLLECTING: Duration = Duration::from_secs(1);

/// The attribute of a group that says who made it. Source: xattr(7); on cgroup file systems since Linux 5.7.
const MAKER: &CStr = c"user.nskit.maker";

/// Who makes a group: a process, and not another one with its number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Maker {
    pid: i32,
    /// When it started, in ticks since boot.
    start: u64,
    /// The pid namespace in which it has that number.
    pid_ns: u64,
    /// The boot, as random_boot_id of proc_sys_kernel(5) has it.
    boot: Vec<u8>,
}

impl Maker {
    /// Us.
    pub fn ours(proc: &Proc) -> Result<Maker> {
        let this = proc.this()?;
        let inodes = this.namespaces([Kind::Pid].into_iter().collect())?;
        // Without it, as in some sandboxes, processes of another boot are told by their start alone.
        let boot = std::fs::read("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        let boot = boot.trim_ascii().to_vec();
        Ok(Maker { pid: this.pid, start: this.stat()?.start, pid_ns: inodes[Kind::Pid], boot })
    }

    fn text(&self) -> Vec<u8> {
        [format!("{} {} {} ", self.pid, self.start, self.pid_ns).as_bytes(), &self.boot[..]].concat()
    }

    fn parse(text: &[u8]) -> Option<Maker> {
        let mut fields = text.splitn(4, |&b| b == b' ');
        let (pid, start, pid_ns) =
            (digits(fields.next()?)?, digits(fields.next()?)?, digits(fields.next()?)?);
        Some(Maker { pid, start, pid_ns, boot: fields.next()?.to_vec() })
    }

    /// Does it run? None where we cannot see that: of one of another pid namespace only its lock tells.
    fn runs(&self, proc: &Proc, ours: &Maker) -> Option<bool> {
        let known = (self.pid_ns, &self.boot) == (ours.pid_ns, &ours.boot);
        let stat = || proc.task(self.pid).and_then(|task| task.stat());
        known.then(|| stat().is_ok_and(|stat| stat.start == self.start && !stat.is_ending))
    }

    /// Writes it to a group that was just made. Where that cannot be, the lock alone says that we live.
    pub(super) fn sign(&self, group: &Group) {
        let _ = sys::set_attribute(group, MAKER, &self.text());
    }
}

/// What a look for leftovers came to.
#[derive(Debug, Default)]
pub struct Collected {
    /// Groups that were removed, or, if none should be, that would be.
    pub removed: Vec<Vec<u8>>,
    /// Why others could not be.
    pub failures: Vec<Error>,
}

/// Ends and removes the transient groups directly below `parent` whose makers were killed before they could: those
/// that are called `prefix-NUMBER`, have our mark, belong to our user, were made by somebody who does not run, and are held by
/// nobody. What cannot be removed is left for the next one who comes by, and so is one that we are in ourselves: its
/// maker was killed, and the program that it started goes on and has started us. With `look` none is removed.
pub fn collect(parent: &Group, prefix: &str, proc: &Proc, ours: &Maker, look: bool) -> Collected {
    let end = Instant::now() + COLLECTING;
    let mut collected = Collected::default();
    for name in parent.names().unwrap_or_default().into_iter().filter(|name| is_transient(name, prefix)) {
        let Ok(group) = parent.descend(&name) else { continue };
        let is_left = group.is_made_by_us()
            && is_free(&group, parent, proc, ours, end)
            && !group.holds(ours.pid).unwrap_or(true);
        if !is_left {
            continue;
        }
        let path = group.path.clone();
        if look {
            collected.removed.push(path);
            continue;
        }
        let emptied = group.kill(end);
        match group.remove(parent, end) {
            Ok(()) => collected.removed.push(path),
            Err(e) => collected.failures.push(emptied.err().unwrap_or(e)),
        }
    }
    collected
}

/// Takes the lock of a group whose maker does not run. A child that he made a moment before he was killed, and that is not the
/// program yet, still has it.
fn is_free(group: &Group, parent: &Group, proc: &Proc, ours: &Maker, end: Instant) -> bool {
    loop {
        // One that has no maker yet was made a moment ago; who made it will see that it is gone.
        let runs = maker_of(group).and_then(|maker| maker.runs(proc, ours));
        if runs == Some(true) {
            return false;
        }
        match group.hold(parent) {
            Ok(true) => return true,
            Ok(false)
                if runs == Some(false) && group.is_in(parent).unwrap_or(false) && Instant::now() < end =>
            {
                std::thread::sleep(Duration::from_millis(1));
            }
            _ => return false,
        }
    }
}

fn maker_of(group: &Group) -> Option<Maker> {
    Maker::parse(&sys::attribute(group, MAKER).ok()??)
}

/// Is this a name that a transient group gets: `prefix-PID`, or `prefix-PID-NUMBER`?
pub(super) fn is_transient(name: &[u8], prefix: &str) -> bool {
    let numbers = name.strip_prefix(prefix.as_bytes()).and_then(|rest| rest.strip_prefix(b"-"));
    let number = |text: &[u8]| !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    numbers.is_some_and(|numbers| numbers.split(|&b| b == b'-').all(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transient_groups_are_known_by_their_names() {
        for name in ["rcgexec-1", "rcgexec-4194304-2"] {
            assert!(is_transient(name.as_bytes(), "rcgexec"), "{name}");
        }
        for name in
            ["rcgexec", "rcgexec-", "rcgexec-x", "rcgexec-1-", "rcgexec--1", "rcgexec-1 ", "rcgexec1", "a"]
        {
            assert!(!is_transient(name.as_bytes(), "rcgexec"), "{name}");
        }
    }

    #[test]
    fn a_maker_is_read_as_it_was_written() {
        let maker = Maker { pid: 7, start: 123, pid_ns: 4026531836, boot: b"a-b".to_vec() };
        assert_eq!(Maker::parse(&maker.text()), Some(maker));
        for text in [&b""[..], b"7", b"7 1 2", b"x 1 2 b", b"7 -1 2 b", b"7  1 2 b"] {
            assert_eq!(Maker::parse(text), None, "{}", String::from_utf8_lossy(text));
        }
    }
}
