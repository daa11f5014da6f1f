//! `ContainerApi` on a real engine.

use std::{collections::HashMap, time::Duration};

use async_trait::async_trait;
use bollard::{
    BollardRequest,
    errors::Error,
    query_parameters::{
        CreateContainerOptions, KillContainerOptions, RemoveContainerOptions, StopContainerOptions,
        WaitContainerOptions,
    },
};
use bytes::Bytes;
use futures_util::{
    FutureExt as _, StreamExt as _,
    future::{self, Either},
};
use hyper::{Request, header::HOST};

use super::{
    BollardDocker, attachment, client, convert, inspect, mount, request, transport::HeadSignal,
};
use crate::{
    ApiError, Attachment, ContainerApi, ContainerDetails, ContainerId, ContainerRequest,
    ContainerSummary, CreatedContainer, EngineProduct, ExitFuture, LabelFilter, LogOptions,
    LogStream, Operation, Signal, SystemApi as _, VolumeName, WaitCondition,
};

#[async_trait]
impl ContainerApi for BollardDocker {
    async fn create_container(
        &self,
        request: &ContainerRequest,
    ) -> Result<CreatedContainer, ApiError> {
        // Asked for only where it matters: whose engine it is costs a request.
        if let Some(text) = mount::breaks_a_line(&request.mounts)
            && self.version().await?.product == EngineProduct::Podman
        {
            return Err(ApiError::Rejected {
                operation: Operation::CreateContainer,
                message: format!(
                    "Podman cannot mount {text:?}: it would read the comma, quote or line end in it as its own"
                ),
            });
        }
        let options = CreateContainerOptions {
            name: Some(request.name.as_str().to_owned()),
            platform: request.platform.clone().unwrap_or_default(),
        };
        let body = request::container_request(request)?;
        let reply = self
            .call(Operation::CreateContainer, self.docker().create_container(Some(options), body))
            .await?;
        convert::created_container(reply)
    }

    async fn inspect_container(&self, id: &ContainerId) -> Result<ContainerDetails, ApiError> {
        let path = format!("/containers/{id}/json");
        Ok(inspect::details(id, self.get(Operation::InspectContainer, &path, &[]).await?))
    }

    async fn list_containers(
        &self,
        labels: &[LabelFilter],
    ) -> Result<Vec<ContainerSummary>, ApiError> {
        let found = self.listed(convert::label_filters(labels)).await?;
        let found = found.into_iter().map(|(_, summary)| summary);
        Ok(found.filter(|found| convert::has(labels, &found.labels)).collect())
    }

    async fn list_containers_using(
        &self,
        volume: &VolumeName,
    ) -> Result<Vec<ContainerSummary>, ApiError> {
        let filter = ("volume".to_owned(), vec![volume.as_str().to_owned()]);
        let found = self.listed(Some([filter].into())).await?;
        // The engine's filter also means a place in the container.
        let using = found.into_iter().filter(|(listed, _)| inspect::uses_volume(listed, volume));
        Ok(using.map(|(_, summary)| summary).collect())
    }

    async fn container_logs(
        &self,
        id: &ContainerId,
        options: &LogOptions,
    ) -> Result<LogStream, ApiError> {
        let operation = Operation::ContainerLogs;
        let query = convert::log_query(options);
        let query: Vec<_> = query.iter().map(|(key, value)| (*key, value.as_str())).collect();
        let request: BollardRequest =
            Request::get(self.target(&format!("/containers/{id}/logs"), &query))
                .header(HOST, "docker")
                .body(bollard::body_full(Bytes::new()))
                .map_err(|error| ApiError::Protocol { operation, detail: error.to_string() })?;
        let response = self.call(operation, self.transport().request(request)).await?;
        Ok(attachment::body_output(operation, response.into_body()))
    }

    async fn attach_container(&self, id: &ContainerId) -> Result<LogStream, ApiError> {
        // The write half is dropped: nothing is written to the standard input.
        Ok(self.attach(id, false).await?.output)
    }

    async fn attach_container_with_input(&self, id: &ContainerId) -> Result<Attachment, ApiError> {
        self.attach(id, true).await
    }

    async fn wait_container(
        &self,
        id: &ContainerId,
        condition: WaitCondition,
    ) -> Result<ExitFuture, ApiError> {
        let operation = Operation::WaitContainer;
        let options = WaitContainerOptions { condition: convert::wait_condition(condition) };
        let (signal, registered) = HeadSignal::new();
        // The library sends a wait when its stream is first polled and shows nothing before the
        // exit. The engine sends the reply's head once the waiter is registered: the signal, which
        // travels with this one request, tells of it.
        let docker = self.docker().clone().with_request_modifier(move |mut request| {
            request.extensions_mut().insert(signal.clone());
            request
        });
        let mut replies = docker.wait_container(id.as_str(), Some(options)).boxed();
        let endpoint = self.endpoint().clone();
        let exit = async move {
            match replies.next().await {
                Some(Ok(reply)) => Ok(convert::exit_status(reply)),
                // Any code but 0 comes as this error.
                Some(Err(Error::DockerContainerWaitError { error, code })) => {
                    Ok(convert::failed_exit_status(error, code))
                }
                Some(Err(error)) => Err(convert::error(operation, &endpoint, error)),
                None => Err(ApiError::Lost {
                    operation,
                    source: "the reply ended before the container did".into(),
                }),
            }
        }
        .boxed();
        let limit = client::limit(operation);
        match tokio::time::timeout(limit, future::select(registered, exit)).await {
            Ok(Either::Left((Ok(()), exit))) => Ok(exit),
            Ok(Either::Left((Err(_), exit))) => {
                // No signal any more, so no head: what remains is the error.
                exit.await.map(|status| future::ready(Ok(status)).boxed())
            }
            Ok(Either::Right((status, _))) => {
                status.map(|status| future::ready(Ok(status)).boxed())
            }
            Err(_) => Err(ApiError::TimedOut { operation, limit }),
        }
    }

    async fn start_container(&self, id: &ContainerId) -> Result<(), ApiError> {
        self.call(Operation::StartContainer, self.docker().start_container(id.as_str(), None)).await
    }

    async fn stop_container(&self, id: &ContainerId, grace: Duration) -> Result<(), ApiError> {
        let seconds = convert::whole_seconds(grace);
        let options = StopContainerOptions { signal: None, t: Some(seconds) };
        let operation = Operation::StopContainer;
        self.call_within(
            operation,
            client::limit(operation).saturating_add(grace),
            self.docker().stop_container(id.as_str(), Some(options)),
        )
        .await
    }

    async fn kill_container(&self, id: &ContainerId, signal: Signal) -> Result<(), ApiError> {
        let options = KillContainerOptions { signal: signal.as_str().to_owned() };
        self.call(
            Operation::KillContainer,
            self.docker().kill_container(id.as_str(), Some(options)),
        )
        .await
    }

    async fn remove_container(&self, id: &ContainerId) -> Result<(), ApiError> {
        self.remove(id, true).await
    }

    async fn remove_container_alone(&self, id: &ContainerId) -> Result<(), ApiError> {
        self.remove(id, false).await
    }
}

impl BollardDocker {
    /// The containers, in every state, that pass the engine's own filters.
    async fn listed(
        &self,
        filters: Option<HashMap<String, Vec<String>>>,
    ) -> Result<Vec<(inspect::Listed, ContainerSummary)>, ApiError> {
        let filters = serde_json::json!(filters.unwrap_or_default()).to_string();
        let query = [("all", "true"), ("filters", &filters)];
        let reply = self.get(Operation::ListContainers, "/containers/json", &query).await?;
        Ok(inspect::summaries(reply))
    }

    async fn remove(&self, id: &ContainerId, volumes: bool) -> Result<(), ApiError> {
        let options = RemoveContainerOptions { force: true, v: volumes, link: false };
        self.call(
            Operation::RemoveContainer,
            self.docker().remove_container(id.as_str(), Some(options)),
        )
        .await
    }

    async fn attach(&self, id: &ContainerId, stdin: bool) -> Result<Attachment, ApiError> {
        let path = format!("/containers/{id}/attach");
        let stdin = if stdin { "true" } else { "false" };
        let query = [("stream", "true"), ("stdin", stdin), ("stdout", "true"), ("stderr", "true")];
        self.attached(Operation::AttachContainer, &path, &query, Bytes::new()).await
    }
}
