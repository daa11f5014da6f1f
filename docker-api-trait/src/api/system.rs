//! The engine itself.

use std::fmt::Debug;

use async_trait::async_trait;

use crate::{ApiError, model::EngineVersion};

/// What the engine says of itself.
#[async_trait]
pub trait SystemApi: Debug + Send + Sync {
    /// The engine's version. One request; it also proves that the engine can be reached.
    async fn version(&self) -> Result<EngineVersion, ApiError>;

    /// How many requests this handle has sent, counted where they leave for the wire. It only
    /// grows. Clones of a handle share the count.
    fn requests_sent(&self) -> u64;
}
