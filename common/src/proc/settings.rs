//! What the machine is and how it is set: sysctls, security modules, programs that have rights.

use std::ffi::CString;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use nix::fcntl::{OFlag, openat};
use nix::sys::stat::Mode;

use super::{Proc, mounts};
use crate::error::{Error, Result};
use crate::sys;

/// No setting is longer than that.
const LIMIT: u64 = 64 << 10;

/// What uname(2) says: its release, its version, its architecture. Any bytes; a process can change the first
/// (personality(2)).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kernel {
    /// `6.18.3-1-amd64`.
    pub release: Vec<u8>,
    /// How and when it was built.
    pub version: Vec<u8>,
    /// `x86_64`.
    pub machine: Vec<u8>,
}

/// The running kernel. Source: uname(2).
pub fn kernel() -> Result<Kernel> {
    let name = nix::sys::utsname::uname().map_err(|e| Error::sys("uname", "", e))?;
    let bytes = |text: &std::ffi::OsStr| text.as_bytes().to_vec();
    Ok(Kernel {
        release: bytes(name.release()),
        version: bytes(name.version()),
        machine: bytes(name.machine()),
    })
}

impl Proc {
    /// The text of a file of `/proc/sys`, without spaces around; none where the kernel has no such setting. Source:
    /// proc_sys(5).
    pub fn setting(&self, name: &str) -> Result<Option<Vec<u8>>> {
        let on = format!("sys/{name}");
        let path = CString::new(on.as_str()).unwrap_or_default();
        let flags = OFlag::O_RDONLY | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK;
        let file = openat(self, path.as_c_str(), flags, Mode::empty());
        none_if_gone(file.map_err(|e| Error::sys("open", &on, e)).and_then(|file| text(file.into(), &on)))
    }

    /// The options of the mount that `/proc` is, as `hidepid=invisible`: those that hide something. Source: proc(5).
    pub fn hides(&self) -> Result<Vec<Vec<u8>>> {
        let all = mounts::of(&self.this()?)?;
        let of_proc = all.iter().rev().find(|mount| mount.fs_type == b"proc" && mount.point == self.path);
        let words = of_proc.map(|mount| mounts::words(&mount.super_options).collect()).unwrap_or_default();
        let hides = |word: &Vec<u8>| {
            let set = [&b"hidepid="[..], b"subset=", b"gid="].iter().any(|name| word.starts_with(name));
            set && word != b"hidepid=off" && word != b"hidepid=0"
        };
        let words: Vec<Vec<u8>> = words;
        Ok(words.into_iter().filter(hides).collect())
    }
}

/// The text of a file of the kernel below /sys, without spaces around; none where it has no such file.
pub fn of_sys(path: &str) -> Result<Option<Vec<u8>>> {
    let flags = (OFlag::O_NONBLOCK | OFlag::O_NOCTTY).bits();
    let file = std::fs::OpenOptions::new().read(true).custom_flags(flags).open(Path::new("/sys").join(path));
    let on = format!("/sys/{path}");
    none_if_gone(file.map_err(|e| Error::io("open", &on, &e)).and_then(|file| text(file, &on)))
}

fn text(file: std::fs::File, on: &str) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(LIMIT).read_to_end(&mut bytes).map_err(|e| Error::io("read", on, &e))?;
    Ok(bytes.trim_ascii().to_vec())
}

fn none_if_gone(read: Result<Vec<u8>>) -> Result<Option<Vec<u8>>> {
    match read {
        Err(e) if e.is_gone() => Ok(None),
        read => read.map(Some),
    }
}

/// A program that was found, and whether it gets rights when it is executed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// Where it is.
    pub path: PathBuf,
    /// Does it run as the root of our user namespace?
    pub as_root: bool,
    /// Does it get capabilities by its file?
    pub with_capabilities: bool,
}

/// Looks for a program as execvp(3) would, and at what it is marked with; none where PATH has no such. An error where we
/// lack a descriptor or memory to look. Source: execve(2), capabilities(7).
pub fn program(name: &str) -> Result<Option<Program>> {
    let paths = std::env::var_os("PATH").unwrap_or_default();
    for path in std::env::split_paths(&paths).map(|dir| dir.join(name)) {
        match at(&path) {
            Ok(Some(program)) => return Ok(Some(program)),
            Err(e) if e.is_our_own() => return Err(e),
            // Another directory may have one that is in our reach.
            _ => {}
        }
    }
    Ok(None)
}

/// The program at this path, if a program is there.
fn at(path: &Path) -> Result<Option<Program>> {
    let open = |flags: OFlag| {
        let file = std::fs::OpenOptions::new().read(true).custom_flags(flags.bits()).open(path);
        file.map_err(|e| Error::io("open", path.as_os_str().as_bytes(), &e))
    };
    let file = open(OFlag::O_NONBLOCK | OFlag::O_NOCTTY | OFlag::O_PATH)?;
    let stat =
        nix::sys::stat::fstat(&file).map_err(|e| Error::sys("fstat", path.as_os_str().as_bytes(), e))?;
    let is = |bits: u32| stat.st_mode & bits == bits;
    if !is(libc::S_IFREG) || stat.st_mode & 0o111 == 0 {
        return Ok(None);
    }
    // Attributes are not for those who only hold the path, and not every file system has them.
    let attribute = open(OFlag::O_NONBLOCK).and_then(|file| {
        let read = sys::attribute(&file, c"security.capability");
        read.map_err(|e| Error::sys("fgetxattr", path.as_os_str().as_bytes(), e))
    });
    let capabilities = match attribute {
        Err(e) if e.is_our_own() => return Err(e),
        attribute => attribute.ok().flatten(),
    };
    Ok(Some(Program {
        path: path.to_path_buf(),
        as_root: stat.st_uid == 0 && is(libc::S_ISUID),
        with_capabilities: capabilities.is_some(),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_text_and_none_where_the_kernel_has_no_such() {
        let proc = Proc::system().expect("/proc");
        let highest = proc.setting("kernel/pid_max").expect("readable").expect("always there");
        assert!(highest.iter().all(u8::is_ascii_digit) && !highest.is_empty());
        assert_eq!(proc.setting("kernel/no_such_thing").expect("a normal answer"), None);
        assert_eq!(of_sys("kernel/no_such_thing").expect("a normal answer"), None);
        let release = kernel().expect("uname").release;
        assert_eq!(proc.setting("kernel/osrelease").expect("readable"), Some(release));
        assert_eq!(program("no_such_program").expect("a normal answer"), None);
        assert!(program("sh").expect("looked for").is_some_and(|sh| !sh.as_root));
    }
}
