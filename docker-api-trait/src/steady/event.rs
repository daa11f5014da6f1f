//! What a handle reports about its engine, for programs that show it.

use std::{fmt::Debug, time::Duration};

use crate::{ApiError, Operation};

/// Something about the connection to the engine. It concerns every job on the same handle.
#[derive(Debug)]
#[non_exhaustive]
pub enum EngineEvent<'a> {
    /// A request failed, and is sent again.
    Retried {
        /// What was being done.
        operation: Operation,
        /// How it failed.
        error: &'a ApiError,
        /// How long is waited before.
        after: Duration,
    },
    /// The engine does not answer any more; it is waited for.
    Lost {
        /// How that showed.
        error: &'a ApiError,
        /// How long it is waited for, at most.
        patience: Duration,
    },
    /// The engine answers again.
    Back {
        /// How long it was away.
        after: Duration,
    },
    /// The engine did not come back in time. Every request fails until it does.
    Gone {
        /// How long it has been away.
        after: Duration,
    },
    /// Another engine answers at the address. Every request fails from now on.
    Changed {
        /// The id of the engine that answered before.
        expected: &'a str,
        /// The id of the one that answers now.
        found: &'a str,
    },
}

/// Receives what happens to the connection to the engine. Called from within requests: it must not block.
pub trait EngineObserver: Debug + Send + Sync {
    /// Something happened.
    fn engine_event(&self, event: &EngineEvent<'_>);
}

/// Shows nothing.
impl EngineObserver for () {
    fn engine_event(&self, _event: &EngineEvent<'_>) {}
}
