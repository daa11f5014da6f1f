//! Clearing up after a run: tries everything, and tells what it could not remove.

use std::{sync::OnceLock, time::Duration};

use docker_api_trait::{ApiError, ContainerId, DockerApi, LabelFilter, NetworkId, Operation};
use futures_util::future;
use tokio::time::{Instant, sleep, sleep_until};
use volume_manager::{Outcome, VolumeManager, label};

use crate::{
    Cancel, CleanupFailure, CleanupReport, ExecutorError, JobPlan, NetworkPlan, ObjectKind,
    RemovedObject, interrupt,
    removal::{self, LATE_EFFECT},
    state::{RunState, Trace},
};

/// Once killed, nobody waits for longer for what an engine does slowly.
const AFTER_KILL: Duration = Duration::from_secs(10);

/// How much time there is.
struct Time<'a> {
    begin: Instant,
    limit: Duration,
    cancel: &'a Cancel,
    /// When it ends after all.
    cut: OnceLock<Instant>,
}

impl Time<'_> {
    /// What comes of `work` in time.
    async fn enough<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        let limit = sleep_until(interrupt::end(self.begin, self.limit));
        let killed = async {
            self.cancel.killed().await;
            sleep_until(*self.cut.get_or_init(|| Instant::now() + AFTER_KILL)).await;
        };
        tokio::select! {
            biased;
            done = work => Some(done),
            () = limit => None,
            () = killed => None,
        }
    }

    /// There was not enough.
    fn out(&self, operation: Operation) -> ApiError {
        ApiError::TimedOut { operation, limit: self.begin.elapsed() }
    }
}

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
    let limit = plan.timeouts.cleanup;
    let time = Time { begin: Instant::now(), limit, cancel, cut: OnceLock::new() };
    // An unread output makes the engine hang; what is read of services ends by itself.
    for slot in &mut state.containers {
        slot.detach();
        slot.session = None;
    }
    let mut report = CleanupReport::default();
    containers(docker, plan, state, &time, &mut report).await;
    for slot in &mut state.services {
        slot.log = None;
    }
    network(docker, plan, state, &time, &mut report).await;
    let temporaries = state.volumes.clone();
    match time.enough(volumes.finish(state.volumes.clone(), outcome)).await {
        Some(finished) => {
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
        None => report.failed.extend(temporaries.temporaries().map(|volume| CleanupFailure {
            kind: ObjectKind::Volume,
            name: volume.to_string(),
            error: time.out(Operation::RemoveVolume).into(),
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
    time: &Time<'_>,
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
        match time.enough(find(docker, plan, &unknown)).await {
            Some(Ok(found)) => doomed.extend(found),
            Some(Err(error)) => lost(report, &unknown, error, time),
            None => lost(report, &unknown, time.out(Operation::ListContainers), time),
        }
    }
    let removals = doomed.iter().map(|doomed| async move {
        let removal = removal::container(docker, &doomed.id, doomed.keep_anonymous_volumes);
        let removed = time.enough(removal).await;
        removed.unwrap_or_else(|| Err(time.out(Operation::RemoveContainer)))
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

/// Of the names nobody can tell whether there are containers; the first one carries the cause.
fn lost(report: &mut CleanupReport, names: &[(&str, bool)], error: ApiError, time: &Time<'_>) {
    let others = std::iter::repeat_with(|| time.out(Operation::ListContainers));
    let errors = std::iter::once(error).chain(others).map(ExecutorError::from);
    for ((name, _), error) in names.iter().zip(errors) {
        let (kind, name) = (ObjectKind::Container, (*name).to_owned());
        report.failed.push(CleanupFailure { kind, name, error });
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
    time: &Time<'_>,
    report: &mut CleanupReport,
) {
    let NetworkPlan::Own(own) = &plan.network else { return };
    let kind = ObjectKind::Network;
    let name = own.name.to_string();
    let removal = async {
        for id in networks(docker, plan, &state.network).await? {
            removal::network(docker, &id).await?;
            report.removed.push(RemovedObject { kind, name: name.clone() });
        }
        Ok(())
    };
    let error = match time.enough(removal).await {
        Some(Ok(())) => return,
        Some(Err(error)) => error,
        None => time.out(Operation::RemoveNetwork),
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
