//! `BollardDocker` itself: connecting, limits, and the one place where errors are translated.

use std::{fmt, future::Future, time::Duration};

use bollard::{API_DEFAULT_VERSION, BollardRequest, Docker, errors::Error};
use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::{Request, header::HOST};
use serde::de::DeserializeOwned;
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

impl BollardDocker {
    /// Asks for a JSON document of which the client library knows too little, or asks too much.
    pub(super) async fn get<T: DeserializeOwned>(
        &self,
        operation: Operation,
        path: &str,
        query: &[(&str, &str)],
    ) -> Result<T, ApiError> {
        let protocol = |error: &dyn std::error::Error| ApiError::Protocol {
            operation,
            detail: error.to_string(),
        };
        let request: BollardRequest = Request::get(self.target(path, query))
            .header(HOST, "docker")
            .body(bollard::body_full(Bytes::new()))
            .map_err(|error| protocol(&error))?;
        let reply = async {
            let reply = self.transport().request(request).await?;
            let status = reply.status().as_u16();
            let body = reply.into_body().collect().await;
            let body = body.map_err(|err| Error::HyperResponseError { err })?.to_bytes();
            Ok((status, body))
        };
        let (status, body) = self.call(operation, reply).await?;
        if status != 200 {
            let detail = format!("its status is {status}");
            return Err(ApiError::Protocol { operation, detail });
        }
        serde_json::from_slice(&body).map_err(|error| protocol(&error))
    }

    /// The address of what a request is about. Ids and names in `path` are validated before.
    pub(super) fn target(&self, path: &str, query: &[(&str, &str)]) -> String {
        let mut target = format!("{}{path}", convert::base_address(&self.endpoint));
        if query.is_empty() {
            return target;
        }
        target.push('?');
        let start = target.len();
        form_urlencoded::Serializer::for_suffix(target, start).extend_pairs(query).finish()
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

/// How long the whole reply may take. For a wait and a pull it is the time until the engine has begun
/// to answer; for a stream of files, the time for each piece.
pub(super) fn limit(operation: Operation) -> Duration {
    Duration::from_secs(match operation {
        Operation::InspectImage
        | Operation::InspectVolume
        | Operation::InspectContainer
        | Operation::InspectNetwork
        | Operation::InspectExec
        | Operation::InspectPath => 10,
        // Podman runs two programs for each: seconds on a busy machine.
        Operation::Info
        | Operation::Version
        | Operation::ListVolumes
        | Operation::ListContainers
        | Operation::ListImages
        | Operation::ContainerLogs
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
        | Operation::RemoveImage
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
