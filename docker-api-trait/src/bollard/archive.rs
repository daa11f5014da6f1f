//! `ArchiveApi` on a real engine.

use std::{io, pin::pin, time::Duration};

use async_trait::async_trait;
use bollard::query_parameters::{
    ContainerArchiveInfoOptions, DownloadFromContainerOptions, UploadToContainerOptions,
};
use bytes::Bytes;
use futures_util::{
    FutureExt as _, StreamExt as _, TryStreamExt as _,
    future::{Either, select},
    stream,
};
use tokio::{
    sync::watch,
    time::{sleep, timeout},
};

use super::{BollardDocker, client, convert};
use crate::{ApiError, ArchiveApi, ArchiveStream, ContainerId, Operation, PathDetails, PathKind};

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
        let operation = Operation::UploadArchive;
        let limit = client::limit(operation);
        // The whole may take as long as it likes; each piece, and the answer after the last, may not.
        let (taken, mut news) = watch::channel(());
        let pieces = archive.inspect(move |_| taken.send_replace(())).map_err(io::Error::other);
        let reply = self.call_within(
            operation,
            Duration::MAX,
            self.docker().upload_to_container(
                container.as_str(),
                Some(upload_options(folder)),
                bollard::body_try_stream(pieces),
            ),
        );
        let stalled = async {
            // When all have been taken, or are not wanted any more, there is no more news.
            while let Ok(Ok(())) = timeout(limit, news.changed()).await {}
            sleep(limit).await;
        };
        match select(pin!(reply), pin!(stalled)).await {
            Either::Left((reply, _)) => reply,
            Either::Right(_) => Err(ApiError::TimedOut { operation, limit }),
        }
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
        // Of what is no link, Podman gives the path itself.
        let is_link = details.kind == PathKind::Link;
        details.target = Some(reply.link_target).filter(|target| is_link && !target.is_empty());
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
        let limit = client::limit(operation);
        let rest = stream::unfold(Some(pieces), move |pieces| {
            let endpoint = endpoint.clone();
            async move {
                let mut pieces = pieces?;
                match timeout(limit, pieces.next()).await {
                    Ok(piece) => {
                        let translated = |error| convert::error(operation, &endpoint, error);
                        Some((piece?.map_err(translated), Some(pieces)))
                    }
                    Err(_) => Some((Err(ApiError::TimedOut { operation, limit }), None)),
                }
            }
        });
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
