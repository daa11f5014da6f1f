//! Clearing up after a run: tries everything, and tells what it could not remove.

use std::time::Duration;

use docker_api_trait::{ApiError, ContainerId, DockerApi, LabelFilter, Operation};
use tokio::time::{Instant, sleep, timeout_at};
use volume_manager::{Outcome, PreparedVolumes, VolumeManager, label};

use crate::{
    Cancel, CleanupFailure, CleanupReport, ContainerPlan, ExecutorConfig, JobPlan, ObjectKind,
    RemovedObject, step::ContainerTrace,
};

/// A request that was sent just before its connection broke takes effect within this time.
const LATE_EFFECT: Duration = Duration::from_secs(1);
/// Between two looks at a removal that another client has begun.
const REMOVAL_POLL: Duration = Duration::from_millis(100);

/// What a run may have left on the engine.
#[derive(Debug)]
pub(crate) struct Leavings {
    pub(crate) container: ContainerTrace,
    pub(crate) volumes: PreparedVolumes,
    /// Whether the container may still run: then it is asked to stop first.
    pub(crate) running: bool,
    pub(crate) outcome: Outcome,
}

/// Clears up. Every path of a run ends here; it takes at most the configuration's grace and
/// deadline. The container goes first: a volume in use cannot be removed.
pub(crate) async fn clean_up(
    docker: &dyn DockerApi,
    volumes: &dyn VolumeManager,
    plan: &JobPlan,
    config: &ExecutorConfig,
    leavings: Leavings,
    cancel: &Cancel,
) -> CleanupReport {
    let mut report = CleanupReport::default();
    let grace = if leavings.running { config.stop_grace } else { Duration::ZERO };
    let deadline = Instant::now() + config.cleanup_deadline + grace;
    let container = &plan.container;
    let removal = async {
        for id in containers(docker, plan, &leavings.container).await? {
            if leavings.running {
                stop(docker, &id, config.stop_grace, cancel).await;
            }
            remove(docker, &id).await?;
            report.removed.push(RemovedObject {
                kind: ObjectKind::Container,
                name: container.name.to_string(),
            });
        }
        Ok(())
    };
    match timeout_at(deadline, removal).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => report.failed.push(failure(container, error)),
        Err(_) => report.failed.push(failure(
            container,
            out_of_time(Operation::RemoveContainer, config.cleanup_deadline),
        )),
    }
    let temporaries = leavings.volumes.clone();
    match timeout_at(deadline, volumes.finish(leavings.volumes, leavings.outcome)).await {
        Ok(finished) => {
            report.removed.extend(finished.removed.into_iter().map(|volume| RemovedObject {
                kind: ObjectKind::Volume,
                name: volume.to_string(),
            }));
            report.failed.extend(finished.failed.into_iter().map(|failed| CleanupFailure {
                kind: ObjectKind::Volume,
                name: failed.volume.to_string(),
                error: failed.error.into(),
            }));
        }
        Err(_) => report.failed.extend(temporaries.temporaries().map(|volume| CleanupFailure {
            kind: ObjectKind::Volume,
            name: volume.to_string(),
            error: out_of_time(Operation::RemoveVolume, config.cleanup_deadline).into(),
        })),
    }
    report
}

fn failure(container: &ContainerPlan, error: ApiError) -> CleanupFailure {
    CleanupFailure {
        kind: ObjectKind::Container,
        name: container.name.to_string(),
        error: error.into(),
    }
}

fn out_of_time(operation: Operation, limit: Duration) -> ApiError {
    ApiError::TimedOut { operation, limit }
}

/// The run's containers: the one that is known, or those that carry the run's label.
async fn containers(
    docker: &dyn DockerApi,
    plan: &JobPlan,
    trace: &ContainerTrace,
) -> Result<Vec<ContainerId>, ApiError> {
    let filter = [LabelFilter::equals(label::RUN, &plan.run)];
    let find = async || -> Result<Vec<ContainerId>, ApiError> {
        let found = docker.list_containers(&filter).await?;
        Ok(found.into_iter().map(|container| container.id).collect())
    };
    match trace {
        ContainerTrace::None => Ok(Vec::new()),
        ContainerTrace::Known(id) => Ok(vec![id.clone()]),
        ContainerTrace::Unknown => {
            let found = find().await?;
            if !found.is_empty() {
                return Ok(found);
            }
            sleep(LATE_EFFECT).await;
            find().await
        }
    }
}

/// Asks the container to stop, and returns when it has, when it is to be killed, or when asking
/// failed: what follows removes it by force.
async fn stop(docker: &dyn DockerApi, id: &ContainerId, grace: Duration, cancel: &Cancel) {
    tokio::select! {
        biased;
        () = cancel.killed() => {}
        stopped = docker.stop_container(id, grace) => if let Err(error) = stopped {
            tracing::debug!(%id, %error, "the container did not stop when asked");
        }
    }
}

/// Removes the container by force. One that is gone, or that another client is removing, is fine
/// once it is gone.
async fn remove(docker: &dyn DockerApi, id: &ContainerId) -> Result<(), ApiError> {
    loop {
        match docker.remove_container(id).await {
            Ok(()) | Err(ApiError::NotFound { .. }) => return Ok(()),
            Err(ApiError::Conflict { .. }) => sleep(REMOVAL_POLL).await,
            Err(error) => return Err(error),
        }
    }
}
