//! Names of users.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use nix::unistd::{Uid, User};

/// Names of users, each asked once: a name service can be slow.
#[derive(Debug, Default)]
pub struct Users {
    names: BTreeMap<u32, Vec<u8>>,
}

impl Users {
    /// The name of a user, or the number where there is none. Any bytes.
    pub fn name(&mut self, uid: u32) -> &[u8] {
        match self.names.entry(uid) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => {
                let user = User::from_uid(Uid::from_raw(uid)).ok().flatten();
                entry.insert(user.map_or_else(|| uid.to_string(), |user| user.name).into_bytes())
            }
        }
    }
}
