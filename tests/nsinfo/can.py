# Makes processes in many places, has each try to enter the namespaces of each other, and prints what the kernel answered:
# a line "A B reach kind=errno,ino ..." for each pair; errno is 0 where it may, "a/b" is alone / after entering the owner.
import array, ctypes, errno, fcntl, os, signal, socket, stat, struct, sys, threading

KINDS = {"user": 0x10000000, "cgroup": 0x02000000, "ipc": 0x08000000, "uts": 0x04000000,
         "net": 0x40000000, "pid": 0x20000000, "mnt": 0x00020000, "time": 0x80}
libc = ctypes.CDLL(None, use_errno=True)
ROOT = os.geteuid() == 0


def call(name, *args):
    if getattr(libc, name)(*args) != 0:
        return ctypes.get_errno()
    return 0


def must(name, *args):
    error = call(name, *args)
    if error:
        raise OSError(error, "%s%s" % (name, args))


def outside():
    return os.readlink("/proc/self")


def unshare(*kinds):
    must("unshare", sum(KINDS[kind] for kind in kinds))


def new_user(inside, outer, count=1):
    """A user namespace of whoever we are now, its map written by a child that stays above."""
    ready, go = os.pipe()
    done, tell = os.pipe()
    above = outside()
    child = os.fork()
    if child == 0:
        try:
            os.read(ready, 1)
            for name in "setgroups", "uid_map", "gid_map":
                with open("/proc/%s/%s" % (above, name), "w") as file:
                    file.write("deny" if name == "setgroups" else "%d %d %d" % (inside, outer, count))
            os.write(tell, b"y")
        finally:
            os._exit(0)
    unshare("user")
    os.write(go, b"g")
    os.close(tell)
    assert os.read(done, 1) == b"y", "no map"
    os.waitpid(child, 0)
    for fd in ready, go, done:
        os.close(fd)


def become(uid, dumpable=1):
    try:
        os.setgroups([])
    except PermissionError:
        pass
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)
    must("prctl", 4, dumpable, 0, 0, 0)


class Caps(ctypes.Structure):
    _fields_ = [("version", ctypes.c_uint32), ("pid", ctypes.c_int)]


def drop(*numbers):
    """Gives capabilities up."""
    head, data = Caps(0x20080522, 0), (ctypes.c_uint32 * 6)()
    must("capget", ctypes.byref(head), data)
    for number in numbers:
        for at in 0, 1:
            data[3 * (number // 32) + at] &= ~(1 << number % 32)
    must("capset", ctypes.byref(head), data)


def fork_into_pid():
    """A child is in the new pid namespace, and stands for us; we wait for it."""
    child = os.fork()
    if child:
        os.waitpid(child, 0)
        os._exit(0)
    must("prctl", 1, signal.SIGKILL, 0, 0, 0)


def more_threads():
    threading.Thread(target=threading.Event().wait, daemon=True).start()


REST = ["cgroup", "ipc", "uts", "net", "mnt"]
ADMIN, CHROOT, PTRACE = 21, 18, 19
me = os.geteuid()


def inside(*steps):
    return lambda: [step() for step in steps]


one = lambda: new_user(0, os.geteuid())
own = lambda: unshare(*REST)
PLACES = {
    "plain": inside(),
    "user": inside(one),
    "world": inside(one, own, lambda: unshare("pid"), fork_into_pid),
    "only_net": inside(one, lambda: unshare("net"), one),
    "second": inside(one, lambda: new_user(0, 0), own),
    "third": inside(one, lambda: new_user(0, 0), lambda: unshare("uts"), lambda: new_user(5, 0)),
    "weak": inside(one, own, lambda: drop(ADMIN)),
    "no_chroot": inside(one, lambda: drop(CHROOT)),
    "threads": inside(one, own, more_threads),
    "undumpable": inside(lambda: must("prctl", 4, 0, 0, 0, 0)),
    "time": inside(one, lambda: unshare("time"), fork_into_pid),
}
if ROOT:
    ids = lambda: new_user(0, 100000, 65536)
    mapped = lambda: (ids(), os.setresgid(0, 0, 0), os.setresuid(0, 0, 0), must("prctl", 4, 1, 0, 0, 0))
    PLACES.update({
        "root_net": inside(lambda: unshare("net", "uts")),
        "root_world": inside(own, lambda: unshare("pid"), fork_into_pid),
        "deep_pid": inside(lambda: unshare("pid"), fork_into_pid, lambda: unshare("pid"), fork_into_pid),
        "no_admin": inside(lambda: drop(ADMIN)),
        "no_chroot_root": inside(lambda: drop(CHROOT)),
        "no_ptrace": inside(lambda: drop(PTRACE)),
        "root_threads": inside(more_threads),
        "mapped": inside(mapped, own),
        "mapped_host_net": inside(mapped),
        "mapped_other": inside(mapped, lambda: become(7)),
        "mapped_child": inside(mapped, lambda: become(7), lambda: new_user(0, 7), own),
        "u1000": inside(lambda: become(1000)),
        "u1001": inside(lambda: become(1001)),
        "u1000_hidden": inside(lambda: become(1000, 0)),
        "u1000_user": inside(lambda: become(1000), one, own),
        "u1000_second": inside(lambda: become(1000), one, lambda: new_user(0, 0), own),
        "u1000_mixed": inside(lambda: unshare("uts"), lambda: become(1000), one, lambda: unshare("net"), lambda: new_user(0, 0)),
        "u1000_sibling": inside(lambda: become(1000), one, own),
        "u1001_user": inside(lambda: become(1001), one, own),
        "caps": inside(lambda: must("prctl", 8, 1, 0, 0, 0), lambda: os.setresuid(1000, 1000, 1000),
                       lambda: must("prctl", 4, 1, 0, 0, 0)),
    })


def tried(work):
    """In a child, which alone changes; in a thread where we have several, as that would not be us."""
    if threading.active_count() > 1:
        answer = []
        thread = threading.Thread(target=lambda: answer.append(work()))
        thread.start()
        thread.join()
        return answer[0]
    ready, tell = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(tell, struct.pack("i", work()))
        os._exit(0)
    os.close(tell)
    answer = os.read(ready, 4)
    os.close(ready)
    os.waitpid(child, 0)
    return struct.unpack("i", answer)[0]


def serve(link):
    """Tries what it is asked: the PID of another, the names of kinds and, by descriptor, these and their owners."""
    while True:
        text, fds, _, _ = socket.recv_fds(link, 1000, 32)
        if not text:
            os._exit(0)
        pid, *names = text.decode().split()
        try:
            ns = os.open("/proc/%s/ns/user" % pid, os.O_RDONLY)
            # Linux 5.10.262 opens the directory of a link that is denied.
            reach = errno.EACCES if stat.S_ISDIR(os.fstat(ns).st_mode) else 0
            os.close(ns)
        except OSError as e:
            reach = e.errno
        answers = [str(reach)]
        for name in names:
            ns, owner = fds.pop(0), fds.pop(0) if name.endswith("+") else None
            flag = KINDS[name.rstrip("+")]
            alone = tried(lambda: call("setns", ns, flag))
            after = ""
            if owner is not None:
                # One thread's try would be for good.
                one = threading.active_count() == 1
                after = "/%d" % (tried(lambda: call("setns", owner, KINDS["user"]) or call("setns", ns, flag)) if one else 1)
                os.close(owner)
            os.close(ns)
            answers.append("%s=%d%s" % (name.rstrip("+"), alone, after))
        link.send(" ".join(answers).encode())


def start(name, steps):
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    child = os.fork()
    if child == 0:
        try:
            must("prctl", 1, signal.SIGKILL, 0, 0, 0)
            ours.close()
            for link, _ in actors.values():
                link.close()
            steps()
            theirs.send(outside().encode())
            serve(theirs)
        except OSError as e:
            theirs.send(("- %s: %s" % (name, e)).encode())
        finally:
            os._exit(0)
    theirs.close()
    answer = ours.recv(1000).decode()
    if answer.startswith("-"):
        print("missing", answer, flush=True)
        ours.close()
    else:
        actors[name] = (ours, answer)


actors = {}
for name, steps in PLACES.items():
    start(name, steps)
dirs = {name: "/proc/%s/ns/" % pid for name, (_, pid) in actors.items()}
inos = {name: {kind: os.stat(dir + kind).st_ino for kind in KINDS if os.path.exists(dir + kind)}
        for name, dir in dirs.items()}
for a, (link, pid_a) in actors.items():
    for b, (_, pid_b) in actors.items():
        # A few pairs, or all: `A>B` each.
        if a == b or len(sys.argv) > 1 and "%s>%s" % (a, b) not in sys.argv:
            continue
        names, fds = [], []
        for kind, ino in inos[b].items():
            if ino == inos[a].get(kind):
                continue
            ns = os.open(dirs[b] + kind, os.O_RDONLY)
            fds.append(ns)
            names.append(kind)
            if kind != "user":
                owner = fcntl.ioctl(ns, 0xb701)
                fds.append(owner)
                names[-1] += "+"
        socket.send_fds(link, [" ".join([pid_b] + names).encode()], fds)
        for fd in fds:
            os.close(fd)
        print(a, b, pid_a, pid_b, link.recv(1000).decode(), flush=True)
print("done", flush=True)
sys.stdin.read()
