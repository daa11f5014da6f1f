//! Kinds in reports: what happened, without its details.

use serde::{Deserialize, Serialize};

/// How a job or a step ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum OutcomeKind {
    /// With exit code 0.
    Succeeded,
    /// Otherwise.
    Failed,
    /// A step that was not run.
    Skipped,
}

impl OutcomeKind {
    /// The word in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
        }
    }
}

/// Why a job or a step failed. The words are GitLab's, except `job_incomplete`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum FailureKind {
    /// A script or program failed.
    ScriptFailure,
    /// A time limit was reached.
    JobExecutionTimeout,
    /// The job was stopped from outside.
    JobCanceled,
    /// The job was finished before every required step had run.
    JobIncomplete,
    /// An image is missing and could not be pulled.
    ImagePullFailure,
    /// The outcome is unknown.
    RunnerSystemFailure,
}

impl FailureKind {
    /// The word in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ScriptFailure => "script_failure",
            Self::JobExecutionTimeout => "job_execution_timeout",
            Self::JobCanceled => "job_canceled",
            Self::JobIncomplete => "job_incomplete",
            Self::ImagePullFailure => "image_pull_failure",
            Self::RunnerSystemFailure => "runner_system_failure",
        }
    }
}

/// What an exit code means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ExitCauseKind {
    /// The program chose it.
    Exited,
    /// 126: a program could not be executed.
    NotExecutable,
    /// 127: a program was not found.
    NotFound,
    /// A signal ended it.
    Signal,
    /// The kernel killed a process for lack of memory.
    OutOfMemory,
}

impl ExitCauseKind {
    /// The word in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Exited => "exited",
            Self::NotExecutable => "not_executable",
            Self::NotFound => "not_found",
            Self::Signal => "signal",
            Self::OutOfMemory => "out_of_memory",
        }
    }
}

/// Whether a service was found ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ReadinessKind {
    /// Its health check says so.
    Healthy,
    /// It listens on a port.
    Listening,
    /// It runs, and has nothing to wait for.
    Running,
    /// It runs, and its ports cannot be inspected.
    Unknown,
    /// It was not waited for.
    Unchecked,
    /// It ended.
    Exited,
    /// It could not be created or started.
    NotStarted,
    /// It was not ready in time.
    TimedOut,
}

impl ReadinessKind {
    /// The word in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Listening => "listening",
            Self::Running => "running",
            Self::Unknown => "unknown",
            Self::Unchecked => "unchecked",
            Self::Exited => "exited",
            Self::NotStarted => "not_started",
            Self::TimedOut => "timed_out",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_written_as_its_word() {
        macro_rules! check {
            ($($kind:expr),*) => {$(
                let written = serde_json::to_string(&$kind).unwrap();
                assert_eq!(written, format!("\"{}\"", $kind.as_str()));
            )*};
        }
        use crate::{
            job::ContainerKind,
            outcome::{ObjectKind, Phase, TimedPart},
        };
        check!(OutcomeKind::Succeeded, OutcomeKind::Failed, OutcomeKind::Skipped);
        check!(FailureKind::ScriptFailure, FailureKind::JobExecutionTimeout);
        check!(FailureKind::JobCanceled, FailureKind::JobIncomplete);
        check!(FailureKind::ImagePullFailure, FailureKind::RunnerSystemFailure);
        check!(ExitCauseKind::Exited, ExitCauseKind::NotExecutable, ExitCauseKind::NotFound);
        check!(ExitCauseKind::Signal, ExitCauseKind::OutOfMemory);
        check!(ReadinessKind::Healthy, ReadinessKind::Listening, ReadinessKind::Running);
        check!(ReadinessKind::Unknown, ReadinessKind::Unchecked, ReadinessKind::Exited);
        check!(ReadinessKind::NotStarted, ReadinessKind::TimedOut);
        check!(TimedPart::Job, TimedPart::Prepare, TimedPart::Script, TimedPart::Step);
        check!(TimedPart::AfterScript, ContainerKind::Build, ContainerKind::Helper);
        check!(Phase::Connect, Phase::Prepare, Phase::Start, Phase::Upload, Phase::Script);
        check!(Phase::Collect, ObjectKind::Container, ObjectKind::Volume, ObjectKind::Network);
    }
}
