//! cgrulesengd, the daemon of libcgroup that moves processes by rules, is asked to leave one where it is.

use std::os::fd::AsRawFd;

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockType, UnixAddr, connect, recv, send, setsockopt, socket, sockopt,
};
use nix::sys::time::TimeVal;

use crate::error::{Error, Result};

/// Where it listens, in libcgroup 2.0.2.
const SOCKET: &str = "/var/run/cgred.socket";

/// What it answers when it has taken note.
const NOTED: &[u8] = b"SUCCESS_STORE_PID";

/// How many seconds it may take.
const PATIENCE: i64 = 5;

/// Tells the daemon that this process stays in the groups in which we put it, and with `children` what it starts as
/// well. Where no daemon listens there is nobody to tell. As cgexec was seen to do: the PID and a number of four bytes
/// each.
pub fn register(pid: i32, children: bool) -> Result<()> {
    let fail = |call| move |e| Error::sys(call, SOCKET, e);
    let flags = SockFlag::SOCK_CLOEXEC;
    let to = socket(AddressFamily::Unix, SockType::Stream, flags, None).map_err(fail("socket"))?;
    let patience = TimeVal::new(PATIENCE, 0);
    setsockopt(&to, sockopt::SendTimeout, &patience).map_err(fail("setsockopt"))?;
    setsockopt(&to, sockopt::ReceiveTimeout, &patience).map_err(fail("setsockopt"))?;
    match connect(to.as_raw_fd(), &UnixAddr::new(SOCKET).map_err(fail("connect"))?) {
        // It is not there, has ended, or is for others than us.
        Err(Errno::ENOENT | Errno::ECONNREFUSED | Errno::EACCES) => return Ok(()),
        answer => answer.map_err(fail("connect"))?,
    }
    for number in [pid, children.into()] {
        send(to.as_raw_fd(), &number.to_ne_bytes(), MsgFlags::MSG_NOSIGNAL).map_err(fail("send"))?;
    }
    let mut answer = Vec::new();
    while answer.len() < NOTED.len() {
        let mut piece = [0; 64];
        match recv(to.as_raw_fd(), &mut piece, MsgFlags::empty()).map_err(fail("recv"))? {
            0 => break,
            length => answer.extend_from_slice(&piece[..length]),
        }
    }
    match answer.starts_with(NOTED) {
        true => Ok(()),
        false => {
            let what = format!("cgrulesengd does not promise to leave process {pid} in its groups: it says ");
            Err(Error::refused([what.as_bytes(), &answer].concat())
                .with_hint("stop that daemon, or see what it writes to its log"))
        }
    }
}
