//! The groups that a process is in: the lines of `/proc/PID/cgroup`, over bytes.

use super::Task;
use crate::error::Result;
use crate::text::digits;

/// A hierarchy's controllers and the process's group in it.
/// Source: cgroups(7).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Line {
    /// The hierarchy's number; 0 for version 2.
    pub hierarchy: u64,
    /// Empty for version 2.
    pub controllers: Vec<Vec<u8>>,
    /// From the root of the reader's cgroup namespace. Begins with `/..` for what lies outside of it.
    pub path: Vec<u8>,
}

impl Line {
    /// Reads the lines of the file. A path may hold any byte but a newline, `:` as well.
    pub fn parse(text: &[u8]) -> Vec<Line> {
        let line = |line: &[u8]| {
            let mut fields = line.splitn(3, |&b| b == b':');
            let hierarchy = digits(fields.next()?)?;
            let (controllers, path) = (fields.next()?, fields.next()?);
            let controllers = controllers.split(|&b| b == b',').filter(|name| !name.is_empty());
            Some(Line {
                hierarchy,
                controllers: controllers.map(<[u8]>::to_vec).collect(),
                path: path.to_vec(),
            })
        };
        text.split(|&b| b == b'\n').filter_map(line).collect()
    }

    /// Those of a process.
    pub fn of(task: &Task) -> Result<Vec<Line>> {
        Ok(Line::parse(&task.read(c"cgroup")?))
    }

    /// Was the group removed while the process was in it?
    pub fn is_deleted(&self) -> bool {
        self.path.ends_with(b" (deleted)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_keep_colons_in_paths() {
        let line = |hierarchy, controllers: &[&str], path: &[u8]| Line {
            hierarchy,
            controllers: controllers.iter().map(|name| name.as_bytes().to_vec()).collect(),
            path: path.to_vec(),
        };
        let text = b"9:name=systemd:/\n2:cpu,cpuacct:/a:b\xff\n0::/x (deleted)\nbroken\n+1:a:/\n";
        let lines = Line::parse(text);
        assert_eq!(
            lines,
            [
                line(9, &["name=systemd"], b"/"),
                line(2, &["cpu", "cpuacct"], b"/a:b\xff"),
                line(0, &[], b"/x (deleted)")
            ]
        );
        assert!(lines[2].is_deleted() && !lines[1].is_deleted());
    }
}
