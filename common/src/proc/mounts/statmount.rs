//! What listmount(2) and statmount(2) are asked, and struct statmount.

use nix::errno::Errno;

use crate::error::{Error, Result};
use crate::kind::Kind;
use crate::sys;

// What is asked of a mount: STATMOUNT_*. Source: linux/mount.h.
pub(in crate::proc) const SB_BASIC: u64 = 0x1;
pub(in crate::proc) const MNT_BASIC: u64 = 0x2;
pub(in crate::proc) const MNT_ROOT: u64 = 0x8;
pub(in crate::proc) const MNT_POINT: u64 = 0x10;

/// Where the texts begin: behind the struct.
const TEXTS: usize = 512;

/// They may be so long.
const LONGEST: usize = 1 << 20;

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
    pub(in crate::proc) fn new() -> Answer {
        // Mostly the texts are short.
        Answer(vec![0; (TEXTS + 1024) / 8])
    }

    /// Asks. ENOENT where the mount is gone.
    pub(in crate::proc) fn ask(
        &mut self,
        number: u64,
        mount: u64,
        mask: u64,
    ) -> std::result::Result<(), Errno> {
        loop {
            match sys::stat_mount(number, mount, mask, &mut self.0) {
                Err(Errno::EOVERFLOW) if self.0.len() * 8 < LONGEST => self.0.resize(self.0.len() * 4, 0),
                done => return done,
            }
        }
    }

    /// Does it tell this?
    pub(in crate::proc) fn tells(&self, mask: u64) -> bool {
        self.long(8) & mask == mask
    }

    /// The number at this byte.
    pub(in crate::proc) fn long(&self, at: usize) -> u64 {
        self.0[at / 8]
    }

    pub(in crate::proc) fn short(&self, at: usize) -> u32 {
        let bytes = self.long(at).to_ne_bytes();
        let [a, b, c, d, e, f, g, h] = bytes;
        u32::from_ne_bytes(if at.is_multiple_of(8) { [a, b, c, d] } else { [e, f, g, h] })
    }

    /// Texts, each ended by a zero byte, from where the number at this byte says.
    pub(in crate::proc) fn texts(&self, at: usize, count: usize) -> Vec<Vec<u8>> {
        let from = TEXTS + self.short(at) as usize;
        let words = self.0.get(from / 8..).unwrap_or_default().iter();
        let mut bytes = words.flat_map(|word| word.to_ne_bytes()).skip(from % 8);
        // There are no more than bytes.
        (0..count.min(self.0.len() * 8)).map(|_| bytes.by_ref().take_while(|&b| b != 0).collect()).collect()
    }

    pub(in crate::proc) fn text(&self, mask: u64, at: usize) -> Vec<u8> {
        if self.tells(mask) { self.texts(at, 1).remove(0) } else { Vec::new() }
    }

    /// The magic number of its file system, where [`SB_BASIC`] was asked. Source: statfs(2).
    pub(in crate::proc) fn magic(&self) -> u64 {
        self.long(24)
    }

    /// Its number in mountinfo, where [`MNT_BASIC`] was asked.
    pub(in crate::proc) fn id(&self) -> u64 {
        self.short(56).into()
    }

    /// What of its file system it shows; nothing where that is not told.
    pub(in crate::proc) fn root(&self) -> Vec<u8> {
        self.text(MNT_ROOT, 104)
    }

    /// Where it is; nothing where that is not told.
    pub(in crate::proc) fn point(&self) -> Vec<u8> {
        self.text(MNT_POINT, 108)
    }
}

/// Goes through the mounts below this one in a mount namespace, in the order of mountinfo, by their numbers of statmount(2).
/// `fail` is what it is an error of. Source: listmount(2).
pub(in crate::proc) fn each_below(
    number: u64,
    below: u64,
    fail: impl Fn(Errno) -> Error,
    mut one: impl FnMut(u64) -> Result<()>,
) -> Result<()> {
    let mut mounts = [0; 512];
    let mut last = 0;
    loop {
        let count = sys::list_mounts(number, below, last, &mut mounts).map_err(&fail)?;
        mounts[..count].iter().try_for_each(|&mount| one(mount))?;
        match mounts[..count].last() {
            Some(mount) if count == mounts.len() => last = *mount,
            _ => return Ok(()),
        }
    }
}

/// The mount that all others are below. What the kernel takes for the root, Linux 6.12 at least, is any one of those
/// that stand on the first mount, as there are several where a machine has left its first file system by chroot(2).
pub(in crate::proc) fn uppermost(number: u64) -> Result<u64> {
    let mut one = [0];
    let count = sys::list_mounts(number, sys::LSMT_ROOT, 0, &mut one)
        .map_err(|e| Error::sys("listmount", on(number), e))?;
    let mut answer = Answer::new();
    let mut at = if count == 0 { sys::LSMT_ROOT } else { one[0] };
    let mut top = sys::LSMT_ROOT;
    // The first is its own parent. One that cannot be asked is outside.
    while at != top && answer.ask(number, at, MNT_BASIC).is_ok() {
        top = at;
        at = answer.long(48);
    }
    Ok(top)
}

pub(in crate::proc) fn on(number: u64) -> String {
    format!("{} namespace #{number}", Kind::Mnt)
}
