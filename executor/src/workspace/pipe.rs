//! Bytes between the runtime, which must not block, and a thread that reads and writes files.
//!
//! Both directions hold at most [`PIECES`] pieces. An end is told apart from a side that went away.

use std::{error::Error, io, io::Read};

use bytes::{Buf as _, Bytes, BytesMut};
use futures_util::{Stream, StreamExt as _, stream};
use tokio::{sync::mpsc, task::JoinError};

use super::WorkspaceError;

/// How many pieces may be on the way.
pub(super) const PIECES: usize = 8;
/// The length of a full piece that we make, in bytes.
pub(super) const PIECE: usize = 64 * 1024;

type BoxError = Box<dyn Error + Send + Sync>;

enum Message {
    Data(Bytes),
    End,
    Failed(BoxError),
}

/// Runs `work` on a thread with the stream's bytes. When the stream fails, so does the reading, and
/// the error is the stream's. Dropping the future ends the work at its next read.
pub(super) async fn feed<T, S, E, F>(stream: S, work: F) -> Result<T, WorkspaceError>
where
    T: Send + 'static,
    S: Stream<Item = Result<Bytes, E>>,
    E: Into<BoxError>,
    F: FnOnce(PipeReader) -> Result<T, WorkspaceError> + Send + 'static,
{
    let (sender, receiver) = mpsc::channel(PIECES);
    let reader = PipeReader { receiver, rest: Bytes::new(), ended: false };
    let working = tokio::task::spawn_blocking(move || work(reader));
    let mut stream = std::pin::pin!(stream);
    loop {
        let message = tokio::select! {
            piece = stream.next() => match piece {
                Some(Ok(piece)) => Message::Data(piece),
                Some(Err(error)) => Message::Failed(error.into()),
                None => Message::End,
            },
            () = sender.closed() => break,
        };
        let last = !matches!(message, Message::Data(_));
        if sender.send(message).await.is_err() || last {
            break;
        }
    }
    join(working.await)
}

/// The result of a thread; its panic goes on in the caller.
pub(super) fn join<T>(
    joined: Result<Result<T, WorkspaceError>, JoinError>,
) -> Result<T, WorkspaceError> {
    match joined {
        Ok(result) => result,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The runtime is shutting down.
            Err(_) => Err(WorkspaceError::Abandoned),
        },
    }
}

/// The thread's end of a stream.
pub(super) struct PipeReader {
    receiver: mpsc::Receiver<Message>,
    rest: Bytes,
    ended: bool,
}

impl Read for PipeReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.rest.is_empty() && !self.ended {
            match self.receiver.blocking_recv() {
                Some(Message::Data(piece)) => self.rest = piece,
                Some(Message::End) => self.ended = true,
                Some(Message::Failed(error)) => return Err(io::Error::other(Failed(error))),
                None => return Err(io::Error::other(Failed(Box::new(WorkspaceError::Abandoned)))),
            }
        }
        let length = buffer.len().min(self.rest.len());
        self.rest.copy_to_slice(&mut buffer[..length]);
        Ok(length)
    }
}

/// The failure of a stream on its way through [`Read`].
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Failed(BoxError);

/// What the failure of a read from a pipe was.
pub(super) fn failure(error: io::Error) -> WorkspaceError {
    match error.downcast::<Failed>() {
        Ok(Failed(source)) => match source.downcast::<WorkspaceError>() {
            Ok(error) => *error,
            Err(source) => WorkspaceError::Transfer { source },
        },
        Err(error) => WorkspaceError::Transfer { source: Box::new(error) },
    }
}

/// The thread's end of a stream that it makes. What is written is sent in pieces of [`PIECE`]
/// bytes.
#[derive(Debug)]
pub(super) struct PipeWriter {
    sender: mpsc::Sender<io::Result<Bytes>>,
    buffer: BytesMut,
}

impl PipeWriter {
    fn send(&mut self) -> io::Result<()> {
        let piece = self.buffer.split().freeze();
        self.sender.blocking_send(Ok(piece)).map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))
    }

    /// Ends the stream, so that its reader can tell a fault from an end.
    pub(super) fn finish(mut self, fault: Option<String>) {
        // A reader that went away needs no end.
        match fault {
            None if self.buffer.is_empty() => {}
            None => drop(self.send()),
            Some(fault) => drop(self.sender.blocking_send(Err(io::Error::other(fault)))),
        }
    }
}

impl io::Write for PipeWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let length = bytes.len().min(PIECE - self.buffer.len());
        self.buffer.extend_from_slice(&bytes[..length]);
        if self.buffer.len() == PIECE {
            self.send()?;
        }
        Ok(length)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A stream and the end that a thread writes to.
pub(super) fn pipe() -> (PipeWriter, impl Stream<Item = io::Result<Bytes>> + Send + 'static) {
    let (sender, receiver) = mpsc::channel(PIECES);
    let pieces = stream::unfold(receiver, |mut receiver| async move {
        receiver.recv().await.map(|piece| (piece, receiver))
    });
    (PipeWriter { sender, buffer: BytesMut::with_capacity(PIECE) }, pieces)
}
