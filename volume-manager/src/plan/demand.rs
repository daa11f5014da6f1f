//! What a job asks for.

use super::BuildDemand;
use crate::{ContainerPath, VolumeSpec};

/// All that a job wants mounted, and what its containers have at places of their own.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct VolumeDemand {
    /// The volumes, as they were read.
    pub specs: Vec<VolumeSpec>,
    /// The folder that the job builds in, if it wants one kept or thrown away for it.
    pub build: Option<BuildDemand>,
    /// Where the containers get a file system in memory: nothing else can be mounted there.
    pub tmpfs: Vec<ContainerPath>,
    /// Where the image declares volumes, as far as that is known.
    pub image_volumes: Vec<ContainerPath>,
}

impl VolumeDemand {
    /// These volumes, and nothing more.
    pub fn new(specs: impl IntoIterator<Item = VolumeSpec>) -> Self {
        Self { specs: specs.into_iter().collect(), ..Self::default() }
    }

    /// With a folder to build in.
    pub fn with_build(mut self, build: BuildDemand) -> Self {
        self.build = Some(build);
        self
    }

    /// With file systems in memory at these places.
    pub fn with_tmpfs(mut self, tmpfs: impl IntoIterator<Item = ContainerPath>) -> Self {
        self.tmpfs.extend(tmpfs);
        self
    }

    /// With volumes that the image declares at these places.
    pub fn with_image_volumes(mut self, volumes: impl IntoIterator<Item = ContainerPath>) -> Self {
        self.image_volumes.extend(volumes);
        self
    }
}
