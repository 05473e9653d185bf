//! Who gets the events of a mount, in a few words.

use common::proc::mounts::Mount;

/// `shared:1`, `slave:2`, both, `unbindable` or `private`.
pub(super) fn propagation(out: &mut String, mount: &Mount<&[u8]>) -> usize {
    let begin = out.len();
    propagates(out, mount);
    if out.len() == begin {
        out.push_str(" private");
    }
    out.remove(begin);
    out.len() - begin
}

/// The same with a space before each, and nothing of what is private.
pub(super) fn propagates(out: &mut String, mount: &Mount<&[u8]>) {
    for (word, group) in [(" shared:", mount.peer_group), (" slave:", mount.master)] {
        if let Some(group) = group {
            out.push_str(word);
            out.push_str(&group.to_string());
        }
    }
    if mount.unbindable {
        out.push_str(" unbindable");
    }
}
