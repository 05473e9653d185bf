//! Mounts as a tree, and which of them no path leads to since something is mounted over them.

use std::collections::BTreeMap;

use super::Table;

/// Why a path does not lead to a mount.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cover {
    /// This row is mounted over it, over a directory on the way, or over what it is mounted on.
    By(usize),
    /// It, or what it is mounted on, is mounted over the root directory, which processes do not leave for it.
    Root,
}

/// A place in the tree as it is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// The row of the table.
    pub row: u32,
    /// How many mounts it stands on.
    pub depth: u32,
    /// Does no other on the same mount follow?
    pub last: bool,
}

/// The tree.
#[derive(Clone, Debug, Default)]
pub struct Tree {
    /// The order in which it is drawn: what is mounted on a mount stands below it, in the kernel's order.
    pub steps: Vec<Step>,
    /// For each row of the table why no path leads to it; none where one does.
    pub covers: Vec<Option<Cover>>,
}

/// For which rows nothing is the parent in the table.
const NOWHERE: usize = usize::MAX;

impl Tree {
    /// Of what a process sees, from its root directory on; or where `by_entering` of what is seen by who enters the mount
    /// namespace, whose root directory is that of the uppermost mount there (setns(2)).
    pub fn of(table: &Table, by_entering: bool) -> Tree {
        let groups = Groups::of(table);
        let covers = Covers::of(table, &groups, by_entering);
        let count = table.len();
        let mut tree = Tree { steps: Vec::with_capacity(count), covers: vec![None; count] };
        let mut seen = vec![false; count];
        // What stands in a circle, as only a wrong table has it, is below nothing.
        let outermost = groups.outermost.iter().map(|&row| row as usize);
        let mut open: Vec<(usize, u32, bool, Option<Cover>)> = Vec::new();
        for top in outermost.chain(0..count) {
            open.push((top, 0, true, None));
            while let Some((row, depth, last, above)) = open.pop() {
                if std::mem::replace(&mut seen[row], true) {
                    continue;
                }
                let covered = above.or(covers.aside[row]);
                tree.covers[row] = covered.or(covers.upon[row]);
                tree.steps.push(Step { row: row as u32, depth, last });
                let children = groups.on(row);
                for (at, &child) in children.iter().enumerate().rev() {
                    let child = child as usize;
                    let is_cover = covers.upon[row] == Some(Cover::By(child));
                    let passed = if is_cover { covered } else { tree.covers[row] };
                    open.push((child, depth + 1, at + 1 == children.len(), passed));
                }
            }
        }
        tree
    }
}

/// The rows that are mounted on each row, one list after the other.
struct Groups {
    ends: Vec<u32>,
    rows: Vec<u32>,
    /// Those that are mounted on nothing in the table, those on the same mount together.
    outermost: Vec<u32>,
}

impl Groups {
    fn of(table: &Table) -> Groups {
        let count = table.len();
        let mut ends = vec![0; count + 1];
        let mut outermost = Vec::new();
        for row in 0..count {
            match table.parent(row) {
                Some(parent) => ends[parent + 1] += 1,
                None => outermost.push(row as u32),
            }
        }
        for row in 0..count {
            ends[row + 1] += ends[row];
        }
        let mut next = ends.clone();
        let mut rows = vec![0; count - outermost.len()];
        for row in 0..count {
            if let Some(parent) = table.parent(row) {
                rows[next[parent] as usize] = row as u32;
                next[parent] += 1;
            }
        }
        outermost.sort_by_key(|&row| table.get(row as usize).parent);
        Groups { ends, rows, outermost }
    }

    fn on(&self, row: usize) -> &[u32] {
        &self.rows[self.ends[row] as usize..self.ends[row + 1] as usize]
    }
}

/// What covers each row, if all that it stands on can be reached.
struct Covers {
    /// Something that is mounted on the same mount, or the root directory.
    aside: Vec<Option<Cover>>,
    /// What is mounted on its own root.
    upon: Vec<Option<Cover>>,
}

impl Covers {
    fn of(table: &Table, groups: &Groups, by_entering: bool) -> Covers {
        let mut covers = Covers { aside: vec![None; table.len()], upon: vec![None; table.len()] };
        for row in 0..table.len() {
            let Some(parent) = table.parent(row) else { continue };
            if table.point(row) != table.point(parent) {
                continue;
            }
            // The first of those that stand on `/` holds the root directory.
            match table.point(row) == b"/" && !by_entering {
                true => covers.aside[row] = Some(Cover::Root),
                false => covers.upon[parent] = Some(Cover::By(row)),
            }
        }
        for row in 0..table.len() {
            covers.among(table, groups.on(row), table.point(row).len());
        }
        let parent = |row: &u32| table.get(*row as usize).parent;
        for group in groups.outermost.chunk_by(|one, other| parent(one) == parent(other)) {
            // In a chroot all is mounted on what holds the root directory, and so is what is mounted over that.
            if group.iter().any(|&row| table.point(row as usize) != b"/") {
                let over = group.iter().filter(|&&row| table.point(row as usize) == b"/");
                over.for_each(|&row| covers.aside[row as usize] = Some(Cover::Root));
            }
            covers.among(table, group, 1);
        }
        covers
    }

    /// Finds those that are mounted on the same mount as another whose mount point is a directory above theirs. All mount
    /// points are longer than this.
    fn among(&mut self, table: &Table, group: &[u32], above: usize) {
        if group.len() < 2 {
            return;
        }
        // Mostly no other is as long as a directory on the way.
        let mut lengths = [0u64; 64];
        let bit = |length: usize| (length / 64 % 64, 1 << (length % 64));
        for &row in group {
            let (word, bit) = bit(table.point(row as usize).len());
            lengths[word] |= bit;
        }
        let mut points = None;
        for &row in group {
            let point = table.point(row as usize);
            let ends = point.iter().enumerate().skip(above.max(1)).filter(|(_, b)| **b == b'/');
            for (end, _) in ends {
                let (word, bit) = bit(end);
                if lengths[word] & bit == 0 {
                    continue;
                }
                let points = points.get_or_insert_with(|| Points::of(table, group));
                if let Some(by) = points.find(table, &point[..end]) {
                    self.aside[row as usize].get_or_insert(Cover::By(by));
                    break;
                }
            }
        }
    }
}

/// Some rows by their mount points.
struct Points(Vec<u32>);

impl Points {
    fn of(table: &Table, group: &[u32]) -> Points {
        let mut rows = group.to_vec();
        rows.sort_by_key(|&row| table.point(row as usize));
        Points(rows)
    }

    fn find(&self, table: &Table, point: &[u8]) -> Option<usize> {
        // The last that was mounted there.
        let end = self.0.partition_point(|&row| table.point(row as usize) <= point);
        let last = self.0[end.checked_sub(1)?] as usize;
        (table.point(last) == point).then_some(last)
    }
}

/// The mounts that stand on a mount, by their mount points.
pub(super) fn children(table: &Table) -> BTreeMap<(usize, &[u8]), usize> {
    (0..table.len()).map(|row| ((table.parent(row).unwrap_or(NOWHERE), table.point(row)), row)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Id, parent and mount point.
    type Row = (u64, u64, &'static str);

    fn table(mounts: &[Row]) -> Table {
        let line = |(id, parent, point): &Row| format!("{id} {parent} 0:{id} / {point} rw - tmpfs t rw\n");
        Table::parse(mounts.iter().map(line).collect::<String>().into_bytes())
    }

    /// By their ids: what covers which, 0 for the root directory.
    fn covers(mounts: &[Row], by_entering: bool) -> Vec<(u64, u64)> {
        let table = table(mounts);
        let covers = Tree::of(&table, by_entering).covers;
        let id = |cover: Cover| match cover {
            Cover::By(row) => table.get(row).id,
            Cover::Root => 0,
        };
        let all = covers.into_iter().enumerate();
        all.filter_map(|(row, cover)| Some((table.get(row).id, id(cover?)))).collect()
    }

    #[test]
    fn a_mount_is_covered_if_its_path_leads_elsewhere() {
        /// A table, and which mounts are over which.
        type Case<'a> = (&'a [Row], &'a [(u64, u64)]);
        #[rustfmt::skip]
        let cases: &[Case<'_>] = &[
            (&[(2, 1, "/x"), (3, 1, "/xy")], &[]),
            // One upon the other, with what stood on it.
            (&[(2, 1, "/x"), (3, 2, "/x")], &[(2, 3)]),
            (&[(2, 1, "/x"), (3, 2, "/x"), (4, 3, "/x")], &[(2, 3), (3, 4)]),
            (&[(2, 1, "/x"), (4, 2, "/x/y"), (5, 4, "/x/y/z"), (3, 2, "/x"), (6, 3, "/x/y")], &[(2, 3), (4, 3), (5, 3)]),
            // Below a directory that something is mounted over, at once or further up.
            (&[(2, 1, "/d/x"), (3, 1, "/d"), (4, 3, "/d/x")], &[(2, 3)]),
            (&[(2, 1, "/d/e"), (3, 2, "/d/e/x"), (4, 1, "/d")], &[(2, 4), (3, 4)]),
            (&[(2, 1, "/d"), (3, 2, "/d/e/f"), (4, 2, "/d/e")], &[(3, 4)]),
            (&[(2, 1, "/d"), (3, 2, "/d/x"), (4, 2, "/d")], &[(2, 4), (3, 4)]),
            // What covers is covered itself.
            (&[(2, 1, "/d/x"), (3, 2, "/d/x"), (4, 1, "/d")], &[(2, 4), (3, 4)]),
            // Circles.
            (&[(2, 3, "/x"), (3, 2, "/x"), (5, 5, "/y")], &[(2, 3), (3, 2)]),
        ];
        for (mounts, expected) in cases {
            let all = [&[(1, 0, "/")], *mounts].concat();
            assert_eq!(covers(&all, false), *expected, "{all:?}");
            assert_eq!(covers(&all, true), *expected, "{all:?}");
        }
    }

    #[test]
    fn nobody_leaves_the_root_directory_for_what_is_mounted_over_it_and_who_enters_begins_there() {
        let mounts = [(1, 0, "/"), (2, 1, "/x"), (3, 1, "/"), (4, 3, "/x")];
        assert_eq!(covers(&mounts, false), [(3, 0), (4, 0)]);
        assert_eq!(covers(&mounts, true), [(1, 3), (2, 3)]);
        // In a chroot that is no mount.
        let mounts = [(5, 2, "/x"), (6, 2, "/"), (7, 6, "/y"), (8, 2, "/x/y")];
        assert_eq!(covers(&mounts, false), [(6, 0), (7, 0), (8, 5)]);
        assert_eq!(covers(&[(5, 2, "/x"), (6, 2, "/x/y")], false), [(6, 5)]);
    }

    #[test]
    fn the_order_is_that_of_a_tree() {
        let steps = |mounts: &[Row]| {
            let table = table(mounts);
            let step = |step: Step| (table.get(step.row as usize).id, step.depth, step.last);
            Tree::of(&table, false).steps.into_iter().map(step).collect::<Vec<_>>()
        };
        let mounts = [(4, 3, "/a/b"), (3, 1, "/a"), (1, 0, "/"), (5, 1, "/c"), (9, 9, "/z")];
        let expected = [(1, 0, true), (3, 1, false), (4, 2, true), (5, 1, true), (9, 0, true)];
        assert_eq!(steps(&mounts), expected);
        assert_eq!(steps(&[(2, 3, "/x"), (3, 2, "/x")]), [(2, 0, true), (3, 1, true)]);
        assert_eq!(steps(&[]), []);
        // As deep as they may be.
        let deep: Vec<_> = (1..100_000).map(|id| (id, id - 1, "/x")).collect();
        assert_eq!(steps(&deep).last(), Some(&(99_999, 99_998, true)));
    }
}
