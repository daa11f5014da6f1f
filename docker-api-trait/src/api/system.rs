//! The engine itself.

use std::fmt::Debug;

use async_trait::async_trait;

use crate::{
    ApiError,
    model::{Capabilities, EngineInfo, EngineVersion, VolumeUsage},
};

/// What the engine says of itself.
#[async_trait]
pub trait SystemApi: Debug + Send + Sync {
    /// The engine's version. One request; it also proves that the engine can be reached.
    async fn version(&self) -> Result<EngineVersion, ApiError>;

    /// Which engine it is, and what its clock says. One request, about as quick as
    /// [`version`](Self::version).
    async fn info(&self) -> Result<EngineInfo, ApiError>;

    /// How much each volume holds. The engine looks at every file of every volume: that may take
    /// minutes.
    async fn disk_usage(&self) -> Result<Vec<VolumeUsage>, ApiError>;

    /// How often this handle has lost contact with its engine in such a way that the engine may
    /// have been restarted since. A handle that does not watch over that returns 0.
    fn outages(&self) -> u64;

    /// Whether this handle waits for an engine that takes no connections at present, as while it
    /// restarts. A handle that does not watch over that returns false. No request.
    fn is_away(&self) -> bool;

    /// Whether this handle itself repeats what failed and may be repeated, and waits for an engine that is
    /// unreachable: then a caller need not do so. No request.
    fn is_steady(&self) -> bool;

    /// What the engine does differently from others, as far as the replies to this handle have shown. No
    /// request.
    fn capabilities(&self) -> Capabilities;

    /// How many requests this handle has sent, counted where they leave for the wire. It only
    /// grows. Clones of a handle share the count.
    fn requests_sent(&self) -> u64;
}
