//! What a job asks for.

use super::build::BuildDemand;
use crate::{
    path::ContainerPath,
    spec::{SpecOrigin, VolumeSpec},
};

/// A cache under a key of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeyedCache {
    /// The key.
    pub key: String,
    /// Where it is mounted.
    pub destination: ContainerPath,
    /// Whether the job may only read it.
    pub read_only: bool,
}

impl KeyedCache {
    /// A cache to read and write.
    pub fn new(key: impl Into<String>, destination: ContainerPath) -> Self {
        Self { key: key.into(), destination, read_only: false }
    }
}

/// All that a job wants mounted, and what its containers have at places of their own.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct VolumeDemand {
    /// The volumes that the job asks for, as they were read; the policy says which it gets.
    pub specs: Vec<VolumeSpec>,
    /// The volumes that the operator of the engine gives every job, whatever the policy says of paths
    /// of the host, options and named volumes. Engine sockets need the policy for them, too.
    pub granted: Vec<VolumeSpec>,
    /// Caches under keys of their own, in place of the scope's.
    pub keyed: Vec<KeyedCache>,
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

    /// With volumes of the operator's.
    pub fn with_granted(mut self, specs: impl IntoIterator<Item = VolumeSpec>) -> Self {
        self.granted.extend(specs);
        self
    }

    /// All specs with their origins, the operator's first.
    pub fn by_origin(&self) -> impl Iterator<Item = (SpecOrigin, &VolumeSpec)> {
        let granted = self.granted.iter().map(|spec| (SpecOrigin::Operator, spec));
        granted.chain(self.specs.iter().map(|spec| (SpecOrigin::Job, spec)))
    }

    /// With caches under keys of their own.
    pub fn with_keyed(mut self, caches: impl IntoIterator<Item = KeyedCache>) -> Self {
        self.keyed.extend(caches);
        self
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
