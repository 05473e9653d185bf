//! The namespaces that are bind mounted: by the kernel's list of the mounts in any mount namespace, or by mountinfo.

use std::os::fd::OwnedFd;

use nix::errno::Errno;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat2};
use nix::sys::stat::Mode;

use super::Task;
use super::mounts::{self, Mount};
use crate::error::{Error, Result};
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
}

/// The file system of namespaces. Source: NSFS_MAGIC of linux/magic.h.
const NSFS: u64 = 0x6e73_6673;

/// What is asked of a mount: STATMOUNT_SB_BASIC, STATMOUNT_MNT_BASIC, and of those of namespaces _MNT_ROOT and
/// _MNT_POINT too. Source: linux/mount.h.
const SUPER: u64 = 0x1;
const BASIC: u64 = 0x2;
const MNT_ROOT: u64 = 0x8;
const MNT_POINT: u64 = 0x10;
const ALL: u64 = BASIC | MNT_ROOT | MNT_POINT;

/// Where they stand in struct statmount: in words of 8 bytes, the last two in bytes. Source: linux/mount.h.
const MASK: usize = 1;
const MAGIC: usize = 3;
const PARENT: usize = 6;
const OLD_ID: usize = 7;
const ROOT: usize = 104;
const POINT: usize = 108;
const TEXTS: usize = 512;

/// The texts of a mount may be so long. Those that are longer are left out.
const LONGEST: usize = 1 << 20;

/// The bind mounts in the mount namespace with this number (NS_GET_ID), in the order of mountinfo. Mount points are
/// below the root of the namespace; in our own, which has to be said, below our root, and others are left out.
/// An error where the kernel does not tell. Source: listmount(2), statmount(2), Linux 6.11.
pub fn within(number: u64, ours: bool) -> Result<Vec<Bind>> {
    let fail = |call, e| Error::sys(call, on(number), e);
    let below = if ours { sys::LSMT_ROOT } else { uppermost(number)? };
    let mut found = Vec::new();
    let mut mounts = [0; 512];
    let mut answer = vec![0; TEXTS / 8];
    let mut last = 0;
    loop {
        let count = sys::list_mounts(number, below, last, &mut mounts).map_err(|e| fail("listmount", e))?;
        for &mount in &mounts[..count] {
            match sys::stat_mount(number, mount, SUPER, &mut answer) {
                Ok(()) if answer[MAGIC] == NSFS => found.extend(bind(number, mount, &mut answer)?),
                Ok(()) | Err(Errno::ENOENT) => {}
                Err(e) => return Err(fail("statmount", e)),
            }
        }
        match mounts[..count].last() {
            Some(mount) if count == mounts.len() => last = *mount,
            _ => return Ok(found),
        }
    }
}

/// The mount that all others are below. What the kernel takes for the root, Linux 6.12 at least, is any one of those
/// that stand on the first mount, as there are several where a machine has left its first file system by chroot(2).
fn uppermost(number: u64) -> Result<u64> {
    let mut one = [0];
    let count = sys::list_mounts(number, sys::LSMT_ROOT, 0, &mut one)
        .map_err(|e| Error::sys("listmount", on(number), e))?;
    let mut answer = vec![0; TEXTS / 8];
    let mut at = if count == 0 { sys::LSMT_ROOT } else { one[0] };
    let mut top = sys::LSMT_ROOT;
    // The first is its own parent. One that cannot be asked is outside.
    while at != top && sys::stat_mount(number, at, BASIC, &mut answer).is_ok() {
        top = at;
        at = answer[PARENT];
    }
    Ok(top)
}

fn on(number: u64) -> String {
    format!("{} namespace #{number}", Kind::Mnt)
}

/// All of one mount. None where it is gone.
fn bind(number: u64, mount: u64, answer: &mut Vec<u64>) -> Result<Option<Bind>> {
    // Mostly they are short.
    answer.resize(answer.len().max((TEXTS + 1024) / 8), 0);
    loop {
        match sys::stat_mount(number, mount, ALL, answer) {
            Ok(()) => return Ok(parse(answer)),
            Err(Errno::EOVERFLOW) if answer.len() * 8 < LONGEST => answer.resize(answer.len() * 4, 0),
            Err(e) if Error::sys("statmount", "", e).is_our_own() => {
                return Err(Error::sys("statmount", format!("mount {mount}"), e));
            }
            Err(_) => return Ok(None),
        }
    }
}

/// Reads struct statmount.
fn parse(answer: &[u64]) -> Option<Bind> {
    let bytes: Vec<u8> = answer.iter().flat_map(|word| word.to_ne_bytes()).collect();
    let number = |at: usize| Some(u32::from_ne_bytes(*bytes.get(at..)?.first_chunk()?));
    let text = |at: usize| {
        let from = bytes.get(TEXTS + number(at)? as usize..)?;
        Some(&from[..from.iter().position(|&b| b == 0)?])
    };
    let told = *answer.get(MASK)?;
    let (name, ino) = parse_link(text(ROOT).filter(|_| told & MNT_ROOT != 0)?)?;
    let point = text(POINT).filter(|_| told & MNT_POINT != 0).unwrap_or_default().to_vec();
    Some(Bind { kind: Kind::from_name(name)?, ino, mount: number(OLD_ID * 8)?.into(), point })
}

/// The bind mounts that a process sees, in its mountinfo's order and below its root.
pub fn seen_by(task: &Task) -> Result<Vec<Bind>> {
    let text = task.read(c"mountinfo")?;
    // Few of many: the others need not be taken apart.
    let words = b" - nsfs ";
    let lines =
        text.split(|&b| b == b'\n').filter(|line| line.windows(words.len()).any(|part| part == words));
    Ok(lines.flat_map(|line| mounts::parse(line).0).filter_map(of_mount).collect())
}

fn of_mount(mount: Mount) -> Option<Bind> {
    let (name, ino) = parse_link(&mount.root).filter(|_| mount.fs_type == b"nsfs")?;
    Some(Bind { kind: Kind::from_name(name)?, ino, mount: mount.id, point: mount.point })
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
        // The uppermost of those that are mounted there.
        let Some(root) = mounts.iter().rfind(|mount| mount.point == b"/") else { return Ok(None) };
        let is_one = |of: &[&[u8]], mount: &Mount| of.contains(&&mount.fs_type[..]);
        let layered =
            || Ok(root.fs_type == LAYERED && !mounts::of(ours)?.iter().any(|mount| is_one(FAR, mount)));
        if !is_one(LOCAL, root) && !layered()? {
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
