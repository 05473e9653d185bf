//! The one table of namespace kinds: what each is called and by which flag the kernel knows it.

use std::ffi::CStr;
use std::fmt;
use std::ops::{Index, IndexMut};

use crate::text::digits;

/// What is known of one kind of namespace: a row of [`KINDS`].
#[derive(Debug)]
pub struct Row {
    /// The kind itself.
    pub kind: Kind,
    /// Name of the file in `/proc/PID/ns`, and the type that listings show.
    pub name: &'static str,
    /// Path of that file below `/proc/PID`.
    pub path: &'static CStr,
    /// Path, below `/proc/PID`, of the namespace that children of the process get, where that can be another than
    /// its own. A time namespace that is made for children the process itself enters when it executes a program.
    pub for_children: Option<&'static CStr>,
    /// Long option of the launchers.
    pub long: &'static str,
    /// Short option of the launchers.
    pub short: char,
    /// The `CLONE_NEW*` flag.
    pub flag: i32,
    /// Does creating or entering it leave the caller itself outside, so that a child must be forked?
    pub needs_fork: bool,
    /// Do its namespaces have parents (NS_GET_PARENT, ioctl_ns(2))?
    pub nests: bool,
    /// What it isolates, as help texts say it.
    pub what: &'static str,
    /// The first Linux release that had it.
    pub since: &'static str,
}

macro_rules! kinds {
    ($($kind:ident $name:literal $long:literal $short:literal $flag:ident,
       fork=$fork:literal, nests=$nests:literal, $what:literal, $since:literal;)*) => {
        /// A kind of namespace. Source: namespaces(7).
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Kind { $(#[doc = $what] $kind),* }

        /// Every kind, in the order in which they are entered one by one: the user namespace first, since
        /// it may give the rights to enter the others; mnt late, since it takes the file system away.
        pub const KINDS: &[Row] = &[$(Row {
            kind: Kind::$kind, name: $name, path: c_str(concat!("ns/", $name, "\0")),
            for_children: if $fork || libc::$flag == libc::CLONE_NEWTIME { Some(c_str(concat!("ns/", $name, "_for_children\0"))) } else { None }, long: $long, short: $short, flag: libc::$flag,
            needs_fork: $fork, nests: $nests, what: $what, since: $since,
        }),*];

        /// How many kinds there are.
        pub const COUNT: usize = [$(Kind::$kind),*].len();
    };
}

const fn c_str(text: &'static str) -> &'static CStr {
    match CStr::from_bytes_with_nul(text.as_bytes()) {
        Ok(text) => text,
        Err(_) => panic!("a NUL only at the end"),
    }
}

// nix 0.31 has no CLONE_NEWTIME, so the flags are libc's.
#[rustfmt::skip]
kinds! {
//  kind   name     long     short flag
    User   "user"   "user"   'U' CLONE_NEWUSER,   fork=false, nests=true,  "user and group ids, capabilities", "3.8";
    Cgroup "cgroup" "cgroup" 'C' CLONE_NEWCGROUP, fork=false, nests=false, "the root of the cgroup tree", "4.6";
    Ipc    "ipc"    "ipc"    'i' CLONE_NEWIPC,    fork=false, nests=false, "System V IPC and POSIX message queues", "2.6.19";
    Uts    "uts"    "uts"    'u' CLONE_NEWUTS,    fork=false, nests=false, "host name and domain name", "2.6.19";
    Net    "net"    "net"    'n' CLONE_NEWNET,    fork=false, nests=false, "network devices, addresses, ports", "2.6.24";
    Pid    "pid"    "pid"    'p' CLONE_NEWPID,    fork=true,  nests=true,  "process ids", "2.6.24";
    Mnt    "mnt"    "mount"  'm' CLONE_NEWNS,     fork=false, nests=false, "mount points", "2.4.19";
    Time   "time"   "time"   'T' CLONE_NEWTIME,   fork=false, nests=false, "monotonic and boot-time clocks", "5.6";
}

impl Kind {
    /// The row of this kind.
    pub const fn row(self) -> &'static Row {
        &KINDS[self as usize]
    }

    /// Its name in `/proc/PID/ns` and in listings.
    pub const fn name(self) -> &'static str {
        self.row().name
    }

    /// All kinds, in the order of the table.
    pub fn all() -> impl Iterator<Item = Kind> {
        KINDS.iter().map(|row| row.kind)
    }

    /// The kind with this name, exactly as the kernel spells it.
    pub fn from_name(name: &[u8]) -> Option<Kind> {
        Kind::all().find(|kind| kind.name().as_bytes() == name)
    }

    /// The kind with this `CLONE_NEW*` flag, as NS_GET_NSTYPE answers it.
    pub fn from_flag(flag: i32) -> Option<Kind> {
        KINDS.iter().find(|row| row.flag == flag).map(|row| row.kind)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Some of the kinds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KindSet(u32);

impl KindSet {
    /// No kind.
    pub const EMPTY: KindSet = KindSet(0);

    /// Every kind.
    pub fn all() -> KindSet {
        Kind::all().collect()
    }

    /// Is this kind in it?
    pub fn contains(self, kind: Kind) -> bool {
        self.0 & (1 << kind as u32) != 0
    }

    /// Adds a kind.
    pub fn insert(&mut self, kind: Kind) {
        self.0 |= 1 << kind as u32;
    }

    /// Takes a kind out.
    pub fn remove(&mut self, kind: Kind) {
        self.0 &= !(1 << kind as u32);
    }

    /// Is no kind in it?
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Its kinds, in the order of the table.
    pub fn iter(self) -> impl Iterator<Item = Kind> {
        Kind::all().filter(move |kind| self.contains(*kind))
    }

    /// The `CLONE_NEW*` flags of its kinds, or-ed.
    pub fn flags(self) -> i32 {
        self.iter().fold(0, |flags, kind| flags | kind.row().flag)
    }
}

impl FromIterator<Kind> for KindSet {
    fn from_iter<I: IntoIterator<Item = Kind>>(kinds: I) -> KindSet {
        let mut set = KindSet::EMPTY;
        kinds.into_iter().for_each(|kind| set.insert(kind));
        set
    }
}

impl fmt::Display for KindSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.iter().map(Kind::name).collect();
        f.write_str(&names.join(" "))
    }
}

/// One value for each kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KindMap<T>([T; COUNT]);

impl<T> KindMap<T> {
    /// Kinds and values, in the order of the table.
    pub fn iter(&self) -> impl Iterator<Item = (Kind, &T)> {
        Kind::all().zip(&self.0)
    }
}

impl<T> Index<Kind> for KindMap<T> {
    type Output = T;
    fn index(&self, kind: Kind) -> &T {
        &self.0[kind as usize]
    }
}

impl<T> IndexMut<Kind> for KindMap<T> {
    fn index_mut(&mut self, kind: Kind) -> &mut T {
        &mut self.0[kind as usize]
    }
}

/// What makes a namespace the same namespace at one moment: device and inode number (namespaces(7)).
/// Inode numbers are used again at once after a namespace ended, so never compare over time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NsId {
    /// Device number of the nsfs.
    pub dev: u64,
    /// Inode number in it.
    pub ino: u64,
}

/// Reads the text of a link in `/proc/PID/ns`: `net:[4026531840]` is the net namespace 4026531840.
/// The name may be one that [`KINDS`] lacks.
pub fn parse_link(text: &[u8]) -> Option<(&[u8], u64)> {
    let colon = text.iter().position(|&b| b == b':')?;
    let number = text[colon + 1..].strip_prefix(b"[")?.strip_suffix(b"]")?;
    Some((&text[..colon], digits(number)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_read_or_refused() {
        let net = Some((&b"net"[..], 4026531840));
        let cases: [(&[u8], _); 8] = [
            (b"net:[4026531840]", net),
            (b"net:[]", None),
            (b"net:4026531840", None),
            (b"net:[4026531840", None),
            (b"net:[+1]", None),
            (b"", None),
            (b"/dev/pts/0", None),
            (b"net:[99999999999999999999]", None),
        ];
        for (text, expected) in cases {
            assert_eq!(parse_link(text), expected, "{}", String::from_utf8_lossy(text));
        }
    }

    #[test]
    fn no_two_kinds_share_a_name_an_option_or_a_flag() {
        for (i, a) in KINDS.iter().enumerate() {
            assert_eq!(a.kind as usize, i);
            assert_eq!(Kind::from_name(a.name.as_bytes()), Some(a.kind));
            assert_eq!(Kind::from_flag(a.flag), Some(a.kind));
            for b in &KINDS[..i] {
                assert!(a.name != b.name && a.long != b.long && a.short != b.short && a.flag != b.flag);
            }
        }
    }

    #[test]
    fn a_set_knows_its_flags_and_its_order() {
        let set: KindSet = [Kind::Net, Kind::User].into_iter().collect();
        assert_eq!(set.to_string(), "user net");
        assert_eq!(set.flags(), libc::CLONE_NEWUSER | libc::CLONE_NEWNET);
        assert!(!set.contains(Kind::Pid));
    }
}
