//! `MockDocker`: every role, by expectation.

#![allow(clippy::struct_field_names, reason = "the generated struct has a field a method")]

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use crate::{
    ApiError, ArchiveApi, ArchiveStream, Attachment, ContainerApi, ExecApi, ExitFuture, ImageApi,
    LogStream, NetworkApi, PullStream, SystemApi, VolumeApi,
    id::{ContainerId, ExecId, ImageReference, NetworkId, VolumeName},
    model::{
        Capabilities, ContainerDetails, ContainerRequest, ContainerSummary, CreatedContainer,
        EngineInfo, EngineVersion, ExecDetails, ExecRequest, ImageDetails, ImageSummary,
        LabelFilter, LogOptions, Network, NetworkRequest, PathDetails, PullRequest, Signal, Volume,
        VolumeRequest, VolumeUsage, WaitCondition,
    },
};

mockall::mock! {
    /// An engine of expectations: for tests that ask whether something was called, how often, in
    /// what order. A call that was not expected panics. For everything else use a fake, which has
    /// behaviour instead.
    #[derive(Debug)]
    pub Docker {}

    #[async_trait]
    impl SystemApi for Docker {
        async fn version(&self) -> Result<EngineVersion, ApiError>;
        async fn info(&self) -> Result<EngineInfo, ApiError>;
        async fn disk_usage(&self) -> Result<Vec<VolumeUsage>, ApiError>;
        fn outages(&self) -> u64;
        fn is_away(&self) -> bool;
        fn is_steady(&self) -> bool;
        fn capabilities(&self) -> Capabilities;
        fn requests_sent(&self) -> u64;
    }

    #[async_trait]
    impl ImageApi for Docker {
        async fn inspect_image(&self, image: &ImageReference) -> Result<ImageDetails, ApiError>;
        async fn pull_image(&self, request: &PullRequest) -> Result<PullStream, ApiError>;
        async fn import_image(&self, image: &ImageReference, archive: Bytes) -> Result<(), ApiError>;
        async fn list_images(&self, labels: &[LabelFilter]) -> Result<Vec<ImageSummary>, ApiError>;
        async fn remove_image(&self, image: &ImageReference) -> Result<(), ApiError>;
    }

    #[async_trait]
    impl VolumeApi for Docker {
        async fn create_volume(&self, request: &VolumeRequest) -> Result<Volume, ApiError>;
        async fn inspect_volume(&self, name: &VolumeName) -> Result<Volume, ApiError>;
        async fn list_volumes(&self, labels: &[LabelFilter]) -> Result<Vec<Volume>, ApiError>;
        async fn remove_volume(&self, name: &VolumeName) -> Result<(), ApiError>;
        async fn prune_volumes(&self, labels: &[LabelFilter]) -> Result<Vec<String>, ApiError>;
    }

    #[async_trait]
    impl ContainerApi for Docker {
        async fn create_container(&self, request: &ContainerRequest) -> Result<CreatedContainer, ApiError>;
        async fn inspect_container(&self, id: &ContainerId) -> Result<ContainerDetails, ApiError>;
        async fn list_containers(&self, labels: &[LabelFilter]) -> Result<Vec<ContainerSummary>, ApiError>;
        async fn list_containers_using(&self, volume: &VolumeName) -> Result<Vec<ContainerSummary>, ApiError>;
        async fn container_logs(&self, id: &ContainerId, options: &LogOptions) -> Result<LogStream, ApiError>;
        async fn attach_container(&self, id: &ContainerId) -> Result<LogStream, ApiError>;
        async fn attach_container_with_input(&self, id: &ContainerId) -> Result<Attachment, ApiError>;
        async fn wait_container(&self, id: &ContainerId, condition: WaitCondition) -> Result<ExitFuture, ApiError>;
        async fn start_container(&self, id: &ContainerId) -> Result<(), ApiError>;
        async fn stop_container(&self, id: &ContainerId, grace: Duration) -> Result<(), ApiError>;
        async fn kill_container(&self, id: &ContainerId, signal: Signal) -> Result<(), ApiError>;
        async fn remove_container(&self, id: &ContainerId) -> Result<(), ApiError>;
        async fn remove_container_alone(&self, id: &ContainerId) -> Result<(), ApiError>;
    }

    #[async_trait]
    impl NetworkApi for Docker {
        async fn create_network(&self, request: &NetworkRequest) -> Result<NetworkId, ApiError>;
        async fn inspect_network(&self, id: &NetworkId) -> Result<Network, ApiError>;
        async fn list_networks(&self, labels: &[LabelFilter]) -> Result<Vec<Network>, ApiError>;
        async fn remove_network(&self, id: &NetworkId) -> Result<(), ApiError>;
    }

    #[async_trait]
    impl ExecApi for Docker {
        async fn create_exec(&self, container: &ContainerId, request: &ExecRequest) -> Result<ExecId, ApiError>;
        async fn start_exec(&self, id: &ExecId) -> Result<LogStream, ApiError>;
        async fn inspect_exec(&self, id: &ExecId) -> Result<ExecDetails, ApiError>;
    }

    #[async_trait]
    impl ArchiveApi for Docker {
        async fn upload_archive(&self, container: &ContainerId, folder: &str, archive: Bytes) -> Result<(), ApiError>;
        async fn upload_archive_stream(&self, container: &ContainerId, folder: &str, archive: ArchiveStream) -> Result<(), ApiError>;
        async fn inspect_path(&self, container: &ContainerId, path: &str) -> Result<PathDetails, ApiError>;
        async fn download_archive(&self, container: &ContainerId, path: &str) -> Result<ArchiveStream, ApiError>;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DockerApi;

    #[tokio::test]
    async fn a_mock_stands_in_for_a_whole_engine() {
        let mut engine = MockDocker::new();
        engine.expect_remove_volume().times(1).returning(|_| Ok(()));
        let engine: &dyn DockerApi = &engine;
        engine.remove_volume(&VolumeName::new("cache").unwrap()).await.unwrap();
    }
}
