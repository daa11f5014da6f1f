//! A `VolumeManager` on an engine.

use std::sync::Arc;

use async_trait::async_trait;
use docker_api_trait::{ApiError, VolumeApi, VolumeName};
use futures_util::{StreamExt as _, stream};

use crate::{
    FailedRemoval, FinishReport, Outcome, PlannedVolume, PreparedVolumes, VolumeError,
    VolumeManager, VolumePlan, VolumeState, verify::verify,
};

/// So many requests are under way at once: enough to hide the engine's latency, few enough for its
/// sockets.
const CONCURRENCY: usize = 16;

/// Makes volumes on an engine, by the contract of [`VolumeManager`]. One request for each volume
/// of a plan, made or found: creating a volume is idempotent, and the reply describes it.
#[derive(Debug, Clone)]
pub struct DockerVolumeManager {
    engine: Arc<dyn VolumeApi>,
}

impl DockerVolumeManager {
    /// A manager of the volumes on `engine`.
    pub fn new(engine: Arc<dyn VolumeApi>) -> Self {
        Self { engine }
    }

    async fn ready(&self, planned: &PlannedVolume) -> Result<Option<VolumeState>, VolumeError> {
        let Some(wanted) = planned.source.managed() else { return Ok(None) };
        let found = self
            .engine
            .create_volume(&wanted.request())
            .await
            .map_err(|source| VolumeError::Engine { volume: wanted.name.clone(), source })?;
        verify(wanted, &found).map(Some)
    }

    async fn remove(&self, name: &VolumeName) -> Result<(), VolumeError> {
        match self.engine.remove_volume(name).await {
            Ok(()) | Err(ApiError::NotFound { .. }) => Ok(()),
            Err(source) => Err(VolumeError::Engine { volume: name.clone(), source }),
        }
    }
}

#[async_trait]
impl VolumeManager for DockerVolumeManager {
    async fn prepare(&self, plan: &VolumePlan) -> Result<PreparedVolumes, VolumeError> {
        // All are awaited before the first error is returned: a request that is dropped half-way
        // might make its volume after `finish` has looked for it.
        let requests: Vec<_> = plan.volumes.iter().map(|planned| self.ready(planned)).collect();
        let states: Vec<_> = stream::iter(requests).buffered(CONCURRENCY).collect().await;
        let states = states.into_iter().collect::<Result<Vec<_>, _>>()?;
        Ok(PreparedVolumes::new(plan.volumes.iter().cloned().zip(states)))
    }

    async fn finish(&self, prepared: PreparedVolumes, _outcome: Outcome) -> FinishReport {
        let removals: Vec<_> = prepared.temporaries().map(|name| self.remove(name)).collect();
        let removals: Vec<_> = stream::iter(removals).buffered(CONCURRENCY).collect().await;
        let mut report = FinishReport::default();
        for (name, removal) in prepared.temporaries().zip(removals) {
            match removal {
                Ok(()) => report.removed.push(name.clone()),
                Err(error) => report.failed.push(FailedRemoval::new(name.clone(), error)),
            }
        }
        report
    }
}
