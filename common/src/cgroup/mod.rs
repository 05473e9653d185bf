//! Control groups: which hierarchy has which controller, limits, and groups that are held open.

mod callers;
pub mod collect;
pub mod daemon;
pub mod effective;
pub mod frozen;
pub mod group;
pub mod join;
pub mod kept;
pub mod knobs;
pub mod layout;
pub mod moves;
pub mod named;
mod place;
pub mod plan;
pub mod scope;
pub mod set;
pub mod transient;
mod unit;
pub mod usage;
