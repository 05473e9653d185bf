//! The namespaces that are bind mounted: by the kernel's list of the mounts in any mount namespace, or by mountinfo.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;

use nix::errno::Errno;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat2};
use nix::sys::stat::Mode;

use super::Task;
use super::mounts::statmount::{Answer, MNT_BASIC, MNT_POINT, MNT_ROOT, SB_BASIC, each_below, on, uppermost};
use super::mounts::{self, Mount};
use crate::error::{Error, Result, is_our_own};
use crate::kind::{Kind, NsId, parse_link};
use crate::sys;

/// A bind mount of a namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bind {
    /// The kind of the namespace.
    pub kind: Kind,
    /// Its inode number.
    pub ino: u64,
    /// The mount, as mountinfo numbers it.
    pub mount: u64,
    /// The mount point. Any bytes; empty where the kernel does not tell it.
    pub point: Vec<u8>,
    /// Does this path lead elsewhere, as something else is mounted over it? Only a process sees that.
    pub covered: bool,
}

/// The file system of namespaces. Source: NSFS_MAGIC of linux/magic.h.
const NSFS: u64 = 0x6e73_6673;

/// The bind mounts in the mount namespace with this number (NS_GET_ID), in the order of mountinfo. Mount points are
/// below the root of the namespace; in our own, which has to be said, below our root, and others are left out.
/// An error where the kernel does not tell. Source: listmount(2), statmount(2), Linux 6.11.
pub fn within(number: u64, ours: bool) -> Result<Vec<Bind>> {
    let fail = |call, e| Error::sys(call, on(number), e);
    let below = if ours { sys::LSMT_ROOT } else { uppermost(number)? };
    let mut found = Vec::new();
    let mut answer = Answer::new();
    each_below(
        number,
        below,
        |e| fail("listmount", e),
        |mount| {
            match answer.ask(number, mount, SB_BASIC) {
                Ok(()) if answer.magic() == NSFS => found.extend(bind(number, mount, &mut answer)?),
                Ok(()) | Err(Errno::ENOENT) => {}
                Err(e) => return Err(fail("statmount", e)),
            }
            Ok(())
        },
    )?;
    Ok(found)
}

/// All of one mount. None where it is gone, or its texts are too long.
fn bind(number: u64, mount: u64, answer: &mut Answer) -> Result<Option<Bind>> {
    match answer.ask(number, mount, MNT_BASIC | MNT_ROOT | MNT_POINT) {
        Ok(()) => Ok(of_answer(answer)),
        Err(e) if is_our_own(e) => Err(Error::sys("statmount", format!("mount {mount}"), e)),
        Err(_) => Ok(None),
    }
}

fn of_answer(answer: &Answer) -> Option<Bind> {
    let root = answer.root();
    let (name, ino) = parse_link(&root)?;
    Some(Bind {
        kind: Kind::from_name(name)?,
        ino,
        mount: answer.id(),
        point: answer.point(),
        covered: false,
    })
}

/// The bind mounts that a process sees, in its mountinfo's order and below its root.
pub fn seen_by(task: &Task) -> Result<Vec<Bind>> {
    let text = task.read(c"mountinfo")?;
    // Most have none.
    let words = b" - nsfs ";
    match text.windows(words.len()).any(|part| part == words) {
        true => Ok(of_mounts(&mounts::parse(&text).0)),
        false => Ok(Vec::new()),
    }
}

fn of_mounts<'a>(mounts: &'a [Mount]) -> Vec<Bind> {
    let by_id: BTreeMap<u64, &Mount> = mounts.iter().map(|mount| (mount.id, mount)).collect();
    let upon: BTreeMap<(u64, &[u8]), &Mount> =
        mounts.iter().map(|mount| ((mount.parent, &mount.point[..]), mount)).collect();
    let over = |mount: &&'a Mount| {
        upon.get(&(mount.id, &mount.point[..])).copied().filter(|over| over.id != mount.id)
    };
    let bind = |mount: &'a Mount| {
        let (name, ino) = parse_link(&mount.root).filter(|_| mount.fs_type == b"nsfs")?;
        // Circles, which only a wrong text has, end.
        let mut stack = std::iter::successors(Some(mount), over).take(mounts.len());
        // The same once more hides nothing.
        let covered = stack.any(|over| (&over.root, over.dev) != (&mount.root, mount.dev)) || {
            let above =
                |mount: &&Mount| by_id.get(&mount.parent).copied().filter(|above| above.id != mount.id);
            let mut chain = std::iter::successors(Some(mount), above).take(mounts.len());
            chain.any(|mount| match &mount.point[..] {
                // What is mounted over a root directory is not gone into from there.
                b"/" => by_id.contains_key(&mount.parent),
                point => directories(point).any(|dir| upon.contains_key(&(mount.parent, dir))),
            })
        };
        let point = mount.point.clone();
        Some(Bind { kind: Kind::from_name(name)?, ino, mount: mount.id, point, covered })
    };
    mounts.iter().filter_map(bind).collect()
}

/// The directories on the way to a path, without the root directory.
fn directories(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    let ends = path.iter().enumerate().skip(1).filter(|(_, b)| **b == b'/');
    ends.map(|(end, _)| &path[..end])
}

/// File systems of this machine alone. At the root of others a look alone can have to wait for somebody's server.
const LOCAL: &[&[u8]] = &[
    b"ext2",
    b"ext3",
    b"ext4",
    b"xfs",
    b"btrfs",
    b"bcachefs",
    b"f2fs",
    b"zfs",
    b"squashfs",
    b"erofs",
    b"tmpfs",
    b"ramfs",
    b"rootfs",
];

/// What is made of directories of others.
const LAYERED: &[u8] = b"overlay";

/// What those others must not be: at their roots the kernel asks a server.
const FAR: &[&[u8]] =
    &[b"nfs", b"nfs4", b"cifs", b"smb3", b"9p", b"afs", b"ceph", b"coda", b"orangefs", b"lustre", b"gpfs"];

/// A root directory, below which mount points are opened.
#[derive(Debug)]
pub struct Root(OwnedFd);

impl Root {
    /// Our own.
    pub fn ours() -> Result<Root> {
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let dir = nix::fcntl::open("/", flags, Mode::empty()).map_err(|e| Error::sys("open", "/", e))?;
        Ok(Root(dir))
    }

    /// That of a process. None where nothing shows that it is on a file system of this machine. `ours` is our own
    /// process: what is layered can be mounted in our mount namespace.
    pub fn of(task: &Task, ours: &Task) -> Result<Option<Root>> {
        let mounts = mounts::of(task)?;
        if !is_near(&mounts, || mounts::of(ours))? {
            return Ok(None);
        }
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY;
        Ok(Some(Root(task.open(c"root", flags, "root directory")?)))
    }

    /// Opens the namespace that is mounted there: that one, or nothing. Only names that the kernel remembers are
    /// followed, so no file system is asked. Source: openat2(2), RESOLVE_CACHED, Linux 5.12.
    pub fn open(&self, point: &[u8], id: NsId) -> Result<OwnedFd> {
        // Newer than nix.
        const RESOLVE_CACHED: u64 = 0x20;
        let resolve = ResolveFlag::from_bits_retain(RESOLVE_CACHED)
            | ResolveFlag::RESOLVE_IN_ROOT
            | ResolveFlag::RESOLVE_NO_SYMLINKS
            | ResolveFlag::RESOLVE_NO_MAGICLINKS;
        let how = OpenHow::new().flags(OFlag::O_PATH | OFlag::O_CLOEXEC).resolve(resolve);
        let held = openat2(&self.0, point, how).map_err(|e| Error::sys("open", point, e))?;
        let found = sys::stat_quietly(&held).map_err(|e| Error::sys("stat", point, e))?;
        if found != (id.dev, id.ino) {
            return Err(Error::sys("stat", point, Errno::ESTALE));
        }
        super::descriptors::again(&held).map_err(|e| Error::sys("open", point, e))
    }
}

/// Is the root directory of who sees these mounts on a file system of this machine? Others can be mounted over it, which
/// it is not left for, so all that are mounted there have to be.
fn is_near(mounts: &[Mount], ours: impl FnOnce() -> Result<Vec<Mount>>) -> Result<bool> {
    let roots: Vec<&Mount> = mounts.iter().filter(|mount| mount.point == b"/").collect();
    let is_one = |of: &[&[u8]], mount: &Mount| of.contains(&&mount.fs_type[..]);
    let layered = roots.iter().any(|root| root.fs_type == LAYERED);
    let far = layered && ours()?.iter().any(|mount| is_one(FAR, mount));
    let is_near = |root: &&Mount| is_one(LOCAL, root) || root.fs_type == LAYERED && !far;
    Ok(!roots.is_empty() && roots.iter().all(is_near))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mount_is_covered_if_its_path_leads_elsewhere() {
        let net = |id: u64, parent: u64, ino: u64, point: &str| {
            format!("{id} {parent} 0:4 net:[{ino}] {point} rw - nsfs nsfs rw\n")
        };
        let dir =
            |id: u64, parent: u64, point: &str| format!("{id} {parent} 0:9 / {point} rw - tmpfs t rw\n");
        let root = dir(1, 0, "/");
        let cases = [
            (vec![net(2, 1, 7, "/x"), net(3, 1, 8, "/xy")], vec![]),
            // One above the other, the same above itself, and both.
            (vec![net(2, 1, 7, "/x"), net(3, 2, 8, "/x")], vec![2]),
            (vec![net(2, 1, 7, "/x"), net(3, 2, 7, "/x")], vec![]),
            (vec![net(2, 1, 7, "/x"), net(3, 2, 8, "/x"), net(4, 3, 7, "/x")], vec![2, 3]),
            // Below a directory that something is mounted over, at once or further up.
            (vec![net(2, 1, 7, "/d/x"), dir(3, 1, "/d"), net(4, 3, 8, "/d/x")], vec![2]),
            (vec![dir(2, 1, "/d/e"), net(3, 2, 7, "/d/e/x"), dir(4, 1, "/d")], vec![3]),
            (vec![dir(2, 1, "/d"), net(3, 2, 7, "/d/x"), dir(4, 2, "/d")], vec![3]),
            (vec![dir(2, 1, "/d"), dir(3, 2, "/d"), net(4, 3, 7, "/d/x")], vec![]),
            // Nobody goes from the root directory into what is mounted over it.
            (vec![net(2, 1, 7, "/x"), dir(3, 1, "/"), net(4, 3, 8, "/x")], vec![4]),
            // Circles.
            (vec![net(2, 3, 7, "/x"), net(3, 2, 7, "/x"), net(5, 5, 7, "/y")], vec![]),
        ];
        for (lines, expected) in cases {
            let text = [&[root.clone()][..], &lines].concat().concat();
            let binds = of_mounts(&mounts::parse(text.as_bytes()).0);
            let covered: Vec<u64> = binds.iter().filter(|bind| bind.covered).map(|bind| bind.mount).collect();
            assert_eq!(covered, expected, "{text}");
        }
    }

    #[test]
    fn a_root_is_near_if_all_that_is_mounted_there_is() {
        let near = |types: &[&str], ours: &str| {
            let line = |kind: &&str| format!("7 1 0:5 / / rw - {kind} none rw\n");
            let mounts =
                |types: &[&str]| mounts::parse(types.iter().map(line).collect::<String>().as_bytes()).0;
            is_near(&mounts(types), || Ok(mounts(&[ours]))).expect("nothing is read")
        };
        assert!(near(&["ext4"], "nfs") && near(&["ext4", "tmpfs"], "nfs") && near(&["overlay"], "ext4"));
        for types in
            [&[][..], &["nfs"], &["fuse.x"], &["ext4", "nfs"], &["nfs", "tmpfs"], &["overlay", "tmpfs"]]
        {
            assert!(!near(types, "nfs"), "{types:?}");
        }
    }
}
