//! What the files say that container engines keep of what they run, where we may read them.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::path::Path;

use nix::fcntl::OFlag;
use nix::sys::stat::Mode;
use nix::unistd::Uid;

use super::path::is_long_id;
use super::sources::{Base, SMALL, SOURCES, Source, json};
use super::trust::{Place, Trust};
use crate::error::{Error, Result, or_none};
use crate::proc::Proc;
use crate::proc::mounts::{self, Mount};

/// A container that a file tells of. Only files are believed that nobody but root and we ourselves could have
/// written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// The engine, in one word.
    pub engine: &'static str,
    /// Its whole id; for some engines that is its name.
    pub id: Vec<u8>,
    /// What people call it.
    pub names: Vec<Vec<u8>>,
    /// Its pod, as `NAMESPACE/NAME`.
    pub pod: Option<Vec<u8>>,
    /// Its first process: PID, start in clock ticks since boot (proc_pid_stat(5)), and the file that says it.
    pub init: Option<(i32, u64, Vec<u8>)>,
    /// The first process of a machine, of which no start is known: PID, and inode number of its pidfd where
    /// systemd wrote that (pidfs, Linux 6.9). The file is `source`.
    pub leader: Option<(i32, Option<u64>)>,
    /// Its groups, as `/proc/PID/cgroup` writes paths.
    pub groups: Vec<Vec<u8>>,
    /// The file that tells its name, or else its first process.
    pub source: Vec<u8>,
}

/// All that the files tell.
#[derive(Clone, Debug, Default)]
pub struct States {
    /// The containers, one row each.
    pub known: Vec<Known>,
}

impl States {
    /// Those of the machine whose processes this shows; of another machine's none are known. An error is only what is
    /// our own trouble: no descriptor or memory left.
    pub fn of(proc: &Proc) -> Result<States> {
        if !proc.is_system() {
            return Ok(States::default());
        }
        let mounts = or_none(proc.this().and_then(|this| mounts::of(&this)))?;
        let (states, trouble) = States::take(Path::new("/"), &mounts);
        trouble.map_or(Ok(states), Err)
    }

    /// Reads the files below this root directory: `/`, or one made for a test. What cannot be read, or may not be
    /// believed, is left out. The mounts are those that we see ourselves: they tell where the hierarchies of groups are.
    pub fn read(root: &Path, mounts: &[Mount]) -> States {
        States::take(root, mounts).0
    }

    /// The same, and our own trouble, if there was any.
    fn take(root: &Path, mounts: &[Mount]) -> (States, Option<Error>) {
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let root = match nix::fcntl::open(root, flags, Mode::empty()) {
            Ok(root) => root,
            Err(e) => return (States::default(), Some(Error::sys("open", "root directory", e))),
        };
        let trust = Trust::take();
        let docker = Docker::of(&trust, &root);
        let us = Uid::effective().as_raw();
        let mut states = States::default();
        let mut rows = BTreeMap::new();
        for source in SOURCES {
            let base = match source.base {
                Base::Root => b"/".to_vec(),
                Base::DockerData => [&docker.data[..], b"/"].concat(),
                Base::DockerExec => [&docker.exec[..], b"/"].concat(),
                Base::OfUser if us == 0 => continue,
                Base::OfUser => format!("/run/user/{us}/").into_bytes(),
            };
            source.read(&trust, &root, base, &mut |known| states.add(known, mounts, &mut rows));
        }
        (states, trust.trouble())
    }

    /// Adds what a file tells. Rows are of one container if they have the same long id: a short one was chosen
    /// by people, who may give it to two engines. `rows` are those of long ids so far.
    fn add(&mut self, mut known: Known, mounts: &[Mount], rows: &mut BTreeMap<Vec<u8>, usize>) {
        known.groups = known.groups.iter().filter_map(|group| in_hierarchy(group, mounts)).collect();
        known.groups.sort_unstable();
        known.groups.dedup();
        let there = rows.get(&known.id).and_then(|row| self.known.get_mut(*row));
        let Some(there) = there else {
            if is_long_id(&known.id) {
                rows.insert(known.id.clone(), self.known.len());
            }
            return self.known.push(known);
        };
        if there.names.is_empty() && (!known.names.is_empty() || there.init.is_none() && known.init.is_some())
        {
            there.source = known.source;
        }
        let more = known.names.into_iter().filter(|name| !there.names.contains(name));
        there.names.extend(more.collect::<Vec<_>>());
        let more = known.groups.into_iter().filter(|group| !there.groups.contains(group));
        there.groups.extend(more.collect::<Vec<_>>());
        there.pod = there.pod.take().or(known.pod);
        there.init = there.init.take().or(known.init);
    }
}

impl Source {
    /// Reads its files, from the directory before the first star on.
    fn read(&self, trust: &Trust, root: &OwnedFd, base: Vec<u8>, add: &mut dyn FnMut(Known)) {
        let (above, below) = match self.path.find('*') {
            Some(star) => self.path.split_at(star),
            None => self.path.split_at(self.path.rfind('/').map_or(0, |slash| slash + 1)),
        };
        let mut path = [&base[..], above.as_bytes()].concat();
        let Some(place) = trust.base(root, &path) else { return };
        path.pop_if(|last| *last == b'/');
        let pieces: Vec<&[u8]> = below.as_bytes().split(|&b| b == b'/').collect();
        self.walk(&place, &path, &pieces, &mut Vec::new(), add);
    }

    fn walk(
        &self,
        place: &Place<'_>,
        path: &[u8],
        pieces: &[&[u8]],
        stars: &mut Vec<Vec<u8>>,
        add: &mut dyn FnMut(Known),
    ) {
        let [piece, rest @ ..] = pieces else { return };
        let star = *piece == b"*";
        for name in if star { place.names() } else { vec![piece.to_vec()] } {
            let path = [path, b"/", &name].concat();
            let length = stars.len();
            stars.extend(star.then(|| name.clone()));
            if !rest.is_empty() {
                if let Some(below) = place.descend(&name) {
                    self.walk(&below, &path, rest, stars, add);
                }
            } else if let Some(text) = place.read(&name, self.most) {
                let names: Vec<&[u8]> = stars.iter().map(Vec::as_slice).collect();
                for mut known in (self.parse)(self.engine, &names, &text) {
                    if let Some((_, _, file)) = &mut known.init {
                        *file = path.clone();
                    }
                    add(Known { source: path.clone(), ..known });
                }
            }
            stars.truncate(length);
        }
    }
}

/// Where Docker has its directories.
struct Docker {
    data: Vec<u8>,
    exec: Vec<u8>,
}

impl Docker {
    /// As its configuration says, or else the usual ones. Source: dockerd(8).
    fn of(trust: &Trust, root: &OwnedFd) -> Docker {
        let text = trust.base(root, b"/etc/docker").and_then(|place| place.read(b"daemon.json", SMALL));
        let config = json(&text.unwrap_or_default());
        let directory = |key: &str| config[key].as_str().filter(|path| path.starts_with('/'));
        let or = |path: Option<&str>, usual: &str| path.unwrap_or(usual).trim_end_matches('/').into();
        Docker {
            data: or(directory("data-root").or(directory("graph")), "/var/lib/docker"),
            exec: or(directory("exec-root"), "/run/docker"),
        }
    }
}

/// A group as `/proc/PID/cgroup` writes it: some engines write where they have it mounted. None for the root,
/// which is no container's own.
fn in_hierarchy(group: &[u8], mounts: &[Mount]) -> Option<Vec<u8>> {
    let below = |mount: &&Mount| {
        let rest = group.strip_prefix(mount.point.as_slice());
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
    };
    let of_groups = mounts.iter().filter(|mount| [&b"cgroup"[..], b"cgroup2"].contains(&&mount.fs_type[..]));
    let path = match of_groups.filter(below).max_by_key(|mount| mount.point.len()) {
        Some(mount) => {
            let above = if mount.root == b"/" { &b""[..] } else { &mount.root };
            [above, &group[mount.point.len()..]].concat()
        }
        // A path in a mount that we do not see says nothing.
        None if group.starts_with(b"/sys/fs/") => return None,
        None => group.to_vec(),
    };
    let end = path.iter().rposition(|&b| b != b'/').map_or(0, |last| last + 1);
    let path = &path[..end];
    let plain = path.starts_with(b"/") && path.rsplit(|&b| b == b'/').next() != Some(b"..");
    plain.then(|| path.to_vec())
}

#[cfg(test)]
mod tests {
    use std::fs::{create_dir_all, set_permissions, write};
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    const A: &str = "aaaaaaaaaaaaaaaabbbbbbbbbbbbbbbbccccccccccccccccdddddddddddddddd";
    const B: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    fn filled(text: &str) -> String {
        [("<A>", A), ("<B>", B)].iter().fold(text.into(), |text, (hole, id)| text.replace(hole, id))
    }

    /// A root directory with files in it.
    struct Root(std::path::PathBuf);

    impl Root {
        fn new(name: &str) -> Root {
            let root = std::env::temp_dir().join(format!("nskit-states-{}-{name}", std::process::id()));
            create_dir_all(&root).expect("a directory");
            mode(&root, 0o755);
            Root(root)
        }

        fn file(&self, path: &str, text: &str) {
            let path = self.0.join(filled(path));
            create_dir_all(path.parent().expect("a directory")).expect("directories");
            write(&path, filled(text)).expect("a file");
            for above in path.ancestors().take_while(|above| *above != self.0) {
                mode(above, if above == path { 0o600 } else { 0o700 });
            }
        }

        fn read(&self) -> Vec<Known> {
            let line = b"1 0 0:5 / /sys/fs/cgroup/cpu rw - cgroup c rw\n2 0 0:6 /in /sys/fs/cgroup/unified rw - cgroup2 c rw\n";
            let mounts: Vec<Mount> = mounts::parse(line).0;
            States::read(&self.0, &mounts).known
        }
    }

    impl Drop for Root {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    fn mode(path: &Path, mode: u32) {
        set_permissions(path, PermissionsExt::from_mode(mode)).expect("a mode");
    }

    const STATE: &str = r#"{"id":"<A>","init_process_pid":42,"init_process_start":777,
        "cgroup_paths":{"cpu":"/sys/fs/cgroup/cpu/docker/<A>","":"/sys/fs/cgroup/unified/docker/<A>","pids":"/sys/fs/cgroup/pids/x"}}"#;

    #[test]
    fn each_engine_is_understood() {
        let root = Root::new("engines");
        root.file("etc/docker/daemon.json", r#"{"data-root": "/srv/docker"}"#);
        root.file("srv/docker/containers/<A>/config.v2.json", r#"{"ID":"<A>","Name":"/web","Config":{"Labels":{"io.kubernetes.pod.name":"p","io.kubernetes.pod.namespace":"n"}}}"#);
        root.file("run/docker/runtime-runc/moby/<A>/state.json", STATE);
        root.file(
            "run/docker/runtime-runc/moby/by-crun/status",
            r#"{"pid":5,"process-start-time":6,"cgroup-path":"/docker/x"}"#,
        );
        root.file("run/runc/foo/state.json", r#"{"id":"foo","init_process_pid":0,"init_process_start":0,"cgroup_paths":{"cpu":"/sys/fs/cgroup/cpu/"}}"#);
        root.file("run/crun/bar/status", r#"{"pid":7,"process-start-time":8,"cgroup-path":"/mine/bar"}"#);
        root.file("run/youki/you/state.json", r#"{"id":"you","pid":9}"#);
        root.file("run/containerd/io.containerd.runtime.v2.task/k8s.io/<B>/config.json", r#"{"annotations":{"io.kubernetes.cri.container-type":"container","io.kubernetes.cri.container-name":"c","io.kubernetes.cri.sandbox-name":"p","io.kubernetes.cri.sandbox-namespace":"n"}}"#);
        root.file(
            "run/containerd/io.containerd.runtime.v2.task/default/short/config.json",
            r#"{"annotations":{"nerdctl/name":"nerd"}}"#,
        );
        root.file(
            "run/containerd/runc/k8s.io/<B>/state.json",
            &STATE.replace("<A>", "<B>").replace("42", "43"),
        );
        let id = "c".repeat(64);
        root.file(
            "var/lib/containers/storage/overlay-containers/containers.json",
            &format!(r#"[{{"id":"{id}","names":["pod-db"]}},{{"names":["none"]}},7]"#),
        );
        root.file(
            &format!("var/lib/containers/storage/overlay-containers/{id}/userdata/config.json"),
            r#"{"annotations":{"io.container.manager":"libpod"}}"#,
        );
        root.file("run/systemd/machines/vm", "# private\nNAME=vm\nCLASS=container\nSERVICE=systemd-nspawn\nSCOPE=machine-vm.scope\nLEADER=12\nLEADER_PIDFDID=99\n");
        root.file("run/systemd/machines/other", "NAME=vm\n");
        let found: Vec<String> = root
            .read()
            .iter()
            .map(|known| {
                let text = |bytes: &[u8]| {
                    String::from_utf8_lossy(bytes).replace(A, "<A>").replace(B, "<B>").replace(&id, "<C>")
                };
                let texts = |all: &[Vec<u8>]| all.iter().map(|one| text(one)).collect::<Vec<_>>().join(" ");
                let init =
                    known.init.as_ref().map(|(pid, start, file)| format!("{pid}+{start} {}", text(file)));
                let pod = known.pod.as_ref().map(|pod| text(pod));
                let leader = known.leader.map(|leader| format!(" {leader:?}")).unwrap_or_default();
                format!(
                    "{} {} [{}] {} [{}] {} {}{leader}",
                    known.engine,
                    text(&known.id),
                    texts(&known.names),
                    pod.unwrap_or("-".into()),
                    texts(&known.groups),
                    init.unwrap_or("-".into()),
                    text(&known.source),
                )
            })
            .collect();
        #[rustfmt::skip]
        let expected = [
            "docker <A> [web] n/p [/docker/<A> /in/docker/<A>] 42+777 /run/docker/runtime-runc/moby/<A>/state.json /srv/docker/containers/<A>/config.v2.json",
            "nerdctl short [nerd] - [] - /run/containerd/io.containerd.runtime.v2.task/default/short/config.json",
            "containerd <B> [c] n/p [/docker/<B> /in/docker/<B>] 43+777 /run/containerd/runc/k8s.io/<B>/state.json /run/containerd/io.containerd.runtime.v2.task/k8s.io/<B>/config.json",
            "podman <C> [pod-db] - [] - /var/lib/containers/storage/overlay-containers/containers.json",
            "systemd-nspawn vm [vm] - [] - /run/systemd/machines/vm (12, Some(99))",
            "docker by-crun [] - [/docker/x] 5+6 /run/docker/runtime-runc/moby/by-crun/status /run/docker/runtime-runc/moby/by-crun/status",
            "runc foo [] - [] - /run/runc/foo/state.json",
            "crun bar [] - [/mine/bar] 7+8 /run/crun/bar/status /run/crun/bar/status",
            "youki you [] - [] - /run/youki/you/state.json",
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn docker_has_what_is_of_other_ids_below_those_and_nobodys_volume_is_taken_for_it() {
        let root = Root::new("ids");
        let config = r#"{"ID":"<A>","Name":"/web"}"#;
        for other in ["volumes", "100000", "100000.", ".5", "1.2.3", "1.4294967296"] {
            root.file(&format!("var/lib/docker/{other}/containers/_data/config.v2.json"), config);
        }
        assert_eq!(root.read(), []);
        root.file("var/lib/docker/100000.65534/containers/<A>/config.v2.json", config);
        let found = root.read();
        assert_eq!(found.iter().map(|known| &known.names[0][..]).collect::<Vec<_>>(), [b"web"]);
        let source = filled("/var/lib/docker/100000.65534/containers/<A>/config.v2.json");
        assert_eq!(found[0].source, source.as_bytes());
    }

    #[test]
    fn a_file_is_believed_only_where_nobody_else_can_write() {
        let root = Root::new("trust");
        let file = "run/runc/foo/state.json";
        let state = r#"{"id":"foo"}"#;
        root.file(file, state);
        assert_eq!(root.read().len(), 1);
        let spoilt: &[(&str, u32, u32)] = &[
            ("run/runc/foo/state.json", 0o620, 0o600),
            ("run/runc/foo/state.json", 0o602, 0o600),
            ("run/runc/foo", 0o770, 0o700),
            ("run/runc/foo", 0o1777, 0o700),
            ("run/runc", 0o707, 0o700),
            ("run", 0o775, 0o700),
            ("", 0o777, 0o755),
        ];
        for (path, bad, good) in spoilt {
            mode(&root.0.join(path), *bad);
            assert_eq!(root.read(), [], "{path} {bad:o}");
            mode(&root.0.join(path), *good);
        }
        // Links are not followed below the base, and lead there within the root.
        let other = Root::new("elsewhere");
        other.file("bar/state.json", state);
        symlink(other.0.join("bar"), root.0.join("run/runc/bar")).expect("a link");
        std::fs::create_dir(root.0.join("run/runc/baz")).expect("a directory");
        symlink(other.0.join("bar/state.json"), root.0.join("run/runc/baz/state.json")).expect("a link");
        // What would wait, what is no file, what is large, what is no JSON.
        for odd in ["fifo", "dir", "large", "odd", "bytes", "deep"] {
            root.file(&format!("run/runc/{odd}/x"), "");
        }
        let at = |name: &str| root.0.join(format!("run/runc/{name}/state.json"));
        nix::unistd::mkfifo(&at("fifo"), nix::sys::stat::Mode::from_bits_truncate(0o600)).expect("a pipe");
        create_dir_all(at("dir")).expect("a directory");
        root.file("run/runc/large/state.json", &format!("{}{}", state, " ".repeat(1 << 20)));
        root.file("run/runc/odd/state.json", "{\"id\":");
        root.file("run/runc/deep/state.json", &"[".repeat(100_000));
        write(at("bytes"), b"{\"id\":\"\xff\"}").expect("a file");
        root.file("run/runc/last/state.json", r#"{"id":"last"}"#);
        let ids: Vec<_> = root.read().into_iter().map(|known| known.id).collect();
        assert_eq!(ids, [&b"foo"[..], b"last"]);
    }

    #[test]
    fn links_above_lead_within_the_root() {
        let root = Root::new("links");
        root.file("data/docker/containers/<A>/config.v2.json", r#"{"ID":"<A>","Name":"/web"}"#);
        create_dir_all(root.0.join("var/lib")).expect("directories");
        symlink("/data/docker", root.0.join("var/lib/docker")).expect("a link");
        assert_eq!(root.read().len(), 1);
        mode(&root.0.join("data"), 0o777);
        assert_eq!(root.read(), []);
    }
}
