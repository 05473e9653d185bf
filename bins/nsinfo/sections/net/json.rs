//! The network as JSON.

use common::proc::net::{Address, Device, Link, Listener, Route, Rows, UnixListener, Usage};
use common::tool::json::Value;

use super::super::{list, or_null, text};
use super::Net;

pub(super) fn value(net: &Net) -> Value {
    let sockets = &net.sockets;
    let (on, elsewhere) = net.placed();
    let links = |links: &Rows<Link>| {
        let rows: Vec<_> = links.rows.iter().zip(&on).collect();
        list(&rows, |(link, addresses)| link_json(net, link, addresses))
    };
    Value::Object(vec![
        ("source", source(net)),
        ("links", or_null(&net.links, links)),
        ("unplaced_addresses", or_null(&net.addresses, |_| addresses_json(&elsewhere))),
        ("routes", or_null(&net.routes, |routes| list(&routes.rows, route_json))),
        (
            "listeners",
            or_null(sockets, |sockets| list(&sockets.listeners.rows, |one| listener_json(net, one))),
        ),
        ("unix_listeners", or_null(sockets, |sockets| list(&sockets.unix.rows, |one| unix_json(net, one)))),
        ("sockets", or_null(sockets, |sockets| usage_json(&sockets.usage))),
        ("closed_processes", or_null(&net.holders, |holders| Value::Number(holders.closed as u64))),
        ("cut", Value::List(net.cut().into_iter().map(text).collect())),
        ("skipped", Value::Number(net.odd() as u64)),
    ])
}

fn source(net: &Net) -> Value {
    match (&net.only_proc, &net.links) {
        (Some(_), _) => text("proc"),
        (None, Ok(_)) => text("netlink"),
        (None, Err(_)) => Value::Null,
    }
}

fn maybe(bytes: Option<impl Into<Vec<u8>>>) -> Value {
    bytes.map_or(Value::Null, text)
}

fn link_json(net: &Net, link: &Link, addresses: &[&Address]) -> Value {
    let count = |of: fn(&common::proc::net::Traffic) -> u64| Value::number(link.traffic.as_ref().map(of));
    Value::Object(vec![
        ("index", Value::number(link.index)),
        ("name", text(link.name.as_slice())),
        ("device", link.device.as_ref().map_or(Value::Null, |device| device_json(net, device))),
        ("addresses", or_null(&net.addresses, |_| addresses_json(addresses))),
        ("rx_bytes", count(|traffic| traffic.rx_bytes)),
        ("rx_packets", count(|traffic| traffic.rx_packets)),
        ("rx_errors", count(|traffic| traffic.rx_errors)),
        ("rx_dropped", count(|traffic| traffic.rx_dropped)),
        ("tx_bytes", count(|traffic| traffic.tx_bytes)),
        ("tx_packets", count(|traffic| traffic.tx_packets)),
        ("tx_errors", count(|traffic| traffic.tx_errors)),
        ("tx_dropped", count(|traffic| traffic.tx_dropped)),
    ])
}

fn device_json(net: &Net, device: &Device) -> Value {
    let master = device.master.map_or(Value::Null, |index| {
        Value::Object(vec![("index", Value::number(Some(index))), ("name", maybe(net.name(index)))])
    });
    let peer = net.peer(device).map_or(Value::Null, |peer| {
        Value::Object(vec![
            ("index", Value::number(Some(peer.index))),
            ("name", maybe(peer.name)),
            ("here", Value::Bool(peer.is_here)),
            ("netnsid", Value::number(device.peer_at.and_then(|id| u64::try_from(id).ok()))),
            ("ours", peer.at.map_or(Value::Null, |at| Value::Bool(at.is_ours))),
            ("ns", Value::number(peer.at.map(|at| at.ino))),
            ("pid", Value::number(peer.at.and_then(|at| at.pid).map(|pid| pid as u64))),
            ("comm", maybe(peer.at.filter(|at| at.pid.is_some()).map(|at| at.name.as_slice()))),
            ("path", maybe(peer.at.filter(|at| at.pid.is_none()).map(|at| at.name.as_slice()))),
        ])
    });
    Value::Object(vec![
        ("kind", maybe(device.kind.as_deref())),
        ("up", Value::Bool(device.up)),
        ("state", text(device.state)),
        ("mtu", Value::number(device.mtu)),
        ("mac", maybe(device.mac.as_deref().map(super::page::mac))),
        ("master", master),
        ("peer", peer),
        ("alias", maybe(device.alias.as_deref())),
    ])
}

fn addresses_json(addresses: &[&Address]) -> Value {
    list(addresses, |address| address_json(address))
}

fn address_json(address: &Address) -> Value {
    Value::Object(vec![
        ("address", text(address.address.to_string())),
        ("prefix", Value::number(address.prefix)),
        ("scope", text(address.scope)),
        ("by_route", Value::Bool(address.by_route)),
    ])
}

fn route_json(route: &Route) -> Value {
    Value::Object(vec![
        ("destination", text(route.destination.to_string())),
        ("prefix", Value::number(Some(route.prefix))),
        ("gateway", maybe(route.gateway.map(|gateway| gateway.to_string()))),
        ("device", maybe(route.device.as_deref())),
        ("metric", Value::number(Some(route.metric))),
        ("type", text(route.kind)),
        ("table", Value::number(route.table)),
        ("source", maybe(route.source.map(|source| source.to_string()))),
    ])
}

fn listener_json(net: &Net, listener: &Listener) -> Value {
    Value::Object(vec![
        ("protocol", text(listener.protocol)),
        ("address", text(listener.address.to_string())),
        ("port", Value::number(Some(listener.port))),
        ("uid", Value::number(Some(listener.uid))),
        ("inode", Value::Number(listener.inode)),
        ("process", holder_json(net, listener.inode)),
    ])
}

fn unix_json(net: &Net, listener: &UnixListener) -> Value {
    Value::Object(vec![
        ("type", text(listener.kind)),
        ("name", text(listener.name.as_slice())),
        ("inode", Value::Number(listener.inode)),
        ("process", holder_json(net, listener.inode)),
    ])
}

fn holder_json(net: &Net, inode: u64) -> Value {
    let holder = net.holders.as_ref().ok().and_then(|holders| holders.found.get(&inode));
    holder.map_or(Value::Null, |holder| {
        Value::Object(vec![
            ("pid", Value::Number(holder.pid as u64)),
            ("comm", text(holder.comm.as_slice())),
            ("others", Value::Number(holder.others as u64)),
        ])
    })
}

fn usage_json(usage: &Usage) -> Value {
    Value::Object(vec![
        ("all", Value::number(usage.all)),
        ("tcp", Value::number(usage.tcp)),
        ("tcp_time_wait", Value::number(usage.tcp_time_wait)),
        ("udp", Value::number(usage.udp)),
        ("tcp6", Value::number(usage.tcp6)),
        ("udp6", Value::number(usage.udp6)),
    ])
}
