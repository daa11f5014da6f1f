//! The volumes of a job, and whose permission each of them needs.

use volume_manager::{
    ContainerPath, HostPath, KeyedCache, Policy, RealPath, SpecOrigin, SpecProblem, SpecReader,
    VolumeDemand, VolumePlan, VolumeSource, VolumeSpec, plan as plan_volumes,
};

use super::planner::{Planner, is_masked};
use crate::job::{CacheMode, JobError};

/// Decides the volumes: the configuration's, the job's, and its caches by their keys.
pub(super) fn volumes(planner: &Planner<'_>) -> Result<VolumePlan, JobError> {
    let mut specs = Vec::new();
    let mut granted = Vec::new();
    for text in &planner.config.volumes {
        let reader = planner.reader.clone().with_origin(SpecOrigin::Operator);
        let spec = read(planner, &reader, text)?;
        match origin_of(text, &spec, &reader, &planner.config.policy) {
            SpecOrigin::Operator => granted.push(spec),
            _ => specs.push(read(planner, &planner.reader, text)?),
        }
    }
    for text in &planner.job.volumes {
        specs.push(read(planner, &planner.reader, text)?);
    }
    let mut keyed = Vec::new();
    for cache in &planner.job.caches {
        let key = planner.expand("cache key", &cache.key)?;
        let key = if key.is_empty() { planner.job.key.clone() } else { key };
        for path in &cache.paths {
            let spec = read(planner, &planner.reader, path)?;
            if spec.source != VolumeSource::Cache || spec.options().next().is_some() {
                return Err(JobError::CachePath { path: path.clone() });
            }
            let mut keyed_cache = KeyedCache::new(key.clone(), spec.destination);
            keyed_cache.read_only = cache.mode == CacheMode::Pull;
            keyed.push(keyed_cache);
        }
    }
    let tmpfs = planner.config.containers.host.tmpfs.keys();
    let tmpfs = tmpfs.filter_map(|path| path.parse::<ContainerPath>().ok());
    let mut demand =
        VolumeDemand::new(specs).with_granted(granted).with_keyed(keyed).with_tmpfs(tmpfs);
    demand.build.clone_from(&planner.build);
    Ok(plan_volumes(&demand, &planner.scope, &planner.provenance, &planner.config.policy)?)
}

/// A volume's spec with the variables that may show.
fn read(planner: &Planner<'_>, reader: &SpecReader, text: &str) -> Result<VolumeSpec, JobError> {
    reader.read(text).map_err(|error| match &error.problem {
        SpecProblem::UndefinedVariable(name) if is_masked(&planner.variables, name) => {
            JobError::MaskedVariable { what: "volume", name: name.clone() }
        }
        _ => error.into(),
    })
}

/// Whose permission a volume of the configuration needs. A job can set every variable, so a source with
/// variables has the operator's only if no value changes where the other components are: each component
/// with a variable expands to one component, and the path begins with the text before the first variable.
/// Where the policy has real paths, no link may lead out of the directory before that variable either:
/// an earlier job may have created the link.
fn origin_of(text: &str, spec: &VolumeSpec, reader: &SpecReader, policy: &Policy) -> SpecOrigin {
    let source = text.split(':').next().unwrap_or_default();
    let Some((fixed, _)) = source.split_once('$') else { return SpecOrigin::Operator };
    let path = match &spec.source {
        VolumeSource::Host(path) => path,
        VolumeSource::Cache => return SpecOrigin::Operator,
        _ => return SpecOrigin::Job,
    };
    let is_one_component = |component: &str| {
        let expanded = reader.expand(component).unwrap_or_default();
        !expanded.contains('/') && !matches!(expanded.as_str(), "" | "." | "..")
    };
    let mut components = source.split('/').filter(|component| component.contains('$'));
    let stays = components.all(is_one_component) && stays_below(fixed, path, policy) == Some(true);
    if stays { SpecOrigin::Operator } else { SpecOrigin::Job }
}

/// Whether `path` begins with the text `fixed`, and is below the directory in it also where links lead.
/// `None` if that directory is not a usable path.
fn stays_below(fixed: &str, path: &HostPath, policy: &Policy) -> Option<bool> {
    let (directory, prefix) = fixed.rsplit_once('/')?;
    let directory: HostPath = directory.parse().ok()?;
    let rest = path.as_str().strip_prefix(directory.as_str())?.strip_prefix('/')?;
    if directory.as_str() == "/" || !rest.starts_with(prefix) {
        return Some(false);
    }
    let real = |path| match policy.real_paths.get(path) {
        Some(RealPath::Reaches(reached)) => reached.first(),
        _ => None,
    };
    Some(match (real(&directory), real(path)) {
        (real_directory, Some(path)) => {
            let directory = real_directory.unwrap_or(&directory);
            path != directory && directory.contains(path)
        }
        // A link that leads nowhere, or to where this user cannot look.
        (Some(_), None) => false,
        (None, None) => true,
    })
}
