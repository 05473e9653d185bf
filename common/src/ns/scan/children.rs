//! The namespaces that only children to come will be in: the links `pid_for_children` and `time_for_children` of
//! `/proc/PID/ns`, of each thread.

use super::processes::Visit;
use super::{Found, Holder};
use crate::error::{Result, or_none};
use crate::ns::fd::NsFd;
use crate::proc::Task;

pub(super) fn scan(visit: &Visit<'_>, found: &mut Found) -> Result<()> {
    add(visit, visit.task, found)?;
    for &tid in &visit.threads {
        // None where it has ended.
        if let Some(thread) = or_none(visit.task.thread(tid).map(Some))? {
            add(visit, &thread, found)?;
        }
    }
    Ok(())
}

fn add(visit: &Visit<'_>, task: &Task, found: &mut Found) -> Result<()> {
    let inodes = task.for_children(visit.want.kinds);
    for (kind, &ino) in inodes.iter().filter(|(kind, ino)| **ino != 0 && visit.inodes[*kind] != **ino) {
        let holder = Holder::Children { pid: visit.pid(), tid: task.pid };
        found.hold(visit.id(ino), kind, holder);
        found.ask(visit.want, ino, || NsFd::for_children_of(task, kind))?;
    }
    Ok(())
}
