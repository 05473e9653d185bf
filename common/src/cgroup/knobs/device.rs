//! The disk that a limit of block io is for.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use libc::{major, minor};
use nix::errno::Errno;
use nix::sys::stat::{SFlag, stat};

use crate::error::{Error, Result};
use crate::text::digits;

/// The whole disk, as the files of a group name it (`MAJ:MIN`): that of a device node, that on which a file or what is mounted
/// on a directory lies, or these two numbers. The kernel takes no partition. Source: sysfs(5), `/sys/dev/block`.
pub(super) fn of(name: &[u8]) -> Result<String> {
    let numbers = name
        .iter()
        .position(|&b| b == b':')
        .and_then(|colon| Some((digits::<u32>(&name[..colon])?, digits::<u32>(&name[colon + 1..])?)));
    let (major, minor) = match numbers {
        Some(numbers) => numbers,
        None => behind(name)?,
    };
    let known = format!("/sys/dev/block/{major}:{minor}");
    if !Path::new("/sys/dev/block").is_dir() {
        return Ok(format!("{major}:{minor}"));
    }
    if !Path::new(&known).exists() {
        return Err(Error::refused([b"there is no block device ", name].concat())
            .with_hint("lsblk lists them, with their numbers"));
    }
    if !Path::new(&known).join("partition").exists() {
        return Ok(format!("{major}:{minor}"));
    }
    let disk = format!("{known}/../dev");
    let text = std::fs::read(&disk).map_err(|e| Error::io("read", &disk, &e))?;
    Ok(String::from_utf8_lossy(text.trim_ascii()).into_owned())
}

fn behind(name: &[u8]) -> Result<(u32, u32)> {
    let hint = "name a disk (/dev/sda), a file or directory on it, or its numbers (8:0)";
    let found = stat(Path::new(OsStr::from_bytes(name)))
        .map_err(|e| Error::sys("stat", [b"device ", name].concat(), e).with_hint(hint))?;
    let device = match SFlag::from_bits_truncate(found.st_mode & SFlag::S_IFMT.bits()) {
        SFlag::S_IFBLK => found.st_rdev,
        SFlag::S_IFREG | SFlag::S_IFDIR => found.st_dev,
        _ => return Err(Error::sys("stat", [b"device ", name].concat(), Errno::ENOTBLK).with_hint(hint)),
    };
    // Source: Documentation/admin-guide/devices.txt, "Unnamed devices".
    if major(device) == 0 {
        let what = [name, b" is on no block device of its own"].concat();
        return Err(Error::refused(what).with_hint(
            "an overlay, a tmpfs and a file system with volumes have only a number that they made up: name the disk below",
        ));
    }
    Ok((major(device), minor(device)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_disk_is_refused() {
        let said = |name: &str| of(name.as_bytes()).expect_err(name).to_string();
        assert_eq!(said("/nonexistent"), "stat device /nonexistent: No such file or directory");
        assert_eq!(said("/dev/null"), "stat device /dev/null: Block device required");
        assert_eq!(said("/proc/self/stat"), "/proc/self/stat is on no block device of its own");
        assert_eq!(said("4095:1048575"), "there is no block device 4095:1048575");
    }
}
