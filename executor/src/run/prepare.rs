//! Making a job ready for its steps: only the order of events. Every object that may exist on the engine
//! is noted before it is asked for.

use docker_api_trait::Input;
use futures_util::{FutureExt as _, future};
use tokio::time::{Instant, timeout};
use volume_manager::PreparedVolumes;

use crate::{
    error::PrepareError,
    event::JobEvent,
    outcome::{FailureReason, Phase},
    plan::NetworkPlan,
    run::{
        Run,
        containers::started_shells,
        service::{health_start, service_hosts},
        state::{RunState, Trace},
        volumes::Holder,
    },
    shell::BEGIN_LIMIT,
};

impl Run<'_> {
    /// Connects, prepares volumes, network and containers, starts services and shells, and waits for
    /// the services. Containers are created together and started together, because that takes most of
    /// the time.
    pub(crate) async fn prepare(&mut self) -> Result<(), FailureReason> {
        let mut mark = self.state.prepared_from;
        self.connect().await?;
        self.state.timings.connect += RunState::lap(&mut mark);
        self.interrupt.check()?;
        self.state.phase = Phase::Prepare;
        self.prepare_volumes_and_network().await?;
        self.interrupt.check()?;
        if self.plan.network == NetworkPlan::Bridge {
            self.create_after_services(&mut mark).await?;
        } else {
            self.create_together(&mut mark).await?;
        }
        self.interrupt.check()?;
        self.await_ready().await?;
        self.state.timings.start += RunState::lap(&mut mark);
        Ok(())
    }

    async fn connect(&mut self) -> Result<(), FailureReason> {
        let (engine, info) = future::join(self.docker.version(), self.docker.info()).await;
        let engine = engine.map_err(PrepareError::from)?;
        self.state.live_restore = info.map_err(PrepareError::from)?.live_restore;
        self.observer.event(&JobEvent::Connected(&engine));
        let os = engine.os.clone();
        self.state.engine = Some(engine);
        if os != "linux" {
            return Err(PrepareError::UnsupportedSystem { os }.into());
        }
        Ok(())
    }

    async fn prepare_volumes_and_network(&mut self) -> Result<(), FailureReason> {
        let inputs = self.inputs;
        let network = async {
            let NetworkPlan::Own(own) = &inputs.plan.network else { return Ok(Trace::None) };
            inputs.docker.create_network(&own.request()).await.map(Trace::Known)
        };
        self.state.volumes = PreparedVolumes::unprepared(&inputs.plan.volumes);
        if matches!(inputs.plan.network, NetworkPlan::Own(_)) {
            self.state.network = Trace::Unknown;
        }
        let (volumes, network) = future::join(inputs.prepare_volumes(), network).await;
        // Kept also when the network fails: they are given back.
        if let Ok(prepared) = &volumes {
            self.state.volumes = prepared.clone();
        }
        match network {
            Ok(trace) => self.state.network = trace,
            Err(source) => {
                if !source.effect_unknown() {
                    self.state.network = Trace::None;
                }
                return Err(PrepareError::Network { source }.into());
            }
        }
        volumes.map(drop)
    }

    /// Creates the services first: on the default bridge, the job's containers need the addresses of
    /// the services in their host tables.
    async fn create_after_services(&mut self, mark: &mut Instant) -> Result<(), FailureReason> {
        let inputs = self.inputs;
        let health_start = self.health_start();
        let prepared = self.state.volumes.clone();
        let RunState { containers, services, timings, hosts, phase, volumes, .. } =
            &mut *self.state;
        inputs.create_services(services, &prepared, health_start).await?;
        let slots = services.iter().map(|slot| &slot.trace);
        let service = Holder::first(slots.zip(inputs.plan.services.iter().map(|one| &one.name)));
        let attached = inputs.attach_services(services);
        *volumes = inputs.hold_volumes(attached, service.as_ref(), &prepared).await?;
        inputs.interrupt.check()?;
        inputs.start_services(services).await;
        *hosts = service_hosts(inputs.docker, inputs.plan, services).await?;
        inputs.create_containers(containers, &prepared, hosts).await?;
        // A service that was left out holds nothing.
        let holder = inputs.first_container(containers).filter(|_| service.is_none());
        let attached = inputs.attach_containers(containers, &prepared);
        if let Some(holder) = holder {
            *volumes = inputs.hold_volumes(attached, Some(&holder), &prepared).await?;
        } else {
            attached.await?;
        }
        timings.prepare += RunState::lap(mark);
        inputs.interrupt.check()?;
        *phase = Phase::Start;
        inputs.start_containers(containers, &prepared).await
    }

    /// Creates services and containers at once, and then starts them at once.
    async fn create_together(&mut self, mark: &mut Instant) -> Result<(), FailureReason> {
        let inputs = self.inputs;
        let health_start = self.health_start();
        let prepared = self.state.volumes.clone();
        let RunState { containers, services, timings, phase, volumes, .. } = &mut *self.state;
        let (of_services, of_containers) = future::join(
            inputs.create_services(services, &prepared, health_start),
            inputs.create_containers(containers, &prepared, &[]),
        )
        .await;
        of_services?;
        of_containers?;
        inputs.interrupt.check()?;
        let holder = inputs.first_container(containers);
        let attached = future::join(
            inputs.attach_containers(containers, &prepared),
            inputs.attach_services(services),
        );
        let attached = attached.map(|(of_containers, of_services)| of_containers.and(of_services));
        *volumes = inputs.hold_volumes(attached, holder.as_ref(), &prepared).await?;
        timings.prepare += RunState::lap(mark);
        inputs.interrupt.check()?;
        *phase = Phase::Start;
        let (started, ()) = future::join(
            inputs.start_containers(containers, &prepared),
            inputs.start_services(services),
        )
        .await;
        started
    }

    fn health_start(&self) -> Option<docker_api_trait::HealthStart> {
        health_start(self.state.engine.as_ref()?, self.plan.timeouts.service)
    }

    /// Waits for the services and, if another process may carry the job on, for the supervisors: that
    /// process attaches to supervisors that are ready.
    async fn await_ready(&mut self) -> Result<(), FailureReason> {
        let inputs = self.inputs;
        let shells = started_shells(&self.state.containers);
        if inputs.input == Input::Kept {
            let sessions = self.state.containers.iter_mut().filter_map(|slot| slot.session());
            let ready = sessions.map(|session| timeout(BEGIN_LIMIT, session.ready()));
            tokio::select! {
                biased;
                _ = future::join_all(ready) => {}
                reason = inputs.interrupt.occurs() => return Err(reason),
            }
        }
        // A probe of a service leaves nothing behind when it is dropped.
        tokio::select! {
            biased;
            () = inputs.await_services(&mut self.state.services, &shells) => Ok(()),
            reason = inputs.interrupt.occurs() => Err(reason),
        }
    }
}
