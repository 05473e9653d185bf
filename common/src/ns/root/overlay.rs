//! A copy-on-write layer over a directory: overlayfs.
//!
//! Its options are paths, in which some bytes have a meaning, another on each kernel, and it takes only what is mounted in
//! our namespace (Linux 6.15 and newer also what is not). So the layers are put together in a small file system, the
//! scaffold, which is mounted over our root, where no path leads, and taken down after; there they have plain names.

use std::ffi::{CStr, CString};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags, OFlag, OpenHow, ResolveFlag, openat, openat2};
use nix::mount::{MntFlags, umount2};
use nix::sys::stat::{FchmodatFlags, Mode, fchmodat, fstat, mkdirat};
use nix::unistd::{AccessFlags, Gid, Uid, UnlinkatFlags, faccessat, fchdir, fchownat, symlinkat, unlinkat};

use super::extra::bytes;
use super::tree::Tree;
use crate::error::{Error, Result};
use crate::sys;
use crate::sys::mount::{NODEV, NOSUID};

/// A directory in which what is written stays.
pub(super) struct Kept {
    parent: OwnedFd,
    name: Vec<u8>,
    /// Its path as it was given.
    path: Vec<u8>,
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
        let kept = Kept { parent, name: name.as_bytes().to_vec(), path };
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

    /// Makes the work directory; answers whether it was missing.
    pub(super) fn make_work(&self) -> Result<bool> {
        match mkdirat(&self.parent, &self.work()[..], Mode::S_IRWXU) {
            Ok(()) => Ok(true),
            Err(Errno::EEXIST) => Ok(false),
            Err(e) => Err(self.no_work(e)),
        }
    }

    /// Removes the work directory and what overlayfs makes in it. Nothing can be done where that fails.
    pub(super) fn remove_work(&self) {
        let work = self.work();
        for below in [&b"/work/work"[..], b"/work", b"/index", b""] {
            let _ = unlinkat(&self.parent, &[&work[..], below].concat()[..], UnlinkatFlags::RemoveDir);
        }
    }
}

/// The names in the scaffold.
const LOWER: &CStr = c"lower";
const UPPER: &CStr = c"upper";
const WORK: &CStr = c"work";

/// An overlay over a directory, mounted nowhere yet. What is written goes where `kept` says, else into memory and is gone
/// with the last who sees it. Our working directory is another after. In a user namespace (`user`) overlayfs must write
/// its own marks as `user.` attributes, which it can since Linux 5.11.
pub(super) fn new(lower: &OwnedFd, name: &[u8], kept: Option<&Kept>, user: bool) -> Result<Tree> {
    let attributes = NOSUID | NODEV;
    let scaffold = Tree::new(c"tmpfs", &[(c"mode", c"0700")], &[], attributes, b"the layers of an overlay")?;
    scaffold.attach(super::root()?, b"the layers of an overlay")?;
    let overlay = fill(&scaffold, lower, name, kept).and_then(|()| {
        let options =
            [(c"source", c"overlay"), (c"lowerdir", LOWER), (c"upperdir", UPPER), (c"workdir", WORK)];
        let flags: &[&CStr] = if user { &[c"userxattr"] } else { &[] };
        Tree::new(c"overlay", &options, flags, 0, name)
    })?;
    // What belongs to the overlay it holds by itself.
    umount2(".", MntFlags::MNT_DETACH).map_err(|e| Error::sys("umount", "the layers of an overlay", e))?;
    Ok(overlay)
}

/// Puts the layers into the scaffold, and goes there.
fn fill(scaffold: &Tree, lower: &OwnedFd, name: &[u8], kept: Option<&Kept>) -> Result<()> {
    let fail = |call| move |e| Error::sys(call, "a layer of an overlay", e);
    let dir = |name: &CStr| mkdirat(scaffold, name, Mode::S_IRWXU).map_err(fail("mkdir"));
    let open = |name: &CStr| {
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        openat(scaffold, name, flags, Mode::empty()).map_err(fail("open"))
    };
    dir(LOWER)?;
    Tree::copy_alone(lower, name)?.attach(open(LOWER)?, name)?;
    match kept {
        Some(kept) => {
            dir(c"kept")?;
            Tree::copy(&kept.parent, &kept.path)?.attach(open(c"kept")?, &kept.path)?;
            for (link, to) in [(UPPER, &kept.name), (WORK, &kept.work())] {
                let to =
                    CString::new([b"kept/", &to[..]].concat()).map_err(|_| fail("symlink")(Errno::EINVAL))?;
                symlinkat(&*to, scaffold, link).map_err(fail("symlink"))?;
            }
        }
        None => {
            dir(UPPER)?;
            dir(WORK)?;
            // The root of the overlay is the upper layer's own directory.
            let like = fstat(lower).map_err(|e| Error::sys("stat", name, e))?;
            let (user, group) = (Uid::from_raw(like.st_uid), Gid::from_raw(like.st_gid));
            match fchownat(scaffold, UPPER, Some(user), Some(group), AtFlags::AT_SYMLINK_NOFOLLOW) {
                // An owner who has no number in our user namespace: then it is ours.
                Ok(()) | Err(Errno::EPERM | Errno::EINVAL) => {}
                Err(e) => return Err(fail("chown")(e)),
            }
            let mode = Mode::from_bits_truncate(like.st_mode & 0o7777);
            fchmodat(scaffold, UPPER, mode, FchmodatFlags::FollowSymlink).map_err(fail("chmod"))?;
        }
    }
    fchdir(scaffold).map_err(fail("fchdir"))
}
