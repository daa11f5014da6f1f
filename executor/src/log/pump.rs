//! Moves output from the engine to the sink, one piece at a time.

use std::time::Duration;

use docker_api_trait::{ApiError, LogChunk, LogStream};
use futures_util::StreamExt as _;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::{LogEnd, LogSink, Truncation};

/// After the exit, the engine has this long for each further piece. It flushes for up to 2 s.
const DRAIN: Duration = Duration::from_secs(3);

/// A stream on its way into a sink. Holds one piece; dropping it detaches from the container.
pub(crate) struct Pump<'a> {
    stream: LogStream,
    sink: &'a mut dyn LogSink,
    refused: Option<Truncation>,
}

impl<'a> Pump<'a> {
    pub(crate) fn new(stream: LogStream, sink: &'a mut dyn LogSink) -> Self {
        Self { stream, sink, refused: None }
    }

    /// Runs to the end of the stream, which is not an exit; once the exit was seen, the rest has
    /// to come promptly. A piece that is being delivered is never cut short by the exit.
    pub(crate) async fn run(&mut self, exited: &CancellationToken) -> LogEnd {
        loop {
            let piece = if exited.is_cancelled() {
                let Ok(piece) = timeout(DRAIN, self.stream.next()).await else {
                    return LogEnd::Truncated(Truncation::Engine(
                        "the output did not end with the container".to_owned(),
                    ));
                };
                piece
            } else {
                tokio::select! {
                    biased;
                    piece = self.stream.next() => piece,
                    () = exited.cancelled() => continue,
                }
            };
            if let Some(end) = self.deliver(piece).await {
                return end;
            }
        }
    }

    /// Hands a piece to the sink. A sink that failed gets no more, but the stream is read on: an
    /// unread one would block the container.
    async fn deliver(&mut self, piece: Option<Result<LogChunk, ApiError>>) -> Option<LogEnd> {
        match piece {
            Some(Ok(chunk)) => {
                if self.refused.is_none()
                    && let Err(error) = self.sink.write(&chunk).await
                {
                    self.refused = Some(Truncation::Sink(error.to_string()));
                }
                None
            }
            Some(Err(error)) => Some(LogEnd::Truncated(Truncation::Engine(error.to_string()))),
            None => Some(match self.refused.take() {
                Some(truncation) => LogEnd::Truncated(truncation),
                None => LogEnd::Complete,
            }),
        }
    }
}
