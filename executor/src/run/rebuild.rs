//! A cache whose directory on the engine's disk is missing: removed and created again where the configuration
//! says so, once a job. No step has begun by then.

use docker_api_trait::{ApiError, DockerApi, VolumeName};
use volume_manager::{Outcome, PreparedVolumes, VolumeKind, label};

use crate::{
    describe::describe,
    error::{CleanupError, PrepareError, RunError},
    event::JobEvent,
    outcome::FailureReason,
    run::{Run, removal},
};

impl Run<'_> {
    /// Prepares the job. When a cache's directory is missing and it may be rebuilt, everything that was created
    /// is removed, then the cache, and the job is prepared again. Whatever prevents that is reported as a
    /// warning, and the failure is the first one.
    pub(crate) async fn prepare_or_rebuild(
        &mut self,
        may_rebuild: bool,
    ) -> Result<(), FailureReason> {
        let Err(reason) = self.prepare().await else { return Ok(()) };
        let lost = lost_cache(&self.state.volumes, &reason).filter(|_| may_rebuild);
        let Some(cache) = lost else { return Err(reason) };
        self.interrupt.check()?;
        let cleanup = self.remove_all(Outcome::Crashed).await;
        self.interrupt.check()?;
        if !cleanup.failed.is_empty() {
            return Err(reason);
        }
        if let Err(error) = self.remove_lost(&cache).await {
            self.warn(&describe(&error));
            return Err(reason);
        }
        self.interrupt.check()?;
        self.state.begin_anew(self.inputs.plan);
        self.prepare().await
    }

    /// Removes the cache, unless another job was faster.
    async fn remove_lost(&self, cache: &Found) -> Result<(), CleanupError> {
        if is_there(self.docker, cache).await? && self.interrupt.check().is_ok() {
            removal::volume(self.docker, &cache.name).await?;
            let volume = cache.name.as_str();
            self.observer.event(&JobEvent::CacheRebuilt { volume });
        }
        Ok(())
    }
}

/// A cache as it was found.
struct Found {
    name: VolumeName,
    made_by: Option<String>,
}

/// Returns the cache whose directory is missing, if that is why the preparation failed.
fn lost_cache(volumes: &PreparedVolumes, reason: &FailureReason) -> Option<Found> {
    let FailureReason::System { error } = reason else { return None };
    let RunError::Prepare(PrepareError::VolumeLost { volume, .. }) = &**error else { return None };
    let mut caches = volumes.volumes.iter().filter(|one| one.kind() == VolumeKind::Cache);
    let lost = caches.find(|one| one.name() == volume)?;
    Some(Found { name: lost.managed()?.name.clone(), made_by: lost.made_by.clone() })
}

/// Whether it still is the one that was found: jobs that have lost a cache together do not take each
/// other's new one away.
async fn is_there(docker: &dyn DockerApi, cache: &Found) -> Result<bool, CleanupError> {
    match docker.inspect_volume(&cache.name).await {
        Ok(found) => Ok(found.labels.get(label::RUN) == cache.made_by.as_ref()),
        Err(ApiError::NotFound { .. }) => Ok(false),
        Err(error) => Err(error.into()),
    }
}
