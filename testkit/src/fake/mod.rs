//! An engine in memory.

mod act;
mod archive;
mod container;
mod docker;
mod exec;
mod fault;
mod image;
mod input;
mod life;
mod mount;
mod network;
mod registry;
mod script;
mod shell;
mod start;
mod state;
mod stream;
mod volume;

pub use archive::{UploadedEntry, VolumeRoot};
pub use docker::FakeDocker;
pub use script::ScriptedRun;
