//! A new root for the program, and what is mounted in it.

mod extra;
mod inside;
mod opened;
mod overlay;
mod patchwork;
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
use inside::Inside;
use opened::{Opened, is_directory};
use overlay::{Kept, Scaffold};
use patchwork::Patchwork;
use tree::Tree;

use super::create::Propagation;
use crate::error::{Error, Result};
use crate::proc::place;
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
                lines.push(
                    [b"overlay ", dir, b": what is written stays in memory and is gone after"].concat(),
                );
            }
            Some(Some(upper)) => {
                lines.push([b"overlay ", dir, b": what is written goes to ", bytes(upper)].concat());
            }
            None => {}
        }
        if self.overlay.is_some() && self.in_pieces() {
            lines.push(
                [
                    b"do so for each directory in ",
                    dir,
                    b" that is not and holds no mount point, in a new tmpfs",
                ]
                .concat(),
            );
            lines.push([b"bind what else is in ", dir, b" at the same places, read-only"].concat());
        } else if self.overlay.is_some() {
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
        opened.kept.as_ref().map_or(Ok(()), Kept::make_work)?;
        let done = self.mount(&opened, tell);
        if let (Err(_), Some(kept)) = (&done, &opened.kept) {
            kept.remove_made(0);
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
        let user = self.overlay.is_some() && self.in_user_ns()?;
        let lower = self.overlay.as_ref().map(|_| Tree::copy_alone(&opened.dir, name));
        let onto = if self.pivots() {
            root()?
        } else {
            opened.dir.try_clone().map_err(|e| Error::io("open", name, &e))?
        };
        let (mut pieces, mut mounted) = (None, Vec::new());
        let tree = match lower {
            // In a user namespace the kernel lets nobody see what is under a mount from outside.
            Some(Err(e)) if user && e.errno() == Some(Errno::EINVAL) => {
                pieces = Some(Patchwork::new(self, opened, &onto, tell)?);
                None
            }
            Some(lower) => {
                let lower = lower?;
                for (place, held) in &opened.mounted {
                    mounted.push((place, Tree::copy(held, place)?, is_directory(held)?));
                }
                let scaffold = Scaffold::new(opened.kept.as_ref(), user)?;
                scaffold.raise()?;
                let overlay = scaffold.overlay(&lower, name, None)?;
                scaffold.remove()?;
                Some(overlay)
            }
            None if matches!(self.enter, Enter::Pivot(_)) => Some(Tree::copy(&opened.dir, name)?),
            None => None,
        };
        if let Some(tree) = &tree {
            tree.attach(&onto, name)?;
        }
        let pieced = pieces.as_ref().map(|pieces| pieces.root.as_fd());
        let new = pieced.or(tree.as_ref().map(AsFd::as_fd)).unwrap_or(opened.dir.as_fd());
        let mut inside = Inside::at(&new);
        if self.overlay.is_some() {
            inside.owns(new)?;
        }
        inside.own_all(pieces.as_ref().map_or(&[], |pieces| &pieces.overlays));
        for (place, copy, dir) in &mounted {
            copy.attach_read_only(inside.place(&path(place.to_vec()), *dir)?, place)?;
            tell(&[place, patchwork::MOUNTED].concat());
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
                    inside.owns(copy)?;
                }
            }
        }
        if let (Some(pieces), Some(kept)) = (&pieces, &opened.kept) {
            pieces.seal(kept, tell)?;
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

fn tmpfs(on: &Path) -> Result<Tree> {
    Tree::new(c"tmpfs", &[(c"source", c"tmpfs"), (c"mode", c"0755")], &[], NOSUID | NODEV, bytes(on))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn plain(enter: Enter) -> Root {
        let propagation = Propagation::Private;
        Root { enter, overlay: None, extras: Vec::new(), proc: None, user_ns: false, propagation }
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
