//! How a step ended.

use std::time::Duration;

use super::{kind::OutcomeKind, reason::FailureReason};
use crate::{job::ContainerKind, log::LogEnd};

/// How a step ended.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum StepOutcome {
    /// With exit code 0.
    Succeeded,
    /// Otherwise.
    Failed(FailureReason),
    /// It was not run: what came before did not ask for it.
    Skipped,
}

impl StepOutcome {
    /// The outcome without its reason, as in reports.
    pub fn kind(&self) -> OutcomeKind {
        match self {
            Self::Succeeded => OutcomeKind::Succeeded,
            Self::Failed(_) => OutcomeKind::Failed,
            Self::Skipped => OutcomeKind::Skipped,
        }
    }

    /// One word for it.
    pub fn as_str(&self) -> &'static str {
        self.kind().as_str()
    }

    /// Whether it was not run.
    pub fn is_skipped(&self) -> bool {
        matches!(self, Self::Skipped)
    }

    /// The exit code, when it ended by itself.
    pub fn exit_code(&self) -> Option<i64> {
        match self {
            Self::Succeeded => Some(0),
            Self::Failed(FailureReason::Script { exit_code, .. }) => Some(*exit_code),
            Self::Failed(_) | Self::Skipped => None,
        }
    }
}

/// What became of a step.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct StepResult {
    /// Its name.
    pub name: String,
    /// The container that it ran in.
    pub container: ContainerKind,
    /// How it ended.
    pub outcome: StepOutcome,
    /// Whether its failure leaves the job's outcome as it is.
    pub allow_failure: bool,
    /// How long it took.
    pub duration: Duration,
    /// How its log ended.
    pub log: LogEnd,
}
