//! Waiting for what a life brings: exits and output.

use docker_api_trait::{ApiError, ExitFuture, ExitStatus, LogStream, Operation};
use futures_util::{StreamExt as _, stream};
use tokio::{
    sync::watch,
    time::{self, Instant},
};

use super::life::{Awaited, Cursor, Life, Next};

/// Resolves when run number `run` has ended.
pub(super) fn exit(
    mut life: watch::Receiver<Life>,
    run: usize,
    operation: Operation,
) -> ExitFuture {
    Box::pin(async move {
        loop {
            let awaited = life.borrow_and_update().awaited(run, Instant::now());
            let next = match awaited {
                Awaited::Ended(code) => return Ok(ExitStatus::new(code)),
                Awaited::Wait(until) => until,
            };
            if changed_before(&mut life, next).await.is_err() {
                return Err(ApiError::Lost { operation, source: "the engine is gone".into() });
            }
        }
    })
}

/// What run number `run` writes, from `cursor` on.
pub(super) fn output(life: watch::Receiver<Life>, run: usize, cursor: Cursor) -> LogStream {
    pieces(life, cursor, move |life, cursor| life.next(run, cursor, Instant::now()))
}

/// What a further program writes.
pub(super) fn exec_output(life: watch::Receiver<Life>, of: (usize, usize)) -> LogStream {
    pieces(life, 0, move |life, piece| life.next_of_exec(of, piece, Instant::now()))
}

fn pieces<C: Send + 'static>(
    life: watch::Receiver<Life>,
    cursor: C,
    next: impl Fn(&Life, &mut C) -> Next + Copy + Send + 'static,
) -> LogStream {
    stream::unfold((life, cursor), move |(mut life, mut cursor)| async move {
        loop {
            let step = next(&life.borrow_and_update(), &mut cursor);
            match step {
                Next::Piece(_, chunk) => return Some((Ok(chunk), (life, cursor))),
                Next::Wait(until) => changed_before(&mut life, until).await.ok()?,
                Next::Never => std::future::pending().await,
                Next::End => return None,
            }
        }
    })
    .boxed()
}

/// Waits until the life changes or the clock says `deadline`.
pub(super) async fn changed_before(
    life: &mut watch::Receiver<Life>,
    deadline: Option<Instant>,
) -> Result<(), watch::error::RecvError> {
    match deadline {
        None => life.changed().await,
        Some(deadline) => time::timeout_at(deadline, life.changed()).await.unwrap_or(Ok(())),
    }
}
