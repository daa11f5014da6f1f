//! An engine whose connection may fail: what is safe to repeat is repeated, and an engine that is
//! away is waited for.

mod decide;
mod docker;
mod event;
mod link;
mod policy;
mod roles;

pub use docker::{LATE_EFFECT, SteadyDocker};
pub use event::{EngineEvent, EngineObserver};
pub use policy::RetryPolicy;
