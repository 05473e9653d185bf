//! The open files of a process that can keep a namespace: found without touching the file systems that the others
//! are on.
//!
//! What `/proc/PID/fd/N` leads to is never followed here: the file system behind it can be a dead server's. The text
//! of the link and `/proc/PID/fdinfo/N` tell all, and the kernel writes both by itself. Source: proc_pid_fd(5),
//! proc_pid_fdinfo(5).

use std::ffi::{CStr, CString};
use std::io::Write;
use std::os::fd::{AsRawFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag};
use nix::sys::stat::{Mode, fstatat};

use super::{Proc, Task};
use crate::error::{Error, Result, or_none};
use crate::kind::{Kind, parse_link};
use crate::sys;
use crate::text::digits;

/// An open file that can keep a namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Descriptor {
    /// Its number.
    pub fd: i32,
    /// What it is.
    pub what: What,
}

/// What an open file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// A namespace.
    Namespace(Kind, u64),
    /// A socket, by its inode number.
    Socket(u64),
    /// A tun or tap device.
    Tun,
    /// A file that was opened by a path, and may be a namespace that is mounted there, or was.
    File {
        /// The mount that it was opened through, as mountinfo numbers it.
        mount: u64,
        /// Its inode number; not told before Linux 5.14.
        ino: Option<u64>,
        /// Is it the root of a mount that is nowhere any more?
        is_root: bool,
    },
}

/// The lowest inode number of a namespace: PROC_DYNAMIC_FIRST of the kernel's fs/proc.
const LOWEST: u64 = 0xF000_0000;

/// Where the devices are that most processes have open. No namespace is looked for behind them, which saves asking for
/// their inode numbers, unless one is mounted in such a place.
pub const DEVICES: &[&[u8]] = &[b"/dev/null", b"/dev/pts/", b"/dev/tty", b"/dev/zero", b"/dev/urandom"];

/// So many numbers may be free in a table before all that are not are listed.
const GAP: i32 = 2;

/// Adds those of a process, or of a thread that has a table of its own.
pub fn add(task: &Task, all: bool, found: &mut Vec<Descriptor>) -> Result<()> {
    let stat = fstatat(task, c"fd", AtFlags::empty())
        .map_err(|e| Error::sys("stat", format!("descriptors of {}", task.pid), e))?;
    // The size is how many there are, since Linux 6.2; before, it is 0. Most tables have them side by side.
    let (mut rest, mut gap, mut fd) = (stat.st_size, 0, 0);
    let mut path = [0; 16];
    while rest > 0 && gap < GAP {
        let _ = write!(&mut path[..], "fd/{fd}\0");
        match one(task, fd, CStr::from_bytes_until_nul(&path).unwrap_or(c""), all)? {
            None => gap += 1,
            Some(what) => {
                (rest, gap) = (rest - 1, 0);
                found.extend(what.map(|what| Descriptor { fd, what }));
            }
        }
        fd += 1;
    }
    if rest == 0 && stat.st_size > 0 {
        return Ok(());
    }
    let dir = task.open(c"fd", OFlag::O_RDONLY | OFlag::O_DIRECTORY, "descriptors")?;
    let mut path = [0; 16];
    super::list::numbers(&dir, |number| {
        let _ = write!(&mut path[..], "fd/{number}\0");
        if number >= fd {
            let what = one(task, number, CStr::from_bytes_until_nul(&path).unwrap_or(c""), all)?;
            found.extend(what.flatten().map(|what| Descriptor { fd: number, what }));
        }
        Ok(())
    })
}

/// What one is; none where there is no such number.
fn one(task: &Task, fd: i32, path: &CStr, all: bool) -> Result<Option<Option<What>>> {
    let mut link = [0; 64];
    Ok(Some(match sys::readlinkat(task, path, &mut link) {
        Ok(text) if !all && DEVICES.iter().any(|device| text.starts_with(device)) => None,
        Ok([b'/', rest @ ..]) => file(task, fd, rest.is_empty())?,
        Ok(text) => other(text),
        // Not there, closed meanwhile, or the process ended.
        Err(_) => return Ok(None),
    }))
}

/// Opens a descriptor of a process or thread if it is a file of this device, that of namespaces: what is anything else
/// by now is neither opened nor waited for.
pub fn open(task: &Task, fd: i32, dev: u64) -> Result<OwnedFd> {
    let on = format!("descriptor {fd}");
    let path = CString::new(format!("fd/{fd}")).unwrap_or_default();
    let held = task.open(&path, OFlag::O_PATH, &on)?;
    let fail = |e| Error::sys("stat", format!("{on} of {}", task.pid), e);
    let (found, _) = sys::stat_quietly(&held).map_err(fail)?;
    if found != dev {
        return Err(fail(Errno::ESTALE));
    }
    again(&held).map_err(|e| Error::sys("open", format!("{on} of {}", task.pid), e))
}

/// Opens for reading what is held by its path only.
pub(super) fn again(held: &OwnedFd) -> nix::Result<OwnedFd> {
    let path = CString::new(format!("/proc/self/fd/{}", held.as_raw_fd())).unwrap_or_default();
    nix::fcntl::open(path.as_c_str(), OFlag::O_RDONLY | OFlag::O_CLOEXEC, Mode::empty())
}

/// The processes with a unix socket in which descriptors are on their way to somebody who has not yet taken them:
/// ascending, and with all that share the socket. Source: fdinfo of unix sockets, `scm_fds`, Linux 5.6.
pub fn carriers(proc: &Proc) -> Result<Vec<i32>> {
    let mut carriers = Vec::new();
    for pid in proc.pids()? {
        // Not where it ended, or keeps its descriptors from us.
        if or_none(proc.task(pid).and_then(|task| carries(&task)))? {
            carriers.push(pid);
        }
    }
    Ok(carriers)
}

fn carries(task: &Task) -> Result<bool> {
    let mut found = Vec::new();
    add(task, false, &mut found)?;
    for open in found.iter().filter(|open| matches!(open.what, What::Socket(_))) {
        if or_none(info(task, open.fd, in_flight))? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Does the fdinfo of a unix socket tell of descriptors in it?
fn in_flight(text: &[u8]) -> bool {
    let count = text.split(|&b| b == b'\n').find_map(|line| line.strip_prefix(b"scm_fds:"));
    count.and_then(|count| digits::<u64>(count.trim_ascii())).is_some_and(|count| count > 0)
}

/// What has no path. No user chooses such a text.
fn other(text: &[u8]) -> Option<What> {
    match parse_link(text)? {
        (b"socket", ino) => Some(What::Socket(ino)),
        (name, ino) => Some(What::Namespace(Kind::from_name(name)?, ino)),
    }
}

fn file(task: &Task, fd: i32, is_root: bool) -> Result<Option<What>> {
    or_none(info(task, fd, |text| info_says(text, is_root)))
}

/// What `/proc/PID/fdinfo/N` says.
fn info<T>(task: &Task, fd: i32, says: impl Fn(&[u8]) -> T) -> Result<T> {
    let mut path = [0; 24];
    // A number of ten digits fits.
    let _ = write!(&mut path[..], "fdinfo/{fd}\0");
    let info = CStr::from_bytes_until_nul(&path).unwrap_or(c"");
    Ok(says(task.read_some::<512>(info, "a descriptor")?.bytes()))
}

fn info_says(text: &[u8], is_root: bool) -> Option<What> {
    let (mut mount, mut ino) = (None, None);
    for line in text.split(|&b| b == b'\n') {
        if let Some(number) = line.strip_prefix(b"mnt_id:\t") {
            mount = digits(number);
        } else if let Some(number) = line.strip_prefix(b"ino:\t") {
            ino = digits(number);
        } else if line.starts_with(b"iff:\t") {
            return Some(What::Tun);
        }
    }
    let can_be = ino.is_none_or(|ino| (LOWEST..=u32::MAX.into()).contains(&ino));
    Some(What::File { mount: mount.filter(|_| can_be)?, ino, is_root })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_tells_what_can_keep_a_namespace() {
        let cases: [(&[u8], _); 6] = [
            (b"net:[4026532508]", Some(What::Namespace(Kind::Net, 4026532508))),
            (b"socket:[17]", Some(What::Socket(17))),
            (b"pipe:[17]", None),
            (b"anon_inode:[eventpoll]", None),
            (b"net:[x]", None),
            (b"", None),
        ];
        for (text, expected) in cases {
            assert_eq!(other(text), expected, "{}", String::from_utf8_lossy(text));
        }
    }

    #[test]
    fn a_file_can_be_a_namespace_by_its_number() {
        let file = |mount, ino| Some(What::File { mount, ino, is_root: true });
        let cases: [(&[u8], _); 6] = [
            (b"pos:\t0\nflags:\t02\nmnt_id:\t24\nino:\t4026532508\n", file(24, Some(4026532508))),
            (b"pos:\t0\nflags:\t02\nmnt_id:\t24\nino:\t12\n", None),
            (b"pos:\t0\nflags:\t02\nmnt_id:\t24\nino:\t4294967296\n", None),
            (b"pos:\t0\nflags:\t02\nmnt_id:\t24\n", file(24, None)),
            (b"pos:\t0\nflags:\t02\nmnt_id:\t24\nino:\t9\niff:\ttap0\n", Some(What::Tun)),
            (b"pos:\t0\n", None),
        ];
        for (text, expected) in cases {
            assert_eq!(info_says(text, true), expected, "{}", String::from_utf8_lossy(text));
        }
    }

    #[test]
    fn a_socket_tells_of_descriptors_in_it() {
        assert!(in_flight(b"pos:\t0\nflags:\t02\nino:\t7\nscm_fds: 2\n"));
        for text in [&b"pos:\t0\nscm_fds: 0\n"[..], b"pos:\t0\n", b"scm_fds: \n", b"ino: 9\nscm_fd: 9\n"] {
            assert!(!in_flight(text));
        }
    }
}
