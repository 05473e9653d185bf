//! Groups that exist are joined, as by cgexec, and the program takes our place.

use std::ffi::OsString;

use common::cgroup::group::Group;
use common::cgroup::layout::{Hierarchy, Layout};
use common::error::{Error, Result};
use common::launch::Program;
use common::proc::Proc;
use common::tool::print_lines;

use crate::cli::{Controllers, Join, Spec};

/// Joins all groups that were asked for, and becomes the program.
pub(crate) fn join(
    _proc: &Proc,
    layout: &Layout,
    asked: &Join,
    words: Vec<OsString>,
    dry_run: bool,
) -> anyhow::Result<u8> {
    let program = Program::new(words)?;
    let groups = groups(layout, &asked.specs)?;
    if dry_run {
        let line = |joined: &Joined| [b"write 0 to ", &joined.group.file("cgroup.procs")[..]].concat();
        print_lines(&groups.iter().map(line).collect::<Vec<_>>())?;
        return Ok(0);
    }
    groups.iter().try_for_each(Joined::join)?;
    Err(program.exec().into())
}

/// A group that is to be joined, open, and the controllers it is joined for.
struct Joined {
    group: Group,
    controllers: Vec<Vec<u8>>,
}

impl Joined {
    fn open(hierarchy: &Hierarchy, path: &[u8], controllers: Vec<Vec<u8>>) -> Result<Joined> {
        match hierarchy.top.descend(path) {
            Ok(group) => Ok(Joined { group, controllers }),
            Err(e) => Err(e.of_controllers(&controllers)),
        }
    }

    fn join(&self) -> Result<()> {
        self.group.join().map_err(|e| e.of_controllers(&self.controllers))
    }
}

fn groups(layout: &Layout, specs: &[Spec]) -> Result<Vec<Joined>> {
    let mut groups = Vec::new();
    for Spec { controllers, path } in specs {
        match controllers {
            Controllers::All => {
                for hierarchy in layout.hierarchies() {
                    groups.push(Joined::open(hierarchy, path, hierarchy.controllers.clone())?);
                }
            }
            Controllers::V2 => {
                let v2 = layout.v2().ok_or_else(|| Error::refused("no hierarchy of version 2 is mounted"))?;
                groups.push(Joined::open(v2, path, Vec::new())?);
            }
            Controllers::Named(names) => {
                for name in names {
                    groups.push(Joined::open(layout.of(name)?, path, vec![name.clone()])?);
                }
            }
        }
    }
    Ok(groups)
}
