//! The load: so many sleeping processes, and so many namespaces of each kind. It lives in a process of its
//! own, which ends with whoever asked for it.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};

use common::kind::{KINDS, Kind};
use common::sys;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::waitpid;
use nix::unistd::{ForkResult, Pid, getpid, getppid, pause, pipe, write};

/// A load that is there until this is dropped.
pub(crate) struct Load(Child);

impl Load {
    /// Starts it. Each of the first processes is in one namespace of its own: so many of the first kind, then
    /// as many of the second, and so on.
    pub(crate) fn start(processes: usize, of_each: usize) -> Load {
        assert!(of_each * KINDS.len() <= processes, "{of_each} namespaces of each kind need more processes");
        let counts = [processes, of_each].map(|count| count.to_string());
        let mut command = Command::new(std::env::current_exe().unwrap());
        let mut child =
            command.arg("load").args(counts).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n", "no load of {processes} processes");
        Load(child)
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        // It ends when nobody holds the other end of its standard input.
        drop(self.0.stdin.take());
        self.0.wait().unwrap();
    }
}

/// The process of its own. Its children end with it, and it with its standard input.
pub(crate) fn keep(processes: usize, of_each: usize) {
    // What whoever measures has open is not a part of the load.
    (3..1024).for_each(|fd| drop(nix::unistd::close(fd)));
    let (ours, theirs) = pipe().unwrap();
    let loader = getpid();
    let outside: Vec<_> = KINDS.iter().map(|row| File::open(format!("/proc/self/ns/{}", row.name))).collect();
    let mut children = Vec::new();
    for number in 0..processes {
        let kind = number.checked_div(of_each).and_then(|place| Kind::all().nth(place));
        let kind = kind.filter(|kind| outside[*kind as usize].is_ok());
        // New pid and time namespaces are for children only: the child itself would have to fork once more.
        let (before, after) = match kind {
            Some(Kind::Pid | Kind::Time) => (kind, None),
            _ => (None, kind),
        };
        if let Some(kind) = before {
            sys::unshare(kind.row().flag).unwrap();
        }
        match sys::fork().unwrap() {
            ForkResult::Parent { child } => children.push(child),
            ForkResult::Child => {
                // Else every child would hold all of these open, which no daemon does.
                drop(outside);
                sleep(loader, after, theirs)
            }
        }
        if let Some(kind) = before {
            sys::setns(outside[kind as usize].as_ref().unwrap(), kind.row().flag).unwrap();
        }
    }
    drop(theirs);
    // A byte of each, unless one failed.
    if BufReader::new(File::from(ours)).bytes().flatten().count() == processes {
        println!("ready");
        let _ = std::io::stdin().read(&mut [0]);
    }
    for child in children {
        let _ = kill(child, Signal::SIGKILL);
    }
    while waitpid(None, None).is_ok() {}
}

/// A child: it says that it is where it should be, and sleeps.
fn sleep(loader: Pid, kind: Option<Kind>, ready: OwnedFd) -> ! {
    if let Some(kind) = kind {
        sys::unshare(kind.row().flag).unwrap();
    }
    // Not earlier: the kernel forgets it when credentials change.
    sys::set_pdeathsig(Signal::SIGKILL as i32).unwrap();
    // In a pid namespace of its own it sees no parent.
    assert!([loader, Pid::from_raw(0)].contains(&getppid()));
    write(&ready, b"x").unwrap();
    drop(ready);
    loop {
        pause();
    }
}
