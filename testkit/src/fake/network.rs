//! `NetworkApi` on the fake, and containers' places in networks.

use async_trait::async_trait;
use docker_api_trait::{
    ApiError, ContainerId, ContainerRequest, LabelFilter, Network, NetworkApi, NetworkId,
    NetworkPlace, NetworkRequest, Operation,
};

use tokio::time::Instant;

use super::{
    FakeDocker,
    state::{State, StoredContainer},
    stored_network::{Address, Place, StoredNetwork, no_such_network},
};

/// The network of containers that name none.
const DEFAULT: &str = "bridge";
/// The engine's own networks in which containers have no address of their own.
const WITHOUT_ADDRESSES: [&str; 2] = ["host", "none"];

/// Setting it up, and looking at it.
impl FakeDocker {
    /// With IPv6 addresses for networks that want them. Engines before 27 have none unless their
    /// administrator gave them some, and refuse such networks.
    pub fn with_ipv6(self) -> Self {
        self.state().networks.ipv6 = true;
        self
    }

    /// The networks that were created and not removed, in the order of their creation, with the
    /// containers in them. This does not count as a call.
    pub fn networks(&self) -> Vec<Network> {
        let state = self.state();
        state.networks.by_id.values().map(|stored| inspected(&state, stored)).collect()
    }

    /// Takes away the networks in which no container runs, as a prune by somebody else does: containers
    /// that were created for one, or have ended in it, do not hold it. How many went.
    pub fn vanish_unused_networks(&self) -> usize {
        let state = &mut *self.state();
        let ids: Vec<NetworkId> = state.networks.by_id.keys().cloned().collect();
        ids.iter().filter(|id| remove(state, id).is_ok()).count()
    }
}

#[async_trait]
impl NetworkApi for FakeDocker {
    /// Measured on Engine 20.10: it takes a second network of a name, as it is not asked to look; a
    /// container cannot be started in either then. The words about IPv6 come with a 404.
    async fn create_network(&self, request: &NetworkRequest) -> Result<NetworkId, ApiError> {
        let reply = self.admit(Operation::CreateNetwork).await?;
        let outcome = {
            let mut state = self.state();
            let now = state.time(Instant::now());
            state.networks.create(request, now)
        };
        reply.deliver(outcome).await
    }

    async fn inspect_network(&self, id: &NetworkId) -> Result<Network, ApiError> {
        let operation = Operation::InspectNetwork;
        let reply = self.admit(operation).await?;
        let outcome = {
            let state = self.state();
            let found = state.networks.by_id.get(id).map(|stored| inspected(&state, stored));
            found.ok_or_else(|| no_such_network(operation, id.as_str()))
        };
        reply.deliver(outcome).await
    }

    /// Those that were created here: the engine's own carry no label.
    async fn list_networks(&self, labels: &[LabelFilter]) -> Result<Vec<Network>, ApiError> {
        let reply = self.admit(Operation::ListNetworks).await?;
        let mut networks: Vec<Network> = {
            let state = self.state();
            state.networks.by_id.values().map(|stored| stored.network.clone()).collect()
        };
        networks.retain(|network| labels.iter().all(|label| label.matches(&network.labels)));
        reply.deliver(Ok(networks)).await
    }

    /// Measured on Engine 20.10: only what runs is in the way. A container that was in the network
    /// and has ended cannot be started any more.
    async fn remove_network(&self, id: &NetworkId) -> Result<(), ApiError> {
        let reply = self.admit(Operation::RemoveNetwork).await?;
        let outcome = remove(&mut self.state(), id);
        reply.deliver(outcome).await
    }
}

fn inspected(state: &State, stored: &StoredNetwork) -> Network {
    let mut network = stored.network.clone();
    let within = |container: &&StoredContainer| {
        let place = container.place.as_ref();
        container.is_running()
            && place.is_some_and(|place| place.id.as_ref() == Some(&stored.network.id))
    };
    let containers = state.containers.values().filter(within);
    network.containers = containers.map(|container| container.summary.id.clone()).collect();
    network
}

fn remove(state: &mut State, id: &NetworkId) -> Result<(), ApiError> {
    let operation = Operation::RemoveNetwork;
    let Some(stored) = state.networks.by_id.get(id) else {
        return Err(no_such_network(operation, id.as_str()));
    };
    if !inspected(state, stored).containers.is_empty() {
        let message = format!(
            "error while removing network: network {} id {id} has active endpoints",
            stored.network.name
        );
        return Err(ApiError::Engine { operation, status: 403, message });
    }
    state.networks.by_id.remove(id);
    Ok(())
}

/// The place that a new container will have, which the engine does not look up before the start.
pub(super) fn place(request: &ContainerRequest) -> Option<Place> {
    let (network, aliases) = match (&request.network, &request.host.network_mode) {
        (Some(attachment), _) => (attachment.network.as_str(), attachment.aliases.clone()),
        (None, Some(mode)) if mode.starts_with("container:") => return None,
        (None, Some(mode)) if mode != "default" && !mode.is_empty() => (mode.as_str(), Vec::new()),
        (None, _) => (DEFAULT, Vec::new()),
    };
    Some(Place { network: network.to_owned(), id: None, aliases, address: None })
}

/// Gives a container that is being started its address.
pub(super) fn join(state: &mut State, id: &ContainerId) -> Result<(), ApiError> {
    let Some(place) = state.containers.get(id).and_then(|container| container.place.clone()) else {
        return Ok(());
    };
    if WITHOUT_ADDRESSES.contains(&place.network.as_str()) {
        return Ok(());
    }
    let (network, range, ipv6) = if place.network == DEFAULT {
        (None, 0, false)
    } else {
        let stored = state.networks.find(&place)?;
        (Some(stored.network.id.clone()), stored.range, stored.network.ipv6)
    };
    let taken = |host: u32| {
        state.containers.values().filter(|other| other.is_running()).any(|other| {
            let address = other.place.as_ref().and_then(|place| place.address);
            address.is_some_and(|address| (address.range, address.host) == (range, host))
        })
    };
    // The first is the gateway's.
    let host = (2..u32::from(u16::MAX)).find(|host| !taken(*host)).ok_or_else(|| {
        let message = "no available IPv4 addresses on this network's address pools".to_owned();
        ApiError::Engine { operation: Operation::StartContainer, status: 500, message }
    })?;
    if let Some(place) = state.containers.get_mut(id).and_then(|container| container.place.as_mut())
    {
        place.address = Some(Address { range, host, ipv6 });
        // Measured: in a network of its own choice a container also has its short id as a name.
        let short = id.as_str()[..12].to_owned();
        if network.is_some() && !place.aliases.contains(&short) {
            place.aliases.push(short);
        }
        place.id = network;
    }
    Ok(())
}

/// What an inspection shows of a container's place.
pub(super) fn shown(container: &StoredContainer) -> Vec<NetworkPlace> {
    let running = container.is_running();
    let places = container.place.iter().map(|place| {
        let address = place.address.filter(|_| running);
        let mut shown = NetworkPlace::default();
        shown.network.clone_from(&place.network);
        shown.aliases.clone_from(&place.aliases);
        shown.ipv4 = address.map(|address| address.ipv4().to_string());
        shown.ipv6 = address.and_then(Address::ipv6).map(|address| address.to_string());
        shown
    });
    places.collect()
}
