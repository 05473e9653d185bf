//! The tree for people.

use common::kind::Kind;
use common::proc::idmap::Range;
use common::tool::paint::Paint;
use common::tool::table::{Cell, Column, Form, Shape, Style, render};

use super::super::page::Page;
use super::super::sections::namespace::is_initial;
use super::super::subject::{of, same};
use super::Tree;
use super::drawn::Node;

/// So many ranges of a map are shown to people.
const RANGES: usize = 2;

impl Tree {
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

    pub(super) fn creator(&self, ino: u64) -> Option<u32> {
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
