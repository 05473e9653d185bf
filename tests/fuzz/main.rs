//! Tries inputs on the row of the table that the environment variable ROW names.

#![no_main]

#[path = "rows.rs"]
mod rows;
#[allow(dead_code, unused_imports)]
#[path = "../tools.rs"]
mod tools;

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;

static CHECK: LazyLock<fn(&[u8])> = LazyLock::new(|| {
    let row = std::env::var("ROW").unwrap_or_default();
    rows::ROWS.iter().find(|(name, _)| *name == row).unwrap_or_else(|| panic!("no row is called {row:?}")).1
});

fuzz_target!(|bytes: &[u8]| CHECK(bytes));
