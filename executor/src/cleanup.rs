//! Clearing up after a run: tries everything, and tells what it could not remove.

use std::time::Duration;

use docker_api_trait::{ApiError, ContainerId, DockerApi, LabelFilter, NetworkId, Operation};
use futures_util::future;
use tokio::time::{Instant, sleep, timeout_at};
use volume_manager::{Outcome, VolumeManager, label};

use crate::{
    Cancel, CleanupFailure, CleanupReport, ExecutorError, JobPlan, NetworkPlan, ObjectKind,
    RemovedObject,
    state::{RunState, Trace},
};

/// A request that was sent just before its connection broke takes effect within this time.
const LATE_EFFECT: Duration = Duration::from_secs(1);
/// Between two looks at a removal that another client has begun, or at a network in use.
const REMOVAL_POLL: Duration = Duration::from_millis(100);

/// Clears up. Every path of a run ends here; it takes at most the plan's limit. Containers go first,
/// all at once: a volume or network in use cannot be removed. No step runs any more, so that nothing
/// needs a grace.
pub(crate) async fn clean_up(
    docker: &dyn DockerApi,
    volumes: &dyn VolumeManager,
    plan: &JobPlan,
    state: &mut RunState,
    outcome: Outcome,
    cancel: &Cancel,
) -> CleanupReport {
    // Once killed, nobody waits for what an engine does slowly.
    let limit = if cancel.is_killed() {
        plan.timeouts.cleanup.min(Duration::from_secs(10))
    } else {
        plan.timeouts.cleanup
    };
    let deadline = Instant::now() + limit;
    // An unread output makes the engine hang; what is read of services ends by itself.
    for slot in &mut state.containers {
        slot.detach();
        slot.session = None;
    }
    let mut report = CleanupReport::default();
    containers(docker, plan, state, deadline, limit, &mut report).await;
    for slot in &mut state.services {
        slot.log = None;
    }
    network(docker, plan, state, deadline, limit, &mut report).await;
    let temporaries = state.volumes.clone();
    match timeout_at(deadline, volumes.finish(state.volumes.clone(), outcome)).await {
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
            error: out_of_time(Operation::RemoveVolume, limit).into(),
        })),
    }
    report
}

/// A container to remove.
struct Doomed {
    name: String,
    id: ContainerId,
    keep_anonymous_volumes: bool,
}

/// Has the state for itself: what is in it may go to another thread, but not be shared by two.
async fn containers(
    docker: &dyn DockerApi,
    plan: &JobPlan,
    state: &mut RunState,
    deadline: Instant,
    limit: Duration,
    report: &mut CleanupReport,
) {
    let of_containers = state.containers.iter().zip(&plan.containers).map(|(slot, planned)| {
        (&slot.trace, planned.name.as_str(), planned.keep_anonymous_volumes)
    });
    let of_services = state
        .services
        .iter()
        .zip(&plan.services)
        .map(|(slot, planned)| (&slot.trace, planned.name.as_str(), false));
    let mut doomed = Vec::new();
    let mut unknown = Vec::new();
    for (trace, name, keep_anonymous_volumes) in of_containers.chain(of_services) {
        match trace {
            Trace::None => {}
            Trace::Unknown => unknown.push((name, keep_anonymous_volumes)),
            Trace::Known(id) => {
                doomed.push(Doomed {
                    name: name.to_owned(),
                    id: id.clone(),
                    keep_anonymous_volumes,
                });
            }
        }
    }
    if !unknown.is_empty() {
        match timeout_at(deadline, find(docker, plan, &unknown)).await {
            Ok(Ok(found)) => doomed.extend(found),
            Ok(Err(error)) => lost(report, &unknown, error),
            Err(_) => lost(report, &unknown, out_of_time(Operation::ListContainers, limit)),
        }
    }
    let removals = doomed.iter().map(|doomed| async move {
        let removal = remove(docker, &doomed.id, doomed.keep_anonymous_volumes);
        match timeout_at(deadline, removal).await {
            Ok(removed) => removed,
            Err(_) => Err(out_of_time(Operation::RemoveContainer, limit)),
        }
    });
    let removed = future::join_all(removals).await;
    for (doomed, removed) in doomed.into_iter().zip(removed) {
        let (kind, name) = (ObjectKind::Container, doomed.name);
        match removed {
            Ok(()) => report.removed.push(RemovedObject { kind, name }),
            Err(error) => report.failed.push(CleanupFailure { kind, name, error: error.into() }),
        }
    }
}

fn lost(report: &mut CleanupReport, names: &[(&str, bool)], error: ApiError) {
    let (mut names, kind) = (names.iter().map(|(name, _)| *name), ObjectKind::Container);
    if let Some(name) = names.next() {
        let error = ExecutorError::from(error);
        report.failed.push(CleanupFailure { kind, name: name.to_owned(), error });
    }
    for name in names {
        let error = out_of_time(Operation::ListContainers, Duration::ZERO).into();
        report.failed.push(CleanupFailure { kind, name: name.to_owned(), error });
    }
}

/// Looks for containers whose creation got no reply, by the run's label.
async fn find(
    docker: &dyn DockerApi,
    plan: &JobPlan,
    names: &[(&str, bool)],
) -> Result<Vec<Doomed>, ApiError> {
    let filter = [LabelFilter::equals(label::RUN, &plan.run)];
    let look = async || -> Result<Vec<Doomed>, ApiError> {
        let found = docker.list_containers(&filter).await?;
        let ours = found.into_iter().filter_map(|found| {
            let (_, keep_anonymous_volumes) =
                *names.iter().find(|(name, _)| *name == found.name)?;
            Some(Doomed { name: found.name, id: found.id, keep_anonymous_volumes })
        });
        Ok(ours.collect())
    };
    let found = look().await?;
    if found.len() == names.len() {
        return Ok(found);
    }
    sleep(LATE_EFFECT).await;
    look().await
}

/// Removes the run's network. While a container is on its way out of it, that is tried again.
async fn network(
    docker: &dyn DockerApi,
    plan: &JobPlan,
    state: &mut RunState,
    deadline: Instant,
    limit: Duration,
    report: &mut CleanupReport,
) {
    let NetworkPlan::Own(own) = &plan.network else { return };
    let kind = ObjectKind::Network;
    let name = own.name.to_string();
    let removal = async {
        for id in networks(docker, plan, &state.network).await? {
            loop {
                match docker.remove_network(&id).await {
                    Ok(()) | Err(ApiError::NotFound { .. }) => break,
                    Err(ApiError::Conflict { .. } | ApiError::Engine { status: 403, .. }) => {
                        sleep(REMOVAL_POLL).await;
                    }
                    Err(error) => return Err(error),
                }
            }
            report.removed.push(RemovedObject { kind, name: name.clone() });
        }
        Ok(())
    };
    let error = match timeout_at(deadline, removal).await {
        Ok(Ok(())) => return,
        Ok(Err(error)) => error,
        Err(_) => out_of_time(Operation::RemoveNetwork, limit),
    };
    report.failed.push(CleanupFailure { kind, name: own.name.to_string(), error: error.into() });
}

async fn networks(
    docker: &dyn DockerApi,
    plan: &JobPlan,
    trace: &Trace<NetworkId>,
) -> Result<Vec<NetworkId>, ApiError> {
    let filter = [LabelFilter::equals(label::RUN, &plan.run)];
    let look = async || -> Result<Vec<NetworkId>, ApiError> {
        let found = docker.list_networks(&filter).await?;
        Ok(found.into_iter().map(|network| network.id).collect())
    };
    match trace {
        Trace::None => Ok(Vec::new()),
        Trace::Known(id) => Ok(vec![id.clone()]),
        Trace::Unknown => {
            let found = look().await?;
            if !found.is_empty() {
                return Ok(found);
            }
            sleep(LATE_EFFECT).await;
            look().await
        }
    }
}

fn out_of_time(operation: Operation, limit: Duration) -> ApiError {
    ApiError::TimedOut { operation, limit }
}

/// Removes the container by force. One that is gone, or that another client is removing, is fine
/// once it is gone.
async fn remove(
    docker: &dyn DockerApi,
    id: &ContainerId,
    keep_anonymous_volumes: bool,
) -> Result<(), ApiError> {
    loop {
        let removed = if keep_anonymous_volumes {
            docker.remove_container_alone(id).await
        } else {
            docker.remove_container(id).await
        };
        match removed {
            Ok(()) | Err(ApiError::NotFound { .. }) => return Ok(()),
            Err(ApiError::Conflict { .. }) => sleep(REMOVAL_POLL).await,
            Err(error) => return Err(error),
        }
    }
}
