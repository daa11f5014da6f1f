//! Arguments that several subcommands have.

use std::{ffi::OsString, path::PathBuf, time::Duration};

use clap::{Args, ValueEnum};
use docker_api_trait::{Endpoint, EndpointSources};
use executor::{ExecutorConfig, JobSpec, config::ConfiguredEndpoint};
use volume_manager::{HostPath, PathProblem, Policy, Scope, Trust, VolumeDriver};

use crate::failure::Failure;

/// Which engine.
#[derive(Debug, Clone, Args)]
pub(crate) struct EngineArguments {
    /// The engine's address, or `podman` [default: as the docker program finds it]
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) host: Option<String>,
    /// A real engine, or one in memory that plans, names and reuses volumes but runs no script
    #[arg(long, value_enum, default_value_t = EngineKind::Docker)]
    pub(crate) engine: EngineKind,
    /// With --engine memory: a file that keeps the volumes between runs
    #[arg(long, value_name = "FILE")]
    pub(crate) memory_state: Option<PathBuf>,
    /// How long an engine that has answered may be away, such as 60s; 0s gives up at once
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = humantime::parse_duration)]
    pub(crate) outage: Duration,
    /// TLS as a configuration file has it.
    #[arg(skip)]
    tls: Option<ConfiguredTls>,
}

#[derive(Debug, Clone)]
struct ConfiguredTls {
    files: Option<PathBuf>,
    verify: bool,
}

impl EngineArguments {
    /// The engine of a configuration file, unless one is given here.
    pub(super) fn take(&mut self, configured: &ConfiguredEndpoint) {
        if self.host.is_some() || self.engine == EngineKind::Memory {
            return;
        }
        self.host.clone_from(&configured.host);
        self.tls = Some(ConfiguredTls {
            files: configured.tls_cert_path.clone(),
            verify: configured.tls_verify,
        });
    }

    /// The engine's address: what tells it from other engines. Empty when it cannot be read, which is
    /// told where it is connected to.
    pub(crate) fn address(&self) -> String {
        match self.engine {
            EngineKind::Docker => Endpoint::resolve(&self.sources())
                .map(|endpoint| endpoint.to_string())
                .unwrap_or_default(),
            EngineKind::Memory => "memory".to_owned(),
        }
    }

    /// Whether the engine is on this host, as far as its address tells: a socket may be forwarded.
    pub(crate) fn is_on_this_host(&self) -> bool {
        let endpoint = Endpoint::resolve(&self.sources());
        self.engine == EngineKind::Memory || matches!(endpoint, Ok(Endpoint::Unix(_)))
    }

    /// Where the engine is looked for.
    pub(crate) fn sources(&self) -> EndpointSources {
        let mut sources = EndpointSources::from_process(self.host.clone());
        if let Some(ConfiguredTls { files, verify }) = &self.tls {
            let mut set = |name: &str, value: String| {
                sources.environment.insert(name.to_owned(), value);
            };
            if let Some(files) = files {
                set("DOCKER_CERT_PATH", files.display().to_string());
            }
            if *verify {
                set("DOCKER_TLS_VERIFY", "1".to_owned());
            }
        }
        sources
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum EngineKind {
    /// A Docker engine
    Docker,
    /// In memory; no script is executed
    Memory,
}

/// Where processes give evidence that they live.
#[derive(Debug, Args)]
#[allow(clippy::doc_markdown, reason = "these comments are shown as help, not as Markdown")]
pub(crate) struct StateArguments {
    /// The folder in which runs on this machine tell that they live [default: berth in
    /// $XDG_STATE_HOME or ~/.local/state]
    #[arg(long, value_name = "FOLDER", env = "BERTH_STATE_DIR")]
    state_dir: Option<OsString>,
}

impl StateArguments {
    /// The folder; none when nothing says where.
    pub(crate) fn folder(&self) -> Option<PathBuf> {
        let variable = |name: &str| {
            // As the rules for these folders have it, what is not absolute does not count.
            std::env::var_os(name).map(PathBuf::from).filter(|folder| folder.is_absolute())
        };
        let given = self.state_dir.clone().filter(|folder| !folder.is_empty()).map(PathBuf::from);
        given
            .or_else(|| variable("XDG_STATE_HOME").map(|folder| folder.join("berth")))
            .or_else(|| variable("HOME").map(|home| home.join(".local/state/berth")))
    }
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
    pub(super) fn owner(&self) -> String {
        self.owner.owner()
    }

    /// Puts what is given here in place of what a job file says.
    pub(super) fn apply(&self, job: &mut JobSpec) {
        if let Some(project) = &self.project {
            job.project.clone_from(project);
        }
        if self.untrusted {
            job.trust = Trust::Untrusted;
        }
        if !self.key.is_empty() {
            job.key.clone_from(&self.key);
        }
    }

    pub(crate) fn scope(&self) -> Result<Scope, Failure> {
        let project = match &self.project {
            Some(project) => project.clone(),
            None => folder_name()?,
        };
        let trust = if self.untrusted { Trust::Untrusted } else { Trust::Trusted };
        let owner = self.owner.owner();
        Ok(Scope::new(owner, project, trust).with_key(&self.key))
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
    /// With --allow-host-paths or --config: allow the engine's socket and the directories around it, too
    #[arg(long)]
    allow_engine_socket: bool,
    /// With --allow-host-paths: allow options that change the host (z, Z, shared, slave), too
    #[arg(long, requires = "allow_host_paths")]
    allow_host_options: bool,
    /// Keep caches in folders under this one of the engine's host, instead of in volumes
    #[arg(long, value_name = "PATH", conflicts_with = "no_cache")]
    cache_dir: Option<String>,
    /// The volume plugin that keeps caches [default: local]
    #[arg(long, value_name = "NAME")]
    volume_driver: Option<String>,
    /// An option for the volume plugin
    #[arg(long = "volume-opt", value_name = "KEY=VALUE")]
    volume_options: Vec<String>,
}

impl PolicyArguments {
    pub(crate) fn policy(&self, engine: &EngineArguments) -> Result<Policy, Failure> {
        let name = self.volume_driver.as_deref().unwrap_or(VolumeDriver::LOCAL);
        let mut driver = VolumeDriver::new(name);
        for option in &self.volume_options {
            let (key, value) = pair(option, "--volume-opt")?;
            driver = driver.with_option(key, value);
        }
        let mut policy = Policy::default()
            .with_host_paths(self.allow_host_paths)
            .with_engine_socket(self.allow_engine_socket)
            .with_host_options(self.allow_host_options)
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
        if let Ok(Endpoint::Unix(socket)) = Endpoint::resolve(&engine.sources()) {
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

impl PolicyArguments {
    /// A configuration's policy with what is allowed here beside it.
    pub(super) fn amend(
        &self,
        mut config: ExecutorConfig,
        engine: &EngineArguments,
    ) -> Result<ExecutorConfig, Failure> {
        let kept_there = self.cache_dir.is_some()
            || self.volume_driver.is_some()
            || !self.volume_options.is_empty();
        if kept_there {
            return Err(Failure::new(
                "where caches are kept is the configuration's to say",
                "leave out --cache-dir, --volume-driver and --volume-opt, or --config",
            ));
        }
        let own = self.policy(engine)?;
        let policy = &mut config.policy;
        policy.allow_host_paths |= own.allow_host_paths;
        policy.allow_engine_socket |= own.allow_engine_socket;
        policy.allow_host_options |= own.allow_host_options;
        policy.disable_cache |= own.disable_cache;
        policy.engine_sockets.extend(own.engine_sockets);
        Ok(config)
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
