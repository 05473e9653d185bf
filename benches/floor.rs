//! The floor of a listing: nothing but the calls that no lister by processes can do without.

use std::ffi::CString;

use common::kind::KINDS;
use common::sys;
use nix::dir::Dir;
use nix::fcntl::{AT_FDCWD, OFlag, openat};
use nix::sys::stat::Mode;

/// Reads the links of these kinds, or of all, of every process: getdents, openat and readlinkat.
pub(crate) fn read_links(kinds: &[String]) {
    let links: Vec<CString> = KINDS
        .iter()
        .filter(|row| kinds.is_empty() || kinds.iter().any(|kind| kind == row.name))
        .map(|row| row.path.to_owned())
        .collect();
    let mut proc = Dir::openat(AT_FDCWD, "/proc", OFlag::O_DIRECTORY, Mode::empty()).unwrap();
    let top = openat(AT_FDCWD, "/proc", OFlag::O_PATH, Mode::empty()).unwrap();
    let (mut read, mut buffer) = (0, [0; 64]);
    for entry in proc.iter().flatten() {
        let name = entry.file_name();
        if name.to_bytes()[0].is_ascii_digit()
            && let Ok(process) = openat(&top, name, OFlag::O_PATH | OFlag::O_DIRECTORY, Mode::empty())
        {
            read += links.iter().filter(|link| sys::readlinkat(&process, link, &mut buffer).is_ok()).count();
        }
    }
    println!("{read}");
}
