//! The Docker engine that the commands use: finding it, providing one, stopping that one again.

mod address;
mod alone;
mod answer;
mod client;
mod connection;
mod daemon;
mod os_release;
pub mod podman;
mod up;

pub(crate) use answer::status;
pub use answer::{Answer, Engine, Silence, ask, require};
pub use client::{Client, Version};
pub(crate) use daemon::down;
pub(crate) use up::check;
pub use up::up;
