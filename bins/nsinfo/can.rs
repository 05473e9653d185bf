//! `--can A B`: may the process A enter the namespaces of B?

use common::error::{Error, Result};
use common::kind::Kind;
use common::ns::diagnose;
use common::ns::fd::NsFd;
use common::ns::may::{self, Answer, Facts, Reach, Row, Verdict, Whom};
use common::ns::refer::{self, Ref, Sight};
use common::proc::credentials::capability_names;
use common::proc::{Proc, Task};
use common::tool::json::Value;
use common::tool::paint::Paint;
use common::tool::table::{Cell, Column, Shape};

use super::page::Page;
use super::sections::{list, text};

/// The question and its answer: plain data.
pub(crate) struct Can {
    pub(crate) facts: Facts,
    pub(crate) verdict: Verdict,
}

impl Can {
    /// Looks at both.
    pub(crate) fn take(proc: &Proc, who: &Ref, whom: &Ref) -> Result<Can> {
        let who = refer::task(proc, who)?;
        let whom = refer::look(proc, whom)?;
        // The one that is closed to us is the one to be told of.
        let closed = |e: Error| {
            let of = |task: &Task| NsFd::of(task, Kind::User).is_err();
            let task = match &whom {
                _ if of(&who) => Some(&who),
                Sight::Task(task) => Some(task),
                Sight::Namespace(_) => None,
            };
            match task {
                Some(task) if e.is_denied() => diagnose::closed(e, Some(proc), Some(task)),
                _ => e,
            }
        };
        let held = match &whom {
            Sight::Task(task) => Whom::Task(task),
            Sight::Namespace(ns) => Whom::Namespace(ns),
        };
        let facts = Facts::take(proc, &who, held).map_err(closed)?;
        let verdict = may::judge(&facts);
        Ok(Can { facts, verdict })
    }

    /// Who it is about.
    fn subject(&self) -> String {
        let who = &self.facts.who;
        let user = who.uids.map_or(String::new(), |uids| format!("user {}, ", uids.effective));
        let caps = match who.effective {
            0 => "no capabilities".into(),
            set => match set.count_ones() {
                1..=3 => capability_names(set),
                count => format!("{count} capabilities"),
            },
        };
        format!("process {} ({user}{caps}, in user:[{}])", who.pid, who.namespaces[Kind::User])
    }

    fn object(&self) -> String {
        match (&self.facts.process, &self.facts.wanted[..]) {
            (Some(seen), _) => format!("the namespaces of process {}", seen.pid),
            (None, [one, ..]) => format!("{}:[{}]", one.kind, one.ino),
            (None, []) => String::new(),
        }
    }

    /// For people.
    pub(crate) fn page(&self, page: &mut Page) {
        let verdict = &self.verdict;
        page.heading("may it enter");
        page.prose("who", &self.subject(), Paint::Plain);
        page.prose("what", &self.object(), Paint::Plain);
        if let Some((reach, why)) = &verdict.reach {
            // Where it is the first obstacle, that is told below.
            let why =
                if *reach == Reach::No && verdict.obstacle.is_some() { "" } else { &format!(": {why}") };
            page.prose("its files", &format!("{}{why}", of_reach(*reach)), Paint::Plain);
        }
        page.table(COLUMNS, &(), &verdict.rows, |row| match row.answer {
            Answer::Same => Paint::Dim,
            Answer::Yes | Answer::After(_) => Paint::Bright,
            Answer::No | Answer::Unknown => Paint::Plain,
        });
        let answer = match verdict.may {
            Some(true) if verdict.rows.iter().all(|row| row.answer == Answer::Same) => "it is in all of them",
            Some(true) => "yes",
            Some(false) => "no",
            None => "unknown",
        };
        page.prose("answer", answer, Paint::Bold);
        let rest = [("obstacle", &verdict.obstacle), ("helps", &verdict.help), ("beside", &verdict.beside)];
        for (label, text) in rest {
            if let Some(text) = text {
                page.prose(label, text, Paint::Plain);
            }
        }
    }

    /// As JSON.
    pub(crate) fn json(&self) -> Value {
        let (facts, verdict) = (&self.facts, &self.verdict);
        let words =
            |words: &Option<String>| words.as_ref().map_or(Value::Null, |words| text(words.as_bytes()));
        let who = vec![
            ("pid", Value::Number(facts.who.pid as u64)),
            ("uid", Value::number(facts.who.uids.map(|uids| uids.effective))),
            ("user_ns", Value::Number(facts.who.namespaces[Kind::User])),
            ("capabilities", text(capability_names(facts.who.effective))),
            ("threads", Value::Number(facts.who.threads.into())),
            ("seccomp", Value::number(facts.who.seccomp)),
        ];
        let reach = verdict.reach.as_ref().map_or(Value::Null, |(reach, why)| {
            Value::Object(vec![("answer", text(of_reach(*reach))), ("why", text(why.as_bytes()))])
        });
        let row = |row: &Row| {
            let after = if let Answer::After(ino) = row.answer { Some(ino) } else { None };
            Value::Object(vec![
                ("type", text(row.kind.name())),
                ("ns", Value::Number(row.ino)),
                ("owner", Value::number(row.owner)),
                ("answer", text(row.answer.word())),
                ("after", Value::number(after)),
                ("why", text(row.why.as_bytes())),
                ("help", words(&row.help)),
            ])
        };
        Value::Object(vec![
            ("who", Value::Object(who)),
            ("whom", Value::number(facts.process.as_ref().map(|seen| seen.pid as u64))),
            ("may", verdict.may.map_or(Value::Null, Value::Bool)),
            ("reach", reach),
            ("namespaces", list(&verdict.rows, row)),
            ("obstacle", words(&verdict.obstacle)),
            ("help", words(&verdict.help)),
            ("beside", words(&verdict.beside)),
        ])
    }
}

fn of_reach(reach: Reach) -> &'static str {
    match reach {
        Reach::Yes => "yes",
        Reach::No => "no",
        Reach::Unknown => "unknown",
    }
}

#[rustfmt::skip]
const COLUMNS: &[Column<(), Row>] = &[
    Column { name: "TYPE", help: "", shape: Shape::Text, cell: |_, row| Cell::text(Some(row.kind.name())) },
    Column { name: "NS", help: "", shape: Shape::Number, cell: |_, row| Cell::Number(row.ino) },
    Column { name: "OWNER", help: "", shape: Shape::Number, cell: |_, row| Cell::number(row.owner) },
    Column { name: "MAY", help: "", shape: Shape::Text, cell: |_, row| Cell::text(Some(row.answer.word())) },
    Column { name: "WHY", help: "", shape: Shape::Text, cell: |_, row| Cell::text(Some(row.why.as_bytes())) },
];
