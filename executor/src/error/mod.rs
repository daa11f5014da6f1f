//! The executor's errors, by the phase of a job in which they occur. Planning has
//! [`JobError`](crate::job::JobError).

mod cleanup;
mod hint;
mod image;
mod prepare;
mod resume;
mod run;
mod step;
mod transfer;

pub use cleanup::CleanupError;
pub use image::ImageError;
pub use prepare::PrepareError;
pub use resume::ResumeError;
pub use run::RunError;
pub use step::{StepError, UnknownStep};
pub use transfer::TransferError;

/// The remedy when another program removed a container.
const HINT_ABOUT_PRUNING: &str = "find out what prunes containers on this engine; those of Berth have labels that begin with \
     dev.berth.";
