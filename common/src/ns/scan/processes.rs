//! The namespaces that processes are in: the links of `/proc/PID/ns`.
//!
//! `readlink` tells kind and inode in one call and opens nothing; following the link would cost twice that.
//! What is said of a process is read through the directory that was opened for its links, so it is one
//! process all through. Among many processes all processors look, each at some of them.

use std::sync::atomic::{AtomicUsize, Ordering};

use nix::sched::{CpuSet, sched_getaffinity};
use nix::unistd::Pid;

use super::{Facts, Found, Machine, Pass, Process, SOURCES, Source, Want, inferred};
use crate::error::{Error, Result};
use crate::kind::{Kind, KindMap, KindSet, NsId};
use crate::ns::fd::NsFd;
use crate::proc::Task;
use crate::proc::descriptors::{self, Descriptor};
use crate::proc::groups::Line;
use crate::proc::status::End;
use crate::sys;

/// So many processes are looked at before another helper would be worth its start.
const WORTH: usize = 256;

/// More do not help: they wait for each other in the kernel.
const MOST: usize = 8;

/// What a helper takes at once. PIDs ascend, so the first process that it meets in a namespace has the lowest PID
/// of all it will meet there.
const CHUNK: usize = 64;

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
    let pids = machine.proc.pids()?;
    let sources: Vec<&Source> = SOURCES.iter().filter(|source| source.is_asked(want.depth)).collect();
    let next = AtomicUsize::new(0);
    let work = || {
        let mut found = Found::default();
        loop {
            let at = next.fetch_add(CHUNK, Ordering::Relaxed);
            let Some(rest) = pids.get(at..).filter(|rest| !rest.is_empty()) else { return Ok(found) };
            for &pid in &rest[..rest.len().min(CHUNK)] {
                let task = machine.proc.task(pid);
                match task
                    .as_ref()
                    .map_err(Error::clone)
                    .and_then(|task| add(machine, want, &sources, task, &mut found))
                {
                    Ok(()) => {}
                    // A process that ended since the list was made is not there: that is no failure.
                    Err(e) if e.is_gone() => {}
                    Err(e) if e.is_our_own() => return Err(e),
                    // It is there and cannot be shown, whatever keeps it from us.
                    Err(_) => {
                        found.add_unreadable();
                        if let (Ok(task), true) = (&task, want.inferred) {
                            inferred::mark(task, want, &mut found)?;
                        }
                    }
                }
            }
        }
    };
    let helpers = helpers(pids.len());
    if helpers == 0 {
        return work();
    }
    std::thread::scope(|scope| {
        // Where no thread can be had, one is enough.
        let spawn = |_| std::thread::Builder::new().stack_size(1 << 18).spawn_scoped(scope, &work).ok();
        let threads: Vec<_> = (0..helpers).map_while(spawn).collect();
        let mut all = work();
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

/// How many others are to help.
fn helpers(processes: usize) -> usize {
    let worth = (processes / WORTH).min(MOST);
    if worth < 2 {
        return 0;
    }
    let allowed = sched_getaffinity(Pid::from_raw(0));
    let count = |set: CpuSet| (0..CpuSet::count()).filter(|&cpu| set.is_set(cpu).unwrap_or(false)).count();
    allowed.map_or(1, count).min(worth) - 1
}

fn add(
    machine: &Machine<'_>,
    want: &Want,
    sources: &[&Source],
    task: &Task,
    found: &mut Found,
) -> Result<()> {
    let mut read = want.kinds;
    if want.is_deep() {
        // What is mounted in them can be of any kind.
        read.insert(Kind::Mnt);
    }
    let inodes = task.namespaces(read)?;
    let mut visit = Visit { machine, want, task, inodes, threads: Vec::new(), tables: Vec::new() };
    // If it ends here, it counts nowhere.
    let is_of_interest = visit.is_of_interest(found);
    if is_of_interest {
        found.describe(describe(task, want.facts)?);
    }
    let before = found.kept();
    if want.is_deep() {
        visit.look_deep()?;
    }
    for source in sources {
        if let Pass::Each(scan) = source.pass {
            scan(&visit, found)?;
        }
    }
    if want.keepers && !is_of_interest && found.kept() > before {
        match describe(task, want.facts) {
            Ok(process) => found.describe(process),
            Err(e) if e.is_our_own() => return Err(e),
            // It has ended, and what it kept is nobody's; it is counted, as who ends after the visit is.
            Err(_) => {}
        }
    }
    Ok(())
}

impl Visit<'_> {
    pub(super) fn pid(&self) -> i32 {
        self.task.pid
    }

    /// The namespace with this number.
    pub(super) fn id(&self, ino: u64) -> NsId {
        NsId { dev: self.machine.dev, ino }
    }

    /// Is it the first in a namespace, or is all to be described that is there?
    fn is_of_interest(&self, found: &Found) -> bool {
        let mut known = self.inodes.iter().map(|(_, ino)| *ino).filter(|&ino| ino != 0);
        let first = |ino| self.want.facts.any() && !found.has_process(ino);
        known.any(|ino| first(ino) || self.want.members_of == Some(ino))
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
            or_none(descriptors::add(task, &mut found))?;
            tables.push((task.pid, found));
            Ok(())
        };
        read(self.task)?;
        let mut distinct = vec![pid];
        for &tid in &self.threads {
            let shared = |one: &i32| {
                // Asked by numbers, which must be those of our own pid namespace.
                self.machine.same_numbers && sys::shares_descriptors(*one, tid).unwrap_or(false)
            };
            if !distinct.iter().any(shared) {
                distinct.push(tid);
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

/// What could be read; nothing of what is gone or closed to us.
fn or_none<T: Default>(read: Result<T>) -> Result<T> {
    match read {
        Err(e) if e.is_our_own() => Err(e),
        read => Ok(read.unwrap_or_default()),
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
