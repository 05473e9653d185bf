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
