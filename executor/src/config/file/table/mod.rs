//! Every key that is known, and what is done with it: the one place that decides.

mod berth;
mod docker;
mod engine;
mod global;
mod host;
mod image;
mod network;
mod right;
mod runner;
mod section;
mod service;
mod service_host;
mod volume;

use super::key::{Key, Keys};
pub(super) use berth::BERTH;
pub(super) use runner::EXECUTOR;
pub(super) use section::{GLOBAL, RUNNER, SECTIONS};
