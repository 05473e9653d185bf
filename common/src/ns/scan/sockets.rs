//! The net namespaces that a socket keeps, or a descriptor of a tun or tap device: the kernel tells by SIOCGSKNS.

use std::os::fd::OwnedFd;

use nix::errno::Errno;

use super::processes::Visit;
use super::{Found, Holder};
use crate::error::{Error, Result};
use crate::kind::Kind;
use crate::ns::fd::NsFd;
use crate::proc::Task;
use crate::proc::descriptors::What;
use crate::sys;

pub(super) fn scan(visit: &Visit<'_>, found: &mut Found) -> Result<()> {
    // By the number of a process, which must be that of our own pid namespace.
    if !visit.want.kinds.contains(Kind::Net) || !visit.machine.same_numbers {
        return Ok(());
    }
    for (tid, table) in &visit.tables {
        let mut pidfd = None;
        for open in table {
            let socket = match open.what {
                What::Socket(ino) => Some(ino),
                What::Tun => None,
                What::Namespace(..) | What::File { .. } => continue,
            };
            let known = socket.and_then(|socket| found.sockets.get(&socket)).copied();
            let ino = match known {
                Some(ino) => ino,
                None => {
                    let held = match get(visit.task, *tid, open.fd, &mut pidfd) {
                        Err(e) if e.is_our_own() => return Err(e),
                        // It was closed, or this process keeps it from us: another one may have it too.
                        Err(_) => continue,
                        Ok(held) => held,
                    };
                    if socket.is_some_and(|socket| sys::stat_quietly(&held).map(|(_, ino)| ino) != Ok(socket))
                    {
                        // It is another by now.
                        continue;
                    }
                    let ns = match netns(&held, *tid, open.fd) {
                        Err(e) if e.is_our_own() => return Err(e),
                        asked => asked.ok().and_then(|ns| Some((ns.id().ok()?.ino, ns))),
                    };
                    let ino = ns.as_ref().map_or(0, |(ino, _)| *ino);
                    if let Some((ino, ns)) = ns {
                        found.ask(visit.want, ino, || Ok(ns))?;
                    }
                    socket.map(|socket| found.sockets.insert(socket, ino));
                    ino
                }
            };
            if ino != 0 {
                let holder = Holder::Socket { pid: visit.pid(), tid: *tid, fd: open.fd };
                found.hold(visit.id(ino), Kind::Net, holder);
            }
        }
    }
    Ok(())
}

/// The net namespace of an open file.
pub(super) fn ask(task: &Task, tid: i32, fd: i32) -> Result<NsFd> {
    netns(&get(task, tid, fd, &mut None)?, tid, fd)
}

/// The open file. The pidfd comes by number, so it is checked that the process is still there
/// whose directory we hold: then nobody else could get its number meanwhile.
fn get(task: &Task, tid: i32, fd: i32, pidfd: &mut Option<OwnedFd>) -> Result<OwnedFd> {
    let pidfd = match pidfd {
        Some(pidfd) => &*pidfd,
        None => {
            let open = if tid == task.pid { sys::pidfd_open(tid) } else { sys::pidfd_of_thread(tid) };
            let open = open.map_err(|e| Error::sys("pidfd_open", tid.to_string(), e))?;
            if !task.is_there() {
                return Err(Error::sys("open", format!("process {}", task.pid), Errno::ESRCH));
            }
            pidfd.insert(open)
        }
    };
    sys::pidfd_getfd(pidfd, fd).map_err(|e| Error::sys("pidfd_getfd", on(tid, fd), e))
}

fn netns(socket: &OwnedFd, tid: i32, fd: i32) -> Result<NsFd> {
    let ns = sys::socket_netns(socket).map_err(|e| Error::sys("SIOCGSKNS", on(tid, fd), e))?;
    NsFd::from_fd(ns, on(tid, fd))
}

fn on(tid: i32, fd: i32) -> String {
    format!("descriptor {fd} of {tid}")
}
