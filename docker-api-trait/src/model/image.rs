//! Images: what an engine has, and what it says while it pulls.

/// An image that the engine has.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ImageDetails {
    /// Its id, `sha256:…`.
    pub id: String,
    /// The digests under which registries know it, `name@sha256:…`.
    pub digests: Vec<String>,
}

impl ImageDetails {
    /// An image by its id.
    pub fn new(id: impl Into<String>) -> Self {
        Self { id: id.into(), digests: Vec::new() }
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
