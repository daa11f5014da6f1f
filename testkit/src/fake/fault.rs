//! Faults that can be put into the fake: each is of one kind of call, before or after its effect.

use std::{future::pending, sync::Arc};

use docker_api_trait::{ApiError, ConnectFailure, Operation};
use tokio::task::yield_now;

use super::{
    FakeDocker,
    admission::{Admission, Refusal, Reply},
};

impl FakeDocker {
    /// Notes a call and lets it through, or not, as the faults say.
    pub(super) async fn admit(&self, operation: Operation) -> Result<Reply, ApiError> {
        let admission = {
            let mut state = self.state();
            state.calls.push(operation);
            state.faults.admit(operation)
        };
        match admission {
            Admission::Serve(reply) => {
                if reply.takes_turns {
                    yield_now().await;
                }
                Ok(reply)
            }
            Admission::Refuse(Refusal(error)) => Err(error()),
            Admission::Unreachable => Err(ApiError::Unreachable {
                endpoint: "memory".to_owned(),
                failure: ConnectFailure::Refused,
                source: "the engine was made unreachable".into(),
            }),
            Admission::Hold => pending().await,
        }
    }

    /// Refuses every later call of `operation` with what `error` makes, before any effect. A second
    /// refusal of the operation replaces the first.
    pub fn refuse(
        &self,
        operation: Operation,
        error: impl Fn() -> ApiError + Send + Sync + 'static,
    ) {
        self.state().faults.refused.insert(operation, Refusal(Arc::new(error)));
    }

    /// Refuses the next call of `operation` with what `error` makes, before any effect. Several
    /// refusals meet as many calls, in order, and go before those of [`refuse`](Self::refuse).
    pub fn refuse_once(
        &self,
        operation: Operation,
        error: impl Fn() -> ApiError + Send + Sync + 'static,
    ) {
        let refusal = Refusal(Arc::new(error));
        self.state().faults.refused_once.entry(operation).or_default().push_back(refusal);
    }

    /// Carries out the next call of `operation` that is not refused, and then answers
    /// [`ApiError::Lost`], whether it succeeded or not: what a broken connection looks like.
    ///
    /// Of a wait, an attach and a pull, the reply that is lost is the first, so that there is no
    /// future or stream.
    pub fn lose_reply_once(&self, operation: Operation) {
        *self.state().faults.lost_replies.entry(operation).or_default() += 1;
    }

    /// Answers every later call with [`ApiError::Unreachable`]. Futures and streams that were
    /// handed out go on.
    pub fn unreachable(&self) {
        self.state().faults.unreachable = true;
    }

    /// Leaves every later call of `operation` pending for ever, without any effect.
    pub fn hold(&self, operation: Operation) {
        self.state().faults.held.insert(operation);
    }

    /// Lets every later call give way before its effect, and again between that and its reply. What
    /// runs beside it gets its turn there; one that is dropped has had its effect, or not.
    pub fn take_turns(&self) {
        self.state().faults.takes_turns = true;
    }
}
