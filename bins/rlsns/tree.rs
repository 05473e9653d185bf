//! Which line of a listing stands under which.

use std::collections::BTreeMap;

use super::cli::Relation;
use super::picture::{Picture, Row};
use common::tool::table::forest;

/// The rows in the order of the tree, each with its depth. Rows whose parent is not shown are roots.
pub(crate) fn grow<'a>(
    picture: &Picture,
    rows: &'a [Row],
    relation: Option<Relation>,
) -> Vec<(usize, &'a Row)> {
    let parents = match relation {
        None => vec![None; rows.len()],
        Some(Relation::Process) => by_process(picture, rows),
        Some(relation) => by_namespace(picture, rows, relation),
    };
    forest(&parents).into_iter().map(|(depth, at)| (depth, &rows[at])).collect()
}

/// Under the row of the namespace that the relation names.
fn by_namespace(picture: &Picture, rows: &[Row], relation: Relation) -> Vec<Option<usize>> {
    let numbered = rows.iter().enumerate();
    let places: BTreeMap<u64, usize> = numbered.map(|(at, row)| (row.ns(picture).id.ino, at)).collect();
    rows.iter().map(|row| places.get(&relation.above(row.ns(picture))?).copied()).collect()
}

/// Under a row of the parent process: the last one above, or else, of those that stand in several below, the
/// first.
fn by_process(picture: &Picture, rows: &[Row]) -> Vec<Option<usize>> {
    let mut places: BTreeMap<i32, Vec<usize>> = BTreeMap::new();
    for (at, row) in rows.iter().enumerate() {
        row.pid.into_iter().for_each(|pid| places.entry(pid).or_default().push(at));
    }
    let parent = |(at, row): (usize, &Row)| {
        let of_parent = places.get(&row.process(picture)?.ppid)?;
        let below = of_parent.partition_point(|&place| place < at);
        of_parent.get(below.saturating_sub(1)).copied()
    };
    rows.iter().enumerate().map(parent).collect()
}
