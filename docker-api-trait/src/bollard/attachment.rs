//! Connections that have become a program's input and outputs.

use std::fmt;

use async_trait::async_trait;
use bollard::BollardRequest;
use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt as _, stream};
use hyper::{
    Request,
    header::{CONNECTION, CONTENT_TYPE, HOST, UPGRADE},
    upgrade::Upgraded,
};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _, WriteHalf};

use super::BollardDocker;
use crate::{
    ApiError, Attachment, ContainerInput, LogStream, Operation,
    frame::{FrameError, Frames},
};

/// So much is read at once.
const READ: usize = 64 << 10;
/// With less room than this a new buffer is begun. What was handed out keeps the old one.
const ROOM: usize = 4 << 10;

impl BollardDocker {
    /// Sends a request whose connection becomes a program's input and outputs. The client library does
    /// that, too, but holds each frame until it is whole, whatever length its header claims.
    pub(super) async fn attached(
        &self,
        operation: Operation,
        path: &str,
        query: &[(&str, &str)],
        body: Bytes,
    ) -> Result<Attachment, ApiError> {
        let request: BollardRequest = Request::post(self.target(path, query))
            .header(HOST, "docker")
            .header(CONNECTION, "Upgrade")
            .header(UPGRADE, "tcp")
            .header(CONTENT_TYPE, "application/json")
            .body(bollard::body_full(body))
            .map_err(|error| ApiError::Protocol { operation, detail: error.to_string() })?;
        let upgraded = async {
            let reply = self.transport().request(request).await?;
            let upgraded = hyper::upgrade::on(reply).await;
            upgraded.map_err(|err| bollard::errors::Error::HyperResponseError { err })
        };
        let upgraded = self.call(operation, upgraded).await?;
        let (reader, writer) = tokio::io::split(TokioIo::new(upgraded));
        Ok(Attachment { input: Box::new(Writer(writer)), output: output(operation, reader) })
    }
}

/// The pieces of both outputs, until they end.
fn output(operation: Operation, reader: impl AsyncRead + Send + Unpin + 'static) -> LogStream {
    let state = (reader, BytesMut::new(), Frames::default());
    stream::try_unfold(state, move |(mut reader, mut bytes, mut frames)| async move {
        loop {
            match frames.next(&mut bytes) {
                Ok(Some(chunk)) => return Ok(Some((chunk, (reader, bytes, frames)))),
                Ok(None) => {}
                Err(FrameError::Reported(message)) => {
                    return Err(ApiError::Reported { operation, message });
                }
                Err(FrameError::Unknown(first)) => {
                    let detail = format!("a piece of output begins with {first}");
                    return Err(ApiError::Protocol { operation, detail });
                }
            }
            if bytes.capacity() - bytes.len() < ROOM {
                bytes.reserve(READ);
            }
            let read = reader.read_buf(&mut bytes).await;
            if read.map_err(|error| ApiError::Lost { operation, source: error.into() })? == 0 {
                if frames.may_end(&bytes) {
                    return Ok(None);
                }
                let detail = "a piece of output is cut short".to_owned();
                return Err(ApiError::Protocol { operation, detail });
            }
        }
    })
    .boxed()
}

/// The write half of an attachment.
struct Writer(WriteHalf<TokioIo<Upgraded>>);

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
