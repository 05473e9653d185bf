//! The places where namespaces hide: each is made, and must be found exactly where the kernel lets anyone find it.

use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use crate::harness::{Held, Ring, Test, has_kind, inode, kernel_since, within};

/// What the scripts below have. Each makes a place, says in a line what the test has to know, and stays.
pub(super) const WORDS: &str = r#"
import ctypes, os, signal, socket, sys, threading
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
NEWNS, NEWUTS, NEWUSER, NEWPID, NEWNET, NEWTIME, FILES = (
    0x20000, 0x4000000, 0x10000000, 0x20000000, 0x40000000, 0x80, 0x400)
BIND, REC, PRIVATE, DETACH = 4096, 16384, 1 << 18, 2
dir = sys.argv[1]

def done(answer, *what):
    if answer < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), *map(str, what))
    return answer

def unshare(flags):
    done(libc.unshare(flags), 'unshare', hex(flags))

def enter(fd, close=True):
    done(libc.setns(fd, 0), 'setns')
    if close:
        os.close(fd)

def mount(source, target, kind, flags):
    text = lambda word: word.encode() if word else None
    done(libc.mount(text(source), text(target), text(kind), ctypes.c_ulong(flags), None), 'mount', target)

def umount(target):
    done(libc.umount2(target.encode(), DETACH), 'umount', target)

def own(kind):
    return os.open('/proc/thread-self/ns/' + kind, os.O_RDONLY | os.O_CLOEXEC)

# Makes a namespace; answers it and leaves it.
def make(kind, flag):
    before = own(kind)
    unshare(flag)
    made = own(kind)
    enter(before)
    return made

# A mount namespace of our own, from which no event leads out, and a file system in it.
def apart():
    unshare(NEWNS)
    mount(None, '/', None, REC | PRIVATE)
    mount('tmpfs', dir, 'tmpfs', 0)
    open(dir + '/x', 'w').close()

def ino(fd):
    return os.fstat(fd).st_ino

def bind(fd, target):
    mount('/proc/self/fd/%d' % fd, target, None, BIND)

def say(*words):
    print(*words, flush=True)

def stay():
    while True:
        signal.pause()

def in_thread(what):
    said = threading.Event()
    def run():
        what()
        said.set()
        threading.Event().wait()
    threading.Thread(target=run, daemon=True).start()
    said.wait()
    stay()
"#;

/// A process that hides a namespace.
pub(super) struct Hider {
    held: Held,
    pub(super) dir: tempfile::TempDir,
}

impl Hider {
    pub(super) fn pid(&self) -> i32 {
        self.held.pid()
    }

    /// The numbers that it said.
    pub(super) fn numbers<const N: usize>(&self) -> [u64; N] {
        let numbers: Vec<u64> =
            self.held.line.split(' ').map(|word| word.parse().unwrap_or_else(|_| panic!("{word}"))).collect();
        numbers.try_into().unwrap()
    }
}

/// Runs a script. None where there is nothing to run it with.
pub(super) fn hide(t: &Test, script: &str) -> Option<Hider> {
    // Not by its name: that can be a wrapper, which would be a process more.
    let python = Path::new("/usr/bin/python3");
    if !t.needs(python.exists(), "/usr/bin/python3") {
        return None;
    }
    let dir = tempfile::tempdir().unwrap();
    let run = t.path(python).args(["-I", "-S", "-c", &[WORDS, script].concat()]).arg(dir.path());
    Some(Hider { held: run.hold(), dir })
}

/// What is listed of a namespace: NS, TYPE, VIA, HOLDERS, REF, NPROCS, ONS.
pub(super) fn listing(t: &Test) -> Vec<Value> {
    let run = t.tool("rlsns").args(["-J", "-l", "-o", "NS,TYPE,VIA,HOLDERS,REF,NPROCS,ONS"]).run();
    assert_eq!((run.code, run.errors().as_str()), (Some(0), ""), "{run:?}");
    let json: Value = serde_json::from_slice(&run.stdout).unwrap();
    json["namespaces"].as_array().unwrap().clone()
}

pub(super) fn find(t: &Test, ino: u64) -> Option<Value> {
    listing(t).into_iter().find(|ns| ns["ns"] == ino)
}

/// It is found with this VIA, these HOLDERS and this REF, and no process is in it. A listing of another test can
/// have it open for an instant, so more than one look is allowed.
#[track_caller]
pub(super) fn is_found(
    t: &Test,
    ino: u64,
    kind: &str,
    via: &str,
    holders: Option<&str>,
    reference: Option<String>,
) {
    let expected = serde_json::json!([kind, via, holders, 0]);
    let mut last = Value::Null;
    let fits = within(Duration::from_secs(20), || {
        last = find(t, ino).unwrap_or_default();
        let told = serde_json::json!([last["type"], last["via"], last["holders"], last["nprocs"]]);
        let reached = match &reference {
            Some(path) => last["ref"] == path.as_str(),
            // By nothing but its number, where it has one.
            None => last["ref"].as_str().is_none_or(|text| text.starts_with(&format!("{kind}:#"))),
        };
        told == expected && reached
    });
    assert!(fits, "{ino}: {last}, not {expected} by {reference:?}");
}

#[track_caller]
fn is_not_found(t: &Test, ino: u64) {
    assert_eq!(find(t, ino), None);
}

/// Does the kernel list namespaces to us, from this release on?
pub(super) fn lists_since(release: (u32, u32)) -> bool {
    // Only to those in the initial pid namespace, whose number is always this.
    kernel_since(release) && inode("self", "pid") == 0xEFFF_FFFC
}

/// Does it list all kinds?
pub(super) fn lists_all() -> bool {
    lists_since((6, 19))
}

/// Where nothing but the kernel's own list shows a namespace.
#[track_caller]
fn only_the_kernel_lists(t: &Test, ino: u64, kind: &str, listed: bool) {
    match listed {
        true => is_found(t, ino, kind, "kernel", None, None),
        false => is_not_found(t, ino),
    }
}

#[test]
fn a_thread_that_is_elsewhere_than_its_process_holds_a_namespace() {
    let t = rings!(Host, Uml, Qemu);
    let script = "
def leave():
    unshare(NEWUTS)
    say(threading.get_native_id(), os.stat('/proc/thread-self/ns/uts').st_ino)
in_thread(leave)";
    let Some(hider) = hide(&t, script) else { return };
    let [tid, ino] = hider.numbers();
    let path = format!("/proc/{}/task/{tid}/ns/uts", hider.pid());
    is_found(&t, ino, "uts", "thread", Some("1t"), Some(path));
}

#[test]
fn an_open_file_holds_a_namespace_however_it_was_opened() {
    let t = rings!(Host, Uml, Qemu);
    let Some(hider) = hide(&t, "fd = make('uts', NEWUTS); say(fd, ino(fd)); stay()") else { return };
    let [fd, ino] = hider.numbers();
    is_found(&t, ino, "uts", "fd", Some("1f"), Some(format!("/proc/{}/fd/{fd}", hider.pid())));
    // By a path where it is mounted; and when it is no more, the link of the descriptor says "/".
    let by_path = "
apart()
first, second = make('uts', NEWUTS), make('uts', NEWUTS)
numbers = ino(first), ino(second)
open(dir + '/y', 'w').close()
bind(first, dir + '/x')
bind(second, dir + '/y')
os.close(first)
os.close(second)
fds = [os.open(dir + name, os.O_RDONLY) for name in ('/x', '/y')]
umount(dir + '/y')
say(*numbers, *fds)
stay()";
    let Some(hider) = hide(&t, by_path) else { return };
    let [first, second, fd, other] = hider.numbers();
    is_found(&t, first, "uts", "fd", Some("1f 1b"), Some(format!("/proc/{}/fd/{fd}", hider.pid())));
    is_found(&t, second, "uts", "fd", Some("1f"), Some(format!("/proc/{}/fd/{other}", hider.pid())));
}

#[test]
fn a_socket_holds_a_namespace() {
    let t = rings!(Host, Uml, Qemu);
    let script = "
before = own('net')
unshare(NEWNET)
kept = socket.socket()
number = os.stat('/proc/self/ns/net').st_ino
enter(before)
say(number)
stay()";
    let Some(hider) = hide(&t, script) else { return };
    let [ino] = hider.numbers();
    is_found(&t, ino, "net", "socket", Some("1s"), None);
}

#[test]
fn a_bind_mount_in_another_mount_namespace_holds_a_namespace() {
    let t = rings!(Host, Uml, Qemu);
    let script = "
apart()
fd = make('net', NEWNET)
number = ino(fd)
bind(fd, dir + '/x')
os.close(fd)
say(number)
stay()";
    let Some(hider) = hide(&t, script) else { return };
    let [ino] = hider.numbers();
    let point = format!("{}/x", hider.dir.path().display());
    is_found(&t, ino, "net", "mount", Some("1b"), Some(format!("/proc/{}/root{point}", hider.pid())));
    assert_eq!(find(&t, ino).unwrap()["ref"], format!("/proc/{}/root{point}", hider.pid()));
}

#[test]
fn a_mount_namespace_that_only_a_mount_holds_is_looked_into() {
    let t = rings!(Host, Uml, Qemu);
    // A mount namespace with a net namespace in it, mounted in a third one.
    let script = "
# A mount namespace can be mounted only in one with a lower number, and those ascend on one processor only.
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
apart()
ready, go = os.pipe(), os.pipe()
child = os.fork()
if child == 0:
    os.close(go[1])
    unshare(NEWNS)
    fd = make('net', NEWNET)
    bind(fd, dir + '/x')
    os.write(ready[1], b'%d' % ino(fd))
    os.read(go[0], 1)
    os._exit(0)
os.close(ready[1])
net = int(os.read(ready[0], 32))
open(dir + '/m', 'w').close()
mount('/proc/%d/ns/mnt' % child, dir + '/m', None, BIND)
mnt = os.stat(dir + '/m').st_ino
os.write(go[1], b'x')
os.waitpid(child, 0)
say(mnt, net)
stay()";
    let Some(hider) = hide(&t, script) else { return };
    let [mnt, net] = hider.numbers();
    let root = format!("/proc/{}/root{}", hider.pid(), hider.dir.path().display());
    is_found(&t, mnt, "mnt", "mount", Some("1b"), Some(format!("{root}/m")));
    // Before that, the mounts of a mount namespace are those that a process in it sees, and nobody is in it.
    match lists_since((6, 12)) {
        true => is_found(&t, net, "net", "mount", Some("1b"), None),
        false => assert!(find(&t, net).is_none_or(|ns| ns["via"] == "mount")),
    }
}

#[test]
fn a_user_namespace_that_nobody_is_in_is_held_by_its_child() {
    let t = rings!(Host, Uml, Qemu);
    // Only who has an id in it can make another below it.
    let script = "
unshare(NEWUSER)
number = os.stat('/proc/self/ns/user').st_ino
for file, text in ('setgroups', 'deny'), ('uid_map', '0 0 1'), ('gid_map', '0 0 1'):
    with open('/proc/self/' + file, 'w') as open_file:
        open_file.write(text)
unshare(NEWUSER)
say(number)
stay()";
    let Some(hider) = hide(&t, script) else { return };
    let [ino] = hider.numbers();
    is_found(&t, ino, "user", "namespace", Some("1n"), None);
}

#[test]
fn a_pid_namespace_that_waits_for_its_first_process_is_shown_by_the_kernel_only() {
    let t = rings!(Host, Uml, Qemu);
    // Its number cannot be asked where its link is not there yet, so a user namespace of its own marks it.
    let script = "
unshare(NEWUSER)
unshare(NEWPID)
linked = os.path.exists('/proc/self/ns/pid_for_children')
say(os.stat('/proc/self/ns/user').st_ino, int(linked))
stay()";
    let Some(hider) = hide(&t, script) else { return };
    let [owner, linked] = hider.numbers();
    let waiting =
        || listing(&t).into_iter().find(|ns| ns["ons"] == owner && ns["type"] == "pid").unwrap_or_default();
    let (via, holders) = match linked {
        0 => ("kernel", Value::Null),
        // Newer kernels show it there too.
        _ => ("children", "1c".into()),
    };
    if linked == 1 || lists_all() {
        let mut last = Value::Null;
        let fits = within(Duration::from_secs(20), || {
            last = waiting();
            last["via"] == via && last["holders"] == holders && last["nprocs"] == 0
        });
        assert!(fits, "{last}");
    } else {
        assert_eq!(waiting(), Value::Null);
    }
}

#[test]
fn a_time_namespace_for_children_is_found() {
    let t = rings!(Host, Uml, Qemu);
    if !t.belongs(has_kind("time"), "kernels with time namespaces") {
        return;
    }
    let script = "
unshare(NEWTIME)
say(os.stat('/proc/self/ns/time_for_children').st_ino)
stay()";
    let Some(hider) = hide(&t, script) else { return };
    let [ino] = hider.numbers();
    let path = format!("/proc/{}/ns/time_for_children", hider.pid());
    is_found(&t, ino, "time", "children", Some("1c"), Some(path));
}

#[test]
fn an_open_file_on_its_way_through_a_socket_is_shown_by_the_kernel_only() {
    let t = rings!(Host, Uml, Qemu);
    let script = "
fd = make('uts', NEWUTS)
ends = socket.socketpair()
socket.send_fds(ends[0], [b'x'], [fd])
number = ino(fd)
os.close(fd)
say(number)
stay()";
    let Some(hider) = hide(&t, script) else { return };
    let [ino] = hider.numbers();
    only_the_kernel_lists(&t, ino, "uts", lists_all());
}

#[test]
fn a_tun_device_holds_a_namespace() {
    let t = rings!(Host, Uml, Qemu);
    if Ring::here().is_virtual() {
        // Of a virtual machine, which makes the device then.
        t.program("busybox").args(["modprobe", "tun"]).run().ok();
    }
    if !t.belongs(std::fs::File::open("/dev/net/tun").is_ok(), "machines with /dev/net/tun") {
        return;
    }
    let script = "
before = own('net')
unshare(NEWNET)
kept = os.open('/dev/net/tun', os.O_RDWR)
number = os.stat('/proc/self/ns/net').st_ino
enter(before)
say(number)
stay()";
    let Some(hider) = hide(&t, script) else { return };
    let [ino] = hider.numbers();
    is_found(&t, ino, "net", "socket", Some("1s"), None);
}

/// What such a mount holds is less than a namespace: its devices are removed as if nobody held it, and no interface of
/// the kernel leads to what is left.
#[test]
fn a_namespace_that_only_a_mount_of_sysfs_holds_is_found_by_nothing() {
    let t = rings!(Host, Uml, Qemu);
    let script = "
import time
apart()
before = own('net')
unshare(NEWNET)
os.mkdir(dir + '/sys')
mount('sysfs', dir + '/sys', 'sysfs', 0)
number = os.stat('/proc/self/ns/net').st_ino
devices = lambda: os.listdir(dir + '/sys/class/net')
assert 'lo' in devices()
enter(before)
while devices():
    time.sleep(0.01)
say(number)
stay()";
    let Some(hider) = hide(&t, script) else { return };
    let [ino] = hider.numbers();
    // Its number can already be that of another test's, which something holds.
    let found = find(&t, ino).filter(|ns| ns["nprocs"] == 0 && ns["holders"].is_null());
    assert_eq!(found, None);
}

#[test]
fn a_pid_namespace_whose_processes_have_ended_is_found_by_who_made_it() {
    let t = rings!(Host, Uml, Qemu);
    let script = "
unshare(NEWPID)
child = os.fork()
if child == 0:
    os._exit(0)
os.waitpid(child, 0)
say(os.stat('/proc/self/ns/pid_for_children').st_ino)
stay()";
    let Some(hider) = hide(&t, script) else { return };
    let [ino] = hider.numbers();
    let path = format!("/proc/{}/ns/pid_for_children", hider.pid());
    is_found(&t, ino, "pid", "children", Some("1c"), Some(path));
}

#[test]
fn an_open_file_of_a_thread_with_a_table_of_its_own_holds_a_namespace() {
    let t = rings!(Host, Uml, Qemu);
    let script = "
def open_apart():
    unshare(FILES)
    fd = make('uts', NEWUTS)
    say(threading.get_native_id(), fd, ino(fd))
in_thread(open_apart)";
    let Some(hider) = hide(&t, script) else { return };
    let [tid, fd, ino] = hider.numbers();
    let path = format!("/proc/{}/task/{tid}/fd/{fd}", hider.pid());
    is_found(&t, ino, "uts", "fd", Some("1f"), Some(path));
}

#[test]
fn a_bind_mount_in_a_tree_that_is_mounted_nowhere_is_shown_by_the_kernel_only() {
    let t = rings!(Host, Uml, Qemu);
    let script = "
apart()
fd = make('uts', NEWUTS)
number = ino(fd)
bind(fd, dir + '/x')
os.close(fd)
OPEN_TREE, AT_FDCWD, CLONE, RECURSIVE = 428, -100, 1, 0x8000
done(libc.syscall(ctypes.c_long(OPEN_TREE), AT_FDCWD, dir.encode(), CLONE | RECURSIVE), 'open_tree')
umount(dir + '/x')
umount(dir)
say(number)
stay()";
    let Some(hider) = hide(&t, script) else { return };
    let [ino] = hider.numbers();
    only_the_kernel_lists(&t, ino, "uts", lists_all());
}

#[test]
fn a_mount_namespace_on_its_way_through_a_socket_is_shown_by_the_kernel_only() {
    let t = rings!(Host, Uml, Qemu);
    let script = "
ends = socket.socketpair()
ready = os.pipe()
child = os.fork()
if child == 0:
    unshare(NEWNS)
    fd = own('mnt')
    socket.send_fds(ends[0], [b'x'], [fd])
    os.write(ready[1], b'%d' % ino(fd))
    os._exit(0)
os.close(ready[1])
number = int(os.read(ready[0], 32))
os.waitpid(child, 0)
say(number)
stay()";
    let Some(hider) = hide(&t, script) else { return };
    let [ino] = hider.numbers();
    let listed = lists_since((6, 12));
    only_the_kernel_lists(&t, ino, "mnt", listed);
    if listed {
        let named = format!("--mount={}", find(&t, ino).unwrap()["ref"].as_str().unwrap());
        let inside = t.tool("rnsenter").args([&named, "readlink", "/proc/self/ns/mnt"]).run().ok();
        assert_eq!(inside, format!("mnt:[{ino}]\n"));
    }
}
