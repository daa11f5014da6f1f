//! The network in which a job finds its services.

use docker_api_trait::NetworkName;

use super::{
    NetworkPlan, OwnNetwork,
    object::{labels, object_name},
    planner::Planner,
};
use crate::job::JobError;

/// How a job's containers reach its services: in a network of the run's own unless the configuration
/// names another.
pub(super) fn network(planner: &Planner<'_>) -> Result<NetworkPlan, JobError> {
    let config = planner.config;
    if config.services.definitions.is_empty() && planner.job.services.is_empty() {
        return Ok(NetworkPlan::None);
    }
    match config.containers.host.network_mode.as_deref() {
        None | Some("") => {
            let name = object_name("n1", &planner.job.project, planner.run, "")?;
            Ok(NetworkPlan::Own(OwnNetwork {
                name: NetworkName::new(name.as_str()).map_err(|_| JobError::RunId)?,
                labels: labels(planner, "network")?,
                ipv6: config.network.ipv6,
                mtu: config.network.mtu,
            }))
        }
        Some("bridge" | "default") => Ok(NetworkPlan::Bridge),
        Some("host") => Ok(NetworkPlan::Host),
        Some(mode) => NetworkName::new(mode)
            .ok()
            .filter(|_| mode != "none")
            .map(NetworkPlan::Named)
            .ok_or_else(|| JobError::ServicesWithoutNetwork { mode: mode.to_owned() }),
    }
}

/// The network in which containers find one another by aliases.
pub(super) fn shared_network(network: &NetworkPlan) -> Option<NetworkName> {
    match network {
        NetworkPlan::Own(own) => Some(own.name.clone()),
        NetworkPlan::Named(name) => Some(name.clone()),
        NetworkPlan::None | NetworkPlan::Bridge | NetworkPlan::Host => None,
    }
}

/// The engine's word for a network that is none of the user's making.
pub(super) fn mode(network: &NetworkPlan) -> Option<String> {
    match network {
        NetworkPlan::Bridge => Some("bridge".to_owned()),
        NetworkPlan::Host => Some("host".to_owned()),
        NetworkPlan::None | NetworkPlan::Own(_) | NetworkPlan::Named(_) => None,
    }
}
