//! The namespaces that only a thread is in: the links of `/proc/PID/task/TID/ns`.
//!
//! A thread can leave its process in the kinds that [`processes::of_threads`] names. If the first thread has ended,
//! which makes the process look like one that has ended, only the others show where it is.

use super::processes::{self, Visit};
use super::{Found, Holder};
use crate::error::Result;
use crate::ns::fd::NsFd;

pub(super) fn scan(visit: &Visit<'_>, found: &mut Found) -> Result<()> {
    let kinds = processes::of_threads(visit.want.sought());
    for &tid in &visit.threads {
        let thread = match visit.task.thread(tid).and_then(|thread| Ok((thread.namespaces(kinds)?, thread))) {
            Ok(thread) => thread,
            Err(e) if e.is_our_own() => return Err(e),
            // It ended.
            Err(_) => continue,
        };
        let (inodes, thread) = thread;
        for (kind, &own) in visit.inodes.iter() {
            let ino = if kinds.contains(kind) { inodes[kind] } else { own };
            if ino == 0 {
                continue;
            }
            let ns = match ino == own {
                true => found.namespace(visit.id(ino), kind),
                false => found.hold(visit.id(ino), kind, Holder::Thread { pid: visit.pid(), tid }),
            };
            ns.threads += 1;
            found.ask(visit.want, ino, || NsFd::of(&thread, kind))?;
        }
    }
    Ok(())
}
