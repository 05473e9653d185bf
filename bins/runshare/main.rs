//! runshare: runs a program in new namespaces.

mod cli;

use std::process::ExitCode;

use cli::{Map, Request, TOOL};
use common::error::{Error, Result};
use common::kind::Kind;
use common::launch::{self, Gate, Program};
use common::ns::diagnose::{IdTable, Write};
use common::ns::{create, diagnose};
use common::proc::credentials::Caller;
use common::proc::idmap::{Maps, Single};
use common::proc::place::{Place, change_directory};
use common::proc::{Proc, credentials};
use common::tool;

fn main() -> ExitCode {
    tool::main(&TOOL, cli::request, run)
}

fn run(mut request: Request) -> anyhow::Result<u8> {
    let program = Program::new(std::mem::take(&mut request.words))?;
    // Only maps need it.
    let proc = Proc::system();
    // The ids are asked now: in a new user namespace we have none until the map is written.
    let caller = Caller::now();
    let maps = request.map.map(maps);
    create::unshare(proc.as_ref().ok(), request.kinds)?;
    let start = |gate: Option<&Gate>| match prepare(&request, &proc, maps.map(|maps| (maps, caller)), gate) {
        Ok(()) => program.exec(),
        Err(e) => e,
    };
    if request.fork {
        let child = |ready: Result<&Gate>| ready.map_or_else(|e| e, |gate| start(Some(gate)));
        let ended = launch::fork(|ready| tool::report(&TOOL, &child(ready).into()))
            .map_err(|e| diagnose::fork(e, proc.as_ref().ok()))?;
        return Ok(ended.follow());
    }
    Err(start(None).into())
}

fn maps(map: Map) -> Maps {
    let (uid, gid) = credentials::effective();
    let single = |outside| Single { inside: if map == Map::Root { 0 } else { outside }, outside };
    Maps { user: single(uid), group: single(gid) }
}

/// Why a map could not be written.
fn unmapped(error: Error, proc: &Proc, maps: &Maps, caller: Caller) -> Error {
    let Some(file) = IdTable::of(&error) else { return error };
    let line = |Single { inside, outside }| format!("{inside} {outside} 1");
    let text = match file {
        IdTable::Users => line(maps.user),
        IdTable::Groups => line(maps.group),
        IdTable::Setgroups => "deny".into(),
    };
    diagnose::map(error, Some(proc), &Write { file, text: text.as_bytes(), of: None, caller })
}

/// Makes the world inside as it was asked, in the process that will be the program.
fn prepare(
    request: &Request,
    proc: &Result<Proc>,
    maps: Option<(Maps, Caller)>,
    gate: Option<&Gate>,
) -> Result<()> {
    if let Some((maps, caller)) = maps {
        let proc = proc.as_ref().map_err(Error::clone)?;
        maps.write(proc).map_err(|e| unmapped(e, proc, &maps, caller))?;
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
        create::mount_proc(dir, request.propagation)
            .map_err(|e| diagnose::new_proc(e, proc.as_ref().ok(), request.kinds, gate.is_some()))?;
    }
    match (request.kill_child, gate) {
        (Some(signal), Some(gate)) => gate.die_with_parent(signal),
        _ => Ok(()),
    }
}
