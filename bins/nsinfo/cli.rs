//! What nsinfo may be asked: its options and the request that they make.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

use clap::Command;
use common::error::{Error, Result};
use common::ns::refer::Ref;
use common::tool::args::{Dialect, Matches, Opt, named, operands, optional, switch, valued};
use common::tool::paint::{COLORS, Color};
use common::tool::{LISTER, Tool};

use super::sections::{SECTIONS, Section, namespace};
use super::subject::How;
use super::view::{VIEWS, View};

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

/// With what one is compared.
pub(crate) enum Other {
    /// The world that the machine started with.
    Host,
    /// Who started the process.
    Parent,
    /// Something else, and the word for it.
    Named(Ref, Vec<u8>),
}

/// What is shown.
pub(crate) enum Mode {
    /// A page for each thing.
    Worlds,
    /// Only what differs between the thing and this one.
    Versus(Other),
    /// Whether the first of two may enter the second.
    Can,
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
        valued(None, "section", "SECTIONS", "").help_of("", |_| {
            format!(
                "Only these sections, with commas between: {}",
                names(SECTIONS.iter().map(|row| row.name))
            )
        }),
        valued(None, "vs", "REF", "Only what differs from this one, side by side: REF, host or parent"),
        switch(None, "no-enter", "Enter no namespace, not by a helper process either"),
        optional(None, "mounts", "VIEW", "").help_of("tree", |usual| {
            let views = names(VIEWS.iter().map(|(name, _)| *name));
            format!("Only mounts, and all of them, attached by '=': {views} [default: {usual}]")
        }),
        switch(
            None,
            "can",
            "Say whether the first of two REFs may enter the namespaces of the second, and why not",
        )
        .conflicts(&["section", "mounts", "count", "system", "tree", "vs"]),
        switch(None, "count", "Count the processes that share its namespaces: needs a look at all processes"),
        switch(None, "system", "Show what this kernel and its settings offer, and what we may do")
            .conflicts(&["section", "mounts", "count", "tree", "vs", "proc", "process"]),
        switch(
            None,
            "tree",
            "Show user and pid namespaces as a tree with processes; with REF only its branch",
        )
        .conflicts(&["section", "mounts", "count", "vs"]),
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
    let mode = mode(matches, words.len())?;
    if words.is_empty() && !matches!(mode, Mode::Tree | Mode::System) {
        words.push("self".into());
    }
    let mounts = match matches.maybe("mounts") {
        None => None,
        Some(None) => Some(View::Tree),
        Some(Some(word)) => Some(named(VIEWS, "view of mounts", word)?),
    };
    let mut chosen = matches.value("section").map_or(Ok(Vec::new()), sections)?;
    if chosen.is_empty() && mounts.is_some() {
        chosen = sections(&"mounts".into())?;
    }
    let json = matches.has("json");
    let keepers = chosen.is_empty() || chosen.iter().any(|section| section.name == namespace::NAME);
    let references = words.iter().map(|word| Ref::parse(word)).collect::<Result<_>>()?;
    Ok(Request {
        references,
        words: words.into_iter().map(OsString::into_vec).collect(),
        sections: chosen,
        how: How { mounts, json, no_enter: matches.has("no-enter"), count: matches.has("count"), keepers },
        mode,
        json,
        color: match matches.maybe("color") {
            None => Color::Auto,
            Some(None) => Color::Always,
            Some(Some(word)) => named(COLORS, "choice of colours", word)?,
        },
        proc: matches.value("proc").map_or("/proc".into(), PathBuf::from),
    })
}

/// What is shown of so many things that were named.
fn mode(matches: &Matches, named: usize) -> Result<Mode> {
    if let Some(word) = matches.value("vs") {
        let one = Error::refused("--vs compares one thing with another, and several were named");
        return if named > 1 { Err(one) } else { Ok(Mode::Versus(other(word)?)) };
    }
    if matches.has("can") {
        return match named {
            2 => Ok(Mode::Can),
            _ => Err(Error::refused("--can asks about two things: who would enter, and what")
                .with_hint("nsinfo --can PID REF; `self` is nsinfo itself, with what you may do")),
        };
    }
    Ok(match (matches.has("system"), matches.has("tree")) {
        (true, _) => Mode::System,
        (_, true) => Mode::Tree,
        _ => Mode::Worlds,
    })
}

/// What --vs names. A container can be called host as well: `ctr:host`.
fn other(word: &OsString) -> Result<Other> {
    Ok(match word.as_bytes() {
        b"host" => Other::Host,
        b"parent" => Other::Parent,
        bytes => Other::Named(Ref::parse(word)?, bytes.to_vec()),
    })
}

/// The sections of a list.
fn sections(list: &OsString) -> Result<Vec<&'static Section>> {
    let rows: Vec<_> = SECTIONS.iter().map(|row| (row.name, row)).collect();
    let words = list.as_bytes().split(|&b| b == b',').map(|word| OsString::from_vec(word.to_vec()));
    words.map(|word| named(&rows, "section", &word)).collect()
}
