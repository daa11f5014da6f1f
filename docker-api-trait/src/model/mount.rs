//! What is mounted into a container.

use std::collections::BTreeMap;

use crate::id::VolumeName;

/// Something mounted into a container.
///
/// A mount is used, never a bind string: the engine creates a vanished volume of a bind string
/// without labels, so that nobody could tell whose it is; that of a mount gets the mount's labels.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Mount {
    /// Where it appears in the container: an absolute path.
    pub destination: String,
    /// What appears there.
    pub source: MountSource,
    /// Whether the container may only read it.
    pub read_only: bool,
}

impl Mount {
    /// A mount that may be written to.
    pub fn new(destination: impl Into<String>, source: MountSource) -> Self {
        Self { destination: destination.into(), source, read_only: false }
    }
}

/// The host's side of a mount.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum MountSource {
    /// A named volume.
    Volume {
        /// Its name.
        name: VolumeName,
        /// The labels that it gets if it vanished and is created anew.
        labels: BTreeMap<String, String>,
        /// Whether a volume that is empty stays empty, instead of being filled with what the image
        /// has at the destination, owner and mode included.
        no_copy: bool,
    },
    /// A file or folder of the engine's host, which must exist.
    Host {
        /// Its absolute path.
        path: String,
    },
}
