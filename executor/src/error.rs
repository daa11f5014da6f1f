//! What is wrong with a job before it starts, and what kept us from telling how it ended.

use std::error::Error;

use docker_api_trait::{ApiError, ImageReference};
use volume_manager::{PlanError, VolumeError};

/// Why a job cannot be planned. Nothing was started; no request was sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JobError {
    /// There is no program to run.
    #[error("there is no program to run")]
    EmptyProgram,
    /// A script is too long.
    #[error("the script has {bytes} bytes, more than {limit}")]
    LongScript {
        /// Its length in bytes.
        bytes: usize,
        /// The longest that is taken, in bytes.
        limit: usize,
    },
    /// A step has no script and no program, or both.
    #[error("the step {step:?} must have either a script or a command")]
    StepCommand {
        /// The step's name.
        step: String,
    },
    /// NUL cannot be in a program's arguments.
    #[error("the script has a NUL character in it")]
    NulInCommand,
    /// An environment variable is malformed.
    #[error("the environment variable {name:?} is malformed: {problem}")]
    Variable {
        /// Its name, or the whole text when it has none.
        name: String,
        /// What is wrong.
        problem: &'static str,
    },
    /// The project has no name.
    #[error("the project's name is empty")]
    EmptyProject,
    /// The run's id cannot be part of a container's name.
    #[error("the run's id may only hold letters and digits of ASCII, `_`, `.` and `-`")]
    RunId,
    /// The job cannot have the volumes that it asks for.
    #[error(transparent)]
    Volumes(#[from] PlanError),
}

impl JobError {
    /// What a person can do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::EmptyProgram => "give a script such as 'make test', or a program and its \
                                   arguments"
                .to_owned(),
            Self::LongScript { .. } => {
                "keep the script in the project and run it from there".to_owned()
            }
            Self::StepCommand { .. } => {
                "give `script`, a text or lines, or `command`, a list of words".to_owned()
            }
            Self::NulInCommand => {
                "write binary data to a file and mount or download it instead".to_owned()
            }
            Self::Variable { .. } => "write it as NAME=value".to_owned(),
            Self::EmptyProject => {
                "name the project; its caches are found again under that name".to_owned()
            }
            Self::RunId => "draw it with `RunContext::draw`".to_owned(),
            Self::Volumes(error) => error.hint(),
        }
    }
}

/// Why it cannot be told how a job would have ended, or why it could not begin.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExecutorError {
    /// The engine did not do what it was asked for.
    #[error(transparent)]
    Engine(#[from] ApiError),
    /// The volumes could not be made ready.
    #[error(transparent)]
    Volumes(#[from] VolumeError),
    /// The engine does not have the image, and could not pull it.
    #[error("the image {image} is not on the engine and could not be pulled")]
    ImagePull {
        /// The image.
        image: ImageReference,
        /// The cause.
        source: ApiError,
    },
    /// The engine runs containers of another system.
    #[error("the engine runs {os} containers, not Linux ones")]
    UnsupportedSystem {
        /// The system, in the engine's word.
        os: String,
    },
    /// The container could not be started: as a rule its image has no such program.
    #[error("the container could not be started")]
    Start {
        /// The cause.
        source: ApiError,
    },
    /// The container went away, or the engine did, and nobody can say how the job ended.
    #[error("the container was lost while the script ran: {detail}")]
    ContainerLost {
        /// What was seen.
        detail: String,
    },
}

impl ExecutorError {
    /// What a person can do about it, when that is known.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Engine(error) => error.hint().map(str::to_owned),
            Self::Volumes(error) => error.hint(),
            Self::ImagePull { .. } => Some(
                "check the image's name and the network, or put it on the engine with `docker \
                 pull`, `docker load` or `docker import`"
                    .to_owned(),
            ),
            Self::UnsupportedSystem { .. } => {
                Some("switch the engine to Linux containers".to_owned())
            }
            Self::Start { .. } => Some(
                "a script needs `sh` in the image; without a shell, give a program and its \
                 arguments as separate words"
                    .to_owned(),
            ),
            Self::ContainerLost { .. } => Some(
                "somebody may have removed it, or the engine restarted: run the job again"
                    .to_owned(),
            ),
        }
    }
}

impl ExecutorError {
    /// The error without these texts in the engine's words: it repeats the options of a volume that
    /// it cannot mount.
    pub(crate) fn redacted(self, secrets: &[&str]) -> Self {
        let redact = |error: ApiError| error.redacted(secrets.iter().copied());
        match self {
            Self::Engine(error) => Self::Engine(redact(error)),
            Self::Start { source } => Self::Start { source: redact(source) },
            other => other,
        }
    }
}

/// An error and its causes on one line; a cause that only repeats what was said is left out.
pub fn describe(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(current) = cause {
        let words = current.to_string();
        if !text.ends_with(&words) {
            text.push_str(": ");
            text.push_str(&words);
        }
        cause = current.source();
    }
    text.replace(['\n', '\r'], " ")
}
