//! Mounts, in the client library's terms. Pure.

use std::collections::BTreeMap;

use bollard::models::{
    Mount as EngineMount, MountBindOptions, MountBindOptionsPropagationEnum, MountType,
    MountVolumeOptions, MountVolumeOptionsDriverConfig,
};

use crate::{ApiError, Mount, MountSource, Operation, Propagation};

/// The two forms in which a request names what is mounted.
#[derive(Debug, Default)]
pub(super) struct Mounted {
    pub(super) mounts: Vec<EngineMount>,
    pub(super) binds: Vec<String>,
}

/// Sorts mounts into their forms; a bind string that would be misread is refused here, where
/// nothing has been sent yet.
pub(super) fn mounted(mounts: &[Mount]) -> Result<Mounted, ApiError> {
    let mut sorted = Mounted::default();
    for mount in mounts {
        let bind = mount.bind_string().map_err(|message| ApiError::Rejected {
            operation: Operation::CreateContainer,
            message,
        })?;
        match bind {
            Some(bind) => sorted.binds.push(bind),
            None => sorted.mounts.push(engine_mount(mount)),
        }
    }
    Ok(sorted)
}

/// What of the mounts an engine would misread that makes one line of comma-separated values of them,
/// without quotes, and reads it again, as Podman does: a job's `/c,src=/etc` would mount something
/// that nobody allowed.
pub(super) fn breaks_a_line(mounts: &[Mount]) -> Option<&str> {
    let texts = mounts.iter().flat_map(|mount| {
        let (source, options) = match &mount.source {
            MountSource::Volume { name, options, .. } => (name.as_str(), Some(options)),
            MountSource::Host { path, .. } | MountSource::Pipe { path } => (path.as_str(), None),
        };
        let options = options.into_iter().flatten();
        let options = options.flat_map(|(key, value)| [key.as_str(), value.as_str()]);
        [mount.destination.as_str(), source].into_iter().chain(options)
    });
    texts.into_iter().find(|text| text.contains([',', '"', '\n', '\r']))
}

fn engine_mount(mount: &Mount) -> EngineMount {
    let mut engine = EngineMount {
        target: Some(mount.destination.clone()),
        read_only: Some(mount.read_only),
        consistency: mount.consistency.map(|consistency| consistency.as_str().to_owned()),
        ..EngineMount::default()
    };
    match &mount.source {
        MountSource::Volume { name, labels, driver, options, no_copy } => {
            engine.typ = Some(MountType::VOLUME);
            engine.source = Some(name.as_str().to_owned());
            engine.volume_options = Some(MountVolumeOptions {
                no_copy: Some(*no_copy),
                labels: Some(labels.clone().into_iter().collect()),
                driver_config: driver_config(driver.as_deref(), options),
                ..MountVolumeOptions::default()
            });
        }
        MountSource::Host { path, propagation, create: _ } => {
            engine.typ = Some(MountType::BIND);
            engine.source = Some(path.clone());
            engine.bind_options = propagation.map(|propagation| MountBindOptions {
                propagation: Some(engine_propagation(propagation)),
                ..MountBindOptions::default()
            });
        }
        MountSource::Pipe { path } => {
            engine.typ = Some(MountType::NPIPE);
            engine.source = Some(path.clone());
        }
    }
    engine
}

fn driver_config(
    driver: Option<&str>,
    options: &BTreeMap<String, String>,
) -> Option<MountVolumeOptionsDriverConfig> {
    (driver.is_some() || !options.is_empty()).then(|| MountVolumeOptionsDriverConfig {
        name: driver.map(ToOwned::to_owned),
        options: Some(options.clone().into_iter().collect()),
    })
}

fn engine_propagation(propagation: Propagation) -> MountBindOptionsPropagationEnum {
    match propagation {
        Propagation::Private => MountBindOptionsPropagationEnum::PRIVATE,
        Propagation::RecursivePrivate => MountBindOptionsPropagationEnum::RPRIVATE,
        Propagation::Shared => MountBindOptionsPropagationEnum::SHARED,
        Propagation::RecursiveShared => MountBindOptionsPropagationEnum::RSHARED,
        Propagation::Slave => MountBindOptionsPropagationEnum::SLAVE,
        Propagation::RecursiveSlave => MountBindOptionsPropagationEnum::RSLAVE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Consistency, Relabel};

    fn volume(driver: Option<&str>) -> MountSource {
        MountSource::Volume {
            name: "cache".parse().unwrap(),
            labels: [("a".to_owned(), "b".to_owned())].into(),
            driver: driver.map(ToOwned::to_owned),
            options: BTreeMap::new(),
            no_copy: true,
        }
    }

    fn host(path: &str, create: bool) -> MountSource {
        let propagation = Some(Propagation::RecursiveSlave);
        MountSource::Host { path: path.to_owned(), propagation, create }
    }

    #[test]
    fn a_mount_carries_its_labels_and_is_no_bind_string() {
        let mut sorted = mounted(&[Mount::new("/cache", volume(None))]).unwrap();
        assert_eq!(sorted.binds, [""; 0]);
        let options = sorted.mounts.remove(0).volume_options.unwrap();
        assert_eq!(options.labels.unwrap().get("a").map(String::as_str), Some("b"));
        assert_eq!(options.no_copy, Some(true));
        assert_eq!(options.driver_config, None);
    }

    #[test]
    fn a_driver_or_options_make_a_driver_config() {
        let mut sorted = mounted(&[Mount::new("/cache", volume(Some("nfs")))]).unwrap();
        let config = sorted.mounts.remove(0).volume_options.unwrap().driver_config.unwrap();
        assert_eq!(config.name.as_deref(), Some("nfs"));
        let options = [("o".to_owned(), "uid=1".to_owned())].into();
        assert_eq!(driver_config(None, &options).unwrap().name, None);
    }

    #[test]
    fn a_text_that_a_line_of_values_cannot_hold_is_found_wherever_it_is() {
        let options = |value: &str| MountSource::Volume {
            name: "cache".parse().unwrap(),
            labels: BTreeMap::new(),
            driver: None,
            options: [("o".to_owned(), value.to_owned())].into(),
            no_copy: true,
        };
        for (mount, found) in [
            (Mount::new("/c,src=/etc", volume(None)), Some("/c,src=/etc")),
            (Mount::new("/c\"", volume(None)), Some("/c\"")),
            (Mount::new("/c", host("/a\nb", false)), Some("/a\nb")),
            (Mount::new("/c", options("uid=1,gid=2")), Some("uid=1,gid=2")),
            (Mount::new("/c d=e:f", options("uid=1")), None),
        ] {
            assert_eq!(breaks_a_line(&[mount]), found);
        }
    }

    #[test]
    fn propagation_and_consistency_are_the_mounts_own() {
        let mut mount = Mount::new("/c", host("/a:b", false));
        mount.consistency = Some(Consistency::Delegated);
        let engine = mounted(&[mount]).unwrap().mounts.remove(0);
        assert_eq!(engine.source.as_deref(), Some("/a:b"));
        assert_eq!(engine.consistency.as_deref(), Some("delegated"));
        let propagation = engine.bind_options.unwrap().propagation;
        assert_eq!(propagation, Some(MountBindOptionsPropagationEnum::RSLAVE));
    }

    #[test]
    fn what_no_mount_can_say_is_a_bind_string() {
        let mut relabelled = Mount::new("/cache", volume(None));
        relabelled.relabel = Some(Relabel::Shared);
        let sorted = mounted(&[relabelled, Mount::new("/c", host("/a", true))]).unwrap();
        assert!(sorted.mounts.is_empty());
        assert_eq!(sorted.binds, ["cache:/cache:nocopy,z", "/a:/c:rslave"]);
    }
}
