//! Its network: devices, addresses, routes, and who can be reached where.

mod json;
mod page;

use std::collections::{BTreeMap, BTreeSet};

use common::error::{Error, Result};
use common::kind::Kind;
use common::ns::network::{self, Neighbour, Network, Where};
use common::proc::net::holders::{self, Holders, Netns};
use common::proc::net::{
    Address, Device, Link, Netnsid, Route, Rows, Sockets, addresses, devices, routes, sockets,
};
use common::proc::{Proc, Task};
use common::tool::json::Value;

use super::super::page::Page;
use super::super::subject::{By, Subject, of};
use super::{Part, missing};

/// The facts.
pub(crate) struct Net {
    /// Why the kernel was not asked by netlink, and all is from /proc; none where it was.
    pub(crate) only_proc: Option<Error>,
    pub(crate) links: Result<Rows<Link>>,
    pub(crate) addresses: Result<Rows<Address>>,
    pub(crate) routes: Result<Rows<Route>>,
    pub(crate) sockets: Result<Sockets>,
    /// Whose the sockets are that listen.
    pub(crate) holders: Result<Holders>,
    /// The namespaces in which other ends of devices are.
    pub(crate) neighbours: Result<BTreeMap<Netnsid, Neighbour>>,
    /// The inode number of the initial one.
    pub(crate) host: Option<u64>,
    /// The names of our own devices, where one of those is ours.
    pub(crate) ours: BTreeMap<u32, Vec<u8>>,
}

/// The other end of a device, or the one below it.
pub(crate) struct Peer<'n> {
    pub(crate) index: u32,
    pub(crate) name: Option<&'n [u8]>,
    /// Is it in the same namespace?
    pub(crate) is_here: bool,
    /// That in which it is, if not and if it is known.
    pub(crate) at: Option<&'n Neighbour>,
}

impl Net {
    pub(crate) fn take(subject: &Subject<'_>) -> Net {
        match subject.seen() {
            By::Process(process) => of_process(subject, &process.task),
            By::Namespace(ns) => {
                let here = subject.shares(Kind::Net, &subject.ours) == Some(true);
                let at = if here { Where::Here } else { Where::Inside(ns) };
                let may = if here { may_ask(subject) } else { may_enter(subject) };
                let asked = may.and_then(|()| network::ask_with_sockets(at, subject.proc));
                let none = |e: &Error| Net {
                    only_proc: None,
                    links: Err(e.clone()),
                    addresses: Err(e.clone()),
                    routes: Err(e.clone()),
                    sockets: Err(e.clone()),
                    holders: Err(e.clone()),
                    neighbours: Ok(BTreeMap::new()),
                    host: None,
                    ours: BTreeMap::new(),
                };
                let (network, sockets) = match asked {
                    Ok(found) => found,
                    Err(e) => return none(&e),
                };
                let mark = sockets.as_ref().ok().and_then(|(_, mark)| *mark);
                let netns = Netns { ino: subject.namespace(Kind::Net), mark };
                full(subject, network, at, sockets.map(|(sockets, _)| sockets), netns)
            }
        }
    }

    /// What is at the other end of a device, or below it.
    pub(crate) fn peer(&self, device: &Device) -> Option<Peer<'_>> {
        let index = device.peer?;
        let Some(id) = device.peer_at else {
            return Some(Peer { index, name: self.name(index), is_here: true, at: None });
        };
        let at = self.neighbours.as_ref().ok().and_then(|known| known.get(&id));
        let name = at.filter(|at| at.is_ours).and_then(|_| self.ours.get(&index)).map(Vec::as_slice);
        Some(Peer { index, name, is_here: false, at })
    }

    /// The name of a device by its number.
    pub(crate) fn name(&self, index: u32) -> Option<&[u8]> {
        let links = &self.links.as_ref().ok()?.rows;
        links.iter().find(|link| link.index == Some(index)).map(|link| &link.name[..])
    }

    /// The addresses on each of the devices, and those that are on none we know of. There can be many of both.
    pub(crate) fn placed(&self) -> (Vec<Vec<&Address>>, Vec<&Address>) {
        let links = self.links.as_ref().map_or(&[][..], |links| &links.rows);
        let names: BTreeMap<&[u8], usize> = (0..).zip(links).map(|(at, link)| (&link.name[..], at)).collect();
        let indexes: BTreeMap<u32, usize> =
            (0..).zip(links).filter_map(|(at, link)| Some((link.index?, at))).collect();
        let (mut on, mut elsewhere) = (vec![Vec::new(); links.len()], Vec::new());
        for address in self.addresses.as_ref().map_or(&[][..], |addresses| &addresses.rows) {
            let at = match (&address.device, address.index) {
                (Some(device), _) => names.get(&device[..]),
                (None, index) => index.and_then(|index| indexes.get(&index)),
            };
            at.map_or(&mut elsewhere, |at| &mut on[*at]).push(address);
        }
        (on, elsewhere)
    }

    /// Which tables had more than is read of them.
    pub(crate) fn cut(&self) -> Vec<&'static str> {
        let cut = |cut: Option<bool>, name| cut.unwrap_or(false).then_some(name);
        let sockets = self.sockets.as_ref().ok();
        [
            cut(self.links.as_ref().ok().map(|rows| rows.cut), "links"),
            cut(self.addresses.as_ref().ok().map(|rows| rows.cut), "addresses"),
            cut(self.routes.as_ref().ok().map(|rows| rows.cut), "routes"),
            cut(sockets.map(|sockets| sockets.listeners.cut), "listeners"),
            cut(sockets.map(|sockets| sockets.unix.cut), "unix_listeners"),
            cut(self.holders.as_ref().ok().map(|holders| holders.cut), "processes"),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    /// How many lines and messages made no sense.
    pub(crate) fn odd(&self) -> usize {
        let of = |odd: Option<usize>| odd.unwrap_or(0);
        of(self.links.as_ref().ok().map(|rows| rows.odd))
            + of(self.addresses.as_ref().ok().map(|rows| rows.odd))
            + of(self.routes.as_ref().ok().map(|rows| rows.odd))
            + of(self.sockets.as_ref().ok().map(|sockets| sockets.listeners.odd + sockets.unix.odd))
    }
}

/// May the kernel be asked? Of a directory that looks like /proc it knows nothing.
fn may_ask(subject: &Subject<'_>) -> Result<()> {
    match subject.proc.is_the_kernels()? {
        true => Ok(()),
        false => Err(Error::refused("only the files of a directory are read")),
    }
}

/// May a namespace be entered for that?
fn may_enter(subject: &Subject<'_>) -> Result<()> {
    may_ask(subject)?;
    match subject.how.no_enter {
        true => Err(Error::refused("it is not entered (--no-enter)")),
        false => Ok(()),
    }
}

fn of_process(subject: &Subject<'_>, task: &Task) -> Net {
    let netns = Netns::of(task);
    // Everybody may see the mark, so that our own namespace is known in any process.
    let is_ours = subject.us.as_ref().is_ok_and(|us| netns.has(us) == Some(true));
    let sockets = sockets::of(task);
    if is_ours {
        let network = may_ask(subject).and_then(|()| network::ask(Where::Here));
        return or_files(subject, network, Where::Here, task, sockets, netns);
    }
    match may_enter(subject).and_then(|()| network::of(task)) {
        Err(e) => from_files(subject, task, e, sockets, netns),
        Ok(ns) => {
            let at = Where::Inside(&ns);
            or_files(subject, network::ask(at), at, task, sockets, netns)
        }
    }
}

fn or_files(
    subject: &Subject<'_>,
    network: Result<Network>,
    at: Where<'_>,
    task: &Task,
    sockets: Result<Sockets>,
    netns: Netns,
) -> Net {
    match network {
        Ok(network) => full(subject, network, at, sockets, netns),
        Err(e) => from_files(subject, task, e, sockets, netns),
    }
}

/// All that the kernel tells by netlink, with other sockets than unix ones from /proc.
fn full(
    subject: &Subject<'_>,
    network: Network,
    at: Where<'_>,
    sockets: Result<Sockets>,
    netns: Netns,
) -> Net {
    let ids = network.links.rows.iter().filter_map(|link| link.device.as_ref()?.peer_at);
    let neighbours = network::neighbours(subject.proc, at, &ids.collect());
    let ours = neighbours.as_ref().is_ok_and(|known| known.values().any(|one| one.is_ours));
    // In /proc a name can look like a line.
    let sockets = sockets.map(|sockets| match network.unix {
        Some(unix) => Sockets { unix, ..sockets },
        None => sockets,
    });
    let ours = ours.then(|| network::ask(Where::Here).ok()).flatten().unwrap_or_default();
    Net {
        only_proc: None,
        links: Ok(network.links),
        addresses: Ok(network.addresses),
        routes: Ok(network.routes),
        holders: holders_of(subject.proc, &sockets, netns),
        sockets,
        neighbours,
        host: of(&subject.initial, Kind::Net),
        ours: ours.links.rows.into_iter().filter_map(|link| Some((link.index?, link.name))).collect(),
    }
}

/// What everybody may read of a process.
fn from_files(subject: &Subject<'_>, task: &Task, why: Error, sockets: Result<Sockets>, netns: Netns) -> Net {
    let routes = routes::of(task);
    let addresses = addresses::v4(task, routes.as_ref().map_or(&[], |routes| &routes.rows));
    let addresses = addresses.and_then(|mut found| {
        found.extend(addresses::v6(task)?);
        Ok(found)
    });
    let mut links = devices::of(task);
    if let (Ok(links), Ok(addresses)) = (&mut links, &addresses) {
        let known = addresses.rows.iter().filter_map(|one| Some((one.device.as_ref()?, one.index?)));
        let known: BTreeMap<&Vec<u8>, u32> = known.collect();
        links.rows.iter_mut().for_each(|link| link.index = known.get(&link.name).copied());
    }
    Net {
        only_proc: Some(why),
        links,
        addresses,
        routes,
        holders: holders_of(subject.proc, &sockets, netns),
        sockets,
        neighbours: Ok(BTreeMap::new()),
        host: None,
        ours: BTreeMap::new(),
    }
}

fn holders_of(proc: &Proc, sockets: &Result<Sockets>, netns: Netns) -> Result<Holders> {
    let sockets = sockets.as_ref().map_err(Error::clone)?;
    let unix = sockets.unix.rows.iter().map(|one| one.inode);
    let inodes: BTreeSet<u64> = sockets.listeners.rows.iter().map(|one| one.inode).chain(unix).collect();
    holders::of(proc, netns, &inodes)
}

impl Part for Net {
    fn page(&self, page: &mut Page) {
        page::show(self, page);
    }

    fn json(&self) -> Value {
        json::value(self)
    }

    fn missing(&self) -> Vec<(&'static str, &Error)> {
        let addresses = self.addresses.as_ref().err();
        let sockets = self.sockets.as_ref().err();
        let holders = self.holders.as_ref().err();
        missing([
            ("links", self.links.as_ref().err()),
            ("links.device", self.only_proc.as_ref().filter(|_| self.links.is_ok())),
            ("links.device.peer", self.neighbours.as_ref().err()),
            ("links.addresses", addresses.filter(|_| self.links.is_ok())),
            ("unplaced_addresses", addresses),
            ("routes", self.routes.as_ref().err()),
            ("listeners", sockets),
            ("unix_listeners", sockets),
            ("sockets", sockets),
            ("listeners.process", holders.filter(|_| self.sockets.is_ok())),
            ("unix_listeners.process", holders.filter(|_| self.sockets.is_ok())),
            ("closed_processes", holders),
        ])
    }
}
