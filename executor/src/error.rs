//! What keeps the executor from learning how a job ended.

use std::{sync::Arc, time::Duration};

use docker_api_trait::{ApiError, ImageReference};
use volume_manager::VolumeError;

use crate::{BrokenCredentials, MaskError, PullFault, RefusalCause, WorkspaceError};

/// Why it cannot be told how a job would have ended, or why it could not begin.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExecutorError {
    /// The engine did not do what it was asked for.
    #[error(transparent)]
    Engine(ApiError),
    /// The engine's host has no room left.
    #[error("the engine's host has no room left")]
    DiskFull {
        /// The cause.
        source: ApiError,
    },
    /// Somebody else's object has a name that the job needs; it is left alone.
    #[error("the name {name} is taken")]
    NameTaken {
        /// The name.
        name: String,
        /// The cause.
        source: ApiError,
    },
    /// Contact with the engine was lost while a step ran, and its container ended with that: as a
    /// rule the engine was started anew. How the step would have ended is not known.
    #[error(
        "the engine was away while the step ran, and the container {container} ended with that"
    )]
    Interrupted {
        /// The container's name.
        container: String,
    },
    /// The engine answers no more while a step runs.
    #[error("the engine does not answer any more while the step runs")]
    EngineLost {
        /// How the last attempt to reach it ended.
        source: ApiError,
    },
    /// Code that belongs to the job's caller panicked: its sink, or its observer.
    #[error("the job's own code panicked: {message}")]
    Panicked {
        /// What it said.
        message: String,
    },
    /// The job's own network could not be made.
    #[error("the job's network could not be made")]
    Network {
        /// The cause.
        source: ApiError,
    },
    /// The volumes could not be made ready.
    #[error(transparent)]
    Volumes(VolumeError),
    /// An image could not be pulled.
    #[error("the image {image} could not be pulled")]
    ImagePull {
        /// The image.
        image: ImageReference,
        /// What kind of failure it is.
        fault: PullFault,
        /// The cause.
        source: Arc<ApiError>,
        /// The sources of credentials that could not be used.
        broken_credentials: Vec<BrokenCredentials>,
    },
    /// A pull said nothing new for too long, and was given up.
    #[error("the pull of the image {image} said nothing new for {} s", .after.as_secs())]
    PullStalled {
        /// The image.
        image: ImageReference,
        /// How long was waited.
        after: Duration,
    },
    /// The engine does not have the image, and may not pull it.
    #[error("the image {image} is not on the engine, and the pull policy is `never`")]
    ImageMissing {
        /// The image.
        image: ImageReference,
    },
    /// The engine has the image for another platform, and may not pull it.
    #[error(
        "the image {image} is on the engine for {}, not for {wanted}, and the pull policy is `never`",
        .found.as_deref().unwrap_or("another platform")
    )]
    ImagePlatform {
        /// The image.
        image: ImageReference,
        /// The platform that was asked for.
        wanted: String,
        /// The platform that the engine has it for, if it says so.
        found: Option<String>,
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
    /// The engine refused to create or start a container, for a reason that is known.
    #[error("{cause}")]
    Refused {
        /// The reason.
        cause: RefusalCause,
        /// The engine's reply.
        source: ApiError,
    },
    /// The image has no shell for a script.
    #[error("the image {image} has no shell to run a script with: {detail}")]
    NoShell {
        /// The image.
        image: ImageReference,
        /// What was seen.
        detail: String,
    },
    /// Somebody else removed the container while a step ran, or before.
    #[error("the container {container} was removed by somebody else")]
    ContainerVanished {
        /// Its name.
        container: String,
    },
    /// Somebody else removed the run's own network before a container was in it.
    #[error("the run's network {network} was removed by somebody else")]
    NetworkVanished {
        /// Its name.
        network: String,
    },
    /// Somebody deleted a volume's folder on the engine's host. The engine still has the volume, and
    /// nothing to mount: no container starts with it until the volume is removed.
    #[error("the folder of the volume {volume} is not on the engine's host any more")]
    VolumeLost {
        /// Its name.
        volume: String,
        /// What it is: `cache`, `temporary` or `named`.
        kind: &'static str,
        /// The cause.
        source: ApiError,
    },
    /// The job's secrets cannot be searched for in its log.
    #[error(transparent)]
    Mask(#[from] MaskError),
    /// Files of the project could not be taken in, or artifacts not be had.
    #[error(transparent)]
    Workspace(#[from] WorkspaceError),
    /// Files are to come and go, and the job names no folder for them.
    #[error("the job has no build folder")]
    NoBuildFolder,
    /// Files of the project are put in order by a script, and the job has no shell.
    #[error("files of a project can only be brought to a job that has a script")]
    WorkspaceWithoutShell,
    /// The build folder could not be put in order.
    #[error("the build folder could not be put in order (exit code {code}): {words}")]
    BuildFolder {
        /// The exit code.
        code: i64,
        /// What was written.
        words: String,
    },
    /// There is no such step in the plan.
    #[error("the job has no step named {step:?}")]
    UnknownStep {
        /// The name.
        step: String,
    },
    /// The progress that was passed on belongs to another run than the plan.
    #[error("the progress is of the run {progress}, the plan is for the run {plan}")]
    OtherRun {
        /// The run of the progress.
        progress: String,
        /// The run of the plan.
        plan: String,
    },
    /// A step failed in an earlier process.
    #[error("{message}")]
    Earlier {
        /// What that process reported.
        message: String,
    },
    /// The run's containers are not there, so that it cannot be carried on.
    #[error("the run {run} cannot be carried on: its container {container} is not running")]
    NotPrepared {
        /// The run.
        run: String,
        /// The container's name.
        container: String,
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
            Self::Engine(error) | Self::EngineLost { source: error } => {
                error.hint().map(str::to_owned)
            }
            Self::DiskFull { source } => source.hint().map(str::to_owned),
            Self::NameTaken { .. } => Some(
                "a plan is for one run: plan the job again; if that does not help, somebody makes \
                 objects with Berth's names"
                    .to_owned(),
            ),
            Self::Interrupted { .. } => Some(
                "run the job again; with `live-restore` in its configuration an engine leaves \
                 containers running while it restarts"
                    .to_owned(),
            ),
            Self::Panicked { .. } => {
                Some("the job's sink and observer must not panic; the backtrace is above".to_owned())
            }
            Self::Network { source } => source.hint().map(str::to_owned).or_else(|| {
                Some(
                    "engines have room for some thirty networks, and for IPv6 as a rule none: \
                     remove unused ones, leave out enable_ipv6, or give the engine more \
                     `default-address-pools`"
                        .to_owned(),
                )
            }),
            Self::Volumes(error) => error.hint(),
            Self::ImagePull { fault: PullFault::Refused, broken_credentials: broken, .. }
                if !broken.is_empty() =>
            {
                Some(hint_about_credentials(broken))
            }
            Self::ImagePull { .. } => Some(
                "check the image's name and the network, or put it on the engine with `docker \
                 pull`, `docker load` or `docker import`"
                    .to_owned(),
            ),
            Self::PullStalled { .. } => Some(
                "look at the network between engine and registry, or pull the image by hand"
                    .to_owned(),
            ),
            Self::ImageMissing { .. } => {
                Some("put it on the engine by hand, or allow another pull policy".to_owned())
            }
            Self::ImagePlatform { image, wanted, found } => {
                Some(hint_about_platform(image, wanted, found.as_deref()))
            }
            Self::NoShell { .. } => Some(
                "use an image with `sh` in its `PATH`; an `entrypoint` of the job must run its \
                 arguments. A step with a `command` instead of a `script` needs no shell"
                    .to_owned(),
            ),
            Self::ContainerVanished { .. } => Some(
                "find out who prunes containers on this engine; ours carry labels that begin with \
                 dev.berth."
                    .to_owned(),
            ),
            Self::NetworkVanished { .. } => Some(
                "find out who prunes networks on this engine, and leave out what carries labels \
                 that begin with dev.berth.; run the job again"
                    .to_owned(),
            ),
            Self::VolumeLost { volume, kind, .. } => Some(hint_about_volume(volume, kind)),
            Self::Mask(error) => Some(error.hint().to_owned()),
            Self::Workspace(error) => error.hint().map(str::to_owned),
            Self::NoBuildFolder => Some("give the job a `build` folder".to_owned()),
            Self::WorkspaceWithoutShell => {
                Some("make one of its steps a script, or mount the folder instead".to_owned())
            }
            Self::BuildFolder { .. } => Some(
                "the image's user may not be allowed to write there; the image needs `sh`, `rm` and \
                 `stat`"
                    .to_owned(),
            ),
            Self::UnknownStep { .. } => Some("its steps are in its plan".to_owned()),
            Self::OtherRun { .. } => {
                Some("keep a run's plan and its progress together".to_owned())
            }
            Self::Earlier { .. } => None,
            Self::NotPrepared { .. } => {
                Some("prepare the job again; a plan is for one run".to_owned())
            }
            Self::UnsupportedSystem { .. } => {
                Some("switch the engine to Linux containers".to_owned())
            }
            Self::Start { source } if source.is_unknown_user() => source.hint().map(str::to_owned),
            Self::Refused { cause, .. } => cause.hint().map(str::to_owned),
            Self::Start { source } if !names_a_program(source) => None,
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

/// The remedy for a volume of this kind whose directory is missing.
fn hint_about_volume(volume: &str, kind: &str) -> String {
    match kind {
        "temporary" => {
            "find out what deletes directories of volumes on the engine's host; the next \
                        run makes its own volume"
                .to_owned()
        }
        "cache" => format!(
            "its content is lost: `berth volumes rm {volume}`, and the next run creates it again; \
             `--rebuild-caches` does both"
        ),
        _ => format!(
            "its content is lost: `docker volume rm {volume}`, and the next run creates it again"
        ),
    }
}

impl From<ApiError> for ExecutorError {
    /// Of what an engine answers, what has a remedy of its own is told apart.
    fn from(error: ApiError) -> Self {
        if error.is_disk_full() { Self::DiskFull { source: error } } else { Self::Engine(error) }
    }
}

impl From<VolumeError> for ExecutorError {
    fn from(error: VolumeError) -> Self {
        match error {
            VolumeError::Engine { source, .. } if source.is_disk_full() => {
                Self::DiskFull { source }
            }
            error => Self::Volumes(error),
        }
    }
}

impl ExecutorError {
    /// Whether the same job may succeed when it is run again and nobody changes it: the engine, the
    /// network or somebody else was at fault.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Engine(error) | Self::Network { source: error } => error.is_transient(),
            Self::Volumes(error) => match error {
                VolumeError::Engine { source, .. } => source.is_transient(),
                _ => false,
            },
            // An engine answers 500 to whatever its registry refuses: that says nothing.
            Self::ImagePull { fault, source, .. } => match fault {
                PullFault::Refused => false,
                PullFault::Transient => true,
                PullFault::Other => source.is_transient() && !source.is_disk_full(),
            },
            Self::NameTaken { .. }
            | Self::Interrupted { .. }
            | Self::EngineLost { .. }
            | Self::PullStalled { .. }
            | Self::ContainerVanished { .. }
            | Self::NetworkVanished { .. }
            | Self::ContainerLost { .. }
            | Self::NotPrepared { .. } => true,
            Self::Refused { cause, .. } => cause.is_retryable(),
            // It goes with the run, and the next one has another.
            Self::VolumeLost { kind, .. } => *kind == "temporary",
            Self::DiskFull { .. }
            | Self::Panicked { .. }
            | Self::ImageMissing { .. }
            | Self::ImagePlatform { .. }
            | Self::UnsupportedSystem { .. }
            | Self::Start { .. }
            | Self::NoShell { .. }
            | Self::Mask(_)
            | Self::Workspace(_)
            | Self::NoBuildFolder
            | Self::WorkspaceWithoutShell
            | Self::BuildFolder { .. }
            | Self::UnknownStep { .. }
            | Self::OtherRun { .. }
            | Self::Earlier { .. } => false,
        }
    }
}

/// What to do when a registry refuses and some credentials could not be read.
fn hint_about_credentials(broken: &[BrokenCredentials]) -> String {
    let broken: Vec<_> = broken.iter().map(|one| format!("{} ({})", one.why, one.hint)).collect();
    format!("the registry may want credentials that could not be read: {}", broken.join("; "))
}

/// What to do when the engine has an image for another platform.
fn hint_about_platform(image: &ImageReference, wanted: &str, found: Option<&str>) -> String {
    let other = found.map_or_else(
        || "ask for no platform".to_owned(),
        |found| format!("ask for the platform {found}"),
    );
    format!(
        "pull it with `docker pull --platform {wanted} {image}`, allow another pull policy, or {other}"
    )
}

/// Whether an engine that did not start a container says that a program is missing or cannot be run.
fn names_a_program(refused: &ApiError) -> bool {
    let words = refused.to_string();
    ["exec: \"", "executable file", "command not found", "command that was not found"]
        .iter()
        .any(|needle| words.contains(needle))
}
