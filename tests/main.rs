//! The integration tests, in one binary.
//!
//! Each test declares the rings it belongs to (see `harness`), and proves behaviour on the real kernel or,
//! for the listings, on a directory that looks like /proc.

// A report as JSON is one long expression.
#![recursion_limit = "256"]
#![allow(clippy::unwrap_used, clippy::wrong_self_convention, missing_docs, unreachable_pub)]

#[macro_use]
mod harness;

mod boxes;
mod complete;
mod containers;
mod docs;
mod fuzz;
mod house;
mod idmap;
mod kernel;
mod nsinfo;
mod parity;
mod rcgexec;
mod refer;
mod rlsns;
mod rnsenter;
mod runshare;
mod startup;
#[allow(dead_code, unused_imports)]
#[path = "tools.rs"]
mod tools;
mod walkthrough;
