//! How a job ended, and what was done about it.

use std::time::Duration;

use docker_api_trait::EngineVersion;
use volume_manager::PreparedVolumes;

use crate::{ExecutorError, LogEnd};

/// How a job ended.
#[derive(Debug)]
#[non_exhaustive]
pub enum JobOutcome {
    /// The command ended with exit code 0.
    Succeeded,
    /// Anything else.
    Failed(FailureReason),
}

/// Why a job failed. The names in reports are GitLab's.
#[derive(Debug)]
#[non_exhaustive]
pub enum FailureReason {
    /// The command ended with this exit code: `script_failure`.
    Script {
        /// Its exit code; 128 + n when signal n ended it.
        exit_code: i64,
    },
    /// The job took longer than it may: `job_execution_timeout`.
    Timeout {
        /// How long it may take.
        limit: Duration,
    },
    /// The job was stopped from outside: `job_canceled`.
    Canceled,
    /// The engine has no such image and could not pull it: `image_pull_failure`.
    ImagePull {
        /// The cause.
        error: ExecutorError,
    },
    /// It cannot be told how the job would have ended: `runner_system_failure`.
    System {
        /// The cause.
        error: ExecutorError,
    },
}

impl FailureReason {
    /// The reason in GitLab's word.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Script { .. } => "script_failure",
            Self::Timeout { .. } => "job_execution_timeout",
            Self::Canceled => "job_canceled",
            Self::ImagePull { .. } => "image_pull_failure",
            Self::System { .. } => "runner_system_failure",
        }
    }

    pub(crate) fn redacted(self, secrets: &[&str]) -> Self {
        match self {
            Self::System { error } => Self::System { error: error.redacted(secrets) },
            other => other,
        }
    }

    /// The cause, when it is not the job's own.
    pub fn error(&self) -> Option<&ExecutorError> {
        match self {
            Self::ImagePull { error } | Self::System { error } => Some(error),
            _ => None,
        }
    }
}

impl From<ExecutorError> for FailureReason {
    fn from(error: ExecutorError) -> Self {
        match error {
            error @ ExecutorError::ImagePull { .. } => Self::ImagePull { error },
            error => Self::System { error },
        }
    }
}

/// Everything about a job that has ended.
#[derive(Debug)]
#[non_exhaustive]
pub struct JobResult {
    /// The run's unique id.
    pub run: String,
    /// The project that the job belongs to.
    pub project: String,
    /// How it ended.
    pub outcome: JobOutcome,
    /// The engine, if it answered.
    pub engine: Option<EngineVersion>,
    /// Its volumes. Without states when it ended before they were ready.
    pub volumes: PreparedVolumes,
    /// How its log ended.
    pub log: LogEnd,
    /// How long its phases took.
    pub timings: Timings,
    /// The requests that its engine handle sent meanwhile; the job's own when no other job uses the
    /// same handle.
    pub api_requests: u64,
    /// What cleanup removed, and what it could not.
    pub cleanup: CleanupReport,
}

/// How long the phases of a job took. A phase that was not reached took none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Timings {
    /// Until the engine had answered.
    pub connect: Duration,
    /// Until volumes and container were there.
    pub prepare: Duration,
    /// Until the container ran.
    pub start: Duration,
    /// Until the command had ended and its output was delivered.
    pub script: Duration,
    /// Until what is temporary was gone.
    pub cleanup: Duration,
}

/// What cleanup did.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct CleanupReport {
    /// What is gone.
    pub removed: Vec<RemovedObject>,
    /// What should be gone and may not be.
    pub failed: Vec<CleanupFailure>,
}

/// The kind of an object on the engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ObjectKind {
    /// A container.
    Container,
    /// A volume.
    Volume,
}

impl ObjectKind {
    /// One word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Container => "container",
            Self::Volume => "volume",
        }
    }
}

/// An object that cleanup removed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RemovedObject {
    /// What it was.
    pub kind: ObjectKind,
    /// Its name.
    pub name: String,
}

/// An object that cleanup could not remove.
#[derive(Debug)]
#[non_exhaustive]
pub struct CleanupFailure {
    /// What it is.
    pub kind: ObjectKind,
    /// Its name.
    pub name: String,
    /// Why it is still there, or why nobody can tell.
    pub error: ExecutorError,
}
