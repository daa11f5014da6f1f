//! Why it is not known how a job would have ended.

use super::{ImageError, PrepareError, StepError, TransferError};

/// Why it is not known how a job would have ended, by the phase in which that happened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// An image could not be had.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// The job, or the container of a step, could not be prepared.
    #[error(transparent)]
    Prepare(#[from] PrepareError),
    /// The end of a step is not known.
    #[error(transparent)]
    Step(#[from] StepError),
    /// Files could not be transferred.
    #[error(transparent)]
    Transfer(#[from] TransferError),
    /// Code that belongs to the job's caller panicked: its sink, or its observer.
    #[error("the job's own code panicked: {message}")]
    Panicked {
        /// The message of the panic.
        message: String,
    },
    /// A step failed in an earlier process.
    #[error("{message}")]
    Earlier {
        /// What that process reported.
        message: String,
    },
}

impl RunError {
    /// Returns what a person can do about it, when that is known.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Image(error) => error.hint(),
            Self::Prepare(error) => error.hint(),
            Self::Step(error) => error.hint(),
            Self::Transfer(error) => error.hint(),
            Self::Panicked { .. } => Some(
                "the job's sink and observer must not panic; the backtrace is above".to_owned(),
            ),
            Self::Earlier { .. } => None,
        }
    }

    /// Whether the same job may succeed when it is run again unchanged: the engine, the network or
    /// another program was at fault.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Image(error) => error.is_retryable(),
            Self::Prepare(error) => error.is_retryable(),
            Self::Step(error) => error.is_retryable(),
            Self::Transfer(error) => error.is_retryable(),
            Self::Panicked { .. } | Self::Earlier { .. } => false,
        }
    }
}
