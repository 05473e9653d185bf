//! `--tree`: user namespaces below each other, in each the pid namespaces that it owns, and in those the processes.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use common::error::{Error, Result, or_none};
use common::kind::{Kind, KindMap, KindSet};
use common::ns::initial::initial;
use common::ns::refer::Sight;
use common::ns::scan::{self, Depth, Namespace, Snapshot, Want};
use common::proc::idmap::{IdMap, Range};
use common::proc::status::Status;
use common::proc::{Proc, Task};
use common::tool::json::Value;
use common::tool::paint::Paint;
use common::tool::table::{Cell, Column, Form, Shape, Style, forest, render};

use super::page::Page;
use super::sections::namespace::is_initial;
use super::sections::{list, text, user::range_json, yes};
use super::subject::{of, same};

/// So many ranges of a map are shown to people.
const RANGES: usize = 2;

/// One process.
#[derive(Clone, Debug)]
pub(crate) struct Process {
    pub(crate) pid: i32,
    /// Its PIDs, from the pid namespace of this /proc down to its own.
    pub(crate) pids: Vec<i32>,
    /// The inode numbers of its user and pid namespaces.
    pub(crate) user: u64,
    pub(crate) within: u64,
    /// The command line, or the name where that is empty.
    pub(crate) command: Vec<u8>,
    pub(crate) of_kernel: bool,
    pub(crate) has_ended: bool,
}

/// What only one of these is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    Process(i32),
    Namespace(Kind, u64),
}

/// All that is known: plain data.
pub(crate) struct Tree {
    pub(crate) processes: Vec<Process>,
    pub(crate) snapshot: Snapshot,
    /// The maps of user ids, where a process shows them.
    pub(crate) maps: BTreeMap<u64, IdMap>,
    pub(crate) initial: Result<KindMap<u64>>,
    pub(crate) ours: Result<KindMap<u64>>,
    /// How many processes do not show their namespaces.
    pub(crate) hidden: usize,
    pub(crate) wanted: Vec<Wanted>,
}

/// A line of the tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Node {
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

impl Tree {
    pub(crate) fn take(proc: &Proc, sights: &[Sight]) -> Result<Tree> {
        let wanted = sights.iter().map(wanted).collect::<Result<Vec<_>>>()?;
        let (mut processes, mut hidden) = (Vec::new(), 0);
        for pid in proc.pids()? {
            match proc.task(pid).and_then(|task| Process::of(&task)) {
                Ok(process) => processes.push(process),
                Err(e) if e.is_gone() => {}
                Err(e) if e.is_our_own() => return Err(e),
                Err(_) => hidden += 1,
            }
        }
        let kinds = [Kind::User, Kind::Pid].into_iter().collect();
        let want = Want { depth: Depth::Deep, relations: true, ..Want::least(kinds) };
        let mut snapshot = scan::take(proc, &want)?;
        snapshot.namespaces.retain(|ns| matches!(ns.kind, Kind::User | Kind::Pid));
        // Others have ended meanwhile.
        let is_there = |ino| ino != 0 && snapshot.namespace(ino).is_some();
        processes.retain(|process| is_there(process.user) && is_there(process.within));
        let mut maps = BTreeMap::new();
        for process in &processes {
            if let Entry::Vacant(place) = maps.entry(process.user) {
                let map = proc.task(process.pid).and_then(|task| IdMap::of_users(&task));
                or_none(map.map(Some))?.map(|map| place.insert(map));
            }
        }
        let ours = proc.this().and_then(|us| us.namespaces(KindSet::all()));
        let tree = Tree { processes, snapshot, maps, initial: initial(proc), ours, hidden, wanted };
        if let Some(missing) = tree.wanted.iter().find(|wanted| !tree.knows(**wanted)) {
            return Err(Error::refused(match missing {
                Wanted::Process(pid) => format!("process {pid} does not show in which namespaces it is"),
                Wanted::Namespace(kind, ino) => format!("nothing shows where {kind}:[{ino}] is"),
            }));
        }
        Ok(tree)
    }

    fn knows(&self, wanted: Wanted) -> bool {
        match wanted {
            Wanted::Process(pid) => self.processes.iter().any(|process| process.pid == pid),
            Wanted::Namespace(_, ino) => self.snapshot.namespace(ino).is_some(),
        }
    }
}

/// What a reference names here. Of a namespace of another kind it is the user namespace that owns it.
fn wanted(sight: &Sight) -> Result<Wanted> {
    match sight {
        Sight::Task(task) => {
            let status = Status::of(task).map_err(|e| task.or_gone(e))?;
            Ok(Wanted::Process(status.process))
        }
        Sight::Namespace(ns) if matches!(ns.kind, Kind::User | Kind::Pid) => {
            Ok(Wanted::Namespace(ns.kind, ns.id()?.ino))
        }
        Sight::Namespace(ns) => match ns.owner()? {
            Some(owner) => Ok(Wanted::Namespace(owner.kind, owner.id()?.ino)),
            None => Err(Error::refused([b"the owner is out of our sight: ", &ns.name[..]].concat())),
        },
    }
}

impl Process {
    fn of(task: &Task) -> Result<Process> {
        let inodes = task.namespaces([Kind::User, Kind::Pid].into_iter().collect())?;
        let status = Status::of(task)?;
        let command = task.command_line()?;
        // Only those without a command line can be what follows.
        let stat = if command.is_empty() { Some(task.stat()?) } else { None };
        let has_ended = stat.as_ref().is_some_and(|stat| stat.has_ended) && task.threads()?.is_empty();
        let of_kernel = stat.as_ref().is_some_and(|stat| stat.of_kernel);
        Ok(Process {
            pid: task.pid,
            // An old kernel tells only one.
            pids: if status.pids.is_empty() { vec![task.pid] } else { status.pids },
            user: inodes[Kind::User],
            within: inodes[Kind::Pid],
            command: stat.map_or(command, |stat| stat.comm),
            of_kernel,
            has_ended,
        })
    }
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

    fn owner(&self, ino: u64) -> Option<u64> {
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
    fn lines(&self) -> Vec<(usize, Node)> {
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

    /// A line for people.
    fn spelled(&self, node: Node) -> Vec<u8> {
        match node {
            Node::Process(at) => {
                let process = &self.processes[at];
                let pids: Vec<_> = process.pids.iter().map(i32::to_string).collect();
                let ended = if process.has_ended { " (has ended)" } else { "" };
                [pids.join("/").as_bytes(), b" ", &process.command, ended.as_bytes()].concat()
            }
            Node::Kernel(1) => b"1 thread of the kernel".into(),
            Node::Kernel(count) => format!("{count} threads of the kernel").into(),
            Node::Pid { ino, foreign } => {
                let ns = self.snapshot.namespace(ino);
                let mut line = format!("{}:[{ino}]{}", Kind::Pid, self.marks(Kind::Pid, ino));
                let (owner, parent) = (ns.and_then(|ns| ns.owner), ns.and_then(|ns| ns.parent));
                let outside = || "a user namespace out of our sight".to_string();
                let spelled = |kind: Kind| move |ino: u64| format!("{kind}:[{ino}]");
                if foreign {
                    line += &format!(" of {}", owner.map_or_else(outside, spelled(Kind::User)));
                } else if let Some(parent) = parent.filter(|parent| self.owner(*parent) != owner) {
                    line += &format!(" below {}", spelled(Kind::Pid)(parent));
                }
                line.into()
            }
            Node::User(ino) => {
                let mut line = format!("{}:[{ino}]{}", Kind::User, self.marks(Kind::User, ino));
                let is_first = is_initial(&self.initial, Kind::User, ino) == Some(true);
                if let Some(uid) = self.creator(ino).filter(|_| !is_first) {
                    line += &format!(" made by uid {uid}");
                }
                match self.maps.get(&ino) {
                    Some(map) if map.ranges.is_empty() => line += ", no ids mapped",
                    Some(map) if !map.is_identity() => line += &format!(", uid {}", short(&map.ranges)),
                    _ => {}
                }
                line.into()
            }
            Node::Above => b"namespaces above: not visible to us".into(),
        }
    }

    fn creator(&self, ino: u64) -> Option<u32> {
        self.snapshot.namespace(ino)?.owner_uid
    }

    fn marks(&self, kind: Kind, ino: u64) -> &'static str {
        let ours = same(Some(ino), of(&self.ours, kind));
        match (is_initial(&self.initial, kind, ino), ours) {
            (Some(true), Some(true)) => " initial, ours",
            (Some(true), _) => " initial",
            (_, Some(true)) => " ours",
            _ => "",
        }
    }

    fn look(&self, node: Node) -> Paint {
        let initial = |kind, ino| is_initial(&self.initial, kind, ino) == Some(true);
        match node {
            Node::Process(_) => Paint::Plain,
            Node::Kernel(_) | Node::Above => Paint::Dim,
            Node::Pid { ino, .. } if initial(Kind::Pid, ino) => Paint::Dim,
            Node::User(ino) if initial(Kind::User, ino) => Paint::Dim,
            Node::Pid { .. } | Node::User(_) => Paint::Bright,
        }
    }

    /// For people.
    pub(crate) fn page(&self, page: &mut Page) {
        let lines = self.lines();
        let style = Style {
            form: Form::Human,
            headings: false,
            charset: page.charset,
            width: page.width,
            tree: Some(0),
            wrap: false,
            key: "",
            facts: Vec::new(),
            below: Vec::new(),
            paint: page.colour.then(|| lines.iter().map(|(_, node)| self.look(*node)).collect()),
        };
        let rows: Vec<_> = lines.iter().map(|(depth, node)| (*depth, node)).collect();
        page.out.push_str(&render(self, &[&LINE], &rows, &style));
        match self.hidden {
            0 => {}
            1 => page.out.push_str("not shown: 1 process that does not show its namespaces to us\n"),
            count => page
                .out
                .push_str(&format!("not shown: {count} processes that do not show their namespaces to us\n")),
        }
    }

    /// As JSON: each with what is below.
    pub(crate) fn json(&self) -> Vec<(&'static str, Value)> {
        let lines = self.lines();
        let mut at = 0;
        let mut roots = Vec::new();
        while at < lines.len() {
            roots.push(self.value(&lines, &mut at));
        }
        vec![("tree", Value::List(roots)), ("hidden", Value::Number(self.hidden as u64))]
    }

    /// The object of a line and all that are below it.
    fn value(&self, lines: &[(usize, Node)], at: &mut usize) -> Value {
        let (depth, node) = lines[*at];
        *at += 1;
        let (mut processes, mut kernel, mut pids, mut users) = (Vec::new(), 0, Vec::new(), Vec::new());
        while let Some((deeper, below)) = lines.get(*at).copied().filter(|(deeper, _)| *deeper > depth) {
            debug_assert!(deeper == depth + 1);
            match below {
                Node::Kernel(count) => {
                    kernel += count as u64;
                    *at += 1;
                }
                Node::Process(_) => processes.push(self.value(lines, at)),
                Node::Pid { .. } => pids.push(self.value(lines, at)),
                Node::User(_) | Node::Above => users.push(self.value(lines, at)),
            }
        }
        let whose = |kind: Kind, ino: u64| {
            [
                ("initial", yes(is_initial(&self.initial, kind, ino))),
                ("ours", yes(same(Some(ino), of(&self.ours, kind)))),
            ]
        };
        let mut members = Vec::new();
        match node {
            Node::Process(place) => {
                let process = &self.processes[place];
                members.extend([
                    ("pids", list(&process.pids, |pid| Value::Number(pid.unsigned_abs().into()))),
                    ("command", text(process.command.as_slice())),
                    ("ended", Value::Bool(process.has_ended)),
                ]);
                return Value::Object(members);
            }
            Node::Kernel(_) => {}
            Node::Pid { ino, foreign } => {
                let ns = self.snapshot.namespace(ino);
                members.extend([("type", text(Kind::Pid.name())), ("ns", Value::Number(ino))]);
                members.extend(whose(Kind::Pid, ino));
                members.extend([
                    ("owner", Value::number(ns.and_then(|ns| ns.owner))),
                    ("parent", Value::number(ns.and_then(|ns| ns.parent))),
                    ("owned_here", Value::Bool(!foreign)),
                    ("kernel_threads", Value::Number(kernel)),
                    ("processes", Value::List(processes)),
                    ("pid_namespaces", Value::List(pids)),
                ]);
            }
            Node::User(ino) => {
                let map = self.maps.get(&ino);
                members.extend([("type", text(Kind::User.name())), ("ns", Value::Number(ino))]);
                members.extend(whose(Kind::User, ino));
                members.extend([
                    ("creator", Value::number(self.creator(ino))),
                    ("uid_map", map.map_or(Value::Null, |map| list(&map.ranges, range_json))),
                    ("pid_namespaces", Value::List(pids)),
                    ("user_namespaces", Value::List(users)),
                ]);
            }
            Node::Above => members.extend([
                ("type", Value::Null),
                ("ns", Value::Null),
                ("pid_namespaces", Value::List(pids)),
                ("user_namespaces", Value::List(users)),
            ]),
        }
        Value::Object(members)
    }
}

const LINE: Column<Tree, Node> =
    Column { name: "", help: "", shape: Shape::LongText, cell: |tree, node| Cell::Text(tree.spelled(*node)) };

/// The first ranges of a map, in few words.
fn short(ranges: &[Range]) -> String {
    let span = |first: u32, count: u32| match count {
        1 => first.to_string(),
        count => format!("{first}-{}", u64::from(first) + u64::from(count) - 1),
    };
    let one = |range: &Range| {
        let outside = range.outside.map_or("none".into(), |outside| span(outside, range.count));
        format!("{} = {outside}", span(range.inside, range.count))
    };
    let mut words: Vec<_> = ranges.iter().take(RANGES).map(one).collect();
    if ranges.len() > RANGES {
        words.push(format!("{} more", ranges.len() - RANGES));
    }
    words.join(", ")
}
