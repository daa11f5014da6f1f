//! The roles of a steady handle: which request is repeated how.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use super::{
    SteadyDocker,
    decide::{Repeat, repeat},
};
use crate::{
    ApiError, ArchiveApi, ArchiveStream, Attachment, Capabilities, ContainerApi, ContainerDetails,
    ContainerId, ContainerRequest, ContainerSummary, CreatedContainer, EngineInfo, EngineVersion,
    ExecApi, ExecDetails, ExecId, ExecRequest, ExitFuture, ImageApi, ImageDetails, ImageReference,
    ImageSummary, LabelFilter, LogOptions, LogStream, Network, NetworkApi, NetworkId,
    NetworkRequest, Operation, PathDetails, PullRequest, PullStream, Signal, SystemApi, Volume,
    VolumeApi, VolumeName, VolumeRequest, VolumeUsage, WaitCondition,
};

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

    fn capabilities(&self) -> Capabilities {
        self.engine.capabilities()
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

    async fn list_images(&self, labels: &[LabelFilter]) -> Result<Vec<ImageSummary>, ApiError> {
        self.call(Operation::ListImages, || self.engine.list_images(labels)).await
    }

    async fn remove_image(&self, image: &ImageReference) -> Result<(), ApiError> {
        self.call(Operation::RemoveImage, || self.engine.remove_image(image)).await
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

    async fn container_logs(
        &self,
        id: &ContainerId,
        options: &LogOptions,
    ) -> Result<LogStream, ApiError> {
        let send = || self.engine.container_logs(id, options);
        self.call_about(Operation::ContainerLogs, send).await
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
