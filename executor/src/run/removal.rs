//! Removes what a run created. An object that is missing counts as removed; a removal in progress is waited for.

use std::time::Duration;

use docker_api_trait::{ApiError, ContainerId, DockerApi, NetworkId, VolumeName};
use tokio::time::{Instant, sleep};
use volume_manager::VolumeError;

use crate::error::CleanupError;

/// Between two looks at what is on its way.
const POLL: Duration = Duration::from_millis(100);
/// How long a network may be in use. A container that was removed is out of it in a moment; one of
/// somebody else's stays.
const LEAVING: Duration = Duration::from_secs(2);
/// How long a volume may be in use. An engine lists a container no more before it has let go of its
/// volumes; what holds one for longer is a container that stays.
const LETTING_GO: Duration = Duration::from_secs(1);

/// Removes a container by force. One that another client is removing is waited for.
///
/// # Errors
/// What the engine says; the caller limits the time.
pub(crate) async fn container(
    docker: &dyn DockerApi,
    id: &ContainerId,
    keep_anonymous_volumes: bool,
) -> Result<(), ApiError> {
    loop {
        let removed = if keep_anonymous_volumes {
            docker.remove_container_alone(id).await
        } else {
            docker.remove_container(id).await
        };
        match removed {
            Ok(()) | Err(ApiError::NotFound { .. }) => return Ok(()),
            Err(ApiError::Conflict { .. }) => sleep(POLL).await,
            Err(error) => return Err(error),
        }
    }
}

/// Removes a network, once the containers are out of it.
///
/// # Errors
/// What the engine says: also of a network that a container of another program is in, after 2 s.
pub(crate) async fn network(docker: &dyn DockerApi, id: &NetworkId) -> Result<(), ApiError> {
    let end = Instant::now() + LEAVING;
    loop {
        match docker.remove_network(id).await {
            Ok(()) | Err(ApiError::NotFound { .. }) => return Ok(()),
            Err(ApiError::Conflict { .. } | ApiError::Engine { status: 403, .. })
                if Instant::now() < end =>
            {
                sleep(POLL).await;
            }
            Err(error) => return Err(error),
        }
    }
}

/// Removes a volume, once the containers have let go of it.
///
/// # Errors
/// [`VolumeError::InUse`] of one that a container holds after a second; else what the engine says.
pub(crate) async fn volume(docker: &dyn DockerApi, name: &VolumeName) -> Result<(), CleanupError> {
    let end = Instant::now() + LETTING_GO;
    loop {
        match docker.remove_volume(name).await {
            Ok(()) | Err(ApiError::NotFound { .. }) => return Ok(()),
            Err(source @ ApiError::Conflict { .. }) if Instant::now() >= end => {
                return Err(VolumeError::InUse { volume: name.clone(), source }.into());
            }
            Err(ApiError::Conflict { .. }) => sleep(POLL).await,
            Err(error) => return Err(error.into()),
        }
    }
}
