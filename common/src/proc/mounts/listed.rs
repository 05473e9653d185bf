//! Mounts as the kernel lists them, also those of a mount namespace that no process is in: listmount(2), statmount(2).

use std::collections::HashMap;

use nix::errno::Errno;

use super::{Mount, Table};
use crate::error::{Error, Result};
use crate::proc::binds::{
    BASIC as MNT_BASIC, LONGEST, MNT_POINT, MNT_ROOT, SUPER as SB_BASIC, TEXTS, each_below, on, uppermost,
};
use crate::proc::idmap::IdMap;
use crate::sys;

// More of STATMOUNT_*. Source: linux/mount.h.
const FS_TYPE: u64 = 0x20;
const MNT_OPTS: u64 = 0x80;
const FS_SUBTYPE: u64 = 0x100;
const SB_SOURCE: u64 = 0x200;
const MNT_UIDMAP: u64 = 0x2000;
const MNT_GIDMAP: u64 = 0x4000;

/// What statmount(2) answered of one mount: struct statmount and its texts, in words of 8 bytes.
pub struct Answer(Vec<u64>);

impl From<Vec<u64>> for Answer {
    /// Of any words, as many as the struct has at least.
    fn from(mut words: Vec<u64>) -> Answer {
        words.resize(words.len().max(TEXTS / 8), 0);
        Answer(words)
    }
}

impl Answer {
    fn new() -> Answer {
        // Mostly the texts are short.
        Answer(vec![0; (TEXTS + 1024) / 8])
    }

    /// Asks. ENOENT where the mount is gone.
    fn ask(&mut self, number: u64, mount: u64, mask: u64) -> std::result::Result<(), Errno> {
        loop {
            match sys::stat_mount(number, mount, mask, &mut self.0) {
                Err(Errno::EOVERFLOW) if self.0.len() * 8 < LONGEST => self.0.resize(self.0.len() * 4, 0),
                done => return done,
            }
        }
    }

    /// Does it tell this?
    fn tells(&self, mask: u64) -> bool {
        self.long(8) & mask == mask
    }

    /// The number at this byte.
    fn long(&self, at: usize) -> u64 {
        self.0[at / 8]
    }

    fn short(&self, at: usize) -> u32 {
        let bytes = self.long(at).to_ne_bytes();
        let [a, b, c, d, e, f, g, h] = bytes;
        u32::from_ne_bytes(if at.is_multiple_of(8) { [a, b, c, d] } else { [e, f, g, h] })
    }

    /// Texts, each ended by a zero byte, from where the number at this byte says.
    fn texts(&self, at: usize, count: usize) -> Vec<Vec<u8>> {
        let from = TEXTS + self.short(at) as usize;
        let words = self.0.get(from / 8..).unwrap_or_default().iter();
        let mut bytes = words.flat_map(|word| word.to_ne_bytes()).skip(from % 8);
        // There are no more than bytes.
        (0..count.min(self.0.len() * 8)).map(|_| bytes.by_ref().take_while(|&b| b != 0).collect()).collect()
    }

    fn text(&self, mask: u64, at: usize) -> Vec<u8> {
        if self.tells(mask) { self.texts(at, 1).remove(0) } else { Vec::new() }
    }

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
        let mut point = self.text(MNT_POINT, 108);
        // What the namespace begins with is its own parent; where something is mounted over it no path is told.
        if point.is_empty() && id == parent {
            point.push(b'/');
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
            root: self.text(MNT_ROOT, 104),
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
pub fn maps(number: u64, ours: bool) -> Result<HashMap<u64, Maps>> {
    const MOUNT_ATTR_IDMAP: u64 = 0x10_0000;
    let mut maps = HashMap::new();
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
