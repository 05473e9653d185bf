//! What is mounted in a new root beside what is there: the words of `--bind` and `--tmpfs`.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Component, Path, PathBuf};

use crate::error::{Error, Result};

/// One mount below the new root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Extra {
    /// A file or directory from outside, with all that is mounted below it.
    Bind {
        /// Where it is, outside.
        from: PathBuf,
        /// Where it is to be, in the new root.
        to: PathBuf,
        /// Can nothing be written there, nor in what is mounted below?
        read_only: bool,
    },
    /// A new, empty file system in memory.
    Tmpfs(PathBuf),
}

impl Extra {
    /// Reads `SRC:DST[:ro]`. A colon or a backslash that belongs to a name has a backslash before it.
    pub fn bind(words: &[u8]) -> Result<Extra> {
        let refuse = |why: &str| {
            Err(Error::refused([b"--bind ", words, b": ", why.as_bytes()].concat()).with_hint(
                r"it is SRC:DST, or SRC:DST:ro for read-only; a colon in a name is written as `\:`",
            ))
        };
        let (from, to, read_only) = match &split(words)[..] {
            [_] => return refuse("where to is not said"),
            [from, to] => (from.clone(), to.clone(), false),
            [from, to, word] if word == b"ro" => (from.clone(), to.clone(), true),
            [_, _, word] => {
                let word = String::from_utf8_lossy(word);
                return refuse(&format!("what stands behind the second colon is not `ro` but `{word}`"));
            }
            _ => return refuse("too many colons"),
        };
        if from.is_empty() || to.is_empty() {
            return refuse("a name is empty");
        }
        let [from, to] = [from, to].map(path);
        inside("--bind", &to)?;
        Ok(Extra::Bind { from, to, read_only })
    }

    /// Reads the directory of `--tmpfs`.
    pub fn tmpfs(dir: &[u8]) -> Result<Extra> {
        let dir = path(dir.to_vec());
        inside("--tmpfs", &dir)?;
        Ok(Extra::Tmpfs(dir))
    }

    /// Where it is to be, in the new root.
    pub fn place(&self) -> &Path {
        match self {
            Extra::Bind { to, .. } | Extra::Tmpfs(to) => to,
        }
    }

    /// What is done, in a line.
    pub fn describe(&self) -> Vec<u8> {
        match self {
            Extra::Bind { from, to, read_only } => {
                let end: &[u8] = if *read_only { b", read-only" } else { b"" };
                [b"bind ", bytes(from), b" on ", bytes(to), end].concat()
            }
            Extra::Tmpfs(dir) => [b"mount a tmpfs on ", bytes(dir)].concat(),
        }
    }
}

pub(super) fn bytes(path: &Path) -> &[u8] {
    path.as_os_str().as_bytes()
}

pub(super) fn path(bytes: Vec<u8>) -> PathBuf {
    OsString::from_vec(bytes).into()
}

/// A mount on the root itself would hide all of it.
fn inside(option: &str, place: &Path) -> Result<()> {
    if place.components().any(|part| matches!(part, Component::Normal(_) | Component::ParentDir)) {
        return Ok(());
    }
    let what = [option.as_bytes(), b" ", bytes(place), b": this is the new root itself"].concat();
    Err(Error::refused(what).with_hint("name a place below it; --pivot-root=DIR and -R DIR choose the root"))
}

fn split(words: &[u8]) -> Vec<Vec<u8>> {
    let mut parts = vec![Vec::new()];
    let mut rest = words.iter().copied().peekable();
    while let Some(byte) = rest.next() {
        let escaped = if byte == b'\\' { rest.next_if(|next| matches!(next, b':' | b'\\')) } else { None };
        match (byte, parts.last_mut()) {
            (b':', _) => parts.push(Vec::new()),
            (byte, Some(part)) => part.push(escaped.unwrap_or(byte)),
            (_, None) => {}
        }
    }
    parts
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_bind_is_two_names_and_perhaps_a_word() {
        let cases: [([&[u8]; 3], bool); 10] = [
            ([b"/a:/b", b"/a", b"/b"], false),
            ([b"a:b", b"a", b"b"], false),
            ([b"/a:/b:ro", b"/a", b"/b"], true),
            ([b"/:/b", b"/", b"/b"], false),
            ([b"ro:ro:ro", b"ro", b"ro"], true),
            ([br"/a\:b:/c\:ro", b"/a:b", b"/c:ro"], false),
            ([br"/a\\:/b\x", br"/a\", br"/b\x"], false),
            ([br"/a\\\:b:/b\", br"/a\:b", br"/b\"], false),
            ([b"/a b,c\n\xff:/ d", b"/a b,c\n\xff", b"/ d"], false),
            ([b"/a:/..", b"/a", b"/.."], false),
        ];
        for ([words, from, to], read_only) in cases {
            let [from, to] = [from, to].map(|name| path(name.to_vec()));
            assert_eq!(Extra::bind(words).unwrap(), Extra::Bind { from, to, read_only });
        }
    }

    #[test]
    fn what_is_no_bind_is_refused_with_the_reason() {
        let cases: &[(&[u8], &str)] = &[
            (b"", "--bind : where to is not said"),
            (b"/a", "--bind /a: where to is not said"),
            (br"/a\:/b", r"--bind /a\:/b: where to is not said"),
            (b":/b", "--bind :/b: a name is empty"),
            (b"/a:", "--bind /a:: a name is empty"),
            (b"/a::ro", "--bind /a::ro: a name is empty"),
            (b"/a:/b:", "--bind /a:/b:: what stands behind the second colon is not `ro` but ``"),
            (b"/a:/b:rw", "--bind /a:/b:rw: what stands behind the second colon is not `ro` but `rw`"),
            (b"/a:/b:ro:ro", "--bind /a:/b:ro:ro: too many colons"),
            (b"/a:/", "--bind /: this is the new root itself"),
            (b"/a:./.", "--bind ./.: this is the new root itself"),
        ];
        for (words, expected) in cases {
            let error = Extra::bind(words).unwrap_err();
            assert_eq!(error.to_string(), *expected);
            assert!(error.hint().is_some());
        }
        assert_eq!(Extra::tmpfs(b"/").unwrap_err().to_string(), "--tmpfs /: this is the new root itself");
        assert_eq!(Extra::tmpfs(b"").unwrap_err().to_string(), "--tmpfs : this is the new root itself");
    }

    #[test]
    fn a_line_says_what_is_mounted_where() {
        let lines = [
            Extra::bind(b"/a:/b").unwrap().describe(),
            Extra::bind(b"/a:/b:ro").unwrap().describe(),
            Extra::tmpfs(b"tmp").unwrap().describe(),
        ];
        assert_eq!(lines, [&b"bind /a on /b"[..], b"bind /a on /b, read-only", b"mount a tmpfs on tmp"]);
    }
}
