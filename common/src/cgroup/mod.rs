//! Control groups: which hierarchy has which controller, limits, and groups that are held open.

pub mod daemon;
pub mod group;
pub mod join;
pub mod kept;
pub mod knobs;
pub mod layout;
pub mod moves;
pub mod named;
pub mod plan;
pub mod set;
pub mod usage;
