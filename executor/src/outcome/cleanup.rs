//! What cleanup did.

use serde::{Deserialize, Serialize};

use crate::error::CleanupError;

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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
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
    pub error: CleanupError,
}
