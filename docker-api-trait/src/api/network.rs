//! Networks.

use std::fmt::Debug;

use async_trait::async_trait;

use crate::{
    ApiError,
    id::NetworkId,
    model::{LabelFilter, Network, NetworkRequest},
};

/// Networks on the engine.
#[async_trait]
pub trait NetworkApi: Debug + Send + Sync {
    /// Creates a bridge network.
    ///
    /// # Errors
    /// [`ApiError::Conflict`] when there is one of that name. [`ApiError::Engine`] when the engine
    /// has no free range of addresses left.
    async fn create_network(&self, request: &NetworkRequest) -> Result<NetworkId, ApiError>;

    /// Looks at a network.
    ///
    /// # Errors
    /// [`ApiError::NotFound`] when there is none of that id.
    async fn inspect_network(&self, id: &NetworkId) -> Result<Network, ApiError>;

    /// The networks that carry all of `labels`, without their containers.
    async fn list_networks(&self, labels: &[LabelFilter]) -> Result<Vec<Network>, ApiError>;

    /// Removes a network.
    ///
    /// # Errors
    /// [`ApiError::NotFound`] when it is gone; [`ApiError::Engine`], 403, or
    /// [`ApiError::Conflict`] while a running container is in it.
    async fn remove_network(&self, id: &NetworkId) -> Result<(), ApiError>;
}
