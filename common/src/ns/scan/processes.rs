//! The namespaces that processes are in: the links of `/proc/PID/ns`.
//!
//! `readlink` tells kind and inode in one call and opens nothing; following the link would cost twice that.
//! What is said of a process is read through the directory that was opened for its links, so it is one
//! process all through. Among many processes all processors look, each at some of them.

use std::cmp::Ordering;
use std::sync::{Mutex, PoisonError};

use nix::sched::{CpuSet, sched_getaffinity};
use nix::unistd::Pid;

use super::{Facts, Found, Machine, Pass, Process, Resident, SOURCES, Source, Want, inferred};
use crate::error::{Result, or_none};
use crate::kind::{Kind, KindMap, KindSet, NsId};
use crate::ns::fd::NsFd;
use crate::proc::Task;
use crate::proc::descriptors::{self, Descriptor};
use crate::proc::groups::Line;
use crate::proc::status::End;
use crate::sys;

/// How many entries of /proc, in bytes, are read before others are asked for help: some hundred processes.
const ALONE: usize = 8 << 10;

/// The same of what a helper takes at once. PIDs ascend, so the first process that it meets in a namespace has the
/// lowest PID of all that it will meet there.
const PIECE: usize = 2 << 10;

/// More helpers do not help: they wait for each other in the kernel.
const MOST: usize = 8;

/// Of so many kinds the links are read without taking hold of the process first.
const FEW: usize = 2;

/// A visit to one process.
pub(super) struct Visit<'a> {
    pub(super) machine: &'a Machine<'a>,
    pub(super) want: &'a Want,
    pub(super) task: &'a Task,
    /// The namespaces it is in.
    pub(super) inodes: KindMap<u64>,
    /// Its threads beside the first.
    pub(super) threads: Vec<i32>,
    /// Its open files that can keep a namespace, and the thread with that table.
    pub(super) tables: Vec<(i32, Vec<Descriptor>)>,
}

/// Visits every process.
pub(super) fn visit(machine: &Machine<'_>, want: &Want) -> Result<Found> {
    let visits = Visits::new(machine, want);
    if !machine.proc.is_system() {
        // A directory has no order.
        return visits.all(&machine.proc.pids()?, Found::default());
    }
    let mut list = machine.proc.list()?;
    let mut pids = Vec::new();
    let more = list.more(&mut [0; ALONE], &mut pids)? && list.more(&mut [0; PIECE], &mut pids)?;
    if pids.is_empty() {
        return Err(machine.proc.none_seen());
    }
    if !more || want.alone {
        while list.more(&mut [0; PIECE], &mut pids)? {}
        return visits.all(&pids, Found::default());
    }
    let list = Mutex::new(list);
    let help = |mut found: Found| {
        let mut pids = Vec::new();
        loop {
            pids.clear();
            // Who panics takes all others along.
            let more =
                list.lock().unwrap_or_else(PoisonError::into_inner).more(&mut [0; PIECE], &mut pids)?;
            if !more {
                return Ok(found);
            }
            found = visits.all(&pids, found)?;
        }
    };
    std::thread::scope(|scope| {
        // Where no thread can be had, one is enough.
        let help_alone = || help(Found::default());
        let spawn = |_| std::thread::Builder::new().stack_size(1 << 18).spawn_scoped(scope, help_alone).ok();
        let threads: Vec<_> = (1..processors().min(MOST)).map_while(spawn).collect();
        let mut all = visits.all(&pids, Found::default()).and_then(help);
        for thread in threads {
            let found = thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            all = all.and_then(|mut all| {
                all.merge(found?);
                Ok(all)
            });
        }
        all
    })
}

/// How many processors we may use.
fn processors() -> usize {
    let allowed = sched_getaffinity(Pid::from_raw(0));
    let count = |set: CpuSet| (0..CpuSet::count()).filter(|&cpu| set.is_set(cpu).unwrap_or(false)).count();
    allowed.map_or(1, count)
}

/// What is the same in all visits.
struct Visits<'a> {
    machine: &'a Machine<'a>,
    want: &'a Want,
    /// The kinds whose links are read.
    kinds: KindSet,
    sources: Vec<&'a Source>,
}

impl<'a> Visits<'a> {
    fn new(machine: &'a Machine<'a>, want: &'a Want) -> Visits<'a> {
        let sources = SOURCES.iter().filter(|source| source.is_asked(want.depth)).collect();
        Visits { machine, want, kinds: want.sought(), sources }
    }

    /// Visits these.
    fn all(&self, pids: &[i32], mut found: Found) -> Result<Found> {
        let few = !self.want.is_deep() && self.kinds.iter().count() <= FEW;
        for &pid in pids {
            let is_done = match few {
                true => self.pass(pid, &mut found),
                false => Ok(false),
            };
            match is_done.and_then(|is_done| if is_done { Ok(()) } else { self.one(pid, &mut found) }) {
                Ok(()) => {}
                // A process that ended since the list was made is not there: that is no failure.
                Err(e) if e.is_gone() => {}
                Err(e) if e.is_our_own() => return Err(e),
                // It is there and cannot be shown, whatever keeps it from us.
                Err(_) => {
                    found.add_unreadable();
                    if self.want.inferred {
                        inferred::mark(self.machine, pid, self.want, &mut found)?;
                    }
                }
            }
        }
        Ok(found)
    }

    /// Counts a process that is nowhere where more would have to be asked of it.
    fn pass(&self, pid: i32, found: &mut Found) -> Result<bool> {
        let inodes = self.machine.proc.namespaces(pid, self.kinds)?;
        let mut known = inodes.iter().filter(|(_, ino)| **ino != 0);
        let unasked = |ino| self.want.relates() && !found.was_asked(ino);
        if known.any(|(kind, &ino)| self.is_of_interest(kind, ino, found) || unasked(ino)) {
            return Ok(false);
        }
        for (kind, &ino) in inodes.iter().filter(|(_, ino)| **ino != 0) {
            found.namespace(self.machine.id(ino), kind).processes += 1;
        }
        Ok(true)
    }

    /// Visits one.
    fn one(&self, pid: i32, found: &mut Found) -> Result<()> {
        let task = self.machine.proc.task(pid)?;
        let inodes = task.namespaces(self.kinds)?;
        let mut known = inodes.iter().filter(|(_, ino)| **ino != 0);
        let is_described =
            self.want.facts.any() && known.any(|(kind, &ino)| self.is_of_interest(kind, ino, found));
        if is_described {
            // If it ends here, it counts nowhere.
            found.describe(describe(&task, self.want.facts)?);
        }
        let before = found.kept();
        let Visits { machine, want, .. } = *self;
        let mut visit = Visit { machine, want, task: &task, inodes, threads: Vec::new(), tables: Vec::new() };
        if want.residents {
            found.add_resident(Resident::of(&visit)?);
        }
        if want.is_deep() {
            visit.look_deep()?;
        }
        for source in &self.sources {
            if let Pass::Each(scan) = source.pass {
                scan(&visit, found)?;
            }
        }
        if want.keepers && !is_described && found.kept() > before {
            // If it has ended it is counted, as one that ends after the visit is.
            or_none(describe(&task, want.facts).map(|process| found.describe(process)))?;
        }
        Ok(())
    }

    /// Is a process that is in it to be described: as the first there, or as one of all?
    fn is_of_interest(&self, kind: Kind, ino: u64, found: &Found) -> bool {
        !found.has_process(kind, ino) || self.want.members_of == Some(ino)
    }
}

impl Visit<'_> {
    pub(super) fn pid(&self) -> i32 {
        self.task.pid
    }

    /// The namespace with this number.
    pub(super) fn id(&self, ino: u64) -> NsId {
        self.machine.id(ino)
    }

    /// Reads its threads, and its open files: not our own, which are open only since we look.
    fn look_deep(&mut self) -> Result<()> {
        let pid = self.pid();
        self.threads = or_none(self.task.threads())?;
        if self.machine.this == Some(pid) {
            return Ok(());
        }
        let mut tables: Vec<(i32, Vec<Descriptor>)> = Vec::new();
        let mut read = |task: &Task| {
            let mut found = Vec::new();
            or_none(descriptors::add(task, self.want.all_devices, &mut found))?;
            tables.push((task.pid, found));
            Ok(())
        };
        read(self.task)?;
        let mut distinct = vec![pid];
        for &tid in &self.threads {
            // Asked by numbers, which must be those of our own pid namespace.
            let place = if self.machine.same_numbers { place(&distinct, tid) } else { Err(distinct.len()) };
            if let Err(place) = place {
                distinct.insert(place, tid);
                if let Some(thread) = or_none(self.task.thread(tid).map(Some))? {
                    read(&thread)?;
                }
            }
        }
        tables.retain(|(_, table)| !table.is_empty());
        self.tables = tables;
        Ok(())
    }
}

/// Where a thread stands, or would, among others in the order of their tables: many threads can have one each.
fn place(distinct: &[i32], tid: i32) -> std::result::Result<usize, usize> {
    let mut failed = false;
    let place = distinct.binary_search_by(|&one| {
        sys::compare_descriptors(one, tid).unwrap_or_else(|_| {
            failed = true;
            Ordering::Less
        })
    });
    match failed {
        // One has ended, which the others have no order with: each has to be asked.
        true => distinct
            .iter()
            .position(|&one| sys::compare_descriptors(one, tid) == Ok(Ordering::Equal))
            .ok_or(distinct.len()),
        false => place,
    }
}

/// The source: the process is in its namespaces.
pub(super) fn scan(visit: &Visit<'_>, found: &mut Found) -> Result<()> {
    for (kind, &ino) in visit.inodes.iter().filter(|(_, ino)| **ino != 0) {
        let ns = found.namespace(visit.id(ino), kind);
        ns.processes += 1;
        if visit.want.is_deep() {
            ns.threads += 1;
        }
        // PIDs ascend, so the first that is met is the lowest.
        ns.first.get_or_insert(visit.pid());
        found.ask(visit.want, ino, || NsFd::of(visit.task, kind))?;
        if visit.want.members_of == Some(ino) {
            found.add_member(visit.pid());
        }
    }
    Ok(())
}

pub(super) fn describe(task: &Task, facts: Facts) -> Result<Process> {
    let line = if facts.command { task.command_line()? } else { Vec::new() };
    let nameless = facts.command && line.is_empty();
    let stat = if facts.stat || nameless { Some(task.stat()?) } else { None };
    let (ppid, start) = stat.as_ref().map_or((0, 0), |stat| (stat.ppid, stat.start));
    Ok(Process {
        pid: task.pid,
        ppid,
        start,
        uid: if facts.uid { task.uid()? } else { 0 },
        command: if nameless { stat.map(|stat| stat.comm).unwrap_or_default() } else { line },
        groups: if facts.groups { or_none(Line::of(task))? } else { Vec::new() },
        end: if facts.end { or_none(End::of(task))? } else { End::default() },
    })
}

/// The kinds in which a thread can be elsewhere than its process. Source: setns(2), unshare(2).
pub(super) fn of_threads(kinds: KindSet) -> KindSet {
    kinds.iter().filter(|kind| *kind != Kind::User && !kind.row().needs_fork).collect()
}
