//! From the mounts of a container that an earlier process made to prepared volumes: pure.

use docker_api_trait::{MountKind, MountPoint, Volume, VolumeName};

use crate::{
    error::{VolumeError, VolumeField},
    identity::{CacheIdentity, Scope, Trust, VolumeDriver},
    kind::VolumeKind,
    label,
    path::{ContainerPath, HostPath, PipePath},
    plan::{ManagedVolume, PlannedCache, PlannedSource, PlannedVolume, ResolvedSource},
    prepared::{PreparedVolume, VolumeState},
    record::VolumeRecord,
    spec::Mode,
    verify,
};

/// The name of the volume to inspect before a mount is adopted.
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

/// The volume that a mount is; `None` for what ends with its container. Its container holds it.
///
/// # Errors
/// [`VolumeError::Vanished`] when its volume does not exist any more; [`VolumeError::Foreign`] when
/// the volume is another owner's, or another run's temporary; [`VolumeError::Unadoptable`].
pub(crate) fn adopt(
    mount: &MountPoint,
    found: Option<&Volume>,
    owner: &str,
    run: &str,
) -> Result<Option<PreparedVolume>, VolumeError> {
    let destination = ContainerPath::try_from(mount.destination.clone());
    let destination = destination.map_err(|_| unadoptable(mount))?;
    let unmanaged = |planned: PlannedSource, resolved| (planned, resolved, None);
    let (planned, resolved, made_by) = match mount.kind {
        MountKind::Tmpfs => return Ok(None),
        MountKind::Host => {
            let path = HostPath::try_from(mount.source.clone());
            let path = path.map_err(|_| unadoptable(mount))?;
            let resolved = ResolvedSource::Host { path: path.clone(), create: false };
            unmanaged(PlannedSource::Host(path), resolved)
        }
        MountKind::Pipe => {
            let pipe = PipePath::new(&mount.source).map_err(|_| unadoptable(mount))?;
            unmanaged(PlannedSource::Pipe(pipe.clone()), ResolvedSource::Pipe(pipe))
        }
        MountKind::Volume => {
            let name = volume_of(mount)?.ok_or_else(|| unadoptable(mount))?;
            let volume = found.ok_or_else(|| VolumeError::Vanished { volume: name.clone() })?;
            match VolumeRecord::read(volume) {
                None => unmanaged(PlannedSource::Named(name.clone()), ResolvedSource::Named(name)),
                Some(record) => {
                    check(&name, &record, owner, run)?;
                    let planned = planned_source(&name, volume, &record, &destination)?;
                    let managed =
                        ManagedVolume::new(name, volume.labels.clone()).with_driver(driver(volume));
                    (planned, ResolvedSource::Managed(managed), Some(verify::maker(volume)))
                }
            }
        }
        _ => return Err(unadoptable(mount)),
    };
    let mode = if mount.read_only { Mode::ReadOnly } else { Mode::ReadWrite };
    let planned = PlannedVolume { mode, ..PlannedVolume::new(destination, planned) };
    let adopted = PreparedVolume::new(planned, resolved).held();
    Ok(Some(match made_by {
        None => adopted,
        Some(maker) => {
            let adopted = adopted.with_state(VolumeState::Reused);
            maker.into_iter().fold(adopted, PreparedVolume::with_maker)
        }
    }))
}

/// Refuses volumes of other owners, and temporary ones of other runs.
fn check(
    name: &VolumeName,
    record: &VolumeRecord,
    owner: &str,
    run: &str,
) -> Result<(), VolumeError> {
    if record.owner != owner {
        return Err(foreign(name, label::OWNER, owner, &record.owner));
    }
    if record.kind == VolumeKind::Temporary && record.run != run {
        return Err(foreign(name, label::RUN, run, &record.run));
    }
    Ok(())
}

fn foreign(volume: &VolumeName, label: &'static str, expected: &str, found: &str) -> VolumeError {
    let field = VolumeField::Label(label);
    let (expected, found) = (expected.to_owned(), found.to_owned());
    VolumeError::Foreign { volume: volume.clone(), field, expected, found }
}

/// What the run had planned, by the labels of the volume.
fn planned_source(
    name: &VolumeName,
    volume: &Volume,
    record: &VolumeRecord,
    destination: &ContainerPath,
) -> Result<PlannedSource, VolumeError> {
    let trust = [Trust::Trusted, Trust::Untrusted];
    let trust = trust.into_iter().find(|trust| trust.as_str() == record.trust);
    let trust =
        trust.ok_or_else(|| foreign(name, label::TRUST, "trusted or untrusted", &record.trust))?;
    let scope = Scope::new(&record.owner, &record.project, trust).with_key(&record.key);
    let identity = CacheIdentity::new(scope, destination.clone()).with_driver(driver(volume));
    Ok(match record.kind {
        VolumeKind::Temporary => PlannedSource::Temporary(identity),
        _ => PlannedSource::Cache(PlannedCache::new(identity)),
    })
}

fn driver(volume: &Volume) -> VolumeDriver {
    let mut driver = VolumeDriver::new(volume.driver.as_str());
    driver.options.clone_from(&volume.options);
    driver
}

fn unadoptable(mount: &MountPoint) -> VolumeError {
    VolumeError::Unadoptable { destination: mount.destination.clone() }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::{Policy, PreparedVolumes, Provenance, VolumeDemand, plan};

    /// A cache or, with caches disabled, a temporary volume of the run `1`.
    fn made(policy: &Policy) -> Volume {
        let demand = VolumeDemand::new(["/cache".parse().unwrap()]);
        let origin = Provenance::new("1", SystemTime::UNIX_EPOCH);
        let plan = plan(&demand, &Scope::trusted("ci", "app"), &origin, policy).unwrap();
        let prepared = PreparedVolumes::unprepared(&plan);
        let managed = prepared.volumes[0].managed().unwrap();
        let mut volume = Volume::local(managed.name.as_str());
        volume.labels = managed.labels.clone();
        volume
    }

    fn mounted(volume: &Volume) -> MountPoint {
        let mut mount = MountPoint::new(MountKind::Volume, "", "/cache");
        mount.name = Some(volume.name.clone());
        mount
    }

    fn adopted(mount: &MountPoint, found: Option<&Volume>) -> Option<PreparedVolume> {
        adopt(mount, found, "ci", "1").unwrap()
    }

    #[test]
    fn a_volume_is_told_by_its_labels() {
        let cache = made(&Policy::default());
        let planned = adopted(&mounted(&cache), Some(&cache)).unwrap();
        assert_eq!((planned.kind(), planned.name()), (VolumeKind::Cache, cache.name.as_str()));
        assert_eq!(planned.managed().unwrap().labels, cache.labels);
        assert!(planned.is_held);
        let identity = planned.planned.source.identity().unwrap();
        assert_eq!(
            crate::name::cache(identity).as_str(),
            cache.name,
            "the identity is known again"
        );
        let temporary = made(&Policy::default().with_cache_disabled(true));
        let planned = adopted(&mounted(&temporary), Some(&temporary)).unwrap();
        assert_eq!(planned.kind(), VolumeKind::Temporary);
        let own = Volume::local("data");
        assert_eq!(adopted(&mounted(&own), Some(&own)).unwrap().kind(), VolumeKind::Named);
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
                .map(|adopted| adopted.map(|adopted| (adopted.kind(), adopted.planned.mode)))
        };
        assert_eq!(of(MountKind::Tmpfs, "", "/t").unwrap(), None);
        assert_eq!(
            of(MountKind::Host, "/h", "/h").unwrap(),
            Some((VolumeKind::Host, Mode::ReadOnly))
        );
        let pipe = of(MountKind::Pipe, r"\\.\pipe\a", r"\\.\pipe\a").unwrap();
        assert_eq!(pipe, Some((VolumeKind::Pipe, Mode::ReadOnly)));
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
