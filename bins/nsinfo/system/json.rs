//! What is told of the system, as JSON.

use common::cgroup::group::Version;
use common::error::{Error, Result};
use common::kind::Kind;
use common::ns::features::{Answer, Feature};
use common::proc::credentials::{Rights, capability_names};
use common::proc::idmap::IdMap;
use common::proc::subids::Subids;
use common::tool::json::Value;

use super::super::sections::user::range_json;
use super::super::sections::{list, or_null, text, yes};
use super::super::subject::of;
use super::{Helper, Hierarchy, System, short};

impl System {
    /// As JSON: what is not known is null.
    pub(crate) fn json(&self) -> Value {
        let mut unreadable = Vec::new();
        let mut failed = |key: &str, error: Option<&Error>| {
            if let Some(e) = error {
                unreadable.push(Value::Object(vec![("key", text(key)), ("reason", text(e.to_string()))]));
            }
        };
        failed("kernel", self.kernel.as_ref().err());
        failed("kernel.boot_id", self.boot.as_ref().err());
        failed("types.here", self.ours.as_ref().err());
        for (kind, limit) in &self.limits {
            failed(&format!("types.{kind}.limit"), limit.as_ref().err());
        }
        failed("types.made", self.making.as_ref().err());
        for (sysctl, value) in &self.sysctls {
            failed(&format!("settings.{}", short(sysctl.name)), value.as_ref().err());
        }
        failed("security.modules", self.modules.as_ref().err());
        failed("security.selinux", self.selinux.as_ref().err());
        failed("security.apparmor", self.apparmor.as_ref().err());
        failed("security.proc_options", self.hides.as_ref().err());
        failed("cgroups", self.hierarchies.as_ref().err());
        for hierarchy in self.hierarchies.iter().flatten() {
            failed("cgroups.hierarchies.controllers", hierarchy.controllers.as_ref().err());
            failed("cgroups.hierarchies.own", hierarchy.own.as_ref().err());
        }
        for (_, why) in &self.closed {
            failed("cgroups.hierarchies", Some(why));
        }
        failed("cgroups.kill", self.group_kill.as_ref().err());
        failed("features", self.features.as_ref().err());
        failed("rights", self.rights.as_ref().err());
        failed("rights.uid_map", self.users.as_ref().err());
        failed("rights.gid_map", self.groups.as_ref().err());
        for helper in &self.helpers {
            failed(&format!("helpers.{}", helper.name), helper.program.as_ref().err());
        }
        Value::Object(vec![
            ("nskit", text(env!("CARGO_PKG_VERSION"))),
            (
                "kernel",
                or_null(&self.kernel, |kernel| {
                    Value::Object(vec![
                        ("release", text(kernel.release.as_slice())),
                        ("version", text(kernel.version.as_slice())),
                        ("machine", text(kernel.machine.as_slice())),
                        ("boot_id", value(&self.boot)),
                    ])
                }),
            ),
            ("types", Value::Object(Kind::all().map(|kind| (kind.name(), self.kind_json(kind))).collect())),
            (
                "settings",
                list(&self.sysctls, |(sysctl, held)| {
                    let restricts =
                        held.as_ref().ok().and_then(Option::as_ref).map(|value| (sysctl.restricts)(value));
                    Value::Object(vec![
                        ("name", text(short(sysctl.name))),
                        ("value", value(held)),
                        ("restricts", yes(restricts)),
                    ])
                }),
            ),
            (
                "security",
                Value::Object(vec![
                    ("modules", value(&self.modules)),
                    ("selinux", value(&self.selinux)),
                    ("apparmor", value(&self.apparmor)),
                    ("proc_options", or_null(&self.hides, |words| text(words.join(&b',')))),
                ]),
            ),
            (
                "cgroups",
                Value::Object(vec![
                    ("layout", self.layout().map_or(Value::Null, text)),
                    ("kill", self.group_kill.as_ref().map_or(Value::Null, |has| yes(*has))),
                    ("hierarchies", or_null(&self.hierarchies, |all| list(all, hierarchy_json))),
                ]),
            ),
            (
                "features",
                or_null(&self.features, |all| list(all, |(feature, answer)| feature_json(feature, *answer))),
            ),
            ("rights", self.rights_json()),
            ("helpers", list(&self.helpers, helper_json)),
            ("unreadable", Value::List(unreadable)),
        ])
    }

    fn kind_json(&self, kind: Kind) -> Value {
        let making = self.making.as_ref().ok().map(|making| making[kind]);
        let in_user = making.and_then(|making| making.in_user);
        let alone = making.and_then(|making| making.alone).map(|errno| format!("{errno:?}"));
        let inside = in_user.flatten().map(|errno| format!("{errno:?}"));
        Value::Object(vec![
            ("here", self.ours.as_ref().map_or(Value::Null, |ours| Value::Bool(ours[kind] != 0))),
            ("since", text(kind.row().since)),
            ("limit", self.limit(kind).map_or(Value::Null, value)),
            ("made", yes(making.map(|making| making.alone.is_none()))),
            ("made_error", alone.map_or(Value::Null, text)),
            ("made_in_user", yes(in_user.map(|refused| refused.is_none()))),
            ("made_in_user_error", inside.map_or(Value::Null, text)),
        ])
    }

    fn rights_json(&self) -> Value {
        let rights = self.rights.as_ref().ok();
        let set = |of: fn(&Rights) -> Option<u64>| {
            let names = |set: u64| {
                (0..u64::BITS)
                    .filter(|bit| set >> bit & 1 == 1)
                    .map(|bit| text(capability_names(1 << bit)))
                    .collect()
            };
            rights.and_then(of).map_or(Value::Null, |set| Value::List(names(set)))
        };
        let map = |map: &Result<IdMap>| or_null(map, |map| list(&map.ranges, range_json));
        Value::Object(vec![
            ("uid", Value::Number(self.ids.0.into())),
            ("gid", Value::Number(self.ids.1.into())),
            ("user_ns", Value::number(of(&self.ours, Kind::User))),
            ("initial", yes(self.is_initial())),
            ("uid_map", map(&self.users)),
            ("gid_map", map(&self.groups)),
            ("effective", set(|rights| rights.effective)),
            ("bounding", set(|rights| rights.bounding)),
            ("no_new_privs", yes(rights.and_then(|rights| rights.no_new_privs))),
            ("seccomp_filter", yes(rights.and_then(|rights| rights.filtered))),
        ])
    }
}

/// A setting: a number where it is one.
fn value(held: &Result<Option<Vec<u8>>>) -> Value {
    match held {
        Ok(Some(bytes)) => match common::text::digits::<u64>(bytes) {
            Some(number) => Value::Number(number),
            None => text(bytes.as_slice()),
        },
        _ => Value::Null,
    }
}

fn hierarchy_json(hierarchy: &Hierarchy) -> Value {
    let controllers = hierarchy.controllers.as_ref().map(|names| names.join(&b','));
    let own = hierarchy.own.as_ref().ok();
    Value::Object(vec![
        ("version", Value::Number(if hierarchy.version == Version::V1 { 1 } else { 2 })),
        ("point", text(hierarchy.point.as_slice())),
        ("controllers", controllers.map_or(Value::Null, text)),
        ("own", own.map_or(Value::Null, |(path, _)| text(path.as_slice()))),
        ("delegated", yes(own.map(|(_, delegated)| *delegated))),
    ])
}

fn feature_json(feature: &Feature, answer: Answer) -> Value {
    let (word, errno) = match answer {
        Answer::Yes => ("yes", None),
        Answer::No(errno) => ("no", Some(errno)),
        Answer::Refused(errno) => ("refused", Some(errno)),
        Answer::Unknown(errno) => ("unknown", Some(errno)),
    };
    Value::Object(vec![
        ("name", text(feature.name)),
        ("since", text(feature.since)),
        ("here", text(word)),
        ("error", errno.map_or(Value::Null, |errno| text(format!("{errno:?}")))),
    ])
}

fn helper_json(helper: &Helper) -> Value {
    let program = helper.program.as_ref().ok().and_then(Option::as_ref);
    let path = program.map(|program| std::os::unix::ffi::OsStrExt::as_bytes(program.path.as_os_str()));
    let range = |ids: &Subids| {
        Value::Object(vec![
            ("start", Value::Number(ids.start.into())),
            ("count", Value::Number(ids.count.into())),
        ])
    };
    Value::Object(vec![
        ("name", text(helper.name)),
        ("path", path.map_or(Value::Null, text)),
        ("setuid_root", yes(program.map(|program| program.as_root))),
        ("file_capabilities", yes(program.map(|program| program.with_capabilities))),
        ("subids", list(&helper.subids, range)),
    ])
}
