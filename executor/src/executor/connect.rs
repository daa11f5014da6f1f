//! The short way to an executor.

use std::sync::Arc;

use docker_api_trait::{BollardDocker, Endpoint, EndpointError, EndpointSources};

use crate::{config::ExecutorConfig, executor::Executor};

impl Executor {
    /// Returns an executor for the engine that the environment names, as the Docker CLI finds it:
    /// `DOCKER_HOST`, `DOCKER_CONTEXT`, the current context, or else the default socket. Requests that
    /// failed are repeated where that is safe, and an unreachable engine is waited for.
    ///
    /// `owner` names the installation to which caches belong. No request is sent: an engine that does
    /// not answer is the result of the first job.
    ///
    /// # Errors
    /// [`EndpointError`] when the environment names no engine that can be spoken to.
    pub fn connect(owner: impl Into<String>) -> Result<Self, EndpointError> {
        let endpoint = Endpoint::resolve(&EndpointSources::from_process(None))?;
        endpoint.verify()?;
        let docker = BollardDocker::new(endpoint)?;
        Ok(Self::for_engine(Arc::new(docker), ExecutorConfig::new(owner)))
    }
}
