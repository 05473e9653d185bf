//! Subordinate ids: those that a user may map in user namespaces of their own.

use std::fs::OpenOptions;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::LIMIT;
use super::mapping::Extent;
use crate::error::{Error, Result};
use crate::text::{Charset, digits, shell_word};

/// A file of subordinate ids. Users are named in both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Of {
    /// User ids. Source: subuid(5).
    Users,
    /// Group ids. Source: subgid(5).
    Groups,
}

impl Of {
    /// The file, below the root directory.
    pub fn path(self) -> &'static str {
        match self {
            Of::Users => "etc/subuid",
            Of::Groups => "etc/subgid",
        }
    }

    /// The option of usermod(8) that adds some.
    fn option(self) -> &'static str {
        match self {
            Of::Users => "--add-subuids",
            Of::Groups => "--add-subgids",
        }
    }
}

/// Subordinate ids that follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subids {
    /// The first.
    pub start: u32,
    /// How many, 1 or more.
    pub count: u32,
}

impl Subids {
    /// Those that a file gives a user, who may have no name. `root` is the root directory, or one made for a test.
    pub fn read(root: &Path, of: Of, name: Option<&[u8]>, uid: u32) -> Result<Subids> {
        let path = root.join(of.path());
        let on = path.as_os_str().as_bytes();
        let fail = |e: &std::io::Error| Error::io("read", on, e);
        let advice = match name.and_then(|name| shell_word(name, Charset::from_env())) {
            Some(name) => format!("give the user some: usermod {} 100000-165535 {name}", of.option()),
            None => format!("give the user some, by a line there: {uid}:100000:65536"),
        };
        let text = text(&path).map_err(|e| match fail(&e) {
            e if e.is_gone() => e.with_hint(&advice),
            e => e,
        })?;
        match Subids::find(&text, name, uid) {
            Found::Ids(ids) => Ok(ids),
            Found::Nothing => {
                let number = uid.to_string();
                let who = name.unwrap_or(number.as_bytes());
                let what = [b"no subordinate ids of user ", who, b" in ", on].concat();
                Err(Error::refused(what).with_hint(advice))
            }
            Found::Odd(line) => {
                let what = [format!("line {line} of ").as_bytes(), on, b" gives no ids"].concat();
                Err(Error::refused(what).with_hint("name:start:count, as in 1000:100000:65536 (subuid(5))"))
            }
        }
    }

    /// Looks for the first line that begins with the name of a user, or with the number. Others may be anything.
    pub fn find(text: &[u8], name: Option<&[u8]>, uid: u32) -> Found {
        for (at, line) in text.split(|&b| b == b'\n').enumerate() {
            let mut words = line.split(|&b| b == b':');
            let who = words.next().unwrap_or_default();
            let named = name.is_some_and(|name| !name.is_empty() && name == who);
            if named || digits(who) == Some(uid) {
                let mut number = || digits(words.next()?);
                let ids = number().zip(number()).map(|(start, count)| Subids { start, count });
                let ids = ids.filter(|ids| ids.count > 0 && ids.start.checked_add(ids.count).is_some());
                return match (ids, words.next()) {
                    (Some(ids), None) => Found::Ids(ids),
                    _ => Found::Odd(at + 1),
                };
            }
        }
        Found::Nothing
    }

    /// All that a file gives a user, as newuidmap(1) looks at it: nothing where it cannot be read.
    pub fn all(root: &Path, of: Of, name: Option<&[u8]>, uid: u32) -> Vec<Subids> {
        let text = text(&root.join(of.path())).unwrap_or_default();
        let line = |line| match Subids::find(line, name, uid) {
            Found::Ids(ids) => Some(ids),
            _ => None,
        };
        text.split(|&b| b == b'\n').filter_map(line).collect()
    }

    /// What `auto` asks for: ids from 0 on inside.
    pub fn auto(self) -> Extent {
        Extent { inside: None, outside: self.start, count: self.count }
    }

    /// What `subids` asks for: the same ids inside.
    pub fn same(self) -> Extent {
        Extent { inside: Some(self.start), ..self.auto() }
    }
}

fn text(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut text = Vec::new();
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY).open(path)?;
    file.take(LIMIT).read_to_end(&mut text)?;
    Ok(text)
}

/// What was found of a user in the text of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// These ids.
    Ids(Subids),
    /// No line.
    Nothing,
    /// A line with this number, from 1 on, that gives no ids.
    Odd(usize),
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDS: Found = Found::Ids(Subids { start: 100_000, count: 65536 });

    #[test]
    fn the_first_line_of_the_name_or_the_number_counts() {
        let cases: [(&[u8], _); 18] = [
            (b"ann:100000:65536\n", IDS),
            (b"ann:100000:65536", IDS),
            (b"1000:100000:65536\n", IDS),
            (b"bob:1:1\nann:100000:65536\nann:2:2\n", IDS),
            (b"1000:100000:65536\nann:2:2\n", IDS),
            (b"ann:100000:65536\n1000:2:2\n", IDS),
            (b"odd\n::\n\xff\0:x:\n1001:x\n\nann:100000:65536\n", IDS),
            (b"01000:100000:65536\n", IDS),
            (b"", Found::Nothing),
            (b"anna:1:1\nan:1:1\n#ann:1:1\n ann:1:1\n10000:1:1\n4294968296:1:1\n", Found::Nothing),
            (b"x\nann\n", Found::Odd(2)),
            (b"ann:1\n", Found::Odd(1)),
            (b"ann:1:0\nann:1:1\n", Found::Odd(1)),
            (b"ann:1:1:1\n", Found::Odd(1)),
            (b"ann:-1:1\n", Found::Odd(1)),
            (b"ann:1:1\r\n", Found::Odd(1)),
            (b"ann:4294967294:2\n", Found::Odd(1)),
            (b"ann:4294967294:1\n", Found::Ids(Subids { start: 4_294_967_294, count: 1 })),
        ];
        for (text, expected) in cases {
            let shown = String::from_utf8_lossy(text);
            assert_eq!(Subids::find(text, Some(b"ann"), 1000), expected, "{shown}");
        }
        // A user without a name has a number, and an empty one is nobody's.
        assert_eq!(Subids::find(b"ann:1:1\n:2:2\n1000:100000:65536\n", None, 1000), IDS);
        assert_eq!(Subids::find(b":2:2\n", Some(b""), 1000), Found::Nothing);
    }

    #[test]
    fn what_is_missing_is_said_with_what_to_do() {
        let dir = std::env::temp_dir().join(format!("nskit-subids-{}", std::process::id()));
        std::fs::create_dir_all(dir.join("etc")).expect("a directory");
        let (users, groups) = (dir.join("etc/subuid"), dir.join("etc/subgid"));
        let failure = |of, name: Option<&str>| {
            let e = Subids::read(&dir, of, name.map(str::as_bytes), 1000).expect_err("no ids");
            let hint = e.hint().unwrap_or_default().to_string();
            (e.to_string().replace(&*dir.to_string_lossy(), ""), hint)
        };
        let expected = "give the user some: usermod --add-subuids 100000-165535 ann";
        let missing = failure(Of::Users, Some("ann"));
        assert_eq!(missing, ("read /etc/subuid: No such file or directory".into(), expected.into()));
        std::fs::write(&users, "ann:100000:65536\nbob:x\n").expect("written");
        std::fs::write(&groups, "bob:5:5\n").expect("written");
        let found = Subids::read(&dir, Of::Users, Some(b"ann"), 1000).expect("ids");
        assert_eq!(found.auto(), Extent { inside: None, outside: 100_000, count: 65536 });
        assert_eq!(found.same(), Extent { inside: Some(100_000), outside: 100_000, count: 65536 });
        let (none, hint) = failure(Of::Groups, Some("ann"));
        assert_eq!(none, "no subordinate ids of user ann in /etc/subgid");
        assert!(hint.ends_with("usermod --add-subgids 100000-165535 ann"), "{hint}");
        let (none, hint) = failure(Of::Users, None);
        assert_eq!(none, "no subordinate ids of user 1000 in /etc/subuid");
        assert!(hint.ends_with("a line there: 1000:100000:65536"), "{hint}");
        assert_eq!(failure(Of::Users, Some("bob")).0, "line 2 of /etc/subuid gives no ids");
        std::fs::remove_dir_all(&dir).expect("removed");
    }
}
