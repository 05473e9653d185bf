//! A page in the making: sections with lines under them, for people.

use common::error::Error;
use common::text::{Charset, show, width};
use common::tool::paint::Paint;
use common::tool::table::{Column, Form, Style, render};

/// How wide labels are: what stands beside them is aligned.
const LABEL: usize = 12;
/// The least that words of ours get beside a label.
const NARROWEST: usize = 20;

/// How far lines stand in under their heading.
const INDENT: usize = 2;

/// A page, and how it may look.
pub(crate) struct Page {
    pub(crate) out: String,
    pub(crate) charset: Charset,
    /// The width of the terminal; none where it is none, and nothing is cut.
    pub(crate) width: Option<usize>,
    /// Are there colours?
    pub(crate) colour: bool,
}

impl Page {
    pub(crate) fn new(charset: Charset, width: Option<usize>, colour: bool) -> Page {
        Page { out: String::new(), charset, width, colour }
    }

    /// How much fits beside a label on a terminal.
    pub(crate) fn room(&self) -> Option<usize> {
        self.width.map(|width| width.saturating_sub(INDENT + LABEL))
    }

    /// Bytes of anybody's choice as they may be shown.
    pub(crate) fn show(&self, bytes: impl AsRef<[u8]>) -> String {
        show(bytes.as_ref(), self.charset)
    }

    /// Text with this look, where there are colours.
    pub(crate) fn paint(&self, text: &str, paint: Paint) -> String {
        if self.colour { paint.on(text) } else { text.to_string() }
    }

    /// Begins the page of another thing, by the word that named it.
    pub(crate) fn title(&mut self, word: impl AsRef<[u8]>) {
        let gap = if self.out.is_empty() { "" } else { "\n\n" };
        let text = self.paint(&format!("== {}", self.show(word)), Paint::Bold);
        self.out.push_str(&format!("{gap}{text}\n"));
    }

    /// Begins a section.
    pub(crate) fn heading(&mut self, text: &str) {
        let gap = if self.out.is_empty() { "" } else { "\n" };
        let text = self.paint(text, Paint::Bold);
        self.out.push_str(&format!("{gap}{text}\n"));
    }

    /// A label, or none, and what stands beside it: text that may be shown as it is.
    pub(crate) fn line(&mut self, label: &str, text: &str) {
        self.painted(label, text, Paint::Plain);
    }

    /// The same with a look.
    pub(crate) fn painted(&mut self, label: &str, text: &str, paint: Paint) {
        let text = self.paint(text, paint);
        let apart = if label.len() < LABEL { "" } else { " " };
        self.out.push_str(format!("{:INDENT$}{label:<LABEL$}{apart}{text}", "").trim_end());
        self.out.push('\n');
    }

    /// A label, and pieces with commas between them, over as many lines as the terminal's width or 80 columns make of
    /// them. Broken at spaces; a word that is too long stands out.
    pub(crate) fn flow(&mut self, label: &str, pieces: &[String], paint: Paint) {
        let room = self.width.unwrap_or(80).saturating_sub(INDENT + LABEL);
        self.wrapped(label, &pieces.join(", "), room, paint);
    }

    /// A label, and words of ours, over as many lines as the terminal's width makes of them; one where there is no terminal.
    pub(crate) fn prose(&mut self, label: &str, words: &str, paint: Paint) {
        let room = self.room().map_or(usize::MAX, |room| room.max(NARROWEST));
        self.wrapped(label, words, room, paint);
    }

    fn wrapped(&mut self, label: &str, text: &str, room: usize, paint: Paint) {
        let mut lines: Vec<String> = Vec::new();
        for word in text.split(' ') {
            match lines.last_mut() {
                Some(line) if width(line) + 1 + width(word) <= room => {
                    line.push(' ');
                    line.push_str(word);
                }
                _ => lines.push(word.to_string()),
            }
        }
        for (at, line) in lines.iter().enumerate() {
            self.painted(if at == 0 { label } else { "" }, line, paint);
        }
    }

    /// A label, and why nothing stands beside it.
    pub(crate) fn missing(&mut self, label: &str, error: &Error) {
        self.line(label, &not_readable(error));
    }

    /// A line without a label.
    pub(crate) fn remark(&mut self, text: &str) {
        self.out.push_str(&format!("{:INDENT$}{text}\n", ""));
    }

    /// A table; each row with its look.
    pub(crate) fn table<M, R>(
        &mut self,
        columns: &[Column<M, R>],
        facts: &M,
        rows: &[R],
        paint: impl Fn(&R) -> Paint,
    ) {
        let style = Style {
            form: Form::Human,
            headings: true,
            charset: self.charset,
            width: self.width.map(|width| width.saturating_sub(INDENT)),
            tree: None,
            wrap: false,
            key: "",
            facts: Vec::new(),
            below: Vec::new(),
            paint: self.colour.then(|| rows.iter().map(paint).collect()),
        };
        let rows: Vec<_> = rows.iter().map(|row| (0, row)).collect();
        let columns: Vec<_> = columns.iter().collect();
        render(facts, &columns, &rows, &style).lines().for_each(|line| self.remark(line));
    }

    /// The same, or why there is none.
    pub(crate) fn table_or_why<M, R>(
        &mut self,
        columns: &[Column<M, R>],
        facts: &M,
        rows: std::result::Result<&[R], &Error>,
    ) {
        match rows {
            Ok(rows) => self.table(columns, facts, rows, |_| Paint::Plain),
            Err(e) => self.remark(&not_readable(e)),
        }
    }
}

/// What is said where something could not be read, and which right would help.
pub(crate) fn not_readable(error: &Error) -> String {
    match error {
        Error::Sys { call: "setns", .. } if error.is_denied() => {
            "not permitted (needs CAP_SYS_ADMIN there)".into()
        }
        Error::Sys { call: "listmount" | "statmount", .. } if error.is_denied() => {
            "not permitted (needs CAP_SYS_ADMIN in the user namespace that owns it)".into()
        }
        // What others may not open of a process; that of a file is told by its path.
        Error::Sys { call: "open" | "read", on, .. } if error.is_denied() && !on.starts_with(b"/") => {
            "not permitted (needs CAP_SYS_PTRACE)".into()
        }
        _ => format!("not readable: {}", error.reason()),
    }
}

/// Seconds as days, hours, minutes and seconds.
pub(crate) fn span(seconds: i128) -> String {
    let sign = if seconds < 0 { "-" } else { "" };
    let seconds = seconds.abs();
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    let days = if days > 0 { format!("{days} d ") } else { String::new() };
    format!("{sign}{days}{:02}:{:02}:{:02}", rest / 3600, rest / 60 % 60, rest % 60)
}
