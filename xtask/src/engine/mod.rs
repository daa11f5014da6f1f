//! The Docker engine that the commands use: finding it, providing one, stopping that one again.

mod alone;
mod answer;
mod daemon;
mod os_release;
pub(crate) mod podman;
mod up;

pub(crate) use answer::{Answer, Engine, ask, require, status};
pub(crate) use daemon::down;
pub(crate) use up::up;
