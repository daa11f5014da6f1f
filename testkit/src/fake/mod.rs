//! An engine in memory.

mod act;
mod admission;
mod archive;
mod container;
mod docker;
mod exec;
mod fault;
mod image;
mod input;
mod life;
mod log;
mod log_line;
mod mount;
mod network;
mod pull;
mod reference;
mod registry;
mod script;
mod setup;
mod shell;
mod start;
mod state;
mod stored_exec;
mod stored_network;
mod stream;
mod system;
mod upload;
mod volume;

pub use docker::FakeDocker;
pub use script::ScriptedRun;
pub use upload::{UploadedEntry, VolumeRoot};
