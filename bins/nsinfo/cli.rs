//! What nsinfo may be asked: its options and the request that they make.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

use clap::Command;
use common::error::Result;
use common::ns::refer::Ref;
use common::tool::args::{Dialect, Matches, Opt, named, operands, optional, switch, valued};
use common::tool::paint::{COLORS, Color};
use common::tool::{LISTER, Tool};

use super::sections::{SECTIONS, Section};
use super::subject::How;

/// The tool.
pub(crate) const TOOL: Tool = Tool {
    name: "nsinfo",
    options,
    command,
    dialect: Dialect { ours: &[], attached: true, program: false },
    failure: LISTER,
    columns: Vec::new,
    parts: || SECTIONS.iter().map(|section| (section.name, section.help)).collect(),
};

/// What is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// A page for each thing.
    Worlds,
    /// The machine.
    System,
    /// All namespaces, or the branches of the things that were named.
    Tree,
}

/// What was asked.
pub(crate) struct Request {
    /// What is looked at, and the words that named it: for pages at least one thing.
    pub(crate) references: Vec<Ref>,
    pub(crate) words: Vec<Vec<u8>>,
    /// Only these sections; all if there are none.
    pub(crate) sections: Vec<&'static Section>,
    pub(crate) how: How,
    pub(crate) mode: Mode,
    pub(crate) json: bool,
    pub(crate) color: Color,
    /// Where to read.
    pub(crate) proc: PathBuf,
}

/// The options.
fn options() -> Vec<Opt> {
    vec![
        valued(None, "section", "LIST", "").help_of("", |_| {
            format!(
                "Only these sections, with commas between: {}",
                names(SECTIONS.iter().map(|row| row.name))
            )
        }),
        switch(None, "count", "Count the processes that share its namespaces: needs a look at all processes"),
        switch(None, "system", "Show what this kernel and its settings offer, and what we may do")
            .conflicts(&["section", "count", "tree", "proc", "process"]),
        switch(
            None,
            "tree",
            "Show user and pid namespaces as a tree with processes; with REF only its branch",
        )
        .conflicts(&["section", "count"]),
        switch(Some('J'), "json", "Print JSON"),
        optional(None, "color", "WHEN", "").help_of("auto", |usual| {
            let colors = names(COLORS.iter().map(|(name, _)| *name));
            format!("Use colours, attached by '=': {colors} [default: {usual}; always without WHEN]")
        }),
        valued(None, "proc", "DIR", "Read this directory instead of /proc"),
        operands(
            "process",
            "REF",
            "What to show: PID, PID/TID, ctr:NAME, TYPE:[INO], a path or another form of nskit(7) [default: nsinfo itself]",
        ),
    ]
}

fn names(all: impl Iterator<Item = &'static str>) -> String {
    all.collect::<Vec<_>>().join(", ")
}

/// The same for clap.
fn command() -> Command {
    Command::new(TOOL.name)
        .version(env!("CARGO_PKG_VERSION"))
        .about("Shows the world of a process or namespace: namespaces, ids, mounts, network, cgroups.")
        .override_usage("nsinfo [OPTIONS] [REF]...")
        .args(options().iter().map(Opt::arg))
}

/// Reads the options into a request.
pub(crate) fn request(matches: &Matches) -> Result<Request> {
    let mut words: Vec<_> = matches.all("process").map(|(_, word)| word.clone()).collect();
    let mode = match (matches.has("system"), matches.has("tree")) {
        (true, _) => Mode::System,
        (_, true) => Mode::Tree,
        _ => Mode::Worlds,
    };
    if words.is_empty() && mode == Mode::Worlds {
        words.push("self".into());
    }
    let references = words.iter().map(|word| Ref::parse(word)).collect::<Result<_>>()?;
    Ok(Request {
        references,
        words: words.into_iter().map(OsString::into_vec).collect(),
        sections: matches.value("section").map_or(Ok(Vec::new()), sections)?,
        how: How { count: matches.has("count") },
        mode,
        json: matches.has("json"),
        color: match matches.maybe("color") {
            None => Color::Auto,
            Some(None) => Color::Always,
            Some(Some(word)) => named(COLORS, "choice of colours", word)?,
        },
        proc: matches.value("proc").map_or("/proc".into(), PathBuf::from),
    })
}

/// The sections of a list.
fn sections(list: &OsString) -> Result<Vec<&'static Section>> {
    let rows: Vec<_> = SECTIONS.iter().map(|row| (row.name, row)).collect();
    let words = list.as_bytes().split(|&b| b == b',').map(|word| OsString::from_vec(word.to_vec()));
    words.map(|word| named(&rows, "section", &word)).collect()
}
