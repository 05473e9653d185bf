//! SELinux: the context of a process, and that of the program we become.

use std::io::{Read, Write};

use nix::errno::Errno;
use nix::fcntl::{OFlag, openat};
use nix::sys::stat::Mode;

use super::{LIMIT, Proc, Task};
use crate::error::{Error, Result};

/// A context, and where to write it.
#[derive(Debug)]
pub struct Label {
    context: Vec<u8>,
    proc: Proc,
}

/// The context of a process, any bytes. An error where SELinux is not active: another security module may answer in the
/// same file. To be called before anything is changed. Source: proc_pid_attr(5), `current`.
pub fn of(proc: Proc, task: &Task) -> Result<Label> {
    if !is_active(&proc)? {
        return Err(Error::refused("SELinux is not active on this machine")
            .with_hint("there is no context to follow: leave out --follow-context"));
    }
    let mut context = task.read(c"attr/current")?;
    let end = context.iter().position(|b| b"\0\n".contains(b)).unwrap_or(context.len());
    context.truncate(end);
    match context.is_empty() {
        true => Err(Error::refused(format!("process {} has no SELinux context", task.pid))),
        false => Ok(Label { context, proc }),
    }
}

impl Label {
    /// The context, any bytes.
    pub fn name(&self) -> &[u8] {
        &self.context
    }

    /// Have the program that is executed next run in it. The file is opened now, by the /proc that we held before
    /// entering: the kernel takes it only of the task itself, with the ids that it was opened with (Linux 5.13).
    /// Source: proc_pid_attr(5), `exec`.
    pub fn exec_as(&self) -> Result<()> {
        let on = || [b"SELinux context ", &self.context[..]].concat();
        let flags = OFlag::O_WRONLY | OFlag::O_CLOEXEC;
        let file = openat(&self.proc, c"thread-self/attr/exec", flags, Mode::empty())
            .map_err(|e| Error::sys("open", "thread-self/attr/exec", e))?;
        // In one piece.
        let written = std::fs::File::from(file).write(&self.context).map_err(|e| {
            let error = Error::io("write", on(), &e);
            match error.errno() {
                Some(Errno::EACCES | Errno::EPERM) => {
                    error.with_hint("the policy forbids it: see setexec and transition in the audit log")
                }
                _ => error,
            }
        })?;
        match written == self.context.len() {
            true => Ok(()),
            false => Err(Error::sys("write", on(), Errno::EIO)),
        }
    }
}

/// Is there an SELinux? Its file system is registered when it is not disabled. Source: proc_filesystems(5).
pub(super) fn is_active(proc: &Proc) -> Result<bool> {
    let mut text = Vec::new();
    let file = openat(proc, c"filesystems", OFlag::O_RDONLY | OFlag::O_CLOEXEC, Mode::empty())
        .map_err(|e| Error::sys("open", "filesystems", e))?;
    std::fs::File::from(file)
        .take(LIMIT)
        .read_to_end(&mut text)
        .map_err(|e| Error::io("read", "filesystems", &e))?;
    Ok(text.split(|&b| b == b'\n').any(|line| line.ends_with(b"\tselinuxfs")))
}

/// What the security module that answers there calls a process, whichever it is. Source: proc_pid_attr(5), `current`.
pub fn current(task: &Task) -> Result<Vec<u8>> {
    let mut label = task.read(c"attr/current")?;
    let end = label.iter().position(|b| b"\0\n".contains(b)).unwrap_or(label.len());
    label.truncate(end);
    Ok(label)
}
