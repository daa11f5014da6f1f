//! A spec that was read.

use std::fmt;

use docker_api_trait::{Consistency, Propagation, Relabel, VolumeName};
use serde::{Deserialize, Serialize};

use crate::{
    kind::VolumeKind,
    path::{ContainerPath, HostPath, PipePath},
};

/// Where what is mounted comes from.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum VolumeSource {
    /// A cache of the project: Berth names it and keeps it.
    Cache,
    /// A path of the engine's host.
    Host(HostPath),
    /// A volume of the user's own: never labelled, changed or removed by us.
    Named(VolumeName),
    /// A named pipe of a Windows host; `None` is the one that has the destination's name.
    Pipe(Option<PipePath>),
}

impl VolumeSource {
    /// Returns the kind that a spec of this source asks for.
    pub fn kind(&self) -> VolumeKind {
        match self {
            Self::Cache => VolumeKind::Cache,
            Self::Host(_) => VolumeKind::Host,
            Self::Named(_) => VolumeKind::Named,
            Self::Pipe(_) => VolumeKind::Pipe,
        }
    }

    /// The source as it stands in a spec, if one stands there.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::Cache | Self::Pipe(None) => None,
            Self::Host(path) => Some(path.as_str()),
            Self::Named(name) => Some(name.as_str()),
            Self::Pipe(Some(path)) => Some(path.as_str()),
        }
    }
}

/// What the container may do with a mount.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Mode {
    /// Read and write.
    #[default]
    #[serde(rename = "rw")]
    ReadWrite,
    /// Read only.
    #[serde(rename = "ro")]
    ReadOnly,
    /// Read and write, where writes go with the container: Podman's `O`. Docker refuses it.
    #[serde(rename = "O")]
    Overlay,
}

impl Mode {
    /// The word in a spec.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ReadWrite => "rw",
            Self::ReadOnly => "ro",
            Self::Overlay => "O",
        }
    }
}

/// One volume that a job asks for, as [`SpecReader`](crate::SpecReader) reads it. Whether the job may have it is
/// decided later, by the [`Policy`](crate::Policy).
///
/// [`FromStr`](std::str::FromStr) reads the specs of Linux, without variables and with absolute destinations.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct VolumeSpec {
    /// Where it comes from.
    pub source: VolumeSource,
    /// Where it is mounted.
    pub destination: ContainerPath,
    /// What the container may do with it; `None` is read and write.
    pub mode: Option<Mode>,
    /// For hosts with SELinux: whose the content becomes.
    pub label: Option<Relabel>,
    /// Whether mounts below it spread between host and container.
    pub propagation: Option<Propagation>,
    /// Whether an empty volume stays empty, instead of being filled with what the image has at the
    /// destination.
    pub no_copy: bool,
    /// How closely container and host must agree; only engines on macOS heed it.
    pub consistency: Option<Consistency>,
}

impl VolumeSpec {
    /// A cache at `destination`, without options.
    pub fn cache(destination: ContainerPath) -> Self {
        Self {
            source: VolumeSource::Cache,
            destination,
            mode: None,
            label: None,
            propagation: None,
            no_copy: false,
            consistency: None,
        }
    }

    /// The words of its options, in the order of the canonical form.
    pub fn options(&self) -> impl Iterator<Item = &'static str> {
        [
            self.mode.map(Mode::as_str),
            self.label.map(Relabel::as_str),
            self.propagation.map(Propagation::as_str),
            self.no_copy.then_some("nocopy"),
            self.consistency.map(Consistency::as_str),
        ]
        .into_iter()
        .flatten()
    }
}

/// The canonical form, which reads back as the same spec, unless a variable has put a colon into a
/// path.
impl fmt::Display for VolumeSpec {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A dollar would begin a variable.
        let escaped = |path: &str| path.replace('$', "$$");
        if let Some(source) = self.source.as_str() {
            write!(formatter, "{}:", escaped(source))?;
        }
        formatter.write_str(&escaped(self.destination.as_str()))?;
        let mut separator = ':';
        for option in self.options() {
            write!(formatter, "{separator}{option}")?;
            separator = ',';
        }
        Ok(())
    }
}

/// As its canonical form.
impl Serialize for VolumeSpec {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
