//! What a volume manager could not do.

use std::fmt;

use docker_api_trait::{ApiError, VolumeName};

/// A property of a volume in which it can differ from what was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum VolumeField {
    /// Its name.
    Name,
    /// Its driver.
    Driver,
    /// Its options.
    Options,
    /// Its scope.
    Scope,
    /// The label of this key.
    Label(&'static str),
}

impl fmt::Display for VolumeField {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name => formatter.write_str("its name"),
            Self::Driver => formatter.write_str("its driver"),
            Self::Options => formatter.write_str("its options"),
            Self::Scope => formatter.write_str("its scope"),
            Self::Label(key) => write!(formatter, "its label {key}"),
        }
    }
}

/// What a volume manager could not do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VolumeError {
    /// The preparation was cancelled while it waited, or before it had asked for every volume.
    #[error("the preparation of the volumes was cancelled")]
    Cancelled,
    /// The engine did not make a volume, or tell of it.
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
    /// A volume of another owner, or a temporary one of another run, was to be adopted.
    #[error("the volume {volume} belongs to another: {field} is {found:?}, not {expected:?}")]
    Foreign {
        /// The volume.
        volume: VolumeName,
        /// What differs.
        field: VolumeField,
        /// Whose it should be.
        expected: String,
        /// Whose it is.
        found: String,
    },
    /// The engine did not remove a volume.
    #[error("the volume {volume} could not be removed")]
    NotRemoved {
        /// The volume.
        volume: VolumeName,
        /// The cause.
        source: ApiError,
    },
    /// A temporary volume is still in use, after several tries to remove it.
    #[error("the volume {volume} is still in use and stays")]
    InUse {
        /// The volume.
        volume: VolumeName,
        /// What the engine said at last; it names the containers.
        source: ApiError,
    },
    /// Fresh volumes could not be made writable for others than root.
    #[error("fresh volumes could not be made writable")]
    Closed {
        /// The cause.
        source: ApiError,
    },
    /// A volume is gone that a run had, which is to be carried on, or has a container for.
    #[error("the volume {volume} is gone")]
    Vanished {
        /// The volume.
        volume: VolumeName,
    },
    /// A mount of a run that is to be carried on is of a sort that no volume manager makes.
    #[error("what is mounted at {destination} is no volume")]
    Unadoptable {
        /// Where it is mounted.
        destination: String,
    },
}

impl VolumeError {
    /// Whether another try might succeed with nothing else changed.
    pub(crate) fn is_conflict(&self) -> bool {
        matches!(self, Self::NotRemoved { source: ApiError::Conflict { .. }, .. })
    }

    /// The error without these texts in the engine's words, which may repeat what a request said: see
    /// [`VolumePlan::secrets`](crate::VolumePlan::secrets).
    pub fn redacted<'a>(self, secrets: impl IntoIterator<Item = &'a str>) -> Self {
        let mut secrets: Vec<_> = secrets.into_iter().filter(|secret| !secret.is_empty()).collect();
        // Nothing may be left of a secret that begins with another.
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        let redact = |source: ApiError| source.redacted(secrets.iter().copied());
        let clean =
            |text: String| secrets.iter().fold(text, |text, secret| text.replace(secret, "…"));
        match self {
            Self::Engine { volume, source } => Self::Engine { volume, source: redact(source) },
            Self::NotRemoved { volume, source } => {
                Self::NotRemoved { volume, source: redact(source) }
            }
            Self::InUse { volume, source } => Self::InUse { volume, source: redact(source) },
            Self::Closed { source } => Self::Closed { source: redact(source) },
            Self::Mismatch { volume, field, expected, found } => {
                Self::Mismatch { volume, field, expected: clean(expected), found: clean(found) }
            }
            Self::Foreign { volume, field, expected, found } => {
                Self::Foreign { volume, field, expected: clean(expected), found: clean(found) }
            }
            Self::Cancelled => Self::Cancelled,
            Self::Vanished { volume } => Self::Vanished { volume },
            Self::Unadoptable { destination } => {
                Self::Unadoptable { destination: clean(destination) }
            }
        }
    }

    /// What a person can do about it, when that is known.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Engine { source, .. }
            | Self::Closed { source }
            | Self::NotRemoved { source, .. } => source.hint().map(str::to_owned),
            Self::InUse { volume, .. } => Some(format!(
                "it can be removed once the containers are gone: `berth volumes rm {volume}`"
            )),
            Self::Vanished { .. } => Some("begin the run anew: its files are gone".to_owned()),
            Self::Cancelled | Self::Foreign { .. } | Self::Unadoptable { .. } => None,
            Self::Mismatch { volume, .. } => Some(format!(
                "look at it with `docker volume inspect {volume}`; if nobody needs it, \
                 `docker volume rm {volume}`"
            )),
        }
    }
}
