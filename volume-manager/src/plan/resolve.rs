//! What a planned source is on an engine: pure.

use std::collections::BTreeMap;

use docker_api_trait::{VolumeName, VolumeRequest};

use super::model::{PlannedSource, Sharing};
use crate::{
    identity::{CacheIdentity, Provenance, VolumeDriver},
    kind::VolumeKind,
    label, name,
    path::{HostPath, PipePath},
};

/// A volume on an engine that Berth creates and labels.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ManagedVolume {
    /// Its name.
    pub name: VolumeName,
    /// Its labels, all of them: they are given in the call that creates it.
    pub labels: BTreeMap<String, String>,
    /// The driver that stores it.
    pub driver: VolumeDriver,
}

impl ManagedVolume {
    /// A volume by its name and labels, stored by the engine's own driver.
    pub fn new(name: VolumeName, labels: BTreeMap<String, String>) -> Self {
        Self { name, labels, driver: VolumeDriver::default() }
    }

    /// Sets the driver.
    pub fn with_driver(mut self, driver: VolumeDriver) -> Self {
        self.driver = driver;
        self
    }

    /// Returns the request that creates it, or finds it.
    pub fn request(&self) -> VolumeRequest {
        let mut request = VolumeRequest::new(self.name.clone()).with_labels(self.labels.clone());
        if self.driver.name != VolumeDriver::LOCAL {
            request.driver = Some(self.driver.name.clone());
        }
        request.options.clone_from(&self.driver.options);
        request
    }
}

/// What is mounted, by its name on the engine's host.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ResolvedSource {
    /// A volume that Berth creates.
    Managed(ManagedVolume),
    /// A volume that the user created.
    Named(VolumeName),
    /// A path of the host.
    Host {
        /// The path.
        path: HostPath,
        /// Whether the engine creates a directory there when there is none.
        create: bool,
    },
    /// A named pipe of a Windows host.
    Pipe(PipePath),
}

impl ResolvedSource {
    /// Returns the volume, when it is one that Berth creates.
    pub fn managed(&self) -> Option<&ManagedVolume> {
        match self {
            Self::Managed(volume) => Some(volume),
            Self::Named(_) | Self::Host { .. } | Self::Pipe(_) => None,
        }
    }

    /// Returns the volume's name, or the host's path.
    pub fn name(&self) -> &str {
        match self {
            Self::Managed(volume) => volume.name.as_str(),
            Self::Named(name) => name.as_str(),
            Self::Host { path, .. } => path.as_str(),
            Self::Pipe(path) => path.as_str(),
        }
    }
}

/// Returns what a planned source is on an engine where nothing else uses the cache.
pub(crate) fn resolve(source: &PlannedSource, provenance: &Provenance) -> ResolvedSource {
    match source {
        PlannedSource::Cache(cache) => match cache.sharing {
            Sharing::Shared => ResolvedSource::Managed(ManagedVolume {
                name: name::cache(&cache.identity),
                labels: labels(VolumeKind::Cache, &cache.identity, provenance),
                driver: cache.identity.driver.clone(),
            }),
        },
        PlannedSource::Temporary(identity) => {
            let mut labels = labels(VolumeKind::Temporary, identity, provenance);
            if let Some(deadline) = provenance.deadline {
                labels.insert(label::DEADLINE.to_owned(), label::timestamp(deadline));
            }
            let name = name::temporary(identity, &provenance.run);
            ResolvedSource::Managed(ManagedVolume { name, labels, driver: identity.driver.clone() })
        }
        PlannedSource::Directory(path) => ResolvedSource::Host { path: path.clone(), create: true },
        PlannedSource::Named(name) => ResolvedSource::Named(name.clone()),
        PlannedSource::Host(path) => ResolvedSource::Host { path: path.clone(), create: false },
        PlannedSource::Pipe(path) => ResolvedSource::Pipe(path.clone()),
    }
}

fn labels(
    kind: VolumeKind,
    identity: &CacheIdentity,
    provenance: &Provenance,
) -> BTreeMap<String, String> {
    let mut labels = label::common(kind.as_str(), &identity.scope, provenance);
    let mut set = |key: &str, value: String| labels.insert(key.to_owned(), value);
    set(label::DESTINATION, identity.destination.identity().into_owned());
    set(label::KEY, identity.scope.key.clone());
    set(label::CONFIG_HASH, identity.driver.digest());
    labels
}
