//! Mounts as the kernel lists them, also those of a mount namespace that no process is in: listmount(2), statmount(2).

use std::collections::BTreeMap;

use nix::errno::Errno;

use super::statmount::{MNT_BASIC, MNT_POINT, MNT_ROOT, SB_BASIC, each_below, on, uppermost};
use super::{Mount, Table};
use crate::error::{Error, Result};
use crate::proc::idmap::IdMap;
use crate::sys;

pub use super::statmount::Answer;

// More of STATMOUNT_*. Source: linux/mount.h.
const FS_TYPE: u64 = 0x20;
const MNT_OPTS: u64 = 0x80;
const FS_SUBTYPE: u64 = 0x100;
const SB_SOURCE: u64 = 0x200;
const MNT_UIDMAP: u64 = 0x2000;
const MNT_GIDMAP: u64 = 0x4000;

impl Answer {
    /// A map of ids: its number of lines stands before its place.
    fn map(&self, mask: u64, at: usize) -> Option<IdMap> {
        let lines = self.tells(mask).then(|| self.texts(at + 4, self.short(at) as usize))?;
        IdMap::parse(&lines.join(&b'\n'))
    }

    /// How the mount changes ids; none where that is not told. Since Linux 6.15.
    pub fn maps(&self) -> Option<Maps> {
        Some(Maps { users: self.map(MNT_UIDMAP, 152)?, groups: self.map(MNT_GIDMAP, 160)? })
    }

    /// As mountinfo would have it.
    pub fn mount(&self) -> Mount {
        let (attributes, group, master) = (self.long(64), self.long(80), self.long(88));
        let told = |number: u64| (number != 0).then_some(number);
        let (id, parent) = (self.short(56), self.short(60));
        let mut point = self.point();
        // What the namespace begins with is its own parent; where something is mounted over it no path is told.
        // Nor, Linux 6.12 at least, where it is not below that which the kernel takes for the root.
        if point.is_empty() {
            point.extend(if id == parent { &b"/"[..] } else { b"(unreachable)" });
        }
        let mut fs_type = self.text(FS_TYPE, 36);
        let subtype = self.text(FS_SUBTYPE, 120);
        if !subtype.is_empty() {
            fs_type.extend([&b"."[..], &subtype].concat());
        }
        Mount {
            id: id.into(),
            parent: parent.into(),
            dev: (self.short(16), self.short(20)),
            root: self.root(),
            point,
            options: options(attributes, ATTRIBUTES),
            peer_group: told(group),
            master: told(master),
            unbindable: self.long(72) & libc::MS_UNBINDABLE != 0,
            fs_type,
            source: self.text(SB_SOURCE, 124),
            super_options: {
                let own = self.text(MNT_OPTS, 4);
                let flags = options(self.short(32).into(), FLAGS);
                if own.is_empty() { flags } else { [&flags, &b","[..], &own].concat() }
            },
        }
    }
}

/// Words for bits: which have to be set of which, and what it means. The first of a file that can be written is `rw`.
type Words = &'static [(u64, u64, &'static str)];

/// MOUNT_ATTR_*, in the order of mountinfo. Source: linux/mount.h.
#[rustfmt::skip]
const ATTRIBUTES: Words = &[
    (0x1,       0x0,      "rw"),
    (0x1,       0x1,      "ro"),
    (0x2,       0x2,      "nosuid"),
    (0x4,       0x4,      "nodev"),
    (0x8,       0x8,      "noexec"),
    (0x70,      0x10,     "noatime"),
    (0x80,      0x80,     "nodiratime"),
    (0x70,      0x0,      "relatime"),
    (0x20_0000, 0x20_0000, "nosymfollow"),
    (0x10_0000, 0x10_0000, "idmapped"),
];

/// SB_*, the same. Source: statmount(2).
#[rustfmt::skip]
const FLAGS: Words = &[
    (0x1,         0x0,         "rw"),
    (0x1,         0x1,         "ro"),
    (0x10,        0x10,        "sync"),
    (0x80,        0x80,        "dirsync"),
    (0x200_0000,  0x200_0000,  "lazytime"),
];

fn options(bits: u64, words: Words) -> Vec<u8> {
    let set = words.iter().filter(|(of, is, _)| bits & of == *is).map(|(_, _, word)| word.as_bytes());
    set.collect::<Vec<_>>().join(&b',')
}

/// The mounts in the mount namespace with this number (NS_GET_ID), as who enters it sees them. It is to be held open. EPERM
/// without CAP_SYS_ADMIN in the user namespace that owns it. Source: listmount(2), statmount(2), Linux 6.11.
pub fn within(number: u64) -> Result<Table> {
    let mut table = Table::empty();
    let mask = SB_BASIC | MNT_BASIC | MNT_ROOT | MNT_POINT | FS_TYPE | MNT_OPTS | FS_SUBTYPE | SB_SOURCE;
    each(number, false, mask, |answer| {
        table.without_sources |= !answer.tells(SB_SOURCE) && answer.long(8) & (FS_SUBTYPE | SB_SOURCE) == 0;
        table.push(&answer.mount());
    })?;
    table.connect();
    Ok(table)
}

/// How a mount changes ids.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Maps {
    /// User ids: as they are stored, and for which others they stand in the mount.
    pub users: IdMap,
    /// The same of group ids.
    pub groups: IdMap,
}

/// The maps of those mounts in a mount namespace that have such, by the ids of mountinfo. An error where the kernel does
/// not tell, with the right of [`within`], which our own namespace (`ours`) does not need. Source: statmount(2), Linux 6.15.
pub fn maps(number: u64, ours: bool) -> Result<BTreeMap<u64, Maps>> {
    const MOUNT_ATTR_IDMAP: u64 = 0x10_0000;
    let mut maps = BTreeMap::new();
    let mut told = true;
    each(number, ours, MNT_BASIC | MNT_UIDMAP | MNT_GIDMAP, |answer| {
        if answer.long(64) & MOUNT_ATTR_IDMAP != 0 {
            let both = answer.maps();
            told &= both.is_some();
            maps.extend(both.map(|both| (u64::from(answer.short(56)), both)));
        }
    })?;
    if told {
        Ok(maps)
    } else {
        Err(Error::refused("the kernel does not tell how ids are mapped (statmount(2), Linux 6.15)"))
    }
}

/// Asks the same of every mount in a namespace.
fn each(number: u64, ours: bool, mask: u64, mut one: impl FnMut(&Answer)) -> Result<()> {
    // Whoever asks has the namespace open, so it is there: to the one who lacks the right it is not.
    let refused = |e| if e == Errno::ENOENT { Errno::EPERM } else { e };
    let fail = |call, e| Error::sys(call, on(number), refused(e));
    let below = match ours {
        true => sys::LSMT_ROOT,
        false => uppermost(number).map_err(|e| e.errno().map_or(e, |errno| fail("listmount", errno)))?,
    };
    let mut answer = Answer::new();
    let mut ask = |mount: u64| match answer.ask(number, mount, mask) {
        Ok(()) => {
            one(&answer);
            Ok(())
        }
        Err(Errno::ENOENT) => Ok(()),
        Err(e) => Err(fail("statmount", e)),
    };
    // Those below do not include it.
    if below != sys::LSMT_ROOT {
        ask(below)?;
    }
    each_below(number, below, |e| fail("listmount", e), ask)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_are_told_in_the_words_of_mountinfo() {
        for (bits, words) in [
            (0, "rw,relatime"),
            (0x1, "ro,relatime"),
            (0xf, "ro,nosuid,nodev,noexec,relatime"),
            (0x10, "rw,noatime"),
            (0x20, "rw"),
            (0x80, "rw,nodiratime,relatime"),
            (0x30_0000, "rw,relatime,nosymfollow,idmapped"),
        ] {
            assert_eq!(options(bits, ATTRIBUTES), words.as_bytes());
        }
        assert_eq!(options(0x10 | 0x200_0000, FLAGS), b"rw,sync,lazytime");
    }
}
