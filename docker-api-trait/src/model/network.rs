//! Networks.

use std::{collections::BTreeMap, time::SystemTime};

use crate::id::{ContainerId, NetworkId, NetworkName};

/// A network to create. Its driver is the engine's `bridge`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct NetworkRequest {
    /// Its name. Unlike a volume's it identifies nothing: the engine is asked to refuse a second
    /// network of the name.
    pub name: NetworkName,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Whether its containers get IPv6 addresses too.
    pub ipv6: bool,
    /// Whether it leads nowhere but to its own containers.
    pub internal: bool,
    /// Options for the driver, such as `com.docker.network.driver.mtu`.
    pub options: BTreeMap<String, String>,
}

impl NetworkRequest {
    /// A network without labels and options.
    pub fn new(name: NetworkName) -> Self {
        Self {
            name,
            labels: BTreeMap::new(),
            ipv6: false,
            internal: false,
            options: BTreeMap::new(),
        }
    }
}

/// A network, looked at or listed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Network {
    /// Its id.
    pub id: NetworkId,
    /// Its name.
    pub name: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Whether its containers get IPv6 addresses too.
    pub ipv6: bool,
    /// The options for its driver.
    pub options: BTreeMap<String, String>,
    /// The containers that are in it and run; empty in a list.
    pub containers: Vec<ContainerId>,
    /// When it was created, by the engine's clock; `None` when the engine does not tell.
    pub created: Option<SystemTime>,
}

impl Network {
    /// A network by its id and name, without labels and containers.
    pub fn new(id: NetworkId, name: impl Into<String>) -> Self {
        Self {
            id,
            name: name.into(),
            labels: BTreeMap::new(),
            ipv6: false,
            options: BTreeMap::new(),
            containers: Vec::new(),
            created: None,
        }
    }
}

/// How a container is in a network that is not one of the engine's own.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct NetworkAttachment {
    /// The network.
    pub network: NetworkName,
    /// The names by which the network's other containers find this one, beside its own.
    pub aliases: Vec<String>,
}

impl NetworkAttachment {
    /// In this network, under its own name alone.
    pub fn new(network: NetworkName) -> Self {
        Self { network, aliases: Vec::new() }
    }
}

/// A container's place in a network, as the engine tells it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct NetworkPlace {
    /// The network's name.
    pub network: String,
    /// Its IPv4 address; `None` while it does not run.
    pub ipv4: Option<String>,
    /// Its IPv6 address, if it has one.
    pub ipv6: Option<String>,
    /// Its other names there.
    pub aliases: Vec<String>,
}
