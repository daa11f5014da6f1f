//! Why files could not be transferred.

use docker_api_trait::ApiError;

use crate::workspace::WorkspaceError;

/// Why files of a project could not be brought to a job, or its artifacts not be fetched.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TransferError {
    /// The engine did not do what it was asked for.
    #[error(transparent)]
    Engine(ApiError),
    /// The engine's host has no room left.
    #[error("the engine's host has no room left")]
    DiskFull {
        /// The cause.
        source: ApiError,
    },
    /// Files of this machine could not be read or written.
    #[error(transparent)]
    Workspace(#[from] WorkspaceError),
    /// The job names no build directory for the files.
    #[error("the job has no build directory")]
    NoBuildFolder,
    /// A script puts the files of a project in order, and the job has no shell.
    #[error("files of a project can only be brought to a job that has a script")]
    WithoutShell,
    /// The build directory could not be put in order.
    #[error("the build directory could not be put in order (exit code {code}): {words}")]
    BuildFolder {
        /// The exit code.
        code: i64,
        /// What was written.
        words: String,
    },
}

impl TransferError {
    /// Returns what a person can do about it, when that is known.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Engine(source) | Self::DiskFull { source } => source.hint().map(str::to_owned),
            Self::Workspace(error) => error.hint().map(str::to_owned),
            Self::NoBuildFolder => Some("give the job a `build` directory".to_owned()),
            Self::WithoutShell => {
                Some("make one of its steps a script, or mount the directory instead".to_owned())
            }
            Self::BuildFolder { .. } => Some(
                "the image's user may not be allowed to write there; the image needs `sh`, `rm` and \
                 `stat`"
                    .to_owned(),
            ),
        }
    }

    /// Whether the same job may succeed when it is run again unchanged.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Engine(error) => error.is_transient(),
            Self::DiskFull { .. }
            | Self::Workspace(_)
            | Self::NoBuildFolder
            | Self::WithoutShell
            | Self::BuildFolder { .. } => false,
        }
    }
}

impl From<ApiError> for TransferError {
    fn from(error: ApiError) -> Self {
        if error.is_disk_full() { Self::DiskFull { source: error } } else { Self::Engine(error) }
    }
}
