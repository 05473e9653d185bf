//! Which container, pod and unit a process belongs to, as its groups and the files of container engines say.
//! No daemon is asked, and nothing waits.
//!
//! What is told here is for people to read. Anybody may make a group that is named like a container below one
//! that was delegated to him, so who enters by a name needs the proof that `ns::refer` asks for.

pub mod path;
pub mod sources;
pub mod state;
mod trust;

use super::groups::Line;
use path::{Level, What};
use state::{Known, States};

/// A container, pod or unit that a process belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// What people call it, or else its id; any bytes. Containers inside of others stand behind those, with
    /// `/` between.
    pub name: Vec<u8>,
    /// Its whole id, where it has one besides the name.
    pub id: Option<Vec<u8>>,
    /// The engine that made it, in one word.
    pub engine: &'static str,
    /// What said so: `cgroup`, or the path of a file.
    pub source: Vec<u8>,
}

/// All that a process belongs to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Belongs {
    /// The container or machine.
    pub container: Option<Named>,
    /// The pod, `NAMESPACE/NAME` where these are known, else its id.
    pub pod: Option<Named>,
    /// The unit of systemd; that of a user's own manager stands behind the manager's, with `/` between.
    pub unit: Option<Named>,
}

/// A container on the way to a group, as [`containers`] finds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inside {
    /// The engine, in one word.
    pub engine: &'static str,
    /// Its whole id, or the name of what has only that.
    pub id: Vec<u8>,
    /// What people call it, as a file says; none if no file does.
    pub names: Vec<Vec<u8>>,
    /// The length of the path up to its group, which is included.
    pub end: usize,
    /// Which row of [`States::known`] tells of it.
    pub known: Option<usize>,
}

/// Engines that register at one place, where a name is given once.
const OF_MACHINES: &[&str] = &["machined", "systemd-nspawn", "libvirt"];

/// The containers that this path leads through, outermost first. A file speaks for a group only if the group is
/// the container's own, or if the file names no groups and nothing but slices, pods and groups of engines stands above:
/// whatever stands elsewhere can have been made there by anybody.
pub fn containers(path: &[u8], states: &States) -> Vec<Inside> {
    in_levels(path, &path::levels(path), states)
}

fn in_levels(path: &[u8], levels: &[Level], states: &States) -> Vec<Inside> {
    let mut found: Vec<Inside> = Vec::new();
    for level in levels.iter().filter(|level| level.what == What::Container) {
        let speaks = |known: &Known| match known.groups.is_empty() {
            true => level.alone && is_kin(level, known),
            false => known.groups.iter().any(|group| leads_through(group, &path[..level.end])),
        };
        let known = states.known.iter().position(|known| known.id == level.id && speaks(known));
        found.push(inside(level.engine, &level.id, level.end, known, states));
    }
    // And those that only a file knows.
    for (at, known) in states.known.iter().enumerate() {
        let mut groups = known.groups.iter().filter(|group| group.len() > 1 && leads_through(path, group));
        let seen = found.iter().any(|inside| inside.known == Some(at));
        if let (Some(group), false) = (groups.next(), seen) {
            let by_file = inside(known.engine, &known.id, group.len(), Some(at), states);
            match found.iter_mut().find(|inside| inside.end == group.len()) {
                Some(there) if there.known.is_none() => *there = by_file,
                Some(_) => {}
                None => found.push(by_file),
            }
        }
    }
    found.sort_by_key(|inside| inside.end);
    found
}

fn inside(engine: &'static str, id: &[u8], end: usize, known: Option<usize>, states: &States) -> Inside {
    let told = known.map(|at| &states.known[at]);
    // A path tells of less than all engines: an id alone is of any, and machined registers those of others.
    let vague = ["container", "kubernetes", "machined"].contains(&engine);
    Inside {
        engine: told.map(|known| known.engine).filter(|_| vague).unwrap_or(engine),
        id: id.to_vec(),
        names: told.map(|known| known.names.clone()).unwrap_or_default(),
        end,
        known,
    }
}

/// Can this file tell of that container, as far as the engine goes? A short id is given by each engine for itself.
fn is_kin(level: &Level, known: &Known) -> bool {
    let machines = [level.engine, known.engine].iter().all(|engine| OF_MACHINES.contains(engine));
    path::is_long_id(&level.id) || level.engine == known.engine || machines
}

/// Is this path that of the group, or of one below it?
fn leads_through(path: &[u8], group: &[u8]) -> bool {
    path.strip_prefix(group).is_some_and(|rest| rest.is_empty() || rest[0] == b'/')
}

impl Inside {
    /// What it is called: by its name, or else its id.
    fn title(&self) -> Vec<u8> {
        self.names.first().cloned().unwrap_or_else(|| short(&self.id))
    }

    /// What said so.
    fn source(&self, states: &States) -> Vec<u8> {
        let told = self.known.map(|at| &states.known[at]);
        let by_file = |known: &&Known| !known.names.is_empty() || !path::is_long_id(&known.id);
        told.filter(by_file).map_or_else(|| FROM_PATH.to_vec(), |known| known.source.clone())
    }
}

/// The source of what the path of a group says.
const FROM_PATH: &[u8] = b"cgroup";

/// A long id as people write it: its first 12 digits.
fn short(id: &[u8]) -> Vec<u8> {
    if path::is_long_id(id) { id[..12].to_vec() } else { id.to_vec() }
}

impl Belongs {
    /// What said so of the first of these that there is.
    pub fn source(&self) -> Option<&[u8]> {
        let named = self.container.as_ref().or(self.pod.as_ref()).or(self.unit.as_ref());
        named.map(|named| &named.source[..])
    }

    /// What a process with these groups belongs to. Of each thing the first line counts that tells of one: that of
    /// version 2, then systemd's own, then the others.
    pub fn of(lines: &[Line], states: &States) -> Belongs {
        let rank = |line: &&Line| match &line.controllers[..] {
            [] if line.hierarchy == 0 => 0,
            [name] if name == b"name=systemd" => 1,
            _ => 2,
        };
        let mut sorted: Vec<&Line> = lines.iter().collect();
        sorted.sort_by_key(rank);
        let mut belongs = Belongs::default();
        for line in sorted {
            let deleted = if line.is_deleted() { b" (deleted)".len() } else { 0 };
            let path = &line.path[..line.path.len() - deleted];
            let levels = path::levels(path);
            if belongs.container.is_none() && belongs.pod.is_none() {
                let containers = in_levels(path, &levels, states);
                belongs.pod = pod(&levels, &containers, states);
                belongs.container = container(&containers, states);
            }
            belongs.unit = belongs.unit.or_else(|| unit(&levels));
        }
        belongs
    }
}

fn container(containers: &[Inside], states: &States) -> Option<Named> {
    let innermost = containers.last()?;
    let titles: Vec<_> = containers.iter().map(Inside::title).collect();
    Some(Named {
        id: Some(&innermost.id).filter(|id| Some(*id) != titles.last()).cloned(),
        name: titles.join(&b'/'),
        engine: innermost.engine,
        source: innermost.source(states),
    })
}

/// The innermost pod, by the name that one of its containers tells.
fn pod(levels: &[Level], containers: &[Inside], states: &States) -> Option<Named> {
    let level = levels.iter().rfind(|level| level.what == What::Pod);
    let within = |inside: &&Inside| level.is_none_or(|level| inside.end >= level.end);
    let mut told =
        containers.iter().rev().filter(within).filter_map(|inside| states.known.get(inside.known?));
    match (told.find_map(|known| Some((known.pod.as_ref()?, known))), level) {
        (Some((name, known)), level) => Some(Named {
            name: name.clone(),
            id: level.map(|level| level.id.clone()),
            engine: level.map_or("kubernetes", |level| level.engine),
            source: known.source.clone(),
        }),
        (None, Some(level)) => {
            let name = short(&level.id);
            let id = Some(&level.id).filter(|id| **id != name).cloned();
            Some(Named { name, id, engine: level.engine, source: FROM_PATH.to_vec() })
        }
        (None, None) => None,
    }
}

fn unit(levels: &[Level]) -> Option<Named> {
    let units: Vec<_> = levels.iter().filter(|level| level.what == What::Unit).collect();
    let engine = units.first()?.engine;
    let name = units.iter().map(|level| &level.id[..]).collect::<Vec<_>>().join(&b'/');
    Some(Named { name, id: None, engine, source: FROM_PATH.to_vec() })
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "aaaaaaaaaaaaaaaabbbbbbbbbbbbbbbbccccccccccccccccdddddddddddddddd";
    const B: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    const UID: &str = "0f1e2d3c-1234-5678-9abc-0123456789ab";

    fn filled(text: &str) -> String {
        [("<A>", A), ("<B>", B), ("<UID>", UID)]
            .iter()
            .fold(text.into(), |text, (hole, id)| text.replace(hole, id))
    }

    fn known(engine: &'static str, id: &str, name: &str, groups: &[&str]) -> Known {
        let names = if name.is_empty() { vec![] } else { vec![name.into()] };
        let groups = groups.iter().map(|group| filled(group).into_bytes()).collect();
        Known {
            engine,
            id: filled(id).into(),
            names,
            groups,
            source: format!("/state/{engine}").into(),
            ..Known::default()
        }
    }

    fn states() -> States {
        let in_pod =
            Known { pod: Some(b"shop/web-0".to_vec()), ..known("containerd", &"9".repeat(64), "nginx", &[]) };
        States {
            known: vec![
                known("docker", "<A>", "web", &["/docker/<A>"]),
                known("podman", "<B>", "db", &["/machine.slice/libpod-<B>.scope/container"]),
                known("runc", "foo", "", &["/mine/foo"]),
                known("crun", "vm", "", &[]),
                known("systemd-nspawn", "vm", "vm", &[]),
                in_pod,
            ],
        }
    }

    fn shown(named: Option<Named>) -> String {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        named.map_or("-".into(), |named| {
            let id = named.id.map(|id| format!(" {}", text(&id))).unwrap_or_default();
            format!("{}{id} {} {}", text(&named.name), named.engine, text(&named.source))
        })
    }

    #[test]
    fn what_a_process_belongs_to_is_told_by_its_groups_and_by_files() {
        const NINE: &str = "9999999999999999999999999999999999999999999999999999999999999999";
        #[rustfmt::skip]
        let cases: &[(&str, &str, &str, &str)] = &[
            ("0::/", "-", "-", "-"),
            ("", "-", "-", "-"),
            ("0::/docker/<A>", "web <A> docker /state/docker", "-", "-"),
            ("0::/docker/<A>/inner (deleted)", "web <A> docker /state/docker", "-", "-"),
            ("0::/docker/<A> (deleted)", "web <A> docker /state/docker", "-", "-"),
            ("0::/machine.slice/libpod-<B>.scope", "db <B> podman /state/podman", "-", "libpod-<B>.scope systemd cgroup"),
            ("0::/machine.slice/libpod-<B>.scope/container/x", "db <B> podman /state/podman", "-", "libpod-<B>.scope systemd cgroup"),
            ("0::/mine/foo/deeper", "foo runc /state/runc", "-", "-"),
            ("0::/mine/foot", "-", "-", "-"),
            ("0::/docker/<A>/docker/<B>", "web/0123456789ab <B> docker cgroup", "-", "-"),
            ("0::/machine.slice/machine-vm.scope/payload", "vm systemd-nspawn /state/systemd-nspawn", "-", "machine-vm.scope systemd cgroup"),
            ("0::/lxc.payload.vm", "vm lxc cgroup", "-", "-"),
            // Somebody makes groups with the names of others.
            ("0::/user.slice/user-1000.slice/user@1000.service/docker/<A>", "aaaaaaaaaaaa <A> docker cgroup", "-", "user@1000.service systemd cgroup"),
            ("0::/user.slice/user-1000.slice/user@1000.service/machine-vm.scope", "vm machined cgroup", "-", "user@1000.service/machine-vm.scope systemd cgroup"),
            ("0::/bob.slice/machine-vm.scope", "vm systemd-nspawn /state/systemd-nspawn", "-", "machine-vm.scope systemd cgroup"),
            ("0::/docker/<NINE>", "nginx <NINE> docker /state/containerd", "shop/web-0 kubernetes /state/containerd", "-"),
            ("0::/docker/<A>/<NINE>", "web/999999999999 <NINE> container cgroup", "-", "-"),
            ("0::/bob/<NINE>", "999999999999 <NINE> container cgroup", "-", "-"),
            ("0::/bob/docker/<NINE>", "999999999999 <NINE> docker cgroup", "-", "-"),
            ("0::/bob/machine-vm.scope", "vm machined cgroup", "-", "-"),
            ("0::/system.slice/x.service/<NINE>", "999999999999 <NINE> container cgroup", "-", "x.service systemd cgroup"),
            // Pods.
            ("0::/kubepods/burstable/pod<UID>/<NINE>", "nginx <NINE> containerd /state/containerd", "shop/web-0 <UID> kubernetes /state/containerd", "-"),
            ("0::/kubepods/burstable/pod<UID>/<B>", "0123456789ab <B> kubernetes cgroup", "<UID> kubernetes cgroup", "-"),
            ("0::/kubepods/burstable/pod<UID>", "-", "<UID> kubernetes cgroup", "-"),
            // Which hierarchy counts.
            ("0::/\n1:name=systemd:/system.slice/x.service\n2:cpu:/docker/<A>", "web <A> docker /state/docker", "-", "x.service systemd cgroup"),
            ("2:cpu:/docker/<B>\n0::/docker/<A>", "web <A> docker /state/docker", "-", "-"),
            ("2:cpu:/system.slice/a.service\n1:name=systemd:/system.slice/b.service\n", "-", "-", "b.service systemd cgroup"),
            ("0::/user.slice/user-1.slice/user@1.service/app.slice/a.service", "-", "-", "user@1.service/a.service systemd cgroup"),
        ];
        for (text, container, pod, unit) in cases {
            let holes = |text: &str| filled(&text.replace("<NINE>", NINE));
            let belongs = Belongs::of(&Line::parse(holes(text).as_bytes()), &states());
            let found = [belongs.container, belongs.pod, belongs.unit].map(shown);
            assert_eq!(found, [container, pod, unit].map(|text| holes(text)), "{text}");
        }
    }

    #[test]
    fn containers_are_told_with_the_row_that_knows_them() {
        let path = filled("/docker/<A>/docker/<B>");
        let found = containers(path.as_bytes(), &states());
        let told: Vec<_> =
            found.iter().map(|inside| (inside.end, inside.known, inside.names.len())).collect();
        assert_eq!(told, [(72, Some(0), 1), (path.len(), None, 0)]);
    }
}
