//! A job's result as JSON: a stable format of its own, so that the types inside may change.

use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};
use volume_manager::{VolumeKind, VolumeState};

use crate::{
    describe::describe,
    job::ContainerKind,
    log::LogEnd,
    outcome::{
        CleanupReport, ExitCauseKind, FailureKind, FailureReason, JobResult, ObjectKind,
        OutcomeKind, Phase, ReadinessKind, ServiceResult, StepOutcome, StepResult, TimedPart,
        Timings, timeout_message,
    },
    workspace::{ArtifactReport, UploadReport},
};

/// A job's result, for programs. `schema` changes when a field changes its meaning or goes away;
/// new fields may come at any time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct JobReport {
    /// The version of this format: 1.
    pub schema: u32,
    /// The run's unique id, as in the labels.
    pub run: String,
    /// The job's own id; empty if it has none.
    #[serde(default)]
    pub job: String,
    /// The project.
    pub project: String,
    /// When the job began to be prepared, in RFC 3339 and UTC.
    #[serde(default)]
    pub started_at: String,
    /// When its cleanup had ended.
    #[serde(default)]
    pub ended_at: String,
    /// Succeeded or failed.
    pub outcome: OutcomeKind,
    /// The command's own exit code; null when it did not end by itself.
    pub exit_code: Option<i64>,
    /// Why the job failed; null on success.
    pub failure_reason: Option<FailureKind>,
    /// How far the job had come.
    #[serde(default)]
    pub phase: Phase,
    /// Whether the same job may end otherwise when it is run again and nobody changes it.
    #[serde(default)]
    pub retryable: bool,
    /// What the exit code means when it is not 0.
    pub exit_cause: Option<ExitCauseKind>,
    /// The limit that was reached; null unless the job failed for a time-out.
    #[serde(default)]
    pub timeout: Option<TimeoutReport>,
    /// The steps that had to run and did not, when the job failed for that.
    #[serde(default)]
    pub steps_not_run: Vec<String>,
    /// What went wrong, causes included, when it was not the command.
    pub error: Option<String>,
    /// What to do about it, when that is known.
    pub hint: Option<String>,
    /// The volumes, in the order in which they are mounted.
    pub volumes: Vec<VolumeReport>,
    /// The steps, in order, the after-script last.
    pub steps: Vec<StepReport>,
    /// The services.
    pub services: Vec<ServiceReport>,
    /// What was brought into the build folder; null when nothing was to be.
    pub upload: Option<TransferReport>,
    /// What was taken from the build folder; null when nothing was to be.
    pub artifacts: Option<TransferReport>,
    /// How long the phases took.
    pub timings_ms: TimingsReport,
    /// Requests sent to the engine, counted where they leave.
    pub api_requests: u64,
    /// How the log ended.
    pub log: LogReport,
    /// What cleanup did.
    pub cleanup: CleanupSummary,
}

/// A time limit that was reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct TimeoutReport {
    /// What took too long.
    pub part: TimedPart,
    /// How long it may take, in milliseconds.
    pub limit_ms: u64,
    /// The step that was stopped for it; null when none was running.
    pub step: Option<String>,
}

impl TimeoutReport {
    fn new(reason: &FailureReason, step: Option<&str>) -> Option<Self> {
        let FailureReason::Timeout { what, limit } = reason else { return None };
        let step = step.map(str::to_owned);
        Some(Self { part: *what, limit_ms: milliseconds(*limit), step })
    }
}

/// What went wrong with a job or with the step of this name.
fn message(reason: &FailureReason, step: Option<&str>) -> Option<String> {
    match (reason, step) {
        (FailureReason::Timeout { what: TimedPart::Step, limit }, Some(step)) => {
            Some(timeout_message(&format!("step {step}"), *limit))
        }
        _ => reason.message(),
    }
}

/// What cleanup did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct CleanupSummary {
    /// What was removed: containers, networks and temporary volumes.
    pub removed: Vec<ObjectReport>,
    /// What should have been removed and may still be there.
    pub not_removed: Vec<CleanupFailureReport>,
}

/// A volume of the job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct VolumeReport {
    /// Its name; of a host bind, the host's path.
    pub name: String,
    /// Where it was mounted.
    pub destination: String,
    /// What is mounted.
    pub kind: VolumeKind,
    /// `created`, `reused`, or `recreated` of a cache that was found and was another one before a
    /// container held it; null for what is the user's own, and when it never got ready.
    pub state: Option<VolumeState>,
}

/// A step of the job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct StepReport {
    /// Its name.
    pub name: String,
    /// The container that it ran in.
    pub container: ContainerKind,
    /// How it ended.
    pub outcome: OutcomeKind,
    /// Its exit code; null when it did not end by itself, or was not run.
    pub exit_code: Option<i64>,
    /// Why it failed, in the words of the job's `failure_reason`.
    pub failure_reason: Option<FailureKind>,
    /// What the exit code means, as the job's `exit_cause`.
    #[serde(default)]
    pub exit_cause: Option<ExitCauseKind>,
    /// The limit that it was stopped for.
    #[serde(default)]
    pub timeout: Option<TimeoutReport>,
    /// What went wrong, when it was not the command.
    #[serde(default)]
    pub error: Option<String>,
    /// Whether its failure leaves the job's outcome as it is.
    pub allow_failure: bool,
    /// How long it took, in milliseconds.
    pub duration_ms: u64,
    /// How its log ended.
    pub log: LogReport,
}

impl From<&StepResult> for StepReport {
    fn from(step: &StepResult) -> Self {
        let reason = match &step.outcome {
            StepOutcome::Failed(reason) => Some(reason),
            _ => None,
        };
        Self {
            name: step.name.clone(),
            container: step.container,
            outcome: step.outcome.kind(),
            exit_code: step.outcome.exit_code(),
            failure_reason: reason.map(FailureReason::kind),
            exit_cause: match reason {
                Some(FailureReason::Script { cause, .. }) => Some(cause.kind()),
                _ => None,
            },
            timeout: reason.and_then(|reason| TimeoutReport::new(reason, Some(&step.name))),
            error: reason.and_then(|reason| message(reason, Some(&step.name))),
            allow_failure: step.allow_failure,
            duration_ms: milliseconds(step.duration),
            log: (&step.log).into(),
        }
    }
}

/// A service of the job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ServiceReport {
    /// Its first alias.
    pub name: String,
    /// Its image.
    pub image: String,
    /// Whether the job found it ready.
    pub readiness: ReadinessKind,
    /// How long it was waited for, in milliseconds.
    pub duration_ms: u64,
}

impl From<&ServiceResult> for ServiceReport {
    fn from(service: &ServiceResult) -> Self {
        Self {
            name: service.name.clone(),
            image: service.image.clone(),
            readiness: service.readiness.kind(),
            duration_ms: milliseconds(service.duration),
        }
    }
}

/// Files that were brought in or taken out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct TransferReport {
    /// How many were sent or written.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// How many were there already and not sent again.
    pub kept: u64,
    /// What was left out, and why.
    pub skipped: Vec<String>,
}

impl From<&UploadReport> for TransferReport {
    fn from(report: &UploadReport) -> Self {
        Self {
            files: report.files,
            bytes: report.bytes,
            kept: report.kept as u64,
            skipped: report.skipped.clone(),
        }
    }
}

impl From<&ArtifactReport> for TransferReport {
    fn from(report: &ArtifactReport) -> Self {
        let skipped = report.skipped.iter();
        Self {
            files: report.files,
            bytes: report.bytes,
            kept: 0,
            skipped: skipped.map(|one| format!("{}: {}", one.path, one.reason)).collect(),
        }
    }
}

/// How long the phases of a job took, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct TimingsReport {
    /// Until the engine had answered.
    pub connect: u64,
    /// Until volumes and container were there.
    pub prepare: u64,
    /// Until the container ran.
    pub start: u64,
    /// Until the command had ended and its output was delivered.
    pub script: u64,
    /// Until what is temporary was gone.
    pub cleanup: u64,
}

/// How the log ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct LogReport {
    /// Whether everything that the command wrote was delivered.
    pub complete: bool,
    /// Why not.
    pub reason: Option<String>,
}

/// An object on the engine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ObjectReport {
    /// What it is.
    pub kind: ObjectKind,
    /// Its name.
    pub name: String,
}

/// An object that could not be removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct CleanupFailureReport {
    /// What it is.
    pub kind: ObjectKind,
    /// Its name.
    pub name: String,
    /// Why not.
    pub error: String,
}

impl From<&JobResult> for JobReport {
    fn from(result: &JobResult) -> Self {
        let reason = result.failure();
        let step = match reason {
            Some(FailureReason::Timeout { .. }) => result.timed_out_step(),
            _ => None,
        };
        Self {
            schema: 1,
            run: result.run.clone(),
            job: result.job.clone(),
            project: result.project.clone(),
            started_at: moment(result.started_at),
            ended_at: moment(result.ended_at),
            outcome: if reason.is_none() { OutcomeKind::Succeeded } else { OutcomeKind::Failed },
            exit_code: result.exit_code(),
            exit_cause: match reason {
                Some(FailureReason::Script { cause, .. }) => Some(cause.kind()),
                _ => None,
            },
            failure_reason: reason.map(FailureReason::kind),
            phase: result.phase,
            retryable: reason.is_some_and(FailureReason::is_retryable),
            timeout: reason.and_then(|reason| TimeoutReport::new(reason, step)),
            steps_not_run: match reason {
                Some(FailureReason::Incomplete { steps }) => steps.clone(),
                _ => Vec::new(),
            },
            error: reason.and_then(|reason| message(reason, step)),
            hint: reason.and_then(FailureReason::hint),
            volumes: result
                .volumes
                .volumes
                .iter()
                .map(|volume| VolumeReport {
                    name: volume.name().to_owned(),
                    destination: volume.planned.destination.to_string(),
                    kind: volume.kind(),
                    state: volume.state,
                })
                .collect(),
            upload: result.upload.as_ref().map(TransferReport::from),
            artifacts: result.artifacts.as_ref().map(TransferReport::from),
            timings_ms: (&result.timings).into(),
            api_requests: result.api_requests,
            steps: result.steps.iter().map(StepReport::from).collect(),
            services: result.services.iter().map(ServiceReport::from).collect(),
            log: (&result.log).into(),
            cleanup: (&result.cleanup).into(),
        }
    }
}

impl From<&LogEnd> for LogReport {
    fn from(end: &LogEnd) -> Self {
        match end {
            LogEnd::Complete => Self { complete: true, reason: None },
            LogEnd::Truncated(why) => Self { complete: false, reason: Some(why.reason()) },
        }
    }
}

fn moment(time: SystemTime) -> String {
    humantime::format_rfc3339_millis(time).to_string()
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

impl From<&CleanupReport> for CleanupSummary {
    fn from(report: &CleanupReport) -> Self {
        let removed = report
            .removed
            .iter()
            .map(|object| ObjectReport { kind: object.kind, name: object.name.clone() });
        let not_removed = report.failed.iter().map(|failure| CleanupFailureReport {
            kind: failure.kind,
            name: failure.name.clone(),
            error: describe(&failure.error),
        });
        Self { removed: removed.collect(), not_removed: not_removed.collect() }
    }
}

impl From<&Timings> for TimingsReport {
    fn from(timings: &Timings) -> Self {
        Self {
            connect: milliseconds(timings.connect),
            prepare: milliseconds(timings.prepare),
            start: milliseconds(timings.start),
            script: milliseconds(timings.script),
            cleanup: milliseconds(timings.cleanup),
        }
    }
}
