//! A new root for the program, and what is mounted in it.

mod extra;
mod inside;
mod overlay;
mod tree;

use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, OFlag, openat};
use nix::mount::{MntFlags, umount2};
use nix::sys::stat::Mode;
use nix::unistd::{chroot, fchdir, pivot_root};

pub use extra::Extra;
use extra::{bytes, path};
use inside::{Inside, fits, is_dir, missing};
use overlay::Kept;
use tree::Tree;

use super::create::Propagation;
use super::initial::is_fixed;
use crate::error::{Error, Result};
use crate::kind::Kind;
use crate::proc::mounts::{self, Mount};
use crate::proc::{Proc, place};
use crate::sys;
use crate::sys::mount::{NODEV, NOEXEC, NOSUID};

/// Which directory becomes the root, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Enter {
    /// The root stays what it is.
    Stay,
    /// By chroot(2).
    Chroot(PathBuf),
    /// By pivot_root(2): nothing of the old one is left.
    Pivot(PathBuf),
}

/// What is to be made of the mounts in a new mount namespace.
#[derive(Clone, Debug)]
pub struct Root {
    /// The directory that becomes the root.
    pub enter: Enter,
    /// Is it covered by an overlay, and where does what is written go: into a directory, or into memory?
    pub overlay: Option<Option<PathBuf>>,
    /// What is mounted in it, in this order.
    pub extras: Vec<Extra>,
    /// Where in it a new proc is mounted, before the extras.
    pub proc: Option<PathBuf>,
    /// Is the mount namespace made together with a user namespace?
    pub user_ns: bool,
    /// How mounts travel in it, as was set before.
    pub propagation: Propagation,
}

/// All that is needed, held open: nothing was changed yet.
struct Opened {
    /// The directory that becomes the root.
    dir: OwnedFd,
    kept: Option<Kept>,
    /// What is mounted below the lower layer: its path below, and what is to be mounted there.
    mounted: Vec<(Vec<u8>, OwnedFd)>,
    /// What the extras bind, and whether it is a directory.
    sources: Vec<Option<(OwnedFd, bool)>>,
    /// The working directory, where it is kept.
    wd: Option<PathBuf>,
}

impl Root {
    /// Can it be made? Looks only. To be asked before the namespaces are made.
    pub fn look(&self) -> Result<()> {
        self.open(false).map(drop)
    }

    /// What will be done, a line for each step, in order.
    pub fn describe(&self) -> Vec<Vec<u8>> {
        let dir = bytes(self.dir());
        let mut lines = Vec::new();
        match &self.overlay {
            Some(None) => {
                lines.push([b"overlay ", dir, b": what is written stays in memory and is gone after"].concat());
            }
            Some(Some(upper)) => {
                lines.push([b"overlay ", dir, b": what is written goes to ", bytes(upper)].concat());
            }
            None => {}
        }
        if self.overlay.is_some() {
            lines.push([b"bind what is mounted below ", dir, b" at the same places, read-only"].concat());
        }
        lines.extend(self.proc.as_ref().map(|place| [b"mount a new proc on ", bytes(place)].concat()));
        lines.extend(self.extras.iter().map(Extra::describe));
        match &self.enter {
            Enter::Pivot(_) => lines.push([b"make ", dir, b" the root, and unmount the old one"].concat()),
            Enter::Chroot(_) => lines.push([b"change the root to ", dir].concat()),
            Enter::Stay if self.overlay.is_some() => {
                lines.push(b"make the overlay the root, and unmount the old one".to_vec());
            }
            Enter::Stay => {}
        }
        lines
    }

    /// Makes it, in the new namespaces; `tell` is given a line for each thing that the user should know of, any bytes.
    /// Where it fails, nothing is left outside of the mount namespace.
    pub fn make(&self, tell: &mut dyn FnMut(&[u8])) -> Result<()> {
        let opened = self.open(true)?;
        let made_work = opened.kept.as_ref().map_or(Ok(false), Kept::make_work)?;
        let done = self.mount(&opened, tell);
        if let (Err(_), true, Some(kept)) = (&done, made_work, &opened.kept) {
            kept.remove_work();
        }
        done
    }

    fn dir(&self) -> &Path {
        match &self.enter {
            Enter::Stay => Path::new("/"),
            Enter::Chroot(dir) | Enter::Pivot(dir) => dir,
        }
    }

    fn pivots(&self) -> bool {
        match self.enter {
            Enter::Stay => self.overlay.is_some(),
            Enter::Chroot(_) => false,
            Enter::Pivot(_) => true,
        }
    }

    /// Is anything mounted?
    fn mounts(&self) -> bool {
        self.pivots() || self.overlay.is_some() || self.proc.is_some() || !self.extras.is_empty()
    }

    /// Opens all that is needed and looks whether it will do; `within` the new mount namespace, or before.
    fn open(&self, within: bool) -> Result<Opened> {
        if self.mounts() {
            self.look_at_propagation(within)?;
        }
        if self.overlay.is_some() && self.in_user_ns() {
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
        let opened = Opened { dir, kept, mounted, sources, wd: self.wd() };
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
    fn wd(&self) -> Option<PathBuf> {
        if self.enter != Enter::Stay || self.overlay.is_none() {
            return None;
        }
        // One that has no path below our root is told as such, in words that are no path.
        nix::unistd::getcwd().ok().filter(|wd| wd.is_absolute())
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

    /// Are we, or shall we be, in another user namespace than the initial one? Only there `trusted.` attributes can be
    /// written.
    fn in_user_ns(&self) -> bool {
        let kinds = [Kind::User].into_iter().collect();
        let ours = || Proc::system()?.this()?.namespaces(kinds);
        self.user_ns || ours().is_ok_and(|ours| !is_fixed(ours[Kind::User]))
    }

    /// What is mounted below the lower layer, which an overlay does not cover, unless it will be covered by what was asked.
    fn mounted_below(&self, dir: &OwnedFd) -> Result<Vec<(Vec<u8>, OwnedFd)>> {
        let fail = |e| Error::sys("open", bytes(self.dir()), e);
        let real = self.dir().canonicalize().map_err(|e| fail(Errno::from_raw(e.raw_os_error().unwrap_or(0))))?;
        let all = mounts::of(&Proc::system()?.this()?)?;
        let lower = sys::mount_id(dir).ok_or_else(|| fail(Errno::ENOSYS))?;
        let inside = Inside::at(dir);
        let mut found = Vec::new();
        for mount in all.iter().filter(|mount| mount.parent == lower && mount.id != lower) {
            let Some(rest) = strip(&mount.point, bytes(&real)) else { continue };
            let held = match inside.open(rest) {
                Ok(held) => held,
                // Something else is mounted over it.
                Err(Errno::ENOENT | Errno::ENOTDIR) => continue,
                Err(e) => return Err(Error::sys("open", &mount.point, e)),
            };
            if leads_to(&all, sys::mount_id(&held), mount) {
                found.push((rest.to_vec(), held));
            }
        }
        // The kernel would not let anybody see what it hides.
        if let (true, Some((first, _))) = (self.user_ns, found.first()) {
            let what = [bytes(self.dir()), b" cannot be overlaid in a user namespace: "].concat();
            let what = [&what[..], first, b" is mounted below it"].concat();
            return Err(Error::refused(what)
                .with_hint("choose a directory with nothing mounted below it, or do without a user namespace"));
        }
        let hidden = |place: &[u8]| {
            let places = self.proc.iter().map(PathBuf::as_path).chain(self.extras.iter().map(Extra::place));
            places.into_iter().any(|over| path(place.to_vec()).starts_with(Path::new("/").join(over)))
        };
        Ok(found.into_iter().filter(|(place, _)| !hidden(place)).collect())
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
        let identity = |path: &Path| inside.open(bytes(path)).and_then(sys::stat_quietly).ok();
        for above in place.ancestors().take_while(|above| !bytes(above).is_empty()) {
            let here = identity(above);
            for (extra, source) in self.extras[..before].iter().zip(&opened.sources).rev() {
                let same = extra.place() == above || here.is_some() && identity(extra.place()) == here;
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
        }
        Some(inside.open(bytes(place)))
    }

    /// All that changes something.
    fn mount(&self, opened: &Opened, tell: &mut dyn FnMut(&[u8])) -> Result<()> {
        let name = bytes(self.dir());
        // Before the paths mean something else, and while the old proc is there, without which a user namespace gets no
        // new one (user_namespaces(7)).
        let proc = self.proc.as_ref().map(|place| {
            Tree::new(c"proc", &[(c"source", c"proc")], &[], NOSUID | NODEV | NOEXEC, bytes(place))
        });
        let proc = proc.transpose()?;
        let copies = self.extras.iter().zip(&opened.sources).map(|(extra, source)| match (extra, source) {
            (Extra::Bind { from, .. }, Some((source, _))) => Tree::copy(source, bytes(from)),
            (extra, _) => tmpfs(extra.place()),
        });
        let copies = copies.collect::<Result<Vec<_>>>()?;
        let mounted = opened.mounted.iter().map(|(place, held)| Ok((place, Tree::copy(held, place)?, is_directory(held)?)));
        let mounted = mounted.collect::<Result<Vec<_>>>()?;

        let tree = match (&self.overlay, &self.enter) {
            (Some(_), _) => {
                Some(overlay::new(&opened.dir, name, opened.kept.as_ref(), self.in_user_ns())?)
            }
            (None, Enter::Pivot(_)) => Some(Tree::copy(&opened.dir, name)?),
            _ => None,
        };
        if let Some(tree) = &tree {
            match self.pivots() {
                true => tree.attach(root()?, name)?,
                false => tree.attach(&opened.dir, name)?,
            }
        }
        let new = tree.as_ref().map_or(opened.dir.as_fd(), AsFd::as_fd);
        let mut inside = Inside::at(&new);
        if self.overlay.is_some() {
            inside.owns(new);
        }
        for (place, copy, dir) in &mounted {
            copy.attach_read_only(inside.place(&path(place.to_vec()), *dir)?, place)?;
            tell(&[place, &b" is mounted below the overlay, which does not cover it: it is read-only"[..]].concat());
        }
        if let (Some(proc), Some(place)) = (&proc, &self.proc) {
            proc.attach(inside.place(place, true)?, &[b"proc on ", bytes(place)].concat())?;
        }
        for (at, (extra, copy)) in self.extras.iter().zip(&copies).enumerate() {
            let dir = opened.sources[at].as_ref().is_none_or(|source| source.1);
            let place = inside.place(extra.place(), dir)?;
            let on = bytes(extra.place());
            match extra {
                Extra::Bind { read_only: true, .. } => copy.attach_read_only(place, on)?,
                Extra::Bind { .. } => copy.attach(place, on)?,
                Extra::Tmpfs(_) => {
                    copy.attach(place, on)?;
                    inside.owns(copy);
                }
            }
        }
        self.enter(new, opened.wd.as_deref())
    }

    /// Makes it the root.
    fn enter(&self, new: impl AsFd, wd: Option<&Path>) -> Result<()> {
        let fail = |call| move |e| Error::sys(call, bytes(self.dir()), e);
        if self.pivots() {
            fchdir(&new).map_err(fail("fchdir"))?;
            // The old root is mounted over the new one, and so it needs no directory. Source: pivot_root(2), NOTES.
            pivot_root(".", ".").map_err(|e| {
                let error = fail("pivot_root")(e);
                match e {
                    Errno::EINVAL => error
                        .with_hint("our own root is no mount, as in a chroot, or is the one that the kernel started with"),
                    _ => error,
                }
            })?;
            umount2(".", MntFlags::MNT_DETACH).map_err(|e| Error::sys("umount", "the old root", e))?;
            return place::change_directory(wd.unwrap_or(Path::new("/")));
        }
        if let Enter::Chroot(_) = self.enter {
            fchdir(&new).map_err(fail("fchdir"))?;
            chroot(".").map_err(fail("chroot"))?;
            return place::change_directory(Path::new("/"));
        }
        Ok(())
    }
}

fn directory(path: &Path) -> Result<OwnedFd> {
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    openat(AT_FDCWD, path, flags, Mode::empty()).map_err(|e| Error::sys("open", bytes(path), e))
}

/// Our root. What is mounted over it is beyond all paths, and so nobody trips over it.
fn root() -> Result<OwnedFd> {
    directory(Path::new("/"))
}

fn source(extra: &Extra) -> Result<Option<(OwnedFd, bool)>> {
    let Extra::Bind { from, .. } = extra else { return Ok(None) };
    let source = openat(AT_FDCWD, from, OFlag::O_PATH | OFlag::O_CLOEXEC, Mode::empty())
        .map_err(|e| Error::sys("open", bytes(from), e))?;
    let dir = is_directory(&source)?;
    Ok(Some((source, dir)))
}

fn is_directory(fd: &OwnedFd) -> Result<bool> {
    is_dir(fd).map_err(|e| Error::sys("stat", "what is bound", e))
}

fn tmpfs(on: &Path) -> Result<Tree> {
    Tree::new(c"tmpfs", &[(c"source", c"tmpfs"), (c"mode", c"0755")], &[], NOSUID | NODEV, bytes(on))
}

/// The path of a mount point below a directory, with a slash before it; none where it is elsewhere.
fn strip<'a>(point: &'a [u8], dir: &[u8]) -> Option<&'a [u8]> {
    let dir = if dir == b"/" { b"" } else { dir };
    point.strip_prefix(dir).filter(|rest| rest.len() > 1 && rest.starts_with(b"/"))
}

/// Is this the mount that a path led to, or is that mounted on its root?
fn leads_to(all: &[Mount], mut led: Option<u64>, mount: &Mount) -> bool {
    for _ in all {
        match all.iter().find(|other| Some(other.id) == led) {
            Some(top) if top.id == mount.id => return true,
            Some(top) if top.point == mount.point => led = Some(top.parent),
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
mod tests {
    use super::*;

    fn plain(enter: Enter) -> Root {
        let propagation = Propagation::Private;
        Root { enter, overlay: None, extras: Vec::new(), proc: None, user_ns: false, propagation }
    }

    #[test]
    fn an_old_kernel_has_no_overlay_in_a_user_namespace() {
        for (release, can) in [("5.10.0-34-cloud", false), ("4.19", false), ("5.11", true), ("6.1.0-rc1", true), ("odd", true)] {
            assert_eq!(can_overlay(release.as_bytes()).is_ok(), can, "{release}");
        }
        let error = can_overlay(b"5.10.262").unwrap_err();
        assert_eq!(error.to_string(), "overlayfs in a user namespace needs Linux 5.11; this is 5.10");
    }

    #[test]
    fn a_mount_point_is_below_a_directory_or_elsewhere() {
        let cases: &[(&[u8], &[u8], Option<&[u8]>)] = &[
            (b"/a/b", b"/a", Some(b"/b")),
            (b"/a/b", b"/", Some(b"/a/b")),
            (b"/ab", b"/a", None),
            (b"/a", b"/a", None),
            (b"/", b"/", None),
            (b"/b", b"/a", None),
        ];
        for (point, dir, rest) in cases {
            assert_eq!(strip(point, dir), *rest);
        }
    }

    #[test]
    fn the_steps_are_told_in_their_order() {
        let text = |root: &Root| {
            root.describe().iter().map(|line| String::from_utf8_lossy(line).into_owned()).collect::<Vec<_>>()
        };
        assert_eq!(text(&plain(Enter::Stay)), [""; 0]);
        assert_eq!(text(&plain(Enter::Chroot("/r".into()))), ["change the root to /r"]);
        assert_eq!(text(&plain(Enter::Pivot("/r".into()))), ["make /r the root, and unmount the old one"]);
        let root = Root {
            overlay: Some(Some("/up".into())),
            extras: vec![Extra::bind(b"/a:/b:ro").unwrap(), Extra::tmpfs(b"/tmp").unwrap()],
            proc: Some("/proc".into()),
            ..plain(Enter::Stay)
        };
        let expected = [
            "overlay /: what is written goes to /up",
            "bind what is mounted below / at the same places, read-only",
            "mount a new proc on /proc",
            "bind /a on /b, read-only",
            "mount a tmpfs on /tmp",
            "make the overlay the root, and unmount the old one",
        ];
        assert_eq!(text(&root), expected);
        let root = Root { overlay: Some(None), ..plain(Enter::Chroot("/r".into())) };
        assert_eq!(text(&root)[0], "overlay /r: what is written stays in memory and is gone after");
    }
}
