//! The files that container engines keep: where they are, and what stands in them.

use serde_json::Value;

use super::state::Known;
use crate::text::digits;

/// Below which directory a source is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Base {
    Root,
    /// Where Docker keeps what stays: `data-root`.
    DockerData,
    /// Where it keeps what does not outlive the boot: `exec-root`.
    DockerExec,
    /// The caller's own directory, if that is not root.
    OfUser,
}

/// A parser: it takes the engine, the names that stand for the stars of the path, outermost first, and the text of the
/// file.
pub type Parse = fn(&'static str, &[&[u8]], &[u8]) -> Vec<Known>;

/// Files of an engine.
pub(super) struct Source {
    pub(super) base: Base,
    /// Below that; a star stands for any one name.
    pub(super) path: &'static str,
    pub(super) engine: &'static str,
    /// A larger file is left out; bytes.
    pub(super) most: u64,
    pub(super) parse: Parse,
}

/// 1 MiB.
pub(super) const SMALL: u64 = 1 << 20;
/// 4 MiB.
const LARGE: u64 = 4 << 20;

/// Every file that is read: a row here and its parser are all that it takes to have one more. Those that know what
/// people call a container stand before those of the runtime below, and name the engine.
#[rustfmt::skip]
pub(super) const SOURCES: &[Source] = &[
    Source { base: Base::DockerData, path: "containers/*/config.v2.json", engine: "docker", most: SMALL, parse: docker },
    Source { base: Base::DockerData, path: "*/containers/*/config.v2.json", engine: "docker", most: SMALL, parse: docker_of_ids },
    Source { base: Base::Root, path: "run/containerd/io.containerd.runtime.v2.task/*/*/config.json", engine: "containerd", most: SMALL, parse: bundle },
    Source { base: Base::Root, path: "run/containers/storage/overlay-containers/*/userdata/config.json", engine: "podman", most: SMALL, parse: userdata },
    Source { base: Base::Root, path: "var/lib/containers/storage/overlay-containers/*/userdata/config.json", engine: "podman", most: SMALL, parse: userdata },
    Source { base: Base::Root, path: "var/lib/containers/storage/overlay-containers/containers.json", engine: "podman", most: LARGE, parse: storage },
    Source { base: Base::OfUser, path: "containers/overlay-containers/*/userdata/config.json", engine: "podman", most: SMALL, parse: userdata },
    Source { base: Base::Root, path: "run/systemd/machines/*", engine: "machined", most: SMALL, parse: machine },
    Source { base: Base::DockerExec, path: "runtime-runc/moby/*/state.json", engine: "docker", most: SMALL, parse: runc },
    Source { base: Base::DockerExec, path: "runtime-runc/moby/*/status", engine: "docker", most: SMALL, parse: crun },
    Source { base: Base::Root, path: "run/containerd/runc/*/*/state.json", engine: "containerd", most: SMALL, parse: runc },
    Source { base: Base::Root, path: "run/containerd/runc/*/*/status", engine: "containerd", most: SMALL, parse: crun },
    Source { base: Base::Root, path: "run/runc/*/state.json", engine: "runc", most: SMALL, parse: runc },
    Source { base: Base::Root, path: "run/crun/*/status", engine: "crun", most: SMALL, parse: crun },
    Source { base: Base::Root, path: "run/youki/*/state.json", engine: "youki", most: SMALL, parse: youki },
    Source { base: Base::OfUser, path: "runc/*/state.json", engine: "runc", most: SMALL, parse: runc },
    Source { base: Base::OfUser, path: "crun/*/status", engine: "crun", most: SMALL, parse: crun },
];

/// The paths and parsers of all sources, for tests which hold of each of them.
pub fn parsers() -> impl Iterator<Item = (&'static str, Parse)> {
    SOURCES.iter().map(|source| (source.path, source.parse))
}

pub(super) fn json(text: &[u8]) -> Value {
    serde_json::from_slice(text).unwrap_or(Value::Null)
}

/// A text that is not empty.
fn bytes(value: &Value) -> Option<Vec<u8>> {
    value.as_str().filter(|text| !text.is_empty()).map(|text| text.as_bytes().to_vec())
}

fn pid(value: &Value) -> Option<i32> {
    value.as_i64().and_then(|pid| i32::try_from(pid).ok()).filter(|pid| *pid > 0)
}

/// The first process, where its start is told too. The caller knows the file.
fn init(of_pid: &Value, start: &Value) -> Option<(i32, u64, Vec<u8>)> {
    Some((pid(of_pid)?, start.as_u64().filter(|start| *start > 0)?, Vec::new()))
}

/// `NAMESPACE/NAME`.
fn pod(namespace: &Value, name: &Value) -> Option<Vec<u8>> {
    Some([bytes(namespace)?, bytes(name)?].join(&b'/'))
}

fn last(stars: &[&[u8]]) -> Vec<u8> {
    stars.last().copied().unwrap_or_default().to_vec()
}

/// The state of runc, and of those that use its library.
fn runc(engine: &'static str, _: &[&[u8]], text: &[u8]) -> Vec<Known> {
    let state = json(text);
    let groups = state["cgroup_paths"].as_object().into_iter().flat_map(|paths| paths.values());
    let groups = groups.filter_map(bytes).collect();
    let init = init(&state["init_process_pid"], &state["init_process_start"]);
    let known = bytes(&state["id"]).map(|id| Known { engine, id, init, groups, ..Known::default() });
    known.into_iter().collect()
}

/// That of crun, which has the id only in the name of the directory.
fn crun(engine: &'static str, stars: &[&[u8]], text: &[u8]) -> Vec<Known> {
    let state = json(text);
    if pid(&state["pid"]).is_none() {
        return Vec::new();
    }
    let init = init(&state["pid"], &state["process-start-time"]);
    let groups = bytes(&state["cgroup-path"]).into_iter().collect();
    vec![Known { engine, id: last(stars), init, groups, ..Known::default() }]
}

/// That of youki, which does not tell when the process started, so nothing proves that it is still that one.
fn youki(engine: &'static str, _: &[&[u8]], text: &[u8]) -> Vec<Known> {
    let known = bytes(&json(text)["id"]).map(|id| Known { engine, id, ..Known::default() });
    known.into_iter().collect()
}

/// What Docker keeps of a container, running or not.
fn docker(engine: &'static str, _: &[&[u8]], text: &[u8]) -> Vec<Known> {
    let config = json(text);
    let labels = &config["Config"]["Labels"];
    let name = bytes(&config["Name"]).map(|name| name.strip_prefix(b"/").unwrap_or(&name).to_vec());
    let known = bytes(&config["ID"]).map(|id| Known {
        engine,
        id,
        names: name.filter(|name| !name.is_empty()).into_iter().collect(),
        pod: pod(&labels["io.kubernetes.pod.namespace"], &labels["io.kubernetes.pod.name"]),
        ..Known::default()
    });
    known.into_iter().collect()
}

/// The same of a Docker whose containers have ids of their own: it keeps that below `UID.GID`. What else stands beside
/// that can be written from inside of containers, such as a volume that is called "containers". Source: dockerd(8),
/// `--userns-remap`.
fn docker_of_ids(engine: &'static str, stars: &[&[u8]], text: &[u8]) -> Vec<Known> {
    let mut ids = stars.first().copied().unwrap_or_default().splitn(2, |&b| b == b'.');
    match ids.next().and_then(digits::<u32>).and(ids.next()).and_then(digits::<u32>) {
        Some(_) => docker(engine, stars, text),
        None => Vec::new(),
    }
}

/// A bundle of containerd, which has the id in the name of the directory; what people call the container stands
/// in the annotations of who asked for it.
fn bundle(engine: &'static str, stars: &[&[u8]], text: &[u8]) -> Vec<Known> {
    let config = json(text);
    let notes = &config["annotations"];
    let cri = |key: &str| &notes[format!("io.kubernetes.cri.{key}")];
    let of_nerdctl = bytes(&notes["nerdctl/name"]);
    let pod = pod(cri("sandbox-namespace"), cri("sandbox-name"));
    // That of the pod itself has only a name of its own if it is given one.
    let of_pod = bytes(cri("container-type")).filter(|kind| kind == b"sandbox");
    let of_cri = bytes(cri("container-name")).filter(|_| of_pod.is_none());
    let engine = if of_nerdctl.is_some() { "nerdctl" } else { engine };
    let names: Vec<_> = of_nerdctl.into_iter().chain(of_cri).collect();
    if names.is_empty() && pod.is_none() {
        return Vec::new();
    }
    vec![Known { engine, id: last(stars), names, pod, ..Known::default() }]
}

/// What Podman and CRI-O run, in the storage that they share.
fn userdata(engine: &'static str, stars: &[&[u8]], text: &[u8]) -> Vec<Known> {
    let config = json(text);
    let notes = &config["annotations"];
    let name = bytes(&notes["io.kubernetes.container.name"]);
    let pod = pod(&notes["io.kubernetes.pod.namespace"], &notes["io.kubernetes.pod.name"]);
    let engine = match notes["io.container.manager"].as_str() {
        Some("cri-o") => "cri-o",
        Some("libpod") => "podman",
        _ if name.is_none() && pod.is_none() => return Vec::new(),
        _ => engine,
    };
    vec![Known { engine, id: last(stars), names: name.into_iter().collect(), pod, ..Known::default() }]
}

/// The containers in that storage, by name.
fn storage(engine: &'static str, _: &[&[u8]], text: &[u8]) -> Vec<Known> {
    let list = json(text);
    let known = list.as_array().into_iter().flatten().filter_map(|container| {
        let names = container["names"].as_array().into_iter().flatten().filter_map(bytes).collect();
        Some(Known { engine, id: bytes(&container["id"])?, names, ..Known::default() })
    });
    known.collect()
}

/// Who registers machines, by what they call themselves.
const REGISTRARS: &[(&str, &str)] =
    &[("systemd-nspawn", "systemd-nspawn"), ("libvirt-qemu", "libvirt"), ("libvirt-lxc", "libvirt")];

/// A machine that is registered: lines of a key, `=` and a value.
fn machine(engine: &'static str, stars: &[&[u8]], text: &[u8]) -> Vec<Known> {
    let values = |key: &str| {
        let of_key = |line: &&[u8]| line.strip_prefix(key.as_bytes()).is_some_and(|rest| rest[..1] == *b"=");
        let lines = text.split(|&b| b == b'\n').filter(|line| line.len() > key.len());
        lines.filter(of_key).map(|line| &line[key.len() + 1..]).find(|value| !value.is_empty())
    };
    let Some(name) = values("NAME").filter(|name| Some(name) == stars.last()) else { return Vec::new() };
    let service = values("SERVICE");
    let of_service = REGISTRARS.iter().find(|(service_name, _)| service == Some(service_name.as_bytes()));
    let pid = values("LEADER").and_then(digits::<i32>).filter(|pid| *pid > 0);
    vec![Known {
        engine: of_service.map_or(engine, |(_, engine)| engine),
        id: name.to_vec(),
        names: vec![name.to_vec()],
        leader: pid.map(|pid| (pid, values("LEADER_PIDFDID").and_then(digits))),
        ..Known::default()
    }]
}
