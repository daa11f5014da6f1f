//! Services: whether they are ready, and what they wrote.

mod listen;
mod log;
mod ready;

pub(crate) use log::ServiceLog;
pub use ready::Readiness;
pub(crate) use ready::await_ready;
