//! A plan: what will be made and mounted.

use std::collections::BTreeMap;

use docker_api_trait::{Consistency, Mount, Propagation, Relabel, VolumeName, VolumeRequest};
use serde::{Deserialize, Serialize};

use super::{BuildPlacement, PlanNote};
use crate::{ContainerPath, HostPath, Mode, PipePath, VolumeDriver, mount::mount};

/// The volumes of a job, in the order in which they are mounted: outermost first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct VolumePlan {
    /// One for each spec, and one for the folder to build in where it needs one.
    pub volumes: Vec<PlannedVolume>,
    /// Where the folder to build in is, when one was asked for.
    pub build: Option<BuildPlacement>,
    /// What a person should know of it.
    pub notes: Vec<PlanNote>,
}

impl VolumePlan {
    /// The secrets in the options of its volumes: see [`VolumeDriver::secrets`].
    pub fn secrets(&self) -> Vec<&str> {
        let managed = self.volumes.iter().filter_map(|volume| volume.source.managed());
        managed.flat_map(|managed| managed.driver.secrets()).collect()
    }
}

/// One volume of a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct PlannedVolume {
    /// Where it is mounted.
    pub destination: ContainerPath,
    /// What is mounted.
    pub source: PlannedSource,
    /// What the container may do with it.
    pub mode: Mode,
    /// Whose the content becomes on a host with SELinux.
    pub label: Option<Relabel>,
    /// Whether mounts below it spread; only of what is the host's.
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

    /// What is asked of the engine when a container is created with it.
    pub fn mount(&self) -> Mount {
        mount(self)
    }
}

/// What is mounted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum PlannedSource {
    /// A cache, which stays after the job.
    Cache(ManagedVolume),
    /// A volume of this run, which goes with it.
    Temporary(ManagedVolume),
    /// A cache in a folder of the engine's host, by [`Policy::cache_dir`](crate::Policy::cache_dir).
    Directory(HostPath),
    /// A volume of the user's own.
    Named(VolumeName),
    /// A path of the engine's host.
    Host(HostPath),
    /// A named pipe of a Windows host.
    Pipe(PipePath),
}

/// A volume that is made and labelled by us.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ManagedVolume {
    /// Its name.
    pub name: VolumeName,
    /// Its labels, all of them: they are given in the call that creates it.
    pub labels: BTreeMap<String, String>,
    /// What keeps it.
    pub driver: VolumeDriver,
}

impl ManagedVolume {
    /// A volume by its name and labels, kept by the engine's own driver.
    pub fn new(name: VolumeName, labels: BTreeMap<String, String>) -> Self {
        Self { name, labels, driver: VolumeDriver::default() }
    }

    /// The request that creates it, or finds it.
    pub fn request(&self) -> VolumeRequest {
        let mut request = VolumeRequest::new(self.name.clone()).with_labels(self.labels.clone());
        if self.driver.name != VolumeDriver::LOCAL {
            request.driver = Some(self.driver.name.clone());
        }
        request.options.clone_from(&self.driver.options);
        request
    }
}

impl PlannedSource {
    /// The volume, when it is one of ours.
    pub fn managed(&self) -> Option<&ManagedVolume> {
        match self {
            Self::Cache(volume) | Self::Temporary(volume) => Some(volume),
            Self::Directory(_) | Self::Named(_) | Self::Host(_) | Self::Pipe(_) => None,
        }
    }

    /// One word for its kind: `cache`, `temporary`, `directory`, `named`, `host` or `pipe`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Cache(_) => "cache",
            Self::Temporary(_) => "temporary",
            Self::Directory(_) => "directory",
            Self::Named(_) => "named",
            Self::Host(_) => "host",
            Self::Pipe(_) => "pipe",
        }
    }

    /// The volume's name, or the host's path.
    pub fn name(&self) -> &str {
        match self {
            Self::Cache(volume) | Self::Temporary(volume) => volume.name.as_str(),
            Self::Named(name) => name.as_str(),
            Self::Directory(path) | Self::Host(path) => path.as_str(),
            Self::Pipe(path) => path.as_str(),
        }
    }
}
