//! Containers and units by their names.
//!
//! A name is only what somebody called a group, and who was given a part of the tree of groups can call one there as
//! he likes. So who enters by a name is to be led only to what is proved:
//!
//! * a state file that nobody but root and we ourselves can have written names the first process and when it
//!   started; or
//! * the group of the process, and all above it, belong to root or to us, and in no hierarchy is it in another
//!   container. Where only the group with the name does, and on version 2 alone, a process in a part below it that
//!   belongs to somebody else will do if there is no better.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use super::group::{Hidden, Member, keep_oldest, members};
use crate::cgroup::layout::Layout;
use crate::error::{Error, Result};
use crate::proc::container::path::{Level, What, is_long_id, levels};
use crate::proc::container::state::{Known, States};
use crate::proc::container::{self, Inside};
use crate::proc::groups::Line;
use crate::proc::{Proc, Target, Task, credentials};

/// The first process of the container with this name, id, or beginning of an id, for who enters it.
pub(super) fn container(proc: &Proc, name: &[u8]) -> Result<Target> {
    containers(proc, name)?.proven(Sort::Container, name)?.hold(proc)
}

/// The same for who only looks.
pub(super) fn container_seen(proc: &Proc, name: &[u8]) -> Result<Task> {
    containers(proc, name)?.likely(Sort::Container, name)?.see(proc)
}

/// The oldest process of the unit with this name, for who enters it.
pub(super) fn unit(proc: &Proc, name: &[u8]) -> Result<Target> {
    units(proc, name)?.proven(Sort::Unit, name)?.hold(proc)
}

/// The same for who only looks.
pub(super) fn unit_seen(proc: &Proc, name: &[u8]) -> Result<Task> {
    units(proc, name)?.likely(Sort::Unit, name)?.see(proc)
}

/// What was asked for, in the words of errors.
#[derive(Clone, Copy)]
enum Sort {
    Container,
    Unit,
}

impl Sort {
    fn noun(self) -> &'static str {
        match self {
            Sort::Container => "container",
            Sort::Unit => "unit",
        }
    }
}

/// Something that has the name.
#[derive(Default)]
struct Candidate {
    engine: &'static str,
    id: Vec<u8>,
    names: Vec<Vec<u8>>,
    /// The process that a state file proves.
    by_file: Option<Member>,
    /// The oldest process of its groups that nobody else can have made.
    by_group: Option<Member>,
    /// The oldest process of those parts of such groups that were given to a user, as to who is root in a container.
    by_part: Option<Member>,
    /// The oldest process of each of its other groups.
    unproven: BTreeMap<Vec<u8>, Option<Member>>,
}

impl Candidate {
    fn proven(&self) -> Option<&Member> {
        self.by_file.as_ref().or(self.by_group.as_ref()).or(self.by_part.as_ref())
    }

    /// Itself for the list of an error: once, or for each of the groups that somebody made.
    fn shown(&self) -> Vec<Vec<u8>> {
        let names = self.names.iter().filter(|name| **name != self.id);
        let mut words = vec![self.engine.as_bytes(), &self.id];
        words.extend(names.map(|name| &name[..]));
        let title = words.join(&b' ');
        if let Some(member) = self.proven() {
            return vec![[title, format!(" (process {})", member.pid).into()].concat()];
        }
        let of_group = |(path, member): (&Vec<u8>, &Option<Member>)| {
            let member = member.as_ref()?;
            let process = format!(" (process {} of user {} in ", member.pid, member.uid);
            Some([&title, process.as_bytes(), path, b")"].concat())
        };
        self.unproven.iter().filter_map(of_group).collect()
    }
}

/// All that has the name.
#[derive(Default)]
struct Found {
    candidates: Vec<(Fit, Candidate)>,
    hidden: Hidden,
    /// Why it could not be told whether a group is proof.
    doubt: Option<Error>,
}

/// What a path leads through.
struct Way {
    containers: Vec<Inside>,
    /// The containers or units that have the name.
    hits: Vec<(Fit, Inside)>,
}

/// How well a name fits.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fit {
    Whole,
    /// It is the beginning of an id that nobody chose.
    Begins,
}

fn fit(name: &[u8], id: &[u8], names: &[Vec<u8>]) -> Option<Fit> {
    match () {
        () if id == name || names.iter().any(|known| known == name) => Some(Fit::Whole),
        () if is_long_id(id) && id.starts_with(name) => Some(Fit::Begins),
        () => None,
    }
}

fn containers(proc: &Proc, name: &[u8]) -> Result<Found> {
    let states = States::of(proc)?;
    let fit = |id: &[u8], names: &[Vec<u8>]| fit(name, id, names);
    let mut found = gather(proc, &states, &|_, containers| {
        let hit = |inside: &Inside| Some((fit(&inside.id, &inside.names)?, inside.clone()));
        containers.iter().filter_map(hit).collect()
    })?;
    for known in &states.known {
        let Some(fit) = fit(&known.id, &known.names) else { continue };
        let Some(member) = first_process(proc, known) else { continue };
        let same = |(_, candidate): &&mut (Fit, Candidate)| {
            candidate.id == known.id && (candidate.engine == known.engine || is_long_id(&known.id))
        };
        match found.candidates.iter_mut().find(same) {
            Some((_, candidate)) => candidate.by_file = Some(member),
            None => {
                let (engine, id, names) = (known.engine, known.id.clone(), known.names.clone());
                found.candidates.push((
                    fit,
                    Candidate { engine, id, names, by_file: Some(member), ..Candidate::default() },
                ));
            }
        }
    }
    found.keep_meant();
    Ok(found)
}

/// The first process of a container, as its file says it. Another process may have its PID by now: that started later,
/// and has another pidfd.
fn first_process(proc: &Proc, known: &Known) -> Option<Member> {
    match (&known.init, known.leader) {
        (Some((pid, start, _)), _) => {
            let member = Member::of(&proc.task(*pid).ok()?).ok()?;
            (member.start == *start).then_some(member)
        }
        (None, Some((pid, Some(inode)))) => {
            let target = Target::open(proc, pid).ok()?;
            (target.inode().ok()? == Some(inode)).then(|| Member::of(&target.task).ok())?
        }
        // Nothing tells it from another.
        (None, Some((_, None)) | None) => None,
    }
}

/// What a unit's name ends in.
const SUFFIXES: &[&str] = &[".service", ".scope"];

fn units(proc: &Proc, name: &[u8]) -> Result<Found> {
    let whole = match SUFFIXES.iter().any(|suffix| name.ends_with(suffix.as_bytes())) {
        true => name.to_vec(),
        false => [name, SUFFIXES[0].as_bytes()].concat(),
    };
    let mut found = gather(proc, &States::of(proc)?, &|path, _| {
        let named = |level: &Level| level.what == What::Unit && level.id == whole;
        let hit = |level: Level| Inside {
            engine: level.engine,
            id: level.id,
            names: Vec::new(),
            end: level.end,
            known: None,
        };
        levels(path).into_iter().filter(named).map(|level| (Fit::Whole, hit(level))).collect()
    })?;
    found.keep_meant();
    Ok(found)
}

/// Says which things with the name a path leads through, and through these containers.
type Hits<'a> = &'a dyn Fn(&[u8], &[Inside]) -> Vec<(Fit, Inside)>;

/// Every thing with a fitting name, out of the groups of all processes.
fn gather(proc: &Proc, states: &States, hits: Hits<'_>) -> Result<Found> {
    let layout = Layout::take(proc);
    let us = credentials::owner();
    let own = proc.this().and_then(|this| Line::of(&this)).unwrap_or_default();
    // Many processes have the same path.
    let mut ways: BTreeMap<Vec<u8>, Way> = BTreeMap::new();
    let mut ours: BTreeMap<(Vec<Vec<u8>>, Vec<u8>), bool> = BTreeMap::new();
    let mut found: Vec<(Fit, Candidate)> = Vec::new();
    let mut doubt = None;
    let hidden = members(proc, |member| {
        for line in &member.lines {
            if !ways.contains_key(&line.path) {
                let containers = container::containers(&line.path, states);
                let hits = hits(&line.path, &containers);
                ways.insert(line.path.clone(), Way { containers, hits });
            }
        }
        for line in &member.lines {
            for (fit, hit) in &ways[&line.path].hits {
                let mut is_proof = |path: &[u8]| match ours.entry((line.controllers.clone(), path.to_vec())) {
                    Entry::Occupied(known) => *known.get(),
                    Entry::Vacant(new) => {
                        let line = Line { path: path.to_vec(), ..line.clone() };
                        *new.insert(is_ours(&layout, us, &line).unwrap_or_else(|e| {
                            doubt.get_or_insert(e);
                            false
                        }))
                    }
                };
                let here = !is_elsewhere(&member.lines, line, hit, &ways, &own);
                let whole = here && is_proof(&line.path);
                // On version 2 nobody gets a process into a part that was given to him, if he has not the group
                // above as well: who is there was born there, or put there by root. On version 1 anybody can.
                let part = here && !whole && line.hierarchy == 0 && is_proof(&line.path[..hit.end]);
                let same = |(other, candidate): &&mut (Fit, Candidate)| {
                    *other == *fit && candidate.engine == hit.engine && candidate.id == hit.id
                };
                if !found.iter_mut().any(|known| same(&known)) {
                    let (engine, id, names) = (hit.engine, hit.id.clone(), hit.names.clone());
                    found.push((*fit, Candidate { engine, id, names, ..Candidate::default() }));
                }
                let Some((_, candidate)) = found.iter_mut().find(same) else { continue };
                let place = match (whole, part) {
                    (true, _) => &mut candidate.by_group,
                    (_, true) => &mut candidate.by_part,
                    _ => candidate.unproven.entry(line.path[..hit.end].to_vec()).or_default(),
                };
                keep_oldest(place, &member);
            }
        }
    })?;
    Ok(Found { candidates: found, hidden, doubt })
}

/// Is a process with these groups in another container than the thing that one of them leads through? What is made
/// in there can have any name. Where we are in that container ourselves, it does not count.
fn is_elsewhere(
    lines: &[Line],
    of_hit: &Line,
    hit: &Inside,
    ways: &BTreeMap<Vec<u8>, Way>,
    own: &[Line],
) -> bool {
    lines.iter().any(|line| {
        ways[&line.path].containers.iter().any(|container| {
            let group = &line.path[..container.end];
            let itself = match line == of_hit {
                true => container.end >= hit.end,
                false => container.id == hit.id || *group == of_hit.path[..hit.end],
            };
            !itself && !is_in(own, line, group)
        })
    })
}

/// Are we in this group, or below it?
fn is_in(own: &[Line], line: &Line, group: &[u8]) -> bool {
    own.iter()
        .filter(|own| own.controllers == line.controllers)
        .any(|own| own.path.strip_prefix(group).is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/")))
}

/// Do the group of this line and all above it belong to root or to us?
fn is_ours(layout: &Result<Layout>, us: Option<u32>, line: &Line) -> Result<bool> {
    let (hierarchy, group) = layout.as_ref().map_err(Error::clone)?.locate(line)?;
    let mut above = hierarchy.chain(&group);
    Ok(group.is_ours(us, true)?
        && above.try_fold(true, |ours, above| Ok(ours && above?.is_ours(us, false)?))?)
}

impl Found {
    /// Leaves those that are meant: what is proved before what anybody can have named so, and then a whole name
    /// before a beginning.
    fn keep_meant(&mut self) {
        if self.all().any(|candidate| candidate.proven().is_some()) {
            self.candidates.retain(|(_, candidate)| candidate.proven().is_some());
        }
        if self.candidates.iter().any(|(fit, _)| *fit == Fit::Whole) {
            self.candidates.retain(|(fit, _)| *fit == Fit::Whole);
        }
    }

    /// The one that is proved, for who enters it.
    fn proven(self, sort: Sort, name: &[u8]) -> Result<Member> {
        let proven: Vec<&Member> = self.all().filter_map(Candidate::proven).collect();
        match proven[..] {
            [member] => Ok(member.clone()),
            [_, _, ..] => Err(several(sort, name, self.all())),
            [] if self.candidates.is_empty() => Err(self.none(sort, name)),
            [] => Err(self.doubt.clone().unwrap_or_else(|| {
                let what = format!("no {} is proved to be called ", sort.noun());
                Error::refused([what.as_bytes(), name].concat()).with_hint(listed(
                    "anybody could have named these so; enter what you trust by its PID: ",
                    self.all(),
                ))
            })),
        }
    }

    /// The one that is proved, or else the only one, for who looks.
    fn likely(self, sort: Sort, name: &[u8]) -> Result<Member> {
        if self.all().any(|candidate| candidate.proven().is_some()) {
            return self.proven(sort, name);
        }
        let mut all = self.all().flat_map(|candidate| candidate.unproven.values().flatten());
        match all.next() {
            None => Err(self.none(sort, name)),
            // Hierarchies have groups of one path each, with the same processes.
            Some(first) if all.all(|other| other == first) => Ok(first.clone()),
            Some(_) => Err(several(sort, name, self.all())),
        }
    }

    fn all(&self) -> impl Iterator<Item = &Candidate> {
        self.candidates.iter().map(|(_, candidate)| candidate)
    }

    fn none(&self, sort: Sort, name: &[u8]) -> Error {
        let what = format!("no {} that we see is called ", sort.noun());
        self.hidden.with(&[what.as_bytes(), name].concat()).with_hint(match sort {
            Sort::Container => {
                "`rlsns -o +CONTAINER,UNIT` shows names; a process is named by its PID, a file with a / in it"
            }
            Sort::Unit => "`rlsns -o +UNIT` shows the units that processes are in",
        })
    }
}

fn several<'a>(sort: Sort, name: &[u8], candidates: impl Iterator<Item = &'a Candidate>) -> Error {
    let what = format!("several {}s are called ", sort.noun());
    Error::refused([what.as_bytes(), name].concat())
        .with_hint(listed("name one by its id, or by the PID: ", candidates))
}

/// A hint with all of them, but not without end.
fn listed<'a>(before: &str, candidates: impl Iterator<Item = &'a Candidate>) -> String {
    const MOST: usize = 10;
    let all: Vec<Vec<u8>> = candidates.flat_map(Candidate::shown).collect();
    let more = if all.len() > MOST { format!(", and {} more", all.len() - MOST) } else { String::new() };
    let first: Vec<&[u8]> = all.iter().take(MOST).map(|shown| &shown[..]).collect();
    format!("{before}{}{more}", String::from_utf8_lossy(&first.join(&b", "[..])))
}
