//! Images: what an engine has, and what it says while it pulls.

use std::{collections::BTreeMap, fmt};

use crate::id::ImageReference;

/// An image that the engine has.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ImageDetails {
    /// Its id, `sha256:…`.
    pub id: String,
    /// The digests under which registries know it, `name@sha256:…`.
    pub digests: Vec<String>,
    /// The ports that it says it listens on, `6379/tcp`, in order.
    pub exposed_ports: Vec<String>,
    /// Its environment, `NAME=value`.
    pub environment: Vec<String>,
    /// Its entrypoint.
    pub entrypoint: Vec<String>,
    /// Its command.
    pub command: Vec<String>,
    /// Who runs it; empty is root.
    pub user: String,
    /// The folder that it starts in; empty is `/`.
    pub working_directory: String,
    /// The places where it wants volumes.
    pub volumes: Vec<String>,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Whether it has a health check.
    pub has_health_check: bool,
    /// Its operating system, in Go's word.
    pub os: String,
    /// Its processor architecture, in Go's word.
    pub architecture: String,
}

impl ImageDetails {
    /// An image by its id.
    pub fn new(id: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            digests: Vec::new(),
            exposed_ports: Vec::new(),
            environment: Vec::new(),
            entrypoint: Vec::new(),
            command: Vec::new(),
            user: String::new(),
            working_directory: String::new(),
            volumes: Vec::new(),
            labels: BTreeMap::new(),
            has_health_check: false,
            os: String::new(),
            architecture: String::new(),
        }
    }
}

/// An image in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ImageSummary {
    /// Its id, `sha256:…`.
    pub id: String,
    /// Its names, `name:tag`, in order. An image may have none.
    pub tags: Vec<String>,
    /// The digests under which registries know it, `name@sha256:…`, in order.
    pub digests: Vec<String>,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
}

impl ImageSummary {
    /// An image by its id, without a name.
    pub fn new(id: impl Into<String>) -> Self {
        Self { id: id.into(), tags: Vec::new(), digests: Vec::new(), labels: BTreeMap::new() }
    }
}

/// An image to pull.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PullRequest {
    /// The image. Without tag or digest it means `latest`, never all tags.
    pub image: ImageReference,
    /// The platform, `linux/arm64`; `None` is the engine's own.
    pub platform: Option<String>,
    /// What the engine shows the registry.
    pub credential: Option<RegistryCredential>,
}

impl PullRequest {
    /// An image for the engine's own platform, without credentials.
    pub fn new(image: ImageReference) -> Self {
        Self { image, platform: None, credential: None }
    }
}

/// What the engine shows a registry. Its secrets do not show in debug output.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct RegistryCredential {
    /// The registry that it is for.
    pub server: String,
    /// The user.
    pub username: String,
    /// The password; empty beside an identity token.
    pub password: String,
    /// A token instead of a password.
    pub identity_token: Option<String>,
}

impl RegistryCredential {
    /// A user and password for a registry.
    pub fn new(
        server: impl Into<String>,
        username: impl Into<String>,
        password: impl Into<String>,
    ) -> Self {
        Self {
            server: server.into(),
            username: username.into(),
            password: password.into(),
            identity_token: None,
        }
    }
}

impl fmt::Debug for RegistryCredential {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "RegistryCredential({} at {})", self.username, self.server)
    }
}

/// A message of a pull.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PullProgress {
    /// The layer that it is about; `None` when it is about the pull as a whole.
    pub layer: Option<String>,
    /// The engine's words: `Downloading`, `Pull complete`, …
    pub status: String,
    /// Bytes done, when the engine counts them.
    pub current: Option<u64>,
    /// Bytes in all, when the engine knows.
    pub total: Option<u64>,
}
