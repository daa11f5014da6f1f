//! The decision: everything that a run creates and does.

use super::{
    JobPlan, NetworkPlan, PlanVersion, RunContext, Secret, Timeouts, build, limit, mask, network,
    planner::Planner, redact::redact_error, service, volumes::volumes,
};
use crate::{
    config::ExecutorConfig,
    job::{JobError, JobSpec},
};

/// The variable by which a job brings credentials for registries, as in GitLab.
const REGISTRY_CONFIG: &str = "DOCKER_AUTH_CONFIG";

/// Decides everything that a run creates and does, for an engine on another host. Reads nothing from
/// the file system; equal arguments give equal plans.
///
/// Host paths are judged by their text alone, because links and mounts on the engine's host cannot be
/// inspected. For an engine on this host use [`plan()`](crate::plan()), which inspects them.
///
/// # Errors
/// [`JobError`] when the job cannot be run as it is described, or may not.
pub fn plan_for_remote_engine(
    job: &JobSpec,
    config: &ExecutorConfig,
    context: &RunContext,
) -> Result<JobPlan, JobError> {
    decide(job, config, context).map_err(|error| redact_error(error, job, config))
}

fn decide(
    job: &JobSpec,
    config: &ExecutorConfig,
    context: &RunContext,
) -> Result<JobPlan, JobError> {
    let planner = Planner::new(job, config, context)?;
    limit::check_variables(&planner.variables)?;
    let mut notes = Vec::new();
    let network = network::network(&planner)?;
    let services = service::services(&planner, &network, &mut notes)?;
    let build::Built { mut containers, mut steps, after_script } =
        build::build(&planner, &network, &mut notes)?;
    if network == NetworkPlan::Host {
        // No name server knows the services there.
        let aliases = services.iter().flat_map(|service| &service.aliases);
        let hosts: Vec<_> = aliases.map(|alias| format!("{alias}:127.0.0.1")).collect();
        for container in &mut containers {
            container.host.extra_hosts.extend(hosts.iter().cloned());
        }
    }
    let files = planner.variables.iter().filter(|variable| variable.is_file());
    let secrets = mask::secrets(&planner, &mut notes)?;
    mask::mask_step_names(&mut steps, &secrets)?;
    Ok(JobPlan {
        version: PlanVersion,
        run: context.run.clone(),
        owner: config.owner.clone(),
        job: job.id.clone(),
        project: job.project.clone(),
        volumes: volumes(&planner)?,
        build_folder: planner.build.as_ref().map(|build| build.folder.to_string()),
        network,
        services,
        containers,
        steps,
        after_script,
        timeouts: Timeouts {
            job: job.timeout.or(config.default_timeout),
            prepare: job.prepare_timeout.or(config.prepare_timeout),
            script: job.script_timeout,
            after_script: job.after_script_timeout.unwrap_or(config.after_script_timeout),
            service: config.services.ready_timeout,
            stop_grace: config.stop_grace,
            cleanup: config.cleanup_deadline,
            stall: config.images.stall_timeout,
        },
        log_limit: config.log_limit,
        exports: planner
            .variables
            .iter()
            .filter(|variable| variable.is_masked() && !variable.is_file())
            .map(|variable| (variable.name().to_owned(), Secret(variable.value().to_owned())))
            .collect(),
        step_environment: build::step_environment(&planner.variables),
        files: files
            .map(|variable| (variable.name().to_owned(), Secret(variable.value().to_owned())))
            .collect(),
        secrets,
        registries: job.registries.clone(),
        registry_config: planner
            .variables
            .iter()
            .find(|variable| variable.name() == REGISTRY_CONFIG)
            .map(|variable| Secret(variable.value().to_owned())),
        notes,
    })
}
