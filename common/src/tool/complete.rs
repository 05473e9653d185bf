//! What shells offer when Tab is pressed: `TOOL --complete KIND PREFIX` prints the words that are there on this
//! machine, one a line, each with a tab and what it is behind it.
//!
//! A shell is waiting: nothing is asked but the kernel and files, nothing is told on stderr, and what cannot be read
//! is not offered.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;

use nix::dir::Dir;
use nix::fcntl::OFlag;
use nix::sys::signal::Signal;
use nix::sys::stat::Mode;
use nix::unistd::alarm;

use super::{Tool, print};
use crate::error::Result;
use crate::kind::{KINDS, KindSet};
use crate::ns::refer::{FORMS, NETNS};
use crate::ns::scan::{self, Facts, Want};
use crate::proc::container::containers;
use crate::proc::container::path::{What, levels};
use crate::proc::container::state::{Known, States};
use crate::proc::groups::Line;
use crate::proc::{Proc, Task};
use crate::sys;
use crate::text::{Charset, cut, digits, show};

/// A word that may be offered and what it is; both any bytes.
pub type Offer = (Vec<u8>, Vec<u8>);

/// What can be asked for: its name, and a function that offers words of a tool for what is typed.
type Answer = (&'static str, fn(&Tool, &[u8]) -> Result<Vec<Offer>>);

/// Every kind of word: a row here is all that it takes to have one more.
#[rustfmt::skip]
const ANSWERS: &[Answer] = &[
    ("process",   |_, typed| processes(typed)),
    ("namespace", |_, typed| only_namespaces(typed)),
    ("container", |_, _| belonging(What::Container)),
    ("unit",      |_, _| belonging(What::Unit)),
    ("netns",     |_, _| netns()),
    ("reference", |_, typed| references(typed)),
    ("kind",      |_, _| Ok(KINDS.iter().map(|row| offer(row.name, row.what)).collect())),
    ("column",    |tool, _| Ok((tool.columns)().into_iter().map(|(name, help)| offer(name, help)).collect())),
    ("part",      |tool, _| Ok((tool.parts)().into_iter().map(|(name, what)| offer(name, what)).collect())),
];

/// A prefix, and a function that offers what can stand behind it.
type Behind = (&'static str, fn() -> Result<Vec<Offer>>);

/// The prefixes of [`FORMS`] behind which there are names, and which.
const NAMES: &[Behind] = &[
    ("ctr:", || belonging(What::Container)),
    ("unit:", || belonging(What::Unit)),
    ("netns:", netns),
    // There is no end of paths.
    ("cg:", || Ok(Vec::new())),
];

/// How many columns what a word is may take.
const COLUMNS: usize = 72;

/// After so many seconds nobody waits any more: a process can be in a state in which reading of it hangs.
const PATIENCE: u32 = 5;

/// Does this command line ask for words? Then they are printed, and this is the exit status. Only as the first
/// word of three it is that question; else it is an option that is not known.
pub fn answered(tool: &Tool, argv: &[OsString]) -> Option<u8> {
    let [_, option, kind, typed] = argv else { return None };
    if option != "--complete" {
        return None;
    }
    // Who started us may have had the signal ignored.
    if sys::ignore(Signal::SIGALRM, false).is_ok() {
        alarm::set(PATIENCE);
    }
    let typed = typed.as_bytes();
    let offers = ANSWERS.iter().find(|(name, _)| kind == name).map(|(_, offers)| offers(tool, typed));
    Some(match offers {
        Some(Ok(offers)) if print(&lines(&offers, typed, Charset::from_env())).is_ok() => 0,
        _ => tool.failure,
    })
}

/// What is printed: of these words those that begin with what is typed and that neither a shell nor a terminal takes
/// for anything but a word, a line each: the word, a tab, and what it is in 72 columns at most.
pub fn lines(offers: &[Offer], typed: &[u8], charset: Charset) -> String {
    let mut out = String::new();
    for (word, what) in offers.iter().filter(|(word, _)| word.starts_with(typed)) {
        if let Some(word) = plain(word) {
            out.push_str(word);
            out.push('\t');
            out.push_str(cut(&show(what, charset), COLUMNS).trim_end());
            out.push('\n');
        }
    }
    out
}

/// A word of characters that need no quotes, brackets apart: those the scripts quote where their shell wants it.
fn plain(word: &[u8]) -> Option<&str> {
    let safe = |b: &u8| b.is_ascii_alphanumeric() || b"-_./:@+,%[]".contains(b);
    (!word.is_empty() && word.iter().all(safe)).then(|| std::str::from_utf8(word).ok()).flatten()
}

fn offer(word: impl Into<Vec<u8>>, what: impl Into<Vec<u8>>) -> Offer {
    (word.into(), what.into())
}

/// The PIDs that begin so, with their commands.
fn processes(typed: &[u8]) -> Result<Vec<Offer>> {
    let proc = Proc::system()?;
    let this = proc.this()?.pid;
    let pids = proc.pids()?.into_iter().map(|pid| (pid, pid.to_string().into_bytes()));
    let pids = pids.filter(|(pid, word)| *pid != this && word.starts_with(typed));
    Ok(pids.filter_map(|(pid, word)| Some((word, command(&proc.task(pid).ok()?)?))).collect())
}

/// The command line, or the name where that is empty. None where the process has ended.
fn command(task: &Task) -> Option<Vec<u8>> {
    let line = task.command_line().ok()?;
    if line.is_empty() { Some(task.stat().ok()?.comm) } else { Some(line) }
}

/// All that names a namespace itself.
fn only_namespaces(typed: &[u8]) -> Result<Vec<Offer>> {
    let of_net = netns()?.into_iter().map(|(name, what)| ([b"netns:", &name[..]].concat(), what));
    match typed.starts_with(b"netns:") {
        true => Ok(of_net.collect()),
        false => Ok(namespaces()?.into_iter().chain(of_net).collect()),
    }
}

/// Every namespace as `TYPE:[INO]` and as its number.
fn namespaces() -> Result<Vec<Offer>> {
    let facts = Facts { command: true, ..Facts::default() };
    let want = Want { facts, ..Want::least(KindSet::all()) };
    let found = scan::take(&Proc::system()?, &want)?;
    let offers = found.namespaces.iter().flat_map(|ns| {
        let first = ns.first.and_then(|pid| found.processes.get(&pid));
        let what = [ns.kind.name().as_bytes(), b", ", first.map_or(b"", |first| &first.command)].concat();
        [offer(ns.id.ino.to_string(), what.clone()), offer(format!("{}:[{}]", ns.kind, ns.id.ino), what)]
    });
    Ok(offers.collect())
}

/// The id of a container or unit, and what people call it.
type Called = (Vec<u8>, Vec<Vec<u8>>);

/// The names of the containers or units that processes are in; of a container without a name the beginning of its
/// id. What a file tells of and what has no process leads nowhere.
fn belonging(wanted: What) -> Result<Vec<Offer>> {
    let proc = Proc::system()?;
    let states = match wanted {
        What::Container => States::of(&proc)?,
        _ => States::default(),
    };
    // Who made it, and the first process in it. PIDs ascend.
    let mut found: BTreeMap<Called, (&str, Option<Vec<u8>>)> = BTreeMap::new();
    for known in &states.known {
        if let Some(task) = first_process(&proc, known) {
            found.insert((known.id.clone(), known.names.clone()), (known.engine, command(&task)));
        }
    }
    for task in proc.pids()?.into_iter().filter_map(|pid| proc.task(pid).ok()) {
        for line in Line::of(&task).unwrap_or_default() {
            for (engine, called) in of_group(wanted, &line.path, &states) {
                let (_, first) = found.entry(called).or_insert((engine, None));
                *first = first.take().or_else(|| command(&task));
            }
        }
    }
    let offers = found.into_iter();
    let mut offers: Vec<_> =
        offers.flat_map(|((id, names), (engine, first))| named(&id, names, engine, first)).collect();
    // Two engines can tell of one container, with one name.
    offers.sort_by(|(one, _), (other, _)| one.cmp(other));
    offers.dedup_by(|(one, _), (other, _)| one == other);
    Ok(offers)
}

/// The containers or units that this path leads through, and who made them.
fn of_group(wanted: What, path: &[u8], states: &States) -> Vec<(&'static str, Called)> {
    match wanted {
        What::Container => {
            let all = containers(path, states).into_iter();
            all.map(|inside| (inside.engine, (inside.id, inside.names))).collect()
        }
        _ => {
            let all = levels(path).into_iter().filter(|level| level.what == wanted);
            all.map(|level| (level.engine, (level.id, Vec::new()))).collect()
        }
    }
}

/// The first process that a file tells of, if it is there still.
fn first_process(proc: &Proc, known: &Known) -> Option<Task> {
    let (pid, start) = match (&known.init, known.leader) {
        (Some((pid, start, _)), _) => (*pid, Some(*start)),
        (None, leader) => (leader?.0, None),
    };
    let task = proc.task(pid).ok()?;
    let since = task.stat().ok()?.start;
    start.is_none_or(|start| start == since).then_some(task)
}

/// The names of one, or the beginning of its id, each with who made it and the command of the first process in it.
fn named(id: &[u8], mut names: Vec<Vec<u8>>, engine: &str, first: Option<Vec<u8>>) -> Vec<Offer> {
    let what = match first {
        Some(first) => [engine.as_bytes(), b", ", &first].concat(),
        None => engine.into(),
    };
    if names.is_empty() {
        names.push(short(id).to_vec());
    }
    names.into_iter().map(|name| (name, what.clone())).collect()
}

/// The twelve digits by which people know a container without a name; what is no number stays whole.
fn short(id: &[u8]) -> &[u8] {
    match id.len() > 12 && id.iter().all(u8::is_ascii_hexdigit) {
        true => &id[..12],
        false => id,
    }
}

/// The names of net namespaces; none where there is no such directory.
fn netns() -> Result<Vec<Offer>> {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let Ok(mut dir) = Dir::open(NETNS, flags, Mode::empty()) else { return Ok(Vec::new()) };
    let names = dir.iter().flatten().map(|entry| entry.file_name().to_bytes().to_vec());
    let mut names: Vec<_> = names.filter(|name| !name.starts_with(b".")).collect();
    names.sort_unstable();
    Ok(names.into_iter().map(|name| offer(name, format!("in {NETNS}"))).collect())
}

/// All that may stand where a process or a namespace is named. The names behind a prefix are offered when that is
/// typed, and the numbers of namespaces behind their first digit: where nothing is typed yet they would hide the rest.
fn references(typed: &[u8]) -> Result<Vec<Offer>> {
    if let Some((prefix, names)) = NAMES.iter().find(|row| typed.starts_with(row.0.as_bytes())) {
        let whole = |(name, what): Offer| ([prefix.as_bytes(), &name].concat(), what);
        return Ok(names()?.into_iter().map(whole).collect());
    }
    if typed.contains(&b':') {
        return namespaces();
    }
    // Of a form what stands before the capitals: the whole, or a prefix.
    let capital = |form: &str| form.find(|c: char| c.is_ascii_uppercase()).unwrap_or(form.len());
    let forms = FORMS.iter().map(|form| offer(&form.spelled[..capital(form.spelled)], form.names));
    let mut offers: Vec<_> = forms.filter(|(word, _)| !word.is_empty()).collect();
    offers.extend(
        KINDS
            .iter()
            .map(|row| offer(format!("{}:", row.name), format!("{} namespace by its number", row.name))),
    );
    if typed.is_empty() || digits::<u64>(typed).is_some() {
        offers.extend(processes(typed)?);
    }
    match (typed.is_empty(), digits::<u64>(typed)) {
        (true, _) => {}
        (_, Some(_)) => offers.extend(namespaces()?),
        // A name alone is that of a container, if it is no other word.
        (_, None) => {
            let taken: Vec<Vec<u8>> = offers.iter().map(|(word, _)| word.clone()).collect();
            let names = belonging(What::Container)?;
            offers.extend(names.into_iter().filter(|(name, _)| !taken.contains(name)));
        }
    }
    Ok(offers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_word_that_begins_so_and_what_it_is() {
        let cases: [(&str, &str, &str, &str); 10] = [
            ("web", "docker, nginx", "", "web\tdocker, nginx\n"),
            ("web", "docker, nginx", "web", "web\tdocker, nginx\n"),
            ("web", "docker, nginx", "wx", ""),
            ("net:[4026531840]", "net, init", "net:[", "net:[4026531840]\tnet, init\n"),
            ("a", "x\ty\nz\u{1b}", "", "a\tx\\x09y\\x0az\\x1b\n"),
            ("a", "", "", "a\t\n"),
            ("", "no word", "", ""),
            ("a b", "two words", "", ""),
            ("$(a)", "more than a word", "", ""),
            ("\u{202e}a", "turned", "", ""),
        ];
        for (word, what, typed, expected) in cases {
            let found = lines(&[offer(word, what)], typed.as_bytes(), Charset::Utf8);
            assert_eq!(found, expected, "{word:?} {typed:?}");
        }
        let long = lines(&[offer("a", "é".repeat(100))], b"", Charset::Utf8);
        assert_eq!(long, format!("a\t{}\n", "é".repeat(72)));
    }

    #[test]
    fn a_container_has_its_names_or_the_beginning_of_its_id() {
        let id = b"0123456789abcdef0123456789abcdef".to_vec();
        let words = |id: &[u8], names: &[&[u8]]| -> Vec<Vec<u8>> {
            let names = names.iter().map(|name| name.to_vec()).collect();
            named(id, names, "docker", Some(b"nginx".to_vec())).into_iter().map(|(word, _)| word).collect()
        };
        assert_eq!(words(&id, &[b"web", b"www"]), [b"web", b"www"]);
        assert_eq!(words(&id, &[]), [b"0123456789ab"]);
        assert_eq!(words(b"machine-of-mine", &[]), [b"machine-of-mine"]);
        assert_eq!(named(&id, Vec::new(), "runc", None), [offer("0123456789ab", "runc")]);
    }
}
