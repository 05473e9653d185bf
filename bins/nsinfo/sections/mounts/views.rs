//! Mounts for people.

use std::collections::{BTreeMap, HashMap};

use common::error::Result;
use common::proc::idmap::Range;
use common::proc::mounts::Mount;
use common::proc::mounts::behind::Behind;
use common::proc::mounts::layers::{self, Layer};
use common::proc::mounts::listed::Maps;
use common::proc::mounts::peers::{Groups, Member};
use common::proc::mounts::tree::Cover;
use common::text::{Charset, show_into};
use common::tool::paint::Paint;

use super::super::super::page::{Page, not_readable};
use super::json::{peers, slaves};
use super::lines::{self, Column};
use super::{Seen, View};

/// Trees are drawn so deep; what stands deeper is not moved further.
const DEEP: u32 = 24;

/// Of the mounts in a peer group so many are named.
const NAMED: usize = 4;

const TREE: &[Column] = &[("MOUNT POINT", 45), ("TYPE", 12), ("SOURCE", 25), ("OPTIONS", 0)];

#[rustfmt::skip]
const FLAT: &[&str] = &["ID", "PARENT", "DEVICE", "MOUNT POINT", "TYPE", "SOURCE", "ROOT", "PROPAGATION", "OPTIONS", "OF THE FILE SYSTEM"];

const HIDDEN: &[Column] = &[("MOUNT POINT", 35), ("TYPE", 12), ("SOURCE", 25), ("HIDDEN BY", 0)];

const BINDS: &[Column] = &[("MOUNT POINT", 35), ("TYPE", 12), ("SHOWS", 33), ("ALSO AT", 0)];

const HOST: &[Column] = &[("MOUNT POINT", 40), ("TYPE", 12), ("HERE", 0)];

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
            Some(Ok(groups)) => self.groups(page, groups),
            Some(Err(e)) => page.missing("propagation", e),
            None => {}
        }
        if let Some(maps) = &self.maps {
            self.maps(page, maps);
        }
    }

    /// The look of a row: what no path leads to is of little interest.
    fn look(&self, row: usize) -> Paint {
        if self.tree.covers[row].is_some() { Paint::Dim } else { Paint::Plain }
    }

    fn as_tree(&self, page: &mut Page, all: bool) {
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

    fn as_list(&self, page: &mut Page) {
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

    fn hidden(&self, page: &mut Page) {
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

    fn binds(&self, page: &mut Page) {
        // The first mount of each file system that is there as a whole, or else the first.
        let mut firsts: HashMap<(u32, u32), usize> = HashMap::new();
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
                    (_, None) => first(rows[line]).map_or(0, |first| {
                        let first = self.table.get(first);
                        let width = show_into(out, first.point, charset);
                        match first.root {
                            b"/" => width,
                            root => width + bracketed(out, root, charset),
                        }
                    }),
                }
            },
        );
    }

    fn host(&self, page: &mut Page) {
        let behind = match &self.behind {
            Some(Ok(behind)) => behind,
            Some(Err(e)) => return page.remark(&not_readable(e)),
            None => return,
        };
        let mut rows: Vec<(usize, Option<(Layer, Vec<u8>)>)> = Vec::new();
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

    /// What is mounted, and in brackets which part of it, where that is not all.
    fn source(&self, out: &mut String, mount: &Mount<&[u8]>, charset: Charset) -> usize {
        let source = if self.table.without_sources { b"unknown" } else { mount.source };
        let width = show_into(out, source, charset);
        match mount.root {
            b"/" => width,
            root => width + bracketed(out, root, charset),
        }
    }

    /// Who else is in the peer groups.
    fn groups(&self, page: &mut Page, groups: &Groups) {
        // Of each group: are these mounts in it, do they receive its events?
        let mut mine: BTreeMap<u64, (bool, bool)> = BTreeMap::new();
        for mount in self.table.iter() {
            mount.peer_group.iter().for_each(|group| mine.entry(*group).or_default().0 = true);
            mount.master.iter().for_each(|group| mine.entry(*group).or_default().1 = true);
        }
        for (group, (is_peer, _)) in mine {
            let label = format!("group {group}");
            let peers = named(page, groups, peers(groups, group));
            // A group that nobody shows can be in a mount namespace without processes, or one that we may not see.
            let peers = if peers.is_empty() { "nobody that is seen".into() } else { peers };
            page.line(&label, &format!("shared by {peers}"));
            let slaves = if is_peer { named(page, groups, slaves(groups, group)) } else { String::new() };
            if !slaves.is_empty() {
                page.line("", &format!("received by {slaves}"));
            }
        }
        if groups.unreadable > 0 {
            page.remark(&format!("processes whose mounts could not be read: {}", groups.unreadable));
        }
        if groups.cut {
            page.remark("there are more in these groups than are looked at");
        }
    }

    fn maps(&self, page: &mut Page, maps: &Result<HashMap<u64, Maps>>) {
        let maps = match maps {
            Ok(maps) => maps,
            Err(e) => return page.line("idmapped", &super::why(e)),
        };
        for mount in self.table.iter().filter(super::is_idmapped) {
            let point = page.show(mount.point);
            let Some(Maps { users, groups }) = maps.get(&mount.id) else { continue };
            page.line("idmapped", &point);
            for (what, map) in [("uids", users), ("gids", groups)] {
                map.ranges.iter().for_each(|range| page.line("", &spelled(what, range)));
                if map.ranges.is_empty() {
                    page.line("", &format!("no {what}"));
                }
            }
        }
    }
}

/// Some mounts of a group by their points, and through whom they are seen.
fn named(page: &Page, groups: &Groups, members: &[Member]) -> String {
    let mut words: Vec<String> = members
        .iter()
        .take(NAMED)
        .map(|member| {
            let seer = groups.seers[member.seer];
            let point = page.show(&member.point);
            if seer.is_it { point } else { format!("{point} of {}", seer.pid) }
        })
        .collect();
    if members.len() > NAMED {
        words.push(format!("{} more", members.len() - NAMED));
    }
    words.join(", ")
}

fn spelled(what: &str, range: &Range) -> String {
    let span = |first: u32| match range.count {
        1 => first.to_string(),
        count => format!("{first}-{}", u64::from(first) + u64::from(count).saturating_sub(1)),
    };
    format!("{what} {} stored = {} there", span(range.inside), range.outside.map_or("none".into(), span))
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

fn bracketed(out: &mut String, root: &[u8], charset: Charset) -> usize {
    out.push('[');
    let width = show_into(out, root, charset);
    out.push(']');
    width + 2
}

/// `shared:1`, `slave:2`, both, `unbindable` or `private`.
fn propagation(out: &mut String, mount: &Mount<&[u8]>) -> usize {
    let begin = out.len();
    propagates(out, mount);
    if out.len() == begin {
        out.push_str(" private");
    }
    out.remove(begin);
    out.len() - begin
}

/// The same with a space before each, and nothing of what is private.
fn propagates(out: &mut String, mount: &Mount<&[u8]>) {
    for (word, group) in [(" shared:", mount.peer_group), (" slave:", mount.master)] {
        if let Some(group) = group {
            out.push_str(word);
            out.push_str(&group.to_string());
        }
    }
    if mount.unbindable {
        out.push_str(" unbindable");
    }
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
