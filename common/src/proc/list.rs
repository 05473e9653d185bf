//! Directories of /proc whose entries are numbers: processes, threads, descriptors.

use std::ffi::CStr;
use std::os::fd::OwnedFd;

use crate::error::{Error, Result};
use crate::sys;
use crate::text::digits;

/// A list of processes that is being read.
#[derive(Debug)]
pub struct Pids(pub(super) OwnedFd);

impl Pids {
    /// Adds more PIDs, ascending, as many as fit into this buffer of the kernel's entries. None at the end.
    pub fn more(&mut self, buffer: &mut [u8], pids: &mut Vec<i32>) -> Result<bool> {
        let entries = sys::getdents(&self.0, buffer).map_err(|e| Error::sys("list", "/proc", e))?;
        each_name(entries, |name| {
            pids.extend(parse_pid(name));
            Ok(())
        })?;
        Ok(!entries.is_empty())
    }
}

/// Reads the name of a process's directory: a number above 0, as the kernel writes it. None for other names.
pub fn parse_pid(name: &[u8]) -> Option<i32> {
    match name.first() {
        Some(b'1'..=b'9') => digits(name),
        _ => None,
    }
}

/// The entries of an open directory whose names are numbers, in its own order.
pub(super) fn numbers(dir: &OwnedFd, mut each: impl FnMut(i32) -> Result<()>) -> Result<()> {
    let mut buffer = [0; 4096];
    loop {
        let entries = sys::getdents(dir, &mut buffer).map_err(|e| Error::sys("list", "a process", e))?;
        if entries.is_empty() {
            return Ok(());
        }
        each_name(entries, |name| digits(name).map_or(Ok(()), &mut each))?;
    }
}

/// The names in entries of a directory as the kernel writes them. Source: struct linux_dirent64 of getdents64(2):
/// d_ino 8 bytes, d_off 8, d_reclen 2, d_type 1, d_name.
fn each_name(entries: &[u8], mut each: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
    let mut rest = entries;
    while let Some(&[low, high]) = rest.get(16..18) {
        let (entry, others) = rest.split_at(usize::from(u16::from_ne_bytes([low, high])).min(rest.len()));
        rest = others;
        let name = entry.get(19..).and_then(|name| CStr::from_bytes_until_nul(name).ok());
        let Some(name) = name else { break };
        each(name.to_bytes())?;
    }
    Ok(())
}
