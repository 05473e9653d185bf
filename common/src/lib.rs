//! What the nskit commands share: the map of the house.
//!
//! Data flows one way: a command line becomes a request, the kernel's facts are read once, and what they
//! show is printed, or the world is changed and a program is started.
//!
//! ```text
//! argv --tool::args--> Request --proc, ns--> facts --ns::scan--> Snapshot --tool::table--> text
//!                         \---- open everything first ----> ns::join / ns::create --launch--> the program
//! ```
//!
//! Which net namespaces are there, and who is in them? A scan makes plain data; what it is not asked for it does
//! not read:
//!
//! ```
//! use common::kind::Kind;
//! use common::ns::scan::{self, Want};
//! use common::proc::Proc;
//!
//! let proc = Proc::system()?;
//! let snapshot = scan::take(&proc, &Want::least([Kind::Net].into_iter().collect()))?;
//! for ns in &snapshot.namespaces {
//!     println!("{}:[{}] has {} processes, the first is {:?}", ns.kind, ns.id.ino, ns.processes, ns.first);
//! }
//! // What may not be read is counted, and is not taken for what is not there.
//! println!("{} processes did not show theirs", snapshot.unreadable);
//! assert!(!snapshot.namespaces.is_empty());
//! # Ok::<(), common::Error>(())
//! ```
//!
//! People name processes and namespaces by one grammar ([`ns::refer`]). What a word means is looked up once and
//! then held, by a pidfd or an open namespace, so that nothing else is met if it ends meanwhile:
//!
//! ```
//! use std::ffi::OsStr;
//!
//! use common::kind::Kind;
//! use common::ns::refer::{self, Ref};
//! use common::proc::Proc;
//!
//! let proc = Proc::system()?;
//! // Or a PID, "ctr:web", "unit:nginx.service", "netns:blue", "net:[4026531840]", a path.
//! let reference = Ref::parse(OsStr::new("self"))?;
//! let ns = refer::open(&proc, &reference)?.namespace(Kind::Uts)?;
//! assert_eq!(ns.kind, Kind::Uts);
//! assert_eq!(ns.id()?.ino, proc.this()?.namespaces([Kind::Uts].into_iter().collect())?[Kind::Uts]);
//! # Ok::<(), common::Error>(())
//! ```
//!
//! The commands are all that this is made for: what is here follows their needs, and may change with each version.
//!
//! The modules stand in floors, top floor first. A module uses its own floor and those below it, and no two
//! folders use each other. A test reads this list and fails on a breach.

// floor: what every tool has
pub mod tool;

// floor: namespaces, control groups
pub mod cgroup;
pub mod ns;

// floor: starting and watching a program
pub mod launch;

// floor: processes
pub mod proc;

// floor: the system calls
pub mod sys;

// floor: words
pub mod error;
pub mod kind;
pub mod text;

pub use error::{Error, Result};
