//! rnsenter: runs a program in namespaces of other processes.

#![no_main]

mod cli;

use cli::{Dir, Given, PassFds, Request, TOOL};
use common::error::{Error, Result};
use common::kind::{Kind, KindSet};
use common::launch::{self, Environment, Gate, Program};
use common::ns::fd::NsFd;
use common::ns::join::{self, Join};
use common::ns::refer::{self, Ref};
use common::proc::label::{self, Label};
use common::proc::place::{self, Place};
use common::proc::{Proc, Task, credentials};
use common::{sys, tool};

common::entry!(|argv| tool::main(&TOOL, argv, cli::request, run));

fn run(request: Request) -> anyhow::Result<u8> {
    let entry = Entry::open(request)?;
    entry.enter()?;
    if entry.kinds().iter().any(|kind| kind.row().needs_fork) && !entry.request.no_fork {
        let child = |ready: Result<&Gate>| ready.map_or_else(|e| e, |_| entry.exec());
        let ended = launch::fork(|ready| tool::report(&TOOL, &child(ready).into()))?;
        return Ok(ended.follow());
    }
    Err(entry.exec().into())
}

/// Everything that is needed to enter, open: after the first namespace, paths may mean something else.
struct Entry {
    request: Request,
    program: Program,
    label: Option<Label>,
    join: Join,
    root: Option<Place>,
    wd: Option<Place>,
}

impl Entry {
    fn open(mut request: Request) -> Result<Entry> {
        // Without one, namespaces can still be entered by files.
        let proc = Proc::system();
        let opened = |reference: &Ref| refer::open(proc.as_ref().map_err(Error::clone)?, reference);
        let mut files = request
            .given
            .iter()
            .map(|(kind, given)| match given {
                Given::File(path) => open_file(path, *kind),
                Given::Named(reference) => opened(reference)?.namespace(*kind),
            })
            .collect::<Result<Vec<_>>>()?;
        let mut of_target = request.kinds;
        let (mut target, mut thread) = (None, None);
        match request.target.as_ref().map(opened).transpose()? {
            None => {}
            Some(refer::Entry::Process(process)) => target = Some(process),
            Some(refer::Entry::Thread(process, task)) => (target, thread) = (Some(process), Some(task)),
            Some(refer::Entry::Namespace(ns)) => {
                of_target = only(&request, &ns)?;
                files.push(ns);
            }
        }
        let task = thread.as_ref().or(target.as_ref().map(|target| &target.task));
        if let (true, Some(task), Ok(proc)) = (request.all, task, &proc) {
            join::differing(proc, task)?.iter().for_each(|kind| of_target.insert(kind));
        }
        files.iter().for_each(|ns| of_target.remove(ns.kind));
        // The pidfd of a process stands for its first thread.
        if let Some(thread) = &thread {
            for kind in std::mem::take(&mut of_target).iter() {
                files.push(NsFd::of(thread, kind)?);
            }
        }
        let place = |dir: &Option<Dir>, of: fn(&Task) -> Result<Place>| match (dir, task) {
            (Some(Dir::Path(path)), _) => Place::open(path).map(Some),
            (Some(Dir::OfTarget), Some(task)) => of(task).map(Some),
            _ => Ok(None),
        };
        let root = place(&request.root, Place::root_of)?;
        let wd = place(&request.wd, Place::cwd_of)?;
        let of_mount = of_target.contains(Kind::Mnt) || files.iter().any(|ns| ns.kind == Kind::Mnt);
        let inside = of_mount || root.is_some();
        let environment = match task.filter(|_| request.env) {
            Some(task) if inside => Environment::of(task)?,
            Some(task) => Environment::of_for_ours(task)?,
            None => Environment::ours(),
        };
        let words = std::mem::take(&mut request.words);
        let program =
            if inside { Program::inside(words, environment) } else { Program::within(words, environment) }?;
        let label = match (task.filter(|_| request.follow_context), proc) {
            (Some(task), Ok(proc)) => Some(label::of(proc, task)?),
            _ => None,
        };
        Ok(Entry { program, label, join: Join { target, of_target, files }, root, wd, request })
    }

    fn kinds(&self) -> KindSet {
        self.join.kinds()
    }

    /// Are the ids to become those of the entered user namespace's root?
    fn takes_ids(&self) -> bool {
        self.kinds().contains(Kind::User) && !self.request.preserve_credentials
    }

    /// Enters the namespaces and goes to the directories.
    fn enter(&self) -> Result<()> {
        // Processes inside must not look into us, who still hold descriptors from outside. Executing the
        // program sets it back. Source: PR_SET_DUMPABLE(2const).
        sys::set_undumpable()?;
        // Inside, the right to do it may be missing; what is refused here is tried again there.
        if self.takes_ids() {
            let _ = credentials::drop_groups();
        }
        self.join.enter()?;
        if let Some(root) = &self.root {
            root.become_root()?;
        }
        match &self.wd {
            Some(wd) => wd.go()?,
            None => {}
        }
        if self.kinds().contains(Kind::Mnt) || self.root.is_some() {
            place::stay_inside(self.wd.as_ref())?;
        }
        Ok(())
    }

    /// Becomes the program; answers why not.
    fn exec(&self) -> Error {
        let ready = self
            .take_ids()
            .and_then(|()| self.program.environment().settle())
            .and_then(|()| self.label.as_ref().map_or(Ok(()), Label::exec_as))
            .and_then(|()| self.keep_fds());
        match ready {
            Ok(()) => self.explain(self.program.exec()),
            Err(e) => e,
        }
    }

    /// A program that is not there may well be outside.
    fn explain(&self, error: Error) -> Error {
        let inside = self.kinds().contains(Kind::Mnt) || self.root.is_some();
        match inside && error.is_gone() && error.hint().is_none() {
            true => error.with_hint(
                "it is looked for inside: name a program that is there, such as sh, or enter without -m (-a has it) \
                 and -r to run one from outside",
            ),
            false => error,
        }
    }

    fn take_ids(&self) -> Result<()> {
        let default = self.takes_ids().then_some(0);
        if let Some(gid) = self.request.gid.or(default) {
            match credentials::drop_groups() {
                // Who may not do this keeps the groups that they had all along: in a user namespace that has given
                // setgroups up for good, that is everybody.
                Err(e) if e.is_denied() => {}
                answer => answer?,
            }
            credentials::set_group(gid)?;
        }
        match self.request.uid.or(default) {
            Some(uid) => credentials::set_user(uid),
            None => Ok(()),
        }
    }

    fn keep_fds(&self) -> Result<()> {
        let confined = [Kind::Mnt, Kind::User, Kind::Pid].iter().any(|kind| self.kinds().contains(*kind));
        match self.request.fds {
            PassFds::Usual if confined => sys::close_from(3),
            PassFds::First(count) => sys::close_from(count.saturating_add(3)),
            PassFds::Usual | PassFds::All => Ok(()),
        }
    }
}

/// A namespace is the target: it has none of another kind, and no directories. Answers the kinds that are entered from
/// a process: none.
fn only(request: &Request, ns: &NsFd) -> Result<KindSet> {
    let refuse = |what: String| {
        let named = [&ns.name[..], b" is one namespace: it has no ", what.as_bytes()].concat();
        Err(Error::refused(named).with_hint("name a process to enter what it has: -t PID, -t ctr:NAME"))
    };
    if let Some(other) = request.kinds.iter().find(|kind| *kind != ns.kind) {
        return refuse(format!("{other} namespace"));
    }
    if request.given.iter().any(|(kind, _)| *kind == ns.kind) {
        let what = format!(" is not the only {} namespace to be entered", ns.kind);
        return Err(Error::refused([&ns.name[..], what.as_bytes()].concat())
            .with_hint(format!("name one, by --target or by --{}", ns.kind.row().long)));
    }
    for (asked, what) in [(&request.root, "root directory"), (&request.wd, "working directory")] {
        if matches!(asked, Some(Dir::OfTarget)) {
            return refuse(what.into());
        }
    }
    Ok(KindSet::EMPTY)
}

fn open_file(path: &std::path::Path, kind: Kind) -> Result<NsFd> {
    NsFd::open_as(path, kind).map_err(|e| match path.to_str() {
        // `-nt 5` for `-n -t 5`: the original reads it so, and so do we.
        Some(name) if e.is_gone() && !name.contains('/') => e.with_hint(format!(
            "-{0}{name} means --{1}={name}; if {name} was to be options, write them before -{0} or apart from it",
            kind.row().short,
            kind.row().long
        )),
        _ => e,
    })
}
