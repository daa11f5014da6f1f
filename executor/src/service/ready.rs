//! Waiting until a service can be used.

use std::{collections::BTreeSet, time::Duration};

use docker_api_trait::{
    ApiError, ContainerId, ContainerStatus, DockerApi, ExecRequest, HealthStatus, ImageReference,
};
use futures_util::StreamExt as _;
use tokio::time::{Instant, sleep, timeout_at};

use super::listen::listening_ports;
use crate::interrupt;

/// Between two looks at a service, at first and at most.
const FIRST_POLL: Duration = Duration::from_millis(100);
const LAST_POLL: Duration = Duration::from_secs(1);
/// What is longer, in bytes, is no table of sockets: the program is the image's own.
const LONGEST_TABLE: usize = 1 << 20;
/// GitLab Runner looks at no more of an image's ports.
const MOST_PORTS: usize = 20;

/// Whether a service was found ready.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Readiness {
    /// Its image's health check says so.
    Healthy,
    /// It listens on this TCP port.
    Listening(u16),
    /// It runs; nothing tells more: its image has neither a health check nor ports, or it cannot be
    /// looked at.
    Running,
    /// It was not waited for.
    Unchecked,
    /// It ended.
    Exited {
        /// Its exit code.
        exit_code: i64,
    },
    /// It could not be created or started.
    NotStarted {
        /// Why.
        why: String,
    },
    /// It was not ready in time.
    TimedOut {
        /// What its health check last printed; empty when it has none.
        health: String,
    },
}

impl Readiness {
    /// Whether the job may rely on it, as far as anybody can tell.
    pub fn is_ready(&self) -> bool {
        matches!(self, Self::Healthy | Self::Listening(_) | Self::Running | Self::Unchecked)
    }

    /// What it is in a few words.
    pub fn words(&self) -> String {
        match self {
            Self::Healthy => "healthy".to_owned(),
            Self::Listening(port) => format!("listens on port {port}"),
            Self::Running => "runs".to_owned(),
            Self::Unchecked => "was not waited for".to_owned(),
            Self::Exited { exit_code } => format!("ended with exit code {exit_code}"),
            Self::NotStarted { why } => format!("could not be started: {why}"),
            Self::TimedOut { health } if health.is_empty() => "was not ready in time".to_owned(),
            Self::TimedOut { health } => {
                format!("was not ready in time; its health check says: {}", health.trim())
            }
        }
    }

    /// One word for reports.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Listening(_) => "listening",
            Self::Running => "running",
            Self::Unchecked => "unchecked",
            Self::Exited { .. } => "exited",
            Self::NotStarted { .. } => "not_started",
            Self::TimedOut { .. } => "timed_out",
        }
    }
}

/// Waits until a started service is ready: its health status where the image has one, else one of its
/// TCP ports. No container is made for it: whether it listens is read in the service itself.
pub(crate) async fn await_ready(
    docker: &dyn DockerApi,
    id: &ContainerId,
    port: Option<u16>,
    limit: Option<Duration>,
) -> Result<Readiness, ApiError> {
    let Some(limit) = limit else { return Ok(Readiness::Unchecked) };
    let mut health = String::new();
    let deadline = interrupt::end(Instant::now(), limit);
    match timeout_at(deadline, poll(docker, id, port, &mut health)).await {
        Ok(readiness) => readiness,
        Err(_) => Ok(Readiness::TimedOut { health }),
    }
}

async fn poll(
    docker: &dyn DockerApi,
    id: &ContainerId,
    port: Option<u16>,
    health: &mut String,
) -> Result<Readiness, ApiError> {
    let mut pause = FIRST_POLL;
    let mut ports: Option<BTreeSet<u16>> = port.map(|port| BTreeSet::from([port]));
    loop {
        let details = docker.inspect_container(id).await?;
        match (details.status, &details.health) {
            (ContainerStatus::Exited, _) => {
                return Ok(Readiness::Exited { exit_code: details.exit_code });
            }
            (_, Some(found)) if port.is_none() => {
                health.clone_from(&found.output);
                if found.status == HealthStatus::Healthy {
                    return Ok(Readiness::Healthy);
                }
            }
            _ => {
                let ports = match &ports {
                    Some(ports) => ports,
                    None => ports.insert(image_ports(docker, &details.image).await),
                };
                if ports.is_empty() {
                    return Ok(Readiness::Running);
                }
                match listening(docker, id).await {
                    Ok(Some(open)) => {
                        if let Some(port) = ports.intersection(&open).next() {
                            return Ok(Readiness::Listening(*port));
                        }
                    }
                    Ok(None) => return unlooked_at(docker, id, Ok(Readiness::Running)).await,
                    Err(error) => return unlooked_at(docker, id, Err(error)).await,
                }
            }
        }
        sleep(pause).await;
        pause = (pause * 2).min(LAST_POLL);
    }
}

/// Of a service that cannot be looked at from inside: `otherwise`, unless it has ended just when it was
/// looked at, which engines tell in many ways.
async fn unlooked_at(
    docker: &dyn DockerApi,
    id: &ContainerId,
    otherwise: Result<Readiness, ApiError>,
) -> Result<Readiness, ApiError> {
    // An engine may learn of an end a moment after the program that it was to run in there.
    sleep(FIRST_POLL).await;
    let details = docker.inspect_container(id).await?;
    match details.status {
        ContainerStatus::Exited => Ok(Readiness::Exited { exit_code: details.exit_code }),
        _ => otherwise,
    }
}

/// The TCP ports that an image says it listens on. None that can be read are none.
async fn image_ports(docker: &dyn DockerApi, image: &str) -> BTreeSet<u16> {
    let Ok(image) = ImageReference::new(image) else { return BTreeSet::new() };
    let Ok(details) = docker.inspect_image(&image).await else { return BTreeSet::new() };
    let ports = details.exposed_ports.iter().filter_map(|port| match port.split_once('/') {
        Some((port, "tcp" | "")) => port.parse().ok(),
        None => port.parse().ok(),
        Some(_) => None,
    });
    ports.collect::<BTreeSet<_>>().into_iter().take(MOST_PORTS).collect()
}

/// The ports that the service listens on; `None` when its image has no program to read that with.
async fn listening(
    docker: &dyn DockerApi,
    id: &ContainerId,
) -> Result<Option<BTreeSet<u16>>, ApiError> {
    let mut request = ExecRequest::new(["cat", "/proc/net/tcp", "/proc/net/tcp6"]);
    request.user = Some("0".to_owned());
    let exec = match docker.create_exec(id, &request).await {
        Ok(exec) => exec,
        // It has just ended; the next look says so.
        Err(ApiError::Conflict { .. }) => return Ok(Some(BTreeSet::new())),
        Err(error) => return Err(error),
    };
    let mut output = match docker.start_exec(&exec).await {
        Ok(output) => output,
        Err(ApiError::Rejected { .. }) => return Ok(None),
        Err(ApiError::Conflict { .. }) => return Ok(Some(BTreeSet::new())),
        Err(error) => return Err(error),
    };
    let mut table = String::new();
    while let Some(piece) = output.next().await {
        table.push_str(&String::from_utf8_lossy(&piece?.bytes));
        if table.len() > LONGEST_TABLE {
            return Ok(None);
        }
    }
    let ended = docker.inspect_exec(&exec).await?;
    Ok(match ended.exit_code {
        Some(126 | 127) => None,
        // Without IPv6 the second file is missing; what the first has counts.
        _ => Some(listening_ports(&table)),
    })
}
