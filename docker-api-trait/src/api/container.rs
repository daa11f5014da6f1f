//! Containers.

use std::{fmt::Debug, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{future::BoxFuture, stream::BoxStream};

use crate::{
    ApiError, LogChunk,
    id::{ContainerId, VolumeName},
    model::{
        ContainerDetails, ContainerRequest, ContainerSummary, CreatedContainer, ExitStatus,
        LabelFilter, LogOptions, Signal, WaitCondition,
    },
};

/// A container's output. Its end is not an exit: the engine's death looks the same.
pub type LogStream = BoxStream<'static, Result<LogChunk, ApiError>>;

/// A container's standard input. Dropping it does not end it for the container; closing does.
#[async_trait]
pub trait ContainerInput: Debug + Send {
    /// Writes all of `bytes`. Waits while the container does not read. A write that is dropped
    /// half-way has written a beginning.
    ///
    /// # Errors
    /// [`ApiError::Lost`] when the connection is gone.
    async fn write(&mut self, bytes: Bytes) -> Result<(), ApiError>;

    /// Says that nothing more will come: the container reads the end of its input, unless that is
    /// [kept open](crate::Input::Kept).
    ///
    /// # Errors
    /// [`ApiError::Lost`] when the connection is gone.
    async fn close(&mut self) -> Result<(), ApiError>;
}

/// Both ends of a container. The output has to be read, as that of any attachment.
#[non_exhaustive]
pub struct Attachment {
    /// What it reads.
    pub input: Box<dyn ContainerInput>,
    /// What it writes from now on.
    pub output: LogStream,
}

impl Attachment {
    /// Returns an attachment of these ends.
    pub fn new(input: Box<dyn ContainerInput>, output: LogStream) -> Self {
        Self { input, output }
    }
}

impl std::fmt::Debug for Attachment {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Attachment").field("input", &self.input).finish_non_exhaustive()
    }
}

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

    /// Reads the log that the engine keeps of a container: the output of all its runs so far. With
    /// [`LogOptions::follow`], the stream continues until a running container exits.
    ///
    /// Unlike an attachment, a log can be read at any time, and a reader that stops does not block the
    /// container. The engine stores whole lines: an unfinished line is not in the log yet. The order of
    /// lines of different outputs is not promised. The container must not have a terminal.
    ///
    /// # Errors
    /// Of this call: [`ApiError::NotFound`] when there is no such container; [`ApiError::Engine`], 501,
    /// when its [log driver](ContainerRequest::log_driver) keeps nothing that can be read. In the stream:
    /// [`ApiError::Lost`] when the connection breaks.
    async fn container_logs(
        &self,
        id: &ContainerId,
        options: &LogOptions,
    ) -> Result<LogStream, ApiError>;

    /// Attaches to what the container writes from now on.
    ///
    /// The reader must read: while an attached stream stays unread, the engine blocks the
    /// container's output and then also its stop, kill and removal. Dropping the stream detaches.
    async fn attach_container(&self, id: &ContainerId) -> Result<LogStream, ApiError>;

    /// Attaches to what the container writes from now on, and to its standard input, which the
    /// container must [have](ContainerRequest::input).
    ///
    /// Measured on Engine 20.10: what is written before the start is read after it. Of an input that
    /// ends [with its first attachment](crate::Input::Once) the container reads the end when both
    /// ends of this one are dropped; without one the engine takes the bytes and forgets them.
    async fn attach_container_with_input(&self, id: &ContainerId) -> Result<Attachment, ApiError>;

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

    /// Sends a signal to the container's first process; an init process passes it on to its child
    /// alone, and cannot pass on [`Signal::Kill`], which ends the whole container.
    ///
    /// # Errors
    /// [`ApiError::Conflict`] when it does not run.
    async fn kill_container(&self, id: &ContainerId, signal: Signal) -> Result<(), ApiError>;

    /// Removes the container and its anonymous volumes; kills it first when it runs. Named volumes
    /// stay.
    ///
    /// # Errors
    /// [`ApiError::NotFound`] when it is gone; [`ApiError::Conflict`] while another removal of it is
    /// under way.
    async fn remove_container(&self, id: &ContainerId) -> Result<(), ApiError>;

    /// Removes the container as [`remove_container`](Self::remove_container) does, but leaves its
    /// anonymous volumes: removing many of them at once holds an engine up.
    ///
    /// # Errors
    /// As for [`remove_container`](Self::remove_container).
    async fn remove_container_alone(&self, id: &ContainerId) -> Result<(), ApiError>;
}
