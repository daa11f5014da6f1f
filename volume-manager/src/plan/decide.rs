//! The decision.

use std::collections::BTreeMap;

use docker_api_trait::Propagation;

use super::{
    build::{BuildDemand, BuildPlacement, users_place},
    check::{check_destination, check_driver, check_texts},
    demand::{KeyedCache, VolumeDemand},
    error::PlanError,
    grant::Grants,
    model::{PlannedCache, PlannedSource, PlannedVolume, VolumePlan},
    mount::mount,
    notes::notes,
    resolve::resolve,
};
use crate::{
    identity::{CacheIdentity, Provenance, Scope},
    name,
    path::{ContainerPath, HostPath, PathProblem, PipePath},
    policy::Policy,
    spec::{Mode, SpecOrigin, VolumeSource, VolumeSpec},
};

/// Decides which volumes a job gets. No I/O; equal arguments give equal plans.
///
/// # Errors
/// [`PlanError`] when two things want one destination, a destination is reserved, the policy
/// refuses a source, an option does not exist for a source, or the scope has text that no label
/// should carry. Nothing is created then, for any of the specs.
pub fn plan(
    demand: &VolumeDemand,
    scope: &Scope,
    provenance: &Provenance,
    policy: &Policy,
) -> Result<VolumePlan, PlanError> {
    check_texts(scope, provenance)?;
    check_driver(&policy.driver)?;
    let mut planner =
        Planner { scope, provenance, policy, taken: Taken::default(), volumes: Vec::new() };
    planner.add_tmpfs(&demand.tmpfs)?;
    planner.add_specs(demand)?;
    for cache in &demand.keyed {
        planner.add_keyed(cache)?;
    }
    let build = match &demand.build {
        Some(wanted) => Some(planner.add_build(wanted, demand)?),
        None => None,
    };
    let mut volumes = planner.volumes;
    for volume in &volumes {
        check_mount(volume, provenance)?;
    }
    volumes.sort_by_key(|volume| volume.destination.depth());
    let notes = notes(&volumes, demand);
    Ok(VolumePlan { provenance: provenance.clone(), volumes, build, notes })
}

/// What is mounted at each destination, in words.
#[derive(Default)]
struct Taken<'a>(BTreeMap<&'a ContainerPath, String>);

impl<'a> Taken<'a> {
    fn insert(&mut self, destination: &'a ContainerPath, what: String) -> Result<(), PlanError> {
        match self.0.insert(destination, what.clone()) {
            Some(first) => Err(PlanError::taken(destination, first, what)),
            None => Ok(()),
        }
    }
}

/// A plan that is being made.
struct Planner<'a> {
    scope: &'a Scope,
    provenance: &'a Provenance,
    policy: &'a Policy,
    taken: Taken<'a>,
    volumes: Vec<PlannedVolume>,
}

impl<'a> Planner<'a> {
    fn add_tmpfs(&mut self, tmpfs: &'a [ContainerPath]) -> Result<(), PlanError> {
        tmpfs.iter().try_for_each(|path| self.taken.insert(path, format!("{path} in memory")))
    }

    fn add_specs(&mut self, demand: &'a VolumeDemand) -> Result<(), PlanError> {
        let generous = self.policy.clone();
        let generous =
            generous.with_named_volumes(true).with_host_paths(true).with_host_options(true);
        for (origin, spec) in demand.by_origin() {
            let policy = if origin == SpecOrigin::Operator { &generous } else { self.policy };
            if !origin.may_cover_system() || spec.source == VolumeSource::Cache {
                check_destination(&spec.destination)?;
            }
            self.taken.insert(&spec.destination, spec.to_string())?;
            let volume = self.volume(spec, Grants { policy, origin })?;
            self.volumes.push(volume);
        }
        Ok(())
    }

    fn add_keyed(&mut self, cache: &'a KeyedCache) -> Result<(), PlanError> {
        check_destination(&cache.destination)?;
        let scope = self.scope.clone().with_key(&cache.key);
        check_texts(&scope, self.provenance)?;
        let what = format!("the cache {:?} at {}", cache.key, cache.destination);
        self.taken.insert(&cache.destination, what)?;
        let source = self.cache_or_temporary(&scope, &cache.destination)?;
        let mode = if cache.read_only { Mode::ReadOnly } else { Mode::ReadWrite };
        let volume =
            PlannedVolume { mode, ..PlannedVolume::new(cache.destination.clone(), source) };
        self.volumes.push(volume);
        Ok(())
    }

    fn add_build(
        &mut self,
        wanted: &BuildDemand,
        demand: &VolumeDemand,
    ) -> Result<BuildPlacement, PlanError> {
        let users: Vec<_> = demand.by_origin().map(|(_, spec)| spec.clone()).collect();
        if let Some(place) = users_place(wanted, &users, &demand.tmpfs) {
            return Ok(place);
        }
        check_destination(&wanted.folder)?;
        let kept = wanted.strategy.keeps() && !self.policy.disable_cache;
        let source = if kept {
            self.cache_or_temporary(self.scope, &wanted.folder)?
        } else {
            PlannedSource::Temporary(self.identity(self.scope, &wanted.folder))
        };
        self.volumes.push(PlannedVolume::new(wanted.folder.clone(), source));
        Ok(BuildPlacement::Volume { kept })
    }

    fn volume(&self, spec: &VolumeSpec, grants: Grants<'_>) -> Result<PlannedVolume, PlanError> {
        let destination = &spec.destination;
        let source = match &spec.source {
            VolumeSource::Cache => self.cache_or_temporary(self.scope, destination)?,
            VolumeSource::Named(name) => {
                grants.check_name(name)?;
                PlannedSource::Named(name.clone())
            }
            VolumeSource::Host(path) => {
                grants.check_path(path, spec)?;
                PlannedSource::Host(path.clone())
            }
            VolumeSource::Pipe(pipe) => {
                let pipe = match pipe {
                    Some(pipe) => pipe.clone(),
                    None => PipePath::new(destination.as_str()).map_err(|problem| {
                        PlanError::HostPath { path: destination.to_string(), problem }
                    })?,
                };
                grants.check_pipe(&pipe, destination)?;
                PlannedSource::Pipe(pipe)
            }
        };
        let is_hosts = matches!(source, PlannedSource::Host(_) | PlannedSource::Directory(_));
        if let Some(propagation) = spec.propagation.filter(|_| !is_hosts) {
            return Err(PlanError::OptionRefused {
                option: Propagation::as_str(propagation),
                destination: destination.clone(),
            });
        }
        Ok(PlannedVolume {
            mode: spec.mode.unwrap_or_default(),
            label: spec.label,
            propagation: spec.propagation,
            no_copy: spec.no_copy,
            consistency: spec.consistency,
            ..PlannedVolume::new(destination.clone(), source)
        })
    }

    fn identity(&self, scope: &Scope, destination: &ContainerPath) -> CacheIdentity {
        CacheIdentity::new(scope.clone(), destination.clone())
            .with_driver(self.policy.driver.clone())
    }

    fn cache_or_temporary(
        &self,
        scope: &Scope,
        destination: &ContainerPath,
    ) -> Result<PlannedSource, PlanError> {
        if self.policy.disable_cache {
            return Ok(PlannedSource::Temporary(self.identity(scope, destination)));
        }
        let Some(folder) = &self.policy.cache_dir else {
            let identity = self.identity(scope, destination);
            return Ok(PlannedSource::Cache(PlannedCache::new(identity)));
        };
        // No driver stores it, so none is part of its identity.
        let name = name::cache(&CacheIdentity::new(scope.clone(), destination.clone()));
        let failed = |problem| PlanError::HostPath { path: folder.to_string(), problem };
        directory(folder, scope, name.as_str()).map(PlannedSource::Directory).map_err(failed)
    }
}

/// The engine would misread some mounts that only a bind string can ask for.
fn check_mount(volume: &PlannedVolume, provenance: &Provenance) -> Result<(), PlanError> {
    let mount = mount(volume, &resolve(&volume.source, provenance));
    match mount.bind_string() {
        Ok(_) => Ok(()),
        Err(problem) => {
            Err(PlanError::Unmountable { destination: volume.destination.clone(), problem })
        }
    }
}

/// The folder of one cache in the cache directory: hints for people, and the digits of its name.
fn directory(folder: &HostPath, scope: &Scope, name: &str) -> Result<HostPath, PathProblem> {
    let digits = name.rsplit('-').next().unwrap_or(name);
    folder.join(&name::hint(&scope.owner))?.join(&name::hint(&scope.project))?.join(digits)
}
