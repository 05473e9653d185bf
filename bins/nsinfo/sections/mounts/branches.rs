//! Mounts as a tree for people.

use common::proc::mounts::Mount;
use common::text::{Charset, show_into};

use super::super::super::page::Page;
use super::Seen;
use super::lines::{self, Column};
use super::propagation::propagates;

/// Trees are drawn so deep; what stands deeper is not moved further.
const DEEP: u32 = 24;

const TREE: &[Column] = &[("MOUNT POINT", 45), ("TYPE", 12), ("SOURCE", 25), ("OPTIONS", 0)];

impl Seen {
    pub(super) fn as_tree(&self, page: &mut Page, all: bool) {
        let steps = &self.tree.steps;
        let charset = page.charset;
        // For each line, of which mounts above it more follow: a bit for each depth.
        let mut more = 0u32;
        let follows: Vec<u32> = steps
            .iter()
            .map(|step| {
                if step.depth < DEEP {
                    more &= (1 << step.depth) - 1;
                    more |= u32::from(!step.last) << step.depth;
                }
                more
            })
            .collect();
        let row = |line: usize| steps[line].row as usize;
        lines::write(
            page,
            TREE,
            steps.len(),
            |line| self.look(row(line)),
            |line, column, out| {
                let mount = self.table.get(row(line));
                match column {
                    0 => {
                        let step = steps[line];
                        let width = branch(out, step.depth, step.last, follows[line], charset);
                        width + show_into(out, mount.point, charset)
                    }
                    1 => show_into(out, mount.fs_type, charset),
                    2 => self.source(out, &mount, charset),
                    _ => {
                        let hidden = self.tree.covers[row(line)].is_some();
                        marks(out, &mount, hidden, all, charset)
                    }
                }
            },
        );
    }
}

/// The lines before a mount in the tree.
fn branch(out: &mut String, depth: u32, last: bool, follows: u32, charset: Charset) -> usize {
    let [middle, end, line, gap, deeper] = match charset {
        Charset::Utf8 => ["├─", "└─", "│ ", "  ", "… "],
        Charset::Ascii => ["|-", "`-", "| ", "  ", "~ "],
    };
    if depth == 0 {
        return 0;
    }
    let drawn = depth.min(DEEP);
    (1..drawn).for_each(|at| out.push_str(if follows >> at & 1 == 1 { line } else { gap }));
    out.push_str(match depth {
        DEEP.. => deeper,
        _ if last => end,
        _ => middle,
    });
    2 * drawn as usize
}

/// Options one by one.
fn each(options: &[u8]) -> impl Iterator<Item = &[u8]> {
    options.split(|&b| b == b',')
}

/// Options of the mount, and with `all` of the file system, that they do not have in common; before them that it is
/// hidden, behind them who gets its events. It cannot be written if either is read-only.
fn marks(out: &mut String, mount: &Mount<&[u8]>, hidden: bool, all: bool, charset: Charset) -> usize {
    let begin = out.len();
    if hidden {
        out.push_str("hidden ");
    }
    let is_access = |option: &[u8]| option == b"rw" || option == b"ro";
    let read_only = [mount.options, mount.super_options].iter().any(|all| each(all).next() == Some(b"ro"));
    out.push_str(if read_only { "ro" } else { "rw" });
    let mut width = out.len() - begin;
    let mut add = |option: &[u8], out: &mut String| {
        out.push(',');
        width += 1 + show_into(out, option, charset);
    };
    for option in each(mount.options) {
        // The usual is not worth the room.
        if !option.is_empty() && !is_access(option) && (all || option != b"relatime") {
            add(option, out);
        }
    }
    if all {
        for option in each(mount.super_options) {
            let known = || each(mount.options).any(|other| other == option);
            if !option.is_empty() && !is_access(option) && !known() {
                add(option, out);
            }
        }
    }
    let begin = out.len();
    propagates(out, mount);
    width + out.len() - begin
}
