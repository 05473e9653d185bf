//! What a mount is made of: the layers of an overlay, the namespace that it keeps.

use super::Mount;
use crate::kind::{Kind, parse_link};

/// What a directory is to an overlay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layer {
    /// Read only; of several the first has precedence.
    Lower,
    /// The same, for contents of files only (Linux 6.5).
    Data,
    /// What is written goes here.
    Upper,
    /// The kernel's own, beside the upper one.
    Work,
}

impl Layer {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Layer::Lower => "lower",
            Layer::Data => "data",
            Layer::Upper => "upper",
            Layer::Work => "work",
        }
    }
}

/// The layers of an overlay, from its options: paths as they were for who mounted it, uppermost first. None of other file
/// systems. Source: the kernel's filesystems/overlayfs.
pub fn of(mount: &Mount<&[u8]>) -> Vec<(Layer, Vec<u8>)> {
    if mount.fs_type != b"overlay" {
        return Vec::new();
    }
    let (mut upper, mut lower) = (Vec::new(), Vec::new());
    for word in mount.super_options.split(|&b| b == b',') {
        let Some(equals) = word.iter().position(|&b| b == b'=') else { continue };
        let value = &word[equals + 1..];
        match &word[..equals] {
            b"upperdir" => upper.push((Layer::Upper, super::unescape(value))),
            b"workdir" => upper.push((Layer::Work, super::unescape(value))),
            b"lowerdir" => lower.extend(several(value)),
            // Since Linux 6.5: one at a time, and not to be split.
            b"lowerdir+" => lower.push((Layer::Lower, super::unescape(value))),
            b"datadir+" => lower.push((Layer::Data, super::unescape(value))),
            _ => {}
        }
    }
    upper.extend(lower);
    upper
}

/// The directories of `lowerdir`: with colons between, two before those that are for data only. A colon in a name has a
/// backslash before it, which the kernel shows as `\134`; or since Linux 6.5 is shown as `\072`.
fn several(value: &[u8]) -> Vec<(Layer, Vec<u8>)> {
    let mut layers = Vec::new();
    let mut kind = Layer::Lower;
    let mut name = Vec::new();
    let mut rest = value;
    let mut end = |name: &mut Vec<u8>, kind: &mut Layer| match name.is_empty() {
        // Nothing stands between two colons.
        true if layers.is_empty() => {}
        true => *kind = Layer::Data,
        false => layers.push((*kind, std::mem::take(name))),
    };
    loop {
        rest = match rest {
            [] => break,
            [b':', after @ ..] => {
                end(&mut name, &mut kind);
                after
            }
            [b'\\', b'1', b'3', b'4', b':', after @ ..] => {
                name.push(b':');
                after
            }
            [b'\\', b'1', b'3', b'4', b'\\', b'1', b'3', b'4', after @ ..] => {
                name.push(b'\\');
                after
            }
            [b'\\', _, _, _, after @ ..] => {
                name.extend(super::unescape(&rest[..4]));
                after
            }
            [byte, after @ ..] => {
                name.push(*byte);
                after
            }
        };
    }
    end(&mut name, &mut kind);
    layers
}

/// The namespace that a mount keeps: its kind and inode number. Source: namespaces(7).
pub fn namespace(mount: &Mount<&[u8]>) -> Option<(Kind, u64)> {
    let (name, ino) = parse_link(mount.root).filter(|_| mount.fs_type == b"nsfs")?;
    Some((Kind::from_name(name)?, ino))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_are_told_one_by_one_and_without_escapes() {
        use Layer::{Data, Lower, Upper, Work};
        let cases: &[(&str, &[(Layer, &str)])] = &[
            ("rw", &[]),
            ("rw,lowerdir=/a", &[(Lower, "/a")]),
            ("ro,lowerdir=/a:b/c:/d,xino=off", &[(Lower, "/a"), (Lower, "b/c"), (Lower, "/d")]),
            (
                "rw,lowerdir=/l,upperdir=/u\\040x,workdir=/w\\054,index=off",
                &[(Upper, "/u x"), (Work, "/w,"), (Lower, "/l")],
            ),
            (
                "rw,lowerdir=/a\\134:b:/c\\134\\134d:/e\\072f",
                &[(Lower, "/a:b"), (Lower, "/c\\d"), (Lower, "/e:f")],
            ),
            ("rw,lowerdir=/a:/b::/c::/d", &[(Lower, "/a"), (Lower, "/b"), (Data, "/c"), (Data, "/d")]),
            ("rw,lowerdir+=/a:b,datadir+=/c", &[(Lower, "/a:b"), (Data, "/c")]),
            ("rw,lowerdir=,upperdir", &[]),
        ];
        let told = |options: &str, fs_type: &str| {
            let line = format!("7 1 0:5 / /x rw - {fs_type} none {options}\n");
            let table = super::super::Table::parse(line.into_bytes());
            of(&table.get(0))
        };
        for (options, expected) in cases {
            let expected: Vec<_> =
                expected.iter().map(|(layer, path)| (*layer, path.as_bytes().to_vec())).collect();
            assert_eq!(told(options, "overlay"), expected, "{options}");
        }
        assert_eq!(told("rw,lowerdir=/a", "tmpfs"), []);
    }
}
