//! `--why`: everything that keeps one namespace.

use common::error::{Error, or_none};
use common::kind::KindSet;
use common::ns::refer::Ref;
use common::ns::scan::{self, Depth, Facts, Namespace, Want};
use common::proc::{Proc, descriptors};
use common::text::Charset;
use common::tool::json::Value;
use common::tool::print;
use common::tool::table::{Form, Style, render};

use super::cli::Request;
use super::holders::{self, COLUMNS, Kept, OF_HOLDERS, Us};
use super::picture::Picture;

/// What a scan has to find out about holders.
pub(crate) fn want(members_of: Option<u64>) -> Want {
    // A user namespace can own one of any kind.
    Want {
        depth: Depth::Deep,
        relations: true,
        members_of,
        keepers: true,
        facts: Facts { uid: true, stat: true, command: true, groups: false, end: true },
        ..Want::least(KindSet::all())
    }
}

/// From where we look.
pub(crate) fn us(proc: &Proc) -> common::Result<Us> {
    let pid = or_none(proc.this().map(|this| Some(this.pid)))?;
    let same_numbers = pid.is_some_and(|pid| proc.numbers_as_we_do(pid));
    Ok(Us { pid, same_numbers, charset: Some(Charset::from_env()) })
}

pub(crate) fn run(proc: &Proc, reference: &Ref, request: &Request) -> anyhow::Result<usize> {
    // Held open, so that its number cannot become another's.
    let (held, wanted) = super::namespace(proc, reference)?;
    let (kind, ino) = wanted.unwrap_or_default();
    let mut snapshot = scan::take(proc, &want(Some(ino)))?;
    let at = snapshot.namespaces.binary_search_by_key(&ino, |ns| ns.id.ino);
    if let (Err(at), Some(held)) = (at, &held) {
        // It is there, since we have it open.
        snapshot.namespaces.insert(at, Namespace::new(held.id()?, held.kind));
    }
    drop(held);
    let picture = Picture::new(proc, snapshot, OF_HOLDERS)?;
    let ns = found(&picture, kind, ino)?;
    let kept = holders::of(&picture, ns, &us(proc)?);
    let carriers = if kept.is_empty() { descriptors::carriers(proc)? } else { Vec::new() };
    let text = match request.form {
        Form::Json => json(&picture, ns, &kept, &carriers),
        form => {
            let style = super::style(request, picture.snapshot.unreadable);
            told(&picture, ns, &kept, &carriers, form, &style, !request.truncate)
        }
    };
    print(&text)?;
    Ok(picture.snapshot.unreadable)
}

fn found(picture: &Picture, kind: Option<common::kind::Kind>, ino: u64) -> common::Result<&Namespace> {
    let named = || kind.map_or(ino.to_string(), |kind| format!("{kind}:[{ino}]"));
    match picture.snapshot.namespace(ino) {
        Some(ns) if kind.is_none_or(|kind| ns.kind == kind) => Ok(ns),
        Some(other) => {
            Err(Error::refused(format!("{}: this number is that of a {} namespace", named(), other.kind))
                .with_hint(format!("{}:[{ino}]", other.kind)))
        }
        None => Err(Error::refused(format!("nothing shows a namespace {}", named()))
            .with_hint("it may have ended, or be out of our sight; `rlsns` lists those that are found")),
    }
}

fn told(
    picture: &Picture,
    ns: &Namespace,
    kept: &[Kept],
    carriers: &[i32],
    form: Form,
    style: &Style,
    all: bool,
) -> String {
    let human = form == Form::Human;
    let named = format!("{}:[{}]", ns.kind, ns.id.ino);
    if human && holders::is_initial(picture, ns) {
        return format!(
            "{named} is one of those that the machine started with, and stays as long as it runs.\n"
        );
    }
    if human && kept.is_empty() {
        let numbers: Vec<_> = carriers.iter().map(ToString::to_string).collect();
        let carriers = match numbers.is_empty() {
            true => "no unix socket that we can look at has any".to_string(),
            false => format!("unix sockets of these processes have some: {}", numbers.join(" ")),
        };
        return format!(
            "{named}: nothing that we can see holds it.\nIt is kept by descriptors in flight ({carriers}), by a mounted proc, or by the kernel itself.\n"
        );
    }
    let lines = holders::lines(ns, kept, human && !all);
    let rows: Vec<_> = lines.iter().map(|line| (0, line)).collect();
    let columns: Vec<_> = COLUMNS[2..].iter().collect();
    let table = render(picture, &columns, &rows, style);
    match human {
        true if style.headings => {
            format!("{named} stays while one of these does:\n{table}{}", holders::remarks(kept))
        }
        _ => table,
    }
}

fn json(picture: &Picture, ns: &Namespace, kept: &[Kept], carriers: &[i32]) -> String {
    let carriers = carriers.iter().map(|pid| Value::Number(pid.unsigned_abs().into())).collect();
    let namespace = vec![
        ("ns", Value::Number(ns.id.ino)),
        ("type", Value::Text(ns.kind.name().into())),
        ("initial", Value::Bool(holders::is_initial(picture, ns))),
    ];
    Value::Object(vec![
        ("namespace", Value::Object(namespace)),
        ("holders", Value::List(kept.iter().map(|kept| kept.value(picture)).collect())),
        ("in_flight", Value::List(carriers)),
        ("unreadable", Value::Number(picture.snapshot.unreadable as u64)),
    ])
    .document()
}
