//! One run of a job, from its first request to its last: preparation, steps, transfers, cleanup.

pub(crate) mod cleanup;
pub(crate) mod containers;
mod context;
pub(crate) mod evidence;
mod failure;
pub(crate) mod files;
pub(crate) mod interrupt;
pub(crate) mod lifecycle;
pub(crate) mod prepare;
pub(crate) mod prepared;
pub(crate) mod process;
pub(crate) mod progress;
pub(crate) mod rebuild;
pub(crate) mod removal;
pub(crate) mod resume;
mod script;
pub(crate) mod service;
pub(crate) mod span;
pub(crate) mod state;
pub(crate) mod step;
pub(crate) mod steps;
pub(crate) mod supervise;
pub(crate) mod transfer;
pub(crate) mod volumes;
pub(crate) mod when;

pub(crate) use context::{Inputs, Run};
pub use prepared::PreparedJob;
pub use progress::JobProgress;
pub use transfer::Transfers;
