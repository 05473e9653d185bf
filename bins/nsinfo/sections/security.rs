//! What confines it: capabilities, seccomp, no_new_privs, security modules.

use common::error::{Error, Result};
use common::kind::Kind;
use common::proc::credentials::{CAPABILITIES, Capability, Sets, capability_names};
use common::proc::security::{Confinement, Label, Owners, Seccomp, labels, modules};
use common::tool::json::Value;
use common::tool::paint::Paint;

use super::super::page::{Page, not_readable};
use super::super::subject::{Process, Subject};
use super::{Part, list, missing, or_null, text, yes};

/// The facts.
pub(crate) struct Security {
    /// An error where its status does not tell them.
    pub(crate) sets: Result<Sets>,
    /// All that this kernel knows.
    pub(crate) all: u64,
    pub(crate) confinement: Confinement,
    pub(crate) labels: Result<Vec<Label>>,
    /// The security modules of the machine.
    pub(crate) modules: Result<Vec<u8>>,
    pub(crate) dumpable: Option<bool>,
    /// Is it in the initial user namespace, where capabilities are those of the machine?
    pub(crate) of_machine: Option<bool>,
    /// Does it look like one in a container: has it another pid namespace than the machine?
    pub(crate) contained: bool,
}

impl Security {
    pub(crate) fn take(subject: &Subject<'_>) -> Security {
        let Some(process) = subject.process() else { unreachable!("only processes have it") };
        let status = process.task.read(c"status");
        let broken = || Error::refused("its status does not tell its capabilities");
        let text = status.as_deref().unwrap_or_default();
        Security {
            sets: match &status {
                Ok(status) => Sets::parse(status).ok_or_else(broken),
                Err(e) => Err(e.clone()),
            },
            all: all(subject.proc.sysctl("kernel/cap_last_cap")),
            confinement: Confinement::parse(text),
            labels: labels(subject.proc, &process.task),
            modules: match subject.proc.is_system() {
                true => modules(),
                false => Err(Error::refused("they are those of another machine")),
            },
            dumpable: dumpable(subject, process),
            of_machine: subject.shares(Kind::User, &subject.initial),
            contained: subject.shares(Kind::Pid, &subject.initial) == Some(false),
        }
    }

    /// Is it in a container, and yet as good as root of the machine?
    fn is_root_of_machine(&self, set: u64) -> bool {
        self.contained && self.of_machine == Some(true) && Capability::SysAdmin.is_in(set)
    }
}

/// The capabilities up to the last one, or those that we know.
fn all(last: Option<u64>) -> u64 {
    let last = last.filter(|last| *last < 64).unwrap_or(CAPABILITIES.len() as u64 - 1);
    u64::MAX >> (63 - last)
}

/// None where that cannot be told: see [`Owners`].
fn dumpable(subject: &Subject<'_>, process: &Process) -> Option<bool> {
    let stat = process.task.stat().ok()?;
    // They have no memory that could be dumped.
    if stat.has_ended || stat.of_kernel {
        return None;
    }
    let effective = process.status.uids.effective;
    let users = subject.of_users();
    let id = users.id(effective);
    let alike = effective == 0 || id.outside.is_none() || id.inside.is_none_or(|inside| inside == 0);
    Owners { effective, of_files: process.task.owner_of_files().ok()?, alike }.is_dumpable()
}

/// The five sets by their names, in the order of capabilities(7).
fn named(sets: &Sets) -> [(&'static str, u64); 5] {
    [
        ("permitted", sets.permitted),
        ("effective", sets.effective),
        ("inheritable", sets.inheritable),
        ("bounding", sets.bounding),
        ("ambient", sets.ambient),
    ]
}

/// A set in words, and in as few as can be.
fn words(set: u64, all: u64) -> Vec<String> {
    let names = |set: u64| capability_names(set).split(',').map(str::to_string).collect::<Vec<_>>();
    let lacking = all & !set;
    match (set, lacking) {
        (0, _) => vec!["none".into()],
        (set, 0) if set == all => vec!["all".into()],
        (set, lacking) if set & !all == 0 && lacking.count_ones() < set.count_ones() => {
            let mut names = names(lacking);
            names.iter_mut().take(1).for_each(|first| first.insert_str(0, "all but "));
            names
        }
        (set, _) => names(set),
    }
}

impl Part for Security {
    fn page(&self, page: &mut Page) {
        match self.confinement.no_new_privs {
            Some(true) => page.line("privileges", "no more by executing programs (no_new_privs)"),
            Some(false) => page.line("privileges", "more by set-user-ID programs (no_new_privs is not set)"),
            None => page.line("privileges", "unknown: the kernel does not tell no_new_privs"),
        }
        match self.confinement.seccomp {
            Some(Seccomp::Disabled) if self.contained => {
                page.painted("seccomp", "disabled: no system call is filtered, in a container", Paint::Alarm);
            }
            Some(Seccomp::Disabled) => page.line("seccomp", "disabled: no system call is filtered"),
            Some(Seccomp::Strict) => page.line("seccomp", "strict: read, write, exit and sigreturn alone"),
            Some(Seccomp::Filter { filters: Some(1) }) => page.line("seccomp", "1 filter"),
            Some(Seccomp::Filter { filters: Some(n) }) => page.line("seccomp", &format!("{n} filters")),
            Some(Seccomp::Filter { filters: None }) => page.line("seccomp", "filtered"),
            None => page.line("seccomp", "unknown: the kernel does not tell"),
        }
        match &self.labels {
            Err(e) => page.missing("label", e),
            Ok(labels) if labels.is_empty() => page.line("label", "none: no security module labels it"),
            Ok(labels) => {
                for label in labels {
                    let module = label.module.unwrap_or("of an unknown module");
                    let text = format!("{} ({module})", page.show(&label.label));
                    page.line("label", &text);
                }
            }
        }
        match &self.modules {
            Ok(modules) => {
                let modules: Vec<_> = modules.split(|&b| b == b',').map(|name| page.show(name)).collect();
                page.flow("modules", &modules, Paint::Plain);
            }
            Err(e) => page.line("modules", &not_readable(e)),
        }
        page.line(
            "dumpable",
            match self.dumpable {
                Some(true) => "yes: its own user may trace it",
                Some(false) => "no: only those with CAP_SYS_PTRACE may trace it",
                None => "unknown: its files belong to root either way",
            },
        );
        match &self.sets {
            Err(e) => page.missing("capabilities", e),
            Ok(sets) => {
                for (name, set) in named(sets) {
                    let mut pieces = words(set, self.all);
                    let mut paint = Paint::Plain;
                    if name == "effective" && self.is_root_of_machine(set) {
                        pieces.push("in the initial user namespace: root of the machine".into());
                        paint = Paint::Alarm;
                    }
                    page.flow(name, &pieces, paint);
                }
            }
        }
    }

    fn json(&self) -> Value {
        let seccomp = self.confinement.seccomp;
        let filters = match seccomp {
            Some(Seccomp::Filter { filters }) => filters,
            Some(_) => Some(0),
            None => None,
        };
        let label = |label: &Label| {
            Value::Object(vec![
                ("module", label.module.map_or(Value::Null, text)),
                ("label", text(label.label.as_slice())),
            ])
        };
        let modules = |modules: &Vec<u8>| {
            let one = |name: &[u8]| Value::Object(vec![("name", text(name))]);
            Value::List(modules.split(|&b| b == b',').map(one).collect())
        };
        Value::Object(vec![
            ("no_new_privs", yes(self.confinement.no_new_privs)),
            ("seccomp", seccomp.map_or(Value::Null, |seccomp| text(seccomp.name()))),
            ("seccomp_filters", Value::number(filters)),
            ("labels", or_null(&self.labels, |labels| list(labels, label))),
            ("modules", or_null(&self.modules, modules)),
            ("dumpable", yes(self.dumpable)),
            (
                "capabilities",
                or_null(&self.sets, |sets| {
                    Value::Object(named(sets).map(|(name, set)| (name, held(set))).into())
                }),
            ),
        ])
    }

    fn missing(&self) -> Vec<(&'static str, &Error)> {
        missing([
            ("labels", self.labels.as_ref().err()),
            ("modules", self.modules.as_ref().err()),
            ("capabilities", self.sets.as_ref().err()),
        ])
    }
}

/// The names of a set.
fn held(set: u64) -> Value {
    let names = capability_names(set);
    Value::List(names.split(',').filter(|name| !name.is_empty()).map(text).collect())
}
