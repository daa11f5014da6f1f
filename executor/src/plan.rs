//! From a job's description to everything that will be asked of the engine: pure.

use std::{
    fmt::Write as _,
    time::{Duration, SystemTime},
};

use docker_api_trait::ContainerName;
use volume_manager::{
    Provenance, Scope, VolumeDemand, VolumePlan, label, name, plan as plan_volumes,
};

use crate::{ContainerPlan, ExecutorConfig, JobError, JobSpec, Variable};

/// What makes a run different from every other: drawn once, and handed in, so that planning stays
/// a function.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RunContext {
    /// The run's unique id: 32 hexadecimal digits.
    pub run: String,
    /// The process that carries it out.
    pub instance: String,
    /// When it begins.
    pub now: SystemTime,
}

impl RunContext {
    /// A run that begins now, with an id drawn by the operating system.
    ///
    /// # Panics
    /// When the operating system has no random numbers to give, without which no two runs could be
    /// told apart.
    pub fn draw() -> Self {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).expect("the operating system gives random numbers");
        let run = bytes.iter().fold(String::new(), |mut digits, byte| {
            // Writing to a string cannot fail.
            let _ = write!(digits, "{byte:02x}");
            digits
        });
        Self::new(run, format!("pid-{}", std::process::id()), SystemTime::now())
    }

    /// A run by its id, process and beginning.
    pub fn new(run: impl Into<String>, instance: impl Into<String>, now: SystemTime) -> Self {
        Self { run: run.into(), instance: instance.into(), now }
    }
}

/// All that a run will make and do. A function of the job, the configuration and the
/// [`RunContext`]; showing it to a person needs no engine.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct JobPlan {
    /// The run's unique id.
    pub run: String,
    /// The project that the job belongs to.
    pub project: String,
    /// The volumes.
    pub volumes: VolumePlan,
    /// The container.
    pub container: ContainerPlan,
    /// How long the run may take.
    pub timeout: Option<Duration>,
}

/// Decides all that a run will make and do. No I/O; equal arguments give equal plans.
///
/// # Errors
/// [`JobError`] when the job cannot be run as it is described.
pub fn plan(
    job: &JobSpec,
    config: &ExecutorConfig,
    context: &RunContext,
) -> Result<JobPlan, JobError> {
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
    provenance.deadline = job.timeout.and_then(|timeout| {
        // Past that, and the time that cleanup may take, nothing of the run should exist.
        let cleanup = config.stop_grace.checked_add(config.cleanup_deadline)?;
        context.now.checked_add(timeout.checked_add(cleanup)?)
    });
    let demand = VolumeDemand::new(job.volumes.iter().filter_map(|text| text.parse().ok()));
    let volumes = plan_volumes(&demand, &scope, &provenance, &config.policy)?;
    let mut labels = label::common("build", &scope, &provenance);
    if let Some(deadline) = provenance.deadline {
        labels.insert(label::DEADLINE.to_owned(), label::timestamp(deadline));
    }
    let container_name = format!("{}b1-{}-{}", name::PREFIX, name::hint(&job.project), context.run);
    Ok(JobPlan {
        run: context.run.clone(),
        project: job.project.clone(),
        volumes,
        container: ContainerPlan {
            name: ContainerName::new(container_name).map_err(|_| JobError::RunId)?,
            image: job.image.name.clone(),
            command: job
                .steps
                .iter()
                .find_map(|step| {
                    Some(vec![
                        "sh".to_owned(),
                        "-c".to_owned(),
                        step.command.as_script()?.to_owned(),
                    ])
                })
                .unwrap_or_default(),
            variables: last_of_each(&job.variables),
            working_directory: None,
            user: job.image.user.clone(),
            labels,
        },
        timeout: job.timeout,
    })
}

/// Of several variables with one name, the last; in the order of the last ones.
fn last_of_each(variables: &[Variable]) -> Vec<Variable> {
    let is_last = |(index, variable): &(usize, &Variable)| {
        !variables[index + 1..].iter().any(|later| later.name() == variable.name())
    };
    variables.iter().enumerate().filter(is_last).map(|(_, variable)| variable.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Command;

    fn job() -> JobSpec {
        JobSpec::new("Group/App", "busybox".parse().unwrap(), Command::script("true").unwrap())
    }

    fn context() -> RunContext {
        RunContext::new("0123456789abcdef0123456789abcdef", "test", SystemTime::UNIX_EPOCH)
    }

    fn planned(job: &JobSpec) -> JobPlan {
        plan(job, &ExecutorConfig::new("ci"), &context()).unwrap()
    }

    #[test]
    fn equal_arguments_give_equal_plans() {
        assert_eq!(planned(&job()), planned(&job()));
    }

    #[test]
    fn two_runs_draw_different_ids() {
        let (one, other) = (RunContext::draw(), RunContext::draw());
        assert_ne!(one.run, other.run);
        assert_eq!(one.run.len(), 32);
    }

    #[test]
    fn the_container_is_named_after_project_and_run_and_labelled_from_birth() {
        let container = planned(&job()).container;
        assert_eq!(container.name.as_str(), "berth-b1-group-app-0123456789abcdef0123456789abcdef");
        for (key, value) in [
            (label::KIND, "build"),
            (label::OWNER, "ci"),
            (label::RUN, "0123456789abcdef0123456789abcdef"),
            (label::PROJECT, "Group/App"),
        ] {
            assert_eq!(container.labels.get(key).map(String::as_str), Some(value), "{key}");
        }
    }

    #[test]
    fn a_time_limit_becomes_a_deadline_in_the_labels() {
        let mut job = job();
        job.timeout = Some(Duration::from_secs(50));
        let labels = planned(&job).container.labels;
        // 50 s, 10 s of grace and 60 s of cleanup after the epoch.
        assert_eq!(labels.get(label::DEADLINE).map(String::as_str), Some("1970-01-01T00:02:00Z"));
    }

    #[test]
    fn of_two_variables_with_one_name_the_last_counts() {
        let mut job = job();
        job.variables =
            ["A=1", "B=2", "A=3"].iter().map(|text| Variable::parse(text).unwrap()).collect();
        let request = planned(&job).container.request(Vec::new());
        assert_eq!(request.environment, ["B=2", "A=3"]);
    }

    #[test]
    fn the_images_entrypoint_is_not_in_the_way_of_a_script() {
        let request = planned(&job()).container.request(Vec::new());
        assert_eq!(
            (request.entrypoint, request.arguments),
            (vec!["sh".to_owned()], vec!["-c".to_owned(), "true".to_owned()])
        );
    }

    #[test]
    fn a_project_needs_a_name() {
        let mut job = job();
        job.project.clear();
        let error = plan(&job, &ExecutorConfig::new("ci"), &context()).unwrap_err();
        assert_eq!(error, JobError::EmptyProject);
    }
}
