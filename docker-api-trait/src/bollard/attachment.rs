//! Connections that have become a program's input and outputs.

use std::fmt;

use async_trait::async_trait;
use bollard::BollardRequest;
use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt as _, stream};
use http_body_util::BodyExt as _;
use hyper::{
    Request,
    body::Incoming,
    header::{CONNECTION, CONTENT_TYPE, HOST, UPGRADE},
    upgrade::Upgraded,
};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _, WriteHalf};

use super::BollardDocker;
use crate::{
    ApiError, Attachment, ContainerInput, LogChunk, LogStream, Operation,
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
            if let Some(chunk) = next_chunk(operation, &mut frames, &mut bytes)? {
                return Ok(Some((chunk, (reader, bytes, frames))));
            }
            if bytes.capacity() - bytes.len() < ROOM {
                bytes.reserve(READ);
            }
            let read = reader.read_buf(&mut bytes).await;
            if read.map_err(|error| ApiError::Lost { operation, source: error.into() })? == 0 {
                return check_end(operation, &frames, &bytes).map(|()| None);
            }
        }
    })
    .boxed()
}

/// Returns the chunks of both outputs in the body of a response, until it ends.
pub(super) fn body_output(operation: Operation, body: Incoming) -> LogStream {
    let state = (body, BytesMut::new(), Frames::default());
    stream::try_unfold(state, move |(mut body, mut bytes, mut frames)| async move {
        loop {
            if let Some(chunk) = next_chunk(operation, &mut frames, &mut bytes)? {
                return Ok(Some((chunk, (body, bytes, frames))));
            }
            match body.frame().await {
                None => return check_end(operation, &frames, &bytes).map(|()| None),
                Some(Err(error)) => return Err(ApiError::Lost { operation, source: error.into() }),
                Some(Ok(part)) => bytes.extend(part.into_data().ok()),
            }
        }
    })
    .boxed()
}

fn next_chunk(
    operation: Operation,
    frames: &mut Frames,
    bytes: &mut BytesMut,
) -> Result<Option<LogChunk>, ApiError> {
    frames.next(bytes).map_err(|error| match error {
        FrameError::Reported(message) => ApiError::Reported { operation, message },
        FrameError::Unknown(first) => {
            let detail = format!("a piece of output begins with {first}");
            ApiError::Protocol { operation, detail }
        }
    })
}

/// Fails when the connection ended inside a frame.
fn check_end(operation: Operation, frames: &Frames, bytes: &[u8]) -> Result<(), ApiError> {
    if frames.may_end(bytes) {
        return Ok(());
    }
    let detail = "a piece of output is cut short".to_owned();
    Err(ApiError::Protocol { operation, detail })
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
