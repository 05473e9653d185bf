//! What a new root is made of, held open and looked at before anything is changed.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, OFlag, openat};
use nix::sys::stat::Mode;

use super::extra::{bytes, path};
use super::inside::{Inside, fits, is_dir, missing};
use super::overlay::Kept;
use super::{Enter, Extra, Root, directory};
use crate::error::{Error, Result};
use crate::kind::Kind;
use crate::ns::create::Propagation;
use crate::ns::initial::is_fixed;
use crate::proc::Proc;
use crate::proc::mounts::{self, Mount};
use crate::sys;

/// All that is needed, held open: nothing was changed yet.
pub(super) struct Opened {
    /// The directory that becomes the root.
    pub(super) dir: OwnedFd,
    pub(super) kept: Option<Kept>,
    /// What is mounted below the lower layer: its path below, and what is to be mounted there.
    pub(super) mounted: Vec<(Vec<u8>, OwnedFd)>,
    /// What the extras bind, and whether it is a directory.
    pub(super) sources: Vec<Option<(OwnedFd, bool)>>,
    /// The working directory, where it is kept.
    pub(super) wd: Option<PathBuf>,
}

impl Root {
    /// Opens all that is needed and looks whether it will do; `within` the new mount namespace, or before.
    pub(super) fn open(&self, within: bool) -> Result<Opened> {
        if self.mounts() {
            self.look_at_propagation(within)?;
        }
        if self.overlay.is_some() && self.in_user_ns()? {
            let release = nix::sys::utsname::uname().map_err(|e| Error::sys("uname", "", e))?;
            can_overlay(bytes(Path::new(release.release())))?;
        }
        let dir = directory(self.dir())?;
        let mounted = if self.overlay.is_some() { self.mounted_below(&dir)? } else { Vec::new() };
        let kept = match &self.overlay {
            Some(Some(upper)) => Some(Kept::open(upper)?),
            _ => None,
        };
        let sources = self.extras.iter().map(source).collect::<Result<Vec<_>>>()?;
        let opened = Opened { dir, kept, mounted, sources, wd: self.wd()? };
        if let Some(place) = &self.proc {
            self.look_at_place(&opened, 0, place, true)?;
        }
        for (at, extra) in self.extras.iter().enumerate() {
            let dir = opened.sources[at].as_ref().is_none_or(|source| source.1);
            self.look_at_place(&opened, at, extra.place(), dir)?;
        }
        Ok(opened)
    }

    /// The working directory stays the same path when an overlay is put over all.
    fn wd(&self) -> Result<Option<PathBuf>> {
        if self.enter != Enter::Stay || self.overlay.is_none() {
            return Ok(None);
        }
        match nix::unistd::getcwd() {
            // One that has no path below our root is told as such, in words that are no path.
            Ok(wd) => Ok(Some(wd).filter(|wd| wd.is_absolute())),
            Err(Errno::ENOENT) => Ok(None),
            Err(e) => Err(Error::sys("getcwd", "", e)),
        }
    }

    fn look_at_propagation(&self, within: bool) -> Result<()> {
        let advice = "choose --propagation private, which is the default, or slave";
        match self.propagation {
            Propagation::Private | Propagation::Slave => Ok(()),
            Propagation::Shared => {
                let what = "mounts that are shared with others cannot be made a new root, and all would see what is mounted";
                Err(Error::refused(what).with_hint(advice))
            }
            // A new user namespace makes them slaves (mount_namespaces(7)).
            Propagation::Unchanged if self.user_ns && !within => Ok(()),
            Propagation::Unchanged => {
                let all = mounts::of(&Proc::system()?.this()?)?;
                let shared = all.iter().find(|mount| mount.peer_group.is_some());
                shared.map_or(Ok(()), |mount| {
                    let what = b" is shared with others, and all would see what is mounted";
                    Err(Error::refused([&mount.point[..], what].concat()).with_hint(advice))
                })
            }
        }
    }

    /// Are we, or shall we be, in another user namespace than the initial one, in which alone `trusted.` attributes can be
    /// written?
    pub(super) fn in_user_ns(&self) -> Result<bool> {
        let kinds = [Kind::User].into_iter().collect();
        let ours = || Proc::system()?.this()?.namespaces(kinds);
        if self.user_ns {
            return Ok(true);
        }
        match ours() {
            Ok(ours) => Ok(!is_fixed(ours[Kind::User])),
            Err(e) if e.is_our_own() => Err(e),
            Err(_) => Ok(false),
        }
    }

    /// What is mounted below the lower layer, which an overlay does not cover, unless it will be covered by what was asked.
    fn mounted_below(&self, dir: &OwnedFd) -> Result<Vec<(Vec<u8>, OwnedFd)>> {
        let fail = |e| Error::sys("open", bytes(self.dir()), e);
        let real =
            self.dir().canonicalize().map_err(|e| fail(Errno::from_raw(e.raw_os_error().unwrap_or(0))))?;
        let all = mounts::of(&Proc::system()?.this()?)?;
        let lower = sys::mount_id_of(dir).map_err(|e| Error::sys("statx", bytes(self.dir()), e))?;
        let inside = Inside::at(dir);
        let mut found = Vec::new();
        for mount in all.iter().filter(|mount| mount.parent == lower && mount.id != lower) {
            let Some(rest) = strip(&mount.point, bytes(&real)) else { continue };
            let held = match inside.open(rest) {
                Ok(held) => held,
                // Something else is mounted over it.
                Err(Errno::ENOENT | Errno::ENOTDIR) => continue,
                // It is found again by the kernel's refusal to look behind it.
                Err(Errno::EACCES) if self.user_ns => continue,
                Err(e) => return Err(Error::sys("open", &mount.point, e)),
            };
            let led = sys::mount_id_of(&held).map_err(|e| Error::sys("statx", &mount.point, e))?;
            if leads_to(&all, led, mount) {
                found.push((rest.to_vec(), held));
            }
        }
        Ok(found.into_iter().filter(|(place, _)| !self.hides(place)).collect())
    }

    /// Will this place be covered by what was asked?
    pub(super) fn hides(&self, place: &[u8]) -> bool {
        let mut places = self.proc.iter().map(PathBuf::as_path).chain(self.extras.iter().map(Extra::place));
        places.any(|over| path(place.to_vec()).starts_with(Path::new("/").join(over)))
    }

    /// Will the overlay be put together of pieces, since a new user namespace may not look behind what is mounted below?
    pub(super) fn in_pieces(&self) -> bool {
        let found = || {
            let real = self.dir().canonicalize().ok()?;
            let lower = sys::mount_id_of(directory(self.dir()).ok()?).ok()?;
            let all = mounts::of(&Proc::system().ok()?.this().ok()?).ok()?;
            let below = |mount: &Mount| mount.parent == lower && strip(&mount.point, bytes(&real)).is_some();
            Some(all.iter().any(below))
        };
        self.user_ns && found().unwrap_or(false)
    }

    /// Is there a place for a mount, before which so many extras are mounted?
    fn look_at_place(&self, opened: &Opened, before: usize, place: &Path, dir: bool) -> Result<()> {
        let inside = Inside::at(&opened.dir);
        match self.foresee(opened, &inside, before, place) {
            Some(Ok(found)) => fits(&found, place, dir),
            Some(Err(Errno::ENOENT)) if self.overlay.is_some() => Ok(()),
            Some(Err(e)) => Err(missing(place, e)),
            None => Ok(()),
        }
    }

    /// What will be there then. None where nothing is, and it will be made.
    fn foresee(
        &self,
        opened: &Opened,
        inside: &Inside<'_>,
        before: usize,
        place: &Path,
    ) -> Option<std::result::Result<OwnedFd, Errno>> {
        let identity = |path: &Path| match inside.open(bytes(path)).and_then(sys::stat_quietly) {
            Err(e @ (Errno::EMFILE | Errno::ENFILE | Errno::ENOMEM)) => Err(e),
            answer => Ok(answer.ok()),
        };
        for above in place.ancestors().take_while(|above| !bytes(above).is_empty()) {
            let here = match identity(above) {
                Ok(here) => here,
                Err(e) => return Some(Err(e)),
            };
            let is_here = |path: &Path| path == above || here.is_some() && identity(path) == Ok(here);
            for (extra, source) in self.extras[..before].iter().zip(&opened.sources).rev() {
                let same = is_here(extra.place());
                match source {
                    _ if !same => {}
                    // Also a place in it that is made for another.
                    None => return None,
                    Some((source, _)) => {
                        let rest = place.strip_prefix(above).unwrap_or(place);
                        return Some(match bytes(rest) {
                            b"" => source.try_clone().map_err(|_| Errno::EMFILE),
                            rest => Inside::at(source).open(rest),
                        });
                    }
                }
            }
            // What is in a new proc only that can tell.
            if above != place && self.proc.as_deref().is_some_and(is_here) {
                return None;
            }
        }
        Some(inside.open(bytes(place)))
    }
}

fn source(extra: &Extra) -> Result<Option<(OwnedFd, bool)>> {
    let Extra::Bind { from, .. } = extra else { return Ok(None) };
    let source = openat(AT_FDCWD, from, OFlag::O_PATH | OFlag::O_CLOEXEC, Mode::empty())
        .map_err(|e| Error::sys("open", bytes(from), e))?;
    let dir = is_directory(&source)?;
    Ok(Some((source, dir)))
}

pub(super) fn is_directory(fd: &OwnedFd) -> Result<bool> {
    is_dir(fd).map_err(|e| Error::sys("stat", "what is bound", e))
}

/// The path of a mount point below a directory, with a slash before it; none where it is elsewhere.
fn strip<'a>(point: &'a [u8], dir: &[u8]) -> Option<&'a [u8]> {
    let dir = if dir == b"/" { b"" } else { dir };
    point.strip_prefix(dir).filter(|rest| rest.len() > 1 && rest.starts_with(b"/"))
}

/// Is this the mount that a path led to, or is that mounted on its root?
fn leads_to(all: &[Mount], mut led: u64, mount: &Mount) -> bool {
    for _ in all {
        match all.iter().find(|other| other.id == led) {
            Some(top) if top.id == mount.id => return true,
            Some(top) if top.point == mount.point => led = top.parent,
            _ => return false,
        }
    }
    false
}

/// Can this kernel make an overlay in a user namespace? Source: Documentation/filesystems/overlayfs.rst, "User xattr".
fn can_overlay(release: &[u8]) -> Result<()> {
    let mut numbers = release.split(|byte| !byte.is_ascii_digit()).map(crate::text::digits::<u64>);
    match (numbers.next().flatten(), numbers.next().flatten()) {
        (Some(major), Some(minor)) if (major, minor) < (5, 11) => Err(Error::refused(format!(
            "overlayfs in a user namespace needs Linux 5.11; this is {major}.{minor}"
        ))),
        _ => Ok(()),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn an_old_kernel_has_no_overlay_in_a_user_namespace() {
        for (release, can) in
            [("5.10.0-34-cloud", false), ("4.19", false), ("5.11", true), ("6.1.0-rc1", true), ("odd", true)]
        {
            assert_eq!(can_overlay(release.as_bytes()).is_ok(), can, "{release}");
        }
        let error = can_overlay(b"5.10.262").unwrap_err();
        assert_eq!(error.to_string(), "overlayfs in a user namespace needs Linux 5.11; this is 5.10");
    }

    #[test]
    fn a_mount_point_is_below_a_directory_or_elsewhere() {
        let cases: [[&[u8]; 3]; 6] = [
            [b"/a/b", b"/a", b"/b"],
            [b"/a/b", b"/", b"/a/b"],
            [b"/ab", b"/a", b""],
            [b"/a", b"/a", b""],
            [b"/", b"/", b""],
            [b"/b", b"/a", b""],
        ];
        for [point, dir, rest] in cases {
            assert_eq!(strip(point, dir).unwrap_or_default(), rest);
        }
    }
}
