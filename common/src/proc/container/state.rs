//! What the files say that container engines keep of what they run, where we may read them.

use std::path::Path;

use crate::proc::mounts::Mount;

/// A container that a file tells of. Only files are believed that nobody but root and we ourselves could have
/// written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// The engine, in one word.
    pub engine: &'static str,
    /// Its whole id; for some engines that is its name.
    pub id: Vec<u8>,
    /// What people call it.
    pub names: Vec<Vec<u8>>,
    /// Its pod, as `NAMESPACE/NAME`.
    pub pod: Option<Vec<u8>>,
    /// Its first process: PID, start in clock ticks since boot (proc_pid_stat(5)), and the file that says it.
    pub init: Option<(i32, u64, Vec<u8>)>,
    /// Its groups, as `/proc/PID/cgroup` writes paths.
    pub groups: Vec<Vec<u8>>,
    /// The file that tells its name, or else its first process.
    pub source: Vec<u8>,
}

/// All that the files tell.
#[derive(Clone, Debug, Default)]
pub struct States {
    /// The containers, one row each.
    pub known: Vec<Known>,
}

impl States {
    /// Reads the files below this root directory: `/`, or one made for a test. What cannot be read, or may not be
    /// believed, is left out. The mounts are those that we see ourselves: they tell where the hierarchies of groups are.
    pub fn read(root: &Path, mounts: &[Mount]) -> States {
        let _ = (root, mounts);
        States::default()
    }
}
