//! Command lines as the originals read them: attached optional values, clusters, abbreviations, where options
//! end; and the options that come out of the kinds table.
//!
//! A good command line is read here alone. clap gets the same options only where there is something to tell, help or
//! what is wrong: to make its own table of them takes several times as long as all else until a program starts.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use clap::builder::{OsStringValueParser, TypedValueParser};
use clap::{Arg, ArgAction};

use crate::error::{Error, Result};
use crate::kind::{KINDS, Kind};
use crate::launch::parse_signal;
use crate::text::digits;

/// In what the originals' ways to read a command line differ.
#[derive(Debug)]
pub struct Dialect {
    /// Long options that the original lacks: an abbreviation means them only if it means none of its own.
    pub ours: &'static [&'static str],
    /// May a short option have its optional value attached (`-nFILE`, `-n=FILE`)?
    pub attached: bool,
    /// Do options end at the first operand, because it is a program that has its own?
    pub program: bool,
}

/// How one option takes values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Takes {
    Nothing,
    /// Only attached: `--net=FILE`.
    Optional,
    /// Attached or as the next word; the last one given counts.
    Required,
    /// The same, and all that are given count.
    Repeated,
    /// It is the value: no option, but what a lister is asked of.
    Operand,
    /// The same, and there may be several.
    Operands,
}

/// What help says of an option.
#[derive(Clone, Copy, Debug)]
enum Help {
    Text(&'static str),
    /// Made of this word, when help is asked for.
    Of(&'static str, fn(&'static str) -> String),
}

/// An option.
#[derive(Clone, Copy, Debug)]
pub struct Opt {
    long: &'static str,
    short: Option<char>,
    value: &'static str,
    takes: Takes,
    help: Help,
    can_be_empty: bool,
    conflicts: &'static [&'static str],
}

impl Opt {
    const fn new(short: Option<char>, long: &'static str, value: &'static str, help: &'static str) -> Opt {
        let takes = Takes::Required;
        Opt { long, short, value, takes, help: Help::Text(help), can_be_empty: false, conflicts: &[] }
    }

    /// With a help that is made of this word.
    pub const fn help_of(self, word: &'static str, make: fn(&'static str) -> String) -> Opt {
        Opt { help: Help::Of(word, make), ..self }
    }

    /// Not together with these.
    pub const fn conflicts(self, conflicts: &'static [&'static str]) -> Opt {
        Opt { conflicts, ..self }
    }

    /// With a value that can be empty: an unset variable in a script must not turn `--net="$NS"` into another request,
    /// but here it cannot.
    pub const fn can_be_empty(self) -> Opt {
        Opt { can_be_empty: true, ..self }
    }

    /// Is it what a lister is asked of, and no option?
    const fn is_operand(&self) -> bool {
        matches!(self.takes, Takes::Operand | Takes::Operands)
    }

    /// Its full name.
    pub const fn long(&self) -> &'static str {
        self.long
    }

    /// The same for clap.
    pub fn arg(&self) -> Arg {
        let arg = Arg::new(self.long).help(match self.help {
            Help::Text(text) => text.to_string(),
            Help::Of(word, make) => make(word),
        });
        let arg = if self.is_operand() { arg } else { arg.long(self.long) };
        let arg = match self.short {
            Some(short) => arg.short(short),
            None => arg,
        };
        let arg = arg.conflicts_with_all(self.conflicts);
        let arg = match self.takes {
            Takes::Nothing => return arg.action(ArgAction::SetTrue).overrides_with(self.long),
            Takes::Optional => arg.overrides_with(self.long).num_args(0..=1).require_equals(true),
            Takes::Required => arg.overrides_with(self.long),
            Takes::Repeated => arg.action(ArgAction::Append),
            Takes::Operand => arg,
            Takes::Operands => arg.num_args(0..),
        };
        let arg = arg.value_name(self.value);
        match self.can_be_empty {
            true => arg.value_parser(OsStringValueParser::new()),
            false => arg.value_parser(OsStringValueParser::new().try_map(not_empty)),
        }
    }
}

/// What every command has beside its own options.
const COMMON: &[Opt] = &[switch(Some('h'), "help", ""), switch(Some('V'), "version", "")];

/// A command line that can be read in one way only.
#[derive(Debug)]
pub struct Line {
    options: Vec<Opt>,
    tool: Option<OsString>,
    parts: Vec<Part>,
    /// What stands behind `--`, if that is there.
    words: Option<Vec<OsString>>,
}

#[derive(Debug)]
enum Part {
    /// An option, and its value without the `=`.
    Given(Opt, Option<OsString>),
    Operand(OsString),
    /// What is not known stays as it is, for clap to refuse.
    Unknown(OsString),
}

/// Reads a command line by the options that there are.
pub fn read(options: Vec<Opt>, dialect: &Dialect, argv: Vec<OsString>) -> Result<Line> {
    let mut words = argv.into_iter();
    let mut line = Line { options, tool: words.next(), parts: Vec::new(), words: None };
    while let Some(word) = words.next() {
        let bytes = word.as_bytes();
        if bytes == b"--" {
            line.words = Some(words.collect());
            break;
        } else if let Some(long) = bytes.strip_prefix(b"--") {
            let (name, value) = match long.iter().position(|&b| b == b'=') {
                Some(at) => (&long[..at], Some(OsString::from_vec(long[at + 1..].to_vec()))),
                None => (long, None),
            };
            let part = match by_long(&line.options, dialect, name)? {
                None => Part::Unknown(word),
                Some(opt @ Opt { takes: Takes::Required | Takes::Repeated, .. }) => {
                    Part::Given(opt, value.or_else(|| words.next()))
                }
                Some(opt) => Part::Given(opt, value),
            };
            line.parts.push(part);
        } else if bytes.len() > 1 && bytes[0] == b'-' {
            cluster(&line.options, dialect, &bytes[1..], &mut words, &mut line.parts)?;
        } else if dialect.program {
            line.words = Some([word].into_iter().chain(words).collect());
            break;
        } else {
            line.parts.push(Part::Operand(word));
        }
    }
    Ok(line)
}

impl Line {
    /// For clap: every option as its full long name, every value attached by `=`, the operands of a launcher behind `--`.
    pub fn canonical(self) -> Vec<OsString> {
        let part = |part| match part {
            Part::Given(opt, value) => {
                let value = value.map(|value| [b"=", value.as_bytes()].concat());
                OsString::from_vec([b"--", opt.long.as_bytes(), &value.unwrap_or_default()].concat())
            }
            Part::Operand(word) | Part::Unknown(word) => word,
        };
        let words = self.words.into_iter().flat_map(|words| ["--".into()].into_iter().chain(words));
        self.tool.into_iter().chain(self.parts.into_iter().map(part)).chain(words).collect()
    }

    /// What was given, or the line as it was where there is something to tell: help, or what is wrong.
    pub fn matches(self) -> std::result::Result<Matches, Line> {
        let behind = self.operand().filter(|_| self.words.iter().any(|words| !words.is_empty()));
        let names = || self.parts.iter().filter_map(|part| self.name(part)).chain(behind);
        let is_good = |part: &Part| match part {
            Part::Unknown(_) => false,
            Part::Operand(_) => self.name(part).is_some(),
            Part::Given(opt, _) if COMMON.iter().any(|common| common.long == opt.long) => false,
            Part::Given(opt, value) => {
                let value = value.as_ref().map(|value| opt.can_be_empty || !value.is_empty());
                match opt.takes {
                    Takes::Nothing | Takes::Operand | Takes::Operands => value.is_none(),
                    Takes::Optional => value != Some(false),
                    Takes::Required | Takes::Repeated => value == Some(true),
                }
            }
        };
        let excluded = |name| {
            let opt = self.options.iter().find(|opt| opt.long == name);
            opt.is_some_and(|opt| {
                !opt.conflicts.is_empty() && names().any(|other| opt.conflicts.contains(&other))
            })
        };
        let operand = self.operand();
        // A lister has operands behind `--` too.
        let behind = self.words.iter().flatten().filter(|_| operand.is_some()).count();
        let operands = behind + self.parts.iter().filter(|part| matches!(part, Part::Operand(_))).count();
        let is_one = self.options.iter().all(|opt| opt.takes != Takes::Operands);
        if operands > 1 && is_one || !self.parts.iter().all(is_good) || names().any(excluded) {
            return Err(self);
        }
        let given = self.parts.into_iter().filter_map(|part| match part {
            Part::Given(opt, value) => Some((opt.long, value)),
            Part::Operand(word) => Some((operand?, Some(word))),
            Part::Unknown(_) => None,
        });
        let (mut given, mut words): (Vec<_>, _) = (given.collect(), self.words.unwrap_or_default());
        if let Some(operand) = operand {
            given.extend(words.drain(..).map(|word| (operand, Some(word))));
        }
        Ok(Matches { given, words, options: self.options })
    }

    fn operand(&self) -> Option<&'static str> {
        self.options.iter().find(|opt| opt.is_operand()).map(|opt| opt.long)
    }

    fn name(&self, part: &Part) -> Option<&'static str> {
        match part {
            Part::Given(opt, _) => Some(opt.long),
            Part::Operand(_) => self.operand(),
            Part::Unknown(_) => None,
        }
    }
}

/// What was given of the options that there are, in its order.
#[derive(Debug)]
pub struct Matches {
    options: Vec<Opt>,
    given: Vec<(&'static str, Option<OsString>)>,
    words: Vec<OsString>,
}

impl Matches {
    /// Each time that this was given: its place among all that was given, and the value.
    fn each(&self, long: &str) -> impl DoubleEndedIterator<Item = (usize, Option<&OsString>)> {
        debug_assert!(self.options.iter().any(|opt| opt.long == long), "there is no --{long}");
        let given = self.given.iter().enumerate();
        given.filter(move |(_, (name, _))| *name == long).map(|(at, (_, value))| (at, value.as_ref()))
    }

    /// Was it given?
    pub fn has(&self, long: &str) -> bool {
        self.place(long).is_some()
    }

    /// Where it was given last.
    pub fn place(&self, long: &str) -> Option<usize> {
        self.each(long).next_back().map(|(at, _)| at)
    }

    /// The value of a [`valued`] option or an operand.
    pub fn value(&self, long: &str) -> Option<&OsString> {
        self.maybe(long).flatten()
    }

    /// An [`optional`] one: not given, given without, or with a value.
    pub fn maybe(&self, long: &str) -> Option<Option<&OsString>> {
        self.each(long).next_back().map(|(_, value)| value)
    }

    /// All values of a [`repeated`] one or of operands, with their places.
    pub fn all(&self, long: &str) -> impl Iterator<Item = (usize, &OsString)> {
        self.each(long).filter_map(|(at, value)| Some((at, value?)))
    }

    /// The program and its arguments.
    pub fn words(&self) -> Vec<OsString> {
        self.words.clone()
    }
}

/// The option with this long name, or the only one that begins with it.
fn by_long(options: &[Opt], dialect: &Dialect, name: &[u8]) -> Result<Option<Opt>> {
    let named = || options.iter().chain(COMMON).filter(|opt| !opt.is_operand());
    if let Some(opt) = named().find(|opt| opt.long.as_bytes() == name) {
        return Ok(Some(*opt));
    }
    for ours in [false, true] {
        let found: Vec<_> = named()
            .filter(|opt| dialect.ours.contains(&opt.long) == ours && opt.long.as_bytes().starts_with(name))
            .collect();
        match found[..] {
            [] => {}
            [opt] => return Ok(Some(*opt)),
            _ => {
                let names: Vec<_> = found.iter().map(|opt| format!("--{}", opt.long)).collect();
                let what = [b"option --", name, b" is ambiguous"].concat();
                return Err(Error::refused(what).with_hint(format!("one of: {}", names.join(" "))));
            }
        }
    }
    Ok(None)
}

/// Short options in one word: `-fn`, `-t5`, `-nFILE`.
fn cluster(
    options: &[Opt],
    dialect: &Dialect,
    mut rest: &[u8],
    words: &mut impl Iterator<Item = OsString>,
    out: &mut Vec<Part>,
) -> Result<()> {
    while let [short, tail @ ..] = rest {
        let opt = options.iter().chain(COMMON).find(|opt| opt.short == Some(char::from(*short)));
        let Some(opt) = opt else {
            // With a hyphen before it, it would be the end of the options.
            if *short == b'-' {
                return Err(Error::refused("a hyphen stands among short options"));
            }
            // Not an option: clap shall say so, of this letter.
            out.push(Part::Unknown(OsString::from_vec([b"-", &rest[..utf8_length(rest)]].concat())));
            return Ok(());
        };
        let value = |bytes: &[u8]| Some(OsString::from_vec(bytes.to_vec()));
        let (value, more) = match opt.takes {
            Takes::Nothing | Takes::Operand | Takes::Operands => (None, tail),
            Takes::Optional if dialect.attached => match tail {
                [] => (None, tail),
                _ => (value(tail.strip_prefix(b"=").unwrap_or(tail)), &b""[..]),
            },
            Takes::Optional => {
                if let Some(b'=' | b'/') = tail.first() {
                    return Err(Error::refused(format!("option -{} takes no value", char::from(*short)))
                        .with_hint(format!("give it to the long option: --{}=VALUE", opt.long)));
                }
                (None, tail)
            }
            Takes::Required | Takes::Repeated if tail.is_empty() => (words.next(), tail),
            // Some of the originals' helps say so of these too.
            Takes::Required | Takes::Repeated if dialect.attached && tail.len() > 1 => {
                (value(tail.strip_prefix(b"=").unwrap_or(tail)), &b""[..])
            }
            Takes::Required | Takes::Repeated => (value(tail), &b""[..]),
        };
        out.push(Part::Given(*opt, value));
        rest = more;
    }
    Ok(())
}

/// How many bytes the first character takes; all of them where it is none.
fn utf8_length(bytes: &[u8]) -> usize {
    match bytes.utf8_chunks().next() {
        Some(chunk) if !chunk.valid().is_empty() => chunk.valid().chars().next().map_or(1, char::len_utf8),
        _ => bytes.len(),
    }
}

/// A plain switch.
pub const fn switch(short: Option<char>, long: &'static str, help: &'static str) -> Opt {
    Opt { takes: Takes::Nothing, ..Opt::new(short, long, "", help) }
}

/// An option whose value is any bytes; the last one given counts.
pub const fn valued(short: Option<char>, long: &'static str, value: &'static str, help: &'static str) -> Opt {
    Opt::new(short, long, value, help)
}

/// The same where all that are given count.
pub const fn repeated(
    short: Option<char>,
    long: &'static str,
    value: &'static str,
    help: &'static str,
) -> Opt {
    Opt { takes: Takes::Repeated, ..Opt::new(short, long, value, help) }
}

/// The same with a value that may be left out, and is attached by `=` where it is not.
pub const fn optional(
    short: Option<char>,
    long: &'static str,
    value: &'static str,
    help: &'static str,
) -> Opt {
    Opt { takes: Takes::Optional, ..Opt::new(short, long, value, help) }
}

/// What a lister is asked of, at most one.
pub const fn operand(name: &'static str, value: &'static str, help: &'static str) -> Opt {
    Opt { takes: Takes::Operand, can_be_empty: true, ..Opt::new(None, name, value, help) }
}

/// The same where there may be several.
pub const fn operands(name: &'static str, value: &'static str, help: &'static str) -> Opt {
    Opt { takes: Takes::Operands, ..operand(name, value, help) }
}

fn not_empty(value: OsString) -> std::result::Result<OsString, &'static str> {
    if value.is_empty() { Err("the value is empty") } else { Ok(value) }
}

/// The program and its arguments, for launchers.
pub fn program() -> Arg {
    Arg::new("program")
        .value_name("PROGRAM [ARG]...")
        .value_parser(OsStringValueParser::new())
        .num_args(0..)
        .last(true)
        // The usage line shows it, and clap would show its dots twice.
        .hide(true)
}

/// What help says of it.
pub const OF_PROGRAM: &str = "Without a program, $SHELL is run as a login shell.";

/// One option for each kind of namespace, whose value may be left out.
pub fn kinds(value: &'static str, help: fn(&'static str) -> String) -> impl Iterator<Item = Opt> {
    KINDS.iter().map(move |row| optional(Some(row.short), row.long, value, "").help_of(row.what, help))
}

/// The kind with this name, for options that name one.
pub fn parse_kind(text: &[u8]) -> Result<Kind> {
    Kind::from_name(text).ok_or_else(|| {
        let names: Vec<_> = Kind::all().map(Kind::name).collect();
        Error::refused([b"unknown kind of namespace: ", text].concat())
            .with_hint(format!("one of: {}", names.join(" ")))
    })
}

/// What has this name in a table; `what` is what the table holds.
pub fn named<T: Copy>(table: &[(&str, T)], what: &str, name: &OsString) -> Result<T> {
    table.iter().find(|(known, _)| name == known).map(|(_, found)| *found).ok_or_else(|| {
        let names: Vec<_> = table.iter().map(|(name, _)| *name).collect();
        Error::refused([format!("unknown {what}: ").as_bytes(), name.as_bytes()].concat())
            .with_hint(format!("one of: {}", names.join(" ")))
    })
}

/// A signal by its number or name, of an option whose value may be left out: it is KILL then.
pub fn signal(text: Option<&OsString>) -> Result<i32> {
    match text {
        None => Ok(9),
        Some(text) => text.to_str().and_then(parse_signal).ok_or_else(|| {
            Error::refused([b"unknown signal: ", text.as_bytes()].concat())
                .with_hint("a number, or a name as `kill -l` prints it")
        }),
    }
}

/// A decimal number without a sign, of an option's value. Never wraps and takes nothing else.
pub fn number<T: TryFrom<u64>>(what: &str, text: &OsString) -> Result<T> {
    let bytes = text.as_bytes();
    digits(bytes).ok_or_else(|| Error::refused([what.as_bytes(), b" is no valid number: ", bytes].concat()))
}

/// A user or group id. The highest number means "no change" to the kernel (setresuid(2)), so it is none.
pub fn id(what: &str, text: &OsString) -> Result<u32> {
    number(what, text).and_then(|id: u32| match id {
        u32::MAX => {
            Err(Error::refused([what.as_bytes(), b" is no valid number: ", text.as_bytes()].concat()))
        }
        _ => Ok(id),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPTIONS: &[Opt] = &[
        switch(Some('f'), "fork", ""),
        switch(None, "no-fork", ""),
        valued(Some('t'), "target", "PID", ""),
        optional(Some('n'), "net", "FILE", ""),
        switch(Some('i'), "ipc", ""),
        switch(None, "init", ""),
    ];

    fn rewritten(dialect: &Dialect, line: &str) -> String {
        let argv =
            format!("t {line}").split(' ').filter(|word| !word.is_empty()).map(OsString::from).collect();
        match read(OPTIONS.to_vec(), dialect, argv).map(Line::canonical) {
            Ok(words) => words[1..].join(std::ffi::OsStr::new(" ")).into_string().expect("UTF-8"),
            Err(e) => format!("! {e}"),
        }
    }

    #[test]
    fn launchers_that_attach_read_as_nsenter_does() {
        let dialect = Dialect { ours: &["init"], attached: true, program: true };
        let cases = [
            ("-t 5 -n ip a", "--target=5 --net -- ip a"),
            ("-nFILE", "--net=FILE"),
            ("-n=FILE", "--net=FILE"),
            ("--net=FILE", "--net=FILE"),
            ("--net FILE", "--net -- FILE"),
            ("-n ip a -t 5", "--net -- ip a -t 5"),
            ("-nt 5", "--net=t -- 5"),
            ("-fnt5", "--fork --net=t5"),
            ("-ft5 -- -x", "--fork --target=5 -- -x"),
            ("-t=5", "--target=5"),
            ("-t=", "--target=="),
            ("--targ 5", "--target=5"),
            ("--i", "--ipc"),
            ("--in", "--init"),
            ("--n", "! option --n is ambiguous"),
            ("--ne", "--net"),
            ("-x", "-x"),
            ("-fxn", "--fork -x"),
            ("-f-n sh", "! a hyphen stands among short options"),
            ("-t", "--target"),
            ("-", "-- -"),
            ("--nope=1 -f", "--nope=1 --fork"),
        ];
        for (line, expected) in cases {
            assert_eq!(rewritten(&dialect, line), expected, "{line}");
        }
    }

    #[test]
    fn launchers_that_do_not_attach_read_as_unshare_does() {
        let dialect = Dialect { ours: &[], attached: false, program: true };
        let cases = [
            ("-fn sleep 60", "--fork --net -- sleep 60"),
            ("-nf", "--net --fork"),
            ("-n=FILE", "! option -n takes no value"),
            ("-n/run/x", "! option -n takes no value"),
            ("--net=FILE", "--net=FILE"),
        ];
        for (line, expected) in cases {
            assert_eq!(rewritten(&dialect, line), expected, "{line}");
        }
    }

    #[test]
    fn operands_of_listers_do_not_end_the_options() {
        let dialect = Dialect { ours: &[], attached: true, program: false };
        assert_eq!(rewritten(&dialect, "4026531840 -f"), "4026531840 --fork");
    }

    #[test]
    fn numbers_do_not_wrap() {
        let cases = [
            ("0", Some(0)),
            ("4294967295", Some(u32::MAX)),
            ("4294967296", None),
            ("-1", None),
            ("", None),
            ("1x", None),
            (" 1", None),
        ];
        for (text, expected) in cases {
            assert_eq!(number::<u32>("uid", &text.into()).ok(), expected, "{text}");
        }
    }
}
