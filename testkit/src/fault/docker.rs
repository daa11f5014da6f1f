//! `FaultyDocker`: every role of an engine, with faults on the way.

use std::{
    collections::HashMap,
    fmt,
    future::pending,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use docker_api_trait::{
    ApiError, ArchiveApi, ArchiveStream, Attachment, ContainerApi, ContainerDetails, ContainerId,
    ContainerRequest, ContainerSummary, CreatedContainer, DockerApi, EngineInfo, EngineProduct,
    EngineVersion, ExecApi, ExecDetails, ExecId, ExecRequest, ExitFuture, ImageApi, ImageDetails,
    ImageReference, LabelFilter, LogStream, Network, NetworkApi, NetworkId, NetworkRequest,
    Operation, PathDetails, PullRequest, PullStream, Signal, SystemApi, Volume, VolumeApi,
    VolumeName, VolumeRequest, VolumeUsage, WaitCondition,
};
use futures_util::{future::BoxFuture, stream::BoxStream};
use tokio::time::sleep;

use super::{
    Call, Fault, FaultKind, Side,
    handed_out::{broken, with_faulty_input},
    model::lost,
};

/// Is told of every call, before its effect and after, and may wait, as long as it likes.
type Hook = Arc<dyn Fn(Call, Side) -> BoxFuture<'static, ()> + Send + Sync>;

#[derive(Default)]
struct State {
    faults: Vec<Fault>,
    calls: Vec<Call>,
    passed: Vec<(Call, Side)>,
    counts: HashMap<Operation, usize>,
    met: usize,
    hook: Option<Hook>,
}

/// An engine with faults on the way to it.
///
/// Calls are numbered as they begin. A fault before the effect keeps the call from the engine; one
/// after it loses or changes the reply. Faults can be put in and taken away at any time; of several
/// that meet one side of one call, the first counts. Clones are handles to the same engine and faults.
///
/// To try something at every call, run it once without a fault and count:
///
/// ```
/// use std::sync::Arc;
/// use docker_api_trait::{SystemApi, VolumeApi};
/// use testkit::{FakeDocker, Fault, FaultKind, FaultyDocker, Side, Site};
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
/// let scenario = async |docker: &FaultyDocker| {
///     docker.version().await?;
///     docker.list_volumes(&[]).await
/// };
/// let calm = FaultyDocker::new(Arc::new(FakeDocker::new()));
/// scenario(&calm).await?;
/// for call in calm.calls() {
///     for side in Side::BOTH {
///         let docker = FaultyDocker::new(Arc::new(FakeDocker::new()));
///         docker.inject(Fault { site: Site::Nth(call.number), side, kind: FaultKind::Lost });
///         assert!(scenario(&docker).await.is_err());
///     }
/// }
/// # Ok::<_, docker_api_trait::ApiError>(())
/// # })?;
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct FaultyDocker {
    engine: Arc<dyn DockerApi>,
    state: Arc<Mutex<State>>,
}

impl fmt::Debug for FaultyDocker {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let faults = self.state().faults.clone();
        formatter
            .debug_struct("FaultyDocker")
            .field("engine", &self.engine)
            .field("faults", &faults)
            .finish_non_exhaustive()
    }
}

impl FaultyDocker {
    /// `engine`, without faults yet.
    pub fn new(engine: Arc<dyn DockerApi>) -> Self {
        Self { engine, state: Arc::default() }
    }

    /// `engine` with these faults.
    pub fn with_faults(
        engine: Arc<dyn DockerApi>,
        faults: impl IntoIterator<Item = Fault>,
    ) -> Self {
        let docker = Self::new(engine);
        docker.state().faults.extend(faults);
        docker
    }

    /// Puts in a fault.
    pub fn inject(&self, fault: Fault) {
        self.state().faults.push(fault);
    }

    /// Takes all faults away. What hangs, hangs on.
    pub fn heal(&self) {
        self.state().faults.clear();
    }

    /// Lets `hook` be told of every call, on both sides of its effect. The call waits for it.
    pub fn on_call(
        &self,
        hook: impl Fn(Call, Side) -> BoxFuture<'static, ()> + Send + Sync + 'static,
    ) {
        self.state().hook = Some(Arc::new(hook));
    }

    /// Every call so far, in order.
    pub fn calls(&self) -> Vec<Call> {
        self.state().calls.clone()
    }

    /// Every call so far, on each side of its effect that it came to, in the order in which it did: a
    /// call that was dropped or kept from the engine is only before.
    pub fn passed(&self) -> Vec<(Call, Side)> {
        self.state().passed.clone()
    }

    /// How often a fault was met so far.
    pub fn met(&self) -> usize {
        self.state().met
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin(&self, operation: Operation) -> Call {
        let mut state = self.state();
        let count = state.counts.entry(operation).or_default();
        let nth = *count;
        *count += 1;
        let call = Call { number: state.calls.len(), operation, nth };
        state.calls.push(call);
        call
    }

    fn fault(&self, call: Call, side: Side) -> Option<FaultKind> {
        let mut state = self.state();
        let meets = |fault: &&Fault| fault.side == side && fault.site.meets(call);
        let kind = state.faults.iter().find(meets).map(|fault| fault.kind);
        state.met += usize::from(kind.is_some());
        kind
    }

    async fn side(&self, call: Call, side: Side) -> Result<Option<FaultKind>, ApiError> {
        let hook = {
            let mut state = self.state();
            state.passed.push((call, side));
            state.hook.clone()
        };
        if let Some(hook) = hook {
            hook(call, side).await;
        }
        match self.fault(call, side) {
            None => Ok(None),
            Some(FaultKind::Delay(time)) => {
                sleep(time).await;
                Ok(None)
            }
            Some(kind) if kind.is_of_stream() && side == Side::After => Ok(Some(kind)),
            Some(kind) if kind.never_ends() => pending().await,
            Some(kind) => Err(kind.error(call.operation).unwrap_or_else(|| lost(call.operation))),
        }
    }

    /// A call whose reply is all there is.
    async fn plain<T>(
        &self,
        operation: Operation,
        call: impl Future<Output = Result<T, ApiError>>,
    ) -> Result<T, ApiError> {
        let (reply, kind) = self.handing_out(operation, call).await?;
        match kind {
            None => Ok(reply),
            Some(kind) if kind.never_ends() => pending().await,
            Some(_) => Err(lost(operation)),
        }
    }

    /// A call that hands out something that may break later.
    async fn handing_out<T>(
        &self,
        operation: Operation,
        call: impl Future<Output = Result<T, ApiError>>,
    ) -> Result<(T, Option<FaultKind>), ApiError> {
        let number = self.begin(operation);
        self.side(number, Side::Before).await?;
        let reply = call.await;
        // What is lost after the effect may be a refusal as well.
        let kind = self.side(number, Side::After).await?;
        Ok((reply?, kind))
    }

    async fn stream<T: Send + 'static>(
        &self,
        operation: Operation,
        call: impl Future<Output = Result<BoxStream<'static, Result<T, ApiError>>, ApiError>>,
    ) -> Result<BoxStream<'static, Result<T, ApiError>>, ApiError> {
        let (stream, kind) = self.handing_out(operation, call).await?;
        match kind {
            // There is no input to break.
            Some(FaultKind::StallInput(_)) => pending().await,
            Some(FaultKind::CutInput(_)) => Err(lost(operation)),
            kind => Ok(broken(stream, kind, operation)),
        }
    }
}

#[async_trait]
impl SystemApi for FaultyDocker {
    async fn version(&self) -> Result<EngineVersion, ApiError> {
        self.plain(Operation::Version, self.engine.version()).await
    }

    async fn info(&self) -> Result<EngineInfo, ApiError> {
        self.plain(Operation::Info, self.engine.info()).await
    }

    async fn disk_usage(&self) -> Result<Vec<VolumeUsage>, ApiError> {
        self.plain(Operation::DiskUsage, self.engine.disk_usage()).await
    }

    fn outages(&self) -> u64 {
        self.engine.outages()
    }

    fn is_away(&self) -> bool {
        self.engine.is_away()
    }

    fn product(&self) -> EngineProduct {
        self.engine.product()
    }

    fn requests_sent(&self) -> u64 {
        self.engine.requests_sent()
    }
}

#[async_trait]
impl ImageApi for FaultyDocker {
    async fn inspect_image(&self, image: &ImageReference) -> Result<ImageDetails, ApiError> {
        self.plain(Operation::InspectImage, self.engine.inspect_image(image)).await
    }

    async fn pull_image(&self, request: &PullRequest) -> Result<PullStream, ApiError> {
        self.stream(Operation::PullImage, self.engine.pull_image(request)).await
    }

    async fn import_image(&self, image: &ImageReference, archive: Bytes) -> Result<(), ApiError> {
        self.plain(Operation::ImportImage, self.engine.import_image(image, archive)).await
    }
}

#[async_trait]
impl VolumeApi for FaultyDocker {
    async fn create_volume(&self, request: &VolumeRequest) -> Result<Volume, ApiError> {
        self.plain(Operation::CreateVolume, self.engine.create_volume(request)).await
    }

    async fn inspect_volume(&self, name: &VolumeName) -> Result<Volume, ApiError> {
        self.plain(Operation::InspectVolume, self.engine.inspect_volume(name)).await
    }

    async fn list_volumes(&self, labels: &[LabelFilter]) -> Result<Vec<Volume>, ApiError> {
        self.plain(Operation::ListVolumes, self.engine.list_volumes(labels)).await
    }

    async fn remove_volume(&self, name: &VolumeName) -> Result<(), ApiError> {
        self.plain(Operation::RemoveVolume, self.engine.remove_volume(name)).await
    }

    async fn prune_volumes(&self, labels: &[LabelFilter]) -> Result<Vec<String>, ApiError> {
        self.plain(Operation::PruneVolumes, self.engine.prune_volumes(labels)).await
    }
}

#[async_trait]
impl NetworkApi for FaultyDocker {
    async fn create_network(&self, request: &NetworkRequest) -> Result<NetworkId, ApiError> {
        self.plain(Operation::CreateNetwork, self.engine.create_network(request)).await
    }

    async fn inspect_network(&self, id: &NetworkId) -> Result<Network, ApiError> {
        self.plain(Operation::InspectNetwork, self.engine.inspect_network(id)).await
    }

    async fn list_networks(&self, labels: &[LabelFilter]) -> Result<Vec<Network>, ApiError> {
        self.plain(Operation::ListNetworks, self.engine.list_networks(labels)).await
    }

    async fn remove_network(&self, id: &NetworkId) -> Result<(), ApiError> {
        self.plain(Operation::RemoveNetwork, self.engine.remove_network(id)).await
    }
}

#[async_trait]
impl ContainerApi for FaultyDocker {
    async fn create_container(
        &self,
        request: &ContainerRequest,
    ) -> Result<CreatedContainer, ApiError> {
        self.plain(Operation::CreateContainer, self.engine.create_container(request)).await
    }

    async fn inspect_container(&self, id: &ContainerId) -> Result<ContainerDetails, ApiError> {
        self.plain(Operation::InspectContainer, self.engine.inspect_container(id)).await
    }

    async fn list_containers(
        &self,
        labels: &[LabelFilter],
    ) -> Result<Vec<ContainerSummary>, ApiError> {
        self.plain(Operation::ListContainers, self.engine.list_containers(labels)).await
    }

    async fn list_containers_using(
        &self,
        volume: &VolumeName,
    ) -> Result<Vec<ContainerSummary>, ApiError> {
        self.plain(Operation::ListContainers, self.engine.list_containers_using(volume)).await
    }

    async fn attach_container(&self, id: &ContainerId) -> Result<LogStream, ApiError> {
        self.stream(Operation::AttachContainer, self.engine.attach_container(id)).await
    }

    async fn attach_container_with_input(&self, id: &ContainerId) -> Result<Attachment, ApiError> {
        let operation = Operation::AttachContainer;
        let attach = self.engine.attach_container_with_input(id);
        let (attachment, kind) = self.handing_out(operation, attach).await?;
        Ok(match kind {
            Some(kind) if kind.is_of_input() => with_faulty_input(attachment, kind),
            kind => {
                let Attachment { input, output } = attachment;
                Attachment { input, output: broken(output, kind, operation) }
            }
        })
    }

    async fn wait_container(
        &self,
        id: &ContainerId,
        condition: WaitCondition,
    ) -> Result<ExitFuture, ApiError> {
        let operation = Operation::WaitContainer;
        let wait = self.engine.wait_container(id, condition);
        let (exit, kind) = self.handing_out(operation, wait).await?;
        Ok(match kind {
            Some(kind) if kind.never_ends() => Box::pin(async move {
                let _kept = exit;
                pending().await
            }),
            Some(_) => Box::pin(async move {
                // Its connection breaks a moment after it was registered.
                sleep(Duration::from_millis(1)).await;
                drop(exit);
                Err(lost(operation))
            }),
            None => exit,
        })
    }

    async fn start_container(&self, id: &ContainerId) -> Result<(), ApiError> {
        self.plain(Operation::StartContainer, self.engine.start_container(id)).await
    }

    async fn stop_container(&self, id: &ContainerId, grace: Duration) -> Result<(), ApiError> {
        self.plain(Operation::StopContainer, self.engine.stop_container(id, grace)).await
    }

    async fn kill_container(&self, id: &ContainerId, signal: Signal) -> Result<(), ApiError> {
        self.plain(Operation::KillContainer, self.engine.kill_container(id, signal)).await
    }

    async fn remove_container(&self, id: &ContainerId) -> Result<(), ApiError> {
        self.plain(Operation::RemoveContainer, self.engine.remove_container(id)).await
    }

    async fn remove_container_alone(&self, id: &ContainerId) -> Result<(), ApiError> {
        self.plain(Operation::RemoveContainer, self.engine.remove_container_alone(id)).await
    }
}

#[async_trait]
impl ExecApi for FaultyDocker {
    async fn create_exec(
        &self,
        container: &ContainerId,
        request: &ExecRequest,
    ) -> Result<ExecId, ApiError> {
        self.plain(Operation::CreateExec, self.engine.create_exec(container, request)).await
    }

    async fn start_exec(&self, id: &ExecId) -> Result<LogStream, ApiError> {
        self.stream(Operation::StartExec, self.engine.start_exec(id)).await
    }

    async fn inspect_exec(&self, id: &ExecId) -> Result<ExecDetails, ApiError> {
        self.plain(Operation::InspectExec, self.engine.inspect_exec(id)).await
    }
}

#[async_trait]
impl ArchiveApi for FaultyDocker {
    async fn upload_archive(
        &self,
        container: &ContainerId,
        folder: &str,
        archive: Bytes,
    ) -> Result<(), ApiError> {
        let upload = self.engine.upload_archive(container, folder, archive);
        self.plain(Operation::UploadArchive, upload).await
    }

    async fn upload_archive_stream(
        &self,
        container: &ContainerId,
        folder: &str,
        archive: ArchiveStream,
    ) -> Result<(), ApiError> {
        let upload = self.engine.upload_archive_stream(container, folder, archive);
        self.plain(Operation::UploadArchive, upload).await
    }

    async fn inspect_path(
        &self,
        container: &ContainerId,
        path: &str,
    ) -> Result<PathDetails, ApiError> {
        self.plain(Operation::InspectPath, self.engine.inspect_path(container, path)).await
    }

    async fn download_archive(
        &self,
        container: &ContainerId,
        path: &str,
    ) -> Result<ArchiveStream, ApiError> {
        let download = self.engine.download_archive(container, path);
        self.stream(Operation::DownloadArchive, download).await
    }
}
