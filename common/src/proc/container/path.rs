//! What the path of a group says: the layouts of container engines and of systemd.

/// What a piece of a path stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// A container, or a machine.
    Container,
    /// A pod, which has containers.
    Pod,
    /// A unit of systemd: a service or scope.
    Unit,
}

/// A piece of a path that stands for something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Level {
    /// What it stands for.
    pub what: What,
    /// Who made it, in one word: `docker`, `systemd`.
    pub engine: &'static str,
    /// Its id, or the name of what has only that; any bytes.
    pub id: Vec<u8>,
    /// The length of the path up to this piece, which is included.
    pub end: usize,
}

/// All that the pieces of this path stand for, from the root on. A piece can stand for two things: the scope of a
/// container is a unit as well.
pub fn levels(path: &[u8]) -> Vec<Level> {
    let _ = path;
    Vec::new()
}
