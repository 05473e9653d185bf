//! Where Cargo built the tools: each test target has to ask for itself.

use std::path::Path;

/// Where our tools are: those that cargo built for the tests, or others, in the directory BINARIES.
pub(crate) fn tool_path(name: &str) -> &'static Path {
    let built = match name {
        "nsinfo" => env!("CARGO_BIN_EXE_nsinfo"),
        "rlsns" => env!("CARGO_BIN_EXE_rlsns"),
        "rcgexec" => env!("CARGO_BIN_EXE_rcgexec"),
        "rnsenter" => env!("CARGO_BIN_EXE_rnsenter"),
        "runshare" => env!("CARGO_BIN_EXE_runshare"),
        _ => panic!("{name} is none of our tools"),
    };
    match std::env::var_os("BINARIES") {
        Some(others) => Box::leak(Path::new(&others).join(name).into_boxed_path()),
        None => Path::new(built),
    }
}
