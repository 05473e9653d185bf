//! Which line of a listing stands under which.

use std::collections::HashMap;

use crate::cli::{Relation, Row};
use common::ns::scan::{Namespace, Snapshot};
use common::tool::table::forest;

/// The rows in the order of the tree, each with its depth. Rows whose parent is not shown are roots.
pub(crate) fn grow<'a>(
    snapshot: &Snapshot,
    rows: &'a [Row],
    relation: Option<Relation>,
) -> Vec<(usize, &'a Row)> {
    let parents = match relation {
        None => vec![None; rows.len()],
        Some(Relation::Process) => by_process(snapshot, rows),
        Some(Relation::Owner) => by_namespace(snapshot, rows, |ns| ns.owner),
        Some(Relation::Parent) => by_namespace(snapshot, rows, |ns| ns.parent),
    };
    forest(&parents).into_iter().map(|(depth, at)| (depth, &rows[at])).collect()
}

/// Under the row of the namespace that `of` names.
fn by_namespace(snapshot: &Snapshot, rows: &[Row], of: fn(&Namespace) -> Option<u64>) -> Vec<Option<usize>> {
    let numbered = rows.iter().enumerate();
    let places: HashMap<u64, usize> = numbered.map(|(at, row)| (row.ns(snapshot).id.ino, at)).collect();
    rows.iter().map(|row| places.get(&of(row.ns(snapshot))?).copied()).collect()
}

/// Under the row of the parent process: the last one, where it stands in several.
fn by_process(snapshot: &Snapshot, rows: &[Row]) -> Vec<Option<usize>> {
    let numbered = rows.iter().enumerate();
    let places: HashMap<i32, usize> = numbered.filter_map(|(at, row)| Some((row.pid?, at))).collect();
    rows.iter().map(|row| places.get(&row.process(snapshot)?.ppid).copied()).collect()
}
