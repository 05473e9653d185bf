//! Processes as /proc shows them: one directory descriptor for each, and bytes.
//!
//! This is the only place that knows paths below /proc, and every reader takes the root, so a directory of
//! files can stand in for it.

pub mod binds;
pub mod binfmt;
pub mod clocks;
pub mod container;
pub mod cpus;
pub mod credentials;
pub mod descriptors;
pub mod groups;
pub mod idmap;
pub mod label;
pub mod likeness;
pub mod list;
pub mod machine;
pub mod mapping;
pub mod mounts;
pub mod net;
pub mod oom;
pub mod place;
pub mod security;
pub mod settings;
pub mod stat;
pub mod status;
pub mod subids;
pub mod target;
pub mod users;

use std::ffi::{CStr, CString};
use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, openat};
use nix::sys::stat::{Mode, fstat};
use nix::unistd::getpid;

use crate::error::{Error, Result, or_none};
use crate::kind::{Kind, KindMap, KindSet, Row, parse_link};
use crate::sys;
use crate::text::digits;

pub use list::{Pids, parse_pid};
pub use stat::Stat;
pub use target::Target;

/// A file of /proc that we read whole is never larger than this: 16 MiB.
const LIMIT: u64 = 16 << 20;

/// Advice where the machine's own /proc is not there.
const NOT_MOUNTED: &str = "mount one: mount -t proc proc /proc";

/// A /proc file system, or a directory that looks like one.
#[derive(Debug)]
pub struct Proc {
    root: OwnedFd,
    path: Vec<u8>,
}

impl AsFd for Proc {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.root.as_fd()
    }
}

impl Proc {
    /// Opens the root: `/proc`, or a directory made for a test.
    pub fn open(root: &Path) -> Result<Proc> {
        let path = root.as_os_str().as_bytes().to_vec();
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let root = nix::fcntl::open(root, flags, Mode::empty()).map_err(|e| Error::sys("open", &path, e))?;
        Ok(Proc { root, path })
    }

    /// Opens the machine's own.
    pub fn system() -> Result<Proc> {
        Proc::open(Path::new("/proc")).map_err(|e| match e.is_gone() {
            true => e.with_hint(NOT_MOUNTED),
            false => e,
        })
    }

    /// Is it the machine's own? Only to that belong files elsewhere that speak of its processes.
    pub fn is_system(&self) -> bool {
        Path::new(std::ffi::OsStr::from_bytes(&self.path)) == Path::new("/proc")
    }

    /// Does the kernel write it, so that what it says of us is so? A directory that looks like one can be mounted on
    /// `/proc` as well, as can that of another machine. Source: PROC_SUPER_MAGIC of linux/magic.h.
    pub fn is_the_kernels(&self) -> Result<bool> {
        nix::sys::statfs::fstatfs(&self.root)
            .map(|stat| stat.filesystem_type() == nix::sys::statfs::PROC_SUPER_MAGIC)
            .map_err(|e| Error::sys("statfs", &self.path, e))
    }

    /// The PIDs of all processes (thread groups), ascending, as this /proc numbers them. An error if there is
    /// none: we are one ourselves.
    pub fn pids(&self) -> Result<Vec<i32>> {
        let fail = |e| Error::sys("list", &self.path, e);
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let dir = openat(&self.root, c".", flags, Mode::empty()).map_err(fail)?;
        let mut dir = Dir::from_fd(dir).map_err(fail)?;
        let mut pids = Vec::new();
        for entry in dir.iter() {
            let entry = entry.map_err(fail)?;
            pids.extend(parse_pid(entry.file_name().to_bytes()));
        }
        if pids.is_empty() {
            return Err(self.none_seen());
        }
        // The kernel's order is already this one; a directory's is any.
        if !pids.is_sorted() {
            pids.sort_unstable();
        }
        Ok(pids)
    }

    /// The error where there is no process.
    pub fn none_seen(&self) -> Error {
        Error::refused([b"no process is seen in ", &self.path[..]].concat())
            .with_hint("is proc mounted there? mount -t proc proc /proc")
    }

    /// The same, some at a time, for those who look at some while others look at more. There may be none.
    pub fn list(&self) -> Result<Pids> {
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let dir = openat(&self.root, c".", flags, Mode::empty());
        Ok(Pids(dir.map_err(|e| Error::sys("list", &self.path, e))?))
    }

    /// What [`Task::namespaces`] answers, without taking hold of the process: cheaper for one or two kinds, but nothing
    /// else that is read can be said to be of the same process.
    pub fn namespaces(&self, pid: i32, kinds: KindSet) -> Result<KindMap<u64>> {
        let (mut number, mut path) = ([0; 12], [0; 32]);
        let number = decimal(pid, &mut number).to_bytes();
        path[..number.len()].copy_from_slice(number);
        path[number.len()] = b'/';
        let rest = number.len() + 1;
        links(kinds, pid, |row, buffer| {
            // A PID of ten digits, and the longest of the names, fit.
            let name = row.path.to_bytes_with_nul();
            path[rest..rest + name.len()].copy_from_slice(name);
            sys::readlinkat(&self.root, CStr::from_bytes_until_nul(&path).unwrap_or(c""), buffer)
        })
    }

    /// Takes hold of a process's directory. [`Error::is_gone`] if there is none.
    pub fn task(&self, pid: i32) -> Result<Task> {
        let mut name = [0; 12];
        self.open_task(pid, decimal(pid, &mut name))
    }

    /// The same of one of its threads; of the process itself where that is its first.
    pub fn task_or_thread(&self, pid: i32, tid: i32) -> Result<Task> {
        let task = self.task(pid)?;
        if tid == pid { Ok(task) } else { task.thread(tid) }
    }

    /// Does it number processes as our own system calls do? `this` is what it calls us.
    pub fn numbers_as_we_do(&self, this: i32) -> bool {
        self.is_system() && this == getpid().as_raw()
    }

    /// Takes hold of our own directory; its `pid` is what this /proc calls us.
    pub fn this(&self) -> Result<Task> {
        let mut name = [0; 12];
        let link = sys::readlinkat(&self.root, c"self", &mut name).map_err(|e| {
            Error::sys("read", [&self.path[..], b"/self"].concat(), e)
                .with_hint("proc is not mounted there, or is that of another pid namespace")
        })?;
        let pid = parse_pid(link).ok_or_else(|| {
            Error::refused("/proc/self is no process: is another file system mounted there?")
        })?;
        self.task(pid)
    }

    /// Where we are: what we are called here and inside, and the namespaces that a program we become is in.
    pub fn whereabouts(&self) -> Result<Whereabouts> {
        let this = self.this()?;
        let mut namespaces = this.namespaces(KindSet::all())?;
        // This one is entered when a program is executed.
        let kinds = Kind::all().filter(|kind| !kind.row().needs_fork).collect();
        let made = this.for_children(kinds);
        made.iter().filter(|(_, ino)| **ino != 0).for_each(|(kind, ino)| namespaces[kind] = *ino);
        Ok(Whereabouts { outside: this.pid, inside: getpid().as_raw(), namespaces })
    }

    /// The clock by which processes' starts are told. None where this /proc does not tell when the machine started.
    pub fn clock(&self) -> Result<Option<Clock>> {
        let text = or_none(self.read(c"stat"))?;
        let line = text.split(|&b| b == b'\n').find_map(|line| line.strip_prefix(b"btime "));
        let ticks = nix::unistd::sysconf(nix::unistd::SysconfVar::CLK_TCK).ok().flatten();
        let ticks = ticks.and_then(|ticks| u64::try_from(ticks).ok()).filter(|&ticks| ticks > 0);
        Ok(line.and_then(digits).zip(ticks).map(|(boot, ticks)| Clock { boot, ticks }))
    }

    /// When the process or thread with this [`Stat::start`] started. The offset of a time namespace that we are in does not
    /// matter. Source: proc_pid_stat(5), proc_uptime(5).
    pub fn start(&self, start: u64) -> Result<Start> {
        let untold = || Error::refused("this /proc does not tell since when the machine is up");
        let clock = self.clock()?.ok_or_else(untold)?;
        let ago = clock.age(start, self.uptime()?).ok_or_else(untold)?;
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let now = now.ok().and_then(|now| i64::try_from(now.as_secs()).ok()).unwrap_or_default();
        Ok(Start { at: now.saturating_sub_unsigned(ago), ago })
    }

    /// The number in a file of `/proc/sys`, as the user namespace we are in has it.
    pub fn sysctl(&self, name: &str) -> Option<u64> {
        let path = CString::new(format!("sys/{name}")).ok()?;
        let file =
            openat(&self.root, path.as_c_str(), OFlag::O_RDONLY | OFlag::O_CLOEXEC, Mode::empty()).ok()?;
        let mut text = String::new();
        std::fs::File::from(file).take(64).read_to_string(&mut text).ok()?;
        text.trim().parse().ok()
    }

    /// Does the kernel let a program type into its controlling terminal, so that one inside of a container could give
    /// commands to the shell outside (CVE-2017-5226)? Since Linux 6.2 a sysctl says so; before it always did.
    /// Source: TIOCSTI(2const), dev.tty.legacy_tiocsti of the kernel's admin-guide.
    pub fn lets_input_be_injected(&self) -> bool {
        self.sysctl("dev/tty/legacy_tiocsti") != Some(0)
    }

    /// The file in which every process reads the name of its own host, held open. Source: proc_sys_kernel(5).
    pub fn host_name(&self) -> Result<HostName> {
        self.name(c"sys/kernel/hostname")
    }

    /// The same of the NIS domain name, which is `(none)` where none was set.
    pub fn domain_name(&self) -> Result<HostName> {
        self.name(c"sys/kernel/domainname")
    }

    fn name(&self, path: &'static CStr) -> Result<HostName> {
        let flags = OFlag::O_RDONLY | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK;
        let file = openat(&self.root, path, flags, Mode::empty())
            .map_err(|e| Error::sys("open", path.to_bytes(), e))?;
        Ok(HostName(file.into(), path))
    }

    /// The bytes of a file in the root, to its end or to 16 MiB.
    fn read(&self, name: &CStr) -> Result<Vec<u8>> {
        let flags = OFlag::O_RDONLY | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK;
        let file = openat(&self.root, name, flags, Mode::empty())
            .map_err(|e| Error::sys("open", name.to_bytes(), e))?;
        let mut bytes = Vec::new();
        std::fs::File::from(file)
            .take(LIMIT)
            .read_to_end(&mut bytes)
            .map_err(|e| Error::io("read", name.to_bytes(), &e))?;
        Ok(bytes)
    }

    fn open_task(&self, pid: i32, name: &CStr) -> Result<Task> {
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        match openat(&self.root, name, flags, Mode::empty()) {
            Ok(dir) => Ok(Task { pid, dir }),
            Err(Errno::ENOENT) => Err(Error::sys("open", format!("process {pid}"), Errno::ESRCH)),
            Err(e) => Err(Error::sys("open", format!("process {pid}"), e)),
        }
    }
}

/// Our own place among processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Whereabouts {
    /// Our PID, as this /proc numbers it.
    pub outside: i32,
    /// Our PID in our own pid namespace.
    pub inside: i32,
    /// The inode numbers of namespaces; 0 of kinds that this kernel lacks.
    pub namespaces: KindMap<u64>,
}

/// When a process started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Start {
    /// In seconds since 1970, by the wall clock as it is now.
    pub at: i64,
    /// So many seconds ago.
    pub ago: u64,
}

/// When the machine started, and how its ticks are counted. Source: proc_stat(5), sysconf(3).
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    /// Seconds since 1970.
    boot: u64,
    /// How many there are in a second.
    ticks: u64,
}

impl Clock {
    /// A start, as [`Stat::start`] tells it, in seconds since 1970.
    pub fn seconds(&self, start: u64) -> Option<u64> {
        self.boot.checked_add(start / self.ticks)
    }

    /// How long ago a start is, in seconds, where the machine has been up for so many nanoseconds: both as our time
    /// namespace counts, so that its offset does not matter. None where it is still to come.
    pub fn age(&self, start: u64, uptime: i128) -> Option<u64> {
        let start = i128::from(start) * 1_000_000_000 / i128::from(self.ticks);
        // The uptime is told in hundredths, and the start was rounded as well.
        let age = uptime - start + 20_000_000;
        u64::try_from(age).ok().map(|nanos| nanos / 1_000_000_000)
    }
}

/// The host name, or the domain name, of the uts namespace in which it is read.
#[derive(Debug)]
pub struct HostName(std::fs::File, &'static CStr);

impl HostName {
    /// The name, any bytes.
    pub fn read(self) -> Result<Vec<u8>> {
        let mut name = Vec::new();
        self.0.take(LIMIT).read_to_end(&mut name).map_err(|e| Error::io("read", self.1.to_bytes(), &e))?;
        name.pop_if(|last| *last == b'\n');
        Ok(name)
    }
}

/// A number as a C string, without allocating.
fn decimal(number: i32, buffer: &mut [u8; 12]) -> &CStr {
    let mut at = buffer.len() - 1;
    // No process has a negative number, nor 0.
    let mut rest = number.max(0);
    buffer[at] = 0;
    loop {
        at -= 1;
        buffer[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    CStr::from_bytes_until_nul(&buffer[at..]).unwrap_or(c"0")
}

/// The directory of one process, held open: what is read through it is of that process or fails, even if
/// another gets the same PID.
#[derive(Debug)]
pub struct Task {
    /// Its PID as this /proc numbers it.
    pub pid: i32,
    dir: OwnedFd,
}

impl AsFd for Task {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.dir.as_fd()
    }
}

impl Task {
    /// Opens a file of this process. `on` is how an error names it, before "of PID".
    pub fn open(&self, path: &CStr, flags: OFlag, on: &str) -> Result<OwnedFd> {
        // What stands in the place of a file in a directory for --proc can be a FIFO that nobody writes to.
        let flags = flags | OFlag::O_CLOEXEC | OFlag::O_NOCTTY | OFlag::O_NONBLOCK;
        openat(&self.dir, path, flags, Mode::empty())
            .map_err(|e| Error::sys("open", format!("{on} of {}", self.pid), e))
    }

    /// The bytes of a file of this process, to its end or to 16 MiB.
    pub fn read(&self, name: &CStr) -> Result<Vec<u8>> {
        let on = name.to_string_lossy();
        let file = self.open(name, OFlag::O_RDONLY, &on)?;
        let mut bytes = Vec::with_capacity(1024);
        std::fs::File::from(file)
            .take(LIMIT)
            .read_to_end(&mut bytes)
            .map_err(|e| Error::io("read", format!("{on} of {}", self.pid), &e))?;
        Ok(bytes)
    }

    /// The same of a file that the kernel hands over in one piece if it fits, so that what comes short is its end.
    fn read_at_once(&self, name: &CStr) -> Result<Vec<u8>> {
        let on = name.to_string_lossy();
        let file = self.open(name, OFlag::O_RDONLY, &on)?;
        let fail = |e| Error::sys("read", format!("{on} of {}", self.pid), e);
        let mut piece = [0; 1024];
        let mut bytes = Vec::new();
        loop {
            let length = nix::unistd::read(&file, &mut piece).map_err(fail)?;
            bytes.extend_from_slice(&piece[..length]);
            if length < piece.len() || bytes.len() as u64 >= LIMIT {
                return Ok(bytes);
            }
        }
    }

    /// The directory of one of its threads. [`Error::is_gone`] if there is none.
    pub fn thread(&self, tid: i32) -> Result<Task> {
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let name = CString::new(format!("task/{tid}")).unwrap_or_default();
        match openat(&self.dir, name.as_c_str(), flags, Mode::empty()) {
            Ok(dir) => Ok(Task { pid: tid, dir }),
            Err(Errno::ENOENT) => {
                let error = Error::sys("open", format!("thread {tid} of {}", self.pid), Errno::ESRCH);
                Err(error
                    .with_hint(format!("the threads of a process are listed in /proc/{}/task", self.pid)))
            }
            Err(e) => Err(Error::sys("open", format!("thread {tid} of {}", self.pid), e)),
        }
    }

    /// The inode numbers of the namespaces it is in, of these kinds. 0 for a kind that this kernel lacks, or
    /// that a zombie has no more. [`Error::is_denied`] where we may not see them: they need
    /// PTRACE_MODE_READ (ptrace(2)). Source: namespaces(7).
    pub fn namespaces(&self, kinds: KindSet) -> Result<KindMap<u64>> {
        links(kinds, self.pid, |row, buffer| sys::readlinkat(&self.dir, row.path, buffer))
    }

    /// The namespaces of these kinds that its children get, where they can be others than its own; 0 as in
    /// [`Task::namespaces`], and where the first child has still to make it. Source: namespaces(7).
    pub fn for_children(&self, kinds: KindSet) -> KindMap<u64> {
        let mut inodes = KindMap::default();
        let mut buffer = [0; 64];
        for kind in kinds.iter() {
            let link = kind.row().for_children;
            let text = link.and_then(|link| sys::readlinkat(&self.dir, link, &mut buffer).ok());
            inodes[kind] = text.and_then(parse_link).map_or(0, |(_, ino)| ino);
        }
        inodes
    }

    /// A number that is the same for all who see the same mounts, or the same network, and another for others; none
    /// for other kinds of namespaces. Everybody may read it, except where /proc hides processes (hidepid).
    ///
    /// The first mount has a number that no mount elsewhere has, and so has the directory that /proc makes for each net
    /// namespace. Source: proc_pid_mountinfo(5), proc_pid_net(5).
    pub fn mark(&self, kind: Kind) -> Result<Option<u64>> {
        match kind {
            Kind::Mnt => {
                let text = self.read_some::<24>(c"mountinfo", "mounts")?;
                let first = text.bytes().split(|&b| b == b' ').next();
                Ok(first.and_then(digits).filter(|_| text.bytes().contains(&b' ')))
            }
            Kind::Net => nix::sys::stat::fstatat(&self.dir, c"net/dev", AtFlags::AT_SYMLINK_NOFOLLOW)
                .map(|stat| Some(stat.st_ino))
                .map_err(|e| Error::sys("stat", format!("network of {}", self.pid), e)),
            _ => Ok(None),
        }
    }

    /// Where its root directory is below that of its mount namespace; below ours, in our own namespace. Nothing is
    /// followed. Source: proc_pid_root(5).
    pub fn root(&self) -> Result<Vec<u8>> {
        let mut buffer = [0; 4096];
        sys::readlinkat(&self.dir, c"root", &mut buffer)
            .map(<[u8]>::to_vec)
            .map_err(|e| Error::sys("read", format!("root directory of {}", self.pid), e))
    }

    /// The numbers of its threads beside the first, which has that of the process.
    pub fn threads(&self) -> Result<Vec<i32>> {
        let on = || format!("threads of {}", self.pid);
        // The directory says by its links how many there are, so of most processes it need not be read.
        let stat = nix::sys::stat::fstatat(&self.dir, c"task", AtFlags::empty())
            .map_err(|e| Error::sys("stat", on(), e))?;
        let mut threads = Vec::new();
        if stat.st_nlink > 3 {
            let dir = self.open(c"task", OFlag::O_RDONLY | OFlag::O_DIRECTORY, "threads")?;
            list::numbers(&dir, |tid| {
                threads.extend(Some(tid).filter(|&tid| tid != self.pid));
                Ok(())
            })?;
        }
        Ok(threads)
    }

    /// The beginning of a small file of this process, without allocating.
    fn read_some<const N: usize>(&self, name: &CStr, on: &str) -> Result<Beginning<N>> {
        let file = self.open(name, OFlag::O_RDONLY, on)?;
        let mut bytes = [0; N];
        let length = nix::unistd::read(&file, &mut bytes)
            .map_err(|e| Error::sys("read", format!("{on} of {}", self.pid), e))?;
        Ok(Beginning { bytes, length })
    }

    /// Is the process still there, if only as one that nobody has waited for yet?
    pub fn is_there(&self) -> bool {
        nix::sys::stat::fstatat(&self.dir, c"stat", AtFlags::empty()).is_ok()
    }

    /// What it means that a file which every process has could not be read: where the file is not there, it
    /// is the process that has ended, or is hidden.
    pub fn or_gone(&self, error: Error) -> Error {
        match error.is_gone() {
            true => Error::sys("open", format!("process {}", self.pid), Errno::ESRCH),
            false => error,
        }
    }

    /// `/proc/PID/stat`.
    pub fn stat(&self) -> Result<Stat> {
        let line = self.read_at_once(c"stat")?;
        Stat::parse(&line).ok_or_else(|| Error::sys("parse", format!("stat of {}", self.pid), Errno::EINVAL))
    }

    /// The effective user id, as our user namespace numbers it: the owner of the directory.
    pub fn uid(&self) -> Result<u32> {
        fstat(&self.dir)
            .map(|stat| stat.st_uid)
            .map_err(|e| Error::sys("stat", format!("process {}", self.pid), e))
    }

    /// The user id, as our user namespace numbers it, of who owns its files that not everybody may read: its effective
    /// one, or where it is not dumpable that of root, 0. Source: proc(5), PR_SET_DUMPABLE(2const).
    pub fn owner_of_files(&self) -> Result<u32> {
        nix::sys::stat::fstatat(&self.dir, c"ns", AtFlags::AT_SYMLINK_NOFOLLOW)
            .map(|stat| stat.st_uid)
            .map_err(|e| Error::sys("stat", format!("namespaces of {}", self.pid), e))
    }

    /// The command line with spaces between the arguments. Empty for kernel threads, zombies and those who
    /// emptied it. Source: proc_pid_cmdline(5).
    pub fn command_line(&self) -> Result<Vec<u8>> {
        let mut bytes = self.read_at_once(c"cmdline")?;
        let end = bytes.iter().rposition(|&b| b != 0).map_or(0, |last| last + 1);
        bytes.truncate(end);
        bytes.iter_mut().filter(|b| **b == 0).for_each(|b| *b = b' ');
        Ok(bytes)
    }
}

/// What was read of a file.
struct Beginning<const N: usize> {
    bytes: [u8; N],
    length: usize,
}

impl<const N: usize> Beginning<N> {
    fn bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

/// The inode numbers in the links of a process's namespaces: see [`Task::namespaces`].
fn links(
    kinds: KindSet,
    pid: i32,
    mut read: impl for<'b> FnMut(&Row, &'b mut [u8]) -> std::result::Result<&'b [u8], Errno>,
) -> Result<KindMap<u64>> {
    let mut inodes = KindMap::default();
    let mut buffer = [0; 64];
    for kind in kinds.iter() {
        match read(kind.row(), &mut buffer) {
            // Linux 5.10 refuses by a link of no bytes.
            Ok([]) => return Err(Error::sys("open", format!("namespaces of {pid}"), Errno::EACCES)),
            Ok(text) => inodes[kind] = parse_link(text).map_or(0, |(_, ino)| ino),
            Err(Errno::ENOENT | Errno::ESRCH) => {}
            // One is refused for the same reason as the others.
            Err(e) => return Err(Error::sys("open", format!("namespaces of {pid}"), e)),
        }
    }
    Ok(inodes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_become_names() {
        for number in [1, 10, 4242, i32::MAX] {
            assert_eq!(decimal(number, &mut [0; 12]).to_bytes(), number.to_string().as_bytes());
        }
        assert_eq!(parse_pid(b"self"), None);
        assert_eq!(parse_pid(b"0"), None);
        assert_eq!(parse_pid(b"99999999999"), None);
        assert_eq!(parse_pid(b"12"), Some(12));
    }
}
