//! Command lines as the originals read them: attached optional values, clusters, abbreviations, where options
//! end; and the options that come out of the kinds table.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use clap::builder::{OsStringValueParser, TypedValueParser};
use clap::{Arg, ArgAction, ArgMatches, Command};

use crate::error::{Error, Result};
use crate::kind::{KINDS, Kind};
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
enum Takes {
    Nothing,
    /// Only attached: `--net=FILE`.
    Optional,
    /// Attached or as the next word.
    Required,
}

fn takes(arg: &Arg) -> Takes {
    match arg.get_num_args() {
        _ if !arg.get_action().takes_values() => Takes::Nothing,
        Some(range) if range.min_values() == 0 => Takes::Optional,
        _ => Takes::Required,
    }
}

/// Rewrites a command line so that it can be read in one way only: every option as its full long name, every
/// value attached by `=`, the operands of a launcher behind `--`. What is not known stays as it is, for clap
/// to refuse.
pub fn canonical(command: &mut Command, dialect: &Dialect, argv: Vec<OsString>) -> Result<Vec<OsString>> {
    command.build();
    let mut words = argv.into_iter();
    let mut out: Vec<OsString> = words.next().into_iter().collect();
    while let Some(word) = words.next() {
        let bytes = word.as_bytes();
        if bytes == b"--" {
            out.push(word);
            break;
        } else if let Some(long) = bytes.strip_prefix(b"--") {
            let (name, value) = match long.iter().position(|&b| b == b'=') {
                Some(at) => (&long[..at], Some(&long[at..])),
                None => (long, None),
            };
            let Some(arg) = by_long(command, dialect, name)? else {
                out.push(word);
                continue;
            };
            let next = match (takes(arg), value) {
                (Takes::Required, None) => words.next(),
                _ => None,
            };
            out.push(option(arg, value, next));
        } else if bytes.len() > 1 && bytes[0] == b'-' {
            cluster(command, dialect, &bytes[1..], &mut words, &mut out)?;
        } else if dialect.program {
            out.push("--".into());
            out.push(word);
            break;
        } else {
            out.push(word);
        }
    }
    out.extend(words);
    Ok(out)
}

/// `--name`, `--name=attached` or `--name=next`.
fn option(arg: &Arg, attached: Option<&[u8]>, next: Option<OsString>) -> OsString {
    let mut word = format!("--{}", arg.get_long().unwrap_or_default()).into_bytes();
    match (attached, next) {
        (Some(value), _) => word.extend(value),
        (None, Some(next)) => {
            word.push(b'=');
            word.extend(next.as_bytes());
        }
        (None, None) => {}
    }
    OsString::from_vec(word)
}

/// The option with this long name, or the only one that begins with it.
fn by_long<'a>(command: &'a Command, dialect: &Dialect, name: &[u8]) -> Result<Option<&'a Arg>> {
    let named = || command.get_arguments().filter_map(|arg| Some((arg, arg.get_long()?)));
    if let Some((arg, _)) = named().find(|(_, long)| long.as_bytes() == name) {
        return Ok(Some(arg));
    }
    for ours in [false, true] {
        let found: Vec<_> = named()
            .filter(|(_, long)| dialect.ours.contains(long) == ours && long.as_bytes().starts_with(name))
            .collect();
        match found[..] {
            [] => {}
            [(arg, _)] => return Ok(Some(arg)),
            _ => {
                let names: Vec<_> = found.iter().map(|(_, long)| format!("--{long}")).collect();
                let what = [b"option --", name, b" is ambiguous"].concat();
                return Err(Error::refused(what).with_hint(format!("one of: {}", names.join(" "))));
            }
        }
    }
    Ok(None)
}

/// Short options in one word: `-fn`, `-t5`, `-nFILE`.
fn cluster(
    command: &Command,
    dialect: &Dialect,
    mut rest: &[u8],
    words: &mut impl Iterator<Item = OsString>,
    out: &mut Vec<OsString>,
) -> Result<()> {
    while let [short, tail @ ..] = rest {
        let arg = command.get_arguments().find(|arg| arg.get_short() == Some(char::from(*short)));
        let Some(arg) = arg else {
            // With a hyphen before it, it would be the end of the options.
            if *short == b'-' {
                return Err(Error::refused("a hyphen stands among short options"));
            }
            // Not an option: clap shall say so, of this letter.
            out.push(OsString::from_vec([b"-", &rest[..utf8_length(rest)]].concat()));
            return Ok(());
        };
        rest = match takes(arg) {
            Takes::Nothing => {
                out.push(option(arg, None, None));
                tail
            }
            Takes::Optional if dialect.attached => {
                let value = tail.strip_prefix(b"=").unwrap_or(tail);
                let value = [b"=", value].concat();
                out.push(option(arg, (!tail.is_empty()).then_some(&value), None));
                b""
            }
            Takes::Optional => {
                if let Some(b'=' | b'/') = tail.first() {
                    let long = arg.get_long().unwrap_or_default();
                    return Err(Error::refused(format!("option -{} takes no value", char::from(*short)))
                        .with_hint(format!("give it to the long option: --{long}=VALUE")));
                }
                out.push(option(arg, None, None));
                tail
            }
            Takes::Required => {
                let next =
                    if tail.is_empty() { words.next() } else { Some(OsString::from_vec(tail.to_vec())) };
                out.push(option(arg, None, next));
                b""
            }
        };
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
pub fn switch(short: Option<char>, long: &'static str, help: &'static str) -> Arg {
    let arg = Arg::new(long).long(long).action(ArgAction::SetTrue).overrides_with(long).help(help);
    match short {
        Some(short) => arg.short(short),
        None => arg,
    }
}

/// An option whose value is any bytes; the last one given counts.
pub fn valued(short: Option<char>, long: &'static str, value: &'static str, help: &'static str) -> Arg {
    repeated(short, long, value, help).action(ArgAction::Set).overrides_with(long)
}

/// The same where all that are given count.
pub fn repeated(short: Option<char>, long: &'static str, value: &'static str, help: &'static str) -> Arg {
    let arg = Arg::new(long)
        .long(long)
        .value_name(value)
        .value_parser(OsStringValueParser::new().try_map(not_empty))
        .action(ArgAction::Append)
        .help(help);
    match short {
        Some(short) => arg.short(short),
        None => arg,
    }
}

/// The same with a value that may be left out, and is attached by `=` where it is not.
pub fn optional(short: Option<char>, long: &'static str, value: &'static str, help: &'static str) -> Arg {
    valued(short, long, value, help).num_args(0..=1).require_equals(true)
}

/// An unset variable in a script must not turn `--net="$NS"` into another request.
fn not_empty(value: OsString) -> std::result::Result<OsString, &'static str> {
    if value.is_empty() { Err("the value is empty") } else { Ok(value) }
}

/// The program and its arguments, for launchers.
pub fn program() -> Arg {
    Arg::new(PROGRAM)
        .value_name("PROGRAM [ARG]...")
        .value_parser(OsStringValueParser::new())
        .num_args(0..)
        .last(true)
        // The usage line shows it, and clap would show its dots twice.
        .hide(true)
}

/// What help says of it.
pub const OF_PROGRAM: &str = "Without a program, $SHELL is run as a login shell.";

const PROGRAM: &str = "program";

/// What [`program`] was given.
pub fn words(matches: &ArgMatches) -> Vec<OsString> {
    matches.get_many::<OsString>(PROGRAM).into_iter().flatten().cloned().collect()
}

/// The value of a [`valued`] option.
pub fn value<'a>(matches: &'a ArgMatches, long: &str) -> Option<&'a OsString> {
    matches.get_one::<OsString>(long)
}

/// An [`optional`] one: not given, given without, or with a value.
pub fn maybe<'a>(matches: &'a ArgMatches, long: &str) -> Option<Option<&'a OsString>> {
    let given = matches.value_source(long) == Some(clap::parser::ValueSource::CommandLine);
    given.then(|| matches.get_one::<OsString>(long))
}

/// One option for each kind of namespace, whose value may be left out.
pub fn kinds(value: &'static str, help: impl Fn(&str) -> String) -> impl Iterator<Item = Arg> {
    KINDS.iter().map(move |row| optional(Some(row.short), row.long, value, "").help(help(row.what)))
}

/// The same options without a value.
pub fn kind_switches(help: impl Fn(&str) -> String) -> impl Iterator<Item = Arg> {
    KINDS.iter().map(move |row| switch(Some(row.short), row.long, "").help(help(row.what)))
}

/// The kind with this name, for options that name one.
pub fn parse_kind(text: &[u8]) -> Result<Kind> {
    Kind::from_name(text).ok_or_else(|| {
        let names: Vec<_> = Kind::all().map(Kind::name).collect();
        Error::refused([b"unknown kind of namespace: ", text].concat())
            .with_hint(format!("one of: {}", names.join(" ")))
    })
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

    fn command() -> Command {
        Command::new("t")
            .args([
                switch(Some('f'), "fork", ""),
                switch(None, "no-fork", ""),
                valued(Some('t'), "target", "PID", ""),
                optional(Some('n'), "net", "FILE", ""),
                switch(Some('i'), "ipc", ""),
                switch(None, "init", ""),
            ])
            .arg(program())
    }

    fn rewritten(dialect: &Dialect, line: &str) -> String {
        let argv =
            format!("t {line}").split(' ').filter(|word| !word.is_empty()).map(OsString::from).collect();
        match canonical(&mut command(), dialect, argv) {
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
