//! Which hierarchy has which controller, decided controller by controller: machines with version 1, with
//! version 2 and with both are all alike then.

use std::ffi::OsStr;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::stat::Mode;
use nix::sys::statfs::{CGROUP_SUPER_MAGIC, CGROUP2_SUPER_MAGIC, fstatfs};

use super::group::{Group, Version};
use crate::error::{Error, Result};
use crate::kind::Kind;
use crate::proc::groups::Line;
use crate::proc::{Proc, mounts};
use crate::sys;

/// The inode number of the first cgroup namespace, the same on every kernel.
const INITIAL: u64 = 4026531835;

/// A hierarchy that is mounted where we can reach it.
#[derive(Debug)]
pub struct Hierarchy {
    /// The group at the mount point.
    pub top: Group,
    /// The controllers of a version 1 hierarchy; one with only a name has that, as `name=systemd`.
    pub controllers: Vec<Vec<u8>>,
    /// Is it the root of the whole machine, above which there is nothing?
    pub sees_all: bool,
    /// What the mount point is in the hierarchy, as /proc/PID/cgroup writes paths: `/` is the root of our
    /// cgroup namespace.
    root: Vec<u8>,
}

/// A mount that could not be opened.
#[derive(Debug)]
struct Closed {
    controllers: Vec<Vec<u8>>,
    why: Error,
}

/// All hierarchies.
#[derive(Debug)]
pub struct Layout {
    hierarchies: Vec<Hierarchy>,
    closed: Vec<Closed>,
    own: Vec<Line>,
}

impl Layout {
    /// Finds the hierarchies by the mount table. A mount that another one hides is none, whatever the table
    /// says: what is found at the mount point must be it.
    pub fn take(proc: &Proc) -> Result<Layout> {
        let this = proc.this()?;
        let own = Line::of(&this)?;
        let inodes = this.namespaces([Kind::Cgroup].into_iter().collect())?;
        let in_initial = inodes[Kind::Cgroup] == INITIAL;
        let mut hierarchies: Vec<Hierarchy> = Vec::new();
        let mut closed = Vec::new();
        for mount in mounts::of(&this)? {
            let version = match &mount.fs_type[..] {
                b"cgroup" => Version::V1,
                b"cgroup2" => Version::V2,
                _ => continue,
            };
            let words: Vec<Vec<u8>> = mounts::words(&mount.super_options).collect();
            let belongs = |line: &&Line| match version {
                Version::V1 => {
                    !line.controllers.is_empty() && line.controllers.iter().all(|name| words.contains(name))
                }
                Version::V2 => line.controllers.is_empty(),
            };
            let Some(line) = own.iter().find(belongs) else { continue };
            let dir = match open_if_visible(&mount, version) {
                Ok(Some(dir)) => dir,
                Ok(None) => continue,
                Err(why) => {
                    closed.push(Closed { controllers: line.controllers.clone(), why });
                    continue;
                }
            };
            let top = Group::at_mount(dir, mount.point.clone(), version);
            let is_root = in_initial || version == Version::V2 && top.is_real_root()?;
            let found = Hierarchy {
                sees_all: mount.root == b"/" && is_root,
                top,
                controllers: line.controllers.clone(),
                root: mount.root.clone(),
            };
            // One may be mounted several times: the whole is better than a part.
            match hierarchies.iter_mut().find(|known| known.controllers == found.controllers) {
                Some(known) if known.root != b"/" && found.root == b"/" => *known = found,
                Some(_) => {}
                None => hierarchies.push(found),
            }
        }
        Ok(Layout { hierarchies, closed, own })
    }

    /// Every hierarchy.
    pub fn hierarchies(&self) -> impl Iterator<Item = &Hierarchy> {
        self.hierarchies.iter()
    }

    /// The controllers of every hierarchy that is mounted and that we could not open (none: version 2), and why. Of one that
    /// is mounted several times, one place that can be opened is enough.
    pub fn closed(&self) -> impl Iterator<Item = (&[Vec<u8>], &Error)> {
        let is_known = |closed: &&Closed| {
            self.hierarchies.iter().any(|hierarchy| hierarchy.controllers == closed.controllers)
        };
        let closed = self.closed.iter().filter(move |closed| !is_known(closed));
        closed.map(|closed| (&closed.controllers[..], &closed.why))
    }

    /// The hierarchy that has this controller. That of block io has another name in version 1, and is found by both.
    pub fn of(&self, controller: &[u8]) -> Result<&Hierarchy> {
        let known = |name: &[u8]| {
            self.own.iter().any(|line| line.controllers.iter().any(|controller| controller == name))
        };
        if controller == b"io" && known(b"blkio") {
            return self.of(b"blkio");
        }
        let v1 = self
            .hierarchies
            .iter()
            .find(|hierarchy| hierarchy.controllers.iter().any(|name| name == controller));
        if let Some(v1) = v1 {
            return Ok(v1);
        }
        const COVERED: &str = "mount its hierarchy, or look whether something is mounted over it";
        let of_v1 = |closed: &&Closed| closed.controllers.iter().any(|name| name == controller);
        let why = |closed: &Closed| closed.why.clone().of_controllers(&[controller]).with_hint(COVERED);
        if let Some(closed) = self.closed.iter().find(of_v1) {
            return Err(why(closed));
        }
        let named = |what: &str| [what.as_bytes(), controller].concat();
        if self.own.iter().any(|line| line.controllers.iter().any(|name| name == controller)) {
            return Err(Error::refused(named("no mount of version 1 can be reached for controller "))
                .with_hint(COVERED));
        }
        let mut closed = self.closed.iter();
        if let (None, Some(closed)) = (self.v2(), closed.find(|closed| closed.controllers.is_empty())) {
            return Err(why(closed));
        }
        let of_v2 = self.v2().map(|v2| v2.top.controllers()).transpose()?.unwrap_or_default();
        match self.v2() {
            Some(v2) if of_v2.iter().any(|name| name == controller) => Ok(v2),
            _ if self.hierarchies.is_empty() => {
                Err(Error::refused(named("no cgroup file system is mounted: there is no controller "))
                    .with_hint("mount -t cgroup2 none /sys/fs/cgroup"))
            }
            _ => {
                let of_v1 = self.hierarchies.iter().flat_map(|hierarchy| hierarchy.controllers.clone());
                let known: Vec<Vec<u8>> = of_v1.chain(of_v2).collect();
                Err(Error::refused(named("this machine has no controller "))
                    .with_hint(format!("it has: {}", String::from_utf8_lossy(&known.join(&b' ')))))
            }
        }
    }

    /// The hierarchy of version 2.
    pub fn v2(&self) -> Option<&Hierarchy> {
        self.hierarchies.iter().find(|hierarchy| hierarchy.top.version == Version::V2)
    }

    /// Are there hierarchies of version 1 that have controllers?
    pub fn is_hybrid(&self) -> bool {
        let has =
            |hierarchy: &Hierarchy| hierarchy.controllers.iter().any(|name| !name.starts_with(b"name="));
        self.hierarchies.iter().any(has)
    }

    /// Can all processes of a group of version 2 be killed at once? None where there is no group to be asked: the root has no
    /// such file. Source: cgroup.kill, cgroup-v2.rst, Linux 5.14.
    pub fn has_kill(&self) -> Result<Option<bool>> {
        let Some(v2) = self.v2() else { return Ok(None) };
        let own = self.own_group(v2).ok().filter(|own| own.is_real_root().is_ok_and(|is_root| !is_root));
        let group = match own {
            Some(own) => Some(own),
            None => v2.top.children()?.next().transpose()?,
        };
        group.map(|group| group.has("cgroup.kill")).transpose()
    }

    /// An error if it may well be there and only we could not open it.
    pub fn check_v2(&self) -> Result<()> {
        let ours = |closed: &&Closed| closed.controllers.is_empty() && closed.why.is_our_own();
        self.closed.iter().find(ours).map_or(Ok(()), |closed| Err(closed.why.clone()))
    }

    /// The hierarchy of a line, and the group in it.
    pub fn locate(&self, line: &Line) -> Result<(&Hierarchy, Group)> {
        let hierarchy = self.hierarchies.iter().find(|hierarchy| hierarchy.controllers == line.controllers);
        let hierarchy = hierarchy.ok_or_else(|| {
            let closed = self.closed.iter().find(|closed| closed.controllers == line.controllers);
            let nowhere = || Error::refused("its hierarchy is mounted nowhere that we can reach");
            closed.map_or_else(nowhere, |closed| closed.why.clone())
        })?;
        Ok((hierarchy, hierarchy.group_of(line)?))
    }

    /// Our own line for the hierarchy of this one.
    pub fn own(&self, line: &Line) -> Option<&Line> {
        self.own.iter().find(|own| own.controllers == line.controllers)
    }

    /// Our own group in a hierarchy.
    pub fn own_group(&self, hierarchy: &Hierarchy) -> Result<Group> {
        let line = self.own.iter().find(|line| line.controllers == hierarchy.controllers);
        let line =
            line.ok_or_else(|| Error::refused("our own group is not known: /proc/self/cgroup lacks a line"))?;
        hierarchy.group_of(line)
    }
}

impl Hierarchy {
    /// The path that `/proc/PID/cgroup` has for the group with this path below the mount point.
    pub fn path_of(&self, below: &[u8]) -> Vec<u8> {
        match (&self.root[..], below) {
            (root, b"" | b"/") => root.to_vec(),
            (b"/", below) => below.to_vec(),
            (root, below) => [root, below].concat(),
        }
    }

    /// The group that a line of `/proc/PID/cgroup` names, below this mount.
    pub fn group_of(&self, line: &Line) -> Result<Group> {
        let outside = || {
            Error::refused(
                [b"the group ", &line.path[..], b" cannot be reached by the mount at ", &self.top.path]
                    .concat(),
            )
            .with_hint(
                "it lies outside of this cgroup namespace or of what is mounted: name another with --parent",
            )
        };
        if line.path == b"/.." || line.path.starts_with(b"/../") {
            return Err(outside());
        }
        let below = match &self.root[..] {
            b"/" => &line.path[..],
            root => match line.path.strip_prefix(root) {
                Some(rest) if rest.is_empty() || rest.starts_with(b"/") => rest,
                _ => return Err(outside()),
            },
        };
        // A living group can be called so too.
        self.top.descend(below).map_err(|e| if e.is_gone() && line.is_deleted() { outside() } else { e })
    }

    /// The group above this one of the hierarchy; the top has none, and is answered itself.
    pub fn above(&self, group: &Group) -> Result<Group> {
        let below = group.path.strip_prefix(&self.top.path[..]).unwrap_or_default();
        let end = below.iter().rposition(|&b| b == b'/').unwrap_or_default();
        self.top.descend(&below[..end])
    }

    /// The groups from the mount point down to this one of the hierarchy, both included, each opened when it is asked for.
    pub fn chain(&self, group: &Group) -> impl Iterator<Item = Result<Group>> {
        let below = group.path.strip_prefix(&self.top.path[..]).unwrap_or_default();
        let pieces = below.split(|&b| b == b'/').filter(|piece| !piece.is_empty());
        let mut path = Vec::new();
        let deeper = pieces.map(move |piece| {
            path = [&path[..], b"/", piece].concat();
            path.clone()
        });
        std::iter::once(Vec::new()).chain(deeper).map(|path| self.top.descend(&path))
    }
}

impl Group {
    /// The controllers that groups of version 2 below this one can have.
    pub fn controllers(&self) -> Result<Vec<Vec<u8>>> {
        self.words("cgroup.controllers")
    }

    /// Those that it hands on to them.
    pub(super) fn handed_on(&self) -> Result<Vec<Vec<u8>>> {
        self.words("cgroup.subtree_control")
    }

    /// Has it processes, and must not hand on controllers? Some would turn it, and all below, into threaded groups, in which
    /// nobody can do anything any more; only the root may. Source: cgroup-v2.rst, "No Internal Process Constraint".
    pub(super) fn is_inhabited(&self) -> Result<bool> {
        Ok(!self.is_real_root()? && !self.processes()?.is_empty())
    }

    fn words(&self, file: &str) -> Result<Vec<Vec<u8>>> {
        let text = self.read(file)?;
        Ok(text.split(|&b| b == b' ').filter(|name| !name.is_empty()).map(<[u8]>::to_vec).collect())
    }

    /// Is it the root of the whole version 2 hierarchy, which alone may have processes and hand on controllers?
    /// Only the root has no `cgroup.type`. Source: cgroup-v2.rst.
    pub fn is_real_root(&self) -> Result<bool> {
        Ok(!self.has("cgroup.type")?)
    }
}

/// The directory at a mount point, if this mount is what is seen there.
fn open_if_visible(mount: &mounts::Mount, version: Version) -> Result<Option<OwnedFd>> {
    let fail = |e| Error::sys("open", &mount.point, e);
    let path = Path::new(OsStr::from_bytes(&mount.point));
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let dir = match nix::fcntl::open(path, flags, Mode::empty()) {
        Err(Errno::ENOENT | Errno::ENOTDIR) => return Ok(None),
        dir => dir.map_err(fail)?,
    };
    let magic = match version {
        Version::V1 => CGROUP_SUPER_MAGIC,
        Version::V2 => CGROUP2_SUPER_MAGIC,
    };
    let seen = fstatfs(&dir).map_err(fail)?.filesystem_type() == magic
        && sys::mount_id(&dir).is_none_or(|id| id == mount.id);
    Ok(seen.then_some(dir))
}
