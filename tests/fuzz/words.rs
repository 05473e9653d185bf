//! Rules for what reads the words of a user: values of options, and whole command lines.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use clap::ArgMatches;
use clap::parser::ValueSource;
use common::Result;
use common::cgroup::group::Version;
use common::cgroup::knobs::{KNOBS, Limits, Value};
use common::kind::KINDS;
use common::launch::{Environment, parse_signal};
use common::ns::refer::Ref;
use common::ns::root::Extra;
use common::tool::args::{self, Line, Matches, Opt};
use common::tool::table::{Cell, Shape};
use common::tool::{Stop, Tool, read};

use super::output::is_line;
use super::{decimal, pieces};
use crate::tools::rlsns::columns::COLUMNS;
use crate::tools::rlsns::filter::{Column, Filter};

/// A limit is what its digits and its unit make, in range, and never wraps; what is told to the kernel are
/// numbers.
pub(super) fn limit(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    for knob in KNOBS {
        let value = (knob.parse)(bytes);
        match &value {
            None => {}
            Some(Value::Max) => assert!(text == "max" || text == "-1"),
            Some(Value::Idle) => assert!(text == "idle"),
            Some(Value::On) => assert!(bytes.is_empty() && knob.is_switch()),
            Some(Value::Cpus(cpus)) => {
                let percent: f64 = text.strip_suffix('%').expect("a percent sign").parse().expect("a number");
                assert!((cpus * 100.0 - percent).abs() < 1e-6 * percent);
            }
            Some(Value::Signed(number)) => {
                let (sign, digits) = text.strip_prefix('-').map_or((1, &*text), |digits| (-1, digits));
                let digits = decimal(digits.as_bytes(), 1000).expect("digits");
                assert_eq!(i128::from(*number), sign * i128::try_from(digits).expect("a small number"));
            }
            Some(Value::List(list)) => {
                // It is the same list, and a short one.
                let numbers = |list: &str| {
                    let piece = |piece: &str| {
                        let (first, last) = piece.split_once('-').unwrap_or((piece, piece));
                        let number = |text: &str| decimal(text.as_bytes(), 65535).expect("digits");
                        number(first)..=number(last)
                    };
                    list.split(',').flat_map(piece).collect::<std::collections::BTreeSet<_>>()
                };
                assert_eq!(numbers(list), numbers(&text));
                assert_eq!((knob.parse)(list.as_bytes()), value);
            }
            Some(Value::Device(name, most)) => {
                let rest = bytes.strip_prefix(&name[..]).expect("the device first");
                let rest = rest.strip_prefix(b":").expect("a colon").to_vec();
                let rest = String::from_utf8(rest).expect("a number");
                match most {
                    None => assert!(rest == "max" || rest == "-1"),
                    Some(most) => assert_size(&rest, *most),
                }
            }
            Some(Value::Number(number)) => {
                assert_size(&text, *number);
                assert_eq!((knob.parse)(number.to_string().as_bytes()), value);
            }
        }
        let mut limits = Limits::default();
        assert_eq!(limits.set(knob, bytes).is_ok(), value.is_some());
        assert_eq!(limits.is_empty(), value.is_none());
        assert_eq!(limits.controllers().is_empty(), value.is_none() || knob.controller.is_empty());
    }
    let mut limits = Limits::default();
    if limits.set_raw(bytes).is_ok() {
        assert!(bytes.contains(&b'=') && !bytes.contains(&b'\n') && !bytes.starts_with(b"cgroup."));
        assert!(!bytes.split(|&b| b == b'=').next().expect("a file").contains(&b'/'));
    } else {
        assert!(limits.is_empty());
    }
    let mut limits = Limits::default();
    match limits.set_cpus(bytes) {
        Err(e) => assert!(is_line(&e.to_string()) && limits.is_empty()),
        Ok(()) => {
            let row = |option| KNOBS.iter().find(|knob| knob.option == option).expect("a row");
            let told = limits.settings("cpu", Version::V2).expect("both have it").remove(0).value;
            let (quota, period) = told.split_once(' ').expect("two numbers");
            let in_range = |option, text: &str| (row(option).parse)(text.as_bytes()).is_some();
            assert!(in_range("cpu-quota", quota) && in_range("cpu-period", period), "{told}");
            // No more than half a microsecond from what was asked.
            let [quota, period, cpus] =
                [quota, period, &text].map(|number| number.parse::<f64>().expect("a number"));
            assert!((quota - cpus * period).abs() <= 0.5 + 1e-6, "{told}");
        }
    }
}

/// So many bytes, with or without a unit, or a number alone.
fn assert_size(text: &str, number: u64) {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let power = match text[end..].to_ascii_uppercase().trim_end_matches("B").trim_end_matches("I") {
        "" => 0,
        unit => 1 + "KMGT".find(unit).expect("a unit"),
    };
    let Some((whole, part)) = text[..end].split_once('.') else {
        let expected = decimal(&text.as_bytes()[..end], u128::MAX).expect("digits") << (10 * power);
        return assert_eq!(u128::from(number), expected);
    };
    let whole = decimal(whole.as_bytes(), u128::MAX).expect("digits") << (10 * power);
    let part = format!("0.{part}").parse::<f64>().expect("digits") * f64::from(1u32 << 10).powi(power as i32);
    assert!(
        (u128::from(number) - whole) as f64 - part <= 1.0
            && part - ((u128::from(number) - whole) as f64) < 2.0
    );
}

/// A signal is one that there is, in any case of letters, with and without SIG.
pub(super) fn signal(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let found = parse_signal(&text);
    assert_eq!(parse_signal(&text.to_ascii_lowercase()), found);
    match (found, decimal(text.as_bytes(), 1 << 90)) {
        (found, Some(number)) => assert_eq!(found.is_some(), (1..=64).contains(&number)),
        (None, None) => {}
        (Some(signal), None) => {
            assert!((1..=64).contains(&signal));
            assert_eq!(parse_signal(&signal.to_string()), found);
            let bare = text.to_ascii_uppercase();
            let bare = bare.strip_prefix("SIG").unwrap_or(&bare);
            assert_eq!((parse_signal(bare), parse_signal(&format!("sig{bare}"))), (found, found));
        }
    }
}

/// A word names one thing: what it is can be told by a slow way, and an option that takes files as well reads it the
/// same if there is a prefix.
pub(super) fn reference(bytes: &[u8]) {
    let word = OsString::from_vec(bytes.to_vec());
    let (read, prefixed) = (Ref::parse(&word), Ref::prefixed(&word));
    match &prefixed {
        Ok(None) => {}
        Ok(Some(reference)) => assert_eq!(read.as_ref().ok(), Some(reference)),
        Err(e) => assert_eq!(read.as_ref().map_err(ToString::to_string), Err(e.to_string())),
    }
    let has = |prefix: &str| bytes.starts_with(prefix.as_bytes());
    let kinds = KINDS.iter().any(|row| has(&format!("{}:", row.name)));
    let is_prefixed = kinds || ["ctr:", "unit:", "netns:", "cg:"].iter().any(|prefix| has(prefix));
    assert_eq!(is_prefixed, !matches!(prefixed, Ok(None)));
    let pid = |pid: &i32| (1..=4_194_304).contains(pid);
    let number = |text: &[u8]| decimal(text, u128::MAX);
    match read {
        Err(e) => assert!(is_line(&e.to_string()) && e.hint().is_none_or(is_line)),
        Ok(Ref::Process(found)) => assert!(pid(&found) && number(bytes) == Some(found as u128)),
        Ok(Ref::Inode(None, ino)) => {
            assert!((4_026_531_832..=4_294_967_295).contains(&ino) && number(bytes) == Some(ino.into()));
        }
        Ok(Ref::Inode(Some(kind), ino)) => {
            let digits = &bytes[kind.name().len() + 2..bytes.len() - 1];
            assert_eq!(number(digits), Some(ino.into()));
        }
        Ok(Ref::Id(kind, id)) => assert_eq!(number(&bytes[kind.name().len() + 2..]), Some(id.into())),
        Ok(Ref::Pidfd { pid: found, inode }) => {
            let mut parts = bytes.splitn(2, |&b| b == b':').map(number);
            assert!(pid(&found) && inode > 0);
            assert_eq!((parts.next(), parts.next()), (Some(Some(found as u128)), Some(Some(inode.into()))));
        }
        Ok(Ref::Thread { pid: found, tid }) => {
            let mut parts = bytes.splitn(2, |&b| b == b'/').map(number);
            assert!(pid(&found) && pid(&tid));
            assert_eq!((parts.next(), parts.next()), (Some(Some(found as u128)), Some(Some(tid as u128))));
        }
        Ok(Ref::File(path)) => assert!(path.as_os_str() == word && bytes.contains(&b'/')),
        Ok(Ref::This) => assert_eq!(bytes, b"self"),
        Ok(Ref::Parent) => assert_eq!(bytes, b"parent"),
        Ok(Ref::Init) => assert_eq!(bytes, b"init"),
        Ok(Ref::Container(name)) => assert!(name == bytes || [b"ctr:", &name[..]].concat() == bytes),
        Ok(Ref::Netns(name)) => assert_eq!([b"netns:", &name[..]].concat(), bytes),
        Ok(Ref::Unit(name)) => assert_eq!([b"unit:", &name[..]].concat(), bytes),
        Ok(Ref::Group(hierarchy, path)) => {
            let hierarchy = hierarchy.map(|name| [&name[..], b":"].concat()).unwrap_or_default();
            assert!(path.starts_with(b"/") && [b"cg:", &hierarchy[..], &path].concat() == bytes);
        }
    }
}

/// A made-up line: its cells follow from its number and the name of the column.
fn cell(line: usize, column: &Column) -> Cell {
    let number = column.name.len() + line;
    match (column.shape, number % 4) {
        (_, 0) => Cell::Empty,
        (Shape::Number, _) => Cell::Number(number as u64 / 4),
        (_, 1) => Cell::Lines(vec![b"/a".to_vec(), b"/b\xff".to_vec()]),
        (_, 2) => Cell::Text(number.to_string().into_bytes()),
        (_, _) => Cell::Text(column.name.to_ascii_lowercase().into_bytes()),
    }
}

/// A filter means the same in parentheses, and what is made of two by an operator is what that operator says; one
/// that cannot be read is refused in one line.
pub(super) fn filter(bytes: &[u8]) {
    // The C library takes memory without end for expressions that repeat repetitions, or refer back.
    let repeated = bytes.iter().filter(|b| **b == b'+').count();
    if bytes.contains(&b'{') || bytes.contains(&b'\\') || repeated > 5 {
        return;
    }
    let truths = |text: &[u8]| -> Option<Vec<bool>> {
        match Filter::parse(text) {
            Err(e) => {
                assert!(is_line(&e.to_string()) && e.hint().is_none_or(is_line), "{e}");
                None
            }
            Ok(None) => {
                assert!(text.is_empty());
                None
            }
            Ok(Some(filter)) => {
                assert!(!text.is_empty() && text.len() <= 1024);
                let known = |column: &&Column| COLUMNS.iter().any(|known| known.name == column.name);
                assert!(filter.columns().iter().all(known));
                Some((0..8).map(|line| filter.holds(&|column| cell(line, column))).collect())
            }
        }
    };
    let mut texts = pieces(bytes);
    let text = texts.next().unwrap_or_default();
    let Some(one) = truths(text) else { return };
    let quoted = text.iter().any(|b| b"\"'".contains(b));
    if !quoted && !text.windows(2).any(|pair| pair == b"iB") {
        assert_eq!(truths(&text.to_ascii_uppercase()).as_ref(), Some(&one), "words in any case");
    }
    let other = texts.next().unwrap_or(b"TYPE");
    let Some(two) = truths(other) else { return };
    type Law = (&'static str, fn(bool, bool) -> bool);
    #[rustfmt::skip]
    const LAWS: &[Law] = &[
        ("(A)", |a, _| a), ("!(A)", |a, _| !a), ("not not ( A )", |a, _| a),
        ("(A)&&(B)", |a, b| a && b), ("(A) or (B)", |a, b| a || b),
        ("(A)||(B)&&(A)", |a, _| a), ("(A)&&(B)||(A)", |a, _| a),
        ("!!(A)==!!(B)", |a, b| a == b), ("!(A)!=!(B)", |a, b| a != b), ("!!(A)<!!(B)", |a, b| !a & b),
        ("!!(A) ge !!(B)", |a, b| a >= b), ("!(A)LE!(B)", |a, b| a >= b), ("!!(A)>!!(B)", |a, b| a & !b),
    ];
    for (law, holds) in LAWS {
        let part = |b: u8| match b {
            b'A' => text.to_vec(),
            b'B' => other.to_vec(),
            b => vec![b],
        };
        // Longer than is allowed, or with more parts, it is refused.
        if let Some(made) = truths(&law.bytes().flat_map(part).collect::<Vec<u8>>()) {
            let expected: Vec<bool> = one.iter().zip(&two).map(|(a, b)| holds(*a, *b)).collect();
            assert_eq!(made, expected, "{law}");
        } else {
            assert!(text.len() + other.len() > 100, "{law}");
        }
    }
}

/// A command line becomes a request, a text or one line that says why not, and is the same when rewritten
/// twice; clap takes those that we take, and no other, and finds the same in them.
fn line<R>(tool: &Tool, request: fn(&Matches) -> Result<R>, bytes: &[u8]) -> Option<(R, Vec<OsString>)> {
    let words = [tool.name.as_bytes()].into_iter().chain(pieces(bytes));
    let argv: Vec<OsString> = words.map(|word| OsString::from_vec(word.to_vec())).collect();
    let line = |argv: &[OsString]| args::read((tool.options)(), &tool.dialect, argv.to_vec());
    let canonical = |argv: &[OsString]| line(argv).map(Line::canonical);
    if let Ok(once) = canonical(&argv) {
        assert_eq!(canonical(&once).ok().as_ref(), Some(&once));
        same((tool.options)(), line(&argv).map(Line::matches), (tool.command)().try_get_matches_from(once));
    }
    match read(tool, request, argv.clone()) {
        Ok(request) => return Some((request, argv)),
        Err(Stop::Told(text)) => assert!(text.lines().all(is_line) && text.contains(tool.name)),
        Err(Stop::Refused { line, hint }) => {
            assert!(is_line(&line) && !line.is_empty() && !hint.is_empty(), "{line:?}")
        }
    }
    None
}

fn same(
    options: Vec<Opt>,
    ours: Result<std::result::Result<Matches, Line>>,
    theirs: std::result::Result<ArgMatches, clap::Error>,
) {
    let (Ok(Ok(ours)), Ok(theirs)) = (&ours, &theirs) else {
        return assert_eq!(matches!(ours, Ok(Ok(_))), theirs.is_ok());
    };
    let given = |name| theirs.value_source(name) == Some(ValueSource::CommandLine);
    let mut order = Vec::new();
    for name in options.iter().map(Opt::long) {
        assert_eq!(ours.has(name), given(name), "{name}");
        let place = given(name).then(|| theirs.indices_of(name)).flatten().and_then(Iterator::last);
        // clap knows the places of values and of switches alone.
        order.extend(ours.place(name).zip(place));
        if let Ok(Some(values)) = theirs.try_get_many::<OsString>(name) {
            let values: Vec<_> = values.collect();
            assert_eq!(ours.value(name), values.last().copied(), "{name}");
            let all = ours.all(name).map(|(_, value)| value);
            assert!(values.len() < 2 || values.into_iter().eq(all), "{name}");
        }
    }
    order.sort_unstable();
    assert!(order.is_sorted_by_key(|(_, theirs)| *theirs), "{order:?}");
    let words = theirs.try_get_many::<OsString>("program").ok().flatten();
    assert!(words.into_iter().flatten().eq(ours.words().iter()));
}

/// What is bound where is read back from names in which colons and backslashes are escaped.
pub(super) fn bind(bytes: &[u8]) {
    let escaped = |path: &std::path::Path| -> Vec<u8> {
        let escape = |b: &u8| if b":\\".contains(b) { vec![b'\\', *b] } else { vec![*b] };
        path.as_os_str().as_bytes().iter().flat_map(escape).collect()
    };
    match Extra::bind(bytes) {
        Err(e) => assert!(is_line(&e.to_string()) && e.hint().is_none_or(is_line)),
        Ok(extra) => {
            let Extra::Bind { from, to, read_only } = &extra else { panic!("{extra:?}") };
            assert!(!from.as_os_str().is_empty() && !to.as_os_str().is_empty());
            let end: &[u8] = if *read_only { b":ro" } else { b"" };
            let again = [&escaped(from)[..], b":", &escaped(to), end].concat();
            assert_eq!(Extra::bind(&again).ok().as_ref(), Some(&extra));
            assert_eq!(extra.place(), to);
        }
    }
}

/// Names of variables are what stands between commas, none of them empty or no name.
pub(super) fn environment(bytes: &[u8]) {
    let list = OsString::from_vec(bytes.to_vec());
    let good = bytes
        .split(|&b| b == b',')
        .all(|name| !name.is_empty() && !name.contains(&b'=') && !name.contains(&0));
    match Environment::parse_names(&list) {
        Err(e) => assert!(!good && is_line(&e.to_string()) && e.hint().is_none_or(is_line)),
        Ok(names) => assert!(good && names.join(std::ffi::OsStr::new(",")) == list),
    }
}

/// A lister's.
pub(super) fn lister<R>(tool: &Tool, request: fn(&Matches) -> Result<R>, bytes: &[u8]) {
    line(tool, request, bytes);
}

/// A launcher's: the program and its arguments are the end of the command line, untouched.
pub(super) fn launcher<R>(
    tool: &Tool,
    request: fn(&Matches) -> Result<R>,
    program: fn(R) -> Vec<OsString>,
    bytes: &[u8],
) {
    if let Some((request, argv)) = line(tool, request, bytes) {
        assert!(argv.ends_with(&program(request)));
    }
}
