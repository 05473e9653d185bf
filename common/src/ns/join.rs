//! Entering namespaces of other processes, all or as asked, in the order that the rights allow.

use nix::errno::Errno;

use crate::error::{Error, Result};
use crate::kind::{Kind, KindSet};
use crate::ns::fd::NsFd;
use crate::proc::{Proc, Target, Task};
use crate::sys;

/// Which namespaces to enter, all of them open already.
#[derive(Debug, Default)]
pub struct Join {
    /// Those of this process.
    pub target: Option<Target>,
    /// The kinds that are entered from the target.
    pub of_target: KindSet,
    /// Those that came as files.
    pub files: Vec<NsFd>,
}

impl Join {
    /// All kinds to be entered.
    pub fn kinds(&self) -> KindSet {
        self.of_target.iter().chain(self.files.iter().map(|ns| ns.kind)).collect()
    }

    /// Enters them. What can be entered with the rights we have is entered first, and the user namespace after
    /// it, since in it we may have fewer rights; what is left is tried again from inside the user
    /// namespace, where we may have more. Those of the target are entered by its pidfd: all of a step or
    /// none, and never those of another process. Source: setns(2), pidfds since Linux 5.8.
    pub fn enter(&self) -> Result<()> {
        self.way().enter(&mut |_, _| ())
    }

    /// The same, to be looked at and to be changed.
    pub(super) fn way(&self) -> Way<'_> {
        Way { target: self.target.as_ref(), of_target: self.of_target, files: self.files.iter().collect() }
    }
}

/// What is told of each try: the kinds that were to be entered at once, and why that was refused.
pub(super) type Told<'a> = &'a mut dyn FnMut(KindSet, Option<Errno>);

/// A [`Join`] that holds nothing itself, so that others than what was asked can be tried.
#[derive(Clone, Debug)]
pub(super) struct Way<'a> {
    pub(super) target: Option<&'a Target>,
    pub(super) of_target: KindSet,
    pub(super) files: Vec<&'a NsFd>,
}

impl Way<'_> {
    /// See [`Join::enter`].
    pub(super) fn enter(&self, told: Told<'_>) -> Result<()> {
        let mut of_target = self.of_target;
        let mut files = self.files.clone();
        files.sort_by_key(|ns| ns.kind);

        let mut but_user = of_target;
        but_user.remove(Kind::User);
        if !but_user.is_empty() && self.enter_of_target(but_user, told).is_ok() {
            of_target = [Kind::User].into_iter().filter(|kind| of_target.contains(*kind)).collect();
        }
        files.retain(|ns| ns.kind == Kind::User || enter_file(ns, told).is_err());

        let (user, rest): (Vec<&NsFd>, Vec<&NsFd>) = files.into_iter().partition(|ns| ns.kind == Kind::User);
        user.into_iter().try_for_each(|ns| enter_file(ns, told))?;
        if !of_target.is_empty() {
            self.enter_of_target(of_target, told)?;
        }
        rest.into_iter().try_for_each(|ns| enter_file(ns, told))
    }

    /// Tries each kind by itself, the user namespace last, and goes on where one is refused.
    pub(super) fn enter_each(&self, told: Told<'_>) {
        let (user, rest): (Vec<Kind>, Vec<Kind>) = self.kinds().iter().partition(|kind| *kind == Kind::User);
        for kind in rest.into_iter().chain(user) {
            match self.files.iter().find(|ns| ns.kind == kind) {
                Some(ns) => drop(enter_file(ns, told)),
                None => drop(self.enter_of_target([kind].into_iter().collect(), told)),
            }
        }
    }

    /// All kinds to be entered.
    pub(super) fn kinds(&self) -> KindSet {
        self.of_target.iter().chain(self.files.iter().map(|ns| ns.kind)).collect()
    }

    /// The same without these kinds.
    pub(super) fn without(mut self, kinds: KindSet) -> Self {
        kinds.iter().for_each(|kind| self.of_target.remove(kind));
        self.files.retain(|ns| !kinds.contains(ns.kind));
        self
    }

    fn enter_of_target(&self, kinds: KindSet, told: Told<'_>) -> Result<()> {
        let Some(target) = &self.target else { return Ok(()) };
        let answer = sys::setns(&target.pidfd, kinds.flags());
        told(kinds, answer.err());
        answer.map_err(|e| Error::sys("setns", format!("{kinds} of {}", target.pid), e))
    }
}

fn enter_file(ns: &NsFd, told: Told<'_>) -> Result<()> {
    let answer = sys::setns(ns, ns.kind.row().flag);
    told([ns.kind].into_iter().collect(), answer.err());
    answer.map_err(|e| Error::sys("setns", &ns.name, e))
}

/// The kinds in which a process or thread is in another namespace than we are. Kinds that this kernel lacks are not
/// among them.
pub fn differing(proc: &Proc, task: &Task) -> Result<KindSet> {
    let ours = proc.this()?.namespaces(KindSet::all())?;
    let theirs = task.namespaces(KindSet::all())?;
    // A kind that only one of us has: a zombie has lost some, and its other namespaces cannot be told.
    if Kind::all().any(|kind| (ours[kind] != 0) != (theirs[kind] != 0)) {
        return Err(Error::sys("open", format!("namespaces of {}", task.pid), Errno::ESRCH)
            .with_hint("the process, or its first thread, has ended"));
    }
    Ok(Kind::all().filter(|&kind| theirs[kind] != ours[kind]).collect())
}
