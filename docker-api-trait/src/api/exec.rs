//! Programs that are run in a container beside its first one.

use std::fmt::Debug;

use async_trait::async_trait;

use crate::{
    ApiError, LogStream,
    id::{ContainerId, ExecId},
    model::{ExecDetails, ExecRequest},
};

/// Programs that are run in running containers. The engine can start and look at one, not stop it:
/// it ends by itself, by a signal from within the container, or with the container.
#[async_trait]
pub trait ExecApi: Debug + Send + Sync {
    /// Prepares a program; it does not run yet.
    ///
    /// # Errors
    /// [`ApiError::NotFound`] when there is no such container, [`ApiError::Conflict`] when it does
    /// not run.
    async fn create_exec(
        &self,
        container: &ContainerId,
        request: &ExecRequest,
    ) -> Result<ExecId, ApiError>;

    /// Runs it, once. The stream is its output, to be read as that of an attachment; its end is not
    /// an exit: [`inspect_exec`](Self::inspect_exec) tells the exit code.
    ///
    /// A program that cannot be run writes that on its output and ends with 126 or 127; Engine 20.10
    /// also answers so.
    ///
    /// # Errors
    /// [`ApiError::Conflict`] when it runs already, or its container no more.
    async fn start_exec(&self, id: &ExecId) -> Result<LogStream, ApiError>;

    /// Looks at it.
    ///
    /// # Errors
    /// [`ApiError::NotFound`] when there is none of that id; the engine forgets one with its
    /// container.
    async fn inspect_exec(&self, id: &ExecId) -> Result<ExecDetails, ApiError>;
}
