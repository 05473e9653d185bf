//! The mounts that a process sees: `/proc/PID/mountinfo` over bytes.

pub mod behind;
pub mod layers;
pub mod listed;
pub mod peers;
pub(super) mod statmount;
mod table;
pub mod tree;

use super::Task;
use crate::error::Result;

pub use table::Table;

/// One mount, with bytes of its own or of a [`Table`]. Source: proc_pid_mountinfo(5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mount<B = Vec<u8>> {
    /// Its number, which another mount may get after it is gone.
    pub id: u64,
    /// The number of the mount it is mounted on; it need not be in the list: what lies above the process's
    /// root is left out.
    pub parent: u64,
    /// Major and minor device number of the file system, as stat(2) gives it for its files.
    pub dev: (u32, u32),
    /// The directory or file of the file system that is the root of this mount; `//deleted` stands at its end
    /// where it was removed.
    pub root: B,
    /// The mount point, below the process's root. A process in a chroot that is no mount has no `/`.
    pub point: B,
    /// Options of this mount, with commas between, as the kernel writes them: see [`words`].
    pub options: B,
    /// The peer group in which it shares mount events; none where it is not shared.
    pub peer_group: Option<u64>,
    /// The peer group from which it receives mount events; none where it is no slave.
    pub master: Option<u64>,
    /// Can it not be bind mounted?
    pub unbindable: bool,
    /// The type of the file system, with its subtype: `fuse.sshfs`.
    pub fs_type: B,
    /// What is mounted: a device, or any word; may be empty.
    pub source: B,
    /// Options of the file system, as [`Mount::options`].
    pub super_options: B,
}

impl Mount<&[u8]> {
    /// The same with bytes of its own.
    pub fn owned(&self) -> Mount {
        Mount {
            id: self.id,
            parent: self.parent,
            dev: self.dev,
            root: self.root.to_vec(),
            point: self.point.to_vec(),
            options: self.options.to_vec(),
            peer_group: self.peer_group,
            master: self.master,
            unbindable: self.unbindable,
            fs_type: self.fs_type.to_vec(),
            source: self.source.to_vec(),
            super_options: self.super_options.to_vec(),
        }
    }
}

impl<B> Mount<B> {
    /// What its propagation is, in words: `private`, `shared (peer group 3)`, `slave (of 2)`, the last two
    /// together, or `unbindable`. Source: mount_namespaces(7).
    pub fn propagation(&self) -> String {
        let words: Vec<_> = [
            self.peer_group.map(|group| format!("shared (peer group {group})")),
            self.master.map(|group| format!("slave (of {group})")),
            self.unbindable.then(|| "unbindable".into()),
        ]
        .into_iter()
        .flatten()
        .collect();
        if words.is_empty() { "private".into() } else { words.join(", ") }
    }
}

/// The mounts that this process sees, in the kernel's order. Lines that cannot be read are left out.
pub fn of(task: &Task) -> Result<Vec<Mount>> {
    Ok(parse(&task.read(c"mountinfo")?).0)
}

/// Reads a mountinfo file: the mounts, and how many lines were skipped since they make no sense.
pub fn parse(text: &[u8]) -> (Vec<Mount>, usize) {
    let table = Table::parse(text.to_vec());
    (table.iter().map(|mount| mount.owned()).collect(), table.skipped)
}

/// Options one by one. A comma that belongs to a value is escaped, so they are split before the escapes are
/// undone.
pub fn words(options: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    options.split(|&b| b == b',').filter(|word| !word.is_empty()).map(unescape)
}

/// Undoes the kernel's escapes.
fn unescape(field: &[u8]) -> Vec<u8> {
    let mut plain = field.to_vec();
    let length = table::unescape(&mut plain);
    plain.truncate(length);
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(id: u64, parent: u64, point: &[u8]) -> Mount {
        Mount {
            id,
            parent,
            dev: (0, 5),
            root: b"/".to_vec(),
            point: point.to_vec(),
            options: b"rw".to_vec(),
            peer_group: None,
            master: None,
            unbindable: false,
            fs_type: b"tmpfs".to_vec(),
            source: b"none".to_vec(),
            super_options: b"rw".to_vec(),
        }
    }

    #[test]
    fn a_line_is_a_mount_or_is_skipped() {
        let base = || plain(7, 1, b"/x");
        let cases: [(&[u8], Option<Mount>); 17] = [
            (b"7 1 0:5 / /x rw - tmpfs none rw", Some(base())),
            (b"7 1 0:5 / /x rw shared:3 - tmpfs none rw", Some(Mount { peer_group: Some(3), ..base() })),
            (
                b"7 1 0:5 / /x rw shared:3 master:2 propagate_from:9 - tmpfs none rw",
                Some(Mount { peer_group: Some(3), master: Some(2), ..base() }),
            ),
            (b"7 1 0:5 / /x rw unbindable - tmpfs none rw", Some(Mount { unbindable: true, ..base() })),
            // Field names that came later.
            (b"7 1 0:5 / /x rw novel:1 odd - tmpfs none rw", Some(base())),
            (
                b"7 1 8:17 /a\\040b//deleted /x\\011\\012\\134\\043\\\\040 rw - fuse.a\\040b a\\040b rw",
                Some(Mount {
                    dev: (8, 17),
                    root: b"/a b//deleted".to_vec(),
                    point: b"/x\t\n\\#\\ ".to_vec(),
                    fs_type: b"fuse.a b".to_vec(),
                    source: b"a b".to_vec(),
                    ..base()
                }),
            ),
            (
                b"7 1 0:5 / /\xff\x1b rw - tmpfs none rw",
                Some(Mount { point: b"/\xff\x1b".to_vec(), ..base() }),
            ),
            (
                b"7 1 0:5 / /- rw - tmpfs - rw",
                Some(Mount { point: b"/-".to_vec(), source: b"-".to_vec(), ..base() }),
            ),
            (b"7 1 0:5 / /x rw - tmpfs  rw", Some(Mount { source: b"".to_vec(), ..base() })),
            (
                b"7 1 0:5 / /x rw - tmpfs none rw,a=b\\054c d",
                Some(Mount { super_options: b"rw,a=b\\054c d".to_vec(), ..base() }),
            ),
            (b"7 1 0:5 / /x rw shared:x - tmpfs none rw", None),
            (b"7 1 05 / /x rw - tmpfs none rw", None),
            (b"+7 1 0:5 / /x rw - tmpfs none rw", None),
            (b"7 1 0:5 / /x rw tmpfs none rw", None),
            (b"7 1 0:5 / /x rw - tmpfs none", None),
            (b"7 1 0:5 / /x rw", None),
            (b"7", None),
        ];
        for (line, expected) in cases {
            let skipped = usize::from(expected.is_none());
            let found = (expected.into_iter().collect(), skipped);
            assert_eq!(parse(line), found, "{}", String::from_utf8_lossy(line));
        }
    }

    #[test]
    fn a_broken_line_takes_no_other_with_it() {
        let text = b"7 1 0:5 / /x rw - tmpfs none rw\nodd\n\n8 7 0:5 / /x/y rw - tmpfs none rw\n";
        assert_eq!(parse(text), (vec![plain(7, 1, b"/x"), plain(8, 7, b"/x/y")], 1));
        assert_eq!(parse(b""), (vec![], 0));
    }

    #[test]
    fn options_are_split_before_their_escapes_are_undone() {
        let split: Vec<_> = words(b"rw,name=a\\054cpu,,size=1k").collect();
        assert_eq!(split, [&b"rw"[..], b"name=a,cpu", b"size=1k"]);
    }

    #[test]
    fn escapes_are_three_octal_digits() {
        let cases: [(&[u8], &[u8]); 6] = [
            (b"\\040", b" "),
            (b"\\377", b"\xff"),
            (b"\\400", b"\\400"),
            (b"\\04", b"\\04"),
            (b"\\089", b"\\089"),
            (b"\\", b"\\"),
        ];
        for (escaped, plain) in cases {
            assert_eq!(unescape(escaped), plain);
        }
    }
}
