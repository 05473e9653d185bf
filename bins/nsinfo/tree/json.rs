//! The tree as JSON.

use common::kind::Kind;
use common::tool::json::Value;

use super::super::sections::namespace::is_initial;
use super::super::sections::{list, text, user::range_json, yes};
use super::super::subject::{of, same};
use super::Tree;
use super::drawn::Node;

impl Tree {
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
