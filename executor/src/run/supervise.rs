//! Jobs as tasks of their own: one whose caller goes away, or whose caller's code panics, is still
//! cleaned up.

use std::{any::Any, panic::AssertUnwindSafe};

use futures_util::{FutureExt as _, future::BoxFuture};
use tokio_util::task::TaskTracker;

use crate::{cancel::Cancel, error::RunError, outcome::FailureReason};

/// The jobs that are under way. Clones know the same ones.
#[derive(Debug, Clone)]
pub(crate) struct Supervisor {
    tasks: TaskTracker,
}

impl Supervisor {
    pub(crate) fn new() -> Self {
        let tasks = TaskTracker::new();
        // Only for a closed one can be waited; it takes new tasks all the same.
        tasks.close();
        Self { tasks }
    }

    /// Runs a job to its end. When this future is dropped, `cancel` is asked to stop the job at once,
    /// and the job goes on until it is cleaned up.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        cancel: Cancel,
        job: BoxFuture<'static, T>,
    ) -> T {
        let mut guard = KillOnDrop(Some(cancel));
        let ended = self.tasks.spawn(job).await;
        guard.0 = None;
        match ended {
            Ok(result) => result,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                // The runtime is being shut down, and drops this future too.
                Err(_) => std::future::pending().await,
            },
        }
    }

    /// Returns when no job is under way.
    pub(crate) async fn idle(&self) {
        self.tasks.wait().await;
    }
}

struct KillOnDrop(Option<Cancel>);

impl Drop for KillOnDrop {
    fn drop(&mut self) {
        if let Some(cancel) = &self.0 {
            cancel.kill();
        }
    }
}

/// What a part of a job comes to; a panic in it is an error of the job's, which is cleaned up then.
pub(crate) async fn caught<T>(
    part: BoxFuture<'_, Result<T, FailureReason>>,
) -> Result<T, FailureReason> {
    // What it has noted of the engine's objects is noted before each request, so that it is true also
    // when the rest was skipped.
    match AssertUnwindSafe(part).catch_unwind().await {
        Ok(ended) => ended,
        Err(panic) => Err(RunError::Panicked { message: message(&*panic) }.into()),
    }
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("without a message").to_owned()
}
