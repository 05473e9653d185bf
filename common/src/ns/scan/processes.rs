//! The namespaces that processes are in: the links of `/proc/PID/ns`.
//!
//! `readlink` tells kind and inode in one call and opens nothing; following the link would cost twice that.
//! What is said of a process is read through the directory that was opened for its links, so it is one
//! process all through.

use super::{Found, Process, Want};
use crate::error::Result;
use crate::kind::{Kind, NsId};
use crate::ns::fd::NsFd;
use crate::proc::groups::Line;
use crate::proc::{Proc, Task};

pub(super) fn scan(proc: &Proc, want: &Want, found: &mut Found) -> Result<()> {
    // All namespaces of one machine are files of one file system; its number cannot be seen in a link.
    let dev = proc.this().and_then(|this| NsFd::of(&this, Kind::User)?.id()).map_or(0, |id| id.dev);
    for pid in proc.pids()? {
        match proc.task(pid).and_then(|task| add(&task, dev, want, found)) {
            Ok(()) => {}
            // A process that ended since the list was made is not there: that is no failure.
            Err(e) if e.is_gone() => {}
            Err(e) if e.is_our_own() => return Err(e),
            // It is there and cannot be shown, whatever keeps it from us.
            Err(_) => found.snapshot.unreadable += 1,
        }
    }
    Ok(())
}

fn add(task: &Task, dev: u64, want: &Want, found: &mut Found) -> Result<()> {
    let inodes = task.namespaces(want.kinds)?;
    let mut of_interest = inodes.iter().map(|(_, ino)| *ino).filter(|&ino| ino != 0);
    if of_interest.any(|ino| !found.has_process(ino) || want.members_of == Some(ino)) {
        // If it ends here, it counts nowhere.
        found.snapshot.processes.insert(task.pid, describe(task, want)?);
    }
    for (kind, &ino) in inodes.iter().filter(|(_, ino)| **ino != 0) {
        let ns = found.namespace(NsId { dev, ino }, kind);
        ns.processes += 1;
        // PIDs ascend, so the first that is met is the lowest.
        ns.first.get_or_insert(task.pid);
        // Not known yet, or the process that was asked before ended under it.
        if want.relations && !found.related.contains(&ino) {
            match NsFd::of(task, kind).and_then(|ns| found.relate(ns)) {
                Err(e) if e.is_our_own() => return Err(e),
                Ok(()) | Err(_) => {}
            }
        }
    }
    found.snapshot.members.push((task.pid, inodes));
    Ok(())
}

fn describe(task: &Task, want: &Want) -> Result<Process> {
    let stat = task.stat()?;
    let command = task.command_line()?;
    Ok(Process {
        pid: task.pid,
        ppid: stat.ppid,
        uid: task.uid()?,
        command: if command.is_empty() { stat.comm } else { command },
        groups: if want.groups { groups(task)? } else { Vec::new() },
    })
}

/// A kernel can be built without groups, and they are no reason to leave a process out.
fn groups(task: &Task) -> Result<Vec<Line>> {
    match Line::of(task) {
        Err(e) if e.is_our_own() => Err(e),
        lines => Ok(lines.unwrap_or_default()),
    }
}
