//! Mounts that no path leads to, for people.

use common::proc::mounts::tree::Cover;
use common::text::show_into;
use common::tool::paint::Paint;

use super::super::super::page::Page;
use super::Seen;
use super::lines::{self, Column};

const HIDDEN: &[Column] = &[("MOUNT POINT", 35), ("TYPE", 12), ("SOURCE", 25), ("HIDDEN BY", 0)];

impl Seen {
    pub(super) fn hidden(&self, page: &mut Page) {
        let covers = self.tree.covers.iter().enumerate();
        let rows: Vec<(usize, Cover)> = covers.filter_map(|(row, cover)| Some((row, (*cover)?))).collect();
        if rows.is_empty() {
            return page.remark("none is hidden by another");
        }
        let charset = page.charset;
        lines::write(
            page,
            HIDDEN,
            rows.len(),
            |_| Paint::Plain,
            |line, column, out| {
                let (row, cover) = rows[line];
                let mount = self.table.get(row);
                match (column, cover) {
                    (0, _) => show_into(out, mount.point, charset),
                    (1, _) => show_into(out, mount.fs_type, charset),
                    (2, _) => self.source(out, &mount, charset),
                    (_, Cover::Root) => {
                        show_into(out, b"the root directory, which is not left for it", charset)
                    }
                    (_, Cover::By(by)) => {
                        let by = self.table.get(by);
                        let width = show_into(out, by.point, charset) + show_into(out, b" (", charset);
                        let width =
                            width + show_into(out, by.fs_type, charset) + show_into(out, b" ", charset);
                        width + self.source(out, &by, charset) + show_into(out, b")", charset)
                    }
                }
            },
        );
    }
}
