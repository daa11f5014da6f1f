//! Stopping a job from outside.

use tokio_util::sync::CancellationToken;

/// A handle to stop a job. Clones stop the same job. Once asked, it stays asked.
#[derive(Debug, Clone, Default)]
pub struct Cancel {
    stop: CancellationToken,
    kill: CancellationToken,
}

impl Cancel {
    /// A handle that has not been asked for anything.
    pub fn new() -> Self {
        Self::default()
    }

    /// A handle that is asked whatever this one is asked, and can be asked by itself.
    pub(crate) fn child(&self) -> Self {
        Self { stop: self.stop.child_token(), kill: self.kill.child_token() }
    }

    /// Asks the job to stop: its container gets its grace, then cleanup runs.
    pub fn stop(&self) {
        self.stop.cancel();
    }

    /// Asks the job to stop without grace.
    pub fn kill(&self) {
        self.stop.cancel();
        self.kill.cancel();
    }

    /// Whether the job was asked to stop.
    pub fn is_stopped(&self) -> bool {
        self.stop.is_cancelled()
    }

    /// Whether the job was asked to stop without grace.
    pub fn is_killed(&self) -> bool {
        self.kill.is_cancelled()
    }

    /// Returns once the job was asked to stop.
    pub async fn stopped(&self) {
        self.stop.cancelled().await;
    }

    /// Returns once the job was asked to stop without grace.
    pub async fn killed(&self) {
        self.kill.cancelled().await;
    }
}
