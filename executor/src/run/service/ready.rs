//! Waiting until a service can be used.

use std::{collections::BTreeSet, time::Duration};

use docker_api_trait::{
    ApiError, ContainerDetails, ContainerId, ContainerStatus, DockerApi, HealthStatus,
    ImageReference, Operation,
};
use tokio::time::{Instant, sleep, timeout_at};

use super::{
    listen::Sockets,
    probe::{Look, Prober},
};
use crate::{describe::describe, outcome::Readiness, plan::NetworkPlan, run::interrupt};

/// Between two looks at a service, at first and at most.
const FIRST_POLL: Duration = Duration::from_millis(100);
const LAST_POLL: Duration = Duration::from_secs(1);
/// GitLab Runner looks at no more of an image's ports.
const MOST_PORTS: usize = 20;

/// A service that is waited for, and what can help with looking at it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Awaited<'a> {
    /// Its container.
    pub(crate) id: &'a ContainerId,
    /// The port that the job names.
    pub(crate) port: Option<u16>,
    /// How the job reaches it.
    pub(crate) network: &'a NetworkPlan,
    /// The job's own containers that run a shell.
    pub(crate) job: &'a [ContainerId],
}

/// Waits until a started service is ready, or until its readiness cannot be determined.
pub(crate) async fn await_ready(
    docker: &dyn DockerApi,
    service: Awaited<'_>,
    limit: Option<Duration>,
) -> Readiness {
    let Some(limit) = limit else { return Readiness::Unchecked };
    let mut seen = Seen::default();
    let deadline = interrupt::end(Instant::now(), limit);
    match timeout_at(deadline, poll(docker, service, &mut seen)).await {
        Ok(Ok(readiness)) => readiness,
        Ok(Err(error)) => Readiness::Unknown { why: describe(&error) },
        Err(_) => Readiness::TimedOut { health: seen.health, loopback: seen.loopback },
    }
}

/// What is known of a service that is not ready.
#[derive(Debug, Default)]
struct Seen {
    health: String,
    loopback: Option<u16>,
}

async fn poll(
    docker: &dyn DockerApi,
    service: Awaited<'_>,
    seen: &mut Seen,
) -> Result<Readiness, ApiError> {
    let mut pause = FIRST_POLL;
    let mut prober = Prober::new(docker, service.network, service.id, service.job);
    let mut ports = service.port.map(Ports::named);
    let mut blind = false;
    loop {
        let details = docker.inspect_container(service.id).await?;
        if let Some(health) = &details.health {
            seen.health.clone_from(&health.output);
        }
        match decide(&details, service.port.is_some()) {
            Decision::Ready(readiness) => return Ok(readiness),
            Decision::LookAtPorts if !blind => {
                let known = match &mut ports {
                    Some(ports) => ports,
                    none => none.insert(Ports::of_image(docker, &details.image).await?),
                };
                let has_check = details.health.is_some();
                if known.is_empty() && !has_check {
                    return Ok(Readiness::Running);
                }
                // Without a port the health check alone decides.
                if !known.is_empty() {
                    match prober.look(&details, &known.tcp).await {
                        Look::Sees(sockets) => {
                            if let Some(readiness) = known.open(&sockets) {
                                return Ok(readiness);
                            }
                            let mut hidden = known.tcp.intersection(&sockets.loopback);
                            seen.loopback = hidden.next().copied();
                        }
                        Look::NotRunning => {}
                        Look::Blind(_) if has_check && service.port.is_none() => blind = true,
                        Look::Blind(why) => return look_again(docker, service.id, why).await,
                    }
                }
            }
            Decision::LookAtPorts | Decision::Wait => {}
        }
        sleep(pause).await;
        pause = (pause * 2).min(LAST_POLL);
    }
}

/// A service that nothing can look at may have ended just then, which engines report in many ways.
async fn look_again(
    docker: &dyn DockerApi,
    id: &ContainerId,
    why: String,
) -> Result<Readiness, ApiError> {
    // An engine may learn of an end a moment after the program that it was to run in there.
    sleep(FIRST_POLL).await;
    let details = docker.inspect_container(id).await?;
    Ok(match details.status {
        ContainerStatus::Exited => Readiness::Exited { exit_code: details.exit_code },
        _ => Readiness::Unknown { why },
    })
}

/// What a service's state says about its readiness.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Decision {
    /// It is ready, or never will be.
    Ready(Readiness),
    /// Its ports decide.
    LookAtPorts,
    /// It is not ready.
    Wait,
}

/// A health check decides once it has a result. Until then, which with Docker's default interval takes
/// 30 s, an open port counts. A port that the job names counts whatever the check says, except when
/// the check has failed for good.
fn decide(details: &ContainerDetails, is_port_named: bool) -> Decision {
    if details.status == ContainerStatus::Exited {
        return Decision::Ready(Readiness::Exited { exit_code: details.exit_code });
    }
    let Some(health) = &details.health else { return Decision::LookAtPorts };
    match health.status {
        HealthStatus::Unhealthy => Decision::Wait,
        _ if is_port_named => Decision::LookAtPorts,
        HealthStatus::Healthy => Decision::Ready(Readiness::Healthy),
        _ if health.has_result => Decision::Wait,
        _ => Decision::LookAtPorts,
    }
}

/// The ports of which one has to be open.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Ports {
    tcp: BTreeSet<u16>,
    /// Only where there is no TCP port.
    udp: BTreeSet<u16>,
}

impl Ports {
    fn named(port: u16) -> Self {
        Self { tcp: BTreeSet::from([port]), udp: BTreeSet::new() }
    }

    /// The ports that an image says it listens on.
    async fn of_image(docker: &dyn DockerApi, image: &str) -> Result<Self, ApiError> {
        let image = ImageReference::new(image).map_err(|error| ApiError::Rejected {
            operation: Operation::InspectImage,
            message: error.to_string(),
        })?;
        Ok(Self::exposed(&docker.inspect_image(&image).await?.exposed_ports))
    }

    fn exposed(ports: &[String]) -> Self {
        let of_protocol = |protocol| {
            let ports = ports.iter().filter_map(|port| match port.split_once('/') {
                Some((port, found)) => (found == protocol).then_some(port)?.parse().ok(),
                None => (protocol == "tcp").then_some(port)?.parse().ok(),
            });
            ports.collect::<BTreeSet<u16>>().into_iter().take(MOST_PORTS).collect::<BTreeSet<_>>()
        };
        let tcp = of_protocol("tcp");
        let udp = if tcp.is_empty() { of_protocol("udp") } else { BTreeSet::new() };
        Self { tcp, udp }
    }

    fn is_empty(&self) -> bool {
        self.tcp.is_empty() && self.udp.is_empty()
    }

    fn open(&self, sockets: &Sockets) -> Option<Readiness> {
        let tcp = self.tcp.intersection(&sockets.tcp).map(|port| Readiness::Listening(*port));
        let udp = self.udp.intersection(&sockets.udp).map(|port| Readiness::Bound(*port));
        tcp.chain(udp).next()
    }
}

#[cfg(test)]
mod tests {
    use docker_api_trait::Health;

    use super::*;

    fn running(health: Option<Health>) -> ContainerDetails {
        let id = ContainerId::new("1".repeat(64)).unwrap();
        let mut details = ContainerDetails::created(id);
        (details.status, details.health) = (ContainerStatus::Running, health);
        details
    }

    #[test]
    fn an_open_port_counts_until_the_first_health_result() {
        let new = Health::new(HealthStatus::Starting);
        let mut failed = new.clone();
        failed.has_result = true;
        let healthy = Health::new(HealthStatus::Healthy);
        let unhealthy = Health::new(HealthStatus::Unhealthy);
        let ready = Decision::Ready(Readiness::Healthy);
        for (health, without_name, with_name) in [
            (None, Decision::LookAtPorts, Decision::LookAtPorts),
            (Some(new), Decision::LookAtPorts, Decision::LookAtPorts),
            (Some(failed), Decision::Wait, Decision::LookAtPorts),
            (Some(healthy), ready, Decision::LookAtPorts),
            (Some(unhealthy), Decision::Wait, Decision::Wait),
        ] {
            let details = running(health);
            assert_eq!(decide(&details, false), without_name, "{details:?}");
            assert_eq!(decide(&details, true), with_name, "{details:?}");
        }
    }

    #[test]
    fn an_image_without_tcp_ports_is_waited_for_at_its_udp_ports() {
        let ports = |ports: &[&str]| {
            let ports: Vec<_> = ports.iter().map(|port| (*port).to_owned()).collect();
            Ports::exposed(&ports)
        };
        let both = ports(&["53/udp", "53/tcp", "80"]);
        assert_eq!((both.tcp, both.udp), (BTreeSet::from([53, 80]), BTreeSet::new()));
        let udp = ports(&["53/udp", "x/udp", "9/sctp"]);
        assert_eq!((&udp.tcp, &udp.udp), (&BTreeSet::new(), &BTreeSet::from([53])));
        assert!(ports(&["9/sctp"]).is_empty());
        let sockets = Sockets { udp: BTreeSet::from([53]), ..Sockets::default() };
        assert_eq!(udp.open(&sockets), Some(Readiness::Bound(53)));
    }

    #[test]
    fn a_refusal_has_a_hint_only_where_it_is_certain() {
        let hint = |operation, status, words: &str| {
            Readiness::refused(&ApiError::from_status(operation, status, words)).hint()
        };
        let create = Operation::CreateContainer;
        assert!(hint(create, 400, "No command specified").unwrap().contains("`entrypoint`"));
        let missing = "exec: \"/x\": stat /x: no such file or directory: unknown";
        let told = hint(Operation::StartContainer, 400, missing).unwrap();
        assert!(told.contains("must have that program"), "{told}");
        assert_eq!(hint(create, 500, "something new"), None);
    }
}
