//! The arguments of `berth run` and `berth plan`.

use std::{fs, path::PathBuf, time::Duration};

use clap::Args;
use executor::{
    ExecutorConfig, JobSpec,
    config::{ConfigNote, RunnerConfig, RunnerSelection},
    run::Transfers,
};

use super::{
    job::JobArguments,
    shared::{EngineArguments, PolicyArguments, StateArguments},
    workspace::WorkspaceArguments,
};
use crate::failure::Failure;

#[derive(Debug, Args)]
#[allow(clippy::doc_markdown, reason = "these comments are shown as help, not as Markdown")]
pub(crate) struct RunArguments {
    #[command(flatten)]
    job: JobArguments,
    #[command(flatten)]
    workspace: WorkspaceArguments,
    /// GitLab Runner's config.toml: how jobs are run
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Which of the file's runners, by its name [default: the only one for Docker]
    #[arg(long, value_name = "NAME", requires = "config")]
    runner: Option<String>,
    /// With --config: make each warning about the file an error
    #[arg(long, requires = "config")]
    strict_config: bool,
    #[command(flatten)]
    policy: PolicyArguments,
    /// How long the script may take to stop before it is killed [default: 10s]
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    stop_grace: Option<Duration>,
    #[command(flatten)]
    pub(crate) log: LogArguments,
    /// Remove and make anew a cache whose folder is gone from the engine's disk, once
    #[arg(long)]
    rebuild_caches: bool,
    /// Write a report as JSON to this file
    #[arg(long, value_name = "FILE")]
    pub(crate) report: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) state: StateArguments,
    #[command(flatten)]
    pub(crate) engine: EngineArguments,
    /// With --engine memory: the exit code that the script is taken to end with [default: 0]
    #[arg(long, value_name = "CODE")]
    pub(crate) memory_exit_code: Option<u8>,
    /// Print nothing but the script's output and errors
    #[arg(long, short)]
    pub(crate) quiet: bool,
}

/// How the log is delivered.
#[derive(Debug, Args)]
pub(crate) struct LogArguments {
    /// Deliver no more than this of the log, such as 4MB
    #[arg(long, value_name = "SIZE")]
    log_limit: Option<bytesize::ByteSize>,
    /// Begin each line of the log with the time
    #[arg(long)]
    pub(crate) timestamps: bool,
    /// Fold each step's log in GitLab's log view
    #[arg(long)]
    pub(crate) sections: bool,
}

/// All that a run is made of.
pub(crate) struct Request {
    pub(crate) job: JobSpec,
    pub(crate) config: ExecutorConfig,
    pub(crate) transfers: Transfers,
    /// What of a configuration file has no effect here.
    pub(crate) notes: Vec<ConfigNote>,
    /// The engine, the configuration file's if there is one.
    pub(crate) engine: EngineArguments,
}

impl RunArguments {
    /// What they describe.
    pub(crate) fn request(&self) -> Result<Request, Failure> {
        let owner = self.job.scope.owner();
        let mut engine = self.engine.clone();
        let (mut config, notes, builds) = if let Some(path) = &self.config {
            let RunnerConfig { config, endpoint, notes, builds_dir, .. } =
                self.read(path, &owner)?;
            engine.take(&endpoint);
            (self.policy.amend(config, &engine)?, notes, builds_dir)
        } else {
            let mut config = ExecutorConfig::new(owner);
            config.policy = self.policy.policy(&engine)?;
            if !self.job.pull_policies.is_empty() {
                config.images.pull_policies.clone_from(&self.job.pull_policies);
            }
            (config, Vec::new(), None)
        };
        if let Some(grace) = self.stop_grace {
            config.stop_grace = grace;
        }
        if let Some(limit) = self.log.log_limit {
            config.log_limit = Some(limit.as_u64());
        }
        config.rebuild_caches = self.rebuild_caches;
        let mut job = self.job.job(config.images.default.as_ref())?;
        if self.config.is_some() {
            // What a configuration allows is not the command line's to say.
            job.image.pull_policies.extend(&self.job.pull_policies);
        }
        let transfers = self.workspace.transfers(&mut job, &mut config, builds.as_ref())?;
        Ok(Request { job, config, transfers, notes, engine })
    }

    fn read(&self, path: &std::path::Path, owner: &str) -> Result<RunnerConfig, Failure> {
        let text = fs::read_to_string(path).map_err(|error| {
            Failure::new(
                format!("the configuration {} cannot be read: {error}", path.display()),
                "give --config GitLab Runner's config.toml, or a file like it",
            )
        })?;
        let mut selection = RunnerSelection::new(owner);
        // Without one, relative paths of the file are not used, and a note says so.
        if let Ok(directory) = std::env::current_dir() {
            selection = selection.in_directory(directory);
        }
        if let Some(name) = &self.runner {
            selection = selection.named(name);
        }
        let read_file = |path: &std::path::Path| fs::read_to_string(path);
        let read = executor::config::read_config(&text, &selection, &read_file);
        let checked = read.and_then(|runner| {
            if self.strict_config {
                runner.check_strict()?;
            }
            Ok(runner)
        });
        checked.map_err(|error| Failure::explain(&error))
    }

    /// The time limit as a person reads it.
    pub(crate) fn timeout_words(&self) -> Option<String> {
        self.job.timeout_words()
    }
}
