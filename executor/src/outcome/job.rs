//! How a job ended.

use std::time::{Duration, SystemTime};

use docker_api_trait::EngineVersion;
use serde::{Deserialize, Serialize};
use volume_manager::PreparedVolumes;

use super::{CleanupReport, FailureReason, ServiceResult, StepOutcome, StepResult, TimedPart};
use crate::{
    log::LogEnd,
    workspace::{ArtifactReport, UploadReport},
};

/// How a job ended.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum JobOutcome {
    /// The command ended with exit code 0.
    Succeeded,
    /// Anything else.
    Failed(FailureReason),
}

/// Everything about a job that has ended.
#[derive(Debug)]
#[non_exhaustive]
pub struct JobResult {
    /// The run's unique id.
    pub run: String,
    /// The job's own id, [`JobSpec::id`](crate::job::JobSpec::id).
    pub job: String,
    /// The project that the job belongs to.
    pub project: String,
    /// When this process began to prepare it, by this host's clock.
    pub started_at: SystemTime,
    /// When its cleanup had ended.
    pub ended_at: SystemTime,
    /// How it ended.
    pub outcome: JobOutcome,
    /// How far it had come when that was known; cleanup follows in any case.
    pub phase: Phase,
    /// The engine, if it answered.
    pub engine: Option<EngineVersion>,
    /// Its volumes. Without states when it ended before they were ready.
    pub volumes: PreparedVolumes,
    /// Its steps in order, the after-script last.
    pub steps: Vec<StepResult>,
    /// Its services.
    pub services: Vec<ServiceResult>,
    /// What was brought into its build folder.
    pub upload: Option<UploadReport>,
    /// What was taken from its build folder.
    pub artifacts: Option<ArtifactReport>,
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

impl JobResult {
    /// Whether the job succeeded.
    pub fn is_success(&self) -> bool {
        matches!(self.outcome, JobOutcome::Succeeded)
    }

    /// The exit code: 0 on success, and that of the script or program that failed. `None` when the job
    /// failed for another reason.
    pub fn exit_code(&self) -> Option<i64> {
        match &self.outcome {
            JobOutcome::Succeeded => Some(0),
            JobOutcome::Failed(reason) => reason.exit_code(),
        }
    }

    /// Why the job failed.
    pub fn failure(&self) -> Option<&FailureReason> {
        match &self.outcome {
            JobOutcome::Succeeded => None,
            JobOutcome::Failed(reason) => Some(reason),
        }
    }

    /// The result of a job that succeeded, for callers to whom a failed job is an error.
    ///
    /// # Errors
    /// The reason why the job failed. What cleanup could not remove is then lost: read
    /// [`cleanup`](Self::cleanup) before.
    pub fn into_result(self) -> Result<Self, FailureReason> {
        match self.outcome {
            JobOutcome::Succeeded => Ok(self),
            JobOutcome::Failed(reason) => Err(reason),
        }
    }

    /// The step that was stopped when the job failed for a time-out; none when no step was running.
    pub fn timed_out_step(&self) -> Option<&str> {
        let JobOutcome::Failed(FailureReason::Timeout { what, .. }) = &self.outcome else {
            return None;
        };
        let is_stopped = |step: &&StepResult| {
            let reason = match &step.outcome {
                StepOutcome::Failed(FailureReason::Timeout { what, .. }) => Some(*what),
                _ => None,
            };
            reason == Some(*what) && !(step.allow_failure && *what == TimedPart::Step)
        };
        self.steps.iter().find(is_stopped).map(|step| step.name.as_str())
    }
}

/// A phase of a job, in their order.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Phase {
    /// The engine is asked who it is.
    #[default]
    Connect,
    /// Volumes, networks, images and containers are made.
    Prepare,
    /// Containers are started, and services waited for.
    Start,
    /// A project's files are brought.
    Upload,
    /// Steps run.
    Script,
    /// Artifacts are taken.
    Collect,
}

impl Phase {
    /// One word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Prepare => "prepare",
            Self::Start => "start",
            Self::Upload => "upload",
            Self::Script => "script",
            Self::Collect => "collect",
        }
    }
}

/// How long the phases of a job took. A phase that was not reached took none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Timings {
    /// Until the engine had answered.
    pub connect: Duration,
    /// Until volumes, networks, images and containers were there.
    pub prepare: Duration,
    /// Until the containers ran and the services were ready.
    pub start: Duration,
    /// Until the last step had ended and its output was delivered.
    pub script: Duration,
    /// Until what is temporary was gone.
    pub cleanup: Duration,
}
