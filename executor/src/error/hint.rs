//! The hints of all errors of this crate, by the trait of all crates.

use std::borrow::Cow;

use docker_api_trait::Hint;

use super::{
    CleanupError, ImageError, PrepareError, ResumeError, RunError, StepError, TransferError,
    UnknownStep,
};
use crate::{
    config::ConfigError,
    executor::{PrepareFailure, ScriptError},
    image::{AllowError, CredentialError, PullPolicyError},
    instance::InstanceError,
    job::JobError,
    log::MaskError,
    outcome::FailureReason,
    workspace::WorkspaceError,
};

/// Implements the trait by the methods of the error.
macro_rules! implement {
    ($($error:ty),+) => {$(
        impl Hint for $error {
            fn hint(&self) -> Option<Cow<'_, str>> {
                Self::hint(self).map(Cow::Owned)
            }

            fn is_retryable(&self) -> bool {
                Self::is_retryable(self)
            }
        }
    )+};
}

/// Implements the trait for an error that always has a hint, and that a retry does not change.
macro_rules! implement_for_refusal {
    ($($error:ty),+) => {$(
        impl Hint for $error {
            fn hint(&self) -> Option<Cow<'_, str>> {
                Some(Self::hint(self).into())
            }

            fn is_retryable(&self) -> bool {
                false
            }
        }
    )+};
}

implement!(
    CleanupError,
    FailureReason,
    ImageError,
    PrepareError,
    ResumeError,
    RunError,
    StepError,
    TransferError
);
implement_for_refusal!(
    AllowError,
    ConfigError,
    CredentialError,
    InstanceError,
    JobError,
    MaskError,
    PullPolicyError,
    ScriptError,
    UnknownStep
);

impl Hint for WorkspaceError {
    fn hint(&self) -> Option<Cow<'_, str>> {
        Self::hint(self).map(Cow::Borrowed)
    }

    fn is_retryable(&self) -> bool {
        false
    }
}

/// By the reason of the job's failure.
impl Hint for PrepareFailure {
    fn hint(&self) -> Option<Cow<'_, str>> {
        self.result().failure().and_then(FailureReason::hint).map(Cow::Owned)
    }

    fn is_retryable(&self) -> bool {
        self.result().failure().is_some_and(FailureReason::is_retryable)
    }
}
