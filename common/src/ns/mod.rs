//! Namespaces: holding one, finding them all, entering and creating them.

pub mod create;
pub mod diagnose;
pub mod fd;
pub mod features;
pub mod initial;
pub mod inside;
pub mod join;
pub mod may;
pub mod nested;
mod netnsid;
pub mod network;
pub mod outside;
pub mod pins;
pub mod refer;
pub mod root;
pub mod scan;
pub mod visit;
