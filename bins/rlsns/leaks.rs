//! `--leaks`: the namespaces that nobody is in, and what keeps them.

use common::ns::scan::{self, Namespace, Via};
use common::proc::Proc;
use common::tool::json::Value;
use common::tool::print;
use common::tool::table::{Form, render};

use super::cli::Request;
use super::holders::{self, COLUMNS, Kept, OF_HOLDERS};
use super::picture::Picture;
use super::why::{us, want};

pub(crate) fn run(proc: &Proc, request: &Request) -> anyhow::Result<usize> {
    let picture = Picture::new(proc, scan::take(proc, &want(None))?, OF_HOLDERS)?;
    let us = us(proc)?;
    let is_leak = |ns: &&Namespace| {
        let empty = ns.processes == 0 && picture.via(ns) != Via::Thread;
        empty && request.kinds.contains(ns.kind) && !holders::is_initial(&picture, ns)
    };
    let leaks = picture.snapshot.namespaces.iter().filter(is_leak);
    let leaks: Vec<_> = leaks
        .map(|ns| match holders::of(&picture, ns, &us) {
            none if none.is_empty() => (ns, vec![holders::unseen(ns, &us)]),
            kept => (ns, kept),
        })
        .collect();
    let text = match request.form {
        Form::Json => json(&picture, &leaks),
        Form::Human if leaks.is_empty() => "No namespace is without a process.\n".to_string(),
        form => {
            let short = form == Form::Human && request.truncate;
            let lines: Vec<_> = leaks.iter().flat_map(|(ns, kept)| holders::lines(ns, kept, short)).collect();
            let rows: Vec<_> = lines.iter().map(|line| (0, line)).collect();
            let columns: Vec<_> = COLUMNS.iter().collect();
            let mut text =
                render(&picture, &columns, &rows, &super::style(request, picture.snapshot.unreadable));
            if form == Form::Human && request.headings {
                let kept: Vec<Kept> = leaks.into_iter().flat_map(|(_, kept)| kept).collect();
                text.push_str(&holders::remarks(&kept));
            }
            text
        }
    };
    print(&text)?;
    Ok(picture.snapshot.unreadable)
}

fn json(picture: &Picture, leaks: &[(&Namespace, Vec<Kept>)]) -> String {
    let since = |kept: &[Kept]| {
        let processes = kept.iter().filter_map(|kept| picture.snapshot.processes.get(&kept.process()?));
        let oldest = processes.min_by_key(|process| process.start);
        oldest
            .and_then(|process| picture.started(process))
            .map_or(Value::Null, |text| Value::Text(text.into()))
    };
    let leaks = leaks.iter().map(|(ns, kept)| {
        Value::Object(vec![
            ("ns", Value::Number(ns.id.ino)),
            ("type", Value::Text(ns.kind.name().into())),
            ("since", since(kept)),
            ("holders", Value::List(kept.iter().map(|kept| kept.value(picture)).collect())),
        ])
    });
    Value::Object(vec![
        ("leaks", Value::List(leaks.collect())),
        ("unreadable", Value::Number(picture.snapshot.unreadable as u64)),
    ])
    .document()
}
