//! Arguments that several subcommands have.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use docker_api_trait::{Endpoint, EndpointSources};
use volume_manager::{HostPath, PathProblem, Policy, Scope, Trust, VolumeDriver};

use crate::failure::Failure;

/// Which engine.
#[derive(Debug, Args)]
pub(crate) struct EngineArguments {
    /// The engine's address [default: as the docker program finds it]
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) host: Option<String>,
    /// A real engine, or one in memory that plans, names and reuses volumes but runs no script
    #[arg(long, value_enum, default_value_t = EngineKind::Docker)]
    pub(crate) engine: EngineKind,
    /// With --engine memory: a file that keeps the volumes between runs
    #[arg(long, value_name = "FILE")]
    pub(crate) memory_state: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum EngineKind {
    /// A Docker engine
    Docker,
    /// In memory; no script is executed
    Memory,
}

/// Whose volumes.
#[derive(Debug, Args)]
pub(crate) struct OwnerArguments {
    /// The installation that the caches belong to [default: uid- and your user's number]
    #[arg(long, value_name = "NAME", env = "BERTH_OWNER")]
    owner: Option<String>,
}

impl OwnerArguments {
    pub(crate) fn owner(&self) -> String {
        let owner = self.owner.clone().filter(|owner| !owner.is_empty());
        owner.unwrap_or_else(|| format!("uid-{}", rustix::process::geteuid().as_raw()))
    }
}

/// Whose caches a job uses.
#[derive(Debug, Args)]
pub(crate) struct ScopeArguments {
    /// The project that the caches belong to [default: the current folder's name, without its path]
    #[arg(long, value_name = "NAME")]
    project: Option<String>,
    #[command(flatten)]
    owner: OwnerArguments,
    /// The job's code is not to be trusted: it gets caches of its own
    #[arg(long)]
    untrusted: bool,
    /// Tells apart several sets of caches of one project
    #[arg(long, value_name = "TEXT", default_value = "")]
    key: String,
}

impl ScopeArguments {
    pub(crate) fn scope(&self) -> Result<Scope, Failure> {
        let project = match &self.project {
            Some(project) => project.clone(),
            None => folder_name()?,
        };
        let trust = if self.untrusted { Trust::Untrusted } else { Trust::Trusted };
        let owner = self.owner.owner();
        Ok(Scope { owner, project, trust, key: self.key.clone() })
    }
}

/// The current folder's name. One that is no text is refused: replacing what cannot be read would
/// give two folders one name, and one cache.
fn folder_name() -> Result<String, Failure> {
    let folder = std::env::current_dir().map_err(|error| {
        Failure::from_error(&error, Some("name the project with --project".into()))
    })?;
    let Some(name) = folder.file_name() else {
        return Err(Failure::new(
            "the current folder has no name to call the project by",
            "name the project with --project",
        ));
    };
    name.to_str().map(str::to_owned).ok_or_else(|| {
        Failure::new(
            format!("the current folder's name {} is not Unicode", name.display()),
            "name the project with --project",
        )
    })
}

/// What a job may have, and what keeps its caches.
#[derive(Debug, Args)]
#[allow(clippy::struct_excessive_bools, reason = "each is a switch of its own on the command line")]
#[allow(clippy::doc_markdown, reason = "these comments are shown as help, not as Markdown")]
pub(crate) struct PolicyArguments {
    /// Make every cache a temporary volume of this run
    #[arg(long)]
    no_cache: bool,
    /// Allow volumes of the form /HOST/PATH:/PATH
    #[arg(long)]
    allow_host_paths: bool,
    /// With --allow-host-paths: allow the engine's socket and the folders around it, too
    #[arg(long, requires = "allow_host_paths")]
    allow_engine_socket: bool,
    /// Keep caches in folders under this one of the engine's host, instead of in volumes
    #[arg(long, value_name = "PATH", conflicts_with = "no_cache")]
    cache_dir: Option<String>,
    /// The volume plugin that keeps caches
    #[arg(long, value_name = "NAME", default_value = VolumeDriver::LOCAL)]
    volume_driver: String,
    /// An option for the volume plugin
    #[arg(long = "volume-opt", value_name = "KEY=VALUE")]
    volume_options: Vec<String>,
}

impl PolicyArguments {
    pub(crate) fn policy(&self, engine: &EngineArguments) -> Result<Policy, Failure> {
        let mut driver = VolumeDriver::new(self.volume_driver.as_str());
        for option in &self.volume_options {
            let (key, value) = pair(option, "--volume-opt")?;
            driver = driver.with_option(key, value);
        }
        let mut policy = Policy::default()
            .with_host_paths(self.allow_host_paths)
            .with_engine_socket(self.allow_engine_socket)
            .with_cache_disabled(self.no_cache)
            .with_driver(driver);
        if let Some(folder) = &self.cache_dir {
            let folder = folder.parse::<HostPath>().map_err(|problem: PathProblem| {
                Failure::new(
                    format!("the cache directory {folder:?} {problem}"),
                    "give --cache-dir an absolute path of the engine's host",
                )
            })?;
            policy = policy.with_cache_dir(folder);
        }
        // An address that cannot be read is reported where it is connected to.
        if let Ok(Endpoint::Unix(socket)) =
            Endpoint::resolve(&EndpointSources::from_process(engine.host.clone()))
        {
            let path = socket.to_str().and_then(|socket| socket.parse().ok());
            policy = policy.with_socket_at(path.ok_or_else(|| {
                Failure::new(
                    format!(
                        "the engine's socket {} is no path that can be guarded",
                        socket.display()
                    ),
                    "give the engine's socket an absolute path without control characters",
                )
            })?);
        }
        Ok(policy)
    }
}

/// Reads `KEY=VALUE`.
pub(crate) fn pair(text: &str, option: &str) -> Result<(String, String), Failure> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err(Failure::new(
            format!("{text:?} is not of the form KEY=VALUE"),
            format!("write {option} KEY=VALUE"),
        )),
    }
}
