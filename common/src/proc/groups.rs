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

    /// Where the root of a cgroup namespace is, that has this line for the group that it calls `inside`. None where the
    /// group lies outside of that root. Source: cgroup_namespaces(7).
    pub fn root_by(&self, inside: &Line) -> Option<Vec<u8>> {
        // Both say so of a group that was removed.
        let name = |line: &'_ Line| line.path.strip_suffix(DELETED).unwrap_or(&line.path).to_vec();
        let (outside, inside) = (name(self), name(inside));
        if inside == b"/" {
            return Some(outside);
        }
        if inside == b"/.." || inside.starts_with(b"/../") {
            return None;
        }
        let root = outside.strip_suffix(&inside[..])?;
        Some(if root.is_empty() { b"/".to_vec() } else { root.to_vec() })
    }

    /// Was the group removed while the process was in it?
    pub fn is_deleted(&self) -> bool {
        self.path.ends_with(DELETED)
    }
}

/// What stands behind the path of a group that was removed.
const DELETED: &[u8] = b" (deleted)";

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

    #[test]
    fn the_root_of_a_namespace_is_what_it_does_not_see_of_a_path() {
        let line = |path: &str| Line { hierarchy: 0, controllers: Vec::new(), path: path.into() };
        let cases = [
            ("/a/b/c", "/c", Some("/a/b")),
            ("/a/b", "/", Some("/a/b")),
            ("/a/b", "/a/b", Some("/")),
            ("/", "/", Some("/")),
            ("/a/b (deleted)", "/b (deleted)", Some("/a")),
            ("/a (deleted)", "/ (deleted)", Some("/a")),
            ("/a/b", "/../b", None),
            ("/", "/..", None),
            ("/../x/y", "/y", Some("/../x")),
            ("/a/..b", "/..b", Some("/a")),
            ("/a/b", "/c", None),
        ];
        for (outside, inside, root) in cases {
            assert_eq!(line(outside).root_by(&line(inside)), root.map(Into::into), "{outside} {inside}");
        }
    }
}
