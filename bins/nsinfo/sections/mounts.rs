//! What is mounted where it is.

use common::error::{Error, Result};
use common::proc::mounts::{self, Mount};
use common::tool::json::Value;
use common::tool::table::{Cell, Column, Shape};

use super::super::page::Page;
use super::super::subject::Subject;
use super::{Part, list, missing, or_null, text};

/// The facts.
pub(crate) struct Mounts {
    /// And how many lines of mountinfo made no sense.
    pub(crate) mounts: Result<(Vec<Mount>, usize)>,
}

impl Mounts {
    pub(crate) fn take(subject: &Subject<'_>) -> Mounts {
        Mounts { mounts: subject.task().and_then(mounts::counted) }
    }
}

#[rustfmt::skip]
const COLUMNS: &[Column<(), Mount>] = &[
    Column { name: "MOUNT POINT", help: "", shape: Shape::Text, cell: |_, mount| Cell::text(Some(mount.point.clone())) },
    Column { name: "TYPE", help: "", shape: Shape::Text, cell: |_, mount| Cell::text(Some(mount.fs_type.clone())) },
    Column { name: "SOURCE", help: "", shape: Shape::Text, cell: |_, mount| Cell::text(Some(source(mount))) },
    Column { name: "PROPAGATION", help: "", shape: Shape::Text, cell: |_, mount| Cell::text(Some(mount.propagation())) },
    Column { name: "OPTIONS", help: "", shape: Shape::LongText, cell: |_, mount| Cell::text(Some(options(mount))) },
];

impl Part for Mounts {
    fn page(&self, page: &mut Page) {
        page.table_or_why(COLUMNS, &(), self.mounts.as_ref().map(|(mounts, _)| &mounts[..]));
        if let Ok((_, skipped @ 1..)) = &self.mounts {
            page.remark(&format!("lines of mountinfo that make no sense and are left out: {}", skipped));
        }
    }

    fn json(&self) -> Value {
        Value::Object(vec![
            ("list", or_null(&self.mounts, |(mounts, _)| list(mounts, mount_json))),
            ("skipped", or_null(&self.mounts, |(_, skipped)| Value::Number(*skipped as u64))),
        ])
    }

    fn missing(&self) -> Vec<(&'static str, &Error)> {
        missing([("list", self.mounts.as_ref().err())])
    }
}

/// What is mounted, and in brackets which part of it, where that is not all.
fn source(mount: &Mount) -> Vec<u8> {
    match &mount.root[..] {
        b"/" => mount.source.clone(),
        root => [&mount.source, &b"["[..], root, b"]"].concat(),
    }
}

/// The options of the mount, and those of the file system that are not among them. It cannot be written if
/// either is read-only.
fn options(mount: &Mount) -> Vec<u8> {
    let split = |options: &'_ [u8]| options.split(|&b| b == b',').map(<[u8]>::to_vec).collect::<Vec<_>>();
    let (mut all, of_file_system) = (split(&mount.options), split(&mount.super_options));
    let is_access = |option: &[u8]| option == b"rw" || option == b"ro";
    if of_file_system.iter().any(|option| option == b"ro") {
        all.iter_mut().filter(|option| is_access(option)).for_each(|option| *option = b"ro".to_vec());
    }
    for option in of_file_system {
        if !is_access(&option) && !all.contains(&option) {
            all.push(option);
        }
    }
    all.join(&b',')
}

fn mount_json(mount: &Mount) -> Value {
    let (major, minor) = mount.dev;
    Value::Object(vec![
        ("id", Value::Number(mount.id)),
        ("parent", Value::Number(mount.parent)),
        ("dev", text(format!("{major}:{minor}"))),
        ("root", text(mount.root.as_slice())),
        ("point", text(mount.point.as_slice())),
        ("options", text(mount.options.as_slice())),
        ("propagation", text(mount.propagation())),
        ("shared", Value::number(mount.peer_group)),
        ("slave_of", Value::number(mount.master)),
        ("unbindable", Value::Bool(mount.unbindable)),
        ("type", text(mount.fs_type.as_slice())),
        ("source", text(mount.source.as_slice())),
        ("super_options", text(mount.super_options.as_slice())),
    ])
}
