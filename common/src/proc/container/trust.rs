//! Files that nobody but root and we ourselves could have written.

use std::cell::RefCell;
use std::io::Read;
use std::os::fd::OwnedFd;

use nix::dir::{Dir, Entry};
use nix::errno::Errno;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat, openat2};
use nix::sys::stat::{FileStat, Mode, fstat};

use crate::error::Error;
use crate::proc::credentials;

/// A path leads through fewer directories than this.
const DEPTH: usize = 256;

/// Of a directory no more entries are looked at, which is a second's work: what is beyond is left out.
const ENTRIES: usize = 1 << 16;

/// No symbolic link is followed, and nothing leads upward. Source: openat2(2), Linux 5.6.
const BENEATH: ResolveFlag = ResolveFlag::RESOLVE_BENEATH
    .union(ResolveFlag::RESOLVE_NO_SYMLINKS)
    .union(ResolveFlag::RESOLVE_NO_MAGICLINKS);

/// A symbolic link leads no further up than the root.
const IN_ROOT: ResolveFlag = ResolveFlag::RESOLVE_IN_ROOT.union(ResolveFlag::RESOLVE_NO_MAGICLINKS);

const DIRECTORY: OFlag = OFlag::O_PATH.union(OFlag::O_DIRECTORY).union(OFlag::O_CLOEXEC);

/// Opens nothing that waits, and no terminal becomes ours.
const FILE: OFlag = OFlag::O_RDONLY
    .union(OFlag::O_NONBLOCK)
    .union(OFlag::O_NOCTTY)
    .union(OFlag::O_NOFOLLOW)
    .union(OFlag::O_CLOEXEC);

/// Whose files are believed.
pub(super) struct Trust {
    /// Our own user id, where no other user can look like us.
    us: Option<u32>,
    /// What failed and says nothing of what was looked at.
    trouble: RefCell<Option<Error>>,
}

impl Trust {
    /// Root and we.
    pub(super) fn take() -> Trust {
        Trust { us: credentials::owner(), trouble: RefCell::default() }
    }

    /// What a call answered. That something is not there, or not for us, is no failure; our own trouble is kept.
    fn answer<T>(&self, call: &'static str, on: &[u8], answer: nix::Result<T>) -> Option<T> {
        let failed = |e| Some(Error::sys(call, on, e)).filter(Error::is_our_own);
        answer.map_err(|e| self.trouble.replace(failed(e).or(self.trouble.take()))).ok()
    }

    /// Our own trouble, if there was any: then what was read is not all.
    pub(super) fn trouble(self) -> Option<Error> {
        self.trouble.into_inner()
    }

    /// Belongs this to us, and may nobody else write to it?
    fn holds(&self, stat: &FileStat) -> bool {
        (stat.st_uid == 0 || Some(stat.st_uid) == self.us) && stat.st_mode & 0o022 == 0
    }

    /// The same of a directory far above: in one like `/tmp` nobody can move what is ours.
    fn holds_above(&self, stat: &FileStat) -> bool {
        let sticky = stat.st_mode & Mode::S_ISVTX.bits() != 0 && stat.st_uid == 0;
        sticky || self.holds(stat)
    }

    /// Takes hold of a directory below this root. Symbolic links may lead there: root made them. What counts is where
    /// it really stands, up to the root of the file system.
    pub(super) fn base(&self, root: &OwnedFd, path: &[u8]) -> Option<Place<'_>> {
        let relative = path.strip_prefix(b"/").unwrap_or(path);
        let relative = if relative.is_empty() { b"." } else { relative };
        let how = OpenHow::new().flags(DIRECTORY).resolve(IN_ROOT);
        let dir = self.answer("open", path, openat2(root, relative, how))?;
        let mut stat = self.answer("stat", path, fstat(&dir)).filter(|stat| self.holds(stat))?;
        let up = |dir: &OwnedFd| self.answer("open", path, openat(dir, c"..", DIRECTORY, Mode::empty()));
        let mut above = up(&dir)?;
        for _ in 0..DEPTH {
            let of_above = self.answer("stat", path, fstat(&above)).filter(|stat| self.holds_above(stat))?;
            if (of_above.st_dev, of_above.st_ino) == (stat.st_dev, stat.st_ino) {
                return Some(Place { trust: self, dir });
            }
            stat = of_above;
            above = up(&above)?;
        }
        None
    }
}

/// A directory that is believed, held open.
pub(super) struct Place<'t> {
    trust: &'t Trust,
    dir: OwnedFd,
}

impl Place<'_> {
    /// A directory in it.
    pub(super) fn descend(&self, name: &[u8]) -> Option<Place<'_>> {
        let how = OpenHow::new().flags(DIRECTORY | OFlag::O_NOFOLLOW).resolve(BENEATH);
        let dir = self.trust.answer("open", name, openat2(&self.dir, name, how))?;
        let stat = self.trust.answer("stat", name, fstat(&dir))?;
        self.trust.holds(&stat).then_some(Place { trust: self.trust, dir })
    }

    /// The names in it, sorted.
    pub(super) fn names(&self) -> Vec<Vec<u8>> {
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let dir = openat(&self.dir, c".", flags, Mode::empty()).and_then(Dir::from_fd);
        let Some(mut dir) = self.trust.answer("list", b"directory", dir) else { return Vec::new() };
        let name = |entry: Entry| entry.file_name().to_bytes().to_vec();
        let names = dir.iter().map_while(|entry| self.trust.answer("list", b"directory", entry.map(name)));
        let mut names: Vec<_> = names.filter(|name| name != b"." && name != b"..").take(ENTRIES).collect();
        names.sort_unstable();
        names
    }

    /// The bytes of a file in it, if it has no more than `most`.
    pub(super) fn read(&self, name: &[u8], most: u64) -> Option<Vec<u8>> {
        let how = OpenHow::new().flags(FILE).resolve(BENEATH);
        let file = self.trust.answer("open", name, openat2(&self.dir, name, how))?;
        let stat = self.trust.answer("stat", name, fstat(&file)).filter(|stat| self.trust.holds(stat))?;
        if stat.st_mode & libc::S_IFMT != libc::S_IFREG {
            return None;
        }
        let mut bytes = Vec::new();
        let read = std::fs::File::from(file).take(most + 1).read_to_end(&mut bytes);
        let errno = |e: std::io::Error| Errno::from_raw(e.raw_os_error().unwrap_or(libc::ENOMEM));
        self.trust.answer("read", name, read.map_err(errno))?;
        (bytes.len() as u64 <= most).then_some(bytes)
    }
}
