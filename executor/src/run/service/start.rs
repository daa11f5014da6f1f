//! Creating, starting and awaiting a job's services. A service that the engine refuses is reported, and
//! the job goes on: whether it can do without is its own business.

use std::time::Duration;

use docker_api_trait::{ApiError, ContainerId, DockerApi, EngineVersion, HealthStart};
use futures_util::future;
use tokio::time::Instant;
use volume_manager::PreparedVolumes;

use super::{
    ServiceLog,
    ready::{Awaited, await_ready},
};
use crate::{
    error::PrepareError,
    event::JobEvent,
    outcome::{FailureReason, Readiness, ServiceResult},
    plan::{JobPlan, ServicePlan},
    run::{
        Inputs,
        containers::{NotCreated, all, not_created, vanished},
        state::ServiceSlot,
    },
};

/// While a service is waited for, its health check runs this often: Docker's default is every 30 s, the
/// first time after 30 s.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);
/// A start period is at most this long, however long a service is waited for.
const MAX_START_PERIOD: Duration = Duration::from_hours(1);

/// How health checks of services run at first: often, for as long as a service is waited for, where the
/// engine can do that. An image without a check stays without one.
pub(crate) fn health_start(engine: &EngineVersion, wait: Option<Duration>) -> Option<HealthStart> {
    let period = wait?.clamp(CHECK_INTERVAL, MAX_START_PERIOD);
    engine.can_set_health_start().then(|| HealthStart::new(period, CHECK_INTERVAL))
}

impl Inputs<'_> {
    /// Creates the services. One that the engine refuses gets its result here.
    pub(crate) async fn create_services(
        &self,
        slots: &mut [ServiceSlot],
        volumes: &PreparedVolumes,
        health_start: Option<HealthStart>,
    ) -> Result<(), FailureReason> {
        let created = slots.iter_mut().zip(&self.plan.services).map(|(slot, plan)| async {
            let ServiceSlot { trace, result, .. } = slot;
            let begin = Instant::now();
            let request = |image| {
                let mut request = plan.request(image, volumes.mounts());
                request.health_start = health_start;
                request
            };
            let refused = match self.create(&plan.image, trace, request).await {
                Ok(()) => return Ok(()),
                Err(NotCreated::Failed(reason)) => return Err(reason),
                Err(NotCreated::Refused(refused)) => refused,
            };
            match not_created(refused, plan.name.as_str(), volumes) {
                PrepareError::Engine(refused) | PrepareError::Refused { source: refused, .. }
                    if is_refusal(&refused) =>
                {
                    *result = Some(self.result(plan, Readiness::refused(&refused), begin));
                    Ok(())
                }
                error => Err(error.into()),
            }
        });
        all(future::join_all(created).await)
    }

    /// Attaches to every service that was created.
    pub(crate) async fn attach_services(
        &self,
        slots: &mut [ServiceSlot],
    ) -> Result<(), FailureReason> {
        let attached = slots.iter_mut().zip(&self.plan.services).filter_map(|(slot, plan)| {
            let id = slot.trace.known()?.clone();
            Some(async move {
                match self.docker.attach_container(&id).await {
                    Ok(output) => slot.log = Some(ServiceLog::read(output, self.masker)),
                    // The start meets the same, and that is reported.
                    Err(error) if self.recurs_at_start(&error) => {}
                    Err(error) => return Err(vanished(error.into(), &plan.name).into()),
                }
                Ok::<(), FailureReason>(())
            })
        });
        all(future::join_all(attached).await)
    }

    /// Whether an attachment was refused because its container cannot be started. Where an
    /// attachment prepares the container for its start, any refusal may be of that kind. Elsewhere a container that is missing or in conflict was removed by another program.
    fn recurs_at_start(&self, error: &ApiError) -> bool {
        match error {
            ApiError::NotFound { .. } | ApiError::Conflict { .. } => {
                self.docker.capabilities().attach_prepares
            }
            error => is_refusal(error),
        }
    }

    /// Starts the services. One that cannot be started gets its result here.
    pub(crate) async fn start_services(&self, slots: &mut [ServiceSlot]) {
        let started = slots.iter_mut().zip(&self.plan.services).map(|(slot, plan)| async move {
            let Some(id) = slot.trace.known() else { return };
            if let Err(error) = self.docker.start_container(id).await {
                let begin = Instant::now();
                slot.result = Some(self.result(plan, Readiness::refused(&error), begin));
            }
        });
        future::join_all(started).await;
    }

    /// Waits for the services that were started, and reports on all of them. `job` are the job's own
    /// containers that run a shell.
    pub(crate) async fn await_services(&self, slots: &mut [ServiceSlot], job: &[ContainerId]) {
        let ready = slots.iter_mut().zip(&self.plan.services).map(|(slot, plan)| async move {
            let begin = Instant::now();
            if slot.result.is_none()
                && let Some(id) = slot.trace.known()
            {
                let network = &self.plan.network;
                let service = Awaited { id, port: plan.port, network, job };
                let limit = self.plan.timeouts.service;
                let readiness = await_ready(self.docker, service, limit).await;
                slot.result = Some(self.result(plan, readiness, begin));
            }
            if let Some(result) = &slot.result {
                if let (Readiness::Exited { .. }, Some(log)) = (&result.readiness, &mut slot.log) {
                    log.ended().await;
                }
                self.report_service(result, slot.log.as_ref());
            }
        });
        future::join_all(ready).await;
    }

    fn report_service(&self, result: &ServiceResult, log: Option<&ServiceLog>) {
        if result.readiness.is_ready() {
            self.observer.event(&JobEvent::ServiceReady(result));
        } else {
            let log = log.map(ServiceLog::text).unwrap_or_default();
            self.observer.event(&JobEvent::ServiceFailed { service: result, log: &log });
        }
    }

    /// What became of a service. What the service or the engine says may contain secrets.
    fn result(&self, plan: &ServicePlan, readiness: Readiness, begin: Instant) -> ServiceResult {
        ServiceResult {
            name: plan.title.clone(),
            image: plan.image.reference.to_string(),
            readiness: match readiness {
                Readiness::TimedOut { health, loopback } => {
                    Readiness::TimedOut { health: self.masker.text(&health), loopback }
                }
                Readiness::NotStarted { why, hint } => {
                    Readiness::NotStarted { why: self.redact(&why), hint }
                }
                Readiness::Unknown { why } => Readiness::Unknown { why: self.redact(&why) },
                other => other,
            },
            duration: begin.elapsed(),
        }
    }
}

/// Whether the engine has looked at a request and refused it.
fn is_refusal(error: &ApiError) -> bool {
    matches!(
        error,
        ApiError::NotFound { .. }
            | ApiError::Conflict { .. }
            | ApiError::Rejected { .. }
            | ApiError::Engine { .. }
    )
}

/// The host table's entries for services on the default bridge. A service without an address does not
/// run, which is reported when it is started.
pub(crate) async fn service_hosts(
    docker: &dyn DockerApi,
    plan: &JobPlan,
    slots: &[ServiceSlot],
) -> Result<Vec<String>, PrepareError> {
    let mut hosts = Vec::new();
    for (slot, plan) in slots.iter().zip(&plan.services) {
        let Some(id) = slot.trace.known() else { continue };
        let details = match docker.inspect_container(id).await {
            Ok(details) => details,
            Err(ApiError::NotFound { .. }) => continue,
            Err(error) => return Err(error.into()),
        };
        let address = details.networks.into_iter().find_map(|place| place.ipv4);
        if let Some(address) = address {
            hosts.extend(plan.aliases.iter().map(|alias| format!("{alias}:{address}")));
        }
    }
    Ok(hosts)
}

#[cfg(test)]
mod tests {
    use docker_api_trait::ApiVersion;

    use super::*;

    fn engine(minor: u32) -> EngineVersion {
        EngineVersion::new("x", ApiVersion { major: 1, minor }, "linux", "amd64")
    }

    #[test]
    fn health_checks_run_often_where_the_engine_can_do_that() {
        let wait = Duration::from_secs(30);
        assert_eq!(health_start(&engine(43), Some(wait)), None);
        for minor in [44, 52] {
            let expected = HealthStart::new(wait, CHECK_INTERVAL);
            assert_eq!(health_start(&engine(minor), Some(wait)), Some(expected));
        }
    }

    #[test]
    fn a_start_period_is_one_that_engines_accept() {
        let period = |wait| health_start(&engine(44), wait).map(|start| start.period);
        assert_eq!(period(None), None, "a service is not waited for");
        assert_eq!(period(Some(Duration::ZERO)), Some(CHECK_INTERVAL));
        assert_eq!(period(Some(Duration::MAX)), Some(MAX_START_PERIOD));
    }
}
