//! `--system`: what this kernel and its settings offer, and what we may do: what a bug report needs. Nothing is changed.

use std::path::Path;

use common::cgroup::group::Version;
use common::cgroup::layout::Layout;
use common::error::{Error, Result};
use common::kind::{Kind, KindMap, KindSet};
use common::ns::features::{self, Answer, Feature, Making};
use common::ns::initial::initial;
use common::proc::credentials::{CAPABILITIES, Rights, capability_names, effective};
use common::proc::idmap::IdMap;
use common::proc::settings::{self, Kernel, Program};
use common::proc::subids::{Of, Subids};
use common::proc::{Proc, users};
use common::tool::json::Value;
use common::tool::paint::Paint;
use common::tool::table::{Cell, Column, Shape};

use super::page::{Page, not_readable};
use super::sections::{list, or_null, text, yes};
use super::subject::{of, same};

/// A sysctl that is of interest here.
struct Sysctl {
    name: &'static str,
    what: &'static str,
    /// Does this value take something from us?
    restricts: fn(&[u8]) -> bool,
}

#[rustfmt::skip]
const SYSCTLS: &[Sysctl] = &[
    Sysctl { name: "kernel/unprivileged_userns_clone", what: "0: only root makes user namespaces (Debian)", restricts: |v| v == b"0" },
    Sysctl { name: "kernel/apparmor_restrict_unprivileged_userns", what: "1: they give no rights without a profile", restricts: |v| v != b"0" },
    Sysctl { name: "kernel/apparmor_restrict_unprivileged_unconfined", what: "1: changing the profile does not help", restricts: |v| v != b"0" },
    Sysctl { name: "kernel/yama/ptrace_scope", what: "1: only children are traced, 2: by root, 3: none", restricts: |v| v != b"0" },
    Sysctl { name: "kernel/pid_max", what: "PIDs are lower than this", restricts: |_| false },
    Sysctl { name: "kernel/threads-max", what: "so many threads on the machine", restricts: |_| false },
    Sysctl { name: "kernel/cap_last_cap", what: "the highest capability", restricts: |_| false },
    Sysctl { name: "kernel/overflowuid", what: "stands for users without an id here", restricts: |_| false },
    Sysctl { name: "kernel/overflowgid", what: "stands for groups without an id here", restricts: |_| false },
    Sysctl { name: "fs/mount-max", what: "so many mounts in a mount namespace", restricts: |_| false },
    Sysctl { name: "dev/tty/legacy_tiocsti", what: "1: programs can type into their terminal", restricts: |_| false },
    Sysctl { name: "net/ipv4/ip_unprivileged_port_start", what: "ports below are for root", restricts: |_| false },
];

/// A sysctl and its value; none where the kernel has no such.
type Setting = (&'static Sysctl, Result<Option<Vec<u8>>>);

/// All that is told.
pub(crate) struct System {
    kernel: Result<Kernel>,
    /// What this boot is called.
    boot: Result<Option<Vec<u8>>>,
    /// Our own namespaces: 0 for a kind that the kernel lacks.
    ours: Result<KindMap<u64>>,
    initial: Result<KindMap<u64>>,
    /// How many of a kind a user may make, in our user namespace.
    limits: Vec<(Kind, Result<Option<Vec<u8>>>)>,
    making: Result<KindMap<Making>>,
    sysctls: Vec<Setting>,
    /// The security modules, with commas.
    modules: Result<Option<Vec<u8>>>,
    /// `1` where SELinux enforces its rules, `0` where it only logs; none where it is not active.
    selinux: Result<Option<Vec<u8>>>,
    /// `Y` where AppArmor is active.
    apparmor: Result<Option<Vec<u8>>>,
    /// Options of /proc that hide something.
    hides: Result<Vec<Vec<u8>>>,
    hierarchies: Result<Vec<Hierarchy>>,
    /// Can a group be killed at once? None where there is no group to be asked.
    group_kill: Result<Option<bool>>,
    features: Result<Vec<(&'static Feature, Answer)>>,
    ids: (u32, u32),
    rights: Result<Rights>,
    /// Capabilities that there are.
    last: Option<u64>,
    users: Result<IdMap>,
    groups: Result<IdMap>,
    helpers: [Helper; 2],
}

/// A hierarchy of control groups.
struct Hierarchy {
    version: Version,
    point: Vec<u8>,
    controllers: Result<Vec<Vec<u8>>>,
    /// Our own group, and whether we may make groups below it.
    own: Result<(Vec<u8>, bool)>,
}

/// What maps ids for who may not do it.
struct Helper {
    name: &'static str,
    program: Option<Program>,
    /// What the caller may map: first id and how many.
    subids: Vec<Subids>,
}

impl System {
    pub(crate) fn take(proc: &Proc) -> System {
        let us = proc.this();
        let of_us = || us.as_ref().map_err(Error::clone);
        let ids = effective();
        let login = users::login(ids.0).ok().flatten();
        let helper = |name: &'static str, of: Of| Helper {
            name,
            program: settings::program(name),
            subids: Subids::all(Path::new("/"), of, login.as_deref(), ids.0),
        };
        let layout = Layout::take(proc);
        let limit = |kind: Kind| proc.setting(&format!("user/max_{kind}_namespaces"));
        let limits = Kind::all().map(|kind| (kind, limit(kind))).collect();
        System {
            kernel: settings::kernel(),
            boot: proc.setting("kernel/random/boot_id"),
            ours: of_us().and_then(|us| us.namespaces(KindSet::all())),
            initial: initial(proc),
            limits,
            making: features::try_making(),
            sysctls: SYSCTLS.iter().map(|sysctl| (sysctl, proc.setting(sysctl.name))).collect(),
            modules: settings::of_sys("kernel/security/lsm"),
            selinux: settings::of_sys("fs/selinux/enforce"),
            apparmor: settings::of_sys("module/apparmor/parameters/enabled"),
            hides: proc.hides(),
            hierarchies: layout.as_ref().map_err(Error::clone).map(hierarchies),
            group_kill: layout.as_ref().map_err(Error::clone).and_then(Layout::has_kill),
            features: features::ask(proc),
            ids,
            rights: of_us().and_then(Rights::of),
            last: proc.sysctl("kernel/cap_last_cap"),
            users: of_us().and_then(IdMap::of_users),
            groups: of_us().and_then(IdMap::of_groups),
            helpers: [helper("newuidmap", Of::Users), helper("newgidmap", Of::Groups)],
        }
    }

    /// Are we in the initial user namespace?
    fn is_initial(&self) -> Option<bool> {
        let ours = of(&self.ours, Kind::User)?;
        super::sections::namespace::is_initial(&self.initial, Kind::User, ours)
    }

    /// How the groups are laid out, in a word.
    fn layout(&self) -> Option<&'static str> {
        let all = self.hierarchies.as_ref().ok()?;
        let has = |version: Version| all.iter().any(|hierarchy| hierarchy.version == version);
        let v1 = |hierarchy: &Hierarchy| {
            let named = |name: &Vec<u8>| name.starts_with(b"name=");
            hierarchy.version == Version::V1
                && hierarchy.controllers.as_ref().is_ok_and(|all| !all.iter().all(named))
        };
        Some(match (all.iter().any(v1), has(Version::V2)) {
            (true, true) => "hybrid",
            (true, false) => "v1",
            (false, true) => "v2",
            (false, false) => "none",
        })
    }
}

fn hierarchies(layout: &Layout) -> Vec<Hierarchy> {
    let one = |hierarchy: &common::cgroup::layout::Hierarchy| {
        let own = layout.own_group(hierarchy);
        Hierarchy {
            version: hierarchy.top.version,
            point: hierarchy.top.path.clone(),
            controllers: match hierarchy.top.version {
                Version::V1 => Ok(hierarchy.controllers.clone()),
                Version::V2 => hierarchy.top.controllers(),
            },
            own: own.and_then(|own| Ok((own.path.clone(), own.is_delegated()?))),
        }
    };
    layout.hierarchies().map(one).collect()
}

#[rustfmt::skip]
const KINDS: &[Column<System, Kind>] = &[
    Column { name: "TYPE", help: "", shape: Shape::Text, cell: |_, kind| Cell::text(Some(kind.name())) },
    Column { name: "SINCE", help: "", shape: Shape::Text, cell: |_, kind| Cell::text(Some(kind.row().since)) },
    Column { name: "HERE", help: "", shape: Shape::Text, cell: |facts, kind| Cell::text(Some(facts.here(*kind))) },
    Column { name: "LIMIT", help: "", shape: Shape::Right, cell: |facts, kind| Cell::text(match facts.limit(*kind) { Some(Ok(Some(limit))) => Some(limit.clone()), Some(Err(e)) => Some(e.reason().into()), _ => None }) },
    Column { name: "MADE BY US", help: "", shape: Shape::Text, cell: |facts, kind| Cell::text(facts.made(*kind)) },
    Column { name: "IN A NEW USER NAMESPACE", help: "", shape: Shape::Text, cell: |facts, kind| Cell::text(facts.made_in_user(*kind)) },
];

#[rustfmt::skip]
const SETTINGS: &[Column<(), Setting>] = &[
    Column { name: "SETTING", help: "", shape: Shape::Text, cell: |_, (sysctl, _)| Cell::text(Some(short(sysctl.name))) },
    Column { name: "VALUE", help: "", shape: Shape::Right, cell: |_, (_, value)| Cell::text(Some(match value { Ok(Some(value)) => value.clone(), Ok(None) => Vec::new(), Err(e) => e.reason().into() })) },
    Column { name: "MEANING", help: "", shape: Shape::LongText, cell: |_, (sysctl, _)| Cell::text(Some(sysctl.what)) },
];

#[rustfmt::skip]
const HIERARCHIES: &[Column<(), Hierarchy>] = &[
    Column { name: "VERSION", help: "", shape: Shape::Text, cell: |_, hierarchy| Cell::text(Some(version(hierarchy.version))) },
    Column { name: "MOUNTED AT", help: "", shape: Shape::Text, cell: |_, hierarchy| Cell::text(Some(hierarchy.point.clone())) },
    Column { name: "DELEGATED", help: "", shape: Shape::Text, cell: |_, hierarchy| Cell::text(Some(match &hierarchy.own { Ok((_, true)) => "yes".into(), Ok((_, false)) => "no".into(), Err(e) => e.reason() })) },
    Column { name: "CONTROLLERS", help: "", shape: Shape::LongText, cell: |_, hierarchy| Cell::text(Some(match &hierarchy.controllers { Ok(names) => names.join(&b' '), Err(e) => e.reason().into() })) },
];

#[rustfmt::skip]
const OF_FEATURES: &[Column<(), (&'static Feature, Answer)>] = &[
    Column { name: "FEATURE", help: "", shape: Shape::Text, cell: |_, (feature, _)| Cell::text(Some(feature.name)) },
    Column { name: "LINUX", help: "", shape: Shape::Text, cell: |_, (feature, _)| Cell::text(Some(feature.since)) },
    Column { name: "HERE", help: "", shape: Shape::Text, cell: |_, (_, answer)| Cell::text(Some(answered(*answer))) },
    Column { name: "WHAT FOR", help: "", shape: Shape::LongText, cell: |_, (feature, _)| Cell::text(Some(feature.what)) },
];

/// As sysctl(8) writes it, without the words that make it longer than a line.
fn short(name: &str) -> String {
    name.replace('/', ".")
}

fn version(version: Version) -> &'static str {
    match version {
        Version::V1 => "1",
        Version::V2 => "2",
    }
}

fn answered(answer: Answer) -> String {
    match answer {
        Answer::Yes => "yes".into(),
        Answer::No(errno) => format!("no ({errno:?})"),
        Answer::Refused(errno) => format!("refused ({errno:?})"),
    }
}

impl System {
    fn here(&self, kind: Kind) -> &'static str {
        match &self.ours {
            Ok(ours) if ours[kind] != 0 => "yes",
            Ok(_) => "no",
            Err(_) => "unknown",
        }
    }

    fn limit(&self, kind: Kind) -> Option<&Result<Option<Vec<u8>>>> {
        self.limits.iter().find(|(of, _)| *of == kind).map(|(_, limit)| limit)
    }

    fn made(&self, kind: Kind) -> Option<String> {
        let making = self.making.as_ref().ok()?[kind];
        Some(making.alone.map_or("yes".into(), |errno| format!("no ({errno:?})")))
    }

    fn made_in_user(&self, kind: Kind) -> Option<String> {
        let making = self.making.as_ref().ok()?[kind];
        Some(making.in_user?.map_or("yes".into(), |errno| format!("no ({errno:?})")))
    }

    /// For people.
    pub(crate) fn page(&self, page: &mut Page) {
        page.heading("kernel");
        match &self.kernel {
            Ok(Kernel { release, version, machine }) => {
                page.line("release", &page.show(release));
                page.line("built", &page.show(version));
                page.line("machine", &page.show(machine));
            }
            Err(e) => page.missing("release", e),
        }
        page.line("nskit", env!("CARGO_PKG_VERSION"));
        page.heading("types of namespaces");
        let kinds: Vec<_> = Kind::all().collect();
        let look = |kind: &Kind| if self.here(*kind) == "yes" { Paint::Plain } else { Paint::Dim };
        page.table(KINDS, self, &kinds, look);
        if let Err(e) = &self.making {
            page.remark(&format!("whether they can be made is {}", not_readable(e)));
        }
        page.heading("settings");
        let restricts = |(sysctl, value): &Setting| match value {
            Ok(Some(value)) if (sysctl.restricts)(value) => Paint::Alarm,
            _ => Paint::Plain,
        };
        let is_there = |(_, value): &&Setting| !matches!(value, Ok(None));
        let there: Vec<_> = self.sysctls.iter().filter(is_there).cloned().collect();
        page.table(SETTINGS, &(), &there, restricts);
        let absent = self.sysctls.iter().filter(|setting| !is_there(setting));
        let absent: Vec<_> = absent.map(|(sysctl, _)| short(sysctl.name)).collect();
        if !absent.is_empty() {
            page.flow("not there", &[absent.join(" ")], Paint::Plain);
        }
        self.modules_page(page);
        page.heading("control groups");
        if let Some(layout) = self.layout() {
            page.line("layout", layout);
        }
        page.table_or_why(HIERARCHIES, &(), self.hierarchies.as_deref());
        match &self.group_kill {
            Ok(Some(has)) => {
                page.line("cgroup.kill", if *has { "yes (Linux 5.14)" } else { "no (Linux 5.14)" })
            }
            Ok(None) => page.line("cgroup.kill", "unknown: there is no group of version 2 to be asked"),
            Err(e) => page.missing("cgroup.kill", e),
        }
        page.heading("features");
        page.table_or_why(OF_FEATURES, &(), self.features.as_deref());
        self.rights_page(page);
    }

    fn modules_page(&self, page: &mut Page) {
        page.heading("security modules");
        let shown = |page: &Page,
                     value: &Result<Option<Vec<u8>>>,
                     absent: &str,
                     say: &dyn Fn(&[u8]) -> Option<&'static str>| match value {
            Ok(Some(value)) => say(value).map_or_else(|| page.show(value), str::to_string),
            Ok(None) => absent.to_string(),
            Err(e) => not_readable(e),
        };
        let modules =
            shown(page, &self.modules, "not told: securityfs is not mounted, or has no list", &|_| None);
        page.line("modules", &modules);
        let words: &dyn Fn(&[u8]) -> Option<&'static str> = &|value| match value {
            b"1" => Some("enforcing"),
            b"0" => Some("permissive"),
            b"Y" => Some("active"),
            b"N" => Some("not active"),
            _ => None,
        };
        let selinux = shown(page, &self.selinux, "not active, or not to be seen here", words);
        page.line("SELinux", &selinux);
        let apparmor = shown(page, &self.apparmor, "not there", words);
        page.line("AppArmor", &apparmor);
        match &self.hides {
            Ok(words) if words.is_empty() => page.line("/proc", "hides nothing"),
            Ok(words) => page.line("/proc", &format!("mounted with {}", page.show(words.join(&b',')))),
            Err(e) => page.missing("/proc", e),
        }
    }

    fn rights_page(&self, page: &mut Page) {
        page.heading("our rights");
        let (uid, gid) = self.ids;
        page.line("ids", &format!("uid {uid}, gid {gid}"));
        let whose = match self.is_initial() {
            Some(true) => ", the host's",
            Some(false) => ", not the host's",
            None => "",
        };
        match of(&self.ours, Kind::User) {
            Some(ino) => page.line("in", &format!("{}:[{ino}]{whose}", Kind::User)),
            None => page.line("in", "an unknown user namespace"),
        }
        match &self.rights {
            Ok(rights) => {
                for (label, set) in [("effective", rights.effective), ("bounding", rights.bounding)] {
                    let spelled = set.map_or("not told".to_string(), |set| self.spelled(set));
                    page.flow(label, &[spelled], Paint::Plain);
                }
                page.line(
                    "new rights",
                    match rights.no_new_privs {
                        Some(true) => "never, by no program (no_new_privs)",
                        Some(false) => "by programs that give some (no no_new_privs)",
                        None => "not told",
                    },
                );
                page.line(
                    "seccomp",
                    match rights.filtered {
                        Some(true) => "a filter looks at our system calls",
                        Some(false) => "no filter",
                        None => "not told",
                    },
                );
            }
            Err(e) => page.missing("rights", e),
        }
        for helper in &self.helpers {
            let program = match &helper.program {
                None => "not in PATH".to_string(),
                Some(program) => {
                    let marked = match (program.as_root, program.with_capabilities) {
                        (true, _) => "set-user-ID root",
                        (_, true) => "with capabilities",
                        _ => "without rights",
                    };
                    let path = page.show(std::os::unix::ffi::OsStrExt::as_bytes(program.path.as_os_str()));
                    format!("{path}, {marked}")
                }
            };
            page.line(helper.name, &program);
            let range =
                |ids: &Subids| format!("{}-{}", ids.start, u64::from(ids.start) + u64::from(ids.count) - 1);
            let ranges: Vec<_> = helper.subids.iter().map(range).collect();
            let subids = if ranges.is_empty() {
                "no ids to map".into()
            } else {
                format!("may map {}", ranges.join(", "))
            };
            page.line("", &subids);
        }
    }

    /// Capabilities in words: all, none, or the fewer of those that there are and those that there are not.
    fn spelled(&self, set: u64) -> String {
        let last = self.last.unwrap_or(CAPABILITIES.len() as u64 - 1).min(63);
        let all = u64::MAX >> (63 - last);
        let (has, lacks) = (set & all, all & !set);
        match (has, lacks) {
            (0, _) => "none".into(),
            (_, 0) => "all".into(),
            _ if lacks.count_ones() < has.count_ones() => {
                format!("all but {}", capability_names(lacks).replace(',', " "))
            }
            _ => capability_names(has).replace(',', " "),
        }
    }

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
        failed("cgroups.kill", self.group_kill.as_ref().err());
        failed("features", self.features.as_ref().err());
        failed("rights", self.rights.as_ref().err());
        failed("rights.uid_map", self.users.as_ref().err());
        failed("rights.gid_map", self.groups.as_ref().err());
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
        let map =
            |map: &Result<IdMap>| or_null(map, |map| list(&map.ranges, super::sections::user::range_json));
        let user = of(&self.ours, Kind::User);
        Value::Object(vec![
            ("uid", Value::Number(self.ids.0.into())),
            ("gid", Value::Number(self.ids.1.into())),
            ("user_ns", Value::number(user)),
            ("initial", yes(self.is_initial().or(same(user, of(&self.initial, Kind::User))))),
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
    };
    Value::Object(vec![
        ("name", text(feature.name)),
        ("since", text(feature.since)),
        ("here", text(word)),
        ("error", errno.map_or(Value::Null, |errno| text(format!("{errno:?}")))),
    ])
}

fn helper_json(helper: &Helper) -> Value {
    let program = helper.program.as_ref();
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
