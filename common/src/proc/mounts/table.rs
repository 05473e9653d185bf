//! A table of mounts as it was read: rows over the bytes of one file, as there can be a hundred thousand of them.

use std::io::Read;

use nix::errno::Errno;
use nix::fcntl::OFlag;

use super::Mount;
use crate::error::{Error, Result};
use crate::proc::Task;
use crate::text::digits;

/// No more of a table is read: 64 MiB. A mount namespace has 100,000 mounts at most (fs.mount-max of proc_sys_fs(5)) unless
/// somebody allows more.
const LIMIT: u64 = 64 << 20;

/// How often a table is read that changed while it was read.
const TRIES: usize = 4;

/// No row.
const NONE: u32 = u32::MAX;

/// The mounts of a process or namespace, in the kernel's order.
#[derive(Clone, Debug, Default)]
pub struct Table {
    text: Vec<u8>,
    rows: Vec<Row>,
    /// For each row the one that it is mounted on.
    parents: Vec<u32>,
    /// How many lines made no sense and were left out.
    pub skipped: usize,
    /// Was it longer than what is read of it?
    pub cut: bool,
    /// Did it change each time while it was read, so that mounts can be missing?
    pub torn: bool,
    /// Is it not known what is mounted? Before Linux 6.13 the kernel does not tell it of a namespace without processes.
    pub without_sources: bool,
}

/// Where a field stands.
#[derive(Clone, Copy, Debug, Default)]
struct Span {
    start: u32,
    end: u32,
}

#[derive(Clone, Copy, Debug)]
struct Row {
    id: u64,
    parent: u64,
    dev: (u32, u32),
    root: Span,
    point: Span,
    options: Span,
    peer_group: Option<u64>,
    master: Option<u64>,
    unbindable: bool,
    fs_type: Span,
    source: Span,
    super_options: Span,
}

impl Table {
    /// What this process sees. A table that changes while it is read, so that a mount's parent is missing, is read again.
    /// Of a process whose first thread has ended, another thread is asked. Source: proc_pid_mountinfo(5).
    pub fn of(task: &Task) -> Result<Table> {
        let mut table = Table::read(task)?;
        for _ in 1..TRIES {
            if !table.torn {
                break;
            }
            table = Table::read(task)?;
        }
        Ok(table)
    }

    fn read(task: &Task) -> Result<Table> {
        let read = |task: &Task| -> Result<Vec<u8>> {
            let on = "mountinfo";
            let file = std::fs::File::from(task.open(c"mountinfo", OFlag::O_RDONLY, on)?);
            let mut text = Vec::with_capacity(1 << 16);
            file.take(LIMIT)
                .read_to_end(&mut text)
                .map_err(|e| Error::io("read", format!("{on} of {}", task.pid), &e))?;
            Ok(text)
        };
        let mut text = match read(task) {
            // Its first thread has ended, with or without the others.
            Err(e) if e.errno() == Some(Errno::EINVAL) => {
                let threads = task.threads().unwrap_or_default();
                let mut threads = threads.into_iter().filter_map(|tid| read(&task.thread(tid).ok()?).ok());
                threads.next().ok_or_else(|| ended(task, e))?
            }
            text => text?,
        };
        let cut = text.len() as u64 == LIMIT;
        if cut {
            let whole = text.iter().rposition(|&b| b == b'\n').map_or(0, |last| last + 1);
            text.truncate(whole);
        }
        Ok(Table { cut, ..Table::parse(text) })
    }

    /// Reads a mountinfo file.
    pub fn parse(mut text: Vec<u8>) -> Table {
        let mut table = Table::default();
        // A line is hardly ever shorter than this.
        table.rows.reserve(text.len() / 50);
        let mut at = 0;
        while at < text.len() {
            let mut line = Line { text: &mut text, at };
            match line.row() {
                Some(row) => table.rows.push(row),
                None if line.text[at] == b'\n' => {}
                None => table.skipped += 1,
            }
            at = line.end();
        }
        table.text = text;
        table.connect();
        table
    }

    /// An empty one, which [`Table::push`] fills.
    pub(super) fn empty() -> Table {
        Table::default()
    }

    /// Adds a mount. Then [`Table::connect`] is due.
    pub(super) fn push(&mut self, mount: &Mount) {
        let mut keep = |bytes: &[u8]| {
            let start = self.text.len() as u32;
            self.text.extend_from_slice(bytes);
            Span { start, end: self.text.len() as u32 }
        };
        let row = Row {
            id: mount.id,
            parent: mount.parent,
            dev: mount.dev,
            root: keep(&mount.root),
            point: keep(&mount.point),
            options: keep(&mount.options),
            peer_group: mount.peer_group,
            master: mount.master,
            unbindable: mount.unbindable,
            fs_type: keep(&mount.fs_type),
            source: keep(&mount.source),
            super_options: keep(&mount.super_options),
        };
        self.rows.push(row);
    }

    /// Finds the row that each is mounted on.
    pub(super) fn connect(&mut self) {
        let mut ids: Vec<(u64, u32)> =
            self.rows.iter().enumerate().map(|(row, mount)| (mount.id, row as u32)).collect();
        if !ids.is_sorted() {
            ids.sort_unstable();
        }
        let mut last = (u64::MAX, NONE);
        let mut outside = None;
        self.torn = ids.windows(2).any(|pair| pair[0].0 == pair[1].0);
        for mount in &self.rows {
            if mount.parent != last.0 {
                let found = ids.binary_search_by_key(&mount.parent, |(id, _)| *id);
                last = (mount.parent, found.map_or(NONE, |at| ids[at].1));
            }
            let is_outside = last.1 == NONE || mount.parent == mount.id;
            self.parents.push(if is_outside { NONE } else { last.1 });
            // All mounts are below one root, so only one can be missing: the one that holds the root.
            self.torn |=
                is_outside && outside.replace(mount.parent).is_some_and(|other| other != mount.parent);
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Is there none?
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The mount in this row, the first of which is 0.
    pub fn get(&self, row: usize) -> Mount<&[u8]> {
        let is = &self.rows[row];
        let field = |span: Span| &self.text[span.start as usize..span.end as usize];
        Mount {
            id: is.id,
            parent: is.parent,
            dev: is.dev,
            root: field(is.root),
            point: field(is.point),
            options: field(is.options),
            peer_group: is.peer_group,
            master: is.master,
            unbindable: is.unbindable,
            fs_type: field(is.fs_type),
            source: field(is.source),
            super_options: field(is.super_options),
        }
    }

    /// All.
    pub fn iter(&self) -> impl Iterator<Item = Mount<&[u8]>> {
        (0..self.len()).map(|row| self.get(row))
    }

    /// The row that this row is mounted on; none where that is not in the table.
    pub fn parent(&self, row: usize) -> Option<usize> {
        Some(self.parents[row] as usize).filter(|&parent| parent != NONE as usize)
    }

    /// The mount point of a row, and nothing else of it.
    pub fn point(&self, row: usize) -> &[u8] {
        let span = self.rows[row].point;
        &self.text[span.start as usize..span.end as usize]
    }
}

/// Why a zombie tells nothing.
fn ended(task: &Task, error: Error) -> Error {
    match task.stat() {
        Ok(stat) if stat.has_ended => {
            Error::refused(format!("{} has ended: a zombie sees no mounts", task.pid))
        }
        _ => error,
    }
}

/// A line in the making.
struct Line<'t> {
    text: &'t mut [u8],
    at: usize,
}

impl Line<'_> {
    /// Its mount. None if it makes no sense.
    fn row(&mut self) -> Option<Row> {
        let id = self.number()?;
        let parent = self.number()?;
        let dev = self.field()?;
        let dev = &self.text[dev.start as usize..dev.end as usize];
        let colon = dev.iter().position(|&b| b == b':')?;
        let dev = (digits(&dev[..colon])?, digits(&dev[colon + 1..])?);
        let (root, point) = (self.plain()?, self.plain()?);
        let options = self.field()?;
        let (mut peer_group, mut master, mut unbindable) = (None, None, false);
        // The optional fields end at a hyphen. Unknown ones are to be passed over.
        loop {
            let field = self.field()?;
            match &self.text[field.start as usize..field.end as usize] {
                b"-" => break,
                b"unbindable" => unbindable = true,
                [b's', b'h', b'a', b'r', b'e', b'd', b':', group @ ..] => peer_group = Some(digits(group)?),
                [b'm', b'a', b's', b't', b'e', b'r', b':', group @ ..] => master = Some(digits(group)?),
                _ => {}
            }
        }
        let (fs_type, source) = (self.plain()?, self.plain()?);
        let start = self.at as u32;
        let end = self.text[self.at..].iter().position(|&b| b == b'\n');
        self.at = end.map_or(self.text.len(), |end| self.at + end);
        let super_options = Span { start, end: self.at as u32 };
        Some(Row {
            id,
            parent,
            dev,
            root,
            point,
            options,
            peer_group,
            master,
            unbindable,
            fs_type,
            source,
            super_options,
        })
    }

    /// The next field that is not the last. One space stands between two: an empty one has one on either side.
    fn field(&mut self) -> Option<Span> {
        let rest = &self.text[self.at..];
        let length = rest.iter().position(|&b| b == b' ' || b == b'\n')?;
        if rest[length] == b'\n' {
            return None;
        }
        let start = self.at;
        self.at += length + 1;
        Some(Span { start: start as u32, end: (start + length) as u32 })
    }

    fn number(&mut self) -> Option<u64> {
        let field = self.field()?;
        digits(&self.text[field.start as usize..field.end as usize])
    }

    /// The same without escapes, which are undone in their place.
    fn plain(&mut self) -> Option<Span> {
        let Span { start, end } = self.field()?;
        let field = &mut self.text[start as usize..end as usize];
        let length = if field.contains(&b'\\') { unescape(field) } else { field.len() };
        Some(Span { start, end: start + length as u32 })
    }

    /// Where the next line begins.
    fn end(&self) -> usize {
        let rest = &self.text[self.at..];
        rest.iter().position(|&b| b == b'\n').map_or(self.text.len(), |end| self.at + end + 1)
    }
}

/// Undoes `\040` and its like in their place, and answers how long the rest is: a backslash and three octal digits. The
/// kernel escapes the backslash too.
pub(super) fn unescape(field: &mut [u8]) -> usize {
    let (mut from, mut to) = (0, 0);
    while from < field.len() {
        (field[to], from) = match field[from..] {
            [b'\\', a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', ..] => {
                ((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'), from + 4)
            }
            _ => (field[from], from + 1),
        };
        to += 1;
    }
    to
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_mount_at_most_is_outside_unless_the_table_changed() {
        let line = |id: u64, parent: u64| format!("{id} {parent} 0:5 / /x{id} rw - tmpfs none rw\n");
        for (pairs, torn) in [
            (vec![], false),
            (vec![(7, 1), (8, 7), (9, 8)], false),
            // As chrooted processes see it, and in another order.
            (vec![(9, 1), (7, 1), (8, 7)], false),
            (vec![(7, 7), (8, 7)], false),
            (vec![(7, 1), (8, 6)], true),
            (vec![(7, 1), (7, 1)], true),
        ] {
            let text: String = pairs.iter().map(|(id, parent)| line(*id, *parent)).collect();
            let table = Table::parse(text.into_bytes());
            assert_eq!(table.torn, torn, "{pairs:?}");
            for (row, (id, parent)) in pairs.iter().enumerate() {
                let at = pairs.iter().position(|(other, _)| other == parent && parent != id);
                assert_eq!(table.parent(row), at);
            }
        }
    }

    #[test]
    fn what_is_kept_is_what_is_told() {
        let text = b"7 1 0:5 /\\040 /\\x\\134\\377 rw shared:3 master:2 - tmpfs \\043 rw,a=b c\n";
        let parsed = Table::parse(text.to_vec());
        let mount = super::super::parse(text).0.remove(0);
        let mut table = Table::empty();
        table.push(&mount);
        table.connect();
        assert_eq!(format!("{:?}", table.get(0)), format!("{:?}", parsed.get(0)));
        let told = parsed.get(0);
        assert_eq!((told.root, told.point, told.source), (&b"/ "[..], &b"/\\x\\\xff"[..], &b"#"[..]));
        assert_eq!(told.super_options, b"rw,a=b c");
    }
}
