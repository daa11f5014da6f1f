//! From the mounts of a container that an earlier process made to prepared volumes: pure.

use docker_api_trait::{MountKind, MountPoint, Volume, VolumeName};

use crate::{
    ContainerPath, HostPath, ManagedVolume, Mode, PipePath, PlannedSource, PlannedVolume,
    VolumeDriver, VolumeError, VolumeField, VolumeRecord, label,
};

/// The name of the volume to look at before a mount is adopted.
///
/// # Errors
/// [`VolumeError::Unadoptable`] when the engine names a volume that no request could name.
pub(crate) fn volume_of(mount: &MountPoint) -> Result<Option<VolumeName>, VolumeError> {
    match (mount.kind, &mount.name) {
        (MountKind::Volume, Some(name)) => {
            VolumeName::new(name.as_str()).map(Some).map_err(|_| unadoptable(mount))
        }
        _ => Ok(None),
    }
}

/// What a mount is to us; `None` for what ends with its container.
///
/// # Errors
/// [`VolumeError::Vanished`] when its volume is not there any more; [`VolumeError::Foreign`] when
/// the volume is another owner's, or another run's temporary; [`VolumeError::Unadoptable`].
pub(crate) fn adopt(
    mount: &MountPoint,
    found: Option<&Volume>,
    owner: &str,
    run: &str,
) -> Result<Option<PlannedVolume>, VolumeError> {
    let destination = ContainerPath::try_from(mount.destination.clone());
    let destination = destination.map_err(|_| unadoptable(mount))?;
    let source = match mount.kind {
        MountKind::Tmpfs => return Ok(None),
        MountKind::Host => HostPath::try_from(mount.source.clone())
            .map(PlannedSource::Host)
            .map_err(|_| unadoptable(mount))?,
        MountKind::Pipe => {
            PipePath::new(&mount.source).map(PlannedSource::Pipe).map_err(|_| unadoptable(mount))?
        }
        MountKind::Volume => {
            let name = volume_of(mount)?.ok_or_else(|| unadoptable(mount))?;
            let volume = found.ok_or_else(|| VolumeError::Vanished { volume: name.clone() })?;
            source(name, volume, owner, run)?
        }
        _ => return Err(unadoptable(mount)),
    };
    let mode = if mount.read_only { Mode::ReadOnly } else { Mode::ReadWrite };
    Ok(Some(PlannedVolume { mode, ..PlannedVolume::new(destination, source) }))
}

fn source(
    name: VolumeName,
    volume: &Volume,
    owner: &str,
    run: &str,
) -> Result<PlannedSource, VolumeError> {
    let Some(record) = VolumeRecord::read(volume) else { return Ok(PlannedSource::Named(name)) };
    let is_temporary = record.kind == "temporary";
    let differs = |key, expected: &str, found: &str| VolumeError::Foreign {
        volume: name.clone(),
        field: VolumeField::Label(key),
        expected: expected.to_owned(),
        found: found.to_owned(),
    };
    if record.owner != owner {
        return Err(differs(label::OWNER, owner, &record.owner));
    }
    if is_temporary && record.run != run {
        return Err(differs(label::RUN, run, &record.run));
    }
    let mut driver = VolumeDriver::new(volume.driver.as_str());
    driver.options.clone_from(&volume.options);
    let managed = ManagedVolume { name, labels: volume.labels.clone(), driver };
    Ok(if is_temporary { PlannedSource::Temporary(managed) } else { PlannedSource::Cache(managed) })
}

fn unadoptable(mount: &MountPoint) -> VolumeError {
    VolumeError::Unadoptable { destination: mount.destination.clone() }
}
