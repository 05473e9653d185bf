//! Mounts that show a part of a file system, or show it once more, for people.

use std::collections::BTreeMap;

use common::proc::mounts::layers;
use common::text::show_into;

use super::super::super::page::Page;
use super::Seen;
use super::lines::{self, Column};

const BINDS: &[Column] = &[("MOUNT POINT", 35), ("TYPE", 12), ("SHOWS", 33), ("ALSO AT", 0)];

impl Seen {
    pub(super) fn binds(&self, page: &mut Page) {
        // The first mount of each file system that is there as a whole, or else the first.
        let mut firsts: BTreeMap<(u32, u32), usize> = BTreeMap::new();
        for row in 0..self.table.len() {
            let mount = self.table.get(row);
            let first = *firsts.entry(mount.dev).or_insert(row);
            if mount.root == b"/" && self.table.get(first).root != b"/" {
                firsts.insert(mount.dev, row);
            }
        }
        let first = |row: usize| firsts.get(&self.table.get(row).dev).copied().filter(|&first| first != row);
        let is_bind = |row: &usize| self.table.get(*row).root != b"/" || first(*row).is_some();
        let rows: Vec<usize> = (0..self.table.len()).filter(is_bind).collect();
        if rows.is_empty() {
            return page.remark("none shows a part of a file system, or shows it once more");
        }
        let charset = page.charset;
        lines::write(
            page,
            BINDS,
            rows.len(),
            |line| self.look(rows[line]),
            |line, column, out| {
                let mount = self.table.get(rows[line]);
                match (column, layers::namespace(&mount)) {
                    (0, _) => show_into(out, mount.point, charset),
                    (1, _) => show_into(out, mount.fs_type, charset),
                    (2, Some((kind, ino))) => {
                        show_into(out, format!("{kind} namespace {ino}").as_bytes(), charset)
                    }
                    (2, None) => self.source(out, &mount, charset),
                    // All namespaces are in one file system.
                    (_, Some(_)) => 0,
                    // Another part of the same file system leads nowhere.
                    (_, None) => first(rows[line]).map_or(0, |first| {
                        let first = self.table.get(first);
                        match (first.root, mount.root.strip_prefix(first.root)) {
                            (b"/", _) => show_into(out, first.point, charset),
                            (_, Some(b"")) => show_into(out, first.point, charset),
                            (_, Some(rest @ [b'/', ..])) => {
                                show_into(out, &[first.point, rest].concat(), charset)
                            }
                            _ => 0,
                        }
                    }),
                }
            },
        );
    }
}
