//! May one process enter the namespaces of another? By the rules of user_namespaces(7) and setns(2), from what is seen of
//! both: nobody enters anything.

mod facts;
mod reach;

use super::diagnose::name;
use crate::kind::Kind;
use crate::proc::credentials::{CAPABILITIES, Capability};

pub use facts::{Facts, Seen, User, Wanted, Who, Whom};

/// May it take hold of the namespaces, by the files of /proc/PID/ns?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// It may.
    Yes,
    /// It may not.
    No,
    /// That cannot be told from here.
    Unknown,
}

/// May it enter a namespace that it holds?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It is in it.
    Same,
    /// It may.
    Yes,
    /// It may when it has entered this user namespace, which it may.
    After(u64),
    /// It may not.
    No,
    /// That cannot be told from here.
    Unknown,
}

impl Answer {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Answer::Same => "same",
            Answer::Yes => "yes",
            Answer::After(_) => "after",
            Answer::No => "no",
            Answer::Unknown => "unknown",
        }
    }
}

/// What is to be said of a namespace. Its texts may be shown as they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Its kind.
    pub kind: Kind,
    /// Its number.
    pub ino: u64,
    /// The user namespace that owns it, or its parent where it is one. None where that is outside of our view.
    pub owner: Option<u64>,
    /// May it be entered?
    pub answer: Answer,
    /// Why, in few words.
    pub why: String,
    /// What would help, where it may not.
    pub help: Option<String>,
}

/// The whole answer. Its texts may be shown as they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// May the namespaces of the process be opened, and why? None where what would be entered is one namespace, of which
    /// nobody knows how it would be had.
    pub reach: Option<(Reach, String)>,
    /// Each namespace, in the order of kinds.
    pub rows: Vec<Row>,
    /// May it enter all of them? None where that cannot be told.
    pub may: Option<bool>,
    /// What stands in the way first, and what would help.
    pub obstacle: Option<String>,
    /// Likewise.
    pub help: Option<String>,
    /// What was not looked at and may refuse it all the same.
    pub beside: Option<String>,
}

/// Has it a capability in a user namespace?
#[derive(Clone, Debug, PartialEq, Eq)]
enum Right {
    Has(How),
    Lacks,
    Unknown,
}

/// By which of the three rules of user_namespaces(7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum How {
    /// It is in this one, which is that or above, and has the capability.
    Has(u64),
    /// Its user made this one, which is that or above, and it is in the one above this.
    Made(u64),
}

impl How {
    /// In few words.
    fn told(self, capability: Capability) -> String {
        match self {
            How::Has(ino) => format!("{} in {}", word(capability), name(Kind::User, ino)),
            How::Made(ino) => format!("its user made {}", name(Kind::User, ino)),
        }
    }
}

/// Has it this capability in the first of these user namespaces? Source: user_namespaces(7), "Capabilities".
fn right(facts: &Facts, chain: &[User], capability: Capability) -> Right {
    let who = &facts.who;
    let own = who.namespaces[Kind::User];
    for (at, user) in chain.iter().enumerate() {
        if user.ino == own {
            return match capability.is_in(who.effective) {
                true => Right::Has(How::Has(own)),
                false => Right::Lacks,
            };
        }
        if chain.get(at + 1).is_some_and(|above| above.ino == own) {
            let us = who.uids.map(|uids| uids.effective).filter(|uid| facts.no_id != Some(*uid));
            match (user.maker, us) {
                (Some(maker), Some(us)) if maker == us => return Right::Has(How::Made(user.ino)),
                (Some(_), Some(_)) => {}
                // One of them has a number here, and the other has none.
                (Some(_), None) | (None, Some(_)) => {}
                (None, None) if capability.is_in(who.effective) => {}
                (None, None) => return Right::Unknown,
            }
        }
    }
    // It is seen, and so would be all that is below it.
    if who.sees_user { Right::Lacks } else { Right::Unknown }
}

/// Where the capability is lacking, in few words, and where one has to have it.
fn lacking(facts: &Facts, chain: &[User], capability: Capability) -> (String, String) {
    let own = facts.who.namespaces[Kind::User];
    let word = word(capability);
    match (chain.first(), chain.iter().position(|user| user.ino == own)) {
        (Some(first), Some(0)) => (
            format!("lacks {word} in {}", name(Kind::User, first.ino)),
            format!("{}, its own", name(Kind::User, own)),
        ),
        (Some(first), Some(at)) => {
            let maker = chain[at - 1].maker;
            let made = maker.map(|maker| {
                format!(", or as user {maker}, who made {}", name(Kind::User, chain[at - 1].ino))
            });
            (
                format!("lacks {word} in {}", name(Kind::User, first.ino)),
                format!("{}, its own{}", name(Kind::User, own), made.unwrap_or_default()),
            )
        }
        (Some(first), None) => (
            format!("{} is not below its own", name(Kind::User, first.ino)),
            format!("{} or one above, in which it is not", name(Kind::User, first.ino)),
        ),
        (None, _) => (
            "its owner is not below its own".into(),
            "the user namespace that owns it or one above, in which it is not".into(),
        ),
    }
}

/// `CAP_SYS_ADMIN`
fn word(capability: Capability) -> String {
    CAPABILITIES.get(capability as usize).unwrap_or(&"").to_uppercase()
}

/// What the rules say.
pub fn judge(facts: &Facts) -> Verdict {
    let reached = facts.process.as_ref().map(|seen| reach::reach(facts, seen));
    let rows: Vec<Row> = facts.wanted.iter().map(|wanted| row(facts, wanted)).collect();
    let at_once = together(facts, &rows);
    let first = rows.iter().find(|row| row.answer == Answer::No);
    let is_there = rows.iter().all(|row| row.answer == Answer::Same);
    let (obstacle, help) = match (&reached, first, &at_once) {
        _ if is_there => (None, None),
        (Some((Reach::No, why, help)), ..) => (Some(format!("its files in /proc: {why}")), help.clone()),
        (_, Some(row), _) => (Some(format!("{}: {}", name(row.kind, row.ino), row.why)), row.help.clone()),
        (_, None, Some((why, help))) => (Some(why.clone()), Some(help.clone())),
        (_, None, None) => (None, None),
    };
    let unknown = !is_there && reached.iter().any(|(reach, ..)| *reach == Reach::Unknown)
        || rows.iter().any(|row| row.answer == Answer::Unknown);
    Verdict {
        reach: reached.map(|(reach, why, _)| (reach, why)),
        rows,
        may: match (&obstacle, unknown) {
            (Some(_), _) => Some(false),
            (None, true) => None,
            (None, false) => Some(true),
        },
        obstacle,
        help,
        beside: (facts.who.seccomp == Some(FILTER)).then(|| {
            "a seccomp filter looks at its system calls, and may refuse what the rules allow: which that does is not seen".into()
        }),
    }
}

/// The modes of seccomp(2).
const STRICT: u64 = 1;
const FILTER: u64 = 2;

fn row(facts: &Facts, wanted: &Wanted) -> Row {
    let (answer, why, help) = answer(facts, wanted);
    Row { kind: wanted.kind, ino: wanted.ino, owner: wanted.owner(), answer, why, help }
}

/// Source: setns(2), for each kind.
fn answer(facts: &Facts, wanted: &Wanted) -> (Answer, String, Option<String>) {
    let who = &facts.who;
    let kind = wanted.kind;
    let own = who.namespaces[Kind::User];
    let no = |why: String, help: String| (Answer::No, why, Some(help));
    if wanted.ino == who.namespaces[kind] {
        return (Answer::Same, "it is in it".into(), None);
    }
    if who.seccomp == Some(STRICT) {
        return no(
            "strict seccomp allows no setns(2)".into(),
            "another process: nothing gives that up".into(),
        );
    }
    let gate = right(facts, &wanted.chain, Capability::SysAdmin);
    let how = match gate {
        Right::Has(how) => how,
        Right::Unknown => return (Answer::Unknown, "its rights are not seen from here".into(), None),
        Right::Lacks => {
            let (why, r#where) = lacking(facts, &wanted.chain, Capability::SysAdmin);
            return no(why, run_with(facts, Capability::SysAdmin, &r#where));
        }
    };
    if kind == Kind::Pid && !wanted.above.contains(&who.namespaces[kind]) {
        return match who.sees_pid {
            true => no(
                format!("not below its own {}", name(kind, who.namespaces[kind])),
                format!("run it in {}, or in one above it", name(kind, wanted.ino)),
            ),
            false => (Answer::Unknown, "its own is not seen from here".into(), None),
        };
    }
    // Threads share root and working directory.
    let alone = who.threads <= 1;
    let threads = || {
        let help = "have it fork: a child has one thread, and the same rights";
        no(format!("only for one thread: it has {}", who.threads), help.into())
    };
    if kind == Kind::User {
        return if alone { (Answer::Yes, how.told(Capability::SysAdmin), None) } else { threads() };
    }
    let mnt = kind == Kind::Mnt;
    if [Kind::Mnt, Kind::Time].contains(&kind) && !alone {
        return threads();
    }
    let needed = [(Capability::SysAdmin, true), (Capability::SysChroot, mnt)];
    let lacks = needed.iter().find(|(capability, needed)| *needed && !capability.is_in(who.effective));
    let Some((capability, _)) = lacks else { return (Answer::Yes, how.told(Capability::SysAdmin), None) };
    match wanted.chain.first() {
        Some(owner) if owner.ino != own && alone => {
            (Answer::After(owner.ino), format!("{} gives the right", name(Kind::User, owner.ino)), None)
        }
        Some(owner) if owner.ino != own => threads(),
        _ => no(
            format!("lacks {} in {}", word(*capability), name(Kind::User, own)),
            run_with(facts, *capability, &format!("{}, its own", name(Kind::User, own))),
        ),
    }
}

/// What would help where a capability is lacking.
fn run_with(facts: &Facts, capability: Capability, r#where: &str) -> String {
    let bounded = match capability.is_in(facts.who.bounding) {
        true => "",
        false => "; its bounding set leaves that out, so no program that it starts has it there",
    };
    format!("run it with {} in {where}{bounded}", word(capability), r#where = r#where)
}

/// Each may be entered, but are there some by which it cannot come to the others? It is in one user namespace in the end.
fn together(facts: &Facts, rows: &[Row]) -> Option<(String, String)> {
    facts.process.as_ref()?;
    let user = facts.wanted.iter().find(|wanted| wanted.kind == Kind::User)?;
    let holds = |chain: &[User], ino: u64| chain.iter().any(|user| user.ino == ino);
    rows.iter().zip(&facts.wanted).find_map(|(row, wanted)| {
        let Answer::After(owner) = row.answer else { return None };
        let own = user.ino == facts.who.namespaces[Kind::User];
        let on_the_way = holds(&user.chain, owner) || holds(&wanted.chain, user.ino);
        (own || !on_the_way).then(|| {
            (
                format!(
                    "each may be entered, but not all: {} needs {} first, from which no way leads to {}",
                    name(row.kind, row.ino),
                    name(Kind::User, owner),
                    name(Kind::User, user.ino)
                ),
                format!("leave out the kind {}", row.kind),
            )
        })
    })
}

#[cfg(test)]
mod tests;
