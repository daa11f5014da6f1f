//! A plan: which caches and temporary volumes a job gets, and what else is mounted. Which volume on
//! an engine that is, [`VolumeManager::prepare`](crate::VolumeManager::prepare) decides.

use docker_api_trait::{Consistency, Propagation, Relabel, VolumeName};
use serde::{Deserialize, Serialize};

use super::{build::BuildPlacement, note::PlanNote};
use crate::{
    identity::{CacheIdentity, Provenance},
    kind::VolumeKind,
    path::{ContainerPath, HostPath, PipePath},
    spec::Mode,
};

/// The volumes of a job, in the order in which they are mounted: outermost first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct VolumePlan {
    /// The run that the volumes are for. Volumes that it creates carry this in their labels.
    pub provenance: Provenance,
    /// One for each spec, and one for the build directory where it needs one.
    pub volumes: Vec<PlannedVolume>,
    /// Where the build directory is, when one was asked for.
    pub build: Option<BuildPlacement>,
    /// What a person should know of it.
    pub notes: Vec<PlanNote>,
}

impl VolumePlan {
    /// Returns the secrets in the options of its volumes: see [`VolumeDriver::secrets`](crate::VolumeDriver::secrets).
    pub fn secrets(&self) -> Vec<&str> {
        let identities = self.volumes.iter().filter_map(|volume| volume.source.identity());
        identities.flat_map(|identity| identity.driver.secrets()).collect()
    }
}

/// One volume of a job, as it was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct PlannedVolume {
    /// Where it is mounted.
    pub destination: ContainerPath,
    /// What is mounted.
    pub source: PlannedSource,
    /// What the container may do with it.
    pub mode: Mode,
    /// Who may use the content on a host with SELinux.
    pub label: Option<Relabel>,
    /// Whether mounts below it spread; only for paths of the host.
    pub propagation: Option<Propagation>,
    /// Whether an empty volume stays empty.
    pub no_copy: bool,
    /// How closely container and host must agree.
    pub consistency: Option<Consistency>,
}

impl PlannedVolume {
    /// `source` at `destination`, without options.
    pub fn new(destination: ContainerPath, source: PlannedSource) -> Self {
        Self {
            destination,
            source,
            mode: Mode::ReadWrite,
            label: None,
            propagation: None,
            no_copy: false,
            consistency: None,
        }
    }
}

/// What is mounted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum PlannedSource {
    /// A cache, which is kept after the job.
    Cache(PlannedCache),
    /// A volume of this run, which is removed after it. Two runs never share one, whatever the
    /// identity.
    Temporary(CacheIdentity),
    /// A cache in a directory of the engine's host, by
    /// [`Policy::cache_dir`](crate::Policy::cache_dir).
    Directory(HostPath),
    /// A volume that the user created.
    Named(VolumeName),
    /// A path of the engine's host.
    Host(HostPath),
    /// A named pipe of a Windows host.
    Pipe(PipePath),
}

impl PlannedSource {
    /// Returns what is mounted, in one word.
    pub fn kind(&self) -> VolumeKind {
        match self {
            Self::Cache(_) => VolumeKind::Cache,
            Self::Temporary(_) => VolumeKind::Temporary,
            Self::Directory(_) => VolumeKind::Directory,
            Self::Named(_) => VolumeKind::Named,
            Self::Host(_) => VolumeKind::Host,
            Self::Pipe(_) => VolumeKind::Pipe,
        }
    }

    /// Returns the identity of a volume that Berth creates.
    pub fn identity(&self) -> Option<&CacheIdentity> {
        match self {
            Self::Cache(cache) => Some(&cache.identity),
            Self::Temporary(identity) => Some(identity),
            Self::Directory(_) | Self::Named(_) | Self::Host(_) | Self::Pipe(_) => None,
        }
    }
}

/// A cache that a job asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct PlannedCache {
    /// Which cache it is.
    pub identity: CacheIdentity,
    /// How jobs that run at once share it.
    pub sharing: Sharing,
}

impl PlannedCache {
    /// The cache of this identity, shared.
    pub fn new(identity: CacheIdentity) -> Self {
        Self { identity, sharing: Sharing::default() }
    }
}

/// How jobs that run at once share a cache.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Sharing {
    /// All mount one volume: for tools that lock their caches, as most build tools do.
    #[default]
    Shared,
}
