//! The arguments of `berth run` and `berth plan`.

use std::{path::PathBuf, time::Duration};

use clap::Args;
use docker_api_trait::ImageReference;
use executor::{Command, ExecutorConfig, JobSpec, Variable};
use volume_manager::{OperatingSystem, SpecReader};

use super::{
    shared::{EngineArguments, PolicyArguments, ScopeArguments},
    spec::working_directory,
};
use crate::failure::Failure;

#[derive(Debug, Args)]
#[allow(clippy::doc_markdown, reason = "these comments are shown as help, not as Markdown")]
pub(crate) struct RunArguments {
    /// The image of the job's container; pulled if the engine does not have it
    #[arg(long, value_name = "IMAGE")]
    image: String,
    /// A volume: /PATH is a cache, NAME:/PATH a volume of your own, both with :ro or :nocopy
    #[arg(long = "volume", short = 'v', value_name = "SPEC")]
    volumes: Vec<String>,
    /// An environment variable; $NAME in a volume stands for its value
    #[arg(long = "env", short = 'e', value_name = "NAME=VALUE")]
    variables: Vec<String>,
    #[command(flatten)]
    scope: ScopeArguments,
    #[command(flatten)]
    policy: PolicyArguments,
    /// The job's name or number, for its labels
    #[arg(long, value_name = "ID", default_value = "")]
    job: String,
    /// The folder that the script starts in, and that relative volumes join [default: the image's]
    #[arg(long, value_name = "PATH")]
    workdir: Option<String>,
    /// Who runs the script: a name or number, and a group after a colon [default: the image's]
    #[arg(long, value_name = "USER")]
    user: Option<String>,
    /// Stop the job after this time, such as 90s or 10m
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    timeout: Option<Duration>,
    /// How long the script may take to stop before it is killed
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration, default_value = "10s")]
    stop_grace: Duration,
    /// Write a report as JSON to this file
    #[arg(long, value_name = "FILE")]
    pub(crate) report: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) engine: EngineArguments,
    /// With --engine memory: the exit code that the script is taken to end with [default: 0]
    #[arg(long, value_name = "CODE")]
    pub(crate) memory_exit_code: Option<u8>,
    /// Print nothing but the script's output and errors
    #[arg(long, short)]
    pub(crate) quiet: bool,
    /// One word is a script for the image's sh; several are a program and its arguments
    #[arg(last = true, required = true, value_name = "SCRIPT")]
    command: Vec<String>,
}

impl RunArguments {
    /// The job that they describe.
    pub(crate) fn job(&self) -> Result<JobSpec, Failure> {
        let bad = |error: executor::JobError| {
            let hint = error.hint();
            Failure::from_error(&error, Some(hint))
        };
        let image = ImageReference::new(self.image.as_str()).map_err(|error| {
            Failure::from_error(&error, Some("write it as NAME, NAME:TAG or NAME@DIGEST".into()))
        })?;
        let command = match self.command.as_slice() {
            [script] => Command::script(script.as_str()),
            words => Command::program(words.iter().cloned()),
        };
        let scope = self.scope.scope()?;
        let mut job = JobSpec::new(scope.project, image, command.map_err(bad)?);
        job.id.clone_from(&self.job);
        job.trust = scope.trust;
        job.key = scope.key;
        job.timeout = self.timeout;
        job.image.user.clone_from(&self.user);
        for text in &self.variables {
            job.variables.push(Variable::parse(text).map_err(bad)?);
        }
        job.working_directory.clone_from(&self.workdir);
        job.volumes.clone_from(&self.volumes);
        Ok(job)
    }

    /// The configuration that they describe.
    pub(crate) fn config(&self) -> Result<ExecutorConfig, Failure> {
        let mut config = ExecutorConfig::new(self.scope.scope()?.owner);
        config.policy = self.policy.policy(&self.engine)?;
        config.stop_grace = self.stop_grace;
        Ok(config)
    }

    /// The time limit as a person reads it.
    pub(crate) fn timeout_words(&self) -> Option<String> {
        self.timeout.map(|limit| humantime::format_duration(limit).to_string())
    }
}
