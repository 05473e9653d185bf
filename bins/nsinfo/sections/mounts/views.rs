//! Mounts for people: one view, and what is to be said of all of them.

use common::proc::mounts::Mount;
use common::text::{Charset, show_into};
use common::tool::paint::Paint;

use super::super::super::page::Page;
use super::super::super::view::View;
use super::Seen;

impl Seen {
    pub(super) fn page(&self, page: &mut Page, view: Option<View>) {
        match view {
            None | Some(View::Tree) => self.as_tree(page, view.is_some()),
            Some(View::Flat) => self.as_list(page),
            Some(View::Hidden) => self.hidden(page),
            Some(View::Binds) => self.binds(page),
            Some(View::Host) => self.host(page),
        }
        let table = &self.table;
        if table.skipped > 0 {
            page.remark(&format!(
                "lines of mountinfo that make no sense and are left out: {}",
                table.skipped
            ));
        }
        if table.cut {
            page.remark("there are more: the table is longer than what is read of it");
        }
        if table.torn {
            page.remark("the mounts changed while they were read: some can be missing");
        }
        match &self.groups {
            Some(Ok(groups)) => self.peers(page, groups),
            Some(Err(e)) => page.missing("propagation", e),
            None => {}
        }
        if let Some(maps) = &self.maps {
            self.maps(page, maps);
        }
    }

    /// The look of a row: what no path leads to is of little interest.
    pub(super) fn look(&self, row: usize) -> Paint {
        if self.tree.covers[row].is_some() { Paint::Dim } else { Paint::Plain }
    }

    /// What is mounted, and in brackets which part of it, where that is not all.
    pub(super) fn source(&self, out: &mut String, mount: &Mount<&[u8]>, charset: Charset) -> usize {
        let source = if self.table.without_sources { b"unknown" } else { mount.source };
        let width = show_into(out, source, charset);
        match mount.root {
            b"/" => width,
            root => width + bracketed(out, root, charset),
        }
    }
}

pub(super) fn bracketed(out: &mut String, root: &[u8], charset: Charset) -> usize {
    out.push('[');
    let width = show_into(out, root, charset);
    out.push(']');
    width + 2
}
