//! What is asked for, and what was read.

use std::path::PathBuf;

use volume_manager::ContainerPath;

use super::{ConfigError, ConfigNote};
use crate::config::ExecutorConfig;

/// Which runner of a file, and for whom.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RunnerSelection {
    /// The installation that caches belong to. It is the caller's to choose: GitLab Runner derives
    /// it from the runner's token, so that a runner that is registered anew finds no cache of its
    /// own.
    pub owner: String,
    /// The runner's `name`; `None` is the only one with a Docker executor.
    pub name: Option<String>,
    /// The working directory of the runner's process: relative paths of the engine's host, such as
    /// those in `cache_dir`, begin there. `None` does not use such paths.
    pub working_directory: Option<PathBuf>,
}

impl RunnerSelection {
    /// The only runner with a Docker executor, for the installation `owner`.
    pub fn new(owner: impl Into<String>) -> Self {
        Self { owner: owner.into(), name: None, working_directory: None }
    }

    /// With the working directory of the runner's process.
    pub fn in_directory(mut self, directory: impl Into<PathBuf>) -> Self {
        self.working_directory = Some(directory.into());
        self
    }

    /// The runner of this name.
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }
}

/// A runner, as its file has it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct RunnerConfig {
    /// Its name; empty when it has none.
    pub name: String,
    /// How it runs jobs.
    pub config: ExecutorConfig,
    /// Where its engine is.
    pub endpoint: ConfiguredEndpoint,
    /// Where its jobs build, in the container: `builds_dir`. `None` leaves it to the caller; GitLab
    /// Runner takes `/builds`.
    pub builds_dir: Option<ContainerPath>,
    /// What has no effect, or another one than in GitLab Runner, in the order of the file.
    pub notes: Vec<ConfigNote>,
}

impl RunnerConfig {
    /// Refuses a file with keys that are unknown or that Berth does not support.
    ///
    /// # Errors
    /// [`ConfigError::Strict`] with every note that is a warning.
    pub fn check_strict(&self) -> Result<(), ConfigError> {
        let notes = self.notes.iter().filter(|note| note.kind.is_warning());
        let notes: Vec<_> = notes.cloned().collect();
        if notes.is_empty() { Ok(()) } else { Err(ConfigError::Strict { notes }) }
    }
}

/// Where an engine is, as the file says. It goes before the environment's `DOCKER_HOST`,
/// `DOCKER_CERT_PATH` and `DOCKER_TLS_VERIFY`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConfiguredEndpoint {
    /// Its address, `unix:///…` or `tcp://…`, not yet looked at; `None` is the environment's.
    pub host: Option<String>,
    /// The folder of `ca.pem`, `cert.pem` and `key.pem`.
    pub tls_cert_path: Option<PathBuf>,
    /// Whether TLS is used, with the engine's certificate verified.
    pub tls_verify: bool,
}
