//! Which calls the faults in force let through.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    fmt,
    sync::Arc,
};

use docker_api_trait::{ApiError, Operation};
use tokio::task::yield_now;

/// Makes the error of a refused call; an error cannot be cloned.
#[derive(Clone)]
pub(super) struct Refusal(pub(super) Arc<dyn Fn() -> ApiError + Send + Sync>);

impl fmt::Debug for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Refusal")
    }
}

/// The faults that are in force.
#[derive(Debug, Default)]
pub(super) struct Faults {
    pub(super) unreachable: bool,
    pub(super) held: HashSet<Operation>,
    pub(super) refused: HashMap<Operation, Refusal>,
    pub(super) refused_once: HashMap<Operation, VecDeque<Refusal>>,
    pub(super) lost_replies: HashMap<Operation, usize>,
    pub(super) takes_turns: bool,
}

/// What becomes of a call.
pub(super) enum Admission {
    /// It is carried out.
    Serve(Reply),
    /// It fails before any effect.
    Refuse(Refusal),
    /// No connection comes about.
    Unreachable,
    /// It never comes to anything.
    Hold,
}

impl Faults {
    pub(super) fn admit(&mut self, operation: Operation) -> Admission {
        if self.unreachable {
            return Admission::Unreachable;
        }
        if self.held.contains(&operation) {
            return Admission::Hold;
        }
        let once = self.refused_once.get_mut(&operation).and_then(VecDeque::pop_front);
        if let Some(refusal) = once.or_else(|| self.refused.get(&operation).cloned()) {
            return Admission::Refuse(refusal);
        }
        let lost = match self.lost_replies.get_mut(&operation) {
            Some(left) if *left > 0 => {
                *left -= 1;
                true
            }
            _ => false,
        };
        Admission::Serve(Reply { operation, lost, takes_turns: self.takes_turns })
    }
}

/// The way back of an admitted call.
#[must_use]
pub(super) struct Reply {
    operation: Operation,
    lost: bool,
    pub(super) takes_turns: bool,
}

impl Reply {
    /// The outcome as the caller gets it, now that the call has had its effect.
    pub(super) async fn deliver<T>(self, outcome: Result<T, ApiError>) -> Result<T, ApiError> {
        if self.takes_turns {
            // Whoever interrupts a caller may poll it once more before it drops it.
            yield_now().await;
            yield_now().await;
        }
        if self.lost {
            return Err(ApiError::Lost {
                operation: self.operation,
                source: "the connection ended before the reply".into(),
            });
        }
        outcome
    }
}
