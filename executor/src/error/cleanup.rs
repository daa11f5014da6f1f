//! Why an object could not be removed.

use docker_api_trait::ApiError;
use volume_manager::VolumeError;

/// Why an object on the engine could not be removed, or not be looked for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CleanupError {
    /// The engine did not do what it was asked for.
    #[error(transparent)]
    Engine(#[from] ApiError),
    /// A volume could not be removed.
    #[error(transparent)]
    Volumes(#[from] VolumeError),
}

impl CleanupError {
    /// Returns what a person can do about it, when that is known.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Engine(error) => error.hint().map(str::to_owned),
            Self::Volumes(error) => error.hint(),
        }
    }

    /// Whether another attempt may succeed.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Engine(error) => error.is_transient(),
            Self::Volumes(VolumeError::Engine { source, .. }) => source.is_transient(),
            Self::Volumes(_) => false,
        }
    }
}
