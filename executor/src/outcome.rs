//! How a job ended, and what was done about it.

use std::{sync::Arc, time::Duration};

use docker_api_trait::EngineVersion;
use volume_manager::PreparedVolumes;

use crate::{
    ArtifactReport, ContainerKind, ExecutorError, LogEnd, Readiness, UploadReport, describe,
};

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
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum FailureReason {
    /// A script or program ended with this exit code: `script_failure`.
    Script {
        /// Its exit code; 128 + n when signal n ended it.
        exit_code: i64,
        /// What the code means, as far as it can be told.
        cause: ExitCause,
    },
    /// Something took longer than it may: `job_execution_timeout`.
    Timeout {
        /// What it was.
        what: TimedPart,
        /// How long it may take.
        limit: Duration,
    },
    /// The job was stopped from outside: `job_canceled`.
    Canceled,
    /// The engine has no such image and could not pull it: `image_pull_failure`.
    ImagePull {
        /// The cause.
        error: Arc<ExecutorError>,
    },
    /// The job was finished before every step had run that had to: `job_incomplete`. No script failed,
    /// and no stop was asked for.
    Incomplete {
        /// The names of the steps that did not run.
        steps: Vec<String>,
    },
    /// It cannot be told how the job would have ended: `runner_system_failure`.
    System {
        /// The cause.
        error: Arc<ExecutorError>,
    },
}

/// What a step's exit code means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ExitCause {
    /// It ended so by itself.
    Exited,
    /// 126: what was to be run cannot be run.
    NotExecutable,
    /// 127: what was to be run was not found.
    NotFound,
    /// A signal ended it, by its number.
    Signal(u8),
    /// The kernel killed it, or a process of its, for lack of memory.
    OutOfMemory,
}

impl ExitCause {
    /// The cause that an exit code tells by itself.
    pub fn of(exit_code: i64) -> Self {
        match exit_code {
            126 => Self::NotExecutable,
            127 => Self::NotFound,
            129..=192 => u8::try_from(exit_code - 128).map_or(Self::Exited, Self::Signal),
            _ => Self::Exited,
        }
    }

    /// What it is in a few words; nothing for what ended by itself.
    pub fn words(self) -> Option<String> {
        match self {
            Self::Exited => None,
            Self::NotExecutable => Some("a program could not be executed".to_owned()),
            Self::NotFound => Some("a program was not found".to_owned()),
            Self::Signal(number) => Some(format!("signal {number} ended it")),
            Self::OutOfMemory => Some("the kernel killed a process for lack of memory".to_owned()),
        }
    }

    /// The cause of an exit code, given the word that [`as_str`](Self::as_str) had for it.
    pub(crate) fn from_report(word: Option<&str>, exit_code: i64) -> Self {
        if word == Some(Self::OutOfMemory.as_str()) {
            Self::OutOfMemory
        } else {
            Self::of(exit_code)
        }
    }

    /// One word for reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Exited => "exited",
            Self::NotExecutable => "not_executable",
            Self::NotFound => "not_found",
            Self::Signal(_) => "signal",
            Self::OutOfMemory => "out_of_memory",
        }
    }
}

/// A part of a job that has a time limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TimedPart {
    /// All of it.
    Job,
    /// What comes before the first step.
    Prepare,
    /// The steps together.
    Script,
    /// One step.
    Step,
    /// The after-script.
    AfterScript,
}

impl TimedPart {
    /// What it is called.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Job => "job",
            Self::Prepare => "preparation",
            Self::Script => "script",
            Self::Step => "step",
            Self::AfterScript => "after-script",
        }
    }

    /// The part with this name, as written by [`as_str`](Self::as_str).
    pub fn from_name(name: &str) -> Option<Self> {
        let all = [Self::Job, Self::Prepare, Self::Script, Self::Step, Self::AfterScript];
        all.into_iter().find(|part| part.as_str() == name)
    }

    /// Where its limit is set.
    fn hint(self) -> &'static str {
        match self {
            Self::Job => "give it more time with `timeout`, or set none to let it run",
            Self::Prepare => "give it more time with `prepare_timeout`",
            Self::Script => "give it more time with `script_timeout`",
            Self::Step => "give the step more time with its `timeout`",
            Self::AfterScript => "give it more time with `after_script_timeout`",
        }
    }
}

impl FailureReason {
    /// The reason in GitLab's word.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Script { .. } => "script_failure",
            Self::Timeout { .. } => "job_execution_timeout",
            Self::Canceled => "job_canceled",
            Self::Incomplete { .. } => "job_incomplete",
            Self::ImagePull { .. } => "image_pull_failure",
            Self::System { .. } => "runner_system_failure",
        }
    }

    /// Whether the same job may end otherwise when it is run again and nobody changes it.
    pub fn is_retryable(&self) -> bool {
        self.error().is_some_and(ExecutorError::is_retryable)
    }

    /// What went wrong, causes included, in one line. `None` when a script failed, as its output says
    /// why, and when the job was stopped.
    pub fn message(&self) -> Option<String> {
        match self {
            Self::Timeout { what, limit } => Some(timeout_message(what.as_str(), *limit)),
            Self::Incomplete { steps } => {
                Some(format!("the job ended before these steps had run: {}", steps.join(", ")))
            }
            Self::ImagePull { error } | Self::System { error } => Some(describe(&**error)),
            Self::Script { .. } | Self::Canceled => None,
        }
    }

    /// What a person can do about it, when that is known.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Timeout { what, .. } => Some(what.hint().to_owned()),
            Self::Incomplete { .. } => Some(
                "run every step before `finish`; a process that resumes a job passes on what ran \
                 before with `resume_with`"
                    .to_owned(),
            ),
            Self::ImagePull { error } | Self::System { error } => error.hint(),
            Self::Script { .. } | Self::Canceled => None,
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

/// Says that a part of a job, or a step by its name, took longer than its limit.
pub(crate) fn timeout_message(part: &str, limit: Duration) -> String {
    format!("the {part} took longer than {}", humantime::format_duration(limit))
}

impl From<ExecutorError> for FailureReason {
    fn from(error: ExecutorError) -> Self {
        match error {
            error @ (ExecutorError::ImagePull { .. }
            | ExecutorError::PullStalled { .. }
            | ExecutorError::ImageMissing { .. }
            | ExecutorError::ImagePlatform { .. }) => Self::ImagePull { error: Arc::new(error) },
            error => Self::System { error: Arc::new(error) },
        }
    }
}

/// How a step ended.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum StepOutcome {
    /// With exit code 0.
    Succeeded,
    /// Otherwise.
    Failed(FailureReason),
    /// It was not run: what came before did not ask for it.
    Skipped,
}

impl StepOutcome {
    /// One word for it.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Failed(_) => "failed",
            Self::Skipped => "skipped",
        }
    }

    /// Whether it was not run.
    pub fn is_skipped(&self) -> bool {
        matches!(self, Self::Skipped)
    }

    /// The exit code, when it ended by itself.
    pub fn exit_code(&self) -> Option<i64> {
        match self {
            Self::Succeeded => Some(0),
            Self::Failed(FailureReason::Script { exit_code, .. }) => Some(*exit_code),
            Self::Failed(_) | Self::Skipped => None,
        }
    }
}

/// What became of a step.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct StepResult {
    /// Its name.
    pub name: String,
    /// The container that it ran in.
    pub container: ContainerKind,
    /// How it ended.
    pub outcome: StepOutcome,
    /// Whether its failure leaves the job's outcome as it is.
    pub allow_failure: bool,
    /// How long it took.
    pub duration: Duration,
    /// How its log ended.
    pub log: LogEnd,
}

/// What became of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServiceResult {
    /// Its first alias.
    pub name: String,
    /// Its image.
    pub image: String,
    /// Whether the job found it ready.
    pub readiness: Readiness,
    /// How long that took.
    pub duration: Duration,
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
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
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
    /// A network.
    Network,
}

impl ObjectKind {
    /// One word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Container => "container",
            Self::Volume => "volume",
            Self::Network => "network",
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
