//! The network for people.

use common::error::Error;
use common::proc::net::{Address, Device, Link, Listener, Route, Traffic, UnixListener, Usage, routes};
use common::text::size;
use common::tool::paint::Paint;
use common::tool::table::{Cell, Column, Shape};

use super::super::super::page::{Page, not_readable};
use super::Net;

/// So many unix sockets are shown; all are in the JSON.
const NAMES: usize = 8;

pub(super) fn show(net: &Net, page: &mut Page) {
    if let Some(e) = &net.only_proc {
        page.line("source", "/proc: state, MTU, MAC, kind and peer of devices are unknown:");
        page.line("", &why(e));
    }
    match &net.links {
        Err(e) => page.remark(&why(e)),
        Ok(links) => links_table(net, &links.rows, page),
    }
    addresses(net, page);
    if let Err(e) = &net.neighbours {
        page.remark(&format!("where peers are is unknown: {}", why(e)));
    }
    if net.links.is_err() && net.routes.is_err() && net.sockets.is_err() {
        // The same once more would be no news.
        return;
    }
    match &net.routes {
        Err(e) => page.line("routes", &why(e)),
        Ok(routes) if routes.rows.is_empty() => page.line("routes", "none"),
        Ok(routes) => {
            page.out.push('\n');
            page.table(ROUTES, net, &routes.rows, |route| match route.prefix {
                0 => Paint::Bright,
                _ => Paint::Plain,
            });
        }
    }
    sockets(net, page);
    if !net.cut().is_empty() {
        page.remark(&format!("not shown as a whole, there is too much: {}", net.cut().join(", ")));
    }
    if net.odd() > 0 {
        page.remark(&format!("lines and messages that make no sense and are left out: {}", net.odd()));
    }
}

/// Why something is not known, and what would help if that is known. What was not asked for says so itself.
fn why(error: &Error) -> String {
    match error {
        Error::Sys { .. } => not_readable(error),
        Error::Refused { .. } => error.reason(),
    }
}

/// A line of the table of devices: one for each address, the first with the device.
struct Row {
    link: Option<Link>,
    address: Option<Address>,
}

impl Row {
    fn device(&self) -> Option<&Device> {
        self.link.as_ref()?.device.as_ref()
    }
}

fn links_table(net: &Net, links: &[Link], page: &mut Page) {
    let mut rows = Vec::new();
    for (link, addresses) in links.iter().zip(net.placed().0) {
        let mut addresses = addresses.into_iter().cloned();
        rows.push(Row { link: Some(link.clone()), address: addresses.next() });
        rows.extend(addresses.map(|address| Row { link: None, address: Some(address) }));
    }
    page.table(if net.only_proc.is_some() { SEEN } else { TOLD }, &(), &rows, |row| match row.device() {
        Some(device) if !device.up => Paint::Dim,
        _ => Paint::Plain,
    });
    let interesting = |link: &&Link| link.device.as_ref().is_some_and(is_interesting);
    let devices: Vec<Link> = links.iter().filter(interesting).cloned().collect();
    if !devices.is_empty() {
        page.out.push('\n');
        page.table(DEVICES, net, &devices, |_| Paint::Plain);
    }
}

fn is_interesting(device: &Device) -> bool {
    device.kind.is_some() || device.mac.is_some() || device.peer.is_some() || device.master.is_some()
}

#[rustfmt::skip]
const TOLD: &[Column<(), Row>] = &[
    Column { name: "NAME", help: "", shape: Shape::Text, cell: |_, row| name(row) },
    Column { name: "STATE", help: "", shape: Shape::Text, cell: |_, row| Cell::text(row.device().map(state)) },
    Column { name: "MTU", help: "", shape: Shape::Number, cell: |_, row| Cell::number(row.device().and_then(|device| device.mtu)) },
    Column { name: "RECEIVED", help: "", shape: Shape::Right, cell: |_, row| traffic(row, |traffic| traffic.rx_bytes) },
    Column { name: "SENT", help: "", shape: Shape::Right, cell: |_, row| traffic(row, |traffic| traffic.tx_bytes) },
    Column { name: "ADDRESSES", help: "", shape: Shape::Text, cell: |_, row| Cell::text(row.address.as_ref().map(shown)) },
];

/// What /proc tells.
#[rustfmt::skip]
const SEEN: &[Column<(), Row>] = &[
    Column { name: "NAME", help: "", shape: Shape::Text, cell: |_, row| name(row) },
    Column { name: "RECEIVED", help: "", shape: Shape::Right, cell: |_, row| traffic(row, |traffic| traffic.rx_bytes) },
    Column { name: "SENT", help: "", shape: Shape::Right, cell: |_, row| traffic(row, |traffic| traffic.tx_bytes) },
    Column { name: "ADDRESSES", help: "", shape: Shape::Text, cell: |_, row| Cell::text(row.address.as_ref().map(shown)) },
];

fn name(row: &Row) -> Cell {
    Cell::text(row.link.as_ref().map(|link| link.name.clone()))
}

fn traffic(row: &Row, of: impl Fn(Traffic) -> u64) -> Cell {
    Cell::text(row.link.as_ref().and_then(|link| Some(size(of(link.traffic?)))))
}

#[rustfmt::skip]
const DEVICES: &[Column<Net, Link>] = &[
    Column { name: "NAME", help: "", shape: Shape::Text, cell: |_, link| Cell::text(Some(link.name.clone())) },
    Column { name: "KIND", help: "", shape: Shape::Text, cell: |_, link| Cell::text(link.device.as_ref().and_then(|device| device.kind.clone())) },
    Column { name: "MAC", help: "", shape: Shape::Text, cell: |_, link| Cell::text(link.device.as_ref().and_then(|device| device.mac.as_deref().map(mac))) },
    Column { name: "PEER AND MASTER", help: "", shape: Shape::Text, cell: |net, link| Cell::text(link.device.as_ref().map(|device| around(net, device))) },
];

#[rustfmt::skip]
const ROUTES: &[Column<Net, Route>] = &[
    Column { name: "ROUTE TO", help: "", shape: Shape::Text, cell: |_, route| Cell::text(Some(destination(route))) },
    Column { name: "VIA", help: "", shape: Shape::Text, cell: |_, route| Cell::text(route.gateway.map(|gateway| gateway.to_string())) },
    Column { name: "DEVICE", help: "", shape: Shape::Text, cell: |_, route| Cell::text(route.device.clone()) },
    Column { name: "METRIC", help: "", shape: Shape::Number, cell: |_, route| Cell::number(Some(route.metric)) },
    Column { name: "REMARK", help: "", shape: Shape::Text, cell: |_, route| Cell::text(Some(remark(route))) },
];

#[rustfmt::skip]
const LISTENERS: &[Column<Net, Listener>] = &[
    Column { name: "LISTENER", help: "", shape: Shape::Text, cell: |_, one| Cell::text(Some(one.protocol)) },
    Column { name: "ADDRESS", help: "", shape: Shape::Text, cell: |_, one| Cell::text(Some(std::net::SocketAddr::new(one.address, one.port).to_string())) },
    Column { name: "UID", help: "", shape: Shape::Number, cell: |_, one| Cell::number(Some(one.uid)) },
    Column { name: "PROCESS", help: "", shape: Shape::Text, cell: |net, one| Cell::text(Some(holder(net, one.inode))) },
];

#[rustfmt::skip]
const UNIX: &[Column<Net, UnixListener>] = &[
    Column { name: "UNIX", help: "", shape: Shape::Text, cell: |_, one| Cell::text(Some(one.kind)) },
    Column { name: "PROCESS", help: "", shape: Shape::Text, cell: |net, one| Cell::text(Some(holder(net, one.inode))) },
    Column { name: "NAME", help: "", shape: Shape::Text, cell: |_, one| Cell::text(Some(one.name.clone())) },
];

fn state(device: &Device) -> &'static str {
    match (device.up, device.state) {
        (false, _) => "down",
        // Devices that cannot tell, as the loopback one.
        (true, "unknown" | "up") => "up",
        (true, "down" | "lower layer down") => "no link",
        (true, state) => state,
    }
}

/// An address, and its network's length where that is known; marked where its device is only inferred.
fn shown(address: &Address) -> String {
    let mark = if address.by_route { "~" } else { "" };
    match address.prefix {
        Some(prefix) => format!("{mark}{}/{prefix}", address.address),
        None => address.address.to_string(),
    }
}

/// The address of a device as it is always written.
pub(super) fn mac(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(":")
}

/// What belongs to a device: any bytes.
fn around(net: &Net, device: &Device) -> Vec<u8> {
    let mut parts: Vec<Vec<u8>> = Vec::new();
    if let Some(peer) = net.peer(device) {
        let word = if device.kind.as_deref() == Some(b"veth") { "peer " } else { "on " };
        let name = peer.name.map_or_else(|| format!("#{}", peer.index).into(), <[u8]>::to_vec);
        let mut part = [word.as_bytes(), &name].concat();
        match peer.at {
            _ if peer.is_here => {}
            Some(at) if at.is_ours => part.extend(b" in our namespace"),
            Some(at) if net.host == Some(at.ino) => part.extend(b" in the host's namespace"),
            Some(at) => {
                let who = at.pid.map_or(String::new(), |pid| format!("{pid} "));
                part.extend(format!(" in net:[{}] ({who}", at.ino).as_bytes());
                part.extend([&at.name[..], b")"].concat());
            }
            None => part.extend(b" in a namespace not found"),
        }
        parts.push(part);
    }
    if let Some(master) = device.master {
        let name = net.name(master).map_or_else(|| format!("#{master}").into(), <[u8]>::to_vec);
        parts.push([b"port of ", &name[..]].concat());
    }
    parts.join(&b", "[..])
}

/// Addresses that are on no device we know of, and what marks mean.
fn addresses(net: &Net, page: &mut Page) {
    match &net.addresses {
        Err(_) if net.links.is_err() => {}
        Err(e) => page.line("addresses", &why(e)),
        Ok(addresses) => {
            if addresses.rows.iter().any(|address| address.by_route) {
                page.remark("~ the device is that of the route to the network: /proc does not tell");
            }
            for (at, address) in net.placed().1.into_iter().enumerate() {
                let label = if at == 0 { "elsewhere" } else { "" };
                page.line(label, &format!("{}, on a device that is unknown", shown(address)));
            }
        }
    }
}

fn destination(route: &Route) -> String {
    match (route.prefix, route.destination.is_ipv6()) {
        (0, false) => "default".into(),
        (0, true) => "default (IPv6)".into(),
        (prefix, _) => format!("{}/{prefix}", route.destination),
    }
}

/// What is unusual about a route.
fn remark(route: &Route) -> String {
    let table = route.table.filter(|table| *table != routes::MAIN).map(|table| format!("table {table}"));
    let kind = match route.kind {
        "unicast" => None,
        "unknown" => Some("of unknown type".to_string()),
        kind => Some(kind.to_string()),
    };
    kind.into_iter().chain(table).collect::<Vec<_>>().join(", ")
}

/// Whose a socket is: any bytes.
fn holder(net: &Net, inode: u64) -> Vec<u8> {
    let Ok(holders) = &net.holders else { return b"unknown".to_vec() };
    match holders.found.get(&inode) {
        Some(holder) => {
            let others = match holder.others {
                0 => String::new(),
                others => format!(" and {others} more"),
            };
            [holder.pid.to_string().as_bytes(), b" ", &holder.comm, others.as_bytes()].concat()
        }
        None if holders.closed > 0 || holders.cut => b"unknown".to_vec(),
        None => b"none in this namespace".to_vec(),
    }
}

fn sockets(net: &Net, page: &mut Page) {
    let sockets = match &net.sockets {
        Err(e) => return page.line("listeners", &why(e)),
        Ok(sockets) => sockets,
    };
    match &sockets.listeners.rows[..] {
        [] => page.line("listeners", "none"),
        listeners => {
            page.out.push('\n');
            page.table(LISTENERS, net, listeners, |one| match one.address {
                address if address.is_unspecified() => Paint::Bright,
                address if address.is_loopback() => Paint::Dim,
                _ => Paint::Plain,
            });
        }
    }
    match &net.holders {
        Err(e) => page.remark(&format!("whose listeners are is unknown: {}", why(e))),
        Ok(holders) if holders.closed > 0 && !is_all_known(net) => page.remark(&format!(
            "processes unknown: {} keep their descriptors from us (needs CAP_SYS_PTRACE)",
            holders.closed
        )),
        Ok(_) => {}
    }
    unix(net, &sockets.unix.rows, page);
    usage(&sockets.usage, page);
}

/// Was a process found for each listener?
fn is_all_known(net: &Net) -> bool {
    let (Ok(sockets), Ok(holders)) = (&net.sockets, &net.holders) else { return false };
    let unix = sockets.unix.rows.iter().map(|one| one.inode);
    let mut inodes = sockets.listeners.rows.iter().map(|one| one.inode).chain(unix);
    inodes.all(|inode| holders.found.contains_key(&inode))
}

fn unix(net: &Net, listeners: &[UnixListener], page: &mut Page) {
    if listeners.is_empty() {
        return;
    }
    page.out.push('\n');
    let shown = &listeners[..listeners.len().min(NAMES)];
    page.table(UNIX, net, shown, |_| Paint::Plain);
    if listeners.len() > NAMES {
        page.remark(&format!("and {} more unix sockets that listen", listeners.len() - NAMES));
    }
}

fn usage(usage: &Usage, page: &mut Page) {
    let parts = [
        (usage.tcp, "TCP"),
        (usage.tcp6, "TCP6"),
        (usage.udp, "UDP"),
        (usage.udp6, "UDP6"),
        (usage.tcp_time_wait, "waiting for last packets"),
    ];
    let parts = parts.iter().filter_map(|(count, name)| Some(format!("{} {name}", (*count)?)));
    let all = usage.all.map(|all| format!("{all} in use"));
    let mut parts: Vec<_> = all.into_iter().chain(parts).collect();
    if parts.is_empty() {
        parts.push("unknown".into());
    }
    page.flow("sockets", &parts, Paint::Plain);
}
