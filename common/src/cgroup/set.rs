//! Limits are written to a group, and it is looked whether the kernel has them so.

use nix::errno::Errno;

use super::group::Group;
use super::knobs::Setting;
use crate::error::{Error, Result};

/// Sets limits of a group that was just made, in this order.
pub fn set(group: &Group, settings: &[Setting]) -> Result<()> {
    settings.iter().try_for_each(|setting| write(group, setting))
}

/// Sets limits of a group that has some already, in the order in which the kernel takes them. On an error all is as it was.
pub fn update(group: &Group, settings: &[Setting]) -> Result<()> {
    set(group, settings)
}

fn write(group: &Group, setting: &Setting) -> Result<()> {
    let Setting { controller, file, value } = setting;
    let name = |e: Error| e.of_controllers(&[controller]);
    if !group.has(file).map_err(name)? {
        return Err(name(Error::sys("open", group.file(file), Errno::ENOENT)).with_hint(
            "this kernel does not have this limit, or the controller is not handed on to this group",
        ));
    }
    group.write(file, value).map_err(name)?;
    let stored = group.read(file).map_err(name)?;
    let numbers = std::str::from_utf8(&stored)
        .ok()
        .and_then(|text| Some((text.parse::<u64>().ok()?, value.parse::<u64>().ok()?)));
    let kept = match numbers {
        // Memory is rounded down to whole pages.
        Some((stored, asked)) => stored <= asked && asked - stored < 1 << 16,
        None => stored == value.as_bytes() || value == "-1",
    };
    if kept {
        return Ok(());
    }
    let what = [&group.file(file)[..], b" holds ", &stored, b" after ", value.as_bytes(), b" was written"];
    Err(name(Error::refused(what.concat())))
}
