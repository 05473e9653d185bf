//! What the program finds in its new namespaces: names of the host, clocks, a network device.

use std::ffi::OsStr;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;

use nix::errno::Errno;
use nix::fcntl::OFlag;

use crate::error::{Error, Result};
use crate::proc::Proc;
use crate::sys;

/// Sets the host name of our uts namespace. Source: sethostname(2).
pub fn set_host_name(name: &OsStr) -> Result<()> {
    nix::unistd::sethostname(name).map_err(|e| Error::sys("sethostname", name.as_bytes(), e))
}

/// Sets its NIS domain name. Source: setdomainname(2).
pub fn set_domain_name(name: &OsStr) -> Result<()> {
    sys::set_domain_name(name).map_err(|e| Error::sys("setdomainname", name.as_bytes(), e))
}

/// Brings the loopback device of our net namespace up; the kernel gives it its addresses. Source: netdevice(7).
pub fn bring_loopback_up() -> Result<()> {
    sys::bring_up(c"lo").map_err(|e| Error::sys("ioctl", "device lo: SIOCSIFFLAGS up", e))
}

/// How far the clocks of a new time namespace are from those outside, in seconds, and the file to which that is
/// written: opened before, when we have what rights it needs. Source: time_namespaces(7).
#[derive(Debug)]
pub struct Clocks {
    file: OwnedFd,
    text: String,
}

impl Clocks {
    /// Opens the file.
    pub fn open(proc: &Proc, monotonic: Option<i64>, boottime: Option<i64>) -> Result<Clocks> {
        let file = proc.this()?.open(c"timens_offsets", OFlag::O_WRONLY, "timens_offsets").map_err(|e| {
            match e.is_gone() {
                true => e.with_hint("this kernel has no time namespaces: they came with Linux 5.6"),
                false => e,
            }
        })?;
        let line = |clock: i32, offset: Option<i64>| offset.map(|offset| format!("{clock} {offset} 0\n"));
        let lines = [line(libc::CLOCK_BOOTTIME, boottime), line(libc::CLOCK_MONOTONIC, monotonic)];
        Ok(Clocks { file, text: lines.into_iter().flatten().collect() })
    }

    /// What is written.
    pub fn lines(&self) -> impl Iterator<Item = &str> {
        self.text.lines()
    }

    /// Writes it: after the namespace was made, and before any process is in it.
    pub fn set(&self) -> Result<()> {
        nix::unistd::write(&self.file, self.text.as_bytes()).map(drop).map_err(|e| {
            let on = format!("{:?} to timens_offsets", self.text.trim_end());
            let error = Error::sys("write", on, e);
            match e {
                Errno::ERANGE => error.with_hint(
                    "a clock may neither become negative, nor run beyond 146 years: /proc/uptime is where they are outside",
                ),
                _ => error,
            }
        })
    }
}
