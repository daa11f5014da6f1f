//! What can go wrong: before anything is asked of an engine, and after.

use docker_api_trait::{ApiError, VolumeName};

use crate::{ContainerPath, HostPath, VolumeField};

/// Why a job cannot have the volumes that it asks for. Nothing was made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PlanError {
    /// Two specs want the same destination.
    #[error("the destination {destination} is taken twice, by {first:?} and by {second:?}")]
    DestinationTaken {
        /// The destination, in its canonical form.
        destination: ContainerPath,
        /// The spec that came first.
        first: String,
        /// The spec that wants it, too.
        second: String,
    },
    /// The destination is the kernel's.
    #[error("nothing can be mounted at {destination}")]
    ReservedDestination {
        /// The destination.
        destination: ContainerPath,
    },
    /// The source is a volume of Berth's own, by its name.
    #[error("the volume name {name} is reserved")]
    ReservedName {
        /// The name.
        name: VolumeName,
    },
    /// The source is a path of the host, which the policy does not allow.
    #[error("the host's path {path} may not be mounted at {destination}")]
    HostPathRefused {
        /// The path.
        path: HostPath,
        /// Where it was to be mounted.
        destination: ContainerPath,
    },
}

impl PlanError {
    /// What a person can do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::DestinationTaken { .. } => "give each volume a destination of its own".to_owned(),
            Self::ReservedDestination { .. } => {
                "/proc, /sys and /dev are the kernel's; choose another folder".to_owned()
            }
            Self::ReservedName { .. } => {
                "names that begin with `berth-` are for caches; ask for a cache by its \
                 destination alone"
                    .to_owned()
            }
            Self::HostPathRefused { destination, .. } => format!(
                "use {destination} alone for a cache, or allow host paths with allow_host_paths"
            ),
        }
    }
}

/// Why volumes could not be made ready. Nothing may be mounted then.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VolumeError {
    /// The engine did not do what it was asked for.
    #[error("the volume {volume} is not ready")]
    Engine {
        /// The volume.
        volume: VolumeName,
        /// The cause.
        source: ApiError,
    },
    /// A volume has the name, but is not what was asked for: a stranger's, or one with options
    /// that make it something else.
    #[error("the volume {volume} is not ours: {field} is {found:?}, not {expected:?}")]
    Mismatch {
        /// The volume.
        volume: VolumeName,
        /// What differs.
        field: VolumeField,
        /// What was asked for.
        expected: String,
        /// What the volume has.
        found: String,
    },
}

impl VolumeError {
    /// What a person can do about it, when that is known.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Engine { source, .. } => source.hint().map(str::to_owned),
            Self::Mismatch { volume, .. } => Some(format!(
                "look at it with `docker volume inspect {volume}`; if nobody needs it, \
                 `docker volume rm {volume}`"
            )),
        }
    }
}
