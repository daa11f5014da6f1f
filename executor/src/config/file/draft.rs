//! What has been read so far, and what follows from it at the end.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    io,
    path::{Path, PathBuf},
};

use docker_api_trait::HostSettings;
use volume_manager::VolumeDriver;

use super::{
    ConfigError, ConfigNote, ConfigNoteKind, RunnerConfig, RunnerSelection,
    security::{self, SecurityOption},
    text::Problem,
    value::Item,
};
use crate::{
    config::ExecutorConfig,
    image::PullPolicy,
    job::{ServiceSpec, Variable},
};

/// Reads a file that the configuration names.
pub(super) type ReadFile<'a> = &'a dyn Fn(&Path) -> io::Result<String>;

/// A runner's configuration while it is read.
pub(super) struct Draft<'a> {
    read_file: ReadFile<'a>,
    /// Where relative paths of the engine's host begin.
    pub(super) working_directory: Option<PathBuf>,
    pub(super) old_scripts: OldScripts,
    pub(super) runner: RunnerConfig,
    /// The keys that have a note.
    noted: BTreeSet<String>,
    /// The service whose table is being read.
    pub(super) service: ServiceDraft,
    pub(super) volume_driver: Option<String>,
    pub(super) volume_driver_options: BTreeMap<String, String>,
    /// Whether services are privileged, where it differs from build containers.
    pub(super) services_privileged: Option<bool>,
    /// Where the values are that are compared with others at the end.
    pub(super) places: Places,
}

/// Scripts under the names that they had before GitLab 15.9. Those under the new names replace them.
#[derive(Default)]
pub(super) struct OldScripts {
    pub(super) pre_clone: String,
    pub(super) post_clone: String,
}

/// The keys whose values must go together with others'.
#[derive(Debug, Default)]
pub(super) struct Places {
    pub(super) memory: Vec<MemoryPlace>,
    pub(super) allowed_pull_policies: Option<Failure>,
    pub(super) has_pull_policy: bool,
}

/// A bound that only means something beside `memory`.
#[derive(Debug)]
pub(super) struct MemoryPlace {
    /// Of services, or of build and helper containers.
    pub(super) is_service: bool,
    /// Swap, or the reservation.
    pub(super) is_swap: bool,
    pub(super) missing: Failure,
    pub(super) contradiction: Failure,
}

/// An error that is there already, for the case that it turns out to be one.
pub(super) type Failure = Box<ConfigError>;

/// A service of the file.
#[derive(Debug, Default)]
pub(super) struct ServiceDraft {
    pub(super) spec: Option<ServiceSpec>,
    pub(super) aliases: Vec<String>,
    pub(super) command: Vec<String>,
    pub(super) entrypoint: Vec<String>,
    pub(super) variables: Vec<Variable>,
}

impl<'a> Draft<'a> {
    pub(super) fn new(selection: &RunnerSelection, read_file: ReadFile<'a>) -> Self {
        let config = ExecutorConfig::new(&selection.owner);
        let runner = RunnerConfig {
            name: String::new(),
            config,
            endpoint: super::ConfiguredEndpoint::default(),
            builds_dir: None,
            notes: Vec::new(),
        };
        Self {
            read_file,
            working_directory: selection.working_directory.clone(),
            old_scripts: OldScripts::default(),
            runner,
            noted: BTreeSet::new(),
            service: ServiceDraft::default(),
            volume_driver: None,
            volume_driver_options: BTreeMap::new(),
            services_privileged: None,
            places: Places::default(),
        }
    }

    pub(super) fn config(&mut self) -> &mut ExecutorConfig {
        &mut self.runner.config
    }

    /// What build and helper containers may have.
    pub(super) fn host(&mut self) -> &mut HostSettings {
        &mut self.runner.config.containers.host
    }

    /// What services may have.
    pub(super) fn service_host(&mut self) -> &mut HostSettings {
        &mut self.runner.config.services.host
    }

    /// Sets the same for build and helper containers and for services.
    pub(super) fn for_all(&mut self, set: impl Fn(&mut HostSettings)) {
        set(self.host());
        set(self.service_host());
    }

    /// Notes something about a key, once.
    pub(super) fn note(
        &mut self,
        item: &Item<'_>,
        kind: ConfigNoteKind,
        text: impl Into<Cow<'static, str>>,
    ) {
        self.note_at(item.key(), item.place(), kind, text.into(), None);
    }

    /// Notes a key that nothing here knows, with the known key that is closest.
    pub(super) fn note_unknown(&mut self, item: &Item<'_>, suggestion: Option<String>) {
        let kind = ConfigNoteKind::Unknown;
        let text = "is unknown and has no effect".into();
        self.note_at(item.key(), item.key_place(), kind, text, suggestion);
    }

    /// Notes a key whose name is written in another case.
    pub(super) fn note_spelling(&mut self, item: &Item<'_>, canonical: &str) {
        let (kind, text) = (ConfigNoteKind::Spelling, "is read as".into());
        self.note_at(item.key(), item.key_place(), kind, text, Some(canonical.to_owned()));
    }

    fn note_at(
        &mut self,
        key: &str,
        (line, column): (usize, usize),
        kind: ConfigNoteKind,
        text: Cow<'static, str>,
        suggestion: Option<String>,
    ) {
        if self.noted.insert(key.to_owned()) {
            let key = key.to_owned();
            self.runner.notes.push(ConfigNote { key, line, column, kind, text, suggestion });
        }
    }

    /// How many notes there are.
    pub(super) fn notes(&self) -> usize {
        self.noted.len()
    }

    /// Reads security options, with the files that they name.
    pub(super) fn security_options(&self, item: &Item<'_>) -> Result<Vec<String>, ConfigError> {
        let members = item.members()?;
        let options = members.iter().map(|member| match member.read(security::option)? {
            SecurityOption::Plain(option) => Ok(option),
            SecurityOption::Profile(path) => {
                let profile = (self.read_file)(&path).map_err(|source| {
                    let (line, column) = member.place();
                    let key = member.key().to_owned();
                    ConfigError::File { key, line, column, path, source }
                })?;
                security::checked(&profile)
                    .map(|profile| format!("seccomp={profile}"))
                    .map_err(|problem| member.invalid(&problem))
            }
        });
        options.collect::<Result<_, _>>().map(security::with_default)
    }

    /// Takes what only means something beside `memory`, or `service_memory`.
    pub(super) fn beside_memory(&mut self, item: &Item<'_>, is_service: bool, is_swap: bool) {
        let failure = |problem: &str| {
            let expected = if is_swap {
                "memory, and swap of at least as much: both are counted together"
            } else {
                "memory, and a reservation of at most as much"
            };
            Box::new(item.invalid(&Problem::new(problem, expected)))
        };
        self.places.memory.push(MemoryPlace {
            is_service,
            is_swap,
            missing: failure("has no bound on memory beside it"),
            contradiction: failure("contradicts the bound on memory"),
        });
    }

    /// What follows from several keys together.
    pub(super) fn finish(mut self) -> Result<RunnerConfig, ConfigError> {
        self.settle_memory()?;
        self.settle_pull_policies()?;
        let old = std::mem::take(&mut self.old_scripts);
        let scripts = &mut self.config().scripts;
        for (script, old) in [
            (&mut scripts.pre_get_sources_script, old.pre_clone),
            (&mut scripts.post_get_sources_script, old.post_clone),
        ] {
            if script.is_empty() {
                *script = old;
            }
        }
        let privileged = self.host().privileged;
        self.service_host().privileged = self.services_privileged.unwrap_or(privileged);
        if self.volume_driver.is_some() || !self.volume_driver_options.is_empty() {
            let name = self.volume_driver.clone();
            let mut driver = VolumeDriver::new(name.unwrap_or_else(|| VolumeDriver::LOCAL.into()));
            driver.options = std::mem::take(&mut self.volume_driver_options);
            self.config().policy.driver = driver;
        }
        // The engine's own socket is guarded where a job may mount paths of the host.
        let socket =
            self.runner.endpoint.host.as_deref().and_then(|host| host.strip_prefix("unix://"));
        if let Some(path) = socket.and_then(|path| path.parse().ok()) {
            self.config().policy.engine_sockets.push(path);
        }
        self.runner.notes.sort_by_key(|note| (note.line, note.column));
        Ok(self.runner)
    }

    /// A bound on memory without one on swap is no swap at all.
    fn settle_memory(&mut self) -> Result<(), ConfigError> {
        for place in std::mem::take(&mut self.places.memory) {
            let host = if place.is_service { self.service_host() } else { self.host() };
            let beside = if place.is_swap {
                host.memory_swap
            } else {
                host.memory_reservation.and_then(|bytes| i64::try_from(bytes).ok())
            };
            let Some(beside) = beside else { continue };
            match host.memory.and_then(|bytes| i64::try_from(bytes).ok()) {
                // A reservation alone is fine.
                None if !place.is_swap => {}
                None => return Err(*place.missing),
                Some(memory) if place.is_swap && beside != -1 && beside < memory => {
                    return Err(*place.contradiction);
                }
                Some(memory) if !place.is_swap && beside > memory => {
                    return Err(*place.contradiction);
                }
                Some(_) => {}
            }
        }
        self.for_all(|host| {
            if host.memory_swap.is_none() {
                host.memory_swap = host.memory.and_then(|bytes| i64::try_from(bytes).ok());
            }
        });
        Ok(())
    }

    /// Where only some policies are allowed, the default must be one of them.
    fn settle_pull_policies(&mut self) -> Result<(), ConfigError> {
        let has_own = self.places.has_pull_policy;
        let failure = self.places.allowed_pull_policies.take();
        let images = &mut self.config().images;
        let allowed = &images.allowed_pull_policies;
        let is_allowed = |policy: &PullPolicy| allowed.contains(policy);
        if allowed.is_empty() || images.pull_policies.iter().any(is_allowed) {
            return Ok(());
        }
        match failure {
            Some(failure) if has_own => Err(*failure),
            _ => {
                images.pull_policies = allowed.iter().take(1).copied().collect();
                Ok(())
            }
        }
    }
}
