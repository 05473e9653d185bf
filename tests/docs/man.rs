//! Man pages: prose by hand in `man/TOOL.SECTION.in`, with lines that stand for what the tables know.

use clap::Command;
use common::cgroup::knobs::{KNOBS, Spelling};
use common::kind::KINDS;
use common::ns::create::PROPAGATIONS;
use common::ns::refer::FORMS;
use common::ns::scan::SOURCES;

use crate::tools::rlsns::columns::COLUMNS;
use crate::tools::rnsenter::cli::TAKEN;

/// The page of a command: the template with every hole filled.
pub fn page(template: &str, command: Command) -> String {
    filled(&template.replace("@OPTIONS@\n", &options(command)))
}

/// A template with every hole filled but that for the options.
pub fn filled(template: &str) -> String {
    let kinds = list(KINDS.iter().map(|row| {
        (row.name, format!("{} (option \\-\\-{}, Linux {})", roff(row.what), roff(row.long), roff(row.since)))
    }));
    let types =
        list(KINDS.iter().map(|row| (row.name, format!("{} (Linux {})", roff(row.what), roff(row.since)))));
    let columns = list(COLUMNS.iter().map(|column| (column.name, roff(column.help))));
    let modes = list(PROPAGATIONS.iter().map(|(name, _, what)| (*name, roff(what))));
    let limits = list(KNOBS.iter().map(|knob| {
        let files = |spelling: &Spelling, version: char| {
            let files: Vec<String> = spelling.all().map(|file| format!("\\fI{file}\\fR")).collect();
            match files.is_empty() {
                true => format!("not on version {version}"),
                false => format!("{} on version {version}", files.join(" or ")),
            }
        };
        let files = format!("{}, {}", files(&knob.v1, '1'), files(&knob.v2, '2'));
        let of = match knob.controller {
            "" => "\\fI/proc/PID/oom_score_adj\\fR of the process".to_string(),
            "io" => format!("controller io (blkio on version 1): {files}"),
            name => format!("controller {name}: {files}"),
        };
        (format!("--{}", knob.option), of)
    }));
    let parts = list(TAKEN.iter().map(|(name, _, what)| (*name, roff(what))));
    let sources: String = SOURCES
        .iter()
        .map(|source| {
            let letter = source.letter.map_or(String::new(), |letter| format!(" ({letter})"));
            format!(".TP\n.BR {} \"{letter}\"\n{}\n", source.name, roff(source.what))
        })
        .collect();
    let references = list(FORMS.iter().map(|form| (form.spelled, roff(form.names))));
    template
        .replace("@VERSION@", env!("CARGO_PKG_VERSION"))
        .replace("@KINDS@\n", &kinds)
        .replace("@TYPES@\n", &types)
        .replace("@COLUMNS@\n", &columns)
        .replace("@LIMITS@\n", &limits)
        .replace("@PARTS@\n", &parts)
        .replace("@PROPAGATIONS@\n", &modes)
        .replace("@REFERENCES@\n", &references)
        .replace("@SOURCES@\n", &sources)
}

fn list<S: AsRef<str>>(rows: impl Iterator<Item = (S, String)>) -> String {
    rows.map(|(name, text)| format!(".TP\n.B {}\n{text}\n", roff(name.as_ref()))).collect()
}

/// The options as clap_mangen writes them, in the way of man pages: values in italics without brackets.
fn options(command: Command) -> String {
    // Operands are in the synopsis, and what they are in the description.
    let command = command.mut_args(|arg| if arg.is_positional() { arg.hide(true) } else { arg });
    let mut text = Vec::new();
    clap_mangen::Man::new(command).render_options_section(&mut text).unwrap();
    let text = String::from_utf8(text).unwrap();
    let (_, entries) = text.split_once(".SH OPTIONS\n").expect("a section with the options");
    entries.replace("\\fI<", "\\fI").replace(">\\fR", "\\fR").replace("\\*(Aq", "\\(aq")
}

/// Plain text as roff.
fn roff(text: &str) -> String {
    text.replace('\\', "\\e").replace('-', "\\-").replace('\'', "\\(aq")
}

/// What a page says, as plain text without fonts.
pub fn plain(page: &str) -> String {
    let fonts = page.replace("\\fB", "").replace("\\fI", "").replace("\\fR", "").replace("\\fP", "");
    let drawn = fonts.replace("\\[u2514]", "└").replace("\\[u2500]", "─");
    drawn.replace("\\-", "-").replace("\\(aq", "'").replace("\\&", "").replace("\\e", "\\")
}

/// The titles of its sections, in order.
pub fn sections(page: &str) -> Vec<&str> {
    page.lines().filter_map(|line| line.strip_prefix(".SH ")).map(|title| title.trim_matches('"')).collect()
}
