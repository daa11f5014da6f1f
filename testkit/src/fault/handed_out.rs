//! What a call hands out, broken: streams after so many pieces, an input after so many bytes.

use std::{
    future::{pending, ready},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::Poll,
};

use async_trait::async_trait;
use bytes::Bytes;
use docker_api_trait::{ApiError, Attachment, ContainerInput, Operation};
use futures_util::{
    FutureExt as _, Stream, StreamExt as _,
    stream::{self, BoxStream},
};
use tokio::sync::oneshot;

use super::{FaultKind, model::lost};

/// `stream` with its fault, when `kind` is one of streams.
pub(super) fn broken<T: Send + 'static>(
    stream: impl Stream<Item = Result<T, ApiError>> + Send + 'static,
    kind: Option<FaultKind>,
    operation: Operation,
) -> BoxStream<'static, Result<T, ApiError>> {
    match kind {
        Some(FaultKind::Cut(pieces)) => {
            stream.take(pieces).chain(stream::once(async move { Err(lost(operation)) })).boxed()
        }
        Some(FaultKind::End(pieces)) => stream.take(pieces).boxed(),
        // The stream stays attached, unread.
        Some(FaultKind::Stall(pieces)) => {
            let mut left = pieces;
            let mut stream = Box::pin(stream);
            stream::poll_fn(move |context| {
                if left == 0 {
                    return Poll::Pending;
                }
                let next = stream.poll_next_unpin(context);
                left -= usize::from(next.is_ready());
                next
            })
            .boxed()
        }
        _ => stream.boxed(),
    }
}

/// `attachment` whose input breaks as `kind` says.
pub(super) fn with_faulty_input(attachment: Attachment, kind: FaultKind) -> Attachment {
    let Attachment { input, output, .. } = attachment;
    let (bytes, stalls) = match kind {
        FaultKind::CutInput(bytes) => (bytes, false),
        FaultKind::StallInput(bytes) => (bytes, true),
        _ => return Attachment::new(input, output),
    };
    let (breaks, broke) = oneshot::channel::<()>();
    let input = FaultyInput { input: Some(input), left: bytes, stalls, breaks: Some(breaks) };
    // Both ends are one connection: they break together.
    let until = async move {
        if broke.await.is_err() {
            pending::<()>().await;
        }
    };
    let broken = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&broken);
    let until = until.inspect(move |()| seen.store(true, Ordering::Relaxed));
    let lost = stream::once(async move { Err(lost(Operation::AttachContainer)) })
        .filter(move |_| ready(broken.load(Ordering::Relaxed)));
    let output = output.take_until(until.boxed()).chain(lost);
    Attachment::new(Box::new(input), output.boxed())
}

/// An input that takes so many bytes.
#[derive(Debug)]
struct FaultyInput {
    /// None when its connection is gone.
    input: Option<Box<dyn ContainerInput>>,
    left: usize,
    stalls: bool,
    breaks: Option<oneshot::Sender<()>>,
}

impl FaultyInput {
    async fn fail(&mut self) -> ApiError {
        if self.stalls {
            return pending().await;
        }
        self.input = None;
        if let Some(breaks) = self.breaks.take() {
            // Nobody listening is fine: the output was dropped.
            let _ = breaks.send(());
        }
        lost(Operation::AttachContainer)
    }
}

#[async_trait]
impl ContainerInput for FaultyInput {
    async fn write(&mut self, mut bytes: Bytes) -> Result<(), ApiError> {
        let beyond = bytes.split_off(bytes.len().min(self.left));
        self.left -= bytes.len();
        if let Some(input) = &mut self.input
            && !bytes.is_empty()
        {
            input.write(bytes).await?;
        }
        if beyond.is_empty() { Ok(()) } else { Err(self.fail().await) }
    }

    async fn close(&mut self) -> Result<(), ApiError> {
        match &mut self.input {
            Some(input) if self.left > 0 => input.close().await,
            _ => Err(self.fail().await),
        }
    }
}
