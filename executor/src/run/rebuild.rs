//! A cache that has lost its folder on the engine's disk: removed and made anew where the configuration
//! says so, once a job. No step has begun by then.

use docker_api_trait::{ApiError, DockerApi, VolumeName};
use volume_manager::{Outcome, PlannedSource, PreparedVolumes, label};

use crate::{
    Cancel, ExecutorError, FailureReason, JobEvent, describe, run::cleanup::clean_up,
    run::prepare::Preparation, run::removal, run::state::RunState,
};

/// Makes a job ready. When a cache has lost its folder and may be rebuilt, all that was made is removed,
/// then the cache, and the job is made ready anew. Whatever keeps it from that is told of, and the
/// failure is the first one.
pub(crate) async fn ready(
    preparation: &Preparation<'_>,
    may_rebuild: bool,
    state: &mut RunState,
    cancel: &Cancel,
) -> Result<(), FailureReason> {
    let Err(reason) = preparation.run(state).await else { return Ok(()) };
    let lost = lost_cache(&state.volumes, &reason).filter(|_| may_rebuild);
    let Some(cache) = lost else { return Err(reason) };
    let (docker, volumes) = (preparation.docker, preparation.volumes);
    preparation.interrupt.check()?;
    let cleanup = clean_up(docker, volumes, preparation.plan, state, Outcome::Failed, cancel).await;
    preparation.interrupt.check()?;
    if !cleanup.failed.is_empty() {
        return Err(reason);
    }
    let told = |error: ExecutorError| {
        preparation.warn(&describe(&error));
        reason
    };
    match is_there(docker, &cache).await {
        Ok(true) => {
            preparation.interrupt.check()?;
            if let Err(error) = removal::volume(docker, &cache.name).await {
                return Err(told(error));
            }
            let volume = cache.name.as_str();
            preparation.observer.event(&JobEvent::CacheRebuilt { volume });
        }
        // Another job was faster.
        Ok(false) => {}
        Err(error) => return Err(told(error)),
    }
    preparation.interrupt.check()?;
    state.begin_anew(preparation.plan);
    preparation.run(state).await
}

/// A cache as it was found.
struct Found {
    name: VolumeName,
    made_by: Option<String>,
}

/// The cache without a folder, if that is why a job did not get ready.
fn lost_cache(volumes: &PreparedVolumes, reason: &FailureReason) -> Option<Found> {
    let FailureReason::System { error } = reason else { return None };
    let ExecutorError::VolumeLost { volume, .. } = &**error else { return None };
    volumes.volumes.iter().find_map(|one| match &one.planned.source {
        PlannedSource::Cache(cache) if cache.name.as_str() == volume => {
            Some(Found { name: cache.name.clone(), made_by: one.made_by.clone() })
        }
        _ => None,
    })
}

/// Whether it still is the one that was found: jobs that have lost a cache together do not take each
/// other's new one away.
async fn is_there(docker: &dyn DockerApi, cache: &Found) -> Result<bool, ExecutorError> {
    match docker.inspect_volume(&cache.name).await {
        Ok(found) => Ok(found.labels.get(label::RUN) == cache.made_by.as_ref()),
        Err(ApiError::NotFound { .. }) => Ok(false),
        Err(error) => Err(error.into()),
    }
}
