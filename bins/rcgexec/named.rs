//! Named groups: made, used, changed and removed.

use std::ffi::OsString;

use common::cgroup::layout::Layout;
use common::error::Error;
use common::proc::Proc;

use crate::cli::Named;

/// Does what was asked about named groups.
pub(crate) fn act(
    _proc: &Proc,
    _layout: &Layout,
    _asked: Named,
    _words: Vec<OsString>,
    _dry_run: bool,
) -> anyhow::Result<u8> {
    Err(Error::refused("not yet").into())
}
