//! runshare: runs a program in new namespaces.

#![no_main]

mod cli;

use cli::{Map, Request, TOOL};
use common::error::Result;
use common::kind::Kind;
use common::launch::{self, Gate, Program};
use common::ns::create;
use common::proc::credentials;
use common::proc::idmap::{Maps, Single};
use common::proc::place::{Place, change_directory};
use common::tool;

common::entry!(|argv| tool::main(&TOOL, argv, cli::request, run));

fn run(mut request: Request) -> anyhow::Result<u8> {
    let program = Program::new(std::mem::take(&mut request.words))?;
    // The ids are asked now: in a new user namespace we have none until the map is written.
    let maps = request.map.map(maps);
    create::unshare(request.kinds)?;
    let start = |gate: Option<&Gate>| match prepare(&request, maps, gate) {
        Ok(()) => program.exec(),
        Err(e) => e,
    };
    if request.fork {
        let child = |ready: Result<&Gate>| ready.map_or_else(|e| e, |gate| start(Some(gate)));
        let ended = launch::fork(|ready| tool::report(&TOOL, &child(ready).into()))?;
        return Ok(ended.follow());
    }
    Err(start(None).into())
}

fn maps(map: Map) -> Maps {
    let (uid, gid) = credentials::effective();
    let single = |outside| Single { inside: if map == Map::Root { 0 } else { outside }, outside };
    Maps { user: single(uid), group: single(gid) }
}

/// Makes the world inside as it was asked, in the process that will be the program.
fn prepare(request: &Request, maps: Option<Maps>, gate: Option<&Gate>) -> Result<()> {
    if let Some(maps) = maps {
        maps.write()?;
    }
    if request.kinds.contains(Kind::Mnt) {
        create::propagate(request.propagation)?;
    }
    if let Some(root) = &request.root {
        Place::open(root)?.become_root()?;
    }
    if let Some(wd) = &request.wd {
        change_directory(wd)?;
    }
    if let Some(dir) = &request.mount_proc {
        create::mount_proc(dir, request.propagation)?;
    }
    match (request.kill_child, gate) {
        (Some(signal), Some(gate)) => gate.die_with_parent(signal),
        _ => Ok(()),
    }
}
