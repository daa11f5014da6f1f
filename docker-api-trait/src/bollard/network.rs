//! `NetworkApi` on a real engine.

use async_trait::async_trait;
use bollard::{
    models::{Network as EngineNetwork, NetworkCreateRequest, NetworkInspect},
    query_parameters::{InspectNetworkOptions, ListNetworksOptions},
};

use super::{BollardDocker, convert};
use crate::{
    ApiError, ContainerId, LabelFilter, Network, NetworkApi, NetworkId, NetworkRequest, Operation,
};

#[async_trait]
impl NetworkApi for BollardDocker {
    async fn create_network(&self, request: &NetworkRequest) -> Result<NetworkId, ApiError> {
        let operation = Operation::CreateNetwork;
        let reply =
            self.call(operation, self.docker().create_network(network_request(request))).await?;
        network_id(operation, Some(reply.id))
    }

    async fn inspect_network(&self, id: &NetworkId) -> Result<Network, ApiError> {
        let operation = Operation::InspectNetwork;
        let reply = self
            .call(
                operation,
                self.docker().inspect_network(id.as_str(), None::<InspectNetworkOptions>),
            )
            .await?;
        inspected(reply)
    }

    async fn list_networks(&self, labels: &[LabelFilter]) -> Result<Vec<Network>, ApiError> {
        let options = ListNetworksOptions { filters: convert::label_filters(labels) };
        let reply =
            self.call(Operation::ListNetworks, self.docker().list_networks(Some(options))).await?;
        let found: Result<Vec<_>, _> = reply.into_iter().map(listed).collect();
        Ok(found?.into_iter().filter(|found| convert::has(labels, &found.labels)).collect())
    }

    async fn remove_network(&self, id: &NetworkId) -> Result<(), ApiError> {
        self.call(Operation::RemoveNetwork, self.docker().remove_network(id.as_str())).await
    }
}

/// The client library leaves out that a second network of the name is to be refused; engines from
/// version 1.44 of the API on always refuse it, and names of ours carry a random id.
fn network_request(request: &NetworkRequest) -> NetworkCreateRequest {
    NetworkCreateRequest {
        name: request.name.as_str().to_owned(),
        driver: Some("bridge".to_owned()),
        scope: None,
        internal: Some(request.internal),
        attachable: None,
        ingress: None,
        config_only: None,
        config_from: None,
        ipam: None,
        enable_ipv4: None,
        enable_ipv6: Some(request.ipv6),
        options: Some(request.options.clone().into_iter().collect()),
        labels: Some(request.labels.clone().into_iter().collect()),
    }
}

fn inspected(reply: NetworkInspect) -> Result<Network, ApiError> {
    let operation = Operation::InspectNetwork;
    let containers = reply.containers.unwrap_or_default().into_keys();
    // Beside containers the engine lists end points of its own, `ep-…`.
    let mut containers: Vec<_> = containers.filter_map(|id| ContainerId::new(id).ok()).collect();
    containers.sort();
    Ok(Network {
        id: network_id(operation, reply.id)?,
        name: reply.name.unwrap_or_default(),
        labels: reply.labels.unwrap_or_default().into_iter().collect(),
        ipv6: reply.enable_ipv6.unwrap_or_default(),
        options: reply.options.unwrap_or_default().into_iter().collect(),
        containers,
        created: reply.created.as_deref().and_then(convert::moment),
    })
}

fn listed(reply: EngineNetwork) -> Result<Network, ApiError> {
    Ok(Network {
        id: network_id(Operation::ListNetworks, reply.id)?,
        name: reply.name.unwrap_or_default(),
        labels: reply.labels.unwrap_or_default().into_iter().collect(),
        ipv6: reply.enable_ipv6.unwrap_or_default(),
        options: reply.options.unwrap_or_default().into_iter().collect(),
        containers: Vec::new(),
        created: reply.created.as_deref().and_then(convert::moment),
    })
}

fn network_id(operation: Operation, id: Option<String>) -> Result<NetworkId, ApiError> {
    NetworkId::new(id.unwrap_or_default())
        .map_err(|error| ApiError::Protocol { operation, detail: error.to_string() })
}
