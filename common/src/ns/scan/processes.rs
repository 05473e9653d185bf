//! The namespaces that processes are in: the links of `/proc/PID/ns`.
//!
//! `readlink` tells kind and inode in one call and opens nothing; following the link would cost twice that.
//! What is said of a process is read through the directory that was opened for its links, so it is one
//! process all through.

use super::{Process, Snapshot, Want};
use crate::error::Result;
use crate::kind::{Kind, NsId};
use crate::ns::fd::NsFd;
use crate::proc::{Proc, Task};

pub(super) fn scan(proc: &Proc, want: &Want, snapshot: &mut Snapshot) -> Result<()> {
    // All namespaces of one machine are files of one file system; its number cannot be seen in a link.
    let dev = proc.this().and_then(|this| NsFd::of(&this, Kind::User)?.id()).map_or(0, |id| id.dev);
    for pid in proc.pids()? {
        match proc.task(pid).and_then(|task| add(&task, dev, want, snapshot)) {
            // A process that ended since the list was made is not there: that is no failure.
            Err(e) if e.is_denied() => snapshot.unreadable += 1,
            Ok(()) | Err(_) => {}
        }
    }
    Ok(())
}

fn add(task: &Task, dev: u64, want: &Want, snapshot: &mut Snapshot) -> Result<()> {
    let inodes = task.namespaces(want.kinds)?;
    let known = |ino| snapshot.namespace(ino).is_some_and(|ns| ns.first.is_some());
    let mut found = inodes.iter().map(|(_, ino)| *ino).filter(|&ino| ino != 0);
    if found.any(|ino| !known(ino) || want.members_of == Some(ino)) {
        // If it ends here, it counts nowhere.
        snapshot.processes.insert(task.pid, describe(task)?);
    }
    for (kind, &ino) in inodes.iter().filter(|(_, ino)| **ino != 0) {
        let (at, new) = snapshot.add(NsId { dev, ino }, kind);
        let ns = &mut snapshot.namespaces[at];
        ns.processes += 1;
        // PIDs ascend, so the first that is met is the lowest.
        ns.first.get_or_insert(task.pid);
        if new && want.relations {
            NsFd::of(task, kind).into_iter().for_each(|ns| snapshot.relate(ns));
        }
    }
    snapshot.members.push((task.pid, inodes));
    Ok(())
}

fn describe(task: &Task) -> Result<Process> {
    let stat = task.stat()?;
    let command = task.command_line()?;
    Ok(Process {
        pid: task.pid,
        ppid: stat.ppid,
        uid: task.uid()?,
        command: if command.is_empty() { stat.comm } else { command },
    })
}
