//! A copy-on-write layer over a directory: overlayfs.
//!
//! Its options are paths, in which some bytes have a meaning, another on each kernel, and it takes only what is mounted in
//! our namespace (Linux 6.15 and newer also what is not). So the layers are put together in a small file system, the
//! scaffold, which is mounted over our root, where no path leads, and taken down after; they are named by descriptors.

use std::cell::RefCell;
use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use nix::NixPath;
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags, OFlag, OpenHow, ResolveFlag, openat, openat2};
use nix::mount::{MntFlags, umount2};
use nix::sys::stat::{FchmodatFlags, Mode, fchmodat, fstat, mkdirat};
use nix::unistd::{AccessFlags, Gid, Uid, UnlinkatFlags, faccessat, fchdir, fchownat, unlinkat};

use super::extra::bytes;
use super::tree::Tree;
use crate::error::{Error, Result};
use crate::proc::place;
use crate::sys;
use crate::sys::mount::{NODEV, NOSUID};

/// A directory in which what is written stays.
pub(super) struct Kept {
    parent: OwnedFd,
    name: Vec<u8>,
    /// Its path as it was given.
    path: Vec<u8>,
    /// What we made, in this order: each is a name, and the directory beside that it is in.
    made: RefCell<Vec<[Vec<u8>; 2]>>,
}

impl Kept {
    /// Looks whether a directory can be the upper layer. Source: Documentation/filesystems/overlayfs.rst, "Upper and Lower".
    pub(super) fn open(upper: &Path) -> Result<Kept> {
        let path = bytes(upper).to_vec();
        let fail = |call, e| Error::sys(call, &path, e);
        let real = upper.canonicalize().map_err(|e| Error::io("open", &path, &e))?;
        let (Some(parent), Some(name)) = (real.parent(), real.file_name()) else {
            return Err(Error::refused("--overlay=/: the root cannot be the directory to which is written")
                .with_hint("name a directory: its work directory is made beside it"));
        };
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let parent = openat(AT_FDCWD, parent, flags, Mode::empty()).map_err(|e| fail("open", e))?;
        let how = OpenHow::new().flags(flags).resolve(ResolveFlag::RESOLVE_NO_SYMLINKS);
        let dir = openat2(&parent, name, how).map_err(|e| fail("open", e))?;
        let mount = |fd| sys::mount_id_of(fd).map_err(|e| fail("statx", e));
        if mount(&dir)? != mount(&parent)? {
            return Err(Error::refused([b"--overlay=", &path[..], b": something is mounted on it"].concat())
                .with_hint(
                    "name a directory in it: its work directory is made beside it, on the same mount",
                ));
        }
        let kept = Kept { parent, name: name.as_bytes().to_vec(), path, made: RefCell::default() };
        faccessat(&dir, ".", AccessFlags::W_OK | AccessFlags::X_OK, AtFlags::AT_EACCESS)
            .map_err(|e| Error::sys("write", &kept.path, e))?;
        let work = kept.work();
        match openat2(&kept.parent, &work[..], how) {
            Ok(_) => Ok(()),
            Err(Errno::ENOENT) => {
                faccessat(&kept.parent, ".", AccessFlags::W_OK | AccessFlags::X_OK, AtFlags::AT_EACCESS)
                    .map_err(|e| kept.no_work(e))
            }
            Err(e) => Err(Error::sys("open", [b"work directory ", &work[..]].concat(), e)),
        }?;
        Ok(kept)
    }

    /// The name of its work directory, beside it.
    fn work(&self) -> Vec<u8> {
        [b".", &self.name[..], b".work"].concat()
    }

    fn no_work(&self, errno: Errno) -> Error {
        let on = [b"work directory ", &self.work()[..], b" beside ", &self.path[..]].concat();
        Error::sys("mkdir", on, errno).with_hint("overlayfs needs it there, on the same file system")
    }

    /// Makes the work directory where it is missing.
    pub(super) fn make_work(&self) -> Result<()> {
        self.make(b"", &self.parent, &self.work()).map_err(|e| self.no_work(e)).map(drop)
    }

    /// Makes a directory in that which is called `within` and open as `dir`; answers whether it was missing.
    fn make(&self, within: &[u8], dir: impl AsFd, name: &[u8]) -> std::result::Result<bool, Errno> {
        match mkdirat(dir, name, Mode::S_IRWXU) {
            Ok(()) => {
                self.made.borrow_mut().push([within, name].map(<[u8]>::to_vec));
                Ok(true)
            }
            Err(Errno::EEXIST) => Ok(false),
            Err(e) => Err(e),
        }
    }

    /// A directory of this name in the upper layer or the work directory, made like `like` where it is missing.
    fn part(&self, within: &[u8], dir: OwnedFd, name: &[u8], like: Option<&Tree>) -> Result<OwnedFd> {
        let fail = |call, e| Error::sys(call, [name, b" in ", within, b" beside ", &self.path].concat(), e);
        let made = self.make(within, &dir, name).map_err(|e| fail("mkdir", e))?;
        let part = open(&dir, name).map_err(|e| fail("open", e))?;
        if let (true, Some(like)) = (made, like) {
            resemble(&part, like)?;
        }
        Ok(part)
    }

    /// The upper layer, to be listed.
    pub(super) fn upper(&self) -> Result<OwnedFd> {
        open(&self.parent, &self.name[..]).map_err(|e| Error::sys("open", &self.path, e))
    }

    /// Its path as it was given.
    pub(super) fn path(&self) -> &[u8] {
        &self.path
    }

    /// Removes the directories that were made, but the first few, and what overlayfs makes in them. Nothing can be done
    /// where that fails.
    pub(super) fn remove_made(&self, but: usize) {
        for [within, name] in self.made.borrow_mut().drain(but..).rev() {
            let within = if within.is_empty() { &b"."[..] } else { &within };
            let Ok(dir) = open(&self.parent, within) else { continue };
            for below in [&b"/work/work"[..], b"/work", b"/index", b""] {
                let _ = unlinkat(&dir, &[&name[..], below].concat()[..], UnlinkatFlags::RemoveDir);
            }
        }
    }
}

/// Where the layers of overlays are put together. Our working directory is another after.
pub(super) struct Scaffold<'a> {
    tree: Tree,
    kept: Option<(&'a Kept, Tree)>,
    user: bool,
}

const LOWER: &str = "lower";
const UPPER: &str = "upper";
const WORK: &str = "work";
const KEPT: &str = "kept";

impl<'a> Scaffold<'a> {
    /// What is written goes where `kept` says, else into memory and is gone with the last who sees it. In a user namespace
    /// (`user`) overlayfs must write its own marks as `user.` attributes, which it can since Linux 5.11.
    pub(super) fn new(kept: Option<&'a Kept>, user: bool) -> Result<Scaffold<'a>> {
        let kept = kept.map(|kept| Ok((kept, Tree::copy(&kept.parent, &kept.path)?))).transpose()?;
        let tree = Tree::new(c"tmpfs", &[(c"mode", c"0700")], &[], NOSUID | NODEV, LAYERS)?;
        Ok(Scaffold { tree, kept, user })
    }

    /// Mounts it over our root, after all that is mounted there and shall stay, and goes there.
    pub(super) fn raise(&self) -> Result<()> {
        self.tree.attach(super::root()?, LAYERS)?;
        for kind in [LOWER, UPPER, WORK, KEPT] {
            mkdirat(&self.tree, kind, Mode::S_IRWXU).map_err(fail("mkdir"))?;
        }
        if let Some((kept, copy)) = &self.kept {
            copy.attach(open(&self.tree, KEPT).map_err(fail("open"))?, &kept.path)?;
        }
        fchdir(&self.tree).map_err(fail("fchdir"))
    }

    /// An overlay over a directory, mounted nowhere yet: over a copy of it that is mounted nowhere. `part` is its name in a
    /// directory that cannot be overlaid as a whole. Where it fails, nothing that was made for it stays.
    pub(super) fn overlay(&self, lower: &Tree, name: &[u8], part: Option<&[u8]>) -> Result<Tree> {
        lower.attach(self.layer(LOWER, part)?, name)?;
        let made = self.kept.as_ref().map(|(kept, _)| kept.made.borrow().len());
        let overlay = self.layers(lower, part).and_then(|[upper, work]| {
            let [lower, upper, work] = [lower.as_fd(), upper.as_fd(), work.as_fd()].map(descriptor);
            let options = [
                (c"source", c"overlay"),
                (c"lowerdir", &*lower?),
                (c"upperdir", &*upper?),
                (c"workdir", &*work?),
            ];
            let flags: &[&CStr] = if self.user { &[c"userxattr"] } else { &[] };
            Tree::new(c"overlay", &options, flags, 0, name)
        });
        if let (Err(_), Some((kept, _)), Some(made)) = (&overlay, &self.kept, made) {
            kept.remove_made(made);
        }
        overlay
    }

    /// The upper layer and the work directory.
    fn layers(&self, lower: &Tree, part: Option<&[u8]>) -> Result<[OwnedFd; 2]> {
        if let Some((kept, copy)) = &self.kept {
            let open = |name: &[u8]| {
                open(copy, name).map_err(|e| Error::sys("open", [name, b" beside ", &kept.path].concat(), e))
            };
            let [upper, work] = [open(&kept.name)?, open(&kept.work())?];
            let Some(part) = part else { return Ok([upper, work]) };
            return Ok([
                kept.part(&kept.name, upper, part, Some(lower))?,
                kept.part(&kept.work(), work, part, None)?,
            ]);
        }
        let [upper, work] = [self.layer(UPPER, part)?, self.layer(WORK, part)?];
        // The root of the overlay is the upper layer's own directory.
        resemble(&upper, lower)?;
        Ok([upper, work])
    }

    /// A new directory in the scaffold.
    fn layer(&self, kind: &str, part: Option<&[u8]>) -> Result<OwnedFd> {
        let path = [kind.as_bytes(), b"/", part.unwrap_or(b"all")].concat();
        mkdirat(&self.tree, &path[..], Mode::S_IRWXU).map_err(fail("mkdir"))?;
        open(&self.tree, &path[..]).map_err(fail("open"))
    }

    /// Takes it down: what belongs to an overlay it holds by itself.
    pub(super) fn remove(self) -> Result<()> {
        umount2(".", MntFlags::MNT_DETACH).map_err(|e| Error::sys("umount", LAYERS, e))
    }
}

const LAYERS: &[u8] = b"the layers of an overlay";

fn fail(call: &'static str) -> impl Fn(Errno) -> Error {
    move |e| Error::sys(call, "a layer of an overlay", e)
}

/// A directory on the same mount, behind no link.
fn open<P: ?Sized + NixPath>(dir: impl AsFd, path: &P) -> std::result::Result<OwnedFd, Errno> {
    let resolve =
        ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_SYMLINKS | ResolveFlag::RESOLVE_NO_XDEV;
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    openat2(dir, path, OpenHow::new().flags(flags).resolve(resolve))
}

fn descriptor(fd: BorrowedFd<'_>) -> Result<CString> {
    CString::new(bytes(&place::of_descriptor(fd))).map_err(|_| fail("open")(Errno::EINVAL))
}

/// Gives a directory the owner and mode of another.
pub(super) fn resemble(dir: impl AsFd, other: impl AsFd) -> Result<()> {
    let like = fstat(other).map_err(fail("stat"))?;
    let (user, group) = (Uid::from_raw(like.st_uid), Gid::from_raw(like.st_gid));
    match fchownat(&dir, ".", Some(user), Some(group), AtFlags::empty()) {
        // An owner who has no number in our user namespace: then it is ours.
        Ok(()) | Err(Errno::EPERM | Errno::EINVAL) => {}
        Err(e) => return Err(fail("chown")(e)),
    }
    let mode = Mode::from_bits_truncate(like.st_mode & 0o7777);
    fchmodat(&dir, ".", mode, FchmodatFlags::FollowSymlink).map_err(fail("chmod"))
}
