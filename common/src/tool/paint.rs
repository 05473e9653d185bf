//! Colours, for people who read on a terminal.

/// When output has colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Color {
    /// On a terminal that knows them, unless the user wants none: see [`Color::is_wanted`].
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// Every choice by its name; the first is the one where nothing was said.
pub const COLORS: &[(&str, Color)] =
    &[("auto", Color::Auto), ("always", Color::Always), ("never", Color::Never)];

impl Color {
    /// Is output to have colours? NO_COLOR, where it is not empty, and a terminal called "dumb" want none.
    /// Source: no-color.org.
    pub fn is_wanted(self, on_terminal: bool) -> bool {
        let variable = |name| std::env::var_os(name).unwrap_or_default();
        match self {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => on_terminal && variable("NO_COLOR").is_empty() && variable("TERM") != "dumb",
        }
    }
}

/// The look of a line for people.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Paint {
    /// As any other.
    #[default]
    Plain,
    /// Of little interest.
    Dim,
    /// To be noticed.
    Bright,
    /// A heading.
    Bold,
    /// A risk.
    Alarm,
}

impl Paint {
    /// What turns it on. Source: console_codes(4).
    fn code(self) -> &'static str {
        match self {
            Paint::Plain => "",
            Paint::Dim => "\x1b[2m",
            Paint::Bright => "\x1b[33m",
            Paint::Bold => "\x1b[1m",
            Paint::Alarm => "\x1b[31m",
        }
    }

    /// Text with this look, its end not included.
    pub fn on(self, text: &str) -> String {
        match self {
            _ if text.is_empty() => String::new(),
            Paint::Plain => text.to_string(),
            paint => format!("{}{text}\x1b[0m", paint.code()),
        }
    }
}
