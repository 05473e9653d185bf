//! What the path of a group says: the layouts of container engines and of systemd.

use What::{Container, Pod, Unit};

/// What a piece of a path stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// A container, or a machine.
    Container,
    /// A pod, which has containers.
    Pod,
    /// A unit of systemd: a service or scope.
    Unit,
}

/// A piece of a path that stands for something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Level {
    /// What it stands for.
    pub what: What,
    /// Who made it, in one word: `docker`, `systemd`.
    pub engine: &'static str,
    /// Its id, or the name of what has only that; any bytes.
    pub id: Vec<u8>,
    /// The length of the path up to this piece, which is included.
    pub end: usize,
    /// Does nothing stand above but slices, pods and the groups that engines make for all of theirs?
    pub alone: bool,
}

/// A layout: how a piece is written, and which shape the id in it has.
struct Layout {
    engine: &'static str,
    what: What,
    /// What the piece above is called: one of these, or anything where there are none.
    above: &'static [&'static str],
    before: &'static str,
    id: fn(&[u8]) -> Option<Vec<u8>>,
    after: &'static str,
}

/// The classes of service below which Kubernetes has pods.
const QOS: &[&str] = &["kubepods", "burstable", "besteffort"];

/// Every layout, the first that fits counts: a row here is all that it takes to know one more.
#[rustfmt::skip]
const LAYOUTS: &[Layout] = &[
    Layout { engine: "docker",         what: Container, above: &["docker"],        before: "",                             id: hex,      after: "" },
    Layout { engine: "docker",         what: Container, above: &[],                before: "docker-",                      id: hex,      after: ".scope" },
    Layout { engine: "podman",         what: Container, above: &[],                before: "libpod-",                      id: hex,      after: ".scope" },
    Layout { engine: "podman",         what: Container, above: &[],                before: "libpod-",                      id: hex,      after: "" },
    Layout { engine: "podman",         what: Container, above: &[],                before: "libpod-payload-",              id: hex,      after: "" },
    Layout { engine: "podman",         what: Pod,       above: &[],                before: "machine-libpod_pod_",          id: hex,      after: ".slice" },
    Layout { engine: "podman",         what: Pod,       above: &[],                before: "user-libpod_pod_",             id: hex,      after: ".slice" },
    Layout { engine: "podman",         what: Pod,       above: &["libpod_parent"], before: "",                             id: hex,      after: "" },
    Layout { engine: "cri-o",          what: Container, above: &[],                before: "crio-",                        id: hex,      after: ".scope" },
    Layout { engine: "cri-o",          what: Container, above: &[],                before: "crio-",                        id: hex,      after: "" },
    Layout { engine: "containerd",     what: Container, above: &[],                before: "cri-containerd-",              id: hex,      after: ".scope" },
    Layout { engine: "nerdctl",        what: Container, above: &[],                before: "nerdctl-",                     id: hex,      after: ".scope" },
    Layout { engine: "buildkit",       what: Container, above: &["buildkit"],      before: "",                             id: build,    after: "" },
    Layout { engine: "buildkit",       what: Container, above: &[],                before: "buildkit-",                    id: build,    after: ".scope" },
    Layout { engine: "kubernetes",     what: Pod,       above: QOS,                before: "pod",                          id: uid,      after: "" },
    Layout { engine: "kubernetes",     what: Pod,       above: &[],                before: "kubepods-pod",                 id: uid,      after: ".slice" },
    Layout { engine: "kubernetes",     what: Pod,       above: &[],                before: "kubepods-burstable-pod",       id: uid,      after: ".slice" },
    Layout { engine: "kubernetes",     what: Pod,       above: &[],                before: "kubepods-besteffort-pod",      id: uid,      after: ".slice" },
    Layout { engine: "kubernetes",     what: Pod,       above: &[],                before: "kubelet-kubepods-pod",         id: uid,      after: ".slice" },
    Layout { engine: "kubernetes",     what: Pod,       above: &[],                before: "kubelet-kubepods-burstable-pod",  id: uid,   after: ".slice" },
    Layout { engine: "kubernetes",     what: Pod,       above: &[],                before: "kubelet-kubepods-besteffort-pod", id: uid,   after: ".slice" },
    Layout { engine: "lxc",            what: Container, above: &[],                before: "lxc.payload.",                 id: name,     after: "" },
    Layout { engine: "lxc",            what: Container, above: &["lxc", "lxc.payload"], before: "",                        id: lxc,      after: "" },
    Layout { engine: "libvirt",        what: Container, above: &[],                before: "machine-",                     id: libvirt,  after: ".scope" },
    Layout { engine: "machined",       what: Container, above: &[],                before: "machine-",                     id: machine,  after: ".scope" },
    Layout { engine: "systemd-nspawn", what: Container, above: &[],                before: "systemd-nspawn@",              id: machine,  after: ".service" },
    Layout { engine: "snap",           what: Container, above: &[],                before: "snap.",                        id: snap,     after: ".service" },
    Layout { engine: "snap",           what: Container, above: &[],                before: "snap.",                        id: snap_run, after: ".scope" },
    Layout { engine: "flatpak",        what: Container, above: &[],                before: "app-flatpak-",                 id: flatpak,  after: ".scope" },
];

/// All that the pieces of this path stand for, from the root on. A piece can stand for two things: the scope of a
/// container is a unit as well, and stands as that first.
pub fn levels(path: &[u8]) -> Vec<Level> {
    let mut found: Vec<Level> = Vec::new();
    let mut start = 0;
    let mut above: &[u8] = b"";
    let mut pieces = path.split(|&b| b == b'/').peekable();
    // Units stand below slices alone; those of a user's own manager below its service and slices.
    let mut units = true;
    let mut alone = true;
    while let Some(piece) = pieces.next() {
        let end = start + piece.len();
        if units && is_unit(piece) {
            found.push(Level { what: Unit, engine: "systemd", id: piece.to_vec(), end, alone });
        }
        // What lies outside of our cgroup namespace begins with `..`.
        let passed = piece.is_empty() || piece == b".." || is_slice(piece);
        units &= passed || (is_unit(piece) && is_user_manager(piece) && found.len() == 1);
        let below = pieces.peek().copied().unwrap_or_default();
        let in_pod = found.last().is_some_and(|level| level.what == Pod && level.end + 1 == start);
        for (what, engine, id) in of_piece(piece, above, below, in_pod) {
            found.push(Level { what, engine, id, end, alone });
        }
        let is_pod = found.iter().rfind(|level| level.end == end).is_some_and(|level| level.what == Pod);
        alone &= passed
            || is_pod
            || LAYOUTS.iter().any(|layout| layout.above.iter().any(|name| name.as_bytes() == piece));
        above = piece;
        start = end + 1;
    }
    found
}

type Found = (What, &'static str, Vec<u8>);

/// The pod and the container that a piece stands for.
fn of_piece(piece: &[u8], above: &[u8], below: &[u8], in_pod: bool) -> Vec<Found> {
    // Of two parts with colons between, where one was meant as slice, prefix and name: the runtime made one
    // piece of it.
    let mut parts = piece.rsplitn(3, |&b| b == b':');
    if let (Some(id), Some(prefix), Some(slice)) = (parts.next(), parts.next(), parts.next()) {
        let scope = [prefix, b"-", id, b".scope"].concat();
        let container = of_layout(&scope, b"").filter(|found| found.0 == Container && hex(id).is_some());
        let pod = of_layout(slice, b"").filter(|found| found.0 == Pod && container.is_some());
        return pod.into_iter().chain(container).collect();
    }
    // The first process of a machine's service, which stands outside of the machine.
    let outside = |found: &Found| below == b"supervisor" && ["machined", "systemd-nspawn"].contains(&found.1);
    match of_layout(piece, above) {
        Some(found) if outside(&found) => Vec::new(),
        Some(found) => vec![found],
        None => {
            let engine = if in_pod { "kubernetes" } else { "container" };
            hex(piece).map(|id| (Container, engine, id)).into_iter().collect()
        }
    }
}

fn of_layout(piece: &[u8], above: &[u8]) -> Option<Found> {
    LAYOUTS.iter().find_map(|layout| {
        let fits = layout.above.is_empty() || layout.above.iter().any(|name| name.as_bytes() == above);
        let rest = piece.strip_prefix(layout.before.as_bytes()).filter(|_| fits)?;
        let id = (layout.id)(rest.strip_suffix(layout.after.as_bytes())?)?;
        Some((layout.what, layout.engine, id))
    })
}

fn is_slice(piece: &[u8]) -> bool {
    piece.len() > 6 && piece.ends_with(b".slice")
}

fn is_unit(piece: &[u8]) -> bool {
    let named = |kind: &[u8]| piece.len() > kind.len() && piece.ends_with(kind);
    named(b".service") || named(b".scope")
}

fn is_user_manager(piece: &[u8]) -> bool {
    let uid = piece.strip_prefix(b"user@").and_then(|rest| rest.strip_suffix(b".service"));
    uid.is_some_and(|uid| !uid.is_empty() && uid.iter().all(u8::is_ascii_digit))
}

fn is_hex(text: &[u8]) -> bool {
    text.iter().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

/// Is it an id as most engines make them: 64 hexadecimal digits?
pub fn is_long_id(id: &[u8]) -> bool {
    id.len() == 64 && is_hex(id)
}

fn hex(id: &[u8]) -> Option<Vec<u8>> {
    is_long_id(id).then(|| id.to_vec())
}

/// An id of BuildKit: 25 digits to the base of 36.
fn build(id: &[u8]) -> Option<Vec<u8>> {
    let short = id.len() == 25 && id.iter().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'z'));
    (short || is_long_id(id)).then(|| id.to_vec())
}

/// The UID of a pod, with hyphens: systemd's driver has underscores for them, as a hyphen parts slices. That of a
/// static pod is a hash without any.
fn uid(text: &[u8]) -> Option<Vec<u8>> {
    let id: Vec<u8> = text.iter().map(|&b| if b == b'_' { b'-' } else { b }).collect();
    let groups: Vec<usize> = id.split(|&b| b == b'-').map(<[u8]>::len).collect();
    let shaped = [&[8, 4, 4, 4, 12][..], &[32]].contains(&&groups[..]);
    (shaped && id.split(|&b| b == b'-').all(is_hex)).then_some(id)
}

fn name(text: &[u8]) -> Option<Vec<u8>> {
    (!text.is_empty()).then(|| text.to_vec())
}

/// A container in the directory of LXC, in which its own groups stand as well.
fn lxc(text: &[u8]) -> Option<Vec<u8>> {
    name(text).filter(|name| !name.starts_with(b"lxc."))
}

/// The name of a machine: that of a host, at most 64 bytes, with systemd's escapes undone.
/// Source: systemd.unit(5), machine names in org.freedesktop.machine1(5).
fn machine(text: &[u8]) -> Option<Vec<u8>> {
    let name = unescape(text);
    let plain = |b: &u8| b.is_ascii_alphanumeric() || b"-_.".contains(b);
    ((1..=64).contains(&name.len()) && name.iter().all(plain) && name[0] != b'.').then_some(name)
}

/// A machine that libvirt registered: its driver, a number, and the name of the domain.
fn libvirt(text: &[u8]) -> Option<Vec<u8>> {
    let name = machine(text)?;
    let mut parts = name.splitn(3, |&b| b == b'-');
    let driver = parts.next().is_some_and(|driver| driver == b"qemu" || driver == b"lxc");
    let number = parts.next().is_some_and(|id| !id.is_empty() && id.iter().all(u8::is_ascii_digit));
    (driver && number && parts.next().is_some_and(|domain| !domain.is_empty())).then_some(name)
}

/// Undoes systemd's escapes: `\x2d`. Source: systemd.unit(5).
fn unescape(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&first, after)) = rest.split_first() {
        let digit = |b: u8| char::from(b).to_digit(16).map(|digit| digit as u8);
        match rest {
            [b'\\', b'x', a, b, after @ ..] if digit(*a).is_some() && digit(*b).is_some() => {
                out.push(digit(*a).unwrap_or(0) << 4 | digit(*b).unwrap_or(0));
                rest = after;
            }
            _ => {
                out.push(first);
                rest = after;
            }
        }
    }
    out
}

/// The name of a snap, from `NAME.APP`.
fn snap(text: &[u8]) -> Option<Vec<u8>> {
    let dot = text.iter().position(|&b| b == b'.')?;
    let plain = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_".contains(b);
    let named = dot > 0 && text[..dot].iter().all(plain) && dot + 1 < text.len();
    named.then(|| text[..dot].to_vec())
}

/// The same from `NAME.APP.UUID`, or with a hyphen before the UUID as newer releases write it.
fn snap_run(text: &[u8]) -> Option<Vec<u8>> {
    let at = text.len().checked_sub(37)?;
    let (app, id) = text.split_at(at);
    let is_uuid = id[1..].contains(&b'-') && uid(&id[1..]).is_some();
    (is_uuid && b".-".contains(&id[0])).then(|| snap(app))?
}

/// The application's id, from `ORG-PID`.
fn flatpak(text: &[u8]) -> Option<Vec<u8>> {
    let hyphen = text.iter().rposition(|&b| b == b'-')?;
    let (app, pid) = (unescape(&text[..hyphen]), &text[hyphen + 1..]);
    let shaped = !pid.is_empty() && pid.iter().all(u8::is_ascii_digit) && app.contains(&b'.');
    shaped.then_some(app)
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "aaaaaaaaaaaaaaaabbbbbbbbbbbbbbbbccccccccccccccccdddddddddddddddd";
    const B: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    const P: &str = "0f1e2d3c-1234-5678-9abc-0123456789ab";
    const U: &str = "0f1e2d3c_1234_5678_9abc_0123456789ab";
    const K: &str = "abcdefghijklmnopqrstuvwx1";

    /// The paths, with `A`, `B` for two long ids, `P` for the UID of a pod, `U` for it with underscores and `K` for an id
    /// of BuildKit in angle brackets, and what is found: the engines and ids of containers, pods and units.
    #[rustfmt::skip]
    const PATHS: &[(&str, &str)] = &[
        ("/", ""),
        ("", ""),
        // Docker.
        ("/docker/<A>", "c docker <A>"),
        ("/docker/<A>/docker/<B>", "c docker <A>, c docker <B>"),
        ("/../docker/<A>", "c docker <A>"),
        ("/mine/docker/<A>/x", "c docker <A>"),
        ("/system.slice/docker-<A>.scope", "u systemd docker-<A>.scope, c docker <A>"),
        ("/system.slice/docker-<A>.scope/init.scope", "u systemd docker-<A>.scope, c docker <A>"),
        ("/user.slice/user-1000.slice/user@1000.service/user.slice/docker-<A>.scope",
         "u systemd user@1000.service, u systemd docker-<A>.scope, c docker <A>"),
        ("/system.slice:docker:<A>", "c docker <A>"),
        ("/mine/<A>", "c container <A>"),
        ("/system.slice/docker.service", "u systemd docker.service"),
        ("/system.slice/docker-x.scope", "u systemd docker-x.scope"),
        ("/docker/short", ""),
        ("/docker/<A>0", ""),
        ("/docker-<A>", ""),
        // Podman.
        ("/libpod_parent/libpod-<A>", "c podman <A>"),
        ("/libpod_parent/libpod-<A>/container", "c podman <A>"),
        ("/machine.slice/libpod-<A>.scope", "u systemd libpod-<A>.scope, c podman <A>"),
        ("/machine.slice/libpod-<A>.scope/container", "u systemd libpod-<A>.scope, c podman <A>"),
        ("/machine.slice/libpod-conmon-<A>.scope", "u systemd libpod-conmon-<A>.scope"),
        ("/libpod_parent/conmon", ""),
        ("/system.slice/web.service/libpod-payload-<A>", "u systemd web.service, c podman <A>"),
        ("/machine.slice/machine-libpod_pod_<B>.slice/libpod-<A>.scope/container",
         "p podman <B>, u systemd libpod-<A>.scope, c podman <A>"),
        ("/libpod_parent/<B>/libpod-<A>", "p podman <B>, c podman <A>"),
        ("/user.slice/user-1000.slice/user@1000.service/user.slice/user-libpod_pod_<B>.slice/libpod-<A>.scope",
         "u systemd user@1000.service, p podman <B>, u systemd libpod-<A>.scope, c podman <A>"),
        // Kubernetes with containerd, CRI-O, and with Docker in former days.
        ("/kubepods/burstable/pod<P>/<A>", "p kubernetes <P>, c kubernetes <A>"),
        ("/kubepods/besteffort/pod<P>/crio-<A>", "p kubernetes <P>, c cri-o <A>"),
        ("/kubepods/besteffort/pod<P>/crio-conmon-<A>", "p kubernetes <P>"),
        ("/kubepods/pod<P>/<A>", "p kubernetes <P>, c kubernetes <A>"),
        ("/kubepods/pod0123456789abcdef0123456789abcdef/<A>",
         "p kubernetes 0123456789abcdef0123456789abcdef, c kubernetes <A>"),
        ("/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod<U>.slice/cri-containerd-<A>.scope",
         "p kubernetes <P>, u systemd cri-containerd-<A>.scope, c containerd <A>"),
        ("/kubepods.slice/kubepods-pod<U>.slice/crio-<A>.scope/container",
         "p kubernetes <P>, u systemd crio-<A>.scope, c cri-o <A>"),
        ("/kubepods.slice/kubepods-pod<U>.slice/crio-conmon-<A>.scope",
         "p kubernetes <P>, u systemd crio-conmon-<A>.scope"),
        ("/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod<U>.slice/docker-<A>.scope",
         "p kubernetes <P>, u systemd docker-<A>.scope, c docker <A>"),
        ("/kubepods-besteffort-pod<U>.slice:cri-containerd:<A>", "p kubernetes <P>, c containerd <A>"),
        ("/system.slice/containerd.service/kubepods-besteffort-pod<U>.slice:cri-containerd:<A>",
         "u systemd containerd.service, p kubernetes <P>, c containerd <A>"),
        ("/docker/<B>/kubelet/kubepods/besteffort/pod<P>/<A>",
         "c docker <B>, p kubernetes <P>, c kubernetes <A>"),
        ("/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-besteffort.slice/kubelet-kubepods-besteffort-pod<U>.slice/cri-containerd-<A>.scope",
         "p kubernetes <P>, u systemd cri-containerd-<A>.scope, c containerd <A>"),
        ("/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-burstable.slice/kubelet-kubepods-burstable-pod<U>.slice/crio-<A>.scope",
         "p kubernetes <P>, u systemd crio-<A>.scope, c cri-o <A>"),
        ("/system.slice/docker-<B>.scope/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-pod<U>.slice/cri-containerd-<A>.scope",
         "u systemd docker-<B>.scope, c docker <B>, p kubernetes <P>, c containerd <A>"),
        ("/kubepods/burstable/podcast/x", ""),
        ("/home/pod<P>", ""),
        ("/a:b:c", ""),
        ("/x:cri-containerd:short", ""),
        ("/a:machine:web", ""),
        // nerdctl, BuildKit.
        ("/system.slice/nerdctl-<A>.scope", "u systemd nerdctl-<A>.scope, c nerdctl <A>"),
        ("/docker/buildkit/<K>", "c buildkit <K>"),
        ("/buildkit/<K>", "c buildkit <K>"),
        ("/buildkit/<A>", "c buildkit <A>"),
        ("/system.slice/buildkit-<K>.scope", "u systemd buildkit-<K>.scope, c buildkit <K>"),
        ("/buildkit/cache", ""),
        // LXC, whose names are any.
        ("/lxc.payload.web", "c lxc web"),
        ("/lxc.payload.a:b.c/system.slice/x.service", "c lxc a:b.c"),
        ("/lxc.payload/web", "c lxc web"),
        ("/lxc/101/ns", "c lxc 101"),
        ("/lxc.monitor.web", ""),
        ("/lxc/lxc.monitor.web", ""),
        ("/lxc.monitor/web", ""),
        ("/lxc.pivot", ""),
        ("/lxc.payload.", ""),
        // Machines.
        ("/machine.slice/machine-a\\x2db.scope", "u systemd machine-a\\x2db.scope, c machined a-b"),
        ("/machine.slice/machine-web.scope/payload/system.slice/x.service", "u systemd machine-web.scope, c machined web"),
        ("/machine.slice/machine-web.scope/supervisor", "u systemd machine-web.scope"),
        ("/machine.slice/systemd-nspawn@web.service/payload", "u systemd systemd-nspawn@web.service, c systemd-nspawn web"),
        ("/machine.slice/systemd-nspawn@web.service/supervisor", "u systemd systemd-nspawn@web.service"),
        ("/machine.slice/machine-qemu\\x2d1\\x2da\\x2db.scope/libvirt/vcpu0",
         "u systemd machine-qemu\\x2d1\\x2da\\x2db.scope, c libvirt qemu-1-a-b"),
        ("/machine.slice/machine-qemu\\x2dx.scope", "u systemd machine-qemu\\x2dx.scope, c machined qemu-x"),
        ("/machine.slice/machine-.scope", "u systemd machine-.scope"),
        ("/machine.slice/machine-a\\x2fb.scope", "u systemd machine-a\\x2fb.scope"),
        // Applications.
        ("/user.slice/user-1000.slice/user@1000.service/app.slice/snap.firefox.firefox.<P>.scope",
         "u systemd user@1000.service, u systemd snap.firefox.firefox.<P>.scope, c snap firefox"),
        ("/user.slice/user-1000.slice/user@1000.service/app.slice/snap.firefox.hook.configure-<P>.scope",
         "u systemd user@1000.service, u systemd snap.firefox.hook.configure-<P>.scope, c snap firefox"),
        ("/system.slice/snap.lxd.daemon.service", "u systemd snap.lxd.daemon.service, c snap lxd"),
        ("/system.slice/snap.mount.scope", "u systemd snap.mount.scope"),
        ("/system.slice/snap.lxd.service", "u systemd snap.lxd.service"),
        ("/user.slice/user-1000.slice/user@1000.service/app.slice/app-flatpak-org.mozilla.firefox-4242.scope",
         "u systemd user@1000.service, u systemd app-flatpak-org.mozilla.firefox-4242.scope, c flatpak org.mozilla.firefox"),
        ("/app.slice/app-flatpak-org.a\\x2db-1.scope", "u systemd app-flatpak-org.a\\x2db-1.scope, c flatpak org.a-b"),
        ("/app.slice/app-flatpak-org.x-y.scope", "u systemd app-flatpak-org.x-y.scope"),
        // Units.
        ("/init.scope", "u systemd init.scope"),
        ("/system.slice/a:b.service", "u systemd a:b.service"),
        ("/system.slice/system-getty.slice/getty@tty1.service", "u systemd getty@tty1.service"),
        ("/system.slice/nginx.service/inner.service", "u systemd nginx.service"),
        ("/user.slice/user-1000.slice/session-2.scope", "u systemd session-2.scope"),
        ("/user.slice/user-1000.slice/user@1000.service/init.scope", "u systemd user@1000.service, u systemd init.scope"),
        ("/user.slice/user-1000.slice/user@1000.service/app.slice/a.service/b.service",
         "u systemd user@1000.service, u systemd a.service"),
        ("/user.slice/user-1000.slice/user@1000.service/user@1.service/b.service",
         "u systemd user@1000.service, u systemd user@1.service"),
        ("/../../system.slice/x.service", "u systemd x.service"),
        ("/mine/x.service", ""),
        ("/.service", ""),
        ("/.scope", ""),
        ("/system.slice/x.mount", ""),
    ];

    fn filled(text: &str) -> String {
        [("<A>", A), ("<B>", B), ("<P>", P), ("<U>", U), ("<K>", K)]
            .iter()
            .fold(text.to_string(), |text, (hole, id)| text.replace(hole, id))
    }

    #[test]
    fn each_layout_is_known_and_what_looks_alike_is_not() {
        for (path, expected) in PATHS {
            let path = filled(path);
            let found = levels(path.as_bytes());
            let shown: Vec<_> = found
                .iter()
                .map(|level| {
                    let what = match level.what {
                        Container => "c",
                        Pod => "p",
                        Unit => "u",
                    };
                    format!("{what} {} {}", level.engine, String::from_utf8_lossy(&level.id))
                })
                .collect();
            assert_eq!(shown.join(", "), filled(expected), "{path}");
            assert!(found.is_sorted_by_key(|level| level.end), "{path}");
        }
    }

    #[test]
    fn every_layout_has_a_path_in_the_table() {
        for layout in LAYOUTS {
            let engine = |found: &str| found.contains(&format!(" {} ", layout.engine));
            let fits = |path: &str| path.contains(layout.before) && path.contains(layout.after);
            assert!(PATHS.iter().any(|(path, found)| engine(found) && fits(path)), "{}", layout.before);
        }
    }

    #[test]
    fn a_level_ends_where_its_piece_does() {
        let path = filled("/a/docker/<A>/docker/<B>/x");
        let ends: Vec<usize> = levels(path.as_bytes()).iter().map(|level| level.end).collect();
        assert_eq!(ends, [10 + 64, 10 + 64 + 8 + 64]);
        let bytes = [b"/lxc.payload.a\xff\nb:", &b"/x"[..]].concat();
        assert_eq!(levels(&bytes)[0].id, b"a\xff\nb:");
    }
}
