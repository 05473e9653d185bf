//! The section about the network, beside namespaces, devices and sockets that the test made.

use std::ffi::OsStr;
use std::fs::{create_dir, read_link, read_to_string, write};
use std::net::{TcpListener, UdpSocket};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram, UnixListener};
use std::process::Stdio;

use common::ns::network::{self, Where};
use nix::sched::{CloneFlags, unshare};
use nix::unistd::{Uid, setfsuid};
use serde_json::{Value, json};

use super::{rights, unreadable};
use crate::harness::{Held, Run, Test, bytes, inode, pids, sleeps, soon, state, world};

/// Does something in a new net namespace: what it starts and opens is of that, nothing else is.
fn apart<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let inside = scope.spawn(|| {
            unshare(CloneFlags::CLONE_NEWNET).unwrap();
            work()
        });
        inside.join().unwrap()
    })
}

fn ip<S: AsRef<OsStr>>(t: &Test, words: impl IntoIterator<Item = S>) {
    t.program("ip").args(words).run().ok();
}

fn all(t: &Test, lines: &[&str]) {
    lines.iter().for_each(|line| ip(t, line.split(' ')));
}

/// A program that sleeps, in the namespace of whoever calls; with a socket, if any, as its standard input.
fn sleeper(t: &Test, socket: Option<OwnedFd>) -> Held {
    let input = socket.map_or_else(Stdio::null, Stdio::from);
    let of_it = |command: &mut std::process::Command| {
        command.stdin(input);
    };
    let held = t.program("sleep").arg("1000").with(of_it).start();
    soon(|| sleeps(held.pid()));
    held
}

fn json_of(run: Run<'_>) -> Value {
    let text = run.args(["--section", "net", "-J"]).run().ok();
    assert!(!text.contains(|c: char| c.is_control() && c != '\n'), "{text}");
    world(&text)
}

fn said(t: &Test, pid: i32) -> Value {
    json_of(t.tool("nsinfo").arg(pid.to_string()))["net"].clone()
}

/// For people: each line with one space where it has several.
fn page_of(run: Run<'_>) -> String {
    let text = run.args(["--section", "net"]).run().ok();
    assert!(!text.contains(|c: char| c.is_control() && c != '\n'), "{text}");
    let lines = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
    lines.collect::<Vec<_>>().join("\n")
}

fn page(t: &Test, pid: i32) -> String {
    page_of(t.tool("nsinfo").arg(pid.to_string()))
}

#[track_caller]
fn has_lines(page: &str, lines: &[&str]) {
    for line in lines {
        assert!(page.lines().any(|found| found == *line), "{line:?} in\n{page}");
    }
}

#[track_caller]
fn link<'v>(net: &'v Value, name: &str) -> &'v Value {
    let links = net["links"].as_array().unwrap();
    links.iter().find(|link| link["name"] == name).unwrap_or_else(|| panic!("{name}: {links:?}"))
}

/// The addresses of a device, but those that the kernel makes of its MAC.
fn addresses(link: &Value) -> Vec<String> {
    let rows = link["addresses"].as_array().unwrap().iter().filter(|row| row["scope"] != "link");
    rows.map(|row| format!("{}/{} {}", word(row, "address"), row["prefix"], word(row, "scope"))).collect()
}

fn word<'v>(row: &'v Value, key: &str) -> &'v str {
    row[key].as_str().unwrap_or("-")
}

/// The routes, but those to addresses that are for one wire.
fn routes(net: &Value) -> Vec<String> {
    let rows = net["routes"].as_array().unwrap().iter().filter(|row| row["destination"] != "fe80::");
    let shown = |row: &Value| {
        let [to, via, device, kind] = ["destination", "gateway", "device", "type"].map(|key| word(row, key));
        format!("{to}/{} {via} {device} {} {kind} {}", row["prefix"], row["metric"], row["table"])
    };
    rows.map(shown).collect()
}

/// A bridge with a veth as its port, addresses and routes of both families.
const MADE: &[&str] = &[
    "link set lo up",
    "link add br0 type bridge",
    "link add a0 mtu 1400 address 02:00:00:00:00:09 type veth peer name b0",
    "link set a0 master br0 alias outer",
    "addr add 10.9.0.1/24 dev br0",
    "addr add fd00::1/64 dev br0 nodad",
    "addr add 10.8.0.1 peer 10.8.0.2 dev b0",
    "link set br0 up",
    "link set a0 up",
    "route add default via 10.9.0.254 metric 50",
    "route add default via fd00::9 metric 77",
    "route add blackhole 10.20.0.0/16",
    "route add 10.30.0.0/16 via 10.9.0.253 table 300",
];

#[test]
fn devices_addresses_and_routes_are_those_that_were_made() {
    let t = rings!(Host, Qemu);
    if !t.has("ip") || !t.belongs(has_devices(&t), "kernels with veth and bridges") {
        return;
    }
    let held = apart(|| {
        all(&t, MADE);
        sleeper(&t, None)
    });
    let net = said(&t, held.pid());
    assert_eq!([&net["source"], &net["skipped"]], [&json!("netlink"), &json!(0)]);
    assert_eq!(addresses(link(&net, "lo")), ["127.0.0.1/8 host", "::1/128 host"]);
    assert_eq!(addresses(link(&net, "br0")), ["10.9.0.1/24 global", "fd00::1/64 global"]);
    assert_eq!(addresses(link(&net, "b0")), ["10.8.0.1/32 global"]);
    let number = |name| link(&net, name)["index"].clone();
    let peer = |name| json!({"index": number(name), "name": name, "here": true, "ours": null, "netnsid": null, "ns": null, "pid": null, "comm": null, "path": null});
    assert_eq!(
        link(&net, "a0")["device"],
        json!({
            "kind": "veth", "up": true, "state": "lower layer down", "mtu": 1400, "mac": "02:00:00:00:00:09",
            "master": {"index": number("br0"), "name": "br0"}, "peer": peer("b0"), "alias": "outer",
        })
    );
    let b0 = &link(&net, "b0")["device"];
    assert_eq!([&b0["up"], &b0["state"], &b0["mtu"]], [&json!(false), &json!("down"), &json!(1500)]);
    assert_eq!([&b0["peer"], &b0["master"]], [&peer("a0"), &Value::Null]);
    assert_eq!(link(&net, "br0")["device"]["kind"], "bridge");
    let lo = &link(&net, "lo")["device"];
    assert_eq!([&lo["kind"], &lo["mac"], &lo["mtu"]], [&Value::Null, &Value::Null, &json!(65536)]);
    assert_eq!(
        routes(&net),
        [
            "0.0.0.0/0 10.9.0.254 br0 50 unicast 254",
            "::/0 fd00::9 br0 77 unicast 254",
            "10.30.0.0/16 10.9.0.253 br0 0 unicast 300",
            "10.9.0.0/24 - br0 0 unicast 254",
            "10.20.0.0/16 - - 0 blackhole 254",
            "fd00::/64 - br0 256 unicast 254",
        ]
    );
    has_lines(
        &page(&t, held.pid()),
        &[
            "lo up 65536 0 B 0 B 127.0.0.1/8",
            "::1/128",
            "a0 no link 1400 0 B 0 B",
            "b0 down 1500 0 B 0 B 10.8.0.1/32",
            "a0 veth 02:00:00:00:00:09 peer b0, port of br0",
            "br0 bridge 02:00:00:00:00:09",
            "default 10.9.0.254 br0 50",
            "default (IPv6) fd00::9 br0 77",
            "10.9.0.0/24 br0 0",
            "10.20.0.0/16 0 blackhole",
            "10.30.0.0/16 10.9.0.253 br0 0 table 300",
        ],
    );

    // Without entering: what is not told is unknown, and says so.
    let world = json_of(t.tool("nsinfo").args(["--no-enter", &held.pid().to_string()]));
    let net = &world["net"];
    assert_eq!(net["source"], "proc");
    assert_eq!(link(net, "a0")["device"], Value::Null);
    assert_eq!(
        world["unreadable"],
        json!([{"key": "net.links.device", "reason": "it is not entered (--no-enter)"}])
    );
    assert_eq!(addresses(link(net, "br0")), ["10.9.0.1/24 global", "fd00::1/64 global"]);
    assert_eq!(link(net, "br0")["addresses"][0]["by_route"], true);
    assert_eq!(net["unplaced_addresses"][0]["address"], "10.8.0.1");
    assert_eq!(net["unplaced_addresses"][0]["prefix"], Value::Null);
    assert_eq!(
        routes(net),
        [
            "0.0.0.0/0 10.9.0.254 br0 50 unicast 254",
            "::/0 fd00::9 br0 77 unicast null",
            "10.9.0.0/24 - br0 0 unicast 254",
            "10.20.0.0/16 - - 0 unknown 254",
            "fd00::/64 - br0 256 unicast null",
        ]
    );
    has_lines(
        &page_of(t.tool("nsinfo").args(["--no-enter", &held.pid().to_string()])),
        &[
            "source /proc: state, MTU, MAC, kind and peer of devices are unknown:",
            "it is not entered (--no-enter)",
            "br0 0 B 0 B ~10.9.0.1/24",
            "~ the device is that of the route to the network: /proc does not tell",
            "elsewhere 10.8.0.1, on a device that is unknown",
            "10.20.0.0/16 0 of unknown type",
        ],
    );
}

/// Has this kernel, or a module of it, devices of the kinds that are made here?
fn has_devices(t: &Test) -> bool {
    apart(|| {
        let add = |words: &str| t.program("ip").args(words.split(' ')).run().code == Some(0);
        add("link add a0 type veth peer name b0") && add("link add br0 type bridge")
    })
}

#[test]
fn the_other_end_of_a_veth_is_named_with_its_namespace() {
    let t = rings!(Host, Qemu);
    if !t.has("ip") || !t.belongs(has_devices(&t), "kernels with veth and bridges") {
        return;
    }
    let far = apart(|| sleeper(&t, None));
    let add = format!("link add near type veth peer name far netns {}", far.pid());
    let near = apart(|| {
        ip(&t, add.split(' '));
        sleeper(&t, None)
    });
    let net = said(&t, near.pid());
    let peer = &link(&net, "near")["device"]["peer"];
    let index = link(&said(&t, far.pid()), "far")["index"].clone();
    assert_eq!(
        *peer,
        json!({
            "index": index, "name": null, "here": false, "ours": false, "netnsid": peer["netnsid"],
            "ns": inode(far.pid(), "net"), "pid": far.pid(), "comm": "sleep", "path": null,
        })
    );
    assert!(peer["netnsid"].is_u64(), "{peer}");
    let place = format!("peer #{index} in net:[{}] ({} sleep)", inode(far.pid(), "net"), far.pid());
    let shown = page(&t, near.pid());
    assert!(shown.lines().any(|line| line.starts_with("near veth ") && line.ends_with(&place)), "{shown}");

    // From the other end, by who is there: that is ours.
    let there = t.program("nsenter").args(["-t", &far.pid().to_string(), "-n"]);
    let there = world(
        &there
            .arg(crate::harness::tool_path("nsinfo"))
            .args(["-J", "--section", "net"])
            .arg(near.pid().to_string())
            .run()
            .ok(),
    );
    let peer = &link(&there["net"], "near")["device"]["peer"];
    assert_eq!([&peer["ours"], &peer["name"]], [&json!(true), &json!("far")]);

    // Nobody is there any more, but the namespace is not gone as long as somebody has it open.
    let kept = std::fs::File::open(format!("/proc/{}/ns/net", far.pid())).unwrap();
    drop(far);
    let net = said(&t, near.pid());
    let peer = &link(&net, "near")["device"]["peer"];
    assert_eq!([&peer["here"], &peer["ours"], &peer["ns"]], [&json!(false), &Value::Null, &Value::Null]);
    assert!(page(&t, near.pid()).contains(&format!("peer #{index} in a namespace not found")));

    // And that can be asked about, though no process of it is seen.
    let path = format!("/proc/{}/fd/{}", std::process::id(), kept.as_raw_fd());
    let world = json_of(t.tool("nsinfo").arg(&path));
    assert_eq!(link(&world["net"], "far")["device"]["kind"], "veth", "{world}");
    assert_eq!(world["net"]["routes"], json!([]));
    let world = json_of(t.tool("nsinfo").args(["--no-enter", &path]));
    assert_eq!(
        [&world["net"]["links"], &world["net"]["routes"], &world["net"]["listeners"]],
        [&Value::Null; 3]
    );
    for key in ["net.links", "net.routes", "net.listeners", "net.unix_listeners", "net.sockets"] {
        assert!(unreadable(&world).contains(&key), "{key}: {world}");
    }
    let shown = page_of(t.tool("nsinfo").args(["--no-enter", &path]));
    assert!(shown.contains("it is not entered (--no-enter)") && !shown.contains("none"), "{shown}");
}

#[test]
fn the_other_end_of_a_veth_is_named_by_a_path_where_no_process_is() {
    let t = rings!(Host);
    if !t.has("ip") {
        return;
    }
    // All of it goes with the mount namespace.
    let script = "mount -t tmpfs t /run && mkdir /run/netns && ip netns add x && \
        ip link add near type veth peer name far netns x && exec \"$0\" -J --section net";
    let tool = crate::harness::tool_path("nsinfo");
    let run = t.program("unshare").args(["-m", "-n", "sh", "-c", script]).arg(tool);
    let world = world(&run.run().ok());
    let peer = &link(&world["net"], "near")["device"]["peer"];
    assert_eq!(
        [&peer["pid"], &peer["comm"], &peer["path"]],
        [&Value::Null, &Value::Null, &json!("/run/netns/x")]
    );
}

/// What is listened on: protocol, address and port, whose it is, and the process.
fn listeners(net: &Value) -> Vec<String> {
    let rows = net["listeners"].as_array().unwrap().iter();
    let shown = |row: &Value| {
        let [protocol, address] = ["protocol", "address"].map(|key| word(row, key));
        let process = &row["process"];
        format!(
            "{protocol} {address} {} {} {} {}",
            row["port"], row["uid"], process["pid"], process["others"]
        )
    };
    rows.map(shown).collect()
}

/// An abstract name that would do harm on a terminal, and write a line of its own.
const NAME: &[u8] = b"x\x1b]0;y\x07\xff\n0000000000000000: 00000002 00000000 00010000 0001 01 1 @forged";
const SHOWN: &str =
    "@x\\x1b]0;y\\x07\\xff\\x0a0000000000000000: 00000002 00000000 00010000 0001 01 1 @forged";
const SHOWN_BY_PROC: &str = "@x\\x1b]0;y\\x07\\xff";

#[test]
fn listeners_are_told_with_user_and_process_and_not_to_whom_these_are_closed() {
    let t = rings!(Host);
    if !t.has("ip") {
        return;
    }
    const USER: u32 = 1234;
    let (ports, held) = apart(|| {
        ip(&t, ["link", "set", "lo", "up"]);
        // Of this thread alone.
        setfsuid(Uid::from_raw(USER));
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        setfsuid(Uid::from_raw(0));
        let tcp6 = TcpListener::bind("[::]:0").unwrap();
        let udp = UdpSocket::bind("0.0.0.0:0").unwrap();
        let udp6 = UdpSocket::bind("[::1]:0").unwrap();
        let connected = UdpSocket::bind("127.0.0.1:0").unwrap();
        connected.connect(udp.local_addr().unwrap()).unwrap();
        let address = SocketAddr::from_abstract_name(NAME).unwrap();
        let unix = UnixListener::bind_addr(&address).unwrap();
        let datagram = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name("quiet").unwrap()).unwrap();
        let port = |address: std::io::Result<std::net::SocketAddr>| address.unwrap().port();
        let ports = [tcp.local_addr(), tcp6.local_addr(), udp.local_addr(), udp6.local_addr()].map(port);
        let twice = tcp.try_clone().unwrap();
        let sockets: [OwnedFd; 8] = [
            tcp.into(),
            twice.into(),
            tcp6.into(),
            udp.into(),
            udp6.into(),
            unix.into(),
            connected.into(),
            datagram.into(),
        ];
        (ports, sockets.map(|socket| sleeper(&t, Some(socket))))
    });
    let [tcp, _, tcp6, udp, udp6, unix, ..] = held.each_ref().map(Held::pid);
    let [tcp_port, tcp6_port, udp_port, udp6_port] = ports;
    let expected = [
        format!("tcp 127.0.0.1 {tcp_port} {USER} {tcp} 1"),
        format!("tcp6 :: {tcp6_port} 0 {tcp6} 0"),
        format!("udp 0.0.0.0 {udp_port} 0 {udp} 0"),
        format!("udp6 ::1 {udp6_port} 0 {udp6} 0"),
    ];
    let tell = || {
        let net = said(&t, tcp);
        assert_eq!(listeners(&net), expected);
        assert_eq!(net["closed_processes"], 0);
        net
    };
    let net = tell();
    let by_inode = |held: &Held| {
        let link = read_link(format!("/proc/{}/fd/0", held.pid())).unwrap();
        link.to_str().unwrap().split(['[', ']']).nth(1).unwrap().parse::<u64>().unwrap()
    };
    assert_eq!(net["listeners"][0]["inode"], by_inode(&held[0]));
    // In /proc the newline would end it, and what is behind it be a line.
    let rows = net["unix_listeners"].as_array().unwrap();
    let ours = rows.iter().find(|row| row["inode"] == by_inode(&held[5])).unwrap();
    assert_eq!([&ours["type"], &ours["process"]["pid"]], [&json!("stream"), &json!(unix)]);
    let whole = "@x\x1b]0;y\x07\u{fffd}\n0000000000000000: 00000002 00000000 00010000 0001 01 1 @forged";
    let by_proc = "@x\x1b]0;y\x07\u{fffd}";
    let is_exact = network::ask(Where::Here).unwrap().unix.is_some();
    if t.belongs(is_exact, "kernels that tell of unix sockets by sock_diag(7)") {
        assert_eq!(ours["name"], whole);
        assert!(!rows.iter().any(|row| word(row, "name") == "@forged"), "{rows:?}");
    }
    let net = json_of(t.tool("nsinfo").args(["--no-enter", &tcp.to_string()]))["net"].clone();
    let names = || net["unix_listeners"].as_array().unwrap().iter().map(|row| word(row, "name"));
    assert!(names().any(|name| name == by_proc) && names().any(|name| name == "@forged"), "{net}");
    assert!(!rows.iter().any(|row| word(row, "name") == "@quiet"), "no listener: {rows:?}");
    let usage = &net["sockets"];
    assert_eq!(
        [&usage["tcp"], &usage["tcp6"], &usage["udp"], &usage["udp6"]],
        [&json!(1), &json!(1), &json!(2), &json!(1)]
    );
    let shown = page(&t, tcp);
    has_lines(
        &shown,
        &[
            &format!("tcp 127.0.0.1:{tcp_port} {USER} {tcp} sleep and 1 more"),
            &format!("tcp6 [::]:{tcp6_port} 0 {tcp6} sleep"),
            &format!("udp 0.0.0.0:{udp_port} 0 {udp} sleep"),
            &format!("udp6 [::1]:{udp6_port} 0 {udp6} sleep"),
            &format!("stream {unix} sleep {}", if is_exact { SHOWN } else { SHOWN_BY_PROC }),
        ],
    );

    // Nobody of others enters, or may look whose they are; the rest is open to all.
    let world = json_of(t.tool("nsinfo").as_user().arg(tcp.to_string()));
    let net = &world["net"];
    assert_eq!(net["source"], "proc");
    assert!(listeners(net)[0].starts_with(&format!("tcp 127.0.0.1 {tcp_port} {USER} null")));
    assert!(net["closed_processes"].as_u64().unwrap() >= 8, "{net}");
    assert_eq!([&link(net, "lo")["device"], &link(net, "lo")["rx_bytes"]], [&Value::Null, &json!(0)]);
    assert_eq!(addresses(link(net, "lo")), ["127.0.0.1/8 host", "::1/128 host"]);
    assert!(unreadable(&world).contains(&"net.links.device"), "{world}");
    let shown = page_of(t.tool("nsinfo").as_user().arg(tcp.to_string()));
    has_lines(
        &shown,
        &["not permitted (needs CAP_SYS_PTRACE)", &format!("udp 0.0.0.0:{udp_port} 0 unknown")],
    );
    assert!(shown.contains("keep their descriptors from us (needs CAP_SYS_PTRACE)"), "{shown}");

    // A socket that a process elsewhere has is nobody's here.
    let [.., datagram] = held;
    let (port, kept) = apart_beside(datagram.pid(), || {
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        (socket.local_addr().unwrap().port(), socket)
    });
    has_lines(&page(&t, datagram.pid()), &[&format!("tcp 127.0.0.1:{port} 0 none in this namespace")]);
    drop(kept);
}

/// The same in the namespace of a process.
fn apart_beside<T: Send>(pid: i32, work: impl FnOnce() -> T + Send) -> T {
    apart(|| {
        let ns = std::fs::File::open(format!("/proc/{pid}/ns/net")).unwrap();
        nix::sched::setns(ns, CloneFlags::CLONE_NEWNET).unwrap();
        work()
    })
}

#[test]
fn what_goes_through_a_device_is_counted() {
    let t = rings!(Host, Uml, Qemu);
    if !t.has("ip") {
        return;
    }
    let held = apart(|| {
        let held = sleeper(&t, None);
        let net = said(&t, held.pid());
        let lo = link(&net, "lo");
        assert_eq!([&lo["rx_packets"], &lo["tx_bytes"]], [&json!(0), &json!(0)]);
        ip(&t, ["link", "set", "lo", "up"]);
        let to = UdpSocket::bind("127.0.0.1:0").unwrap();
        let from = UdpSocket::bind("127.0.0.1:0").unwrap();
        let sent = (0..10).map(|_| from.send_to(&[7; 1000], to.local_addr().unwrap()).unwrap());
        assert_eq!(sent.sum::<usize>(), 10_000);
        held
    });
    let text = read_to_string(format!("/proc/{}/net/dev", held.pid())).unwrap();
    let line = text.lines().find_map(|line| line.trim().strip_prefix("lo:")).unwrap();
    let counts: Vec<u64> = line.split_whitespace().map(|word| word.parse().unwrap()).collect();
    assert!(counts[0] >= 10_000 && counts[1] >= 10, "{text}");
    let keys = [
        "rx_bytes",
        "rx_packets",
        "rx_errors",
        "rx_dropped",
        "tx_bytes",
        "tx_packets",
        "tx_errors",
        "tx_dropped",
    ];
    let expected = [0, 1, 2, 3, 8, 9, 10, 11].map(|at| json!(counts[at]));
    let pid = held.pid().to_string();
    for options in [vec![pid.as_str()], vec![&pid, "--no-enter"]] {
        let net = json_of(t.tool("nsinfo").args(options))["net"].clone();
        assert_eq!(keys.map(|key| link(&net, "lo")[key].clone()), expected);
    }
    assert!(page(&t, held.pid()).contains(" 10 KiB 10 KiB 127.0.0.1/8"), "{}", page(&t, held.pid()));
}

#[test]
fn devices_have_names_that_do_no_harm() {
    let t = rings!(Host);
    const DEVICE: &[u8] = b"e\x1b[31m\x07\xff";
    if !t.has("ip") || !t.belongs(has_devices(&t), "kernels with veth and bridges") {
        return;
    }
    let held = apart(|| {
        let words = [b"link", &b"add"[..], DEVICE, b"type", b"veth", b"peer", b"name", b"b\xc2\x9b"];
        ip(&t, words.map(bytes));
        ip(&t, [&b"addr"[..], b"add", b"10.9.0.1/24", b"dev", DEVICE].map(bytes));
        ip(&t, [&b"link"[..], b"set", DEVICE, b"up"].map(bytes));
        sleeper(&t, None)
    });
    let pid = held.pid().to_string();
    for options in [vec![pid.as_str()], vec![&pid, "--no-enter"]] {
        let net = json_of(t.tool("nsinfo").args(&options))["net"].clone();
        assert_eq!(addresses(link(&net, "e\x1b[31m\x07\u{fffd}")), ["10.9.0.1/24 global"]);
        let shown = page_of(t.tool("nsinfo").args(&options));
        assert!(shown.contains("e\\x1b[31m\\x07\\xff ") && shown.contains("b\\u{9b} "), "{shown}");
    }
    assert!(page(&t, held.pid()).contains(" peer e\\x1b[31m\\x07\\xff"));
}

#[test]
fn an_ordinary_user_has_the_full_view_of_a_namespace_of_their_own() {
    let t = rings!(Host, User);
    if !t.has("ip") {
        return;
    }
    let script = "ip link set lo up && ip link set lo mtu 1300 && echo ready && exec sleep 1000";
    let held = t.program("unshare").args(rights()).args(["-n", "sh", "-c", script]).hold();
    soon(|| sleeps(held.inner()));
    let net = said(&t, held.inner());
    assert_eq!([&net["source"], &link(&net, "lo")["device"]["mtu"]], [&json!("netlink"), &json!(1300)]);
    assert_eq!(addresses(link(&net, "lo")), ["127.0.0.1/8 host", "::1/128 host"]);
    assert_eq!([&net["routes"], &net["listeners"]], [&json!([]), &json!([])]);
    has_lines(&page(&t, held.inner()), &["lo up 1300 0 B 0 B 127.0.0.1/8", "routes none", "listeners none"]);

    // The helper that was in it is gone with its answer.
    let there = inode(held.inner(), "net");
    let name = format!("net:[{there}]");
    let inside =
        |pid: &i32| read_link(format!("/proc/{pid}/ns/net")).is_ok_and(|link| link.to_str() == Some(&name));
    assert_eq!(pids().into_iter().filter(inside).collect::<Vec<_>>(), [held.inner()]);
}

#[test]
fn our_own_namespace_is_asked_without_entering() {
    let t = rings!(Host, User);
    let net = json_of(t.tool("nsinfo").args(["--no-enter", "self"]))["net"].clone();
    assert_eq!(net["source"], "netlink");
    assert!(link(&net, "lo")["device"]["mtu"].is_u64(), "{net}");
}

#[test]
fn a_process_that_has_ended_has_no_network_and_that_is_not_none() {
    let t = rings!(Host, User);
    let held = t.program("sh").args(["-c", "sleep 0.1 & echo $!; exec sleep 1000"]).hold();
    let pid: i32 = held.line.parse().unwrap();
    soon(|| state(pid) == Some('Z') && sleeps(held.pid()));
    let world = json_of(t.tool("nsinfo").arg(pid.to_string()));
    assert_eq!(
        [&world["net"]["links"], &world["net"]["routes"], &world["net"]["listeners"]],
        [&Value::Null; 3]
    );
    assert!(unreadable(&world).contains(&"net.listeners"), "{world}");
    let shown = page(&t, pid);
    assert!(shown.contains("not readable: ") && !shown.contains("none"), "{shown}");
}

#[test]
fn a_directory_without_these_files_is_not_one_without_a_network() {
    let t = rings!(Host, User);
    let root = tempfile::tempdir().unwrap();
    super::files::process(root.path(), 8, 0x0040_0000, "net:5");
    let asked = || t.tool("nsinfo").arg("--proc").arg(root.path()).arg("8");
    let world = json_of(asked());
    for key in ["links", "unplaced_addresses", "routes", "listeners", "unix_listeners", "sockets"] {
        assert_eq!(world["net"][key], Value::Null, "{key}");
        assert!(unreadable(&world).contains(&format!("net.{key}").as_str()), "{key}: {world}");
    }
    let shown = page_of(asked());
    assert!(shown.contains("not readable: No such file or directory") && !shown.contains("none"), "{shown}");

    // A kernel without IPv6 is one.
    let net = root.path().join("8/net");
    create_dir(&net).unwrap();
    let head = "Inter-| Receive | Transmit\n face |bytes packets\n";
    let files = [
        ("dev", format!("{head}    lo: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n")),
        ("fib_trie", String::new()),
        ("route", "Iface\n".into()),
        ("tcp", "sl\n".into()),
        ("udp", "sl\n".into()),
        ("unix", "Num\n".into()),
        ("sockstat", "sockets: used 7\n".into()),
    ];
    for (name, text) in &files {
        write(net.join(name), text).unwrap();
    }
    let world = json_of(asked());
    assert_eq!(unreadable(&world), ["net.links.device"], "{world}");
    assert_eq!([&world["net"]["routes"], &world["net"]["listeners"]], [&json!([]), &json!([])]);
    has_lines(&page_of(asked()), &["lo 1 B 9 B", "routes none", "listeners none", "sockets 7 in use"]);

    // Each of the others is missed.
    for (name, key) in [
        ("dev", "links"),
        ("fib_trie", "unplaced_addresses"),
        ("route", "routes"),
        ("tcp", "listeners"),
        ("udp", "listeners"),
        ("unix", "unix_listeners"),
        ("sockstat", "sockets"),
    ] {
        let (file, aside) = (net.join(name), net.join("aside"));
        std::fs::rename(&file, &aside).unwrap();
        let world = json_of(asked());
        assert_eq!(world["net"][key], Value::Null, "{name}");
        assert!(unreadable(&world).contains(&format!("net.{key}").as_str()), "{name}: {world}");
        assert!(page_of(asked()).contains("not readable: "), "{name}");
        std::fs::rename(&aside, &file).unwrap();
    }
}

#[test]
fn many_devices_and_addresses_are_told_soon() {
    let t = rings!(Host);
    const COUNT: usize = 2000;
    let root = tempfile::tempdir().unwrap();
    super::files::process(root.path(), 8, 0x0040_0000, "net:5");
    let net = root.path().join("8/net");
    create_dir(&net).unwrap();
    let many = |line: &dyn Fn(usize) -> String| (0..COUNT).map(line).collect::<String>();
    let address = |i: usize| format!("10.{}.{}.1", i >> 8, i & 255);
    let files = [
        ("dev", format!("a\nb\n{}", many(&|i| format!("d{i}: {}\n", "1 ".repeat(16))))),
        ("if_inet6", many(&|i| format!("fd{i:030x} {:x} 40 00 80 d{i}\n", i + 1))),
        (
            "route",
            format!(
                "h\n{}",
                many(&|i| {
                    let network = u32::from_ne_bytes([10, (i >> 8) as u8, i as u8, 0]);
                    let mask = u32::from_ne_bytes([255, 255, 255, 0]);
                    format!("d{i} {network:08X} 00000000 0001 0 0 0 {mask:08X} 0 0 0\n")
                })
            ),
        ),
        ("fib_trie", many(&|i| format!("|-- {}\n/32 host LOCAL\n", address(i)))),
    ];
    for (name, text) in files {
        write(net.join(name), text).unwrap();
    }
    let world = json_of(t.tool("nsinfo").arg("--proc").arg(root.path()).arg("8"));
    let links = world["net"]["links"].as_array().unwrap();
    assert_eq!((links.len(), &world["net"]["unplaced_addresses"]), (COUNT, &json!([])));
    for (i, link) in links.iter().enumerate() {
        assert_eq!(link["index"], i + 1);
        assert_eq!(link["addresses"][0]["address"], address(i));
        assert_eq!(link["addresses"][0]["prefix"], 24);
        assert_eq!(link["addresses"].as_array().unwrap().len(), 2);
    }
}
