//! Why a job cannot have the volumes that it asks for.

use docker_api_trait::VolumeName;

use crate::{
    path::{ContainerPath, PathProblem},
    spec::SpecOrigin,
};

/// Why a job cannot have the volumes that it asks for. Nothing was made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PlanError {
    /// Two things want the same destination.
    #[error("the destination {destination} is taken twice, by {first:?} and by {second:?}")]
    DestinationTaken {
        /// The destination, in its canonical form.
        destination: ContainerPath,
        /// The spec that came first, in its canonical form.
        first: String,
        /// The spec that wants it, too.
        second: String,
    },
    /// The destination is the system's.
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
    /// The source is a path or a named pipe of the host, which the policy does not allow.
    #[error("the host's {path} may not be mounted at {destination}")]
    HostPathRefused {
        /// The path.
        path: String,
        /// Where it was to be mounted.
        destination: ContainerPath,
    },
    /// The source is an engine's socket, or a folder around one, which the policy does not allow.
    #[error("the host's {path}, with an engine's socket, may not be mounted at {destination}")]
    EngineSocketRefused {
        /// The path.
        path: String,
        /// Where it was to be mounted.
        destination: ContainerPath,
        /// Who asked for it.
        origin: SpecOrigin,
    },
    /// Through the source, an engine's socket or a folder around one is reached, which the policy does
    /// not allow.
    #[error(
        "the host's {path}, through which {real} with an engine's socket is reached, may not be \
         mounted at {destination}"
    )]
    EngineSocketReached {
        /// The path.
        path: String,
        /// What is reached through it.
        real: String,
        /// Where it was to be mounted.
        destination: ContainerPath,
        /// Who asked for it.
        origin: SpecOrigin,
    },
    /// What the source really is could not be looked at: it might be an engine's socket.
    #[error("the host's {path} cannot be looked at, and may not be mounted at {destination}")]
    HostPathUnknown {
        /// The path.
        path: String,
        /// Where it was to be mounted.
        destination: ContainerPath,
    },
    /// The option would change the host, which the policy does not allow.
    #[error("the option {option} changes the host and may not be had at {destination}")]
    HostOptionRefused {
        /// The option.
        option: &'static str,
        /// The volume.
        destination: ContainerPath,
    },
    /// A path of the host, made of what the policy says, is none.
    #[error("the host's path {path} {problem}")]
    HostPath {
        /// The path.
        path: String,
        /// What is wrong with it.
        problem: PathProblem,
    },
    /// The engine does not have that option for such a source.
    #[error("the option {option} cannot be had for the volume at {destination}")]
    OptionRefused {
        /// The option.
        option: &'static str,
        /// The volume.
        destination: ContainerPath,
    },
    /// What is asked for can only be said in a form that the engine would misread.
    #[error("the volume at {destination} cannot be mounted: {problem}")]
    Unmountable {
        /// The volume.
        destination: ContainerPath,
        /// What would be misread.
        problem: String,
    },
    /// The source is a volume of the user's own, which the policy does not allow.
    #[error("the volume {name} may not be mounted")]
    NamedVolumeRefused {
        /// The name.
        name: VolumeName,
    },
    /// The policy's volume driver has a name that none has.
    #[error("there is no volume driver {name}")]
    Driver {
        /// The name, quoted.
        name: String,
    },
    /// A text has something in it that no label should carry.
    #[error("the {field} {problem}")]
    Text {
        /// `owner`, `project`, `key`, `run`, `instance`, `job`, `pipeline` or `ref`.
        field: &'static str,
        /// What is wrong with it.
        problem: &'static str,
    },
}

impl PlanError {
    pub(crate) fn taken(destination: &ContainerPath, first: String, second: String) -> Self {
        Self::DestinationTaken { destination: destination.clone(), first, second }
    }

    /// What a person can do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::DestinationTaken { .. } => "give each volume a destination of its own".to_owned(),
            Self::ReservedDestination { .. } => {
                "/proc, /sys, /dev and c:\\windows are the system's; choose another folder"
                    .to_owned()
            }
            Self::ReservedName { .. } => {
                "names that begin with `berth-` are for caches; ask for a cache by its \
                 destination alone"
                    .to_owned()
            }
            Self::HostPathRefused { destination, .. } => format!(
                "use {destination} alone for a cache, or allow host paths with allow_host_paths"
            ),
            Self::HostPathUnknown { .. } => {
                "name a path that this user may look at, or allow it with allow_engine_socket: the \
                 job may be root on the host then"
                    .to_owned()
            }
            Self::HostOptionRefused { option, .. } => {
                format!("leave out {option}, or allow it with allow_host_options")
            }
            Self::EngineSocketRefused { origin: SpecOrigin::Operator, .. }
            | Self::EngineSocketReached { origin: SpecOrigin::Operator, .. } => {
                "the configuration mounts it into every job; if that is meant, allow it with \
                 allow_engine_socket: every job is root on the host then"
                    .to_owned()
            }
            Self::EngineSocketRefused { .. } | Self::EngineSocketReached { .. } => {
                "mount a folder without a socket in it, or allow it with allow_engine_socket: the \
                 job is root on the host then"
                    .to_owned()
            }
            Self::HostPath { .. } => "give the cache directory a shorter absolute path".to_owned(),
            Self::OptionRefused { option, .. } => {
                format!("{option} is for paths of the host; leave it out for volumes")
            }
            Self::Unmountable { .. } => {
                "leave out the options z, Z and O, or the colons in its paths".to_owned()
            }
            Self::NamedVolumeRefused { .. } => {
                "ask for a cache by its destination alone, or allow named volumes with \
                 allow_named_volumes"
                    .to_owned()
            }
            Self::Driver { .. } => "name a volume plugin, or `local`".to_owned(),
            Self::Text { field, .. } => {
                format!("give the {field} a printable text of at most 1,024 bytes")
            }
        }
    }
}
