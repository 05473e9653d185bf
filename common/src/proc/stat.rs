//! The line of `/proc/PID/stat`, over bytes.

use crate::text::digits;

/// What `/proc/PID/stat` says of a process. Source: proc_pid_stat(5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stat {
    /// The command's name, at most 15 bytes, any byte.
    pub comm: Vec<u8>,
    /// PID of the parent; 0 where it is outside this /proc's pid namespace.
    pub ppid: i32,
    /// Has it, or its first thread, ended? Then it has no namespaces any more.
    pub has_ended: bool,
    /// The same, or is it about to? From then on version 1 of control groups says that it is in their roots.
    pub is_ending: bool,
    /// Is it a thread of the kernel? No program can make itself look like one.
    pub of_kernel: bool,
    /// Is it a copy of its parent that has not executed a program since?
    pub is_copy: bool,
    /// When it started: clock ticks since the machine did, as our time namespace counts; 0 where that is not told.
    pub start: u64,
}

/// The flag of a kernel thread, PF_KTHREAD of the kernel's sched.h.
const OF_KERNEL: u64 = 0x0020_0000;

/// The flag of a process that was forked and has executed nothing yet, PF_FORKNOEXEC there.
const IS_COPY: u64 = 0x40;

/// The flag of a process or thread that ends, PF_EXITING there.
const IS_ENDING: u64 = 0x4;

impl Stat {
    /// Reads a line of `/proc/PID/stat`. The name may hold any byte, `)` and newline too, so it ends at the
    /// last `)`.
    pub fn parse(line: &[u8]) -> Option<Stat> {
        let open = line.iter().position(|&b| b == b'(')?;
        let close = line.iter().rposition(|&b| b == b')')?;
        let comm = line.get(open + 1..close)?.to_vec();
        let mut fields = line[close + 1..].split(|&b| b == b' ').filter(|field| !field.is_empty());
        let has_ended = matches!(fields.next()?, b"Z" | b"X");
        let ppid = digits(fields.next()?.trim_ascii_end())?;
        let flags: u64 = fields.nth(4).and_then(digits).unwrap_or(0);
        let start = fields.nth(12).and_then(|field| digits(field.trim_ascii_end())).unwrap_or(0);
        let (of_kernel, is_copy) = (flags & OF_KERNEL != 0, flags & IS_COPY != 0);
        let is_ending = has_ended || flags & IS_ENDING != 0;
        Some(Stat { comm, ppid, has_ended, is_ending, of_kernel, is_copy, start })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stat_line_ends_its_name_at_the_last_bracket() {
        let plain = |comm: &[u8], ppid| Stat {
            comm: comm.to_vec(),
            ppid,
            has_ended: false,
            is_ending: false,
            of_kernel: false,
            is_copy: false,
            start: 0,
        };
        let stat = |comm: &[u8], ppid| Some(plain(comm, ppid));
        let kthreadd = Some(Stat { of_kernel: true, is_copy: true, ..plain(b"kthreadd", 0) });
        let started = Some(Stat { start: 815, ..plain(b"sh", 7) });
        let zombie = Some(Stat { has_ended: true, is_ending: true, ..plain(b"sh", 7) });
        let ending = Some(Stat { is_ending: true, ..plain(b"sh", 7) });
        let cases: [(&[u8], _); 11] = [
            (b"12 (sh) Z 7 12 12 0", zombie),
            (b"12 (sh) R 7 12 12 0 -1 4194564 1", ending),
            (b"12 (sh) S 7 12 12 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 815 99 9", started),
            (b"2 (kthreadd) S 0 0 0 0 -1 2129984 0 0", kthreadd),
            (b"2 (kthreadd) S 0 0 0 0 -1 4194304 0 0", stat(b"kthreadd", 0)),
            (b"12 (sh) S 7 12 12 0", stat(b"sh", 7)),
            (b"12 (a) R 1) S 7 1", stat(b"a) R 1", 7)),
            (b"12 (\xff\n(x) S 0\n", stat(b"\xff\n(x", 0)),
            (b"12 () S 7", stat(b"", 7)),
            (b"12 sh S 7", None),
            (b")(", None),
        ];
        for (line, expected) in cases {
            assert_eq!(Stat::parse(line), expected, "{}", String::from_utf8_lossy(line));
        }
    }
}
