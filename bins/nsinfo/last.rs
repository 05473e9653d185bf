//! The last lines: how to enter it, and how to make another like it. Both are commands to be pasted.

mod enter;
mod recreate;

use common::text::{Charset, shell_word};
use common::tool::json::Value;

use super::page::Page;
use super::sections::{list, text};
use super::subject::{Subject, Thing};
use enter::Enter;
use recreate::Recreate;

/// Plain data.
pub(crate) struct Last {
    pub(crate) enter: Enter,
    /// Of a process.
    pub(crate) recreate: Option<Recreate>,
}

impl Last {
    /// None where this /proc is not the one that our commands go by.
    pub(crate) fn take(subject: &Subject<'_>) -> Option<Last> {
        let this = subject.us.as_ref().ok().filter(|us| subject.proc.numbers_as_we_do(us.pid))?;
        let recreate = match &subject.thing {
            Thing::Process(process) => Recreate::take(subject, this, &process.task),
            Thing::Namespace(_) => None,
        };
        Some(Last { enter: Enter::take(subject, this), recreate })
    }

    /// Lines that no terminal's width cuts.
    pub(crate) fn page(&self, page: &mut Page) {
        page.out.push('\n');
        let Enter { command, note, .. } = &self.enter;
        line(page, "enter", command, note.iter().map(|note| note.clone().into_bytes()));
        if let Some(Recreate { command, none, lacks }) = &self.recreate {
            let none = none.clone().map(String::into_bytes);
            let lacks = lacks.iter().map(|what| [b"without ", &what[..]].concat());
            line(page, "recreate", command, none.into_iter().chain(lacks));
        }
    }

    pub(crate) fn enter_json(&self) -> Value {
        Value::Object(vec![
            ("command", command_json(&self.enter.command)),
            ("may", self.enter.may.map_or(Value::Null, Value::Bool)),
            ("note", self.enter.note.as_ref().map_or(Value::Null, |note| text(note.as_bytes()))),
        ])
    }

    pub(crate) fn recreate_json(&self) -> Value {
        self.recreate.as_ref().map_or(Value::Null, |recreate| {
            Value::Object(vec![
                ("command", command_json(&recreate.command)),
                ("note", recreate.none.as_ref().map_or(Value::Null, |note| text(note.as_bytes()))),
                ("lacks", list(&recreate.lacks, |what| Value::Object(vec![("what", text(&what[..]))]))),
            ])
        })
    }
}

/// The words of a command, any bytes. None where there is nothing to do by one.
pub(crate) type Command = Option<Vec<Vec<u8>>>;

/// A command and what is to be known of it: comments, so that all of it may be pasted.
fn line(page: &mut Page, label: &str, command: &Command, notes: impl Iterator<Item = Vec<u8>>) {
    // A word that no shell can be given is none of ours.
    let words = command.iter().flatten().filter_map(|word| shell_word(word, page.charset));
    let mut words = words.collect::<Vec<_>>().join(" ");
    let notes: Vec<String> = notes.map(|note| format!("# {}", page.show(note))).collect();
    let mut notes = notes.iter();
    if words.is_empty() {
        words = notes.next().cloned().unwrap_or_default();
    }
    page.out.push_str(&format!("{label}: {words}\n"));
    notes.for_each(|note| page.out.push_str(&format!("{note}\n")));
}

/// As it is pasted.
fn command_json(command: &Command) -> Value {
    command.as_ref().map_or(Value::Null, |words| {
        let words: Vec<String> = words.iter().filter_map(|word| shell_word(word, Charset::Ascii)).collect();
        text(words.join(" "))
    })
}
