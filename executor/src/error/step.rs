//! Why the end of a step is not known.

use docker_api_trait::{ApiError, ImageReference};

/// Why it is not known how a step would have ended.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StepError {
    /// The engine was unreachable while a step ran, and its container ended with that, in most cases
    /// because the engine was restarted.
    #[error(
        "the engine was unreachable while the step ran, and the container {container} ended with that"
    )]
    Interrupted {
        /// The container's name.
        container: String,
    },
    /// The engine no longer answers while a step runs.
    #[error("the engine does not answer any more while the step runs")]
    EngineLost {
        /// How the last attempt to reach it ended.
        source: ApiError,
    },
    /// The image has no shell for a script.
    #[error("the image {image} has no shell to run a script with: {detail}")]
    NoShell {
        /// The image.
        image: ImageReference,
        /// What was seen.
        detail: String,
    },
    /// Another program removed the container while a step ran, or before.
    #[error("the container {container} was removed by another program")]
    ContainerVanished {
        /// Its name.
        container: String,
    },
    /// The container or the engine went away, and it is not known how the step ended.
    #[error("the container was lost while the script ran: {detail}")]
    ContainerLost {
        /// What was seen.
        detail: String,
    },
}

impl StepError {
    /// Returns what a person can do about it, when that is known.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Interrupted { .. } => Some(
                "run the job again; with `live-restore` in its configuration an engine leaves \
                 containers running while it restarts"
                    .to_owned(),
            ),
            Self::EngineLost { source } => source.hint().map(str::to_owned),
            Self::NoShell { .. } => Some(
                "use an image with `sh` in its `PATH`; an `entrypoint` of the job must run its \
                 arguments. A step with a `command` instead of a `script` needs no shell"
                    .to_owned(),
            ),
            Self::ContainerVanished { .. } => Some(super::HINT_ABOUT_PRUNING.to_owned()),
            Self::ContainerLost { .. } => Some(
                "another program may have removed it, or the engine restarted: run the job again"
                    .to_owned(),
            ),
        }
    }

    /// Whether the same job may succeed when it is run again unchanged.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Interrupted { .. }
            | Self::EngineLost { .. }
            | Self::ContainerVanished { .. }
            | Self::ContainerLost { .. } => true,
            Self::NoShell { .. } => false,
        }
    }
}

/// The job has no such step.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the job has no step named {step:?}")]
#[non_exhaustive]
pub struct UnknownStep {
    /// The name.
    pub step: String,
}

impl UnknownStep {
    pub(crate) fn new(step: impl Into<String>) -> Self {
        Self { step: step.into() }
    }

    /// Returns what a person can do about it.
    pub fn hint(&self) -> &'static str {
        "its steps are in its plan"
    }
}
