//! Where mount events go to and come from: the mounts of a peer group and its slaves, in every mount namespace that a
//! process shows. Source: mount_namespaces(7).

use std::collections::{BTreeMap, BTreeSet};

use super::Table;
use crate::error::{Error, Result};
use crate::kind::{Kind, KindSet};
use crate::proc::{Proc, Task};

/// So many mounts are remembered.
const MOST: usize = 200_000;

/// A mount in some namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its id in mountinfo.
    pub id: u64,
    /// Its mount point, below the root of the process.
    pub point: Vec<u8>,
    /// Which of [`Groups::seers`] sees it.
    pub seer: usize,
}

/// A process through which a mount namespace was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seer {
    /// Its PID.
    pub pid: i32,
    /// The inode number of its mount namespace; none where we may not see that.
    pub ns: Option<u64>,
    /// Is it what is looked at?
    pub is_it: bool,
}

/// Peer groups with their mounts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Groups {
    /// Through whom.
    pub seers: Vec<Seer>,
    /// The mounts that share events in a group, those of the thing that is looked at first.
    pub peers: BTreeMap<u64, Vec<Member>>,
    /// Those that receive the events of a group, and do not send any to it.
    pub slaves: BTreeMap<u64, Vec<Member>>,
    /// How many processes there are whose mounts could not be read, and of whose namespace nobody else's could.
    pub unreadable: usize,
    /// Were there more mounts than are remembered?
    pub cut: bool,
}

/// Finds who is in a group with these mounts, or in one that they receive events from, or receives theirs. `task` is whose
/// mounts they are, where it is a process.
pub fn of(proc: &Proc, table: &Table, task: Option<&Task>) -> Result<Groups> {
    let mut search = Search::default();
    for mount in table.iter() {
        search.sent.extend(mount.peer_group);
        search.wanted.extend([mount.peer_group, mount.master].into_iter().flatten());
    }
    if search.wanted.is_empty() {
        return Ok(search.groups);
    }
    let kind = KindSet::from_iter([Kind::Mnt]);
    let of = |task: &Task| task.namespaces(kind).ok().map(|of| of[Kind::Mnt]).filter(|&ns| ns != 0);
    let ns = task.and_then(of);
    search.add(table, Seer { pid: task.map_or(0, |task| task.pid), ns, is_it: true });
    // Who is in a chroot does not see all of its namespace.
    let sees_all = table.iter().any(|mount| mount.point == b"/");
    let mut seen: BTreeSet<(bool, u64)> = ns.filter(|_| sees_all).map(|ns| (true, ns)).into_iter().collect();
    let mut closed: BTreeSet<(bool, u64)> = BTreeSet::new();
    for pid in proc.pids()? {
        let Ok(other) = proc.task(pid) else { continue };
        // Where we may not see its namespace, mounts still tell it from others.
        let key = match other.namespaces(kind) {
            Ok(of) if of[Kind::Mnt] == 0 => continue,
            Ok(of) => (true, of[Kind::Mnt]),
            Err(e) if e.is_gone() => continue,
            Err(_) => match other.mark(Kind::Mnt) {
                Ok(Some(mark)) => (false, mark),
                Ok(None) => continue,
                Err(e) if e.is_our_own() => return Err(e),
                Err(_) => {
                    search.groups.unreadable += 1;
                    continue;
                }
            },
        };
        if seen.contains(&key) {
            continue;
        }
        match Table::of(&other) {
            Ok(table) => {
                let ns = key.0.then_some(key.1);
                search.add(&table, Seer { pid, ns, is_it: false });
                if table.iter().any(|mount| mount.point == b"/") {
                    seen.insert(key);
                    closed.remove(&key);
                }
            }
            Err(e) if e.is_our_own() => return Err(e),
            // A zombie, or one that just ended.
            Err(e) if e.is_gone() || matches!(e, Error::Refused { .. }) => {}
            Err(_) => {
                closed.insert(key);
            }
        }
    }
    search.groups.unreadable += closed.len();
    Ok(search.groups)
}

#[derive(Default)]
struct Search {
    /// The groups that are asked for, and those of them to which the mounts themselves send events.
    wanted: BTreeSet<u64>,
    sent: BTreeSet<u64>,
    /// The ids of mounts that are there: a namespace can be seen twice.
    known: BTreeSet<u64>,
    groups: Groups,
}

impl Search {
    fn add(&mut self, table: &Table, seer: Seer) {
        let number = self.groups.seers.len();
        let mut used = seer.is_it;
        for mount in table.iter() {
            let peer_of = mount.peer_group.filter(|group| self.wanted.contains(group));
            let slave_of = mount.master.filter(|group| self.sent.contains(group));
            if peer_of.or(slave_of).is_none() {
                continue;
            }
            if self.known.len() >= MOST {
                self.groups.cut = true;
                break;
            }
            if !self.known.insert(mount.id) {
                continue;
            }
            used = true;
            let member = || Member { id: mount.id, point: mount.point.to_vec(), seer: number };
            peer_of.iter().for_each(|group| self.groups.peers.entry(*group).or_default().push(member()));
            slave_of.iter().for_each(|group| self.groups.slaves.entry(*group).or_default().push(member()));
        }
        if used {
            self.groups.seers.push(seer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_gathered_by_group_and_once() {
        let table = |text: &str| Table::parse(text.as_bytes().to_vec());
        let mut search = Search { wanted: [3, 4].into(), sent: [3].into(), ..Search::default() };
        let it = Seer { pid: 7, ns: None, is_it: true };
        search.add(&table("7 1 0:5 / / rw shared:3 master:4 - t n rw\n8 7 0:5 / /x rw - t n rw\n"), it);
        let other = Seer { pid: 9, ns: Some(5), is_it: false };
        let text = "\
            7 1 0:5 / /old rw shared:3 - t n rw\n\
            20 1 0:5 / /a rw shared:3 - t n rw\n\
            21 1 0:5 / /b rw shared:4 - t n rw\n\
            22 1 0:5 / /c rw master:3 - t n rw\n\
            23 1 0:5 / /d rw master:4 - t n rw\n\
            24 1 0:5 / /e rw shared:9 - t n rw\n";
        search.add(&table("30 1 0:5 / /a rw shared:8 - t n rw\n"), Seer { pid: 8, ns: None, is_it: false });
        search.add(&table(text), other);
        let groups = search.groups;
        assert_eq!(groups.seers, [it, other]);
        let told = |members: &BTreeMap<u64, Vec<Member>>, group: u64| {
            let members = members.get(&group).into_iter().flatten();
            members.map(|member| (member.id, member.seer)).collect::<Vec<_>>()
        };
        assert_eq!(told(&groups.peers, 3), [(7, 0), (20, 1)]);
        assert_eq!(told(&groups.peers, 4), [(21, 1)]);
        assert_eq!(told(&groups.slaves, 3), [(22, 1)]);
        assert_eq!(told(&groups.slaves, 4), []);
    }
}
