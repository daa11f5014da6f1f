//! An engine in memory.

mod container;
mod docker;
mod fault;
mod image;
mod life;
mod mount;
mod script;
mod state;
mod volume;

pub use docker::FakeDocker;
pub use script::ScriptedRun;
