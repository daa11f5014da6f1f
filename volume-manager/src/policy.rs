//! What a job may have. Reading a spec says what was asked for; this says what is given.

use serde::{Deserialize, Serialize};

use crate::{HostPath, PipePath, VolumeDriver};

/// Where engines listen as a rule. Whoever may speak to one is root on its host.
const SOCKETS: [&str; 6] = [
    "/var/run/docker.sock",
    "/run/docker.sock",
    "/run/containerd/containerd.sock",
    "/var/run/containerd/containerd.sock",
    "/run/podman/podman.sock",
    "/var/run/podman/podman.sock",
];
const PIPES: [&str; 3] = [
    r"\\.\pipe\docker_engine",
    r"\\.\pipe\docker_engine_windows",
    r"\\.\pipe\containerd-containerd",
];

/// What a job may have of what it asks for. The default is what suits a job of unknown origin.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Policy {
    /// Whether paths and named pipes of the engine's host may be mounted. Default: no.
    pub allow_host_paths: bool,
    /// Whether, of those, an engine's socket and the folders that it is in may be mounted. Default:
    /// no. A job that may is root on the host.
    pub allow_engine_socket: bool,
    /// Where the engine listens, beside the usual places. Default: none.
    pub engine_sockets: Vec<HostPath>,
    /// Whether every cache is a temporary volume of this run. Default: no. Goes before `cache_dir`.
    pub disable_cache: bool,
    /// A folder of the engine's host to keep caches in, instead of in volumes: each in a folder of
    /// its own under owner, project and a digest of its identity. The engine makes missing ones.
    /// Default: none.
    pub cache_dir: Option<HostPath>,
    /// What keeps caches and temporary volumes. Default: the engine's `local` driver, without
    /// options. A change is another set of caches: the old ones stay, under their old names.
    pub driver: VolumeDriver,
}

impl Policy {
    /// The policy with paths of the host allowed or not.
    pub fn with_host_paths(mut self, allowed: bool) -> Self {
        self.allow_host_paths = allowed;
        self
    }

    /// The policy with the engine's socket allowed or not, where paths of the host are.
    pub fn with_engine_socket(mut self, allowed: bool) -> Self {
        self.allow_engine_socket = allowed;
        self
    }

    /// The policy with one place more where the engine listens.
    pub fn with_socket_at(mut self, socket: HostPath) -> Self {
        self.engine_sockets.push(socket);
        self
    }

    /// The policy with caches replaced by temporary volumes or not.
    pub fn with_cache_disabled(mut self, disabled: bool) -> Self {
        self.disable_cache = disabled;
        self
    }

    /// The policy with caches in a folder of the engine's host.
    pub fn with_cache_dir(mut self, folder: HostPath) -> Self {
        self.cache_dir = Some(folder);
        self
    }

    /// The policy with a volume driver.
    pub fn with_driver(mut self, driver: VolumeDriver) -> Self {
        self.driver = driver;
        self
    }

    /// Whether mounting `path` would hand out an engine's socket: it is one, or a folder around one.
    /// By the path's text; links are the host's to see.
    pub(crate) fn has_socket(&self, path: &HostPath) -> bool {
        let usual = SOCKETS.iter().filter_map(|socket| socket.parse::<HostPath>().ok());
        usual.chain(self.engine_sockets.iter().cloned()).any(|socket| path.contains(&socket))
    }

    /// Whether `pipe` is an engine's.
    pub(crate) fn is_engine_pipe(pipe: &PipePath) -> bool {
        PIPES.iter().any(|known| pipe.as_str().eq_ignore_ascii_case(known))
    }
}
