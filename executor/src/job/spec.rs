//! The job itself.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use volume_manager::{BuildStrategy, Trust};

use super::{
    CacheSpec, Command, ContainerKind, ImageSpec, RegistryLogin, ServiceSpec, StepSpec, Variable,
    step::Script, time, variable,
};

/// A job: steps in a build container and, where a step asks for it, in a helper container, with
/// services beside them. It can be written as TOML or JSON; unknown keys and wrong types are errors.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct JobSpec {
    /// The job's name or number, in its author's terms; only written into labels.
    #[serde(default)]
    pub id: String,
    /// The project that it belongs to; its caches are the project's.
    pub project: String,
    /// The branch or tag that it is for; only written into labels.
    #[serde(default, rename = "ref", skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// The pipeline that it is part of; only written into labels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pipeline: Option<String>,
    /// How far its code is to be believed; trusted and untrusted jobs have different caches.
    /// Required, so that nobody forgets it.
    pub trust: Trust,
    /// Tells apart several sets of caches of one project; empty as a rule.
    #[serde(default)]
    pub key: String,
    /// The image of its build container.
    pub image: ImageSpec,
    /// The image of its helper container; `None` is the configuration's, or else the job's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub helper_image: Option<ImageSpec>,
    /// The services that it talks to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub services: Vec<ServiceSpec>,
    /// Environment variables; of several with one name the last counts.
    #[serde(default, with = "variable::table", skip_serializing_if = "Vec::is_empty")]
    pub variables: Vec<Variable>,
    /// The folder that the steps start in; variables are expanded. `None` is the image's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub working_directory: Option<String>,
    /// The folder that it builds in, if that is to be a volume.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub build: Option<BuildSpec>,
    /// Volumes that it asks for, as specs: `/cache`, `data:/data:ro`. Variables are expanded.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub volumes: Vec<String>,
    /// Caches with keys of their own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub caches: Vec<CacheSpec>,
    /// What it runs, in order.
    pub steps: Vec<StepSpec>,
    /// The containers that get a shell even if no step needs it, for scripts that come while the job
    /// runs ([`Executor::run_script`](crate::executor::Executor::run_script)). With one of them, a job needs no
    /// steps.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shells: Vec<ContainerKind>,
    /// A script that runs after the steps, whatever became of them, also after a cancellation and
    /// after the script's time is up. Its own failure is reported and changes nothing.
    #[serde(default, with = "after_script", skip_serializing_if = "Option::is_none")]
    pub after_script: Option<Command>,
    /// How long the job may take, from the connection to the last step's end; when it is up, nothing
    /// of the job runs on. `None` is the configuration's, 7 days as a rule.
    #[serde(default, with = "time::optional", skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Duration>,
    /// How long may pass until the first step begins: pulls and services included.
    #[serde(default, with = "time::optional", skip_serializing_if = "Option::is_none")]
    pub prepare_timeout: Option<Duration>,
    /// How long the steps may take together; the after-script still runs then.
    #[serde(default, with = "time::optional", skip_serializing_if = "Option::is_none")]
    pub script_timeout: Option<Duration>,
    /// How long the after-script may take. `None` is the configuration's, 5 minutes as a rule.
    #[serde(default, with = "time::optional", skip_serializing_if = "Option::is_none")]
    pub after_script_timeout: Option<Duration>,
    /// Logins that came with the job, for its registries alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub registries: Vec<RegistryLogin>,
}

impl JobSpec {
    /// A job of one step, named `script`, without variables, volumes or time limits.
    ///
    /// Trust has no default: a fork's job that was taken for a trusted one could write to the caches of
    /// trusted jobs.
    ///
    /// ```
    /// use executor::{Command, ImageSpec, JobSpec, Trust, Variable};
    ///
    /// let image: ImageSpec = "busybox".parse()?;
    /// let job = JobSpec::new("my-project", Trust::Untrusted, image, Command::script("make")?)
    ///     .with_volume("/cache")
    ///     .with_variable(Variable::new("MODE", "release")?);
    /// assert_eq!(job.volumes, ["/cache"]);
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    pub fn new(
        project: impl Into<String>,
        trust: Trust,
        image: impl Into<ImageSpec>,
        command: Command,
    ) -> Self {
        Self::with_steps(project, trust, image, [StepSpec::new("script", command)])
    }

    /// A job of these steps, without variables, volumes or time limits.
    pub fn with_steps(
        project: impl Into<String>,
        trust: Trust,
        image: impl Into<ImageSpec>,
        steps: impl IntoIterator<Item = StepSpec>,
    ) -> Self {
        Self {
            id: String::new(),
            project: project.into(),
            reference: None,
            pipeline: None,
            trust,
            key: String::new(),
            image: image.into(),
            helper_image: None,
            services: Vec::new(),
            variables: Vec::new(),
            working_directory: None,
            build: None,
            volumes: Vec::new(),
            caches: Vec::new(),
            steps: steps.into_iter().collect(),
            shells: Vec::new(),
            after_script: None,
            timeout: None,
            prepare_timeout: None,
            script_timeout: None,
            after_script_timeout: None,
            registries: Vec::new(),
        }
    }
}

/// The after-script as it stands in a file: a text or lines.
mod after_script {
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

    use super::{Command, Script};

    #[allow(clippy::ref_option, reason = "the signature that serde asks for")]
    pub(super) fn serialize<S: Serializer>(
        command: &Option<Command>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        command.as_ref().and_then(Command::as_script).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Command>, D::Error> {
        let script = Option::<Script>::deserialize(deserializer)?;
        script.map(|script| Command::script(script.text())).transpose().map_err(D::Error::custom)
    }
}

/// The folder that a job builds in, a volume of its own unless the job mounts one there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct BuildSpec {
    /// The folder; variables are expanded.
    pub folder: String,
    /// How the project's files come there, which decides whether the folder is kept for the next job.
    pub strategy: BuildStrategy,
}

impl BuildSpec {
    /// This folder, by this strategy.
    pub fn new(folder: impl Into<String>, strategy: BuildStrategy) -> Self {
        Self { folder: folder.into(), strategy }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FULL: &str = r#"{
        "id": "42", "project": "group/app", "ref": "main", "trust": "untrusted",
        "image": "busybox", "services": [{"image": "redis:7", "aliases": ["cache"]}],
        "variables": {"A": "1", "TOKEN": {"value": "s3cret", "masked": true}},
        "working_directory": "/builds/app", "volumes": ["/cache"],
        "caches": [{"key": "deps", "paths": ["/deps"], "policy": "pull"}],
        "steps": [{"name": "build", "script": "make"}], "after_script": ["date"],
        "timeout": "1h"
    }"#;

    #[test]
    fn a_job_that_was_written_and_read_is_the_same_job() {
        let job: JobSpec = serde_json::from_str(FULL).unwrap();
        assert_eq!(job.timeout, Some(Duration::from_hours(1)));
        assert!(job.variables[1].is_masked());
        let written = serde_json::to_string(&job).unwrap();
        assert_eq!(serde_json::from_str::<JobSpec>(&written).unwrap(), job);
    }

    #[test]
    fn unknown_keys_missing_ones_and_wrong_types_are_errors_that_name_them() {
        for (from, to, named) in [
            (r#""id""#, r#""idd""#, "idd"),
            (r#""trust": "untrusted","#, "", "trust"),
            (r#""untrusted""#, r#""perhaps""#, "perhaps"),
            (r#""1h""#, "3600", "3600"),
            (r#""redis:7""#, r#""redis 7""#, "redis 7"),
            (r#""pull""#, r#""push""#, "push"),
            (r#""masked": true"#, r#""masked": 1"#, "variables"),
        ] {
            let wrong = FULL.replace(from, to);
            let error = serde_json::from_str::<JobSpec>(&wrong).unwrap_err().to_string();
            assert!(error.contains(named) || named == "variables", "{error}");
        }
    }
}
