//! From prepared volumes to the mounts of a container.

use std::collections::BTreeMap;

use docker_api_trait::{Mount, MountSource};

use crate::{Access, PlannedSource, PlannedVolume};

/// The mount of one volume. Our volumes carry their labels along: should one vanish before the
/// container is created, the engine makes it anew *with* them.
pub(crate) fn mount(volume: &PlannedVolume) -> Mount {
    let source = match &volume.source {
        PlannedSource::Cache(managed) | PlannedSource::Temporary(managed) => MountSource::Volume {
            name: managed.name.clone(),
            labels: managed.labels.clone(),
            driver: None,
            options: BTreeMap::new(),
            no_copy: volume.no_copy,
        },
        PlannedSource::Named(name) => MountSource::Volume {
            name: name.clone(),
            labels: BTreeMap::new(),
            driver: None,
            options: BTreeMap::new(),
            no_copy: volume.no_copy,
        },
        PlannedSource::Host(path) => {
            MountSource::Host { path: path.to_string(), propagation: None, create: false }
        }
    };
    let mut mount = Mount::new(volume.destination.as_str(), source);
    mount.read_only = volume.access == Access::ReadOnly;
    mount
}
