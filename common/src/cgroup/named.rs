//! Named groups: they stay until they are removed, and every session finds them.

use crate::error::{Error, Result};

/// A name that a group can have.
pub fn check_name(name: &[u8]) -> Result<String> {
    let text = std::str::from_utf8(name).ok();
    text.map(str::to_string).ok_or_else(|| Error::refused([b"no name of a group: ", name].concat()))
}
