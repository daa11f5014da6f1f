//! Services: whether they are ready, and what they wrote.

mod listen;
mod local;
mod log;
mod probe;
mod ready;
mod start;

pub(crate) use log::ServiceLog;
pub(crate) use start::{health_start, service_hosts};
