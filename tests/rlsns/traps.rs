//! What could lead rlsns astray: paths that lead elsewhere, what only one of many can show, and readers that never end.

use nix::sys::stat::Mode;
use serde_json::Value;

use super::hiding::hide;
use super::{MACHINE, machine};
use crate::harness::tool_path;

#[test]
fn no_command_unmounts_what_is_mounted_over_a_namespace() {
    let t = rings!(Host, Uml, Qemu);
    let script = "
apart()
lower, upper, inner, outer = [make('net', NEWNET) for _ in range(4)]
bind(lower, dir + '/x')
bind(upper, dir + '/x')
for fd in inner, outer:
    os.makedirs(dir + '/d', exist_ok=True)
    open(dir + '/d/y', 'w').close()
    bind(fd, dir + '/d/y')
    if fd == inner:
        mount('tmpfs', dir + '/d', 'tmpfs', 0)
numbers = [ino(fd) for fd in (lower, upper, inner, outer)]
for fd in lower, upper, inner, outer:
    os.close(fd)
say(*numbers)
stay()";
    let Some(hider) = hide(&t, script) else { return };
    let [lower, upper, inner, outer] = hider.numbers();
    let pid = hider.pid().to_string();
    let within = |program: &str| t.program("nsenter").args(["-m", "-t", &pid, program]);
    let tool = tool_path("rlsns");
    let tool = tool.to_str().unwrap();
    let told = |from: bool, ino: u64| {
        let run = if from { within(tool) } else { t.tool("rlsns") };
        let json: Value =
            serde_json::from_str(&run.args(["-J", "--why", &ino.to_string()]).run().ok()).unwrap();
        let holders = json["holders"].as_array().unwrap().clone();
        let mount = holders.into_iter().find(|holder| holder["holder"] == "mount").unwrap();
        (mount["release"].as_str().map(String::from), mount["reason"].as_str().map(String::from))
    };
    let reason = "something else is mounted over it, which has to be unmounted first";
    let (x, y) = (format!("{}/x", hider.dir.path().display()), format!("{}/d/y", hider.dir.path().display()));
    for (below, above, point) in [(lower, upper, &x), (inner, outer, &y)] {
        for from in [true, false] {
            assert_eq!(told(from, below), (None, Some(reason.to_string())));
        }
        assert_eq!(told(true, above), (Some(format!("umount {point}")), None));
        let elsewhere = format!("rnsenter -t {pid} -m -r umount {point}");
        assert_eq!(told(false, above), (Some(elsewhere), None));
    }
    // It cannot be opened by the path either.
    let run = within(tool).args(["-lnr", "-t", "net", "-o", "NS,REF,NSFS"]).run().ok();
    for line in [format!("{lower}  {x}"), format!("{upper} {x} {x}"), format!("{inner}  {y}")] {
        assert!(run.lines().any(|found| found == line), "{line}\n{run}");
    }
    within("umount").arg(&x).run().ok();
    assert_eq!(told(true, lower), (Some(format!("umount {x}")), None));
}

#[test]
fn a_user_namespace_that_only_owns_another_is_found_whatever_is_listed_beside() {
    let t = rings!(Host, User, Uml, Qemu);
    let script = "
ready, enough = os.pipe(), os.pipe()
child = os.fork()
if child == 0:
    unshare(NEWUSER | NEWNET)
    os.write(ready[1], b'x')
    os.read(enough[0], 1)
    os._exit(0)
os.read(ready[0], 1)
kept = os.open('/proc/%d/ns/net' % child, os.O_RDONLY)
owner = os.stat('/proc/%d/ns/user' % child).st_ino
os.write(enough[1], b'x')
os.waitpid(child, 0)
say(owner)
stay()";
    let Some(hider) = hide(&t, script) else { return };
    let [owner] = hider.numbers();
    let line = format!("{owner} namespace 1n");
    for args in
        [&[][..], &["-t", "user"], &["-P", "-t", "user"], &["-t", "user,uts"], &["-t", "user", "-Tparent"]]
    {
        let mut run = String::new();
        // Another listing that looks at it at this moment holds it too.
        let found = crate::harness::within(std::time::Duration::from_secs(10), || {
            run = t.tool("rlsns").args(["-nr", "-o", "NS,VIA,HOLDERS"]).args(args).run().ok();
            run.lines().any(|found| found == line)
        });
        assert!(found, "{args:?}: {line}\n{run}");
    }
    // The others were only looked at.
    let kinds = t.tool("rlsns").args(["-lnr", "-t", "user", "-o", "TYPE"]).run().ok();
    assert!(kinds.lines().all(|kind| kind == "user"), "{kinds}");
}

#[test]
fn a_socket_that_one_process_does_not_give_is_asked_of_the_next() {
    let t = rings!(Host);
    if !t.needs(std::path::Path::new("/usr/bin/strace").exists(), "/usr/bin/strace") {
        return;
    }
    // The first two processes of a pid namespace have it; the first to be asked refuses.
    let script = "
import subprocess
unshare(NEWPID)
if os.fork():
    stay()
unshare(NEWNS)
mount(None, '/', None, REC | PRIVATE)
mount('proc', '/proc', 'proc', 0)
before = own('net')
unshare(NEWNET)
kept = socket.socket()
number = os.stat('/proc/self/ns/net').st_ino
enter(before)
if os.fork() == 0:
    stay()
strace = ['strace', '-f', '-o', '/dev/null', '-e', 'inject=pidfd_getfd:error=EPERM:when=1']
run = subprocess.run(strace + [sys.argv[2], '-lnr', '-t', 'net', '-o', 'NS,HOLDERS'], stdout=subprocess.PIPE)
say(*[line for line in run.stdout.decode().splitlines() if line.startswith(str(number))] or ['nothing'])
stay()";
    let dir = tempfile::tempdir().unwrap();
    let words = [super::hiding::WORDS, script].concat();
    let run = t
        .path("/usr/bin/python3".as_ref())
        .args(["-I", "-S", "-c", &words])
        .arg(dir.path())
        .arg(tool_path("rlsns"));
    let held = run.hold();
    assert!(held.line.ends_with(" 1s"), "{}", held.line);
}

#[test]
fn nobody_waits_for_a_fifo_in_a_directory_of_processes() {
    let t = rings!(Host, User);
    let root = machine(MACHINE);
    let fifo = |name: &str| {
        let path = root.path().join(name);
        std::fs::remove_file(&path).ok();
        nix::unistd::mkfifo(&path, Mode::S_IRWXU).unwrap();
    };
    ["stat", "8/cmdline", "8/stat", "9/status", "9/cgroup", "9/mountinfo"].into_iter().for_each(fifo);
    let tool = tool_path("rlsns");
    let run = |args: &[&str]| {
        t.program("timeout").arg("20").arg(tool).arg("--proc").arg(root.path()).args(args).run()
    };
    for args in [&["-t", "net"][..], &["-J", "--output-all"], &["--leaks"], &["--why", "net:[11]"]] {
        assert_eq!(run(args).code, Some(0), "{args:?}");
    }
}

#[test]
fn a_name_of_two_net_namespaces_is_unmounted_not_deleted() {
    let t = rings!(Host, Uml, Qemu);
    let script = "
apart()
mount('tmpfs', '/run', 'tmpfs', 0)
os.mkdir('/run/netns')
numbers = []
for name in 'x', 'x', 'y':
    open('/run/netns/' + name, 'w').close() if not os.path.exists('/run/netns/' + name) else None
    fd = make('net', NEWNET)
    bind(fd, '/run/netns/' + name)
    numbers.append(ino(fd))
    os.close(fd)
say(*numbers)
stay()";
    let Some(hider) = hide(&t, script) else { return };
    let numbers: [u64; 3] = hider.numbers();
    let pid = hider.pid().to_string();
    let released = numbers.map(|ino| {
        let run = t.program("nsenter").args(["-m", "-t", &pid]).arg(tool_path("rlsns"));
        let json: Value =
            serde_json::from_str(&run.args(["-J", "--why", &ino.to_string()]).run().ok()).unwrap();
        let holders = json["holders"].as_array().unwrap().clone();
        holders.into_iter().find(|holder| holder["holder"] == "mount").unwrap()["release"].clone()
    });
    assert_eq!(released, [Value::Null, "umount /run/netns/x".into(), "ip netns del y".into()]);
}

#[test]
fn the_tables_of_many_threads_are_no_matter_of_their_pairs() {
    let t = rings!(Host);
    if !t.needs(std::path::Path::new("/usr/bin/strace").exists(), "/usr/bin/strace") {
        return;
    }
    let script = "
threading.stack_size(65536)
fd = make('uts', NEWUTS)
gate = threading.Barrier(201)
def run():
    unshare(FILES)
    gate.wait()
    signal.pause()
for _ in range(200):
    threading.Thread(target=run, daemon=True).start()
gate.wait()
say(ino(fd))
threading.Event().wait()";
    let Some(hider) = hide(&t, script) else { return };
    let [ino] = hider.numbers();
    let run = t.program("strace").args(["-f", "-e", "trace=kcmp"]).arg(tool_path("rlsns"));
    let run = run.args(["-lnr", "-t", "uts", "-o", "NS,HOLDERS"]).run();
    // Each thread has a table of its own, and the file in it.
    assert!(run.text().lines().any(|line| line == format!("{ino} 201f")), "{}", run.text());
    let pid = format!("kcmp({}, ", hider.pid());
    let count = run.errors().lines().filter(|line| line.contains("kcmp(")).count();
    assert!(run.errors().contains(&pid) && count < 10_000, "{count}");
}

#[test]
fn a_file_system_whose_server_never_answers_stops_no_listing() {
    let t = rings!(Host);
    if !t.belongs(std::path::Path::new("/dev/fuse").exists(), "a machine with FUSE") {
        return;
    }
    // It takes part in the greeting, and in nothing else. One descriptor leads into it, one to a namespace beside it.
    let script = "
import struct
apart()
os.mkdir(dir + '/dead')
server = os.open('/dev/fuse', os.O_RDWR)
options = 'fd=%d,rootmode=40000,user_id=0,group_id=0,allow_other' % server
done(libc.mount(b'dead', (dir + '/dead').encode(), b'fuse', 0, options.encode()), 'mount fuse')
number, = struct.unpack('<Q', os.read(server, 65536)[8:16])
greeting = struct.pack('<4I2H2I2H7I', 7, 31, 65536, 0, 10, 10, 65536, 1, 256, 0, *[0] * 7)
os.write(server, struct.pack('<IiQ', 16 + len(greeting), 0, number) + greeting)
into = os.open(dir + '/dead', os.O_PATH)
made = make('net', NEWNET)
bind(made, dir + '/x')
beside = os.open(dir + '/x', os.O_RDONLY)
say(ino(made))
os.close(made)
stay()";
    let Some(hider) = hide(&t, script) else { return };
    let [net] = hider.numbers();
    let (pid, tool) = (hider.pid().to_string(), tool_path("rlsns").to_str().unwrap());
    let inside = ["nsenter", "-m", "-t", &pid];
    let limited =
        |limit: &str, words: &[&str]| t.program("timeout").args(["-s", "KILL", limit]).args(words).run();
    let dead = hider.dir.path().join("dead");
    let touched = limited("1", &[&inside[..], &["ls", dead.to_str().unwrap()]].concat());
    assert_ne!(touched.code, Some(0), "it answers: {}", touched.text());
    let why = format!("--why=net:[{net}]");
    for args in [&["-l", "-o", "NS,VIA"][..], &["--output-all", "-J"], &["-Towner"], &["--leaks"], &[&why]] {
        for place in [&[][..], &inside] {
            let run = limited("30", &[place, &[tool], args].concat());
            assert!(run.code == Some(0) && run.text().contains(&net.to_string()), "{args:?}: {run:?}");
        }
    }
}
