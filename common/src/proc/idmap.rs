//! Maps of user and group ids of a user namespace: writing single ones.

use nix::errno::Errno;
use nix::fcntl::OFlag;

use super::{Proc, Task};
use crate::error::{Error, Result};

/// One id inside a new user namespace that stands for one outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Single {
    /// The id inside.
    pub inside: u32,
    /// The id outside, in the parent user namespace.
    pub outside: u32,
}

/// Which ids of ours a new user namespace knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Maps {
    /// The user.
    pub user: Single,
    /// The group.
    pub group: Single,
}

impl Maps {
    /// Writes the maps of the user namespace that we have just entered by unshare(2), without privilege: the
    /// outside ids must be our own, and setgroups(2) is given up for good, as the kernel demands before the
    /// group map. Source: user_namespaces(7).
    pub fn write(&self, proc: &Proc) -> Result<()> {
        let this = proc.this()?;
        write(&this, c"uid_map", &self.user.line())?;
        match write(&this, c"setgroups", "deny") {
            // Kernels before 3.19 have no such file, and no such rule.
            Err(e) if e.errno() == Some(Errno::ENOENT) => Ok(()),
            answer => answer,
        }?;
        write(&this, c"gid_map", &self.group.line())
    }
}

impl Single {
    fn line(self) -> String {
        format!("{} {} 1", self.inside, self.outside)
    }
}

fn write(task: &Task, name: &std::ffi::CStr, text: &str) -> Result<()> {
    let on = name.to_string_lossy();
    let file = task.open(name, OFlag::O_WRONLY, &on)?;
    nix::unistd::write(&file, text.as_bytes())
        .map(drop)
        .map_err(|e| Error::sys("write", format!("{text:?} to {on}"), e))
}
