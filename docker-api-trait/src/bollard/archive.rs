//! `ArchiveApi` on a real engine.

use std::time::Duration;

use async_trait::async_trait;
use bollard::query_parameters::{
    ContainerArchiveInfoOptions, DownloadFromContainerOptions, UploadToContainerOptions,
};
use bytes::Bytes;
use futures_util::{FutureExt as _, StreamExt as _, TryStreamExt as _, stream};

use super::{BollardDocker, convert};
use crate::{ApiError, ArchiveApi, ArchiveStream, ContainerId, Operation, PathDetails};

#[async_trait]
impl ArchiveApi for BollardDocker {
    async fn upload_archive(
        &self,
        container: &ContainerId,
        folder: &str,
        archive: Bytes,
    ) -> Result<(), ApiError> {
        self.call(
            Operation::UploadArchive,
            self.docker().upload_to_container(
                container.as_str(),
                Some(upload_options(folder)),
                bollard::body_full(archive),
            ),
        )
        .await
    }

    async fn upload_archive_stream(
        &self,
        container: &ContainerId,
        folder: &str,
        archive: ArchiveStream,
    ) -> Result<(), ApiError> {
        let pieces = archive.map_err(std::io::Error::other);
        self.call_within(
            Operation::UploadArchive,
            Duration::MAX,
            self.docker().upload_to_container(
                container.as_str(),
                Some(upload_options(folder)),
                bollard::body_try_stream(pieces),
            ),
        )
        .await
    }

    async fn inspect_path(
        &self,
        container: &ContainerId,
        path: &str,
    ) -> Result<PathDetails, ApiError> {
        let options = ContainerArchiveInfoOptions { path: path.to_owned() };
        let reply = self
            .call(
                Operation::InspectPath,
                self.docker().get_container_archive_info(container.as_str(), Some(options)),
            )
            .await?;
        let mut details = convert::path_details(reply.file_mode);
        details.target = Some(reply.link_target).filter(|target| !target.is_empty());
        Ok(details)
    }

    async fn download_archive(
        &self,
        container: &ContainerId,
        path: &str,
    ) -> Result<ArchiveStream, ApiError> {
        let operation = Operation::DownloadArchive;
        let options = DownloadFromContainerOptions { path: path.to_owned() };
        let mut pieces =
            self.docker().download_from_container(container.as_str(), Some(options)).boxed();
        // The first piece is awaited here, so that a refusal is this call's error.
        let first = self.call(operation, pieces.next().map(Option::transpose)).await?;
        let endpoint = self.endpoint().clone();
        let rest = pieces
            .map(move |piece| piece.map_err(|error| convert::error(operation, &endpoint, error)));
        Ok(stream::iter(first.map(Ok)).chain(rest).boxed())
    }
}

fn upload_options(folder: &str) -> UploadToContainerOptions {
    UploadToContainerOptions {
        path: folder.to_owned(),
        no_overwrite_dir_non_dir: Some("true".to_owned()),
        ..UploadToContainerOptions::default()
    }
}
