//! The job's image: pulled when, and only when, the engine turns out not to have it.

use docker_api_trait::{DockerApi, ImageReference, PullRequest};
use futures_util::StreamExt as _;

use crate::{ExecutorError, JobEvent, Observer};

/// Pulls an image and tells of its progress.
pub(crate) async fn pull(
    docker: &dyn DockerApi,
    image: &ImageReference,
    observer: &dyn Observer,
) -> Result<(), ExecutorError> {
    observer.event(&JobEvent::PullStarted(image));
    let failed = |source| ExecutorError::ImagePull { image: image.clone(), source };
    let mut messages = docker.pull_image(&PullRequest::new(image.clone())).await.map_err(failed)?;
    while let Some(message) = messages.next().await {
        observer.event(&JobEvent::PullProgressed(&message.map_err(failed)?));
    }
    Ok(())
}
