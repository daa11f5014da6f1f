//! One direction of a connection: bytes in, looked at, and out again as they came.

use std::{io, time::Duration};

use bytes::{Bytes, BytesMut};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, Interest, Ready},
    net::{
        UnixStream,
        unix::{OwnedReadHalf, OwnedWriteHalf},
    },
    task::yield_now,
    time::sleep,
};

use super::framing::Framing;

/// A longer head is no head.
const HEAD_LIMIT: usize = 1 << 20;

/// Bytes from one side, with what was read ahead.
pub(super) struct Source {
    half: OwnedReadHalf,
    buffer: BytesMut,
}

/// Bytes to the other side.
pub(super) struct Sink {
    half: OwnedWriteHalf,
    /// Byte by byte, with this pause before each.
    trickle: Option<Duration>,
}

/// How much of a body goes on, and what happens then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Limit {
    pub(super) bytes: usize,
    pub(super) stalls: bool,
}

/// How the copying of a body ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Copied {
    /// All of it.
    Whole,
    /// The side that it came from ended.
    End,
    /// The limit was reached.
    Cut,
}

pub(super) fn split(stream: UnixStream) -> (Source, Sink) {
    let (read, write) = stream.into_split();
    (Source { half: read, buffer: BytesMut::new() }, Sink { half: write, trickle: None })
}

impl Source {
    /// Reads more; how much. 0 at the end.
    async fn fill(&mut self) -> io::Result<usize> {
        self.half.read_buf(&mut self.buffer).await
    }

    /// The next head, its empty line included. None at the end, also in the middle of one. Nothing
    /// is lost when this is dropped.
    pub(super) async fn head(&mut self) -> io::Result<Option<Bytes>> {
        let mut looked = 0;
        loop {
            let begin = looked.max(3) - 3;
            let end = self.buffer[begin..].windows(4).position(|four| four == b"\r\n\r\n");
            if let Some(end) = end {
                return Ok(Some(self.buffer.split_to(begin + end + 4).freeze()));
            }
            looked = self.buffer.len();
            if looked > HEAD_LIMIT || self.fill().await? == 0 {
                return Ok(None);
            }
        }
    }

    /// What was read and belongs to nothing yet.
    pub(super) fn rest(&mut self) -> Bytes {
        self.buffer.split().freeze()
    }

    /// Returns at the end. What comes before it is kept.
    pub(super) async fn end(&mut self) {
        while self.buffer.len() <= HEAD_LIMIT {
            if !matches!(self.fill().await, Ok(1..)) {
                return;
            }
        }
        // Nobody sends so much and waits; it is read when it is its turn.
        std::future::pending::<()>().await;
    }

    /// Whether the other side, which has ended what it says, hears nothing more either.
    pub(super) async fn is_gone(&self) -> bool {
        self.half.as_ref().ready(Interest::WRITABLE).await.is_ok_and(Ready::is_write_closed)
    }

    /// Passes a body on, and shows `see` what passes.
    pub(super) async fn copy(
        &mut self,
        mut framing: Framing,
        mut sink: Option<&mut Sink>,
        limit: Option<Limit>,
        mut see: impl FnMut(&[u8]),
    ) -> io::Result<Copied> {
        let mut left = limit.map_or(usize::MAX, |limit| limit.bytes);
        loop {
            if left == 0 && !framing.is_done() {
                if limit.is_some_and(|limit| limit.stalls) {
                    std::future::pending::<()>().await;
                }
                return Ok(Copied::Cut);
            }
            if framing.is_done() {
                return Ok(Copied::Whole);
            }
            if self.buffer.is_empty() && self.fill().await? == 0 {
                return Ok(Copied::End);
            }
            let there = self.buffer.len().min(left);
            let taken = framing.advance(&self.buffer[..there]);
            let piece = self.buffer.split_to(taken);
            left -= if left == usize::MAX { 0 } else { taken };
            see(&piece);
            if let Some(sink) = &mut sink {
                sink.send(&piece).await?;
            }
        }
    }
}

impl Sink {
    pub(super) fn trickle(&mut self, pause: Option<Duration>) {
        self.trickle = pause;
    }

    pub(super) async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        let Some(pause) = self.trickle else {
            return self.half.write_all(bytes).await;
        };
        for byte in bytes {
            if pause.is_zero() {
                yield_now().await;
            } else {
                sleep(pause).await;
            }
            self.half.write_all(std::slice::from_ref(byte)).await?;
        }
        Ok(())
    }

    /// Says that nothing more comes, and leaves the other direction open.
    pub(super) async fn end(&mut self) {
        // The other side may be gone; then it needs no telling.
        let _ = self.half.shutdown().await;
    }
}
