//! Mounts as JSON.

use common::error::Result;
use common::proc::idmap::IdMap;
use common::proc::mounts::behind::Behind;
use common::proc::mounts::layers;
use common::proc::mounts::listed::Maps;
use common::proc::mounts::peers::{Groups, Member};
use common::proc::mounts::tree::Cover;
use common::tool::json::Value;

use super::super::{list, text};
use super::{Seen, is_idmapped};

impl Seen {
    pub(super) fn list(&self) -> Value {
        Value::List((0..self.table.len()).map(|row| self.mount(row)).collect())
    }

    fn mount(&self, row: usize) -> Value {
        let mount = self.table.get(row);
        let (major, minor) = mount.dev;
        let (hidden, by) = match self.tree.covers[row] {
            None => (false, None),
            Some(Cover::By(by)) => (true, Some(self.table.get(by).id)),
            Some(Cover::Root) => (true, None),
        };
        let source = if self.table.without_sources { Value::Null } else { text(mount.source) };
        let mut members = vec![
            ("id", Value::Number(mount.id)),
            ("parent", Value::Number(mount.parent)),
            ("dev", text(format!("{major}:{minor}"))),
            ("root", text(mount.root)),
            // What begins otherwise is no path.
            ("point", if mount.point.starts_with(b"/") { text(mount.point) } else { Value::Null }),
            ("options", text(mount.options)),
            ("propagation", text(mount.propagation())),
            ("shared", Value::number(mount.peer_group)),
            ("slave_of", Value::number(mount.master)),
            ("unbindable", Value::Bool(mount.unbindable)),
            ("type", text(mount.fs_type)),
            ("source", source),
            ("super_options", text(mount.super_options)),
            ("hidden", Value::Bool(hidden)),
            ("hidden_by", Value::number(by)),
            ("idmapped", Value::Bool(is_idmapped(&mount))),
        ];
        if mount.fs_type == b"overlay" {
            members.push((
                "layers",
                list(&layers::of(&mount), |(layer, path)| {
                    Value::Object(vec![("layer", text(layer.name())), ("path", text(path.as_slice()))])
                }),
            ));
        }
        if let Some((kind, ino)) = layers::namespace(&mount) {
            let namespace = vec![("type", text(kind.name())), ("ns", Value::Number(ino))];
            members.push(("namespace", Value::Object(namespace)));
        }
        if let Some(groups) = &self.groups {
            let groups = groups.as_ref().ok();
            let told = |members: fn(&Groups, u64) -> &[Member], group: Option<u64>| match (groups, group) {
                (Some(groups), Some(group)) => {
                    let others: Vec<_> =
                        members(groups, group).iter().filter(|member| member.id != mount.id).collect();
                    list(&others, |member| member_json(groups, member))
                }
                (Some(_), None) => Value::List(Vec::new()),
                (None, _) => Value::Null,
            };
            members.push(("peers", told(peers, mount.peer_group)));
            members.push(("masters", told(peers, mount.master)));
            members.push(("slaves", told(slaves, mount.peer_group)));
        }
        if let Some(behind) = &self.behind {
            members.extend(behind_json(behind, row));
        }
        if is_idmapped(&mount) && self.maps.is_some() {
            let maps = self.maps.as_ref().and_then(|maps| maps.as_ref().ok()?.get(&mount.id));
            let told = |map: fn(&Maps) -> &IdMap| maps.map_or(Value::Null, |maps| map_json(map(maps)));
            members.push(("uid_map", told(|maps| &maps.users)));
            members.push(("gid_map", told(|maps| &maps.groups)));
        }
        Value::Object(members)
    }
}

/// The mounts in a peer group.
pub(super) fn peers(groups: &Groups, group: u64) -> &[Member] {
    groups.peers.get(&group).map_or(&[], |members| members)
}

/// Those that receive its events.
pub(super) fn slaves(groups: &Groups, group: u64) -> &[Member] {
    groups.slaves.get(&group).map_or(&[], |members| members)
}

fn member_json(groups: &Groups, member: &Member) -> Value {
    let seer = groups.seers[member.seer];
    Value::Object(vec![
        ("id", Value::Number(member.id)),
        ("point", text(member.point.as_slice())),
        // A namespace that is looked at can be without processes.
        ("pid", Value::number(u64::try_from(seer.pid).ok().filter(|&pid| pid > 0))),
        ("ns", Value::number(seer.ns)),
    ])
}

fn behind_json(behind: &Result<Vec<Behind>>, row: usize) -> [(&'static str, Value); 2] {
    let (path, why) = match behind.as_ref().map(|all| &all[row]) {
        Ok(Behind::At(path)) => (text(path.as_slice()), "visible"),
        Ok(Behind::Deleted) => (Value::Null, "deleted"),
        Ok(Behind::Nowhere) => (Value::Null, "not_visible"),
        Err(_) => return [("host_path", Value::Null), ("host", Value::Null)],
    };
    [("host_path", path), ("host", text(why))]
}

fn map_json(map: &IdMap) -> Value {
    list(&map.ranges, |range| {
        Value::Object(vec![
            ("stored", Value::Number(range.inside.into())),
            ("shown", Value::number(range.outside)),
            ("count", Value::Number(range.count.into())),
        ])
    })
}
