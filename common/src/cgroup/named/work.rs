//! What is done to named groups, step by step: each step can be only said, and is taken back if a later one fails.

use std::rc::Rc;
use std::time::{Duration, Instant};

use nix::errno::Errno;

use super::super::callers::{self, Callers};
use super::super::group::{Group, Version, while_busy};
use super::super::knobs::Setting;
use super::super::layout::Hierarchy;
use super::super::{place, set};
use super::origin::{Born, Origins};
use super::{SEAL, is_sealed};
use crate::error::{Error, Result};
use crate::proc::groups::Line;
use crate::proc::target::Target;
use crate::proc::{Proc, Task};
use crate::sys;

/// How often a process that is just being born is tried to be moved, and the pause between.
const BIRTH: (usize, Duration) = (5, Duration::from_millis(30));

/// How long a group that was just left may stay busy.
const LEAVING: Duration = Duration::from_millis(200);

/// A directory that is there, or, where things are only said, that would be made.
#[derive(Debug)]
pub(super) struct Spot {
    pub(super) path: Vec<u8>,
    pub(super) group: Option<Group>,
}

impl Spot {
    pub(super) fn there(group: Group) -> Spot {
        Spot { path: group.path.clone(), group: Some(group) }
    }

    pub(super) fn file(&self, name: &str) -> Vec<u8> {
        [&self.path[..], b"/", name.as_bytes()].concat()
    }
}

/// A step that was taken, and what takes it back.
enum Undo {
    /// This group was made in that one.
    Made { parent: Group, name: Vec<u8>, group: (u64, u64) },
    /// The limits of a group, as they were.
    Limits { group: Group, settings: Vec<Setting> },
    /// What a group remembered of its processes.
    Origins { group: Rc<Group>, text: Vec<u8> },
    /// Those in a group that hands on controllers, who were moved to one below it.
    Callers(Callers),
    /// A process, and where it was.
    Moved { born: Born, group: Rc<Group> },
}

/// Steps.
pub struct Work<'a> {
    pub(super) proc: &'a Proc,
    pub(super) dry: bool,
    lines: Vec<Vec<u8>>,
    complaints: Vec<Error>,
    undo: Vec<Undo>,
}

impl<'a> Work<'a> {
    /// With `dry` nothing is done, and all is said.
    pub fn new(proc: &'a Proc, dry: bool) -> Work<'a> {
        Work { proc, dry, lines: Vec::new(), complaints: Vec::new(), undo: Vec::new() }
    }

    /// What would have been done.
    pub fn lines(&self) -> &[Vec<u8>] {
        &self.lines
    }

    /// What could not be had, where it was asked to go on without.
    pub fn complaints(&self) -> &[Error] {
        &self.complaints
    }

    pub(super) fn say(&mut self, line: impl Into<Vec<u8>>) {
        if self.dry {
            self.lines.push(line.into());
        }
    }

    pub(super) fn complain(&mut self, error: Error) {
        self.complaints.push(error);
    }

    /// The value, or where it was asked for to go on without, a complaint.
    pub(super) fn or_complain<T>(&mut self, best_effort: bool, had: Result<T>) -> Result<Option<T>> {
        match had {
            Ok(had) => Ok(Some(had)),
            Err(e) if best_effort => {
                self.complain(e);
                Ok(None)
            }
            Err(e) => Err(e),
        }
    }

    /// Does it, or takes back all that was done.
    pub(super) fn all<T>(&mut self, steps: impl FnOnce(&mut Work<'a>) -> Result<T>) -> Result<T> {
        steps(self).inspect_err(|_| self.take_back())
    }

    /// Takes back what was done, the last first. What cannot be taken back, since others have changed it meanwhile, is left.
    pub fn take_back(&mut self) {
        while let Some(step) = self.undo.pop() {
            match step {
                Undo::Made { parent, name, group } => {
                    let same = parent.descend(&name).and_then(|there| there.id()).is_ok_and(|id| id == group);
                    if same {
                        remove_soon(&parent, &name);
                    }
                }
                Undo::Limits { group, settings } => {
                    // One by one, should all together not do.
                    if set::update(&group, &settings).is_err() {
                        for setting in &settings {
                            let _ = group.write(&setting.file, &setting.value);
                        }
                    }
                }
                Undo::Origins { group, text } => {
                    let _ = Origins::store(&group, &text);
                }
                Undo::Callers(callers) => drop(callers.move_up()),
                Undo::Moved { born, group } => {
                    if self.is(born) {
                        let _ = put(&group, &born.0.to_string());
                    }
                }
            }
        }
        self.lines.clear();
        self.complaints.clear();
    }

    /// Is it still this process that has the PID?
    fn is(&self, (pid, start): Born) -> bool {
        let target = Target::open(self.proc, pid);
        target.and_then(|target| target.task.stat()).is_ok_and(|stat| stat.start == start)
    }

    /// From here on nothing is taken back.
    pub fn done(&mut self) {
        self.undo.clear();
    }

    /// Opens the group of this name in another, or makes it, with the sticky bit: by that it is known as one of ours from
    /// its first moment.
    pub(super) fn make(&mut self, parent: &Spot, name: &str) -> Result<Spot> {
        let path = parent.file(name);
        let Some(above) = &parent.group else {
            self.say([b"mkdir ", &path[..]].concat());
            return Ok(Spot { path, group: None });
        };
        match above.descend(name.as_bytes()) {
            Err(e) if e.errno() == Some(Errno::ENOENT) => {}
            found => return found.map(Spot::there),
        }
        if self.dry {
            self.say([b"mkdir ", &path[..]].concat());
            return Ok(Spot { path, group: None });
        }
        match above.make(name) {
            Ok(group) => {
                let (parent, id) = (above.descend(b"")?, group.id()?);
                self.undo.push(Undo::Made { parent, name: name.into(), group: id });
                Ok(Spot::there(group))
            }
            Err(e) if e.errno() == Some(Errno::EEXIST) => above.descend(name.as_bytes()).map(Spot::there),
            Err(e) if e.is_denied() => Err(e.with_hint(
                "groups are made by root, or below one that was delegated to this user: name such a one with --parent",
            )),
            Err(e) => Err(e),
        }
    }

    /// Somebody else has it now, so it is not ours to be removed.
    pub(super) fn leave(&mut self, group: &Group) {
        let id = group.id().ok();
        self.undo.retain(|step| !matches!(step, Undo::Made { group, .. } if Some(*group) == id));
    }

    /// Writes to a file of a group.
    pub(super) fn write(&mut self, spot: &Spot, file: &str, value: &str) -> Result<()> {
        match (&spot.group, self.dry) {
            (Some(group), false) => group.write(file, value),
            _ => {
                self.say([b"write ", value.as_bytes(), b" to ", &spot.file(file)].concat());
                Ok(())
            }
        }
    }

    /// A new group for cpusets of version 1 has no CPU and no memory, and takes nobody: it gets those of the one above.
    /// Source: cgroup-v1/cpusets.rst.
    pub(super) fn fill_cpuset(&mut self, hierarchy: &Hierarchy, above: &Spot, spot: &Spot) -> Result<()> {
        let is_cpuset = hierarchy.controllers.iter().any(|name| name == b"cpuset");
        if hierarchy.top.version == Version::V2 || !is_cpuset {
            return Ok(());
        }
        for file in ["cpuset.cpus", "cpuset.mems"] {
            let empty = spot.group.as_ref().map_or(Ok(true), |group| Ok(group.read(file)?.is_empty()))?;
            if empty {
                // Where one above is only said to be made, it would have what the root has.
                let from = above.group.as_ref().unwrap_or(&hierarchy.top);
                let value = String::from_utf8_lossy(&from.read(file)?).into_owned();
                self.write(spot, file, &value)?;
            }
        }
        Ok(())
    }

    /// Hands a controller of version 2 on to the groups below this one, if it is not [`Group::is_inhabited`]. In the usual
    /// place, which nobody has named, ours make room.
    pub(super) fn hand_on(
        &mut self,
        hierarchy: &Hierarchy,
        spot: &Spot,
        controller: &str,
        usual: bool,
    ) -> Result<()> {
        let name = |e: Error| e.of_controllers(&[controller]);
        if let Some(group) = &spot.group {
            if group.handed_on().map_err(name)?.iter().any(|known| known == controller.as_bytes()) {
                return Ok(());
            }
            if group.is_inhabited().map_err(name)? {
                let why = match usual {
                    true => place::why_not(hierarchy, group, self.proc, place::is_systemd())?,
                    false => Some(Vec::new()),
                };
                if let Some(why) = why {
                    let what =
                        [b"controller ", controller.as_bytes(), b" cannot be handed on by ", &group.path]
                            .concat();
                    let and = if why.is_empty() { &b""[..] } else { b", and " };
                    return Err(Error::refused([&what[..], b": it has processes", and, &why].concat()).with_hint(
                        "name a group without processes with --parent, such as one of `systemd-run --user --scope -p Delegate=yes`",
                    ));
                }
                // Those in it make room, for as long as there are named groups.
                let leaf = group.file(callers::NAME);
                self.say([b"move what is in ", &group.path[..], b" to ", &leaf].concat());
                if !self.dry {
                    self.undo.push(Undo::Callers(Callers::move_down(group.descend(b"")?, self.proc)?));
                }
            }
        }
        self.write(spot, "cgroup.subtree_control", &format!("+{controller}")).map_err(name)
    }

    /// Sets limits. Of a group that was there before, the old ones are remembered.
    pub(super) fn limit(
        &mut self,
        spot: &Spot,
        settings: &[Setting],
        new: bool,
        best_effort: bool,
    ) -> Result<()> {
        let Some(group) = spot.group.as_ref().filter(|_| !self.dry) else {
            settings.iter().try_for_each(|setting| self.write(spot, &setting.file, &setting.value))?;
            return Ok(());
        };
        if settings.is_empty() {
            return Ok(());
        }
        if !new {
            let old = |setting: &Setting| {
                let value = group.read(&setting.file).ok()?;
                Some(Setting { value: String::from_utf8(value).ok()?, ..setting.clone() })
            };
            let settings = settings.iter().filter_map(old).collect();
            self.undo.push(Undo::Limits { group: group.descend(b"")?, settings });
        }
        let set = if new { set::set } else { set::update };
        match set(group, settings) {
            Err(_) if best_effort => {
                for setting in settings {
                    if let Err(e) = set(group, std::slice::from_ref(setting)) {
                        self.complain(e);
                    }
                }
                Ok(())
            }
            answer => answer,
        }
    }

    /// Marks a group as complete: from now on others find it by its name.
    pub(super) fn seal(&mut self, group: &Group) -> Result<()> {
        match self.dry || is_sealed(group)? {
            true => Ok(()),
            false => sys::set_attribute(group, SEAL, b"named")
                .map_err(|e| Error::sys("fsetxattr", [b"user.nskit of ", &group.path[..]].concat(), e)),
        }
    }

    /// Moves a process into a group of a hierarchy, which remembers where it came from. One that is in it or below stays.
    pub(super) fn carry(&mut self, target: &Target, hierarchy: &Hierarchy, spot: &Spot) -> Result<()> {
        let Some(line) = line_of(&target.task, hierarchy)? else {
            return Err(Error::refused(format!("the group of process {} is not known", target.pid)));
        };
        let inside = path_of(hierarchy, &spot.path);
        if is_within(&line.path, &inside) {
            return Ok(());
        }
        let us = std::process::id() as i32;
        let word = if target.pid == us { "0".into() } else { target.pid.to_string() };
        let from = hierarchy.group_of(&line)?;
        let Some(group) = spot.group.as_ref().filter(|_| !self.dry) else {
            self.say([format!("remember that {} came from ", target.pid).as_bytes(), &from.path].concat());
            return self.write(spot, "cgroup.procs", &word);
        };
        let born = (target.pid, target.task.stat()?.start);
        let text = Origins::stored(group)?;
        let mut origins = Origins::of(group)?;
        origins.prune(self.proc);
        origins.add(born, &line.path);
        Origins::store(group, &origins.text())?;
        self.undo.push(Undo::Origins { group: Rc::new(group.descend(b"")?), text });
        put(group, &word).map_err(|e| e.of_controllers(&hierarchy.controllers))?;
        self.undo.push(Undo::Moved { born, group: Rc::new(from) });
        // Else its PID can have been another's when it was written.
        match target.is_alive()? {
            true => Ok(()),
            false => Err(Error::sys("move", format!("process {}", target.pid), Errno::ESRCH)
                .with_hint("it has ended meanwhile")),
        }
    }

    /// Moves a process of a named group out of it.
    pub(super) fn carry_out(
        &mut self,
        target: &Target,
        born: Born,
        inside: &Rc<Group>,
        to: &Group,
    ) -> Result<()> {
        if self.dry {
            self.say([format!("write {} to ", target.pid).as_bytes(), &to.file("cgroup.procs")].concat());
            return Ok(());
        }
        match put(to, &target.pid.to_string()) {
            Err(e) if e.errno() == Some(Errno::ESRCH) => Ok(()),
            Err(e) => Err(e),
            Ok(()) => {
                self.undo.push(Undo::Moved { born, group: inside.clone() });
                Ok(())
            }
        }
    }
}

/// Writes a PID to `cgroup.procs`, which moves all threads of the process.
fn put(group: &Group, word: &str) -> Result<()> {
    let mut tries = 0;
    loop {
        match group.write("cgroup.procs", word) {
            Err(e) if e.errno() == Some(Errno::EINVAL) && tries < BIRTH.0 => {
                tries += 1;
                std::thread::sleep(BIRTH.1);
            }
            Err(e) if e.errno() == Some(Errno::EINVAL) => {
                return Err(e.with_hint("threads of the kernel, and processes with real-time threads where the group has no time for those, cannot be moved"));
            }
            Err(e) if e.errno() == Some(Errno::ESRCH) => return Err(e.with_hint("the process has ended")),
            answer => return answer.map_err(|e| group.why_not_joined(e)),
        }
    }
}

/// Removes a group that can be busy for a moment after its last process has left.
fn remove_soon(parent: &Group, name: &[u8]) {
    let _ = while_busy(Instant::now() + LEAVING, || parent.remove_empty(name));
}

/// The line of a hierarchy in `/proc/PID/cgroup`.
pub(super) fn line_of(task: &Task, hierarchy: &Hierarchy) -> Result<Option<Line>> {
    Ok(Line::of(task)?.into_iter().find(|line| line.controllers == hierarchy.controllers))
}

/// What /proc/PID/cgroup calls the group at this path.
pub(in crate::cgroup) fn path_of(hierarchy: &Hierarchy, path: &[u8]) -> Vec<u8> {
    hierarchy.path_of(path.strip_prefix(&hierarchy.top.path[..]).unwrap_or(path))
}

/// Is this path that of the group, or of one below?
pub(in crate::cgroup) fn is_within(path: &[u8], group: &[u8]) -> bool {
    let group = group.strip_suffix(b"/").unwrap_or(group);
    path.strip_prefix(group).is_some_and(|rest| rest.is_empty() || rest[0] == b'/')
}
