//! Why a job or a step failed.

use std::{error::Error, fmt, sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};

use super::kind::{ExitCauseKind, FailureKind};
use crate::{
    describe::describe,
    error::{ImageError, PrepareError, RunError, StepError, TransferError},
};

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

    /// The cause of an exit code of which a report says no more than this kind.
    pub(crate) fn from_kind(kind: Option<ExitCauseKind>, exit_code: i64) -> Self {
        if kind == Some(ExitCauseKind::OutOfMemory) {
            Self::OutOfMemory
        } else {
            Self::of(exit_code)
        }
    }

    /// The cause without its number, for reports.
    pub fn kind(self) -> ExitCauseKind {
        match self {
            Self::Exited => ExitCauseKind::Exited,
            Self::NotExecutable => ExitCauseKind::NotExecutable,
            Self::NotFound => ExitCauseKind::NotFound,
            Self::Signal(_) => ExitCauseKind::Signal,
            Self::OutOfMemory => ExitCauseKind::OutOfMemory,
        }
    }

    /// One word for reports.
    pub fn as_str(self) -> &'static str {
        self.kind().as_str()
    }
}

/// A part of a job that has a time limit. A report has the words of [`as_str`](Self::as_str).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum TimedPart {
    /// All of it.
    Job,
    /// What comes before the first step.
    #[serde(rename = "preparation")]
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
    /// The reason without its details, as in reports.
    pub fn kind(&self) -> FailureKind {
        match self {
            Self::Script { .. } => FailureKind::ScriptFailure,
            Self::Timeout { .. } => FailureKind::JobExecutionTimeout,
            Self::Canceled => FailureKind::JobCanceled,
            Self::Incomplete { .. } => FailureKind::JobIncomplete,
            Self::ImagePull { .. } => FailureKind::ImagePullFailure,
            Self::System { .. } => FailureKind::RunnerSystemFailure,
        }
    }

    /// The reason in GitLab's word.
    pub fn as_str(&self) -> &'static str {
        self.kind().as_str()
    }

    /// The exit code of the script or program that failed.
    pub fn exit_code(&self) -> Option<i64> {
        match self {
            Self::Script { exit_code, .. } => Some(*exit_code),
            _ => None,
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

/// What went wrong, on one line; [`Error::source`] has the causes of an error.
impl fmt::Display for FailureReason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Script { exit_code, cause } => {
                write!(formatter, "the script failed with exit code {exit_code}")?;
                cause.words().map_or(Ok(()), |words| write!(formatter, ": {words}"))
            }
            Self::Canceled => formatter.write_str("the job was stopped"),
            Self::ImagePull { error } | Self::System { error } => error.fmt(formatter),
            Self::Timeout { .. } | Self::Incomplete { .. } => {
                formatter.write_str(&self.message().unwrap_or_default())
            }
        }
    }
}

impl Error for FailureReason {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.error().and_then(Error::source)
    }
}

/// Errors are equal if their words are, causes included: what they hold cannot be compared.
impl PartialEq for FailureReason {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (
                Self::Script { exit_code, cause },
                Self::Script { exit_code: other_code, cause: other_cause },
            ) => exit_code == other_code && cause == other_cause,
            (
                Self::Timeout { what, limit },
                Self::Timeout { what: other_what, limit: other_limit },
            ) => what == other_what && limit == other_limit,
            (Self::Incomplete { steps }, Self::Incomplete { steps: others }) => steps == others,
            _ => self.kind() == other.kind() && self.message() == other.message(),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_compared_by_what_they_say() {
        let script =
            |exit_code| FailureReason::Script { exit_code, cause: ExitCause::of(exit_code) };
        let system =
            |words: &str| FailureReason::from(RunError::Panicked { message: words.to_owned() });
        assert_eq!(script(2), script(2));
        assert_ne!(script(2), script(3));
        assert_eq!(system("a"), system("a"));
        assert_ne!(system("a"), system("b"));
        assert_ne!(script(2), FailureReason::Canceled);
    }

    #[test]
    fn a_reason_is_an_error_whose_chain_repeats_nothing() {
        let reason = FailureReason::Script { exit_code: 137, cause: ExitCause::OutOfMemory };
        assert_eq!(
            reason.to_string(),
            "the script failed with exit code 137: the kernel killed a process for lack of memory"
        );
        let reason = FailureReason::from(RunError::Panicked { message: "boom".to_owned() });
        assert_eq!(Some(describe(&reason)), reason.message());
    }
}
