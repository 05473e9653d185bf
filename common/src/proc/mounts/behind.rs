//! Which path of ours leads to what is mounted elsewhere.

use std::collections::BTreeMap;

use super::tree::{Tree, children};
use super::{Mount, Table};

/// What lies behind a mount, for us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Behind {
    /// This path of ours leads to its root.
    At(Vec<u8>),
    /// What is mounted was removed.
    Deleted,
    /// No path that we see leads there.
    Nowhere,
}

/// Stands behind the root of a mount where that was removed. No path has two slashes.
const DELETED: &[u8] = b"//deleted";

/// Several mounts of the same are looked at; of more only the first are.
const SEVERAL: usize = 64;

/// The device number and the root of a mount.
type Shown<'t> = ((u32, u32), &'t [u8]);

/// Our own mounts, by what they show.
pub struct Ours<'t> {
    table: &'t Table,
    shown: BTreeMap<Shown<'t>, Vec<usize>>,
    on: BTreeMap<(usize, &'t [u8]), usize>,
}

impl<'t> Ours<'t> {
    /// Of our own table.
    pub fn of(table: &'t Table) -> Ours<'t> {
        let tree = Tree::of(table, false);
        let mut shown: BTreeMap<_, Vec<usize>> = BTreeMap::new();
        for (row, cover) in tree.covers.iter().enumerate() {
            let mount = table.get(row);
            if cover.is_none() {
                let rows = shown.entry((mount.dev, mount.root)).or_default();
                if rows.len() < SEVERAL {
                    rows.push(row);
                }
            }
        }
        Ours { table, shown, on: children(table) }
    }

    /// What lies behind a mount of others: the shortest path, of those the first.
    pub fn behind(&self, mount: &Mount<&[u8]>) -> Behind {
        if mount.root.ends_with(DELETED) {
            return Behind::Deleted;
        }
        let mut best: Option<Vec<u8>> = None;
        // The mount may show a part of what ours shows.
        for end in ends(mount.root) {
            let (root, rest) = mount.root.split_at(end);
            let root = if root.is_empty() { b"/" } else { root };
            let rows = self.shown.get(&(mount.dev, root)).into_iter().flatten();
            for &row in rows {
                let path = joined(self.table.point(row), rest);
                let shorter = best.as_ref().is_none_or(|best| path.len() < best.len());
                if shorter && !self.is_left(row, &path) {
                    best = Some(path);
                }
            }
        }
        best.map_or(Behind::Nowhere, Behind::At)
    }

    /// Does the way to this path, from the mount on, lead into another mount?
    fn is_left(&self, row: usize, path: &[u8]) -> bool {
        let from = self.table.point(row).len();
        let ends = ends(path).filter(|&end| end > from);
        ends.map(|end| &path[..end]).any(|dir| self.on.contains_key(&(row, dir)))
    }
}

/// Where each directory of a path ends, from the first, which is empty and stands for the root directory.
fn ends(path: &[u8]) -> impl Iterator<Item = usize> {
    let inner = path.iter().enumerate().filter(|(_, b)| **b == b'/').map(|(at, _)| at);
    // The root directory itself is one.
    inner.chain((path != b"/").then_some(path.len()))
}

/// A path below a mount point.
fn joined(point: &[u8], rest: &[u8]) -> Vec<u8> {
    let rest = if rest == b"/" { b"" } else { rest };
    match point {
        b"/" if !rest.is_empty() => rest.to_vec(),
        point => [point, rest].concat(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_told_where_it_leads_there() {
        let ours = "\
            1 0 8:1 / / rw - ext4 d rw\n\
            2 1 0:5 / /t rw - tmpfs t rw\n\
            3 1 8:2 /sub /mnt rw - ext4 e rw\n\
            4 1 0:6 / /over rw - tmpfs t rw\n\
            5 4 0:7 / /over rw - tmpfs t rw\n\
            6 2 0:8 / /t/a/b rw - tmpfs t rw\n\
            7 1 8:1 /t/x /xx rw - ext4 d rw\n\
            8 1 0:4 net:[9] /run/netns/n rw - nsfs nsfs rw\n";
        let table = Table::parse(ours.as_bytes().to_vec());
        let ours = Ours::of(&table);
        let at = |path: &str| Behind::At(path.into());
        for (dev, root, expected) in [
            ("8:1", "/", at("/")),
            ("8:1", "/etc/hosts", at("/etc/hosts")),
            // Something is mounted there, or on the way.
            ("8:1", "/t", Behind::Nowhere),
            ("8:1", "/t/y", Behind::Nowhere),
            ("8:1", "/t/x/y", at("/xx/y")),
            ("0:5", "/", at("/t")),
            ("0:5", "/a", at("/t/a")),
            ("0:5", "/a/b", Behind::Nowhere),
            ("0:5", "/a/bc", at("/t/a/bc")),
            ("0:8", "/", at("/t/a/b")),
            // Only a part of it is ours.
            ("8:2", "/sub/x", at("/mnt/x")),
            ("8:2", "/sub", at("/mnt")),
            ("8:2", "/subject", Behind::Nowhere),
            ("8:2", "/", Behind::Nowhere),
            // Mounted over.
            ("0:6", "/", Behind::Nowhere),
            ("0:7", "/", at("/over")),
            ("0:99", "/", Behind::Nowhere),
            ("8:1", "/gone//deleted", Behind::Deleted),
            ("0:4", "net:[9]", at("/run/netns/n")),
        ] {
            let line = format!("50 40 {dev} {root} /p rw - x y rw\n");
            let theirs = Table::parse(line.into_bytes());
            assert_eq!(ours.behind(&theirs.get(0)), expected, "{dev} {root}");
        }
    }
}
