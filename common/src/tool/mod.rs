//! What every tool has: the way from the command line to an exit status, and one way to print and to fail.

pub mod args;
pub mod complete;
mod help;
pub mod json;
pub mod paint;
pub mod table;

use std::ffi::OsString;
use std::io::{ErrorKind, Write};

use clap::Command;
use clap::error::{ContextKind, ContextValue};

use crate::error::{Error, Result};
use crate::sys;
use crate::text::{Charset, show};
use args::{Dialect, Matches, Opt};

/// One of the commands.
#[derive(Debug)]
pub struct Tool {
    /// How it is called.
    pub name: &'static str,
    /// Its options.
    pub options: fn() -> Vec<Opt>,
    /// The same for clap, with all that help says.
    pub command: fn() -> Command,
    /// How its command line is read.
    pub dialect: Dialect,
    /// The exit status of our own failures and of bad usage.
    pub failure: u8,
    /// The columns that can be asked of it, and what they show: none for most.
    pub columns: fn() -> Vec<(&'static str, &'static str)>,
    /// The parts of a whole that it can be told to leave out, and what they are: none for most.
    pub parts: fn() -> Vec<(&'static str, &'static str)>,
}

/// The life of a tool: reads the command line into a request, runs it, reports a failure, answers the exit
/// status.
pub fn main<R>(
    tool: &Tool,
    argv: Vec<OsString>,
    request: fn(&Matches) -> Result<R>,
    run: fn(R) -> anyhow::Result<u8>,
) -> u8 {
    if let Err(error) = sys::hold_standard_descriptors() {
        return report(tool, &error.into());
    }
    if let Some(status) = complete::answered(tool, &argv) {
        return status;
    }
    match read(tool, request, argv) {
        Ok(request) => match run(request) {
            Ok(status) => status,
            Err(error) => report(tool, &error),
        },
        Err(Stop::Told(text)) => {
            let columns = sys::terminal_columns(std::io::stdout());
            match print(&columns.map_or(text.clone(), |columns| help::fitted(&text, columns))) {
                Ok(()) => 0,
                Err(error) => report(tool, &error.into()),
            }
        }
        Err(Stop::Refused { line, hint }) => {
            complain(tool.name, &line, Some(&hint));
            tool.failure
        }
    }
}

/// Why a command line is not answered by running.
#[derive(Debug)]
pub enum Stop {
    /// It asked for this text: help, or the version.
    Told(String),
    /// It makes no sense.
    Refused {
        /// Why, in one line that may be shown.
        line: String,
        /// What to do.
        hint: String,
    },
}

/// Reads a command line into a request, with no look at the machine.
pub fn read<R>(
    tool: &Tool,
    request: fn(&Matches) -> Result<R>,
    argv: Vec<OsString>,
) -> std::result::Result<R, Stop> {
    let refused = |line, hint: Option<String>| Stop::Refused {
        line,
        hint: hint.unwrap_or_else(|| format!("`{} --help` shows what can be asked", tool.name)),
    };
    let failed = |error: Error| refused(error.to_string(), error.hint().map(str::to_string));
    let line = args::read((tool.options)(), &tool.dialect, argv).map_err(failed)?;
    let line = match line.matches() {
        Ok(matches) => return request(&matches).map_err(failed),
        Err(line) => line,
    };
    match (tool.command)().try_get_matches_from(line.canonical()) {
        // A rule of tests/fuzz says that this is not so.
        Ok(_) => Err(refused("the command line cannot be read".into(), None)),
        Err(error) if !error.use_stderr() => Err(Stop::Told(error.render().to_string())),
        Err(error) => {
            let (line, hint) = usage(&error);
            Err(refused(line, hint))
        }
    }
}

/// Says on stderr what failed and what to do, and answers the exit status for it.
pub fn report(tool: &Tool, error: &anyhow::Error) -> u8 {
    let ours = error.downcast_ref::<Error>();
    complain(tool.name, &format!("{error:#}"), ours.and_then(Error::hint));
    match ours {
        Some(ours) if tool.failure == LAUNCHER => ours.status(),
        _ => tool.failure,
    }
}

/// The exit status of a launcher's own failures.
pub const LAUNCHER: u8 = 125;

/// The exit status of a lister's failures.
pub const LISTER: u8 = 1;

/// One line on stderr, and one with advice. Where stderr cannot be written nobody is left to be told.
pub fn complain(name: &str, line: &str, hint: Option<&str>) {
    let mut text = format!("{name}: {line}\n");
    if let Some(hint) = hint {
        text.push_str(&format!("hint: {}\n", show(hint.as_bytes(), Charset::from_env())));
    }
    let _ = sys::without_sigpipe(|| std::io::stderr().write_all(text.as_bytes()));
}

/// Writes to stdout. A reader who has seen enough and closed the pipe is no failure.
pub fn print(text: &str) -> Result<()> {
    let mut stdout = std::io::stdout().lock();
    match sys::without_sigpipe(|| stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush())) {
        Err(e) if e.kind() != ErrorKind::BrokenPipe => Err(Error::io("write", "standard output", &e)),
        _ => Ok(()),
    }
}

/// The same of lines of any bytes, as far as they can be shown.
pub fn print_lines(lines: &[Vec<u8>]) -> Result<()> {
    print(&lines.iter().map(|line| show(line, Charset::from_env()) + "\n").collect::<String>())
}

/// What clap has to say in one line, and its tip.
fn usage(error: &clap::Error) -> (String, Option<String>) {
    let charset = Charset::from_env();
    let rendered = error.render().to_string();
    let mut line = Vec::new();
    let mut tips = Vec::new();
    for text in rendered.lines().map(str::trim) {
        match (text.strip_prefix("tip: "), text) {
            (_, text) if text.starts_with("Usage:") => break,
            // Nobody who mistypes an option means it as a value.
            (Some(tip), _) if tip.starts_with("to pass ") => {}
            (Some(tip), _) => tips.push(show(tip.as_bytes(), charset)),
            (None, text) if !text.is_empty() && !text.starts_with("For more information") => {
                line.push(show(text.strip_prefix("error: ").unwrap_or(text).as_bytes(), charset));
            }
            _ => {}
        }
    }
    if let Some(ContextValue::Strings(values)) = error.get(ContextKind::ValidValue)
        && tips.is_empty()
        && !values.is_empty()
    {
        tips.push(format!("one of: {}", values.join(" ")));
    }
    (line.join(" "), (!tips.is_empty()).then(|| tips.join("; ")))
}
