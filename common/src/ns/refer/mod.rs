//! The one grammar by which people name a process or a namespace.
//!
//! A word is read into a [`Ref`] without a look at the machine. What it names is found by [`open`] for who enters it,
//! and by [`look`] for who only reads; both answer with what is held open, never with a number that somebody would
//! have to look up again.

mod group;
mod named;
mod namespace;

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use nix::errno::Errno;
use nix::unistd::{getpid, getppid};

use crate::error::{Error, Result};
use crate::kind::{Kind, parse_link};
use crate::ns::fd::NsFd;
use crate::proc::{Proc, Target, Task};
use crate::text::digits;

pub use namespace::{NETNS, netns_name};

/// A way to name a process or a namespace.
#[derive(Debug)]
pub struct Form {
    /// How it is written; capitals stand for something else.
    pub spelled: &'static str,
    /// What it names.
    pub names: &'static str,
    /// An example, which is read as this form.
    pub example: &'static str,
}

/// Every way.
#[rustfmt::skip]
pub const FORMS: &[Form] = &[
    Form { spelled: "PID", names: "the process with this number, from 1 to 4194304", example: "4242" },
    Form { spelled: "PID:INODE", names: "the same if its pidfd still has this inode number, which no other process gets before the next boot (Linux 6.9)", example: "4242:17" },
    Form { spelled: "PID/TID", names: "a thread of this process", example: "4242/4243" },
    Form { spelled: "self", names: "the command itself", example: "self" },
    Form { spelled: "parent", names: "the process that started the command", example: "parent" },
    Form { spelled: "init", names: "process 1", example: "init" },
    Form { spelled: "TYPE:[INO]", names: "the namespace of this type with this inode number, as links in /proc/PID/ns are written", example: "net:[4026532508]" },
    Form { spelled: "INO", names: "the namespace with this inode number, from 4026531832 on", example: "4026532508" },
    Form { spelled: "TYPE:#NSID", names: "the namespace of this type with this id, which no other gets before the next boot (Linux 6.18; mnt 6.11)", example: "net:#17" },
    Form { spelled: "PATH", names: "the namespace that this file holds; there is a slash in it", example: "/run/netns/blue" },
    Form { spelled: "netns:NAME", names: "the network namespace that ip-netns(8) gave this name", example: "netns:blue" },
    Form { spelled: "ctr:NAME", names: "the first process of the container or machine with this name or id, or whose id begins so", example: "ctr:web" },
    Form { spelled: "cg:PATH", names: "the oldest process of the cgroup with this path in /proc/PID/cgroup or in the file system, and of those below it; cg:CONTROLLER:PATH names its hierarchy as well", example: "cg:/system.slice" },
    Form { spelled: "unit:NAME", names: "the oldest process of this unit of systemd; .service may be left out", example: "unit:nginx.service" },
    Form { spelled: "NAME", names: "the same as ctr:NAME, where it is none of the above", example: "web" },
];

/// A process or a namespace, as it was named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ref {
    /// By its PID.
    Process(i32),
    /// By its PID and the inode number of its pidfd.
    Pidfd {
        /// The PID.
        pid: i32,
        /// The inode number on the kernel's pidfs.
        inode: u64,
    },
    /// A thread.
    Thread {
        /// The PID of its process.
        pid: i32,
        /// Its own number.
        tid: i32,
    },
    /// Ourselves.
    This,
    /// Who started us.
    Parent,
    /// Process 1.
    Init,
    /// A namespace by its inode number, and its kind where that was said.
    Inode(Option<Kind>, u64),
    /// A namespace by the number that it has until the next boot.
    Id(Kind, u64),
    /// A namespace by a file.
    File(PathBuf),
    /// A network namespace by its name.
    Netns(Vec<u8>),
    /// A container.
    Container(Vec<u8>),
    /// A group: its hierarchy, where that was said, and its path.
    Group(Option<Vec<u8>>, Vec<u8>),
    /// A unit.
    Unit(Vec<u8>),
}

/// The highest PID that a kernel gives. Source: proc_sys_kernel(5), `pid_max`.
pub const HIGHEST_PID: u64 = 4_194_304;

/// The lowest inode number of a namespace. Source: linux/nsfs.h; before Linux 6.17 the lowest was some more.
pub const LOWEST_INO: u64 = 4_026_531_832;

impl Ref {
    /// Reads a word.
    pub fn parse(word: &OsStr) -> Result<Ref> {
        let bytes = word.as_bytes();
        if let Some(reference) = Ref::prefixed(word)? {
            return Ok(reference);
        }
        if bytes.is_empty() {
            return Err(Error::refused("a process or namespace was named by an empty word"));
        }
        if bytes.iter().all(u8::is_ascii_digit) {
            return digits(bytes).and_then(Ref::number).ok_or_else(|| {
                let what = [bytes, b" is neither a PID nor the inode number of a namespace"].concat();
                Error::refused(what).with_hint(format!(
                    "PIDs go from 1 to {HIGHEST_PID}, inode numbers of namespaces from {LOWEST_INO} to {}",
                    u32::MAX
                ))
            });
        }
        if let Some((pid, rest)) = split(bytes, b':').and_then(|(pid, rest)| Some((digits(pid)?, rest))) {
            let inode = digits(rest).filter(|&inode| inode > 0);
            return match (is_pid(pid), inode) {
                (Some(pid), Some(inode)) => Ok(Ref::Pidfd { pid, inode }),
                _ => Err(Error::refused([b"not PID:INODE: ", bytes].concat())
                    .with_hint("the inode number is that of the process's pidfd")),
            };
        }
        if let Some((pid, tid)) = split(bytes, b'/').and_then(|(pid, tid)| Some((digits(pid)?, digits(tid)?)))
        {
            return match (is_pid(pid), is_pid(tid)) {
                (Some(pid), Some(tid)) => Ok(Ref::Thread { pid, tid }),
                _ => Err(Error::refused([b"not PID/TID: ", bytes].concat())
                    .with_hint("a file of that name would be ./PID/TID")),
            };
        }
        if bytes.contains(&b'/') {
            return Ok(Ref::File(word.into()));
        }
        if let [b'-' | b'+', number @ ..] = bytes
            && number.iter().all(u8::is_ascii_digit)
        {
            return Err(Error::refused([b"PID is no valid number: ", bytes].concat()));
        }
        Ok(match bytes {
            b"self" => Ref::This,
            b"parent" => Ref::Parent,
            b"init" => Ref::Init,
            name => Ref::Container(name.to_vec()),
        })
    }

    /// Reads a word that must not name a namespace itself; the advice is for who does that.
    pub fn process(word: &OsStr, advice: &str) -> Result<Ref> {
        match Ref::parse(word)? {
            reference if reference.is_namespace() => {
                let what = [word.as_bytes(), b" is a namespace, not a process"].concat();
                Err(Error::refused(what).with_hint(advice))
            }
            reference => Ok(reference),
        }
    }

    /// Reads a word that has one of the prefixes; none for other words, which can be files then.
    pub fn prefixed(word: &OsStr) -> Result<Option<Ref>> {
        let bytes = word.as_bytes();
        let Some((prefix, rest)) = split(bytes, b':') else { return Ok(None) };
        if let Some(kind) = Kind::from_name(prefix) {
            let number = parse_link(bytes).map(|(_, ino)| Ref::Inode(Some(kind), ino));
            let id = rest.strip_prefix(b"#").and_then(digits).map(|id| Ref::Id(kind, id));
            return number.or(id).map(Some).ok_or_else(|| {
                Error::refused([b"not a namespace: ", bytes].concat())
                    .with_hint(format!("{kind}:[INO] names one by its inode number, {kind}:#NSID by its id"))
            });
        }
        let name = || match rest {
            b"" => Err(Error::refused([bytes, b" names nothing: a name is to follow"].concat())),
            name => Ok(name.to_vec()),
        };
        Ok(Some(match prefix {
            b"netns" => Ref::Netns(name()?),
            b"ctr" => Ref::Container(name()?),
            b"unit" => Ref::Unit(name()?),
            b"cg" => match split(rest, b':') {
                Some((controller, path)) if !controller.contains(&b'/') => {
                    Ref::Group(Some(controller.to_vec()), absolute(bytes, path)?)
                }
                _ => Ref::Group(None, absolute(bytes, rest)?),
            },
            _ => return Ok(None),
        }))
    }

    fn number(number: u64) -> Option<Ref> {
        match number {
            LOWEST_INO.. if number <= u32::MAX.into() => Some(Ref::Inode(None, number)),
            _ => is_pid(number).map(Ref::Process),
        }
    }

    /// Can it only name a namespace?
    pub fn is_namespace(&self) -> bool {
        matches!(self, Ref::Inode(..) | Ref::Id(..) | Ref::File(_) | Ref::Netns(_))
    }
}

fn is_pid(number: u64) -> Option<i32> {
    (1..=HIGHEST_PID).contains(&number).then_some(number as i32)
}

fn split(bytes: &[u8], at: u8) -> Option<(&[u8], &[u8])> {
    let place = bytes.iter().position(|&b| b == at)?;
    Some((&bytes[..place], &bytes[place + 1..]))
}

fn absolute(word: &[u8], path: &[u8]) -> Result<Vec<u8>> {
    match path {
        [b'/', ..] => Ok(path.to_vec()),
        _ => Err(Error::refused([b"the path of a group begins with /: ", word].concat())
            .with_hint("as /proc/PID/cgroup has it, or below a cgroup mount")),
    }
}

/// What is entered.
#[derive(Debug)]
pub enum Entry {
    /// Namespaces of this process.
    Process(Target),
    /// Those of a thread, by its directory; the process is held as well.
    Thread(Target, Task),
    /// This namespace alone.
    Namespace(NsFd),
}

impl Entry {
    /// Its namespace of this kind.
    pub fn namespace(self, kind: Kind) -> Result<NsFd> {
        match self {
            Entry::Process(target) => NsFd::of(&target.task, kind),
            Entry::Thread(_, thread) => NsFd::of(&thread, kind),
            Entry::Namespace(ns) if ns.kind == kind => Ok(ns),
            Entry::Namespace(ns) => {
                let found = format!(" is a {} namespace, not a {kind} namespace", ns.kind);
                Err(Error::refused([&ns.name[..], found.as_bytes()].concat())
                    .with_hint(format!("give it to --{}", ns.kind.row().long)))
            }
        }
    }
}

/// Takes hold of what shall be entered. A name needs proof: the private module `named` says which.
pub fn open(proc: &Proc, reference: &Ref) -> Result<Entry> {
    Ok(match reference {
        Ref::Process(pid) => Entry::Process(Target::open(proc, *pid)?),
        Ref::Pidfd { pid, inode } => Entry::Process(by_pidfd(proc, *pid, *inode)?),
        Ref::Thread { pid, tid } => {
            let target = Target::open(proc, *pid)?;
            let thread = target.task.thread(*tid)?;
            match target.is_alive()? {
                true => Entry::Thread(target, thread),
                false => return Err(gone(*pid)),
            }
        }
        Ref::This => Entry::Process(Target::open(proc, getpid().as_raw())?),
        Ref::Parent => Entry::Process(parent(proc)?),
        Ref::Init => Entry::Process(Target::open(proc, 1)?),
        Ref::Container(name) => Entry::Process(named::container(proc, name)?),
        Ref::Unit(name) => Entry::Process(named::unit(proc, name)?),
        Ref::Group(hierarchy, path) => {
            Entry::Process(group::oldest(proc, hierarchy.as_deref(), path)?.hold(proc)?)
        }
        Ref::Inode(..) | Ref::Id(..) | Ref::File(_) | Ref::Netns(_) => {
            Entry::Namespace(namespace::open(proc, reference)?)
        }
    })
}

/// What is only looked at.
#[derive(Debug)]
pub enum Sight {
    /// A process or thread, by its directory.
    Task(Task),
    /// A namespace.
    Namespace(NsFd),
}

/// Takes hold of what shall be looked at, as this /proc numbers processes. Names need no proof as long as only one
/// thing has them.
pub fn look(proc: &Proc, reference: &Ref) -> Result<Sight> {
    Ok(match reference {
        Ref::Process(pid) => Sight::Task(proc.task(*pid)?),
        Ref::Pidfd { pid, inode } => Sight::Task(by_pidfd(proc, *pid, *inode)?.task),
        Ref::Thread { pid, tid } => Sight::Task(proc.task(*pid)?.thread(*tid)?),
        Ref::This => Sight::Task(proc.this()?),
        Ref::Parent => Sight::Task(proc.task(proc.this()?.stat()?.ppid)?),
        Ref::Init => Sight::Task(proc.task(1)?),
        Ref::Container(name) => Sight::Task(named::container_seen(proc, name)?),
        Ref::Unit(name) => Sight::Task(named::unit_seen(proc, name)?),
        Ref::Group(hierarchy, path) => {
            Sight::Task(group::oldest(proc, hierarchy.as_deref(), path)?.see(proc)?)
        }
        Ref::Inode(..) | Ref::Id(..) | Ref::File(_) | Ref::Netns(_) => {
            Sight::Namespace(namespace::open(proc, reference)?)
        }
    })
}

/// Takes hold of a process or thread that shall be looked at.
pub fn task(proc: &Proc, reference: &Ref) -> Result<Task> {
    match look(proc, reference)? {
        Sight::Task(task) => Ok(task),
        Sight::Namespace(ns) => Err(Error::refused([&ns.name[..], b" is no process"].concat())),
    }
}

fn gone(pid: i32) -> Error {
    Error::sys("open", format!("process {pid}"), Errno::ESRCH)
}

fn by_pidfd(proc: &Proc, pid: i32, inode: u64) -> Result<Target> {
    let target = Target::open(proc, pid)?;
    match target.inode()? {
        Some(found) if found == inode => Ok(target),
        Some(found) => Err(Error::refused(format!("process {pid} is another one than {pid}:{inode}"))
            .with_hint(format!("that one has ended; this one is {pid}:{found}"))),
        None => Err(Error::refused(format!(
            "{pid}:{inode} cannot be told from others: this kernel does not number pidfds"
        ))
        .with_hint("Linux 6.9 and later do; name the process by its PID alone")),
    }
}

/// The process that started us. It may end at any moment, and another is our parent then.
fn parent(proc: &Proc) -> Result<Target> {
    loop {
        let pid = getppid();
        if pid.as_raw() == 0 {
            return Err(Error::refused("our parent is outside of this pid namespace"));
        }
        let target = Target::open(proc, pid.as_raw());
        if getppid() == pid {
            return target;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(word: &[u8]) -> std::result::Result<Ref, String> {
        Ref::parse(OsStr::from_bytes(word)).map_err(|e| e.to_string())
    }

    #[test]
    fn words_are_read_in_one_way_only() {
        let name = |name: &[u8]| Ref::Container(name.to_vec());
        let group = |of: Option<&[u8]>, path: &[u8]| Ref::Group(of.map(<[u8]>::to_vec), path.to_vec());
        let cases: &[(&[u8], Ref)] = &[
            (b"1", Ref::Process(1)),
            (b"4194304", Ref::Process(4_194_304)),
            (b"4026531832", Ref::Inode(None, 4_026_531_832)),
            (b"4294967295", Ref::Inode(None, 4_294_967_295)),
            (b"007", Ref::Process(7)),
            (b"5:6", Ref::Pidfd { pid: 5, inode: 6 }),
            (b"5:18446744073709551615", Ref::Pidfd { pid: 5, inode: u64::MAX }),
            (b"5/6", Ref::Thread { pid: 5, tid: 6 }),
            (b"./5/6", Ref::File("./5/6".into())),
            (b"5/x", Ref::File("5/x".into())),
            (b"self", Ref::This),
            (b"parent", Ref::Parent),
            (b"init", Ref::Init),
            (b"ctr:self", name(b"self")),
            (b"net:[12]", Ref::Inode(Some(Kind::Net), 12)),
            (b"mnt:#7", Ref::Id(Kind::Mnt, 7)),
            (b"/run/netns/net:[1]", Ref::File("/run/netns/net:[1]".into())),
            (b"netns:a/b", Ref::Netns(b"a/b".to_vec())),
            (b"ctr:12", name(b"12")),
            (b"ctr:a:b\xff\n", name(b"a:b\xff\n")),
            (b"cg:/a:b", group(None, b"/a:b")),
            (b"cg:pids:/a:b", group(Some(b"pids"), b"/a:b")),
            (b"cg:name=systemd:/", group(Some(b"name=systemd"), b"/")),
            (b"unit:x", Ref::Unit(b"x".to_vec())),
            (b"unit:a/b", Ref::Unit(b"a/b".to_vec())),
            (b"web", name(b"web")),
            (b"0123456789abcdef", name(b"0123456789abcdef")),
            (b"mount", name(b"mount")),
            (b"mount:[1]", name(b"mount:[1]")),
        ];
        for (word, expected) in cases {
            assert_eq!(parse(word).as_ref(), Ok(expected), "{}", String::from_utf8_lossy(word));
        }
    }

    #[test]
    fn words_that_nearly_name_something_are_refused() {
        for word in [
            "",
            "-",
            "0",
            "4194305",
            "4026531831",
            "4294967296",
            "99999999999999999999999999999999999999999",
            "-1",
            "+1",
            "5:",
            "5:x",
            "0:5",
            "5:0",
            "5/0",
            "0/5",
            "5/4194305",
            "net:",
            "net:12",
            "net:[12",
            "net:[]",
            "net:#",
            "net:[-1]",
            "ctr:",
            "unit:",
            "netns:",
            "cg:",
            "cg:a",
            "cg:pids:",
            "cg:pids:a",
        ] {
            assert!(parse(word.as_bytes()).is_err(), "{word}");
        }
    }

    #[test]
    fn every_form_has_an_example_that_is_read_as_it() {
        let read: Vec<_> =
            FORMS.iter().map(|form| Ref::parse(form.example.as_ref()).expect(form.spelled)).collect();
        for (at, reference) in read.iter().enumerate() {
            let same = |other: &&Ref| std::mem::discriminant(*other) == std::mem::discriminant(reference);
            // INO and TYPE:[INO] are one, and ctr:NAME and NAME.
            let expected = if matches!(reference, Ref::Inode(..) | Ref::Container(_)) { 2 } else { 1 };
            assert_eq!(read.iter().filter(same).count(), expected, "{}", FORMS[at].spelled);
        }
    }

    #[test]
    fn only_a_prefix_makes_a_word_no_file() {
        let prefixed = |word: &str| Ref::prefixed(word.as_ref()).expect(word);
        for word in ["5", "self", "web", "./ctr:web", "/run/netns/x", "ctr", "5:6", "x:y", "CTR:web"] {
            assert_eq!(prefixed(word), None, "{word}");
        }
        for word in ["ctr:web", "unit:x", "netns:x", "cg:/x", "net:[1]", "user:#1"] {
            assert!(prefixed(word).is_some(), "{word}");
        }
        assert!(Ref::prefixed("net:x".as_ref()).is_err());
    }
}
