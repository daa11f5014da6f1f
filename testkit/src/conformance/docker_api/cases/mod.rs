//! The cases, by area.

pub mod archive;
pub mod container;
pub mod exec;
pub mod life;
pub mod log;
pub mod mount;
pub mod network;
pub mod shell;
pub mod system;
pub mod volume;
