//! The contract of [`VolumeManager`](volume_manager::VolumeManager), sentence by sentence.
//!
//! Each function is one case. [`volume_manager_conformance!`](crate::volume_manager_conformance)
//! makes a test of each, for a [`Subject`]: a manager, and a way to see and disturb its volumes.

mod cases;
mod subject;
mod suite;
mod unique;

pub use cases::*;
pub use subject::{DockerSubject, MemorySubject, Subject};
