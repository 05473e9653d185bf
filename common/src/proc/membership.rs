//! In which cgroups a process is: `/proc/PID/cgroup` over bytes.

use super::{Task, digits};
use crate::error::Result;

/// Its cgroup in one hierarchy. Source: cgroups(7).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Membership {
    /// The number of the hierarchy: 0 for cgroup v2.
    pub hierarchy: u64,
    /// Its controllers, with commas between, or `name=` and a name; empty for cgroup v2.
    pub controllers: Vec<u8>,
    /// The cgroup, below the root of the reader's cgroup namespace; begins with `/..` where it lies outside
    /// of that. ` (deleted)` stands at its end where it was removed. Any bytes but a newline, colons too.
    pub path: Vec<u8>,
}

/// The cgroups of a process, in the kernel's order. Lines that make no sense are left out.
pub fn of(task: &Task) -> Result<Vec<Membership>> {
    Ok(parse(&task.read(c"cgroup")?))
}

/// Reads such a file.
pub fn parse(text: &[u8]) -> Vec<Membership> {
    let line = |line: &[u8]| {
        let mut fields = line.splitn(3, |&b| b == b':');
        let hierarchy = digits(fields.next()?)?;
        let (controllers, path) = (fields.next()?.to_vec(), fields.next()?.to_vec());
        Some(Membership { hierarchy, controllers, path })
    };
    text.split(|&b| b == b'\n').filter_map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_or_left_out() {
        let member = |hierarchy, controllers: &[u8], path: &[u8]| {
            vec![Membership { hierarchy, controllers: controllers.to_vec(), path: path.to_vec() }]
        };
        let cases: [(&[u8], _); 7] = [
            (b"0::/a b\n", member(0, b"", b"/a b")),
            (b"3:cpu,cpuacct:/pods:cri:\xff\x1b\n", member(3, b"cpu,cpuacct", b"/pods:cri:\xff\x1b")),
            (b"1:name=systemd:/../x (deleted)", member(1, b"name=systemd", b"/../x (deleted)")),
            (b"x::/\n", vec![]),
            (b"0:/\n", vec![]),
            (b"\n\n", vec![]),
            (b"odd\n0::/\n", member(0, b"", b"/")),
        ];
        for (text, expected) in cases {
            assert_eq!(parse(text), expected, "{}", String::from_utf8_lossy(text));
        }
    }
}
