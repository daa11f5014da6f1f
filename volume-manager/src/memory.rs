//! A `VolumeManager` without an engine.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use docker_api_trait::{Volume, VolumeName};

use crate::{
    FinishReport, Outcome, PreparedVolumes, VolumeError, VolumeManager, VolumePlan, verify::verify,
};

/// Keeps volumes in memory, by the contract of [`VolumeManager`]: for tests of code that uses
/// volumes, and for trying out what a plan would do. It holds no files. Clones share the volumes.
#[derive(Debug, Clone, Default)]
pub struct InMemoryVolumeManager {
    volumes: Arc<Mutex<BTreeMap<String, Volume>>>,
}

impl InMemoryVolumeManager {
    /// A manager without volumes.
    pub fn new() -> Self {
        Self::default()
    }

    /// The volumes that exist, by name.
    pub fn volumes(&self) -> Vec<Volume> {
        self.lock().values().cloned().collect()
    }

    /// Puts a volume there, as if somebody else had made it; one of that name is replaced.
    pub fn insert(&self, volume: Volume) {
        self.lock().insert(volume.name.clone(), volume);
    }

    /// Takes a volume away, as if somebody else had removed it.
    pub fn vanish(&self, name: &VolumeName) {
        self.lock().remove(name.as_str());
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Volume>> {
        // A map of values is whole after any panic.
        self.volumes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl VolumeManager for InMemoryVolumeManager {
    async fn prepare(&self, plan: &VolumePlan) -> Result<PreparedVolumes, VolumeError> {
        let mut volumes = self.lock();
        let mut states = Vec::with_capacity(plan.volumes.len());
        for planned in &plan.volumes {
            let state = match planned.source.managed() {
                Some(wanted) => {
                    let found = volumes.entry(wanted.name.to_string()).or_insert_with(|| {
                        let mut volume = Volume::local(wanted.name.as_str());
                        volume.labels = wanted.labels.clone();
                        volume.driver.clone_from(&wanted.driver.name);
                        volume.options.clone_from(&wanted.driver.options);
                        volume
                    });
                    Some(verify(wanted, found)?)
                }
                None => None,
            };
            states.push((planned.clone(), state));
        }
        Ok(PreparedVolumes::new(states))
    }

    async fn finish(&self, prepared: PreparedVolumes, _outcome: Outcome) -> FinishReport {
        let mut volumes = self.lock();
        let mut report = FinishReport::default();
        for name in prepared.temporaries() {
            volumes.remove(name.as_str());
            report.removed.push(name.clone());
        }
        report
    }
}
