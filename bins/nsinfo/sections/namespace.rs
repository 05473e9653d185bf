//! A namespace that was named itself: what it is, who made it, who is in it, and what keeps it.

use common::error::{Error, Result};
use common::kind::{Kind, KindMap};
use common::ns::fd::NsFd;
use common::ns::initial::is_fixed;
use common::ns::scan::Holder;
use common::proc::Proc;
use common::text::cut;
use common::tool::json::Value;
use common::tool::paint::Paint;

use super::super::page::Page;
use super::super::subject::{Subject, of, same};
use super::{Part, list, missing, text, yes};

/// The name of this section, which only such a namespace has.
pub(crate) const NAME: &str = "namespace";

/// So many of its processes are named, and of each sort of what keeps it.
const SHOWN: usize = 5;

/// The facts.
pub(crate) struct Told {
    pub(crate) kind: Kind,
    pub(crate) ino: u64,
    /// The number that it keeps until the next boot, where the kernel gives one.
    pub(crate) id: Option<u64>,
    /// Is it initial, and ours? None where that is not known.
    pub(crate) initial: Option<bool>,
    pub(crate) ours: Option<bool>,
    /// Who made it, of a user namespace: as our user namespace numbers users.
    pub(crate) creator: Option<Result<u32>>,
    /// The user namespaces above it: its owner, the parent of that, and so on.
    pub(crate) owners: Result<Vec<Above>>,
    /// Those above it of its own kind, where that has parents and they are not the owners.
    pub(crate) parents: Option<Result<Vec<Above>>>,
    pub(crate) processes: usize,
    /// Threads in it, those of processes that are elsewhere as well.
    pub(crate) threads: usize,
    /// The first processes, and their commands.
    pub(crate) first: Vec<(i32, Vec<u8>)>,
    /// What keeps it beside processes.
    pub(crate) holders: Vec<Holder>,
    /// What it owns, or is the parent of.
    pub(crate) below: Vec<(Kind, u64)>,
    /// How many processes do not show their namespaces to us, and could be in it.
    pub(crate) unreadable: usize,
}

/// A namespace above another.
#[derive(Clone, Debug)]
pub(crate) struct Above {
    pub(crate) ino: u64,
    /// Who made it, of a user namespace.
    pub(crate) creator: Option<u32>,
    pub(crate) initial: Option<bool>,
    pub(crate) ours: Option<bool>,
}

impl Told {
    pub(crate) fn take(subject: &Subject<'_>) -> Told {
        let Some(place) = subject.place() else { unreachable!("only namespaces have it") };
        let (ns, ino) = (&place.ns, place.ino);
        let whose = |kind: Kind, ino: u64| {
            (is_initial(&subject.initial, kind, ino), same(Some(ino), of(&subject.ours, kind)))
        };
        let (initial, ours) = whose(ns.kind, ino);
        let found = place.snapshot.namespace(ino);
        let others = place.snapshot.namespaces.iter();
        let below = others.filter(|other| other.owner == Some(ino) || other.parent == Some(ino));
        let nests = ns.kind.row().nests && ns.kind != Kind::User;
        Told {
            kind: ns.kind,
            ino,
            id: ns.number(),
            initial,
            ours,
            creator: (ns.kind == Kind::User).then(|| ns.owner_uid()),
            owners: chain(ns, NsFd::owner, &whose),
            parents: nests.then(|| chain(ns, NsFd::parent, &whose)),
            processes: found.map_or(0, |found| found.processes),
            threads: found.map_or(0, |found| found.threads),
            first: first(subject.proc, &place.snapshot.members),
            holders: place.snapshot.holders(ino).iter().map(|(_, holder)| holder.clone()).collect(),
            below: below.map(|below| (below.kind, below.id.ino)).collect(),
            unreadable: place.snapshot.unreadable,
        }
    }
}

/// Is it one that the machine started with? Some numbers say so also where nobody shows us those.
pub(crate) fn is_initial(initial: &Result<KindMap<u64>>, kind: Kind, ino: u64) -> Option<bool> {
    if is_fixed(ino) { Some(true) } else { same(Some(ino), of(initial, kind)) }
}

/// All that stand above, from the nearest on, as far as we may see.
fn chain(
    ns: &NsFd,
    above: impl Fn(&NsFd) -> Result<Option<NsFd>>,
    whose: &dyn Fn(Kind, u64) -> (Option<bool>, Option<bool>),
) -> Result<Vec<Above>> {
    let mut chain = Vec::new();
    let mut next = above(ns)?;
    while let Some(ns) = next {
        let ino = ns.id()?.ino;
        let (initial, ours) = whose(ns.kind, ino);
        let creator = if ns.kind == Kind::User { Some(ns.owner_uid()?) } else { None };
        chain.push(Above { ino, creator, initial, ours });
        next = above(&ns)?;
    }
    Ok(chain)
}

/// The first that are still there, with their commands.
fn first(proc: &Proc, members: &[i32]) -> Vec<(i32, Vec<u8>)> {
    let command = |pid: &i32| {
        let task = proc.task(*pid).ok()?;
        let line = task.command_line().ok().filter(|line| !line.is_empty());
        Some((*pid, line.or_else(|| Some(task.stat().ok()?.comm))?))
    };
    members.iter().filter_map(command).take(SHOWN).collect()
}

impl Part for Told {
    fn page(&self, page: &mut Page) {
        let named = |kind: Kind, ino: u64| format!("{kind}:[{ino}]");
        page.line("namespace", &named(self.kind, self.ino));
        page.line("isolates", self.kind.row().what);
        if let Some(id) = self.id {
            page.line("id", &format!("{id}, which no other gets before the next boot"));
        }
        let (whose, paint) = match (self.initial, self.ours) {
            (Some(true), Some(true)) => ("the host's, and ours", Paint::Dim),
            (Some(true), _) => ("the host's", Paint::Dim),
            (_, Some(true)) => ("ours", Paint::Plain),
            (Some(false), Some(false)) => ("neither the host's nor ours", Paint::Bright),
            (Some(false), None) => ("not the host's", Paint::Plain),
            (None, Some(false)) => ("not ours", Paint::Plain),
            (None, None) => ("unknown", Paint::Plain),
        };
        page.painted("whose", whose, paint);
        match &self.creator {
            Some(Ok(uid)) => page.line("made by", &format!("uid {uid}")),
            Some(Err(e)) => page.missing("made by", e),
            None => {}
        }
        let is_user = self.kind == Kind::User;
        self.above(page, if is_user { "parent" } else { "owner" }, Kind::User, &self.owners);
        if let Some(parents) = &self.parents {
            self.above(page, "parent", self.kind, parents);
        }
        self.inhabitants(page);
        self.keepers(page);
    }

    fn json(&self) -> Value {
        let above = |above: &Above| {
            let mut members = vec![
                ("ns", Value::Number(above.ino)),
                ("initial", yes(above.initial)),
                ("ours", yes(above.ours)),
            ];
            members.extend(above.creator.map(|uid| ("creator", Value::Number(uid.into()))));
            Value::Object(members)
        };
        let chain = |chain: &Result<Vec<Above>>| super::or_null(chain, |chain| list(chain, above));
        let number = |number: i32| Value::Number(number.unsigned_abs().into());
        let process = |(pid, command): &(i32, Vec<u8>)| {
            Value::Object(vec![("process", number(*pid)), ("command", text(command.as_slice()))])
        };
        let below = |(kind, ino): &(Kind, u64)| {
            Value::Object(vec![("type", text(kind.name())), ("ns", Value::Number(*ino))])
        };
        Value::Object(vec![
            ("type", text(self.kind.name())),
            ("ns", Value::Number(self.ino)),
            ("id", Value::number(self.id)),
            ("initial", yes(self.initial)),
            ("ours", yes(self.ours)),
            (
                "creator",
                self.creator
                    .as_ref()
                    .map_or(Value::Null, |uid| super::or_null(uid, |uid| Value::Number((*uid).into()))),
            ),
            ("owners", chain(&self.owners)),
            ("parents", self.parents.as_ref().map_or(Value::Null, chain)),
            ("processes", Value::Number(self.processes as u64)),
            ("threads", Value::Number(self.threads as u64)),
            ("first", list(&self.first, process)),
            ("holders", list(&self.holders, holder_json)),
            ("below", list(&self.below, below)),
            ("hidden", Value::Number(self.unreadable as u64)),
        ])
    }

    fn missing(&self) -> Vec<(&'static str, &Error)> {
        missing([
            ("creator", self.creator.as_ref().and_then(|uid| uid.as_ref().err())),
            ("owners", self.owners.as_ref().err()),
            ("parents", self.parents.as_ref().and_then(|parents| parents.as_ref().err())),
        ])
    }
}

impl Told {
    /// One line for each that stands above, and whether that is the end.
    fn above(&self, page: &mut Page, label: &str, kind: Kind, chain: &Result<Vec<Above>>) {
        let chain = match chain {
            Ok(chain) => chain,
            Err(e) => return page.missing(label, e),
        };
        for (at, above) in chain.iter().enumerate() {
            let creator = above.creator.map(|uid| format!(", made by uid {uid}")).unwrap_or_default();
            let mark = |is: Option<bool>, word: &'static str| if is == Some(true) { word } else { "" };
            let (initial, ours) = (mark(above.initial, ", the host's"), mark(above.ours, ", ours"));
            let text = format!("{kind}:[{}]{creator}{initial}{ours}", above.ino);
            page.line(if at == 0 { label } else { "" }, &text);
        }
        // The kernel answers the same for the initial one, which has none above, and for those out of our sight.
        let top = chain.last().map_or(self.initial, |above| above.initial);
        let label = if chain.is_empty() { label } else { "" };
        match (top, chain.is_empty() && kind != self.kind) {
            (Some(true), true) => page.line(label, "out of our sight"),
            (Some(true), false) if chain.is_empty() => page.line(label, "none: it is the first"),
            (Some(true), false) => {}
            (Some(false), _) => page.line(label, "above: out of our sight"),
            (None, _) => page.line(label, "above: none, or out of our sight"),
        }
    }

    fn inhabitants(&self, page: &mut Page) {
        let threads = match self.threads > self.processes {
            true => format!(", with {} threads", self.threads),
            false => String::new(),
        };
        match self.processes {
            0 => page.line("processes", &format!("none that we see{threads}")),
            count => page.line("processes", &format!("{count}{threads}")),
        }
        for (pid, command) in &self.first {
            let line = fitting(page, &format!("{pid} {}", page.show(command)));
            page.line("", &line);
        }
        if self.processes > self.first.len() && !self.first.is_empty() {
            page.line("", &format!("and {} more", self.processes - self.first.len()));
        }
        match self.unreadable {
            0 => {}
            1 => page.line("", "1 process does not show us where it is"),
            count => page.line("", &format!("{count} processes do not show us where they are")),
        }
    }

    fn keepers(&self, page: &mut Page) {
        let mut lines: Vec<String> = Vec::new();
        for sort in self.holders.chunk_by(|one, other| one.via() == other.via()) {
            lines.extend(sort.iter().take(SHOWN).map(|holder| keeper(page, holder)));
            if sort.len() > SHOWN {
                lines.push(format!("and {} more", sort.len() - SHOWN));
            }
        }
        lines.extend(self.below.iter().take(SHOWN).map(|(kind, ino)| format!("{kind}:[{ino}] below it")));
        if self.below.len() > SHOWN {
            lines.push(format!("and {} more below it", self.below.len() - SHOWN));
        }
        let hint = format!("rlsns --why '{}:[{}]'", self.kind, self.ino);
        match (self.initial, lines.is_empty(), self.processes) {
            (Some(true), ..) => page.line("kept", "as long as the machine runs"),
            (_, true, 0) => page.line("kept by", &format!("nothing that we see; {hint} tells more")),
            (_, true, _) => page.line("kept by", &format!("its processes; {hint} tells how to free it")),
            (_, false, _) => {
                for (at, line) in lines.iter().enumerate() {
                    let line = fitting(page, line);
                    page.line(if at == 0 { "kept by" } else { "" }, &line);
                }
                page.line("", &format!("{hint} tells how to free it"));
            }
        }
    }
}

/// What keeps it, in a few words.
fn keeper(page: &Page, holder: &Holder) -> String {
    let of_thread = |pid: i32, tid: i32| match pid == tid {
        true => pid.to_string(),
        false => format!("{pid}/{tid}"),
    };
    match holder {
        Holder::Thread { pid, tid } => format!("thread {}", of_thread(*pid, *tid)),
        Holder::Children { pid, tid } => format!("children to come of {}", of_thread(*pid, *tid)),
        Holder::Descriptor { pid, tid, fd } => format!("fd {fd} of {}", of_thread(*pid, *tid)),
        Holder::Socket { pid, tid, fd } => format!("socket {fd} of {}", of_thread(*pid, *tid)),
        Holder::Mount { within, ours, pid, point, .. } => {
            let place = match (ours, pid) {
                (true, _) => String::new(),
                (false, Some(pid)) => format!(" as {pid} sees it"),
                (false, None) => format!(" in {}:[{within}]", Kind::Mnt),
            };
            format!("mount {}{place}", page.show(point))
        }
    }
}

fn holder_json(holder: &Holder) -> Value {
    let number = |number: i32| Value::Number(number.unsigned_abs().into());
    let mut members = vec![("holder", text(holder.via().source().name))];
    match holder {
        Holder::Thread { pid, tid } | Holder::Children { pid, tid } => {
            members.extend([("process", number(*pid)), ("thread", number(*tid))]);
        }
        Holder::Descriptor { pid, tid, fd } | Holder::Socket { pid, tid, fd } => {
            members.extend([("process", number(*pid)), ("thread", number(*tid)), ("fd", number(*fd))]);
        }
        Holder::Mount { within, point, .. } => {
            members.extend([("point", text(point.as_slice())), ("within", Value::Number(*within))]);
        }
    }
    Value::Object(members)
}

/// What fits beside a label.
fn fitting(page: &Page, line: &str) -> String {
    match page.room() {
        Some(room) => cut(line, room).to_string(),
        None => line.to_string(),
    }
}
