//! What `/proc/PID/status` says of a process, over bytes.

use nix::errno::Errno;

use super::Task;
use crate::error::{Error, Result};
use crate::text::digits;

/// What a line of a status file says behind this key, colon and all. The name in the first line has its newlines
/// escaped, so it can forge no other.
pub fn value<'a>(status: &'a [u8], key: &[u8]) -> Option<&'a [u8]> {
    let line = status.split(|&b| b == b'\n').find_map(|line| line.strip_prefix(key))?;
    Some(line.trim_ascii())
}

/// The set of bits in such a line: signals, capabilities.
pub fn mask(status: &[u8], key: &[u8]) -> Option<u64> {
    let text = value(status, key)?;
    // The kernel writes no sign.
    let text = std::str::from_utf8(text).ok().filter(|text| text.bytes().all(|b| b.is_ascii_hexdigit()))?;
    u64::from_str_radix(text, 16).ok()
}

/// The words of such a line as numbers. None where the line is not there, or a word is no number.
pub fn numbers(status: &[u8], key: &[u8]) -> Option<Vec<u32>> {
    let words = value(status, key)?.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    words.map(digits).collect()
}

/// Ids and PIDs of a process. Source: proc_pid_status(5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// The process that it belongs to: another number than its own where it is a thread.
    pub process: i32,
    /// User ids, as our user namespace numbers them; 65534 by default where it has no number for them.
    pub uids: Ids,
    /// Group ids, likewise.
    pub gids: Ids,
    /// Its supplementary groups, numbered like the others.
    pub groups: Vec<u32>,
    /// Its PIDs, from the pid namespace of this /proc down to its own. Linux 4.1.
    pub pids: Vec<i32>,
}

/// The four ids that a process has of a sort. Source: credentials(7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ids {
    /// Who it is.
    pub real: u32,
    /// By which most permissions are checked.
    pub effective: u32,
    /// To which it may go back.
    pub saved: u32,
    /// By which access to files is checked.
    pub fs: u32,
}

impl Ids {
    /// Each by its name.
    pub fn named(&self) -> [(&'static str, u32); 4] {
        [("real", self.real), ("effective", self.effective), ("saved", self.saved), ("fs", self.fs)]
    }
}

impl Status {
    /// Reads the status of a process. It needs no right, except where /proc hides processes (hidepid).
    pub fn of(task: &Task) -> Result<Status> {
        let text = task.read(c"status")?;
        Status::parse(&text)
            .ok_or_else(|| Error::sys("parse", format!("status of {}", task.pid), Errno::EINVAL))
    }

    /// Its PIDs from the outside inward: this one alone where the kernel is too old to tell them.
    pub fn levels(&self, pid: i32) -> Vec<i32> {
        if self.pids.is_empty() { vec![pid] } else { self.pids.clone() }
    }

    /// Reads a status file.
    pub fn parse(text: &[u8]) -> Option<Status> {
        let values = |key: &[u8]| {
            Some(value(text, key)?.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()))
        };
        let ids = |key| {
            let mut numbers = values(key)?.map(digits);
            let mut next = || numbers.next()?;
            Some(Ids { real: next()?, effective: next()?, saved: next()?, fs: next()? })
        };
        let pids = values(b"NSpid:").map(|words| words.map(digits).collect::<Option<Vec<i32>>>());
        Some(Status {
            process: digits(values(b"Tgid:")?.next()?)?,
            uids: ids(b"Uid:")?,
            gids: ids(b"Gid:")?,
            groups: numbers(text, b"Groups:").unwrap_or_default(),
            pids: pids.unwrap_or_else(|| Some(Vec::new()))?,
        })
    }
}

/// What a process does about signals. Source: proc_pid_status(5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Signals {
    blocked: u64,
    ignored: u64,
    caught: u64,
    /// Is it the first process of its pid namespace?
    pub is_first: bool,
}

impl Signals {
    /// Reads a status file. What it does not tell is taken for nothing.
    pub fn parse(text: &[u8]) -> Signals {
        let mask = |key| mask(text, key).unwrap_or(0);
        let is_first = value(text, b"NSpid:")
            .is_some_and(|pids| pids.split(|b| b.is_ascii_whitespace()).next_back() == Some(b"1"));
        Signals { blocked: mask(b"SigBlk:"), ignored: mask(b"SigIgn:"), caught: mask(b"SigCgt:"), is_first }
    }

    /// Does its first thread block this signal?
    pub fn blocks(&self, signal: i32) -> bool {
        has(self.blocked, signal)
    }

    /// Does it ignore this signal?
    pub fn ignores(&self, signal: i32) -> bool {
        has(self.ignored, signal)
    }

    /// Has it a handler for this signal?
    pub fn catches(&self, signal: i32) -> bool {
        has(self.caught, signal)
    }
}

fn has(mask: u64, signal: i32) -> bool {
    (1..=64).contains(&signal) && mask >> (signal - 1) & 1 == 1
}

/// What would end a process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum End {
    /// SIGTERM; it can still catch it and stay.
    #[default]
    Term,
    /// Only SIGKILL: it ignores or blocks SIGTERM, or is the first process of a pid namespace, which gets no signal
    /// that it does not catch. Source: pid_namespaces(7).
    Kill,
    /// No signal of ours: it is a thread of the kernel, or the first process of our own pid namespace.
    Nothing,
    /// It has ended, and its parent has not yet waited for it.
    Parent(i32),
}

impl End {
    /// Asks the process.
    pub fn of(task: &Task) -> Result<End> {
        match task.stat()? {
            // One whose first thread has ended looks like that too.
            stat if stat.has_ended && task.threads()?.is_empty() => Ok(End::Parent(stat.ppid)),
            stat if task.pid == 1 || stat.of_kernel => Ok(End::Nothing),
            _ => Ok(End::parse(&task.read(c"status")?)),
        }
    }

    /// Reads a status file, of a process that a signal can end.
    pub fn parse(text: &[u8]) -> End {
        let signals = Signals::parse(text);
        let term = libc::SIGTERM;
        match signals.ignores(term) || signals.blocks(term) || signals.is_first && !signals.catches(term) {
            true => End::Kill,
            false => End::Term,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_read_whatever_the_name_is() {
        let ids = |real, effective, saved, fs| Ids { real, effective, saved, fs };
        let status = |process, pids: &[i32]| {
            let (uids, gids) = (ids(1, 2, 3, 4), ids(5, 6, 7, 8));
            Some(Status { process, uids, gids, groups: Vec::new(), pids: pids.to_vec() })
        };
        let grouped = status(9, &[]).map(|status| Status { groups: vec![27, 65534], ..status });
        let cases: [(&[u8], _); 9] = [
            (b"Tgid:\t9\nUid:\t1\t2\t3\t4\nGid:\t5\t6\t7\t8\nGroups:\t27 65534 \n", grouped),
            (
                b"Name:\tx\nTgid:\t9\nUid:\t1\t2\t3\t4\nGid:\t5\t6\t7\t8\nNSpid:\t9\t3\t1\n",
                status(9, &[9, 3, 1]),
            ),
            (
                b"Name:\t\xff\\nUid:\t7\nTgid:\t9\nUid:\t1\t2\t3\t4\nGid:\t5\t6\t7\t8\nGroups:\t \n",
                status(9, &[]),
            ),
            (b"Tgid:\t9\nUid:\t1\t2\t3\nGid:\t5\t6\t7\t8\n", None),
            (b"Tgid:\t9\nUid:\t1\t2\t3\t-4\nGid:\t5\t6\t7\t8\n", None),
            (b"Tgid:\t9\nUid:\t1\t2\t3\t4\nGid:\t5\t6\t7\t8\nNSpid:\t9\tx\n", None),
            (b"Uid:\t1\t2\t3\t4\nGid:\t5\t6\t7\t8\n", None),
            (b"Tgid:\t9\nUid:\t1\t2\t3\t4\n", None),
            (b"", None),
        ];
        for (text, expected) in cases {
            assert_eq!(Status::parse(text), expected, "{}", String::from_utf8_lossy(text));
        }
    }

    #[test]
    fn a_line_is_found_by_its_key_and_a_mask_is_hexadecimal() {
        let text = b"Name:\t\xff\\nCapEff:\t1\nCapEff:\t00000000a80425fb\nSeccomp:\t2\nNSpid:\t9\t3 \nSigIgn:\t+1\nSigBlk:\n";
        let cases: [(&[u8], Option<&[u8]>, _); 7] = [
            (b"CapEff:", Some(b"00000000a80425fb"), Some(0xa804_25fb)),
            (b"Seccomp:", Some(b"2"), Some(2)),
            (b"NSpid:", Some(b"9\t3"), None),
            (b"SigIgn:", Some(b"+1"), None),
            (b"SigBlk:", Some(b""), None),
            (b"SigCgt:", None, None),
            (b"nCapEff:", None, None),
        ];
        for (key, found, number) in cases {
            assert_eq!(
                (value(text, key), mask(text, key)),
                (found, number),
                "{}",
                String::from_utf8_lossy(key)
            );
        }
        assert_eq!(mask(b"CapEff:\t10000000000000000\n", b"CapEff:"), None);
    }

    #[test]
    fn what_ends_a_process_is_told_by_its_masks() {
        let cases: [(&[u8], _); 7] = [
            (b"NSpid:\t12\nSigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\nSigCgt:\t0000000000000000\n", End::Term),
            (b"SigIgn:\t0000000000004000\n", End::Kill),
            (b"SigBlk:\t0000000000004000\n", End::Kill),
            (b"SigIgn:\t0000000000002000\n", End::Term),
            (b"NSpid:\t12\t1\n", End::Kill),
            (b"NSpid:\t12\t1\nSigCgt:\t0000000000004000\n", End::Term),
            (b"NSpid:\t1\t21\n", End::Term),
        ];
        for (text, expected) in cases {
            assert_eq!(End::parse(text), expected, "{}", String::from_utf8_lossy(text));
        }
    }
}
