//! The table of all that reads what the kernel or another user wrote, each with the rules that hold for it.
//!
//! A rule says more than "does not panic": the same is found by a slow way, what was read can be written and
//! read again, nothing unsafe is shown. Two programs share this: `make fuzz`, and the test that tries what is
//! stored.

mod ids;
mod kernel;
mod mounts;
mod network;
mod output;
mod words;

use crate::tools::{nsinfo, rcgexec, rlsns, rnsenter, runshare};

/// A name, which is that of its folder of inputs, and a function that panics where a rule is broken.
type Row = (&'static str, fn(&[u8]));

/// Every parser: a row here and a folder with an input are all that it takes to have one more.
#[rustfmt::skip]
pub(crate) const ROWS: &[Row] = &[
    // What the kernel wrote.
    ("mountinfo", kernel::mountinfo),
    ("mount-made", kernel::mount_made),
    ("statmount", mounts::answer),
    ("statmount-made", mounts::answer_made),
    ("stat", kernel::stat),
    ("stat-made", kernel::stat_made),
    ("status", kernel::status),
    ("rights", kernel::rights),
    ("numbers", kernel::numbers),
    ("oom", kernel::oom),
    ("environ", kernel::environ),
    ("script", kernel::script),
    ("cgroup", kernel::cgroup),
    ("cgroup-path", kernel::cgroup_path),
    ("state", kernel::state),
    ("id-map", kernel::id_map),
    ("subids", ids::subids),
    ("link", kernel::link),
    ("pids", kernel::pids),
    ("counter", kernel::counter),
    ("used", kernel::used),
    ("net-files", network::files),
    ("net-made", network::made),
    ("netlink", network::netlink),
    ("netlink-made", network::netlink_made),
    // What a user typed.
    ("limit", words::limit),
    ("signal", words::signal),
    ("map-spec", ids::spec),
    ("map-plan", ids::plan),
    ("bind", words::bind),
    ("environment", words::environment),
    ("reference", words::reference),
    ("filter", words::filter),
    ("nsinfo", |bytes| words::lister(&nsinfo::cli::TOOL, nsinfo::cli::request, bytes)),
    ("rlsns", |bytes| words::lister(&rlsns::cli::TOOL, rlsns::cli::request, bytes)),
    ("rcgexec", |bytes| words::launcher(&rcgexec::cli::TOOL, rcgexec::cli::request, |r| r.words, bytes)),
    ("rnsenter", |bytes| words::launcher(&rnsenter::cli::TOOL, rnsenter::cli::request, |r| r.words, bytes)),
    ("runshare", |bytes| words::launcher(&runshare::cli::TOOL, runshare::cli::request, |r| r.words, bytes)),
    // What is shown of both.
    ("text", output::text),
    ("json", output::json),
    ("table", output::table),
    ("tree", output::tree),
    ("why", output::why),
    ("page", output::page),
    ("mounts", mounts::views),
    ("net-page", network::page),
    ("complete", output::complete),
];

/// Pieces of an input, with zero bytes between them, as `/proc/PID/cmdline` has words.
fn pieces(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.split(|&b| b == 0)
}

/// A decimal number of digits alone, the slow way; none where it is larger than `most`.
fn decimal(text: &[u8], most: u128) -> Option<u128> {
    let digit = |b: &u8| b.is_ascii_digit().then(|| u128::from(b - b'0'));
    let sum = |sum: u128, b: &u8| Some((sum * 10 + digit(b)?).min(1 << 100));
    (!text.is_empty()).then(|| text.iter().try_fold(0, sum))?.filter(|number| *number <= most)
}

/// The beginning of an input as a number, and the rest.
fn number(bytes: &[u8]) -> (u64, &[u8]) {
    let (first, rest) = bytes.split_at(bytes.len().min(8));
    (first.iter().fold(0, |number, &b| number << 8 | u64::from(b)), rest)
}
