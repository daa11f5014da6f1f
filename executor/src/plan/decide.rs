//! The decision.

use std::time::Duration;

use volume_manager::{
    BuildDemand, ContainerPath, HostPath, KeyedCache, OperatingSystem, Policy, Provenance,
    RealPath, Scope, SpecOrigin, SpecProblem, SpecReader, VolumeDemand, VolumeSource, VolumeSpec,
    plan as plan_volumes,
};

use super::{JobPlan, NetworkPlan, RunContext, Timeouts, build, limit, mask, service};
use crate::{CacheMode, ExecutorConfig, JobError, JobSpec, Variable, plan::Secret};

/// The variable by which a job brings credentials for registries, as in GitLab.
const REGISTRY_CONFIG: &str = "DOCKER_AUTH_CONFIG";

/// What all parts of a plan are decided from.
pub(super) struct Planner<'a> {
    pub(super) job: &'a JobSpec,
    pub(super) config: &'a ExecutorConfig,
    pub(super) run: &'a str,
    pub(super) scope: Scope,
    pub(super) provenance: Provenance,
    /// The configuration's and the job's, each name once.
    pub(super) variables: Vec<Variable>,
    /// With the variables that may show: what is expanded becomes names, labels and paths.
    pub(super) reader: SpecReader,
    /// With secrets, too: for what only a service is given.
    private: SpecReader,
    pub(super) working_directory: Option<ContainerPath>,
    build: Option<BuildDemand>,
}

/// Decides all that a run will make and do. No I/O; equal arguments give equal plans.
///
/// # Errors
/// [`JobError`] when the job cannot be run as it is described, or may not.
pub fn plan(
    job: &JobSpec,
    config: &ExecutorConfig,
    context: &RunContext,
) -> Result<JobPlan, JobError> {
    decide(job, config, context).map_err(|error| mask::redact_error(error, job, config))
}

fn decide(
    job: &JobSpec,
    config: &ExecutorConfig,
    context: &RunContext,
) -> Result<JobPlan, JobError> {
    let planner = Planner::new(job, config, context)?;
    limit::check_variables(&planner.variables)?;
    let mut notes = Vec::new();
    let network = service::network(&planner)?;
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
        run: context.run.clone(),
        owner: config.owner.clone(),
        project: job.project.clone(),
        volumes: planner.volumes()?,
        build_folder: planner.build.as_ref().map(|build| build.folder.to_string()),
        network,
        services,
        containers,
        steps,
        after_script,
        timeouts: Timeouts {
            job: job.timeout,
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

impl<'a> Planner<'a> {
    fn new(
        job: &'a JobSpec,
        config: &'a ExecutorConfig,
        context: &'a RunContext,
    ) -> Result<Self, JobError> {
        if job.project.is_empty() {
            return Err(JobError::EmptyProject);
        }
        let scope = Scope {
            owner: config.owner.clone(),
            project: job.project.clone(),
            trust: job.trust,
            key: job.key.clone(),
        };
        let mut provenance = Provenance::new(context.run.clone(), context.now);
        provenance.instance.clone_from(&context.instance);
        provenance.job.clone_from(&job.id);
        provenance.reference.clone_from(&job.reference);
        provenance.pipeline.clone_from(&job.pipeline);
        provenance.deadline =
            deadline(job, config).and_then(|after| context.now.checked_add(after));
        let variables = last_of_each(config.variables.iter().chain(&job.variables));
        for variable in variables.iter().filter(|variable| variable.is_file()) {
            check_file_name(variable.name())?;
        }
        let value = |one: &Variable| (one.name().to_owned(), one.value().to_owned());
        let linux = SpecReader::new(OperatingSystem::Linux);
        let private = linux.clone().with_variables(variables.iter().map(value));
        let open = variables.iter().filter(|one| !one.is_masked()).map(value);
        let mut reader = linux.with_variables(open);
        let expand = |reader: &SpecReader, what, text: &str| expand(reader, what, text, &variables);
        let mut working_directory = None;
        if let Some(text) = &job.working_directory {
            let expanded = expand(&reader, "working directory", text)?;
            let folder: ContainerPath = expanded.parse().map_err(|problem| {
                JobError::WorkingDirectory { folder: expanded.clone(), problem }
            })?;
            if folder.is_reserved() {
                return Err(JobError::ReservedWorkingDirectory { folder });
            }
            reader = reader.with_working_directory(folder.clone());
            working_directory = Some(folder);
        }
        let mut build = None;
        if let Some(wanted) = &job.build {
            let folder = expand(&reader, "build folder", &wanted.folder)?;
            let folder: ContainerPath = folder.parse().map_err(|problem| {
                JobError::WorkingDirectory { folder: folder.clone(), problem }
            })?;
            build = Some(BuildDemand::new(folder, wanted.strategy));
        }
        let run = context.run.as_str();
        Ok(Self {
            job,
            config,
            run,
            scope,
            provenance,
            variables,
            reader,
            private,
            working_directory,
            build,
        })
    }

    fn volumes(&self) -> Result<volume_manager::VolumePlan, JobError> {
        let mut specs = Vec::new();
        let mut granted = Vec::new();
        for text in &self.config.volumes {
            let reader = self.reader.clone().with_origin(SpecOrigin::Operator);
            let spec = self.read(&reader, text)?;
            match origin_of(text, &spec, &reader, &self.config.policy) {
                SpecOrigin::Operator => granted.push(spec),
                _ => specs.push(self.read(&self.reader, text)?),
            }
        }
        for text in &self.job.volumes {
            specs.push(self.read(&self.reader, text)?);
        }
        let mut keyed = Vec::new();
        for cache in &self.job.caches {
            let key = self.expand("cache key", &cache.key)?;
            let key = if key.is_empty() { self.job.key.clone() } else { key };
            for path in &cache.paths {
                let spec = self.read(&self.reader, path)?;
                if spec.source != VolumeSource::Cache || spec.options().next().is_some() {
                    return Err(JobError::CachePath { path: path.clone() });
                }
                let mut keyed_cache = KeyedCache::new(key.clone(), spec.destination);
                keyed_cache.read_only = cache.mode == CacheMode::Pull;
                keyed.push(keyed_cache);
            }
        }
        let tmpfs = self.config.containers.host.tmpfs.keys();
        let tmpfs = tmpfs.filter_map(|path| path.parse::<ContainerPath>().ok());
        let mut demand =
            VolumeDemand::new(specs).with_granted(granted).with_keyed(keyed).with_tmpfs(tmpfs);
        demand.build.clone_from(&self.build);
        Ok(plan_volumes(&demand, &self.scope, &self.provenance, &self.config.policy)?)
    }

    /// A volume's spec with the variables that may show.
    fn read(&self, reader: &SpecReader, text: &str) -> Result<VolumeSpec, JobError> {
        reader.read(text).map_err(|error| match &error.problem {
            SpecProblem::UndefinedVariable(name) if is_masked(&self.variables, name) => {
                JobError::MaskedVariable { what: "volume", name: name.clone() }
            }
            _ => error.into(),
        })
    }

    /// `text` with all of the job's variables put in, for what only a service is given.
    pub(super) fn expand_private(
        &self,
        what: &'static str,
        text: &str,
    ) -> Result<String, JobError> {
        expand(&self.private, what, text, &[])
    }

    /// `text` with the job's variables put in, but for secrets.
    pub(super) fn expand(&self, what: &'static str, text: &str) -> Result<String, JobError> {
        expand(&self.reader, what, text, &self.variables)
    }
}

/// Whose permission a volume of the configuration needs. A job can set every variable, so a source with
/// variables has the operator's only if no value changes where the other components are: each component
/// with a variable expands to one component, and the path begins with the text before the first variable.
/// Where the policy has real paths, no link may lead out of the directory before that variable either:
/// an earlier job may have created the link.
fn origin_of(text: &str, spec: &VolumeSpec, reader: &SpecReader, policy: &Policy) -> SpecOrigin {
    let source = text.split(':').next().unwrap_or_default();
    let Some((fixed, _)) = source.split_once('$') else { return SpecOrigin::Operator };
    let path = match &spec.source {
        VolumeSource::Host(path) => path,
        VolumeSource::Cache => return SpecOrigin::Operator,
        _ => return SpecOrigin::Job,
    };
    let is_one_component = |component: &str| {
        let expanded = reader.expand(component).unwrap_or_default();
        !expanded.contains('/') && !matches!(expanded.as_str(), "" | "." | "..")
    };
    let mut components = source.split('/').filter(|component| component.contains('$'));
    let stays = components.all(is_one_component) && stays_below(fixed, path, policy) == Some(true);
    if stays { SpecOrigin::Operator } else { SpecOrigin::Job }
}

/// Whether `path` begins with the text `fixed`, and is below the directory in it also where links lead.
/// `None` if that directory is not a usable path.
fn stays_below(fixed: &str, path: &HostPath, policy: &Policy) -> Option<bool> {
    let (directory, prefix) = fixed.rsplit_once('/')?;
    let directory: HostPath = directory.parse().ok()?;
    let rest = path.as_str().strip_prefix(directory.as_str())?.strip_prefix('/')?;
    if directory.as_str() == "/" || !rest.starts_with(prefix) {
        return Some(false);
    }
    let real = |path| match policy.real_paths.get(path) {
        Some(RealPath::Reaches(reached)) => reached.first(),
        _ => None,
    };
    Some(match (real(&directory), real(path)) {
        (real_directory, Some(path)) => {
            let directory = real_directory.unwrap_or(&directory);
            path != directory && directory.contains(path)
        }
        // A link that leads nowhere, or to where this user cannot look.
        (Some(_), None) => false,
        (None, None) => true,
    })
}

fn expand(
    reader: &SpecReader,
    what: &'static str,
    text: &str,
    variables: &[Variable],
) -> Result<String, JobError> {
    reader.expand(text).map_err(|name| {
        if is_masked(variables, &name) {
            JobError::MaskedVariable { what, name }
        } else {
            JobError::UndefinedVariable { what, name }
        }
    })
}

fn is_masked(variables: &[Variable], name: &str) -> bool {
    variables.iter().any(|variable| variable.is_masked() && variable.name() == name)
}

/// Past that, nothing of the run should exist: what a sweep by another host goes by.
fn deadline(job: &JobSpec, config: &ExecutorConfig) -> Option<Duration> {
    let cleanup = config.stop_grace.checked_add(config.cleanup_deadline)?;
    let after = job.after_script_timeout.unwrap_or(config.after_script_timeout);
    job.timeout?.checked_add(cleanup)?.checked_add(after)
}

/// Of several variables with one name, the last; in the order of the last ones.
fn last_of_each<'a>(variables: impl Iterator<Item = &'a Variable>) -> Vec<Variable> {
    let mut seen = std::collections::BTreeSet::new();
    let mut last: Vec<Variable> = Vec::new();
    let all: Vec<_> = variables.collect();
    for variable in all.into_iter().rev() {
        if seen.insert(variable.name()) {
            last.push(variable.clone());
        }
    }
    last.reverse();
    last
}

/// The name becomes a file's.
fn check_file_name(name: &str) -> Result<(), JobError> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    if name.bytes().all(fits) && !matches!(name, "." | "..") && name.len() <= 200 {
        return Ok(());
    }
    Err(JobError::Variable {
        name: name.to_owned(),
        problem: "it is a file, so its name may only hold letters and digits of ASCII, `_`, `.` \
                  and `-`",
    })
}
