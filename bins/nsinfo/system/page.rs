//! What is told of the system, for people.

use common::cgroup::group::Version;
use common::error::Result;
use common::kind::Kind;
use common::ns::features::{Answer, Feature};
use common::proc::credentials::{CAPABILITIES, capability_names};
use common::proc::settings::Kernel;
use common::proc::subids::Subids;
use common::tool::paint::Paint;
use common::tool::table::{Cell, Column, Shape};

use super::super::page::{Page, not_readable};
use super::super::subject::of;
use super::{Hierarchy, Setting, System, short};

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
        Answer::Unknown(errno) => format!("unknown ({errno:?})"),
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
        for (_, why) in &self.closed {
            let why = page.show(why.to_string());
            page.line("one more", &why);
        }
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
                Err(e) => not_readable(e),
                Ok(None) => "not in PATH".to_string(),
                Ok(Some(program)) => {
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
}
