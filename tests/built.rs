//! Where Cargo built the tools: each test target has to ask for itself.

use std::path::Path;

/// Where our tools were built.
pub(crate) fn tool_path(name: &str) -> &'static Path {
    Path::new(match name {
        "nsinfo" => env!("CARGO_BIN_EXE_nsinfo"),
        "rlsns" => env!("CARGO_BIN_EXE_rlsns"),
        "rcgexec" => env!("CARGO_BIN_EXE_rcgexec"),
        "rnsenter" => env!("CARGO_BIN_EXE_rnsenter"),
        "runshare" => env!("CARGO_BIN_EXE_runshare"),
        _ => panic!("{name} is none of our tools"),
    })
}
