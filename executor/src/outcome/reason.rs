//! Why a job or a step failed.

use std::{sync::Arc, time::Duration};

use crate::{ImageError, PrepareError, RunError, StepError, TransferError, describe};

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
        error: Arc<RunError>,
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
        error: Arc<RunError>,
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
        self.error().is_some_and(RunError::is_retryable)
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
    pub fn error(&self) -> Option<&RunError> {
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

impl From<RunError> for FailureReason {
    fn from(error: RunError) -> Self {
        let is_of_image = matches!(error, RunError::Image(_));
        let error = Arc::new(error);
        if is_of_image { Self::ImagePull { error } } else { Self::System { error } }
    }
}

impl From<ImageError> for FailureReason {
    fn from(error: ImageError) -> Self {
        RunError::from(error).into()
    }
}

impl From<PrepareError> for FailureReason {
    fn from(error: PrepareError) -> Self {
        RunError::from(error).into()
    }
}

impl From<StepError> for FailureReason {
    fn from(error: StepError) -> Self {
        RunError::from(error).into()
    }
}

impl From<TransferError> for FailureReason {
    fn from(error: TransferError) -> Self {
        RunError::from(error).into()
    }
}
