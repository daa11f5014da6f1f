//! What can go wrong with an engine of a test's own.

use std::{io, process::ExitStatus, time::Duration};

use docker_api_trait::ApiError;

/// Why an engine of a test's own does not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// A program that it takes is not on the PATH.
    #[error("there is no program {program}")]
    Missing {
        /// Its name.
        program: &'static str,
    },
    /// The system refused.
    #[error("could not {action}")]
    System {
        /// What was being done.
        action: &'static str,
        /// Why not.
        source: io::Error,
    },
    /// No namespaces of its own came about; it takes root. No daemon was started: in the namespace of
    /// another it would remove that one's bridge.
    #[error("no namespaces of its own: {detail}")]
    Namespace {
        /// What was found instead.
        detail: String,
    },
    /// The daemon ended instead of answering, also when it was started a second time.
    #[error("dockerd ended with {status}; its last words:\n{log}")]
    Ended {
        /// How.
        status: ExitStatus,
        /// The end of its log.
        log: String,
    },
    /// The daemon did not answer, or did not end, in time.
    #[error("dockerd took longer than {} s; its last words:\n{log}", .limit.as_secs())]
    TimedOut {
        /// How long was waited.
        limit: Duration,
        /// The end of its log.
        log: String,
    },
    /// The daemon does not run: it was killed, and not started again.
    #[error("dockerd does not run")]
    NotRunning,
    /// An engine did not give an image away, or did not take it.
    #[error("could not copy the image: {status}: {message}")]
    Image {
        /// The HTTP status.
        status: u16,
        /// The engine's words.
        message: String,
    },
    /// An engine did not answer as it should.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// Something is left although all was done to remove it.
    #[error("left behind: {}", .what.join(", "))]
    Left {
        /// Processes, mounts, control groups and folders.
        what: Vec<String>,
    },
}

impl EngineError {
    pub(super) fn system(action: &'static str) -> impl Fn(io::Error) -> Self {
        move |source| Self::System { action, source }
    }
}
