//! The networks that the engine in memory keeps, and containers' places in them.

use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, Ipv6Addr},
    time::SystemTime,
};

use docker_api_trait::{ApiError, Network, NetworkId, NetworkRequest, Operation};

/// The networks that were created.
#[derive(Debug, Default)]
pub(super) struct Networks {
    /// By id, which is also the order of their creation.
    pub(super) by_id: BTreeMap<NetworkId, StoredNetwork>,
    /// How many were ever created.
    created: u32,
    /// Whether the engine has IPv6 addresses to give.
    pub(super) ipv6: bool,
}

#[derive(Debug)]
pub(super) struct StoredNetwork {
    pub(super) network: Network,
    /// Which range of addresses it has.
    pub(super) range: u32,
}

/// A container's place in a network.
#[derive(Debug, Clone)]
pub(super) struct Place {
    /// The network's name, and its id once the container was in it.
    pub(super) network: String,
    pub(super) id: Option<NetworkId>,
    pub(super) aliases: Vec<String>,
    /// Which address of the network's range it got when it was last started.
    pub(super) address: Option<Address>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Address {
    pub(super) range: u32,
    pub(super) host: u32,
    pub(super) ipv6: bool,
}

impl Address {
    /// 172.17.0.0/16 and those after it, as the engine deals them out.
    pub(super) fn ipv4(self) -> Ipv4Addr {
        const FIRST: u32 = 0xac11_0000;
        Ipv4Addr::from_bits(FIRST.wrapping_add(self.range << 16).wrapping_add(self.host))
    }

    pub(super) fn ipv6(self) -> Option<Ipv6Addr> {
        const FIRST: u128 = 0xfd00 << 112;
        let bits = FIRST + (u128::from(self.range) << 64) + u128::from(self.host);
        self.ipv6.then(|| Ipv6Addr::from_bits(bits))
    }
}

impl Networks {
    pub(super) fn create(
        &mut self,
        request: &NetworkRequest,
        now: SystemTime,
    ) -> Result<NetworkId, ApiError> {
        if request.ipv6 && !self.ipv6 {
            return Err(ApiError::NotFound {
                operation: Operation::CreateNetwork,
                message:
                    "could not find an available, non-overlapping IPv6 address pool among the \
                          defaults to assign to the network"
                        .to_owned(),
            });
        }
        self.created += 1;
        let id = format!("{:012x}{:0>52}", self.created, "e7");
        let id = NetworkId::new(id).expect("64 hexadecimal digits");
        let mut network = Network::new(id.clone(), request.name.as_str());
        network.labels = request.labels.clone();
        network.ipv6 = request.ipv6;
        network.options = request.options.clone();
        network.created = Some(now);
        // The default network has the first range.
        self.by_id.insert(id.clone(), StoredNetwork { network, range: self.created });
        Ok(id)
    }

    /// The network of a place, as a start looks it up: by the id that it had, or else by its name.
    pub(super) fn find(&self, place: &Place) -> Result<&StoredNetwork, ApiError> {
        let operation = Operation::StartContainer;
        if let Some(id) = &place.id {
            return self.by_id.get(id).ok_or_else(|| no_such_network(operation, id.as_str()));
        }
        let name = place.network.as_str();
        let mut named = self.by_id.values().filter(|stored| stored.network.name == name);
        let Some(first) = named.next() else {
            return Err(no_such_network(operation, name));
        };
        match named.count() {
            0 => Ok(first),
            more => Err(ApiError::Rejected {
                operation,
                message: format!(
                    "network {name} is ambiguous ({} matches found on name)",
                    more + 1
                ),
            }),
        }
    }
}

pub(super) fn no_such_network(operation: Operation, network: &str) -> ApiError {
    ApiError::NotFound { operation, message: format!("network {network} not found") }
}
