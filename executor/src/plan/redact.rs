//! Removes a job's secrets from the errors of planning.

use volume_manager::{ContainerPath, PlanError, SpecError, SpecProblem};

use crate::{
    config::ExecutorConfig,
    image::AllowError,
    job::{JobError, JobSpec, Variable},
    log::mask_forms,
    redact::Redactor,
};

/// Returns the error without the values of the job's secrets, which a user may have written into a name,
/// a path or a label.
///
/// The match names every variant and every field, so that a new one does not compile until its text is
/// redacted. Container paths and volume names that no longer parse without the secret are replaced.
pub(super) fn redact_error(error: JobError, job: &JobSpec, config: &ExecutorConfig) -> JobError {
    let of_services = job.services.iter().flat_map(|service| &service.variables);
    let given = config.variables.iter().chain(&job.variables).chain(of_services);
    let values = given.filter(|variable| variable.is_masked()).map(Variable::value);
    let passwords = job.registries.iter().map(|login| login.password.as_str());
    let forms: Vec<String> = values.chain(passwords).flat_map(mask_forms).collect();
    let redactor = Redactor::new(forms.iter().map(String::as_str));
    let text = |text: String| redactor.text(text);
    match error {
        JobError::StepCommand { step } => JobError::StepCommand { step: text(step) },
        JobError::Entrypoint { image } => JobError::Entrypoint { image: text(image) },
        JobError::Variable { name, problem } => JobError::Variable { name: text(name), problem },
        JobError::LongVariable { name, bytes, limit } => {
            JobError::LongVariable { name: text(name), bytes, limit }
        }
        JobError::StepName { name, problem } => JobError::StepName { name: text(name), problem },
        JobError::UndefinedVariable { what, name } => {
            JobError::UndefinedVariable { what, name: text(name) }
        }
        JobError::MaskedVariable { what, name } => {
            JobError::MaskedVariable { what, name: text(name) }
        }
        JobError::WorkingDirectory { folder, problem } => {
            JobError::WorkingDirectory { folder: text(folder), problem }
        }
        JobError::ReservedWorkingDirectory { folder } => {
            JobError::ReservedWorkingDirectory { folder: redact_path(&redactor, folder) }
        }
        JobError::CachePath { path } => JobError::CachePath { path: text(path) },
        JobError::ReservedLabel { key } => JobError::ReservedLabel { key: text(key) },
        JobError::Alias { alias } => JobError::Alias { alias: text(alias) },
        JobError::ServicesWithoutNetwork { mode } => {
            JobError::ServicesWithoutNetwork { mode: text(mode) }
        }
        JobError::NotAllowed(error) => JobError::NotAllowed(redact_allow_error(&redactor, error)),
        JobError::Spec(error) => JobError::Spec(redact_spec_error(&redactor, error)),
        JobError::Volumes(error) => JobError::Volumes(redact_plan_error(&redactor, error)),
        // They repeat no text of the job.
        error @ (JobError::EmptyProgram
        | JobError::LongScript { bytes: _, limit: _ }
        | JobError::NulInCommand
        | JobError::LongEnvironment { bytes: _, limit: _ }
        | JobError::LongArgument { bytes: _, limit: _ }
        | JobError::EmptyProject
        | JobError::RunId
        | JobError::NothingToRun
        | JobError::TooManyServices { services: _, limit: _ }
        | JobError::PullPolicy(_)) => error,
    }
}

fn redact_allow_error(redactor: &Redactor, error: AllowError) -> AllowError {
    let text = |text: String| redactor.text(text);
    match error {
        AllowError::Pattern { kind, pattern, problem } => {
            AllowError::Pattern { kind, pattern: text(pattern), problem: text(problem) }
        }
        AllowError::NotAllowed { kind, value, patterns } => AllowError::NotAllowed {
            kind,
            value: text(value),
            patterns: patterns.into_iter().map(text).collect(),
        },
        AllowError::Excluded { kind, value, pattern } => {
            AllowError::Excluded { kind, value: text(value), pattern: text(pattern) }
        }
    }
}

fn redact_spec_error(redactor: &Redactor, mut error: SpecError) -> SpecError {
    let text = |text: String| redactor.text(text);
    error.problem = match error.problem {
        SpecProblem::UndefinedVariable(name) => SpecProblem::UndefinedVariable(text(name)),
        SpecProblem::Name(mut invalid) => {
            // It is cut short, perhaps within a secret; the part has the whole text.
            invalid.value = text(error.text.clone());
            SpecProblem::Name(invalid)
        }
        problem => problem,
    };
    error.spec = text(error.spec);
    error.text = text(error.text);
    error
}

fn redact_plan_error(redactor: &Redactor, mut error: PlanError) -> PlanError {
    let redact = |text: &mut String| *text = redactor.text(std::mem::take(text));
    let redact_path = |path: &mut ContainerPath| *path = redact_path(redactor, path.clone());
    match &mut error {
        PlanError::DestinationTaken { destination, first, second } => {
            redact_path(destination);
            redact(first);
            redact(second);
        }
        PlanError::ReservedDestination { destination }
        | PlanError::HostOptionRefused { destination, option: _ }
        | PlanError::OptionRefused { destination, option: _ } => redact_path(destination),
        PlanError::ReservedName { name } | PlanError::NamedVolumeRefused { name } => {
            let redacted = redactor.text(name.to_string());
            if redacted != name.as_str()
                && let Ok(placeholder) = redacted.replace('…', "masked").parse()
            {
                *name = placeholder;
            }
        }
        PlanError::HostPathRefused { path, destination }
        | PlanError::HostPathUnknown { path, destination }
        | PlanError::EngineSocketRefused { path, destination, origin: _ } => {
            redact(path);
            redact_path(destination);
        }
        PlanError::EngineSocketReached { path, real, destination, origin: _ } => {
            redact(path);
            redact(real);
            redact_path(destination);
        }
        PlanError::HostPath { path, problem: _ } => redact(path),
        PlanError::Unmountable { destination, problem } => {
            redact_path(destination);
            redact(problem);
        }
        PlanError::Driver { name } => redact(name),
        // The enum is non-exhaustive; `Text` repeats no text of the job.
        _ => {}
    }
    error
}

fn redact_path(redactor: &Redactor, path: ContainerPath) -> ContainerPath {
    let redacted = redactor.text(path.to_string());
    if redacted == path.to_string() {
        return path;
    }
    let placeholder = redacted.parse().or_else(|_| "/masked".parse());
    placeholder.unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        host::plan,
        job::{Command, StepSpec},
        plan::RunContext,
    };
    use volume_manager::Trust;

    const SECRET: &str = "s3cret-value";

    fn job(names: &[&str]) -> JobSpec {
        let image: docker_api_trait::ImageReference = "busybox".parse().unwrap();
        let steps = names
            .iter()
            .map(|name| StepSpec::new((*name).to_owned(), Command::script("true").unwrap()));
        let mut job = JobSpec::with_steps("app", Trust::Trusted, image, steps);
        job.variables.push(Variable::new("TOKEN", SECRET).unwrap().masked());
        job
    }

    #[test]
    fn errors_of_step_names_do_not_show_secrets() {
        let twice = format!("deploy {SECRET}");
        let long = format!("{SECRET}{}", "x".repeat(256));
        for names in [vec![twice.as_str(), twice.as_str()], vec![long.as_str()]] {
            let error = plan(&job(&names), &ExecutorConfig::new("ci"), &RunContext::draw());
            let error = error.unwrap_err();
            assert!(matches!(error, JobError::StepName { .. }), "{error:?}");
            assert!(!format!("{error} {error:?}").contains(SECRET), "{error:?}");
        }
    }

    #[test]
    fn redacts_every_text_that_an_error_repeats() {
        let job = job(&["a"]);
        let config = ExecutorConfig::new("ci");
        let folder: ContainerPath = format!("/proc/{SECRET}").parse().unwrap();
        let reader = volume_manager::SpecReader::new(volume_manager::OperatingSystem::Linux);
        let name = format!("{}{SECRET}!", "x".repeat(75));
        let spec = reader.read(&format!("{name}:/data")).unwrap_err();
        let volume = PlanError::NamedVolumeRefused { name: SECRET.parse().unwrap() };
        for error in [
            JobError::Alias { alias: format!("db {SECRET}") },
            JobError::CachePath { path: format!("/{SECRET}:ro") },
            JobError::ReservedLabel { key: format!("dev.berth.{SECRET}") },
            JobError::ReservedWorkingDirectory { folder: folder.clone() },
            JobError::Spec(spec),
            JobError::Volumes(PlanError::ReservedDestination { destination: folder }),
            JobError::Volumes(volume),
        ] {
            let redacted = redact_error(error.clone(), &job, &config);
            assert_ne!(redacted, error);
            let shown = format!("{redacted} {redacted:?}");
            assert!(!shown.contains("s3cre"), "{shown}");
        }
    }
}
