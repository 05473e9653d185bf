//! In which namespaces the processes seem to be that do not show theirs.
//!
//! For two kinds everybody may read something that is another one in each namespace: see [`crate::proc::Task::mark`]. Processes in
//! one namespace can still differ in it, as one in a chroot does in its mounts, so this is a guess, and is shown as one.

use super::processes::describe;
use super::{Facts, Found, HashMap, Inferred, Machine, Want};
use crate::error::{Result, or_none};
use crate::kind::{Kind, KindSet};

/// The processes with each mark.
#[derive(Debug, Default)]
pub(super) struct Marked(HashMap<(Kind, u64), Group>);

#[derive(Clone, Copy, Debug)]
struct Group {
    first: i32,
    processes: usize,
}

impl Marked {
    /// Counts a process. Is it the first with this mark?
    fn add(&mut self, kind: Kind, mark: u64, first: i32, processes: usize) -> bool {
        let group = self.0.entry((kind, mark)).or_insert(Group { first, processes: 0 });
        group.processes += processes;
        group.first = group.first.min(first);
        group.processes == processes
    }

    pub(super) fn merge(&mut self, other: Marked) {
        for ((kind, mark), group) in other.0 {
            self.add(kind, mark, group.first, group.processes);
        }
    }
}

/// Takes down the marks of the process with this number, which did not show its namespaces.
pub(super) fn mark(machine: &Machine<'_>, pid: i32, want: &Want, found: &mut Found) -> Result<()> {
    let Some(task) = or_none(machine.proc.task(pid).map(Some))? else { return Ok(()) };
    let mut is_first = false;
    for kind in want.kinds.iter() {
        if let Some(mark) = or_none(task.mark(kind))? {
            is_first |= found.marked.add(kind, mark, pid, 1);
        }
    }
    if is_first {
        // They are few, and what is said of them does not depend on columns.
        let facts = Facts { uid: true, command: true, stat: true, ..want.facts };
        or_none(describe(&task, facts).map(|process| found.describe(process)))?;
    }
    Ok(())
}

/// Once all processes were visited: are there namespaces, with a process in them that shows it, of which somebody
/// bears the mark?
pub(super) fn scan(machine: &Machine<'_>, found: &mut Found) -> Result<()> {
    if found.marked.0.is_empty() {
        return Ok(());
    }
    let mut known: HashMap<(Kind, u64), u64> = HashMap::default();
    for ns in found.namespaces() {
        let Some(pid) = ns.first else { continue };
        let kinds = KindSet::from_iter([ns.kind]);
        let looked = machine.proc.task(pid).and_then(|task| {
            let mark = task.mark(ns.kind)?;
            // Another may have its PID by now, or it may have gone elsewhere.
            Ok(mark.filter(|_| task.namespaces(kinds).is_ok_and(|inodes| inodes[ns.kind] == ns.id.ino)))
        });
        known.extend(or_none(looked)?.map(|mark| ((ns.kind, mark), ns.id.ino)));
    }
    for ((kind, mark), group) in std::mem::take(&mut found.marked).0 {
        let known = known.get(&(kind, mark)).copied();
        found.add_inferred(Inferred { kind, first: group.first, processes: group.processes, known });
    }
    Ok(())
}
