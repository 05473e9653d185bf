//! Every process, with the user and pid namespaces that it is in: read in the visit that finds namespaces.

use super::Machine;
use super::processes::Visit;
use crate::error::{Result, or_none};
use crate::kind::Kind;
use crate::proc::status::Status;

/// One process, and where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resident {
    /// Its PID, as the /proc that was read numbers it.
    pub pid: i32,
    /// Its PIDs, from the pid namespace of this /proc down to its own.
    pub pids: Vec<i32>,
    /// The inode number of its user namespace.
    pub user: u64,
    /// That of its pid namespace.
    pub within: u64,
    /// The command line, or the name where that is empty. Any bytes.
    pub command: Vec<u8>,
    /// Is it a thread of the kernel?
    pub of_kernel: bool,
    /// Has it ended, with all its threads?
    pub has_ended: bool,
}

impl Resident {
    pub(super) fn of(visit: &Visit<'_>) -> Result<Resident> {
        let (task, within) = (visit.task, visit.inodes[Kind::Pid]);
        // There its only number is that of this /proc: to read the status takes as long as all the rest.
        let is_here = visit.machine.level.is_some_and(|level| level == within);
        let pids = if is_here { vec![task.pid] } else { Status::of(task)?.levels(task.pid) };
        let command = task.command_line()?;
        // Only those without a command line can be what follows.
        let stat = if command.is_empty() { Some(task.stat()?) } else { None };
        let has_ended = stat.as_ref().is_some_and(|stat| stat.has_ended) && task.threads()?.is_empty();
        let of_kernel = stat.as_ref().is_some_and(|stat| stat.of_kernel);
        let command = stat.map_or(command, |stat| stat.comm);
        Ok(Resident {
            pid: task.pid,
            pids,
            user: visit.inodes[Kind::User],
            within,
            command,
            of_kernel,
            has_ended,
        })
    }
}

/// The pid namespace by which a /proc numbers processes, where that is ours: then we have no other number.
pub(super) fn level(machine: &Machine<'_>) -> Result<Option<u64>> {
    let level = machine.proc.this().and_then(|us| {
        let is_ours = Status::of(&us)?.pids.len() == 1;
        let ino = us.namespaces([Kind::Pid].into_iter().collect())?[Kind::Pid];
        Ok(Some(ino).filter(|&ino| is_ours && ino != 0))
    });
    or_none(level)
}
