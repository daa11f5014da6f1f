//! From a resolved volume to the mount of a container: pure.

use std::collections::BTreeMap;

use docker_api_trait::{Mount, MountSource, Relabel, VolumeName};

use super::{
    model::PlannedVolume,
    resolve::{ManagedVolume, ResolvedSource},
};
use crate::{identity::VolumeDriver, spec::Mode};

/// Returns the mount of one volume. Volumes that Berth creates carry their labels and driver along:
/// should one vanish before the container is created, the engine recreates it as ours.
pub(crate) fn mount(planned: &PlannedVolume, source: &ResolvedSource) -> Mount {
    let mounted = match source {
        ResolvedSource::Managed(managed) => managed_source(managed, planned.no_copy),
        ResolvedSource::Named(name) => named_source(name, planned.no_copy),
        ResolvedSource::Host { path, create } => MountSource::Host {
            path: path.to_string(),
            propagation: planned.propagation,
            create: *create,
        },
        ResolvedSource::Pipe(path) => MountSource::Pipe { path: path.to_string() },
    };
    let mut mount = Mount::new(planned.destination.as_str(), mounted);
    mount.read_only = planned.mode == Mode::ReadOnly;
    mount.overlay = planned.mode == Mode::Overlay;
    mount.relabel = planned.label.filter(|label| !is_relabelled(source, *label));
    mount.consistency = planned.consistency;
    mount
}

/// Whether the engine gives a volume that label by itself: it shares every mounted volume of its
/// own driver. Only a bind string can ask for a label, and it has none of a mount's guarantees.
fn is_relabelled(source: &ResolvedSource, label: Relabel) -> bool {
    let is_local = |managed: &ManagedVolume| managed.driver.name == VolumeDriver::LOCAL;
    label == Relabel::Shared && source.managed().is_some_and(is_local)
}

fn managed_source(managed: &ManagedVolume, no_copy: bool) -> MountSource {
    let is_plain = managed.driver == VolumeDriver::default();
    MountSource::Volume {
        name: managed.name.clone(),
        labels: managed.labels.clone(),
        driver: (!is_plain).then(|| managed.driver.name.clone()),
        options: managed.driver.options.clone(),
        no_copy,
    }
}

fn named_source(name: &VolumeName, no_copy: bool) -> MountSource {
    MountSource::Volume {
        name: name.clone(),
        labels: BTreeMap::new(),
        driver: None,
        options: BTreeMap::new(),
        no_copy,
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::{Policy, PreparedVolumes, Provenance, Scope, VolumeDemand, plan};

    fn mounted(spec: &str, policy: &Policy) -> Mount {
        let demand = VolumeDemand::new([spec.parse().unwrap()]);
        let origin = Provenance::new("run", SystemTime::UNIX_EPOCH);
        let policy = policy.clone().with_host_paths(true).with_host_options(true);
        let plan = plan(&demand, &Scope::trusted("ci", "app"), &origin, &policy).unwrap();
        PreparedVolumes::unprepared(&plan).mounts().remove(0)
    }

    #[test]
    fn every_option_takes_effect() {
        let plain = mounted("/c", &Policy::default());
        assert!(!plain.read_only && !plain.overlay && plain.relabel.is_none());
        assert!(mounted("/c:ro", &Policy::default()).read_only);
        assert!(mounted("/c:O", &Policy::default()).overlay);
        assert_eq!(
            mounted("/c:cached", &Policy::default()).consistency.unwrap().as_str(),
            "cached"
        );
        let MountSource::Volume { no_copy, labels, driver, .. } =
            mounted("/c:nocopy", &Policy::default()).source
        else {
            panic!("a cache is a volume")
        };
        assert!(no_copy && !labels.is_empty() && driver.is_none());
        let MountSource::Host { propagation, create, .. } =
            mounted("/h:/c:rslave", &Policy::default()).source
        else {
            panic!("a path is the host's")
        };
        assert!(propagation.is_some() && !create);
    }

    #[test]
    fn the_shared_label_is_asked_for_only_where_the_engine_does_not_give_it() {
        let label = |spec, policy: &Policy| mounted(spec, policy).relabel;
        let other = Policy::default().with_driver(VolumeDriver::new("nfs"));
        assert_eq!(label("/c:z", &Policy::default()), None);
        assert_eq!(label("/c:Z", &Policy::default()), Some(Relabel::Private));
        assert_eq!(label("/c:z", &other), Some(Relabel::Shared));
        assert_eq!(label("/h:/c:z", &Policy::default()), Some(Relabel::Shared));
        assert_eq!(label("data:/c:z", &Policy::default()), Some(Relabel::Shared));
    }

    #[test]
    fn a_vanished_volume_would_come_back_with_its_driver() {
        let driver = VolumeDriver::new("nfs").with_option("share", "x");
        let MountSource::Volume { driver, options, .. } =
            mounted("/c", &Policy::default().with_driver(driver)).source
        else {
            panic!("a cache is a volume")
        };
        assert_eq!((driver.as_deref(), options["share"].as_str()), (Some("nfs"), "x"));
    }

    #[test]
    fn a_cache_directory_is_made_by_the_engine() {
        let policy = Policy::default().with_cache_dir("/srv".parse().unwrap());
        let MountSource::Host { create, .. } = mounted("/c", &policy).source else {
            panic!("a folder is the host's")
        };
        assert!(create);
    }
}
