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

    /// Returns a token that is cancelled when the job is asked to stop, for code that waits for one.
    /// Cancelling it does not stop the job.
    pub fn token(&self) -> CancellationToken {
        self.stop.child_token()
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

/// A handle that asks the job to stop, with grace, once the token is cancelled. Stopping the job does
/// not cancel the token, which may be for more than one job.
impl From<CancellationToken> for Cancel {
    fn from(token: CancellationToken) -> Self {
        Self { stop: token.child_token(), kill: CancellationToken::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_stops_its_jobs_and_no_job_cancels_it() {
        let token = CancellationToken::new();
        let (first, second) = (Cancel::from(token.clone()), Cancel::from(token.clone()));
        let seen = first.token();
        first.kill();
        assert!(first.is_killed() && seen.is_cancelled());
        assert!(!token.is_cancelled() && !second.is_stopped());
        token.cancel();
        assert!(second.is_stopped() && !second.is_killed());
        let watched = Cancel::new();
        watched.token().cancel();
        assert!(!watched.is_stopped());
    }
}
