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
                    let asked = ask(visit.task, *tid, open.fd, &mut pidfd);
                    let ns = match asked {
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

/// The net namespace of an open file. The pidfd comes by number, so it is checked that the process is still there
/// whose directory we hold: then nobody else could get its number meanwhile.
pub(super) fn ask(task: &Task, tid: i32, fd: i32, pidfd: &mut Option<OwnedFd>) -> Result<NsFd> {
    let on = || format!("descriptor {fd} of {tid}");
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
    let socket = sys::pidfd_getfd(pidfd, fd).map_err(|e| Error::sys("pidfd_getfd", on(), e))?;
    let ns = sys::socket_netns(&socket).map_err(|e| Error::sys("SIOCGSKNS", on(), e))?;
    NsFd::from_fd(ns, on())
}
