//! Containers.

use std::{fmt::Debug, time::Duration};

use async_trait::async_trait;
use futures_util::{future::BoxFuture, stream::BoxStream};

use crate::{
    ApiError, LogChunk,
    id::{ContainerId, VolumeName},
    model::{
        ContainerDetails, ContainerRequest, ContainerSummary, CreatedContainer, ExitStatus,
        LabelFilter, WaitCondition,
    },
};

/// A container's output. Its end is not an exit: the engine's death looks the same.
pub type LogStream = BoxStream<'static, Result<LogChunk, ApiError>>;

/// The exit for which a waiter was registered.
pub type ExitFuture = BoxFuture<'static, Result<ExitStatus, ApiError>>;

/// Containers on the engine.
///
/// The order that loses nothing is create, attach, wait, start: an output written before the attach
/// is lost, and so is an exit before the wait.
#[async_trait]
pub trait ContainerApi: Debug + Send + Sync {
    /// Creates a container; it does not run yet. Volumes that its mounts name and that do not exist
    /// are created with the labels that the mount carries; those of a mount that is sent as a
    /// [bind string](crate::Mount::bind_string) get none.
    ///
    /// # Errors
    /// [`ApiError::NotFound`] when the engine does not have the image, or the driver of a volume that
    /// is to be created; [`ApiError::Conflict`] when the name is taken, or a volume's by another
    /// driver; [`ApiError::Rejected`], without a request, when a bind string would be misread.
    /// Docker's engine answers other faults of a bind string with [`ApiError::Engine`], 500, where
    /// those of a mount are [`ApiError::Rejected`].
    async fn create_container(
        &self,
        request: &ContainerRequest,
    ) -> Result<CreatedContainer, ApiError>;

    /// Looks at a container.
    ///
    /// # Errors
    /// [`ApiError::NotFound`] when there is none of that id.
    async fn inspect_container(&self, id: &ContainerId) -> Result<ContainerDetails, ApiError>;

    /// The containers, running or not, that carry all of `labels`.
    async fn list_containers(
        &self,
        labels: &[LabelFilter],
    ) -> Result<Vec<ContainerSummary>, ApiError>;

    /// The containers, running or not, that refer to `volume`: those for which it cannot be removed.
    /// None when there is no such volume.
    async fn list_containers_using(
        &self,
        volume: &VolumeName,
    ) -> Result<Vec<ContainerSummary>, ApiError>;

    /// Attaches to what the container writes from now on.
    ///
    /// The reader must read: while an attached stream stays unread, the engine blocks the
    /// container's output and then also its stop, kill and removal. Dropping the stream detaches.
    async fn attach_container(&self, id: &ContainerId) -> Result<LogStream, ApiError>;

    /// Registers a waiter; returns when the engine has registered it, so that no exit after this
    /// call is missed.
    ///
    /// # Errors
    /// Of this call: [`ApiError::NotFound`] when there is no such container. Of the future:
    /// [`ApiError::Lost`] when the connection ends without an answer; the container may still run.
    async fn wait_container(
        &self,
        id: &ContainerId,
        condition: WaitCondition,
    ) -> Result<ExitFuture, ApiError>;

    /// Starts a created container. Success when it already runs.
    ///
    /// # Errors
    /// [`ApiError::Rejected`] when the container's program cannot be run.
    async fn start_container(&self, id: &ContainerId) -> Result<(), ApiError>;

    /// Asks the container to stop, and kills it when it has not within `grace` (whole seconds,
    /// rounded up). Success when it does not run. Returns when it has stopped.
    async fn stop_container(&self, id: &ContainerId, grace: Duration) -> Result<(), ApiError>;

    /// Removes the container and its anonymous volumes; kills it first when it runs. Named volumes
    /// stay.
    ///
    /// # Errors
    /// [`ApiError::NotFound`] when it is gone; [`ApiError::Conflict`] while another removal of it is
    /// under way.
    async fn remove_container(&self, id: &ContainerId) -> Result<(), ApiError>;
}
