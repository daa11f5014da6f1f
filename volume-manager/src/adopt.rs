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

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::{Policy, Provenance, Scope, VolumeDemand, plan};

    /// A cache or, with caches disabled, a temporary volume of the run `1`.
    fn made(policy: &Policy) -> Volume {
        let demand = VolumeDemand::new(["/cache".parse().unwrap()]);
        let origin = Provenance::new("1", SystemTime::UNIX_EPOCH);
        let plan = plan(&demand, &Scope::trusted("ci", "app"), &origin, policy).unwrap();
        let managed = plan.volumes[0].source.managed().unwrap();
        let mut volume = Volume::local(managed.name.as_str());
        volume.labels = managed.labels.clone();
        volume
    }

    fn mounted(volume: &Volume) -> MountPoint {
        let mut mount = MountPoint::new(MountKind::Volume, "", "/cache");
        mount.name = Some(volume.name.clone());
        mount
    }

    fn adopted(mount: &MountPoint, found: Option<&Volume>) -> Option<PlannedVolume> {
        adopt(mount, found, "ci", "1").unwrap()
    }

    #[test]
    fn a_volume_is_told_by_its_labels() {
        let cache = made(&Policy::default());
        let planned = adopted(&mounted(&cache), Some(&cache)).unwrap();
        assert_eq!((planned.source.kind(), planned.source.name()), ("cache", cache.name.as_str()));
        assert_eq!(planned.source.managed().unwrap().labels, cache.labels);
        let temporary = made(&Policy::default().with_cache_disabled(true));
        let planned = adopted(&mounted(&temporary), Some(&temporary)).unwrap();
        assert_eq!(planned.source.kind(), "temporary");
        let own = Volume::local("data");
        assert_eq!(adopted(&mounted(&own), Some(&own)).unwrap().source.kind(), "named");
    }

    #[test]
    fn a_cache_may_be_another_runs_and_a_temporary_may_not() {
        let of = |volume: &Volume, owner, run| adopt(&mounted(volume), Some(volume), owner, run);
        let cache = made(&Policy::default());
        let temporary = made(&Policy::default().with_cache_disabled(true));
        assert!(of(&cache, "ci", "2").is_ok());
        for (volume, owner, run, key) in [
            (&temporary, "ci", "2", label::RUN),
            (&temporary, "other", "1", label::OWNER),
            (&cache, "other", "1", label::OWNER),
        ] {
            let error = of(volume, owner, run).unwrap_err();
            let VolumeError::Foreign { field, .. } = error else { panic!("{error:?}") };
            assert_eq!(field, VolumeField::Label(key));
        }
    }

    #[test]
    fn a_volume_that_is_gone_cannot_be_adopted() {
        let cache = made(&Policy::default());
        let error = adopt(&mounted(&cache), None, "ci", "1").unwrap_err();
        assert!(matches!(error, VolumeError::Vanished { .. }), "{error:?}");
        assert_eq!(volume_of(&mounted(&cache)).unwrap().unwrap().as_str(), cache.name);
    }

    #[test]
    fn what_is_no_volume_is_the_hosts_or_ends_with_its_container() {
        let of = |kind, source: &str, destination: &str| {
            let mut mount = MountPoint::new(kind, source, destination);
            mount.read_only = true;
            assert!(volume_of(&mount).unwrap().is_none());
            adopt(&mount, None, "ci", "1")
                .map(|planned| planned.map(|planned| (planned.source.kind(), planned.mode)))
        };
        assert_eq!(of(MountKind::Tmpfs, "", "/t").unwrap(), None);
        assert_eq!(of(MountKind::Host, "/h", "/h").unwrap(), Some(("host", Mode::ReadOnly)));
        let pipe = of(MountKind::Pipe, r"\\.\pipe\a", r"\\.\pipe\a").unwrap();
        assert_eq!(pipe, Some(("pipe", Mode::ReadOnly)));
        for (kind, source, destination) in [
            (MountKind::Other, "", "/x"),
            (MountKind::Host, "relative", "/x"),
            (MountKind::Host, "/h", "relative"),
            (MountKind::Pipe, "/h", "/x"),
            (MountKind::Volume, "", "/x"),
        ] {
            let error = of(kind, source, destination).unwrap_err();
            assert!(matches!(error, VolumeError::Unadoptable { .. }), "{error:?}");
        }
        let mut hostile = MountPoint::new(MountKind::Volume, "", "/x");
        hostile.name = Some("../x".to_owned());
        assert!(volume_of(&hostile).is_err());
    }
}
