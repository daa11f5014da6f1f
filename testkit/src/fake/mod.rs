//! An engine in memory.

mod archive;
mod container;
mod docker;
mod fault;
mod image;
mod life;
mod mount;
mod script;
mod state;
mod volume;

pub use archive::{UploadedEntry, VolumeRoot};
pub use docker::FakeDocker;
pub use script::ScriptedRun;
