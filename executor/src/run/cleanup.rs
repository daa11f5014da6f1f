//! Clearing up after a run: tries everything, and tells what it could not remove.

use std::{convert::Infallible, pin::pin, sync::OnceLock, time::Duration};

use docker_api_trait::{
    ApiError, ContainerId, DockerApi, LATE_EFFECT, LabelFilter, NetworkId, Operation,
};
use futures_util::future;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use volume_manager::{Outcome, label};

use crate::{
    cancel::Cancel,
    error::CleanupError,
    outcome::{CleanupFailure, CleanupReport, ObjectKind, RemovedObject},
    plan::{JobPlan, NetworkPlan},
    run::{
        Inputs, Run, interrupt, removal,
        state::{RunState, Trace},
    },
};

/// The longest wait for a slow engine once the job was killed.
const AFTER_KILL: Duration = Duration::from_secs(10);

/// How long cleanup goes on before it asks whether the engine still answers.
const PROBE_AFTER: Duration = Duration::from_secs(2);
/// How long an engine may take for that answer. One that takes longer is given up; it is a request that
/// costs it nothing.
const PROBE_TIMEOUT: Duration = Duration::from_secs(6);
/// The time between two probes.
const PROBE_INTERVAL: Duration = Duration::from_secs(5);

/// How much time there is.
pub(super) struct Time<'a> {
    begin: Instant,
    limit: Duration,
    cancel: &'a Cancel,
    /// When it ends after all.
    cut: OnceLock<Instant>,
    /// The engine answers nothing any more.
    mute: CancellationToken,
}

impl Time<'_> {
    /// What comes of `work` in time.
    pub(super) async fn enough<T>(&self, work: impl Future<Output = T>) -> Option<T> {
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
            () = self.mute.cancelled() => None,
        }
    }

    /// Returns when half of it has passed: what is not done by then must not use up all of it.
    async fn half(&self) {
        let killed = async {
            self.cancel.killed().await;
            sleep(AFTER_KILL / 2).await;
        };
        tokio::select! {
            () = sleep_until(interrupt::end(self.begin, self.limit / 2)) => {}
            () = killed => {}
        }
    }

    /// There was not enough.
    pub(super) fn out(&self, operation: Operation) -> ApiError {
        ApiError::TimedOut { operation, limit: self.begin.elapsed() }
    }

    /// Ends it when the engine answers nothing; does not return. An engine that takes no connections is
    /// another matter: it may be restarting, and the handle waits for it.
    async fn watch(&self, docker: &dyn DockerApi) -> Infallible {
        sleep(PROBE_AFTER).await;
        loop {
            let silent = match timeout(PROBE_TIMEOUT, docker.version()).await {
                Ok(Err(ApiError::TimedOut { .. })) | Err(_) => !docker.is_away(),
                Ok(_) => false,
            };
            if silent {
                tracing::debug!("the engine does not answer; cleanup ends");
                self.mute.cancel();
                return future::pending().await;
            }
            sleep(PROBE_INTERVAL).await;
        }
    }
}

impl Run<'_> {
    /// Removes what the run created, except caches. Every path of a run ends here; it takes at most the
    /// plan's limit, and ends after a few seconds when the engine answers nothing. Containers are removed
    /// first, all at once, because a volume or network in use cannot be removed. When some of them take
    /// more than half of the time, the rest is removed at the same time. No step runs any more, so that
    /// nothing needs a grace period.
    pub(crate) async fn remove_all(&mut self, outcome: Outcome) -> CleanupReport {
        let inputs = self.inputs;
        let Inputs { docker, plan, cancel, .. } = inputs;
        let state = &mut *self.state;
        let limit = plan.timeouts.cleanup;
        let (cut, mute) = (OnceLock::new(), CancellationToken::new());
        let time = Time { begin: Instant::now(), limit, cancel, cut, mute };
        // An unread output makes the engine hang; what is read of services ends by itself.
        for slot in &mut state.containers {
            slot.detach();
            slot.forget_session();
        }
        let (known, unknown) = of_run(plan, state);
        let work = async {
            let mut removal = pin!(containers(docker, plan, known, &unknown, &time));
            let early = tokio::select! {
                biased;
                report = &mut removal => Some(report),
                () = time.half() => None,
            };
            for slot in &mut state.services {
                slot.log = None;
            }
            let trace = state.network.clone();
            let prepared = state.volumes.clone();
            let rest = async || {
                let network = network(docker, plan, &trace, &time);
                let volumes = inputs.finish_volumes(prepared.clone(), outcome, &time);
                let (network, volumes) = future::join(network, volumes).await;
                network.and(volumes)
            };
            if let Some(report) = early {
                return report.and(rest().await);
            }
            let (report, first) = future::join(removal, rest()).await;
            // It is worth another try only when every container is gone by now.
            if first.failed.is_empty() || !report.failed.is_empty() {
                return report.and(first);
            }
            let again = rest().await;
            let removed = CleanupReport { removed: first.removed, failed: Vec::new() };
            report.and(removed).and(again)
        };
        tokio::select! {
            biased;
            report = work => report,
            never = time.watch(docker) => match never {},
        }
    }
}

impl CleanupReport {
    /// The report with another one's objects, each once.
    fn and(mut self, other: Self) -> Self {
        for removed in other.removed {
            if !self.removed.contains(&removed) {
                self.removed.push(removed);
            }
        }
        self.failed.extend(other.failed);
        self
    }
}

/// A container to remove.
struct Doomed {
    name: String,
    id: ContainerId,
    keep_anonymous_volumes: bool,
}

/// A container that may exist: its name, and whether its anonymous volumes stay.
type Possible<'a> = (&'a str, bool);

/// The containers of a run that exist, and those that may exist.
fn of_run<'a>(plan: &'a JobPlan, state: &RunState) -> (Vec<Doomed>, Vec<Possible<'a>>) {
    let of_containers = state.containers.iter().zip(&plan.containers).map(|(slot, planned)| {
        (&slot.trace, planned.name.as_str(), planned.keep_anonymous_volumes)
    });
    let of_services = state
        .services
        .iter()
        .zip(&plan.services)
        .map(|(slot, planned)| (&slot.trace, planned.name.as_str(), false));
    let (mut doomed, mut unknown) = (Vec::new(), Vec::new());
    for (trace, name, keep_anonymous_volumes) in of_containers.chain(of_services) {
        match trace {
            Trace::None => {}
            Trace::Unknown => unknown.push((name, keep_anonymous_volumes)),
            Trace::Known(id) => {
                let (name, id) = (name.to_owned(), id.clone());
                doomed.push(Doomed { name, id, keep_anonymous_volumes });
            }
        }
    }
    (doomed, unknown)
}

/// Removes containers.
async fn containers(
    docker: &dyn DockerApi,
    plan: &JobPlan,
    mut doomed: Vec<Doomed>,
    unknown: &[Possible<'_>],
    time: &Time<'_>,
) -> CleanupReport {
    let mut report = CleanupReport::default();
    if !unknown.is_empty() {
        match time.enough(find(docker, plan, unknown)).await {
            Some(Ok(found)) => doomed.extend(found),
            Some(Err(error)) => lost(&mut report, unknown, error, time),
            None => lost(&mut report, unknown, time.out(Operation::ListContainers), time),
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
    report
}

/// Reports names of which it is not known whether containers have them; the first one has the cause.
fn lost(report: &mut CleanupReport, names: &[Possible<'_>], error: ApiError, time: &Time<'_>) {
    let others = std::iter::repeat_with(|| time.out(Operation::ListContainers));
    let errors = std::iter::once(error).chain(others).map(CleanupError::from);
    for ((name, _), error) in names.iter().zip(errors) {
        let (kind, name) = (ObjectKind::Container, (*name).to_owned());
        report.failed.push(CleanupFailure { kind, name, error });
    }
}

/// Looks for containers whose creation got no reply, by the run's label.
async fn find(
    docker: &dyn DockerApi,
    plan: &JobPlan,
    names: &[Possible<'_>],
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
    trace: &Trace<NetworkId>,
    time: &Time<'_>,
) -> CleanupReport {
    let mut report = CleanupReport::default();
    let NetworkPlan::Own(own) = &plan.network else { return report };
    let (kind, name) = (ObjectKind::Network, own.name.to_string());
    let removed = time.enough(async {
        let found = networks(docker, plan, trace).await?;
        for id in &found {
            removal::network(docker, id).await?;
        }
        Ok(!found.is_empty())
    });
    match removed.await.unwrap_or_else(|| Err(time.out(Operation::RemoveNetwork))) {
        Ok(true) => report.removed.push(RemovedObject { kind, name }),
        Ok(false) => {}
        Err(error) => report.failed.push(CleanupFailure { kind, name, error: error.into() }),
    }
    report
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
