//! `ContainerApi` on a real engine.

use std::{fmt, pin::Pin, time::Duration};

use async_trait::async_trait;
use bollard::{
    errors::Error,
    query_parameters::{
        AttachContainerOptions, CreateContainerOptions, KillContainerOptions,
        ListContainersOptions, RemoveContainerOptions, StopContainerOptions, WaitContainerOptions,
    },
};
use bytes::Bytes;
use futures_util::{
    FutureExt as _, StreamExt as _,
    future::{self, Either},
};
use tokio::io::{AsyncWrite, AsyncWriteExt as _};

use super::{BollardDocker, client, convert, request, transport::HeadSignal};
use crate::{
    ApiError, Attachment, ContainerApi, ContainerDetails, ContainerId, ContainerInput,
    ContainerRequest, ContainerSummary, CreatedContainer, ExitFuture, LabelFilter, LogStream,
    Operation, Signal, VolumeName, WaitCondition,
};

#[async_trait]
impl ContainerApi for BollardDocker {
    async fn create_container(
        &self,
        request: &ContainerRequest,
    ) -> Result<CreatedContainer, ApiError> {
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
        let reply = self
            .call(Operation::InspectContainer, self.docker().inspect_container(id.as_str(), None))
            .await?;
        Ok(convert::container(id, reply))
    }

    async fn list_containers(
        &self,
        labels: &[LabelFilter],
    ) -> Result<Vec<ContainerSummary>, ApiError> {
        let options = ListContainersOptions {
            all: true,
            filters: convert::label_filters(labels),
            ..ListContainersOptions::default()
        };
        let reply = self
            .call(Operation::ListContainers, self.docker().list_containers(Some(options)))
            .await?;
        reply.into_iter().map(convert::container_summary).collect()
    }

    async fn list_containers_using(
        &self,
        volume: &VolumeName,
    ) -> Result<Vec<ContainerSummary>, ApiError> {
        let filter = ("volume".to_owned(), vec![volume.as_str().to_owned()]);
        let options = ListContainersOptions {
            all: true,
            filters: Some([filter].into()),
            ..ListContainersOptions::default()
        };
        let reply = self
            .call(Operation::ListContainers, self.docker().list_containers(Some(options)))
            .await?;
        // The engine's filter also means a place in the container.
        reply
            .into_iter()
            .filter(|container| convert::uses_volume(container, volume))
            .map(convert::container_summary)
            .collect()
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
    async fn remove(&self, id: &ContainerId, volumes: bool) -> Result<(), ApiError> {
        let options = RemoveContainerOptions { force: true, v: volumes, link: false };
        self.call(
            Operation::RemoveContainer,
            self.docker().remove_container(id.as_str(), Some(options)),
        )
        .await
    }

    async fn attach(&self, id: &ContainerId, stdin: bool) -> Result<Attachment, ApiError> {
        let operation = Operation::AttachContainer;
        let options = AttachContainerOptions {
            stdin,
            stdout: true,
            stderr: true,
            stream: true,
            ..AttachContainerOptions::default()
        };
        let attached = self
            .call(operation, self.docker().attach_container(id.as_str(), Some(options)))
            .await?;
        let endpoint = self.endpoint().clone();
        let output = attached
            .output
            .map(move |frame| convert::log_chunk(&endpoint, operation, frame))
            .boxed();
        Ok(Attachment { input: Box::new(Writer(attached.input)), output })
    }
}

/// The write half of an attachment.
struct Writer(Pin<Box<dyn AsyncWrite + Send>>);

#[async_trait]
impl ContainerInput for Writer {
    async fn write(&mut self, bytes: Bytes) -> Result<(), ApiError> {
        self.0.write_all(&bytes).await.map_err(lost)?;
        self.0.flush().await.map_err(lost)
    }

    async fn close(&mut self) -> Result<(), ApiError> {
        self.0.shutdown().await.map_err(lost)
    }
}

impl fmt::Debug for Writer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Writer")
    }
}

fn lost(error: std::io::Error) -> ApiError {
    ApiError::Lost { operation: Operation::AttachContainer, source: error.into() }
}
