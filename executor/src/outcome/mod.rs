//! How a job ended, and what was done about it.

mod cleanup;
mod job;
mod kind;
mod reason;
mod service;
mod step;

pub use cleanup::{CleanupFailure, CleanupReport, ObjectKind, RemovedObject};
pub use job::{JobOutcome, JobResult, Phase, Timings};
pub use kind::{ExitCauseKind, FailureKind, OutcomeKind, ReadinessKind};
pub(crate) use reason::timeout_message;
pub use reason::{ExitCause, FailureReason, TimedPart};
pub use service::{Readiness, ServiceResult};
pub use step::{StepOutcome, StepResult};
