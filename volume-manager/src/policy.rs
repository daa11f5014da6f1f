//! What a job may have. Reading a spec says what was asked for; this says what is given.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    identity::VolumeDriver,
    path::{HostPath, PipePath},
};

/// Where engines listen as a rule. Whoever may speak to one is root on its host.
const SOCKETS: [&str; 6] = [
    "/run/docker.sock",
    "/run/docker/containerd/containerd.sock",
    "/run/containerd/containerd.sock",
    "/run/podman/podman.sock",
    "/run/crio/crio.sock",
    "/run/buildkit/buildkitd.sock",
];
/// The same for engines of ordinary users, below `/run/user/NUMBER`.
const USERS_SOCKETS: [&str; 3] =
    ["docker.sock", "docker/containerd/containerd.sock", "podman/podman.sock"];
const PIPES: [&str; 5] = [
    r"\\.\pipe\docker_engine",
    r"\\.\pipe\docker_engine_windows",
    r"\\.\pipe\dockerDesktopLinuxEngine",
    r"\\.\pipe\containerd-containerd",
    r"\\.\pipe\podman-machine-default",
];

/// What a job may have of what it asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[allow(clippy::struct_excessive_bools, reason = "each is a leave of its own, given or not")]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Policy {
    /// Whether paths and named pipes of the engine's host may be mounted. Default: no. Whoever may
    /// write to the host's `/etc`, or read the folder in which the engine keeps its volumes, needs
    /// no socket: allow this for jobs that are trusted with the host.
    pub allow_host_paths: bool,
    /// Whether volumes of the user's own may be mounted, any of them, by their names. Default: yes.
    /// A job that may can read and write what other jobs have in theirs: refuse it to jobs of
    /// unknown origin.
    pub allow_named_volumes: bool,
    /// Whether, of those, an engine's socket and the folders that it is in may be mounted. Default:
    /// no. A job that may is root on the host.
    pub allow_engine_socket: bool,
    /// Whether a path of the host may be mounted with `z` or `Z`, which label the host's own files
    /// anew, or so that mounts spread from or to the host (`shared`, `rshared`, `slave`, `rslave`).
    /// Default: no.
    pub allow_host_options: bool,
    /// Where the engine listens, beside the usual places. Default: none.
    pub engine_sockets: Vec<HostPath>,
    /// What paths of the host really are, as far as somebody has looked: planning does no I/O. A path
    /// that is not in it is judged by its text alone. Default: empty.
    pub real_paths: BTreeMap<HostPath, RealPath>,
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

/// What a path of the host really is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RealPath {
    /// Everything that is reached through it: first the path without links, then the directories of
    /// engine sockets that it, or something mounted below it, is under another name.
    Reaches(Vec<HostPath>),
    /// Nobody could look.
    Unknown,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            allow_host_paths: false,
            allow_named_volumes: true,
            allow_engine_socket: false,
            allow_host_options: false,
            engine_sockets: Vec::new(),
            real_paths: BTreeMap::new(),
            disable_cache: false,
            cache_dir: None,
            driver: VolumeDriver::default(),
        }
    }
}

impl Policy {
    /// The policy with volumes of the user's own allowed or not.
    pub fn with_named_volumes(mut self, allowed: bool) -> Self {
        self.allow_named_volumes = allowed;
        self
    }

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

    /// The policy with options that change the host allowed or not, where paths of the host are.
    pub fn with_host_options(mut self, allowed: bool) -> Self {
        self.allow_host_options = allowed;
        self
    }

    /// The policy with what a path of the host really is.
    pub fn with_real_path(mut self, path: HostPath, real: RealPath) -> Self {
        self.real_paths.insert(path, real);
        self
    }

    /// Every place where an engine may listen: the usual ones, and the policy's own. Those of ordinary
    /// users are for the users whose numbers are given.
    pub fn sockets(&self, users: &[u32]) -> Vec<HostPath> {
        let usual = SOCKETS.iter().map(|socket| (*socket).to_owned());
        let of_users = users.iter().flat_map(|user| {
            USERS_SOCKETS.iter().map(move |socket| format!("/run/user/{user}/{socket}"))
        });
        let sockets = usual.chain(of_users).filter_map(|socket| socket.parse().ok());
        sockets.chain(self.engine_sockets.iter().cloned()).collect()
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
    /// By the path's text, in which `/var/run` is `/run`, as it is on every system with either. Other
    /// links are in [`real_paths`](Self::real_paths). `/proc` has another way to every folder.
    pub(crate) fn has_socket(&self, path: &HostPath) -> bool {
        let written = path.identity();
        let path = canonical(path);
        let usual = SOCKETS.iter().map(|socket| (*socket).to_owned());
        let own = self.engine_sockets.iter().map(canonical);
        let user = path.strip_prefix("/run/user/").and_then(|rest| rest.split('/').next());
        let users = USERS_SOCKETS.iter().map(|socket| match user {
            Some(user) => format!("/run/user/{user}/{socket}"),
            // Of a folder around all of them, any user's will do.
            None => format!("/run/user/0/{socket}"),
        });
        is_within(&path, "/proc")
            || usual.chain(own).chain(users).any(|socket| {
                is_within(&socket, &path) || is_within(&format!("/var{socket}"), &written)
            })
    }

    /// Whether `pipe` is an engine's.
    pub(crate) fn is_engine_pipe(pipe: &PipePath) -> bool {
        PIPES.iter().any(|known| pipe.as_str().eq_ignore_ascii_case(known))
    }
}

/// The path in lower case where that makes no difference, and with `/run` for `/var/run`.
fn canonical(path: &HostPath) -> String {
    let text = path.identity();
    match text.strip_prefix("/var/run") {
        Some(rest) if rest.is_empty() || rest.starts_with('/') => format!("/run{rest}"),
        _ => text.into_owned(),
    }
}

fn is_within(path: &str, folder: &str) -> bool {
    let folder = folder.trim_end_matches(['/', '\\']);
    path.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '\\']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_is_found_by_every_name_of_its_place() {
        let policy = Policy::default().with_socket_at("/var/run/engine/e.sock".parse().unwrap());
        for path in [
            "/",
            "/run",
            "/var/run",
            "/var",
            "/run/docker.sock",
            "/var/run/docker.sock",
            "/run/docker",
            "/run/engine",
            "/var/run/engine/",
            "/run/user",
            "/run/user/1000",
            "/run/user/7/podman",
            "/run/user/7/docker.sock",
            "/proc",
            "/proc/1/root/etc",
        ] {
            assert!(policy.has_socket(&path.parse().unwrap()), "{path}");
        }
        for path in
            ["/etc", "/run/user/1000/bus", "/running", "/var/lib", "/procession", "/run/lock"]
        {
            assert!(!policy.has_socket(&path.parse().unwrap()), "{path}");
        }
        let windows = Policy::default().with_socket_at(r"C:\Engine\e.sock".parse().unwrap());
        assert!(windows.has_socket(&r"c:\".parse().unwrap()));
        assert!(windows.has_socket(&r"c:\engine".parse().unwrap()));
        assert!(!windows.has_socket(&r"c:\engines".parse().unwrap()));
    }

    #[test]
    fn what_is_not_said_is_the_default() {
        let read: Policy = serde_json::from_str("{}").unwrap();
        assert_eq!(read, Policy::default());
        assert!(serde_json::from_str::<Policy>(r#"{"allow_hostpaths":true}"#).is_err());
    }
}
