//! One group, held by a descriptor of its directory: made, written, joined, emptied and removed.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use nix::dir::{Dir, Type};
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, OpenHow, ResolveFlag, openat, openat2};
use nix::poll::{PollFd, PollFlags, PollTimeout};
use nix::sys::stat::{FileStat, Mode, fstat, fstatat, mkdirat};
use nix::unistd::{AccessFlags, Uid, UnlinkatFlags, faccessat, unlinkat};

use crate::error::{Error, Result};
use crate::sys;
use crate::text::digits;

/// How long an ended group may take to let go of its last process: tens of milliseconds where much memory
/// is given back (man cgroups(7) says only that it can be EBUSY).
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// Below a cgroup mount nothing is followed that leads elsewhere. Source: openat2(2), Linux 5.6.
const BENEATH: ResolveFlag = ResolveFlag::RESOLVE_BENEATH
    .union(ResolveFlag::RESOLVE_NO_SYMLINKS)
    .union(ResolveFlag::RESOLVE_NO_MAGICLINKS)
    .union(ResolveFlag::RESOLVE_NO_XDEV);

/// The two interfaces of the kernel. Source: Documentation/admin-guide/cgroup-v1 and cgroup-v2.rst.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// A hierarchy for some controllers each.
    V1,
    /// One hierarchy for all.
    V2,
}

/// A group's directory.
#[derive(Debug)]
pub struct Group {
    dir: OwnedFd,
    /// Where it is, for people.
    pub path: Vec<u8>,
    /// Which interface it has.
    pub version: Version,
}

impl AsFd for Group {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.dir.as_fd()
    }
}

impl Group {
    /// Takes a directory that was opened at a mount point.
    pub(super) fn at_mount(dir: OwnedFd, path: Vec<u8>, version: Version) -> Group {
        Group { dir, path, version }
    }

    /// The group with this path below this one; a leading `/` changes nothing, and `..` and symbolic links
    /// are refused.
    pub fn descend(&self, relative: &[u8]) -> Result<Group> {
        let pieces: Vec<&[u8]> = relative.split(|&b| b == b'/').filter(|piece| !piece.is_empty()).collect();
        let path = pieces.iter().fold(self.path.clone(), |path, piece| join(&path, piece));
        if pieces.contains(&&b".."[..]) {
            return Err(Error::refused([b"a group's path may not hold ..: ", relative].concat())
                .with_hint("name the group by its path from the root of the hierarchy"));
        }
        let below = if pieces.is_empty() { b".".to_vec() } else { pieces.join(&b'/') };
        let how =
            OpenHow::new().flags(OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC).resolve(BENEATH);
        match openat2(&self.dir, &below[..], how) {
            Ok(dir) => Ok(Group { dir, path, version: self.version }),
            Err(e) => {
                let error = Error::sys("open", [b"group ", &path[..]].concat(), e);
                Err(match e {
                    Errno::ENOENT => error
                        .with_hint("there is no such group; one that is joined must have been made before"),
                    Errno::ELOOP | Errno::EXDEV => error.with_hint(
                        "symbolic links and other file systems are not followed below a cgroup mount",
                    ),
                    _ => error,
                })
            }
        }
    }

    /// Does it belong to root or to us, so that nobody else can change what is in it? We are who
    /// [`credentials::owner`](crate::proc::credentials::owner) says. Of a group whose processes matter, `procs` asks
    /// the same of the file by which they come in.
    pub fn is_ours(&self, us: Option<u32>, procs: bool) -> Result<bool> {
        let fail = |e| Error::sys("stat", &self.path, e);
        let safe = |stat: FileStat| {
            let others = Mode::S_IWGRP | Mode::S_IWOTH;
            let owned = stat.st_uid == 0 || Some(stat.st_uid) == us;
            owned && !Mode::from_bits_truncate(stat.st_mode).intersects(others)
        };
        let dir = safe(fstat(&self.dir).map_err(fail)?);
        let files: &[&str] = if procs { &["cgroup.procs", "tasks", "cgroup.threads"] } else { &[] };
        let mut all = dir;
        for file in files {
            all &= match fstatat(&self.dir, *file, AtFlags::AT_SYMLINK_NOFOLLOW) {
                Err(Errno::ENOENT) => true,
                stat => safe(stat.map_err(fail)?),
            };
        }
        Ok(all)
    }

    /// May we make groups below it, and move processes there, as far as its files say so? Source: "Delegation",
    /// cgroup-v2.rst.
    pub fn is_delegated(&self) -> Result<bool> {
        let may = |file: &str| match faccessat(&self.dir, file, AccessFlags::W_OK, AtFlags::AT_EACCESS) {
            Ok(()) => Ok(true),
            Err(Errno::EACCES | Errno::EROFS | Errno::EPERM) => Ok(false),
            Err(e) => Err(Error::sys("access", self.file(file), e)),
        };
        Ok(may(".")? && may("cgroup.procs")?)
    }

    /// Makes a transient group below this one; it must not exist. It bears our mark from its first moment, the
    /// sticky bit, which changes nothing there.
    pub fn make(&self, name: &str) -> Result<Group> {
        self.make_with(name.as_bytes(), Mode::S_ISVTX)
    }

    /// Does it bear this mark?
    pub(super) fn has_mark(&self) -> Result<bool> {
        fstat(&self.dir).map(is_marked).map_err(|e| Error::sys("stat", &self.path, e))
    }

    /// Does it, and belong to our user?
    pub(super) fn is_made_by_us(&self) -> bool {
        let us = Uid::effective().as_raw();
        fstat(&self.dir).is_ok_and(|stat| stat.st_uid == us && is_marked(stat))
    }

    /// The same of one that is to stay: without the mark, so that nobody collects it.
    pub fn make_kept(&self, name: &[u8]) -> Result<Group> {
        self.make_with(name, Mode::empty())
    }

    fn make_with(&self, name: &[u8], mark: Mode) -> Result<Group> {
        let path = join(&self.path, name);
        mkdirat(&self.dir, name, Mode::from_bits_truncate(0o755) | mark).map_err(|e| {
            let error = Error::sys("mkdir", &path, e);
            match e {
                Errno::EACCES | Errno::EPERM => {
                    error.with_hint("groups are made by root, or below one that was delegated to this user")
                }
                Errno::EROFS => error.with_hint("this cgroup mount is read-only, as in most containers"),
                Errno::EAGAIN => {
                    error.with_hint("cgroup.max.depth or cgroup.max.descendants of a group above is reached")
                }
                _ => error,
            }
        })?;
        self.descend(name).inspect_err(|_| {
            let _ = unlinkat(&self.dir, name, UnlinkatFlags::RemoveDir);
        })
    }

    /// Locks this group of `parent`, until we end or let go of it: by that others see that it is in use. False
    /// if another holds it, or if its name in `parent` does not stand for it any more.
    pub fn hold(&self, parent: &Group) -> Result<bool> {
        match sys::lock(&self.dir) {
            Err(Errno::EWOULDBLOCK) => return Ok(false),
            answer => answer.map_err(|e| Error::sys("flock", &self.path, e))?,
        }
        self.is_in(parent)
    }

    /// Removes the group of this name below it, which must be empty.
    pub(super) fn remove_empty(&self, name: &[u8]) -> Result<()> {
        match unlinkat(&self.dir, name, UnlinkatFlags::RemoveDir) {
            Ok(()) | Err(Errno::ENOENT) => Ok(()),
            Err(e) => Err(Error::sys("rmdir", join(&self.path, name), e)),
        }
    }

    /// Removes it if nobody uses it, and if its name in `parent` stands for it.
    pub fn discard(&self, parent: &Group) {
        if self.is_in(parent).unwrap_or(false) {
            let _ = unlinkat(&parent.dir, self.name(), UnlinkatFlags::RemoveDir);
        }
    }

    pub(super) fn is_in(&self, parent: &Group) -> Result<bool> {
        match fstatat(&parent.dir, self.name(), AtFlags::AT_SYMLINK_NOFOLLOW) {
            Ok(there) => Ok((there.st_dev, there.st_ino) == self.id()?),
            Err(Errno::ENOENT) => Ok(false),
            Err(e) => Err(Error::sys("stat", &self.path, e)),
        }
    }

    /// Its name in the group above.
    pub(super) fn name(&self) -> &[u8] {
        self.path.rsplit(|&b| b == b'/').next().unwrap_or_default()
    }

    /// Device and inode number of the directory: co-mounted controllers are one.
    pub fn id(&self) -> Result<(u64, u64)> {
        let stat = fstat(&self.dir).map_err(|e| Error::sys("stat", &self.path, e))?;
        Ok((stat.st_dev, stat.st_ino))
    }

    /// The path of one of its files, for people.
    pub fn file(&self, name: &str) -> Vec<u8> {
        join(&self.path, name.as_bytes())
    }

    /// The text of one of its files, without the last newline. Text of the kernel, but names of groups in it
    /// can be any bytes.
    pub fn read(&self, name: &str) -> Result<Vec<u8>> {
        let fail = |e| Error::sys("read", self.file(name), e);
        let fd = openat(&self.dir, name, OFlag::O_RDONLY | OFlag::O_CLOEXEC, Mode::empty()).map_err(fail)?;
        let mut text = Vec::new();
        let mut buffer = [0; 4096];
        loop {
            match nix::unistd::read(&fd, &mut buffer).map_err(fail)? {
                0 => break,
                length => text.extend(&buffer[..length]),
            }
        }
        text.truncate(text.trim_ascii_end().len());
        Ok(text)
    }

    /// Writes a value to one of its files, in one write and never making the file.
    pub fn write(&self, name: &str, value: &str) -> Result<()> {
        let fail = |e| Error::sys("write", [value.as_bytes(), b" to ", &self.file(name)].concat(), e);
        let fd = openat(&self.dir, name, OFlag::O_WRONLY | OFlag::O_CLOEXEC, Mode::empty()).map_err(fail)?;
        nix::unistd::write(&fd, value.as_bytes()).map(drop).map_err(fail)
    }

    /// Does it have this file? Which files there are depends on kernel, version and enabled controllers.
    pub fn has(&self, name: &str) -> Result<bool> {
        match fstatat(&self.dir, name, AtFlags::AT_SYMLINK_NOFOLLOW) {
            Ok(_) => Ok(true),
            Err(Errno::ENOENT) => Ok(false),
            Err(e) => Err(Error::sys("stat", self.file(name), e)),
        }
    }

    /// Moves our process into it.
    pub fn join(&self) -> Result<()> {
        self.write("cgroup.procs", "0").map_err(|e| self.why_not_joined(e))
    }

    /// The same through what [`Group::open_procs`] opened.
    pub(super) fn join_by(&self, procs: impl AsFd) -> Result<()> {
        let fail = |e| Error::sys("write", [b"0 to ", &self.file("cgroup.procs")[..]].concat(), e);
        nix::unistd::write(procs, b"0").map(drop).map_err(fail).map_err(|e| self.why_not_joined(e))
    }

    /// Opens the file by which processes come in. The kernel asks of our rights and our cgroup namespace when it is opened,
    /// and not again when it is written to; before Linux 5.16 and its stable releases of early 2022 it was the other way
    /// round. Source: CVE-2021-4197.
    pub(super) fn open_procs(&self) -> Result<OwnedFd> {
        openat(&self.dir, "cgroup.procs", OFlag::O_WRONLY | OFlag::O_CLOEXEC, Mode::empty())
            .map_err(|e| Error::sys("open", self.file("cgroup.procs"), e))
    }

    /// The user id to whom one of its files belongs.
    pub(super) fn owner_of(&self, name: &str) -> Result<u32> {
        let stat = fstatat(&self.dir, name, AtFlags::AT_SYMLINK_NOFOLLOW);
        stat.map(|stat| stat.st_uid).map_err(|e| Error::sys("stat", self.file(name), e))
    }

    /// The same error with what is to be done that we can join.
    pub(super) fn why_not_joined(&self, e: Error) -> Error {
        let hint = match e.errno() {
            Some(Errno::ENOSPC) => "its cpuset.cpus or cpuset.mems is empty: fill both first",
            Some(Errno::EBUSY) => {
                "it hands controllers on to groups below it, and such a group cannot have processes of its own"
            }
            Some(Errno::EOPNOTSUPP) => "it is in a threaded subtree: see cgroup.type there and above",
            Some(Errno::EACCES | Errno::EPERM) => {
                "this needs write access to cgroup.procs here and in the group above both, the old one and the new one"
            }
            Some(Errno::ENODEV) => "the group was removed",
            Some(Errno::ENOENT) if self.version == Version::V2 => {
                "moving across the border of a cgroup namespace is refused"
            }
            _ => return e,
        };
        e.with_hint(hint)
    }

    /// The PIDs in it, without those below; 0 for processes outside of our pid namespace.
    pub fn processes(&self) -> Result<Vec<i32>> {
        Ok(parse_procs(&self.read("cgroup.procs")?))
    }

    /// Is this process in it or below? That of a threaded group is told by its threads only.
    pub(super) fn holds(&self, pid: i32) -> Result<bool> {
        let list = match self.version {
            Version::V1 => "cgroup.procs",
            Version::V2 => "cgroup.threads",
        };
        if parse_procs(&self.read(list)?).contains(&pid) {
            return Ok(true);
        }
        for child in self.children()? {
            match child?.holds(pid) {
                Err(e) if is_removed(&e) => {}
                Ok(false) => {}
                answer => return answer,
            }
        }
        Ok(false)
    }

    /// The groups directly below it.
    pub fn children(&self) -> Result<impl Iterator<Item = Result<Group>> + '_> {
        // Opened one by one: there can be more than we may have open.
        Ok(self
            .names()?
            .into_iter()
            .map(|name| self.descend(&name))
            .filter(|child| !child.as_ref().is_err_and(Error::is_gone)))
    }

    /// Their names.
    pub(super) fn names(&self) -> Result<Vec<Vec<u8>>> {
        let fail = |e| Error::sys("list", &self.path, e);
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let mut dir =
            Dir::from_fd(openat(&self.dir, c".", flags, Mode::empty()).map_err(fail)?).map_err(fail)?;
        let mut names = Vec::new();
        for entry in dir.iter() {
            let entry = entry.map_err(fail)?;
            let name = entry.file_name().to_bytes();
            if entry.file_type() == Some(Type::Directory) && name != b"." && name != b".." {
                names.push(name.to_vec());
            }
        }
        Ok(names)
    }

    /// Ends every process in it and below, and waits until they have ended; an error if some have not by then.
    pub fn kill(&self, end: Instant) -> Result<()> {
        // Since Linux 5.14, and for the whole subtree at once.
        let at_once = self.version == Version::V2 && self.write("cgroup.kill", "1").is_ok();
        // Where there is such a limit, nothing can be born between two sweeps.
        if !at_once && self.has("pids.max").unwrap_or(true) {
            let _ = self.write("pids.max", "0");
        }
        let mut pause = Duration::from_millis(1);
        loop {
            if !self.sweep((!at_once).then_some(libc::SIGKILL))? {
                return Ok(());
            }
            if Instant::now() > end {
                return Err(Error::sys(
                    "kill",
                    [b"the processes in ", &self.path[..]].concat(),
                    Errno::ETIMEDOUT,
                ));
            }
            self.wait_for_change(pause);
            pause = (pause * 2).min(Duration::from_millis(100));
        }
    }

    /// Sends a signal to every process in it and below.
    pub(super) fn signal(&self, signal: i32) -> Result<()> {
        self.sweep(Some(signal)).map(drop)
    }

    /// Is a process in it or below?
    pub(super) fn is_populated(&self) -> Result<bool> {
        self.sweep(None)
    }

    /// Is none, as [`Group::events`] says?
    pub(super) fn is_vacant(&self, events: impl AsFd) -> Result<bool> {
        let mut text = [0; 256];
        let length = nix::sys::uio::pread(events, &mut text, 0)
            .map_err(|e| Error::sys("read", self.file("cgroup.events"), e))?;
        Ok(text[..length].split(|&b| b == b'\n').any(|line| line == b"populated 0"))
    }

    /// Version 2: the file that tells by POLLPRI that something changed since it was read last.
    pub(super) fn events(&self) -> Result<OwnedFd> {
        openat(&self.dir, "cgroup.events", OFlag::O_RDONLY | OFlag::O_CLOEXEC, Mode::empty())
            .map_err(|e| Error::sys("open", self.file("cgroup.events"), e))
    }

    /// Is there a process in it or below? Each gets the signal, if there is one.
    pub(super) fn sweep(&self, signal: Option<i32>) -> Result<bool> {
        let mut some = false;
        for child in self.children()? {
            match child?.sweep(signal) {
                Err(e) if is_removed(&e) => {}
                answer => some |= answer?,
            }
        }
        let pids = match self.processes() {
            // A threaded group: its processes are listed by the group above that is the root of its subtree.
            Err(e) if is_removed(&e) || e.errno() == Some(Errno::EOPNOTSUPP) => return Ok(some),
            pids => pids?,
        };
        if let (Some(signal), false) = (signal, pids.is_empty()) {
            let held: Vec<_> =
                pids.iter().filter_map(|&pid| Some((pid, sys::pidfd_open(pid).ok()?))).collect();
            // A PID can be somebody else's by now; who is still listed is held by the right pidfd.
            let still = self.processes()?;
            for (_, pidfd) in held.iter().filter(|(pid, _)| still.contains(pid)) {
                // One that has ended meanwhile needs none.
                let _ = sys::pidfd_send_signal(pidfd, signal);
            }
        }
        Ok(some || !pids.is_empty())
    }

    /// Sleeps so long, or until the kernel says that something changed in it.
    pub(super) fn wait_for_change(&self, pause: Duration) {
        match self.events() {
            Ok(events) => {
                // One that was not read yet counts as changed.
                let _ = nix::unistd::read(&events, &mut [0; 256]);
                let mut fds = [PollFd::new(events.as_fd(), PollFlags::POLLPRI)];
                let limit = PollTimeout::try_from(pause).unwrap_or(PollTimeout::ZERO);
                let _ = nix::poll::poll(&mut fds, limit);
            }
            Err(_) => std::thread::sleep(pause),
        }
    }

    /// Removes this group of `parent` and those below it; who is still in them is ended. The kernel can take a
    /// moment after the last process has ended; an error if it has not by then.
    pub fn remove(self, parent: &Group, end: Instant) -> Result<()> {
        let mut pause = Duration::from_millis(1);
        loop {
            match unlinkat(&parent.dir, self.name(), UnlinkatFlags::RemoveDir) {
                Ok(()) | Err(Errno::ENOENT) => return Ok(()),
                Err(Errno::EBUSY) if Instant::now() < end => {
                    let mut some = false;
                    for child in self.children()? {
                        some = true;
                        match child?.remove(&self, end) {
                            Err(e) if is_removed(&e) => {}
                            answer => answer?,
                        }
                    }
                    // Somebody can have slipped into a group below since they were all empty. With none below, what
                    // keeps it need not be seen: version 1 does not list processes outside of our pid namespace.
                    if self.sweep(Some(libc::SIGKILL))? || !some {
                        std::thread::sleep(pause);
                    }
                }
                Err(e) => return Err(Error::sys("rmdir", &self.path, e)),
            }
            pause = (pause * 2).min(Duration::from_millis(100));
        }
    }
}

fn is_marked(stat: FileStat) -> bool {
    Mode::from_bits_truncate(stat.st_mode).contains(Mode::S_ISVTX)
}

/// Reads a `cgroup.procs` file: a PID a line.
pub fn parse_procs(text: &[u8]) -> Vec<i32> {
    text.split(|&b| b == b'\n').filter_map(digits).collect()
}

/// Does it again as long as the group is busy: the kernel can take a moment after the last process has left.
pub(super) fn while_busy(end: Instant, mut act: impl FnMut() -> Result<()>) -> Result<()> {
    let mut pause = Duration::from_millis(1);
    loop {
        match act() {
            Err(e) if e.errno() == Some(Errno::EBUSY) && Instant::now() < end => std::thread::sleep(pause),
            answer => return answer,
        }
        pause = (pause * 2).min(Duration::from_millis(100));
    }
}

/// Did the group vanish under our hands?
pub(super) fn is_removed(e: &Error) -> bool {
    e.is_gone() || e.errno() == Some(Errno::ENODEV)
}

fn join(path: &[u8], name: &[u8]) -> Vec<u8> {
    [path.strip_suffix(b"/").unwrap_or(path), b"/", name].concat()
}
