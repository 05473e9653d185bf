//! Lines with columns, of which there can be a hundred thousand: written at once, without a text for each cell.

use common::text::{Charset, beginning};
use common::tool::paint::Paint;

use super::super::super::page::Page;

/// How far lines stand in.
const INDENT: usize = 2;

/// Off a terminal nothing is cut, but what is longer than this does not move the columns of all others.
const WIDE: usize = 60;

/// A column: its heading, and how much of a terminal it may take where that is too narrow, in hundredths. The last has
/// what is left.
pub(super) type Column = (&'static str, usize);

/// Writes rows. `cell` adds to the text what stands in a row and column and answers how wide it is.
pub(super) fn write(
    page: &mut Page,
    columns: &[Column],
    rows: usize,
    paint: impl Fn(usize) -> Paint,
    cell: impl Fn(usize, usize, &mut String) -> usize,
) {
    let room = page.width.map(|width| width.saturating_sub(INDENT));
    let mut scratch = String::new();
    let mut measure = |row: usize, column: usize| {
        scratch.clear();
        cell(row, column, &mut scratch)
    };
    let last = columns.len() - 1;
    let mut widths: Vec<usize> = columns.iter().map(|(heading, _)| heading.len()).collect();
    for row in 0..rows {
        for (column, width) in widths.iter_mut().enumerate() {
            // How wide the last is matters only where it can be cut.
            if column < last || room.is_some() {
                *width = measure(row, column).max(*width);
            }
        }
    }
    let all = |widths: &[usize]| widths.iter().sum::<usize>() + last;
    match room {
        None => widths.iter_mut().for_each(|width| *width = (*width).min(WIDE)),
        Some(room) if all(&widths) > room => {
            for (width, (heading, share)) in widths[..last].iter_mut().zip(columns) {
                *width = (*width).min(room * share / 100).max(heading.len());
            }
            let rest = room.saturating_sub(all(&widths[..last]) + 1);
            widths[last] = rest.max(columns[last].0.len());
        }
        Some(_) => {}
    }
    let line = Line { widths: &widths, cut: room.is_some(), charset: page.charset };
    let mut text = String::new();
    line.write(&mut text, |column, out| {
        out.push_str(columns[column].0);
        columns[column].0.len()
    });
    let heading = page.paint(&text, Paint::Bold);
    page.remark(&heading);
    for row in 0..rows {
        let look = if page.colour { paint(row) } else { Paint::Plain };
        match look {
            Paint::Plain => {
                page.out.push_str("  ");
                line.write(&mut page.out, |column, out| cell(row, column, out));
                page.out.push('\n');
            }
            look => {
                text.clear();
                line.write(&mut text, |column, out| cell(row, column, out));
                let painted = look.on(&text);
                page.remark(&painted);
            }
        }
    }
}

/// How a line is set.
struct Line<'w> {
    widths: &'w [usize],
    cut: bool,
    charset: Charset,
}

impl Line<'_> {
    fn write(&self, out: &mut String, cell: impl Fn(usize, &mut String) -> usize) {
        const SPACES: &str = "                                                                ";
        let begin = out.len();
        for (column, &room) in self.widths.iter().enumerate() {
            let from = out.len();
            let mut width = cell(column, out);
            if self.cut && width > room {
                width = self.shorten(out, from, room);
            }
            if column + 1 < self.widths.len() {
                let mut gap = room.saturating_sub(width) + 1;
                while gap > 0 {
                    let piece = gap.min(SPACES.len());
                    out.push_str(&SPACES[..piece]);
                    gap -= piece;
                }
            }
        }
        let end = out.trim_end_matches(' ').len().max(begin);
        out.truncate(end);
    }

    /// Cuts what stands at the end, and shows that.
    fn shorten(&self, out: &mut String, from: usize, room: usize) -> usize {
        let mark = match self.charset {
            Charset::Utf8 => "…",
            Charset::Ascii => "~",
        };
        let (kept, width) = beginning(&out[from..], room.saturating_sub(1));
        let end = from + kept.len();
        out.truncate(end);
        out.push_str(mark);
        width + 1
    }
}
