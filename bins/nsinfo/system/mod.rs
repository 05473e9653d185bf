//! `--system`: what this kernel and its settings offer, and what we may do: what a bug report needs. Nothing is changed.

mod json;
mod page;

use std::path::Path;

use common::cgroup::group::Version;
use common::cgroup::layout::Layout;
use common::error::{Error, Result};
use common::kind::{Kind, KindMap, KindSet};
use common::ns::features::{self, Answer, Feature, Making};
use common::ns::initial::initial;
use common::proc::credentials::{Rights, effective};
use common::proc::idmap::IdMap;
use common::proc::settings::{self, Kernel, Program};
use common::proc::subids::{Of, Subids};
use common::proc::{Proc, users};

use super::subject::of;

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
    /// The controllers of those that are mounted and could not be opened, and why.
    closed: Vec<(Vec<Vec<u8>>, Error)>,
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
    program: Result<Option<Program>>,
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
        let closed = layout.iter().flat_map(Layout::closed);
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
            closed: closed.map(|(controllers, why)| (controllers.to_vec(), why.clone())).collect(),
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

    /// Of a kind, in our user namespace.
    fn limit(&self, kind: Kind) -> Option<&Result<Option<Vec<u8>>>> {
        self.limits.iter().find(|(of, _)| *of == kind).map(|(_, limit)| limit)
    }

    /// Are we in the initial user namespace?
    fn is_initial(&self) -> Option<bool> {
        let ours = of(&self.ours, Kind::User)?;
        super::sections::namespace::is_initial(&self.initial, Kind::User, ours)
    }

    /// How the groups are laid out, in a word.
    fn layout(&self) -> Option<&'static str> {
        let named = |name: &Vec<u8>| name.starts_with(b"name=");
        let open = self.hierarchies.as_ref().ok()?.iter();
        let open = open.map(|one| (one.version, one.controllers.as_ref().map_or(&[][..], Vec::as_slice)));
        let closed = self.closed.iter().map(|(controllers, _)| match controllers.is_empty() {
            true => (Version::V2, &[][..]),
            false => (Version::V1, controllers.as_slice()),
        });
        let all: Vec<(Version, &[Vec<u8>])> = open.chain(closed).collect();
        let has_v1 = all.iter().any(|(version, names)| *version == Version::V1 && !names.iter().all(named));
        let has_v2 = all.iter().any(|(version, _)| *version == Version::V2);
        Some(match (has_v1, has_v2) {
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

/// As sysctl(8) writes it, without the words that make it longer than a line.
fn short(name: &str) -> String {
    name.replace('/', ".")
}
