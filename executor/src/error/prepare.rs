//! Why a job, or a step's container, could not be prepared.

use docker_api_trait::ApiError;
use volume_manager::{VolumeError, VolumeKind};

use crate::{RefusalCause, log::MaskError};

/// Why volumes, networks or containers could not be prepared.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PrepareError {
    /// The engine did not do what it was asked for.
    #[error(transparent)]
    Engine(ApiError),
    /// The engine's host has no room left.
    #[error("the engine's host has no room left")]
    DiskFull {
        /// The cause.
        source: ApiError,
    },
    /// An object that the job did not create has a name that the job needs; it is left alone.
    #[error("the name {name} is taken")]
    NameTaken {
        /// The name.
        name: String,
        /// The cause.
        source: ApiError,
    },
    /// The job's own network could not be created.
    #[error("the job's network could not be created")]
    Network {
        /// The cause.
        source: ApiError,
    },
    /// The volumes could not be prepared.
    #[error(transparent)]
    Volumes(VolumeError),
    /// The engine runs containers of another operating system.
    #[error("the engine runs {os} containers, not Linux ones")]
    UnsupportedSystem {
        /// The system, in the engine's word.
        os: String,
    },
    /// The container could not be started, in most cases because its image has no such program.
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
    /// Another program removed the container.
    #[error("the container {container} was removed by another program")]
    ContainerVanished {
        /// Its name.
        container: String,
    },
    /// Another program removed the run's own network before a container was in it.
    #[error("the run's network {network} was removed by another program")]
    NetworkVanished {
        /// Its name.
        network: String,
    },
    /// Another program deleted a volume's directory on the engine's host. The engine still has the
    /// volume, and nothing to mount: no container starts with it until the volume is removed.
    #[error("the directory of the volume {volume} is missing on the engine's host")]
    VolumeLost {
        /// Its name.
        volume: String,
        /// What it is: a cache, a temporary volume, or one that the user created.
        kind: VolumeKind,
        /// The cause.
        source: ApiError,
    },
    /// The job's secrets cannot be searched for in its log.
    #[error(transparent)]
    Mask(#[from] MaskError),
}

impl PrepareError {
    /// Returns what a person can do about it, when that is known.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Engine(source) | Self::DiskFull { source } => source.hint().map(str::to_owned),
            Self::NameTaken { .. } => Some(
                "a plan is for one run: plan the job again; if that does not help, another program \
                 creates objects with Berth's names"
                    .to_owned(),
            ),
            Self::Network { source } => source.hint().map(str::to_owned).or_else(|| {
                Some(
                    "engines have room for some thirty networks, and for IPv6 as a rule none: \
                     remove unused ones, leave out enable_ipv6, or give the engine more \
                     `default-address-pools`"
                        .to_owned(),
                )
            }),
            Self::Volumes(error) => error.hint(),
            Self::UnsupportedSystem { .. } => {
                Some("switch the engine to Linux containers".to_owned())
            }
            Self::Start { source } if source.is_unknown_user() => source.hint().map(str::to_owned),
            Self::Start { source } if !source.names_a_program() => None,
            Self::Start { .. } => Some(
                "a script needs `sh` in the image; without a shell, give a program and its \
                 arguments as separate words"
                    .to_owned(),
            ),
            Self::Refused { cause, .. } => cause.hint().map(str::to_owned),
            Self::ContainerVanished { .. } => Some(super::HINT_ABOUT_PRUNING.to_owned()),
            Self::NetworkVanished { .. } => Some(
                "find out what prunes networks on this engine, and exclude those with labels that \
                 begin with dev.berth.; run the job again"
                    .to_owned(),
            ),
            Self::VolumeLost { volume, kind, .. } => Some(hint_about_volume(volume, *kind)),
            Self::Mask(error) => Some(error.hint().to_owned()),
        }
    }

    /// Whether the same job may succeed when it is run again unchanged: the engine, the network or
    /// another program was at fault.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Engine(error) | Self::Network { source: error } => error.is_transient(),
            Self::Volumes(VolumeError::Engine { source, .. }) => source.is_transient(),
            Self::NameTaken { .. }
            | Self::ContainerVanished { .. }
            | Self::NetworkVanished { .. } => true,
            Self::Refused { cause, .. } => cause.is_retryable(),
            // It is removed with the run, and the next run has another.
            Self::VolumeLost { kind, .. } => *kind == VolumeKind::Temporary,
            Self::Volumes(_)
            | Self::DiskFull { .. }
            | Self::UnsupportedSystem { .. }
            | Self::Start { .. }
            | Self::Mask(_) => false,
        }
    }
}

impl From<ApiError> for PrepareError {
    fn from(error: ApiError) -> Self {
        if error.is_disk_full() { Self::DiskFull { source: error } } else { Self::Engine(error) }
    }
}

impl From<VolumeError> for PrepareError {
    fn from(error: VolumeError) -> Self {
        match error {
            VolumeError::Engine { source, .. } if source.is_disk_full() => {
                Self::DiskFull { source }
            }
            error => Self::Volumes(error),
        }
    }
}

/// Returns the remedy for a volume of this kind whose directory is missing.
fn hint_about_volume(volume: &str, kind: VolumeKind) -> String {
    match kind {
        VolumeKind::Temporary => {
            "find out what deletes directories of volumes on the engine's host; the next \
                        run creates its own volume"
                .to_owned()
        }
        VolumeKind::Cache => format!(
            "its content is lost: `berth volumes rm {volume}`, and the next run creates it again; \
             the setting `rebuild_caches` does both"
        ),
        _ => format!(
            "its content is lost: `docker volume rm {volume}`, and the next run creates it again"
        ),
    }
}
