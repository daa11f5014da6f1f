//! The decision.

use std::collections::BTreeMap;

use docker_api_trait::{Propagation, Relabel};

use super::{
    BuildPlacement, ManagedVolume, PlanNote, PlannedSource, PlannedVolume, VolumeDemand,
    VolumePlan, build::users_place,
};
use crate::{
    CacheIdentity, ContainerPath, HostPath, Mode, PathProblem, PipePath, PlanError, Policy,
    Provenance, RealPath, Scope, SpecOrigin, VolumeDriver, VolumeSource, VolumeSpec, label, name,
};

/// The longest text that becomes a label.
const LONGEST_FIELD: usize = 1024;

/// Decides which volumes a job gets. No I/O; equal arguments give equal plans.
///
/// # Errors
/// [`PlanError`] when two things want one destination, a destination is the system's, the policy
/// refuses a source, an option cannot be had for a source, or the scope has text that no label
/// should carry. Nothing is made then, for any of the specs.
pub fn plan(
    demand: &VolumeDemand,
    scope: &Scope,
    provenance: &Provenance,
    policy: &Policy,
) -> Result<VolumePlan, PlanError> {
    check_texts(scope, provenance)?;
    check_driver(&policy.driver)?;
    let planner = Planner { scope, provenance, policy, origin: SpecOrigin::Job };
    let mut taken: BTreeMap<&ContainerPath, String> = BTreeMap::new();
    for tmpfs in &demand.tmpfs {
        let tmpfs_is = || format!("{tmpfs} in memory");
        if let Some(first) = taken.insert(tmpfs, tmpfs_is()) {
            return Err(PlanError::taken(tmpfs, first, tmpfs_is()));
        }
    }
    let generous =
        policy.clone().with_named_volumes(true).with_host_paths(true).with_host_options(true);
    let granting = Planner { policy: &generous, origin: SpecOrigin::Operator, ..planner };
    let mut volumes = Vec::with_capacity(demand.specs.len() + 1);
    for (origin, spec) in demand.by_origin() {
        let planner = match origin {
            SpecOrigin::Operator => &granting,
            SpecOrigin::Job => &planner,
        };
        if !origin.may_cover_system() || spec.source == VolumeSource::Cache {
            check_destination(&spec.destination)?;
        }
        if let Some(first) = taken.insert(&spec.destination, spec.to_string()) {
            return Err(PlanError::taken(&spec.destination, first, spec.to_string()));
        }
        volumes.push(planner.volume(spec)?);
    }
    for cache in &demand.keyed {
        check_destination(&cache.destination)?;
        let scope = Scope { key: cache.key.clone(), ..scope.clone() };
        check_texts(&scope, provenance)?;
        let what = || format!("the cache {:?} at {}", cache.key, cache.destination);
        if let Some(first) = taken.insert(&cache.destination, what()) {
            return Err(PlanError::taken(&cache.destination, first, what()));
        }
        let keyed = Planner { scope: &scope, ..planner };
        let source = if policy.disable_cache {
            keyed.temporary(&cache.destination)
        } else {
            keyed.cache(&cache.destination)?
        };
        let mode = if cache.read_only { Mode::ReadOnly } else { Mode::ReadWrite };
        volumes
            .push(PlannedVolume { mode, ..PlannedVolume::new(cache.destination.clone(), source) });
    }
    let mut build = None;
    if let Some(wanted) = &demand.build {
        let users: Vec<_> = demand.by_origin().map(|(_, spec)| spec.clone()).collect();
        build = users_place(wanted, &users, &demand.tmpfs);
        if build.is_none() {
            check_destination(&wanted.folder)?;
            let kept = wanted.strategy.keeps() && !policy.disable_cache;
            let source = if kept {
                planner.cache(&wanted.folder)?
            } else {
                planner.temporary(&wanted.folder)
            };
            volumes.push(PlannedVolume::new(wanted.folder.clone(), source));
            build = Some(BuildPlacement::Volume { kept });
        }
    }
    for volume in &volumes {
        volume.mount().bind_string().map_err(|problem| PlanError::Unmountable {
            destination: volume.destination.clone(),
            problem,
        })?;
    }
    volumes.sort_by_key(|volume| volume.destination.depth());
    let notes = notes(&volumes, demand);
    Ok(VolumePlan { volumes, build, notes })
}

/// What all volumes of a plan have in common.
#[derive(Clone, Copy)]
struct Planner<'a> {
    scope: &'a Scope,
    provenance: &'a Provenance,
    policy: &'a Policy,
    origin: SpecOrigin,
}

impl Planner<'_> {
    fn volume(&self, spec: &VolumeSpec) -> Result<PlannedVolume, PlanError> {
        let destination = &spec.destination;
        let source = match &spec.source {
            VolumeSource::Cache if self.policy.disable_cache => self.temporary(destination),
            VolumeSource::Cache => self.cache(destination)?,
            // Under its name alone, another project's or another trust's cache could be mounted.
            // Engines on Windows do not look at the case of a name.
            VolumeSource::Named(name)
                if name.as_str().to_ascii_lowercase().starts_with(name::PREFIX) =>
            {
                return Err(PlanError::ReservedName { name: name.clone() });
            }
            VolumeSource::Named(name) if !self.policy.allow_named_volumes => {
                return Err(PlanError::NamedVolumeRefused { name: name.clone() });
            }
            VolumeSource::Named(name) => PlannedSource::Named(name.clone()),
            VolumeSource::Host(path) => {
                let is_socket = self.policy.has_socket(path);
                self.allow_host(path.as_str(), is_socket, destination)?;
                self.allow_real(path, destination)?;
                self.allow_options(spec)?;
                PlannedSource::Host(path.clone())
            }
            VolumeSource::Pipe(pipe) => {
                let pipe = match pipe {
                    Some(pipe) => pipe.clone(),
                    None => PipePath::new(destination.as_str()).map_err(|problem| {
                        PlanError::HostPath { path: destination.to_string(), problem }
                    })?,
                };
                self.allow_host(pipe.as_str(), Policy::is_engine_pipe(&pipe), destination)?;
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

    fn allow_host(
        &self,
        path: &str,
        is_socket: bool,
        destination: &ContainerPath,
    ) -> Result<(), PlanError> {
        let (path, destination) = (path.to_owned(), destination.clone());
        if !self.policy.allow_host_paths {
            return Err(PlanError::HostPathRefused { path, destination });
        }
        if is_socket && !self.policy.allow_engine_socket {
            let origin = self.origin;
            return Err(PlanError::EngineSocketRefused { path, destination, origin });
        }
        Ok(())
    }

    /// What a path of the host really is must not be an engine's socket either, or a folder around one.
    fn allow_real(&self, path: &HostPath, destination: &ContainerPath) -> Result<(), PlanError> {
        if self.policy.allow_engine_socket {
            return Ok(());
        }
        let (text, destination) = (path.to_string(), destination.clone());
        match self.policy.real_paths.get(path) {
            None => Ok(()),
            // The operator chose the path. Often it is one that this user may not read.
            Some(RealPath::Unknown) if self.origin == SpecOrigin::Operator => Ok(()),
            Some(RealPath::Unknown) => Err(PlanError::HostPathUnknown { path: text, destination }),
            Some(RealPath::Reaches(paths)) => {
                match paths.iter().find(|real| self.policy.has_socket(real)) {
                    None => Ok(()),
                    Some(real) => {
                        let (real, origin) = (real.to_string(), self.origin);
                        Err(PlanError::EngineSocketReached {
                            path: text,
                            real,
                            destination,
                            origin,
                        })
                    }
                }
            }
        }
    }

    /// Options that change the host itself, or let it and the container change one another.
    fn allow_options(&self, spec: &VolumeSpec) -> Result<(), PlanError> {
        use Propagation::{RecursiveShared, RecursiveSlave, Shared, Slave};
        if self.policy.allow_host_options {
            return Ok(());
        }
        let spreads = spec
            .propagation
            .filter(|how| matches!(how, RecursiveShared | RecursiveSlave | Shared | Slave))
            .map(Propagation::as_str);
        match spreads.or(spec.label.map(Relabel::as_str)) {
            None => Ok(()),
            Some(option) => {
                let destination = spec.destination.clone();
                Err(PlanError::HostOptionRefused { option, destination })
            }
        }
    }

    fn identity(&self, destination: &ContainerPath) -> CacheIdentity {
        CacheIdentity::new(self.scope.clone(), destination.clone())
            .with_driver(self.policy.driver.clone())
    }

    fn cache(&self, destination: &ContainerPath) -> Result<PlannedSource, PlanError> {
        let Some(folder) = &self.policy.cache_dir else {
            let identity = self.identity(destination);
            let (name, labels) = (name::cache(&identity), self.labels("cache", &identity));
            let driver = identity.driver;
            return Ok(PlannedSource::Cache(ManagedVolume { name, labels, driver }));
        };
        // No driver keeps it, so that none is part of what it is.
        let name = name::cache(&CacheIdentity::new(self.scope.clone(), destination.clone()));
        let failed = |problem| PlanError::HostPath { path: folder.to_string(), problem };
        directory(folder, self.scope, name.as_str()).map(PlannedSource::Directory).map_err(failed)
    }

    fn temporary(&self, destination: &ContainerPath) -> PlannedSource {
        let identity = self.identity(destination);
        let mut labels = self.labels("temporary", &identity);
        if let Some(deadline) = self.provenance.deadline {
            labels.insert(label::DEADLINE.to_owned(), label::timestamp(deadline));
        }
        let name = name::temporary(&identity, &self.provenance.run);
        PlannedSource::Temporary(ManagedVolume { name, labels, driver: identity.driver })
    }

    fn labels(&self, kind: &str, identity: &CacheIdentity) -> BTreeMap<String, String> {
        let mut labels = label::common(kind, self.scope, self.provenance);
        let mut set = |key: &str, value: String| labels.insert(key.to_owned(), value);
        set(label::DESTINATION, identity.destination.identity().into_owned());
        set(label::KEY, self.scope.key.clone());
        set(label::CONFIG_HASH, identity.driver.digest());
        labels
    }
}

/// The folder of one cache in the cache directory: hints for people, and the digits of its name.
fn directory(folder: &HostPath, scope: &Scope, name: &str) -> Result<HostPath, PathProblem> {
    let digits = name.rsplit('-').next().unwrap_or(name);
    folder.join(&name::hint(&scope.owner))?.join(&name::hint(&scope.project))?.join(digits)
}

/// What becomes a label, whole: much of it is written by a job's author.
fn check_texts(scope: &Scope, provenance: &Provenance) -> Result<(), PlanError> {
    let fields = [
        ("owner", &scope.owner),
        ("project", &scope.project),
        ("key", &scope.key),
        ("run", &provenance.run),
        ("instance", &provenance.instance),
        ("job", &provenance.job),
    ];
    let optional = [("pipeline", &provenance.pipeline), ("ref", &provenance.reference)];
    let optional = optional.iter().filter_map(|(field, value)| Some((*field, value.as_ref()?)));
    for (field, value) in fields.into_iter().chain(optional) {
        let problem = if value.len() > LONGEST_FIELD {
            "is longer than 1,024 bytes"
        } else if value.chars().any(char::is_control) {
            "has a control character in it"
        } else {
            continue;
        };
        return Err(PlanError::Text { field, problem });
    }
    Ok(())
}

/// A plugin has a name such as an image has. Without one, the engine would take its own driver.
fn check_driver(driver: &VolumeDriver) -> Result<(), PlanError> {
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"._-/:@".contains(&byte);
    if driver.name.is_empty() || !driver.name.bytes().all(is_name) {
        return Err(PlanError::Driver { name: format!("{:?}", driver.name) });
    }
    Ok(())
}

fn check_destination(destination: &ContainerPath) -> Result<(), PlanError> {
    if destination.is_reserved() {
        return Err(PlanError::ReservedDestination { destination: destination.clone() });
    }
    Ok(())
}

fn notes(volumes: &[PlannedVolume], demand: &VolumeDemand) -> Vec<PlanNote> {
    let mut notes = Vec::new();
    for destination in volumes.iter().map(|volume| &volume.destination) {
        for image_volume in &demand.image_volumes {
            if image_volume == destination {
                notes.push(PlanNote::ReplacesImageVolume { destination: destination.clone() });
            } else if destination.is_ancestor_of(image_volume)
                && !volumes.iter().any(|volume| volume.destination == *image_volume)
            {
                notes.push(PlanNote::ImageVolumeInside {
                    destination: destination.clone(),
                    image_volume: image_volume.clone(),
                });
            }
        }
        for tmpfs in demand.tmpfs.iter().filter(|tmpfs| destination.is_ancestor_of(tmpfs)) {
            notes.push(PlanNote::TmpfsInside {
                destination: destination.clone(),
                tmpfs: tmpfs.clone(),
            });
        }
    }
    notes
}
