//! `BollardDocker` itself: connecting, limits, and the one place where errors are translated.

use std::{fmt, future::Future, time::Duration};

use bollard::{API_DEFAULT_VERSION, Docker};

use tracing::Instrument as _;

use super::{Endpoint, EndpointError, convert, transport::Transport};
use crate::{ApiError, Operation};

/// The client library's own limit, in whole seconds. It covers only a reply's head, so ours are
/// used instead and this one must never be the shorter.
const NO_LIMIT: u64 = 7 * 24 * 3600;

/// A real engine, over its API.
///
/// Making one does not connect; the first request does. Clones share connections and count of
/// requests. See [`api`](crate::api) for the contract.
#[derive(Clone)]
pub struct BollardDocker {
    docker: Docker,
    transport: Transport,
    endpoint: Endpoint,
}

impl BollardDocker {
    /// The engine at `endpoint`.
    ///
    /// # Errors
    /// [`EndpointError::Certificate`] when the files for TLS cannot be used.
    pub fn new(endpoint: Endpoint) -> Result<Self, EndpointError> {
        let transport = Transport::new(&endpoint)?;
        Ok(Self::over(transport, endpoint))
    }

    fn over(transport: Transport, endpoint: Endpoint) -> Self {
        let sender = transport.clone();
        let docker = Docker::connect_with_custom_transport(
            move |request| sender.request(request),
            Some(convert::base_address(&endpoint)),
            NO_LIMIT,
            API_DEFAULT_VERSION,
        )
        .expect("a custom transport always connects");
        Self { docker, transport, endpoint }
    }

    /// The same engine over the same connections, with a count of requests that begins at 0: one
    /// for each job makes a job's requests countable while others run.
    pub fn with_own_count(&self) -> Self {
        Self::over(self.transport.with_own_count(), self.endpoint.clone())
    }

    /// Where the engine is.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    pub(super) fn docker(&self) -> &Docker {
        &self.docker
    }

    pub(super) fn transport(&self) -> &Transport {
        &self.transport
    }

    pub(super) fn sent(&self) -> u64 {
        self.transport.sent()
    }

    /// Awaits a whole reply, within the operation's limit, and translates its error.
    pub(super) async fn call<T>(
        &self,
        operation: Operation,
        reply: impl Future<Output = Result<T, bollard::errors::Error>>,
    ) -> Result<T, ApiError> {
        self.call_within(operation, limit(operation), reply).await
    }

    pub(super) async fn call_within<T>(
        &self,
        operation: Operation,
        limit: Duration,
        reply: impl Future<Output = Result<T, bollard::errors::Error>>,
    ) -> Result<T, ApiError> {
        // The operation alone: what a request says may be a secret.
        let span = tracing::debug_span!("request", what = ?operation);
        match tokio::time::timeout(limit, reply).instrument(span).await {
            Ok(reply) => reply.map_err(|error| convert::error(operation, &self.endpoint, error)),
            Err(_) => Err(ApiError::TimedOut { operation, limit }),
        }
    }
}

impl fmt::Debug for BollardDocker {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("BollardDocker")
            .field("endpoint", &self.endpoint)
            .field("requests_sent", &self.sent())
            .finish_non_exhaustive()
    }
}

/// How long the whole reply may take. For a wait, a pull and a download it is the time until the engine has
/// begun to answer.
pub(super) fn limit(operation: Operation) -> Duration {
    Duration::from_secs(match operation {
        Operation::Version
        | Operation::InspectImage
        | Operation::InspectVolume
        | Operation::InspectContainer
        | Operation::InspectNetwork
        | Operation::InspectExec
        | Operation::InspectPath => 10,
        Operation::ListVolumes
        | Operation::ListContainers
        | Operation::ListNetworks
        | Operation::KillContainer
        | Operation::CreateExec
        | Operation::StartExec
        | Operation::AttachContainer
        | Operation::WaitContainer
        // An unknown volume driver is only given up after 15 s.
        | Operation::CreateVolume
        | Operation::RemoveVolume => 30,
        Operation::CreateContainer
        | Operation::CreateNetwork
        | Operation::RemoveNetwork
        | Operation::StopContainer
        | Operation::RemoveContainer
        | Operation::DownloadArchive => 60,
        Operation::StartContainer => 120,
        Operation::PullImage
        | Operation::ImportImage
        | Operation::UploadArchive
        // Both look at every volume, and at every file.
        | Operation::PruneVolumes
        | Operation::DiskUsage => 300,
    })
}
