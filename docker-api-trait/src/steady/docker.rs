//! `SteadyDocker`: how a request is repeated, and what is looked up between two tries.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::Semaphore,
    time::{Instant, sleep},
};

use super::{
    EngineEvent, EngineObserver, RetryPolicy,
    decide::{Next, Repeat, next, repeat},
    link::Link,
};
use crate::{
    ApiError, ContainerApi as _, ContainerId, ContainerRequest, ContainerStatus, CreatedContainer,
    DockerApi, LabelFilter, NetworkApi as _, NetworkId, NetworkRequest, Operation,
};

/// A request that was sent just before its connection broke takes effect within this time.
pub const LATE_EFFECT: Duration = Duration::from_secs(1);
/// An engine that has a name and does not show what has it is making it: it copies into its volumes
/// before.
const MAKING: Duration = Duration::from_secs(5);
/// Between two looks meanwhile.
const MAKING_LOOK: Duration = Duration::from_millis(500);

/// An engine that is waited for when it is away, and of which is asked again what is safe to repeat.
///
/// A decorator over any engine. All parts of a program that use one engine are given clones of one handle,
/// so that they share what is known of the connection.
///
/// # Contract
/// - What an engine refused is never repeated. What it failed at, and what was lost on the way, is
///   repeated where that does no harm: looks, removals, volumes. For a container or network that was
///   to be created, its name and labels are looked up first, and it is taken when it is there; a start
///   is repeated only when it has not come about. A creation of which it stays unknown whether it
///   came about ends with the error that made it so: [`ApiError::effect_unknown`].
/// - An engine that has answered before is waited for, as long as [`RetryPolicy::outage`] says. All
///   callers wait together, and one looks. Then [`ApiError::Gone`], for each request until the engine
///   answers again.
/// - An engine that has never answered is an error at once.
/// - When another engine answers than before, everything is [`ApiError::Changed`] and no request is
///   sent. That shows after an outage, and when a container or network is not found.
/// - Waits, streams and attachments that were handed out are not mended: whoever holds them knows
///   what was lost.
/// - A future that is dropped while it waits changes nothing for others. Clones are one handle.
#[derive(Debug, Clone)]
pub struct SteadyDocker {
    pub(super) engine: Arc<dyn DockerApi>,
    policy: RetryPolicy,
    observer: Arc<dyn EngineObserver>,
    pub(super) link: Arc<Link>,
    in_flight: Arc<Semaphore>,
    /// The containers that were created here and not started since.
    fresh: Arc<Mutex<HashSet<ContainerId>>>,
}

impl SteadyDocker {
    /// A steady handle to `engine`.
    pub fn new(engine: Arc<dyn DockerApi>, policy: RetryPolicy) -> Self {
        Self::with_observer(engine, policy, Arc::new(()))
    }

    /// A steady handle to `engine` that tells an observer of retries and outages.
    pub fn with_observer(
        engine: Arc<dyn DockerApi>,
        policy: RetryPolicy,
        observer: Arc<dyn EngineObserver>,
    ) -> Self {
        let link = Arc::new(Link::new(Arc::clone(&engine), policy, Arc::clone(&observer)));
        let in_flight = Arc::new(Semaphore::new(policy.in_flight.clamp(1, Semaphore::MAX_PERMITS)));
        Self { engine, policy, observer, link, in_flight, fresh: Arc::default() }
    }

    /// Returns the engine itself if it is steady, else a steady handle to it with the default policy.
    pub fn ensure(engine: Arc<dyn DockerApi>) -> Arc<dyn DockerApi> {
        if engine.is_steady() {
            return engine;
        }
        Arc::new(Self::new(engine, RetryPolicy::default()))
    }

    /// A request that is repeated as its operation allows.
    pub(super) async fn call<T, F>(
        &self,
        operation: Operation,
        send: impl Fn() -> F,
    ) -> Result<T, ApiError>
    where
        F: Future<Output = Result<T, ApiError>>,
    {
        self.call_as(operation, repeat(operation), send, async || Ok(None)).await
    }

    /// A request about something that must be there: when it is not, it may be another engine's.
    pub(super) async fn call_about<T, F>(
        &self,
        operation: Operation,
        send: impl Fn() -> F,
    ) -> Result<T, ApiError>
    where
        F: Future<Output = Result<T, ApiError>>,
    {
        self.verified(operation, self.call(operation, send).await).await
    }

    pub(super) async fn verified<T>(
        &self,
        operation: Operation,
        reply: Result<T, ApiError>,
    ) -> Result<T, ApiError> {
        if let Err(ApiError::NotFound { .. }) = &reply {
            self.link.verify(operation).await?;
        }
        reply
    }

    /// Sends until there is an answer, or nothing may be repeated any more. `look` tells what an
    /// uncertain try has brought.
    pub(super) async fn call_as<T, F, L>(
        &self,
        operation: Operation,
        repeat: Repeat,
        send: impl Fn() -> F,
        look: impl Fn() -> L,
    ) -> Result<T, ApiError>
    where
        F: Future<Output = Result<T, ApiError>>,
        L: Future<Output = Result<Option<T>, ApiError>>,
    {
        let mut delays = self.policy.delays();
        let creates = matches!(operation, Operation::CreateContainer | Operation::CreateNetwork);
        let mut uncertain = false;
        // An engine that did not answer may still be at it, and show nothing until it is done.
        let mut doubt: Option<ApiError> = None;
        loop {
            let error = match self.once(operation, &send).await {
                Ok(value) => return Ok(value),
                Err(error) => error,
            };
            // The name is taken: perhaps by what an earlier try has made.
            if uncertain && matches!(error, ApiError::Conflict { .. }) {
                let found = match doubt {
                    Some(_) => self.made_meanwhile(&look).await,
                    None => look().await?,
                };
                return found.ok_or_else(|| doubtful(doubt, error));
            }
            let next = next(repeat, &error);
            if next == Next::GiveUp {
                return Err(doubtful(doubt, error));
            }
            let Some(delay) = delays.next() else { return Err(doubtful(doubt, error)) };
            self.observer.engine_event(&EngineEvent::Retried {
                operation,
                error: &error,
                after: delay,
            });
            match next {
                Next::GiveUp => return Err(error),
                Next::Again => sleep(delay).await,
                Next::WhenBack => self.link.back(operation, error).await?,
                Next::Look => {
                    uncertain = true;
                    let lost = matches!(error, ApiError::Lost { .. });
                    let silent =
                        lost || matches!(error, ApiError::Engine { status: 502 | 504, .. });
                    if creates && silent && doubt.is_none() {
                        let source = error.to_string().into();
                        doubt = Some(ApiError::Lost { operation, source });
                    }
                    if lost {
                        self.link.back(operation, error).await?;
                    }
                    for pause in [delay, LATE_EFFECT].into_iter().take(1 + usize::from(lost)) {
                        match look().await {
                            Ok(Some(found)) => return Ok(found),
                            Ok(None) => {}
                            Err(error) => return Err(doubtful(doubt, error)),
                        }
                        sleep(pause).await;
                    }
                    if lost && let Ok(Some(found)) = look().await {
                        return Ok(found);
                    }
                }
            }
        }
    }

    /// What an earlier try is making, when it shows in time.
    async fn made_meanwhile<T, L>(&self, look: impl Fn() -> L) -> Option<T>
    where
        L: Future<Output = Result<Option<T>, ApiError>>,
    {
        let end = Instant::now() + MAKING;
        loop {
            if let Ok(Some(found)) = look().await {
                return Some(found);
            }
            if Instant::now() >= end {
                return None;
            }
            sleep(MAKING_LOOK).await;
        }
    }

    /// Sends once, when there is room for it.
    async fn once<T, F>(&self, operation: Operation, send: impl Fn() -> F) -> Result<T, ApiError>
    where
        F: Future<Output = Result<T, ApiError>>,
    {
        self.link.check(operation)?;
        // It is never closed.
        let _place = self.in_flight.acquire().await;
        let reply = send().await;
        let answered = match &reply {
            Ok(_) => true,
            Err(error) => matches!(
                error,
                ApiError::NotFound { .. }
                    | ApiError::Conflict { .. }
                    | ApiError::Rejected { .. }
                    | ApiError::Engine { .. }
                    | ApiError::Reported { .. }
            ),
        };
        if answered {
            self.link.answered();
        }
        reply
    }

    /// The container that this very request has made, if it has.
    pub(super) async fn made_container(
        &self,
        request: &ContainerRequest,
    ) -> Result<Option<CreatedContainer>, ApiError> {
        let labels = filters(&request.labels);
        if labels.is_empty() {
            return Ok(None);
        }
        let found = self.list_containers(&labels).await?;
        let ours = found.into_iter().find(|found| found.name == request.name.as_str());
        Ok(ours.map(|ours| CreatedContainer::new(ours.id)))
    }

    pub(super) async fn made_network(
        &self,
        request: &NetworkRequest,
    ) -> Result<Option<NetworkId>, ApiError> {
        let labels = filters(&request.labels);
        if labels.is_empty() {
            return Ok(None);
        }
        let found = self.list_networks(&labels).await?;
        let ours = found.into_iter().find(|found| found.name == request.name.as_str());
        Ok(ours.map(|ours| ours.id))
    }

    /// Whether the container runs, or has run since it was last started at `before`. What has run is
    /// not started again: it would do all of it twice.
    pub(super) async fn was_started(
        &self,
        id: &ContainerId,
        before: &str,
    ) -> Result<Option<()>, ApiError> {
        let details = self.inspect_container(id).await?;
        let has_run = match details.status {
            ContainerStatus::Created => false,
            ContainerStatus::Running => true,
            _ => details.started_at != before,
        };
        Ok(has_run.then_some(()))
    }

    pub(super) fn fresh(&self) -> MutexGuard<'_, HashSet<ContainerId>> {
        self.fresh.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The error of a creation that may have come about although a later try was refused.
fn doubtful(doubt: Option<ApiError>, error: ApiError) -> ApiError {
    match doubt {
        Some(doubt) if !error.effect_unknown() => doubt,
        _ => error,
    }
}

/// All of the labels, which include the run's: no object of another run has them.
fn filters(labels: &std::collections::BTreeMap<String, String>) -> Vec<LabelFilter> {
    labels.iter().map(|(key, value)| LabelFilter::equals(key, value)).collect()
}
