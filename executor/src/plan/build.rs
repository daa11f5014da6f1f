//! Build and helper containers, and the steps in them.

use std::collections::{BTreeMap, BTreeSet};

use volume_manager::label;

use super::{
    ContainerPlan, ImagePlan, JobNote, JobPlan, NetworkPlan, Process, StepPlan,
    limit::check_arguments,
    network::{mode, shared_network},
    object::{host, labels, object_name, planned_image},
    planner::Planner,
    script,
};
use crate::{
    image::{AllowKind, AllowList},
    job::{ContainerKind, ImageSpec, JobError, StepSpec, StepWhen, Variable},
    shell::{OWN_PREFIX, is_for_steps_only, is_shell_name, normalized, script_of},
};

pub(super) struct Built {
    pub(super) containers: Vec<ContainerPlan>,
    pub(super) steps: Vec<StepPlan>,
    pub(super) after_script: Option<StepPlan>,
}

pub(super) fn build(
    planner: &Planner<'_>,
    network: &NetworkPlan,
    notes: &mut Vec<JobNote>,
) -> Result<Built, JobError> {
    let job = planner.job;
    check_step_names(&job.steps)?;
    let steps: Vec<&StepSpec> = job.steps.iter().filter(|step| !step.command.is_empty()).collect();
    let after = job.after_script.clone().filter(|script| !script.is_empty());
    let after = after.map(|script| StepSpec::new(JobPlan::AFTER_SCRIPT, script));
    if steps.is_empty() && job.shells.is_empty() {
        return Err(JobError::NothingToRun);
    }
    let scripts = &planner.config.scripts;
    let steps = steps.into_iter().cloned().collect::<Vec<_>>();
    // Without steps the job's scripts come at run time, these among them.
    let steps =
        if steps.is_empty() { steps } else { script::with_sources_scripts(steps, scripts)? };
    let needs_shell = |step: &StepSpec| {
        step.command.as_script().is_some()
            || step.container == ContainerKind::Build && script::has_build_scripts(scripts)
    };
    let mut containers = Vec::new();
    let mut shells = BTreeMap::new();
    for kind in [ContainerKind::Build, ContainerKind::Helper] {
        let mut own = steps.iter().chain(&after).filter(|step| step.container == kind);
        if own.any(needs_shell) || job.shells.contains(&kind) {
            check_shell_names(&planner.variables)?;
            let image = image_of(planner, kind);
            let entrypoint = entrypoint(planner, image, notes)?;
            let process = Process::Shell(entrypoint);
            shells.insert(kind, containers.len());
            containers.push(container(planner, kind, process, network, "", notes)?);
        }
    }
    let mut programs = 0;
    let mut decide = |step: &StepSpec| -> Result<StepPlan, JobError> {
        let (container, script) = match (shells.get(&step.container), step.command.as_program()) {
            (Some(shell), _)
                if step.container == ContainerKind::Build && step.name != JobPlan::AFTER_SCRIPT =>
            {
                (*shell, script::with_build_scripts(script_of(step), scripts))
            }
            (Some(shell), _) => (*shell, script_of(step)),
            (None, words) => {
                programs += 1;
                let suffix = if programs == 1 { String::new() } else { format!("-{programs}") };
                let words = words.unwrap_or_default();
                check_arguments(words)?;
                let process = Process::Program(words.to_vec());
                let kind = step.container;
                let plan = self::container(planner, kind, process, network, &suffix, notes)?;
                containers.push(plan);
                (containers.len() - 1, String::new())
            }
        };
        Ok(StepPlan {
            name: step.name.clone(),
            container,
            script,
            when: step.when,
            timeout: step.timeout,
            allow_failure: step.allow_failure,
        })
    };
    let steps = steps.iter().map(&mut decide).collect::<Result<_, _>>()?;
    let after_script = after.as_ref().map(&mut decide).transpose()?;
    let after_script = after_script.map(|step| StepPlan { when: StepWhen::Always, ..step });
    Ok(Built { containers, steps, after_script })
}

fn check_step_names(steps: &[StepSpec]) -> Result<(), JobError> {
    let mut seen = BTreeSet::new();
    for StepSpec { name, .. } in steps {
        let problem = if name.is_empty() {
            "it is empty"
        } else if name == JobPlan::AFTER_SCRIPT {
            "it is the after-script's"
        } else if name.chars().any(char::is_control) || name.len() > 255 {
            "it has control characters in it or more than 255 bytes"
        } else if !seen.insert(name) {
            "another step has it"
        } else {
            continue;
        };
        return Err(JobError::StepName { name: name.clone(), problem });
    }
    Ok(())
}

/// A secret reaches a step's shell as a variable that the supervisor exports.
fn check_shell_names(variables: &[Variable]) -> Result<(), JobError> {
    for variable in variables.iter().filter(|variable| is_secret(variable)) {
        let name = variable.name();
        let problem = if !is_shell_name(name) {
            "it is masked, so its name must be one that a shell takes: letters and digits of ASCII \
             and `_`, no digit first"
        } else if name.starts_with(OWN_PREFIX) {
            "it is masked, so its name must not begin with `berth_`"
        } else {
            continue;
        };
        return Err(JobError::Variable { name: name.to_owned(), problem });
    }
    Ok(())
}

fn image_of<'a>(planner: &Planner<'a>, kind: ContainerKind) -> &'a ImageSpec {
    let job = planner.job;
    match kind {
        ContainerKind::Build => &job.image,
        ContainerKind::Helper => {
            let configured = planner.config.images.helper.as_ref();
            job.helper_image.as_ref().or(configured).unwrap_or(&job.image)
        }
    }
}

fn entrypoint(
    planner: &Planner<'_>,
    image: &ImageSpec,
    notes: &mut Vec<JobNote>,
) -> Result<Vec<String>, JobError> {
    let entrypoint = normalized(&image.entrypoint);
    if planner.config.containers.ignore_entrypoint && !entrypoint.is_empty() {
        notes.push(JobNote::EntrypointIgnored { image: image.name.to_string() });
        return Ok(Vec::new());
    }
    if entrypoint.first().is_some_and(String::is_empty) {
        return Err(JobError::Entrypoint { image: image.name.to_string() });
    }
    Ok(entrypoint.to_vec())
}

fn container(
    planner: &Planner<'_>,
    kind: ContainerKind,
    process: Process,
    network: &NetworkPlan,
    suffix: &str,
    notes: &mut Vec<JobNote>,
) -> Result<ContainerPlan, JobError> {
    let settings = &planner.config.containers;
    let image = image_of(planner, kind);
    let letter = match kind {
        ContainerKind::Build => "b1",
        ContainerKind::Helper => "h1",
    };
    let name = object_name(letter, &planner.job.project, planner.run, suffix)?;
    let is_shell = matches!(process, Process::Shell(_));
    let privileged = &settings.privileged_images;
    let mut host = host(&settings.host, privileged, AllowKind::PrivilegedImages, image, notes)?;
    if kind == ContainerKind::Helper {
        host.pid_mode = None;
    }
    if *network != NetworkPlan::None {
        host.network_mode = mode(network);
    }
    let mut labels = labels(planner, kind.as_str())?;
    if settings.keep_anonymous_volumes {
        // A sweep knows no more of the job than its labels.
        labels.insert(label::ANONYMOUS_VOLUMES.to_owned(), label::KEPT.to_owned());
    }
    Ok(ContainerPlan {
        kind,
        name,
        image: image_plan(planner, image)?,
        process,
        environment: environment(&planner.variables, is_shell),
        working_directory: planner.working_directory.as_ref().map(ToString::to_string),
        user: user(planner, kind, image)?,
        labels,
        host,
        hostname: settings.hostname.clone(),
        mac_address: settings.mac_address.clone(),
        network: shared_network(network),
        log_options: settings.log_options.clone(),
        keep_anonymous_volumes: settings.keep_anonymous_volumes,
    })
}

/// The variables that are part of a container: of a shell's, no secrets, as those are fed to it, and
/// none that are for the shells of steps alone.
fn environment(variables: &[Variable], is_shell: bool) -> Vec<String> {
    let is_part = |variable: &&Variable| {
        !is_shell || !(is_secret(variable) || is_for_steps_only(variable.name(), variable.value()))
    };
    variables.iter().filter(is_part).map(definition).collect()
}

/// The variables that are for the shells of steps alone, `NAME=value`.
pub(super) fn step_environment(variables: &[Variable]) -> Vec<String> {
    let is_part = |variable: &&Variable| {
        !is_secret(variable) && is_for_steps_only(variable.name(), variable.value())
    };
    variables.iter().filter(is_part).map(definition).collect()
}

fn is_secret(variable: &Variable) -> bool {
    variable.is_masked() && !variable.is_file()
}

/// A variable as an environment has it: of a file, its path.
fn definition(variable: &Variable) -> String {
    let name = variable.name();
    if variable.is_file() {
        format!("{name}={}/{name}", JobPlan::FILES)
    } else {
        format!("{name}={}", variable.value())
    }
}

/// Who runs a container: whom the configuration says, or else whom the job says if it may. A helper
/// image of the configuration's own runs as the configuration says of it.
fn user(
    planner: &Planner<'_>,
    kind: ContainerKind,
    image: &ImageSpec,
) -> Result<Option<String>, JobError> {
    let settings = &planner.config.containers;
    let wanted = image.user.as_deref().map(|user| planner.expand("user", user)).transpose()?;
    let helper_is_configured =
        planner.job.helper_image.is_none() && planner.config.images.helper.is_some();
    if kind == ContainerKind::Helper && helper_is_configured {
        return Ok(wanted);
    }
    let configured = settings.user.as_deref();
    let allowed = AllowList::new(AllowKind::Users, &settings.allowed_users)?;
    let chosen = configured.map(ToOwned::to_owned).or(wanted);
    allowed.check_user(chosen.as_deref().unwrap_or_default(), configured)?;
    Ok(chosen)
}

fn image_plan(planner: &Planner<'_>, image: &ImageSpec) -> Result<ImagePlan, JobError> {
    let images = &planner.config.images;
    let allowed = AllowList::new(AllowKind::Images, &images.allowed_images)?;
    let configured = [&images.default, &images.helper].into_iter().flatten();
    let configured: Vec<_> = configured.map(|image| image.name.as_str()).collect();
    // The configuration's own helper image needs no leave; `configured` has it.
    allowed.check_image(image.name.as_str(), &configured)?;
    planned_image(planner, image)
}
