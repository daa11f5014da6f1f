//! What all parts of a plan are decided from: the job with its variables, and whose it is.

use std::{collections::BTreeSet, time::Duration};

use volume_manager::{BuildDemand, ContainerPath, OperatingSystem, Provenance, Scope, SpecReader};

use super::RunContext;
use crate::{
    config::ExecutorConfig,
    job::{JobError, JobSpec, Variable},
};

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
    pub(super) build: Option<BuildDemand>,
}

impl<'a> Planner<'a> {
    pub(super) fn new(
        job: &'a JobSpec,
        config: &'a ExecutorConfig,
        context: &'a RunContext,
    ) -> Result<Self, JobError> {
        if job.project.is_empty() {
            return Err(JobError::EmptyProject);
        }
        let scope = Scope::new(&config.owner, &job.project, job.trust).with_key(&job.key);
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

pub(super) fn is_masked(variables: &[Variable], name: &str) -> bool {
    variables.iter().any(|variable| variable.is_masked() && variable.name() == name)
}

/// Past that, nothing of the run should exist: what a sweep by another host goes by.
fn deadline(job: &JobSpec, config: &ExecutorConfig) -> Option<Duration> {
    let cleanup = config.stop_grace.checked_add(config.cleanup_deadline)?;
    let after = job.after_script_timeout.unwrap_or(config.after_script_timeout);
    job.timeout.or(config.default_timeout)?.checked_add(cleanup)?.checked_add(after)
}

/// Of several variables with one name, the last; in the order of the last ones.
fn last_of_each<'a>(variables: impl Iterator<Item = &'a Variable>) -> Vec<Variable> {
    let mut seen = BTreeSet::new();
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
