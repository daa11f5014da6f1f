//! Faults between a caller and any engine, call by call.

mod docker;
mod handed_out;
mod model;

pub use docker::FaultyDocker;
pub use model::{Call, Fault, FaultKind, Side, Site};
