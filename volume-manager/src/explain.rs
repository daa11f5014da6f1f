//! Which volume a spec maps to, why, and whether it is warm: pure.

use docker_api_trait::{Volume, VolumeName};
use serde::Serialize;

use crate::{
    identity::{CacheIdentity, Provenance, Scope},
    kind::VolumeKind,
    name::{self, Field},
    plan::{ManagedVolume, PlanError, PlannedSource, VolumeDemand, plan},
    policy::Policy,
    prepared::{PreparedVolume, PreparedVolumes},
    record::VolumeRecord,
    spec::VolumeSpec,
    verify::verify,
};

/// What a job of `scope` gets for a spec, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct VolumeExplanation {
    /// The spec, in its canonical form.
    pub spec: String,
    /// What is mounted.
    pub kind: VolumeKind,
    /// The volume's name, or the host's path.
    pub name: String,
    /// All that a cache's name depends on; empty for what is not a cache.
    pub fields: Vec<Field>,
    /// Whether it is there.
    pub state: Warmth,
    /// What would make the next job begin with an empty cache.
    pub cold_after: Vec<String>,
}

/// Whether a cache is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase", tag = "is")]
#[non_exhaustive]
pub enum Warmth {
    /// It is there, and will be used again.
    Warm {
        /// What its labels say.
        volume: Box<VolumeRecord>,
    },
    /// It is not there: the next job makes it.
    Cold,
    /// Something has its name that is not it: jobs are refused until that is gone.
    Squatted {
        /// What differs.
        problem: String,
    },
    /// It is a folder of the host, which the engine does not tell of.
    Directory,
    /// Every run has one of its own.
    Temporary,
    /// It is not a volume of ours; whether it is there is not our business.
    Foreign,
}

/// The volume to look at before a spec is explained; `None` for what is not a cache in a volume.
///
/// # Errors
/// [`PlanError`] when no job could have the spec.
pub fn cache_of(
    spec: &VolumeSpec,
    scope: &Scope,
    policy: &Policy,
) -> Result<Option<VolumeName>, PlanError> {
    let planned = planned(spec, scope, policy)?;
    Ok(cache(&planned).map(|managed| managed.name.clone()))
}

/// The volume of a cache.
fn cache(planned: &PreparedVolume) -> Option<&ManagedVolume> {
    planned.managed().filter(|_| planned.kind() == VolumeKind::Cache)
}

/// Explains what a job of `scope` gets for `spec`, where the engine has `found` under the name that
/// [`cache_of`] gives.
///
/// # Errors
/// [`PlanError`] when no job could have the spec.
pub fn explain(
    spec: &VolumeSpec,
    scope: &Scope,
    policy: &Policy,
    found: Option<&Volume>,
) -> Result<VolumeExplanation, PlanError> {
    let planned = planned(spec, scope, policy)?;
    let state = match (planned.kind(), cache(&planned)) {
        (_, Some(managed)) => found.map_or(Warmth::Cold, |volume| warmth(managed, volume)),
        (VolumeKind::Directory, None) => Warmth::Directory,
        (VolumeKind::Temporary, None) => Warmth::Temporary,
        (_, None) => Warmth::Foreign,
    };
    let identity = match &planned.planned.source {
        PlannedSource::Cache(cache) => Some(cache.identity.clone()),
        // No driver stores it.
        PlannedSource::Directory(_) => {
            Some(CacheIdentity::new(scope.clone(), spec.destination.clone()))
        }
        _ => None,
    };
    Ok(VolumeExplanation {
        spec: spec.to_string(),
        kind: planned.kind(),
        // A temporary volume's name is another in every run.
        name: match planned.kind() {
            VolumeKind::Temporary => String::new(),
            _ => planned.name().to_owned(),
        },
        fields: identity.as_ref().map_or_else(Vec::new, |one| name::explain(one).fields),
        state,
        cold_after: if identity.is_some() { cold_after(scope, spec, policy) } else { Vec::new() },
    })
}

fn planned(spec: &VolumeSpec, scope: &Scope, policy: &Policy) -> Result<PreparedVolume, PlanError> {
    let provenance = Provenance::new("", std::time::SystemTime::UNIX_EPOCH);
    let demand = VolumeDemand::new([spec.clone()]);
    let plan = plan(&demand, scope, &provenance, policy)?;
    Ok(PreparedVolumes::unprepared(&plan).volumes.remove(0))
}

fn warmth(managed: &ManagedVolume, volume: &Volume) -> Warmth {
    match (verify(managed, volume), VolumeRecord::read(volume)) {
        (Ok(_), Some(record)) => Warmth::Warm { volume: Box::new(record) },
        (Err(error), _) => Warmth::Squatted { problem: error.to_string() },
        // A volume with our labels has a record of them.
        (Ok(_), None) => Warmth::Squatted { problem: "its labels cannot be read".to_owned() },
    }
}

fn cold_after(scope: &Scope, spec: &VolumeSpec, policy: &Policy) -> Vec<String> {
    let mut reasons = vec![
        format!("another owner than {:?}", scope.owner),
        format!("another project than {:?}", scope.project),
        format!("a job that is not {}", scope.trust.as_str()),
        format!("another key than {:?}", scope.key),
        format!("another destination than {}", spec.destination),
    ];
    if policy.cache_dir.is_some() {
        reasons.push("another cache directory".to_owned());
        reasons.push("removing its folder on the engine's host".to_owned());
    } else {
        reasons.push(format!("another driver than {:?}, or other options", policy.driver.name));
        reasons.push("removing the volume, as `docker volume prune` also does".to_owned());
    }
    reasons.push("another engine".to_owned());
    reasons
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::VolumeDriver;

    fn explained(
        spec: &str,
        policy: &Policy,
        found: Option<fn(&ManagedVolume) -> Volume>,
    ) -> VolumeExplanation {
        let (spec, scope) = (spec.parse().unwrap(), Scope::trusted("ci", "app"));
        let origin = Provenance::new("r", std::time::SystemTime::UNIX_EPOCH);
        let plan = plan(&VolumeDemand::new([VolumeSpec::clone(&spec)]), &scope, &origin, policy);
        let managed = PreparedVolumes::unprepared(&plan.unwrap()).volumes[0].managed().cloned();
        let name = cache_of(&spec, &scope, policy).unwrap();
        let cache = managed.filter(|managed| managed.labels[crate::label::KIND] == "cache");
        assert_eq!(name, cache.as_ref().map(|managed| managed.name.clone()));
        let found = found.zip(cache).map(|(found, managed)| found(&managed));
        explain(&spec, &scope, policy, found.as_ref()).unwrap()
    }

    fn made(managed: &ManagedVolume) -> Volume {
        let mut volume = Volume::local(managed.name.as_str());
        volume.labels = managed.labels.clone();
        volume
    }

    #[test]
    fn a_cache_is_warm_cold_or_squatted() {
        let policy = Policy::default();
        let warm = explained("/cache", &policy, Some(made));
        assert!(matches!(&warm.state, Warmth::Warm { volume } if volume.project == "app"));
        assert_eq!((warm.kind, warm.fields.len()), (VolumeKind::Cache, 6));
        assert!(warm.cold_after.iter().any(|reason| reason.contains("\"app\"")));
        assert_eq!(explained("/cache", &policy, None).state, Warmth::Cold);
        let squatted = explained("/cache", &policy, Some(|ours| Volume::local(ours.name.as_str())));
        assert!(matches!(squatted.state, Warmth::Squatted { .. }), "{squatted:?}");
    }

    #[test]
    fn what_is_no_cache_has_no_identity() {
        let disabled = Policy::default().with_cache_disabled(true);
        let temporary = explained("/cache", &disabled, None);
        assert_eq!((temporary.state, temporary.name.as_str()), (Warmth::Temporary, ""));
        let named = explained("data:/d", &Policy::default(), None);
        assert_eq!((named.state, named.name.as_str()), (Warmth::Foreign, "data"));
        assert!(named.fields.is_empty() && named.cold_after.is_empty());
    }

    #[test]
    fn a_folder_and_a_driver_have_reasons_of_their_own() {
        let folder = Policy::default().with_cache_dir("/srv".parse().unwrap());
        let reasons = explained("/cache", &folder, None).cold_after.join("; ");
        assert!(reasons.contains("cache directory") && !reasons.contains("prune"), "{reasons}");
        assert_eq!(explained("/cache", &folder, None).state, Warmth::Directory);
        let driver = Policy::default().with_driver(VolumeDriver::new("nfs"));
        let explanation = explained("/cache", &driver, None);
        assert_eq!(explanation.fields.len(), 7);
        assert!(explanation.cold_after.join("; ").contains("\"nfs\""));
    }
}
