//! From what a job asks for to what is made and mounted: pure, and total over its inputs.

use std::collections::BTreeMap;

use docker_api_trait::{VolumeName, VolumeRequest};
use serde::Serialize;

use crate::{
    Access, ContainerPath, HostPath, PlanError, Policy, Provenance, Scope, VolumeSource,
    VolumeSpec, label, name,
};

/// Mounting something here would hide what the kernel shows there, or fails at the container's
/// start.
const RESERVED: [&str; 3] = ["/proc", "/sys", "/dev"];

/// The volumes of a job, in the order in which they are mounted: outermost first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct VolumePlan {
    /// One for each spec.
    pub volumes: Vec<PlannedVolume>,
}

/// One volume of a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct PlannedVolume {
    /// Where it is mounted.
    pub destination: ContainerPath,
    /// What is mounted.
    pub source: PlannedSource,
    /// What the container may do with it.
    pub access: Access,
    /// Whether an empty volume stays empty.
    pub no_copy: bool,
}

/// What is mounted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum PlannedSource {
    /// A cache, which stays after the job.
    Cache(ManagedVolume),
    /// A volume of this run, which goes with it.
    Temporary(ManagedVolume),
    /// A volume of the user's own.
    Named(VolumeName),
    /// A path of the engine's host.
    Host(HostPath),
}

/// A volume that is made and labelled by us.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ManagedVolume {
    /// Its name.
    pub name: VolumeName,
    /// Its labels, all of them: they are given in the call that creates it.
    pub labels: BTreeMap<String, String>,
}

impl ManagedVolume {
    /// The request that creates it, or finds it.
    pub fn request(&self) -> VolumeRequest {
        VolumeRequest::new(self.name.clone()).with_labels(self.labels.clone())
    }
}

impl PlannedSource {
    /// The volume, when it is one of ours.
    pub fn managed(&self) -> Option<&ManagedVolume> {
        match self {
            Self::Cache(volume) | Self::Temporary(volume) => Some(volume),
            Self::Named(_) | Self::Host(_) => None,
        }
    }

    /// One word for its kind: `cache`, `temporary`, `named` or `host`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Cache(_) => "cache",
            Self::Temporary(_) => "temporary",
            Self::Named(_) => "named",
            Self::Host(_) => "host",
        }
    }

    /// The volume's name or the host's path.
    pub fn name(&self) -> &str {
        match self {
            Self::Cache(volume) | Self::Temporary(volume) => volume.name.as_str(),
            Self::Named(name) => name.as_str(),
            Self::Host(path) => path.as_str(),
        }
    }
}

/// Decides which volumes a job gets. No I/O; equal arguments give equal plans.
///
/// # Errors
/// [`PlanError`] when two specs want one destination, a destination is the kernel's, or the policy
/// refuses a source. Nothing is made then, for any of the specs.
pub fn plan(
    specs: &[VolumeSpec],
    scope: &Scope,
    provenance: &Provenance,
    policy: &Policy,
) -> Result<VolumePlan, PlanError> {
    let mut volumes: Vec<PlannedVolume> = Vec::with_capacity(specs.len());
    let mut taken: BTreeMap<&ContainerPath, &VolumeSpec> = BTreeMap::new();
    for spec in specs {
        if RESERVED.iter().any(|reserved| spec.destination.is_within(reserved)) {
            return Err(PlanError::ReservedDestination { destination: spec.destination.clone() });
        }
        if let Some(first) = taken.insert(&spec.destination, spec) {
            return Err(PlanError::DestinationTaken {
                destination: spec.destination.clone(),
                first: first.to_string(),
                second: spec.to_string(),
            });
        }
        volumes.push(PlannedVolume {
            destination: spec.destination.clone(),
            source: source(spec, scope, provenance, policy)?,
            access: spec.access,
            no_copy: spec.no_copy,
        });
    }
    volumes.sort_by_key(|volume| volume.destination.depth());
    Ok(VolumePlan { volumes })
}

fn source(
    spec: &VolumeSpec,
    scope: &Scope,
    provenance: &Provenance,
    policy: &Policy,
) -> Result<PlannedSource, PlanError> {
    let destination = &spec.destination;
    Ok(match &spec.source {
        VolumeSource::Cache if policy.disable_cache => {
            let mut labels = labels("temporary", destination, scope, provenance);
            if let Some(deadline) = provenance.deadline {
                labels.insert(label::DEADLINE.to_owned(), label::timestamp(deadline));
            }
            let name = name::temporary(scope, destination, &provenance.run);
            PlannedSource::Temporary(ManagedVolume { name, labels })
        }
        VolumeSource::Cache => PlannedSource::Cache(ManagedVolume {
            name: name::cache(scope, destination),
            labels: labels("cache", destination, scope, provenance),
        }),
        // Under its name alone, another project's or another trust's cache could be mounted.
        VolumeSource::Named(name) if name.as_str().starts_with(name::PREFIX) => {
            return Err(PlanError::ReservedName { name: name.clone() });
        }
        VolumeSource::Named(name) => PlannedSource::Named(name.clone()),
        VolumeSource::Host(path) if !policy.allow_host_paths => {
            return Err(PlanError::HostPathRefused {
                path: path.clone(),
                destination: destination.clone(),
            });
        }
        VolumeSource::Host(path) => PlannedSource::Host(path.clone()),
    })
}

fn labels(
    kind: &str,
    destination: &ContainerPath,
    scope: &Scope,
    provenance: &Provenance,
) -> BTreeMap<String, String> {
    let mut labels = label::common(kind, scope, provenance);
    labels.insert(label::DESTINATION.to_owned(), destination.to_string());
    labels.insert(label::KEY.to_owned(), scope.key.clone());
    // Of the driver and its options, of which there are none to choose yet.
    labels.insert(label::CONFIG_HASH.to_owned(), name::fingerprint(["local"]));
    labels
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;

    fn planned(specs: &[&str], policy: &Policy) -> Result<VolumePlan, PlanError> {
        let specs: Vec<VolumeSpec> = specs.iter().map(|spec| spec.parse().unwrap()).collect();
        let mut origin = Provenance::new("run-1", SystemTime::UNIX_EPOCH);
        origin.deadline = Some(SystemTime::UNIX_EPOCH + Duration::from_mins(1));
        plan(&specs, &Scope::trusted("ci", "app"), &origin, policy)
    }

    #[test]
    fn a_cache_has_the_name_and_labels_of_the_public_format() {
        let plan = planned(&["/cache/"], &Policy::default()).unwrap();
        let PlannedSource::Cache(cache) = &plan.volumes[0].source else { panic!("{plan:?}") };
        assert!(cache.name.as_str().starts_with("berth-c1-app-cache-"));
        for (key, value) in [
            (label::SCHEMA, "1"),
            (label::KIND, "cache"),
            (label::OWNER, "ci"),
            (label::PROJECT, "app"),
            (label::TRUST, "trusted"),
            (label::DESTINATION, "/cache"),
            (label::KEY, ""),
            (label::RUN, "run-1"),
            (label::CREATED_AT, "1970-01-01T00:00:00Z"),
        ] {
            assert_eq!(cache.labels.get(key).map(String::as_str), Some(value), "{key}");
        }
        assert!(!cache.labels.contains_key(label::DEADLINE), "a cache has no deadline");
    }

    #[test]
    fn one_destination_cannot_be_had_twice_in_any_spelling() {
        let error = planned(&["/cache:ro", "data:/cache/"], &Policy::default()).unwrap_err();
        let PlanError::DestinationTaken { destination, first, second } = error else {
            panic!("{error:?}")
        };
        assert_eq!(destination.as_str(), "/cache");
        assert_eq!((first.as_str(), second.as_str()), ("/cache:ro", "data:/cache"));
    }

    #[test]
    fn nested_destinations_are_mounted_outermost_first() {
        let plan = planned(&["/a/b/c", "/a", "/a/b"], &Policy::default()).unwrap();
        let order: Vec<_> = plan.volumes.iter().map(|volume| volume.destination.as_str()).collect();
        assert_eq!(order, ["/a", "/a/b", "/a/b/c"]);
    }

    #[test]
    fn what_the_kernel_shows_cannot_be_hidden() {
        for spec in ["/proc", "/sys/kernel", "/dev/"] {
            let error = planned(&[spec], &Policy::default()).unwrap_err();
            assert!(matches!(error, PlanError::ReservedDestination { .. }), "{error:?}");
        }
        assert!(planned(&["/devel"], &Policy::default()).is_ok());
    }

    #[test]
    fn a_path_of_the_host_needs_the_policys_leave() {
        let error = planned(&["/etc:/x"], &Policy::default()).unwrap_err();
        assert!(matches!(error, PlanError::HostPathRefused { .. }), "{error:?}");
        let plan = planned(&["/etc:/x"], &Policy::default().with_host_paths(true)).unwrap();
        assert_eq!(plan.volumes[0].source.kind(), "host");
    }

    #[test]
    fn a_cache_cannot_be_mounted_under_its_name() {
        let name =
            planned(&["/cache"], &Policy::default()).unwrap().volumes[0].source.name().to_owned();
        let error = planned(&[&format!("{name}:/stolen")], &Policy::default()).unwrap_err();
        assert!(matches!(error, PlanError::ReservedName { .. }), "{error:?}");
    }

    #[test]
    fn with_caches_disabled_each_is_a_temporary_of_the_run() {
        let plan = planned(&["/cache"], &Policy::default().with_cache_disabled(true)).unwrap();
        let PlannedSource::Temporary(volume) = &plan.volumes[0].source else { panic!("{plan:?}") };
        assert!(volume.name.as_str().starts_with("berth-t1-"));
        assert_eq!(volume.labels.get(label::KIND).map(String::as_str), Some("temporary"));
        assert_eq!(
            volume.labels.get(label::DEADLINE).map(String::as_str),
            Some("1970-01-01T00:01:00Z")
        );
    }
}
