//! The namespaces that only children to come will be in: the links `pid_for_children` and `time_for_children` of
//! `/proc/PID/ns`, of each thread.

use super::processes::Visit;
use super::{Found, Holder};
use crate::error::Result;
use crate::ns::fd::NsFd;
use crate::proc::Task;

pub(super) fn scan(visit: &Visit<'_>, found: &mut Found) -> Result<()> {
    add(visit, visit.task, found)?;
    for &tid in &visit.threads {
        match visit.task.thread(tid) {
            Ok(thread) => add(visit, &thread, found)?,
            Err(e) if e.is_our_own() => return Err(e),
            // It ended.
            Err(_) => {}
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
