//! The `VolumeManager` trait: its contract, what it returns, and who delegates to it.

mod contract;
mod delegate;
#[cfg(feature = "mock")]
mod mock;
mod report;

pub use contract::VolumeManager;
#[cfg(feature = "mock")]
pub use mock::MockVolumeManager;
pub use report::{AttachReport, FailedRemoval, FinishReport, Outcome};
