//! The command line.

use std::{path::PathBuf, time::Duration};

use clap::{Args, Parser, ValueEnum};
use docker_api_trait::ImageReference;
use executor::{Command, ExecutorConfig, JobSpec, Variable};
use volume_manager::{Policy, Trust, VolumeSpec};

use crate::failure::Failure;

/// Runs CI jobs in containers, with their caches in named Docker volumes.
#[derive(Debug, Parser)]
#[command(version, arg_required_else_help = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) subcommand: Subcommand,
}

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Subcommand {
    /// Run a job and exit with its exit code
    ///
    /// Exit codes: the script's own; 124 when it took longer than --timeout; 130 when it was
    /// interrupted; 125 when berth itself failed.
    Run(Box<RunArguments>),
    /// Print the `docker` lines that mean the same, without any engine
    Plan(Box<RunArguments>),
}

#[derive(Debug, Args)]
#[allow(clippy::struct_excessive_bools, reason = "each is a switch of its own on the command line")]
#[allow(clippy::doc_markdown, reason = "these comments are shown as help, not as Markdown")]
pub(crate) struct RunArguments {
    /// The image of the job's container; pulled if the engine does not have it
    #[arg(long, value_name = "IMAGE")]
    image: String,
    /// A volume: /PATH is a cache, NAME:/PATH a volume of your own, both with :ro or :nocopy
    #[arg(long = "volume", short = 'v', value_name = "SPEC")]
    volumes: Vec<String>,
    /// An environment variable
    #[arg(long = "env", short = 'e', value_name = "NAME=VALUE")]
    variables: Vec<String>,
    /// The project that the caches belong to [default: the current folder's name]
    #[arg(long, value_name = "NAME")]
    project: Option<String>,
    /// The installation that the caches belong to [default: uid- and your user's number]
    #[arg(long, value_name = "NAME", env = "BERTH_OWNER")]
    owner: Option<String>,
    /// The job's name or number, for its labels
    #[arg(long, value_name = "ID", default_value = "")]
    job: String,
    /// The job's code is not to be trusted: it gets caches of its own
    #[arg(long)]
    untrusted: bool,
    /// Make every cache a temporary volume of this run
    #[arg(long)]
    no_cache: bool,
    /// Allow volumes of the form /HOST/PATH:/PATH
    #[arg(long)]
    allow_host_paths: bool,
    /// The folder that the script starts in [default: the image's]
    #[arg(long, value_name = "PATH")]
    workdir: Option<String>,
    /// Stop the job after this time, such as 90s or 10m
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    timeout: Option<Duration>,
    /// How long the script may take to stop before it is killed
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration, default_value = "10s")]
    stop_grace: Duration,
    /// Write a report as JSON to this file
    #[arg(long, value_name = "FILE")]
    pub(crate) report: Option<PathBuf>,
    /// The engine's address [default: as the docker program finds it]
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) host: Option<String>,
    /// A real engine, or one in memory that plans, names and reuses volumes but runs no script
    #[arg(long, value_enum, default_value_t = EngineKind::Docker)]
    pub(crate) engine: EngineKind,
    /// With --engine memory: the exit code that the script is taken to end with
    #[arg(long, value_name = "CODE", default_value_t = 0)]
    pub(crate) memory_exit_code: u8,
    /// With --engine memory: a file that keeps the volumes between runs
    #[arg(long, value_name = "FILE")]
    pub(crate) memory_state: Option<PathBuf>,
    /// Print nothing but the script's output and errors
    #[arg(long, short)]
    pub(crate) quiet: bool,
    /// One word is a script for the image's sh; several are a program and its arguments
    #[arg(last = true, required = true, value_name = "SCRIPT")]
    command: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum EngineKind {
    /// A Docker engine
    Docker,
    /// In memory; no script is executed
    Memory,
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
        let mut job = JobSpec::new(self.project_name(), image, command.map_err(bad)?);
        job.id.clone_from(&self.job);
        job.trust = if self.untrusted { Trust::Untrusted } else { Trust::Trusted };
        job.timeout = self.timeout;
        for text in &self.variables {
            job.variables.push(Variable::parse(text).map_err(bad)?);
        }
        for text in &self.volumes {
            let spec: VolumeSpec = text.parse().map_err(|error: volume_manager::SpecError| {
                let hint = error.hint().to_owned();
                Failure::from_error(&error, Some(hint))
            })?;
            job.volumes.push(spec);
        }
        if let Some(folder) = &self.workdir {
            job.working_directory = Some(folder.parse().map_err(|problem| {
                Failure::new(
                    format!("the folder {folder:?} {problem}"),
                    "give --workdir an absolute path in the container",
                )
            })?);
        }
        Ok(job)
    }

    /// The configuration that they describe.
    pub(crate) fn config(&self) -> ExecutorConfig {
        let owner = self.owner.clone().filter(|owner| !owner.is_empty());
        let owner = owner.unwrap_or_else(|| format!("uid-{}", rustix::process::geteuid().as_raw()));
        let mut config = ExecutorConfig::new(owner);
        config.policy = Policy::default()
            .with_host_paths(self.allow_host_paths)
            .with_cache_disabled(self.no_cache);
        config.stop_grace = self.stop_grace;
        config
    }

    /// The time limit as a person reads it.
    pub(crate) fn timeout_words(&self) -> Option<String> {
        self.timeout.map(|limit| humantime::format_duration(limit).to_string())
    }

    fn project_name(&self) -> String {
        let folder = || {
            let folder = std::env::current_dir().ok()?;
            Some(folder.file_name()?.to_string_lossy().into_owned())
        };
        self.project.clone().unwrap_or_else(|| folder().unwrap_or_else(|| "default".to_owned()))
    }
}
