//! All that mountinfo says, for people.

use common::text::show_into;

use super::super::super::page::Page;
use super::Seen;
use super::lines::{self, Column};
use super::propagation::propagation;

#[rustfmt::skip]
const FLAT: &[&str] = &["ID", "PARENT", "DEVICE", "MOUNT POINT", "TYPE", "SOURCE", "ROOT", "PROPAGATION", "OPTIONS", "OF THE FILE SYSTEM"];

impl Seen {
    pub(super) fn as_list(&self, page: &mut Page) {
        let charset = page.charset;
        let columns: Vec<Column> = FLAT.iter().map(|heading| (*heading, 0)).collect();
        // Nothing is cut: all is said.
        let width = page.width.take();
        lines::write(
            page,
            &columns,
            self.table.len(),
            |row| self.look(row),
            |row, column, out| {
                let mount = self.table.get(row);
                let plain = |out: &mut String, text: String| {
                    out.push_str(&text);
                    text.len()
                };
                match column {
                    0 => plain(out, mount.id.to_string()),
                    1 => plain(out, mount.parent.to_string()),
                    2 => plain(out, format!("{}:{}", mount.dev.0, mount.dev.1)),
                    3 => show_into(out, mount.point, charset),
                    4 => show_into(out, mount.fs_type, charset),
                    5 if self.table.without_sources => plain(out, "unknown".into()),
                    5 => show_into(out, mount.source, charset),
                    6 => show_into(out, mount.root, charset),
                    7 => propagation(out, &mount),
                    8 => show_into(out, mount.options, charset),
                    _ => show_into(out, mount.super_options, charset),
                }
            },
        );
        page.width = width;
    }
}
