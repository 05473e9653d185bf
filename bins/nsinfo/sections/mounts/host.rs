//! What of ours lies behind mounts, for people.

use common::proc::mounts::behind::Behind;
use common::proc::mounts::layers::{self, Layer};
use common::text::show_into;

use super::super::super::page::{Page, not_readable};
use super::Seen;
use super::lines::{self, Column};

const HOST: &[Column] = &[("MOUNT POINT", 40), ("TYPE", 12), ("HERE", 0)];

/// A line: the row of a mount, and the layer of it that this is about.
type Line = (usize, Option<(Layer, Vec<u8>)>);

impl Seen {
    pub(super) fn host(&self, page: &mut Page) {
        let behind = match &self.behind {
            Some(Ok(behind)) => behind,
            Some(Err(e)) => return page.remark(&not_readable(e)),
            None => return,
        };
        let mut rows: Vec<Line> = Vec::new();
        for row in 0..self.table.len() {
            rows.push((row, None));
            let layers = layers::of(&self.table.get(row));
            rows.extend(layers.into_iter().map(|layer| (row, Some(layer))));
        }
        let charset = page.charset;
        lines::write(
            page,
            HOST,
            rows.len(),
            |line| self.look(rows[line].0),
            |line, column, out| {
                let (row, layer) = &rows[line];
                let mount = self.table.get(*row);
                match (column, layer) {
                    (0, None) => show_into(out, mount.point, charset),
                    (1, None) => show_into(out, mount.fs_type, charset),
                    (0, Some(_)) => show_into(out, b"", charset),
                    (1, Some((layer, _))) => {
                        show_into(out, format!("  {}", layer.name()).as_bytes(), charset)
                    }
                    (_, Some((_, path))) => show_into(out, path, charset),
                    (_, None) => match (&behind[*row], layers::namespace(&mount)) {
                        (Behind::At(path), None) => show_into(out, path, charset),
                        (behind, Some((kind, ino))) => {
                            let width = show_into(out, format!("{kind} namespace {ino}").as_bytes(), charset);
                            match behind {
                                Behind::At(path) => {
                                    width + show_into(out, b" at ", charset) + show_into(out, path, charset)
                                }
                                _ => width,
                            }
                        }
                        (Behind::Deleted, _) => {
                            show_into(out, b"removed: ", charset) + show_into(out, mount.root, charset)
                        }
                        (Behind::Nowhere, _) => {
                            let width = show_into(out, b"no path seen here: ", charset);
                            width + self.source(out, &mount, charset)
                        }
                    },
                }
            },
        );
    }
}
