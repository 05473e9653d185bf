//! Mounts that are made, or copied, before they are mounted anywhere: no path leads to them that another could change.

use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::mount::{MsFlags, mount};

use super::inside::Inside;
use crate::error::{Error, Result};
use crate::proc::mounts::{self, Mount};
use crate::proc::{Proc, place};
use crate::sys::{self, mount as call};
use crate::text::{Charset, show};

/// A mount and what is mounted below it.
pub(super) struct Tree(OwnedFd);

impl AsFd for Tree {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl Tree {
    /// A copy of what is mounted at this file or directory and below. All of it, since in a user namespace what is below
    /// may not be left out (mount_namespaces(7), "Restrictions").
    pub(super) fn copy(of: impl AsFd, name: &[u8]) -> Result<Tree> {
        call::open_tree(of, true).map(Tree).map_err(|e| uncopied(name, e, "it is unbindable"))
    }

    /// The same without what is mounted below.
    pub(super) fn copy_alone(of: impl AsFd, name: &[u8]) -> Result<Tree> {
        let why = "it is unbindable, or what is mounted below came from another user namespace, and then hides what is \
                   under it";
        call::open_tree(of, false).map(Tree).map_err(|e| uncopied(name, e, why))
    }

    /// A new file system of this type, with these options, all that have no value last. `on` is how an error names it.
    pub(super) fn new(
        fs_type: &CStr,
        options: &[(&CStr, &CStr)],
        flags: &[&CStr],
        attributes: u64,
        on: &[u8],
    ) -> Result<Tree> {
        let fail = |e| Error::sys("mount", [fs_type.to_bytes(), b" on ", on].concat(), e);
        let fs = call::fsopen(fs_type).map_err(fail)?;
        let made = || {
            options.iter().try_for_each(|(key, value)| call::fs_string(&fs, key, value))?;
            flags.iter().try_for_each(|key| call::fs_flag(&fs, key))?;
            call::fs_create(&fs)?;
            call::fsmount(&fs, attributes)
        };
        made().map(Tree).map_err(|e| advise(fail(e), &told(&fs)))
    }

    /// Mounts it on what a descriptor leads to.
    pub(super) fn attach(&self, onto: impl AsFd, name: &[u8]) -> Result<()> {
        call::move_mount(self, onto).map_err(|e| Error::sys("move_mount", name, e))
    }

    /// Mounts it, so that nothing can be written in it.
    pub(super) fn attach_read_only(&self, onto: impl AsFd, name: &[u8]) -> Result<()> {
        match call::set_attributes(self, call::RDONLY) {
            Ok(()) => self.attach(onto, name),
            // Before Linux 5.12.
            Err(Errno::ENOSYS) => {
                self.attach(onto, name)?;
                self.remount_read_only(name)
            }
            Err(e) => Err(Error::sys("mount_setattr", name, e)),
        }
    }

    /// Makes it read-only when it is mounted, and nothing of what is mounted below.
    pub(super) fn seal(&self, name: &[u8]) -> Result<()> {
        let flags = MsFlags::MS_REMOUNT | MsFlags::MS_BIND | MsFlags::MS_RDONLY;
        let none: Option<&CStr> = None;
        mount(none, &place::of_descriptor(self), none, flags | MsFlags::MS_NOSUID | MsFlags::MS_NODEV, none)
            .map_err(|e| Error::sys("remount", name, e))
    }

    /// Makes each mount of it read-only, as older kernels can: one by one, when they are mounted.
    fn remount_read_only(&self, name: &[u8]) -> Result<()> {
        let all = mounts::of(&Proc::system()?.this()?)?;
        let id = sys::mount_id_of(self).map_err(|e| Error::sys("statx", name, e))?;
        let Some(root) = all.iter().find(|mount| mount.id == id) else {
            return Err(Error::sys("remount", name, Errno::ENOENT));
        };
        for mount in below(&all, root) {
            let rest = mount.point.strip_prefix(&root.point[..]).unwrap_or_default();
            let held;
            let at = if rest.is_empty() {
                self.as_fd()
            } else {
                held = Inside::at(self).open(rest).map_err(|e| Error::sys("open", &mount.point, e))?;
                held.as_fd()
            };
            // What another is mounted over cannot be reached, by the program neither.
            let found = sys::mount_id_of(at).map_err(|e| Error::sys("statx", &mount.point, e))?;
            if found == mount.id {
                remount_read_only(at, mount).map_err(|e| Error::sys("remount", &mount.point, e))?;
            }
        }
        Ok(())
    }
}

/// Why a mount cannot be copied, where the kernel finds it unfit. Source: mount_namespaces(7).
fn uncopied(name: &[u8], errno: Errno, unfit: &str) -> Error {
    let error = Error::sys("open_tree", name, errno);
    if errno == Errno::EINVAL { error.with_hint(unfit) } else { error }
}

/// A mount and all below it.
fn below<'a>(all: &'a [Mount], root: &'a Mount) -> Vec<&'a Mount> {
    let mut found = vec![root];
    let mut next = 0;
    while let Some(&parent) = found.get(next) {
        found.extend(all.iter().filter(|mount| mount.parent == parent.id && mount.id != parent.id));
        next += 1;
    }
    found
}

/// The other attributes stay: those that a user namespace may not change must be said again.
/// Source: mount(2), MS_REMOUNT with MS_BIND.
fn remount_read_only(at: BorrowedFd<'_>, is: &Mount) -> std::result::Result<(), Errno> {
    let flags = MsFlags::MS_REMOUNT | MsFlags::MS_BIND | MsFlags::MS_RDONLY | kept(is);
    let none: Option<&CStr> = None;
    mount(none, &place::of_descriptor(at), none, flags, none)
}

/// The attributes of a mount, as mount(2) is given them.
fn kept(is: &Mount) -> MsFlags {
    let mut flags = MsFlags::empty();
    let mut times = MsFlags::MS_STRICTATIME;
    for word in mounts::words(&is.options) {
        match &word[..] {
            b"nosuid" => flags |= MsFlags::MS_NOSUID,
            b"nodev" => flags |= MsFlags::MS_NODEV,
            b"noexec" => flags |= MsFlags::MS_NOEXEC,
            b"nosymfollow" => flags |= MsFlags::from_bits_retain(256),
            b"nodiratime" => flags |= MsFlags::MS_NODIRATIME,
            b"noatime" => times = MsFlags::MS_NOATIME,
            b"relatime" => times = MsFlags::MS_RELATIME,
            _ => {}
        }
    }
    flags | times
}

/// What the kernel has to say about a file system that it would not make. Source: fsopen(2).
fn told(fs: &OwnedFd) -> Vec<u8> {
    let mut lines = Vec::new();
    let mut buffer = [0; 4096];
    // One message each time; ENODATA when there are no more. A bound, in case that a kernel does not end.
    for _ in 0..16 {
        let Ok(length) = nix::unistd::read(fs, &mut buffer) else { break };
        let message = buffer[..length].trim_ascii();
        // `e` is an error, `w` a warning, `i` information.
        lines.push(message.strip_prefix(b"e ").or(message.strip_prefix(b"w ")).unwrap_or(message).to_vec());
    }
    lines.join(&b"; "[..])
}

/// The error with what the kernel told, before what we know.
fn advise(error: Error, told: &[u8]) -> Error {
    if told.is_empty() {
        return error;
    }
    let told = format!("the kernel says: {}", show(told, Charset::from_env()));
    let hint = error.hint().map_or(told.clone(), |hint| format!("{told}; {hint}"));
    error.with_hint(hint)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_a_mount_was_given_it_keeps() {
        let cases: &[(&str, MsFlags)] = &[
            ("rw", MsFlags::MS_STRICTATIME),
            ("ro,relatime", MsFlags::MS_RELATIME),
            ("rw,nosuid,nodev,noexec,noatime", {
                MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC | MsFlags::MS_NOATIME
            }),
            ("rw,nodiratime,relatime,odd", MsFlags::MS_NODIRATIME | MsFlags::MS_RELATIME),
        ];
        for (options, flags) in cases {
            let line = format!("7 1 0:5 / /x {options} - tmpfs none rw");
            assert_eq!(kept(&mounts::parse(line.as_bytes()).0[0]), *flags, "{options}");
        }
    }

    #[test]
    fn all_that_is_mounted_below_is_found_however_deep() {
        let text = b"5 4 0:5 / /x/y/z rw - t n rw\n4 3 0:5 / /x/y rw - t n rw\n3 1 0:5 / /x rw - t n rw\n9 1 0:5 / /w rw - t n rw\n";
        let all = mounts::parse(text).0;
        let ids: Vec<_> = below(&all, &all[2]).iter().map(|mount| mount.id).collect();
        assert_eq!(ids, [3, 4, 5]);
    }

    #[test]
    fn the_words_of_the_kernel_come_first_and_are_shown_safely() {
        let error = || Error::sys("mount", "proc on /proc", Errno::EPERM);
        let hint = advise(error(), b"proc: no \x1b[1m").hint().unwrap().to_string();
        assert!(hint.starts_with("the kernel says: proc: no \\x1b[1m; in a user namespace"), "{hint}");
        assert_eq!(advise(error(), b"").hint(), error().hint());
    }
}
