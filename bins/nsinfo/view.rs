//! In which ways mounts can be shown.

/// How mounts are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum View {
    /// What is mounted on a mount stands below it.
    Tree,
    /// All that mountinfo says, in its order.
    Flat,
    /// Those that no path leads to.
    Hidden,
    /// Those that show a part of a file system, or show it once more.
    Binds,
    /// Which paths of ours lead to the same.
    Host,
}

/// Every view by its name.
pub(crate) const VIEWS: &[(&str, View)] = &[
    ("tree", View::Tree),
    ("flat", View::Flat),
    ("hidden", View::Hidden),
    ("binds", View::Binds),
    ("host", View::Host),
];
