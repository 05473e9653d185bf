//! Who else is in the peer groups of mounts, for people.

use std::collections::BTreeMap;

use common::proc::mounts::peers::{Groups, Member};
use common::tool::paint::Paint;

use super::super::super::page::Page;
use super::Seen;
use super::json::{peers, slaves};

/// Of the mounts in a peer group so many are named.
const NAMED: usize = 4;

impl Seen {
    pub(super) fn peers(&self, page: &mut Page, groups: &Groups) {
        // Of each group: are these mounts in it, do they receive its events?
        let mut mine: BTreeMap<u64, (bool, bool)> = BTreeMap::new();
        for mount in self.table.iter() {
            mount.peer_group.iter().for_each(|group| mine.entry(*group).or_default().0 = true);
            mount.master.iter().for_each(|group| mine.entry(*group).or_default().1 = true);
        }
        for (group, (is_peer, _)) in mine {
            let members = peers(groups, group);
            let mut words = named(page, groups, members);
            // The others can be in a mount namespace without processes, or one that we may not see.
            match (is_peer, &mut words[..]) {
                (_, []) => words.push("shared by nobody that is seen".into()),
                (true, [one]) => *one = format!("shared by {one} alone, as far as is seen"),
                (_, [first, ..]) => *first = format!("shared by {first}"),
            }
            page.flow(&format!("group {group}"), &words, Paint::Plain);
            let mut words = if is_peer { named(page, groups, slaves(groups, group)) } else { Vec::new() };
            if let [first, ..] = &mut words[..] {
                *first = format!("received by {first}");
                page.flow("", &words, Paint::Plain);
            }
        }
        if groups.unreadable > 0 {
            page.remark(&format!("processes whose mounts could not be read: {}", groups.unreadable));
        }
        if groups.cut {
            page.remark("there are more in these groups than are looked at");
        }
    }
}

/// Some mounts of a group by their points, and through whom they are seen.
fn named(page: &Page, groups: &Groups, members: &[Member]) -> Vec<String> {
    let mut words: Vec<String> = members
        .iter()
        .take(NAMED)
        .map(|member| {
            let seer = groups.seers[member.seer];
            let point = page.show(&member.point);
            if seer.is_it { point } else { format!("{point} of {}", seer.pid) }
        })
        .collect();
    if members.len() > NAMED {
        words.push(format!("{} more", members.len() - NAMED));
    }
    words
}
