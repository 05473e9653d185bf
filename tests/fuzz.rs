//! Every parser of kernel or user text against what is stored of hostile and real input.
//!
//! `make fuzz` looks for more; an input that breaks a rule becomes a test by lying in `tests/fuzz/corpus/ROW/`.

use std::panic::catch_unwind;

use crate::harness::project;

#[path = "fuzz/rows.rs"]
mod rows;

#[test]
fn no_stored_input_breaks_a_rule() {
    let _t = rings!(Host, User);
    let corpus = project().join("tests/fuzz/corpus");
    let mut folders: Vec<_> =
        std::fs::read_dir(&corpus).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    folders.sort();
    let mut names: Vec<_> = rows::ROWS.iter().map(|(name, _)| *name).collect();
    names.sort_unstable();
    assert_eq!(folders, names, "a row has a folder of inputs, and the other way round");
    let mut broken = Vec::new();
    for (name, check) in rows::ROWS {
        let inputs: Vec<_> =
            std::fs::read_dir(corpus.join(name)).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert!(!inputs.is_empty(), "{name}");
        for input in inputs {
            let bytes = std::fs::read(&input).unwrap();
            if catch_unwind(|| check(&bytes)).is_err() {
                broken.push(input);
            }
        }
    }
    assert!(broken.is_empty(), "a rule of its row is broken by: {broken:?}");
}
