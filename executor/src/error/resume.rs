//! Why a job of an earlier process could not be resumed.

use docker_api_trait::ApiError;
use volume_manager::VolumeError;

use super::PrepareError;
use crate::log::MaskError;

/// Why a job that another process prepared could not be resumed. Nothing was changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ResumeError {
    /// The engine did not do what it was asked for.
    #[error(transparent)]
    Engine(#[from] ApiError),
    /// The job's volumes could not be found again.
    #[error(transparent)]
    Volumes(#[from] VolumeError),
    /// A container could not be attached to.
    #[error(transparent)]
    Attach(#[from] PrepareError),
    /// A container of the run does not exist or does not run.
    #[error("the run {run} cannot be resumed: its container {container} is not running")]
    NotPrepared {
        /// The run.
        run: String,
        /// The container's name.
        container: String,
    },
    /// The progress that was passed on belongs to another run than the plan.
    #[error("the progress is of the run {progress}, the plan is for the run {plan}")]
    OtherRun {
        /// The run of the progress.
        progress: String,
        /// The run of the plan.
        plan: String,
    },
    /// The job's secrets cannot be searched for in its log.
    #[error(transparent)]
    Mask(#[from] MaskError),
}

impl ResumeError {
    /// Returns what a person can do about it, when that is known.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Engine(error) => error.hint().map(str::to_owned),
            Self::Volumes(error) => error.hint(),
            Self::Attach(error) => error.hint(),
            Self::NotPrepared { .. } => {
                Some("prepare the job again; a plan is for one run".to_owned())
            }
            Self::OtherRun { .. } => Some("keep a run's plan and its progress together".to_owned()),
            Self::Mask(error) => Some(error.hint().to_owned()),
        }
    }

    /// Whether the same job may succeed when it is prepared and run again unchanged.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Engine(error) => error.is_transient(),
            Self::Volumes(VolumeError::Engine { source, .. }) => source.is_transient(),
            Self::Attach(error) => error.is_retryable(),
            Self::NotPrepared { .. } => true,
            Self::Volumes(_) | Self::OtherRun { .. } | Self::Mask(_) => false,
        }
    }
}
