//! May a process take hold of the namespaces of another at all: open a file of its /proc/PID/ns?

use super::facts::{Facts, Seen, Who};
use super::{Reach, Right, lacking, name, right};
use crate::kind::Kind;
use crate::proc::credentials::Capability;
use crate::proc::status::Ids;

/// By the rules of ptrace(2), PTRACE_MODE_READ_FSCREDS. Security modules may refuse it beside.
pub(super) fn reach(facts: &Facts, seen: &Seen) -> (Reach, String, Option<String>) {
    let who = &facts.who;
    let pid = seen.pid;
    let user = seen.chain.first().map_or(0, |user| user.ino);
    if who.pid == pid {
        return (Reach::Yes, "it is itself".into(), None);
    }
    let undumpable = seen.owner.is_some_and(|owner| owner != seen.uids.effective);
    let ptrace = right(facts, &seen.chain, Capability::SysPtrace);
    if let Right::Has(how) = &ptrace {
        // The right is needed where its program was started, and root of that place is whose its files are.
        let started_here = seen.owner == seen.root || who.namespaces[Kind::User] == facts.view;
        return match undumpable && !started_here {
            false => (Reach::Yes, how.told(Capability::SysPtrace), None),
            true if who.namespaces[Kind::User] == user => (
                Reach::No,
                format!("process {pid} is not dumpable, and CAP_SYS_PTRACE counts where its program was started, above"),
                Some("run it with CAP_SYS_PTRACE in the user namespace above, or hand it a descriptor of the namespace".into()),
            ),
            true => (
                Reach::Unknown,
                format!("process {pid} is not dumpable, and where its program was started is not seen"),
                None,
            ),
        };
    }
    let unknown = |why: String| (Reach::Unknown, why, None);
    if ptrace == Right::Unknown {
        return unknown(format!(
            "whether it has CAP_SYS_PTRACE in {} is not seen from here",
            name(Kind::User, user)
        ));
    }
    let help = |also: &str| {
        let where_ = lacking(facts, &seen.chain, Capability::SysPtrace).1;
        Some(format!(
            "{also}run it with CAP_SYS_PTRACE in {where_}, or hand it a descriptor of the namespace"
        ))
    };
    let (Some(uids), Some(gids)) = (who.uids, who.gids) else {
        return unknown("its ids are not seen".into());
    };
    let as_user = format!("run it as user {}; or ", seen.uids.effective);
    for (what, theirs, ours, also) in
        [("user ids", seen.uids, uids.fs, as_user.as_str()), ("group ids", seen.gids, gids.fs, "")]
    {
        match is_one(theirs, ours, facts.no_id) {
            Some(true) => {}
            None => {
                return unknown(format!("{what} that have no number here cannot be told from each other"));
            }
            Some(false) => {
                let Ids { real, effective, saved, .. } = theirs;
                return (
                    Reach::No,
                    format!(
                        "process {pid} has the {what} {real}, {effective}, {saved} (real, effective, saved), it has {ours}, \
                            and no CAP_SYS_PTRACE in {}",
                        name(Kind::User, user)
                    ),
                    help(also),
                );
            }
        }
    }
    if undumpable {
        return (
            Reach::No,
            format!(
                "process {pid} is not dumpable, and it has no CAP_SYS_PTRACE in {}",
                name(Kind::User, user)
            ),
            help(""),
        );
    }
    if who.namespaces[Kind::User] != user {
        return (
            Reach::No,
            format!("process {pid} is in {}, and it has no CAP_SYS_PTRACE there", name(Kind::User, user)),
            help(""),
        );
    }
    if is_stronger(seen, who) {
        return (
            Reach::No,
            format!("process {pid} may have capabilities that it has not, and it has no CAP_SYS_PTRACE"),
            help(""),
        );
    }
    if seen.root == Some(seen.uids.effective) {
        return unknown(format!("whether process {pid} is dumpable cannot be told of what is root's"));
    }
    (
        Reach::Yes,
        "the same user and groups, in the same user namespace, and no more capabilities".into(),
        None,
    )
}

/// Are these ids all this one? None where they may be others that have no number here.
fn is_one(theirs: Ids, ours: u32, no_id: Option<u32>) -> Option<bool> {
    let same = [theirs.real, theirs.effective, theirs.saved] == [ours; 3];
    if same && no_id == Some(ours) { None } else { Some(same) }
}

fn is_stronger(seen: &Seen, who: &Who) -> bool {
    seen.permitted & !who.effective != 0
}
