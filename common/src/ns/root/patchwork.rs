//! An overlay in pieces, for a directory that as a whole can be no lower layer: a new tmpfs, in which each directory has an
//! overlay of its own.
//!
//! What is mounted in a directory when a user namespace is made is locked there, and the kernel gives nobody a layer
//! without it, nor with it. Source: mount_namespaces(7), "Restrictions".

use std::os::fd::{AsFd, OwnedFd};

use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, OpenHow, ResolveFlag, openat, openat2, readlinkat};
use nix::sys::stat::{Mode, SFlag, fstat, mkdirat};
use nix::unistd::{Gid, Uid, fchownat, symlinkat};

use super::opened::Opened;
use super::overlay::{Kept, Scaffold, resemble};
use super::tree::Tree;
use super::{Root, tmpfs};
use crate::error::{Error, Result};
use crate::sys;

/// What is told of a mount that no overlay covers, behind its place.
pub(super) const MOUNTED: &[u8] = b" is mounted below the overlay, which does not cover it: it is read-only";
const HOLDS: &[u8] =
    b" has mounts below it that a user namespace may not look behind, so the overlay does not cover it: all of it is read-only";
const FILE: &[u8] = b" is no directory, so the overlay does not cover it: it is read-only";

pub(super) struct Patchwork {
    pub(super) root: Tree,
    /// The numbers of the mounts that are overlays.
    pub(super) overlays: Vec<u64>,
}

impl Patchwork {
    /// Puts it together, mounted on `onto`. Our working directory is another after.
    pub(super) fn new(
        asked: &Root,
        opened: &Opened,
        onto: &OwnedFd,
        tell: &mut dyn FnMut(&[u8]),
    ) -> Result<Patchwork> {
        let scaffold = Scaffold::new(opened.kept.as_ref(), true)?;
        let mut made = Patchwork { root: tmpfs(asked.dir())?, overlays: Vec::new() };
        made.root.attach(onto, b"a new root")?;
        scaffold.raise()?;
        let lower = sys::mount_id_of(&opened.dir).map_err(|e| Error::sys("statx", "the lower layer", e))?;
        each_name(&opened.dir, b"the lower layer", |name| {
            let place = [b"/", name].concat();
            let Some(entry) = entry(&opened.dir, name)? else { return Ok(()) };
            let why = made.add(&scaffold, opened, lower, &entry, &place)?;
            if let Some(why) = why.filter(|_| !asked.hides(&place)) {
                tell(&[&place[..], &why].concat());
            }
            Ok(())
        })?;
        scaffold.remove()?;
        resemble(&made.root, &opened.dir)?;
        Ok(made)
    }

    /// Adds what is at this place. Answers why it is not covered, in words that follow its place.
    fn add(
        &mut self,
        scaffold: &Scaffold<'_>,
        opened: &Opened,
        lower: u64,
        entry: &OwnedFd,
        place: &[u8],
    ) -> Result<Option<Vec<u8>>> {
        let fail = |call| move |e| Error::sys(call, [place, b" in the new root"].concat(), e);
        let name = &place[1..];
        let stat = fstat(entry).map_err(fail("stat"))?;
        match SFlag::from_bits_truncate(stat.st_mode & libc::S_IFMT) {
            SFlag::S_IFLNK => {
                let target = readlinkat(entry, "").map_err(fail("readlink"))?;
                symlinkat(&*target, &self.root, name).map_err(fail("symlink"))?;
                let (user, group) = (Uid::from_raw(stat.st_uid), Gid::from_raw(stat.st_gid));
                return match fchownat(&self.root, name, Some(user), Some(group), AtFlags::AT_SYMLINK_NOFOLLOW)
                {
                    Ok(()) | Err(Errno::EPERM | Errno::EINVAL) => Ok(None),
                    Err(e) => Err(fail("chown")(e)),
                };
            }
            SFlag::S_IFDIR => mkdirat(&self.root, name, Mode::S_IRWXU).map_err(fail("mkdir"))?,
            _ => {
                let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_CLOEXEC;
                openat(&self.root, name, flags, Mode::empty()).map_err(fail("create"))?;
            }
        }
        let flags = OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let onto = openat(&self.root, name, flags, Mode::empty()).map_err(fail("open"))?;
        let holds =
            |(below, _): &(Vec<u8>, _)| below.strip_prefix(place).is_some_and(|rest| rest.starts_with(b"/"));
        let why = if sys::mount_id_of(entry).map_err(fail("statx"))? != lower {
            MOUNTED.to_vec()
        } else if stat.st_mode & libc::S_IFMT != libc::S_IFDIR {
            FILE.to_vec()
        } else if opened.mounted.iter().any(holds) {
            HOLDS.to_vec()
        } else {
            let overlay =
                Tree::copy_alone(entry, place).map(|copy| scaffold.overlay(&copy, place, Some(name)));
            match overlay {
                Ok(Ok(overlay)) => {
                    overlay.attach(&onto, place)?;
                    self.overlays.push(sys::mount_id_of(&overlay).map_err(fail("statx"))?);
                    return Ok(None);
                }
                Err(e) if e.errno() == Some(Errno::EINVAL) => HOLDS.to_vec(),
                Ok(Err(e)) | Err(e) if e.is_our_own() => return Err(e),
                Ok(Err(e)) | Err(e) => refused(&e),
            }
        };
        Tree::copy(entry, place)?.attach_read_only(&onto, place)?;
        Ok(Some(why))
    }

    /// Ends it where what is written is kept: nothing can be written at the top, where it would be lost.
    pub(super) fn seal(&self, kept: &Kept, tell: &mut dyn FnMut(&[u8])) -> Result<()> {
        each_name(kept.upper()?, kept.path(), |name| {
            let shown = entry(&self.root, name)?.and_then(sys::mount_id);
            if shown.is_none_or(|mount| !self.overlays.contains(&mount)) {
                tell(
                    &[kept.path(), b"/", name, b" is not seen in the new root: no overlay covers its place"]
                        .concat(),
                );
            }
            Ok(())
        })?;
        tell(b"/ itself is read-only: what is written in its directories is kept, what would be new beside them could not");
        self.root.seal(b"the new root")
    }
}

fn refused(error: &Error) -> Vec<u8> {
    let why = error.errno().map_or("", Errno::desc);
    let hint = error.hint().map(|hint| format!(" ({hint})")).unwrap_or_default();
    format!(" can have no overlay, it is read-only: {why}{hint}").into_bytes()
}

/// Opens an entry of a directory, and if it is a link the link itself; none where it is gone.
fn entry(dir: impl AsFd, name: &[u8]) -> Result<Option<OwnedFd>> {
    let resolve = ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_SYMLINKS;
    let how = OpenHow::new().flags(OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC).resolve(resolve);
    match openat2(dir, name, how) {
        Ok(entry) => Ok(Some(entry)),
        Err(Errno::ENOENT) => Ok(None),
        Err(e) => Err(Error::sys("open", name, e)),
    }
}

fn each_name(dir: impl AsFd, path: &[u8], mut each: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let mut list = Dir::openat(dir, ".", flags, Mode::empty()).map_err(|e| Error::sys("list", path, e))?;
    for entry in list.iter() {
        let entry = entry.map_err(|e| Error::sys("list", path, e))?;
        match entry.file_name().to_bytes() {
            b"." | b".." => {}
            name => each(name)?,
        }
    }
    Ok(())
}
