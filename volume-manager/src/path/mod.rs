//! Paths, by the rules of the engine's operating system; never by those of the machine we run on.

mod container;
mod host;
mod linux;
mod look_alike;
mod problem;
mod system;
mod windows;

pub use container::ContainerPath;
pub use host::{HostPath, PipePath};
pub use problem::PathProblem;
pub use system::OperatingSystem;
