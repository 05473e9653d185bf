//! Makes each system call of each tool fail, in each way that is worth it, and looks what comes of it:
//! `make faults`, see CONTRIBUTING.md.

#![allow(clippy::unwrap_used)]

#[cfg(target_arch = "x86_64")]
#[path = "../built.rs"]
mod built;
#[cfg(target_arch = "x86_64")]
mod cases;
#[cfg(target_arch = "x86_64")]
mod judge;
#[cfg(target_arch = "x86_64")]
mod run;
#[cfg(target_arch = "x86_64")]
mod trace;
#[cfg(target_arch = "x86_64")]
mod world;

/// The tracer knows the registers of one machine.
fn main() -> std::process::ExitCode {
    #[cfg(target_arch = "x86_64")]
    return run::main();
    #[cfg(not(target_arch = "x86_64"))]
    {
        println!("skipped: needs x86-64");
        std::process::ExitCode::SUCCESS
    }
}
