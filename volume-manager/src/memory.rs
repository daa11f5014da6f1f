//! A `VolumeManager` without an engine.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use docker_api_trait::{
    ApiError, ContainerId, EngineProduct, MountPoint, Operation, Volume, VolumeName,
};

use crate::{
    FailedRemoval, FinishReport, Outcome, PlannedSource, PreparedVolume, PreparedVolumes,
    VolumeError, VolumeManager, VolumePlan, VolumeState,
    adopt::{adopt, volume_of},
    permission, verify,
};

/// Keeps volumes in memory, by the contract of [`VolumeManager`]: for tests of code that uses
/// volumes, and for trying out what a plan would do. It holds no files. Clones share the volumes.
#[derive(Debug, Clone, Default)]
pub struct InMemoryVolumeManager {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    volumes: BTreeMap<String, Volume>,
    /// Those that every user may write to.
    open: BTreeSet<String>,
    /// Those that a container is said to use.
    occupied: BTreeSet<String>,
}

impl State {
    fn remove(&mut self, name: &VolumeName) {
        self.volumes.remove(name.as_str());
        self.open.remove(name.as_str());
    }
}

impl InMemoryVolumeManager {
    /// A manager without volumes.
    pub fn new() -> Self {
        Self::default()
    }

    /// The volumes that exist, by name.
    pub fn volumes(&self) -> Vec<Volume> {
        self.lock().volumes.values().cloned().collect()
    }

    /// Puts a volume there, as if somebody else had made it; one of that name is replaced.
    pub fn insert(&self, volume: Volume) {
        self.lock().volumes.insert(volume.name.clone(), volume);
    }

    /// Takes a volume away, as if somebody else had removed it.
    pub fn vanish(&self, name: &VolumeName) {
        self.lock().remove(name);
    }

    /// Has a volume in use, as if a container had it mounted: it cannot be removed until it is
    /// [released](Self::release).
    pub fn occupy(&self, name: &VolumeName) {
        self.lock().occupied.insert(name.to_string());
    }

    /// Ends the use that [`occupy`](Self::occupy) began.
    pub fn release(&self, name: &VolumeName) {
        self.lock().occupied.remove(name.as_str());
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Maps of values are whole after any panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl VolumeManager for InMemoryVolumeManager {
    async fn prepare(&self, plan: &VolumePlan) -> Result<PreparedVolumes, VolumeError> {
        let mut state = self.lock();
        let mut prepared = Vec::with_capacity(plan.volumes.len());
        for planned in &plan.volumes {
            let volume = match planned.source.managed() {
                Some(wanted) => {
                    let found = state.volumes.entry(wanted.name.to_string()).or_insert_with(|| {
                        let mut volume = Volume::local(wanted.name.as_str());
                        volume.labels = wanted.labels.clone();
                        volume.driver.clone_from(&wanted.driver.name);
                        volume.options.clone_from(&wanted.driver.options);
                        volume
                    });
                    verify::prepared(planned, wanted, found)?
                }
                None => PreparedVolume::new(planned.clone(), None),
            };
            prepared.push(volume);
        }
        Ok(prepared.into_iter().collect())
    }

    async fn confirm(&self, prepared: &PreparedVolumes) -> Result<PreparedVolumes, VolumeError> {
        let state = self.lock();
        let confirmed = prepared.volumes.iter().map(|before| {
            let wanted = before.planned.source.managed();
            let Some(wanted) = wanted.filter(|_| before.state == Some(VolumeState::Reused)) else {
                return Ok(before.clone());
            };
            let found = state.volumes.get(wanted.name.as_str());
            verify::confirm(before, wanted, found, EngineProduct::Docker)
        });
        confirmed.collect()
    }

    /// There are no files here, and nothing that could be closed: it remembers what an engine would
    /// have opened.
    async fn make_writable(
        &self,
        _container: &ContainerId,
        prepared: &PreparedVolumes,
    ) -> Result<Vec<VolumeName>, VolumeError> {
        let mut state = self.lock();
        let fresh = permission::candidates(prepared).filter_map(|volume| {
            let name = &volume.planned.source.managed()?.name;
            state.open.insert(name.to_string()).then(|| name.clone())
        });
        Ok(fresh.collect())
    }

    async fn adopt(
        &self,
        mounts: &[MountPoint],
        owner: &str,
        run: &str,
    ) -> Result<PreparedVolumes, VolumeError> {
        let state = self.lock();
        let mut prepared = Vec::with_capacity(mounts.len());
        for mount in mounts {
            let name = volume_of(mount)?;
            let found = name.and_then(|name| state.volumes.get(name.as_str()));
            if let Some(planned) = adopt(mount, found, owner, run)? {
                let state = planned.source.managed().map(|_| VolumeState::Reused);
                let maker = found.filter(|_| state.is_some()).and_then(verify::maker);
                let volume = PreparedVolume::new(planned, state);
                prepared.push(maker.into_iter().fold(volume, PreparedVolume::with_maker));
            }
        }
        Ok(prepared.into_iter().collect())
    }

    async fn finish(&self, prepared: PreparedVolumes, _outcome: Outcome) -> FinishReport {
        let mut state = self.lock();
        let mut report = FinishReport::default();
        let temporaries = prepared.volumes.iter().filter_map(|volume| {
            let is_temporary = matches!(volume.planned.source, PlannedSource::Temporary(_));
            volume.planned.source.managed().filter(|_| is_temporary)
        });
        for wanted in temporaries {
            let name = &wanted.name;
            let found = state.volumes.get(name.as_str());
            if found.is_some_and(|found| verify::verify(wanted, found).is_err()) {
                // A stranger's: a name alone is never a reason to touch a volume.
                continue;
            }
            if state.occupied.contains(name.as_str()) {
                let message = format!("remove {name}: volume is in use");
                let source = ApiError::Conflict { operation: Operation::RemoveVolume, message };
                let error = VolumeError::InUse { volume: name.clone(), source };
                report.failed.push(FailedRemoval::new(name.clone(), error));
            } else {
                state.remove(name);
                report.removed.push(name.clone());
            }
        }
        report
    }
}
