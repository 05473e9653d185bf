//! What the machine has: the most that a process could use.

use super::Proc;
use super::cpus::Cpus;
use super::status::value;
use crate::error::{Error, Result};
use crate::text::digits;

use nix::errno::Errno;

/// What there is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Machine {
    /// The CPUs that are online.
    pub cpus: Cpus,
    /// Memory in bytes.
    pub memory: u64,
    /// Swap in bytes.
    pub swap: u64,
}

impl Machine {
    /// As this /proc says. In a container these files tell the same as outside, unless others are mounted over them.
    /// Sources: proc_stat(5), proc_meminfo(5).
    pub fn take(proc: &Proc) -> Result<Machine> {
        let cpus = Cpus::of_stat(&proc.read(c"stat")?);
        let text = proc.read(c"meminfo")?;
        let broken = || Error::sys("parse", "meminfo", Errno::EINVAL);
        let of = |key| bytes(&text, key).ok_or_else(broken);
        Ok(Machine { cpus, memory: of(b"MemTotal:")?, swap: of(b"SwapTotal:")? })
    }
}

/// What a line such as `MemTotal:  16384 kB` says, in bytes.
fn bytes(text: &[u8], key: &[u8]) -> Option<u64> {
    digits::<u64>(value(text, key)?.strip_suffix(b" kB")?)?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_meminfo_are_kibibytes() {
        let text = b"MemTotal:       16384 kB\nMemFree: 5 kB\nSwapTotal:             0 kB\nOdd: 5\n";
        for (key, expected) in
            [(&b"MemTotal:"[..], Some(16 << 20)), (b"SwapTotal:", Some(0)), (b"Odd:", None), (b"None:", None)]
        {
            assert_eq!(bytes(text, key), expected, "{}", String::from_utf8_lossy(key));
        }
    }
}
