//! `SteadyDocker`: every role, with what is safe to repeat repeated.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use docker_api_trait::{
    ApiError, ArchiveApi, ArchiveStream, Attachment, ContainerApi, ContainerDetails, ContainerId,
    ContainerRequest, ContainerStatus, ContainerSummary, CreatedContainer, DockerApi, EngineInfo,
    EngineProduct, EngineVersion, ExecApi, ExecDetails, ExecId, ExecRequest, ExitFuture, ImageApi,
    ImageDetails, ImageReference, LabelFilter, LogStream, Network, NetworkApi, NetworkId,
    NetworkRequest, Operation, PathDetails, PullRequest, PullStream, Signal, SystemApi, Volume,
    VolumeApi, VolumeName, VolumeRequest, VolumeUsage, WaitCondition,
};
use tokio::{
    sync::Semaphore,
    time::{Instant, sleep},
};

use crate::run::removal::LATE_EFFECT;

use super::{
    EngineEvent, EngineObserver, RetryPolicy,
    decide::{Next, Repeat, next, repeat},
    link::Link,
};

/// An engine that has a name and does not show what has it is making it: it copies into its volumes
/// before.
const MAKING: Duration = Duration::from_secs(5);
/// Between two looks meanwhile.
const MAKING_LOOK: Duration = Duration::from_millis(500);

/// An engine that is waited for when it is away, and of which is asked again what is safe to repeat.
///
/// An [`Executor`](crate::Executor) makes one of an engine that is not steady, with the default policy.
/// For another policy, or an observer, give it to the executor and to the volume manager in place of the
/// engine itself, so that both share what is known of the connection.
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
    engine: Arc<dyn DockerApi>,
    policy: RetryPolicy,
    observer: Arc<dyn EngineObserver>,
    link: Arc<Link>,
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

    /// The engine itself if it is steady, or a steady handle to it with the default policy.
    pub(crate) fn ensure(engine: Arc<dyn DockerApi>) -> Arc<dyn DockerApi> {
        if engine.is_steady() {
            return engine;
        }
        Arc::new(Self::new(engine, RetryPolicy::default()))
    }

    /// A request that is repeated as its operation allows.
    async fn call<T, F>(&self, operation: Operation, send: impl Fn() -> F) -> Result<T, ApiError>
    where
        F: Future<Output = Result<T, ApiError>>,
    {
        self.call_as(operation, repeat(operation), send, async || Ok(None)).await
    }

    /// A request about something that must be there: when it is not, it may be another engine's.
    async fn call_about<T, F>(
        &self,
        operation: Operation,
        send: impl Fn() -> F,
    ) -> Result<T, ApiError>
    where
        F: Future<Output = Result<T, ApiError>>,
    {
        self.verified(operation, self.call(operation, send).await).await
    }

    async fn verified<T>(
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
    async fn call_as<T, F, L>(
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
        // Nobody closes it.
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
    async fn made_container(
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

    async fn made_network(&self, request: &NetworkRequest) -> Result<Option<NetworkId>, ApiError> {
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
    async fn was_started(&self, id: &ContainerId, before: &str) -> Result<Option<()>, ApiError> {
        let details = self.inspect_container(id).await?;
        let has_run = match details.status {
            ContainerStatus::Created => false,
            ContainerStatus::Running => true,
            _ => details.started_at != before,
        };
        Ok(has_run.then_some(()))
    }

    fn fresh(&self) -> MutexGuard<'_, HashSet<ContainerId>> {
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

/// All of the labels, which include the run's: nobody else's object has them.
fn filters(labels: &std::collections::BTreeMap<String, String>) -> Vec<LabelFilter> {
    labels.iter().map(|(key, value)| LabelFilter::equals(key, value)).collect()
}

#[async_trait]
impl SystemApi for SteadyDocker {
    async fn version(&self) -> Result<EngineVersion, ApiError> {
        self.call(Operation::Version, || self.engine.version()).await
    }

    async fn info(&self) -> Result<EngineInfo, ApiError> {
        let info = self.call(Operation::Info, || self.engine.info()).await?;
        self.link.introduced(Operation::Info, &info)?;
        Ok(info)
    }

    async fn disk_usage(&self) -> Result<Vec<VolumeUsage>, ApiError> {
        self.call(Operation::DiskUsage, || self.engine.disk_usage()).await
    }

    fn outages(&self) -> u64 {
        self.link.outages()
    }

    fn is_steady(&self) -> bool {
        true
    }

    fn is_away(&self) -> bool {
        self.link.is_away()
    }

    fn product(&self) -> EngineProduct {
        self.engine.product()
    }

    fn requests_sent(&self) -> u64 {
        self.engine.requests_sent()
    }
}

#[async_trait]
impl ImageApi for SteadyDocker {
    async fn inspect_image(&self, image: &ImageReference) -> Result<ImageDetails, ApiError> {
        self.call(Operation::InspectImage, || self.engine.inspect_image(image)).await
    }

    async fn pull_image(&self, request: &PullRequest) -> Result<PullStream, ApiError> {
        self.call(Operation::PullImage, || self.engine.pull_image(request)).await
    }

    async fn import_image(&self, image: &ImageReference, archive: Bytes) -> Result<(), ApiError> {
        self.call(Operation::ImportImage, || self.engine.import_image(image, archive.clone())).await
    }
}

#[async_trait]
impl VolumeApi for SteadyDocker {
    async fn create_volume(&self, request: &VolumeRequest) -> Result<Volume, ApiError> {
        self.call(Operation::CreateVolume, || self.engine.create_volume(request)).await
    }

    async fn inspect_volume(&self, name: &VolumeName) -> Result<Volume, ApiError> {
        self.call(Operation::InspectVolume, || self.engine.inspect_volume(name)).await
    }

    async fn list_volumes(&self, labels: &[LabelFilter]) -> Result<Vec<Volume>, ApiError> {
        self.call(Operation::ListVolumes, || self.engine.list_volumes(labels)).await
    }

    async fn remove_volume(&self, name: &VolumeName) -> Result<(), ApiError> {
        self.call(Operation::RemoveVolume, || self.engine.remove_volume(name)).await
    }

    async fn prune_volumes(&self, labels: &[LabelFilter]) -> Result<Vec<String>, ApiError> {
        self.call(Operation::PruneVolumes, || self.engine.prune_volumes(labels)).await
    }
}

#[async_trait]
impl NetworkApi for SteadyDocker {
    async fn create_network(&self, request: &NetworkRequest) -> Result<NetworkId, ApiError> {
        let operation = Operation::CreateNetwork;
        let send = || self.engine.create_network(request);
        self.call_as(operation, repeat(operation), send, || self.made_network(request)).await
    }

    async fn inspect_network(&self, id: &NetworkId) -> Result<Network, ApiError> {
        self.call_about(Operation::InspectNetwork, || self.engine.inspect_network(id)).await
    }

    async fn list_networks(&self, labels: &[LabelFilter]) -> Result<Vec<Network>, ApiError> {
        self.call(Operation::ListNetworks, || self.engine.list_networks(labels)).await
    }

    async fn remove_network(&self, id: &NetworkId) -> Result<(), ApiError> {
        self.call_about(Operation::RemoveNetwork, || self.engine.remove_network(id)).await
    }
}

#[async_trait]
impl ContainerApi for SteadyDocker {
    async fn create_container(
        &self,
        request: &ContainerRequest,
    ) -> Result<CreatedContainer, ApiError> {
        let operation = Operation::CreateContainer;
        let send = || self.engine.create_container(request);
        let created = self
            .call_as(operation, repeat(operation), send, || self.made_container(request))
            .await?;
        self.fresh().insert(created.id.clone());
        Ok(created)
    }

    async fn inspect_container(&self, id: &ContainerId) -> Result<ContainerDetails, ApiError> {
        self.call_about(Operation::InspectContainer, || self.engine.inspect_container(id)).await
    }

    async fn list_containers(
        &self,
        labels: &[LabelFilter],
    ) -> Result<Vec<ContainerSummary>, ApiError> {
        self.call(Operation::ListContainers, || self.engine.list_containers(labels)).await
    }

    async fn list_containers_using(
        &self,
        volume: &VolumeName,
    ) -> Result<Vec<ContainerSummary>, ApiError> {
        self.call(Operation::ListContainers, || self.engine.list_containers_using(volume)).await
    }

    async fn attach_container(&self, id: &ContainerId) -> Result<LogStream, ApiError> {
        // Reading alone closes nothing.
        let operation = Operation::AttachContainer;
        let send = || self.engine.attach_container(id);
        let reply = self.call_as(operation, Repeat::Harmless, send, async || Ok(None)).await;
        self.verified(operation, reply).await
    }

    async fn attach_container_with_input(&self, id: &ContainerId) -> Result<Attachment, ApiError> {
        let send = || self.engine.attach_container_with_input(id);
        self.call_about(Operation::AttachContainer, send).await
    }

    async fn wait_container(
        &self,
        id: &ContainerId,
        condition: WaitCondition,
    ) -> Result<ExitFuture, ApiError> {
        let send = || self.engine.wait_container(id, condition);
        self.call_about(Operation::WaitContainer, send).await
    }

    async fn start_container(&self, id: &ContainerId) -> Result<(), ApiError> {
        let operation = Operation::StartContainer;
        let is_fresh = self.fresh().remove(id);
        // Of one that has run before, a run that ended says nothing of this start.
        let before =
            if is_fresh { String::new() } else { self.inspect_container(id).await?.started_at };
        let send = || self.engine.start_container(id);
        let look = || self.was_started(id, &before);
        let reply = self.call_as(operation, repeat(operation), send, look).await;
        self.verified(operation, reply).await
    }

    async fn stop_container(&self, id: &ContainerId, grace: Duration) -> Result<(), ApiError> {
        self.call_about(Operation::StopContainer, || self.engine.stop_container(id, grace)).await
    }

    async fn kill_container(&self, id: &ContainerId, signal: Signal) -> Result<(), ApiError> {
        let operation = Operation::KillContainer;
        // Many programs take a second request to end as one to end at once.
        let repeat = if signal == Signal::Kill { Repeat::Harmless } else { Repeat::Harmful };
        let send = || self.engine.kill_container(id, signal);
        let reply = self.call_as(operation, repeat, send, async || Ok(None)).await;
        self.verified(operation, reply).await
    }

    async fn remove_container(&self, id: &ContainerId) -> Result<(), ApiError> {
        self.fresh().remove(id);
        self.call_about(Operation::RemoveContainer, || self.engine.remove_container(id)).await
    }

    async fn remove_container_alone(&self, id: &ContainerId) -> Result<(), ApiError> {
        self.fresh().remove(id);
        self.call_about(Operation::RemoveContainer, || self.engine.remove_container_alone(id)).await
    }
}

#[async_trait]
impl ExecApi for SteadyDocker {
    async fn create_exec(
        &self,
        container: &ContainerId,
        request: &ExecRequest,
    ) -> Result<ExecId, ApiError> {
        self.call(Operation::CreateExec, || self.engine.create_exec(container, request)).await
    }

    async fn start_exec(&self, id: &ExecId) -> Result<LogStream, ApiError> {
        self.call(Operation::StartExec, || self.engine.start_exec(id)).await
    }

    async fn inspect_exec(&self, id: &ExecId) -> Result<ExecDetails, ApiError> {
        self.call(Operation::InspectExec, || self.engine.inspect_exec(id)).await
    }
}

#[async_trait]
impl ArchiveApi for SteadyDocker {
    async fn upload_archive(
        &self,
        container: &ContainerId,
        folder: &str,
        archive: Bytes,
    ) -> Result<(), ApiError> {
        // The same files again.
        let operation = Operation::UploadArchive;
        let send = || self.engine.upload_archive(container, folder, archive.clone());
        self.call_as(operation, Repeat::Harmless, send, async || Ok(None)).await
    }

    /// Not repeated: the stream is used up.
    async fn upload_archive_stream(
        &self,
        container: &ContainerId,
        folder: &str,
        archive: ArchiveStream,
    ) -> Result<(), ApiError> {
        self.link.check(Operation::UploadArchive)?;
        self.engine.upload_archive_stream(container, folder, archive).await
    }

    async fn inspect_path(
        &self,
        container: &ContainerId,
        path: &str,
    ) -> Result<PathDetails, ApiError> {
        self.call(Operation::InspectPath, || self.engine.inspect_path(container, path)).await
    }

    async fn download_archive(
        &self,
        container: &ContainerId,
        path: &str,
    ) -> Result<ArchiveStream, ApiError> {
        self.call(Operation::DownloadArchive, || self.engine.download_archive(container, path))
            .await
    }
}
