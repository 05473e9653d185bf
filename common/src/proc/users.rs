//! Names of users and groups.

use std::collections::BTreeMap;

use nix::errno::Errno;
use nix::unistd::{Gid, Group, Uid, User};

use super::idmap::NO_ID;
use crate::error::{Error, Result};
use crate::text::digits;

/// Names of users, or of groups, each asked once: a name service can be slow.
#[derive(Debug)]
pub struct Names {
    ask: fn(u32) -> Result<Option<Vec<u8>>>,
    known: BTreeMap<u32, Option<Vec<u8>>>,
}

impl Default for Names {
    /// Those of users, which is mostly asked for.
    fn default() -> Names {
        Names::of_users()
    }
}

impl Names {
    /// Those of users.
    pub fn of_users() -> Names {
        Names { ask: login, known: BTreeMap::new() }
    }

    /// Those of groups.
    pub fn of_groups() -> Names {
        Names { ask: group_name, known: BTreeMap::new() }
    }

    /// The name for this number, any bytes; none where it has none, or the name service fails.
    pub fn name(&mut self, id: u32) -> Option<&[u8]> {
        let ask = self.ask;
        self.known.entry(id).or_insert_with(|| ask(id).ok().flatten()).as_deref()
    }
}

/// The user id that this word stands for: a number, or the name of a user of whom this machine knows. To be asked before
/// anything is changed that could make it another machine's. Source: getpwnam(3).
pub fn user(word: &[u8]) -> Result<u32> {
    id("user", word, |name| Ok(User::from_name(name)?.map(|user| user.uid.as_raw())))
}

/// The same of a group. Source: getgrnam(3).
pub fn group(word: &[u8]) -> Result<u32> {
    id("group", word, |name| Ok(Group::from_name(name)?.map(|group| group.gid.as_raw())))
}

/// The name by which the user logs in; none where the number has no name.
pub fn login(uid: u32) -> Result<Option<Vec<u8>>> {
    let user = User::from_uid(Uid::from_raw(uid))
        .map_err(|e| Error::sys("look up", format!("the name of user {uid}"), e))?;
    Ok(user.map(|user| user.name.into_bytes()))
}

/// The same of a group. Source: getgrgid(3).
pub fn group_name(gid: u32) -> Result<Option<Vec<u8>>> {
    let group = Group::from_gid(Gid::from_raw(gid))
        .map_err(|e| Error::sys("look up", format!("the name of group {gid}"), e))?;
    Ok(group.map(|group| group.name.into_bytes()))
}

/// What is all digits is a number, whether or not it is a name as well.
fn id(
    what: &str,
    word: &[u8],
    find: impl Fn(&str) -> std::result::Result<Option<u32>, Errno>,
) -> Result<u32> {
    let of = |text: &str| [text.as_bytes(), word].concat();
    if !word.is_empty() && word.iter().all(u8::is_ascii_digit) {
        return digits(word).filter(|id| *id != NO_ID).ok_or_else(|| {
            Error::refused(of(&format!("no {what} has this number: ")))
                .with_hint("ids are numbers from 0 to 4294967294")
        });
    }
    // The C library is asked for text; a name that is none has no entry that could be told from others.
    let found = match std::str::from_utf8(word) {
        Ok(name) if !name.is_empty() => {
            find(name).map_err(|e| Error::sys("look up", of(&format!("{what} ")), e))?
        }
        _ => None,
    };
    found.ok_or_else(|| {
        Error::refused(of(&format!("no {what} has this name: ")))
            .with_hint("give the number, which needs no name")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_stands_for_itself_and_a_name_for_what_this_machine_knows() {
        let cases: [(&[u8], _); 12] = [
            (b"0", Ok(0)),
            (b"root", Ok(0)),
            (b"007", Ok(7)),
            (b"4294967294", Ok(4_294_967_294)),
            (b"4294967295", Err("no user has this number: 4294967295")),
            (b"4294967296", Err("no user has this number: 4294967296")),
            (b"99999999999999999999999", Err("no user has this number: 99999999999999999999999")),
            (b"-1", Err("no user has this name: -1")),
            (b" 0", Err("no user has this name:  0")),
            (b"no such user", Err("no user has this name: no such user")),
            (b"ro\xffot", Err("no user has this name: ro\\xffot")),
            (b"", Err("no user has this name: ")),
        ];
        for (word, expected) in cases {
            let found = user(word).map_err(|e| e.to_string());
            assert_eq!(found, expected.map_err(String::from), "{}", String::from_utf8_lossy(word));
        }
        assert_eq!(group(b"root").ok(), Some(0));
        assert_eq!(
            group(b"no such group").map_err(|e| e.to_string()),
            Err("no group has this name: no such group".into())
        );
        assert_eq!(login(0).expect("known").as_deref(), Some(&b"root"[..]));
        assert_eq!(login(4_000_000_000).expect("known"), None);
        assert_eq!(group_name(0).expect("known").as_deref(), Some(&b"root"[..]));
        assert_eq!(group_name(4_000_000_000).expect("known"), None);
    }

    #[test]
    fn a_number_is_not_looked_up() {
        assert_eq!(id("", b"12", |_| Ok(Some(5))).ok(), Some(12));
        assert_eq!(id("", b"12x", |_| Ok(Some(5))).ok(), Some(5));
        let failed = id("thing", b"x", |_| Err(Errno::EIO)).map_err(|e| e.to_string());
        assert_eq!(failed, Err("look up thing x: Input/output error".into()));
    }
}
