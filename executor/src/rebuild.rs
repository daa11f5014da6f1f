//! A cache that has lost its folder on the engine's disk: removed and made anew where the configuration
//! says so, once a job. No step has begun by then.

use volume_manager::{ManagedVolume, Outcome, PlannedSource};

use crate::{
    Cancel, ExecutorError, FailureReason, JobEvent, JobPlan, cleanup::clean_up,
    prepare::Preparation, removal, state::RunState,
};

/// Makes a job ready. When a cache has lost its folder and may be rebuilt, all that was made is removed,
/// then the cache, and the job is made ready anew. Whatever keeps it from that, the failure is the
/// first one.
pub(crate) async fn ready(
    preparation: &Preparation<'_>,
    may_rebuild: bool,
    state: &mut RunState,
    cancel: &Cancel,
) -> Result<(), FailureReason> {
    let Err(reason) = preparation.run(state).await else { return Ok(()) };
    let lost = lost_cache(preparation.plan, &reason).filter(|_| may_rebuild);
    let Some(cache) = lost else { return Err(reason) };
    let (docker, volumes) = (preparation.docker, preparation.volumes);
    let cleanup = clean_up(docker, volumes, preparation.plan, state, Outcome::Failed, cancel).await;
    // Another job may hold it, and have it as it was before its folder was lost.
    if !cleanup.failed.is_empty() || removal::volume(docker, &cache.name).await.is_err() {
        return Err(reason);
    }
    preparation.observer.event(&JobEvent::CacheRebuilt { volume: cache.name.as_str() });
    state.begin_anew(preparation.plan);
    preparation.run(state).await
}

/// The cache without a folder, if that is why a job did not get ready.
fn lost_cache<'a>(plan: &'a JobPlan, reason: &FailureReason) -> Option<&'a ManagedVolume> {
    let FailureReason::System { error } = reason else { return None };
    let ExecutorError::VolumeLost { volume, .. } = &**error else { return None };
    plan.volumes.volumes.iter().find_map(|planned| match &planned.source {
        PlannedSource::Cache(cache) if cache.name.as_str() == volume => Some(cache),
        _ => None,
    })
}
