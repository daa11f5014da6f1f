//! Carrying on a job that an earlier process has prepared.

use docker_api_trait::{ContainerStatus, LabelFilter};
use futures_util::future;
use volume_manager::label;

use crate::{
    error::ResumeError,
    plan::{NetworkPlan, Process},
    run::{Inputs, Run, containers::first_program, service::service_hosts, state::Trace},
};

impl Run<'_> {
    /// Attaches to the containers that an earlier process has prepared.
    pub(crate) async fn resume(&mut self) -> Result<(), ResumeError> {
        let inputs = self.inputs;
        let Inputs { docker, volumes, plan, .. } = inputs;
        let state = &mut *self.state;
        let (engine, info) = future::join(docker.version(), docker.info()).await;
        state.engine = Some(engine?);
        state.live_restore = info?.live_restore;
        let ours = [LabelFilter::equals(label::RUN, &plan.run)];
        let found = docker.list_containers(&ours).await?;
        let by_name = |name: &str| found.iter().find(|container| container.name == name);
        let first_program = first_program(plan);
        let mut adopted = false;
        for (index, (slot, planned)) in
            state.containers.iter_mut().zip(&plan.containers).enumerate()
        {
            let gone = || ResumeError::NotPrepared {
                run: plan.run.clone(),
                container: planned.name.to_string(),
            };
            let Some(container) = by_name(planned.name.as_str()) else {
                // Of programs, only the first is created with the preparation.
                match planned.process {
                    Process::Program(_) if Some(index) != first_program => continue,
                    Process::Program(_) | Process::Shell(_) => return Err(gone()),
                }
            };
            slot.trace = Trace::Known(container.id.clone());
            if !adopted {
                let details = docker.inspect_container(&container.id).await?;
                state.volumes = volumes.adopt(&details.mounts, &plan.owner, &plan.run).await?;
                adopted = true;
            }
            if matches!(planned.process, Process::Shell(_)) {
                if container.status != ContainerStatus::Running {
                    return Err(gone());
                }
                slot.started = true;
                slot.attach(inputs.attach(&container.id, planned, true).await?);
            }
        }
        for (slot, planned) in state.services.iter_mut().zip(&plan.services) {
            if let Some(container) = by_name(planned.name.as_str()) {
                slot.trace = Trace::Known(container.id.clone());
            }
        }
        if plan.network == NetworkPlan::Bridge {
            state.hosts = service_hosts(docker, plan, &state.services).await?;
        }
        if matches!(plan.network, NetworkPlan::Own(_)) {
            let networks = docker.list_networks(&ours).await?;
            if let Some(network) = networks.into_iter().next() {
                state.network = Trace::Known(network.id);
            }
        }
        Ok(())
    }
}
