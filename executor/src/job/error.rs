//! What is wrong with a job before it starts.

use volume_manager::{ContainerPath, PathProblem, PlanError, SpecError};

use crate::image::{AllowError, PullPolicyError};

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
    /// An entrypoint of several words names no program.
    #[error("the first word of the entrypoint for the image {image} is empty")]
    Entrypoint {
        /// The image.
        image: String,
    },
    /// An environment variable is malformed.
    #[error("the environment variable {name:?} is malformed: {problem}")]
    Variable {
        /// Its name, or the whole text when it has none.
        name: String,
        /// What is wrong.
        problem: &'static str,
    },
    /// A variable is longer than Linux allows a program's variable to be.
    #[error(
        "the variable {name} has {bytes} bytes with its name, and a program can be given {limit}"
    )]
    LongVariable {
        /// Its name.
        name: String,
        /// How many bytes `NAME=value` has, with the NUL at its end.
        bytes: usize,
        /// How many it may have.
        limit: usize,
    },
    /// All variables together are longer than Linux allows a program's environment to be.
    #[error("the variables have {bytes} bytes in all, and a program can be given {limit}")]
    LongEnvironment {
        /// How many bytes they have.
        bytes: usize,
        /// How many they may have.
        limit: usize,
    },
    /// An argument of a program is longer than Linux allows.
    #[error("an argument has {bytes} bytes, and a program can be given {limit} in one")]
    LongArgument {
        /// How many bytes it has, with the NUL at its end.
        bytes: usize,
        /// How many it may have.
        limit: usize,
    },
    /// The project has no name.
    #[error("the project's name is empty")]
    EmptyProject,
    /// The run's id cannot be part of a container's name.
    #[error("the run's id may only hold letters and digits of ASCII, `_`, `.` and `-`")]
    RunId,
    /// No step has anything to run.
    #[error("the job has nothing to run: every script is empty")]
    NothingToRun,
    /// A step cannot have its name.
    #[error("the step cannot be named {name:?}: {problem}")]
    StepName {
        /// The name.
        name: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A variable that is put into something has no value.
    #[error("the {what} has the variable {name} in it, which is not defined")]
    UndefinedVariable {
        /// What it is put into.
        what: &'static str,
        /// The variable.
        name: String,
    },
    /// A secret would become part of a name, a label or a path, where everybody can read it.
    #[error("the {what} has the masked variable {name} in it")]
    MaskedVariable {
        /// What it is put into.
        what: &'static str,
        /// The variable.
        name: String,
    },
    /// The working directory is not a valid path in a container.
    #[error("the working directory {folder:?} {problem}")]
    WorkingDirectory {
        /// The directory, variables expanded.
        folder: String,
        /// What is wrong with it.
        problem: PathProblem,
    },
    /// The working directory is the kernel's: through `/proc/self/fd`, runtimes have let containers out
    /// into their host (CVE-2024-21626).
    #[error("{folder} cannot be the working directory")]
    ReservedWorkingDirectory {
        /// The directory, in its canonical form.
        folder: ContainerPath,
    },
    /// A cache's path is more than a path.
    #[error("the path {path:?} of a cache has a source or options")]
    CachePath {
        /// The path.
        path: String,
    },
    /// A label would pass for one of ours.
    #[error("the label {key:?} begins with `dev.berth.`, which is ours")]
    ReservedLabel {
        /// The label's key.
        key: String,
    },
    /// A service's alias is no host name.
    #[error("the alias {alias:?} of a service is no host name")]
    Alias {
        /// The alias.
        alias: String,
    },
    /// The job has more services than it may.
    #[error("the job has {services} services, and {limit} are allowed")]
    TooManyServices {
        /// How many it has.
        services: usize,
        /// How many it may have.
        limit: usize,
    },
    /// Services need a network in which the job reaches them.
    #[error("the job has services, but in the network mode {mode:?} it cannot reach them")]
    ServicesWithoutNetwork {
        /// The configuration's network mode.
        mode: String,
    },
    /// An image or user that the job may not have.
    #[error(transparent)]
    NotAllowed(#[from] AllowError),
    /// No pull policy is left that the job may have.
    #[error(transparent)]
    PullPolicy(#[from] PullPolicyError),
    /// A volume's spec cannot be read.
    #[error(transparent)]
    Spec(#[from] SpecError),
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
            Self::Entrypoint { .. } => {
                "name a program first, or leave the entrypoint out".to_owned()
            }
            Self::Variable { .. } => "write it as NAME=value".to_owned(),
            Self::LongVariable { .. } | Self::LongEnvironment { .. } => {
                "give large values to the job as files: `file = true` for a variable, or \
                 `secret_file`"
                    .to_owned()
            }
            Self::LongArgument { .. } => {
                "write it to a file, or use a script instead of a command".to_owned()
            }
            Self::EmptyProject => {
                "name the project; its caches are found again under that name".to_owned()
            }
            Self::RunId => "draw it with `RunContext::draw`".to_owned(),
            Self::NothingToRun => "give at least one step a script or a command".to_owned(),
            Self::StepName { .. } => {
                "give each step a name of its own, without line breaks, other \
                                      than after_script"
                    .to_owned()
            }
            Self::UndefinedVariable { .. } => {
                "give the variable a value, or write $$ for a dollar".to_owned()
            }
            Self::MaskedVariable { .. } => {
                "names, labels and paths are open to all: use a variable that is no secret"
                    .to_owned()
            }
            Self::WorkingDirectory { .. } | Self::ReservedWorkingDirectory { .. } => {
                "give an absolute path in the container, such as /builds/app".to_owned()
            }
            Self::CachePath { .. } => {
                "write the path alone; `policy = \"pull\"` makes a cache read-only".to_owned()
            }
            Self::ReservedLabel { .. } => "give the label another name".to_owned(),
            Self::Alias { .. } => "use letters and digits of ASCII, `-`, `_` and `.`".to_owned(),
            Self::TooManyServices { .. } => {
                "use fewer services, or raise services_limit in the configuration".to_owned()
            }
            Self::ServicesWithoutNetwork { .. } => {
                "leave network_mode out of the configuration, or \
                                                    name a network there"
                    .to_owned()
            }
            Self::NotAllowed(error) => error.hint(),
            Self::PullPolicy(error) => error.hint(),
            Self::Spec(error) => error.hint().to_owned(),
            Self::Volumes(error) => error.hint(),
        }
    }
}
