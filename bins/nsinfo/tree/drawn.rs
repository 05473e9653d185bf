//! The tree in lines: which stands below which.

use std::collections::{BTreeMap, BTreeSet};

use common::kind::Kind;
use common::ns::scan::Namespace;
use common::tool::table::forest;

use super::super::sections::namespace::is_initial;
use super::{Tree, Wanted};

/// A line of the tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Node {
    /// By its place among the processes.
    Process(usize),
    /// So many threads of the kernel.
    Kernel(usize),
    /// A pid namespace; in the branch of a user namespace that does not own it, if `foreign`.
    Pid {
        ino: u64,
        foreign: bool,
    },
    User(u64),
    /// Stands for the namespaces above that we may not see.
    Above,
}

/// The nodes of the tree, and by place the one that each stands under.
struct Drawn {
    nodes: Vec<Node>,
    parents: Vec<Option<usize>>,
}

impl Drawn {
    fn add(&mut self, node: Node) -> usize {
        self.nodes.push(node);
        self.parents.push(None);
        self.nodes.len() - 1
    }
}

impl Tree {
    fn is_wanted(&self, node: Node) -> bool {
        self.wanted.iter().any(|wanted| match (wanted, node) {
            (Wanted::Process(pid), Node::Process(at)) => self.processes[at].pid == *pid,
            (Wanted::Namespace(Kind::User, ino), Node::User(other)) => *ino == other,
            (Wanted::Namespace(_, ino), Node::Pid { ino: other, .. }) => *ino == other,
            _ => false,
        })
    }

    fn of_kind(&self, kind: Kind) -> impl Iterator<Item = &Namespace> {
        self.snapshot.namespaces.iter().filter(move |ns| ns.kind == kind)
    }

    pub(super) fn owner(&self, ino: u64) -> Option<u64> {
        self.snapshot.namespace(ino)?.owner
    }

    /// Everything, each below what it belongs to: what stands below one comes in this order.
    fn draw(&self) -> Drawn {
        let mut drawn = Drawn { nodes: Vec::new(), parents: Vec::new() };
        // Where each process goes: below the branch of its user namespace, and there of its pid namespace.
        let mut places: Vec<(usize, (u64, u64))> = Vec::new();
        let mut of_kernel: BTreeMap<(u64, u64), usize> = BTreeMap::new();
        let is_counted = |at: usize| self.processes[at].of_kernel && !self.is_wanted(Node::Process(at));
        let place = |at: usize| (self.processes[at].user, self.processes[at].within);
        let (counted, named): (Vec<_>, Vec<_>) = (0..self.processes.len()).partition(|at| is_counted(*at));
        counted.into_iter().for_each(|at| *of_kernel.entry(place(at)).or_default() += 1);
        for (place, count) in of_kernel {
            places.push((drawn.add(Node::Kernel(count)), place));
        }
        places.extend(named.into_iter().map(|at| (drawn.add(Node::Process(at)), place(at))));
        let mut branches: BTreeMap<(u64, u64), usize> = BTreeMap::new();
        for ns in self.of_kind(Kind::Pid) {
            // Where the owner is out of our sight, so is the branch.
            let node = drawn.add(Node::Pid { ino: ns.id.ino, foreign: false });
            branches.insert((ns.owner.unwrap_or(0), ns.id.ino), node);
        }
        for (at, (user, within)) in places {
            let foreign = Node::Pid { ino: within, foreign: true };
            let branch = *branches.entry((user, within)).or_insert_with(|| drawn.add(foreign));
            drawn.parents[at] = Some(branch);
        }
        let users: BTreeMap<u64, usize> =
            self.of_kind(Kind::User).map(|ns| (ns.id.ino, drawn.add(Node::User(ns.id.ino)))).collect();
        let mut above = None;
        let mut put_above = |drawn: &mut Drawn| *above.get_or_insert_with(|| drawn.add(Node::Above));
        for (&(user, ino), &node) in &branches {
            let parent = self.snapshot.namespace(ino).and_then(|ns| ns.parent);
            let is_own = self.owner(ino).unwrap_or(0) == user;
            let below = parent.and_then(|parent| branches.get(&(user, parent))).filter(|_| is_own);
            drawn.parents[node] = match (below, users.get(&user)) {
                (Some(parent), _) => Some(*parent),
                (None, Some(user)) => Some(*user),
                (None, None) => Some(put_above(&mut drawn)),
            };
        }
        for ns in self.of_kind(Kind::User) {
            let parent = ns.parent.or(ns.owner).and_then(|parent| users.get(&parent));
            let is_first = is_initial(&self.initial, Kind::User, ns.id.ino) == Some(true);
            drawn.parents[users[&ns.id.ino]] = match parent {
                Some(parent) => Some(*parent),
                None if is_first => None,
                None => Some(put_above(&mut drawn)),
            };
        }
        drawn
    }

    /// The lines in the order of the tree, each with its depth: where something is wanted, it, what leads to it, and what is
    /// below.
    pub(super) fn lines(&self) -> Vec<(usize, Node)> {
        let Drawn { nodes, parents } = self.draw();
        let order = forest(&parents);
        let mut shown = BTreeSet::new();
        let mut below = None;
        for &(depth, at) in &order {
            // In this order all that is below one comes right behind it.
            below = below.filter(|of| depth > *of);
            if below.is_some() || self.wanted.is_empty() || self.is_wanted(nodes[at]) {
                below.get_or_insert(depth);
                let mut next = Some(at);
                while let Some(at) = next.filter(|at| shown.insert(*at)) {
                    next = parents[at];
                }
            }
        }
        order.into_iter().filter(|(_, at)| shown.contains(at)).map(|(depth, at)| (depth, nodes[at])).collect()
    }
}
