//! The namespaces that a process has open: the links of `/proc/PID/fd`, of each table of descriptors.
//!
//! A file that was opened by a path is a namespace if the mount that it was opened through is one of a namespace,
//! which the mounts tell later; and if that mount is nowhere any more, it can be followed without harm.

use super::found::File;
use super::processes::Visit;
use super::{Found, Holder};
use crate::error::{Result, or_none};
use crate::kind::Kind;
use crate::ns::fd::NsFd;
use crate::proc::descriptors::What;

pub(super) fn scan(visit: &Visit<'_>, found: &mut Found) -> Result<()> {
    for (tid, table) in &visit.tables {
        for open in table {
            match open.what {
                What::Namespace(kind, ino) => add(visit, *tid, open.fd, kind, ino, found)?,
                What::File { is_root: true, .. } => at_root(visit, *tid, open.fd, found)?,
                What::File { mount, .. } => {
                    found.files.push(File { pid: visit.pid(), tid: *tid, fd: open.fd, mount });
                }
                What::Socket(_) | What::Tun => {}
            }
        }
    }
    Ok(())
}

fn add(visit: &Visit<'_>, tid: i32, fd: i32, kind: Kind, ino: u64, found: &mut Found) -> Result<()> {
    if !visit.want.sought().contains(kind) {
        return Ok(());
    }
    found.hold(visit.id(ino), kind, Holder::Descriptor { pid: visit.pid(), tid, fd });
    found.ask(visit.want, ino, || open(visit, tid, fd))
}

/// A file whose mount is nowhere any more.
fn at_root(visit: &Visit<'_>, tid: i32, fd: i32, found: &mut Found) -> Result<()> {
    match or_none(open(visit, tid, fd).and_then(|ns| Ok(Some((ns.kind, ns.id()?.ino)))))? {
        Some((kind, ino)) => add(visit, tid, fd, kind, ino, found),
        // It is no namespace.
        None => Ok(()),
    }
}

/// Opens it through the process, or its thread with this table of descriptors.
fn open(visit: &Visit<'_>, tid: i32, fd: i32) -> Result<NsFd> {
    match tid == visit.pid() {
        true => NsFd::open_by(visit.task, fd, visit.machine.dev),
        false => NsFd::open_by(&visit.task.thread(tid)?, fd, visit.machine.dev),
    }
}
