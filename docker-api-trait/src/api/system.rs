//! The engine itself.

use std::fmt::Debug;

use async_trait::async_trait;

use crate::{
    ApiError,
    model::{EngineVersion, VolumeUsage},
};

/// What the engine says of itself.
#[async_trait]
pub trait SystemApi: Debug + Send + Sync {
    /// The engine's version. One request; it also proves that the engine can be reached.
    async fn version(&self) -> Result<EngineVersion, ApiError>;

    /// How much each volume holds. The engine looks at every file of every volume: that may take
    /// minutes.
    async fn disk_usage(&self) -> Result<Vec<VolumeUsage>, ApiError>;

    /// How many requests this handle has sent, counted where they leave for the wire. It only
    /// grows. Clones of a handle share the count.
    fn requests_sent(&self) -> u64;
}
